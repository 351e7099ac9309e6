"""Results side by side: what was assumed in each, and what comes of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import attrs

from reliability.claims._checks import short
from reliability.claims.sources import Source
from reliability.combination import Combination
from reliability.errors import InvalidValueError, WrongTypeError
from reliability.models import Model
from reliability.pairs import PairDependence
from reliability.preparation import checked_level
from reliability.report import COMPARED_TEXTS, clean, compared, html_table, text_table

__all__ = ["Comparison", "compare", "difference"]

#: What `combine` returns.
Result: TypeAlias = Combination | Mapping[str, Combination]

#: What the first result is called where nobody names it.
FIRST = "as given"


@attrs.frozen(eq=False, repr=False)
class Comparison:
    """Results side by side, made by `compare`; prints as a table.

    Attributes
    ----------
    results : by quantity (None where none is named), the results by the names of what was assumed
    level : probability of the intervals
    """

    results: Mapping[str | None, Mapping[str, Combination]]
    level: float

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One record per result: quantity, name, n, estimate, mean, sd, low, high and change.

        ``change`` is the estimate minus the first result's, in the quantity's units.
        """
        found = []
        for quantity, by_name in self.results.items():
            first = next(iter(by_name.values()))
            for name, result in by_name.items():
                low, high = result.interval(self.level)
                found.append(
                    {
                        "quantity": quantity,
                        "name": name,
                        "n": len(result.claims),
                        "estimate": result.estimate,
                        "mean": result.posterior.mean(),
                        "sd": result.posterior.std(),
                        "low": low,
                        "high": high,
                        "change": result.estimate - first.estimate,
                    }
                )
        return found

    def to_dict(self) -> dict[str, list[Any]]:
        """The rows as columns, JSON-ready; numbers that do not exist are None."""
        rows = self.rows
        return {
            name: [
                None if isinstance(v := row[name], float) and not math.isfinite(v) else v
                for row in rows
            ]
            for name in rows[0]
        }

    def __repr__(self) -> str:
        """One line."""
        names = next(iter(self.results.values()))
        return f"Comparison({len(names)} results: {clean(', '.join(names))})"

    def __str__(self) -> str:
        """Table for readers, one for each quantity."""
        parts = []
        for quantity, by_name in self.results.items():
            title = clean(quantity or "")
            head = [title, "=" * len(title)] if title else []
            table = text_table(*compared(by_name, level=self.level), COMPARED_TEXTS)
            parts.append("\n".join([*head, *table]))
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        """Table for notebooks."""
        return "\n".join(
            html_table(
                *compared(by_name, level=self.level), COMPARED_TEXTS, title=clean(quantity or "")
            )
            for quantity, by_name in self.results.items()
        )


def compare(
    *results: Result, names: Iterable[str] | None = None, level: float = 0.95
) -> Comparison:
    """Set results side by side.

    Parameters
    ----------
    results : what `combine` returned, at least one; mappings quantity -> Combination are compared
        quantity by quantity
    names : what each is called; by default what differs from the first, such as
        "Ukraine: reliability=0.3"
    level : probability of the intervals

    Raises
    ------
    ReliabilityError
        If something is no result, names are not as many as results, or two are the same.

    Examples
    --------
    >>> from reliability import Source, combine, compare
    >>> result = combine([(Source("US", reliability=0.8), "about 2,500"),
    ...                   (Source("South Korea", reliability=0.7), "more than 12,000")],
    ...                  scale="log")
    >>> print(compare(result, result.with_source("US", reliability=0.5),
    ...               result.without(source="South Korea")))
    assumption           groups                     best estimate     95% interval  change
    -------------------  -------------------------  -------------  ---------------  ------
    as given             2,600 (74%), 12,400 (26%)          2,800  1,800 to 18,000
    US: reliability=0.5  2,600 (53%), 12,000 (47%)          4,300  1,800 to 21,000   × 1.5
    without South Korea                                     2,400   1,500 to 4,000  × 0.88
    """
    if not results:
        raise InvalidValueError("compare needs at least one result of combine()")
    level = checked_level(level)
    tables = [_by_quantity(number, result) for number, result in enumerate(results, start=1)]
    quantities = list(dict.fromkeys(quantity for table in tables for quantity in table))
    known = None if names is None else _checked_names(names, len(results))
    out: dict[str | None, dict[str, Combination]] = {}
    for quantity in quantities:
        there = [(i, table[quantity]) for i, table in enumerate(tables) if quantity in table]
        called: dict[str, Combination] = {}
        for i, result in there:
            name = _default_name(there[0][1], result) if known is None else known[i]
            called[_not_yet(name, called) if known is None else name] = result
        out[quantity] = called
    return Comparison(out, level)


def _by_quantity(number: int, result: object) -> Mapping[str | None, Combination]:
    if isinstance(result, Combination):
        return {result.quantity: result}
    if isinstance(result, Mapping) and result:
        for one in result.values():
            if not isinstance(one, Combination):
                break
        else:
            return result
    raise WrongTypeError(
        f"result {number} must be a Combination, or a mapping quantity -> Combination "
        f"(got {short(result)})"
    )


def _checked_names(names: object, count: int) -> list[str]:
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise WrongTypeError(f"names must be a list of texts (got {short(names)})")
    found = list(names)
    for name in found:
        if not isinstance(name, str):
            raise WrongTypeError(f"names must be texts (got {short(name)})")
    if len(found) != count:
        raise InvalidValueError(f"names: {len(found)} for {count} results; give one for each")
    twice = next((name for name in found if found.count(name) > 1), None)
    if twice is not None:
        raise InvalidValueError(f"names: {twice!r} is given twice; give each result its own")
    return found


def _not_yet(name: str, taken: Mapping[str, Any]) -> str:
    """The name, numbered if there is one already."""
    if name not in taken:
        return name
    return next(f"{name} ({k})" for k in range(2, len(taken) + 3) if f"{name} ({k})" not in taken)


def _default_name(first: Combination, result: Combination) -> str:
    return FIRST if result is first else difference(first, result) or "the same"


# --- what differs ---------------------------------------------------------------------------------


def difference(first: Combination, other: Combination) -> str:
    """What another result assumes that the first does not, in words; empty for nothing.

    Parameters
    ----------
    first, other : what `combine` returned

    Examples
    --------
    >>> from reliability import Source, combine
    >>> result = combine([(Source("A", reliability=0.9), 5), ("B", 6)])
    >>> difference(result, result.with_source("A", reliability=0.3, interest=+1))
    'A: reliability=0.3, interest=1'
    >>> difference(result, result.without(source="B").with_dependence(0.4))
    'without B; dependence=0.4'
    """
    parts = [*_sources(first, other), *_settings(first, other)]
    return "; ".join(parts)


def _sources(first: Combination, other: Combination) -> list[str]:
    was, now = (_named(result) for result in (first, other))
    gone, new = [n for n in was if n not in now], [n for n in now if n not in was]
    parts = [f"without {', '.join(gone)}"] if gone else []
    parts += [f"with {', '.join(new)}"] if new else []
    for name, source in now.items():
        changed = [] if name not in was else _fields(Source, was[name], source)
        if changed:
            parts.append(f"{name}: {', '.join(changed)}")
    same = was.keys() == now.keys()
    more = len(other.claims) - len(first.claims)
    if same and more:
        parts.append(f"{abs(more)} claim{'s'[: abs(more) != 1]} {'more' if more > 0 else 'fewer'}")
    elif same and [_said(entry) for entry in first.claims] != [_said(one) for one in other.claims]:
        parts.append("other claims")
    return parts


def _named(result: Combination) -> dict[str, Source]:
    return {entry.claim.source.name: entry.claim.source for entry in result.claims}


def _said(entry: Any) -> Any:
    """A claim apart from what is known of its source."""
    return attrs.evolve(entry.claim, source=Source(entry.claim.source.name))


def _settings(first: Combination, other: Combination) -> list[str]:
    parts = []
    if other.scale.name != first.scale.name:
        parts.append(f"scale={other.scale.name}")
    changed = _fields(Model, first.model, other.model)
    parts += changed
    if other.prior != first.prior and not any(one.startswith("prior=") for one in changed):
        parts.append(f"prior={short(other.prior)}")
    if other.dependence != first.dependence and not any(
        one.startswith("dependence=") for one in changed
    ):
        pairs = isinstance(other.dependence, PairDependence)
        parts.append(f"dependence={'by pairs' if pairs else short(other.dependence)}")
    return parts


def _fields(kind: type[Any], was: object, now: object) -> list[str]:
    return [
        f"{field.name}={short(getattr(now, field.name))}"
        for field in attrs.fields(kind)
        if getattr(was, field.name) != getattr(now, field.name)
    ]
