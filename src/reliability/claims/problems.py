"""Rows that cannot be computed with, and why: collected, for the caller to raise or to list."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.rows import Statements, statement_at
from reliability.errors import ReliabilityError

__all__ = ["Finder", "Problem"]

IntArray = NDArray[np.int64]


@attrs.frozen
class Problem:
    """What is wrong with one row; the caller knows how its claim is called.

    Parameters
    ----------
    row : the row
    exception : the error, without the claim's name
    """

    row: int
    exception: ReliabilityError


@attrs.define(eq=False)
class Finder:
    """The first problem of each of some rows.

    Parameters
    ----------
    statements : what the rows say
    found : the problems so far, by row
    """

    statements: Statements
    found: dict[int, ReliabilityError] = attrs.field(factory=dict)

    def where(
        self,
        bad: NDArray[np.bool_],
        explain: Callable[[int], ReliabilityError],
        rows: IntArray | None = None,
    ) -> None:
        """Note a problem at the rows that are bad.

        Parameters
        ----------
        bad : flags of all rows, or of ``rows``
        explain : what is wrong with a row
        rows : the rows that the flags belong to
        """
        if not bad.any():
            return
        chosen = np.flatnonzero(bad) if rows is None else rows[bad]
        for row in chosen.tolist():
            if row not in self.found:
                self.note(row, explain(row))

    def note(self, row: int, error: ReliabilityError) -> None:
        """Note a problem of a row that has none yet.

        A statement whose numbers do not go together on any scale is refused in the words that
        refuse it as an object.
        """
        if row in self.found:
            return
        try:
            statement_at(self.statements, row)
        except ReliabilityError as refusal:
            error = refusal
        self.found[row] = error
