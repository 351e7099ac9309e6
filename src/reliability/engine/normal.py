"""The closed form when everything is normal.

Every claim a normal estimate and sound, the prior flat or normal: given the scatter, the
posterior is normal; over the scatter it is a mixture of normals, one per quadrature node
(bayesmeta's model, Roever 2020, doi:10.18637/jss.v093.i06). With correlated claims the same
formulae hold in a basis in which the claims are independent measurements
``y_j = h_j x + error`` (generalised least squares).
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from reliability.claims.columns import Columns
from reliability.engine.density import PanelDensity
from reliability.engine.normal_mixtures import NormalMixture
from reliability.engine.panels import Panels, scatter_panels
from reliability.engine.quadrature import LogDensity, Mesh, refine
from reliability.engine.setup import Setup, shared_sds
from reliability.priors import PriorOnX, ScatterPrior, StatedVariances

__all__ = [
    "NormalProblem",
    "NormalSolution",
    "ScatterDensity",
    "ScatterSolution",
    "claim_sides",
    "conditional",
    "conditional_of_claims",
    "first_scatter_panels",
    "log_mass_of_prior",
    "log_prior",
    "log_prior_mass",
    "noise_of_sum",
    "predictive",
    "problem_of",
    "rotate",
    "rounding",
    "shrunk",
    "solve_normal",
    "solve_scatter",
    "weights",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
LOG_2PI = float(np.log(2.0 * np.pi))
#: Claims times nodes worked on at once: arrays of 1 MB.
_AT_ONCE = 1 << 17


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
        if self.heterogeneity is not None:
            return (self.variance + self.extra)[..., None] + scatter * scatter
        if self.inflation is not None:
            return self.variance[..., None] * (scatter * scatter) + self.extra[..., None]
        total = (self.variance + self.extra)[..., None]
        return np.broadcast_to(total, (len(self.value), *scatter.shape))


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
        return values.reshape(columns.quantities, -1).T if many else values

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


def _over_claims(factor: Array | None, values: Array) -> Array:
    """Sum over the claims of a factor (None: 1) times values at nodes.

    The factor is (n,), (G, n) or (n, quantities).
    """
    if factor is None:
        return np.asarray(values.sum(axis=0))
    if values.ndim == 2:
        return np.asarray(factor @ values)
    return np.asarray(np.einsum("nq,nqt->qt", factor, values))


#: Products between this and its inverse keep their digits.
_LARGEST_PRODUCT = 1e280


def _log_precisions(share: Array | None, inverse: Array) -> Array:
    """Sum over the claims of the logs of inverse variances, times their shares."""
    if share is None:
        # One logarithm for all claims, where the floats hold the product.
        with np.errstate(over="ignore", under="ignore"):
            product = inverse.prod(axis=0)
        if (
            product.size
            and 1.0 / _LARGEST_PRODUCT < product.min() <= product.max() < _LARGEST_PRODUCT
        ):
            return np.asarray(np.log(product))
    return _over_claims(share, np.log(inverse))


def conditional(problem: NormalProblem, scatter: Array) -> Conditional:
    """Posterior of x, and evidence, at each value of the scatter.

    With ``w_i = a_i / sigma_i^2``: ``P = sum w h^2``, ``m = sum w h y / P``,
    ``Q = sum w (y - h m)^2 = sum w y^2 - P m^2``; the likelihood is ``N(x; m, 1/P)`` times
    ``prod (2 pi sigma_i^2)^(-a_i/2) sqrt(2 pi/P) exp(-Q/2)``.

    Parameters
    ----------
    problem : one quantity, or many
    scatter : (nodes,), or (quantities, nodes) for many
    """
    share, h = problem.share, problem.design
    variance = problem.variances(scatter)
    inverse = 1.0 / variance
    # Measured from the claim of the largest weight: that keeps the digits of far-away locations,
    # and as its own term of Q is at least P m^2 / n, little cancels in Q = sum w y^2 - P m^2.
    weight = share / (problem.variance + problem.extra)
    if problem.many:
        heavy = np.argmax(weight, axis=0)
        center = problem.value[heavy, np.arange(len(heavy))]
        y, center = problem.value - center, center[:, None]
    elif h is None:
        center = problem.value[np.argmax(weight, axis=-1)][..., None]
        y = problem.value - center
    else:
        heavy = np.argmax(weight * (h * h), axis=-1)
        center = (problem.value[heavy] / h[heavy])[..., None]
        y = problem.value - h * center
    whole = None if np.all(share == 1.0) else share
    once = inverse if h is None else inverse * h[:, None]
    precision = _over_claims(whole, inverse if h is None else once * h[:, None])
    mean = _over_claims(share * y, once) / precision
    square = _over_claims(share * y * y, inverse)
    quadratic = np.maximum(square - precision * mean * mean, 0.0)
    total = share.sum(axis=0 if problem.many else -1)[..., None]
    log_constant = _log_precisions(whole, inverse) - np.log(precision) - quadratic
    log_constant = 0.5 * (log_constant + (1.0 - total) * LOG_2PI) + problem.log_determinant
    shared = problem.shared_variance
    spread = 1.0 / precision + (np.asarray(shared)[:, None] if problem.many else shared)
    if np.all(np.isinf(problem.prior_variance)):
        return Conditional(log_constant, center + mean, spread, precision, quadratic)
    total = spread + problem.prior_variance
    gap = (problem.prior_mean - center) - mean
    log_evidence = log_constant - 0.5 * (LOG_2PI + np.log(total) + gap * gap / total)
    posterior = spread * problem.prior_variance / total
    shift = mean + gap * (spread / total)
    return Conditional(log_evidence, center + shift, posterior, precision, quadratic)


@attrs.frozen(eq=False)
class NormalSolution:
    """Posterior of one all-normal quantity.

    ``scatter`` and ``weight`` are the nodes of the scatter and their posterior probabilities
    (one node, the value that means no scatter, without a prior on it).
    """

    problem: NormalProblem
    scatter: Array
    weight: Array
    conditional: Conditional
    log_normaliser: float
    log_normaliser_without_scatter: float
    error: float
    mesh: Mesh | None

    @property
    def scatter_density(self) -> PanelDensity | None:
        """Posterior of the scatter; None without scatter."""
        prior = self.problem.scatter
        if self.mesh is None or prior is None:
            return None
        return PanelDensity.from_mesh(self.mesh, ScatterDensity(self.problem), prior.low, np.inf)

    @property
    def distribution(self) -> NormalMixture:
        """Posterior of x."""
        return NormalMixture.of(
            self.weight, self.conditional.mean, np.sqrt(self.conditional.variance)
        )


def weights(solution: NormalSolution) -> Array:
    """Posterior mean of each claim's share of the total precision (sum 1).

    With correlated claims these are the generalised least squares weights, which may be
    negative: ``V^-1 1 / (1' V^-1 1)``.
    """
    problem = solution.problem
    precision = problem.share[:, None] / problem.variances(solution.scatter)
    if problem.basis is None:
        each = precision / precision.sum(axis=0)
    else:
        assert problem.design is not None  # noqa: S101 - correlated claims have one
        h = problem.design[:, None]
        each = problem.basis @ (precision * h) / (precision * h * h).sum(axis=0)
    return np.asarray(each @ solution.weight)


def shrunk(solution: NormalSolution, claim: int) -> NormalMixture | None:
    """Posterior of a claim's own true value: between its statement and the others.

    It is z + tau e: what the source measured, free of its own stated error and bias. A bias
    common to all sources is part of z = x + bias. Given tau and z it is normal with precision
    ``1/s^2 + 1/tau^2``; z is integrated out.
    """
    problem = solution.problem
    if problem.heterogeneity is None or problem.basis is not None:
        return None
    given = conditional_of_claims(problem, solution.scatter)
    own = float(problem.variance[claim] + problem.extra[claim])
    square = solution.scatter**2
    pull = own / (own + square)
    value = float(problem.value[claim])
    mean = value + pull * (given.mean - value)
    variance = own * square / (own + square) + pull**2 * given.variance
    return NormalMixture.of(solution.weight, mean, np.sqrt(variance))


def predictive(solution: NormalSolution) -> NormalMixture:
    """What a new sound source's own value would be: x plus scatter."""
    given = solution.conditional
    extra = solution.scatter**2 if solution.problem.heterogeneity is not None else 0.0
    return NormalMixture.of(solution.weight, given.mean, np.sqrt(given.variance + extra))


def conditional_of_claims(problem: NormalProblem, scatter: Array) -> Conditional:
    """Posterior of z = x + shared bias, of which the claims speak, at values of the scatter."""
    return conditional(
        attrs.evolve(
            problem,
            prior_variance=problem.prior_variance + problem.shared_variance,
            shared_variance=0.0,
        ),
        scatter,
    )


def claim_sides(
    weight: Array, mean: Array, variance: Array, value: Array, own_variance: Array
) -> tuple[Array, Array]:
    """Predictive probabilities, given others' posterior, of claims below and above those made.

    Parameters
    ----------
    weight : posterior probabilities of the scatter's nodes given the others, (..., nodes)
    mean, variance : of z = x + shared bias given the others, (..., nodes)
    value : claims, bias-corrected, (..., 1)
    own_variance : their total variances at the nodes, (..., nodes)
    """
    z = (value - mean) / np.sqrt(own_variance + variance)
    below, above = (ndtr(z) * weight).sum(axis=-1), (ndtr(-z) * weight).sum(axis=-1)
    return np.asarray(below), np.asarray(above)


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


def first_scatter_panels(
    smallest: Array, largest: Array, spread: Array, prior: ScatterPrior, power: Array
) -> Panels:
    """First panels of the scatter from the scales at which the integrand may bend.

    Parameters
    ----------
    smallest, largest : (quantities,) range of the claims' sds
    spread : (quantities,) of their values
    prior : on the scatter
    power : (quantities,) exponent of the posterior's tail
    """
    location = prior.location()
    if prior.low > 0.0:
        ratio = np.maximum(spread / smallest, 1.0)
        return scatter_panels(np.full(len(ratio), 0.2), 2.0 * ratio, prior.low, power)
    largest = np.maximum(largest, spread)
    if location is not None:
        smallest, largest = np.minimum(smallest, location), np.maximum(largest, location)
    return scatter_panels(smallest, largest, 0.0, power)


def rounding(problem: NormalProblem) -> float:
    """Relative rounding error of the density of the scatter."""
    return 2e-16 * (4.0 + len(problem.value))


def solve_normal(problem: NormalProblem) -> NormalSolution:
    """Integrate the scatter of one quantity out; everything else is closed form."""
    at_zero = conditional(problem, np.array([problem.neutral]))
    without = float(at_zero.log_evidence[0])
    if problem.scatter is None:
        noise = rounding(problem) + noise_of_sum(without)
        return NormalSolution(
            problem,
            np.array([problem.neutral]),
            np.ones(1),
            at_zero,
            without,
            without,
            noise,
            None,
        )
    residual = problem.value - (1.0 if problem.design is None else problem.design) * float(
        at_zero.mean[0]
    )
    spread = np.ptp(problem.value) if problem.basis is None else np.abs(residual).max()
    scatter = solve_scatter(problem, np.atleast_1d(spread))
    mesh = scatter.mesh
    d, _ = mesh.panels.nodes()
    nodes = (mesh.panels.anchor[:, None] + d).ravel()
    return NormalSolution(
        problem,
        nodes,
        mesh.node_mass.ravel(),
        conditional(problem, nodes),
        float(scatter.log_normaliser[0]),
        without,
        float(mesh.error[0]),
        mesh,
    )


def noise_of_sum(log_evidence: Any) -> Any:
    """Rounding of a log evidence, the largest part of which is the quadratic form."""
    return 2e-16 * np.abs(log_evidence)


@attrs.frozen(eq=False)
class ScatterSolution:
    """Posteriors of the scatter of one or many quantities."""

    mesh: Mesh
    log_normaliser: Array


def solve_scatter(problem: NormalProblem, spread: Array) -> ScatterSolution:
    """Posterior of the scatter: on panels.

    Parameters
    ----------
    problem : one quantity, or many
    spread : (quantities,) range of the claims' values
    """
    prior = problem.scatter
    assert prior is not None  # noqa: S101 - only called with a scatter
    density = ScatterDensity(problem)
    noise = rounding(problem)
    variance = problem.variance if problem.many else problem.variance[:, None]
    sds = np.sqrt(variance.min(axis=0)), np.sqrt(variance.max(axis=0))
    power = np.atleast_1d(np.asarray(problem.scatter_power, dtype=np.float64))
    panels = first_scatter_panels(*sds, spread, prior, power)
    mesh = refine(panels, density.on_panels, len(power), noise=noise)
    log_normaliser = mesh.log_total - log_mass_of_prior(problem)
    return ScatterSolution(mesh, log_normaliser)


def log_mass_of_prior(problem: NormalProblem) -> Array:
    """Log integral of the prior on the scatter of each quantity; 0 where it is improper or 1."""
    prior = problem.scatter
    variance = problem.variance if problem.many else problem.variance[:, None]
    count = variance.shape[1]
    if prior is None or not prior.proper or prior.normalised:
        return np.zeros(count)
    sds = np.sqrt(variance.min(axis=0)), np.sqrt(variance.max(axis=0))
    start = first_scatter_panels(*sds, sds[1], prior, np.full(count, prior.power))
    return log_prior_mass(ScatterDensity(problem).log_prior, start, rounding(problem))


@attrs.frozen(eq=False)
class ScatterDensity:
    """Unnormalised log posterior density of the scatter of one or many quantities."""

    problem: NormalProblem

    def __call__(self, anchor: Array, d: Array) -> Array:
        """Log density at anchor + d, of one quantity."""
        scatter = anchor + d
        given = conditional(self.problem, scatter.ravel())
        prior = log_prior(self.problem, scatter)
        return prior + given.log_evidence.reshape(prior.shape)

    def on_panels(self, panels: Panels) -> Array:
        """Log density at the nodes of panels."""
        if not self.problem.many:
            return self(panels.anchor[:, None], panels.nodes()[0])
        scatter = panels.anchor[:, None] + panels.nodes()[0]
        out = np.empty_like(scatter)
        step = max(_AT_ONCE // (len(self.problem.value) * scatter.shape[1]), 1)
        for begin in range(0, panels.count, step):
            part = slice(begin, begin + step)
            problem = self.problem.at(panels.quantity[part])
            out[part] = conditional(problem, scatter[part]).log_evidence
            out[part] += log_prior(problem, scatter[part])
        return out

    def log_prior(self, panels: Panels) -> Array:
        """Log prior density at the nodes of panels."""
        scatter = panels.anchor[:, None] + panels.nodes()[0]
        return log_prior(self.problem.at(panels.quantity), scatter)


def log_prior_mass(log_density: LogDensity, panels: Panels, rounding: float) -> Array:
    """Log integral of a proper prior that is not normalised, on panels for the scatter.

    One for every quantity that the panels are of.
    """
    quantities = int(panels.quantity.max()) + 1
    return refine(panels, log_density, quantities, noise=rounding).log_total
