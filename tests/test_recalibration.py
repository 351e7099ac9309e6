"""recalibration: laws recovered, drawn to each other, and applied; bad input with its message."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import betaincinv, log_ndtr, ndtr, ndtri, ndtri_exp

from reliability import Model, ReliabilityError, Source, combine_many
from reliability.claims.columns import Form, columns_from_rows
from reliability.errors import InvalidValueError
from reliability.learning.beta_laws import LOG_TAIL, Outcomes, beta_scores, fit_laws
from reliability.learning.recalibration import PROBABILITIES, Recalibration, recalibration
from reliability.scales import get_scale
from reliability.scores.stated import StatedDistributions
from reliability.tables.rows import rows_from_table

Array = NDArray[np.float64]
ZS = {0.05: ndtri(0.05), 0.25: ndtri(0.25), 0.5: 0.0, 0.75: ndtri(0.75), 0.95: ndtri(0.95)}


def record(
    laws: dict[str, tuple[float, float]], counts: list[int], seed: int, form: str = "sd"
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Table and truths: sources whose transforms have the given laws."""
    rng = np.random.default_rng(seed)
    source = np.repeat(list(laws), counts)
    a, b = np.array([laws[name] for name in source]).T
    n = len(source)
    truth, sd = rng.normal(100.0, 20.0, n), rng.uniform(0.5, 3.0, n)
    u = rng.beta(a, b)
    value = truth - sd * ndtri(np.clip(u, 1e-300, 1.0 - 1e-16))
    table: dict[str, Any] = {"quantity": [f"q{k}" for k in range(n)], "source": source}
    if form == "sd":
        table |= {"value": value, "sd": sd}
    elif form == "interval":
        table |= {"low": value + ZS[0.05] * sd, "high": value + ZS[0.95] * sd, "level": [0.9] * n}
    else:
        table |= {f"q{p:g}": value + z * sd for p, z in ZS.items()}
    return table, {"quantity": table["quantity"], "truth": truth}


# --- laws -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["sd", "interval", "quantiles"])
@pytest.mark.parametrize(
    "law", [(1.0, 1.0), (0.283, 0.240), (0.753, 0.505), (2.5, 1.5), (0.4, 6.0)]
)
def test_laws_are_recovered(form: str, law: tuple[float, float]) -> None:
    """Within four standard errors, which are a few per cent."""
    found = recalibration(*record({"s": law}, [4000], 1, form))
    errors = np.sqrt(np.diagonal(found._laws.covariance, axis1=1, axis2=2))[0]
    assert np.all(errors < 0.05)
    off = np.log([found.a[0], found.b[0]]) - np.log(law)
    assert np.all(np.abs(off) < 4.0 * errors)
    assert found.pooled == pytest.approx((found.a[0], found.b[0]), rel=1e-2)


def test_intervals_hold_the_law() -> None:
    """Of 300 sources with laws around a centre, 95 % intervals hold 95 %."""
    rng = np.random.default_rng(5)
    log_ab = rng.multivariate_normal([-0.6, -0.4], [[0.16, 0.1], [0.1, 0.2]], 300)
    laws = {f"s{k}": (float(a), float(b)) for k, (a, b) in enumerate(np.exp(log_ab))}
    found = recalibration(*record(laws, rng.integers(2, 60, 300).tolist(), 2))
    assert found.converged
    for k, name in enumerate("ab"):
        true = np.exp(log_ab[:, k])
        inside = (found.table[f"{name}_low"] < true) & (true < found.table[f"{name}_high"])
        assert 0.91 < inside.mean() < 0.985  # three standard errors of a share of 300 are 0.038
    assert np.log(found.centre) == pytest.approx([-0.6, -0.4], abs=0.12)
    assert np.diag(found.spread) == pytest.approx([0.16, 0.2], abs=0.1)


def test_few_outcomes_are_drawn_to_the_others_and_many_are_not() -> None:
    laws = {f"s{k}": (1.0, 1.0) for k in range(30)} | {"few": (0.1, 0.1), "many": (0.3, 0.3)}
    found = recalibration(*record(laws, [200] * 30 + [3, 3000], 3))
    by_name = dict(zip(found.sources, np.log(found.a), strict=True))
    centre = np.log(found.centre[0])
    alone = recalibration(*record({"few": (0.1, 0.1)}, [3], 4))
    assert abs(by_name["few"] - centre) < abs(np.log(0.1) - centre)
    assert by_name["many"] == pytest.approx(np.log(0.3), abs=0.1)
    wide, narrow = (
        float((found.table["a_high"] / found.table["a_low"])[found.sources.index(name)])
        for name in ("few", "many")
    )
    assert wide > 2.0 * narrow
    assert alone.table["a_high"][0] / alone.table["a_low"][0] > wide


def test_a_mode_is_a_mode() -> None:
    """Of the log posterior written out here, with the exact law of outcomes beyond the tails."""
    rng = np.random.default_rng(7)
    from scipy.special import betainc, betaln

    z = rng.normal(0.3, 1.8, 60)
    laws = fit_laws(Outcomes.of(z, np.repeat([0, 1, 2], 20), 3))
    precision = np.linalg.inv(laws.spread)

    def log_posterior(log_ab: Array, own: Array) -> float:
        a, b = np.exp(log_ab)
        tail = np.exp(LOG_TAIL)
        u = ndtr(own)
        inside = (u > tail) & (u < 1.0 - tail)
        total = np.sum((a - 1) * np.log(u) + (b - 1) * log_ndtr(-own) - betaln(a, b), where=inside)
        total += np.sum(u <= tail) * np.log(betainc(a, b, tail))
        total += np.sum(u >= 1.0 - tail) * np.log(betainc(b, a, tail))
        off = log_ab - laws.centre
        return float(total - 0.5 * off @ precision @ off)

    for s in range(3):
        own, mode = z[20 * s : 20 * s + 20], laws.log_ab[s]
        best = log_posterior(mode, own)
        for step in 0.05 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [1, 1], [-1, -1], [1, -1]]):
            # e^a/(a B) for I_e(a, b) is right to b e = 0.001: less than these steps lose.
            assert log_posterior(mode + step, own) < best


@pytest.mark.parametrize("z", [0.0, 50.0, -1e200])
def test_outcomes_that_no_law_fits(z: float) -> None:
    """All at the median, all beyond one tail: at the limits, finite."""
    found = fit_laws(Outcomes.of(np.full(1000, z), np.zeros(1000, dtype=np.int64), 1))
    assert np.all(np.isfinite(found.log_ab))
    assert np.all(np.isfinite(found.covariance))
    a, b = np.exp(found.log_ab[0])
    assert (a > 100.0 and b > 100.0) if z == 0.0 else (a > 10.0 * b if z > 0.0 else b > 10.0 * a)
    assert found.converged


@given(
    st.floats(0.02, 50.0), st.floats(0.02, 50.0), st.lists(st.floats(1e-6, 1 - 1e-6), min_size=1)
)
def test_scores_are_beta_quantiles(a: float, b: float, p: list[float]) -> None:
    levels = np.sort(np.array(p))
    z = beta_scores(levels, np.log([a]), np.log([b]))
    assert np.all(np.diff(z) >= 0.0)
    # The mirror image, with the digits that 1 - p has.
    mirrored = -beta_scores(1.0 - levels, np.log([b]), np.log([a]))
    assert z == pytest.approx(mirrored, rel=1e-8, abs=1e-8)
    inner = np.abs(z) < 5.0
    assert ndtr(z[inner]) == pytest.approx(betaincinv(a, b, levels)[inner], rel=1e-9)


def test_scores_far_out_keep_their_digits() -> None:
    """Where u underflows: ``log u = (log p + log(a B(a, b)))/a``, here with b = 1, a B = 1."""
    z = beta_scores(np.array([0.01, 0.1]), np.log([0.002]), np.zeros(1))
    assert z == pytest.approx(ndtri_exp(np.log([0.01, 0.1]) / 0.002), rel=1e-12)


# --- stated distributions -------------------------------------------------------------------------

STATEMENTS = (
    "12,000 +- 900",
    "12,000 (9,000 to 14,000, 90%)",
    "10,000 to 15,000",
    "12,000",
    "more than 12,000",
    "up to 12,000",
)


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_scores_of_statements(statement: str, scale: Any) -> None:
    """By the engine's distribution function, by the density's slope, and there and back."""
    found = rows_from_table({"quantity": ["a"], "source": ["s"], "statement": [statement]})
    columns, _ = columns_from_rows(found.rows, get_scale(scale), 0.05)
    stated = StatedDistributions.of(columns, np.array([0]))
    z = np.linspace(-5.0, 5.0, 41)
    d = stated.at_scores(z)
    assert np.all(np.diff(d) > 0.0)
    assert stated.scores(d)[0] == pytest.approx(z, abs=1e-9)
    # The engine gives the probability above, whose digits are absolute.
    assert stated.above(d)[0] == pytest.approx(ndtr(-z), abs=1e-13)
    far = np.array([-40.0, -12.0, 12.0, 40.0])
    out = stated.at_scores(far)
    assert stated.scores(out)[0] == pytest.approx(far, rel=1e-9)
    step = 1e-5 * np.abs(out)
    slope = log_ndtr(-np.abs(stated.scores(out + step))) - log_ndtr(
        -np.abs(stated.scores(out - step))
    )
    # d log tail/dx is the density over the tail.
    expected = np.exp(stated.log_density(out) - log_ndtr(-np.abs(far))) * np.array([1, 1, -1, -1])
    assert slope[0] / (2.0 * step[0]) == pytest.approx(expected[0], rel=1e-4)


def test_a_bound_has_an_exponential_tail() -> None:
    found = rows_from_table({"quantity": ["a"], "source": ["s"], "statement": ["more than 12,000"]})
    columns, _ = columns_from_rows(found.rows, get_scale("linear"), 0.05)
    assert columns.form[0] == Form.BOUND_WITH_EXCESS
    stated = StatedDistributions.of(columns, np.array([0]))
    d = np.array([[1e6, 2e6]])
    tail = log_ndtr(-stated.scores(d))[0]
    assert tail[1] - tail[0] == pytest.approx(-1e6 / columns.excess[0], rel=1e-9)


# --- invariances ----------------------------------------------------------------------------------


def same(one: Recalibration, other: Recalibration, rel: float = 1e-7) -> None:
    names = list(one.sources)
    order = [list(other.sources).index(name) for name in names]
    assert other.a[order] == pytest.approx(one.a, rel=rel)
    assert other.b[order] == pytest.approx(one.b, rel=rel)
    assert other.centre == pytest.approx(one.centre, rel=rel)


LAWS = {"x": (0.5, 0.7), "y": (1.0, 1.0), "z": (2.0, 1.0)}


@settings(max_examples=20)  # each learns three times
@given(st.integers(0, 2**32), st.sampled_from(["sd", "interval", "quantiles"]))
def test_order_of_rows_and_names_do_not_matter(seed: int, form: str) -> None:
    table, truths = record(LAWS, [20, 5, 9], 11, form)
    one = recalibration(table, truths)
    order = np.random.default_rng(seed).permutation(34)
    new = {"x": "third", "y": "first", "z": "second"}
    shuffled = {name: np.array(column)[order] for name, column in table.items()}
    same(one, recalibration(shuffled, truths))
    renamed = shuffled | {"source": [new[name] for name in shuffled["source"].tolist()]}
    again = recalibration(renamed, truths)
    assert dict(zip(again.sources, again.a, strict=True)) == pytest.approx(
        {new[name]: a for name, a in zip(one.sources, one.a, strict=True)}, rel=1e-7
    )


@settings(max_examples=20)  # each learns twice
@given(st.floats(1e-6, 1e6), st.floats(-1e3, 1e3), st.sampled_from(["sd", "interval", "quantiles"]))
def test_units_do_not_matter(unit: float, origin: float, form: str) -> None:
    table, truths = record(LAWS, [20, 5, 9], 11, form)
    lengths = {"sd"}
    kept = {"quantity", "source", "level"}
    other = {
        name: column
        if name in kept
        else unit * np.asarray(column) + (0.0 if name in lengths else unit * origin)
        for name, column in table.items()
    }
    moved = {"quantity": truths["quantity"], "truth": unit * (truths["truth"] + origin)}
    one, two = recalibration(table, truths), recalibration(other, moved)
    same(one, two, rel=1e-6)
    new, expected = two.apply(other), one.apply(table)
    for p in PROBABILITIES:
        q = f"q{p:g}"
        assert new[q] / unit - origin == pytest.approx(expected[q], rel=1e-6, abs=1e-6)


def test_kinds_of_tables_agree() -> None:
    pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
    table, truths = record(LAWS, [20, 5, 9], 11, "interval")
    one = recalibration(table, truths)
    expected = one.apply(table)
    for frame in (pd.DataFrame, pl.DataFrame):
        other = recalibration(frame(table), frame(truths))
        assert isinstance(other.table, frame)
        same(one, other)
        new = other.apply(frame(table))
        assert isinstance(new, frame)
        assert list(new.columns) == list(expected)
        assert new["q0.975"].to_numpy() == pytest.approx(expected["q0.975"], rel=1e-12)
        assert (
            new["source"].to_list() == table["source"].tolist() if frame is pl.DataFrame else True
        )


# --- what is applied ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["sd", "interval", "quantiles"])
def test_calibrated_sources_stay(form: str) -> None:
    table, truths = record({"s": (1.0, 1.0)}, [5000], 13, form)
    found = recalibration(table, truths)
    assert [found.a[0], found.b[0]] == pytest.approx([1.0, 1.0], abs=0.08)
    new = found.apply(table)
    raw = uncorrected(found, table)
    width = raw["q0.975"] - raw["q0.025"]
    for p in PROBABILITIES:
        q = f"q{p:g}"
        assert np.max(np.abs(new[q] - raw[q]) / width) < 0.04


def uncorrected(found: Recalibration, table: dict[str, Any], **options: Any) -> dict[str, Any]:
    """What ``apply`` makes of a table if every source is calibrated."""
    import attrs

    laws = found._laws
    plain = attrs.evolve(laws, log_ab=np.zeros_like(laws.log_ab), centre=np.zeros(2))
    new: dict[str, Any] = attrs.evolve(found, laws=plain).apply(table, **options)
    return new


def test_the_calibrated_law_changes_nothing() -> None:
    for form in ("sd", "interval", "quantiles"):
        table, truths = record(LAWS, [20, 5, 9], 11, form)
        new = uncorrected(recalibration(table, truths), table, probabilities=list(ZS))
        stated, _ = record(LAWS, [20, 5, 9], 11, "quantiles")
        for p in ZS:
            assert new[f"q{p:g}"] == pytest.approx(stated[f"q{p:g}"], rel=1e-12)


@pytest.mark.parametrize("form", ["sd", "interval", "quantiles"])
def test_coverage_of_later_claims_is_at_its_level(form: str) -> None:
    laws = {"bold": (0.35, 0.35), "low": (1.2, 0.4), "timid": (3.0, 3.0), "honest": (1.0, 1.0)}
    counts = [1500] * 4
    found = recalibration(*record(laws, counts, 17, form))
    table, truths = record(laws, counts, 18, form)
    new = found.apply(table)
    truth = truths["truth"]
    source = table["source"]
    for low, high in ((0.025, 0.975), (0.05, 0.95), (0.25, 0.75)):
        inside = (new[f"q{low:g}"] <= truth) & (truth <= new[f"q{high:g}"])
        level = high - low
        for name in laws:
            own = inside[source == name].mean()
            # Four standard errors: of 1500 later claims, and the law is from 1500 former ones.
            assert abs(own - level) < 4.0 * np.sqrt(2.0 * level * (1.0 - level) / 1500.0)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.floats(-50.0, 50.0)),
        min_size=1,
        max_size=20,
    )
)
def test_quantiles_increase(claims: list[tuple[float, float, float]]) -> None:
    value, sd, z = np.array(claims).T
    table = {
        "quantity": np.arange(len(z)),
        "source": [f"s{k % 3}" for k in range(len(z))],
        "value": value,
        "sd": sd,
    }
    found = recalibration(table, {"quantity": np.arange(len(z)), "truth": value + z * sd})
    new = found.apply(table)
    quantiles = np.array([new[f"q{p:g}"] for p in PROBABILITIES])
    assert np.all(np.diff(quantiles, axis=0) > 0.0)
    assert len(combine_many(new, model=Model.common_effect())["quantity"]) == len(z)


def test_unknown_sources_are_taken_as_the_one_in_the_middle() -> None:
    found = recalibration(*record({"x": (0.3, 0.4), "y": (0.5, 0.4)}, [500, 500], 19))
    new = found.apply(
        {"quantity": ["a"], "source": ["nobody"], "value": [0.0], "sd": [1.0]},
        probabilities=[0.1, 0.9],
    )
    u = betaincinv(*found.centre, [0.1, 0.9])
    assert [new["q0.1"][0], new["q0.9"][0]] == pytest.approx(ndtri(u), rel=1e-9)
    direct = found.quantiles("nobody", [0.1, 0.9], ndtri)
    assert direct == pytest.approx(ndtri(u), rel=1e-9)
    precise = found.quantiles("nobody", [0.1, 0.9], ndtri, isf=lambda u: -ndtri(u))
    assert precise == pytest.approx(direct, rel=1e-9)


def test_rows_that_state_no_distribution_stay() -> None:
    table, truths = record({"x": (0.3, 0.4)}, [50], 23)
    found = recalibration(table, truths)
    mixed = {
        "quantity": ["a", "a", "b", "b"],
        "source": ["x", "y", "x", "z"],
        "statement": [None, "more than 12", None, "about 40"],
        "value": [10.0, None, 38.0, None],
        "sd": [1.0, None, 2.0, None],
        "origin": ["one", "two", None, "four"],
        "reliability": [0.9, 0.8, 0.9, None],
    }
    new = found.apply(mixed, probabilities=[0.05, 0.5, 0.95])
    assert list(new) == [
        "quantity", "source", "statement", "origin", "reliability", "q0.05", "q0.5", "q0.95",
    ]  # fmt: skip
    assert new["statement"].tolist() == [None, "more than 12", None, "about 40"]
    assert np.isnan(new["q0.5"]).tolist() == [False, True, False, True]
    assert new["origin"].tolist() == mixed["origin"]
    assert combine_many(new)["n"].tolist() == [2, 2]
    bare = found.apply(
        {"quantity": ["a", "a"], "source": ["x", "y"], "value": [5.0, 7.0], "sd": [None, 1.0]}
    )
    assert bare["value"][0] == 5.0
    assert np.isnan(bare["value"][1])
    assert "sd" not in bare


def test_known_biases_are_corrected_first_and_once() -> None:
    table, truths = record({"x": (0.6, 0.6)}, [300], 29)
    biased = table | {
        "value": table["value"] + 7.0,
        "bias": [7.0] * 300,
        "overconfidence": [2.0] * 300,
        "sd": table["sd"] / 2.0,
    }
    one, two = recalibration(table, truths), recalibration(biased, truths)
    same(one, two)
    new = two.apply(biased)
    assert set(new) == set(one.apply(table))
    assert new["q0.9"] == pytest.approx(one.apply(table)["q0.9"], rel=1e-9)
    stated = {
        name: column for name, column in biased.items() if name not in ("bias", "overconfidence")
    }
    three = recalibration(stated, truths, sources=[Source("x", bias=7.0, overconfidence=2.0)])
    same(one, three)
    assert three.apply(stated)["q0.9"] == pytest.approx(new["q0.9"], rel=1e-12)


def test_counts() -> None:
    table = {
        "quantity": ["a", "b", "c", "a", "a", "b"],
        "source": ["X", "X", "X", "Y", "Z", "X"],
        "statement": ["1 +- 1", "2 +- 1", "3 +- 1", "more than 4", "5 to 7", "2"],
    }
    truths = {"quantity": ["a", "b", "nobody's"], "truth": [1.5, 2.0, 3.0]}
    found = recalibration(table, truths)
    assert found.table["source"].tolist() == ["X", "Y", "Z"]
    assert found.table["n"].tolist() == [2, 0, 1]
    assert found.table["unscored"].tolist() == [2, 1, 0]
    assert found.unused == 1
    assert (found.a[1], found.b[1]) == pytest.approx(found.centre)


# --- bad input ------------------------------------------------------------------------------------

GOOD: dict[str, Any] = {
    "quantity": ["a", "b"],
    "source": ["s", "s"],
    "value": [1.0, 2.0],
    "sd": [1.0, 1.0],
}
TRUTHS: dict[str, Any] = {"quantity": ["a", "b"], "truth": [1.0, 2.5]}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: recalibration(GOOD, {"quantity": ["A", "B"], "truth": [1.0, 2.0]}), "truths: none is about a quantity with a row .*; known: A, B; the names"),
        (lambda: recalibration({"quantity": ["a"], "source": ["s"], "value": [1.0]}, TRUTHS), "no row states a distribution; give quantiles"),
        (lambda: recalibration(GOOD, TRUTHS, level=95), r"level must lie in \(0, 1\); did you mean 0.95\?"),
        (lambda: recalibration(GOOD, TRUTHS, scale="cubic"), "scale must be one of"),  # type: ignore[arg-type]
        (lambda: recalibration(GOOD | {"sd": [1.0, -1.0]}, TRUTHS), "row 2, sd: must be above 0"),
        (lambda: recalibration(GOOD | {"value": [1.0, -2.0]}, TRUTHS, scale="log"), "row 2, value: .*impossible on the log scale"),
        (lambda: recalibration(GOOD, {"quantity": ["a"], "truth": [-1.0]}, scale="log"), "truths, quantity 'a': truth=-1 is impossible on the log"),
        (lambda: recalibration(GOOD, {"quantity": ["a"]}), "the column 'truth' is missing"),
        (lambda: recalibration(GOOD, TRUTHS, on_error="skip"), "on_error must be 'raise' or 'collect'"),  # type: ignore[arg-type]
        (lambda: recalibration(GOOD, TRUTHS).apply(GOOD, probabilities=[0.5, 0.2]), r"levels\[.*must exceed"),
        (lambda: recalibration(GOOD, TRUTHS).apply(GOOD, probabilities=[0.5, 50.0]), r"must lie in \(0, 1\)"),
        (lambda: recalibration(GOOD, TRUTHS).apply(GOOD | {"value": [1.0, 1e15], "sd": [1.0, 0.2]}), "table, row 2, source: .*cannot be told apart"),
        (lambda: recalibration(GOOD, TRUTHS).apply(GOOD | {"sd": [1.0, None], "bias": [2.0, 2.0]}), "row 2, source: states a bias .* apply to the other rows"),
        (lambda: recalibration(GOOD, TRUTHS).quantiles("s", [0.1, 0.9], lambda u: 0.0 * u), "source 's': .*not finite and increasing"),
        (lambda: recalibration(GOOD, TRUTHS).quantiles("s", [0.1, 0.9], lambda u: 0.5), "ppf must give one quantile per probability"),
        (lambda: recalibration(GOOD, TRUTHS).quantiles(3, [0.1, 0.9], ndtri), "source must be the name"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_bad_input_is_named(call: Any, message: str) -> None:
    with pytest.raises(ReliabilityError, match=message):
        call()


def test_bad_rows_are_collected() -> None:
    table = GOOD | {"sd": [1.0, -1.0]}
    found = recalibration(table, TRUTHS, on_error="collect")
    assert found.bad_rows["row"].tolist() == [2]
    assert found.table["n"].tolist() == [1]
    with pytest.raises(InvalidValueError, match="row 2, sd"):
        found.apply(table)
    on_log = recalibration(GOOD | {"value": [1.0, -2.0]}, TRUTHS, scale="log", on_error="collect")
    assert on_log.bad_rows["row"].tolist() == [2]
    assert on_log.table["unscored"].tolist() == [1]
