"""Posteriors of any number of quantities, summarised: buckets, blocks, threads.

Quantities with equally many claims are solved together, in blocks that fit the cache; blocks are
independent of each other, so the answer does not depend on the threads, nor on the size of the
blocks but for rounding.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns
from reliability.engine.claim_results import soundness_of_dropped, weights_and_soundness
from reliability.engine.conflict import cochran, tail_of_cochran
from reliability.engine.inference import infer
from reliability.engine.leave_out import leave_origins_out
from reliability.engine.many import Part, infer_many
from reliability.engine.setup import Setup
from reliability.errors import ReliabilityError
from reliability.posterior import mean_and_variance
from reliability.shares import Shares

__all__ = ["ClaimSummaries", "Summaries", "claim_summaries", "summarise"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Claims in a block, and quantities in it at the most.
CLAIMS_AT_ONCE = 4096
MOST_AT_ONCE = 1024


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
    failures: dict[int, ReliabilityError]

    @classmethod
    def unknown(cls, count: int) -> Summaries:
        """Nothing known yet of any of so many quantities."""
        fields = {name: np.full(count, np.nan) for name in _FIELDS}
        return cls(failures={}, **fields)


_FIELDS = tuple(field.name for field in attrs.fields(Summaries) if field.name != "failures")


def summarise(
    columns: Columns,
    setup: Setup,
    level: float,
    *,
    threads: int | None = None,
    claims_at_once: int = CLAIMS_AT_ONCE,
    done: Callable[[int], None] | None = None,
) -> Summaries:
    """Summaries of the posteriors of many quantities.

    Parameters
    ----------
    columns : the claims that count, with shares; every quantity has some
    setup : everything else
    level : probability of the central interval
    threads : how many blocks are solved at a time; all processors by default
    claims_at_once : claims in a block
    done : called with the number of quantities of every finished block
    """
    count = columns.quantities
    out = Summaries.unknown(count)
    blocks = list(_blocks(np.diff(columns.starts), claims_at_once))

    def work(block: IntArray) -> tuple[IntArray, Summaries]:
        some = columns if len(block) == count else columns.take_quantities(block)
        return block, _summarise_block(some, setup, level)

    def keep(block: IntArray, found: Summaries) -> None:
        for name in _FIELDS:
            getattr(out, name)[block] = getattr(found, name)
        out.failures.update({int(block[q]): error for q, error in found.failures.items()})
        if done is not None:
            done(len(block))

    workers = min(threads or os.cpu_count() or 1, len(blocks))
    if workers <= 1:
        for block in blocks:
            keep(*work(block))
    else:
        with ThreadPoolExecutor(workers) as pool:
            for block, found in pool.map(work, blocks):
                keep(block, found)
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
    dependence: float,
    quantities: IntArray,
    *,
    threads: int | None = None,
) -> ClaimSummaries:
    """Weights, soundness and tail probabilities of the claims about some quantities.

    Parameters
    ----------
    columns : all rows
    shares : which of them count, and how much
    setup : everything else
    dependence : rho between origins
    quantities : those that have a posterior
    threads : quantities solved at a time; all processors by default
    """
    out = ClaimSummaries(*np.full((3, columns.count), np.nan))

    def work(quantity: int) -> None:
        rows = np.arange(columns.starts[quantity], columns.starts[quantity + 1])
        kept = rows[shares.kept[rows]]
        inference = infer(columns.take(kept), setup)
        both = weights_and_soundness(inference)
        out.weight[rows] = 0.0
        out.weight[kept], out.soundness[kept] = both.weight, both.soundness
        group = shares.group[kept]
        for left in leave_origins_out(inference, group, dependence):
            for member, tail in left.tail.items():
                out.tail[kept[member]] = tail
        for row in np.setdiff1d(rows, kept).tolist():
            out.soundness[row] = soundness_of_dropped(inference, columns.take(np.array([row])))

    workers = min(threads or os.cpu_count() or 1, max(len(quantities), 1))
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, quantities.tolist()))
    return out


def _blocks(sizes: IntArray, claims_at_once: int) -> Iterator[IntArray]:
    """Quantities with equally many claims, some at a time."""
    for size in np.unique(sizes).tolist():
        members = np.flatnonzero(sizes == size)
        step = min(max(claims_at_once // max(size, 1), 1), MOST_AT_ONCE)
        for begin in range(0, len(members), step):
            yield members[begin : begin + step]


def _summarise_block(columns: Columns, setup: Setup, level: float) -> Summaries:
    count = columns.quantities
    out = Summaries.unknown(count)
    out.conflict_p[:] = tail_of_cochran(*cochran(columns))
    parts, failures = infer_many(columns, setup)
    out.failures.update(failures)
    for part in parts:
        _summarise_part(part, setup, level, out)
    return out


def _summarise_part(part: Part, setup: Setup, level: float, out: Summaries) -> None:
    scale, posteriors, chosen = setup.scale, part.posteriors, part.quantities
    tail = 0.5 * (1.0 - level)
    lower = np.repeat([tail, 1.0 - tail], len(chosen))
    quantity = np.tile(np.arange(len(chosen)), 2)
    ends = posteriors.quantile(quantity, lower, lower[::-1]).reshape(2, -1)
    out.low[chosen], out.high[chosen] = scale.to_theta(np.clip(ends, part.low, part.high))
    medians = np.clip(posteriors.medians, part.low, part.high)
    out.estimate[chosen] = scale.to_theta(medians)
    orders = np.broadcast_to(part.existence.orders(scale), chosen.shape)
    about = posteriors.moments(scale, orders)
    mean, variance = mean_and_variance(
        scale, posteriors.medians, about, orders, scale.to_theta(part.low)
    )
    out.mean[chosen], out.sd[chosen] = mean, np.sqrt(variance)
    scatter = setup.scatter
    if part.proper_prior and (scatter is None or scatter.proper):
        out.log_evidence[chosen] = part.log_normaliser
    out.error[chosen] = part.error
