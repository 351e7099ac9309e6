"""Where the nodes go: panels, each anchored at a float near it.

A panel covers ``x = anchor + d`` with d in an interval. Keeping the anchor apart lets a claim
with sd 1e-6 at 1e6 keep its digits. A panel's own variable v maps to d by its kind:

========== ============== ====================================
LINEAR     d = v          the bulk
UP, DOWN   d = +-exp(v)   tails, out to the end of the floats
SQUARE     d = v |v|      the neighbourhood of tau = 0, and of knots
========== ============== ====================================
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache, cached_property

import attrs
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FARTHEST",
    "LARGEST_LOG",
    "LARGEST_LOG_SCATTER",
    "LEGENDRE",
    "NODES",
    "ORDER",
    "Features",
    "Kind",
    "Panels",
    "gauss_legendre",
    "initial_panels",
    "pair_up",
    "scatter_panels",
    "slowest_decay",
    "uncovered",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


@cache
def gauss_legendre(order: int) -> tuple[Array, Array, Array]:
    """Nodes, weights, and the matrix from values at the nodes to Legendre coefficients."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    degrees = np.arange(order)
    values = np.polynomial.legendre.legvander(nodes, order - 1)
    return nodes, weights, values * weights[:, None] * (degrees + 0.5)


#: Gauss-Legendre nodes per panel.
ORDER = 16
#: ``LEGENDRE``: values at the nodes -> Legendre coefficients of the interpolating polynomial.
NODES, WEIGHTS, LEGENDRE = gauss_legendre(ORDER)

#: Width of a panel in units of the local scale of the integrand. With 16 nodes the Legendre
#: coefficients of a normal density over a width of two sds fall below 1e-12.
PANEL_WIDTH = 2.0
#: How fast the local scale grows with the distance from a claim.
GROWTH = 0.3
#: Panels of one quantity to begin with, at the most; refinement adds where it must.
MOST_PIECES = 5_000
#: The bulk ends this many sds beyond the outermost claim; log panels follow.
REACH = 9.0
#: Lengths in log distance of successive tail panels, before scaling; see ``_tail``.
_TAIL_GROWTH = 1.5
LARGEST_LOG = 690.0
#: Length in log distance of the panels of the scatter, and how many follow its tail.
_SCATTER_STEP, _SCATTER_TAIL = 0.9, 8
#: Tails are followed for this many units of log distance: out there residuals can still be
#: squared.
FARTHEST = 300.0
#: The scatter is squared.
LARGEST_LOG_SCATTER = 300.0


class Kind(IntEnum):
    """How a panel's variable maps to the distance from its anchor."""

    LINEAR = 0
    UP = 1
    DOWN = 2
    SQUARE = 3


# Plain integers: looking up members of an enumeration is slow in the innermost functions.
UP, DOWN, SQUARE = int(Kind.UP), int(Kind.DOWN), int(Kind.SQUARE)


@attrs.frozen(eq=False, slots=False)
class Panels:
    """Panels of many quantities: anchor + d(v), v in [low, high]."""

    quantity: IntArray
    anchor: Array
    kind: IntArray
    low: Array
    high: Array

    @property
    def count(self) -> int:
        """Number of panels."""
        return len(self.anchor)

    def take(self, index: NDArray[np.bool_] | IntArray | slice) -> Panels:
        """Some of the panels."""
        return Panels(
            self.quantity[index],
            self.anchor[index],
            self.kind[index],
            self.low[index],
            self.high[index],
        )

    @staticmethod
    def join(parts: list[Panels]) -> Panels:
        """Panels of several lists, one after the other."""
        if len(parts) == 1:
            return parts[0]
        return Panels(
            np.concatenate([p.quantity for p in parts]),
            np.concatenate([p.anchor for p in parts]),
            np.concatenate([p.kind for p in parts]),
            np.concatenate([p.low for p in parts]),
            np.concatenate([p.high for p in parts]),
        )

    def bisect(self) -> Panels:
        """Both halves of every panel, left halves first."""
        middle = 0.5 * (self.low + self.high)
        return Panels.join(
            [
                Panels(self.quantity, self.anchor, self.kind, self.low, middle),
                Panels(self.quantity, self.anchor, self.kind, middle, self.high),
            ]
        )

    def splittable(self) -> NDArray[np.bool_]:
        """Whether halves would still be resolved by the floats."""
        size = np.maximum(np.abs(self.low), np.abs(self.high))
        return self.high - self.low > 64.0 * np.finfo(np.float64).eps * size

    def at(self, t: Array) -> tuple[Array, Array]:
        """Distances d from the anchor, and log dd/dt, at t in [-1, 1] (panels, points)."""
        half = (0.5 * (self.high - self.low))[:, None]
        d = half * t
        d += (0.5 * (self.high + self.low))[:, None]
        with np.errstate(divide="ignore"):
            log_half = np.log(half)
            if not self.kind.any():
                return d, np.broadcast_to(log_half, d.shape)
            log_slope = np.repeat(log_half, d.shape[1], axis=1)
            rows = np.flatnonzero((self.kind == UP) | (self.kind == DOWN))
            if len(rows):
                v = d[rows]
                log_slope[rows] += v
                np.exp(v, out=v)
                down = self.kind[rows] == DOWN
                if down.any():
                    v[down] *= -1.0
                d[rows] = v
            rows = np.flatnonzero(self.kind == SQUARE)
            if len(rows):
                v = d[rows]
                log_slope[rows] += np.log(2.0 * np.abs(v))
                d[rows] = v * np.abs(v)
        return d, log_slope

    def nodes(self) -> tuple[Array, Array]:
        """Distances d of the nodes from the anchors, and log dd/dt there: (panels, ORDER)."""
        return self._nodes

    @cached_property
    def _nodes(self) -> tuple[Array, Array]:
        return self.at(NODES)

    def inverse(self, d: Array) -> Array:
        """Position t in [-1, 1] of distances d from the anchors, one per panel."""
        with np.errstate(divide="ignore", invalid="ignore"):
            v = d
            if self.kind.any():
                v = np.where(self.kind == SQUARE, np.copysign(np.sqrt(np.abs(d)), d), v)
                v = np.where(self.kind == UP, np.log(np.maximum(d, 0.0)), v)
                v = np.where(self.kind == DOWN, np.log(np.maximum(-d, 0.0)), v)
        # A tail going down runs from far to near as v falls, so t keeps v's direction.
        half = 0.5 * (self.high - self.low)
        return np.clip((v - 0.5 * (self.high + self.low)) / half, -1.0, 1.0)

    def edges(self) -> tuple[Array, Array]:
        """Distances d of the lower and the upper end of each panel, in increasing order of x."""
        ends, _ = self.at(np.array([[-1.0, 1.0]]))
        down = self.kind == DOWN
        return np.where(down, ends[:, 1], ends[:, 0]), np.where(down, ends[:, 0], ends[:, 1])

    def order(self) -> IntArray:
        """Indices that sort the panels by quantity and position."""
        low, high = self.edges()
        with np.errstate(over="ignore"):
            return np.lexsort((self.anchor + 0.5 * low + 0.5 * high, self.quantity))


@attrs.frozen(eq=False)
class Features:
    """Where an integrand may bend: locations with scales, and kinks that must be edges.

    Rows of ``location`` and ``scale`` are grouped by quantity (``quantity`` is sorted);
    ``low`` and ``high`` limit each quantity's support; ``low_power`` and ``high_power`` are the
    exponents q of its tails |x|^-q that quadrature must follow (infinite where tails fall
    faster than any power).
    """

    quantity: IntArray
    location: Array
    scale: Array
    kink_quantity: IntArray
    kink: Array
    low: Array
    high: Array
    low_power: Array
    high_power: Array


def uncovered(first: Panels, kept: Panels) -> Panels:
    """Parts of the first panels of one quantity that no kept panel covers.

    Every kept panel is one of the first ones or was made from one by halving.
    """
    inside = (
        (kept.anchor == first.anchor[:, None])
        & (kept.kind == first.kind[:, None])
        & (kept.low >= first.low[:, None])
        & (kept.high <= first.high[:, None])
    )
    length = first.high - first.low
    covered = inside @ (kept.high - kept.low)
    parts = [first.take(covered == 0.0)]
    for row in np.flatnonzero((covered > 0.0) & (covered < (1.0 - 1e-9) * length)):
        rows = np.flatnonzero(inside[row])
        rows = rows[np.argsort(kept.low[rows])]
        low = np.append(first.low[row], kept.high[rows])
        high = np.append(kept.low[rows], first.high[row])
        gap = high > low
        every = first.take(np.full(int(gap.sum()), row))
        parts.append(Panels(every.quantity, every.anchor, every.kind, low[gap], high[gap]))
    return Panels.join(parts)


def pair_up(left: IntArray, right: IntArray, quantities: int) -> tuple[IntArray, IntArray]:
    """All pairs of rows of two lists that belong to the same quantity.

    Parameters
    ----------
    left, right : quantity of each row; ``right`` sorted
    quantities : how many there are

    Returns
    -------
    index into left, index into right; grouped by the rows of left
    """
    count = np.bincount(right, minlength=quantities)
    start = np.concatenate([[0], np.cumsum(count)])[:-1]
    repeats = count[left]
    first = np.repeat(np.arange(len(left)), repeats)
    offset = np.arange(len(first)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return first, start[left[first]] + offset


_STEPS = np.array([0.0, 0.7, 1.6, 3.0, 5.5, REACH])
_LANDMARKS = np.concatenate([-_STEPS[:0:-1], _STEPS])
#: Ratio of successive landmarks beyond the reach of a claim, out to the others.
_LANDMARK_RATIO = 3.0


def _landmarks(features: Features, quantities: int) -> tuple[IntArray, Array]:
    """Feature of each landmark and its distance from it in scales.

    Around every feature out to ``REACH``; beyond, where other features of the quantity lie
    farther away, at geometric steps as far as the farthest of them.
    """
    low, high = np.full(quantities, np.inf), np.full(quantities, -np.inf)
    np.minimum.at(low, features.quantity, features.location - REACH * features.scale)
    np.maximum.at(high, features.quantity, features.location + REACH * features.scale)
    np.minimum.at(low, features.kink_quantity, features.kink)
    np.maximum.at(high, features.kink_quantity, features.kink)
    # Tail panels see everything from the middle: a narrow claim at the outside must have faded
    # into its own tail before they begin, at a distance comparable to that of the others.
    margin = 0.5 * (high - low)
    low = np.where(np.isfinite(features.low), np.minimum(low, features.low), low - margin)
    high = np.where(np.isfinite(features.high), np.maximum(high, features.high), high + margin)
    count = len(features.location)
    near = np.tile(_LANDMARKS, count)
    lists_f, lists_s = [np.repeat(np.arange(count), len(_LANDMARKS))], [near]
    for sign, end in ((1.0, high), (-1.0, low)):
        distance = sign * (end[features.quantity] - features.location) / features.scale
        with np.errstate(divide="ignore"):
            steps = np.floor(np.log(distance / REACH) / np.log(_LANDMARK_RATIO))
        steps = np.clip(steps, 0, 700).astype(np.int64)
        index = np.repeat(np.arange(count), steps)
        number = np.arange(len(index)) - np.repeat(np.cumsum(steps) - steps, steps) + 1
        lists_f.append(index)
        lists_s.append(sign * REACH * _LANDMARK_RATIO**number)
    return np.concatenate(lists_f), np.concatenate(lists_s)


@attrs.frozen(eq=False)
class _Marks:
    """Points at anchor + offset in order of quantity and position; ``scale`` 0 marks a kink."""

    quantity: IntArray
    anchor: Array
    offset: Array
    scale: Array

    def take(self, index: IntArray) -> _Marks:
        return _Marks(
            self.quantity[index], self.anchor[index], self.offset[index], self.scale[index]
        )

    @staticmethod
    def join(one: _Marks, other: _Marks) -> _Marks:
        return _Marks(
            np.concatenate([one.quantity, other.quantity]),
            np.concatenate([one.anchor, other.anchor]),
            np.concatenate([one.offset, other.offset]),
            np.concatenate([one.scale, other.scale]),
        )


def initial_panels(features: Features) -> Panels:
    """First panels: as wide as the integrand is smooth, so their number grows like sqrt(n).

    Near x the integrand's scale is about ``1/sqrt(sum_i 1/(s_i^2 + (g (x - y_i))^2))``: the
    information of all claims there. Panels are ``PANEL_WIDTH`` of it wide. Where this guess is
    too coarse the quadrature splits them.
    """
    quantities = len(features.low)
    marks = _marks(features, quantities)
    quantity = marks.quantity
    # Panels counted from the left end, at every mark.
    density = _panel_density(features, marks, quantities)
    gap = np.maximum(np.diff(marks.anchor) + np.diff(marks.offset), 0.0)
    same = quantity[1:] == quantity[:-1]
    step = np.where(same, 0.5 * (density[1:] + density[:-1]) * gap, 0.0)
    t = np.concatenate([[0.0], np.cumsum(step)])
    every = np.arange(quantities)
    first = np.searchsorted(quantity, every)
    last = np.searchsorted(quantity, every, side="right") - 1
    edges = _edges(marks, t, first, last)
    ends = marks.take(first), marks.take(last)
    return Panels.join(
        [_between(edges), _tail(features, *ends, Kind.DOWN), _tail(features, *ends, Kind.UP)]
    )


def _marks(features: Features, quantities: int) -> _Marks:
    """Landmarks around every feature, kinks, and the finite ends of the support."""
    feature, step = _landmarks(features, quantities)
    scale = features.scale[feature]
    around = _Marks(features.quantity[feature], features.location[feature], scale * step, scale)
    ends_low = np.flatnonzero(np.isfinite(features.low))
    ends_high = np.flatnonzero(np.isfinite(features.high))
    kink_quantity = np.concatenate([features.kink_quantity, ends_low, ends_high])
    kink = np.concatenate([features.kink, features.low[ends_low], features.high[ends_high]])
    zero = np.zeros(len(kink))
    marks = _Marks.join(around, _Marks(kink_quantity, kink, zero, zero))
    # A layer at an end of the support may be thinner than the floats there are apart: what is
    # inside, and in which order, is asked of exact sums.
    position = marks.anchor + marks.offset
    from_anchor = position - marks.anchor
    rest = (marks.anchor - (position - from_anchor)) + (marks.offset - from_anchor)
    low, high = features.low[marks.quantity], features.high[marks.quantity]
    inside = ((marks.anchor - low) + marks.offset >= 0.0) & (
        (marks.anchor - high) + marks.offset <= 0.0
    )
    order = np.flatnonzero(inside)
    keys = marks.scale, rest, position, marks.quantity
    return marks.take(order[np.lexsort(tuple(key[order] for key in keys))])


def _edges(marks: _Marks, t: Array, first: IntArray, last: IntArray) -> _Marks:
    """Marks at equal steps of t, and kinks; an equal-step edge close to a kink gives way.

    Parameters
    ----------
    marks : landmarks and kinks
    t : panels to the left of each mark
    first, last : first and last mark of each quantity
    """
    pieces = np.clip(np.ceil(t[last] - t[first]), 1, MOST_PIECES).astype(np.int64)
    quantity = np.repeat(np.arange(len(first)), pieces + 1)
    number = np.arange(len(quantity)) - np.repeat(np.cumsum(pieces + 1) - (pieces + 1), pieces + 1)
    length = ((t[last] - t[first]) / pieces)[quantity]
    at = t[first][quantity] + number * length
    right = np.clip(np.searchsorted(t, at), first[quantity] + 1, last[quantity])
    left = np.maximum(right - 1, first[quantity])
    rise = t[right] - t[left]
    fraction = np.divide(at - t[left], rise, out=np.zeros_like(at), where=rise > 0.0)
    fraction = np.clip(fraction, 0.0, 1.0)
    width = np.maximum(
        (marks.anchor[right] - marks.anchor[left]) + (marks.offset[right] - marks.offset[left]),
        0.0,
    )
    from_left = marks.scale[left] <= marks.scale[right]
    near = np.where(from_left, left, right)
    regular = _Marks(
        quantity,
        marks.anchor[near],
        marks.offset[near] + np.where(from_left, fraction * width, (fraction - 1.0) * width),
        marks.scale[near],
    )
    kinks = np.flatnonzero(marks.scale == 0.0)
    keep = np.arange(len(at))
    if len(kinks):
        kink_t = t[kinks]
        after = np.searchsorted(kink_t, at)
        distance = np.minimum(
            np.abs(at - kink_t[np.maximum(after - 1, 0)]),
            np.abs(at - kink_t[np.minimum(after, len(kinks) - 1)]),
        )
        interior = (number > 0) & (number < pieces[quantity])
        keep = np.flatnonzero(~interior | (distance > 0.3 * length))
    edges = _Marks.join(regular.take(keep), marks.take(kinks))
    position = np.concatenate([at[keep], t[kinks]])
    return edges.take(np.lexsort((position, edges.quantity)))


def _panel_density(features: Features, marks: _Marks, quantities: int) -> Array:
    """Panels per unit of x at the marks."""
    mark, feature = pair_up(marks.quantity, features.quantity, quantities)
    distance = (marks.anchor[mark] - features.location[feature]) + marks.offset[mark]
    information = 1.0 / (features.scale[feature] ** 2 + (GROWTH * distance) ** 2)
    starts = np.searchsorted(mark, np.arange(len(marks.anchor)))
    return np.asarray(np.sqrt(np.add.reduceat(information, starts)) / PANEL_WIDTH)


def _between(edges: _Marks) -> Panels:
    """Panels between successive edges, each anchored at the finer of its two."""
    left = np.flatnonzero(edges.quantity[1:] == edges.quantity[:-1])
    right = left + 1
    anchor, offset, scale = edges.anchor, edges.offset, edges.scale
    width = (anchor[right] - anchor[left]) + (offset[right] - offset[left])
    from_left = scale[left] <= scale[right]
    low = np.where(from_left, offset[left], offset[right] - width)
    high = np.where(from_left, offset[left] + width, offset[right])
    keep = (width > 0.0) & (high > low)
    return Panels(
        edges.quantity[left][keep],
        np.where(from_left, anchor[left], anchor[right])[keep],
        np.zeros(int(keep.sum()), dtype=np.int64),
        low[keep],
        high[keep],
    )


def slowest_decay(power: Array) -> Array:
    """Slowest decay, per unit of log distance, of a density |x|^-q and its first two moments.

    Of q - 1, q - 2 and q - 3 the smallest positive one, because moments that do not exist are
    not computed; tails that fall faster than any power count as q = 5.
    """
    q = np.where(np.isinf(power), 5.0, power)
    decays = q[:, None] - np.array([1.0, 2.0, 3.0])
    return np.asarray(np.maximum(np.where(decays > 0.0, decays, np.inf).min(axis=1), 0.05))


def _tail(features: Features, start: _Marks, stop: _Marks, kind: Kind) -> Panels:
    """Panels in log distance from the middle of the bulk, out to where nothing is left.

    With a tail |x|^-q the mass beyond X is X^-(q-1): 40/(q-1) units of log distance reach
    1e-17 of it, and a little more does so for the moments that exist.
    """
    middle = 0.5 * (start.anchor + start.offset) + 0.5 * (stop.anchor + stop.offset)
    width = (stop.anchor - start.anchor) + (stop.offset - start.offset)
    up = kind is Kind.UP
    end = stop if up else start
    # Anchor and offset apart: the tail begins where the bulk ends, to the last digit of a width.
    from_middle = np.abs((end.anchor - middle) + end.offset)
    open_end = np.isinf(features.high) if up else np.isinf(features.low)
    index = np.flatnonzero(open_end)
    # Where the floats at the middle are coarser than the bulk is wide, only the width is known.
    distance = np.maximum(from_middle, 0.25 * width)[index]
    power = (features.high_power if up else features.low_power)[index]
    begin = np.log(distance)
    reach = np.minimum(40.0 / slowest_decay(power), FARTHEST)
    stop_at = np.minimum(begin + reach, LARGEST_LOG)
    # Panels of equal length; about as many as the integrand has e-foldings to show.
    panels = 10
    fraction = np.linspace(0.0, 1.0, panels + 1) ** _TAIL_GROWTH
    edges = begin[:, None] + (stop_at - begin)[:, None] * fraction
    return Panels(
        np.repeat(index, panels),
        np.repeat(middle[index], panels),
        np.full(panels * len(index), int(kind), dtype=np.int64),
        edges[:, :-1].ravel(),
        edges[:, 1:].ravel(),
    )


def scatter_panels(smallest: Array, largest: Array, low: float, power: Array) -> Panels:
    """First panels for the scatter, in order.

    Parameters
    ----------
    smallest, largest : (quantities,) range of scales at which the integrand may bend
    low : lower end of the scatter's support (0 for tau, 1 for an inflation)
    power : (quantities,) the posterior's tail is tau^-power (infinite if it falls faster)
    """
    first = 0.5 * smallest
    begin, middle = np.log(first), np.log(4.0 * largest)
    core = np.maximum(np.ceil((middle - begin) / _SCATTER_STEP), 2).astype(np.int64)
    count = core + _SCATTER_TAIL + 1
    row = np.repeat(np.arange(len(first)), count)
    number = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    # Number 0 reaches from the lower end to the first edge; those of the core are equally long.
    step = ((middle - begin) / core)[row]
    reach = 40.0 / slowest_decay(power)
    fraction = np.linspace(0.0, 1.0, _SCATTER_TAIL + 1) ** _TAIL_GROWTH

    def edge(after: IntArray) -> Array:
        beyond = np.clip(after - 1 - core[row], 0, _SCATTER_TAIL)
        inside = np.where(after - 1 >= core[row], middle[row], begin[row] + (after - 1) * step)
        out = np.minimum(inside + reach[row] * fraction[beyond], LARGEST_LOG_SCATTER)
        return np.asarray(out)

    start = number == 0
    lower = np.where(start, 0.0, edge(number))
    upper = np.where(start, np.sqrt(first)[row], edge(number + 1))
    keep = upper > lower
    kind = np.where(start, int(Kind.SQUARE), int(Kind.UP))
    return Panels(row[keep], np.full(int(keep.sum()), low), kind[keep], lower[keep], upper[keep])
