"""A distribution with an atom at zero: what it is of that beside the atom."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reliability.scales import Scale

__all__ = [
    "divergence_with_atom",
    "moments_with_atom",
    "place_of_zero",
    "posterior_zero",
    "quantile_with_atom",
]

Array = NDArray[np.float64]


def place_of_zero(scale: Scale) -> float:
    """Coordinate x of zero: below all others on the log and logit scales."""
    return 0.0 if scale.name == "linear" else -np.inf


def quantile_with_atom(
    quantile: Callable[[Array, Array], Array],
    lower: Array,
    upper: Array,
    zero: float | Array,
    place: float,
) -> Array:
    """Quantiles on x of a distribution with an atom at zero.

    Parameters
    ----------
    quantile : those of the distribution beside the atom, from probabilities below and above
    lower, upper : probability below each quantile, and above it
    zero : probability of zero
    place : its coordinate

    >>> quantile_with_atom(lambda lower, upper: lower, np.array([0.1, 0.6, 0.9]),
    ...     np.array([0.9, 0.4, 0.1]), 0.5, -np.inf).round(6).tolist()
    [-inf, 0.2, 0.8]
    """
    if np.all(np.asarray(zero) == 0.0):
        return quantile(lower, upper)
    with np.errstate(divide="ignore", invalid="ignore"):
        rest = 1.0 - np.asarray(zero)
        # A value below zero has all of the atom above it, a value above zero has it below.
        below, above_that = lower / rest, (upper - zero) / rest
        below_that, above = (lower - zero) / rest, upper / rest
    is_above = np.asarray(np.where(lower < upper, below_that > 0.0, above < 1.0) & (rest > 0.0))
    with np.errstate(invalid="ignore"):
        high = quantile(*_probabilities(below_that, above, is_above))
        is_above &= high > place
        out = np.where(is_above, high, place)
        if np.isfinite(place):
            is_below = np.asarray(
                np.where(lower < upper, below < 1.0, above_that > 0.0) & (rest > 0.0)
            )
            low = quantile(*_probabilities(below, above_that, is_below))
            out = np.where(is_below & (low < place), low, out)
    return np.asarray(out)


def _probabilities(lower: Array, upper: Array, valid: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Probabilities below and above, one half where they are not wanted."""
    return np.where(valid, np.clip(lower, 0.0, 1.0), 0.5), np.where(
        valid, np.clip(upper, 0.0, 1.0), 0.5
    )


def moments_with_atom(mean: Array, variance: Array, zero: Array) -> tuple[Array, Array]:
    """Mean and variance of quantities with an atom at zero, from those beside the atom."""
    rest = 1.0 - zero
    with np.errstate(invalid="ignore", over="ignore"):
        whole = variance + np.where(zero > 0.0, zero * mean * mean, 0.0)
        return np.where(rest > 0.0, rest * mean, 0.0), np.where(rest > 0.0, rest * whole, 0.0)


def divergence_with_atom(zero: float, other: float, beside: float) -> float:
    """Kullback-Leibler divergence of a distribution with an atom at zero from another.

    ``beside`` is that of what is beside the atoms.
    """
    if zero == 0.0 and other == 0.0:
        return beside
    out = 0.0
    for mass, against in ((zero, other), (1.0 - zero, 1.0 - other)):
        if mass > 0.0:
            out += mass * float(np.log(mass / against)) if against > 0.0 else np.inf
    return out + (1.0 - zero) * beside if zero < 1.0 else out


def posterior_zero(prior: float, log_zero: Array, log_above: Array) -> tuple[Array, Array]:
    """Posterior probabilities of zero, and log evidence, from the evidence of both cases.

    >>> at_zero, _ = posterior_zero(0.5, np.log([0.3]), np.log([0.1]))
    >>> at_zero.round(6).tolist()
    [0.75]
    """
    with np.errstate(divide="ignore"):
        nothing = np.log(prior) + log_zero
        something = np.log1p(-prior) + log_above
    whole = np.logaddexp(nothing, something)
    return np.exp(nothing - whole), whole
