"""Tables in files, block by block: CSV with the standard library, Parquet with pyarrow."""

from __future__ import annotations

import codecs
import csv
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reliability.errors import InvalidValueError, MissingExtraError
from reliability.tables.delimited import Delimited
from reliability.tables.records import check_columns, check_names, column_name

__all__ = [
    "Piece",
    "Reader",
    "Writer",
    "drafted",
    "open_reader",
    "parquet_modules",
    "piece_cut",
    "piece_rows",
    "piece_taken",
    "pieces_joined",
    "plain_columns",
    "read_table",
    "writing",
]

IntArray = NDArray[np.int64]
#: A part of a table: a dict of arrays, or a pyarrow table.
Piece = Any

_PARQUET = {".parquet", ".pq"}
_FEW = 500
_TABLE_ROWS = 1 << 20
_CSV = {".csv", ".tsv", ".txt"}


def parquet_modules() -> Any:  # two modules
    """The modules pyarrow and pyarrow.parquet."""
    try:
        import pyarrow as pa  # noqa: PLC0415  # an extra
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(
            "Parquet files need pyarrow; install it with: pip install 'source-reliability[frames]'"
        ) from error
    return pa, pq


def piece_rows(piece: Piece) -> int:
    """Number of rows."""
    return len(next(iter(piece.values()))) if isinstance(piece, dict) else int(piece.num_rows)


def piece_taken(piece: Piece, rows: IntArray) -> Piece:
    """Some rows of a piece."""
    if isinstance(piece, dict):
        return {name: column[rows] for name, column in piece.items()}
    return piece.take(rows)


def piece_cut(piece: Piece, start: int, stop: int) -> Piece:
    """Rows from start to stop."""
    if isinstance(piece, dict):
        return {name: column[start:stop] for name, column in piece.items()}
    return piece.slice(start, stop - start)


def pieces_joined(pieces: Sequence[Piece]) -> Piece:
    """Pieces of one table, one below the other."""
    if len(pieces) == 1:
        return pieces[0]
    if isinstance(pieces[0], dict):
        return {name: np.concatenate([one[name] for one in pieces]) for name in pieces[0]}
    return parquet_modules()[0].concat_tables(pieces)


class Reader(ABC):
    """A file with a table of claims.

    ``names`` are its columns; ``done`` is the part of the file, from 0 to 1, that the latest
    pass has read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: list[str] = []
        self.dots_group = False
        self.done = 0.0

    @abstractmethod
    def pieces(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[Piece]:
        """Pieces of at most so many rows, from the beginning of the file."""


class _CsvReader(Reader):
    def __init__(self, path: Path, columns: Sequence[str] | None = None) -> None:
        super().__init__(path)
        self._columns = columns
        with path.open("rb") as file:
            start = file.read(2)
        utf16 = start in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}
        self._encoding = "utf-16" if utf16 else "utf-8-sig"
        with self._open() as text:
            records = Delimited(text, str(path), columns)
            self.names, self.dots_group = records.names, records.dots_group

    @contextmanager
    def _open(self) -> Iterator[Any]:
        with self.path.open(encoding=self._encoding, newline="") as file:
            try:
                yield file
            except UnicodeDecodeError:
                raise InvalidValueError(
                    f"{self.path}: is not UTF-8 text; save the file in UTF-8"
                ) from None

    def pieces(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[Piece]:
        size = max(self.path.stat().st_size, 1)
        with self._open() as file:
            records = iter(Delimited(file, str(self.path), self._columns))
            while True:
                piece = self._piece(records, rows, columns)
                if piece is None:
                    break
                # The raw position is a little ahead: what is in the buffer counts as read.
                self.done = min(file.buffer.tell() / size, 1.0)
                yield piece
        self.done = 1.0

    def _piece(
        self,
        records: Iterator[tuple[int, list[str | None]]],
        rows: int,
        wanted: Sequence[str] | None,
    ) -> Piece | None:
        """Columns of the next records; None at the end."""
        columns: dict[str, list[str | None]] = {
            name: [] for name in self.names if wanted is None or name in wanted
        }
        count = 0
        # A few records at a time: Python's collector of garbage walks through all lists alive.
        while count < rows:
            few = [cells for _, cells in islice(records, min(_FEW, rows - count))]
            if not few:
                break
            count += len(few)
            for name, cells in zip(self.names, zip(*few, strict=True), strict=True):
                if name in columns:
                    columns[name].extend(cells)
        if count == 0:
            return None
        return {
            name: np.fromiter(cells, dtype=object, count=count) for name, cells in columns.items()
        }


class _ParquetReader(Reader):
    def __init__(self, path: Path, columns: Sequence[str] | None = None) -> None:
        super().__init__(path)
        with path.open("rb"):  # a missing file is named before a missing extra
            pass
        pa, pq = parquet_modules()
        try:
            self._file = pq.ParquetFile(path)
        except pa.ArrowInvalid as error:
            raise InvalidValueError(f"{path}: is not a Parquet file: {error}") from None
        self._given = list(self._file.schema_arrow.names)
        self.names = [column_name(name) for name in self._given]
        if columns is None:
            check_columns(str(path), self.names)
        else:
            check_names(str(path), self.names, columns)

    def pieces(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[Piece]:
        pa, _ = parquet_modules()
        total = max(self._file.metadata.num_rows, 1)
        wanted = [
            given
            for given, name in zip(self._given, self.names, strict=True)
            if columns is None or name in columns
        ]
        seen = 0
        for batch in self._file.iter_batches(batch_size=rows, columns=wanted):
            seen += batch.num_rows
            self.done = seen / total
            if batch.num_rows:
                yield pa.Table.from_batches([batch])


def open_reader(path: str | os.PathLike[str]) -> Reader:
    """Open a CSV or Parquet file, by its ending.

    Raises
    ------
    ReliabilityError
        If it is neither, or its columns are not those of a table of claims.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    kind = _kind(path)
    if kind is None:
        raise InvalidValueError(f"{path}: must end in .csv, .tsv or .parquet to be read in blocks")
    return kind(path)


def _kind(path: Path) -> type[_CsvReader | _ParquetReader] | None:
    suffix = path.suffix.lower()
    return _ParquetReader if suffix in _PARQUET else _CsvReader if suffix in _CSV else None


def read_table(path: str | os.PathLike[str], columns: Sequence[str]) -> Piece:
    """Read a small table that is not one of claims, whole.

    Parameters
    ----------
    path : CSV or Parquet
    columns : columns that it may have

    Raises
    ------
    ReliabilityError
        If it is neither, or has other columns.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    kind = _kind(path)
    if kind is None:
        raise InvalidValueError(f"{path}: must end in .csv, .tsv or .parquet")
    reader = kind(path, columns)
    pieces = list(reader.pieces(_TABLE_ROWS))
    if not pieces:
        raise InvalidValueError(f"{path}: has a header and no rows")
    return pieces_joined(pieces)


# --- writing ------------------------------------------------------------------------------------


def plain_columns(table: Any) -> Any:
    """Columns of results to write; those of a pyarrow table as arrays or lists."""
    if table is None or isinstance(table, Mapping):
        return table
    return {
        name: column.to_numpy() if str(column.type) in {"double", "int64"} else column.to_pylist()
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


class Writer(ABC):
    """A file that grows by blocks of columns."""

    @abstractmethod
    def write(self, columns: Mapping[str, Any]) -> None:
        """Add rows."""

    @abstractmethod
    def close(self) -> None:
        """Finish the file."""


class _CsvWriter(Writer):
    def __init__(self, path: Path, delimiter: str) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, delimiter=delimiter, lineterminator="\n")
        self._names: list[str] | None = None

    def write(self, columns: Mapping[str, Any]) -> None:
        if self._names is None:
            self._names = list(columns)
            self._writer.writerow(self._names)
        lists = [_written(columns[name]) for name in self._names]
        self._writer.writerows(zip(*lists, strict=True))

    def close(self) -> None:
        self._file.close()


def _written(values: Any) -> list[Any]:
    """Cells as they are written: what is not defined is an empty cell."""
    cells = values.tolist() if isinstance(values, np.ndarray) else list(values)
    return ["" if cell is None or cell != cell else cell for cell in cells]  # noqa: PLR0124  # nan


class _ParquetWriter(Writer):
    def __init__(self, path: Path) -> None:
        self._pa, self._pq = parquet_modules()
        self._path = path
        self._writer: Any = None

    def write(self, columns: Mapping[str, Any]) -> None:
        pa = self._pa
        table = pa.table(
            {
                name: values.tolist()
                if isinstance(values, np.ndarray) and values.dtype.kind in "UO"
                else values
                for name, values in columns.items()
            }
        )
        # A column without a single cell may have texts later.
        types = [pa.string() if pa.types.is_null(one) else one for one in table.schema.types]
        table = table.cast(pa.schema(zip(table.schema.names, types, strict=True)))
        if self._writer is None:
            self._writer = self._pq.ParquetWriter(self._path, table.schema)
        self._writer.write_table(table.cast(self._writer.schema))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[Callable[[], Writer]]:
    """Write a file whole or not at all.

    Gives a function that begins the file, anew each time it is called; what was begun last takes
    the place of the file at the end, if nothing goes wrong.

    Raises
    ------
    InvalidValueError
        If the ending is not known.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _CSV | _PARQUET:
        raise InvalidValueError(f"{path}: must end in .csv, .tsv or .parquet to be written")
    if suffix in _PARQUET:
        parquet_modules()
    with drafted(path) as draft:
        begun: list[Writer] = []

        def begin() -> Writer:
            for writer in begun:
                writer.close()
            if suffix in _PARQUET:
                begun[:] = [_ParquetWriter(draft)]
            else:
                begun[:] = [_CsvWriter(draft, "\t" if suffix == ".tsv" else ",")]
            return begun[0]

        try:
            yield begin
        finally:
            for writer in begun:
                writer.close()


@contextmanager
def drafted(path: Path) -> Iterator[Path]:
    """A draft to write, which takes the place of a file at the end, if nothing goes wrong."""
    if not path.parent.is_dir():
        raise InvalidValueError(f"{path}: there is no folder {str(path.parent)!r}; make it first")
    handle, name = tempfile.mkstemp(suffix=path.suffix, prefix=f".{path.stem}-", dir=path.parent)
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
        mask = os.umask(0)
        os.umask(mask)
        draft.chmod(0o666 & ~mask)  # as any new file; a draft is private
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
