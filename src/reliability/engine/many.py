"""From columns to the posteriors of many quantities that have equally many claims.

The closed form where claims and prior are normal, panels where there is no scatter: all
quantities at once. What neither serves is solved quantity by quantity.
"""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns, Form
from reliability.engine import normal
from reliability.engine.atom import posterior_zero
from reliability.engine.densities import PanelDensities
from reliability.engine.density import Distribution
from reliability.engine.existence import Existence, existences
from reliability.engine.inference import (
    CONTRADICTION,
    ZERO_NEEDS_PRIOR,
    infer,
    with_void_constants,
)
from reliability.engine.likelihoods import UnsoundKind
from reliability.engine.mixture import Problems
from reliability.engine.normal_mixtures import NormalMixtures
from reliability.engine.panels import LARGEST_LOG
from reliability.engine.presence import exponents, log_known, rule_beside, split
from reliability.engine.prior_panels import log_mass
from reliability.engine.quadrature import Mesh, Segments
from reliability.engine.scatter_rule import scatter_rules
from reliability.engine.scattered import EXCLUDED
from reliability.engine.setup import Setup, closed_form, hulls
from reliability.engine.voids import VOID_NEEDS_PRIOR, with_voids
from reliability.engine.without_scatter import LogDensities, solve_without_scatter
from reliability.engine.zero import excludes_zero, solve_zeros
from reliability.errors import InvalidValueError, NoPosteriorError, NumericalError, ReliabilityError
from reliability.priors import NO_RANGE, PriorsOnX
from reliability.scales import Scale

__all__ = ["Part", "Posteriors", "infer_many"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Posteriors(Protocol):
    """Probability distributions of many quantities on x."""

    def quantile(self, quantity: IntArray, lower: Array, upper: Array) -> Array:
        """Coordinates with given probability below and above them: (points,) each."""

    @property
    def medians(self) -> Array:
        """Median of each."""

    def moments(self, scale: Scale, orders: IntArray) -> Array:
        """Means of (theta - theta(median))^j, j = 1, 2, up to ``orders``: (quantities, 2)."""


@attrs.frozen(eq=False)
class Part:
    """Posteriors of some quantities of those that were asked for.

    ``quantities`` says which; everything else has one entry for each of them. ``posteriors`` are
    those where there is something, ``zero`` the probabilities that there is nothing; ``low`` and
    ``high`` are the ends of the supports on x.
    """

    quantities: IntArray
    posteriors: Posteriors
    existence: Existence
    low: Array
    high: Array
    log_evidence: Array
    error: Array
    proper_prior: bool
    zero: Array


class _Failures:
    """Quantities that have no posterior, and why."""

    def __init__(self) -> None:
        self.found: dict[int, ReliabilityError] = {}

    def add(self, quantities: IntArray, error: ReliabilityError) -> None:
        self.found.update(dict.fromkeys(quantities.tolist(), error))


def infer_many(rows: Columns, setup: Setup) -> tuple[list[Part], dict[int, ReliabilityError]]:
    """Posteriors of quantities with equally many claims of numbers, without correlation.

    Returns
    -------
    the posteriors, and the reasons of those quantities that have none
    """
    failures = _Failures()
    if not split(rows)[0].count:
        every = np.arange(rows.quantities)
        return _one_by_one(every, rows, setup, failures), failures.found
    possible = _possible(rows, setup, failures)
    if possible is None:
        return [], failures.found
    every, rows, priors = possible
    columns, presence = split(rows)
    exists = existences(columns, setup.law, priors.shared, setup.scatter)
    for q in np.flatnonzero(~exists.proper).tolist():
        failures.found[int(every[q])] = NoPosteriorError(exists.reason[q])
    parts = []
    closed = exists.proper & closed_form(columns, priors)
    apart = closed & _is_apart(presence, setup)
    at_once = setup.scatter is None and setup.shared == 0.0
    rest = exists.proper & ~closed
    for chosen, solve in (
        (closed & ~apart, _closed),
        (rest if at_once else rest & False, _mixtures),
        (apart if at_once else apart | rest, None),
    ):
        index = np.flatnonzero(chosen)
        if not len(index):
            continue
        whole = len(index) == len(every)
        some = rows if whole else rows.take_quantities(index)
        if solve is None:
            parts += _one_by_one(every[index], some, setup, failures)
            continue
        about = (priors, exists) if whole else (priors.take(index), exists.take(index))
        parts += solve(every[index], some, setup, *about, failures)
    return parts, failures.found


def _possible(
    rows: Columns, setup: Setup, failures: _Failures
) -> tuple[IntArray, Columns, PriorsOnX] | None:
    """Quantities that may have a posterior, their claims and their priors; None if there are none.

    Why the others have none is noted.
    """
    every = np.arange(rows.quantities)
    columns, _ = split(rows)
    low, high = hulls(columns)
    good = np.ones(len(every), dtype=bool)
    if setup.prior.needs_hull:
        good = low < high
        failures.add(every[~good], InvalidValueError(NO_RANGE))
    contrary = good & _contradictory(rows, setup)
    failures.add(every[contrary], NoPosteriorError(CONTRADICTION))
    good &= ~contrary
    if not good.any():
        return None
    if not good.all():
        every, rows = every[good], rows.take_quantities(good)
        low, high, columns = low[good], high[good], split(rows)[0]
    priors = setup.prior.on_many(setup.scale, low, high)
    if priors.shared.proper:
        return every, rows, priors
    if setup.zero > 0.0:
        failures.add(every, NoPosteriorError(ZERO_NEEDS_PRIOR))
        return None
    if setup.law.kind is UnsoundKind.VOID:
        doubtful = np.logical_or.reduceat(columns.reliability != 1.0, columns.starts[:-1])
        failures.add(every[doubtful], NoPosteriorError(VOID_NEEDS_PRIOR))
        if doubtful.all():
            return None
        sure = np.flatnonzero(~doubtful)
        every, rows, priors = every[sure], rows.take_quantities(sure), priors.take(sure)
    return every, rows, priors


def _contradictory(rows: Columns, setup: Setup) -> NDArray[np.bool_] | bool:
    """Quantities that some sound claim says are zero, and another that they are not."""
    if setup.zero == 0.0:
        return False
    denied = (rows.form == Form.PRESENCE) & (rows.direction < 0.0) & (rows.reliability == 1.0)
    if not denied.any():
        return False
    claimed = excludes_zero(rows, setup.scale)
    starts = rows.starts[:-1]
    both = (np.logical_or.reduceat(flags, starts) for flags in (denied, claimed))
    return np.logical_and(*both)


def _is_apart(presence: Columns | None, setup: Setup) -> NDArray[np.bool_] | bool:
    """Quantities whose closed form is not all: zero is a value like others, or p is unknown."""
    if setup.zero > 0.0 and setup.scale.name == "linear":
        return True
    if presence is None:
        return False
    unknown = np.zeros(presence.quantities, dtype=bool)
    unknown[presence.quantity[np.isnan(presence.reliability)]] = True
    return unknown


def _one_by_one(
    quantities: IntArray, columns: Columns, setup: Setup, failures: _Failures
) -> list[Part]:
    """What only the engine of one quantity serves: scatter or a shared bias with mixtures."""
    parts = []
    for k, quantity in enumerate(quantities.tolist()):
        try:
            found = infer(columns.take_quantities(np.array([k])), setup)
        except ReliabilityError as error:
            failures.found[quantity] = error
            continue
        parts.append(
            Part(
                np.array([quantity]),
                _Alone(found.distribution),
                found.existence,
                np.array([found.prior.low]),
                np.array([found.prior.high]),
                np.array([found.log_evidence]),
                np.array([found.error]),
                found.prior.proper,
                np.array([found.zero]),
            )
        )
    return parts


@attrs.frozen(eq=False, slots=False)
class _Alone:
    """One distribution as one of many."""

    distribution: Distribution

    def quantile(self, quantity: IntArray, lower: Array, upper: Array) -> Array:  # noqa: ARG002
        return self.distribution.quantile(lower, upper)

    @cached_property
    def medians(self) -> Array:
        half = np.array([0.5])
        return self.distribution.quantile(half, half)

    def moments(self, scale: Scale, orders: IntArray) -> Array:
        out = np.full((1, 2), np.nan)
        most = int(orders[0])
        out[0, :most] = self.distribution.moments(scale, most)[1]
        return out


# ------------------------------------------------------------------ the closed form


def _closed(
    quantities: IntArray,
    rows: Columns,
    setup: Setup,
    priors: PriorsOnX,
    exists: Existence,
    failures: _Failures,  # noqa: ARG001 - the closed form always has an answer
) -> list[Part]:
    """Sound normal claims under a normal or flat prior.

    Where there may be nothing they exclude that: zero is not on their scale.
    """
    columns, presence = split(rows)
    of_presence = np.broadcast_to(log_known(presence, zero=False), len(quantities))
    problem = normal.problem_of(columns, setup, priors.shared, exists.scatter_power, many=True)
    count = len(quantities)

    def part(index: IntArray, mixtures: NormalMixtures, log_total: Array, error: Array) -> Part:
        there = exists if len(index) == count else exists.take(index)
        return Part(
            quantities[index],
            mixtures,
            there,
            priors.low[index],
            priors.high[index],
            log_total + of_presence[index] + np.log1p(-setup.zero),
            error + there.beyond_floats,
            priors.shared.proper,
            np.zeros(len(index)),
        )

    if problem.scatter is None:
        noise = normal.rounding(problem)
        given = normal.conditional(problem, np.full((count, 1), problem.neutral))
        log_normaliser = given.log_evidence[:, 0]
        error = noise + normal.noise_of_sum(log_normaliser)
        mixtures = NormalMixtures(np.ones((count, 1)), given.mean, np.sqrt(given.variance))
        return [part(np.arange(count), mixtures, log_normaliser, error)]
    spread = np.ptp(problem.value, axis=0)
    rules, left = scatter_rules(problem, spread, x_alone=True)
    log_mass = normal.log_mass_of_prior(problem)
    parts = []
    for rule in rules:
        index, given = rule.quantities, rule.given
        mixtures = NormalMixtures(rule.weight, given.mean, np.sqrt(given.variance))
        parts.append(part(index, mixtures, rule.log_total - log_mass[index], rule.error))
    if len(left):
        some = problem.at(left)
        solution = normal.solve_scatter(some, spread[left])
        weights, given, more = _on_few_nodes(some, solution.mesh)
        mixtures = NormalMixtures(weights, given.mean, np.sqrt(given.variance))
        error = solution.mesh.error + more
        parts.append(part(left, mixtures, solution.log_normaliser, error))
    return parts


#: Gauss-Legendre nodes per panel of the scatter that serve integrals of resolved densities.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


def _on_few_nodes(
    problem: normal.NormalProblem, mesh: Mesh
) -> tuple[Array, normal.Conditional, Array]:
    """Half as many nodes of the scatter: enough for integrals of what is resolved on all.

    Returns
    -------
    weights (quantities, nodes), the posterior of x at the nodes, and the weights' errors
    """
    panels = mesh.panels
    segments = Segments.of(panels.quantity)
    columns = segments.place[1]
    longest = int(columns.max()) + 1
    shape = (len(segments.first), longest, len(_NODES))
    d, slope = panels.at(np.broadcast_to(_NODES, (panels.count, len(_NODES))))
    scatter = panels.anchor[:, None] + d
    log_weight = slope + np.log(_WEIGHTS) - mesh.log_total[panels.quantity][:, None]
    log_weight += normal.log_prior(problem.at(panels.quantity), scatter)
    # A quantity with fewer panels repeats its first node, at weight 0.
    nodes, logs = np.full((2, *shape), -np.inf)
    nodes[:] = scatter[segments.first, :1][:, None]
    nodes[segments.run, columns], logs[segments.run, columns] = scatter, log_weight
    given = normal.conditional(problem, nodes.reshape(shape[0], -1))
    weights = np.exp(logs.reshape(shape[0], -1) + given.log_evidence)
    total = weights.sum(axis=1)
    return weights / total[:, None], given, np.abs(total - 1.0)


# ------------------------------------------------------------------ panels of x


def _mixtures(
    quantities: IntArray,
    rows: Columns,
    setup: Setup,
    priors: PriorsOnX,
    exists: Existence,
    failures: _Failures,
) -> list[Part]:
    """The general model without scatter, quantities with one rule over p at a time."""
    columns, presence = split(rows)
    if setup.law.kind is UnsoundKind.VOID:
        try:
            columns = with_voids(columns, setup, priors, columns)
        except ReliabilityError:
            # Some claim and its prior exclude each other: find out which.
            return _one_by_one(quantities, rows, setup, failures)
        rows = with_void_constants(rows, columns)
    kind, first = _kinds(rows, presence)
    parts = []
    for number, example in enumerate(first.tolist()):
        index = np.flatnonzero(kind == number)
        some = columns.take_quantities(index)
        said = None if presence is None else presence.take_quantities(index)
        alike = split(rows.take_quantities(np.array([example])))
        rule, of_unknown = rule_beside(setup.unknown, *alike)
        prior, there = priors.take(index), exists.take(index)
        problem = Problems(some, setup.law, prior, there.lower.reach_power, there.upper.reach_power)
        orders = np.broadcast_to(there.orders(setup.scale), index.shape)
        found = solve_without_scatter(problem, rule, setup.scale, orders)
        failures.add(np.delete(quantities[index], found.alive), NumericalError(EXCLUDED))
        for q in np.flatnonzero(~found.fine).tolist():
            failures.found[int(quantities[index[found.alive[q]]])] = found.refusal(q)
        fine = np.flatnonzero(found.fine)
        if found.mesh is None or not len(fine):
            continue
        chosen = found.alive[fine]
        problem, there, prior = problem.take(chosen), there.take(chosen), prior.take(chosen)
        mesh = found.mesh.take(fine)
        densities = PanelDensities.from_mesh(
            mesh, LogDensities(problem, rule), prior.low, prior.high
        ).with_tails(there.lower, there.upper, np.full(len(fine), LARGEST_LOG))
        of_presence = of_unknown + np.broadcast_to(log_known(said, zero=False), len(index))[chosen]
        above = mesh.log_total - log_mass(prior.shared) + of_presence
        error = found.error[fine] + there.beyond_floats
        if setup.zero == 0.0:
            zero, log_evidence = np.zeros(len(fine)), above
        else:
            try:
                some = rows.take_quantities(index[chosen])
                log_zero, of_zero = solve_zeros(some, setup, prior)
            except ReliabilityError:
                # Some claim and its prior exclude each other: find out which.
                parts += _one_by_one(quantities[index[chosen]], some, setup, failures)
                continue
            zero, log_evidence = posterior_zero(setup.zero, log_zero, above)
            error = error + of_zero
        parts.append(
            Part(
                quantities[index[chosen]],
                densities,
                there,
                prior.low,
                prior.high,
                log_evidence,
                error,
                prior.shared.proper,
                zero,
            )
        )
    return parts


def _kinds(rows: Columns, presence: Columns | None) -> tuple[IntArray, IntArray]:
    """Kind of each quantity, and an example of each kind: those of one have one rule over p."""
    unknown = np.isnan(rows.reliability)
    starts = rows.starts[:-1]
    count = np.add.reduceat(unknown.astype(np.int64), starts)
    total = np.add.reduceat(np.where(unknown, rows.share, 0.0), starts)
    whole = np.logical_and.reduceat(~unknown | (rows.share == 1.0), starts)
    keys = np.stack([count, np.where(whole, 0.0, total), whole])
    if presence is not None:
        keys = np.concatenate([keys, exponents(presence)])
    _, first, kind = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    return kind, first
