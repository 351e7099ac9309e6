"""The commands learn and score, and learned tables of sources in combine."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reliability import Combination
from reliability.__main__ import main
from reliability.errors import ReliabilityError
from reliability.io import read_claims_table
from reliability.learning.learned import Learned, learn
from reliability.scores import scorecard
from reliability.tables.files import read_table
from reliability.tables.sources import SOURCE_COLUMNS, read_sources


def table_of(seed: int, quantities: int, first: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(100.0, 20.0, quantities)
    error = rng.standard_normal((quantities, 3)) * [1.0, 4.0, 2.0]
    names = [f"q{first + i}" for i in range(quantities)]
    table = {
        "quantity": np.repeat(names, 3).tolist(),
        "source": ["gauge", "model", "observer"] * quantities,
        "value": (truth[:, None] + [0.0, 1.0, -2.0] + error).round(3).ravel().tolist(),
        "sd": [1.0, 2.0, 2.0] * quantities,
    }
    return table, {"quantity": names, "truth": truth.round(3).tolist()}


def write(path: Path, table: dict[str, Any]) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    return str(path)


def read(path: Path | str) -> dict[str, list[str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    return {name: [line[i] for line in lines] for i, name in enumerate(header)}


@pytest.fixture
def claims(tmp_path: Path) -> str:
    return write(tmp_path / "claims.csv", table_of(1, 60)[0])


@pytest.fixture
def truths(tmp_path: Path) -> str:
    return write(tmp_path / "truths.csv", table_of(1, 60)[1])


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("reliability: ")
    assert err.count("\n") == 1
    return err.removeprefix("reliability: ").rstrip("\n")


# --- learn --------------------------------------------------------------------------------------


def test_learn_prints_and_writes_the_sources(
    claims: str, truths: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("sources", "quantities", "pairs")
    out = {name: str(tmp_path / f"out-{name}.csv") for name in names}
    call = ["learn", claims, "--truths", truths, "--law", "normal", "--level", "0.9"]
    call += ["-o", out["sources"], "--quantities", out["quantities"], "--pairs", out["pairs"]]
    assert main(call) == 0
    printed, err = capsys.readouterr()
    assert not err
    known = learn(table_of(1, 60)[0], table_of(1, 60)[1], law="normal", level=0.9)
    assert printed == f"{known}\n"
    assert "Law of errors: normal" in printed
    assert "Biases are absolute" in printed
    written = read(out["sources"])
    assert list(written) == list(known.source_table)
    assert written["source"] == ["gauge", "model", "observer"]
    assert [float(each) for each in written["bias"]] == known.source_table["bias"].tolist()
    assert set(written["evidence"]) == {""}  # under the normal law no claim is unsound
    estimates = [float(each) for each in read(out["quantities"])["estimate"]]
    assert estimates == known.quantities["estimate"].tolist()
    assert read(out["pairs"])["source_1"] == ["gauge", "gauge", "model"]


def test_all_kinds_of_files_say_the_same(
    claims: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, truth = table_of(1, 60)
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    (tmp_path / "claims.json").write_text(json.dumps(rows), encoding="utf-8")
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.table(table), tmp_path / "claims.parquet")
    pq.write_table(pa.table(truth), tmp_path / "truths.parquet")
    texts = []
    for name in (claims, str(tmp_path / "claims.json"), str(tmp_path / "claims.parquet")):
        call = ["learn", name, "--law", "normal", "--truths", str(tmp_path / "truths.parquet")]
        out = tmp_path / f"sources{Path(name).suffix}.parquet"
        assert main([*call, "-o", str(out)]) == 0
        texts.append(capsys.readouterr().out)
        assert pq.read_table(out)["source"].to_pylist() == ["gauge", "model", "observer"]
    assert texts[0] == texts[1] == texts[2]


def test_what_is_known_of_sources(
    claims: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = write(tmp_path / "known.csv", {"source": ["model"], "bias": [1.0]})
    call = ["learn", claims, "--law", "normal", "--sources", known, "--dependence", "0.4"]
    save = tmp_path / "kept.json"
    assert main([*call, "--unbiased", "gauge", "--unbiased", "model", "--save", str(save)]) == 0
    capsys.readouterr()
    found = Learned.load(save)
    assert found.sources["model"].bias == pytest.approx(1.0, abs=1e-3)
    assert found.sources["gauge"].bias == pytest.approx(0.0, abs=1e-3)
    assert found.dependence_between == 0.4
    assert found.identified


def test_updates(claims: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept, later = str(tmp_path / "kept.json"), str(tmp_path / "later.parquet")
    pytest.importorskip("pyarrow")
    assert main(["learn", claims, "--law", "normal", "--save", kept]) == 0
    table, _ = table_of(2, 20, first=100)
    more = write(tmp_path / "more.csv", table)
    assert main(["learn", more, "--update", kept, "--half-life", "40", "--save", later]) == 0
    assert "3 sources, 240 claims." in capsys.readouterr().out
    wanted = Learned.load(kept).update(table, half_life=40)
    assert Learned.load(later).to_dict() == wanted.to_dict()


def test_bad_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, _ = table_of(1, 60)
    table["sd"][4] = -1.0
    claims, bad = write(tmp_path / "claims.csv", table), str(tmp_path / "bad.csv")
    message = refused(capsys, "learn", claims)
    assert message.startswith(f"{claims}, row 5, sd: must be above 0")
    call = ["learn", claims, "--law", "normal", "--on-error", "collect", "--bad-rows", bad]
    assert main(call) == 0
    assert capsys.readouterr().out.endswith(f"{bad}: 1 row left out\n")
    assert read(bad)["row"] == ["5"]


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_bare_zeros_are_learned_from(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, _ = table_of(1, 20)
    table["value"] = [float(round(value - 100.0)) for value in table["value"]]
    del table["sd"]
    assert 0.0 in table["value"]
    write(tmp_path / "claims.csv", table)
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    (tmp_path / "claims.json").write_text(json.dumps(rows), encoding="utf-8")
    kept = str(tmp_path / "kept.json")
    claims = str(tmp_path / f"claims.{ending}")
    assert main(["learn", claims, "--law", "normal", "--save", kept]) == 0
    assert main(["learn", claims, "--update", kept]) == 0
    assert "3 sources, 120 claims." in capsys.readouterr().out


def test_truths_about_nothing_are_said(
    claims: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truths = write(tmp_path / "truths.csv", {"quantity": ["q1", "x", "y"], "truth": [90, 1, 2]})
    assert main(["learn", claims, "--law", "normal", "--truths", truths]) == 0
    assert "2 of the truths are about quantities without claims." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["learn"], "the following arguments are required: FILE"),
        (["learn", "FILE", "--law", "cauchy"], "argument --law: invalid choice: 'cauchy'"),
        (["learn", "FILE", "--scale", "lin"], "argument --scale: invalid choice: 'lin'"),
        (["learn", "FILE", "--level", "95"], "argument --level: must lie in (0, 1), got '95'; did"),
        (["learn", "FILE", "--dependence", "x"], "argument --dependence: must be a number, got 'x"),
        (["learn", "FILE", "--dependence", "2"], "dependence"),
        (
            ["learn", "FILE", "--unbiased", "guage"],
            "unbiased: the table has no source 'guage'; did",
        ),
        (["learn", "FILE", "--trut", "x"], "unrecognized arguments: --trut x"),
        (["learn", "none.csv"], "none.csv: No such file or directory"),
        (["learn", "claims.xls"], "claims.xls: must end in .csv, .tsv or .parquet"),
        (["learn", "FILE", "--truths", "none.csv"], "none.csv: No such file or directory"),
        (["learn", "FILE", "--truths", "FILE"], "FILE, line 1: there is no column 'source'"),
        (["learn", "FILE", "--sources", "FILE"], "FILE, line 1: there is no column 'quantity'"),
        (["learn", "FILE", "--half-life", "9"], "--half-life goes with --update"),
        (
            ["learn", "FILE", "--update", "k.json", "--law", "normal"],
            "--law does not go with --upd",
        ),
        (["learn", "FILE", "--update", "k.json", "--on-error", "raise"], "--on-error does not go"),
        (["learn", "FILE", "--update", "none.json"], "none.json: No such file or directory"),
        (["learn", "FILE", "--update", "FILE"], "FILE: must end in .json or .parquet"),
        (
            ["learn", "FILE", "--on-error", "collect"],
            "--on-error collect and --bad-rows BAD.csv go",
        ),
        (["learn", "FILE", "--bad-rows", "b.csv"], "--on-error collect and --bad-rows BAD.csv go"),
        (["learn", "FILE", "-o", "FILE"], "FILE: is to be used twice; choose another name"),
        (["learn", "FILE", "-o", "a.csv", "--pairs", "a.csv"], "a.csv: is to be used twice"),
        (["learn", "FILE", "--law", "normal", "-o", "a.xls"], "a.xls: must end in .csv, .tsv"),
        (["learn", "FILE", "--law", "normal", "--save", "a.csv"], "a.csv: must end in .json or"),
        (["score", "FILE"], "the following arguments are required: --truths"),
        (["score", "FILE", "--truths", "FILE"], "FILE, line 1: there is no column 'source'"),
        (["score", "FILE", "--truths", "TRUTHS", "-o", "TRUTHS"], "TRUTHS: is to be used twice"),
        (["score", "FILE", "--truths", "TRUTHS", "--scale", "ln"], "argument --scale: invalid ch"),
    ],
)
def test_wrong_calls(
    arguments: list[str],
    expected: str,
    claims: str,
    truths: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"FILE": claims, "TRUTHS": truths}
    call = [names.get(argument, argument) for argument in arguments]
    for name, path in names.items():
        if expected.startswith((f"{name}:", f"{name},")):
            expected = expected.replace(name, path, 1)
    assert refused(capsys, *call).startswith(expected)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["claims.csv", "truths.csv"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", "claims.json: must be a list of objects, one per claim, got []"),
        ('{"a": 1}', "claims.json: must be a list of objects, one per claim"),
        ("[1]", "claims.json, row 1: must be an object of columns, got 1"),
        ("[", "claims.json, line 1: is not JSON"),
        ('[{"source": "A", "source": "B"}]', "claims.json: the field 'source' is given twice"),
        ('[{"source": "A", "value": NaN}]', "claims.json: the JSON holds NaN"),
        ('[{"source": "A", "valeu": 1}]', "claims.json: there is no column 'valeu'; did you mean"),
        (
            '[{"quantity": 1, "source": "A", "value": 1}, {"quantity": 1, "value": 1}]',
            "claims.json, row 2, source: is empty",
        ),
    ],
)
def test_wrong_json(
    text: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "claims.json"
    path.write_text(text, encoding="utf-8")
    assert f"{tmp_path}/{expected}" in refused(capsys, "learn", str(path), "--law", "normal")


def test_tables_of_claims_from_files(tmp_path: Path) -> None:
    path = tmp_path / "claims.json"
    path.write_text(
        '[{"Quantity": 1, "source": "A", "value": 5}, {"Quantity": 1, "source": "B", "sd": 1}]',
        encoding="utf-8",
    )
    cells = read_claims_table(path)
    assert cells.record(0) == {"quantity": 1, "source": "A", "value": 5.0, "sd": None}
    assert cells.record(1) == {"quantity": 1, "source": "B", "value": None, "sd": 1.0}
    path = tmp_path / "claims.csv"
    path.write_text("source,value\n", encoding="utf-8")
    with pytest.raises(ReliabilityError, match="has a header and no claims"):
        read_claims_table(path)


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command, said in (("learn", "--half-life N"), ("score", "--truths FILE")):
        with pytest.raises(SystemExit) as caught:
            main([command, "--help"])
        assert caught.value.code == 0
        assert said in capsys.readouterr().out


# --- score --------------------------------------------------------------------------------------


def test_score_prints_and_writes_the_scores(
    claims: str, truths: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.csv"
    assert main(["score", claims, "--truths", truths, "-o", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["source", "n", "crps", "wis"]
    assert [line.split()[0] for line in lines[2:5]] == ["gauge", "model", "observer"]
    assert max(map(len, lines)) <= 100
    card = scorecard(*table_of(1, 60))
    written = read(out)
    assert list(written) == list(card)
    assert [float(each) for each in written["crps"]] == card["crps"].tolist()
    # The one that is as good as it says has the best score.
    assert lines[2].split()[2] == f"{card['crps'][0]:.3g}"
    assert min(card["crps"]) == card["crps"][0]


def test_score_counts_what_is_not_scored(
    claims: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some = {"quantity": ["q0", "q1", "x"], "truth": [100.0, 90.0, 1.0]}
    few = write(tmp_path / "few.csv", some)
    assert main(["score", claims, "--truths", few]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["source", "n", "unscored", "missing"]
    assert lines[2].split()[:4] == ["gauge", "2", "58", "1"]


# --- learned sources in combine -----------------------------------------------------------------


@pytest.mark.parametrize("law", ["normal", "mixture"])
def test_combine_takes_the_learned_table(
    law: str, claims: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources, out = str(tmp_path / "sources.csv"), str(tmp_path / "out.csv")
    assert main(["learn", claims, "--law", law, "-o", sources]) == 0
    assert main(["combine", claims, "--by", "quantity", "-o", out, "--sources", sources]) == 0
    one = write(tmp_path / "one.csv", {k: v[:3] for k, v in table_of(1, 1)[0].items()})
    capsys.readouterr()
    assert main(["combine", one, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert main(["combine", one, "--json", "--sources", sources]) == 0
    known = json.loads(capsys.readouterr().out)
    numbers = read_sources(read_table(sources, SOURCE_COLUMNS))
    for claim in known["claims"]:
        source = dict(claim["source"])
        assert source.pop("name") in numbers
        assert source
    assert known["result"]["estimate"] != plain["result"]["estimate"]
    assert isinstance(Combination.from_dict(known), Combination)


def test_combine_refuses_misspelt_columns_of_sources(
    claims: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = write(tmp_path / "wrong.csv", {"source": ["gauge"], "reliability_hi": [1]})
    message = refused(capsys, "combine", claims, "--sources", wrong)
    assert message.startswith(f"{wrong}, line 1: there is no column 'reliability_hi'; did you mean")
    wrong = write(tmp_path / "wrong.csv", {"source": ["gauge"], "reliability": [90]})
    message = refused(capsys, "combine", claims, "--sources", wrong)
    assert message.startswith(f"{wrong}, row 1, reliability: must lie in [0, 1], got 90; did you")


def test_what_is_known_elsewhere_comes_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = {"source": ["A", "B"], "value": [1, 2], "sd": [1, 1], "reliability": [0.5, 0.6]}
    claims = write(tmp_path / "claims.csv", table)
    known = {"source": ["A", "elsewhere"], "reliability": [0.9, 0.1], "bias": [0.25, 0]}
    call = ["combine", claims, "--json", "--sources", write(tmp_path / "known.csv", known)]
    assert main(call) == 0
    sources = [each["source"] for each in json.loads(capsys.readouterr().out)["claims"]]
    assert sources == [
        {"name": "A", "reliability": 0.9, "bias": 0.25},
        {"name": "B", "reliability": 0.6},
    ]
