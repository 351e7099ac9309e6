"""Mixtures of normals: the posterior of normal claims, one component per node of the scatter."""

from __future__ import annotations

from functools import cached_property

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


def quantiles_of_mixtures(
    weights: Array, means: Array, sds: Array, lower: Array, upper: Array
) -> Array:
    """Quantiles of mixtures of normals: by the normal score, which is nearly linear in x.

    Parameters
    ----------
    weights, means, sds : (rows, components), or (1, components) for one mixture; weights sum to 1
    lower, upper : (rows,) probability below each quantile, and above it
    """
    sign = np.where(lower <= upper, 1.0, -1.0)
    score = ndtri(np.minimum(lower, upper))
    if means.shape[1] == 1:
        return np.asarray(means[:, 0] + sds[:, 0] * (sign * score))
    out = np.empty(len(score))
    step = max(_AT_ONCE // means.shape[1], 1)
    for begin in range(0, len(score), step):
        part = slice(begin, begin + step)
        own = part if len(means) > 1 else slice(None)
        out[part] = _solve(weights[own], means[own], sds[own], sign[part], score[part])
    return out


#: Components times rows worked on at once: arrays of 128 kB stay in the cache.
_AT_ONCE = 1 << 14
#: A step of so many sds is the last: its error is of the fourth order.
_LAST_STEP = 1e-3


def _solve(weights: Array, means: Array, sds: Array, sign: Array, score: Array) -> Array:
    """Coordinates at which the smaller tail of each mixture has the normal score wanted.

    By the inverse of the score's third-order Taylor series, within a bracket.

    Parameters
    ----------
    weights, means, sds : (rows or 1, components)
    sign : (rows,) +1 for the lower tail, -1 for the upper
    score : (rows,) normal score of its probability
    """
    # Every component's own quantile: the mixture's lies between the extremes.
    target = sign * score
    with np.errstate(invalid="ignore"):
        each = means + sds * target[:, None]
        low, high = each.min(axis=1), each.max(axis=1)
        x = np.where(np.isfinite(score), (each * weights).sum(axis=1), target)
    x = np.clip(x, low, high)
    smallest = np.broadcast_to(sds.min(axis=1), x.shape)
    inverse = 1.0 / sds
    live = np.flatnonzero(np.isfinite(score))
    for _ in range(200):
        if not len(live):
            break
        every = len(live) == len(means) or len(means) == 1
        own = slice(None) if every else live
        at, side = x[live], sign[live]
        reached, slopes = _scores(weights[own], means[own], inverse[own], at, side)
        excess = side * (reached - score[live])
        high[live] = np.where(excess > 0.0, at, high[live])
        low[live] = np.where(excess > 0.0, low[live], at)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            first, second, third = slopes
            step = -excess / first
            bend = second / (2.0 * first)
            cubic = 2.0 * bend * bend - third / (6.0 * first)
            curved = step * (1.0 - step * (bend - step * cubic))
        new = at + curved
        # Where the series does not settle, Newton's step; where that leaves the bracket, its half.
        rough = ~(np.abs(curved - step) < 0.5 * np.abs(step))
        new = np.where(rough, at + step, new)
        bracket = (new >= low[live]) & (new <= high[live])
        new = np.where(bracket, new, 0.5 * (low[live] + high[live]))
        moved = np.abs(new - at)
        x[live] = new
        settled = moved <= np.where(rough | ~bracket, 1e-10, _LAST_STEP) * smallest[live]
        resolution = 2e-16 * np.abs(new)
        live = live[~settled & (moved > resolution) & (high[live] - low[live] > resolution)]
    return np.asarray(x)


def _scores(
    weights: Array, means: Array, inverse: Array, x: Array, side: Array
) -> tuple[Array, tuple[Array, Array, Array]]:
    """Normal scores of mixtures' tails, and the first three derivatives of side * score in x.

    Parameters
    ----------
    weights, means, inverse : (rows or 1, components); the last are 1/sds
    x : (rows,) coordinates
    side : (rows,) +1 for the tail below, -1 for the tail above
    """
    z = x[:, None] - means
    z *= inverse
    tail = np.einsum("rc,rc->r", ndtr(side[:, None] * z), np.broadcast_to(weights, z.shape))
    square = z * z
    # Exponentials that underflow are several times slower.
    height = np.exp(np.maximum(-0.5 * square, -600.0))
    height *= weights * inverse
    density = height.sum(axis=1)
    z *= inverse
    bent = np.einsum("rc,rc->r", height, z)
    square -= 1.0
    square *= inverse * inverse
    curved = np.einsum("rc,rc->r", height, square)
    reached = ndtri(tail)
    # With q the score of the side's tail, the score below is side * q: its derivatives.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scale = np.exp(0.5 * reached * reached)
        q = side * reached
        first = density * scale
        second = q * first * first - bent * scale
        third = curved * scale - q * first * (bent * scale)
        third = third + first**3 + 2.0 * q * first * second
    return reached, (first, second, third)


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
    def _central(self) -> tuple[Array, Array, Array]:
        """The components that weigh something, before the others in every row."""
        heavy = self.weights > _NOTHING
        most = int(heavy.sum(axis=1).max())
        if most == self.weights.shape[1]:
            return self.weights, self.means, self.sds
        order = np.argsort(~heavy, axis=1, kind="stable")[:, :most]
        rows = np.arange(len(order))[:, None]
        return self.weights[rows, order], self.means[rows, order], self.sds[rows, order]

    def quantile(self, quantity: IntArray, lower: Array, upper: Array) -> Array:
        """Coordinates with given probability below and above them; see ``PanelDensities``."""
        weights, means, sds = self._central
        if len(weights) > 1:
            weights, means, sds = weights[quantity], means[quantity], sds[quantity]
        return quantiles_of_mixtures(weights, means, sds, lower, upper)

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
