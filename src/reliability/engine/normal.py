"""The closed form when everything is normal.

Every claim a normal estimate and sound, the prior flat or normal: given the scatter, the
posterior is normal; over the scatter it is a mixture of normals, one per quadrature node
(bayesmeta's model, Roever 2020, doi:10.18637/jss.v093.i06). With correlated claims the same
formulae hold in a basis in which the claims are independent measurements
``y_j = h_j x + error`` (generalised least squares).
"""

from __future__ import annotations

from functools import cached_property

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from reliability.engine.density import PanelDensity
from reliability.engine.given_scatter import (
    Conditional,
    NormalProblem,
    conditional,
    log_prior,
    noise_of_sum,
    problem_of,
    rotate,
    rounding,
)
from reliability.engine.normal_mixtures import NormalMixture
from reliability.engine.panels import Panels, scatter_panels
from reliability.engine.quadrature import LogDensity, Mesh, refine
from reliability.engine.scatter_rule import scatter_rules
from reliability.priors import ScatterPrior

__all__ = [
    "Conditional",
    "NormalProblem",
    "NormalSolution",
    "ScatterDensity",
    "ScatterSolution",
    "claim_sides",
    "conditional",
    "conditional_of_claims",
    "first_scatter_panels",
    "log_mass_of_prior",
    "log_prior",
    "log_prior_mass",
    "noise_of_sum",
    "predictive",
    "problem_of",
    "rotate",
    "rounding",
    "shrunk",
    "solve_normal",
    "solve_scatter",
    "weights",
]

Array = NDArray[np.float64]
#: Claims times nodes worked on at once: arrays of 1 MB.
_AT_ONCE = 1 << 17


@attrs.frozen(eq=False, slots=False)
class NormalSolution:
    """Posterior of one all-normal quantity.

    ``scatter`` and ``weight`` are the nodes of the scatter and their posterior probabilities
    (one node, the value that means no scatter, without a prior on it), ``log_total`` the log of
    the integral over the scatter, of which a prior that is not normalised takes its mass.
    """

    problem: NormalProblem
    scatter: Array
    weight: Array
    conditional: Conditional
    log_total: float
    log_normaliser: float
    log_normaliser_without_scatter: float
    error: float

    @cached_property
    def mesh(self) -> Mesh | None:
        """Posterior of the scatter on panels; None without scatter."""
        if self.problem.scatter is None:
            return None
        return solve_scatter(self.problem, _spread(self.problem)).mesh

    @property
    def scatter_density(self) -> PanelDensity | None:
        """Posterior of the scatter; None without scatter."""
        prior = self.problem.scatter
        if self.mesh is None or prior is None:
            return None
        return PanelDensity.from_mesh(self.mesh, ScatterDensity(self.problem), prior.low, np.inf)

    @property
    def distribution(self) -> NormalMixture:
        """Posterior of x."""
        return NormalMixture.of(
            self.weight, self.conditional.mean, np.sqrt(self.conditional.variance)
        )


def weights(solution: NormalSolution) -> Array:
    """Posterior mean of each claim's share of the total precision (sum 1).

    With correlated claims these are the generalised least squares weights, which may be
    negative: ``V^-1 1 / (1' V^-1 1)``.
    """
    problem = solution.problem
    precision = problem.share[:, None] / problem.variances(solution.scatter)
    if problem.basis is None:
        each = precision / precision.sum(axis=0)
    else:
        assert problem.design is not None  # noqa: S101 - correlated claims have one
        h = problem.design[:, None]
        each = problem.basis @ (precision * h) / (precision * h * h).sum(axis=0)
    return np.asarray(each @ solution.weight)


def shrunk(solution: NormalSolution, claim: int) -> NormalMixture | None:
    """Posterior of a claim's own true value: between its statement and the others.

    It is z + tau e: what the source measured, free of its own stated error and bias. A bias
    common to all sources is part of z = x + bias. Given tau and z it is normal with precision
    ``1/s^2 + 1/tau^2``; z is integrated out.
    """
    problem = solution.problem
    if problem.heterogeneity is None or problem.basis is not None:
        return None
    given = conditional_of_claims(problem, solution.scatter)
    own = float(problem.variance[claim] + problem.extra[claim])
    square = solution.scatter**2
    pull = own / (own + square)
    value = float(problem.value[claim])
    mean = value + pull * (given.mean - value)
    variance = own * square / (own + square) + pull**2 * given.variance
    return NormalMixture.of(solution.weight, mean, np.sqrt(variance))


def predictive(solution: NormalSolution) -> NormalMixture:
    """What a new sound source's own value would be: x plus scatter."""
    given = solution.conditional
    extra = solution.scatter**2 if solution.problem.heterogeneity is not None else 0.0
    return NormalMixture.of(solution.weight, given.mean, np.sqrt(given.variance + extra))


def conditional_of_claims(problem: NormalProblem, scatter: Array) -> Conditional:
    """Posterior of z = x + shared bias, of which the claims speak, at values of the scatter."""
    return conditional(
        attrs.evolve(
            problem,
            prior_variance=problem.prior_variance + problem.shared_variance,
            shared_variance=0.0,
        ),
        scatter,
    )


def claim_sides(
    weight: Array, mean: Array, variance: Array, value: Array, own_variance: Array
) -> tuple[Array, Array]:
    """Predictive probabilities, given others' posterior, of claims below and above those made.

    Parameters
    ----------
    weight : posterior probabilities of the scatter's nodes given the others, (..., nodes)
    mean, variance : of z = x + shared bias given the others, (..., nodes)
    value : claims, bias-corrected, (..., 1)
    own_variance : their total variances at the nodes, (..., nodes)
    """
    z = (value - mean) / np.sqrt(own_variance + variance)
    below, above = (ndtr(z) * weight).sum(axis=-1), (ndtr(-z) * weight).sum(axis=-1)
    return np.asarray(below), np.asarray(above)


def first_scatter_panels(
    smallest: Array, largest: Array, spread: Array, prior: ScatterPrior, power: Array
) -> Panels:
    """First panels of the scatter from the scales at which the integrand may bend.

    Parameters
    ----------
    smallest, largest : (quantities,) range of the claims' sds
    spread : (quantities,) of their values
    prior : on the scatter
    power : (quantities,) exponent of the posterior's tail
    """
    location = prior.location()
    if prior.low > 0.0:
        ratio = np.maximum(spread / smallest, 1.0)
        return scatter_panels(np.full(len(ratio), 0.2), 2.0 * ratio, prior.low, power)
    largest = np.maximum(largest, spread)
    if location is not None:
        smallest, largest = np.minimum(smallest, location), np.maximum(largest, location)
    return scatter_panels(smallest, largest, 0.0, power)


def solve_normal(problem: NormalProblem) -> NormalSolution:
    """Integrate the scatter of one quantity out; everything else is closed form."""
    at_zero = conditional(problem, np.array([problem.neutral]))
    without = float(at_zero.log_evidence[0])
    if problem.scatter is None:
        noise = rounding(problem) + float(noise_of_sum(without))
        nodes, one = np.array([problem.neutral]), np.ones(1)
        return NormalSolution(problem, nodes, one, at_zero, without, without, without, noise)
    rule = None
    if problem.basis is None:
        rules, _ = scatter_rules(problem.as_many, _spread(problem), x_alone=False)
        rule = next(iter(rules), None)
    if rule is None:
        mesh = solve_scatter(problem, _spread(problem)).mesh
        nodes = (mesh.panels.anchor[:, None] + mesh.panels.nodes()[0]).ravel()
        weight, given = mesh.node_mass.ravel(), conditional(problem, nodes)
        log_total, error = float(mesh.log_total[0]), float(mesh.error[0])
    else:
        assert rule.scatter is not None and rule.given is not None  # noqa: S101, PT018 - not x alone
        nodes, weight, given = rule.scatter[0], rule.weight[0], rule.given.of(0)
        log_total, error = float(rule.log_total[0]), float(rule.error[0])
    log_normaliser = log_total - float(log_mass_of_prior(problem)[0])
    return NormalSolution(problem, nodes, weight, given, log_total, log_normaliser, without, error)


def _spread(problem: NormalProblem) -> Array:
    """Range of the claims' values; of correlated ones, of what the fit leaves of them."""
    if problem.many:
        return np.asarray(np.ptp(problem.value, axis=0))
    if problem.design is None:
        return np.array([np.ptp(problem.value)])
    mean = float(conditional(problem, np.array([problem.neutral])).mean[0])
    return np.array([np.abs(problem.value - problem.design * mean).max()])


@attrs.frozen(eq=False)
class ScatterSolution:
    """Posteriors of the scatter of one or many quantities."""

    mesh: Mesh
    log_normaliser: Array


def solve_scatter(problem: NormalProblem, spread: Array) -> ScatterSolution:
    """Posterior of the scatter: on panels.

    Parameters
    ----------
    problem : one quantity, or many
    spread : (quantities,) range of the claims' values
    """
    prior = problem.scatter
    assert prior is not None  # noqa: S101 - only called with a scatter
    density = ScatterDensity(problem)
    noise = rounding(problem)
    variance = problem.variance if problem.many else problem.variance[:, None]
    sds = np.sqrt(variance.min(axis=0)), np.sqrt(variance.max(axis=0))
    power = np.atleast_1d(np.asarray(problem.scatter_power, dtype=np.float64))
    panels = first_scatter_panels(*sds, spread, prior, power)
    mesh = refine(panels, density.on_panels, len(power), noise=noise)
    log_normaliser = mesh.log_total - log_mass_of_prior(problem)
    return ScatterSolution(mesh, log_normaliser)


def log_mass_of_prior(problem: NormalProblem) -> Array:
    """Log integral of the prior on the scatter of each quantity; 0 where it is improper or 1."""
    prior = problem.scatter
    variance = problem.variance if problem.many else problem.variance[:, None]
    count = variance.shape[1]
    if prior is None or not prior.proper or prior.normalised:
        return np.zeros(count)
    sds = np.sqrt(variance.min(axis=0)), np.sqrt(variance.max(axis=0))
    start = first_scatter_panels(*sds, sds[1], prior, np.full(count, prior.power))
    return log_prior_mass(ScatterDensity(problem).log_prior, start, rounding(problem))


@attrs.frozen(eq=False)
class ScatterDensity:
    """Unnormalised log posterior density of the scatter of one or many quantities."""

    problem: NormalProblem

    def __call__(self, anchor: Array, d: Array) -> Array:
        """Log density at anchor + d, of one quantity."""
        scatter = anchor + d
        given = conditional(self.problem, scatter.ravel())
        prior = log_prior(self.problem, scatter)
        return prior + given.log_evidence.reshape(prior.shape)

    def on_panels(self, panels: Panels) -> Array:
        """Log density at the nodes of panels."""
        if not self.problem.many:
            return self(panels.anchor[:, None], panels.nodes()[0])
        scatter = panels.anchor[:, None] + panels.nodes()[0]
        out = np.empty_like(scatter)
        step = max(_AT_ONCE // (len(self.problem.value) * scatter.shape[1]), 1)
        for begin in range(0, panels.count, step):
            part = slice(begin, begin + step)
            problem = self.problem.at(panels.quantity[part])
            out[part] = conditional(problem, scatter[part]).log_evidence
            out[part] += log_prior(problem, scatter[part])
        return out

    def log_prior(self, panels: Panels) -> Array:
        """Log prior density at the nodes of panels."""
        scatter = panels.anchor[:, None] + panels.nodes()[0]
        return log_prior(self.problem.at(panels.quantity), scatter)


def log_prior_mass(log_density: LogDensity, panels: Panels, rounding: float) -> Array:
    """Log integral of a proper prior that is not normalised, on panels for the scatter.

    One for every quantity that the panels are of.
    """
    quantities = int(panels.quantity.max()) + 1
    return refine(panels, log_density, quantities, noise=rounding).log_total
