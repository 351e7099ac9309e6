"""Truth discovery: results worked out by hand, invariances, wrong input."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reliability import ReliabilityError
from reliability.comparators import (
    Truths,
    catd,
    crh,
    gtm,
    mean_per_quantity,
    median_per_quantity,
)

METHODS: dict[str, Callable[[Any], Truths]] = {
    "mean": mean_per_quantity,
    "median": median_per_quantity,
    "crh absolute max": crh,
    "crh absolute sum": lambda table: crh(table, normaliser="sum"),
    "crh squared max": lambda table: crh(table, loss="squared"),
    "crh squared sum": lambda table: crh(table, loss="squared", normaliser="sum"),
    "catd": catd,
    "catd raw": lambda table: catd(table, standardise=False),
    "gtm": gtm,
    "gtm all": lambda table: gtm(table, outlier_threshold=None),
}

#: Two quantities, three sources: medians 10 and 20, standardised spreads sqrt(2) and sqrt(6).
TABLE = {
    "quantity": ["a", "a", "a", "b", "b", "b"],
    "source": ["x", "y", "z", "x", "y", "z"],
    "value": [9.0, 10.0, 14.0, 20.0, 21.0, 19.0],
}


def spreads() -> tuple[float, float]:
    return math.sqrt(((9 - 11) ** 2 + 1 + 9) / 3), math.sqrt(2 / 3)


def test_mean_and_median() -> None:
    assert mean_per_quantity(TABLE).truth.tolist() == [11.0, 20.0]
    found = median_per_quantity(TABLE)
    assert found.truth.tolist() == [10.0, 20.0]
    assert (found.quantities, found.sources) == (["a", "b"], ["x", "y", "z"])
    assert median_per_quantity(
        {"quantity": [1, 1], "source": [1, 2], "value": [1.0, 4.0]}
    ).truth.tolist() == [2.5]


def test_one_step_of_crh() -> None:
    sa, sb = spreads()
    losses = np.array([1 / sa + 0, 0 + 1 / sb, 4 / sa + 1 / sb]) / 2
    weight = -np.log(losses / losses.sum())
    found = crh(TABLE, normaliser="sum", max_iterations=1)
    np.testing.assert_allclose(found.weight, weight, rtol=1e-12)  # type: ignore[arg-type]
    assert found.iterations == 1
    weight = -np.log(losses / losses.max())
    np.testing.assert_allclose(
        np.maximum(weight, 1e-12),
        crh(TABLE, max_iterations=1).weight,  # type: ignore[arg-type]
        rtol=1e-12,
    )
    # x weighs more than half of the total: the weighted medians are its values.
    assert weight[0] > weight.sum() / 2
    assert crh(TABLE, max_iterations=1).truth.tolist() == [9.0, 20.0]


def test_one_step_of_crh_with_squares() -> None:
    sa, sb = spreads()
    losses = np.array([1 / sa, 1 / sb, 16 / sa + 1 / sb]) / 2
    w = -np.log(losses / losses.sum())
    found = crh(TABLE, loss="squared", normaliser="sum", max_iterations=1)
    expected = [w @ [9.0, 10.0, 14.0] / w.sum(), w @ [20.0, 21.0, 19.0] / w.sum()]
    np.testing.assert_allclose(found.truth, expected, rtol=1e-12)


def test_one_step_of_catd() -> None:
    # Two claims each: the 2.5 % quantile of chi-squared with 2 degrees of freedom.
    quantile = -2.0 * math.log(0.975)
    sa, sb = spreads()
    for standardise, (a, b) in ((True, (sa, sb)), (False, (1.0, 1.0))):
        squares = np.array([1 / a**2, 1 / b**2, 16 / a**2 + 1 / b**2])
        w = quantile / squares
        found = catd(TABLE, standardise=standardise, max_iterations=1)
        np.testing.assert_allclose(found.weight, w, rtol=1e-12)  # type: ignore[arg-type]
        expected = [w @ [9.0, 10.0, 14.0] / w.sum(), w @ [20.0, 21.0, 19.0] / w.sum()]
        np.testing.assert_allclose(found.truth, expected, rtol=1e-12)


def test_catd_distrusts_sources_of_few_claims() -> None:
    # a and b err by 1 each time; b makes one claim, a four. Chi-squared's 2.5 % quantiles: with 1
    # degree of freedom 0.00098, with 4 0.4844.
    table = {
        "quantity": [1, 2, 3, 4, 1, *[1, 2, 3, 4] * 3],
        "source": ["a"] * 4 + ["b"] + ["c"] * 4 + ["d"] * 4 + ["e"] * 4,
        "value": [1.0] * 4 + [1.0] + [0.0] * 12,
    }
    found = catd(table, standardise=False, max_iterations=1)
    assert found.weight is not None
    weight = dict(zip(found.sources, found.weight, strict=True))
    assert weight["b"] == pytest.approx(0.0009820691171752, rel=1e-9)
    assert weight["a"] == pytest.approx(0.4844185570879303 / 4, rel=1e-9)


def test_one_step_of_gtm() -> None:
    sa, sb = spreads()
    z = np.array([[-1 / sa, 0.0, 4 / sa], [0.0, 1 / sb, -1 / sb]])
    # All sources are equal at first, with variance 1, and the prior like one more of them.
    mu = z.sum(axis=1) / 4.0
    variance = (4.0 + np.sum((z - mu[:, None]) ** 2, axis=0)) / (2.0 * 4.0 + 2.0)
    found = gtm(TABLE, shape=3.0, scale=2.0, max_iterations=1, outlier_threshold=None)
    total = 1.0 + np.sum(1.0 / variance)
    mu = (z / variance).sum(axis=1) / total
    np.testing.assert_allclose(found.truth, [10 + sa * mu[0], 20 + sb * mu[1]], rtol=1e-12)
    np.testing.assert_allclose(found.sd, np.array([sa, sb]) / math.sqrt(total), rtol=1e-12)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.weight, 1.0 / variance, rtol=1e-12)  # type: ignore[arg-type]


def test_gtm_leaves_out_outliers() -> None:
    values = [*np.linspace(0.0, 1.0, 20), 1000.0]
    table = {"quantity": [1] * 21, "source": list(range(21)), "value": values}
    assert abs(gtm(table).truth[0] - 0.5) < 0.1
    assert gtm(table, outlier_threshold=None).truth[0] > 20.0


def test_a_source_that_never_errs() -> None:
    table = {
        "quantity": [1, 1, 1, 2, 2, 2],
        "source": ["x", "y", "z"] * 2,
        "value": [1.0, 1.0, 5.0, 2.0, 2.0, -3.0],
    }
    for method in (crh, catd):
        found = method(table)
        assert found.truth.tolist() == pytest.approx([1.0, 2.0])
        assert found.weight is not None
        assert np.isfinite(found.weight).all()


def test_agreement_throughout() -> None:
    table = {"quantity": [1, 1, 2], "source": ["x", "y", "x"], "value": [3.0, 3.0, 4.0]}
    for name, method in METHODS.items():
        assert method(table).truth.tolist() == [3.0, 4.0], name
        assert method(table).converged, name


def test_ties_are_not_decided_by_rounding() -> None:
    """Sources of equal weight: the smaller of two values, in any unit."""
    table = {"quantity": [1, 1, 2, 2], "source": ["x", "y"] * 2, "value": [0.1, 0.4, 0.4, 0.1]}
    for factor in (1.0, 3.0, 1e-7):
        scaled = {**table, "value": (factor * np.array([0.1, 0.4, 0.4, 0.1])).tolist()}
        assert crh(scaled).truth.tolist() == pytest.approx([0.1 * factor, 0.1 * factor])


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[Any]]:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from("abcd"),
                st.sampled_from("uvwxyz"),
                st.integers(-50, 50),
            ),
            min_size=1,
            max_size=25,
        )
    )
    quantity, source, value = zip(*rows, strict=True)
    return {"quantity": list(quantity), "source": list(source), "value": [float(v) for v in value]}


def by_name(found: Truths) -> dict[Any, float]:
    return dict(zip(found.quantities, found.truth.tolist(), strict=True))


@pytest.mark.parametrize("name", sorted(METHODS))
@settings(max_examples=40)
@given(tables(), st.randoms(use_true_random=False))
def test_order_does_not_matter(name: str, table: dict[str, list[Any]], random: Any) -> None:
    rows = list(zip(*table.values(), strict=True))
    random.shuffle(rows)
    mixed = dict(zip(table, map(list, zip(*rows, strict=True)), strict=True))
    plain, other = by_name(METHODS[name](table)), by_name(METHODS[name](mixed))
    # Sums over a source's claims come in another order; iterations may enlarge the last digit.
    assert other == pytest.approx(plain, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", sorted(METHODS))
@settings(max_examples=40)
@given(tables(), st.sampled_from([0.5, 4.0, 1024.0]), st.sampled_from([0.0, -64.0, 1000.0]))
def test_unit_and_origin_do_not_matter(
    name: str, table: dict[str, list[Any]], factor: float, shift: float
) -> None:
    moved = {**table, "value": [factor * v + shift for v in table["value"]]}
    plain, other = by_name(METHODS[name](table)), by_name(METHODS[name](moved))
    back = {q: (t - shift) / factor for q, t in other.items()}
    assert back == pytest.approx(plain, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", sorted(METHODS))
@settings(max_examples=40)
@given(tables())
def test_truths_lie_within_the_claims(name: str, table: dict[str, list[Any]]) -> None:
    for quantity, truth in by_name(METHODS[name](table)).items():
        said = [v for q, v in zip(table["quantity"], table["value"], strict=True) if q == quantity]
        assert min(said) - 1e-9 <= truth <= max(said) + 1e-9


def test_better_sources_weigh_more() -> None:
    rng = np.random.default_rng(3)
    sd = np.array([0.1, 0.3, 1.0, 3.0, 3.0])
    truth = 10.0 * rng.normal(size=400)
    values = truth[:, None] + sd * rng.normal(size=(400, 5))
    table = {
        "quantity": np.repeat(np.arange(400), 5),
        "source": np.tile(np.arange(5), 400),
        "value": values.ravel(),
    }
    naive = float(np.mean(np.abs(mean_per_quantity(table).truth - truth)))
    for name, method in METHODS.items():
        found = method(table)
        error = float(np.mean(np.abs(found.truth - truth)))
        if found.weight is not None:
            # The two best may change places: a weighted mean draws near to whom it trusts.
            order = np.argsort(-found.weight).tolist()
            assert (set(order[:2]), order[2]) == ({0, 1}, 2), name
            assert error < 0.9 * naive, name


def test_frames() -> None:
    pandas = pytest.importorskip("pandas")
    assert crh(pandas.DataFrame(TABLE)).truth.tolist() == crh(TABLE).truth.tolist()


def without(column: str) -> dict[str, Any]:
    return {name: cells for name, cells in TABLE.items() if name != column}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: crh(3), "table must be a dict of arrays or a data frame"),
        (lambda: crh(without("value")), "there is no column 'value'"),
        (lambda: gtm({**without("source"), "sources": "xyzxyz"}), "source"),
        (lambda: crh({**TABLE, "value": [1, 2, 3, "x", 4, 5]}), "value in row 3 must be a number"),
        (lambda: crh({**TABLE, "value": [1, 2, math.nan, 3, 4, 5]}), "value[2] must be a finite"),
        (lambda: crh({**TABLE, "value": [1, 2, 3, 4, None, 5]}), "value[4] must be a finite"),
        (lambda: crh({**TABLE, "source": ["x", None, *"zxyz"]}), "source in row 1 is empty"),
        (lambda: crh({**TABLE, "quantity": ["", *"aabbb"]}), "quantity in row 0 is empty"),
        (lambda: crh({"quantity": [], "source": [], "value": []}), "there are no rows"),
        (lambda: crh(TABLE, loss="cubic"), "loss must be 'absolute' or 'squared'"),  # type: ignore[arg-type]
        (lambda: crh(TABLE, normaliser="mean"), "normaliser must be 'max' or 'sum'"),  # type: ignore[arg-type]
        (lambda: crh(TABLE, max_iterations=0), "max_iterations must be at least 1 (got 0)"),
        (lambda: crh(TABLE, max_iterations=1.5), "max_iterations must be a whole number"),  # type: ignore[arg-type]
        (lambda: catd(TABLE, significance=5), "significance must lie in (0, 1)"),
        (lambda: catd(TABLE, standardise="no"), "standardise must be True or False"),  # type: ignore[arg-type]
        (lambda: gtm(TABLE, shape=-1.0), "shape must be positive"),
        (lambda: gtm(TABLE, prior_sd=math.inf), "prior_sd must be positive and finite"),
        (lambda: gtm(TABLE, outlier_threshold=0.0), "outlier_threshold must be positive"),
        (lambda: gtm(TABLE, scale="10"), "scale must be a number"),  # type: ignore[arg-type]
    ],
)
def test_wrong_input(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ReliabilityError) as caught:
        call()
    assert message in str(caught.value)
