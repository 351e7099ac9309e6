"""Files of claims larger than memory, combined block by block.

Where the rows of a quantity stand together, one pass is enough: each block is combined but for
its last quantity, which may go on in the next block. Where a quantity comes back after its block
was done, the pass is given up and the rows are dealt to temporary files by quantity, each small
enough for memory. Results come in order of first appearance either way.
"""

from __future__ import annotations

import heapq
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.errors import InvalidValueError, MissingExtraError
from reliability.tables.cells import Cells
from reliability.tables.codes import group
from reliability.tables.files import (
    Piece,
    Reader,
    Writer,
    open_reader,
    piece_cut,
    piece_rows,
    piece_taken,
    pieces_joined,
    writing,
)
from reliability.tables.frames import plain_cell
from reliability.tables.records import SOURCE_NUMBERS, source_name
from reliability.tables.rows import sources_of_cells
from reliability.tables.sources import Known

if TYPE_CHECKING:
    import os

__all__ = ["Block", "combine_file"]

IntArray = NDArray[np.int64]

#: Rows in memory at a time; a row takes a few hundred bytes while it is worked on.
BLOCK_ROWS = 500_000
_MOST_PARTS = 256  # files open at a time
_RESULT_ROWS = 20_000  # results that are merged or written at a time


@attrs.frozen(eq=False)
class Block:
    """Some quantities' rows of a file, all of them.

    Attributes
    ----------
    cells : the rows; messages about them name the file and the row in it
    sources : what the file states about sources, in these rows or elsewhere
    """

    cells: Cells
    sources: Known


#: Columns of results, ``quantity`` among them, in order of first appearance in the block.
CombineBlock = Callable[[Block], Mapping[str, Any]]


@attrs.frozen
class Combined:
    """What became of a file."""

    rows: int
    quantities: int
    passes: int


class _Returns(Exception):  # noqa: N818  # not an error: another way is taken
    """A quantity may have come back after its block was done."""


def combine_file(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    combine_block: CombineBlock,
    *,
    block_rows: int = BLOCK_ROWS,
    progress: bool | None = None,
) -> Combined:
    """Combine the claims of a file into a file of results, quantity by quantity.

    Memory holds a block of rows, eight bytes for each quantity, and what is stated about
    sources; not the file.

    Parameters
    ----------
    path : CSV or Parquet with the columns quantity and source, and what was said
    out : CSV or Parquet to write; it appears when it is complete, and replaces a file of its name
    combine_block : results of a block
    block_rows : rows in memory at a time; a quantity with more rows is held whole
    progress : whether to show a progress bar (needs tqdm); None shows one on a terminal if tqdm
        is installed

    Raises
    ------
    ReliabilityError
        Naming the file, the row and the column.
    OSError
        If a file cannot be read or written.
    """
    reader = open_reader(path)
    name = str(reader.path)
    if "quantity" not in reader.names:
        raise InvalidValueError(
            f"{name}: the column 'quantity' is missing; name what each claim is about"
        )
    if Path(out).exists() and Path(out).samefile(reader.path):
        raise InvalidValueError(f"{name}: is to be read and written at once; choose another name")
    if block_rows < 1:
        raise InvalidValueError(f"block_rows must be at least 1, got {block_rows}")
    with writing(out) as begin, _bar(progress) as show:
        sources = _sources(reader, block_rows, show)
        try:
            done = _in_order(reader, sources, combine_block, begin(), block_rows, show)
        except _Returns:
            done = _in_parts(reader, sources, combine_block, begin(), block_rows, show)
        if done.rows == 0:
            raise InvalidValueError(f"{name}: has a header and no claims")
    return done


@contextmanager
def _bar(progress: bool | None) -> Iterator[Callable[[str, float], None]]:
    """Progress bar, as a function of the task and how much of it is done; or one that is silent."""
    wanted = sys.stderr.isatty() if progress is None else progress
    try:
        from tqdm import tqdm  # noqa: PLC0415  # an extra
    except ImportError as error:
        if progress:
            raise MissingExtraError(
                "a progress bar needs tqdm; "
                "install it with: pip install 'source-reliability[progress]'"
            ) from error
        wanted = False
    if not wanted:
        yield lambda _task, _done: None
        return
    layout = "{desc}{percentage:3.0f}% |{bar}| {elapsed}<{remaining}"
    with tqdm(total=1.0, file=sys.stderr, leave=False, bar_format=layout) as bar:

        def show(task: str, done: float) -> None:
            if bar.desc != f"{task}: ":
                bar.reset()
                bar.set_description(task)
            bar.n = done
            bar.refresh()

        yield show


def _cells(reader: Reader, piece: Piece, numbers: IntArray) -> Cells:
    return Cells(piece, name=str(reader.path), numbers=numbers, dots_group=reader.dots_group)


def _sources(reader: Reader, rows: int, show: Callable[[str, float], None]) -> Known:
    """What the whole file states about sources, each attribute as it is stated first.

    An empty cell means what another row says of the same source, in whichever block that is.
    """
    known = Known()
    stated = [name for name in reader.names if name in SOURCE_NUMBERS]
    if not stated:
        return known
    start = 0
    for piece in reader.pieces(rows, ["source", *stated]):
        count = piece_rows(piece)
        cells = Cells(
            piece,
            name=str(reader.path),
            numbers=np.arange(start, start + count),
            dots_group=reader.dots_group,
            claims=False,
        )
        for name, fields in sources_of_cells(cells).known().items():
            known[name] = fields | known.get(name, {})
        start += count
        show("reading sources", reader.done)
    return known


class _Seen:
    """Hashes of the quantities that are done: sorted arrays, each at least twice the next."""

    def __init__(self) -> None:
        self._sorted: list[IntArray] = []

    def add(self, hashes: IntArray) -> bool:
        """Note quantities; False if one of them may have been noted before."""
        new = np.unique(hashes)
        for old in self._sorted:
            at = np.searchsorted(old, new)
            if np.any(old[np.minimum(at, len(old) - 1)] == new):
                return False
        while self._sorted and len(self._sorted[-1]) < 2 * len(new):
            new = np.union1d(self._sorted.pop(), new)
        self._sorted.append(new)
        return True


def _hashes(cells: Cells) -> tuple[IntArray, IntArray]:
    """Code of each row's quantity, -1 where it is empty, and a hash for each code."""
    texts = cells.texts("quantity")
    names = texts.cells
    hashes = np.fromiter(
        (hash(source_name(name)) for name in names), dtype=np.int64, count=len(names)
    )
    return texts.codes, hashes


def _in_order(
    reader: Reader,
    sources: Known,
    combine_block: CombineBlock,
    writer: Writer,
    rows: int,
    show: Callable[[str, float], None],
) -> Combined:
    """One pass, for a file in which the rows of a quantity stand together."""
    seen = _Seen()
    waiting: list[Piece] = []
    start = quantities = 0  # first row that waits
    end = 0
    last: object = None

    def finish(piece: Piece) -> int:
        count = piece_rows(piece)
        cells = _cells(reader, piece, np.arange(start, start + count))
        codes, hashes = _hashes(cells)
        if not seen.add(hashes[np.unique(codes[codes >= 0])]):
            raise _Returns
        return _combined(combine_block, Block(cells, sources), writer)

    for piece in reader.pieces(rows):
        codes, hashes = _hashes(_cells(reader, piece, np.arange(end, end + piece_rows(piece))))
        end += len(codes)
        filled = np.flatnonzero(codes >= 0)
        if len(filled):
            final = int(codes[filled[-1]])
            others = filled[codes[filled] != final]
            cut = int(others[-1]) + 1 if len(others) else 0
            if cut or hashes[final] != last:
                # What waited is complete, with the beginning of this piece.
                ready = [*waiting, piece_cut(piece, 0, cut)] if cut else waiting
                if ready:
                    joined = pieces_joined(ready)
                    quantities += finish(joined)
                    start += piece_rows(joined)
                waiting = []
            waiting.append(piece_cut(piece, cut, len(codes)))
            last = hashes[final]
        else:
            waiting.append(piece)
        show("combining", reader.done)
    if waiting:
        quantities += finish(pieces_joined(waiting))
    return Combined(end, quantities, 1)


def _combined(combine_block: CombineBlock, block: Block, writer: Writer) -> int:
    result = combine_block(block)
    writer.write(result)
    return len(result["quantity"])


# --- rows in any order --------------------------------------------------------------------------


def _in_parts(
    reader: Reader,
    sources: Known,
    combine_block: CombineBlock,
    writer: Writer,
    rows: int,
    show: Callable[[str, float], None],
) -> Combined:
    """Two passes, for a file in any order: rows are dealt to files by quantity."""
    with tempfile.TemporaryDirectory(prefix="reliability-") as folder:
        parts, total = _deal(reader, Path(folder), rows, show)
        results = []
        quantities = 0
        for index, part in enumerate(parts):
            pieces = list(_load_all(part))
            part.unlink()
            if pieces:
                piece = pieces_joined([one for one, _ in pieces])
                numbers = np.concatenate([one for _, one in pieces])
                cells = _cells(reader, piece, numbers)
                result = combine_block(Block(cells, sources))
                quantities += len(result["quantity"])
                results.append(_store(result, cells, Path(folder) / f"result-{index}"))
            show("combining", (index + 1) / len(parts))
        _merge(results, writer)
    return Combined(total, quantities, 2)


def _deal(
    reader: Reader, folder: Path, rows: int, show: Callable[[str, float], None]
) -> tuple[list[Path], int]:
    """Deal the rows to files, so that all of a quantity are in one; and count them."""
    paths: list[Path] = []
    files: list[BinaryIO] = []
    start = 0
    try:
        for piece in reader.pieces(rows):
            if not files:
                # Half a block on average: hashes do not deal evenly.
                expected = piece_rows(piece) / max(reader.done, 1e-9)
                count = min(_MOST_PARTS, max(2, ceil(2.0 * expected / rows)))
                paths = [folder / f"part-{i}" for i in range(count)]
                files = [path.open("wb") for path in paths]
            numbers = np.arange(start, start + piece_rows(piece))
            codes, hashes = _hashes(_cells(reader, piece, numbers))
            # Rows without a quantity go to the first part, to be refused there.
            part = np.append(hashes % len(files), 0)[codes]
            found = group(part, len(files))
            order = np.arange(len(part)) if found.order is None else found.order
            for key, low, high in zip(
                found.keys.tolist(), found.starts[:-1], found.starts[1:], strict=True
            ):
                taken = order[low:high]
                pickle.dump((piece_taken(piece, taken), numbers[taken]), files[key], protocol=5)
            start += len(part)
            show("sorting by quantity", reader.done)
    finally:
        for file in files:
            file.close()
    return paths, start


def _load_all(path: Path) -> Iterator[Any]:
    """Everything that was dumped into a file of ours."""
    with path.open("rb") as file:
        while file.peek(1):
            yield pickle.load(file)  # noqa: S301  # written by this very process, in its own folder


def _store(result: Mapping[str, Any], cells: Cells, path: Path) -> Path:
    """Write results with the row in which each quantity appears first."""
    texts = cells.texts("quantity")
    first = np.zeros(len(texts.cells), dtype=np.int64)
    filled = np.flatnonzero(texts.codes >= 0)[::-1]
    first[texts.codes[filled]] = [cells.number(row) for row in filled.tolist()]
    by_name = {
        source_name(name): int(row)
        for name, row in zip(texts.cells, first, strict=True)
        if name is not None
    }
    keys = [source_name(plain_cell(key)) for key in result["quantity"]]
    order = sorted((by_name[key], position) for position, key in enumerate(keys))
    columns = [
        values.tolist() if isinstance(values, np.ndarray) else list(values)
        for values in result.values()
    ]
    with path.open("wb") as file:
        pickle.dump(list(result), file)
        for at in range(0, len(order), _RESULT_ROWS):
            chunk = [
                (row, *(column[position] for column in columns))
                for row, position in order[at : at + _RESULT_ROWS]
            ]
            pickle.dump(chunk, file, protocol=5)
    return path


def _merge(paths: list[Path], writer: Writer) -> None:
    """Write results in order of first appearance."""

    def rows_of(stored: Iterator[Any]) -> Iterator[tuple[Any, ...]]:
        for chunk in stored:
            yield from chunk

    streams = [_load_all(path) for path in paths]
    names = [next(stream) for stream in streams]
    waiting: list[tuple[Any, ...]] = []

    def flush() -> None:
        columns = list(zip(*waiting, strict=True))[1:]
        writer.write(
            {
                name: np.array(cells) if isinstance(cells[0], float) else list(cells)
                for name, cells in zip(names[0], columns, strict=True)
            }
        )
        waiting.clear()

    for row in heapq.merge(*map(rows_of, streams), key=lambda row: row[0]):
        waiting.append(row)
        if len(waiting) == _RESULT_ROWS:
            flush()
    if waiting:
        flush()
