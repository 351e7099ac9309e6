"""combine_many: a table of claims in, a table with one row per quantity out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.batch import CLAIMS_AT_ONCE
from reliability.claims._checks import did_you_mean
from reliability.combination import Combination
from reliability.errors import (
    InvalidValueError,
    WrongTypeError,
    short,
)
from reliability.models import Model
from reliability.pieces import Settings, Work
from reliability.preparation import Dependence, checked_zero
from reliability.priors import QuantityPrior
from reliability.scales import Scale, ScaleName
from reliability.tables.cells import Cells
from reliability.tables.frames import plain_cell
from reliability.tables.parts import ByQuantity, by_quantity
from reliability.tables.quantities import SettingsGroup, read_quantities
from reliability.tables.records import (
    SOURCE_NUMBERS,
    source_name,
)
from reliability.tables.rows import (
    first_stated,
    sources_of_cells,
)
from reliability.tables.sources import FirstStated, read_sources

__all__ = ["ManyCombinations", "combine_many"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Rows whose columns are in memory at a time, for each thread.
_ROWS_AT_ONCE = 1 << 16
#: Pieces of a table that is small.
_PIECES = 16
#: Rows that a piece has at least where each takes little work: less than the piece itself does.
_LIGHT_ROWS = 1 << 14
#: Quantities among which a name is searched that resembles a misspelt one.
_MOST_HINTS = 1000


class ManyCombinations(NamedTuple):
    """What :func:`combine_many` gives when more than the quantities is asked for.

    Attributes
    ----------
    quantities : table with one row per quantity
    claims : table with one row per claim that was used, or None
    bad_rows : table of the rows that were left out, or None under ``on_error="raise"``
    combinations : a Combination for every quantity that was chosen and has a posterior, of the
        rows that were used
    """

    quantities: Any
    claims: Any
    bad_rows: Any
    combinations: dict[Any, Combination]


def combine_many(
    table: Any,
    *,
    scale: ScaleName | Scale = "linear",
    prior: QuantityPrior | None = None,
    model: Model | None = None,
    zero: float = 0.0,
    level: float = 0.95,
    dependence: Dependence | None = None,
    sources: Any = None,
    quantities: Any = None,
    claims: bool = False,
    combinations: Iterable[Any] = (),
    on_error: Literal["raise", "collect"] = "raise",
    threads: int | None = None,
    claims_at_once: int = CLAIMS_AT_ONCE,
    progress: Callable[[int], None] | None = None,
) -> Any:
    """Posteriors of the quantities of a table, one row for each.

    The numbers are those of :func:`combine`, by the same engine: quantities with equally many
    claims are solved together in blocks, on all processors. Only random effects with doubtful
    claims, inflation or a shared bias with doubtful claims are solved one quantity at a time.

    Parameters
    ----------
    table : claims, one row each: a dictionary of columns, or a pandas, polars or pyarrow table,
        or anything else that exports Arrow. Columns: ``quantity``, ``source``, then
        ``statement`` (a phrase) or ``value`` with ``sd`` or ``low``, ``high``, ``level``, or
        quantiles (``q0.05``, ...), and any of ``form``, ``origin``, ``credibility``,
        ``reliability``, ``evidence``, ``bias``, ``bias_sd``, ``overconfidence``, ``interest``,
        ``grade`` (such as "B2", in place of reliability and credibility), ``date``
    scale : "linear", "log" or "logit"
    prior : prior on every quantity, in its units; None is the model's, by default flat in x
    model : assumptions; None is ``Model.reports()``
    zero : prior probability of every quantity, in [0, 1), that there is nothing at all, as for
        :func:`combine`
    level : probability of the central interval from ``low`` to ``high``
    dependence : rho in [0, 1] between origins, in place of the model's; or between pairs of
        sources, as for ``combine``
    sources : what is known of the sources: a table with the column ``source``, or a list of Source
    quantities : a table with the column ``quantity`` and any of ``scale``, ``prior`` and ``zero``,
        for quantities that differ from the others
    claims : whether to give the weight, soundness and tail probability of every claim as well;
        this solves every quantity by itself
    combinations : quantities of which a whole Combination is wanted
    on_error : "raise" stops at the first bad row or quantity; "collect" leaves these out and
        lists their rows with the reasons
    threads : blocks solved at a time; all processors by default
    claims_at_once : claims in a block
    progress : called with the number of quantities whenever a block is done

    Returns
    -------
    A table of the kind that was given, one row per quantity in order of first appearance:
    ``quantity``, ``n`` (claims), ``estimate`` (median), ``mean``, ``sd``, ``low``, ``high``,
    ``zero`` (probability that there is nothing), ``conflict_p`` (Cochran's Q), ``log_evidence``
    (nan under improper priors) and ``error`` (bound on the relative numerical error). With
    ``claims``, ``combinations`` or ``on_error="collect"`` a :class:`ManyCombinations` that holds
    it.

    Raises
    ------
    ReliabilityError
        Naming the row, the column, the value and the remedy, or the quantity that has no
        posterior.

    Examples
    --------
    >>> from reliability import Model, combine_many
    >>> table = {
    ...     "quantity": ["tanks", "tanks", "guns"],
    ...     "source": ["A", "B", "A"],
    ...     "value": [10.0, 12.0, 7.0],
    ...     "sd": [1.0, 1.0, 2.0],
    ... }
    >>> found = combine_many(table, model=Model.common_effect())
    >>> found["quantity"].tolist(), found["estimate"].round(6).tolist()
    (['tanks', 'guns'], [11.0, 7.0])
    """
    what = Settings.checked(scale, prior, model, level, dependence)
    nothing = checked_zero(zero)
    if on_error not in ("raise", "collect"):
        raise InvalidValueError(f"on_error must be 'raise' or 'collect' (got {short(on_error)})")
    _check_count("threads", threads)
    _check_count("claims_at_once", claims_at_once)
    if progress is not None and not callable(progress):
        raise WrongTypeError(f"progress must be a function of a number (got {short(progress)})")
    names = _names(combinations)
    cells = table if isinstance(table, Cells) else Cells(table)
    by = by_quantity(cells)
    known = read_sources(sources)
    said = read_quantities(quantities) if quantities is not None else None
    if said is not None:
        said.check_known(cells.names("quantity"))
        keys = cells.values("quantity", by.first)
        groups = said.groups(keys, scale=what.scale.name, prior=what.prior, zero=nothing)
    else:
        groups = [SettingsGroup(what.scale.name, what.prior, nothing, np.arange(by.count))]
    chosen = _positions(names, cells, by)
    # Small tables in pieces too, for every thread to have some; whatever their number.
    least = max(claims_at_once, _LIGHT_ROWS) if what.light else claims_at_once
    rows = min(max(len(cells) // _PIECES, least), _ROWS_AT_ONCE)
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        first = _first_stated(cells, rows, pool)
        work = Work(
            cells, by, what, known, first, on_error == "raise", claims, claims_at_once, progress
        )
        done = [
            pool.submit(work.combine, attrs.evolve(group, members=members))
            for group in groups
            for members in by.cut(group.members, rows)
        ]
        done += [pool.submit(work.look_at, part) for part in by.cut_nameless(rows)]
        for one in done:
            one.result()
    if work.error is not None:
        raise work.error
    out = cells.table.like(work.quantity_columns())
    if not (claims or names or on_error == "collect"):
        return out
    who = sources_of_cells(cells, known) if chosen else None
    return ManyCombinations(
        out,
        cells.table.like(work.claim_columns()) if claims else None,
        cells.table.like(work.bad.columns()) if on_error == "collect" else None,
        {
            name: work.combination(place, groups, who)
            for name, place in chosen.items()
            if work.alive[place] and who is not None
        },
    )


def _first_stated(cells: Cells, rows: int, pool: ThreadPoolExecutor) -> FirstStated:
    """What the table states first of its sources, read so many rows at a time."""
    out = FirstStated()
    if any(cells.has(field) for field in SOURCE_NUMBERS):
        parts = [
            slice(begin, min(begin + rows, len(cells))) for begin in range(0, len(cells), rows)
        ]
        for found in pool.map(lambda part: first_stated(cells.part(part)), parts):
            out.extend(found)
    return out


def _check_count(name: str, value: object) -> None:
    """Refuse what is neither None nor a whole number from 1."""
    if value is None and name == "threads":
        return
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise WrongTypeError(f"{name} must be a whole number (got {short(value)})")
    if value < 1:
        raise InvalidValueError(f"{name} must be at least 1 (got {short(value)})")


def _names(combinations: Iterable[Any]) -> list[Any]:
    """Names of the quantities of which a Combination is wanted."""
    given: object = combinations
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise WrongTypeError(
            f"combinations must be a list of quantities' names (got {short(given)})"
        )
    return list(given)


def _positions(names: list[Any], cells: Cells, by: ByQuantity) -> dict[Any, int]:
    """Which quantities the names are of."""
    if not names:
        return {}
    keys = cells.values("quantity", by.first)
    place = {source_name(plain_cell(key)): k for k, key in enumerate(keys)}
    out: dict[Any, int] = {}
    for name in names:
        plain = plain_cell(name)
        text = source_name(plain) if isinstance(plain, (str, int, float)) else None
        if text is None or text not in place:
            known = place if text is not None and len(place) <= _MOST_HINTS else ()
            hint = did_you_mean(str(text), known) if known else ""
            raise InvalidValueError(
                f"combinations: {cells.name} has no quantity {short(name)}{hint}"
            )
        out[name] = place[text]
    return out
