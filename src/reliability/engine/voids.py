"""What a claim amounts to that, if unsound, says nothing: its density under a broad background.

The uniform density itself under ``IntrinsicRange``. Under any other prior it is the evidence of
the claim alone, were it sound: scatter and shared bias are integrated out. Where that evidence
comes from, the claims' posterior may have a peak of its own: far from claim and prior alike, and
narrower than both, where these conflict.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns, Form
from reliability.engine import normal
from reliability.engine.alone import NO_RULE, each_alone
from reliability.engine.densities import PanelDensities
from reliability.engine.existence import existence
from reliability.engine.likelihoods import UnsoundKind
from reliability.engine.mixture import Problem
from reliability.engine.normal_mixtures import NormalMixtures
from reliability.engine.prior_panels import log_mass
from reliability.engine.scattered import solve_mixture, stated_variances
from reliability.engine.setup import Setup, closed_form, shared_sds
from reliability.engine.shared import blurred_prior
from reliability.errors import NoPosteriorError
from reliability.priors import PriorOnX, PriorsOnX, ScatterPrior, StatedVariances

__all__ = ["VOID_NEEDS_PRIOR", "with_voids"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

VOID_NEEDS_PRIOR = (
    "with Void() an unsound claim says nothing at all, so a flat prior leaves no "
    "posterior; give prior=priors.IntrinsicRange(0.1) or a proper prior such as "
    "Normal(mean, sd)"
)
#: Probabilities below a normal's mean minus its sd, its mean, and its mean plus its sd.
_SIDES = np.array([0.16, 0.5, 0.84])


def with_voids(columns: Columns, setup: Setup, priors: PriorsOnX, among: Columns) -> Columns:
    """Claims with the constant densities that they have if unsound, where these are Voids.

    Parameters
    ----------
    columns : the claims
    setup : everything else
    priors : of their quantities
    among : the claims that count: data-made priors and the shared bias come from these; a
        single quantity's where there is a scatter or a shared bias
    """
    doubtful = columns.reliability != 1.0
    if setup.law.kind is not UnsoundKind.VOID or not doubtful.any():
        return columns
    void, meeting, meeting_sd = np.zeros(columns.count), *np.full((2, columns.count), np.nan)
    quantity = columns.quantity
    if setup.prior.needs_hull:
        density = columns.form != Form.BOUND
        void = np.where(density, -np.log(priors.high - priors.low)[quantity], 0.0)
        doubtful &= ~density
    rows = np.flatnonzero(doubtful)
    if len(rows):
        ones = columns.take(rows).with_fields(
            reliability=np.ones(len(rows)),
            share=np.ones(len(rows)),
            starts=np.arange(len(rows) + 1),
        )
        if setup.scatter is None and setup.shared == 0.0:
            void[rows], sides = _at_once(ones, setup, priors.take(quantity[rows]))
        else:
            found = [
                _with_scatter(ones.take_quantities(np.array([k])), setup, priors.shared, among)
                for k in range(len(rows))
            ]
            void[rows] = [log_evidence for log_evidence, _ in found]
            sides = np.array([at for _, at in found])
        meeting[rows] = sides[:, 1]
        meeting_sd[rows] = 0.5 * (sides[:, 2] - sides[:, 0])
    return columns.with_fields(void=void, meeting=meeting, meeting_sd=meeting_sd)


def _at_once(ones: Columns, setup: Setup, priors: PriorsOnX) -> tuple[Array, Array]:
    """Log evidence, and quantiles at ``_SIDES``, of claims alone, each with a quantity of its own.

    Raises
    ------
    NumericalError
        If one of them and its prior exclude each other.
    """
    count = ones.quantities
    log_evidence, sides = np.empty(count), np.empty((count, len(_SIDES)))
    closed = closed_form(ones, priors)
    index = np.flatnonzero(closed)
    if len(index):
        problem = normal.problem_of(
            ones.take_quantities(index), setup, priors.shared, np.inf, many=True
        )
        given = normal.conditional(problem, np.zeros((len(index), 1)))
        log_evidence[index] = given.log_evidence[:, 0]
        z = NormalMixtures(np.ones((len(index), 1)), given.mean, np.sqrt(given.variance))
        sides[index] = _sides(z, len(index))
    index = np.flatnonzero(~closed)
    if len(index):
        some, prior = ones.take_quantities(index), priors.take(index)
        log_evidence[index], _, density = each_alone(some, setup.law, prior)
        sides[index] = _sides(density, len(index))
    return log_evidence, sides


def _sides(posteriors: PanelDensities | NormalMixtures, count: int) -> Array:
    quantity = np.repeat(np.arange(count), len(_SIDES))
    lower, upper = np.tile(_SIDES, count), np.tile(_SIDES[::-1], count)
    return posteriors.quantile(quantity, lower, upper).reshape(count, -1)


def _with_scatter(
    one: Columns, setup: Setup, prior: PriorOnX, among: Columns
) -> tuple[float, Array]:
    """Log evidence, and quantiles at ``_SIDES``, of a claim alone under scatter or shared bias."""
    scatter = setup.scatter
    if scatter is not None and not scatter.proper:
        raise NoPosteriorError(
            f"with Void() and {scatter!r}, which is improper, a doubtful claim has no density "
            "when it says nothing; give a proper prior on the scatter, such as HalfNormal(scale)"
        )
    bias_sd = float(shared_sds(among, setup)[0])
    of_z = prior if bias_sd == 0.0 else blurred_prior(prior, bias_sd)
    alone = attrs.evolve(
        setup,
        shared=0.0,
        correlation=None,
        heterogeneity=setup.heterogeneity and _OfAllClaims(setup.heterogeneity, among),
        inflation=setup.inflation and _OfAllClaims(setup.inflation, among),
    )
    exists = existence(one, setup.law, of_z, alone.scatter)
    if closed_form(one, PriorsOnX.common(of_z, 1))[0]:
        closed = normal.solve_normal(normal.problem_of(one, alone, of_z, exists.scatter_power))
        return closed.log_normaliser, closed.distribution.quantile(_SIDES, _SIDES[::-1])
    problem = Problem(
        one, setup.law, of_z, setup.unknown, exists.lower.reach_power, exists.upper.reach_power
    )
    solution = solve_mixture(problem, NO_RULE, alone.scatter, exists.scatter_power)
    return solution.log_normaliser - log_mass(of_z), solution.distribution.quantile(
        _SIDES, _SIDES[::-1]
    )


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
