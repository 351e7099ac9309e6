"""Who moved the answer, and who is probably wrong: per-claim results under the general model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.engine.features import features
from reliability.engine.likelihoods import (
    Claims,
    Scatter,
    UnsoundKind,
    distribution_of_claim,
    log_point_sd,
    unsound_precision,
)
from reliability.engine.mixture import (
    ReliabilityRule,
    Terms,
    gauss_rule,
    log_sum,
    logit_rule,
    pick,
    terms,
    unknown_log_products,
    unknown_polynomials,
)
from reliability.engine.moving import Moving
from reliability.engine.panels import ORDER, Panels, initial_panels
from reliability.engine.quadrature import refine
from reliability.engine.scattered import Density

if TYPE_CHECKING:
    from reliability.claims.columns import Columns
    from reliability.engine.scattered import Grid, Solution
    from reliability.priors import Beta

__all__ = [
    "PerClaim",
    "ReliabilityDensity",
    "claim_distribution",
    "paired",
    "per_claim",
    "soundness_of",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


#: Gauss-Jacobi nodes in p for weights.
NODES_OF_P = 24


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
    log_precision = np.log(columns.share)[:, None] - _cube(log_variance, rows)
    log_precision -= log_precision.max(axis=1, keepdims=True)
    precision = np.exp(log_precision)
    relative = _cube(relative, rows)
    log_odds = _cube(some.sound - some.unsound, rows) if law.kind is UnsoundKind.VOID else None
    reliability = columns.reliability
    unknown = np.isnan(reliability)
    steps = _nodes_of_p(solution, grid, some)
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
        if log_odds is not None and total.min() < 1e-250:
            # Where all are nearly surely unsound and say nothing, what little they say counts.
            with np.errstate(divide="ignore", invalid="ignore"):
                odds = np.log(r) - np.log(np.where(unknown, q, 1.0 - reliability)[:, None])
                log_w = log_precision - np.logaddexp(0.0, -(odds + log_odds))
                log_w = np.nan_to_num(log_w - log_w.max(axis=1, keepdims=True), nan=-np.inf)
            w = np.where((total < 1e-250)[:, None], np.exp(log_w), w)
            total = w.sum(axis=1)
        scaled = np.divide(mass, total, out=np.zeros_like(mass), where=total > 0.0)
        soundness += np.einsum("rcn,rn->c", zeta, mass)
        weight += np.einsum("rcn,rn->c", w, scaled)
    total_mass = grid.mass.sum()
    whole = weight.sum()
    return PerClaim(soundness / total_mass, weight / whole if whole > 0.0 else weight)


def _nodes_of_p(solution: Solution, grid: Grid, some: Terms) -> list[tuple[float, float, Array]]:
    """Nodes p and q = 1 - p of the unknown reliability, with the mass of x and scatter at each.

    A weight is rational in p, so that no few nodes are exact as they are for the posterior.
    """
    columns = solution.problem.columns
    unknown = np.isnan(columns.reliability)
    if not unknown.any():
        return [(0.5, 0.5, grid.mass)]
    prior, rule = solution.problem.unknown, solution.rule
    if rule.coarse is None:
        # The weights of claims that say nothing if unsound are singular at p = 0.
        void = solution.problem.law.kind is UnsoundKind.VOID
        rule = logit_rule(prior, columns.share[unknown]) if void else gauss_rule(prior, NODES_OF_P)
        if solution.rule.constants is not None:
            rule, _ = rule.beside(solution.rule.constants)
    logs = unknown_log_products(columns, some, rule) + rule.log_weight[:, None, None]
    share_of_p = np.exp(logs - log_sum(logs, 0))
    steps = [
        (float(p), float(q), share_of_p[k] * grid.mass)
        for k, (p, q) in enumerate(zip(rule.p, rule.q, strict=True))
    ]
    return [step for step in steps if step[2].sum() > 1e-12]


def soundness_of(solution: Solution, columns: Columns) -> float:
    """Posterior probability that one more claim, which does not count, is sound."""
    problem = solution.problem
    grid = solution.nodes(1e-14)
    counted = terms(problem.columns, problem.law, grid.panels, grid.d, grid.scatter)
    some = terms(columns, problem.law, grid.panels, grid.d, grid.scatter)
    reliability = float(columns.reliability[0])
    known = not np.isnan(reliability)
    total = whole = 0.0
    for p, q, mass in _nodes_of_p(solution, grid, counted):
        r, rest = (reliability, 1.0 - reliability) if known else (p, q)
        with np.errstate(over="ignore", divide="ignore"):
            odds = some.sound + np.log(r) - some.unsound - np.log(rest)
            total += float(np.sum(mass / (1.0 + np.exp(-odds))))
        whole += float(mass.sum())
    return total / whole


def _precision(solution: Solution, grid: Grid, some: Terms) -> tuple[Array, Array]:
    """Log variance of each claim at the nodes, and the unsound claim's relative precision."""
    columns, law = solution.problem.columns, solution.problem.law
    log_variance = np.empty_like(some.sound)
    relative = np.empty_like(some.sound)
    for form in np.unique(columns.form):
        index = np.flatnonzero(columns.form[some.row] == form)
        panel = some.panel[index]
        claims = paired(columns, some.row[index], panel, grid)
        at = grid.d[panel]
        log_variance[index] = 2.0 * log_point_sd(claims, at)
        relative[index] = unsound_precision(claims.residual(at), law)
    return log_variance, relative


def paired(columns: Columns, row: IntArray, panel: IntArray, grid: Grid) -> Claims:
    """Claims of one form paired with rows of a grid."""
    scatter = Scatter(pick(grid.scatter.tau, panel), pick(grid.scatter.inflation, panel))
    return Claims.pair(columns, row, grid.anchor.ravel()[panel], scatter)


def claim_distribution(columns: Columns, claim: int, others: Solution) -> float:
    """Predictive probability of a sound claim below the one made, given a posterior.

    Parameters
    ----------
    columns : all claims, where panels may be needed
    claim : row of the claim
    others : posterior of the other claims, over which the probability is averaged
    """
    if others.grid is not None:
        # The distribution of the claim itself bends where its knots and shoulders pass.
        moving = Moving.of(columns, inflation=others.grid.inflation)
        others = attrs.evolve(others, grid=attrs.evolve(others.grid, moving=moving))
    density = Density(others.problem, others.rule, others.grid)

    def log_density(panels: Panels) -> Array:
        d, _ = panels.nodes()
        return density(panels.anchor[:, None], d)

    def below(panels: Panels) -> Array:
        d, _ = panels.nodes()
        anchor = panels.anchor[:, None]
        rows, nodes = others.rows(anchor, d)
        every = np.arange(len(rows.d))
        claims = paired(columns, np.full(len(every), claim), every, rows)
        values = distribution_of_claim(claims, rows.d, columns.knots)
        if others.grid is None:
            return values
        _, joint = density.jointly(anchor, d)
        with np.errstate(invalid="ignore"):
            given = np.nan_to_num(np.exp(joint - nodes.log_sum(joint)[nodes.row]))
        return nodes.sum(given * values)

    def factor(panels: Panels) -> tuple[Array, Array]:
        with np.errstate(divide="ignore"):
            return np.log(below(panels)), np.ones((panels.count, ORDER))

    first = initial_panels(features(attrs.evolve(others.problem, columns=columns)))
    mesh = refine(first, log_density, 1, integrands=(factor,), tolerance=1e-11, noise=1e-13)
    return float(np.sum(mesh.node_mass * below(mesh.panels)))


#: Nodes of p, scatter and x times claims at which likelihoods are summed at once: 32 MB.
_POINTS_AT_ONCE = 1 << 22


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
        constants = self._solution.rule.constants
        if constants is not None:
            out = out + constants.log_likelihood(log_p, log_q)
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

    @staticmethod
    def panels_of(prior: Beta) -> Panels:
        """First panels for logit p: its density falls like exp(-a |logit p|)."""
        low, high = -36.0 / prior.a, 36.0 / prior.b
        edges = np.linspace(low, high, max(int(np.ceil((high - low) / 4.0)), 4) + 1)
        zero = np.zeros(len(edges) - 1)
        kind = np.zeros(len(edges) - 1, dtype=np.int64)
        return Panels(kind, zero, kind, edges[:-1], edges[1:])


#: Claims of unknown reliability up to which their product is multiplied out at once.
_LONGEST = 60
