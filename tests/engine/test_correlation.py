"""Correlated claims with biases and scatter, against the multivariate normal written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reliability import Claim, Combination, Estimate, Model, Source, combine, priors

Array = NDArray[np.float64]
VALUE = np.array([10.0, 13.0, 9.0])
SD = np.array([1.0, 2.0, 1.5])
BIAS_SD = np.array([3.0, 0.5, 0.0])
CORRELATION = np.array([[1.0, 0.6, 0.1], [0.6, 1.0, -0.2], [0.1, -0.2, 1.0]])


def combined(count: int, model: Model, prior: Any = None) -> Combination:
    claims = [
        Claim(
            Source(f"s{i}", reliability=1.0, bias_sd=float(BIAS_SD[i])),
            Estimate(float(VALUE[i]), sd=float(SD[i])),
        )
        for i in range(count)
    ]
    result = combine(claims, model=model, prior=prior, correlation=CORRELATION[:count, :count])
    assert isinstance(result, Combination)
    return result


def composite(edges: Array) -> tuple[Array, Array]:
    """Nodes and weights of Gauss's rule on successive intervals."""
    t, w = np.polynomial.legendre.leggauss(20)
    half, middle = 0.5 * np.diff(edges)[:, None], 0.5 * (edges[1:] + edges[:-1])[:, None]
    return (middle + half * t).ravel(), (half * w).ravel()


class Expected:
    """Generalised least squares at every value of the scatter, averaged."""

    def __init__(
        self, count: int, scatter: Array, density: Array, *, inflation: bool, prior_sd: float
    ) -> None:
        y = VALUE[:count] - 8.0  # the prior's mean
        stated = (CORRELATION * np.outer(SD, SD))[:count, :count]
        biases = np.diag(BIAS_SD[:count] ** 2)
        weight, mean, square, weights = [], [], [], []
        for value, each in zip(scatter, density, strict=True):
            if inflation:
                covariance = value**2 * stated + biases
            else:
                covariance = stated + biases + value**2 * np.eye(count)
            inverse = np.linalg.inv(covariance)
            precision = inverse.sum() + prior_sd**-2
            center = inverse.sum(axis=0) @ y / precision
            # The claims' own density: y is normal with the prior's variance added.
            total = covariance + prior_sd**2
            log = -0.5 * y @ np.linalg.inv(total) @ y
            log -= 0.5 * np.linalg.slogdet(2.0 * np.pi * total)[1]
            weight.append(each * np.exp(log))
            mean.append(center)
            square.append(center**2 + 1.0 / precision)
            weights.append(inverse.sum(axis=0) / inverse.sum())
        self.evidence = np.sum(weight)
        share = np.array(weight) / self.evidence
        self.mean = float(share @ mean) + 8.0
        self.sd = float(np.sqrt(share @ square - (self.mean - 8.0) ** 2))
        self.weights = share @ np.array(weights)


@pytest.mark.parametrize("count", [2, 3])
def test_inflation_leaves_the_variance_of_the_bias_alone(count: int) -> None:
    log_k, step = composite(np.linspace(0.0, 16.0, 60))
    k = np.exp(log_k)
    density = 3.0 * k**-3.0 * step
    model = Model(unsound=None, inflation=priors.Pareto(3))
    expected = Expected(count, k, density, inflation=True, prior_sd=4.0)
    result = combined(count, model, priors.Normal(8, 4))
    assert result.log_evidence == pytest.approx(np.log(expected.evidence), abs=1e-9)
    assert result.posterior.mean() == pytest.approx(expected.mean, abs=1e-9)
    assert result.posterior.std() == pytest.approx(expected.sd, rel=1e-9)
    found = [row.weight for row in result.claims]
    assert found == pytest.approx(expected.weights, abs=1e-9)


def test_inflation_of_a_pair_under_a_flat_prior() -> None:
    log_k, step = composite(np.linspace(0.0, 16.0, 60))
    k = np.exp(log_k)
    expected = Expected(2, k, 3.0 * k**-3.0 * step, inflation=True, prior_sd=1e4)
    result = combined(2, Model(unsound=None, inflation=priors.Pareto(3)))
    assert result.posterior.mean() == pytest.approx(expected.mean, abs=1e-6)
    assert result.posterior.std() == pytest.approx(expected.sd, abs=1e-5)
    assert result.posterior.std() == pytest.approx(2.520, abs=1e-3)


@pytest.mark.parametrize("count", [2, 3])
def test_heterogeneity_adds_to_every_variance(count: int) -> None:
    tau, step = composite(np.linspace(0.0, 18.0, 60))
    density = np.sqrt(2.0 / np.pi) / 2.0 * np.exp(-0.5 * (tau / 2.0) ** 2) * step
    model = Model(unsound=None, heterogeneity=priors.HalfNormal(2))
    expected = Expected(count, tau, density, inflation=False, prior_sd=4.0)
    result = combined(count, model, priors.Normal(8, 4))
    assert result.log_evidence == pytest.approx(np.log(expected.evidence), abs=1e-9)
    assert result.posterior.mean() == pytest.approx(expected.mean, abs=1e-9)
    assert result.posterior.std() == pytest.approx(expected.sd, rel=1e-9)
    assert [row.weight for row in result.claims] == pytest.approx(expected.weights, abs=1e-9)


def test_no_bias_variance_is_the_same_in_either_basis() -> None:
    """Without biases an inflation multiplies the whole covariance."""
    claims = [
        Claim(Source(f"s{i}", reliability=1.0), Estimate(float(VALUE[i]), sd=float(SD[i])))
        for i in range(3)
    ]
    inflated, plain = (
        combine(claims, model=Model(unsound=None, inflation=prior), correlation=CORRELATION)
        for prior in (priors.Pareto(2), None)
    )
    assert isinstance(inflated, Combination)
    assert isinstance(plain, Combination)
    assert inflated.estimate == pytest.approx(plain.estimate, rel=1e-12)
    assert abs(inflated.conflict.Q - plain.conflict.Q) < 1e-12 * plain.conflict.Q
    assert [c.weight for c in inflated.claims] == pytest.approx(
        [c.weight for c in plain.claims], abs=1e-12
    )


def test_one_claims_scale_beside_the_others_is_kept() -> None:
    """Independent claims in a correlation matrix are the same as without it."""
    model = Model(unsound=None, inflation=priors.Pareto(3))
    claims = [
        Claim(Source("a", reliability=1.0, bias_sd=0.5), Estimate(10, sd=1)),
        Claim(Source("b", reliability=1.0, bias_sd=2.0), Estimate(14, sd=0.1)),
        Claim(Source("c", reliability=1.0), Estimate(12, sd=3)),
    ]
    prior = priors.Normal(0, 20)
    free = combine(claims, model=model, prior=prior)
    bound = combine(claims, model=model, prior=prior, correlation=np.eye(3))
    assert isinstance(free, Combination)
    assert isinstance(bound, Combination)
    assert bound.log_evidence == pytest.approx(free.log_evidence, abs=1e-10)
    assert bound.posterior.ppf([0.01, 0.4, 0.9]) == pytest.approx(
        free.posterior.ppf([0.01, 0.4, 0.9]), rel=1e-9
    )
    assert [c.weight for c in bound.claims] == pytest.approx(
        [c.weight for c in free.claims], abs=1e-10
    )
