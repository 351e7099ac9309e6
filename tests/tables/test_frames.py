"""Tables of every kind: the same rows from each, and results of the same kind."""

from __future__ import annotations

import builtins
import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reliability.errors import InvalidValueError, MissingExtraError, WrongTypeError
from reliability.tables.frames import as_table
from reliability.tables.rows import rows_from_table

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

DATA: dict[str, list[Any]] = {
    "Quantity": ["b", "a", "b", None, "c", "a"],
    "source": ["X", "Y", "X", "Z", "Y", "X"],
    "value": [1, 2, None, 4, 5, 6],
    "sd": [0.5, None, 1.0, 1.0, -1.0, 2.0],
    "reliability": [None, 0.5, 0.9, None, None, None],
    "date": [None, dt.date(2024, 10, 24), None, None, None, dt.date(2024, 1, 1)],
}


class Capsule:
    """Whatever exports Arrow."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def categorical(data: dict[str, list[Any]]) -> Any:
    return pd.DataFrame(data).astype(
        {"Quantity": "category", "source": "category", "value": "Int64"}
    )


def polars_categorical(data: dict[str, list[Any]]) -> Any:
    return pl.DataFrame(data).with_columns(pl.col("Quantity", "source").cast(pl.Categorical))


def arrow_chunks(data: dict[str, list[Any]]) -> Any:
    whole = pa.table(data)
    parts = pa.concat_tables([whole.slice(0, 2), whole.slice(2, 1), whole.slice(3)])
    return parts.set_column(0, "Quantity", parts["Quantity"].dictionary_encode())


def odd_index(data: dict[str, list[Any]]) -> Any:
    return pd.DataFrame(data, index=[9, 3, 3, 1, 0, 7])


MAKERS: dict[str, tuple[Callable[[Any], Any], type]] = {
    "dict": (dict, dict),
    "pandas": (pd.DataFrame, pd.DataFrame),
    "pandas, odd index": (odd_index, pd.DataFrame),
    "pandas, categories": (categorical, pd.DataFrame),
    "pandas, arrow": (
        lambda data: pd.DataFrame(data).convert_dtypes(dtype_backend="pyarrow"),
        pd.DataFrame,
    ),
    "pandas, objects": (lambda data: pd.DataFrame(data, dtype=object), pd.DataFrame),
    "polars": (pl.DataFrame, pl.DataFrame),
    "polars, categories": (polars_categorical, pl.DataFrame),
    "arrow": (pa.table, pa.Table),
    "arrow, chunks": (arrow_chunks, pa.Table),
    "capsule": (lambda data: Capsule(pa.table(data)), pa.Table),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_every_kind_of_table(kind: str) -> None:
    make, result = MAKERS[kind]
    table = as_table(make(DATA))
    found = rows_from_table(table, on_error="collect")
    assert list(found.keys) == ["b", "a"]
    assert found.first.tolist() == [0, 1]
    assert found.row.tolist() == [0, 1, 5]
    assert found.rows.statements.value.tolist() == [1, 2, 6]
    assert found.rows.reliability.tolist() == [0.9, 0.5, 0.9]
    assert found.bad.row == [3, 4, 5]
    assert found.bad.column == ["sd", "quantity", "sd"]
    out: Any = table.like({"quantity": table.pick("quantity", found.first), "n": np.array([1, 2])})
    assert [str(key) for key in np.asarray(out["quantity"]).tolist()] == ["b", "a"]
    assert np.asarray(out["n"]).tolist() == [1, 2]
    assert isinstance(out, result)


@pytest.mark.parametrize(
    "kind", ["dict", "pandas, objects", "polars", "arrow", "arrow, chunks", "capsule"]
)
def test_whole_numbers_as_names(kind: str) -> None:
    make, _ = MAKERS[kind]
    data = DATA | {"Quantity": [2**60 + 1, 2**60, 2**60 + 1, None, 3, 2**60]}
    found = rows_from_table(as_table(make(data)), on_error="collect")
    assert list(map(int, found.keys)) == [2**60 + 1, 2**60]


def test_bad_rows_as_a_table() -> None:
    table = as_table(pl.DataFrame(DATA))
    found = rows_from_table(table, on_error="collect")
    bad = table.like(found.bad.columns())
    assert bad.columns == ["row", "quantity", "source", "column", "value", "reason"]
    assert bad["value"].to_list() == ["1", None, "-1"]


def test_columns_given_twice() -> None:
    twice = pd.DataFrame([["a", "X", 1, 2]], columns=["quantity", "source", "value", "value"])
    with pytest.raises(InvalidValueError, match="table: the column 'value' is given 2 times"):
        as_table(twice)


def test_a_lazy_frame() -> None:
    with pytest.raises(WrongTypeError, match=r"must hold its rows in memory.*collect\(\)"):
        as_table(pl.DataFrame(DATA).lazy())


@pytest.mark.parametrize("given", [3, "claims.csv", object(), {1, 2}, np.ones(3)])
def test_no_tables(given: object) -> None:
    with pytest.raises(WrongTypeError, match="table must be a dict of arrays or a data frame"):
        as_table(given)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("narwhals"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'source-reliability\[frames\]'"):
        as_table(pd.DataFrame(DATA))
    assert rows_from_table(DATA, on_error="collect").bad.row == [3, 4, 5]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([1, 2], dtype=np.uint8), [1.0, 2.0]),
        (np.array(["1.5", "12,000"]), [1.5, 12000.0]),
        (["1.5", None], [1.5, np.nan]),
        ([1, "2"], [1.0, 2.0]),
        (np.array([1.0, None], dtype=object), [1.0, np.nan]),
        (np.ma.masked_array([1.0, 2.0], [False, True]), [1.0, np.nan]),
        (pd.Series([1, None], dtype="Int64"), [1.0, np.nan]),
        (pa.chunked_array([[1], [None]]), [1.0, np.nan]),
        (pl.Series([1.0, None]), [1.0, np.nan]),
        (range(2), [0.0, 1.0]),
        (["", " "], [np.nan, np.nan]),
    ],
)
def test_columns_of_numbers(values: Any, expected: list[float]) -> None:
    found = as_table({"value": values}).numbers("value")
    assert found.refused is None
    assert np.array_equal(found.values, expected, equal_nan=True)


@pytest.mark.parametrize("cell", ["nan", "inf", "1_000", "x", True, dt.date(2024, 1, 1), [1], 1j])
def test_what_is_no_number(cell: object) -> None:
    found = as_table({"value": [1.0, cell]}).numbers("value")
    assert found.refused is not None
    assert found.refused.tolist() == [False, True]


def test_dates() -> None:
    days = np.array(["2024-10-24", "NaT"], dtype="datetime64[D]")
    table = {"quantity": ["a", "a"], "source": ["X", "Y"], "value": [1.0, 2.0], "date": days}
    assert len(rows_from_table(table).row) == 2
