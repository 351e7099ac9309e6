"""A bias common to every source: the likelihood blurred by a normal, before the prior.

With z = x + b, b ~ N(0, s^2), the claims speak of z alone: z has the posterior that the claims
and the blurred prior give, and ``p(x) = p0(x) * integral of L(z) N(z - x; s) dz``. The blur is
integrated piece by piece between the edges of z's panels, so kinks and narrow peaks survive.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.engine.density import PanelDensity
from reliability.engine.panels import (
    NODES,
    WEIGHTS,
    Features,
    Panels,
    initial_panels,
)
from reliability.engine.prior_panels import prior_on_panels
from reliability.engine.quadrature import Mesh, refine, segment_sum
from reliability.priors import PriorOnX

__all__ = ["Blurred", "blur", "blurred_prior", "solve_shared"]

Array = NDArray[np.float64]

#: The normal is integrated this many sds to both sides: 1e-18 lies beyond.
REACH = 8.8
_PIECES = np.linspace(-REACH, REACH, 12)


def blur(density: PanelDensity, sd: float, x: Array) -> Array:
    """Integral of ``density(z) N(z - x; sd)`` over z, at each x (points,)."""
    edges = density.position
    first = np.searchsorted(edges, x - REACH * sd)
    last = np.searchsorted(edges, x + REACH * sd)
    inner = np.maximum(last - first, 0)
    count = len(_PIECES)
    owner = np.concatenate(
        [
            np.repeat(np.arange(len(x)), count),
            np.repeat(np.arange(len(x)), inner),
        ]
    )
    number = np.arange(int(inner.sum())) - np.repeat(np.cumsum(inner) - inner, inner)
    offset = np.concatenate(
        [
            np.tile(sd * _PIECES, len(x)),
            edges[np.repeat(first, inner) + number] - np.repeat(x, inner),
        ]
    )
    order = np.lexsort((offset, owner))
    owner, offset = owner[order], offset[order]
    same = owner[1:] == owner[:-1]
    left, right = offset[:-1][same], offset[1:][same]
    owner = owner[:-1][same]
    keep = right > left
    left, right, owner = left[keep], right[keep], owner[keep]
    half = 0.5 * (right - left)
    shift = 0.5 * (right + left)[:, None] + half[:, None] * NODES
    z = x[owner][:, None] + shift
    values = density.interpolate(z)
    kernel = np.exp(-0.5 * (shift / sd) ** 2) / (sd * np.sqrt(2.0 * np.pi))
    piece = half * ((values * kernel) @ WEIGHTS)
    return segment_sum(owner, piece, len(x))


@attrs.frozen(eq=False)
class Blurred:
    """Unnormalised log density of x: the prior times the blurred likelihood of z."""

    likelihood: PanelDensity
    prior: PriorOnX
    sd: float

    def __call__(self, anchor: Array, d: Array) -> Array:
        """Log density at anchor + d."""
        x = anchor + d
        blurred = blur(self.likelihood, self.sd, x.ravel()).reshape(x.shape)
        with np.errstate(divide="ignore"):
            return self.prior.log_density(anchor, d) + np.log(blurred)


@attrs.frozen(eq=False)
class _BlurredPrior:
    density: PanelDensity
    sd: float

    def __call__(self, anchor: Array, d: Array) -> Array:
        x = anchor + d
        blurred = blur(self.density, self.sd, x.ravel()).reshape(x.shape)
        with np.errstate(divide="ignore"):
            return np.log(blurred)


def blurred_prior(prior: PriorOnX, sd: float) -> PriorOnX:
    """Prior of z = x + b: the prior of x blurred by the shared bias."""
    if not prior.proper:
        return prior
    if prior.normal is not None:
        mean, prior_sd = prior.normal
        total = float(np.hypot(prior_sd, sd))
        constant = -np.log(total) - 0.5 * np.log(2.0 * np.pi)
        return attrs.evolve(
            prior,
            log_density=_NormalDensity(mean, total, float(constant)),
            scale=np.array([total]),
            normal=(mean, total),
            made_from=None,
        )
    reach = REACH * sd
    return attrs.evolve(
        prior,
        log_density=_BlurredPrior(prior_on_panels(prior), sd),
        low=prior.low - reach,
        high=prior.high + reach,
        location=np.concatenate(
            [prior.location, [x for x in (prior.low, prior.high) if np.isfinite(x)]]
        ),
        scale=np.concatenate(
            [np.hypot(prior.scale, sd), [sd for x in (prior.low, prior.high) if np.isfinite(x)]]
        ),
        kinks=np.zeros(0),
        normalised=True,
        uniform=False,
        made_from=None,
    )


@attrs.frozen(eq=False)
class _NormalDensity:
    mean: float
    sd: float
    constant: float

    def __call__(self, anchor: Array, d: Array) -> Array:
        z = ((self.mean - anchor) - d) / self.sd
        return self.constant - 0.5 * z * z


def solve_shared(
    of_z: PanelDensity, prior: PriorOnX, divisor: PriorOnX, sd: float, features: Features
) -> tuple[PanelDensity, float, float]:
    """Posterior of x from that of z, the log of its integral, and its error bound.

    ``of_z`` was made with the prior ``divisor``; the likelihood is what is left when that is
    divided out at the nodes. The integral is relative to z's own evidence.
    """
    likelihood, log_scale = _divided(of_z, divisor)
    density = Blurred(likelihood, prior, sd)

    def log_density(panels: Panels) -> Array:
        d, _ = panels.nodes()
        return density(panels.anchor[:, None], d)

    wider = attrs.evolve(
        features,
        scale=np.hypot(features.scale, sd),
        kink=features.kink[:0],
        kink_quantity=features.kink_quantity[:0],
        low=np.array([prior.low]),
        high=np.array([prior.high]),
    )
    mesh = refine(initial_panels(wider), log_density, 1, noise=1e-13)
    result = PanelDensity.from_mesh(mesh, density, prior.low, prior.high)
    return result, float(mesh.log_total[0]) + log_scale, float(mesh.error[0])


def _divided(of_z: PanelDensity, divisor: PriorOnX) -> tuple[PanelDensity, float]:
    """Likelihood of z up to a factor, and the log of that factor.

    Where the blurred prior is small the quotient is inaccurate, and by as much unimportant:
    the likelihood there meets the same prior again.
    """
    mesh = of_z.mesh
    d, slope = mesh.panels.nodes()
    prior = divisor.log_density(mesh.panels.anchor[:, None], d)
    with np.errstate(invalid="ignore"):
        logs = np.where(np.isfinite(prior), mesh.log_density - prior, -np.inf)
    top = float((logs + slope)[mesh.values > 0.0].max())
    values = np.where(mesh.values > 0.0, np.exp(np.minimum(logs + slope - top, 0.0)), 0.0)
    total = float(np.sum(values @ WEIGHTS))
    divided = Mesh(mesh.panels, logs, values, np.array([top]), np.array([total]), mesh.error)
    likelihood = PanelDensity.from_mesh(divided, of_z.evaluate, of_z.low, of_z.high)
    return likelihood, float(divided.log_total[0] - mesh.log_total[0])
