"""Leaving origins out of the closed form, against the model written out on dense grids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr

import reliability
from reliability import Claim, Estimate, Model, priors
from reliability.engine import leave_out
from reliability.engine.divergence import divergences_of_mixtures
from reliability.engine.existence import existence
from reliability.engine.leave_out_normal import normals_without

Array = NDArray[np.float64]
combine: Any = reliability.combine


def claims_of(count: int, spread: float = 1.0, outlier: float = 0.0) -> tuple[Array, Array]:
    """Values and sds: the sds span a factor of e^spread, the first value is off by the outlier."""
    rng = np.random.default_rng(count)
    sd = np.exp(rng.uniform(-spread, 0.0, count))
    y = rng.normal(0.0, 1.0, count) + rng.normal(0.0, sd)
    y[0] += outlier
    return y, sd


def combined(y: Array, sd: Array, prior: Any) -> Any:
    claims = [
        Claim(f"s{i}", Estimate(float(a), sd=float(b)))
        for i, (a, b) in enumerate(zip(y, sd, strict=True))
    ]
    return combine(claims, model=Model.random_effects(prior))


def half_normal(tau: Array) -> Array:
    return -0.5 * tau**2


def half_cauchy(tau: Array) -> Array:
    return -np.log1p((tau / 0.1) ** 2)


def exponential(tau: Array) -> Array:
    return -tau


class Reference:
    """The posterior given some claims as a mixture over a dense grid of log tau."""

    def __init__(
        self, y: Array, sd: Array, log_prior: Callable[[Array], Array], points: int = 1601
    ) -> None:
        log_tau = np.linspace(np.log(1e-9), np.log(1e7), points)
        self.tau = np.exp(log_tau)
        total = sd[:, None] ** 2 + self.tau**2
        precision = (1.0 / total).sum(axis=0)
        self.mean = (y[:, None] / total).sum(axis=0) / precision
        self.variance = 1.0 / precision
        fit = ((y[:, None] - self.mean) ** 2 / total + np.log(total)).sum(axis=0)
        logs = log_prior(self.tau) + log_tau - 0.5 * (fit + np.log(precision))
        self.log_weight = logs - logsumexp(logs)

    def log_density(self, x: Array) -> Array:
        keep = self.log_weight > -120.0
        m, v, w = self.mean[keep], self.variance[keep], self.log_weight[keep]
        out = [
            logsumexp(w - 0.5 * ((part[:, None] - m) ** 2 / v + np.log(2.0 * np.pi * v)), axis=1)
            for part in np.array_split(x, 40)
        ]
        return np.concatenate(out)

    def below(self, x: float) -> float:
        return float(np.exp(self.log_weight) @ ndtr((x - self.mean) / np.sqrt(self.variance)))

    def tail(self, y: float, sd: float) -> float:
        z = (y - self.mean) / np.sqrt(self.variance + sd**2 + self.tau**2)
        weight = np.exp(self.log_weight)
        return 2.0 * min(float(weight @ ndtr(z)), float(weight @ ndtr(-z)))


@pytest.mark.parametrize(
    ("prior", "log_prior"),
    [
        (priors.HalfNormal(1.0), half_normal),
        (priors.HalfCauchy(0.1), half_cauchy),
        (priors.Exponential(1.0), exponential),
    ],
)
@pytest.mark.parametrize(
    ("count", "spread", "outlier"),
    [(3, 1.0, 0.0), (3, 3.0, 20.0), (8, 1.0, 0.0), (8, 5.0, 10.0), (30, 1.0, 0.0), (30, 1.0, 20.0)],
)
def test_as_written_out(
    prior: Any, log_prior: Callable[[Array], Array], count: int, spread: float, outlier: float
) -> None:
    """Divergence, shift and tail, of an outlier too, whose absence changes everything."""
    y, sd = claims_of(count, spread, outlier)
    result = combined(y, sd, prior)
    full = Reference(y, sd, log_prior)
    low, high = result.interval(0.6827)
    scale = 0.5 * (high - low)
    u = np.linspace(-27.0, 27.0, 1201 if spread == 1.0 else 4001)
    x = result.estimate + 3.0 * scale * np.sinh(u / 3.0)
    own = full.log_density(x)
    mass = np.exp(own) * scale * np.cosh(u / 3.0) * (u[1] - u[0])
    assert mass.sum() == pytest.approx(1.0, abs=1e-9)
    for i in range(min(count, 3)):
        rest = np.arange(count) != i
        other = Reference(y[rest], sd[rest], log_prior)
        record = result.claims[i]
        divergence = float(mass @ (own - other.log_density(x)))
        assert record.influence.divergence == pytest.approx(divergence, rel=1e-8, abs=1e-8)
        assert other.below(result.estimate - record.influence.shift) == pytest.approx(0.5, abs=1e-9)
        assert record.tail == pytest.approx(other.tail(y[i], sd[i]), rel=1e-8, abs=1e-9)


PRIORS = [
    priors.HalfNormal(0.5),
    priors.HalfCauchy(1.0),
    priors.HalfStudentT(3, 1.0),
    priors.HalfLogistic(1.0),
    priors.Lomax(1, 1.0),
    priors.Rayleigh(1.0),
    priors.LogNormal(1.0, 1.0),
    priors.Flat(),
    priors.Sqrt(),
    priors.Jeffreys(),
    priors.OverallJeffreys(),
    priors.BergerDeely(),
    priors.Conventional(),
    priors.DuMouchel(),
    priors.UniformShrinkage(),
    priors.I2(),
]


@pytest.mark.parametrize("prior", PRIORS, ids=repr)
def test_all_at_once_as_one_by_one(prior: Any) -> None:
    """The common rule serves every prior, and says what solving anew does."""
    y, sd = claims_of(6, 2.0, 3.0)
    result = combined(y, sd, prior)
    inference, group = result._inference, result._shares.group
    found = normals_without(inference, group, 1.0)
    assert found is not None
    assert found.origin.tolist() == list(range(6))
    low, high = result.interval(0.6827)
    for i in range(6):
        anew = leave_out._anew(inference, np.array([i]), 1.0)
        assert found.divergence[i] == pytest.approx(anew.divergence, rel=1e-8, abs=1e-8)
        assert found.median[i] == pytest.approx(anew.median, abs=1e-9 * (high - low))
        assert found.tail[i] == pytest.approx(anew.tail[i], abs=1e-9)


def test_a_prior_with_a_corner_is_noticed() -> None:
    """A rule that needs smooth functions does not serve it: every origin is left out anew."""

    def log_density(tau: Array) -> Array:
        return -np.abs(tau - 0.7) * 3.0

    y, sd = claims_of(5)
    result = combined(y, sd, priors.Density(log_density, (0.0, np.inf)))
    inference, group = result._inference, result._shares.group
    assert normals_without(inference, group, 1.0) is None
    for i, left in enumerate(leave_out.leave_origins_out(inference, group, 0.0)):
        rest = np.arange(5) != i
        other = Reference(y[rest], sd[rest], log_density, 40_001)
        assert other.below(left.median) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("prior", [priors.Flat(), priors.Jeffreys(), priors.HalfCauchy(1.0)])
@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_posteriors_exist_as_the_analysis_says(prior: Any, count: int) -> None:
    """Which origins can be left out is taken from the sum of the shares alone."""
    y, sd = claims_of(count)
    try:
        result = combined(y, sd, prior)
    except reliability.ReliabilityError:
        return
    inference, group = result._inference, result._shares.group
    found = normals_without(inference, group, 1.0)
    served = [] if found is None else found.origin.tolist()
    for i in range(count):
        rest = inference.columns.take(np.flatnonzero(group != i))
        exists = existence(rest, inference.setup.law, inference.prior, prior)
        assert exists.proper == (i in served)


@pytest.mark.parametrize("gap", [0.0, 0.1, 3.0, 40.0, 200.0])
@pytest.mark.parametrize("ratio", [0.01, 1.0, 30.0])
def test_divergence_of_normals(gap: float, ratio: float) -> None:
    """Of one normal from another it is known: log(s/t) + (t^2 + d^2)/(2 s^2) - 1/2."""
    mean, sd = np.array([[gap], [0.0]]), np.array([[ratio], [1.0]])
    got = divergences_of_mixtures(np.zeros((2, 1)), mean, sd)
    expected = np.log(ratio) + 0.5 * (1.0 + gap**2) / ratio**2 - 0.5
    assert got == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_divergence_across_a_bend() -> None:
    """The logarithm of a narrow normal on a wide one bends where that of a wide one is smooth."""
    weight = np.array([[1.0 - 1e-9, 1e-9], [0.5, 0.5]])
    mean, sd = np.array([[0.3, 0.0], [0.0, 1.0]]), np.array([[0.01, 60.0], [8.0, 20.0]])
    x = np.linspace(-250.0, 250.0, 4_000_001)
    densities = [
        (w / s * np.exp(-0.5 * ((x[:, None] - m) / s) ** 2)).sum(axis=1) / np.sqrt(2.0 * np.pi)
        for w, m, s in zip(weight, mean, sd, strict=True)
    ]
    expected = np.sum(densities[1] * np.log(densities[1] / densities[0])) * (x[1] - x[0])
    got = divergences_of_mixtures(np.log(weight), mean, sd)
    assert got == pytest.approx(expected, abs=1e-8)


def test_divergence_of_what_a_coarse_rule_does_not_see() -> None:
    """Two rules agree by accident where a narrow claim lies beside one that is less so."""
    claims = [
        Claim(f"s{i}", Estimate(value, sd=sd))
        for i, (value, sd) in enumerate([(7.55, 4.775), (0.08, 0.0152), (1.409, 0.07)])
    ]
    result = combine(claims, model=Model.random_effects(priors.I2()))
    anew = leave_out._anew(result._inference, np.array([2]), 1.0)
    assert result.claims[2].influence.divergence == pytest.approx(anew.divergence, abs=1e-8)
