"""Claims from files: what is understood, and what every refusal says."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reliability import Claim, Estimate, Quantiles, Range, Source, strategies
from reliability.claims.claim import claims_to_json
from reliability.errors import InvalidValueError, ReliabilityError
from reliability.io import COLUMNS, claims_from_rows, claims_from_text, read_claims

if TYPE_CHECKING:
    from pathlib import Path


def statements(text: str) -> list[str]:
    return [repr(claim.statement) for claim in claims_from_text(text)]


def message(text: str) -> str:
    with pytest.raises(ReliabilityError) as caught:
        claims_from_text(text, name="f.csv")
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- what is understood -------------------------------------------------------------------------


def test_every_column() -> None:
    text = (
        "source,value,sd,reliability,evidence,bias,bias_sd,overconfidence,interest,credibility,"
        "quantity,origin,date,note,url\n"
        "US,2500,300,0.8,12,10,5,1.5,+1,0.9,troops,a report,2024-10-23,seen,https://example.org\n"
    )
    assert claims_from_text(text) == [
        Claim(
            Source(
                "US",
                reliability=0.8,
                evidence=12,
                bias=10,
                bias_sd=5,
                overconfidence=1.5,
                interest=1,
            ),
            Estimate(2500, sd=300),
            credibility=0.9,
            quantity="troops",
            origin="a report",
            date="2024-10-23",
            note="seen",
            url="https://example.org",
        )
    ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("2500,,,,,", "Estimate(2500)"),
        ("2500,300,,,,", "Estimate(2500, sd=300)"),
        ("2500,,2000,3500,0.9,", "Estimate(2500, low=2000, high=3500, level=0.9)"),
        (",,2000,3000,,", "Range(2000, 3000)"),
        (",,2000,3000,0.9,", "Quantiles({0.05: 2000, 0.95: 3000})"),
        (",,2000,3000,0.9,quantiles", "Quantiles({0.05: 2000, 0.95: 3000})"),
        (",,2000,3000,0.99,", "Quantiles({0.005: 2000, 0.995: 3000})"),
        ("12000,,,,,at_least", "AtLeast(12000)"),
        ("12000,,,,,At most", "AtMost(12000)"),
        ("12000,,,,,about", "About(12000)"),
        ("12000,,,,,estimate", "Estimate(12000)"),
        (",,2000,3000,,range", "Range(2000, 3000)"),
        ('"12,000",,,,,', "Estimate(12000)"),
        ("12 000,,,,,", "Estimate(12000)"),
        ("1.2e4,,,,,", "Estimate(12000)"),
        ("12.000,,,,,", "Estimate(12)"),
        ("-3.5,,,,,", "Estimate(-3.5)"),
    ],
)
def test_numbers_become_statements(row: str, expected: str) -> None:
    assert statements(f"source,value,sd,low,high,level,form\nA,{row}\n") == [expected]


def test_quantile_columns() -> None:
    text = "source,q0.05,q.5,q0.95\nA,1,2,4\nB,,3,5\n"
    assert statements(text) == [
        "Quantiles({0.05: 1, 0.5: 2, 0.95: 4})",
        "Quantiles({0.5: 3, 0.95: 5})",
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_dialects(delimiter: str, end: str, bom: str) -> None:
    rows = [
        ["", "", ""],
        [" Source ", "STATEMENT", "Bias SD"],
        ["A", '"more than 12,000"', "3"],
        ["", "", ""],
        ['"B; or, C|D"', "about 5", ""],
    ]
    text = bom + end.join(delimiter.join(row) for row in rows) + end
    claims = claims_from_text(text)
    assert [claim.source.name for claim in claims] == ["A", "B; or, C|D"]
    assert claims[0].source.bias_sd == 3.0


def test_quoted_line_breaks_count_as_lines() -> None:
    text = 'source,value,note\nA,3,"one\ntwo\n\nthree"\nB,x,\n'
    assert message(text).startswith("f.csv, line 6, value: must be a number")
    assert claims_from_text(text.replace("x", "4"))[0].note == "one\ntwo\n\nthree"


def test_line_separators_inside_cells_are_not_lines() -> None:
    assert message("source,value\nA\u2028B,3\nC,x\n").startswith("f.csv, line 3, value")


def test_short_rows_and_empty_columns_of_spreadsheets() -> None:
    assert statements("source,value,note,,\nA,3\nB,4,x,,\n,,,,\n") == ["Estimate(3)", "Estimate(4)"]


def test_json_rows() -> None:
    rows: list[dict[str, Any]] = [
        {"source": "A", "value": 3, "sd": 1, "note": None},
        {"source": "B", "statement": "more than 2", "interest": -1},
        {"source": "C", "statement": 12},
        {"source": "D", "low": 1, "high": 2.5},
    ]
    claims = claims_from_text(json.dumps(rows))
    assert [repr(claim.statement) for claim in claims] == [
        *("Estimate(3, sd=1)", "AtLeast(2)", "Estimate(12)", "Range(1, 2.5)")
    ]
    assert claims == claims_from_rows(rows)
    assert claims[1].source.interest == -1


def test_an_empty_cell_means_as_said_elsewhere() -> None:
    claims = claims_from_text(
        "source,value,reliability,interest,bias\n"
        "A,3,,+1,\nB,4,0.5,,\nA,5,0.80,,\nA,6,0.8,1,\nC,7,,,2\n"
    )
    known = Source("A", reliability=0.8, interest=1)
    assert [claim.source for claim in claims] == [
        known,
        Source("B", reliability=0.5),
        known,
        known,
        Source("C", bias=2.0),
    ]
    assert [claim.statement for claim in claims] == [Estimate(value) for value in (3, 4, 5, 6, 7)]


@settings(max_examples=30)
@given(st.lists(strategies.claims(), min_size=1, max_size=4))
def test_json_documents_are_read_back(claims: list[Claim]) -> None:
    assert claims_from_text(claims_to_json(claims)) == claims


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "claims.csv"
    path.write_text("source,statement\nUkraїna,more than 12,000\n".replace(",000", "k"), encoding)
    assert [claim.source.name for claim in read_claims(path)] == ["Ukraїna"]
    assert read_claims(str(path)) == read_claims(path)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(b"source,value\nA,3\n"))
    monkeypatch.setattr(sys, "stdin", stream)
    assert read_claims("-")[0].statement == Estimate(3)


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "f.csv: is empty"),
        (" \n\n", "f.csv: is empty"),
        ("source,value\n", "f.csv: has a header and no claims"),
        (",", "f.csv, line 1: the column 'source' is missing"),
        ("source,value\n,,\n\n", "f.csv: has a header and no claims"),
        ("source,valeu\nA,3", "f.csv, line 1: there is no column 'valeu'; did you mean 'value'?"),
        ("source,value,VALUE\nA,3,4", "f.csv, line 1: the column 'value' is given 2 times"),
        ("source,,value\nA,3,4", "f.csv, line 1: there is no column ''; known: source"),
        ("value\n3", "f.csv, line 1: the column 'source' is missing"),
        ("source,reliability\nA,0.5", "f.csv, line 1: a column with what was said is missing"),
        ("\n\nfoo\n1", "f.csv, line 3: there is no column 'foo'"),
        ("source,value\n,3", "f.csv, line 2, source: is empty; say who makes the claim"),
        ("source,value\nA,", "f.csv, line 2, statement: the row says nothing"),
        ("source,value\nA,12,000", "f.csv, line 2: has 3 cells and the header 2; put a text that"),
        ("source,value\nA,abc", "f.csv, line 2, value: must be a number, got 'abc'; put phrases"),
        ("source,value\nA,about 3", "f.csv, line 2, value: must be a number, got 'about 3'; put"),
        ("source,value\nA,nan", "f.csv, line 2, value: must be a number, got 'nan'"),
        ("source,value\nA,1e999", "f.csv, line 2, value: must be a finite number"),
        ("source;value\nA;12.000", "f.csv, line 2, value: '12.000' may be 12000 or 12; write it"),
        ("source;value\nA;0,8", "f.csv, line 2, value: must be a number, got '0,8'; '0,8' may be"),
        ("source,value,interest\nA,3,up", "f.csv, line 2, interest: must be a number, got 'up'"),
        ("source,value,interest\nA,3,2", "f.csv, line 2, interest: must be -1, 0 or 1, got 2"),
        (
            "source,value,reliability\nA,3,80",
            "f.csv, line 2, reliability: must lie in [0, 1], got 80; did you mean 0.8?",
        ),
        ("source,value,credibility\nA,3,-1", "f.csv, line 2, credibility: must lie in [0, 1]"),
        ("source,value,date\nA,3,23.10.2024", "f.csv, line 2, date: must be a day such as"),
        ("source,value,sd\nA,3,-1", "f.csv, line 2, sd: must be above 0, got -1"),
        ("source,value,sd\nA,,1", "f.csv, line 2, sd: belongs to a value; fill the column"),
        ("source,low,high\nA,3,", "f.csv, line 2, high: is empty; give both ends"),
        ("source,low,high\nA,,3", "f.csv, line 2, low: is empty; give both ends"),
        ("source,low,high\nA,3,2", "f.csv, line 2, low: low=3 exceeds high=2"),
        (
            "source,low,high,level\nA,3,4,90",
            "f.csv, line 2, level: must lie in (0, 1), got 90; did",
        ),
        ("source,low,high,level\nA,3,4,0", "f.csv, line 2, level: must lie in (0, 1), got 0"),
        (
            "source,value,low,high,level\nA,1,2,3,0.9",
            "f.csv, line 2, low: low=2 is not below value=1",
        ),
        (
            "source,statement,value\nA,about 3,3",
            "f.csv, line 2, statement: the row has a statement and a value; leave one of them",
        ),
        ("source,statement,form\nA,about 3,about", "f.csv, line 2, statement: the row has a"),
        ("source,statement\nA,lots", "f.csv, line 2, statement: cannot read 'lots'"),
        ("source,statement\nA,12.000", "f.csv, line 2, statement: cannot read '12.000'"),
        ("source,form,value\nA,atleast,3", "f.csv, line 2, form: 'atleast' is unknown; did you"),
        ("source,form,value\nA,range,3", "f.csv, line 2, value: does not go with form range"),
        ("source,form,low,value\nA,about,,", "f.csv, line 2, value: is empty, and form about"),
        ("source,form,value,sd\nA,about,3,1", "f.csv, line 2, sd: does not go with form about"),
        ("source,form,q0.5,q0.9\nA,about,3,4", "f.csv, line 2, form: the row has quantiles and"),
        ("source,value,q0.5,q0.9\nA,1,3,4", "f.csv, line 2, value: the row has quantiles too"),
        ("source,q0.5,q0.9\nA,5,4", "f.csv, line 2, quantiles: quantiles must increase"),
        ("source,q0.5\nA,5", "f.csv, line 2, quantiles: must have at least two quantiles"),
        ('source,value\nA,3\nB,"4', "f.csv, after line 2: the file is not clean CSV"),
        ('source,value\nA,"3"4', "f.csv, after line 1: the file is not clean CSV"),
        (
            "source,value,reliability\nA,3,0.8\nB,4,0.5\nA,5,0.7",
            "f.csv, line 4, reliability: is 0.7 for the source 'A', but 0.8 in line 2; state it once",
        ),
        (
            "source,value,bias\nA,3,0\nA,5,0.1",
            "f.csv, line 3, bias: is 0.1 for the source 'A', but",
        ),
        (
            '[{"source": "A", "value": 3, "bias": 1}, {"source": "A", "value": 3, "bias": -1}]',
            "f.csv, row 2, bias: is -1 for the source 'A', but 1 in row 1",
        ),
        (
            (
                '{"reliability-claims": 1, "claims": [{"source": {"name": "A", "bias": 3}, '
                '"statement": 3}, {"source": "A", "statement": 4}]}'
            ),
            "f.csv: claims[1].source.bias: is 0 for the source 'A', but 3 in claims[0]",
        ),
        ("[]", "f.csv: there are no claims in it"),
        ("[3]", "f.csv, row 1: must be an object of columns, got 3"),
        ('[{"source": "A"}]', "f.csv, row 1: a column with what was said is missing"),
        ('[{"source": "A", "value": true}]', "f.csv, row 1, value: must be a number or a text"),
        ('[{"source": "A", "value": [3]}]', "f.csv, row 1, value: must be a number or a text"),
        ('[{"source": "A", "value": NaN}]', "f.csv: the JSON holds NaN"),
        (
            '[{"source": "A", "value": 1e999}]',
            "f.csv, row 1, value: must be a finite number, got inf",
        ),
        ('[{"source": "A", "value": 1' + "0" * 400 + "}]", "f.csv, row 1, value: must be a finite"),
        ('[{"value": 3, "value": 4}]', "f.csv: the field 'value' is given twice in one object"),
        ('[\n{"source": }]', "f.csv, line 2: is not JSON"),
        ('{"a": 1}', "f.csv: not a document of claims"),
        ('{"reliability-claims": 1, "claims": []}', "f.csv: there are no claims in it"),
        (
            '{"reliability-claims": 1, "claims": [{"source": {"name": "A", "reliability": 80}}]}',
            "f.csv: claims[0].statement: is missing",
        ),
        ("[" * 100_000, "f.csv: cannot be read as JSON"),
    ],
)
def test_refusals_name_the_place(text: str, expected: str) -> None:
    assert message(text).startswith(expected)


def test_large_cells_are_refused_by_the_reader() -> None:
    assert "not clean CSV" in message(f"source,value\n{'A' * 200_000},3")


def test_bytes_that_are_not_text(tmp_path: Path) -> None:
    path = tmp_path / "claims.csv"
    path.write_bytes("source,value\nKöln,3\n".encode("latin-1"))
    with pytest.raises(InvalidValueError, match=r"claims\.csv, line 2: is not UTF-8 text"):
        read_claims(path)
    path.write_bytes(b"source\x00value\n")
    with pytest.raises(InvalidValueError, match="not a text file"):
        read_claims(path)
    with pytest.raises(FileNotFoundError):
        read_claims(tmp_path / "none.csv")


def test_a_json_file_is_json_whatever_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "claims.json"
    for text, expected in (
        ("5", "must be a list of objects, one per claim, got 5"),
        ("source,value", "is not JSON"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InvalidValueError, match=expected):
            read_claims(path)
    path.write_bytes(b'[{"source": "K\xf6ln"}]')
    with pytest.raises(InvalidValueError, match=r"not UTF-8 text; save the file in UTF-8$"):
        read_claims(path)


@settings(max_examples=200)
@given(st.text(alphabet=st.sampled_from("source,value;\n\t\"'-.0123456789{}[]: nA|"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for start in ("", "source,value\n", "source;statement;low;high\n"):
        try:
            claims = claims_from_text(start + text)
        except ReliabilityError:
            continue
        assert all(isinstance(claim, Claim) for claim in claims)


def test_columns_are_the_documented_ones() -> None:
    assert set(COLUMNS) >= {"source", "statement", "value", "sd", "low", "high", "level", "form"}
    assert isinstance(claims_from_rows([{"source": "A", "low": 1, "high": 2}])[0].statement, Range)
    rows = [{"source": "A", "low": 1, "high": 2, "level": 0.8}]
    assert claims_from_rows(rows)[0].statement == Quantiles({0.1: 1, 0.9: 2})
