"""Sizes that floating point can compute with: rows beyond them are refused, not miscomputed.

Nearly always all rows are within all limits, which the extremes of each column show at once; the
rows are looked at one by one only where they do not.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from reliability.claims._checks import about
from reliability.claims.problems import Finder
from reliability.errors import NumericalError, ReliabilityError
from reliability.scales import Scale

__all__ = ["LARGEST_RATIO", "LARGEST_SIZE", "Extremes", "check_ratios", "check_sizes"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Values and sds on x between this and its inverse are computed with: their squares are floats.
LARGEST_SIZE = 1e100
#: Ratio of what the claims of a quantity span to the narrowest of them, at the most.
LARGEST_RATIO = 1e20

_SMALLEST_SIZE = 1.0 / LARGEST_SIZE
# Columns by what their numbers are called.
_LENGTHS = {
    "location": "value",
    "half_width": "half-width",
    "excess": "excess",
    "bias": "bias",
    "bias_sd": "bias_sd",
}
_SDS = ("sd_low", "sd_high", "stated_sd")
#: The field to look at, where it is called otherwise.
_FIELDS = {"half-width": "low", "excess": "value"}
# In the order in which a row's are checked.
_CHECKED = ("location", *_SDS, "half_width", "excess", "bias", "bias_sd")


class Extremes:
    """Smallest and largest value of each column.

    Parameters
    ----------
    fields : (rows,) columns by name; equal objects are looked at once
    """

    def __init__(self, fields: Mapping[str, Array]) -> None:
        seen: dict[int, tuple[float, float]] = {}
        self.low: dict[str, float] = {}
        self.high: dict[str, float] = {}
        for name in (*_CHECKED, "overconfidence"):
            values = fields[name]
            if id(values) not in seen:
                some = values[:1] if values.strides == (0,) else values
                seen[id(values)] = (
                    float(np.minimum.reduce(some, initial=np.inf)),
                    float(np.maximum.reduce(some, initial=-np.inf)),
                )
            self.low[name], self.high[name] = seen[id(values)]


def check_sizes(
    fields: Mapping[str, Array], extremes: Extremes, scale: Scale, finder: Finder
) -> None:
    """Note the rows that would leave the floats when they are squared.

    Parameters
    ----------
    fields : (rows,) columns on x, with ``bias``, ``bias_sd`` and ``overconfidence``
    extremes : theirs
    """
    low, high = extremes.low, extremes.high
    k_low, k_high = low["overconfidence"], high["overconfidence"]
    if all(low[name] >= -LARGEST_SIZE and high[name] <= LARGEST_SIZE for name in _LENGTHS) and all(
        low[name] * k_low >= _SMALLEST_SIZE and high[name] * k_high <= LARGEST_SIZE for name in _SDS
    ):
        return
    remedy = "state the claims in another unit" if scale.name == "linear" else "state it otherwise"
    for name in _CHECKED:
        what = _LENGTHS.get(name, "sd")
        sizes = fields[name] * fields["overconfidence"] if name in _SDS else fields[name]
        possible = np.abs(sizes) <= LARGEST_SIZE
        if name in _SDS:
            possible &= sizes >= _SMALLEST_SIZE

        def explain(row: int, sizes: Array = sizes, what: str = what) -> ReliabilityError:
            return NumericalError(
                f"on the {scale.name} scale its {what} is {sizes[row]:.3g}, but only sizes from "
                f"{_SMALLEST_SIZE:g} to {LARGEST_SIZE:g} can be computed with; {remedy}"
            )

        finder.unless(possible, explain, _FIELDS.get(what, what))


def check_ratios(
    fields: Mapping[str, Array],
    extremes: Extremes,
    starts: IntArray,
    left_out: Mapping[int, object],
) -> dict[int, ReliabilityError]:
    """Find claims too narrow beside the others of their quantity for arithmetic to hold both.

    The narrowest is refused; then the narrowest of those that are left, if it must be.

    Parameters
    ----------
    fields : (rows,) columns on x, with ``bias`` and ``overconfidence``
    extremes : theirs
    starts : (quantities + 1,) where each quantity's rows start
    left_out : rows that do not count

    Returns
    -------
    errors by row
    """
    low, high = extremes.low, extremes.high
    span = (high["location"] - low["bias"]) - (low["location"] - high["bias"])
    widest = max(span, high["sd_low"], high["sd_high"], high["half_width"])
    # An excess of 0 is none.
    excess = fields["excess"]
    smallest_excess = np.inf
    if high["excess"] > 0.0:
        smallest_excess = float(np.min(excess, where=excess > 0.0, initial=np.inf))
    lengths = (low["sd_low"], low["sd_high"], smallest_excess)
    if widest <= LARGEST_RATIO * min(lengths) * low["overconfidence"]:
        return {}
    center = fields["location"] - fields["bias"]
    widths = np.maximum(np.maximum(fields["sd_low"], fields["sd_high"]), fields["half_width"])
    excess = np.where(excess == 0.0, np.inf, excess)
    narrow = np.minimum(np.minimum(fields["sd_low"], fields["sd_high"]), excess)
    narrow = narrow * fields["overconfidence"]
    quantity = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    rows = np.arange(len(center))
    if left_out:
        rows = np.delete(rows, list(left_out))
    found: dict[int, ReliabilityError] = {}
    while len(rows):
        own, first = np.unique(quantity[rows], return_index=True)
        span_low = np.minimum.reduceat(center[rows], first)
        wide = np.maximum.reduceat(center[rows], first) - span_low
        wide = np.maximum(wide, np.maximum.reduceat(widths[rows], first))
        narrowest = np.minimum.reduceat(narrow[rows], first)
        bad = wide > LARGEST_RATIO * narrowest
        # Only quantities that lost a row can have another to lose.
        place = np.searchsorted(own, quantity[rows])
        rows, place = rows[bad[place]], place[bad[place]]
        is_narrowest = narrow[rows] == narrowest[place]
        _, one = np.unique(place[is_narrowest], return_index=True)
        refused = np.flatnonzero(is_narrowest)[one]
        for row, k in zip(rows[refused].tolist(), place[refused].tolist(), strict=True):
            error = NumericalError(
                f"its sd on the scale is {narrowest[k]:.3g}, more than {LARGEST_RATIO:g} times "
                f"smaller than what the claims span, {wide[k]:.3g}; give it a larger sd"
            )
            found[row] = about(error, "sd")
        rows = np.delete(rows, refused)
    return found
