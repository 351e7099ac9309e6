"""Nothing at all: what the claims come to where the quantity is zero.

    P(theta = 0 | claims) = p0 Z0 / (p0 Z0 + (1 - p0) Z1)

Z1 is the evidence where there is something, and Z0 = integral over scatter and p of
prod L_i(0)^a_i. On the log and logit scales a sound number excludes zero, but for a verified upper
bound, which zero does not break; a number that is unsound is as likely as if there were something,
L_i(0) = (1 - r_i) * integral of U_i(x) p(x) dx. On the linear scale zero is a value like any other:
L_i(0) is the likelihood at x = 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns, Form
from reliability.engine import normal
from reliability.engine.alone import each_alone
from reliability.engine.density import PanelDensity
from reliability.engine.existence import existence
from reliability.engine.likelihoods import Scatter, UnsoundKind, UnsoundLaw
from reliability.engine.mixture import (
    NO_SCATTER,
    Problem,
    ReliabilityRule,
    Terms,
    log_likelihood_of_terms,
    log_mixture,
    log_sum,
    logit_rule,
    pairs_of,
    reliability_rule,
    terms,
)
from reliability.engine.panels import WEIGHTS, Panels
from reliability.engine.presence import likelihoods, log_known, rule_beside, split
from reliability.engine.quadrature import refine
from reliability.engine.scattered import (
    SCATTER_TOLERANCE,
    log_mass_of_scatter,
    log_prior,
    scatter_of,
    scatter_start,
    solve_mixture,
)
from reliability.engine.setup import Setup
from reliability.engine.without_scatter import rows_at
from reliability.priors import Beta, Normal, PriorOnX, PriorsOnX, ScatterPrior
from reliability.scales import SCALES, Scale

__all__ = [
    "AtZero",
    "Atom",
    "Nothing",
    "excludes_zero",
    "solve_zero",
    "solve_zeros",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


def _verified_limit(columns: Columns) -> NDArray[np.bool_]:
    """Verified upper bounds: the only numbers that are sound where there is nothing."""
    return np.asarray((columns.form == Form.BOUND) & (columns.direction < 0.0))


def excludes_zero(columns: Columns, scale: Scale) -> NDArray[np.bool_]:
    """Claims that are sound for certain and cannot be where there is nothing."""
    said = columns.form == Form.PRESENCE
    number = ~said & ~_verified_limit(columns) & (scale.name != "linear")
    return np.asarray((columns.reliability == 1.0) & (number | (said & (columns.direction > 0.0))))


@attrs.frozen(eq=False)
class Nothing:
    """Where the quantity is zero: what claims of any number of quantities say there.

    ``priors`` are those of x, or of z = x + bias under a shared bias; None without claims of
    numbers.
    """

    law: UnsoundLaw
    priors: PriorsOnX | None
    unknown: Beta
    linear: bool

    def terms(
        self,
        columns: Columns,
        quantity: IntArray,
        scatter: Scatter = NO_SCATTER,
        z: Array | None = None,
    ) -> tuple[Terms, Array]:
        """Log likelihoods of all claims, and their relative errors: (pairs, 1) each.

        Parameters
        ----------
        columns : the claims; a Void's constants are known
        quantity : (rows,) quantity of each row
        scatter : at each row, (rows, 1) or (1, 1)
        z : (rows, 1) places at which the claims are looked at on the linear scale; zero if None
        """
        panel, row, starts = pairs_of(columns, quantity)
        sound, unsound, error = np.empty((3, len(row), 1))
        numbers, presence = split(columns)
        said = columns.form[row] == Form.PRESENCE
        error[said] = 0.0
        if presence is not None:
            place = (np.cumsum(columns.form == Form.PRESENCE) - 1)[row[said]]
            for out, values in zip((sound, unsound), likelihoods(presence, zero=True), strict=True):
                out[said, 0] = values[place]
        if not said.all():
            of_numbers = self._numbers(numbers, quantity, scatter, z)
            sound[~said], unsound[~said], error[~said] = of_numbers
        return Terms(sound, unsound, panel, row, starts), error

    def likelihood(
        self,
        columns: Columns,
        quantity: IntArray,
        rule: ReliabilityRule,
        scatter: Scatter = NO_SCATTER,
        z: Array | None = None,
    ) -> tuple[Terms, Array, Array]:
        """Terms, and their log likelihood with p integrated out and its error: (rows,) each.

        Parameters as of :meth:`terms`, and the rule for the unknown reliability.
        """
        some, errors = self.terms(columns, quantity, scatter, z)
        logs = log_likelihood_of_terms(columns, some, rule)[:, 0]
        error = np.add.reduceat(errors[:, 0] * columns.share[some.row], some.starts)
        if rule.coarse is not None:
            coarse = log_likelihood_of_terms(columns, some, rule, coarse=True)[:, 0]
            gap = np.abs(np.expm1(coarse - logs))
            error += np.minimum(gap, 10.0 * gap * gap)
        return some, logs, error

    def _numbers(
        self, numbers: Columns, quantity: IntArray, scatter: Scatter, z: Array | None
    ) -> tuple[Array, Array, Array]:
        if self.linear:
            at = np.zeros((len(quantity), 1)) if z is None else z
            some = terms(numbers, self.law, rows_at(quantity, 0.0 * at), at, scatter)
            return some.sound, some.unsound, np.zeros_like(some.sound)
        panel, row, _ = pairs_of(numbers, quantity)
        sound = np.where(_verified_limit(numbers)[row], 0.0, -np.inf)
        unsound, error = np.full(len(row), -np.inf), np.zeros(len(row))
        doubtful = np.flatnonzero(numbers.reliability[row] != 1.0)
        if self.law.kind is UnsoundKind.VOID:
            unsound[doubtful] = numbers.void[row[doubtful]]
        elif len(doubtful):
            own, panel = row[doubtful], panel[doubtful]
            tau, inflation = (
                np.broadcast_to(each[:, 0], len(quantity))[panel]
                for each in (scatter.tau, scatter.inflation)
            )
            # A scatter adds to the claim's own sds as its source's do.
            ones = numbers.take(own).with_fields(
                reliability=np.zeros(len(own)),
                share=np.ones(len(own)),
                bias_variance=numbers.bias_variance[own] + tau * tau,
                overconfidence=numbers.overconfidence[own] * inflation,
                starts=np.arange(len(own) + 1),
            )
            assert self.priors is not None  # noqa: S101 - there are numbers
            priors = self.priors.take(quantity[panel])
            unsound[doubtful], error[doubtful], _ = each_alone(ones, self.law, priors)
        return sound[:, None], unsound[:, None], error[:, None]


@attrs.frozen(eq=False)
class AtZero:
    """The claims about one quantity where there is nothing, at nodes of what is integrated out.

    Parameters
    ----------
    columns : all that count, but for numbers in closed form, which are sound for certain
    nothing : what they say there
    scatter, z : the nodes, (nodes, 1) or (1, 1) each
    log_weight : (nodes,) log of prior times quadrature weight, and of what is settled
    rule : for the unknown reliability
    log_evidence, error : Z0, and the bound on its relative error
    of_scatter : makes the posterior of the scatter there; None without scatter
    likelihood : logs of S and U of every claim at every node, (claims, nodes) each
    """

    columns: Columns
    nothing: Nothing
    scatter: Scatter
    z: Array | None
    log_weight: Array
    rule: ReliabilityRule
    log_evidence: float
    error: float
    of_scatter: Callable[[], PanelDensity | None]
    likelihood: tuple[Array, Array]

    def of(self, columns: Columns) -> tuple[Array, Array]:
        """The same of other claims about the quantity."""
        quantity = np.zeros(len(self.log_weight), dtype=np.int64)
        some, _ = self.nothing.terms(columns, quantity, self.scatter, self.z)
        return _by_claim(some)

    def log_joint(self, log_p: Array, log_q: Array) -> Array:
        """Log likelihood times weight at every node, at p and q = 1 - p: (points, nodes)."""
        sound, unsound = self.likelihood
        reliability, share = self.columns.reliability, self.columns.share
        unknown = np.isnan(reliability)
        out = np.zeros((len(log_p), len(self.log_weight)))
        known = ~unknown
        logs = log_mixture(sound[known], unsound[known], reliability[known, None])
        out += self.log_weight + share[known] @ logs
        for claim in np.flatnonzero(unknown).tolist():
            left = sound[claim] + log_p[:, None]
            out += share[claim] * np.logaddexp(left, unsound[claim] + log_q[:, None])
        return out

    def soundness(self, columns: Columns | None = None) -> Array:
        """Probability, given that there is nothing, that each claim is sound.

        Of the claims that count, or of others about the quantity.
        """
        rule, (sound, unsound) = self.rule, self.likelihood
        if columns is None:
            reliability = self.columns.reliability
        else:
            reliability, (sound, unsound) = columns.reliability, self.of(columns)
            shares = self.columns.share[np.isnan(self.columns.reliability)]
            # Beside the others its soundness is no polynomial in p.
            rule = logit_rule(self.nothing.unknown, shares)
        log_p, log_q = np.log(rule.p), np.log(rule.q)
        joint = self.log_joint(log_p, log_q) + rule.log_weight[:, None]
        mass = np.exp(joint - joint.max())
        mass /= mass.sum()
        out = np.empty(len(sound))
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            for claim, r in enumerate(reliability.tolist()):
                unknown = np.isnan(r)
                odds = log_p - log_q if unknown else np.array([np.log(r) - np.log1p(-r)])
                log_odds = odds[:, None] + (sound[claim] - unsound[claim])
                probability = 1.0 / (1.0 + np.exp(-log_odds))
                out[claim] = float(np.sum(np.where(mass > 0.0, mass * probability, 0.0)))
        return out


def solve_zeros(columns: Columns, setup: Setup, priors: PriorsOnX) -> tuple[Array, Array]:
    """Log evidence of many quantities where there is nothing, and its error; without scatter.

    Parameters
    ----------
    columns : all claims that count, with equal shares of unknown reliability; a Void's constants
        are known
    setup : everything else, without scatter or shared bias
    priors : of the quantities
    """
    log_zero, error = np.full(columns.quantities, -np.inf), np.zeros(columns.quantities)
    claimed = excludes_zero(columns, setup.scale)
    index = np.flatnonzero(~np.logical_or.reduceat(claimed, columns.starts[:-1]))
    if len(index):
        some = columns.take_quantities(index)
        first = some.take_quantities(np.array([0]))
        rule = reliability_rule(setup.unknown, first.share[np.isnan(first.reliability)])
        nothing = Nothing(
            setup.law, priors.take(index), setup.unknown, setup.scale.name == "linear"
        )
        found = nothing.likelihood(some, np.arange(len(index)), rule)
        log_zero[index], error[index] = found[1:]
    return log_zero, error


def _by_claim(some: Terms) -> tuple[Array, Array]:
    """Logs of S and U at rows of nodes of one quantity: (claims, nodes) each."""
    shape = len(some.starts), -1
    return some.sound.reshape(shape).T, some.unsound.reshape(shape).T


def _no_scatter() -> None:
    return None


@attrs.frozen(eq=False)
class Atom:
    """Posterior probability of zero, and what led to it.

    ``at_zero`` is None where the claims exclude zero.
    """

    zero: float
    log_evidence: float
    at_zero: AtZero | None

    @property
    def error(self) -> float:
        """Bound on the relative error of the evidence where there is nothing."""
        return 0.0 if self.at_zero is None else self.at_zero.error


def solve_zero(
    columns: Columns,
    setup: Setup,
    of_z: PriorOnX | None,
    bias_sd: float,
    scatter_power: float,
    settled: normal.NormalProblem | None,
) -> AtZero | None:
    """The claims about one quantity where there is nothing; None where they exclude that.

    Parameters
    ----------
    columns : all that count; a Void's constants are known
    setup : everything else
    of_z : prior on x plus the shared bias; None without claims of numbers
    bias_sd : sd of the shared bias
    scatter_power : exponent of the tail of the scatter's posterior
    settled : the claims of numbers where these are sound, normal and under a normal prior
    """
    linear = setup.scale.name == "linear"
    if excludes_zero(columns, setup.scale).any():
        return None
    numbers, _ = split(columns)
    rule = reliability_rule(setup.unknown, columns.share[np.isnan(columns.reliability)])
    priors = None if of_z is None else PriorsOnX.common(of_z, 1)
    nothing = Nothing(setup.law, priors, setup.unknown, linear)
    if settled is not None:
        return _of_normal(columns, nothing, rule, settled)
    prior = setup.scatter if numbers.count else None
    if linear and bias_sd > 0.0 and numbers.count:
        return _of_shared(columns, setup, nothing, rule, bias_sd)
    if prior is None:
        return _summed(columns, nothing, NO_SCATTER, None, np.zeros(1), rule, 0.0)
    return _of_scatter(columns, numbers, prior, scatter_power, nothing, rule)


def _of_normal(
    columns: Columns, nothing: Nothing, rule: ReliabilityRule, settled: normal.NormalProblem
) -> AtZero:
    """The closed form: the evidence under a prior that is all at zero."""
    problem = attrs.evolve(settled, prior_mean=0.0, prior_variance=0.0)
    solution = normal.solve_normal(problem)
    log_weight = np.array([solution.log_normaliser])
    of_scatter = partial(getattr, solution, "scatter_density")
    presence = split(columns)[1]
    if presence is None:
        none = np.zeros((0, 1))
        return AtZero(
            columns.take(np.zeros(0, dtype=np.int64)),
            nothing,
            NO_SCATTER,
            None,
            log_weight,
            rule,
            solution.log_normaliser,
            solution.error,
            of_scatter,
            (none, none),
        )
    return _summed(
        presence, nothing, NO_SCATTER, None, log_weight, rule, solution.error, of_scatter
    )


def _summed(
    columns: Columns,
    nothing: Nothing,
    scatter: Scatter,
    z: Array | None,
    log_weight: Array,
    rule: ReliabilityRule,
    error: float,
    of_scatter: Callable[[], PanelDensity | None] = _no_scatter,
) -> AtZero:
    """Evidence from nodes, with the errors of the claims' terms and of the rule over p."""
    quantity = np.zeros(len(log_weight), dtype=np.int64)
    some, logs, errors = nothing.likelihood(columns, quantity, rule, scatter, z)
    log_evidence = float(log_sum(log_weight + logs, 0))
    error += float(np.exp(log_weight + logs - log_evidence) @ errors)
    return AtZero(
        columns,
        nothing,
        scatter,
        z,
        log_weight,
        rule,
        log_evidence,
        error,
        of_scatter,
        _by_claim(some),
    )


@attrs.frozen(eq=False)
class _ScatterAtZero:
    """Unnormalised log posterior density of the scatter where there is nothing."""

    columns: Columns
    numbers: Columns
    prior: ScatterPrior
    nothing: Nothing
    rule: ReliabilityRule

    def __call__(self, anchor: Array, d: Array) -> Array:
        values = anchor + d
        scatter = scatter_of(values.reshape(-1, 1), inflation=self.prior.low > 0.0)
        quantity = np.zeros(values.size, dtype=np.int64)
        some, _ = self.nothing.terms(self.columns, quantity, scatter)
        logs = log_likelihood_of_terms(self.columns, some, self.rule).reshape(values.shape)
        return logs + log_prior(self.prior, self.numbers, values)

    def on_panels(self, panels: Panels) -> Array:
        return self(panels.anchor[:, None], panels.nodes()[0])


def _of_scatter(
    columns: Columns,
    numbers: Columns,
    prior: ScatterPrior,
    power: float,
    nothing: Nothing,
    rule: ReliabilityRule,
) -> AtZero:
    density = _ScatterAtZero(columns, numbers, prior, nothing, rule)
    start = scatter_start(numbers, prior, power)
    mesh = refine(start, density.on_panels, 1, tolerance=SCATTER_TOLERANCE, noise=1e-12)
    # What holds nothing is of no use.
    keep = mesh.node_mass.sum(axis=1) > 1e-16
    panels = mesh.panels.take(keep)
    d, slope = panels.nodes()
    values = panels.anchor[:, None] + d
    log_weight = slope + np.log(WEIGHTS) + log_prior(prior, numbers, values)
    log_weight -= log_mass_of_scatter(prior, numbers)
    scatter = scatter_of(values.reshape(-1, 1), inflation=prior.low > 0.0)
    of_scatter = partial(PanelDensity.from_mesh, mesh, density, prior.low, np.inf)
    return _summed(
        columns, nothing, scatter, None, log_weight.ravel(), rule, float(mesh.error[0]), of_scatter
    )


def _of_shared(
    columns: Columns, setup: Setup, nothing: Nothing, rule: ReliabilityRule, bias_sd: float
) -> AtZero:
    """The linear scale with a shared bias: the claims speak of z = 0 + bias."""
    numbers, presence = split(columns)
    prior = Normal(0.0, bias_sd).on(SCALES["linear"])
    exists = existence(numbers, setup.law, prior, setup.scatter)
    problem = Problem(
        numbers,
        setup.law,
        prior,
        setup.unknown,
        exists.lower.reach_power,
        exists.upper.reach_power,
    )
    # Claims of presence are the same at every z here as well.
    tilted, evidence = rule_beside(setup.unknown, numbers, presence, zero=True)
    evidence += float(np.sum(log_known(presence, zero=True)))
    solution = solve_mixture(problem, tilted, setup.scatter, exists.scatter_power)
    grid = solution.nodes(1e-16)
    # Every node of z becomes a row of its own.
    mass = grid.mass.ravel() / grid.mass.sum()
    keep = mass > 0.0
    z = (grid.anchor + grid.d).reshape(-1, 1)[keep]
    scatter = Scatter(
        *(
            each if len(each) == 1 else np.broadcast_to(each, grid.d.shape).reshape(-1, 1)[keep]
            for each in (grid.scatter.tau, grid.scatter.inflation)
        )
    )
    some, _ = nothing.terms(columns, np.zeros(len(z), dtype=np.int64), scatter, z)
    logs = log_likelihood_of_terms(columns, some, rule)[:, 0]
    log_evidence = solution.log_normaliser + evidence
    return AtZero(
        columns,
        nothing,
        scatter,
        z,
        np.log(mass[keep]) + log_evidence - logs,
        rule,
        log_evidence,
        solution.error,
        solution.scatter_distribution,
        _by_claim(some),
    )
