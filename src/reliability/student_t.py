"""Student's t: its log density and the log of its tails, for any degrees of freedom."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, gammaln

__all__ = ["log_density", "log_peak", "log_tail"]

Array = NDArray[np.float64]

#: Degrees of freedom from which the ratio of gamma functions is taken from its series.
_MANY = 60.0
#: Distances beyond this would overflow when squared.
_FAR = 1e150
#: Gauss-Laguerre nodes for a tail.
_NODES, _WEIGHTS = np.polynomial.laguerre.laggauss(48)
#: Below this distance, in terms of log(1 + z^2/df) df/2, a tail is what is missing to one half.
_NEAR = 2.0


def log_peak(df: float) -> float:
    """Log density at 0: ``log Gamma((df + 1)/2) - log Gamma(df/2) - log(df pi)/2``.

    For many degrees of freedom the first two would cancel; their difference has the series
    ``log(a)/2 - 1/(8 a) + 1/(192 a^3) - 1/(640 a^5) + 17/(14336 a^7)``, a = df/2 (Abramowitz &
    Stegun 1964, 6.1.40, of both).

    >>> round(log_peak(1.0), 12) == round(-float(np.log(np.pi)), 12)
    True
    """
    if df < _MANY:
        ratio = float(gammaln(0.5 * (df + 1.0)) - gammaln(0.5 * df))
        return ratio - 0.5 * float(np.log(df * np.pi))
    inverse = 2.0 / df
    square = inverse * inverse
    series = 1.0 / 192.0 - square * (1.0 / 640.0 - square * (17.0 / 14336.0))
    return -0.5 * float(np.log(2.0 * np.pi)) + inverse * (square * series - 0.125)


def _log_rise(z: Array, df: float) -> Array:
    """``log(1 + z^2/df)``, of distances that a square would take beyond the floats as well."""
    size = np.abs(z) / np.sqrt(df)
    near = np.minimum(size, _FAR)
    rise = np.log1p(near * near)
    if np.max(size, initial=0.0) > _FAR:
        rise = rise + 2.0 * np.log(np.maximum(size / _FAR, 1.0))
    return np.asarray(rise)


def log_density(z: Array, df: float) -> Array:
    """Log density ``log_peak - (df + 1)/2 log(1 + z^2/df)``.

    >>> round(float(log_density(np.array(1.0), 1.0)), 6)
    -1.837877
    """
    if df < _MANY and np.max(np.abs(z), initial=0.0) < _FAR:
        # That log1p keeps the digits of what is next to nothing does not show.
        rise = np.log(z * z * (1.0 / df) + 1.0)
    else:
        rise = _log_rise(z, df)
    return np.asarray(log_peak(df) - 0.5 * (df + 1.0) * rise)


def log_tail(z: Array, df: float) -> Array:
    """Log probability above z >= 0, however small.

    With a = df/2, L = a log(1 + z^2/df), x = exp(-L/a): the tail is half of the incomplete beta
    function ``I_x(a, 1/2) = exp(-L)/(a B(a, 1/2)) int_0^inf exp(-v) (1 - exp(-(L + v)/a))^(-1/2)
    dv`` (DLMF 8.17.1 with t = x exp(-v/a)), by Gauss-Laguerre where L is large enough; x itself
    has no digits for it where there are many degrees of freedom.

    >>> round(float(log_tail(np.array(1.0), 1.0)), 12) == round(float(np.log(0.25)), 12)
    True
    """
    half = 0.5 * df
    rise = _log_rise(z, df)
    fall = half * rise
    out = np.empty_like(rise)
    far = fall >= _NEAR
    outer = ~far & (rise > np.log(2.0))
    out[outer] = np.log(0.5 * betainc(half, 0.5, np.exp(-rise[outer])))
    inner = ~(far | outer)
    # With z^2/(df + z^2), the argument of the other side.
    out[inner] = np.log1p(-betainc(0.5, half, -np.expm1(-rise[inner]))) - np.log(2.0)
    if far.any():
        # 1/(a B(a, 1/2)) is 2 sqrt(pi/df) times the density's peak over sqrt(pi).
        spread = -np.expm1(-(fall[far][:, None] + _NODES) / half)
        integral = (1.0 / np.sqrt(spread)) @ _WEIGHTS
        out[far] = log_peak(df) - 0.5 * np.log(df) - fall[far] + np.log(integral)
    return out
