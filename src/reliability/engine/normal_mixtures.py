"""Mixtures of normals: the posterior of normal claims, one component per node of the scatter."""

from __future__ import annotations

from functools import cache, cached_property

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from reliability.engine.densities import PanelDensities
from reliability.engine.density import PanelDensity
from reliability.engine.panels import Features, Panels, initial_panels
from reliability.engine.quadrature import refine
from reliability.scales import Scale

__all__ = ["NormalMixture", "NormalMixtures", "quantiles_of_mixtures"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
LOG_2PI = float(np.log(2.0 * np.pi))


def quantiles_of_mixtures(
    weights: Array, means: Array, sds: Array, lower: Array, upper: Array
) -> Array:
    """Quantiles of mixtures of normals: by the normal score, which is nearly linear in x.

    Parameters
    ----------
    weights, means, sds : (rows, components), or (1, components) for one mixture; weights sum to 1
    lower, upper : (rows,) probability below each quantile, and above it
    """
    return _quantiles(_Components.of_mixtures(weights, means, sds), None, lower, upper)


def _quantiles(
    components: _Components, owner: IntArray | None, lower: Array, upper: Array
) -> Array:
    """Quantiles of mixtures; ``owner`` says of which, None of all in turn, perhaps repeatedly."""
    if not len(lower):
        return np.zeros(0)
    sign = np.where(lower <= upper, 1.0, -1.0)
    smaller = np.minimum(lower, upper)
    levels = smaller.reshape(-1, len(components.means)) if owner is None else smaller[:, None]
    if np.all(levels == levels[:, :1]):
        # Of every mixture the same.
        levels = levels[:, :1]
    score = np.broadcast_to(ndtri(levels), (len(levels), len(smaller) // len(levels))).ravel()
    if components.means.shape[1] == 1:
        return components.start(owner, sign * score)
    return _solve(components, owner, sign, score)


#: Components times rows worked on at once: several arrays of 128 kB stay in the cache.
_AT_ONCE = 1 << 14
#: Mixtures of more components are solved for some of them first.
_MANY = 20
#: Which: of the nodes of a rule those of a coarser one.
_SOME = slice(None, None, 3)


@attrs.frozen(eq=False, slots=False)
class _Components:
    """Components of mixtures: (mixtures, components), of ``smallest``, least of the sds.

    ``inverse`` is 1/sd, ``heights`` weight/sd, ``squares`` 1/variance.
    """

    weights: Array
    means: Array
    sds: Array
    inverse: Array
    heights: Array
    squares: Array
    smallest: Array

    @classmethod
    def of_mixtures(cls, weights: Array, means: Array, sds: Array) -> _Components:
        """From what makes a mixture."""
        inverse = 1.0 / sds
        least = np.asarray(sds.min(axis=1))
        return cls(weights, means, sds, inverse, weights * inverse, inverse * inverse, least)

    def of(self, mixtures: IntArray | slice) -> _Components:
        """Those of some mixtures; of a single one these are those of any."""
        if len(self.means) == 1:
            return self
        return _Components(
            self.weights[mixtures],
            self.means[mixtures],
            self.sds[mixtures],
            self.inverse[mixtures],
            self.heights[mixtures],
            self.squares[mixtures],
            self.smallest[mixtures],
        )

    @cached_property
    def few(self) -> _Components:
        """About the same mixtures, of fewer components."""
        weights = self.weights[:, _SOME]
        with np.errstate(invalid="ignore", divide="ignore"):
            weights = weights / weights.sum(axis=1, keepdims=True)
        means, sds = (np.ascontiguousarray(v[:, _SOME]) for v in (self.means, self.sds))
        return self.of_mixtures(weights, means, sds)

    @cached_property
    def _center(self) -> tuple[Array, Array]:
        """Mean of the means, and of the sds."""
        center = np.einsum("rc,rc->r", self.weights, self.means)
        return center, np.einsum("rc,rc->r", self.weights, self.sds)

    def start(self, owner: IntArray | None, score: Array) -> Array:
        """Mean of the components' own coordinates of normal scores, of mixtures as in turn."""
        center, spread = self._center
        if owner is not None and len(center) > 1:
            return np.asarray(center[owner] + spread[owner] * score)
        return np.asarray((center + spread * score.reshape(-1, len(center))).ravel())

    def at_score(self, owner: IntArray, score: Array) -> Array:
        """Every component's own coordinate of a normal score: (scores, components)."""
        some = self.of(owner)
        return some.means + some.sds * score[:, None]


def _solve(components: _Components, owner: IntArray | None, sign: Array, score: Array) -> Array:
    """Coordinates at which the smaller tail of each mixture has the normal score wanted.

    Parameters
    ----------
    components, owner : of the mixtures, and the mixture of each row; see :func:`_quantiles`
    sign : (rows,) +1 for the lower tail, -1 for the upper
    score : (rows,) normal score of its probability
    """
    x = sign * score
    mixtures, count = components.means.shape
    every = np.arange(len(x)) % mixtures if owner is None else owner
    finite = np.flatnonzero(np.isfinite(score))
    if len(finite) < len(x):
        if len(finite):
            x[finite] = _solve(components, every[finite], sign[finite], score[finite])
        return x
    # For a single one it takes longer to set about it twice.
    few = components.few if mixtures > 1 and count > _MANY else components
    with np.errstate(invalid="ignore"):
        x = few.start(owner, x)
        if few is not components:
            x = _settle(few, owner, sign, score, x, final=False)
    # Some of the components may weigh nothing.
    lost = np.flatnonzero(~np.isfinite(x))
    if len(lost):
        x[lost] = components.start(every[lost], sign[lost] * score[lost])
    return _settle(components, owner, sign, score, x, final=True)


_MOST_STEPS = 200
#: Steps after which every second one halves the bracket of what is farther off than this score.
_ALONE, _STUCK = 12, 1e-3
#: Where the terms of the series do not fall by this factor it does not settle.
_SETTLES = 0.5
#: Where they fall by this factor each, a step is the last.
_LAST = 1e-3
#: ... if it is so many of the smallest sd at most: what each component's own series of its
#: probability lacks is He_3(z) phi(z)/24 < 0.023 times the fourth power.
_LAST_STEP = 2e-3
#: The factor for a start, which may take so many steps.
_START = 0.1
_STEPS_TO_START = 3


def _settle(
    components: _Components,
    owner: IntArray | None,
    sign: Array,
    score: Array,
    x: Array,
    *,
    final: bool,
) -> Array:
    """Improve solutions by the inverse of the score's third-order Taylor series, in a bracket.

    Parameters
    ----------
    components, owner, sign, score : see :func:`_solve`
    x : (rows,) where to begin
    final : whether to the last digits
    """
    out, live = np.empty(len(x)), np.arange(len(x))
    every = live % len(components.means) if owner is None else owner
    low, high = np.full(len(x), -np.inf), np.full(len(x), np.inf)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for number in range(_MOST_STEPS if final else _STEPS_TO_START):
            reached, first, second, third = _scores_in_parts(components, owner, x, sign)
            excess = sign * (reached - score)
            step = -excess / first
            bend = step * second / (2.0 * first)
            cubic = 2.0 * bend * bend - step * step * third / (6.0 * first)
            new = x + step * (1.0 - bend + cubic)
            ratio = np.maximum(np.abs(bend), np.sqrt(np.abs(cubic)))
            above = excess > 0.0
            low, high = np.where(above, low, x), np.where(above, x, high)
            # Steps may go to and fro between two points for ever: halving the bracket ends that.
            stuck = (np.abs(excess) > _STUCK) & (number > _ALONE and number % 2 == 1)
            smooth = (ratio < _SETTLES) & (new >= low) & (new <= high) & ~stuck
            if not smooth.all():
                # Newton's step; where that leaves the bracket, its half. The mixture's coordinate
                # lies between the components' own.
                rough = np.flatnonzero(~smooth)
                each = components.at_score(every[rough], sign[rough] * score[rough])
                low[rough] = np.maximum(low[rough], each.min(axis=1))
                high[rough] = np.minimum(high[rough], each.max(axis=1))
                straight = (x + step)[rough]
                inside = (straight >= low[rough]) & (straight <= high[rough])
                inside &= ~stuck[rough]
                half = 0.5 * low[rough] + 0.5 * high[rough]
                new[rough] = np.where(inside, straight, half)
            settled = np.maximum(ratio, np.abs(excess)) <= (_LAST if final else _START)
            if final:
                moved = np.abs(new - x)
                smallest = components.smallest
                settled &= moved <= _LAST_STEP * (
                    smallest[every] if len(smallest) > 1 else smallest
                )
                if not settled.all():
                    resolution = 2e-16 * np.abs(new)
                    settled |= (moved <= resolution) | (high - low <= resolution)
            x = out[live] = new
            if settled.all():
                break
            rest = np.flatnonzero(~settled)
            x, low, high, live = x[rest], low[rest], high[rest], live[rest]
            owner = every = every[rest]
            sign, score = sign[rest], score[rest]
    return out


def _scores_in_parts(
    components: _Components, owner: IntArray | None, x: Array, side: Array
) -> Array:
    """What :func:`_scores` gives, some rows at a time: (4, rows)."""
    mixtures, count = components.means.shape
    step = max(_AT_ONCE // count, 1)
    out = np.empty((4, len(x)))
    if owner is not None or mixtures == 1:
        for begin in range(0, len(x), step):
            part = slice(begin, begin + step)
            some = components if owner is None else components.of(owner[part])
            out[:, part] = _scores(some, x[part], side[part])
        return out
    # Of the same mixtures one after the other, as long as their components are in the cache.
    for begin in range(0, mixtures, step):
        end = min(begin + step, mixtures)
        some = components.of(slice(begin, end))
        for turn in range(0, len(x), mixtures):
            part = slice(turn + begin, turn + end)
            out[:, part] = _scores(some, x[part], side[part])
    return out


def _scores(components: _Components, x: Array, side: Array) -> tuple[Array, Array, Array, Array]:
    """Normal scores of mixtures' tails, and the first three derivatives of side * score in x.

    Parameters
    ----------
    components : of the mixtures
    x : (rows,) coordinates
    side : (rows,) +1 for the tail below, -1 for the tail above
    """
    alike = bool(np.all(side == side[0]))
    z = components.means - x[:, None] if alike and side[0] < 0.0 else x[:, None] - components.means
    z *= components.inverse
    if not alike:
        z *= side[:, None]
    tails, heights = normal_tails(z)
    tail = np.einsum("rc,rc->r", tails, components.weights)
    heights *= components.heights
    density = np.einsum("rc->r", heights)
    z *= components.inverse
    bent = side * np.einsum("rc,rc->r", heights, z)
    z *= z
    z -= components.squares
    curved = np.einsum("rc,rc->r", heights, z)
    # Rounding may take it past either end.
    reached = ndtri(np.minimum(np.maximum(tail, 0.0), 1.0))
    # With q the score of the side's tail, the score below is side * q: its derivatives.
    scale = np.exp(0.5 * reached * reached + 0.5 * LOG_2PI)
    q = side * reached
    first = density * scale
    bent *= scale
    second = q * first * first - bent
    third = curved * scale + first * (q * (2.0 * second - bent) + first * first)
    return reached, first, second, third


#: Places per unit of the normal distribution's table, and where it ends.
_PLACES = 1024
_TABLE_END = 39
#: A float from which on there are no fractions, and the place before the table in its last digits.
_ROUNDS = 1.5 * 2.0**52
_FIRST_PLACE = int(np.array(_ROUNDS).view(np.int64)) - _TABLE_END * _PLACES


@cache
def _normal_table() -> tuple[Array, Array]:
    """Probabilities and densities of the standard normal at -39, ..., 39."""
    z = np.arange(-_TABLE_END * _PLACES, _TABLE_END * _PLACES + 1) / _PLACES
    return ndtr(z), np.exp(-0.5 * z * z - 0.5 * LOG_2PI)


def normal_tails(z: Array) -> tuple[Array, Array]:
    """Probabilities below z, and densities there, of the standard normal.

    By the Taylor series from the nearest place a of a table, at d = z - a:
    ``Phi(z) = Phi(a) + phi(a) d (1 - a d/2 + (a^2 - 1) d^2/6)``, of which at most
    0.023 d^4 < 2e-15 is lacking, and the series of phi, which lacks 3e-11 of it at most where it
    is above 1e-16.
    """
    probability, density = _normal_table()
    d = z.clip(-_TABLE_END, _TABLE_END)
    place = d * _PLACES
    # Added to this, the nearest whole number is what the last digits of the sum say.
    place += _ROUNDS
    index = place.view(np.int64) - _FIRST_PLACE
    place -= _ROUNDS
    place *= 1.0 / _PLACES
    d -= place
    height = density.take(index, mode="clip")
    tail = probability.take(index, mode="clip")
    # With e = (a d)^2 - d^2 the series are 1 - a d + e/2 and 1 - a d/2 + e/6.
    place *= d
    square = d * d
    e = place * place
    e -= square
    e *= 0.5
    slope = e - place
    slope += 1.0
    slope *= height
    e *= 1.0 / 3.0
    place *= 0.5
    e -= place
    e += 1.0
    e *= d
    e *= height
    tail += e
    return tail, slope


def _log_density(z: Array, weights: Array, sds: Array) -> Array:
    """Log density of mixtures from standardised coordinates (..., components)."""
    with np.errstate(over="ignore", divide="ignore"):
        terms = np.log(weights) - 0.5 * z * z
    terms = terms - np.log(sds) - 0.5 * np.log(2.0 * np.pi)
    top = terms.max(axis=-1)
    # Where even the widest component has run out of floats, the log density is -inf.
    finite = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(finite + np.log(np.exp(terms - finite[..., None]).sum(axis=-1)))


#: Components that weigh less do not move a quantile.
_NOTHING = 1e-17


@attrs.frozen(eq=False, slots=False)
class NormalMixtures:
    """Mixtures of normals of many quantities: weights, means and sds (quantities, components).

    The weights of a quantity sum to 1; components that it lacks have weight 0.
    """

    weights: Array
    means: Array
    sds: Array

    @cached_property
    def _central(self) -> _Components:
        """Without the first and last components as long as none of the quantities needs them."""
        heavy = np.flatnonzero((self.weights > _NOTHING).any(axis=0))
        some = slice(int(heavy[0]), int(heavy[-1]) + 1)
        every = self.weights, self.means, self.sds
        return _Components.of_mixtures(*(np.ascontiguousarray(v[:, some]) for v in every))

    def quantile(self, quantity: IntArray, lower: Array, upper: Array) -> Array:
        """Coordinates with given probability below and above them; see ``PanelDensities``."""
        count = len(self.weights)
        in_turn = len(quantity) % count == 0 and np.array_equal(
            quantity, np.arange(len(quantity)) % count
        )
        return _quantiles(self._central, None if in_turn else quantity, lower, upper)

    @cached_property
    def medians(self) -> Array:
        """Median of each."""
        half = np.full(len(self.weights), 0.5)
        return self.quantile(np.arange(len(half)), half, half)

    def moments(self, scale: Scale, orders: IntArray) -> Array:
        """Means of (theta - theta(m))^j about the medians m; see ``PanelDensities``."""
        if scale.name != "linear":
            return self.on_panels.moments(scale, orders)
        gap = self.means - self.medians[:, None]
        out = np.empty((len(gap), 2))
        out[:, 0] = (self.weights * gap).sum(axis=1)
        out[:, 1] = (self.weights * (gap * gap + self.sds**2)).sum(axis=1)
        out[orders[:, None] < np.array([1, 2])] = np.nan
        return out

    @property
    def features(self) -> Features:
        """Where the densities may bend."""
        quantities = len(self.weights)
        center = self.means[:, :1]
        spread = np.sqrt((self.weights * (self.sds**2 + (self.means - center) ** 2)).sum(axis=1))
        scales = np.quantile(self.sds, [0.0, 0.5, 0.9], axis=1)
        every = np.arange(quantities)
        infinite, power = np.full(quantities, np.inf), np.full(quantities, 3.5)
        return Features(
            np.repeat(every, 4),
            np.repeat((self.weights * self.means).sum(axis=1), 4),
            np.vstack([scales, spread]).T.ravel(),
            np.array([], dtype=np.int64),
            np.array([]),
            -infinite,
            infinite,
            power,
            power,
        )

    @cached_property
    def on_panels(self) -> PanelDensities:
        """The same distributions as densities on panels."""

        def log_density(panels: Panels) -> Array:
            d, _ = panels.nodes()
            return self.evaluate(panels.quantity, panels.anchor[:, None], d)

        features = self.features
        mesh = refine(initial_panels(features), log_density, len(self.weights))
        return PanelDensities.from_mesh(mesh, self.evaluate, features.low, features.high)

    def evaluate(self, quantity: IntArray, anchor: Array, d: Array) -> Array:
        """Log densities at anchor + d."""
        if len(self.weights) == 1:
            quantity = np.zeros(1, dtype=np.int64)
        means, sds = self.means[quantity][:, None], self.sds[quantity][:, None]
        with np.errstate(over="ignore"):
            z = ((anchor + d)[..., None] - means) / sds
        return _log_density(z, self.weights[quantity][:, None], sds)


@attrs.frozen(eq=False, slots=False)
class NormalMixture:
    """Normals with given weights (sum 1), means and sds, one per node of the scatter."""

    weights: Array
    means: Array
    sds: Array

    @classmethod
    def of(cls, weights: Array, means: Array, sds: Array) -> NormalMixture:
        """Drop what weighs nothing, in the second moment as well, and normalise."""
        weights, means, sds = np.broadcast_arrays(weights, means, sds)
        best = int(np.argmax(weights))
        with np.errstate(over="ignore"):
            reach = 1.0 + (sds**2 + (means - means[best]) ** 2) / sds[best] ** 2
        keep = (weights > 0.0) & (weights * reach > 1e-20 * weights[best])
        weights = weights[keep]
        return cls(weights / weights.sum(), means[keep], sds[keep])

    def _z(self, x: Array) -> Array:
        with np.errstate(over="ignore"):
            return (np.asarray(x, dtype=np.float64)[..., None] - self.means) / self.sds

    def log_density(self, x: Array) -> Array:
        """Log density at coordinates of any shape."""
        return _log_density(self._z(x), self.weights, self.sds)

    def below(self, x: Array) -> Array:
        """Probability below x."""
        return np.asarray(ndtr(self._z(x)) @ self.weights)

    def above(self, x: Array) -> Array:
        """Probability above x."""
        return np.asarray(ndtr(-self._z(x)) @ self.weights)

    def quantile(self, lower: Array, upper: Array) -> Array:
        """Coordinate with probability ``lower`` below and ``upper`` = 1 - lower above it."""
        lower = np.asarray(lower, dtype=np.float64)
        upper = np.broadcast_to(np.asarray(upper, dtype=np.float64), lower.shape)
        one = self.weights[None], self.means[None], self.sds[None]
        x = quantiles_of_mixtures(*one, lower.ravel(), upper.ravel())
        return np.asarray(x.reshape(lower.shape))

    def moments(self, scale: Scale, orders: int) -> tuple[float, list[float]]:
        """Median m of x, and means of (theta - theta(m))^j for j = 1..orders."""
        if orders == 0:
            return float("nan"), []
        means = self.alone.moments(scale, np.array([orders]))[0, :orders]
        return float(self.alone.medians[0]), means.tolist()

    def mean_of_log_density(self, scale: Scale) -> float:
        """Mean of the log density of theta."""
        alone = self.alone.on_panels
        return PanelDensity.only(alone, self.evaluate).mean_of_log_density(scale)

    @cached_property
    def alone(self) -> NormalMixtures:
        """The same as one of many."""
        return NormalMixtures(self.weights[None], self.means[None], self.sds[None])

    @property
    def features(self) -> Features:
        """Where the density may bend."""
        return self.alone.features

    def evaluate(self, anchor: Array, d: Array) -> Array:
        """Log density at anchor + d."""
        return self.log_density(anchor + d)

    def grid(self) -> Array:
        """Coordinates, increasing, at which every mode of the density shows."""
        spread = np.linspace(-6.0, 6.0, 49)
        order = np.argsort(-self.weights)[:60]
        # A mode lies between the means of the components that matter.
        points = (self.means[order, None] + self.sds[order, None] * spread).ravel()
        points = np.unique(points)
        if len(points) > 600:
            points = points[np.linspace(0, len(points) - 1, 600).astype(np.int64)]
        return points
