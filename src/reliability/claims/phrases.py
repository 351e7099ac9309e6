"""Read English phrases such as "more than 12,000" into statements, and never guess.

A phrase is cut into words, numerals and signs; every form is tried on all of it, and the phrase
is accepted if the forms that fit agree on one statement. What cannot be read, or can be read in
two ways, is an error that shows the phrase. Billion and trillion are the short scale, 10^9 and
10^12. Nothing here searches with backtracking expressions, and the work is bounded by the length
that is accepted.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from reliability.claims._checks import short
from reliability.claims.digits import plain
from reliability.claims.statements import (
    About,
    Absent,
    AtLeast,
    AtMost,
    Estimate,
    Present,
    Quantiles,
    Range,
    Statement,
)
from reliability.errors import InvalidValueError, UnreadablePhraseError, WrongTypeError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["VAGUE_NUMBERS", "read"]

#: A phrase is short. Longer texts are refused, which bounds the work.
LONGEST_PHRASE = 200

# --- words ------------------------------------------------------------------------------------

_ABOUT = (
    "about",
    "an estimated",
    "approx",
    "approx .",
    "approximately",
    "around",
    "ca",
    "ca .",
    "circa",
    "estimated",
    "roughly",
    "some",
    "~",
)
_AT_LEAST = (
    ">",
    ">=",
    "a minimum of",
    "above",
    "at least",
    "exceeding",
    "greater than",
    "in excess of",
    "more than",
    "no fewer than",
    "no less than",
    "not fewer than",
    "not less than",
    "over",
    "upward of",
    "upwards of",
)
_AT_MOST = (
    "<",
    "<=",
    "a maximum of",
    "as many as",
    "as much as",
    "at most",
    "below",
    "fewer than",
    "less than",
    "no more than",
    "not more than",
    "under",
    "up to",
)
_AT_LEAST_AFTER = ("+", "or more")
_AT_MOST_AFTER = ("or fewer", "or less")

# That there is nothing, or something, in whole phrases only: "none of the 12" or "not present at
# noon" say something else.
_ABSENT = ("absent", "denied", "none", "none at all", "there are none", "there is none")
_PRESENT = (
    "confirmed present",
    "present",
    "there are some",
    "there is some",
    "they are present",
    "they are there",
)

_SCALES = {
    "hundred": 10**2,
    "k": 10**3,
    "thousand": 10**3,
    "m": 10**6,
    "mln": 10**6,
    "mn": 10**6,
    "million": 10**6,
    "b": 10**9,
    "bn": 10**9,
    "billion": 10**9,
    "tn": 10**12,
    "trillion": 10**12,
}
_SCALE_WORDS = ("hundred", "thousand", "million", "billion", "trillion")
_UNITS = {
    word: value
    for value, word in enumerate(
        [
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ],
        start=1,
    )
}
_TENS = {
    word: 10 * value
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
}

# What readers take a vague number word to mean: the 5 %, 50 % and 95 % quantiles of 46 answers to
# "What number would you assign to the phrase ...?", a survey published with its data by
# Zonination, github.com/zonination/perceptions, numberly.csv (2015). The quartiles are left out:
# the answers are round numbers, two of which would lie almost on top of each other.
_DOZENS = {0.05: 12.0, 0.5: 36.0, 0.95: 57.5}
_SCORES = {0.05: 9.5, 0.5: 80.0, 0.95: 1750.0}
_HUNDREDS = {0.05: 200.0, 0.5: 300.0, 0.95: 674.75}

# The survey asked for hundreds only. The larger words are read as the same multiples of their own
# unit. Counting practice does so too: the Crowd Counting Consortium's code book counts hundreds
# as at least 200, thousands as 2,000, tens of thousands as 20,000 and hundreds of thousands as
# 200,000, which is the 5 % quantile here.
_LIKE_HUNDREDS = {
    "hundreds": 10**2,
    "thousands": 10**3,
    "tens of thousands": 10**4,
    "hundreds of thousands": 10**5,
    "millions": 10**6,
    "tens of millions": 10**7,
    "hundreds of millions": 10**8,
    "billions": 10**9,
}

#: Vague number words and the quantiles that they are read as.
VAGUE_NUMBERS: dict[str, Quantiles] = {
    "dozens": Quantiles(_DOZENS),
    "scores": Quantiles(_SCORES),
} | {
    words: Quantiles({p: q / 100.0 * unit for p, q in _HUNDREDS.items()})
    for words, unit in _LIKE_HUNDREDS.items()
}

_FORMS = (
    "12,000 (or 12 000, 12k, 1.2 million, twelve thousand, 5%)",
    "about 12,000",
    "more than 12,000",
    "fewer than 12,000",
    "25,000 to 30,000",
    "between 25,000 and 30,000",
    "2,500 ± 300",
    "2,500 (2,000 to 3,000, 90%)",
    "hundreds of thousands",
    "there are none",
    "they are there",
)

# Every word that some form uses: any other word is named in the error.
_KNOWN_WORDS = frozenset(
    word
    for words in (
        *_ABOUT,
        *_AT_LEAST,
        *_AT_MOST,
        *_AT_LEAST_AFTER,
        *_AT_MOST_AFTER,
        *VAGUE_NUMBERS,
        *_SCALES,
        *_UNITS,
        *_TENS,
        "none zero a an and half quarter quarters of dozen score minus between from to",
        "percent per cent ci cri ui interval confidence credible verified",
    )
    for word in words.split()
)

# --- cutting a phrase into tokens ---------------------------------------------------------------

_SIGNS = {
    "\N{MINUS SIGN}": "-",
    "\N{HYPHEN}": "-",
    "\N{NON-BREAKING HYPHEN}": "-",
    "\N{FIGURE DASH}": "\N{EN DASH}",
    "\N{EM DASH}": "\N{EN DASH}",
    "\N{TILDE OPERATOR}": "~",
    "\N{ALMOST EQUAL TO}": "~",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{GREATER-THAN OR EQUAL TO}": ">=",
    "\N{LESS-THAN OR EQUAL TO}": "<=",
    "\N{GREATER-THAN OR SLANTED EQUAL TO}": ">=",
    "\N{LESS-THAN OR SLANTED EQUAL TO}": "<=",
    "\N{PLUS-MINUS SIGN}": "+/-",
}
_OPERATORS = ("+/-", "+-", ">=", "<=", *"<>~+-%()[],:.", "\N{EN DASH}")
_DIGITS = frozenset("0123456789")
_SEPARATORS = frozenset(",.' ")


class _UnreadableError(Exception):
    """A reason why the phrase cannot be read; becomes the public error."""


class _Token(NamedTuple):
    text: str
    kind: str  # "word", "number" or "sign"
    value: Fraction = Fraction(0)
    glued: bool = False  # no space in front


def _normalised(phrase: str) -> str:
    """Lower case, plain spaces and signs; other characters stay as they are."""
    characters = []
    for character in phrase:
        if character.isspace() or unicodedata.category(character) == "Zs":
            characters.append(" ")
        else:
            characters.append(_SIGNS.get(character, character))
    return " ".join("".join(characters).lower().split())


def _numeral_end(text: str, start: int) -> int:
    """End of the digits and separators of one numeral; a separator counts before a digit."""
    end = start
    while end < len(text):
        separates = text[end] in _SEPARATORS and text[end + 1 : end + 2] in _DIGITS
        if separates and text[end] == " ":
            separates = _space_groups(text, start, end)
        if not (separates or text[end] in _DIGITS):
            break
        end += 1
    return end


def _space_groups(text: str, start: int, space: int) -> bool:
    """Whether the space at this place separates groups of three digits, as in 12 000."""
    head = text[start:space]
    after = text[space + 1 : space + 5]
    follows = all(c in _DIGITS for c in after[:3]) and len(after) >= 3
    return follows and (len(after) == 3 or after[3] not in _DIGITS) and head[-1] in _DIGITS


def _value(numeral: str) -> Fraction:
    """Value of a numeral; a reason is raised where its separators are not clear."""
    separators = [c for c in numeral if c not in _DIGITS]
    if not separators:
        return Fraction(numeral)
    last = separators[-1]
    groups = numeral
    decimals = ""
    if last in ".," and separators.count(last) == 1:
        # The last separator may be a decimal mark: always so for a dot, and for a comma if the
        # digits before it are grouped by another sign.
        head, tail = numeral.rsplit(last, 1)
        could_group = len(tail) == 3 and _is_grouped([*_split(head), tail])
        if len(separators) == 1:
            if last == "," and could_group:
                return Fraction(head + tail)
            if last == "," or could_group:
                raise _UnreadableError(_two_readings(head, tail, grouped=could_group))
            return Fraction(f"{head or '0'}.{tail}")
        if last in separators[:-1] or (separators[0] in " '" and last == "," and could_group):
            raise _UnreadableError(f"the digits of {numeral!r} are not grouped in threes")
        groups, decimals = head, tail
        separators = separators[:-1]
    if len(set(separators)) > 1 or not _is_grouped(_split(groups)):
        raise _UnreadableError(f"the digits of {numeral!r} are not grouped in threes")
    whole = "".join(_split(groups))
    return Fraction(f"{whole}.{decimals}" if decimals else whole)


def _split(numeral: str) -> list[str]:
    """Groups of digits between separators."""
    return "".join(c if c in _DIGITS else "," for c in numeral).split(",")


def _is_grouped(groups: list[str]) -> bool:
    """Whether the first group has one to three digits and no leading zero, the others three."""
    first, *rest = groups
    return 1 <= len(first) <= 3 and first[0] != "0" and all(len(group) == 3 for group in rest)


def _two_readings(head: str, tail: str, *, grouped: bool) -> str:
    """Ask which of two readings is meant, showing how to write each."""
    whole, decimal = plain(float(head + tail)), plain(float(f"{head or '0'}.{tail}"))
    if grouped:
        # One decimal more or less than three leaves no doubt.
        fraction = decimal.partition(".")[2]
        clear = decimal if fraction and len(fraction) != 3 else f"{head}.{fraction}0"
        return f"'{head}.{tail}' may be {whole} or {decimal}; write '{whole}' or '{clear}'"
    return f"'{head},{tail}' may be {decimal} or {whole}; write '{decimal}' or '{whole}'"


def _dot_after_word(numeral: str) -> str:
    """Ask whether the dot of approx.5 ends the word or is a decimal mark."""
    return (
        f"{numeral!r} after a word may be {numeral[1:]} or 0{numeral}; "
        f"write ' {numeral[1:]}' or ' 0{numeral}'"
    )


def _exponent(text: str, start: int) -> tuple[int, int] | None:
    """Power of ten written as e6, e-3 or e+06 directly after a numeral, and its end."""
    if text[start : start + 1] != "e":
        return None
    end = start + 1
    if text[end : end + 1] in {"+", "-"}:
        end += 1
    first = end
    while end < len(text) and text[end] in _DIGITS:
        end += 1
    if not 1 <= end - first <= 3 or (end < len(text) and text[end].isalpha()):
        return None
    return int(text[start + 1 : end]), end


def _tokens(text: str) -> Iterator[_Token]:
    """Cut a normalised phrase into words, numerals and signs."""
    at = 0
    while at < len(text):
        glued = at > 0 and text[at - 1] != " "
        if text[at] == " ":
            at += 1
        elif text[at] in _DIGITS or (text[at] == "." and text[at + 1 : at + 2] in _DIGITS):
            end = _numeral_end(text, at)
            if text[at] == "." and glued and text[at - 1].isalpha():
                raise _UnreadableError(_dot_after_word(text[at:end]))
            exponent = _exponent(text, end)
            if exponent is None:
                value = _value(text[at:end])
            else:
                value = _scientific(text[at:end], exponent[0])
                end = exponent[1]
            yield _Token(text[at:end], "number", value, glued)
            at = end
        elif text[at].isascii() and text[at].isalpha():
            end = at
            while end < len(text) and text[end].isascii() and text[end].isalpha():
                end += 1
            yield _Token(text[at:end], "word", glued=glued)
            at = end
        else:
            sign = next((sign for sign in _OPERATORS if text.startswith(sign, at)), None)
            if sign is None:
                raise _UnreadableError(f"the character {text[at]!r} is not understood")
            yield _Token("+/-" if sign == "+-" else sign, "sign", glued=glued)
            at += len(sign)


def _scientific(numeral: str, exponent: int) -> Fraction:
    """Value of 1.5e6; its only separator is a decimal dot."""
    if numeral.count(".") > 1 or any(c not in _DIGITS and c != "." for c in numeral):
        raise _UnreadableError(f"the digits of {numeral!r} are not grouped in threes")
    return Fraction(f"0{numeral}") * Fraction(10) ** exponent


# --- numbers ------------------------------------------------------------------------------------


class _Number(NamedTuple):
    """A number with the scale words it ends in kept apart: another may share them."""

    lead: Fraction
    scales: tuple[int, ...] = ()
    percent: bool = False
    grouped: bool = False  # written with a sign between thousands

    @property
    def value(self) -> Fraction:
        number = self.lead * math.prod(self.scales)
        return number / 100 if self.percent else number


def _texts(tokens: list[_Token]) -> list[str]:
    return [token.text for token in tokens]


def _without_prefix(tokens: list[_Token], words: tuple[str, ...]) -> list[list[_Token]]:
    """What remains after each of the word sequences that the tokens begin with."""
    remainders = []
    for sequence in words:
        parts = sequence.split()
        if _texts(tokens[: len(parts)]) == parts:
            remainders.append(tokens[len(parts) :])
    return remainders


def _without_suffix(tokens: list[_Token], words: tuple[str, ...]) -> list[list[_Token]]:
    """What remains before each of the word sequences that the tokens end with."""
    remainders = []
    for sequence in words:
        parts = sequence.split()
        if len(tokens) > len(parts) and _texts(tokens[-len(parts) :]) == parts:
            remainders.append(tokens[: -len(parts)])
    return remainders


def _number(tokens: list[_Token]) -> _Number | None:
    """Read all of the tokens as one number, or nothing."""
    for rest in _without_suffix(tokens, ("%", "percent", "per cent")):
        number = _unsigned(rest)
        return None if number is None or number.scales else number._replace(percent=True)
    return _unsigned(tokens)


def _unsigned(tokens: list[_Token]) -> _Number | None:
    """Read all of the tokens as a number with an optional sign in front."""
    if len(tokens) > 1 and tokens[0].text in {"-", "+", "minus"}:
        signed_numeral = tokens[1].kind == "number" and tokens[1].glued
        if tokens[0].text != "minus" and not signed_numeral:
            return None
        number = _magnitude(tokens[1:])
        if number is None or tokens[0].text == "+":
            return number
        return number._replace(lead=-number.lead)
    return _magnitude(tokens)


def _magnitude(tokens: list[_Token]) -> _Number | None:
    if not tokens:
        return None
    if tokens[0].kind == "number":
        scales = _scales(_texts(tokens[1:]), _SCALES)
        if scales is None:
            return None
        value, text = tokens[0].value, tokens[0].text
        grouped = value >= 1000 and any(c in _SEPARATORS for c in text)
        return _Number(value, scales, grouped=grouped)
    if any(token.kind == "number" for token in tokens):
        return None
    return _in_words(_texts(tokens))


def _scales(words: list[str], known: dict[str, int]) -> tuple[int, ...] | None:
    """Scale words that follow a number: at most 'hundred' and one other."""
    if any(word not in known for word in words):
        return None
    scales = tuple(known[word] for word in words)
    if len(scales) > 2 or (len(scales) == 2 and not scales[0] == 100 < scales[1]):
        return None
    return scales


def _in_words(words: list[str]) -> _Number | None:
    """Read a number written in words, such as 'two and a half million'."""
    if words == ["zero"]:
        return _Number(Fraction(0))
    return _fraction_of_scale(words) or _and_a_half(words) or _dozens(words) or _whole(words)


# Parts of a scale: "half a million", "a quarter of a million", "three quarters of a million".
_PARTS = {
    "half a": Fraction(1, 2),
    "half": Fraction(1, 2),
    "a half": Fraction(1, 2),
    "quarter of a": Fraction(1, 4),
    "a quarter of a": Fraction(1, 4),
    "three quarters of a": Fraction(3, 4),
    "three - quarters of a": Fraction(3, 4),
}


def _fraction_of_scale(words: list[str]) -> _Number | None:
    scale = words[-1]
    part = _PARTS.get(" ".join(words[:-1]))
    if part is None:
        return None
    if scale == "dozen":
        return _Number(part * 12) if part == Fraction(1, 2) else None
    return _Number(part, (_SCALES[scale],)) if scale in _SCALE_WORDS[1:] else None


def _and_a_half(words: list[str]) -> _Number | None:
    """Read 'two and a half', 'two and a half million', 'a million and a half'."""
    if words[-3:] == ["and", "a", "half"]:
        scaled = _whole(words[:-3])
        if scaled is None or len(scaled.scales) > 1:
            return None
        if scaled.scales and scaled.scales[0] < 10**6:
            return None  # "a hundred and a half" may be 150 or 100.5
        return scaled._replace(lead=scaled.lead + Fraction(1, 2))
    if words[-4:-1] == ["and", "a", "half"] and words[-1] in _SCALE_WORDS:
        below = _below_hundred(words[:-4])
        return _Number(below + Fraction(1, 2), (_SCALES[words[-1]],)) if below else None
    return None


def _dozens(words: list[str]) -> _Number | None:
    """Read 'a dozen', 'two dozen', 'a score', 'three score'."""
    size = {"dozen": 12, "score": 20}.get(words[-1])
    if size is None:
        return None
    count = 1 if words[:-1] == ["a"] else _below_hundred(words[:-1])
    return _Number(Fraction(count * size)) if count else None


def _below_hundred(words: list[str]) -> int:
    """Value of one to ninety-nine in words; 0 if it is not."""
    if len(words) == 3 and words[1] == "-":
        words = [words[0], words[2]]
    if len(words) == 1:
        return _UNITS.get(words[0], 0) or _TENS.get(words[0], 0)
    if len(words) == 2 and words[0] in _TENS and _UNITS.get(words[1], 99) < 10:
        return _TENS[words[0]] + _UNITS[words[1]]
    return 0


def _below_thousand(words: list[str]) -> int:
    """Value below a thousand, or of the kind 'twenty-five hundred'; 0 if it is not."""
    if "hundred" not in words:
        return _below_hundred(words)
    at = words.index("hundred")
    hundreds = 1 if words[:at] == ["a"] else _below_hundred(words[:at])
    rest = words[at + 1 :]
    if not rest:
        return 100 * hundreds
    below = _below_hundred(rest[1:] if rest[0] == "and" else rest)
    return 100 * hundreds + below if hundreds and below else 0


def _whole(words: list[str]) -> _Number | None:
    """Read a whole number in words; the scale words at its end are kept apart."""
    total = 0
    limit = math.inf
    rest = words
    while rest:
        at = next((i for i, word in enumerate(rest) if word in _SCALE_WORDS[1:]), len(rest))
        group, scale = rest[:at], _SCALES[rest[at]] if at < len(rest) else 1
        joined = group[:1] == ["and"] and total > 0
        if joined:
            group = group[1:]
        below = 1 if group == ["a"] and scale > 1 else _below_thousand(group)
        if not below or scale >= limit or below * scale >= limit:
            return None
        if total and not joined and below * scale < 100:
            return None  # "two million three" may leave out the hundred thousand
        total, limit = total + below * scale, scale
        rest = rest[at + 1 :]
        if scale == 1:
            break
    scales = _trailing_scales(words)
    return _Number(Fraction(total, math.prod(scales)), scales) if total else None


def _trailing_scales(words: list[str]) -> tuple[int, ...]:
    """Scale words that a number ends in and that count all of it.

    In "eight thousand five hundred" the hundred counts the five only: no scales.
    """
    at = len(words)
    while at and words[at - 1] in _SCALE_WORDS:
        at -= 1
    if any(word in _SCALE_WORDS[1:] for word in words[:at]):
        return ()
    return tuple(_SCALES[word] for word in words[at:])


# --- statements ---------------------------------------------------------------------------------


def _float(number: Fraction) -> float:
    """Nearest float: the fraction is exact, so the digits are those of the phrase."""
    try:
        value = float(number)
    except OverflowError:
        raise _UnreadableError("the number exceeds the range of a float") from None
    if number and not value:
        raise _UnreadableError("the number is too small for a float")
    return value


def _shared(first: _Number, second: _Number) -> _Number:
    """The first of two numbers with the scale or percent sign that the second ends in.

    "25-30 thousand" means 25,000 to 30,000. Where the words could mean two things, the reader
    is asked.
    """
    if first.percent != second.percent:
        if first.percent or first.scales:
            raise _UnreadableError("write % after both numbers or after neither")
        return first._replace(percent=True)
    if second.grouped and not (first.scales or second.scales) and _may_be_thousands(first, second):
        raise _UnreadableError(_thousands_or_not(first, second))
    missing = second.scales[len(first.scales) :]
    if not missing or second.scales[: len(first.scales)] != first.scales:
        return first
    if missing == (100,) and first.value >= 100:
        return first  # "one hundred and fifty to two hundred": nobody counts 150 hundreds
    shared = first._replace(scales=first.scales + missing)
    if 0 <= first.value < math.prod(missing) and shared.value < second.value:
        return shared
    if first.value >= 1000 and shared.value >= second.value:
        return first  # "500,000 to 2 million": in millions it would exceed the second
    raise _UnreadableError(_both_in_full(first, "second"))


def _may_be_thousands(first: _Number, second: _Number) -> bool:
    """Whether the first of two numbers may lack its thousands, as in 10-12,000."""
    return 1 <= first.value < 1000 and 1000 * first.value < second.value


def _thousands_or_not(first: _Number, second: _Number) -> str:
    low, high = _float(first.value), _float(second.value)
    ungrouped = plain(high).replace(",", "")
    return (
        f"{plain(low)} may be meant as it stands or in thousands; "
        f"write '{plain(1000.0 * low)} to {plain(high)}' or '{plain(low)} to {ungrouped}'"
    )


def _both_in_full(number: _Number, other: str) -> str:
    return (
        f"{plain(_float(number.value))} may be meant as it stands or in the unit of the {other} "
        f"number; write both in full"
    )


# A reading is made only when all of them are known: making it may show that it is impossible, which
# must not hide another that is possible.
_Reading = Callable[[], Statement]


def _range(first: _Number, second: _Number) -> Range:
    return Range(_float(_shared(first, second).value), _float(second.value))


def _splits(tokens: list[_Token], words: tuple[str, ...]) -> Iterator[tuple[_Number, _Number]]:
    """Two numbers around each place where one of the words stands."""
    for at, token in enumerate(tokens):
        if token.text in words and not _is_compound(tokens[max(at - 1, 0) : at + 2]):
            first, second = _number(tokens[:at]), _number(tokens[at + 1 :])
            if first is not None and second is not None:
                yield first, second


def _is_compound(around: list[_Token]) -> bool:
    """Whether a hyphen joins one number, as in thirty-eight, and is no range."""
    texts = _texts(around)
    return len(texts) == 3 and texts[1] == "-" and _below_hundred(texts) > 0


def _as_number(tokens: list[_Token]) -> Iterator[_Reading]:
    number = _number(tokens)
    if number is not None:
        yield lambda: Estimate(_float(number.value))


def _as_range(tokens: list[_Token]) -> Iterator[_Reading]:
    """Read a to b, from a to b, a-b, between a and b."""
    if tokens and tokens[0].text == "between":
        pairs = _splits(tokens[1:], ("and",))
    elif tokens and tokens[0].text == "from":
        pairs = _splits(tokens[1:], ("to",))
    else:
        pairs = _splits(tokens, ("to", "-", "\N{EN DASH}"))
    return (partial(_range, first, second) for first, second in pairs)


def _as_about(tokens: list[_Token]) -> Iterator[_Reading]:
    """Read about a; before a range the word adds nothing to what the digits say."""
    for rest in _without_prefix(tokens, _ABOUT):
        number = _number(rest)
        if number is None:
            yield from _as_range(rest)
        else:
            yield partial(_about, number)


def _about(number: _Number) -> About:
    return About(_float(number.value))


def _as_bound(tokens: list[_Token]) -> Iterator[_Reading]:
    """Read more than a, fewer than a, a or more; '(verified)' after it makes it a pure bound."""
    excess = None
    for rest in _without_suffix(tokens, ("( verified )",)):
        tokens, excess = rest, math.inf
    for form, before, after in (
        (AtLeast, _AT_LEAST, _AT_LEAST_AFTER),
        (AtMost, _AT_MOST, _AT_MOST_AFTER),
    ):
        for rest in _without_prefix(tokens, before) + _without_suffix(tokens, after):
            number = _number(rest)
            if number is not None:
                yield partial(_bound, form, number, excess)


def _bound(form: type[AtLeast | AtMost], number: _Number, excess: float | None) -> Statement:
    return form(_float(number.value), excess=excess)


def _as_plus_minus(tokens: list[_Token]) -> Iterator[_Reading]:
    """Read a ± b, b the standard deviation."""
    return (partial(_plus_minus, first, second) for first, second in _splits(tokens, ("+/-",)))


def _plus_minus(first: _Number, second: _Number) -> Estimate:
    if first.percent != second.percent:
        raise _UnreadableError(
            "± with one percent sign may be relative or absolute; write both numbers in full"
        )
    if second.scales and not first.scales:
        if first.value >= 1000:
            raise _UnreadableError(_both_in_full(first, "second"))
        first = first._replace(scales=second.scales)
    elif first.scales and not second.scales and second.value < 1000:
        raise _UnreadableError(_both_in_full(second, "first"))
    return Estimate(_float(first.value), sd=_float(second.value))


_BRACKETS = {"(": ")", "[": "]"}
_INTERVAL_WORDS = (
    "ci",
    "cri",
    "ui",
    "interval",
    "confidence interval",
    "credible interval",
)


def _as_interval(tokens: list[_Token]) -> Iterator[_Reading]:
    """Read a (b to c, 90%), a (90% CI b-c), a [b, c] 95%."""
    texts = _texts(tokens)
    at = next((i for i, text in enumerate(texts) if text in _BRACKETS), 0)
    if not at or texts.count(_BRACKETS[texts[at]]) != 1:
        return
    close = texts.index(_BRACKETS[texts[at]])
    value = _number(tokens[:at])
    if value is None:
        return
    inside, after = tokens[at + 1 : close], tokens[close + 1 :]
    if not after and any(_ends(inside)):
        yield _without_level
    for ends, words in _ends_and_level(inside, after):
        level = _level(words)
        if level is not None:
            for low, high in _ends(ends):
                yield partial(_interval, value, low, high, level)


def _ends_and_level(
    inside: list[_Token], after: list[_Token]
) -> Iterator[tuple[list[_Token], list[_Token]]]:
    """Every way to cut the tokens into the two ends and the words of the level."""
    if after:
        yield inside, after[1:] if after[0].text == "," else after
        return
    for cut in range(1, len(inside)):
        head, tail = inside[:cut], inside[cut:]
        if tail[0].text == ",":
            yield head, tail[1:]
        yield tail[1:] if tail[0].text in {",", ":"} else tail, head


def _ends(tokens: list[_Token]) -> Iterator[tuple[_Number, _Number]]:
    """Two ends of an interval: b to c, b-c, or b, c."""
    return _splits(tokens, ("to", "-", "\N{EN DASH}", ","))


def _interval(value: _Number, low: _Number, high: _Number, level: Fraction) -> Estimate:
    return Estimate(
        _float(value.value),
        low=_float(_shared(low, high).value),
        high=_float(high.value),
        level=_float(level),
    )


def _without_level() -> Estimate:
    raise _UnreadableError(
        "the interval has no level; write for example '2,500 (2,000 to 3,000, 90%)'"
    )


def _level(tokens: list[_Token]) -> Fraction | None:
    """Read 90%, 95% CI, 95% confidence interval as a probability."""
    for rest in [tokens, *_without_suffix(tokens, _INTERVAL_WORDS)]:
        number = _number(rest)
        if number is not None and number.percent:
            return number.value
    return None


def _as_vague(tokens: list[_Token]) -> Iterator[_Reading]:
    vague = VAGUE_NUMBERS.get(" ".join(_texts(tokens)))
    if vague is not None:
        yield lambda: vague


def _as_presence(tokens: list[_Token]) -> Iterator[_Reading]:
    """Read there are none, they are there."""
    phrase = " ".join(_texts(tokens))
    if phrase in _ABSENT:
        yield Absent
    if phrase in _PRESENT:
        yield Present


_READERS: tuple[Callable[[list[_Token]], Iterator[_Reading]], ...] = (
    _as_number,
    _as_range,
    _as_about,
    _as_bound,
    _as_plus_minus,
    _as_interval,
    _as_vague,
    _as_presence,
)


def _readings(tokens: list[_Token]) -> tuple[list[Statement], list[str]]:
    """Every distinct statement that all of the tokens can be read as, and reasons against."""
    statements: dict[Statement, None] = {}
    reasons: dict[str, None] = {}
    for reader in _READERS:
        for make in reader(tokens):
            try:
                statements[make()] = None
            except (_UnreadableError, InvalidValueError) as reason:
                reasons[str(reason)] = None
    return list(statements), list(reasons)


# Words that change the number or what is said of it: a phrase without them would say another thing.
_CHANGING_WORDS = frozenset(
    word
    for words in (
        "third thirds fourth fifth fifths tenth tenths quarters times point plus minus",
        "lakh lakhs lac crore crores mio mrd milliard milliards gross kk x e",
        "pct percents percentage pp bp bps ppm ppb permille",
        "max maximum min minimum approx odd short until till vs versus but except",
    )
    for word in words.split()
)
_COUNTING_WORDS = frozenset((*_UNITS, *_TENS, *_SCALES, "zero", "dozen", "score", "half"))
_SHARES = frozenset(("half", "quarter", "quarters", "third", "thirds"))


def _hint(tokens: list[_Token]) -> str:
    """Name the first word that no form knows, and the phrase without it if that can be read.

    A phrase is proposed only where nothing that counts is lost: "12,000 troops", not "2 lakh".
    """
    if not tokens:
        return "it is empty"
    for at, token in enumerate(tokens):
        if token.kind != "word" or token.text in _KNOWN_WORDS:
            continue
        lost = tokens[at:]
        counts = token.text in _CHANGING_WORDS or any(
            rest.kind == "number" or rest.text in _COUNTING_WORDS for rest in lost
        )
        statements = [] if token.glued or counts else _readings(tokens[:at])[0]
        if len(statements) == 1:
            return (
                f"{token.text!r} is not understood; "
                f"if it only says of what, leave it out: '{statements[0]}'"
            )
        return f"{token.text!r} is not understood{_share_hint(tokens)}"
    return f"it has none of the known forms{_share_hint(tokens)}"


def _share_hint(tokens: list[_Token]) -> str:
    """How to write 'half' or 'one in ten'."""
    one_in = any(
        token.text == "in" and (after.kind == "number" or after.text in _COUNTING_WORDS)
        for token, after in pairwise(tokens)
    )
    if not one_in and _SHARES.isdisjoint(_texts(tokens)):
        return ""
    return "; write a share in percent, such as '50%'"


def read(phrase: str) -> Statement:
    """Read an English phrase as a statement; what is not clear is an error, never a guess.

    Understood are numbers (grouped, in words, with thousand, k, million, %), and around them:
    about, some, roughly; more than, at least, over; fewer than, at most, up to; between a and
    b, a to b, a-b; a ± b (b the standard deviation); a (b to c, 90%); vague number words,
    `VAGUE_NUMBERS`; and there are none (none, denied), they are there (present). A scale word
    after the second of two numbers counts for both.

    Parameters
    ----------
    phrase : at most 200 characters

    Raises
    ------
    UnreadablePhraseError
        If the phrase is not understood, or can be read in two ways; the message shows the
        phrase, and the readings or the known forms.
    WrongTypeError
        If it is not text.

    Examples
    --------
    >>> read("more than 12,000")
    AtLeast(12000)
    >>> read("between 25 and 30 thousand")
    Range(25000, 30000)
    >>> read("two and a half million")
    Estimate(2500000)
    >>> read("2,500 (95% CI 2,000-3,000)")
    Estimate(2500, low=2000, high=3000, level=0.95)
    >>> read("there are none")
    Absent()
    >>> read("12.000")
    Traceback (most recent call last):
    ...
    reliability.errors.UnreadablePhraseError: cannot read '12.000': '12.000' may be 12,000 or 12;
    write '12,000' or '12.0'
    """
    if not isinstance(phrase, str):
        raise WrongTypeError(f"a phrase must be text, got {short(phrase)}")
    if len(phrase) > LONGEST_PHRASE:
        raise UnreadablePhraseError(
            f"cannot read a phrase of {len(phrase)} characters, {short(phrase)}; "
            f"give at most {LONGEST_PHRASE}"
        )
    try:
        tokens = list(_tokens(_normalised(phrase)))
    except _UnreadableError as reason:
        raise UnreadablePhraseError(f"cannot read {phrase!r}: {reason}") from None
    if len(tokens) > 1 and tokens[-1].text == ".":
        tokens = tokens[:-1]  # the end of a sentence
    statements, reasons = _readings(tokens)
    if len(statements) == 1:
        return statements[0]
    if statements:
        several = " or ".join(f"'{statement}'" for statement in statements)
        raise UnreadablePhraseError(f"cannot read {phrase!r}: it may be {several}; write one")
    if reasons:
        raise UnreadablePhraseError(f"cannot read {phrase!r}: {'; '.join(reasons)}")
    hint = _hint(tokens)
    forms = "" if "leave it out" in hint else f". Known forms: {'; '.join(_FORMS)}"
    raise UnreadablePhraseError(f"cannot read {phrase!r}: {hint}{forms}")
