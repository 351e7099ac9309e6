"""Claims: bare sources and statements, dates, and the JSON document."""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
import json
import math
import pickle
import re
import subprocess
import sys
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reliability.claims.claim import Claim, claims_from_json, claims_to_json
from reliability.claims.sources import Source
from reliability.claims.statements import (  # noqa: F401  # used by eval
    About,
    AtLeast,
    AtMost,
    Estimate,
    Quantiles,
    Range,
)
from reliability.errors import (
    InvalidValueError,
    ReliabilityError,
    UnreadablePhraseError,
    WrongTypeError,
)
from reliability.strategies import claims

DAY = dt.date(2024, 10, 24)


def test_bare_names_numbers_and_phrases() -> None:
    claim = Claim("Ukraine", "more than 12,000")
    assert claim.source == Source("Ukraine")
    assert claim.statement == AtLeast(12_000)
    assert Claim("a", 2500).statement == Estimate(2500)
    assert Claim("a", np.float64(2500)).statement == Estimate(2500)
    assert Claim(Source("a"), Range(1, 2)).statement == Range(1, 2)


def test_wording() -> None:
    claim = Claim("Ukraine", "more than 12,000", origin="briefing", date=DAY, credibility=0.5)
    assert repr(claim) == (
        "Claim(Source('Ukraine'), AtLeast(12000), origin='briefing', credibility=0.5, "
        "date='2024-10-24')"
    )
    assert str(claim) == "Ukraine: at least 12,000"


@pytest.mark.parametrize(
    "date",
    [
        DAY,
        dt.datetime(2024, 10, 24, 23, 59),  # noqa: DTZ001
        dt.datetime(2024, 10, 24, 23, 59, tzinfo=dt.UTC),
        "2024-10-24",
        "20241024",
        " 2024-10-24T23:59:00Z ",
        np.datetime64("2024-10-24"),
        np.datetime64("2024-10-24T23:59"),
    ],
)
def test_dates_become_days(date: Any) -> None:
    claim = Claim("a", 5, date=date)
    assert claim.date == DAY
    assert type(claim.date) is dt.date


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"source": ""}, InvalidValueError, "Source: name must not be empty"),
        ({"source": 3}, WrongTypeError, "Claim: source must be a Source or its name, got 3"),
        ({"source": None}, WrongTypeError, "Claim: source must be a Source or its name, got None"),
        (
            {"statement": None},
            WrongTypeError,
            "Claim: statement must be a statement, a number or a phrase, got None; for example",
        ),
        ({"statement": [1]}, WrongTypeError, "Claim: statement must be a statement"),
        ({"statement": True}, WrongTypeError, "Estimate: value must be a number, got True"),
        ({"statement": 1j}, WrongTypeError, "Estimate: value must be a number, got 1j"),
        ({"statement": math.nan}, InvalidValueError, "Estimate: value must be a finite number"),
        ({"statement": "nonsense"}, UnreadablePhraseError, "cannot read 'nonsense'"),
        ({"quantity": ""}, InvalidValueError, "Claim: quantity must not be empty, got ''; leave"),
        ({"quantity": 3}, WrongTypeError, "Claim: quantity must be text, got 3"),
        ({"origin": " "}, InvalidValueError, "Claim: origin must not be empty, got ' '"),
        ({"origin": 3}, WrongTypeError, "Claim: origin must be text, got 3"),
        ({"note": 3}, WrongTypeError, "Claim: note must be text, got 3"),
        ({"url": 3}, WrongTypeError, "Claim: url must be text, got 3"),
        (
            {"credibility": 80},
            InvalidValueError,
            "Claim: credibility must lie in [0, 1], got 80; did you mean 0.8?",
        ),
        ({"credibility": "high"}, WrongTypeError, "Claim: credibility must be a number"),
        (
            {"date": "24 October"},
            InvalidValueError,
            "Claim: date must be a day such as 2024-10-24, got '24 October'",
        ),
        (
            {"date": 2024},
            WrongTypeError,
            "Claim: date must be a datetime.date or an ISO text, got 2024",
        ),
    ],
)
def test_impossible_claims(fields: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=re.escape(message)):
        Claim(**{"source": "a", "statement": 5, **fields})


def test_a_date_that_is_not_a_time_is_no_date() -> None:
    assert Claim("a", 5, date=np.datetime64("NaT")).date is None  # type: ignore[arg-type]


@given(claims())
def test_copies_are_equal(claim: Claim) -> None:
    assert eval(repr(claim)) == claim  # noqa: S307
    assert pickle.loads(pickle.dumps(claim)) == claim  # noqa: S301
    assert copy.deepcopy(claim) == claim
    assert attrs.evolve(claim) == claim
    assert hash(attrs.evolve(claim)) == hash(claim)


@given(st.lists(claims(), max_size=4))
def test_json_round_trip_is_exact(given_claims: list[Claim]) -> None:
    text = claims_to_json(given_claims)
    assert claims_from_json(text) == given_claims
    assert claims_to_json(claims_from_json(text)) == text


def test_the_document_states_its_format() -> None:
    document = json.loads(claims_to_json([Claim("a", 5, date=DAY)]))
    assert document == {
        "reliability-claims": 1,
        "claims": [
            {
                "source": {"name": "a"},
                "statement": {"form": "estimate", "value": 5.0},
                "date": "2024-10-24",
            }
        ],
    }


def test_documents_written_by_hand_may_be_bare() -> None:
    text = (
        '{"reliability-claims": 1, "claims": [{"source": "a", "statement": "up to 5"},'
        ' {"source": "b", "statement": 7}]}'
    )
    assert claims_from_json(text) == [Claim("a", AtMost(5)), Claim("b", 7)]


def document(*records: object) -> str:
    return json.dumps({"reliability-claims": 1, "claims": records})


GOOD = {"source": "a", "statement": 5}


@pytest.mark.parametrize(
    ("record", "kind", "message"),
    [
        (
            {"source": {"name": "a", "reliability": 80}, "statement": 5},
            InvalidValueError,
            "claims[2].source.reliability: must lie in [0, 1], got 80; did you mean 0.8?",
        ),
        (
            {"source": {"name": "a", "reliability": "B"}, "statement": 5},
            WrongTypeError,
            "claims[2].source.reliability: must be a number, got 'B'",
        ),
        ({"source": {}, "statement": 5}, InvalidValueError, "claims[2].source.name: is missing"),
        ({"source": "", "statement": 5}, InvalidValueError, "claims[2].source.name: must not be e"),
        (
            {"source": {"name": "a", "nme": 1}, "statement": 5},
            InvalidValueError,
            "claims[2].source.nme: there is no field 'nme'; did you mean 'name'?",
        ),
        (
            {"source": "a", "statement": {"form": "range", "low": 5, "high": 3}},
            InvalidValueError,
            "claims[2].statement.low: low=5 exceeds high=3; give low < high",
        ),
        (
            {"source": "a", "statement": {"form": "rnge"}},
            InvalidValueError,
            "claims[2].statement.form: 'rnge' is unknown; did you mean 'range'?",
        ),
        (
            {"source": "a", "statement": {}},
            InvalidValueError,
            "claims[2].statement.form: is missing; give one of estimate",
        ),
        (
            {"source": "a", "statement": "12.000"},
            UnreadablePhraseError,
            "claims[2].statement: cannot read '12.000'",
        ),
        ({"source": "a"}, InvalidValueError, "claims[2].statement: is missing"),
        ({"statement": 5}, InvalidValueError, "claims[2].source: is missing"),
        ({**GOOD, "dat": 1}, InvalidValueError, "claims[2].dat: there is no field 'dat'; did you"),
        ({**GOOD, "date": "x"}, InvalidValueError, "claims[2].date: must be a day such as"),
        ({**GOOD, "source": 3}, WrongTypeError, "claims[2].source: must be a Source or its name"),
        (3, WrongTypeError, "claims[2]: must be a mapping of fields, got 3"),
    ],
)
def test_errors_carry_the_path(record: object, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=re.escape(message)):
        claims_from_json(document(GOOD, GOOD, record))


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (3, WrongTypeError, "the JSON must be text, got 3"),
        ("{", InvalidValueError, "the text is not JSON: "),
        ("[" * 100_000, InvalidValueError, "the text cannot be read as JSON"),
        ("9" * 10_000, InvalidValueError, "the text cannot be read as JSON"),
        (b"\xff", InvalidValueError, "the text cannot be read as JSON"),
        ("[]", InvalidValueError, 'not a document of claims: it needs the field "reliability-cla'),
        ("{}", InvalidValueError, "not a document of claims"),
        (
            '{"reliability-claims": 2}',
            InvalidValueError,
            "reliability-claims: version 2 is not known; this release reads 1",
        ),
        ('{"reliability-claims": true}', InvalidValueError, "version True is not known"),
        ('{"reliability-claims": 1}', WrongTypeError, "claims: must be a list of claims, got None"),
        (
            '{"reliability-claims": 1, "claim": []}',
            InvalidValueError,
            "document: there is no field 'claim'; did you mean 'claims'?",
        ),
        (
            '{"reliability-claims": 1, "claims": [NaN]}',
            InvalidValueError,
            "the JSON holds NaN, which is not a number; write excess as 'inf'",
        ),
    ],
)
def test_texts_that_are_no_documents(text: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=re.escape(message)):
        claims_from_json(text)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists) | st.text())
def test_any_json_is_claims_or_a_clear_error(value: Any) -> None:
    for text in (str(value), document(value), document({"source": value, "statement": value})):
        with contextlib.suppress(ReliabilityError):
            claims_from_json(text)


def test_only_claims_are_written() -> None:
    with pytest.raises(WrongTypeError, match=r"claims\[1\]: must be a Claim, got 3"):
        claims_to_json([Claim("a", 5), 3])  # type: ignore[list-item]


def test_importing_claims_is_light() -> None:
    code = (
        "import sys; from reliability.claims.claim import Claim; "
        "print([m for m in ('scipy.stats', 'hypothesis', 'pandas', 'matplotlib') "
        "if m in sys.modules])"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
