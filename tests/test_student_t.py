"""Student's t against mpmath, from a third of a degree of freedom to the normal."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from reliability.student_t import log_density, log_peak, log_tail

FREEDOM = [0.02, 0.3, 1.0, 2.5, 10.0, 59.9, 60.0, 1e3, 1e8, 1e13]


def exact_log_peak(df: float) -> mpf:
    nu = mpf(df)
    ratio = mpmath.loggamma((nu + 1) / 2) - mpmath.loggamma(nu / 2)
    return ratio - mpmath.log(nu * mpmath.pi) / 2


@pytest.mark.parametrize("df", FREEDOM)
def test_height(df: float) -> None:
    with mpmath.workdps(60):
        expected = float(exact_log_peak(df))
    assert log_peak(df) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("df", FREEDOM)
@pytest.mark.parametrize("z", [0.0, 0.1, 1.4, 2.0, 2.2, 9.0, 45.0, 700.0])
def test_tails(df: float, z: float) -> None:
    """Tails that no float holds as well."""
    with mpmath.workdps(60):
        nu = mpf(df)
        if df < 1e5 and z > 0.0:
            beta = mpmath.betainc(nu / 2, 0.5, 0, nu / (nu + mpf(z) ** 2), regularized=True)
            expected = mpmath.log(beta / 2)
        else:
            ends = [z + step / max(z, 1.0) for step in (0, 0.5, 1, 2, 4, 8, 16, 32, 64, 128)]

            def density(s: mpf) -> mpf:
                return mpmath.exp(exact_log_peak(df) - (nu + 1) / 2 * mpmath.log1p(s * s / nu))

            whole = z == 0.0
            expected = mpmath.log(mpf(1) / 2 if whole else mpmath.quad(density, ends))
    got = float(log_tail(np.array([z]), df)[0])
    assert got == pytest.approx(float(expected), rel=1e-13, abs=1e-13)


def test_far_out() -> None:
    """The tail is ``C (z/sqrt(nu))^-nu``, wherever floats go."""
    z = np.array([1e100, 1e200, 1e300])
    assert log_tail(z, 1.0) == pytest.approx(-np.log(np.pi) - np.log(z), rel=1e-14)
    assert log_density(z, 1.0) == pytest.approx(-np.log(np.pi) - 2.0 * np.log(z), rel=1e-14)
