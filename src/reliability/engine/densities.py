"""Densities on the panels of many quantities: quantiles and moments of all of them at once.

What is interpolated is each density's integral, to the accuracy of the quadrature.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.engine.panels import (
    FARTHEST,
    LARGEST_LOG,
    LEGENDRE,
    ORDER,
    WEIGHTS,
    Kind,
    Panels,
)
from reliability.engine.quadrature import TOLERANCE, Integrand, Mesh, Segments, refine
from reliability.scales import Scale
from reliability.tails import VANISHING, Tail

__all__ = ["EvaluateMany", "PanelDensities", "legendre_sum", "solve_panels"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Unnormalised log density of given quantities at anchor + d:
#: (rows,), (rows, 1), (rows, points) -> (rows, points).
EvaluateMany = Callable[[IntArray, Array, Array], Array]

_DEGREES = np.arange(ORDER)
#: Accepted relative error of a moment (of the mean: relative to the quartiles' distance).
MOMENT_TOLERANCE = 1e-7
#: Log distance to which a moment at an exponential tail's limit is followed: the exponentials
#: that cancel there leave it no more digits.
_LIMIT_REACH = float(np.log(1e6))
#: A share of exp(-this) is nothing.
_ENOUGH = 33.0
#: Length in log distance of the panels that continue a tail.
_TAIL_PANEL = 8.0


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


def legendre_sum(coefficients: Array, t: Array) -> Array:
    """Sum of c_k P_k(t): coefficients (..., m), t broadcasting against the rest."""
    previous: Array = np.ones_like(t)
    current = t
    total = coefficients[..., 0] + coefficients[..., 1] * t
    for k in range(1, coefficients.shape[-1] - 1):
        step = t * current
        previous, current = current, step + (step - previous) * (k / (k + 1.0))
        total = total + coefficients[..., k + 1] * current
    return np.asarray(total)


def solve_panels(coefficients: Array, integral: Array, mass: Array, target: Array) -> Array:
    """Position t with the given mass to its left in a panel: Newton within a bracket.

    Parameters
    ----------
    coefficients, integral : (panels, ORDER) of each panel's density, (panels, ORDER + 1) of its
        antiderivative
    mass, target : (panels,)
    """
    density = np.zeros_like(integral)
    density[:, :-1] = coefficients
    both = np.stack([integral, density], axis=1)
    low, high = np.full(target.shape, -1.0), np.full(target.shape, 1.0)
    t = np.clip(2.0 * target / np.maximum(mass, 1e-300) - 1.0, -1.0, 1.0)
    for _ in range(100):
        value, slope = legendre_sum(both, t[:, None]).T
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


# ------------------------------------------------------------------ where a tail goes on


@attrs.frozen(eq=False)
class _Ends:
    """Where tails of some densities go on as powers: their last two known heights.

    ``quantity`` (ends,) and ``sign`` of the tails, ``origin`` (ends,) from which distances are
    counted, ``log_distance`` and ``log_height``, each (ends, 2), the outermost first.
    """

    quantity: IntArray
    sign: int
    origin: Array
    log_distance: Array
    log_height: Array

    def take(self, chosen: NDArray[np.bool_]) -> _Ends:
        """Some of them."""
        return _Ends(
            self.quantity[chosen],
            self.sign,
            self.origin[chosen],
            self.log_distance[chosen],
            self.log_height[chosen],
        )

    def moment(self, scale: Scale, order: int, decay: Array) -> tuple[Array, Array]:
        """What lies beyond of the means of (theta - theta(origin))^order, and its error.

        The integrand is ``C d^-(decay + 1) (1 + c/d + ...)`` at distance d; c is taken from
        its slope.
        """
        distance = self.sign * np.exp(self.log_distance)
        log_size, signs = scale.log_deviation(distance, self.origin[:, None])
        logs = self.log_height + order * log_size + self.log_distance
        terms = np.abs(self.log_height) + order * np.abs(log_size)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            rounding = 1e-15 * (10.0 + terms.max(axis=1))
            ratio = (logs[:, 0] - logs[:, 1] + decay) / (1.0 - np.e)
            shows = np.abs(ratio) > 10.0 * rounding
            if scale.name == "linear":
                doubt, correction = np.abs(ratio) / decay, np.zeros_like(ratio)
            else:
                doubt = ratio * ratio / decay
                correction = ratio / (decay + 1.0) - ratio / decay
            height = np.exp(logs[:, 0])
            value = height * (1.0 / decay + np.where(shows, correction, 0.0))
            error = height / decay * (rounding + 1e-15 / decay + np.where(shows, doubt, 0.0))
        unknown = ~np.all(np.isfinite(logs), axis=1)
        value = np.where(unknown, 0.0, signs[:, 0] ** order * value)
        error = np.where(unknown, np.inf, error)
        followed = np.isfinite(decay)
        return np.where(followed, value, 0.0), np.where(followed, error, 0.0)


# ------------------------------------------------------------------ the densities


@attrs.frozen(eq=False)
class _OfSome:
    """Densities under other numbers."""

    evaluate: EvaluateMany
    quantities: IntArray

    def __call__(self, quantity: IntArray, anchor: Array, d: Array) -> Array:
        return self.evaluate(self.quantities[quantity], anchor, d)


@attrs.frozen(eq=False, slots=False)
class PanelDensities:
    """Densities known on panels, each of which has some.

    ``evaluate`` gives their unnormalised logs; ``low`` and ``high`` (quantities,) are their
    supports. Per panel: ``mass``, and the probability ``lower`` before and ``upper`` after it.
    ``tails`` say how a density goes on beyond its panels, where ``beyond`` (2, quantities) of its
    probability lies, and ``reach`` the log distance up to which ``evaluate`` follows them.
    """

    mesh: Mesh
    evaluate: EvaluateMany
    low: Array
    high: Array
    segments: Segments
    mass: Array
    lower: Array
    upper: Array
    beyond: Array
    tails: tuple[Tail, Tail]
    reach: Array

    @classmethod
    def from_mesh(
        cls, mesh: Mesh, evaluate: EvaluateMany, low: Array, high: Array
    ) -> PanelDensities:
        """Normalise a mesh."""
        mass = (mesh.values @ WEIGHTS) / mesh.total[mesh.panels.quantity]
        segments = Segments.of(mesh.panels.quantity)
        quantities = len(mesh.total)
        return cls(
            mesh,
            evaluate,
            low,
            high,
            segments,
            mass,
            segments.before(mass),
            segments.after(mass),
            np.zeros((2, quantities)),
            (VANISHING, VANISHING),
            np.full(quantities, LARGEST_LOG),
        )

    def with_tails(self, lower: Tail, upper: Tail, reach: Array) -> PanelDensities:
        """The same densities with what lies beyond their panels, where that falls like a power."""
        beyond = np.stack(
            [self._mass_beyond(tail.effective_power, end) for tail, end in ((lower, 0), (upper, 1))]
        )
        whole = 1.0 + beyond.sum(axis=0)
        densities = self
        if np.any(whole > 1.0):
            mesh = attrs.evolve(self.mesh, total=self.mesh.total * whole)
            densities = PanelDensities.from_mesh(mesh, self.evaluate, self.low, self.high)
        beyond = beyond / whole
        return attrs.evolve(
            densities,
            tails=(lower, upper),
            reach=reach,
            beyond=beyond,
            lower=densities.lower + beyond[0][self.segments.run],
            upper=densities.upper + beyond[1][self.segments.run],
        )

    def take(self, quantities: IntArray) -> PanelDensities:
        """Some of the densities, numbered anew."""
        if len(quantities) == self.count:
            return self
        of_some = _OfSome(self.evaluate, quantities)
        mesh = self.mesh.take(quantities)
        chosen = PanelDensities.from_mesh(
            mesh, of_some, self.low[quantities], self.high[quantities]
        )
        beyond = self.beyond[:, quantities]
        lower, upper = (tail.take(quantities) for tail in self.tails)
        return attrs.evolve(
            chosen,
            tails=(lower, upper),
            reach=self.reach[quantities],
            beyond=beyond,
            lower=chosen.lower + beyond[0][chosen.segments.run],
            upper=chosen.upper + beyond[1][chosen.segments.run],
        )

    @cached_property
    def whole(self) -> tuple[Array, Array]:
        """Polynomials on all of the panels."""
        return self.pieces()

    def pieces(self, panels: IntArray | slice = slice(None)) -> tuple[Array, Array]:
        """Polynomials on some of the panels, in t that increases with x.

        Returns
        -------
        Legendre coefficients of the density times dd/dt (panels, ORDER), and of its integral
        (panels, ORDER + 1)
        """
        mesh = self.mesh
        total = mesh.total[mesh.panels.quantity[panels]]
        coefficients = (mesh.values[panels] / total[:, None]) @ LEGENDRE
        # A downward tail's variable runs against x: mirror it.
        coefficients[mesh.panels.kind[panels] == Kind.DOWN] *= (-1.0) ** _DEGREES
        return coefficients, _antiderivative(coefficients)

    @property
    def count(self) -> int:
        """Number of densities."""
        return len(self.low)

    @property
    def panels(self) -> Panels:
        """The panels."""
        return self.mesh.panels

    @cached_property
    def best(self) -> IntArray:
        """The panel of each density that holds most: (quantities,)."""
        largest = self.segments.max(self.mass)[self.segments.run]
        rows = np.where(self.mass == largest, np.arange(len(self.mass)), len(self.mass) - 1)
        return np.asarray(np.minimum.reduceat(rows, self.segments.first))

    @cached_property
    def ends(self) -> Array:
        """Lower and upper end of each density's panels: (2, quantities)."""
        first = self.segments.first
        last = np.append(first[1:], self.panels.count) - 1
        low, high = self.panels.edges()
        anchor = self.panels.anchor
        with np.errstate(over="ignore"):
            return np.stack([anchor[first] + low[first], anchor[last] + high[last]])

    @cached_property
    def middle(self) -> Array:
        """A point of the bulk, from which distances in the tails are counted: (quantities,)."""
        panel = self.panels.take(self.best)
        low, high = panel.edges()
        return np.asarray(0.5 * (panel.anchor + low) + 0.5 * (panel.anchor + high))

    def _mass_beyond(self, power: Array, end: int) -> Array:
        """Mass beyond the lower (0) or the upper (1) end of tails |x|^-power."""
        power = np.broadcast_to(np.asarray(power, dtype=np.float64), self.low.shape)
        follows = np.isfinite(power) & np.isinf(self.low if end == 0 else self.high)
        if not follows.any():
            return np.zeros(self.count)
        first = self.segments.first
        row = first if end == 0 else np.append(first[1:], self.panels.count) - 1
        panel = self.panels.take(row)
        d, _ = panel.nodes()
        node = d.argmin(axis=1) if end == 0 else d.argmax(axis=1)
        every = np.arange(self.count)
        distance = np.abs(panel.anchor + d[every, node] - self.middle)
        edge = np.abs(self.ends[end] - self.middle)
        log_height = self.mesh.log_density[row, node] - self.mesh.log_total
        known = follows & np.isfinite(log_height)
        known &= (distance > 0.0) & (distance < np.inf) & (edge > 0.0) & (edge < np.inf)
        with np.errstate(all="ignore"):
            log_mass = log_height + power * np.log(distance / edge) + np.log(edge / (power - 1.0))
            return np.where(known, np.exp(np.minimum(log_mass, 0.0)), 0.0)

    # ---------------------------------------------------------------- quantiles

    def quantile(self, quantity: IntArray, lower: Array, upper: Array) -> Array:
        """Coordinates with given probability below and above them.

        Parameters
        ----------
        quantity : (points,) density of each
        lower, upper : (points,) probability below, and above: 1 - lower
        """
        from_below = lower <= upper
        first = self.segments.first[quantity]
        last = np.append(self.segments.first[1:], self.panels.count)[quantity] - 1
        index = np.where(
            from_below,
            first + self.segments.count_at_most(self.lower, quantity, lower) - 1,
            last + 1 - self.segments.count_at_most(self.upper, quantity, upper),
        )
        index = np.clip(index, first, last)
        mass = self.mass[index]
        target = np.where(from_below, lower - self.lower[index], mass - (upper - self.upper[index]))
        if self.count == 1:
            # The same to the last digit however many are asked for at once.
            coefficients, integral = (every[index] for every in self.whole)
        else:
            coefficients, integral = self.pieces(index)
        t = solve_panels(coefficients, integral, mass, np.clip(target, 0.0, mass))
        panel = self.panels.take(index)
        flip = np.where(panel.kind == Kind.DOWN, -t, t)
        d, _ = panel.at(flip[:, None])
        x = panel.anchor + d[:, 0]
        for end, sign, tail in ((0, -1.0, lower), (1, 1.0, upper)):
            far = np.flatnonzero((tail < self.beyond[end][quantity]) & (tail > 0.0))
            if len(far):
                own = quantity[far]
                x[far] = self._beyond_end(end, sign, own, tail[far])
        low, high = self.low[quantity], self.high[quantity]
        x = np.where(lower <= 0.0, low, np.where(upper <= 0.0, high, x))
        return np.clip(x, low, high)

    def _beyond_end(self, end: int, sign: float, quantity: IntArray, tail: Array) -> Array:
        """Coordinates beyond the panels with given probability still farther out."""
        power = np.broadcast_to(self.tails[end].effective_power, self.low.shape)[quantity]
        edge = np.abs(self.ends[end] - self.middle)[quantity]
        with np.errstate(over="ignore"):
            ratio = (tail / self.beyond[end][quantity]) ** (-1.0 / (power - 1.0))
            return np.asarray(self.middle[quantity] + sign * edge * ratio)

    @cached_property
    def medians(self) -> Array:
        """Median of each density."""
        half = np.full(self.count, 0.5)
        return self.quantile(np.arange(self.count), half, half)

    @cached_property
    def quartiles(self) -> Array:
        """Lower and upper quartile of each density: (2, quantities)."""
        quantity = np.tile(np.arange(self.count), 2)
        p = np.repeat([0.25, 0.75], self.count)
        return self.quantile(quantity, p, 1.0 - p).reshape(2, -1)

    # ---------------------------------------------------------------- moments

    def moments(self, scale: Scale, orders: IntArray) -> Array:
        """Means of (theta - theta(m))^j about the medians m, for j = 1, 2.

        The panels are refined until these integrals are as well resolved as the density. Where a
        tail falls so slowly that some of a moment lies beyond the panels, these are continued in
        log distance, and beyond what floats can follow the known power is integrated in closed
        form. A moment that even so has no digits, because almost all of it lies there, is nan.

        Parameters
        ----------
        scale : the scale of theta
        orders : (quantities,) highest moment wanted of each: 0, 1 or 2

        Returns
        -------
        (quantities, 2), nan where not wanted
        """
        out = np.full((self.count, 2), np.nan)
        for most in (1, 2):
            chosen = np.flatnonzero(orders == most)
            if not len(chosen):
                continue
            some = self.take(chosen)
            out[chosen, :most] = some._moments(scale, most)  # noqa: SLF001
            again = np.isnan(out[chosen, :most]).any(axis=1) & some._without_tails(scale, most)  # noqa: SLF001
            if again.any():
                rest = some.take(np.flatnonzero(again))
                out[chosen[again], :most] = rest._moments(scale, most, tails=False)  # noqa: SLF001
        return out

    def _without_tails(self, scale: Scale, orders: int) -> NDArray[np.bool_]:
        """Whether moments may be taken from the panels alone.

        Where a scatter makes the tails, its panels that weigh nothing even in a second moment
        are left out; so what is beyond them is nothing as well, if the integrands fall off fast.
        """
        decay = np.min([self._decay(scale, orders, sign) for sign in (-1, 1)], axis=0)
        return np.asarray((self.reach < LARGEST_LOG) & (decay >= 1.0))

    def _moments(self, scale: Scale, orders: int, *, tails: bool = True) -> Array:
        """Means of (theta - theta(m))^j for j = 1..orders: (quantities, orders)."""
        origin, evaluate = self.medians, self.evaluate

        def power(order: int) -> Integrand:
            def factor(panels: Panels) -> tuple[Array, Array]:
                d, _ = panels.nodes()
                own = origin[panels.quantity]
                shift = (panels.anchor - own)[:, None] + d
                log_size, sign = scale.log_deviation(shift, own[:, None])
                return order * log_size, sign**order

            return factor

        def log_density(panels: Panels) -> Array:
            d, _ = panels.nodes()
            return evaluate(panels.quantity, panels.anchor[:, None], d)

        factors = [power(order + 1) for order in range(orders)]
        known, ends = self.mesh, list[_Ends]()
        if tails:
            known, ends = self._continued(scale, orders, log_density)
        # No finer than the density itself was resolved.
        panels_of = np.bincount(self.panels.quantity, minlength=self.count)
        tolerance = np.maximum(TOLERANCE, self.mesh.error / panels_of)
        mesh = refine(
            known.panels,
            log_density,
            self.count,
            integrands=factors,
            known=known,
            tolerance=tolerance,
        )
        segments = Segments.of(mesh.panels.quantity)
        _, slope = mesh.panels.nodes()
        logs = mesh.log_density + slope - self.mesh.log_total[mesh.panels.quantity][:, None]
        means = np.empty((self.count, orders))
        for number, factor in enumerate(factors):
            log_size, sign = factor(mesh.panels)
            exponent = logs + log_size
            # Beyond this, rounding of the exponents has eaten every digit of what is left.
            some = np.abs(log_size) < 1e15
            # A moment that exists may exceed the floats: then it is infinite.
            with np.errstate(over="ignore"):
                terms = sign * np.exp(np.where(some, exponent, -np.inf))
                mean, error = segments.sum(terms @ WEIGHTS), np.zeros(self.count)
            for end in ends:
                decay = self._decay(scale, number + 1, end.sign)[end.quantity]
                value, doubt = end.moment(scale, number + 1, decay)
                mean[end.quantity] += value
                error[end.quantity] += doubt
            if error.any():
                size = (
                    np.abs(mean) if number == 1 else np.diff(scale.to_theta(self.quartiles).T)[:, 0]
                )
                mean = np.where(error <= MOMENT_TOLERANCE * size, mean, np.nan)
            means[:, number] = mean
        return means

    def _decay(self, scale: Scale, order: int, sign: int) -> Array:
        """Decay, per unit of log distance, of moments' integrands: infinite unless a power."""
        tail = self.tails[0] if sign < 0 else self.tails[1]
        unbounded = np.isinf(self.low if sign < 0 else self.high)
        if scale.name == "linear":
            return np.where(unbounded, tail.effective_power - 1.0 - order, np.inf)
        if scale.name == "log" and sign > 0:
            at_limit = unbounded & np.logical_not(tail.fast) & (tail.rate == order)
            return np.where(at_limit, tail.power - 1.0, np.inf)
        return np.full(self.count, np.inf)

    def _continued(
        self, scale: Scale, orders: int, log_density: Callable[[Panels], Array]
    ) -> tuple[Mesh, list[_Ends]]:
        """The mesh, continued into tails that matter to a moment, and where such tails go on."""
        known, ends = self.mesh, []
        best = self.panels.take(self.best)
        low, high = best.edges()
        bulk = np.log(high - low)
        limit = np.minimum(np.minimum(self.reach, bulk + FARTHEST), LARGEST_LOG)
        if scale.name != "linear":
            limit = np.minimum(limit, _LIMIT_REACH)
        for end, sign in ((0, -1), (1, 1)):
            decay = np.min([self._decay(scale, j + 1, sign) for j in range(orders)], axis=0)
            if not np.isfinite(decay).any():
                continue
            with np.errstate(all="ignore"):
                edge = sign * (self.ends[end] - self.medians)
                start = np.where((edge > 0.0) & (edge < np.inf), np.log(edge), LARGEST_LOG)
            goes_on = np.isfinite(decay)
            # Where the first correction to the power no longer shows, panels need not go on.
            settled = (start <= limit) & ((start - bulk) * (1.0 + decay) >= _ENOUGH)
            # A power may begin far out, where a wide prior ends: what panels know is not cut
            # before the limit, and what lies beyond them is added however little it should be.
            needed = bulk + _ENOUGH / decay
            reached = (needed <= start) & (start <= limit)
            needed = np.maximum(start, needed)
            stop = np.where(settled, start, np.minimum(needed, limit))
            known, stop = self._cut(known, goes_on & (start > stop), sign, stop)
            longer = np.flatnonzero(goes_on & (start < stop))
            if len(longer):
                more = _log_panels(longer, self.medians[longer], start[longer], stop[longer], sign)
                known = attrs.evolve(
                    known,
                    panels=Panels.join([known.panels, more]),
                    log_density=np.concatenate([known.log_density, log_density(more)]),
                )
            own = np.flatnonzero(goes_on)
            if len(own):
                at = stop[own, None] - np.array([0.0, 1.0])
                origin = self.medians[own]
                heights = self.evaluate(own, origin[:, None], sign * np.exp(at))
                heights = heights - self.mesh.log_total[own, None]
                # A blurred density is known on its panels alone; they reach as far as is needed.
                known_there = np.isfinite(heights).all(axis=1) | ~reached[own]
                ends.append(_Ends(own, sign, origin, at, heights).take(known_there))
        return known, ends

    def _cut(
        self, known: Mesh, chosen: NDArray[np.bool_], sign: int, stop: Array
    ) -> tuple[Mesh, Array]:
        """Leave out the panels of chosen densities that begin beyond the log distance ``stop``.

        Returns
        -------
        the rest, and the log distances where what is left of the chosen ends
        """
        if not chosen.any():
            return known, stop
        panels, origin = known.panels, self.medians[known.panels.quantity]
        low, high = panels.edges()
        inner, outer = (low, high) if sign > 0 else (high, low)
        with np.errstate(over="ignore"):
            inside = sign * ((panels.anchor - origin) + inner) < np.exp(stop)[panels.quantity]
        keep = inside | ~chosen[panels.quantity]
        reach = sign * ((panels.anchor - origin) + outer)
        farthest = np.full(self.count, -np.inf)
        np.maximum.at(farthest, panels.quantity[keep], reach[keep])
        with np.errstate(divide="ignore", invalid="ignore"):
            stop = np.where(chosen, np.log(farthest), stop)
        return (
            attrs.evolve(known, panels=panels.take(keep), log_density=known.log_density[keep]),
            stop,
        )


def _log_panels(quantity: IntArray, origin: Array, start: Array, stop: Array, sign: int) -> Panels:
    """Panels in log distance from origins, each between two logs of distances."""
    count = np.maximum(np.ceil((stop - start) / _TAIL_PANEL).astype(np.int64), 1)
    row = np.repeat(np.arange(len(quantity)), count)
    number = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    step = ((stop - start) / count)[row]
    last = number == count[row] - 1
    return Panels(
        quantity[row],
        origin[row],
        np.full(len(row), int(Kind.UP if sign > 0 else Kind.DOWN), dtype=np.int64),
        start[row] + number * step,
        np.where(last, stop[row], start[row] + (number + 1) * step),
    )
