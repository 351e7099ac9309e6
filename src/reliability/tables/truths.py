"""What became known to be true: a number for some quantities, from a table."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from reliability.errors import InvalidValueError
from reliability.scales import Scale
from reliability.tables.frames import as_table, plain_cell
from reliability.tables.records import Place, cell_of, check_names, number_of, source_name
from reliability.tables.rows import TableRows

__all__ = ["TRUTH_COLUMNS", "Truths", "read_truths", "truths_of_quantities", "truths_of_rows"]

Array = NDArray[np.float64]

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


def truths_of_quantities(found: TableRows, known: Mapping[str, float], scale: Scale) -> Array:
    """Truth of each quantity on x; nan where it is not known.

    Parameters
    ----------
    found : the rows
    known : truths by the name of the quantity, as `read_truths` gives them
    scale : the quantities' scale

    Raises
    ------
    InvalidValueError
        If the scale does not have a truth.
    """
    names = [source_name(plain_cell(key)) for key in found.keys]
    by_quantity = np.array([known.get(name, np.nan) for name in names])
    unknown = np.isnan(by_quantity)
    possible = scale.contains(by_quantity) | unknown
    if not possible.all():
        q = int(np.flatnonzero(~possible)[0])
        raise InvalidValueError(
            f"truths, quantity {names[q]!r}: truth={by_quantity[q]:g} is impossible on the "
            f"{scale.name} scale, which needs {scale.describe()}; correct it or choose another "
            "scale"
        )
    x = scale.to_x(np.where(unknown, 0.5, by_quantity))
    return np.where(unknown, np.nan, x)


def truths_of_rows(found: TableRows, known: Mapping[str, float], scale: Scale) -> Array:
    """`truths_of_quantities` for each row."""
    return np.repeat(truths_of_quantities(found, known, scale), np.diff(found.rows.starts))
