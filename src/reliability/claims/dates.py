"""When claims were made: their days, for which day the quantity is asked, what is superseded."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims._checks import short
from reliability.claims.claim import Claim, as_date
from reliability.claims.rows import origin_of
from reliability.errors import InvalidValueError, WrongTypeError

__all__ = [
    "Dating",
    "checked_date",
    "checked_dates",
    "checked_dating",
    "checked_drift",
    "day_number",
    "superseding",
]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@attrs.frozen
class Dating:
    """How the claims' dates count.

    Parameters
    ----------
    as_of : the day for which the quantity is asked; None: the latest of the claims'
    drift : sd of the change in x per square root of a day
    supersede : whether a source's newer claim replaces its older ones
    """

    as_of: dt.date | None = None
    drift: float = 0.0
    supersede: bool = True

    def of(self, claims: Sequence[Claim]) -> Dating:
        """The same with the day that undated claims are of, if the claims tell.

        Raises
        ------
        InvalidValueError
            If the quantity moves and no claim says when it was made.
        """
        dates = [claim.date for claim in claims if claim.date is not None]
        if self.drift > 0.0 and not dates:
            raise InvalidValueError(
                f"drift={short(self.drift)} says how the quantity moves between the dates of the "
                "claims, but no claim has one; give Claim(..., date=...), or leave drift out"
            )
        if self.as_of is not None or not dates:
            return self
        return attrs.evolve(self, as_of=max(dates))

    def days(self, claims: Sequence[Claim]) -> IntArray:
        """Day number of each claim; undated ones are of the day that is asked for."""
        return np.array([day_number(claim.date or self.as_of) for claim in claims], dtype=np.int64)

    def superseded(self, claims: Sequence[Claim]) -> BoolArray:
        """Which claims their source has replaced: a newer one is about the same origin."""
        out = np.zeros(len(claims), dtype=np.bool_)
        if not self.supersede:
            return out
        days, newest = self.days(claims).tolist(), dict[tuple[str, str], int]()
        keys = [(claim.source.name, origin_of(claim)) for claim in claims]
        for key, day in zip(keys, days, strict=True):
            newest[key] = max(newest.get(key, day), day)
        for row, (key, day) in enumerate(zip(keys, days, strict=True)):
            out[row] = day < newest[key]
        return out


def day_number(date: dt.date | None) -> int:
    """Days since the year 1; 0 where nothing is dated."""
    return 0 if date is None else date.toordinal()


def superseding(claim: Claim, claims: Sequence[Claim]) -> str:
    """The date, in words, of the claim that replaced one."""
    same = [
        other.date
        for other in claims
        if other.source.name == claim.source.name and origin_of(other) == origin_of(claim)
    ]
    newest = max((date for date in same if date is not None), default=None)
    if newest is None or newest == claim.date:
        return "an undated one of the same source"
    return f"its source's of {newest.isoformat()}"


def checked_date(name: str, value: object) -> dt.date:
    """A day from a date, a datetime or an ISO text, or an error that names the argument."""
    date: object = as_date(value)  # type: ignore[arg-type]
    if isinstance(date, str):
        raise InvalidValueError(f"{name} must be a day such as 2024-10-24 (got {short(date)})")
    if not isinstance(date, dt.date) or date != date:  # noqa: PLR0124  # pandas' NaT
        raise WrongTypeError(f"{name} must be a datetime.date or an ISO text (got {short(value)})")
    return date


def checked_dates(dates: object) -> list[dt.date]:
    """Days for which the quantity is asked: some, in increasing order, none twice."""
    if isinstance(dates, (str, bytes, dt.date, Mapping)) or not isinstance(dates, Iterable):
        raise WrongTypeError(
            "dates must be a list of days such as ['2024-10-01', '2024-11-01'] "
            f"(got {short(dates)})"
        )
    found = [checked_date(f"dates[{k}]", date) for k, date in enumerate(dates)]
    if not found:
        raise InvalidValueError("dates is empty; give at least one day")
    for k, (earlier, later) in enumerate(pairwise(found)):
        if later <= earlier:
            raise InvalidValueError(
                f"dates must increase: dates[{k + 1}] is {later.isoformat()}, after "
                f"{earlier.isoformat()}; sort them, and give each once"
            )
    return found


def checked_drift(value: object) -> float:
    """Sd of the change per square root of a day: a finite number, not negative."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise WrongTypeError(
            f"drift must be a number, the sd of the change on the scale per square root of a day "
            f"(got {short(value)})"
        )
    if not value >= 0.0:
        raise InvalidValueError(f"drift must be 0 or more (got {short(value)})")
    if not math.isfinite(value):
        raise InvalidValueError(
            "drift must be finite (got inf): with any more claims of other dates say nothing; "
            "combine the claims of the one date instead"
        )
    return float(value)


def checked_dating(as_of: object, drift: object, supersede: object) -> Dating:
    """What ``combine`` is told about time, checked."""
    if not isinstance(supersede, (bool, np.bool_)):
        raise WrongTypeError(f"supersede must be True or False (got {short(supersede)})")
    return Dating(
        None if as_of is None else checked_date("as_of", as_of),
        checked_drift(drift),
        bool(supersede),
    )
