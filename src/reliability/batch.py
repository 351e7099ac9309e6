"""Posteriors of any number of quantities, summarised: in buckets and blocks.

Quantities with equally many numbers are solved together, in blocks that fit the cache; blocks are
independent of each other, so the answer does not depend on their size but for rounding.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns
from reliability.engine.atom import moments_with_atom, place_of_zero, quantile_with_atom
from reliability.engine.claim_results import soundness_of_dropped, weights_and_soundness
from reliability.engine.conflict import cochran, tail_of_cochran
from reliability.engine.inference import infer
from reliability.engine.leave_out import leave_origins_out
from reliability.engine.many import Part, infer_many
from reliability.engine.presence import split
from reliability.engine.setup import Setup
from reliability.errors import ReliabilityError
from reliability.posterior import mean_and_variance
from reliability.scales import Scale
from reliability.shares import Shares

__all__ = ["ClaimSummaries", "Summaries", "claim_summaries", "summarise"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Claims in a block; of sound normal claims more: without scatter they fit the cache, with one
#: they are shared out further on.
CLAIMS_AT_ONCE = 4096
NORMAL_CLAIMS_AT_ONCE = 1 << 14
LIGHT_CLAIMS_AT_ONCE = 1 << 15


@attrs.frozen(eq=False)
class Summaries:
    """What to report of each quantity, (quantities,) each; see ``combine_many``.

    ``failures`` are the reasons of those that have no posterior; their entries are nan.
    """

    estimate: Array
    mean: Array
    sd: Array
    low: Array
    high: Array
    conflict_p: Array
    log_evidence: Array
    error: Array
    zero: Array
    failures: dict[int, ReliabilityError]

    @classmethod
    def unknown(cls, count: int) -> Summaries:
        """Nothing known yet of any of so many quantities."""
        fields = {name: np.full(count, np.nan) for name in _FIELDS}
        return cls(failures={}, **fields)

    def put(self, quantities: slice | IntArray, found: Summaries) -> None:
        """Fill in what was found of some of the quantities."""
        for name in _FIELDS:
            getattr(self, name)[quantities] = getattr(found, name)
        if found.failures:
            number = np.arange(len(self.estimate))[quantities]
            self.failures.update({int(number[q]): error for q, error in found.failures.items()})


_FIELDS = tuple(field.name for field in attrs.fields(Summaries) if field.name != "failures")


def summarise(
    columns: Columns,
    setup: Setup,
    level: float,
    *,
    claims_at_once: int = CLAIMS_AT_ONCE,
) -> Summaries:
    """Summaries of the posteriors of many quantities.

    Parameters
    ----------
    columns : the claims that count, with shares; every quantity has some
    setup : everything else
    level : probability of the central interval
    claims_at_once : claims in a block
    """
    out = Summaries.unknown(columns.quantities)
    if columns.plain and np.all(columns.reliability == 1.0):
        # The closed form needs one node, or next to none.
        most = LIGHT_CLAIMS_AT_ONCE if setup.scatter is None else NORMAL_CLAIMS_AT_ONCE
        claims_at_once = max(claims_at_once, most)
    for block, some in _blocks(columns, claims_at_once):
        out.put(block, _summarise_block(some, setup, level))
    return out


@attrs.frozen(eq=False)
class ClaimSummaries:
    """What became of each row, (rows,) each; nan for rows that were left out."""

    weight: Array
    soundness: Array
    tail: Array


def claim_summaries(
    columns: Columns,
    shares: Shares,
    setup: Setup,
    quantities: IntArray,
) -> ClaimSummaries:
    """Weights, soundness and tail probabilities of the claims about some quantities.

    Parameters
    ----------
    columns : all rows
    shares : which of them count, and how much
    setup : everything else
    quantities : those that have a posterior
    """
    out = ClaimSummaries(*np.full((3, columns.count), np.nan))
    for quantity in quantities.tolist():
        rows = np.arange(columns.starts[quantity], columns.starts[quantity + 1])
        kept = rows[shares.kept[rows]]
        inference = infer(columns.take(kept), setup)
        both = weights_and_soundness(inference)
        out.weight[rows] = 0.0
        out.weight[kept], out.soundness[kept] = both.weight, both.soundness
        between = shares.between_origins(kept)
        for left in leave_origins_out(inference, shares.group[kept], between):
            for member, tail in left.tail.items():
                out.tail[kept[member]] = tail
        for row in np.setdiff1d(rows, kept).tolist():
            out.soundness[row] = soundness_of_dropped(inference, columns.take(np.array([row])))
    return out


def _blocks(columns: Columns, claims_at_once: int) -> Iterator[tuple[slice | IntArray, Columns]]:
    """Quantities with equally many numbers, some at a time; in order and as views if all are so."""
    # Claims of presence take next to no work.
    sizes = split(columns)[0].sizes
    for size in np.unique(sizes).tolist():
        step = max(claims_at_once // max(size, 1), 1)
        alike = bool(np.all(sizes == size))
        members = np.arange(len(sizes)) if alike else np.flatnonzero(sizes == size)
        for begin in range(0, len(members), step):
            if alike:
                block = slice(begin, min(begin + step, len(sizes)))
                yield block, columns.between(block.start, block.stop)
            else:
                some = members[begin : begin + step]
                yield some, columns.take_quantities(some)


def _summarise_block(columns: Columns, setup: Setup, level: float) -> Summaries:
    count = columns.quantities
    out = Summaries.unknown(count)
    out.conflict_p[:] = tail_of_cochran(*cochran(columns))
    try:
        parts, failures = infer_many(columns, setup)
    except ReliabilityError as error:
        # The reason may be one quantity alone.
        if count == 1:
            out.failures[0] = error
            return out
        for q in range(count):
            own = _summarise_block(columns.take_quantities(np.array([q])), setup, level)
            out.put(np.array([q]), own)
        return out
    out.failures.update(failures)
    for part in parts:
        _summarise_part(part, setup, level, out)
    return out


def _summarise_part(part: Part, setup: Setup, level: float, out: Summaries) -> None:
    scale, posteriors, chosen = setup.scale, part.posteriors, part.quantities
    tail = 0.5 * (1.0 - level)
    out.low[chosen], out.high[chosen] = scale.to_theta(_quantiles(part, scale, [tail, 1.0 - tail]))
    if part.zero.any():
        (medians,) = _quantiles(part, scale, [0.5])
    else:
        medians = np.clip(posteriors.medians, part.low, part.high)
    out.estimate[chosen] = scale.to_theta(medians)
    orders = np.broadcast_to(part.existence.orders(scale), chosen.shape)
    about = posteriors.moments(scale, orders)
    mean, variance = mean_and_variance(
        scale, posteriors.medians, about, orders, scale.to_theta(part.low)
    )
    if part.zero.any():
        mean, variance = moments_with_atom(mean, variance, part.zero)
    out.mean[chosen], out.sd[chosen] = mean, np.sqrt(variance)
    out.zero[chosen] = part.zero
    scatter = setup.scatter
    if part.proper_prior and (scatter is None or scatter.proper):
        out.log_evidence[chosen] = part.log_evidence
    out.error[chosen] = part.error


def _quantiles(part: Part, scale: Scale, probabilities: list[float]) -> Array:
    """Quantiles on x, at probabilities that lie symmetrically: (probabilities, quantities)."""
    shape = len(probabilities), len(part.quantities)
    quantity = np.tile(np.arange(shape[1]), shape[0])
    low, high = (np.tile(ends, shape[0]) for ends in (part.low, part.high))

    def quantile(lower: Array, upper: Array) -> Array:
        return np.clip(part.posteriors.quantile(quantity, lower, upper), low, high)

    lower = np.repeat(probabilities, shape[1])
    zero, place = np.tile(part.zero, shape[0]), place_of_zero(scale)
    return quantile_with_atom(quantile, lower, lower[::-1], zero, place).reshape(shape)
