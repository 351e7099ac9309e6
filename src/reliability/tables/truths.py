"""What became known to be true: a number for some quantities, from a table."""

from __future__ import annotations

import math

from reliability.errors import InvalidValueError
from reliability.tables.frames import as_table, plain_cell
from reliability.tables.records import Place, cell_of, check_names, number_of, source_name

__all__ = ["TRUTH_COLUMNS", "Truths", "read_truths"]

#: Columns that a table of truths has.
TRUTH_COLUMNS = ("quantity", "truth")


class Truths(dict[str, float]):
    """Truths by the name of the quantity; read and checked."""


def read_truths(table: object, *, name: str = "truths") -> Truths:
    """Truths by the name of the quantity.

    Parameters
    ----------
    table : a table with the columns ``quantity`` and ``truth``; a quantity whose truth is an
        empty cell has none; or what this function gave
    name : what to call it in error messages

    Raises
    ------
    ReliabilityError
        Naming the row and the column.

    Examples
    --------
    >>> read_truths({"quantity": ["a", 5, "c"], "truth": [1.0, 2.0, None]})
    {'a': 1.0, '5': 2.0}
    """
    if isinstance(table, Truths):
        return table
    given = as_table(table, what=name)
    check_names(name, given.names, TRUTH_COLUMNS)
    for column, remedy in zip(
        TRUTH_COLUMNS, ("name what each truth is about", "give what turned out true"), strict=True
    ):
        if column not in given.names:
            raise InvalidValueError(f"{name}: the column {column!r} is missing; {remedy}")
    keys, numbers = given.coded("quantity"), given.coded("truth")
    found = Truths()
    known: set[str] = set()
    for row in range(given.rows):
        place = Place(name, f"row {row + 1}")
        code, number = int(keys.codes[row]), int(numbers.codes[row])
        key = None if code < 0 else cell_of(place, "quantity", plain_cell(keys.categories[code]))
        if key is None:
            raise place.error("quantity", "is empty; name what the truth is about")
        who = source_name(key)
        if who in known:
            raise place.error("quantity", f"{who!r} is given twice; give each quantity once")
        known.add(who)
        cell = (
            None if number < 0 else cell_of(place, "truth", plain_cell(numbers.categories[number]))
        )
        truth = number_of(place, "truth", cell, dots_group=False)
        if truth is not None and math.isfinite(truth):
            found[who] = truth
    return found
