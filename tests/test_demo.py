"""The founding case: the facts, the three assumptions and what is said about them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reliability import About, AtLeast, Claim, Combination, Range, combine
from reliability.demo import founding_case, shorter_examples, tell
from reliability.io import claims_from_text


def result_of(claims: list[Claim]) -> Combination:
    result = combine(claims, scale="log")
    assert isinstance(result, Combination)
    return result


def test_the_facts_are_those_of_the_article() -> None:
    for claims in founding_case().values():
        assert [claim.source.name for claim in claims] == ["US officials", "Ukraine", "South Korea"]
        assert [claim.statement for claim in claims] == [
            About(2500),
            AtLeast(12_000),
            AtLeast(12_000),
        ]
        assert [claim.source.reliability for claim in claims] == [0.8, 0.6, 0.7]
        assert {str(claim.date) for claim in claims} == {"2024-10-23"}
    assert [claims[0].statement for claims in shorter_examples().values()] == [
        Range(25_000, 30_000),
        AtLeast(600_000),
        AtLeast(1_000_000),
    ]


def test_the_assumptions_are_what_their_names_say() -> None:
    independent, shared, interested = founding_case().values()
    assert [claim.origin for claim in independent] == [None, None, None]
    assert shared[1].origin == shared[2].origin is not None
    assert shared[0].origin is None
    assert [claim.source.interest for claim in shared] == [0, 0, 0]
    assert [claim.source.interest for claim in interested] == [0, 1, 1]


def test_who_repeats_whom_matters_more_than_any_reliability() -> None:
    independent, shared, interested = (
        result_of(claims).estimate for claims in founding_case().values()
    )
    assert independent == pytest.approx(13_000, rel=0.05)
    assert shared == pytest.approx(2_800, rel=0.05)
    assert interested == pytest.approx(2_700, rel=0.05)


def test_the_text_says_what_it_must() -> None:
    text = tell()
    assert max(map(len, text.splitlines())) <= 100
    words = " ".join(text.split())
    for fact in (
        "23 October 2024",
        "about 2,500 dispatched",
        "more than 12,000 in training",
        "Russia denies it",
        "reader's judgement",
        "may be about different things",
        "not yet modelled",
        "independent claims",
        "one shared origin",
        "with interests",
        "recruits a month",
        "killed or wounded",
        "artillery rounds",
    ):
        assert fact in words, fact
    assert tell() == text


def test_the_first_example_of_the_readme_prints_what_the_readme_shows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    readme = Path(__file__).parent.parent / "README.md"
    blocks = re.findall(r"```(\w+)\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    (_, code), (kind, shown) = blocks[:2]
    assert kind == "text"
    exec(code, {})  # noqa: S102  # the project's own text
    assert capsys.readouterr().out == shown


def test_the_file_in_the_readme_holds_the_claims_of_its_example() -> None:
    readme = Path(__file__).parent.parent / "README.md"
    blocks = re.findall(r"```text\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    shown, table = blocks
    assert f"{combine(claims_from_text(table), scale='log')}\n" == shown
