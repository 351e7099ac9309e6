"""CRPS in closed form: normal, Student t, log-normal, logistic, uniform, and of samples.

Formulae: Gneiting & Raftery (2007), doi:10.1198/016214506000001437, for the normal; Jordan,
Krueger & Lerch (2019), doi:10.18637/jss.v090.i12, for the others. Lower is better; the unit is the
quantity's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, gammaln, ndtr, stdtr

from reliability.errors import InvalidValueError
from reliability.posterior import unwrap
from reliability.scores.checks import finite, positive, together

__all__ = [
    "crps_ensemble",
    "crps_logistic",
    "crps_lognormal",
    "crps_normal",
    "crps_student_t",
    "crps_uniform",
]

Array = NDArray[np.float64]


def _normal_density(z: Array) -> Array:
    return np.asarray(np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi))


def crps_normal(mean: ArrayLike, sd: ArrayLike, outcome: ArrayLike) -> float | Array:
    """CRPS of normal forecasts; lower is better.

    ``sd [z (2 Phi(z) - 1) + 2 phi(z) - 1/sqrt(pi)]`` with ``z = (outcome - mean)/sd``.

    Parameters
    ----------
    mean, sd, outcome : numbers or arrays of one shape, in the quantity's unit; sd above 0

    Raises
    ------
    ReliabilityError
        If an argument is no finite number or the sd not positive.

    Examples
    --------
    >>> round(crps_normal(0.0, 1.0, 1.3), 6)
    0.826866
    """
    mean, sd, outcome = together(
        mean=finite("mean", mean), sd=positive("sd", sd), outcome=finite("outcome", outcome)
    )
    with np.errstate(over="ignore"):
        z = (outcome - mean) / sd
        at = 2.0 * _normal_density(z) - 1.0 / np.sqrt(np.pi)
    return unwrap(np.abs(outcome - mean) * (2.0 * ndtr(np.abs(z)) - 1.0) + sd * at)


def crps_student_t(
    df: ArrayLike, location: ArrayLike, scale: ArrayLike, outcome: ArrayLike
) -> float | Array:
    """CRPS of Student t forecasts with a mean; lower is better.

    ``scale [z (2 F(z) - 1) + 2 f(z) (df + z^2)/(df - 1)
    - 2 sqrt(df)/(df - 1) B(1/2, df - 1/2)/B(1/2, df/2)^2]``.

    Parameters
    ----------
    df : degrees of freedom, above 1; for heavier tails see :func:`crps`
    location, scale, outcome : in the quantity's unit; scale above 0

    Raises
    ------
    ReliabilityError
        If an argument is no finite number, df not above 1 or the scale not positive.

    Examples
    --------
    >>> round(crps_student_t(4.0, 0.0, 1.0, 0.7), 6)
    0.438793
    """
    df, location, scale, outcome = together(
        df=positive("df", df, above=1.0),
        location=finite("location", location),
        scale=positive("scale", scale),
        outcome=finite("outcome", outcome),
    )
    z = np.abs(outcome - location) / scale
    log_height = gammaln(0.5 * (df + 1.0)) - gammaln(0.5 * df) - 0.5 * np.log(np.pi * df)
    # (df + z^2) f(z), whose square does not overflow.
    log_bend = log_height + np.log(df) - 0.5 * (df - 1.0) * np.log1p(z * z / df)
    spread = betaln(0.5, df - 0.5) - 2.0 * betaln(0.5, 0.5 * df)
    rest = 2.0 * (np.exp(log_bend) - np.sqrt(df) * np.exp(spread)) / (df - 1.0)
    return unwrap(scale * (z * (1.0 - 2.0 * stdtr(df, -z)) + rest))


def crps_lognormal(median: ArrayLike, sigma: ArrayLike, outcome: ArrayLike) -> float | Array:
    """CRPS of log-normal forecasts; lower is better.

    ``y (2 Phi(z) - 1) - 2 exp(mu + sigma^2/2) [Phi(z - sigma) - Phi(-sigma/sqrt(2))]`` with
    ``mu = log(median)``, ``z = (log(y) - mu)/sigma``.

    Parameters
    ----------
    median : in the quantity's unit, above 0
    sigma : sd of the logarithm, above 0
    outcome : any number, in the quantity's unit

    Raises
    ------
    ReliabilityError
        If an argument is no finite number, or median or sigma are not positive.

    Examples
    --------
    >>> round(crps_lognormal(1.0, 1.0, 0.2), 6)
    0.597114
    """
    median, sigma, outcome = together(
        median=positive("median", median),
        sigma=positive("sigma", sigma),
        outcome=finite("outcome", outcome),
    )
    with np.errstate(divide="ignore", over="ignore"):
        z = (np.log(np.maximum(outcome, 0.0)) - np.log(median)) / sigma
        mean = median * np.exp(0.5 * sigma * sigma)
    bracket = ndtr(z - sigma) - ndtr(-sigma / np.sqrt(2.0))
    return unwrap(outcome * (2.0 * ndtr(z) - 1.0) - 2.0 * mean * bracket)


def crps_logistic(location: ArrayLike, scale: ArrayLike, outcome: ArrayLike) -> float | Array:
    """CRPS of logistic forecasts; lower is better.

    ``scale [|z| + 2 log(1 + exp(-|z|)) - 1]``.

    Parameters
    ----------
    location, scale, outcome : in the quantity's unit; scale above 0

    Raises
    ------
    ReliabilityError
        If an argument is no finite number or the scale not positive.

    Examples
    --------
    >>> round(crps_logistic(0.0, 1.0, 0.5), 6)
    0.448154
    """
    location, scale, outcome = together(
        location=finite("location", location),
        scale=positive("scale", scale),
        outcome=finite("outcome", outcome),
    )
    z = np.abs(outcome - location) / scale
    return unwrap(scale * (z + 2.0 * np.log1p(np.exp(-z)) - 1.0))


def crps_uniform(low: ArrayLike, high: ArrayLike, outcome: ArrayLike) -> float | Array:
    """CRPS of uniform forecasts; lower is better.

    ``(high - low) (c^2 - c + 1/3)`` plus the distance from the outcome to the interval, with c
    the nearest point of the interval, as a share of its width.

    Parameters
    ----------
    low, high, outcome : in the quantity's unit; low below high

    Raises
    ------
    ReliabilityError
        If an argument is no finite number or low not below high.

    Examples
    --------
    >>> round(crps_uniform(0.0, 1.0, 0.3), 6)
    0.123333
    """
    low, high, outcome = together(
        low=finite("low", low), high=finite("high", high), outcome=finite("outcome", outcome)
    )
    _check_order(low, high, equal=False)
    width, nearest = high - low, np.clip(outcome, low, high)
    share = (nearest - low) / width
    return unwrap(np.abs(outcome - nearest) + width * (share * share - share + 1.0 / 3.0))


def _check_order(low: Array, high: Array, *, equal: bool) -> None:
    good = low <= high if equal else low < high
    if not np.all(good):
        at = tuple(np.argwhere(~good)[0].tolist())
        raise InvalidValueError(
            f"low={low[at]:g} must be below high={high[at]:g}"
            + (f" (entry {', '.join(map(str, at))})" if at else "")
        )


def crps_ensemble(members: ArrayLike, outcome: ArrayLike, *, fair: bool = False) -> float | Array:
    """CRPS of forecasts given as samples; lower is better.

    ``mean |x_i - y| - sum_ij |x_i - x_j| / (2 n^2)``, by sorting, in O(n log n).

    Parameters
    ----------
    members : (..., n) samples along the last axis, in the quantity's unit
    outcome : (...)
    fair : divide by ``2 n (n - 1)`` instead: unbiased for the CRPS of what the samples are drawn
        from (Ferro 2014, doi:10.1002/qj.2270); needs two samples

    Raises
    ------
    ReliabilityError
        If an argument is no finite number, shapes do not go together, or too few samples are
        given.

    Examples
    --------
    >>> crps_ensemble([1.0, 2.0, 3.0, 4.0], 2.5)
    0.375
    """
    members = finite("members", members)
    outcome = finite("outcome", outcome)
    if members.ndim == 0 or (fair and members.shape[-1] < 2):
        raise InvalidValueError(
            f"members must hold at least {2 if fair else 1} samples along its last axis "
            f"(got shape {members.shape})"
        )
    count = members.shape[-1]
    if members.ndim == 1:
        ordered = np.sort(members)
        _, outcome = together(members=members[0], outcome=outcome)
    else:
        first, outcome = together(members=members[..., 0], outcome=outcome)
        ordered = np.sort(np.broadcast_to(members, (*first.shape, count)), axis=-1)
    # About their middle, for samples far from zero would cancel.
    middle = ordered[..., count // 2]
    rank = 2.0 * np.arange(1, count + 1) - count - 1.0
    spread = (ordered - middle[..., None]) @ rank
    distance = np.abs(ordered - outcome[..., None]).mean(axis=-1)
    return unwrap(np.asarray(distance - spread / (count * (count - 1 if fair else count))))
