"""Independence shares: what is one piece of evidence, said more than once.

Within an origin, identical statements collapse to the one of highest reliability; the m
distinct ones that remain get a share 1/m each. Between the G origins a dependence rho gives
``a = 1/(m (1 + (G - 1) rho))``; where it is known by pairs of sources, origin g has
``a = 1/(m (1 + sum of rho_gh over the other origins h))``, rho_gh the largest dependence between
a source of g and one of h whose claims count. A claim that names no origin has its source as its
origin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from reliability.claims.claim import Claim
from reliability.claims.dates import superseding
from reliability.claims.rows import Rows, Statements, constant
from reliability.claims.statements import Absent, Present
from reliability.pairs import NumberedPairs, PairDependence

__all__ = [
    "KEPT",
    "SILENT",
    "SUPERSEDED",
    "Flags",
    "PairDependence",
    "Shares",
    "independent",
    "reasons",
    "share_out",
    "shares_by_source",
    "shares_of",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: Codes of why a row does not count, beside the row that it repeats.
KEPT, SILENT, SUPERSEDED = -1, -2, -3

#: Quantities with at most this many rows are compared row with row, if there are many of them.
_FEW_ROWS = 16
_MANY_QUANTITIES = 64
#: Pairs of rows whose dependence is looked up at once: arrays of 8 MB.
_PAIRS_AT_ONCE = 1 << 20


@attrs.frozen(eq=False)
class Shares:
    """Which rows count, and how much; every field has a value for each row.

    Parameters
    ----------
    share : independence share, 0 if the row does not count
    group : number of the row's origin within its quantity, 0..G-1 in the order in which the
        origins are met; -1 if the row does not count
    dropped : ``KEPT``, or why the row does not count: ``SILENT``, ``SUPERSEDED``, or the row that
        it repeats
    source : number of the row's source
    dependence : rho between origins, or between sources
    """

    share: Array
    group: IntArray
    dropped: IntArray
    source: IntArray
    dependence: float | NumberedPairs

    @property
    def kept(self) -> Flags:
        """Whether each row counts."""
        return np.asarray(self.dropped == KEPT)

    @property
    def active(self) -> IntArray:
        """Indices of the rows that count."""
        return np.flatnonzero(self.kept)

    def between_origins(self, rows: IntArray) -> float | Array:
        """Dependence between the origins of one quantity, given its rows that count.

        A number where it is the same for all, else (G, G), 0 on the diagonal.
        """
        pairs = self.dependence
        if not isinstance(pairs, NumberedPairs):
            return pairs
        group = self.group[rows]
        count = int(group.max(initial=-1)) + 1
        out = np.zeros((count, count))
        for left, right, value in _dependent(group, self.source[rows], np.array([0, count]), pairs):
            np.maximum.at(out, (left, right), value)
        return out


def _share(claims: ArrayLike, origins: ArrayLike, dependence: float) -> Array:
    """Share of one of the claims of an origin, beside the other origins."""
    others = np.maximum(np.asarray(origins) - 1, 0)
    return np.asarray(1.0 / (np.asarray(claims) * (1.0 + others * dependence)))


def _share_by_pairs(
    group: IntArray, source: IntArray, firsts: IntArray, pairs: NumberedPairs
) -> Array:
    """Share of each claim of any number of quantities, where pairs of sources are dependent.

    Parameters
    ----------
    group : (claims,) number of each claim's origin, counted through all quantities
    source : (claims,) number of its source
    firsts : (quantities + 1,) number of each quantity's first origin
    pairs : the dependent sources
    """
    others = np.zeros(int(firsts[-1]))
    for found in _dependent(group, source, firsts, pairs):
        origin, value = _largest(*found)
        # All of an origin come together, in order of size: their sum does not depend on the
        # order of the claims.
        begin = int(origin[0])
        sums = np.bincount(origin - begin, weights=value)
        others[begin : begin + len(sums)] += sums
    sizes = np.bincount(group, minlength=len(others))
    return np.asarray(1.0 / (sizes[group] * (1.0 + others[group])))


def _largest(left: IntArray, right: IntArray, value: Array) -> tuple[IntArray, Array]:
    """Of each pair of origins the largest dependence, by left origin and by size."""
    order = np.lexsort((value, right, left))
    left, right, value = left[order], right[order], value[order]
    last = np.append((left[1:] != left[:-1]) | (right[1:] != right[:-1]), True)
    left, value = left[last], value[last]
    order = np.lexsort((value, left))
    return left[order], value[order]


def _dependent(
    group: IntArray, source: IntArray, firsts: IntArray, pairs: NumberedPairs
) -> Iterator[tuple[IntArray, IntArray, Array]]:
    """Dependent sources of different origins of a quantity: the origins, and the dependence.

    Each pair comes from both sides, all pairs of one left origin together. Parameters as in
    :func:`_share_by_pairs`.
    """
    place = pairs.place[source]
    involved = np.flatnonzero(place >= 0)
    if not len(involved):
        return
    # A source counts once in an origin; sorted, the rows of a quantity stay together.
    known = np.unique(group[involved] * pairs.count + place[involved])
    group, place = np.divmod(known, pairs.count)
    quantity = np.searchsorted(firsts, group, side="right") - 1
    begin = np.searchsorted(group, firsts[quantity])
    partners = np.searchsorted(group, firsts[quantity + 1]) - begin
    ends = np.append(np.flatnonzero(np.diff(group)) + 1, len(group))
    before = np.concatenate([[0], np.cumsum(partners)])
    low = 0
    while low < len(group):
        at = int(np.searchsorted(before[ends], before[low] + _PAIRS_AT_ONCE, side="right")) - 1
        high = int(ends[max(at, int(np.searchsorted(ends, low, side="right")))])
        count = partners[low:high]
        left = np.repeat(np.arange(low, high), count)
        first = np.repeat(begin[low:high] - (before[low:high] - before[low]), count)
        right = np.arange(len(left)) + first
        value = pairs.between(place[left], place[right])
        hit = np.flatnonzero((value > 0.0) & (group[left] != group[right]))
        if len(hit):
            yield group[left[hit]], group[right[hit]], value[hit]
        low = high


def shares_by_source(source: IntArray, starts: IntArray, pairs: NumberedPairs) -> Array:
    """Share of each claim where every source of a quantity is an origin of its own.

    Parameters
    ----------
    source : (claims,) number of the source; claims about one quantity stand together
    starts : (quantities + 1,) first claim of each
    pairs : the dependent sources
    """
    return _share_by_pairs(np.arange(len(source)), source, starts, pairs)


def shares_of(group: IntArray, dependence: float) -> Array:
    """Share of each claim from the origins' sizes and the dependence between origins."""
    sizes = np.bincount(group)
    return _share(sizes[group], np.count_nonzero(sizes), dependence)


def independent(count: int) -> Shares:
    """Shares of one quantity's claims that are taken as they are."""
    every = np.arange(count)
    return Shares(np.ones(count), every, np.full(count, KEPT), every, 0.0)


def reasons(shares: Shares, claims: Sequence[Claim]) -> list[str | None]:
    """Why each claim does not count, in words; None where it does."""
    return [
        None
        if code == KEPT
        else _WHY_SILENT.get(type(claim.statement), "says nothing: reliability 0 and Void")
        if code == SILENT
        else f"superseded by {superseding(claim, claims)}"
        if code == SUPERSEDED
        else f"repeats {claims[code].source.name}"
        for claim, code in zip(claims, shares.dropped.tolist(), strict=True)
    ]


_WHY_SILENT: dict[type, str] = {
    Absent: "says nothing: reliability 0",
    Present: "says nothing: reliability 0 or zero=0",
}


def share_out(
    rows: Rows, reliability: Array, silent: Flags, dependence: float | NumberedPairs
) -> Shares:
    """Collapse repeats and give every other row its share.

    Parameters
    ----------
    rows : claims about any number of quantities
    reliability : (rows,) probability that each is sound (the prior mean where it is unknown)
    silent : (rows,) rows that say nothing at all, dropped first
    dependence : rho between origins, or between the sources by the numbers in ``rows.source``

    Examples
    --------
    >>> from reliability.claims.rows import rows_from_claims
    >>> rows = rows_from_claims([Claim("a", 5), Claim("b", 5, origin="a"), Claim("c", 7)])
    >>> shares = share_out(rows, np.array([0.2, 0.8, 0.5]), np.zeros(3, dtype=bool), 0.5)
    >>> shares.share.round(3).tolist(), shares.dropped.tolist(), shares.group.tolist()
    ([0.0, 0.667, 0.667], [1, -1, -1], [-1, 0, 1])
    """
    if silent.any():
        return _among_the_heard(rows, reliability, silent, dependence)
    first = _first_equal([rows.origin], rows.starts)
    if first is None:
        return _all_different(rows, dependence)
    count = rows.count
    dropped = np.full(count, KEPT)
    repeated = np.bincount(first, minlength=count) > 1
    _collapse(rows, reliability, np.flatnonzero(repeated[first]), dropped)
    kept = np.flatnonzero(dropped == KEPT)
    origin = first[kept]
    # Every origin keeps a row; the first that it keeps gives it its number.
    begins = np.empty(count, dtype=np.int64)
    begins[origin[::-1]] = kept[::-1]
    opens = np.zeros(count + 1, dtype=np.int64)
    opens[1:][begins[origin]] = 1
    before = np.cumsum(opens)
    number = before[1:][begins[origin]] - 1
    firsts = before[rows.starts]
    quantity = np.repeat(np.arange(len(rows.starts) - 1), np.diff(rows.starts))[kept]
    share, group = np.zeros(count), np.full(count, -1)
    if isinstance(dependence, NumberedPairs):
        share[kept] = _share_by_pairs(number, rows.source[kept], firsts, dependence)
    else:
        sizes = np.bincount(origin, minlength=count)
        share[kept] = _share(sizes[origin], np.diff(firsts)[quantity], dependence)
    group[kept] = number - firsts[quantity]
    return Shares(share, group, dropped, rows.source, dependence)


def _among_the_heard(
    rows: Rows, reliability: Array, silent: Flags, dependence: float | NumberedPairs
) -> Shares:
    """Shares where some rows say nothing: they take no part."""
    heard = np.flatnonzero(~silent)
    among = share_out(
        rows.take_rows(heard), reliability[heard], np.zeros(len(heard), dtype=np.bool_), dependence
    )
    share, group = np.zeros(rows.count), np.full(rows.count, -1)
    dropped = np.full(rows.count, SILENT)
    share[heard], group[heard] = among.share, among.group
    repeats = among.dropped >= 0
    dropped[heard] = KEPT
    dropped[heard[repeats]] = heard[among.dropped[repeats]]
    return Shares(share, group, dropped, rows.source, dependence)


def _all_different(rows: Rows, dependence: float | NumberedPairs) -> Shares:
    """Shares where no origin of a quantity has two rows."""
    starts = rows.starts
    counts = np.diff(starts)
    count = int(starts[-1])
    every = np.arange(count)
    group = every - np.repeat(starts[:-1], counts)
    share = constant(1.0, count)
    if isinstance(dependence, NumberedPairs):
        share = shares_by_source(rows.source, starts, dependence)
    elif dependence > 0.0:
        share = np.repeat(_share(1, counts, dependence), counts)
    return Shares(share, group, constant(KEPT, count), rows.source, dependence)


def _collapse(rows: Rows, reliability: Array, among: IntArray, dropped: IntArray) -> None:
    """Find the repeats among some rows and note which row each of them repeats."""
    some = rows.take_rows(among)
    said_when = [] if some.day is None else [some.day]
    first = _first_equal([some.origin, *said_when, *_said(some.statements)], some.starts)
    if first is None:
        return
    repeated = np.flatnonzero((np.bincount(first, minlength=len(among)) > 1)[first])
    said, chosen = first[repeated], among[repeated]
    # Of equally reliable repeats the choice must not depend on the order of claims. The last key
    # is the first to sort by.
    order = np.lexsort(
        (
            rows.source[chosen],
            rows.interest[chosen],
            rows.bias[chosen],
            np.abs(rows.interest[chosen]),
            np.abs(rows.bias[chosen]),
            rows.bias_sd[chosen],
            rows.overconfidence[chosen],
            -reliability[chosen],
            said,
        )
    )
    said, chosen = said[order], chosen[order]
    opens = np.concatenate([[True], said[1:] != said[:-1]])
    best = chosen[opens][np.cumsum(opens) - 1]
    dropped[chosen[~opens]] = best[~opens]


def _said(statements: Statements) -> list[IntArray]:
    """What statements say, as whole numbers that are equal where the statements are."""
    numbers = [
        statements.value,
        statements.sd,
        statements.low,
        statements.high,
        statements.level,
        statements.unit,
        statements.excess,
    ]
    table = statements.quantile_row
    if (table >= 0).any():
        for stated in (statements.probabilities, statements.quantiles):
            numbers += list(np.where(table >= 0, stated[table].T, np.nan))
    keys = [statements.stated]
    for values in numbers:
        missing = np.isnan(values)
        if missing.all():
            continue
        # One bit pattern for each number: no negative zero, one nan.
        keys.append(np.where(missing, np.nan, values + 0.0).view(np.int64))
    return keys


def _first_equal(keys: Sequence[IntArray], starts: IntArray) -> IntArray | None:
    """First row of the same quantity that is equal in all keys, or None if no two rows are.

    Parameters
    ----------
    keys : (rows,) whole numbers each
    starts : (quantities + 1,) where each quantity's rows start
    """
    if _increasing(keys[0], starts):
        return None
    first = np.arange(int(starts[-1]))
    if len(starts) <= _MANY_QUANTITIES:
        return first if _first_equal_sorted(keys, first, starts, first) else None
    counts = np.diff(starts)
    sizes = np.bincount(counts)
    dense = (sizes >= _MANY_QUANTITIES) & (np.arange(len(sizes)) <= _FEW_ROWS)
    dense[:2] = True  # A quantity of one row or none has no two rows.
    found = False
    for size in np.flatnonzero(dense & (sizes > 0)).tolist():
        if size > 1:
            begins = starts[:-1][counts == size]
            found |= _first_equal_dense(keys, begins, size, first)
    if not dense[sizes > 0].all():
        rows = np.flatnonzero(np.repeat(~dense[counts], counts))
        found |= _first_equal_sorted(keys, rows, starts, first)
    return first if found else None


def _increasing(key: IntArray, starts: IntArray) -> bool:
    """Whether the rows of every quantity stand in the order of a key: no two of them are equal."""
    if not len(key):
        return True
    rising = key[1:] > key[:-1]
    inner = starts[(starts > 0) & (starts < len(key))]
    rising[inner - 1] = True
    return bool(rising.all())


def _first_equal_dense(
    keys: Sequence[IntArray], begins: IntArray, size: int, first: IntArray
) -> bool:
    """Compare each row with each before it, all quantities of one size at a time."""
    found = False
    whole = len(begins) * size == len(first)
    table = keys[0].reshape(-1, size) if whole else keys[0][begins[:, None] + np.arange(size)]
    for later in range(size - 1, 0, -1):
        # The earliest equal row is met last, and stays.
        for earlier in range(later - 1, -1, -1):
            equal = np.flatnonzero(table[:, earlier] == table[:, later])
            one, other = begins[equal] + earlier, begins[equal] + later
            for key in keys[1:]:
                same = key[one] == key[other]
                one, other = one[same], other[same]
            if len(one):
                first[other] = one
                found = True
    return found


def _first_equal_sorted(
    keys: Sequence[IntArray], rows: IntArray, starts: IntArray, first: IntArray
) -> bool:
    """Sort the rows of each quantity, so that equal ones stand together in their order."""
    own = [key[rows] for key in keys]
    if len(starts) > 2:
        own.append(np.searchsorted(starts, rows, side="right"))
    order = np.lexsort(own)
    same = np.ones(max(len(rows) - 1, 0), dtype=np.bool_)
    for key in own:
        ordered = key[order]
        same &= ordered[1:] == ordered[:-1]
    if not same.any():
        return False
    opens = np.concatenate([[True], ~same])
    ordered_rows = rows[order]
    first[ordered_rows] = ordered_rows[opens][np.cumsum(opens) - 1]
    return True
