"""A rule for the scatter of many quantities of normal claims: trapezoids in a variable u.

    tau = low exp(u - exp(-u) + exp(u - b))

In log tau the integrand is analytic up to half pi off the real axis; towards tau = 0 and far out,
where it falls only exponentially, the double exponentials end it after a few units of u. There
the trapezoid rule converges geometrically (Takahasi & Mori 1974): twice the nodes square the
error, so what half of the nodes disagrees by tells how good all of them are.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.engine.given_scatter import (
    Conditional,
    NormalProblem,
    conditional,
    log_prior,
    rounding,
)
from reliability.engine.panels import LARGEST_LOG_SCATTER, slowest_decay

__all__ = ["ScatterRule", "double_exponential", "scatter_rules"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Where the rule begins: tau is exp(-77) of its smallest scale there.
_BEGIN = -4.3
#: Steps that are tried in turn, and what the number of nodes is a multiple of.
_STEPS = (0.125, 0.0625)
_MULTIPLE = 16
#: Times the square of what half of the nodes disagrees by, the error; on random problems up to
#: a hundred times less.
_MARGIN = 1e3
#: Accepted error.
_ACCEPTED = 2e-11


@attrs.frozen(eq=False)
class ScatterRule:
    """Nodes of the scatter for some of many quantities.

    ``quantities`` are those that the rule serves; ``scatter`` and ``weight``, which sums to 1,
    are (quantities, nodes), ``given`` is the posterior of x at the nodes; ``log_total`` the log
    of the integral and ``error`` a bound on its relative error, (quantities,) each.
    """

    quantities: IntArray
    scatter: Array
    weight: Array
    given: Conditional
    log_total: Array
    error: Array

    def take(self, chosen: NDArray[np.bool_]) -> ScatterRule:
        """The rules of some of the quantities."""
        if chosen.all():
            return self
        return ScatterRule(
            self.quantities[chosen],
            self.scatter[chosen],
            self.weight[chosen],
            self.given.take(chosen),
            self.log_total[chosen],
            self.error[chosen],
        )


def scatter_rules(problem: NormalProblem, spread: Array) -> tuple[list[ScatterRule], IntArray]:
    """Integrate the scatter of many quantities out.

    Parameters
    ----------
    problem : many quantities
    spread : (quantities,) range of the claims' values

    Returns
    -------
    rules, each for other quantities, and the quantities that none of them serves
    """
    low, high = _scales(problem, spread)
    decay = slowest_decay(np.asarray(problem.scatter_power))
    begin = np.log(high / low) + 1.0
    end = begin + np.log(np.minimum(40.0 / decay, LARGEST_LOG_SCATTER))
    left = np.arange(len(low))
    rules: list[ScatterRule] = []
    for step in _STEPS:
        blocks = np.ceil((end[left] - _BEGIN) / (step * _MULTIPLE)).astype(np.int64)
        failed = []
        for number in np.unique(blocks).tolist():
            index = left[blocks == number]
            where = low[index], begin[index], end[index]
            rule = _trapezoid(problem.at(index), index, *where, number * _MULTIPLE)
            good = rule.error <= _ACCEPTED
            failed.append(index[~good])
            if good.any():
                rules.append(rule.take(good))
        left = np.sort(np.concatenate(failed))
        if not len(left):
            break
    return rules, left


def _scales(problem: NormalProblem, spread: Array) -> tuple[Array, Array]:
    """Range of scales of the scatter at which the integrand may bend."""
    smallest = np.sqrt(problem.variance.min(axis=0))
    prior = problem.scatter
    assert prior is not None  # noqa: S101 - only called with a scatter
    if prior.low > 0.0:
        ones = np.ones(len(smallest))
        return 0.5 * ones, np.maximum(spread / smallest, ones)
    largest = np.maximum(np.sqrt(problem.variance.max(axis=0)), spread)
    location = prior.location()
    if location is None:
        return smallest, largest
    return np.minimum(smallest, location), np.maximum(largest, location)


def double_exponential(u: Array, bend: Array | None = None) -> tuple[Array, Array]:
    """``u - exp(-u) + exp(u - bend)``, the last term only where a bend is given, and log slope."""
    down = np.exp(-u)
    distance, slope = u - down, 1.0 + down
    if bend is not None:
        up = np.exp(u - bend)
        distance += up
        slope += up
    return distance, np.log(slope)


def _trapezoid(
    problem: NormalProblem,
    quantities: IntArray,
    low: Array,
    begin: Array,
    end: Array,
    nodes: int,
) -> ScatterRule:
    step = (end - _BEGIN) / nodes
    u = _BEGIN + step[:, None] * np.arange(nodes + 1)
    log_tau, log_slope = double_exponential(u, begin[:, None])
    log_tau += np.log(low)[:, None]
    prior = problem.scatter
    assert prior is not None  # noqa: S101 - only called with a scatter
    scatter = prior.low + np.exp(log_tau)
    given = conditional(problem, scatter)
    logs = log_prior(problem, scatter) + given.log_evidence
    logs += log_tau
    logs += log_slope
    top = logs.max(axis=1)
    weight = np.exp(np.maximum(logs - top[:, None], -600.0))
    total = weight.sum(axis=1)
    weight /= total[:, None]
    # Of the weights themselves and of those of small and of large scatters: one of these sums may
    # agree by chance.
    middle = np.sqrt(low * low * np.exp(begin))[:, None]
    part = middle / (middle + (scatter - prior.low))
    part *= weight
    gaps = [np.abs(2.0 * w[:, ::2].sum(axis=1) - w.sum(axis=1)) for w in (weight, part)]
    gap = np.maximum(*gaps)
    error = np.minimum(gap, _MARGIN * gap * gap) + 2.0 * rounding(problem)
    return ScatterRule(quantities, scatter, weight, given, top + np.log(total * step), error)
