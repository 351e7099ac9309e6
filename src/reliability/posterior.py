"""Posterior: a probability distribution of a quantity, in the quantity's own units."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Literal

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

from reliability.engine.atom import moments_with_atom, place_of_zero, quantile_with_atom
from reliability.engine.density import Distribution
from reliability.errors import InvalidValueError, WrongTypeError
from reliability.scales import SCALES, Scale

__all__ = ["Posterior", "generator", "mean_and_variance", "real_array", "unwrap"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


def bisect_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Root of an increasing function between two points: the Illinois variant of false position."""
    at_low, at_high = function(low), function(high)
    for _ in range(200):
        middle = high - at_high * (high - low) / (at_high - at_low)
        if not low < middle < high:
            middle = 0.5 * (low + high)
        value = function(middle)
        if value == 0.0 or high - low <= 4e-16 * abs(middle):
            return middle
        if value > 0.0:
            high, at_high, at_low = middle, value, 0.5 * at_low
        else:
            low, at_low, at_high = middle, value, 0.5 * at_high
    return 0.5 * (low + high)


def real_array(name: str, values: ArrayLike) -> Array:
    """An argument as an array of floats, or an error that names it."""
    try:
        array = np.asarray(values)
    except ValueError:
        raise InvalidValueError(
            f"{name} must be a number or an array of numbers (got rows of unequal length)"
        ) from None
    if array.dtype == np.float64:
        return array
    # Whole numbers and booleans, and objects such as Fraction and Decimal, but no text.
    if array.dtype.kind in "buifO":
        try:
            return array.astype(np.float64)
        except (TypeError, ValueError):
            pass
    raise WrongTypeError(f"{name} must be a number or an array of numbers (got {values!r})")


def _shape(size: int | tuple[int, ...]) -> tuple[int, ...]:
    sizes = size if isinstance(size, tuple) else (size,)
    for one in sizes:
        if isinstance(one, bool) or not isinstance(one, (int, np.integer)):
            raise WrongTypeError(
                f"size must be a whole number or a tuple of whole numbers (got {size!r})"
            )
        if one < 0:
            raise InvalidValueError(f"size must not be negative (got {size!r})")
    return sizes


def generator(rng: np.random.Generator | int | None) -> np.random.Generator:
    """A generator from a generator or a seed, or an error that says what it must be."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        raise WrongTypeError(
            f"rng must be a numpy.random.Generator, a seed of at least 0 or None (got {rng!r})"
        ) from None


def unwrap(values: Array) -> float | Array:
    """A number for an array without dimensions, any other array as it is."""
    return float(values) if np.ndim(values) == 0 else values


def mean_and_variance(
    scale: Scale, medians: Array, about: Array, orders: IntArray, low: ArrayLike
) -> tuple[Array, Array]:
    """Means and variances of quantities; inf or nan where these do not exist.

    Parameters
    ----------
    scale : their scale
    medians : (quantities,) on x
    about : (quantities, 2) means of (theta - median)^j for j = 1, 2
    orders : (quantities,) highest moment that exists of each
    low : (quantities,) lower ends of their supports: with one, what is missing is infinite
    """
    one_sided = (scale.name == "log") | np.isfinite(low)
    missing = np.where(one_sided, np.inf, np.nan)
    mean = np.where(orders > 0, scale.to_theta(medians) + about[:, 0], missing)
    with np.errstate(over="ignore", invalid="ignore"):
        variance = np.maximum(about[:, 1] - about[:, 0] ** 2, 0.0)
    # Where it exceeds the floats the square of the mean may too.
    variance = np.where(np.isfinite(about[:, 1]), variance, about[:, 1])
    return mean, np.where(orders > 1, variance, np.where(orders > 0, np.inf, missing))


@attrs.frozen(eq=False, slots=False, repr=False)
class Posterior:
    """A distribution that speaks the language of a frozen scipy distribution.

    Everything is in the quantity's units. Methods accept numbers or arrays of any shape, and
    raise a ``ReliabilityError`` that names the argument where it is neither. A
    moment that does not exist is inf (mean or variance of a distribution with one heavy tail)
    or nan, never the artefact of a cut-off. One that exists, but lies almost wholly beyond the
    range of floats (a tail |x|^-q with q a hair above what it needs), is nan as well.

    There may be an atom: a probability ``zero`` that the quantity is exactly zero, beside a density
    whose integral is what is left. Probabilities, quantiles, moments, intervals and random values
    are those of the whole; ``pdf`` and the modes are those of the density alone.

    Attributes
    ----------
    zero : probability that the quantity is exactly zero (an atom beside the density)
    nonzero : the distribution of the quantity given that it is not zero

    Examples
    --------
    >>> from reliability import combine, Model
    >>> p = combine([("A", "10 +- 1"), ("B", "12 +- 1")], model=Model.common_effect()).posterior
    >>> round(p.mean(), 6), round(p.std(), 6)
    (11.0, 0.707107)
    >>> [round(x, 3) for x in p.interval(0.95)]
    [9.614, 12.386]
    """

    _distribution: Distribution
    _scale: Scale = SCALES["linear"]
    _has_mean: bool = True
    _has_variance: bool = True
    _support: tuple[float, float] = (-np.inf, np.inf)
    zero: float = 0.0
    #: Whether the mean of sqrt(|quantity|) exists. A tail so thin that it does has a square with
    #: a finite integral, which is what the CRPS needs: it is finite for some that have no mean.
    _has_root_mean: bool = False

    @property
    def nonzero(self) -> Posterior:
        """The distribution of the quantity given that it is not zero."""
        return attrs.evolve(self, zero=0.0) if self.zero > 0.0 else self

    # ---------------------------------------------------------------- densities

    def logpdf(self, value: ArrayLike) -> float | Array:
        """Log density of the quantity at given values; -inf outside the support.

        Beside an atom at zero it integrates to ``1 - zero``.
        """
        theta = real_array("value", value)
        out = np.full(theta.shape, -np.inf)
        inside = (theta >= self._support[0]) & (theta <= self._support[1])
        inside &= (theta > self._scale.low) & (theta < self._scale.high)
        x = self._scale.to_x(np.where(inside, theta, 0.5))
        if inside.any():
            logs = self._distribution.log_density(x[inside])
            out[inside] = logs - self._scale.log_jacobian(x[inside])
            if self.zero > 0.0:
                with np.errstate(divide="ignore"):
                    out += np.log1p(-self.zero)
        return unwrap(np.where(np.isnan(theta), np.nan, out))

    def pdf(self, value: ArrayLike) -> float | Array:
        """Density of the quantity at given values, per unit of the quantity."""
        with np.errstate(over="ignore"):  # near 0 a density on the log scale may exceed floats
            return unwrap(np.exp(np.asarray(self.logpdf(value))))

    def _side(self, value: ArrayLike, *, below: bool) -> float | Array:
        theta = real_array("value", value)
        inside = (theta > self._support[0]) & (theta < self._support[1])
        x = self._scale.to_x(np.where(inside, theta, 0.5))
        side = self._distribution.below(x) if below else self._distribution.above(x)
        start, stop = (0.0, 1.0) if below else (1.0, 0.0)
        out = np.where(theta <= self._support[0], start, np.where(inside, side, stop))
        if self.zero > 0.0:
            counts = theta >= 0.0 if below else theta < 0.0
            out = (1.0 - self.zero) * out + self.zero * counts
        return unwrap(np.where(np.isnan(theta), np.nan, out))

    def cdf(self, value: ArrayLike) -> float | Array:
        """Probability that the quantity is at most the given values."""
        return self._side(value, below=True)

    def sf(self, value: ArrayLike) -> float | Array:
        """Probability that the quantity exceeds the given values."""
        return self._side(value, below=False)

    # ---------------------------------------------------------------- quantiles

    def _quantile(self, p: ArrayLike, *, upper: bool) -> float | Array:
        p = real_array("p", p)
        valid = (p >= 0.0) & (p <= 1.0)
        safe = np.where(valid, p, 0.5)
        theta = self._between(1.0 - safe, safe) if upper else self._between(safe, 1.0 - safe)
        return unwrap(np.where(valid, theta, np.nan))

    def _between(self, lower: Array, upper: Array) -> Array:
        """Quantity with probability ``lower`` below and ``upper`` = 1 - lower above it."""
        x = quantile_with_atom(
            self._distribution.quantile, lower, upper, self.zero, place_of_zero(self._scale)
        )
        low, high = self.support()
        theta = np.clip(self._scale.to_theta(x), low, high)
        return np.where(lower <= 0.0, low, np.where(upper <= 0.0, high, theta))

    def ppf(self, p: ArrayLike) -> float | Array:
        """Quantile: the value with probability p below it; nan for p outside [0, 1]."""
        return self._quantile(p, upper=False)

    def isf(self, p: ArrayLike) -> float | Array:
        """The value with probability p above it."""
        return self._quantile(p, upper=True)

    def median(self) -> float:
        """The value that the quantity exceeds with probability one half."""
        return float(self.ppf(0.5))

    # ---------------------------------------------------------------- moments

    @cached_property
    def _moments(self) -> tuple[float, float]:
        orders = 0 if not self._has_mean else 2 if self._has_variance else 1
        origin, means = self._distribution.moments(self._scale, orders)
        about = np.full((1, 2), np.nan)
        about[0, : len(means)] = means
        mean, variance = mean_and_variance(
            self._scale, np.array([origin]), about, np.array([orders]), self._support[0]
        )
        mean, variance = moments_with_atom(mean, variance, np.array([self.zero]))
        return float(mean[0]), float(variance[0])

    def mean(self) -> float:
        """Mean; inf or nan where it does not exist."""
        return self._moments[0]

    def var(self) -> float:
        """Variance; inf or nan where it does not exist."""
        return self._moments[1]

    def std(self) -> float:
        """Standard deviation; inf or nan where it does not exist."""
        return float(np.sqrt(self._moments[1]))

    def entropy(self) -> float:
        """Differential entropy, in nats, of the quantity in its units.

        With an atom at zero, that of whether it is zero, plus ``1 - zero`` times that of the
        quantity given that it is not: the entropy with respect to length and to a unit at zero
        (Nair, Prabhakar & Shah 2006, arXiv:cs/0607075).
        """
        beside = -self._distribution.mean_of_log_density(self._scale)
        if self.zero == 0.0:
            return beside
        return float(entr(self.zero) + entr(1.0 - self.zero) + (1.0 - self.zero) * beside)

    # ---------------------------------------------------------------- shape

    @cached_property
    def _modes(self) -> tuple[float, ...]:
        height = self._distribution.log_density
        x = self._distribution.grid()
        logs = height(x)
        inner = np.flatnonzero((logs[1:-1] >= logs[:-2]) & (logs[1:-1] > logs[2:])) + 1
        found: list[tuple[float, float]] = []
        for i in inner:
            low, high = float(x[i - 1]), float(x[i + 1])
            for _ in range(12):
                fine = np.linspace(low, high, 21)
                at = height(fine)
                best = int(np.clip(np.argmax(at), 1, 19))
                low, high = float(fine[best - 1]), float(fine[best + 1])
            found.append((float(self._scale.to_theta(0.5 * (low + high))), float(at.max())))
        for end, limit in ((0, self._support[0]), (-1, self._support[1])):
            finite = np.isfinite(self._scale.to_x(limit)) if self._scale.contains(limit) else False
            if finite and logs[end] >= np.max(logs[[1, -2]]) and logs[end] > logs.max() - 50.0:
                found.append((limit, float(logs[end])))
        found.sort(key=lambda pair: -pair[1])
        return tuple(theta for theta, _ in found)

    def modes(self) -> list[float]:
        """Local maxima of the density on the scale, highest first.

        On the scale's coordinate (the logarithm, on the log scale): where a picture with that
        axis has its peaks. In the quantity's own units a long lower tail on the log scale would
        put a spurious peak at zero. An atom at zero is none of them.
        """
        return list(self._modes)

    def mode(self) -> float:
        """The highest of the :meth:`modes`."""
        return self._modes[0] if self._modes else self.median()

    def support(self) -> tuple[float, float]:
        """The smallest interval that holds all of the probability."""
        low, high = self._support
        return (min(low, 0.0), max(high, 0.0)) if self.zero > 0.0 else (low, high)

    def interval(
        self, level: float = 0.95, kind: Literal["central", "shortest"] = "central"
    ) -> tuple[float, float]:
        """Interval that holds the quantity with probability ``level``.

        Parameters
        ----------
        level : probability in (0, 1)
        kind : "central" (equal probability on both sides) or "shortest" (on the scale: on the
            log scale the smallest ratio of its ends, so that it begins at 0 only where what is
            not zero has not that probability)

        Raises
        ------
        ReliabilityError
            If the level is not in (0, 1) or the kind unknown.
        """
        if isinstance(level, bool) or not isinstance(level, (int, float, np.floating)):
            raise InvalidValueError(f"level must be a number in (0, 1) (got {level!r})")
        if not 0.0 < level < 1.0:
            hint = f"; did you mean {level / 100:g}?" if 1.0 < level < 100.0 else ""
            raise InvalidValueError(f"level must lie in (0, 1), got {level:g}{hint}")
        if kind == "central":
            tail = 0.5 * (1.0 - level)
            ends = np.array([tail, 1.0 - tail])
            low, high = self._between(ends, ends[::-1])
            return float(low), float(high)
        if kind != "shortest":
            raise InvalidValueError(f"kind must be 'central' or 'shortest' (got {kind!r})")
        return self._shortest(level) if self.zero == 0.0 else self._shortest_with_atom(level)

    def _shortest_with_atom(self, level: float) -> tuple[float, float]:
        """The same beside an atom at zero."""
        if self.zero >= level:
            return 0.0, 0.0
        without = self.nonzero
        inner = level / (1.0 - self.zero)
        beside = without._shortest(inner) if inner < 1.0 else None  # noqa: SLF001
        if self._scale.name != "linear":
            return beside if beside is not None else (0.0, float(self.ppf(level)))
        # An interval that holds zero holds less of the density.
        start, stop = float(without.cdf(0.0)), (level - self.zero) / (1.0 - self.zero)
        low, high = max(start - stop, 0.0), min(start, 1.0 - stop)
        found = (0.0, 0.0) if beside is None else beside
        best = np.inf if beside is None else found[1] - found[0]
        for _ in range(6):
            below = np.linspace(low, high, 101)
            begin = np.minimum(np.asarray(without.ppf(below)), 0.0)
            end = np.maximum(np.asarray(without.isf(1.0 - stop - below)), 0.0)
            with np.errstate(invalid="ignore"):
                width = end - begin
            at = int(np.argmin(np.where(np.isfinite(width), width, np.inf)))
            if width[at] < best:
                best, found = float(width[at]), (float(begin[at]), float(end[at]))
            step = below[1] - below[0]
            low, high = max(below[at] - step, low), min(below[at] + step, high)
        return found

    def _shortest(self, level: float) -> tuple[float, float]:
        """Smallest width over the probability left below: where both ends are equally dense."""
        outside = 1.0 - level
        quantile, height = self._distribution.quantile, self._distribution.log_density

        def ends(below: Array) -> tuple[Array, Array]:
            above = outside - below
            return quantile(below, 1.0 - below), quantile(1.0 - above, above)

        below = outside * np.concatenate([[0.0], np.linspace(0.001, 0.999, 199), [1.0]])
        low, high = ends(below)
        with np.errstate(invalid="ignore"):
            width = high - low
        width = np.where(np.isfinite(width), width, np.inf)
        best = int(np.argmin(width))
        root = float(below[best])
        if best not in {0, len(below) - 1}:

            def slope(at: float) -> float:
                one, other = ends(np.array(at))
                return float(height(one) - height(other))

            left = max(float(below[best - 1]), 1e-12 * outside)
            right = min(float(below[best + 1]), outside * (1.0 - 1e-12))
            if slope(left) < 0.0 < slope(right):
                root = bisect_root(slope, left, right)
        low, high = self._scale.to_theta(np.array([float(e) for e in ends(np.array(root))]))
        return float(max(low, self._support[0])), float(min(high, self._support[1]))

    def rvs(
        self,
        size: int | tuple[int, ...] = 1,
        rng: np.random.Generator | int | None = None,
    ) -> Array:
        """Random values, by inversion.

        Parameters
        ----------
        size : how many, or the shape
        rng : a ``numpy.random.Generator`` or a seed

        Raises
        ------
        ReliabilityError
            If the size or the generator is none.
        """
        u = generator(rng).random(_shape(size))
        return np.asarray(self.ppf(u))

    def __repr__(self) -> str:
        """One line: median and 95 % interval, and the probability of zero."""
        low, high = self.interval(0.95)
        zero = f", zero={self.zero:.6g}" if self.zero > 0.0 else ""
        return f"Posterior(median={self.median():.6g}, 95% {low:.6g} to {high:.6g}{zero})"
