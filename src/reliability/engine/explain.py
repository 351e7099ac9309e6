"""Who moved the answer, and who is probably wrong: per-claim results under the general model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.engine.likelihoods import (
    Claims,
    Scatter,
    distribution_of_claim,
    log_point_sd,
    unsound_precision,
)
from reliability.engine.mixture import (
    ReliabilityRule,
    Terms,
    log_mixture,
    log_sum,
    pick,
    terms,
    unknown_log_products,
    unknown_polynomials,
)
from reliability.engine.panels import ORDER, Panels

if TYPE_CHECKING:
    from reliability.claims.columns import Columns
    from reliability.engine.scattered import Grid, Solution

__all__ = [
    "PerClaim",
    "ReliabilityDensity",
    "claim_distribution",
    "leave_out",
    "per_claim",
    "soundness_of",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


@attrs.frozen(eq=False)
class PerClaim:
    """Posterior means per claim: probability of being sound, and weight (sum 1)."""

    soundness: Array
    weight: Array


def _cube(values: Array, rows: int) -> Array:
    """(pairs, nodes) of one quantity -> (rows, claims, nodes)."""
    return values.reshape(rows, -1, values.shape[-1])


def per_claim(solution: Solution) -> PerClaim:
    """Soundness and weights, averaged over the posterior of x, scatter and p.

    A claim's weight at x is ``w = a E(1/sigma^2 | x)`` over the total, where an unsound claim's
    true sd is itself uncertain (see ``unsound_precision``).
    """
    problem = solution.problem
    columns, law = problem.columns, problem.law
    grid = solution.nodes(1e-14)
    panels = grid.panels
    rows = panels.count
    some = terms(columns, law, panels, grid.d, grid.scatter)
    log_variance, relative = _precision(solution, grid, some)
    top = np.maximum(some.sound, some.unsound)
    with np.errstate(invalid="ignore"):
        sound = _cube(np.exp(some.sound - top), rows)
        unsound = _cube(np.exp(some.unsound - top), rows)
    precision = columns.share[:, None] * np.exp(-_cube(log_variance, rows))
    relative = _cube(relative, rows)
    reliability = columns.reliability
    unknown = np.isnan(reliability)
    if unknown.any():
        products = unknown_log_products(columns, some, solution.rule)
        logs = products + solution.rule.log_weight[:, None, None]
        share_of_p = np.exp(logs - log_sum(logs, 0))
        steps = [
            (float(p), float(q), share_of_p[k] * grid.mass)
            for k, (p, q) in enumerate(zip(solution.rule.p, solution.rule.q, strict=True))
        ]
        steps = [step for step in steps if step[2].sum() > 1e-12]
    else:
        steps = [(0.5, 0.5, grid.mass)]
    sure = reliability == 1.0
    soundness, weight = np.zeros(columns.count), np.zeros(columns.count)
    for p, q, mass in steps:
        r = np.where(unknown, p, reliability)[:, None]
        zeta = r * sound
        with np.errstate(invalid="ignore"):
            zeta /= zeta + np.where(unknown, q, 1.0 - reliability)[:, None] * unsound
        if sure.any():
            zeta[:, sure] = 1.0
        w = precision * (relative + zeta * (1.0 - relative))
        total = w.sum(axis=1)
        # Where every claim is surely unsound and says nothing, none has a weight.
        scaled = np.divide(mass, total, out=np.zeros_like(mass), where=total > 1e-250 * mass)
        soundness += np.einsum("rcn,rn->c", zeta, mass)
        weight += np.einsum("rcn,rn->c", w, scaled)
    total_mass = grid.mass.sum()
    whole = weight.sum()
    return PerClaim(soundness / total_mass, weight / whole if whole > 0.0 else weight)


def soundness_of(solution: Solution, columns: Columns) -> float:
    """Posterior probability that one more claim, which does not count, is sound."""
    grid = solution.nodes()
    some = terms(columns, solution.problem.law, grid.panels, grid.d, grid.scatter)
    r = columns.reliability[0]
    r = solution.problem.unknown.mean if np.isnan(r) else r
    _, odds = log_mixture(some.sound, some.unsound, np.asarray(r))
    with np.errstate(over="ignore"):
        zeta = 1.0 / (1.0 + np.exp(-odds))
    return float(np.sum(zeta * grid.mass) / grid.mass.sum())


def _precision(solution: Solution, grid: Grid, some: Terms) -> tuple[Array, Array]:
    """Log variance of each claim at the nodes, and the unsound claim's relative precision."""
    columns, law = solution.problem.columns, solution.problem.law
    log_variance = np.empty_like(some.sound)
    relative = np.empty_like(some.sound)
    for form in np.unique(columns.form):
        index = np.flatnonzero(columns.form[some.row] == form)
        panel = some.panel[index]
        claims = _pair(columns, some.row[index], panel, grid)
        at = grid.d[panel]
        log_variance[index] = 2.0 * log_point_sd(claims, at)
        relative[index] = unsound_precision(claims.residual(at), law)
    return log_variance, relative


def _pair(columns: Columns, row: IntArray, panel: IntArray, grid: Grid) -> Claims:
    scatter = Scatter(pick(grid.scatter.tau, panel), pick(grid.scatter.inflation, panel))
    return Claims.pair(columns, row, grid.anchor.ravel()[panel], scatter)


def claim_distribution(columns: Columns, claim: int, solution: Solution) -> float:
    """Predictive probability of a sound claim below the one made, given a posterior.

    ``solution`` is the posterior of the other claims; the probability is averaged over it.
    """
    grid = solution.nodes()
    rows = np.arange(len(grid.d))
    claims = _pair(columns, np.full(len(rows), claim), rows, grid)
    values = distribution_of_claim(claims, grid.d, columns.knots)
    return float(np.sum(values * grid.mass) / grid.mass.sum())


# ------------------------------------------------------------------ leaving claims out


@attrs.frozen(eq=False)
class LeftOutLogs:
    """The posterior of the other claims at the mesh's nodes, for each group left out.

    ``log_density`` (G, panels, ORDER) is unnormalised; ``below`` (claims, panels, ORDER) the
    probability, given x and the others, of a sound claim below the one made;
    ``scatter_at_end`` (G, panels, ORDER) the share of the last panel of the scatter, which
    shows whether the scatter's nodes still serve.
    """

    log_density: Array
    below: Array
    scatter_at_end: Array


def leave_out(solution: Solution, groups: IntArray, factor: float) -> LeftOutLogs:
    """Leave every group of claims out, on the nodes of all.

    The log likelihoods of the others are summed again, their shares times ``factor``.

    Parameters
    ----------
    solution : posterior of all claims
    groups : (claims,) group of each claim, 0..G-1
    factor : what the shares of the others grow by
    """
    columns, panels = solution.problem.columns, solution.mesh.panels
    d, _ = panels.nodes()
    count, values = int(groups.max()) + 1, 1 if solution.grid is None else len(solution.grid.values)
    log_weight = solution.log_weights_without(groups)
    logs = np.empty((count, *d.shape))
    below = np.empty((columns.count, *d.shape))
    at_end = np.zeros((count, *d.shape))
    nodes_of_p = len(solution.rule.p) if np.isnan(columns.reliability).any() else 1
    step = max(_POINTS_AT_ONCE // (count * nodes_of_p * values * d.shape[1]), 1)
    for begin in range(0, panels.count, step):
        part = slice(begin, begin + step)
        rows = solution.rows(panels.anchor[part][:, None], d[part])
        shape = (len(d[part]), values, d.shape[1])
        prior = solution.problem.prior.log_density(panels.anchor[part][:, None], d[part])
        others = _others(solution, rows, groups, count, factor).reshape(count, *shape)
        joint = others + prior[:, None, :] + log_weight[:, None, :, None]
        logs[:, part] = log_sum(joint, 2)
        with np.errstate(invalid="ignore"):
            given = np.nan_to_num(np.exp(joint - logs[:, part][:, :, None, :]))
        if solution.grid is not None:
            at_end[:, part] = given[:, :, -ORDER:, :].sum(axis=2)
        for claim in range(columns.count):
            paired = _pair(columns, np.full(len(rows.d), claim), np.arange(len(rows.d)), rows)
            value = distribution_of_claim(paired, rows.d, columns.knots).reshape(shape)
            below[claim, part] = (given[groups[claim]] * value).sum(axis=1)
    return LeftOutLogs(logs, below, at_end)


#: Groups times nodes of p, scatter and x at which likelihoods are summed at once: 32 MB.
_POINTS_AT_ONCE = 1 << 22


def _others(solution: Solution, rows: Grid, groups: IntArray, count: int, factor: float) -> Array:
    """Log likelihood of all claims but each group's, p integrated out: (G, rows, nodes)."""
    columns = solution.problem.columns
    some = terms(columns, solution.problem.law, rows.panels, rows.d, rows.scatter)
    unknown = np.isnan(columns.reliability)
    known, _ = log_mixture(
        _cube(some.sound, len(rows.d)),
        _cube(some.unsound, len(rows.d)),
        np.where(unknown, 1.0, columns.reliability)[:, None],
    )
    known = np.where(unknown[:, None], 0.0, np.maximum(known, -1e290) * columns.share[:, None])
    by_group = np.zeros((count, *rows.d.shape))
    for claim in range(columns.count):
        by_group[groups[claim]] += known[:, claim]
    out = factor * _sum_of_others(by_group)
    if unknown.any():
        out = out + _unknown_of_others(solution, some, groups, count, factor)
    return np.asarray(out)


def _sum_of_others(by_group: Array) -> Array:
    """For each group the sum over all other groups, by sums from both ends: nothing cancels."""
    total = np.zeros_like(by_group)
    total[1:] = np.cumsum(by_group[:-1], axis=0)
    total[:-1] += np.cumsum(by_group[:0:-1], axis=0)[::-1]
    return total


def _unknown_of_others(
    solution: Solution, some: Terms, groups: IntArray, count: int, factor: float
) -> Array:
    """Log of the integral over p of the unknown claims' likelihoods, without each group."""
    columns, rule = solution.problem.columns, solution.rule
    nodes, rows = some.sound.shape[1], len(some.starts)
    by_group = np.zeros((count, len(rule.p), rows, nodes))
    for group in range(count):
        members = np.flatnonzero((groups == group) & np.isnan(columns.reliability))
        if not len(members):
            continue
        index = np.flatnonzero(np.isin(some.row, members))
        row = np.searchsorted(members, some.row[index])
        part = Terms(some.sound[index], some.unsound[index], some.panel[index], row, some.starts)
        by_group[group] = unknown_log_products(columns.take(members), part, rule)
    others = factor * _sum_of_others(by_group)
    return log_sum(others + rule.log_weight[None, :, None, None], 1)


# ------------------------------------------------------------------ the unknown reliability


class ReliabilityDensity:
    """Unnormalised log posterior density of logit p, the shared unknown reliability.

    With all shares 1 it is exactly a mixture of Beta densities: at every x the product of the
    claims' likelihoods is a polynomial in p, whose coefficients are averaged over x and
    scatter. With other shares the average is taken anew at every p.
    """

    def __init__(self, solution: Solution) -> None:
        self._prior = solution.problem.unknown
        columns = solution.problem.columns
        self._rows = np.flatnonzero(np.isnan(columns.reliability))
        self._columns = columns.take(self._rows)
        self._solution = solution
        self._exact = bool(np.all(self._columns.share == 1.0)) and len(self._rows) <= _LONGEST
        self._coefficients = self._average() if self._exact else np.zeros(0)

    def _blocks(self) -> Iterator[tuple[Terms, Array, Array]]:
        """Terms of the unknown claims at the posterior's nodes, log mean over p, log mass."""
        solution = self._solution
        grid = solution.nodes(1e-13)
        step = max(_POINTS_AT_ONCE // (16 * ORDER * (len(self._rows) + 1)), 1)
        for begin in range(0, len(grid.d), step):
            part = grid.part(slice(begin, begin + step))
            some = terms(self._columns, solution.problem.law, part.panels, part.d, part.scatter)
            products = unknown_log_products(self._columns, some, solution.rule)
            mean = log_sum(products + solution.rule.log_weight[:, None, None], 0)
            with np.errstate(divide="ignore"):
                yield some, mean, np.log(part.mass)

    def _average(self) -> Array:
        """Coefficients of p^j (1 - p)^(m - j), averaged over the posterior."""
        m = len(self._rows)
        total = np.zeros(m + 1)
        for some, mean, log_mass in self._blocks():
            top, coefficients = unknown_polynomials(some, m)
            weight = np.exp(log_mass - mean + top)
            total += np.einsum("jrn,rn->j", coefficients, weight)
        return total

    def __call__(self, anchor: Array, d: Array) -> Array:
        """Log density at anchor + d of logit p."""
        logit = (anchor + d).ravel()
        log_p, log_q = -np.logaddexp(0.0, -logit), -np.logaddexp(0.0, logit)
        if self._exact:
            j = np.arange(len(self._coefficients))
            with np.errstate(divide="ignore"):
                logs = np.log(self._coefficients)
            powers = log_p[:, None] * j + log_q[:, None] * (len(self._rows) - j)
            out = log_sum(powers + logs, 1)
        else:
            out = self._tempered(np.exp(log_p), np.exp(log_q))
        out = out + self._prior.a * log_p + self._prior.b * log_q
        return np.asarray(out.reshape(np.broadcast_shapes(anchor.shape, d.shape)))

    def _tempered(self, p: Array, q: Array) -> Array:
        out = np.full(len(p), -np.inf)
        for some, mean, log_mass in self._blocks():
            for begin in range(0, len(p), 16):
                part = slice(begin, begin + 16)
                step = ReliabilityRule(p[part], q[part], np.zeros(len(p[part])), None)
                products = unknown_log_products(self._columns, some, step)
                each = (products - mean + log_mass).reshape(len(step.p), -1)
                out[part] = np.logaddexp(out[part], log_sum(each, 1))
        return out

    def panels(self) -> Panels:
        """First panels for logit p: its density falls like exp(-a |logit p|)."""
        low, high = -36.0 / self._prior.a, 36.0 / self._prior.b
        edges = np.linspace(low, high, max(int(np.ceil((high - low) / 4.0)), 4) + 1)
        zero = np.zeros(len(edges) - 1)
        kind = np.zeros(len(edges) - 1, dtype=np.int64)
        return Panels(kind, zero, kind, edges[:-1], edges[1:])

    def on_panels(self, panels: Panels) -> Array:
        """Log density at the nodes of panels."""
        d, _ = panels.nodes()
        return self(panels.anchor[:, None], d)


#: Claims of unknown reliability up to which their product is multiplied out at once.
_LONGEST = 60
