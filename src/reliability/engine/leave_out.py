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
from reliability.engine.density import Distribution, PanelDensity, medians
from reliability.engine.existence import Existence, existence
from reliability.engine.explain import claim_distribution, paired
from reliability.engine.features import features
from reliability.engine.inference import Inference, infer
from reliability.engine.likelihoods import UnsoundKind, distribution_of_claim
from reliability.engine.mixture import (
    Terms,
    log_mixture,
    log_sum,
    terms,
    unknown_log_products,
)
from reliability.engine.normal_mixtures import NormalMixture, quantiles_of_mixtures
from reliability.engine.panels import (
    ORDER,
    Features,
    Panels,
    gauss_legendre,
    initial_panels,
    uncovered,
)
from reliability.engine.quadrature import prune, refine, refine_together
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

__all__ = ["LeftOut", "leave_origins_out"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
NAN = float("nan")

#: Accepted error of a panel, relative to each of the posteriors.
TOLERANCE = 1e-11
#: Accepted part of a posterior of the others beyond the nodes, or unresolved over the scatter.
BEYOND = 1e-9
#: Gauss-Legendre nodes per panel of the scatter that serve integrals of resolved densities.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(ORDER // 2)
#: Numbers worked on at once: arrays of 128 kB stay in the cache.
_AT_ONCE = 1 << 14
#: Groups times nodes of p, scatter and x at which likelihoods are summed at once: 32 MB.
_POINTS_AT_ONCE = 1 << 22


@attrs.frozen
class LeftOut:
    """What one origin adds, and how its claims look to the others.

    ``divergence`` is the Kullback-Leibler divergence of the posterior from the one without the
    origin, ``median`` the latter's median on x; ``tail`` one probability per claim of the
    origin. All are nan where nothing is left.
    """

    divergence: float
    median: float
    tail: dict[int, float]


def leave_origins_out(inference: Inference, group: IntArray, dependence: float) -> list[LeftOut]:
    """Leave every origin out in turn.

    Parameters
    ----------
    inference : posterior of all claims
    group : origin of each claim, 0..G-1
    dependence : rho between origins
    """
    origins = int(group.max()) + 1
    found: dict[int, LeftOut] = {}
    factor = 1.0
    if origins > 1:
        factor = (1.0 + (origins - 1) * dependence) / (1.0 + (origins - 2) * dependence)
        try:
            if inference.normal is not None and inference.setup.correlation is None:
                found = _normals(inference, group, factor)
            elif inference.mixture is not None and not _moves(inference):
                found = _mixtures(inference, inference.mixture, group, factor)
        except ReliabilityError:
            # Some prior cannot be made from what one of the origins leaves.
            found = {}
    out: list[LeftOut] = []
    for origin in range(origins):
        left = found.get(origin)
        if left is None:
            members = np.flatnonzero(group == origin)
            try:
                left = _anew(inference, members, factor)
            except ReliabilityError:
                left = LeftOut(NAN, NAN, dict.fromkeys(map(int, members), NAN))
        out.append(left)
    return out


def _moves(inference: Inference) -> bool:
    """Whether the claims' likelihoods themselves change with the claims that are left.

    Under a shared bias, whose size is the smallest stated sd's; and where a Void's constant is
    made with a prior on the scatter that is made from the claims.
    """
    setup = inference.setup
    data_made = setup.scatter is not None and setup.scatter.needs_claims
    return setup.shared > 0.0 or (data_made and setup.law.kind is UnsoundKind.VOID)


def _two_sided(below: float, above: float, form: int) -> float:
    """Probability of a claim at least as far out; a verified bound can only be broken."""
    return below if form == Form.BOUND else min(2.0 * min(below, above), 1.0)


def _existences(inference: Inference, group: IntArray, factor: float) -> list[Existence]:
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
    known: dict[tuple[bytes, ...], Existence] = {}
    out = []
    for origin in range(int(group.max()) + 1):
        key = tuple(sorted(row.tobytes() for row in tails[group == origin]))
        if key not in known:
            rest = columns.take(np.flatnonzero(group != origin))
            known[key] = existence(
                rest.with_fields(share=rest.share * factor),
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


def _anew(inference: Inference, members: IntArray, factor: float) -> LeftOut:
    """The others' posterior on nodes of their own."""
    setup, columns = inference.setup, inference.columns
    rest = np.setdiff1d(np.arange(columns.count), members)
    if not len(rest):
        return LeftOut(NAN, NAN, dict.fromkeys(map(int, members), NAN))
    if setup.correlation is not None:
        setup = attrs.evolve(setup, correlation=setup.correlation[np.ix_(rest, rest)])
    others = columns.take(rest)
    symmetric = (columns.form == Form.NORMAL) & (columns.sd_low == columns.sd_high)
    other = infer(
        others.with_fields(share=others.share * factor),
        setup,
        closed_form=bool(symmetric[members].all()),
    )
    tail: dict[int, float] = {}
    for member in map(int, members):
        if other.mixture is not None:
            below = claim_distribution(columns, member, other.mixture)
            above = 1.0 - below
        else:
            assert other.normal is not None  # noqa: S101 - one of both is there
            below, above = _normal_sides(inference, member, rest, other.normal)
        tail[member] = _two_sided(below, above, int(columns.form[member]))
    full = inference.distribution
    if inference.mixture is not None:
        where = features(inference.mixture.problem)
    else:
        assert isinstance(full, NormalMixture)  # noqa: S101 - the closed form's
        where = full.features
        if isinstance(other.distribution, NormalMixture):
            where = _joined(where, other.distribution.features)
    return LeftOut(
        _divergence(full, other.distribution, initial_panels(where)),
        _median(other.distribution),
        tail,
    )


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


def _divergence(full: Distribution, other: Distribution, first: Panels) -> float:
    """Kullback-Leibler divergence of a distribution from another.

    Parameters
    ----------
    full, other : the distributions
    first : panels that know where both of them bend
    """

    def log_of(distribution: Distribution, panels: Panels) -> Array:
        d, _ = panels.nodes()
        if isinstance(distribution, PanelDensity):
            x = panels.anchor[:, None] + d
            inside = (x >= distribution.low) & (x <= distribution.high)
            logs = distribution.evaluate(panels.anchor[:, None], d)
            return np.where(inside, logs - distribution.mesh.log_total[0], -np.inf)
        return distribution.log_density(panels.anchor[:, None] + d)

    def own(panels: Panels) -> Array:
        return log_of(full, panels)

    def gap(panels: Panels) -> Array:
        with np.errstate(invalid="ignore"):
            return np.nan_to_num(own(panels) - log_of(other, panels), nan=0.0, posinf=1e300)

    def factor(panels: Panels) -> tuple[Array, Array]:
        values = gap(panels)
        with np.errstate(divide="ignore"):
            return np.log(np.abs(values)), np.sign(values)

    mesh = refine(first, own, 1, integrands=(factor,), tolerance=TOLERANCE, noise=1e-13)
    mass = mesh.node_mass
    values = gap(mesh.panels)
    if np.any((values > 1e250) & (mass > 0.0)):
        return np.inf
    return max(float(np.sum(mass * values)), 0.0)


def _joined(one: Features, other: Features) -> Features:
    """Features of both of two distributions of one quantity."""
    return attrs.evolve(
        one,
        quantity=np.concatenate([one.quantity, other.quantity]),
        location=np.concatenate([one.location, other.location]),
        scale=np.concatenate([one.scale, other.scale]),
    )


def _median(distribution: Distribution) -> float:
    half = np.array(0.5)
    return float(distribution.quantile(half, half))


# ------------------------------------------------------------------ all normal, all at once


def _normals(inference: Inference, group: IntArray, factor: float) -> dict[int, LeftOut]:
    """The closed form without every origin in turn, on common nodes of the scatter."""
    full, columns = inference.normal, inference.columns
    assert full is not None  # noqa: S101 - only called with a closed form
    origins = np.arange(int(group.max()) + 1)
    chosen = group != origins[:, None]
    tails = _existences(inference, group, factor)
    power = np.array([exists.scatter_power if exists.proper else 0.0 for exists in tails])
    origins = origins[power > 0.0]
    chosen, power = chosen[origins], power[origins]
    if not len(origins):
        return {}
    # The posterior of all claims comes last.
    every = np.vstack([chosen, np.ones(columns.count, dtype=bool)])
    share = np.where(chosen, columns.share * factor, 0.0)
    stated_sd = np.where(every, columns.stated_sd, np.inf).min(axis=1)
    problem = attrs.evolve(
        full.problem,
        share=np.vstack([share, columns.share]),
        shared_variance=((inference.setup.shared * stated_sd) ** 2)[:, None],
    )
    power = np.append(power, inference.existence.scatter_power)
    scatter, log_weight, mean, variance, served = _on_scatter_nodes(full, problem, power)
    weight, sds = np.exp(log_weight), np.sqrt(variance)
    half = np.full(len(origins), 0.5)
    median = quantiles_of_mixtures(weight[:-1], mean[:-1], sds[:-1], half, half)
    divergence = _divergences(log_weight, mean, sds)
    if inference.setup.shared > 0.0:
        of_z = normal.conditional_of_claims(problem, scatter)
        mean, variance = of_z.mean, of_z.variance
    place = np.full(int(group.max()) + 1, -1)
    place[origins] = np.arange(len(origins))
    rows = np.flatnonzero(place[group] >= 0)
    at = place[group[rows]]
    below, above = normal.claim_sides(
        weight[at],
        mean[at],
        variance[at],
        full.problem.value[rows, None],
        full.problem.variances(scatter)[rows],
    )
    both = np.minimum(2.0 * np.minimum(below, above), 1.0).tolist()
    tail: list[dict[int, float]] = [{} for _ in origins]
    for row, number, value in zip(rows.tolist(), at.tolist(), both, strict=True):
        tail[number][row] = value
    return {
        int(origin): LeftOut(float(divergence[k]), float(median[k]), tail[k])
        for k, origin in enumerate(origins)
        if served[k]
    }


def _on_scatter_nodes(
    full: normal.NormalSolution, problem: normal.NormalProblem, power: Array
) -> tuple[Array, Array, Array, Array, NDArray[np.bool_]]:
    """Common nodes of the scatter for selections of claims, and which of these they serve.

    Returns
    -------
    nodes; log weights, means and variances of x, each (G, nodes); whether nothing is missing
    """
    count = len(problem.share)
    if full.problem.scatter is None or full.mesh is None:
        given = normal.conditional(problem, full.scatter)
        mean, variance = (np.broadcast_to(a, (count, 1)) for a in (given.mean, given.variance))
        return full.scatter, np.zeros((count, 1)), mean, variance, np.ones(count, dtype=bool)

    def on_nodes(panels: Panels, d: Array) -> tuple[Array, normal.Conditional]:
        scatter = panels.anchor[:, None] + d
        given = normal.conditional(problem, scatter.ravel())
        prior = normal.log_prior(problem, scatter)
        return prior + given.log_evidence.reshape(prior.shape), given

    def largest(panels: Panels, d: Array) -> Array:
        logs, _ = on_nodes(panels, d)
        return np.asarray((logs - logs.max(axis=(1, 2), keepdims=True)).max(axis=0))

    first, _, _ = prune(full.mesh.panels, largest)
    meshes, _ = refine_together(
        first,
        lambda panels: on_nodes(panels, panels.nodes()[0])[0],
        count,
        tolerance=TOLERANCE,
        noise=normal.rounding(problem),
    )
    panels = meshes[0].panels
    mass = np.stack([mesh.node_mass.sum(axis=1) for mesh in meshes])
    served = np.ones(count, dtype=bool)
    if panels.high[-1] == full.mesh.panels.high[-1]:
        served = _beyond(mass[:, -1], power) < BEYOND
    # Between two posteriors that live far apart, what is nothing to both still joins them.
    live = np.flatnonzero((mass > 1e-15).any(axis=0))
    panels = panels.take(slice(live[0], live[-1] + 1))
    # Panels on which a polynomial of degree 15 serves need half as many Gaussian nodes.
    d, slope = panels.at(np.broadcast_to(_NODES, (panels.count, len(_NODES))))
    logs, given = on_nodes(panels, d)
    log_weight = (logs + (slope + np.log(_WEIGHTS))).reshape(count, -1)
    log_weight -= np.concatenate([mesh.log_total for mesh in meshes])[:, None]
    total = np.exp(log_weight).sum(axis=1)
    served = served & (np.abs(total - 1.0) < BEYOND)
    log_weight -= np.log(total)[:, None]
    scatter = (panels.anchor[:, None] + d).ravel()
    return scatter, log_weight, given.mean, given.variance, served


#: Step of the trapezoid rule of the divergence, in the inverse hyperbolic sine of x.
_STEP = 0.2


def _divergences(log_weight: Array, mean: Array, sd: Array) -> Array:
    """Kullback-Leibler divergences of the last of several mixtures of normals from the others.

    By the trapezoid rule in u, x = centre + s sinh(u): on a smooth function its error is
    exp(-c/step), so that halving the step squares it.
    """
    full = NormalMixture.of(np.exp(log_weight[-1]), mean[-1], sd[-1])
    center, scale = float(full.weights @ full.means), float(full.weights @ full.sds)
    reach = 2.5
    while reach < 30.0:
        end = center + scale * np.sinh(np.array([-reach, reach]))
        if full.below(end[:1])[0] + full.above(end[1:])[0] < 1e-14:
            break
        reach += 0.25
    step = _STEP
    for _ in range(4):
        pieces = 2 * int(np.ceil(reach / step))
        u = np.linspace(-reach, reach, pieces + 1)
        logs = _log_mixtures(log_weight, mean, sd, center + scale * np.sinh(u))
        mass = np.exp(logs[-1]) * scale * np.cosh(u) * (u[1] - u[0])
        each = np.where(mass > 0.0, mass * (logs[-1] - logs[:-1]), 0.0)
        fine, coarse = each.sum(axis=1), 2.0 * each[:, ::2].sum(axis=1)
        resolved = abs(float(mass.sum()) - 1.0) < 1e-10
        if resolved and np.all(np.abs(fine - coarse) < 2e-5 * (1.0 + fine)):
            return np.asarray(np.maximum(fine, 0.0))
        step *= 0.5
    # The logarithm of a mixture far from the full one may bend where that is smooth.
    out = []
    for k in range(len(mean) - 1):
        other = NormalMixture(np.exp(log_weight[k]), mean[k], sd[k])
        first = initial_panels(_joined(full.features, other.features))
        out.append(_divergence(full, other, first))
    return np.array(out)


def _log_mixtures(log_weight: Array, mean: Array, sd: Array, x: Array) -> Array:
    """Log densities of mixtures of normals (rows, components) at points (points,)."""
    out = np.empty((len(mean), len(x)))
    inverse = 1.0 / sd
    log_height = log_weight - np.log(sd * np.sqrt(2.0 * np.pi))
    height = np.exp(log_height)
    step = max(_AT_ONCE // (len(x) * mean.shape[1]), 1)
    for begin in range(0, len(mean), step):
        part = slice(begin, begin + step)
        z = x[None, :, None] - mean[part, None, :]
        z *= inverse[part, None, :]
        z *= z
        z *= -0.5
        # Exponentials that underflow are several times slower.
        sums = (np.exp(np.maximum(z, -600.0)) @ height[part, :, None])[:, :, 0]
        # Where that has underflowed, its logarithm all the same.
        far = sums < 1e-250
        row, point = np.nonzero(far)
        sums[far] = 1.0
        np.log(sums, out=out[part])
        if len(row):
            out[begin + row, point] = log_sum(z[row, point] + log_height[begin + row], 1)
    return out


# ------------------------------------------------------------------ the general model, all at once


def _moves_hull(inference: Inference, rest: IntArray) -> bool:
    """Whether the prior is made from the claims that are left, so that nothing can be reused."""
    made_from = inference.prior.made_from
    if made_from is None or not getattr(made_from[0], "needs_hull", False):
        return False
    return hulls(inference.columns) != hulls(inference.columns.take(rest))


def _mixtures(
    inference: Inference, solution: Solution, group: IntArray, factor: float
) -> dict[int, LeftOut]:
    """The general model without every origin in turn, on common nodes of x and scatter."""
    columns = inference.columns
    possible: dict[int, Existence] = {}
    for origin, exists in enumerate(_existences(inference, group, factor)):
        rest = np.flatnonzero(group != origin)
        if exists.proper and not _moves_hull(inference, rest):
            possible[origin] = exists
    if not possible:
        return {}
    without = _Without(solution, group, np.array(list(possible)), factor)
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
            tail[int(member)] = _two_sided(
                probability, 1.0 - probability, int(columns.form[member])
            )
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
    factor: float

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
        others = np.zeros_like(every)
        others[1:] = np.cumsum(every[:-1], axis=0)
        others[:-1] += np.cumsum(every[:0:-1], axis=0)[::-1]
        return np.concatenate([self.factor * others[self.origins], every.sum(axis=0)[None]])

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
