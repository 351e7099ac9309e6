"""Files in blocks: the same results as at once, whatever the order of the rows."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reliability.errors import InvalidValueError, ReliabilityError
from reliability.tables.rows import rows_from_table
from reliability.tables.streams import Block, Results, combine_file

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def sums(block: Block) -> Results:
    """A stand-in for the engine: count and sum of each quantity, and reliabilities as known."""
    found = rows_from_table(block.cells, sources=block.sources)
    starts = found.rows.starts
    values, reliability = found.rows.statements.value, found.rows.reliability
    return Results(
        {
            "quantity": list(found.keys),
            "n": np.diff(starts),
            "sum": np.add.reduceat(values, starts[:-1]),
            "reliability": np.add.reduceat(reliability, starts[:-1]),
        }
    )


Row = tuple[str, str, float, float | None]


def write(path: Path, rows: list[Row]) -> None:
    names = ["quantity", "source", "value", "reliability"]
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)


def read(path: Path) -> list[tuple[str, int, float, float]]:
    if path.suffix == ".parquet":
        columns = pq.read_table(path).to_pydict()
        return list(zip(*columns.values(), strict=True))
    with path.open(newline="", encoding="utf-8") as file:
        return [(q, int(n), float(s), float(r)) for q, n, s, r in list(csv.reader(file))[1:]]


def expected(rows: list[Row]) -> list[tuple[str, int, float, float]]:
    known: dict[str, float] = {}
    for _, source, _, reliability in rows:
        if reliability is not None:
            known.setdefault(source, reliability)
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[0]].append(row)
    return [
        (key, len(some), sum(row[2] for row in some), sum(known[row[1]] for row in some))
        for key, some in groups.items()
    ]


row = st.tuples(
    st.sampled_from("abcdefg"), st.sampled_from("XYZ"), st.integers(1, 9).map(float), st.just(None)
)


@settings(max_examples=60)
@given(
    st.lists(row, min_size=1, max_size=30),
    st.booleans(),
    st.integers(1, 12),
    st.sampled_from([".csv", ".parquet"]),
)
def test_blocks_give_what_the_whole_gives(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[Row],
    together: bool,
    size: int,
    suffix: str,
) -> None:
    folder = tmp_path_factory.mktemp("stream")
    if together:
        order = {key: i for i, key in enumerate(dict.fromkeys(row[0] for row in rows))}
        rows = sorted(rows, key=lambda row: order[row[0]])
    rows = [(*row[:3], None) for row in rows]
    # What a source is, is said once, last.
    rows += [("z", source, 1.0, r) for source, r in (("X", 0.5), ("Y", 0.25), ("Z", 0.75))]
    write(folder / f"in{suffix}", rows)
    out = folder / f"out{suffix}"
    done = combine_file(folder / f"in{suffix}", out, sums, block_rows=size)
    assert read(out) == expected(rows)
    assert (done.rows, done.quantities) == (len(rows), len(expected(rows)))
    if together:
        assert done.passes == 1
    assert {path.name for path in folder.iterdir()} == {f"in{suffix}", f"out{suffix}"}


def test_many_blocks_in_any_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows: list[Row] = [(f"q{i}", "X", 1.0, 0.5) for i in rng.integers(0, 700, 5000).tolist()]
    write(tmp_path / "in.csv", rows)
    done = combine_file(tmp_path / "in.csv", tmp_path / "out.parquet", sums, block_rows=300)
    assert done.passes == 2
    assert read(tmp_path / "out.parquet") == expected(rows)


def test_errors_name_the_row_of_the_file_and_leave_nothing_behind(tmp_path: Path) -> None:
    rows: list[Row] = [("a", "X", 1.0, 0.5), ("b", "X", 1.0, None), ("a", "X", 2.0, 80.0)]
    write(tmp_path / "in.csv", rows)
    (tmp_path / "out.csv").write_text("old", encoding="utf-8")
    for size in (1, 2, 10):
        with pytest.raises(ReliabilityError, match=r"in.csv, row 3, reliability: .*0.8"):
            combine_file(tmp_path / "in.csv", tmp_path / "out.csv", sums, block_rows=size)
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == "old"
    assert len(list(tmp_path.iterdir())) == 2


def test_contradictions_across_blocks(tmp_path: Path) -> None:
    rows: list[Row] = [("a", "X", 1.0, 0.5), ("b", "X", 1.0, 0.6)]
    write(tmp_path / "in.csv", rows)
    with pytest.raises(
        ReliabilityError, match=r"row 2, reliability: is 0.6 here and 0.5 in sources"
    ):
        combine_file(tmp_path / "in.csv", tmp_path / "out.csv", sums, block_rows=1)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("in.csv", "source,value\nX,1\n", "in.csv: the column 'quantity' is missing"),
        ("in.csv", "quantity,source,value\n", "in.csv: has a header and no claims"),
        ("in.csv", "quantity,source,valeu\na,X,1\n", "in.csv, line 1: there is no column 'valeu'"),
        (
            "in.csv",
            "quantity,source,value\na,X,1,2\n",
            "in.csv, line 2: has 4 cells and the header 3",
        ),
        (
            "in.csv",
            'quantity,source,value\na,X,"1\n',
            "in.csv, after line 1: the file is not clean CSV",
        ),
        (
            "in.csv",
            "quantity;source;value\na;X;12.000\n",
            "in.csv, row 1, value: '12.000' may be 12000 or 12",
        ),
        ("in.csv", "quantity,source,value\n,X,1\n", "in.csv, row 1, quantity: is empty"),
        ("in.json", "[]", "in.json: must end in .csv, .tsv or .parquet"),
        ("in.parquet", "no", "in.parquet: is not a Parquet file"),
    ],
)
def test_wrong_files(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InvalidValueError, match=message):
        combine_file(tmp_path / name, tmp_path / "out.csv", sums)


def test_unknown_ending(tmp_path: Path) -> None:
    write(tmp_path / "in.csv", [("a", "X", 1.0, 0.5)])
    with pytest.raises(InvalidValueError, match=r"out.xlsx: must end in .csv, .tsv or .parquet"):
        combine_file(tmp_path / "in.csv", tmp_path / "out.xlsx", sums)


def test_not_onto_itself(tmp_path: Path) -> None:
    write(tmp_path / "in.csv", [("a", "X", 1.0, 0.5)])
    with pytest.raises(InvalidValueError, match="read and written at once"):
        combine_file(tmp_path / "in.csv", tmp_path / "in.csv", sums)


def test_progress_bar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    write(tmp_path / "in.csv", [("a", "X", 1.0, 0.5), ("b", "X", 1.0, 0.5), ("a", "X", 1.0, 0.5)])
    combine_file(tmp_path / "in.csv", tmp_path / "out.csv", sums, block_rows=1, progress=True)
    assert "combining: 100%" in capsys.readouterr().err
    combine_file(tmp_path / "in.csv", tmp_path / "out.csv", sums, block_rows=1)
    assert capsys.readouterr().err == ""
