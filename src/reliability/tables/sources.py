"""What a table says about its sources: each attribute once, wherever it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims._checks import short
from reliability.claims.sources import Source
from reliability.errors import InvalidValueError, ReliabilityError, WrongTypeError
from reliability.tables.frames import Table, as_table, plain_cell
from reliability.tables.records import (
    SOURCE_NUMBERS,
    Cell,
    Place,
    cell_of,
    check_names,
    grade_of,
    number_of,
    source_name,
)

__all__ = [
    "LEARNED_COLUMNS",
    "SOURCE_COLUMNS",
    "FirstStated",
    "Known",
    "SourceColumns",
    "first_rows",
    "known_numbers",
    "read_sources",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


#: Columns of ``Learned.source_table`` that say how well its numbers are known; not read.
LEARNED_COLUMNS = (
    "n",
    "compared",
    *(
        f"{name}_{end}"
        for name in ("reliability", "bias", "overconfidence", "error_sd")
        for end in ("low", "high")
    ),
    "error_sd",
    "identified",
)
#: Columns that a table of sources may have.
SOURCE_COLUMNS = ("source", *SOURCE_NUMBERS, "grade", *LEARNED_COLUMNS)


class Known(dict[str, dict[str, float]]):
    """Attributes that are stated of sources, by name; read and checked."""


@attrs.frozen(eq=False)
class SourceColumns:
    """Sources by number: their names, and each attribute as an array, nan where it is not stated.

    ``numbers`` has the keys reliability, evidence, bias, bias_sd, overconfidence, interest.
    """

    names: list[str]
    numbers: dict[str, Array]

    def known(self) -> Known:
        """What is stated, for `read_sources` to pass on."""
        columns = [(field, values.tolist()) for field, values in self.numbers.items()]
        return Known(
            (name, {field: column[i] for field, column in columns if column[i] == column[i]})
            for i, name in enumerate(self.names)
        )

    def objects(self) -> list[Source]:
        """Sources as objects."""
        return [Source(name, **fields) for name, fields in self.known().items()]


def read_sources(sources: object, *, name: str = "sources") -> Known:
    """Attributes that are stated, by the name of the source.

    Parameters
    ----------
    sources : None; `Source` objects, in a list or as the values of a dict; or a table with the
        column ``source`` and any of reliability, evidence, bias, bias_sd, overconfidence,
        interest, and ``grade`` (a letter A to F); the other columns of ``Learned.source_table``
        are passed over
    name : what to call it in error messages

    Raises
    ------
    ReliabilityError
        Naming the row and the column.

    Examples
    --------
    >>> read_sources([Source("US", reliability=0.8)])
    {'US': {'reliability': 0.8}}
    """
    if sources is None:
        return Known()
    if isinstance(sources, Known):
        return sources
    given: Any = sources
    if isinstance(given, Source):
        given = [given]
    elif isinstance(given, Mapping) and any(isinstance(v, Source) for v in given.values()):
        given = list(given.values())
    if not isinstance(given, list | tuple | set):
        return _from_table(as_table(given, what=name), name)
    found = Known()
    for index, source in enumerate(given):
        if not isinstance(source, Source):
            raise WrongTypeError(f"{name}[{index}]: must be a Source, got {short(source)}")
        if source.name in found:
            raise InvalidValueError(f"{name}[{index}]: {source.name!r} is given twice")
        fields = source.to_dict()  # those that differ from their defaults
        found[source.name] = {key: float(fields[key]) for key in SOURCE_NUMBERS if key in fields}
    return found


def _from_table(table: Table, name: str) -> Known:
    check_names(name, table.names, SOURCE_COLUMNS)
    if "source" not in table.names:
        raise InvalidValueError(
            f"{name}: the column 'source' is missing; say whose numbers they are"
        )
    columns = {
        column: table.coded(column) for column in table.names if column not in LEARNED_COLUMNS
    }
    found = Known()
    for row in range(table.rows):
        place = Place(name, f"row {row + 1}")
        cells = {
            column: cell_of(
                place,
                column,
                None
                if coded.codes[row] < 0
                else plain_cell(coded.categories[int(coded.codes[row])]),
            )
            for column, coded in columns.items()
        }
        who = cells.pop("source")
        if who is None:
            raise place.error("source", "is empty; say whose numbers they are")
        grade = cells.pop("grade", None)
        numbers = {
            column: number
            for column, cell in cells.items()
            if (number := number_of(place, column, cell, dots_group=False)) is not None
        }
        if grade is not None:
            numbers |= _of_grade(place, grade, numbers)
        try:
            source = Source(source_name(who), **numbers)
        except ReliabilityError as error:
            raise place.forward("source", error) from None
        if source.name in found:
            raise place.error("source", f"{source.name!r} is given twice; give each source once")
        found[source.name] = numbers
    return found


def _of_grade(place: Place, grade: Cell, numbers: Mapping[str, float]) -> dict[str, float]:
    """What a source's letter says of it."""
    try:
        letter, digit = grade_of(grade)
    except ReliabilityError as error:
        raise place.about("grade", error) from None
    if digit is not None:
        raise place.error("grade", f"must be a source's letter alone, got {short(grade)}")
    said = {"reliability": letter.reliability, "evidence": letter.evidence}
    for field in said:
        if field in numbers:
            raise place.error(
                "grade", f"the row has a grade and {field} too; leave one of them empty"
            )
    return said


class FirstStated(dict[str, dict[str, tuple[float, int]]]):
    """What a table states first of its sources: by attribute and name, the value and its row.

    The rows are numbered from 0.
    """

    def extend(self, later: FirstStated) -> None:
        """Add what later rows state of sources of which the earlier ones do not."""
        for field, by_name in later.items():
            self[field] = by_name | self.get(field, {})

    def numbers(self, field: str, names: Iterable[str]) -> tuple[Array, IntArray]:
        """Value and row of each source; nan and -1 where the table states nothing."""
        by_name = self.get(field, {})
        found = [by_name.get(name, (np.nan, -1)) for name in names]
        return (
            np.array([value for value, _ in found], dtype=np.float64),
            np.array([row for _, row in found], dtype=np.int64),
        )


def first_rows(codes: IntArray, stated: NDArray[np.bool_], count: int) -> IntArray:
    """First row of each of so many sources that states something; -1 where none does.

    Parameters
    ----------
    codes : source of each row; -1 where there is none
    stated : the rows that state something

    Examples
    --------
    >>> first_rows(np.array([1, 0, 0]), np.array([True, False, True]), 3).tolist()
    [2, 0, -1]
    """
    rows = np.flatnonzero(stated & (codes >= 0))[::-1]
    first = np.full(count, -1, dtype=np.int64)
    first[codes[rows]] = rows  # from the end: the first assignment in the table stays
    return first


def known_numbers(
    names: Iterable[str], known: Mapping[str, Mapping[str, float]]
) -> dict[str, Array]:
    """Attributes from `read_sources` as arrays in the order of the names."""
    given = [known.get(name, {}) for name in names]
    return {
        field: np.array([one.get(field, np.nan) for one in given], dtype=np.float64)
        for field in SOURCE_NUMBERS
    }
