"""Distributions as the pools take them: frozen scipy ones, posteriors, tables of quantiles.

A pool needs of a distribution ``cdf, sf, pdf, logpdf, ppf, isf, mean, support``. Where a density
has to be integrated, the interval is cut at the distributions' own quantiles, so far out that
what lies beyond is known to be negligible, and the pieces are halved until two rules agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol, cast

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, roots_legendre

from reliability.claims._checks import short
from reliability.claims.quantile_curve import Knots, ScoreCurves
from reliability.claims.statements import Quantiles
from reliability.engine import likelihoods
from reliability.errors import InvalidValueError, NumericalError, WrongTypeError
from reliability.posterior import Posterior

__all__ = [
    "Distribution",
    "Panels",
    "QuantileTable",
    "as_distributions",
    "edges_between",
    "increasing_root",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

_NODES, _WEIGHTS = roots_legendre(20)
#: Halvings of a piece at the most, and what two rules may differ by, as a part of the whole.
_MOST_HALVINGS = 60
_ACCEPTED = 1e-14
#: Steps of a root search at the most: bisection of all floats takes fewer.
_STEPS = 2200
_EPSILON = 4.0 * np.finfo(np.float64).eps


class Distribution(Protocol):
    """What a pool asks of a distribution; frozen scipy distributions have it."""

    def cdf(self, x: Any, /) -> Any: ...  # noqa: D102
    def sf(self, x: Any, /) -> Any: ...  # noqa: D102
    def pdf(self, x: Any, /) -> Any: ...  # noqa: D102
    def logpdf(self, x: Any, /) -> Any: ...  # noqa: D102
    def ppf(self, p: Any, /) -> Any: ...  # noqa: D102
    def isf(self, p: Any, /) -> Any: ...  # noqa: D102
    def mean(self) -> Any: ...  # noqa: D102
    def support(self) -> tuple[Any, Any]: ...  # noqa: D102


_METHODS = ("cdf", "sf", "pdf", "logpdf", "ppf", "isf", "mean", "support")


def as_distributions(
    distributions: Sequence[object], *, densities: bool = False
) -> tuple[Distribution, ...]:
    """Distributions, or tables of quantiles made into such.

    Parameters
    ----------
    distributions : frozen scipy distributions of one continuous quantity, ``Posterior`` objects,
        ``Quantiles`` or mappings of probabilities to quantiles
    densities : whether the pool takes densities, which an atom at zero has not

    Raises
    ------
    ReliabilityError
        If there is none, or one of them is of another kind.
    """
    if isinstance(distributions, Mapping | str) or not isinstance(distributions, Sequence):
        raise WrongTypeError(
            f"distributions must be a list of distributions (got {short(distributions)})"
        )
    if not distributions:
        raise InvalidValueError("distributions must not be empty; give at least one")
    return tuple(_one(f"distributions[{i}]", one, densities) for i, one in enumerate(distributions))


def _one(name: str, given: object, densities: bool) -> Distribution:
    if isinstance(given, Quantiles):
        return QuantileTable(given)
    if isinstance(given, Mapping):
        return QuantileTable(Quantiles(given))
    if isinstance(given, Posterior) and given.zero > 0.0 and densities:
        raise InvalidValueError(
            f"{name} has an atom at zero (got probability {given.zero:.6g}) and so no density; "
            "use a linear or a quantile pool"
        )
    if all(callable(getattr(given, method, None)) for method in _METHODS):
        if np.ndim(cast("Distribution", given).cdf(0.0)):
            raise WrongTypeError(
                f"{name} must be the distribution of one number (got an array of them)"
            )
        return cast("Distribution", given)
    raise WrongTypeError(
        f"{name} must be a frozen continuous scipy distribution, a Posterior, or a mapping of "
        f"probabilities to quantiles (got {short(given)})"
    )


def increasing_root(function: Callable[[Array, IntArray], Array], low: Array, high: Array) -> Array:
    """Where increasing functions cross zero: Chandrupatla's method, many brackets at once.

    Parameters
    ----------
    function : of points and of the numbers of their brackets; it may jump
    low, high : (brackets,) ends; the root is in between, or at the end that is nearer to it

    Notes
    -----
    Chandrupatla (1997), doi:10.1016/S0965-9978(96)00051-8: inverse quadratic interpolation where
    it is safe, bisection elsewhere.
    """
    out = np.array(high, dtype=np.float64)
    rows: IntArray = np.arange(len(out))
    a, b = np.array(low, dtype=np.float64), np.array(high, dtype=np.float64)
    fa, fb = function(a, rows), function(b, rows)
    ends = (fa >= 0.0) | (fb <= 0.0) | (a >= b)
    out[ends] = np.where(fa >= 0.0, a, b)[ends]
    rows = rows[~ends]
    a, b, fa, fb = (v[~ends] for v in (a, b, fa, fb))
    # b is the newest point, a lies on the other side of the root, c is the one before.
    c, fc = a.copy(), fa.copy()
    t = np.full(len(rows), 0.5)
    for _ in range(_STEPS):
        if not len(rows):
            return out
        x = a + t * (b - a)
        fx = function(x, rows)
        same = np.sign(fx) == np.sign(fa)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, fx
        nearer = np.abs(fa) < np.abs(fb)
        best = np.where(nearer, a, b)
        width = np.abs(b - a)
        tolerance = 0.5 * _EPSILON * np.abs(best) / np.maximum(width, np.finfo(np.float64).tiny)
        done = (fx == 0.0) | (tolerance > 0.5) | (width == 0.0)
        out[rows[done]] = np.where(fx == 0.0, x, best)[done]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
            safe = (phi**2 < xi) & ((1.0 - phi) ** 2 < 1.0 - xi)
            step = fa / (fb - fa) * fc / (fb - fc)
            step += (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        t = np.where(safe & np.isfinite(step), step, 0.5)
        t = np.clip(t, tolerance, 1.0 - tolerance)
        rows = rows[~done]
        a, b, c, fa, fb, fc, t = (v[~done] for v in (a, b, c, fa, fb, fc, t))
    raise NumericalError("a quantile could not be found: the distribution function is not monotone")


@attrs.frozen(eq=False)
class Panels:
    """A density that is only known up to a factor, integrated piece by piece.

    ``log_density`` takes points; ``edges`` are (panels + 1,), ``mass`` (panels,) integrals of
    ``exp(log_density - shift)`` over them, ``total`` their sum.
    """

    log_density: Callable[[Array], Array]
    edges: Array
    mass: Array
    shift: float

    @classmethod
    def over(cls, log_density: Callable[[Array], Array], edges: Array) -> Panels:
        """Integrate between given edges, halving the panels until two rules agree."""
        edges = np.unique(edges)
        nodes = (edges[:-1, None] + 0.5 * np.diff(edges)[:, None] * (1.0 + _NODES)).ravel()
        heights = log_density(nodes)
        shift = float(np.max(heights))
        if not np.isfinite(shift):
            return cls(log_density, edges, np.zeros(len(edges) - 1), 0.0)
        # Up to the highest peak, which may be narrow beside the distances of the edges.
        peak = int(np.argmax(heights))
        near = nodes[max(peak - 1, 0)], nodes[min(peak + 1, len(nodes) - 1)]
        for _ in range(_MOST_HALVINGS):
            nodes = np.linspace(*near, 41)
            heights = log_density(nodes)
            peak = int(np.argmax(heights))
            rise, shift = float(heights[peak]) - shift, max(shift, float(heights[peak]))
            if rise < 1.0:
                break
            near = nodes[max(peak - 1, 0)], nodes[min(peak + 1, 40)]
        edges = np.unique(np.append(edges, nodes[peak]))
        found = cls(log_density, edges, np.zeros(0), shift)
        low, high = edges[:-1], edges[1:]
        whole = found.integral(low, high)
        kept: list[tuple[Array, Array, Array]] = []
        total = float(whole.sum())
        for _ in range(_MOST_HALVINGS):
            middle = 0.5 * (low + high)
            left, right = found.integral(low, middle), found.integral(middle, high)
            total = max(total, float((left + right).sum()))
            good = np.abs(left + right - whole) <= _ACCEPTED * total
            good |= (middle <= low) | (middle >= high)
            kept.append((low[good], middle[good], left[good]))
            kept.append((middle[good], high[good], right[good]))
            bad = ~good
            if not bad.any():
                break
            low, high, whole = (
                np.concatenate([low[bad], middle[bad]]),
                np.concatenate([middle[bad], high[bad]]),
                np.concatenate([left[bad], right[bad]]),
            )
        else:
            raise NumericalError("a pooled density could not be integrated: it is not smooth")
        low, high, mass = (np.concatenate(parts) for parts in zip(*kept, strict=True))
        order = np.argsort(low)
        return cls(log_density, np.append(low[order], high.max()), mass[order], shift)

    def integral(self, low: Array, high: Array) -> Array:
        """Integrals of the shifted density from ``low`` to ``high``, (n,) each."""
        half = 0.5 * (high - low)
        nodes = low[:, None] + half[:, None] * (1.0 + _NODES)
        with np.errstate(under="ignore"):
            height = np.exp(self.log_density(nodes.ravel()) - self.shift).reshape(nodes.shape)
        return np.asarray(half * (height @ _WEIGHTS))

    @property
    def total(self) -> float:
        """Integral of the shifted density."""
        return float(self.mass.sum())

    @cached_property
    def _below(self) -> Array:
        return np.concatenate([[0.0], np.cumsum(self.mass)])

    @cached_property
    def _above(self) -> Array:
        return np.concatenate([[0.0], np.cumsum(self.mass[::-1])])[::-1]

    def probability(self, x: Array, *, below: bool) -> Array:
        """Probability on one side of points, (n,)."""
        inside = np.clip(x, self.edges[0], self.edges[-1])
        panel = np.clip(
            np.searchsorted(self.edges, inside, side="right") - 1, 0, len(self.mass) - 1
        )
        if below:
            part = self._below[panel] + self.integral(self.edges[panel], inside)
        else:
            part = self._above[panel + 1] + self.integral(inside, self.edges[panel + 1])
        return np.clip(part / self.total, 0.0, 1.0)

    def moment(self, function: Callable[[Array], Array]) -> float:
        """Mean of a function of the quantity."""
        half = 0.5 * np.diff(self.edges)
        nodes = self.edges[:-1, None] + half[:, None] * (1.0 + _NODES)
        with np.errstate(under="ignore"):
            height = np.exp(self.log_density(nodes.ravel()) - self.shift).reshape(nodes.shape)
        return float(np.sum(half * ((height * function(nodes)) @ _WEIGHTS)) / self.total)


def tail_probabilities(smallest: float) -> Array:
    """Probabilities from one half down to the smallest, ever farther apart."""
    depth = np.log10(0.5 / smallest)
    steps = np.arange(int(np.ceil(4.0 * np.sqrt(depth))) + 1)
    return np.asarray(0.5 * 10.0 ** -np.minimum((steps / 4.0) ** 2, depth))


def edges_between(distributions: Sequence[Distribution], smallest: float) -> Array:
    """Quantiles of all distributions, down to a tail probability on either side."""
    p = tail_probabilities(smallest)
    edges: list[Array] = []
    for one in distributions:
        edges += [np.asarray(one.ppf(p)), np.asarray(one.isf(p))]
        if isinstance(one, QuantileTable):
            edges.append(one.knots)
    found = np.concatenate(edges)
    return found[np.isfinite(found)]


@attrs.frozen(eq=False)
class QuantileTable:
    """The smooth monotone distribution through stated quantiles that ``combine`` uses as well.

    Its standard normal score is a monotone quintic spline of the quantity, linear beyond the
    outer quantiles: normal tails.

    Examples
    --------
    >>> table = QuantileTable(Quantiles({0.05: -1.0, 0.5: 0.0, 0.95: 4.0}))
    >>> round(float(table.cdf(4.0)), 12), round(float(table.ppf(0.05)), 12)
    (0.95, -1.0)
    """

    quantiles: Quantiles

    @cached_property
    def knots(self) -> Array:
        """The stated quantiles, increasing."""
        return np.array(self.quantiles.values)

    @cached_property
    def _curves(self) -> tuple[ScoreCurves, Array]:
        z = ndtri(np.array([self.quantiles.probabilities]))
        # Counted from a quantile: narrow tables far from zero keep their digits.
        curves = ScoreCurves.through(self.knots[None, :] - self.knots[0], z)
        return curves, curves.pieces()

    def _on_curve(self, function: Callable[[Array, IntArray, Knots], Array], x: Any) -> Any:
        points = np.asarray(x, dtype=np.float64)
        _, pieces = self._curves
        if not points.size:
            return points
        column = points.reshape(-1, 1) - self.knots[0]
        rows = np.zeros(len(column), dtype=np.int64)
        return function(column, rows, Knots(*pieces)).reshape(points.shape)

    def logpdf(self, x: Any, /) -> Any:
        """Log density at given points."""
        return self._on_curve(likelihoods.quantiles, x)

    def pdf(self, x: Any, /) -> Any:
        """Density at given points."""
        return np.exp(self.logpdf(x))

    def cdf(self, x: Any, /) -> Any:
        """Probability of at most given values."""
        return ndtr(self._on_curve(likelihoods.score, x))

    def sf(self, x: Any, /) -> Any:
        """Probability of more than given values."""
        return ndtr(-self._on_curve(likelihoods.score, x))

    def _at_scores(self, z: Array) -> Array:
        curves, pieces = self._curves
        out = np.where(z > 0.0, np.inf, -np.inf)
        inside = np.isfinite(z)
        if inside.any():
            knot, distance = curves.at_scores(z[inside].tolist(), pieces)
            out[inside] = self.knots[0] + (knot + distance)[:, 0]
        return np.where(np.isnan(z), np.nan, out)

    def ppf(self, p: Any, /) -> Any:
        """Quantiles of given probabilities."""
        given = np.asarray(p, dtype=np.float64)
        return self._at_scores(ndtri(given).ravel()).reshape(given.shape)

    def isf(self, p: Any, /) -> Any:
        """Values exceeded with given probabilities."""
        given = np.asarray(p, dtype=np.float64)
        return self._at_scores(-ndtri(given).ravel()).reshape(given.shape)

    @cached_property
    def _mean(self) -> float:
        panels = Panels.over(self.logpdf, edges_between([self], 1e-30))
        origin = float(self.knots[0])
        return origin + panels.moment(lambda x: x - origin)

    def mean(self) -> float:
        """Mean of the smooth distribution."""
        return self._mean

    def support(self) -> tuple[float, float]:
        """Every number: the tails are normal."""
        return -np.inf, np.inf
