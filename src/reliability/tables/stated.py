"""Statement objects as arrays, one row each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reliability.claims.rows import Stated, Statements
from reliability.claims.statements import (
    About,
    AtLeast,
    AtMost,
    Estimate,
    Quantiles,
    Range,
    Statement,
)

__all__ = ["NUMBER_FIELDS", "padded", "statements_from_objects"]

Array = NDArray[np.float64]

#: The fields of `Statements` that are one number per row.
NUMBER_FIELDS = ("value", "sd", "low", "high", "level", "unit", "excess")


def _fields(  # noqa: PLR0911  # one per form
    statement: Statement,
) -> tuple[Stated, dict[str, float | None]]:
    """Kind of a statement, and what it gives."""
    match statement:
        case Estimate(value=value, sd=sd) if sd is not None:
            return Stated.SD, {"value": value, "sd": sd}
        case Estimate(value=value, low=low, high=high, level=level) if level is not None:
            return Stated.INTERVAL, {"value": value, "low": low, "high": high, "level": level}
        case Estimate(value=value) | About(value=value):
            return Stated.ROUNDED, {"value": value, "unit": statement.unit}
        case Range(low=low, high=high):
            return Stated.RANGE, {"low": low, "high": high, "unit": statement.unit}
        case AtLeast(value=value, excess=excess):
            return Stated.AT_LEAST, {"value": value, "excess": excess}
        case AtMost(value=value, excess=excess):
            return Stated.AT_MOST, {"value": value, "excess": excess}
        case Quantiles():
            return Stated.QUANTILES, {}


def padded(pieces: Sequence[Array]) -> Array:
    """Tables one below the other, rows padded with nan to the longest."""
    width = max((piece.shape[1] for piece in pieces), default=0)
    rows = sum(len(piece) for piece in pieces)
    table = np.full((rows, width), np.nan)
    row = 0
    for piece in pieces:
        table[row : row + len(piece), : piece.shape[1]] = piece
        row += len(piece)
    return table


def statements_from_objects(statements: Sequence[Statement]) -> Statements:
    """Statements as arrays.

    Examples
    --------
    >>> rows = statements_from_objects([Estimate(2500, sd=300), AtLeast(12000)])
    >>> rows.stated.tolist(), rows.value.tolist()
    ([0, 4], [2500.0, 12000.0])
    """
    count = len(statements)
    stated = np.zeros(count, dtype=np.int64)
    numbers = {name: np.full(count, np.nan) for name in NUMBER_FIELDS}
    quantile_row = np.full(count, -1, dtype=np.int64)
    found: list[Quantiles] = []
    for row, statement in enumerate(statements):
        kind, given = _fields(statement)
        stated[row] = kind
        for name, number in given.items():
            numbers[name][row] = np.nan if number is None else number
        if isinstance(statement, Quantiles):
            quantile_row[row] = len(found)
            found.append(statement)
    tables: dict[str, Any] = {
        "probabilities": padded([np.array([one.probabilities]) for one in found]),
        "quantiles": padded([np.array([one.values]) for one in found]),
    }
    return Statements(stated=stated, **numbers, quantile_row=quantile_row, **tables)
