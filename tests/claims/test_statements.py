"""The forms of statement: what is accepted, what is refused and with which words."""

from __future__ import annotations

import copy
import json
import math
import pickle
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given

from reliability.claims.statements import (
    STATEMENTS,
    About,
    AtLeast,
    AtMost,
    Estimate,
    Quantiles,
    Range,
    Statement,
    statement_from_dict,
)
from reliability.errors import InvalidValueError, WrongTypeError
from reliability.strategies import statements

INF = math.inf

EXAMPLES: list[tuple[Statement, str, str]] = [
    (Estimate(2500, sd=300), "Estimate(2500, sd=300)", "2,500 ± 300"),
    (
        Estimate(2500, low=2000, high=3000, level=0.9),
        "Estimate(2500, low=2000, high=3000, level=0.9)",
        "2,500 (2,000 to 3,000, 90%)",
    ),
    (
        Estimate(0.05, low=0.01, high=0.07, level=0.999),
        "Estimate(0.05, low=0.01, high=0.07, level=0.999)",
        "0.05 (0.01 to 0.07, 99.9%)",
    ),
    (Estimate(2500), "Estimate(2500)", "2,500"),
    (Estimate(2500, unit=100), "Estimate(2500, unit=100)", "2,500"),
    (Estimate(0, sd=1.5), "Estimate(0, sd=1.5)", "0 ± 1.5"),
    (Range(25_000, 30_000), "Range(25000, 30000)", "25,000 to 30,000"),
    (Range(25, 30, units=1), "Range(25, 30, units=(1, 1))", "25 to 30"),
    (
        Quantiles({0.05: 100, 0.5: 200, 0.95: 400}),
        "Quantiles({0.05: 100, 0.5: 200, 0.95: 400})",
        "quantiles 5%: 100, 50%: 200, 95%: 400",
    ),
    (AtLeast(12_000), "AtLeast(12000)", "at least 12,000"),
    (
        AtLeast(12_000, excess=INF),
        "AtLeast(12000, excess=float('inf'))",
        "at least 12,000 (verified)",
    ),
    (AtMost(3e20, excess=0.5), "AtMost(3e+20, excess=0.5)", "at most 3e+20 (excess 0.5)"),
    (About(12_000), "About(12000)", "about 12,000"),
    (About(12_000, unit=500), "About(12000, unit=500)", "about 12,000"),
]


@pytest.mark.parametrize(("statement", "expected", "text"), EXAMPLES)
def test_wording(statement: Statement, expected: str, text: str) -> None:
    assert repr(statement) == expected
    assert str(statement) == text
    assert eval(expected) == statement  # noqa: S307


@given(statements())
def test_repr_is_one_line_that_evaluates_to_an_equal_object(statement: Statement) -> None:
    assert "\n" not in repr(statement)
    again = eval(repr(statement))  # noqa: S307
    assert again == statement
    assert hash(again) == hash(statement)


@given(statements())
def test_copies_are_equal(statement: Statement) -> None:
    assert pickle.loads(pickle.dumps(statement)) == statement  # noqa: S301
    assert copy.copy(statement) == statement
    assert copy.deepcopy(statement) == statement
    assert attrs.evolve(statement) == statement


@given(statements())
def test_json_round_trip_is_exact(statement: Statement) -> None:
    fields = statement.to_dict()
    assert STATEMENTS[fields["form"]] is type(statement)
    again = statement_from_dict(json.loads(json.dumps(fields, allow_nan=False)))
    assert again == statement
    assert repr(again) == repr(statement)


def test_only_given_fields_are_written() -> None:
    assert Estimate(2500).to_dict() == {"form": "estimate", "value": 2500.0}
    assert AtLeast(5, excess=INF).to_dict() == {"form": "at_least", "value": 5.0, "excess": "inf"}
    assert Range(1, 2, units=(1, 0.5)).to_dict()["units"] == [1.0, 0.5]


def test_statements_are_frozen() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Estimate(3).value = 4.0  # type: ignore[misc]


@pytest.mark.parametrize(
    "value",
    [12, 12.0, np.float64(12), np.int32(12), np.float32(12), Decimal(12), Fraction(12), "np0d"],
)
def test_every_kind_of_real_number_becomes_a_float(value: Any) -> None:
    value = np.float64(12) if value == "np0d" else value
    statement = Estimate(value, sd=value)
    assert type(statement.value) is type(statement.sd) is float
    assert statement == Estimate(12, sd=12)


def test_zero_has_no_sign() -> None:
    assert repr(Estimate(-0.0, sd=1)) == "Estimate(0, sd=1)"


FIELDS = [
    ("Estimate: value", Estimate),
    ("Estimate: sd", lambda v: Estimate(3, sd=v)),
    ("Estimate: low", lambda v: Estimate(3, low=v, high=5, level=0.9)),
    ("Estimate: high", lambda v: Estimate(3, low=1, high=v, level=0.9)),
    ("Estimate: level", lambda v: Estimate(3, low=1, high=5, level=v)),
    ("Estimate: unit", lambda v: Estimate(3, unit=v)),
    ("Range: low", lambda v: Range(v, 5)),
    ("Range: high", lambda v: Range(3, v)),
    ("Range: units", lambda v: Range(3, 5, units=v)),
    ("Range: units", lambda v: Range(3, 5, units=(1, v))),
    ("Quantiles: probability", lambda v: Quantiles([(0.1, 1), (v, 2)])),
    ("Quantiles: quantile", lambda v: Quantiles({0.1: 1, 0.9: v})),
    ("AtLeast: value", AtLeast),
    ("AtLeast: excess", lambda v: AtLeast(3, excess=v)),
    ("AtMost: value", AtMost),
    ("AtMost: excess", lambda v: AtMost(3, excess=v)),
    ("About: value", About),
    ("About: unit", lambda v: About(3, unit=v)),
]


@pytest.mark.parametrize(("field", "make"), FIELDS)
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (True, "must be a number, got True; give a number, not a truth value"),
        ("12,000", "must be a number, got '12,000'; give a number"),
        (1j, "must be a number, got 1j; give a real number"),
        (object, "must be a number, got <class 'object'>; give one number"),
    ],
)
def test_fields_that_are_not_numbers(field: str, make: Any, value: object, message: str) -> None:
    with pytest.raises(WrongTypeError, match=re.escape(f"{field} {message}")):
        make(value)


def test_only_a_value_can_be_read_from_text() -> None:
    with pytest.raises(WrongTypeError, match=r"give a number, or read the text with read\(\)$"):
        Estimate("12,000")  # type: ignore[arg-type]
    with pytest.raises(WrongTypeError, match=r"sd must be a number, got '300'; give a number$"):
        Estimate(12_000, sd="300")  # type: ignore[arg-type]


def test_what_is_not_finite_is_left_out_by_itself_or_with_the_claim() -> None:
    with pytest.raises(InvalidValueError, match=r"got nan; leave the claim out$"):
        Estimate(math.nan)
    with pytest.raises(
        InvalidValueError, match=r"sd must be a finite number, got inf; leave it out$"
    ):
        Estimate(5, sd=math.inf)


@pytest.mark.parametrize(("field", "make"), FIELDS)
def test_numbers_that_are_not_finite(field: str, make: Any) -> None:
    with pytest.raises(InvalidValueError, match=f"{field} must be a finite number, got nan"):
        make(math.nan)
    with pytest.raises(InvalidValueError, match=f"{field} must fit the range of a float"):
        make(10**400)
    if "excess" not in field:
        with pytest.raises(InvalidValueError, match=f"{field} must be a finite number, got inf"):
            make(INF)


def test_a_representation_that_fails_does_not_hide_the_error() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(WrongTypeError, match="got an object of type Odd; give one number"):
        Estimate(Odd())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Estimate(0),
            "Estimate: value=0 has no digits to read an uncertainty from; state sd=",
        ),
        (
            lambda: Estimate(3, sd=0),
            "Estimate: sd must be above 0, got 0; leave it out if it is not stated",
        ),
        (lambda: Estimate(3, sd=-1), "Estimate: sd must be above 0, got -1"),
        (
            lambda: Estimate(3, sd=1, low=2, high=4, level=0.9),
            "Estimate: sd and low, high are two ways to say the same; give one of them",
        ),
        (
            lambda: Estimate(3, sd=1, level=0.9),
            "Estimate: level belongs to low and high; leave it out beside sd",
        ),
        (
            lambda: Estimate(3, low=1, high=5),
            "Estimate: low, high and level go together; level is missing",
        ),
        (lambda: Estimate(3, level=0.9), "go together; low and high are missing"),
        (
            lambda: Estimate(3, low=1, high=5, level=95),
            "Estimate: level must lie in (0, 1), got 95; did you mean 0.95?",
        ),
        (lambda: Estimate(3, low=1, high=5, level=99.9), "got 99.9; did you mean 0.999?"),
        (lambda: Estimate(3, low=1, high=5, level=1), "level must lie in (0, 1), got 1"),
        (lambda: Estimate(3, low=1, high=5, level=100), "level must lie in (0, 1), got 100"),
        (lambda: Estimate(3, low=1, high=5, level=0), "level must lie in (0, 1), got 0"),
        (
            lambda: Estimate(13_000, low=14_000, high=12_000, level=0.9),
            "Estimate: low=14000 is not below high=12000; give low < value < high",
        ),
        (
            lambda: Estimate(3, low=3, high=5, level=0.9),
            "Estimate: low=3 is not below value=3; give low < value < high, or Range(low, high)",
        ),
        (
            lambda: Estimate(6, low=3, high=5, level=0.9),
            "Estimate: high=5 is not above value=6; give low < value < high, or Range(low, high)",
        ),
        (
            lambda: Estimate(3, sd=1, unit=1),
            "Estimate: unit is for a bare value; leave it out beside sd or low, high, level",
        ),
        (
            lambda: Estimate(3, unit=0),
            "Estimate: unit must be above 0, got 0; give the step of rounding",
        ),
        (
            lambda: About(3, unit=7),
            "About: unit=7 is more than twice value=3, which would have been rounded to 0",
        ),
        (lambda: About(0), "About: value=0 has no digits to read an uncertainty from; use Estimat"),
        (lambda: Range(3, 3), "Range: low=3 equals high; for a single value use Estimate(3)"),
        (lambda: Range(5, 3), "Range: low=5 exceeds high=3; give low < high"),
        (lambda: Range(3, 5, units=(1, 2, 3)), "Range: units must be one number or two, got (1.0,"),
        (lambda: Range(3, 5, units=-1), "Range: units must not be negative, got -1"),
        (lambda: Range(3, 5, units=0), "Range: units must not both be 0; leave them out"),
        (
            lambda: AtLeast(0),
            "AtLeast: value=0 has no digits to read an error from; say Range(low, high)",
        ),
        (lambda: AtMost(0), "AtMost: value=0 has no digits to read an error from"),
        (
            lambda: AtLeast(3, excess=0),
            "AtLeast: excess must be above 0 (or inf for a verified bound), got 0",
        ),
        (lambda: AtMost(3, excess=-INF), "AtMost: excess must be above 0"),
        (
            lambda: Quantiles({0.5: 1}),
            "Quantiles: mapping must have at least two quantiles, got 1; for a single value use Es",
        ),
        (lambda: Quantiles({}), "must have at least two quantiles, got 0"),
        (
            lambda: Quantiles({5: 1, 50: 2}),
            "Quantiles: probability must lie in (0, 1), got 5; did you mean 0.05?",
        ),
        (lambda: Quantiles({0.5: 1, 1: 2}), "Quantiles: probability must lie in (0, 1), got 1"),
        (
            lambda: Quantiles([(0.5, 1), (0.5, 2)]),
            "Quantiles: probability 0.5 is given twice; give it once",
        ),
        (
            lambda: Quantiles({0.1: 3, 0.9: 3}),
            "quantiles must increase with their probabilities, got 3 at 0.1 and 3 at 0.9",
        ),
    ],
)
def test_impossible_statements(make: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=re.escape(message)):
        make()


@pytest.mark.parametrize("value", [3, None, "abc", b"ab", [1, 2], [(0.1, 1, 2)], ["ab", 3]])
def test_quantiles_that_are_no_pairs(value: Any) -> None:
    with pytest.raises(WrongTypeError, match="Quantiles: mapping must map probabilities to quanti"):
        Quantiles(value)


def test_quantiles_are_sorted_and_come_in_many_shapes() -> None:
    expected = Quantiles({0.05: 1, 0.95: 2})
    assert Quantiles({0.95: 2, 0.05: 1}) == expected
    assert Quantiles([(0.05, 1), (0.95, 2)]) == expected
    assert Quantiles(iter([[0.95, 2], [0.05, 1]])) == expected  # type: ignore[arg-type]
    assert Quantiles(zip(np.array([0.05, 0.95]), np.array([1, 2]), strict=True)) == expected
    assert expected.probabilities == (0.05, 0.95)
    assert expected.values == (1.0, 2.0)


def test_units_come_from_the_digits_unless_given() -> None:
    assert Estimate(2500).unit == 500
    assert Estimate(2500, unit=100).unit == 100
    assert Estimate(2500, sd=1).unit is None
    assert Estimate(2500).bare
    assert not Estimate(2500, low=1, high=3000, level=0.5).bare
    assert Range(0, 30_000).units == (0, 10_000)
    assert Range(0, 30_000).unit == 10_000
    assert Range(25_000, 30_000).unit == 5000
    assert Range(25_000, 30_000, units=(0, 7)).unit == 7


@pytest.mark.parametrize(
    ("value", "unit"),
    [(2500, 1000), (12_000, 5000), (1000, 500), (3, 1.5), (-3, 1.5), (12, 5), (1e308, 5e307)],
)
def test_about_is_one_step_coarser_but_at_most_half(value: float, unit: float) -> None:
    assert About(value).unit == unit


def test_saying_the_default_is_saying_nothing() -> None:
    assert Estimate(2500, unit=500) == Estimate(2500)
    assert About(2500, unit=1000) == About(2500)
    assert Range(25, 30, units=(5, 10)) == Range(25, 30)
    assert repr(Estimate(2500, unit=500)) == "Estimate(2500)"


def test_a_changed_copy_reads_its_own_digits() -> None:
    assert attrs.evolve(Estimate(2500), value=12_000).unit == 2000
    assert attrs.evolve(Estimate(2500), sd=300) == Estimate(2500, sd=300)
    assert attrs.evolve(Range(25, 30), high=31).units == (5, 1)


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        (3, WrongTypeError, "statement: must be a mapping of fields, got 3"),
        ({1: 2}, WrongTypeError, "statement: field names must be text, got 1"),
        ({}, InvalidValueError, "statement: form is missing; give one of estimate, range"),
        ({"form": 3}, WrongTypeError, "statement: form must be text, got 3"),
        (
            {"form": "estimat"},
            InvalidValueError,
            "statement: form 'estimat' is unknown; did you mean 'estimate'?",
        ),
        ({"form": "xyz"}, InvalidValueError, "form 'xyz' is unknown; known: estimate, range"),
        (
            {"form": "estimate", "valeu": 3},
            InvalidValueError,
            "Estimate: there is no field 'valeu'; did you mean 'value'?",
        ),
        ({"form": "range", "low": 3}, InvalidValueError, "Range: high is missing"),
        ({"form": "about", "value": "3"}, WrongTypeError, "About: value must be a number, got '3'"),
    ],
)
def test_dictionaries_that_are_no_statements(
    fields: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=re.escape(message)):
        statement_from_dict(fields)
