"""Claims from CSV and JSON files.

A row says who (``source``) and what: a ``statement`` in words, or numbers in ``value``, ``sd``,
``low``, ``high``, ``level`` (or quantiles in ``q0.05``, ``q0.5``, ...), with ``form`` where the
numbers do not say it. What is known about a source (``reliability``, ``bias``, ...) may stand in
any of its rows: an empty cell means "as said elsewhere", and two different values are an error.
Whatever is wrong is named with its file, line and column.
"""

from __future__ import annotations

import csv
import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from reliability.claims._checks import did_you_mean, percent_hint, short
from reliability.claims.claim import Claim, claims_from_json, disagreement
from reliability.claims.phrases import read
from reliability.claims.sources import Source
from reliability.claims.statements import (
    STATEMENTS,
    About,
    AtLeast,
    AtMost,
    Estimate,
    Quantiles,
    Range,
    Statement,
)
from reliability.errors import InvalidValueError, ReliabilityError

if TYPE_CHECKING:
    import os

__all__ = ["COLUMNS", "claims_from_rows", "claims_from_text", "read_claims"]

_SOURCE_NUMBERS = ("reliability", "evidence", "bias", "bias_sd", "overconfidence", "interest")
_STATEMENT_NUMBERS = ("value", "sd", "low", "high", "level")
_CLAIM_TEXTS = ("quantity", "origin", "date", "note", "url")

#: Columns that a table of claims may have, besides quantiles such as ``q0.05``.
COLUMNS = (
    "source",
    "statement",
    "form",
    *_STATEMENT_NUMBERS,
    *_SOURCE_NUMBERS,
    "credibility",
    *_CLAIM_TEXTS,
)
_NUMBERS = (*_SOURCE_NUMBERS, *_STATEMENT_NUMBERS, "credibility")
_QUANTILE = re.compile(r"q(0?\.[0-9]+)")
_NUMERAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
_DOTTED = re.compile(r"[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})+")
_DELIMITERS = ",;\t|"

Cell: TypeAlias = str | float | None


class _Place:
    """A row of a file, for error messages."""

    def __init__(self, name: str, row: str) -> None:
        self.name = name
        self.row = row

    def error(self, field: str, text: str) -> InvalidValueError:
        """Make an error about one field of this row."""
        return InvalidValueError(f"{self.name}, {self.row}, {field}: {text}")

    def forward(self, field: str, error: ReliabilityError) -> ReliabilityError:
        """Make the same error with this place in front."""
        path: str = vars(error).get("path", "") or field
        path = "quantiles" if path == "mapping" else path
        text: str = vars(error).get("text", str(error))
        return type(error)(f"{self.name}, {self.row}, {path}: {text}")


# --- one row ------------------------------------------------------------------------------------


def _number(place: _Place, field: str, cell: Cell, *, dots_group: bool) -> float | None:
    """Number in a cell; None where it is empty."""
    if cell is None or not isinstance(cell, str):
        return cell
    text = cell.strip()
    if _NUMERAL.fullmatch(text):
        if dots_group and _DOTTED.fullmatch(text):
            whole, decimal = text.replace(".", ""), f"{float(text):g}"
            raise place.error(
                field, f"{text!r} may be {whole} or {decimal}; write it without the dot"
            )
        return float(text)
    try:
        statement = read(text)
    except ReliabilityError as error:
        reason = str(error).partition(": ")[2]
        if "may be" in reason:
            raise place.error(field, f"must be a number, got {short(text)}; {reason}") from None
    else:
        if isinstance(statement, Estimate) and statement.bare:
            return statement.value
    remedy = "; put phrases into the column 'statement'" if field in _STATEMENT_NUMBERS else ""
    raise place.error(field, f"must be a number, got {short(text)}{remedy}")


def _infer(numbers: Mapping[str, float | None]) -> Statement:
    """Statement from the numbers of a row without a form."""
    value, sd, low, high, level = (numbers[name] for name in _STATEMENT_NUMBERS)
    if value is not None:
        return Estimate(value, sd=sd, low=low, high=high, level=level)
    if sd is not None:
        raise InvalidValueError("sd: belongs to a value; fill the column 'value'")
    if low is None or high is None:
        missing = "low" if low is None else "high"
        raise InvalidValueError(
            f"{missing}: is empty; give both ends, or a form: at_least with a value"
        )
    if level is None:
        return Range(low, high)
    if not 0.0 < level < 1.0:
        hint = percent_hint(level)
        raise InvalidValueError(f"level: must lie in (0, 1), got {short(level)}{hint}")
    tail = float((1 - Decimal(repr(level))) / 2)
    return Quantiles({tail: low, float(1 - Decimal(repr(tail))): high})


_SINGLE: dict[str, type[AtLeast | AtMost | About]] = {
    "at_least": AtLeast,
    "at_most": AtMost,
    "about": About,
}
_TAKES = {
    "estimate": ("value", "sd", "low", "high", "level"),
    "range": ("low", "high"),
    "at_least": ("value",),
    "at_most": ("value",),
    "about": ("value",),
    "quantiles": ("low", "high", "level"),
}
_NEEDS = {
    "estimate": ("value",),
    "range": ("low", "high"),
    "at_least": ("value",),
    "at_most": ("value",),
    "about": ("value",),
    "quantiles": ("low", "high", "level"),
}


def _statement(
    row: Mapping[str, Cell], numbers: Mapping[str, float | None], quantiles: dict[float, float]
) -> Statement:
    """Statement of a row. Errors start with the column they are about."""
    phrase, form = row.get("statement"), row.get("form")
    filled = [name for name in _STATEMENT_NUMBERS if numbers[name] is not None]
    if phrase is not None:
        beside = [*filled, *(["form"] if form is not None else []), *map("q{:g}".format, quantiles)]
        if beside:
            raise InvalidValueError(
                f"statement: the row has a statement and a {beside[0]}; leave one of them empty"
            )
        return read(phrase) if isinstance(phrase, str) else Estimate(phrase)
    if form is not None:
        return _of_form(str(form), numbers, filled, quantiles)
    if quantiles and filled:
        raise InvalidValueError(f"{filled[0]}: the row has quantiles too; leave one out")
    if quantiles:
        return Quantiles(quantiles)
    if not filled:
        raise InvalidValueError(
            "statement: the row says nothing; fill 'statement', or 'value', or 'low' and 'high'"
        )
    return _infer(numbers)


def _of_form(
    form: str,
    numbers: Mapping[str, float | None],
    filled: Sequence[str],
    quantiles: dict[float, float],
) -> Statement:
    """Statement of a row that names its form."""
    name = form.strip().lower().replace(" ", "_").replace("-", "_")
    if name not in STATEMENTS:
        raise InvalidValueError(f"form: {short(form)} is unknown{did_you_mean(name, STATEMENTS)}")
    takes = () if name == "quantiles" and quantiles else _TAKES[name]
    for field in filled:
        if field not in takes:
            raise InvalidValueError(f"{field}: does not go with form {name}; leave it empty")
    if quantiles and name != "quantiles":
        raise InvalidValueError(f"form: the row has quantiles and form {name}; leave one out")
    if quantiles:
        return Quantiles(quantiles)
    for field in _NEEDS[name]:
        if numbers[field] is None:
            raise InvalidValueError(f"{field}: is empty, and form {name} needs it")
    value = numbers["value"]
    if name in _SINGLE and value is not None:
        return _SINGLE[name](value)
    return _infer(numbers)


def _claim(place: _Place, row: Mapping[str, Cell], *, dots_group: bool) -> _Row:
    numbers = {
        name: _number(place, name, row.get(name), dots_group=dots_group) for name in _NUMBERS
    }
    quantiles: dict[float, float] = {}
    for column, cell in row.items():
        found = _QUANTILE.fullmatch(column)
        number = _number(place, column, cell, dots_group=dots_group) if found else None
        if found and number is not None:
            quantiles[float(found[1])] = number
    name = row.get("source")
    if name is None:
        raise place.error("source", "is empty; say who makes the claim")
    known = {field: numbers[field] for field in _SOURCE_NUMBERS if numbers[field] is not None}
    try:
        source = Source(name if isinstance(name, str) else short(name), **known)  # type: ignore[arg-type]
    except ReliabilityError as error:
        raise place.forward("source", error) from None
    try:
        statement = _statement(row, numbers, quantiles)
    except ReliabilityError as error:
        if vars(error).get("path"):
            raise place.forward("statement", error) from None
        field, _, text = str(error).partition(": ")
        if text and _is_column(field):
            raise place.error(field, text) from None
        raise place.forward("statement", error) from None
    texts: dict[str, Any] = {
        field: given if isinstance(given, str) else short(given)
        for field in _CLAIM_TEXTS
        if (given := row.get(field)) is not None
    }
    try:
        claim = Claim(source, statement, credibility=numbers["credibility"], **texts)
    except ReliabilityError as error:
        raise place.forward("claim", error) from None
    return _Row(place, claim, known)


@attrs.frozen
class _Row:
    """A claim, where it stands, and the attributes of its source that this row states."""

    place: _Place
    claim: Claim
    known: dict[str, float | None]


def _with_one_source_each(rows: Sequence[_Row]) -> list[Claim]:
    """Claims whose sources have what any row says about them; refuses rows that disagree."""
    stated: dict[str, dict[str, tuple[float | None, _Place]]] = {}
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


# --- tables -------------------------------------------------------------------------------------


def _column_name(text: str) -> str:
    return "_".join(text.strip().lower().split())


def _is_column(name: str) -> bool:
    return name in COLUMNS or _QUANTILE.fullmatch(name) is not None


def _check_columns(where: str, names: Sequence[str]) -> None:
    """Refuse columns that are unknown or given twice, and tables that cannot hold claims."""
    for name in names:
        if not _is_column(name):
            raise InvalidValueError(
                f"{where}: there is no column {name!r}{did_you_mean(name, COLUMNS)}"
            )
    for name, count in Counter(names).items():
        if count > 1:
            raise InvalidValueError(f"{where}: the column {name!r} is given {count} times")
    if "source" not in names:
        raise InvalidValueError(
            f"{where}: the column 'source' is missing; say who makes the claims"
        )
    said = {"statement", "value", "low", "high"}
    if not any(name in said or _QUANTILE.fullmatch(name) for name in names):
        raise InvalidValueError(
            f"{where}: a column with what was said is missing; "
            "give 'statement', or 'value', or 'low' and 'high'"
        )


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
    read_rows = []
    for index, row in enumerate(rows, start=1):
        place = _Place(name, f"row {index}")
        where = f"{name}, {place.row}"
        if not isinstance(row, Mapping):
            raise InvalidValueError(f"{where}: must be an object of columns, got {short(row)}")
        names = [_column_name(str(key)) for key in row]
        _check_columns(where, names)
        cells: dict[str, Cell] = {}
        for column, value in zip(names, row.values(), strict=True):
            cells[column] = _cell(place, column, value)
        read_rows.append(_claim(place, cells, dots_group=False))
    return _with_one_source_each(read_rows)


def _cell(place: _Place, column: str, value: object) -> Cell:
    """Text or finite float; None where it is empty."""
    if value is None or isinstance(value, str):
        return value if value and value.strip() else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise place.error(column, f"must be a number or a text, got {short(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        shown = short(value) if isinstance(value, int) else str(value)
        raise place.error(column, f"must be a finite number, got {shown}")
    return number


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """First line and cells of each record that is not empty."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield line, cells
        line = reader.line_num + 1


def _delimiter(text: str) -> str:
    """Delimiter that makes the most of the first line's words into columns."""

    def known(delimiter: str) -> int:
        try:
            _, header = next(_records(text, delimiter))
        except (csv.Error, StopIteration):
            return 0
        return sum(_is_column(_column_name(cell)) for cell in header)

    return max(_DELIMITERS, key=known)


def _claims_from_csv(text: str, name: str) -> list[Claim]:
    delimiter = _delimiter(text)
    records = _records(text, delimiter)
    line = 0
    rows = []
    try:
        line, header = next(records, (1, []))
        names = [_column_name(cell) for cell in header]
        while names and not names[-1]:
            names.pop()  # a spreadsheet's empty columns
        _check_columns(f"{name}, line {line}", names)
        for line, cells in records:
            place = _Place(name, f"line {line}")
            if any(cell.strip() for cell in cells[len(names) :]):
                raise InvalidValueError(
                    f"{name}, line {line}: has {len(cells)} cells and the header {len(names)}; "
                    f'put a text that contains {delimiter!r} into "quotes"'
                )
            row: dict[str, Cell] = {
                column: cell.strip() or None for column, cell in zip(names, cells, strict=False)
            }
            rows.append(_claim(place, row, dots_group=delimiter == ";"))
    except csv.Error as error:
        raise InvalidValueError(
            f"{name}, after line {line}: the file is not clean CSV: {error}; "
            "check the quotes from there on"
        ) from None
    if not rows:
        raise InvalidValueError(f"{name}: has a header and no claims")
    return _with_one_source_each(rows)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise InvalidValueError(f"the field {twice!r} is given twice in one object")
    return fields


def _refuse_constant(text: str) -> float:
    raise InvalidValueError(f"the JSON holds {text}, which is not a number; leave the claim out")


def _claims_from_json(text: str, name: str) -> list[Claim]:
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except ReliabilityError as error:
        raise error.located(name) from None
    except json.JSONDecodeError as error:
        raise InvalidValueError(
            f"{name}, line {error.lineno}: is not JSON: {error.msg} (column {error.colno})"
        ) from None
    except (ValueError, RecursionError) as error:  # digits or nesting beyond Python's limits
        raise InvalidValueError(f"{name}: cannot be read as JSON: {error}") from None
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
