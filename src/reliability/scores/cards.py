"""scorecard: a table of forecasts and a table of truths in, a table of scores by source out.

What a row states becomes a distribution of x, the quantity on its scale, by the likelihood that
it has in ``combine`` if it is sound, under a flat prior. All scores are of x: on the log scale of
the logarithm, so that errors of a factor of two count alike for small and for large quantities
(Bosse et al. 2023, doi:10.1371/journal.pcbi.1011393).
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns, Form, columns_from_rows
from reliability.models import Model
from reliability.preparation import checked_model
from reliability.scales import Scale, ScaleName, get_scale
from reliability.scores.calibration import binomial_interval, uniformity
from reliability.scores.proper import wis
from reliability.scores.stated import StatedDistributions
from reliability.tables.cells import Cells
from reliability.tables.rows import TableRows, rows_from_table
from reliability.tables.truths import read_truths, truths_of_rows

__all__ = ["scorecard"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Levels whose coverage is reported, in per cent.
LEVELS = (50, 90, 95)
#: Quantiles of the weighted interval score: the ends of these intervals, and the median.
_WIS = (0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975)
#: Rows worked on at once.
_AT_ONCE = 4096


@attrs.frozen(eq=False)
class _Scores:
    """Scores of rows: (rows,) each; nan where there is none."""

    crps: Array
    wis: Array
    log_score: Array
    bias: Array
    pit: Array

    @classmethod
    def of(cls, columns: Columns, truth: Array) -> _Scores:
        """Scores of all rows with a truth (on x, else nan) and a density."""
        out = cls(*np.full((len(attrs.fields(cls)), columns.count), np.nan))
        for form in columns.forms:
            # A verified bound is no distribution, nor is it that there is something, or nothing.
            if form in (Form.BOUND, Form.PRESENCE):
                continue
            rows = np.flatnonzero((columns.form == form) & ~np.isnan(truth))
            for begin in range(0, len(rows), _AT_ONCE):
                out._put(columns, rows[begin : begin + _AT_ONCE], truth)
        return out

    def _put(self, columns: Columns, rows: IntArray, truth: Array) -> None:
        """Score some rows of one form."""
        stated = StatedDistributions.of(columns, rows)
        at = truth[rows] - (columns.location[rows] - columns.bias[rows])
        quantiles = stated.quantiles(np.array(_WIS))
        self.crps[rows] = stated.crps(at)
        # Rounding may turn quantiles that nearly coincide by a hair.
        self.wis[rows] = wis(_WIS, np.maximum.accumulate(quantiles, axis=1), at)
        self.log_score[rows] = stated.log_density(at[:, None])[:, 0]
        self.bias[rows] = quantiles[:, len(_WIS) // 2] - at
        self.pit[rows] = 1.0 - stated.above(at[:, None])[:, 0]


def scorecard(
    table: Any,
    truths: Any,
    *,
    scale: ScaleName | Scale = "linear",
    model: Model | None = None,
    sources: Any = None,
    confidence: float = 0.95,
) -> Any:
    """Score every source, or method, by what became known to be true.

    A row is scored by the distribution of x, the quantity on its scale, that it states: its
    likelihood in :func:`reliability.combine` if it is sound, under a flat prior. Biases and
    overconfidence that the table or ``sources`` state are corrected for.

    Parameters
    ----------
    table : forecasts, one row each: the columns of :func:`reliability.combine_many`. A method
        that is to be compared with the sources is a source of its own
    truths : a table with the columns ``quantity`` and ``truth``
    scale : "linear", "log" or "logit"; scores are of x on this scale
    model : its ``unstated_error`` and ``overconfidence`` are used; None is ``Model.reports()``
    sources : what is known of the sources: a table with the column ``source``, or a list of Source
    confidence : probability of the intervals of coverages

    Returns
    -------
    A table of the kind that was given, one row per source in order of first appearance:

    ``source``; ``n`` (rows scored); ``unscored`` (rows about quantities without a truth, and
    verified bounds or presence, no distributions); ``missing`` (truths about which it has no row);
    means ``crps``, ``wis`` (of the 50, 90 and 95 % intervals and the median) and ``bias``
    (median minus truth), in units of x, the first two lower is better; mean ``log_score``, higher
    is better; ``coverage50``, ``coverage90``, ``coverage95`` of central intervals, each with the
    ends ``_low`` and ``_high`` of an exact interval; ``pit_mean`` (1/2 if calibrated),
    ``pit_variance`` (1/12; more is overconfident) and ``pit_p`` (see
    :func:`reliability.scores.uniformity`). What needs rows is nan where there are none.

    Raises
    ------
    ReliabilityError
        Naming the row, the column, the value and the remedy.

    Examples
    --------
    >>> table = {
    ...     "quantity": ["a", "b", "a", "b", "c"],
    ...     "source": ["X", "X", "Y", "Y", "Y"],
    ...     "value": [10.0, 20.0, 14.0, 21.0, 5.0],
    ...     "sd": [1.0, 2.0, 1.0, 2.0, 1.0],
    ... }
    >>> found = scorecard(table, {"quantity": ["a", "b", "d"], "truth": [10.5, 19.0, 3.0]})
    >>> found["source"].tolist(), found["n"].tolist(), found["unscored"].tolist()
    (['X', 'Y'], [2, 2], [0, 1])
    >>> found["missing"].tolist(), found["crps"].round(3).tolist()
    ([1, 1], [0.497, 2.07])
    """
    model, scale = checked_model(model), get_scale(scale)
    binomial_interval(0, 1, confidence)  # refuses an impossible level before the work
    known = read_truths(truths)
    cells = table if isinstance(table, Cells) else Cells(table)
    found = rows_from_table(cells, sources=sources)
    columns, problems = columns_from_rows(found.rows, scale, model.unstated_error)
    found.leave_out(cells, problems)
    columns = columns.with_fields(overconfidence=columns.overconfidence * model.overconfidence)
    truth = truths_of_rows(found, known, scale)
    scores = _Scores.of(columns, truth)
    return cells.table.like(_columns(found, scores, len(known), confidence))


def _columns(found: TableRows, scores: _Scores, truths: int, confidence: float) -> dict[str, Any]:
    """One row per source, in order of first appearance in the table."""
    names, source = found.sources.names, found.rows.source
    first = np.full(len(names), np.iinfo(np.int64).max)
    np.minimum.at(first, source, found.row)
    order = np.argsort(first, kind="stable")
    order = order[first[order] < np.iinfo(np.int64).max]
    scored = ~np.isnan(scores.pit)

    def total(values: Array | NDArray[np.bool_]) -> Array:
        inside = np.where(scored, values, 0.0)
        return np.asarray(np.bincount(source, inside, minlength=len(names))[order], dtype=float)

    n = total(scored)
    with np.errstate(invalid="ignore", divide="ignore"):
        out: dict[str, Any] = {
            "source": [names[code] for code in order.tolist()],
            "n": n.astype(np.int64),
            "unscored": np.bincount(source[~scored], minlength=len(names))[order],
            "missing": truths - _answered(found, scores, len(names))[order],
        }
        for field in ("crps", "wis", "log_score", "bias"):
            out[field] = total(getattr(scores, field)) / n
        for level in LEVELS:
            # The ends belong to an interval; F may be off by its rounding there.
            hits = total(np.abs(scores.pit - 0.5) <= 0.005 * level + 1e-14)
            out[f"coverage{level}"] = hits / n
            ends = binomial_interval(hits, n, confidence)
            for end, values in zip(("low", "high"), ends, strict=True):
                out[f"coverage{level}_{end}"] = np.where(n > 0.0, values, np.nan)
        mean = total(scores.pit) / n
        by_source = np.full(len(names), np.nan)
        by_source[order] = mean
        out["pit_mean"] = mean
        out["pit_variance"] = total((scores.pit - by_source[source]) ** 2) / n
    own = np.argsort(source, kind="stable")
    begin = np.searchsorted(source[own], np.arange(len(names) + 1))
    tails = np.full(len(names), np.nan)
    for code in order.tolist():
        values = scores.pit[own[begin[code] : begin[code + 1]]]
        values = values[~np.isnan(values)]
        if len(values):
            tails[code] = uniformity(np.clip(values, 0.0, 1.0))
    out["pit_p"] = tails[order]
    return out


def _answered(found: TableRows, scores: _Scores, sources: int) -> IntArray:
    """How many quantities with a known truth each source has scored rows about."""
    quantity = np.repeat(np.arange(len(found.keys)), np.diff(found.rows.starts))
    scored = ~np.isnan(scores.pit)
    pairs = np.unique(np.stack([found.rows.source[scored], quantity[scored]]), axis=1)
    return np.bincount(pairs[0], minlength=sources)
