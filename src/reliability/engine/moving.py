"""What moves with the scatter, and panels cut where it passes.

A claim through stated quantiles has a jump in a derivative of its density at every knot, and the
knots lie at ``x = location - bias + knot * stretch``, the stretch growing with the scatter. The
shoulders of a range lie at ``x = location - bias +- k * half width`` under an inflation k, and
are often a thousand times narrower than the range. No fixed panels of x, nor of the scatter, have
their edges there. But at a given x every knot and every shoulder passes at one value of the
scatter at the most, and at a given scatter it lies at one x: the inner integral of the two is cut
there, so that it is as accurate as without them.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns, Form
from reliability.engine.likelihoods import Scatter
from reliability.engine.mixture import NO_SCATTER
from reliability.engine.panels import ORDER, Kind, Panels, gauss_legendre

__all__ = ["Cut", "Moving", "MovingKnots", "MovingShoulders", "cut", "rooted", "stretch"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

#: Gauss nodes on a part of a panel, by how many halvings shorter than the panel it is. For a
#: function as smooth as one that 16 nodes resolve on the panel, far fewer would do; but between
#: two knots near each other a density may bend more than elsewhere, and a part that needed more
#: would have the whole panel halved, at every x.
_NODES_OF_PART = np.array([ORDER, 14, 12, 10, 8, 7])
#: Gauss nodes on half of a shoulder, whatever its length: they integrate a normal distribution
#: function over ``_SHOULDER`` sds to the last digits.
_NODES_OF_SHOULDER = 20
#: Sds from its middle at which a shoulder ends: beyond, 4e-11 of its height is left.
_SHOULDER = 6.5
#: A range whose shoulders have larger sds beside its half-width is as smooth as others.
_NARROW = 0.1
#: Parts of this length relative to their panel, at all points, are rounding.
_NOTHING = 1e-14
#: Sds beyond this, squared, would overflow.
_FAR = 1e150


def stretch(columns: Columns, rows: IntArray, scatter: Scatter) -> Array:
    """What overconfidence, bias and scatter multiply the widths of claims through quantiles by.

    ``scatter`` broadcasts against the claims, which come last.
    """
    factor = columns.overconfidence[rows] * scatter.inflation
    extra = columns.bias_variance[rows] + scatter.tau**2
    return np.asarray(np.sqrt(factor**2 + extra / columns.sd_low[rows] ** 2))


@attrs.frozen(eq=False)
class MovingKnots:
    """All knots of the claims of one quantity, one column per knot.

    ``knot`` is the distance from the claim's location without any stretch, ``row`` the claim.
    """

    columns: Columns
    row: IntArray
    knot: Array
    inflation: bool

    @staticmethod
    def of(columns: Columns, *, inflation: bool) -> MovingKnots | None:
        """Knots of the claims that move with the scatter, or None if there are none."""
        through = np.flatnonzero(columns.form == Form.QUANTILES)
        left = columns.knots.left[columns.knot_row[through]]
        claim, number = np.nonzero(np.isfinite(left) & (left != 0.0))
        if not len(claim):
            return None
        return MovingKnots(columns, through[claim], left[claim, number], inflation)

    @property
    def places(self) -> Array:
        """Where the knots are without scatter, to the last digit the kinks of ``features``."""
        columns, row = self.columns, self.row
        widened = stretch(columns, row, NO_SCATTER).ravel()
        return np.asarray(columns.location[row] + self.knot * widened - columns.bias[row])

    def distances(self, scatter: Array, anchor: Array) -> Array:
        """Distances of the knots from anchors at given scatter: (values, anchors, knots)."""
        tau, inflation = np.zeros((1, 1)), np.ones((1, 1))
        values = scatter[:, None]
        some = Scatter(tau, values) if self.inflation else Scatter(values, inflation)
        columns, row = self.columns, self.row
        moved = self.knot * stretch(columns, row, some) - columns.bias[row]
        return (columns.location[row] - anchor[:, None]) + moved[:, None, :]

    def passing(self, anchor: Array, d: Array) -> Array:
        """Scatter, counted from its lower end, at which each knot passes x = anchor + d.

        0 where it never does: (rows, 1), (rows, points) -> (rows, points, knots).
        """
        columns, row = self.columns, self.row
        sd, bias = columns.sd_low[row], columns.bias[row]
        from_location = ((anchor - columns.location[row]) + bias)[:, None, :] + d[:, :, None]
        with np.errstate(over="ignore"):
            total = np.clip(from_location / self.knot * sd, 0.0, _FAR)
        own = columns.overconfidence[row] * sd
        least = np.sqrt(own**2 + columns.bias_variance[row])
        # Of variances that nearly agree the difference is taken of the sds.
        more = np.maximum(total - least, 0.0) * (total + least)
        if not self.inflation:
            return np.asarray(np.sqrt(more))
        ratio = np.minimum(more / own**2, _FAR)
        return np.asarray(ratio / (1.0 + np.sqrt(1.0 + ratio)))


@attrs.frozen(eq=False)
class MovingShoulders:
    """Both shoulders of the ranges of one quantity that an inflation moves; one row per range.

    They are layers of ``2 * _SHOULDER`` sds about the ends of the inflated range.
    """

    columns: Columns
    row: IntArray

    @staticmethod
    def of(columns: Columns) -> MovingShoulders | None:
        """Narrow shoulders of the claims, or None if there are none."""
        narrow = columns.sd_low < _NARROW * columns.half_width
        row = np.flatnonzero((columns.form == Form.BOX) & (columns.width_scales > 0.0) & narrow)
        return MovingShoulders(columns, row) if len(row) else None

    def distances(self, inflation: Array, anchor: Array) -> Array:
        """Begin, middle and end of each shoulder as distances from anchors at given inflations.

        (values, anchors, 3 * shoulders)
        """
        columns, row = self.columns, self.row
        factor = columns.overconfidence[row] * inflation[:, None]
        sd = np.sqrt((factor * columns.sd_low[row]) ** 2 + columns.bias_variance[row])
        end = (factor * columns.half_width[row])[..., None]
        steps = _SHOULDER * np.array([-1.0, 0.0, 1.0]) * sd[..., None]
        moved = np.concatenate([steps - end, steps + end], axis=2)[:, None]
        center = (columns.location[row] - anchor[:, None]) - columns.bias[row]
        at = center[None, :, :, None] + moved
        return np.asarray(at.reshape(len(inflation), len(anchor), -1))

    def passing(self, anchor: Array, d: Array) -> Array:
        """Inflation - 1 at which the shoulders begin, are half way and end at x = anchor + d.

        At x at distance D from the middle of a range of half-width h, the inflation k with
        ``k h - z sqrt(k^2 s^2 + v) = D``, a quadratic equation, for z = -6.5, 0, 6.5. 0 where
        that is never: (rows, 1), (rows, points) -> (rows, points, 3 * ranges).
        """
        columns, row = self.columns, self.row
        factor = columns.overconfidence[row]
        half, sd = (factor * columns.half_width[row])[:, None], factor * columns.sd_low[row]
        z = _SHOULDER * np.array([-1.0, 0.0, 1.0])
        narrower = half * half - (z * sd[:, None]) ** 2
        from_bias = np.sqrt(columns.bias_variance[row][:, None] * narrower)
        from_middle = ((anchor - columns.location[row]) + columns.bias[row])[:, None, :]
        distance = np.abs(from_middle + d[:, :, None])[..., None]
        with np.errstate(over="ignore"):
            root = z * np.hypot(sd[:, None] * distance, from_bias)
            inflation = distance * (half / narrower) + root / narrower
        return np.clip(inflation - 1.0, 0.0, _FAR).reshape(*d.shape, -1)


@attrs.frozen(eq=False)
class Moving:
    """Knots and shoulders of one quantity that move with its scatter."""

    knots: MovingKnots | None
    shoulders: MovingShoulders | None

    @staticmethod
    def of(columns: Columns, *, inflation: bool) -> Moving | None:
        """What moves with the scatter, or None if nothing does."""
        knots = MovingKnots.of(columns, inflation=inflation)
        shoulders = MovingShoulders.of(columns) if inflation else None
        return None if knots is None and shoulders is None else Moving(knots, shoulders)

    @property
    def ranges(self) -> int:
        """Number of ranges with shoulders that move."""
        return 0 if self.shoulders is None else len(self.shoulders.row)

    def distances(self, scatter: Array, anchor: Array) -> Array:
        """Distances from anchors at given scatter, of knots and then of shoulders."""
        every = [some.distances(scatter, anchor) for some in self._both]
        return np.concatenate(every, axis=2)

    def passing(self, anchor: Array, d: Array) -> Array:
        """Scatter, counted from its lower end, where knots and then shoulders pass anchor + d."""
        return np.concatenate([some.passing(anchor, d) for some in self._both], axis=2)

    @property
    def _both(self) -> list[MovingKnots | MovingShoulders]:
        return [some for some in (self.knots, self.shoulders) if some is not None]


def rooted(panels: Panels, knots: MovingKnots) -> Panels:
    """Panels of x beside the knots' first places in the root of the distance from them.

    From x_k a knot moves outwards like tau^2. What it leaves behind, integrated over tau, is a
    power 5/2 of x - x_k, which is smooth in the root.
    """
    places = knots.places
    low, high = panels.edges()
    start, stop = panels.anchor + low, panels.anchor + high
    linear = panels.kind == Kind.LINEAR
    from_start, at_start = _touched(start, places[knots.knot > 0.0])
    from_stop, at_stop = _touched(stop, places[knots.knot < 0.0])
    from_start &= linear
    from_stop &= linear
    width = high - low
    both = from_start & from_stop
    half = np.where(both, 0.5 * width, width)
    rest = panels.take(~(from_start | from_stop))
    zero = np.zeros(panels.count)
    kind = np.full(panels.count, int(Kind.SQUARE))
    after = Panels(panels.quantity, at_start, kind, zero, np.sqrt(half)).take(from_start)
    before = Panels(panels.quantity, at_stop, kind, -np.sqrt(half), zero).take(from_stop)
    return Panels.join([rest, after, before])


def _touched(edge: Array, places: Array) -> tuple[BoolArray, Array]:
    """Whether an edge is one of some places, but for rounding; and the nearest of these."""
    if not len(places):
        return np.zeros(len(edge), dtype=bool), edge
    nearest = places[np.argmin(np.abs(edge[:, None] - places), axis=1)]
    with np.errstate(invalid="ignore"):
        return np.abs(edge - nearest) <= 4.0 * np.spacing(np.abs(nearest)), nearest


@attrs.frozen(eq=False)
class Cut:
    """Parts of panels with the same number of nodes: at every point a part has ends of its own.

    Parameters
    ----------
    index : (parts,) panel that a part belongs to
    panels : (parts * points) the part at each of the points
    order : number of Gauss-Legendre nodes
    points : number of points
    """

    index: IntArray
    panels: Panels
    order: int
    points: int

    def __len__(self) -> int:
        return len(self.index)

    def nodes(self) -> tuple[Array, Array]:
        """Distances of the nodes from the anchors, and log dd/dt: (parts, order, points)."""
        d, slope = self.panels.at(gauss_legendre(self.order)[0])
        shape = (len(self.index), self.points, self.order)
        return d.reshape(shape).transpose(0, 2, 1), slope.reshape(shape).transpose(0, 2, 1)


def cut(panels: Panels, at: Array, shoulders: int = 0) -> Iterator[Cut]:
    """Cut panels at given places, at every one of some points anew.

    Parameters
    ----------
    panels : the panels
    at : (panels, points, cuts) distances from the panels' anchors; what lies outside a panel
        does not cut it
    shoulders : the last cuts are begin, middle and end of so many shoulders, one after the other
    """
    count, points, cuts = at.shape
    every = panels.take(np.repeat(np.arange(count), points * cuts))
    inner = every.inverse(at.ravel()).reshape(at.shape)
    on_shoulder = np.zeros((count, points, cuts + 1), dtype=bool)
    if shoulders:
        # How many shoulders begin, less how many end, at each cut.
        enters = np.concatenate([np.zeros(cuts - 3 * shoulders), np.tile([1, 0, -1], shoulders)])
        place = np.argsort(inner, axis=2)
        inner = np.take_along_axis(inner, place, axis=2)
        on_shoulder[..., 1:] = np.cumsum(enters[place], axis=2) > 0
    else:
        inner = np.sort(inner, axis=2)
    ends = np.ones((count, points, 1))
    t = np.concatenate([-ends, inner, ends], axis=2)
    length = np.diff(t, axis=2)
    widest = 0.5 * length.max(axis=1)
    index, part = np.nonzero(widest > _NOTHING)
    halvings = np.floor(-np.log2(widest[index, part]) + 1e-9).astype(np.int64)
    order = _NODES_OF_PART[np.clip(halvings, 0, len(_NODES_OF_PART) - 1)]
    order[np.any(on_shoulder & (length > 0.0), axis=1, keepdims=True)[index, 0, part]] = (
        _NODES_OF_SHOULDER
    )
    for nodes in np.unique(order):
        chosen = np.flatnonzero(order == nodes)
        owner, number = index[chosen], part[chosen]
        whole = panels.take(np.repeat(owner, points))
        low, high = t[owner, :, number].ravel(), t[owner, :, number + 1].ravel()
        middle, half = 0.5 * (whole.high + whole.low), 0.5 * (whole.high - whole.low)
        some = attrs.evolve(whole, low=middle + half * low, high=middle + half * high)
        yield Cut(owner, some, int(nodes), points)
