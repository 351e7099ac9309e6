"""Linked quantities: from parts and wholes as they are stated to splits, and to results."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from reliability.claims.claim import Claim
from reliability.claims.columns import Columns, Form
from reliability.engine.linked import LinkedQuantity, Split, solve_tree
from reliability.engine.setup import Setup
from reliability.errors import InvalidValueError, ReliabilityError, short
from reliability.foreign_priors import as_prior
from reliability.parts import Link, checked_links, link_from_dict, root_of, trees
from reliability.priors import Beta, QuantityPrior
from reliability.scales import Scale

__all__ = ["Forest", "Nesting", "forest_of", "links_from_dict", "priors_of", "solve_forest"]


@attrs.frozen(eq=False)
class Nesting:
    """How a quantity is linked with others, and how well its claims go with theirs.

    Attributes
    ----------
    of : the whole that it is part of, None if it is the root
    share : prior on its share of that whole, None for the root
    tail : probability, two-sided, of a difference as large as there is between what the claims
        about the quantity and its parts say of it and what all other claims and the prior do;
        small where the link does not fit. nan for the root, and where one of both is unbounded
    log_evidence : log probability of all claims of the tree, the same for all its quantities;
        None under improper priors

    The tail is that of a node split: with X drawn from what all others say and Y from the
    branch's own likelihood (under a prior that is flat in log theta), ``2 min(P(X < Y), P(X > Y))``
    (Presanis, Ohlssen, Spiegelhalter & De Angelis 2013, doi:10.1214/13-STS426).
    """

    of: str | None
    share: Beta | None
    tail: float
    log_evidence: float | None
    links: tuple[Link, ...] = attrs.field(repr=False)
    claims: tuple[Claim, ...] = attrs.field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The links and claims of the tree, ready for JSON."""
        return {
            "links": [link.to_dict() for link in self.links],
            "claims": [claim.to_dict() for claim in self.claims],
        }


def links_from_dict(data: object) -> tuple[tuple[Link, ...], list[Any]]:
    """Links and claims, as data, that :meth:`Nesting.to_dict` wrote; none of both from None."""
    if data is None:
        return (), []
    fields = data if isinstance(data, Mapping) else {}
    lists = [fields.get(name) for name in ("links", "claims")]
    if set(fields) != {"links", "claims"} or not all(isinstance(each, list) for each in lists):
        raise InvalidValueError(
            f"links must be {{'links': [...], 'claims': [...]}} or None (got {short(data)})"
        )
    return checked_links([link_from_dict(link) for link in fields["links"]]), fields["claims"]


@attrs.frozen(eq=False)
class Forest:
    """Links that are checked against the claims, and the quantities that these name."""

    links: tuple[Link, ...]
    quantities: tuple[str, ...]

    @property
    def roots(self) -> list[str]:
        """Quantities that are no part of another, linked or not."""
        return [name for name in self.quantities if self.root_of(name) == name]

    def root_of(self, name: str) -> str:
        """Root of the tree that a quantity belongs to."""
        return root_of(name, self.links)

    def whole_of(self, name: str) -> str:
        """What a part is part of."""
        return next(link.of for link in self.links if name in link.shares)

    def is_linked(self, name: str) -> bool:
        """Whether a quantity has a part or a whole."""
        return any(name == link.of or name in link.shares for link in self.links)


def forest_of(
    links: Iterable[Link] | Link, claimed: Sequence[str | None], scale: Scale
) -> Forest | None:
    """Check links against the claims; None if there are none.

    Parameters
    ----------
    links : as ``combine`` was given them
    claimed : the quantities that the claims name, in order
    scale : the quantities' scale

    Raises
    ------
    ReliabilityError
        Saying which link cannot be.
    """
    found = checked_links(links)
    if not found:
        return None
    if scale.name != "log":
        raise InvalidValueError(
            f"links need scale='log', on which a part's share is a shift (got scale="
            f"{scale.name!r}); linked quantities are positive magnitudes"
        )
    names = [name for name in claimed if name is not None]
    if not names:
        raise InvalidValueError(
            "links join quantities by name, but the claims name none; give every claim quantity=..."
        )
    quantities = dict.fromkeys(names)
    for root, own in trees(found).items():
        members = dict.fromkeys([root, *(n for link in own for n in (link.of, *link.shares))])
        if not any(name in quantities for name in members):
            raise InvalidValueError(
                f"links: no claim is about {_listed(members)}; the claims are about "
                f"{_listed(quantities)}. Check the spelling, or leave the links out"
            )
    for link in found:
        quantities |= dict.fromkeys([link.of, *link.shares])
    return Forest(found, tuple(quantities))


def _listed(names: Mapping[str, Any]) -> str:
    quoted = [repr(name) for name in names]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else quoted[0]


def solve_forest(
    forest: Forest,
    priors: Mapping[str | None, QuantityPrior],
    given: Mapping[str, tuple[Sequence[Claim], Columns, Setup]],
) -> dict[str, tuple[LinkedQuantity, Nesting]]:
    """Posteriors of all quantities that are linked.

    Parameters
    ----------
    forest : the links
    priors : of the roots
    given : claims of each linked quantity, their columns, and everything else about it
    """
    out: dict[str, tuple[LinkedQuantity, Nesting]] = {}
    for root, links in trees(forest.links).items():
        names = [name for name in given if forest.root_of(name) == root]
        _check_models(names, priors[root], given)
        splits = [split for link in links for split in _splits(link)]
        claims = tuple(claim for name in names for claim in given[name][0])
        solved = solve_tree(splits, root, priors[root], {name: given[name][1:] for name in names})
        wholes = {name: link for link in links for name in link.shares}
        for name, quantity in solved.items():
            link = wholes.get(name)
            out[name] = (
                quantity,
                Nesting(
                    None if link is None else link.of,
                    None if link is None else _share(link, name),
                    quantity.tail,
                    quantity.log_evidence,
                    tuple(links),
                    claims,
                ),
            )
    return out


def _check_models(
    names: Sequence[str],
    prior: QuantityPrior,
    given: Mapping[str, tuple[Sequence[Claim], Columns, Setup]],
) -> None:
    if prior.needs_hull:
        raise InvalidValueError(
            f"{prior!r} is made from the claims about one quantity and cannot be the prior of "
            f"linked ones ({_listed(dict.fromkeys(names))}); give another, such as "
            "prior=priors.LogUniform(low, high) or priors.LogNormal(median, sigma)"
        )
    if any(given[name][2].zero > 0.0 for name in names):
        raise InvalidValueError(
            "zero= is the probability that there is nothing of one quantity; what it would be for "
            "linked ones is not defined yet; leave it out"
        )
    if any(Form.PRESENCE in given[name][1].forms for name in names):
        raise InvalidValueError(
            "claims that there is something, or nothing, need zero=, which linked quantities do "
            "not take yet; leave these claims out"
        )
    if any(given[name][2].shared > 0.0 for name in names):
        raise InvalidValueError(
            "Model: shared is a bias common to all claims about one quantity; what it would be "
            "across linked quantities is not defined; use shared=0"
        )


def _share(link: Link, name: str) -> Beta:
    """Prior on the share of one part of a link."""
    count = link.shares[name]
    others = sum(value for other, value in link.shares.items() if other != name)
    return Beta(count, others + (link.rest or 0.0))


def _splits(link: Link) -> list[Split]:
    """A Dirichlet as a tree of Beta splits.

    By its aggregation property a part of the shares, summed, is again Beta, and what it is made
    of Dirichlet, independently.
    """
    names = sorted(link.shares)
    joint = names[0] if len(names) == 1 else tuple(names)
    if link.rest is None:
        return _divided(link, link.of, names)
    together = Split(link.of, joint, None, Beta(_total(link, names), link.rest))
    return [together, *_divided(link, joint, names)]


def _divided(link: Link, whole: Hashable, names: Sequence[str]) -> list[Split]:
    if len(names) < 2:
        return []
    middle = len(names) // 2
    sides = names[:middle], names[middle:]
    keys = [side[0] if len(side) == 1 else tuple(side) for side in sides]
    share = Beta(*(_total(link, side) for side in sides))
    rest = [
        split for key, side in zip(keys, sides, strict=True) for split in _divided(link, key, side)
    ]
    return [Split(whole, keys[0], keys[1], share), *rest]


def _total(link: Link, names: Sequence[str]) -> float:
    return float(sum(link.shares[name] for name in names))


def priors_of(
    prior: object, default: QuantityPrior, roots: Sequence[str | None], forest: Forest | None
) -> dict[str | None, QuantityPrior]:
    """Prior of every quantity that is no part of another.

    Parameters
    ----------
    prior : one for all of them, or a mapping quantity -> prior, or None
    default : where none is given
    roots : these quantities; None where the only one has no name
    forest : the links, if there are any

    Raises
    ------
    ReliabilityError
        If something is no prior, or is given for a part or for no quantity that there is.
    """
    if prior is None:
        return dict.fromkeys(roots, default)
    if not isinstance(prior, Mapping):
        return dict.fromkeys(roots, as_prior(prior))
    found: dict[str | None, QuantityPrior] = {}
    named = dict.fromkeys(name for name in roots if name is not None)
    for name, value in prior.items():
        if forest is not None and name in forest.quantities and name not in named:
            raise InvalidValueError(
                f"prior: {name!r} is a part of {forest.whole_of(name)!r}: its prior is that of "
                f"its whole times its share; give one for {forest.root_of(name)!r}, or change "
                "the share"
            )
        if name not in named:
            known = f"there are {_listed(named)}" if named else "the claims name none"
            raise InvalidValueError(f"prior: no quantity is called {short(name)}; {known}")
        try:
            found[name] = as_prior(value)
        except ReliabilityError as error:
            raise error.located(f"prior of {name!r}") from None
    return {name: found.get(name, default) for name in roots}
