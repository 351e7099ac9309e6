"""Priors from frozen scipy distributions."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.foreign import is_frozen
from reliability.errors import InvalidValueError, WrongTypeError, short
from reliability.priors import Density, Normal, QuantityPrior, Uniform

__all__ = ["as_prior"]

Array = NDArray[np.float64]


def as_prior(value: Any, hint: str = "") -> QuantityPrior:
    """A prior on the quantity as it is, or the one that a frozen scipy distribution means.

    Parameters
    ----------
    value : a prior of `reliability.priors`, or a continuous distribution of `scipy.stats`
    hint : what else to do, said where it is refused

    Raises
    ------
    ReliabilityError
        If it is neither, is discrete, or is not one distribution.

    Examples
    --------
    >>> from scipy.stats import norm
    >>> as_prior(norm(10, 2))
    Normal(mean=10.0, sd=2.0)
    """
    if isinstance(value, QuantityPrior):
        return value
    if not is_frozen(value):
        raise WrongTypeError(
            "prior must be a prior on the quantity, such as priors.Normal(mean, sd), or a frozen "
            f"scipy distribution (got {short(value)}){hint}"
        )
    kind = getattr(getattr(value, "dist", None), "name", "")
    if not callable(getattr(value, "logpdf", None)) or np.ndim(value.ppf(0.5)) != 0:
        raise InvalidValueError(
            f"prior must be one continuous distribution (got {kind or type(value).__name__}, which "
            "has no density, or several)"
        )
    low, high = (float(end) for end in value.support())
    if kind == "norm":
        return Normal(float(value.mean()), float(value.std()))
    if kind == "uniform":
        return Uniform(low, high)
    return Density(_LogDensity(value), (low, high))


@attrs.frozen
class _LogDensity:
    """Log density of a frozen distribution; at infinity, where scipy may say nan, it is none."""

    frozen: Any

    def __call__(self, theta: Array) -> Array:
        logs = np.asarray(self.frozen.logpdf(theta), dtype=np.float64)
        return np.where(np.isinf(theta), -np.inf, logs)
