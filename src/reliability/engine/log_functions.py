"""Positive functions of x by their logs: likelihoods and messages, products of them, and tables.

A table interpolates the logarithm, so that its relative error is the same everywhere: where two
messages conflict their product lives in the tails of both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.engine.densities import legendre_sum
from reliability.engine.panels import (
    GROWTH,
    LEGENDRE,
    Features,
    Kind,
    Panels,
    initial_panels,
)
from reliability.errors import NumericalError
from reliability.priors import PriorOnX
from reliability.tails import CONSTANT, Tail

__all__ = [
    "EPS",
    "ROUNDING",
    "TOLERANCE",
    "LogFunction",
    "Places",
    "of_prior",
    "product",
    "tabulate",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Log of a function at coordinates (points,), and there its relative error and noise.
Evaluate = Callable[[Array], tuple[Array, Array, Array]]
#: Accepted size of the last Legendre coefficients of a logarithm on a panel.
TOLERANCE = 2e-12
#: Accepted error of a logarithm in units of its size: far beyond its rounding.
ROUNDING = 1e-13
#: A function this much smaller than its maximum, in logs, adds no more to the error bound.
_DEEPEST = 500.0
#: The error accepted on a sliver grows as its width falls below this part of the widest panel's.
_SMALL = 1e-3
#: One so much smaller has only to be small.
_NOTHING = 1e5
EPS = 4.0 * float(np.finfo(np.float64).eps)
_MAX_ROUNDS = 60
_MAX_PANELS = 4_000
#: Points at which a table is evaluated at once: coefficients of 2 MB.
_AT_ONCE = 1 << 14
#: Relative distance from an end of the support at which the panels that approach it begin, and
#: their length in log distance. What is closer would be rounded away, and holds nothing.
_CLOSEST, _STEP = 1e-10, 4.0


@attrs.frozen(eq=False)
class Places:
    """Where a function bends, on what scale, and where it breaks."""

    location: Array
    scale: Array
    kinks: Array

    @property
    def noise(self) -> float:
        """Relative error of a function that bends so, from the rounding of its argument."""
        return float(np.max(EPS * np.abs(self.location) / self.scale, initial=0.0))

    @staticmethod
    def join(parts: Sequence[Places]) -> Places:
        """All of several, without those that others make superfluous."""
        location = np.concatenate([np.zeros(0), *(part.location for part in parts)])
        scale = np.concatenate([np.zeros(0), *(part.scale for part in parts)])
        kinks = np.unique(np.concatenate([np.zeros(0), *(part.kinks for part in parts)]))
        kept = _thinned(location, scale)
        return Places(location[kept], scale[kept], kinks)


def _thinned(location: Array, scale: Array) -> IntArray:
    """Places that panels laid around the narrower ones would not resolve; and the widest."""
    kept: list[int] = []
    for k in np.lexsort((location, scale)).tolist():
        distance = location[kept] - location[k]
        resolved = np.hypot(scale[kept], GROWTH * distance) <= scale[k]
        if not resolved.any() or k == int(np.argmax(scale)):
            kept.append(k)
    return np.sort(np.array(kept, dtype=np.int64))


@attrs.frozen(eq=False)
class LogFunction:
    """A positive function of x.

    ``log`` gives its log at coordinates of any shape; it vanishes outside ``low`` to ``high``.
    ``error`` bounds its relative error.
    """

    log: Callable[[Array], Array]
    places: Places
    low: float = -np.inf
    high: float = np.inf
    lower_tail: Tail = CONSTANT
    upper_tail: Tail = CONSTANT
    error: float = 0.0

    @property
    def integrable(self) -> bool:
        """Whether its integral over x is finite."""
        return bool(self.lower_tail.integrable() and self.upper_tail.integrable())

    def features(self) -> Features:
        """What panels of a table must resolve; far beyond the bulk it is known by its tails."""
        one, places = np.ones(1), self.places
        return Features(
            np.zeros(len(places.location), dtype=np.int64),
            places.location,
            places.scale,
            np.zeros(len(places.kinks), dtype=np.int64),
            places.kinks,
            self.low * one,
            self.high * one,
            np.inf * one,
            np.inf * one,
        )


def product(factors: Sequence[LogFunction]) -> LogFunction | None:
    """Product of functions; None where there are none."""
    if len(factors) < 2:
        return factors[0] if factors else None
    lower, upper = CONSTANT, CONSTANT
    for factor in factors:
        lower, upper = lower.times(factor.lower_tail), upper.times(factor.upper_tail)
    return LogFunction(
        _Sum(tuple(factor.log for factor in factors)),
        Places.join([factor.places for factor in factors]),
        max(factor.low for factor in factors),
        min(factor.high for factor in factors),
        lower,
        upper,
        sum(factor.error for factor in factors),
    )


@attrs.frozen(eq=False)
class _Sum:
    logs: tuple[Callable[[Array], Array], ...]

    def __call__(self, x: Array) -> Array:
        total = self.logs[0](x)
        for log in self.logs[1:]:
            total = total + log(x)
        return total


def of_prior(prior: PriorOnX) -> LogFunction:
    """A prior on x as a function."""
    return LogFunction(
        _OfPrior(prior),
        Places(prior.location, prior.scale, prior.kinks),
        prior.low,
        prior.high,
        prior.lower_tail,
        prior.upper_tail,
    )


@attrs.frozen(eq=False)
class _OfPrior:
    prior: PriorOnX

    def __call__(self, x: Array) -> Array:
        rows = np.asarray(x, dtype=np.float64).reshape(-1, 1)
        inside = (rows >= self.prior.low) & (rows <= self.prior.high)
        with np.errstate(all="ignore"):
            logs = self.prior.log_density(np.zeros((1, 1)), np.where(inside, rows, 0.0))
        return np.where(inside, logs, -np.inf).reshape(np.shape(x))


# ------------------------------------------------------------------ tables


@attrs.frozen(eq=False)
class _Table:
    """Legendre coefficients (panels, ORDER) of a logarithm on panels in order of position."""

    panels: Panels
    coefficients: Array
    position: Array
    lower_tail: Tail
    upper_tail: Tail
    middle: Array
    half: Array
    top: Array

    def __call__(self, x: Array) -> Array:
        flat = np.asarray(x, dtype=np.float64).ravel()
        out = np.empty(len(flat))
        for begin in range(0, len(flat), _AT_ONCE):
            part = slice(begin, begin + _AT_ONCE)
            out[part] = self._on(flat[part])
        return out.reshape(np.shape(x))

    def _on(self, x: Array) -> Array:
        index = np.searchsorted(self.position, x, side="right") - 1
        index = np.clip(index, 0, self.panels.count - 1)
        v = x - self.panels.anchor[index]
        kind = self.panels.kind[index]
        for sign, one in ((1.0, Kind.UP), (-1.0, Kind.DOWN)):
            rows = np.flatnonzero(kind == one)
            v[rows] = np.log(np.maximum(sign * v[rows], 1e-300))
        t = np.clip((v - self.middle[index]) / self.half[index], -1.0, 1.0)
        # Where all is nothing no polynomial is asked to be more than that.
        out = np.minimum(legendre_sum(self.coefficients[index], t), self.top[index])
        first, last = float(self.position[0]), float(self.position[-1])
        for beyond, tail, end in (
            (x < first, self.lower_tail, first),
            (x > last, self.upper_tail, last),
        ):
            if beyond.any():
                out[beyond] += _along(tail, x[beyond], end, 0.5 * (first + last))
        return out


def _along(tail: Tail, x: Array, end: float, middle: float) -> Array:
    """Log of what a tail has fallen by beyond the end of a table."""
    if tail.fast or not np.isfinite(end):
        return np.full(len(x), -np.inf)
    ratio = np.abs(x - middle) / abs(end - middle)
    return np.asarray(-tail.power * np.log(ratio) - tail.rate * np.abs(x - end))


def tabulate(evaluate: Evaluate, like: LogFunction) -> LogFunction:
    """Table of a function that is dear to evaluate.

    Parameters
    ----------
    evaluate : its log at coordinates (points,), and there its relative error and the noise that
        no halving would find
    like : everything else about it; its ``log`` is not used, its ``error`` is added

    Raises
    ------
    NumericalError
        If too many panels would be needed.
    """
    panels = _approaching_ends(initial_panels(like.features()), like.low, like.high)
    panels = panels.take(panels.order())
    ends = like.low, like.high
    logs, inner, noise = _at_nodes(evaluate, panels)
    for _ in range(_MAX_ROUNDS):
        fails, _ = _judged(panels, logs, noise, ends)
        fails &= panels.splittable()
        if not fails.any():
            break
        if panels.count > _MAX_PANELS:
            raise NumericalError(
                "a message between linked quantities cannot be resolved: it needs more than "
                f"{_MAX_PANELS} panels; state larger sds or a wider share"
            )
        halves = panels.take(fails).bisect()
        new = _at_nodes(evaluate, halves)
        panels = Panels.join([panels.take(~fails), halves])
        logs, inner, noise = (
            np.concatenate([old[~fails], more])
            for old, more in zip((logs, inner, noise), new, strict=True)
        )
    order = panels.order()
    panels, logs, inner, noise = panels.take(order), logs[order], inner[order], noise[order]
    error = _judged(panels, logs, noise, ends)[1]
    start, stop = panels.edges()
    with np.errstate(over="ignore"):
        position = np.append(panels.anchor + start, panels.anchor[-1] + stop[-1])
    whole: NDArray[np.bool_] = np.asarray(np.isfinite(logs).all(axis=1))
    safe = np.where(whole[:, None], logs, 0.0)
    coefficients = safe @ LEGENDRE
    coefficients[~whole, 0] = -np.inf
    table = _Table(
        panels,
        coefficients,
        position,
        like.lower_tail,
        like.upper_tail,
        0.5 * (panels.low + panels.high),
        0.5 * (panels.high - panels.low),
        np.where(whole, logs.max(axis=1) + 1.0 + 0.1 * np.ptp(safe, axis=1), -np.inf),
    )
    bound = _bound(panels, logs, error, ends) + _bound(panels, logs, inner, ends)
    return attrs.evolve(like, log=_Within(table, *ends), error=like.error + bound)


def _at_nodes(evaluate: Evaluate, panels: Panels) -> tuple[Array, Array, Array]:
    """Logs at the nodes, and the largest error and noise on each panel."""
    x = panels.anchor[:, None] + panels.nodes()[0]
    logs, error, noise = (each.reshape(x.shape) for each in evaluate(x.ravel()))
    return logs, error.max(axis=1), error.max(axis=1) + noise.max(axis=1)


def _judged(
    panels: Panels, logs: Array, noise: Array, ends: tuple[float, float]
) -> tuple[NDArray[np.bool_], Array]:
    """Which panels fail, and the size of the last coefficients on each.

    No halving finds what the values themselves are wrong by, ``noise`` (panels,), nor what the
    rounding of x does where they change fast.
    """
    finite = np.isfinite(logs)
    top = np.where(finite, logs, -np.inf).max(axis=1)
    whole: NDArray[np.bool_] = np.asarray(finite.all(axis=1))
    nothing = ~(top > top.max() - _NOTHING)
    safe = np.where(whole[:, None], logs, 0.0)
    error = 2.0 * np.abs(safe @ LEGENDRE[:, -3:]).sum(axis=1)
    with np.errstate(divide="ignore"):
        tolerance = TOLERANCE / np.minimum(_slivers(panels, ends) / _SMALL, 1.0)
    rounding = ROUNDING * np.abs(np.where(whole, top, 0.0))
    low, high = panels.edges()
    with np.errstate(over="ignore", invalid="ignore"):
        size = np.maximum(np.abs(panels.anchor + low), np.abs(panels.anchor + high))
        rounding += np.nan_to_num(EPS * size / (high - low) * np.ptp(safe, axis=1))
    return ~nothing & (~whole | (error > tolerance + rounding + noise)), error


def _bound(panels: Panels, logs: Array, error: Array, ends: tuple[float, float]) -> float:
    """Largest error of a panel; that of slivers, and of what nothing could make probable, less."""
    top = np.where(np.isfinite(logs), logs, -np.inf).max(axis=1)
    if not np.isfinite(top.max()):
        return 0.0
    with np.errstate(under="ignore"):
        weight = np.exp(np.minimum(top - top.max() + _DEEPEST, 0.0)) * _slivers(panels, ends)
    return float(np.max(weight * error, initial=0.0))


def _slivers(panels: Panels, ends: tuple[float, float]) -> Array:
    """Widths of panels that are slivers, as parts of the widest panel's; 1 for all others.

    Towards an end of the support, or a point at which some derivative has no limit, the error of
    a logarithm does not fall any more, and what the panels hold does.
    """
    low, high = panels.edges()
    inner = panels.kind == Kind.LINEAR
    with np.errstate(over="ignore"):
        part = (high - low) / np.max((high - low)[inner], initial=1e-300)
    at_end = np.isin(panels.anchor, ends) & ~inner
    return np.where(at_end | (inner & (part < 1e-9)), np.minimum(part, 1.0), 1.0)


@attrs.frozen(eq=False)
class _Within:
    """A logarithm that is minus infinity outside a support."""

    log: _Table
    low: float
    high: float

    def __call__(self, x: Array) -> Array:
        if np.isinf(self.low) and np.isinf(self.high):
            return self.log(x)
        return np.where((x >= self.low) & (x <= self.high), self.log(x), -np.inf)


def _approaching_ends(panels: Panels, low: float, high: float) -> Panels:
    """Panels of which those at finite ends of the support are ones in log distance from it.

    There a message falls like a power of the distance.
    """
    panels = panels.take(panels.order())
    for end, kind, row in ((low, Kind.UP, 0), (high, Kind.DOWN, panels.count - 1)):
        if not np.isfinite(end):
            continue
        start, stop = (edge[row] for edge in panels.edges())
        width = np.log(stop - start)
        first = np.log(_CLOSEST) + max(np.log(abs(end) + 1e-300), width)
        edges = np.append(np.arange(first, width - 0.5 * _STEP, _STEP), width)
        count = len(edges) - 1
        ladder = Panels(
            np.zeros(count, dtype=np.int64),
            np.full(count, end),
            np.full(count, int(kind)),
            edges[:-1],
            edges[1:],
        )
        keep = np.arange(panels.count) != row
        panels = Panels.join([panels.take(keep), ladder])
        panels = panels.take(panels.order())
    return panels
