"""What must hold whatever the claims: invariances, limits, and consistency of the results."""

from __future__ import annotations

import copy
import json
import math
import pickle
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from reliability import (
    AtLeast,
    AtMost,
    Claim,
    Combination,
    Estimate,
    Floor,
    Heavy,
    Model,
    Posterior,
    Quantiles,
    Range,
    Source,
    Void,
    Wide,
    combine,
    priors,
    strategies,
)
from reliability.errors import NoPosteriorError, ReliabilityError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reliability.claims.statements import Statement
    from reliability.scales import ScaleName

LEVELS = np.array([0.001, 0.025, 0.1, 0.3, 0.5, 0.7, 0.9, 0.975, 0.999])
UNSOUND = (Floor(), Floor(8.0), Wide(4.0), Heavy(6.0, 2.0))


def settled(count: int) -> settings:
    return settings(deadline=None, max_examples=count)


def one(claims: Iterable[Claim], **options: Any) -> Combination:
    result = combine(claims, **options)
    assert isinstance(result, Combination)
    return result


def or_reject(claims: Iterable[Claim], **options: Any) -> Combination:
    """Combine, and reject examples that have no posterior."""
    try:
        return one(claims, **options)
    except NoPosteriorError:
        return reject()


def same(
    first: Posterior,
    second: Posterior,
    change: Callable[[Any], Any] = lambda value: value,
    *,
    tolerance: float = 1e-9,
    mirrored: bool = False,
) -> None:
    """Both give the same probabilities at the first one's quantiles, mapped by ``change``."""
    values = np.asarray(first.ppf(LEVELS))
    moved = np.asarray(change(values))
    found = second.sf(moved) if mirrored else second.cdf(moved)
    # A quantile is known to a few units in its last place.
    rounding = np.asarray(second.pdf(moved)) * 16.0 * np.spacing(np.abs(moved))
    rounding += np.asarray(first.pdf(values)) * 16.0 * np.spacing(np.abs(values))
    assert np.all(np.abs(found - LEVELS) <= tolerance + rounding), (found, LEVELS)


def numbers(result: Combination) -> dict[str, Any]:
    """Every number that a result gives, as plain data without nan."""
    data: dict[str, Any] = json.loads(json.dumps(result.to_dict()["result"], allow_nan=False))
    return data


# ------------------------------------------------------------------ claims to draw

reliabilities = st.none() | st.floats(0.0, 1.0) | st.just(1.0)
values = st.floats(-20.0, 20.0)
sds = st.floats(0.05, 5.0)


@st.composite
def normal_claims(
    draw: st.DrawFn, smallest: int = 1, largest: int = 5, reliability: Any = reliabilities
) -> list[Claim]:
    """Estimates with sds on the linear scale, each by a source of its own."""
    count = draw(st.integers(smallest, largest))
    return [
        Claim(
            Source(
                f"source {i}",
                reliability=draw(reliability),
                interest=draw(st.sampled_from((0, 0, -1, 1))),
                bias=draw(st.just(0.0) | st.floats(-1.0, 1.0)),
                bias_sd=draw(st.just(0.0) | st.floats(0.0, 1.0)),
                overconfidence=draw(st.just(1.0) | st.floats(0.5, 3.0)),
            ),
            Estimate(draw(values), sd=draw(sds)),
        )
        for i in range(count)
    ]


@st.composite
def stated(draw: st.DrawFn, positive: bool = False) -> Statement:
    """Statements that carry their own uncertainty."""
    base = st.floats(0.5, 50.0) if positive else values
    kind = draw(st.sampled_from(("sd", "interval", "quantiles")))
    if kind == "sd":
        value = draw(base)
        return Estimate(value, sd=draw(st.floats(0.05, 1.0)) * (value if positive else 5.0))
    ends = sorted(draw(st.lists(base, min_size=3, max_size=3)))
    assume(min(b - a for a, b in pairwise(ends)) > 0.02)
    if kind == "interval":
        level = draw(st.sampled_from((0.5, 0.68, 0.9)))
        return Estimate(ends[1], low=ends[0], high=ends[2], level=level)
    return Quantiles({0.1: ends[0], 0.5: ends[1], 0.9: ends[2]})


@st.composite
def stated_claims(draw: st.DrawFn, positive: bool = False) -> list[Claim]:
    count = draw(st.integers(1, 4))
    return [
        Claim(
            Source(
                f"source {i}",
                reliability=draw(reliabilities),
                interest=draw(st.sampled_from((0, 0, -1, 1))),
                overconfidence=draw(st.just(1.0) | st.floats(0.5, 3.0)),
            ),
            draw(stated(positive)),
            origin=draw(st.none() | st.sampled_from("ab")),
        )
        for i in range(count)
    ]


def transformed(statement: Statement, change: Callable[[float], float]) -> Statement:
    """The statement in other units, ``change`` being linear and increasing."""
    if isinstance(statement, Quantiles):
        return Quantiles({p: change(q) for p, q in statement.mapping})
    assert isinstance(statement, Estimate)
    value = change(statement.value)
    if statement.sd is not None:
        return Estimate(value, sd=change(statement.sd) - change(0.0))
    assert statement.low is not None
    assert statement.high is not None
    return Estimate(
        value, low=change(statement.low), high=change(statement.high), level=statement.level
    )


def with_statement(claim: Claim, statement: Statement) -> Claim:
    return attrs.evolve(claim, statement=statement)


# ------------------------------------------------------------------ order


def check_order(claims: list[Claim], order: list[int], **options: Any) -> None:
    first = or_reject(claims, **options)
    second = one([claims[i] for i in order], **options)
    same(first.posterior, second.posterior)
    for i, there in enumerate(order):
        a, b = second.claims[i], first.claims[there]
        assert a.claim == b.claim
        assert a.share == b.share
        assert a.weight == pytest.approx(b.weight, abs=1e-8)
        assert a.soundness == pytest.approx(b.soundness, abs=1e-8, nan_ok=True)
        assert a.influence.divergence == pytest.approx(
            b.influence.divergence, rel=1e-6, abs=1e-8, nan_ok=True
        )
        width = float(np.diff(first.interval(0.68))[0])
        assert a.influence.shift == pytest.approx(
            b.influence.shift, abs=1e-7 * width, rel=1e-7, nan_ok=True
        )
        assert a.tail == pytest.approx(b.tail, abs=1e-8, nan_ok=True)


@settled(40)
@given(st.data(), stated_claims(), st.sampled_from(UNSOUND))
def test_order_of_claims_is_irrelevant(data: st.DataObject, claims: list[Claim], kind: Any) -> None:
    order = data.draw(st.permutations(range(len(claims))))
    check_order(claims, order, model=Model(unsound=kind))


@settled(25)
@given(st.data(), st.lists(strategies.claims(scale="logit"), min_size=2, max_size=4))
def test_order_of_any_claims_is_irrelevant(data: st.DataObject, claims: list[Claim]) -> None:
    assume(len(set(claims)) == len(claims))
    order = data.draw(st.permutations(range(len(claims))))
    with_prior = {"scale": "logit", "prior": priors.Beta(1.0, 1.0)}
    try:
        first = one(claims, **with_prior)
    except ReliabilityError:
        reject()
    second = one([claims[i] for i in order], **with_prior)
    same(first.posterior, second.posterior)
    assert [second.claims[order.index(i)].share for i in range(len(claims))] == [
        claim.share for claim in first.claims
    ]


@settled(15)
@given(st.data(), normal_claims(2, 4), st.floats(0.1, 1.0))
def test_order_is_irrelevant_under_void(
    data: st.DataObject, claims: list[Claim], overshoot: float
) -> None:
    order = data.draw(st.permutations(range(len(claims))))
    check_order(claims, order, model=Model(unsound=Void(), prior=priors.IntrinsicRange(overshoot)))


# ------------------------------------------------------------------ units


def check_records(first: Combination, second: Combination, factor: float) -> None:
    width = float(np.diff(first.interval(0.68))[0])
    for a, b in zip(first.claims, second.claims, strict=True):
        assert b.weight == pytest.approx(a.weight, abs=1e-7)
        assert b.soundness == pytest.approx(a.soundness, abs=1e-7)
        assert b.tail == pytest.approx(a.tail, abs=1e-7, nan_ok=True)
        assert b.influence.divergence == pytest.approx(
            a.influence.divergence, rel=1e-6, abs=1e-7, nan_ok=True
        )
        assert b.influence.shift / factor == pytest.approx(
            a.influence.shift, abs=1e-6 * width, nan_ok=True
        )


@settled(40)
@given(
    stated_claims(),
    st.floats(1e-3, 1e3),
    st.floats(-100.0, 100.0),
    st.sampled_from(UNSOUND),
    st.none() | st.tuples(values, st.floats(1.0, 20.0)),
)
def test_linear_claims_in_other_units(
    claims: list[Claim], factor: float, shift: float, kind: Any, prior: tuple[float, float] | None
) -> None:
    def change(value: float) -> float:
        return factor * (value + shift)

    model = Model(unsound=kind)
    before = None if prior is None else priors.Normal(*prior)
    after = None if prior is None else priors.Normal(change(prior[0]), factor * prior[1])
    moved = [
        attrs.evolve(
            with_statement(claim, transformed(claim.statement, change)),
            source=attrs.evolve(claim.source, bias=factor * claim.source.bias),
        )
        for claim in claims
    ]
    first = or_reject(claims, model=model, prior=before)
    second = one(moved, model=model, prior=after)
    same(first.posterior, second.posterior, change, tolerance=1e-8)
    check_records(first, second, factor)


@settled(30)
@given(stated_claims(positive=True), st.floats(1e-3, 1e3), st.sampled_from(UNSOUND))
def test_log_claims_in_other_units(claims: list[Claim], factor: float, kind: Any) -> None:
    moved = [
        with_statement(claim, transformed(claim.statement, lambda value: factor * value))
        for claim in claims
    ]
    options: dict[str, Any] = {"model": Model(unsound=kind), "scale": "log"}
    first = or_reject(claims, prior=priors.LogNormal(5.0, 3.0), **options)
    second = one(moved, prior=priors.LogNormal(factor * 5.0, 3.0), **options)
    same(first.posterior, second.posterior, lambda value: factor * value, tolerance=1e-8)
    check_records(first, second, factor)
    assert first.log_evidence is not None
    assert second.log_evidence == pytest.approx(first.log_evidence, abs=1e-8)


@settled(25)
@given(normal_claims(1, 5, st.just(1.0)), st.floats(1e-3, 1e3), st.floats(0.1, 3.0))
def test_scatter_in_other_units(claims: list[Claim], factor: float, tau: float) -> None:
    moved = [
        Claim(
            attrs.evolve(
                claim.source,
                bias=factor * claim.source.bias,
                bias_sd=factor * claim.source.bias_sd,
            ),
            transformed(claim.statement, lambda value: factor * value),
        )
        for claim in claims
    ]
    first = one(claims, model=Model.random_effects(priors.HalfCauchy(tau)))
    second = one(moved, model=Model.random_effects(priors.HalfCauchy(factor * tau)))
    same(first.posterior, second.posterior, lambda value: factor * value)
    assert first.heterogeneity is not None
    assert second.heterogeneity is not None
    same(first.heterogeneity, second.heterogeneity, lambda value: factor * value)
    same(first.predictive, second.predictive, lambda value: factor * value)


# ------------------------------------------------------------------ the log scale


def logged(statement: Statement) -> Statement:
    if isinstance(statement, Quantiles):
        return Quantiles({p: math.log(q) for p, q in statement.mapping})
    assert isinstance(statement, Estimate)
    value = math.log(statement.value)
    if statement.sd is not None:
        return Estimate(value, sd=statement.sd / statement.value)
    assert statement.low is not None
    assert statement.high is not None
    return Estimate(
        value, low=math.log(statement.low), high=math.log(statement.high), level=statement.level
    )


@settled(40)
@given(stated_claims(positive=True), st.sampled_from((*UNSOUND, Void())))
def test_log_scale_is_the_linear_scale_on_logarithms(claims: list[Claim], kind: Any) -> None:
    model = Model(unsound=kind)
    on_log = or_reject(claims, model=model, scale="log", prior=priors.LogNormal(5.0, 2.0))
    on_linear = one(
        [with_statement(claim, logged(claim.statement)) for claim in claims],
        model=model,
        prior=priors.Normal(math.log(5.0), 2.0),
    )
    same(on_log.posterior, on_linear.posterior, np.log)
    check_records_of_logs(on_log, on_linear)
    assert on_linear.log_evidence is not None
    assert on_log.log_evidence == pytest.approx(on_linear.log_evidence, abs=1e-8)


def check_records_of_logs(first: Combination, second: Combination) -> None:
    for a, b in zip(first.claims, second.claims, strict=True):
        assert b.weight == pytest.approx(a.weight, abs=1e-7)
        assert b.soundness == pytest.approx(a.soundness, abs=1e-7)
        assert b.influence.divergence == pytest.approx(
            a.influence.divergence, rel=1e-6, abs=1e-7, nan_ok=True
        )


# ------------------------------------------------------------------ repeats and silence


@settled(30)
@given(st.data(), stated_claims(), st.floats(0.0, 1.0))
def test_copies_of_a_report_change_nothing(
    data: st.DataObject, claims: list[Claim], fraction: float
) -> None:
    claims = [attrs.evolve(c, origin=c.origin or f"of {c.source}") for c in claims]
    original = data.draw(st.sampled_from(claims))
    known = original.source.reliability
    unknown = Model().unknown_reliability
    assert isinstance(unknown, priors.Beta)
    lower = fraction * (unknown.mean if known is None else known)
    assume(lower < (unknown.mean if known is None else known))
    echo = attrs.evolve(original, source=Source("an echo", reliability=lower))
    place = data.draw(st.integers(0, len(claims)))
    first = or_reject(claims)
    second = one([*claims[:place], echo, *claims[place:]])
    same(first.posterior, second.posterior, tolerance=1e-10)
    repeated = second.claims[place]
    assert repeated.weight == 0.0
    assert repeated.dropped is not None
    assert repeated.dropped.startswith("repeats ")
    others = [claim for i, claim in enumerate(second.claims) if i != place]
    for a, b in zip(first.claims, others, strict=True):
        assert a.weight == pytest.approx(b.weight, abs=1e-12)
        assert a.share == b.share


def test_a_copy_under_its_own_name_does_change_something() -> None:
    claims = [
        Claim(Source("a", reliability=0.7), Estimate(1.0, sd=1.0)),
        Claim(Source("b", reliability=0.7), Estimate(4.0, sd=1.0)),
    ]
    echo = Claim(Source("c", reliability=0.7), Estimate(4.0, sd=1.0))
    assert one([*claims, echo]).estimate > one(claims).estimate + 0.1


@settled(30)
@given(
    st.data(),
    normal_claims(1, 4),
    st.sampled_from(
        (priors.IntrinsicRange(0.2), priors.Normal(0.0, 30.0), priors.Uniform(-99, 99))
    ),
    stated(),
)
def test_reliability_zero_under_void_changes_nothing(
    data: st.DataObject, claims: list[Claim], prior: Any, statement: Statement
) -> None:
    liar = Claim(Source("liar", reliability=0.0), statement)
    place = data.draw(st.integers(0, len(claims)))
    options: dict[str, Any] = {"model": Model(unsound=Void(), dependence=0.3), "prior": prior}
    first = or_reject(claims, **options)
    second = one([*claims[:place], liar, *claims[place:]], **options)
    same(first.posterior, second.posterior, tolerance=1e-10)
    assert second.log_evidence == pytest.approx(first.log_evidence, abs=1e-10)
    assert second.claims[place].weight == 0.0
    assert second.claims[place].soundness == 0.0
    assert second.claims[place].influence.divergence == 0.0
    assert second.claims[place].influence.shift == 0.0


def test_reliability_zero_under_floor_does_say_something() -> None:
    claims = [
        Claim(Source("a", reliability=0.9), Estimate(0.0, sd=1.0)),
        Claim(Source("b", reliability=0.0), Estimate(3.0, sd=1.0)),
    ]
    assert one(claims).estimate > one(claims[:1]).estimate + 1e-3


# ------------------------------------------------------------------ reliability and soundness


@settled(60)
@given(
    normal_claims(1, 4),
    st.lists(st.floats(0.001, 1.0), min_size=2, max_size=6, unique=True).map(sorted),
    st.sampled_from((*UNSOUND, Void())),
    st.floats(0.0, 1.0),
)
def test_raising_a_reliability_never_lowers_the_soundness(
    claims: list[Claim], steps: list[float], kind: Any, dependence: float
) -> None:
    prior = priors.Normal(0.0, 50.0)
    model = Model(unsound=kind, dependence=dependence)
    found = []
    for r in steps:
        first = attrs.evolve(claims[0].source, reliability=r)
        trusted = attrs.evolve(claims[0], source=first)
        found.append(one([trusted, *claims[1:]], model=model, prior=prior).claims[0].soundness)
    assert np.all(np.diff(found) >= -1e-9), found
    assert all(0.0 <= value <= 1.0 + 1e-12 for value in found)


@settled(20)
@given(stated_claims(positive=True), st.floats(0.05, 0.5), st.floats(0.01, 0.5))
def test_raising_a_reliability_on_the_log_scale(
    claims: list[Claim], low: float, step: float
) -> None:
    found = []
    for r in (low, low + step):
        first = attrs.evolve(claims[0].source, name="alone", reliability=r)
        trusted = attrs.evolve(claims[0], source=first)
        found.append(one([trusted, *claims[1:]], scale="log", prior=priors.LogNormal(5.0, 3.0)))
    before, after = (result.claims[0].soundness for result in found)
    if found[0].claims[0].dropped is None and found[1].claims[0].dropped is None:
        assert after >= before - 1e-9


# ------------------------------------------------------------------ the normal limits


def exact_mean(claims: list[Claim]) -> tuple[float, float]:
    """Inverse-variance mean and sd by exactly rounded sums."""
    weights, products = [], []
    for claim in claims:
        statement, source = claim.statement, claim.source
        assert isinstance(statement, Estimate)
        assert statement.sd is not None
        variance = (source.overconfidence * statement.sd) ** 2 + source.bias_sd**2
        weights.append(1.0 / variance)
        products.append((statement.value - source.bias) / variance)
    return math.fsum(products) / math.fsum(weights), 1.0 / math.sqrt(math.fsum(weights))


@settled(60)
@given(normal_claims(1, 8))
def test_common_effect_is_the_inverse_variance_mean(claims: list[Claim]) -> None:
    result = one(claims, model=Model.common_effect())
    mean, sd = exact_mean(claims)
    assert result.posterior.mean() == pytest.approx(mean, rel=1e-13, abs=1e-12 * sd)
    assert result.posterior.std() == pytest.approx(sd, rel=1e-13)
    assert result.estimate == pytest.approx(mean, rel=1e-13, abs=1e-12 * sd)
    low, high = result.interval(0.95)
    assert (high - low) / (2.0 * sd) == pytest.approx(1.959963984540054, rel=1e-12)
    for record, claim in zip(result.claims, claims, strict=True):
        _, own = exact_mean([claim])
        assert record.weight == pytest.approx((sd / own) ** 2, rel=1e-12)
        assert record.soundness == 1.0


@settled(30)
@given(normal_claims(1, 6, st.just(1.0)), st.sampled_from((*UNSOUND, Void())))
def test_sound_claims_are_the_common_effect_whatever_unsound_ones_are(
    claims: list[Claim], kind: Any
) -> None:
    result = one(claims, model=Model(unsound=kind))
    expected = one(claims, model=Model.common_effect())
    assert numbers(result) == numbers(expected)


@settled(30)
@given(normal_claims(2, 6, st.just(1.0)))
def test_scatter_that_shrinks_leaves_the_common_effect(claims: list[Claim]) -> None:
    mean, sd = exact_mean(claims)
    gaps = []
    for scale in (1e-1, 1e-3, 1e-5):
        model = Model.random_effects(priors.HalfNormal(scale * sd))
        posterior = one(claims, model=model).posterior
        gaps.append(max(abs(posterior.mean() - mean), abs(posterior.std() - sd)) / sd)
    # The difference falls like the square of tau's scale, times what the conflict adds.
    conflict = one(claims, model=Model.common_effect()).conflict.Q
    assert gaps[2] <= 1e-10 * (10.0 + conflict * len(claims)) * 10.0
    assert gaps[2] <= gaps[1] + 1e-12


@settled(40)
@given(normal_claims(2, 6, st.just(1.0)), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_normal_claims_are_narrower_as_dependence_falls(
    claims: list[Claim], first: float, second: float
) -> None:
    low, high = sorted((first, second))
    narrow, wide = (
        one(claims, model=Model.common_effect(), dependence=rho).posterior for rho in (low, high)
    )
    assert narrow.std() <= wide.std() * (1.0 + 1e-14)
    _, sd = exact_mean(claims)
    factor = math.sqrt(1.0 + (len(claims) - 1) * high)
    assert wide.std() == pytest.approx(factor * sd, rel=1e-12)
    # The location stays where it was.
    assert wide.mean() == pytest.approx(narrow.mean(), abs=1e-11 * sd, rel=1e-12)


# ------------------------------------------------------------------ the posterior as a distribution


NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(24)


def integral(function: Callable[[Any], Any], low: float, high: float) -> float:
    """Composite Gauss-Legendre rule, its panels halved until two rules agree."""
    before = math.nan
    for panels in (4, 8, 16, 32, 64, 128, 256, 512):
        edges = np.linspace(low, high, panels + 1)
        half, middle = 0.5 * np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
        values = np.asarray(function(middle[:, None] + half[:, None] * NODES))
        total = float(half @ (values @ NODE_WEIGHTS))
        if abs(total - before) < 1e-10:
            break
        before = total
    return total


def check_distribution(posterior: Posterior) -> None:
    support = posterior.support()
    quantiles = np.asarray(posterior.ppf(LEVELS))
    assert np.all(np.diff(quantiles) > 0.0)
    rounding = np.asarray(posterior.pdf(quantiles)) * 8.0 * np.spacing(np.abs(quantiles))
    assert np.all(np.abs(posterior.cdf(quantiles) - LEVELS) <= 1e-10 + rounding)
    assert np.all(np.abs(posterior.sf(quantiles) - (1.0 - LEVELS)) <= 1e-10 + rounding)
    both = np.asarray(posterior.cdf(quantiles)) + posterior.sf(quantiles)
    assert both == pytest.approx(1.0, abs=1e-12)
    assert np.asarray(posterior.isf(1.0 - LEVELS)) == pytest.approx(quantiles, rel=1e-9, abs=1e-12)
    assert np.exp(posterior.logpdf(quantiles)) == pytest.approx(
        np.asarray(posterior.pdf(quantiles)), rel=1e-13
    )
    assert posterior.cdf(support[0]) == 0.0
    assert posterior.cdf(support[1]) == 1.0
    # The density is the derivative of the distribution function: integrate between quantiles.
    for low, high, mass in zip(quantiles, quantiles[1:], np.diff(LEVELS), strict=False):
        found = integral(posterior.pdf, low, high)
        # The rule of the test does not know where stated quantiles bend the density.
        assert found == pytest.approx(mass, abs=1e-6 + rounding.max())


@settled(12)
@given(stated_claims(), st.sampled_from(UNSOUND))
def test_density_and_distribution_agree(claims: list[Claim], kind: Any) -> None:
    check_distribution(or_reject(claims, model=Model(unsound=kind)).posterior)


@settled(8)
@given(stated_claims(positive=True))
def test_density_and_distribution_agree_on_the_log_scale(claims: list[Claim]) -> None:
    prior = priors.LogNormal(5.0, 2.0)
    check_distribution(or_reject(claims, scale="log", prior=prior).posterior)


@settled(8)
@given(normal_claims(2, 5, st.just(1.0)), st.floats(0.2, 3.0))
def test_density_and_distribution_agree_under_heterogeneity(
    claims: list[Claim], scale: float
) -> None:
    result = one(claims, model=Model.random_effects(priors.HalfCauchy(scale)))
    for posterior in (result.posterior, result.predictive, result.heterogeneity):
        assert posterior is not None
        check_distribution(posterior)
    for record in result.claims:
        assert record.shrunk is not None
        check_distribution(record.shrunk)


@settled(8)
@given(normal_claims(1, 4, st.none()))
def test_density_and_distribution_of_the_unknown_reliability_agree(claims: list[Claim]) -> None:
    reliability = one(claims).reliability
    assert reliability is not None
    check_distribution(reliability)


@settled(30)
@given(
    st.sampled_from(("linear", "log", "logit")),
    st.data(),
    st.integers(0, 2**32),
    st.sampled_from((1, 7, (2, 3), ())),
)
def test_random_values_are_reproducible_and_possible(
    scale: ScaleName, data: st.DataObject, seed: int, size: Any
) -> None:
    claims = data.draw(
        st.lists(
            strategies.claims(scale=scale, forms=("estimate", "range")), min_size=1, max_size=3
        )
    )
    try:
        posterior = one(claims, scale=scale).posterior
    except ReliabilityError:
        reject()
    drawn = posterior.rvs(size, rng=seed)
    np.testing.assert_array_equal(drawn, posterior.rvs(size, rng=np.random.default_rng(seed)))
    assert np.shape(drawn) == ((size,) if isinstance(size, int) else size)
    low, high = posterior.support()
    assert np.all((drawn >= low) & (drawn <= high))


def test_random_values_follow_the_posterior() -> None:
    posterior = one([Claim("a", Estimate(3, sd=1)), Claim("b", Estimate(9, sd=2))]).posterior
    drawn = posterior.rvs(4000, rng=1)
    assert scipy_stats.kstest(np.asarray(posterior.cdf(drawn)), "uniform").pvalue > 1e-3
    assert not np.array_equal(drawn, posterior.rvs(4000, rng=2))


# ------------------------------------------------------------------ weights, evidence, error


@settled(40)
@given(
    st.lists(strategies.claims(scale="log"), min_size=1, max_size=5),
    st.sampled_from(UNSOUND),
    st.floats(0.0, 1.0),
)
def test_any_claims_have_weights_that_sum_to_one(
    claims: list[Claim], kind: Any, dependence: float
) -> None:
    try:
        result = one(
            claims,
            scale="log",
            model=Model(unsound=kind, dependence=dependence),
            prior=priors.LogNormal(1.0, 30.0),
        )
    except ReliabilityError:
        reject()
    weights = [record.weight for record in result.claims]
    assert math.fsum(weights) == pytest.approx(1.0, abs=1e-9)
    assert min(weights) >= 0.0
    assert all(0.0 <= record.soundness <= 1.0 + 1e-12 for record in result.claims)
    assert result.error < 1e-8


@settled(15)
@given(normal_claims(1, 4), st.floats(0.1, 2.0))
def test_weights_under_inflation_sum_to_one(claims: list[Claim], shape: float) -> None:
    result = or_reject(claims, model=Model(inflation=priors.Pareto(1.0 + shape)))
    assert math.fsum(record.weight for record in result.claims) == pytest.approx(1.0, abs=1e-9)
    assert result.error < 1e-7


@settled(30)
@given(normal_claims(2, 6, st.just(1.0)), st.floats(0.2, 3.0))
def test_weights_under_heterogeneity_average_those_given_tau(
    claims: list[Claim], scale: float
) -> None:
    result = one(claims, model=Model.random_effects(priors.HalfNormal(scale)))
    tau = result.heterogeneity
    assert tau is not None
    variance = np.array([exact_mean([claim])[1] ** 2 for claim in claims])
    nodes, node_weights = np.polynomial.legendre.leggauss(100)
    level = 0.5 * (nodes + 1.0)
    at = np.asarray(tau.ppf(level))
    precision = 1.0 / (variance[:, None] + at**2)
    expected = (precision / precision.sum(axis=0)) @ (0.5 * node_weights)
    np.testing.assert_allclose([c.weight for c in result.claims], expected, atol=1e-5)


def normal_evidence(
    claims: list[Claim], prior: tuple[float, float]
) -> tuple[float, tuple[float, float]]:
    """Log evidence and posterior (mean, sd) of sound normal claims under a normal prior."""
    value, variance = prior[0], prior[1] ** 2
    log_evidence = 0.0
    for claim in claims:
        y, s = exact_mean([claim])
        total = variance + s * s
        log_evidence += float(scipy_stats.norm(value, math.sqrt(total)).logpdf(y))
        value += (y - value) * variance / total
        variance = variance * s * s / total
    return log_evidence, (value, math.sqrt(variance))


@settled(40)
@given(normal_claims(1, 6, st.just(1.0)), values, st.floats(1.0, 20.0))
def test_evidence_of_normal_claims_is_their_joint_density(
    claims: list[Claim], mean: float, sd: float
) -> None:
    result = one(claims, model=Model.common_effect(), prior=priors.Normal(mean, sd))
    expected, (center, spread) = normal_evidence(claims, (mean, sd))
    assert result.log_evidence == pytest.approx(expected, rel=1e-11, abs=1e-10)
    assert result.posterior.mean() == pytest.approx(center, rel=1e-11, abs=1e-11)
    assert result.posterior.std() == pytest.approx(spread, rel=1e-11)


@settled(12)
@given(normal_claims(2, 4, st.floats(0.0, 1.0)), st.sampled_from(UNSOUND))
def test_evidence_adds_up_when_the_posterior_is_the_next_prior(
    claims: list[Claim], kind: Any
) -> None:
    model, prior = Model(unsound=kind), priors.Uniform(-40.0, 40.0)
    whole = one(claims, model=model, prior=prior)
    half = one(claims[:1], model=model, prior=prior)
    rest = one(claims[1:], model=model, prior=priors.Density(half.posterior.logpdf, (-40.0, 40.0)))
    same(whole.posterior, rest.posterior, tolerance=1e-8)
    assert half.log_evidence is not None
    assert rest.log_evidence is not None
    assert whole.log_evidence == pytest.approx(half.log_evidence + rest.log_evidence, abs=1e-8)


def test_evidence_exists_only_under_proper_priors() -> None:
    claims = [Claim("a", Estimate(1, sd=1)), Claim("b", Estimate(2, sd=1))]
    assert one(claims).log_evidence is None
    improper = Model.random_effects(priors.Jeffreys())
    assert one(claims, model=improper, prior=priors.Normal(0, 9)).log_evidence is None
    proper = Model.random_effects(priors.HalfNormal(1))
    assert one(claims, model=proper, prior=priors.Normal(0, 9)).log_evidence is not None


# ------------------------------------------------------------------ Void

doubts = st.floats(0.001, 0.999)


@st.composite
def plain_claims(draw: st.DrawFn, reliability: Any, largest: int = 3) -> list[Claim]:
    """Estimates whose sds are neither tiny nor huge beside a prior of sd 10."""
    count = draw(st.integers(1, largest))
    return [
        Claim(
            Source(f"source {i}", reliability=draw(reliability)),
            Estimate(draw(st.floats(-10.0, 10.0)), sd=draw(st.floats(1.0, 5.0))),
        )
        for i in range(count)
    ]


@settled(40)
@given(plain_claims(doubts))
def test_void_is_the_sum_over_who_may_be_sound(claims: list[Claim]) -> None:
    """Expand prod (r S + (1 - r) Z) into all subsets of sound claims, each of them normal."""
    prior = (0.0, 10.0)
    alone = [normal_evidence([claim], prior)[0] for claim in claims]
    logs, parts, sound = [], [], []
    indices = range(len(claims))
    for count in range(len(claims) + 1):
        for chosen in combinations(indices, count):
            log_evidence, part = normal_evidence([claims[i] for i in chosen], prior)
            for i in indices:
                r = claims[i].source.reliability
                assert r is not None
                log_evidence += math.log(r) if i in chosen else math.log1p(-r) + alone[i]
            logs.append(log_evidence)
            parts.append(part)
            sound.append([i in chosen for i in indices])
    weights = np.exp(np.array(logs) - max(logs))
    result = one(claims, model=Model(unsound=Void()), prior=priors.Normal(*prior))
    assert result.log_evidence == pytest.approx(math.log(weights.sum()) + max(logs), abs=1e-9)
    weights /= weights.sum()
    at = np.linspace(-25.0, 25.0, 41)
    expected = sum(
        w * scipy_stats.norm(m, s).cdf(at) for w, (m, s) in zip(weights, parts, strict=True)
    )
    np.testing.assert_allclose(result.posterior.cdf(at), expected, atol=1e-10)
    np.testing.assert_allclose(
        [record.soundness for record in result.claims], weights @ np.array(sound), atol=1e-9
    )


@settled(30)
@given(plain_claims(st.just(1.0)), st.sampled_from((1e-3, 1e-5)))
def test_void_is_the_linear_pool_to_first_order(claims: list[Claim], r: float) -> None:
    prior = priors.Normal(0.0, 10.0)
    doubtful = [attrs.evolve(c, source=attrs.evolve(c.source, reliability=r)) for c in claims]
    pooled = one(doubtful, model=Model(unsound=Void()), prior=prior).posterior
    at = np.linspace(-25.0, 25.0, 41)
    n = len(claims)
    expected = (1.0 - n * r) * scipy_stats.norm(0.0, 10.0).cdf(at)
    for claim in claims:
        single = one([claim], model=Model.common_effect(), prior=prior)
        expected = expected + r * np.asarray(single.posterior.cdf(at))
    # What is left out is of the order r^2 for each pair, times at most the pair's gain in
    # evidence, which the sds of 1 beside a prior sd of 10 keep below 100.
    assert np.max(np.abs(pooled.cdf(at) - expected)) <= 100.0 * n * n * r * r + 1e-11


@settled(20)
@given(st.floats(0.001, 1.0), st.floats(-10.0, 10.0), st.floats(0.5, 5.0))
def test_evidence_of_one_claim_under_void_does_not_depend_on_its_reliability(
    r: float, value: float, sd: float
) -> None:
    claim = Claim(Source("a", reliability=r), Estimate(value, sd=sd))
    result = one([claim], model=Model(unsound=Void()), prior=priors.Normal(1.0, 6.0))
    expected = scipy_stats.norm(1.0, math.hypot(sd, 6.0)).logpdf(value)
    assert result.log_evidence == pytest.approx(float(expected), abs=1e-10)


# ------------------------------------------------------------------ mirror images


def mirror(claim: Claim) -> Claim:
    source = attrs.evolve(claim.source, interest=-claim.source.interest, bias=-claim.source.bias)
    s = claim.statement
    mirrored: Statement
    if isinstance(s, Quantiles):
        mirrored = Quantiles({round(1.0 - p, 12): -q for p, q in s.mapping})
    elif isinstance(s, Range):
        mirrored = Range(-s.high, -s.low)
    elif isinstance(s, AtLeast):
        mirrored = AtMost(-s.value, excess=s.excess)
    elif isinstance(s, AtMost):
        mirrored = AtLeast(-s.value, excess=s.excess)
    elif isinstance(s, Estimate) and s.low is not None and s.high is not None:
        mirrored = Estimate(-s.value, low=-s.high, high=-s.low, level=s.level)
    else:
        assert isinstance(s, Estimate)
        mirrored = Estimate(-s.value, sd=s.sd)
    return attrs.evolve(claim, source=source, statement=mirrored)


@st.composite
def any_linear_statement(draw: st.DrawFn) -> Statement:
    value = draw(st.floats(0.5, 20.0)) * draw(st.sampled_from((-1.0, 1.0)))
    kind = draw(st.sampled_from(("range", "at least", "at most", "bare", "stated", "stated")))
    if kind == "range":
        return Range(value, value + draw(st.floats(0.5, 10.0)))
    if kind == "at least":
        return AtLeast(value, excess=draw(st.sampled_from((None, 0.7, math.inf))))
    if kind == "at most":
        return AtMost(value, excess=draw(st.sampled_from((None, 0.7, math.inf))))
    if kind == "bare":
        return Estimate(round(value, 1))
    return draw(stated())


@settled(50)
@given(
    st.lists(
        st.tuples(
            reliabilities,
            st.sampled_from((-1, 0, 1)),
            st.floats(-1.0, 1.0),
            any_linear_statement(),
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from((*UNSOUND, Void())),
    st.floats(-5.0, 5.0),
)
def test_mirrored_claims_give_the_mirrored_posterior(
    drawn: list[tuple[float | None, int, float, Statement]], kind: Any, middle: float
) -> None:
    claims = [
        Claim(Source(f"source {i}", reliability=r, interest=d, bias=b), statement)
        for i, (r, d, b, statement) in enumerate(drawn)
    ]
    model = Model(unsound=kind)
    first = or_reject(claims, model=model, prior=priors.Normal(middle, 20.0))
    second = one([mirror(c) for c in claims], model=model, prior=priors.Normal(-middle, 20.0))
    same(first.posterior, second.posterior, np.negative, mirrored=True)
    assert second.log_evidence == pytest.approx(first.log_evidence, abs=1e-8)
    for a, b in zip(first.claims, second.claims, strict=True):
        assert a.weight == pytest.approx(b.weight, abs=1e-8)
        assert a.soundness == pytest.approx(b.soundness, abs=1e-8)
        assert a.tail == pytest.approx(b.tail, abs=1e-8, nan_ok=True)


def test_an_interest_pulls_the_estimate_against_it() -> None:
    def estimate(interest: int) -> float:
        return one(
            [
                Claim(Source("a", reliability=0.5, interest=interest), Estimate(10, sd=1)),
                Claim(Source("b", reliability=0.9), Estimate(8, sd=2)),
            ]
        ).estimate

    assert estimate(1) < estimate(0) < estimate(-1)


# ------------------------------------------------------------------ the same numbers again


@settled(25)
@given(st.lists(strategies.claims(scale="log"), min_size=1, max_size=4), st.floats(0.0, 1.0))
def test_combining_again_gives_the_same_numbers(claims: list[Claim], dependence: float) -> None:
    options: dict[str, Any] = {
        "scale": "log",
        "prior": priors.LogNormal(3.0, 20.0),
        "dependence": dependence,
    }
    try:
        result = one(claims, **options)
    except ReliabilityError:
        reject()
    expected = numbers(result)
    assert numbers(one(claims, **options)) == expected
    assert numbers(Combination.from_dict(json.loads(json.dumps(result.to_dict())))) == expected
    for again in (
        pickle.loads(pickle.dumps(result)),  # noqa: S301
        copy.copy(result),
        copy.deepcopy(result),
    ):
        assert numbers(again) == expected
    for posterior in (
        pickle.loads(pickle.dumps(result.posterior)),  # noqa: S301
        copy.copy(result.posterior),
        copy.deepcopy(result.posterior),
    ):
        np.testing.assert_array_equal(posterior.ppf(LEVELS), result.posterior.ppf(LEVELS))
        assert posterior.support() == result.posterior.support()
        assert posterior.mean() == result.posterior.mean() or math.isnan(posterior.mean())


@pytest.mark.parametrize(
    "model",
    [
        Model.reports(),
        Model.measurements(),
        Model.experts(),
        Model.common_effect(),
        Model.random_effects(priors.HalfCauchy(2.0)),
        Model.random_effects(priors.Conventional()),
        Model(unsound=Wide(5), shared=0.5),
        Model(unsound=Void(), prior=priors.Uniform(-50, 50), inflation=priors.Pareto(2)),
    ],
    ids=str,
)
def test_every_kind_of_result_survives_json_and_pickling(model: Model) -> None:
    claims = [
        Claim(Source("a", reliability=0.8, interest=1), Estimate(3, sd=1)),
        Claim("b", Estimate(5, sd=1.5), origin="o"),
        Claim("c", Estimate(9, sd=1), origin="o", credibility=0.4),
    ]
    result = one(claims, model=model)
    expected = numbers(result)
    again = Combination.from_dict(json.loads(json.dumps(result.to_dict(), allow_nan=False)))
    assert numbers(again) == expected
    assert again.model == result.model
    assert again.prior == result.prior
    unpickled = pickle.loads(pickle.dumps(result))  # noqa: S301
    assert numbers(unpickled) == expected
    for name in ("predictive", "heterogeneity", "reliability"):
        before, after = getattr(result, name), getattr(unpickled, name)
        if before is None:
            assert after is None
        else:
            np.testing.assert_array_equal(before.ppf(LEVELS), after.ppf(LEVELS))


def test_json_keeps_a_correlation() -> None:
    claims = [Claim("a", Estimate(3, sd=1)), Claim("b", Estimate(5, sd=1.5))]
    result = one(claims, model=Model.common_effect(), correlation=[[1, 0.5], [0.5, 1]])
    again = Combination.from_dict(json.loads(json.dumps(result.to_dict())))
    assert numbers(again) == numbers(result)
    assert again.estimate != one(claims, model=Model.common_effect()).estimate


# ------------------------------------------------------------------ hard for floating point

FAR = {0.025: -1e11, 0.1: -0.33, 0.25: 0.19, 0.75: 0.47, 0.9: 0.69, 0.95: 2.0, 0.99: 6e11}
WIDE_INTERVAL = Estimate(0.01, low=1e-12, high=4e6, level=0.5)


@pytest.mark.parametrize(
    ("claims", "options"),
    [
        ([Claim("a", Quantiles(FAR))], {}),
        ([Claim("a", Quantiles(FAR)), Claim("b", Estimate(1, sd=1))], {}),
        ([Claim("a", Estimate(10, sd=1))], {"scale": "log", "prior": priors.LogNormal(3, 10)}),
        ([Claim("a", WIDE_INTERVAL)], {"scale": "log", "prior": priors.LogNormal(3, 20)}),
        ([Claim(Source("a", overconfidence=8, interest=1), WIDE_INTERVAL)], {"scale": "log"}),
        ([Claim("a", Estimate(0, sd=1))], {"model": Model(inflation=priors.Pareto(1.1))}),
        (
            [Claim("a", Estimate(0, sd=1))],
            {"model": Model(unsound=Void()), "prior": priors.Normal(0, 10)},
        ),
    ],
    ids=[
        "quantiles-far-apart",
        "quantiles-far-apart-and-an-estimate",
        "variance-beyond-floats",
        "mean-beyond-floats",
        "mean-beyond-floats-flat",
        "heavy-inflation",
        "void-alone",
    ],
)
def test_extreme_problems_have_a_result_without_warnings(
    claims: list[Claim], options: dict[str, Any]
) -> None:
    result = one(claims, **options)
    data = numbers(result)
    assert data["low"] < data["estimate"] < data["high"]
    # Quantiles that span twelve orders of magnitude have panels that only the bound describes.
    assert data["error"] < 1e-4
    exists = result._inference.existence.moment(result.scale, 1)
    # A mean that does not exist is nan or inf; one that does may exceed the floats.
    assert exists == (not math.isnan(result.posterior.mean())) or result.scale.name == "log"
    assert math.fsum(record.weight for record in result.claims) == pytest.approx(1.0)
    assert str(result)


def test_density_near_zero_on_the_log_scale_overflows_silently() -> None:
    posterior = one([Claim("a", Estimate(5, sd=1))], scale="log").posterior
    with np.errstate(all="raise", under="ignore"):  # an underflow to 0 is right
        at = np.array([5e-324, 1e-310, 1e-300, 1e308])
        assert np.all(np.asarray(posterior.pdf(at)) >= 0.0)
        assert np.all(np.isfinite(posterior.logpdf(at)))


def test_predictive_of_doubtful_claims_on_the_log_scale() -> None:
    claims = [
        Claim(Source("a", reliability=1.0), Estimate(10, sd=1)),
        Claim(Source("b", reliability=0.5), Estimate(11, sd=1)),
    ]
    result = one(claims, scale="log", model=Model(heterogeneity=priors.HalfNormal(0.3)))
    assert result.predictive.mean() > result.posterior.mean()
    assert result.predictive.std() > result.posterior.std()
    low, high = result.interval(0.9)
    wider_low, wider_high = result.predictive.interval(0.9)
    assert wider_low < low < high < wider_high


def test_predictive_adds_the_scatter_to_the_variance() -> None:
    claims = [
        Claim(Source("a", reliability=0.5), Estimate(0, sd=1)),
        Claim(Source("b", reliability=0.5), Estimate(1, sd=1)),
    ]
    model = Model(unsound=Wide(4), heterogeneity=priors.HalfNormal(1))
    result = one(claims, model=model)
    tau = result.heterogeneity
    assert tau is not None
    assert result.predictive.mean() == pytest.approx(0.5, abs=1e-8)
    expected = result.posterior.var() + tau.var() + tau.mean() ** 2
    assert result.predictive.var() == pytest.approx(expected, rel=1e-8)


# ------------------------------------------------------------------ several quantities


@settled(20)
@given(normal_claims(1, 4), normal_claims(1, 4), st.randoms(use_true_random=False))
def test_several_quantities_are_combined_each_by_itself(
    first: list[Claim], second: list[Claim], random: Any
) -> None:
    claims = [attrs.evolve(c, quantity="first") for c in first]
    # A name stands for one source, whatever its claims are about.
    others = [attrs.evolve(c.source, name=f"another {c.source.name}") for c in second]
    claims += [
        attrs.evolve(c, source=source, quantity="second")
        for c, source in zip(second, others, strict=True)
    ]
    random.shuffle(claims)
    prior = priors.Normal(0.0, 30.0)
    together = combine(claims, prior=prior)
    assert isinstance(together, dict)
    assert list(together) == list(dict.fromkeys(c.quantity for c in claims))
    for name, result in together.items():
        alone = one([c for c in claims if c.quantity == name], prior=prior)
        assert result.quantity == alone.quantity == name
        assert numbers(result) == numbers(alone)
