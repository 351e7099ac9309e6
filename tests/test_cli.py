"""The command line, as a stranger calls it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import reliability
from reliability import Claim, Combination, Estimate, Source, combine, combine_many, priors
from reliability.__main__ import main, parse_prior
from reliability.errors import MissingExtraError, ReliabilityError
from reliability.io import read_claims
from reliability.tables.streams import Block, Results, combine_file

if TYPE_CHECKING:
    from pathlib import Path

TROOPS = """\
source,statement,reliability,origin,quantity
US officials,"about 2,500",0.8,,troops
Ukraine,"more than 12,000",0.6,briefing,troops
South Korea,"more than 12,000",0.7,briefing,troops
"""


@pytest.fixture
def troops(tmp_path: Path) -> str:
    path = tmp_path / "troops.csv"
    path.write_text(TROOPS, encoding="utf-8")
    return str(path)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("reliability: ")
    assert err.count("\n") == 1
    return err.removeprefix("reliability: ").rstrip("\n")


# --- what works ---------------------------------------------------------------------------------


def test_combine_prints_the_table(troops: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["combine", troops, "--scale", "log"]) == 0
    out, err = capsys.readouterr()
    assert not err
    assert out.startswith("troops\n======\nBest estimate 2,800; 95% of the probability lies")


def test_zero(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    denial = tmp_path / "denial.csv"
    denial.write_text(TROOPS + "Russia,denied,0.5,,troops\n", encoding="utf-8")
    call = ["combine", str(denial), "--scale", "log", "--prior", "LogUniform(100, 100000)"]
    assert main([*call, "--zero", "0.2"]) == 0
    assert "There is none at all with probability" in capsys.readouterr().out
    assert "which zero=0 excludes; give zero=" in refused(capsys, *call)
    assert "must lie in [0, 1), got '20'; did you mean 0.2?" in refused(
        capsys, *call, "--zero", "20"
    )
    out = tmp_path / "out.csv"
    assert main([*call, "--zero", "0.2", "--by", "quantity", "-o", str(out)]) == 0
    capsys.readouterr()
    (row,) = csv.DictReader(out.read_text(encoding="utf-8").splitlines())
    found = float(row["zero"])
    result = combine(
        read_claims(denial), scale="log", prior=priors.LogUniform(100, 100_000), zero=0.2
    )
    assert isinstance(result, Combination)
    assert found == pytest.approx(result.posterior.zero, rel=1e-9)


def test_level(troops: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["combine", troops, "--scale", "log", "--level", "0.5"]) == 0
    assert "50% of the probability lies between" in capsys.readouterr().out


def test_several_quantities(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "two.csv"
    path.write_text(TROOPS + 'US officials,"over 600,000",0.8,,losses\n', encoding="utf-8")
    picture = tmp_path / "two.svg"
    assert main(["combine", str(path), "--scale", "log", "--plot", str(picture)]) == 0
    out = capsys.readouterr().out
    assert "troops\n======\nBest" in out
    assert "\n\n\nlosses\n======\nBest" in out
    assert "<svg" in picture.read_text(encoding="utf-8")
    assert main(["combine", str(path), "--scale", "log", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"troops", "losses"}


def test_json_is_the_dictionary_of_the_result(
    troops: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["combine", troops, "--scale", "log", "--json", "--level", "0.9"]) == 0
    document = json.loads(capsys.readouterr().out)
    again = Combination.from_dict(document)
    assert again.to_dict(0.9) == document
    assert document["result"]["level"] == 0.9


def test_models_and_priors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lab.csv"
    path.write_text("source,value,sd,reliability\nA,10,1,0.8\nB,12,1,0.9\n", encoding="utf-8")
    for model in ("reports", "measurements", "experts", "common-effect"):
        assert main(["combine", str(path), "--model", model]) == 0
    capsys.readouterr()
    call = ["combine", str(path), "--model", "common-effect", "--json", "--prior", "Normal(0, 1)"]
    assert main(call) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert result["mean"] == pytest.approx(22 / 3)


def test_dates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "f.csv"
    path.write_text("source,statement,date\na,10 +- 1,2024-01-01\nb,14 +- 1,2024-01-09\n")
    arguments = ["combine", str(path), "--drift", "0.5", "--as-of", "2024-01-05", "--json"]
    assert main(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    found = combine(read_claims(path), drift=0.5, as_of="2024-01-05")
    assert isinstance(found, Combination)
    assert document["result"]["estimate"] == found.estimate
    assert document["dates"]["as_of"] == "2024-01-05"
    assert main(arguments[:-1]) == 0
    assert "As of 2024-01-05: the quantity moves, on the linear" in capsys.readouterr().out


def test_plot(troops: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "troops.png"
    assert main(["combine", troops, "--scale", "log", "--plot", str(picture)]) == 0
    assert "Best estimate" in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"reliability {reliability.__version__}\n"


def test_demo(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    assert "How many North Korean soldiers" in capsys.readouterr().out


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["combine", "--help"])
    assert caught.value.code == 0
    assert "FILE is CSV or JSON" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "prior"),
    [
        ("LogNormal(10000, 1)", priors.LogNormal(10000, 1)),
        (" Normal(mean=-3, sd=2.5) ", priors.Normal(-3, 2.5)),
        ("Flat()", priors.Flat()),
        ("StudentT(3, 0, scale=1e3)", priors.StudentT(3, 0, 1e3)),
        ("Uniform(0, 1_000)", priors.Uniform(0, 1000)),
    ],
)
def test_priors_are_read(text: str, prior: priors.QuantityPrior) -> None:
    assert parse_prior(text) == prior


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "cannot read ''"),
        ("Normal", "cannot read 'Normal'; write it like LogNormal(10000, 1)"),
        ("Normal(1, 2", "cannot read"),
        ("Normal(a, 2)", "cannot read"),
        ("Normal(1+1, 2)", "cannot read"),
        ("Normal(*[1, 2])", "cannot read"),
        ("Normal(**{'mean': 1})", "cannot read"),
        ("__import__('os').system('true')", "cannot read"),
        ("open('x')", "there is no prior 'open'; known: Beta, Flat,"),
        ("lognormal(1, 2)", "there is no prior 'lognormal'; did you mean 'LogNormal'?"),
        ("Density(1)", "there is no prior 'Density'"),
        ("HalfNormal(1)", "there is no prior 'HalfNormal'"),
        ("Normal(1)", "Normal: missing a required argument: 'sd'; it takes (mean, sd)"),
        ("Normal(1, 2, 3)", "Normal: too many positional arguments; it takes (mean, sd)"),
        ("Normal(1, std=3)", "Normal: missing a required argument: 'sd'"),
        ("Normal(1, -2)", "Normal: sd must be above 0"),
        ("Normal(1, 'x')", "Normal: sd must be a number"),
        ("(" * 5000, "cannot read"),
    ],
)
def test_priors_are_refused(text: str, expected: str) -> None:
    with pytest.raises(ReliabilityError) as caught:
        parse_prior(text)
    assert str(caught.value).startswith("--prior: ")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["combin"], "argument COMMAND: invalid choice: 'combin'"),
        (["combine"], "the following arguments are required: FILE"),
        (["demo", "extra"], "unrecognized arguments: extra"),
        (["combine", "FILE", "--scal", "log"], "unrecognized arguments: --scal log"),
        (["combine", "FILE", "--scale", "lin"], "argument --scale: invalid choice: 'lin'"),
        (["combine", "FILE", "--model", "x"], "argument --model: invalid choice: 'x'"),
        (
            ["combine", "FILE", "--level", "95"],
            "argument --level: must lie in (0, 1), got '95'; did",
        ),
        (["combine", "FILE", "--level", "x"], "argument --level: must lie in (0, 1), got 'x'"),
        (["combine", "FILE", "--prior", "Norml(1, 2)"], "--prior: there is no prior 'Norml'; did"),
        (["combine", "no such file"], "no such file: No such file or directory"),
        (["combine", "FILE", "--plot", "picture.xyz"], "--plot picture.xyz: Format 'xyz' is not"),
        (["combine", "FILE", "--plot", "picture"], "argument --plot: must be a file that ends in"),
        (["combine", "FILE", "--plot", "."], "argument --plot: must be a file that ends in .png, "),
        (["combine", "FILE", "--plot", ""], "argument --plot: must be a file that ends in .png, "),
        (["combine", "FILE", "--plot", "/no/such/folder/x.png"], "/no/such/folder/x.png: No such"),
    ],
)
def test_wrong_calls(
    arguments: list[str], expected: str, troops: str, capsys: pytest.CaptureFixture[str]
) -> None:
    call = [troops if argument == "FILE" else argument for argument in arguments]
    assert refused(capsys, *call).startswith(expected)


def test_wrong_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "claims.csv"
    path.write_text("source,value,sd\nA,-5,1\n", encoding="utf-8")
    assert refused(capsys, "combine", str(path), "--scale", "log").startswith(
        f"{path}: claim 1 (A): value=-5 is impossible on the log scale"
    )
    path.write_text("source,value,sd\nA,5,0\n", encoding="utf-8")
    assert refused(capsys, "combine", str(path)).startswith(f"{path}, line 2, sd: must be above 0")
    path.write_text("source,statement\nA,at least 12000 (verified)\n", encoding="utf-8")
    assert "give a proper prior" in refused(capsys, "combine", str(path))
    assert "Is a directory" in refused(capsys, "combine", str(tmp_path))


def test_a_missing_extra(
    troops: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    message = refused(capsys, "combine", troops, "--plot", "x.png", "--scale", "log")
    assert message == 'pictures need matplotlib: pip install "source-reliability[plot]"'
    assert issubclass(MissingExtraError, ImportError)


# --- as a process -------------------------------------------------------------------------------


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # this very interpreter
        [sys.executable, "-m", "reliability", *arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env=os.environ | environment,
    )


def test_process_ends_with_status_two_and_no_traceback(tmp_path: Path) -> None:
    done = run("combine", str(tmp_path / "none.csv"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert not done.stdout


def test_terminals_that_cannot_show_a_sign(tmp_path: Path) -> None:
    path = tmp_path / "claims.csv"
    path.write_text("source,statement\nKyїv,10 ± 1\n", encoding="utf-8")
    done = run("combine", str(path), PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "Ky?v" in done.stdout


def test_a_reader_that_stops_early(troops: str) -> None:
    pipe = subprocess.Popen(  # noqa: S603  # this very interpreter
        [sys.executable, "-m", "reliability", "combine", troops, "--scale", "log"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert pipe.stdout is not None
    assert pipe.stderr is not None
    pipe.stdout.close()
    assert pipe.stderr.read() == b""
    pipe.stderr.close()
    assert pipe.wait() == 0


def test_the_module_is_the_library(troops: str) -> None:
    claims = read_claims(troops)
    result = combine(claims, scale="log")
    assert isinstance(result, Combination)
    assert run("combine", troops, "--scale", "log").stdout == (f"{result}\n")


# --- many quantities ----------------------------------------------------------------------------

MANY = (
    "quantity,source,value,sd,reliability\n"
    "b,X,10,1,0.9\na,X,20,2,\nb,Y,12,1,0.5\na,Y,21,1,\nc,Z,3,1,\n"
)


def test_by_quantity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text(MANY, encoding="utf-8")
    out = tmp_path / "out.csv"
    assert main(["combine", str(tmp_path / "in.csv"), "--by", "quantity", "-o", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: 3 quantities from 5 claims\n"
    header, *lines = [line.split(",") for line in out.read_text(encoding="utf-8").splitlines()]
    assert header[:4] == ["quantity", "n", "estimate", "mean"]
    assert [line[:2] for line in lines] == [["b", "2"], ["a", "2"], ["c", "1"]]
    alone = combine(
        [
            Claim(Source("X", reliability=0.9), Estimate(20, sd=2)),
            Claim(Source("Y", reliability=0.5), Estimate(21, sd=1)),
        ]
    )
    assert isinstance(alone, Combination)
    assert float(lines[1][2]) == alone.estimate
    assert tuple(map(float, lines[1][5:7])) == alone.interval(0.95)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--by", "quantity"], "--by quantity: also say where the results go: -o OUT.csv"),
        (["-o", "out.csv"], "-o goes with --by quantity"),
        (["--by", "quantity", "-o", "out.csv", "--json"], "--json does not go with --by"),
        (["--bad-rows", "a.csv"], "--bad-rows goes with --by quantity"),
        (["--on-error", "collect"], "--on-error goes with --by quantity"),
        (
            ["--by", "quantity", "-o", "out.csv", "--on-error", "collect"],
            "--on-error collect: also say where bad rows go: --bad-rows BAD.csv",
        ),
        (
            ["--by", "quantity", "-o", "out.csv", "--bad-rows", "bad.csv"],
            "--bad-rows goes with --on-error collect",
        ),
        (
            ["--by", "quantity", "-o", "a.csv", "--on-error", "collect", "--bad-rows", "a.csv"],
            "a.csv: is to hold the results and the bad rows; give two names",
        ),
        (
            ["--by", "quantity", "-o", "no such folder/out.csv"],
            "no such folder/out.csv: there is no folder 'no such folder'; make it first",
        ),
        (
            ["--by", "quantity", "-o", "out.txt.gz"],
            "out.txt.gz: must end in .csv, .tsv or .parquet",
        ),
    ],
)
def test_by_quantity_wrongly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    (tmp_path / "in.csv").write_text(MANY, encoding="utf-8")
    assert main(["combine", str(tmp_path / "in.csv"), *arguments]) == 2
    assert expected in capsys.readouterr().err


def test_by_quantity_collects_bad_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        ["b", "X", "10", "1", "0.9"],
        ["a", "X", "20", "-2", ""],
        ["b", "Y", "12", "1", ""],
        ["a", "Y", "21", "1", ""],
        ["c", "Z", "many", "1", ""],
        ["", "Z", "3", "1", ""],
    ]
    (tmp_path / "in.csv").write_text(written(rows), encoding="utf-8")
    out, bad = tmp_path / "out.csv", tmp_path / "bad.csv"
    call = ["combine", str(tmp_path / "in.csv"), "--by", "quantity", "-o", str(out)]
    call += ["--on-error", "collect", "--bad-rows", str(bad)]
    assert main(call) == 0
    assert capsys.readouterr().out == (
        f"{out}: 2 quantities from 3 claims\n{bad}: 3 rows left out\n"
    )
    assert [line[:2] for line in lines_of(out)[1:]] == [["b", "2"], ["a", "1"]]
    assert lines_of(bad) == [
        ["row", "quantity", "source", "column", "value", "reason"],
        ["2", "a", "X", "sd", "-2", "must be above 0, got -2; leave it out if it is not stated"],
        [
            *["5", "c", "Z", "value", "many"],
            "must be a number, got 'many'; put phrases into the column 'statement'",
        ],
        ["6", "", "Z", "quantity", "", "is empty; name what the claim is about"],
    ]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_bad_rows_of_blocks_in_any_order(tmp_path: Path, ending: str) -> None:
    """Results and bad rows are those of the table in memory, in its order."""
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
    rows = [[f"q{i % 5}", f"s{i % 3}", f"{i}", "-1" if i % 7 == 0 else "1", ""] for i in range(40)]
    (tmp_path / "in.csv").write_text(written(rows), encoding="utf-8")
    names = ["quantity", "source", "value", "sd", "reliability"]
    table = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    whole = combine_many(table, on_error="collect")

    def results(block: Block) -> Results:
        found = combine_many(block.cells, sources=block.sources, on_error="collect")
        return Results(found.quantities, found.bad_rows)

    out, bad = tmp_path / f"out{ending}", tmp_path / f"bad{ending}"
    done = combine_file(tmp_path / "in.csv", out, results, bad_rows=bad, block_rows=6)
    assert (done.rows, done.quantities, done.bad_rows, done.passes) == (40, 5, 6, 2)
    quantities, left_out = table_of(out), table_of(bad)
    assert quantities["quantity"] == whole.quantities["quantity"].tolist()
    # Sums of matrix products round as the size of a block lets them.
    estimates = list(map(float, quantities["estimate"]))
    assert estimates == pytest.approx(whole.quantities["estimate"].tolist(), rel=1e-12)
    assert list(map(int, left_out["row"])) == [1, 8, 15, 22, 29, 36]
    assert left_out["reason"] == whole.bad_rows["reason"].tolist()


def test_rows_are_not_left_out_without_a_place_for_them(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("quantity,source,value,sd\na,X,1,-1\n", encoding="utf-8")

    def results(block: Block) -> Results:
        found = combine_many(block.cells, on_error="collect")
        return Results(found.quantities, found.bad_rows)

    with pytest.raises(ReliabilityError, match="row 1 was left out; say where such rows go"):
        combine_file(tmp_path / "in.csv", tmp_path / "out.csv", results)
    assert not (tmp_path / "out.csv").exists()


def test_files_without_rows_have_a_header(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, bad = tmp_path / "out.csv", tmp_path / "bad.csv"
    call = ["combine", str(tmp_path / "in.csv"), "--by", "quantity", "-o", str(out)]
    call += ["--on-error", "collect", "--bad-rows", str(bad)]
    for text, good, left_out in ((MANY, 4, 1), ("quantity,source,value,sd\na,X,1,-1\n", 1, 2)):
        (tmp_path / "in.csv").write_text(text, encoding="utf-8")
        assert main(call) == 0
        assert (len(lines_of(out)), len(lines_of(bad))) == (good, left_out)
        assert lines_of(out)[0][:2] == ["quantity", "n"]
        assert lines_of(bad)[0][:2] == ["row", "quantity"]
    assert capsys.readouterr().out.endswith(
        f"{out}: 0 quantities from 0 claims\n{bad}: 1 row left out\n"
    )


def test_parquet_in(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = {"quantity": ["b", "a"], "source": ["X", "Y"], "value": [1.0, 2.0], "sd": [1.0, -1.0]}
    parquet.write_table(pa.table(table), tmp_path / "in.parquet")
    call = ["combine", str(tmp_path / "in.parquet"), "--by", "quantity", "--on-error", "collect"]
    for ending in (".csv", ".parquet"):
        out, bad = tmp_path / f"out{ending}", tmp_path / f"bad{ending}"
        assert main([*call, "-o", str(out), "--bad-rows", str(bad)]) == 0
        assert table_of(out)["quantity"] == ["b"]
        assert table_of(bad)["column"] == ["sd"]


def test_sources_and_quantities_from_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.csv").write_text(
        "quantity,source,value,sd\nb,X,10,1\na,X,20,2\na,Y,21,1\n", encoding="utf-8"
    )
    (tmp_path / "who.csv").write_text(
        "source;reliability;overconfidence\nX;0.9;\nY;0.5;2\nZ;0.1;\n", encoding="utf-8"
    )
    (tmp_path / "what.csv").write_text(
        'quantity,scale,prior\na,log,"LogNormal(20, 1)"\n', encoding="utf-8"
    )
    out = tmp_path / "out.csv"
    call = ["combine", str(tmp_path / "in.csv"), "--by", "quantity", "-o", str(out)]
    call += ["--sources", str(tmp_path / "who.csv"), "--quantities", str(tmp_path / "what.csv")]
    assert main(call) == 0
    assert "2 quantities from 3 claims" in capsys.readouterr().out
    x, y = Source("X", reliability=0.9), Source("Y", reliability=0.5, overconfidence=2)
    b = combine([(x, Estimate(10, sd=1))])
    a = combine(
        [(x, Estimate(20, sd=2)), (y, Estimate(21, sd=1))],
        scale="log",
        prior=priors.LogNormal(20, 1),
    )
    assert isinstance(a, Combination)
    assert isinstance(b, Combination)
    assert [float(line[2]) for line in lines_of(out)[1:]] == [b.estimate, a.estimate]


@pytest.mark.parametrize(
    ("option", "text", "expected"),
    [
        ("--sources", "source,reliability\nX,80\n", "side.csv, row 1, reliability: "),
        ("--sources", "source,reliabilty\nX,0.8\n", "there is no column 'reliabilty'; did you"),
        ("--sources", "source,bias\nX,1\nX,2\n", "row 2, source: 'X' is given twice"),
        ("--sources", "source,bias,bias\nX,1,1\n", "line 1: the column 'bias' is given 2 times"),
        ("--sources", "source,reliability\n", "side.csv: has a header and no rows"),
        ("--sources", "source,reliability\nX,0.8\n", "row 1, reliability: is 0.9 here and 0.8"),
        ("--quantities", "quantity,scale\nbb,log\n", "no claim is about quantity 'bb'; did you"),
        ("--quantities", "quantity,scale\nb,lin\n", "side.csv, row 1, scale: must be one of"),
        ("--quantities", "quantity,prior\nb,N(1)\n", "side.csv, row 1, prior: there is no prior"),
        ("--quantities", "quantity,zero\nb,0.5\n", "quantity 'b': zero=, the probability"),
        ("--quantities", None, "side.csv: No such file or directory"),
    ],
)
def test_wrong_side_files(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    option: str,
    text: str | None,
    expected: str,
) -> None:
    (tmp_path / "in.csv").write_text(MANY, encoding="utf-8")
    if text is not None:
        (tmp_path / "side.csv").write_text(text, encoding="utf-8")
    call = ["combine", str(tmp_path / "in.csv"), "--by", "quantity"]
    call += ["-o", str(tmp_path / "out.csv"), option, str(tmp_path / "side.csv")]
    assert expected in refused(capsys, *call)
    assert not (tmp_path / "out.csv").exists()


def written(rows: list[list[str]]) -> str:
    header = ["quantity", "source", "value", "sd", "reliability"]
    return "".join(",".join(row) + "\n" for row in [header, *rows])


def lines_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def table_of(path: Path) -> dict[str, list[Any]]:
    if path.suffix == ".parquet":
        from pyarrow import parquet

        found: dict[str, list[Any]] = parquet.read_table(path).to_pydict()
        return found
    header, *lines = lines_of(path)
    return dict(zip(header, map(list, zip(*lines, strict=True)), strict=True))
