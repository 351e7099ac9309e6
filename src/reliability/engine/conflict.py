"""Cochran's Q: how far the claims about each quantity lie apart, beyond what they state."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

from reliability.claims.columns import Columns, Form

__all__ = ["cochran", "tail_of_cochran"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


def cochran(columns: Columns) -> tuple[Array, IntArray]:
    """Q and its degrees of freedom, one per quantity.

    ``Q = sum w (y - m)^2`` about the inverse-variance mean m, ``w = 1/s^2`` with s the total sd
    without scatter (Cochran 1954). Bounds take no part; Q is nan where fewer than two others are
    left.
    """
    starts = columns.starts[:-1]
    points = (columns.form != Form.BOUND) & (columns.form != Form.BOUND_WITH_EXCESS)
    variance = (columns.overconfidence * columns.stated_sd) ** 2 + columns.bias_variance
    weight = np.where(points, 1.0 / variance, 0.0)
    value = columns.location - columns.bias
    # Counted from the claim of the largest weight, which keeps the digits.
    quantity = columns.quantity
    largest = np.maximum.reduceat(weight, starts)[quantity]
    rows = np.where(weight == largest, np.arange(len(weight)), len(weight) - 1)
    heaviest = np.minimum.reduceat(rows, starts)
    centered = value - value[heaviest][quantity]
    df = columns.total(points.astype(np.int64)).astype(np.int64) - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = columns.total(weight * centered) / columns.total(weight)
    q = columns.total(weight * (centered - mean[quantity]) ** 2)
    return np.where(df < 1, np.nan, q), df


def tail_of_cochran(q: Array, df: IntArray) -> Array:
    """Probability of a larger Q, were the stated uncertainties all there is (chi-squared)."""
    return np.asarray(np.where(df < 1, np.nan, gammaincc(0.5 * np.maximum(df, 1), 0.5 * q)))
