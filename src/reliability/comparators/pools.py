"""Pools: one distribution from several of the same quantity, with weights.

Every pool takes frozen scipy distributions, ``Posterior`` objects and tables of quantiles
(``Quantiles`` or mappings of probabilities to quantiles), mixed at will, and is a distribution
itself: pools can be pooled. A distribution of weight 0 takes no part.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Literal

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincinv, betaln, logsumexp, ndtr, ndtri, polygamma, psi

from reliability.claims._checks import short
from reliability.comparators._checks import (
    checked_level,
    checked_weights,
    finite,
    points,
    positive_number,
    probabilities,
    refuse,
)
from reliability.comparators.distributions import (
    Distribution,
    Panels,
    as_distributions,
    edges_between,
    increasing_root,
)
from reliability.errors import InvalidValueError, NumericalError

__all__ = [
    "BetaTransformedPool",
    "GaussianEstimate",
    "LinearPool",
    "LogarithmicPool",
    "Pool",
    "QuantilePool",
    "beta_transformed_pool",
    "covariance_intersection",
    "fit_beta_transform",
    "linear_pool",
    "logarithmic_pool",
    "quantile_pool",
]

Array = NDArray[np.float64]

#: What may be lost beyond the outermost edges, as a part of the whole.
_LOST = 1e-15
#: Tail probabilities down to which a mean is integrated, and what may lie between them, as a part
#: of the mean distance from the median, for the mean to be given.
_DEPTHS = (1e-60, 1e-120)
_MEAN_ACCEPTED = 1e-9
#: Relative step at which Newton's method for the beta transform has converged, and most steps.
_CONVERGED = 1e-13
_MOST_STEPS = 200
#: Accepted violation of the condition for the best weights of a covariance intersection.
_OPTIMAL = 1e-6


def _shaped(values: Any, like: Array) -> Any:
    return float(values.reshape(())) if like.ndim == 0 else values.reshape(like.shape)


def _inside(
    log_density: Callable[[Array], Array], low: float, high: float
) -> Callable[[Array], Array]:
    """Log density without the ends of the support, which a node may be rounded to.

    A density may be infinite there.
    """

    def inside(x: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where((x > low) & (x < high), log_density(x), -np.inf)

    return inside


@attrs.frozen(eq=False)
class Pool(ABC):
    """A pool of distributions, with the methods of a frozen scipy distribution.

    Methods take numbers or arrays of any shape, in the quantity's unit.

    Attributes
    ----------
    distributions : those of positive weight
    weights : (distributions,) their weights, with sum 1
    """

    distributions: tuple[Distribution, ...]
    weights: Array

    @abstractmethod
    def _side(self, x: Array, *, below: bool) -> Array:
        """Probability below or above points, (n,)."""

    @abstractmethod
    def _log_density(self, x: Array) -> Array:
        """Log density at points, (n,)."""

    @abstractmethod
    def _quantile(self, p: Array, *, below: bool) -> Array:
        """Points with probabilities p in (0, 1/2] below or above, (n,)."""

    @abstractmethod
    def mean(self) -> float:
        """Mean; nan or inf where there is none."""

    def _at(self, name: str, values: ArrayLike, function: Callable[[Array], Array]) -> Any:
        given = points(name, values)
        flat = given.ravel()
        out = np.full(len(flat), np.nan)
        good = ~np.isnan(flat)
        if good.any():
            with np.errstate(under="ignore", over="ignore", divide="ignore", invalid="ignore"):
                out[good] = function(flat[good])
        return _shaped(out, given)

    def cdf(self, x: ArrayLike, /) -> Any:
        """Probability of at most given values."""
        return self._at("x", x, lambda v: self._side(v, below=True))

    def sf(self, x: ArrayLike, /) -> Any:
        """Probability of more than given values."""
        return self._at("x", x, lambda v: self._side(v, below=False))

    def logpdf(self, x: ArrayLike, /) -> Any:
        """Log density at given values."""
        return self._at("x", x, self._log_density)

    def pdf(self, x: ArrayLike, /) -> Any:
        """Density at given values."""
        return self._at("x", x, lambda v: np.exp(self._log_density(v)))

    def _both(self, p: Array, *, below: bool) -> Array:
        low, high = self.support()
        start, stop = (low, high) if below else (high, low)
        out = np.select([p == 0.0, p == 1.0], [start, stop], np.nan)
        near, far = (p > 0.0) & (p <= 0.5), (p > 0.5) & (p < 1.0)
        if near.any():
            out[near] = self._quantile(p[near], below=below)
        if far.any():
            out[far] = self._quantile(1.0 - p[far], below=not below)
        return np.asarray(out)

    def ppf(self, p: ArrayLike, /) -> Any:
        """Value with probability p below it; nan for p outside [0, 1]."""
        return self._at("p", p, lambda v: self._both(v, below=True))

    def isf(self, p: ArrayLike, /) -> Any:
        """Value with probability p above it; nan for p outside [0, 1]."""
        return self._at("p", p, lambda v: self._both(v, below=False))

    def median(self) -> float:
        """Value with probability one half below it."""
        return float(self.ppf(0.5))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Central interval: equal probability on both sides."""
        tail = 0.5 * (1.0 - checked_level(level))
        return float(self.ppf(tail)), float(self.isf(tail))

    def support(self) -> tuple[float, float]:
        """The smallest interval that holds all of the probability."""
        ends = np.array([one.support() for one in self.distributions], dtype=np.float64)
        return float(ends[:, 0].min()), float(ends[:, 1].max())

    def _each(self, method: str, at: Array) -> Array:
        """What all distributions say at the same points, (distributions, n)."""
        return np.array([getattr(one, method)(at) for one in self.distributions])

    def _integrated_mean(self) -> float:
        """Mean by integration between quantiles far out; nan where what is beyond matters."""
        middle = self.median()
        found = []
        for depth in _DEPTHS:
            edges = np.append(edges_between(self.distributions, depth), middle)
            low, high = self.support()
            edges = np.append(edges, [end for end in (low, high) if np.isfinite(end)])
            density = _inside(self._log_density, low, high)
            panels = Panels.over(density, edges[(edges >= low) & (edges <= high)])
            found.append(
                (panels.moment(lambda x: x - middle), panels.moment(lambda x: np.abs(x - middle)))
            )
        (_, short_of), (mean, whole) = found
        if not abs(whole - short_of) <= _MEAN_ACCEPTED * whole:
            return np.nan
        return middle + mean


def _prepared(
    distributions: Sequence[object], weights: ArrayLike | None, *, densities: bool = True
) -> tuple[tuple[Distribution, ...], Array]:
    given = as_distributions(distributions, densities=densities)
    w = checked_weights(weights, len(given), "distributions")
    return tuple(one for one, share in zip(given, w, strict=True) if share > 0.0), w[w > 0.0]


# ------------------------------------------------------------------ linear


@attrs.frozen(eq=False)
class LinearPool(Pool):
    """Mixture of distributions; see :func:`linear_pool`."""

    def _side(self, x: Array, *, below: bool) -> Array:
        return np.asarray(self.weights @ self._each("cdf" if below else "sf", x))

    def _log_density(self, x: Array) -> Array:
        logs = self._each("logpdf", x)
        return np.asarray(logsumexp(logs, axis=0, b=self.weights[:, None]))

    def _quantile(self, p: Array, *, below: bool) -> Array:
        ends = self._each("ppf" if below else "isf", p)
        sign = 1.0 if below else -1.0

        def missing(x: Array, rows: NDArray[np.int64]) -> Array:
            return sign * (self._side(x, below=below) - p[rows])

        return increasing_root(missing, ends.min(axis=0), ends.max(axis=0))

    def mean(self) -> float:
        """Weighted mean of the means."""
        return float(self.weights @ np.array([float(one.mean()) for one in self.distributions]))


def linear_pool(distributions: Sequence[object], weights: ArrayLike | None = None) -> LinearPool:
    """Mixture of distributions: ``F(x) = sum w_i F_i(x)``.

    The linear opinion pool (Stone 1961, doi:10.1214/aoms/1177704873). Quantiles by a root search
    to the last digits; where almost no probability lies they are as uncertain as the distribution
    functions' rounding makes them.

    Parameters
    ----------
    distributions : frozen scipy distributions, ``Posterior`` objects (an atom at zero is kept in
        ``cdf`` and ``ppf``), or tables of quantiles
    weights : not negative, as many as the distributions, divided by their sum; None for equal

    Raises
    ------
    ReliabilityError
        If there is no distribution, one is of another kind, or the weights do not fit.

    Examples
    --------
    >>> pool = linear_pool([{0.05: 0, 0.5: 2, 0.95: 4}, {0.05: 2, 0.5: 4, 0.95: 6}])
    >>> round(pool.median(), 6), round(float(pool.cdf(6)), 4)
    (3.0, 0.9747)
    """
    return LinearPool(*_prepared(distributions, weights, densities=False))


# ------------------------------------------------------------------ logarithmic


@attrs.frozen(eq=False)
class LogarithmicPool(Pool):
    """Normalised geometric mean of densities; see :func:`logarithmic_pool`."""

    def support(self) -> tuple[float, float]:
        """What all of the distributions allow."""
        ends = np.array([one.support() for one in self.distributions], dtype=np.float64)
        return float(ends[:, 0].max()), float(ends[:, 1].min())

    def _log_height(self, x: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            # A sum term by term: where one density is 0 and another infinite there is nothing.
            parts = self.weights[:, None] * self._each("logpdf", x)
            total = parts.sum(axis=0)
        return np.where((parts == -np.inf).any(axis=0), -np.inf, total)

    @cached_property
    def _panels(self) -> Panels:
        low, high = self.support()
        smallest = 1e-20
        for _ in range(3):
            edges = edges_between(self.distributions, smallest)
            edges = edges[(edges >= low) & (edges <= high)]
            edges = np.append(edges, [end for end in (low, high) if np.isfinite(end)])
            if low < high and len(np.unique(edges)) > 1:
                panels = Panels.over(_inside(self._log_height, low, high), edges)
                # By Hoelder's inequality no more than ``smallest`` lies beyond on either side.
                whole = panels.total * np.exp(panels.shift)
                if smallest <= _LOST * whole:
                    return panels
                smallest = max(1e-3 * _LOST * whole, 1e-290)
            else:
                break
        raise InvalidValueError(
            "distributions have no common ground: the product of their densities vanishes; "
            "use a linear pool"
        )

    def _side(self, x: Array, *, below: bool) -> Array:
        return self._panels.probability(x, below=below)

    def _log_density(self, x: Array) -> Array:
        panels = self._panels
        return np.asarray(self._log_height(x) - panels.shift - np.log(panels.total))

    def _quantile(self, p: Array, *, below: bool) -> Array:
        panels = self._panels
        at_edges = panels.probability(panels.edges, below=below)
        if below:
            place = np.searchsorted(at_edges, p, side="right") - 1
        else:
            place = len(at_edges) - 1 - np.searchsorted(at_edges[::-1], p, side="left")
        place = np.clip(place, 0, len(at_edges) - 2)
        sign = 1.0 if below else -1.0

        def missing(x: Array, rows: NDArray[np.int64]) -> Array:
            return sign * (panels.probability(x, below=below) - p[rows])

        return increasing_root(missing, panels.edges[place], panels.edges[place + 1])

    def mean(self) -> float:
        """Mean; nan where it does not exist, or converges too slowly for 9 digits."""
        return self._integrated_mean()


def logarithmic_pool(
    distributions: Sequence[object], weights: ArrayLike | None = None
) -> LogarithmicPool:
    """Geometric mean of densities: ``f(x) = prod f_i(x)^w_i / integral``, the weights' sum 1.

    The logarithmic opinion pool (Genest & Zidek 1986, doi:10.1214/ss/1177013825). The integral is
    taken between quantiles so far out that less than 1e-15 is lost (by Hoelder's inequality no
    more than the largest of the distributions' own tails), in pieces that are halved until two
    Gauss-Legendre rules agree to 1e-14.

    Parameters and errors as of :func:`linear_pool`; an atom at zero is refused, and so are
    distributions without common support.

    Examples
    --------
    >>> from scipy.stats import norm
    >>> pool = logarithmic_pool([norm(0, 1), norm(4, 1)], [3, 1])
    >>> round(pool.mean(), 9), [round(end, 4) for end in pool.interval(0.9)]
    (1.0, [-0.6449, 2.6449])
    """
    pool = LogarithmicPool(*_prepared(distributions, weights))
    _ = pool._panels  # noqa: SLF001 - what cannot be pooled is refused at once
    return pool


# ------------------------------------------------------------------ quantiles


@attrs.frozen(eq=False)
class QuantilePool(Pool):
    """Weighted mean of quantile functions; see :func:`quantile_pool`."""

    def support(self) -> tuple[float, float]:
        """Weighted means of the ends."""
        ends = np.array([one.support() for one in self.distributions], dtype=np.float64)
        low, high = self.weights @ ends
        return float(low), float(high)

    def _quantile(self, p: Array, *, below: bool) -> Array:
        return np.asarray(self.weights @ self._each("ppf" if below else "isf", p))

    def _side(self, x: Array, *, below: bool) -> Array:
        lower = x <= self._quantile(np.array([0.5]), below=True)[0]
        out = np.empty(len(x))
        for side in (True, False):
            rows = np.flatnonzero(lower == side)
            if len(rows):
                p = self._smaller_side(x[rows], below=side)
                out[rows] = p if side == below else 1.0 - p
        return out

    def _smaller_side(self, x: Array, *, below: bool) -> Array:
        """Probability below points of the lower half, or above points of the upper half."""
        ends = self._each("cdf" if below else "sf", x)
        sign = 1.0 if below else -1.0

        def missing(p: Array, rows: NDArray[np.int64]) -> Array:
            return sign * (self._quantile(p, below=below) - x[rows])

        low, high = ends.min(axis=0), ends.max(axis=0)
        return increasing_root(missing, low, np.minimum(high, 0.5))

    def _log_density(self, x: Array) -> Array:
        below = x <= self._quantile(np.array([0.5]), below=True)[0]
        out = np.empty(len(x))
        for side in (True, False):
            rows = np.flatnonzero(below == side)
            if len(rows):
                p = self._smaller_side(x[rows], below=side)
                at = self._each("ppf" if side else "isf", p)
                logs = [one.logpdf(q) for one, q in zip(self.distributions, at, strict=True)]
                out[rows] = -logsumexp(-np.array(logs), axis=0, b=self.weights[:, None])
        low, high = self.support()
        return np.where((x < low) | (x > high), -np.inf, out)

    def mean(self) -> float:
        """Weighted mean of the means."""
        return float(self.weights @ np.array([float(one.mean()) for one in self.distributions]))


def quantile_pool(
    distributions: Sequence[object], weights: ArrayLike | None = None
) -> QuantilePool:
    """Mean of quantiles: ``Q(p) = sum w_i Q_i(p)``.

    Vincent averaging (Vincent 1912; Lichtendahl, Grushka-Cockayne & Winkler 2013,
    doi:10.1287/mnsc.1120.1667); what forecast hubs call the mean ensemble.

    Parameters and errors as of :func:`linear_pool`; an atom at zero is refused.

    Examples
    --------
    >>> pool = quantile_pool([{0.05: 0, 0.5: 2, 0.95: 4}, {0.05: 2, 0.5: 4, 0.95: 6}])
    >>> [round(end, 9) for end in pool.interval(0.9)]
    [1.0, 5.0]
    """
    return QuantilePool(*_prepared(distributions, weights))


# ------------------------------------------------------------------ beta-transformed


@attrs.frozen(eq=False)
class BetaTransformedPool(Pool):
    """Recalibrated linear pool; see :func:`beta_transformed_pool`."""

    a: float
    b: float

    @cached_property
    def _linear(self) -> LinearPool:
        return LinearPool(self.distributions, self.weights)

    def _side(self, x: Array, *, below: bool) -> Array:
        shapes = (self.a, self.b) if below else (self.b, self.a)
        return np.asarray(betainc(*shapes, self._linear._side(x, below=below)))  # noqa: SLF001

    def _log_density(self, x: Array) -> Array:
        pool = self._linear
        below, above = pool._side(x, below=True), pool._side(x, below=False)  # noqa: SLF001
        logs = pool._log_density(x)  # noqa: SLF001
        # Not 0 log 0: a shape of 1 leaves the density alone.
        for shape, side in ((self.a, below), (self.b, above)):
            if shape != 1.0:
                logs = np.where(logs == -np.inf, logs, logs + (shape - 1.0) * np.log(side))
        return np.asarray(logs - betaln(self.a, self.b))

    def _quantile(self, p: Array, *, below: bool) -> Array:
        shapes = (self.a, self.b) if below else (self.b, self.a)
        u = betaincinv(*shapes, p)
        return self._linear._both(u, below=below)  # noqa: SLF001

    def mean(self) -> float:
        """Mean; nan where it does not exist, or converges too slowly for 9 digits."""
        return self._integrated_mean()


def beta_transformed_pool(
    distributions: Sequence[object], weights: ArrayLike | None = None, *, a: float, b: float
) -> BetaTransformedPool:
    """Linear pool, recalibrated: ``F(x) = B(sum w_i F_i(x); a, b)``, B the beta distribution.

    a = b > 1 sharpens the linear pool, which is too wide where its parts are calibrated (Ranjan &
    Gneiting 2010, doi:10.1111/j.1467-9868.2009.00726.x, for probabilities; Gneiting & Ranjan 2013,
    doi:10.1214/13-EJS823, for densities). :func:`fit_beta_transform` finds a and b.

    Parameters
    ----------
    distributions, weights : as of :func:`linear_pool`; an atom at zero is refused
    a, b : positive

    Examples
    --------
    >>> forecasts = [{0.05: 0, 0.5: 2, 0.95: 4}, {0.05: 2, 0.5: 4, 0.95: 6}]
    >>> pool = beta_transformed_pool(forecasts, a=2, b=2)
    >>> round(pool.median(), 6), round(float(pool.cdf(6)), 4)
    (3.0, 0.9981)
    """
    a, b = positive_number("a", a), positive_number("b", b)
    return BetaTransformedPool(*_prepared(distributions, weights), a, b)


def fit_beta_transform(pits: ArrayLike) -> tuple[float, float]:
    """Find a and b of the beta transform from what happened, by maximum likelihood.

    The density of an outcome under the transformed pool is that under the linear pool times the
    beta density of its PIT, so that the best a and b are those of a beta distribution fitted to
    the PITs (Gneiting & Ranjan 2013, doi:10.1214/13-EJS823, with the weights held fixed). Newton's
    method on the concave log likelihood.

    Parameters
    ----------
    pits : (n,) values of the linear pool's distribution function at the outcomes, in (0, 1), not
        all the same

    Raises
    ------
    ReliabilityError
        If one is not in (0, 1) or all are the same: then the likelihood has no maximum.

    Examples
    --------
    >>> a, b = fit_beta_transform([0.4, 0.5, 0.6, 0.3, 0.7])
    >>> a > 2, round(a - b, 9)
    (True, 0.0)
    """
    u = probabilities("pits", pits, open_interval=True)
    if u.ndim != 1 or len(u) < 2 or np.all(u == u[0]):
        raise InvalidValueError(
            f"pits must hold two or more values that are not all the same (got {short(pits)})"
        )
    logs = np.array([np.mean(np.log(u)), np.mean(np.log1p(-u))])

    def height(shapes: Array) -> float:
        return float((shapes - 1.0) @ logs - betaln(*shapes))

    mean, variance = float(u.mean()), float(u.var())
    common = mean * (1.0 - mean) / variance - 1.0
    shapes = np.array([mean, 1.0 - mean]) * max(common, 1e-3)
    for _ in range(_MOST_STEPS):
        total = shapes.sum()
        gradient = logs - psi(shapes) + psi(total)
        curvature = np.diag(polygamma(1, shapes)) - polygamma(1, total)
        step = np.linalg.solve(curvature, gradient)
        if np.all(np.abs(step) <= _CONVERGED * shapes):
            return float(shapes[0]), float(shapes[1])
        before = height(shapes)
        while np.any(shapes + step <= 0.0) or height(shapes + step) < before - 1e-14 * abs(before):
            step *= 0.5
            if np.all(np.abs(step) <= _CONVERGED * shapes):
                return float(shapes[0]), float(shapes[1])
        shapes = shapes + step
    raise NumericalError("the beta transform's likelihood has no maximum within reach of its PITs")


# ------------------------------------------------------------------ covariance intersection


@attrs.frozen(eq=False)
class GaussianEstimate:
    """A mean and a covariance that hold whatever the correlation of what they were made from.

    ``cdf``, ``pdf``, ``ppf`` and ``interval`` are those of the normal marginals: arguments
    broadcast against the last axis, the coordinates; with one quantity they are numbers.

    Attributes
    ----------
    covariance : (d, d), or a variance
    weights : (estimates,) with sum 1
    """

    _mean: Any
    covariance: Any
    weights: Array

    def mean(self) -> Any:
        """(d,) means, or one."""
        return self._mean

    def std(self) -> Any:
        """(d,) standard deviations, or one."""
        if np.ndim(self.covariance) == 0:
            return float(np.sqrt(self.covariance))
        return np.sqrt(np.diagonal(self.covariance))

    def cdf(self, x: ArrayLike, /) -> Any:
        """Probability of at most given values, coordinate by coordinate."""
        return ndtr((points("x", x) - self._mean) / self.std())

    def pdf(self, x: ArrayLike, /) -> Any:
        """Density at given values, coordinate by coordinate."""
        z = (points("x", x) - self._mean) / self.std()
        return np.exp(-0.5 * z * z) / (np.sqrt(2.0 * np.pi) * self.std())

    def ppf(self, p: ArrayLike, /) -> Any:
        """Quantiles, coordinate by coordinate."""
        return self._mean + self.std() * ndtri(points("p", p))

    def interval(self, level: float = 0.95) -> tuple[Any, Any]:
        """Central interval of each coordinate."""
        half = float(ndtri(0.5 + 0.5 * checked_level(level))) * self.std()
        return self._mean - half, self._mean + half


def covariance_intersection(
    means: ArrayLike,
    covariances: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    criterion: Literal["trace", "determinant"] = "trace",
) -> GaussianEstimate:
    """Fuse estimates whose errors are correlated in an unknown way.

    ``C^-1 = sum w_i C_i^-1``, ``m = C sum w_i C_i^-1 m_i``: consistent for every correlation, and
    the logarithmic pool of the normals (Julier & Uhlmann 1997, doi:10.1109/ACC.1997.609105).
    Weights not given are those that make C smallest. For a single quantity that is the estimate
    of smallest variance alone.

    Parameters
    ----------
    means : (k,) estimates of one quantity, or (k, d) of d quantities
    covariances : (k,) variances, or (k, d, d) positive definite matrices
    weights : (k,) not negative, divided by their sum; None for the best ones
    criterion : "trace" or "determinant" of C, for the best weights

    Raises
    ------
    ReliabilityError
        If shapes do not fit, a covariance is not positive definite, or the criterion is unknown.

    Examples
    --------
    >>> fused = covariance_intersection([[1, 0], [0, 1]], [[[1, 0], [0, 4]], [[4, 0], [0, 1]]])
    >>> fused.mean().round(6).tolist(), fused.weights.round(6).tolist()
    ([0.8, 0.8], [0.5, 0.5])
    """
    m, c = finite("means", means), finite("covariances", covariances)
    scalar = m.ndim == 1
    if (
        m.ndim not in (1, 2)
        or not m.size
        or c.shape != (m.shape if scalar else (*m.shape, m.shape[1]))
    ):
        raise InvalidValueError(
            "means and covariances must have the shapes (k,) and (k,), or (k, d) and (k, d, d) "
            f"(got {m.shape} and {c.shape})"
        )
    if criterion not in ("trace", "determinant"):
        raise InvalidValueError(
            f"criterion must be 'trace' or 'determinant' (got {short(criterion)})"
        )
    if scalar:
        refuse("covariances", c, c <= 0.0, "must be positive")
        m, c = m[:, None], c[:, None, None]
    for i, one in enumerate(c):
        symmetric = np.allclose(one, one.T, rtol=1e-12, atol=0.0)
        if not symmetric or np.linalg.eigvalsh(one)[0] <= 0.0:
            raise InvalidValueError(
                f"covariances[{i}] must be symmetric and positive definite "
                f"(got {short(one.tolist())})"
            )
    precisions: Array = np.asarray(np.linalg.inv(c), dtype=np.float64)
    if weights is not None:
        w = checked_weights(weights, len(m), "estimates")
    elif scalar:
        best = c[:, 0, 0] == c.min()
        w = best / best.sum()
    else:
        w = _best_weights(precisions, criterion)
    covariance = np.linalg.inv(np.tensordot(w, precisions, axes=1))
    # About the first mean: a common offset costs no digits.
    pull = np.einsum("k,kij,kj->i", w, precisions, m - m[0])
    mean = m[0] + covariance @ pull
    if scalar:
        return GaussianEstimate(float(mean[0]), float(covariance[0, 0]), w)
    return GaussianEstimate(mean, covariance, w)


def _best_weights(precisions: Array, criterion: str) -> Array:
    """Weights that make the trace or the determinant of the fused covariance smallest: convex."""
    from scipy.optimize import LinearConstraint, minimize  # noqa: PLC0415 - slow to import, and only used here

    count, size = precisions.shape[:2]

    def objective(w: Array, /, *_: object) -> tuple[float, Array]:
        covariance = np.linalg.inv(np.tensordot(w, precisions, axes=1))
        if criterion == "trace":
            value = float(np.log(np.trace(covariance)))
            pull = np.einsum("ij,kjl,li->k", covariance, precisions, covariance)
            return value, -pull / np.trace(covariance)
        value = float(np.linalg.slogdet(covariance)[1])
        return value / size, -np.einsum("ij,kji->k", covariance, precisions) / size

    found = minimize(
        objective,
        np.full(count, 1.0 / count),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * count,
        constraints=LinearConstraint(np.ones(count), 1.0, 1.0),
        options={"ftol": 1e-16, "maxiter": 1000},
    )
    w = np.clip(found.x, 0.0, 1.0)
    w /= w.sum()
    # At the best weights no estimate could gain: minus the gradient is at most its mean, 1.
    if not float(np.max(-objective(w)[1])) <= 1.0 + _OPTIMAL:
        raise NumericalError("the best weights of the covariance intersection were not found")
    return np.asarray(w)
