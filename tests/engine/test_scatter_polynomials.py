"""Sums over claims as quotients of polynomials, against the plain sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from reliability.engine.scatter_polynomials import Polynomials

Array = NDArray[np.float64]


def claims_of(seed: int, claims: int, spread: float) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    variance = np.exp(2.0 * spread * rng.normal(size=(claims, 7)))
    y = rng.normal(size=(claims, 7)) * np.exp(spread * rng.normal(size=(claims, 7)))
    return variance, y


@given(
    st.integers(0, 2**32),
    st.integers(1, 30),
    st.sampled_from([0.1, 1.0, 4.0]),
    st.sampled_from([1e-30, 1.0, 1e30]),
)
def test_plain_sums(seed: int, claims: int, spread: float, size: float) -> None:
    variance, y = claims_of(seed, claims, spread)
    variance, y = variance * size**2, y * size
    unit = np.sqrt(variance.min(axis=0)) * np.random.default_rng(seed).uniform(0.2, 1.0, 7)
    node = np.array([0.0, 0.3, 2.0, 1e3])
    made = Polynomials.of(variance, y, unit)
    assert made is not None
    for chosen in (np.arange(7), np.array([4, 1]), slice(2, 5)):
        found = made.at(chosen).sums(node)
        if found is None:
            assert claims > 8
            continue
        tau = unit[chosen][:, None] * node
        w = 1.0 / (variance[:, chosen, None] + tau**2)
        values = y[:, chosen, None]
        np.testing.assert_allclose(found.precision, w.sum(axis=0), rtol=1e-13)
        np.testing.assert_allclose(found.alone, 1.0 / w.sum(axis=0), rtol=1e-13)
        np.testing.assert_allclose(found.second, (w * values**2).sum(axis=0), rtol=1e-13)
        # What cancels in this one cancels in the plain sum too.
        room = 1e-13 * (w * np.abs(values)).sum(axis=0)
        assert np.all(np.abs(found.first - (w * values).sum(axis=0)) <= room)
        logs = np.log(w).sum(axis=0) - np.log(w.sum(axis=0))
        np.testing.assert_allclose(found.logs, logs, rtol=1e-13, atol=1e-13)


def test_too_many_claims_or_too_large() -> None:
    variance, y = claims_of(1, 31, 1.0)
    assert Polynomials.of(variance, y, np.sqrt(variance.min(axis=0))) is None
    variance, y = claims_of(1, 8, 1.0)
    made = Polynomials.of(variance, y, np.sqrt(variance.min(axis=0)))
    assert made is not None
    assert made.sums(np.array([1.0, 1e10])) is not None
    assert made.sums(np.array([1.0, 1e20])) is None
    # One among them that the floats do not hold is enough.
    far = y.copy()
    far[2, 3] = 1e160
    made = Polynomials.of(variance, far, np.sqrt(variance.min(axis=0)))
    assert made is not None
    assert made.sums(np.array([1.0])) is None


@pytest.mark.parametrize("quantities", [511, 512, 513, 1100])
def test_some_at_a_time(quantities: int) -> None:
    rng = np.random.default_rng(quantities)
    variance, y = rng.uniform(1.0, 4.0, (5, quantities)), rng.normal(size=(5, quantities))
    made = Polynomials.of(variance, y, np.ones(quantities))
    assert made is not None
    found = made.sums(np.linspace(0.0, 3.0, 60))
    assert found is not None
    w = 1.0 / (variance[..., None] + np.linspace(0.0, 3.0, 60) ** 2)
    np.testing.assert_allclose(found.precision, w.sum(axis=0), rtol=1e-14)
