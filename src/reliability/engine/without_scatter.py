"""The general model without scatter: densities of many quantities on panels, at once."""

from __future__ import annotations

from typing import Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.engine.features import features
from reliability.engine.likelihoods import Scatter
from reliability.engine.mixture import (
    NO_SCATTER,
    Problems,
    ReliabilityRule,
    log_likelihood,
    log_mixture,
    terms,
)
from reliability.engine.panels import Panels, initial_panels
from reliability.engine.quadrature import Mesh, Segments, prune, refine
from reliability.engine.setup import COARSEST, refusal
from reliability.errors import NumericalError
from reliability.scales import Scale

__all__ = [
    "SOME_NODES",
    "Found",
    "LogDensities",
    "reliability_errors",
    "rounding_at",
    "rows_at",
    "solve_without_scatter",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Nodes of a panel of x at which errors of inner integrals are looked at.
SOME_NODES = np.array([1, 6, 9, 14])


def rows_at(quantity: IntArray, anchor: Array) -> Panels:
    """Bare anchors (rows, 1) in the shape that the likelihood expects."""
    flat = anchor.ravel()
    zero = np.zeros(len(flat))
    return Panels(quantity, flat, np.zeros(len(flat), dtype=np.int64), zero, zero)


@attrs.frozen(eq=False)
class LogDensities:
    """Unnormalised log posterior densities of x: prior times likelihood, p integrated out."""

    problem: Problems
    rule: ReliabilityRule

    def __call__(self, quantity: IntArray, anchor: Array, d: Array) -> Array:
        """Log densities at anchor + d: (rows,), (rows, 1), (rows, points) -> (rows, points)."""
        prior = self.problem.prior.log_density(quantity, anchor, d)
        return prior + self.likelihood(quantity, anchor, d)

    def likelihood(
        self, quantity: IntArray, anchor: Array, d: Array, *, coarse: bool = False
    ) -> Array:
        """Log likelihoods."""
        at = rows_at(quantity, anchor)
        return log_likelihood(self.problem, self.rule, at, d, coarse=coarse)

    def on_panels(self, panels: Panels) -> Array:
        """Log densities at the nodes of panels."""
        return self(panels.quantity, panels.anchor[:, None], panels.nodes()[0])


@attrs.frozen(eq=False)
class Found:
    """Posterior densities of the quantities whose claims and prior do not exclude each other.

    ``alive`` says which these are; they are numbered among themselves in ``mesh`` (None if there
    are none). ``error`` bounds the relative error of each, ``noise`` is what of it is rounding.
    """

    alive: IntArray
    mesh: Mesh | None
    error: Array
    noise: Array

    @property
    def fine(self) -> NDArray[np.bool_]:
        """Whether quadrature has resolved each."""
        return np.asarray(self.error <= COARSEST)

    def refusal(self, number: int) -> NumericalError:
        """Why one that is not resolved is refused."""
        return refusal(float(self.error[number]), float(self.noise[number]))


def solve_without_scatter(
    problem: Problems,
    rule: ReliabilityRule,
    scale: Scale | None = None,
    orders: IntArray | None = None,
) -> Found:
    """Posterior densities on panels, which hold as many moments on the scale as wanted.

    Parameters
    ----------
    problem : the claims and priors
    rule : for the unknown reliability
    scale, orders : the quantities' scale, and how many of the moments of each are wanted
    """
    density = LogDensities(problem, rule)
    first, anchor, d = prune(
        initial_panels(features(problem)),
        lambda some, at: density(some.quantity, some.anchor[:, None], at),
        scale,
        orders,
    )
    alive = np.unique(first.quantity)
    if not len(alive):
        return Found(alive, None, np.zeros(0), np.zeros(0))
    if len(alive) < len(anchor):
        problem, anchor, d = problem.take(alive), anchor[alive], d[alive]
        density = LogDensities(problem, rule)
        first = attrs.evolve(first, quantity=np.searchsorted(alive, first.quantity))
    noise = rounding_at(problem, anchor, d)
    mesh = refine(first, density.on_panels, len(alive), noise=noise)
    error = mesh.error
    if rule.coarse is not None and np.all(mesh.total > 0.0):
        error = error + reliability_errors(density.likelihood, mesh)
    # Where halving ends at noise, rounding may have left nothing at all.
    return Found(alive, mesh, np.where(mesh.total > 0.0, error, np.inf), noise)


def rounding_at(problem: Problems, anchor: Array, d: Array, scatter: Scatter = NO_SCATTER) -> Array:
    """Relative rounding error of densities: that of the sums of log likelihoods at their peaks.

    Where sound claims conflict by many sds, with each other or with the prior, these are large,
    and so is their rounding.

    Parameters
    ----------
    problem : the claims
    anchor, d : (quantities,) where each density is largest
    scatter : and at which tau and inflation, (quantities, 1) or (1, 1) each
    """
    columns = problem.columns
    at = rows_at(np.arange(len(anchor)), anchor)
    some = terms(columns, problem.law, at, d[:, None], scatter)
    reliability = columns.reliability[some.row][:, None]
    logs = log_mixture(some.sound, some.unsound, np.where(np.isnan(reliability), 0.5, reliability))
    size = np.add.reduceat(np.abs(logs[:, 0]) * columns.share[some.row], some.starts)
    prior = problem.prior.log_density(at.quantity, anchor[:, None], d[:, None])[:, 0]
    size += np.where(np.isfinite(prior), np.abs(prior), 0.0)
    return np.asarray(2.5e-16 * (8.0 + 2.0 * columns.sizes + size))


class CoarseOrFine(Protocol):
    """Log likelihoods by the whole rule over p, or by half of its nodes."""

    def __call__(self, quantity: IntArray, anchor: Array, d: Array, /, *, coarse: bool) -> Array:
        """Log likelihoods at anchor + d."""


def reliability_errors(likelihood: CoarseOrFine, mesh: Mesh) -> Array:
    """Errors of the trapezoid rule over logit p, one per quantity of a mesh.

    On an analytic function it is C exp(-c/step): halving the step squares it but for C. Ten
    times the square of what both rules disagree by leaves a margin.
    """
    mass = mesh.node_mass
    keep = mass.sum(axis=1) > 1e-12
    some, panels = mass[keep][:, SOME_NODES], mesh.panels.take(keep)
    anchor, d = panels.anchor[:, None], panels.nodes()[0][:, SOME_NODES]
    fine = likelihood(panels.quantity, anchor, d, coarse=False)
    coarse = likelihood(panels.quantity, anchor, d, coarse=True)
    gap = np.abs(np.expm1(coarse - fine))
    segments = Segments.of(panels.quantity)
    difference = segments.sum((some * gap).sum(axis=1)) / segments.sum(some.sum(axis=1))
    return np.minimum(difference, 10.0 * difference**2)
