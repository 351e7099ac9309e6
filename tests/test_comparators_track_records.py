"""Weights from track records: the formula, its limits, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reliability import ReliabilityError
from reliability.comparators import exponential_weights

LOSSES = st.integers(1, 4).flatmap(
    lambda sources: st.lists(
        st.lists(st.floats(0.01, 100.0), min_size=sources, max_size=sources),
        min_size=1,
        max_size=6,
    )
)


def test_weights_are_likelihoods_of_exponential_losses() -> None:
    """With the questions' means as scales: densities exp(-l / mean) / mean."""
    losses = np.array([[1.0, 2.0, 6.0], [0.5, 0.5, 2.0]])
    means = losses.mean(axis=1, keepdims=True)
    likelihood = np.prod(np.exp(-losses / means) / means, axis=0)
    assert exponential_weights(losses) == pytest.approx(likelihood / likelihood.sum(), rel=1e-14)


@given(LOSSES, st.floats(0.1, 1e6))
def test_units_of_the_losses_do_not_matter(losses: list[list[float]], unit: float) -> None:
    scaled = exponential_weights(unit * np.array(losses))
    assert scaled == pytest.approx(exponential_weights(losses), rel=1e-9, abs=1e-300)


@given(LOSSES, st.randoms(use_true_random=False))
def test_order_of_questions_does_not_matter(losses: list[list[float]], random: object) -> None:
    shuffled = list(losses)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert exponential_weights(shuffled) == pytest.approx(exponential_weights(losses), rel=1e-9)


def test_without_a_past_weights_are_equal() -> None:
    assert exponential_weights(np.empty((0, 4))).tolist() == [0.25] * 4
    assert exponential_weights([[np.nan, np.nan], [0.0, 0.0]]).tolist() == [0.5, 0.5]


def test_a_source_that_was_silent_counts_as_average() -> None:
    weights = exponential_weights([[1.0, np.nan, 3.0]])
    assert weights[1] / weights[0] == pytest.approx(np.exp(-0.5))
    assert weights[2] / weights[1] == pytest.approx(np.exp(-0.5))


def test_higher_rates_single_out_the_best() -> None:
    losses = [[1.0, 2.0]] * 3
    assert exponential_weights(losses, rate=100.0)[0] == pytest.approx(1.0)
    assert exponential_weights(losses, rate=1e-9) == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(
    ("losses", "rate", "message"),
    [
        ([[1.0, -2.0]], 1.0, r"losses\[0, 1\] must be finite and 0 or more \(got -2"),
        ([[1.0, np.inf]], 1.0, r"losses\[0, 1\] must be finite and 0 or more \(got float"),
        ([1.0, 2.0], 1.0, "losses must be a table of numbers"),
        ([[]], 1.0, "losses must have a column for each source"),
        ([["low"]], 1.0, "losses must be an array of numbers"),
        ([[1.0]], 0.0, "rate must be"),
    ],
)
def test_bad_input_is_named(losses: object, rate: float, message: str) -> None:
    with pytest.raises(ReliabilityError, match=message):
        exponential_weights(losses, rate=rate)  # type: ignore[arg-type]
