"""What learning sees of a table of claims: points on x with their sds, by quantity and source."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any
from zlib import crc32

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns, Form, columns_from_rows, rows_of_segments
from reliability.claims.digits import rounding_units
from reliability.claims.rows import Rows, Stated
from reliability.engine.quadrature import segment_sum
from reliability.errors import InvalidValueError
from reliability.scales import Scale
from reliability.tables.rows import TableRows

__all__ = ["Observations", "medians", "observe"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: Sd of a uniform density, of half-width 1.
_UNIFORM_SD = 1.0 / np.sqrt(3.0)


@attrs.frozen(eq=False, slots=False)
class Observations:
    """Claims as points on x, those about one quantity together: ``starts[q]:starts[q + 1]``.

    Parameters
    ----------
    names : of the sources
    source : (claims,) source of each claim
    stated : (claims,) whether the claim states its uncertainty
    location : (claims,) value on x less the bias that is known of its source
    sd : (claims,) stated sd times the known overconfidence; where none is stated, ``spread``
    rounding : (claims,) variance of the digits' rounding
    starts : (quantities + 1,) first claim of each quantity
    truth : (quantities,) true value on x, nan where it is not known
    draw : (quantities,) number in [0, 1) that depends on the quantity's name alone, by which some
        are chosen where all are too many
    share : (claims,) share of independent evidence about the quantity: 1 but for sources that copy
    spread : typical distance of claims from the median of their quantity; 1 if there is none
    """

    names: Sequence[str]
    source: IntArray
    stated: Flags
    location: Array
    sd: Array
    rounding: Array
    starts: IntArray
    truth: Array
    draw: Array
    share: Array
    spread: float

    @property
    def count(self) -> int:
        """Number of claims."""
        return len(self.source)

    @property
    def quantities(self) -> int:
        """Number of quantities."""
        return len(self.starts) - 1

    @property
    def sources(self) -> int:
        """Number of sources."""
        return len(self.names)

    @cached_property
    def sizes(self) -> IntArray:
        """Number of claims about each quantity."""
        return np.diff(self.starts)

    @cached_property
    def by_size(self) -> list[tuple[int, IntArray]]:
        """Numbers of claims about a quantity, with the quantities that have so many."""
        return _by_size(self.starts)

    @cached_property
    def quantity(self) -> IntArray:
        """Quantity of each claim."""
        return np.repeat(np.arange(self.quantities), self.sizes)

    @cached_property
    def known(self) -> Flags:
        """Whether the truth of each quantity is known."""
        return ~np.isnan(self.truth)

    @cached_property
    def informative(self) -> Flags:
        """Whether each claim can be compared: with others about its quantity, or the truth."""
        return ((self.sizes > 1) | self.known)[self.quantity]

    @cached_property
    def weight(self) -> Array:
        """How much each claim counts for its source: 1 where it can be compared, else 0."""
        return self.informative.astype(np.float64)

    @cached_property
    def group(self) -> IntArray:
        """Number of each claim's error scale: a source has one for each way of stating errors."""
        return 2 * self.source + self.stated

    def dependent(self, rho: float) -> Observations:
        """The same claims where any two sources that do not share already depend on each other.

        Each counts for ``1/(1 + (n - 1) rho)`` of what it did, n being the sum of the shares of
        the claims about its quantity.
        """
        sources = segment_sum(self.quantity, self.share, self.quantities)
        part = 1.0 / (1.0 + np.maximum(sources - 1.0, 0.0) * rho)
        return attrs.evolve(self, share=self.share * part[self.quantity])

    def some(self, claims: int) -> IntArray:
        """Quantities with about so many claims in all, chosen by their names; increasing."""
        order = np.argsort(self.draw, kind="stable")
        last = int(np.searchsorted(np.cumsum(self.sizes[order]), claims, side="right"))
        return np.sort(order[: max(last, 1)])

    def covering(self, claims: int) -> IntArray:
        """Quantities with about so many claims in all that have as many as can be of each source.

        They are chosen by their names, and the likelier the rarer their rarest source is: so that
        of each source there are about equally many claims, or all. Those whose claims cannot be
        compared are passed over. Increasing.
        """
        told = np.flatnonzero((self.sizes > 1) | (self.known & (self.sizes > 0)))
        frequency = np.bincount(self.source, minlength=self.sources)
        rarest = np.zeros(self.quantities)
        some = np.flatnonzero(self.sizes > 0)
        rarest[some] = np.minimum.reduceat(frequency[self.source], self.starts[:-1][some])
        order = told[np.argsort(self.draw[told] * rarest[told], kind="stable")]
        last = int(np.searchsorted(np.cumsum(self.sizes[order]), claims, side="right"))
        return np.sort(order[: max(last, 1)])

    def without(self, claims: IntArray) -> Observations:
        """All claims but some; every quantity stays."""
        kept = np.ones(self.count, dtype=bool)
        kept[claims] = False
        before = np.concatenate([[0], np.cumsum(kept)])
        fields = {name: getattr(self, name)[kept] for name in _OF_CLAIMS}
        return attrs.evolve(self, **fields, starts=before[self.starts])

    def take(self, quantities: IntArray) -> Observations:
        """Some quantities with all their claims."""
        rows, starts = rows_of_segments(self.starts, quantities)
        fields = {name: getattr(self, name)[rows] for name in _OF_CLAIMS}
        return attrs.evolve(
            self, **fields, starts=starts, truth=self.truth[quantities], draw=self.draw[quantities]
        )


_OF_CLAIMS = ("source", "stated", "location", "sd", "rounding", "share")


def observe(found: TableRows, scale: Scale, truth: Array) -> tuple[Observations, list[Any]]:
    """Points on x of a table's claims.

    A bare value has no stated sd; a range, quantiles and intervals have theirs. Bounds, claims of
    presence and impossible rows are no points: they are left out.

    Parameters
    ----------
    found : the table's rows
    scale : the quantities' scale
    truth : (quantities,) true values on x, nan where they are not known

    Returns
    -------
    observations : the points; every quantity is there, if without claims
    problems : the impossible rows, as those of ``columns_from_rows``
    """
    rows = found.rows
    columns, problems = columns_from_rows(rows, scale, _UNSTATED)
    # Bare values whose digits tell nothing, such as 0 or 1/3: their source's others do.
    bare = rows.statements.stated == Stated.ROUNDED
    mute = np.zeros(rows.count, dtype=bool)
    mute[[problem.row for problem in problems]] = True
    mute &= bare & scale.contains(rows.statements.value)
    if mute.any():
        columns = columns.with_fields(
            form=np.where(mute, Form.BOX, columns.form),
            location=np.where(mute, _on_x(scale, rows.statements.value, mute), columns.location),
            half_width=np.where(mute, 0.0, columns.half_width),
            width_scales=np.where(mute, 0.0, columns.width_scales),
        )
        problems = [problem for problem in problems if not mute[problem.row]]
    point = (columns.form != Form.BOUND) & (columns.form != Form.BOUND_WITH_EXCESS)
    point &= ~np.isnan(columns.location)
    kept = np.flatnonzero(point)
    if not len(kept):
        raise InvalidValueError(
            "no row can be learned from: bounds and impossible rows are no points; give values"
        )
    before = np.concatenate([[0], np.cumsum(point)])
    location = columns.location - columns.bias
    starts = before[columns.starts]
    spread = _spread(location[kept], starts)
    sd = np.where(bare, spread, columns.overconfidence * columns.stated_sd)
    return Observations(
        found.sources.names,
        rows.source[kept],
        ~bare[kept],
        location[kept],
        sd[kept],
        _rounding(columns, rows, scale, bare, kept, spread),
        starts,
        truth,
        _draws(found.keys),
        np.ones(len(kept)),
        spread,
    ), problems


#: Relative error that the conversion of bare values asks for; learning does not use it.
_UNSTATED = 0.05
#: Agreement closer than this part of the typical distance is not told apart from exact.
_FINEST = 1e-3
#: Half-width of a value's digits in rounding units, halved: values that differ by half a unit
#: must be told apart from copies of one number, which agree to the last digit.
_SHARP = 0.25
#: Relative deviation from a whole number of what may be one but for its last digits.
_NEARLY_WHOLE = 1e-9
#: Claims of a source that are enough to see the unit to which it rounds.
_ENOUGH = 4


def _rounding(
    columns: Columns, rows: Rows, scale: Scale, bare: Flags, kept: IntArray, spread: float
) -> Array:
    """Variance on x of the digits' rounding of points.

    Digits that end in zeros may do so by chance: no claim is taken to be rounded more coarsely
    than the lower quartile of its source's claims, where these are enough to see it.
    """
    value = np.where(bare, rows.statements.value, np.nan)
    value = np.where(columns.form == Form.NORMAL, rows.statements.value, value)[kept]
    unit = rows.statements.unit[kept]
    valued = np.flatnonzero(~np.isnan(value))
    unit[np.isnan(value)] = 0.0
    # The largest unit of a source that makes no difference to any of its claims.
    source = rows.source[kept]
    least = np.full(int(source.max()) + 1, np.inf)
    with np.errstate(divide="ignore"):
        finest = _FINEST * spread / (_SHARP * _UNIFORM_SD * scale.slope(value[valued]))
    np.minimum.at(least, source[valued], finest)
    unread = np.flatnonzero(np.isnan(unit))
    unread = unread[_may_be_coarse(value[unread], least[source[unread]])]
    unit[unread] = rounding_units(value[unread])
    coarse = np.flatnonzero(unit > least[source])
    usual = _lower_quartiles(unit, coarse, source)
    out = np.full(len(kept), (_FINEST * spread) ** 2)
    usual = np.minimum(unit[coarse], usual[source[coarse]])
    width = _SHARP * _UNIFORM_SD * usual * scale.slope(value[coarse])
    out[coarse] = np.maximum(out[coarse], width**2)
    return out


def _may_be_coarse(value: Array, least: Array) -> Flags:
    """Whether the rounding units of values may exceed the least.

    Those of many digits are not: they need not be written out to see their units.
    """
    power = np.floor(np.log10(np.where(least > 0.0, least, 1e-300)))
    with np.errstate(over="ignore", invalid="ignore"):
        whole = value / 10.0**power
        off = np.abs(whole - np.rint(whole))
    return np.asarray(~(off > _NEARLY_WHOLE * np.maximum(np.abs(whole), 1.0)))


def _lower_quartiles(unit: Array, coarse: IntArray, source: IntArray) -> Array:
    """Lower quartile of each source's units, of which only the coarse ones matter; inf of few."""
    counts = np.bincount(source)
    out = np.full(len(counts), np.inf)
    order = coarse[np.lexsort((unit[coarse], source[coarse]))]
    among = np.bincount(source[coarse], minlength=len(counts))
    # The place of the quartile among the coarse units, which are the largest.
    place = counts // 4 - (counts - among)
    enough = counts >= _ENOUGH
    out[enough & (place < 0)] = 0.0
    here = np.flatnonzero(enough & (place >= 0))
    out[here] = unit[order[(np.cumsum(among) - among + place)[here]]]
    return out


def _draws(keys: Sequence[Any] | NDArray[Any]) -> Array:
    """Numbers in [0, 1) from the texts of keys."""
    if isinstance(keys, np.ndarray) and keys.dtype.kind in "iu":
        keys = keys.tolist()  # of the same texts, sooner written
    return np.array([crc32(str(key).encode()) for key in keys]) / 2.0**32


def _on_x(scale: Scale, values: Array, chosen: Flags) -> Array:
    """Chosen values on x; 0 for the others, which may be outside the scale."""
    out = np.zeros(len(values))
    out[chosen] = scale.to_x(values[chosen])
    return out


def _spread(location: Array, starts: IntArray) -> float:
    """Typical distance of claims from the median of their quantity, of those that differ."""
    median = medians(location, starts)
    distance = np.abs(location - np.repeat(median, np.diff(starts)))
    distance = distance[distance > 0.0]
    return float(np.median(distance)) if len(distance) else 1.0


def medians(values: Array, starts: IntArray) -> Array:
    """Median of each segment; nan where it is empty."""
    out = np.full(len(starts) - 1, np.nan)
    for size, members in _by_size(starts):
        ordered = np.sort(values[starts[members][:, None] + np.arange(size)], axis=1)
        out[members] = 0.5 * (ordered[:, (size - 1) // 2] + ordered[:, size // 2])
    return out


def _by_size(starts: IntArray) -> list[tuple[int, IntArray]]:
    """Sizes of segments that are not empty, with the segments of each."""
    sizes = np.diff(starts)
    order = np.argsort(sizes, kind="stable")
    found, first = np.unique(sizes[order], return_index=True)
    members = np.split(order, first[1:])
    return [(size, some) for size, some in zip(found.tolist(), members, strict=True) if size > 0]
