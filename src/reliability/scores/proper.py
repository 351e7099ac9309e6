"""Scores by formula: logarithmic, interval, weighted interval, pinball, Brier."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reliability.errors import InvalidValueError
from reliability.posterior import unwrap
from reliability.scores.checks import (
    between,
    checked_levels,
    finite,
    no_nan,
    probability,
    quantiles,
    together,
)
from reliability.scores.forecasts import pairs

__all__ = ["brier", "interval_score", "log_score", "pinball", "wis"]

Array = NDArray[np.float64]


def log_score(forecast: object, outcome: ArrayLike) -> float | Array:
    """Log density (natural logarithm) of what happened; higher is better.

    Where there is a probability that the outcome is exactly this (a discrete forecast, or zero
    under an atom), it is the log of that probability. -inf where the forecast excludes it.

    Parameters
    ----------
    forecast : a Posterior, a Combination, a frozen scipy distribution, or a list of these
    outcome : any shape for one forecast, one number for each of several

    Raises
    ------
    ReliabilityError
        If the forecast is of another kind, an outcome no finite number, or their numbers differ.

    Examples
    --------
    >>> from reliability import Model, combine
    >>> forecast = combine([("A", "10 +- 1")], model=Model.common_effect())
    >>> round(log_score(forecast, 10.0), 6)
    -0.918939
    """
    forecasts, outcomes = pairs(forecast, outcome)
    out = np.empty(outcomes.shape)
    for one, place in forecasts:
        value = outcomes[place]
        if one.discrete:
            out[place] = one.distribution.logpmf(value)
            continue
        log_density = np.asarray(one.distribution.logpdf(value))
        if one.zero > 0.0:
            log_density = np.where(
                value == 0.0, np.log(one.zero), np.log1p(-one.zero) + log_density
            )
        out[place] = log_density
    return unwrap(out)


def interval_score(
    low: ArrayLike, high: ArrayLike, outcome: ArrayLike, level: ArrayLike
) -> float | Array:
    """Score of central intervals; lower is better, in the quantity's unit.

    ``(high - low) + 2/(1 - level) * (how far the outcome lies outside)`` (Gneiting & Raftery 2007,
    doi:10.1198/016214506000001437).

    Parameters
    ----------
    low, high, outcome : numbers or arrays of one shape; ends may be infinite
    level : probability that the interval states, in (0, 1)

    Raises
    ------
    ReliabilityError
        If low exceeds high, a level is not in (0, 1), or a number is nan.

    Examples
    --------
    >>> interval_score(2000, 3000, 9000, 0.5)
    25000.0
    """
    low, high, outcome, level = together(
        low=no_nan("low", low),
        high=no_nan("high", high),
        outcome=finite("outcome", outcome),
        level=between("level", level),
    )
    check_interval(low, high)
    outside = np.maximum(low - outcome, 0.0) + np.maximum(outcome - high, 0.0)
    return unwrap((high - low) + 2.0 / (1.0 - level) * outside)


def check_interval(low: Array, high: Array) -> None:
    """Refuse an interval whose ends are the wrong way round."""
    bad = np.argwhere(low > high)
    if len(bad):
        at = tuple(bad[0].tolist())
        place = f"entry {', '.join(map(str, at))}: " if at else ""
        raise InvalidValueError(f"{place}low={low[at]:g} exceeds high={high[at]:g}; swap them")


def pinball(value: ArrayLike, level: ArrayLike, outcome: ArrayLike) -> float | Array:
    """Score of one quantile; lower is better, in the quantity's unit.

    ``(1{outcome <= value} - level) (value - outcome)``. Twice its mean over levels approximates
    the CRPS.

    Parameters
    ----------
    value : the quantile
    level : its probability, in (0, 1)
    outcome : what happened; numbers or arrays of one shape

    Raises
    ------
    ReliabilityError
        If a level is not in (0, 1) or a number not finite.

    Examples
    --------
    >>> pinball(10.0, 0.9, 12.0), round(pinball(10.0, 0.9, 9.0), 6)
    (1.8, 0.1)
    """
    value, level, outcome = together(
        value=finite("value", value),
        level=between("level", level),
        outcome=finite("outcome", outcome),
    )
    return unwrap(_pinball(value, level, outcome))


def _pinball(value: Array, level: Array, outcome: Array) -> Array:
    gap = value - outcome
    return np.asarray(np.where(gap >= 0.0, 1.0 - level, level) * np.abs(gap))


def wis(levels: ArrayLike, values: ArrayLike, outcome: ArrayLike) -> float | Array:
    """Weighted interval score of quantiles; lower is better, in the quantity's unit.

    ``[|outcome - median|/2 + sum_k alpha_k/2 IS_k]/(K + 1/2)`` over K central intervals of levels
    1 - alpha_k (Bracher, Ray, Gneiting & Reich 2021, doi:10.1371/journal.pcbi.1008618): twice
    the mean pinball loss of the quantiles. Without a median the first term is left out and the
    sum divided by K.

    Parameters
    ----------
    levels : (m,) probabilities of the quantiles, increasing, symmetric about one half
    values : (..., m) the quantiles, not decreasing
    outcome : (...)

    Raises
    ------
    ReliabilityError
        If levels do not increase, are not symmetric or leave (0, 1), if values decrease, or a
        number is not finite.

    Examples
    --------
    >>> wis([0.05, 0.25, 0.5, 0.75, 0.95], [1000, 2000, 2500, 3200, 5000], 12_000)
    8420.0
    """
    probabilities = checked_levels(levels)
    if not np.allclose(probabilities + probabilities[::-1], 1.0, rtol=0.0, atol=1e-9):
        raise InvalidValueError(
            "levels must be symmetric about 0.5, for they are the ends of central intervals "
            f"(got {probabilities.tolist()}); for other quantiles there is pinball()"
        )
    given = quantiles(probabilities, values)
    outcomes = finite("outcome", outcome)
    if given.ndim > 1:
        _, outcomes = together(values=given[..., 0], outcome=outcomes)
    losses = _pinball(given, probabilities, outcomes[..., None])
    return unwrap(np.asarray(2.0 * losses.mean(axis=-1)))


def brier(forecast: ArrayLike, outcome: ArrayLike) -> float | Array:
    """Squared error of probabilities: ``(forecast - outcome)^2``; lower is better, from 0 to 1.

    Parameters
    ----------
    forecast : probabilities in [0, 1] that it happens
    outcome : 1 where it happened, 0 where it did not

    Raises
    ------
    ReliabilityError
        If a probability is not in [0, 1] or an outcome neither 0 nor 1.

    Examples
    --------
    >>> round(brier(0.7, 1), 6)
    0.09
    """
    given, happened = together(
        forecast=probability("forecast", forecast), outcome=finite("outcome", outcome)
    )
    bad = happened[(happened != 0.0) & (happened != 1.0)]
    if bad.size:
        raise InvalidValueError(
            f"outcome must be 1 where it happened and 0 where it did not (got {bad.flat[0]:g})"
        )
    return unwrap((given - happened) ** 2)
