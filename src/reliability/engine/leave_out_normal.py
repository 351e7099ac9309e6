"""The closed form without every origin in turn, all at once.

Given the scatter every posterior is a normal, so one rule over the scatter that serves all of them
is everything that is needed. It is the trapezoid rule in v, scatter = low + s exp(v - exp(-v)):
whatever the prior does at the lower end, the densities vanish there doubly exponentially, and
being smooth in v they are integrated to all digits by few nodes (Takahasi & Mori 1974).
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.engine import normal
from reliability.engine.divergence import divergences_of_mixtures
from reliability.engine.inference import Inference
from reliability.engine.normal_mixtures import quantiles_of_mixtures
from reliability.engine.panels import LARGEST_LOG_SCATTER
from reliability.engine.scatter_rule import double_exponential

__all__ = ["NormalsWithout", "normals_without"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Step of the trapezoid rule in sds of v under all claims, and at the most: poles of the
#: densities at the claims' own sds lie about 1 from the real axis.
_STEP_IN_SDS, _LARGEST_STEP = 0.45, 0.175
#: A rule is accepted where twice its step gives the same masses up to this: halving the step at
#: least squares the error of a rule on a smooth function.
_AGREEMENT = 1e-4
#: Accepted error of a mass: how far the posterior of all claims may be from what it is known to be.
_ERROR = 1e-10
#: Times that the step is halved.
_HALVINGS = 4
#: Nodes that hold less than this of every posterior are left out, and what may lie beyond them.
_NOTHING = 1e-13
#: Nodes by which the rule is extended at first; twice as many every time, at the most so often.
_MORE, _EXTENSIONS = 24, 8
#: Where v ends for a density that does not vanish at the lower end: exp(v - exp(-v)) is 1e-18.
_LOWER = -3.6
#: Where v ends: exp(v - exp(-v)) is 1e-178, but still a float.
_LOWEST = -6.0
#: Densities that fall more slowly than this power hold something beyond the floats' squares.
_SLOWEST = 1.15


@attrs.frozen(eq=False)
class NormalsWithout:
    """Posteriors without each of some origins, compared with the posterior of all claims.

    ``origin``, ``divergence`` and ``median`` (on x) one entry per origin that could be left out;
    ``tail`` two-sided, one entry per claim, nan for those of other origins.
    """

    origin: IntArray
    divergence: Array
    median: Array
    tail: Array


def normals_without(
    inference: Inference, group: IntArray, growth: Array | float
) -> NormalsWithout | None:
    """Leave every origin out of a posterior in closed form; None where it cannot be done.

    Parameters
    ----------
    inference : posterior of all claims, in closed form and without correlations
    group : origin of each claim, 0..G-1
    growth : by which the other claims' shares grow when an origin is left out: (G, G), the origin
        left out first, or one number
    """
    full, columns = inference.normal, inference.columns
    assert full is not None  # noqa: S101 - only called with a closed form
    count = int(group.max()) + 1
    grown = columns.share * np.broadcast_to(growth, (count, count))[:, group]
    share = np.where(group != np.arange(count)[:, None], grown, 0.0)
    # A tail in the scatter, and so whether there is a posterior, is a matter of the shares' sum.
    every = inference.existence.scatter_power
    power = every + (share.sum(axis=1) - columns.share.sum())
    origins = np.flatnonzero(power > _SLOWEST)
    if not len(origins) or every <= _SLOWEST:
        return None
    # The posterior of all claims comes last.
    share = np.vstack([share[origins], columns.share])
    stated_sd = np.where(share > 0.0, columns.stated_sd, np.inf).min(axis=1)
    problem = attrs.evolve(
        full.problem,
        share=share,
        shared_variance=((inference.setup.shared * stated_sd) ** 2)[:, None],
    )
    rule = _rule(full, problem, np.append(power[origins], every))
    if rule is None:
        return None
    weight, sds = np.exp(rule.log_weight), np.sqrt(rule.variance)
    half = np.full(len(origins), 0.5)
    median = quantiles_of_mixtures(weight[:-1], rule.mean[:-1], sds[:-1], half, half)
    divergence = divergences_of_mixtures(rule.log_weight, rule.mean, sds)
    of_z: _Rule | normal.Conditional = rule
    if inference.setup.shared > 0.0:
        of_z = normal.conditional_of_claims(problem, rule.scatter)
    tail = np.full(columns.count, np.nan)
    place = np.full(count, -1)
    place[origins] = np.arange(len(origins))
    rows = np.flatnonzero(place[group] >= 0)
    at = place[group[rows]]
    below, above = normal.claim_sides(
        weight[at],
        of_z.mean[at],
        of_z.variance[at],
        full.problem.value[rows, None],
        full.problem.variances(rule.scatter)[rows],
    )
    tail[rows] = np.minimum(2.0 * np.minimum(below, above), 1.0)
    return NormalsWithout(origins, divergence, median, tail)


@attrs.frozen(eq=False)
class _Rule:
    """Nodes of the scatter; for each selection of claims, log weights and the normals given it.

    ``scatter`` (nodes,); ``log_weight``, ``mean`` and ``variance`` (G, nodes).
    """

    scatter: Array
    log_weight: Array
    mean: Array
    variance: Array

    def take(self, nodes: slice | IntArray) -> _Rule:
        """Some of the nodes."""
        return _Rule(
            self.scatter[nodes],
            self.log_weight[:, nodes],
            self.mean[:, nodes],
            self.variance[:, nodes],
        )


@attrs.frozen(eq=False)
class _Coordinate:
    """Scatter as a function of v, in which its densities are smooth and vanish at both ends."""

    low: float
    scale: float

    @classmethod
    def of(cls, problem: normal.NormalProblem) -> _Coordinate:
        """With the smallest scale at which the densities bend."""
        prior = problem.scatter
        assert prior is not None  # noqa: S101 - only called with a scatter
        if prior.low > 0.0:
            return cls(prior.low, prior.low)
        smallest = float(np.sqrt(problem.variance.min()))
        location = prior.location()
        return cls(0.0, smallest if location is None else min(smallest, location))

    def v(self, scatter: Array) -> Array:
        """Coordinate of scatters, to two digits: where nodes go needs no more."""
        t = np.log(np.maximum((scatter - self.low) / self.scale, 1e-100))
        v = np.where(t > 0.0, t, -np.log1p(-np.minimum(t, 0.0)))
        for _ in range(2):
            shrink = np.exp(-v)
            v = v - (v - shrink - t) / (1.0 + shrink)
        return np.asarray(v)

    def rule(self, problem: normal.NormalProblem, v: NDArray[np.floating]) -> _Rule:
        """Nodes at coordinates v with the densities of v in place of weights."""
        log_distance, log_slope = double_exponential(np.asarray(v, dtype=np.float64))
        log_distance += np.log(self.scale)
        scatter = self.low + np.exp(log_distance)
        given = normal.conditional(problem, scatter)
        log_density = normal.log_prior(problem, scatter[None, :])[:, 0] + given.log_evidence
        log_density += log_distance + log_slope
        return _Rule(scatter, log_density, given.mean, given.variance)


def _rule(full: normal.NormalSolution, problem: normal.NormalProblem, power: Array) -> _Rule | None:
    """A rule over the scatter for several selections of claims, of which the last is all.

    Parameters
    ----------
    full : posterior of all claims
    problem : with a row of shares for every selection
    power : every selection's density of the scatter falls like its inverse to this power
    """
    if full.problem.scatter is None:
        given = normal.conditional(problem, full.scatter)
        shape = len(problem.share), 1
        mean, variance = (np.broadcast_to(a, shape) for a in (given.mean, given.variance))
        return _Rule(full.scatter, np.zeros(shape), mean, variance)
    coordinate = _Coordinate.of(problem)
    heavy = full.weight > 1e-16
    v, weight = coordinate.v(full.scatter[heavy]), full.weight[heavy]
    sd = np.sqrt(weight @ (v - weight @ v) ** 2)
    step = min(_STEP_IN_SDS * float(sd), _LARGEST_STEP)
    first, last = int(v.min() / step), int(v.max() / step)
    # Without an outlier there is more at the lower end.
    ends = max(first - _MORE, min(int(_LOWER / step), first - 4)), last + 4
    rule = coordinate.rule(problem, step * np.arange(ends[0], ends[1] + 1))
    rule, first = _extended(rule, coordinate, problem, ends, step, power)
    for _ in range(_HALVINGS + 1):
        top = rule.log_weight.max(axis=1)
        mass = np.exp(rule.log_weight - top[:, None])
        total = mass.sum(axis=1)
        doubt = np.abs(2.0 * mass[:, ::2].sum(axis=1) - total) / total
        # Of one of them the integral is known, by another rule.
        error = abs(top[-1] + np.log(step * total[-1]) - full.log_total)
        if doubt.max() < _AGREEMENT and error < _ERROR + full.error:
            holds = np.flatnonzero((mass > _NOTHING * total[:, None]).any(axis=0))
            # Between two posteriors that live far apart, what is nothing to both still joins them.
            rule = rule.take(slice(holds[0], holds[-1] + 1))
            log_total = np.log(mass[:, holds[0] : holds[-1] + 1].sum(axis=1)) + top
            return attrs.evolve(rule, log_weight=rule.log_weight - log_total[:, None])
        between = coordinate.rule(problem, step * (first + np.arange(len(rule.scatter) - 1) + 0.5))
        rule = _interleaved(rule, between)
        first, step = 2 * first, 0.5 * step
    return None


def _extended(
    rule: _Rule,
    coordinate: _Coordinate,
    problem: normal.NormalProblem,
    ends: tuple[int, int],
    step: float,
    power: Array,
) -> tuple[_Rule, int]:
    """A rule with more nodes at either end until nothing lies beyond; and its first node."""
    first, last = ends
    lowest = int(_LOWEST / step)
    highest = int((LARGEST_LOG_SCATTER - np.log(coordinate.scale)) / step)
    decay = step * np.minimum(power - 1.0, 1.0)
    for growth in range(_EXTENSIONS):
        mass = np.exp(rule.log_weight - rule.log_weight.max(axis=1, keepdims=True))
        nothing = _NOTHING * mass.sum(axis=1)
        if first > lowest and np.any(mass[:, 0] > nothing):
            more = np.arange(max(first - (_MORE << growth), lowest), first)
            rule, first = _joined(coordinate.rule(problem, step * more), rule), int(more[0])
        elif last < highest and np.any(mass[:, -1] > nothing * decay):
            more = np.arange(last + 1, min(last + (_MORE << growth), highest) + 1)
            rule, last = _joined(rule, coordinate.rule(problem, step * more)), int(more[-1])
        else:
            break
    return rule, first


def _joined(left: _Rule, right: _Rule) -> _Rule:
    """The nodes of one rule before those of another."""
    return _Rule(
        np.concatenate([left.scatter, right.scatter]),
        np.concatenate([left.log_weight, right.log_weight], axis=1),
        np.concatenate([left.mean, right.mean], axis=1),
        np.concatenate([left.variance, right.variance], axis=1),
    )


def _interleaved(even: _Rule, odd: _Rule) -> _Rule:
    """The nodes of one rule with those of another between them."""
    count = len(even.scatter)
    order = np.arange(2 * count - 1) // 2 + count * (np.arange(2 * count - 1) % 2)
    return _joined(even, odd).take(order)
