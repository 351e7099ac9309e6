"""Wrong input is refused with a message that names the claim, the field, the value, the remedy."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reliability import (
    About,
    AtLeast,
    AtMost,
    Claim,
    Combination,
    Estimate,
    Floor,
    Heavy,
    Model,
    Quantiles,
    Range,
    ReliabilityError,
    Source,
    Void,
    Wide,
    combine,
    errors,
    priors,
    read,
)
from reliability.errors import (
    InvalidValueError,
    NoPosteriorError,
    UnreadablePhraseError,
    WrongTypeError,
)

NAN, INF = math.nan, math.inf
A: Claim = Claim(Source("A", reliability=0.9), Estimate(10, sd=1))
B: Claim = Claim(Source("B", reliability=0.6), Estimate(14, sd=2))
SURE = [Claim(Source(n, reliability=1.0), Estimate(v, sd=1)) for n, v in (("A", 10), ("B", 11))]


def refused(kind: type[ReliabilityError], *parts: str) -> Any:
    """Expect an error of this very kind, whose message contains the parts in this order."""
    return pytest.raises(kind, match="(?s)" + ".*".join(map(re.escape, parts)))


# ------------------------------------------------------------------ the class of the errors


def test_every_error_is_a_reliability_error_and_a_built_in_one() -> None:
    concrete = [getattr(errors, name) for name in errors.__all__ if name != "ReliabilityError"]
    assert len(concrete) == 6
    for cls in concrete:
        assert issubclass(cls, ReliabilityError)
        assert issubclass(cls, (ValueError, TypeError, ImportError))
    assert ReliabilityError in NoPosteriorError.__mro__
    assert issubclass(InvalidValueError, ValueError)
    assert issubclass(NoPosteriorError, ValueError)
    assert issubclass(UnreadablePhraseError, ValueError)
    assert issubclass(WrongTypeError, TypeError)


def test_callers_who_expect_built_in_errors_get_them() -> None:
    with pytest.raises(ValueError, match="claims is empty"):
        combine([])
    with pytest.raises(TypeError, match="claims must be a list"):
        combine(3)  # type: ignore[arg-type]


def test_pairs_are_called_by_number_and_source() -> None:
    with refused(UnreadablePhraseError, "claim 2 (Kyiv): cannot read '12.000'"):
        combine([("A", 5), ("Kyiv", "12.000")])
    with refused(InvalidValueError, "claim 1 (A): Estimate: value"):
        combine([(Source("A"), NAN)])
    with refused(InvalidValueError, "claim 1: Source: name must not be empty"):
        combine([("", 5)])


def test_messages_stay_short_whatever_was_given() -> None:
    long: Any = {str(number): number for number in range(10_000)}
    calls: list[dict[str, Any]] = [
        {"claims": long},
        {"claims": [(long,)]},
        {"claims": [A, B], "model": long},
        {"claims": [A, B], "dependence": long},
        {"claims": [A, B], "correlation": long},
    ]
    for call in calls:
        with pytest.raises(WrongTypeError) as caught:
            combine(**call)
        assert len(str(caught.value)) < 200


def test_an_asymmetric_correlation_is_shown() -> None:
    with refused(InvalidValueError, "symmetric", "got 0.5 for claims 1 and 2, 0.4 the other way"):
        combine(SURE, correlation=[[1, 0.5], [0.4, 1]])


# ------------------------------------------------------------------ single claims


@pytest.mark.parametrize(
    ("make", "kind", "parts"),
    [
        # not finite
        (lambda: Estimate(NAN, sd=1), InvalidValueError, ("Estimate", "value", "nan", "leave the claim out")),
        (lambda: Estimate(INF, sd=1), InvalidValueError, ("Estimate", "value", "inf")),
        (lambda: Estimate(1, sd=NAN), InvalidValueError, ("Estimate", "sd", "nan")),
        (lambda: Estimate(1, sd=INF), InvalidValueError, ("Estimate", "sd", "inf")),
        (lambda: Range(-INF, 3), InvalidValueError, ("Range", "low", "-inf")),
        (lambda: AtLeast(NAN), InvalidValueError, ("AtLeast", "value", "nan")),
        (lambda: AtLeast(3, excess=NAN), InvalidValueError, ("AtLeast", "excess", "nan")),
        (lambda: Quantiles({0.1: 1, 0.9: NAN}), InvalidValueError, ("Quantiles", "quantile", "nan")),
        (lambda: Source("a", bias=INF), InvalidValueError, ("Source", "bias", "inf")),
        # sds
        (lambda: Estimate(1, sd=-2), InvalidValueError, ("Estimate: sd", "above 0", "-2", "leave it out")),
        (lambda: Estimate(1, sd=0), InvalidValueError, ("Estimate: sd", "above 0", "0")),
        (lambda: Source("a", bias_sd=-1), InvalidValueError, ("Source: bias_sd", "negative", "-1")),
        (lambda: Source("a", overconfidence=0), InvalidValueError, ("Source: overconfidence", "0", "1 means")),
        # order
        (lambda: Range(14_000, 12_000), InvalidValueError, ("Range: low=14000 exceeds high=12000", "give low < high")),
        (lambda: Range(5, 5), InvalidValueError, ("Range: low=5 equals high", "Estimate(5)")),
        (
            lambda: Estimate(13, low=14, high=12, level=0.9),
            InvalidValueError,
            ("Estimate: low=14", "high=12", "low < value < high"),
        ),
        (
            lambda: Estimate(20, low=10, high=15, level=0.9),
            InvalidValueError,
            ("Estimate: high=15", "value=20", "low < value < high"),
        ),
        (
            lambda: Estimate(5, low=10, high=15, level=0.9),
            InvalidValueError,
            ("Estimate: low=10", "value=5", "low < value < high"),
        ),
        (
            lambda: Quantiles({0.1: 5, 0.9: 4}),
            InvalidValueError,
            ("Quantiles", "increase", "5 at 0.1", "4 at 0.9"),
        ),
        # levels
        (
            lambda: Estimate(5, low=1, high=9, level=95),
            InvalidValueError,
            ("Estimate: level must lie in (0, 1)", "95", "did you mean 0.95?"),
        ),
        (lambda: Estimate(5, low=1, high=9, level=1.0), InvalidValueError, ("level", "(0, 1)", "1")),
        (lambda: Estimate(5, low=1, high=9), InvalidValueError, ("low, high and level go together", "level is missing")),
        (lambda: Estimate(5, low=1, level=0.9), InvalidValueError, ("high is missing",)),
        (lambda: Estimate(5, sd=1, low=1, high=9), InvalidValueError, ("sd", "two ways", "give one")),
        (lambda: Quantiles({5: 1, 95: 4}), InvalidValueError, ("Quantiles", "(0, 1)", "5", "0.05")),
        (lambda: Quantiles({0.5: 4}), InvalidValueError, ("at least two quantiles", "1", "Estimate")),
        # probabilities
        (
            lambda: Source("a", reliability=80),
            InvalidValueError,
            ("Source: reliability must lie in [0, 1]", "80", "did you mean 0.8?"),
        ),
        (lambda: Source("a", reliability=-0.1), InvalidValueError, ("Source: reliability", "[0, 1]", "-0.1")),
        (lambda: Source("a", reliability=NAN), InvalidValueError, ("Source: reliability", "nan")),
        (
            lambda: Claim("a", 5, credibility=1.5),
            InvalidValueError,
            ("Claim: credibility must lie in [0, 1]", "1.5"),
        ),
        (lambda: Source("a", interest=2), InvalidValueError, ("Source: interest", "-1, 0 or 1", "2")),
        (lambda: Source("a", evidence=0), InvalidValueError, ("Source: evidence", "above 0", "0")),
        # digits
        (lambda: Estimate(0), InvalidValueError, ("Estimate: value=0", "state sd=")),
        (lambda: AtLeast(0), InvalidValueError, ("AtLeast: value=0", "Range(low, high)")),
        (lambda: About(0), InvalidValueError, ("About: value=0", "Estimate(0, sd=)")),
        (lambda: AtMost(5, excess=-1), InvalidValueError, ("AtMost: excess", "above 0", "-1")),
        (lambda: Estimate(5, unit=100), InvalidValueError, ("Estimate: unit=100", "value=5", "finer")),
        # types
        (lambda: Estimate("12"), WrongTypeError, ("Estimate: value", "'12'", "read()")),
        (lambda: Estimate(True), WrongTypeError, ("Estimate: value", "True", "truth value")),
        (lambda: Estimate(1 + 2j), WrongTypeError, ("Estimate: value", "(1+2j)", "real")),
        (lambda: Estimate([1.0]), WrongTypeError, ("Estimate: value", "[1.0]", "one number")),
        (lambda: Quantiles(7), WrongTypeError, ("Quantiles: mapping", "7")),
        (lambda: Source(7), WrongTypeError, ("Source: name", "text", "7")),
        (lambda: Source("  "), InvalidValueError, ("Source: name", "empty", "say who")),
        (lambda: Claim(None, 5), WrongTypeError, ("Claim: source", "None")),
        (lambda: Claim("a", None), WrongTypeError, ("Claim: statement", "None", "Estimate(2500, sd=300)")),
        (lambda: Claim("a", {"value": 3}), WrongTypeError, ("Claim: statement", "{'value': 3}")),
        (lambda: Claim("a", 5, origin=""), InvalidValueError, ("Claim: origin", "empty", "leave it out")),
        (lambda: Claim("a", 5, quantity=3), WrongTypeError, ("Claim: quantity", "text", "3")),
        (lambda: Claim("a", 5, date="soon"), InvalidValueError, ("Claim: date", "2024-10-24", "'soon'")),
        # phrases
        (lambda: read("loads"), UnreadablePhraseError, ("loads",)),
        (lambda: read("12.000"), UnreadablePhraseError, ("12.000",)),
        (lambda: read(""), UnreadablePhraseError, ("",)),
        (lambda: Claim("a", "quite a lot"), UnreadablePhraseError, ("quite a lot",)),
        (lambda: read(12), WrongTypeError, ("12",)),
    ],
)  # fmt: skip
def test_impossible_claims(make: Any, kind: type[ReliabilityError], parts: tuple[str, ...]) -> None:
    with refused(kind, *parts) as caught:
        make()
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value).split(":", 1)[0]


def test_an_unreadable_phrase_is_answered_with_the_forms_that_are_known() -> None:
    with refused(UnreadablePhraseError, "gazillions", "more than") as caught:
        read("gazillions")
    assert "at least" in str(caught.value) or "more than" in str(caught.value)
    with refused(UnreadablePhraseError, "12,000", "12.0"):
        read("12.000")


# ------------------------------------------------------------------ what is given to combine


@pytest.mark.parametrize(
    ("claims", "kind", "parts"),
    [
        ([], InvalidValueError, ("claims is empty", "give at least one claim")),
        (iter(()), InvalidValueError, ("claims is empty",)),
        (A, WrongTypeError, ("claims must be a list", "Claim(")),
        (None, WrongTypeError, ("claims must be a list", "None")),
        ("12 +- 1", WrongTypeError, ("claims must be a list", "12 +- 1")),
        ({"A": 12}, WrongTypeError, ("claims must be a list", "{'A': 12}")),
        ([A, 12], WrongTypeError, ("claim 2", "(source, statement)", "12")),
        ([A, None], WrongTypeError, ("claim 2", "None")),
        ([A, ("B", 3, 4)], WrongTypeError, ("claim 2", "(source, statement)", "('B', 3, 4)")),
        ([("A", "10 +- 1"), ("B", "heaps")], UnreadablePhraseError, ("claim 2", "heaps")),
        ([("A", "10 +- 1"), ("B", NAN)], InvalidValueError, ("claim 2", "value", "nan")),
        ([("A", "10 +- 1"), (3, 4)], WrongTypeError, ("claim 2", "source", "3")),
        ([("A", "10 +- 1"), ("", 4)], InvalidValueError, ("claim 2", "name", "empty")),
    ],
)
def test_claims_of_the_wrong_kind(
    claims: Any, kind: type[ReliabilityError], parts: tuple[str, ...]
) -> None:
    with refused(kind, *parts):
        combine(claims)


@pytest.mark.parametrize(
    ("options", "kind", "parts"),
    [
        ({"scale": "lin"}, InvalidValueError, ("scale must be one of", "'linear', 'log', 'logit'", "'lin'")),
        ({"scale": None}, InvalidValueError, ("scale must be one of", "None")),
        ({"scale": ["log"]}, InvalidValueError, ("scale must be one of", "['log']")),
        ({"model": "reports"}, WrongTypeError, ("model must be a Model", "'reports'")),
        ({"model": Model.reports}, WrongTypeError, ("model must be a Model", "call it: Model.reports()")),
        ({"model": Floor()}, WrongTypeError, ("model must be a Model", "Floor")),
        ({"prior": (0, 1)}, WrongTypeError, ("prior must be a prior on the quantity", "Normal(mean, sd)", "(0, 1)")),
        ({"prior": priors.HalfNormal(1)}, WrongTypeError, ("prior must be a prior on the quantity", "HalfNormal")),
        ({"prior": priors.Normal}, WrongTypeError, ("prior must be a prior on the quantity",)),
        ({"dependence": 1.5}, InvalidValueError, ("dependence must lie in [0, 1]", "1.5")),
        ({"dependence": NAN}, InvalidValueError, ("dependence must lie in [0, 1]", "nan")),
        ({"dependence": "0.5"}, WrongTypeError, ("dependence must be a number", "'0.5'")),
        ({"dependence": True}, WrongTypeError, ("dependence must be a number", "True")),
    ],
)  # fmt: skip
def test_options_of_the_wrong_kind(
    options: dict[str, Any], kind: type[ReliabilityError], parts: tuple[str, ...]
) -> None:
    with refused(kind, *parts):
        combine([A, B], **options)


def test_options_after_the_claims_are_keywords() -> None:
    with pytest.raises(TypeError, match="positional"):
        combine([A, B], "log")  # type: ignore[misc]
    with pytest.raises(TypeError, match="priors"):
        combine([A, B], priors=None)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("scale", "statement", "parts"),
    [
        ("log", Estimate(-5, sd=1), ("value=-5", "log scale", "a number above 0", "another scale")),
        ("log", Estimate(0, sd=1), ("value=0", "log scale", "above 0")),
        ("log", Estimate(5, low=-1, high=9, level=0.9), ("low=-1", "log scale", "above 0")),
        ("log", Range(-3, 3), ("low=-3", "log scale")),
        ("log", Quantiles({0.1: -1, 0.9: 1}), ("quantile=-1", "log scale")),
        ("log", AtLeast(-2), ("value=-2", "log scale")),
        ("logit", Estimate(5), ("value=5", "logit scale", "between 0 and 1")),
        ("logit", Estimate(0.5, low=0.1, high=1.5, level=0.9), ("high=1.5", "logit scale")),
        ("logit", Range(0.5, 1), ("high=1", "logit scale", "say AtLeast(0.5)")),
        ("logit", Range(0, 0.5), ("low=0", "logit scale", "say AtMost(0.5)")),
        ("log", Range(0, 50), ("low=0", "log scale", "say AtMost(50)")),
        ("log", Range(-1, 50), ("low=-1 is impossible", "log scale")),
        ("logit", AtLeast(1 - 1e-16), ("0.999999", "logit scale", "excess=")),
    ],
)
def test_values_that_the_scale_does_not_have(
    scale: Any, statement: Any, parts: tuple[str, ...]
) -> None:
    good = Claim("good", Estimate(0.4, sd=0.1))
    with refused(InvalidValueError, "claim 2 (bad)", *parts):
        combine([good, Claim("bad", statement)], scale=scale)


def test_the_claim_is_numbered_in_the_order_given_and_by_quantity() -> None:
    claims = [
        Claim("a", Estimate(5, sd=1), quantity="dead"),
        Claim("b", Estimate(5, sd=1), quantity="wounded"),
        Claim("c", Estimate(-5, sd=1), quantity="wounded"),
    ]
    with refused(InvalidValueError, "quantity 'wounded'", "claim 3 (c)", "value=-5"):
        combine(claims, scale="log")


def test_a_quantity_that_only_some_claims_name() -> None:
    claims = [Claim("a", 5, quantity="dead"), Claim("b", 7)]
    with refused(InvalidValueError, "claim 2 (b)", "quantity is missing", "name it"):
        combine(claims)


@pytest.mark.parametrize(("reliability", "credibility"), [(1.0, 0.0), (0.0, 1.0)])
def test_reliability_and_credibility_that_contradict_each_other(
    reliability: float, credibility: float
) -> None:
    claim = Claim(Source("C", reliability=reliability), Estimate(5, sd=1), credibility=credibility)
    expected = (f"reliability={reliability:g}", f"credibility={credibility:g}", "give one")
    with refused(InvalidValueError, "claim 3 (C)", *expected):
        combine([A, B, claim])


def test_reliability_and_credibility_that_agree_on_certainty() -> None:
    claim = Claim(Source("C", reliability=1.0), Estimate(5, sd=1), credibility=1.0)
    result = combine([claim])
    assert isinstance(result, Combination)
    assert result.claims[0].soundness == 1.0


def test_uncertainties_that_vanish_in_floating_point() -> None:
    with refused(InvalidValueError, "claim 1 (a)", "floating", "relative to a value near"):
        combine([Claim("a", Estimate(1e17, low=1e17 - 20, high=1e17 + 20, level=0.9))], scale="log")
    with refused(InvalidValueError, "claim 1 (a)", "told apart", "Estimate"):
        combine([Claim("a", Range(1e17, 1e17 + 32))], scale="log")


# ------------------------------------------------------------------ no posterior


@pytest.mark.parametrize(
    ("claims", "options", "parts"),
    [
        (
            [Claim("a", AtLeast(12_000, excess=INF)), Claim("b", AtLeast(9000, excess=INF))],
            {},
            ("from above", "give a proper prior", "Normal(mean, sd)"),
        ),
        (
            [Claim(Source("a", reliability=1.0), AtLeast(12_000, excess=INF))],
            {"scale": "log"},
            ("from above", "proper prior"),
        ),
        ([Claim("a", AtMost(9000, excess=INF))], {}, ("from below", "proper prior")),
        (
            [Claim("a", AtLeast(1, excess=INF)), Claim("b", AtMost(9, excess=INF))],
            {},
            ("from below or from above", "every one of which may be unsound", "proper prior"),
        ),
        ([A, B], {"model": Model(unsound=Void())}, ("Void()", "flat prior", "IntrinsicRange(0.1)")),
        (
            [Claim(Source("C", reliability=0.5), Estimate(9, sd=1)), *SURE],
            {"model": Model(unsound=Void(), heterogeneity=priors.HalfNormal(1))},
            ("Void()", "flat prior", "Normal(mean, sd)"),
        ),
        (
            SURE,
            {"model": Model.random_effects(priors.Flat())},
            ("2 claims cannot determine the scatter", "Flat()", "HalfNormal(scale)"),
        ),
        (
            SURE[:1],
            {"model": Model.random_effects(priors.Jeffreys())},
            ("1 claim cannot", "Jeffreys()", "flat prior on the quantity", "HalfCauchy(scale)"),
        ),
        (
            [A, B],
            {
                "model": Model(unsound=Void(), heterogeneity=priors.Flat()),
                "prior": priors.Normal(0, 9),
            },
            ("cannot determine the scatter", "HalfNormal(scale)"),
        ),
        ([A, B], {"dependence": 1.0, "model": Model(heterogeneity=priors.Flat())}, ("scatter",)),
        (
            [
                Claim(Source("a", reliability=0.0), Estimate(5, sd=1)),
                Claim(Source("b", reliability=0.0), Estimate(6, sd=1)),
            ],
            {"model": Model.experts()},
            ("every claim has reliability 0", "Void()", "nothing to combine"),
        ),
    ],
    ids=[
        "only-lower-bounds",
        "a-sound-lower-bound",
        "only-upper-bounds",
        "doubtful-bounds",
        "void-flat",
        "void-flat-sure-claims",
        "flat-mu-and-tau",
        "one-claim-jeffreys",
        "void-improper-scatter",
        "doubtful-flat-scatter",
        "all-silent",
    ],
)
def test_claims_without_a_posterior(
    claims: list[Claim], options: dict[str, Any], parts: tuple[str, ...]
) -> None:
    with refused(NoPosteriorError, *parts):
        combine(claims, **options)


def test_no_posterior_of_one_of_several_quantities_is_named() -> None:
    claims = [
        Claim("a", Estimate(5, sd=1), quantity="dead"),
        Claim("b", AtLeast(5, excess=INF), quantity="wounded"),
    ]
    with refused(NoPosteriorError, "quantity 'wounded'", "from above"):
        combine(claims)


# ------------------------------------------------------------------ models and priors


@pytest.mark.parametrize(
    ("make", "kind", "parts"),
    [
        (lambda: Model(unsound="floor"), WrongTypeError, ("Model: unsound", "Floor(...)", "'floor'")),
        (lambda: Model(unsound=Floor), WrongTypeError, ("Model: unsound", "Floor(...)")),
        (
            lambda: Model(heterogeneity=priors.HalfNormal(1), inflation=priors.Pareto(3)),
            InvalidValueError,
            ("heterogeneity and inflation", "give one of them"),
        ),
        (
            lambda: Model(inflation=priors.HalfNormal(1)),
            InvalidValueError,
            ("Model: inflation=HalfNormal(scale=1)", "support", "Pareto(shape)"),
        ),
        (
            lambda: Model(heterogeneity=priors.Pareto(3)),
            InvalidValueError,
            ("Model: heterogeneity=Pareto(shape=3)", "support", "HalfNormal(scale)"),
        ),
        (lambda: Model(heterogeneity=1.0), WrongTypeError, ("Model: heterogeneity", "HalfNormal(scale)", "got 1)")),
        (lambda: Model(inflation="Pareto"), WrongTypeError, ("Model: inflation", "Pareto(3)", "'Pareto'")),
        (lambda: Model(heterogeneity=priors.Normal(0, 1)), WrongTypeError, ("Model: heterogeneity", "Normal(mean=0")),
        (lambda: Model(dependence=2), InvalidValueError, ("Model: dependence", "[0, 1]", "2")),
        (lambda: Model(dependence="high"), WrongTypeError, ("Model: dependence", "number", "'high'")),
        (lambda: Model(shared=-1), InvalidValueError, ("Model: shared", "-1")),
        (lambda: Model(shared=NAN), InvalidValueError, ("Model: shared", "nan")),
        (lambda: Model(unstated_error=0), InvalidValueError, ("Model: unstated_error", "0")),
        (lambda: Model(overconfidence=0), InvalidValueError, ("Model: overconfidence", "0")),
        (lambda: Model(unknown_reliability=1.2), InvalidValueError, ("Model: unknown_reliability", "[0, 1]", "1.2")),
        (lambda: Model(unknown_reliability=(2, 1)), WrongTypeError, ("Model: unknown_reliability", "Beta(a, b)", "(2, 1)")),
        (lambda: Model(prior=priors.HalfNormal(1)), WrongTypeError, ("Model: prior", "Normal(mean, sd)")),
        (lambda: Model.random_effects(None), WrongTypeError, ("Model.random_effects", "HalfNormal(scale)")),
        (lambda: Floor(1), InvalidValueError, ("Floor: factor", "greater than 1", "1")),
        (lambda: Floor(NAN), InvalidValueError, ("Floor: factor", "nan")),
        (lambda: Wide(INF), InvalidValueError, ("Wide: factor", "finite", "inf", "Floor allows inf")),
        (lambda: Wide("x"), WrongTypeError, ("Wide: factor", "number", "'x'")),
        (lambda: Heavy(1), InvalidValueError, ("Heavy: factor", "greater than 1", "1")),
        (lambda: Heavy(INF), InvalidValueError, ("Heavy: factor", "finite", "inf", "Floor allows inf")),
        (lambda: Heavy(10, 0), InvalidValueError, ("Heavy: df", "positive", "0")),
        (lambda: Heavy(10, NAN), InvalidValueError, ("Heavy: df", "positive", "nan")),
        (lambda: Heavy(10, INF), InvalidValueError, ("Heavy: df", "finite", "inf", "Wide(factor)")),
        (lambda: Heavy(10, "1"), WrongTypeError, ("Heavy: df", "number", "'1'")),
        (lambda: priors.Normal(0, 0), InvalidValueError, ("Normal: sd", "above 0", "0")),
        (lambda: priors.Normal(NAN, 1), InvalidValueError, ("Normal: mean", "finite", "nan")),
        (lambda: priors.Normal("0", 1), WrongTypeError, ("Normal: mean", "number", "'0'")),
        (lambda: priors.StudentT(0, 0, 1), InvalidValueError, ("StudentT: df", "above 0")),
        (lambda: priors.Uniform(3, 2), InvalidValueError, ("Uniform: low=3", "high=2")),
        (lambda: priors.LogUniform(0, 2), InvalidValueError, ("LogUniform: low", "above 0", "0")),
        (lambda: priors.LogNormal(-1, 2), InvalidValueError, ("LogNormal: median", "above 0", "-1")),
        (lambda: priors.Beta(0, 2), InvalidValueError, ("Beta: a", "above 0")),
        (lambda: priors.IntrinsicRange(-0.1), InvalidValueError, ("IntrinsicRange: overshoot", "-0.1")),
        (lambda: priors.HalfCauchy(True), WrongTypeError, ("HalfCauchy: scale", "True")),
        (lambda: priors.Pareto(0), InvalidValueError, ("Pareto: shape", "above 0")),
        (lambda: priors.Density(3), WrongTypeError, ("Density: logpdf", "function")),
        (lambda: priors.Density(np.log, (1, 0)), InvalidValueError, ("Density: low=1", "high=0")),
        (lambda: priors.Density(np.log, 3), WrongTypeError, ("Density: support", "(low, high)")),
    ],
)  # fmt: skip
def test_impossible_models_and_priors(
    make: Any, kind: type[ReliabilityError], parts: tuple[str, ...]
) -> None:
    with refused(kind, *parts) as caught:
        make()
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("scale", "prior"),
    [
        ("log", priors.Uniform(-10, -1)),
        ("log", priors.Uniform(-10, 0)),
        ("logit", priors.Uniform(2, 3)),
        ("logit", priors.LogUniform(1, 100)),
        ("logit", priors.Normal(1e6, 1)),
    ],
)
def test_a_prior_that_leaves_nothing_on_the_scale(scale: Any, prior: Any) -> None:
    with refused(InvalidValueError, repr(prior), f"leaves nothing on the {scale} scale"):
        combine([Claim("a", Estimate(0.5, sd=0.1))], scale=scale, prior=prior)


@pytest.mark.parametrize(
    ("logpdf", "parts"),
    [
        (lambda t: t * NAN, ("Density", "nan")),
        (lambda t: t * 0 + INF, ("Density", "+inf")),
        (lambda _: 0.0, ("Density", "one value per input", "()")),
    ],
)
def test_a_density_that_is_none(logpdf: Any, parts: tuple[str, ...]) -> None:
    with refused(InvalidValueError, *parts):
        combine([A], prior=priors.Density(logpdf, (0, 20)))


def test_priors_made_from_claims_that_do_not_serve() -> None:
    bound = Claim("a", AtLeast(5, excess=INF))
    with refused(InvalidValueError, "IntrinsicRange", "proper prior"):
        combine([bound], prior=priors.IntrinsicRange(0.1))
    with refused(InvalidValueError, "I2", "two or more", "HalfNormal(scale)"):
        combine(SURE[:1], model=Model.random_effects(priors.I2()), prior=priors.Normal(0, 9))


@pytest.mark.parametrize("number", [10**20, -(2**70), np.int64(7), np.float32(7.0), 7])
def test_whole_numbers_of_any_size_are_numbers(number: Any) -> None:
    assert priors.Normal(number, 1).mean == number
    assert priors.StudentT(3, number, 1).mean == number
    assert priors.Uniform(-(10**30), number).high == number
    assert priors.HalfCauchy(abs(number)).scale == abs(number)


# ------------------------------------------------------------------ correlation


@pytest.mark.parametrize(
    ("matrix", "kind", "parts"),
    [
        ([[1.0, 2.0], [2.0, 1.0]], InvalidValueError, ("not positive definite", "eigenvalue -1")),
        ([[1.0, 1.0], [1.0, 1.0]], InvalidValueError, ("not positive definite", "linear combinations")),
        (np.eye(3), InvalidValueError, ("correlation must be 2 x 2", "(3, 3)")),
        ([1.0, 0.0], InvalidValueError, ("correlation must be 2 x 2", "(2,)")),
        (0.5, InvalidValueError, ("correlation must be 2 x 2", "()")),
        ([[1.0, NAN], [NAN, 1.0]], InvalidValueError, ("correlation must be finite",)),
        ([[1.0, 0.3], [0.2, 1.0]], InvalidValueError, ("correlation must be symmetric",)),
        ([[4.0, 0.3], [0.3, 9.0]], InvalidValueError, ("1 on its diagonal", "covariance", "sds")),
        ([["a", "b"], ["c", "d"]], WrongTypeError, ("correlation must be a matrix of numbers",)),
        ([[1.0], [0.2, 1.0]], WrongTypeError, ("correlation must be a matrix of numbers",)),
    ],
)  # fmt: skip
def test_a_correlation_that_is_none(
    matrix: Any, kind: type[ReliabilityError], parts: tuple[str, ...]
) -> None:
    with refused(kind, *parts):
        combine(SURE, correlation=matrix)


@pytest.mark.parametrize(
    ("claims", "options", "parts"),
    [
        ([SURE[0], B], {}, ("claim 2 (B)", "sound claims only", "reliability=1", "common_effect")),
        (
            [SURE[0], Claim("C", Range(1, 2))],
            {"model": Model.common_effect()},
            ("claim 2 (C)", "symmetric uncertainty", "1 to 2", "sd="),
        ),
        (
            [SURE[0], Claim("C", Estimate(3, low=1, high=9, level=0.9))],
            {"model": Model.common_effect()},
            ("claim 2 (C)", "symmetric uncertainty"),
        ),
        (
            [SURE[0], Claim(Source("C", reliability=1), Estimate(3, sd=1), origin="o")],
            {},
            ("correlation and origins", "give one"),
        ),
        (SURE, {"dependence": 0.2}, ("correlation and origins or dependence", "give one")),
        (
            [Claim("A", Estimate(3, sd=1), quantity="x"), Claim("B", Estimate(3, sd=1), quantity="y")],
            {"model": Model.common_effect()},
            ("correlation is for the claims about one quantity", "2", "by itself"),
        ),
    ],
)  # fmt: skip
def test_claims_that_cannot_be_correlated(
    claims: list[Claim], options: dict[str, Any], parts: tuple[str, ...]
) -> None:
    with refused(InvalidValueError, *parts):
        combine(claims, correlation=[[1, 0.5], [0.5, 1]], **options)


# ------------------------------------------------------------------ results


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ((95,), ("level must lie in (0, 1)", "95", "did you mean 0.95?")),
        ((0,), ("level must lie in (0, 1)", "0")),
        ((1.0,), ("level must lie in (0, 1)", "1")),
        ((NAN,), ("level must lie in (0, 1)", "nan")),
        (("0.9",), ("level must be a number", "'0.9'")),
        ((True,), ("level must be a number", "True")),
        ((0.9, "hdi"), ("kind must be 'central' or 'shortest'", "'hdi'")),
    ],
)
def test_wrong_intervals(arguments: Any, parts: tuple[str, ...]) -> None:
    result = combine([A, B])
    assert isinstance(result, Combination)
    with refused(InvalidValueError, *parts):
        result.interval(*arguments)
    with refused(InvalidValueError, *parts):
        result.posterior.interval(*arguments)


@pytest.mark.parametrize(
    ("change", "kind", "parts"),
    [
        (lambda _: 5, ReliabilityError, ("reliability-combination",)),
        (lambda _: {}, ReliabilityError, ("reliability-combination",)),
        (lambda d: d | {"reliability-combination": 2}, ReliabilityError, ("reliability-combination",)),
        (lambda d: {k: v for k, v in d.items() if k != "scale"}, ReliabilityError, ("lacks", "scale")),
        (lambda d: d | {"scale": "lin"}, InvalidValueError, ("scale must be one of", "'lin'")),
        (lambda d: d | {"settings": 3}, ReliabilityError, ("settings",)),
        (
            lambda d: d | {"settings": d["settings"] | {"prior": {"type": "Nrmal"}}},
            InvalidValueError,
            ("settings.prior", "unknown type 'Nrmal'"),
        ),
        (
            lambda d: d | {"settings": d["settings"] | {"prior": {"type": "Normal", "mu": 3}}},
            WrongTypeError,
            ("settings.prior", "Normal"),
        ),
        (
            lambda d: d | {"settings": d["settings"] | {"model": {"unsoud": None}}},
            InvalidValueError,
            ("settings.model", "unsoud"),
        ),
        (lambda d: d | {"claims": []}, InvalidValueError, ("claims is empty",)),
        (lambda d: d | {"claims": [{"source": "A"}]}, InvalidValueError, ("statement", "missing")),
        (lambda d: d | {"claims": 7}, ReliabilityError, ("claims",)),
    ],
)  # fmt: skip
def test_data_that_are_no_combination(
    change: Any, kind: type[ReliabilityError], parts: tuple[str, ...]
) -> None:
    result = combine([A, B])
    assert isinstance(result, Combination)
    with refused(kind, *parts):
        Combination.from_dict(change(result.to_dict()))


# ------------------------------------------------------------------ anything at all

things: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=4),
    st.complex_numbers(),
    st.decimals(),
    st.fractions(),
    st.dates(),
    st.just(object()),
    st.just(np.array([1.0, 2.0])),
    st.just(np.float64(3.0)),
    st.just(np.datetime64("2024-10-24")),
    st.just(dt.datetime(2024, 10, 24, tzinfo=dt.UTC)),
    st.just(int),
    st.just(OrderedDict(a=1)),
    st.lists(st.floats(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.floats(), max_size=2),
    st.just(A),
    st.just(Estimate(3, sd=1)),
    st.just(Source("S")),
    st.just(Model()),
    st.just(Void()),
    st.just(priors.Normal(10, 5)),
    st.just(priors.HalfNormal(2)),
    st.just(priors.Pareto(3)),
    st.just(priors.Flat()),
)
CALLS: dict[str, tuple[Any, tuple[str, ...], int]] = {
    "Source": (
        Source,
        ("reliability", "evidence", "bias", "bias_sd", "overconfidence", "interest", "wrong"),
        1,
    ),
    "Claim": (
        Claim,
        ("quantity", "origin", "credibility", "date", "note", "url", "wrong"),
        2,
    ),
    "Estimate": (Estimate, ("sd", "low", "high", "level", "unit", "wrong"), 1),
    "Range": (Range, ("units", "wrong"), 2),
    "Quantiles": (Quantiles, ("wrong",), 1),
    "AtLeast": (AtLeast, ("excess", "wrong"), 1),
    "AtMost": (AtMost, ("excess", "wrong"), 1),
    "About": (About, ("unit", "wrong"), 1),
    "read": (read, ("wrong",), 1),
    "Model": (
        Model,
        (
            "unsound",
            "heterogeneity",
            "inflation",
            "shared",
            "dependence",
            "unknown_reliability",
            "unstated_error",
            "overconfidence",
            "prior",
            "wrong",
        ),
        0,
    ),
    "Floor": (Floor, ("wrong",), 1),
    "Wide": (Wide, ("wrong",), 1),
    "Heavy": (Heavy, ("df", "wrong"), 1),
    "Normal": (priors.Normal, ("wrong",), 2),
    "StudentT": (priors.StudentT, ("wrong",), 3),
    "Uniform": (priors.Uniform, (), 2),
    "Beta": (priors.Beta, (), 2),
    "IntrinsicRange": (priors.IntrinsicRange, (), 1),
    "Density": (priors.Density, (), 2),
    "Pareto": (priors.Pareto, (), 1),
}
FUZZ = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("name", CALLS)
def test_anything_else_is_refused_by_an_error_of_this_library(name: str) -> None:
    call, keywords, positional = CALLS[name]

    @FUZZ
    @given(
        st.lists(things, min_size=positional, max_size=positional),
        st.dictionaries(st.sampled_from(keywords), things, max_size=3) if keywords else st.just({}),
    )
    def check(arguments: list[Any], options: dict[str, Any]) -> None:
        try:
            call(*arguments, **options)
        except ReliabilityError as error:
            assert str(error).strip()
            assert isinstance(error, (ValueError, TypeError))
        except TypeError as error:
            assert "wrong" in options, error
            assert "wrong" in str(error) or "unexpected keyword" in str(error)

    check()


@FUZZ
@given(
    st.lists(things | st.tuples(st.just("S"), things), max_size=3) | things,
    st.dictionaries(
        st.sampled_from(("scale", "prior", "model", "correlation", "dependence", "wrong")),
        things,
        max_size=2,
    ),
)
def test_combine_refuses_anything_else(claims: Any, options: dict[str, Any]) -> None:
    try:
        combine(claims, **options)
    except ReliabilityError as error:
        assert str(error).strip()
    except TypeError as error:
        assert "wrong" in options, error


@FUZZ
@given(things, things)
def test_a_posterior_refuses_impossible_levels(level: Any, kind: Any) -> None:
    result = combine([A, B])
    assert isinstance(result, Combination)
    try:
        low, high = result.interval(level, kind)
    except ReliabilityError:
        return
    assert low < high


@FUZZ
@given(
    st.sampled_from(("scale", "settings", "claims", "dependence", "correlation", "quantity")),
    things,
)
def test_from_dict_refuses_anything_else(field: str, value: Any) -> None:
    result = combine([A, B])
    assert isinstance(result, Combination)
    data = result.to_dict() | {field: value}
    try:
        again = Combination.from_dict(data)
    except ReliabilityError:
        return
    assert isinstance(again, Combination)


# ------------------------------------------------------------------ one name, one source


@pytest.mark.parametrize(
    ("field", "value", "shown", "default"),
    [
        ("reliability", 0.8, "0.8", "None"),
        ("evidence", 40.0, "40", "None"),
        ("bias", -1.5, "-1.5", "0"),
        ("bias_sd", 2.0, "2", "0"),
        ("overconfidence", 1.6, "1.6", "1"),
        ("interest", 1, "1", "0"),
    ],
)
def test_one_name_stands_for_one_source(field: str, value: Any, shown: str, default: str) -> None:
    known: dict[str, Any] = {field: value}
    claims = [A, Claim("Reuters", 5), B, Claim(Source("Reuters", **known), 7)]
    with refused(
        InvalidValueError,
        f"claim 4 (Reuters): its source has {field}={shown}, but that of claim 2 (Reuters) has "
        f"{field}={default}; give one Source to both claims, or give two sources different names",
    ):
        combine(claims)
    with refused(InvalidValueError, f"claim 4 (Reuters): its source has {field}={default}, but"):
        combine([claims[3], A, B, claims[1]])


def test_one_name_stands_for_one_source_of_several_quantities() -> None:
    claims = [
        Claim(Source("A", reliability=0.5), 5, quantity="x"),
        Claim(Source("A", reliability=0.6), 5, quantity="y"),
    ]
    with refused(InvalidValueError, "claim 2 (A): its source has reliability=0.6", "claim 1 (A)"):
        combine(claims)


def test_equal_sources_are_one() -> None:
    claims = [Claim(Source("A", reliability=0.5), value, origin=str(value)) for value in (5, 7)]
    assert isinstance(combine(claims), Combination)
    pairs = [("A", Estimate(5, sd=1)), (Source("A"), Estimate(6, sd=1)), ("B", Estimate(7, sd=1))]
    assert isinstance(combine(pairs), Combination)
