"""Claims from CSV and JSON files.

A row says who (``source``) and what: a ``statement`` in words, or numbers in ``value``, ``sd``,
``low``, ``high``, ``level`` (or quantiles in ``q0.05``, ``q0.5``, ...), with ``form`` where the
numbers do not say it. What is known about a source (``reliability``, ``bias``, ...) may stand in
any of its rows: an empty cell means "as said elsewhere", and two different values are an error.
Whatever is wrong is named with its file, line and column.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from reliability.claims._checks import short
from reliability.claims.claim import Claim, claims_from_json, disagreement
from reliability.errors import InvalidValueError, ReliabilityError
from reliability.tables.cells import Cells
from reliability.tables.delimited import Delimited
from reliability.tables.files import open_reader, pieces_joined
from reliability.tables.records import (
    COLUMNS,
    SOURCE_NUMBERS,
    Cell,
    Place,
    cell_of,
    check_columns,
    claim_from_record,
    column_name,
)
from reliability.tables.sources import read_sources

if TYPE_CHECKING:
    import os

__all__ = [
    "COLUMNS",
    "claims_from_rows",
    "claims_from_text",
    "claims_with_sources",
    "read_claims",
    "read_claims_table",
]


def claims_from_rows(rows: Sequence[Mapping[str, Any]], *, name: str = "rows") -> list[Claim]:
    """Claims from rows that map column names to numbers, texts or None.

    Parameters
    ----------
    rows : one mapping per claim; columns as in `COLUMNS`
    name : what to call the rows in error messages

    Raises
    ------
    ReliabilityError
        Naming the row and the column.

    Examples
    --------
    >>> claims_from_rows([{"source": "US officials", "value": 2500, "sd": 300}])
    [Claim(Source('US officials'), Estimate(2500, sd=300))]

    What one row says about a source holds for its other rows:

    >>> rows = [{"source": "A", "value": 5, "reliability": 0.8}, {"source": "A", "value": 7}]
    >>> claims_from_rows(rows)[1]
    Claim(Source('A', reliability=0.8), Estimate(7))
    >>> claims_from_rows([{"source": "Ukraine", "valeu": 12000}])
    Traceback (most recent call last):
    ...
    reliability.errors.InvalidValueError: rows, row 1: there is no column 'valeu'; did you mean
    'value'?
    """
    if not rows:
        raise InvalidValueError(f"{name}: there are no claims in it")
    found = []
    for index, row in enumerate(rows, start=1):
        place = Place(name, f"row {index}")
        where = f"{name}, {place.row}"
        if not isinstance(row, Mapping):
            raise InvalidValueError(f"{where}: must be an object of columns, got {short(row)}")
        names = [column_name(str(key)) for key in row]
        check_columns(where, names)
        cells: dict[str, Cell] = {}
        for column, value in zip(names, row.values(), strict=True):
            cells[column] = cell_of(place, column, value)
        found.append(_Row.read(place, cells))
    return _with_one_source_each(found)


def _claims_from_csv(text: str, name: str) -> list[Claim]:
    reader = Delimited(StringIO(text, newline=""), name)
    rows = [
        _Row.read(
            Place(name, f"line {line}"),
            dict(zip(reader.names, cells, strict=True)),
            dots_group=reader.dots_group,
        )
        for line, cells in reader
    ]
    if not rows:
        raise InvalidValueError(f"{name}: has a header and no claims")
    return _with_one_source_each(rows)


@attrs.frozen
class _Row:
    """A claim, where it stands, and the attributes of its source that this row states."""

    place: Place
    claim: Claim
    known: dict[str, float | None]

    @classmethod
    def read(cls, place: Place, cells: Mapping[str, Cell], *, dots_group: bool = False) -> _Row:
        claim = claim_from_record(place, cells, dots_group=dots_group)
        stated = [field for field in SOURCE_NUMBERS if cells.get(field) is not None]
        if cells.get("grade") is not None:
            stated += ["reliability", "evidence"]
        return cls(place, claim, {field: getattr(claim.source, field) for field in stated})


def _with_one_source_each(rows: Sequence[_Row]) -> list[Claim]:
    """Claims whose sources have what any row says about them; refuses rows that disagree."""
    stated: dict[str, dict[str, tuple[float | None, Place]]] = {}
    for row in rows:
        name = row.claim.source.name
        fields = stated.setdefault(name, {})
        for field, value in row.known.items():
            other, place = fields.setdefault(field, (value, row.place))
            if value != other:
                raise row.place.error(
                    field,
                    f"is {short(value)} for the source {short(name)}, but {short(other)} in "
                    f"{place.row}; state it once and leave it empty in the source's other rows, "
                    "or give two sources different names",
                )
    claims = []
    for row in rows:
        source, fields = row.claim.source, stated[row.claim.source.name]
        if len(fields) == len(row.known):
            claims.append(row.claim)
            continue
        every: dict[str, Any] = {field: value for field, (value, _) in fields.items()}
        claims.append(attrs.evolve(row.claim, source=attrs.evolve(source, **every)))
    return claims


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise InvalidValueError(f"the field {twice!r} is given twice in one object")
    return fields


def _refuse_constant(text: str) -> float:
    raise InvalidValueError(f"the JSON holds {text}, which is not a number; leave the claim out")


def _document(text: str, name: str) -> Any:
    """What a JSON text holds; nothing twice, and no nan."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except ReliabilityError as error:
        raise error.located(name) from None
    except json.JSONDecodeError as error:
        raise InvalidValueError(
            f"{name}, line {error.lineno}: is not JSON: {error.msg} (column {error.colno})"
        ) from None
    except (ValueError, RecursionError) as error:  # digits or nesting beyond Python's limits
        raise InvalidValueError(f"{name}: cannot be read as JSON: {error}") from None


def _claims_from_json(text: str, name: str) -> list[Claim]:
    document = _document(text, name)
    if isinstance(document, list):
        return claims_from_rows(document, name=name)
    if not isinstance(document, dict):
        raise InvalidValueError(
            f"{name}: must be a list of objects, one per claim, got {short(document)}"
        )
    try:
        claims = claims_from_json(text)
    except ReliabilityError as error:
        raise type(error)(
            f"{name}: {error}; or give a list of objects, one per claim"
            if "not a document of claims" in str(error)
            else f"{name}: {error}"
        ) from None
    if not claims:
        raise InvalidValueError(f"{name}: there are no claims in it")
    _check_sources(claims, name)
    return claims


def _check_sources(claims: Sequence[Claim], name: str) -> None:
    """Refuse a document in which one source is two: there a field that is left out is known."""
    found = disagreement(claims)
    if found is None:
        return
    earlier, later, field = found
    other, own = (getattr(claims[i].source, field) for i in (earlier, later))
    raise InvalidValueError(
        f"{name}: claims[{later}].source.{field}: is {short(own)} for the source "
        f"{short(claims[later].source.name)}, but {short(other)} in claims[{earlier}]; say the "
        "same in both, or give two sources different names"
    )


def claims_from_text(text: str, *, name: str = "text") -> list[Claim]:
    r"""Claims from the text of a CSV or JSON file; which of the two, its first sign says.

    Parameters
    ----------
    text : the text
    name : what to call it in error messages; a name that ends in .json is JSON whatever it holds

    Raises
    ------
    ReliabilityError
        Naming the line and the column.

    Examples
    --------
    >>> claims_from_text("source;statement\nUkraine;more than 12,000\n")
    [Claim(Source('Ukraine'), AtLeast(12000))]
    """
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise InvalidValueError(f"{name}: is empty")
    if text.lstrip()[0] in "[{" or name.lower().endswith(".json"):
        return _claims_from_json(text, name)
    return _claims_from_csv(text, name)


def _decode(data: bytes, name: str) -> str:
    if data[:4] == b"PAR1":
        raise InvalidValueError(
            f"{name}: is a Parquet file; on the command line add --by quantity -o OUT, in Python "
            "give a data frame to combine_many"
        )
    encoding = "utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InvalidValueError(
            f"{name}, line {line}: is not UTF-8 text; save the file in UTF-8"
        ) from None
    if "\x00" in text:
        raise InvalidValueError(f"{name}: is not a text file; give CSV or JSON")
    return text


def read_claims(path: str | os.PathLike[str]) -> list[Claim]:
    """Claims from a CSV or JSON file; ``-`` is standard input.

    Commas, semicolons and tabs are recognised by the header. JSON is the document that
    `claims_to_json` writes, or a list of objects with the same names as the columns.

    Raises
    ------
    ReliabilityError
        Naming the file, the line and the column.
    OSError
        If the file cannot be read.
    """
    if str(path) == "-":
        return claims_from_text(_decode(sys.stdin.buffer.read(), "input"), name="input")
    return claims_from_text(_decode(Path(path).read_bytes(), str(path)), name=str(path))


def claims_with_sources(claims: Sequence[Claim], sources: object) -> list[Claim]:
    r"""Claims by sources of which more is known from elsewhere, which comes first.

    Parameters
    ----------
    claims : the claims
    sources : what is known of sources, as for :func:`reliability.combine_many`

    Examples
    --------
    >>> claims = claims_from_text("source,value,bias\nA,5,1\nB,7,\n")
    >>> claims_with_sources(claims, {"source": ["A"], "reliability": [0.8]})[0].source
    Source('A', reliability=0.8, bias=1)
    """
    known = read_sources(sources)

    def informed(claim: Claim) -> Claim:
        numbers: dict[str, Any] = known.get(claim.source.name, {})
        return attrs.evolve(claim, source=attrs.evolve(claim.source, **numbers))

    return [informed(claim) for claim in claims]


#: Rows of a file that are read at a time.
_ROWS = 1 << 20


def read_claims_table(path: str | os.PathLike[str], *, zeros: bool = False) -> Cells:
    """Table of claims in a CSV, Parquet or JSON file, by its ending; whole, in memory.

    JSON is a list of objects with the same names as the columns, one per claim.

    Parameters
    ----------
    path : the file
    zeros : whether a bare 0 is taken, as for `Cells`

    Raises
    ------
    ReliabilityError
        Naming the file, and the row and the column where it is one of these.
    OSError
        If the file cannot be read.
    """
    name = str(path)
    if name.lower().endswith(".json"):
        table = _table_from_json(_decode(Path(path).read_bytes(), name), name)
        return Cells(table, name=name, zeros=zeros)
    reader = open_reader(path)
    pieces = list(reader.pieces(_ROWS))
    if not pieces:
        raise InvalidValueError(f"{name}: has a header and no claims")
    table = pieces_joined(pieces)
    return Cells(table, name=name, dots_group=reader.dots_group, zeros=zeros)


def _table_from_json(text: str, name: str) -> dict[str, list[Any]]:
    document = _document(text, name)
    if not isinstance(document, list) or not document:
        raise InvalidValueError(
            f"{name}: must be a list of objects, one per claim, got {short(document)}"
        )
    columns: dict[str, list[Any]] = {}
    for index, row in enumerate(document):
        if not isinstance(row, dict):
            raise InvalidValueError(
                f"{name}, row {index + 1}: must be an object of columns, got {short(row)}"
            )
        for column, cell in row.items():
            columns.setdefault(column, [None] * len(document))[index] = cell
    return columns
