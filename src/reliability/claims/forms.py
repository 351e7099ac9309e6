"""What is stated, on the working coordinate x: one function per kind of statement.

Each takes all rows of its kind at once and gives their columns on x: values by the scale, stated
sds by the delta method at the value, intervals by their ends. To add a kind, add its function to
``CONVERTERS`` and its likelihood to ``reliability.engine.likelihoods``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import partial

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from reliability.claims._checks import short
from reliability.claims.digits import complement, finer_unit, next_salient, previous_salient
from reliability.claims.problems import Finder
from reliability.claims.quantile_curve import Knots, ScoreCurves, stacked
from reliability.claims.rows import Stated, Statements, statement_at
from reliability.errors import InvalidValueError, ReliabilityError
from reliability.scales import Scale

__all__ = ["CONVERTERS", "Batch", "Form", "Part"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Half-width, in sds, of the central 90 % interval of a normal estimate: the hull of
#: ``IntrinsicRange`` spans 5 % to 95 % quantiles, as in expert elicitation (Cooke 1991).
HULL_QUANTILE = float(ndtri(0.95))


class Form(IntEnum):
    """The shapes that a sound likelihood can have.

    ``PRESENCE`` says whether there is anything, and nothing about where: it has no place on x.
    """

    NORMAL = 0
    BOX = 1
    BOUND_WITH_EXCESS = 2
    BOUND = 3
    QUANTILES = 4
    PRESENCE = 5


@attrs.frozen(eq=False)
class Batch:
    """Statements of one kind, and what turns them into columns.

    Parameters
    ----------
    statements : the rows
    scale : the quantities' scale
    unstated_error : relative error of values that state none
    finder : where rows that are impossible are noted
    """

    statements: Statements
    scale: Scale
    unstated_error: float
    finder: Finder


@attrs.frozen(eq=False)
class Part:
    """Columns of one kind of statement, (rows,) each or one number for all rows.

    The fields are those of ``Columns``; ``knots`` has a row for each row of quantiles. Rows that
    are impossible hold anything.
    """

    form: IntArray | Form
    location: Array
    sd_low: Array
    sd_high: Array
    stated_sd: Array
    hull_low: Array
    hull_high: Array
    half_width: Array | float = 0.0
    width_scales: float = 0.0
    excess: Array | float = 0.0
    direction: float = 0.0
    knots: Knots | None = None


# ------------------------------------------------------------------ what several kinds need


def _check_inside(batch: Batch, field: str, values: Array) -> NDArray[np.bool_]:
    """Note the values that the scale does not have; return where it has them."""
    scale = batch.scale
    inside = scale.contains(values)
    batch.finder.unless(
        inside,
        lambda row: InvalidValueError(
            f"{field}={values[row]:g} is impossible on the {scale.name} scale, which needs "
            f"{scale.describe()}; "
            + (
                "that there is nothing is said by Absent(), with zero= in combine"
                if values[row] == 0.0 and field == "value"
                else "correct the value or choose another scale"
            )
        ),
        field,
    )
    return inside


def _inside(batch: Batch, field: str, values: Array) -> Array:
    """The values on x; those that the scale does not have are noted."""
    _check_inside(batch, field, values)
    return batch.scale.to_x(values)


def _by_digits(
    function: Callable[[float], float], batch: Batch, values: Array, rows: IntArray
) -> Array:
    """A function of the digits of numbers, which is slow, at the different ones only.

    Parameters
    ----------
    function : takes and gives a number; what it refuses is noted and becomes nan
    values : the numbers, of ``rows`` of the batch
    """
    if not len(values):
        return values
    different, place = np.unique(values, return_inverse=True)
    results = np.full(len(different), np.nan)
    for k, value in enumerate(different.tolist()):
        try:
            results[k] = function(value)
        except ReliabilityError as error:
            for row in rows[place == k].tolist():
                batch.finder.note(row, error, "value")
    return results[place]


def _unstated_sd(batch: Batch, values: Array, inside: NDArray[np.bool_]) -> Array:
    """Sds on x of values that state none: a part of the value, by the delta method.

    On the logit scale a part of the rarer side: 99.5 % says as much as 0.5 % of the opposite.
    """
    size = np.abs(values)
    if batch.scale.name == "logit":
        rows = np.flatnonzero(inside)
        shares = values[rows]
        size[rows] = np.minimum(shares, _by_digits(complement, batch, shares, rows))
    return batch.unstated_error * size * batch.scale.slope(values)


def _check_sds(batch: Batch, positive: NDArray[np.bool_]) -> None:
    batch.finder.unless(
        positive,
        lambda row: InvalidValueError(
            f"the uncertainty of {statement_at(batch.statements, row)} vanishes on the "
            f"{batch.scale.name} scale in floating point; state the claims relative to a value "
            "near them"
        ),
        "sd",
    )


# ------------------------------------------------------------------ one function per kind


def _with_sd(batch: Batch) -> Part:
    value = batch.statements.value
    y = _inside(batch, "value", value)
    sd = batch.statements.sd * batch.scale.slope(value)
    _check_sds(batch, sd > 0.0)
    reach = HULL_QUANTILE * sd
    return Part(Form.NORMAL, y, sd, sd, sd, y - reach, y + reach)


def _with_interval(batch: Batch) -> Part:
    stated = batch.statements
    y = _inside(batch, "value", stated.value)
    low = _inside(batch, "low", stated.low)
    high = _inside(batch, "high", stated.high)
    z = ndtri(0.5 * (1.0 + stated.level))
    sd_low, sd_high = (y - low) / z, (high - y) / z
    # Ends that were at equal distances before rounding: one sd, and the closed form applies.
    even = np.abs(sd_low - sd_high) <= 4e-15 * (np.abs(low) + np.abs(high)) / z
    both = (high - low) / (2.0 * z)
    sd_low, sd_high = np.where(even, both, sd_low), np.where(even, both, sd_high)
    _check_sds(batch, (sd_low > 0.0) & (sd_high > 0.0))
    return Part(Form.NORMAL, y, sd_low, sd_high, 0.5 * (sd_low + sd_high), low, high)


def _rounded(batch: Batch) -> Part:
    scale, value, unit = batch.scale, batch.statements.value, batch.statements.unit
    inside = _check_inside(batch, "value", value)
    unit, rows = unit.copy(), np.flatnonzero(inside)
    while len(rows):
        half = 0.5 * unit[rows]
        within = scale.contains(value[rows] - half) & scale.contains(value[rows] + half)
        rows = rows[(half > 0.0) & ~within]
        unit[rows] = _by_digits(finer_unit, batch, unit[rows], rows)
    low, high = scale.to_x(value - 0.5 * unit), scale.to_x(value + 0.5 * unit)
    half = 0.5 * (high - low)
    sd = _unstated_sd(batch, value, inside)
    batch.finder.unless(
        (half > 0.0) & (sd > 0.0),
        lambda row: InvalidValueError(
            f"the value {value[row]:g} has no digits or size from which an error can be read; "
            "state sd="
        ),
        "value",
    )
    return Part(
        Form.BOX,
        0.5 * (low + high),
        sd,
        sd,
        np.hypot(sd, half / np.sqrt(3.0)),
        low,
        high,
        half_width=half,
    )


def _range(batch: Batch) -> Part:
    scale, finder = batch.scale, batch.finder
    theta_low, theta_high = batch.statements.low, batch.statements.high
    finder.unless(
        (theta_low != scale.low) | ~scale.contains(theta_high),
        lambda row: InvalidValueError(
            f"low={theta_low[row]:g} is the end of the {scale.name} scale and says nothing; "
            f"say AtMost({short(float(theta_high[row]))})"
        ),
        "low",
    )
    finder.unless(
        (theta_high != scale.high) | ~scale.contains(theta_low),
        lambda row: InvalidValueError(
            f"high={theta_high[row]:g} is the end of the {scale.name} scale and says nothing; "
            f"say AtLeast({short(float(theta_low[row]))})"
        ),
        "high",
    )
    low, high = _inside(batch, "low", theta_low), _inside(batch, "high", theta_high)
    center, half = 0.5 * (low + high), 0.5 * (high - low)
    # The slope dx/dtheta from x itself: 1 - theta has few digits near the end of a scale.
    sd = 0.5 * batch.statements.unit * np.exp(-scale.log_jacobian(center))
    finder.unless(
        half > 0.0,
        lambda row: InvalidValueError(
            f"low={theta_low[row]:g} and high={theta_high[row]:g} cannot be told apart on the "
            f"{scale.name} scale in floating point; use Estimate for a single value"
        ),
        "low",
    )
    return Part(
        Form.BOX,
        center,
        sd,
        sd,
        half / np.sqrt(3.0),
        low,
        high,
        half_width=half,
        width_scales=1.0,
    )


def _beyond(value: float) -> float:
    """Salient share between a share near 1 and 1: as round as what is left."""
    return complement(previous_salient(complement(value)))


def _excess(batch: Batch, direction: float, y: Array, rows: IntArray) -> Array:
    """How far beyond its bound a row expects the quantity: up to the next salient number."""
    scale, value = batch.scale, batch.statements.value[rows]
    salient = _by_digits(next_salient if direction > 0.0 else previous_salient, batch, value, rows)
    # Nobody can say "more than 100 %".
    outside = np.flatnonzero(~scale.contains(salient) & ~np.isnan(salient))
    salient[outside] = _by_digits(_beyond, batch, value[outside], rows[outside])
    batch.finder.unless(
        scale.contains(salient) & (salient != value),
        lambda row: InvalidValueError(
            f"value={float(batch.statements.value[row])!r} is too near the end of the "
            f"{scale.name} scale to say how far beyond it the quantity may lie; give excess=, a "
            "length on the scale"
        ),
        "value",
        rows,
    )
    return np.asarray(direction * (scale.to_x(salient) - y[rows]))


def _bound(batch: Batch, direction: float) -> Part:
    value = batch.statements.value
    inside = _check_inside(batch, "value", value)
    y = batch.scale.to_x(value)
    sd = _unstated_sd(batch, value, inside)
    batch.finder.unless(
        sd > 0.0,
        lambda row: InvalidValueError(
            f"a bound of {value[row]:g} has no size from which an error can be read; "
            "use a prior with that support"
        ),
        "value",
    )
    excess = batch.statements.excess
    rows = np.flatnonzero(np.isnan(excess) & inside & (sd > 0.0))
    if len(rows):
        excess = excess.copy()
        excess[rows] = _excess(batch, direction, y, rows)
    pure = np.isinf(excess)
    excess = np.where(pure, 0.0, excess)
    end = y + direction * excess
    return Part(
        np.where(pure, Form.BOUND, Form.BOUND_WITH_EXCESS),
        y,
        sd,
        sd,
        np.where(pure, sd, np.hypot(sd, excess)),
        np.minimum(y, end),
        np.maximum(y, end),
        excess=excess,
        direction=direction,
    )


def _quantiles(batch: Batch) -> Part:
    table = batch.statements.quantile_row
    p, theta = batch.statements.probabilities[table], batch.statements.quantiles[table]
    counts = np.count_nonzero(~np.isnan(theta), axis=1)
    columns = np.full((4, len(table)), np.nan)
    groups = []
    for count in np.unique(counts).tolist():
        rows = np.flatnonzero(counts == count)
        x, z = batch.scale.to_x(theta[rows, :count]), ndtri(p[rows, :count])
        good = _check_quantiles(batch, rows, x, z)
        rows = rows[good]
        columns[:, rows], pieces = _curves(x[good], z[good])
        groups.append((rows, pieces))
    location, sd, low, high = columns
    return Part(Form.QUANTILES, location, sd, sd, sd, low, high, knots=stacked(groups, len(table)))


def _check_quantiles(batch: Batch, rows: IntArray, x: Array, z: Array) -> NDArray[np.bool_]:
    """Note the rows whose quantiles the scale does not have or cannot tell apart."""
    scale, stated = batch.scale, batch.statements
    theta = stated.quantiles[stated.quantile_row[rows], : x.shape[1]]
    inside = scale.contains(theta)

    def off_scale(row: int) -> ReliabilityError:
        k = int(np.flatnonzero(rows == row)[0])
        return InvalidValueError(
            f"quantile={theta[k][~inside[k]][0]:g} is impossible on the {scale.name} scale, which "
            f"needs {scale.describe()}; correct the value or choose another scale"
        )

    on_scale: NDArray[np.bool_] = np.asarray(inside.all(axis=1))
    batch.finder.unless(on_scale, off_scale, "quantiles", rows)
    apart = (np.diff(x) > 0.0) & (np.diff(z) > 0.0)
    alone = x.shape[1] < 2
    rising: NDArray[np.bool_] = np.asarray(apart.all(axis=1) & (not alone))
    batch.finder.unless(
        rising,
        lambda row: InvalidValueError(
            f"the quantiles of {statement_at(stated, row)} cannot be told apart on the "
            f"{scale.name} scale in floating point"
        ),
        "quantiles",
        rows,
    )
    return np.asarray(on_scale & rising)


def _curves(x: Array, z: Array) -> tuple[Array, Array]:
    """Location, sd and ends, (4, rows), and pieces of the distributions through quantiles."""
    curves = ScoreCurves.through(x, z)
    pieces = curves.pieces()
    (low_knot, knot, high_knot), (below, distance, above) = curves.at_scores(
        (-1.0, 0.0, 1.0), pieces
    )
    sd = 0.5 * ((high_knot - low_knot) + (above - below))
    location = knot + distance
    pieces[:2] -= location[:, None]
    return np.array([location, sd, x[:, 0], x[:, -1]]), pieces


def _presence(batch: Batch, direction: float) -> Part:
    nowhere = np.full(len(batch.statements.stated), np.nan)
    return Part(
        Form.PRESENCE, nowhere, nowhere, nowhere, nowhere, nowhere, nowhere, direction=direction
    )


CONVERTERS: Mapping[Stated, Callable[[Batch], Part]] = {
    Stated.SD: _with_sd,
    Stated.INTERVAL: _with_interval,
    Stated.ROUNDED: _rounded,
    Stated.RANGE: _range,
    Stated.AT_LEAST: partial(_bound, direction=1.0),
    Stated.AT_MOST: partial(_bound, direction=-1.0),
    Stated.QUANTILES: _quantiles,
    Stated.ABSENT: partial(_presence, direction=-1.0),
    Stated.PRESENT: partial(_presence, direction=1.0),
}
