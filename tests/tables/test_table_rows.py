"""Tables as rows: the same claims as row by row, every row used or reported."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reliability import AtLeast, Claim, Estimate, Quantiles, Range, Source
from reliability.claims.rows import Stated, statements_from_objects
from reliability.errors import InvalidValueError, ReliabilityError, WrongTypeError
from reliability.grades import ADMIRALTY
from reliability.io import claims_from_rows
from reliability.tables.objects import claims_from_table
from reliability.tables.rows import TableRows, rows_from_table
from reliability.tables.stated import NUMBER_FIELDS

NAN = math.nan


def same(left: Any, right: Any) -> bool:
    return bool(np.array_equal(left, right, equal_nan=True))


def quantiles_of(statements: Any, row: int) -> list[tuple[float, float]]:
    at = int(statements.quantile_row[row])
    if at < 0:
        return []
    pairs = zip(statements.probabilities[at], statements.quantiles[at], strict=True)
    return [(p, q) for p, q in pairs if not math.isnan(p)]


def assert_states(found: TableRows, claims: list[Claim]) -> None:
    """The rows state what the claims state; claims are in the order of the rows."""
    wanted = statements_from_objects([claim.statement for claim in claims])
    given_ = found.rows.statements
    assert same(given_.stated, wanted.stated)
    for field in NUMBER_FIELDS:
        assert same(getattr(given_, field), getattr(wanted, field)), field
    for row in range(len(claims)):
        assert quantiles_of(given_, row) == quantiles_of(wanted, row)
    for i, claim in enumerate(claims):
        assert found.sources.names[found.rows.source[i]] == claim.source.name
        credibility = claim.credibility
        assert found.rows.confirmed[i] == (credibility == "1")
        if isinstance(credibility, str):
            credibility = ADMIRALTY.credibility(credibility)
        assert same(found.rows.credibility[i], NAN if credibility is None else credibility)
        reliability = claim.source.reliability
        if reliability is not None:
            assert found.rows.reliability[i] == reliability
    for i, one in enumerate(claims):
        for k, other in enumerate(claims):
            left, right = (
                c.origin if c.origin is not None else c.source.name for c in (one, other)
            )
            assert (left == right) == (found.rows.origin[i] == found.rows.origin[k])


# --- every row is used or reported, and judged as row by row ------------------------------------

numbers = st.none() | st.sampled_from(
    [NAN, math.inf, -1.0, 0.0, 0.5, 0.9, 1.0, 2.0, 3.0, 95.0, 2500.0]
)
cells: dict[str, st.SearchStrategy[Any]] = {
    "quantity": st.sampled_from(["a", "b", "c", None, " "]),
    "source": st.sampled_from(["X", "Y", "", None]),
    "statement": st.sampled_from(
        [None, None, None, "more than 12", "about 5", "5 to 3", "rubbish", 7.0]
    ),
    "value": numbers | st.sampled_from(["12,000", "x", "1.5", "nan"]),
    "sd": numbers,
    "low": numbers,
    "high": numbers,
    "level": numbers,
    "q0.05": numbers,
    "q.5": numbers,
    "q0.95": numbers,
    "form": st.sampled_from(
        [None, None, "estimate", "At least", "about", "range", "quantiles", "guess"]
    ),
    "origin": st.sampled_from([None, "X", "report"]),
    "credibility": st.none() | st.sampled_from([0.5, 80.0, "probably", "hardly"]),
    "grade": st.sampled_from([None, None, "B2", "b", "B-1", "B6", "2", "X1", "B7", 3.0]),
    "date": st.sampled_from([None, "2024-10-24", "yesterday"]),
    "note": st.sampled_from([None, "n"]),
}
shapes = st.sets(
    st.sampled_from([name for name in cells if name not in {"quantity", "source"}])
).filter(lambda names: names & {"statement", "value", "low", "high", "q0.05"})


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[Any]]:
    names = ["quantity", "source", *sorted(draw(shapes))]
    count = draw(st.integers(1, 8))
    return {name: draw(st.lists(cells[name], min_size=count, max_size=count)) for name in names}


def record_of(table: dict[str, list[Any]], row: int) -> dict[str, Any]:
    return {
        name: None if isinstance(v := values[row], float) and math.isnan(v) else v
        for name, values in table.items()
    }


def judged(table: dict[str, list[Any]]) -> tuple[list[tuple[int, Claim]], list[tuple[int, str]]]:
    """Row by row: good claims, and reasons of the bad ones."""
    good, bad = [], []
    for row in range(len(table["source"])):
        try:
            claim = claims_from_rows([record_of(table, row)])[0]
            if claim.quantity is None:
                raise InvalidValueError(
                    "rows, row 1, quantity: is empty; name what the claim is about"
                )
            good.append((row, claim))
        except ReliabilityError as error:
            bad.append((row + 1, str(error).removeprefix("rows, row 1, ")))
    return good, bad


@settings(max_examples=600)
@given(tables())
def test_rows_are_used_or_reported(table: dict[str, list[Any]]) -> None:
    good, bad = judged(table)
    found = rows_from_table(table, on_error="collect")
    assert len(found.row) + len(found.bad) == len(table["source"])
    assert sorted(found.row.tolist()) == [row for row, _ in good]
    reasons = zip(found.bad.row, found.bad.column, found.bad.reason, strict=True)
    assert [(row, f"{column}: {reason}") for row, column, reason in reasons] == bad
    claims = dict(good)
    assert_states(found, [claims[row] for row in found.row.tolist()])
    keys = list(dict.fromkeys(claim.quantity for _, claim in good))
    assert list(found.keys) == keys
    for q, key in enumerate(keys):
        rows = found.row[found.rows.starts[q] : found.rows.starts[q + 1]].tolist()
        assert rows == [row for row, claim in good if claim.quantity == key]
    if bad:
        with pytest.raises(ReliabilityError) as caught:
            rows_from_table(table)
        assert str(caught.value) == f"table, row {bad[0][0]}, {bad[0][1]}"
    else:
        assert claims_from_table(table) == claims_from_rows(
            [record_of(table, row) for row, _ in good]
        )


# --- what is known of sources -------------------------------------------------------------------


def table(**columns: Any) -> dict[str, Any]:
    count = max(
        (len(column) for column in columns.values() if hasattr(column, "__len__")), default=1
    )
    return {"quantity": ["q"] * count, "source": ["X"] * count, "value": [1.0] * count} | columns


def test_a_source_is_described_once() -> None:
    found = rows_from_table(table(reliability=[None, 0.8], bias=[0.5, NAN], interest=[1, None]))
    assert found.rows.reliability.tolist() == [0.8, 0.8]
    assert found.rows.bias.tolist() == [0.5, 0.5]
    assert found.rows.interest.tolist() == [1, 1]
    assert found.rows.overconfidence.tolist() == [1, 1]
    claims = claims_from_table(table(reliability=[None, 0.8], bias=[0.5, NAN]))
    assert {claim.source for claim in claims} == {Source("X", reliability=0.8, bias=0.5)}


def test_contradictions_about_a_source() -> None:
    given_ = table(reliability=[None, 0.8, 0.7])
    with pytest.raises(
        InvalidValueError,
        match=r"table, row 3, reliability: is 0.7 here and 0.8 in row 2, for the same source 'X'",
    ):
        rows_from_table(given_)
    found = rows_from_table(given_, on_error="collect")
    assert found.bad.row == [3]
    assert found.bad.value == ["0.7"]
    with pytest.raises(
        InvalidValueError, match=r"row 2, reliability: is 0.8 here and 0.6 in sources"
    ):
        rows_from_table(given_, sources=[Source("X", reliability=0.6)])


@pytest.mark.parametrize(
    "sources",
    [
        [Source("X", reliability=0.6), Source("Z")],
        {"X": Source("X", reliability=0.6)},
        {"source": ["Z", "X"], "reliability": [None, 0.6]},
    ],
)
def test_sources_from_elsewhere(sources: Any) -> None:
    found = rows_from_table(table(value=[1.0, 2.0]), sources=sources)
    assert found.rows.reliability.tolist() == [0.6, 0.6]


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (
            {"source": ["X"], "reliabilty": [1]},
            "there is no column 'reliabilty'; did you mean 'reliability'",
        ),
        ({"reliability": [1]}, "the column 'source' is missing"),
        ({"source": ["X", "X"], "bias": [1, 1]}, "row 2, source: 'X' is given twice"),
        (
            {"source": ["X"], "reliability": [80]},
            r"row 1, reliability: must lie in \[0, 1\], got 80; did you mean 0.8",
        ),
        ({"source": [None], "reliability": [0.8]}, "row 1, source: is empty"),
        ([Source("X"), Source("X")], r"sources\[1\]: 'X' is given twice"),
        (["X"], r"sources\[0\]: must be a Source, got 'X'"),
    ],
)
def test_wrong_sources(sources: Any, message: str) -> None:
    with pytest.raises(ReliabilityError, match=message):
        rows_from_table(table(), sources=sources)


def test_a_number_and_its_text_are_one_name() -> None:
    found = rows_from_table(table(source=[5, "5", 6], origin=[None, None, "5"]))
    assert found.rows.source.tolist() == [0, 0, 1]
    assert found.rows.origin.tolist() == [0, 0, 0]
    assert found.sources.names == ["5", "6"]


# --- tables that are refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"source": ["X"], "value": [1]}, "table: the column 'quantity' is missing"),
        ({"quantity": ["q"], "value": [1]}, "table: the column 'source' is missing"),
        ({"quantity": ["q"], "source": ["X"]}, "a column with what was said is missing"),
        (table(valeu=[1]), "there is no column 'valeu'; did you mean 'value'"),
        (table() | {"Value": [1.0]}, "the column 'value' is given 2 times"),
        (table() | {"sd": [1, 2]}, "column 'sd' has 2 rows and column 'quantity' 1"),
        (table(sd=3), "column 'sd' must be an array or a list, got 3"),
        ({"quantity": [], "source": [], "value": []}, "table: there are no claims in it"),
        ({"quantity": ["q"], "source": ["X"], "q0.5": [1], "q.5": [2]}, "are the same quantile"),
        (table(sd=np.ones((1, 1))), r"column 'sd' must have one dimension, got shape \(1, 1\)"),
        ([{"source": "X"}], "must be a dict of arrays or a data frame"),
        (None, "must be a dict of arrays or a data frame"),
        (
            table(quantity=["b", ["a"]]),
            r"table, row 2, quantity: must be a number or a text, got \['a'\]",
        ),
    ],
)
def test_wrong_tables(given_: Any, message: str) -> None:
    with pytest.raises(ReliabilityError, match=message):
        rows_from_table(given_)


def test_wrong_choice_of_errors() -> None:
    with pytest.raises(
        InvalidValueError, match="on_error must be 'raise' or 'collect', got 'skip'"
    ):
        rows_from_table(table(), on_error="skip")  # type: ignore[arg-type]


def test_no_good_row_is_left() -> None:
    found = rows_from_table(table(value=[math.inf]), on_error="collect")
    assert found.bad.reason == ["must be a finite number, got inf"]
    assert len(found.keys) == 0
    assert found.rows.starts.tolist() == [0]


# --- every form of column -----------------------------------------------------------------------


def test_forms() -> None:
    found = rows_from_table(
        {
            "quantity": ["q"] * 5,
            "source": list("abcde"),
            "value": [2500, 12000, None, None, None],
            "form": [None, "at least", None, None, None],
            "low": [None, None, 2000, 10, None],
            "high": [None, None, 3000, 20, None],
            "level": [None, None, None, 0.9, None],
            "statement": [None] * 4 + ["more than 12,000"],
        }
    )
    assert_states(
        found,
        [
            Claim("a", Estimate(2500)),
            Claim("b", AtLeast(12000)),
            Claim("c", Range(2000, 3000)),
            Claim("d", Quantiles({0.05: 10, 0.95: 20})),
            Claim("e", AtLeast(12000)),
        ],
    )
    assert found.rows.statements.stated.tolist() == [
        Stated.ROUNDED,
        Stated.AT_LEAST,
        Stated.RANGE,
        Stated.QUANTILES,
        Stated.AT_LEAST,
    ]


def test_chosen_quantities() -> None:
    given_ = table(quantity=["a", "b", "a"], value=[1.0, 2.0, 3.0])
    assert [claim.statement for claim in claims_from_table(given_, "a")] == [
        Estimate(1),
        Estimate(3),
    ]
    assert len(claims_from_table(given_, ["a", "b"])) == 3
    assert len(claims_from_table(table(quantity=[7, 8]), 7)) == 0 + 1
    with pytest.raises(InvalidValueError, match="table: there is no quantity 'c'"):
        claims_from_table(given_, "c")


def test_wrong_type_of_column() -> None:
    with pytest.raises(WrongTypeError):
        rows_from_table({"quantity": "q", "source": ["X"], "value": [1]})
