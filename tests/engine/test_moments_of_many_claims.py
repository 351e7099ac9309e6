"""Moments where an inflation makes tails that begin far beyond most of the probability."""

from __future__ import annotations

import numpy as np
import pytest

from reliability import Claim, Combination, Estimate, Model, combine


@pytest.mark.parametrize("count", [12, 20])
def test_moments_of_many_claims_under_an_inflation_are_known(count: int) -> None:
    rng = np.random.default_rng(count)
    values = rng.normal(10.0, 1.0, count)
    claims = [Claim(f"s{i}", Estimate(float(v), sd=1.0)) for i, v in enumerate(values)]
    result = combine(claims, model=Model.measurements())
    assert isinstance(result, Combination)
    posterior = result.posterior
    ends = posterior.ppf(1e-10), posterior.isf(1e-10)
    x = np.linspace(*ends, 3001)
    below = np.asarray(posterior.cdf(x))
    step = x[1] - x[0]
    mean = ends[1] - np.sum(0.5 * (below[1:] + below[:-1])) * step
    second = 2.0 * np.sum((ends[1] - x) * below) * step
    sd = np.sqrt(second - (ends[1] - mean) ** 2)
    # What the tails beyond 1e-10 add to the sum of a step's width is less than 1e-4 of the sd.
    assert posterior.mean() == pytest.approx(mean, abs=1e-6)
    assert posterior.std() == pytest.approx(sd, rel=2e-4)
