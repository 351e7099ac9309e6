"""What the digits of a number say: its rounding unit, and the salient numbers around it.

A number that is given without an uncertainty was rounded, and its digits say how coarsely:
12,000 is a multiple of 2,000. All arithmetic is decimal and exact, on the shortest text that
reads back as the same float, so that 0.3 has the unit 0.1 and not 5e-17.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import numpy as np

from reliability.claims._checks import as_float, short
from reliability.errors import InvalidValueError, WrongTypeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "coarser_unit",
    "complement",
    "finer_unit",
    "next_salient",
    "plain",
    "previous_salient",
    "rounding_unit",
    "rounding_units",
]

# The leading digits of rounding units and of salient numbers, times ten so that they are whole.
_UNITS = (10, 20, 50)
_SALIENT = (10, 15, 20, 30, 50, 75)

_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?")
_LONGEST_TEXT = 1000  # characters; a float needs at most 767 significant digits

# Outside these limits a number is written with an exponent.
_PLAIN_FROM, _PLAIN_TO = 1e-6, 1e16


def _decimal(value: float | Decimal | str, what: str) -> Decimal:
    """Exact decimal of a number as it is written, checked to be finite."""
    number: Decimal | None = None
    if isinstance(value, str):
        text = value.strip()
        if _GROUPED.fullmatch(text):
            text = text.replace(",", "")
        if len(text) <= _LONGEST_TEXT:
            try:
                number = Decimal(text)
            except InvalidOperation:
                number = None
        if number is None:
            raise InvalidValueError(
                f"{what} must be the text of one number such as '12,000' or '0.05', "
                f"got {short(value)}"
            )
    elif isinstance(value, Decimal) or (isinstance(value, int) and not isinstance(value, bool)):
        number = Decimal(value)
    else:
        converted = as_float(value)
        if not isinstance(converted, float):
            raise WrongTypeError(f"{what} must be a number or its text, got {short(value)}")
        number = Decimal(repr(converted))
    if not number.is_finite():
        raise InvalidValueError(f"{what} must be a finite number, got {number}")
    return number


def _parts(number: Decimal) -> tuple[int, int]:
    """Whole number without trailing zeros and exponent, for a number that is not zero."""
    _, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    stripped = text.rstrip("0")
    return int(stripped), int(exponent) + len(text) - len(stripped)


def _float(leading: int, exponent: int) -> float:
    """Float nearest to leading * 10^exponent, rounded once; infinite or 0.0 out of range."""
    return float(f"{leading}e{exponent}")


def rounding_unit(value: float | Decimal | str) -> float:
    """Coarsest of 1, 2, 5 times a power of ten that divides the number as it is written.

    Parameters
    ----------
    value : a number, or its text; grouping commas are accepted, zeros at the end of the
        decimals say nothing (files write 2500.0 for 2500)

    Returns
    -------
    float
        The unit; 0.0 for 0, which has no digits to read it from. Never less than the smallest
        positive float.

    Raises
    ------
    InvalidValueError
        If the number is not finite, or the text is not a number.
    WrongTypeError
        If the value is neither a number nor text.

    Examples
    --------
    >>> rounding_unit(2500), rounding_unit(12_000), rounding_unit(30_000)
    (500.0, 2000.0, 10000.0)
    >>> rounding_unit(12.5), rounding_unit("1,250.0"), rounding_unit(0)
    (0.5, 50.0, 0.0)
    """
    number = _decimal(value, "value")
    if not number:
        return 0.0
    whole, exponent = _parts(number)
    # The last digit is not zero, so no unit of a higher decade divides the number.
    leading = next(lead for lead in (5, 2, 1) if whole % lead == 0)
    unit = _float(leading, exponent)
    if math.isinf(unit):
        raise InvalidValueError("value must fit the range of a float (about 1.8e308)")
    return max(unit, math.ulp(0.0))


#: Powers of ten that are floats exactly, and the size below which decimals are told apart:
#: numbers of up to 15 digits all differ as floats.
_TENS = np.array([float(f"1e{k}") for k in range(23)])
_TOLD_APART = 1e15


def rounding_units(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """`rounding_unit` of many numbers.

    A decimal m/10^k of at most 15 digits is told from a float by one division, which is rounded
    correctly; only numbers with more digits are written out one by one.

    Parameters
    ----------
    values : finite

    Examples
    --------
    >>> rounding_units(np.array([2500.0, 12.5, 0.0])).tolist()
    [500.0, 0.5, 0.0]
    """
    units = np.zeros(len(values))
    left = np.flatnonzero(values)
    size = np.abs(values[left])
    for k, ten in enumerate(_TENS):
        with np.errstate(over="ignore"):  # the largest are written out
            whole = np.rint(size * ten)
        found = (whole < _TOLD_APART) & (whole / ten == size)
        units[left[found]] = _units_of(whole[found].astype(np.int64), k)
        # Larger wholes have too many digits at this power and at all that follow.
        open_ = ~found & (whole < _TOLD_APART)
        written = left[~found & ~open_]
        units[written] = [_unit_of_text(repr(value)) for value in np.abs(values[written]).tolist()]
        left, size = left[open_], size[open_]
        if len(left) == 0:
            break
    units[left] = [_unit_of_text(repr(value)) for value in np.abs(values[left]).tolist()]
    return units


def _unit_of_text(text: str) -> float:
    """Unit of a positive float as Python writes it: its last digit that is not zero says it."""
    mantissa, _, power = text.partition("e")
    whole, _, decimals = mantissa.partition(".")
    exponent = int(power or 0)
    decimals = decimals.rstrip("0")
    digits = decimals or whole.rstrip("0")
    exponent += -len(decimals) if decimals else len(whole) - len(digits)
    last = digits[-1]
    return max(_float(5 if last == "5" else 2 if last in "2468" else 1, exponent), math.ulp(0.0))


def _units_of(whole: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """Units of whole/10^k; beyond whole numbers, the last digit is not zero."""
    power = np.zeros(len(whole), dtype=np.int64)
    if k == 0:
        even = np.flatnonzero(whole % 10 == 0)
        while len(even):
            whole[even] //= 10
            power[even] += 1
            even = even[whole[even] % 10 == 0]
    leading = np.where(whole % 5 == 0, 5.0, np.where(whole % 2 == 0, 2.0, 1.0))
    return np.asarray(leading * _TENS[power] if k == 0 else leading / _TENS[k])


def _step(number: Decimal, ladder: tuple[int, ...], *, up: bool) -> float:
    """Nearest rung of the ladder times a power of ten strictly above (or below) |number|.

    Rungs are compared exactly, and again as floats: among the smallest floats two rungs can
    round to the same one.
    """
    size = abs(number)
    whole, exponent = _parts(size)
    decade = exponent + len(str(whole)) - 1  # 10^decade <= size < 10^(decade + 1)
    as_given = float(size)
    rungs = [(rung, k - 1) for k in range(decade - 1, decade + 3) for rung in ladder]
    for rung, k in rungs if up else reversed(rungs):
        exact = Decimal((0, tuple(map(int, str(rung))), k))
        candidate = _float(rung, k)
        if up and exact > size and candidate > as_given:
            return candidate
        if not up and exact < size and candidate < as_given:
            return candidate
    return math.inf if up else 0.0  # pragma: no cover  # there are two decades on either side


def _require_unit(unit: float) -> Decimal:
    number = _decimal(unit, "unit")
    if number <= 0:
        raise InvalidValueError(f"unit must be above 0, got {short(unit)}")
    return number


def coarser_unit(unit: float) -> float:
    """Next coarser rounding unit in the sequence ..., 0.5, 1, 2, 5, 10, 20, ...

    Raises
    ------
    InvalidValueError
        If the unit is not positive, or the next one exceeds the float range.

    Examples
    --------
    >>> coarser_unit(500), coarser_unit(1000), coarser_unit(0.2)
    (1000.0, 2000.0, 0.5)
    """
    coarser = _step(_require_unit(unit), _UNITS, up=True)
    if math.isinf(coarser):
        raise InvalidValueError(f"no rounding unit within the float range is above {short(unit)}")
    return coarser


def finer_unit(unit: float) -> float:
    """Next finer rounding unit in the sequence ..., 0.5, 1, 2, 5, 10, 20, ...

    Raises
    ------
    InvalidValueError
        If the unit is not positive, or the next one is below the smallest float.

    Examples
    --------
    >>> finer_unit(1000), finer_unit(500), finer_unit(0.1)
    (500.0, 200.0, 0.05)
    """
    finer = _step(_require_unit(unit), _UNITS, up=False)
    if finer == 0.0:
        raise InvalidValueError(f"no rounding unit within the float range is below {short(unit)}")
    return finer


def _require_salient(value: float) -> Decimal:
    number = _decimal(value, "value")
    if not number:
        raise InvalidValueError("value must not be 0: no salient number is next to 0")
    return number


def next_salient(value: float) -> float:
    """Smallest salient number strictly above: 1, 1.5, 2, 3, 5, 7.5 times a power of ten.

    The negatives of these numbers are salient too.

    Raises
    ------
    InvalidValueError
        If the value is 0, or the next salient number cannot be written as a float.

    Examples
    --------
    >>> next_salient(12_000), next_salient(15_000), next_salient(-2)
    (15000.0, 20000.0, -1.5)
    """
    return _salient(value, up=True)


def previous_salient(value: float) -> float:
    """Largest salient number strictly below: 1, 1.5, 2, 3, 5, 7.5 times a power of ten.

    Raises
    ------
    InvalidValueError
        If the value is 0, or the number before it cannot be written as a float.

    Examples
    --------
    >>> previous_salient(12_000), previous_salient(10_000), previous_salient(-2)
    (10000.0, 7500.0, -3.0)
    """
    return _salient(value, up=False)


def _salient(value: float, *, up: bool) -> float:
    number = _require_salient(value)
    negative = number < 0
    size = _step(number, _SALIENT, up=up is not negative)
    if math.isinf(size) or size == 0.0:
        side = "above" if up else "below"
        raise InvalidValueError(
            f"no salient number within the float range is {side} {short(value)}"
        )
    return -size if negative else size


def complement(share: float) -> float:
    """What is left of the whole: 1 - share, in the decimals that the share is written in.

    >>> complement(0.8), 1 - 0.8
    (0.2, 0.19999999999999996)
    """
    return float(1 - _decimal(share, "share"))


def plain(value: float) -> str:
    """Write a number for people: grouped digits, all the float's decimals and no more.

    >>> plain(12000.0), plain(0.05), plain(-1234.5), plain(1e20)
    ('12,000', '0.05', '-1,234.5', '1e+20')
    """
    if value == 0.0:
        return "0"
    if not _PLAIN_FROM <= abs(value) < _PLAIN_TO:
        return repr(float(value))
    text = f"{Decimal(repr(float(value))):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
