"""Who moved the answer, and who is probably wrong: per-claim results under the general model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

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
)

if TYPE_CHECKING:
    from reliability.claims.columns import Columns
    from reliability.engine.panels import Panels
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
        steps = [(float(p), share_of_p[k] * grid.mass) for k, p in enumerate(solution.rule.p)]
        steps = [(p, mass) for p, mass in steps if mass.sum() > 1e-12]
    else:
        steps = [(0.5, grid.mass)]
    sure = reliability == 1.0
    soundness, weight = np.zeros(columns.count), np.zeros(columns.count)
    for p, mass in steps:
        r = np.where(unknown, p, reliability)[:, None]
        zeta = r * sound
        with np.errstate(invalid="ignore"):
            zeta /= zeta + (1.0 - r) * unsound
        if sure.any():
            zeta[:, sure] = 1.0
        w = precision * (relative + zeta * (1.0 - relative))
        total = w.sum(axis=1)
        scaled = np.divide(mass, total, out=np.zeros_like(mass), where=total > 0.0)
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


def leave_out(solution: Solution, groups: IntArray, factor: float) -> Array:
    """Log density of x at the mesh's nodes without each group of claims, without scatter.

    The stored log likelihoods of the others are summed again, their shares times ``factor``.

    Parameters
    ----------
    solution : posterior of all claims, without scatter
    groups : (claims,) group of each claim, 0..G-1
    factor : what the shares of the others grow by

    Returns
    -------
    (G, panels, ORDER)
    """
    problem = solution.problem
    columns = problem.columns
    panels = solution.mesh.panels
    d, _ = panels.nodes()
    rows = panels.count
    scatter = Scatter(np.zeros((1, 1)), np.ones((1, 1)))
    some = terms(columns, problem.law, panels, d, scatter)
    count = int(groups.max()) + 1
    reliability = columns.reliability
    unknown = np.isnan(reliability)
    prior = problem.prior.log_density(panels.anchor[:, None], d)
    known, _ = log_mixture(
        _cube(some.sound, rows),
        _cube(some.unsound, rows),
        np.where(unknown, 1.0, reliability)[:, None],
    )
    known = np.where(unknown[:, None], 0.0, np.maximum(known, -1e290) * columns.share[:, None])
    by_group = np.zeros((count, rows, d.shape[1]))
    for claim in range(columns.count):
        by_group[groups[claim]] += known[:, claim]
    out = prior + factor * _sum_of_others(by_group)
    if not unknown.any():
        return out
    return out + _unknown_of_others(solution, some, groups, count, factor)


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


@attrs.frozen(eq=False)
class ReliabilityDensity:
    """Unnormalised log posterior density of logit p, the shared unknown reliability."""

    solution: Solution

    def __call__(self, anchor: Array, d: Array) -> Array:
        """Log density at anchor + d of logit p."""
        solution = self.solution
        prior = solution.problem.unknown
        columns = solution.problem.columns
        logit = (anchor + d).ravel()
        grid = solution.nodes(1e-18)
        some = terms(columns, solution.problem.law, grid.panels, grid.d, grid.scatter)
        at_rule = unknown_log_products(columns, some, solution.rule)
        average = log_sum(at_rule + solution.rule.log_weight[:, None, None], 0)
        log_p, log_q = -np.logaddexp(0.0, -logit), -np.logaddexp(0.0, logit)
        rule = ReliabilityRule(np.exp(log_p), np.zeros_like(log_p), None)
        out = np.empty(len(logit))
        for begin in range(0, len(logit), 16):
            part = slice(begin, begin + 16)
            step = ReliabilityRule(rule.p[part], rule.log_weight[part], None)
            products = unknown_log_products(columns, some, step)
            with np.errstate(divide="ignore"):
                terms_of_x = products - average + np.log(grid.mass)
            out[part] = log_sum(terms_of_x.reshape(len(step.p), -1), 1)
        out = out + prior.a * log_p + prior.b * log_q - float(betaln(prior.a, prior.b))
        return out.reshape(np.broadcast_shapes(anchor.shape, d.shape))

    def on_panels(self, panels: Panels) -> Array:
        """Log density at the nodes of panels."""
        d, _ = panels.nodes()
        return self(panels.anchor[:, None], d)
