"""Tables of any kind as columns of numbers and of codes, and results as the same kind of table.

A dict of arrays or lists needs nothing; pandas, polars, pyarrow and whatever exports Arrow need
``pip install "source-reliability[frames]"``.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims._checks import short
from reliability.errors import (
    InvalidValueError,
    MissingExtraError,
    ReliabilityError,
    WrongTypeError,
)
from reliability.tables.codes import Coded, encode, in_use
from reliability.tables.records import Place, cell_of, column_name, number_of

__all__ = ["Numbers", "Table", "as_table", "plain_cell"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: A sign that no plain decimal number has.
_NOT_PLAIN = re.compile(r"[^0-9.eE+-]")


@attrs.frozen(eq=False)
class Numbers:
    """A column of numbers: nan where a cell is empty or ``refused``.

    ``refused`` marks cells that are neither empty nor a number, or None if there are none;
    ``cells`` holds the cells of a column that did not come as numbers.
    """

    values: Array
    refused: NDArray[np.bool_] | None = None
    cells: Coded | None = None


class Table(ABC):
    """A table: its columns by name, and how to make another one of its kind."""

    def __init__(self, names: Sequence[str], rows: int) -> None:
        self.names = tuple(names)
        self.rows = rows

    @abstractmethod
    def column(self, name: str) -> NDArray[Any] | Coded:
        """Column as an array of any type, or coded."""

    @abstractmethod
    def part(self, rows: IntArray | slice) -> Table:
        """Some rows as a table; a column is taken when it is asked for, a slice of it as a view."""

    @abstractmethod
    def pick(self, name: str, rows: IntArray) -> Any:
        """Some cells of a column, as they came."""

    @abstractmethod
    def like(self, columns: Mapping[str, Any]) -> Any:
        """Table of the same kind from arrays, lists and what `pick` gave."""

    def numbers(self, name: str, *, dots_group: bool = False) -> Numbers:
        """Column as numbers."""
        raw = self.column(name)
        if isinstance(raw, np.ndarray):
            if raw.dtype.kind in "iuf":
                return Numbers(raw.astype(np.float64, copy=False))
            plain = None if dots_group else _plain_numbers(raw)
            if plain is not None:
                return Numbers(plain)
            raw = encode(raw)
        values = np.full(len(raw.categories) + 1, np.nan)  # the last entry answers for -1
        refused = np.zeros(len(raw.categories) + 1, dtype=np.bool_)
        place = Place("", "")
        for code, cell in enumerate(raw.categories):
            try:
                given = cell_of(place, name, plain_cell(cell))
                number = number_of(place, name, given, dots_group=dots_group)
            except ReliabilityError:
                refused[code] = True
            else:
                values[code] = np.nan if number is None else number
        marks = refused[raw.codes]
        return Numbers(values[raw.codes], marks if refused.any() else None, raw)

    def coded(self, name: str) -> Coded:
        """Column as codes."""
        raw = self.column(name)
        return raw if isinstance(raw, Coded) else encode(raw)


def _plain_numbers(values: NDArray[Any]) -> Array | None:
    """Floats from Python numbers, or from texts that are plain decimal numbers; else None."""
    cells = values.tolist()
    kinds = set(map(type, cells))
    if kinds <= {int, float, type(None)}:
        try:
            return np.array([np.nan if cell is None else cell for cell in cells], dtype=np.float64)
        except OverflowError:
            return None
    if not kinds <= {str, type(None)}:
        return None
    texts = [cell or "nan" for cell in cells]
    if _NOT_PLAIN.search("".join(filter(None, cells))):
        return None
    try:
        return np.array(list(map(float, texts)), dtype=np.float64)
    except ValueError:
        return None


def plain_cell(value: object) -> object:
    """Cell as plain Python: None where it is empty, dates as ISO text."""
    if isinstance(value, np.generic):
        value = value.astype("M8[us]").item() if isinstance(value, np.datetime64) else value.item()
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return None if value != value else value  # noqa: PLR0124  # nan
    if type(value).__name__ in {"NAType", "NaTType"}:  # pandas' own
        return None
    isoformat = getattr(value, "isoformat", None)
    if isoformat is not None:
        return str(isoformat())
    if type(value).__name__ == "Decimal":
        return float(value)  # type: ignore[arg-type]
    return value


# --- a dict of arrays ---------------------------------------------------------------------------


class _Columns(Table):
    """A dict of arrays, lists, or columns that are coded already."""

    def __init__(self, given: Mapping[Any, Any], what: str) -> None:
        self._columns: dict[str, NDArray[Any] | Coded] = {}
        rows = -1
        for key, values in given.items():
            column = _one_column(f"{what}: column {str(key)!r}", values)
            if rows >= 0 and len(column) != rows:
                first = str(next(iter(given)))
                raise InvalidValueError(
                    f"{what}: column {str(key)!r} has {len(column)} rows and column {first!r} "
                    f"{rows}; give columns of one length"
                )
            rows = len(column)
            self._columns[column_name(str(key))] = column
        super().__init__([column_name(str(key)) for key in given], max(rows, 0))

    def column(self, name: str) -> NDArray[Any] | Coded:
        return self._columns[name]

    def part(self, rows: IntArray | slice) -> Table:
        return _ColumnsPart(self, rows)

    def pick(self, name: str, rows: IntArray) -> Any:
        column = self.column(name)
        if isinstance(column, Coded):
            return np.array([column.categories[code] for code in column.codes[rows]])
        picked = column[rows]
        if picked.dtype == object and set(map(type, picked.tolist())) == {str}:
            return np.array(picked.tolist(), dtype=np.str_)
        return picked

    def like(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: values if isinstance(values, np.ndarray) else np.array(values)
            for name, values in columns.items()
        }


class _ColumnsPart(_Columns):
    """Some rows of a dict of columns."""

    def __init__(self, whole: _Columns, rows: IntArray | slice) -> None:
        Table.__init__(self, whole.names, _count(rows))
        self._whole = whole
        self._rows = rows

    def column(self, name: str) -> NDArray[Any] | Coded:
        column = self._whole.column(name)
        return column.part(self._rows) if isinstance(column, Coded) else column[self._rows]


def _count(rows: IntArray | slice) -> int:
    """Number of rows of a part."""
    return rows.stop - rows.start if isinstance(rows, slice) else len(rows)


def _one_column(where: str, values: Any) -> NDArray[Any] | Coded:
    if isinstance(values, Coded):
        return values
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__"):
        raise WrongTypeError(f"{where} must be an array or a list, got {short(values)}")
    if isinstance(values, list | tuple):
        # numpy would turn numbers beside texts into texts.
        array = np.fromiter(values, dtype=object, count=len(values))
    else:
        masked: Any = np.ma.getmask(values)
        array = np.asarray(values)
        if np.any(masked):
            array = array.astype(object)
            array[masked] = None
    if array.ndim != 1:
        raise WrongTypeError(f"{where} must have one dimension, got shape {array.shape}")
    if array.dtype.kind not in "iufbUOM":
        array = array.astype(object)
    return array


# --- data frames --------------------------------------------------------------------------------


def _narwhals() -> Any:  # a module
    try:
        import narwhals.stable.v2 as nw  # noqa: PLC0415  # an extra
        import pyarrow  # noqa: F401, ICN001, PLC0415
    except ImportError as error:
        raise MissingExtraError(
            "data frames need narwhals and pyarrow; "
            "install them with: pip install 'source-reliability[frames]'"
        ) from error
    return nw


class _Frame(Table):
    """A data frame of pandas, polars or pyarrow, through narwhals."""

    def __init__(self, frame: Any, nw: Any, rows: IntArray | slice | None = None) -> None:
        self._frame = frame
        self._nw = nw
        self._rows = rows
        names = [column_name(str(name)) for name in frame.columns]
        self._names = dict(zip(names, frame.columns, strict=True))
        super().__init__(names, len(frame) if rows is None else _count(rows))

    def _series(self, name: str) -> Any:
        series = self._frame[self._names[name]]
        return series if self._rows is None else series[self._rows]

    def part(self, rows: IntArray | slice) -> Table:
        assert self._rows is None  # noqa: S101 - parts are made of the whole
        return _Frame(self._frame, self._nw, rows)

    def column(self, name: str) -> NDArray[Any] | Coded:
        series = self._series(name)
        kind = series.dtype
        if kind.is_integer() and series.null_count() == 0:
            return np.asarray(series.to_numpy())
        if kind.is_float():
            return np.asarray(series.to_numpy(), dtype=np.float64)
        try:
            return _from_arrow(series.to_arrow())
        except Exception as error:  # noqa: BLE001  # pyarrow's and pandas' many kinds of refusal
            if series.null_count() and kind.is_numeric():
                raise WrongTypeError(f"column {name!r}: cannot be read: {error}") from None
            # A column of objects of several types.
            return np.asarray(series.to_numpy(), dtype=object)

    def numbers(self, name: str, *, dots_group: bool = False) -> Numbers:
        series = self._series(name)
        if series.dtype.is_numeric():
            floats = series.cast(self._nw.Float64).to_numpy()
            return Numbers(np.asarray(floats, dtype=np.float64))
        return super().numbers(name, dots_group=dots_group)

    def pick(self, name: str, rows: IntArray) -> Any:
        return self._nw.maybe_reset_index(self._series(name)[rows])

    def like(self, columns: Mapping[str, Any]) -> Any:
        plain = {
            name: values.tolist()
            if isinstance(values, np.ndarray) and values.dtype.kind in "UO"
            else values
            for name, values in columns.items()
        }
        # Told a backend, narwhals would rebuild what is a series of it, without its categories.
        known = any(isinstance(values, self._nw.Series) for values in plain.values())
        backend = None if known else self._frame.implementation
        return self._nw.from_dict(plain, backend=backend).to_native()


def _from_arrow(column: Any) -> Coded:
    """Codes of an Arrow column; one that is dictionary-encoded keeps its own."""
    import pyarrow as pa  # noqa: PLC0415  # an extra

    if isinstance(column, pa.ChunkedArray):
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        # Chunks of one column may have dictionaries of their own.
        column = column.unify_dictionaries().combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # an older pyarrow, or no rows
        column = column.chunk(0) if column.num_chunks else pa.array([], pa.string())
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    indices = column.indices.fill_null(-1) if column.null_count else column.indices
    codes = indices.to_numpy(zero_copy_only=False).astype(np.int64)
    categories = column.dictionary
    if len(categories) > len(codes):  # a few rows of a column that has many categories
        kept, codes = in_use(codes, len(categories))
        categories = categories.take(pa.array(kept))
    return Coded(codes, categories.to_pylist())


def as_table(table: object, *, what: str = "table") -> Table:
    """Any table as columns.

    Parameters
    ----------
    table : a dict of arrays or lists; a data frame of pandas, polars or pyarrow; anything that
        exports Arrow
    what : what to call it in error messages

    Raises
    ------
    InvalidValueError
        If columns differ in length or a name is given twice.
    WrongTypeError
        If it is no table.
    MissingExtraError
        If it needs an extra that is not installed.

    Examples
    --------
    >>> as_table({"source": ["US", "Ukraine"], "value": [2500, 12000]}).numbers("value").values
    array([ 2500., 12000.])
    """
    if isinstance(table, Table):
        return table
    if isinstance(table, Mapping):
        return _Columns(table, what)
    if isinstance(table, str | bytes | list | tuple | set | np.ndarray) or table is None:
        raise WrongTypeError(
            f"{what} must be a dict of arrays or a data frame, got {short(table)}; "
            "for example {'quantity': [...], 'source': [...], 'value': [...]}"
        )
    exports = hasattr(table, "__arrow_c_stream__")
    if not (exports or hasattr(table, "iloc") or hasattr(table, "collect")):
        raise WrongTypeError(f"{what} must be a dict of arrays or a data frame, got {short(table)}")
    nw = _narwhals()
    # Only these two kinds can have a name twice; asking a lazy frame for names would run it.
    columns = getattr(table, "columns" if hasattr(table, "iloc") else "column_names", ())
    names = [] if callable(columns) else [str(name) for name in columns]
    for name, count in Counter(names).items():
        if count > 1:
            raise InvalidValueError(f"{what}: the column {name!r} is given {count} times")
    try:
        return _Frame(nw.from_native(table, eager_only=True), nw)
    except TypeError:
        pass
    if exports:
        import pyarrow as pa  # noqa: PLC0415  # an extra

        return _Frame(nw.from_native(pa.table(table), eager_only=True), nw)
    remedy = "; collect() it first" if hasattr(table, "collect") else ""
    raise WrongTypeError(f"{what} must hold its rows in memory, got {short(table)}{remedy}")
