"""Claims as rows: struct of arrays of what was stated and by whom, in the quantity's units.

Objects and tables both become rows; :mod:`reliability.claims.columns` turns rows into columns on
the working coordinate x.
"""

from __future__ import annotations

from enum import IntEnum

import attrs
import numpy as np
from numpy.typing import NDArray

__all__ = ["Rows", "Stated", "Statements"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Stated(IntEnum):
    """What a statement gives."""

    SD = 0
    INTERVAL = 1
    ROUNDED = 2
    RANGE = 3
    AT_LEAST = 4
    AT_MOST = 5
    QUANTILES = 6


@attrs.frozen(eq=False)
class Statements:
    """Statements, one row each, in the quantity's units; nan where a form has no such number.

    ``stated`` is a :class:`Stated`; ``unit`` the rounding unit of a bare value, "about" or a
    range; ``excess`` on x, nan where it is read from the digits; ``quantile_row`` a row of
    ``probabilities`` and ``quantiles``, (rows, m) padded with nan at the end, or -1.
    """

    stated: IntArray
    value: Array
    sd: Array
    low: Array
    high: Array
    level: Array
    unit: Array
    excess: Array
    quantile_row: IntArray
    probabilities: Array
    quantiles: Array


@attrs.frozen(eq=False)
class Rows:
    """Claims, one row each; rows of one quantity stand together: ``starts[q]:starts[q + 1]``.

    ``reliability`` is the source's, nan where it is unknown, ``credibility`` the claim's own, nan
    where none is given; ``source`` and ``origin`` number sources and origins (equal numbers in
    one quantity: the same source, the same origin). ``bias`` and ``bias_sd`` are on x.
    """

    statements: Statements
    source: IntArray
    origin: IntArray
    reliability: Array
    credibility: Array
    bias: Array
    bias_sd: Array
    overconfidence: Array
    interest: Array
    starts: IntArray
