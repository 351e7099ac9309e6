"""scorecard: against posteriors of single claims, on every form of statement and kind of table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from reliability import Combination, Model, Posterior, ReliabilityError, Source, combine
from reliability.scores import crps, log_score, pit, scorecard, uniformity, wis

STATEMENTS = (
    "12,000",
    "about 12,000",
    "12,000 +- 900",
    "12,000 (9,000 to 14,000, 90%)",
    "10,000 to 15,000",
    "more than 12,000",
    "up to 12,000",
)


def one(statement: str, truth: float, **options: Any) -> dict[str, Any]:
    table = {"quantity": ["a"], "source": ["s"], "statement": [statement]}
    found = scorecard(table, {"quantity": ["a"], "truth": [truth]}, **options)
    return {name: column[0] for name, column in found.items()}


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("truth", [3_000.0, 11_900.0, 12_500.0, 40_000.0])
def test_a_row_is_its_posterior(statement: str, scale: Any, truth: float) -> None:
    """Scores of x by the rows' own likelihoods, and by combine's posterior of one sound claim."""
    result = combine([("s", statement)], scale=scale, model=Model.common_effect())
    assert isinstance(result, Combination)
    law = Posterior(result.posterior._distribution)
    x = float(result.scale.to_x(truth))
    found = one(statement, truth, scale=scale)
    assert found["crps"] == pytest.approx(crps(law, x), rel=1e-8)
    assert found["log_score"] == pytest.approx(log_score(law, x), rel=1e-8, abs=1e-8)
    assert found["pit_mean"] == pytest.approx(pit(law, x), abs=1e-9)
    width = float(law.ppf(0.84)) - float(law.ppf(0.16))
    assert found["bias"] == pytest.approx(law.median() - x, abs=1e-8 * width)
    levels = np.array([0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975])
    assert found["wis"] == pytest.approx(wis(levels, law.ppf(levels), x), rel=1e-8)
    for level in (50, 90, 95):
        low, high = law.interval(level / 100)
        assert found[f"coverage{level}"] == float(low <= x <= high)


def test_quantile_columns() -> None:
    table = {"quantity": ["a"], "source": ["s"], "q0.05": [1.0], "q0.5": [3.0], "q0.95": [9.0]}
    found = scorecard(table, {"quantity": ["a"], "truth": [9.0]})
    assert found["pit_mean"][0] == pytest.approx(0.95, abs=1e-12)
    assert found["bias"][0] == pytest.approx(3.0 - 9.0, abs=1e-12)
    assert found["coverage90"][0] == 1.0  # the ends of an interval belong to it
    assert found["coverage50"][0] == 0.0


def test_what_is_not_scored_is_counted() -> None:
    table = {
        "quantity": ["a", "b", "c", "a", "c", "a"],
        "source": ["X", "X", "X", "Y", "Z", "Z"],
        "value": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        "sd": [1.0] * 6,
    }
    truths = {"quantity": ["a", "b", "nobody's", "e"], "truth": [1.0, 2.0, 3.0, None]}
    found = scorecard(table, truths)
    assert found["source"].tolist() == ["X", "Y", "Z"]
    assert found["n"].tolist() == [2, 1, 1]
    assert found["unscored"].tolist() == [1, 0, 1]
    assert found["missing"].tolist() == [1, 2, 2]


def test_a_source_without_scored_rows() -> None:
    table = {"quantity": ["a", "b"], "source": ["X", "Y"], "value": [1.0, 2.0], "sd": [1.0, 1.0]}
    found = scorecard(table, {"quantity": ["a"], "truth": [1.0]})
    assert (found["n"].tolist(), found["unscored"].tolist()) == ([1, 0], [0, 1])
    numbers = [name for name in found if name not in ("source", "n", "unscored", "missing")]
    assert all(math.isnan(found[name][1]) for name in numbers)
    assert all(math.isfinite(found[name][0]) for name in numbers)


def test_order_and_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    n = 60
    low = rng.normal(size=n)
    table: dict[str, Any] = {
        "quantity": [f"q{k % 20}" for k in range(n)],
        "source": [f"s{k // 20}" for k in range(n)],
        "low": low,
        "high": low + rng.exponential(size=n),
        "level": [0.9] * n,
    }
    truths = {"quantity": [f"q{k}" for k in range(20)], "truth": rng.normal(size=20)}
    once = scorecard(table, truths)
    order = np.concatenate([[0, 20, 40], rng.permutation(np.setdiff1d(np.arange(n), [0, 20, 40]))])
    shuffled = {name: np.array(column)[order] for name, column in table.items()}
    again = scorecard(shuffled, truths)
    monkeypatch.setattr("reliability.scores.cards._AT_ONCE", 7)
    blocks = scorecard(table, truths)
    for name, column in once.items():
        if name == "source":
            assert column.tolist() == again[name].tolist() == blocks[name].tolist()
        else:
            assert again[name] == pytest.approx(column, rel=1e-12)
            assert blocks[name] == pytest.approx(column, rel=1e-12)


def test_calibration_by_source() -> None:
    rng = np.random.default_rng(2)
    n = 500
    truth = rng.normal(size=n)
    honest = truth + rng.normal(size=n)
    table = {
        "quantity": np.tile(np.arange(n), 2),
        "source": np.repeat(["honest", "bold"], n),
        "value": np.tile(honest, 2),
        "sd": np.repeat([1.0, 0.3], n),
    }
    found = scorecard(table, {"quantity": np.arange(n), "truth": truth})
    assert found["coverage90_low"][0] < 0.9 < found["coverage90_high"][0]
    assert found["coverage90_high"][1] < 0.6
    assert found["pit_variance"][1] > 1.5 / 12.0
    assert found["pit_p"][0] > 0.01 > found["pit_p"][1]
    transforms = [
        float(pit(combine([("s", f"{v} +- 1")], model=Model.common_effect()), t))
        for v, t in zip(honest[:5].tolist(), truth[:5].tolist(), strict=True)
    ]
    few = scorecard(
        {name: column[:5] for name, column in table.items()},
        {"quantity": np.arange(5), "truth": truth[:5]},
    )
    assert few["pit_p"][0] == pytest.approx(uniformity(transforms), rel=1e-6)


def test_what_is_known_of_sources_is_corrected_for() -> None:
    table = {"quantity": ["a"], "source": ["s"], "value": [12.0], "sd": [1.0]}
    truths = {"quantity": ["a"], "truth": [10.0]}
    known = [Source("s", bias=1.5, overconfidence=2.0)]
    corrected = {"quantity": ["a"], "source": ["s"], "value": [10.5], "sd": [2.0]}
    found, expected = scorecard(table, truths, sources=known), scorecard(corrected, truths)
    for name in ("crps", "log_score", "bias", "pit_mean"):
        assert found[name][0] == pytest.approx(expected[name][0], rel=1e-12)
    wide = scorecard(table, truths, model=Model(overconfidence=2.0))
    assert wide["crps"][0] == pytest.approx(
        scorecard({**table, "sd": [2.0]}, truths)["crps"][0], rel=1e-12
    )


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_frames(library: str) -> None:
    pytest.importorskip("narwhals")
    module: Any = pytest.importorskip(library)
    frame = module.table if library == "pyarrow" else module.DataFrame
    table = {"quantity": ["a", "b"], "source": ["X", "Y"], "value": [1.0, 2.0], "sd": [1.0, 1.0]}
    truths = {"quantity": ["a", "b"], "truth": [1.5, 1.5]}
    found = scorecard(frame(table), frame(truths))
    assert type(found) is type(frame(table))
    plain = scorecard(table, truths)
    for name, column in plain.items():
        values = found[name]
        values = values.to_pylist() if library == "pyarrow" else list(values)
        assert values == column.tolist()


TABLE = {"quantity": ["a"], "source": ["s"], "value": [1.0], "sd": [1.0]}
TRUTHS = {"quantity": ["a"], "truth": [1.0]}


@pytest.mark.parametrize(
    ("table", "truths", "options", "message"),
    [
        (
            TABLE,
            {"quantity": ["a"]},
            {},
            r"truths: the column 'truth' is missing; give what turned out true",
        ),
        (TABLE, {"truth": [1.0]}, {}, r"truths: the column 'quantity' is missing"),
        (
            TABLE,
            {"quantity": ["a"], "true": [1.0]},
            {},
            r"truths: there is no column 'true'; did you mean 'truth'\?",
        ),
        (
            TABLE,
            {"quantity": ["a", "a"], "truth": [1.0, 2.0]},
            {},
            r"truths, row 2, quantity: 'a' is given twice",
        ),
        (
            TABLE,
            {"quantity": ["a", None], "truth": [1.0, 2.0]},
            {},
            r"truths, row 2, quantity: is empty",
        ),
        (
            TABLE,
            {"quantity": ["a"], "truth": ["many"]},
            {},
            r"truths, row 1, truth: must be a number, got 'many'",
        ),
        (
            TABLE,
            {"quantity": ["a"], "truth": [math.inf]},
            {},
            r"truths, row 1, truth: must be a finite number, got inf",
        ),
        (
            TABLE,
            {"quantity": ["a"], "truth": [-1.0]},
            {"scale": "log"},
            r"truths, quantity 'a': truth=-1 is impossible on the log scale, which needs a number above 0",
        ),
        (TABLE | {"sd": [-1.0]}, TRUTHS, {}, r"table, row 1, sd: must be above 0, got -1"),
        (TABLE | {"value": [-1.0]}, TRUTHS, {"scale": "log"}, r"table, row 1, .*-1"),
        (
            {"quantity": [], "source": [], "value": []},
            TRUTHS,
            {},
            r"table: there are no claims in it",
        ),
        ({"source": ["s"], "value": [1.0]}, TRUTHS, {}, r"table: the column 'quantity' is missing"),
        (TABLE, TRUTHS, {"scale": "cubic"}, r"scale must be one of"),
        (TABLE, TRUTHS, {"model": "reports"}, r"model must be a Model"),
        (
            TABLE,
            TRUTHS,
            {"confidence": 95},
            r"confidence must lie in \(0, 1\); did you mean 0.95\?",
        ),
        (3, TRUTHS, {}, r"table must be a dict of arrays or a data frame"),
    ],
)
def test_wrong_input_is_named(table: Any, truths: Any, options: Any, message: str) -> None:
    with pytest.raises(ReliabilityError, match=message):
        scorecard(table, truths, **options)
