"""The quantities of a table combined piece by piece: only pieces at work take memory."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.batch import claim_summaries, summarise
from reliability.combination import Combination, combine
from reliability.engine.setup import Setup
from reliability.errors import (
    NoPosteriorError,
    ReliabilityError,
)
from reliability.foreign_priors import as_prior
from reliability.models import Model
from reliability.pairs import PairDependence
from reliability.preparation import (
    NOTHING_SAID,
    Dependence,
    checked_dependence,
    checked_level,
    checked_model,
)
from reliability.prepared import Prepared, prepare
from reliability.priors import Flat, LogNormal, Normal, QuantityPrior
from reliability.scales import Scale, ScaleName, get_scale
from reliability.tables.cells import Cells
from reliability.tables.objects import claims_of_rows
from reliability.tables.parts import ByQuantity, Part
from reliability.tables.quantities import SettingsGroup
from reliability.tables.records import (
    SOURCE_NUMBERS,
    STATEMENT_NUMBERS,
    Place,
    quantile_probability,
)
from reliability.tables.rows import BadRows, PartRows, rows_of_part
from reliability.tables.sources import FirstStated, Known, SourceColumns

__all__ = ["Settings", "Work"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


@attrs.frozen(eq=False)
class Settings:
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
    ) -> Settings:
        """Settings from what ``combine_many`` was given; refuses what is impossible."""
        model = checked_model(model)
        if prior is not None:
            prior = as_prior(prior, "; priors that differ go into the table quantities=")
        rho = checked_dependence(model.dependence if dependence is None else dependence)
        return cls(get_scale(scale), prior, model, checked_level(level), rho)

    @property
    def light(self) -> bool:
        """Whether posteriors mostly have a closed form, given the scatter."""
        prior = self.prior_of(self.prior)
        return self.model.unsound is None and isinstance(prior, Flat | LogNormal | Normal)

    def prior_of(self, prior: QuantityPrior | None) -> QuantityPrior:
        """Prior on a quantity of which the table says this."""
        if prior is not None:
            return prior
        return self.model.prior if self.model.prior is not None else Flat()


#: Kinds of errors, in the order in which they are raised.
_ROW, _ON_SCALE, _QUANTITY, _NO_ERROR = range(4)
_CLAIM_COLUMNS = ("weight", "soundness", "tail")
_COLUMNS = ("estimate", "mean", "sd", "low", "high", "zero", "conflict_p", "log_evidence", "error")


@attrs.frozen(eq=False)
class Piece:
    """Some quantities' rows of a table, read.

    ``cells`` are its rows, ``earliest`` the number of the first of them; ``row`` says where each
    of the claims in ``found`` stands in the table.
    """

    cells: Cells
    earliest: int
    found: PartRows
    quantities: IntArray
    row: IntArray

    def place(self, claim: int) -> Place:
        """How the row of a claim is called in messages."""
        return self.cells.place(int(self.found.row[claim]))

    def number(self, claim: int) -> int:
        """Number of the row of a claim."""
        return self.cells.number(int(self.found.row[claim]))


class Work:
    """The quantities of a table, piece by piece.

    Of the errors of a strict table ``error`` is the first, whichever piece is done first: rows
    impossible in themselves come before rows impossible on their scale, and these before
    quantities without a posterior; those of one kind in the order of the table.
    """

    def __init__(
        self,
        cells: Cells,
        by: ByQuantity,
        what: Settings,
        known: Known,
        stated: FirstStated,
        strict: bool,
        claims: bool,
        claims_at_once: int,
        progress: Callable[[int], None] | None,
    ) -> None:
        self.cells, self.by, self.what, self.known, self.stated = cells, by, what, known, stated
        self.strict, self.claims_at_once, self.progress = strict, claims_at_once, progress
        self.lock = Lock()
        self.bad = BadRows()
        self.error: ReliabilityError | None = None
        self.rank = (_NO_ERROR, 0)
        # What is written to later takes no memory yet.
        self.columns = {name: np.empty(by.count) for name in _COLUMNS}
        self.n = np.empty(by.count, dtype=np.int64)
        #: Quantities of which rows are left out, and the first row that is used of each.
        self.first: list[tuple[IntArray, IntArray]] = []
        self.alive = np.zeros(by.count, dtype=bool)
        self.left_out = np.zeros(len(cells), dtype=bool)
        self.of_claims: dict[str, Array] = {}
        if claims:
            self.of_claims = {name: np.full(len(cells), np.nan) for name in _CLAIM_COLUMNS}

    def combine(self, group: SettingsGroup, members: IntArray | range) -> None:
        """Combine the claims about some quantities of a group."""
        piece = self._read(self.by.part(members))
        if piece is None:
            return
        bad = BadRows()
        self._solve(piece, group, bad)
        with self.lock:
            self.bad.extend(bad)
            if self.progress is not None:
                self.progress(len(members))

    def look_at(self, part: Part) -> None:
        """Judge rows that name no quantity."""
        self._read(part)

    def _read(self, part: Part) -> Piece | None:
        """Rows of a part that are good in themselves; None where no work is left."""
        cells = self.cells.part(part.rows)
        earliest = self.cells.number(part.first)
        if self._settled(_ROW, earliest):
            return None
        found = rows_of_part(cells, part.starts, self.known, self.stated, stop=self.strict)
        if len(found.bad):
            if self.strict:
                self._stop(_ROW, found.bad.row[0] - 1, found.bad.error[0])
                return None
            self.left_out[part.rows] = True
            with self.lock:
                self.bad.extend(found.bad)
        row = part.at(found.row)
        if len(found.bad):
            self.left_out[row] = False
        return Piece(cells, earliest, found, part.quantities[found.quantities], row)

    def _settled(self, kind: int, number: int) -> bool:
        """Whether an error of a kind, in a row of this number or later, would not be the first."""
        return self.rank <= (kind, number)

    def _stop(self, kind: int, number: int, error: ReliabilityError) -> None:
        """Note an error of a strict table if none before it is known."""
        with self.lock:
            if not self._settled(kind, number):
                self.rank, self.error = (kind, number), error

    def _solve(self, piece: Piece, group: SettingsGroup, bad: BadRows) -> None:
        """Combine the claims of a piece; note the rows that are left out."""
        rows, quantities = piece.found.rows, piece.quantities
        if not len(quantities) or self._settled(_ON_SCALE, piece.earliest):
            return
        scale = get_scale(group.scale)
        rho = self.what.dependence
        pairs = rho.numbered(piece.found.sources) if isinstance(rho, PairDependence) else rho
        prepared = prepare(rows, scale, self.what.model, pairs, group.zero)
        # In the order of the table, whose first is the one to raise.
        problems = {problem.row: problem.exception for problem in prepared.problems}
        for claim in sorted(problems, key=piece.number):
            if self._reject(piece, claim, problems[claim], bad):
                return
        used = self._note_rows(piece, np.array(list(problems), dtype=np.int64))
        if self._settled(_QUANTITY, piece.earliest):
            return
        failures = self._summarise(piece, group, prepared)
        for q, error in sorted(failures.items()):
            self._fail(piece, q, error, used, bad)

    def _summarise(
        self, piece: Piece, group: SettingsGroup, prepared: Prepared
    ) -> dict[int, ReliabilityError]:
        """Fill in the results; return why some of the quantities have none."""
        model, level = self.what.model, self.what.level
        setup = Setup(
            law=model.law,
            prior=self.what.prior_of(group.prior),
            scale=get_scale(group.scale),
            unknown=prepared.unknown,
            heterogeneity=model.heterogeneity,
            inflation=model.inflation,
            shared=model.shared,
            correlation=None,
            zero=group.zero,
        )
        sizes = prepared.active.sizes
        there = np.flatnonzero(sizes > 0)
        failures: dict[int, ReliabilityError] = {
            q: NoPosteriorError(NOTHING_SAID) for q in np.flatnonzero(sizes == 0).tolist()
        }
        if not len(there):
            return failures
        active = prepared.active
        columns = active if len(there) == len(sizes) else active.take_quantities(there)
        found = summarise(columns, setup, level, claims_at_once=self.claims_at_once)
        quantities = _as_slice(piece.quantities[there])
        for name in _COLUMNS:
            self.columns[name][quantities] = getattr(found, name)
        self.alive[quantities] = True
        failures |= {int(there[q]): error for q, error in found.failures.items()}
        if self.of_claims:
            solved = np.setdiff1d(there, list(failures))
            each = claim_summaries(prepared.columns, prepared.shares, setup, solved)
            for name, values in self.of_claims.items():
                values[piece.row] = getattr(each, name)
        return failures

    def _note_rows(self, piece: Piece, left_out: IntArray) -> NDArray[np.bool_]:
        """Count the claims about each quantity and note its first; return which are used."""
        starts = piece.found.rows.starts
        used = np.ones(len(piece.row), dtype=bool)
        if len(left_out):
            used[left_out] = False
            self.left_out[piece.row[left_out]] = True
            # A row that was left out is no appearance, whenever it was found to be bad.
            rows = np.where(used, piece.row, len(self.left_out))
            self.n[piece.quantities] = np.add.reduceat(used.astype(np.int64), starts[:-1])
            self.first.append((piece.quantities, np.minimum.reduceat(rows, starts[:-1])))
        else:
            self.n[_as_slice(piece.quantities)] = np.diff(starts)
            if len(piece.found.bad):
                self.first.append((piece.quantities, piece.row[starts[:-1]]))
        return used

    def _reject(self, piece: Piece, claim: int, error: ReliabilityError, bad: BadRows) -> bool:
        """Leave a row out that is impossible on its scale, or stop."""
        row = int(piece.found.row[claim])
        error = piece.place(claim).about(_column(piece.cells, row, error), error)
        if self.strict:
            self._stop(_ON_SCALE, piece.number(claim), error)
        else:
            bad.add(piece.cells, row, error)
        return self.strict

    def _fail(
        self,
        piece: Piece,
        quantity: int,
        error: ReliabilityError,
        used: NDArray[np.bool_],
        bad: BadRows,
    ) -> None:
        """Leave a quantity out, with all its rows, or stop."""
        starts = piece.found.rows.starts
        claims = np.arange(starts[quantity], starts[quantity + 1])
        if self.strict:
            first = int(claims[0])
            name = piece.cells.given(int(piece.found.row[first]), "quantity")
            self._stop(_QUANTITY, piece.number(first), error.located(f"quantity {name!r}"))
            return
        self.alive[piece.quantities[quantity]] = False
        self.left_out[piece.row[claims]] = True
        for claim in claims[used[claims]].tolist():
            row = int(piece.found.row[claim])
            bad.add(piece.cells, row, piece.place(claim).about("quantity", error))

    def combination(
        self, quantity: int, groups: list[SettingsGroup], who: SourceColumns
    ) -> Combination:
        """The claims about a quantity that were used, combined."""
        what = self.what
        group = next(group for group in groups if quantity in group.members)
        rows = self.by.rows_of(quantity)
        result = combine(
            claims_of_rows(self.cells, rows[~self.left_out[rows]].tolist(), who),
            scale=group.scale,
            prior=what.prior_of(group.prior),
            model=what.model,
            zero=group.zero,
            dependence=what.dependence,
            # Tables of many quantities do not look at dates.
            supersede=False,
        )
        assert isinstance(result, Combination)  # noqa: S101 - the claims about one quantity
        return result

    def quantity_columns(self) -> dict[str, Any]:
        """The table of quantities."""
        pick = self.cells.table.pick
        columns = {"n": self.n} | self.columns
        if not self.left_out.any():
            return {"quantity": pick("quantity", self.by.first)} | columns
        first = self.by.first.copy()
        for quantities, rows in self.first:
            first[quantities] = rows
        kept = np.flatnonzero(self.alive)
        kept = kept[np.argsort(first[kept])]
        return {"quantity": pick("quantity", first[kept])} | {
            name: values[kept] for name, values in columns.items()
        }

    def claim_columns(self) -> dict[str, Any]:
        """The table of claims, in the order of the rows given."""
        rows, cells = np.flatnonzero(~self.left_out), self.cells
        numbers = np.array([cells.number(row) for row in rows.tolist()], dtype=np.int64) + 1
        return {
            "row": numbers,
            "quantity": cells.table.pick("quantity", rows),
            "source": cells.table.pick("source", rows),
        } | {name: values[rows] for name, values in self.of_claims.items()}


def _as_slice(index: IntArray) -> IntArray | slice:
    """An index of neighbours as a slice: it is faster."""
    first, last = int(index[0]), int(index[-1])
    together = last - first == len(index) - 1 and bool(np.all(index[1:] > index[:-1]))
    return slice(first, last + 1) if together else index


def _column(cells: Cells, row: int, error: ReliabilityError) -> str:
    """Column in which an impossible row states what is wrong with it."""
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
