"""Numbers for people: PDG rounding, grouping, percent, what is not finite."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reliability.numbers import (
    Digits,
    percent,
    plus_minus,
    rounding_exponent,
    said,
    to_exponent,
)
from reliability.scales import get_scale


@pytest.mark.parametrize(
    ("value", "sd", "text"),
    [
        # The examples of the Review of Particle Physics, introduction, section 5.3.
        (0.827, 0.119, "0.83 ± 0.12"),
        (0.827, 0.367, "0.8 ± 0.4"),
        (0.827, 0.962, "0.8 ± 1.0"),
        (12_437.3, 300.0, "12,440 ± 300"),
        (12_437.3, 420.0, "12,400 ± 400"),
        (-12_437.3, 354.0, "-12,440 ± 350"),
        (12_437.3, 356.0, "12,400 ± 400"),
        (0.0, 1.0, "0 ± 1.0"),
        (1.2345e20, 3e18, "1.234e+20 ± 3.0e+18"),
        (1.5e-9, 3e-10, "1.50e-9 ± 3.0e-10"),
        (math.nan, 1.0, "not defined"),
        (math.inf, math.inf, "infinite"),
        (3.0, math.nan, "3 (standard deviation not defined)"),
        (3.0, 0.0, "3"),
    ],
)
def test_plus_minus(value: float, sd: float, text: str) -> None:
    assert plus_minus(value, sd) == text


@given(st.floats(1e-300, 1e300))
def test_rounding_keeps_one_or_two_digits(uncertainty: float) -> None:
    digits = round(uncertainty / 10.0 ** rounding_exponent(uncertainty), 6)
    assert 0.9 < digits < 36.0


@given(st.floats(-1e15, 1e15), st.integers(-12, 12))
def test_rounded_text_is_within_half_a_unit(value: float, exponent: int) -> None:
    back = float(to_exponent(value, exponent).replace(",", ""))
    assert abs(back - value) <= 0.5 * 10.0**exponent + abs(value) * 1e-15


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (1e-12, "<0.1%"),
        (1.0 - 1e-12, ">99.9%"),
        (0.0123, "1.2%"),
        (0.0996, "10%"),
        (0.5, "50%"),
        (0.9941, "99%"),
        (0.9961, "99.6%"),
        (math.nan, "-"),
    ],
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


@given(st.floats(0.0, 1.0, exclude_min=True, exclude_max=True))
def test_percent_never_claims_certainty(share: float) -> None:
    assert percent(share) not in {"0%", "100%", "0.0%", "100.0%"}


def test_said() -> None:
    assert said(1_234.5) == "1,234.5"
    assert said(0.0) == "0"
    assert said(-math.inf) == "minus infinite"
    assert said(1e20) == "1e+20"


def test_digits_on_a_linear_scale_share_one_unit() -> None:
    digits = Digits(get_scale("linear"), 10.2)
    assert [digits.text(value) for value in (-4.53, 103.77, 0.2)] == ["-5", "104", "0"]


def test_digits_on_a_log_scale_are_relative() -> None:
    digits = Digits(get_scale("log"), 5.0)
    assert [digits.text(value) for value in (0.00321, 5713.0, 1.6e6)] == [
        "0.0032",
        "5,700",
        "1,600,000",
    ]
    assert digits.text(1_000_000.0) == "1,000,000"
    assert digits.text(math.inf) == "infinite"
    narrow = Digits(get_scale("log"), 1e-5)
    assert narrow.text(12_345.678) == "12,345.68"


def test_digits_on_a_logit_scale_are_percent() -> None:
    digits = Digits(get_scale("logit"), 0.3)
    assert digits.text(0.123) == "12.3%"
    assert digits.text(0.99987) == "99.987%"
    assert digits.shift(0.021, at=0.123) == "+2.1 pts"


@pytest.mark.parametrize("spread", [0.0, math.nan, math.inf])
def test_digits_without_a_usable_uncertainty(spread: float) -> None:
    assert Digits(get_scale("linear"), spread).text(1234.567) == "1.23e+03"


def test_shifts_have_signs() -> None:
    digits = Digits(get_scale("linear"), 3.0)
    assert digits.shift(12.34, at=0.0) == "+12.3"
    assert digits.shift(-0.001, at=0.0) == "0"
    assert digits.shift(math.nan, at=0.0) == "-"


@given(st.sampled_from(["linear", "log", "logit"]), st.floats(1e-12, 1e3), st.floats(1e-9, 0.999))
def test_digits_never_fail(name: str, spread: float, value: float) -> None:
    digits = Digits(get_scale(name), spread)
    assert digits.text(value)
    assert digits.shift(-value, at=value)
