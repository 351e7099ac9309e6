"""A bias shared by all sources, and what a Void's claim amounts to, against direct sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reliability import (
    AtLeast,
    Claim,
    Combination,
    Estimate,
    Model,
    Range,
    Source,
    Void,
    combine,
    priors,
)
from reliability.errors import NoPosteriorError

Array = NDArray[np.float64]
GAUSS, GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(20)
VALUE, SD = np.array([10.0, 11.0, 16.0]), np.array([1.0, 2.0, 1.5])


def composite(edges: Array) -> tuple[Array, Array]:
    """Nodes and weights of Gauss's rule on successive intervals."""
    half, middle = 0.5 * np.diff(edges)[:, None], 0.5 * (edges[1:] + edges[:-1])[:, None]
    return (middle + half * GAUSS).ravel(), (half * GAUSS_WEIGHTS).ravel()


def one(claims: list[Claim], **options: Any) -> Combination:
    result = combine(claims, **options)
    assert isinstance(result, Combination)
    return result


def normal(z: Array, sd: Array) -> Array:
    return np.asarray(np.exp(-0.5 * (z / sd) ** 2) / (sd * np.sqrt(2.0 * np.pi)))


# ------------------------------------------------------------------ a source's own value


@pytest.mark.parametrize("prior_sd", [np.inf, 3.0])
def test_own_value_under_a_shared_bias(prior_sd: float) -> None:
    """It is z + tau e with z = x + bias: a sum over tau and z, nothing in closed form."""
    prior = priors.Flat() if np.isinf(prior_sd) else priors.Normal(8, prior_sd)
    claims = [
        Claim(Source(f"s{i}", reliability=1.0), Estimate(float(y), sd=float(s)))
        for i, (y, s) in enumerate(zip(VALUE, SD, strict=True))
    ]
    result = one(claims, model=Model(shared=2.0, heterogeneity=priors.HalfNormal(1)), prior=prior)
    tau, d_tau = composite(np.linspace(0.0, 9.0, 40))
    z, d_z = composite(np.linspace(-25.0, 50.0, 200))
    joint = np.exp(-0.5 * tau[:, None] ** 2) * d_tau[:, None] * d_z
    if np.isfinite(prior_sd):
        joint = joint * normal(z - 8.0, np.asarray(np.hypot(prior_sd, 2.0)))
    for y, s in zip(VALUE, SD, strict=True):
        joint = joint * normal(y - z, np.hypot(s, tau)[:, None])
    joint /= joint.sum()
    for i, row in enumerate(result.claims):
        # Given z and tau: z from the scatter, the value from the statement.
        precision = 1.0 / SD[i] ** 2 + 1.0 / tau[:, None] ** 2
        mean = (VALUE[i] / SD[i] ** 2 + z / tau[:, None] ** 2) / precision
        first = float((joint * mean).sum())
        variance = float((joint * (1.0 / precision + (mean - first) ** 2)).sum())
        assert row.shrunk is not None
        assert row.shrunk.mean() == pytest.approx(first, rel=1e-10)
        assert row.shrunk.std() == pytest.approx(variance**0.5, rel=1e-9)
    if np.isinf(prior_sd):
        assert result.claims[0].shrunk is not None
        assert result.claims[0].shrunk.std() == pytest.approx(0.974, abs=5e-4)


# ------------------------------------------------------------------ Void


SMALL = 1e-6
STATEMENTS: list[Any] = [Estimate(10, sd=1), Estimate(13, low=12, high=16, level=0.9), Range(8, 12)]
SCATTERS: list[dict[str, Any]] = [
    {},
    {"heterogeneity": priors.HalfNormal(1)},
    {"heterogeneity": priors.HalfCauchy(0.5)},
    {"inflation": priors.Pareto(3)},
]


@pytest.mark.parametrize("scatter", SCATTERS)
@pytest.mark.parametrize("prior", [priors.Normal(9, 5), priors.Uniform(0, 18)])
def test_first_order_is_the_linear_pool(scatter: dict[str, Any], prior: Any) -> None:
    """(1 - n r) prior + r times the sum of the single claims' posteriors."""
    model = Model(unsound=Void(), **scatter)
    q = np.array([4.0, 8.0, 9.5, 11.0, 14.0])

    def below(claims: list[Claim]) -> Array:
        return np.asarray(one(claims, model=model, prior=prior).posterior.cdf(q))

    names = range(len(STATEMENTS))
    doubtful = [Claim(Source(f"{i}", reliability=SMALL), STATEMENTS[i]) for i in names]
    sure = [below([Claim(Source(f"{i}", reliability=1.0), STATEMENTS[i])]) for i in names]
    nothing = below([Claim(Source("0", reliability=1e-300), STATEMENTS[0])])
    expected = nothing + SMALL * sum(each - nothing for each in sure)
    # The second order is r^2 times ratios of densities.
    assert below(doubtful) == pytest.approx(expected, abs=30.0 * SMALL**2)


@pytest.mark.parametrize("scatter", [None, priors.HalfNormal(1)])
@pytest.mark.parametrize("prior", [priors.Normal(9, 5), priors.Uniform(0, 18)])
def test_first_order_under_a_shared_bias(scatter: Any, prior: Any) -> None:
    # Claims of one sd, so that the bias of each alone is that of all.
    model = Model(unsound=Void(), shared=2.0, heterogeneity=scatter)
    q = np.array([4.0, 8.0, 9.5, 11.0, 14.0])

    def below(values: list[float], r: float) -> Array:
        claims = [Claim(Source(f"{y}", reliability=r), Estimate(y, sd=1)) for y in values]
        return np.asarray(one(claims, model=model, prior=prior).posterior.cdf(q))

    nothing = below([9.0], 1e-300)
    sure = [below([y], 1.0) - nothing for y in (7.0, 12.0)]
    found = below([7.0, 12.0], SMALL)
    assert found == pytest.approx(nothing + SMALL * (sure[0] + sure[1]), abs=30.0 * SMALL**2)


def test_evidence_of_doubtful_claims_is_that_of_sound_ones_alone() -> None:
    """The claims' density is the same whether one claim is sound or void."""
    model = Model(unsound=Void(), heterogeneity=priors.Exponential(0.7), shared=0.5)
    evidence = [
        one([Claim(Source("a", reliability=r), Estimate(10, sd=1))], model=model, prior=prior)
        for prior in (priors.Normal(7, 4), priors.Uniform(2, 11))
        for r in (1.0, 0.5, 1e-3)
    ]
    logs = [result.log_evidence for result in evidence]
    assert logs[0] is not None
    assert logs[1] == pytest.approx(logs[0], abs=1e-9)
    assert logs[2] == pytest.approx(logs[0], abs=1e-9)
    assert logs[3] is not None
    assert logs[4] == pytest.approx(logs[3], abs=1e-9)
    assert logs[5] == pytest.approx(logs[3], abs=1e-9)


def test_prior_on_the_scatter_is_made_from_all_claims() -> None:
    """The constant of a doubtful claim uses the prior that the others share."""
    value, sd, r = np.array([10.0, 14.0]), np.array([1.0, 3.0]), np.array([0.4, 0.6])
    claims = [
        Claim(Source(f"{i}", reliability=float(r[i])), Estimate(float(value[i]), sd=float(sd[i])))
        for i in range(2)
    ]
    model = Model(unsound=Void(), heterogeneity=priors.DuMouchel())
    result = one(claims, model=model, prior=priors.Normal(9, 5))
    s0 = float(np.sqrt(2.0 / np.sum(sd**-2.0)))
    log_tau, d_tau = composite(np.linspace(-30.0, 34.0, 120))
    tau = np.exp(log_tau)
    d_tau = d_tau * tau * s0 / (s0 + tau) ** 2
    x, d_x = composite(np.linspace(-40.0, 60.0, 160))
    weight = d_tau[:, None] * d_x * normal(x - 9.0, np.asarray(5.0))
    sound = [normal(y - x, np.hypot(s, tau)[:, None]) for y, s in zip(value, sd, strict=True)]
    constant = [(weight * each).sum() for each in sound]
    for each, c, p in zip(sound, constant, r, strict=True):
        weight = weight * (p * each + (1.0 - p) * c)
    assert result.log_evidence == pytest.approx(float(np.log(weight.sum())), abs=1e-9)
    mean = float((weight * x).sum() / weight.sum())
    assert result.posterior.mean() == pytest.approx(mean, rel=1e-9)


def test_a_verified_bound_amounts_to_its_probability() -> None:
    model = Model(unsound=Void(), heterogeneity=priors.HalfNormal(1))
    prior = priors.Normal(9, 5)
    results = [
        one(
            [Claim(Source("a", reliability=r), AtLeast(12, excess=np.inf))],
            model=model,
            prior=prior,
        )
        for r in (1.0, 0.3)
    ]
    assert results[1].log_evidence == pytest.approx(results[0].log_evidence, abs=1e-9)


def test_an_improper_prior_on_the_scatter_leaves_no_constant() -> None:
    claims = [
        Claim(Source("a", reliability=1.0), Estimate(10, sd=1)),
        Claim(Source("b", reliability=1.0), Estimate(11, sd=1)),
        Claim(Source("c", reliability=1.0), Estimate(12, sd=1)),
        Claim(Source("d", reliability=0.5), Estimate(12, sd=1)),
    ]
    model = Model(unsound=Void(), heterogeneity=priors.Flat())
    with pytest.raises(NoPosteriorError, match="improper"):
        combine(claims, model=model, prior=priors.Normal(10, 5))
    low = priors.IntrinsicRange(0.1)
    assert one(claims, model=model, prior=low).posterior.std() > 0.0


def test_leaving_out_recomputes_what_a_void_amounts_to() -> None:
    claims = [
        Claim(Source(f"{i}", reliability=0.6), Estimate(y, sd=s))
        for i, (y, s) in enumerate([(10.0, 1.0), (14.0, 3.0), (11.0, 0.5)])
    ]
    model = Model(unsound=Void(), heterogeneity=priors.UniformShrinkage())
    prior = priors.Normal(9, 5)
    result = one(claims, model=model, prior=prior)
    for left, row in enumerate(result.claims):
        rest = [claim for i, claim in enumerate(claims) if i != left]
        other = one(rest, model=model, prior=prior)
        shift = row.influence.shift
        assert shift == pytest.approx(result.estimate - other.estimate, abs=1e-8)
