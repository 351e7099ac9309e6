"""Admiralty grades: what letters and digits are worth, alone, together and in the pool."""

from __future__ import annotations

import math
import pickle
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from reliability import (
    Claim,
    Combination,
    Estimate,
    Model,
    ReliabilityError,
    Source,
    Void,
    combine,
    combine_many,
    priors,
)
from reliability.__main__ import main
from reliability.claims.claim import claims_from_json, claims_to_json
from reliability.claims.rows import rows_from_claims
from reliability.grades import ADMIRALTY, Letter, split_grade
from reliability.io import claims_from_text
from reliability.prepared import prepare
from reliability.scales import get_scale
from reliability.tables.objects import claims_from_table

if TYPE_CHECKING:
    from pathlib import Path


def one(claims: Any, **given_: Any) -> Combination:
    result = combine(claims, **given_)
    assert isinstance(result, Combination)
    return result


def effective(*claims: Claim, model: Model | None = None) -> list[float]:
    """Reliabilities that the engine is handed."""
    prepared = prepare(rows_from_claims(claims), get_scale("linear"), model or Model.reports(), 0.0)
    return list(map(float, prepared.columns.reliability))


# --- letters and digits -------------------------------------------------------------------------


def test_letters_fall_from_a_to_e_with_f_for_ignorance() -> None:
    worth = [ADMIRALTY.letter(letter).reliability for letter in "ABCDE"]
    assert worth == sorted(worth, reverse=True)
    assert len(set(worth)) == 5
    assert worth[0] >= 0.85
    assert worth[-1] < 0.3
    assert ADMIRALTY.letter("F").beta == (1.0, 1.0)
    # The first three are read as positive, D and E as negative (Mandel et al. 2023).
    assert worth[2] > ADMIRALTY.letter("F").reliability > worth[3]


def test_a_graded_source_has_the_letters_prior() -> None:
    source = Source.graded("Ukraine", "b", interest=+1)
    assert source == Source("Ukraine", reliability=0.7, evidence=10, interest=+1)
    assert Source.graded("Ukraine", "B", evidence=40).evidence == 40
    ours = ADMIRALTY.replace({"3": 0.55}, B=(0.8, 20))
    assert Source.graded("Ukraine", "B", grades=ours).reliability == 0.8
    assert ours.credibility("3") == 0.55
    assert ADMIRALTY.letter("B") == Letter(0.7, 10, "usually reliable")
    twin = pickle.loads(pickle.dumps(ours))  # noqa: S301
    assert (twin.letters, twin.digits) == (ours.letters, ours.digits)


@pytest.mark.parametrize(
    ("digit", "worth"), [("1", 0.9), ("2", 0.7), ("3", 0.5), ("4", 0.3), ("5", 0.1), ("6", None)]
)
def test_digits_are_those_of_stix(digit: str, worth: float | None) -> None:
    """OASIS STIX 2.1, appendix A: 90, 70, 50, 30, 10 and no value."""
    assert ADMIRALTY.credibility(digit) == worth


def test_letter_and_digit_are_averaged_by_logits() -> None:
    for letter in "ABCDEF":
        r = ADMIRALTY.letter(letter).reliability
        for digit in "12345":
            c = ADMIRALTY.credibility(digit)
            assert c is not None
            (found,) = effective(
                Claim(Source.graded("s", letter), Estimate(5, sd=1), credibility=digit)
            )
            assert found == pytest.approx(expit(0.5 * logit(r) + 0.5 * logit(c)), abs=1e-15)
    # On the diagonal they are nearly one judgement, not two.
    (b2,) = effective(Claim(Source.graded("s", "B"), Estimate(5, sd=1), credibility="2"))
    assert b2 == pytest.approx(0.7, abs=1e-15)


def test_six_falls_back_to_the_source() -> None:
    graded, plain = Source.graded("s", "D"), Source("t")
    assert effective(Claim(graded, Estimate(5, sd=1), credibility="6")) == [0.3]
    assert math.isnan(effective(Claim(plain, Estimate(5, sd=1), credibility="6"))[0])
    assert effective(Claim(plain, Estimate(5, sd=1), credibility="2")) == [0.7]


# --- confirmed by other sources -----------------------------------------------------------------

FIRST = Claim(Source("a", reliability=0.7), Estimate(5, sd=1), credibility="1")
OTHER = Claim(Source("b", reliability=0.6), Estimate(6, sd=1))


def test_a_confirmed_claim_is_as_2_beside_other_origins() -> None:
    alone = float(expit(0.5 * logit(0.7) + 0.5 * logit(0.9)))
    assert effective(FIRST)[0] == pytest.approx(alone, abs=1e-15)
    assert effective(FIRST, OTHER)[0] == pytest.approx(0.7, abs=1e-15)
    same_origin = attrs.evolve(OTHER, origin="a")
    assert effective(FIRST, same_origin)[0] == pytest.approx(alone, abs=1e-15)
    as_two = [attrs.evolve(FIRST, credibility="2"), OTHER]
    assert one([FIRST, OTHER]).estimate == one(as_two).estimate


def test_other_quantities_confirm_nothing() -> None:
    here = attrs.evolve(FIRST, quantity="here")
    there = attrs.evolve(OTHER, quantity="there")
    both = combine([here, there])
    assert isinstance(both, dict)
    assert both["here"].estimate == one([FIRST]).estimate
    assert both["here"].claims[0].soundness == one([FIRST]).claims[0].soundness


def test_a_claim_that_says_nothing_confirms_nothing() -> None:
    """Adding a claim with r = 0 under Void does not change the posterior."""
    model = Model(unsound=Void())
    prior = priors.Normal(0, 10)
    for silent in (
        Claim(Source("b", reliability=0.0), Estimate(7, sd=1)),
        Claim(Source("b", reliability=0.4), Estimate(7, sd=1), credibility=0.0),
    ):
        alone = one([FIRST], model=model, prior=prior)
        beside = one([FIRST, silent], model=model, prior=prior)
        assert beside.interval() == alone.interval()
        assert beside.claims[0].soundness == alone.claims[0].soundness
        assert one([FIRST, silent]).claims[0].soundness != one([FIRST]).claims[0].soundness


# --- tables and files ---------------------------------------------------------------------------

TABLE: dict[str, Any] = {
    "quantity": ["p", "p", "p", "q"],
    "source": ["X", "Y", "Z", "X"],
    "value": [5.0, 6.0, 9.0, 2.0],
    "sd": [1.0, 1.0, 1.0, 1.0],
    "grade": ["B1", "a2", "F6", "B"],
}


def test_a_column_of_grades() -> None:
    claims = claims_from_table(TABLE)
    sources = [Source.graded("X", "B"), Source.graded("Y", "A"), Source.graded("Z", "F")]
    assert [claim.source for claim in claims] == [*sources, sources[0]]
    assert [claim.credibility for claim in claims] == ["1", "2", "6", None]
    found = combine_many(TABLE, claims=True)
    each = combine(claims)
    assert isinstance(each, dict)
    assert found.quantities["estimate"] == pytest.approx(
        [each["p"].estimate, each["q"].estimate], rel=1e-9
    )
    soundness = [entry.soundness for key in "pq" for entry in each[key].claims]
    assert found.claims["soundness"] == pytest.approx(soundness, rel=1e-9)


def test_a_source_need_be_graded_once() -> None:
    table = TABLE | {"grade": ["B1", "A2", "F6", None]}
    assert claims_from_table(table) == claims_from_table(TABLE)
    bare = {name: values for name, values in TABLE.items() if name != "grade"}
    known = {"source": ["X", "Y", "Z"], "grade": ["B", "A", "F"]}
    listed = [Source.graded(name, grade) for name, grade in zip("XYZ", "BAF", strict=True)]
    one_way, other = (combine_many(bare, sources=given_) for given_ in (known, listed))
    np.testing.assert_array_equal(one_way["estimate"], other["estimate"])


def test_grades_in_a_csv_file() -> None:
    text = "source,value,sd,grade\nX,5,1,B2\nX,7,1,\nY,6,1,F6\n"
    claims = claims_from_text(text)
    assert claims[0] == Claim(Source.graded("X", "B"), Estimate(5, sd=1), credibility="2")
    assert claims[1] == Claim(Source.graded("X", "B"), Estimate(7, sd=1))
    assert claims[2].credibility == "6"
    assert claims_from_json(claims_to_json(claims)) == claims


def test_grades_in_a_large_file(tmp_path: Path) -> None:
    """A letter that stands in a later row, of another quantity, holds for the earlier ones."""
    lines = ["quantity,source,value,sd,grade", "p,X,5,1,", "p,Y,6,1,A2", "q,X,7,1,B1", "q,Y,8,1,"]
    path, out = tmp_path / "claims.csv", tmp_path / "results.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert main(["combine", str(path), "--by", "quantity", "-o", str(out)]) == 0
    rows = [line.split(",") for line in out.read_text(encoding="utf-8").splitlines()]
    estimates = [float(row[rows[0].index("estimate")]) for row in rows[1:]]
    each = combine(claims_from_text(path.read_text(encoding="utf-8")))
    assert isinstance(each, dict)
    assert estimates == pytest.approx([each["p"].estimate, each["q"].estimate], rel=1e-9)
    assert each["p"].claims[0].claim.source == Source.graded("X", "B")


@given(
    st.sampled_from("ABCDEF"),
    st.sampled_from(["", *"123456"]),
    st.sampled_from(["", " ", "-", "/"]),
)
def test_every_spelling_of_a_grade(letter: str, digit: str, between: str) -> None:
    text = f" {letter.lower()}{between if digit else ''}{digit} "
    assert split_grade(text) == (letter, digit or None)


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Source.graded("a", "G"), "there is no grade 'G'; a source's are A, B, C, D, E, F"),
        (
            lambda: Source.graded("a", "B2"),
            "Source.graded(..., 'B') and Claim(..., credibility='2')",
        ),
        (lambda: Source.graded("a", 2), "grade must be a letter such as 'B', got 2"),  # type: ignore[arg-type]
        (lambda: Source.graded("a", "B", reliability=0.8), "is what the grade 'B' says"),
        (lambda: Claim("a", 5, credibility="B2"), "Source.graded(..., 'B') and credibility='2'"),
        (lambda: Claim("a", 5, credibility="7"), "must be a grade 1 to 6, got '7'"),
        (lambda: Claim("a", 5, credibility=2), "an Admiralty digit is a text, credibility='2'"),
        (
            lambda: ADMIRALTY.credibility("0"),
            "there is no grade '0'; a claim's are 1, 2, 3, 4, 5, 6",
        ),
        (lambda: ADMIRALTY.credibility(2), "must be text such as '2', got 2"),  # type: ignore[arg-type]
        (lambda: ADMIRALTY.replace({"2": 70}), "digit 2: must lie in [0, 1] or be None, got 70"),
        (lambda: ADMIRALTY.replace(B=(70, 2)), "reliability must lie in [0, 1], got 70"),
        (lambda: ADMIRALTY.replace(B=(0.7, 0)), "evidence must be above 0, got 0"),
        (lambda: split_grade("22"), "must be a letter A to F and a digit 1 to 6"),
    ],
)
def test_bad_grades_say_what_is_wrong(wrong: Any, message: str) -> None:
    with pytest.raises(ReliabilityError) as caught:
        wrong()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grade": ["2", "A2", "F6", "B"]}, "row 1, grade: must begin with the source's letter"),
        ({"grade": [2, None, None, None]}, "got '2'; write F2 if the source cannot be judged"),
        ({"grade": ["B1", "G1", "F6", "B"]}, "row 2, grade: must be a letter A to F and a digit"),
        (
            {"grade": ["B1", "A2", "F6", "C"]},
            "row 4, grade: reliability is 0.6 here and 0.7 in row",
        ),
        (
            {"reliability": [0.7, None, None, None]},
            "row 1, grade: the row has a grade and reliability too; leave one of them empty",
        ),
        ({"credibility": [None, None, 0.5, None]}, "row 3, grade: the row has a grade and cred"),
        ({"evidence": [None, None, None, 3]}, "row 4, grade: the row has a grade and evidence"),
    ],
)
def test_bad_columns_of_grades(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ReliabilityError) as caught:
        combine_many(TABLE | changes)
    assert message in str(caught.value)
    collected = combine_many(TABLE | changes, on_error="collect")
    assert len(collected.bad_rows["row"]) == 1


def test_bad_grades_of_sources() -> None:
    for known, message in (
        ({"source": ["X"], "grade": ["B2"]}, "must be a source's letter alone, got 'B2'"),
        ({"source": ["X"], "grade": ["Q"]}, "must be a letter A to F"),
        ({"source": ["X"], "grade": ["B"], "evidence": [3]}, "has a grade and evidence"),
    ):
        with pytest.raises(ReliabilityError) as caught:
            combine_many(TABLE, sources=known)
        assert message in str(caught.value)
