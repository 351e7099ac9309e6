"""Rules for the scatter of many quantities of normal claims: trapezoids in a variable u.

    tau = low exp(u - exp(-u) + exp(u - b))

In log tau the integrand is analytic up to half pi off the real axis; towards tau = 0 and far out,
where it falls only exponentially, the double exponentials end it after a few units of u. There
the trapezoid rule converges geometrically (Takahasi & Mori 1974): twice the nodes square the
error, so what half of the nodes disagrees by tells how good all of them are.

    tau = low sinh(u + 2 exp(-b) sinh(u))

serves where the prior on a heterogeneity is an even function of tau. As the likelihood is one
too, the rule begins at tau = 0, with half a weight: what is below zero mirrors what is above.
That is for x alone, whose posterior given tau is singular at imaginary tau no nearer to 0 than
the smallest sd of a claim; that of what tau scatters about x is so at the sd of x itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.engine.given_scatter import (
    Conditional,
    NormalProblem,
    conditional,
    log_prior,
    polynomials,
    rounding,
)
from reliability.engine.panels import LARGEST_LOG_SCATTER, slowest_decay
from reliability.engine.scatter_polynomials import Polynomials

__all__ = ["ScatterRule", "double_exponential", "scatter_rules"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Where the rule begins: tau is exp(-77) of its smallest scale there.
_BEGIN = -4.3
#: Step in u, that of the rule from zero on, and what the number of steps is a multiple of.
_STEP = 0.115
_STEP_FROM_ZERO = 0.13
_MULTIPLE = 8
#: How often steps that do not serve are halved.
_LEVELS = 3
#: Of more claims the integrand is narrower, by their root.
_MANY_CLAIMS = 15
#: Times the step where the prior has a normal tail, which grows beyond a quarter of pi off the
#: real axis; with few claims that shows.
_NORMAL_TAIL = 0.7
#: At so many units of log distance beyond its scale it is exp(-45).
_NORMAL_ENDS = 2.25
#: Times the square of what half of the nodes disagrees by, the error; on random problems up to
#: a hundred times less.
_MARGIN = 1e3
#: Where a singularity near the real axis matters little the error falls by less than its square.
_LEAST_GAIN = 1e-3
_LEAST_ERROR = 1e-12
#: Accepted error: of that estimate, and of the error itself.
_ACCEPTED = 2e-12
_ACCEPTED_AS_SEEN = 1e-13
#: So many quantities at least are worth making polynomials for.
_SEVERAL = 16
#: Quantities times nodes that take as long as a rule more.
_WIDENED = 1 << 12
#: Quantities times nodes worked on at once: several arrays of 128 kB stay in the cache.
_AT_ONCE = 1 << 14


@attrs.frozen(eq=False)
class ScatterRule:
    """Nodes of the scatter for some of many quantities.

    ``quantities`` are those that the rule serves; ``weight``, which sums to 1, and ``mean`` and
    ``variance`` of x are (quantities, nodes); ``log_total`` the log of the integral and ``error``
    a bound on its relative error, (quantities,) each. ``scatter`` are the nodes and ``given`` is
    all that is known of x there, where the rule is to serve for what is scattered about it.
    """

    quantities: IntArray
    weight: Array
    mean: Array
    variance: Array
    log_total: Array
    error: Array
    scatter: Array | None
    given: Conditional | None

    def take(self, chosen: NDArray[np.bool_]) -> ScatterRule:
        """The rules of some of the quantities."""
        if chosen.all():
            return self
        return ScatterRule(
            self.quantities[chosen],
            self.weight[chosen],
            self.mean[chosen],
            self.variance[chosen],
            self.log_total[chosen],
            self.error[chosen],
            None if self.scatter is None else self.scatter[chosen],
            None if self.given is None else self.given.take(chosen),
        )

    def widened(self, nodes: int) -> ScatterRule:
        """With so many nodes, of which further ones weigh nothing."""
        more = ((0, 0), (0, nodes - self.weight.shape[1]))
        return attrs.evolve(
            self,
            weight=np.pad(self.weight, more),
            mean=np.pad(self.mean, more, mode="edge"),
            variance=np.pad(self.variance, more, mode="edge"),
        )

    @classmethod
    def joined(cls, quantities: IntArray, rules: list[ScatterRule]) -> ScatterRule:
        """Rules of equally many nodes as one."""
        if len(rules) == 1:
            return rules[0]
        nodes = [rule.scatter for rule in rules if rule.scatter is not None]
        given = [rule.given for rule in rules if rule.given is not None]
        return cls(
            quantities,
            np.concatenate([rule.weight for rule in rules]),
            np.concatenate([rule.mean for rule in rules]),
            np.concatenate([rule.variance for rule in rules]),
            np.concatenate([rule.log_total for rule in rules]),
            np.concatenate([rule.error for rule in rules]),
            np.concatenate(nodes) if nodes else None,
            Conditional.joined(given) if given else None,
        )


def scatter_rules(
    problem: NormalProblem, spread: Array, *, x_alone: bool
) -> tuple[list[ScatterRule], IntArray]:
    """Integrate the scatter of many quantities out.

    Parameters
    ----------
    problem : many quantities
    spread : (quantities,) range of the claims' values
    x_alone : whether the nodes need serve for the quantities only, not for what is scattered
        about them

    Returns
    -------
    rules, each for other quantities, and the quantities that none of them serves
    """
    rules, left = _rules(problem, spread, x_alone=x_alone)
    return (_fewer(rules) if x_alone else rules), left


def _fewer(rules: list[ScatterRule]) -> list[ScatterRule]:
    """Rules together with those of more nodes, where that takes less time than one by one."""
    groups: list[list[ScatterRule]] = []
    for rule in sorted(rules, key=lambda rule: -rule.weight.shape[1]):
        quantities, nodes = rule.weight.shape
        if groups:
            most = groups[-1][0].weight.shape[1]
            if quantities * (most - nodes) <= _WIDENED:
                groups[-1].append(rule.widened(most) if nodes < most else rule)
                continue
        groups.append([rule])
    return [
        ScatterRule.joined(np.concatenate([rule.quantities for rule in group]), group)
        for group in groups
    ]


def _rules(
    problem: NormalProblem, spread: Array, *, x_alone: bool
) -> tuple[list[ScatterRule], IntArray]:
    """What :func:`scatter_rules` gives, a rule for every number of nodes."""
    prior = problem.scatter
    assert prior is not None  # noqa: S101 - only called with a scatter
    even = x_alone and prior.even and problem.heterogeneity is not None
    low, high = _scales(problem, spread)
    # sinh(u) is half of exp(u).
    before = np.log(high / low) + 1.0 + even * np.log(2.0)
    # At y = u - b tau is y + exp(y) + 1 units of log distance beyond the largest scale; that
    # these are enough is so a step of Newton's from y = log(enough) on.
    decay = slowest_decay(np.asarray(problem.scatter_power))
    enough = np.minimum(40.0 / decay, LARGEST_LOG_SCATTER)
    normal_tail = np.isfinite(prior.gaussian_scale)
    if normal_tail:
        enough = np.minimum(enough, _NORMAL_ENDS)
    beyond = np.log(enough) * (enough / (1.0 + enough))
    first, step = (0.0, _STEP_FROM_ZERO) if even else (_BEGIN, _STEP)
    narrow = np.sqrt(_MANY_CLAIMS / max(len(problem.value), _MANY_CLAIMS))
    step *= min(_NORMAL_TAIL if normal_tail else 1.0, narrow)
    blocks = np.ceil((before + beyond - first) / (step * _MULTIPLE)).astype(np.int64)
    sums = polynomials(problem, low) if len(low) >= _SEVERAL else None
    rules, left = [], [blocks[:0]]
    for number in np.unique(blocks).tolist():
        steps = number * _MULTIPLE
        index = np.flatnonzero(blocks == number)
        # The nodes are the same for all: what they reach further goes before the bend.
        own = None if sums is None else sums.at(index)
        bend = first + steps * step - beyond[index]
        grid = _Grid(even, x_alone, steps, step, low[index], bend, own)
        for _ in range(_LEVELS):
            rule = _trapezoids(problem, index, grid)
            good = rule.error <= _ACCEPTED
            if good.all():
                rules.append(rule)
                break
            doubtful = np.flatnonzero(~good)
            seen = _disagreement(problem, rule.take(~good), grid.take(doubtful))
            rule.error[doubtful] = seen + 2.0 * rounding(problem)
            good[doubtful] = seen <= _ACCEPTED_AS_SEEN
            if good.any():
                rules.append(rule.take(good))
            bad = np.flatnonzero(~good)
            if not len(bad):
                break
            index, grid = index[bad], grid.take(bad).halved
        else:
            left.append(index)
    return rules, np.sort(np.concatenate(left))


@attrs.frozen(eq=False)
class _Grid:
    """Nodes u of equal steps, ``steps`` + 1 of them, and each quantity's own low, b and sums.

    ``even`` is whether the rule is the one for even integrands, ``x_alone`` whether it serves for
    the quantities only.
    """

    even: bool
    x_alone: bool
    steps: int
    step: float
    low: Array
    bend: Array
    sums: Polynomials | None

    @property
    def u(self) -> Array:
        """The nodes."""
        return np.asarray((0.0 if self.even else _BEGIN) + self.step * np.arange(self.steps + 1))

    @property
    def between(self) -> Array:
        """Half way between the nodes."""
        return np.asarray(self.u[:-1] + 0.5 * self.step)

    @property
    def halved(self) -> _Grid:
        """With nodes half way between as well."""
        return attrs.evolve(self, steps=2 * self.steps, step=0.5 * self.step)

    def take(self, quantities: IntArray | slice) -> _Grid:
        """For some of the quantities."""
        return attrs.evolve(
            self,
            low=self.low[quantities],
            bend=self.bend[quantities],
            sums=None if self.sums is None else self.sums.at(quantities),
        )

    def parts(self) -> Iterator[slice]:
        """Some quantities at a time."""
        step = max(_AT_ONCE // self.steps, 1)
        for begin in range(0, len(self.low), step):
            yield slice(begin, begin + step)

    def scatter(self, u: Array) -> tuple[Array, Array]:
        """tau, and d tau/du, both in units of low: (quantities, nodes), or (1, nodes) for all."""
        alike = bool(np.all(self.bend == self.bend[0]))
        last = np.exp(u[-1] - (self.bend[:1] if alike else self.bend))[:, None]
        up = last * np.exp(u - u[-1])
        if not self.even:
            distance, log_slope = double_exponential(u)
            tau = np.exp(up + distance)
            up += np.exp(log_slope)
            up *= tau
            return tau, up
        down = last * np.exp(-u - u[-1])
        w = up - down
        w += u
        up += down
        up += 1.0
        np.exp(w, out=w)
        tau, cosh = 0.5 * w, 0.5 / w
        w = tau - cosh
        cosh += tau
        cosh *= up
        # Zero counts half.
        cosh[:, u == 0.0] *= 0.5
        return w, cosh


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


def double_exponential(u: Array) -> tuple[Array, Array]:
    """``u - exp(-u)``, a distance's logarithm, and the logarithm of its slope."""
    down = np.exp(-u)
    return u - down, np.log(1.0 + down)


@attrs.frozen(eq=False)
class _Integrand:
    """The integrand at nodes of the scatter.

    ``logs`` are its logarithms but for the factor ``slope``; all are (quantities, nodes), the
    slope perhaps the same for all.
    """

    scatter: Array
    given: Conditional
    logs: Array
    slope: Array

    @classmethod
    def at(cls, problem: NormalProblem, grid: _Grid, u: Array) -> _Integrand:
        """At nodes u of a grid."""
        prior = problem.scatter
        assert prior is not None  # noqa: S101 - only called with a scatter
        nodes, slope = grid.scatter(u)
        common = (grid.sums, nodes[0]) if grid.sums is not None and len(nodes) == 1 else None
        scatter = nodes * grid.low[:, None]
        if prior.low:
            scatter += prior.low
        given = conditional(problem, scatter, common)
        logs = given.log_evidence + log_prior(problem, scatter)
        return cls(scatter, given, logs, slope)

    def weights(self, top: Array) -> Array:
        """Of the nodes, in units of exp(top)."""
        logs = self.logs - top[:, None]
        weight = np.exp(np.clip(logs, -600.0, 600.0, out=logs), out=logs)
        weight *= self.slope
        return weight


def _sums(grid: _Grid, weight: Array, u: Array) -> Array:
    """Of weights at nodes u, and of u times them, or of its square; those of every second node.

    (4, quantities).
    """
    factors = np.zeros((len(u), 4))
    factors[:, 0], factors[:, 1] = 1.0, u * u if grid.even else u
    factors[::2, 2:] = factors[::2, :2]
    return np.ascontiguousarray((weight @ factors).T)


def _gap(grid: _Grid, sums: Array, others: Array) -> Array:
    """By how much sums of another rule disagree with those of a rule.

    What is left of a singularity off the real axis oscillates, and may vanish by chance from the
    sum of the weights; from that of their distances from where most of them is it then does not.
    """
    center = sums[1] / sums[0]
    distance = 2.0 * np.sqrt(center) if grid.even else 1.0
    gap = np.abs(others[0] - sums[0])
    about = np.abs(others[1] - center * others[0]) / distance
    return np.asarray(np.maximum(gap, about) / sums[0])


def _trapezoids(problem: NormalProblem, quantities: IntArray, grid: _Grid) -> ScatterRule:
    """Rules of a grid for given quantities of a problem."""
    parts = list(grid.parts())
    if len(parts) == 1 and len(quantities) == problem.value.shape[1]:
        return _trapezoid(problem, quantities, grid)
    return ScatterRule.joined(
        quantities,
        [
            _trapezoid(problem.at(quantities[part]), quantities[part], grid.take(part))
            for part in parts
        ],
    )


def _trapezoid(problem: NormalProblem, quantities: IntArray, grid: _Grid) -> ScatterRule:
    nodes = _Integrand.at(problem, grid, grid.u)
    top = nodes.logs.max(axis=1)
    weight = nodes.weights(top)
    sums = _sums(grid, weight, grid.u)
    total = sums[0]
    gap = _gap(grid, sums, 2.0 * sums[2:])
    error = np.maximum(_MARGIN * gap * gap, np.minimum(_LEAST_GAIN * gap, _LEAST_ERROR))
    error = np.minimum(gap, error) + 2.0 * rounding(problem)
    weight /= total[:, None]
    log_total = top + np.log(total * grid.step) + np.log(grid.low)
    return ScatterRule(
        quantities,
        weight,
        nodes.given.mean,
        nodes.given.variance,
        log_total,
        error,
        None if grid.x_alone else nodes.scatter,
        None if grid.x_alone else nodes.given,
    )


def _disagreement(problem: NormalProblem, rule: ScatterRule, grid: _Grid) -> Array:
    """By how much the nodes half way between disagree with a rule: twice its error."""
    unit = rule.log_total - np.log(grid.step) - np.log(grid.low)
    others = []
    for part in grid.parts():
        some = problem.at(rule.quantities[part])
        nodes = _Integrand.at(some, grid.take(part), grid.between)
        others.append(_sums(grid, nodes.weights(unit[part]), grid.between))
    return _gap(grid, _sums(grid, rule.weight, grid.u), np.concatenate(others, axis=1))
