"""Whole numbers in place of names, and rows of one name brought together.

Most tables come sorted, or at least with equal names side by side: runs of equal values are
found by comparing neighbours, and only one value of each run is looked up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from itertools import count
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

__all__ = ["Coded", "Groups", "encode", "group"]

IntArray = NDArray[np.int64]

#: Integers that span at most this many times their number are codes already.
_SPARSEST = 4
#: Values looked at to see whether equal ones stand together.
_SAMPLE = 4096


@attrs.frozen(eq=False)
class Coded:
    """A column as codes into its categories; -1 where a cell is empty."""

    codes: IntArray
    categories: Sequence[Any] | NDArray[Any]

    def __len__(self) -> int:
        return len(self.codes)

    def used(self) -> Coded:
        """Return the same column without categories that no cell has."""
        size = len(self.categories)
        present = np.bincount(self.codes + 1, minlength=size + 1)[1:] > 0
        if present.all():
            return self
        kept = np.flatnonzero(present)
        table = np.full(size + 1, -1, dtype=np.int64)  # its last entry answers for -1
        table[kept] = np.arange(len(kept))
        given = self.categories
        categories: Sequence[Any] | NDArray[Any] = (
            given[kept] if isinstance(given, np.ndarray) else [given[i] for i in kept.tolist()]
        )
        return Coded(table[self.codes], categories)


def encode(values: NDArray[Any]) -> Coded:
    """Codes of the values of an array.

    Parameters
    ----------
    values : one dimension; texts, integers, dates, floats (nan is an empty cell), or objects,
        whose empty cells are a category like any other

    Examples
    --------
    >>> coded = encode(np.array(["b", "a", "b"]))
    >>> coded.codes.tolist(), list(coded.categories)
    ([0, 1, 0], ['b', 'a'])
    """
    kind = values.dtype.kind
    if kind in "iu":
        return _encode_integers(values)
    if kind == "M":
        numbers = _encode_integers(values.view(np.int64))
        days = np.asarray(numbers.categories).view(values.dtype)
        return _without(Coded(numbers.codes, days), np.isnat(days))
    if kind in "fbm":
        categories, codes = np.unique(values, return_inverse=True)
        found = Coded(codes.astype(np.int64, copy=False), categories)
        return _without(found, np.isnan(categories)) if kind == "f" else found
    found = _encode_objects(values)
    if kind == "O" and _hides_truth_values(found.categories, values):
        return _encode_apart(values.tolist())
    return found


def _hides_truth_values(categories: Any, values: NDArray[Any]) -> bool:
    """Whether a True, which equals 1, may have gone into the category of a number."""
    numbers = any(not isinstance(one, str) and _is_0_or_1(one) for one in categories)
    return numbers and bool in set(map(type, values.tolist()))


def _is_0_or_1(value: object) -> bool:
    return isinstance(value, bool | int | float) and value in (0, 1)


def _encode_objects(values: NDArray[Any]) -> Coded:
    """Codes of texts or objects, by runs where these are long."""
    heads = _heads(values)
    if heads is None:
        return _encode_each(values)
    first = values[heads]
    lengths = np.diff(np.append(heads, len(values)))
    if _increasing(first):
        return Coded(np.repeat(np.arange(len(first)), lengths), first)
    inner = _encode_each(first)
    return Coded(np.repeat(inner.codes, lengths), inner.categories)


def _increasing(values: NDArray[Any]) -> bool:
    """Whether each value exceeds the one before it, so that none comes twice."""
    try:
        if not np.all(values[1:_SAMPLE] > values[: _SAMPLE - 1][: len(values[1:_SAMPLE])]):
            return False
        return bool(np.all(values[1:] > values[:-1]))
    except (TypeError, ValueError):  # numbers beside texts
        return False


def _without(coded: Coded, empty: NDArray[np.bool_]) -> Coded:
    """Return the same column with cells of some categories empty."""
    if not empty.any():
        return coded
    table = np.where(empty, -1, np.arange(len(empty)))
    return Coded(np.append(table, -1)[coded.codes], coded.categories)


def _encode_integers(values: NDArray[Any]) -> Coded:
    if len(values) == 0:
        return Coded(np.zeros(0, dtype=np.int64), values)
    if bool(np.all(values[1:] >= values[:-1])):
        step = values[1:] != values[:-1]
        codes = np.zeros(len(values), dtype=np.int64)
        np.cumsum(step, out=codes[1:])
        return Coded(codes, values[np.append(0, np.flatnonzero(step) + 1)])
    low, high = int(values.min()), int(values.max())
    if high - low < _SPARSEST * len(values):
        codes = (values - values.dtype.type(low)).astype(np.int64)
        span = np.arange(high - low + 1).astype(values.dtype) + values.dtype.type(low)
        return Coded(codes, span).used()
    categories, codes = np.unique(values, return_inverse=True)
    return Coded(codes.astype(np.int64, copy=False), categories)


def _heads(values: NDArray[Any]) -> IntArray | None:
    """Where runs of equal values begin; None where they are too short to be worth it."""

    def changes(part: NDArray[Any]) -> NDArray[np.bool_]:
        return np.asarray(part[1:] != part[:-1], dtype=np.bool_)

    middle = len(values) // 2
    try:
        for sample in (values[:_SAMPLE], values[middle : middle + _SAMPLE]):
            if 2 * np.count_nonzero(changes(sample)) > len(sample):
                return None
        return np.append(0, np.flatnonzero(changes(values)) + 1) if len(values) else None
    except (TypeError, ValueError):  # objects that do not compare, such as pandas.NA
        return None


def _encode_each(values: NDArray[Any]) -> Coded:
    numbers: defaultdict[Any, int] = defaultdict(count().__next__)
    cells = values.tolist()
    try:
        codes = np.fromiter(map(numbers.__getitem__, cells), dtype=np.int64, count=len(cells))
    except TypeError:
        return _encode_apart(cells)
    return Coded(codes, list(numbers))


def _encode_apart(cells: list[Any]) -> Coded:
    """Codes of objects among which are some that cannot be names, such as a list, or True.

    Each of these is a category of its own, to be refused.
    """
    numbers: defaultdict[Any, int] = defaultdict(count().__next__)
    keys = [
        cell if isinstance(cell, Hashable) and not isinstance(cell, bool) else _Apart(cell)
        for cell in cells
    ]
    codes = np.fromiter(map(numbers.__getitem__, keys), dtype=np.int64, count=len(keys))
    return Coded(codes, [key.cell if isinstance(key, _Apart) else key for key in numbers])


@attrs.frozen(eq=False)
class _Apart:
    """A cell that equals only itself."""

    cell: Any


@attrs.frozen(eq=False)
class Groups:
    """Rows of one code brought together, in order of first appearance.

    ``order`` lists the rows (None where they stand together as they are), those of group g at
    ``starts[g]:starts[g + 1]``; ``keys`` are the groups' codes.
    """

    order: IntArray | None
    starts: IntArray
    keys: IntArray


def group(codes: IntArray, size: int) -> Groups:
    """Bring rows of one code together; rows of one group keep their order.

    Parameters
    ----------
    codes : at least one, none of them -1
    size : number of categories

    Examples
    --------
    >>> found = group(np.array([1, 0, 1]), 2)
    >>> found.order.tolist(), found.starts.tolist(), found.keys.tolist()
    ([0, 2, 1], [0, 2, 3], [1, 0])
    """
    rows = len(codes)
    heads = np.append(0, np.flatnonzero(codes[1:] != codes[:-1]) + 1)
    keys = codes[heads]
    increasing = bool(np.all(keys[1:] > keys[:-1]))
    if increasing or np.bincount(keys, minlength=size).max() == 1:
        return Groups(None, np.append(heads, rows), keys)
    # The last assignment to an entry stays: from the end, that is the first appearance.
    first = np.full(size, rows, dtype=np.int64)
    first[keys[::-1]] = heads[::-1]
    by_appearance = np.argsort(first, kind="stable")
    keys = by_appearance[: np.count_nonzero(first < rows)]
    rank = np.empty(size, dtype=np.int64)
    rank[by_appearance] = np.arange(size)
    # One entry per column: turning the matrix into rows is a stable counting sort.
    whole = np.int32 if rows < np.iinfo(np.int32).max else np.int64
    entries: Any = (
        np.arange(rows, dtype=whole),
        rank[codes].astype(whole),
        np.arange(rows + 1, dtype=whole),
    )
    from scipy.sparse import csc_array  # noqa: PLC0415  # slow to load, seldom needed

    matrix = csc_array(entries, shape=(len(keys), rows)).tocsr()
    return Groups(matrix.data.astype(np.int64), matrix.indptr.astype(np.int64), keys)
