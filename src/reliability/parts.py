"""Parts and wholes: how quantities nest.

A part is a share of a whole, ``theta_part = phi * theta_whole`` with phi in (0, 1). Links form a
forest: a quantity is part of at most one whole, and never of itself by whatever way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from reliability.errors import InvalidValueError, WrongTypeError, short
from reliability.priors import Beta, is_finite

__all__ = [
    "Link",
    "Part",
    "Parts",
    "checked_links",
    "link_from_dict",
    "root_of",
    "trees",
]


def _name(instance: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    kind = type(instance).__name__
    if not isinstance(value, str):
        raise WrongTypeError(
            f"{kind}: {attribute.name} must be the name of a quantity (got {short(value)})"
        )
    if not value.strip():
        raise InvalidValueError(f"{kind}: {attribute.name} must not be empty (got {value!r})")


def _not_itself(kind: str, name: str, of: str) -> None:
    if name == of:
        raise InvalidValueError(f"{kind}: {name!r} cannot be part of itself; name its whole in of=")


@attrs.frozen
class Part:
    """One quantity is an uncertain share of another.

    Parameters
    ----------
    name : the part
    of : the whole
    share : prior on the share that the part is of the whole, ``Beta(a, b)``; ``Beta(1, 1)`` says
        nothing but that the part is no larger than the whole

    Several parts of one whole may overlap: each has a share of its own, whatever the others'. For
    parts that do not overlap see :class:`Parts`.

    Raises
    ------
    ReliabilityError
        If a name is none, part and whole are the same, or the share is not a Beta.

    Examples
    --------
    >>> from reliability.priors import Beta
    >>> Part("dispatched", of="pledged", share=Beta(1, 1))
    Part('dispatched', of='pledged', share=Beta(a=1, b=1))
    """

    name: str = attrs.field(validator=_name)
    of: str = attrs.field(validator=_name, kw_only=True)
    share: Beta = attrs.field(kw_only=True)

    @share.validator
    def _check_share(self, _: attrs.Attribute[Any], value: object) -> None:
        if isinstance(value, Beta):
            return
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if not 0.0 <= value <= 1.0:
                raise InvalidValueError(
                    f"Part {self.name!r}: share must lie between 0 and 1, for a part is no larger "
                    f"than its whole (got {short(value)}); give a prior on it, such as Beta(2, 5)"
                )
            raise WrongTypeError(
                f"Part {self.name!r}: share must be a prior on the share, not a number (got "
                f"{short(value)}); for a share known closely give a narrow one, such as "
                f"Beta({value * 1000:g}, {1000 - value * 1000:g})"
            )
        raise WrongTypeError(
            f"Part {self.name!r}: share must be a Beta on the share, such as Beta(1, 1) "
            f"(got {short(value)})"
        )

    def __attrs_post_init__(self) -> None:
        _not_itself("Part", self.name, self.of)

    @property
    def shares(self) -> dict[str, float]:
        """The part and its pseudo-count."""
        return {self.name: float(self.share.a)}

    @property
    def rest(self) -> float:
        """Pseudo-count of what is not the part."""
        return float(self.share.b)

    def to_dict(self) -> dict[str, Any]:
        """Fields, ready for JSON."""
        return {"part": self.name, "of": self.of, "share": [self.share.a, self.share.b]}

    def __repr__(self) -> str:
        return f"Part({self.name!r}, of={self.of!r}, share={self.share!r})"


def _as_counts(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else value


@attrs.frozen
class Parts:
    """Parts of one whole that do not overlap: their shares sum to one, or to at most one.

    The shares are Dirichlet with one pseudo-count per part, and one for what belongs to none of
    them where ``rest`` is given. A part's own share is then ``Beta(c, total - c)``, c its count.

    Parameters
    ----------
    shares : name of a part -> pseudo-count above 0
    of : the whole
    rest : pseudo-count of what belongs to none of the parts; None where they make up the whole

    Raises
    ------
    ReliabilityError
        If a name is none, a count is not above 0, or a single part would be the whole.

    Examples
    --------
    >>> Parts({"killed": 2, "wounded": 5}, of="casualties")
    Parts({'killed': 2, 'wounded': 5}, of='casualties', rest=None)
    """

    shares: Mapping[str, float] = attrs.field(converter=_as_counts, hash=False)
    of: str = attrs.field(validator=_name, kw_only=True)
    rest: float | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        given: object = self.shares
        if not isinstance(given, dict) or not given:
            raise WrongTypeError(
                "Parts: shares must be a mapping part -> pseudo-count, such as "
                f"{{'killed': 2, 'wounded': 5}} (got {short(given)})"
            )
        for name, count in given.items():
            if not isinstance(name, str) or not name.strip():
                raise WrongTypeError(
                    f"Parts: shares must name quantities (got {short(name)} as a name)"
                )
            _not_itself("Parts", name, self.of)
            _check_count(f"the pseudo-count of {name!r}", count)
        if self.rest is not None:
            _check_count("rest", self.rest)
        elif len(given) == 1:
            (name,) = given
            raise InvalidValueError(
                f"Parts: {name!r} alone would be all of {self.of!r}; give rest= for what belongs "
                "to no part, or use one name for both"
            )

    def to_dict(self) -> dict[str, Any]:
        """Fields, ready for JSON."""
        return {"parts": dict(self.shares), "of": self.of, "rest": self.rest}

    def __repr__(self) -> str:
        return f"Parts({self.shares!r}, of={self.of!r}, rest={self.rest!r})"


Link: TypeAlias = Part | Parts


def _check_count(what: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise WrongTypeError(f"Parts: {what} must be a number above 0 (got {short(value)})")
    if not (is_finite(value) and value > 0):
        raise InvalidValueError(f"Parts: {what} must be finite and above 0 (got {short(value)})")


def link_from_dict(data: object) -> Link:
    """Read back what ``to_dict`` of a link wrote.

    >>> from reliability.priors import Beta
    >>> link_from_dict(Part("a", of="b", share=Beta(1, 2)).to_dict())
    Part('a', of='b', share=Beta(a=1, b=2))
    """
    if isinstance(data, Mapping):
        if set(data) == {"part", "of", "share"}:
            share = data["share"]
            if isinstance(share, Sequence) and len(share) == 2:
                return Part(data["part"], of=data["of"], share=Beta(*share))
        elif set(data) == {"parts", "of", "rest"}:
            return Parts(data["parts"], of=data["of"], rest=data["rest"])
    raise InvalidValueError(
        "a link must be {'part': name, 'of': name, 'share': [a, b]} or {'parts': {name: count}, "
        f"'of': name, 'rest': count or None}} (got {short(data)})"
    )


def checked_links(links: Iterable[Link] | Link) -> tuple[Link, ...]:
    """Links that make a forest.

    Raises
    ------
    ReliabilityError
        Where something is no link, or a quantity has two wholes or is a part of itself.
    """
    given: object = links
    if isinstance(given, (Part, Parts)):
        return (given,)
    if isinstance(given, (str, Mapping)) or not isinstance(given, Iterable):
        raise WrongTypeError(f"links must be a list of Part or Parts (got {short(given)})")
    found: list[Link] = []
    wholes: dict[str, str] = {}
    for number, link in enumerate(given, start=1):
        if not isinstance(link, (Part, Parts)):
            raise WrongTypeError(
                f"link {number}: must be a Part or Parts, such as Part('killed', of='casualties', "
                f"share=Beta(2, 5)) (got {short(link)})"
            )
        for name in link.shares:
            if name in wholes:
                raise InvalidValueError(
                    f"link {number}: {name!r} is a part of {wholes[name]!r} already; a quantity "
                    "has one whole at the most"
                )
            wholes[name] = link.of
        found.append(link)
    _check_circles(wholes)
    return tuple(found)


def _check_circles(wholes: Mapping[str, str]) -> None:
    for name in wholes:
        path = [name]
        while path[-1] in wholes and path.count(path[-1]) == 1:
            path.append(wholes[path[-1]])
        if path.count(path[-1]) > 1:
            ring = " of ".join(repr(step) for step in path[path.index(path[-1]) :])
            raise InvalidValueError(f"links: {ring}: a quantity cannot be part of itself")


def root_of(name: str, links: Iterable[Link]) -> str:
    """The whole that a quantity is part of and that is no part itself.

    >>> from reliability.priors import Beta
    >>> chain = [Part("a", of="b", share=Beta(1, 1)), Part("b", of="c", share=Beta(1, 1))]
    >>> root_of("a", chain), root_of("d", chain)
    ('c', 'd')
    """
    wholes = {part: link.of for link in links for part in link.shares}
    while name in wholes:
        name = wholes[name]
    return name


def trees(links: Sequence[Link]) -> dict[str, list[Link]]:
    """Links of each tree, by its root, in an order that does not depend on the order given."""
    found: dict[str, list[Link]] = {}
    for link in sorted(links, key=lambda link: (link.of, sorted(link.shares))):
        found.setdefault(root_of(link.of, links), []).append(link)
    return found
