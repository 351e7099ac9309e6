"""How the answer moves with what was assumed, and where it crosses a threshold."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.special import ndtr

from reliability import (
    AtLeast,
    Claim,
    Combination,
    Estimate,
    Floor,
    Model,
    ReliabilityError,
    Source,
    Void,
    Wide,
    combine,
    priors,
)
from reliability.sensitivity import GRID


def one(claims: Any, **given_: Any) -> Combination:
    result = combine(claims, **given_)
    assert isinstance(result, Combination)
    return result


US = Source("US", reliability=0.8)
KYIV = Source("Ukraine", reliability=0.6, interest=+1)
SEOUL = Source("South Korea", reliability=0.7)
FOUNDING = [
    Claim(US, "about 2,500"),
    Claim(KYIV, AtLeast(12_000), origin="joint briefing"),
    Claim(SEOUL, AtLeast(12_000), origin="joint briefing"),
]
RESULT = one(FOUNDING, scale="log")


# --- the break-even: closed forms ---------------------------------------------------------------


def product(a: float, s: float, b: float, t: float) -> tuple[float, float, float]:
    """Weight, mean and sd of the product of two normal densities."""
    total = s * s + t * t
    weight = math.exp(-0.5 * (a - b) ** 2 / total) / math.sqrt(total)
    return weight, (a * t * t + b * s * s) / total, s * t / math.sqrt(total)


def closed_form(factor: float, threshold: float, probability: float) -> float:
    """Of a sound 10 +- 1 and a doubtful 13 +- 0.5 that is K times as wide when unsound."""
    weights, excess = [], []
    for sd in (0.5, 0.5 * factor):
        weight, mean, spread = product(10.0, 1.0, 13.0, sd)
        weights.append(weight)
        excess.append(weight * (float(ndtr((mean - threshold) / spread)) - probability))
    # r * sound + (1 - r) * unsound = 0
    return excess[1] / (excess[1] - excess[0])


@pytest.mark.parametrize(
    ("factor", "threshold", "probability"),
    [(5.0, 11.0, 0.5), (20.0, 11.5, 0.5), (8.0, 12.0, 0.3), (5.0, 11.0, 0.8)],
)
def test_of_two_normals_it_is_a_ratio_of_two_weights(
    factor: float, threshold: float, probability: float
) -> None:
    result = one(
        [
            Claim(Source("a", reliability=1.0), Estimate(10, sd=1)),
            Claim(Source("b", reliability=0.9), Estimate(13, sd=0.5)),
        ],
        model=Model(unsound=Wide(factor)),
    )
    wanted = closed_form(factor, threshold, probability)
    found = result.break_even("b", above=threshold, probability=probability)
    assert 0.0 < wanted < 1.0
    assert found.reliability == pytest.approx(wanted, abs=1e-9)
    assert [crossing.rising for crossing in found.crossings] == [True]
    assert not found.crossings[0].jump


def test_a_credibility_beside_it_is_undone_exactly() -> None:
    """The claim's effective reliability at the crossing is the same with any credibility."""

    def claims(credibility: float | str | None) -> list[Claim]:
        return [
            Claim(Source("a", reliability=0.95), Estimate(10, sd=1)),
            Claim(Source("b", reliability=0.9), Estimate(13, sd=0.5), credibility=credibility),
        ]

    plain = one(claims(None)).break_even("b", above=11.5).reliability
    assert plain is not None
    log_odds = math.log(plain / (1.0 - plain))
    for credibility, c in ((0.3, 0.3), ("1", 0.7), ("2", 0.7), (0.8, 0.8)):
        found = one(claims(credibility)).break_even("b", above=11.5)
        assert found.reliability is not None
        wanted = 2.0 * log_odds - math.log(c / (1.0 - c))
        assert math.log(found.reliability / (1.0 - found.reliability)) == pytest.approx(wanted)
        assert found.at_given == one(claims(credibility)).posterior.sf(11.5)
    six = one(claims("6")).break_even("b", above=11.5)
    assert six.reliability == pytest.approx(plain, abs=1e-12)
    for credibility in (0.0, 1.0):
        settled = one(claims(credibility)).break_even("b", above=11.5)
        assert settled.crossings == ()


# --- the break-even: what combine says there ------------------------------------------------------

MODELS = [
    Model.reports(),
    Model(unsound=Floor(8)),
    Model(unsound=Wide(6)),
    Model(unsound=Void(), prior=priors.Normal(0, 20)),
    Model(dependence=0.4),
]


@st.composite
def problems(draw: st.DrawFn) -> Combination:
    count = draw(st.integers(1, 4))
    values = draw(st.lists(st.floats(-6, 6), min_size=count, max_size=count))
    claims = [
        Claim(
            Source(
                f"s{i}",
                reliability=draw(st.sampled_from([None, 0.3, 0.7, 0.9])),
                interest=draw(st.sampled_from([0, 0, 1])),
            ),
            Estimate(value, sd=draw(st.floats(0.3, 2))),
            origin=draw(st.sampled_from([None, None, "report"])),
            credibility=draw(st.sampled_from([None, None, 0.4, "1"])),
        )
        for i, value in enumerate(values)
    ]
    moved = draw(st.integers(1, 3))
    # A source with several claims, of one origin or of several.
    for k in range(moved):
        origin = draw(st.sampled_from([None, f"o{k}"]))
        value, sd = draw(st.floats(-6, 6)), draw(st.floats(0.3, 2))
        claims.append(Claim(Source("x", reliability=0.5), Estimate(value, sd=sd), origin=origin))
    return one(claims, model=draw(st.sampled_from(MODELS)))


@settings(max_examples=30, deadline=None)
@given(problems(), st.floats(-4, 4), st.sampled_from([0.5, 0.5, 0.2]))
def test_signs_change_where_it_crosses_and_nowhere_else(
    result: Combination, threshold: float, probability: float
) -> None:
    found = result.break_even("x", above=threshold, probability=probability)

    def excess(r: float) -> float:
        return float(result.with_source("x", reliability=r).posterior.sf(threshold)) - probability

    for crossing in found.crossings:
        if not crossing.jump:
            assert excess(crossing.reliability) == pytest.approx(0.0, abs=1e-7)
    steps = np.linspace(0.03, 0.97, 9).tolist()
    signs = [excess(step) for step in steps]
    for left, right, before, after in zip(steps, steps[1:], signs, signs[1:], strict=False):
        inside = [c for c in found.crossings if left < c.reliability <= right]
        if min(abs(before), abs(after)) > 1e-6:
            assert len(inside) % 2 == ((before < 0.0) != (after < 0.0))
        if len(inside) == 1 and before * after < 0.0 and not inside[0].jump:
            root = brentq(excess, left, right, xtol=1e-14)
            slope = abs(after - before) / (right - left)
            if slope > 1e-3:
                assert inside[0].reliability == pytest.approx(root, abs=1e-6 / slope)
            assert inside[0].rising == (before < after)
    ends = [result.with_source("x", reliability=end) for end in (0.0, 1.0)]
    assert found.at_zero == ends[0].posterior.sf(threshold)
    assert found.at_one == ends[1].posterior.sf(threshold)
    assert found.estimates == (ends[0].estimate, result.estimate, ends[1].estimate)


def test_at_one_half_the_estimate_is_the_threshold() -> None:
    found = RESULT.break_even("US", above=5000)
    assert found.reliability is not None
    there = RESULT.with_source("US", reliability=found.reliability)
    assert there.estimate == pytest.approx(5000, rel=1e-6)
    assert found.crossings[0].rising is False
    assert found.given == 0.8


def test_two_crossings_of_a_source_with_two_claims() -> None:
    """Doubtful, it is ignored; middling, one of its claims is believed; good, the precise one."""
    result = one(
        [
            Claim(Source("x", reliability=0.5), Estimate(6, sd=0.5), origin="first"),
            Claim(Source("x", reliability=0.5), Estimate(4, sd=0.5), origin="second"),
            Claim(Source("b", reliability=0.9), Estimate(6.2, sd=1)),
        ],
        model=Model(unsound=Wide(20)),
    )
    chances = [
        float(result.with_source("x", reliability=r).posterior.sf(5.3)) for r in (0.0, 0.1, 1.0)
    ]
    level = 0.5 * (max(chances[0], chances[2]) + chances[1])
    assert max(chances[0], chances[2]) < level < chances[1]
    found = result.break_even("x", above=5.3, probability=level)
    assert [crossing.rising for crossing in found.crossings] == [True, False]
    for crossing in found.crossings:
        at = result.with_source("x", reliability=crossing.reliability)
        assert at.posterior.sf(5.3) == pytest.approx(level, abs=1e-8)


def test_it_jumps_where_another_claim_of_the_origin_takes_over() -> None:
    """Below 0.7 South Korea's claim counts, above it Ukraine's, which has an interest."""
    low, high = (
        float(RESULT.with_source("Ukraine", reliability=r).posterior.sf(5000))
        for r in (0.7 - 1e-9, 0.7 + 1e-9)
    )
    assert abs(high - low) > 0.01
    found = RESULT.break_even("Ukraine", above=5000, probability=0.5 * (low + high))
    jumps = [crossing for crossing in found.crossings if crossing.jump]
    assert [crossing.reliability for crossing in jumps] == [0.7]
    assert jumps[0].rising == (low < high)
    assert "(a jump)" in str(found)


# --- no crossing --------------------------------------------------------------------------------


def test_without_a_crossing_it_says_what_the_ends_are() -> None:
    found = RESULT.break_even("South Korea", above=100_000)
    assert found.crossings == ()
    assert found.reliability is None
    ends = [RESULT.with_source("South Korea", reliability=r) for r in (0.0, 1.0)]
    assert (found.at_zero, found.at_one) == tuple(e.posterior.sf(100_000) for e in ends)
    assert str(found).startswith(
        "No crossing: the best estimate is above 100,000 at no reliability"
    )
    assert repr(found) == "BreakEven('South Korea', above=100000: no crossing)"
    always = RESULT.break_even("South Korea", above=1)
    assert "at every reliability" in str(always)


def test_an_end_without_a_posterior_is_not_a_number() -> None:
    model = Model(unsound=Void(), prior=priors.IntrinsicRange(0.1))
    alone = one([Claim(Source("a", reliability=0.5), Estimate(10, sd=1))], model=model)
    found = alone.break_even("a", above=10.5)
    assert math.isnan(found.at_zero)
    assert math.isnan(found.estimates[0])
    assert found.at_one == pytest.approx(alone.with_source("a", reliability=1).posterior.sf(10.5))
    assert "At reliability 0 there is no posterior" in " ".join(str(found).split())


def test_a_claim_that_drops_out_at_0_makes_a_jump_there() -> None:
    """Under Void a claim of reliability 0 does not even stretch the range that is thinkable."""
    model = Model(unsound=Void(), prior=priors.IntrinsicRange(0.1))
    result = one(
        [
            Claim(Source("a", reliability=0.2), Estimate(10, sd=1)),
            Claim(Source("b", reliability=0.3), Estimate(40, sd=1)),
        ],
        model=model,
    )
    found = result.break_even("b", above=15)
    assert found.at_zero < 0.5 < float(result.with_source("b", reliability=1e-9).posterior.sf(15))
    assert (found.crossings[0].reliability, found.crossings[0].jump) == (0.0, True)


# --- curves -------------------------------------------------------------------------------------


def test_rows_are_what_combine_says() -> None:
    found = RESULT.sensitivity(values=[0.25, 0.5, 1.0], level=0.8)
    assert [curve.name for curve in found.curves] == [
        "reliability of US",
        "reliability of Ukraine",
        "reliability of South Korea",
        "dependence",
    ]
    assert [curve.given for curve in found.curves] == [0.8, 0.6, 0.7, 0.0]
    assert len(found.rows) == 12
    for row in found.rows:
        if row["parameter"] == "dependence":
            wanted = one(FOUNDING, scale="log", dependence=row["value"])
            assert row["source"] is None
        else:
            wanted = RESULT.with_source(row["source"], reliability=row["value"])
        assert row["estimate"] == wanted.estimate
        assert (row["low"], row["high"]) == wanted.interval(0.8)


def test_the_default_values_and_the_table() -> None:
    result = one([(Source("a", reliability=0.9), "10 +- 1"), ("b", "16 +- 1")])
    found = result.sensitivity()
    assert all(curve.values == GRID for curve in found.curves)
    assert found.curves[1].given is None
    at_given = dict(zip(found.curves[0].values, found.curves[0].estimate, strict=True))
    assert at_given[0.9] == result.estimate
    lines = str(found).splitlines()
    assert all(len(line) <= 100 for line in lines)
    header = "best estimate with given " + " ".join(f"at {v}" for v in (0, 0.2, 0.4, 0.6, 0.8, 1))
    assert " ".join(lines[0].split()) == header
    assert "<th" in found._repr_html_()
    assert repr(found) == "Sensitivity(reliability of a, reliability of b, dependence)"
    columns = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert columns["value"] == [*GRID, *GRID, *GRID]


def test_values_without_a_posterior_are_noted() -> None:
    model = Model(unsound=Void(), prior=priors.IntrinsicRange(0.1))
    alone = one([Claim(Source("a", reliability=0.5), Estimate(10, sd=1))], model=model)
    found = alone.sensitivity(values=[0, 1])
    (curve,) = found.curves
    assert math.isnan(curve.estimate[0])
    assert list(curve.notes) == [0.0]
    assert "No posterior with reliability of a at 0: every claim has reliability 0" in str(found)
    assert found.to_dict()["estimate"][0] is None


def test_what_cannot_be_varied_is_left_out() -> None:
    sound = one([("a", "10 +- 1"), ("b", "16 +- 1")], model=Model.common_effect())
    assert [curve.parameter for curve in sound.sensitivity(values=[0, 1]).curves] == ["dependence"]
    together = one([Claim("a", "10 +- 1", origin="o"), Claim("b", "11 +- 1", origin="o")])
    assert [c.source for c in together.sensitivity(values=[0.5]).curves] == ["a", "b"]
    pairs = one([("a", "10 +- 1"), ("b", "16 +- 1")], dependence={("a", "b"): 0.5})
    assert pairs.sensitivity(values=[0.5]).curves[-1].given is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: RESULT.sensitivity(values=[0.5, 1.5]), "values must lie in [0, 1] (got 1.5)"),
        (lambda: RESULT.sensitivity(values=[math.nan]), "values must lie in [0, 1]"),
        (lambda: RESULT.sensitivity(values=["a"]), "values must be numbers in [0, 1]"),
        (lambda: RESULT.sensitivity(values=[]), "values must be a list of numbers"),
        (lambda: RESULT.sensitivity(level=95), "level must lie in (0, 1), got 95"),
        (
            lambda: one([("a", "10 +- 1")], model=Model.common_effect()).sensitivity(),
            "nothing can be varied",
        ),
        (lambda: RESULT.break_even("Ukrain", above=5), "no claim has the source 'Ukrain'; did you"),
        (lambda: RESULT.break_even(3, above=5), "source must be a name (got 3)"),  # type: ignore[arg-type]
        (lambda: RESULT.break_even("US", above="5,000"), "above must be a number (got '5,000')"),  # type: ignore[arg-type]
        (lambda: RESULT.break_even("US", above=math.nan), "above must be a finite number"),
        (lambda: RESULT.break_even("US", above=-5), "above must be possible on the log scale"),
        (
            lambda: RESULT.break_even("US", above=5, probability=50),
            "probability must lie in (0, 1)",
        ),
        (
            lambda: RESULT.with_model(Model.common_effect()).break_even("US", above=5),
            "the model takes every claim as sound",
        ),
    ],
)
def test_bad_input_says_what_is_wrong(wrong: Any, message: str) -> None:
    with pytest.raises(ReliabilityError) as caught:
        wrong()
    assert message in str(caught.value)
