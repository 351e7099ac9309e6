"""CSV text, record by record: delimiters are recognised by the header, errors name the line."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from typing import TextIO

from reliability.errors import InvalidValueError
from reliability.tables.records import check_columns, check_names, column_name, is_column

__all__ = ["Delimited"]

_DELIMITERS = ",;\t|"
#: Characters in which the header is looked for.
_HEADER = 1 << 16


def _records(file: TextIO, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """First line and cells of each record that is not empty."""
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    line = 1
    for cells in reader:
        if any(map(str.strip, cells)):
            yield line, cells
        line = reader.line_num + 1


def _delimiter(text: str, is_known: Callable[[str], bool]) -> str:
    """Delimiter that makes the most of the first line's words into columns."""

    def known(delimiter: str) -> int:
        try:
            _, header = next(_records(StringIO(text, newline=""), delimiter))
        except (csv.Error, StopIteration):
            return 0
        return sum(is_known(column_name(cell)) for cell in header)

    return max(_DELIMITERS, key=known)


class Delimited:
    """The records of a CSV file with claims.

    Parameters
    ----------
    file : at its beginning, opened with ``newline=""``, and able to go back to it
    name : what to call it in error messages
    columns : the columns that it may have, where it is not a table of claims; what it lacks is
        for the caller to find

    Attributes
    ----------
    names : columns
    dots_group : whether the text "12.000" may mean 12000: where commas are decimal, semicolons
        separate cells

    Raises
    ------
    InvalidValueError
        If the columns are not those of a table of claims.
    """

    def __init__(self, file: TextIO, name: str, columns: Sequence[str] | None = None) -> None:
        self._name = name
        is_known = is_column if columns is None else columns.__contains__
        self._delimiter = _delimiter(file.read(_HEADER), is_known)
        file.seek(0)
        self._records = _records(file, self._delimiter)
        self._line = 0
        try:
            line, header = next(self._records, (1, []))
        except csv.Error as error:
            raise self._unclean(error) from None
        self._line = line
        self.names = [column_name(cell) for cell in header]
        while self.names and not self.names[-1]:
            self.names.pop()  # a spreadsheet's empty columns
        if columns is None:
            check_columns(f"{name}, line {line}", self.names)
        else:
            check_names(f"{name}, line {line}", self.names, columns)

    @property
    def dots_group(self) -> bool:
        """Whether the text "12.000" may mean 12000."""
        return self._delimiter == ";"

    def _unclean(self, error: csv.Error) -> InvalidValueError:
        return InvalidValueError(
            f"{self._name}, after line {self._line}: the file is not clean CSV: {error}; "
            "check the quotes from there on"
        )

    def __iter__(self) -> Iterator[tuple[int, list[str | None]]]:
        """Line and cells of each record; cells that are blank or missing are None."""
        count = len(self.names)
        try:
            for line, cells in self._records:
                self._line = line
                row = [cell.strip() or None for cell in cells[:count]]
                if len(cells) != count:
                    if any(cell.strip() for cell in cells[count:]):
                        raise InvalidValueError(
                            f"{self._name}, line {self._line}: has {len(cells)} cells and the "
                            f"header {count}; put a text that contains {self._delimiter!r} into "
                            '"quotes"'
                        )
                    row += [None] * (count - len(row))
                yield line, row
        except csv.Error as error:
            raise self._unclean(error) from None
