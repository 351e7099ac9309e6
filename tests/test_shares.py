"""Independence shares: repeats collapse, origins divide, dependence widens."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reliability import Claim, Combination, Estimate, Model, Source, Void, combine, priors
from reliability.claims.rows import origin_of, rows_from_claims
from reliability.shares import Shares, reasons, share_out, shares_of

ONE, TWO, THREE = (Estimate(value, sd=1) for value in (1, 2, 3))


def claim(source: str | Source, statement: Estimate = ONE, origin: str | None = None) -> Claim:
    return Claim(source, statement, origin=origin)


def shared(
    claims: Sequence[Claim],
    reliability: Sequence[float] | None = None,
    *,
    silent: Sequence[bool] | None = None,
    dependence: float = 0.0,
) -> Shares:
    r = [0.5] * len(claims) if reliability is None else reliability
    quiet = [False] * len(claims) if silent is None else silent
    return share_out(rows_from_claims(claims), np.array(r), np.array(quiet), dependence)


def listed(result: Shares) -> list[float]:
    """Share of every claim, 0 for the dropped ones."""
    return [float(share) for share in result.share]


# ------------------------------------------------------------------ origins


def test_origin_is_the_source_where_none_is_named() -> None:
    assert origin_of(claim("a")) == "a"
    assert origin_of(claim("a", origin="o")) == "o"


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        # Independent sources count in full, also where they say the same.
        ([claim("a"), claim("b"), claim("c", TWO)], [1.0, 1.0, 1.0]),
        # Different statements of one origin divide it.
        ([claim("a", ONE, "o"), claim("b", TWO, "o"), claim("c", THREE, "o")], [1 / 3] * 3),
        # A source's own statements share its origin unless they name different ones.
        ([claim("a", ONE), claim("a", TWO)], [0.5, 0.5]),
        ([claim("a", ONE, "o"), claim("a", TWO, "p")], [1.0, 1.0]),
        ([claim("a", ONE), claim("a", TWO, "p")], [1.0, 1.0]),
        # A source's name may be named as an origin.
        ([claim("a", ONE), claim("b", TWO, "a")], [0.5, 0.5]),
        # Identical statements of one origin are one.
        ([claim("a", ONE, "o"), claim("b", ONE, "o"), claim("c", TWO)], [1.0, 0.0, 1.0]),
        (
            [claim("a", ONE, "o"), claim("b", ONE, "o"), claim("c", TWO, "o"), claim("d")],
            [0.5, 0.0, 0.5, 1.0],
        ),
    ],
)
def test_shares_within_origins(claims: list[Claim], expected: list[float]) -> None:
    assert listed(shared(claims)) == expected


def test_groups_are_numbered_in_order() -> None:
    claims = [claim("a"), claim("b", ONE, "o"), claim("a", TWO), claim("c", TWO, "o")]
    result = shared(claims)
    np.testing.assert_array_equal(result.active, [0, 1, 2, 3])
    np.testing.assert_array_equal(result.group, [0, 1, 0, 1])
    assert reasons(result, claims) == [None] * 4


def test_statements_that_differ_in_wording_only_are_the_same() -> None:
    claims = [claim("a", Estimate(12_000), "o"), Claim("b", "12,000", origin="o")]
    assert listed(shared(claims)) == [1.0, 0.0]
    claims = [claim("a", Estimate(12_000, sd=1), "o"), claim("b", Estimate(12_000, sd=2), "o")]
    assert listed(shared(claims)) == [0.5, 0.5]


# ------------------------------------------------------------------ which of the repeats stays


def test_the_most_reliable_repeat_stays() -> None:
    claims = [claim(name, ONE, "o") for name in "abc"]
    result = shared(claims, [0.3, 0.8, 0.5])
    assert listed(result) == [0.0, 1.0, 0.0]
    assert reasons(result, claims) == ["repeats b", None, "repeats b"]


TIES = [
    Source("z", overconfidence=1.0),
    Source("a", overconfidence=2.0),
    Source("b", bias_sd=1.0),
    Source("c", bias=-1.0),
    Source("d", bias=1.0),
    Source("e", interest=-1),
    Source("f", interest=1),
    Source("y"),
]


@given(st.permutations(TIES), st.integers(1, len(TIES)))
def test_ties_do_not_depend_on_the_order(sources: list[Source], count: int) -> None:
    """Less overconfidence, then less bias, then less interest, then the name."""
    chosen = sources[:count]
    result = shared([claim(source, ONE, "o") for source in chosen])
    assert result.share.sum() == 1.0
    (kept,) = (chosen[int(i)] for i in result.active)
    neutral = [source.name for source in chosen if source.name in "yz"]
    if neutral:
        assert kept.name == min(neutral)
    again = shared([claim(source, ONE, "o") for source in reversed(chosen)])
    assert chosen[::-1][int(again.active[0])] == kept


@pytest.mark.parametrize("field", ["bias", "interest"])
def test_ties_between_mirrored_sources_of_one_name(field: str) -> None:
    down, up = (claim(Source("a", **{field: value}), ONE, "o") for value in (-1, 1))
    for claims in ([down, up], [up, down]):
        (kept_one,) = shared(claims).active
        assert claims[int(kept_one)] == down


# ------------------------------------------------------------------ silence


def test_silent_claims_are_dropped_before_anything_is_shared() -> None:
    claims = [claim("a", ONE, "o"), claim("b", TWO, "o"), claim("c"), claim("d")]
    result = shared(claims, silent=(False, True, False, True), dependence=0.5)
    # One claim in each of two origins is left.
    assert listed(result) == pytest.approx([1 / 1.5, 0.0, 1 / 1.5, 0.0])
    said = reasons(result, claims)
    assert said[1] == said[3] == "says nothing: reliability 0 and Void"
    # A silent claim repeats nothing, and nothing repeats it.
    result = shared([claim("a", ONE, "o"), claim("b", ONE, "o")], silent=(True, False))
    assert listed(result) == [0.0, 1.0]
    assert result.kept.tolist() == [False, True]


def test_nothing_left() -> None:
    result = shared([claim("a"), claim("b")], silent=(True, True))
    assert not len(result.active)
    assert listed(result) == [0.0, 0.0]


# ------------------------------------------------------------------ dependence


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.floats(0.0, 1.0))
def test_shares_by_exact_arithmetic(origins: list[int], rho: float) -> None:
    """a = 1/(m (1 + (G - 1) rho))."""
    names = list(dict.fromkeys(origins))
    group = np.array([names.index(o) for o in origins], dtype=np.int64)
    found = shares_of(group, rho)
    for share, origin in zip(found, origins, strict=True):
        exact = 1 / (origins.count(origin) * (1 + (len(names) - 1) * Fraction(rho)))
        assert share == pytest.approx(float(exact), rel=1e-15)
    total = len(names) / (1 + (len(names) - 1) * Fraction(rho))
    assert found.sum() == pytest.approx(float(total), rel=1e-14)
    assert 1.0 - 1e-12 <= found.sum() <= len(names) * (1.0 + 1e-12)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_limits_of_dependence(count: int) -> None:
    group = np.arange(count, dtype=np.int64)
    np.testing.assert_array_equal(shares_of(group, 0.0), np.ones(count))
    np.testing.assert_allclose(shares_of(group, 1.0), np.full(count, 1.0 / count), rtol=1e-15)


@pytest.mark.parametrize("rho", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("model", [Model.common_effect(), Model(unknown_reliability=0.7)], ids=str)
def test_leaving_an_origin_out_gives_the_others_their_own_shares(rho: float, model: Model) -> None:
    """What is reported for each origin is what combining the others says."""
    claims = [
        claim("a", Estimate(1, sd=1), "o"),
        claim("b", Estimate(2, sd=2), "o"),
        claim("c", Estimate(4, sd=1)),
        claim("d", Estimate(7, sd=3)),
    ]
    prior = priors.Normal(0, 40)
    result = combine(claims, model=model, dependence=rho, prior=prior)
    assert isinstance(result, Combination)
    for i, record in enumerate(result.claims):
        rest = [c for c in claims if origin_of(c) != origin_of(claims[i])]
        others = combine(rest, model=model, dependence=rho, prior=prior)
        assert isinstance(others, Combination)
        assert record.influence.shift == pytest.approx(
            result.estimate - others.estimate, rel=1e-7, abs=1e-8
        )
    if rho == 1.0:
        # Three wholly dependent origins weigh as much as one.
        assert sum(record.share for record in result.claims) == pytest.approx(1.0)


# ------------------------------------------------------------------ whatever the claims


@st.composite
def any_claims(draw: st.DrawFn) -> tuple[list[Claim], list[float], list[bool]]:
    count = draw(st.integers(1, 8))
    claims = [
        claim(
            Source(
                draw(st.sampled_from("abcd")),
                interest=draw(st.sampled_from((-1, 0, 1))),
                bias=draw(st.sampled_from((-1.0, 0.0, 1.0))),
                overconfidence=draw(st.sampled_from((1.0, 2.0))),
            ),
            draw(st.sampled_from((ONE, TWO, THREE))),
            draw(st.sampled_from((None, "o", "p"))),
        )
        for _ in range(count)
    ]
    r = draw(st.lists(st.sampled_from((0.2, 0.5, 0.9)), min_size=count, max_size=count))
    silent = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    return claims, r, silent


def kept(claims: list[Claim], result: Shares) -> list[tuple[str, float]]:
    """What counts, and how much, in an order of its own."""
    return sorted((repr(claims[i]), float(result.share[i])) for i in result.active.tolist())


@given(any_claims(), st.floats(0.0, 1.0), st.data())
def test_order_is_irrelevant(
    drawn: tuple[list[Claim], list[float], list[bool]], rho: float, data: st.DataObject
) -> None:
    claims, r, silent = drawn
    order = data.draw(st.permutations(range(len(claims))))
    moved = [claims[i] for i in order]
    first = shared(claims, r, silent=silent, dependence=rho)
    second = shared(moved, [r[i] for i in order], silent=[silent[i] for i in order], dependence=rho)
    assert kept(claims, first) == kept(moved, second)


@given(any_claims(), st.floats(0.0, 1.0), st.data())
def test_repeats_change_nothing(
    drawn: tuple[list[Claim], list[float], list[bool]], rho: float, data: st.DataObject
) -> None:
    claims, r, silent = drawn
    first = shared(claims, r, silent=silent, dependence=rho)
    if not len(first.active):
        return
    i = int(data.draw(st.sampled_from(first.active.tolist())))
    # Less reliable, by whatever source, under the origin of the original.
    echo = attrs.evolve(claims[i], source=Source("echo"), origin=origin_of(claims[i]))
    second = shared([echo, *claims], [r[i] / 2, *r], silent=[False, *silent], dependence=rho)
    assert listed(second) == [0.0, *listed(first)]
    assert reasons(second, [echo, *claims]) == [
        f"repeats {claims[i].source.name}",
        *reasons(first, claims),
    ]


@given(any_claims(), st.floats(0.0, 1.0))
def test_silent_claims_change_nothing(
    drawn: tuple[list[Claim], list[float], list[bool]], rho: float
) -> None:
    claims, r, silent = drawn
    heard = [i for i, quiet in enumerate(silent) if not quiet]
    all_together = shared(claims, r, silent=silent, dependence=rho)
    alone = [claims[i] for i in heard]
    first = shared(alone, [r[i] for i in heard], silent=[False] * len(heard), dependence=rho)
    assert kept(claims, all_together) == kept(alone, first)


def test_through_combine() -> None:
    claims = [
        claim(Source("a", reliability=0.9), ONE, "o"),
        claim(Source("b", reliability=0.4), ONE, "o"),
        claim(Source("c", reliability=0.6), TWO, "o"),
        claim(Source("d", reliability=0.0), THREE),
    ]
    prior = priors.Normal(0, 9)
    result = combine(claims, model=Model(unsound=Void()), prior=prior, dependence=0.3)
    assert isinstance(result, Combination)
    assert [record.share for record in result.claims] == [0.5, 0.0, 0.5, 0.0]
    assert [record.dropped for record in result.claims] == [
        None,
        "repeats a",
        None,
        "says nothing: reliability 0 and Void",
    ]
    # Under Floor a claim of reliability 0 does say something.
    result = combine(claims, prior=prior, dependence=0.5)
    assert isinstance(result, Combination)
    assert [record.share for record in result.claims] == pytest.approx([1 / 3, 0, 1 / 3, 2 / 3])
