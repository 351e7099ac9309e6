"""The general model with scatter: tau or an inflation integrated at every node of x.

The panels of x are shared by all values of the scatter; the panels of the scatter are halved
until the integral over it is resolved at every x that matters.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns
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
from reliability.engine.moving import Moving, MovingKnots, cut, rooted
from reliability.engine.normal import first_scatter_panels, log_prior_mass
from reliability.engine.panels import ORDER, WEIGHTS, Panels, gauss_legendre, initial_panels
from reliability.engine.quadrature import Mesh, refine, segment_sum
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
    "SCATTER_TOLERANCE",
    "Density",
    "Grid",
    "ScatterGrid",
    "ScatterMarginal",
    "ScatterNodes",
    "Solution",
    "first_panels",
    "log_mass_of_scatter",
    "log_prior",
    "peak_of",
    "rounding",
    "scatter_of",
    "scatter_start",
    "solve_mixture",
    "weighing",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

#: Accepted size of a scatter panel's last Legendre coefficients, relative to the total.
SCATTER_TOLERANCE = 1e-10
#: Nodes per panel of x that are enough to see how the scatter's posterior bends.
_COARSE = 5
_MAX_ROUNDS = 8
_ROWS_AT_ONCE = 1 << 15


@attrs.frozen(eq=False)
class ScatterNodes:
    """Nodes of the scatter at nodes of x: rows, those of one row of x together.

    Parameters
    ----------
    row : (R,) row of x
    starts : (rows of x,) first of each
    scatter : (R, 1) or (R, points) values
    log_step, log_prior : (R, 1) or (R, points) logs of quadrature weight and prior density
    part_starts, part_panel : first row, and panel of the scatter, of each part of a panel that
        has nodes of its own
    last : (R, 3) factors of the last Legendre coefficients on each part
    is_cut : (parts,) whether a part is only part of its panel
    """

    row: IntArray
    starts: IntArray
    scatter: Scatter
    log_step: Array
    log_prior: Array
    part_starts: IntArray
    part_panel: IntArray
    last: Array
    is_cut: BoolArray

    @staticmethod
    def none(rows: int) -> ScatterNodes:
        """The only node where nothing scatters."""
        every, zero = np.arange(rows), np.zeros((1, 1))
        return ScatterNodes(
            every,
            every,
            NO_SCATTER,
            zero,
            zero,
            every[:0],
            every[:0],
            np.zeros((0, 3)),
            np.zeros(0, dtype=bool),
        )

    def log_sum(self, logs: Array) -> Array:
        """Log of sums over the scatter: (..., R, points) -> (..., rows, points)."""
        count = self._at_each
        if count:
            return log_sum(logs.reshape(*logs.shape[:-2], -1, count, logs.shape[-1]), -2)
        top = np.maximum.reduceat(logs, self.starts, axis=-2)
        top = np.where(np.isfinite(top), top, 0.0)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.sum(np.exp(logs - top[..., self.row, :]))) + top)

    def sum(self, values: Array) -> Array:
        """Sums over the scatter: (..., R, points) -> (..., rows, points)."""
        count = self._at_each
        if count:
            shape = (*values.shape[:-2], -1, count, values.shape[-1])
            return np.asarray(values.reshape(shape).sum(axis=-2))
        return np.asarray(np.add.reduceat(values, self.starts, axis=-2))

    @property
    def _at_each(self) -> int:
        """Number of nodes at every row of x; 0 where it differs."""
        count, rest = divmod(len(self.row), len(self.starts))
        even = rest == 0 and np.array_equal(self.starts, count * np.arange(len(self.starts)))
        return count if even else 0

    def unresolved(self, values: Array) -> Array:
        """Size of the last Legendre coefficients: (..., R, points) -> (..., parts, points).

        The values are those of a density times the weights of the nodes. A panel is cut wherever
        the density is not analytic, or nearly so. On a part the coefficients then fall
        geometrically, at the least, and Gauss's rule of n nodes misses only those of degree 2n and
        more: relative to the integral these are the squares of the last ones.
        """
        out = np.zeros(())
        for factor in self.last.T:
            parts = np.add.reduceat(values * factor[:, None], self.part_starts, axis=-2)
            out = out + np.abs(parts)
        out = 2.0 * out
        if self.is_cut.any():
            whole = np.add.reduceat(values, self.part_starts, axis=-2)
            share = np.divide(out, whole, out=np.ones_like(out), where=whole > 0.0)
            out *= np.where(self.is_cut[:, None], np.minimum(share, 1.0), 1.0)
        return np.asarray(out)

    @property
    def part_row(self) -> IntArray:
        """Row of x of each part."""
        return self.row[self.part_starts]

    @property
    def panel(self) -> IntArray:
        """Panel of the scatter of each row."""
        return np.repeat(self.part_panel, np.diff(np.append(self.part_starts, len(self.row))))


@attrs.frozen(eq=False)
class ScatterGrid:
    """Nodes of the scatter: on panels that are cut, at every x, where a knot passes it.

    ``values``, ``log_step`` (the log of the quadrature weight) and ``log_prior`` are those of the
    panels' own nodes.
    """

    panels: Panels
    prior: ScatterPrior
    columns: Columns
    values: Array
    log_step: Array
    log_prior: Array
    moving: Moving | None

    @staticmethod
    def on(columns: Columns, prior: ScatterPrior, panels: Panels) -> ScatterGrid:
        """Nodes on panels, weighted by the prior."""
        d, slope = panels.nodes()
        values = panels.anchor[:, None] + d
        return ScatterGrid(
            panels,
            prior,
            columns,
            values.ravel(),
            (slope + np.log(WEIGHTS)).ravel(),
            log_prior(prior, columns, values).ravel(),
            Moving.of(columns, inflation=prior.low > 0.0),
        )

    @property
    def inflation(self) -> bool:
        """Whether the scatter multiplies."""
        return self.prior.low > 0.0

    def thinned(self) -> ScatterGrid:
        """Some of the panels' own nodes: enough to see how an integrand behaves."""

        def some(values: Array) -> Array:
            return values.reshape(-1, ORDER)[:, SOME_NODES].ravel()

        return attrs.evolve(
            self,
            values=some(self.values),
            log_step=some(self.log_step),
            log_prior=some(self.log_prior),
            moving=None,
        )

    def log_prior_at(self, nodes: ScatterNodes, columns: Columns) -> Array:
        """Log prior density at nodes, where it is made from other claims: (R, 1) or (R, points)."""
        if not self.prior.needs_claims:
            return nodes.log_prior
        if self.moving is None:
            own = log_prior(self.prior, columns, self.values)
            return np.tile(own, len(nodes.starts))[:, None]
        scatter = nodes.scatter.inflation if self.inflation else nodes.scatter.tau
        return log_prior(self.prior, columns, scatter)

    def at(self, anchor: Array, d: Array) -> ScatterNodes:
        """Nodes at every x = anchor + d: (rows, 1), (rows, points)."""
        if self.moving is not None:
            return self._cut(self.moving, anchor, d)
        rows, count, panels = len(d), len(self.values), self.panels.count
        order = count // panels
        return ScatterNodes(
            np.repeat(np.arange(rows), count),
            count * np.arange(rows),
            scatter_of(np.tile(self.values, rows)[:, None], inflation=self.inflation),
            np.tile(self.log_step, rows)[:, None],
            np.tile(self.log_prior, rows)[:, None],
            order * np.arange(rows * panels),
            np.tile(np.arange(panels), rows),
            np.tile(_last(order), (rows * panels, 1)),
            np.zeros(rows * panels, dtype=bool),
        )

    def _cut(self, moving: Moving, anchor: Array, d: Array) -> ScatterNodes:
        passing = moving.passing(anchor, d)
        low, high = self.panels.edges()
        inside = passing.max(axis=1)[:, None, :] > low[:, None]
        inside &= passing.min(axis=1)[:, None, :] < high[:, None]
        is_cut = inside.any(axis=2)
        row, panel = np.nonzero(is_cut)
        cuts = list(cut(self.panels.take(panel), passing[row], moving.ranges))
        whole_row, whole_panel = np.nonzero(~is_cut)
        # All parts, those of one row of x together.
        owner = np.concatenate([whole_row, *(row[some.index] for some in cuts)])
        of_panel = np.concatenate([whole_panel, *(panel[some.index] for some in cuts)])
        order = np.repeat([ORDER, *(c.order for c in cuts)], [len(whole_row), *map(len, cuts)])
        part_is_cut = np.arange(len(owner)) >= len(whole_row)
        sort = np.lexsort((of_panel, owner))
        ends = np.cumsum(order[sort])
        begin = np.empty_like(ends)
        begin[sort] = ends - order[sort]
        shape = (int(ends[-1]), d.shape[1])
        values, log_step, prior = np.empty(shape), np.empty(shape), np.empty(shape)
        last = np.empty((shape[0], 3))
        at = begin[: len(whole_row), None] + np.arange(ORDER)
        own = whole_panel[:, None] * ORDER + np.arange(ORDER)
        values[at] = self.values[own][:, :, None]
        log_step[at] = self.log_step[own][:, :, None]
        prior[at] = self.log_prior[own][:, :, None]
        last[at] = _last(ORDER)
        place = len(whole_row)
        for some in cuts:
            at = begin[place : place + len(some), None] + np.arange(some.order)
            place += len(some)
            distance, slope = some.nodes()
            values[at] = self.prior.low + distance
            log_step[at] = slope + np.log(gauss_legendre(some.order)[1])[:, None]
            prior[at] = log_prior(self.prior, self.columns, values[at])
            last[at] = _last(some.order)
        starts = np.searchsorted(owner[sort], np.arange(len(d)))
        return ScatterNodes(
            np.repeat(owner[sort], order[sort]),
            begin[sort][starts],
            scatter_of(values, inflation=self.inflation),
            log_step,
            prior,
            begin[sort],
            of_panel[sort],
            last,
            part_is_cut[sort],
        )


def scatter_of(values: Array, *, inflation: bool) -> Scatter:
    """Values of the scatter as tau or as the inflation."""
    if inflation:
        return Scatter(np.zeros((1, 1)), values)
    return Scatter(values, np.ones((1, 1)))


def _last(order: int) -> Array:
    """Factors of weighted node values in the last Legendre coefficients: (order, 3)."""
    _, weights, coefficients = gauss_legendre(order)
    return np.asarray(coefficients[:, -3:] / weights[:, None])


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
        for part in self.blocks(len(d)):
            nodes, logs = self.jointly(anchor[part], d[part], coarse=coarse)
            out[part] = nodes.log_sum(logs)
        return out

    def blocks(self, rows: int) -> Iterator[slice]:
        """Rows of x whose nodes of the scatter fit into memory."""
        assert self.grid is not None  # noqa: S101 - only called with a scatter
        step = max(_ROWS_AT_ONCE // len(self.grid.values), 1)
        for begin in range(0, rows, step):
            yield slice(begin, begin + step)

    def jointly(
        self, anchor: Array, d: Array, *, coarse: bool = False
    ) -> tuple[ScatterNodes, Array]:
        """Nodes of the scatter at every x, and the log of likelihood times their weight there."""
        assert self.grid is not None  # noqa: S101 - only called with a scatter
        nodes = self.grid.at(anchor, d)
        logs = log_likelihood(
            self.problem,
            self.rule,
            _at(anchor[nodes.row]),
            d[nodes.row],
            nodes.scatter,
            coarse=coarse,
        )
        return nodes, logs + (nodes.log_step + nodes.log_prior)


def _at(anchor: Array) -> Panels:
    """Bare anchors of the only quantity, in the shape that the likelihood expects."""
    flat = anchor.ravel()
    zero = np.zeros(len(flat))
    kind = np.zeros(len(flat), dtype=np.int64)
    return Panels(kind, flat, kind, zero, zero)


@attrs.frozen(eq=False)
class ScatterMarginal:
    """Unnormalised log posterior density of the scatter.

    ``panels`` are of x, with ``order`` nodes each; at every scatter they are cut at the knots.
    """

    problem: Problem
    rule: ReliabilityRule
    prior: ScatterPrior
    panels: Panels
    order: int = ORDER

    def __call__(self, anchor: Array, d: Array) -> Array:
        """Log density at anchor + d of the scatter."""
        values = (anchor + d).ravel()
        out = np.empty(len(values))
        step = max(_ROWS_AT_ONCE // self.panels.count, 1)
        for begin in range(0, len(values), step):
            out[begin : begin + step] = self._integrated(values[begin : begin + step])
        out += log_prior(self.prior, self.problem.columns, values)
        return np.asarray(out.reshape(np.broadcast_shapes(anchor.shape, d.shape)))

    def _integrated(self, values: Array) -> Array:
        """Log integral over x at each of the scatter's values."""
        whole = np.ones((len(values), self.panels.count), dtype=bool)
        sums = []
        moving = Moving.of(self.problem.columns, inflation=self.prior.low > 0.0)
        if moving is not None:
            at = moving.distances(values, self.panels.anchor)
            low, high = self.panels.edges()
            whole = ~np.any((at > low[:, None]) & (at < high[:, None]), axis=2)
            row, panel = np.nonzero(~whole)
            for some in cut(self.panels.take(panel), at[row, panel][:, None, :], 2 * moving.ranges):
                nodes, weights, _ = gauss_legendre(some.order)
                x, slope = some.panels.at(nodes)
                weight = self._log_prior_weight(some.panels.anchor, x, slope, weights)
                every = np.arange(len(x))
                logs = self._on_nodes(values[row[some.index]], some.panels.anchor, x, weight, every)
                sums.append((row[some.index], logs))
        row, panel = np.nonzero(whole)
        nodes, weights, _ = gauss_legendre(self.order)
        x, slope = self.panels.at(np.broadcast_to(nodes, (self.panels.count, self.order)))
        weight = self._log_prior_weight(self.panels.anchor, x, slope, weights)
        sums.append((row, self._on_nodes(values[row], self.panels.anchor, x, weight, panel)))
        owner, logs = (np.concatenate(parts) for parts in zip(*sums, strict=True))
        top = np.full(len(values), -np.inf)
        np.maximum.at(top, owner, logs)
        top = np.where(np.isfinite(top), top, 0.0)
        with np.errstate(divide="ignore"):
            sizes = np.log(segment_sum(owner, np.exp(logs - top[owner]), len(values)))
        return np.asarray(sizes + top)

    def _log_prior_weight(self, anchor: Array, x: Array, slope: Array, weights: Array) -> Array:
        return self.problem.prior.log_density(anchor[:, None], x) + slope + np.log(weights)

    def _on_nodes(
        self, values: Array, anchor: Array, x: Array, weight: Array, index: IntArray
    ) -> Array:
        """Log sums over the nodes of rows ``index`` of x, one for each value of the scatter."""
        scatter = scatter_of(values[:, None], inflation=self.prior.low > 0.0)
        logs = log_likelihood(self.problem, self.rule, _at(anchor[index]), x[index], scatter)
        return log_sum(logs + weight[index], 1)


def log_prior(prior: ScatterPrior, columns: Columns, values: Array) -> Array:
    """Log prior density at values of the scatter, of any shape."""
    logs = prior.log_scatter(values.reshape(1, -1), stated_variances(columns, 1))
    return np.asarray(logs.reshape(values.shape))


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

    def part(self, rows: slice | NDArray[np.bool_]) -> Grid:
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

    ``scatter_power`` is the exponent of the scatter's tail.
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
        nodes, logs = density.jointly(anchor, d)
        whole = np.exp(logs - nodes.log_sum(logs)[nodes.row]) * mass[nodes.row]
        every = Grid(anchor[nodes.row], d[nodes.row], nodes.scatter, whole)
        return every.part(whole.sum(axis=1) > 1e-3 * threshold)

    def rows(self, anchor: Array, d: Array) -> tuple[Grid, ScatterNodes]:
        """Given nodes of x, each at every node of the scatter, without masses; and the latter."""
        if self.grid is None:
            return Grid(anchor, d, NO_SCATTER, d), ScatterNodes.none(len(d))
        nodes = self.grid.at(anchor, d)
        every = d[nodes.row]
        return Grid(anchor[nodes.row], every, nodes.scatter, every), nodes

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
    first = first_panels(problem, scatter_prior)
    solution = _solve_scattered(problem, rule, scatter_prior, scatter_power, first)
    return attrs.evolve(solution, scatter_power=scatter_power)


def _solve_scattered(
    problem: Problem,
    rule: ReliabilityRule,
    prior: ScatterPrior,
    power: float,
    first: Panels,
) -> Solution:
    columns = problem.columns
    moving = Moving.of(columns, inflation=prior.low > 0.0) is not None
    presolve = _presolve_moving if moving else _presolve
    panels = presolve(problem, rule, prior, first, scatter_start(columns, prior, power))
    grid = ScatterGrid.on(columns, prior, panels)
    density = Density(problem, rule, grid)
    noise = _rounding_at_peak(density, first)
    mesh = refine(first, _on_panels(density), 1, noise=noise)
    each = _scatter_errors(density, mesh)
    for _ in range(_MAX_ROUNDS):
        fails = (each > SCATTER_TOLERANCE) & panels.splittable()
        if not fails.any():
            break
        halves = panels.take(fails).bisect()
        mesh = _replaced(density, mesh, panels.take(fails), halves)
        panels = Panels.join([panels.take(~fails), halves])
        on_halves = attrs.evolve(density, grid=ScatterGrid.on(columns, prior, halves))
        each = np.concatenate([each[~fails], _scatter_errors(on_halves, mesh)])
        order = panels.order()
        panels, each = panels.take(order), each[order]
        grid = ScatterGrid.on(columns, prior, panels)
        density = Density(problem, rule, grid)
        mesh = refine(first, _on_panels(density), 1, noise=noise, known=mesh)
    error = float(each.sum()) + float(mesh.error[0])
    if rule.coarse is not None:
        few = attrs.evolve(density, grid=grid.thinned())

        def likelihood(_: IntArray, anchor: Array, d: Array, *, coarse: bool) -> Array:
            return few.likelihood(anchor, d, coarse=coarse)

        error += float(reliability_errors(likelihood, mesh)[0])
    return _finish(problem, rule, grid, mesh, prior, density, error)


EXCLUDED = (
    "claims and prior exclude each other: where one has any probability, the other has less than "
    "floats can tell from none; check units and signs, or give a wider prior"
)


def first_panels(problem: Problem, prior: ScatterPrior | None) -> Panels:
    """First panels of x."""
    panels = initial_panels(features(problem, prior))
    if prior is None or prior.low > 0.0:
        return panels
    knots = MovingKnots.of(problem.columns, inflation=False)
    return panels if knots is None else rooted(panels, knots)


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


def rounding(problem: Problem, peak: tuple[float, float], scatter: Scatter = NO_SCATTER) -> float:
    """Relative rounding error of the density: that of the sum of log likelihoods at its peak.

    Where sound claims conflict by many sds these are large, and so is their rounding.
    """
    anchor, d = np.array(peak)[:, None]
    return float(rounding_at(problem.as_many, anchor, d, scatter)[0])


def _rounding_at_peak(density: Density, panels: Panels) -> float:
    """Rounding error at the peak of the joint density of x and the scatter.

    Without scatter, claims that conflict may be thousands of sds apart.
    """
    assert density.grid is not None  # noqa: S101 - only called with a scatter
    few = attrs.evolve(density, grid=density.grid.thinned())
    d = panels.nodes()[0][:, ORDER // 2, None]
    prior = density.problem.prior.log_density(panels.anchor[:, None], d)
    largest, peak, scatter = -np.inf, (float(panels.anchor[0]), float(d[0, 0])), NO_SCATTER
    for part in few.blocks(len(d)):
        nodes, logs = few.jointly(panels.anchor[part, None], d[part])
        logs += prior[part][nodes.row]
        row = int(np.argmax(logs))
        if logs[row, 0] > largest:
            largest, x = float(logs[row, 0]), int(nodes.row[row]) + part.start
            peak = float(panels.anchor[x]), float(d[x, 0])
            tau, inflation = nodes.scatter.tau, nodes.scatter.inflation
            scatter = Scatter(tau[row % len(tau), None], inflation[row % len(inflation), None])
    return rounding(density.problem, peak, scatter)


def _replaced(density: Density, mesh: Mesh, old: Panels, new: Panels) -> Mesh:
    """The same mesh with some panels of the scatter replaced; only these are evaluated."""
    grid = density.grid
    assert grid is not None  # noqa: S101 - only called with a scatter
    logs, more = mesh.log_density, []
    for panels in (old, new):
        some = ScatterGrid.on(grid.columns, grid.prior, panels)
        more.append(_on_panels(attrs.evolve(density, grid=some))(mesh.panels))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        change = np.exp(more[1] - logs) - np.exp(more[0] - logs)
        moved = logs + np.log1p(np.maximum(change, -1.0))
    return attrs.evolve(mesh, log_density=np.where(np.isfinite(logs), moved, more[1]))


def _on_panels(density: Density):  # type: ignore[no-untyped-def]  # noqa: ANN202
    def log_density(panels: Panels) -> Array:
        d, _ = panels.nodes()
        return density(panels.anchor[:, None], d)

    return log_density


def _presolve(
    problem: Problem,
    rule: ReliabilityRule,
    prior: ScatterPrior,
    x_panels: Panels,
    panels: Panels,
) -> Panels:
    """Panels of the scatter that resolve its posterior on the first, coarse panels of x."""
    marginal = ScatterMarginal(problem, rule, prior, x_panels, _COARSE)

    def log_density(some: Panels) -> Array:
        d, _ = some.nodes()
        return marginal(some.anchor[:, None], d)

    mesh = refine(panels, log_density, 1, tolerance=1e-10, noise=1e-12)
    mean = float(np.sum(mesh.node_mass * mesh.panels.nodes()[0]))
    return weighing(mesh.panels, mesh.node_mass.sum(axis=1), mean)


def weighing(panels: Panels, mass: Array, mean: float) -> Panels:
    """Leave out what weighs nothing even with a second moment's weight, for good."""
    reach = (1.0 + panels.nodes()[0][:, -1] / mean) ** 2
    return panels.take(mass * reach > 1e-15)


def _presolve_moving(
    problem: Problem,
    rule: ReliabilityRule,
    prior: ScatterPrior,
    x_panels: Panels,
    panels: Panels,
) -> Panels:
    """Panels of the scatter that resolve it at some nodes of the first panels of x.

    Integrals over coarse panels of x are not smooth in the scatter where knots move.
    """
    anchor = x_panels.anchor[:, None]
    d, slope = (each[:, SOME_NODES] for each in x_panels.nodes())
    weight = problem.prior.log_density(anchor, d) + slope + np.log(_SOME_WEIGHTS)
    found, masses = [], []
    total = log_scale = None
    for _ in range(_MAX_ROUNDS):
        density = Density(problem, rule, ScatterGrid.on(problem.columns, prior, panels))
        mass, error, log_size = _over_scatter(density, anchor, d, weight)
        if log_scale is None:
            total, log_scale = mass.sum(), log_size
        part = np.exp(log_size - log_scale) / total
        fails = (error * part > SCATTER_TOLERANCE) & panels.splittable()
        found.append(panels.take(~fails))
        masses.append((mass * part)[~fails])
        if not fails.any():
            break
        panels = panels.take(fails).bisect()
    panels, mass = Panels.join(found), np.concatenate(masses)
    mean = float(np.sum(mass * panels.nodes()[0].mean(axis=1)))
    panels = weighing(panels, mass, mean)
    return panels.take(panels.order())


def _scatter_errors(density: Density, mesh: Mesh) -> Array:
    """Size of the last Legendre coefficients over the scatter, summed over x, per panel."""
    mass = mesh.node_mass.sum(axis=1)
    # Panels of x that hold less than the tolerance cannot add to the error.
    keep = mass > 0.01 * SCATTER_TOLERANCE
    d, slope = (each[keep][:, SOME_NODES] for each in mesh.panels.nodes())
    anchor = mesh.panels.anchor[keep][:, None]
    prior = density.problem.prior.log_density(anchor, d)
    weight = prior + slope + np.log(_SOME_WEIGHTS) - mesh.log_total[0]
    _, error, log_scale = _over_scatter(density, anchor, d, weight)
    return np.asarray(error * np.exp(log_scale))


def _over_scatter(
    density: Density, anchor: Array, d: Array, log_weight: Array
) -> tuple[Array, Array, float]:
    """Mass and size of the last Legendre coefficients of each panel of the scatter.

    Summed over nodes of x with given weights, and divided by the exponential of the third value
    that is returned.
    """
    grid = density.grid
    assert grid is not None  # noqa: S101 - only called with a scatter
    mass, error = np.zeros(grid.panels.count), np.zeros(grid.panels.count)
    top = -np.inf
    for part in density.blocks(len(d)):
        nodes, logs = density.jointly(anchor[part], d[part])
        logs += log_weight[part][nodes.row]
        here = float(np.max(logs, initial=top))
        if not np.isfinite(here):
            continue
        values = np.exp(logs - here)
        last = nodes.unresolved(values).sum(axis=1)
        rescale = np.exp(top - here)
        error = rescale * error + segment_sum(nodes.part_panel, last, len(error))
        mass = rescale * mass + segment_sum(nodes.panel, values.sum(axis=1), len(mass))
        top = here
    return mass, error, top


#: Weights of the nodes of a panel of x at which errors of the inner integrals are looked at.
_SOME_WEIGHTS = 2.0 * WEIGHTS[SOME_NODES] / WEIGHTS[SOME_NODES].sum()


def log_mass_of_scatter(prior: ScatterPrior | None, columns: Columns) -> float:
    """Log integral of the prior on the scatter; 0 where it is improper or 1."""
    if prior is None or not prior.proper or prior.normalised:
        return 0.0
    sds = columns.overconfidence * columns.stated_sd

    def log_density(panels: Panels) -> Array:
        return log_prior(prior, columns, panels.anchor[:, None] + panels.nodes()[0])

    start = _scatter_panels(sds, float(sds.max()), prior, prior.power)
    return float(log_prior_mass(log_density, start, 1e-14)[0])


def _finish(
    problem: Problem,
    rule: ReliabilityRule,
    grid: ScatterGrid | None,
    mesh: Mesh,
    prior: ScatterPrior | None,
    density: Density,
    error: float,
) -> Solution:
    log_normaliser = float(mesh.log_total[0]) - log_mass_of_scatter(prior, problem.columns)
    distribution = PanelDensity.from_mesh(mesh, density, problem.prior.low, problem.prior.high)
    return Solution(problem, rule, grid, mesh, distribution, prior, log_normaliser, error)
