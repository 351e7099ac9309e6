"""From columns to a posterior: choose the closed form or the nodes."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns, Form
from reliability.engine import normal
from reliability.engine.density import Distribution
from reliability.engine.existence import Existence, existence
from reliability.engine.likelihoods import UnsoundKind, UnsoundLaw
from reliability.engine.mixture import Problem, features, reliability_rule
from reliability.engine.scattered import Solution, solve_mixture
from reliability.engine.shared import blurred_prior, prior_on_panels, solve_shared
from reliability.errors import NoPosteriorError
from reliability.priors import Beta, PriorOnX, ScatterPrior

__all__ = ["Inference", "Setup", "hull", "infer", "shared_sd", "with_void"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


@attrs.frozen(eq=False)
class Setup:
    """Everything but the claims: what leaving some of them out keeps.

    ``prior_on`` makes the prior on x from the claims' hull; ``covariance`` is the claims'
    covariance matrix of stated errors on x, where they are correlated.
    """

    law: UnsoundLaw
    prior_on: Callable[[tuple[float, float]], PriorOnX]
    unknown: Beta
    heterogeneity: ScatterPrior | None
    inflation: ScatterPrior | None
    shared: float
    correlation: Array | None

    @property
    def scatter(self) -> ScatterPrior | None:
        """The prior on the scatter, of whichever kind."""
        return self.heterogeneity if self.heterogeneity is not None else self.inflation


@attrs.frozen(eq=False)
class Inference:
    """The posterior of one quantity and all that is needed to explain it.

    One of ``normal`` and ``mixture`` is there. ``distribution`` is of x; under a shared bias
    ``mixture`` is the posterior of z = x + bias, of which the claims speak.
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


def hull(columns: Columns) -> tuple[float, float]:
    """Extent of the claims' stated numbers on x."""
    return float(columns.hull_low.min()), float(columns.hull_high.max())


def is_normal(columns: Columns, prior: PriorOnX) -> bool:
    """Whether the closed form applies."""
    return bool(
        np.all(columns.form == Form.NORMAL)
        and np.all(columns.sd_low == columns.sd_high)
        and np.all(columns.reliability == 1.0)
        and (prior.normal is not None or (not prior.proper and np.isinf(prior.high)))
    )


def infer(columns: Columns, setup: Setup, *, closed_form: bool = True) -> Inference:
    """Posterior of one quantity, by the closed form where that applies and is wanted.

    Raises
    ------
    NoPosteriorError
        Where claims, prior and model define no probability distribution.
    """
    prior = setup.prior_on(hull(columns))
    doubtful = columns.reliability != 1.0
    if setup.law.kind is UnsoundKind.VOID and doubtful.any() and not prior.proper:
        raise NoPosteriorError(
            "with Void() an unsound claim says nothing at all, so a flat prior leaves no "
            "posterior; give prior=priors.IntrinsicRange(0.1) or a proper prior such as "
            "Normal(mean, sd)"
        )
    exists = existence(columns, setup.law, prior, setup.scatter)
    if not exists.proper:
        raise NoPosteriorError(exists.reason)
    if closed_form and is_normal(columns, prior):
        return _infer_normal(columns, setup, prior, exists)
    return _infer_mixture(columns, setup, prior, exists)


def shared_sd(columns: Columns, setup: Setup) -> float:
    """Sd on x of the bias common to all claims."""
    return setup.shared * float(columns.stated_sd.min())


def normal_problem(
    columns: Columns, setup: Setup, prior: PriorOnX, exists: Existence
) -> normal.NormalProblem:
    """The closed form's arrays."""
    value = columns.location - columns.bias
    sd = columns.overconfidence * columns.sd_low
    extra = columns.bias_variance
    design = np.ones(columns.count)
    variance, basis = sd**2, None
    if setup.correlation is not None:
        # Rotated to the eigenvectors of the stated covariance the claims are independent;
        # additive variances are the same in every direction.
        covariance = setup.correlation * np.outer(sd, sd) + np.diag(extra)
        variance, basis = np.linalg.eigh(covariance)
        value, design, extra = basis.T @ value, basis.T @ design, np.zeros(columns.count)
    mean, prior_sd = prior.normal if prior.normal is not None else (0.0, np.inf)
    return normal.NormalProblem(
        value=value,
        variance=variance,
        extra=extra,
        share=columns.share,
        design=design,
        stated=sd**2 + columns.bias_variance,
        basis=basis,
        prior_mean=mean,
        prior_variance=prior_sd**2,
        shared_variance=shared_sd(columns, setup) ** 2,
        heterogeneity=setup.heterogeneity,
        inflation=setup.inflation,
        scatter_power=exists.scatter_power,
    )


def _infer_normal(columns: Columns, setup: Setup, prior: PriorOnX, exists: Existence) -> Inference:
    solution = normal.solve_normal(normal_problem(columns, setup, prior, exists))
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
    log_mass = _log_mass(prior)
    columns = with_void(columns, setup, prior)
    bias_sd = shared_sd(columns, setup)
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
    solution = solve_mixture(problem, rule, setup.scatter, exists.scatter_power)
    distribution, log_normaliser = solution.distribution, solution.log_normaliser - log_mass
    error = solution.error + exists.beyond_floats
    if bias_sd > 0.0:
        distribution, log_ratio, more = solve_shared(
            distribution, prior, of_z, bias_sd, features(problem)
        )
        log_normaliser += log_ratio
        error += more
    return Inference(
        columns, setup, prior, exists, distribution, log_normaliser, error, None, solution
    )


def _log_mass(prior: PriorOnX) -> float:
    """Log integral of a prior on x; 0 where it is improper."""
    if not prior.proper or prior.normalised:
        return 0.0
    return float(prior_on_panels(prior).mesh.log_total[0])


def with_void(columns: Columns, setup: Setup, prior: PriorOnX) -> Columns:
    """Claims with the constant densities that they have if unsound, where these are Voids."""
    if setup.law.kind is not UnsoundKind.VOID or np.all(columns.reliability == 1.0):
        return columns
    return columns.with_fields(void=_void(columns, setup, prior) - _log_mass(prior))


def _void(columns: Columns, setup: Setup, prior: PriorOnX) -> Array:
    """Log of each claim's density under a broad background: what a Void's claim amounts to.

    The uniform density itself under ``IntrinsicRange``, the prior predictive under any other
    prior, without scatter.
    """
    intrinsic = prior.made_from is not None and getattr(prior.made_from[0], "needs_hull", False)
    out = np.zeros(columns.count)
    every = np.ones(columns.count, dtype=bool)
    if intrinsic:
        density = columns.form != Form.BOUND
        out[density] = -np.log(prior.high - prior.low)
        every = ~density
    for row in np.flatnonzero(every):
        one = columns.take(np.array([row])).with_fields(reliability=np.ones(1), share=np.ones(1))
        problem = Problem(
            one,
            setup.law,
            prior,
            setup.unknown,
            prior.lower_tail.effective_power,
            prior.upper_tail.effective_power,
        )
        rule = reliability_rule(setup.unknown, np.zeros(0))
        out[row] = solve_mixture(problem, rule).log_normaliser
    return out
