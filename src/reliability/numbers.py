"""Numbers for people: as many digits as the uncertainty supports, grouped, or in words.

Rounding follows the Particle Data Group (Review of Particle Physics, introduction, section 5.3):
if the three leading digits of the uncertainty lie between 100 and 354, two of its digits are
kept, otherwise one (950 to 999 become 1000, which keeps two).
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from reliability.scales import Scale

__all__ = [
    "Digits",
    "percent",
    "plus_minus",
    "rounding_exponent",
    "said",
    "significant",
    "to_exponent",
]

#: Outside these limits a number is written with an exponent.
_PLAIN_FROM, _PLAIN_TO = 1e-6, 1e16
#: On the log and logit scales two digits are always kept; this uncertainty of x leaves two.
_WIDEST = 0.36
_EXACT = Context(prec=800, rounding=ROUND_HALF_EVEN)


def _is_number(value: float) -> bool:
    return math.isfinite(value)


def in_words(value: float) -> str:
    """What to write for a value that is not finite.

    >>> in_words(float("nan")), in_words(float("inf"))
    ('not defined', 'infinite')
    """
    if math.isnan(value):
        return "not defined"
    return "infinite" if value > 0.0 else "minus infinite"


def rounding_exponent(uncertainty: float) -> int:
    """Power of ten to which a number with this uncertainty is rounded.

    Parameters
    ----------
    uncertainty : a positive finite number

    Examples
    --------
    >>> rounding_exponent(312.7), rounding_exponent(420), rounding_exponent(0.0962)
    (1, 2, -2)
    """
    _, digits, exponent = Decimal(f"{uncertainty:.2e}").as_tuple()
    leading = int("".join(map(str, digits)))
    return int(exponent) + (1 if leading <= 354 else 2)


def to_exponent(value: float, exponent: int) -> str:
    """Write a number rounded to a power of ten, digits grouped in threes.

    >>> to_exponent(12_437.3, 2), to_exponent(0.04, 0), to_exponent(-0.1234, -3)
    ('12,400', '0', '-0.123')
    >>> to_exponent(1.2345e20, 18), to_exponent(1.2345e-9, -10)
    ('1.23e+20', '1.2e-9')
    """
    if not _is_number(value):
        return in_words(value)
    exact = Decimal(repr(float(value)))
    rounded = exact.quantize(Decimal(1).scaleb(exponent), context=_EXACT)
    if not rounded:
        return "0"
    if _PLAIN_FROM <= abs(rounded) < _PLAIN_TO:
        # A positive exponent is written out: 1.2E+3 as 1,200.
        return f"{rounded:,f}" if exponent <= 0 else f"{int(rounded):,}"
    digits = max(rounded.adjusted() - exponent, 0)
    return f"{rounded:.{digits}e}" if digits < 17 else repr(float(value))


def plus_minus(value: float, sd: float) -> str:
    """Write a value with its standard deviation, both rounded alike.

    Parameters
    ----------
    value, sd : in the same unit; either may be infinite or nan

    Examples
    --------
    >>> plus_minus(12_437.3, 300), plus_minus(12_437.3, 312.7), plus_minus(0.8271, 0.0962)
    ('12,440 ± 300', '12,440 ± 310', '0.83 ± 0.10')
    >>> plus_minus(3.2, float("inf"))
    '3.2 (standard deviation infinite)'
    """
    if not _is_number(value):
        return in_words(value)
    if not _is_number(sd):
        return f"{value:,.4g} (standard deviation {in_words(sd)})"
    if sd <= 0.0:
        return said(value)
    exponent = rounding_exponent(sd)
    return f"{to_exponent(value, exponent)} ± {to_exponent(sd, exponent)}"


def said(value: float) -> str:
    """Write a number as it was given, with all its digits.

    >>> said(12_000.0), said(0.05), said(float("inf"))
    ('12,000', '0.05', 'infinite')
    """
    if not _is_number(value):
        return in_words(value)
    if value == 0.0:
        return "0"
    if not _PLAIN_FROM <= abs(value) < _PLAIN_TO:
        return repr(float(value))
    text = f"{Decimal(repr(float(value))):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def significant(value: float, digits: int) -> str:
    """Write a number rounded to significant digits, grouped.

    >>> significant(8479.2, 2), significant(0.0331, 2), significant(2.0, 3)
    ('8,500', '0.033', '2')
    """
    return said(float(f"{value:.{digits}g}"))


def percent(share: float) -> str:
    """Write a probability in percent; what is not 0 or 1 never looks as if it were.

    >>> percent(0.341), percent(0.0341), percent(0.0001), percent(1.0), percent(0.9999)
    ('34%', '3.4%', '<0.1%', '100%', '>99.9%')
    >>> percent(float("nan"))
    '-'
    """
    if math.isnan(share):
        return "-"
    if share <= 0.0 or share >= 1.0:
        return f"{100.0 * share:.0f}%"
    if share < 0.001:
        return "<0.1%"
    if share > 0.999:
        return ">99.9%"
    decimals = 1 if share < 0.0995 or share >= 0.995 else 0
    return f"{100.0 * share:.{decimals}f}%"


@attrs.frozen
class Digits:
    """How to write values of one quantity, given how uncertain it is.

    Parameters
    ----------
    scale : the quantity's scale; on the logit scale values are written in percent
    spread : uncertainty on the working coordinate x, such as half of the width of the central
        68 % interval

    Examples
    --------
    >>> from reliability.scales import get_scale
    >>> wide = Digits(get_scale("log"), 0.9)
    >>> wide.text(12_873.2), wide.text(2113.7), wide.text(0.03512)
    ('13,000', '2,100', '0.035')
    >>> Digits(get_scale("linear"), 312.7).text(12_437.3)
    '12,440'
    >>> share = Digits(get_scale("logit"), 0.5)
    >>> share.text(0.1234), share.text(0.99871)
    ('12%', '99.87%')
    """

    scale: Scale
    spread: float

    @property
    def factor(self) -> float:
        """What values are multiplied by before they are written."""
        return 100.0 if self.scale.name == "logit" else 1.0

    @property
    def suffix(self) -> str:
        """What is written behind a value."""
        return "%" if self.scale.name == "logit" else ""

    def _local(self, value: float) -> float:
        """Uncertainty, in the unit that is written, at a value."""
        spread = self.spread
        if self.scale.name != "linear":
            spread = min(spread, _WIDEST) if _is_number(spread) else _WIDEST
        if not self.scale.contains(value):
            return math.nan
        if self.scale.name == "log":
            return spread * value
        if self.scale.name == "logit":
            return self.factor * spread * value * (1.0 - value)
        return spread

    def text(self, value: float) -> str:
        """Write a value of the quantity."""
        if not _is_number(value):
            return in_words(value)
        return self._write(value, self._local(value)) + self.suffix

    def shift(self, change: float, *, at: float) -> str:
        """Write a change of the estimate that ended at a value, with its sign; '-' for none.

        >>> from reliability.scales import get_scale
        >>> Digits(get_scale("linear"), 3.0).shift(-12.34, at=100.0)
        '-12.3'
        """
        if math.isnan(change):
            return "-"
        if not _is_number(change):
            return in_words(change)
        text = self._write(change, self._local(at))
        points = " pts" if self.suffix else ""
        return f"+{text}{points}" if change > 0.0 and text != "0" else f"{text}{points}"

    def _write(self, value: float, uncertainty: float) -> str:
        written = self.factor * value
        if not (_is_number(uncertainty) and uncertainty > 0.0):
            return f"{written:,.3g}" if abs(written) < _PLAIN_TO else f"{written:.3g}"
        exponent = rounding_exponent(uncertainty)
        if written:
            # A float carries 17 digits; more would be noise.
            exponent = max(exponent, math.floor(math.log10(abs(written))) - 15)
        return to_exponent(written, exponent)
