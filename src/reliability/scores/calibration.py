"""Do stated probabilities hold? Coverage of intervals, and probability integral transforms."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, kolmogorov

from reliability.posterior import generator, unwrap
from reliability.scores.checks import checked_level, finite, no_nan, probability, together
from reliability.scores.forecasts import pairs
from reliability.scores.proper import check_interval

__all__ = ["Coverage", "binomial_interval", "coverage", "pit", "uniformity"]

Array = NDArray[np.float64]


@attrs.frozen
class Coverage:
    """How often intervals held the truth.

    Attributes
    ----------
    rate : share that did
    low, high : exact interval of the rate
    n : number of intervals
    level : what they stated
    """

    rate: float
    low: float
    high: float
    n: int
    level: float


def binomial_interval(
    hits: ArrayLike, n: ArrayLike, confidence: float = 0.95
) -> tuple[Array, Array]:
    """Exact interval of a rate (Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404).

    Parameters
    ----------
    hits, n : how many of how many; where n is 0 the interval is all of [0, 1]
    confidence : probability in (0, 1)

    Examples
    --------
    >>> [round(float(end), 4) for end in binomial_interval(9, 10)]
    [0.555, 0.9975]
    """
    hits, n = np.asarray(hits, dtype=np.float64), np.asarray(n, dtype=np.float64)
    tail = 0.5 * (1.0 - checked_level(confidence, "confidence"))
    misses = n - hits
    with np.errstate(invalid="ignore"):
        low = betaincinv(np.maximum(hits, 1.0), misses + 1.0, tail)
        high = betaincinv(hits + 1.0, np.maximum(misses, 1.0), 1.0 - tail)
    return np.where(hits > 0.0, low, 0.0), np.where(misses > 0.0, high, 1.0)


def coverage(
    low: ArrayLike,
    high: ArrayLike,
    outcome: ArrayLike,
    level: float,
    *,
    confidence: float = 0.95,
) -> Coverage:
    """How often intervals held what happened, ends included; right is a rate near the level.

    Parameters
    ----------
    low, high, outcome : numbers or arrays of one shape; ends may be infinite
    level : probability that the intervals state, in (0, 1)
    confidence : probability of the exact interval of the rate

    Raises
    ------
    ReliabilityError
        If low exceeds high, a level is not in (0, 1), or a number is nan.

    Examples
    --------
    >>> found = coverage([1, 2, 3, 4], [3, 4, 5, 6], [2, 9, 4, 5], 0.9)
    >>> found.rate, round(found.low, 3), round(found.high, 3), found.n
    (0.75, 0.194, 0.994, 4)
    """
    stated = checked_level(level)
    low, high, outcome = together(
        low=no_nan("low", low), high=no_nan("high", high), outcome=finite("outcome", outcome)
    )
    check_interval(low, high)
    hits = int(np.count_nonzero((low <= outcome) & (outcome <= high)))
    ends = binomial_interval(hits, outcome.size, confidence)
    return Coverage(hits / outcome.size, float(ends[0]), float(ends[1]), outcome.size, stated)


def pit(
    forecast: object, outcome: ArrayLike, *, rng: np.random.Generator | int | None = None
) -> float | Array:
    """Probability integral transform: the forecast's distribution function at what happened.

    Uniform on [0, 1] for calibrated forecasts: its mean is 1/2, its variance 1/12. Where the
    outcome itself has a probability (a discrete forecast, or zero under an atom), its transform
    lies anywhere between F just below and F at the outcome: the middle of these is given, or with
    ``rng`` a uniform draw between them, which alone is uniform for calibrated forecasts.

    Parameters
    ----------
    forecast : a Posterior, a Combination, a frozen scipy distribution, or a list of these
    outcome : any shape for one forecast, one number for each of several
    rng : a ``numpy.random.Generator`` or a seed; None is the middle

    Raises
    ------
    ReliabilityError
        If the forecast is of another kind, an outcome no finite number, or their numbers differ.

    Examples
    --------
    >>> from reliability import Model, combine
    >>> forecast = combine([("A", "10 +- 1")], model=Model.common_effect())
    >>> round(pit(forecast, 11.0), 6)
    0.841345
    """
    forecasts, outcomes = pairs(forecast, outcome)
    share = np.full(outcomes.shape, 0.5)
    if rng is not None:
        share = generator(rng).random(outcomes.shape)
    out = np.empty(outcomes.shape)
    for one, place in forecasts:
        value = outcomes[place]
        out[place] = one.below(value) - (1.0 - share[place]) * one.at(value)
    return unwrap(out)


def uniformity(values: ArrayLike) -> float:
    """Tail probability of Kolmogorov and Smirnov's statistic of transforms that are uniform.

    With D the largest distance between their distribution function and the uniform one, the tail
    of Kolmogorov's distribution at ``(sqrt(n) + 0.12 + 0.11/sqrt(n)) D`` (Stephens 1970, Journal
    of the Royal Statistical Society B 32, 115-122).

    Parameters
    ----------
    values : transforms in [0, 1], independent

    Raises
    ------
    ReliabilityError
        If there are none, or one is not in [0, 1].

    Examples
    --------
    >>> round(uniformity([0.1, 0.3, 0.5, 0.7, 0.9]), 4)
    1.0
    """
    u = np.sort(probability("values", values).ravel())
    n = len(u)
    steps = np.arange(n)
    distance = max(float(np.max((steps + 1.0) / n - u)), float(np.max(u - steps / n)))
    return float(kolmogorov((np.sqrt(n) + 0.12 + 0.11 / np.sqrt(n)) * distance))
