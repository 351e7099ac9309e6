"""Integrate, refine, bound the error.

A panel's integrand is interpolated at Gauss-Legendre nodes; the size of its last Legendre
coefficients measures how well. Panels are halved until, in every one, that size is below a
fixed part of the quantity's total. The same coefficients give the distribution function inside
a panel, so the bound holds for quantiles as well as for integrals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.engine.panels import LEGENDRE, WEIGHTS, Panels
from reliability.scales import Scale

__all__ = [
    "Integrand",
    "Mesh",
    "coefficient_error",
    "prune",
    "refine",
    "refine_together",
    "segment_sum",
]

Array = NDArray[np.float64]

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

    @property
    def node_mass(self) -> Array:
        """Probability that each node stands for: (panels, ORDER), sums to 1 per quantity."""
        return self.values * WEIGHTS / self.total[self.panels.quantity][:, None]


def prune(
    panels: Panels,
    evaluate: Callable[[Panels, Array], Array],
    scale: Scale | None = None,
    orders: int = 0,
) -> tuple[Panels, tuple[float, float]]:
    """Leave out panels of one quantity on which the density is nothing, and its moments are.

    Panels are about as wide as the density is smooth, so three points show what a panel
    holds; one is dropped where it and its neighbours hold less than exp(-80) of the largest.
    What holds that little of the probability may still hold all of a moment: on the log scale
    exp(j x) times a normal tail of sd s has its peak at j s^2.

    Parameters
    ----------
    panels : the panels
    evaluate : log density at distances from the panels' anchors
    scale, orders : the quantity's scale, and how many of its moments are wanted

    Returns
    -------
    the panels that are left, and the (anchor, distance) of the point that holds most
    """
    panels = panels.take(panels.order())
    d, slope = panels.at(np.broadcast_to(_PROBES, (panels.count, len(_PROBES))))
    logs = evaluate(panels, d) + slope
    size = logs.max(axis=1)
    best = int(np.argmax(size))
    live = size > size.max() - 80.0
    peak = float(panels.anchor[best]), float(d[best, int(np.argmax(logs[best]))])
    if scale is not None and orders:
        shift = (panels.anchor - peak[0])[:, None] + (d - peak[1])
        log_deviation, _ = scale.log_deviation(shift, peak[0] + peak[1])
        for order in range(1, orders + 1):
            held = _with_digits(logs + order * log_deviation).max(axis=1)
            live |= held > held.max() - 80.0
    live[1:] |= live[:-1].copy()
    live[:-1] |= live[1:].copy()
    return panels.take(live), peak


_PROBES = np.array([-0.8, 0.0, 0.8])


def segment_sum(segment: NDArray[np.int64], values: Array, count: int) -> Array:
    """Sum of the values of each segment 0..count-1."""
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
    tolerance: float = TOLERANCE,
    noise: float = 0.0,
    integrands: Sequence[Integrand] = (),
    known: Mesh | None = None,
) -> Mesh:
    """Evaluate a density on panels and halve them until it is resolved everywhere.

    Parameters
    ----------
    panels : first panels (ignored where a known mesh is refined further)
    log_density : log of the density on x at the nodes of given panels
    quantities : number of quantities
    tolerance : accepted error of a panel relative to its quantity's total
    noise : relative rounding error of the density; panels are not halved below it
    integrands : further factors whose integrals with the density must be resolved
    known : an earlier mesh of the same density
    """
    if known is None:
        logs = log_density(panels)
        factors = [factor(panels) for factor in integrands]
    else:
        panels, logs = known.panels, known.log_density
        factors = [factor(panels) for factor in integrands]
    slopes = panels.nodes()[1]
    for halvings in range(MAX_ROUNDS + 1):
        g = logs + slopes
        values, top = _scaled(g, panels, quantities)
        mass = values @ WEIGHTS
        total = segment_sum(panels.quantity, mass, quantities)
        error = coefficient_error(values)
        fails = _fails(error, mass, total[panels.quantity], tolerance, noise)
        for log_factor, sign in factors:
            weighted = sign * _scaled(g + log_factor, panels, quantities)[0]
            size = np.abs(weighted) @ WEIGHTS
            whole = segment_sum(panels.quantity, size, quantities)[panels.quantity]
            # Far out on the log scale density and factor are exponentials of large numbers.
            large = np.where(np.isfinite(log_factor), np.abs(log_factor), 0.0).max(axis=1)
            rounding = noise + _EPS * large
            fails |= _fails(coefficient_error(weighted), size, whole, 10.0 * tolerance, rounding)
        if not fails.any():
            fails = _beside_narrow(panels, mass > tolerance * total[panels.quantity])
        fails &= panels.splittable()
        enough = halvings == MAX_ROUNDS or panels.count > MAX_PANELS * quantities
        if enough or not fails.any():
            break
        halves = panels.take(fails).bisect()
        keep = ~fails
        panels = Panels.join([panels.take(keep), halves])
        logs = np.concatenate([logs[keep], log_density(halves)])
        slopes = np.concatenate([slopes[keep], halves.nodes()[1]])
        factors = [
            (np.concatenate([old[keep], new]), np.concatenate([old_sign[keep], new_sign]))
            for (old, old_sign), (new, new_sign) in zip(
                factors, (factor(halves) for factor in integrands), strict=True
            )
        ]
    order = panels.order()
    bound = segment_sum(panels.quantity, error, quantities)
    with np.errstate(invalid="ignore", divide="ignore"):
        bound = _MARGIN * bound / total + 2.0 * noise
    return Mesh(panels.take(order), logs[order], values[order], top, total, bound)


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
    every = evaluate(panels)
    for _ in range(MAX_ROUNDS):
        logs = every[:densities] + panels.nodes()[1]
        top = logs.max(axis=(1, 2))
        with np.errstate(under="ignore", invalid="ignore"):
            values = np.exp(logs - top[:, None, None])
        values[np.isnan(values)] = 0.0
        mass = values @ WEIGHTS
        total = mass.sum(axis=1)
        error = coefficient_error(values)
        fails = _fails(error, mass, total[:, None], tolerance, noise).any(axis=0)
        if not fails.any():
            fails = _beside_narrow(panels, (mass > tolerance * total[:, None]).any(axis=0))
        fails &= panels.splittable()
        if not fails.any() or panels.count > MAX_PANELS:
            break
        halves = panels.take(fails).bisect()
        panels = Panels.join([panels.take(~fails), halves])
        every = np.concatenate([every[:, ~fails], evaluate(halves)], axis=1)
    order = panels.order()
    panels, every, values = panels.take(order), every[:, order], values[:, order]
    bound = _MARGIN * error.sum(axis=1) / total + 2.0 * noise
    meshes = [
        Mesh(panels, every[k], values[k], top[k : k + 1], total[k : k + 1], bound[k : k + 1])
        for k in range(densities)
    ]
    return meshes, every[densities:]


#: A panel this many times wider than one beside it that holds something is halved.
_WIDEST_STEP = 32.0


def _beside_narrow(panels: Panels, holds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Panels so much wider than a neighbour that holds something that no node may see its flank.

    Halving follows a peak to the edge of a panel; where the peak goes on beyond, the panel there
    must have a node near enough to show it. Log panels of one tail are wide by intent.
    """
    order = panels.order()
    low, high = panels.edges()
    with np.errstate(over="ignore", invalid="ignore"):
        width, holds = (high - low)[order], holds[order]
        quantity, kind = panels.quantity[order], panels.kind[order]
        beside = (quantity[1:] == quantity[:-1]) & ((kind[1:] != kind[:-1]) | (kind[1:] == 0))
        wide = np.zeros(panels.count, dtype=bool)
        wide[1:] |= beside & holds[:-1] & (width[1:] > _WIDEST_STEP * width[:-1])
        wide[:-1] |= beside & holds[1:] & (width[:-1] > _WIDEST_STEP * width[1:])
    out = np.zeros(panels.count, dtype=bool)
    out[order] = wide
    return out


def _scaled(logs: Array, panels: Panels, quantities: int) -> tuple[Array, Array]:
    """Exponentials of logs minus each quantity's largest, and that largest."""
    logs = _with_digits(logs)
    top = np.full(quantities, -np.inf)
    np.maximum.at(top, panels.quantity, logs.max(axis=1))
    with np.errstate(under="ignore", invalid="ignore"):
        values = np.exp(logs - top[panels.quantity][:, None])
    values[np.isnan(values)] = 0.0
    return values, top


def _with_digits(logs: Array) -> Array:
    """Logs, but for those so large that rounding them has eaten every digit: these are -inf."""
    return np.where(np.abs(logs) < 1e15, logs, -np.inf)


def _fails(
    error: Array, mass: Array, total: Array, tolerance: float, noise: float | Array
) -> NDArray[np.bool_]:
    return (error > tolerance * total) & (error > 4.0 * noise * mass)
