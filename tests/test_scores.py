"""Properties of scores, and wrong input with its message."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reliability import Combination, Model, Posterior, ReliabilityError, combine, scores
from reliability.errors import NumericalError
from reliability.scores import (
    brier,
    cooke_calibration,
    cooke_information,
    coverage,
    crps,
    crps_ensemble,
    crps_logistic,
    crps_lognormal,
    crps_normal,
    crps_student_t,
    crps_uniform,
    interval_score,
    intrinsic_range,
    log_score,
    pinball,
    pit,
    skill,
    uniformity,
    wis,
)

numbers = st.floats(-1e3, 1e3)
widths = st.floats(0.01, 1e3)


def posterior(*claims: tuple[str, str], **options: Any) -> Posterior:
    result = combine(list(claims), **options)
    assert isinstance(result, Combination)
    return result.posterior


PAIR = posterior(("A", "10 +- 1"), ("B", "14 +- 2"))
COMMON = Model.common_effect()

# ------------------------------------------------------------------ invariances


@given(numbers, widths, numbers, st.floats(0.01, 100.0), numbers)
def test_crps_moves_with_the_quantity(
    mean: float, sd: float, y: float, factor: float, shift: float
) -> None:
    once = crps_normal(mean, sd, y)
    again = crps_normal(factor * mean + shift, factor * sd, factor * y + shift)
    # Distances of numbers up to 1e5 are rounded in units of 1e-11.
    assert again == pytest.approx(factor * once, rel=1e-9, abs=1e-10)
    assert crps_normal(-mean, sd, -y) == pytest.approx(once, rel=1e-12)


@given(numbers, widths, st.lists(numbers, min_size=1, max_size=5))
@settings(max_examples=30)
def test_one_forecast_for_many_outcomes(mean: float, sd: float, outcomes: list[float]) -> None:
    """Together or one at a time, by formula or by integral."""
    forecast = posterior(("A", f"{mean} +- {sd}"), model=COMMON)
    together = crps(forecast, outcomes)
    for y, found in zip(outcomes, np.asarray(together), strict=True):
        assert found == pytest.approx(float(crps_normal(mean, sd, y)), rel=1e-9)
        assert crps(forecast, y) == pytest.approx(found, rel=1e-10)


@given(st.lists(numbers, min_size=1, max_size=8), numbers)
def test_ensembles_by_definition(members: list[float], y: float) -> None:
    x = np.array(members)
    pairs = np.abs(x[:, None] - x[None]).mean()
    assert crps_ensemble(x, y) == pytest.approx(np.abs(x - y).mean() - pairs / 2, abs=1e-10)


def test_crps_of_a_posterior_is_that_of_its_samples() -> None:
    outcomes = np.array([0.0, 0.2, 0.35, 0.9, 1.0, 2.0])
    share = posterior(("A", "0.3 +- 0.1"), ("B", "0.4 +- 0.1"), scale="logit")
    drawn = crps_ensemble(share.rvs(200_000, rng=1), outcomes)
    # The standard error of a mean of 200,000 distances of at most 2.
    assert np.abs(np.asarray(crps(share, outcomes)) - drawn).max() < 5e-3 * 0.5


def test_log_normal_posteriors() -> None:
    law = posterior(("A", "10 +- 1"), ("B", "12 +- 1"), scale="log", model=COMMON)
    sigma = math.log(law.ppf(stats.norm.cdf(1.0)) / law.median())
    outcomes = np.array([-1.0, 0.0, 1e-9, 5.0, 11.0, 1e4])
    exact = crps_lognormal(law.median(), sigma, outcomes)
    assert np.asarray(crps(law, outcomes)) == pytest.approx(exact, rel=1e-9)


@given(st.floats(0.001, 0.999), numbers)
@settings(max_examples=50)
def test_an_atom_mixes_distribution_functions(zero: float, y: float) -> None:
    """(F - 1)^2 for F = zero 1{theta >= 0} + (1 - zero) G, by a plain sum."""
    law = posterior(("A", "10 +- 3"), scale="log", model=COMMON)
    theta = np.linspace(1e-6, 200.0, 200_001)
    step = theta[1] - theta[0]
    cdf = zero + (1.0 - zero) * np.asarray(law.cdf(theta))
    inside = np.where(theta >= y, (cdf - 1.0) ** 2, cdf**2).sum() * step
    outside = max(y - 200.0, 0.0) + max(-y, 0.0)
    found = crps(attrs.evolve(law, zero=zero), y)
    # The sum is off by a step at the outcome and half a step at the ends.
    assert found == pytest.approx(inside + outside, abs=4 * step)


def test_scores_are_proper() -> None:
    """On average nobody beats the distribution that outcomes come from."""
    outcomes = PAIR.rvs(20_000, rng=0)
    for other in (stats.norm(11.0, 1.0), stats.norm(12.0, 3.0), stats.norm(10.0, 0.3)):
        assert np.mean(crps(PAIR, outcomes)) < np.mean(crps(other, outcomes))
        assert np.mean(log_score(PAIR, outcomes)) > np.mean(log_score(other, outcomes))


@given(st.integers(1, 6), numbers, st.lists(widths, min_size=14, max_size=14))
def test_wis_is_its_definition(k: int, y: float, steps: list[float]) -> None:
    """Bracher et al. (2021): weights alpha/2 for intervals and 1/2 for the median."""
    tails = np.linspace(0.02, 0.45, k)
    levels = np.concatenate([tails, [0.5], 1.0 - tails[::-1]])
    values = -200.0 + np.cumsum(steps[: 2 * k + 1])
    alpha, low, high = 2.0 * tails, values[:k], values[::-1][:k]
    intervals = np.asarray(interval_score(low, high, y, 1.0 - alpha))
    expected = (abs(y - values[k]) / 2.0 + np.sum(alpha / 2.0 * intervals)) / (k + 0.5)
    assert wis(levels, values, y) == pytest.approx(expected, rel=1e-9)


def test_wis_approaches_the_crps() -> None:
    levels = (np.arange(2000) + 0.5) / 2000
    found = wis(levels, PAIR.ppf(levels), 11.0)
    assert found == pytest.approx(float(crps(PAIR, 11.0)), rel=1e-3)


def test_shapes() -> None:
    assert isinstance(crps(PAIR, 11.0), float)
    assert np.shape(crps(PAIR, [[10.0, 11.0, 12.0]])) == (1, 3)
    several = [PAIR, stats.norm(0.0, 1.0), combine([("A", "10 +- 1")], model=COMMON)]
    found = np.asarray(crps(several, [11.0, 0.5, 10.0]))
    assert found.tolist() == [crps(PAIR, 11.0), crps_normal(0.0, 1.0, 0.5), crps(several[2], 10.0)]
    assert np.shape(crps_normal(np.zeros((2, 1)), 1.0, np.zeros(3))) == (2, 3)
    assert np.shape(crps_ensemble(np.zeros((4, 7)), np.zeros(4))) == (4,)
    assert np.shape(crps_ensemble(np.zeros(7), np.zeros(4))) == (4,)
    assert np.shape(wis([0.1, 0.9], np.zeros((5, 2)), np.zeros(5))) == (5,)
    assert np.shape(cooke_calibration([0.5], np.zeros((3, 4, 1)), np.ones(4))) == (3,)


# ------------------------------------------------------------------ calibration


def test_transforms_of_calibrated_forecasts_are_uniform() -> None:
    values = np.asarray(pit(PAIR, PAIR.rvs(4000, rng=3)))
    assert uniformity(values) > 0.01
    assert uniformity(values**2) < 1e-6
    assert uniformity(values) == pytest.approx(stats.kstest(values, "uniform").pvalue, abs=0.01)


def test_randomised_transforms() -> None:
    law = stats.poisson(1.5)
    outcomes = law.rvs(4000, random_state=1)
    drawn = np.asarray(pit(law, outcomes, rng=2))
    assert uniformity(drawn) > 0.01
    assert np.array_equal(drawn, np.asarray(pit(law, outcomes, rng=2)))
    assert pit(law, 0) == pytest.approx(law.pmf(0) / 2.0)
    with_atom = attrs.evolve(posterior(("A", "10 +- 3"), scale="log"), zero=0.4)
    assert pit(with_atom, 0.0) == pytest.approx(0.2)
    assert log_score(with_atom, 0.0) == pytest.approx(math.log(0.4))
    assert log_score(with_atom, 10.0) == pytest.approx(
        math.log(0.6) + float(attrs.evolve(with_atom, zero=0.0).logpdf(10.0))
    )


@given(st.integers(1, 60), st.data())
def test_coverage_interval_is_exact(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    outcome = np.where(np.arange(n) < hits, 0.5, 2.0)
    found = coverage(np.zeros(n), np.ones(n), outcome, 0.9)
    exact = stats.binomtest(hits, n).proportion_ci(0.95, "exact")
    assert (found.rate, found.n, found.level) == (hits / n, n, 0.9)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=1e-12)


def test_ends_of_an_interval_belong_to_it() -> None:
    assert coverage([1.0, -math.inf], [2.0, 5.0], [2.0, 5.0], 0.5).rate == 1.0


# ------------------------------------------------------------------ skill


def test_skill() -> None:
    rng = np.random.default_rng(5)
    baseline = rng.exponential(2.0, 400)
    found = skill(0.8 * baseline, baseline)
    assert found.value == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.2, 0.2))  # pairs stay together
    assert found.better == 1.0
    same = skill(baseline[::-1].copy(), baseline)
    assert same.low < 0.0 < same.high
    assert skill(baseline, baseline + 1.0, rng=1) == skill(baseline, baseline + 1.0, rng=1)
    gain = skill(-baseline + 0.5, -baseline, higher_is_better=True)
    assert gain.value == pytest.approx(0.5)


# ------------------------------------------------------------------ Cooke


def test_calibration_does_not_depend_on_the_order_of_items() -> None:
    rng = np.random.default_rng(0)
    outcome = rng.normal(size=12)
    values = np.sort(rng.normal(size=(3, 12, 3)), axis=-1)
    order = rng.permutation(12)
    levels = [0.05, 0.5, 0.95]
    one = np.asarray(cooke_calibration(levels, values, outcome))
    other = np.asarray(cooke_calibration(levels, values[:, order], outcome[order]))
    assert one.tolist() == other.tolist()
    assert cooke_calibration(levels, values, outcome, power=0.5) == pytest.approx(
        cooke_calibration(levels, values, outcome, number=6)
    )


def test_missing_answers() -> None:
    values = np.array([[[1.0, 2.0, 3.0], [math.nan] * 3], [[math.nan] * 3] * 2])
    found = np.asarray(cooke_calibration([0.05, 0.5, 0.95], values, [2.5, 1.0]))
    alone = cooke_calibration([0.05, 0.5, 0.95], values[0, :1], [2.5])
    assert found[0] == alone
    assert math.isnan(found[1])


@given(st.floats(0.1, 50.0), st.floats(-20.0, 20.0))
def test_information_has_no_unit(factor: float, shift: float) -> None:
    values = np.array([[[1.0, 2.0, 3.0]], [[0.5, 2.0, 8.0]]])
    levels = [0.05, 0.5, 0.95]
    once = cooke_information(levels, values, [6.0])
    again = cooke_information(levels, factor * values + shift, [factor * 6.0 + shift])
    assert again == pytest.approx(once, abs=1e-9)
    logs = cooke_information(levels, np.exp(values), np.exp([6.0]), scale="log")
    assert logs == pytest.approx(once, abs=1e-9)
    low, high = intrinsic_range(np.exp(values), np.exp([6.0]), scale="log")
    assert np.log([low[0], high[0]]) == pytest.approx([0.5 - 0.75, 8.0 + 0.75])


# ------------------------------------------------------------------ wrong input

LEVELS = [0.05, 0.5, 0.95]
TWO: Any = [0.9, 0.5]
VALUES = [[[1.0, 2.0, 3.0]]]
WRONG: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: crps(PAIR, math.nan),
        r"outcome must be a finite number; leave such entries out \(got nan\)",
    ),
    (lambda: crps(PAIR, [1.0, math.inf]), r"outcome\[1\] must be a finite number"),
    (lambda: crps(PAIR, []), r"outcome is empty; give at least one number"),
    (lambda: crps(PAIR, "ten"), r"outcome must be a number or an array of numbers \(got 'ten'\)"),
    (lambda: crps([], []), r"outcome is empty"),
    (lambda: crps([], [1.0]), r"forecast is empty; give at least one"),
    (
        lambda: crps([PAIR], [1.0, 2.0]),
        r"there are 1 forecasts and outcomes of shape \(2,\); give one outcome for each",
    ),
    (lambda: crps([PAIR, 3.0], [1.0, 2.0]), r"forecast\[1\] must be a Posterior, a Combination"),
    (
        lambda: crps(np.array([1.0, 2.0]), 1.0),
        r"for samples there is crps_ensemble\(\), for quantiles wis\(\)",
    ),
    (
        lambda: crps(stats.norm([0.0, 1.0], 1.0), 1.0),
        r"forecast must be one distribution, but its parameters are arrays",
    ),
    (lambda: log_score("normal", 1.0), r"forecast must be a Posterior.* \(got 'normal'\)"),
    (lambda: pit(PAIR, 1.0, rng=-1), r"rng must be a numpy.random.Generator"),
    (lambda: crps_normal(0.0, -1.0, 1.0), r"sd must be above 0 \(got -1\)"),
    (lambda: crps_normal(0.0, [1.0, 0.0], 1.0), r"sd\[1\] must be above 0 \(got 0\)"),
    (
        lambda: crps_normal([0.0, 1.0], 1.0, [1.0, 2.0, 3.0]),
        r"shapes do not go together: mean \(2,\), sd \(\), outcome \(3,\); give equal lengths",
    ),
    (lambda: crps_student_t(1.0, 0.0, 1.0, 0.0), r"df must be above 1 \(got 1\)"),
    (lambda: crps_lognormal(0.0, 1.0, 0.0), r"median must be above 0 \(got 0\)"),
    (lambda: crps_logistic(0.0, 0.0, 0.0), r"scale must be above 0 \(got 0\)"),
    (lambda: crps_uniform(1.0, 1.0, 0.0), r"low=1 must be below high=1"),
    (lambda: crps_ensemble([], 1.0), r"members is empty"),
    (lambda: crps_ensemble([1.0], 1.0, fair=True), r"members must hold at least 2 samples"),
    (lambda: interval_score(3.0, 2.0, 1.0, 0.9), r"low=3 exceeds high=2; swap them"),
    (lambda: interval_score([1.0, 3.0], [2.0, 2.0], 1.0, 0.9), r"entry 1: low=3 exceeds high=2"),
    (
        lambda: interval_score(1.0, 2.0, 1.0, 90),
        r"level must lie in \(0, 1\); did you mean 0.9\? \(got 90\)",
    ),
    (
        lambda: interval_score(math.nan, 2.0, 1.0, 0.9),
        r"low must be a number; leave such entries out \(got nan\)",
    ),
    (lambda: coverage(1.0, 2.0, 1.0, 1.0), r"level must lie in \(0, 1\) \(got 1\)"),
    (
        lambda: coverage(1.0, 2.0, 1.0, 0.9, confidence=95),
        r"confidence must lie in \(0, 1\); did you mean 0.95\?",
    ),
    (lambda: coverage(1.0, 2.0, 1.0, TWO), r"level must be one number"),
    (lambda: coverage([1.0], [2.0, 3.0], [1.0, 2.0, 3.0], 0.9), r"shapes do not go together"),
    (lambda: coverage([], [], [], 0.9), r"low is empty"),
    (lambda: pinball(1.0, 0.0, 1.0), r"level must lie in \(0, 1\) \(got 0\)"),
    (
        lambda: wis([0.5, 0.1, 0.9], [1.0, 2.0, 3.0], 1.0),
        r"levels\[0\] must exceed the one before it; sort them \(got 0.1\)",
    ),
    (lambda: wis([0.1, 0.5], [1.0, 2.0], 1.0), r"levels must be symmetric about 0.5"),
    (lambda: wis([[0.1, 0.9]], [1.0, 2.0], 1.0), r"levels must have one dimension"),
    (
        lambda: wis([0.1, 0.9], [2.0, 1.0], 1.0),
        r"values\[0\] must not be below the quantile before it \(got 1\)",
    ),
    (
        lambda: wis([0.1, 0.9], [1.0, 2.0, 3.0], 1.0),
        r"values must have 2 entries along its last axis, one per level \(got shape \(3,\)\)",
    ),
    (lambda: wis([0.1, 0.9], np.zeros((3, 2)), [1.0, 2.0]), r"shapes do not go together"),
    (lambda: wis([0.1, 0.9], [1.0, math.nan], 1.0), r"values\[1\] must be a finite number"),
    (lambda: brier(1.2, 1), r"forecast must lie in \[0, 1\] \(got 1.2\)"),
    (lambda: brier(70, 1), r"forecast must lie in \[0, 1\]; did you mean 0.7\?"),
    (
        lambda: brier(0.7, 2),
        r"outcome must be 1 where it happened and 0 where it did not \(got 2\)",
    ),
    (lambda: uniformity([0.5, 1.5]), r"values\[1\] must lie in \[0, 1\]"),
    (
        lambda: skill([1.0], [1.0, 2.0]),
        r"scores and baseline must have one dimension and one length",
    ),
    (lambda: skill([1.0, 2.0], [0.0, 0.0]), r"baseline must have a mean above 0 \(got 0\)"),
    (lambda: skill([1.0], [1.0], resamples=1), r"resamples must be at least 2 \(got 1\)"),
    (lambda: skill([1.0], [1.0], resamples=True), r"resamples must be a whole number"),
    (
        lambda: cooke_calibration(LEVELS, VALUES, [1.0, 2.0]),
        r"values must have shape \(..., items, levels\) and outcome \(items,\)",
    ),
    (
        lambda: cooke_calibration(LEVELS, VALUES, [math.inf]),
        r"outcome must be finite, or nan where it is not known",
    ),
    (
        lambda: cooke_calibration(LEVELS, VALUES, [1.0], power=2.0),
        r"power must be one number in \(0, 1\] \(got 2.0\)",
    ),
    (lambda: cooke_calibration(LEVELS, VALUES, [1.0], number=0), r"number must be at least 1"),
    (
        lambda: cooke_calibration(LEVELS, [[[3.0, 2.0, 1.0]]], [1.0]),
        r"values\[0, 0, 0\] must not be below the quantile before it",
    ),
    (
        lambda: cooke_calibration([5.0, 50.0, 95.0], VALUES, [1.0]),
        r"levels\[0\] must lie in \(0, 1\); did you mean 0.05\?",
    ),
    (
        lambda: cooke_information(LEVELS, VALUES, [-1.0], scale="log"),
        r"outcome must be above 0 on a log background \(got -1\)",
    ),
    (
        lambda: cooke_information(LEVELS, VALUES, [1.0], scale="logit"),
        r"scale must be 'linear' or 'log' \(got 'logit'\)",
    ),
    (
        lambda: cooke_information(LEVELS, VALUES, [1.0], scale=["log", "log"]),
        r"scale must be one name or one per item",
    ),
    (
        lambda: cooke_information(LEVELS, [[[1.0, 1.0, 2.0]]], [5.0]),
        r"two quantiles of item 1 are equal",
    ),
    (
        lambda: cooke_information(LEVELS, [[[1.0, 1.0, 1.0]]], [1.0]),
        r"item 1: all numbers are equal or missing",
    ),
    (lambda: cooke_information(LEVELS, VALUES, [1.0], overshoot=0.0), r"overshoot must be above 0"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_wrong_input_is_named(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ReliabilityError, match=message):
        call()


def test_discrete_forecasts_without_end_are_refused() -> None:
    with pytest.raises(NumericalError, match="more than 10,000,000 steps; give it as a continuous"):
        crps(stats.zipf(1.5), 3)


def test_discrete_forecasts_between_whole_numbers() -> None:
    """The outcome may lie between steps: a sum over a fine grid agrees."""
    law, y, step = stats.poisson(3.0), 2.25, 1e-4
    theta = np.arange(-1.0, 30.0, step) + step / 2.0
    plain = float((((law.cdf(theta) - (theta >= y)) ** 2) * step).sum())
    assert crps(law, y) == pytest.approx(plain, rel=1e-6)


def test_public_names() -> None:
    assert len(scores.__all__) == len(set(scores.__all__))
    wanted = {"crps", "log_score", "interval_score", "wis", "brier", "coverage", "pit"}
    wanted |= {"cooke_calibration", "cooke_information", "scorecard", "pinball", "skill"}
    assert wanted <= set(scores.__all__)
