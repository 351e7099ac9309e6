"""Posterior of the reliability that all sources without one share; and two posteriors made one.

Where there may be nothing, it and the scatter are mixtures of what they are if there is nothing
and if there is something.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.engine.density import Evaluate, PanelDensity
from reliability.engine.explain import ReliabilityDensity
from reliability.engine.inference import Inference
from reliability.engine.mixture import Constants, log_sum
from reliability.engine.panels import Panels
from reliability.engine.presence import rule_beside
from reliability.engine.quadrature import refine
from reliability.engine.zero import AtZero
from reliability.priors import Beta

__all__ = ["reliability_if_something", "reliability_of", "scatter_of_both"]

Array = NDArray[np.float64]

TOLERANCE = 1e-11


def _logs(anchor: Array, d: Array) -> tuple[Array, Array]:
    """Log p and log(1 - p) at given logits, without dimensions beside points."""
    logit = (anchor + d).ravel()
    return -np.logaddexp(0.0, -logit), -np.logaddexp(0.0, logit)


@attrs.frozen(eq=False)
class _OfPresence:
    """Log density of logit p where no claim of a number has an unknown reliability."""

    prior: Beta
    constants: Constants | None

    def __call__(self, anchor: Array, d: Array) -> Array:
        log_p, log_q = _logs(anchor, d)
        out = self.prior.a * log_p + self.prior.b * log_q
        if self.constants is not None:
            out = out + self.constants.log_likelihood(log_p, log_q)
        return np.asarray(out.reshape(np.broadcast_shapes(anchor.shape, d.shape)))


@attrs.frozen(eq=False)
class _IfNothing:
    """Log density of logit p where there is nothing."""

    prior: Beta
    at_zero: AtZero

    def __call__(self, anchor: Array, d: Array) -> Array:
        log_p, log_q = _logs(anchor, d)
        out = log_sum(self.at_zero.log_joint(log_p, log_q), 1)
        out = out + self.prior.a * log_p + self.prior.b * log_q
        return np.asarray(out.reshape(np.broadcast_shapes(anchor.shape, d.shape)))


@attrs.frozen(eq=False)
class _Both:
    """Log density of a mixture of two densities."""

    zero: float
    nothing: PanelDensity
    something: PanelDensity

    def __call__(self, anchor: Array, d: Array) -> Array:
        one, other = (
            part.evaluate(anchor, d) - part.mesh.log_total[0]
            for part in (self.nothing, self.something)
        )
        with np.errstate(divide="ignore"):
            return np.asarray(np.logaddexp(np.log(self.zero) + one, np.log1p(-self.zero) + other))


def _on(panels: Panels, evaluate: Evaluate, low: float) -> PanelDensity:
    def log_density(some: Panels) -> Array:
        return evaluate(some.anchor[:, None], some.nodes()[0])

    mesh = refine(panels, log_density, 1, tolerance=TOLERANCE)
    return PanelDensity.from_mesh(mesh, evaluate, low, np.inf)


def reliability_if_something(inference: Inference) -> PanelDensity:
    """Posterior of logit p where there is something; some source is of unknown reliability."""
    setup, mixture = inference.setup, inference.mixture
    panels = ReliabilityDensity.panels_of(setup.unknown)
    if mixture is not None and np.isnan(inference.columns.reliability).any():
        return _on(panels, ReliabilityDensity(mixture), -np.inf)
    rule, _ = rule_beside(setup.unknown, inference.columns, inference.presence)
    return _on(panels, _OfPresence(setup.unknown, rule.constants), -np.inf)


def reliability_of(inference: Inference) -> PanelDensity | None:
    """Posterior of logit p; None where every source's reliability is known."""
    if not np.isnan(inference.rows.reliability).any():
        return None
    atom, panels = inference.atom, ReliabilityDensity.panels_of(inference.setup.unknown)
    at_zero = None if atom is None else atom.at_zero
    something = reliability_if_something(inference)
    if at_zero is None or inference.zero == 0.0:
        return something
    nothing = _on(panels, _IfNothing(inference.setup.unknown, at_zero), -np.inf)
    return _on(panels, _Both(inference.zero, nothing, something), -np.inf)


def scatter_of_both(inference: Inference, something: PanelDensity) -> PanelDensity:
    """Posterior of the scatter, given that where there is something."""
    atom = inference.atom
    if atom is None or atom.at_zero is None or atom.zero == 0.0:
        return something
    nothing = atom.at_zero.of_scatter()
    if nothing is None:
        return something
    both = _Both(atom.zero, nothing, something)
    panels = something.panels if atom.zero < 0.5 else nothing.panels
    return _on(panels, both, something.low)
