"""A table in parts of some whole quantities, so that no more of it is worked on than a part."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.tables.cells import Cells
from reliability.tables.codes import group
from reliability.tables.rows import names_of_rows

__all__ = ["ByQuantity", "Part", "by_quantity"]

IntArray = NDArray[np.int64]


@attrs.frozen(eq=False)
class Part:
    """Some rows of a table: those of some quantities, or some that name no quantity.

    Attributes
    ----------
    rows : the rows, those of one quantity together, in their order
    quantities : the quantities' positions
    starts : (quantities + 1,) where the rows of each begin; None if they name no quantity
    """

    rows: slice | IntArray
    quantities: IntArray
    starts: IntArray | None

    @property
    def first(self) -> int:
        """The first of the rows in the order of the table."""
        return int(self.rows.start if isinstance(self.rows, slice) else self.rows.min())

    def at(self, rows: IntArray) -> IntArray:
        """Rows of the table, of some rows of the part."""
        if isinstance(self.rows, slice):
            return np.asarray(rows + self.rows.start)
        return np.asarray(self.rows[rows], dtype=np.int64)


@attrs.frozen(eq=False)
class ByQuantity:
    """Which rows of a table are about which quantity.

    Attributes
    ----------
    order : the rows, those of one quantity together; None where they stand so
    starts : (quantities + 1,) where the rows of each begin; in order of first appearance
    nameless : rows that name no quantity
    """

    order: IntArray | None
    starts: IntArray
    nameless: IntArray

    @property
    def count(self) -> int:
        """Number of quantities."""
        return len(self.starts) - 1

    @property
    def first(self) -> IntArray:
        """Row of the table where each quantity is first claimed."""
        begins = self.starts[:-1]
        return begins if self.order is None else np.asarray(self.order[begins], dtype=np.int64)

    def rows_of(self, quantity: int) -> IntArray:
        """The rows of one quantity."""
        rows = slice(int(self.starts[quantity]), int(self.starts[quantity + 1]))
        if self.order is None:
            return np.arange(rows.start, rows.stop)
        return np.asarray(self.order[rows], dtype=np.int64)

    def part(self, quantities: IntArray | range) -> Part:
        """The rows of some quantities."""
        if isinstance(quantities, range):
            quantities = np.arange(quantities.start, quantities.stop)
        begins = self.starts[quantities]
        counts = self.starts[quantities + 1] - begins
        starts = np.append(0, np.cumsum(counts))
        low, high = int(begins[0]), int(begins[-1] + counts[-1])
        rows: slice | IntArray = slice(low, high)
        if not np.array_equal(begins, low + starts[:-1]):
            rows = np.arange(starts[-1]) + np.repeat(begins - starts[:-1], counts)
        return Part(rows if self.order is None else self.order[rows], quantities, starts)

    def cut(self, quantities: IntArray | range, rows: int) -> Iterator[IntArray | range]:
        """Some quantities in pieces of at most so many rows, but whole quantities.

        Parameters
        ----------
        quantities : their positions
        rows : rows of a piece, unless one quantity has more
        """
        begin, count = 0, len(quantities)
        while begin < count:
            some = quantities[begin : begin + rows]  # more cannot fit: each has a row
            if isinstance(some, range):
                ends = self.starts[some.start + 1 : some.stop + 1] - self.starts[some.start]
            else:
                ends = np.cumsum(self.starts[some + 1] - self.starts[some])
            size = max(int(np.searchsorted(ends, rows, side="right")), 1)
            yield some[:size]
            begin += size

    def cut_nameless(self, rows: int) -> Iterator[Part]:
        """The rows that name no quantity, so many at a time."""
        for begin in range(0, len(self.nameless), rows):
            none = np.zeros(0, dtype=np.int64)
            yield Part(self.nameless[begin : begin + rows], none, None)


def by_quantity(cells: Cells) -> ByQuantity:
    """Bring the rows of each quantity of a table together.

    Examples
    --------
    >>> table = {"quantity": ["b", "a", "b"], "source": ["X", "Y", "Z"], "value": [1, 2, 3]}
    >>> found = by_quantity(Cells(table))
    >>> found.order.tolist(), found.starts.tolist()
    ([0, 2, 1], [0, 2, 3])
    """
    none = np.zeros(0, dtype=np.int64)
    starts = cells.runs("quantity") if cells.has("quantity") else None
    if starts is not None:
        return ByQuantity(None, starts, none)
    codes, categories = names_of_rows(cells)
    named = codes >= 0
    if named.all():
        groups = group(codes, len(categories))
        return ByQuantity(groups.order, groups.starts, none)
    kept, nameless = np.flatnonzero(named), np.flatnonzero(~named)
    if not len(kept):
        return ByQuantity(none, np.zeros(1, dtype=np.int64), nameless)
    groups = group(codes[kept], len(categories))
    return ByQuantity(kept if groups.order is None else kept[groups.order], groups.starts, nameless)
