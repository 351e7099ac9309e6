"""Claims: one source making one statement about one quantity; and their JSON form."""

from __future__ import annotations

import datetime as dt
import json
import numbers
from collections.abc import Iterable, Mapping
from typing import Any, SupportsFloat, cast

import attrs
import numpy as np

from reliability.claims._checks import (
    at,
    check_keys,
    check_mapping,
    fail,
    short,
)
from reliability.claims.foreign import foreign_statement
from reliability.claims.phrases import read
from reliability.claims.sources import Source
from reliability.claims.statements import Estimate, Statement, statement_from_dict
from reliability.errors import InvalidValueError, ReliabilityError, WrongTypeError
from reliability.grades import as_credibility, check_credibility

__all__ = ["Claim", "as_date", "claims_from_json", "claims_to_json", "disagreement"]

_FORMAT = "reliability-claims"
_VERSION = 1


def _as_source(value: Source | str) -> Source:
    """A bare name is a source of unknown reliability."""
    return Source(value) if isinstance(value, str) else value


def _as_statement(value: Statement | SupportsFloat | str) -> Statement:
    """A bare number is an estimate, a text is read, uncertain numbers of others are taken."""
    if isinstance(value, str):
        return read(value)
    given: Any = value
    if isinstance(given, numbers.Number):  # a bool or a complex number is refused by Estimate
        return Estimate(cast("SupportsFloat", given))
    return foreign_statement(given) or cast("Statement", given)


def as_date(value: dt.date | str | None) -> dt.date | None:
    """Day of a date; text that is not a date passes unchanged, for the validator to refuse."""
    given: Any = value
    if isinstance(given, np.datetime64):
        given = given.astype("datetime64[D]").item()
    elif isinstance(given, str):
        try:
            given = dt.datetime.fromisoformat(given.strip())
        except ValueError:
            return cast("dt.date", given)
    return cast("dt.date", given.date() if isinstance(given, dt.datetime) else given)


def _check_text(instance: Claim, attribute: attrs.Attribute[Any], value: object) -> None:
    """Attrs validator: None or text that is not empty."""
    if value is None:
        return
    if not isinstance(value, str):
        fail(instance, attribute.name, f"must be text, got {short(value)}", WrongTypeError)
    if not value.strip():
        fail(instance, attribute.name, f"must not be empty, got {value!r}; leave it out instead")


@attrs.frozen(repr=False)
class Claim:
    """One source making one statement about one quantity.

    Parameters
    ----------
    source : a Source, or the name of one about which nothing more is known; where claims are
        combined a name stands for one source, so that all its claims must give the same Source
    statement : a statement, a number (a bare Estimate), a phrase such as "more than 12,000", a
        number of the packages uncertainties or gvar, or a frozen scipy distribution
    quantity : name of the quantity; may be left out when all claims are about the same one
    origin : the report, sensor or document behind the claim; claims that share an origin are
        one piece of evidence
    credibility : probability, in [0, 1], that this very claim is sound, given its source; an
        estimative word such as "probably" (:mod:`reliability.words`) or an Admiralty digit, the
        text "1" to "6" (:mod:`reliability.grades`); None if nothing is known beyond the source
    date : day of the claim; a datetime or an ISO text is converted
    note, url : for the reader

    Raises
    ------
    InvalidValueError
        If a value is impossible.
    WrongTypeError
        If a field has the wrong type.
    UnreadablePhraseError
        If the statement is a text that cannot be read without guessing.

    Examples
    --------
    >>> claim = Claim("Ukraine", "more than 12,000", origin="joint briefing", date="2024-10-24")
    >>> claim
    Claim(Source('Ukraine'), AtLeast(12000), origin='joint briefing', date='2024-10-24')
    >>> print(claim)
    Ukraine: at least 12,000
    """

    source: Source = attrs.field(converter=_as_source)
    statement: Statement = attrs.field(converter=_as_statement)
    quantity: str | None = attrs.field(default=None, validator=_check_text, kw_only=True)
    origin: str | None = attrs.field(default=None, validator=_check_text, kw_only=True)
    credibility: float | str | None = attrs.field(
        default=None, converter=as_credibility, validator=check_credibility, kw_only=True
    )
    date: dt.date | None = attrs.field(default=None, converter=as_date, kw_only=True)
    note: str | None = attrs.field(default=None, validator=_check_text, kw_only=True)
    url: str | None = attrs.field(default=None, validator=_check_text, kw_only=True)

    @source.validator
    def _check_source(self, _: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, Source):
            fail(
                self, "source", f"must be a Source or its name, got {short(value)}", WrongTypeError
            )

    @statement.validator
    def _check_statement(self, _: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, Statement):
            fail(
                self,
                "statement",
                f"must be a statement, a number or a phrase, got {short(value)}; "
                f"for example Estimate(2500, sd=300)",
                WrongTypeError,
            )

    @date.validator
    def _check_date(self, _: attrs.Attribute[Any], value: object) -> None:
        if value is None:
            return
        if isinstance(value, str):
            fail(self, "date", f"must be a day such as 2024-10-24, got {short(value)}")
        if not isinstance(value, dt.date) or value != value:  # noqa: PLR0124  # pandas' NaT
            fail(
                self,
                "date",
                f"must be a datetime.date or an ISO text, got {short(value)}",
                WrongTypeError,
            )

    def _given(self) -> dict[str, Any]:
        """Optional fields that were given, ready for JSON."""
        given = {
            name: getattr(self, name)
            for name in ("quantity", "origin", "credibility", "date", "note", "url")
            if getattr(self, name) is not None
        }
        if self.date is not None:
            given["date"] = self.date.isoformat()
        return given

    def to_dict(self) -> dict[str, Any]:
        """Fields that were given, ready for JSON; the source is inlined."""
        return {
            "source": self.source.to_dict(),
            "statement": self.statement.to_dict(),
        } | self._given()

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Claim:
        """Claim from the fields that `to_dict` gave; source and statement may be bare.

        Raises
        ------
        ReliabilityError
            Errors carry the path of the field, such as ``source.reliability``.

        Examples
        --------
        >>> Claim.from_dict({"source": {"name": "Ukraine"}, "statement": "more than 12,000"})
        Claim(Source('Ukraine'), AtLeast(12000))
        """
        given = dict(check_mapping("Claim", fields))
        check_keys("Claim", given, [field.name for field in attrs.fields(cls)])
        for name in ("source", "statement"):
            if name not in given:
                fail("Claim", name, "is missing")
        with at("source"):
            if isinstance(given["source"], Mapping):
                given["source"] = Source.from_dict(given["source"])
            given["source"] = _as_source(given["source"])
        with at("statement"):
            if isinstance(given["statement"], Mapping):
                given["statement"] = statement_from_dict(given["statement"])
            given["statement"] = _as_statement(given["statement"])
        return cls(**given)

    def __repr__(self) -> str:
        given = [
            f"{name}={value!r}" if isinstance(value, str) else f"{name}={short(value)}"
            for name, value in self._given().items()
        ]
        return f"Claim({', '.join([repr(self.source), repr(self.statement), *given])})"

    def __str__(self) -> str:
        return f"{self.source}: {self.statement}"


def disagreement(claims: Iterable[Claim]) -> tuple[int, int, str] | None:
    """Find two claims whose sources share a name and differ in an attribute.

    A difference in trust that nobody sees is the worst kind: a bare name says that nothing is
    known about the source, which is a difference too.

    Returns
    -------
    positions of the earlier and the later claim, and the attribute; None if there are none

    Examples
    --------
    >>> disagreement([Claim("Reuters", 5), Claim(Source("Reuters", reliability=0.8), 7)])
    (0, 1, 'reliability')
    """
    first: dict[str, tuple[int, Source]] = {}
    for index, claim in enumerate(claims):
        source = claim.source
        earlier, known = first.setdefault(source.name, (index, source))
        if known is source or known == source:
            continue
        for field in attrs.fields(Source):
            if getattr(known, field.name) != getattr(source, field.name):
                return earlier, index, field.name
    return None


def claims_to_json(claims: Iterable[Claim]) -> str:
    """Write claims as a JSON document that `claims_from_json` reads back exactly.

    Raises
    ------
    WrongTypeError
        If something in it is not a Claim.

    Examples
    --------
    >>> print(claims_to_json([Claim("Ukraine", "more than 12,000")]))
    {
      "reliability-claims": 1,
      "claims": [
        {
          "source": {
            "name": "Ukraine"
          },
          "statement": {
            "form": "at_least",
            "value": 12000.0
          }
        }
      ]
    }
    """
    records = []
    for index, claim in enumerate(claims):
        if not isinstance(claim, Claim):
            raise WrongTypeError(f"claims[{index}]: must be a Claim, got {short(claim)}")
        records.append(claim.to_dict())
    document = {_FORMAT: _VERSION, "claims": records}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)


def _refuse_constant(text: str) -> float:
    raise InvalidValueError(f"the JSON holds {text}, which is not a number; write excess as 'inf'")


def _load(text: str) -> object:
    if not isinstance(text, str | bytes):
        raise WrongTypeError(f"the JSON must be text, got {short(text)}")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ReliabilityError:
        raise
    except json.JSONDecodeError as error:
        raise InvalidValueError(f"the text is not JSON: {error}") from None
    except (ValueError, RecursionError) as error:  # digits or nesting beyond Python's limits
        raise InvalidValueError(f"the text cannot be read as JSON: {error}") from None


def claims_from_json(text: str) -> list[Claim]:
    """Read claims from the JSON document that `claims_to_json` wrote.

    Raises
    ------
    InvalidValueError
        If the text is not such a document, or a value is impossible; the message carries the
        path, such as ``claims[2].source.reliability``.
    WrongTypeError
        If a field has the wrong type.

    Examples
    --------
    >>> claims_from_json(claims_to_json([Claim("Ukraine", 12_000)]))
    [Claim(Source('Ukraine'), Estimate(12000))]
    """
    document = _load(text)
    if not isinstance(document, dict) or _FORMAT not in document:
        raise InvalidValueError(
            f'not a document of claims: it needs the field "{_FORMAT}": {_VERSION}'
        )
    version = document[_FORMAT]
    if version != _VERSION or isinstance(version, bool):
        raise InvalidValueError(
            f"{_FORMAT}: version {short(version)} is not known; this release reads {_VERSION}"
        )
    check_keys("document", document, [_FORMAT, "claims"])
    records = document.get("claims")
    if not isinstance(records, list):
        raise WrongTypeError(f"claims: must be a list of claims, got {short(records)}")
    claims = []
    for index, record in enumerate(records):
        with at(f"claims[{index}]"):
            claims.append(Claim.from_dict(record))
    return claims
