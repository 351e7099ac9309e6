"""Moments at the limit of their existence, where the tail that holds them begins far out."""

from __future__ import annotations

import mpmath
import pytest

from reliability import Claim, Combination, Estimate, Floor, Model, Source, combine, priors

MEAN, SCALE = 7e5, 7e6
STATED = [(695_000.0, 90.0), (694_450.0, 60.0), (687_000.0, 250.0)]
RELIABILITY = mpmath.mpf("0.9")


def density(x: mpmath.mpf) -> mpmath.mpf:
    """Prior times likelihoods on the log scale, not normalised."""
    out = mpmath.exp(x)
    out *= (1 + ((out - MEAN) / mpmath.mpf(SCALE)) ** 2 / 2) ** mpmath.mpf("-1.5")
    for value, sd in STATED:
        residual = (x - mpmath.log(value)) * value / sd
        falls = mpmath.exp(-(residual**2) / 2)
        unsound = (1 - falls) / residual**2 if abs(residual) > 1e-9 else mpmath.mpf("0.5")
        out *= RELIABILITY * falls + (1 - RELIABILITY) * unsound
    return out


def test_variance_is_held_by_a_tail_that_begins_where_the_prior_ends() -> None:
    """Student's t of 2 degrees has no variance of its own; the claims' 1/R^2 make one."""
    result = combine(
        [
            Claim(Source(f"s{i}", reliability=float(RELIABILITY)), Estimate(value, sd=sd))
            for i, (value, sd) in enumerate(STATED)
        ],
        scale="log",
        prior=priors.StudentT(2.0, MEAN, SCALE),
        model=Model(unsound=Floor(float("inf"))),
    )
    assert isinstance(result, Combination)
    with mpmath.workdps(30):
        origin = mpmath.mpf(result.estimate)
        cuts = {mpmath.log(value) for value, _ in STATED}
        for value, sd in STATED:
            steps = [mpmath.mpf(sd) / value * mpmath.mpf(4) ** k for k in range(-1, 16)]
            cuts |= {mpmath.log(value) + sign * step for sign in (-1, 1) for step in steps}
        middle = sorted(cuts)
        lower = [-mpmath.inf, middle[0] - 100, middle[0] - 10, middle[0]]
        # Distance 1/u - 1 beyond the last cut: the second moment falls like its sixth power.
        upper = [0, 1e-6, 1e-4, 1e-2, 0.1, 1]

        def moment(order: int) -> mpmath.mpf:
            def integrand(x: mpmath.mpf) -> mpmath.mpf:
                return density(x) * (mpmath.exp(x) - origin) ** order

            total = mpmath.quad(integrand, middle) + mpmath.quad(integrand, lower)
            return total + mpmath.quad(lambda u: integrand(middle[-1] + 1 / u - 1) / u**2, upper)

        whole, first, second = (moment(order) for order in range(3))
        mean, variance = origin + first / whole, second / whole - (first / whole) ** 2
    assert result.posterior.mean() == pytest.approx(float(mean), abs=1e-8 * result.posterior.std())
    assert result.posterior.var() == pytest.approx(float(variance), rel=1e-10)
