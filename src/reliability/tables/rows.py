"""Tables of claims as rows for the engine, grouped by quantity; bad rows named one by one.

Rows that are surely good are recognised all at once. Any other row is handed to
:func:`reliability.tables.records.claim_from_record`, which says what is wrong with it or, if
nothing is, what it states: no row is judged by two sets of rules, and none is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims._checks import short
from reliability.claims.claim import Claim
from reliability.claims.digits import rounding_units
from reliability.claims.phrases import read
from reliability.claims.problems import Problem
from reliability.claims.rows import Rows, Stated, Statements, constant, statements_from_objects
from reliability.claims.statements import About, Estimate, Statement
from reliability.errors import InvalidValueError, ReliabilityError
from reliability.tables.cells import Cells, Texts
from reliability.tables.codes import group
from reliability.tables.records import (
    SOURCE_NUMBERS,
    form_name,
    interval_quantiles,
    quantile_probability,
    source_name,
)
from reliability.tables.sources import (
    FirstStated,
    Known,
    SourceColumns,
    first_rows,
    known_numbers,
    read_sources,
)
from reliability.tables.stated import NUMBER_FIELDS, padded

__all__ = [
    "BadRows",
    "PartRows",
    "TableRows",
    "first_stated",
    "names_of_rows",
    "rows_from_table",
    "rows_of_part",
    "sources_of_cells",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

#: What a source's attribute is where nobody states it.
_UNSTATED = {"bias": 0.0, "bias_sd": 0.0, "overconfidence": 1.0, "interest": 0.0}


@attrs.frozen(eq=False)
class BadRows:
    """Rows that were left out, with the reason; ``columns`` has them in the order of the table.

    ``error`` has the reasons as errors to raise.
    """

    row: list[int] = attrs.field(factory=list)
    quantity: list[str | None] = attrs.field(factory=list)
    source: list[str | None] = attrs.field(factory=list)
    column: list[str] = attrs.field(factory=list)
    value: list[str | None] = attrs.field(factory=list)
    reason: list[str] = attrs.field(factory=list)
    error: list[ReliabilityError] = attrs.field(factory=list)

    def __len__(self) -> int:
        return len(self.row)

    def add(self, cells: Cells, row: int, error: ReliabilityError, column: str = "") -> None:
        """Note what is wrong with a row; its number counts from 1."""
        name: str = vars(error).get("column", column)
        if name == "name":
            name = "source"
        texts = {
            field: None if (cell := cells.given(row, field)) is None else source_name(cell)
            for field in ("quantity", "source")
            if cells.has(field)
        }
        value = cells.given(row, name) if cells.has(name) else None
        self.row.append(cells.number(row) + 1)
        self.quantity.append(texts.get("quantity"))
        self.source.append(texts.get("source"))
        self.column.append(name)
        self.value.append(None if value is None else source_name(value))
        self.reason.append(vars(error).get("reason", str(error)))
        self.error.append(error)

    def extend(self, others: BadRows) -> None:
        """Note other rows."""
        for field in attrs.fields(BadRows):
            getattr(self, field.name).extend(getattr(others, field.name))

    def columns(self) -> dict[str, list[Any]]:
        """As the columns of a table."""
        order = sorted(range(len(self)), key=self.row.__getitem__)
        return {
            name: [values[k] for k in order]
            for name, values in attrs.asdict(self, recurse=False).items()
            if name != "error"
        }


@attrs.frozen(eq=False)
class TableRows:
    """A table's claims, ready for the engine.

    Attributes
    ----------
    rows : the claims, those of one quantity together
    keys : name of each quantity as the table has it, in order of first appearance
    first : row of the table, from 0, where each quantity is first claimed; for `Table.pick`
    row : row of the table, from 0, of each claim
    sources : the sources by the numbers in ``rows.source``
    bad : rows that were left out
    """

    rows: Rows
    keys: Sequence[Any] | NDArray[Any]
    first: IntArray
    row: IntArray
    sources: SourceColumns
    bad: BadRows

    def leave_out(
        self,
        cells: Cells,
        problems: Iterable[Problem],
        on_error: Literal["raise", "collect"] = "raise",
    ) -> None:
        """Raise the first of the rows impossible on the scale, in the table's order, or list all.

        Parameters
        ----------
        cells : the table
        problems : the impossible rows, as ``columns_from_rows`` gives them
        on_error : "raise" or "collect", into ``bad``
        """
        for problem in sorted(problems, key=lambda one: int(self.row[one.row])):
            row = int(self.row[problem.row])
            field = vars(problem.exception).get("path") or "statement"
            error = cells.place(row).about(field, problem.exception)
            if on_error == "raise":
                raise error
            self.bad.add(cells, row, error)


def rows_from_table(
    table: object,
    *,
    sources: object = None,
    on_error: Literal["raise", "collect"] = "raise",
    name: str = "table",
) -> TableRows:
    """Claims of a table as rows, those of one quantity together.

    Parameters
    ----------
    table : any table of claims, or its `Cells`; columns as in
        :data:`reliability.tables.records.COLUMNS`, quantity and source among them
    sources : what is known of the sources from elsewhere, as in
        :func:`reliability.tables.sources.read_sources`
    on_error : "raise" stops at the first bad row; "collect" leaves bad rows out and lists them
    name : what to call the table in error messages

    Raises
    ------
    ReliabilityError
        Naming the row, the column, the value and the remedy; also where no good row is left
        under "raise", or a column is unknown or missing.

    Examples
    --------
    >>> found = rows_from_table(
    ...     {"quantity": ["b", "a", "b"], "source": ["X", "X", "Y"], "value": [1, 2, 3],
    ...      "sd": [1, 1, -1]}, on_error="collect")
    >>> found.keys, found.rows.statements.value.tolist(), found.bad.row
    (['b', 'a'], [1.0, 2.0], [3])
    >>> found.bad.reason
    ['must be above 0, got -1; leave it out if it is not stated']
    """
    if on_error not in ("raise", "collect"):
        raise InvalidValueError(f"on_error must be 'raise' or 'collect', got {short(on_error)}")
    cells = table if isinstance(table, Cells) else Cells(table, name=name)
    known = read_sources(sources)
    codes, categories = names_of_rows(cells)
    found = _Judged.of(cells, known, first_stated(cells), codes >= 0, stop=on_error == "raise")
    if found.bad and on_error == "raise":
        raise found.bad.error[0]
    kept = None if found.good.all() else np.flatnonzero(found.good)
    if kept is not None:
        codes = codes[kept]
    if len(codes):
        groups = group(codes, len(categories))
        order, starts, keys = groups.order, groups.starts, groups.keys
    else:
        order, starts, keys = None, np.zeros(1, dtype=np.int64), codes
    if kept is not None:
        order = kept if order is None else kept[order]
    row = np.arange(len(cells)) if order is None else order
    return TableRows(
        found.rows(order, starts),
        categories[keys]
        if isinstance(categories, np.ndarray)
        else [categories[key] for key in keys.tolist()],
        row[starts[:-1]],
        row,
        found.who.columns(),
        found.bad,
    )


@attrs.frozen(eq=False)
class PartRows:
    """Claims of a part of a table, ready for the engine.

    Attributes
    ----------
    rows : the claims; a quantity of which no row is good is not among them
    quantities : which of the part's quantities are
    row : row of the part of each claim
    sources : names of the sources by the numbers in ``rows.source``
    bad : rows that were left out
    """

    rows: Rows
    quantities: IntArray
    row: IntArray
    sources: Sequence[str]
    bad: BadRows


def rows_of_part(
    cells: Cells, starts: IntArray | None, known: Known, first: FirstStated, *, stop: bool
) -> PartRows:
    """Claims of some whole quantities of a table.

    Parameters
    ----------
    cells : rows of the table, those of one quantity together
    starts : (quantities + 1,) where the rows of each begin; None if the rows name no quantity
    known : what is known of the sources from elsewhere
    first : what the whole table states of them first
    stop : whether to look no further than the first bad row, in the order of the table
    """
    named = constant(starts is not None, len(cells))
    found = _Judged.of(cells, known, first, named, stop=stop)
    if starts is None:
        starts = np.zeros(1, dtype=np.int64)
    if found.good.all():
        every = np.arange(len(starts) - 1)
        row = np.arange(len(cells))
        return PartRows(found.rows(None, starts), every, row, found.who.names, found.bad)
    row = np.flatnonzero(found.good)
    begins = np.append(0, np.cumsum(found.good))[starts]
    there = np.flatnonzero(begins[1:] > begins[:-1])
    rows = found.rows(row, np.append(begins[there], len(row)))
    return PartRows(rows, there, row, found.who.names, found.bad)


def names_of_rows(cells: Cells) -> tuple[IntArray, Sequence[Any] | NDArray[Any]]:
    """Code of the quantity that each row names, -1 where it names none, and what the codes mean."""
    if not cells.has("quantity"):
        raise InvalidValueError(
            f"{cells.name}: the column 'quantity' is missing; name what each claim is about, "
            "or give the claims to combine()"
        )
    texts = _one_code_per_name(cells.texts("quantity"))
    codes = texts.codes
    if texts.refused.any():
        codes = np.where(_filled(texts), codes, -1)
    return codes, cells.coded("quantity").categories


@attrs.frozen(eq=False)
class _Judged:
    """The rows of a table, each of them good or bad."""

    cells: Cells
    reader: _Statements
    who: _Sources
    good: Mask
    bad: BadRows

    @classmethod
    def of(
        cls, cells: Cells, known: Known, first: FirstStated, named: Mask, *, stop: bool
    ) -> _Judged:
        """Judge the rows, of which ``named`` name a quantity."""
        who = _Sources.of(cells, known, first)
        reader = _Statements(cells)
        good = reader.good & who.good & named
        for column in ("origin", "date"):
            if cells.has(column):
                good &= _acceptable(cells, column)
        bad = BadRows()
        for row in sorted(np.flatnonzero(~good).tolist(), key=cells.number):
            try:
                reader.put(row, _judge(cells, row, who))
            except ReliabilityError as error:
                bad.add(cells, row, error)
                if stop:
                    break
            else:
                good[row] = True
        return cls(cells, reader, who, good, bad)

    def rows(self, order: IntArray | None, starts: IntArray) -> Rows:
        """Some rows in some order, those of one quantity together; None takes them as they are."""

        def take(column: NDArray[Any]) -> NDArray[Any]:
            if order is None:
                return column
            if column.strides == (0,) and len(column):  # what is constant stays so
                return constant(column[0], len(order))
            return column[order]

        who = self.who
        source = take(who.codes)
        return Rows(
            statements=self.reader.statements(take),
            source=source,
            origin=take(who.origins(self.cells)),
            credibility=take(_credibility(self.cells)),
            confirmed=take(_confirmed(self.cells)),
            starts=starts,
            **{
                field: values[source]
                if (values := who.resolved(field)) is not None
                else constant(_UNSTATED.get(field, np.nan), len(source))
                for field in SOURCE_NUMBERS
                if field != "evidence"
            },
        )


def _judge(cells: Cells, row: int, who: _Sources) -> Statement:
    """Statement of a row that did not look good at first sight, if it is."""
    claim = cells.claim(row)
    if claim.quantity is None:
        raise cells.place(row).error("quantity", "is empty; name what the claim is about")
    who.check(cells, row)
    return claim.statement


def _one_code_per_name(texts: Texts) -> Texts:
    """Let the number 5 and the text "5" be one name, as they are for claims."""
    if len(set(map(type, texts.cells))) <= 1:
        return texts
    numbers: dict[str, int] = {}
    table = np.array(
        [
            code if cell is None else numbers.setdefault(source_name(cell), code)
            for code, cell in enumerate(texts.cells)
        ]
        + [-1],
        dtype=np.int64,
    )
    if len(numbers) == sum(cell is not None for cell in texts.cells):
        return texts
    return Texts(table[texts.codes], texts.cells, texts.refused)


def _filled(texts: Texts) -> Mask:
    """Rows whose cell is a text or a number that serves as one."""
    filled = texts.codes >= 0
    if texts.refused.any():
        filled &= ~np.append(texts.refused, False)[texts.codes]
    return filled


def _acceptable(cells: Cells, column: str) -> Mask:
    """Rows whose cell is empty or good for a claim."""
    texts = cells.texts(column)
    fine = ~texts.refused
    if column == "date":
        for code, cell in enumerate(texts.cells):
            if cell is not None:
                try:
                    Claim("somebody", Estimate(1), date=source_name(cell))
                except ReliabilityError:
                    fine[code] = False
    return np.append(fine, True)[texts.codes]


def _credibility(cells: Cells) -> Array:
    if cells.has("credibility"):
        return cells.numbers("credibility").values
    return constant(np.nan, len(cells))


def _confirmed(cells: Cells) -> Mask:
    """Rows whose digit says that other sources confirm them."""
    if cells.has("grade"):
        return cells.grades.confirmed
    return constant(False, len(cells))


# --- who ----------------------------------------------------------------------------------------

#: Numbers that a source's attributes and a credibility can be; a source refuses all others.
_POSSIBLE: dict[str, Callable[[Array], Mask]] = {
    "reliability": lambda v: (v >= 0.0) & (v <= 1.0),
    "credibility": lambda v: (v >= 0.0) & (v <= 1.0),
    "evidence": lambda v: (v > 0.0) & (v < np.inf),
    "bias": np.isfinite,
    "bias_sd": lambda v: (v >= 0.0) & (v < np.inf),
    "overconfidence": lambda v: (v > 0.0) & (v < np.inf),
    "interest": lambda v: (v == 0.0) | (np.abs(v) == 1.0),
}


def _possible_numbers(cells: Cells, field: str) -> tuple[Array, Mask]:
    """Column of numbers, nan where they are empty or impossible, and where they are possible."""
    found = cells.numbers(field)
    possible = np.isnan(found.values) | _POSSIBLE[field](found.values)
    if found.refused is not None:
        possible &= ~found.refused
    if possible.all():
        return found.values, possible
    return np.where(possible, found.values, np.nan), possible


def _source_names(cells: Cells) -> tuple[IntArray, list[str], Mask]:
    """Number of each row's source, the names by number, and the rows that name one."""
    texts = cells.texts("source")
    # Two categories may be one name: the number 5 and the text "5". Numbered by their names,
    # so that a choice between two sources does not depend on the order of rows.
    by_code = [None if cell is None else source_name(cell) for cell in texts.cells]
    names = sorted({name for name in by_code if name is not None})
    numbers = {name: number for number, name in enumerate(names)}
    table = np.array([-1 if name is None else numbers[name] for name in [*by_code, None]])
    same = bool(np.array_equal(table[:-1], np.arange(len(texts.cells))))
    return texts.codes if same else table[texts.codes], names, _filled(texts)


def first_stated(cells: Cells) -> FirstStated:
    """What a table, or some rows of it, states of its sources."""
    out = FirstStated()
    fields = [field for field in SOURCE_NUMBERS if cells.has(field)]
    if not fields:
        return out
    codes, names, _ = _source_names(cells)
    for field in fields:
        values, _ = _possible_numbers(cells, field)
        rows = first_rows(codes, ~np.isnan(values), len(names)).tolist()
        out[field] = {
            name: (float(values[row]), cells.number(row))
            for name, row in zip(names, rows, strict=True)
            if row >= 0
        }
    return out


@attrs.frozen(eq=False)
class _Attribute:
    """One attribute of every source: its value, and what the table states first and where."""

    value: Array
    stated: Array
    row: IntArray


@attrs.define(eq=False)
class _Sources:
    """The sources of a table: which one makes each claim, and what is stated about each."""

    codes: IntArray
    names: list[str]
    good: Mask
    attributes: dict[str, _Attribute]

    @classmethod
    def of(cls, cells: Cells, known: Known, first: FirstStated) -> _Sources:
        codes, names, good = _source_names(cells)
        attributes: dict[str, _Attribute] = {}
        elsewhere = known_numbers(names, known) if known else {}
        for field in (*SOURCE_NUMBERS, "credibility"):
            here = cells.has(field)
            if not (here or field in elsewhere):
                continue
            if field != "credibility":
                stated, row = first.numbers(field, names)
                value = elsewhere.get(field, stated)
                value = np.where(np.isnan(value), stated, value)
                attributes[field] = _Attribute(value, stated, row)
            if here:
                values, possible = _possible_numbers(cells, field)
                good &= possible
                if field != "credibility":
                    own = np.append(attributes[field].value, np.nan)[codes]
                    good &= np.isnan(values) | (values == own)
        return cls(codes, names, good, attributes)

    def check(self, cells: Cells, row: int) -> None:
        """Refuse a row that contradicts what is stated about its source elsewhere."""
        code = int(self.codes[row])
        for field, attribute in self.attributes.items():
            if not cells.has(field):
                continue
            value, other = float(cells.numbers(field).values[row]), float(attribute.value[code])
            if np.isnan(value) or value == other:
                continue
            first = int(attribute.row[code]) + 1
            where = f"in row {first}" if attribute.stated[code] == other else "in sources"
            remedy = "; for a single claim there is credibility" if field == "reliability" else ""
            column, what = (field, "is")
            if field not in cells.table.names:
                column, what = "grade", f"{field} is"
            raise cells.place(row).error(
                column,
                f"{what} {short(value)} here and {short(other)} {where}, for the same source "
                f"{short(self.names[code])}; a source has one {field}{remedy}",
            )

    def resolved(self, field: str) -> Array | None:
        """Attribute by source; None where nobody states it."""
        if field not in self.attributes:
            return None
        values = self.attributes[field].value
        return np.where(np.isnan(values), _UNSTATED.get(field, np.nan), values)

    def origins(self, cells: Cells) -> IntArray:
        """Origin of each row: its own, else its source; one name is one number."""
        if not cells.has("origin"):
            return self.codes
        texts = cells.texts("origin")
        numbers = {name: code for code, name in enumerate(self.names)}
        table = np.array(
            [
                -1 if cell is None else numbers.setdefault(source_name(cell), len(numbers))
                for cell in texts.cells
            ],
            dtype=np.int64,
        )
        return np.where(texts.codes < 0, self.codes, np.append(table, -1)[texts.codes])

    def columns(self) -> SourceColumns:
        unstated = np.full(len(self.names), np.nan)
        return SourceColumns(
            self.names,
            {
                field: self.attributes[field].value if field in self.attributes else unstated
                for field in SOURCE_NUMBERS
            },
        )


def sources_of_cells(cells: Cells, sources: object = None) -> SourceColumns:
    """What a table states about its sources; of rows that contradict each other the first."""
    return _Sources.of(cells, read_sources(sources), first_stated(cells)).columns()


# --- what ---------------------------------------------------------------------------------------

_VALUE, _SD, _LOW, _HIGH, _LEVEL, _QUANTILES = (1 << i for i in range(6))
_FILLED = {"value": _VALUE, "sd": _SD, "low": _LOW, "high": _HIGH, "level": _LEVEL}
_SIDES = _LOW | _HIGH | _LEVEL


#: A phrase is read once for all parts of a table.
_statement_of = lru_cache(maxsize=1 << 14)(read)


def _which(kinds: NDArray[np.uint8]) -> list[int]:
    """Which of the numbers from 0 to 63 there are."""
    low, high = int(kinds.min()), int(kinds.max())
    if low == high:
        return [low]
    found: list[int] = np.flatnonzero(np.bincount(kinds, minlength=64)).tolist()
    return found


class _Statements:
    """The statements of a table, in the order of its rows."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        rows = len(cells)
        self._stated = np.full(rows, -1, dtype=np.int64)
        self._numbers: dict[str, Array] = {}
        self._quantile_row: IntArray | None = None
        self._tables: list[tuple[Array, Array]] = []
        self._table_rows = 0
        self._judged: list[tuple[int, Statement]] = []
        self._filled = np.zeros(rows, dtype=np.uint8)
        self._readable = np.ones(rows, dtype=np.bool_)
        self._given = {name: self._column(name, bit) for name, bit in _FILLED.items()}
        self._quantile_columns()
        self._form = self._forms()
        self._read()

    @property
    def good(self) -> Mask:
        """Rows whose statement is surely good."""
        return self._stated >= 0

    def put(self, row: int, statement: Statement) -> None:
        """Note the statement of a row that was judged by itself."""
        self._judged.append((row, statement))

    # ------------------------------------------------------------- reading columns

    def _column(self, name: str, bit: int) -> Array:
        if not self._cells.has(name):
            return constant(np.nan, len(self._cells))
        found = self._cells.numbers(name)
        self._filled |= ~np.isnan(found.values) * np.uint8(bit)
        if found.refused is not None:
            self._readable &= ~found.refused
        return found.values

    def _quantile_columns(self) -> None:
        by_probability = sorted(
            (p, name)
            for name in self._cells.table.names
            if (p := quantile_probability(name)) is not None
        )
        self._probabilities = np.array([p for p, _ in by_probability])
        columns = [self._column(name, _QUANTILES) for _, name in by_probability]
        self._quantiles = np.stack(columns, axis=1) if columns else None

    def _forms(self) -> tuple[IntArray, list[str]] | None:
        """Form of each row and the names of the forms."""
        if not self._cells.has("form"):
            return None
        texts = self._cells.texts("form")
        return texts.codes, [form_name(source_name(cell or "")) for cell in texts.cells]

    def _of_forms(self, *names: str) -> Mask | bool:
        """Rows whose form is one of these; "" is none."""
        if self._form is None:
            return "" in names
        codes, known = self._form
        table = np.array([name in names for name in known] + ["" in names], dtype=np.bool_)
        return table[codes]

    # ------------------------------------------------------------- the cases

    def _read(self) -> None:
        phrase = self._cells.texts("statement") if self._cells.has("statement") else None
        free = self._readable
        if phrase is not None:
            free = free & (phrase.codes < 0)
            self._phrases(phrase)
        filled = self._filled
        kinds = _which(filled)  # cases that do not occur cost nothing
        self._presence(kinds, free)
        value, sd, low, high, level = (self._given[name] for name in _FILLED)
        with np.errstate(invalid="ignore"):
            if (_VALUE | _SD) in kinds:
                fine = (filled == (_VALUE | _SD)) & (sd > 0.0) & (sd < np.inf) & np.isfinite(value)
                self._set(fine & free & self._of_forms("", "estimate"), Stated.SD, "value", "sd")
            if (_VALUE | _SIDES) in kinds:
                fine = (filled == (_VALUE | _SIDES)) & (low < value) & (value < high)
                fine &= (level > 0.0) & (level < 1.0) & (low > -np.inf) & (high < np.inf)
                self._set(
                    fine & free & self._of_forms("", "estimate"),
                    Stated.INTERVAL,
                    "value",
                    "low",
                    "high",
                    "level",
                )
            if _VALUE in kinds:
                fine = (filled == _VALUE) & np.isfinite(value) & free
                if not self._cells.zeros:
                    fine &= value != 0.0
                self._bare(fine)
            if (_LOW | _HIGH) in kinds:
                fine = (filled == (_LOW | _HIGH)) & (low < high)
                fine &= (low > -np.inf) & (high < np.inf)
                self._ranges(fine & free & self._of_forms("", "range"))
            if _SIDES in kinds:
                fine = (filled == _SIDES) & (low < high) & (level > 0.0) & (level < 1.0)
                fine &= (low > -np.inf) & (high < np.inf)
                self._central(fine & free & self._of_forms("", "quantiles"))
            if _QUANTILES in kinds:
                self._quantile_rows((filled == _QUANTILES) & free)

    def _presence(self, kinds: list[int], free: Mask) -> None:
        """Rows without numbers whose form says whether there is anything."""
        if 0 in kinds and self._form is not None:
            for form, kind in (("absent", Stated.ABSENT), ("present", Stated.PRESENT)):
                found = (self._filled == 0) & free & self._of_forms(form)
                if found.any():
                    self._set(found, kind)

    def _set(self, rows: Mask, kind: Stated, *fields: str) -> None:
        """Note rows of one kind, which state some of their columns."""
        if rows.all():
            # The columns themselves serve; what is one number throughout takes no memory.
            self._stated = constant(int(kind), len(rows))
            self._numbers |= {field: self._given[field] for field in fields}
            return
        self._stated[rows] = kind
        for field in fields:
            known = self._numbers.get(field)
            if known is None:
                known = self._numbers[field] = np.full(len(rows), np.nan)
            np.copyto(known, self._given[field], where=rows)

    def _own(self, field: str) -> Array:
        """Column that may be written to."""
        known = self._numbers.get(field)
        if known is None:
            known = np.full(len(self._cells), np.nan)
        elif field in self._given and known is self._given[field]:
            known = known.copy()
        self._numbers[field] = known
        return known

    def _bare(self, rows: Mask) -> None:
        """Bare values: rounded, or bounds, or "about"."""
        for form, kind in (("at_least", Stated.AT_LEAST), ("at_most", Stated.AT_MOST)):
            found = rows & self._of_forms(form)
            if found.any():
                self._set(found, kind, "value")
        found = rows & self._of_forms("", "estimate")
        if found.any():
            self._set(found, Stated.ROUNDED, "value")
            self._own("unit")[found] = rounding_units(self._given["value"][found])
        found = rows & self._of_forms("about")
        if found.any():
            self._set(found, Stated.ROUNDED, "value")
            unique, codes = np.unique(self._given["value"][found], return_inverse=True)
            units = np.array([About(value).unit for value in unique.tolist()])
            self._own("unit")[found] = units[codes]

    def _ranges(self, rows: Mask) -> None:
        self._set(rows, Stated.RANGE, "low", "high")
        units = [rounding_units(self._given[name][rows]) for name in ("low", "high")]
        finer = np.minimum(*(np.where(unit > 0.0, unit, np.inf) for unit in units))
        self._own("unit")[rows] = finer

    def _central(self, rows: Mask) -> None:
        """Both ends of an interval and its level, without a value: two quantiles."""
        low, high, level = (self._given[name][rows] for name in ("low", "high", "level"))
        unique, codes = np.unique(level, return_inverse=True)
        pairs = np.array([interval_quantiles(one) for one in unique.tolist()])
        if len(unique):
            self._put_quantiles(np.flatnonzero(rows), pairs[codes], np.stack((low, high), axis=1))

    def _quantile_rows(self, rows: Mask) -> None:
        assert self._quantiles is not None  # noqa: S101 - there are such columns
        where = np.flatnonzero(rows & self._of_forms("", "quantiles"))
        given = self._quantiles[where]
        if not (np.all(self._probabilities > 0.0) and np.all(self._probabilities < 1.0)):
            return
        empty = np.isnan(given)
        probabilities = np.broadcast_to(self._probabilities, given.shape)
        if empty.any():
            # Filled cells first, in their order; what follows them is nan.
            order = np.argsort(empty, axis=1, kind="stable")
            given = np.take_along_axis(given, order, axis=1)
            probabilities = np.take_along_axis(
                np.where(empty, np.nan, probabilities), order, axis=1
            )
        count = np.count_nonzero(~empty, axis=1)
        steps = given[:, 1:] > given[:, :-1]
        needed = np.arange(1, given.shape[1]) < count[:, None]
        fine = (count >= 2) & np.all(steps | ~needed, axis=1) & ~np.isinf(given).any(axis=1)
        self._put_quantiles(where[fine], probabilities[fine], given[fine])

    def _put_quantiles(self, rows: IntArray, probabilities: Array, values: Array) -> None:
        if self._quantile_row is None:
            self._quantile_row = np.full(len(self._cells), -1, dtype=np.int64)
        self._stated[rows] = Stated.QUANTILES
        self._quantile_row[rows] = self._table_rows + np.arange(len(rows))
        self._add_table(probabilities, values)

    def _add_table(self, probabilities: Array, values: Array) -> None:
        self._tables.append((probabilities, values))
        self._table_rows += len(values)

    def _phrases(self, phrase: Texts) -> None:
        """Rows with a phrase and nothing beside it; each phrase is read once."""
        table = np.full(len(phrase.cells) + 1, -1, dtype=np.int64)
        found: list[Statement] = []
        for code, cell in enumerate(phrase.cells):
            if cell is not None:
                try:
                    statement = _statement_of(cell) if isinstance(cell, str) else Estimate(cell)
                except ReliabilityError:
                    continue  # the row itself will say so
                table[code] = len(found)
                found.append(statement)
        codes = table[phrase.codes]
        rows = (codes >= 0) & self._readable & (self._filled == 0)
        if self._form is not None:
            rows &= self._form[0] < 0
        self._put_objects(np.flatnonzero(rows), codes[rows], found)

    def _put_objects(
        self, rows: IntArray, codes: IntArray, statements: Sequence[Statement]
    ) -> None:
        """Note rows that state what objects state; ``codes`` says which object each does."""
        if len(rows) == 0:
            return
        arrays = statements_from_objects(statements)
        self._stated[rows] = arrays.stated[codes]
        for field in NUMBER_FIELDS:
            values: Array = getattr(arrays, field)
            if not np.isnan(values).all():
                self._own(field)[rows] = values[codes]
        if len(arrays.quantiles):
            if self._quantile_row is None:
                self._quantile_row = np.full(len(self._cells), -1, dtype=np.int64)
            of_object = arrays.quantile_row[codes]
            self._quantile_row[rows] = np.where(of_object < 0, -1, self._table_rows + of_object)
            self._add_table(arrays.probabilities, arrays.quantiles)

    # ------------------------------------------------------------- the result

    def statements(self, take: Any) -> Statements:
        """Statements of the rows that ``take`` takes."""
        if self._judged:
            rows = np.array([row for row, _ in self._judged], dtype=np.int64)
            self._put_objects(rows, np.arange(len(rows)), [one for _, one in self._judged])
            self._judged = []
        absent, no_table = constant(np.nan, len(self._cells)), constant(-1, len(self._cells))
        return Statements(
            stated=take(self._stated),
            **{field: take(self._numbers.get(field, absent)) for field in NUMBER_FIELDS},
            quantile_row=take(no_table if self._quantile_row is None else self._quantile_row),
            probabilities=padded([probabilities for probabilities, _ in self._tables]),
            quantiles=padded([values for _, values in self._tables]),
        )
