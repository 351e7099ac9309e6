"""The numbers of statements as columns, and ragged tables of quantiles as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["NUMBER_FIELDS", "padded"]

Array = NDArray[np.float64]

#: The fields of `Statements` that are one number per row.
NUMBER_FIELDS = ("value", "sd", "low", "high", "level", "unit", "excess")


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
