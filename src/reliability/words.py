"""Estimative words: what "likely" or "almost certainly" says in numbers, by published scales.

The ranges are published; that a word alone stands for the middle of its range is an assumption of
this library, but for Kent's words, whose middles are published too. Terms are the same in lower
and upper case.

Examples
--------
>>> from reliability.words import ICD_203, PHIA, probability
>>> ICD_203["likely"], PHIA["likely"]
(Chance(low=0.55, high=0.8), Chance(low=0.55, high=0.75))
>>> round(probability("likely"), 3), round(probability("PHIA: likely"), 3)
(0.675, 0.65)

Where a house means something else by a word, a scale is made over; the old one stays as it is:

>>> ours = PHIA.replace({"realistic possibility": (0.2, 0.5)})
>>> ours["realistic possibility"].middle
0.35
>>> from reliability import Source
>>> Source("Ukraine", reliability=ours["realistic possibility"])
Source('Ukraine', reliability=0.35)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, SupportsFloat, TypeAlias, cast

import attrs

from reliability.claims._checks import (
    as_float,
    as_optional_float,
    check_optional_share,
    did_you_mean,
    fail,
    short,
)
from reliability.errors import InvalidValueError, WrongTypeError

__all__ = [
    "ICD_203",
    "IPCC",
    "KENT",
    "PHIA",
    "SCALES_OF_WORDS",
    "Chance",
    "UnknownWordError",
    "WordScale",
    "chance",
    "probability",
]


@attrs.frozen(repr=False)
class Chance:
    """The range of probability that a word stands for.

    Parameters
    ----------
    low, high : ends of the range, in [0, 1]
    point : the probability in it that was published as the word's own; None if none was

    Raises
    ------
    ReliabilityError
        If they are no probabilities, or not in order.

    Examples
    --------
    >>> Chance(0.55, 0.8).middle
    0.675
    """

    low: float = attrs.field(converter=as_float, validator=check_optional_share)
    high: float = attrs.field(converter=as_float, validator=check_optional_share)
    point: float | None = attrs.field(
        default=None, converter=as_optional_float, validator=check_optional_share
    )

    def __attrs_post_init__(self) -> None:
        if self.low > self.high:
            fail(self, "low", f"is {short(self.low)}, above high={short(self.high)}; swap them")
        if self.point is not None and not self.low <= self.point <= self.high:
            fail(self, "point", f"must lie between low and high, got {short(self.point)}")

    @property
    def middle(self) -> float:
        """The published point, else half-way between the ends."""
        if self.point is not None:
            return self.point
        return round(0.5 * (self.low + self.high), 12)  # ends are decimals, and so is this

    def __repr__(self) -> str:
        point = "" if self.point is None else f", point={short(self.point)}"
        return f"Chance(low={short(self.low)}, high={short(self.high)}{point})"

    def __str__(self) -> str:
        if self.low == self.high:
            return f"{100.0 * self.low:g}%"
        return f"{100.0 * self.low:g}% to {100.0 * self.high:g}%"


def _plain(term: str) -> str:
    return " ".join(term.replace("-", " ").lower().split())


def _as_chance(term: str, given: Chance | tuple[float, ...]) -> Chance:
    if isinstance(given, Chance):
        return given
    pair: object = given
    if isinstance(pair, tuple) and len(pair) in {2, 3}:
        return Chance(*pair)
    raise WrongTypeError(f"word {term!r}: give a pair (low, high), got {short(given)}")


def _terms(given: Mapping[str, Chance | tuple[float, ...]]) -> Mapping[str, Chance]:
    return MappingProxyType({_plain(term): _as_chance(term, one) for term, one in given.items()})


@attrs.frozen(repr=False, eq=False)
class WordScale(Mapping[str, Chance]):
    """A scale of estimative words: term -> `Chance`.

    Parameters
    ----------
    name : how it is called in front of a word, as in "PHIA: likely"
    source : where its numbers are published
    terms : the range of each term

    Examples
    --------
    >>> "almost certain" in KENT, KENT["almost certain"].middle
    (True, 0.93)
    >>> KENT["allmost certain"]
    Traceback (most recent call last):
    ...
    reliability.words.UnknownWordError: Kent has no word 'allmost certain'; did you mean 'almost
    certain'?
    """

    name: str
    source: str
    terms: Mapping[str, Chance] = attrs.field(converter=_terms)

    def __getitem__(self, term: str) -> Chance:
        found = self.terms.get(_plain(term)) if isinstance(term, str) else None
        if found is None:
            hint = did_you_mean(_plain(str(term)), self.terms)
            raise UnknownWordError(f"{self.name} has no word {short(term)}{hint}")
        return found

    def __contains__(self, term: object) -> bool:
        return isinstance(term, str) and _plain(term) in self.terms

    def __iter__(self) -> Iterator[str]:
        return iter(self.terms)

    def __len__(self) -> int:
        return len(self.terms)

    def replace(self, terms: Mapping[str, Chance | tuple[float, ...]]) -> WordScale:
        """Return the same scale with other ranges for some words, or more words.

        Parameters
        ----------
        terms : for each word a `Chance`, or a pair (low, high)
        """
        return WordScale(f"{self.name} (changed)", self.source, {**self.terms, **terms})

    def __reduce__(self) -> tuple[Any, ...]:  # a read-only view cannot be pickled
        return WordScale, (self.name, self.source, dict(self.terms))

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self)} words>"

    def __str__(self) -> str:
        width = max(map(len, self.terms), default=0)
        lines = [f"{term:{width}}  {given}" for term, given in self.terms.items()]
        return "\n".join([f"{self.name} ({self.source})", *lines])


class UnknownWordError(InvalidValueError, KeyError):
    """No such word; a KeyError too, as a mapping's users expect."""

    def __str__(self) -> str:  # KeyError's would be a repr
        return str(self.args[0])


#: Published ranges; US analytic standards, 2015. The ends of neighbouring ranges meet.
ICD_203 = WordScale(
    "ICD 203",
    "US Office of the Director of National Intelligence, Intelligence Community Directive 203, "
    "Analytic Standards (2 January 2015)",
    {
        "almost no chance": (0.01, 0.05),
        "remote": (0.01, 0.05),
        "very unlikely": (0.05, 0.2),
        "highly improbable": (0.05, 0.2),
        "unlikely": (0.2, 0.45),
        "improbable": (0.2, 0.45),
        "improbably": (0.2, 0.45),
        "roughly even chance": (0.45, 0.55),
        "roughly even odds": (0.45, 0.55),
        "likely": (0.55, 0.8),
        "probable": (0.55, 0.8),
        "probably": (0.55, 0.8),
        "very likely": (0.8, 0.95),
        "highly probable": (0.8, 0.95),
        "almost certain": (0.95, 0.99),
        "almost certainly": (0.95, 0.99),
        "nearly certain": (0.95, 0.99),
    },
)

#: Published ranges; the gaps between them are deliberate.
PHIA = WordScale(
    "PHIA",
    "UK Professional Head of Intelligence Assessment, probability yardstick",
    {
        "remote chance": (0.0, 0.05),
        "highly unlikely": (0.1, 0.2),
        "unlikely": (0.25, 0.35),
        "realistic possibility": (0.4, 0.5),
        "likely": (0.55, 0.75),
        "probable": (0.55, 0.75),
        "probably": (0.55, 0.75),
        "highly likely": (0.8, 0.9),
        "almost certain": (0.95, 1.0),
        "almost certainly": (0.95, 1.0),
    },
)

#: Published points, with "give or take" so much.
KENT = WordScale(
    "Kent",
    "Sherman Kent, Words of Estimative Probability, Studies in Intelligence (1964)",
    {
        "certain": (1.0, 1.0, 1.0),
        "almost certain": (0.87, 0.99, 0.93),
        "almost certainly": (0.87, 0.99, 0.93),
        "probable": (0.63, 0.87, 0.75),
        "probably": (0.63, 0.87, 0.75),
        "chances about even": (0.4, 0.6, 0.5),
        "probably not": (0.2, 0.4, 0.3),
        "almost certainly not": (0.02, 0.12, 0.07),
        "impossible": (0.0, 0.0, 0.0),
    },
)

#: Published ranges of likelihood.
IPCC = WordScale(
    "IPCC",
    "Intergovernmental Panel on Climate Change, Fourth Assessment Report, Working Group II (2007)",
    {
        "virtually certain": (0.99, 1.0),
        "very likely": (0.9, 0.99),
        "likely": (0.66, 0.9),
        "about as likely as not": (0.33, 0.66),
        "unlikely": (0.1, 0.33),
        "very unlikely": (0.01, 0.1),
        "exceptionally unlikely": (0.0, 0.01),
    },
)

#: The scales, in the order in which a word without a scale's name is looked for.
SCALES_OF_WORDS = (ICD_203, PHIA, KENT, IPCC)


def chance(text: str) -> Chance:
    """What an estimative word says.

    A word alone is looked for in ICD 203, then in PHIA's yardstick, Kent's list and the IPCC's
    scale; the first that has it counts. "PHIA: likely" names the scale.

    Parameters
    ----------
    text : a word, or a scale and a word with a colon between

    Raises
    ------
    InvalidValueError
        If the scale or the word is unknown.

    Examples
    --------
    >>> chance("probably"), chance("Kent: probably"), chance("realistic possibility")
    (Chance(low=0.55, high=0.8), Chance(low=0.63, high=0.87, point=0.75), Chance(low=0.4, high=0.5))
    """
    named, colon, term = text.partition(":")
    if colon:
        by_name = {_plain(scale.name): scale for scale in SCALES_OF_WORDS}
        scale = by_name.get(_plain(named))
        if scale is None:
            names = ", ".join(scale.name for scale in SCALES_OF_WORDS)
            raise InvalidValueError(f"there is no scale of words {named.strip()!r}; known: {names}")
        return scale[term.strip()]
    for scale in SCALES_OF_WORDS:
        if text in scale:
            return scale[text]
    raise UnknownWordError(f"there is no estimative word {short(text)}{_nearest(text)}")


def _nearest(text: str) -> str:
    """Say the nearest word there is, if one is near."""
    every = dict.fromkeys(term for scale in SCALES_OF_WORDS for term in scale)
    hint = did_you_mean(_plain(text), every)
    return hint if "did you mean" in hint else ""


def probability(text: str) -> float:
    """Probability that a word stands for: the middle of its range.

    Parameters
    ----------
    text : as for `chance`

    Raises
    ------
    InvalidValueError
        If the word is unknown.

    Examples
    --------
    >>> probability("very likely"), round(probability("IPCC: very likely"), 3)
    (0.875, 0.945)
    """
    return chance(text).middle


# --- fields that take a probability or a word ---------------------------------------------------

_REMEDY = "; give a number, or an estimative word such as 'likely'"

#: What a field takes that is a probability.
GivenProbability: TypeAlias = SupportsFloat | str | Chance | None


def as_probability(value: GivenProbability) -> float | None:
    """Convert a number, a word or its range; a text that is none passes, for the validator."""
    if isinstance(value, Chance):
        return value.middle
    if isinstance(value, str):
        try:
            return probability(value)
        except InvalidValueError:
            return cast("float", value)
    return as_optional_float(value)


def check_probability(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """Attrs validator: None or a number in [0, 1], after `as_probability`."""
    if isinstance(value, str):
        fail(instance, attribute.name, no_probability(value), WrongTypeError)
    check_optional_share(instance, attribute, cast("float | None", value))


def no_probability(text: str) -> str:
    """Why a text is neither a number nor a word for one."""
    reason = f"must be a number, got {short(text)}"
    if ":" in text:
        try:
            chance(text)
        except InvalidValueError as error:
            return f"{reason}; {error}"
    if re.fullmatch("[A-Fa-f]", text.strip()):
        return (
            f"{reason}; a source's grade is given by Source.graded(name, {text.strip().upper()!r})"
        )
    return f"{reason}{_nearest(text) or _REMEDY}"
