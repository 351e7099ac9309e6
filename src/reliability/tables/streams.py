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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from zlib import crc32

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
    plain_columns,
    writing,
)
from reliability.tables.frames import plain_cell
from reliability.tables.quantities import QuantitySettings, read_quantities
from reliability.tables.records import SOURCE_NUMBERS, source_name
from reliability.tables.rows import sources_of_cells
from reliability.tables.sources import Known, read_sources

if TYPE_CHECKING:
    import os

__all__ = ["Block", "Combined", "Results", "combine_file"]

IntArray = NDArray[np.int64]

#: Rows in memory at a time; a row takes a few hundred bytes while it is worked on.
BLOCK_ROWS = 500_000
_MOST_PARTS = 256  # files open at a time
_RESULT_ROWS = 20_000  # results that are merged or written at a time
_NAMES_FOR_HINTS = 1000  # names among which a misspelt one is looked for


@attrs.frozen(eq=False)
class Block:
    """Some quantities' rows of a file, all of them.

    Attributes
    ----------
    cells : the rows; messages about them name the file and the row in it
    sources : what is known of sources, from elsewhere or from any row of the file
    quantities : scales and priors of the block's quantities, where these have their own
    """

    cells: Cells
    sources: Known
    quantities: QuantitySettings


@attrs.frozen(eq=False)
class Results:
    """Results of a block, as tables.

    Attributes
    ----------
    quantities : a row per quantity, ``quantity`` among its columns, in order of first appearance
        in the block
    bad_rows : rows of the block that were left out, in their order, ``row`` (from 1) among its
        columns; None where there can be none
    """

    quantities: Any
    bad_rows: Any = None


CombineBlock = Callable[[Block], Results]
_CombinePiece = Callable[[Piece, IntArray], tuple[Cells, Results]]


@attrs.frozen
class Combined:
    """What became of a file.

    ``rows`` counts its claims, ``bad_rows`` those of them that were left out.
    """

    rows: int
    quantities: int
    bad_rows: int
    passes: int


class _Returns(Exception):  # noqa: N818  # not an error: another way is taken
    """A quantity may have come back after its block was done."""


def combine_file(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    combine_block: CombineBlock,
    *,
    bad_rows: str | os.PathLike[str] | None = None,
    sources: object = None,
    quantities: object = None,
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
    bad_rows : CSV or Parquet to write for the rows that are left out, in their order, with the
        reasons; without it no row may be left out
    sources : what is known of the sources, as for `combine_many`
    quantities : scales and priors of some quantities, as for `combine_many`
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
    given = [out] if bad_rows is None else [out, bad_rows]
    places = [Path(one).resolve() for one in (reader.path, *given)]
    for place in places[1:]:
        if place == places[0] or (place.exists() and place.samefile(places[0])):
            raise InvalidValueError(
                f"{name}: is to be read and written at once; choose another name"
            )
    if len(set(places)) < len(places):
        raise InvalidValueError(f"{out}: is to hold the results and the bad rows; give two names")
    if block_rows < 1:
        raise InvalidValueError(f"block_rows must be at least 1, got {block_rows}")
    stated, settings = read_sources(sources), read_quantities(quantities)
    with ExitStack() as stack:
        begins = [stack.enter_context(writing(one)) for one in given]
        show = stack.enter_context(_bar(progress))
        known = _known(reader, stated, settings, block_rows, show)

        def combined(piece: Piece, numbers: IntArray) -> tuple[Cells, Results]:
            cells = _cells(reader, piece, numbers)
            own = settings.within(cells.names("quantity")) if settings.said else settings
            found = combine_block(Block(cells, known, own))
            return cells, Results(plain_columns(found.quantities), plain_columns(found.bad_rows))

        try:
            done = _in_order(reader, combined, _Output(begins), block_rows, show)
        except _Returns:
            done = _in_parts(reader, combined, _Output(begins), block_rows, show)
        if done.rows == 0:
            raise InvalidValueError(f"{name}: has a header and no claims")
    return done


class _Output:
    """The files that results go to, begun anew.

    Parameters
    ----------
    begins : how to begin the file of quantities, and that of bad rows where there is one
    """

    def __init__(self, begins: Sequence[Callable[[], Writer]]) -> None:
        writers = [begin() for begin in begins]
        self._writers = (writers[0], writers[1] if len(writers) > 1 else None)
        self._written = [0, 0]
        self._example: Results | None = None

    def note(self, found: Results) -> None:
        """Note what columns there are; refuse rows that were left out and have no place."""
        self._example = self._example or found
        if self._writers[1] is None and _rows(found.bad_rows):
            raise InvalidValueError(
                f"row {found.bad_rows['row'][0]} was left out; say where such rows go: bad_rows="
            )

    def write(self, found: Results) -> None:
        """Add results."""
        self.note(found)
        self.write_quantities(found.quantities)
        self.write_bad_rows(found.bad_rows)

    def write_quantities(self, columns: Mapping[str, Any]) -> None:
        """Add quantities."""
        self._add(0, columns)

    def write_bad_rows(self, columns: Mapping[str, Any] | None) -> None:
        """Add rows that were left out."""
        self._add(1, columns)

    def _add(self, which: int, columns: Mapping[str, Any] | None) -> None:
        writer, rows = self._writers[which], _rows(columns)
        if writer is not None and columns is not None and rows:
            writer.write(columns)
            self._written[which] += rows

    def done(self, rows: int, passes: int) -> Combined:
        """Finish: a file without rows has its header all the same."""
        found = self._example
        if found is not None:
            for writer, written, columns in zip(
                self._writers, self._written, (found.quantities, found.bad_rows), strict=True
            ):
                if writer is not None and not written and columns is not None:
                    writer.write({name: values[:0] for name, values in columns.items()})
        return Combined(rows, self._written[0], self._written[1], passes)


def _rows(columns: Mapping[str, Any] | None) -> int:
    return 0 if columns is None else len(next(iter(columns.values())))


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


def _known(
    reader: Reader,
    elsewhere: Known,
    settings: QuantitySettings,
    rows: int,
    show: Callable[[str, float], None],
) -> Known:
    """What is known of sources, from elsewhere or as the whole file states it first.

    An empty cell means what another row says of the same source, in whichever block that is.
    Settings of quantities that the file does not have are refused here, before the work begins.
    """
    known = Known(elsewhere)
    stated = [name for name in reader.names if name in {*SOURCE_NUMBERS, "grade"}]
    if not stated and not settings.said:
        return known
    missing = dict.fromkeys(settings.said)
    names: set[str] = set()
    start = 0
    for piece in reader.pieces(rows, ["quantity", "source", *stated]):
        count = piece_rows(piece)
        cells = Cells(
            piece,
            name=str(reader.path),
            numbers=np.arange(start, start + count),
            dots_group=reader.dots_group,
            claims=False,
        )
        if stated:
            for name, fields in sources_of_cells(cells).known().items():
                known[name] = fields | known.get(name, {})
        if missing:
            here = cells.names("quantity")
            names.update(here[: _NAMES_FOR_HINTS - len(names)])
            for one in here:
                missing.pop(one, None)
        start += count
        show("reading sources", reader.done)
    settings.within(map(str, missing)).check_known(sorted(names))
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
    combined: _CombinePiece,
    out: _Output,
    rows: int,
    show: Callable[[str, float], None],
) -> Combined:
    """One pass, for a file in which the rows of a quantity stand together."""
    seen = _Seen()
    waiting: list[Piece] = []
    start = end = 0  # first row that waits, and that comes next
    last: object = None

    def finish(piece: Piece) -> None:
        numbers = np.arange(start, start + piece_rows(piece))
        codes, hashes = _hashes(_cells(reader, piece, numbers))
        if not seen.add(hashes[np.unique(codes[codes >= 0])]):
            raise _Returns
        _, found = combined(piece, numbers)
        out.write(found)

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
                    finish(joined)
                    start += piece_rows(joined)
                waiting = []
            waiting.append(piece_cut(piece, cut, len(codes)))
            last = hashes[final]
        else:
            waiting.append(piece)
        show("combining", reader.done)
    if waiting:
        finish(pieces_joined(waiting))
    return out.done(end, 1)


# --- rows in any order --------------------------------------------------------------------------


def _in_parts(
    reader: Reader,
    combined: _CombinePiece,
    out: _Output,
    rows: int,
    show: Callable[[str, float], None],
) -> Combined:
    """Two passes, for a file in any order: rows are dealt to files by quantity."""
    with tempfile.TemporaryDirectory(prefix="reliability-") as folder:
        parts, total = _deal(reader, Path(folder), rows, show)
        results, bad = [], []
        for index, part in enumerate(parts):
            pieces = list(_load_all(part))
            part.unlink()
            if pieces:
                piece = pieces_joined([one for one, _ in pieces])
                numbers = np.concatenate([one for _, one in pieces])
                cells, found = combined(piece, numbers)
                out.note(found)
                first = _first_rows(found, cells)
                results.append(_store(found.quantities, first, Path(folder) / f"result-{index}"))
                if found.bad_rows is not None:
                    at = list(found.bad_rows["row"])
                    bad.append(_store(found.bad_rows, at, Path(folder) / f"bad-{index}"))
            show("combining", (index + 1) / len(parts))
        _merge(results, out.write_quantities)
        _merge(bad, out.write_bad_rows)
    return out.done(total, 2)


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
            texts = _cells(reader, piece, numbers).texts("quantity")
            # Python's hash of a text differs from run to run; results, to the last digit, must not.
            hashes = np.array([_checksum(name) for name in texts.cells], dtype=np.int64)
            # Rows without a quantity go to the first part, to be refused there.
            part = np.append(hashes % len(files), 0)[texts.codes]
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


def _checksum(name: object) -> int:
    return crc32(source_name(name).encode(errors="surrogatepass"))


def _load_all(path: Path) -> Iterator[Any]:
    """Everything that was dumped into a file of ours."""
    with path.open("rb") as file:
        while file.peek(1):
            yield pickle.load(file)  # noqa: S301  # written by this very process, in its own folder


def _first_rows(found: Results, cells: Cells) -> list[int]:
    """Row in which each quantity appears first, bad rows aside."""
    texts = cells.texts("quantity")
    first = np.zeros(len(texts.cells), dtype=np.int64)
    good = texts.codes >= 0
    if _rows(found.bad_rows):
        numbers = np.array([cells.number(row) for row in range(len(cells))])
        good &= ~np.isin(numbers, np.asarray(found.bad_rows["row"]) - 1)
    filled = np.flatnonzero(good)[::-1]
    first[texts.codes[filled]] = [cells.number(row) for row in filled.tolist()]
    by_name = {
        source_name(name): int(row)
        for name, row in zip(texts.cells, first, strict=True)
        if name is not None
    }
    return [by_name[source_name(plain_cell(key))] for key in found.quantities["quantity"]]


def _store(result: Mapping[str, Any], rows: Sequence[int], path: Path) -> Path:
    """Write results by the row of the file at which each of them belongs."""
    order = sorted((int(row), position) for position, row in enumerate(rows))
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


def _merge(paths: list[Path], write: Callable[[Mapping[str, Any]], None]) -> None:
    """Write results in the order of their rows."""

    def rows_of(stored: Iterator[Any]) -> Iterator[tuple[Any, ...]]:
        for chunk in stored:
            yield from chunk

    streams = [_load_all(path) for path in paths]
    names = [next(stream) for stream in streams]
    waiting: list[tuple[Any, ...]] = []

    def flush() -> None:
        columns = list(zip(*waiting, strict=True))[1:]
        write(
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
