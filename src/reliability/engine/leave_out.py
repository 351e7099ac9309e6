"""What changes when an origin is left out, and how its claims look to the others.

Where the prior on x stays as it is all origins are left out at once: the log likelihoods of the
others are summed again on nodes that serve every one of the posteriors, so nothing cancels and
none of them is seen through the gaps of another's nodes. What this cannot answer is solved anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns, Form
from reliability.engine import normal
from reliability.engine.atom import divergence_with_atom, place_of_zero, quantile_with_atom
from reliability.engine.density import medians
from reliability.engine.divergence import divergence, joined
from reliability.engine.existence import Existence, existence
from reliability.engine.explain import claim_distribution, paired
from reliability.engine.features import features
from reliability.engine.inference import Inference, infer
from reliability.engine.leave_out_normal import normals_without
from reliability.engine.likelihoods import UnsoundKind, distribution_of_claim
from reliability.engine.mixture import (
    Terms,
    log_mixture,
    log_sum,
    terms,
    unknown_log_products,
)
from reliability.engine.normal_mixtures import NormalMixture
from reliability.engine.panels import (
    Features,
    Panels,
    gauss_legendre,
    initial_panels,
    uncovered,
)
from reliability.engine.prior_panels import prior_features
from reliability.engine.quadrature import refine_together
from reliability.engine.scattered import (
    Grid,
    ScatterGrid,
    ScatterNodes,
    Solution,
    first_panels,
    peak_of,
    rounding,
    scatter_start,
)
from reliability.engine.setup import hulls
from reliability.errors import ReliabilityError

__all__ = [
    "LeftOut",
    "existences_without",
    "growth_of_shares",
    "leave_origins_out",
    "median_of",
    "moves_hull",
    "two_sided",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
NAN = float("nan")

#: Accepted error of a panel, relative to each of the posteriors.
TOLERANCE = 1e-11
#: Accepted part of a posterior of the others beyond the nodes, or unresolved over the scatter.
BEYOND = 1e-9
#: Groups times nodes of p, scatter and x at which likelihoods are summed at once: 32 MB.
_POINTS_AT_ONCE = 1 << 22


@attrs.frozen
class LeftOut:
    """What one origin adds, and how its claims look to the others.

    ``divergence`` is the Kullback-Leibler divergence of the posterior from the one without the
    origin, ``median`` the latter's median on x (that of zero where it is most probably zero);
    ``tail`` one probability per claim of the origin. All are nan where nothing is left; so is the
    tail of a claim of presence, and of any where no other claim states a number.
    """

    divergence: float
    median: float
    tail: dict[int, float]


def leave_origins_out(
    inference: Inference, group: IntArray, dependence: float | Array
) -> list[LeftOut]:
    """Leave every origin out in turn.

    Parameters
    ----------
    inference : posterior of all claims
    group : origin of each claim, 0..G-1
    dependence : rho between origins: a number, or (G, G) with 0 on the diagonal
    """
    origins = int(group.max()) + 1
    found: dict[int, LeftOut] = {}
    growth = growth_of_shares(origins, dependence)
    alike = inference.atom is None and inference.rows.count == inference.columns.count
    if origins > 1 and alike:
        try:
            if inference.normal is not None and inference.setup.correlation is None:
                found = _normals(inference, group, growth)
            elif inference.mixture is not None and not _moves(inference):
                found = _mixtures(inference, inference.mixture, group, growth)
        except ReliabilityError:
            # Some prior cannot be made from what one of the origins leaves.
            found = {}
    out: list[LeftOut] = []
    for origin in range(origins):
        left = found.get(origin)
        if left is None:
            members = np.flatnonzero(group == origin)
            try:
                left = _anew(inference, members, growth[origin, group])
            except ReliabilityError:
                left = LeftOut(NAN, NAN, dict.fromkeys(map(int, members), NAN))
        out.append(left)
    return out


def growth_of_shares(origins: int, dependence: float | Array) -> Array:
    """By what an origin's shares grow when another is left out: (G, G), that one first.

    ``(1 + sum of rho_gk over k != g) / (1 + sum of rho_gk over k != g, h)``: what is left is
    summed anew, for a difference would cancel.
    """
    if not isinstance(dependence, np.ndarray):
        others = 1.0 + max(origins - 2, 0) * dependence
        factor = (1.0 + (origins - 1) * dependence) / others
        return np.broadcast_to(factor, (origins, origins))
    before = np.zeros((origins, origins))
    after = np.zeros_like(before)
    before[:, 1:] = np.cumsum(dependence[:, :-1], axis=1)
    after[:, :-1] = np.cumsum(dependence[:, :0:-1], axis=1)[:, ::-1]
    return np.asarray(((1.0 + dependence.sum(axis=1))[:, None] / (1.0 + before + after)).T)


def _moves(inference: Inference) -> bool:
    """Whether the claims' likelihoods themselves change with the claims that are left.

    Under a shared bias, whose size is the smallest stated sd's; and where a Void's constant is
    made with a prior on the scatter that is made from the claims.
    """
    setup = inference.setup
    data_made = setup.scatter is not None and setup.scatter.needs_claims
    return setup.shared > 0.0 or (data_made and setup.law.kind is UnsoundKind.VOID)


def two_sided(below: float, above: float, form: int) -> float:
    """Probability of a claim at least as far out; a verified bound can only be broken."""
    return below if form == Form.BOUND else min(2.0 * min(below, above), 1.0)


def existences_without(inference: Inference, group: IntArray, growth: Array) -> list[Existence]:
    """Tails of the posterior without each origin: the same for origins whose claims are alike."""
    columns = inference.columns
    r = columns.reliability
    tails = np.column_stack(
        [
            columns.form,
            columns.direction,
            columns.excess,
            columns.interest,
            columns.share,
            columns.knot_row,
            r == 1.0,
            r == 0.0,
        ]
    )
    alike = bool(np.all(growth == growth[:1]))
    known: dict[tuple[bytes, ...], Existence] = {}
    out = []
    for origin in range(int(group.max()) + 1):
        key = tuple(sorted(row.tobytes() for row in tails[group == origin]))
        if not alike:
            key = (growth[origin].tobytes(), *key)
        if key not in known:
            left = np.flatnonzero(group != origin)
            rest = columns.take(left)
            known[key] = existence(
                rest.with_fields(share=rest.share * growth[origin, group[left]]),
                inference.setup.law,
                inference.prior,
                inference.setup.scatter,
            )
        out.append(known[key])
    return out


def _beyond(mass: Array, power: Array) -> Array:
    """Bound on what lies beyond an outermost panel of given mass, under a tail |x|^-power."""
    return np.asarray(mass / np.minimum(power - 1.0, 1.0))


# ------------------------------------------------------------------ solved anew


def _anew(inference: Inference, members: IntArray, growth: Array | float) -> LeftOut:
    """The others' posterior on nodes of their own; ``growth`` of their shares, (claims,) or one."""
    setup, columns = inference.setup, inference.rows
    rest = np.setdiff1d(np.arange(columns.count), members)
    silent = not len(rest)
    if silent:
        if not setup.prior.from_claims:
            return LeftOut(NAN, NAN, dict.fromkeys(map(int, members), NAN))
        # What is left are claims about other quantities; a claim without a share says nothing.
        rest = members[:1]
    if setup.correlation is not None:
        setup = attrs.evolve(setup, correlation=setup.correlation[np.ix_(rest, rest)])
    others = columns.take(rest)
    if silent:
        others = others.with_fields(reliability=np.ones(1), share=np.zeros(1))
    symmetric = (columns.form == Form.NORMAL) & (columns.sd_low == columns.sd_high)
    symmetric |= columns.form == Form.PRESENCE
    other = infer(
        others.with_fields(share=others.share * np.broadcast_to(growth, columns.count)[rest]),
        setup,
        closed_form=bool(symmetric[members].all()),
    )
    tail: dict[int, float] = {}
    number = (np.cumsum(columns.form != Form.PRESENCE) - 1).tolist()
    for member in map(int, members):
        if columns.form[member] == Form.PRESENCE or not other.columns.count:
            tail[member] = NAN
            continue
        if other.mixture is not None:
            below = claim_distribution(inference.columns, number[member], other.mixture)
            above = 1.0 - below
        else:
            assert other.normal is not None  # noqa: S101 - one of both is there
            below, above = _normal_sides(inference, number[member], rest, other.normal)
        tail[member] = two_sided(below, above, int(columns.form[member]))
    gain = divergence(
        inference.distribution, other.distribution, initial_panels(_features(inference, other))
    )
    return LeftOut(divergence_with_atom(inference.zero, other.zero, gain), median_of(other), tail)


def _features(inference: Inference, other: Inference) -> Features:
    """Where the posterior, and the one without some claims, have their peaks and bends."""
    if inference.mixture is not None:
        return features(inference.mixture.problem)
    if not isinstance(inference.distribution, NormalMixture):
        return prior_features(inference.prior)
    where = inference.distribution.features
    if isinstance(other.distribution, NormalMixture):
        where = joined(where, other.distribution.features)
    return where


def _normal_sides(
    inference: Inference, member: int, rest: IntArray, others: normal.NormalSolution
) -> tuple[float, float]:
    """Predictive probabilities of a normal claim below and above the one made, given others."""
    columns, scatter = inference.columns, others.scatter
    given = normal.conditional_of_claims(others.problem, scatter)
    sd = columns.overconfidence * columns.sd_low
    value = columns.location - columns.bias
    inflation = scatter if others.problem.inflation is not None else np.ones_like(scatter)
    tau = scatter if others.problem.heterogeneity is not None else np.zeros_like(scatter)
    own = (sd[member] * inflation) ** 2 + columns.bias_variance[member] + tau**2
    mean, variance = given.mean, given.variance
    if inference.setup.correlation is not None:
        # y_i given the others' errors y - z is normal; z is integrated out.
        correlation = inference.setup.correlation
        stated = correlation[np.ix_(rest, rest)] * np.outer(sd[rest], sd[rest])
        covariance = stated * (inflation * inflation)[:, None, None]
        covariance += np.diag(columns.bias_variance[rest])
        covariance += (tau * tau)[:, None, None] * np.eye(len(rest))
        with_own = correlation[rest, member] * sd[rest] * sd[member]
        with_own = with_own * (inflation * inflation)[:, None]
        pull = np.linalg.solve(covariance, with_own[:, :, None])[:, :, 0]
        left = 1.0 - pull.sum(axis=1)
        center = value[rest[0]]
        mean = center + left * (mean - center) + pull @ (value[rest] - center)
        own = own - (pull * with_own).sum(axis=1)
        variance = left * left * variance
    below, above = normal.claim_sides(others.weight, mean, variance, value[member], own)
    return float(below), float(above)


def median_of(inference: Inference) -> float:
    """Median on x."""
    place = place_of_zero(inference.setup.scale)
    half = np.array(0.5)
    return float(
        quantile_with_atom(inference.distribution.quantile, half, half, inference.zero, place)
    )


# ------------------------------------------------------------------ all normal, all at once


def _normals(inference: Inference, group: IntArray, growth: Array) -> dict[int, LeftOut]:
    """The closed form without every origin in turn."""
    without = normals_without(inference, group, growth)
    if without is None:
        return {}
    tails: dict[int, dict[int, float]] = {}
    for row, (origin, tail) in enumerate(zip(group.tolist(), without.tail.tolist(), strict=True)):
        tails.setdefault(origin, {})[row] = tail
    columns = without.origin.tolist(), without.divergence.tolist(), without.median.tolist()
    return {
        origin: LeftOut(gain, median, tails[origin])
        for origin, gain, median in zip(*columns, strict=True)
    }


# ------------------------------------------------------------------ the general model, all at once


def moves_hull(inference: Inference, rest: IntArray) -> bool:
    """Whether the prior is made from the claims that are left, so that nothing can be reused."""
    made_from = inference.prior.made_from
    if made_from is None or not getattr(made_from[0], "needs_hull", False):
        return False
    return hulls(inference.columns) != hulls(inference.columns.take(rest))


def _mixtures(
    inference: Inference, solution: Solution, group: IntArray, growth: Array
) -> dict[int, LeftOut]:
    """The general model without every origin in turn, on common nodes of x and scatter."""
    columns = inference.columns
    possible: dict[int, Existence] = {}
    for origin, exists in enumerate(existences_without(inference, group, growth)):
        rest = np.flatnonzero(group != origin)
        if exists.proper and not moves_hull(inference, rest):
            possible[origin] = exists
    if not possible:
        return {}
    without = _Without(solution, group, np.array(list(possible)), growth)
    count = len(without.origins) + 1
    start = Panels.join([solution.mesh.panels, uncovered(without.first, solution.mesh.panels)])
    noise = rounding(solution.problem, peak_of(solution.mesh))
    meshes, others = refine_together(
        start, without.on_panels, count, tolerance=TOLERANCE, noise=noise
    )
    unresolved, at_end, below = others[:count], others[count : 2 * count], others[2 * count :]
    dropped = without.log_mass_on_dropped_scatter()
    own = meshes[-1]
    mass = own.node_mass
    median = medians(meshes[:-1])
    out: dict[int, LeftOut] = {}
    for k, (origin, exists) in enumerate(possible.items()):
        mesh = meshes[k]
        node_mass = mesh.node_mass
        ends = node_mass[[0, -1]].sum(axis=1)
        lost = (
            np.sum(_beyond(ends, _end_powers(exists)))
            + np.sum(node_mass * unresolved[k])
            + _beyond(np.sum(node_mass * at_end[k]), np.array(exists.scatter_power))
            + np.exp(min(dropped[k] - mesh.log_total[0], 0.0))
        )
        if not lost < BEYOND:
            continue
        with np.errstate(invalid="ignore"):
            gap = (own.log_density - own.log_total[0]) - (mesh.log_density - mesh.log_total[0])
        divergence = float(np.sum(np.where(mass > 0.0, mass * gap, 0.0)))
        tail = {}
        for member in np.flatnonzero(group == origin):
            probability = min(max(float(np.sum(below[member] * node_mass)), 0.0), 1.0)
            tail[int(member)] = two_sided(probability, 1.0 - probability, int(columns.form[member]))
        out[origin] = LeftOut(max(divergence, 0.0), float(median[k]), tail)
    return out


def _end_powers(exists: Existence) -> Array:
    return np.array([exists.lower.effective_power, exists.upper.effective_power])


@attrs.frozen(eq=False, slots=False)
class _Without:
    """Posteriors without each of some origins, and at last of all claims, unnormalised."""

    solution: Solution
    group: IntArray
    origins: IntArray
    growth: Array

    @property
    def first(self) -> Panels:
        """Panels of x that no posterior's smallness has thinned out."""
        return first_panels(self.solution.problem, self.solution.scatter_prior)

    def on_panels(self, panels: Panels) -> Array:
        """Log densities (G + 1), then functions at the nodes of panels.

        These are, given x and the others: the unresolved part of the integral over the scatter
        (G + 1); the share of the scatter's last panel (G + 1); and for every claim the
        probability of a sound claim below the one made.
        """
        solution, columns = self.solution, self.solution.problem.columns
        d, _ = panels.nodes()
        anchor = panels.anchor[:, None]
        count = len(self.origins) + 1
        place = np.full(int(self.group.max()) + 1, count - 1)
        place[self.origins] = np.arange(count - 1)
        out = np.zeros((3 * count + columns.count, *d.shape))
        below = out[3 * count :]
        for part in self._blocks(solution.grid, *d.shape):
            rows, nodes, joint = self._joint(solution, anchor[part], d[part])
            logs = nodes.log_sum(joint)
            with np.errstate(invalid="ignore"):
                given = np.nan_to_num(np.exp(joint - logs[:, nodes.row]))
            out[:count, part] = logs
            if solution.grid is not None:
                out[count : 2 * count, part] = np.add.reduceat(
                    nodes.unresolved(given),
                    np.searchsorted(nodes.part_row, np.arange(len(nodes.starts))),
                    axis=1,
                )
                at_end = nodes.panel == solution.grid.panels.count - 1
                out[2 * count : 3 * count, part] = nodes.sum(given * at_end[:, None])
            for claim in range(columns.count):
                at = paired(columns, np.full(len(rows.d), claim), np.arange(len(rows.d)), rows)
                value = distribution_of_claim(at, rows.d, columns.knots)
                below[claim, part] = nodes.sum(given[place[self.group[claim]]] * value)
        return out

    def _blocks(self, grid: ScatterGrid | None, rows: int, points: int) -> Iterator[slice]:
        """Rows of x whose likelihoods fit into memory."""
        unknown = np.isnan(self.solution.problem.columns.reliability).any()
        nodes = len(self.solution.rule.p) if unknown else 1
        nodes *= 1 if grid is None else len(grid.values)
        step = max(_POINTS_AT_ONCE // ((len(self.origins) + 1) * nodes * points), 1)
        for begin in range(0, rows, step):
            yield slice(begin, begin + step)

    @cached_property
    def _selections(self) -> list[Columns]:
        """Claims without each of the origins, and all."""
        columns = self.solution.problem.columns
        members = [np.flatnonzero(self.group != origin) for origin in self.origins]
        return [*(columns.take(rest) for rest in members), columns]

    def log_mass_on_dropped_scatter(self) -> Array:
        """Log integral over the panels of the scatter that the posterior of all left out.

        On a coarse rule in x, which shows whether there is anything: (G + 1,).
        """
        solution = self.solution
        count = len(self.origins) + 1
        nothing = np.full(count, -np.inf)
        if solution.grid is None or solution.scatter_prior is None:
            return nothing
        columns = solution.problem.columns
        every = scatter_start(columns, solution.scatter_prior, solution.scatter_power)
        dropped = uncovered(every, solution.grid.panels)
        if not dropped.count:
            return nothing
        grid = ScatterGrid.on(columns, solution.scatter_prior, dropped)
        on_dropped = attrs.evolve(solution, grid=grid)
        first = self.first
        order = 5
        points, weights, _ = gauss_legendre(order)
        d, slope = first.at(np.broadcast_to(points, (first.count, order)))
        slope = slope + np.log(weights)
        anchor = first.anchor[:, None]
        out = nothing
        for part in self._blocks(grid, *d.shape):
            _, nodes, joint = self._joint(on_dropped, anchor[part], d[part])
            joint += slope[part][nodes.row]
            out = np.logaddexp(out, log_sum(joint.reshape(count, -1), 1))
        return out

    def _joint(
        self, solution: Solution, anchor: Array, d: Array
    ) -> tuple[Grid, ScatterNodes, Array]:
        """Nodes of x and the scatter, and the log density times the scatter's weights there.

        A prior that is made from the claims' sds is made anew from those of the others:
        (G + 1, R, points).
        """
        rows, nodes = solution.rows(anchor, d)
        joint = self._others(rows) + solution.problem.prior.log_density(anchor, d)[nodes.row]
        joint += nodes.log_step
        if solution.grid is None or not solution.grid.prior.needs_claims:
            joint += nodes.log_prior
        else:
            for k, columns in enumerate(self._selections):
                joint[k] += solution.grid.log_prior_at(nodes, columns)
        return rows, nodes, joint

    def _others(self, rows: Grid) -> Array:
        """Log likelihood without each origin, p integrated out: (G + 1, rows, nodes)."""
        problem = self.solution.problem
        columns = problem.columns
        some = terms(columns, problem.law, rows.panels, rows.d, rows.scatter)
        unknown = np.isnan(columns.reliability)
        shape = (len(rows.d), columns.count, rows.d.shape[1])
        known = log_mixture(
            some.sound.reshape(shape),
            some.unsound.reshape(shape),
            np.where(unknown, 1.0, columns.reliability)[:, None],
        )
        known = np.where(unknown[:, None], 0.0, np.maximum(known, -1e290) * columns.share[:, None])
        out = self._sums([known[:, members].sum(axis=1) for members in self._members()])
        if unknown.any():
            out = out + self._unknown_of_others(some)
        return np.asarray(out)

    def _members(self) -> list[IntArray]:
        return [np.flatnonzero(self.group == k) for k in range(int(self.group.max()) + 1)]

    def _sums(self, by_group: list[Array]) -> Array:
        """Sum over all groups but each origin's, at last over all; nothing is subtracted."""
        every = np.stack(by_group)
        if np.any(self.growth != self.growth[0, 0]):
            # Other claims grow by other factors.
            factors = self.growth[self.origins]
            factors[np.arange(len(self.origins)), self.origins] = 0.0
            left = np.tensordot(factors, np.maximum(every, -1e290), 1)
            return np.concatenate([left, every.sum(axis=0)[None]])
        others = np.zeros_like(every)
        others[1:] = np.cumsum(every[:-1], axis=0)
        others[:-1] += np.cumsum(every[:0:-1], axis=0)[::-1]
        return np.concatenate([self.growth[0, 0] * others[self.origins], every.sum(axis=0)[None]])

    def _unknown_of_others(self, some: Terms) -> Array:
        """Log of the integral over p of the unknown claims' likelihoods, without each origin."""
        columns, rule = self.solution.problem.columns, self.solution.rule
        nothing = np.zeros((len(rule.p), len(some.starts), some.sound.shape[1]))
        by_group = []
        for every in self._members():
            members = every[np.isnan(columns.reliability[every])]
            if not len(members):
                by_group.append(nothing)
                continue
            index = np.flatnonzero(np.isin(some.row, members))
            row = np.searchsorted(members, some.row[index])
            part = Terms(
                some.sound[index], some.unsound[index], some.panel[index], row, some.starts
            )
            by_group.append(unknown_log_products(columns.take(members), part, rule))
        return log_sum(self._sums(by_group) + rule.log_weight[None, :, None, None], 1)
