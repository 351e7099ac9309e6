"""Statements from other packages' objects: uncertain numbers, frozen scipy distributions."""

from __future__ import annotations

from typing import Any

import numpy as np

from reliability.claims._checks import short
from reliability.claims.statements import Estimate, Quantiles, Statement
from reliability.errors import InvalidValueError

__all__ = ["foreign_statement", "is_frozen"]

#: Probabilities at which a distribution is read: dense in the middle, and far into both tails.
_LEVELS = (
    1e-4, 1e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45,
    0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999, 0.9999,
)  # fmt: skip


def is_frozen(value: Any) -> bool:
    """Whether a value is a distribution with its parameters, as scipy.stats makes them."""
    return all(callable(getattr(value, name, None)) for name in ("ppf", "cdf", "support"))


def foreign_statement(value: Any) -> Statement | None:
    """Statement that another package's object makes; None for what is none.

    A number of the package uncertainties (``ufloat``) or gvar is an estimate with its sd: its
    correlations with other numbers are not kept. A frozen normal distribution of scipy is an
    estimate; any other continuous one is read at 29 quantiles from 0.01 % to 99.99 %, beyond
    which the tails are normal ones. Between them probabilities are right to about 3e-4.

    Parameters
    ----------
    value : anything

    Raises
    ------
    ReliabilityError
        If the distribution is discrete, or one for each of several quantities.

    Examples
    --------
    >>> from scipy.stats import norm
    >>> print(foreign_statement(norm(10, 2)))
    10 ± 2
    """
    if hasattr(value, "nominal_value") and hasattr(value, "std_dev"):
        return Estimate(float(value.nominal_value), sd=float(value.std_dev))
    if hasattr(value, "sdev") and hasattr(value, "mean") and not callable(value.mean):
        return Estimate(float(value.mean), sd=float(value.sdev))
    if not is_frozen(value):
        return None
    kind = getattr(getattr(value, "dist", None), "name", "")
    if hasattr(value, "pmf") and not hasattr(value, "pdf"):
        raise InvalidValueError(
            f"a statement must be a continuous distribution (got the discrete {short(kind)}); give "
            "its quantiles, Quantiles({probability: quantile, ...})"
        )
    shape = np.shape(value.ppf(0.5))
    if shape:
        raise InvalidValueError(
            f"a statement is about one quantity (got distributions of the shape {shape}); make a "
            "claim of each"
        )
    if kind == "norm":
        return Estimate(float(value.mean()), sd=float(value.std()))
    quantiles = np.asarray(value.ppf(np.array(_LEVELS)), dtype=np.float64)
    return Quantiles(dict(zip(_LEVELS, quantiles.tolist(), strict=True)))
