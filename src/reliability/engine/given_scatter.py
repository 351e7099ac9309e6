"""Sound normal claims given the scatter: everything in closed form, at many nodes at once.

Of one quantity, of one quantity for many selections of its claims, or of many quantities that
have equally many claims.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns
from reliability.engine.scatter_polynomials import Polynomials, Sums
from reliability.engine.setup import Setup, shared_sds
from reliability.priors import PriorOnX, ScatterPrior, StatedVariances

__all__ = [
    "Conditional",
    "NormalProblem",
    "conditional",
    "log_prior",
    "noise_of_sum",
    "polynomials",
    "problem_of",
    "rotate",
    "rounding",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
LOG_2PI = float(np.log(2.0 * np.pi))


@attrs.frozen(eq=False)
class NormalProblem:
    """Sound normal claims about one quantity, or about many with equally many claims.

    ``value`` (bias-corrected), ``variance`` (of the statement, the part that an inflation
    multiplies), ``extra`` (variance of the source's bias), ``share`` and ``design`` h (None
    where all are 1), each (n,), or (n, quantities) for many; ``stated`` the variances from which
    data-made priors are formed. Where claims are correlated, these are combinations of the
    claims, ``value = basis' y``, with ``log_determinant`` the log of the basis' (n, n; rows:
    claims). For one quantity ``share`` may be (G, n) for G selections of the claims, 0 for those
    left out, with a ``shared_variance`` (G, 1). For many, ``shared_variance`` and
    ``scatter_power`` are (quantities,).
    """

    value: Array
    variance: Array
    extra: Array
    share: Array
    design: Array | None
    stated: Array
    basis: Array | None
    log_determinant: float
    prior_mean: float
    prior_variance: float | Array
    shared_variance: float | Array
    heterogeneity: ScatterPrior | None
    inflation: ScatterPrior | None
    scatter_power: float | Array

    @property
    def scatter(self) -> ScatterPrior | None:
        """The prior on the scatter, of whichever kind."""
        return self.heterogeneity if self.heterogeneity is not None else self.inflation

    @property
    def neutral(self) -> float:
        """The value that means no scatter."""
        return 1.0 if self.inflation is not None else 0.0

    @property
    def many(self) -> bool:
        """Whether these are many quantities."""
        return self.value.ndim == 2

    @property
    def as_many(self) -> NormalProblem:
        """One quantity of independent claims as one of many."""
        return attrs.evolve(
            self,
            value=self.value[:, None],
            variance=self.variance[:, None],
            extra=self.extra[:, None],
            share=self.share[:, None],
            stated=self.stated[:, None],
            shared_variance=np.array([self.shared_variance]),
            scatter_power=np.array([self.scatter_power]),
        )

    def at(self, quantity: IntArray) -> NormalProblem:
        """Of many quantities those of given rows; the only one as it is."""
        if not self.many:
            return self
        return attrs.evolve(
            self,
            value=self.value[:, quantity],
            variance=self.variance[:, quantity],
            extra=self.extra[:, quantity],
            share=self.share[:, quantity],
            stated=self.stated[:, quantity],
            shared_variance=np.asarray(self.shared_variance)[quantity],
            scatter_power=np.asarray(self.scatter_power)[quantity],
        )

    def variances(self, scatter: Array) -> Array:
        """Total variance of each claim at each value of the scatter: (n, [quantities,] nodes)."""
        return self.variances_of(slice(None), scatter * scatter)

    def variances_of(self, claims: slice, square: Array) -> Array:
        """The same of some of the claims, at squares of the scatter."""
        variance, extra = self.variance[claims], self.extra[claims]
        if self.heterogeneity is not None:
            return (variance + extra)[..., None] + square
        if self.inflation is not None:
            return variance[..., None] * square + extra[..., None]
        total = (variance + extra)[..., None]
        return np.broadcast_to(total, (len(variance), *square.shape))


def problem_of(
    columns: Columns,
    setup: Setup,
    prior: PriorOnX,
    scatter_power: float | Array,
    *,
    many: bool = False,
) -> NormalProblem:
    """The closed form's arrays.

    Parameters
    ----------
    columns : claims about one quantity, or about many with equally many claims
    setup : everything else
    prior : on x
    scatter_power : exponent of the tail of the scatter's posterior, of every quantity
    many : whether the arrays are those of many quantities
    """

    def by_claim(values: Array) -> Array:
        if not many or values.strides == (0,):
            return values.reshape(columns.quantities, -1).T if many else values
        # One claim of all quantities after the other.
        return np.ascontiguousarray(values.reshape(columns.quantities, -1).T)

    value = by_claim(columns.location - columns.bias)
    sd = by_claim(columns.overconfidence * columns.sd_low)
    extra = by_claim(columns.bias_variance)
    variance, stated, design, rotation = sd**2, sd**2 + extra, None, None
    if setup.correlation is not None:
        rotation = rotate(setup.correlation, sd, extra, inflated=setup.inflation is not None)
        variance, extra = rotation.variance, rotation.extra
        value, design = rotation.basis.T @ value, rotation.basis.sum(axis=0)
    mean, prior_sd = prior.normal if prior.normal is not None else (0.0, np.inf)
    shared = shared_sds(columns, setup) ** 2
    return NormalProblem(
        value=value,
        variance=variance,
        extra=extra,
        share=by_claim(columns.share),
        design=design,
        stated=stated,
        basis=None if rotation is None else rotation.basis,
        log_determinant=0.0 if rotation is None else rotation.log_determinant,
        prior_mean=mean,
        prior_variance=prior_sd**2,
        shared_variance=shared if many else float(shared[0]),
        heterogeneity=setup.heterogeneity,
        inflation=setup.inflation,
        scatter_power=scatter_power,
    )


@attrs.frozen(eq=False)
class Rotation:
    """A basis in which correlated claims are independent; see :func:`rotate`."""

    basis: Array
    log_determinant: float
    variance: Array
    extra: Array


def rotate(correlation: Array, sd: Array, extra: Array, *, inflated: bool) -> Rotation:
    """Make correlated claims independent, whatever the scatter.

    Under a heterogeneity (or no scatter) the covariance is ``S + diag(extra) + tau^2 I``, with S
    that of the stated errors: the eigenvectors of the first two serve for every tau. An
    inflation multiplies S alone: with ``S = L L'`` and ``L^-1 diag(extra) L^-T = W D W'``, the
    combinations ``W' L^-1 y`` have the covariance ``k^2 I + D``.

    Parameters
    ----------
    correlation : (n, n) of the stated errors
    sd : (n,) stated sds
    extra : (n,) variances of the sources' biases
    inflated : whether the scatter is an inflation
    """
    if not inflated:
        covariance = correlation * np.outer(sd, sd) + np.diag(extra)
        variance, basis = np.linalg.eigh(covariance)
        return Rotation(basis, 0.0, variance, np.zeros(len(sd)))
    root = sd[:, None] * np.linalg.cholesky(correlation)
    inverse = np.linalg.inv(root)
    diagonal, vectors = np.linalg.eigh((inverse * extra) @ inverse.T)
    log_determinant = -float(np.log(np.diag(root)).sum())
    return Rotation(
        inverse.T @ vectors, log_determinant, np.ones(len(sd)), np.maximum(diagonal, 0.0)
    )


@attrs.frozen(eq=False)
class Conditional:
    """The posterior given the scatter: arrays over nodes, (G, nodes) for G selections of claims.

    ``log_evidence`` of the claims, ``mean`` and ``variance`` of x; ``precision`` is the
    likelihood's own. For many quantities all are (quantities, nodes).
    """

    log_evidence: Array
    mean: Array
    variance: Array
    precision: Array
    quadratic: Array

    def take(self, quantities: NDArray[Any]) -> Conditional:
        """Of many quantities some."""
        return Conditional(*(v[quantities] for v in attrs.astuple(self, recurse=False)))

    @classmethod
    def joined(cls, parts: list[Conditional]) -> Conditional:
        """Of many quantities and some more."""
        every = zip(*(attrs.astuple(part, recurse=False) for part in parts), strict=True)
        return cls(*(np.concatenate(arrays) for arrays in every))

    def of(self, quantity: int) -> Conditional:
        """Of many quantities one."""
        return Conditional(*(v[quantity] for v in attrs.astuple(self, recurse=False)))


def _over_claims(factor: Array | None, values: Array) -> Array:
    """Sum over the claims of a factor (None: 1) times values at nodes.

    The factor is (n,), (G, n) or (n, quantities).
    """
    if factor is None:
        return np.asarray(values[0] if len(values) == 1 else values.sum(axis=0))
    if values.ndim == 2:
        return np.asarray(factor @ values)
    if len(values) == 1:
        return np.asarray(factor[0][:, None] * values[0])
    return np.asarray(np.einsum("nq,nqt->qt", factor, values))


#: Claims times nodes worked on at once: several arrays of 128 kB stay in the cache.
_AT_ONCE = 1 << 14
#: So many claims at least share a logarithm.
_FACTORS = 8


def _sums(problem: NormalProblem, scatter: Array, y: Array) -> Sums:
    """Over a few claims at a time, that the arrays stay in the cache: of many quantities one.

    Parameters
    ----------
    problem, scatter : see :func:`conditional`
    y : values, measured from where most of them are small, in the shape of the shares
    """
    h, square, share = problem.design, scatter * scatter, problem.share
    whole = bool(np.all(share == 1.0))
    count = len(problem.value)
    step = max(_AT_ONCE // max(scatter.size, 1), 1) if problem.many else count
    # Whole claims share a logarithm, of the product of their inverse variances; where the floats
    # do not hold that product, every claim has its own.
    lost: list[str] = []
    product: Array | None = None
    logs: Array | float = 0.0
    since = 0
    for begin in range(0, count, step):
        claims = slice(begin, begin + step)
        inverse = 1.0 / problem.variances_of(claims, square)
        once = inverse if h is None else inverse * h[:, None]
        a, v = (share[claims], y[claims]) if problem.many else (share, y)
        terms = (
            _over_claims(None if whole else a, once if h is None else once * h[:, None]),
            _over_claims(a * v, once),
            _over_claims(a * v * v, inverse),
        )
        if begin == 0:
            # The first may be the only inverse itself.
            precision, first, second = (terms[0] + 0.0, *terms[1:])
        else:
            precision += terms[0]
            first += terms[1]
            second += terms[2]
        if not whole:
            logs = logs + _over_claims(a, np.log(inverse))
            continue
        with _noticing(lost):
            factor = inverse[0] if len(inverse) == 1 else inverse.prod(axis=0)
            product = factor if product is None else product * factor
        if claims.stop - since >= _FACTORS and claims.stop < count and not lost:
            logs = logs + np.log(product)
            product, since = None, claims.stop
    alone = 1.0 / precision
    if not whole:
        return Sums(alone, precision, first, second, np.asarray(logs + np.log(alone)))
    with _noticing(lost):
        last = alone if product is None else product * alone
    if lost:
        logs = -np.log(problem.variances_of(slice(None), square)).sum(axis=0)
        last = alone
    return Sums(alone, precision, first, second, np.asarray(logs + np.log(last)))


def _noticing(lost: list[str]) -> np.errstate:
    """Put down every overflow and underflow."""
    return np.errstate(over="call", under="call", call=lambda problem, _: lost.append(problem))


def polynomials(problem: NormalProblem, unit: Array) -> Polynomials | None:
    """What the claims about many quantities add up to, in units of a heterogeneity.

    None where that is no quotient of polynomials, or of too many claims.

    Parameters
    ----------
    problem : many quantities
    unit : (quantities,), squares of which exceed none of the variances
    """
    if problem.heterogeneity is None or not np.all(problem.share == 1.0):
        return None
    return Polynomials.of(problem.variance + problem.extra, _centered(problem)[0], unit)


def _centered(problem: NormalProblem) -> tuple[Array, Array]:
    """Values measured from the claim of the largest weight, and that claim's.

    That keeps the digits of far-away locations, and as its own term of Q is at least P m^2 / n,
    little cancels in Q = sum w y^2 - P m^2.
    """
    h = problem.design
    weight = problem.share / (problem.variance + problem.extra)
    if problem.many:
        heavy = np.argmax(weight, axis=0)
        center = problem.value[heavy, np.arange(len(heavy))]
        return problem.value - center, center[:, None]
    if h is None:
        center = problem.value[np.argmax(weight, axis=-1)][..., None]
        return problem.value - center, center
    heavy = np.argmax(weight * (h * h), axis=-1)
    center = (problem.value[heavy] / h[heavy])[..., None]
    return problem.value - h * center, center


def conditional(
    problem: NormalProblem,
    scatter: Array,
    common: tuple[Polynomials, Array] | None = None,
) -> Conditional:
    """Posterior of x, and evidence, at each value of the scatter.

    With ``w_i = a_i / sigma_i^2``: ``P = sum w h^2``, ``m = sum w h y / P``,
    ``Q = sum w (y - h m)^2 = sum w y^2 - P m^2``; the likelihood is ``N(x; m, 1/P)`` times
    ``prod (2 pi sigma_i^2)^(-a_i/2) sqrt(2 pi/P) exp(-Q/2)``.

    Parameters
    ----------
    problem : one quantity, or many
    scatter : (nodes,), or (quantities, nodes) for many
    common : :func:`polynomials`, and (nodes,) in their units, if these are the same for all
    """
    share = problem.share
    y, center = _centered(problem)
    sums = None if common is None else common[0].sums(common[1])
    if sums is None:
        sums = _sums(problem, scatter, y)
    precision = sums.precision
    mean = sums.first * sums.alone
    quadratic = sums.second - sums.first * mean
    np.maximum(quadratic, 0.0, out=quadratic)
    total = share.sum(axis=0 if problem.many else -1)[..., None]
    log_constant = sums.logs - quadratic
    log_constant += (1.0 - total) * LOG_2PI
    log_constant *= 0.5
    log_constant += problem.log_determinant
    shared = problem.shared_variance
    spread = sums.alone + (np.asarray(shared)[:, None] if problem.many else shared)
    if np.all(np.isinf(problem.prior_variance)):
        return Conditional(log_constant, center + mean, spread, precision, quadratic)
    total = spread + problem.prior_variance
    gap = (problem.prior_mean - center) - mean
    log_evidence = log_constant - 0.5 * (LOG_2PI + np.log(total) + gap * gap / total)
    posterior = spread * problem.prior_variance / total
    shift = mean + gap * (spread / total)
    return Conditional(log_evidence, center + shift, posterior, precision, quadratic)


def _stated(problem: NormalProblem, rows: int) -> StatedVariances:
    """Stated variances for rows of scatter nodes, for every selection of claims in turn."""
    if problem.many:
        count = len(problem.value)
        return StatedVariances(
            problem.stated.T.reshape(-1, 1), np.arange(rows, dtype=np.int64) * count
        )
    chosen = np.atleast_2d(problem.share > 0.0)
    every = np.broadcast_to(chosen[:, None, :], (len(chosen), rows, chosen.shape[1]))
    counts = np.repeat(chosen.sum(axis=1), rows)
    return StatedVariances(
        np.broadcast_to(problem.stated, every.shape)[every][:, None],
        (np.cumsum(counts) - counts).astype(np.int64),
    )


_NO_CLAIMS = StatedVariances(np.ones((0, 1)), np.zeros(0, dtype=np.int64))


def log_prior(problem: NormalProblem, scatter: Array) -> Array:
    """Log prior density of the scatter at nodes (rows, nodes): (..., rows, nodes)."""
    assert problem.scatter is not None  # noqa: S101 - only called with a scatter
    selections = () if problem.many else problem.share.shape[:-1]
    if not problem.scatter.needs_claims:
        given = problem.scatter.log_scatter(scatter, _NO_CLAIMS)
        return np.broadcast_to(given, (*selections, *scatter.shape))
    stated = _stated(problem, len(scatter))
    every = np.tile(scatter, (*selections, 1)) if selections else scatter
    return problem.scatter.log_scatter(every, stated).reshape(*selections, *scatter.shape)


def rounding(problem: NormalProblem) -> float:
    """Relative rounding error of the density of the scatter."""
    return 2e-16 * (4.0 + len(problem.value))


def noise_of_sum(log_evidence: Any) -> Any:
    """Rounding of a log evidence, the largest part of which is the quadratic form."""
    return 2e-16 * np.abs(log_evidence)
