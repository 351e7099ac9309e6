"""What every combination starts from: rows as columns on x, with reliabilities and shares."""

from __future__ import annotations

import attrs
import numpy as np

from reliability.claims._checks import about
from reliability.claims.columns import Columns, Form, columns_from_rows
from reliability.claims.problems import Problem
from reliability.claims.rows import Rows, constant
from reliability.errors import InvalidValueError
from reliability.models import Model, Void
from reliability.pairs import NumberedPairs
from reliability.preparation import confirmed_in_pool, effective_reliability
from reliability.priors import Beta
from reliability.scales import Scale
from reliability.shares import SUPERSEDED, Flags, Shares, share_out

__all__ = ["Prepared", "prepare"]


@attrs.frozen(eq=False)
class Prepared:
    """Claims about any number of quantities, ready for the engine.

    Parameters
    ----------
    columns : all rows, with their effective reliability, the model's overconfidence and their
        shares; nan where a row is impossible
    shares : which rows count, and how much; an impossible row is silent
    active : the rows that count; a quantity without any has no rows
    unknown : what reliabilities that are nan are drawn from
    problems : the impossible rows
    """

    columns: Columns
    shares: Shares
    active: Columns
    unknown: Beta
    problems: list[Problem]

    def with_shares(self, shares: Shares) -> Prepared:
        """Return the same with other shares."""
        columns = self.columns.with_fields(share=shares.share)
        return Prepared(columns, shares, _active(columns, shares), self.unknown, self.problems)


def prepare(
    rows: Rows,
    scale: Scale,
    model: Model,
    dependence: float | NumberedPairs,
    zero: float = 0.0,
    superseded: Flags | None = None,
) -> Prepared:
    """Turn rows into the columns that the engine combines.

    Parameters
    ----------
    rows : the claims
    scale : the quantities' scale
    model : assumptions
    dependence : rho between origins, in place of the model's; or between the sources by the
        numbers in ``rows.source``
    zero : prior probability that there is nothing
    superseded : (rows,) which do not count because their source has said something newer
    """
    columns, problems = columns_from_rows(rows, scale, model.unstated_error)
    unknown = model.unknown_reliability
    if model.unsound is None:
        reliability = constant(1.0, rows.count)
    else:
        known = {problem.row for problem in problems}
        rows = confirmed_in_pool(rows, _silent(rows, model, known))
        reliability, contradictions = effective_reliability(rows)
        problems += [problem for problem in contradictions if problem.row not in known]
    rank = reliability
    unsaid = np.isnan(reliability)
    if isinstance(unknown, Beta):
        if unsaid.any():
            rank = np.where(unsaid, unknown.mean, reliability)
    else:
        rank = reliability = np.where(unsaid, float(unknown), reliability)
        unknown = Beta(1.0, 1.0)
    silent = np.zeros(rows.count, dtype=bool)
    if isinstance(model.unsound, Void):
        silent |= reliability == 0.0
    if Form.PRESENCE in columns.forms:
        presence = columns.form == Form.PRESENCE
        silent |= presence & (reliability == 0.0)
        if zero == 0.0:
            # That there is something is known already.
            silent |= presence & (columns.direction > 0.0) & ~np.isnan(reliability)
            denied = np.flatnonzero(presence & (columns.direction < 0.0) & ~silent)
            problems += [Problem(row, about(_denied(), "form")) for row in denied.tolist()]
    silent[[problem.row for problem in problems]] = True
    if superseded is None or not superseded.any():
        shares = share_out(rows, rank, silent, dependence)
    else:
        shares = share_out(rows, rank, silent | superseded, dependence)
        shares = attrs.evolve(shares, dropped=np.where(superseded, SUPERSEDED, shares.dropped))
    columns = columns.with_fields(
        reliability=reliability,
        overconfidence=columns.overconfidence
        if model.overconfidence == 1.0
        else columns.overconfidence * model.overconfidence,
        share=shares.share,
    )
    return Prepared(columns, shares, _active(columns, shares), unknown, problems)


def _silent(rows: Rows, model: Model, impossible: set[int]) -> Flags:
    """Rows that say nothing, whatever else is known of them."""
    silent = np.zeros(rows.count, dtype=bool)
    if isinstance(model.unsound, Void):
        silent |= (rows.reliability == 0.0) | (rows.credibility == 0.0)
    silent[list(impossible)] = True
    return silent


def _denied() -> InvalidValueError:
    return InvalidValueError(
        "it says that there is nothing, which zero=0 excludes; give zero=, the prior probability "
        "of that, such as zero=0.5"
    )


def _active(columns: Columns, shares: Shares) -> Columns:
    kept = shares.kept
    return columns if kept.all() else columns.take_rows(kept)
