"""Unsound probabilities far out, where they are smaller than the smallest float."""

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from reliability.engine.likelihoods import (
    UnsoundKind,
    UnsoundLaw,
    sound_and_unsound,
    unsound_distribution,
    unsound_precision,
    unsound_standard,
)

LAWS = [
    UnsoundLaw(UnsoundKind.WIDE, 3.0),
    UnsoundLaw(UnsoundKind.FLOOR, 1.5),
    UnsoundLaw(UnsoundKind.FLOOR, 10.0),
    UnsoundLaw(UnsoundKind.FLOOR, np.inf),
    UnsoundLaw(UnsoundKind.HEAVY, 10.0, 1.0),
    UnsoundLaw(UnsoundKind.HEAVY, 3.0, 4.5),
    UnsoundLaw(UnsoundKind.HEAVY, 1.2, 0.3),
    UnsoundLaw(UnsoundKind.HEAVY, 2.0, 200.0),
]
HEAVY = [law for law in LAWS if law.kind is UnsoundKind.HEAVY]
RESIDUALS = [-2000.0, -310.0, -100.0, -45.0, -24.0, -12.1, -5.0, -0.5, 0.3, 2.0, 40.0]


def student(t: mpf, law: UnsoundLaw) -> mpf:
    """Density of Student's t times K at t."""
    nu, k = mpf(law.df), mpf(law.factor)
    kernel = (1 + (t / k) ** 2 / nu) ** (-(nu + 1) / 2)
    return kernel / (mpmath.sqrt(nu) * mpmath.beta(nu / 2, mpf(1) / 2) * k)


def log_below(residual: float, law: UnsoundLaw) -> mpf:
    """Closed form of the distribution function, in digits enough for every cancellation."""
    r = mpf(residual)
    if law.kind is UnsoundKind.HEAVY:
        nu, z = mpf(law.df), r / mpf(law.factor)
        tail = mpmath.betainc(nu / 2, 0.5, 0, nu / (nu + z * z), regularized=True) / 2
        return mpmath.log(tail if r < 0 else 1 - tail)
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
            if law.kind is UnsoundKind.HEAVY:
                return student(t, law)
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


@pytest.mark.parametrize("law", HEAVY, ids=str)
@pytest.mark.parametrize("residual", [-3.0, -1.1, -1e-3, 0.0, 0.4, 2.9, 3.1, 25.0])
def test_an_interest_and_heavy_tails_near_the_middle(law: UnsoundLaw, residual: float) -> None:
    """The tilted density integrated anew, and 1 where nothing is left out."""
    with mpmath.workdps(30):
        size = abs(residual)
        steps = [size + step for step in (0, 0.03, 0.1, 0.3, 1, 2, 4, 8, 16)]
        excluded = mpmath.quad(lambda t: 2 * mpmath.ncdf(-t) * student(t, law), steps)
        favoured = 2 * mpmath.exp(log_below(-size, law)) - excluded
        below = {1.0: excluded, -1.0: favoured}
        if residual > 0:
            below = {1.0: 1 - favoured, -1.0: 1 - excluded}
    for interest, value in below.items():
        got = unsound_distribution(np.array([residual]), law, np.array([interest]))
        assert float(np.exp(got[0])) == pytest.approx(float(value), rel=1e-12)


@pytest.mark.parametrize("law", HEAVY, ids=str)
@pytest.mark.parametrize("residual", [0.0, -0.3, 3e4])
def test_heavy_is_a_mixture_of_normals_over_precisions(law: UnsoundLaw, residual: float) -> None:
    """Density, and the mean precision given the residual, with a Gamma prior on precisions."""
    nu, z = mpf(law.df), mpf(residual) / mpf(law.factor)

    def mass(power: int) -> mpf:
        # The integral over the precision w of w^((nu + 1)/2 - 1 + power) exp(-w (nu + z^2)/2).
        shape, rate = (nu + 1) / 2 + power, (nu + z * z) / 2
        # In units of their root mean square, and relative to the peak.
        ends = [0, *(mpmath.exp(j / mpmath.sqrt(shape)) for j in (-8, -4, -2, -1, 0, 1, 2, 4, 8))]
        whole = mpmath.quad(
            lambda t: 2 * t ** (2 * shape - 1) * mpmath.exp(-shape * (t * t - 1)), ends
        )
        return whole * mpmath.exp(shape * (mpmath.log(shape / rate) - 1))

    with mpmath.workdps(30):
        prior = (nu / 2) ** (nu / 2) / mpmath.gamma(nu / 2)
        density = prior * mass(0) / mpmath.sqrt(2 * mpmath.pi) / law.factor
        precision = mass(1) / mass(0) / law.factor**2
        expected = float(mpmath.log(density)), float(precision)
    r = np.array([residual])
    assert float(unsound_standard(r, law)[0]) == pytest.approx(expected[0], rel=1e-12, abs=1e-12)
    assert float(unsound_precision(r, law)[0]) == pytest.approx(expected[1], rel=1e-12)
    fast = sound_and_unsound(r, law)[1]
    assert fast is not None
    at_once = float(np.log(fast[0])) - 0.5 * np.log(2.0 * np.pi)
    # It serves products, which hold no numbers so small that their logarithm is beyond this.
    assert at_once == pytest.approx(max(expected[0], -700.0 - 0.5 * np.log(2.0 * np.pi)), rel=1e-12)


def test_residuals_whose_squares_overflow() -> None:
    law = UnsoundLaw(UnsoundKind.HEAVY, 10.0, 1.0)
    far = np.array([1e140, 1e200])
    # log of K/(pi R^2)
    expected = np.log(10.0 / np.pi) - 2.0 * np.log(far)
    assert unsound_standard(far, law) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("df", [1e6, 1e9, 1e13, 1e300])
def test_heavy_with_many_degrees_of_freedom_is_wide(df: float) -> None:
    heavy = UnsoundLaw(UnsoundKind.HEAVY, 4.0, df)
    wide = UnsoundLaw(UnsoundKind.WIDE, 4.0)
    r = np.array([-12.0, -2.0, 0.0, 1.0, 7.0])
    # The logarithms differ by about z^4/(4 nu).
    close = 30.0 / df + 1e-13
    assert unsound_standard(r, heavy) == pytest.approx(unsound_standard(r, wide), abs=close)
    assert unsound_precision(r, heavy) == pytest.approx(unsound_precision(r, wide), abs=close)
    for interest in (-1.0, 0.0, 1.0):
        d = np.full(len(r), interest)
        expected = np.exp(unsound_distribution(r, wide, d))
        assert np.exp(unsound_distribution(r, heavy, d)) == pytest.approx(expected, abs=close)
