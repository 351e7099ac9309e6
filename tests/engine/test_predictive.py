"""The predictive density of doubtful claims under heterogeneity, against direct sums."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr

from reliability import (
    Claim,
    Combination,
    Estimate,
    Floor,
    Model,
    Quantiles,
    Source,
    Wide,
    combine,
    priors,
)
from reliability.engine.convolution import Convolution
from reliability.engine.panels import Kind, Panels

Array = NDArray[np.float64]
GAUSS, GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(14)


def composite(edges: Array) -> tuple[Array, Array]:
    """Nodes and weights of Gauss's rule on successive intervals."""
    half = 0.5 * np.diff(edges)[:, None]
    middle = 0.5 * (edges[1:] + edges[:-1])[:, None]
    return (middle + half * GAUSS).ravel(), (half * GAUSS_WEIGHTS).ravel()


def normal(x: Array, sd: Any) -> Array:
    return np.asarray(np.exp(-0.5 * (x / sd) ** 2) / (sd * np.sqrt(2.0 * np.pi)))


def unsound(residual: Array, sd: float) -> Array:
    """An sd that is only a floor, without bound."""
    square = residual * residual
    ratio = np.where(square > 1e-9, -np.expm1(-0.5 * square) / np.maximum(square, 1e-300), 0.5)
    return np.asarray(ratio / (sd * np.sqrt(2.0 * np.pi)))


CLAIMS = ((10.0, 1.0, 0.7), (13.0, 0.5, 0.8), (9.0, 2.0, 0.4))


def likelihood(x: Array, tau: float) -> Array:
    out = np.ones_like(x)
    for value, stated, r in CLAIMS:
        sd = math.hypot(stated, tau)
        out = out * (r * normal(value - x, sd) + (1.0 - r) * unsound((value - x) / sd, sd))
    return out


def below(v: float, log_tau: Callable[[Array], Array], low: float, high: float) -> float:
    """P(x + tau e < v), x uniform on [low, high] before the claims: by a double sum."""
    tau, weight = composite(np.concatenate([[0.0], np.geomspace(1e-7, 60.0, 90)]))
    weight = weight * np.exp(log_tau(tau))
    total = part = 0.0
    for t, w in zip(tau, weight, strict=True):
        edges = np.concatenate([np.linspace(low, high, 60), v + t * np.linspace(-9.0, 9.0, 13)])
        edges = np.unique(np.clip(edges, low, high))
        x, dx = composite(edges)
        mass = w * dx * likelihood(x, float(t))
        total += mass.sum()
        part += (mass * ndtr((v - x) / t)).sum()
    return float(part / total)


def claims() -> list[Claim]:
    return [
        Claim(Source(f"s{i}", reliability=r), Estimate(value, sd=sd))
        for i, (value, sd, r) in enumerate(CLAIMS)
    ]


def one(some: list[Claim], **options: Any) -> Combination:
    result = combine(some, **options)
    assert isinstance(result, Combination)
    return result


def test_predictive_beside_the_jumps_of_a_uniform_prior() -> None:
    # At a jump, tau must be resolved down to the distance from it.
    model = Model(unsound=Floor(), heterogeneity=priors.HalfNormal(1.5))
    predictive = one(claims(), model=model, prior=priors.Uniform(8, 12)).predictive
    for v in (8.0, 10.5, 12.000001):
        expected = below(v, lambda tau: -0.5 * (tau / 1.5) ** 2, 8.0, 12.0)
        assert predictive.cdf(v) == pytest.approx(expected, abs=1e-10)


def test_predictive_on_the_whole_line() -> None:
    model = Model(unsound=Floor(), heterogeneity=priors.Exponential(0.8))
    prior = priors.Uniform(-30, 50)  # too wide to matter, so that the reference is finite
    predictive = one(claims(), model=model, prior=prior).predictive
    for v in (9.0, 12.7):
        expected = below(v, lambda tau: -tau / 0.8, -30.0, 50.0)
        assert predictive.cdf(v) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(
    ("shared", "prior", "scatter"),
    [
        (0.0, priors.Normal(8, 3), priors.HalfCauchy(0.5)),
        (0.7, priors.Uniform(9, 14), priors.HalfNormal(1)),
        (5.0, priors.Normal(8, 3), priors.HalfNormal(1)),
        (0.7, priors.Flat(), priors.HalfNormal(1)),
    ],
)
def test_variance_is_that_of_x_and_the_mean_square_of_tau(
    shared: float, prior: Any, scatter: Any
) -> None:
    model = Model(unsound=Wide(4), heterogeneity=scatter, shared=shared)
    result = one(claims(), model=model, prior=prior)
    tau = result.heterogeneity
    assert tau is not None
    assert result.predictive.mean() == pytest.approx(result.posterior.mean(), rel=1e-8)
    expected = result.posterior.var() + tau.var() + tau.mean() ** 2
    # Under the Cauchy's powers the variance of tau itself has an error of 1e-7.
    rel = 1e-8 if isinstance(scatter, priors.HalfNormal) else 1e-6
    assert result.predictive.var() == pytest.approx(expected, rel=rel)


@pytest.mark.parametrize("prior", [None, priors.Normal(8, 3)])
def test_nearly_sound_claims_have_the_predictive_of_sound_ones(prior: Any) -> None:
    model = Model(shared=2.0, heterogeneity=priors.HalfNormal(1))
    results = [
        one(
            [
                Claim(Source("a", reliability=r), Estimate(10, sd=1)),
                Claim(Source("b", reliability=r), Estimate(11, sd=2)),
                Claim(Source("c", reliability=r), Estimate(16, sd=1.5)),
            ],
            model=model,
            prior=prior,
        )
        for r in (1.0, 1.0 - 1e-13)
    ]
    sound, nearly = (result.predictive for result in results)
    assert nearly.std() == pytest.approx(sound.std(), rel=1e-9)
    p = [0.001, 0.1, 0.5, 0.99]
    assert nearly.ppf(p) == pytest.approx(sound.ppf(p), rel=1e-8)
    if prior is None:
        assert sound.std() == pytest.approx(2.804, abs=5e-4)


def test_predictive_through_quantiles() -> None:
    some = [
        Claim("a", Quantiles({0.05: 50, 0.5: 100, 0.95: 220})),
        Claim("b", Quantiles({0.05: 90, 0.5: 150, 0.95: 400})),
    ]
    result = one(some, scale="log", model=Model(heterogeneity=priors.HalfNormal(0.3)))
    inner, outer = result.interval(0.9), result.predictive.interval(0.9)
    assert outer[0] < inner[0] < inner[1] < outer[1]


# ------------------------------------------------------------------ the blur alone


@pytest.mark.parametrize("sd", [1e-4, 0.03, 0.2, 1.0, 7.0])
def test_blur_of_a_normal_density(sd: float) -> None:
    edges = np.linspace(-9.0, 9.0, 13)
    count = len(edges) - 1
    kind = np.zeros(count, dtype=np.int64)
    panels = Panels(kind, np.zeros(count), kind, edges[:-1], edges[1:])
    d, slope = panels.nodes()
    values = normal(d, 1.0) * np.exp(slope)
    v = np.linspace(-5.0, 5.0, 41)
    blurred = Convolution(panels, values[None], np.array([sd]), 0.0).at(v)
    assert blurred[0] == pytest.approx(normal(v, math.hypot(1.0, sd)), abs=1e-11)


@pytest.mark.parametrize("sd", [1e-3, 0.5, 20.0])
def test_blur_of_tails_in_log_distance(sd: float) -> None:
    # 1/(2 d^2) beyond distance 1 on both sides.
    logs = np.linspace(0.0, 36.0, 40)
    one_side, count = len(logs) - 1, 2 * (len(logs) - 1)
    kind = np.repeat([int(Kind.DOWN), int(Kind.UP)], one_side)
    low = np.concatenate([logs[:-1][::-1], logs[:-1]])
    high = np.concatenate([logs[1:][::-1], logs[1:]])
    panels = Panels(np.zeros(count, dtype=np.int64), np.full(count, 3.0), kind, low, high)
    d, slope = panels.nodes()
    values = np.exp(slope) / (2.0 * d * d)
    v = np.array([-500.0, -3.0, 2.1, 3.0, 4.0, 5.5, 90.0])
    found = Convolution(panels, values[None], np.array([sd]), 3.0).at(v - 3.0)[0]
    graded = np.geomspace(1.0, 800.0, 60)
    for value, at in zip(found, v - 3.0, strict=True):
        edges = np.concatenate([at + sd * np.linspace(-9.0, 9.0, 25), graded, -graded])
        x, dx = composite(np.unique(edges))
        inside = np.abs(x) > 1.0
        expected = np.sum(dx * inside * normal(at - x, sd) / (2.0 * x * x))
        assert value == pytest.approx(expected, abs=1e-9, rel=1e-9)
