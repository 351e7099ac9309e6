"""Claims as rows: struct of arrays of what was stated and by whom, in the quantity's units.

Objects and tables both become rows; :mod:`reliability.claims.columns` turns rows into columns on
the working coordinate x. Each class of statement has one entry in ``_STATED``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.claim import Claim
from reliability.claims.statements import (
    About,
    Absent,
    AtLeast,
    AtMost,
    Estimate,
    Presence,
    Present,
    Quantiles,
    Range,
    Statement,
)
from reliability.errors import WrongTypeError
from reliability.grades import ADMIRALTY, CONFIRMED

__all__ = [
    "Rows",
    "Stated",
    "Statements",
    "constant",
    "different",
    "origin_of",
    "rows_from_claims",
    "statement_at",
    "statements_from_objects",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
NAN = float("nan")


class Stated(IntEnum):
    """What a statement gives."""

    SD = 0
    INTERVAL = 1
    ROUNDED = 2
    RANGE = 3
    AT_LEAST = 4
    AT_MOST = 5
    QUANTILES = 6
    ABSENT = 7
    PRESENT = 8


def constant(value: float, count: int) -> NDArray[Any]:
    """A column that is one number throughout and takes no memory; it cannot be written to.

    >>> constant(1, 3), constant(0.5, 2)
    (array([1, 1, 1]), array([0.5, 0.5]))
    """
    one = np.asarray(value)
    return np.ndarray((count,), one.dtype, one.tobytes(), strides=(0,))


def different(column: NDArray[Any]) -> NDArray[Any]:
    """A column, or its one number if it is a constant."""
    return column[:1] if column.strides == (0,) else column


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

    def take(self, rows: NDArray[Any] | slice) -> Statements:
        """Some rows, by index, flag or slice; the table of quantiles stays whole."""
        return Statements(
            self.stated[rows],
            self.value[rows],
            self.sd[rows],
            self.low[rows],
            self.high[rows],
            self.level[rows],
            self.unit[rows],
            self.excess[rows],
            self.quantile_row[rows],
            self.probabilities,
            self.quantiles,
        )


@attrs.frozen(eq=False)
class Rows:
    """Claims, one row each; rows of one quantity stand together: ``starts[q]:starts[q + 1]``.

    ``reliability`` is the source's, nan where it is unknown, ``credibility`` the claim's own, nan
    where none is given, ``confirmed`` whether that is the digit 1, "confirmed by other sources",
    which counts for less where these are combined too; ``source`` and ``origin`` number sources and
    origins (equal numbers in one quantity: the same source, the same origin). Sources are numbered
    in the order of their names, so that a choice between two does not depend on the order of rows.
    ``bias`` and ``bias_sd`` are on x. ``day`` is given where the quantity moves: the same words on
    two days then say two things.
    """

    statements: Statements
    source: IntArray
    origin: IntArray
    reliability: Array
    credibility: Array
    confirmed: NDArray[np.bool_]
    bias: Array
    bias_sd: Array
    overconfidence: Array
    interest: Array
    starts: IntArray
    day: IntArray | None = None

    @property
    def count(self) -> int:
        """Number of claims."""
        return len(self.source)

    def take_rows(self, rows: IntArray) -> Rows:
        """Some rows, by increasing index; a quantity that loses all of them stays, empty."""
        return Rows(
            self.statements.take(rows),
            self.source[rows],
            self.origin[rows],
            self.reliability[rows],
            self.credibility[rows],
            self.confirmed[rows],
            self.bias[rows],
            self.bias_sd[rows],
            self.overconfidence[rows],
            self.interest[rows],
            starts=np.searchsorted(rows, self.starts),
            day=None if self.day is None else self.day[rows],
        )


# ------------------------------------------------------------------ objects to rows

# value, sd, low, high, level, unit, excess
_Numbers = tuple[float, float, float, float, float, float, float]


def _estimate(statement: Estimate) -> tuple[Stated, _Numbers]:
    value = statement.value
    if statement.sd is not None:
        return Stated.SD, (value, statement.sd, NAN, NAN, NAN, NAN, NAN)
    if statement.low is not None and statement.high is not None and statement.level is not None:
        numbers = (value, NAN, statement.low, statement.high, statement.level, NAN, NAN)
        return Stated.INTERVAL, numbers
    assert statement.unit is not None  # noqa: S101 - guaranteed by Estimate's validators
    return Stated.ROUNDED, (value, NAN, NAN, NAN, NAN, statement.unit, NAN)


def _about(statement: About) -> tuple[Stated, _Numbers]:
    return Stated.ROUNDED, (statement.value, NAN, NAN, NAN, NAN, statement.unit, NAN)


def _range(statement: Range) -> tuple[Stated, _Numbers]:
    return Stated.RANGE, (NAN, NAN, statement.low, statement.high, NAN, statement.unit, NAN)


def _bound(statement: AtLeast | AtMost) -> tuple[Stated, _Numbers]:
    stated = Stated.AT_LEAST if isinstance(statement, AtLeast) else Stated.AT_MOST
    excess = NAN if statement.excess is None else statement.excess
    return stated, (statement.value, NAN, NAN, NAN, NAN, NAN, excess)


def _quantiles(statement: Quantiles) -> tuple[Stated, _Numbers]:  # noqa: ARG001 - in a table
    return Stated.QUANTILES, (NAN, NAN, NAN, NAN, NAN, NAN, NAN)


def _presence(statement: Presence) -> tuple[Stated, _Numbers]:
    stated = Stated.ABSENT if isinstance(statement, Absent) else Stated.PRESENT
    return stated, (NAN, NAN, NAN, NAN, NAN, NAN, NAN)


_STATED: Mapping[type, Callable[[Any], tuple[Stated, _Numbers]]] = {
    Estimate: _estimate,
    About: _about,
    Range: _range,
    AtLeast: _bound,
    AtMost: _bound,
    Quantiles: _quantiles,
    Absent: _presence,
    Present: _presence,
}


def statements_from_objects(statements: Sequence[Statement]) -> Statements:
    """Rows of statements.

    Raises
    ------
    WrongTypeError
        If a form of statement is not known here.

    Examples
    --------
    >>> found = statements_from_objects([Estimate(2500, sd=300), AtLeast(12_000)])
    >>> found.stated.tolist(), found.value.tolist()
    ([0, 4], [2500.0, 12000.0])
    """
    stated: list[Stated] = []
    numbers: list[_Numbers] = []
    pairs: list[tuple[tuple[float, float], ...]] = []
    quantile_row = np.full(len(statements), -1, dtype=np.int64)
    for row, statement in enumerate(statements):
        convert = _STATED.get(type(statement))
        if convert is None:
            raise WrongTypeError(
                f"{type(statement).__name__} is not a form of statement known here"
            )
        kind, given = convert(statement)
        stated.append(kind)
        numbers.append(given)
        if isinstance(statement, Quantiles):
            quantile_row[row] = len(pairs)
            pairs.append(statement.mapping)
    table = np.full((2, len(pairs), max(map(len, pairs), default=0)), np.nan)
    for row, given_pairs in enumerate(pairs):
        table[:, row, : len(given_pairs)] = np.array(given_pairs).T
    value, sd, low, high, level, unit, excess = _fields(numbers, 7)
    return Statements(
        np.array(stated, dtype=np.int64),
        value,
        sd,
        low,
        high,
        level,
        unit,
        excess,
        quantile_row,
        probabilities=table[0],
        quantiles=table[1],
    )


def _fields(records: Sequence[tuple[float, ...]], count: int) -> Iterator[Array]:
    """Records of ``count`` numbers as contiguous columns."""
    return iter(np.array(records, dtype=np.float64).reshape(-1, count).T.copy())


def statement_at(statements: Statements, row: int) -> Statement:  # noqa: PLR0911 - one a form
    """One row as an object.

    Raises
    ------
    ReliabilityError
        If the row says something impossible.

    Examples
    --------
    >>> print(statement_at(statements_from_objects([Range(25_000, 30_000)]), 0))
    25,000 to 30,000
    """
    kind = statements.stated[row]
    names = ("value", "sd", "low", "high", "level", "unit", "excess")
    value, sd, low, high, level, unit, excess = (
        float(getattr(statements, name)[row]) for name in names
    )
    if kind == Stated.SD:
        return Estimate(value, sd=sd)
    if kind == Stated.INTERVAL:
        return Estimate(value, low=low, high=high, level=level)
    if kind == Stated.ROUNDED:
        # A unit that underflowed is none.
        return Estimate(value, unit=unit or None)
    if kind == Stated.RANGE:
        return Range(low, high, units=unit)
    if kind == Stated.QUANTILES:
        table = statements.quantile_row[row]
        p, q = statements.probabilities[table].tolist(), statements.quantiles[table].tolist()
        return Quantiles([pair for pair in zip(p, q, strict=True) if not np.isnan(pair).all()])
    if kind in (Stated.ABSENT, Stated.PRESENT):
        return Absent() if kind == Stated.ABSENT else Present()
    bound = AtLeast if kind == Stated.AT_LEAST else AtMost
    return bound(value, excess=None if np.isnan(excess) else excess)


def origin_of(claim: Claim) -> str:
    """The report, sensor or document behind a claim: its source's name where none is given."""
    return claim.origin if claim.origin is not None else claim.source.name


def _credibility(claim: Claim) -> float:
    """A claim's own probability of being sound, nan where none is given."""
    given = claim.credibility
    number = ADMIRALTY.credibility(given) if isinstance(given, str) else given
    return NAN if number is None else number


def rows_from_claims(claims: Sequence[Claim], starts: Sequence[int] | None = None) -> Rows:
    """Rows of claims.

    Parameters
    ----------
    claims : the claims; those about one quantity stand together
    starts : where each quantity starts, and the number of claims at the end; without it all
        claims are about one quantity

    Raises
    ------
    WrongTypeError
        If a form of statement is not known here.

    Examples
    --------
    >>> rows = rows_from_claims([Claim("b", 5), Claim("a", 6), Claim("c", 7, origin="b")])
    >>> rows.source.tolist(), rows.origin.tolist()
    ([1, 0, 2], [0, 1, 0])
    """
    sources = [claim.source for claim in claims]
    names = [source.name for source in sources]
    number = {name: k for k, name in enumerate(sorted(set(names)))}
    origins: dict[str, int] = {}
    records = [
        (
            number[source.name],
            origins.setdefault(origin_of(claim), len(origins)),
            NAN if source.reliability is None else source.reliability,
            _credibility(claim),
            source.bias,
            source.bias_sd,
            source.overconfidence,
            source.interest,
        )
        for claim, source in zip(claims, sources, strict=True)
    ]
    codes, origin, reliability, credibility, bias, bias_sd, overconfidence, interest = _fields(
        records, 8
    )
    return Rows(
        statements_from_objects([claim.statement for claim in claims]),
        codes.astype(np.int64),
        origin.astype(np.int64),
        reliability,
        credibility,
        np.array([claim.credibility == CONFIRMED for claim in claims], dtype=bool),
        bias,
        bias_sd,
        overconfidence,
        interest,
        starts=np.array([0, len(claims)] if starts is None else starts, dtype=np.int64),
    )
