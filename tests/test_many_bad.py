"""combine_many with rows, quantities and arguments that cannot be right: nothing is lost."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from many_tables import rows_of, taken
from reliability import Model, ReliabilityError, Void, combine_many, priors

GOOD: dict[str, list[Any]] = {
    "quantity": ["a", "b", "a", "b", "c"],
    "source": ["V", "W", "X", "Y", "Z"],
    "value": [1.0, 2.0, 3.0, 4.0, 5.0],
    "sd": [1.0, 1.0, 1.0, 1.0, 1.0],
}
VOID = Model(unsound=Void(), prior=priors.IntrinsicRange(0.1))

# ------------------------------------------------------------------ every row is used or reported

#: What can be wrong with a row, and the column that says so.
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no number": ({"value": "many"}, "value"),
    "infinite": ({"value": math.inf}, "value"),
    "nothing": ({"value": None, "sd": None}, "statement"),
    "sd without value": ({"value": None}, "sd"),
    "sd below 0": ({"sd": -1.0}, "sd"),
    "percent": ({"sd": None, "low": 1.0, "high": 9.0, "level": 95.0}, "level"),
    "phrase": ({"value": None, "sd": None, "statement": "quite a few"}, "statement"),
    "off the scale": ({"value": -3.0}, "value"),
    "phrase off the scale": ({"value": None, "sd": None, "statement": "-3"}, "statement"),
    "too small": ({"value": 1e150}, "sd"),
    "reliability": ({"reliability": 1.5}, "reliability"),
    "contradiction": ({"reliability": 0.0, "credibility": 1.0}, "credibility"),
    "no source": ({"source": None}, "source"),
    "no quantity": ({"quantity": ""}, "quantity"),
}
COLUMNS = ("quantity", "source", "statement", "value", "sd", "low", "high", "level")
EMPTY: dict[str, Any] = dict.fromkeys((*COLUMNS, "reliability", "credibility"))


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, list[Any]], list[str | None]]:
    """Rows, and what is wrong with each; every row has a source of its own."""
    rows, wrong = [], []
    for number in range(draw(st.integers(1, 9))):
        row = EMPTY | {
            "quantity": draw(st.sampled_from("abc")),
            "source": f"source {number}",
            "value": draw(st.sampled_from((1.0, 2.5, 7.0))),
            "sd": 0.5,
            "reliability": draw(st.sampled_from((None, 0.0, 0.7))),
        }
        name = draw(st.none() | st.sampled_from(list(WRONG)))
        rows.append(row if name is None else row | WRONG[name][0])
        wrong.append(name)
    return {column: [row[column] for row in rows] for column in EMPTY}, wrong


@settings(max_examples=60)
@given(tables(), st.sampled_from((Model(), VOID)), st.booleans())
def test_every_row_is_used_or_reported(
    drawn: tuple[dict[str, list[Any]], list[str | None]], model: Model, claims: bool
) -> None:
    table, wrong = drawn
    found = combine_many(table, scale="log", model=model, on_error="collect", claims=claims)
    bad = {name: column.tolist() for name, column in found.bad_rows.items()}
    assert sum(found.quantities["n"].tolist()) + len(bad["row"]) == len(wrong)
    assert bad["row"] == sorted(set(bad["row"]))
    assert {row for row, name in enumerate(wrong, start=1) if name} <= set(bad["row"])
    for k, row in enumerate(bad["row"]):
        name = wrong[row - 1]
        column = "quantity" if name is None else WRONG[name][1]
        assert bad["column"][k] == column
        given_ = table[column][row - 1]
        if isinstance(given_, str) and given_:
            assert bad["value"][k] == given_
        assert bad["source"][k] == table["source"][row - 1]
        assert bad["reason"][k]
        # A good row is left out with its quantity only.
        if name is None:
            assert table["quantity"][row - 1] not in found.quantities["quantity"].tolist()
    used = [row for row in range(len(wrong)) if row + 1 not in bad["row"]]
    if claims:
        assert found.claims["row"].tolist() == [row + 1 for row in used]
        assert not np.isnan(found.claims["weight"]).any()
    if used:
        # No row of the source of another says anything about it: the rest is as if alone.
        rest = rows_of(combine_many(taken(table, used), scale="log", model=model))
        rows = rows_of(found.quantities)
        assert list(rest) == list(rows)
        for key, one in rest.items():
            for column, number in one.items():
                # Blocks may be others, and with them the rounding and its bound.
                near = pytest.approx(number, rel=1e-12, abs=1e-12, nan_ok=True)
                assert column == "error" or rows[key][column] == near


def test_the_columns_of_bad_rows() -> None:
    rows = [
        EMPTY | {"quantity": "a", "source": name, "value": 2.0, "sd": 1.0} | change
        for name, (change, _) in WRONG.items()
    ]
    table = {column: [row[column] for row in rows] for column in EMPTY}
    bad = combine_many(table, scale="log", on_error="collect").bad_rows
    assert bad["row"].tolist() == list(range(1, len(WRONG) + 1))
    assert bad["column"].tolist() == [column for _, column in WRONG.values()]
    value = dict(zip(WRONG, bad["value"].tolist(), strict=True))
    assert value["off the scale"] == "-3"
    assert value["no number"] == "many"
    assert value["contradiction"] == "1"
    assert value["no source"] is None


@pytest.mark.parametrize("name", WRONG)
def test_a_bad_row_is_named(name: str) -> None:
    change, column = WRONG[name]
    rows = [EMPTY | {"quantity": "a", "source": f"s{k}", "value": 2.0, "sd": 1.0} for k in range(3)]
    rows[1] |= change
    table = {field: [row[field] for row in rows] for field in EMPTY}
    with pytest.raises(ReliabilityError, match=f"^table, row 2, {column}: .{{10}}"):
        combine_many(table, scale="log")


def test_the_first_bad_row_is_named() -> None:
    """Of the table, not of the quantity."""
    with pytest.raises(ReliabilityError, match=r"row 2, value: value=-2 is impossible on the log"):
        combine_many(GOOD | {"value": [1.0, -2.0, -3.0, 4.0, 5.0]}, scale="log")


def test_quantities_without_posterior() -> None:
    table = GOOD | {"reliability": [0.0, 0.5, 0.0, 0.5, 1.0]}
    with pytest.raises(ReliabilityError, match=r"^quantity 'a': every claim has reliability 0"):
        combine_many(table, model=VOID)
    found = combine_many(
        table, model=VOID, on_error="collect", claims=True, combinations=["a", "b"]
    )
    assert found.quantities["quantity"].tolist() == ["b", "c"]
    assert found.bad_rows["row"].tolist() == [1, 3]
    assert found.bad_rows["column"].tolist() == ["quantity", "quantity"]
    assert found.bad_rows["value"].tolist() == ["a", "a"]
    assert list(found.combinations) == ["b"]
    assert found.claims["row"].tolist() == [2, 4, 5]
    with pytest.raises(ReliabilityError, match=r"^quantity 'a': with Void.*IntrinsicRange"):
        combine_many(GOOD, model=Model(unsound=Void()))


def test_a_prior_that_leaves_nothing_stops_its_quantity_only() -> None:
    said = {"quantity": ["b"], "prior": [priors.Uniform(-2, -1)]}
    found = combine_many(GOOD, scale="log", quantities=said, on_error="collect")
    assert found.quantities["quantity"].tolist() == ["a", "c"]
    assert found.bad_rows["row"].tolist() == [2, 4]
    with pytest.raises(
        ReliabilityError, match=r"^quantity 'b': the prior Uniform.* leaves nothing"
    ):
        combine_many(GOOD, scale="log", quantities=said)


def test_combinations_are_of_the_rows_that_were_used() -> None:
    table = GOOD | {"value": [1.0, 2.0, 3.0, -4.0, -5.0], "sd": [1.0, 1.0, -1.0, 1.0, 1.0]}
    names = ["a", "b", "c"]
    found = combine_many(table, scale="log", on_error="collect", combinations=names)
    assert {
        key: [row.claim.source.name for row in one.claims]
        for key, one in found.combinations.items()
    } == {"a": ["V"], "b": ["W"]}


# ------------------------------------------------------------------ wrong arguments


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({name: [] for name in GOOD}, "there are no claims in it"),
        ({}, "column 'source' is missing"),
        ({k: v for k, v in GOOD.items() if k != "quantity"}, "column 'quantity' is missing"),
        ({k: v for k, v in GOOD.items() if k != "source"}, "column 'source' is missing"),
        ({k: v for k, v in GOOD.items() if k not in {"value", "sd"}}, "what was said is missing"),
        (GOOD | {"sds": [1.0] * 5}, "there is no column 'sds'; did you mean 'sd'"),
        (GOOD | {"sd": [1.0]}, "column 'sd' has 1 rows"),
        ([1, 2], "must be a dict of arrays or a data frame"),
        (None, "must be a dict of arrays or a data frame"),
        ("claims.csv", "must be a dict of arrays or a data frame"),
        (GOOD | {"value": [1.0, math.nan, 3.0, 4.0, 5.0]}, "row 2, sd: belongs to a value"),
        (GOOD | {"value": [1.0, 2.0, math.inf, 4.0, 5.0]}, "row 3, value: must be a finite number"),
        (GOOD | {"sd": [1.0, 2.0, math.inf, 4.0, 5.0]}, "row 3, sd: must be a finite number"),
        (GOOD | {"sd": [1.0, 1e-25, 1.0, 1.0, 1.0]}, "row 2, sd: its sd on the scale is .*larger"),
        (GOOD | {"value": [1e120, 2.0, 3.0, 4.0, 5.0]}, "row 1, value: .*in another unit"),
    ],
)
def test_wrong_tables(table: Any, message: str) -> None:
    with pytest.raises(ReliabilityError, match=message):
        combine_many(table)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level": 95}, "level must lie in .* did you mean 0.95"),
        ({"level": math.nan}, "level must lie in"),
        ({"level": "0.9"}, "level must be a number"),
        ({"scale": "lg"}, "scale must be one of 'linear', 'log', 'logit'"),
        ({"scale": ["log"]}, "scale must be one of"),
        ({"prior": 3}, "prior must be a prior on the quantity.*quantities="),
        ({"prior": priors.HalfNormal(1)}, "prior must be a prior on the quantity"),
        ({"model": Model.reports}, r"call it: Model.reports\(\)"),
        ({"dependence": 2}, "dependence must lie in"),
        ({"dependence": math.nan}, "dependence must lie in"),
        ({"dependence": "x"}, "dependence must be a number"),
        ({"on_error": "ignore"}, "on_error must be 'raise' or 'collect'"),
        ({"on_error": []}, "on_error must be 'raise' or 'collect'"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"threads": -1, "claims": True}, "threads must be at least 1"),
        ({"threads": "2"}, "threads must be a whole number"),
        ({"claims_at_once": 0}, "claims_at_once must be at least 1"),
        ({"claims_at_once": 1.5}, "claims_at_once must be a whole number"),
        ({"progress": 5}, "progress must be a function"),
        ({"combinations": ["z"]}, "combinations: table has no quantity 'z'; known: a, b, c"),
        ({"combinations": [None]}, "combinations: table has no quantity None"),
        ({"combinations": [["a"]]}, r"combinations: table has no quantity \['a'\]"),
        ({"combinations": "a"}, "combinations must be a list"),
        ({"combinations": 5}, "combinations must be a list"),
        (
            {"combinations": ["z"], "quantities": {"quantity": ["a"], "scale": ["log"]}},
            "combinations: table has no quantity 'z'",
        ),
        (
            {"quantities": {"quantity": ["z"], "scale": ["log"]}},
            "quantities: no claim is about quantity 'z'; known: a, b, c",
        ),
        ({"quantities": {"quantity": ["a"], "sacle": ["log"]}}, "did you mean 'scale'"),
        ({"quantities": {"quantity": ["a"], "scale": ["ln"]}}, "row 1, scale: must be one of"),
        (
            {"quantities": {"quantity": ["a"], "zero": [0.5]}},
            "quantity 'a': zero=, .* needs a proper prior",
        ),
        ({"quantities": 5}, "quantities must be a dict of arrays or a data frame"),
        ({"sources": {"source": ["V"], "rel": [0.5]}}, "sources: there is no column 'rel'"),
        ({"sources": {"source": ["V"], "reliability": [1.5]}}, "row 1, reliability: must lie in"),
        ({"sources": {"reliability": [0.5]}}, "column 'source' is missing"),
        ({"sources": 5}, "sources must be a dict of arrays or a data frame"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ReliabilityError, match=message):
        combine_many(GOOD, **arguments)


def test_many_names_are_not_listed() -> None:
    table = {
        "quantity": list(range(100)),
        "source": ["a"] * 100,
        "value": [1] * 100,
        "sd": [1] * 100,
    }
    with pytest.raises(ReliabilityError, match=r"has no quantity 'troops'$"):
        combine_many(table, combinations=["troops"])
