"""A quantity that moves: messages between its values at successive times, on panels.

Between two times the quantity changes by a normal of known sd (a random walk), so the density of
all its values is a chain: at every time a potential (what was claimed then, and once the prior),
between neighbours a normal. The message from the earlier times is ``f_1 = 1`` and
``f_k+1 = (f_k L_k) * N(0, s_k^2)``, the one from the later times the same from the other side; the
density at a time is ``f_k L_k b_k``, and its integral, at every time the same, the evidence. (For
normals these are the filter and smoother of Kalman 1960, doi:10.1115/1.3662552, and of Rauch, Tung
& Striebel 1965, doi:10.2514/3.3166.)

Several chains that differ in their potentials, one per value of the scatter and of the unknown
reliability, share panels, which are halved until all three of ``f L``, ``L b`` and ``f L b`` are
resolved where the density lies.
"""

from __future__ import annotations

from functools import cached_property
from typing import Protocol, TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.engine.convolution import Blur
from reliability.engine.mixture import log_sum
from reliability.engine.panels import ORDER, WEIGHTS, Panels
from reliability.engine.quadrature import MAX_PANELS, TOLERANCE, Mesh, coefficient_error

__all__ = [
    "Chain",
    "Matrices",
    "Messages",
    "Part",
    "Potential",
    "Smoothed",
    "mesh_of",
    "refined",
    "relative",
    "shares",
]

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
#: Blurs from the panels of a time to the nodes of a neighbour, by the numbers of both.
Matrices: TypeAlias = dict[tuple[int, int], Array]

#: Times that panels are halved.
_MAX_ROUNDS = 60
#: Numbers in all blurs that are kept: 512 MB.
_MOST_KEPT = 1 << 26
#: Products in a step of all chains, at the most.
_MOST_WORK = 1e10
#: The coefficients that are missing may exceed the last ones; see ``quadrature``.
_MARGIN = 5.0


class Potential(Protocol):
    """Log potentials of a time at anchor + d, one per chain."""

    def __call__(self, time: int, anchor: Array, d: Array, /) -> Array:
        """Logs at (rows, 1), (rows, points) -> (chains, rows, points)."""


@attrs.frozen(eq=False)
class Chain:
    """Chains on given panels.

    Parameters
    ----------
    panels : of each time, in order of position
    logs : (chains, panels, ORDER) of each time, log potentials at the nodes
    steps : (times - 1,) sd of the change from each time to the next
    first, last : the first and the last time with a potential that is not 1 throughout
    """

    panels: list[Panels]
    logs: list[Array]
    steps: Array
    first: int
    last: int
    #: Blurs from a time's panels to the nodes of a neighbour's, where these fit into memory.
    matrices: Matrices = attrs.field(factory=dict)

    def blurred(self, time: int, values: Array, step: int) -> Blurred:
        """Functions at a time's nodes, (chains, panels, ORDER), a step earlier or later."""
        panels = self.panels[time]
        blur = Blur(panels, float(self.steps[step]))
        return Blurred(blur, blur.coefficients(values * np.exp(panels.nodes()[1])))

    def _carried(self, source: int, target: int, values: Array) -> Array:
        """Functions at a time's nodes, blurred, at those of a neighbour's."""
        blurred = self.blurred(source, values, min(source, target))
        matrix = self.matrices.get((source, target))
        if matrix is None:
            panels = self.panels[target]
            matrix = blurred.matrix(panels.anchor[:, None], panels.nodes()[0])
            if matrix.size * 2 * len(self.steps) <= _MOST_KEPT:
                self.matrices[source, target] = matrix
        return blurred.by(matrix).reshape(len(values), -1, ORDER)

    def messages(self) -> Messages:
        """Messages from both sides."""
        tops = [_largest(logs) for logs in self.logs]
        potentials = [
            np.exp(logs - top[:, None, None]) for logs, top in zip(self.logs, tops, strict=True)
        ]
        before, log_before = self._one_way(potentials, tops, forward=True)
        after, log_after = self._one_way(potentials, tops, forward=False)
        return Messages(self, potentials, tops, before, after, log_before, log_after)

    def log_evidence(self) -> Array:
        """Log integral of each chain, from one side alone."""
        tops = [_largest(logs) for logs in self.logs]
        potentials = [
            np.exp(logs - top[:, None, None]) for logs, top in zip(self.logs, tops, strict=True)
        ]
        before, log_before = self._one_way(potentials, tops, forward=True)
        slope = np.exp(self.panels[self.last].nodes()[1])
        density = before[self.last] * potentials[self.last] * slope
        with np.errstate(divide="ignore"):
            logs = np.log((density @ WEIGHTS).sum(axis=1))
        return np.asarray(logs + tops[self.last] + log_before[self.last])

    def _one_way(
        self, potentials: list[Array], tops: list[Array], *, forward: bool
    ) -> tuple[list[Array], list[Array]]:
        """Messages to every time, each divided by its largest value, and logs of the latter."""
        count = len(self.panels)
        order = range(count) if forward else range(count - 1, -1, -1)
        sign = 1 if forward else -1
        begin = self.first if forward else self.last
        found: dict[int, Array] = {}
        logs: dict[int, Array] = {}
        for time in order:
            source = time - sign
            chains = len(potentials[time])
            if sign * (time - begin) <= 0:
                # Beyond the outermost potential the message is 1.
                found[time] = np.ones_like(potentials[time])
                logs[time] = np.zeros(chains)
                continue
            carried = self._carried(source, time, found[source] * potentials[source])
            values = np.maximum(carried, 0.0)
            size = values.reshape(chains, -1).max(axis=1)
            scale = np.where(size > 0.0, size, 1.0)
            found[time] = values / scale[:, None, None]
            with np.errstate(divide="ignore"):
                logs[time] = logs[source] + tops[source] + np.log(size)
        return [found[k] for k in range(count)], [logs[k] for k in range(count)]


def _largest(logs: Array) -> Array:
    """Largest of each chain's logs; 0 where none is finite."""
    top = logs.reshape(len(logs), -1).max(axis=1)
    return np.where(np.isfinite(top), top, 0.0)


@attrs.frozen(eq=False)
class Blurred:
    """Blurred functions, one per chain: (chains, panels, ORDER) coefficients before the blur."""

    blur: Blur
    coefficients: Array

    def matrix(self, anchor: Array, d: Array) -> Array:
        """What the blur does to coefficients, at anchor + d."""
        return self.blur.matrix(((anchor - self.blur.origin) + d).ravel())

    def by(self, matrix: Array) -> Array:
        """Blurred functions at the points of a matrix: (chains, points)."""
        return self.coefficients.reshape(len(self.coefficients), -1) @ matrix.T

    def at(self, anchor: Array, d: Array) -> Array:
        """At anchor + d: (rows, 1), (rows, points) -> (chains, rows, points)."""
        return self.by(self.matrix(anchor, d)).reshape(-1, *d.shape)


@attrs.frozen(eq=False)
class Messages:
    """What the other times say of each: (chains, panels, ORDER) per time, scaled to at most 1.

    ``potentials`` are scaled too; ``tops``, ``log_before`` and ``log_after`` are the logs of what
    they were divided by, (chains,) per time.
    """

    chain: Chain
    potentials: list[Array]
    tops: list[Array]
    before: list[Array]
    after: list[Array]
    log_before: list[Array]
    log_after: list[Array]

    def density(self, time: int) -> Array:
        """Density times dx/dt at a time's nodes, up to a factor: (chains, panels, ORDER)."""
        slope = np.exp(self.chain.panels[time].nodes()[1])
        return np.asarray(self.before[time] * self.potentials[time] * self.after[time] * slope)

    def log_evidence(self, time: int) -> Array:
        """Log integral of each chain, by the panels of a time."""
        total = (self.density(time) @ WEIGHTS).sum(axis=1)
        with np.errstate(divide="ignore"):
            logs = np.log(total)
        return np.asarray(logs + self.tops[time] + self.log_before[time] + self.log_after[time])

    def errors(self, time: int, weight: Array) -> tuple[Array, Array]:
        """Error of each panel of a time and the mass on it, relative to the whole.

        Parameters
        ----------
        time : the time
        weight : (chains,) share of each chain in the whole
        """
        slope = np.exp(self.chain.panels[time].nodes()[1])
        potential = self.potentials[time] * slope
        before, after = self.before[time], self.after[time]
        left, right = before * potential, potential * after
        both = left * after
        mass = both @ WEIGHTS
        total = mass.sum(axis=1)
        each = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0.0)
        # What a message is multiplied by later is at most its other side's largest value.
        error = coefficient_error(both)
        error = error + coefficient_error(left) * after.max(axis=2)
        error = error + coefficient_error(right) * before.max(axis=2)
        return each @ error, each @ mass


@attrs.frozen(eq=False)
class Smoothed:
    """Log density of the quantity at one time, all chains together: at any points.

    Parameters
    ----------
    time : the time
    potential : log potentials
    log_weight : (chains,)
    sides : what the neighbouring times say, and the logs of what that was divided by
    """

    time: int
    potential: Potential
    log_weight: Array
    sides: list[tuple[Blurred, Array]]

    @classmethod
    def of(cls, messages: Messages, time: int, potential: Potential, log_weight: Array) -> Smoothed:
        """From the messages of the same chains."""
        chain, sides = messages.chain, []
        if time > chain.first:
            values = messages.before[time - 1] * messages.potentials[time - 1]
            scale = messages.log_before[time - 1] + messages.tops[time - 1]
            sides.append((chain.blurred(time - 1, values, time - 1), scale))
        if time < chain.last:
            values = messages.after[time + 1] * messages.potentials[time + 1]
            scale = messages.log_after[time + 1] + messages.tops[time + 1]
            sides.append((chain.blurred(time + 1, values, time), scale))
        return cls(time, potential, log_weight, sides)

    def jointly(self, anchor: Array, d: Array) -> Array:
        """Log density of each chain at anchor + d, with its weight: (chains, rows, points)."""
        logs = self.potential(self.time, anchor, d) + self.log_weight[:, None, None]
        for blurred, scale in self.sides:
            with np.errstate(divide="ignore"):
                values = np.log(np.maximum(blurred.at(anchor, d), 0.0))
            logs = logs + (values + scale[:, None, None])
        return np.asarray(logs)

    def __call__(self, anchor: Array, d: Array) -> Array:
        """Log density at anchor + d: (rows, 1), (rows, points) -> (rows, points)."""
        return log_sum(self.jointly(anchor, d), 0)


@attrs.frozen(eq=False, slots=False)
class Part:
    """Some of the chains, on the panels of all: potentials, and (chains,) log weights.

    Chains of several posteriors, ``groups`` of equal size one after the other, may share panels.
    """

    chain: Chain
    potential: Potential
    log_weight: Array
    groups: int = 1

    @classmethod
    def on(
        cls,
        panels: list[Panels],
        steps: Array,
        ends: tuple[int, int],
        potential: Potential,
        log_weight: Array,
        groups: int = 1,
        matrices: Matrices | None = None,
    ) -> Part:
        """On first panels; ``ends`` are the first and the last time with a potential."""
        logs = [
            potential(time, some.anchor[:, None], some.nodes()[0])
            for time, some in enumerate(panels)
        ]
        chain = Chain(panels, logs, steps, *ends, {} if matrices is None else matrices)
        return cls(chain, potential, log_weight, groups)

    @cached_property
    def messages(self) -> Messages:
        """Messages of the chains."""
        return self.chain.messages()

    @cached_property
    def evidence(self) -> Array:
        """Log evidence of each chain with its weight: (times, chains), the same at every time."""
        every = [self.messages.log_evidence(time) for time in range(len(self.chain.panels))]
        return self.log_weight + np.array(every)

    def meshes(self, time: int) -> list[Mesh]:
        """The density of each group of chains at a time, not normalised, on common panels."""
        messages, panels = self.messages, self.chain.panels[time]
        with np.errstate(divide="ignore"):
            logs = np.log(messages.before[time]) + np.log(messages.after[time])
        scale = self.log_weight + messages.log_before[time] + messages.log_after[time]
        logs += self.chain.logs[time] + scale[:, None, None]
        by_group = log_sum(logs.reshape(self.groups, -1, *logs.shape[1:]), 1)
        return [mesh_of(panels, own) for own in by_group]

    @property
    def log_evidence(self) -> Array:
        """The same at the first time with a potential: (chains,)."""
        return np.asarray(self.evidence[self.chain.first])

    def quick_log_evidence(self) -> Array:
        """The same without the messages from the later times."""
        return np.asarray(self.log_weight + self.chain.log_evidence())

    @property
    def rounding(self) -> float:
        """Relative rounding error: that of the sum of log potentials where the density peaks."""
        size, chain = 0.0, self.chain
        best = int(np.argmax(self.log_evidence))
        for time, logs in enumerate(chain.logs):
            mass = self.messages.density(time)[best]
            peak = np.unravel_index(int(np.argmax(mass)), mass.shape)
            size += abs(float(logs[best][peak]))
        return 2.5e-16 * (8.0 + 4.0 * len(chain.panels) + size)

    def halved(self, found: list[BoolArray], matrices: Matrices) -> Part:
        """The same with some panels of each time halved; ``matrices`` are those that stay."""
        every_panels, every_logs = [], []
        for time, fails in enumerate(found):
            panels, logs = self.chain.panels[time], self.chain.logs[time]
            if fails.any():
                halves = panels.take(fails).bisect()
                new = self.potential(time, halves.anchor[:, None], halves.nodes()[0])
                panels = Panels.join([panels.take(~fails), halves])
                order = panels.order()
                panels = panels.take(order)
                logs = np.concatenate([logs[:, ~fails], new], axis=1)[:, order]
            every_panels.append(panels)
            every_logs.append(logs)
        chain = attrs.evolve(self.chain, panels=every_panels, logs=every_logs, matrices=matrices)
        return attrs.evolve(self, chain=chain)


def refined(parts: list[Part], tolerance: float = TOLERANCE) -> tuple[list[Part], float, float]:
    """Halve panels until every time's density, and what is blurred, is resolved.

    Parameters
    ----------
    parts : all chains, on first panels
    tolerance : accepted error of a panel relative to the whole

    Returns
    -------
    the same on the last panels, the error of the whole relative to it, and what of that is
    rounding
    """
    times = range(len(parts[0].chain.panels))
    noise = max(part.rounding for part in parts)
    for _ in range(_MAX_ROUNDS):
        weights = shares(parts)
        total_error, failing = 0.0, []
        for time in times:
            panels = parts[0].chain.panels[time]
            error, mass = np.zeros((2, panels.count))
            for part, weight in zip(parts, weights, strict=True):
                more, held = part.messages.errors(time, weight)
                error, mass = error + more, mass + held
            total_error += float(error.sum())
            fails = (error > tolerance) & (error > 4.0 * noise * mass) & panels.splittable()
            failing.append(fails if panels.count <= MAX_PANELS else np.zeros_like(fails))
        if not any(fails.any() for fails in failing) or _too_much(parts, failing):
            break
        changed = [fails.any() for fails in failing]
        matrices = {
            (source, target): matrix
            for (source, target), matrix in parts[0].chain.matrices.items()
            if not (changed[source] or changed[target])
        }
        parts = [part.halved(failing, matrices) for part in parts]
    # The evidence is the same whatever the time that it is taken at.
    every = [part.evidence.reshape(len(times), part.groups, -1) for part in parts]
    at_times = log_sum(np.concatenate(every, axis=2), 2)
    gap = float(np.ptp(at_times, axis=0).max()) if np.isfinite(at_times).all() else np.inf
    return parts, _MARGIN * total_error + gap + 2.0 * noise, noise


def _too_much(parts: list[Part], failing: list[BoolArray]) -> bool:
    """Whether chains on halved panels would be too much work; the error then says what is missing.

    That happens where kinks move with the scatter: panels are common to all its nodes.
    """
    nodes = ORDER * np.array([len(fails) + fails.sum() for fails in failing], dtype=np.float64)
    chains = sum(len(part.log_weight) for part in parts)
    return bool(chains * (nodes[1:] * nodes[:-1]).sum() > _MOST_WORK * max(len(nodes) - 1, 1))


def shares(parts: list[Part]) -> list[Array]:
    """Share of each chain in the evidence of its group, by part: (chains,) each."""
    every = [part.log_evidence.reshape(part.groups, -1) for part in parts]
    whole = np.array([relative(logs) for logs in np.concatenate(every, axis=1)])
    ends = np.cumsum([logs.shape[1] for logs in every])[:-1]
    return [own.ravel() for own in np.split(whole, ends, axis=1)]


def mesh_of(panels: Panels, logs: Array) -> Mesh:
    """A density from its logs at the nodes of panels; its error is not known here."""
    with_slope = logs + panels.nodes()[1]
    top = float(with_slope.max())
    values = np.exp(with_slope - top)
    total = np.array([float((values @ WEIGHTS).sum())])
    return Mesh(panels, logs, values, np.array([top]), total, np.zeros(1))


def relative(logs: Array) -> Array:
    """Exponentials of logs, divided by their sum; 0 if that is."""
    top = float(logs.max())
    if not np.isfinite(top):
        return np.zeros_like(logs)
    values = np.exp(logs - top)
    return np.asarray(values / values.sum())
