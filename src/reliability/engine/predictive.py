"""What a new sound source's own value would be, under the general model: x plus scatter.

Given tau it is the posterior of x blurred by N(0, tau). The panels of tau that resolve the
posterior need not resolve the blur close to a jump of the density of x, so they are halved
there, by interpolating in tau what is known at their nodes.
"""

from __future__ import annotations

from functools import cached_property

import attrs
import numpy as np
from numpy.polynomial.legendre import legvander
from numpy.typing import NDArray

from reliability.engine.convolution import Convolution
from reliability.engine.density import PanelDensity
from reliability.engine.features import features
from reliability.engine.panels import (
    LEGENDRE,
    NODES,
    ORDER,
    WEIGHTS,
    Features,
    Kind,
    Panels,
    initial_panels,
)
from reliability.engine.quadrature import refine
from reliability.engine.scattered import Density, ScatterGrid, ScatterNodes, Solution
from reliability.priors import PriorOnX

__all__ = ["blurred_by_scatter", "predictive"]

Array = NDArray[np.float64]

#: Accepted size of a tau panel's last Legendre coefficients, relative to the density.
TOLERANCE = 1e-9
#: Accepted size of the last Legendre coefficients of a panel of the predictive density.
MESH_TOLERANCE = 1e-10
#: What of the mean density may be lost everywhere.
SMALLEST = 1e-15
#: Length, in log tau, of a panel on which the normal of sd tau is a polynomial.
LENGTH = 1.0
#: How often a panel of tau is halved at the most.
DEPTH = 16
#: Values at a panel's nodes -> values at the nodes of its lower and of its upper half.
_HALVES = [legvander(0.5 * (NODES + side), ORDER - 1) @ LEGENDRE.T for side in (-1.0, 1.0)]


class _Blurred:
    """The part of the predictive density that one panel of tau adds.

    Parameters
    ----------
    panels : panels of x
    values : (nodes of tau, panels, ORDER) joint density times dx/dt and dtau/dt
    tau : the panel of tau
    origin : coordinate from which positions are counted
    depth : how often the panel has been halved
    """

    def __init__(
        self, panels: Panels, values: Array, tau: Panels, origin: float, depth: int
    ) -> None:
        self._panels, self._values, self._tau = panels, values, tau
        self._origin, self.depth = origin, depth

    @cached_property
    def _convolution(self) -> Convolution:
        sds = self._tau.anchor[0] + self._tau.nodes()[0][0]
        return Convolution(self._panels, self._values, sds, self._origin)

    @cached_property
    def halves(self) -> list[_Blurred]:
        """The same from both halves of the panel of tau."""
        both = self._tau.bisect()
        flat = self._values.reshape(ORDER, -1)
        return [
            _Blurred(
                self._panels,
                (0.5 * (half @ flat)).reshape(self._values.shape),
                both.take(slice(side, side + 1)),
                self._origin,
                self.depth + 1,
            )
            for side, half in enumerate(_HALVES)
        ]

    def at(self, v: Array) -> tuple[Array, Array]:
        """Density at positions v, and its error."""
        each = self._convolution.at(v)
        return WEIGHTS @ each, 2.0 * np.abs(LEGENDRE[:, -3:].T @ each).sum(axis=0)


@attrs.frozen(eq=False)
class _Predictive:
    """Log density of x + tau e, integrated over the panels of tau."""

    parts: list[_Blurred]
    origin: float
    height: float
    tolerance: float

    def __call__(self, anchor: Array, d: Array) -> Array:
        """Log density at anchor + d: (rows, 1), (rows, points) -> (rows, points)."""
        v = ((anchor - self.origin) + d).ravel()
        with np.errstate(divide="ignore"):
            return np.log(self.density(v)).reshape(d.shape)

    def density(self, v: Array) -> Array:
        """Density at positions counted from the origin."""
        first = [part.at(v) for part in self.parts]
        total = np.sum([value for value, _ in first], axis=0)
        accepted = self.tolerance * total + SMALLEST * self.height
        work = [
            (part, np.arange(len(v)), value, error)
            for part, (value, error) in zip(self.parts, first, strict=True)
        ]
        while work:
            part, index, value, error = work.pop()
            fails = error > accepted[index]
            if part.depth >= DEPTH or not fails.any():
                continue
            index = index[fails]
            total[index] -= value[fails]
            for half in part.halves:
                value, error = half.at(v[index])
                total[index] += value
                work.append((half, index, value, error))
        return np.asarray(np.maximum(total, 0.0))


def _gathered(panels: Panels, values: Array) -> tuple[Panels, Array]:
    """Runs of short panels of tau gathered onto one panel each, every moment kept.

    The likelihood may need short panels, where knots move with tau; the blur does not.

    Parameters
    ----------
    panels : panels of tau, in order
    values : (panels, nodes of tau, ...) densities at their nodes
    """
    first = [0]
    for k in range(1, panels.count):
        begin = first[-1]
        longer = panels.high[k] - panels.low[begin] > LENGTH
        if panels.kind[k] != panels.kind[begin] or (longer and panels.kind[k] != Kind.SQUARE):
            first.append(k)
    if len(first) == panels.count:
        return panels, values
    last = np.array([*first[1:], panels.count]) - 1
    joined = Panels(
        panels.quantity[first],
        panels.anchor[first],
        panels.kind[first],
        panels.low[first],
        panels.high[last],
    )
    run = np.repeat(np.arange(len(first)), last - np.array(first) + 1)
    half = 0.5 * (panels.high - panels.low)
    variable = (panels.low + half)[:, None] + half[:, None] * NODES
    middle, reach = 0.5 * (joined.low + joined.high), 0.5 * (joined.high - joined.low)
    t = (variable - middle[run][:, None]) / reach[run][:, None]
    to_nodes = WEIGHTS[:, None] * (legvander(t, ORDER - 1) @ LEGENDRE.T) / WEIGHTS
    each = np.einsum("tkn,tk...->tn...", to_nodes, values)
    return joined, np.add.reduceat(each, first, axis=0)


def _joint(solution: Solution) -> tuple[Array, Array]:
    """Likelihood times the prior of tau and dtau/dt, at the panels' own nodes of tau.

    Returns
    -------
    (panels of x, ORDER) log of a factor, (panels of x, nodes of tau, ORDER) values
    """
    grid, panels = solution.grid, solution.mesh.panels
    assert grid is not None  # noqa: S101 - only called with a heterogeneity
    density = Density(solution.problem, solution.rule, grid)
    anchor, d = panels.anchor[:, None], panels.nodes()[0]
    log_size, values = np.empty(d.shape), np.empty((panels.count, len(grid.values), ORDER))
    for part in density.blocks(panels.count):
        nodes, logs = density.jointly(anchor[part], d[part])
        log_size[part] = nodes.log_sum(logs)
        with np.errstate(invalid="ignore"):
            values[part] = _on_panels(grid, nodes, np.exp(logs - log_size[part][nodes.row]))
    return log_size, np.nan_to_num(values)


def _on_panels(grid: ScatterGrid, nodes: ScatterNodes, mass: Array) -> Array:
    """Density at the panels' own nodes of tau from masses of all nodes: (rows, nodes, points).

    Where panels are cut at knots it is a polynomial with the same moments.
    """
    shape = (len(nodes.starts), grid.panels.count, ORDER, mass.shape[1])
    if grid.moving is None:
        return np.asarray((mass.reshape(shape) / WEIGHTS[:, None]).reshape(shape[0], -1, shape[3]))
    panel = nodes.panel
    first = np.searchsorted(
        nodes.row * shape[1] + panel, np.arange(shape[0] * shape[1]), side="left"
    )
    every = grid.panels.take(np.repeat(panel, mass.shape[1]))
    t = every.inverse((nodes.scatter.tau - grid.prior.low).ravel()).reshape(mass.shape)
    to_nodes = legvander(NODES, ORDER - 1) * (np.arange(ORDER) + 0.5)
    out = np.zeros(shape)
    before, legendre = np.zeros_like(t), np.ones_like(t)
    for k in range(ORDER):
        moment = np.add.reduceat(mass * legendre, first, axis=0)
        out += to_nodes[:, k, None] * moment.reshape(shape[0], shape[1], 1, shape[3])
        # The recurrence of the Legendre polynomials.
        before, legendre = legendre, ((2 * k + 1) * t * legendre - k * before) / (k + 1)
    return out.reshape(shape[0], -1, shape[3])


def _values(solution: Solution) -> Array:
    """Joint density of x and tau, times both slopes: (nodes of tau, panels of x, ORDER)."""
    panels = solution.mesh.panels
    d, slope = panels.nodes()
    prior = solution.problem.prior.log_density(panels.anchor[:, None], d)
    log_size, values = _joint(solution)
    factor = np.exp(log_size + prior + slope - solution.mesh.log_total[0])
    return np.asarray((values * np.nan_to_num(factor)[:, None]).transpose(1, 0, 2))


def _values_shared(
    solution: Solution, prior: PriorOnX, distribution: PanelDensity, shared_sd: float
) -> Array:
    """The same on the panels of x where the claims speak of z = x + bias.

    The likelihood of z at each tau, blurred by the bias, times the prior of x.
    """
    of_z, of_x = solution.mesh.panels, distribution.panels
    assert solution.grid is not None  # noqa: S101 - only called with a heterogeneity
    log_size, values = _joint(solution)
    logs = log_size + of_z.nodes()[1]
    live = (solution.mesh.values > 0.0) & ~np.isnan(logs)
    values = values * np.exp(np.where(live, logs - logs[live].max(), -np.inf))[:, None]
    origin = float(of_z.anchor[int(np.argmax(solution.mesh.node_mass.sum(axis=1)))])
    sds = np.full(values.shape[1], shared_sd)
    d, slope = of_x.nodes()
    at = ((of_x.anchor - origin)[:, None] + d).ravel()
    blurred = Convolution(of_z, values.transpose(1, 0, 2), sds, origin).at(at)
    log_prior = prior.log_density(of_x.anchor[:, None], d) + slope
    blurred = np.maximum(blurred, 0.0).reshape(-1, *d.shape) * np.exp(log_prior - log_prior.max())
    weight = np.tile(WEIGHTS, solution.grid.panels.count)
    return np.asarray(blurred / np.einsum("kpm,k,m->", blurred, weight, WEIGHTS))


def predictive(
    solution: Solution,
    scatter_power: float,
    prior: PriorOnX,
    distribution: PanelDensity,
    shared_sd: float,
) -> PanelDensity:
    """Distribution of x + tau e with e standard normal, over the joint posterior.

    Parameters
    ----------
    solution : posterior of tau and of x, or of z = x + bias under a shared bias
    scatter_power : exponent of the tail of tau's posterior
    prior, distribution : of x
    shared_sd : sd of the shared bias
    """
    grid, problem = solution.grid, solution.problem
    assert grid is not None  # noqa: S101 - only called with a heterogeneity
    assert not grid.inflation  # noqa: S101
    if shared_sd > 0.0:
        values = _values_shared(solution, prior, distribution, shared_sd)
    else:
        values = _values(solution)
    bends = features(problem)
    kinks = np.array([x for x in (prior.low, prior.high) if np.isfinite(x)])
    if shared_sd == 0.0:
        kinks = np.concatenate([bends.kink, kinks])
    bends = attrs.evolve(
        bends,
        scale=np.hypot(bends.scale, shared_sd),
        kink=kinks,
        kink_quantity=np.zeros(len(kinks), dtype=np.int64),
    )
    return blurred_by_scatter(
        grid.panels, values, distribution, bends, scatter_power, solution.error
    )


def blurred_by_scatter(
    of_scatter: Panels,
    values: Array,
    distribution: PanelDensity,
    bends: Features,
    scatter_power: float,
    error: float,
) -> PanelDensity:
    """Distribution of x + tau e with e standard normal, from the joint density of x and tau.

    Parameters
    ----------
    of_scatter : panels of tau
    values : (nodes of tau, panels of x, ORDER) joint density times dx/dt and dtau/dt
    distribution : of x
    bends : where the density of x bends and breaks
    scatter_power : exponent of the tail of tau's posterior
    error : relative, of the values
    """
    panels = distribution.panels
    values = values.reshape(of_scatter.count, ORDER, panels.count, ORDER)
    tau_panels, values = _gathered(of_scatter, values)
    mass = np.einsum("tkpm,k,m->tp", values, WEIGHTS, WEIGHTS)
    origin = float(panels.anchor[int(np.argmax(mass.sum(axis=0)))])
    parts = []
    for k in np.flatnonzero(mass.sum(axis=1) > 1e-18):
        live = mass[k] > 1e-22
        one = tau_panels.take(slice(k, k + 1))
        parts.append(_Blurred(panels.take(live), values[k][:, live], one, origin, 0))
    tau = tau_panels.anchor[:, None] + tau_panels.nodes()[0]
    typical = float(np.einsum("tkpm,k,m,tk->", values, WEIGHTS, WEIGHTS, tau))
    quartile = np.array([0.25, 0.75])
    spread = float(np.ptp(distribution.quantile(quartile, 1.0 - quartile)))
    error = max(error, float(distribution.mesh.error[0]))
    density = _Predictive(parts, origin, 1.0 / (spread + typical), max(TOLERANCE, error))

    def log_density(some: Panels) -> Array:
        at, _ = some.nodes()
        return density(some.anchor[:, None], at)

    infinite = np.array([np.inf])
    wide = attrs.evolve(
        bends,
        scale=np.hypot(bends.scale, 0.5 * typical),
        low=-infinite,
        high=infinite,
        low_power=np.minimum(bends.low_power, scatter_power),
        high_power=np.minimum(bends.high_power, scatter_power),
    )
    mesh = refine(
        initial_panels(wide), log_density, 1, tolerance=MESH_TOLERANCE, noise=max(1e-13, error)
    )
    return PanelDensity.from_mesh(mesh, density, -np.inf, np.inf)
