"""What claims state, as intervals on the axis of a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np
from scipy.special import ndtr, ndtri

from reliability.claims.columns import Columns, Form, columns_from_claims
from reliability.claims.statements import Quantiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from reliability.combination import ClaimResult, Combination
    from reliability.scales import Scale

    Array = NDArray[np.float64]

__all__ = ["Span", "limits_of", "span_of", "stated_interval"]

#: Stated intervals are drawn at this level, whatever level they were stated at.
STATED_LEVEL = 0.9
_TAIL = 0.5 * (1.0 - STATED_LEVEL)
#: Largest |x| on an axis: its quantity is an ordinary float, and a share differs from 0 and 1.
_FARTHEST = {"linear": 1e300, "log": 690.0, "logit": 30.0}
#: How far, in widths of the claims' hull, an axis follows a posterior with heavy tails.
_FOLLOW = 0.75


@attrs.frozen
class Span:
    """A stated interval on x; an open side is the direction of a bound, 0 for none.

    Claims of presence have no place: nan, with their direction.
    """

    low: float
    middle: float
    high: float
    open: int = 0


def _box_quantile(half: float, sd: float, p: float) -> float:
    """Quantile of a uniform on (-half, half) plus a normal, by bisection."""
    low, high = -half - 9.0 * sd, half + 9.0 * sd
    for _ in range(80):
        t = 0.5 * (low + high)
        a, b = (t + half) / sd, (t - half) / sd
        heights = np.exp([-0.5 * a * a, -0.5 * b * b]) / math.sqrt(2.0 * math.pi)
        below = sd * (a * ndtr(a) + heights[0] - b * ndtr(b) - heights[1]) / (2.0 * half)
        low, high = (t, high) if below < p else (low, t)
    return 0.5 * (low + high)


def _quantile_through(scores: Array, x: Array, p: float) -> float:
    """Quantile of the distribution through stated ones, straight between them on the scores."""
    target = float(ndtri(p))
    piece = int(np.clip(np.searchsorted(scores, target) - 1, 0, len(x) - 2))
    slope = (x[piece + 1] - x[piece]) / (scores[piece + 1] - scores[piece])
    return float(x[piece] + slope * (target - scores[piece]))


def _span(entry: ClaimResult, columns: Columns, scale: Scale) -> Span:
    form, at = int(columns.form[0]), float(columns.location[0])
    sd_low, sd_high = float(columns.sd_low[0]), float(columns.sd_high[0])
    statement = entry.claim.statement
    if form == Form.PRESENCE:
        return Span(math.nan, math.nan, math.nan, int(columns.direction[0]))
    if isinstance(statement, Quantiles):
        x = np.asarray(scale.to_x(np.array(statement.values)))
        scores = np.asarray(ndtri(np.array(statement.probabilities)))
        low, middle, high = (_quantile_through(scores, x, p) for p in (_TAIL, 0.5, 1.0 - _TAIL))
        return Span(low, middle, high)
    if form == Form.BOX:
        reach = _box_quantile(float(columns.half_width[0]), sd_low, 1.0 - _TAIL)
        return Span(at - reach, at, at + reach)
    if form in {Form.BOUND, Form.BOUND_WITH_EXCESS}:
        direction = int(columns.direction[0])
        # 90 % of an exponential lie within 2.3 of its scales; a pure bound has no far end.
        far = at + direction * float(columns.excess[0]) * -math.log(1.0 - STATED_LEVEL)
        return Span(min(at, far), at, max(at, far), direction)
    z = float(ndtri(1.0 - _TAIL))
    return Span(at - z * sd_low, at, at + z * sd_high)


def stated_interval(entry: ClaimResult, result: Combination) -> tuple[float, float]:
    """Central 90 % interval that a claim states, in the quantity's units.

    A bound's runs from the bound to where 90 % of its expected excess lie; nan where it is only
    said whether there is anything.

    Parameters
    ----------
    entry : one of ``result.claims``
    result : what `combine` returned
    """
    span = span_of(entry, result)
    low, high = (float(end) for end in result.scale.to_theta(np.array([span.low, span.high])))
    return low, high


def span_of(entry: ClaimResult, result: Combination) -> Span:
    """What a claim states, on x."""
    name = str(entry.claim)
    columns = columns_from_claims([entry.claim], result.scale, result.model.unstated_error, [name])
    return _span(entry, columns, result.scale)


def limits_of(spans: Sequence[Span], result: Combination) -> tuple[float, float]:
    """Limits on x: what was stated and the posterior, without the ends of very long lines."""
    beside = result.posterior.nonzero
    inner = result.scale.to_x(beside.interval(0.5))
    outer = result.scale.to_x(beside.interval(0.95))
    spans = _finite(spans) or [
        Span(float(outer[0]), float(result.scale.to_x(beside.median())), float(outer[1]))
    ]
    middles = np.array([span.middle for span in spans])
    if result.zero > 0.0 and result.scale.name == "linear":
        middles = np.append(middles, 0.0)
    low, high = float(min(middles.min(), inner[0])), float(max(middles.max(), inner[1]))
    # However long a line is, it leaves room to tell apart what stands in the middle.
    half = float(np.median([span.high - span.low for span in spans])) / 2.0
    room = max(_FOLLOW * (high - low), 3.0 * half, 1e-12 * max(abs(low), abs(high), 1e-300))
    ends_low = min(float(outer[0]), *(span.low for span in spans))
    ends_high = max(float(outer[1]), *(span.high for span in spans))
    low, high = max(min(low, ends_low), low - room), min(max(high, ends_high), high + room)
    margin = 0.06 * max(high - low, room / 10.0)
    limit = _FARTHEST[result.scale.name]
    low, high = max(low - margin, -limit), min(high + margin, limit)
    return (low, high) if low < high else (-limit, limit)


def _finite(spans: Sequence[Span]) -> list[Span]:
    """Spans without the far end of pure bounds, of those that have a place."""
    return [
        span
        if math.isfinite(span.low) and math.isfinite(span.high)
        else attrs.evolve(span, low=span.middle, high=span.middle)
        for span in spans
        if not math.isnan(span.middle)
    ]
