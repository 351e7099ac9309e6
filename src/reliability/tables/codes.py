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

__all__ = ["Coded", "Groups", "encode", "group", "in_use", "runs_of_names"]

IntArray = NDArray[np.int64]

#: Integers that span at most this many times their number are codes already.
_SPARSEST = 4
#: Values looked at to see whether equal ones stand together.
_SAMPLE = 4096
#: An odd number without a pattern: 2^64 over the golden ratio (Knuth 1998, section 6.4).
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@attrs.frozen(eq=False)
class Coded:
    """A column as codes into its categories; -1 where a cell is empty."""

    codes: IntArray
    categories: Sequence[Any] | NDArray[Any]

    def __len__(self) -> int:
        return len(self.codes)

    def used(self) -> Coded:
        """Return the same column without categories that no cell has."""
        kept, codes = in_use(self.codes, len(self.categories))
        if len(kept) == len(self.categories):
            return self
        given = self.categories
        categories: Sequence[Any] | NDArray[Any] = (
            given[kept] if isinstance(given, np.ndarray) else [given[i] for i in kept.tolist()]
        )
        return Coded(codes, categories)

    def part(self, rows: IntArray | slice) -> Coded:
        """Return some cells of the column, with no more categories than cells."""
        found = Coded(self.codes[rows], self.categories)
        return found if len(self.categories) <= len(found) else found.used()


def in_use(codes: IntArray, size: int) -> tuple[IntArray, IntArray]:
    """Which of so many categories some cell has, and the cells' codes into these.

    >>> [found.tolist() for found in in_use(np.array([7, -1, 2]), 9)]
    [[2, 7], [1, -1, 0]]
    """
    if size > _SPARSEST * len(codes):
        # A part of a column: not as much work as the whole of it.
        kept, inverse = np.unique(codes, return_inverse=True)
        empty = int(np.searchsorted(kept, 0))
        return kept[empty:], inverse.astype(np.int64, copy=False) - empty
    kept = np.flatnonzero(np.bincount(codes + 1, minlength=size + 1)[1:])
    if len(kept) == size:
        return kept, codes
    table = np.full(size + 1, -1, dtype=np.int64)  # its last entry answers for -1
    table[kept] = np.arange(len(kept))
    return kept, table[codes]


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
    bounds = _long_runs(values)
    if bounds is None:
        return _encode_each(values)
    first = values[bounds[:-1]]
    lengths = np.diff(bounds)
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
    few = values[:_SAMPLE]
    if bool(np.all(few[1:] >= few[:-1])) and bool(np.all(values[1:] >= values[:-1])):
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


def _long_runs(values: NDArray[Any]) -> IntArray | None:
    """Bounds of runs of equal values; None where they are too short to be worth it."""
    middle = len(values) // 2
    try:
        for sample in (values[:_SAMPLE], values[middle : middle + _SAMPLE]):
            if 2 * (len(_runs(sample)) - 2) > len(sample):
                return None
        return _runs(values) if len(values) else None
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
    ends = _runs(codes)
    heads = ends[:-1]
    runs = codes[heads]
    increasing = bool(np.all(runs[1:] > runs[:-1]))
    if increasing or np.bincount(runs, minlength=size).max() == 1:
        return Groups(None, ends, runs)
    if 2 * len(runs) > len(codes):  # hardly any runs
        runs = codes
    many = len(runs)
    # The last assignment to an entry stays: from the end, that is the first appearance.
    first = np.full(size, many, dtype=np.int64)
    first[runs[::-1]] = np.arange(many)[::-1]
    by_appearance = np.argsort(first, kind="stable")
    keys = by_appearance[: np.count_nonzero(first < many)]
    rank = np.empty(size, dtype=np.int64)
    rank[by_appearance] = np.arange(size)
    # One entry per column: turning the matrix into rows is a stable counting sort.
    whole = np.int32 if len(codes) < np.iinfo(np.int32).max else np.int64
    entries: Any = (
        np.arange(many, dtype=whole),
        rank[runs].astype(whole),
        np.arange(many + 1, dtype=whole),
    )
    from scipy.sparse import csc_array  # noqa: PLC0415  # slow to load, seldom needed

    matrix = csc_array(entries, shape=(len(keys), many)).tocsr()
    order, starts = matrix.data, matrix.indptr.astype(np.int64)
    if many == len(codes):
        return Groups(order, starts, keys)
    lengths = np.diff(ends)[order]
    before = np.append(0, np.cumsum(lengths))
    shift = (heads[order] - before[:-1]).astype(whole)
    return Groups(
        np.arange(len(codes), dtype=whole) + np.repeat(shift, lengths), before[starts], keys
    )


def runs_of_names(values: NDArray[Any]) -> IntArray | None:
    """Bounds of runs of equal names, if every value is a name and none comes back after its run.

    None if one may come back, or may be blank, or it takes more than a look to say.

    Parameters
    ----------
    values : one dimension, not empty

    Examples
    --------
    >>> runs_of_names(np.array(["b", "b", "a"])).tolist()
    [0, 2, 3]
    >>> runs_of_names(np.array(["b", "a", "b"]))
    """
    kind = values.dtype.kind
    if kind not in "iuUO":
        return None
    bounds = _runs(values) if kind in "iu" else _long_runs(values)
    if bounds is None:
        return None
    names = values[bounds[:-1]]
    if kind in "iu" and bool(np.all(names[1:] > names[:-1])):
        return bounds
    numbers = names if kind in "iu" else _hashes(names)
    few = numbers[:_SAMPLE] if numbers is not None else ()
    if numbers is None or len(np.unique(few)) < len(few):
        return None
    numbers.sort()
    # Names whose hashes differ do; others are for `encode` to compare.
    return None if np.any(numbers[1:] == numbers[:-1]) else bounds


def _hashes(names: NDArray[Any]) -> NDArray[Any] | None:
    """A number for each text, equal where the texts are; None if one may be blank or is no text."""
    if names.dtype.kind == "U":
        return None if _may_be_blank(names) else _polynomials(names)
    texts = names.tolist()
    if set(map(type, texts)) != {str} or any(not text or text.isspace() for text in texts):
        return None
    return np.fromiter(map(hash, texts), dtype=np.int64, count=len(texts))


def _may_be_blank(texts: NDArray[np.str_]) -> bool:
    """Whether a text is empty, or begins with a sign that may be a space."""
    width = texts.dtype.itemsize // 4
    if not width:
        return True
    first = _code_points(texts)[:, 0]
    return bool(np.any((first <= ord(" ")) | (first >= 0x7F)))  # not ASCII


def _code_points(texts: NDArray[np.str_]) -> NDArray[np.uint32]:
    native = np.ascontiguousarray(texts, dtype=texts.dtype.newbyteorder("="))
    return native.view(np.uint32).reshape(len(texts), -1)


def _polynomials(texts: NDArray[np.str_]) -> NDArray[np.uint64]:
    """Polynomials of the texts' code points modulo 2^64."""
    points = _code_points(texts)
    out = np.zeros(len(texts), dtype=np.uint64)
    for begin in range(0, len(texts), _SAMPLE):  # as many as fit the cache
        part = out[begin : begin + _SAMPLE]
        for column in points[begin : begin + _SAMPLE].T:
            part *= _FACTOR
            part += column
    return out


def _runs(values: NDArray[Any]) -> IntArray:
    """Where runs of equal values begin, and the end."""
    bounds = np.ones(len(values) + 1, dtype=np.bool_)
    bounds[1:-1] = np.asarray(values[1:] != values[:-1], dtype=np.bool_)
    return np.flatnonzero(bounds)
