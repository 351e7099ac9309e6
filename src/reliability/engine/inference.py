"""From columns to a posterior: choose the closed form or the nodes."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns, Form
from reliability.engine import normal
from reliability.engine.atom import posterior_zero
from reliability.engine.dated import Dated
from reliability.engine.density import Distribution
from reliability.engine.existence import Existence, existence
from reliability.engine.features import features
from reliability.engine.likelihoods import UnsoundKind
from reliability.engine.mixture import Problem, ReliabilityRule
from reliability.engine.normal_mixtures import NormalMixture
from reliability.engine.panels import LARGEST_LOG
from reliability.engine.presence import log_known, rule_beside, split
from reliability.engine.prior_panels import log_mass, prior_on_panels
from reliability.engine.scattered import (
    ScatterGrid,
    Solution,
    peak_of,
    rounding,
    solve_mixture,
)
from reliability.engine.setup import COARSEST, Setup, hulls, refusal, shared_sds
from reliability.engine.setup import closed_form as is_closed
from reliability.engine.shared import blurred_prior, solve_shared
from reliability.engine.voids import VOID_NEEDS_PRIOR, with_voids
from reliability.engine.zero import Atom, solve_zero
from reliability.errors import NoPosteriorError
from reliability.priors import PriorOnX, PriorsOnX, ScatterPrior

__all__ = [
    "CONTRADICTION",
    "ZERO_NEEDS_PRIOR",
    "Inference",
    "background_of",
    "infer",
    "infer_dated",
    "with_void_constants",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


ZERO_NEEDS_PRIOR = (
    "zero=, the probability that there is nothing, needs a proper prior on what there is if there "
    "is something: under a flat one no number speaks against nothing; give prior=, such as "
    "LogUniform(low, high), LogNormal(median, sigma) or Normal(mean, sd)"
)
NO_NUMBER = (
    "no claim states a number, so what there is if there is something is the prior's; give a "
    "proper one, prior=, such as LogUniform(low, high) or LogNormal(median, sigma)"
)
CONTRADICTION = (
    "claims that are sound for certain say that there is something, and that there is nothing; "
    "give one of their sources a reliability below 1"
)


@attrs.frozen(eq=False)
class Inference:
    """The posterior of one quantity and all that is needed to explain it.

    One of ``normal``, ``mixture`` and ``dated`` is there, unless no claim states a number.
    ``columns`` are the claims of numbers, ``rows`` these and the claims of presence.
    ``distribution`` is of x where there is something, and ``log_normaliser`` the log evidence
    there; ``atom`` is None where nothing is excluded by the prior. Under a shared bias ``mixture``
    is the posterior of z = x + bias, of which the claims speak. ``dated`` are the posteriors at
    all times of a quantity that moves, ``time`` is the number of this one.
    """

    columns: Columns
    setup: Setup
    prior: PriorOnX
    existence: Existence
    distribution: Distribution
    log_normaliser: float
    error: float
    normal: normal.NormalSolution | None
    mixture: Solution | None
    rows: Columns
    atom: Atom | None = None
    dated: Dated | None = None
    time: int = 0

    @property
    def presence(self) -> Columns | None:
        """The claims of presence; None if there are none."""
        return split(self.rows)[1]

    @property
    def zero(self) -> float:
        """Posterior probability that there is nothing."""
        return 0.0 if self.atom is None else self.atom.zero

    @property
    def log_evidence(self) -> float:
        """Log probability of the claims, whether there is something or nothing."""
        return self.log_normaliser if self.atom is None else self.atom.log_evidence


def infer(rows: Columns, setup: Setup, *, closed_form: bool = True) -> Inference:
    """Posterior of one quantity, by the closed form where that applies and is wanted.

    Raises
    ------
    NoPosteriorError
        Where claims, prior and model define no probability distribution.
    """
    numbers, presence = split(rows)
    hull = None
    if numbers.count:
        (low,), (high,) = hulls(numbers)
        hull = (float(low), float(high))
    prior = setup.prior.on(setup.scale, hull)
    if setup.zero > 0.0 and not prior.proper:
        raise NoPosteriorError(ZERO_NEEDS_PRIOR)
    if not numbers.count:
        return _with_atom(_prior_alone(rows, setup, prior), None, 0.0)
    background = background_of(setup, prior)
    doubtful = numbers.reliability != 1.0
    if setup.law.kind is UnsoundKind.VOID and doubtful.any() and not background.proper:
        raise NoPosteriorError(VOID_NEEDS_PRIOR)
    exists = existence(numbers, setup.law, prior, setup.scatter)
    if not exists.proper:
        raise NoPosteriorError(exists.reason)
    if closed_form and is_closed(numbers, PriorsOnX.common(prior, 1))[0]:
        return _infer_normal(rows, numbers, presence, setup, prior, exists)
    return _infer_mixture(rows, numbers, presence, setup, prior, exists)


def background_of(setup: Setup, prior: PriorOnX) -> PriorOnX:
    """Prior on x under which a Void's claims are judged, beside the one that is combined with."""
    return prior if setup.background is None else setup.background.on(setup.scale)


def infer_dated(columns: Columns, dated: Dated, day: float) -> Inference:
    """Posterior at one of the times of a quantity that moves.

    Parameters
    ----------
    columns : the claims in their own order
    dated : the posteriors at all times
    day : which of the times
    """
    time = int(np.searchsorted(dated.timing.days, day))
    exists = dated.existence
    reach = _reach(dated.grid, dated.columns, dated.setup.scatter, exists)
    distribution = dated.distribution(time).with_tails(exists.lower, exists.upper, reach)
    return Inference(
        columns,
        dated.setup,
        dated.prior,
        exists,
        distribution,
        dated.log_normaliser,
        dated.error,
        None,
        None,
        columns,
        dated=dated,
        time=time,
    )


def _rule(
    setup: Setup, numbers: Columns, presence: Columns | None
) -> tuple[ReliabilityRule, float]:
    """Rule over the unknown reliability, and log evidence of presence, if there is something."""
    rule, of_unknown = rule_beside(setup.unknown, numbers, presence)
    return rule, of_unknown + float(np.sum(log_known(presence, zero=False)))


def _prior_alone(rows: Columns, setup: Setup, prior: PriorOnX) -> Inference:
    """No claim states a number: what there is if there is something is the prior's."""
    if not prior.proper:
        raise NoPosteriorError(NO_NUMBER)
    numbers, presence = split(rows)
    _, log_evidence = _rule(setup, numbers, presence)
    lower, upper = prior.lower_tail, prior.upper_tail
    exists = Existence(
        lower, upper, np.inf, 0.0, (np.array([upper.rate]), np.zeros(1)), proper=True, reason=""
    )
    distribution: Distribution
    error = 0.0
    if prior.normal is not None:
        mean, sd = prior.normal
        distribution = NormalMixture.of(np.ones(1), np.array([mean]), np.array([sd]))
    else:
        density = prior_on_panels(prior)
        error = float(density.mesh.error[0])
        distribution = density.with_tails(lower, upper)
    return Inference(
        numbers, setup, prior, exists, distribution, log_evidence, error, None, None, rows
    )


def _with_atom(found: Inference, of_z: PriorOnX | None, bias_sd: float) -> Inference:
    """The same with the probability that there is nothing."""
    setup, rows, above = found.setup, found.rows, found.log_normaliser
    at_zero = None
    if setup.zero > 0.0:
        closed = None if found.normal is None else found.normal.problem
        power = found.existence.scatter_power
        at_zero = solve_zero(rows, setup, of_z, bias_sd, power, closed)
    log_zero = -np.inf if at_zero is None else at_zero.log_evidence
    if np.isneginf(log_zero):
        at_zero = None
        if np.isneginf(above):
            raise NoPosteriorError(CONTRADICTION)
    if setup.zero == 0.0:
        return found
    zero, log_evidence = posterior_zero(setup.zero, np.array([log_zero]), np.array([above]))
    atom = Atom(float(zero[0]), float(log_evidence[0]), at_zero)
    return attrs.evolve(found, atom=atom, error=found.error + atom.error)


def _infer_normal(
    rows: Columns,
    numbers: Columns,
    presence: Columns | None,
    setup: Setup,
    prior: PriorOnX,
    exists: Existence,
) -> Inference:
    solution = normal.solve_normal(normal.problem_of(numbers, setup, prior, exists.scatter_power))
    of_presence = 0.0 if presence is None else _rule(setup, numbers, presence)[1]
    found = Inference(
        numbers,
        setup,
        prior,
        exists,
        solution.distribution,
        solution.log_normaliser + of_presence,
        solution.error + exists.beyond_floats,
        solution,
        None,
        rows,
    )
    return _with_atom(found, prior, 0.0)


def _infer_mixture(
    rows: Columns,
    numbers: Columns,
    presence: Columns | None,
    setup: Setup,
    prior: PriorOnX,
    exists: Existence,
) -> Inference:
    background = PriorsOnX.common(background_of(setup, prior), 1)
    columns = with_voids(numbers, setup, background, numbers)
    bias_sd = float(shared_sds(columns, setup)[0])
    of_z = prior if bias_sd == 0.0 else blurred_prior(prior, bias_sd)
    problem = Problem(
        columns,
        setup.law,
        of_z,
        setup.unknown,
        exists.lower.reach_power,
        exists.upper.reach_power,
    )
    rule, of_presence = _rule(setup, columns, presence)
    solution = solve_mixture(
        problem,
        rule,
        setup.scatter,
        exists.scatter_power,
        scale=setup.scale,
        orders=int(exists.orders(setup.scale)),
    )
    distribution, log_normaliser = solution.distribution, solution.log_normaliser - log_mass(prior)
    error = solution.error + exists.beyond_floats
    if bias_sd > 0.0:
        distribution, log_ratio, more = solve_shared(
            distribution, prior, of_z, bias_sd, features(problem)
        )
        log_normaliser += log_ratio
        error += more
    if not error <= COARSEST:
        raise refusal(error, rounding(solution.problem, peak_of(solution.mesh)))
    distribution = distribution.with_tails(
        exists.lower,
        exists.upper,
        _reach(solution.grid, solution.problem.columns, setup.scatter, exists),
    )
    found = Inference(
        columns,
        setup,
        prior,
        exists,
        distribution,
        log_normaliser + of_presence,
        error,
        None,
        solution,
        with_void_constants(rows, columns),
    )
    return _with_atom(found, of_z, bias_sd)


def with_void_constants(rows: Columns, numbers: Columns) -> Columns:
    """All claims with the constants that the claims of numbers among them have if unsound."""
    if rows.count == numbers.count:
        return numbers
    void = np.zeros(rows.count)
    void[rows.form != Form.PRESENCE] = numbers.void
    return rows.with_fields(void=void)


def _reach(
    grid: ScatterGrid | None, columns: Columns, scatter: ScatterPrior | None, exists: Existence
) -> float:
    """Log distance up to which the density on x follows its tails.

    Where the scatter makes them, its last node must lie so much farther out that what is beyond
    it does not show.
    """
    if grid is None or scatter is None or np.isinf(scatter.power):
        return LARGEST_LOG
    power = float(min(exists.lower.effective_power, exists.upper.effective_power))
    last = float(np.log(grid.values.max()))
    if grid.inflation:
        last += float(np.log((columns.overconfidence * columns.stated_sd).min()))
    return last - 36.0 / (power - 1.0)
