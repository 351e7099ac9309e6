"""One row of a table of claims: its cells, its statement, its claim; whatever is wrong is named.

A row says who (``source``) and what: a ``statement`` in words, or numbers in ``value``, ``sd``,
``low``, ``high``, ``level`` (or quantiles in ``q0.05``, ``q0.5``, ...), with ``form`` where the
numbers do not say it. Files and tables of any size are judged by these rules and no others.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from reliability.claims._checks import did_you_mean, percent_hint, short
from reliability.claims.claim import Claim
from reliability.claims.phrases import read
from reliability.claims.sources import Source
from reliability.claims.statements import (
    STATEMENTS,
    About,
    Absent,
    AtLeast,
    AtMost,
    Estimate,
    Present,
    Quantiles,
    Range,
    Statement,
)
from reliability.errors import InvalidValueError, ReliabilityError
from reliability.grades import ADMIRALTY, Letter, split_grade
from reliability.words import as_probability, no_probability

__all__ = [
    "COLUMNS",
    "GRADED",
    "NUMBERS",
    "SOURCE_NUMBERS",
    "STATEMENT_NUMBERS",
    "Cell",
    "Place",
    "cell_of",
    "check_columns",
    "check_names",
    "claim_from_record",
    "column_name",
    "form_name",
    "grade_of",
    "interval_quantiles",
    "is_column",
    "is_number_column",
    "number_of",
    "quantile_probability",
    "source_name",
]

SOURCE_NUMBERS = ("reliability", "evidence", "bias", "bias_sd", "overconfidence", "interest")
STATEMENT_NUMBERS = ("value", "sd", "low", "high", "level")
CLAIM_TEXTS = ("quantity", "origin", "date", "note", "url")

#: Columns that a table of claims may have, besides quantiles such as ``q0.05``.
COLUMNS = (
    "source",
    "statement",
    "form",
    *STATEMENT_NUMBERS,
    *SOURCE_NUMBERS,
    "credibility",
    "grade",
    *CLAIM_TEXTS,
)
#: What a grade such as "B2" says in their place.
GRADED = ("reliability", "evidence", "credibility")
_NAMES = frozenset(("source", *CLAIM_TEXTS))
NUMBERS = (*SOURCE_NUMBERS, *STATEMENT_NUMBERS, "credibility")
_PROBABILITIES = frozenset(("reliability", "credibility"))
_QUANTILE = re.compile(r"q(0?\.[0-9]+)")
_NUMERAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
_DOTTED = re.compile(r"[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})+")

Cell: TypeAlias = str | float | None


class Place:
    """A row of a file or table, for error messages.

    The errors it makes carry ``column`` and ``reason``, so that they can be listed.
    """

    def __init__(self, name: str, row: str) -> None:
        self.name = name
        self.row = row

    def _build(self, kind: type[ReliabilityError], field: str, text: str) -> ReliabilityError:
        error = kind(f"{self.name}, {self.row}, {field}: {text}")
        vars(error).update(column=field, reason=text)
        return error

    def error(self, field: str, text: str) -> ReliabilityError:
        """Make an error about one field of this row."""
        return self._build(InvalidValueError, field, text)

    def about(self, field: str, error: ReliabilityError) -> ReliabilityError:
        """Make the same error about one field of this row."""
        return self._build(type(error), field, str(error))

    def forward(self, field: str, error: ReliabilityError) -> ReliabilityError:
        """Make the same error with this place in front."""
        path: str = vars(error).get("path", "") or field
        path = "quantiles" if path == "mapping" else path
        text: str = vars(error).get("text", str(error))
        return self._build(type(error), path, text)


# --- one row ------------------------------------------------------------------------------------


def number_of(place: Place, field: str, cell: Cell, *, dots_group: bool) -> float | None:
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
    if field in _PROBABILITIES and isinstance(in_words := as_probability(text), float):
        return in_words
    try:
        statement = read(text)
    except ReliabilityError as error:
        reason = str(error).partition(": ")[2]
        if "may be" in reason:
            raise place.error(field, f"must be a number, got {short(text)}; {reason}") from None
    else:
        if isinstance(statement, Estimate) and statement.bare:
            return statement.value
    raise place.error(field, _no_number(field, text))


def _no_number(field: str, text: str) -> str:
    """Why a text is no number."""
    remedy = ""
    if field in STATEMENT_NUMBERS:
        remedy = "; put phrases into the column 'statement'"
    elif field in _PROBABILITIES and text.upper() in ADMIRALTY.letters:
        remedy = "; grades have the column 'grade'"
    elif field in _PROBABILITIES:
        return no_probability(text)
    return f"must be a number, got {short(text)}{remedy}"


def interval_quantiles(level: float) -> tuple[float, float]:
    """Probabilities of the ends of a central interval, in the decimals of its level.

    >>> interval_quantiles(0.9)
    (0.05, 0.95)
    """
    tail = float((1 - Decimal(repr(level))) / 2)
    return tail, float(1 - Decimal(repr(tail)))


def _infer(numbers: Mapping[str, float | None]) -> Statement:
    """Statement from the numbers of a row without a form."""
    value, sd, low, high, level = (numbers[name] for name in STATEMENT_NUMBERS)
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
    return Quantiles(dict(zip(interval_quantiles(level), (low, high), strict=True)))


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
    "absent": (),
    "present": (),
}
_NEEDS = {
    "estimate": ("value",),
    "range": ("low", "high"),
    "at_least": ("value",),
    "at_most": ("value",),
    "about": ("value",),
    "quantiles": ("low", "high", "level"),
    "absent": (),
    "present": (),
}
_WITHOUT_NUMBERS: dict[str, Absent | Present] = {"absent": Absent(), "present": Present()}


def _statement(
    row: Mapping[str, Cell], numbers: Mapping[str, float | None], quantiles: dict[float, float]
) -> Statement:
    """Statement of a row. Errors start with the column they are about."""
    phrase, form = row.get("statement"), row.get("form")
    filled = [name for name in STATEMENT_NUMBERS if numbers[name] is not None]
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


def form_name(form: str) -> str:
    """Name of a form as it is written in tables: "At most" is "at_most"."""
    return form.strip().lower().replace(" ", "_").replace("-", "_")


def source_name(value: object) -> str:
    """Name of a source; numbers that serve as names are written out."""
    return value if isinstance(value, str) else short(value)


def _of_form(
    form: str,
    numbers: Mapping[str, float | None],
    filled: Sequence[str],
    quantiles: dict[float, float],
) -> Statement:
    """Statement of a row that names its form."""
    name = form_name(form)
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
    if name in _WITHOUT_NUMBERS:
        return _WITHOUT_NUMBERS[name]
    value = numbers["value"]
    if name in _SINGLE and value is not None:
        return _SINGLE[name](value)
    return _infer(numbers)


def grade_of(cell: object) -> tuple[Letter, str | None]:
    """What a grade such as "B2" says of the source, and the claim's digit.

    Raises
    ------
    ReliabilityError
        If it is no grade.

    Examples
    --------
    >>> letter, digit = grade_of("B2")
    >>> letter.reliability, letter.evidence, digit
    (0.7, 10.0, '2')
    """
    letter, digit = split_grade(cell)
    return ADMIRALTY.letter(letter), digit


def _graded(place: Place, row: Mapping[str, Cell]) -> tuple[dict[str, float], str | None]:
    """What the grade of a row says of its source, and the claim's digit."""
    cell = row.get("grade")
    if cell is None:
        return {}, None
    try:
        letter, digit = grade_of(cell)
    except ReliabilityError as error:
        raise place.about("grade", error) from None
    for field in GRADED:
        if row.get(field) is not None and (field != "credibility" or digit is not None):
            raise place.error(
                "grade", f"the row has a grade and {field} too; leave one of them empty"
            )
    return {"reliability": letter.reliability, "evidence": letter.evidence}, digit


def claim_from_record(
    place: Place,
    row: Mapping[str, Cell],
    *,
    dots_group: bool = False,
    resolved: Mapping[str, float] | None = None,
) -> Claim:
    """Claim from the cells of a row.

    Parameters
    ----------
    place : the row, for error messages
    row : cells by column, as `cell_of` gives them
    dots_group : whether "12.000" may mean 12000, as in files with semicolons
    resolved : attributes of the source that replace what the row says

    Raises
    ------
    ReliabilityError
        Naming the row and the column.
    """
    graded, digit = _graded(place, row)
    numbers = {
        name: number_of(place, name, row.get(name), dots_group=dots_group) for name in NUMBERS
    }
    numbers |= graded
    numbers |= resolved or {}
    quantiles: dict[float, float] = {}
    for column, cell in row.items():
        probability = quantile_probability(column)
        if probability is None:
            continue
        number = number_of(place, column, cell, dots_group=dots_group)
        if number is not None:
            quantiles[probability] = number
    name = row.get("source")
    if name is None:
        raise place.error("source", "is empty; say who makes the claim")
    known = {field: numbers[field] for field in SOURCE_NUMBERS if numbers[field] is not None}
    try:
        source = Source(source_name(name), **known)  # type: ignore[arg-type]
    except ReliabilityError as error:
        raise place.forward("source", error) from None
    try:
        statement = _statement(row, numbers, quantiles)
    except ReliabilityError as error:
        if vars(error).get("path"):
            raise place.forward("statement", error) from None
        field, _, text = str(error).partition(": ")
        if text and is_column(field):
            raise place.error(field, text) from None
        raise place.forward("statement", error) from None
    texts: dict[str, Any] = {
        field: given if isinstance(given, str) else short(given)
        for field in CLAIM_TEXTS
        if (given := row.get(field)) is not None
    }
    try:
        credibility = numbers["credibility"] if digit is None else digit
        return Claim(source, statement, credibility=credibility, **texts)
    except ReliabilityError as error:
        raise place.forward("claim", error) from None


def cell_of(place: Place, column: str, value: object) -> Cell:
    """Text, finite float, or a whole number that serves as a name; None where it is empty."""
    if value is None or isinstance(value, str):
        return value if value and value.strip() else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise place.error(column, f"must be a number or a text, got {short(value)}")
    if isinstance(value, int) and column in _NAMES:
        return value  # all of its digits
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        shown = short(value) if isinstance(value, int) else str(value)
        raise place.error(column, f"must be a finite number, got {shown}")
    return number


# --- columns ------------------------------------------------------------------------------------


def quantile_probability(column: str) -> float | None:
    """Probability that the name of a quantile column says; None for other columns.

    >>> quantile_probability("q0.05"), quantile_probability("value")
    (0.05, None)
    """
    found = _QUANTILE.fullmatch(column)
    return float(found[1]) if found else None


def column_name(text: str) -> str:
    """Name of a column as it is known here: lower case, words joined by underscores."""
    return "_".join(text.strip().lower().split())


def is_column(name: str) -> bool:
    """Whether a table of claims may have such a column."""
    return name in COLUMNS or _QUANTILE.fullmatch(name) is not None


def is_number_column(name: str) -> bool:
    """Whether a column holds numbers."""
    return name in NUMBERS or _QUANTILE.fullmatch(name) is not None


def check_names(where: str, names: Sequence[str], known: Sequence[str]) -> None:
    """Refuse columns that are unknown or given twice."""
    for name in names:
        if name not in known:
            raise InvalidValueError(
                f"{where}: there is no column {name!r}{did_you_mean(name, known)}"
            )
    for name, count in Counter(names).items():
        if count > 1:
            raise InvalidValueError(f"{where}: the column {name!r} is given {count} times")


def check_columns(where: str, names: Sequence[str]) -> None:
    """Refuse columns that are unknown or given twice, and tables that cannot hold claims."""
    for name in names:
        if not is_column(name):
            raise InvalidValueError(
                f"{where}: there is no column {name!r}{did_you_mean(name, COLUMNS)}"
            )
    for name, count in Counter(names).items():
        if count > 1:
            raise InvalidValueError(f"{where}: the column {name!r} is given {count} times")
    by_probability: dict[float, str] = {}
    for name in names:
        probability = quantile_probability(name)
        if probability is not None and by_probability.setdefault(probability, name) != name:
            raise InvalidValueError(
                f"{where}: the columns {by_probability[probability]!r} and {name!r} are the same "
                "quantile; give one of them"
            )
    if "source" not in names:
        raise InvalidValueError(
            f"{where}: the column 'source' is missing; say who makes the claims"
        )
    said = {"statement", "form", "value", "low", "high"}
    if not any(name in said or _QUANTILE.fullmatch(name) for name in names):
        raise InvalidValueError(
            f"{where}: a column with what was said is missing; "
            "give 'statement', or 'value', or 'low' and 'high'"
        )
