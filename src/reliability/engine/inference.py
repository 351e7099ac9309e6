"""From columns to a posterior: choose the closed form or the nodes, and leave origins out."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns, Form
from reliability.engine import normal
from reliability.engine.density import Distribution, NormalMixture, PanelDensity
from reliability.engine.existence import Existence, existence
from reliability.engine.explain import LeftOutLogs, claim_distribution, leave_out
from reliability.engine.likelihoods import Claims, UnsoundKind, UnsoundLaw, distribution_of_claim
from reliability.engine.mixture import NO_SCATTER, Problem, features, reliability_rule
from reliability.engine.panels import LARGEST_LOG, WEIGHTS
from reliability.engine.quadrature import Mesh, coefficient_error
from reliability.engine.scattered import Solution, solve_mixture, stated_variances
from reliability.engine.shared import blurred_prior, prior_on_panels, solve_shared
from reliability.errors import NoPosteriorError, NumericalError
from reliability.priors import Beta, PriorOnX, ScatterPrior, StatedVariances

__all__ = ["Inference", "LeftOut", "Setup", "infer", "leave_origins_out", "shared_sd_of"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Error of reused nodes above which leaving a claim out is computed on nodes of its own.
REUSE_TOLERANCE = 1e-9
#: Relative error of a posterior above which it is refused.
COARSEST = 1e-2
#: Share of the last panel of the scatter above which the scatter reaches farther without them.
SCATTER_REUSE_TOLERANCE = 1e-6


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


def _hull(columns: Columns) -> tuple[float, float]:
    return float(columns.hull_low.min()), float(columns.hull_high.max())


def is_normal(columns: Columns, prior: PriorOnX) -> bool:
    """Whether the closed form applies."""
    return bool(
        np.all(columns.form == Form.NORMAL)
        and np.all(columns.sd_low == columns.sd_high)
        and np.all(columns.reliability == 1.0)
        and (prior.normal is not None or (not prior.proper and np.isinf(prior.high)))
    )


def infer(columns: Columns, setup: Setup) -> Inference:
    """Posterior of one quantity.

    Raises
    ------
    NoPosteriorError
        Where claims, prior and model define no probability distribution.
    """
    prior = setup.prior_on(_hull(columns))
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
    if is_normal(columns, prior):
        return _infer_normal(columns, setup, prior, exists)
    return _infer_mixture(columns, setup, prior, exists)


def shared_sd_of(columns: Columns, setup: Setup) -> float:
    """Sd of the bias common to every source."""
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
        shared_variance=shared_sd_of(columns, setup) ** 2,
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
    log_mass = 0.0
    if prior.proper and not prior.normalised:
        mesh = prior_on_panels(prior).mesh
        _resolved(float(mesh.error[0]), "the prior given as a function")
        log_mass = float(mesh.log_total[0])
    shared_sd = shared_sd_of(columns, setup)
    of_z = prior if shared_sd == 0.0 else blurred_prior(prior, shared_sd)
    if setup.law.kind is UnsoundKind.VOID and np.any(columns.reliability != 1.0):
        void = _void(columns, setup, prior, of_z, 0.0 if of_z.normalised else log_mass)
        columns = columns.with_fields(void=void)
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
    if shared_sd > 0.0:
        distribution, log_ratio, more = solve_shared(
            distribution, prior, of_z, shared_sd, features(problem)
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


def _void(
    columns: Columns, setup: Setup, prior: PriorOnX, of_z: PriorOnX, log_mass: float
) -> Array:
    """Log of each claim's density under a broad background: what a Void's claim amounts to.

    The uniform density itself under ``IntrinsicRange``. Under any other prior it is the
    evidence of the claim alone, were it sound: scatter and shared bias are integrated out.

    Parameters
    ----------
    prior, of_z : of x, and of z = x + shared bias
    log_mass : log of the integral of ``of_z``
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
    for row in np.flatnonzero(alone):
        out[row] = _log_evidence_alone(columns, int(row), setup, of_z) - log_mass
    return out


def _log_evidence_alone(columns: Columns, row: int, setup: Setup, of_z: PriorOnX) -> float:
    """Log evidence of one claim, as if sound, under the prior of z and of the scatter of all."""
    one = columns.take(np.array([row])).with_fields(reliability=np.ones(1), share=np.ones(1))
    exists = existence(one, setup.law, of_z, setup.scatter)
    if is_normal(one, of_z):
        alone = attrs.evolve(setup, shared=0.0, correlation=None)
        problem = normal_problem(one, alone, of_z, exists)
        every = stated_variances(columns, 1).variance[:, 0]
        return normal.solve_normal(attrs.evolve(problem, stated=every)).log_normaliser
    problem_of_one = Problem(
        one, setup.law, of_z, setup.unknown, exists.lower.reach_power, exists.upper.reach_power
    )
    scatter = None if setup.scatter is None else _OfAllClaims(setup.scatter, columns)
    rule = reliability_rule(setup.unknown, np.zeros(0))
    return solve_mixture(problem_of_one, rule, scatter, exists.scatter_power).log_normaliser


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


# ------------------------------------------------------------------ leaving origins out


@attrs.frozen
class LeftOut:
    """What one origin adds, and how its claims look to the others.

    ``divergence`` is the Kullback-Leibler divergence of the posterior from the one without the
    origin, ``median`` the latter's median on x; ``tail`` one probability per claim of the
    origin. All are nan where nothing is left.
    """

    divergence: float
    median: float
    tail: dict[int, float]


def leave_origins_out(inference: Inference, group: IntArray, dependence: float) -> list[LeftOut]:
    """Leave every origin out in turn.

    Parameters
    ----------
    inference : posterior of all claims
    group : origin of each claim, 0..G-1
    dependence : rho between origins
    """
    origins = int(group.max()) + 1
    nothing = float("nan")
    if origins == 1:
        every = dict.fromkeys(range(len(group)), nothing)
        return [LeftOut(nothing, nothing, every)]
    factor = (1.0 + (origins - 1) * dependence) / (1.0 + (origins - 2) * dependence)
    setup = inference.setup
    reuse = inference.mixture is not None and setup.shared == 0.0
    if setup.law.kind is UnsoundKind.VOID and setup.scatter is not None:
        # What a Void's claim amounts to moves with a prior that is made from the claims.
        reuse = reuse and not setup.scatter.needs_claims
    stored = leave_out(inference.mixture, group, factor) if reuse and inference.mixture else None
    out: list[LeftOut] = []
    for origin in range(origins):
        members = np.flatnonzero(group == origin)
        rest = np.flatnonzero(group != origin)
        columns = inference.columns.take(rest)
        columns = columns.with_fields(share=columns.share * factor)
        try:
            if (
                stored is not None
                and inference.mixture is not None
                and not _moves_hull(inference, rest)
            ):
                left = _from_stored(inference, columns, stored, origin, members)
            elif inference.normal is not None and setup.correlation is None:
                left = _normal_without(inference, members, factor, columns)
            else:
                left = _solved_anew(inference, columns, members, rest)
        except NoPosteriorError:
            left = LeftOut(nothing, nothing, dict.fromkeys(map(int, members), nothing))
        out.append(left)
    return out


def _two_sided(below: float, form: int) -> float:
    """Probability of a claim at least as far out; a verified bound can only be broken."""
    if form == Form.BOUND:
        return below
    return 2.0 * min(below, 1.0 - below)


def _moves_hull(inference: Inference, rest: IntArray) -> bool:
    """Whether the prior is made from the claims that are left, so that nothing can be reused."""
    made_from = inference.prior.made_from
    if made_from is None or not getattr(made_from[0], "needs_hull", False):
        return False
    return _hull(inference.columns) != _hull(inference.columns.take(rest))


def _divergence(full: Distribution, other: Distribution) -> float:
    """Kullback-Leibler divergence of a posterior from another, by its own nodes."""
    panels = full if isinstance(full, PanelDensity) else _on_panels(full)
    d, _ = panels.panels.nodes()
    mass = panels.mesh.node_mass
    x = panels.panels.anchor[:, None] + d
    live = mass > 1e-15
    own = panels.mesh.log_density - panels.mesh.log_total[0]
    gap = own[live] - other.log_density(x[live])
    return max(float(np.sum(mass[live] * gap)), 0.0)


def _on_panels(distribution: Distribution) -> PanelDensity:
    assert isinstance(distribution, NormalMixture)  # noqa: S101 - the only other kind
    return distribution.on_panels


def _median(distribution: Distribution) -> float:
    half = np.array(0.5)
    return float(distribution.quantile(half, half))


def _check(columns: Columns, inference: Inference) -> Existence:
    exists = existence(columns, inference.setup.law, inference.prior, inference.setup.scatter)
    if not exists.proper:
        raise NoPosteriorError(exists.reason)
    return exists


def _from_stored(
    inference: Inference, columns: Columns, stored: LeftOutLogs, origin: int, members: IntArray
) -> LeftOut:
    """The others' posterior from log likelihoods summed again on the same nodes."""
    _check(columns, inference)
    solution = inference.mixture
    assert solution is not None  # noqa: S101 - only called with stored nodes
    logs = stored.log_density[origin]
    panels = solution.mesh.panels
    _, slope = panels.nodes()
    g = logs + slope
    top = float(g.max())
    values = np.exp(g - top)
    values[np.isnan(values)] = 0.0
    total = float(np.sum(values @ WEIGHTS))
    error = float(coefficient_error(values).sum()) / total
    mass = values * WEIGHTS / total
    beyond = float(np.sum(stored.scatter_at_end[origin] * mass))
    if error > REUSE_TOLERANCE or beyond > SCATTER_REUSE_TOLERANCE:
        rest = np.setdiff1d(np.arange(inference.columns.count), members)
        return _solved_anew(inference, columns, members, rest)
    mesh = Mesh(panels, logs, values, np.array([top]), np.array([total]), np.array([error]))
    other = PanelDensity.from_mesh(
        mesh, solution.distribution.evaluate, inference.prior.low, inference.prior.high
    )
    mass = solution.mesh.node_mass
    gap = (solution.mesh.log_density - solution.mesh.log_total[0]) - (logs - mesh.log_total[0])
    divergence = float(np.sum(np.where(mass > 0.0, mass * gap, 0.0)))
    tail = {
        int(member): _two_sided(
            float(np.sum(stored.below[member] * mesh.node_mass)),
            int(inference.columns.form[member]),
        )
        for member in members
    }
    return LeftOut(max(divergence, 0.0), _median(other), tail)


def _solved_anew(
    inference: Inference, columns: Columns, members: IntArray, rest: IntArray
) -> LeftOut:
    """The others' posterior on nodes of their own."""
    setup = inference.setup
    if setup.correlation is not None:
        setup = attrs.evolve(setup, correlation=setup.correlation[np.ix_(rest, rest)])
    other = infer(columns, setup)
    tail: dict[int, float] = {}
    for member in members:
        one = inference.columns
        if other.mixture is not None:
            below = claim_distribution(one, int(member), other.mixture)
        else:
            assert other.normal is not None  # noqa: S101 - one of both is there
            below = _normal_below(one, int(member), other.normal)
        tail[int(member)] = _two_sided(below, int(one.form[member]))
    return LeftOut(
        _divergence(inference.distribution, other.distribution),
        _median(other.distribution),
        tail,
    )


def _normal_below(columns: Columns, member: int, others: normal.NormalSolution) -> float:
    if columns.form[member] != Form.NORMAL or columns.sd_low[member] != columns.sd_high[member]:
        # A claim of another form against normal ones: average its distribution over nodes.
        return _form_below(columns, member, others.distribution)
    return normal.claim_below(
        others,
        float(columns.location[member] - columns.bias[member]),
        float((columns.overconfidence[member] * columns.sd_low[member]) ** 2),
        float(columns.bias_variance[member]),
    )


def _form_below(columns: Columns, member: int, others: NormalMixture) -> float:
    panels = others.on_panels
    d, _ = panels.panels.nodes()
    rows = np.full(panels.panels.count, member)
    claims = Claims.pair(columns, rows, panels.panels.anchor, NO_SCATTER)
    below = distribution_of_claim(claims, d, columns.knots)
    return float(np.sum(below * panels.mesh.node_mass))


def _normal_without(
    inference: Inference, members: IntArray, factor: float, columns: Columns
) -> LeftOut:
    """The closed form again, on the scatter's nodes of all claims where these still serve."""
    exists = _check(columns, inference)
    full = inference.normal
    assert full is not None  # noqa: S101 - only called with a closed form
    leave = np.zeros(inference.columns.count, dtype=bool)
    leave[members] = True
    shared = shared_sd_of(columns, inference.setup) ** 2
    problem = attrs.evolve(
        full.problem.without(leave, factor),
        scatter_power=exists.scatter_power,
        shared_variance=shared,
    )
    other = None
    if full.mesh is not None:
        other, error = normal.solve_on_nodes(problem, full.mesh)
        if error > REUSE_TOLERANCE:
            other = None
    if other is None:
        other = normal.solve_normal(problem)
    tail = {
        int(member): _two_sided(
            _normal_below(inference.columns, int(member), other), int(Form.NORMAL)
        )
        for member in members
    }
    distribution = other.distribution
    return LeftOut(_divergence(inference.distribution, distribution), _median(distribution), tail)
