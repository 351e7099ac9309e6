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
from reliability.engine.features import features
from reliability.engine.likelihoods import UnsoundKind, UnsoundLaw
from reliability.engine.mixture import Problem, reliability_rule
from reliability.engine.panels import LARGEST_LOG
from reliability.engine.scattered import (
    ROUNDED_AWAY,
    Solution,
    peak_of,
    rounding,
    solve_mixture,
    stated_variances,
)
from reliability.engine.shared import blurred_prior, prior_on_panels, solve_shared
from reliability.errors import NoPosteriorError, NumericalError
from reliability.priors import Beta, PriorOnX, ScatterPrior, StatedVariances
from reliability.scales import Scale

__all__ = ["Inference", "Setup", "hull", "infer", "shared_sd", "with_void"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Relative error of a posterior above which it is refused.
COARSEST = 1e-2


@attrs.frozen(eq=False)
class Setup:
    """Everything but the claims: what leaving some of them out keeps.

    ``scale`` is the quantity's: panels must hold its moments. ``prior_on`` makes the prior on x
    from the claims' hull; ``covariance`` is the claims' covariance matrix of stated errors on x,
    where they are correlated.
    """

    law: UnsoundLaw
    scale: Scale
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
    variance, rotation = sd**2, None
    if setup.correlation is not None:
        rotation = normal.rotate(setup.correlation, sd, extra, inflated=setup.inflation is not None)
        variance, extra = rotation.variance, rotation.extra
        value, design = rotation.basis.T @ value, rotation.basis.T @ design
    mean, prior_sd = prior.normal if prior.normal is not None else (0.0, np.inf)
    return normal.NormalProblem(
        value=value,
        variance=variance,
        extra=extra,
        share=columns.share,
        design=design,
        stated=sd**2 + columns.bias_variance,
        basis=None if rotation is None else rotation.basis,
        log_determinant=0.0 if rotation is None else rotation.log_determinant,
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
    columns = with_void(columns, setup, prior, columns)
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
    solution = solve_mixture(
        problem,
        rule,
        setup.scatter,
        exists.scatter_power,
        scale=setup.scale,
        orders=sum(exists.moment(setup.scale, order) for order in (1, 2)),
    )
    distribution, log_normaliser = solution.distribution, solution.log_normaliser - log_mass
    error = solution.error + exists.beyond_floats
    if not error <= COARSEST:
        _blame_rounding(solution)
    if bias_sd > 0.0:
        distribution, log_ratio, more = solve_shared(
            distribution, prior, of_z, bias_sd, features(problem)
        )
        log_normaliser += log_ratio
        error += more
    _resolved(error, "the posterior")
    distribution = distribution.with_tails(
        exists.lower, exists.upper, _reach(solution, setup.scatter, exists)
    )
    return Inference(
        columns, setup, prior, exists, distribution, log_normaliser, error, None, solution
    )


def _resolved(error: float, what: str) -> None:
    """Refuse a density of which quadrature has not even the leading digits."""
    if not error <= COARSEST:
        raise NumericalError(
            f"{what} has no finite integral, or one that quadrature cannot resolve (its relative "
            f"error is {error:.2g}); give a prior whose density has no singularity, or state the "
            "claims in a unit in which they are closer to 1"
        )


def _blame_rounding(solution: Solution) -> None:
    """Refuse a density that is unresolved because its log likelihoods are huge."""
    # Coefficients of many halved panels may add up to a hundred times the rounding of one.
    if not rounding(solution.problem, peak_of(solution.mesh)) <= 1e-2 * COARSEST:
        raise NumericalError(ROUNDED_AWAY)


def _reach(solution: Solution, scatter: ScatterPrior | None, exists: Existence) -> float:
    """Log distance up to which the density on x follows its tails.

    Where the scatter makes them, its last node must lie so much farther out that what is beyond
    it does not show.
    """
    if solution.grid is None or scatter is None or np.isinf(scatter.power):
        return LARGEST_LOG
    power = min(exists.lower.effective_power, exists.upper.effective_power)
    last = float(np.log(solution.grid.values.max()))
    if solution.grid.inflation:
        columns = solution.problem.columns
        last += float(np.log((columns.overconfidence * columns.stated_sd).min()))
    return last - 36.0 / (power - 1.0)


def _log_mass(prior: PriorOnX) -> float:
    """Log integral of a prior on x; 0 where it is improper."""
    if not prior.proper or prior.normalised:
        return 0.0
    mesh = prior_on_panels(prior).mesh
    _resolved(float(mesh.error[0]), "the prior given as a function")
    return float(mesh.log_total[0])


def with_void(columns: Columns, setup: Setup, prior: PriorOnX, among: Columns) -> Columns:
    """Claims with the constant densities that they have if unsound, where these are Voids.

    ``among`` are the claims that count: data-made priors and the shared bias come from these.
    """
    if setup.law.kind is not UnsoundKind.VOID or np.all(columns.reliability == 1.0):
        return columns
    bias_sd = shared_sd(among, setup)
    of_z = prior if bias_sd == 0.0 else blurred_prior(prior, bias_sd)
    log_mass = 0.0 if of_z.normalised else _log_mass(prior)
    void, meeting, meeting_sd = _void(columns, among, setup, prior, of_z)
    return columns.with_fields(void=void - log_mass, meeting=meeting, meeting_sd=meeting_sd)


def _void(
    columns: Columns, among: Columns, setup: Setup, prior: PriorOnX, of_z: PriorOnX
) -> tuple[Array, Array, Array]:
    """Log of each claim's density under a broad background: what a Void's claim amounts to.

    The uniform density itself under ``IntrinsicRange``. Under any other prior it is the
    evidence of the claim alone, were it sound: scatter and shared bias are integrated out.
    Where that evidence comes from, the claims' posterior may have a peak of its own: far from
    claim and prior alike, and narrower than both, where these conflict.

    Parameters
    ----------
    columns, among : the claims that are asked about, and those that count
    prior, of_z : of x, and of z = x + shared bias, which need not be normalised
    """
    intrinsic = prior.made_from is not None and getattr(prior.made_from[0], "needs_hull", False)
    out = np.zeros(columns.count)
    alone = columns.reliability != 1.0
    if intrinsic:
        density = columns.form != Form.BOUND
        out[density] = -np.log(prior.high - prior.low)
        alone &= ~density
    scatter = setup.scatter
    if scatter is not None and alone.any() and not scatter.proper:
        raise NoPosteriorError(
            f"with Void() and {scatter!r}, which is improper, a doubtful claim has no density "
            "when it says nothing; give a proper prior on the scatter, such as HalfNormal(scale)"
        )
    meeting, meeting_sd = np.full((2, columns.count), np.nan)
    for row in np.flatnonzero(alone):
        out[row], found = _evidence_alone(columns, int(row), among, setup, of_z)
        low, meeting[row], high = found.quantile(_SIDES, _SIDES[::-1])
        meeting_sd[row] = 0.5 * (high - low)
    return out, meeting, meeting_sd


#: Probabilities below a normal's mean minus its sd, its mean, and its mean plus its sd.
_SIDES = np.array([0.16, 0.5, 0.84])


def _evidence_alone(
    columns: Columns, row: int, among: Columns, setup: Setup, of_z: PriorOnX
) -> tuple[float, Distribution]:
    """Log evidence and posterior of one claim, as if sound, under the priors of z and scatter."""
    one = columns.take(np.array([row])).with_fields(reliability=np.ones(1), share=np.ones(1))
    alone = attrs.evolve(
        setup,
        shared=0.0,
        correlation=None,
        heterogeneity=setup.heterogeneity and _OfAllClaims(setup.heterogeneity, among),
        inflation=setup.inflation and _OfAllClaims(setup.inflation, among),
    )
    exists = existence(one, setup.law, of_z, alone.scatter)
    if is_normal(one, of_z):
        closed = normal.solve_normal(normal_problem(one, alone, of_z, exists))
        return closed.log_normaliser, closed.distribution
    problem = Problem(
        one, setup.law, of_z, setup.unknown, exists.lower.reach_power, exists.upper.reach_power
    )
    rule = reliability_rule(setup.unknown, np.zeros(0))
    solution = solve_mixture(problem, rule, alone.scatter, exists.scatter_power)
    return solution.log_normaliser, solution.distribution


class _OfAllClaims(ScatterPrior):
    """A prior on the scatter that is made from all claims, whichever of them it meets."""

    def __init__(self, prior: ScatterPrior, columns: Columns) -> None:
        self._prior, self._columns = prior, columns
        self.proper, self.normalised, self.low = prior.proper, prior.normalised, prior.low

    @property
    def power(self) -> float:
        """Exponent of the tail."""
        return self._prior.power

    @property
    def gaussian_scale(self) -> float:
        """Scale of a normal tail."""
        return self._prior.gaussian_scale

    def location(self) -> float | None:
        """A scale at which the density bends."""
        return self._prior.location()

    def log_scatter(self, tau: Array, stated: StatedVariances) -> Array:  # noqa: ARG002
        """Log density of the scatter."""
        return self._prior.log_scatter(tau, stated_variances(self._columns, len(tau)))
