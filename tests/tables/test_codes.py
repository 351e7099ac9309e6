"""Codes and groups: the same as counting by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reliability.tables.codes import Coded, encode, group, in_use, runs_of_names

whole = st.lists(st.integers(-5, 5) | st.integers(-(2**62), 2**62), max_size=30)
texts = st.lists(st.text("ab\u00e9", max_size=2), max_size=30)


def decoded(coded: Coded) -> list[Any]:
    return [None if code < 0 else coded.categories[code] for code in coded.codes.tolist()]


@pytest.mark.parametrize("arranged", [list, sorted])
@given(values=whole)
def test_integers(arranged: Any, values: list[int]) -> None:
    array = np.array(arranged(values), dtype=np.int64)
    coded = encode(array)
    assert decoded(coded) == array.tolist()
    assert len(coded.categories) == len(set(values))


@pytest.mark.parametrize("arranged", [list, sorted, lambda v: sorted(v, reverse=True)])
@pytest.mark.parametrize("dtype", [np.str_, object])
@given(values=texts)
def test_texts(dtype: Any, arranged: Any, values: list[str]) -> None:
    array = np.array(arranged(values), dtype=dtype)
    coded = encode(array)
    assert decoded(coded) == array.tolist()
    assert len(coded.categories) == len(set(values))


@pytest.mark.parametrize("kind", ["u1", "u8", "i1", "i8"])
def test_extremes(kind: str) -> None:
    info = np.iinfo(kind)
    array = np.array([info.max, info.min, info.max], dtype=kind)
    assert decoded(encode(array)) == array.tolist()


def test_empty_cells_and_odd_objects() -> None:
    assert decoded(encode(np.array([1.5, np.nan]))) == [1.5, None]
    days = np.array(["2024-01-02", "NaT", "2024-01-02"], dtype="M8[D]")
    assert encode(days).codes[[0, 2]].tolist() == [encode(days).codes[0]] * 2
    assert encode(days).codes[1] == -1
    cells = np.empty(3, dtype=object)
    cells[:] = [[1], "a", None]
    assert decoded(encode(cells)) == [[1], "a", None]


def test_unused_categories_go() -> None:
    coded = Coded(np.array([2, -1, 0]), ["a", "b", "c"]).used()
    assert decoded(coded) == ["c", None, "a"]
    assert list(coded.categories) == ["a", "c"]


@given(st.lists(st.integers(-1, 60), min_size=1, max_size=9), st.integers(61, 90))
def test_categories_in_use(codes: list[int], size: int) -> None:
    """Few cells and many categories, and the other way round."""
    for cells in (codes, codes * 20):
        kept, found = in_use(np.array(cells), size)
        assert kept.tolist() == sorted(set(cells) - {-1})
        assert [-1 if code < 0 else kept[code] for code in found.tolist()] == cells
        part = Coded(np.array([-1, *cells]), list(range(size))).part(slice(1, None))
        assert decoded(part) == [None if code < 0 else code for code in cells]
        assert len(part.categories) <= max(len(cells), size * (size <= len(cells)))


NAMES: dict[str, Any] = {
    "integers": lambda codes: np.array([7, -3, 2**62, 5, 0, 1])[codes],
    "texts": lambda codes: np.array(["ab", "ba", "a", "b", "aab", "quantity 10"])[codes],
    "objects": lambda codes: np.array(["ab", "ba", "a", "b", "aab", "\u00e9"], dtype=object)[codes],
}


@pytest.mark.parametrize("kind", NAMES)
@given(runs=st.lists(st.tuples(st.integers(0, 5), st.integers(2, 4)), min_size=1, max_size=8))
def test_runs_of_names(kind: str, runs: list[tuple[int, int]]) -> None:
    codes = [code for code, length in runs for _ in range(length)]
    values = NAMES[kind](codes)
    heads = [k for k in range(len(codes)) if k == 0 or codes[k] != codes[k - 1]]
    bounds = [*heads, len(codes)]
    again = len({codes[k] for k in heads}) < len(heads)
    found = runs_of_names(values)
    assert (found is None) == again
    assert found is None or found.tolist() == bounds


@pytest.mark.parametrize(
    "cells",
    [["a", "a", " ", " "], ["", "", "b", "b"], [1, 1, "1", "1"], [None, None], [True, True]],
)
def test_runs_of_what_may_be_no_name(cells: list[Any]) -> None:
    assert runs_of_names(np.array(cells, dtype=object)) is None
    if set(map(type, cells)) == {str}:
        assert runs_of_names(np.array(cells)) is None


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.booleans())
def test_groups(codes: list[int], together: bool) -> None:
    if together:
        codes = sorted(codes, key=lambda code: (code * 3) % 7)
    found = group(np.array(codes, dtype=np.int64), 7)
    keys = list(dict.fromkeys(codes))
    assert found.keys.tolist() == keys
    order = list(range(len(codes))) if found.order is None else found.order.tolist()
    wanted = [[row for row, code in enumerate(codes) if code == key] for key in keys]
    pieces = zip(found.starts[:-1], found.starts[1:], strict=True)
    assert [order[low:high] for low, high in pieces] == wanted
    if together:
        assert found.order is None
