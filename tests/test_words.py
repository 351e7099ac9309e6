"""Estimative words: the published ranges, and where words are taken for numbers."""

from __future__ import annotations

import copy
import itertools
import pickle

import pytest

from reliability import Claim, ReliabilityError, Source
from reliability.io import claims_from_rows
from reliability.words import (
    ICD_203,
    IPCC,
    KENT,
    PHIA,
    SCALES_OF_WORDS,
    Chance,
    WordScale,
    chance,
    probability,
)


def test_icd_203_covers_1_to_99_percent_without_gaps() -> None:
    """Seven bands; each begins where the last one ends."""
    bands = sorted({(given.low, given.high) for given in ICD_203.values()})
    assert len(bands) == 7
    assert (bands[0][0], bands[-1][1]) == (0.01, 0.99)
    assert all(left[1] == right[0] for left, right in itertools.pairwise(bands))


def test_phia_has_gaps_between_its_bands() -> None:
    bands = sorted({(given.low, given.high) for given in PHIA.values()})
    assert len(bands) == 7
    assert all(left[1] < right[0] for left, right in itertools.pairwise(bands))


@pytest.mark.parametrize(
    ("term", "point", "give_or_take"),
    [
        ("almost certain", 0.93, 0.06),
        ("probable", 0.75, 0.12),
        ("chances about even", 0.5, 0.1),
        ("probably not", 0.3, 0.1),
        ("almost certainly not", 0.07, 0.05),
    ],
)
def test_kents_points_and_ranges(term: str, point: float, give_or_take: float) -> None:
    given = KENT[term]
    assert given.middle == point
    assert (given.low, given.high) == pytest.approx((point - give_or_take, point + give_or_take))


def test_a_word_alone_is_taken_from_the_first_scale_that_has_it() -> None:
    assert chance("likely") == ICD_203["likely"] != PHIA["likely"]
    assert chance("realistic possibility") == PHIA["realistic possibility"]
    assert chance("Impossible") == KENT["impossible"]
    assert chance("virtually certain") == IPCC["virtually certain"]
    for scale in SCALES_OF_WORDS:
        for term, given in scale.items():
            assert chance(f"{scale.name}: {term}") == given
            assert chance(f"{scale.name.lower()}:{term.upper()}") == given
            assert given.low <= probability(f"{scale.name}: {term}") <= given.high


def test_words_are_numbers_where_a_probability_is_wanted() -> None:
    assert Source("a", reliability="very likely").reliability == 0.875
    assert Source("a", reliability=KENT["probable"]).reliability == 0.75
    assert Claim("a", 5, credibility="Kent: probably").credibility == 0.75
    rows = [{"source": "a", "value": 5, "reliability": "PHIA: likely", "credibility": "probably"}]
    claim = claims_from_rows(rows)[0]
    assert claim.source.reliability == pytest.approx(0.65)
    assert claim.credibility == pytest.approx(0.675)


@pytest.mark.parametrize("text", ["0.8", " .8", "80%"])
def test_a_number_in_a_column_of_probabilities_is_a_number(text: str) -> None:
    claim = claims_from_rows([{"source": "a", "value": 5, "reliability": text}])[0]
    assert claim.source.reliability == 0.8


def test_replaced_words_leave_the_scale_as_it_was() -> None:
    ours = ICD_203.replace({"Likely": (0.6, 0.7), "a safe bet": Chance(0.9, 1.0, 0.99)})
    assert ours["likely"].middle == pytest.approx(0.65)
    assert ours["a safe-bet"].middle == 0.99
    assert "a safe bet" not in ICD_203
    assert ICD_203["likely"].high == 0.8
    assert len(ours) == len(ICD_203) + 1


def test_scales_print_and_travel() -> None:
    assert "\nlikely               55% to 80%\n" in str(ICD_203)
    assert "Directive 203" in str(ICD_203)
    assert repr(KENT) == "<Kent: 9 words>"
    assert pickle.loads(pickle.dumps(KENT["certain"])) == KENT["certain"]  # noqa: S301
    for twin in (copy.deepcopy(KENT), pickle.loads(pickle.dumps(KENT))):  # noqa: S301
        assert (twin.name, twin.source, dict(twin)) == (KENT.name, KENT.source, dict(KENT))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: chance("likley"), "no estimative word 'likley'; did you mean 'likely'?"),
        (lambda: chance("rubbish"), "there is no estimative word 'rubbish'"),
        (lambda: chance("MI5: likely"), "there is no scale of words 'MI5'; known: ICD 203, PHIA"),
        (
            lambda: chance("PHIA: remote"),
            "PHIA has no word 'remote'; did you mean 'remote chance'?",
        ),
        (lambda: PHIA["remote"], "PHIA has no word 'remote'"),
        (lambda: Source("a", reliability="likley"), "got 'likley'; did you mean 'likely'?"),
        (lambda: Source("a", reliability="PHIA: remote"), "PHIA has no word 'remote'"),
        (lambda: Source("a", reliability="B"), "Source.graded(name, 'B')"),
        (lambda: Source("a", reliability="0.8"), "must be a number, got '0.8'; give a number"),
        (lambda: Chance(0.8, 0.2), "low is 0.8, above high=0.2"),
        (lambda: Chance(0.2, 0.3, 0.4), "point must lie between low and high, got 0.4"),
        (lambda: Chance(20, 30), "low must lie in [0, 1], got 20; did you mean 0.2?"),
        (lambda: PHIA.replace({"likely": 0.6}), "word 'likely': give a pair (low, high), got 0.6"),  # type: ignore[dict-item]
        (lambda: WordScale("x", "y", {"a": (0.1,)}), "word 'a': give a pair (low, high)"),
    ],
)
def test_bad_words_say_what_is_wrong(wrong: object, message: str) -> None:
    with pytest.raises(ReliabilityError) as caught:
        wrong()  # type: ignore[operator]
    assert message in str(caught.value)


def test_an_unknown_word_is_a_key_error_too() -> None:
    with pytest.raises(KeyError):
        ICD_203["maybe"]
    assert ICD_203.get("maybe") is None
