"""Hypothesis strategies for sources, statements and claims, for tests of programs that use them.

Needs hypothesis. Where hypothesis is installed, ``st.from_type(Claim)`` and ``st.builds`` know
these strategies without any import: they are registered through its entry point.

Examples
--------
>>> from hypothesis import given
>>> from reliability import strategies
>>> @given(strategies.claims(scale="log"))
... def test_my_program(claim):
...     assert claim.statement.to_dict()
>>> test_my_program()
"""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

import attrs

from reliability.claims.claim import Claim
from reliability.claims.sources import Source
from reliability.claims.statements import (
    STATEMENTS,
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
from reliability.errors import InvalidValueError, MissingExtraError
from reliability.scales import get_scale

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from reliability.scales import ScaleName

__all__ = ["claims", "sources", "statements"]

# Values are kept where every form exists: their rounding units and salient neighbours are floats,
# and ratios of two of them do not overflow.
_LARGEST = 1e12
_SMALLEST = 1e-12

#: Forms that say whether there is anything: `combine` takes them only with ``zero=``.
_PRESENCE = ("absent", "present")

_PROBABILITIES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)
_LEVELS = (0.5, 0.68, 0.8, 0.9, 0.95, 0.99)


def _hypothesis() -> Any:  # a module
    """Load ``hypothesis.strategies``, or say which extra to install."""
    try:
        import hypothesis.strategies  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(
            "reliability.strategies needs hypothesis; "
            "install it with: pip install 'source-reliability[test]'"
        ) from error
    return hypothesis.strategies


def _text() -> SearchStrategy[str]:
    """Non-empty text without surrogates, which JSON and files cannot hold."""
    st = _hypothesis()
    text: SearchStrategy[str] = st.text(
        st.characters(codec="utf-8"), min_size=1, max_size=20
    ).filter(str.strip)
    return text


def sources() -> SearchStrategy[Source]:
    """Sources with any combination of known and unknown fields, or an Admiralty grade.

    What is known is part of the name, so that sources that are drawn one by one never share a
    name and differ: `combine` would refuse their claims.

    Raises
    ------
    MissingExtraError
        If hypothesis is not installed.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(sources(), lambda source: source.interest == 1)
    Source('0 (interest=1)', interest=1)
    """
    st = _hypothesis()
    built: SearchStrategy[Source] = st.builds(
        Source,
        _text().filter(lambda text: "(" not in text),
        reliability=st.none() | st.floats(0.0, 1.0),
        evidence=st.none() | st.floats(0.1, 1000.0),
        bias=st.just(0.0) | st.floats(-2.0, 2.0),
        bias_sd=st.just(0.0) | st.floats(0.0, 2.0),
        overconfidence=st.just(1.0) | st.floats(0.1, 10.0),
        interest=st.sampled_from((-1, 0, 1)),
    )
    graded: SearchStrategy[Source] = st.builds(
        Source.graded, _text().filter(lambda text: "(" not in text), st.sampled_from("ABCDEF")
    )
    return (built | graded).map(_named_by_what_is_known)


def _named_by_what_is_known(source: Source) -> Source:
    known = [f"{field}={value!r}" for field, value in source.to_dict().items() if field != "name"]
    return attrs.evolve(source, name=f"{source.name} ({', '.join(known)})") if known else source


def _values(scale: ScaleName | None) -> SearchStrategy[float]:
    """Quantities that the scale admits, round ones more often than reports would have it."""
    st = _hypothesis()
    positive = st.floats(_SMALLEST, _LARGEST) | st.integers(1, 10**6).map(float)
    round_number = st.builds(
        lambda lead, power: float(f"{lead}e{power}"), st.integers(1, 99), st.integers(-6, 9)
    )
    share = st.floats(1e-6, 1.0 - 1e-6) | st.integers(1, 99).map(lambda percent: percent / 100)
    values: SearchStrategy[float]
    if scale == "logit":
        values = share
    elif scale == "log":
        values = positive | round_number | share
    else:
        magnitude = positive | round_number | share
        values = magnitude | magnitude.map(lambda value: -value)
    return values


def _increasing(scale: ScaleName | None, count: int) -> SearchStrategy[list[float]]:
    """Sorted distinct quantities."""
    st = _hypothesis()
    values: SearchStrategy[list[float]] = st.lists(
        _values(scale), min_size=count, max_size=count, unique=True
    ).map(sorted)
    return values


def _with_sd(scale: ScaleName | None) -> SearchStrategy[Estimate]:
    st = _hypothesis()
    built: SearchStrategy[Estimate] = st.builds(
        lambda value, relative: Estimate(value, sd=relative * abs(value)),
        _values(scale),
        st.floats(1e-4, 2.0),
    )
    return built


def _with_interval(scale: ScaleName | None) -> SearchStrategy[Estimate]:
    st = _hypothesis()
    built: SearchStrategy[Estimate] = st.builds(
        lambda ends, level: Estimate(ends[1], low=ends[0], high=ends[2], level=level),
        _increasing(scale, 3),
        st.sampled_from(_LEVELS),
    )
    return built


def _quantiles(scale: ScaleName | None) -> SearchStrategy[Quantiles]:
    st = _hypothesis()
    probabilities = st.lists(
        st.sampled_from(_PROBABILITIES), min_size=2, max_size=7, unique=True
    ).map(sorted)
    built: SearchStrategy[Quantiles] = probabilities.flatmap(
        lambda ps: _increasing(scale, len(ps)).map(
            lambda values: Quantiles(zip(ps, values, strict=True))
        )
    )
    return built


def _by_form(scale: ScaleName | None) -> dict[str, SearchStrategy[Any]]:
    """One strategy for each form of statement."""
    st = _hypothesis()
    values = _values(scale)
    excess = st.none() | st.floats(0.01, 5.0) | st.just(math.inf)
    return {
        "estimate": _with_sd(scale) | _with_interval(scale) | st.builds(Estimate, values),
        "range": _increasing(scale, 2).map(lambda ends: Range(*ends)),
        "quantiles": _quantiles(scale),
        "at_least": st.builds(AtLeast, values, excess=excess),
        "at_most": st.builds(AtMost, values, excess=excess),
        "about": st.builds(About, values),
        "absent": st.builds(Absent),
        "present": st.builds(Present),
    }


def statements(
    *, scale: ScaleName | None = None, forms: tuple[str, ...] | None = None
) -> SearchStrategy[Statement]:
    """Statements of every form that states a number, with numbers that the scale admits.

    Parameters
    ----------
    scale : "linear" for any number, "log" for positive ones, "logit" for shares between 0 and
        1; the default is "linear"
    forms : names of the forms to draw from, such as ("estimate", "at_least"); by default all but
        "absent" and "present", which `combine` takes only with ``zero=``

    Raises
    ------
    InvalidValueError
        If there is no such scale or form.
    MissingExtraError
        If hypothesis is not installed.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(statements(scale="log", forms=("at_least",)), lambda bound: bound.value > 100)
    AtLeast(101)
    """
    st = _hypothesis()
    if scale is not None:
        get_scale(scale)
    numbers = tuple(name for name in STATEMENTS if name not in _PRESENCE)
    names = numbers if forms is None else tuple(forms)
    for name in names:
        if name not in STATEMENTS:
            raise InvalidValueError(f"there is no form {name!r}; known: {', '.join(STATEMENTS)}")
    if not names:
        raise InvalidValueError("forms must not be empty; leave it out for all that state numbers")
    strategies = _by_form(scale)
    chosen: SearchStrategy[Statement] = st.one_of([strategies[name] for name in names])
    return chosen


def claims(
    *,
    scale: ScaleName | None = None,
    forms: tuple[str, ...] | None = None,
    quantity: str | None = None,
) -> SearchStrategy[Claim]:
    """Claims by any source.

    Parameters
    ----------
    scale, forms : as in `statements`; "log" gives claims of positive numbers, "logit" of shares
    quantity : name of the quantity of every claim; the default is none, so that the claims are
        about the same one

    Raises
    ------
    InvalidValueError
        If there is no such scale or form.
    MissingExtraError
        If hypothesis is not installed.

    Examples
    --------
    >>> from hypothesis import find
    >>> find(claims(quantity="losses"), lambda claim: claim.origin is not None).origin
    '0'
    """
    st = _hypothesis()
    built: SearchStrategy[Claim] = st.builds(
        Claim,
        sources(),
        statements(scale=scale, forms=forms),
        quantity=st.just(quantity),
        origin=st.none() | _text(),
        credibility=st.none() | st.floats(0.0, 1.0) | st.sampled_from("123456"),
        date=st.none() | st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)),
        note=st.none() | _text(),
        url=st.none() | st.just("https://example.org/report"),
    )
    return built


def _hypothesis_setup() -> None:
    """Register the strategies; hypothesis calls this through its entry point."""
    st = _hypothesis()
    st.register_type_strategy(Source, sources())
    st.register_type_strategy(Claim, claims())
    for name, cls in STATEMENTS.items():
        st.register_type_strategy(cls, statements(forms=(name,)))
