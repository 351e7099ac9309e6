"""Claims as columns: a struct of arrays, one row per claim, ready for the engine.

Everything stated in the quantity's units is turned into the working coordinate x here, once:
values by the scale, stated sds by the delta method at the value, intervals by their ends.
Each form of statement has one function; to add a form, add its function to ``_CONVERTERS``
and its likelihood to ``reliability.engine.likelihoods``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import cached_property
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from reliability.claims._checks import short
from reliability.claims.claim import Claim
from reliability.claims.digits import complement, finer_unit, next_salient, previous_salient
from reliability.claims.sources import Source
from reliability.claims.statements import About, AtLeast, AtMost, Estimate, Quantiles, Range
from reliability.errors import InvalidValueError, NumericalError, ReliabilityError, WrongTypeError
from reliability.scales import Scale

__all__ = ["Columns", "Form", "Knots", "columns_from_claims"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Values and sds on x between this and its inverse are computed with: their squares are floats.
LARGEST_SIZE = 1e100
#: Ratio of what the claims of a quantity span to the narrowest of them, at the most.
LARGEST_RATIO = 1e20

#: Half-width, in sds, of the central 90 % interval of a normal estimate: the hull of
#: ``IntrinsicRange`` spans 5 % to 95 % quantiles, as in expert elicitation (Cooke 1991).
HULL_QUANTILE = float(ndtri(0.95))


class Form(IntEnum):
    """The shapes that a sound likelihood can have."""

    NORMAL = 0
    BOX = 1
    BOUND_WITH_EXCESS = 2
    BOUND = 3
    QUANTILES = 4


@attrs.frozen(eq=False)
class Knots:
    """Smooth monotone distributions through stated quantiles, one row per claim that has one.

    On piece j of a row, from ``left[j]`` to ``left[j + 1]`` (the first piece reaches down to
    minus infinity, the last up to infinity), the standard normal score is
    ``z = c0 + c1 u + c3 u^3 + c4 u^4 + c5 u^5`` with ``u = x - origin[j]``: its second derivative
    vanishes at every knot, so that the density has no corners. ``left``, ``origin`` and x are
    distances from the claim's location, so that narrow claims far from zero keep digits. Rows
    with fewer pieces are padded with copies of their last one, starting at infinity.
    """

    left: Array
    origin: Array
    c0: Array
    c1: Array
    c3: Array
    c4: Array
    c5: Array


@attrs.frozen(eq=False, slots=False)
class Columns:
    """One row per claim; every length and sd is on x.

    ``location`` is the mode, centre, bound or median; ``sd_low`` and ``sd_high`` the stated sds
    below and above it (shoulders for a box); ``half_width`` a box's, multiplied by a source's
    overconfidence where ``width_scales``; ``excess`` the scale of a bound's exponential;
    ``direction`` +1 for "at least" and -1 for "at most"; ``knots`` a row of the knots table or
    -1; ``stated_sd`` the sd of the statement as a whole; ``hull_low`` and ``hull_high`` the
    stated numbers' extent. ``reliability`` is nan where it is unknown. ``void`` is the log of a
    Void's constant density; ``meeting`` and ``meeting_sd`` say where such a claim, were it sound,
    and the prior meet (nan where that was not asked). Rows of one quantity stand together:
    ``starts[q]:starts[q + 1]``.
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

    @cached_property
    def forms(self) -> list[int]:
        """The forms that there are."""
        return [int(form) for form in Form if np.any(self.form == form)]

    def take(self, rows: NDArray[Any]) -> Columns:
        """Some rows of one quantity, as columns of their own."""
        fields = {name: getattr(self, name)[rows] for name in _ROW_FIELDS}
        count = len(fields["form"])
        return Columns(**fields, starts=np.array([0, count], dtype=np.int64), knots=self.knots)

    def take_quantities(self, quantities: IntArray) -> Columns:
        """Some quantities, in the order given."""
        length = np.diff(self.starts)[quantities]
        starts = np.concatenate([[0], np.cumsum(length)])
        rows = np.repeat(self.starts[quantities] - starts[:-1], length) + np.arange(starts[-1])
        return attrs.evolve(self.take(rows), starts=starts)

    def with_fields(self, **changes: Any) -> Columns:
        """Return the same rows with some columns replaced."""
        return attrs.evolve(self, **changes)


_ROW_FIELDS = tuple(
    field.name for field in attrs.fields(Columns) if field.name not in {"starts", "knots"}
)

# ------------------------------------------------------------------ one function per form


def _blank() -> dict[str, float]:
    return {
        "form": float(Form.NORMAL),
        "half_width": 0.0,
        "width_scales": 0.0,
        "excess": 0.0,
        "direction": 0.0,
    }


def _inside(scale: Scale, field: str, value: float) -> float:
    if not scale.contains(value):
        raise InvalidValueError(
            f"{field}={value:g} is impossible on the {scale.name} scale, which needs "
            f"{scale.describe()}; correct the value or choose another scale"
        )
    return float(scale.to_x(value))


def _unstated_sd(scale: Scale, value: float, unstated_error: float) -> float:
    """Sd on x of a value that states none: a part of the value, by the delta method.

    On the logit scale a part of the rarer side: 99.5 % says as much as 0.5 % of the opposite.
    """
    size = min(value, complement(value)) if scale.name == "logit" else abs(value)
    return unstated_error * size * float(scale.slope(value))


def _estimate(statement: Estimate, scale: Scale, unstated_error: float) -> dict[str, float]:
    if statement.sd is None and statement.low is None:
        assert statement.unit is not None  # noqa: S101 - guaranteed by Estimate's validators
        return _rounded(statement.value, statement.unit, scale, unstated_error)
    y = _inside(scale, "value", statement.value)
    row = _blank()
    if statement.sd is not None:
        sd = statement.sd * float(scale.slope(statement.value))
        row |= {"sd_low": sd, "sd_high": sd}
        row |= {"hull_low": y - HULL_QUANTILE * sd, "hull_high": y + HULL_QUANTILE * sd}
    else:
        assert statement.low is not None  # noqa: S101 - guaranteed by Estimate's validators
        assert statement.high is not None  # noqa: S101
        assert statement.level is not None  # noqa: S101
        low = _inside(scale, "low", statement.low)
        high = _inside(scale, "high", statement.high)
        z = float(ndtri(0.5 * (1.0 + statement.level)))
        sd_low, sd_high = (y - low) / z, (high - y) / z
        if abs(sd_low - sd_high) <= 4e-15 * (abs(low) + abs(high)) / z:
            sd_low = sd_high = (high - low) / (2.0 * z)
        row |= {"sd_low": sd_low, "sd_high": sd_high, "hull_low": low, "hull_high": high}
    if not (row["sd_low"] > 0.0 and row["sd_high"] > 0.0):
        raise InvalidValueError(
            f"the uncertainty of {statement} vanishes on the {scale.name} scale in floating "
            "point; state the claims relative to a value near them"
        )
    return row | {"location": y, "stated_sd": 0.5 * (row["sd_low"] + row["sd_high"])}


def _rounded(value: float, unit: float, scale: Scale, unstated_error: float) -> dict[str, float]:
    _inside(scale, "value", value)
    while unit > 0.0 and not (
        scale.contains(value - 0.5 * unit) and scale.contains(value + 0.5 * unit)
    ):
        unit = finer_unit(unit)
    low = float(scale.to_x(value - 0.5 * unit))
    high = float(scale.to_x(value + 0.5 * unit))
    half = 0.5 * (high - low)
    sd = _unstated_sd(scale, value, unstated_error)
    if not (half > 0.0 and sd > 0.0):
        raise InvalidValueError(
            f"the value {value:g} has no digits or size from which an error can be read; state sd="
        )
    return _blank() | {
        "form": float(Form.BOX),
        "location": 0.5 * (low + high),
        "sd_low": sd,
        "sd_high": sd,
        "half_width": half,
        "stated_sd": float(np.hypot(sd, half / np.sqrt(3.0))),
        "hull_low": low,
        "hull_high": high,
    }


def _about(statement: About, scale: Scale, unstated_error: float) -> dict[str, float]:
    return _rounded(statement.value, statement.unit, scale, unstated_error)


def _range(statement: Range, scale: Scale, unstated_error: float) -> dict[str, float]:  # noqa: ARG001
    if statement.low == scale.low and scale.contains(statement.high):
        raise InvalidValueError(
            f"low={statement.low:g} is the end of the {scale.name} scale and says nothing; "
            f"say AtMost({short(statement.high)})"
        )
    if statement.high == scale.high and scale.contains(statement.low):
        raise InvalidValueError(
            f"high={statement.high:g} is the end of the {scale.name} scale and says nothing; "
            f"say AtLeast({short(statement.low)})"
        )
    low = _inside(scale, "low", statement.low)
    high = _inside(scale, "high", statement.high)
    center, half = 0.5 * (low + high), 0.5 * (high - low)
    # The slope dx/dtheta from x itself: 1 - theta has few digits near the end of a scale.
    sd = 0.5 * statement.unit * float(np.exp(-scale.log_jacobian(center)))
    if not half > 0.0:
        raise InvalidValueError(
            f"low={statement.low:g} and high={statement.high:g} cannot be told apart on the "
            f"{scale.name} scale in floating point; use Estimate for a single value"
        )
    return _blank() | {
        "form": float(Form.BOX),
        "location": center,
        "sd_low": sd,
        "sd_high": sd,
        "half_width": half,
        "width_scales": 1.0,
        "stated_sd": half / float(np.sqrt(3.0)),
        "hull_low": low,
        "hull_high": high,
    }


def _bound(statement: AtLeast | AtMost, scale: Scale, unstated_error: float) -> dict[str, float]:
    direction = 1.0 if isinstance(statement, AtLeast) else -1.0
    y = _inside(scale, "value", statement.value)
    sd = _unstated_sd(scale, statement.value, unstated_error)
    if not sd > 0.0:
        raise InvalidValueError(
            f"a bound of {statement.value:g} has no size from which an error can be read; "
            "use a prior with that support"
        )
    row = _blank() | {"location": y, "sd_low": sd, "sd_high": sd, "direction": direction}
    excess = statement.excess
    if excess is None:
        salient = (
            next_salient(statement.value) if direction > 0.0 else previous_salient(statement.value)
        )
        if not scale.contains(salient):
            # Nobody can say "more than 100 %": a share near 1 is as round as what is left.
            salient = complement(previous_salient(complement(statement.value)))
        if not scale.contains(salient) or salient == statement.value:
            raise InvalidValueError(
                f"value={statement.value!r} is too near the end of the {scale.name} scale to say "
                "how far beyond it the quantity may lie; give excess=, a length on the scale"
            )
        excess = direction * (float(scale.to_x(salient)) - y)
    if np.isinf(excess):
        return row | {
            "form": float(Form.BOUND),
            "stated_sd": sd,
            "hull_low": y,
            "hull_high": y,
        }
    return row | {
        "form": float(Form.BOUND_WITH_EXCESS),
        "excess": excess,
        "stated_sd": float(np.hypot(sd, excess)),
        "hull_low": min(y, y + direction * excess),
        "hull_high": max(y, y + direction * excess),
    }


#: Slope at a knot, in units of the smaller of the secants beside it, at the most: a quintic
#: whose second derivative vanishes at its ends increases if its end slopes sum to less than 2.5.
_STEEPEST = 1.2


@attrs.frozen(eq=False)
class _ScoreCurve:
    """Standard normal score as a monotone quintic spline of x through stated quantiles."""

    x: Array
    z: Array
    slope: Array

    @classmethod
    def through(cls, x: Array, z: Array) -> _ScoreCurve:
        """Monotone slopes: Fritsch & Butland (1984), doi:10.1137/0905021; ends by the secant.

        None is steeper than ``_STEEPEST`` times the smaller secant beside it.
        """
        width = np.diff(x)
        secant = np.diff(z) / width
        slope = np.empty_like(x)
        slope[0], slope[-1] = secant[0], secant[-1]
        left, right = 2.0 * width[1:] + width[:-1], width[1:] + 2.0 * width[:-1]
        mean = (left + right) / (left / secant[:-1] + right / secant[1:])
        slope[1:-1] = np.minimum(mean, _STEEPEST * np.minimum(secant[:-1], secant[1:]))
        return cls(x, z, slope)

    def pieces(self) -> Array:
        """Rows left, origin, c0, c1, c3..c5, one column per piece, linear pieces at both ends."""
        width, secant = np.diff(self.x), np.diff(self.z) / np.diff(self.x)
        rise, bend = secant - self.slope[:-1], self.slope[1:] - self.slope[:-1]
        c3 = (10.0 * rise - 4.0 * bend) / width**2
        c4 = (7.0 * bend - 15.0 * rise) / width**3
        c5 = (6.0 * rise - 3.0 * bend) / width**4
        zero = np.zeros(1)
        return np.vstack(
            [
                np.concatenate([[-np.inf], self.x]),
                np.concatenate([self.x[:1], self.x]),
                np.concatenate([self.z[:1], self.z]),
                np.concatenate([self.slope[:1], self.slope]),
                np.concatenate([zero, c3, zero]),
                np.concatenate([zero, c4, zero]),
                np.concatenate([zero, c5, zero]),
            ]
        )

    def at_score(self, target: float) -> tuple[float, float]:
        """Coordinate with the given score, as a knot and the distance from it.

        Kept apart because the sum of both loses the digits of a narrow claim far from zero.
        """
        if target <= self.z[0]:
            return float(self.x[0]), float((target - self.z[0]) / self.slope[0])
        if target >= self.z[-1]:
            return float(self.x[-1]), float((target - self.z[-1]) / self.slope[-1])
        piece = int(np.searchsorted(self.z, target, side="right")) - 1
        _, origin, c0, c1, c3, c4, c5 = self.pieces()[:, piece + 1]
        low, high = 0.0, float(self.x[piece + 1] - self.x[piece])
        u = 0.5 * (low + high)
        for _ in range(200):
            error = c0 - target + u * (c1 + u * u * (c3 + u * (c4 + u * c5)))
            low, high = (low, u) if error > 0.0 else (u, high)
            slope = c1 + u * u * (3.0 * c3 + u * (4.0 * c4 + 5.0 * u * c5))
            step = u - error / slope if slope > 0.0 else low
            new = step if low <= step <= high else 0.5 * (low + high)
            if abs(new - u) <= 1e-16 * abs(high):
                break
            u = new
        return float(origin), float(u)


def _quantiles(
    statement: Quantiles,
    scale: Scale,
    unstated_error: float,  # noqa: ARG001
) -> tuple[dict[str, float], Array]:
    x = np.array([_inside(scale, "quantile", value) for value in statement.values])
    if np.any(np.diff(x) <= 0.0):
        raise InvalidValueError(
            f"the quantiles of {statement} cannot be told apart on the {scale.name} scale in "
            "floating point"
        )
    curve = _ScoreCurve.through(x, np.asarray(ndtri(np.array(statement.probabilities))))
    (low_knot, below), (high_knot, above) = curve.at_score(-1.0), curve.at_score(1.0)
    sd = 0.5 * ((high_knot - low_knot) + (above - below))
    location = sum(curve.at_score(0.0))
    row = _blank() | {
        "form": float(Form.QUANTILES),
        "location": location,
        "sd_low": sd,
        "sd_high": sd,
        "stated_sd": sd,
        "hull_low": float(x[0]),
        "hull_high": float(x[-1]),
    }
    pieces = curve.pieces()
    pieces[:2] -= location
    return row, pieces


_CONVERTERS: dict[type, Callable[[Any, Scale, float], dict[str, float]]] = {
    Estimate: _estimate,
    About: _about,
    Range: _range,
    AtLeast: _bound,
    AtMost: _bound,
}

# ------------------------------------------------------------------ claims to columns


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
    rows: list[dict[str, float]] = []
    pieces: list[Array] = []
    for claim, name in zip(claims, names, strict=True):
        source, statement = claim.source, claim.statement
        try:
            if isinstance(statement, Quantiles):
                row, piece = _quantiles(statement, scale, unstated_error)
                row["knot_row"] = float(len(pieces))
                pieces.append(piece)
            else:
                convert = _CONVERTERS.get(type(statement))
                if convert is None:
                    raise WrongTypeError(
                        f"{type(statement).__name__} is not a form of statement known here"
                    )
                row = convert(statement, scale, unstated_error)
                row["knot_row"] = -1.0
        except ReliabilityError as error:
            raise error.located(name) from None
        _check_size(row, source, scale, name)
        row["bias"] = source.bias
        row["bias_variance"] = source.bias_sd**2
        row["overconfidence"] = source.overconfidence
        row["reliability"] = np.nan if source.reliability is None else source.reliability
        row["interest"] = float(source.interest)
        row["share"] = 1.0
        row["void"] = 0.0
        row["meeting"] = row["meeting_sd"] = np.nan
        rows.append(row)
    _check_ratio(rows, names)
    fields: dict[str, Any] = {
        name: np.array([row[name] for row in rows], dtype=np.float64) for name in _ROW_FIELDS
    }
    fields["form"] = fields["form"].astype(np.int64)
    fields["knot_row"] = fields["knot_row"].astype(np.int64)
    return Columns(**fields, starts=np.array([0, len(rows)], dtype=np.int64), knots=_stack(pieces))


def _check_size(row: dict[str, float], source: Source, scale: Scale, name: str) -> None:
    """Refuse what would leave the floats when it is squared."""
    remedy = "state the claims in another unit" if scale.name == "linear" else "state it otherwise"
    for size, what in (
        (row["location"], "value"),
        (row["sd_low"] * source.overconfidence, "sd"),
        (row["sd_high"] * source.overconfidence, "sd"),
        (row["stated_sd"] * source.overconfidence, "sd"),
        (row["half_width"], "half-width"),
        (0.0 if row["excess"] == np.inf else row["excess"], "excess"),
        (source.bias, "bias"),
        (source.bias_sd, "bias_sd"),
    ):
        if abs(size) > LARGEST_SIZE or (what == "sd" and size < 1.0 / LARGEST_SIZE):
            raise NumericalError(
                f"{name}: on the {scale.name} scale its {what} is {size:.3g}, but only sizes from "
                f"{1.0 / LARGEST_SIZE:g} to {LARGEST_SIZE:g} can be computed with; {remedy}"
            )


def _check_ratio(rows: Sequence[dict[str, float]], names: Sequence[str]) -> None:
    """Refuse claims too narrow beside the others for any arithmetic to hold both."""
    centers = [row["location"] - row["bias"] for row in rows]
    widest = max(
        max(centers) - min(centers),
        *(max(row["sd_low"], row["sd_high"], row["half_width"]) for row in rows),
    )
    narrow = [
        min(row["sd_low"], row["sd_high"], row["excess"] or np.inf) * row["overconfidence"]
        for row in rows
    ]
    narrowest = min(narrow)
    if widest > LARGEST_RATIO * narrowest:
        raise NumericalError(
            f"{names[narrow.index(narrowest)]}: its sd on the scale is {narrowest:.3g}, more than "
            f"{LARGEST_RATIO:g} times smaller than what the claims span, {widest:.3g}; give it a "
            "larger sd"
        )


def _stack(pieces: list[Array]) -> Knots:
    width = max((piece.shape[1] for piece in pieces), default=0)
    table = np.zeros((7, len(pieces), width))
    for row, piece in enumerate(pieces):
        count = piece.shape[1]
        table[:, row, :count] = piece
        table[:, row, count:] = piece[:, -1:]
        table[0, row, count:] = np.inf
    return Knots(*table)
