"""The rules over the scatter: two different ones agree, within their errors."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest
from numpy.typing import NDArray

from reliability import priors
from reliability.engine.given_scatter import NormalProblem
from reliability.engine.scatter_rule import scatter_rules
from reliability.priors import StatedVariances

Array = NDArray[np.float64]

EVEN = [
    priors.HalfCauchy(1.0),
    priors.HalfCauchy(0.01),
    priors.HalfNormal(0.3),
    priors.HalfStudentT(4.0, 0.5),
    priors.HalfLogistic(0.5),
    priors.Flat(),
]


def problems(prior: Any, claims: int, *, prior_sd: float, quantities: int = 200) -> NormalProblem:
    """One in five claims is off by four times as much as it says, quantities by 10 or so."""
    rng = np.random.default_rng(claims)
    shape = (claims, quantities)
    sd = rng.uniform(0.1, 0.4, shape)
    off = np.where(rng.random(shape) < 0.2, 4.0, 1.0)
    return NormalProblem(
        value=rng.normal(0.0, 10.0, quantities) + rng.normal(size=shape) * sd * off,
        variance=sd**2,
        extra=np.zeros(shape),
        share=np.ones(shape),
        design=None,
        stated=sd**2,
        basis=None,
        log_determinant=0.0,
        prior_mean=0.0,
        prior_variance=prior_sd**2,
        shared_variance=np.zeros(quantities),
        heterogeneity=prior,
        inflation=None,
        scatter_power=np.full(quantities, claims - 1.0 + prior.power),
    )


def integrals(problem: NormalProblem, *, x_alone: bool) -> tuple[Array, Array, int]:
    """Log totals, means, variances of x, the largest given a scatter; errors; most nodes."""
    spread = np.ptp(problem.value, axis=0)
    rules, left = scatter_rules(problem, spread, x_alone=x_alone)
    out = np.full((4, problem.value.shape[1]), np.nan)
    error = np.full(problem.value.shape[1], np.nan)
    served = np.concatenate([rule.quantities for rule in rules])
    assert len(left) == 0
    assert np.array_equal(np.sort(served), np.arange(len(error)))
    for rule in rules:
        mean = (rule.weight * rule.mean).sum(axis=1)
        gap = rule.mean - mean[:, None]
        each = rule.variance + gap**2
        variance = (rule.weight * each).sum(axis=1)
        largest = np.where(rule.weight > 1e-12, each, 0.0).max(axis=1)
        out[:, rule.quantities] = rule.log_total, mean, variance, largest
        error[rule.quantities] = rule.error
    return out, error, max(rule.weight.shape[1] for rule in rules)


@pytest.mark.parametrize("prior", EVEN, ids=str)
@pytest.mark.parametrize("claims", [5, 8, 30])
@pytest.mark.parametrize("prior_sd", [10.0, np.inf])
def test_from_zero_on_or_from_far_below(prior: Any, claims: int, prior_sd: float) -> None:
    problem = problems(prior, claims, prior_sd=prior_sd)
    short, short_error, few = integrals(problem, x_alone=True)
    long, long_error, many = integrals(problem, x_alone=False)
    assert few < 0.85 * many
    # The rounding of log evidences of this size is beside the errors of the rules.
    rounding = 1e-15 * np.abs(long[0]).max()
    assert np.all(np.abs(short[0] - long[0]) <= short_error + long_error + rounding)
    # Errors of probabilities are multiplied by what a scatter far out makes of x.
    error = short_error + long_error + 1e-13
    reach = short[3] / long[2]
    assert np.all((short[1] - long[1]) ** 2 <= error**2 * reach * long[2])
    assert np.all(np.abs(short[2] / long[2] - 1.0) <= error * reach)


def test_many_blocks_are_one() -> None:
    problem = problems(priors.HalfCauchy(1.0), 5, prior_sd=np.inf, quantities=1000)
    whole = integrals(problem, x_alone=True)[0]
    for some in (np.arange(400, 407), np.array([3])):
        part = integrals(problem.at(some), x_alone=True)[0]
        np.testing.assert_allclose(part[:3], whole[:3, some], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("prior", EVEN, ids=str)
def test_even_priors(prior: Any) -> None:
    nothing = StatedVariances(np.ones((0, 1)), np.zeros(0, dtype=np.int64))
    tau = np.linspace(0.0, 5.0, 51)[None]
    assert prior.even
    np.testing.assert_allclose(
        prior.log_scatter(-tau, nothing), prior.log_scatter(tau, nothing), rtol=1e-13
    )


def test_products_beyond_the_floats() -> None:
    problem = problems(priors.HalfCauchy(1.0), 8, prior_sd=np.inf)
    plain = integrals(problem, x_alone=True)[0]
    for unit in (1e-60, 1e60):
        scaled = problems(priors.HalfCauchy(unit), 8, prior_sd=np.inf)
        other = attrs.evolve(
            scaled,
            value=scaled.value * unit,
            variance=scaled.variance * unit**2,
            stated=scaled.stated * unit**2,
        )
        found = integrals(other, x_alone=True)[0]
        np.testing.assert_allclose(found[1] / unit, plain[1], rtol=1e-11)
        np.testing.assert_allclose(found[2] / unit**2, plain[2], rtol=1e-10)
        np.testing.assert_allclose(found[0] + 7.0 * np.log(unit), plain[0], rtol=1e-11)
