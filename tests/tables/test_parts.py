"""Tables in parts: every row in one part, the rows of a quantity together, errors in order."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reliability import Model, ReliabilityError, combine_many, many
from reliability.tables.cells import Cells
from reliability.tables.parts import by_quantity

names = st.lists(st.integers(0, 5), min_size=1, max_size=40)
KINDS: dict[str, Any] = {
    "integers": lambda codes: np.array(codes) * 1000 - 2000,
    "texts": lambda codes: np.array([f"quantity {code}" for code in codes]),
    "other byte order": lambda codes: np.array([f"q{code}" for code in codes]).astype(">U3"),
    "spaces": lambda codes: np.array([["", " ", "\u2003", "\u00e9", "a", " a"][c] for c in codes]),
    "objects": lambda codes: [f"quantity {code}" for code in codes],
    "empty": lambda codes: [None if code == 2 else f"quantity {code}" for code in codes],
    "one name": lambda codes: [1 if code == 1 else "1" if code == 2 else "x" for code in codes],
    "refused": lambda codes: [["a"] if code == 2 else str(code) for code in codes],
    "floats": lambda codes: np.where(np.array(codes) == 2, math.nan, codes),
}


def name_of(cell: Any) -> str | None:
    if isinstance(cell, list) or cell is None or cell != cell:  # noqa: PLR0124  # nan
        return None
    return str(cell) if str(cell).strip() else None


@pytest.mark.parametrize("kind", KINDS)
@given(codes=names, together=st.booleans(), limit=st.integers(1, 50))
def test_rows_by_quantity(kind: str, codes: list[int], together: bool, limit: int) -> None:
    if together:
        codes = sorted(codes, key=lambda code: (code * 5) % 6)
    cells = KINDS[kind](codes)
    count = len(codes)
    table = {"quantity": cells, "source": ["X"] * count, "value": np.arange(count) + 1.0}
    plain = cells.tolist() if isinstance(cells, np.ndarray) else cells
    wanted: dict[str | None, list[int]] = {}
    for row, cell in enumerate(plain):
        wanted.setdefault(name_of(cell), []).append(row)
    nameless = wanted.pop(None, [])
    whole = Cells(table)
    by = by_quantity(whole)
    assert [by.rows_of(q).tolist() for q in range(by.count)] == list(wanted.values())
    assert by.first.tolist() == [rows[0] for rows in wanted.values()]
    assert by.nameless.tolist() == nameless
    pieces = list(by.cut(np.arange(by.count), limit))
    assert [list(p) for p in by.cut(range(by.count), limit)] == [list(p) for p in pieces]
    assert [q for piece in pieces for q in piece] == list(range(by.count))
    for piece in pieces:
        part = by.part(piece)
        some = whole.part(part.rows)
        assert len(piece) == 1 or len(some) <= limit
        rows = [row for q in piece for row in list(wanted.values())[q]]
        assert part.at(np.arange(len(some))).tolist() == rows
        assert [some.number(row) for row in range(len(some))] == rows
        assert some.values("value", np.arange(len(some))) == [row + 1.0 for row in rows]
        assert part.first == min(rows)
        assert part.starts is not None
        assert [b - a for a, b in pairwise(part.starts.tolist())] == [
            len(list(wanted.values())[q]) for q in piece
        ]
    for part in by.cut_nameless(limit):
        assert len(part.at(np.arange(len(whole.part(part.rows))))) <= limit


def test_rows_that_stand_together_are_not_copied() -> None:
    value = np.arange(6.0)
    for quantity in ([3, 3, 1, 1, 1, 2], ["b", "b", "a", "a", "c", "c"]):
        table = {"quantity": np.array(quantity), "source": np.zeros(6, int), "value": value}
        cells = Cells(table)
        by = by_quantity(cells)
        part = by.part(np.array([1, 2]))
        assert by.order is None
        assert np.shares_memory(cells.part(part.rows).numbers("value").values, value)


# ------------------------------------------------------------------ what pieces must not change

TABLE: dict[str, list[Any]] = {
    "quantity": [f"q{k % 7}" for k in range(28)],
    "source": [f"s{k % 5}" for k in range(28)],
    "value": [float(2 + k % 3) for k in range(28)],
    "sd": [1.0] * 28,
    "reliability": [0.9 if k == 20 else None for k in range(28)],
}
#: Changes of cells, and the error that comes first whatever the pieces.
FIRST: dict[str, tuple[dict[tuple[str, int], Any], str]] = {
    "rows": ({("sd", 25): -1.0, ("sd", 12): -2.0}, "row 13, sd: must be above 0, got -2"),
    "a row before a row that is off the scale": (
        {("value", 3): -1.0, ("sd", 25): -1.0},
        "row 26, sd: must be above 0",
    ),
    "off the scale": ({("value", 23): -1.0, ("value", 9): -4.0}, "row 10, value: value=-4"),
    "nameless": ({("quantity", 6): None, ("sd", 8): -1.0}, "row 7, quantity: is empty"),
    "after another": ({("quantity", 26): " ", ("sd", 8): -1.0}, "row 9, sd: must be above 0"),
    "a source": (
        {("reliability", 5): 0.8, ("reliability", 26): 0.9},
        "row 21, reliability: is 0.9 here and 0.8 in row 6, for the same source 's0'",
    ),
}


def changed(changes: dict[tuple[str, int], Any]) -> dict[str, list[Any]]:
    table = {name: list(cells) for name, cells in TABLE.items()}
    for (name, row), cell in changes.items():
        table[name][row] = cell
    return table


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("rows", [1, 5, 1000])
@pytest.mark.parametrize("name", FIRST)
def test_the_first_error(
    name: str, rows: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "_ROWS_AT_ONCE", rows)
    changes, message = FIRST[name]
    with pytest.raises(ReliabilityError) as caught:
        combine_many(changed(changes), scale="log", threads=threads)
    assert str(caught.value).startswith(f"table, {message}")


@pytest.mark.parametrize("name", FIRST)
def test_bad_rows_of_any_pieces(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = changed(FIRST[name][0] | {("source", 0): None, ("value", 1): -9.0})
    whole: list[Any] = []
    pieces: list[Any] = []
    for rows, out in ((1000, whole), (4, pieces)):
        monkeypatch.setattr(many, "_ROWS_AT_ONCE", rows)
        found = combine_many(table, scale="log", on_error="collect", claims=True)
        assert found.quantities["n"].sum() + len(found.bad_rows["row"]) == 28
        bad = {column: cells.tolist() for column, cells in found.bad_rows.items()}
        claims = {c: found.claims[c].tolist() for c in ("row", "quantity", "source")}
        quantities = {c: found.quantities[c].tolist() for c in ("quantity", "n")}
        out += [bad, claims, quantities, found.quantities["estimate"].round(9).tolist()]
    assert pieces == whole


@pytest.mark.parametrize("kind", ["pandas", "categories", "polars", "enums", "arrow", "coded"])
def test_pieces_of_every_kind_of_table(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = changed({("sd", 12): -2.0, ("quantity", 3): None, ("quantity", 20): "q1"})
    texts = ["quantity", "source"]
    makers: dict[str, Any] = {
        "pandas": pd.DataFrame,
        "categories": lambda data: pd.DataFrame(data).astype(dict.fromkeys(texts, "category")),
        "polars": pl.DataFrame,
        "enums": lambda data: pl.DataFrame(data).with_columns(
            pl.col("quantity").cast(pl.Enum([f"q{k}" for k in range(99)][::-1]))
        ),
        "arrow": lambda data: pa.concat_tables([pa.table(data)[:9], pa.table(data)[9:]]),
        "coded": lambda data: pa.table(data).set_column(
            0, "quantity", pa.chunked_array([pa.array(data["quantity"]).dictionary_encode()])
        ),
    }
    monkeypatch.setattr(many, "_ROWS_AT_ONCE", 4)
    settings: dict[str, Any] = {"model": Model.common_effect(), "on_error": "collect"}
    wanted = combine_many(table, **settings)
    found = combine_many(makers[kind](table), **settings)
    for column in ("quantity", "n", "estimate", "low"):
        cells = np.asarray(found.quantities[column]).tolist()
        assert cells == wanted.quantities[column].tolist()
    assert np.asarray(found.bad_rows["row"]).tolist() == [4, 13]
