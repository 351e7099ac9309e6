"""Claims with something changed about a source, or without some of them: for "what if"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from reliability.claims._checks import check_keys, did_you_mean, short
from reliability.claims.claim import Claim
from reliability.claims.rows import origin_of
from reliability.claims.sources import Source
from reliability.errors import InvalidValueError, WrongTypeError

__all__ = ["Names", "positions_without", "with_source_changed"]

#: One name, a source, or several of them.
Names = str | Source | Iterable[str | Source]


def with_source_changed(
    claims: Sequence[Claim], name: str | Source, changes: Mapping[str, Any]
) -> list[Claim]:
    """Same claims with other assumptions about one of their sources.

    Parameters
    ----------
    claims : the claims
    name : the source
    changes : its new attributes, as `Source` takes them

    Raises
    ------
    ReliabilityError
        If no claim is of that source, or an attribute is unknown or impossible.

    Examples
    --------
    >>> claims = [Claim(Source("A", reliability=0.9), 5), Claim("B", 6)]
    >>> with_source_changed(claims, "A", {"reliability": 0.3})[0]
    Claim(Source('A', reliability=0.3), Estimate(5))
    """
    (name,) = _known(name, "source", [claim.source.name for claim in claims])
    if not changes:
        raise InvalidValueError(f"source {name!r}: say what is to change, such as reliability=0.3")
    fields = [field.name for field in attrs.fields(Source) if field.name != "name"]
    check_keys(f"source {name!r}", changes, fields)
    return [
        attrs.evolve(claim, source=attrs.evolve(claim.source, **changes))
        if claim.source.name == name
        else claim
        for claim in claims
    ]


def positions_without(
    claims: Sequence[Claim], source: Names | None, origin: Names | None
) -> list[int]:
    """Positions of the claims that are neither of these sources nor of these origins.

    Parameters
    ----------
    claims : the claims
    source : names of sources; None for none
    origin : names of origins; a claim without one has its source as its origin

    Raises
    ------
    ReliabilityError
        If there is no such source or origin, or no claim is left.

    Examples
    --------
    >>> positions_without([Claim("A", 5), Claim("B", 6), Claim("C", 7, origin="B")], None, "B")
    [0]
    """
    if source is None and origin is None:
        raise InvalidValueError("say what to leave out: source= or origin=")
    gone: set[tuple[str, str]] = set()
    of_claims = {
        "source": [claim.source.name for claim in claims],
        "origin": [origin_of(claim) for claim in claims],
    }
    for what, names in (("source", source), ("origin", origin)):
        if names is not None:
            gone |= {(what, name) for name in _known(names, what, of_claims[what])}
    kept = [
        i
        for i in range(len(claims))
        if not any((what, names[i]) in gone for what, names in of_claims.items())
    ]
    if not kept:
        raise InvalidValueError("every claim would be left out; nothing is left to combine")
    return kept


def _known(given: Names, what: str, known: Sequence[str]) -> list[str]:
    """Names that were given, each of which there is."""
    if isinstance(given, str | Source):
        given = [given]
    elif not isinstance(given, Iterable):
        raise WrongTypeError(f"{what} must be a name, or several, got {short(given)}")
    names = [one.name if isinstance(one, Source) else one for one in given]
    if not names:
        raise InvalidValueError(f"{what} is empty; name one, or leave it out")
    for name in names:
        if name not in known:
            hint = did_you_mean(str(name), dict.fromkeys(known))
            raise InvalidValueError(f"no claim has the {what} {short(name)}{hint}")
    return names
