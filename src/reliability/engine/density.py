"""A distribution on x as the engine leaves it: a density on the panels of one quantity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.engine.densities import PanelDensities, legendre_sum, solve_panels
from reliability.engine.panels import LARGEST_LOG, Kind, Panels
from reliability.engine.quadrature import Mesh
from reliability.scales import Scale
from reliability.tails import Tail

__all__ = ["Distribution", "Evaluate", "PanelDensity", "medians"]

Array = NDArray[np.float64]

#: Unnormalised log density at anchor + d: (rows, 1), (rows, points) -> (rows, points).
Evaluate = Callable[[Array, Array], Array]


class Distribution(Protocol):
    """A probability distribution on x."""

    def log_density(self, x: Array) -> Array:
        """Log density at coordinates of any shape."""

    def below(self, x: Array) -> Array:
        """Probability below x."""

    def above(self, x: Array) -> Array:
        """Probability above x."""

    def quantile(self, lower: Array, upper: Array) -> Array:
        """Coordinate with probability ``lower`` below and ``upper`` = 1 - lower above it."""

    def moments(self, scale: Scale, orders: int) -> tuple[float, list[float]]:
        """Median m of x, and means of (theta - theta(m))^j for j = 1..orders."""

    def mean_of_log_density(self, scale: Scale) -> float:
        """Mean of the log density of theta."""

    def grid(self) -> Array:
        """Coordinates, increasing, at which every mode of the density shows."""


@attrs.frozen(eq=False)
class _OfOne:
    """A density as one of many, the only one."""

    evaluate: Evaluate

    def __call__(self, quantity: NDArray[np.int64], anchor: Array, d: Array) -> Array:  # noqa: ARG002
        return self.evaluate(anchor, d)


@attrs.frozen(eq=False)
class PanelDensity:
    """A density known on the panels of one quantity.

    ``evaluate(anchor, d)`` gives the unnormalised log density at ``anchor + d``, for anchors
    (rows, 1) and distances (rows, points); ``position`` (panels + 1,) are the panels' ends.
    """

    alone: PanelDensities
    evaluate: Evaluate
    position: Array

    @classmethod
    def from_mesh(cls, mesh: Mesh, evaluate: Evaluate, low: float, high: float) -> PanelDensity:
        """Normalise a mesh of one quantity."""
        ends = np.array([low]), np.array([high])
        return cls.only(PanelDensities.from_mesh(mesh, _OfOne(evaluate), *ends), evaluate)

    @classmethod
    def only(cls, alone: PanelDensities, evaluate: Evaluate) -> PanelDensity:
        """The only one of "many" densities."""
        panels = alone.panels
        start, stop = panels.edges()
        with np.errstate(over="ignore"):
            edges = panels.anchor + start, [panels.anchor[-1] + stop[-1]]
        return cls(alone, evaluate, np.concatenate(edges))

    def with_tails(self, lower: Tail, upper: Tail, reach: float = LARGEST_LOG) -> PanelDensity:
        """The same density with what lies beyond its panels, where that falls like a power."""
        alone = self.alone.with_tails(lower, upper, np.array([reach]))
        return PanelDensity.only(alone, self.evaluate)

    @property
    def mesh(self) -> Mesh:
        """The density at the nodes of its panels."""
        return self.alone.mesh

    @property
    def panels(self) -> Panels:
        """The panels."""
        return self.alone.panels

    @property
    def low(self) -> float:
        """Lower end of the support."""
        return float(self.alone.low[0])

    @property
    def high(self) -> float:
        """Upper end of the support."""
        return float(self.alone.high[0])

    def _locate(self, x: Array) -> tuple[NDArray[np.int64], Array]:
        """Panel of each coordinate and position t in it, increasing with x."""
        index = np.clip(
            np.searchsorted(self.position, x, side="right") - 1, 0, self.panels.count - 1
        )
        panel = self.panels.take(index)
        t = panel.inverse(x - panel.anchor)
        return index, np.where(panel.kind == Kind.DOWN, -t, t)

    def log_density(self, x: Array) -> Array:
        """Log density at coordinates of any shape."""
        x = np.asarray(x, dtype=np.float64)
        inside = (x >= self.low) & (x <= self.high) & np.isfinite(x)
        out = np.full(x.shape, -np.inf)
        if inside.any():
            at = x[inside]
            anchor = self.panels.anchor[self._locate(at)[0]]
            logs = self.evaluate(anchor[:, None], (at - anchor)[:, None])
            out[inside] = logs[:, 0] - self.mesh.log_total[0]
        return out

    def interpolate(self, x: Array) -> Array:
        """Density at coordinates (rows, points) by the panels' polynomials.

        All points of a row must lie in one panel.
        """
        middle = 0.5 * (x[:, 0] + x[:, -1])
        index, _ = self._locate(middle)
        panel = self.panels.take(np.repeat(index, x.shape[1]))
        flat = x.ravel()
        t = panel.inverse(flat - panel.anchor)
        slope = panel.at(t[:, None])[1][:, 0]
        t = np.where(panel.kind == Kind.DOWN, -t, t)
        values = legendre_sum(self.alone.whole[0][np.repeat(index, x.shape[1])], t)
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.where(np.isfinite(slope), np.maximum(values, 0.0) * np.exp(-slope), 0.0)
        outside = (flat < self.position[0]) | (flat > self.position[-1])
        return np.where(outside, 0.0, values).reshape(x.shape)

    def moments(self, scale: Scale, orders: int) -> tuple[float, list[float]]:
        """Median m of x, and means of (theta - theta(m))^j for j = 1..orders."""
        if orders == 0:
            return float("nan"), []
        means = self.alone.moments(scale, np.array([orders]))[0, :orders]
        return float(self.alone.medians[0]), means.tolist()

    def mean_of_log_density(self, scale: Scale) -> float:
        """Mean of log density of theta: minus the differential entropy."""
        d, _ = self.panels.nodes()
        mass = self.mesh.node_mass
        x = self.panels.anchor[:, None] + d
        logs = self.mesh.log_density - self.mesh.log_total[0] - scale.log_jacobian(x)
        return float(np.sum(np.where(mass > 0.0, mass * logs, 0.0)))

    def _sides(self, x: Array) -> tuple[Array, Array]:
        flat = np.asarray(x, dtype=np.float64).ravel()
        index, t = self._locate(flat)
        alone, mass = self.alone, self.alone.mass[index]
        part = np.clip(legendre_sum(alone.whole[1][index], t), 0.0, mass)
        lower = alone.lower[index] + part
        upper = alone.upper[index] + (mass - part)
        for sign, one, other in ((-1, lower, upper), (1, upper, lower)):
            outside = sign * (flat - self.position[0 if sign < 0 else -1]) >= 0.0
            if outside.any():
                one[outside] = self._beyond(flat[outside], sign)
                other[outside] = 1.0 - one[outside]
        shape = np.shape(x)
        return np.clip(lower, 0.0, 1.0).reshape(shape), np.clip(upper, 0.0, 1.0).reshape(shape)

    def _beyond(self, x: Array, sign: int) -> Array:
        """Probability beyond coordinates that lie outside the panels."""
        end = 0 if sign < 0 else 1
        alone = self.alone
        mass, middle = float(alone.beyond[end, 0]), float(alone.middle[0])
        if mass == 0.0:
            return np.zeros(x.shape)
        power = np.ravel(alone.tails[end].effective_power)[0]
        edge = abs(float(alone.ends[end, 0]) - middle)
        with np.errstate(over="ignore", under="ignore"):
            ratio = sign * (x - middle) / edge
            return np.asarray(mass * np.maximum(ratio, 1.0) ** (1.0 - power))

    def below(self, x: Array) -> Array:
        """Probability below x."""
        return self._sides(x)[0]

    def above(self, x: Array) -> Array:
        """Probability above x."""
        return self._sides(x)[1]

    def quantile(self, lower: Array, upper: Array) -> Array:
        """Coordinate with probability ``lower`` below and ``upper`` = 1 - lower above it."""
        lower = np.asarray(lower, dtype=np.float64)
        upper = np.broadcast_to(np.asarray(upper, dtype=np.float64), lower.shape)
        zero = np.zeros(lower.size, dtype=np.int64)
        return self.alone.quantile(zero, lower.ravel(), upper.ravel()).reshape(lower.shape)

    def grid(self) -> Array:
        """Coordinates, increasing, at which every mode of the density shows."""
        mass = self.alone.mass
        panel = self.panels.take(mass > 1e-12 * mass.max())
        t = np.linspace(-1.0, 1.0, 17)[:-1]
        d, _ = panel.at(np.broadcast_to(t, (panel.count, 16)))
        return np.sort((panel.anchor[:, None] + d).ravel())


def medians(meshes: list[Mesh]) -> Array:
    """Medians of several densities that are known on the same panels."""
    panels = meshes[0].panels
    mass = np.stack([mesh.node_mass.sum(axis=1) for mesh in meshes])
    before = np.cumsum(mass, axis=1) - mass
    every = np.arange(len(meshes))
    index = np.minimum((before + mass < 0.5).sum(axis=1), panels.count - 1)
    own = attrs.evolve(panels.take(index), quantity=every)
    values = np.stack([m.values[i] / m.total[0] for m, i in zip(meshes, index, strict=True)])
    one = np.ones(len(meshes))
    pieces = PanelDensities.from_mesh(
        Mesh(own, values, values, 0.0 * one, one, 0.0 * one), _nowhere, one, one
    )
    target = np.clip(0.5 - before[every, index], 0.0, pieces.mass)
    t = solve_panels(*pieces.pieces(), pieces.mass, target)
    d, _ = own.at(np.where(own.kind == Kind.DOWN, -t, t)[:, None])
    return np.asarray(own.anchor + d[:, 0])


def _nowhere(_: NDArray[np.int64], anchor: Array, d: Array) -> Array:
    return np.full(np.broadcast_shapes(anchor.shape, d.shape), -np.inf)
