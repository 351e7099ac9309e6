"""Rows that cannot be computed with, and why: collected, for the caller to raise or to list."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims._checks import about
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
    exception : the error, without the claim's name; it knows the path of the field it is about
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

    def unless(
        self,
        good: NDArray[np.bool_],
        explain: Callable[[int], ReliabilityError],
        field: str,
        rows: IntArray | None = None,
    ) -> None:
        """Note a problem at the rows that are not good and have none yet.

        A statement whose numbers do not go together on any scale is refused in the words that
        refuse it as an object.

        Parameters
        ----------
        good : flags of all rows, or of ``rows``
        explain : what is wrong with a row
        field : the field to look at
        rows : the rows that the flags belong to
        """
        if good.all():
            return
        chosen = np.flatnonzero(~good) if rows is None else rows[~good]
        for row in chosen.tolist():
            if row not in self.found:
                self.found[row] = self._refusal(row) or about(explain(row), field)

    def note(self, row: int, error: ReliabilityError, field: str) -> None:
        """Note a problem, of a field, of a row that has none yet."""
        if row not in self.found:
            self.found[row] = self._refusal(row) or about(error, field)

    def _refusal(self, row: int) -> ReliabilityError | None:
        """What the object's own checks say."""
        try:
            statement_at(self.statements, row)
        except ReliabilityError as refusal:
            return refusal
        return None
