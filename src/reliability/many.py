"""combine_many: a table of claims in, a table with one row per quantity out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, Literal, NamedTuple

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.batch import CLAIMS_AT_ONCE, Summaries, claim_summaries, summarise
from reliability.claims._checks import did_you_mean
from reliability.combination import Combination, combine
from reliability.engine.setup import Setup
from reliability.errors import (
    InvalidValueError,
    NoPosteriorError,
    ReliabilityError,
    WrongTypeError,
    short,
)
from reliability.models import Model
from reliability.pairs import PairDependence
from reliability.preparation import Dependence, checked_dependence, checked_model
from reliability.prepared import Prepared, prepare
from reliability.priors import Flat, QuantityPrior
from reliability.scales import Scale, ScaleName, get_scale
from reliability.tables.cells import Cells
from reliability.tables.frames import plain_cell
from reliability.tables.objects import claims_of_rows
from reliability.tables.quantities import SettingsGroup, read_quantities
from reliability.tables.records import (
    SOURCE_NUMBERS,
    STATEMENT_NUMBERS,
    quantile_probability,
    source_name,
)
from reliability.tables.rows import BadRows, TableRows, rows_from_table, sources_of_cells
from reliability.tables.sources import SourceColumns

__all__ = ["ManyCombinations", "combine_many"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Quantities among which a name is searched that resembles a misspelt one.
_MOST_HINTS = 1000
#: Why a quantity has no posterior none of whose claims says anything.
NOTHING_SAID = (
    "every claim has reliability 0, and with Void() such claims say nothing; "
    "there is nothing to combine"
)


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
        ``date``
    scale : "linear", "log" or "logit"
    prior : prior on every quantity, in its units; None is the model's, by default flat in x
    model : assumptions; None is ``Model.reports()``
    level : probability of the central interval from ``low`` to ``high``
    dependence : rho in [0, 1] between origins, in place of the model's; or between pairs of
        sources, as for ``combine``
    sources : what is known of the sources: a table with the column ``source``, or a list of Source
    quantities : a table with the column ``quantity`` and any of ``scale`` and ``prior``, for
        quantities that differ from the others
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
    ``zero``, ``conflict_p`` (Cochran's Q), ``log_evidence`` (nan under improper priors) and
    ``error`` (bound on the relative numerical error). With ``claims``, ``combinations`` or
    ``on_error="collect"`` a :class:`ManyCombinations` that holds it.

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
    what = _Settings.checked(scale, prior, model, level, dependence)
    if on_error not in ("raise", "collect"):
        raise InvalidValueError(f"on_error must be 'raise' or 'collect' (got {short(on_error)})")
    _check_count("threads", threads)
    _check_count("claims_at_once", claims_at_once)
    if progress is not None and not callable(progress):
        raise WrongTypeError(f"progress must be a function of a number (got {short(progress)})")
    names = _names(combinations)
    cells = table if isinstance(table, Cells) else Cells(table)
    found = rows_from_table(cells, sources=sources, on_error=on_error)
    said = read_quantities(quantities) if quantities is not None else None
    if said is not None:
        said.check_known(cells.names("quantity"))
        said.check_without_zero()
        groups = said.groups(found.keys, scale=what.scale.name, prior=prior, zero=0.0)
    else:
        groups = [SettingsGroup(what.scale.name, prior, 0.0, np.arange(len(found.keys)))]
    chosen = _positions(names, cells, found)
    work = _Work(cells, found, what, on_error == "raise", claims, claims_at_once, progress)
    # Small tables in pieces too, for every thread to have some; whatever their number.
    rows = min(max(found.rows.count // _PIECES, claims_at_once), _ROWS_AT_ONCE)
    chunks = [chunk for group in groups for chunk in _chunks(group, found.rows.starts, rows)]
    # In order: of several errors the first is raised.
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        for _ in pool.map(work.combine, chunks):
            pass
    out = cells.table.like(work.quantity_columns())
    if not (claims or names or on_error == "collect"):
        return out
    who = sources_of_cells(cells, sources) if chosen else None
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


def _check_count(name: str, value: object) -> None:
    """Refuse what is neither None nor a whole number from 1."""
    if value is None and name == "threads":
        return
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise WrongTypeError(f"{name} must be a whole number (got {short(value)})")
    if value < 1:
        raise InvalidValueError(f"{name} must be at least 1 (got {short(value)})")


@attrs.frozen(eq=False)
class _Settings:
    """Assumptions that all quantities share unless a table says otherwise."""

    scale: Scale
    prior: QuantityPrior | None
    model: Model
    level: float
    dependence: float | PairDependence

    @classmethod
    def checked(
        cls,
        scale: ScaleName | Scale,
        prior: QuantityPrior | None,
        model: Model | None,
        level: float,
        dependence: Dependence | None,
    ) -> _Settings:
        model = checked_model(model)
        if prior is not None and not isinstance(prior, QuantityPrior):
            raise WrongTypeError(
                "prior must be a prior on the quantity, such as priors.Normal(mean, sd) "
                f"(got {short(prior)}); priors that differ go into the table quantities="
            )
        if isinstance(level, bool) or not isinstance(level, (int, float, np.floating)):
            raise WrongTypeError(f"level must be a number in (0, 1) (got {short(level)})")
        if not 0.0 < level < 1.0:
            hint = f"; did you mean {level / 100:g}?" if 1.0 < level < 100.0 else ""
            raise InvalidValueError(f"level must lie in (0, 1), got {level:g}{hint}")
        rho = checked_dependence(model.dependence if dependence is None else dependence)
        return cls(get_scale(scale), prior, model, float(level), rho)

    def prior_of(self, prior: QuantityPrior | None) -> QuantityPrior:
        if prior is not None:
            return prior
        return self.model.prior if self.model.prior is not None else Flat()


#: Rows whose columns are in memory at a time, for each thread.
_ROWS_AT_ONCE = 1 << 16
#: Pieces of a table that is small.
_PIECES = 16


def _chunks(group: SettingsGroup, starts: IntArray, rows: int) -> Iterator[SettingsGroup]:
    """A group of quantities in pieces of at most so many rows, but whole quantities."""
    before = np.concatenate([[0], np.cumsum(np.diff(starts)[group.members])])
    begin, count = 0, len(group.members)
    while begin < count:
        end = int(np.searchsorted(before, before[begin] + rows, side="right")) - 1
        end = min(max(end, begin + 1), count)
        yield attrs.evolve(group, members=group.members[begin:end])
        begin = end


_CLAIM_COLUMNS = ("weight", "soundness", "tail")
_COLUMNS = ("estimate", "mean", "sd", "low", "high", "zero", "conflict_p", "log_evidence", "error")


class _Work:
    """The quantities of a table, group by group."""

    def __init__(
        self,
        cells: Cells,
        found: TableRows,
        what: _Settings,
        strict: bool,
        claims: bool,
        claims_at_once: int,
        progress: Callable[[int], None] | None,
    ) -> None:
        self.cells, self.found, self.what, self.strict = cells, found, what, strict
        self.claims_at_once, self.progress, self.lock = claims_at_once, progress, Lock()
        rho = what.dependence
        self.dependence = (
            rho.numbered(found.sources.names) if isinstance(rho, PairDependence) else rho
        )
        self.bad: BadRows = found.bad
        count = len(found.keys)
        self.columns = {name: np.full(count, np.nan) for name in _COLUMNS}
        self.used = np.ones(found.rows.count, dtype=bool)
        self.alive = np.ones(count, dtype=bool)
        self.of_claims: dict[str, Array] = {}
        if claims:
            rows = found.rows.count
            self.of_claims = {name: np.full(rows, np.nan) for name in _CLAIM_COLUMNS}

    def combine(self, group: SettingsGroup) -> None:
        """Combine the claims about the quantities of one group."""
        rows, members = self.found.rows, group.members
        first, last = int(members[0]), int(members[-1]) + 1
        index = rows.rows_of(members)
        together = last - first == len(members)
        some = rows.between(first, last) if together else rows.take_quantities(members)
        scale, model = get_scale(group.scale), self.what.model
        prepared = prepare(some, scale, model, self.dependence)
        # In the order of the table, whose first is the one to raise.
        problems = {int(index[problem.row]): problem.exception for problem in prepared.problems}
        for row in sorted(problems, key=self.found.row.__getitem__):
            self._reject(row, problems[row])
        setup = Setup(
            law=model.law,
            prior=self.what.prior_of(group.prior),
            scale=scale,
            unknown=prepared.unknown,
            heterogeneity=model.heterogeneity,
            inflation=model.inflation,
            shared=model.shared,
            correlation=None,
        )
        sizes = prepared.active.sizes
        there = np.flatnonzero(sizes > 0)
        for q in np.flatnonzero(sizes == 0).tolist():
            self._fail(group.members[q], NoPosteriorError(NOTHING_SAID))
        if not len(there):
            return
        active = prepared.active if len(there) == len(sizes) else None
        columns = active or prepared.active.take_quantities(there)
        summaries = summarise(
            columns,
            setup,
            self.what.level,
            claims_at_once=self.claims_at_once,
        )
        members = group.members[there]
        for name in _COLUMNS:
            if name != "zero":
                self.columns[name][members] = getattr(summaries, name)
        self.columns["zero"][members] = 0.0
        for q, error in sorted(summaries.failures.items()):
            self._fail(int(members[q]), error)
        if self.of_claims:
            self._per_claim(prepared, setup, there, index, summaries)
        if self.progress is not None:
            with self.lock:
                self.progress(len(group.members))

    def _per_claim(
        self,
        prepared: Prepared,
        setup: Setup,
        there: IntArray,
        index: IntArray,
        summaries: Summaries,
    ) -> None:
        solved = np.array([q for k, q in enumerate(there.tolist()) if k not in summaries.failures])
        found = claim_summaries(
            prepared.columns,
            prepared.shares,
            setup,
            solved.astype(np.int64),
        )
        for name, values in self.of_claims.items():
            values[index] = getattr(found, name)

    def _reject(self, row: int, error: ReliabilityError) -> None:
        """Leave an impossible row out, or stop."""
        at = int(self.found.row[row])
        error = self.cells.place(at).about(self._column(at, error), error)
        if self.strict:
            raise error
        self._leave_out(row, error)

    def _fail(self, quantity: int, error: ReliabilityError) -> None:
        """Leave a quantity out, with all its rows, or stop."""
        if self.strict:
            raise error.located(f"quantity {self.found.keys[quantity]!r}")
        self.alive[quantity] = False
        starts = self.found.rows.starts
        for row in range(int(starts[quantity]), int(starts[quantity + 1])):
            place = self.cells.place(int(self.found.row[row]))
            self._leave_out(row, place.about("quantity", error))

    def _leave_out(self, row: int, error: ReliabilityError) -> None:
        if self.used[row]:
            self.used[row] = False
            with self.lock:
                self.bad.add(self.cells, int(self.found.row[row]), error)

    def _column(self, row: int, error: ReliabilityError) -> str:
        """Column in which an impossible row states what is wrong with it."""
        cells = self.cells
        field: str = vars(error).get("path", "")
        if field in SOURCE_NUMBERS or field == "credibility":
            return field
        quantiles = [name for name in cells.table.names if quantile_probability(name) is not None]
        for name in ("statement", field, *STATEMENT_NUMBERS, *quantiles):
            if cells.has(name):
                given = cells.given(row, name)
                if given is not None and str(given).strip():
                    return name
        return field

    def combination(
        self, quantity: int, groups: list[SettingsGroup], who: SourceColumns
    ) -> Combination:
        """The claims about a quantity that were used, combined."""
        starts, what = self.found.rows.starts, self.what
        group = next(group for group in groups if quantity in group.members)
        rows = np.arange(starts[quantity], starts[quantity + 1])
        used = np.sort(self.found.row[rows[self.used[rows]]])
        result = combine(
            claims_of_rows(self.cells, used.tolist(), who),
            scale=group.scale,
            prior=what.prior_of(group.prior),
            model=what.model,
            dependence=what.dependence,
        )
        assert isinstance(result, Combination)  # noqa: S101 - the claims about one quantity
        return result

    def quantity_columns(self) -> dict[str, Any]:
        """The table of quantities."""
        starts, first = self.found.rows.starts[:-1], self.found.first
        counts = np.add.reduceat(self.used.astype(np.int64), starts)
        kept = np.flatnonzero(self.alive)
        if not self.used.all():
            # A row that was left out is no appearance, whenever it was found to be bad.
            last = len(self.cells)
            first = np.minimum.reduceat(np.where(self.used, self.found.row, last), starts)
            kept = kept[np.argsort(first[kept])]
        return {
            "quantity": self.cells.table.pick("quantity", first[kept]),
            "n": counts[kept],
        } | {name: values[kept] for name, values in self.columns.items()}

    def claim_columns(self) -> dict[str, Any]:
        """The table of claims, in the order of the rows given."""
        rows = np.flatnonzero(self.used)
        rows = rows[np.argsort(self.found.row[rows], kind="stable")]
        at = self.found.row[rows]
        numbers = np.array([self.cells.number(int(row)) for row in at], dtype=np.int64) + 1
        return {
            "row": numbers,
            "quantity": self.cells.table.pick("quantity", at),
            "source": self.cells.table.pick("source", at),
        } | {name: values[rows] for name, values in self.of_claims.items()}


def _names(combinations: Iterable[Any]) -> list[Any]:
    """Names of the quantities of which a Combination is wanted."""
    given: object = combinations
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise WrongTypeError(
            f"combinations must be a list of quantities' names (got {short(given)})"
        )
    return list(given)


def _positions(names: list[Any], cells: Cells, found: TableRows) -> dict[Any, int]:
    """Which quantities the names are of; those of which every row is bad are left out."""
    if not names:
        return {}
    place = {source_name(plain_cell(key)): k for k, key in enumerate(found.keys)}
    bad = set(found.bad.quantity)
    out: dict[Any, int] = {}
    for name in names:
        plain = plain_cell(name)
        text = source_name(plain) if isinstance(plain, (str, int, float)) else None
        if text is None or not (text in place or text in bad):
            known = place if text is not None and len(place) <= _MOST_HINTS else ()
            hint = did_you_mean(str(text), known) if known else ""
            raise InvalidValueError(
                f"combinations: {cells.name} has no quantity {short(name)}{hint}"
            )
        if text in place:
            out[name] = place[text]
    return out
