"""Learning: the expectation step against quadrature, recovery, invariances, what is identified."""

from __future__ import annotations

from typing import Any

import attrs
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given as drawn
from numpy.typing import NDArray
from scipy import stats

import reliability
import reliability.learning.fit as fitting
from reliability.claims.digits import rounding_units
from reliability.learning import dependence, staged
from reliability.learning.dependence import find_pairs, with_shares
from reliability.learning.error_law import ErrorLaw, Kind, Parameters
from reliability.learning.expectation import expect, summarise_quantities
from reliability.learning.fit import fit, starts
from reliability.learning.learned import Learned, learn
from reliability.learning.maximisation import Priors, solve_biases
from reliability.learning.observations import Observations, _may_be_coarse, medians
from reliability.learning.staged import finished, stages
from reliability.learning.uncertainty import uncertainty

Array = NDArray[np.float64]


def observations(
    location: Array, source: Any, starts_: Any, *, sd: Any = None, truth: Any = None, **more: Any
) -> Observations:
    """Claims as points, with stated sds."""
    count, quantities = len(location), len(starts_) - 1
    fields: dict[str, Any] = {
        "names": [f"s{i}" for i in range(int(np.max(source)) + 1)],
        "source": np.asarray(source),
        "stated": np.ones(count, dtype=bool),
        "location": np.asarray(location, dtype=np.float64),
        "sd": np.ones(count) if sd is None else np.asarray(sd, dtype=np.float64),
        "rounding": np.full(count, 1e-6),
        "starts": np.asarray(starts_),
        "truth": np.full(quantities, np.nan) if truth is None else np.asarray(truth),
        "draw": np.linspace(0.0, 0.99, quantities),
        "share": np.ones(count),
        "spread": 1.0,
    }
    return Observations(**(fields | more))


def parameters(seen: Observations, law: ErrorLaw, reliability: float = 0.7) -> Parameters:
    return Parameters(
        law,
        np.full(seen.sources, reliability if law.doubtful else 1.0),
        np.linspace(0.8, 1.5, 2 * seen.sources),
        np.linspace(-0.2, 0.3, seen.sources),
        np.zeros(seen.sources),
        np.ones(seen.quantities),
    )


# ------------------------------------------------------------------ the expectation step


def brute_force(seen: Observations, given: Parameters, grid: Array) -> dict[str, Array]:
    """Expectations of one quantity's claims by a sum over a dense grid."""
    law = given.law
    own = (given.scale[seen.group] * seen.sd) ** 2
    narrow = seen.rounding + np.where((law.kind == "exact") & ~seen.stated, 0.0, own)
    k2 = np.where((law.kind == "exact") & ~seen.stated, 1.0, law.factor**2)
    wide = seen.rounding + k2 * own
    r = given.reliability[seen.source]
    e = (seen.location - given.bias[seen.source])[:, None] - grid
    sound = r[:, None] * stats.norm.pdf(e, scale=np.sqrt(narrow)[:, None])
    t = stats.t.pdf(e, law.df, scale=np.sqrt(wide)[:, None])
    unsound = (1.0 - r[:, None]) * t
    product = np.prod(sound + unsound, axis=0)
    total = np.trapezoid(product, grid)
    posterior = product / total
    z = sound / (sound + unsound)
    u = (law.df + 1.0) / (law.df + e**2 / wide[:, None])

    def mean(values: Array) -> Array:
        return np.asarray(np.trapezoid(values * posterior, grid, axis=-1))

    h = z / narrow[:, None] + (1.0 - z) * u / wide[:, None]
    return {
        "sound": mean(z),
        "sound_square": mean(z * e**2 / narrow[:, None]),
        "unsound_square": mean((1.0 - z) * u * e**2 / wide[:, None]),
        "precision": mean(h),
        "pull": mean(h * e),
        "log_evidence": np.log(total),
        "center": mean(grid),
    }


@pytest.mark.parametrize("df", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", [Kind.MIXTURE, Kind.EXACT])
def test_expectations_are_those_of_a_dense_grid(kind: Kind, df: int) -> None:
    location = np.array([0.0, 0.4, 3.0, 0.1, 40.0])
    seen = observations(
        location,
        [0, 1, 2, 3, 4],
        [0, 5],
        stated=np.full(5, kind is Kind.MIXTURE),
        rounding=np.full(5, 0.05**2),
        sd=[1.0, 0.5, 2.0, 0.3, 1.0],
    )
    given = parameters(seen, ErrorLaw(kind, 5.0, df))
    found = expect(seen, given)
    grid = np.unique(
        np.concatenate([np.linspace(-400.0, 400.0, 200_001), np.linspace(-3.0, 6.0, 200_001)])
    )
    wanted = brute_force(seen, given, grid)
    # The nodes resolve a density to a few per cent of its width, which learning does not notice.
    assert found.log_evidence[0] == pytest.approx(wanted["log_evidence"], abs=0.05)
    assert found.center[0] == pytest.approx(wanted["center"], abs=0.05)
    for name in ("sound", "sound_square", "unsound_square"):
        assert getattr(found, name) == pytest.approx(wanted[name], abs=0.06, rel=0.06)
    scale = 1.0 / np.sqrt(wanted["precision"])
    assert found.precision == pytest.approx(wanted["precision"], rel=0.1)
    assert found.pull * scale == pytest.approx(wanted["pull"] * scale, abs=0.15)


@pytest.mark.parametrize("df", [1, 2, 3, 5, 9])
def test_a_single_peak_is_summed_to_below_a_per_cent(df: int) -> None:
    seen = observations(
        np.array([0.0, 0.9, 0.3, -0.8, -0.2, 4.0]),
        np.arange(6),
        [0, 6],
        stated=np.ones(6, dtype=bool),
        sd=[1.0, 0.8, 1.2, 0.7, 1.0, 1.0],
    )
    given = parameters(seen, ErrorLaw(Kind.MIXTURE, 8.0, df))
    found = expect(seen, given, last=expect(seen, given))
    wanted = brute_force(seen, given, np.linspace(-60.0, 60.0, 240_001))
    assert found.log_evidence[0] == pytest.approx(wanted["log_evidence"], abs=0.005)
    assert found.center[0] == pytest.approx(wanted["center"], abs=0.005)
    for name in ("sound", "sound_square", "unsound_square", "precision", "pull"):
        assert getattr(found, name) == pytest.approx(wanted[name], abs=0.01)


@pytest.mark.parametrize("claims", [9, 60])
def test_many_claims_about_a_quantity(claims: int) -> None:
    rng = np.random.default_rng(claims)
    location = rng.normal(0.0, 1.0, claims)
    location[::5] += 30.0
    seen = observations(location, np.arange(claims), [0, claims])
    given = attrs.evolve(parameters(seen, ErrorLaw(Kind.MIXTURE, 5.0, 2)), bias=np.zeros(claims))
    found = expect(seen, given)
    wanted = brute_force(seen, given, np.linspace(-40.0, 70.0, 220_001))
    assert found.center[0] == pytest.approx(wanted["center"], abs=0.01)
    assert found.sound == pytest.approx(wanted["sound"], abs=0.02)


def test_known_truths_are_taken_as_they_are() -> None:
    seen = observations(np.array([1.0, 3.0, 2.0]), [0, 1, 0], [0, 2, 3], truth=[1.5, np.nan])
    given = parameters(seen, ErrorLaw(Kind.MIXTURE, 5.0, 3))
    found = expect(seen, given)
    e = 1.5 - (seen.location - given.bias[seen.source])[:2]
    own = given.scale[seen.group][:2]
    sound = 0.7 * stats.norm.pdf(e, scale=np.sqrt(own**2 + 1e-6))
    unsound = 0.3 * stats.t.pdf(e, 3, scale=np.sqrt(25.0 * own**2 + 1e-6))
    assert found.sound[:2] == pytest.approx(sound / (sound + unsound), rel=1e-12)
    assert found.log_evidence[0] == pytest.approx(np.sum(np.log(sound + unsound)), rel=1e-12)
    assert (found.center[0], found.sd[0]) == (1.5, 0.0)


def test_normal_expectations_are_exact() -> None:
    seen = observations(np.array([1.0, 3.0, 2.0]), [0, 1, 0], [0, 2, 3], truth=[np.nan, 5.0])
    given = parameters(seen, ErrorLaw(Kind.NORMAL))
    found = expect(seen, given)
    v = given.scale[seen.group] ** 2 + seen.rounding
    y = seen.location - given.bias[seen.source]
    m = (y[0] / v[0] + y[1] / v[1]) / (1 / v[0] + 1 / v[1])
    variance = 1 / (1 / v[0] + 1 / v[1])
    assert found.center == pytest.approx([m, 5.0], rel=1e-14)
    assert found.sound_square[0] == pytest.approx(((y[0] - m) ** 2 + variance) / v[0], rel=1e-13)
    assert found.sound_square[2] == pytest.approx((y[2] - 5.0) ** 2 / v[2], rel=1e-13)
    wanted = stats.norm.logpdf(y[0] - y[1], scale=np.sqrt(v[0] + v[1]))
    assert found.log_evidence[0] == pytest.approx(wanted, rel=1e-13)
    assert found.log_evidence[1] == pytest.approx(
        stats.norm.logpdf(y[2] - 5.0, scale=np.sqrt(v[2])), rel=1e-13
    )


def test_quantiles_and_densities_of_quantities() -> None:
    seen = observations(np.array([0.0, 0.5, 8.0]), [0, 1, 2], [0, 3], sd=[1.0, 1.0, 1.0])
    given = attrs.evolve(
        parameters(seen, ErrorLaw(Kind.MIXTURE, 5.0, 2)), bias=np.zeros(3), scale=np.ones(6)
    )
    grid = np.linspace(-300.0, 300.0, 600_001)
    wanted = brute_force(seen, given, grid)
    posterior = np.exp(
        sum(
            np.log(
                0.7 * stats.norm.pdf(grid - y, scale=np.sqrt(1 + 1e-6))
                + 0.3 * stats.t.pdf(grid - y, 2, scale=5.0)
            )
            for y in seen.location
        )
        - wanted["log_evidence"]
    )
    below = np.cumsum(posterior) * (grid[1] - grid[0])
    p = np.array([0.05, 0.5, 0.95])
    found = summarise_quantities(seen, given, p, lambda x: x)
    assert found.quantiles[0] == pytest.approx(np.interp(p, below, grid), abs=0.06)


def test_medians() -> None:
    values = np.array([3.0, 1.0, 2.0, 5.0, 4.0])
    assert medians(values, np.array([0, 3, 3, 5])) == pytest.approx([2.0, np.nan, 4.5], nan_ok=True)


# ------------------------------------------------------------------ recovery


def simulated(
    seed: int,
    *,
    quantities: int = 600,
    sources: int = 12,
    each: int = 5,
    unsound: float = 0.0,
    bias: float = 0.0,
    known: int = 0,
) -> tuple[Observations, dict[str, Array]]:
    rng = np.random.default_rng(seed)
    k = np.exp(rng.normal(0.0, 0.5, sources))
    b = rng.normal(0.0, bias, sources)
    r = 1.0 - unsound * rng.uniform(0.5, 1.5, sources)
    theta = rng.normal(0.0, 10.0, quantities)
    source = np.concatenate([rng.choice(sources, each, replace=False) for _ in range(quantities)])
    quantity = np.repeat(np.arange(quantities), each)
    sound = rng.random(len(source)) < r[source]
    error = np.where(sound, rng.normal(size=len(source)), 10.0 * rng.standard_t(2, len(source)))
    truth = np.where(np.arange(quantities) < known, theta, np.nan)
    seen = observations(
        theta[quantity] + b[source] + k[source] * error,
        source,
        np.arange(0, len(source) + 1, each),
        truth=truth,
        draw=rng.random(quantities),
    )
    return seen, {"k": k, "b": b, "r": r, "theta": theta}


def covered(low: Array, high: Array, value: Array) -> float:
    return float(np.mean((low <= value) & (value <= high)))


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Kind.NORMAL, {}),
        (Kind.NORMAL, {"bias": 0.5, "known": 60}),
        (Kind.MIXTURE, {"unsound": 0.3, "bias": 0.3, "known": 60}),
    ],
)
def test_parameters_are_recovered_within_their_intervals(
    kind: Kind, settings: dict[str, Any]
) -> None:
    covers = []
    for seed in range(3):
        seen, true = simulated(seed, **settings)
        found = fit(seen, starts(seen, ErrorLaw(kind))[0])
        known = uncertainty(seen, found, 0.9, biases=True)
        quantiles = summarise_quantities(
            seen, found.parameters, np.array([0.05, 0.95]), lambda x: x, found.expectations
        ).quantiles[~seen.known]
        covers.append(
            [
                covered(known.scale.low[1::2], known.scale.high[1::2], true["k"]),
                covered(known.bias.low, known.bias.high, true["b"]),
                covered(known.reliability.low, known.reliability.high, true["r"]),
                covered(quantiles[:, 0], quantiles[:, 1], true["theta"][~seen.known]),
            ]
        )
    k, b, r, theta = np.mean(covers, axis=0)
    # 36 sources: 90 % less three standard errors of a binomial of 36 is 75 %.
    assert min(k, b, r) >= 0.75
    assert 0.86 <= theta <= 0.94


def test_normal_objective_never_falls_but_for_the_hyperparameters_grid() -> None:
    seen, _ = simulated(3, bias=0.3)
    path = np.array(fit(seen, starts(seen, ErrorLaw(Kind.NORMAL))[0]).objective)
    # Pseudo-counts are chosen from a grid and pull parameters by little near the end.
    assert np.all(np.diff(path) > -1e-4 * abs(path[-1]))
    assert path[-1] > path[0]


def test_with_all_truths_known_it_is_scoring() -> None:
    seen, _ = simulated(1, known=600, bias=0.3)
    found = fit(seen, starts(seen, ErrorLaw(Kind.NORMAL))[0], iterations=100)
    error = seen.location - seen.truth[seen.quantity]
    for i in range(seen.sources):
        own = error[seen.source == i]
        prior = found.priors.bias_variance[i]
        shrunk = own.mean() * prior / (prior + own.var() / len(own))
        assert found.parameters.bias[i] == pytest.approx(shrunk, abs=0.01)
        count = found.priors.scale_count[2 * i + 1]
        square = np.sum((own - shrunk) ** 2) + count * found.priors.scale[2 * i + 1] ** 2
        wanted = np.sqrt(square / (len(own) + count))
        assert found.parameters.scale[2 * i + 1] == pytest.approx(wanted, rel=0.01)


def test_biases_solve_the_joint_system() -> None:
    seen, _ = simulated(2, bias=1.0, known=20, quantities=80)
    given = parameters(seen, ErrorLaw(Kind.NORMAL))
    found = expect(seen, given)
    priors = attrs.evolve(
        Priors.common(starts(seen, given.law)[0][1], np.zeros(seen.sources, dtype=bool)),
        bias_variance=np.full(seen.sources, 0.5),
    )
    solved = solve_biases(seen, found, given.bias, priors)
    # The dense normal equations in locations and biases together.
    h = found.precision
    free = np.flatnonzero(~seen.known)
    place = np.full(seen.quantities, -1)
    place[free] = np.arange(len(free))
    size = len(free) + seen.sources
    matrix, right = np.zeros((size, size)), np.zeros(size)
    for c in range(seen.count):
        i, q = len(free) + seen.source[c], place[seen.quantity[c]]
        y = seen.location[c] - (0.0 if q >= 0 else seen.truth[seen.quantity[c]])
        for a in (i,) if q < 0 else (i, q):
            right[a] += h[c] * y
            for b in (i,) if q < 0 else (i, q):
                matrix[a, b] += h[c]
    for i in range(seen.sources):
        matrix[len(free) + i, len(free) + i] += 2.0
    wanted = np.linalg.solve(matrix, right)[len(free) :]
    assert solved.bias == pytest.approx(wanted, abs=1e-9)
    assert solved.variance == pytest.approx(np.diag(np.linalg.inv(matrix))[len(free) :], rel=1e-8)


def test_biases_of_many_sources_are_the_same_by_conjugate_gradients() -> None:
    seen, _ = simulated(4, quantities=500, sources=250, bias=1.0, known=5)
    given = parameters(seen, ErrorLaw(Kind.NORMAL))
    found = expect(seen, given)
    priors = Priors.common(starts(seen, given.law)[0][1], np.zeros(250, dtype=bool))
    direct = solve_biases(seen, found, given.bias, priors, variances=True)
    iterated = solve_biases(seen, found, given.bias, priors, variances=False)
    assert iterated.bias == pytest.approx(direct.bias, abs=1e-8)


# ------------------------------------------------------------------ many claims


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Kind.NORMAL, {"bias": 0.3}),
        (Kind.MIXTURE, {"unsound": 0.2}),
        (Kind.MIXTURE, {"unsound": 0.2, "bias": 0.3, "known": 200}),
    ],
)
def test_many_claims_in_stages_end_where_all_at_once_do(
    monkeypatch: pytest.MonkeyPatch, kind: Kind, settings: dict[str, Any]
) -> None:
    seen, _ = simulated(5, quantities=4000, sources=40, **settings)
    monkeypatch.setattr(staged, "_STAGES", (4000,))
    parts = stages(seen)
    assert [part.count for part in parts] == [4000, 20_000]
    first = fit(parts[0], starts(parts[0], ErrorLaw(kind))[0], iterations=60)
    found = finished(parts, first, biases=True, difficulty=False)
    assert found.converged
    assert len(found.objective) <= 7
    # From there on, iterations over all claims until they stand still.
    monkeypatch.setattr(fitting, "_TOLERANCE", 3e-5)
    last = fit(seen, (found.parameters, found.hyperparameters), priors=found.priors, iterations=80)
    known = uncertainty(seen, last, 0.9, biases=True)
    a, b = found.parameters, last.parameters
    scale = (np.log(a.scale) - np.log(b.scale))[1::2] * np.sqrt(2.0 * known.scale_count[1::2])
    bias = (a.bias - b.bias) / known.bias_sd
    off = [scale, bias]
    if kind is Kind.MIXTURE:
        r, count = b.reliability, known.reliability_count
        off.append((a.reliability - r) / np.sqrt(r * (1.0 - r) / count))
    for each in off:
        assert np.sqrt(np.mean(each**2)) < 0.05
        assert np.max(np.abs(each)) < 0.3


def test_parts_hold_equally_many_claims_of_each_source_or_all() -> None:
    rng = np.random.default_rng(2)
    source = np.where(rng.random(30_000) < 0.01, rng.integers(3, 40, 30_000), rng.integers(0, 3))
    source[:15_000] = np.where(source[:15_000] < 3, rng.integers(0, 3, 15_000), source[:15_000])
    seen = observations(
        rng.normal(size=30_000), source, np.arange(0, 30_001, 3), draw=rng.random(10_000)
    )
    part = seen.take(seen.covering(3000))
    assert 2990 <= part.count <= 3000
    rare = np.bincount(seen.source) < 30
    assert rare.any()
    whole, some = (np.bincount(each.source, minlength=40)[rare] for each in (seen, part))
    assert np.array_equal(whole, some)


def test_tables_in_stages_do_not_depend_on_the_order_of_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(staged, "_STAGES", (200,))
    table = table_of(3, bias=0.5)
    found = learn(table, law="mixture")
    assert len(found.objective) <= 8
    rng = np.random.default_rng(1)
    mixed = learn(taken(table, rng.permutation(len(table["value"]))), law="mixture")
    for name, values in by_source(found).items():
        assert by_source(mixed)[name] == pytest.approx(values, rel=1e-6, abs=1e-8)
    later = found.update(table_of(4, bias=0.5))
    assert later.source_table["n"].tolist() == [200] * 6


def test_difficulty_is_learned_in_stages_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staged, "_STAGES", (200,))
    table = table_of(6)
    hard = np.char.endswith(table["quantity"], "7")
    seen, true = simulated(6, quantities=150, sources=6, each=4, unsound=0.1)
    error = table["value"] - true["theta"][seen.quantity]
    table["value"] = true["theta"][seen.quantity] + np.where(hard, 5.0, 1.0) * error
    found = learn(table, law="normal", difficulty=True)
    assert found.quantities["n"].sum() == 600


# ------------------------------------------------------------------ learn


def table_of(seed: int = 0, *, bias: float = 0.0, unsound: float = 0.1) -> dict[str, Any]:
    seen, _ = simulated(seed, quantities=150, sources=6, each=4, bias=bias, unsound=unsound)
    return {
        "quantity": np.array([f"q{i}" for i in seen.quantity]),
        "source": np.array(seen.names)[seen.source],
        "value": seen.location,
        "sd": np.ones(seen.count),
    }


def taken(table: dict[str, Any], rows: Any) -> dict[str, Any]:
    return {name: np.asarray(values)[rows] for name, values in table.items()}


def by_source(found: Learned) -> dict[str, tuple[float, ...]]:
    return {
        name: (source.reliability or 0.0, source.overconfidence, source.bias, source.bias_sd)
        for name, source in found.sources.items()
    }


@pytest.fixture(scope="module")
def plain() -> Learned:
    return learn(table_of(), law="mixture")


def test_order_of_rows_and_names_do_not_matter(plain: Learned) -> None:
    table = table_of()
    rng = np.random.default_rng(5)
    mixed = taken(table, rng.permutation(len(table["value"])))
    mixed["source"] = np.array([f"x{name}" for name in mixed["source"]])
    found = learn(mixed, law="mixture")
    for name, values in by_source(plain).items():
        assert by_source(found)[f"x{name}"] == pytest.approx(values, rel=1e-6, abs=1e-9)
    before = dict(zip(plain.quantities["quantity"], plain.quantities["estimate"], strict=True))
    after = dict(zip(found.quantities["quantity"], found.quantities["estimate"], strict=True))
    assert after == pytest.approx(before, rel=1e-6, abs=1e-6)


def test_units_do_not_matter(plain: Learned) -> None:
    table = table_of()
    # A power of two changes no digit of the floats, and stated sds leave the rounding small.
    found = learn(
        table | {"value": 1024.0 * table["value"], "sd": 1024.0 * table["sd"]}, law="mixture"
    )
    for name, (r, k, b, sd) in by_source(plain).items():
        assert by_source(found)[name] == pytest.approx((r, k, 1024 * b, 1024 * sd), rel=1e-3)


def test_a_bias_common_to_all_is_seen_with_truths_only() -> None:
    table = table_of(bias=0.2)
    table["value"] = table["value"] + 3.0
    _, true = simulated(0, quantities=150, sources=6, each=4, bias=0.2, unsound=0.1)
    alone = learn(table, law="mixture")
    assert not alone.identified
    assert not any(alone.source_table["identified"])
    assert abs(np.mean([source.bias for source in alone.sources.values()])) < 0.5
    truths = {
        "quantity": [f"q{i}" for i in range(0, 150, 5)],
        "truth": true["theta"][::5],
    }
    found = learn(table, truths, law="mixture")
    assert found.identified
    for i, source in enumerate(found.sources.values()):
        assert source.bias == pytest.approx(3.0 + true["b"][i], abs=4.0 * source.bias_sd + 0.1)
    anchored = learn(table, law="mixture", unbiased=["s0"])
    assert anchored.identified
    assert anchored.sources["s0"].bias == pytest.approx(0.0, abs=1e-4)
    known = table_of(bias=0.2)
    known["value"] = known["value"] + 3.0
    known["bias"] = np.full(len(known["value"]), 3.0)
    stated = learn(known, law="mixture")
    estimate = dict(zip(stated.quantities["quantity"], stated.quantities["estimate"], strict=True))
    error = np.array([estimate[f"q{i}"] - true["theta"][i] for i in range(150)])
    assert abs(np.median(error)) < 0.3


def test_the_law_that_predicts_best_is_chosen() -> None:
    assert learn(table_of(unsound=0.0)).law == "normal"
    found = learn(table_of(unsound=0.3))
    assert found.law == "mixture"
    assert found.law_scores["mixture"] > found.law_scores["normal"]
    rng = np.random.default_rng(2)
    truth = np.repeat(np.round(rng.normal(100.0, 30.0, 150)), 4)
    wrong = rng.random(600) < np.tile([0.1, 0.2, 0.3, 0.5], 150)
    table = {
        "quantity": np.repeat(np.arange(150), 4),
        "source": np.tile(list("ABCD"), 150),
        "value": truth + np.where(wrong, np.round(rng.normal(0.0, 20.0, 600)), 0.0),
    }
    found = learn(table)
    assert found.law == "exact"
    learned = [source.reliability for source in found.sources.values()]
    assert learned == pytest.approx([0.9, 0.8, 0.7, 0.5], abs=0.12)
    assert np.mean(np.abs(found.quantities["estimate"] - truth[::4]) < 0.5) > 0.9


def test_copying_sources_are_found_and_independent_ones_are_not() -> None:
    rng = np.random.default_rng(4)
    quantities, sources = 300, 8
    truth = np.round(rng.normal(0.0, 100.0, quantities))
    values = np.tile(truth, (sources, 1))
    wrong = rng.random(values.shape) < 0.25
    values = np.where(wrong, values + np.round(rng.normal(0.0, 40.0, values.shape)), values)
    values[7] = np.where(rng.random(quantities) < 0.9, values[6], values[7])
    values = np.where(values == 0.0, 1.0, values)
    table = {
        "quantity": np.tile(np.arange(quantities), sources),
        "source": np.repeat([f"s{i}" for i in range(sources)], quantities),
        "value": values.ravel(),
    }
    found = learn(table, law="exact")
    assert found.dependence[("s6", "s7")] > 0.6
    others = {pair: value for pair, value in found.dependence.items() if pair != ("s6", "s7")}
    assert all(value < 0.3 for value in others.values())
    assert len(others) <= 3
    pairs = found.dependence_table
    assert len(pairs["source_1"]) == 28


def test_correlated_errors_are_found() -> None:
    rng = np.random.default_rng(6)
    common = rng.normal(size=400)
    errors = rng.normal(size=(6, 400))
    errors[4] = 0.6 * errors[4] + 0.8 * common
    errors[5] = 0.6 * errors[5] + 0.8 * common
    truth = rng.normal(0.0, 10.0, 400)
    table = {
        "quantity": np.tile(np.arange(400), 6),
        "source": np.repeat([f"s{i}" for i in range(6)], 400),
        "value": (truth + errors).ravel(),
        "sd": np.ones(2400),
    }
    found = learn(table, law="normal")
    assert 0.3 < found.dependence[("s4", "s5")] < 0.9
    assert set(found.dependence) == {("s4", "s5")}


def test_dependence_is_learned_from_truths() -> None:
    rng = np.random.default_rng(8)
    theta = rng.normal(0.0, 10.0, 200)
    shared = rng.normal(0.0, 1.0, 200)
    values = theta + shared + rng.normal(0.0, 1.0, (6, 200))
    table = {
        "quantity": np.tile(np.arange(200), 6),
        "source": np.repeat(list("ABCDEF"), 200),
        "value": values.ravel(),
        "sd": np.full(1200, np.sqrt(2.0)),
    }
    truths = {"quantity": np.arange(100), "truth": theta[:100]}
    found = learn(table, truths, law="normal", level=0.9)
    # Errors correlate 1/2; the mean of six has the variance 7/12 of one, shares of rho = 1/2 too.
    assert 0.3 <= found.dependence_between <= 0.8
    rest = found.quantities["quantity"] >= 100
    low, high = found.quantities["low"][rest], found.quantities["high"][rest]
    assert 0.8 <= covered(low, high, theta[100:]) <= 0.98
    assert learn(table, law="normal", dependence=0.0).dependence_between == 0.0
    assert learn(table, law="normal").dependence_between == 0.4


def test_few_claims_are_drawn_towards_the_others() -> None:
    table = table_of(unsound=0.2)
    few = {
        "quantity": np.array(["q0", "q1"]),
        "source": np.array(["new", "new"]),
        "value": np.array([500.0, -500.0]),
        "sd": np.array([1.0, 1.0]),
    }
    both = {name: np.concatenate([table[name], few[name]]) for name in table}
    found = learn(both, law="mixture")
    new = found.sources["new"]
    others = [source for name, source in found.sources.items() if name != "new"]
    # Two claims hundreds of sds off: far larger errors than stated, of a source like the others.
    assert new.overconfidence > 10.0 * max(source.overconfidence for source in others)
    assert new.reliability == pytest.approx(
        np.mean([source.reliability for source in others]), abs=0.2
    )
    table = found.source_table
    place = table["source"].tolist().index("new")
    width = np.log(table["overconfidence_high"] / table["overconfidence_low"])
    assert width[place] == max(width)


def test_sources_and_quantities_with_one_claim() -> None:
    table = table_of()
    more = {
        "quantity": np.array(["alone"]),
        "source": np.array(["once"]),
        "value": np.array([7.0]),
        "sd": np.array([2.0]),
    }
    found = learn({name: np.concatenate([table[name], more[name]]) for name in table})
    row = found.source_table["source"].tolist().index("once")
    assert found.source_table["n"][row] == 1
    assert found.source_table["compared"][row] == 0
    at = found.quantities["quantity"].tolist().index("alone")
    assert found.quantities["estimate"][at] == pytest.approx(7.0, abs=0.5)


def test_moments_that_do_not_exist() -> None:
    rng = np.random.default_rng(0)
    table = table_of(unsound=0.3)
    found = learn(
        table
        | {"value": np.exp(0.01 * table["value"]), "sd": None}
        | {"value": np.exp(0.1 * rng.normal(size=600)), "sd": np.full(600, 0.1)},
        scale="log",
        law="mixture",
    )
    assert np.all(np.isinf(found.quantities["sd"]))
    one = {name: values[:600] for name, values in table.items()}
    one["quantity"] = np.array([*one["quantity"][:-1], "alone"])
    result = learn(one, law="mixture").quantities
    assert (
        np.isinf(result["sd"][result["n"] == 1]).all()
        or np.isnan(result["mean"][result["n"] == 1]).all()
    )


def test_learned_sources_are_used_by_combine(plain: Learned) -> None:
    result = plain.combine([("s0", 3.0), ("somebody else", 4.0)])
    assert isinstance(result, reliability.Combination)
    assert result.claims[0].claim.source == plain.sources["s0"]


def test_truths_without_claims_are_counted() -> None:
    table = table_of()
    truths = {"quantity": ["q0", "q1", "elsewhere"], "truth": [1.0, 2.0, 3.0]}
    found = learn(table, truths)
    assert found.unused == 1
    at = found.quantities["quantity"].tolist().index("q0")
    assert found.quantities["estimate"][at] == found.quantities["truth"][at] == 1.0
    assert found.quantities["low"][at] == found.quantities["high"][at] == 1.0


def test_zeros_are_values_like_others() -> None:
    rng = np.random.default_rng(1)
    truth = np.repeat(np.arange(-60.0, 60.0), 3)
    value = truth + np.where(rng.random(360) < 0.3, np.round(rng.normal(0.0, 9.0, 360)), 0.0)
    table = {
        "quantity": np.repeat(np.arange(120), 3),
        "source": np.tile(list("ABC"), 120),
        "value": value,
    }
    found = learn(table, law="exact")
    assert found.quantities["estimate"][60] == pytest.approx(0.0, abs=0.5)
    assert found.source_table["n"].tolist() == [120, 120, 120]


def test_the_mixture_learned_is_a_model_of_combine(plain: Learned) -> None:
    model = plain.model
    assert isinstance(model.unsound, reliability.Heavy)
    assert model.dependence == 0.4
    claims = [("s0", reliability.Estimate(1.0, sd=1.0)), ("s1", reliability.Estimate(2.0, sd=1.0))]
    result = plain.combine(claims)
    assert isinstance(result, reliability.Combination)
    seen = observations(
        np.array([1.0, 2.0]) - np.array([plain.sources[s].bias for s in ("s0", "s1")]),
        [0, 1],
        [0, 2],
        rounding=np.full(2, 1e-12),
    )
    own = [plain.sources[s] for s in ("s0", "s1")]
    law = ErrorLaw(Kind.MIXTURE, model.unsound.factor, int(model.unsound.df))
    given = Parameters(
        law,
        np.array([source.reliability for source in own], dtype=np.float64),
        np.repeat([source.overconfidence for source in own], 2),
        np.zeros(2),
        np.array([source.bias_sd**2 for source in own]),
        np.ones(1),
    )
    share = np.full(2, 1.0 / 1.4)
    p = np.array([0.16, 0.5, 0.84])
    shared = attrs.evolve(seen, share=share)
    here = summarise_quantities(shared, given, p, lambda x: x).quantiles[0]
    assert here == pytest.approx(np.asarray(result.posterior.ppf(p)), abs=0.06)


def test_copies_do_not_ruin_the_rest() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(0.0, 10.0, 300)
    values = truth + rng.normal(0.0, 1.0, (4, 300))
    values[1] = values[0] + rng.normal(0.0, 0.1, 300)
    table = {
        "quantity": np.tile(np.arange(300), 4),
        "source": np.repeat(list("ABCD"), 300),
        "value": values.ravel(),
        "sd": np.ones(1200),
    }
    found = learn(table, law="normal", level=0.9, dependence=0.0)
    assert found.dependence[("A", "B")] > 0.9
    assert [source.overconfidence for source in found.sources.values()] == pytest.approx(
        [1.0] * 4, rel=0.2
    )
    assert covered(found.quantities["low"], found.quantities["high"], truth) > 0.84


def test_bare_values_of_all_digits_are_learned_from() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(0.0, 10.0, 300)
    sds = np.array([0.5, 1.0, 1.0, 2.0, 2.0])
    errors = rng.normal(0.0, 1.0, (5, 300)) * sds[:, None]
    table = {
        "quantity": np.tile(np.arange(300), 5),
        "source": np.repeat(list("ABCDE"), 300),
        "value": (truth + errors).ravel(),
    }
    found = learn(table, law="normal", dependence=0.0)
    assert found.source_table["n"].tolist() == [300] * 5
    assert found.source_table["error_sd"] == pytest.approx(sds, rel=0.15)
    shares = {
        "quantity": [1, 1, 2, 2, 3, 3],
        "source": list("ABABAB"),
        "value": rng.uniform(0.1, 0.9, 6),
    }
    learn(shares, scale="logit", law="normal")


def test_sources_that_share_few_quantities_are_not_taken_for_copies() -> None:
    seen, _ = simulated(9, quantities=3000, sources=120, each=4, unsound=0.3)
    pairs = find_pairs(seen, starts(seen, ErrorLaw(Kind.NORMAL))[0][0])
    assert np.median(pairs.shared) < 20
    # 5 % of the pairs that are called dependent are expected not to be: of none, none.
    assert np.count_nonzero(pairs.dependence) <= 2
    assert with_shares(seen, pairs) is None


def test_differences_of_very_many_sources_are_fitted_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen, _ = simulated(9, quantities=1000, sources=30, each=4, unsound=0.1)
    given = starts(seen, ErrorLaw(Kind.NORMAL))[0][0]
    direct = find_pairs(seen, given)
    monkeypatch.setattr(dependence, "DENSE", 0)
    iterated = find_pairs(seen, given)
    assert iterated.correlation == pytest.approx(direct.correlation, abs=1e-6)


@drawn(
    st.integers(1, 99_999),
    st.integers(-4, 6),
    st.floats(1e-9, 1e3, allow_nan=False),
)
def test_values_are_passed_over_only_where_their_digits_are_finer(
    whole: int, power: int, least: float
) -> None:
    value = np.array([float(f"{whole}e{power}")])
    if rounding_units(value)[0] > least:
        assert _may_be_coarse(value, np.array([least]))[0]
    assert not _may_be_coarse(np.array([np.pi * 100.0]), np.array([0.01]))[0]


def test_the_best_sources_are_not_taken_for_copies() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(0.0, 10.0, 300)
    errors = rng.normal(0.0, 1.0, (4, 300)) * np.array([[1.0], [1.0], [5.0], [5.0]])
    table = {
        "quantity": np.tile(np.arange(300), 4),
        "source": np.repeat(list("ABCD"), 300),
        "value": (truth + errors).ravel(),
        "sd": np.ones(1200),
    }
    found = learn(table, law="normal")
    assert found.dependence == {}
    assert [source.overconfidence for source in found.sources.values()] == pytest.approx(
        [1.0, 1.0, 5.0, 5.0], rel=0.2
    )
    two = {name: values[:600] for name, values in table.items()}
    assert learn(two, law="normal").dependence == {}
