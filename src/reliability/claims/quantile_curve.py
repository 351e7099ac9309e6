"""Smooth monotone distributions through stated quantiles, many rows at once."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

__all__ = ["Knots", "ScoreCurves", "stacked"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Slope at a knot, in units of the smaller of the secants beside it, at the most: a quintic
#: whose second derivative vanishes at its ends increases if its end slopes sum to less than 2.5.
_STEEPEST = 1.2
#: Steps of a root find at the most: bisection alone comes down to the last digit in fewer.
_STEPS = 200
#: Length of the last step, in units of the piece's width: rounding makes steps as long as this.
_CLOSE = 1e-15


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


def stacked(parts: list[tuple[IntArray, Array]], count: int = 0) -> Knots:
    """One table of ``count`` rows from groups of rows with equally many pieces.

    Parameters
    ----------
    parts : for each group the rows of the table, (r,), and their pieces, (7, r, pieces)
    """
    width = max((pieces.shape[2] for _, pieces in parts), default=0)
    table = np.zeros((7, count, width))
    for rows, pieces in parts:
        own = pieces.shape[2]
        table[:, rows, :own] = pieces
        table[:, rows, own:] = pieces[:, :, -1:]
        table[0, rows, own:] = np.inf
    return Knots(*table)


@attrs.frozen(eq=False)
class ScoreCurves:
    """Standard normal score as a monotone quintic spline of x through stated quantiles.

    Rows are claims with equally many quantiles: ``x``, ``z`` and ``slope`` are (rows, m).
    """

    x: Array
    z: Array
    slope: Array

    @classmethod
    def through(cls, x: Array, z: Array) -> ScoreCurves:
        """Monotone slopes: Fritsch & Butland (1984), doi:10.1137/0905021; ends by the secant.

        None is steeper than ``_STEEPEST`` times the smaller secant beside it.
        """
        width = np.diff(x)
        secant = np.diff(z) / width
        slope = np.empty_like(x)
        slope[:, 0], slope[:, -1] = secant[:, 0], secant[:, -1]
        left = 2.0 * width[:, 1:] + width[:, :-1]
        right = width[:, 1:] + 2.0 * width[:, :-1]
        mean = (left + right) / (left / secant[:, :-1] + right / secant[:, 1:])
        slope[:, 1:-1] = np.minimum(mean, _STEEPEST * np.minimum(secant[:, :-1], secant[:, 1:]))
        return cls(x, z, slope)

    def pieces(self) -> Array:
        """Table left, origin, c0, c1, c3..c5 of each row's pieces, linear pieces at both ends.

        Its shape is (7, rows, m + 1).
        """
        x, z, slope = self.x, self.z, self.slope
        width = np.diff(x)
        secant = np.diff(z) / width
        rise, bend = secant - slope[:, :-1], slope[:, 1:] - slope[:, :-1]
        table = np.zeros((7, len(x), x.shape[1] + 1))
        table[0, :, 0] = -np.inf
        table[0, :, 1:] = x
        for row, first in enumerate((x, z, slope), start=1):
            table[row, :, 0] = first[:, 0]
            table[row, :, 1:] = first
        table[4, :, 1:-1] = (10.0 * rise - 4.0 * bend) / width**2
        table[5, :, 1:-1] = (7.0 * bend - 15.0 * rise) / width**3
        table[6, :, 1:-1] = (6.0 * rise - 3.0 * bend) / width**4
        return table

    def at_scores(self, targets: Sequence[float], pieces: Array) -> tuple[Array, Array]:
        """Coordinates with given scores, as knots and distances from them.

        Kept apart because the sum of both loses the digits of a narrow claim far from zero.

        Parameters
        ----------
        targets : the scores
        pieces : what `pieces` gave

        Returns
        -------
        knot, distance : (targets, rows) each
        """
        shape = len(targets), len(self.x)
        target = np.repeat(targets, shape[1])
        row = np.tile(np.arange(shape[1]), shape[0])
        # The knot at or below the target; its tails are linear.
        piece = np.sum(self.z[row] <= target[:, None], axis=1) - 1
        at = np.maximum(piece, 0)
        knot, beyond = self.x[row, at], target - self.z[row, at]
        distance = beyond / self.slope[row, at]
        # A stated quantile is where it was stated, to the last digit.
        between = np.flatnonzero((beyond > 0.0) & (at < self.x.shape[1] - 1))
        if len(between):
            row, at = row[between], at[between]
            width = self.x[row, at + 1] - self.x[row, at]
            distance[between] = _root(target[between], width, pieces[2:, row, at + 1])
        return knot.reshape(shape), distance.reshape(shape)


def _root(target: Array, width: Array, coefficients: Array) -> Array:
    """Where increasing quintics reach a score: Newton's method, kept inside a bracket.

    Parameters
    ----------
    target : (rows,) the scores
    width : (rows,) where each piece ends
    coefficients : (5, rows) c0, c1, c3, c4, c5
    """
    result = np.empty_like(width)
    rows = np.arange(len(width))
    low, high = np.zeros_like(width), width
    u = 0.5 * (low + high)
    c0, c1, c3, c4, c5 = coefficients
    c0 = c0 - target
    close = _CLOSE * width
    for _ in range(_STEPS):
        error = c0 + u * (c1 + u * u * (c3 + u * (c4 + u * c5)))
        too_far = error > 0.0
        low, high = np.where(too_far, low, u), np.where(too_far, u, high)
        slope = c1 + u * u * (3.0 * c3 + u * (4.0 * c4 + 5.0 * u * c5))
        step = np.where(slope > 0.0, u - error / slope, low)
        new = np.where((low <= step) & (step <= high), step, 0.5 * (low + high))
        going = ~(np.abs(new - u) <= close)
        if not going.all():
            result[rows[~going]] = new[~going]
            if not going.any():
                return result
            rows, low, high, new = rows[going], low[going], high[going], new[going]
            close = close[going]
            c0, c1, c3, c4, c5 = (c[going] for c in (c0, c1, c3, c4, c5))
        u = new
    result[rows] = u
    return result
