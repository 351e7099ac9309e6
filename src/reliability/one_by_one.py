"""Results of many quantities by ``combine``, one quantity at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from reliability.combination import Combination, combine
from reliability.errors import ReliabilityError
from reliability.tables.cells import Cells
from reliability.tables.objects import claims_from_table
from reliability.tables.records import source_name
from reliability.tables.rows import rows_from_table

if TYPE_CHECKING:
    from reliability.models import Model
    from reliability.priors import QuantityPrior
    from reliability.scales import ScaleName

__all__ = ["RESULTS", "result_columns"]

#: Columns of results, one row per quantity.
RESULTS = (
    "quantity",
    "n",
    "estimate",
    "mean",
    "sd",
    "low",
    "high",
    "zero",
    "conflict_p",
    "log_evidence",
    "error",
)


def result_columns(
    table: object,
    *,
    sources: object = None,
    scale: ScaleName = "linear",
    prior: QuantityPrior | None = None,
    model: Model | None = None,
    level: float = 0.95,
) -> dict[str, list[Any]]:
    """Results of a table's quantities, in order of first appearance.

    Parameters
    ----------
    table : any table of claims
    sources : what is known of the sources from elsewhere
    scale, prior, model : as in ``combine``
    level : probability of the interval from low to high

    Raises
    ------
    ReliabilityError
        Naming the row and the column, or the quantity.
    """
    cells = table if isinstance(table, Cells) else Cells(table)
    found = rows_from_table(cells, sources=sources)  # refuses bad rows
    claims = claims_from_table(cells, sources=sources)
    starts = found.rows.starts.tolist()
    columns: dict[str, list[Any]] = {name: [] for name in RESULTS}
    for key, low, high in zip(found.keys, starts[:-1], starts[1:], strict=True):
        mine = [claims[row] for row in found.row[low:high].tolist()]
        try:
            result = combine(mine, scale=scale, prior=prior, model=model)
        except ReliabilityError as error:
            raise error.located(f"{cells.name}, quantity {source_name(key)!r}") from None
        assert isinstance(result, Combination)  # noqa: S101 - one quantity
        for name, value in zip(RESULTS, _row(key, mine, result, level), strict=True):
            columns[name].append(value)
    return columns


def _row(key: object, claims: list[Any], result: Combination, level: float) -> tuple[Any, ...]:
    posterior = result.posterior
    evidence = result.log_evidence
    return (
        key.item() if isinstance(key, np.generic) else key,
        len(claims),
        result.estimate,
        posterior.mean(),
        posterior.std(),
        *result.interval(level),
        posterior.zero,
        result.conflict.p,
        float("nan") if evidence is None else evidence,
        result.error,
    )
