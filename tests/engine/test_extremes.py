"""Values and sds at the ends of the floats: a right answer or an error, and the work done."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from reliability import Claim, Combination, Estimate, Model, ReliabilityError, Source, combine
from reliability.engine import mixture
from reliability.errors import NumericalError
from reliability.scales import ScaleName

POWERS = [-300, -150, -95, -9, 0, 9, 95, 150, 300]


def pair(value: float, first: float, second: float, **options: Any) -> Combination:
    """Two claims about one number that disagree, each sound with probability one half."""
    result = combine(
        [
            Claim(Source("A", reliability=0.5), Estimate(1.3 * value, sd=first)),
            Claim(Source("B", reliability=0.5), Estimate(2.1 * value, sd=second)),
        ],
        **options,
    )
    assert isinstance(result, Combination)
    return result


@pytest.mark.parametrize("model", [Model(), Model.common_effect()])
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_finite_answer_or_an_error(model: Model, scale: ScaleName) -> None:
    answers = 0
    for value, first, second in itertools.product(POWERS[::2], POWERS, POWERS[::3]):
        try:
            result = pair(10.0**value, 10.0**first, 10.0**second, scale=scale, model=model)
        except ReliabilityError:
            continue
        low, high = result.interval()
        assert low <= result.estimate <= high
        assert 0.0 <= result.claims[0].weight <= 1.0
        answers += 1
    assert answers > 3


@pytest.mark.parametrize("unit", [1e-95, 1e-60, 1e60, 1e95])
@pytest.mark.parametrize("model", [Model(), Model.common_effect(), Model.measurements()])
def test_the_unit_does_not_matter(model: Model, unit: float) -> None:
    plain, scaled = (
        pair(1.0, 0.2, 0.4, model=model),
        pair(unit, 0.2 * unit, 0.4 * unit, model=model),
    )
    assert scaled.estimate / unit == pytest.approx(plain.estimate, rel=1e-8)
    assert np.array(scaled.interval()) / unit == pytest.approx(np.array(plain.interval()), rel=1e-8)
    assert scaled.claims[0].weight == pytest.approx(plain.claims[0].weight, rel=1e-8)


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ([("A", 1e300), ("B", -1e300)], r"claim 1 \(A\): .* its value .* another unit"),
        ([("A", Estimate(1, sd=1e-160))], r"claim 1 \(A\): .* its sd .* another unit"),
        ([("A", "1 +- 1"), ("B", Estimate(2, sd=1e-30))], r"claim 2 \(B\): .* larger sd"),
        ([Claim(Source("A", bias_sd=1e200), "1 +- 1")], "bias_sd"),
    ],
)
def test_what_cannot_be_computed_is_named(claims: list[Any], message: str) -> None:
    with pytest.raises(NumericalError, match=message):
        combine(claims)


def test_work_grows_more_slowly_than_the_claims_squared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pairs of a claim and a node, from 10 to 400 claims."""
    pairs = 0
    whole = mixture._log_likelihood_of_block

    def counted(problem: Any, rule: Any, panels: Any, d: Any, *args: Any, **more: Any) -> Any:
        nonlocal pairs
        pairs += d.size * problem.columns.count
        return whole(problem, rule, panels, d, *args, **more)

    monkeypatch.setattr(mixture, "_log_likelihood_of_block", counted)
    counts = []
    for n in (10, 400):
        rng = np.random.default_rng(1)
        values, sds = rng.normal(100.0, 5.0, n), rng.uniform(2.0, 6.0, n)
        pairs = 0
        combine(
            [
                Claim(Source(f"source {i}", reliability=0.8), Estimate(float(v), sd=float(s)))
                for i, (v, s) in enumerate(zip(values, sds, strict=True))
            ]
        )
        counts.append(pairs)
    assert counts[1] < counts[0] * (400 / 10) ** 1.5
