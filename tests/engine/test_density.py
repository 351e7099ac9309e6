"""Moments and quantiles far out in power tails, against integrals in 40 digits."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath as mp
import numpy as np
import pytest

from reliability import (
    Claim,
    Combination,
    Estimate,
    Floor,
    Model,
    Source,
    Wide,
    combine,
    priors,
)
from reliability.errors import NumericalError

Density = Callable[[mp.mpf], mp.mpf]


def pair(
    dependence: float, first: float = 1.0, second: float = 1.0, model: Model | None = None
) -> Combination:
    """10 and 12 with given sds, each sound with probability one half: tail |x|^-2A."""
    result = combine(
        [
            Claim(Source("a", reliability=0.5), Estimate(10, sd=first)),
            Claim(Source("b", reliability=0.5), Estimate(12, sd=second)),
        ],
        model=model,
        dependence=dependence,
    )
    assert isinstance(result, Combination)
    return result


def exact_pair(dependence: float, first: float = 1.0, second: float = 1.0) -> Density:
    """The pair's density by the formula: a sound normal, or the floor with K = inf."""

    def claim(x: mp.mpf, value: float, sd: float) -> mp.mpf:
        square = ((value - x) / sd) ** 2
        if square > 1000:
            return 1 / (2 * sd * square)
        unsound = -mp.expm1(-square / 2) / square if square > 0 else mp.mpf(1) / 2
        return (mp.exp(-square / 2) + unsound) / (2 * sd)

    share = 1 / (1 + mp.mpf(str(dependence)))
    return lambda x: (claim(x, 10, first) * claim(x, 12, second)) ** share


def mean_of_power(density: Density, power: float, order: int, center: mp.mpf) -> mp.mpf:
    """Integral of (x - center)^order times a density with tails |x|^-power.

    Tails are integrated over s = t^-decay, on which a power is constant.
    """
    near = [0, 1, 2, 3, 5, 8, 12, 20, 50]
    total = mp.mpf(0)
    for sign in (1, -1):

        def part(t: mp.mpf, sign: int = sign) -> mp.mpf:
            return density(center + sign * t) * (sign * t) ** order

        def beyond(s: mp.mpf, sign: int = sign) -> mp.mpf:
            decay = power - 1 - order
            t = 50 * s ** (-1 / decay)
            return density(center + sign * t) * (sign * t) ** order * t / (decay * s)

        total += mp.quad(part, near) + mp.quad(beyond, [0, 0.25, 0.5, 0.75, 1])
    return total


@pytest.mark.parametrize("dependence", [0.0, 0.3, 0.32, 0.33, 0.333, 0.3333, 0.333333])
def test_variance_close_to_the_limit_of_existence(dependence: float) -> None:
    with mp.workdps(40):
        density, power = exact_pair(dependence), 4 / (1 + mp.mpf(str(dependence)))
        exact = mean_of_power(density, power, 2, mp.mpf(11)) / mean_of_power(
            density, power, 0, mp.mpf(11)
        )
    # The float that stands for the dependence shifts the distance from the limit, 1/3.
    rounding = 1e-15 / float(power - 3)
    assert pair(dependence).posterior.var() == pytest.approx(float(exact), rel=1e-11 + rounding)


@pytest.mark.parametrize("dependence", [0.5, 0.9, 0.97, 0.98, 0.999])
def test_mean_close_to_the_limit_of_existence(dependence: float) -> None:
    assert pair(dependence).posterior.mean() == pytest.approx(11.0, abs=1e-8)
    assert pair(dependence).posterior.var() == math.inf


@pytest.mark.parametrize("dependence", [0.3, 0.6, 0.9])
def test_mean_of_an_asymmetric_pair(dependence: float) -> None:
    with mp.workdps(40):
        density, power = exact_pair(dependence, 1.0, 4.0), 4 / (1 + mp.mpf(str(dependence)))
        center = mp.mpf(11)
        whole = mean_of_power(density, power, 0, center)
        # The leading powers of both sides cancel: the sum falls one power faster.
        folded = mp.quad(
            lambda t: t * (density(center + t) - density(center - t)),
            [0, 1, 2, 3, 5, 8, 12, 20, 50, 1e3, 1e5, 1e8, 1e12, 1e16],
        )
    mean = pair(dependence, 1.0, 4.0).posterior.mean()
    assert mean == pytest.approx(float(center + folded / whole), abs=1e-9)


def test_a_moment_beyond_the_floats_is_nan() -> None:
    assert math.isnan(pair(0.333333333333).posterior.var())
    assert math.isnan(pair(0.9999999).posterior.mean())


@pytest.mark.parametrize("tail", [1e-10, 1e-17, 1e-18, 1e-30, 1e-100, 1e-200])
def test_far_quantiles_of_a_power_tail(tail: float) -> None:
    # One claim, sound with probability 1/2: beyond x there is 1/(2 sqrt(2 pi) x).
    p = combine([Claim(Source("a", reliability=0.5), Estimate(0, sd=1))]).posterior  # type: ignore[union-attr]
    x = 0.5 / math.sqrt(2.0 * math.pi) / tail
    assert p.isf(tail) == pytest.approx(x, rel=1e-12)
    assert p.ppf(tail) == pytest.approx(-x, rel=1e-12)
    assert p.sf(x) == pytest.approx(tail, rel=1e-12)
    assert p.cdf(-x) == pytest.approx(tail, rel=1e-12)
    assert p.logpdf(x) == pytest.approx(math.log(tail) - math.log(x), rel=1e-12)


@pytest.mark.parametrize("factor", [3.0, 12.0, 40.0, 85.0, 200.0])
def test_moments_that_come_from_where_there_is_no_probability(factor: float) -> None:
    # On the log scale a tail of sd s has its variance at 2 s^2, where it is exp(-2 s^2).
    claim = Claim(Source("a", reliability=0.5), Estimate(3, sd=0.6))
    result = combine([claim], scale="log", model=Model(unsound=Wide(factor)))
    assert isinstance(result, Combination)
    with mp.workdps(30):
        squares = [mp.mpf("0.2") ** 2, (mp.mpf(factor) / 5) ** 2]
        first, second = (
            mp.mpf(3) ** j * sum(mp.exp(j * j * s / 2) for s in squares) / 2 for j in (1, 2)
        )
        mean, variance = float(first), float(second - first**2)
    # What exceeds the floats is infinite.
    assert (mean == math.inf, variance == math.inf) == (factor > 190.0, factor > 90.0)
    assert result.posterior.mean() == pytest.approx(mean, rel=1e-11)
    assert result.posterior.var() == pytest.approx(variance, rel=1e-11)


@pytest.mark.parametrize(("count", "sigma"), [(4, 5.0), (4, 6.0), (6, 7.0)])
def test_a_variance_of_which_all_probability_is_elsewhere(count: int, sigma: float) -> None:
    # Agreeing claims of sd 0.01 on x under power tails: the log-normal prior leaves less than
    # exp(-80) of the density where, with sigma^2 = 36, the variance comes from.
    claims = [Claim(Source(f"{i}", reliability=0.5), Estimate(3, sd=0.03)) for i in range(count)]
    prior = priors.LogNormal(3, sigma)
    result = combine(claims, scale="log", prior=prior, model=Model(unsound=Floor(math.inf)))
    assert isinstance(result, Combination)

    def density(x: mp.mpf) -> mp.mpf:
        square = (100 * x) ** 2
        unsound = -mp.expm1(-square / 2) / square if square else mp.mpf(1) / 2
        return (mp.exp(-square / 2) + unsound) ** count * mp.exp(-((x / sigma) ** 2) / 2)

    def moment(order: int) -> mp.mpf:
        return mp.quad(lambda x: density(x) * mp.expm1(x) ** order, edges)

    with mp.workdps(30):
        near = [0.01 * 2.0**k for k in range(1, 12)]
        edges = sorted([-t for t in near] + [0.0] + near + [sigma**2 * j for j in range(1, 6)])
        mass, first, second = (moment(order) for order in range(3))
        mean, variance = float(3 + 3 * first / mass), float(9 * (second - first**2 / mass) / mass)
    assert result.posterior.mean() == pytest.approx(mean, rel=1e-10)
    assert result.posterior.var() == pytest.approx(variance, rel=1e-10)


@pytest.mark.parametrize(("power", "accuracy"), [(0.5, 1e-10), (0.9, 3e-6)])
def test_a_singularity_at_an_end_of_the_support(power: float, accuracy: float) -> None:
    prior = priors.Density(lambda t: -power * np.log(t) - t, (0, math.inf))
    result = combine([("c", "2 +- 1")], prior=prior, model=Model.common_effect())
    assert isinstance(result, Combination)

    # With u = t^(1 - power) the singularity is gone.
    def moment(order: int) -> float:
        def transformed(u: mp.mpf) -> mp.mpf:
            t = u ** (1 / (1 - mp.mpf(str(power))))
            return t**order * mp.exp(-t - (t - 2) ** 2 / 2)

        return float(mp.quad(transformed, [0, 0.5, 1, 1.5, 2, 3, 5, 8]))

    assert result.posterior.mean() == pytest.approx(moment(1) / moment(0), rel=accuracy)
    assert result.error < accuracy


@pytest.mark.parametrize("layer", [1e-12, 1e-13, 2e-14, 5e-15])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_layer_at_an_end_thinner_than_the_floats_there(layer: float, sign: int) -> None:
    # Beside 1000 floats are 1.1e-13 apart; all that is left of the claim decays within a layer.
    end = 1000.0
    value = end + sign * 1e-5
    beyond = abs(value - end)
    sd = math.sqrt(beyond * layer)
    prior = priors.Uniform(*sorted((end, end - sign)))
    claim = Claim("a", Estimate(value, sd=sd))
    result = combine([claim], prior=prior, model=Model.common_effect())
    assert isinstance(result, Combination)
    assert result.log_evidence is not None
    expected = float(mp.log(mp.ncdf(-mp.mpf(beyond) / sd)))
    assert abs(result.log_evidence - expected) <= result.error
    assert result.error < 1e-5


@pytest.mark.parametrize("far", [1e4, 1e5])
def test_a_prior_that_a_claim_contradicts_is_not_refined_below_its_rounding(far: float) -> None:
    # Unequal limits, so that panels are used; -z^2/2 of the prior has an ulp of 1e-8 or 1e-6.
    claim = Claim("a", Estimate(far, low=far - 1.6e-3, high=far + 1.7e-3, level=0.9))
    prior = priors.Normal(0, 1)
    result = combine([claim], prior=prior, model=Model.common_effect())
    assert isinstance(result, Combination)
    solution = result._inference.mixture
    assert solution is not None
    assert solution.mesh.panels.count < 100
    assert far * far * 1e-16 < result.error < 1e-4


@pytest.mark.parametrize("unsound", [Wide(3), Floor(10)])
@pytest.mark.parametrize("reliability", [0.5, 1.0])
@pytest.mark.parametrize("far", [1e8, 1e9])
def test_a_conflict_that_floats_cannot_hold_is_refused_by_name(
    unsound: Wide | Floor, reliability: float, far: float
) -> None:
    claims = [
        Claim(
            Source(name, reliability=reliability), Estimate(v, low=v - 1, high=v + 1.5, level=0.9)
        )
        for name, v in (("a", 0.0), ("b", far))
    ]
    with pytest.raises(NumericalError, match=r"millions of their sds .*Floor\(inf\)"):
        combine(claims, model=Model(unsound=unsound))
    if reliability < 1.0:
        result = combine(claims, model=Model(unsound=Floor(math.inf)))
        assert isinstance(result, Combination)
        assert result.error < 1e-9


def test_a_singularity_without_an_integral_is_refused() -> None:
    prior = priors.Density(lambda t: -np.log(t) - t, (0, math.inf))
    with pytest.raises(NumericalError, match="no finite integral"):
        combine([("c", "2 +- 1")], prior=prior)
