"""Text, HTML and one line: what a reader sees."""

from __future__ import annotations

import html.parser
import math
import unicodedata
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from reliability import (
    About,
    AtLeast,
    AtMost,
    Claim,
    Combination,
    Estimate,
    Model,
    Quantiles,
    Range,
    Source,
    combine,
    priors,
)
from reliability.errors import ReliabilityError
from reliability.report import (
    as_html,
    as_text,
    compare_text,
    digits_of,
    groups,
    one_line,
    statement_text,
)


def one(claims: Any, **options: Any) -> Combination:
    result = combine(claims, **options)
    assert isinstance(result, Combination)
    return result


def width(line: str) -> int:
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in line
    )


FOUNDING = [
    Claim(Source("US officials", reliability=0.8), "about 2,500"),
    Claim(Source("Ukraine", reliability=0.6), "more than 12,000", origin="briefing"),
    Claim(Source("South Korea", reliability=0.7), "more than 12,000", origin="briefing"),
]


def test_the_whole_text_of_a_small_case() -> None:
    result = one([("A", "10 +- 1"), ("B", "12 +- 1")], model=Model.common_effect())
    expected = """\
Best estimate 11.0; 95% of the probability lies between 9.6 and 12.4.

source  says    weight  sound  pull  surprise
------  ------  ------  -----  ----  --------
A       10 ± 1     50%   100%  -1.0       16%
B       12 ± 1     50%   100%  +1.0       16%

The claims agree within their stated uncertainties (Q = 2 for 1 degree of freedom).
An error that all sources have in common cannot be seen here; no agreement rules it out.

weight: share in the estimate; sound: probability that the claim is as good as it says; pull: what
its origin adds to the estimate; surprise: how often a sound claim would lie as far out, given the
other origins."""
    assert as_text(result) == expected
    assert str(result) == expected


def test_the_first_line_answers_and_the_second_says_that_claims_disagree() -> None:
    lines = as_text(one(FOUNDING, scale="log")).splitlines()
    assert lines[0] == (
        "Best estimate 2,800; 95% of the probability lies between 1,800 and 18,000."
    )
    assert lines[1].startswith("The claims disagree: one group says about 2,600 (74%")


def test_level_is_the_readers() -> None:
    text = as_text(one([("A", "10 +- 1")], model=Model.common_effect()), level=0.5)
    assert text.startswith("Best estimate 10.0; 50% of the probability lies between 9.3 and 10.7.")


def test_origin_is_shown_only_where_it_is_shared() -> None:
    assert "origin" not in as_text(one(FOUNDING[:1], scale="log")).split("\n\n")[1]
    table = as_text(one(FOUNDING, scale="log")).split("\n\n")[1]
    assert "briefing" in table
    assert "US officials  about 2,500                 " in table


def test_repeats_say_whom_they_repeat() -> None:
    text = as_text(one([*FOUNDING, *FOUNDING[2:]], scale="log"))
    assert "Claims 2 (Ukraine) and 4 (South Korea) do not count; each repeats South Korea." in text


def test_moments_that_do_not_exist_are_said() -> None:
    assert "The mean is infinite" in as_text(one(FOUNDING, scale="log"))
    one_claim = as_text(one([(Source("A", reliability=0.9), "10 +- 1")]))
    assert "The mean is not defined" in one_claim
    two = one([(Source(name, reliability=0.5), Estimate(10, sd=1)) for name in "ABC"])
    assert "mean is" not in as_text(two)
    pair = one([(Source(name, reliability=0.5), Estimate(10, sd=1)) for name in "AB"])
    assert "mean is" not in as_text(pair)
    split = one(
        [Claim(Source("A", reliability=0.5), Estimate(10 + i, sd=1), origin="o") for i in range(2)]
        + [Claim(Source("B", reliability=0.5), Estimate(10 + i, sd=1)) for i in range(2)],
        dependence=0.6,
    )
    assert math.isinf(split.posterior.std())
    assert "The standard deviation is infinite" in as_text(split)


def test_conflict_tension_and_agreement_in_words() -> None:
    def text(gap: float) -> str:
        model = Model.common_effect()
        return as_text(one([("A", Estimate(0, sd=1)), ("B", Estimate(gap, sd=1))], model=model))

    assert "contradict each other" in text(8.0)
    assert "<0.1%" in text(8.0)
    assert "5.7 times" in text(8.0)
    assert "some tension" in text(2.8)
    assert "agree within" in text(0.5)


def test_one_piece_of_evidence_is_said() -> None:
    assert "one piece of evidence" in as_text(one(FOUNDING[:1], scale="log"))
    assert "one piece of evidence" in as_text(one(FOUNDING[1:], scale="log"))
    assert "have in common" in as_text(one(FOUNDING, scale="log"))


def test_a_shared_bias_in_the_model_needs_no_warning() -> None:
    text = as_text(one([("A", "10 +- 1"), ("B", "12 +- 1")], model=Model(shared=1.0)))
    assert "have in common" not in text


def test_what_was_learned_about_the_sources() -> None:
    model = Model(heterogeneity=priors.HalfNormal(1.0))
    plain = as_text(one([("A", "10 +- 1"), ("B", "12 +- 1")]))
    assert "Claims of sources without a stated reliability are sound with probability" in plain
    claims = [
        (Source(name, reliability=0.9), f"{value} +- 1")
        for name, value in (("A", 10), ("B", 12), ("C", 14))
    ]
    text = as_text(one(claims, model=model))
    assert "without a stated reliability" not in text
    assert "The sources scatter, beyond what they state, by" in text
    assert "on the log scale, by" in as_text(one(claims, model=model, scale="log"))
    assert "by a common factor of" in as_text(one(claims, model=Model.measurements()))


def test_a_large_numerical_error_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Combination, "error", 3e-6)
    assert "Numerical error: up to 3e-06" in as_text(one([("A", "10 +- 1")]))
    monkeypatch.setattr(Combination, "error", math.nan)
    assert "Numerical error" in as_text(one([("A", "10 +- 1")]))


NAMES = [
    "Міністерство оборони України, головне управління розвідки",
    "대한민국 국방부 국방정보본부 정보사령부 대변인실 관계자 익명 요청",
    "x" * 130,
    "tabs\tand\nnew lines \x1b[31m and \u202e overrides",
    "<script>alert('&')</script>",
]


def test_long_names_of_any_script_fit_in_100_columns() -> None:
    name = NAMES[0]
    statements: list[Any] = [
        "more than 12,000",
        Quantiles({p / 20: 1000.5 + 300.25 * p for p in range(1, 20)}),
        Estimate(10_518.376288097, sd=1_910.83465338),
        "about 15,000",
    ]
    claims = [
        Claim(Source(name, reliability=0.5), said, origin=f"{name} {i // 2}", quantity=name)
        for i, said in enumerate(statements)
    ]
    claims += [
        Claim(Source(name, reliability=0.5), "about 12,000", quantity=NAMES[0], origin="o")
        for name in NAMES
    ]
    text = as_text(one(claims, scale="log"))
    assert max(map(width, text.splitlines())) <= 100
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "10,500 ± 1,900" in text


def test_statements_keep_their_digits_unless_these_are_noise() -> None:
    assert statement_text(Estimate(2500.25, sd=300.5)) == "2,500.25 ± 300.5"
    noisy = Estimate(2500.2512345678, low=2000.123456, high=3000.98765, level=0.9)
    assert statement_text(noisy) == "2,500 (2,000 to 3,000, 90%)"
    assert statement_text(AtLeast(12_000)) == "at least 12,000"
    exact = Estimate(2500, low=2499, high=2503, level=0.9)
    assert statement_text(exact) == "2,500 (2,499 to 2,503, 90%)"


class Balanced(html.parser.HTMLParser):
    """Checks that tags close in order and collects the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        del attrs
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.cells.append(data)


def test_html_says_the_same_and_is_escaped() -> None:
    claims = [
        Claim(Source(f"<b>{name}</b> & Co", reliability=0.5), "about 12", quantity="<i>q</i>")
        for name in "AB"
    ]
    result = one(claims, scale="log")
    markup = as_html(result)
    assert markup == result._repr_html_()
    assert "<b>" not in markup
    assert "<i>" not in markup
    parser = Balanced()
    parser.feed(markup)
    assert not parser.open
    text = as_text(result)
    for cell in parser.cells:
        assert cell in text.replace("\n", " ")


def test_one_line() -> None:
    result = one(FOUNDING, scale="log")
    assert one_line(result) == "Combination(3 claims: 2,800, 95% 1,800 to 18,000)"
    assert repr(result) == one_line(result)
    named = one([Claim("A", "10 +- 1", quantity="speed")], model=Model.common_effect())
    assert one_line(named) == "Combination(1 claim on 'speed': 10.0, 95% 8.0 to 12.0)"


def test_shares_are_written_in_percent() -> None:
    result = one([("A", "12% +- 1%"), ("B", "14% +- 1%")], scale="logit")
    assert as_text(result).startswith("Best estimate 13.1%; 95%")
    assert "\nA       12% ± 1% " in as_text(result)


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (Estimate(0.1), "10%"),
        (Estimate(0.07, sd=0.014), "7% ± 1.4%"),
        (Estimate(0.123456789, sd=0.0123456789), "12.3% ± 1.2%"),
        (Estimate(0.2, low=0.15, high=0.25, level=0.9), "20% (15% to 25%, 90%)"),
        (Range(0.1, 0.29), "10% to 29%"),
        (AtLeast(0.3), "at least 30%"),
        (AtLeast(0.3, excess=math.inf), "at least 30% (verified)"),
        (AtMost(0.3, excess=0.3), "at most 30% (excess 0.3)"),
        (About(0.005), "about 0.5%"),
        (Quantiles({0.05: 0.05, 0.5: 0.1, 0.95: 0.2}), "quantiles 5%: 5%, 50%: 10%, 95%: 20%"),
    ],
)
def test_statements_about_shares_are_written_in_percent(statement: Any, text: str) -> None:
    assert statement_text(statement, shares=True) == text


def test_large_figures_have_no_exponents_and_no_probability_looks_like_none() -> None:
    text = " ".join(as_text(one([("A", "12,000 +- 1"), ("B", "12 +- 1")])).split())
    assert "with probability <0.1% (Q = 71,900,000 for 1 degree of freedom)" in text
    assert "would have to be 8,500 times as large" in text
    claims = [(name, Estimate(value, sd=1000)) for name, value in (("A", 1e4), ("B", 2e4))]
    scattered = as_text(one(claims, model=Model.random_effects(priors.HalfNormal(5000))))
    assert "e+" not in scattered


def test_groups_hold_the_probability_around_them() -> None:
    model = Model()
    claims = [
        (Source("A", reliability=0.5), "-10 +- 1"),
        (Source("B", reliability=0.5), "12 +- 1"),
    ]
    found = groups(one(claims, model=model))
    assert [round(group.value) for group in found] == [-10, 12]
    assert sum(group.probability for group in found) == pytest.approx(1.0)
    assert found[0].probability == pytest.approx(0.5, abs=0.01)


def test_narrow_groups_far_apart_are_found() -> None:
    claims = [
        (Source(name, reliability=0.5), Estimate(value, sd=1.0))
        for name, value in (("A", 0.0), ("B", 1e6), ("C", 2e6))
    ]
    found = groups(one(claims))
    # Each peak is multiplied by the inverse squares of its distances to the others.
    assert [group.probability for group in found] == pytest.approx([1 / 6, 4 / 6, 1 / 6], rel=1e-3)


def test_agreeing_claims_are_one_group() -> None:
    for claims in ([("A", "10 +- 1"), ("B", "11 +- 1")], [("A", "between 10 and 30")]):
        assert len(groups(one(claims))) == 1


def test_compare_puts_results_side_by_side() -> None:
    results = {
        "plain": one(FOUNDING, scale="log"),
        "US alone": one(FOUNDING[:1], scale="log"),
    }
    lines = compare_text(results).splitlines()
    assert lines[0].split() == [
        *("assumption", "groups", "best", "estimate", "95%", "interval", "change")
    ]
    assert lines[2].startswith("plain ")
    assert lines[3].split()[-2:] == ["×", "0.88"]
    linear = {name: one([(name, f"{value} +- 1")]) for name, value in (("a", -1), ("b", 2))}
    assert compare_text(linear).splitlines()[3].endswith("+3")


def moderate(scale: str) -> st.SearchStrategy[Claim]:
    """Claims of every form with numbers that people use."""
    values = st.integers(1, 99).map(lambda n: n / 100) if scale == "logit" else st.integers(1, 9999)
    ends = st.lists(values, min_size=3, max_size=3, unique=True).map(sorted)
    said: st.SearchStrategy[Any] = st.one_of(
        values.map(About),
        values.map(lambda value: Estimate(value, sd=value / 7)),
        values.map(lambda value: AtLeast(value, excess=0.3)),
        values.map(lambda value: AtMost(value, excess=0.3)),
        ends.map(lambda x: Estimate(x[1], low=x[0], high=x[2], level=0.8)),
        ends.map(lambda x: Range(x[0], x[2])),
        ends.map(lambda x: Quantiles({0.1: x[0], 0.5: x[1], 0.9: x[2]})),
    )
    sources = st.builds(
        Source,
        st.text(min_size=1, max_size=50).filter(str.strip),
        reliability=st.none() | st.floats(0.05, 1.0),
    )
    return st.builds(Claim, sources, said, origin=st.none() | st.sampled_from("ab"))


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate,),
)
@given(st.data(), st.sampled_from(["linear", "log", "logit"]))
def test_every_result_can_be_written(data: st.DataObject, scale: Any) -> None:
    claims = data.draw(st.lists(moderate(scale), min_size=1, max_size=6))
    try:
        result = one(claims, scale=scale)
    except ReliabilityError:
        return
    text = as_text(result)
    assert max(map(width, text.splitlines())) <= 100
    assert "nan" not in text.split("\n\n")[0]
    assert "\n" not in one_line(result)
    parser = Balanced()
    parser.feed(as_html(result))
    assert not parser.open
    assert digits_of(result).spread >= 0.0
