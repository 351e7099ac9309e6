"""Cochran's Q: how far the claims about each quantity lie apart, beyond what they state."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

from reliability.claims.columns import Columns, Form

__all__ = ["cochran", "cochran_over_time", "excess", "precision_mean", "tail_of_cochran"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Forms of statement that take no part in the statistic: they have no value of their own.
_WITHOUT_VALUE = {Form.BOUND, Form.BOUND_WITH_EXCESS, Form.PRESENCE}


def cochran(columns: Columns) -> tuple[Array, IntArray]:
    """Q and its degrees of freedom, one per quantity.

    ``Q = sum w (y - m)^2`` about the inverse-variance mean m, ``w = 1/s^2`` with s the total sd
    without scatter (Cochran 1954). Bounds and presence take no part; Q is nan where fewer than
    two others are left.
    """
    variance = (columns.overconfidence * columns.stated_sd) ** 2 + columns.bias_variance
    weight, df = 1.0 / variance, columns.sizes - 1
    value = columns.location - columns.bias
    if not _WITHOUT_VALUE.isdisjoint(columns.forms):
        points = ~np.isin(columns.form, sorted(_WITHOUT_VALUE))
        weight, value = np.where(points, weight, 0.0), np.where(points, value, 0.0)
        df = columns.total(points.astype(np.int64)).astype(np.int64) - 1
    _, _, q = precision_mean(value, weight, columns.starts[:-1], columns.quantity, columns.total)
    return np.where(df < 1, np.nan, q), df


def cochran_over_time(columns: Columns, days: Array, drift: float) -> tuple[float, int]:
    """Q and its degrees of freedom for the claims about one quantity that moves.

    ``Q = (y - m)' C^-1 (y - m)`` about the generalised least squares mean m, with C the claims'
    variances and, for two of them, the variance of the change from the first day of all to the
    earlier of theirs: ``drift^2 min(t_i, t_j)``.
    """
    points = (columns.form != Form.BOUND) & (columns.form != Form.BOUND_WITH_EXCESS)
    df = int(points.sum()) - 1
    if df < 1:
        return np.nan, df
    variance = (columns.overconfidence * columns.stated_sd) ** 2 + columns.bias_variance
    since = days[points] - days[points].min()
    covariance = drift**2 * np.minimum(since[:, None], since) + np.diag(variance[points])
    value = (columns.location - columns.bias)[points]
    value = value - value[np.argmin(variance[points])]
    solved = np.linalg.solve(covariance, np.stack([value, np.ones(df + 1)], axis=1))
    mean = solved[:, 0].sum() / solved[:, 1].sum()
    return float(max((value - mean) @ (solved[:, 0] - mean * solved[:, 1]), 0.0)), df


def precision_mean(
    value: Array,
    weight: Array,
    starts: IntArray,
    quantity: IntArray,
    total: Callable[[Array], Array],
) -> tuple[Array, Array, Array]:
    """Weighted means and the weighted sums of squares about them, one per quantity.

    Parameters
    ----------
    value, weight : (claims,)
    starts : (quantities,) first claim about each quantity
    quantity : (claims,) number of each claim's quantity
    total : sums over the claims about each quantity

    Returns
    -------
    origin, mean, squares : (quantities,) each; the mean is counted from the origin, a claim's value
    """
    # Counted from the claim of the largest weight, which keeps the digits.
    each = len(value) // max(len(starts), 1)
    if np.array_equal(starts, each * np.arange(len(starts))) and len(value) == each * len(starts):
        # One claim of all quantities after the other.
        y, w = (np.ascontiguousarray(column.reshape(-1, each).T) for column in (value, weight))
        origin = y[w.argmax(axis=0), np.arange(len(starts))]
        y -= origin
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (w * y).sum(axis=0) / w.sum(axis=0)
        y -= mean
        y *= y
        y *= w
        return origin, mean, y.sum(axis=0)
    largest = np.maximum.reduceat(weight, starts)[quantity]
    rows = np.where(weight == largest, np.arange(len(weight)), len(weight) - 1)
    origin = value[np.minimum.reduceat(rows, starts)]
    centered = value - origin[quantity]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total(weight * centered) / total(weight)
    return origin, mean, total(weight * (centered - mean[quantity]) ** 2)


def excess(q: float, df: int) -> tuple[float, float, float]:
    """I2, H2 and the Birge ratio that a Q comes to.

    ``I2 = max(0, (Q - df)/Q)``, ``H2 = Q/df`` (Higgins & Thompson 2002, doi:10.1002/sim.1186),
    ``birge = sqrt(Q/df)`` (Birge 1932, doi:10.1103/PhysRev.40.207); all nan where df is 0.
    """
    if df < 1:
        return np.nan, np.nan, np.nan
    return max(0.0, (q - df) / q) if q > 0.0 else 0.0, q / df, float(np.sqrt(q / df))


def tail_of_cochran(q: Array, df: IntArray) -> Array:
    """Probability of a larger Q, were the stated uncertainties all there is (chi-squared)."""
    return np.asarray(np.where(df < 1, np.nan, gammaincc(0.5 * np.maximum(df, 1), 0.5 * q)))
