"""combine_many gives what combine gives in a loop, whatever else is in the table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from many_tables import (
    FORMS,
    LEVEL,
    NORMAL,
    alone,
    assert_close,
    half_width,
    numbers_of,
    random_claims,
    rows_of,
    table_of,
    taken,
)
from reliability import (
    Combination,
    Floor,
    Heavy,
    Model,
    ReliabilityError,
    Source,
    Void,
    Wide,
    combine_many,
    priors,
)
from reliability.many import ManyCombinations
from reliability.priors import QuantityPrior
from reliability.scales import ScaleName

COLUMNS = (
    "quantity",
    "n",
    "estimate",
    "mean",
    "sd",
    "low",
    "high",
    "zero",
    "conflict_p",
    "log_evidence",
    "error",
)

#: Name: scale, prior, model, forms of statement, number of quantities, most claims about one.
Setting = tuple[ScaleName, QuantityPrior | None, Model, tuple[str, ...], int, int]
SETTINGS: dict[str, Setting] = {
    "reports": ("linear", None, Model(), FORMS, 30, 12),
    "reports, log": ("log", None, Model(), FORMS, 30, 12),
    "reports, logit": ("logit", None, Model(), FORMS, 20, 12),
    "Floor(10), normal": ("linear", priors.Normal(0, 50), Model(unsound=Floor(10)), FORMS, 20, 12),
    "Wide, lognormal": (
        "log",
        priors.LogNormal(1, 2),
        Model(unsound=Wide(10), dependence=0.3),
        FORMS,
        20,
        12,
    ),
    "Heavy, dependence": (
        "linear",
        None,
        Model(unsound=Heavy(5, 1), dependence=0.2),
        FORMS,
        20,
        12,
    ),
    "Heavy, log": ("log", None, Model(unsound=Heavy(20, 3)), FORMS, 10, 12),
    "Student t": ("linear", priors.StudentT(3, 0, 30), Model(), FORMS, 20, 12),
    "uniform": (
        "linear",
        priors.Uniform(-200, 200),
        Model(unknown_reliability=0.4, unstated_error=0.05, overconfidence=1.5),
        FORMS,
        20,
        12,
    ),
    "flat on shares": ("logit", priors.Flat(), Model(unsound=Floor(10)), FORMS, 10, 12),
    "experts": ("linear", None, Model.experts(), FORMS, 30, 12),
    "Void, range of the claims": (
        "log",
        priors.IntrinsicRange(0.5),
        Model(unsound=Void(), unknown_reliability=priors.Beta(2, 1)),
        FORMS,
        20,
        12,
    ),
    "Void, shares": ("logit", priors.Uniform(0, 1), Model(unsound=Void()), FORMS, 20, 12),
    "Void, flat": ("linear", None, Model(unsound=Void()), FORMS, 10, 3),
    "dependence 1": (
        "linear",
        priors.Normal(0, 50),
        Model(dependence=1.0, unknown_reliability=priors.Beta(0.5, 2)),
        FORMS,
        20,
        12,
    ),
    "common effect, all forms": ("log", None, Model.common_effect(), FORMS, 20, 12),
    "common effect": ("linear", None, Model.common_effect(), NORMAL, 30, 12),
    "common effect, normal prior": (
        "log",
        priors.LogNormal(1, 3),
        Model.common_effect(),
        NORMAL,
        20,
        12,
    ),
    "random effects": (
        "linear",
        None,
        Model.random_effects(priors.HalfNormal(5)),
        NORMAL,
        30,
        12,
    ),
    "random effects, heavy prior": (
        "log",
        priors.Normal(1, 1),
        Model.random_effects(priors.HalfCauchy(0.5)),
        NORMAL,
        10,
        12,
    ),
    "random effects, improper": (
        "linear",
        None,
        Model.random_effects(priors.Flat()),
        NORMAL,
        20,
        8,
    ),
    "random effects, from the sds": (
        "linear",
        priors.Normal(0, 50),
        Model.random_effects(priors.DuMouchel()),
        NORMAL,
        15,
        8,
    ),
    "inflation, sound": (
        "linear",
        None,
        Model(unsound=None, inflation=priors.Pareto(3)),
        NORMAL,
        20,
        8,
    ),
    "shared, sound": ("linear", None, Model(unsound=None, shared=0.5), NORMAL, 15, 8),
    "heterogeneity, doubtful": (
        "log",
        priors.LogNormal(1, 2),
        Model(heterogeneity=priors.HalfNormal(0.3)),
        FORMS,
        3,
        3,
    ),
    "inflation, doubtful": ("linear", None, Model.measurements(), ("sd", "interval"), 4, 4),
    "shared, doubtful": ("linear", priors.Normal(0, 50), Model(shared=0.5), FORMS, 4, 4),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_numbers_are_those_of_combine(name: str) -> None:
    scale, prior, model, forms, count, largest = SETTINGS[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    claims = random_claims(rng, count, scale, forms, largest)
    wanted = alone(claims, scale, prior, model)
    found = combine_many(
        table_of(claims), scale=scale, prior=prior, model=model, level=LEVEL, on_error="collect"
    )
    assert tuple(found.quantities) == COLUMNS
    rows = rows_of(found.quantities)
    there = [key for key, one in wanted.items() if isinstance(one, Combination)]
    assert list(rows) == there
    for key in there:
        one = wanted[key]
        assert isinstance(one, Combination)
        assert_close(rows[key], numbers_of(one), half_width(one), scale)
        assert 0.0 <= rows[key]["error"] < 1e-7
    refused = {key: str(one) for key, one in wanted.items() if isinstance(one, ReliabilityError)}
    bad = found.bad_rows
    assert dict(zip(bad["quantity"].tolist(), bad["reason"].tolist(), strict=True)) == refused


def test_the_settings_meet_all_cases() -> None:
    """What the comparison is worth: it has infinite and missing moments, and refusals."""
    seen: set[str] = set()
    for name in ("reports", "reports, log", "Void, flat", "random effects, improper"):
        scale, prior, model, forms, count, largest = SETTINGS[name]
        rng = np.random.default_rng(sum(map(ord, name)))
        claims = random_claims(rng, count, scale, forms, largest)
        found = combine_many(
            table_of(claims), scale=scale, prior=prior, model=model, on_error="collect"
        )
        for row in rows_of(found.quantities).values():
            seen |= {
                f"{kind} {column}"
                for kind, is_it in (("inf", math.isinf), ("nan", math.isnan))
                for column in ("mean", "sd")
                if is_it(row[column])
            }
            seen |= {"finite sd"} if math.isfinite(row["sd"]) else set()
        seen |= {reason[:9] for reason in found.bad_rows["reason"].tolist()}
    assert {"inf mean", "inf sd", "nan mean", "nan sd", "finite sd", "with Void"} <= seen


# ------------------------------------------------------------------ what must not matter

MIXED = random_claims(np.random.default_rng(5), 40, "linear")
MIXED_TABLE = table_of(MIXED)
HALF = {
    key: half_width(one)
    for key, one in alone(MIXED, "linear", None, Model()).items()
    if isinstance(one, Combination)
}
NORMALS = table_of(random_claims(np.random.default_rng(6), 60, "linear", NORMAL))
RANDOM_EFFECTS = Model.random_effects(priors.HalfCauchy(4))


def good_rows(table: dict[str, list[Any]], **settings: Any) -> dict[Any, dict[str, float]]:
    found = combine_many(table, level=LEVEL, on_error="collect", **settings)
    return rows_of(found.quantities)


WHOLE = good_rows(MIXED_TABLE)


def assert_same_rows(
    found: dict[Any, dict[str, float]], wanted: dict[Any, dict[str, float]]
) -> None:
    assert set(found) == set(wanted)
    for key, row in wanted.items():
        plain = {name: value for name, value in row.items() if name != "error"}
        assert_close(found[key], plain, HALF.get(key, 1.0))
        assert found[key]["error"] < 1e-7


@pytest.mark.parametrize("seed", range(3))
def test_order_of_rows(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(MIXED)).tolist()
    found = good_rows(taken(MIXED_TABLE, order))
    assert_same_rows(found, WHOLE)
    names = dict.fromkeys(MIXED_TABLE["quantity"][row] for row in order)
    assert list(found) == [name for name in names if name in WHOLE]


@pytest.mark.parametrize("claims_at_once", [1, 7, 50, 10**9])
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_blocks_and_threads(claims_at_once: int, threads: int) -> None:
    found = good_rows(MIXED_TABLE, claims_at_once=claims_at_once, threads=threads)
    assert list(found) == list(WHOLE)
    assert_same_rows(found, WHOLE)


@pytest.mark.parametrize("claims_at_once", [1, 20, 10**9])
@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_and_threads_of_the_closed_form(claims_at_once: int, threads: int) -> None:
    settings = {"model": RANDOM_EFFECTS, "claims_at_once": claims_at_once, "threads": threads}
    found, whole = good_rows(NORMALS, **settings), good_rows(NORMALS, model=RANDOM_EFFECTS)
    assert list(found) == list(whole)
    assert_same_rows(found, whole)


def test_what_else_is_in_the_table() -> None:
    for key in list(WHOLE)[::4]:
        own = [row for row, name in enumerate(MIXED_TABLE["quantity"]) if name == key]
        assert_same_rows(good_rows(taken(MIXED_TABLE, own)), {key: WHOLE[key]})


def test_progress_counts_every_quantity_once() -> None:
    done: list[int] = []
    combine_many(NORMALS, model=RANDOM_EFFECTS, claims_at_once=30, progress=done.append)
    assert sum(done) == 60
    assert len(done) > 5


def test_level_and_dependence() -> None:
    (claim,) = [claim for claim in MIXED if claim.quantity == MIXED[0].quantity][:1]
    wide, narrow = (good_rows_of(level) for level in (0.99, 0.5))
    key = str(claim.quantity)
    assert wide[key]["low"] < narrow[key]["low"] < narrow[key]["high"] < wide[key]["high"]
    other = good_rows(MIXED_TABLE, dependence=0.7)
    model = good_rows(MIXED_TABLE, model=Model(dependence=0.7))
    assert other.keys() == model.keys()
    assert all(repr(other[key]) == repr(model[key]) for key in other)
    assert any(other[key]["high"] != WHOLE[key]["high"] for key in other)


def good_rows_of(level: float) -> dict[Any, dict[str, float]]:
    return rows_of(combine_many(MIXED_TABLE, level=level, on_error="collect").quantities)


# ------------------------------------------------------------------ more than the quantities


@pytest.mark.parametrize(
    "name", ["reports", "experts", "common effect", "random effects", "Void, shares"]
)
def test_claims_are_those_of_the_combination(name: str) -> None:
    scale, prior, model, forms, _, _ = SETTINGS[name]
    claims = random_claims(np.random.default_rng(11), 12, scale, forms, 6)
    wanted = alone(claims, scale, prior, model)
    found = combine_many(
        table_of(claims),
        scale=scale,
        prior=prior,
        model=model,
        claims=True,
        on_error="collect",
        threads=2,
    ).claims
    assert list(found) == ["row", "quantity", "source", "weight", "soundness", "tail"]
    at = {key: iter(one.claims) for key, one in wanted.items() if isinstance(one, Combination)}
    expected = [
        (row, next(at[str(claim.quantity)]))
        for row, claim in enumerate(claims, start=1)
        if str(claim.quantity) in at
    ]
    assert found["row"].tolist() == [row for row, _ in expected]
    for k, (_, one) in enumerate(expected):
        assert (found["quantity"][k], found["source"][k]) == (
            one.claim.quantity,
            one.claim.source.name,
        )
        for column in ("weight", "soundness", "tail"):
            np.testing.assert_allclose(
                found[column][k], getattr(one, column), rtol=0.0, atol=1e-10, err_msg=column
            )
    if name in {"reports", "experts"}:
        assert sum(one.dropped is not None for _, one in expected) > 0


def test_chosen_combinations() -> None:
    keys = list(WHOLE)[3:6]
    found = combine_many(MIXED_TABLE, combinations=iter(keys), on_error="collect", level=LEVEL)
    assert list(found.combinations) == keys
    wanted = alone(MIXED, "linear", None, Model())
    for key, one in found.combinations.items():
        assert one.quantity == key
        assert [str(row.claim.statement) for row in one.claims] == [
            str(claim.statement) for claim in MIXED if claim.quantity == key
        ]
        other = wanted[key]
        assert isinstance(other, Combination)
        assert_close(numbers_of(one), numbers_of(other), HALF[key])


def test_combinations_of_numbered_quantities() -> None:
    table = {"quantity": [3, 5, 3], "source": ["a", "b", "c"], "value": [1, 2, 3], "sd": [1, 1, 1]}
    found = combine_many(table, combinations=[5, np.int64(3), "5"], model=Model.common_effect())
    assert {key: len(one.claims) for key, one in found.combinations.items()} == {5: 1, 3: 2, "5": 1}


def test_each_quantity_with_its_own_scale_and_prior() -> None:
    claims = random_claims(np.random.default_rng(13), 12, "logit", ("sd", "bare", "quantiles"), 4)
    names = list(dict.fromkeys(str(claim.quantity) for claim in claims))
    scales: list[ScaleName] = ["linear", "log", "logit"]
    some: list[QuantityPrior | None] = [None, priors.Uniform(0, 1), priors.Normal(0.5, 0.3)]
    settings = {name: (scales[k % 3], some[k % 4 % 3]) for k, name in enumerate(names)}
    said = {
        "quantity": names[::-1][:-1],
        "scale": [settings[name][0] for name in names[::-1][:-1]],
        "prior": [settings[name][1] for name in names[::-1][:-1]],
    }
    found = combine_many(
        table_of(claims),
        quantities=said,
        scale=settings[names[0]][0],
        prior=settings[names[0]][1],
        level=LEVEL,
        claims=True,
        combinations=names,
        on_error="collect",
    )
    rows = rows_of(found.quantities)
    assert list(rows) == names
    assert found.claims["row"].tolist() == list(range(1, len(claims) + 1))
    for name in names:
        own = [claim for claim in claims if claim.quantity == name]
        scale, prior = settings[name]
        (one,) = alone(own, scale, prior, Model()).values()
        assert isinstance(one, Combination)
        assert_close(rows[name], numbers_of(one), half_width(one), scale)
        assert_close(numbers_of(found.combinations[name]), numbers_of(one), half_width(one), scale)
        mine = [k for k, claim in enumerate(claims) if claim.quantity == name]
        np.testing.assert_allclose(
            found.claims["weight"][mine], [row.weight for row in one.claims], atol=1e-10
        )


@pytest.mark.parametrize("kind", ["objects", "table"])
def test_what_is_known_of_sources(kind: str) -> None:
    table: dict[str, list[Any]] = {
        "quantity": ["a", "a", "b"],
        "source": ["X", "Y", "X"],
        "value": [1.0, 3.0, 7.0],
        "sd": [1.0, 1.0, 1.0],
    }
    known: Any = [Source("X", reliability=0.9, bias=0.5), Source("Y", reliability=0.3)]
    if kind == "table":
        known = {"source": ["X", "Y"], "reliability": [0.9, 0.3], "bias": [0.5, None]}
    inside = table | {"reliability": [0.9, 0.3, None], "bias": [0.5, None, None]}
    found, wanted = good_rows(table, sources=known), good_rows(inside)
    assert found["a"]["estimate"] == wanted["a"]["estimate"]
    assert repr(found) == repr(wanted)
    assert repr(found) != repr(good_rows(table))


def test_what_is_returned() -> None:
    table = {"quantity": ["a"], "source": ["X"], "value": [1.0], "sd": [1.0]}
    assert isinstance(combine_many(table), dict)
    found = combine_many(table, claims=True)
    assert isinstance(found, ManyCombinations)
    assert (found.bad_rows, found.combinations) == (None, {})
    assert combine_many(table, combinations=["a"]).claims is None
    nothing_bad = combine_many(table, on_error="collect")
    assert {name: len(column) for name, column in nothing_bad.bad_rows.items()} == dict.fromkeys(
        ("row", "quantity", "source", "column", "value", "reason"), 0
    )


# ------------------------------------------------------------------ kinds of tables

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
pyarrow = pytest.importorskip("pyarrow")

PLAIN: dict[str, list[Any]] = {
    "quantity": ["b", "a", "b", "c"],
    "source": ["X", "Y", "Z", "X"],
    "value": [1.0, 2.0, 4.0, -5.0],
    "sd": [1.0, 1.0, 1.0, 1.0],
}
KINDS: dict[str, Any] = {
    "pandas": pandas.DataFrame,
    "polars": polars.DataFrame,
    "pyarrow": pyarrow.table,
    "dict": dict,
}


def listed(column: Any) -> list[Any]:
    return list(
        column.to_pylist()
        if hasattr(column, "to_pylist")
        else column.tolist()
        if hasattr(column, "tolist")
        else column.to_list()
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("names", [["b", "a", "b", "c"], [7, -2, 7, 10**15]])
def test_the_same_kind_of_table_comes_out(kind: str, names: list[Any]) -> None:
    table = KINDS[kind](PLAIN | {"quantity": names})
    found = combine_many(table, scale="log", on_error="collect", claims=True)
    for part in (found.quantities, found.claims, found.bad_rows):
        assert type(part) is type(table)
    assert listed(found.quantities["quantity"]) == [names[0], names[1]]
    assert listed(found.quantities["n"]) == [2, 1]
    assert listed(found.claims["quantity"]) == names[:3]
    assert listed(found.claims["row"]) == [1, 2, 3]
    assert listed(found.bad_rows["row"]) == [4]
    assert listed(found.bad_rows["quantity"]) == [str(names[3])]
    plain = combine_many(PLAIN, scale="log", on_error="collect").quantities
    for name in COLUMNS[1:]:
        np.testing.assert_array_equal(np.array(listed(found.quantities[name])), plain[name])


def test_names_keep_their_type() -> None:
    frame = pandas.DataFrame(PLAIN)
    frame["quantity"] = frame["quantity"].astype(pandas.CategoricalDtype(["z", "c", "b", "a"]))
    frame.index = [4, 4, 9, 1]
    found = combine_many(frame)
    assert found["quantity"].dtype == frame["quantity"].dtype
    assert found["quantity"].tolist() == ["b", "a", "c"]
    assert found.index.tolist() == [0, 1, 2]
    for dtype in (polars.Categorical, polars.Enum(["c", "b", "a"]), polars.String, polars.Int16):
        names = [3, 1, 3, 2] if dtype == polars.Int16 else PLAIN["quantity"]
        series = polars.Series(names, dtype=dtype)
        out = combine_many(polars.DataFrame(PLAIN | {"quantity": series}))["quantity"]
        assert out.dtype == series.dtype
        assert out.to_list() == [names[0], names[1], names[3]]
    arrow = pyarrow.table(
        PLAIN | {"quantity": pyarrow.array(PLAIN["quantity"]).dictionary_encode()}
    )
    picked = combine_many(arrow)["quantity"]
    assert picked.type == arrow["quantity"].type
    assert picked.to_pylist() == ["b", "a", "c"]
    numbers = combine_many(PLAIN | {"quantity": np.array([5, 1, 5, 2], dtype=np.int32)})["quantity"]
    assert (numbers.dtype, numbers.tolist()) == (np.dtype(np.int32), [5, 1, 2])


@pytest.mark.parametrize("kind", KINDS)
def test_tables_of_which_nothing_is_left(kind: str) -> None:
    table = KINDS[kind](PLAIN | {"sd": [-1.0] * 4})
    found = combine_many(table, on_error="collect", claims=True)
    for part in (found.quantities, found.claims, found.bad_rows):
        assert type(part) is type(table)
    assert listed(found.quantities["quantity"]) == listed(found.claims["source"]) == []
    assert listed(found.bad_rows["row"]) == [1, 2, 3, 4]
