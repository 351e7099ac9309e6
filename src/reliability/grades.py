"""Admiralty grades: a letter for the source, a digit for the claim, such as B2.

NATO's scale (STANAG 2511, January 2003; US Army FM 2-22.3, appendix B) defines the grades in words
only. What they are worth in numbers:

==========  ==========================  ===========  ====================================
letter      label                       reliability  prior Beta(a, b) of mean and evidence
==========  ==========================  ===========  ====================================
A           completely reliable         0.9          Beta(9, 1)
B           usually reliable            0.7          Beta(7, 3)
C           fairly reliable             0.6          Beta(3, 2)
D           not usually reliable        0.3          Beta(3, 7)
E           unreliable                  0.1          Beta(1, 9)
F           reliability cannot be       0.5          Beta(1, 1), lack of knowledge
            judged
==========  ==========================  ===========  ====================================

=====  ===========================  ============================================
digit  label                        credibility
=====  ===========================  ============================================
1      confirmed by other sources   0.9; as 2 where other origins are combined too
2      probably true                0.7
3      possibly true                0.5
4      doubtful                     0.3
5      improbable                   0.1
6      truth cannot be judged       none: the source's reliability alone counts
=====  ===========================  ============================================

*Published*: the digits' numbers, and that 6 has none (OASIS STIX 2.1, appendix A, Admiralty
credibility scale). *Assumed here*: the letters' numbers, for which no published table was at hand.
Baker, McKendry & Mace (1968, US Army BESRL Technical Research Note 200) found 87% of more than
1,400 ratings on the diagonal A1, B2, C3, ...: letter and digit are nearly one judgement, so that A,
B, D and E are worth what 1, 2, 4 and 5 are. C is raised above F, because analysts read the first
three levels as positive and "cannot be judged" as lying between these and the negative ones
(Mandel, Irwin, Dhami & Budescu 2023, Journal of Behavioral Decision Making 36(3), e2307). The
evidence is assumed too: as if ten claims of the source had been graded, five where it has
"occasionally been used", none where it has not been used before.

A source's reliability r and a claim's credibility c are combined by logits with equal weights,
``logit(r)/2 + logit(c)/2``, and not multiplied, which would count one judgement twice. "Confirmed
by other sources" is counted once as well: where claims of other origins about the same quantity
are combined with it, they confirm it, and its digit is worth no more than 2's.

Another table is made with `Grades.replace`, and given to ``Source.graded(..., grades=)``; what its
digits are worth is given to claims as numbers, ``Claim(..., credibility=ours.credibility("2"))``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

import attrs

from reliability.claims._checks import (
    as_float,
    as_optional_float,
    check_number,
    check_optional_share,
    fail,
    short,
)
from reliability.errors import InvalidValueError, WrongTypeError
from reliability.words import GivenProbability, as_probability, check_probability

__all__ = ["ADMIRALTY", "CONFIRMED", "Grades", "Letter", "as_credibility", "split_grade"]

#: The digit of claims that other sources confirm, and the one it is worth where these speak too.
CONFIRMED, _UNCONFIRMED = "1", "2"

_GRADE = re.compile(r"([A-Za-z])[\s/-]*([0-9]*)")
_DIGITS = "123456"


@attrs.frozen
class Letter:
    """What a source's letter is worth: a Beta prior on its reliability, by mean and evidence.

    Parameters
    ----------
    reliability : mean, in [0, 1]
    evidence : as many graded claims it is worth, above 0: a + b of Beta(a, b)
    label : its words

    Raises
    ------
    ReliabilityError
        If a number is outside its range.

    Examples
    --------
    >>> letter = ADMIRALTY.letter("B")
    >>> letter.label, letter.reliability, letter.beta
    ('usually reliable', 0.7, (7.0, 3.0))
    """

    reliability: float = attrs.field(converter=as_float, validator=check_optional_share)
    evidence: float = attrs.field(converter=as_float, validator=check_number)
    label: str = ""

    def __attrs_post_init__(self) -> None:
        if self.evidence <= 0.0:
            fail(self, "evidence", f"must be above 0, got {short(self.evidence)}")

    @property
    def beta(self) -> tuple[float, float]:
        """Parameters a and b."""
        a = round(self.reliability * self.evidence, 12)
        return a, round(self.evidence - a, 12)


def _letters(given: Mapping[str, Letter | tuple[float, float]]) -> Mapping[str, Letter]:
    return MappingProxyType(
        {
            name: one if isinstance(one, Letter) else Letter(*one)
            for name, one in sorted(given.items())
        }
    )


def _digits(given: Mapping[str, float | None]) -> Mapping[str, float | None]:
    for name, value in given.items():
        number = as_optional_float(value)
        if number is not None and not (isinstance(number, float) and 0.0 <= number <= 1.0):
            raise InvalidValueError(
                f"digit {name}: must lie in [0, 1] or be None, got {short(value)}"
            )
    return MappingProxyType({name: as_optional_float(given[name]) for name in sorted(given)})


@attrs.frozen(eq=False)
class Grades:
    """What letters and digits are worth.

    Parameters
    ----------
    letters : letter -> `Letter`, or a pair (reliability, evidence)
    digits : digit, a text -> credibility in [0, 1]; None where it says nothing

    Examples
    --------
    >>> ADMIRALTY.letter("b").reliability, ADMIRALTY.credibility("2")
    (0.7, 0.7)
    >>> stricter = ADMIRALTY.replace(B=(0.6, 4))
    >>> stricter.letter("B").reliability, ADMIRALTY.letter("B").reliability
    (0.6, 0.7)
    """

    letters: Mapping[str, Letter] = attrs.field(converter=_letters)
    digits: Mapping[str, float | None] = attrs.field(converter=_digits)

    def letter(self, letter: str) -> Letter:
        """What a source's letter is worth.

        Raises
        ------
        ReliabilityError
            If there is no such letter.
        """
        if not isinstance(letter, str):
            raise WrongTypeError(f"grade must be a letter such as 'B', got {short(letter)}")
        found = self.letters.get(letter.strip().upper())
        if found is not None:
            return found
        both = _GRADE.fullmatch(letter.strip())
        if both and both[1].upper() in self.letters:
            raise InvalidValueError(
                f"grade {letter!r}: the digit is the claim's; give "
                f"Source.graded(..., {both[1].upper()!r}) and Claim(..., credibility={both[2]!r})"
            )
        known = ", ".join(self.letters)
        raise InvalidValueError(f"there is no grade {letter!r}; a source's are {known}")

    def credibility(self, digit: str, *, confirmed_here: bool = False) -> float | None:
        """What a claim's digit is worth; None where it says nothing.

        Parameters
        ----------
        digit : the digit, as a text
        confirmed_here : whether claims of other origins about the same quantity are combined
            with it: 1 is then worth no more than 2

        Raises
        ------
        ReliabilityError
            If there is no such digit.
        """
        if not isinstance(digit, str):
            raise WrongTypeError(f"a claim's grade must be text such as '2', got {short(digit)}")
        name = digit.strip()
        if name not in self.digits:
            known = ", ".join(self.digits)
            raise InvalidValueError(f"there is no grade {digit!r}; a claim's are {known}")
        worth, second = self.digits[name], self.digits.get(_UNCONFIRMED)
        if confirmed_here and name == CONFIRMED and worth is not None and second is not None:
            return min(worth, second)
        return worth

    def replace(
        self,
        digits: Mapping[str, float | None] | None = None,
        **letters: Letter | tuple[float, float],
    ) -> Grades:
        """Return the same grades with other numbers for some; this one stays as it is.

        Parameters
        ----------
        digits : digit -> credibility, such as ``{"3": 0.55}``
        letters : ``B=(0.8, 20)``, reliability and evidence
        """
        return Grades({**self.letters, **letters}, {**self.digits, **(digits or {})})

    def __reduce__(self) -> tuple[Any, ...]:  # a read-only view cannot be pickled
        return Grades, (dict(self.letters), dict(self.digits))


#: The numbers that grades have unless another table is given; the module says whence.
ADMIRALTY = Grades(
    {
        "A": Letter(0.9, 10, "completely reliable"),
        "B": Letter(0.7, 10, "usually reliable"),
        "C": Letter(0.6, 5, "fairly reliable"),
        "D": Letter(0.3, 10, "not usually reliable"),
        "E": Letter(0.1, 10, "unreliable"),
        "F": Letter(0.5, 2, "reliability cannot be judged"),
    },
    {"1": 0.9, "2": 0.7, "3": 0.5, "4": 0.3, "5": 0.1, "6": None},
)


def split_grade(grade: object) -> tuple[str, str | None]:
    """Letter and digit of a grade such as "B2"; None for a digit that is left out.

    Raises
    ------
    InvalidValueError
        If it is no grade, or a digit alone.

    Examples
    --------
    >>> split_grade("B2"), split_grade("c-3"), split_grade("A")
    (('B', '2'), ('C', '3'), ('A', None))
    """
    text = grade.strip() if isinstance(grade, str) else short(grade)
    if text in ADMIRALTY.digits:
        raise InvalidValueError(
            f"must begin with the source's letter, got {text!r}; write F{text} if the source "
            "cannot be judged"
        )
    found = _GRADE.fullmatch(text)
    if found:
        letter, digit = found[1].upper(), found[2] or None
        if letter in ADMIRALTY.letters and (digit is None or digit in ADMIRALTY.digits):
            return letter, digit
    raise InvalidValueError(
        f"must be a letter A to F and a digit 1 to 6, such as B2, got {short(grade)}"
    )


# --- the field of a claim -----------------------------------------------------------------------


def as_credibility(value: GivenProbability) -> float | str | None:
    """Convert a number, a word or its range; a digit stays a text, for others decide its worth."""
    if isinstance(value, str) and value.strip() in ADMIRALTY.digits:
        return value.strip()
    return as_probability(value)


def check_credibility(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """Attrs validator: None, a digit or a number in [0, 1], after `as_credibility`."""
    field = attribute.name
    if isinstance(value, str):
        if value in ADMIRALTY.digits:
            return
        found = _GRADE.fullmatch(value.strip())
        if found and found[1].upper() in ADMIRALTY.letters:
            letter, digit = found[1].upper(), found[2]
            given = f" and credibility={digit!r}" if digit else ""
            fail(
                instance,
                field,
                f"must be a digit 1 to 6, a number or a word, got {value!r}; the letter is the "
                f"source's: give Source.graded(..., {letter!r}){given}",
                WrongTypeError,
            )
        if value.strip().isdigit():
            fail(instance, field, f"must be a grade 1 to 6, got {value!r}")
    if isinstance(value, float) and value in {2.0, 3.0, 4.0, 5.0, 6.0}:
        fail(
            instance,
            field,
            f"must lie in [0, 1], got {short(value)}; an Admiralty digit is a text, "
            f"credibility={short(value)!r}, in tables the column grade with its letter, such as "
            f"F{short(value)}",
        )
    check_probability(instance, attribute, cast("float | None", value))
