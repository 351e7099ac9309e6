"""Claims as columns: a struct of arrays, one row per claim, ready for the engine.

Everything stated in the quantity's units is turned into the working coordinate x here, once. How
each kind of statement is converted stands in :mod:`reliability.claims.forms`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.claim import Claim
from reliability.claims.forms import CONVERTERS, Batch, Form, Part
from reliability.claims.limits import Extremes, check_ratios, check_sizes
from reliability.claims.problems import Finder, Problem
from reliability.claims.quantile_curve import Knots, stacked
from reliability.claims.rows import Rows, Stated, constant, different, rows_from_claims
from reliability.errors import ReliabilityError
from reliability.scales import Scale

__all__ = [
    "Columns",
    "Form",
    "Knots",
    "columns_from_claims",
    "columns_from_rows",
    "rows_of_segments",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


#: Claims about a quantity that are few.
_FEW = 12


@attrs.frozen(eq=False, slots=False)
class Columns:
    """One row per claim; every length and sd is on x.

    ``location`` is the mode, centre, bound or median; ``sd_low`` and ``sd_high`` the stated sds
    below and above it (shoulders for a box); ``half_width`` a box's, multiplied by a source's
    overconfidence where ``width_scales``; ``excess`` the scale of a bound's exponential;
    ``direction`` +1 for "at least" and for presence, -1 for "at most" and for absence; ``knots``
    a row of the knots table or -1; ``stated_sd`` the sd of the statement as a whole; ``hull_low``
    and ``hull_high`` the stated numbers' extent. What is said of presence alone has no place: nan.
    ``reliability`` is nan where it is unknown. ``void`` is the log of a Void's constant density;
    ``meeting`` and ``meeting_sd`` say where such a claim, were it sound, and the prior meet (nan
    where that was not asked). Rows of one quantity stand together: ``starts[q]:starts[q + 1]``.
    """

    form: IntArray
    location: Array
    sd_low: Array
    sd_high: Array
    half_width: Array
    width_scales: Array
    excess: Array
    direction: Array
    knot_row: IntArray
    stated_sd: Array
    hull_low: Array
    hull_high: Array
    bias: Array
    bias_variance: Array
    overconfidence: Array
    reliability: Array
    interest: Array
    share: Array
    void: Array
    meeting: Array
    meeting_sd: Array
    starts: IntArray
    knots: Knots

    @property
    def count(self) -> int:
        """Number of claims."""
        return len(self.form)

    @property
    def quantities(self) -> int:
        """Number of quantities."""
        return len(self.starts) - 1

    @cached_property
    def sizes(self) -> IntArray:
        """Number of claims about each quantity."""
        return np.diff(self.starts)

    @cached_property
    def quantity(self) -> IntArray:
        """Quantity of each row."""
        return np.repeat(np.arange(self.quantities), self.sizes)

    def total(self, values: Array) -> Array:
        """Sum over the claims about each quantity."""
        each, rest = divmod(self.count, max(self.quantities, 1))
        if rest or each > _FEW or not np.all(self.sizes == each):
            return np.asarray(np.add.reduceat(values, self.starts[:-1]))
        # One claim of all quantities after the other: sums of few neighbours are slow.
        table = values.reshape(-1, each)
        out = np.array(table[:, 0])
        for k in range(1, each):
            out += table[:, k]
        return out

    @cached_property
    def forms(self) -> list[int]:
        """The forms that there are."""
        found: list[int] = np.flatnonzero(np.bincount(different(self.form))).tolist()
        return found

    @cached_property
    def plain(self) -> bool:
        """Whether all are symmetric normal estimates of sources without an interest."""
        return bool(
            self.forms == [Form.NORMAL]
            and (self.sd_low is self.sd_high or np.array_equal(self.sd_low, self.sd_high))
            and not np.any(different(self.interest))
        )

    def take(self, rows: NDArray[Any]) -> Columns:
        """Some rows of one quantity, as columns of their own."""
        fields = {name: getattr(self, name)[rows] for name in _ROW_FIELDS}
        count = len(fields["form"])
        return Columns(**fields, starts=np.array([0, count], dtype=np.int64), knots=self.knots)

    def take_rows(self, kept: NDArray[np.bool_]) -> Columns:
        """The rows that are kept, (rows,) flags, of every quantity.

        A quantity of which none is kept stays, with no rows.
        """
        before = np.concatenate([[0], np.cumsum(kept)])
        fields = {name: getattr(self, name)[kept] for name in _ROW_FIELDS}
        return Columns(**fields, starts=before[self.starts], knots=self.knots)

    def take_quantities(self, quantities: NDArray[Any]) -> Columns:
        """Some quantities with all their rows, in the order of the indices or flags given."""
        rows, starts = rows_of_segments(self.starts, quantities)
        fields = {name: getattr(self, name)[rows] for name in _ROW_FIELDS}
        return Columns(**fields, starts=starts, knots=self.knots)

    def between(self, first: int, last: int) -> Columns:
        """The quantities first..last - 1 with all their rows, as views."""
        begin, end = self.starts[first], self.starts[last]
        columns = {name: getattr(self, name) for name in _ROW_FIELDS}
        # Columns that are one stay one.
        views = {id(column): column[begin:end] for column in columns.values()}
        fields = {name: views[id(column)] for name, column in columns.items()}
        return Columns(**fields, starts=self.starts[first : last + 1] - begin, knots=self.knots)

    def with_fields(self, **changes: Any) -> Columns:
        """Return the same rows with some columns replaced."""
        fields = {name: getattr(self, name) for name in _FIELDS}
        return Columns(**(fields | changes))


def rows_of_segments(starts: IntArray, chosen: NDArray[Any]) -> tuple[IntArray, IntArray]:
    """Rows of some quantities, by index or flag, one after the other, and where each then starts.

    >>> [each.tolist() for each in rows_of_segments(np.array([0, 2, 3, 6]), np.array([2, 0]))]
    [[3, 4, 5, 0, 1], [0, 3, 5]]
    """
    firsts, counts = starts[:-1][chosen], np.diff(starts)[chosen]
    new = np.concatenate([[0], np.cumsum(counts)])
    return np.arange(new[-1]) + np.repeat(firsts - new[:-1], counts), new


_FIELDS = tuple(field.name for field in attrs.fields(Columns))
_ROW_FIELDS = tuple(name for name in _FIELDS if name not in {"starts", "knots"})

# ------------------------------------------------------------------ rows to columns

# Columns that the conversion of a statement gives.
_CONVERTED = tuple(
    field.name for field in attrs.fields(Part) if field.name not in {"form", "knots"}
)
_NO_KNOTS = stacked([])


def columns_from_rows(
    rows: Rows, scale: Scale, unstated_error: float
) -> tuple[Columns, list[Problem]]:
    """Columns of rows of any number of quantities, with share 1 and no Void constant yet.

    Parameters
    ----------
    rows : the claims
    scale : the quantities' scale
    unstated_error : relative error of values that state none

    Returns
    -------
    columns : one row for each; those of an impossible row are nan
    problems : the impossible rows: first those impossible in themselves, in their order, then
        those too narrow beside the others of their quantity
    """
    count = rows.count
    found = Finder(rows.statements)
    # What overflows or is no number is found by its result.
    with np.errstate(all="ignore"):
        fields, knots = _converted(rows, scale, unstated_error, found)
        fields["bias"], fields["overconfidence"] = rows.bias, rows.overconfidence
        fields["bias_variance"] = _each(np.square, rows.bias_sd)
        too_narrow = _check_numbers(fields | {"bias_sd": rows.bias_sd}, rows, scale, found)
    problems = [Problem(row, found.found[row]) for row in sorted(found.found)]
    problems += [Problem(row, error) for row, error in too_narrow.items()]
    if problems:
        bad = [problem.row for problem in problems]
        for name in (*_CONVERTED, "knot_row"):
            fields[name] = np.array(fields[name])
            fields[name][bad] = -1 if name == "knot_row" else np.nan
    one, nan = constant(1.0, count), constant(np.nan, count)
    columns = Columns(
        **fields,
        reliability=rows.reliability,
        interest=rows.interest,
        share=one,
        void=constant(0.0, count),
        meeting=nan,
        meeting_sd=nan,
        starts=rows.starts,
        knots=knots,
    )
    return columns, problems


def _check_numbers(
    sized: dict[str, Any], rows: Rows, scale: Scale, found: Finder
) -> dict[int, ReliabilityError]:
    """Note numbers that the floats do not bear; errors of rows too narrow beside the others.

    What is said of presence alone has no numbers.
    """
    where = np.flatnonzero(sized["form"] != Form.PRESENCE)
    if len(where) == rows.count:
        extremes = Extremes(sized)
        check_sizes(sized, extremes, scale, found)
        return check_ratios(sized, extremes, rows.starts, found.found)
    some = Finder(found.statements.take(where))
    place = {row: k for k, row in enumerate(where.tolist())}
    some.found |= {place[row]: error for row, error in found.found.items() if row in place}
    sized = {name: values[where] for name, values in sized.items()}
    extremes = Extremes(sized)
    check_sizes(sized, extremes, scale, some)
    narrow = check_ratios(sized, extremes, np.searchsorted(where, rows.starts), some.found)
    found.found |= {int(where[k]): error for k, error in some.found.items()}
    return {int(where[k]): error for k, error in narrow.items()}


def _converted(
    rows: Rows, scale: Scale, unstated_error: float, found: Finder
) -> tuple[dict[str, Any], Knots]:
    """Columns that depend on the statements alone, and the table of quantiles."""
    statements, count = rows.statements, rows.count
    kinds = np.flatnonzero(np.bincount(different(statements.stated))).tolist()
    if len(kinds) == 1:
        part = CONVERTERS[Stated(kinds[0])](Batch(statements, scale, unstated_error, found))
        alone = {name: _column(getattr(part, name), count) for name in _CONVERTED}
        no_row = part.knots is None
        return alone | {
            "form": part.form
            if isinstance(part.form, np.ndarray)
            else constant(int(part.form), count),
            "knot_row": constant(-1, count) if no_row else np.arange(count),
        }, _NO_KNOTS if part.knots is None else part.knots
    fields: dict[str, Any] = {name: np.zeros(count) for name in _CONVERTED}
    form, knot_row = np.zeros(count, dtype=np.int64), np.full(count, -1)
    knots = _NO_KNOTS
    for kind in kinds:
        own = np.flatnonzero(statements.stated == kind)
        some = statements.take(own)
        finder = Finder(some)
        part = CONVERTERS[Stated(kind)](Batch(some, scale, unstated_error, finder))
        form[own] = part.form
        for name in _CONVERTED:
            fields[name][own] = getattr(part, name)
        if part.knots is not None:
            knots = part.knots
            knot_row[own] = np.arange(len(own))
        found.found |= {int(own[row]): error for row, error in finder.found.items()}
    return fields | {"form": form, "knot_row": knot_row}, knots


def _each(function: Callable[[Any], Any], column: Array) -> Array:
    """A function of each number of a column, of which the result takes no more memory."""
    if column.strides == (0,) and len(column):
        return constant(float(function(column[0])), len(column))
    return np.asarray(function(column))


def _column(value: Array | float, count: int) -> Array:
    return constant(value, count) if isinstance(value, float) else value


def columns_from_claims(
    claims: Sequence[Claim], scale: Scale, unstated_error: float, names: Sequence[str]
) -> Columns:
    """Columns of one quantity's claims, with share 1 and no Void constant yet.

    Parameters
    ----------
    claims : the claims
    scale : the quantity's scale
    unstated_error : relative error of values that state none
    names : how each claim is called in error messages

    Raises
    ------
    ReliabilityError
        Naming the claim, where a statement is impossible on the scale.
    """
    columns, problems = columns_from_rows(rows_from_claims(claims), scale, unstated_error)
    for problem in problems:
        raise problem.exception.located(names[problem.row])
    return columns
