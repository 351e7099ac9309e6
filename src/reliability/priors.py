"""Priors: on the quantity (in its own units), on the scatter, on shares and reliabilities.

A prior on the quantity is turned into a density on the working coordinate x by
:meth:`QuantityPrior.on`: ``pi(theta) dtheta/dx``, conditioned on the scale's range. ``Flat`` is
flat in x. A prior on the scatter is a density of tau (on the scale) or of the inflation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaln, log_ndtr, ndtr

from reliability import student_t
from reliability.errors import InvalidValueError, WrongTypeError, short
from reliability.scales import Scale
from reliability.tails import CONSTANT, VANISHING, Tail

__all__ = [
    "I2",
    "BergerDeely",
    "Beta",
    "Conventional",
    "Density",
    "DuMouchel",
    "Exponential",
    "Flat",
    "HalfCauchy",
    "HalfLogistic",
    "HalfNormal",
    "HalfStudentT",
    "IntrinsicRange",
    "Jeffreys",
    "LogNormal",
    "LogUniform",
    "Lomax",
    "Normal",
    "OverallJeffreys",
    "Pareto",
    "PriorOnX",
    "PriorsOnX",
    "QuantityPrior",
    "Rayleigh",
    "ScatterPrior",
    "Sqrt",
    "StatedVariances",
    "StudentT",
    "Uniform",
    "UniformShrinkage",
]

Array = NDArray[np.float64]
INFINITY = float("inf")
#: Why an ``IntrinsicRange`` cannot be made.
NO_RANGE = "IntrinsicRange: the claims span no range on x; give a proper prior instead"
LOG_2PI = float(np.log(2.0 * np.pi))


# ------------------------------------------------------------------ validators


def _number(instance: Any, attribute: attrs.Attribute[Any], value: float) -> None:
    name = f"{type(instance).__name__}: {attribute.name}"
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise WrongTypeError(f"{name} must be a number (got {short(value)})")
    if not is_finite(value):
        raise InvalidValueError(f"{name} must be finite (got {short(value)})")


def is_finite(value: float) -> bool:
    """Whether a number is one that floats can hold."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _positive(instance: Any, attribute: attrs.Attribute[Any], value: float) -> None:
    _number(instance, attribute, value)
    if not value > 0:
        raise InvalidValueError(
            f"{type(instance).__name__}: {attribute.name} must be above 0 (got {short(value)})"
        )


def _ordered(low: float, high: float, name: str) -> None:
    if not low < high:
        raise InvalidValueError(f"{name}: low={low:g} must be below high={high:g}")


# ------------------------------------------------------------------ what the engine receives


@attrs.frozen(eq=False)
class PriorOnX:
    """A prior as a density on x.

    ``log_density(anchor, d)`` is its log at ``anchor + d``; ``location`` and ``scale`` say
    where it bends, ``kinks`` where it breaks; ``normal`` is (mean, sd) where it is exactly
    normal on x. ``normalised`` is false where its integral has still to be computed.
    """

    log_density: Callable[[Array, Array], Array]
    low: float
    high: float
    location: Array
    scale: Array
    kinks: Array
    lower_tail: Tail
    upper_tail: Tail
    proper: bool
    normal: tuple[float, float] | None = None
    normalised: bool = True
    uniform: bool = False
    made_from: tuple[Any, ...] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the recipe, not the functions."""
        if self.made_from is None:
            return super().__reduce__()  # type: ignore[return-value]
        return _rebuild, self.made_from

    @property
    def bounded(self) -> bool:
        """Whether the support is a finite interval of x."""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))


def _rebuild(prior: QuantityPrior, scale: Scale, hull: tuple[float, float] | None) -> PriorOnX:
    return prior.on(scale, hull)


@attrs.frozen(eq=False)
class PriorsOnX:
    """Priors of many quantities on x: one that all share, or uniform ones with limits of their own.

    ``low`` and ``high`` are (quantities,), ``location`` and ``scale`` (quantities, bends);
    ``heights`` the logs of the uniform ones' densities, or None.
    """

    shared: PriorOnX
    low: Array
    high: Array
    location: Array
    scale: Array
    heights: Array | None = None

    @classmethod
    def common(cls, prior: PriorOnX, quantities: int) -> PriorsOnX:
        """One prior for all."""
        shape = (quantities, len(prior.location))
        return cls(
            prior,
            np.full(quantities, prior.low),
            np.full(quantities, prior.high),
            np.broadcast_to(prior.location, shape),
            np.broadcast_to(prior.scale, shape),
        )

    def take(self, quantities: NDArray[Any]) -> PriorsOnX:
        """Those of some quantities."""
        return PriorsOnX(
            self.shared,
            self.low[quantities],
            self.high[quantities],
            self.location[quantities],
            self.scale[quantities],
            None if self.heights is None else self.heights[quantities],
        )

    def log_density(self, quantity: NDArray[np.int64], anchor: Array, d: Array) -> Array:
        """Log density at anchor + d: (rows,), (rows, 1), (rows, points) -> (rows, points)."""
        if self.heights is None:
            return self.shared.log_density(anchor, d)
        return np.broadcast_to(self.heights[quantity][:, None], d.shape)


class QuantityPrior:
    """Base of the priors on a quantity."""

    #: Whether the prior is made from the claims' hull.
    needs_hull = False

    def on(self, scale: Scale, hull: tuple[float, float] | None = None) -> PriorOnX:
        """Turn the prior into a density on x.

        Parameters
        ----------
        scale : the quantity's scale
        hull : extent of the claims on x, for priors made from it
        """
        return attrs.evolve(self._on(scale, hull), made_from=(self, scale, hull))

    def _on(self, scale: Scale, hull: tuple[float, float] | None) -> PriorOnX:
        raise NotImplementedError

    def on_many(self, scale: Scale, hull_low: Array, hull_high: Array) -> PriorsOnX:
        """Turn the prior into densities on x, one for each of many quantities.

        Parameters
        ----------
        scale : the quantities' scale
        hull_low, hull_high : (quantities,) extents of their claims on x
        """
        prior = self.on(scale, (float(hull_low[0]), float(hull_high[0])))
        return PriorsOnX.common(prior, len(hull_low))

    def _bind(
        self,
        scale: Scale,
        log_density: Callable[[Array, Array], Array],
        *,
        support: tuple[float, float],
        center: tuple[float, float],
        tails: tuple[Tail, Tail],
        log_mass: float = 0.0,
        places: tuple[Array, Array] | None = None,
        **more: Any,
    ) -> PriorOnX:
        """Density of theta -> density on x, conditioned on the part of the support on scale.

        Panels are placed around the ``center``, two quantiles of theta, or at given ``places``:
        locations and scales on x.
        """
        low, high = max(support[0], scale.low), min(support[1], scale.high)
        if not (low < high and np.isfinite(log_mass)):
            raise InvalidValueError(
                f"the prior {short(self)} leaves nothing on the {scale.name} scale, which needs "
                f"{scale.describe()}"
            )
        x_low, x_high = float(scale.to_x(low)), float(scale.to_x(high))
        if places is None:
            quantiles = np.clip(np.array(center), low, high)
            places = _around(np.clip(scale.to_x(quantiles), x_low, x_high))

        def on_x(anchor: Array, d: Array) -> Array:
            return log_density(anchor, d) - log_mass

        return PriorOnX(
            on_x,
            x_low,
            x_high,
            *places,
            np.array([]),
            VANISHING if np.isfinite(x_low) else tails[0],
            VANISHING if np.isfinite(x_high) else tails[1],
            proper=True,
            **more,
        )


def _around(center: Array) -> tuple[Array, Array]:
    """Location and scale of a density of which two quantiles on x are given."""
    finite = np.isfinite(center)
    if finite.all():
        location, width = float(center.mean()), float(np.diff(center)[0]) / 2.0
    else:
        location, width = (float(center[finite][0]) if finite.any() else 0.0), 1.0
    return np.array([location]), np.array([width if width > 0.0 else 1.0])


@attrs.frozen(eq=False)
class StatedVariances:
    """The claims' stated variances, paired with the nodes at which a scatter prior is needed.

    ``variance`` is (pairs, 1), ``starts`` the first pair of each row of nodes.
    """

    variance: Array
    starts: NDArray[np.int64]

    @property
    def count(self) -> Array:
        """Number of claims of each row, (rows, 1)."""
        ends = np.append(self.starts[1:], len(self.variance))
        return (ends - self.starts)[:, None].astype(np.float64)

    def repeat(self, rows: Array) -> Array:
        """Rows of nodes, once for every claim."""
        counts = np.diff(np.append(self.starts, len(self.variance)))
        return np.repeat(rows, counts, axis=0)

    def sum(self, values: Array) -> Array:
        """Sum over the claims of each row."""
        return np.asarray(np.add.reduceat(values, self.starts, axis=0))


class ScatterPrior:
    """Base of the priors on the scatter common to all claims."""

    #: Whether the density integrates to a finite value.
    proper = True
    #: Whether it integrates to 1.
    normalised = True
    #: Whether it is made from the claims' stated sds.
    needs_claims = False
    #: Whether the density is an even function of tau, smooth through zero.
    even = False
    #: Lower end of the support: 0 for tau, 1 for an inflation.
    low = 0.0

    @property
    def power(self) -> float:
        """Exponent q of the tail tau^-q; infinite where it falls faster than every power."""
        return INFINITY

    @property
    def gaussian_scale(self) -> float:
        """Scale c of a tail exp(-tau^2/(2 c^2)); infinite where slower, 0 where bounded."""
        return INFINITY

    def location(self) -> float | None:
        """A scale of tau at which the density bends, where it has one of its own."""
        return None

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:
        """Log density at tau (rows, nodes)."""
        raise NotImplementedError


# ------------------------------------------------------------------ on the quantity


@attrs.frozen
class Flat(QuantityPrior, ScatterPrior):
    """Flat in x for a quantity, flat in tau for a heterogeneity; improper.

    >>> Flat()
    Flat()
    """

    proper = False
    even = True
    normalised = False

    @property
    def power(self) -> float:
        """Exponent of the tail."""
        return 0.0

    def _on(self, scale: Scale, hull: tuple[float, float] | None) -> PriorOnX:  # noqa: ARG002
        """Density 1 on the whole of x."""

        def log_density(anchor: Array, d: Array) -> Array:  # noqa: ARG001
            return np.zeros_like(d)

        empty = np.array([])
        return PriorOnX(
            log_density, -INFINITY, INFINITY, empty, empty, empty, CONSTANT, CONSTANT, proper=False
        )

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:  # noqa: ARG002
        """Log density, up to a constant."""
        return np.zeros_like(tau)


def _normal_on_x(mean: float, sd: float) -> PriorOnX:
    constant = -np.log(sd) - 0.5 * LOG_2PI

    def log_density(anchor: Array, d: Array) -> Array:
        z = ((mean - anchor) - d) / sd
        return np.asarray(constant - 0.5 * z * z)

    return PriorOnX(
        log_density,
        -INFINITY,
        INFINITY,
        np.array([mean]),
        np.array([sd]),
        np.array([]),
        VANISHING,
        VANISHING,
        proper=True,
        normal=(mean, sd),
    )


_GAUSS, _GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(20)
#: Fall of a log density within an interval that is narrow enough for Gauss's rule.
_NARROW = 4.0


_LOG_SMALLEST = -745.0


def _log_normal_between(low: float, high: float) -> float:
    """Log of the standard normal probability between two points, where it lies far out too.

    Differences are taken in the smaller tail; on a narrow interval they would cancel, and the
    density is integrated.
    """
    if low > 0.0:
        low, high = -high, -low
    if (high - low) * max(-low, high, 1.0) <= _NARROW:
        half = 0.5 * (high - low)
        z = low + half * (1.0 + _GAUSS)
        return float(np.log(half * (_GAUSS_WEIGHTS @ np.exp(-0.5 * z * z))) - 0.5 * LOG_2PI)
    if low < 0.0 < high:
        return float(np.log1p(-ndtr(low) - ndtr(-high)))
    above, below = float(log_ndtr(high)), float(log_ndtr(low))
    return above + float(np.log(-np.expm1(below - above)))


def _student_above(df: float, z: float) -> float:
    """Probability of a Student t above z."""
    tail = math.exp(float(student_t.log_tail(np.array([abs(z)]), df)[0]))
    return tail if z >= 0.0 else 1.0 - tail


def _student_between(df: float, low: float, high: float) -> float:
    """Probability of a Student t between two points, without cancellation."""
    if low < 0.0 < high:
        # P(0 < T < z) directly.
        z = np.array([low, high])
        return float(0.5 * betainc(0.5, 0.5 * df, z * z / (df + z * z)).sum())
    if low > 0.0:
        low, high = -high, -low
    rate = (df + 1.0) * np.array([low, high]) / (df + np.array([low, high]) ** 2)
    if (high - low) * max(float(np.abs(rate).max()), 1.0 / math.sqrt(df)) <= 0.5:
        half = 0.5 * (high - low)
        z = low + half * (1.0 + _GAUSS)
        return float(half * (_GAUSS_WEIGHTS @ np.exp(student_t.log_density(z, df))))
    return _student_above(df, -high) - _student_above(df, -low)


def _within_range(mean: float, sd: float, scale: Scale) -> tuple[float, float]:
    """Values around which a normal prior lies on a scale; a layer at an end that it is beyond."""
    if mean + sd <= scale.low:
        layer = sd * sd / (scale.low - mean)
        return scale.low + 0.3 * layer, scale.low + layer
    if mean - sd >= scale.high:
        layer = sd * sd / (mean - scale.high)
        return scale.high - layer, scale.high - 0.3 * layer
    return mean - sd, mean + sd


@attrs.frozen
class Normal(QuantityPrior):
    """Normal with a mean and an sd in the quantity's units.

    >>> Normal(100, 20)
    Normal(mean=100, sd=20)
    """

    mean: float = attrs.field(validator=_number)
    sd: float = attrs.field(validator=_positive)

    def _on(self, scale: Scale, hull: tuple[float, float] | None) -> PriorOnX:  # noqa: ARG002
        """Density on x; on the log and logit scales conditioned on their range."""
        if scale.name == "linear":
            return _normal_on_x(float(self.mean), float(self.sd))

        def log_density(anchor: Array, d: Array) -> Array:
            x = anchor + d
            with np.errstate(over="ignore"):
                z = (scale.to_theta(x) - self.mean) / self.sd
                kernel = scale.log_jacobian(x) - 0.5 * z * z
            return np.asarray(kernel - np.log(self.sd) - 0.5 * LOG_2PI)

        at_zero = -self.mean / self.sd
        if scale.name == "log":
            log_mass = float(log_ndtr(-at_zero))
            tails = (Tail(rate=1.0), VANISHING)
        else:
            log_mass = _log_normal_between(at_zero, (1.0 - self.mean) / self.sd)
            # Less than floats can hold: as good as nothing.
            log_mass = log_mass if log_mass > _LOG_SMALLEST else -INFINITY
            tails = (Tail(rate=1.0), Tail(rate=1.0))
        center = _within_range(self.mean, self.sd, scale)
        if scale.name == "log" and center[0] <= 0.0:
            center = (0.3 * max(center[1], self.sd), max(center[1], self.sd))
        return self._bind(
            scale,
            log_density,
            support=(-INFINITY, INFINITY),
            center=center,
            tails=tails,
            log_mass=log_mass,
        )


@attrs.frozen
class StudentT(QuantityPrior):
    """Student t with ``df`` degrees of freedom, a mean and a scale in the quantity's units.

    >>> StudentT(3, mean=0, scale=10)
    StudentT(df=3, mean=0, scale=10)
    """

    df: float = attrs.field(validator=_positive)
    mean: float = attrs.field(validator=_number)
    scale: float = attrs.field(validator=_positive)

    def _on(self, scale: Scale, hull: tuple[float, float] | None) -> PriorOnX:  # noqa: ARG002
        """Density on x; on the log and logit scales conditioned on their range."""
        df = self.df
        constant = student_t.log_peak(df) - float(np.log(self.scale))

        def log_density(anchor: Array, d: Array) -> Array:
            x = anchor + d
            with np.errstate(over="ignore"):
                if scale.name == "linear":
                    z = ((anchor - self.mean) + d) / self.scale
                else:
                    z = (scale.to_theta(x) - self.mean) / self.scale
            # log(1 + z^2/df) without overflow of z^2
            log_kernel = 2.0 * np.log(np.hypot(1.0, z / np.sqrt(df)))
            if scale.name == "log":
                # Beyond the floats of theta a moment at the exponential's limit goes on.
                far = 2.0 * (x - np.log(self.scale * np.sqrt(df)))
                log_kernel = np.where(np.isinf(z), far, log_kernel)
            return np.asarray(scale.log_jacobian(x) + constant - 0.5 * (df + 1.0) * log_kernel)

        mass, tails = 1.0, (Tail(power=df + 1.0), Tail(power=df + 1.0))
        at_zero = -self.mean / self.scale
        if scale.name == "log":
            mass, tails = _student_above(df, at_zero), (Tail(rate=1.0), Tail(rate=df))
        elif scale.name == "logit":
            mass = _student_between(df, at_zero, (1.0 - self.mean) / self.scale)
            tails = (Tail(rate=1.0), Tail(rate=1.0))
        center = (self.mean - self.scale, self.mean + self.scale)
        if scale.name == "log" and center[0] <= 0.0:
            center = (0.3 * max(center[1], self.scale), max(center[1], self.scale))
        with np.errstate(divide="ignore"):
            return self._bind(
                scale,
                log_density,
                support=(-INFINITY, INFINITY),
                center=center,
                tails=tails,
                log_mass=float(np.log(mass)),
            )


@attrs.frozen
class Uniform(QuantityPrior):
    """Uniform between two limits, in the quantity's units.

    >>> Uniform(0, 100)
    Uniform(low=0, high=100)
    """

    low: float = attrs.field(validator=_number)
    high: float = attrs.field(validator=_number)

    def __attrs_post_init__(self) -> None:
        _ordered(self.low, self.high, "Uniform")

    def _on(self, scale: Scale, hull: tuple[float, float] | None) -> PriorOnX:  # noqa: ARG002
        """Density on x; on the log and logit scales conditioned on their range."""
        low, high = max(self.low, scale.low), min(self.high, scale.high)

        def log_density(anchor: Array, d: Array) -> Array:
            return scale.log_jacobian(anchor + d)

        with np.errstate(invalid="ignore", divide="ignore"):
            log_mass = float(np.log(high - low)) if high > low else -INFINITY
        return self._bind(
            scale,
            log_density,
            support=(self.low, self.high),
            center=(low + 0.25 * (high - low), high - 0.25 * (high - low)),
            tails=(Tail(rate=1.0), Tail(rate=1.0)),
            log_mass=log_mass,
            uniform=scale.name == "linear",
        )


@attrs.frozen
class LogUniform(QuantityPrior):
    """Uniform in the logarithm of the quantity, between two positive limits.

    >>> LogUniform(1, 1_000_000)
    LogUniform(low=1, high=1000000)
    """

    low: float = attrs.field(validator=_positive)
    high: float = attrs.field(validator=_positive)

    def __attrs_post_init__(self) -> None:
        _ordered(self.low, self.high, "LogUniform")

    def _on(self, scale: Scale, hull: tuple[float, float] | None) -> PriorOnX:  # noqa: ARG002
        """Density on x, conditioned on the scale's range."""
        high = min(self.high, scale.high)

        def log_density(anchor: Array, d: Array) -> Array:
            x = anchor + d
            if scale.name == "log":
                return np.zeros_like(x)
            if scale.name == "linear":
                with np.errstate(divide="ignore", invalid="ignore"):
                    return -np.log(x)
            return -np.logaddexp(0.0, x)

        with np.errstate(invalid="ignore", divide="ignore"):
            log_mass = float(np.log(np.log(high / self.low))) if high > self.low else -INFINITY
        root = np.sqrt(self.low) * np.sqrt(high)
        return self._bind(
            scale,
            log_density,
            support=(self.low, self.high),
            center=(np.sqrt(self.low * root), np.sqrt(high * root) * (1.0 - 1e-9)),
            tails=(VANISHING, Tail(rate=1.0)),
            log_mass=log_mass,
            uniform=scale.name == "log",
        )


#: Log distance from its median up to which a log-normal on the linear scale is followed.
_FARTHEST_LOG = 150.0


@attrs.frozen
class LogNormal(QuantityPrior, ScatterPrior):
    """Log-normal: the logarithm is normal with mean log(median) and sd sigma.

    >>> LogNormal(median=10_000, sigma=1.0)
    LogNormal(median=10000, sigma=1.0)
    """

    median: float = attrs.field(validator=_positive)
    sigma: float = attrs.field(validator=_positive)

    def location(self) -> float | None:
        """A scale of tau at which the density bends."""
        return float(self.median)

    def _log_density(self, log_value: Array) -> Array:
        z = (log_value - np.log(self.median)) / self.sigma
        return np.asarray(-0.5 * z * z - np.log(self.sigma) - 0.5 * LOG_2PI)

    def _on(self, scale: Scale, hull: tuple[float, float] | None) -> PriorOnX:  # noqa: ARG002
        """Density on x; on the logit scale conditioned on its range."""
        if scale.name == "log":
            return _normal_on_x(float(np.log(self.median)), float(self.sigma))

        def log_density(anchor: Array, d: Array) -> Array:
            x = anchor + d
            if scale.name == "linear":
                with np.errstate(divide="ignore", invalid="ignore"):
                    log_theta = np.log(x)
                return np.where(x > 0.0, self._log_density(log_theta) - log_theta, -INFINITY)
            log_theta = -np.logaddexp(0.0, -x)
            return self._log_density(log_theta) - np.logaddexp(0.0, x)

        log_mass = 0.0
        if scale.name == "logit":
            log_mass = float(log_ndtr(-np.log(self.median) / self.sigma))
        factor = float(np.exp(self.sigma))
        linear = scale.name == "linear"
        return self._bind(
            scale,
            log_density,
            support=(0.0, INFINITY),
            center=(self.median / factor, min(self.median * factor, 0.9999 * scale.high)),
            tails=(VANISHING, Tail(smooth=True) if linear else Tail(rate=1.0)),
            log_mass=log_mass,
            places=self._places() if linear else None,
        )

    def _places(self) -> tuple[Array, Array]:
        """Where the density of theta itself bends, and on what scale: at every scale.

        The variance comes from exp(2 sigma^2) medians on.
        """
        sigma = float(self.sigma)
        start, stop = -7.0 * sigma, min(2.0 * sigma * sigma + 7.0 * sigma, _FARTHEST_LOG)
        count = int(np.clip((stop - start) / (1.5 * min(sigma, 1.0)), 4, 40)) + 1
        places = self.median * np.exp(np.linspace(start, stop, count))
        return places, places * min(sigma, 1.0)

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:  # noqa: ARG002
        """Log density of tau."""
        with np.errstate(divide="ignore"):
            log_tau = np.log(tau)
        return np.where(tau > 0.0, self._log_density(log_tau) - log_tau, -INFINITY)


@attrs.frozen
class Beta(QuantityPrior):
    """Beta(a, b), on a share, a reliability or a quantity between 0 and 1.

    >>> Beta(2, 1).mean
    0.6666666666666666
    """

    a: float = attrs.field(validator=_positive)
    b: float = attrs.field(validator=_positive)

    @property
    def mean(self) -> float:
        """A / (a + b)."""
        return float(self.a / (self.a + self.b))

    def _on(self, scale: Scale, hull: tuple[float, float] | None) -> PriorOnX:  # noqa: ARG002
        """Density on x."""
        constant = float(-betaln(self.a, self.b))

        def log_density(anchor: Array, d: Array) -> Array:
            x = anchor + d
            with np.errstate(divide="ignore", invalid="ignore"):
                if scale.name == "logit":
                    return constant - self.a * np.logaddexp(0.0, -x) - self.b * np.logaddexp(0.0, x)
                if scale.name == "log":
                    rest = np.log(-np.expm1(np.minimum(x, 0.0)))
                    return constant + self.a * x + (self.b - 1.0) * rest
                return constant + (self.a - 1.0) * np.log(x) + (self.b - 1.0) * np.log1p(-x)

        spread = np.sqrt(self.mean * (1.0 - self.mean) / (self.a + self.b + 1.0))
        return self._bind(
            scale,
            log_density,
            support=(0.0, 1.0),
            center=(
                max(self.mean - spread, 0.2 * self.mean),
                min(self.mean + spread, 1.0 - 0.2 * (1.0 - self.mean)),
            ),
            tails=(Tail(rate=self.a), Tail(rate=self.b)),
        )


@attrs.frozen
class IntrinsicRange(QuantityPrior):
    """Uniform on x over the claims' hull, extended on both sides by a part of its width.

    The convention of structured expert judgement (Cooke 1991), there with 0.1. The hull spans
    the stated numbers: interval ends, outer quantiles, the central 90 % of a value with an sd.

    >>> IntrinsicRange(0.1)
    IntrinsicRange(overshoot=0.1)
    """

    overshoot: float = attrs.field(default=0.1, validator=_positive)
    needs_hull = True

    def _on(self, scale: Scale, hull: tuple[float, float] | None) -> PriorOnX:  # noqa: ARG002
        """Uniform density over the extended hull."""
        if hull is None:
            raise InvalidValueError(
                "IntrinsicRange is made from the numbers that claims state, and there are none; "
                "give another proper prior"
            )
        if not hull[0] < hull[1]:
            raise InvalidValueError(NO_RANGE)
        low, high = (float(end) for end in self._extended(*hull))
        height = -np.log(high - low)

        def log_density(anchor: Array, d: Array) -> Array:  # noqa: ARG001
            return np.full_like(d, height)

        return PriorOnX(
            log_density,
            low,
            high,
            np.array([0.5 * (low + high)]),
            np.array([0.25 * (high - low)]),
            np.array([]),
            VANISHING,
            VANISHING,
            proper=True,
            uniform=True,
        )

    def _extended(self, low: Any, high: Any) -> tuple[Any, Any]:
        width = high - low
        return low - self.overshoot * width, high + self.overshoot * width

    def on_many(self, scale: Scale, hull_low: Array, hull_high: Array) -> PriorsOnX:
        """Uniform densities over the extended hulls, none of which may be empty."""
        low, high = self._extended(hull_low, hull_high)
        return PriorsOnX(
            self.on(scale, (float(hull_low[0]), float(hull_high[0]))),
            low,
            high,
            (0.5 * (low + high))[:, None],
            (0.25 * (high - low))[:, None],
            -np.log(high - low),
        )


@attrs.frozen(eq=False)
class Density(QuantityPrior, ScatterPrior):
    """Any other prior, by its log density.

    Parameters
    ----------
    logpdf : vectorised function of theta (or of tau); it need not be normalised, but its
        integral must be finite
    support : (low, high) outside which the density is 0; finite limits are used exactly

    Examples
    --------
    A triangle between 0 and 10:

    >>> import numpy as np
    >>> triangle = Density(lambda t: np.log(5 - np.abs(t - 5)), (0, 10))
    """

    logpdf: Callable[[Array], Any]
    support: tuple[float, float] = (-INFINITY, INFINITY)
    normalised = False

    def __attrs_post_init__(self) -> None:
        if not callable(self.logpdf):
            raise WrongTypeError("Density: logpdf must be a function of an array")
        try:
            low, high = self.support
        except (TypeError, ValueError):
            raise WrongTypeError("Density: support must be a pair (low, high)") from None
        _ordered(low, high, "Density")

    def _evaluate(self, theta: Array) -> Array:
        with np.errstate(all="ignore"):
            out = np.asarray(self.logpdf(theta), dtype=np.float64)
        if out.shape != theta.shape:
            raise InvalidValueError(
                f"Density: logpdf must return one value per input (got shape {out.shape} "
                f"for {theta.shape})"
            )
        inside = (theta >= self.support[0]) & (theta <= self.support[1])
        out = np.where(inside, out, -INFINITY)
        if np.isnan(out).any() or np.any(out == INFINITY):
            raise InvalidValueError("Density: logpdf returned nan or +inf inside its support")
        return out

    def _on(self, scale: Scale, hull: tuple[float, float] | None) -> PriorOnX:
        """Density on x; tails are read off the function far out."""
        first, last = _representable(scale)

        def log_density(anchor: Array, d: Array) -> Array:
            # Beyond the floats the function is not asked: at 0, 1 or infinity it may be
            # undefined. Near 0 and 1 what lies there falls with the Jacobian.
            x = anchor + d
            logs = self._evaluate(scale.to_theta(np.clip(x, first, last)))
            logs = logs + scale.log_jacobian(x)
            return np.where(x > last, -INFINITY, logs) if scale.name == "log" else logs

        low = float(scale.to_x(max(self.support[0], scale.low)))
        high = float(scale.to_x(min(self.support[1], scale.high)))
        middle, spread = _bulk(log_density, _scan(low, high, hull), low, high)
        upper = (
            VANISHING
            if np.isfinite(high)
            else _read_tail(log_density, middle, spread, last - middle)
        )
        follows = scale.name == "log" and not (upper.fast or upper.smooth or np.isfinite(high))
        # The function may leave the floats before theta does, as log(1 + theta^2) would.
        known = middle + (last - middle) * 0.9 ** np.arange(40.0)
        heights = log_density(np.zeros(40), known)
        edge = int(np.argmax(np.isfinite(heights)))

        def continued(anchor: Array, d: Array) -> Array:
            # On the log scale the density goes on, as its tail, where theta has left the floats.
            logs = log_density(anchor, d)
            x, end = anchor + d, float(known[edge])
            far = x > end
            if not (follows and np.any(far)):
                return logs
            beyond = np.where(far, x, end)
            tail = heights[edge] - upper.rate * (beyond - end) - upper.power * np.log(beyond / end)
            return np.where(far, tail, logs)

        return PriorOnX(
            continued,
            low,
            high,
            np.array([middle]),
            np.array([spread]),
            np.array([]),
            VANISHING
            if np.isfinite(low)
            else _read_tail(log_density, middle, -spread, middle - first),
            upper,
            proper=True,
            normalised=False,
        )

    @property
    def gaussian_scale(self) -> float:
        """0 where the support is bounded: a decay faster than every normal's."""
        return 0.0 if np.isfinite(self.support[1]) else INFINITY

    @property
    def power(self) -> float:
        """Exponent of the tail, read off the function far beyond the bulk of its mass."""
        if np.isfinite(self.support[1]):
            return INFINITY

        def log_density(anchor: Array, d: Array) -> Array:
            return self._evaluate(anchor + d)

        tau = np.logspace(-30.0, 30.0, 601)
        with np.errstate(all="ignore"):
            logs = np.asarray(self.logpdf(tau), dtype=np.float64) + np.log(tau)
        bulk = tau[int(np.argmax(np.where(np.isfinite(logs), logs, -INFINITY)))]
        return float(_read_tail(log_density, 0.0, float(bulk), INFINITY).effective_power)

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:  # noqa: ARG002
        """Log density of tau."""
        return self._evaluate(tau)


def _scan(low: float, high: float, hull: tuple[float, float] | None) -> Array:
    """Coordinates that look for the bulk of an unknown density."""
    if np.isfinite(low) and np.isfinite(high):
        return np.linspace(low, high, 403)[1:-1]
    reach = np.logspace(-6.0, 9.0, 301)
    if np.isfinite(low):
        return np.asarray(low + reach)
    if np.isfinite(high):
        return np.asarray(high - reach[::-1])
    middle = 0.0 if hull is None else 0.5 * (hull[0] + hull[1])
    around = np.concatenate([-reach[::-1], [0.0], reach])
    return np.unique(np.concatenate([around, middle + around]))


def _bulk(
    log_density: Callable[[Array, Array], Array], x: Array, low: float, high: float
) -> tuple[float, float]:
    """Place and width of the bulk of an unknown density, looked for more closely if narrow."""
    for _ in range(12):
        logs = log_density(np.zeros_like(x), x)
        best = int(np.argmax(logs))
        if logs[best] == -INFINITY:
            raise InvalidValueError(
                "Density: logpdf is -inf wherever it was tried; say where it is not by "
                "support=(low, high)"
            )
        near = np.flatnonzero(logs >= logs[best] - 2.0)
        gap = float(x[min(best + 1, len(x) - 1)] - x[max(best - 1, 0)])
        if len(near) >= 5:
            break
        finer = x[best] + gap * np.linspace(-1.0, 1.0, 401)
        finer = np.unique(finer[(finer > low) & (finer < high)])
        if len(finer) < 5:
            break
        x = finer
    return float(x[best]), max(float(x[near[-1]] - x[near[0]]) / 4.0, 0.25 * gap)


def _representable(scale: Scale) -> tuple[float, float]:
    """Coordinates beyond which the quantity is rounded to the scale's limits."""
    if scale.name == "linear":
        return -INFINITY, INFINITY
    return (-740.0, 709.0) if scale.name == "log" else (-709.0, 36.0)


def _read_tail(
    log_density: Callable[[Array, Array], Array], center: float, step: float, room: float
) -> Tail:
    """Tail of an unknown density from its slope in log distance, far from its centre.

    Parameters
    ----------
    log_density : of an anchor and distances from it
    center, step : where the density has its bulk, and how wide that is; the step's sign is
        the tail's side
    room : distance up to which the quantity can be told from the scale's limit; powers of it
        may exceed the floats earlier, so that the reading is tried closer as well
    """
    reaches = [(1e3, 1e3 * abs(step))]
    if 2e6 * abs(step) >= room:
        reaches = [(8.0, closer * room / 16.0) for closer in (0.98, 0.48, 0.23, 0.11)]
    for ratio, distance in reaches:
        far = np.array([1.0, 2.0, ratio, 2.0 * ratio]) * np.copysign(distance, step)
        logs = log_density(np.full(4, center), far)
        if np.all(np.isfinite(logs)):
            return _tail_of_slopes(logs, far, ratio)
    return VANISHING


def _tail_of_slopes(logs: Array, distance: Array, ratio: float) -> Tail:
    """Kind of tail from two slopes per doubling, ``ratio`` apart in distance.

    Exponents are read to six digits: one at a limit of existence must not pass it by rounding.
    """
    near, far = (logs[0] - logs[1]) / np.log(2.0), (logs[2] - logs[3]) / np.log(2.0)
    if far < 1.5 * near + 1.0:
        return Tail(power=float(f"{far:.6g}"))
    if far > 1.5 * ratio * near:
        return VANISHING
    if 0.7 * ratio < far / near < 1.4 * ratio:
        rate = (logs[2] - logs[3]) / abs(distance[3] - distance[2])
        return Tail(rate=float(f"{rate:.6g}"))
    return Tail(smooth=True)


# ------------------------------------------------------------------ on the scatter


@attrs.frozen
class HalfNormal(ScatterPrior):
    """Half-normal: ``2/(scale sqrt(2 pi)) exp(-tau^2/(2 scale^2))``.

    >>> HalfNormal(0.5)
    HalfNormal(scale=0.5)
    """

    even = True

    scale: float = attrs.field(validator=_positive)

    @property
    def gaussian_scale(self) -> float:
        """Scale of the normal tail."""
        return float(self.scale)

    def location(self) -> float | None:
        """A scale of tau at which the density bends."""
        return float(self.scale)

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:  # noqa: ARG002
        """Log density of tau."""
        z = tau / self.scale
        return np.asarray(0.5 * np.log(2.0 / np.pi) - np.log(self.scale) - 0.5 * z * z)


@attrs.frozen
class HalfStudentT(ScatterPrior):
    """Half Student t with ``df`` degrees of freedom.

    >>> HalfStudentT(4, 0.5)
    HalfStudentT(df=4, scale=0.5)
    """

    even = True

    df: float = attrs.field(validator=_positive)
    scale: float = attrs.field(validator=_positive)

    @property
    def power(self) -> float:
        """Exponent of the tail."""
        return float(self.df + 1.0)

    def location(self) -> float | None:
        """A scale of tau at which the density bends."""
        return float(self.scale)

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:  # noqa: ARG002
        """Log density of tau."""
        z = tau / self.scale
        return np.asarray(student_t.log_density(z, self.df) + (np.log(2.0) - np.log(self.scale)))


@attrs.frozen
class HalfCauchy(ScatterPrior):
    """Half-Cauchy: ``2/(pi scale (1 + (tau/scale)^2))``.

    >>> HalfCauchy(0.5)
    HalfCauchy(scale=0.5)
    """

    even = True

    scale: float = attrs.field(validator=_positive)

    @property
    def power(self) -> float:
        """Exponent of the tail."""
        return 2.0

    def location(self) -> float | None:
        """A scale of tau at which the density bends."""
        return float(self.scale)

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:
        """Log density of tau."""
        return HalfStudentT(1.0, self.scale).log_scatter(tau, stated)


@attrs.frozen
class Exponential(ScatterPrior):
    """Exponential: ``exp(-tau/scale)/scale``.

    >>> Exponential(0.5)
    Exponential(scale=0.5)
    """

    scale: float = attrs.field(validator=_positive)

    def location(self) -> float | None:
        """A scale of tau at which the density bends."""
        return float(self.scale)

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:  # noqa: ARG002
        """Log density of tau."""
        return np.asarray(-np.log(self.scale) - tau / self.scale)


@attrs.frozen
class HalfLogistic(ScatterPrior):
    """Half-logistic: ``(2/scale) exp(-tau/scale)/(1 + exp(-tau/scale))^2``.

    >>> HalfLogistic(0.5)
    HalfLogistic(scale=0.5)
    """

    even = True

    scale: float = attrs.field(validator=_positive)

    def location(self) -> float | None:
        """A scale of tau at which the density bends."""
        return float(self.scale)

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:  # noqa: ARG002
        """Log density of tau."""
        z = tau / self.scale
        return np.asarray(np.log(2.0 / self.scale) - z - 2.0 * np.log1p(np.exp(-z)))


@attrs.frozen
class Lomax(ScatterPrior):
    """Lomax: ``(shape/scale) (1 + tau/scale)^-(shape + 1)``.

    >>> Lomax(2, 1)
    Lomax(shape=2, scale=1)
    """

    shape: float = attrs.field(validator=_positive)
    scale: float = attrs.field(validator=_positive)

    @property
    def power(self) -> float:
        """Exponent of the tail."""
        return float(self.shape + 1.0)

    def location(self) -> float | None:
        """A scale of tau at which the density bends."""
        return float(self.scale)

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:  # noqa: ARG002
        """Log density of tau."""
        return np.asarray(
            np.log(self.shape / self.scale) - (self.shape + 1.0) * np.log1p(tau / self.scale)
        )


@attrs.frozen
class Rayleigh(ScatterPrior):
    """Rayleigh: ``tau/scale^2 exp(-tau^2/(2 scale^2))``.

    >>> Rayleigh(0.5)
    Rayleigh(scale=0.5)
    """

    scale: float = attrs.field(validator=_positive)

    @property
    def gaussian_scale(self) -> float:
        """Scale of the normal tail."""
        return float(self.scale)

    def location(self) -> float | None:
        """A scale of tau at which the density bends."""
        return float(self.scale)

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:  # noqa: ARG002
        """Log density of tau."""
        z = tau / self.scale
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(z / self.scale) - 0.5 * z * z)


@attrs.frozen
class Sqrt(ScatterPrior):
    """Improper ``tau^(-1/2)`` (Gelman 2006, as in bayesmeta).

    >>> Sqrt().proper
    False
    """

    proper = False
    normalised = False

    @property
    def power(self) -> float:
        """Exponent of the tail."""
        return 0.5

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:  # noqa: ARG002
        """Log density of tau, up to a constant."""
        with np.errstate(divide="ignore"):
            return np.asarray(-0.5 * np.log(tau))


def _log_information(tau: Array, stated: StatedVariances) -> Array:
    """Log sum_i (tau/(s_i^2 + tau^2))^2: Fisher information of tau, doubled."""
    every = stated.repeat(tau)
    with np.errstate(divide="ignore"):
        log_ratio = np.log(every) - np.log(stated.variance + every * every)
        top = np.log(np.maximum(tau, 1e-300))
        spread = stated.repeat(top)
        return np.asarray(2.0 * top + np.log(stated.sum(np.exp(2.0 * (log_ratio - spread)))))


@attrs.frozen
class Jeffreys(ScatterPrior):
    """Improper ``sqrt(sum (tau/(s_i^2 + tau^2))^2)``: Jeffreys' prior of tau.

    >>> Jeffreys().proper
    False
    """

    needs_claims = True
    proper = False
    normalised = False

    @property
    def power(self) -> float:
        """Exponent of the tail."""
        return 1.0

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:
        """Log density of tau, up to a constant."""
        return 0.5 * _log_information(tau, stated)


@attrs.frozen
class OverallJeffreys(ScatterPrior):
    """Improper Jeffreys' prior of mu and tau together.

    ``sqrt(sum 1/(s_i^2 + tau^2) * sum (tau/(s_i^2 + tau^2))^2)``.

    >>> OverallJeffreys().proper
    False
    """

    needs_claims = True
    proper = False
    normalised = False

    @property
    def power(self) -> float:
        """Exponent of the tail."""
        return 2.0

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:
        """Log density of tau, up to a constant."""
        every = stated.repeat(tau)
        location = np.log(stated.sum(1.0 / (stated.variance + every * every)))
        return np.asarray(0.5 * (location + _log_information(tau, stated)))


@attrs.frozen
class BergerDeely(ScatterPrior):
    """Improper ``tau prod (s_i^2 + tau^2)^(-1/k)`` (Berger & Deely 1988).

    >>> BergerDeely().proper
    False
    """

    needs_claims = True
    proper = False
    normalised = False

    @property
    def power(self) -> float:
        """Exponent of the tail."""
        return 1.0

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:
        """Log density of tau, up to a constant."""
        every = stated.repeat(tau)
        with np.errstate(divide="ignore"):
            logs = stated.sum(np.log(stated.variance + every * every))
            return np.asarray(np.log(tau) - logs / stated.count)


@attrs.frozen
class Conventional(ScatterPrior):
    """Proper ``tau prod (s_i^2 + tau^2)^(-3/(2k))``, normalised by quadrature (Berger 1985).

    >>> Conventional().proper
    True
    """

    needs_claims = True
    normalised = False

    @property
    def power(self) -> float:
        """Exponent of the tail."""
        return 2.0

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:
        """Log density of tau, up to a constant."""
        every = stated.repeat(tau)
        with np.errstate(divide="ignore"):
            logs = stated.sum(np.log(stated.variance + every * every))
            return np.asarray(np.log(tau) - 1.5 * logs / stated.count)


def _harmonic_mean(stated: StatedVariances) -> Array:
    return stated.count / stated.sum(1.0 / stated.variance)


@attrs.frozen
class DuMouchel(ScatterPrior):
    """``s0/(s0 + tau)^2`` with s0^2 the harmonic mean of the stated variances.

    >>> DuMouchel().power
    2.0
    """

    needs_claims = True

    @property
    def power(self) -> float:
        """Exponent of the tail."""
        return 2.0

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:
        """Log density of tau."""
        s0 = np.sqrt(_harmonic_mean(stated))
        return np.asarray(np.log(s0) - 2.0 * np.log(s0 + tau))


def _shrinkage(tau: Array, variance: Array) -> Array:
    """Log of ``2 V tau/(V + tau^2)^2``: uniform on V/(V + tau^2)."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(2.0 * variance) + np.log(tau) - 2.0 * np.log(variance + tau * tau))


@attrs.frozen
class UniformShrinkage(ScatterPrior):
    """Uniform on the shrinkage s0^2/(s0^2 + tau^2): ``2 tau s0^2/(s0^2 + tau^2)^2``.

    >>> UniformShrinkage().power
    3.0
    """

    needs_claims = True

    @property
    def power(self) -> float:
        """Exponent of the tail."""
        return 3.0

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:
        """Log density of tau."""
        return _shrinkage(tau, _harmonic_mean(stated))


@attrs.frozen
class I2(ScatterPrior):
    """Uniform on I2 = tau^2/(S + tau^2), S the "typical" variance.

    ``S = (k - 1) sum w / ((sum w)^2 - sum w^2)`` with w = 1/s_i^2
    (Higgins & Thompson 2002, eq. 9, doi:10.1002/sim.1186). It needs two claims or more.

    >>> I2().power
    3.0
    """

    needs_claims = True

    @property
    def power(self) -> float:
        """Exponent of the tail."""
        return 3.0

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:
        """Log density of tau."""
        if np.any(stated.count < 2):
            raise InvalidValueError(
                "I2: the prior is made from two or more claims' sds; with one claim give "
                "another, such as HalfNormal(scale)"
            )
        w = 1.0 / stated.variance
        total = stated.sum(w)
        typical = (stated.count - 1.0) * total / (total**2 - stated.sum(w * w))
        return _shrinkage(tau, typical)


@attrs.frozen
class Pareto(ScatterPrior):
    """Pareto on an inflation k >= 1: ``shape k^-(shape + 1)``.

    >>> Pareto(3)
    Pareto(shape=3)
    """

    shape: float = attrs.field(validator=_positive)
    low = 1.0

    @property
    def power(self) -> float:
        """Exponent of the tail."""
        return float(self.shape + 1.0)

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:  # noqa: ARG002
        """Log density of the inflation."""
        return np.asarray(np.log(self.shape) - (self.shape + 1.0) * np.log(tau))
