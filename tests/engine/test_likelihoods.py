"""Unsound probabilities far out, where they are smaller than the smallest float."""

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from reliability.engine.likelihoods import UnsoundKind, UnsoundLaw, unsound_distribution

LAWS = [
    UnsoundLaw(UnsoundKind.WIDE, 3.0),
    UnsoundLaw(UnsoundKind.FLOOR, 1.5),
    UnsoundLaw(UnsoundKind.FLOOR, 10.0),
    UnsoundLaw(UnsoundKind.FLOOR, np.inf),
]
RESIDUALS = [-2000.0, -310.0, -100.0, -45.0, -24.0, -12.1, -5.0, -0.5, 0.3, 2.0, 40.0]


def log_below(residual: float, law: UnsoundLaw) -> mpf:
    """Closed form of the distribution function, in digits enough for every cancellation."""
    r = mpf(residual)
    if law.kind is UnsoundKind.WIDE:
        return mpmath.log(mpmath.ncdf(r / mpf(law.factor)))
    if np.isinf(law.factor):
        widest, ratio, weight = mpmath.npdf(0), mpf(0), mpf(1)
    else:
        k = mpf(law.factor)
        widest, ratio, weight = mpmath.npdf(r / k), mpmath.ncdf(r / k) / k, k / (k - 1)
    return mpmath.log(weight * (mpmath.ncdf(r) - ratio + (mpmath.npdf(r) - widest) / r))


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("residual", RESIDUALS)
def test_unsound_probability_below_a_residual(law: UnsoundLaw, residual: float) -> None:
    with mpmath.workdps(60):
        expected = float(log_below(residual, law))
    got = float(unsound_distribution(np.array([residual]), law, np.array([0.0]))[0])
    assert got == pytest.approx(expected, rel=1e-13, abs=1e-13)


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("residual", [-1000.0, -60.0, -13.0, -4.0])
def test_an_interest_far_out(law: UnsoundLaw, residual: float) -> None:
    """Below: doubled where the interest points there, next to nothing where it does not."""
    r = np.array([residual])
    with mpmath.workdps(30):
        plain = log_below(residual, law)
        k = mpf(law.factor) if np.isfinite(law.factor) else mpmath.inf

        def density(t: mpf) -> mpf:
            if law.kind is UnsoundKind.WIDE:
                return mpmath.npdf(t / k) / k
            weight = k / (k - 1) if np.isfinite(law.factor) else mpf(1)
            widest = mpmath.exp(-t * t / (2 * k * k)) if np.isfinite(law.factor) else mpf(1)
            return weight * (widest - mpmath.exp(-t * t / 2)) / (t * t * mpmath.sqrt(2 * mpmath.pi))

        reach = [residual - j / abs(residual) for j in (160, 80, 50, 30, 20, 12, 8, 5, 3, 2, 1, 0)]
        excluded = mpmath.quad(lambda t: 2 * mpmath.ncdf(t) * density(t), reach)
        whole = mpmath.log(2 * mpmath.exp(plain) - excluded)
        expected = {1.0: float(mpmath.log(excluded)), -1.0: float(whole)}
    for interest, value in expected.items():
        got = float(unsound_distribution(r, law, np.array([interest]))[0])
        assert got == pytest.approx(value, rel=1e-12, abs=1e-12)
