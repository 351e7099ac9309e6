"""Independence shares: what is one piece of evidence, said more than once.

Within an origin, identical statements collapse to the one of highest reliability; the m
distinct ones that remain get a share 1/m each. Between the G origins a dependence rho gives
``a = 1/(m (1 + (G - 1) rho))``. A claim that names no origin has its source as its origin.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.claim import Claim

__all__ = ["Shares", "share_out", "shares_of"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


@attrs.frozen(eq=False)
class Shares:
    """Which claims count, and how much.

    Parameters
    ----------
    active : indices of the claims that count
    group : origin of each active claim, 0..G-1
    share : independence share of each active claim
    dropped : for every claim, why it does not count, or None
    """

    active: IntArray
    group: IntArray
    share: Array
    dropped: tuple[str | None, ...]


def origin_of(claim: Claim) -> str:
    """The report, sensor or document behind a claim: its source's name where none is given."""
    return claim.origin if claim.origin is not None else claim.source.name


def shares_of(group: IntArray, dependence: float) -> Array:
    """Share of each claim from the origins' sizes and the dependence between origins."""
    sizes = np.bincount(group)
    origins = np.count_nonzero(sizes)
    return np.asarray(1.0 / (sizes[group] * (1.0 + (origins - 1) * dependence)))


def share_out(
    claims: Sequence[Claim],
    reliability: Sequence[float],
    silent: Sequence[bool],
    dependence: float,
) -> Shares:
    """Collapse repeats and give every other claim its share.

    Parameters
    ----------
    claims : all claims about one quantity
    reliability : probability that each is sound (the prior mean where it is unknown)
    silent : claims that say nothing at all, dropped first
    dependence : rho between origins
    """
    dropped: list[str | None] = [None] * len(claims)
    best: dict[tuple[str, object], int] = {}

    def rank(i: int) -> tuple[object, ...]:
        # Of equally reliable repeats the choice must not depend on the order of claims.
        source = claims[i].source
        return (
            -reliability[i],
            source.overconfidence,
            source.bias_sd,
            abs(source.bias),
            abs(source.interest),
            source.bias,
            source.interest,
            source.name,
        )

    for i, claim in enumerate(claims):
        if silent[i]:
            dropped[i] = "says nothing: reliability 0 and Void"
            continue
        key = (origin_of(claim), claim.statement)
        other = best.get(key)
        if other is None or rank(i) < rank(other):
            best[key] = i
    for i, claim in enumerate(claims):
        kept = best.get((origin_of(claim), claim.statement))
        if dropped[i] is None and kept is not None and kept != i:
            dropped[i] = f"repeats {claims[kept].source.name}"
    active = np.array(sorted(best.values()), dtype=np.int64)
    names = [origin_of(claims[i]) for i in active]
    numbers = {name: k for k, name in enumerate(dict.fromkeys(names))}
    group = np.array([numbers[name] for name in names], dtype=np.int64)
    share = shares_of(group, dependence) if len(active) else np.zeros(0)
    return Shares(active, group, share, tuple(dropped))
