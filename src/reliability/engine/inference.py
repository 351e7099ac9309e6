"""From columns to a posterior: choose the closed form or the nodes."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns
from reliability.engine import normal
from reliability.engine.dated import Dated
from reliability.engine.density import Distribution
from reliability.engine.existence import Existence, existence
from reliability.engine.features import features
from reliability.engine.likelihoods import UnsoundKind
from reliability.engine.mixture import Problem, reliability_rule
from reliability.engine.panels import LARGEST_LOG
from reliability.engine.prior_panels import log_mass
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
from reliability.errors import NoPosteriorError
from reliability.priors import PriorOnX, PriorsOnX, ScatterPrior

__all__ = ["Inference", "infer", "infer_dated"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


@attrs.frozen(eq=False)
class Inference:
    """The posterior of one quantity and all that is needed to explain it.

    One of ``normal``, ``mixture`` and ``dated`` is there. ``distribution`` is of x; under a shared
    bias ``mixture`` is the posterior of z = x + bias, of which the claims speak. ``dated`` are the
    posteriors at all times of a quantity that moves, ``time`` is the number of this one.
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
    dated: Dated | None = None
    time: int = 0


def infer(columns: Columns, setup: Setup, *, closed_form: bool = True) -> Inference:
    """Posterior of one quantity, by the closed form where that applies and is wanted.

    Raises
    ------
    NoPosteriorError
        Where claims, prior and model define no probability distribution.
    """
    (low,), (high,) = hulls(columns)
    prior = setup.prior.on(setup.scale, (float(low), float(high)))
    doubtful = columns.reliability != 1.0
    if setup.law.kind is UnsoundKind.VOID and doubtful.any() and not prior.proper:
        raise NoPosteriorError(VOID_NEEDS_PRIOR)
    exists = existence(columns, setup.law, prior, setup.scatter)
    if not exists.proper:
        raise NoPosteriorError(exists.reason)
    if closed_form and is_closed(columns, PriorsOnX.common(prior, 1))[0]:
        return _infer_normal(columns, setup, prior, exists)
    return _infer_mixture(columns, setup, prior, exists)


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
        dated,
        time,
    )


def _infer_normal(columns: Columns, setup: Setup, prior: PriorOnX, exists: Existence) -> Inference:
    solution = normal.solve_normal(normal.problem_of(columns, setup, prior, exists.scatter_power))
    return Inference(
        columns,
        setup,
        prior,
        exists,
        solution.distribution,
        solution.log_normaliser,
        solution.error + exists.beyond_floats,
        solution,
        None,
    )


def _infer_mixture(columns: Columns, setup: Setup, prior: PriorOnX, exists: Existence) -> Inference:
    columns = with_voids(columns, setup, PriorsOnX.common(prior, 1), columns)
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
    unknown = np.isnan(columns.reliability)
    rule = reliability_rule(setup.unknown, columns.share[unknown])
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
    return Inference(
        columns, setup, prior, exists, distribution, log_normaliser, error, None, solution
    )


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
