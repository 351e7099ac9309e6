"""Rounding units and salient numbers: exact, over the whole float range."""

from __future__ import annotations

import math
import sys
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reliability.claims.digits import (
    coarser_unit,
    finer_unit,
    next_salient,
    plain,
    previous_salient,
    rounding_unit,
    rounding_units,
)
from reliability.errors import InvalidValueError, WrongTypeError

finite = st.floats(allow_nan=False, allow_infinity=False).filter(bool)
# Below the normal range decimal steps and floats no longer separate.
normal = finite.filter(lambda v: sys.float_info.min <= abs(v))
middle = normal.filter(lambda v: 1e-290 < abs(v) < 1e290)

SALIENT = {Fraction(10), Fraction(15), Fraction(20), Fraction(30), Fraction(50), Fraction(75)}


def scaled(value: float) -> Fraction:
    """Decimal text of a float, scaled by a power of ten into [10, 100)."""
    digits = Decimal(repr(abs(value)))
    return Fraction(digits.scaleb(1 - digits.adjusted()))


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (2500, 500.0),
        (12_000, 2000.0),
        (25_000, 5000.0),
        (12.5, 0.5),
        (30_000, 10_000.0),
        (1, 1.0),
        (7, 1.0),
        (10, 10.0),
        (0.3, 0.1),
        (0.25, 0.05),
        (-2500, 500.0),
        (1e300, 1e300),
        (1.7976931348623157e308, 1e292),
        (5e-324, 5e-324),
        ("2,500.0", 500.0),
        ("12,000", 2000.0),
        (" 0.050 ", 0.05),
        ("1.5e6", 500_000.0),
        (Decimal("1.20"), 0.2),
        (Fraction(1, 4), 0.05),
        (np.float64(2500), 500.0),
        (np.int64(2500), 500.0),
        (10**40, 1e40),
        (0, 0.0),
        (0.0, 0.0),
        (-0.0, 0.0),
        ("0.00", 0.0),
    ],
)
def test_rounding_unit(value: float, unit: float) -> None:
    assert rounding_unit(value) == unit


def test_a_unit_below_the_smallest_float_becomes_it() -> None:
    assert rounding_unit(4.94e-322) == math.ulp(0.0)


@given(middle)
def test_the_unit_divides_the_digits_and_no_coarser_one_does(value: float) -> None:
    digits = Fraction(Decimal(repr(value)))
    unit = Fraction(Decimal(repr(rounding_unit(value))))
    assert digits % unit == 0
    coarser = float(unit)
    for _ in range(60):
        coarser = coarser_unit(coarser)
        assert digits % Fraction(Decimal(repr(coarser))) != 0


@given(middle)
def test_the_unit_of_a_unit_is_itself(value: float) -> None:
    unit = rounding_unit(value)
    assert rounding_unit(unit) == unit


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=1))
def test_text_and_number_agree(value: Decimal) -> None:
    assume(float(value) == value or Decimal(repr(float(value))) == value)
    assume(Decimal(repr(float(value))) == value)  # a float that still holds all digits
    assert rounding_unit(value) == rounding_unit(str(value)) == rounding_unit(float(value))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "value must be a finite number, got NaN"),
        (math.inf, "value must be a finite number, got Infinity"),
        ("Infinity", "value must be a finite number"),
        ("twelve", "value must be the text of one number such as '12,000' or '0.05', got 'twelve'"),
        ("12,00", "must be the text of one number"),
        ("", "must be the text of one number"),
        ("9" * 2000, "must be the text of one number"),
        (Decimal("5e400"), "value must fit the range of a float"),
    ],
)
def test_impossible_values(value: float, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        rounding_unit(value)


@pytest.mark.parametrize("value", [None, True, 1j, [1], b"1"])
def test_not_numbers(value: float) -> None:
    with pytest.raises(WrongTypeError, match="value must be a number or its text, got"):
        rounding_unit(value)


short_decimals = st.builds(
    lambda whole, power: float(f"{whole}e{power}"),
    st.integers(-(10**17), 10**17),
    st.integers(-30, 20),
)


@given(st.lists(finite | short_decimals | st.just(0.0) | st.integers(-(2**60), 2**60).map(float)))
def test_units_of_many_are_the_units_of_each(values: list[float]) -> None:
    found = rounding_units(np.array(values, dtype=np.float64))
    assert found.tolist() == [rounding_unit(value) for value in values]


def test_steps_of_the_sequence() -> None:
    assert [coarser_unit(u) for u in (1, 2, 5, 0.5, 2000)] == [2, 5, 10, 1, 5000]
    assert [finer_unit(u) for u in (1, 2, 5, 10, 0.1)] == [0.5, 1, 2, 5, 0.05]
    assert coarser_unit(3) == 5
    assert finer_unit(3) == 2


@given(middle)
def test_finer_undoes_coarser(value: float) -> None:
    unit = rounding_unit(value)
    assert finer_unit(coarser_unit(unit)) == unit
    assert coarser_unit(finer_unit(unit)) == unit


def test_the_ends_of_the_sequence() -> None:
    with pytest.raises(InvalidValueError, match=r"no rounding unit .* is above 1e\+308"):
        coarser_unit(1e308)
    with pytest.raises(InvalidValueError, match=r"no rounding unit .* is below 5e-324"):
        finer_unit(5e-324)
    with pytest.raises(InvalidValueError, match="unit must be above 0, got 0"):
        coarser_unit(0)
    with pytest.raises(InvalidValueError, match="unit must be above 0, got -1"):
        finer_unit(-1)


@pytest.mark.parametrize(
    ("value", "below", "above"),
    [
        (12_000, 10_000, 15_000),
        (15_000, 10_000, 20_000),
        (10_000, 7500, 15_000),
        (75, 50, 100),
        (80, 75, 100),
        (1, 0.75, 1.5),
        (-2, -3, -1.5),
        (-12_000, -15_000, -10_000),
        (0.3, 0.2, 0.5),
        (0.29999999999999993, 0.2, 0.3),
        (0.30000000000000004, 0.3, 0.5),
    ],
)
def test_salient_numbers(value: float, below: float, above: float) -> None:
    assert previous_salient(value) == below
    assert next_salient(value) == above


@given(normal)
def test_salient_numbers_are_salient_and_strictly_beside(value: float) -> None:
    for step in (next_salient, previous_salient):
        try:
            beside = step(value)
        except InvalidValueError:
            assert not 1e-300 < abs(value) < 1.5e308
            continue
        assert scaled(beside) in SALIENT
        assert (beside > value) is (step is next_salient)


@given(middle)
def test_no_salient_number_is_skipped(value: float) -> None:
    assert previous_salient(next_salient(value)) <= value
    assert next_salient(previous_salient(value)) >= value
    assert next_salient(-value) == -previous_salient(value)


@given(finite)
def test_even_at_the_ends_there_is_a_number_or_an_error(value: float) -> None:
    for step, sign in ((next_salient, 1), (previous_salient, -1)):
        try:
            assert sign * (step(value) - value) > 0
        except InvalidValueError as error:
            assert "no salient number within the float range" in str(error)


def test_zero_has_no_salient_neighbours() -> None:
    for step in (next_salient, previous_salient):
        with pytest.raises(InvalidValueError, match="no salient number is next to 0"):
            step(0)


def test_salient_numbers_end_with_the_float_range() -> None:
    with pytest.raises(InvalidValueError, match="no salient number within the float range is abov"):
        next_salient(1.7e308)
    with pytest.raises(InvalidValueError, match="no salient number within the float range is belo"):
        previous_salient(5e-324)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (12_000.0, "12,000"),
        (2_500_000.0, "2,500,000"),
        (0.05, "0.05"),
        (0.00001, "0.00001"),
        (1e-7, "1e-07"),
        (1e16, "1e+16"),
        (1e15, "1,000,000,000,000,000"),
        (-1234.5, "-1,234.5"),
        (100.0, "100"),
    ],
)
def test_plain(value: float, text: str) -> None:
    assert plain(value) == text


@given(finite)
def test_plain_loses_nothing(value: float) -> None:
    assert float(plain(value).replace(",", "")) == value
