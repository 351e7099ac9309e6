"""Dependence by pairs of sources: the table, the shares, what is left out, one and many."""

from __future__ import annotations

import json
from itertools import combinations, pairwise
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reliability import Claim, Combination, Estimate, Model, Source, combine, combine_many, priors
from reliability import shares as shares_module
from reliability.claims.rows import rows_from_claims
from reliability.engine.leave_out import leave_origins_out
from reliability.errors import InvalidValueError, WrongTypeError
from reliability.shares import PairDependence, share_out

NAMES = "abcdefg"


def one(claims: list[Claim], **options: Any) -> Combination:
    result = combine(claims, **options)
    assert isinstance(result, Combination)
    return result


def shared(claims: list[Claim], pairs: PairDependence, starts: list[int] | None = None) -> Any:
    numbered = pairs.numbered(sorted({claim.source.name for claim in claims}))
    none = np.zeros(len(claims), dtype=bool)
    return share_out(rows_from_claims(claims, starts), np.full(len(claims), 0.5), none, numbered)


def by_hand(claims: list[Claim], rho: dict[tuple[str, str], float]) -> list[float]:
    """Shares of claims that differ from each other, from the definition."""

    def between(one: str, other: str) -> float:
        return max(rho.get((one, other), 0.0), rho.get((other, one), 0.0))

    origins: dict[str, list[str]] = {}
    for claim in claims:
        origins.setdefault(claim.origin or claim.source.name, []).append(claim.source.name)
    out = []
    for claim in claims:
        own = claim.origin or claim.source.name
        others = sum(
            max(between(a, b) for a in origins[own] for b in sources)
            for origin, sources in origins.items()
            if origin != own
        )
        out.append(1.0 / (len(origins[own]) * (1.0 + others)))
    return out


values = st.floats(0.0, 1.0)
tables = st.dictionaries(
    st.sampled_from(list(combinations(NAMES, 2))), values, max_size=len(NAMES) ** 2
)
stated = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from((None, None, "o", "p", "a"))), max_size=9
)


def claims_of(who: list[tuple[str, str | None]]) -> list[Claim]:
    return [Claim(name, Estimate(k, sd=1), origin=o) for k, (name, o) in enumerate(who)]


# ------------------------------------------------------------------ shares


@given(stated, tables)
def test_shares_by_their_definition(
    who: list[tuple[str, str | None]], rho: dict[tuple[str, str], float]
) -> None:
    claims = claims_of(who)
    found = shared(claims, PairDependence.of(rho))
    np.testing.assert_allclose(found.share, by_hand(claims, rho), rtol=1e-14)


@given(stated, values)
def test_one_dependence_for_all_pairs(who: list[tuple[str, str | None]], rho: float) -> None:
    """With all rho_gh = rho it is 1/(m (1 + (G - 1) rho)); each source has one origin here."""
    claims = claims_of([(name, None) for name, _ in who])
    pairs = PairDependence.of(dict.fromkeys(combinations(NAMES, 2), rho))
    none = np.zeros(len(claims), dtype=bool)
    same = share_out(rows_from_claims(claims), np.full(len(claims), 0.5), none, rho)
    found = shared(claims, pairs)
    np.testing.assert_allclose(found.share, same.share, rtol=1e-14)
    np.testing.assert_array_equal(found.group, same.group)


@given(stated, tables, st.randoms(use_true_random=False))
def test_orders_make_no_difference(
    who: list[tuple[str, str | None]], rho: dict[tuple[str, str], float], random: Any
) -> None:
    """Of pairs in a mapping, of names in a pair, and of claims: the same to the last bit."""
    claims = claims_of(who)
    pairs = PairDependence.of(rho)
    turned = [
        (key if random.random() < 0.5 else key[::-1], value)
        for key, value in random.sample(list(rho.items()), len(rho))
    ]
    again = PairDependence.of(dict(turned))
    assert again == pairs
    order = random.sample(range(len(claims)), len(claims))
    moved = shared([claims[k] for k in order], again)
    np.testing.assert_array_equal(moved.share, shared(claims, pairs).share[order])


@given(st.lists(stated, max_size=6), tables, st.sampled_from((1, 3, 100, 1 << 20)))
def test_many_quantities_and_small_blocks(
    parts: list[list[tuple[str, str | None]]], rho: dict[tuple[str, str], float], block: int
) -> None:
    starts = np.cumsum([0, *map(len, parts)]).tolist()
    claims = [claim for part in parts for claim in claims_of(part)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shares_module, "_PAIRS_AT_ONCE", block)
        found = shared(claims, PairDependence.of(rho), starts)
    for begin, end in pairwise(starts):
        expected = by_hand(claims[begin:end], rho)
        np.testing.assert_allclose(found.share[begin:end], expected, rtol=1e-14)


def test_repeating_a_report_changes_nothing() -> None:
    """Who repeats another's words in one origin brings no dependence of his own."""
    rho = {("a", "c"): 0.4, ("b", "c"): 0.9}
    claims = [
        Claim(Source("a", reliability=0.9), Estimate(1, sd=1), origin="o"),
        Claim(Source("c", reliability=0.9), Estimate(2, sd=1)),
    ]
    again = Claim(Source("b", reliability=0.5), Estimate(1, sd=1), origin="o")
    first, second = one(claims, dependence=rho), one([*claims, again], dependence=rho)
    assert first.claims[0].share == pytest.approx(1 / 1.4)
    assert second.claims[2].dropped == "repeats a"
    assert second.estimate == first.estimate


def test_sources_that_nothing_is_known_of() -> None:
    claims = claims_of([("a", None), ("b", None)])
    for pairs in (
        {},
        {("x", "y"): 1.0},
        {("a", "x"): 1.0},
        {("a", "b"): 0.0},
    ):
        assert one(claims, dependence=pairs).estimate == one(claims).estimate
    assert one(claims, dependence={("b", "a"): 1.0}).claims[0].share == 0.5
    # In place of the model's, not beside it.
    assert one(claims, model=Model(dependence=0.5), dependence={}).claims[0].share == 1.0


# ------------------------------------------------------------------ combine


RHO = {("a", "b"): 0.8, ("b", "c"): 0.3, ("d", "a"): 0.1, ("x", "a"): 1.0}
CLAIMS = [
    Claim(Source("a", reliability=0.7), Estimate(10, sd=1)),
    Claim(Source("b", reliability=0.8), Estimate(12, sd=2)),
    Claim(Source("c", reliability=0.6), "more than 9"),
    Claim(Source("d", reliability=0.9), Estimate(17, sd=2), origin="o"),
    Claim(Source("b", reliability=0.8), Estimate(15, sd=1), origin="o"),
]
UNKNOWN = [attrs.evolve(claim, source=Source(claim.source.name)) for claim in CLAIMS]
SOUND = [
    attrs.evolve(claim, source=Source(claim.source.name, reliability=1))
    for claim in (*CLAIMS[:2], *CLAIMS[3:])
]


@pytest.mark.parametrize(
    ("claims", "model", "prior"),
    [
        (CLAIMS, Model(), None),
        (UNKNOWN, Model(), None),
        (CLAIMS, Model(heterogeneity=priors.HalfCauchy(1)), None),
        (CLAIMS, Model.experts(), None),
        (SOUND, Model.random_effects(priors.HalfNormal(1)), None),
        (SOUND, Model.common_effect(), priors.Normal(0, 100)),
    ],
)
def test_leaving_an_origin_out_is_combining_the_others(
    claims: list[Claim], model: Model, prior: Any
) -> None:
    result = one(claims, model=model, prior=prior, dependence=RHO)
    for k, claim in enumerate(claims):
        origin = claim.origin or claim.source.name
        rest = [other for other in claims if (other.origin or other.source.name) != origin]
        without = one(rest, model=model, prior=prior, dependence=RHO)
        spread = result.posterior.std()
        shift = result.claims[k].influence.shift
        # Divergence and shift are promised to 1e-8 of the width.
        assert shift == pytest.approx(result.estimate - without.estimate, abs=2e-8 * spread)


@pytest.mark.parametrize("claims", [CLAIMS, SOUND])
def test_a_matrix_of_one_number_is_that_number(claims: list[Claim]) -> None:
    model = Model.random_effects(priors.HalfNormal(1)) if claims is SOUND else Model()
    result = one(claims, model=model, dependence=0.3)
    inference, shares = result._inference, result._shares
    group = shares.group[shares.active]
    count = int(group.max()) + 1
    matrix = np.where(np.eye(count) == 1, 0.0, 0.3)
    expected = leave_origins_out(inference, group, 0.3)
    for left, same in zip(leave_origins_out(inference, group, matrix), expected, strict=True):
        assert left.divergence == pytest.approx(same.divergence, rel=1e-7, abs=1e-9)
        assert left.median == pytest.approx(same.median, rel=1e-9)
        assert left.tail == pytest.approx(same.tail, abs=1e-8)


def test_round_trip() -> None:
    result = one(CLAIMS, dependence=RHO)
    data = json.loads(json.dumps(result.to_dict()))
    # What is known of sources that claim nothing here is left out.
    assert data["dependence"] == {"pairs": [["a", "b", 0.8], ["a", "d", 0.1], ["b", "c", 0.3]]}
    again = Combination.from_dict(data)
    assert again.estimate == result.estimate
    assert again.dependence == result.dependence
    assert one(CLAIMS, dependence=PairDependence.of(RHO)).estimate == result.estimate
    for wrong, kind, message in (
        ({"pairs": [["a", "b"]]}, InvalidValueError, r"\[name, name, value\] .*'a', 'b'"),
        ({"pairs": "a"}, InvalidValueError, "dependence must be a number or"),
        ({"rho": []}, InvalidValueError, "dependence must be a number or"),
        ({"pairs": [["a", "a", 0.1]]}, InvalidValueError, r"\('a', 'a'\) joins"),
        ({"pairs": [["a", "b", "c"]]}, WrongTypeError, r"\('a', 'b'\)|\['a', 'b'\]"),
    ):
        with pytest.raises(kind, match=message):
            Combination.from_dict(data | {"dependence": wrong})


def test_correlation_and_pairs_both_say_what_depends_on_what() -> None:
    claims = SOUND[:2]
    with pytest.raises(InvalidValueError, match="correlation and origins or dependence"):
        combine(claims, correlation=np.eye(2), dependence={("a", "b"): 0.1})
    # Pairs of which none is here say nothing.
    combine(claims, correlation=np.eye(2), dependence={("x", "b"): 0.1})


# ------------------------------------------------------------------ combine_many


def table_of(claims: list[tuple[str, Claim]]) -> dict[str, list[Any]]:
    return {
        "quantity": [quantity for quantity, _ in claims],
        "source": [claim.source.name for _, claim in claims],
        "reliability": [claim.source.reliability for _, claim in claims],
        "statement": [str(claim.statement) for _, claim in claims],
        "origin": [claim.origin for _, claim in claims],
    }


def test_many_quantities_get_the_same_numbers() -> None:
    spoken = [attrs.evolve(claim, statement=str(claim.statement)) for claim in CLAIMS]
    rows = [("q", claim) for claim in spoken]
    rows += [("p", claim) for claim in (spoken[1], spoken[0], spoken[3])]
    table = table_of(rows)
    found = combine_many(table, dependence=RHO, claims=True, combinations=["p"])
    alone = [one([claim for at, claim in rows if at == q], dependence=RHO) for q in ("q", "p")]
    for k, result in enumerate(alone):
        assert found.quantities["estimate"][k] == pytest.approx(result.estimate, rel=1e-9)
        tails = [claim.tail for claim in result.claims]
        at = [j for j, name in enumerate(table["quantity"]) if name == result_name(k)]
        assert found.claims["tail"][at] == pytest.approx(tails, abs=1e-7)
    assert found.combinations["p"].estimate == alone[1].estimate
    turned = {name: cells[::-1] for name, cells in table.items()}
    other = combine_many(turned, dependence=PairDependence.of(RHO))
    assert sorted(other["estimate"]) == pytest.approx(sorted(found.quantities["estimate"]))


def result_name(k: int) -> str:
    return "qp"[k]


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("pairs", "kind", "message"),
    [
        ({("A", "A"): 0.5}, InvalidValueError, r"\('A', 'A'\) joins a source with itself"),
        ({("A", "B"): 1.5}, InvalidValueError, r"\('A', 'B'\) must lie in \[0, 1\] \(got 1.5\)"),
        ({("A", "B"): -0.1}, InvalidValueError, r"\('A', 'B'\) must lie in \[0, 1\] \(got -0.1\)"),
        ({("A", "B"): float("nan")}, InvalidValueError, r"\('A', 'B'\) must lie .*nan"),
        ({("A", "B"): "much"}, WrongTypeError, r"\('A', 'B'\) must be a number .* 'much'"),
        ({("A", "B"): True}, WrongTypeError, r"\('A', 'B'\) must be a number .* True"),
        (
            {("B", "A"): 0.5, ("A", "B"): 0.3},
            InvalidValueError,
            r"\('A', 'B'\) is given twice \(0.5 and 0.3\)",
        ),
        ({("A", "B", "C"): 0.5}, WrongTypeError, r"by pairs .* \('A', 'B', 'C'\)"),
        ({"AB": 0.5}, WrongTypeError, "by pairs .* 'AB'"),
        ({("A", 3): 0.5}, WrongTypeError, r"\('A', 3\): names of sources are text \(got 3\)"),
        ({("A", " "): 0.5}, InvalidValueError, "name of a source is empty"),
        ("A", WrongTypeError, r"must be a number in \[0, 1\] \(got 'A'\), or pairs of sources"),
        ([("A", "B", 0.1)], WrongTypeError, "or pairs of sources"),
    ],
)
def test_bad_pairs(pairs: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        combine(CLAIMS, dependence=pairs)
    with pytest.raises(kind, match=message):
        combine_many({"quantity": ["q"], "source": ["A"], "statement": ["5"]}, dependence=pairs)


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ((["A", "A"], [0], [1], [0.5]), InvalidValueError, "names has 'A' twice"),
        ((["A", "B"], [0], [2], [0.5]), InvalidValueError, "pair 1 names source number 2, but"),
        ((["A", "B"], [-1], [0], [0.5]), InvalidValueError, "pair 1 names source number -1, but"),
        ((["A", "B"], [0, 1], [1], [0.5]), InvalidValueError, r"equally long \(got 2, 1, 1\)"),
        ((["A", "B"], [0.0], [1], [0.5]), WrongTypeError, "whole numbers"),
        ((["A", "B"], [0], [1], ["x"]), WrongTypeError, r"numbers in \[0, 1\]"),
        ((["A", "B"], [[0]], [[1]], [[0.5]]), WrongTypeError, "must be a list of"),
        (("AB", [0], [1], [0.5]), WrongTypeError, "names must be a list"),
        ((["A", None], [0], [1], [0.5]), WrongTypeError, r"are text \(got None\)"),
    ],
)
def test_bad_tables(fields: tuple[Any, ...], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        PairDependence(*fields)


def test_tables_are_values() -> None:
    pairs = PairDependence(["B", "A", "C"], [0, 2], [1, 0], [0.7, 0.2])
    assert pairs == PairDependence(("C", "B", "A"), [1, 1], [2, 0], [0.7, 0.2])
    assert pairs != PairDependence(("C", "B", "A"), [1, 1], [2, 0], [0.7, 0.3])
    assert repr(pairs) == "PairDependence(2 pairs of 3 sources)"
    assert len(pairs) == 2
    with pytest.raises(ValueError, match="read-only"):
        pairs.value[0] = 0.1
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        pairs.names = ()  # type: ignore[misc]
