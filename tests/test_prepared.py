"""Preparation of many quantities at once: the same as of each alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reliability import Claim, Estimate, Model, Source, Void, priors, read
from reliability.claims.rows import rows_from_claims
from reliability.prepared import Prepared, prepare
from reliability.scales import SCALES
from reliability.shares import KEPT, SILENT, share_out

LOG = SCALES["log"]
MODELS = [
    Model.reports(),
    Model(unsound=Void(), prior=priors.IntrinsicRange(0.1), overconfidence=1.6),
    Model.common_effect(),
    Model(unknown_reliability=0.4),
]
STATEMENTS = [read("5"), read("more than 5"), read("3 to 9"), Estimate(5, sd=1), Estimate(-5, sd=1)]


@st.composite
def some_claims(draw: st.DrawFn) -> Claim:
    """Claims that often repeat each other, share origins, say nothing or are impossible."""
    return Claim(
        Source(
            draw(st.sampled_from("abcde")),
            reliability=draw(st.sampled_from((None, 0.0, 0.3, 0.7, 1.0))),
            interest=draw(st.sampled_from((-1, 0, 1))),
            bias=draw(st.sampled_from((-1.0, 0.0, 1.0))),
        ),
        draw(st.sampled_from(STATEMENTS)),
        origin=draw(st.sampled_from((None, None, "o", "p"))),
        credibility=draw(st.sampled_from((None, None, None, 0.5, 1.0, "1", "1", "2", "6"))),
    )


groups = st.lists(st.lists(some_claims(), max_size=7), min_size=1, max_size=5)


def prepared(parts: list[list[Claim]], model: Model, rho: float) -> Prepared:
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    claims = [claim for part in parts for claim in part]
    return prepare(rows_from_claims(claims, starts.tolist()), LOG, model, rho)


@given(groups, st.sampled_from((1, 2, 70)), st.sampled_from(MODELS), st.floats(0.0, 1.0))
def test_many_quantities_are_prepared_like_each_alone(
    parts: list[list[Claim]], copies: int, model: Model, rho: float
) -> None:
    """Also so many that they are compared another way."""
    many = prepared(parts * copies, model, rho)
    active = many.active
    assert active.quantities == len(parts) * copies
    problems = {problem.row: str(problem.exception) for problem in many.problems}
    for q, part in [*enumerate(parts), (len(parts) * copies - 1, parts[-1])]:
        start, stop = many.columns.starts[q : q + 2]
        alone = prepared([part], model, rho)
        np.testing.assert_array_equal(many.shares.share[start:stop], alone.shares.share)
        np.testing.assert_array_equal(many.shares.group[start:stop], alone.shares.group)
        dropped = many.shares.dropped[start:stop]
        np.testing.assert_array_equal(
            np.where(dropped >= 0, dropped - start, dropped), alone.shares.dropped
        )
        assert {problem.row: str(problem.exception) for problem in alone.problems} == {
            row - start: text for row, text in problems.items() if start <= row < stop
        }
        own = slice(*active.starts[q : q + 2])
        for name in ("location", "stated_sd", "share", "overconfidence", "reliability"):
            np.testing.assert_array_equal(getattr(active, name)[own], getattr(alone.active, name))


def test_large_quantities_beside_small_ones() -> None:
    rng = np.random.default_rng(4)
    parts = [
        [
            Claim(f"s{rng.integers(30)}", int(rng.integers(1, 6)), origin=f"o{rng.integers(9)}")
            for _ in range(size)
        ]
        for size in [40, *[3] * 100, 25, 1]
    ]
    many = prepared(parts, Model(), 0.3).shares
    start = 0
    for part in parts:
        alone = prepared([part], Model(), 0.3).shares
        np.testing.assert_array_equal(many.share[start : start + len(part)], alone.share)
        np.testing.assert_array_equal(many.group[start : start + len(part)], alone.group)
        start += len(part)


def test_impossible_rows_take_no_part() -> None:
    contrary = Source("x", reliability=0.0)
    parts = [
        [
            Claim("a", Estimate(5, sd=1), origin="o"),
            Claim("b", Estimate(-5, sd=1), origin="o"),
            Claim(contrary, Estimate(6, sd=1), origin="o", credibility=1.0),
        ],
        [Claim("c", Estimate(-5, sd=1))],
    ]
    many = prepared(parts, Model(), 0.5)
    assert [problem.row for problem in many.problems] == [1, 3, 2]
    assert "reliability=0 and credibility=1 contradict" in str(many.problems[2].exception)
    assert many.shares.dropped.tolist() == [KEPT, SILENT, SILENT, SILENT]
    assert many.shares.share.tolist() == [1.0, 0.0, 0.0, 0.0]
    assert many.active.starts.tolist() == [0, 1, 1]
    assert np.isfinite(many.active.location).all()


@pytest.mark.parametrize("rho", [0.0, 1.0])
def test_no_rows(rho: float) -> None:
    rows = rows_from_claims([], [0, 0, 0])
    shares = share_out(rows, np.zeros(0), np.zeros(0, dtype=np.bool_), rho)
    assert not len(shares.share)
    assert prepare(rows, LOG, Model(), rho).active.quantities == 2
