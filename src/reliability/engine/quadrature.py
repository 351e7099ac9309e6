"""Integrate, refine, bound the error.

A panel's integrand is interpolated at Gauss-Legendre nodes; the size of its last Legendre
coefficients measures how well. Panels are halved until, in every one, that size is below a
fixed part of the quantity's total. The same coefficients give the distribution function inside
a panel, so the bound holds for quantiles as well as for integrals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.engine.panels import LEGENDRE, WEIGHTS, Kind, Panels
from reliability.scales import Scale

__all__ = [
    "Integrand",
    "LogDensity",
    "Mesh",
    "Segments",
    "coefficient_error",
    "prune",
    "refine",
    "refine_together",
    "segment_sum",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Accepted size of a panel's last Legendre coefficients, relative to the total.
TOLERANCE = 1e-12
#: Times that a panel is halved: towards an integrable singularity at an end of the support what
#: is missing falls geometrically with them.
MAX_ROUNDS = 200
#: Panels of one quantity at which halving stops; the error then says what is missing.
MAX_PANELS = 20_000

#: The coefficients that are missing may exceed the last ones, on random problems up to threefold.
_MARGIN = 5.0

_EPS = float(np.finfo(np.float64).eps)

#: log density at the nodes of panels: (panels, ORDER).
LogDensity = Callable[[Panels], Array]
#: A factor on the density at the nodes whose integral must converge too: log size and sign,
#: each (panels, ORDER).
Integrand = Callable[[Panels], tuple[Array, Array]]


@attrs.frozen(eq=False)
class Mesh:
    """A function of x on panels, in order of quantity and position.

    Parameters
    ----------
    panels : the panels
    log_density : (panels, ORDER) log of the function at the nodes
    values : (panels, ORDER) the function times dd/dt, divided by ``exp(log_top)``
    log_top : (quantities,) largest log of the function times dd/dt
    total : (quantities,) integral, divided by ``exp(log_top)``
    error : (quantities,) bound on the relative error of the integral over any interval
    """

    panels: Panels
    log_density: Array
    values: Array
    log_top: Array
    total: Array
    error: Array

    @property
    def log_total(self) -> Array:
        """Log of the integral, per quantity."""
        return np.log(self.total) + self.log_top

    def take(self, quantities: IntArray) -> Mesh:
        """The panels of some quantities, given in increasing order and numbered anew."""
        number = np.full(len(self.total), -1)
        number[quantities] = np.arange(len(quantities))
        number = number[self.panels.quantity]
        rows = np.flatnonzero(number >= 0)
        return Mesh(
            attrs.evolve(self.panels.take(rows), quantity=number[rows]),
            self.log_density[rows],
            self.values[rows],
            self.log_top[quantities],
            self.total[quantities],
            self.error[quantities],
        )

    @property
    def node_mass(self) -> Array:
        """Probability that each node stands for: (panels, ORDER), sums to 1 per quantity."""
        return self.values * WEIGHTS / self.total[self.panels.quantity][:, None]


@attrs.frozen(eq=False, slots=False)
class Segments:
    """Runs of rows that belong together: ``first`` row of each run, and the run of each row."""

    first: IntArray
    run: IntArray

    @classmethod
    def of(cls, quantity: IntArray) -> Segments:
        """Runs of equal entries of a sorted list."""
        first = np.flatnonzero(np.append(True, quantity[1:] != quantity[:-1])[: len(quantity)])
        length = np.diff(np.append(first, len(quantity)))
        return cls(first, np.repeat(np.arange(len(first)), length))

    def sum(self, values: Array) -> Array:
        """Sum over each run."""
        return np.asarray(np.add.reduceat(values, self.first, axis=0))

    def max(self, values: Array) -> Array:
        """Largest of each run."""
        return np.asarray(np.maximum.reduceat(values, self.first, axis=0))

    @cached_property
    def place(self) -> tuple[IntArray, IntArray]:
        """Row and column of each entry in a table of one row per run."""
        return self.run, np.arange(len(self.run)) - self.first[self.run]

    def _table(self, values: Array, fill: float) -> Array:
        longest = int(self.place[1].max(initial=0)) + 1
        table = np.full((len(self.first), longest), fill)
        table[self.place] = values
        return table

    def before(self, values: Array) -> Array:
        """Sum of the earlier entries of the same run."""
        table = np.zeros((len(self.first), int(self.place[1].max(initial=0)) + 2))
        table[self.place[0], self.place[1] + 1] = values
        return np.asarray(np.cumsum(table, axis=1)[self.place])

    def after(self, values: Array) -> Array:
        """Sum of the later entries of the same run."""
        table = self._table(values, 0.0)
        later = np.zeros_like(table)
        later[:, :-1] = np.cumsum(table[:, :0:-1], axis=1)[:, ::-1]
        return np.asarray(later[self.place])

    def count_at_most(self, values: Array, run: IntArray, limit: Array) -> IntArray:
        """How many entries of given runs are at most given limits; entries of a run are sorted."""
        if len(self.first) == 1:
            if len(values) > 1 and values[0] > values[-1]:
                return len(values) - np.searchsorted(-values, -limit, side="left")
            return np.searchsorted(values, limit, side="right")
        return np.asarray((self._table(values, np.inf)[run] <= limit[:, None]).sum(axis=1))

    def any(self, values: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Whether any of a run is true."""
        return np.asarray(np.logical_or.reduceat(values, self.first, axis=0))


def prune(
    panels: Panels,
    evaluate: Callable[[Panels, Array], Array],
    scale: Scale | None = None,
    orders: IntArray | None = None,
) -> tuple[Panels, Array, Array]:
    """Leave out panels on which the density of their quantity is nothing, and its moments are.

    Panels are about as wide as the density is smooth, so three points show what a panel
    holds; one is dropped where it and its neighbours hold less than exp(-80) of the largest.
    A quantity whose density is nothing everywhere is left without panels.
    What holds that little of the probability may still hold all of a moment: on the log scale
    exp(j x) times a normal tail of sd s has its peak at j s^2.

    Parameters
    ----------
    panels : the panels
    evaluate : log density at distances from the panels' anchors
    scale, orders : the quantities' scale, and how many of the moments of each are wanted

    Returns
    -------
    the panels that are left, in order, and the anchor and distance of the point that holds most,
    (quantities,) each
    """
    panels = panels.take(panels.order())
    d, slope = panels.at(np.broadcast_to(_PROBES, (panels.count, len(_PROBES))))
    logs = evaluate(panels, d) + slope
    logs = np.where(np.isnan(logs), -np.inf, logs)
    size = logs.max(axis=1)
    segments = Segments.of(panels.quantity)
    largest = segments.max(size)[segments.run]
    live = size > largest - 80.0
    # The first of the panels that hold most.
    rows = np.where(size == largest, np.arange(panels.count), panels.count - 1)
    best = np.minimum.reduceat(rows, segments.first)
    peak_anchor, peak_d = panels.anchor[best], d[best, np.argmax(logs[best], axis=1)]
    if scale is not None and orders is not None and orders.any():
        run = segments.run
        shift = (panels.anchor - peak_anchor[run])[:, None] + (d - peak_d[run][:, None])
        log_deviation, _ = scale.log_deviation(shift, (peak_anchor + peak_d)[run][:, None])
        for order in range(1, int(orders.max()) + 1):
            held = _with_digits(logs + order * log_deviation).max(axis=1)
            enough = held > segments.max(held)[run] - 80.0
            live |= enough & (orders[panels.quantity] >= order)
    beside = segments.run[1:] == segments.run[:-1]
    live[1:] |= live[:-1] & beside
    live[:-1] |= live[1:] & beside
    return panels.take(live), peak_anchor, peak_d


_PROBES = np.array([-0.8, 0.0, 0.8])


def segment_sum(segment: IntArray, values: Array, count: int) -> Array:
    """Sum of the values of each segment 0..count-1, in whatever order they come."""
    return np.asarray(np.bincount(segment, values, minlength=count), dtype=np.float64)


def coefficient_error(values: Array) -> Array:
    """Size of the last Legendre coefficients of node values, one per panel.

    The coefficients of a resolved function fall geometrically, so what is missing beyond the
    last one is smaller than the last ones; two are taken because odd or even ones may vanish.
    """
    last = values @ LEGENDRE[:, -3:]
    return np.asarray(2.0 * np.abs(last).sum(axis=-1))


def refine(
    panels: Panels,
    log_density: LogDensity,
    quantities: int,
    *,
    tolerance: float | Array = TOLERANCE,
    noise: float | Array = 0.0,
    integrands: Sequence[Integrand] = (),
    known: Mesh | None = None,
) -> Mesh:
    """Evaluate densities on panels and halve these until they are resolved everywhere.

    Every quantity is refined by itself: what becomes of it does not depend on the others.

    Parameters
    ----------
    panels : first panels (ignored where a known mesh is refined further)
    log_density : log of the density on x at the nodes of given panels
    quantities : number of quantities; each has a panel
    tolerance : accepted error of a panel relative to its quantity's total, (quantities,)
    noise : relative rounding error of the density, (quantities,); no panel is halved below it
    integrands : further factors whose integrals with the density must be resolved
    known : an earlier mesh of the same density
    """

    def evaluate(some: Panels) -> Array:
        return _stacked(log_density(some), some)

    def _stacked(logs: Array, some: Panels) -> Array:
        if not integrands:
            return logs[None]
        factors = [part for factor in integrands for part in factor(some)]
        return np.stack([logs, *factors])

    panels = panels if known is None else known.panels
    order = panels.order()
    panels = panels.take(order)
    every = evaluate(panels) if known is None else _stacked(known.log_density[order], panels)
    slopes = panels.nodes()[1]
    tolerance = np.broadcast_to(np.asarray(tolerance, dtype=np.float64), (quantities,))
    noise = np.broadcast_to(np.asarray(noise, dtype=np.float64), (quantities,))
    resolved: list[Mesh] = []
    for halvings in range(MAX_ROUNDS + 1):
        segments = Segments.of(panels.quantity)
        accepted = tolerance[panels.quantity], noise[panels.quantity]
        values, top, total, error, fails = _judge(every[0] + slopes, segments, *accepted)
        mass = values @ WEIGHTS
        for number in range(1, len(every), 2):
            log_factor, sign = every[number : number + 2]
            fails |= _factor_fails(every[0] + slopes, log_factor, sign, segments, *accepted)
        fails = _or_beside(fails, panels, mass > accepted[0] * total[segments.run], segments)
        fails &= panels.splittable()
        few = np.diff(np.append(segments.first, panels.count)) <= MAX_PANELS
        fails &= (few & (halvings < MAX_ROUNDS))[segments.run]
        busy = segments.any(fails)
        if not busy.all():
            done = ~busy
            rows = done[segments.run]
            own = panels.quantity[segments.first[done]]
            bound = segments.sum(error)[done]
            with np.errstate(invalid="ignore", divide="ignore"):
                bound = _MARGIN * bound / total[done] + 2.0 * noise[own]
            resolved.append(
                Mesh(panels.take(rows), every[0][rows], values[rows], top[done], total[done], bound)
            )
            if not busy.any():
                break
            rows = ~rows
            panels, every, fails = panels.take(rows), every[:, rows], fails[rows]
            slopes = slopes[rows]
        panels, every, slopes = _halved(panels, every, slopes, fails, evaluate)
    return _gathered(resolved)


def _gathered(parts: list[Mesh]) -> Mesh:
    """Meshes of different quantities as one, in order of quantity."""
    if len(parts) == 1:
        return parts[0]
    panels = Panels.join([part.panels for part in parts])
    order = np.argsort(panels.quantity, kind="stable")
    own = np.concatenate([part.panels.quantity[_starts(part)] for part in parts])
    by_quantity = np.argsort(own)
    return Mesh(
        panels.take(order),
        np.concatenate([part.log_density for part in parts])[order],
        np.concatenate([part.values for part in parts])[order],
        np.concatenate([part.log_top for part in parts])[by_quantity],
        np.concatenate([part.total for part in parts])[by_quantity],
        np.concatenate([part.error for part in parts])[by_quantity],
    )


def _starts(mesh: Mesh) -> IntArray:
    return Segments.of(mesh.panels.quantity).first


def refine_together(
    panels: Panels,
    evaluate: LogDensity,
    densities: int,
    *,
    tolerance: float = TOLERANCE,
    noise: float = 0.0,
) -> tuple[list[Mesh], Array]:
    """Halve common panels until several densities of one quantity are resolved on all of them.

    Parameters
    ----------
    panels : first panels
    evaluate : (K, panels, ORDER) values at the nodes of given panels: the first ``densities`` of
        them log densities, the others any functions that are wanted on the same nodes
    densities : number of densities
    tolerance : accepted error of a panel relative to each density's total
    noise : relative rounding error of the densities; panels are not halved below it

    Returns
    -------
    one mesh per density, on the same panels, and the other functions at the nodes
    """
    panels = panels.take(panels.order())
    every = evaluate(panels)
    slopes = panels.nodes()[1]
    for _ in range(MAX_ROUNDS):
        segments = Segments.of(panels.quantity)
        judged = [_judge(logs + slopes, segments, tolerance, noise) for logs in every[:densities]]
        fails = np.any([each[-1] for each in judged], axis=0)
        holds = np.any([v @ WEIGHTS > tolerance * t[0] for v, _, t, _, _ in judged], axis=0)
        fails = _or_beside(fails, panels, holds, segments) & panels.splittable()
        if not fails.any() or panels.count > MAX_PANELS:
            break
        panels, every, slopes = _halved(panels, every, slopes, fails, evaluate)
    meshes = [
        Mesh(panels, logs, v, top, total, _MARGIN * error.sum() / total + 2.0 * noise)
        for logs, (v, top, total, error, _) in zip(every, judged, strict=False)
    ]
    return meshes, every[densities:]


def _judge(
    logs: Array, segments: Segments, tolerance: float | Array, noise: float | Array
) -> tuple[Array, Array, Array, Array, NDArray[np.bool_]]:
    """Values, log of their unit, total, error and which panels fail, of a density.

    Parameters
    ----------
    logs : (panels, ORDER) log of the density times dd/dt
    segments : panels of each quantity
    tolerance, noise : accepted error and rounding, of all panels or of each
    """
    values, top = _scaled(logs, segments)
    mass = values @ WEIGHTS
    total = segments.sum(mass)
    error = coefficient_error(values)
    fails = _fails(error, mass, total[segments.run], tolerance, noise)
    return values, top, total, error, fails


def _factor_fails(
    logs: Array,
    log_factor: Array,
    sign: Array,
    segments: Segments,
    tolerance: Array,
    noise: Array,
) -> NDArray[np.bool_]:
    """Panels on which the density times a factor is not resolved."""
    weighted = sign * _scaled(logs + log_factor, segments)[0]
    size = np.abs(weighted) @ WEIGHTS
    whole = segments.sum(size)[segments.run]
    # Far out on the log scale density and factor are exponentials of large numbers.
    large = np.where(np.isfinite(log_factor), np.abs(log_factor), 0.0).max(axis=1)
    return _fails(coefficient_error(weighted), size, whole, 10.0 * tolerance, noise + _EPS * large)


def _halved(
    panels: Panels,
    every: Array,
    slopes: Array,
    fails: NDArray[np.bool_],
    evaluate: LogDensity,
) -> tuple[Panels, Array, Array]:
    """Panels in order with those that fail halved, functions at their nodes, and log slopes."""
    place = np.repeat(np.arange(panels.count), 1 + fails)
    again = np.append(False, place[1:] == place[:-1])
    new = fails[place]
    halves = panels.take(place)
    middle = 0.5 * (halves.low + halves.high)
    # Downwards a panel's variable runs against x: its upper half comes first.
    upper = again != (halves.kind == Kind.DOWN)
    halves = attrs.evolve(
        halves,
        low=np.where(new & upper, middle, halves.low),
        high=np.where(new & ~upper, middle, halves.high),
    )
    values, slopes = every[:, place], slopes[place]
    fresh = halves.take(new)
    values[:, new] = evaluate(fresh)
    slopes[new] = fresh.nodes()[1]
    return halves, values, slopes


#: A panel this many times wider than one beside it that holds something is halved.
_WIDEST_STEP = 32.0


def _or_beside(
    fails: NDArray[np.bool_], panels: Panels, holds: NDArray[np.bool_], segments: Segments
) -> NDArray[np.bool_]:
    """Panels that fail, or, of quantities none of whose panels does, those beside narrow ones.

    Halving follows a peak to the edge of a panel; where the peak goes on beyond, the panel there
    must have a node near enough to show it: one so much wider than a neighbour that holds
    something that no node may see its flank is halved. Log panels of one tail are wide by intent.
    """
    rows = np.flatnonzero(~segments.any(fails)[segments.run])
    if not len(rows):
        return fails
    some = panels.take(rows) if len(rows) < panels.count else panels
    low, high = some.edges()
    quantity, kind, holds = some.quantity, some.kind, holds[rows]
    with np.errstate(over="ignore", invalid="ignore"):
        width = high - low
        beside = (quantity[1:] == quantity[:-1]) & ((kind[1:] != kind[:-1]) | (kind[1:] == 0))
        wide = np.zeros(some.count, dtype=bool)
        wide[1:] |= beside & holds[:-1] & (width[1:] > _WIDEST_STEP * width[:-1])
        wide[:-1] |= beside & holds[1:] & (width[:-1] > _WIDEST_STEP * width[1:])
    out = fails.copy()
    out[rows] = wide
    return out


def _scaled(logs: Array, segments: Segments) -> tuple[Array, Array]:
    """Exponentials of logs minus each quantity's largest, and that largest."""
    logs = _with_digits(logs)
    top = segments.max(logs.max(axis=1))
    with np.errstate(under="ignore", invalid="ignore"):
        values = np.exp(logs - top[segments.run][:, None])
    values[np.isnan(values)] = 0.0
    return values, top


def _with_digits(logs: Array) -> Array:
    """Logs, but for those so large that rounding them has eaten every digit: these are -inf."""
    return np.where(np.abs(logs) < 1e15, logs, -np.inf)


def _fails(
    error: Array, mass: Array, total: Array, tolerance: float | Array, noise: float | Array
) -> NDArray[np.bool_]:
    return np.asarray((error > tolerance * total) & (error > 4.0 * noise * mass))
