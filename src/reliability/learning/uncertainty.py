"""How uncertain what was learned of each source is.

The information that claims hold about a parameter is the sum of squared scores: each is the
derivative of the log evidence with the quantities, and whether the claim is sound, averaged out.
So a claim that may be sound or not, or whose quantity is known from few others, counts for less.
Biases have the covariance of their joint solution with the locations.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, gammaincinv, ndtri

from reliability.engine.quadrature import segment_sum
from reliability.learning.fit import Fit
from reliability.learning.maximisation import solve_biases, squared_errors
from reliability.learning.observations import Observations

__all__ = ["Interval", "SourceUncertainty", "uncertainty"]

Array = NDArray[np.float64]

#: Claims for which the information of a source's own claims counts as much as all sources'.
_OWN = 10.0


@attrs.frozen(eq=False)
class Interval:
    """Ends of central intervals."""

    low: Array
    high: Array


@attrs.frozen(eq=False)
class SourceUncertainty:
    """Uncertainty of the sources' parameters.

    Parameters
    ----------
    claims : (sources,) claims that could be compared
    reliability_count : (sources,) claims that the reliability rests on, the prior's among them
    scale_count : (2 sources,) the same of the scales of bare values and of stated sds
    bias_sd : (sources,) sd of the bias
    reliability, scale, bias : intervals
    """

    claims: Array
    reliability_count: Array
    scale_count: Array
    bias_sd: Array
    reliability: Interval
    scale: Interval
    bias: Interval


def uncertainty(
    seen: Observations, fitted: Fit, level: float, *, biases: bool
) -> SourceUncertainty:
    """Uncertainty of every source's parameters, with central intervals of a level."""
    parameters, found, weight = fitted.parameters, fitted.expectations, seen.weight
    priors = fitted.priors
    claims = segment_sum(seen.source, weight, seen.sources)
    tail = 0.5 * (1.0 - level)

    groups = 2 * seen.sources
    size, count = squared_errors(seen, parameters, found)
    of_scale = 0.5 * (size - count)
    # The information about log k^2 of n squares is n/2.
    scale_information = _summed(seen.group, weight, of_scale**2, groups)
    scale_prior = 0.5 * priors.scale_count
    r = parameters.reliability
    reliability_count = np.full(seen.sources, np.inf)
    beta = Interval(r, r)
    if parameters.law.doubtful:
        of_r = found.sound - r[seen.source]
        own = _summed(seen.source, weight, of_r**2, seen.sources)
        prior = r * (1.0 - r) * priors.reliability_count
        # What a claim says of both is said once: each is known less where both are unknown.
        both = segment_sum(seen.group, weight * of_r * of_scale, groups)
        lost = both**2 / (scale_information + scale_prior)
        scale_information = scale_information - np.minimum(
            both**2 / np.repeat(own + prior, 2), 0.9 * scale_information
        )
        own = own - np.minimum(lost.reshape(-1, 2).sum(axis=1), 0.9 * own)
        reliability_count = (own + prior) / (r * (1.0 - r))
        a, b = r * reliability_count, (1.0 - r) * reliability_count
        beta = Interval(betaincinv(a, b, tail), betaincinv(a, b, 1.0 - tail))
    scale_count = 2.0 * (scale_information + scale_prior)
    half = 0.5 * scale_count
    k = parameters.scale
    scale = Interval(
        k * np.sqrt(half / gammaincinv(half, 1.0 - tail)),
        k * np.sqrt(half / np.maximum(gammaincinv(half, tail), 1e-300)),
    )

    b, sd = parameters.bias, np.zeros(seen.sources)
    if biases:
        sd = np.sqrt(solve_biases(seen, found, b, priors).variance)
    reach = float(ndtri(1.0 - tail)) * sd
    return SourceUncertainty(
        claims,
        reliability_count,
        scale_count,
        sd,
        beta,
        scale,
        Interval(b - reach, b + reach),
    )


def _summed(group: NDArray[np.int64], weight: Array, values: Array, groups: int) -> Array:
    """Sums by group, drawn towards what all groups' claims hold where a group has few."""
    number = segment_sum(group, weight, groups)
    total = segment_sum(group, weight * values, groups)
    usual = float(total.sum() / max(number.sum(), 1e-300))
    return np.asarray((total + _OWN * usual) * number / (number + _OWN))
