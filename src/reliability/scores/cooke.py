"""Cooke's scores of experts who state quantiles: statistical accuracy and information.

Cooke (1991), Experts in Uncertainty, Oxford University Press; Cooke & Goossens (2008),
doi:10.1016/j.ress.2007.03.005. The weights that follow from the scores are made elsewhere.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, xlogy

from reliability.errors import InvalidValueError
from reliability.posterior import real_array, unwrap
from reliability.scores.checks import checked_levels, positive, quantiles, whole

__all__ = ["cooke_calibration", "cooke_information", "intrinsic_range", "quantile_counts"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


def _outcomes(values: Array, outcome: ArrayLike) -> Array:
    """Outcomes (items,), nan where they are not known, against values (..., items, m)."""
    given = real_array("outcome", outcome)
    if values.ndim < 2 or given.shape != values.shape[-2:-1]:
        raise InvalidValueError(
            "values must have shape (..., items, levels) and outcome (items,) "
            f"(got {values.shape} and {given.shape})"
        )
    if np.any(np.isinf(given)):
        raise InvalidValueError("outcome must be finite, or nan where it is not known (got inf)")
    return given


def quantile_counts(levels: ArrayLike, values: ArrayLike, outcome: ArrayLike) -> IntArray:
    """How many outcomes fell between which quantiles: (..., m + 1).

    Parameters
    ----------
    levels : (m,) probabilities of the quantiles
    values : (..., items, m) the quantiles; nan where none were stated
    outcome : (items,) what happened; nan where it is not known. One that equals a quantile
        counts as below it

    Raises
    ------
    ReliabilityError
        If shapes do not go together, levels do not increase or values decrease.

    Examples
    --------
    >>> quantile_counts([0.05, 0.5, 0.95], [[1, 2, 3], [4, 5, 6]], [2.5, 4]).tolist()
    [1, 0, 1, 0]
    """
    given = quantiles(checked_levels(levels), values, missing=True)
    known = _outcomes(given, outcome)
    answered = ~(np.isnan(given).any(axis=-1) | np.isnan(known))
    bins = np.sum(known[:, None] > given, axis=-1)
    every = np.arange(given.shape[-1] + 1)
    return np.asarray(np.sum((bins[..., None] == every) & answered[..., None], axis=-2))


def cooke_calibration(
    levels: ArrayLike,
    values: ArrayLike,
    outcome: ArrayLike,
    *,
    power: float = 1.0,
    number: int | None = None,
) -> float | Array:
    """Cooke's statistical accuracy: higher is better, 1 is perfect.

    The probability that a calibrated expert would do worse: the upper tail of chi-squared, with
    one degree of freedom per quantile, at ``2 N power I(s, p)``, where s are the shares of
    outcomes between quantiles, p what they should be, and ``I(s, p) = sum s log(s/p)``. (The
    program anduryl 1.2.2 gives 0 to an expert with I = 0; it is 1.)

    Parameters
    ----------
    levels : (m,) probabilities of the quantiles
    values : (..., items, m) the quantiles of one expert or several; nan where none were stated
    outcome : (items,) what happened on the seed questions; nan where it is not known
    power : in (0, 1], lower values blunt the test
    number : N of all experts; by default the answers of each. Experts who answered different
        numbers of questions are compared at the smallest of these (equalised power)

    Returns
    -------
    (...) tail probabilities; nan for an expert without answers

    Raises
    ------
    ReliabilityError
        If shapes do not go together, levels do not increase, values decrease, or power or number
        are impossible.

    Examples
    --------
    >>> stated = [[0, 5, 10]] * 4
    >>> round(cooke_calibration([0.05, 0.5, 0.95], stated, [2, 4, 6, 8]), 6)
    0.839185
    """
    probabilities = checked_levels(levels)
    counts = quantile_counts(levels, values, outcome)
    strength = positive("power", power)
    if strength.ndim or strength > 1.0:
        raise InvalidValueError(f"power must be one number in (0, 1] (got {power!r})")
    answers = counts.sum(axis=-1)
    n = answers if number is None else whole("number", number)
    expected = np.diff(np.concatenate([[0.0], probabilities, [1.0]]))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = counts / answers[..., None]
    # Rounding may leave the divergence of equal shares a hair below 0.
    divergence = np.maximum(xlogy(share, share / expected).sum(axis=-1), 0.0)
    tails = chdtrc(float(len(probabilities)), 2.0 * n * float(strength) * divergence)
    return unwrap(np.where(answers > 0, tails, np.nan))


def _on_background(
    scale: str | ArrayLike, items: int, **arrays: Array
) -> tuple[NDArray[np.bool_], list[Array]]:
    """Arrays on each item's background: as they are, or their logarithms."""
    names = np.asarray(scale)
    if names.ndim == 0:
        names = np.full(items, names)
    if names.shape != (items,):
        raise InvalidValueError(
            f"scale must be one name or one per item (got {names.shape} for {items} items)"
        )
    for name in names.tolist():
        if name not in ("linear", "log"):
            raise InvalidValueError(f"scale must be 'linear' or 'log' (got {name!r})")
    log = names == "log"
    out = []
    for name, array in arrays.items():
        own = log[:, None] if array.ndim > 1 else log
        if np.any(np.where(own, array, 1.0) <= 0.0):
            raise InvalidValueError(
                f"{name} must be above 0 on a log background "
                f"(got {float(np.nanmin(np.where(own, array, 1.0))):g}); use 'linear' there"
            )
        with np.errstate(invalid="ignore", divide="ignore"):
            out.append(np.where(own, np.log(array), array))
    return log, out


def _extent(given: Array, known: Array, overshoot: float) -> tuple[Array, Array]:
    """Intrinsic range of values (..., items, m) and outcomes (items,), on the background."""
    flat = np.concatenate(
        [np.moveaxis(given, -2, 0).reshape(given.shape[-2], -1), known[:, None]], 1
    )
    low = np.fmin.reduce(flat, axis=1)
    high = np.fmax.reduce(flat, axis=1)
    width = high - low
    if not np.all(width > 0.0):
        item = int(np.flatnonzero(~(width > 0.0))[0])
        raise InvalidValueError(
            f"item {item + 1}: all numbers are equal or missing, which leaves no intrinsic range"
        )
    return low - overshoot * width, high + overshoot * width


def intrinsic_range(
    values: ArrayLike,
    outcome: ArrayLike,
    *,
    scale: Literal["linear", "log"] | ArrayLike = "linear",
    overshoot: float = 0.1,
) -> tuple[Array, Array]:
    """Range of all experts' quantiles and of the outcome of each item, made wider.

    Parameters
    ----------
    values : (experts, items, m) quantiles; nan where none were stated
    outcome : (items,) what happened; nan where it is not known
    scale : background of all items or of each: "linear" (uniform) or "log" (log-uniform)
    overshoot : by how much of its width the range is extended at both ends

    Returns
    -------
    (items,) lower and upper ends, in the quantities' units

    Raises
    ------
    ReliabilityError
        If shapes do not go together, a number is not positive on a log background, or all numbers
        of an item are equal.

    Examples
    --------
    >>> low, high = intrinsic_range([[[1.0, 2.0, 3.0]]], [6.0])
    >>> low.tolist(), high.tolist()
    ([0.5], [6.5])
    """
    given = real_array("values", values)
    known = _outcomes(given, outcome)
    log, (x, y) = _on_background(scale, len(known), values=given, outcome=known)
    low, high = _extent(x, y, float(positive("overshoot", overshoot)))
    return np.where(log, np.exp(low), low), np.where(log, np.exp(high), high)


def cooke_information(
    levels: ArrayLike,
    values: ArrayLike,
    outcome: ArrayLike,
    *,
    scale: Literal["linear", "log"] | ArrayLike = "linear",
    overshoot: float = 0.1,
) -> Array:
    """Cooke's relative information of each answer; higher is more informative, not truer.

    The divergence of the expert's distribution (uniform between quantiles) from a uniform or
    log-uniform one over the intrinsic range: ``sum p_i log(p_i/(x_i - x_(i-1))) + log(x_(m+1) -
    x_0)`` on the background's coordinate. An expert's score is the mean over the items that were
    answered: over all of them, or over those with known outcomes.

    Parameters
    ----------
    levels : (m,) probabilities of the quantiles
    values : (experts, items, m) the quantiles; nan where none were stated. The range is that of
        all experts, so all are given at once
    outcome : (items,) what happened; nan where it is not known
    scale : background of all items or of each: "linear" (uniform) or "log" (log-uniform)
    overshoot : by how much of its width the range is extended at both ends

    Returns
    -------
    (experts, items), nan where nothing was stated

    Raises
    ------
    ReliabilityError
        As :func:`intrinsic_range`, and if two quantiles are equal, which would be infinitely
        informative.

    Examples
    --------
    >>> cooke_information([0.05, 0.5, 0.95], [[[1, 2, 3]], [[0, 2, 8]]], [6]).round(4).tolist()
    [[1.1263], [0.1476]]
    """
    probabilities = checked_levels(levels)
    given = quantiles(probabilities, values, missing=True)
    known = _outcomes(given, outcome)
    _, (x, y) = _on_background(scale, len(known), values=given, outcome=known)
    low, high = _extent(x, y, float(positive("overshoot", overshoot)))
    edges = np.concatenate(
        [
            np.broadcast_to(low[:, None], (*x.shape[:-1], 1)),
            x,
            np.broadcast_to(high[:, None], (*x.shape[:-1], 1)),
        ],
        axis=-1,
    )
    width = np.diff(edges, axis=-1)
    if np.any(width <= 0.0):
        *_, item, _ = np.argwhere(width <= 0.0)[0].tolist()
        raise InvalidValueError(
            f"values: two quantiles of item {item + 1} are equal, which is infinitely informative; "
            "state them apart"
        )
    expected = np.diff(np.concatenate([[0.0], probabilities, [1.0]]))
    return np.asarray((expected * np.log(expected / width)).sum(axis=-1) + np.log(high - low))
