"""Claims of different dates: against Kalman's filter, brute force and what nothing moves."""

from __future__ import annotations

import datetime as dt
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray

from reliability import (
    AtLeast,
    Claim,
    Combination,
    Estimate,
    Floor,
    Model,
    Present,
    Quantiles,
    Range,
    ReliabilityError,
    Source,
    Void,
    Wide,
    combine,
    combine_over_time,
    priors,
)
from reliability.errors import InvalidValueError, WrongTypeError

Array = NDArray[np.float64]
START = dt.date(2024, 1, 1)


def day(number: int) -> dt.date:
    return START + dt.timedelta(days=number)


def one(claims: list[Claim], **given: Any) -> Combination:
    result = combine(claims, **given)
    assert isinstance(result, Combination)
    return result


def over_time(claims: list[Claim], **given: Any) -> dict[dt.date, Combination]:
    found: Any = combine_over_time(claims, **given)
    return dict(found)


# ------------------------------------------------------------------ Kalman's filter and smoother


def kalman(
    values: Array, sds: Array, days: Array, asked: float, drift: float, prior: tuple[float, float]
) -> tuple[float, float]:
    """Filter forwards, then the smoother of Rauch, Tung and Striebel; mean and variance."""
    times = np.unique(np.append(days, asked))
    mean, variance = prior
    filtered, predicted = [], []
    for k, time in enumerate(times):
        if k:
            # The prior holds at the first claim; before it only the change is known.
            variance += drift**2 * (time - times[k - 1])
        predicted.append((mean, variance))
        for value, sd in zip(values[days == time], sds[days == time], strict=True):
            gain = variance / (variance + sd**2)
            mean, variance = mean + gain * (value - mean), (1.0 - gain) * variance
        filtered.append((mean, variance))
    for k in range(len(times) - 2, int(np.searchsorted(times, asked)) - 1, -1):
        gain = filtered[k][1] / predicted[k + 1][1]
        mean = filtered[k][0] + gain * (mean - predicted[k + 1][0])
        variance = filtered[k][1] + gain**2 * (variance - predicted[k + 1][1])
    return mean, variance


VALUES = np.array([1.3, -0.4, 2.2, 2.0, 6.1, 5.0, 8.5])
SDS = np.array([0.7, 1.1, 0.4, 2.0, 0.9, 1.4, 0.3])
DAYS = np.array([0.0, 0.0, 3.0, 9.0, 10.0, 24.0, 40.0])


def sound_claims() -> list[Claim]:
    return [
        Claim(
            Source(f"s{k}", reliability=1.0),
            Estimate(float(VALUES[k]), sd=float(SDS[k])),
            date=day(int(DAYS[k])),
        )
        for k in range(len(VALUES))
    ]


@pytest.mark.parametrize("drift", [1e-3, 0.05, 0.5, 4.0, 50.0])
def test_sound_normal_claims_are_filtered_and_smoothed_as_by_kalman(drift: float) -> None:
    asked = [0, 5, 10, 40, 55]
    found = over_time(
        sound_claims(), dates=[day(k) for k in asked], drift=drift, prior=priors.Normal(0.5, 3.0)
    )
    for number, result in zip(asked, found.values(), strict=True):
        mean, variance = kalman(VALUES, SDS, DAYS, number, drift, (0.5, 9.0))
        sd = math.sqrt(variance)
        assert result.posterior.mean() == pytest.approx(mean, abs=1e-8 * sd)
        assert result.posterior.std() == pytest.approx(sd, rel=1e-8)
        assert result.estimate == pytest.approx(mean, abs=1e-8 * sd)
        assert result.posterior.cdf(mean + sd) == pytest.approx(0.8413447460685429, abs=1e-8)
        assert result.error < 1e-8


@pytest.mark.parametrize("drift", [0.05, 4.0])
def test_a_date_that_knows_only_earlier_claims_is_filtered(drift: float) -> None:
    asked = [0, 5, 10, 40]
    prior = priors.Normal(0.5, 3.0)
    found = over_time(
        sound_claims(), dates=[day(k) for k in asked], drift=drift, prior=prior, hindsight=False
    )
    for number, result in zip(asked, found.values(), strict=True):
        then = number >= DAYS
        mean, variance = kalman(VALUES[then], SDS[then], DAYS[then], number, drift, (0.5, 9.0))
        assert result.posterior.mean() == pytest.approx(mean, abs=1e-8)
        assert result.posterior.std() == pytest.approx(math.sqrt(variance), rel=1e-8)
        assert len(result.claims) == then.sum()


def test_weights_of_sound_normal_claims_say_what_moves_the_mean() -> None:
    claims, drift = sound_claims(), 0.5
    for asked in (0, 5, 24, 60):
        found = one(claims, drift=drift, as_of=day(asked))
        weights = [c.weight for c in found.claims]
        assert sum(weights) == pytest.approx(1.0, abs=1e-12)
        for k in (0, 3, 6):
            moved = list(claims)
            value = float(VALUES[k]) + 1.0
            moved[k] = Claim(claims[k].source, Estimate(value, sd=SDS[k]), date=claims[k].date)
            shifted = one(moved, drift=drift, as_of=day(asked))
            assert shifted.estimate - found.estimate == pytest.approx(weights[k], abs=1e-8)


def test_evidence_is_that_of_the_joint_normal() -> None:
    drift, sd = 0.5, 3.0
    found = one(sound_claims(), drift=drift, prior=priors.Normal(0.5, sd))
    covariance = sd**2 + drift**2 * np.minimum(DAYS[:, None], DAYS) + np.diag(SDS**2)
    rest = VALUES - 0.5
    _, log_determinant = np.linalg.slogdet(2.0 * np.pi * covariance)
    expected = -0.5 * (rest @ np.linalg.solve(covariance, rest) + log_determinant)
    assert found.log_evidence == pytest.approx(expected, abs=1e-8)


def test_a_conflict_of_many_sds_between_two_days() -> None:
    claims = [
        Claim(Source("a", reliability=1.0), Estimate(0.0, sd=1.0), date=day(0)),
        Claim(Source("b", reliability=1.0), Estimate(25.0, sd=1.0), date=day(1)),
    ]
    # A change of 25 with a standard deviation of sqrt(3): 14 of them.
    found = one(claims, drift=1.0)
    assert found.estimate == pytest.approx(25.0 * 2.0 / 3.0, abs=1e-8)
    assert found.posterior.std() == pytest.approx(math.sqrt(2.0 / 3.0), rel=1e-8)


def test_dates_before_the_first_claim() -> None:
    claim = Claim(Source("a", reliability=1.0), Estimate(3.0, sd=1.0), date=day(16))
    found = one([claim], drift=0.5, as_of=day(0), prior=priors.Normal(0.0, 2.0))
    # The prior holds on the day of the claim, and is as much blurred as the claim.
    assert found.estimate == pytest.approx(3.0 * 4.0 / 5.0, abs=1e-9)
    assert found.posterior.var() == pytest.approx(4.0 / 5.0 + 0.25 * 16, rel=1e-9)


# ------------------------------------------------------------------ brute force


def normal(z: Array, sd: float) -> Array:
    return np.asarray(np.exp(-0.5 * (z / sd) ** 2) / (sd * math.sqrt(2.0 * math.pi)))


def floor_law(z: Array, sd: float) -> Array:
    """An unsound claim whose sd is at least ``sd``, with density proportional to 1/s^2."""
    square = (z / sd) ** 2
    small = np.where(square < 1e-8, 1.0, square)
    value = np.where(square < 1e-8, 0.5, -np.expm1(-0.5 * small) / small)
    return np.asarray(value / (sd * math.sqrt(2.0 * math.pi)))


def brute(
    claims: list[tuple[int, float, float, float | None]], drift: float, asked: int
) -> tuple[Array, Array, float, list[float]]:
    """Posterior on a fine grid, prior N(0, 4), p uniform; soundness of every claim.

    Each claim is (time, value, sd, reliability or None).
    """
    x = np.linspace(-50.0, 50.0, 1001)
    step = x[1] - x[0]
    times = sorted({time for time, *_ in claims} | {asked})
    nodes, weights = leggauss(4)
    p, weights = 0.5 * (nodes + 1.0)[:, None], 0.5 * weights[:, None]
    node = {time: np.ones((len(p), len(x))) for time in times}
    node[min(time for time, *_ in claims)] *= normal(x, 4.0)
    terms = []
    for time, value, sd, r in claims:
        own: Any = p if r is None else r
        sound = own * normal(value - x, sd)
        whole = sound + (1.0 - own) * floor_law(value - x, sd)
        node[time] *= whole
        terms.append((time, sound / whole))
    kernels = [
        normal(x[:, None] - x, drift * math.sqrt(later - earlier)) * step
        for earlier, later in pairwise(times)
    ]
    before, after = [np.ones_like(node[times[0]])], [np.ones_like(node[times[0]])]
    for k, kernel in enumerate(kernels):
        before.append((before[-1] * node[times[k]]) @ kernel)
    for k in range(len(kernels) - 1, -1, -1):
        after.insert(0, (after[0] * node[times[k + 1]]) @ kernels[k])
    smoothed = {time: weights * before[k] * node[time] * after[k] for k, time in enumerate(times)}
    density = smoothed[asked].sum(axis=0)
    total = density.sum() * step
    soundness = [float((smoothed[time] * part).sum() * step / total) for time, part in terms]
    return x, density / total, math.log(total), soundness


MIXED = [(0, 1.0, 0.8, None), (0, 3.5, 1.0, 0.7), (4, 2.0, 0.6, None), (9, 9.0, 1.2, None)]


@pytest.mark.parametrize("asked", [0, 2, 4, 9, 12])
@pytest.mark.parametrize("drift", [0.4, 2.0])
def test_mixtures_against_brute_force(asked: int, drift: float) -> None:
    claims = [
        Claim(Source(f"s{k}", reliability=r), Estimate(value, sd=sd), date=day(time))
        for k, (time, value, sd, r) in enumerate(MIXED)
    ]
    found = one(claims, drift=drift, as_of=day(asked), prior=priors.Normal(0.0, 4.0))
    x, density, log_evidence, soundness = brute(MIXED, drift, asked)
    step = x[1] - x[0]
    assert found.posterior.mean() == pytest.approx(float((x * density).sum() * step), abs=1e-8)
    some = slice(450, 650, 10)
    assert found.posterior.pdf(x[some]) == pytest.approx(density[some], rel=1e-8, abs=1e-10)
    assert found.log_evidence == pytest.approx(log_evidence, abs=1e-8)
    assert [c.soundness for c in found.claims] == pytest.approx(soundness, abs=1e-8)


def test_unknown_reliability_is_one_for_all_dates() -> None:
    """The mean of p from evidences at fixed p."""
    claims = [
        Claim(f"s{k}", Estimate(value, sd=sd), date=day(time))
        for k, (time, value, sd, _) in enumerate(MIXED)
    ]
    prior, drift = priors.Normal(0.0, 4.0), 0.7
    found = one(claims, drift=drift, prior=prior)
    nodes, weights = leggauss(12)
    p = 0.5 * (nodes + 1.0)
    logs = [
        one(claims, drift=drift, prior=prior, model=Model(unknown_reliability=float(each)))
        for each in p
    ]
    evidence = np.exp([result.log_evidence or 0.0 for result in logs]) * weights
    assert found.reliability is not None
    assert found.reliability.mean() == pytest.approx(float(evidence @ p / evidence.sum()), abs=1e-8)


def test_scatter_is_one_for_all_dates() -> None:
    claims = [
        Claim(f"s{k}", Estimate(value, sd=sd), date=day(time))
        for k, (time, value, sd, _) in enumerate(MIXED)
    ]
    prior, drift, scale = priors.Normal(0.0, 4.0), 0.7, 0.8
    model = Model(unsound=Wide(8), heterogeneity=priors.HalfNormal(scale))
    found = one(claims, drift=drift, prior=prior, model=model)
    nodes, weights = leggauss(20)
    tau = 3.5 * (nodes + 1.0) * scale
    density = np.exp(-0.5 * (tau / scale) ** 2) * weights
    # At a given tau it is part of every stated sd.
    each = [
        one(
            [
                Claim(claim.source, Estimate(float(v), sd=math.hypot(sd, t)), date=claim.date)
                for claim, (_, v, sd, _) in zip(claims, MIXED, strict=True)
            ],
            drift=drift,
            prior=prior,
            model=Model(unsound=Wide(8)),
        )
        for t in tau
    ]
    weight = density * np.exp([result.log_evidence or 0.0 for result in each])
    weight /= weight.sum()
    assert found.posterior.mean() == pytest.approx(
        float(weight @ [result.posterior.mean() for result in each]), abs=1e-7
    )
    assert found.posterior.cdf(6.0) == pytest.approx(
        float(weight @ [result.posterior.cdf(6.0) for result in each]), abs=1e-7
    )
    assert found.heterogeneity is not None
    assert found.heterogeneity.mean() == pytest.approx(float(weight @ tau), abs=1e-7)
    assert [c.soundness for c in found.claims] == pytest.approx(
        list(weight @ [[c.soundness for c in result.claims] for result in each]), abs=1e-7
    )


# ------------------------------------------------------------------ nothing moves, all moves


def many_forms() -> list[Claim]:
    return [
        Claim(Source("a", reliability=0.8), Estimate(10, sd=1), date=day(0)),
        Claim("b", Estimate(14, low=12, high=19, level=0.9), date=day(5), origin="x"),
        Claim("c", Range(9, 13), date=day(5)),
        Claim(Source("d", interest=1), AtLeast(11), date=day(9), origin="x"),
        Claim("e", Quantiles({0.1: 8, 0.5: 12, 0.9: 20})),
        Claim("f", "about 30", date=day(9)),
    ]


@pytest.mark.parametrize(
    ("model", "prior"),
    [
        (Model(), None),
        (Model(), priors.LogNormal(12, 1)),
        (Model(unsound=Floor(20), unknown_reliability=priors.Beta(3, 2)), priors.Uniform(5, 40)),
        (Model(unsound=Void()), priors.IntrinsicRange(0.1)),
        (Model(unsound=Void(), dependence=0.3), priors.LogNormal(12, 1)),
    ],
)
def test_with_hardly_any_drift_it_is_as_if_nothing_moved(
    model: Model, prior: priors.QuantityPrior | None
) -> None:
    still = one(many_forms(), scale="log", model=model, prior=prior)
    moving = one(many_forms(), scale="log", model=model, prior=prior, drift=1e-7)
    assert moving.estimate == pytest.approx(still.estimate, rel=1e-8)
    assert moving.interval(0.9) == pytest.approx(still.interval(0.9), rel=1e-7)
    if still.log_evidence is not None:
        assert moving.log_evidence == pytest.approx(still.log_evidence, abs=1e-7)
    for own, other in zip(moving.claims, still.claims, strict=True):
        assert own.soundness == pytest.approx(other.soundness, abs=1e-7)
        assert own.tail == pytest.approx(other.tail, abs=1e-7, nan_ok=True)
        assert own.influence.divergence == pytest.approx(other.influence.divergence, abs=1e-6)
        assert own.influence.shift == pytest.approx(other.influence.shift, abs=1e-6)
        assert math.isnan(own.weight)
    expected = pytest.approx(still.conflict.Q, rel=1e-6)
    assert expected == moving.conflict.Q
    assert moving.reliability is not None
    assert still.reliability is not None
    assert moving.reliability.mean() == pytest.approx(still.reliability.mean(), abs=1e-7)


def test_with_scatter_and_hardly_any_drift() -> None:
    model = Model(heterogeneity=priors.HalfNormal(1.0))
    claims = [
        Claim("a", Estimate(10, sd=1), date=day(0)),
        Claim("b", Estimate(13, sd=1), date=day(8)),
    ]
    still, moving = (one(claims, model=model, drift=drift) for drift in (0.0, 1e-6))
    assert moving.interval(0.9) == pytest.approx(still.interval(0.9), abs=1e-7)
    assert moving.predictive.interval(0.9) == pytest.approx(
        still.predictive.interval(0.9), abs=1e-6
    )
    for own, other in zip(moving.claims, still.claims, strict=True):
        assert own.tail == pytest.approx(other.tail, abs=1e-7)
        assert own.influence.shift == pytest.approx(other.influence.shift, abs=1e-6)
    assert moving.conflict.log_bayes_factor == pytest.approx(still.conflict.log_bayes_factor)


def test_without_drift_dates_only_supersede() -> None:
    undated = [Claim(claim.source, claim.statement, origin=claim.origin) for claim in many_forms()]
    dated = one(many_forms(), scale="log", as_of=day(3))
    assert dated.interval() == one(undated, scale="log").interval()
    assert dated.as_of == day(3)
    found = over_time(many_forms(), scale="log", dates=[day(1), day(2)], drift=0.0)
    assert [result.interval() for result in found.values()] == [dated.interval()] * 2


def test_with_a_large_drift_other_dates_say_nothing() -> None:
    claims = [
        Claim(Source("a", reliability=0.8), Estimate(10, sd=1), date=day(0)),
        Claim(Source("b", reliability=0.9), Estimate(20, sd=1), date=day(0)),
        Claim(Source("c", reliability=0.6), Estimate(50, sd=1), date=day(1)),
    ]
    alone = one(claims[:2])
    found = one(claims, drift=1e7, as_of=day(0))
    assert found.interval(0.8) == pytest.approx(alone.interval(0.8), abs=1e-4)
    assert [c.soundness for c in found.claims[:2]] == pytest.approx(
        [c.soundness for c in alone.claims], abs=1e-5
    )


# ------------------------------------------------------------------ superseding


def test_a_newer_claim_supersedes_the_older_one_of_its_source() -> None:
    claims = [
        Claim("a", Estimate(10, sd=1), date=day(0)),
        Claim("b", Estimate(12, sd=1), date=day(3)),
        Claim("a", Estimate(14, sd=1), date=day(5)),
        Claim("a", Estimate(11, sd=1), date=day(1), origin="another report"),
    ]
    found = one(claims)
    assert found.claims[0].dropped == "superseded by its source's of 2024-01-06"
    assert (found.claims[0].weight, found.claims[0].share) == (0.0, 0.0)
    assert [c.dropped for c in found.claims[1:]] == [None] * 3
    assert found.interval() == one(claims[1:]).interval()
    assert "superseded by its source's of 2024-01-06" in str(found)
    both = one(claims, supersede=False)
    assert [c.share for c in both.claims] == [0.5, 1.0, 0.5, 1.0]


def test_undated_claims_are_of_the_day_that_is_asked_for() -> None:
    claims = [
        Claim("a", Estimate(10, sd=1)),
        Claim("a", Estimate(14, sd=1), date=day(5)),
        Claim("b", Estimate(12, sd=1), date=day(9)),
    ]
    # As of the latest date, 9, the undated claim is the newer one.
    assert one(claims).claims[1].dropped == "superseded by an undated one of the same source"
    assert one(claims, as_of=day(2)).claims[0].dropped == "superseded by its source's of 2024-01-06"
    moved = one(claims, as_of=day(2), drift=0.5, supersede=False)
    dated = [Claim("a", Estimate(10, sd=1), date=day(2)), *claims[1:]]
    assert moved.interval() == one(dated, as_of=day(2), drift=0.5, supersede=False).interval()


def test_claims_of_one_day_do_not_supersede_each_other() -> None:
    claims = [Claim("a", Estimate(value, sd=1), date=day(0)) for value in (10, 14)]
    assert [c.dropped for c in one(claims).claims] == [None, None]


# ------------------------------------------------------------------ properties


DATED = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.floats(-20, 20),
        st.floats(0.1, 5),
        st.sampled_from([None, 0.3, 0.8, 1.0]),
    ),
    min_size=1,
    max_size=4,
)


def claims_of(records: list[tuple[int, float, float, float | None]]) -> list[Claim]:
    return [
        Claim(Source(f"s{k}", reliability=r), Estimate(value, sd=sd), date=day(number))
        for k, (number, value, sd, r) in enumerate(records)
    ]


def assert_same(one_result: Combination, other: Combination, rel: float = 1e-7) -> None:
    ends, others = one_result.interval(0.8), other.interval(0.8)
    width = others[1] - others[0]
    assert ends == pytest.approx(others, abs=rel * width)


@settings(max_examples=12, deadline=None)
@given(DATED, st.floats(0.01, 3.0), st.randoms(use_true_random=False))
def test_order_copies_and_shifts_do_not_matter(
    records: list[tuple[int, float, float, float | None]], drift: float, random: Any
) -> None:
    prior = priors.Normal(0.0, 10.0)
    claims = claims_of(records)
    result = one(claims, drift=drift, prior=prior)
    assert result.error < 1e-7
    shuffled = list(claims)
    random.shuffle(shuffled)
    assert_same(one(shuffled, drift=drift, prior=prior), result, rel=1e-9)
    copy = Claim("echo", claims[0].statement, date=claims[0].date, origin=claims[0].source.name)
    reliability = records[0][3]
    if reliability is not None and reliability >= 0.5:
        again = one([*claims, copy], drift=drift, prior=prior)
        assert again.claims[-1].dropped == f"repeats {claims[0].source.name}"
        assert_same(again, result, rel=1e-9)
    moved = claims_of([(number, value + 100.0, sd, r) for number, value, sd, r in records])
    shifted = one(moved, drift=drift, prior=priors.Normal(100.0, 10.0))
    assert shifted.estimate - 100.0 == pytest.approx(result.estimate, abs=1e-7)


@settings(max_examples=8, deadline=None)
@given(DATED, st.floats(0.01, 3.0), st.integers(-5, 50))
def test_every_date_of_a_series_is_the_combination_of_that_date(
    records: list[tuple[int, float, float, float | None]], drift: float, asked: int
) -> None:
    prior = priors.Normal(0.0, 10.0)
    claims = claims_of(records)
    series = over_time(claims, dates=[day(asked), day(60)], drift=drift, prior=prior)
    alone = one(claims, as_of=day(asked), drift=drift, prior=prior, supersede=False)
    assert_same(series[day(asked)], alone)
    assert series[day(asked)].as_of == day(asked)


def test_the_same_words_on_two_days_say_two_things() -> None:
    claims = [Claim("a", Estimate(10, sd=1), date=day(number)) for number in (0, 20)]
    found = one(claims, drift=0.5, supersede=False)
    assert [c.share for c in found.claims] == [0.5, 0.5]
    # Of one day they are one.
    assert [c.share for c in one(claims, supersede=False).claims] == [1.0, 0.0]


def test_an_origin_left_out() -> None:
    claims = claims_of(MIXED)
    found = one(claims, drift=0.7)
    for k, claim in enumerate(found.claims):
        rest = one(
            [other for j, other in enumerate(claims) if j != k], drift=0.7, as_of=found.as_of
        )
        assert claim.influence.shift == pytest.approx(found.estimate - rest.estimate, abs=1e-8)


# ------------------------------------------------------------------ results as data and text


def test_a_result_is_written_and_read_back() -> None:
    claims = [
        Claim("a", Estimate(10, sd=1), date=day(0)),
        Claim("a", Estimate(12, sd=1), date=day(9)),
        Claim("b", Estimate(15, sd=2)),
    ]
    found = one(claims, drift=0.3, as_of=day(4), supersede=False)
    data = found.to_dict()
    assert data["dates"] == {"as_of": "2024-01-05", "drift": 0.3, "supersede": False}
    again = Combination.from_dict(data)
    assert again.interval() == found.interval()
    old = one(claims).to_dict()
    del old["dates"]
    assert isinstance(Combination.from_dict(old), Combination)


def test_several_quantities() -> None:
    claims = [
        Claim("a", Estimate(10, sd=1), quantity="q", date=day(0)),
        Claim("a", Estimate(100, sd=1), quantity="r", date=day(8)),
    ]
    found: Any = combine_over_time(claims, dates=[day(8)], drift=0.5)
    assert list(found) == ["q", "r"]
    # One day is asked for, whichever the quantity.
    both: Any = combine(claims, drift=0.5)
    assert both["q"].as_of == day(8)
    assert both["q"].interval() == pytest.approx(found["q"][day(8)].interval())


# ------------------------------------------------------------------ bad input


A, B = Claim("a", Estimate(10, sd=1), date=day(0)), Claim("b", Estimate(12, sd=1), date=day(5))
UNDATED = Claim("a", Estimate(10, sd=1))
SOUND = Source("a", reliability=1.0)


#: Wrong calls on purpose.
loose: Any = combine
loose_over_time: Any = combine_over_time


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: loose([A, B], drift=-0.1), InvalidValueError, "drift must be 0 or more"),
        (lambda: loose([A, B], drift=math.inf), InvalidValueError, "drift must be finite"),
        (lambda: loose([A, B], drift=math.nan), InvalidValueError, "drift must be 0 or more"),
        (lambda: loose([A, B], drift="fast"), WrongTypeError, "drift must be a number"),
        (lambda: loose([A, B], drift=True), WrongTypeError, "drift must be a number"),
        (
            lambda: loose([UNDATED], drift=0.1),
            InvalidValueError,
            "no claim has one; give Claim(..., date=...)",
        ),
        (
            lambda: loose([A], as_of="soon"),
            InvalidValueError,
            "as_of must be a day such as 2024-10-24 (got 'soon')",
        ),
        (
            lambda: loose([A], as_of=5),
            WrongTypeError,
            "as_of must be a datetime.date or an ISO text (got 5)",
        ),
        (lambda: loose([A], supersede="no"), WrongTypeError, "supersede must be True or False"),
        (
            lambda: loose([A, B], drift=0.1, correlation=np.eye(2)),
            InvalidValueError,
            "correlation and drift do not go together",
        ),
        (
            lambda: loose([A, B], drift=0.1, zero=0.2, prior=priors.Normal(0, 9)),
            InvalidValueError,
            "drift does not go together with zero=",
        ),
        (
            lambda: loose([A, Claim("c", Present(), date=day(1))], drift=0.1),
            InvalidValueError,
            "or with claims that there is something or nothing",
        ),
        (
            lambda: loose([A, B], drift=0.1, model=Model(shared=0.5)),
            InvalidValueError,
            "leave one of them out",
        ),
        (
            lambda: loose([A, B], drift=0.1, model=Model(unsound=Void())),
            ReliabilityError,
            "a flat prior leaves no posterior",
        ),
        (
            lambda: loose([Claim(SOUND, AtLeast(5, excess=math.inf), date=day(0))], drift=0.1),
            ReliabilityError,
            "nothing bounds the quantity from above",
        ),
        (
            lambda: loose_over_time([A, B], dates=[], drift=0.1),
            InvalidValueError,
            "dates is empty",
        ),
        (
            lambda: loose_over_time([A, B], dates="2024-01-01", drift=0.1),
            WrongTypeError,
            "dates must be a list of days",
        ),
        (
            lambda: loose_over_time([A, B], dates=[day(3), day(1)], drift=0.1),
            InvalidValueError,
            "dates[1] is 2024-01-02, after 2024-01-04; sort them",
        ),
        (
            lambda: loose_over_time([A, B], dates=[day(3), day(3)], drift=0.1),
            InvalidValueError,
            "give each once",
        ),
        (
            lambda: loose_over_time([A, B], dates=["2024-01-01", "x"], drift=0.1),
            InvalidValueError,
            "dates[1] must be a day",
        ),
        (
            lambda: loose_over_time([A, B], dates=[day(3)], drift=-1),
            InvalidValueError,
            "drift must be 0 or more",
        ),
        (
            lambda: loose_over_time([UNDATED], dates=[day(3)], drift=1.0),
            InvalidValueError,
            "no claim has one",
        ),
        (
            lambda: loose_over_time([A, B], dates=[day(3)], drift=1.0, hindsight=1),
            WrongTypeError,
            "hindsight must be True or False",
        ),
        (
            lambda: loose_over_time([B], dates=[day(3)], drift=1.0, hindsight=False),
            InvalidValueError,
            "nothing had been claimed by 2024-01-04; begin on 2024-01-06",
        ),
    ],
)
def test_bad_input(call: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert words in str(caught.value)
