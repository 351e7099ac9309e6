"""The posterior as a distribution: against scipy's frozen ones, exact mixtures, quadrature."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, special, stats

from reliability import (
    AtLeast,
    Claim,
    Combination,
    Estimate,
    Floor,
    Model,
    Posterior,
    ReliabilityError,
    Source,
    Wide,
    combine,
    priors,
)
from reliability.errors import InvalidValueError
from reliability.scales import ScaleName

Array = NDArray[np.float64]
INF, NAN = math.inf, math.nan
LEVELS = np.array([1e-12, 1e-6, 0.001, 0.025, 0.3, 0.5, 0.7, 0.975, 0.999])


def posterior(*statements: Any, r: float | None = 1.0, **options: Any) -> Posterior:
    """Posterior of estimates (value, sd) or statements, each by a source of its own."""
    result = combine(
        [
            Claim(
                Source(f"source {i}", reliability=r),
                Estimate(s[0], sd=s[1]) if isinstance(s, tuple) else s,
            )
            for i, s in enumerate(statements)
        ],
        **options,
    )
    assert isinstance(result, Combination)
    return result.posterior


# ------------------------------------------------------------------ exact distributions


class LogitNormal:
    """A share whose logit is normal; moments and entropy by quadrature over the logit."""

    def __init__(self, mean: float, sd: float) -> None:
        self.x = stats.norm(mean, sd)

    def support(self) -> tuple[float, float]:
        return 0.0, 1.0

    def pdf(self, theta: Any) -> Any:
        theta = np.asarray(theta)
        return self.x.pdf(special.logit(theta)) / (theta * (1.0 - theta))

    def cdf(self, theta: Any) -> Any:
        return self.x.cdf(special.logit(theta))

    def sf(self, theta: Any) -> Any:
        return self.x.sf(special.logit(theta))

    def ppf(self, p: Any) -> Any:
        return special.expit(self.x.ppf(p))

    def isf(self, p: Any) -> Any:
        return special.expit(self.x.isf(p))

    def _expect(self, function: Callable[[float], float]) -> float:
        low, high = self.x.ppf(1e-15), self.x.isf(1e-15)
        return float(
            integrate.quad(lambda x: function(x) * self.x.pdf(x), low, high, epsabs=1e-14)[0]
        )

    def mean(self) -> float:
        return self._expect(special.expit)

    def var(self) -> float:
        mean = self.mean()
        return self._expect(lambda x: (special.expit(x) - mean) ** 2)

    def entropy(self) -> float:
        log_slope = self._expect(lambda x: math.log(special.expit(x)) + math.log(special.expit(-x)))
        return float(self.x.entropy()) + log_slope


def truncated(mean: float, sd: float, low: float, high: float) -> Any:
    return stats.truncnorm((low - mean) / sd, (high - mean) / sd, loc=mean, scale=sd)


COMMON = Model.common_effect()
S = math.sqrt(0.8)  # sd of 10 +- 1 with 13 +- 2; their mean is 10.6
EXACT: dict[str, tuple[Posterior, Any]] = {
    "normal": (posterior((10, 1), (13, 2), model=COMMON), stats.norm(10.6, S)),
    "normal far from zero": (posterior((1e9, 0.5), model=COMMON), stats.norm(1e9, 0.5)),
    "normal prior": (
        posterior((10, 1), model=COMMON, prior=priors.Normal(13, 2)),
        stats.norm(10.6, S),
    ),
    "log-normal": (
        posterior((20, 5), model=COMMON, scale="log"),
        stats.lognorm(0.25, scale=20),
    ),
    "wide log-normal": (
        posterior((20, 30), model=COMMON, scale="log"),
        stats.lognorm(1.5, scale=20),
    ),
    "logit-normal": (
        posterior((0.3, 0.1), model=COMMON, scale="logit"),
        LogitNormal(special.logit(0.3), 0.1 / 0.21),
    ),
    "uniform prior": (
        posterior((3, 1), model=COMMON, prior=priors.Uniform(0, 4)),
        truncated(3, 1, 0, 4),
    ),
    "uniform prior off the claim": (
        posterior((3, 1), model=COMMON, prior=priors.Uniform(5, 9)),
        truncated(3, 1, 5, 9),
    ),
    "uniform prior, one sound way": (
        posterior((3, 1), r=1.0, prior=priors.Uniform(-50, 50), model=Model(unsound=Wide(3))),
        truncated(3, 1, -50, 50),
    ),
    "log-uniform prior": (
        posterior((20, 10), model=COMMON, scale="log", prior=priors.LogUniform(1e-9, 1e9)),
        stats.lognorm(0.5, scale=20),
    ),
}


@pytest.fixture(params=EXACT, name="pair")
def pair_fixture(request: pytest.FixtureRequest) -> tuple[Posterior, Any]:
    return EXACT[request.param]


def near(found: Any, expected: Any, exact: Any, tolerance: float = 1e-9) -> None:
    """Places within a part of the distribution's width, or a few units in the last place."""
    width = float(exact.ppf(0.84) - exact.ppf(0.16))
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=tolerance * width)


def test_quantiles_against_scipy(pair: tuple[Posterior, Any]) -> None:
    found, exact = pair
    # In place, or in probability by less than its rounding near 1.
    for values, expected, probability in (
        (found.ppf(LEVELS), exact.ppf(LEVELS), exact.cdf),
        (found.isf(LEVELS), exact.isf(LEVELS), exact.sf),
    ):
        off = np.abs(probability(np.asarray(values)) - LEVELS) > 1e-16
        near(np.asarray(values)[off], expected[off], exact)
        near(np.asarray(values)[2:], expected[2:], exact)
    near(found.median(), exact.ppf(0.5), exact)
    low, high = found.support()
    assert (exact.cdf(low), exact.sf(high)) == pytest.approx((0.0, 0.0), abs=1e-15)
    low, high = found.interval(0.9)
    near([low, high], exact.ppf([0.05, 0.95]), exact)


def test_supports() -> None:
    expected = {"normal": (-INF, INF), "log-normal": (0.0, INF), "logit-normal": (0.0, 1.0)}
    expected |= {"uniform prior": (0.0, 4.0), "log-uniform prior": (1e-9, 1e9)}
    for name, limits in expected.items():
        # The ends of a prior go through the scale and back.
        assert EXACT[name][0].support() == pytest.approx(limits, rel=1e-14)


def test_densities_against_scipy(pair: tuple[Posterior, Any]) -> None:
    found, exact = pair
    at = exact.ppf(LEVELS)
    # Values far from zero are rounded themselves: 1e9 has a last place of 1e-7.
    rounding = 1e-10 + 16.0 * float(np.max(np.spacing(np.abs(at)) * exact.pdf(exact.ppf(0.5))))
    np.testing.assert_allclose(np.asarray(found.pdf(at)), exact.pdf(at), rtol=10.0 * rounding)
    np.testing.assert_allclose(np.exp(found.logpdf(at)), exact.pdf(at), rtol=10.0 * rounding)
    np.testing.assert_allclose(found.cdf(at), exact.cdf(at), rtol=0, atol=rounding)
    np.testing.assert_allclose(found.sf(at), exact.sf(at), rtol=0, atol=rounding)


def test_moments_against_scipy(pair: tuple[Posterior, Any]) -> None:
    found, exact = pair
    near(found.mean(), exact.mean(), exact)
    assert found.var() == pytest.approx(float(exact.var()), rel=1e-9)
    assert found.std() == pytest.approx(math.sqrt(float(exact.var())), rel=1e-9)
    assert found.entropy() == pytest.approx(float(exact.entropy()), abs=1e-9)


def test_random_values_against_scipy(pair: tuple[Posterior, Any]) -> None:
    found, exact = pair
    drawn = found.rvs(2000, rng=7)
    assert stats.kstest(drawn, exact.cdf).pvalue > 1e-3


def test_shape_and_type(pair: tuple[Posterior, Any]) -> None:
    found, _ = pair
    inside = found.median()
    for name in ("pdf", "logpdf", "cdf", "sf", "ppf", "isf"):
        method = getattr(found, name)
        value = 0.3 if name in {"ppf", "isf"} else inside
        one = method(value)
        assert type(one) is float
        for array in ([value], [[value, value]], np.full((2, 3, 2), value), np.array(value)):
            many = method(array)
            assert np.shape(many) == np.shape(array)
            np.testing.assert_array_equal(many, one)
        assert method([]).shape == (0,)
        assert method(np.zeros((3, 0))).shape == (3, 0)
        assert math.isnan(method(NAN))
        np.testing.assert_array_equal(np.isnan(method([value, NAN])), [False, True])
    for name in ("mean", "median", "var", "std", "mode", "entropy"):
        assert type(getattr(found, name)()) is float
    assert found.zero == 0.0


def test_values_off_the_support(pair: tuple[Posterior, Any]) -> None:
    found, _ = pair
    low, high = found.support()
    for value, below in ((low, 0.0), (high, 1.0), (-INF, 0.0), (INF, 1.0)):
        assert found.cdf(value) == below
        assert found.sf(value) == 1.0 - below
    for value in (low - 1.0, high + 1.0, -INF, INF):
        if not low <= value <= high or math.isinf(value):
            assert found.pdf(value) == 0.0
            assert found.logpdf(value) == -INF
            assert found.cdf(value) == float(value > found.median())
    assert found.ppf(0.0) == found.isf(1.0) == low
    assert found.ppf(1.0) == found.isf(0.0) == high


def test_probabilities_off_their_range(pair: tuple[Posterior, Any]) -> None:
    found, _ = pair
    wrong = [-1e-9, 1.0 + 1e-9, -INF, INF, NAN]
    for method in (found.ppf, found.isf):
        assert np.all(np.isnan(method(wrong)))
        np.testing.assert_array_equal(np.isnan(method([0.5, 2.0])), [False, True])


def test_modes_of_one_peak(pair: tuple[Posterior, Any]) -> None:
    """On the scale: the median of a normal on x, or the support's end towards the claim."""
    found, exact = pair
    (mode,) = found.modes()
    assert mode == found.mode()
    peaks = {(0.0, 4.0): 3.0, (5.0, 9.0): 5.0}
    expected = peaks.get(found.support(), float(exact.ppf(0.5)))
    # A maximum is flat: half of the digits survive in its place.
    near(mode, expected, exact, 1e-6)


def test_shortest_interval_of_one_peak(pair: tuple[Posterior, Any]) -> None:
    found, exact = pair
    for level in (0.05, 0.5, 0.95, 0.999):
        low, high = found.interval(level, "shortest")
        assert exact.cdf(high) - exact.cdf(low) == pytest.approx(level, abs=1e-7)
        if found.support() in {(0.0, 4.0), (5.0, 9.0)}:
            continue
        # Symmetric on the scale: the central one.
        near([low, high], exact.ppf([0.5 - level / 2.0, 0.5 + level / 2.0]), exact, 1e-7)


def test_shortest_interval_at_the_end_of_the_support() -> None:
    off, exact = EXACT["uniform prior off the claim"]
    low, high = off.interval(0.9, kind="shortest")
    assert low == 5.0
    assert high == pytest.approx(exact.ppf(0.9), abs=1e-9)
    cut, exact = EXACT["uniform prior"]
    low, high = cut.interval(0.5, kind="shortest")
    # Symmetric about the peak at 3 while both ends lie inside.
    assert 0.5 * (low + high) == pytest.approx(3.0, abs=1e-7)
    low, high = cut.interval(0.97, kind="shortest")
    assert high == 4.0
    assert low == pytest.approx(exact.ppf(0.03), abs=1e-9)


# ------------------------------------------------------------------ far tails


@pytest.mark.parametrize("p", [1e-30, 1e-100, 1e-200, 1e-300])
def test_far_tails_of_a_normal(p: float) -> None:
    found, exact = EXACT["normal"]
    for there, expected, back in (
        (found.isf(p), exact.isf(p), found.sf),
        (found.ppf(p), exact.ppf(p), found.cdf),
    ):
        assert there == pytest.approx(expected, rel=1e-13)
        # The probability of a rounded place: slope of the log times its rounding.
        assert math.log(float(np.asarray(back(there)))) == pytest.approx(math.log(p), rel=1e-12)


@pytest.mark.parametrize("x", [12.0, 30.0, 100.0, 1e8, -1e150])
def test_log_density_does_not_underflow(x: float) -> None:
    found, exact = EXACT["normal"]
    assert found.logpdf(x) == pytest.approx(exact.logpdf(x), rel=1e-12)
    mixture = posterior((0, 1), r=0.5)
    # r phi(x) + (1 - r) (1 - exp(-x^2/2))/(sqrt(2 pi) x^2)
    log_u = math.log(-math.expm1(-x * x / 2)) - 2 * math.log(abs(x)) - 0.5 * math.log(2 * math.pi)
    tail = np.logaddexp(stats.norm.logpdf(x), log_u) - math.log(2.0)
    assert mixture.logpdf(x) == pytest.approx(float(tail), rel=1e-10)


@pytest.mark.parametrize("p", [1e-3, 1e-6, 1e-9, 1e-30])
def test_far_tails_of_a_power(p: float) -> None:
    """One claim under Floor: beyond a few sds the mass is 1/(2 sqrt(2 pi) x)."""
    found = posterior((0, 1), r=0.5)
    expected = 0.5 / (math.sqrt(2.0 * math.pi) * p)
    assert found.sf(expected) == pytest.approx(p, rel=1e-8, abs=1e-17)
    assert found.cdf(-expected) == pytest.approx(p, rel=1e-8, abs=1e-17)
    # A place so far out is known to the rounding of the probability that it answers.
    accuracy = 1e-8 + 1e-16 / p
    if accuracy < 1.0:
        assert found.isf(p) == pytest.approx(expected, rel=accuracy)
        assert found.ppf(p) == pytest.approx(-expected, rel=accuracy)
    assert found.sf(found.isf(p)) == pytest.approx(p, rel=1e-8, abs=1e-17)


@pytest.mark.parametrize("x", [0.5, 4.0, 8.0, 11.0])
def test_far_tails_of_a_density_on_panels(x: float) -> None:
    """Relative accuracy holds where little is left: a normal on panels, to 1e-28."""
    found, exact = EXACT["uniform prior, one sound way"]
    for value, method, other in ((3.0 + x, found.sf, exact.sf), (3.0 - x, found.cdf, exact.cdf)):
        assert method(value) == pytest.approx(float(other(value)), rel=1e-7)


# ------------------------------------------------------------------ mixtures


class NormalMixture:
    """Product of two-component claims Wide(K), each of known reliability: normals in closed form."""

    def __init__(self, claims: list[tuple[float, float]], r: float, factor: float) -> None:
        weight, mean, sd = [], [], []
        for choice in itertools.product((1.0, factor), repeat=len(claims)):
            v = np.array([(s * k) ** 2 for (_, s), k in zip(claims, choice, strict=True)])
            y = np.array([value for value, _ in claims])
            variance = 1.0 / np.sum(1.0 / v)
            center = variance * np.sum(y / v)
            log_weight = np.sum([math.log(r if k == 1.0 else 1.0 - r) for k in choice]) + np.sum(
                stats.norm(center, np.sqrt(v)).logpdf(y)
            )
            weight.append(math.exp(log_weight) * math.sqrt(2.0 * math.pi * variance))
            mean.append(center)
            sd.append(math.sqrt(variance))
        self.weight = np.array(weight) / sum(weight)
        self.x = stats.norm(np.array(mean), np.array(sd))
        self.means, self.sds = np.array(mean), np.array(sd)

    def _sum(self, values: Array) -> Array:
        return np.asarray(values @ self.weight)

    def pdf(self, x: Any) -> Array:
        return self._sum(self.x.pdf(np.asarray(x)[..., None]))

    def cdf(self, x: Any) -> Array:
        return self._sum(self.x.cdf(np.asarray(x)[..., None]))

    def sf(self, x: Any) -> Array:
        return self._sum(self.x.sf(np.asarray(x)[..., None]))

    def mean(self) -> float:
        return float(self._sum(self.means))

    def var(self) -> float:
        return float(self._sum(self.sds**2 + (self.means - self.mean()) ** 2))

    def entropy(self) -> float:
        ends = np.linspace(self.means.min() - 40, self.means.max() + 40, 41)
        return math.fsum(
            integrate.quad(lambda x: float(special.entr(self.pdf(x))), a, b, epsabs=1e-13)[0]
            for a, b in pairwise(ends)
        )


MIXTURES: list[tuple[list[tuple[float, float]], float, float]] = [
    ([(0.0, 1.0)], 0.5, 5.0),
    ([(0.0, 1.0), (6.0, 1.0)], 0.8, 4.0),
    ([(0.0, 1.0), (6.0, 0.5), (7.0, 2.0)], 0.6, 3.0),
    ([(0.0, 1.0), (2.0, 1.0), (30.0, 0.1)], 0.9, 10.0),
]


@pytest.mark.parametrize(("claims", "r", "factor"), MIXTURES, ids=repr)
def test_mixtures_in_closed_form(
    claims: list[tuple[float, float]], r: float, factor: float
) -> None:
    found = posterior(*claims, r=r, model=Model(unsound=Wide(factor)))
    exact = NormalMixture(claims, r, factor)
    x = np.concatenate([np.linspace(-8, 36, 45), [-0.01, 5.999, 29.95]])
    peak = float(np.max(exact.pdf(x)))
    np.testing.assert_allclose(found.pdf(x), exact.pdf(x), rtol=1e-9, atol=1e-12 * peak)
    np.testing.assert_allclose(found.cdf(x), exact.cdf(x), atol=1e-10)
    np.testing.assert_allclose(found.sf(x), exact.sf(x), atol=1e-10)
    np.testing.assert_allclose(exact.cdf(found.ppf(LEVELS)), LEVELS, atol=1e-10)
    np.testing.assert_allclose(exact.sf(found.isf(LEVELS)), LEVELS, atol=1e-10)
    assert found.mean() == pytest.approx(exact.mean(), rel=1e-9, abs=1e-9)
    assert found.var() == pytest.approx(exact.var(), rel=1e-9)
    assert found.entropy() == pytest.approx(exact.entropy(), abs=1e-8)
    below = exact.cdf(found.rvs(2000, rng=3))
    assert stats.kstest(below, "uniform").pvalue > 1e-3
    for level in (0.3, 0.8, 0.95):
        check_shortest(found, exact, level)


def check_shortest(found: Posterior, exact: NormalMixture, level: float) -> None:
    """No shorter interval of the same probability starts on a fine grid."""
    low, high = found.interval(level, "shortest")
    assert float(exact.cdf(high) - exact.cdf(low)) == pytest.approx(level, abs=1e-9)
    below = (1.0 - level) * np.linspace(1e-4, 1.0 - 1e-4, 4001)
    widths = np.asarray(found.isf(1.0 - level - below)) - np.asarray(found.ppf(below))
    assert high - low <= widths.min() * (1.0 + 1e-6)
    assert float(exact.pdf(low)) == pytest.approx(float(exact.pdf(high)), rel=1e-5)


@pytest.mark.parametrize(
    ("centers", "places"),
    [
        ((0.0,), 1),
        ((0.0, 1.0), 1),
        ((0.0, 12.0), 2),
        ((0.0, 12.0, 30.0), 3),
        ((0.0, 0.5, 12.0, 30.0), 3),
        ((-100.0, -50.0, 0.0, 50.0, 100.0), 5),
    ],
)
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_number_and_places_of_the_modes(
    centers: tuple[float, ...], places: int, scale: ScaleName
) -> None:
    if scale == "linear":
        found = posterior(*((c, 1.0) for c in centers), r=0.7)
    else:
        values = [math.exp(0.1 * c) for c in centers]
        found = posterior(*((v, 0.1 * v) for v in values), r=0.7, scale="log")
    modes = found.modes()
    assert len(modes) == places
    x = np.array(modes) if scale == "linear" else 10.0 * np.log(modes)
    for center in centers:
        assert np.min(np.abs(x - center)) < 0.6
    assert found.mode() == modes[0]

    def height(at: Any) -> Array:
        """Log density on the scale, whose unit is the claims' sd."""
        theta = at if scale == "linear" else np.exp(0.1 * at)
        slope = 0.0 if scale == "linear" else 0.1 * at
        return np.asarray(found.logpdf(theta)) + slope

    at_modes = height(x)
    # Peaks that are equally high by symmetry come in either order, but for rounding.
    assert np.all(np.diff(at_modes) <= 1e-13)
    for step in (-1e-3, 1e-3):
        assert np.all(height(x + step) < at_modes)
    # Nothing on a fine grid is higher.
    assert height(np.linspace(min(centers) - 5, max(centers) + 5, 2001)).max() <= (
        at_modes[0] + 1e-9
    )


def test_uniform_posterior_has_its_modes_inside() -> None:
    """A posterior that is its uniform prior: every place is as good."""
    found = posterior(AtLeast(0.1, excess=INF), model=COMMON, prior=priors.Uniform(2, 6))
    assert 2.0 <= found.mode() <= 6.0
    low, high = found.interval(0.5, "shortest")
    assert high - low == pytest.approx(2.0, rel=1e-6)


# ------------------------------------------------------------------ mixtures by quadrature


def floor_density(claims: list[tuple[float, float]], r: float) -> Callable[[float], float]:
    """Unnormalised product of Floor(inf) claims."""

    def density(x: float) -> float:
        out = 1.0
        for y, s in claims:
            z = (y - x) / s
            u = 0.5 if z == 0.0 else -math.expm1(-0.5 * z * z) / (z * z)
            out *= (r * math.exp(-0.5 * z * z) + (1.0 - r) * u) / s
        return out

    return density


@pytest.mark.parametrize(
    ("claims", "r"),
    [([(0.0, 1.0), (5.0, 1.0)], 0.5), ([(0.0, 1.0), (5.0, 2.0), (30.0, 1.0)], 0.8)],
    ids=repr,
)
def test_heavy_tails_by_quadrature(claims: list[tuple[float, float]], r: float) -> None:
    found = posterior(*claims, r=r)
    density = floor_density(claims, r)
    ends = [-INF, -1e3, -50.0, -10.0, 0.0, 2.5, 5.0, 10.0, 20.0, 30.0, 40.0, 1e2, 1e3, INF]

    def total(function: Callable[[float], float], at: list[float]) -> float:
        return math.fsum(
            integrate.quad(function, a, b, epsabs=1e-13, limit=200)[0] for a, b in pairwise(at)
        )

    mass = total(density, ends)
    mean = total(lambda x: x * density(x), ends) / mass
    assert found.mean() == pytest.approx(mean, rel=1e-8)
    variance = total(lambda x: (x - mean) ** 2 * density(x), ends) / mass
    assert found.var() == pytest.approx(variance, rel=1e-8)
    entropy = total(lambda x: -density(x) * math.log(density(x) / mass), ends) / mass
    assert found.entropy() == pytest.approx(entropy, abs=1e-7)
    for i in range(2, len(ends) - 2):
        assert found.cdf(ends[i]) == pytest.approx(total(density, ends[: i + 1]) / mass, abs=1e-9)
        assert found.sf(ends[i]) == pytest.approx(total(density, ends[i:]) / mass, abs=1e-9)
        assert found.pdf(ends[i]) == pytest.approx(density(ends[i]) / mass, rel=1e-9)


# ------------------------------------------------------------------ intervals, random values


@pytest.mark.parametrize("level", [0, 1, 0.0, 1.0, -0.5, 95, 1e9, NAN, INF, True, None, "0.9"])
def test_impossible_levels(level: Any) -> None:
    with pytest.raises(InvalidValueError, match="level must"):
        EXACT["normal"][0].interval(level)
    if level == 95:
        with pytest.raises(InvalidValueError, match=r"did you mean 0\.95\?"):
            EXACT["normal"][0].interval(level, "shortest")


@pytest.mark.parametrize("kind", ["hpd", "", None, 3])
def test_impossible_kinds(kind: Any) -> None:
    with pytest.raises(InvalidValueError, match="kind must be 'central' or 'shortest'"):
        EXACT["normal"][0].interval(0.9, kind)


@pytest.mark.parametrize("level", [1e-12, 1e-6, 0.5, 1.0 - 1e-9, np.float64(0.5)])
@pytest.mark.parametrize("kind", ["central", "shortest"])
def test_extreme_levels(level: float, kind: Any) -> None:
    for found in (EXACT["normal"][0], posterior((0, 1), (3, 1), r=0.6)):
        low, high = found.interval(level, kind)
        assert low < high
        assert float(np.asarray(found.cdf(high))) - float(np.asarray(found.cdf(low))) == (
            pytest.approx(level, abs=1e-9)
        )


@pytest.mark.parametrize("size", [(), 1, 5, (2, 3), (0,), 0])
def test_shape_of_random_values(size: Any) -> None:
    found = EXACT["normal"][0]
    drawn = found.rvs(size, rng=1)
    assert isinstance(drawn, np.ndarray)
    assert drawn.shape == np.empty(size).shape
    np.testing.assert_array_equal(found.rvs(size, np.random.default_rng(1)), drawn)


def test_generators_go_on_and_none_is_fresh() -> None:
    found = EXACT["log-normal"][0]
    rng = np.random.default_rng(5)
    first, second = found.rvs(4, rng=rng), found.rvs(4, rng=rng)
    assert not np.any(first == second)
    np.testing.assert_array_equal(np.concatenate([first, second]), found.rvs(8, rng=5))
    assert not np.any(found.rvs(4) == found.rvs(4))
    assert found.rvs().shape == (1,)


# ------------------------------------------------------------------ objects


def test_wording() -> None:
    assert repr(EXACT["normal"][0]) == "Posterior(median=10.6, 95% 8.84695 to 12.353)"


def test_copies(pair: tuple[Posterior, Any]) -> None:
    found, _ = pair
    for again in (pickle.loads(pickle.dumps(found)), copy.copy(found), copy.deepcopy(found)):  # noqa: S301
        np.testing.assert_array_equal(again.ppf(LEVELS), found.ppf(LEVELS))
        assert (again.mean(), again.var()) == (found.mean(), found.var())
        assert repr(again) == repr(found)


def test_claims_without_reliability_have_a_posterior_of_it() -> None:
    """One claim far from a prior that is sure: p's posterior is Beta(1, 2)."""
    result = combine(
        [Claim("a", Estimate(60, sd=1))],
        prior=priors.Normal(0, 1),
        model=Model(unsound=Floor(), unknown_reliability=priors.Beta(1, 1)),
    )
    assert isinstance(result, Combination)
    assert result.reliability is not None
    # Sound, the claim has density exp(-900); unsound, 1/3600: the likelihood is 1 - p.
    exact = stats.beta(1, 2)
    np.testing.assert_allclose(result.reliability.ppf([0.1, 0.5, 0.9]), exact.ppf([0.1, 0.5, 0.9]))
    assert result.reliability.mean() == pytest.approx(1 / 3, rel=1e-9)
    assert result.reliability.var() == pytest.approx(exact.var(), rel=1e-9)
    assert result.reliability.entropy() == pytest.approx(exact.entropy(), abs=1e-9)


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda p: p.cdf("x"), "value"),
        (lambda p: p.pdf([[1.0], [1.0, 2.0]]), "value"),
        (lambda p: p.sf(1 + 2j), "value"),
        (lambda p: p.logpdf({}), "value"),
        (lambda p: p.pdf(np.array("2026-01-01", dtype="datetime64[D]")), "value"),
        (lambda p: p.ppf("x"), "p"),
        (lambda p: p.isf(["0.5", "x"]), "p"),
        (lambda p: p.rvs(-1), "size"),
        (lambda p: p.rvs((2, -1)), "size"),
        (lambda p: p.rvs(2.5), "size"),
        (lambda p: p.rvs("x"), "size"),
        (lambda p: p.rvs(rng="x"), "rng"),
        (lambda p: p.rvs(rng=-1), "rng"),
    ],
)
def test_arguments_that_are_no_numbers(call: Callable[[Posterior], Any], argument: str) -> None:
    with pytest.raises(ReliabilityError, match=rf"^{argument} must "):
        call(posterior((10, 1), model=COMMON))


def test_numbers_of_other_kinds() -> None:
    p = posterior((10, 1), model=COMMON)
    half = p.cdf(10.0)
    fraction: Any = Fraction(10)
    assert p.cdf(10) == p.cdf(np.float32(10)) == p.cdf(fraction) == half
    assert p.rvs((2, 3), rng=1).shape == (2, 3)
    two: Any = np.int64(2)
    assert p.rvs(two, rng=np.random.default_rng(1)).shape == (2,)


@pytest.mark.parametrize("scatter", [None, priors.HalfNormal(1)])
def test_far_beyond_a_normal(scatter: Any) -> None:
    model = COMMON if scatter is None else Model.random_effects(scatter)
    p = posterior((10, 1), (11, 1), model=model)
    far = np.array([-1e308, -1e160, 1e160, 1e200, 1e308])
    assert np.all(p.logpdf(far) == -INF)
    assert np.all(p.pdf(far) == 0.0)
    assert p.cdf(far) == pytest.approx([0.0, 0.0, 1.0, 1.0, 1.0], abs=1e-15)
