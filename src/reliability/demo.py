"""The founding case: the number of North Korean soldiers in Russia.

The facts are those of one article: The New York Times, 23 October 2024, "U.S. Says North Korean
Troops Are in Russia to Aid Fight Against Ukraine".
"""

from __future__ import annotations

import textwrap

import attrs

from reliability.claims.claim import Claim
from reliability.claims.sources import Source
from reliability.combination import Combination, combine
from reliability.report import as_text, compare_text, digits_of

__all__ = ["founding_case", "shorter_examples", "tell"]

_DATE = "2024-10-23"
_WIDTH = 100

#: The reader's judgement, not a measurement: change them and see.
_US = Source("US officials", reliability=0.8)
_UKRAINE = Source("Ukraine", reliability=0.6)
_SOUTH_KOREA = Source("South Korea", reliability=0.7)

INDEPENDENT = "independent claims"
ONE_ORIGIN = "one shared origin"
INTERESTS = "one origin, with interests"


def _case(ukraine: Source, south_korea: Source, origin: str | None) -> list[Claim]:
    return [
        Claim(_US, "about 2,500", date=_DATE, note="dispatched to Russia"),
        Claim(ukraine, "more than 12,000", origin=origin, date=_DATE, note="in training"),
        Claim(south_korea, "more than 12,000", origin=origin, date=_DATE, note="in training"),
    ]


def founding_case() -> dict[str, list[Claim]]:
    """The claims of the article under three assumptions, by their names.

    Examples
    --------
    >>> list(founding_case())
    ['independent claims', 'one shared origin', 'one origin, with interests']
    >>> for claim in founding_case()["one shared origin"]:
    ...     print(f"{claim} ({claim.note})")
    US officials: about 2,500 (dispatched to Russia)
    Ukraine: at least 12,000 (in training)
    South Korea: at least 12,000 (in training)
    """
    origin = "Ukrainian and South Korean governments"
    return {
        INDEPENDENT: _case(_UKRAINE, _SOUTH_KOREA, None),
        ONE_ORIGIN: _case(_UKRAINE, _SOUTH_KOREA, origin),
        INTERESTS: _case(
            attrs.evolve(_UKRAINE, interest=+1), attrs.evolve(_SOUTH_KOREA, interest=+1), origin
        ),
    }


def shorter_examples() -> dict[str, list[Claim]]:
    """Other quantities of the same article, one claim each, by the quantity's name.

    Examples
    --------
    >>> for claims in shorter_examples().values():
    ...     print(claims[0])
    US officials: 25,000 to 30,000
    US officials: at least 600,000
    US officials: at least 1,000,000
    """
    return {
        "recruits a month": [Claim(_US, "25,000 to 30,000", date=_DATE)],
        "killed or wounded": [Claim(_US, "over 600,000", date=_DATE)],
        "artillery rounds": [Claim(_US, "more than a million", date=_DATE)],
    }


def _combine(claims: list[Claim]) -> Combination:
    """Result of claims about one quantity."""
    result = combine(claims, scale="log")
    assert isinstance(result, Combination)  # noqa: S101 - no claim names a quantity
    return result


def _with_reliability(claim: Claim, change: float) -> Claim:
    reliability = round((claim.source.reliability or 0.0) + change, 9)
    return attrs.evolve(claim, source=attrs.evolve(claim.source, reliability=reliability))


def _sensitivity(claims: list[Claim], step: float = 0.1) -> tuple[Combination, Combination]:
    """Results with the lowest and the highest estimate when one reliability changes by a step."""
    varied = [
        _combine(
            [
                _with_reliability(claim, change) if claim.source.name == name else claim
                for claim in claims
            ]
        )
        for name in dict.fromkeys(claim.source.name for claim in claims)
        for change in (-step, step)
    ]
    varied.sort(key=lambda result: result.estimate)
    return varied[0], varied[-1]


def _paragraph(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), _WIDTH)


def tell() -> str:
    """Text of the demonstration."""
    cases = founding_case()
    results = {name: _combine(claims) for name, claims in cases.items()}
    lowest, highest = _sensitivity(cases[ONE_ORIGIN])
    parts = [
        _paragraph(
            """How many North Korean soldiers are in Russia? On 23 October 2024 the New York Times
            reported ("U.S. Says North Korean Troops Are in Russia to Aid Fight Against Ukraine"):
            about 2,500 dispatched, say American officials; more than 12,000 in training, say the
            Ukrainian and South Korean governments. Russia denies it."""
        ),
        _paragraph(
            """The same claims under three assumptions. How probable it is that a source is sound
            is the reader's judgement; here: US officials 80%, South Korea 70%, Ukraine 60%."""
        ),
        compare_text(results),
        _paragraph(
            f"""Who repeats whom decides: two governments that repeat one report count once.
            Changing any one reliability by 0.1, with one shared origin, puts the best estimate
            between {digits_of(lowest).text(lowest.estimate)} and
            {digits_of(highest).text(highest.estimate)}."""
        ),
        f"In full, with {ONE_ORIGIN}:\n\n{as_text(results[ONE_ORIGIN])}",
        _paragraph(
            """What this does not settle: the two numbers may be about different things, soldiers
            dispatched and soldiers in training; then both can be right. Russia's denial is not
            among the claims: it names no number, and claims that there are none are not yet
            modelled."""
        ),
        "Shorter examples from the same article, each a single claim by US officials:",
        "\n".join(_short(name, claims) for name, claims in shorter_examples().items()),
        _paragraph(
            """One claim has nothing to be checked against: its interval is wide because it may be
            unsound, and then it may be wrong by any factor."""
        ),
    ]
    return "\n\n".join(parts)


def _short(name: str, claims: list[Claim]) -> str:
    result = _combine(claims)
    digits = digits_of(result)
    low, high = result.posterior.interval(0.5)
    far_low, far_high = result.posterior.interval(0.95)
    return (
        f"  {name}: {claims[0].statement}\n"
        f"    best estimate {digits.text(result.estimate)}; 50%: {digits.text(low)} to "
        f"{digits.text(high)}; 95%: {digits.text(far_low)} to {digits.text(far_high)}"
    )
