"""Claims that there is something, or nothing: the same likelihood wherever there is something.

    Present: L(0) = (1 - r) U,      L(x) = r + (1 - r) U
    Absent:  L(0) = r + (1 - r) U,  L(x) = (1 - r) U

U, the probability that the claim is made whatever the truth, is 1 where the source has an interest
in it (+1 in presence, -1 in absence) and 1/2 otherwise. Such claims move x only through the
reliability that they share with claims of numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns, Form
from reliability.engine.mixture import Constants, ReliabilityRule, log_mixture, reliability_rule
from reliability.priors import Beta

__all__ = ["exponents", "likelihoods", "log_known", "rule_beside", "split"]

Array = NDArray[np.float64]


def split(columns: Columns) -> tuple[Columns, Columns | None]:
    """Claims of numbers, and claims of presence alone (None if there are none).

    A quantity without claims of one kind has no rows there.
    """
    if columns.count and Form.PRESENCE not in columns.forms:
        return columns, None
    said = columns.form == Form.PRESENCE
    return columns.take_rows(~said), columns.take_rows(said)


def likelihoods(presence: Columns, *, zero: bool) -> tuple[Array, Array]:
    """Logs of S and U of claims of presence, where there is nothing or where there is something."""
    held = (presence.direction < 0.0) == zero
    wanted = presence.interest == presence.direction
    return np.where(held, 0.0, -np.inf), np.where(wanted, 0.0, -np.log(2.0))


def log_known(presence: Columns | None, *, zero: bool) -> Array | float:
    """Log likelihood of claims of presence whose reliability is known: (quantities,)."""
    if presence is None:
        return 0.0
    sound, unsound = likelihoods(presence, zero=zero)
    known = np.flatnonzero(~np.isnan(presence.reliability))
    logs = log_mixture(sound[known], unsound[known], presence.reliability[known])
    out = np.zeros(presence.quantities)
    np.add.at(out, presence.quantity[known], logs * presence.share[known])
    return out


def exponents(presence: Columns) -> Array:
    """All that the unknown reliability takes from claims of presence: (4, quantities).

    Sums of the shares of claims of absence and of presence, without and with an interest in them.
    """
    out = np.zeros((4, presence.quantities))
    unknown = np.isnan(presence.reliability)
    kind = 2 * (presence.direction > 0.0) + (presence.interest == presence.direction)
    np.add.at(out, (kind[unknown], presence.quantity[unknown]), presence.share[unknown])
    return out


def rule_beside(
    prior: Beta, numbers: Columns, presence: Columns | None, *, zero: bool = False
) -> tuple[ReliabilityRule, float]:
    """Rule over the unknown reliability of one quantity, and evidence of the presence it is of.

    The log evidence is that of the claims of presence of unknown reliability. The rule is that
    given the claims of presence, where there is something (or nothing: ``zero``), and has as many
    nodes as these and the claims of numbers together need.
    """
    shares = numbers.share[np.isnan(numbers.reliability)]
    if presence is None:
        return reliability_rule(prior, shares), 0.0
    unknown = np.isnan(presence.reliability)
    rule = reliability_rule(prior, np.concatenate([shares, presence.share[unknown]]))
    sound, unsound = likelihoods(presence, zero=zero)
    constants = Constants(sound[unknown], unsound[unknown], presence.share[unknown])
    return rule.beside(constants)
