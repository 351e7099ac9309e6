"""Messages between a whole and its parts: exact integrals over the share.

A whole of log size w is split by a share phi ~ Beta(a, b) into a part at ``w + log phi`` and a
rest at ``w + log(1 - phi)``. With g the functions that are known of each, the messages are

    to the whole   m(w) = integral of Beta(phi) g_part(w + log phi) g_rest(w + log(1 - phi)) dphi
    to the part    m(v) = integral of Beta(phi) g_whole(v - log phi) g_rest(v + t') dphi,
                   t' = log((1 - phi)/phi)

and, mirrored, to the rest. All are integrals over t = logit phi, in which the Beta density is
analytic and falls exponentially on both sides, of functions at c + i log phi + j log(1 - phi).
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, digamma, polygamma

from reliability.engine.log_functions import (
    EPS,
    ROUNDING,
    TOLERANCE,
    LogFunction,
    Places,
    product,
    tabulate,
)
from reliability.engine.panels import Features, Panels, initial_panels
from reliability.engine.quadrature import prune, refine
from reliability.priors import Beta
from reliability.tails import Tail

__all__ = ["integral_over_share", "to_part", "to_whole"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Points at which integrals over the share are done at once.
_AT_ONCE = 128


@attrs.frozen(eq=False)
class _Leg:
    """A function at c + part * log(phi) + rest * log(1 - phi)."""

    function: LogFunction
    part: int
    rest: int

    def log(self, c: Array, log_phi: Array, log_rest: Array) -> Array:
        return self.function.log(c + (self.part * log_phi + self.rest * log_rest))

    @property
    def _single(self) -> bool:
        return self.part == 0 or self.rest == 0

    def _solved(self, c: Array, y: Array) -> Array:
        """Logit of the share at which the argument is y: nan where it never is."""
        if not self._single:
            return np.asarray((c - y) * self.rest)
        gap = (c - y) * (self.part + self.rest)
        with np.errstate(invalid="ignore"):
            t = _logit(np.where(gap > 0.0, gap, np.nan))
        return t if self.rest == 0 else -t

    def limits(self, c: Array) -> tuple[Array, Array]:
        """Logits of the share between which the function does not vanish: (points,) each.

        Where it does everywhere the first is not below the second.
        """
        low, high = np.full(len(c), -np.inf), np.full(len(c), np.inf)
        for end, upper in ((self.function.low, False), (self.function.high, True)):
            if np.isinf(end):
                continue
            t = self._solved(c, np.full(len(c), end))
            rising = (self.part if self.rest == 0 else -self.rest) > 0
            # Never reached: all arguments are inside, or none is.
            beyond = np.isnan(t)
            inside = (c < end) if upper else (c > end)
            if rising != upper:
                low = np.maximum(low, np.where(beyond, np.where(inside, -np.inf, np.inf), t))
            else:
                high = np.minimum(high, np.where(beyond, np.where(inside, np.inf, -np.inf), t))
        return low, high

    def bends(self, c: Array) -> tuple[Array, Array]:
        """Logits of the share at which the function bends, and scales: (points, bends) each."""
        location, scale = self.function.places.location, self.function.places.scale
        if not self._single:
            at = self._solved(c[:, None], location)
            return at, np.broadcast_to(scale, at.shape)
        gap = (c[:, None] - location) * (self.part + self.rest)
        # Where a bend lies within its own scale of c, or beyond it, all that is left of it is
        # how it fades as the share goes to 1.
        with np.errstate(divide="ignore", invalid="ignore"):
            layer = np.where(gap > -scale, scale, scale * scale / -gap)
            near = gap > scale
            depth = np.where(near, gap, layer)
            width = np.where(near, scale / -np.expm1(-depth), 1.0)
        t = _logit(depth)
        return (t if self.rest == 0 else -t), width

    def noise(self, c: Array) -> Array:
        """Relative error of the function that rounding of its argument makes: (points,)."""
        noise = np.full(len(c), self.function.places.noise)
        end = self.function.high
        if np.isfinite(end):
            noise += EPS * np.abs(end) / np.maximum(np.abs(end - c), 1e-300)
        return np.asarray(np.minimum(noise, 1e-3))

    def kinks(self, c: Array) -> Array:
        """Logits of the share at which the function breaks, or nan: (points, kinks)."""
        return self._solved(c[:, None], self.function.places.kinks)


def _logit(s: Array) -> Array:
    """Logit of exp(-s), for s > 0."""
    return np.asarray(-(s + np.log(-np.expm1(-s))))


def integral_over_share(share: Beta, legs: Sequence[_Leg], c: Array) -> tuple[Array, Array, Array]:
    """Log of the integral of a product of functions over the share, its relative error and noise.

    Parameters
    ----------
    share : its prior
    legs : the functions
    c : (points,) where
    """
    out = np.zeros((3, len(c)))
    for begin in range(0, len(c), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        out[:, part] = _integrals(share, legs, c[part])
    return out[0], out[1], out[2]


def _integrals(share: Beta, legs: Sequence[_Leg], c: Array) -> Array:
    """Logs, errors and noise: (3, points)."""
    out = np.zeros((3, len(c)))
    out[0] = -np.inf
    ends = [leg.limits(c) for leg in legs]
    low = np.max([each[0] for each in ends], axis=0)
    high = np.min([each[1] for each in ends], axis=0)
    index = np.flatnonzero(low < high)
    if not len(index):
        return out
    c = c[index]
    constant = -float(betaln(share.a, share.b))

    def log_density(quantity: IntArray, anchor: Array, d: Array) -> Array:
        t = anchor[:, None] + d
        log_phi, log_rest = -np.logaddexp(0.0, -t), -np.logaddexp(0.0, t)
        total = constant + share.a * log_phi + share.b * log_rest
        at = c[quantity][:, None]
        for leg in legs:
            total = total + leg.log(at, log_phi, log_rest)
        return np.asarray(total)

    first = initial_panels(_features(share, legs, c, low[index], high[index]))
    first, anchor, d = prune(first, lambda some, at: log_density(some.quantity, some.anchor, at))
    alive, number = np.unique(first.quantity, return_inverse=True)
    if not len(alive):
        return out
    # What the tables leave out, no halving finds.
    size = np.abs(log_density(np.arange(len(c)), anchor, d[:, None])[:, 0])
    noise = TOLERANCE + ROUNDING * np.where(np.isfinite(size), size, 0.0)[alive]
    c, index = c[alive], index[alive]
    rounded = sum((leg.noise(c) for leg in legs), start=np.zeros(len(c)))

    def on_panels(panels: Panels) -> Array:
        return log_density(panels.quantity, panels.anchor, panels.nodes()[0])

    mesh = refine(
        attrs.evolve(first, quantity=number), on_panels, len(alive), noise=noise + rounded
    )
    with np.errstate(divide="ignore"):
        out[0, index] = mesh.log_total
    # What rounding does to single values shows in the coefficients; it averages out beyond.
    out[1, index] = np.where(np.isfinite(mesh.error), mesh.error - 2.0 * rounded, 0.0)
    out[2, index] = rounded
    return out


def _features(share: Beta, legs: Sequence[_Leg], c: Array, low: Array, high: Array) -> Features:
    """Where the integrands of all points bend, in the logit of the share."""
    count = len(c)
    middle = np.log(share.a / share.b)
    own = np.array([0.0, middle]), np.array([1.0, np.sqrt(1.0 / share.a + 1.0 / share.b)])
    locations = [np.broadcast_to(own[0], (count, 2))]
    scales = [np.broadcast_to(own[1], (count, 2))]
    for leg in legs:
        at, width = leg.bends(c)
        locations.append(at)
        scales.append(width)
    location, scale = np.concatenate(locations, axis=1), np.concatenate(scales, axis=1)
    # A bend outside the limits is one at the nearer end.
    location = np.clip(location, low[:, None], high[:, None])
    kinks = np.concatenate([leg.kinks(c) for leg in legs], axis=1)
    point, number = np.nonzero((kinks > low[:, None]) & (kinks < high[:, None]))
    never = np.full(count, np.inf)
    every = np.repeat(np.arange(count), location.shape[1])
    return Features(
        every,
        location.ravel(),
        scale.ravel(),
        point,
        kinks[point, number],
        low,
        high,
        never,
        never,
    )


# ------------------------------------------------------------------ messages


def to_whole(share: Beta, part: LogFunction | None, rest: LogFunction | None) -> LogFunction | None:
    """Message to a whole from a part and what is left of it; None where these know nothing."""
    legs = [
        _Leg(function, *signs)
        for function, signs in ((part, (1, 0)), (rest, (0, 1)))
        if function is not None
    ]
    known = product([leg.function for leg in legs])
    if known is None:
        return None
    upper = known.upper_tail
    if part is not None:
        beside = _leftover(part.upper_tail, share.a)
        upper = beside if rest is None else beside.times(rest.upper_tail)
    if rest is not None:
        other = _leftover(rest.upper_tail, share.b)
        other = other if part is None else other.times(part.upper_tail)
        upper = other if part is None else _slower(upper, other)
    places = [leg.function.places for leg in legs]
    mean, sd = _log_share(share.a, share.b)
    moved = [_moved(part, -mean, sd)] if part is not None else []
    mean, sd = _log_share(share.b, share.a)
    moved += [_moved(rest, -mean, sd)] if rest is not None else []
    if part is not None and rest is not None:
        moved.append(_sums(part.places, rest.places, 1.0))
    like = LogFunction(
        known.log,
        Places.join([*places, *moved]),
        lower_tail=known.lower_tail,
        upper_tail=upper,
        error=known.error,
    )
    return tabulate(lambda w: integral_over_share(share, legs, w), like)


def to_part(share: Beta, whole: LogFunction | None, rest: LogFunction | None) -> LogFunction | None:
    """Message to a part from its whole and from what else the whole is made of.

    None where these know nothing. The message to the rest is that to the part under Beta(b, a).
    """
    legs = [
        _Leg(function, *signs)
        for function, signs in ((whole, (-1, 0)), (rest, (-1, 1)))
        if function is not None
    ]
    known = product([leg.function for leg in legs])
    if known is None:
        return None
    upper = known.upper_tail
    places, kinks, high = [], np.zeros(0), np.inf
    if whole is not None:
        mean, sd = _log_share(share.a, share.b)
        places += [whole.places, _moved(whole, mean, sd)]
        kinks, high = whole.places.kinks, whole.high
        if np.isfinite(whole.low):
            kinks = np.append(kinks, whole.low)
    if rest is not None:
        upper = _leftover(rest.upper_tail, share.b)
        upper = upper if whole is None else upper.times(whole.upper_tail)
        odds = float(digamma(share.a) - digamma(share.b))
        spread = float(np.sqrt(polygamma(1, share.a) + polygamma(1, share.b)))
        places.append(_moved(rest, odds, spread))
    if whole is not None and rest is not None:
        places.append(_sums(whole.places, rest.places, -1.0))
    found = Places.join(places)
    like = LogFunction(
        known.log,
        Places(found.location, found.scale, kinks[kinks < high]),
        high=high,
        lower_tail=_leftover(known.lower_tail, share.a),
        upper_tail=upper,
        error=known.error,
    )
    return tabulate(lambda v: integral_over_share(share, legs, v), like)


def _leftover(tail: Tail, rate: float) -> Tail:
    """Tail of the integral of exp(-rate (x - u)) g(u) over u up to x, for g with a given tail."""
    if tail.fast or tail.rate > rate:
        return Tail(rate=rate)
    if tail.rate == rate and not tail.smooth:
        return Tail(rate=rate, power=min(tail.power - 1.0, 0.0))
    return tail


def _slower(one: Tail, other: Tail) -> Tail:
    """The tail that decides about a sum."""
    keys = [(tail.fast, tail.rate, tail.smooth, tail.power) for tail in (one, other)]
    return one if keys[0] <= keys[1] else other


def _log_share(a: float, b: float) -> tuple[float, float]:
    """Mean and sd of the log of a share ~ Beta(a, b)."""
    mean = float(digamma(a) - digamma(a + b))
    return mean, float(np.sqrt(polygamma(1, a) - polygamma(1, a + b)))


def _moved(function: LogFunction, shift: float, spread: float) -> Places:
    places = function.places
    scale = np.hypot(places.scale, spread)
    return Places(places.location + shift, scale, places.kinks[:0])


def _sums(one: Places, other: Places, sign: float) -> Places:
    """Bends of the log of a sum or a difference of two quantities of which both are known."""
    x, y = one.location[:, None], other.location[None, :]
    top = np.maximum(x, y)
    left, right = np.exp(x - top), np.exp(y - top)
    spread = np.hypot(left * one.scale[:, None], right * other.scale[None, :])
    # A difference is known no better than its terms.
    value = np.maximum(left + sign * right, np.minimum(spread, 1.0))
    location, scale = top + np.log(value), spread / value
    return Places(location.ravel(), scale.ravel(), one.kinks[:0])
