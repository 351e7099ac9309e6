"""Quantiles of mixtures of normals, against their definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import ndtr

from reliability.engine.normal_mixtures import (
    NormalMixtures,
    normal_tails,
    quantiles_of_mixtures,
)

Array = NDArray[np.float64]


def mixtures(seed: int, *, components: int, spread: float) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    shape = (20, components)
    sds = np.exp(rng.normal(0.0, spread, shape))
    means = rng.normal(size=shape) * np.exp(rng.normal(0.0, spread, (20, 1)))
    weights = np.exp(-rng.exponential(10.0, shape))
    return weights / weights.sum(axis=1, keepdims=True), means, sds


def test_table_of_the_normal() -> None:
    z = np.random.default_rng(1).uniform(-10.0, 10.0, 100_000)
    tails, heights = normal_tails(z)
    np.testing.assert_allclose(tails, ndtr(z), rtol=0, atol=4e-15)
    density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    # Relative, but for the series' cube (z/2048)^3/6 and half a place in the argument of exp.
    np.testing.assert_allclose(heights, density, rtol=2e-8)
    below = z < 0.0
    np.testing.assert_allclose(tails[below], ndtr(z[below]), rtol=1e-10)


@pytest.mark.parametrize("z", [-1e300, -40.0, 0.0, 40.0, 1e300])
def test_table_far_out(z: float) -> None:
    tails, heights = normal_tails(np.array([z]))
    assert tails[0] == pytest.approx(ndtr(z), abs=1e-300)
    assert heights[0] == pytest.approx(np.exp(-0.5 * min(z * z, 1500.0)) / np.sqrt(2.0 * np.pi))


@given(
    st.integers(0, 2**32),
    st.sampled_from([2, 5, 30, 70]),
    st.sampled_from([0.1, 1.0, 4.0]),
    st.floats(1e-12, 0.5),
    st.booleans(),
)
@example(seed=0, components=30, spread=4.0, tail=0.125, upper=True)  # Newton's steps go to and fro
def test_quantiles_have_their_probability(
    seed: int,
    components: int,
    spread: float,
    tail: float,
    upper: bool,
) -> None:
    weights, means, sds = mixtures(seed, components=components, spread=spread)
    p = np.full(len(means), tail)
    below, above = (1.0 - p, p) if upper else (p, 1.0 - p)
    x = quantiles_of_mixtures(weights, means, sds, below, above)
    side = -1.0 if upper and tail < 0.5 else 1.0

    def probability(x: Array) -> Array:
        return np.asarray((weights * ndtr(side * (x[:, None] - means) / sds)).sum(axis=1))

    # One place of x may be worth more than the tolerance beside a narrow component.
    place = np.abs(probability(x + 2.0 * np.spacing(np.abs(x))) - probability(x))
    assert np.all(np.abs(probability(x) - tail) <= 2e-11 * tail + place)


def test_all_in_turn_are_those_picked_out() -> None:
    weights, means, sds = mixtures(3, components=40, spread=1.0)
    many = NormalMixtures(weights, means, sds)
    every = np.tile(np.arange(len(means)), 2)
    lower = np.repeat([0.1, 0.7], len(means))
    order = np.random.default_rng(5).permutation(len(every))
    in_turn = many.quantile(every, lower, 1.0 - lower)
    picked = many.quantile(every[order], lower[order], 1.0 - lower[order])
    np.testing.assert_allclose(picked, in_turn[order], rtol=1e-13)


def test_ends_of_the_line() -> None:
    weights, means, sds = mixtures(4, components=30, spread=1.0)
    lower = np.zeros(len(means))
    lower[::2] = 1.0
    lower[3] = 0.25
    x = quantiles_of_mixtures(weights, means, sds, lower, 1.0 - lower)
    assert np.all(x[::2] == np.inf)
    assert np.isfinite(x[3])
    assert np.all(x[[1, 5, 7]] == -np.inf)
