"""Scales: linear, log and logit; from the quantity theta to the working coordinate x and back.

All of the model lives on x. Whatever a claim states in the quantity's units is turned into x
once, here; results are turned back here.
"""

from __future__ import annotations

from typing import Literal

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from reliability.errors import InvalidValueError

__all__ = ["SCALES", "Scale", "ScaleName", "get_scale"]

Array = NDArray[np.float64]
ScaleName = Literal["linear", "log", "logit"]


@attrs.frozen
class Scale:
    """A strictly increasing map from a quantity to the working coordinate.

    Parameters
    ----------
    name : "linear" (x = theta), "log" (x = log theta) or "logit" (x = log(theta / (1 - theta)))
    low, high : open limits of the quantity

    Examples
    --------
    >>> from reliability.scales import get_scale
    >>> log = get_scale("log")
    >>> round(float(log.to_x(12_000)), 4)
    9.3927
    >>> round(float(log.to_theta(log.to_x(12_000))), 6)
    12000.0
    """

    name: ScaleName
    low: float
    high: float

    def to_x(self, theta: ArrayLike) -> Array:
        """Working coordinate of a quantity; minus or plus infinity at the scale's limits."""
        theta = np.asarray(theta, dtype=np.float64)
        if self.name == "linear":
            return theta
        with np.errstate(divide="ignore"):
            if self.name == "log":
                return np.asarray(np.log(theta))
            return np.asarray(np.log(theta) - np.log1p(-theta))

    def to_theta(self, x: ArrayLike) -> Array:
        """Quantity at a working coordinate (infinite where it exceeds the float range)."""
        x = np.asarray(x, dtype=np.float64)
        if self.name == "linear":
            return x
        with np.errstate(over="ignore"):
            if self.name == "log":
                return np.asarray(np.exp(x))
            return np.asarray(1.0 / (1.0 + np.exp(-x)))

    def slope(self, theta: ArrayLike) -> Array:
        """Derivative dx/dtheta at a quantity: turns a stated sd into an sd on x (delta method)."""
        theta = np.asarray(theta, dtype=np.float64)
        if self.name == "linear":
            return np.ones_like(theta)
        if self.name == "log":
            return 1.0 / theta
        return 1.0 / (theta * (1.0 - theta))

    def log_jacobian(self, x: ArrayLike) -> Array:
        """Log dtheta/dx at a working coordinate."""
        x = np.asarray(x, dtype=np.float64)
        if self.name == "linear":
            return np.zeros_like(x)
        if self.name == "log":
            return x
        return np.asarray(-np.abs(x) - 2.0 * np.log1p(np.exp(-np.abs(x))))

    def log_deviation(self, shift: ArrayLike, origin: float | Array) -> tuple[Array, Array]:
        """Log size and sign of theta(origin + shift) - theta(origin).

        Small shifts do not cancel and large ones do not overflow.
        """
        shift = np.asarray(shift, dtype=np.float64)
        sign = np.sign(shift)
        with np.errstate(divide="ignore"):
            if self.name == "linear":
                return np.log(np.abs(shift)), sign
            # g = exp(shift) - 1 is core, of a size below 1, times exp(shift) where that is larger.
            core = np.log(-np.expm1(-np.abs(shift)))
            if self.name == "log":
                return origin + np.maximum(shift, 0.0) + core, sign
            # theta' - theta = theta (1 - theta) g / (1 + theta g). Upwards numerator and
            # denominator are divided by exp(shift): else two logs as large as it would cancel.
            log_theta, log_rest = -np.logaddexp(0.0, -origin), -np.logaddexp(0.0, origin)
            denominator = np.where(
                shift > 0.0,
                np.logaddexp(log_theta, log_rest - np.maximum(shift, 0.0)),
                np.logaddexp(log_rest, log_theta + np.minimum(shift, 0.0)),
            )
            return np.asarray(log_theta + log_rest + core - denominator), sign

    def contains(self, theta: ArrayLike) -> NDArray[np.bool_]:
        """Whether the quantity can have these values."""
        theta = np.asarray(theta, dtype=np.float64)
        return np.asarray((self.low < theta) & (theta < self.high))

    def describe(self) -> str:
        """Say in words which quantities the scale admits."""
        if self.name == "linear":
            return "any finite number"
        if self.name == "log":
            return "a number above 0"
        return "a number between 0 and 1"


SCALES: dict[str, Scale] = {
    "linear": Scale("linear", -np.inf, np.inf),
    "log": Scale("log", 0.0, np.inf),
    "logit": Scale("logit", 0.0, 1.0),
}


def get_scale(name: str | Scale) -> Scale:
    """Look up a scale by name.

    Raises
    ------
    InvalidValueError
        If there is no such scale.
    """
    if isinstance(name, Scale):
        return name
    try:
        return SCALES[name]
    except (KeyError, TypeError):
        raise InvalidValueError(
            f"scale must be one of 'linear', 'log', 'logit' (got {name!r})"
        ) from None
