"""What if: the same claims under other assumptions, and results side by side."""

from __future__ import annotations

import json
import math
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reliability import (
    AtLeast,
    Claim,
    Combination,
    Estimate,
    Model,
    ReliabilityError,
    Source,
    Wide,
    combine,
    compare,
    priors,
)
from reliability.demo import INTERESTS, founding_case
from reliability.what_if import Comparison, difference


def one(claims: Any, **given_: Any) -> Combination:
    result = combine(claims, **given_)
    assert isinstance(result, Combination)
    return result


def same(left: Combination, right: Combination) -> bool:
    """Whether two results are of the same claims and settings, and the same to the last bit."""
    settings_ = ("quantity", "scale", "model", "prior", "dependence")
    return (
        all(getattr(left, name) == getattr(right, name) for name in settings_)
        and [entry.claim for entry in left.claims] == [entry.claim for entry in right.claims]
        and [entry.soundness for entry in left.claims] == [one.soundness for one in right.claims]
        and left.posterior.interval() == right.posterior.interval()
    )


US = Source("US officials", reliability=0.8)
KYIV = Source("Ukraine", reliability=0.6, interest=+1)
SEOUL = Source("South Korea", reliability=0.7)
CLAIMS = [
    Claim(US, "about 2,500"),
    Claim(KYIV, AtLeast(12_000), origin="joint briefing"),
    Claim(SEOUL, "more than 11,000", origin="joint briefing"),
]
RESULT = one(CLAIMS, scale="log")


# --- again: what combine says of the changed claims ---------------------------------------------

SETTINGS: list[dict[str, Any]] = [
    {},
    {"scale": "log", "prior": priors.LogNormal(5_000, 1.0)},
    {"scale": "log", "dependence": 0.3},
    {"scale": "log", "dependence": {("Ukraine", "US officials"): 0.5}},
    {"scale": "log", "model": Model.experts()},
    {"scale": "log", "model": Model(unsound=Wide(5))},
]


@pytest.mark.parametrize("settings_", SETTINGS)
@pytest.mark.parametrize(
    "changes",
    [
        {"reliability": 0.3},
        {"reliability": None},
        {"reliability": "very likely", "evidence": 5},
        {"bias": 0.1, "bias_sd": 0.2, "overconfidence": 1.5, "interest": -1},
    ],
)
def test_with_source_is_combine_with_that_source(
    settings_: dict[str, Any], changes: dict[str, Any]
) -> None:
    changed = attrs.evolve(KYIV, **changes)
    wanted = one([CLAIMS[0], attrs.evolve(CLAIMS[1], source=changed), CLAIMS[2]], **settings_)
    assert same(one(CLAIMS, **settings_).with_source("Ukraine", **changes), wanted)
    assert same(one(CLAIMS, **settings_).with_source(KYIV, **changes), wanted)


@pytest.mark.parametrize("settings_", SETTINGS)
def test_without_is_combine_of_the_others(settings_: dict[str, Any]) -> None:
    result = one(CLAIMS, **settings_)
    assert same(result.without(source="Ukraine"), one([CLAIMS[0], CLAIMS[2]], **settings_))
    assert same(result.without(origin="joint briefing"), one(CLAIMS[:1], **settings_))
    assert same(result.without(origin="US officials"), one(CLAIMS[1:], **settings_))
    both = result.without(source=["US officials", SEOUL])
    assert same(both, one(CLAIMS[1:2], **settings_))
    either = result.without(source="Ukraine", origin="US officials")
    assert same(either, one(CLAIMS[2:], **settings_))


def test_without_an_origin_shifts_as_its_influence_says() -> None:
    for entry in RESULT.claims:
        left = RESULT.without(origin=entry.origin)
        assert RESULT.estimate - left.estimate == pytest.approx(entry.influence.shift, rel=1e-6)


def test_the_correlation_goes_with_its_claims() -> None:
    sound = [
        Claim(Source(name, reliability=1.0), Estimate(value, sd=1))
        for name, value in zip("abc", (10, 12, 15), strict=True)
    ]
    matrix = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.1], [0.2, 0.1, 1.0]])
    result = one(sound, correlation=matrix)
    kept = [0, 2]
    wanted = one([sound[i] for i in kept], correlation=matrix[np.ix_(kept, kept)])
    assert same(result.without(source="b"), wanted)
    with pytest.raises(ReliabilityError, match="correlation is for sound claims only"):
        result.with_source("b", reliability=0.5)


def test_settings_that_were_given_stay_and_the_models_own_go_with_it() -> None:
    experts = Model.experts()
    given_ = one(CLAIMS, scale="log", prior=priors.Flat(), dependence=0.0)
    wanted = one(CLAIMS, scale="log", model=Model.measurements(), prior=priors.Flat())
    assert same(
        given_.with_model(Model.measurements()),
        one(CLAIMS, scale="log", model=Model.measurements(), prior=priors.Flat(), dependence=0.0),
    )
    assert (
        wanted.posterior.interval() == given_.with_model(Model.measurements()).posterior.interval()
    )
    # Experts bring a prior and a dependence of their own.
    assert same(RESULT.with_model(experts), one(CLAIMS, scale="log", model=experts))
    assert same(RESULT.with_model(experts).with_model(Model.reports()), RESULT)
    stated = one(CLAIMS, scale="log", dependence=0.2).with_model(experts)
    assert same(stated, one(CLAIMS, scale="log", dependence=0.2, model=experts))
    assert stated.dependence == 0.2
    assert same(RESULT.with_dependence(0.4), one(CLAIMS, scale="log", dependence=0.4))


@pytest.mark.parametrize("settings_", SETTINGS)
def test_a_result_that_was_written_down_knows_its_settings(settings_: dict[str, Any]) -> None:
    result = one(CLAIMS, **settings_)
    again = Combination.from_dict(json.loads(json.dumps(result.to_dict())))
    assert same(again, result)
    assert same(again.with_model(Model.reports()), result.with_model(Model.reports()))
    assert same(
        again.with_source("Ukraine", reliability=0.1), result.with_source(KYIV, reliability=0.1)
    )


def test_documents_without_the_note_keep_their_prior_and_dependence() -> None:
    data = one(CLAIMS, scale="log", model=Model.experts()).to_dict()
    del data["of_model"]
    moved = Combination.from_dict(data).with_model(Model.reports())
    assert moved.dependence == 0.4
    assert moved.prior == Model.experts().prior


def test_each_of_several_quantities() -> None:
    table = [attrs.evolve(claim, quantity=name) for name in "ab" for claim in CLAIMS]
    found = combine(table, scale="log")
    assert isinstance(found, dict)
    for name in "ab":
        own = [claim for claim in table if claim.quantity == name]
        wanted = one(own, scale="log").with_source("Ukraine", reliability=0.1)
        assert same(found[name].with_source("Ukraine", reliability=0.1), wanted)


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(st.just("a"), st.floats(-5, 5), st.floats(0.5, 3)),
    st.lists(
        st.tuples(st.sampled_from("bc"), st.floats(-5, 5), st.floats(0.5, 3)),
        min_size=1,
        max_size=4,
    ),
    st.lists(st.floats(0.01, 0.99), min_size=2, max_size=2, unique=True).map(sorted),
)
def test_raising_a_reliability_never_lowers_the_soundness_of_its_claim(
    own: tuple[str, float, float],
    others: list[tuple[str, float, float]],
    reliabilities: list[float],
) -> None:
    """Of a source with one claim; and changing it back gives the first result."""
    stated = [*others, own]
    known = {name: Source(name, reliability=0.6) for name in "abc"}
    result = one([Claim(known[name], Estimate(value, sd=sd)) for name, value, sd in stated])
    below, above = (result.with_source("a", reliability=r) for r in reliabilities)
    assert above.claims[-1].soundness >= below.claims[-1].soundness - 1e-9
    assert same(above.with_source("a", reliability=0.6), result)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda: RESULT.with_source("Ukrane", reliability=0.3),
            "no claim has the source 'Ukrane'; did",
        ),
        (lambda: RESULT.with_source("Ukraine"), "say what is to change, such as reliability=0.3"),
        (lambda: RESULT.with_source("Ukraine", reliabilty=0.3), "did you mean 'reliability'?"),
        (
            lambda: RESULT.with_source("Ukraine", reliability=30),
            "reliability must lie in [0, 1], got 30",
        ),
        (
            lambda: RESULT.with_source(3, reliability=0.3),  # type: ignore[arg-type]
            "source must be a name, or several, got 3",
        ),
        (RESULT.without, "say what to leave out: source= or origin="),
        (
            lambda: RESULT.without(source="Russia"),
            "no claim has the source 'Russia'; known: US off",
        ),
        (lambda: RESULT.without(origin="joint brief"), "did you mean 'joint briefing'?"),
        (lambda: RESULT.without(source=[]), "source is empty; name one, or leave it out"),
        (lambda: RESULT.without(source=[US, KYIV, SEOUL]), "every claim would be left out"),
        (lambda: RESULT.with_model("reports"), "model must be a Model"),  # type: ignore[arg-type]
        (lambda: RESULT.with_dependence(2), "dependence must lie in [0, 1] (got 2)"),
        (
            lambda: RESULT.again([Claim("a", 5, quantity="x"), Claim("a", 5, quantity="y")]),
            "claims: name 2 quantities",
        ),
        (
            lambda: Combination.from_dict(RESULT.to_dict() | {"of_model": "prior"}),
            "of_model: must list which of prior and dependence",
        ),
        (compare, "compare needs at least one result"),
        (lambda: compare(RESULT, 3), "result 2 must be a Combination"),  # type: ignore[arg-type]
        (lambda: compare(RESULT, {}), "result 2 must be a Combination"),
        (lambda: compare(RESULT, RESULT, names=["a"]), "names: 1 for 2 results"),
        (lambda: compare(RESULT, RESULT, names=["a", "a"]), "names: 'a' is given twice"),
        (lambda: compare(RESULT, names="a"), "names must be a list of texts (got 'a')"),
        (lambda: compare(RESULT, names=[3]), "names must be texts (got 3)"),  # type: ignore[list-item]
        (lambda: compare(RESULT, level=95), "level must lie in (0, 1), got 95; did you mean 0.95?"),
    ],
)
def test_bad_input_says_what_is_wrong(wrong: Any, message: str) -> None:
    with pytest.raises(ReliabilityError) as caught:
        wrong()
    assert message in str(caught.value)


# --- side by side -------------------------------------------------------------------------------


def test_rows_are_the_results() -> None:
    other = RESULT.with_source("Ukraine", reliability=0.1)
    found = compare(RESULT, other, names=["one", "other"], level=0.9)
    for row, name, result in zip(found.rows, ("one", "other"), (RESULT, other), strict=True):
        assert row["name"] == name
        assert (row["n"], row["quantity"]) == (3, None)
        assert row["estimate"] == result.estimate
        assert (row["low"], row["high"]) == result.interval(0.9)
        assert row["change"] == result.estimate - RESULT.estimate
    columns = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert columns["estimate"] == [RESULT.estimate, other.estimate]
    assert columns["mean"] == [RESULT.posterior.mean(), other.posterior.mean()]
    heavy = one([(US, "about 2,500"), (SEOUL, "12,000 +- 500")], scale="log")
    assert heavy.posterior.mean() == math.inf
    assert compare(heavy).to_dict()["mean"] == [None]
    assert isinstance(found, Comparison)
    assert repr(found) == "Comparison(2 results: one, other)"


def test_what_differs_is_said() -> None:
    cases = {
        "Ukraine: reliability=0.1": RESULT.with_source("Ukraine", reliability=0.1),
        "without South Korea": RESULT.without(source="South Korea"),
        "dependence=0.4": RESULT.with_dependence(0.4),
        "scale=linear": RESULT.again(scale="linear"),
        "prior=LogNormal(median=5000, sigma=1)": RESULT.again(prior=priors.LogNormal(5_000, 1)),
        "with Russia": RESULT.again([*CLAIMS, Claim("Russia", 100)]),
        "1 claim more": RESULT.again([*CLAIMS, Claim(US, "about 3,000")]),
        "other claims": RESULT.again([Claim(US, "about 3,000"), *CLAIMS[1:]]),
        "": RESULT,
    }
    for text, other in cases.items():
        assert difference(RESULT, other) == text
    names = [row["name"] for row in compare(RESULT, RESULT, *cases.values()).rows]
    assert names[:2] == ["as given", "as given (2)"]
    assert names[2:-1] == list(cases)[:-1]


def test_it_prints_within_100_columns_and_escapes() -> None:
    wild = one([Claim(Source("<b> & \u202e", reliability=0.9), Estimate(5, sd=1)), ("c", "7 +- 1")])
    found = compare(wild, wild.without(source="c"), wild.with_model(Model.experts()))
    assert all(len(line) <= 100 for line in str(found).splitlines())
    page = compare(wild, names=["<script>"])._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<table>" in page


def test_several_quantities_are_compared_one_by_one() -> None:
    table = [attrs.evolve(claim, quantity=name) for name in ("a", "b") for claim in CLAIMS]
    before = combine(table, scale="log")
    assert isinstance(before, dict)
    after = {name: one_.with_source("Ukraine", reliability=0.1) for name, one_ in before.items()}
    found = compare(before, after, names=["before", "after"])
    assert [(row["quantity"], row["name"]) for row in found.rows] == [
        (quantity, name) for quantity in "ab" for name in ("before", "after")
    ]
    assert "a\n=\nassumption" in str(found)
    assert "<h4>a</h4>" in found._repr_html_()


def test_the_founding_case_side_by_side() -> None:
    """The demo's table is the comparison of its three results."""
    results = [one(claims, scale="log") for claims in founding_case().values()]
    found = compare(*results, names=list(founding_case()))
    assert [row["name"] for row in found.rows][-1] == INTERESTS
    assert str(found).count("\n") == 4
