"""The cells of a table of claims: columns checked and read once, rows on demand."""

from __future__ import annotations

from functools import cached_property
from typing import TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.claim import Claim
from reliability.errors import InvalidValueError, ReliabilityError
from reliability.grades import ADMIRALTY, CONFIRMED
from reliability.tables.codes import Coded, runs_of_names
from reliability.tables.frames import Numbers, Table, as_table, plain_cell
from reliability.tables.records import (
    GRADED,
    Cell,
    Place,
    cell_of,
    check_columns,
    claim_from_record,
    grade_of,
    is_number_column,
    source_name,
)

__all__ = ["Cells", "Grades", "Texts"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]


@attrs.frozen(eq=False)
class Texts:
    """A column of texts: codes into ``cells``; -1 where a cell is empty.

    ``refused`` marks the categories that are neither a text nor a number.
    """

    codes: IntArray
    cells: list[Cell]
    refused: Mask


@attrs.frozen(eq=False)
class Grades:
    """Grades of rows: what they say in ``numbers`` of each column of ``GRADED``, nan for nothing.

    ``stand_in`` marks, by column, rows whose grade takes its place (a digit 6 does, and says
    nothing); ``refused`` cells that are no grade, ``confirmed`` claims of the digit 1.
    """

    numbers: dict[str, Array]
    stand_in: dict[str, Mask]
    refused: Mask
    confirmed: Mask


class Cells:
    """A table of claims, read column by column.

    Parameters
    ----------
    table : any table
    name : what to call it in error messages
    numbers : number of each row, from 0, where the table is a part of a larger one
    dots_group : whether the text "12.000" may mean 12000
    claims : whether the table must have the columns that make a claim
    zeros : whether a bare 0 is taken, though its digits tell no uncertainty
    """

    def __init__(
        self,
        table: object,
        *,
        name: str = "table",
        numbers: IntArray | range | None = None,
        dots_group: bool = False,
        claims: bool = True,
        zeros: bool = False,
    ) -> None:
        self.zeros = zeros
        self.table: Table = as_table(table, what=name)
        self.name = name
        self._row_numbers = numbers
        self._dots_group = dots_group
        if claims:
            check_columns(name, self.table.names)
        if self.table.rows == 0:
            raise InvalidValueError(f"{name}: there are no claims in it")
        self._numbers: dict[str, Numbers] = {}
        self._coded: dict[str, Coded] = {}

    def __len__(self) -> int:
        return self.table.rows

    def part(self, rows: IntArray | slice) -> Cells:
        """Some rows, by index or slice, which keep their numbers."""
        numbers = self._row_numbers
        own: IntArray | range
        if numbers is None:
            own = range(rows.start, rows.stop) if isinstance(rows, slice) else rows
        else:
            own = np.asarray(numbers)[rows]
        return Cells(
            self.table.part(rows),
            name=self.name,
            numbers=own,
            dots_group=self._dots_group,
            claims=False,
            zeros=self.zeros,
        )

    def has(self, column: str) -> bool:
        """Whether the table has a column, or grades in its place."""
        names = self.table.names
        return column in names or (column in GRADED and "grade" in names)

    def numbers(self, column: str) -> Numbers:
        """Column as numbers; where it is empty, what the row's grade says in its place."""
        if column not in self._numbers:
            if column in GRADED and "grade" in self.table.names:
                self._numbers[column] = self._with_grades(column)
            else:
                self._numbers[column] = self.table.numbers(column, dots_group=self._dots_group)
        return self._numbers[column]

    @cached_property
    def grades(self) -> Grades:
        """Grades of the rows."""
        texts = self.texts("grade")
        refused = np.append(texts.refused, False)
        numbers = np.full((len(GRADED), len(refused)), np.nan)
        stand_in = np.zeros(numbers.shape, dtype=np.bool_)
        confirmed = np.zeros(len(refused), dtype=np.bool_)
        for code, cell in enumerate(texts.cells):
            if cell is None or refused[code]:
                continue
            try:
                letter, digit = grade_of(cell)
            except ReliabilityError:
                refused[code] = True
                continue
            worth = None if digit is None else ADMIRALTY.credibility(digit)
            last = np.nan if worth is None else worth
            numbers[:, code] = letter.reliability, letter.evidence, last
            stand_in[:, code] = True, True, digit is not None
            confirmed[code] = digit == CONFIRMED
        codes = texts.codes
        return Grades(
            dict(zip(GRADED, numbers[:, codes], strict=True)),
            dict(zip(GRADED, stand_in[:, codes], strict=True)),
            refused[codes],
            confirmed[codes],
        )

    def _with_grades(self, column: str) -> Numbers:
        grades = self.grades
        if column not in self.table.names:
            return Numbers(grades.numbers[column], grades.refused)
        own = self.table.numbers(column, dots_group=self._dots_group)
        # A row with both is refused; so is one whose own cell is no number.
        said, refused = ~np.isnan(own.values), grades.refused
        if own.refused is not None:
            said, refused = said | own.refused, refused | own.refused
        refused = refused | (said & grades.stand_in[column])
        return Numbers(np.where(said, own.values, grades.numbers[column]), refused, own.cells)

    def coded(self, column: str) -> Coded:
        """Column as codes into the values that it came with."""
        if column not in self._coded:
            self._coded[column] = self.table.coded(column)
        return self._coded[column]

    def runs(self, column: str) -> IntArray | None:
        """Where runs of one name begin, if that is easy to say and none comes back; else None."""
        found = self.table.column(column)
        if isinstance(found, Coded):
            self._coded[column] = found
            return None
        return runs_of_names(found)

    def texts(self, column: str) -> Texts:
        """Column as texts (numbers are left as they are), blank cells empty."""
        coded = self.coded(column)
        given = coded.categories
        size = len(given)
        refused, empty = np.zeros(size, dtype=np.bool_), np.zeros(size, dtype=np.bool_)
        values = given.tolist() if isinstance(given, np.ndarray) else list(given)
        if isinstance(given, np.ndarray) and given.dtype.kind in "iu":
            return Texts(coded.codes, values, refused)
        if set(map(type, values)) <= {str}:
            empty[[code for code, text in enumerate(values) if not text or text.isspace()]] = True
            return Texts(_without(coded.codes, empty), values, refused)
        place = Place(self.name, "")
        cells: list[Cell] = []
        for code, value in enumerate(values if _is_plain(given) else given):
            cell: Cell = None
            try:
                cell = cell_of(place, column, plain_cell(value))
            except ReliabilityError:
                refused[code] = True
            else:
                empty[code] = cell is None
            cells.append(cell)
        return Texts(_without(coded.codes, empty), cells, refused)

    def values(self, column: str, rows: IntArray) -> list[object]:
        """Some cells as they came, none of them empty."""
        coded = self.coded(column)
        codes, given = coded.codes[rows], coded.categories
        if isinstance(given, np.ndarray):
            return list(given[codes])
        return [given[code] for code in codes.tolist()]

    def names(self, column: str) -> list[str]:
        """Names in a column, each once; numbers that serve as names are written out."""
        texts = self.texts(column)
        used = np.unique(texts.codes[texts.codes >= 0]).tolist()
        return [source_name(texts.cells[code]) for code in used if not texts.refused[code]]

    def place(self, row: int) -> Place:
        """How a row is called in messages: counted from 1."""
        return Place(self.name, f"row {self.number(row) + 1}")

    def number(self, row: int) -> int:
        """Number of a row, from 0, in the table as a whole."""
        return row if self._row_numbers is None else int(self._row_numbers[row])

    def given(self, row: int, column: str) -> object:
        """Cell as it came, as plain Python."""
        if is_number_column(column):
            numbers = self.numbers(column)
            if numbers.cells is None:
                return plain_cell(float(numbers.values[row]))
            coded = numbers.cells
        else:
            coded = self.coded(column)
        code = int(coded.codes[row])
        return None if code < 0 else plain_cell(coded.categories[code])

    def record(self, row: int) -> dict[str, Cell]:
        """Cells of a row by column.

        Raises
        ------
        ReliabilityError
            If a cell is neither a number nor a text.
        """
        place = self.place(row)
        return {
            column: cell_of(place, column, self.given(row, column)) for column in self.table.names
        }

    def claim(self, row: int, **resolved: float) -> Claim:
        """Claim of a row; ``resolved`` replaces cells, such as the source's reliability.

        Raises
        ------
        ReliabilityError
            Naming the row, the column, the value and the remedy.
        """
        return claim_from_record(
            self.place(row), self.record(row), dots_group=self._dots_group, resolved=resolved
        )


def _without(codes: IntArray, empty: Mask) -> IntArray:
    """Codes with those of empty categories -1."""
    if not empty.any():
        return codes
    return np.asarray(np.append(np.where(empty, -1, np.arange(len(empty))), -1)[codes])


def _is_plain(values: object) -> bool:
    """Whether an array's ``tolist`` keeps what `plain_cell` understands; dates it does not."""
    return isinstance(values, np.ndarray) and values.dtype.kind in "iufbUO"
