"""Pools of probabilities of one event."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, expit, logit

from reliability.comparators._checks import checked_weights, positive_number, probabilities
from reliability.errors import InvalidValueError

__all__ = [
    "beta_transformed_probability",
    "extremised_probability",
    "linear_probability",
    "log_odds_probability",
]

Array = NDArray[np.float64]


def _checked(p: ArrayLike, weights: ArrayLike | None) -> tuple[Array, Array]:
    given = probabilities("p", p)
    if given.ndim != 1 or not len(given):
        raise InvalidValueError(
            f"p must be a list of one or more probabilities (got an array of shape {given.shape})"
        )
    return given, checked_weights(weights, len(given), "probabilities")


def linear_probability(p: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Weighted mean of probabilities (Stone 1961, doi:10.1214/aoms/1177704873).

    Parameters
    ----------
    p : (n,) probabilities of one event, in [0, 1]
    weights : (n,) not negative, divided by their sum; None for equal

    Raises
    ------
    ReliabilityError
        If there is none, one is outside [0, 1], or the weights do not fit.

    Examples
    --------
    >>> round(linear_probability([0.6, 0.7, 0.8]), 9)
    0.7
    """
    given, w = _checked(p, weights)
    return float(w @ given)


def log_odds_probability(p: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Weighted mean of log odds, made a probability: the geometric mean of odds.

    ``logit(P) = sum w_i logit(p_i)`` (Genest & Zidek 1986, doi:10.1214/ss/1177013825: the
    logarithmic pool of two-point distributions; Satopaa et al. 2014,
    doi:10.1016/j.ijforecast.2013.09.009).

    Parameters and errors as of :func:`linear_probability`; a 0 beside a 1 is refused.

    Examples
    --------
    >>> round(log_odds_probability([0.6, 0.7, 0.8]), 6)
    0.706757
    """
    given, w = _checked(p, weights)
    given, w = given[w > 0.0], w[w > 0.0]
    if np.any(given == 0.0) and np.any(given == 1.0):
        raise InvalidValueError(
            "p holds both 0 and 1, which have no geometric mean of odds; leave one of them out"
        )
    return float(expit(w @ logit(given)))


def extremised_probability(
    p: ArrayLike, weights: ArrayLike | None = None, *, factor: float
) -> float:
    """Linear pool whose log odds are multiplied by a factor.

    ``logit(P) = factor * logit(sum w_i p_i)``: judges who share information are too timid
    together (Baron et al. 2014, doi:10.1287/deca.2014.0293).

    Parameters and errors as of :func:`linear_probability`; ``factor`` positive, above 1 to
    extremise.

    Examples
    --------
    >>> round(extremised_probability([0.6, 0.7, 0.8], factor=2.0), 6)
    0.844828
    """
    return float(expit(positive_number("factor", factor) * logit(linear_probability(p, weights))))


def beta_transformed_probability(
    p: ArrayLike, weights: ArrayLike | None = None, *, a: float, b: float
) -> float:
    """Recalibrated linear pool: the beta distribution function of the weighted mean.

    ``P = B(sum w_i p_i; a, b)`` (Ranjan & Gneiting 2010,
    doi:10.1111/j.1467-9868.2009.00726.x).

    Parameters and errors as of :func:`linear_probability`; a and b positive.

    Examples
    --------
    >>> round(beta_transformed_probability([0.6, 0.7, 0.8], a=2, b=2), 9)
    0.784
    """
    a, b = positive_number("a", a), positive_number("b", b)
    return float(betainc(a, b, linear_probability(p, weights)))
