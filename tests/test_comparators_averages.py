"""Averages of values with stated sds: trusted tools' numbers, invariances, wrong input."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reliability import Model, ReliabilityError, combine
from reliability.comparators import (
    Average,
    arithmetic_mean,
    birge_mean,
    dersimonian_laird,
    median,
    pdg_average,
    weighted_mean,
)

REFERENCES: dict[str, Any] = json.loads(
    (Path(__file__).parent / "references" / "comparators.json").read_text(encoding="utf-8")
)
METAFOR, PHYSICS = REFERENCES["metafor"], REFERENCES["physics"]

WITH_SDS: dict[str, Callable[..., Average]] = {
    "weighted": weighted_mean,
    "birge": birge_mean,
    "pdg": pdg_average,
    "dersimonian_laird": dersimonian_laird,
    "hksj": lambda x, s, **more: dersimonian_laird(x, s, adjustment="hksj", **more),
}


def close(value: float, expected: float, unit: float) -> bool:
    """To 1e-9 of the unit, and to the digits that the reference was written with."""
    return abs(value - expected) <= 1e-9 * unit + 4e-16 * abs(expected)


@pytest.mark.parametrize("name", sorted(METAFOR))
def test_metafor(name: str) -> None:
    data = METAFOR[name]
    y, s = np.array(data["y"]), np.sqrt(data["v"])
    for average, fit in (
        (weighted_mean(y, s), "FE"),
        (dersimonian_laird(y, s), "DL"),
        (dersimonian_laird(y, s, adjustment="hksj"), "DL+knha"),
    ):
        expected = data[fit]
        assert close(average.estimate, expected["estimate"], expected["se"])
        assert average.sd == pytest.approx(expected["se"], rel=1e-9)
        assert close(average.low, expected["ci"][0], expected["se"])
        assert close(average.high, expected["ci"][1], expected["se"])
        if average.tau is not None:
            assert abs(average.tau**2 - expected["tau2"]) <= 1e-9 * np.mean(data["v"])


@pytest.mark.parametrize("name", sorted(PHYSICS))
def test_physics(name: str) -> None:
    data = PHYSICS[name]
    x, u = data["x"], data["u"]
    pdg, birge = pdg_average(x, u), birge_mean(x, u)
    assert pdg.scale_factor == pytest.approx(max(1.0, data["pdg_scale_factor"]), rel=1e-9)
    assert birge.scale_factor == pytest.approx(max(1.0, data["birge_ratio"]), rel=1e-9)
    for average, fit in (
        (pdg, "pdg_S"),
        (birge, "birge"),
        (dersimonian_laird(x, u), "DL"),
        (dersimonian_laird(x, u, adjustment="modified hksj"), "DL_mHKSJ"),
    ):
        expected = data[fit]
        for value, name_of in (
            (average.estimate, "mean"),
            (average.low, "q025"),
            (average.high, "q975"),
        ):
            # The quantity is given to 16 digits; sums of n numbers lose a few units of the last.
            rounding = 16 * np.finfo(float).eps * abs(expected[name_of])
            assert abs(value - expected[name_of]) <= 1e-9 * average.sd + rounding


def test_weighted_mean_is_the_common_effect() -> None:
    average = weighted_mean([10.0, 12.0, 17.0], [1.0, 2.0, 3.0])
    result = combine(
        [("A", "10 +- 1"), ("B", "12 +- 2"), ("C", "17 +- 3")], model=Model.common_effect()
    )
    assert not isinstance(result, dict)
    assert average.estimate == pytest.approx(result.posterior.mean(), rel=1e-12)
    assert average.sd == pytest.approx(result.posterior.std(), rel=1e-9)
    assert (average.low, average.high) == pytest.approx(result.interval(0.95), rel=1e-9)
    assert birge_mean([10.0, 12.0, 17.0], [1.0, 2.0, 3.0]).scale_factor == pytest.approx(
        max(1.0, result.conflict.birge), rel=1e-12
    )


def test_large_errors_do_not_dilute_the_scale_factor() -> None:
    vague = [30.0] * 10
    clean = pdg_average([10.0, 16.0], [1.0, 2.0]).scale_factor
    average = pdg_average([10.0, 16.0, *[11.2] * 10], [1.0, 2.0, *vague])
    assert average.scale_factor == pytest.approx(clean, rel=1e-2)
    birge = birge_mean([10.0, 16.0, *[11.2] * 10], [1.0, 2.0, *vague]).scale_factor
    assert birge is not None
    assert birge < 1.0 + 1e-12


def test_one_measurement_left_to_judge_the_scatter() -> None:
    # 3 sqrt(2) times the mean's sd is 4.2: only the first is as good.
    assert pdg_average([10.0, 40.0], [1.0, 6.0]).scale_factor == 1.0


def test_median_by_hand() -> None:
    # Binomial(8, 1/2): P(B = 0) + P(B = 8) = 1/128, so the extremes hold 99.2 %; the second and
    # seventh value hold 1 - 18/256 = 93.0 %.
    values = [8.0, 1.0, 2.0, 7.0, 3.0, 5.0, 4.0, 6.0]
    assert (median(values).low, median(values).high) == (1.0, 8.0)
    assert (median(values, level=0.93).low, median(values, level=0.93).high) == (1.0, 8.0)
    assert (median(values, level=0.929).low, median(values, level=0.929).high) == (2.0, 7.0)
    assert median(values).estimate == 4.5
    assert median(values).sd == pytest.approx(1.858 * 2.0 / math.sqrt(7.0))
    assert median(values[:5]).low == -math.inf


def test_median_interval_covers() -> None:
    rng = np.random.default_rng(5)
    hits = [
        one.low <= math.log(2.0) <= one.high
        for one in (median(rng.exponential(size=15), level=0.9) for _ in range(2000))
    ]
    assert np.mean(hits) > 0.9 - 3.0 * math.sqrt(0.09 / 2000)


def test_arithmetic_mean_by_hand() -> None:
    average = arithmetic_mean([1.0, 2.0, 6.0])
    # sd sqrt(7/3); t(2) at 97.5 % is 4.302653.
    assert average.estimate == 3.0
    assert average.sd == pytest.approx(math.sqrt(7.0 / 3.0))
    assert average.high - 3.0 == pytest.approx(4.302652729696142 * math.sqrt(7.0 / 3.0))
    assert (arithmetic_mean([2.0]).low, arithmetic_mean([2.0]).high) == (-math.inf, math.inf)


CLAIMS = st.lists(st.tuples(st.floats(-100.0, 100.0), st.floats(0.1, 10.0)), min_size=2, max_size=8)


@pytest.mark.parametrize("name", sorted(WITH_SDS))
@settings(max_examples=40)
@given(CLAIMS, st.randoms(use_true_random=False), st.floats(0.01, 100.0), st.floats(-1e3, 1e3))
def test_order_unit_and_origin_do_not_matter(
    name: str, claims: list[tuple[float, float]], random: Any, factor: float, shift: float
) -> None:
    method = WITH_SDS[name]
    x, s = np.array(claims).T
    plain = method(x, s)
    mixed = list(claims)
    random.shuffle(mixed)
    other = method(*np.array(mixed).T)
    moved = method(factor * x + shift, factor * s)
    # tau and HKSJ's sd are roots of differences: half of the digits are theirs.
    unit = max(plain.sd, 1e-3 * float(s.min()))
    for value, expected in (
        (other.estimate, plain.estimate),
        (other.high, plain.high),
        ((moved.estimate - shift) / factor, plain.estimate),
        ((moved.low - shift) / factor, plain.low),
    ):
        rounding = 1e-11 * (abs(shift) / factor + 100.0)
        assert abs(value - expected) <= 1e-6 * unit + 1e3 * rounding


@pytest.mark.parametrize("method", [arithmetic_mean, median])
@given(st.lists(st.floats(-100.0, 100.0), min_size=1, max_size=9), st.floats(0.01, 100.0))
def test_averages_without_sds_take_any_unit(
    method: Callable[..., Average], values: list[float], factor: float
) -> None:
    plain, other = method(values), method(factor * np.array(values[::-1]))
    assert other.estimate == pytest.approx(factor * plain.estimate, rel=1e-9, abs=1e-9)
    assert other.low == pytest.approx(factor * plain.low, rel=1e-9, abs=1e-9 * factor * 100)


def test_extreme_units() -> None:
    tiny = dersimonian_laird([1e-200, 2e-200], [1e-201, 1e-201])
    plain = dersimonian_laird([1.0, 2.0], [0.1, 0.1])
    assert tiny.tau is not None
    assert plain.tau is not None
    assert tiny.tau * 1e200 == pytest.approx(plain.tau)
    assert tiny.estimate * 1e200 == pytest.approx(plain.estimate)


def test_scatter_where_one_value_has_all_of_the_weight() -> None:
    # Two values: the moment estimate is tau^2 = ((x1 - x2)^2 - s1^2 - s2^2) / 2 whatever the sds.
    average = dersimonian_laird([460.0, 0.0], [190.0, 1e-14])
    assert average.tau == pytest.approx(np.sqrt((460.0**2 - 190.0**2) / 2.0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: weighted_mean([], []), "values must not be empty"),
        (lambda: weighted_mean([1, 2], [1]), "equally many (got 2 values and 1 sds)"),
        (lambda: weighted_mean([1, 2], [1, 0]), "sds[1] must be positive (got 0)"),
        (lambda: birge_mean([1, math.nan], [1, 1]), "values[1] must be a finite number"),
        (lambda: pdg_average([1, 2], [1, math.inf]), "sds[1] must be a finite number"),
        (lambda: weighted_mean("12", [1, 2]), "values must be an array of numbers (got '12')"),
        (lambda: weighted_mean([[1], [2]], [1, 2]), "values must be a list of numbers"),
        (lambda: weighted_mean([1, 2], [1, 2], level=95), "did you mean 0.95?"),
        (lambda: weighted_mean([1, 2], [1, 2], level="a"), "level must be a number in (0, 1)"),  # type: ignore[arg-type]
        (lambda: dersimonian_laird([1, 2], [1, 2], adjustment="x"), "adjustment must be 'none'"),  # type: ignore[arg-type]
        (lambda: dersimonian_laird([1], [1], adjustment="hksj"), "needs two or more (got 1)"),
        (lambda: median([]), "values must not be empty"),
        (lambda: arithmetic_mean([1.0, None]), "values[1] must be a finite number"),  # type: ignore[arg-type]
    ],
)
def test_wrong_input(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ReliabilityError) as caught:
        call()
    assert message in str(caught.value)
