"""What a new sound source's own value would be, under the general model: x plus scatter."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.engine.density import PanelDensity
from reliability.engine.mixture import features, log_sum
from reliability.engine.panels import WEIGHTS, Panels, initial_panels
from reliability.engine.quadrature import Mesh, refine
from reliability.engine.scattered import Density, Solution
from reliability.engine.shared import blur

__all__ = ["predictive"]

Array = NDArray[np.float64]


@attrs.frozen(eq=False)
class _Spread:
    """Sum over the scatter's nodes of the posterior of x there, blurred by tau."""

    parts: list[PanelDensity]
    weights: list[float]
    sds: list[float]

    def __call__(self, anchor: Array, d: Array) -> Array:
        x = anchor + d
        total = np.zeros(x.size)
        for density, weight, sd in zip(self.parts, self.weights, self.sds, strict=True):
            total += weight * blur(density, sd, x.ravel())
        with np.errstate(divide="ignore"):
            return np.log(total).reshape(x.shape)


def predictive(solution: Solution) -> PanelDensity:
    """Distribution of x + tau e with e standard normal, over the joint posterior."""
    grid = solution.grid
    assert grid is not None  # noqa: S101 - only called with a heterogeneity
    assert not grid.inflation  # noqa: S101
    panels = solution.mesh.panels
    d, slope = panels.nodes()
    anchor = panels.anchor[:, None]
    density = Density(solution.problem, solution.rule, grid)
    prior = solution.problem.prior.log_density(anchor, d)
    joint = density.jointly(anchor, d) + grid.log_weight[:, None]
    joint = joint + (prior + slope - solution.mesh.log_total[0])[:, None, :]
    mass = np.exp(
        log_sum((joint + np.log(WEIGHTS)).transpose(1, 0, 2).reshape(len(grid.values), -1), 1)
    )
    parts, weights, sds = [], [], []
    for k in np.flatnonzero(mass > 1e-14 * mass.sum()):
        logs = joint[:, k, :]
        top = float(logs.max())
        values = np.exp(logs - top)
        total = np.array([float(np.sum(values @ WEIGHTS))])
        mesh = Mesh(panels, logs - slope, values, np.array([top]), total, np.zeros(1))
        parts.append(
            PanelDensity.from_mesh(
                mesh, density, solution.problem.prior.low, solution.problem.prior.high
            )
        )
        weights.append(float(mass[k] / mass.sum()))
        sds.append(float(grid.values[k]))
    spread = _Spread(parts, weights, sds)

    def log_density(some: Panels) -> Array:
        at, _ = some.nodes()
        return spread(some.anchor[:, None], at)

    wide = features(solution.problem)
    typical = float(np.sum(np.array(weights) * np.array(sds)))
    wide = attrs.evolve(
        wide,
        scale=np.hypot(wide.scale, 0.5 * typical),
        low=np.array([-np.inf]),
        high=np.array([np.inf]),
        kink=wide.kink[:0],
        kink_quantity=wide.kink_quantity[:0],
    )
    mesh = refine(initial_panels(wide), log_density, 1, tolerance=1e-11, noise=1e-13)
    return PanelDensity.from_mesh(mesh, spread, -np.inf, np.inf)
