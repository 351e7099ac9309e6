"""Averages of values with stated standard deviations, as other fields compute them.

Each takes the values of one quantity and their sds, (n,) each in one unit, and gives an
:class:`Average`. None of them asks whether a source is to be believed.
"""

from __future__ import annotations

from typing import Literal

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, ndtri, stdtrit

from reliability.claims._checks import short
from reliability.comparators._checks import checked_level, finite, values_and_sds
from reliability.engine.conflict import excess, precision_mean
from reliability.errors import InvalidValueError

__all__ = [
    "Average",
    "arithmetic_mean",
    "birge_mean",
    "dersimonian_laird",
    "median",
    "pdg_average",
    "weighted_mean",
]

Array = NDArray[np.float64]

#: Measurements whose sd exceeds this times sqrt(N) times the mean's sd do not enter the scale
#: factor of the Particle Data Group.
_PDG_CUTOFF = 3.0
#: sd of a median over the median absolute deviation, times sqrt(n - 1): Mueller (2000).
_SD_OF_MEDIAN = 1.858


@attrs.frozen
class Average:
    """An average of values about one quantity.

    Attributes
    ----------
    estimate : the average, in the values' unit
    sd : its standard error; nan where it takes two values and there is one
    low, high : ends of the interval of confidence ``level``
    level : in (0, 1)
    n : how many values
    scale_factor : what the stated sds were multiplied by (1 where they were believed, None
        where they were not used)
    tau : sd of the scatter that was added to the stated sds, or None
    """

    estimate: float
    sd: float
    low: float
    high: float
    level: float
    n: int
    scale_factor: float | None = None
    tau: float | None = None


def _weighted(x: Array, s: Array) -> tuple[float, float, float]:
    """Mean with weights 1/s^2, its sd, and the weighted sum of squares about it.

    In units of the smallest sd and counted from its value: squares stay within the floats.
    """
    best = int(np.argmin(s))
    unit, start = float(s[best]), np.zeros(1, dtype=np.int64)
    weight = (unit / s) ** 2
    origin, mean, squares = precision_mean(
        (x - x[best]) / unit,
        weight,
        start,
        np.zeros(len(x), dtype=np.int64),
        lambda v: np.add.reduceat(v, start),
    )
    estimate = float(x[best] + unit * (origin[0] + mean[0]))
    return estimate, unit / float(np.sqrt(weight.sum())), float(squares[0])


def _normal(
    estimate: float,
    sd: float,
    level: float,
    n: int,
    scale_factor: float | None = None,
    tau: float | None = None,
) -> Average:
    half = float(ndtri(0.5 + 0.5 * level)) * sd
    return Average(estimate, sd, estimate - half, estimate + half, level, n, scale_factor, tau)


def _student(estimate: float, sd: float, level: float, n: int, tau: float | None = None) -> Average:
    """Average with an interval of Student's t with n - 1 degrees of freedom."""
    half = float(stdtrit(n - 1, 0.5 + 0.5 * level)) * sd
    return Average(estimate, sd, estimate - half, estimate + half, level, n, None, tau)


def weighted_mean(values: ArrayLike, sds: ArrayLike, *, level: float = 0.95) -> Average:
    """Inverse-variance mean, which believes every stated sd.

    ``m = sum w x / sum w``, ``w = 1/s^2``; sd ``1/sqrt(sum w)``; normal interval. It is what
    ``combine`` gives with ``Model.common_effect()``, and meta-analysis' fixed effect (Cochran
    1954, doi:10.2307/3001666).

    Parameters
    ----------
    values, sds : (n,) values of one quantity and their standard deviations, in one unit
    level : of the interval, in (0, 1)

    Raises
    ------
    ReliabilityError
        If an array is empty, holds anything but finite numbers, or an sd is not positive.

    Examples
    --------
    >>> weighted_mean([10.0, 16.0], [1.0, 2.0]).estimate
    11.2
    """
    x, s = values_and_sds(values, sds)
    mean, sd, _ = _weighted(x, s)
    return _normal(mean, sd, checked_level(level), len(x), 1.0)


def birge_mean(values: ArrayLike, sds: ArrayLike, *, level: float = 0.95) -> Average:
    """Inverse-variance mean with its sd widened by the Birge ratio.

    ``R = sqrt(sum ((x - m)/s)^2 / (n - 1))``; the sd of :func:`weighted_mean` times
    ``max(1, R)``; normal interval (Birge 1932, doi:10.1103/PhysRev.40.207). ``scale_factor``
    is ``max(1, R)``.

    Parameters and errors as of :func:`weighted_mean`.

    Examples
    --------
    >>> round(birge_mean([10.0, 16.0], [1.0, 2.0]).scale_factor, 6)
    2.683282
    """
    x, s = values_and_sds(values, sds)
    mean, sd, squares = _weighted(x, s)
    factor = 1.0
    if len(x) > 1:
        _, _, ratio = excess(squares, len(x) - 1)
        factor = max(1.0, ratio)
    return _normal(mean, factor * sd, checked_level(level), len(x), factor)


def pdg_average(values: ArrayLike, sds: ArrayLike, *, level: float = 0.95) -> Average:
    """Average of the Particle Data Group: the sd widened by the scale factor S.

    ``S^2 = sum ((x - m)/s)^2 / (N - 1)`` over the N measurements with
    ``s <= 3 sqrt(n) / sqrt(sum 1/s^2)``, m the inverse-variance mean of all n, for large errors
    would say nothing; 1 where that is less or one measurement is left. Normal interval (Review
    of Particle Physics 2024, Introduction, section 5.2.2, doi:10.1103/PhysRevD.110.030001).
    ``scale_factor`` is S.

    Parameters and errors as of :func:`weighted_mean`.

    Examples
    --------
    >>> round(pdg_average([10.0, 16.0, 11.0], [1.0, 2.0, 30.0]).scale_factor, 6)
    2.683282
    """
    x, s = values_and_sds(values, sds)
    mean, sd, _ = _weighted(x, s)
    kept = s <= _PDG_CUTOFF * np.sqrt(len(x)) * sd
    factor = 1.0
    if kept.sum() > 1:
        squares = float(np.sum(((x[kept] - mean) / s[kept]) ** 2))
        _, _, ratio = excess(squares, int(kept.sum()) - 1)
        factor = max(1.0, ratio)
    return _normal(mean, factor * sd, checked_level(level), len(x), factor)


def dersimonian_laird(
    values: ArrayLike,
    sds: ArrayLike,
    *,
    level: float = 0.95,
    adjustment: Literal["none", "hksj", "modified hksj"] = "none",
) -> Average:
    """Random-effects mean with the moment estimate of the scatter tau.

    ``tau^2 = max(0, (Q - (n - 1)) / (sum w - sum w^2 / sum w))``, Q about the inverse-variance
    mean, ``w = 1/s^2``; then the mean with weights ``v = 1/(s^2 + tau^2)`` (DerSimonian & Laird
    1986, doi:10.1016/0197-2456(86)90046-2). With one value tau is 0.

    Parameters
    ----------
    values, sds : (n,) values of one quantity and their standard deviations, in one unit
    level : of the interval, in (0, 1)
    adjustment : of the sd: "none", ``1/sqrt(sum v)`` with a normal interval; "hksj", times
        ``sqrt(q)``, ``q = sum v (x - m)^2 / (n - 1)``, with Student's t of n - 1 degrees of
        freedom (Hartung & Knapp 2001, doi:10.1002/sim.791; Sidik & Jonkman 2002,
        doi:10.1002/sim.1262); "modified hksj", times ``sqrt(max(1, q))`` (Roever, Knapp & Friede
        2015, doi:10.1186/s12874-015-0091-1)

    Raises
    ------
    ReliabilityError
        As of :func:`weighted_mean`; if the adjustment is unknown, or needs a second value.

    Examples
    --------
    >>> average = dersimonian_laird([10.0, 16.0], [1.0, 2.0])
    >>> round(average.tau, 6), round(average.estimate, 6)
    (3.937004, 12.75)
    """
    x, s = values_and_sds(values, sds)
    level = checked_level(level)
    if adjustment not in ("none", "hksj", "modified hksj"):
        raise InvalidValueError(
            f"adjustment must be 'none', 'hksj' or 'modified hksj' (got {short(adjustment)})"
        )
    n = len(x)
    tau = 0.0
    if n > 1:
        _, _, squares = _weighted(x, s)
        # With the smallest sd as the unit: squares of weights may leave the floats.
        unit = float(s.min())
        w = (unit / s) ** 2
        total = float(w.sum())
        excess_squares = max(0.0, squares - (n - 1))
        # total - sum w^2 / total, term by term: it cancels where one weight is nearly all.
        before = np.concatenate([[0.0], np.cumsum(w)[:-1]])
        after = np.concatenate([[0.0], np.cumsum(w[::-1])[:-1]])[::-1]
        tau = unit * float(np.sqrt(excess_squares * total / np.dot(w, before + after)))
    mean, sd, squares = _weighted(x, np.hypot(s, tau))
    if adjustment == "none":
        return _normal(mean, sd, level, n, 1.0, tau)
    if n < 2:
        raise InvalidValueError(
            f"adjustment {adjustment!r} judges the scatter of the values and needs two or more "
            "(got 1); use adjustment='none'"
        )
    q = squares / (n - 1)
    factor = np.sqrt(q if adjustment == "hksj" else max(1.0, q))
    return _student(mean, float(factor) * sd, level, n, tau)


def arithmetic_mean(values: ArrayLike, *, level: float = 0.95) -> Average:
    """Mean of the values, whatever their stated sds.

    sd ``sqrt(sum (x - m)^2 / (n (n - 1)))``, interval of Student's t with n - 1 degrees of
    freedom (Student 1908, doi:10.1093/biomet/6.1.1). With one value the sd is nan and the
    interval is everything.

    Parameters
    ----------
    values : (n,) values of one quantity
    level : of the interval, in (0, 1)

    Raises
    ------
    ReliabilityError
        If there are none, or one is no finite number.

    Examples
    --------
    >>> average = arithmetic_mean([1.0, 2.0, 6.0])
    >>> average.estimate, round(average.sd, 6)
    (3.0, 1.527525)
    """
    x, level = _plain(values), checked_level(level)
    n = len(x)
    # About the first value: a common offset costs no digits.
    mean = float(x[0] + np.mean(x - x[0]))
    if n == 1:
        return Average(mean, np.nan, -np.inf, np.inf, level, 1)
    return _student(mean, float(np.std(x - x[0], ddof=1) / np.sqrt(n)), level, n)


def median(values: ArrayLike, *, level: float = 0.95) -> Average:
    """Median of the values, whatever their stated sds.

    The interval goes from the k-th smallest value to the k-th largest, with the largest k for
    which ``P(B >= k and B <= n - k) >= level``, B binomial of n and 1/2: whatever distribution
    the values come from, it holds that distribution's median with at least that probability
    (Conover 1999, Practical Nonparametric Statistics, section 3.2). Where no k will do (fewer
    than six values at 95 %) it is everything. sd: ``1.858 MAD / sqrt(n - 1)``, MAD the median
    absolute deviation (Mueller 2000, doi:10.6028/jres.105.044), nan for one value.

    Parameters and errors as of :func:`arithmetic_mean`.

    Examples
    --------
    >>> average = median([3, 1, 4, 1, 5, 9, 2, 6])
    >>> average.estimate, average.low, average.high
    (3.5, 1.0, 9.0)
    """
    x, level = np.sort(_plain(values)), checked_level(level)
    n = len(x)
    middle = float(np.median(x))
    sd = _SD_OF_MEDIAN * float(np.median(np.abs(x - middle))) / np.sqrt(n - 1) if n > 1 else np.nan
    ranks = np.arange(1, n // 2 + 1)
    sure = ranks[1.0 - 2.0 * bdtr(ranks - 1.0, n, 0.5) >= level]
    if not len(sure):
        return Average(middle, float(sd), -np.inf, np.inf, level, n)
    k = int(sure[-1])
    return Average(middle, float(sd), float(x[k - 1]), float(x[n - k]), level, n)


def _plain(values: ArrayLike) -> Array:
    x = finite("values", values, dimensions=1)
    if not len(x):
        raise InvalidValueError("values must not be empty; give at least one")
    return x
