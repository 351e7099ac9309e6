"""Pools of distributions and probabilities, Cooke's decision maker: references and properties."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from reliability import Model, Posterior, Quantiles, ReliabilityError, combine
from reliability.comparators import (
    Pool,
    QuantileTable,
    beta_transformed_pool,
    beta_transformed_probability,
    cooke_weights,
    covariance_intersection,
    decision_maker,
    extremised_probability,
    fit_beta_transform,
    linear_pool,
    linear_probability,
    log_odds_probability,
    logarithmic_pool,
    quantile_pool,
)

REFERENCES: dict[str, Any] = json.loads(
    (Path(__file__).parent / "references" / "comparators.json").read_text(encoding="utf-8")
)
COOKE = REFERENCES["cooke"]


def as_array(nested: Any) -> Any:
    """Missing answers, null in JSON, as nan."""
    if isinstance(nested, list):
        return np.array([as_array(one) for one in nested])
    return np.nan if nested is None else nested


# ------------------------------------------------------------------ probabilities


@pytest.mark.parametrize("case", REFERENCES["probabilities"], ids=lambda c: str(c["p"]))
def test_probabilities(case: dict[str, Any]) -> None:
    p, w = case["p"], case["w"]

    def same(value: float, expected: float) -> None:
        assert value == pytest.approx(expected, rel=1e-12)

    same(linear_probability(p, w), case["linear"])
    same(log_odds_probability(p, w), case["log_odds_mean"])
    for factor, expected in case["extremized_linear_logit_a"].items():
        same(extremised_probability(p, w, factor=float(factor)), expected)
    for ab in (1.5, 2.0):
        expected = case[f"beta_transformed_linear_a=b={ab:g}"]
        same(beta_transformed_probability(p, w, a=ab, b=ab), expected)


def test_certain_probabilities() -> None:
    assert log_odds_probability([0.0, 0.9]) == 0.0
    assert log_odds_probability([1.0, 0.0], [1.0, 0.0]) == 1.0
    assert extremised_probability([1.0, 1.0], factor=2.0) == 1.0


# ------------------------------------------------------------------ pools of distributions


@pytest.mark.parametrize("case", REFERENCES["normals"], ids=lambda c: str(c["w"]))
def test_normals(case: dict[str, Any]) -> None:
    parts = [stats.norm(m, s) for m, s in zip(case["m"], case["s"], strict=True)]
    tau, w = np.array(case["tau"]), case["w"]
    pool = linear_pool(parts, w)
    for one, name in (
        (pool, "linear_pool_quantiles"),
        (logarithmic_pool(parts, w), "log_pool_quantiles(weights sum 1)"),
        (quantile_pool(parts, w), "vincent_quantiles"),
    ):
        expected = np.array(case[name])
        # Where almost nothing lies between two parts, rounding of F moves the quantile.
        conditioning = 1e-16 / pool.pdf(expected) if one is pool else 0.0
        tolerance = 1e-9 * max(case["s"]) + conditioning
        assert np.all(np.abs(one.ppf(tau) - expected) <= tolerance), name


CAUCHY, WIDE = stats.cauchy(0.0, 1.0), stats.norm(1.0, 2.0)
TABLE = {0.05: 0.0, 0.25: 1.0, 0.5: 2.0, 0.95: 7.0}
PARTS: list[list[Any]] = [
    [stats.norm(0.0, 1.0), stats.norm(3.0, 2.0)],
    [CAUCHY, WIDE],
    [stats.gamma(0.5), stats.gamma(3.0, scale=2.0)],
    [stats.beta(0.5, 1.5), stats.beta(2.0, 3.0)],
    [stats.uniform(0.0, 2.0), stats.uniform(1.0, 3.0), stats.norm(1.0, 1.0)],
    [TABLE, Quantiles({0.1: -1.0, 0.9: 3.0}), stats.norm(2.0, 1.0)],
]
MAKERS: dict[str, Callable[[list[Any]], Pool]] = {
    "linear": lambda parts: linear_pool(parts, [2.0, *[1.0] * (len(parts) - 1)]),
    "logarithmic": lambda parts: logarithmic_pool(parts, [2.0, *[1.0] * (len(parts) - 1)]),
    "quantile": lambda parts: quantile_pool(parts, [2.0, *[1.0] * (len(parts) - 1)]),
    "beta": lambda parts: beta_transformed_pool(parts, a=2.0, b=1.5),
}


@pytest.mark.parametrize("name", sorted(MAKERS))
@pytest.mark.parametrize("parts", PARTS, ids=range(len(PARTS)))
def test_methods_agree(name: str, parts: list[Any]) -> None:
    """Quantiles invert distribution functions, which are integrals of densities."""
    pool = MAKERS[name](parts)
    p = np.array([1e-9, 0.01, 0.2, 0.5, 0.8, 0.99])
    x = pool.ppf(p)
    assert np.all(np.diff(x) > 0.0)
    # Next to an end of the support the rounding of x itself counts.
    rounding = np.finfo(float).eps * np.abs(x) * pool.pdf(x)
    assert np.all(np.abs(pool.cdf(x) - p) <= 1e-9 * p + 2.0 * rounding)
    np.testing.assert_allclose(pool.sf(pool.isf(p)), p, rtol=1e-7)
    np.testing.assert_allclose(pool.cdf(x) + pool.sf(x), 1.0, rtol=0, atol=1e-13)
    np.testing.assert_allclose(pool.logpdf(x), np.log(pool.pdf(x)), rtol=1e-12)
    # Where a part begins or ends the density may jump.
    ends = [e for part in parts if not isinstance(part, dict | Quantiles) for e in part.support()]
    edges = np.unique([*pool.ppf(np.linspace(0.01, 0.8, 101)), *np.clip(ends, x[1], x[4])])
    nodes, weight = np.polynomial.legendre.leggauss(12)
    half = 0.5 * np.diff(edges)[:, None]
    mass = float(np.sum(half * weight * pool.pdf(edges[:-1, None] + half * (1.0 + nodes))))
    assert mass == pytest.approx(0.79, abs=1e-8)
    assert pool.median() == x[3]
    assert pool.interval(0.98) == pytest.approx((x[1], x[5]), rel=1e-12)
    low, high = pool.support()
    assert (float(pool.ppf(0.0)), float(pool.ppf(1.0))) == (low, high)
    assert math.isnan(pool.ppf(1.5))
    assert math.isnan(pool.cdf(np.nan))
    assert pool.ppf([[0.1, 0.2]]).shape == (1, 2)
    assert pool.cdf([]).shape == (0,)


@pytest.mark.parametrize("name", sorted(MAKERS))
@pytest.mark.parametrize("number", [0, 2, 3, 5])
def test_means(name: str, number: int) -> None:
    pool = MAKERS[name](PARTS[number])
    # The mean by the quantile function: a way that no pool goes.
    half, weight = np.polynomial.legendre.leggauss(60)
    edges = np.concatenate([[0.0], 10.0 ** np.arange(-16.0, 0.0), [0.5]])
    u = (0.5 * (edges[:-1] + edges[1:])[:, None] + 0.5 * np.diff(edges)[:, None] * half).ravel()
    w = (0.5 * np.diff(edges)[:, None] * weight).ravel()
    mean = float(w @ (pool.ppf(u) + pool.isf(u)))
    assert pool.mean() == pytest.approx(mean, rel=1e-6, abs=1e-6)


def test_logarithmic_pool_in_closed_form() -> None:
    pool = logarithmic_pool([stats.gamma(0.5), stats.gamma(0.9)], [3.0, 1.0])
    p = np.array([1e-6, 0.1, 0.5, 0.999])
    np.testing.assert_allclose(pool.ppf(p), stats.gamma(0.6).ppf(p), rtol=1e-9)
    assert pool.mean() == pytest.approx(0.6, rel=1e-12)
    far = logarithmic_pool([stats.norm(0.0, 1.0), stats.norm(60.0, 1.0)])
    np.testing.assert_allclose(far.ppf(p), stats.norm(30.0, 1.0).ppf(p), rtol=1e-12)


def test_a_mean_that_does_not_exist_is_nan() -> None:
    assert math.isnan(logarithmic_pool([CAUCHY]).mean())
    assert math.isnan(beta_transformed_pool([CAUCHY], a=1.0, b=1.0).mean())
    # x^2 in the tails of one, a normal's in the other: now it exists.
    both = logarithmic_pool([CAUCHY, WIDE])

    def height(x: float) -> float:
        return float(np.sqrt(CAUCHY.pdf(x) * WIDE.pdf(x)))

    whole = quad(height, -70, 70, epsabs=1e-14, limit=500)[0]
    mean = quad(lambda x: x * height(x), -70, 70, epsabs=1e-14, limit=500)[0] / whole
    assert both.mean() == pytest.approx(mean, rel=1e-10)


def test_weights() -> None:
    parts = [stats.norm(0.0, 1.0), stats.norm(3.0, 2.0), CAUCHY]
    for maker in (linear_pool, logarithmic_pool, quantile_pool):
        alone = maker(parts, [0.0, 5.0, 0.0])
        np.testing.assert_allclose(alone.ppf([0.1, 0.9]), parts[1].ppf([0.1, 0.9]), rtol=1e-12)
        mixed = maker([parts[2], parts[0]], [2.0, 6.0])
        other = maker([parts[0], parts[2]], [0.75, 0.25])
        np.testing.assert_allclose(mixed.ppf([0.1, 0.9]), other.ppf([0.1, 0.9]), rtol=1e-11)
    same = beta_transformed_pool(parts[:2], a=1.0, b=1.0)
    assert same.interval() == pytest.approx(linear_pool(parts[:2]).interval(), rel=1e-12)


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.floats(-5.0, 5.0), st.floats(0.3, 3.0)), min_size=1, max_size=4),
    st.floats(0.01, 100.0),
    st.floats(-100.0, 100.0),
)
def test_unit_and_origin_do_not_matter(
    parts: list[tuple[float, float]], factor: float, shift: float
) -> None:
    p = np.array([0.03, 0.5, 0.9])
    for maker in (
        linear_pool,
        logarithmic_pool,
        quantile_pool,
        lambda d: beta_transformed_pool(d, a=2.0, b=3.0),
    ):
        plain = maker([stats.norm(m, s) for m, s in parts])
        moved = maker([stats.norm(factor * m + shift, factor * s) for m, s in parts])
        conditioning = 1e-15 / plain.pdf(plain.ppf(p))
        back = (moved.ppf(p) - shift) / factor
        rounding = 1e-12 * (abs(shift) / factor + 10.0)
        assert np.all(np.abs(back - plain.ppf(p)) <= rounding + 100.0 * conditioning)


def test_posteriors_and_pools_can_be_pooled() -> None:
    result = combine([("A", "10 +- 1"), ("B", "12 +- 1")], model=Model.common_effect())
    assert not isinstance(result, dict)
    posterior, normal = result.posterior, stats.norm(11.0, math.sqrt(0.5))
    for maker in (linear_pool, logarithmic_pool, quantile_pool):
        pool = maker([posterior, normal])
        np.testing.assert_allclose(pool.ppf([0.1, 0.8]), normal.ppf([0.1, 0.8]), rtol=1e-8)
        again = maker([pool, normal])
        np.testing.assert_allclose(again.ppf([0.1, 0.8]), normal.ppf([0.1, 0.8]), rtol=1e-8)


def test_an_atom_has_no_density() -> None:
    result = combine([("A", "10 +- 1")], model=Model.common_effect())
    assert not isinstance(result, dict)
    atom: Posterior = attrs.evolve(result.posterior, zero=0.25)
    assert linear_pool([atom]).weights.tolist() == [1.0]
    for maker in (logarithmic_pool, quantile_pool):
        with pytest.raises(ReliabilityError, match=r"distributions\[0\] has an atom at zero"):
            maker([atom])


def test_quantile_table() -> None:
    table = QuantileTable(Quantiles(TABLE))
    for p, q in TABLE.items():
        assert table.cdf(q) == pytest.approx(p, rel=1e-12)
        assert table.ppf(p) == pytest.approx(q, abs=1e-12)
        assert table.isf(1.0 - p) == pytest.approx(q, abs=1e-9)
    # One claim alone under a flat prior: its own distribution.
    result = combine([("A", Quantiles(TABLE))], model=Model.common_effect())
    assert not isinstance(result, dict)
    x = np.array([-3.0, 0.5, 2.0, 9.0])
    np.testing.assert_allclose(table.pdf(x), result.posterior.pdf(x), rtol=1e-7)
    np.testing.assert_allclose(table.sf(x), result.posterior.sf(x), atol=1e-8)
    assert table.mean() == pytest.approx(result.posterior.mean(), rel=1e-8)
    far = QuantileTable(Quantiles({0.1: 1e9, 0.5: 1e9 + 1.0, 0.9: 1e9 + 2.0}))
    assert far.mean() == pytest.approx(1e9 + 1.0, rel=1e-15)


def test_beta_transform_fitted() -> None:
    rng = np.random.default_rng(8)
    u = rng.beta(2.5, 1.3, size=400)
    a, b = fit_beta_transform(u)

    def height(a: float, b: float) -> float:
        return float(np.sum(stats.beta(a, b).logpdf(u)))

    best = height(a, b)
    for step in (1e-3, -1e-3):
        assert height(a + step, b) < best
        assert height(a, b + step) < best
        assert height(a + step, b + step) < best
    assert stats.beta.fit(u, floc=0, fscale=1)[:2] == pytest.approx((a, b), rel=1e-6)
    # Calibrated parts make a linear pool that is too wide: a, b > 1 sharpens it.
    truth = rng.normal(size=(300, 2))
    outcome = truth.sum(axis=1) + 0.5 * rng.normal(size=300)
    sd = math.sqrt(1.25)
    pits = 0.5 * (
        stats.norm.cdf(outcome, truth[:, 0], sd) + stats.norm.cdf(outcome, truth[:, 1], sd)
    )
    assert min(fit_beta_transform(pits)) > 1.0


def test_fit_of_extreme_pits() -> None:
    for pits in ([1e-12, 0.5, 1.0 - 1e-9], [0.5, 0.5 + 1e-6], [0.01, 0.02]):
        a, b = fit_beta_transform(pits)
        u = np.array(pits)

        def height(a: float, b: float, u: Any = u) -> float:
            return float(np.sum(stats.beta(a, b).logpdf(u)))

        for factor in (0.99, 1.01):
            assert height(factor * a, factor * b) < height(a, b)


# ------------------------------------------------------------------ covariance intersection


def test_covariance_intersection_with_given_weights() -> None:
    rng = np.random.default_rng(2)
    root = rng.normal(size=(3, 2, 2))
    covariances = root @ root.transpose(0, 2, 1) + 0.1 * np.eye(2)
    means, w = rng.normal(size=(3, 2)), np.array([0.5, 0.2, 0.3])
    fused = covariance_intersection(means, covariances, 2.0 * w)
    precision = sum(a * np.linalg.inv(c) for a, c in zip(w, covariances, strict=True))
    pull = sum(a * np.linalg.inv(c) @ m for a, c, m in zip(w, covariances, means, strict=True))
    np.testing.assert_allclose(fused.covariance, np.linalg.inv(precision), rtol=1e-12)
    np.testing.assert_allclose(fused.mean(), np.linalg.solve(precision, pull), rtol=1e-10)
    low, high = fused.interval(0.9)
    np.testing.assert_allclose(fused.cdf(low), 0.05, rtol=1e-12)
    np.testing.assert_allclose(fused.ppf(0.95), high, rtol=1e-12)
    np.testing.assert_allclose(fused.pdf(fused.mean()) * fused.std(), 1 / math.sqrt(2 * math.pi))


@pytest.mark.parametrize("criterion", ["trace", "determinant"])
def test_covariance_intersection_finds_the_best_weights(criterion: Any) -> None:
    rng = np.random.default_rng(4)
    root = rng.normal(size=(4, 3, 3))
    covariances = root @ root.transpose(0, 2, 1) + 0.01 * np.eye(3)
    fused = covariance_intersection(rng.normal(size=(4, 3)), covariances, criterion=criterion)

    def size(w: Any) -> float:
        c = np.linalg.inv(np.tensordot(w, np.linalg.inv(covariances), axes=1))
        return float(np.trace(c) if criterion == "trace" else np.linalg.det(c))

    best = size(fused.weights)
    for other in rng.dirichlet(np.ones(4), size=300):
        assert size(other) >= best * (1.0 - 1e-9)
        assert size(0.99 * fused.weights + 0.01 * other) >= best * (1.0 - 1e-9)


def test_covariance_intersection_of_one_quantity() -> None:
    fused = covariance_intersection([1.0, 2.0, 4.0], [2.0, 1.0, 1.0])
    assert fused.mean() == 3.0
    assert fused.covariance == 1.0
    weighted = covariance_intersection([1.0, 5.0], [1.0, 4.0], [0.5, 0.5])
    pool = logarithmic_pool([stats.norm(1.0, 1.0), stats.norm(5.0, 2.0)])
    assert weighted.interval() == pytest.approx(pool.interval(), rel=1e-12)
    assert weighted.cdf(2.0) == pytest.approx(pool.cdf(2.0), rel=1e-12)
    assert weighted.pdf(2.0) == pytest.approx(pool.pdf(2.0), rel=1e-12)


# ------------------------------------------------------------------ Cooke


@pytest.mark.parametrize("study", sorted(COOKE))
@pytest.mark.parametrize("kind", ["equal", "global0", "globalopt", "item0", "itemopt"])
def test_cooke(study: str, kind: str) -> None:
    data = COOKE[study]
    expected = data["dm"][kind]
    weights = None
    if kind.startswith("global"):
        weights = cooke_weights(data["calibration"], data["information"], cutoff=expected["alpha"])
        np.testing.assert_allclose(weights, expected["weights_global_normalised"], atol=5e-11)
    elif kind.startswith("item"):
        information = as_array(data["information_per_item"])
        weights = cooke_weights(data["calibration"], information, cutoff=expected["alpha"])
    log = np.array(data["log"])
    maker = decision_maker(
        as_array(data["assessments"]),
        data["p"],
        weights,
        realisations=as_array(data["realisations"]),
        log=log,
    )

    def on_scale(values: Any) -> Any:
        return np.where(log, np.log(np.where(log, values, 1.0)), values)

    low, high = (np.array(data["bounds"][end]) for end in ("lower", "upper"))
    width = high - low
    np.testing.assert_allclose((on_scale(maker.low) - low) / width, 0.0, atol=5e-11)
    np.testing.assert_allclose((on_scale(maker.high) - high) / width, 0.0, atol=5e-11)
    found = maker.quantiles(data["p"])
    error = (on_scale(found) - on_scale(np.array(expected["dm_quantiles"]))) / width
    np.testing.assert_allclose(error, 0.0, atol=5e-11)
    for p, row in zip(data["p"], found, strict=True):
        np.testing.assert_allclose(maker.cdf(row), p, atol=1e-9)


def test_decision_maker_by_hand() -> None:
    # Range -10 to 110. At 15: 0.5 + 5/10 * 0.45 = 0.725 and 0.05 + 5/20 * 0.45 = 0.1625.
    experts = [[[0.0], [10.0], [20.0]], [[10.0], [30.0], [100.0]]]
    maker = decision_maker(experts, [0.05, 0.5, 0.95], [3.0, 1.0])
    assert maker.cdf([15.0])[0] == pytest.approx((3 * 0.725 + 0.1625) / 4)
    assert maker.cdf([-11.0]).tolist() == [0.0]
    assert maker.cdf([200.0]).tolist() == [1.0]
    assert maker.quantiles([0.0, 1.0]).ravel().tolist() == [-10.0, 110.0]


def test_equal_quantiles_are_a_jump() -> None:
    maker = decision_maker([[[5.0], [5.0], [15.0]]], [0.05, 0.5, 0.95])
    assert maker.quantiles([0.05, 0.3, 0.5]).ravel().tolist() == [5.0, 5.0, 5.0]
    assert maker.cdf([5.0])[0] == 0.5
    assert maker.cdf([5.0 - 1e-9])[0] == pytest.approx(0.05)


def test_missing_assessments_count_for_nobody() -> None:
    nan = math.nan
    experts = np.array(
        [[[0.0, nan], [10.0, nan], [20.0, nan]], [[10.0, 1.0], [30.0, 2.0], [100.0, 3.0]]]
    )
    both = decision_maker(experts, [0.05, 0.5, 0.95])
    alone = decision_maker(experts[1:, :, 1:], [0.05, 0.5, 0.95])
    assert both.quantiles([0.3])[0, 1] == alone.quantiles([0.3])[0, 0]


EXPERTS = [[[0.0], [10.0], [20.0]], [[10.0], [30.0], [100.0]]]
P = [0.05, 0.5, 0.95]
NORMAL = stats.norm(0.0, 1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: linear_pool([]), "distributions must not be empty"),
        (lambda: linear_pool({0.1: 1.0}), "distributions must be a list"),  # type: ignore[arg-type]
        (lambda: linear_pool([NORMAL, 3.0]), "distributions[1] must be a frozen continuous"),
        (lambda: linear_pool([stats.poisson(3.0)]), "distributions[0] must be a frozen continuous"),
        (lambda: linear_pool([stats.norm([0, 1], 1)]), "the distribution of one number"),
        (lambda: linear_pool([{0.1: 1.0}]), "at least two quantiles"),
        (lambda: quantile_pool([NORMAL], [1, 2]), "got 2 weights for 1"),
        (lambda: quantile_pool([NORMAL] * 2, [2, -1]), "weights[1] must not be negative (got -1)"),
        (lambda: linear_pool([NORMAL] * 2, [0, 0]), "weights must not all be 0"),
        (lambda: linear_pool([NORMAL]).cdf("a"), "x must be a number"),
        (lambda: linear_pool([NORMAL]).interval(90), "did you mean 0.9?"),
        (
            lambda: logarithmic_pool([stats.uniform(0, 1), stats.uniform(2, 1)]),
            "no common ground",
        ),
        (lambda: logarithmic_pool([NORMAL, stats.norm(1e4, 1.0)]), "no common ground"),
        (lambda: beta_transformed_pool([NORMAL], a=0.0, b=1.0), "a must be positive"),
        (lambda: fit_beta_transform([0.5, 0.5]), "not all the same"),
        (lambda: fit_beta_transform([0.5, 1.0]), "pits[1] must lie in (0, 1) (got 1)"),
        (lambda: linear_probability([0.5, 60.0]), "p[1] must lie in [0, 1] (got 60); did you mean"),
        (lambda: linear_probability([]), "p must be a list of one or more"),
        (lambda: log_odds_probability([0.0, 1.0]), "p holds both 0 and 1"),
        (lambda: extremised_probability([0.5], factor=-1.0), "factor must be positive"),
        (lambda: beta_transformed_probability([0.5], a=1.0, b=0.0), "b must be positive"),
        (lambda: covariance_intersection([1.0], [[1.0]]), "must have the shapes"),
        (lambda: covariance_intersection([1.0], [0.0]), "covariances[0] must be positive"),
        (
            lambda: covariance_intersection([[1.0, 2.0]], [[[1.0, 2.0], [2.0, 1.0]]]),
            "covariances[0] must be symmetric and positive definite",
        ),
        (
            lambda: covariance_intersection([1.0], [1.0], criterion="size"),  # type: ignore[arg-type]
            "criterion must be 'trace' or 'determinant'",
        ),
        (lambda: cooke_weights([0.5, 2.0], [1, 1]), "calibration[1] must lie in [0, 1]"),
        (lambda: cooke_weights([0.5], [1, 1]), "must have the shapes"),
        (lambda: cooke_weights([0.5, 0.1], [1, -1]), "information[1] must be a finite number"),
        (lambda: cooke_weights([0.5], [math.nan]), "information[0] must be a finite number"),
        (lambda: cooke_weights([0.01], [1.0], cutoff=0.05), "the largest calibration is 0.01"),
        (lambda: cooke_weights([0.1], [[1.0, 0.0]]), "positive weight for item 1"),
        (lambda: decision_maker(EXPERTS, [0.5, 0.05, 0.95]), "p must be increasing"),
        (lambda: decision_maker(EXPERTS, [0.05, 0.95]), "as many as the quantiles"),
        (lambda: decision_maker(EXPERTS, P, [1.0]), "weights must have the shape (2,)"),
        (lambda: decision_maker(EXPERTS, P, [0.0, 0.0]), "item 0: no expert of positive weight"),
        (lambda: decision_maker(EXPERTS, P, log=True), "must be positive on a log scale (got 0)"),
        (lambda: decision_maker(EXPERTS, P, log=[1]), "log must be a truth value"),  # type: ignore[list-item]
        (lambda: decision_maker(EXPERTS, P, overshoot=-0.1), "overshoot must not be negative"),
        (lambda: decision_maker(EXPERTS, P, realisations=[1, 2]), "realisations must be 1 finite"),
        (lambda: decision_maker([[[1.0], [1.0], [1.0]]], P), "there is no intrinsic range"),
        (lambda: decision_maker([[[3.0], [1.0], [4.0]]], P), "expert 0, item 0: it has quantiles"),
        (lambda: decision_maker([[[3.0], [math.nan], [4.0]]], P), "misses some quantiles"),
        (lambda: decision_maker(EXPERTS, P).cdf([1.0, 2.0]), "as many as the items (got 2 for 1)"),
        (lambda: decision_maker(EXPERTS, P).quantiles([2.0]), "p[0] must lie in [0, 1]"),
    ],
)
def test_wrong_input(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ReliabilityError) as caught:
        call()
    assert message in str(caught.value)
