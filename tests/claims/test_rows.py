"""Rows and columns of many quantities at once: the same numbers as one by one."""

from __future__ import annotations

import math
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reliability import (
    About,
    Absent,
    AtLeast,
    AtMost,
    Claim,
    Estimate,
    Present,
    Quantiles,
    Range,
    Source,
)
from reliability import strategies as own
from reliability.claims.columns import Columns, Knots, columns_from_rows
from reliability.claims.problems import Problem
from reliability.claims.rows import (
    Rows,
    Stated,
    Statements,
    rows_from_claims,
    statement_at,
    statements_from_objects,
)
from reliability.errors import InvalidValueError, NumericalError
from reliability.scales import SCALES, ScaleName

NAN = math.nan
FIELDS = [field.name for field in attrs.fields(Columns) if field.name not in {"starts", "knots"}]
KNOTS = [field.name for field in attrs.fields(Knots)]
LINEAR, LOG = SCALES["linear"], SCALES["log"]

NAMES: tuple[ScaleName, ...] = ("linear", "log", "logit")
scales = st.sampled_from(NAMES)
#: Also claims that the scale does not admit.
mixed = st.builds(
    Claim,
    st.sampled_from(
        (Source("a"), Source("b", reliability=0.3, bias=1.0), Source("c", overconfidence=2.0))
    ),
    st.one_of([own.statements(scale=name) for name in NAMES]),
)
quantities = st.lists(st.lists(mixed, max_size=5), min_size=1, max_size=6)


def together(groups: list[list[Claim]]) -> Rows:
    starts = np.concatenate([[0], np.cumsum([len(group) for group in groups])])
    return rows_from_claims([claim for group in groups for claim in group], starts.tolist())


def record(columns: Columns, row: int) -> dict[str, Any]:
    """All that is known of one row."""
    values = {name: getattr(columns, name)[row].tolist() for name in FIELDS if name != "knot_row"}
    knot_row = columns.knot_row[row]
    if knot_row >= 0:
        pieces = np.isfinite(columns.knots.left[knot_row])
        pieces[0] = True
        values |= {name: getattr(columns.knots, name)[knot_row][pieces].tolist() for name in KNOTS}
    return values


def said(problems: list[Problem]) -> dict[int, tuple[type, str]]:
    return {p.row: (type(p.exception), str(p.exception)) for p in problems}


# ------------------------------------------------------------------ statements


@given(st.lists(own.statements(), max_size=8))
def test_a_row_says_what_its_object_says(statements: list[Any]) -> None:
    rows = statements_from_objects(statements)
    again = statements_from_objects([statement_at(rows, i) for i in range(len(statements))])
    for field in attrs.fields(Statements):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(rows, field.name))


def test_every_kind_has_its_numbers() -> None:
    rows = statements_from_objects(
        [
            Estimate(2500, sd=300),
            Estimate(2500, low=2000, high=3200, level=0.9),
            Estimate(2500),
            Range(25_000, 30_000),
            AtLeast(12_000),
            AtMost(12_000, excess=math.inf),
            Quantiles({0.1: 1, 0.5: 2}),
            Absent(),
            Present(),
            About(2500),
            Quantiles({0.1: 1, 0.5: 2, 0.9: 5}),
        ]
    )
    assert rows.stated.tolist() == [*Stated, Stated.ROUNDED, Stated.QUANTILES]
    np.testing.assert_array_equal(rows.sd[:2], [300, NAN])
    np.testing.assert_array_equal(rows.level[:3], [NAN, 0.9, NAN])
    np.testing.assert_array_equal(rows.unit, [NAN, NAN, 500, 5000, *[NAN] * 5, 1000, NAN])
    np.testing.assert_array_equal(rows.excess[4:6], [NAN, math.inf])
    assert rows.quantile_row.tolist() == [-1] * 6 + [0, -1, -1, -1, 1]
    np.testing.assert_array_equal(rows.quantiles, [[1, 2, NAN], [1, 2, 5]])
    np.testing.assert_array_equal(rows.probabilities, [[0.1, 0.5, NAN], [0.1, 0.5, 0.9]])


def test_sources_are_numbered_by_name_and_origins_by_appearance() -> None:
    rows = rows_from_claims(
        [
            Claim("b", 5, origin="o"),
            Claim(Source("a", reliability=0.3), 6, credibility=0.4),
            Claim("o", 7),
        ]
    )
    assert rows.source.tolist() == [1, 0, 2]
    assert rows.origin.tolist() == [0, 1, 0]
    np.testing.assert_array_equal(rows.reliability, [NAN, 0.3, NAN])
    np.testing.assert_array_equal(rows.credibility, [NAN, 0.4, NAN])
    assert rows.starts.tolist() == [0, 3]


# ------------------------------------------------------------------ columns


@given(quantities, scales)
def test_many_quantities_are_converted_like_each_alone(
    groups: list[list[Claim]], name: str
) -> None:
    scale = SCALES[name]
    columns, problems = columns_from_rows(together(groups), scale, 0.1)
    assert columns.quantities == len(groups)
    found = said(problems)
    for start, group in zip(columns.starts.tolist(), groups, strict=False):
        alone, own_problems = columns_from_rows(rows_from_claims(group), scale, 0.1)
        assert said(own_problems) == {
            row - start: text for row, text in found.items() if start <= row < start + len(group)
        }
        for row in range(len(group)):
            np.testing.assert_equal(record(columns, start + row), record(alone, row))


@given(st.lists(mixed, min_size=1, max_size=6), scales)
def test_a_claim_is_converted_like_it_is_alone(claims: list[Claim], name: str) -> None:
    scale = SCALES[name]
    columns, problems = columns_from_rows(rows_from_claims(claims), scale, 0.1)
    bad = {problem.row for problem in problems}
    for row, claim in enumerate(claims):
        if row not in bad:
            alone, none = columns_from_rows(rows_from_claims([claim]), scale, 0.1)
            assert not none
            np.testing.assert_equal(record(columns, row), record(alone, 0))
        else:
            assert math.isnan(columns.location[row])


def test_nothing_at_all() -> None:
    columns, problems = columns_from_rows(rows_from_claims([], [0, 0, 0]), LOG, 0.1)
    assert (columns.count, columns.quantities, problems) == (0, 2, [])


def test_some_quantities_and_some_rows() -> None:
    groups = [
        [Claim("a", 5), Claim("b", "1 to 9")],
        [],
        [Claim("c", Quantiles({0.1: 1, 0.9: 2}))],
        [Claim("d", 7), Claim("e", AtLeast(3)), Claim("f", 2)],
    ]
    columns, _ = columns_from_rows(together(groups), LINEAR, 0.1)
    some = columns.take_quantities(np.array([3, 1, 2]))
    assert some.starts.tolist() == [0, 3, 3, 4]
    for row, origin in enumerate([3, 4, 5, 2]):
        np.testing.assert_equal(record(some, row), record(columns, origin))
    assert columns.take_quantities(np.array([False, True, True, False])).starts.tolist() == [
        0,
        0,
        1,
    ]
    kept = np.array([True, False, False, False, True, True])
    some = columns.take_rows(kept)
    assert some.starts.tolist() == [0, 1, 1, 1, 3]
    assert some.quantity.tolist() == [0, 3, 3]
    for row, origin in enumerate(np.flatnonzero(kept).tolist()):
        np.testing.assert_equal(record(some, row), record(columns, origin))


# ------------------------------------------------------------------ problems


def test_every_impossible_row_is_reported_and_the_others_are_unharmed() -> None:
    groups = [
        [Claim("a", Estimate(5, sd=1)), Claim("b", Estimate(-5, sd=1)), Claim("c", Range(-1, 3))],
        [Claim("d", Estimate(5, sd=1e-250)), Claim("e", Estimate(6, sd=1))],
        [Claim("f", Quantiles({0.1: -1, 0.9: 1})), Claim("g", Quantiles({0.1: 1, 0.9: 2}))],
    ]
    columns, problems = columns_from_rows(together(groups), LOG, 0.1)
    assert [problem.row for problem in problems] == [1, 2, 3, 5]
    kinds = [type(problem.exception) for problem in problems]
    assert kinds == [InvalidValueError, InvalidValueError, NumericalError, InvalidValueError]
    assert "value=-5 is impossible on the log scale" in str(problems[0].exception)
    assert "low=-1 is impossible" in str(problems[1].exception)
    assert "quantile=-1 is impossible" in str(problems[3].exception)
    bad = np.array([1, 2, 3, 5])
    for name in ("location", "sd_low", "sd_high", "stated_sd", "hull_low", "hull_high"):
        np.testing.assert_array_equal(np.flatnonzero(np.isnan(getattr(columns, name))), bad)
    for row, claim in [(0, groups[0][0]), (4, groups[1][1]), (6, groups[2][1])]:
        alone, _ = columns_from_rows(rows_from_claims([claim]), LOG, 0.1)
        np.testing.assert_equal(record(columns, row), record(alone, 0))


def test_the_narrowest_is_refused_until_the_rest_can_be_computed() -> None:
    groups = [
        [Claim("wide", Estimate(0, sd=1e15))],
        [
            Claim("a", Estimate(0, sd=1e12)),
            Claim("b", Estimate(0, sd=1e-11)),
            Claim("c", Estimate(0, sd=1e-13)),
            Claim("d", Estimate(0, sd=1)),
        ],
        [Claim("narrow", Estimate(0, sd=1e-12))],
    ]
    columns, problems = columns_from_rows(together(groups), LINEAR, 0.1)
    assert [problem.row for problem in problems] == [3, 2]
    assert "its sd on the scale is 1e-13" in str(problems[0].exception)
    assert "its sd on the scale is 1e-11" in str(problems[1].exception)
    assert np.flatnonzero(np.isnan(columns.location)).tolist() == [2, 3]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"sd": -1.0}, "Estimate: sd must be above 0, got -1"),
        ({"sd": NAN}, "Estimate: sd must be a finite number, got nan"),
        ({"value": NAN}, "Estimate: value must be a finite number, got nan"),
        ({"value": math.inf}, "Estimate: value must be a finite number, got inf"),
    ],
)
def test_numbers_that_no_object_has_are_refused_in_its_words(
    changes: dict[str, float], text: str
) -> None:
    rows = rows_from_claims([Claim("a", Estimate(5, sd=1)), Claim("b", Estimate(6, sd=1))])
    fields = {
        name: np.array([getattr(rows.statements, name)[0], value])
        for name, value in changes.items()
    }
    statements = attrs.evolve(rows.statements, **fields)
    _, problems = columns_from_rows(attrs.evolve(rows, statements=statements), LINEAR, 0.1)
    assert [problem.row for problem in problems] == [1]
    assert text in str(problems[0].exception)


def test_intervals_and_quantiles_that_no_object_has() -> None:
    rows = rows_from_claims(
        [
            Claim("a", Estimate(5, low=4, high=6, level=0.9)),
            Claim("b", Quantiles({0.1: 1, 0.9: 2})),
        ]
    )
    statements = attrs.evolve(
        rows.statements,
        level=np.array([95.0, NAN]),
        quantiles=np.array([[2.0, 1.0]]),
    )
    _, problems = columns_from_rows(attrs.evolve(rows, statements=statements), LINEAR, 0.1)
    assert "did you mean 0.95?" in str(problems[0].exception)
    assert "quantiles must increase" in str(problems[1].exception)


def test_digits_are_read_once_for_each_number() -> None:
    """Bounds far from any float's neighbours are problems of their own rows only."""
    claims = [
        Claim(name, AtLeast(value)) for name, value in [("a", 12.0), ("b", 1.7e308), ("c", 12.0)]
    ]
    columns, problems = columns_from_rows(rows_from_claims(claims), LOG, 0.1)
    assert [problem.row for problem in problems] == [1]
    assert "no salient number" in str(problems[0].exception)
    assert columns.excess[0] == columns.excess[2] == pytest.approx(math.log(15 / 12))
