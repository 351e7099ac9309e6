"""Distributions on x as the engine leaves them: a density on panels, or a mixture of normals.

Both answer the same questions (:class:`Distribution`), to the accuracy of the quadrature.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Protocol

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from reliability.engine.panels import (
    FARTHEST,
    LARGEST_LOG,
    LEGENDRE,
    ORDER,
    WEIGHTS,
    Features,
    Kind,
    Panels,
    initial_panels,
)
from reliability.engine.quadrature import TOLERANCE, Integrand, Mesh, refine
from reliability.scales import Scale
from reliability.tails import VANISHING, Tail

__all__ = [
    "Distribution",
    "Evaluate",
    "NormalMixture",
    "PanelDensity",
    "medians",
    "quantiles_of_mixtures",
]

Array = NDArray[np.float64]

#: Unnormalised log density at anchor + d: (rows, 1), (rows, points) -> (rows, points).
Evaluate = Callable[[Array, Array], Array]


class Distribution(Protocol):
    """A probability distribution on x."""

    def log_density(self, x: Array) -> Array:
        """Log density at coordinates of any shape."""

    def below(self, x: Array) -> Array:
        """Probability below x."""

    def above(self, x: Array) -> Array:
        """Probability above x."""

    def quantile(self, lower: Array, upper: Array) -> Array:
        """Coordinate with probability ``lower`` below and ``upper`` = 1 - lower above it."""

    def moments(self, scale: Scale, orders: int) -> tuple[float, list[float]]:
        """Median m of x, and means of (theta - theta(m))^j for j = 1..orders."""

    def mean_of_log_density(self, scale: Scale) -> float:
        """Mean of the log density of theta."""

    def grid(self) -> Array:
        """Coordinates, increasing, at which every mode of the density shows."""


# ------------------------------------------------------------------ panels

_DEGREES = np.arange(ORDER)
_QUARTERS = np.array([0.25, 0.75])
#: Accepted relative error of a moment (of the mean: relative to the quartiles' distance).
MOMENT_TOLERANCE = 1e-7
#: Log distance to which a moment at an exponential tail's limit is followed: the exponentials
#: that cancel there leave it no more digits.
_LIMIT_REACH = float(np.log(1e6))
#: A share of exp(-this) is nothing.
_ENOUGH = 33.0
#: Length in log distance of the panels that continue a tail.
_TAIL_PANEL = 8.0


def _log_panels(origin: float, start: float, stop: float, kind: Kind) -> Panels:
    """Panels in log distance from the origin, between two logs of distances."""
    count = max(int(np.ceil((stop - start) / _TAIL_PANEL)), 1)
    edges = np.linspace(start, stop, count + 1)
    return Panels(
        np.zeros(count, dtype=np.int64),
        np.full(count, origin),
        np.full(count, int(kind), dtype=np.int64),
        edges[:-1],
        edges[1:],
    )


def _antiderivative(coefficients: Array) -> Array:
    """Legendre coefficients of the integral from -1 to t: (..., ORDER) -> (..., ORDER + 1)."""
    shape = (*coefficients.shape[:-1], ORDER + 1)
    out = np.zeros(shape)
    scaled = coefficients / (2.0 * _DEGREES + 1.0)
    out[..., 1:] += scaled
    out[..., : ORDER - 1] -= scaled[..., 1:]
    # int_{-1}^t P_0 = P_1 + P_0; the others vanish at -1 by themselves.
    out[..., 0] += scaled[..., 0]
    return out


def _legendre(coefficients: Array, t: Array) -> Array:
    """Sum of c_k P_k(t): coefficients (..., m), t broadcasting against the rest."""
    previous: Array = np.ones_like(t)
    current = t
    total = coefficients[..., 0] + coefficients[..., 1] * t
    for k in range(1, coefficients.shape[-1] - 1):
        step = t * current
        previous, current = current, step + (step - previous) * (k / (k + 1.0))
        total = total + coefficients[..., k + 1] * current
    return np.asarray(total)


@attrs.frozen(eq=False)
class _End:
    """Where a tail of the density goes on as a power: its last two known heights.

    ``sign`` of the tail, ``origin`` from which distances are counted, ``log_distance`` and
    ``log_height``, each (2,), the outermost first.
    """

    sign: int
    origin: float
    log_distance: Array
    log_height: Array

    def moment(self, scale: Scale, order: int, decay: float) -> tuple[float, float]:
        """What lies beyond of a mean of (theta - theta(origin))^order, and its error.

        The integrand is ``C d^-(decay + 1) (1 + c/d + ...)`` at distance d; c is taken from
        its slope.
        """
        if not np.isfinite(decay):
            return 0.0, 0.0
        log_size, signs = scale.log_deviation(self.sign * np.exp(self.log_distance), self.origin)
        logs = self.log_height + order * log_size + self.log_distance
        if not np.all(np.isfinite(logs)):
            return 0.0, np.inf
        terms = np.abs(self.log_height) + order * np.abs(log_size)
        rounding = 1e-15 * (10.0 + float(terms.max()))
        ratio = float(logs[0] - logs[1] + decay) / (1.0 - np.e)
        doubt, correction = 0.0, 0.0
        if abs(ratio) > 10.0 * rounding:
            if scale.name == "linear":
                doubt = abs(ratio) / decay
            else:
                doubt = ratio * ratio / decay
                correction = ratio / (decay + 1.0) - ratio / decay
        with np.errstate(over="ignore"):
            height = float(np.exp(logs[0]))
        value = height * (1.0 / decay + correction)
        error = height / decay * (rounding + 1e-15 / decay + doubt)
        return float(signs[0]) ** order * value, error


@attrs.frozen(eq=False)
class PanelDensity:
    """A density known on the panels of one quantity.

    ``evaluate(anchor, d)`` gives the unnormalised log density at ``anchor + d``, for anchors
    (rows, 1) and distances (rows, points); what is interpolated is its integral. ``tails`` say
    how the density goes on beyond its panels, and ``reach`` the log distance up to which
    ``evaluate`` follows them.
    """

    mesh: Mesh
    evaluate: Evaluate
    low: float
    high: float
    values: Array
    coefficients: Array
    integral: Array
    mass: Array
    lower: Array
    upper: Array
    position: Array
    tails: tuple[Tail, Tail] = (VANISHING, VANISHING)
    reach: float = LARGEST_LOG

    @classmethod
    def from_mesh(cls, mesh: Mesh, evaluate: Evaluate, low: float, high: float) -> PanelDensity:
        """Normalise a mesh of one quantity."""
        values = mesh.values / mesh.total[0]
        coefficients = values @ LEGENDRE
        mass = values @ WEIGHTS
        # A downward tail's variable runs against x: mirror it, so that t always increases.
        down = mesh.panels.kind == Kind.DOWN
        sign = np.where(down[:, None], (-1.0) ** _DEGREES, 1.0)
        coefficients = coefficients * sign
        lower = np.concatenate([[0.0], np.cumsum(mass)])
        upper = np.concatenate([np.cumsum(mass[::-1])[::-1], [0.0]])
        start, stop = mesh.panels.edges()
        with np.errstate(over="ignore"):
            position = np.concatenate(
                [mesh.panels.anchor + start, [mesh.panels.anchor[-1] + stop[-1]]]
            )
        return cls(
            mesh,
            evaluate,
            low,
            high,
            values,
            coefficients,
            _antiderivative(coefficients),
            mass,
            lower,
            upper,
            position,
        )

    def with_tails(self, lower: Tail, upper: Tail, reach: float = LARGEST_LOG) -> PanelDensity:
        """The same density with what lies beyond its panels, where that falls like a power."""
        beyond = [
            self._mass_beyond(tail.effective_power, end) for tail, end in ((lower, 0), (upper, -1))
        ]
        whole = 1.0 + sum(beyond)
        density = self
        if whole > 1.0:
            mesh = attrs.evolve(self.mesh, total=self.mesh.total * whole)
            density = PanelDensity.from_mesh(mesh, self.evaluate, self.low, self.high)
        return attrs.evolve(
            density,
            tails=(lower, upper),
            reach=reach,
            lower=density.lower + beyond[0] / whole,
            upper=density.upper + beyond[1] / whole,
        )

    def _mass_beyond(self, power: float, end: int) -> float:
        """Mass beyond the first (0) or last (-1) edge of a tail |x|^-power."""
        if not np.isfinite(power) or not np.isinf(self.low if end == 0 else self.high):
            return 0.0
        panel = self.panels.take(np.array([end]))
        d, _ = panel.nodes()
        node = int(np.argmin(d[0]) if end == 0 else np.argmax(d[0]))
        distance = abs(float(panel.anchor[0] + d[0, node]) - self._middle)
        edge = abs(float(self.position[end]) - self._middle)
        log_height = float(self.mesh.log_density[end, node] - self.mesh.log_total[0])
        if not (np.isfinite(log_height) and 0.0 < distance < np.inf and 0.0 < edge < np.inf):
            return 0.0
        log_mass = log_height + power * np.log(distance / edge) + np.log(edge / (power - 1.0))
        return float(np.exp(min(log_mass, 0.0)))

    @property
    def _middle(self) -> float:
        """A point of the bulk, from which distances in the tails are counted."""
        best = int(np.argmax(self.mass))
        return float(0.5 * self.position[best] + 0.5 * self.position[best + 1])

    @property
    def panels(self) -> Panels:
        """The panels."""
        return self.mesh.panels

    def _locate(self, x: Array) -> tuple[NDArray[np.int64], Array]:
        """Panel of each coordinate and position t in it, increasing with x."""
        index = np.clip(
            np.searchsorted(self.position, x, side="right") - 1, 0, self.panels.count - 1
        )
        panel = self.panels.take(index)
        t = panel.inverse(x - panel.anchor)
        return index, np.where(panel.kind == Kind.DOWN, -t, t)

    def log_density(self, x: Array) -> Array:
        """Log density at coordinates of any shape."""
        x = np.asarray(x, dtype=np.float64)
        inside = (x >= self.low) & (x <= self.high) & np.isfinite(x)
        out = np.full(x.shape, -np.inf)
        if inside.any():
            at = x[inside]
            anchor = self.panels.anchor[self._locate(at)[0]]
            logs = self.evaluate(anchor[:, None], (at - anchor)[:, None])
            out[inside] = logs[:, 0] - self.mesh.log_total[0]
        return out

    def interpolate(self, x: Array) -> Array:
        """Density at coordinates (rows, points) by the panels' polynomials.

        All points of a row must lie in one panel.
        """
        middle = 0.5 * (x[:, 0] + x[:, -1])
        index, _ = self._locate(middle)
        panel = self.panels.take(np.repeat(index, x.shape[1]))
        flat = x.ravel()
        t = panel.inverse(flat - panel.anchor)
        slope = panel.at(t[:, None])[1][:, 0]
        t = np.where(panel.kind == Kind.DOWN, -t, t)
        values = _legendre(self.coefficients[np.repeat(index, x.shape[1])], t)
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.where(np.isfinite(slope), np.maximum(values, 0.0) * np.exp(-slope), 0.0)
        outside = (flat < self.position[0]) | (flat > self.position[-1])
        return np.where(outside, 0.0, values).reshape(x.shape)

    def moments(self, scale: Scale, orders: int) -> tuple[float, list[float]]:
        """Median m of x, and means of (theta - theta(m))^j for j = 1..orders.

        The panels are refined until these integrals are as well resolved as the density. Where a
        tail falls so slowly that some of a moment lies beyond the panels, these are continued in
        log distance, and beyond what floats can follow the known power is integrated in closed
        form. A moment that even so has no digits, because almost all of it lies there, is nan.
        """
        if orders == 0:
            return float("nan"), []
        origin = float(self.quantile(np.array(0.5), np.array(0.5)))

        def power(order: int) -> Integrand:
            def factor(panels: Panels) -> tuple[Array, Array]:
                d, _ = panels.nodes()
                shift = (panels.anchor - origin)[:, None] + d
                log_size, sign = scale.log_deviation(shift, origin)
                return order * log_size, sign**order

            return factor

        factors = [power(order + 1) for order in range(orders)]

        def log_density(panels: Panels) -> Array:
            d, _ = panels.nodes()
            return self.evaluate(panels.anchor[:, None], d)

        # No finer than the density itself was resolved.
        tolerance = max(TOLERANCE, float(self.mesh.error[0]) / self.panels.count)
        known, ends = self._continued(scale, origin, orders, log_density)
        mesh = refine(
            known.panels, log_density, 1, integrands=factors, known=known, tolerance=tolerance
        )
        _, slope = mesh.panels.nodes()
        logs = mesh.log_density + slope - self.mesh.log_total[0]
        means = []
        for number, factor in enumerate(factors):
            log_size, sign = factor(mesh.panels)
            exponent = logs + log_size
            # Beyond this, rounding of the exponents has eaten every digit of what is left.
            known_terms = np.abs(log_size) < 1e15
            # A moment that exists may exceed the floats: then it is infinite.
            with np.errstate(over="ignore"):
                terms = sign * np.exp(np.where(known_terms, exponent, -np.inf))
            mean, error = float(np.sum(terms @ WEIGHTS)), 0.0
            for end in ends:
                decay = self._decay(scale, number + 1, end.sign)
                value, doubt = end.moment(scale, number + 1, decay)
                mean, error = mean + value, error + doubt
            size = abs(mean) if number == 1 else self._spread(scale)
            means.append(mean if error <= MOMENT_TOLERANCE * size else float("nan"))
        return origin, means

    def _spread(self, scale: Scale) -> float:
        """Distance between the quartiles of theta."""
        low, high = scale.to_theta(self.quantile(_QUARTERS, 1.0 - _QUARTERS))
        return float(high - low)

    def _decay(self, scale: Scale, order: int, sign: int) -> float:
        """Decay, per unit of log distance, of a moment's integrand: infinite unless a power."""
        tail = self.tails[0] if sign < 0 else self.tails[1]
        if not np.isinf(self.low if sign < 0 else self.high):
            return np.inf
        if scale.name == "linear":
            return tail.effective_power - 1.0 - order
        if scale.name == "log" and sign > 0 and not tail.fast and tail.rate == order:
            return tail.power - 1.0
        return np.inf

    def _continued(
        self,
        scale: Scale,
        origin: float,
        orders: int,
        log_density: Callable[[Panels], Array],
    ) -> tuple[Mesh, list[_End]]:
        """The mesh, continued into tails that matter to a moment, and where such tails go on."""
        known: Mesh = self.mesh
        ends: list[_End] = []
        for sign in (-1, 1):
            decay = min(self._decay(scale, order + 1, sign) for order in range(orders))
            edge = sign * (float(self.position[0 if sign < 0 else -1]) - origin)
            start = float(np.log(edge)) if 0.0 < edge < np.inf else LARGEST_LOG
            if not np.isfinite(decay):
                continue
            best = self.panels.take(np.array([int(np.argmax(self.mass))]))
            bulk = float(np.log(np.diff(np.concatenate(best.edges())))[0])
            limit = min(self.reach, bulk + FARTHEST, LARGEST_LOG)
            if scale.name != "linear":
                limit = min(limit, _LIMIT_REACH)
            needed = bulk + _ENOUGH / decay
            if needed <= start <= limit:
                continue
            # Where the first correction to the power no longer shows, panels need not go on.
            settled = start <= limit and (start - bulk) * (1.0 + decay) >= _ENOUGH
            stop = start if settled else min(needed, limit)
            panels, logs = known.panels, known.log_density
            if start > stop:
                low, high = panels.edges()
                inner = low if sign > 0 else high
                keep = sign * ((panels.anchor - origin) + inner) < np.exp(stop)
                low, high = panels.take(keep).edges()
                outer = (panels.anchor[keep] - origin) + (high if sign > 0 else low)
                known = attrs.evolve(known, panels=panels.take(keep), log_density=logs[keep])
                stop = float(np.log(np.max(sign * outer)))
            elif start < stop:
                more = _log_panels(origin, start, stop, Kind.UP if sign > 0 else Kind.DOWN)
                known = attrs.evolve(
                    known,
                    panels=Panels.join([panels, more]),
                    log_density=np.concatenate([logs, log_density(more)]),
                )
            at = stop - np.array([0.0, 1.0])
            heights = self.evaluate(np.array([[origin]]), sign * np.exp(at)[None, :])[0]
            ends.append(_End(sign, origin, at, heights - self.mesh.log_total[0]))
        return known, ends

    def mean_of_log_density(self, scale: Scale) -> float:
        """Mean of log density of theta: minus the differential entropy."""
        d, _ = self.panels.nodes()
        mass = self.mesh.node_mass
        x = self.panels.anchor[:, None] + d
        logs = self.mesh.log_density - self.mesh.log_total[0] - scale.log_jacobian(x)
        return float(np.sum(np.where(mass > 0.0, mass * logs, 0.0)))

    def _sides(self, x: Array) -> tuple[Array, Array]:
        flat = np.asarray(x, dtype=np.float64).ravel()
        index, t = self._locate(flat)
        part = np.clip(_legendre(self.integral[index], t), 0.0, self.mass[index])
        lower = self.lower[index] + part
        upper = self.upper[index + 1] + (self.mass[index] - part)
        for sign, one, other in ((-1, lower, upper), (1, upper, lower)):
            outside = sign * (flat - self.position[0 if sign < 0 else -1]) >= 0.0
            if outside.any():
                one[outside] = self._beyond(flat[outside], sign)
                other[outside] = 1.0 - one[outside]
        shape = np.shape(x)
        return np.clip(lower, 0.0, 1.0).reshape(shape), np.clip(upper, 0.0, 1.0).reshape(shape)

    def _beyond(self, x: Array, sign: int) -> Array:
        """Probability beyond coordinates that lie outside the panels."""
        mass, power, edge = self._edge(sign)
        if mass == 0.0:
            return np.zeros(x.shape)
        with np.errstate(over="ignore", under="ignore"):
            ratio = sign * (x - self._middle) / edge
            return np.asarray(mass * np.maximum(ratio, 1.0) ** (1.0 - power))

    def _edge(self, sign: int) -> tuple[float, float, float]:
        """Mass beyond an edge, the power that it falls with, and the edge's distance."""
        end = 0 if sign < 0 else -1
        mass = float(self.lower[0] if sign < 0 else self.upper[-1])
        power = self.tails[0 if sign < 0 else 1].effective_power
        return mass, power, abs(float(self.position[end]) - self._middle)

    def below(self, x: Array) -> Array:
        """Probability below x."""
        return self._sides(x)[0]

    def above(self, x: Array) -> Array:
        """Probability above x."""
        return self._sides(x)[1]

    def quantile(self, lower: Array, upper: Array) -> Array:
        """Coordinate with probability ``lower`` below and ``upper`` = 1 - lower above it."""
        lower = np.asarray(lower, dtype=np.float64)
        upper = np.broadcast_to(np.asarray(upper, dtype=np.float64), lower.shape)
        p, q = lower.ravel(), upper.ravel()
        from_below = p <= q
        index = np.where(
            from_below,
            np.searchsorted(self.lower, p, side="right") - 1,
            self.panels.count - np.searchsorted(self.upper[::-1], q, side="right"),
        )
        index = np.clip(index, 0, self.panels.count - 1)
        target = np.where(
            from_below, p - self.lower[index], self.mass[index] - (q - self.upper[index + 1])
        )
        t = self.solve(index, np.clip(target, 0.0, self.mass[index]))
        panel = self.panels.take(index)
        flip = np.where(panel.kind == Kind.DOWN, -t, t)
        d, _ = panel.at(flip[:, None])
        x = panel.anchor + d[:, 0]
        for sign, tail in ((-1, p), (1, q)):
            mass, power, edge = self._edge(sign)
            far = (tail < mass) & (tail > 0.0)
            if far.any():
                with np.errstate(over="ignore"):
                    ratio = (tail[far] / mass) ** (-1.0 / (power - 1.0))
                    x[far] = self._middle + sign * edge * ratio
        x = np.where(p <= 0.0, self.low, np.where(q <= 0.0, self.high, x))
        return np.asarray(np.clip(x, self.low, self.high).reshape(lower.shape))

    def solve(self, index: NDArray[np.int64], target: Array) -> Array:
        """Position t with the given mass to its left in its panel: Newton within a bracket."""
        integral = self.integral[index]
        density = np.zeros_like(integral)
        density[:, :-1] = self.coefficients[index]
        both = np.stack([integral, density], axis=1)
        low, high = np.full(target.shape, -1.0), np.full(target.shape, 1.0)
        t = np.clip(2.0 * target / np.maximum(self.mass[index], 1e-300) - 1.0, -1.0, 1.0)
        for _ in range(100):
            value, slope = _legendre(both, t[:, None]).T
            excess = value - target
            high = np.where(excess > 0.0, t, high)
            low = np.where(excess > 0.0, low, t)
            with np.errstate(divide="ignore", invalid="ignore"):
                new = t - excess / slope
            new = np.where((new >= low) & (new <= high), new, 0.5 * (low + high))
            moved = np.abs(new - t)
            t = new
            # Newton squares its error: after a step of 1e-11 what is left is rounding.
            if np.all(moved <= 1e-11):
                break
        return t

    def grid(self) -> Array:
        """Coordinates, increasing, at which every mode of the density shows."""
        keep = self.mass > 1e-12 * self.mass.max()
        panel = self.panels.take(keep)
        t = np.linspace(-1.0, 1.0, 17)[:-1]
        d, _ = panel.at(np.broadcast_to(t, (panel.count, 16)))
        return np.sort((panel.anchor[:, None] + d).ravel())


def _nowhere(anchor: Array, d: Array) -> Array:
    return np.full(np.broadcast_shapes(anchor.shape, d.shape), -np.inf)


def medians(meshes: list[Mesh]) -> Array:
    """Medians of several densities that are known on the same panels."""
    panels = meshes[0].panels
    mass = np.stack([mesh.node_mass.sum(axis=1) for mesh in meshes])
    before = np.cumsum(mass, axis=1) - mass
    every = np.arange(len(meshes))
    index = np.minimum((before + mass < 0.5).sum(axis=1), panels.count - 1)
    own = panels.take(index)
    values = np.stack([m.values[i] / m.total[0] for m, i in zip(meshes, index, strict=True)])
    one = np.ones(1)
    pieces = PanelDensity.from_mesh(
        Mesh(own, values, values, 0.0 * one, one, 0.0 * one), _nowhere, 0.0, 0.0
    )
    t = pieces.solve(every, np.clip(0.5 - before[every, index], 0.0, pieces.mass))
    d, _ = own.at(np.where(own.kind == Kind.DOWN, -t, t)[:, None])
    return np.asarray(own.anchor + d[:, 0])


# ------------------------------------------------------------------ mixtures of normals


def quantiles_of_mixtures(
    weights: Array, means: Array, sds: Array, lower: Array, upper: Array
) -> Array:
    """Quantiles of mixtures of normals: Newton on the normal score, which is nearly linear.

    Parameters
    ----------
    weights, means, sds : (rows, components), or (1, components) for one mixture; weights sum to 1
    lower, upper : (rows,) probability below each quantile, and above it
    """
    sign = np.where(lower <= upper, 1.0, -1.0)
    score = ndtri(np.minimum(lower, upper))
    target = sign * score
    if means.shape[1] == 1:
        return np.asarray(means[:, 0] + sds[:, 0] * target)
    # Every component's own quantile: the mixture's lies between the extremes.
    with np.errstate(invalid="ignore"):
        each = means + sds * target[:, None]
        low, high = each.min(axis=1), each.max(axis=1)
        x = np.where(np.isfinite(score), (each * weights).sum(axis=1), target)
    x = np.clip(x, low, high)
    smallest = np.broadcast_to(sds.min(axis=1), x.shape)
    live = np.flatnonzero(np.isfinite(score))
    for _ in range(200):
        if not len(live):
            break
        own = live if len(means) > 1 else np.zeros(1, dtype=np.int64)
        at, side, sd = x[live], sign[live], sds[own]
        z = (at[:, None] - means[own]) / sd
        tail = (ndtr(side[:, None] * z) * weights[own]).sum(axis=1)
        # Exponentials that underflow are several times slower.
        height = np.exp(np.maximum(-0.5 * z * z, -600.0))
        slope = (height * (weights[own] / sd)).sum(axis=1)
        reached = ndtri(tail)
        excess = side * (reached - score[live])
        high[live] = np.where(excess > 0.0, at, high[live])
        low[live] = np.where(excess > 0.0, low[live], at)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            new = at - excess * (np.exp(-0.5 * reached * reached) / slope)
        bracket = (new >= low[live]) & (new <= high[live])
        new = np.where(bracket, new, 0.5 * (low[live] + high[live]))
        moved = np.abs(new - at)
        x[live] = new
        # Newton squares its error: after a step of 1e-10 sds what is left is rounding.
        resolution = 2e-16 * np.abs(new) + 1e-10 * smallest[live]
        live = live[(moved > resolution) & (high[live] - low[live] > resolution)]
    return np.asarray(x)


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
        z = self._z(x)
        with np.errstate(over="ignore", divide="ignore"):
            terms = np.log(self.weights) - 0.5 * z * z
        terms = terms - np.log(self.sds) - 0.5 * np.log(2.0 * np.pi)
        top = terms.max(axis=-1)
        # Where even the widest component has run out of floats, the log density is -inf.
        finite = np.where(np.isfinite(top), top, 0.0)
        with np.errstate(divide="ignore"):
            return np.asarray(finite + np.log(np.exp(terms - finite[..., None]).sum(axis=-1)))

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
        if scale.name != "linear":
            return self.on_panels.moments(scale, orders)
        origin = float(self.quantile(np.array(0.5), np.array(0.5)))
        gap = self.means - origin
        means = [float(self.weights @ gap), float(self.weights @ (gap * gap + self.sds**2))]
        return origin, means[:orders]

    def mean_of_log_density(self, scale: Scale) -> float:
        """Mean of the log density of theta."""
        return self.on_panels.mean_of_log_density(scale)

    @property
    def features(self) -> Features:
        """Where the density may bend."""
        spread = np.sqrt(self.weights @ (self.sds**2 + (self.means - self.means[0]) ** 2))
        scales = np.unique(np.quantile(self.sds, [0.0, 0.5, 0.9]))
        location = np.repeat(self.weights @ self.means, len(scales) + 1)
        scale = np.append(scales, spread)
        count = len(location)
        empty = np.array([], dtype=np.int64)
        infinite = np.array([np.inf])
        return Features(
            np.zeros(count, dtype=np.int64),
            location,
            scale,
            empty,
            np.array([]),
            -infinite,
            infinite,
            np.array([3.5]),
            np.array([3.5]),
        )

    @cached_property
    def on_panels(self) -> PanelDensity:
        """The same distribution as a density on panels."""

        def log_density(panels: Panels) -> Array:
            d, _ = panels.nodes()
            return self.evaluate(panels.anchor[:, None], d)

        mesh = refine(initial_panels(self.features), log_density, 1)
        return PanelDensity.from_mesh(mesh, self.evaluate, -np.inf, np.inf)

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
