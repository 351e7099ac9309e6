"""The general model with scatter: tau or an inflation integrated at every node of x.

The panels of x are shared by all values of the scatter; the panels of the scatter are halved
until the integral over it is resolved at every x that matters.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns, Form
from reliability.engine.density import PanelDensity
from reliability.engine.features import features
from reliability.engine.likelihoods import Scatter
from reliability.engine.mixture import (
    NO_SCATTER,
    Problem,
    ReliabilityRule,
    log_likelihood,
    log_sum,
)
from reliability.engine.normal import first_scatter_panels, log_prior_mass
from reliability.engine.panels import LEGENDRE, NODES, ORDER, WEIGHTS, Panels, initial_panels
from reliability.engine.quadrature import TOLERANCE, Mesh, refine
from reliability.engine.without_scatter import (
    SOME_NODES,
    reliability_errors,
    rounding_at,
    solve_without_scatter,
)
from reliability.errors import NumericalError
from reliability.priors import ScatterPrior, StatedVariances
from reliability.scales import Scale

__all__ = [
    "EXCLUDED",
    "Density",
    "Grid",
    "ScatterGrid",
    "ScatterMarginal",
    "Solution",
    "peak_of",
    "rounding",
    "scatter_grid",
    "scatter_start",
    "solve_mixture",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Accepted size of a scatter panel's last Legendre coefficients, relative to the total.
SCATTER_TOLERANCE = 1e-10
#: Rule in x that is enough to see how the scatter's posterior bends.
_COARSE = np.polynomial.legendre.leggauss(5)
_MAX_ROUNDS = 8
#: Accepted error per panel where knots move with the scatter: convergence is slow there.
MOVING_TOLERANCE = 3e-9
_ROWS_AT_ONCE = 1 << 15


@attrs.frozen(eq=False)
class ScatterGrid:
    """Nodes of the scatter with the log of prior density times quadrature weight."""

    values: Array
    log_weight: Array
    inflation: bool
    panels: Panels

    def scatter(self, rows: int) -> Scatter:
        """Scatter for ``rows`` panels, each at every node: (rows * nodes, 1)."""
        values = np.tile(self.values, rows)[:, None]
        if self.inflation:
            return Scatter(np.zeros((1, 1)), values)
        return Scatter(values, np.ones((1, 1)))

    def every(self, step: int) -> ScatterGrid:
        """Every so many of the nodes: enough to see how an integrand behaves."""
        return attrs.evolve(self, values=self.values[::step], log_weight=self.log_weight[::step])


@attrs.frozen(eq=False)
class Density:
    """Unnormalised log posterior density of x: the prior times the integrated likelihood."""

    problem: Problem
    rule: ReliabilityRule
    grid: ScatterGrid | None

    def __call__(self, anchor: Array, d: Array) -> Array:
        """Log density at anchor + d: (rows, 1), (rows, points) -> (rows, points)."""
        prior = self.problem.prior.log_density(anchor, d)
        return prior + self.likelihood(anchor, d)

    def likelihood(self, anchor: Array, d: Array, *, coarse: bool = False) -> Array:
        """Log likelihood, scatter and p integrated out."""
        if self.grid is None:
            return log_likelihood(
                self.problem, self.rule, _at(anchor), d, NO_SCATTER, coarse=coarse
            )
        out = np.empty(d.shape)
        step = max(_ROWS_AT_ONCE // len(self.grid.values), 1)
        for begin in range(0, len(d), step):
            part = slice(begin, begin + step)
            logs = self.jointly(anchor[part], d[part], coarse=coarse)
            out[part] = log_sum(logs + self.grid.log_weight[:, None], 1)
        return out

    def jointly(self, anchor: Array, d: Array, *, coarse: bool = False) -> Array:
        """Log likelihood at every node of the scatter: (rows, scatter nodes, points)."""
        assert self.grid is not None  # noqa: S101 - only called with a scatter
        rows, count = len(d), len(self.grid.values)
        logs = log_likelihood(
            self.problem,
            self.rule,
            _at(np.repeat(anchor, count, axis=0)),
            np.repeat(d, count, axis=0),
            self.grid.scatter(rows),
            coarse=coarse,
        )
        return logs.reshape(rows, count, d.shape[1])


def _at(anchor: Array) -> Panels:
    """Bare anchors of the only quantity, in the shape that the likelihood expects."""
    flat = anchor.ravel()
    zero = np.zeros(len(flat))
    kind = np.zeros(len(flat), dtype=np.int64)
    return Panels(kind, flat, kind, zero, zero)


@attrs.frozen(eq=False)
class ScatterMarginal:
    """Unnormalised log posterior density of the scatter."""

    problem: Problem
    rule: ReliabilityRule
    prior: ScatterPrior
    panels: Panels
    nodes: Array = NODES
    weights: Array = WEIGHTS

    def __call__(self, anchor: Array, d: Array) -> Array:
        """Log density at anchor + d of the scatter."""
        values = (anchor + d).ravel()
        out = np.empty(len(values))
        x_d, slope = self.panels.at(
            np.broadcast_to(self.nodes, (self.panels.count, len(self.nodes)))
        )
        x_anchor = self.panels.anchor[:, None]
        x_weight = self.problem.prior.log_density(x_anchor, x_d) + slope + np.log(self.weights)
        step = max(_ROWS_AT_ONCE // len(x_d), 1)
        for begin in range(0, len(values), step):
            some = values[begin : begin + step]
            grid = ScatterGrid(some, np.zeros(len(some)), self.prior.low > 0.0, self.panels)
            logs = Density(self.problem, self.rule, grid).jointly(x_anchor, x_d)
            joint = np.moveaxis(logs + x_weight[:, None, :], 1, 0).reshape(len(some), -1)
            out[begin : begin + step] = log_sum(joint, 1)
        log_prior = self.prior.log_scatter(
            values[None, :], stated_variances(self.problem.columns, 1)
        )
        return np.asarray((out + log_prior[0]).reshape(np.broadcast_shapes(anchor.shape, d.shape)))


def stated_variances(columns: Columns, rows: int) -> StatedVariances:
    """The claims' stated variances for data-made priors, for rows of scatter nodes."""
    variance = (columns.overconfidence * columns.stated_sd) ** 2 + columns.bias_variance
    return StatedVariances(
        np.tile(variance, rows)[:, None], np.arange(rows, dtype=np.int64) * len(variance)
    )


@attrs.frozen(eq=False)
class Grid:
    """Posterior probability of nodes of x and scatter: what per-claim results average over.

    ``anchor`` (rows, 1), ``d`` and ``mass`` (rows, ORDER); masses sum to 1.
    """

    anchor: Array
    d: Array
    scatter: Scatter
    mass: Array

    @property
    def panels(self) -> Panels:
        """Rows in the shape that the likelihoods expect."""
        return _at(self.anchor)

    def part(self, rows: slice) -> Grid:
        """Some of the rows."""
        tau, inflation = self.scatter.tau, self.scatter.inflation
        return Grid(
            self.anchor[rows],
            self.d[rows],
            Scatter(
                tau if len(tau) == 1 else tau[rows],
                inflation if len(inflation) == 1 else inflation[rows],
            ),
            self.mass[rows],
        )


@attrs.frozen(eq=False)
class Solution:
    """Posterior of one quantity under the general model.

    ``scatter_power`` is the exponent of the scatter's tail, ``tolerance`` the accepted error of
    a panel of x.
    """

    problem: Problem
    rule: ReliabilityRule
    grid: ScatterGrid | None
    mesh: Mesh
    distribution: PanelDensity
    scatter_prior: ScatterPrior | None
    log_normaliser: float
    error: float
    scatter_power: float = np.inf
    tolerance: float = TOLERANCE

    def nodes(self, threshold: float = 1e-16) -> Grid:
        """Nodes that carry the posterior, but for ``threshold`` of it per panel."""
        d, _ = self.mesh.panels.nodes()
        mass = self.mesh.node_mass
        anchor = self.mesh.panels.anchor[:, None]
        keep = mass.sum(axis=1) > threshold
        anchor, d, mass = anchor[keep], d[keep], mass[keep]
        if self.grid is None:
            return Grid(anchor, d, NO_SCATTER, mass)
        density = Density(self.problem, self.rule, self.grid)
        joint = density.jointly(anchor, d) + self.grid.log_weight[:, None]
        share = np.exp(joint - log_sum(joint, 1)[:, None, :])
        count = len(self.grid.values)
        whole = (share * mass[:, None, :]).reshape(-1, ORDER)
        scatter = self.grid.scatter(len(d))
        live = whole.sum(axis=1) > 1e-3 * threshold
        tau = scatter.tau if len(scatter.tau) == 1 else scatter.tau[live]
        inflation = scatter.inflation if len(scatter.inflation) == 1 else scatter.inflation[live]
        return Grid(
            np.repeat(anchor, count, axis=0)[live],
            np.repeat(d, count, axis=0)[live],
            Scatter(tau, inflation),
            whole[live],
        )

    def rows(self, anchor: Array, d: Array) -> Grid:
        """Given nodes of x, each at every node of the scatter, without masses."""
        if self.grid is None:
            return Grid(anchor, d, NO_SCATTER, d)
        count = len(self.grid.values)
        every = np.repeat(d, count, axis=0)
        return Grid(np.repeat(anchor, count, axis=0), every, self.grid.scatter(len(d)), every)

    def scatter_distribution(self) -> PanelDensity | None:
        """Posterior of the scatter."""
        if self.grid is None or self.scatter_prior is None:
            return None
        marginal = ScatterMarginal(self.problem, self.rule, self.scatter_prior, self.mesh.panels)

        def log_density(panels: Panels) -> Array:
            d, _ = panels.nodes()
            return marginal(panels.anchor[:, None], d)

        mesh = refine(self.grid.panels, log_density, 1, tolerance=SCATTER_TOLERANCE, noise=1e-13)
        return PanelDensity.from_mesh(mesh, marginal, self.scatter_prior.low, np.inf)


def solve_mixture(
    problem: Problem,
    rule: ReliabilityRule,
    scatter_prior: ScatterPrior | None = None,
    scatter_power: float = np.inf,
    *,
    scale: Scale | None = None,
    orders: int = 0,
) -> Solution:
    """Posterior of one quantity on panels, which hold as many moments on its scale as wanted."""
    if scatter_prior is None:
        found = solve_without_scatter(problem.as_many, rule, scale, np.array([orders]))
        if found.mesh is None:
            raise NumericalError(EXCLUDED)
        if not found.fine[0]:
            raise found.refusal(0)
        density = Density(problem, rule, None)
        return _finish(problem, rule, None, found.mesh, None, density, float(found.error[0]))
    first = initial_panels(features(problem))
    columns = problem.columns
    panels = scatter_start(columns, scatter_prior, scatter_power)
    panels = _presolve(problem, rule, scatter_prior, first, panels)
    # The knots of stated quantiles move with the scatter, so no edges can be put on them.
    moving = bool(np.any(columns.form == Form.QUANTILES))
    x_tolerance = MOVING_TOLERANCE if moving else TOLERANCE
    tolerance = 30.0 * MOVING_TOLERANCE if moving else SCATTER_TOLERANCE
    mesh_panels = first
    d, _ = first.nodes()
    start = Density(problem, rule, None)(first.anchor[:, None], d)
    row, column = np.unravel_index(int(np.argmax(start)), start.shape)
    noise = rounding(problem, (float(first.anchor[row]), float(d[row, column])))
    error = np.inf
    for _ in range(_MAX_ROUNDS):
        grid = scatter_grid(problem.columns, scatter_prior, panels)
        density = Density(problem, rule, grid)
        mesh = refine(mesh_panels, _on_panels(density), 1, noise=noise, tolerance=x_tolerance)
        each = _scatter_errors(density, mesh)
        error = float(each.sum())
        fails = (each > tolerance) & panels.splittable()
        if not fails.any():
            break
        panels = Panels.join([panels.take(~fails), panels.take(fails).bisect()])
        panels = panels.take(panels.order())
        mesh_panels = mesh.panels
    error += float(mesh.error[0])
    if rule.coarse is not None:
        few = attrs.evolve(density, grid=grid.every(5))

        def likelihood(_: IntArray, anchor: Array, d: Array, *, coarse: bool) -> Array:
            return few.likelihood(anchor, d, coarse=coarse)

        error += float(reliability_errors(likelihood, mesh)[0])
    solution = _finish(problem, rule, grid, mesh, scatter_prior, density, error)
    return attrs.evolve(solution, scatter_power=scatter_power, tolerance=x_tolerance)


EXCLUDED = (
    "claims and prior exclude each other: where one has any probability, the other has less than "
    "floats can tell from none; check units and signs, or give a wider prior"
)


def scatter_start(columns: Columns, prior: ScatterPrior, power: float) -> Panels:
    """First panels of the scatter of one quantity's claims."""
    sds = columns.overconfidence * columns.stated_sd
    spread = float(np.ptp(columns.location - columns.bias))
    smallest = np.minimum(sds, columns.overconfidence * np.minimum(columns.sd_low, columns.sd_high))
    every = np.concatenate([sds, smallest])
    return _scatter_panels(every, spread, prior, power)


def _scatter_panels(sds: Array, spread: float, prior: ScatterPrior, power: float) -> Panels:
    """First panels of the scatter of one quantity from sds and spread of its claims."""
    least, most, span = np.array([[sds.min()], [sds.max()], [spread]])
    return first_scatter_panels(least, most, span, prior, np.array([power]))


def peak_of(mesh: Mesh) -> tuple[float, float]:
    """Anchor and distance of the node of a mesh at which the density is largest."""
    row, column = np.unravel_index(int(np.argmax(mesh.log_density)), mesh.log_density.shape)
    return float(mesh.panels.anchor[row]), float(mesh.panels.nodes()[0][row, column])


def rounding(problem: Problem, peak: tuple[float, float]) -> float:
    """Relative rounding error of the density: that of the sum of log likelihoods at its peak.

    Where sound claims conflict by many sds these are large, and so is their rounding.
    """
    return float(rounding_at(problem.as_many, *np.array(peak)[:, None])[0])


def _on_panels(density: Density):  # type: ignore[no-untyped-def]  # noqa: ANN202
    def log_density(panels: Panels) -> Array:
        d, _ = panels.nodes()
        return density(panels.anchor[:, None], d)

    return log_density


def scatter_grid(columns: Columns, prior: ScatterPrior, panels: Panels) -> ScatterGrid:
    """Nodes of the scatter on panels, weighted by the prior."""
    d, slope = panels.nodes()
    values = panels.anchor[:, None] + d
    log_prior = prior.log_scatter(values, stated_variances(columns, len(values)))
    log_weight = log_prior + slope + np.log(WEIGHTS)
    return ScatterGrid(values.ravel(), log_weight.ravel(), prior.low > 0.0, panels)


def _presolve(
    problem: Problem,
    rule: ReliabilityRule,
    prior: ScatterPrior,
    x_panels: Panels,
    panels: Panels,
) -> Panels:
    """Panels of the scatter that resolve its posterior on the first, coarse panels of x."""
    marginal = ScatterMarginal(problem, rule, prior, x_panels, *_COARSE)

    def log_density(some: Panels) -> Array:
        d, _ = some.nodes()
        return marginal(some.anchor[:, None], d)

    mesh = refine(panels, log_density, 1, tolerance=1e-10, noise=1e-12)
    mass = mesh.node_mass.sum(axis=1)
    # What weighs nothing even with a second moment's weight is left out for good.
    d, _ = mesh.panels.nodes()
    reach = (1.0 + d[:, -1] / np.sum(mesh.node_mass * d)) ** 2
    return mesh.panels.take(mass * reach > 1e-15)


def _scatter_errors(density: Density, mesh: Mesh) -> Array:
    """Size of the last Legendre coefficients over the scatter, summed over x, per panel."""
    grid = density.grid
    assert grid is not None  # noqa: S101 - only called with a scatter
    mass = mesh.node_mass.sum(axis=1)
    # Panels of x that hold less than the tolerance cannot add to the error.
    keep = mass > 0.01 * SCATTER_TOLERANCE
    d, slope = (each[keep][:, SOME_NODES] for each in mesh.panels.nodes())
    anchor = mesh.panels.anchor[keep][:, None]
    prior = density.problem.prior.log_density(anchor, d)
    total = mesh.log_total[0]
    out = np.zeros(grid.panels.count)
    step = max(_ROWS_AT_ONCE // len(grid.values), 1)
    unweighted = grid.log_weight - np.tile(np.log(WEIGHTS), grid.panels.count)
    for begin in range(0, len(d), step):
        part = slice(begin, begin + step)
        logs = density.jointly(anchor[part], d[part]) + unweighted[:, None]
        logs = logs + (prior[part] + slope[part] + np.log(_SOME_WEIGHTS) - total)[:, None, :]
        values = np.exp(logs).reshape(logs.shape[0], grid.panels.count, ORDER, -1)
        last = np.einsum("ptkm,kj->ptmj", values, LEGENDRE[:, -3:])
        out += 2.0 * np.abs(last).sum(axis=(0, 2, 3))
    return out


#: Weights of the nodes of a panel of x at which errors of the inner integrals are looked at.
_SOME_WEIGHTS = 2.0 * WEIGHTS[SOME_NODES] / WEIGHTS[SOME_NODES].sum()


def _finish(
    problem: Problem,
    rule: ReliabilityRule,
    grid: ScatterGrid | None,
    mesh: Mesh,
    prior: ScatterPrior | None,
    density: Density,
    error: float,
) -> Solution:
    log_normaliser = float(mesh.log_total[0])
    if prior is not None and prior.proper and not prior.normalised:
        sds = problem.columns.overconfidence * problem.columns.stated_sd

        def log_prior(panels: Panels) -> Array:
            tau = panels.anchor[:, None] + panels.nodes()[0]
            return prior.log_scatter(tau, stated_variances(problem.columns, len(tau)))

        start = _scatter_panels(sds, float(sds.max()), prior, prior.power)
        log_normaliser -= float(log_prior_mass(log_prior, start, 1e-14)[0])
    distribution = PanelDensity.from_mesh(mesh, density, problem.prior.low, problem.prior.high)
    return Solution(problem, rule, grid, mesh, distribution, prior, log_normaliser, error)
