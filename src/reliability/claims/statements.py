"""The forms of statement: what can be said about a number, each a small frozen object.

Statements hold numbers in the quantity's own units and know nothing about scales or models.
Each is checked once, when it is made; two statements that say the same are equal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any, SupportsFloat, TypeAlias, cast

import attrs

from reliability.claims._checks import (
    as_float,
    as_optional_float,
    check_keys,
    check_mapping,
    check_number,
    check_optional_number,
    did_you_mean,
    fail,
    fail_about,
    percent_hint,
    require_number,
    short,
)
from reliability.claims.digits import coarser_unit, plain, rounding_unit
from reliability.errors import WrongTypeError

__all__ = [
    "STATEMENTS",
    "About",
    "Absent",
    "AtLeast",
    "AtMost",
    "Estimate",
    "Presence",
    "Present",
    "Quantiles",
    "Range",
    "Statement",
    "statement_from_dict",
]


def _percent(share: float) -> str:
    """Write a share in percent without float noise: 0.9 is '90%', 0.999 is '99.9%'."""
    return f"{plain(float(Decimal(repr(share)) * 100))}%"


def _call(statement: object, first: str, **given: object) -> str:
    """One-line repr that evaluates to an equal object; fields that are None are left out."""
    rest = [f"{name}={short(value)}" for name, value in given.items() if value is not None]
    return f"{type(statement).__name__}({', '.join([first, *rest])})"


def _record(form: str, **given: object) -> dict[str, Any]:
    """Fields for JSON; those that are None are left out."""
    return {"form": form} | {name: value for name, value in given.items() if value is not None}


def _check_unit(owner: object, value: float, unit: float) -> None:
    """Refuse a rounding unit that the value cannot have been rounded to."""
    require_number(owner, "unit", unit)
    if unit <= 0.0:
        fail(owner, "unit", f"must be above 0, got {short(unit)}; give the step of rounding")
    if unit > 2.0 * abs(value):
        fail_about(
            owner,
            "unit",
            f"unit={short(unit)} is more than twice value={short(value)}, which would have been "
            f"rounded to 0; give a finer unit",
        )


@attrs.frozen(repr=False)
class Estimate:
    """A best value, with a standard deviation, with an interval, or bare.

    A bare value is taken as rounded: its digits say how coarsely.

    Parameters
    ----------
    value : the best value, in the quantity's units
    sd : standard deviation, above 0
    low, high : ends of an interval around the value; they may be at different distances
    level : probability of the interval, in (0, 1); low, high and level go together
    unit : rounding unit of a bare value; the default is read from its digits

    Raises
    ------
    InvalidValueError
        If the numbers are impossible or do not go together.
    WrongTypeError
        If a field is not a number.

    Examples
    --------
    >>> print(Estimate(2500, sd=300))
    2,500 ± 300
    >>> print(Estimate(2500, low=2000, high=3000, level=0.9))
    2,500 (2,000 to 3,000, 90%)
    >>> Estimate(12_000), Estimate(12_000).unit
    (Estimate(12000), 2000.0)
    """

    value: float = attrs.field(converter=as_float, validator=check_number)
    sd: float | None = attrs.field(
        default=None, converter=as_optional_float, validator=check_optional_number, kw_only=True
    )
    low: float | None = attrs.field(
        default=None, converter=as_optional_float, validator=check_optional_number, kw_only=True
    )
    high: float | None = attrs.field(
        default=None, converter=as_optional_float, validator=check_optional_number, kw_only=True
    )
    level: float | None = attrs.field(
        default=None, converter=as_optional_float, validator=check_optional_number, kw_only=True
    )
    _unit: float | None = attrs.field(
        default=None, converter=as_optional_float, validator=check_optional_number, kw_only=True
    )

    def __attrs_post_init__(self) -> None:
        if self.sd is not None:
            self._check_sd(self.sd)
        elif self.low is not None or self.high is not None or self.level is not None:
            self._check_interval()
        elif self.value == 0.0:
            fail_about(
                self, "value", "value=0 has no digits to read an uncertainty from; state sd="
            )
        if self._unit is None:
            return
        if not self.bare:
            fail(self, "unit", "is for a bare value; leave it out beside sd or low, high, level")
        _check_unit(self, self.value, self._unit)
        if self._unit == rounding_unit(self.value):
            # The same as saying nothing; equal statements are to look equal.
            object.__setattr__(self, "_unit", None)

    def _check_sd(self, sd: float) -> None:
        if self.low is not None or self.high is not None:
            fail(self, "sd", "and low, high are two ways to say the same; give one of them")
        if self.level is not None:
            fail(self, "level", "belongs to low and high; leave it out beside sd")
        if sd <= 0.0:
            fail(self, "sd", f"must be above 0, got {short(sd)}; leave it out if it is not stated")

    def _check_interval(self) -> None:
        missing = [name for name in ("low", "high", "level") if getattr(self, name) is None]
        if missing:
            verb = "is" if len(missing) == 1 else "are"
            fail_about(
                self,
                missing[0],
                f"low, high and level go together; {' and '.join(missing)} {verb} missing",
            )
        low, high, level = cast("tuple[float, float, float]", (self.low, self.high, self.level))
        if not 0.0 < level < 1.0:
            hint = percent_hint(level) if level < 100.0 else ""
            fail(self, "level", f"must lie in (0, 1), got {short(level)}{hint}")
        if low >= high:
            fail_about(
                self,
                "low",
                f"low={short(low)} is not below high={short(high)}; give low < value < high",
            )
        if low >= self.value:
            fail_about(
                self,
                "low",
                f"low={short(low)} is not below value={short(self.value)}; "
                f"give low < value < high, or Range(low, high)",
            )
        if high <= self.value:
            fail_about(
                self,
                "high",
                f"high={short(high)} is not above value={short(self.value)}; "
                f"give low < value < high, or Range(low, high)",
            )

    @property
    def bare(self) -> bool:
        """Whether the value is given without an uncertainty."""
        return self.sd is None and self.level is None

    @property
    def unit(self) -> float | None:
        """Rounding unit of a bare value; None beside a stated uncertainty."""
        if not self.bare:
            return None
        return rounding_unit(self.value) if self._unit is None else self._unit

    def to_dict(self) -> dict[str, Any]:
        """Fields that were given, ready for JSON."""
        return _record(
            "estimate",
            value=self.value,
            sd=self.sd,
            low=self.low,
            high=self.high,
            level=self.level,
            unit=self._unit,
        )

    def __repr__(self) -> str:
        return _call(
            self,
            short(self.value),
            sd=self.sd,
            low=self.low,
            high=self.high,
            level=self.level,
            unit=self._unit,
        )

    def __str__(self) -> str:
        value = plain(self.value)
        if self.sd is not None:
            return f"{value} ± {plain(self.sd)}"
        if self.low is not None and self.high is not None and self.level is not None:
            return f"{value} ({plain(self.low)} to {plain(self.high)}, {_percent(self.level)})"
        return value


def _as_pair(value: SupportsFloat | Iterable[SupportsFloat] | None) -> tuple[float, float] | None:
    """One number or two as a pair; anything else passes unchanged, for the validator to refuse."""
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return cast("tuple[float, float]", tuple(as_float(item) for item in value))
    number = as_float(cast("SupportsFloat", value))
    return (number, number)


@attrs.frozen(repr=False)
class Range:
    """Somewhere between two numbers, with no best value.

    Parameters
    ----------
    low, high : the ends, low below high, in the quantity's units
    units : rounding units of the two ends, or one number for both; the default is read from
        their digits

    Raises
    ------
    InvalidValueError
        If low is not below high.
    WrongTypeError
        If a field is not a number.

    Examples
    --------
    >>> print(Range(25_000, 30_000))
    25,000 to 30,000
    >>> Range(25_000, 30_000).units
    (5000.0, 10000.0)
    """

    low: float = attrs.field(converter=as_float, validator=check_number)
    high: float = attrs.field(converter=as_float, validator=check_number)
    _units: tuple[float, float] | None = attrs.field(default=None, converter=_as_pair, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if self.low == self.high:
            fail_about(
                self,
                "low",
                f"low={short(self.low)} equals high; "
                f"for a single value use Estimate({short(self.low)})",
            )
        if self.low > self.high:
            fail_about(
                self,
                "low",
                f"low={short(self.low)} exceeds high={short(self.high)}; give low < high",
            )
        if self._units is None:
            return
        if len(self._units) != 2:
            fail(self, "units", f"must be one number or two, got {short(self._units)}")
        for unit in self._units:
            require_number(self, "units", unit)
            if unit < 0.0:
                fail(self, "units", f"must not be negative, got {short(unit)}")
        if not any(self._units):
            fail(self, "units", "must not both be 0; leave them out to read the digits")
        if self._units == (rounding_unit(self.low), rounding_unit(self.high)):
            # The same as saying nothing; equal statements are to look equal.
            object.__setattr__(self, "_units", None)

    @property
    def units(self) -> tuple[float, float]:
        """Rounding units of low and high; 0.0 where there is none (at 0)."""
        if self._units is None:
            return rounding_unit(self.low), rounding_unit(self.high)
        return self._units

    @property
    def unit(self) -> float:
        """The finer of the two rounding units that exist."""
        return min(unit for unit in self.units if unit > 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Fields that were given, ready for JSON."""
        units = None if self._units is None else list(self._units)
        return _record("range", low=self.low, high=self.high, units=units)

    def __repr__(self) -> str:
        units = "" if self._units is None else f", units=({', '.join(map(short, self._units))})"
        return f"Range({short(self.low)}, {short(self.high)}{units})"

    def __str__(self) -> str:
        return f"{plain(self.low)} to {plain(self.high)}"


def _as_pairs(
    value: Mapping[Any, SupportsFloat] | Iterable[tuple[SupportsFloat, SupportsFloat]],
) -> tuple[tuple[float, float], ...]:
    """Pairs sorted by probability; anything else passes unchanged, for the validator to refuse."""
    given: Any = value
    if isinstance(given, str | bytes):
        return cast("tuple[tuple[float, float], ...]", given)
    try:
        items = given.items() if isinstance(given, Mapping) else given
        pairs = tuple((as_float(p), as_float(q)) for p, q in items)
    except (TypeError, ValueError):
        return cast("tuple[tuple[float, float], ...]", given)
    if all(isinstance(p, float) and not math.isnan(p) for p, _ in pairs):
        pairs = tuple(sorted(pairs, key=lambda pair: pair[0]))
    return pairs


@attrs.frozen(repr=False)
class Quantiles:
    """Quantiles of a forecast or of an expert's judgement.

    Parameters
    ----------
    mapping : at least two quantiles by probability, {0.05: 100, 0.5: 200, 0.95: 400}, or pairs
        of probability and quantile; both strictly increasing

    Raises
    ------
    InvalidValueError
        If there are fewer than two, a probability is outside (0, 1), or an order is wrong.
    WrongTypeError
        If it is not a mapping or pairs of numbers.

    Examples
    --------
    >>> print(Quantiles({0.05: 100, 0.5: 200, 0.95: 400}))
    quantiles 5%: 100, 50%: 200, 95%: 400
    >>> Quantiles({0.5: 200, 0.05: 100}).probabilities
    (0.05, 0.5)
    """

    mapping: tuple[tuple[float, float], ...] = attrs.field(converter=_as_pairs)

    @mapping.validator
    def _check(self, _: attrs.Attribute[Any], pairs: object) -> None:
        if not isinstance(pairs, tuple) or not all(
            isinstance(pair, tuple) and len(pair) == 2 for pair in pairs
        ):
            fail(
                self,
                "mapping",
                f"must map probabilities to quantiles like {{0.05: 100, 0.95: 400}}, "
                f"got {short(pairs)}",
                WrongTypeError,
            )
        for p, q in pairs:
            require_number(self, "probability", p)
            require_number(self, "quantile", q)
            if not 0.0 < p < 1.0:
                hint = percent_hint(p) if p < 100.0 else ""
                fail_about(self, "mapping", f"probability must lie in (0, 1), got {short(p)}{hint}")
        if len(pairs) < 2:
            fail(
                self,
                "mapping",
                f"must have at least two quantiles, got {len(pairs)}; "
                f"for a single value use Estimate",
            )
        for (p0, q0), (p1, q1) in pairwise(pairs):
            if p0 == p1:
                fail_about(self, "mapping", f"probability {short(p0)} is given twice; give it once")
            if q0 >= q1:
                fail_about(
                    self,
                    "mapping",
                    f"quantiles must increase with their probabilities, got {short(q0)} at "
                    f"{short(p0)} and {short(q1)} at {short(p1)}",
                )

    @property
    def probabilities(self) -> tuple[float, ...]:
        """Probabilities, increasing."""
        return tuple(p for p, _ in self.mapping)

    @property
    def values(self) -> tuple[float, ...]:
        """Quantiles in the quantity's units, increasing."""
        return tuple(q for _, q in self.mapping)

    def to_dict(self) -> dict[str, Any]:
        """Fields that were given, ready for JSON."""
        return _record("quantiles", mapping=[list(pair) for pair in self.mapping])

    def __repr__(self) -> str:
        return f"Quantiles({{{', '.join(f'{short(p)}: {short(q)}' for p, q in self.mapping)}}})"

    def __str__(self) -> str:
        return f"quantiles {', '.join(f'{_percent(p)}: {plain(q)}' for p, q in self.mapping)}"


def _check_bound(owner: AtLeast | AtMost) -> None:
    """Refuse a bound at 0 and an excess that is not positive."""
    if owner.value == 0.0:
        fail_about(
            owner,
            "value",
            "value=0 has no digits to read an error from; "
            "say Range(low, high) with the other end, or leave the claim out",
        )
    if owner.excess is None:
        return
    require_number(owner, "excess", owner.excess, infinite=True)
    if owner.excess <= 0.0:
        fail(
            owner,
            "excess",
            f"must be above 0 (or inf for a verified bound), got {short(owner.excess)}",
        )


def _bound_text(words: str, value: float, excess: float | None) -> str:
    if excess is None:
        return f"{words} {plain(value)}"
    note = "verified" if math.isinf(excess) else f"excess {plain(excess)}"
    return f"{words} {plain(value)} ({note})"


def _bound_excess(excess: float | None) -> float | str | None:
    """JSON knows no infinity."""
    return "inf" if excess == math.inf else excess


@attrs.frozen(repr=False)
class AtLeast:
    """More than, at least, no fewer than.

    Who knew of much more would have named a bigger round number, so the truth is expected
    within the reach of the next one.

    Parameters
    ----------
    value : the bound, in the quantity's units, not 0
    excess : how far beyond the bound the truth is expected, on the working scale (a difference
        of logarithms on the log scale); the default is the distance to the next salient
        number; infinity is a verified bound, which says nothing beyond it

    Raises
    ------
    InvalidValueError
        If the bound is 0 or the excess is not above 0.
    WrongTypeError
        If a field is not a number.

    Examples
    --------
    >>> print(AtLeast(12_000))
    at least 12,000
    >>> print(AtLeast(12_000, excess=float("inf")))
    at least 12,000 (verified)
    """

    value: float = attrs.field(converter=as_float, validator=check_number)
    excess: float | None = attrs.field(default=None, converter=as_optional_float, kw_only=True)

    def __attrs_post_init__(self) -> None:
        _check_bound(self)

    def to_dict(self) -> dict[str, Any]:
        """Fields that were given, ready for JSON."""
        return _record("at_least", value=self.value, excess=_bound_excess(self.excess))

    def __repr__(self) -> str:
        return _call(self, short(self.value), excess=self.excess)

    def __str__(self) -> str:
        return _bound_text("at least", self.value, self.excess)


@attrs.frozen(repr=False)
class AtMost:
    """Fewer than, at most, up to: the mirror image of `AtLeast`.

    Parameters
    ----------
    value : the bound, in the quantity's units, not 0
    excess : how far below the bound the truth is expected, on the working scale; the default
        is the distance to the salient number before it; infinity is a verified bound

    Raises
    ------
    InvalidValueError
        If the bound is 0 or the excess is not above 0.
    WrongTypeError
        If a field is not a number.

    Examples
    --------
    >>> print(AtMost(3000))
    at most 3,000
    """

    value: float = attrs.field(converter=as_float, validator=check_number)
    excess: float | None = attrs.field(default=None, converter=as_optional_float, kw_only=True)

    def __attrs_post_init__(self) -> None:
        _check_bound(self)

    def to_dict(self) -> dict[str, Any]:
        """Fields that were given, ready for JSON."""
        return _record("at_most", value=self.value, excess=_bound_excess(self.excess))

    def __repr__(self) -> str:
        return _call(self, short(self.value), excess=self.excess)

    def __str__(self) -> str:
        return _bound_text("at most", self.value, self.excess)


def _about_unit(value: float) -> float:
    """One rounding step coarser than the digits, but never more than half the value."""
    limit = abs(value) / 2.0
    unit = rounding_unit(value)
    # Near the end of the float range the next step does not exist; it would exceed the limit.
    return limit if unit >= limit else min(coarser_unit(unit), limit)


@attrs.frozen(repr=False)
class About:
    """About, around, some: a value one rounding step coarser than its digits say.

    Parameters
    ----------
    value : the number named, in the quantity's units, not 0
    unit : rounding unit; the default is one step coarser than the digits', at most half the
        value

    Raises
    ------
    InvalidValueError
        If the value is 0, or the unit is impossible.
    WrongTypeError
        If a field is not a number.

    Examples
    --------
    >>> print(About(12_000))
    about 12,000
    >>> About(12_000).unit, About(2500).unit, About(1000).unit
    (5000.0, 1000.0, 500.0)
    """

    value: float = attrs.field(converter=as_float, validator=check_number)
    _unit: float | None = attrs.field(
        default=None, converter=as_optional_float, validator=check_optional_number, kw_only=True
    )

    def __attrs_post_init__(self) -> None:
        if self.value == 0.0:
            fail_about(
                self,
                "value",
                "value=0 has no digits to read an uncertainty from; use Estimate(0, sd=)",
            )
        if self._unit is None:
            return
        _check_unit(self, self.value, self._unit)
        if self._unit == _about_unit(self.value):
            # The same as saying nothing; equal statements are to look equal.
            object.__setattr__(self, "_unit", None)

    @property
    def unit(self) -> float:
        """Rounding unit."""
        return _about_unit(self.value) if self._unit is None else self._unit

    def to_dict(self) -> dict[str, Any]:
        """Fields that were given, ready for JSON."""
        return _record("about", value=self.value, unit=self._unit)

    def __repr__(self) -> str:
        return _call(self, short(self.value), unit=self._unit)

    def __str__(self) -> str:
        return f"about {plain(self.value)}"


@attrs.frozen(repr=False)
class Absent:
    """There is nothing: the quantity is zero.

    It is evidence about whether there is anything, not about how much:
    :func:`reliability.combine` takes it with ``zero=``, the prior probability that there is
    nothing. Sound, it is true; unsound, it is made whatever the truth, with probability 1 by a
    source with an interest in it (-1), else 1/2.

    Examples
    --------
    >>> Absent()
    Absent()
    >>> print(Absent())
    there are none
    """

    def to_dict(self) -> dict[str, Any]:
        """Fields that were given, ready for JSON."""
        return _record("absent")

    def __repr__(self) -> str:
        return "Absent()"

    def __str__(self) -> str:
        return "there are none"


@attrs.frozen(repr=False)
class Present:
    """There is something, without a word on how much: the mirror image of `Absent` (interest +1).

    Examples
    --------
    >>> print(Present())
    they are there
    """

    def to_dict(self) -> dict[str, Any]:
        """Fields that were given, ready for JSON."""
        return _record("present")

    def __repr__(self) -> str:
        return "Present()"

    def __str__(self) -> str:
        return "they are there"


#: Statements of whether there is anything.
Presence: TypeAlias = Absent | Present

Statement: TypeAlias = Estimate | Range | Quantiles | AtLeast | AtMost | About | Absent | Present

#: Statement classes by the name of their form, in JSON and in tables.
STATEMENTS: dict[str, type[Statement]] = {
    "estimate": Estimate,
    "range": Range,
    "quantiles": Quantiles,
    "at_least": AtLeast,
    "at_most": AtMost,
    "about": About,
    "absent": Absent,
    "present": Present,
}


def statement_from_dict(fields: Mapping[str, Any]) -> Statement:
    """Statement from the fields that its ``to_dict`` gave.

    Raises
    ------
    InvalidValueError
        If the form or a field is unknown or missing, or a value is impossible.
    WrongTypeError
        If it is not a mapping, or a field has the wrong type.

    Examples
    --------
    >>> statement_from_dict({"form": "at_least", "value": 12000})
    AtLeast(12000)
    """
    given = dict(check_mapping("statement", fields))
    if "form" not in given:
        fail("statement", "form", f"is missing; give one of {', '.join(STATEMENTS)}")
    form = given.pop("form")
    if not isinstance(form, str):
        fail("statement", "form", f"must be text, got {short(form)}", WrongTypeError)
    if form not in STATEMENTS:
        fail("statement", "form", f"{short(form)} is unknown{did_you_mean(form, STATEMENTS)}")
    cls = STATEMENTS[form]
    parameters = [(a.alias or a.name, a.default is attrs.NOTHING) for a in attrs.fields(cls)]
    check_keys(cls.__name__, given, [name for name, _ in parameters])
    for name, required in parameters:
        if required and name not in given:
            fail(cls.__name__, name, "is missing")
    if given.get("excess") == "inf":
        given["excess"] = math.inf
    return cls(**given)
