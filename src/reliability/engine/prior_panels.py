"""A prior on x as a density on panels, and its mass where that is not known to be 1."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.engine.density import PanelDensity
from reliability.engine.panels import Features, Panels, initial_panels
from reliability.engine.quadrature import refine
from reliability.engine.setup import COARSEST, unresolved
from reliability.priors import PriorOnX

__all__ = ["log_mass", "prior_features", "prior_on_panels"]

Array = NDArray[np.float64]


def log_mass(prior: PriorOnX) -> float:
    """Log integral of a prior on x; 0 where it is improper.

    Raises
    ------
    NumericalError
        If quadrature cannot resolve the prior.
    """
    if not prior.proper or prior.normalised:
        return 0.0
    mesh = prior_on_panels(prior).mesh
    if not mesh.error[0] <= COARSEST:
        raise unresolved(float(mesh.error[0]), "the prior given as a function")
    return float(mesh.log_total[0])


def prior_features(prior: PriorOnX, extra: float = 0.0) -> Features:
    """Where a prior alone bends or breaks, blurred by ``extra``."""
    zero = np.zeros(len(prior.location), dtype=np.int64)
    one = np.array([1.0])
    return Features(
        zero,
        prior.location,
        np.hypot(prior.scale, extra),
        np.zeros(0, dtype=np.int64),
        np.zeros(0),
        prior.low * one,
        prior.high * one,
        prior.lower_tail.effective_power * one,
        prior.upper_tail.effective_power * one,
    )


@attrs.frozen(eq=False)
class _PriorDensity:
    prior: PriorOnX

    def __call__(self, anchor: Array, d: Array) -> Array:
        return self.prior.log_density(anchor, d)


def prior_on_panels(prior: PriorOnX) -> PanelDensity:
    """A proper prior as a density on panels, normalised."""
    density = _PriorDensity(prior)

    def log_density(panels: Panels) -> Array:
        d, _ = panels.nodes()
        return density(panels.anchor[:, None], d)

    mesh = refine(initial_panels(prior_features(prior)), log_density, 1)
    return PanelDensity.from_mesh(mesh, density, prior.low, prior.high)
