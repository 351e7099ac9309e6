"""Many densities on the same panels, each blurred by a normal of its own sd.

The integral of a density times ``N(v - x; sd)`` over x is a sum over the panels of the density.
A panel that is narrow beside the sd is cut into parts, and parts that lie together are gathered
onto the nodes of one interval of about two sds: on that interval the kernel is a polynomial to
1e-11, so the sum over its nodes is the integral. A panel that is wide beside the sd is
integrated piece by piece around each v.

That is accurate beside the largest value of the blurred density. Where it is to be multiplied by
something that peaks far out in its tail, every value must be accurate beside itself: the normal
is then followed much farther, and parts keep nodes of their own. What the blur does to panels'
polynomials is then one matrix for all densities: see :class:`Blur`.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.polynomial.legendre import legval, legvander
from numpy.typing import NDArray

from reliability.engine.panels import LEGENDRE, NODES, ORDER, WEIGHTS, Kind, Panels

__all__ = ["Blur", "Convolution"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: The normal is integrated this many sds to both sides: 1e-16 lies beyond.
REACH = 8.3
#: Width, in sds, of an interval on which the normal is a polynomial of 15th degree.
SMOOTH = 2.5
#: Parts into which a panel is cut before it counts as wide.
MOST_PARTS = 24
#: Ratio of sds that are treated on the same intervals.
RATIO = 2.0
#: Width, in sds, of the pieces in which the normal is integrated over a wide panel.
PIECE = 5.6
#: The same where every value must be accurate beside itself: 1e-195 lies beyond.
FAR_REACH = 30.0
#: Width, in sds, of a part on whose nodes the normal is then summed: 16 of them integrate it to
#: 1e-13 of its size on the part as far as 12 sds out.
FAR_SMOOTH = 2.4
#: Exact on polynomials up to the 15th degree times a normal.
_HERMITE, _HERMITE_WEIGHTS = hermegauss(ORDER // 2)
_HERMITE_WEIGHTS = _HERMITE_WEIGHTS / np.sqrt(2.0 * np.pi)
#: Distance from the anchor, in sds, at which a panel in log distance is such a polynomial.
_FAR = 40.0
_DEGREES = np.arange(ORDER)
_ROWS_AT_ONCE = 16
#: Exponentials of less than minus this would underflow, which is slow.
_LARGEST_EXPONENT = 700.0


@attrs.frozen(eq=False)
class _Gathered:
    """Nodes and masses that stand for the narrow panels at sds of one size; wide panels.

    ``position`` (nodes,) sorted, ``mass`` (densities, nodes), ``wide`` indices of panels.
    """

    members: IntArray
    position: Array
    mass: Array
    wide: IntArray


class Convolution:
    """Densities blurred by normals.

    Parameters
    ----------
    panels : panels of one quantity, in order of position
    values : (densities, panels, ORDER) each density times dx/dt at the panels' nodes
    sds : (densities,) sd of each blur
    origin : coordinate from which the positions of :meth:`at` are counted
    """

    def __init__(self, panels: Panels, values: Array, sds: Array, origin: float) -> None:
        self._where = _Where(panels, origin)
        self._sds = sds
        self._coefficients = self._where.coefficients(values)
        level = np.floor(np.log(sds) / np.log(RATIO))
        self._gathered = [self._gather(np.flatnonzero(level == one)) for one in np.unique(level)]

    # ---------------------------------------------------------------- narrow panels

    def _gather(self, members: IntArray) -> _Gathered:
        where = self._where
        size = SMOOTH * float(self._sds[members].min())
        parts, narrow, wide = where.parts(size)
        if not len(narrow):
            return _Gathered(members, np.zeros(0), np.zeros((len(members), 0)), wide)
        positions, masses = [], []
        for count in np.unique(parts[narrow]).astype(int):
            index = narrow[parts[narrow] == count]
            position, basis = where.cut(index, count)
            mass = self._coefficients[members][:, index] @ basis
            positions.append(position.reshape(-1, ORDER))
            masses.append(mass.reshape(len(members), -1, ORDER))
        position, mass = np.concatenate(positions), np.concatenate(masses, axis=1)
        order = np.argsort(position[:, 0])
        position, mass = position[order], mass[:, order]
        first = _runs(position[:, 0], position[:, -1], size)
        return _Gathered(members, *_onto_intervals(position, mass, first), wide)

    # ---------------------------------------------------------------- the blur

    def at(self, v: Array) -> Array:
        """Blurred densities at positions v, counted from the origin: (densities, points)."""
        order = np.argsort(v)
        increasing = v[order]
        out = np.zeros((len(self._sds), len(v)))
        for some in self._gathered:
            self._add_gathered(some, increasing, out)
            if len(some.wide):
                self._add_wide(some, increasing, out)
        result = np.empty_like(out)
        result[:, order] = out
        return result

    def _add_gathered(self, some: _Gathered, v: Array, out: Array) -> None:
        sds = self._sds[some.members]
        reach = REACH * float(sds.max())
        same = bool(np.all(sds == sds[0]))
        for begin in range(0, len(v), _ROWS_AT_ONCE):
            part = slice(begin, begin + _ROWS_AT_ONCE)
            at = v[part]
            low = int(np.searchsorted(some.position, at[0] - reach))
            high = int(np.searchsorted(some.position, at[-1] + reach))
            if low == high:
                continue
            square = (at[:, None] - some.position[low:high]) ** 2
            if same:
                kernel = np.exp(square * (-0.5 / sds[0] ** 2))
                each = some.mass[:, low:high] @ kernel.T
            else:
                kernel = np.exp(square * (-0.5 / sds**2)[:, None, None])
                each = (kernel @ some.mass[:, low:high, None])[:, :, 0]
            out[some.members, part] += each / (sds * np.sqrt(2.0 * np.pi))[:, None]

    def _add_wide(self, some: _Gathered, v: Array, out: Array) -> None:
        reach = REACH * float(self._sds[some.members].max())
        point, panel = self._where.near(some.wide, v, reach)
        if not len(point):
            return
        density = np.repeat(some.members, len(point))
        point, panel = np.tile(point, len(some.members)), np.tile(panel, len(some.members))
        sd = self._sds[density]
        for index, t, weight in self._where.on_wide(v[point], panel, sd):
            coefficients = self._coefficients[density[index], panel[index]].T[:, :, None]
            value = (weight * legval(t, coefficients, tensor=False)).sum(axis=1)
            flat = density[index] * len(v) + point[index]
            out += np.bincount(flat, value, minlength=out.size).reshape(out.shape)


class Blur:
    """What a normal does to densities on panels, every value accurate beside itself.

    Parameters
    ----------
    panels : panels of one quantity, in order of position
    sd : of the normal
    """

    def __init__(self, panels: Panels, sd: float) -> None:
        start, stop = panels.edges()
        #: The coordinate from which positions are counted: where panels are narrowest.
        self.origin = float(panels.anchor[np.argmin(stop - start)])
        self._where, self._sd = _Where(panels, self.origin), sd

    def coefficients(self, values: Array) -> Array:
        """Densities times dx/dt at the nodes as polynomials: (..., panels, ORDER)."""
        return self._where.coefficients(values)

    def matrix(self, v: Array) -> Array:
        """Matrix from these polynomials to blurred densities at v: (points, panels * ORDER)."""
        order = np.argsort(v)
        where, sd, increasing = self._where, self._sd, v[order]
        out = np.zeros((len(v), len(where.start), ORDER))
        parts, narrow, wide = where.parts(FAR_SMOOTH * sd)
        reach = FAR_REACH * sd
        for count in np.unique(parts[narrow]).astype(int):
            index = narrow[parts[narrow] == count]
            positions, basis = where.cut(index, count)
            first = np.searchsorted(increasing, where.start[index] - reach)
            last = np.searchsorted(increasing, where.stop[index] + reach)
            for panel, position, low, high in zip(index, positions, first, last, strict=True):
                exponent = (increasing[low:high, None] - position) / sd
                exponent *= exponent
                exponent *= -0.5
                np.maximum(exponent, -_LARGEST_EXPONENT, out=exponent)
                kernel = np.exp(exponent, out=exponent)
                out[low:high, panel] = (kernel @ basis.T) / (sd * np.sqrt(2.0 * np.pi))
        point, panel = where.near(wide, increasing, REACH * sd)
        for index, t, weight in where.on_wide(increasing[point], panel, np.full(len(point), sd)):
            each = np.einsum("rn,rnk->rk", weight, legvander(t, ORDER - 1))
            out[point[index], panel[index]] = each
        result = np.empty_like(out)
        result[order] = out
        return result.reshape(len(v), -1)


class _Where:
    """Where panels are, as seen from an origin, and how the normal is integrated over them."""

    def __init__(self, panels: Panels, origin: float) -> None:
        self._panels = panels
        self._shift = panels.anchor - origin
        start, stop = panels.edges()
        self.start, self.stop = self._shift + start, self._shift + stop
        # A downward tail's variable runs against x: mirror it, so that t always increases.
        self._sign = np.where(panels.kind == Kind.DOWN, -1.0, 1.0)
        self._linear = panels.kind == Kind.LINEAR
        self._middle, self._half = (
            0.5 * (panels.high + panels.low),
            0.5 * (panels.high - panels.low),
        )
        _, slope = panels.at(np.array([[-1.0, 1.0]]))
        # No part of a panel is wider than this over the number of parts.
        self._width = 2.0 * np.exp(slope.max(axis=1))

    def coefficients(self, values: Array) -> Array:
        """Legendre coefficients, in t that increases with x, of values at the panels' nodes."""
        return np.asarray((values @ LEGENDRE) * (self._sign[:, None] ** _DEGREES))

    def parts(self, size: float) -> tuple[Array, IntArray, IntArray]:
        """Parts no wider than a size into which panels are cut; the narrow panels, and the wide."""
        with np.errstate(over="ignore"):
            parts = np.ceil(np.maximum(self._width / size, 1e-9))
        return parts, np.flatnonzero(parts <= MOST_PARTS), np.flatnonzero(parts > MOST_PARTS)

    def cut(self, index: IntArray, count: int) -> tuple[Array, Array]:
        """Nodes on panels cut into parts: (panels, count * ORDER) positions.

        And (ORDER, count * ORDER) the matrix from coefficients to masses at them.
        """
        t = ((2.0 * np.arange(count)[:, None] + 1.0 + NODES) / count - 1.0).ravel()
        own = self._sign[index][:, None] * t
        d, _ = self._panels.take(index).at(own)
        basis = legvander(t, ORDER - 1).T * np.tile(WEIGHTS / count, count)
        return self._shift[index][:, None] + d, np.asarray(basis)

    def near(self, wide: IntArray, v: Array, reach: float) -> tuple[IntArray, IntArray]:
        """Pairs of points, in order, and wide panels no farther from them than a reach."""
        first = np.searchsorted(self.stop[wide], v - reach)
        count = np.maximum(np.searchsorted(self.start[wide], v + reach) - first, 0)
        point = np.repeat(np.arange(len(v)), count)
        number = np.arange(len(point)) - np.repeat(np.cumsum(count) - count, count)
        return point, wide[np.repeat(first, count) + number]

    def on_wide(
        self, v: Array, panel: IntArray, sd: Array
    ) -> Iterator[tuple[IntArray, Array, Array]]:
        """Nodes of the integral of the normal around each point over its wide panel.

        Rows that are integrated alike together: these, (rows, nodes) positions t in the panel, and
        weights of the panel's polynomial there.
        """
        low = np.maximum(self.start[panel] - v, -REACH * sd)
        high = np.minimum(self.stop[panel] - v, REACH * sd)
        far = np.abs(v - self._shift[panel]) > _FAR * sd
        whole = (high - low >= (2.0 * REACH - 1e-9) * sd) & (far | (self._linear[panel]))
        pieces = np.where(whole, 0, np.ceil((high - low) / (PIECE * sd))).astype(np.int64)
        for count in range(4):
            index = np.flatnonzero((pieces == count) & (high > low))
            if len(index):
                rows = v[index], panel[index], sd[index], low[index], high[index]
                yield index, *self._on_panel(*rows, count)

    def _on_panel(
        self, v: Array, panel: IntArray, sd: Array, low: Array, high: Array, pieces: int
    ) -> tuple[Array, Array]:
        """Nodes on a panel for each row, in ``pieces`` (0: all of the normal lies in it)."""
        sd = sd[:, None]
        if pieces == 0:
            offset = sd * _HERMITE
            weight = np.broadcast_to(_HERMITE_WEIGHTS, offset.shape)
        else:
            half = (0.5 * (high - low) / pieces)[:, None]
            inner = (2.0 * np.arange(pieces)[:, None] + 1.0 + NODES).ravel()
            offset = low[:, None] + half * inner
            weight = np.exp(-0.5 * (offset / sd) ** 2) * (half / (sd * np.sqrt(2.0 * np.pi)))
            weight = weight * np.tile(WEIGHTS, pieces)
        d = (v - self._shift[panel])[:, None] + offset
        kind = self._panels.kind[panel]
        t, per_t = np.empty_like(d), np.empty_like(d)
        for one in np.unique(kind):
            rows = np.flatnonzero(kind == one)
            here, at = panel[rows], d[rows]
            per_t[rows] = self._half[here][:, None]
            if one == Kind.SQUARE:
                at = np.copysign(np.sqrt(np.abs(at)), at)
                per_t[rows] *= 2.0 * np.abs(at)
            elif one != Kind.LINEAR:
                per_t[rows] *= np.abs(at)
                with np.errstate(divide="ignore"):
                    at = np.log(np.abs(at))
            t[rows] = (at - self._middle[here][:, None]) / (self._sign * self._half)[here][:, None]
        return np.clip(t, -1.0, 1.0), np.asarray(weight / per_t)


def _runs(start: Array, stop: Array, size: float) -> IntArray:
    """First of each run of successive intervals that together are no longer than ``size``."""
    first = [0]
    begin = start[0]
    for k in range(1, len(start)):
        if stop[k] - begin > size:
            first.append(k)
            begin = start[k]
    return np.array(first)


def _onto_intervals(position: Array, mass: Array, first: IntArray) -> tuple[Array, Array]:
    """Gather runs of intervals onto the nodes of one interval each, every moment kept.

    Parameters
    ----------
    position : (intervals, ORDER) nodes
    mass : (densities, intervals, ORDER) masses at the nodes
    first : first interval of each run

    Returns
    -------
    (nodes,) positions, (densities, nodes) masses
    """
    low = position[first, 0]
    high = position[np.append(first[1:], len(position)) - 1, -1]
    length = np.diff(np.append(first, len(position)))
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    run = np.repeat(np.arange(len(first)), length)
    t = (position - middle[run][:, None]) / half[run][:, None]
    moments = np.einsum("kpm,pmd->kpd", mass, legvander(t, ORDER - 1), optimize=True)
    moments = np.add.reduceat(moments, first, axis=1)
    gathered = moments @ LEGENDRE.T
    nodes = middle[:, None] + half[:, None] * NODES
    single = length == 1
    nodes[single] = position[first[single]]
    gathered[:, single] = mass[:, first[single]]
    return nodes.ravel(), gathered.reshape(len(mass), -1)
