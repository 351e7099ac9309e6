"""Parts and wholes: against brute force, closed forms, and what must hold whatever the claims."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from scipy.interpolate import CubicSpline
from scipy.special import betaln, gammainc, ndtr

from reliability import (
    Claim,
    Combination,
    Estimate,
    Model,
    Part,
    Parts,
    Source,
    Void,
    Wide,
    combine,
    priors,
)
from reliability.engine.prior_panels import log_mass
from reliability.errors import InvalidValueError, NoPosteriorError, ReliabilityError, WrongTypeError
from reliability.priors import Beta, Density, Flat, LogNormal, LogUniform

Array = NDArray[np.float64]
Function = Callable[[Array], Array]
SOUND = Model.common_effect()


def linked(claims: list[Claim], links: Any, **more: Any) -> dict[str, Combination]:
    result = combine(claims, scale="log", links=links, **more)
    assert isinstance(result, dict)
    return result


def about(quantity: str, value: float, error: float, reliability: float | None = None) -> Claim:
    """A claim of a value with a relative error."""
    source = Source(f"{quantity} {value:g}", reliability=reliability)
    return Claim(source, Estimate(value, sd=value * error), quantity=quantity)


def likelihood(
    value: float, error: float, reliability: float = 1.0, factor: float = 5.0
) -> Function:
    """The same as a function of x, under Wide(factor), written down independently."""

    def density(x: Array) -> Array:
        y = np.log(value)
        sound = stats.norm.pdf(y, x, error)
        return reliability * sound + (1.0 - reliability) * stats.norm.pdf(y, x, factor * error)

    return density


#: A grid of logit shares: the trapezoid rule on it is exact to rounding for analytic integrands.
T = np.arange(-70.0, 70.0, 0.2)
LOG_PHI, LOG_REST = -np.logaddexp(0.0, -T), -np.logaddexp(0.0, T)


def on_share(share: Beta) -> Array:
    """Weights of the shares on the grid."""
    logs = share.a * LOG_PHI + share.b * LOG_REST - betaln(share.a, share.b)
    return np.asarray(np.exp(logs) * (T[1] - T[0]))


def lognormal(median: float, sigma: float) -> Function:
    return lambda w: np.asarray(stats.norm.pdf(w, np.log(median), sigma))


# ------------------------------------------------------------------ against brute force


@pytest.mark.parametrize("share", [Beta(1, 1), Beta(2.5, 4), Beta(0.6, 0.4)])
def test_one_link_is_a_double_integral(share: Beta) -> None:
    claims = [about("whole", 12_000, 0.2, 0.7), about("part", 2_500, 0.25, 0.8)]
    result = linked(
        claims,
        Part("part", of="whole", share=share),
        prior=LogNormal(8_000, 1.5),
        model=Model(unsound=Wide(5)),
    )
    of_whole, of_part = likelihood(12_000, 0.2, 0.7), likelihood(2_500, 0.25, 0.8)
    w = np.arange(-6.0, 24.0, 0.02)
    joint = (lognormal(8_000, 1.5)(w) * of_whole(w) * 0.02)[:, None] * on_share(share)
    v = w[:, None] + LOG_PHI
    joint = joint * of_part(v)
    total = joint.sum()
    for combination in result.values():
        assert combination.log_evidence == pytest.approx(np.log(total), abs=1e-9)
        assert combination.error < 1e-7
    whole, part = result["whole"], result["part"]
    assert whole.posterior.mean() == pytest.approx(
        (joint.sum(1) * np.exp(w)).sum() / total, rel=1e-9
    )
    assert part.posterior.mean() == pytest.approx((joint * np.exp(v)).sum() / total, rel=1e-9)
    assert part.posterior.var() == pytest.approx(
        (joint * np.exp(2 * v)).sum() / total - part.posterior.mean() ** 2, rel=1e-8
    )
    for at in (300.0, 2_000.0, 2_600.0, 9_000.0, 14_000.0):
        x = np.log(at)
        density = of_part(np.array([x])) * np.sum(
            on_share(share) * lognormal(8_000, 1.5)(x - LOG_PHI) * of_whole(x - LOG_PHI)
        )
        assert part.posterior.pdf(at) * at == pytest.approx(float(density[0]) / total, rel=1e-8)
    # The grid's far corners, where nothing is left, are of no consequence.
    given = np.maximum(of_part(v), 1e-300)
    sound = 0.8 * stats.norm.pdf(np.log(2_500), v, 0.25) / given
    assert part.claims[0].soundness == pytest.approx((joint * sound).sum() / total, abs=1e-9)
    # The part's claim alone is left out: what remains is the whole's.
    without = joint / given
    below = (without * ndtr((np.log(2_500) - v) / 0.25)).sum() / without.sum()
    assert part.claims[0].tail == pytest.approx(2.0 * min(below, 1.0 - below), abs=1e-8)
    order = np.argsort(v, axis=None)
    mass = np.cumsum(without.ravel()[order]) / without.sum()
    median = np.exp(v.ravel()[order][np.searchsorted(mass, 0.5)])
    shift = part.estimate - part.claims[0].influence.shift
    assert shift == pytest.approx(median, rel=0.03)  # the grid is no better


@pytest.mark.parametrize("rest", [None, 1.5])
def test_parts_that_do_not_overlap_are_a_triple_integral(rest: float | None) -> None:
    counts = {"killed": 1.5, "wounded": 3.0}
    claims = [
        about("casualties", 900, 0.4, 0.7),
        about("killed", 300, 0.3, 0.8),
        about("wounded", 800, 0.35, 0.6),
    ]
    result = linked(
        claims,
        Parts(counts, of="casualties", rest=rest),
        prior=LogNormal(1_000, 1.0),
        model=Model(unsound=Wide(5)),
    )
    w = np.arange(1.0, 13.0, 0.1)
    own = lognormal(1_000, 1.0)(w) * likelihood(900, 0.4, 0.7)(w) * 0.1
    killed, wounded = likelihood(300, 0.3, 0.8), likelihood(800, 0.35, 0.6)
    inner = on_share(Beta(1.5, 3.0))
    # What both are together, then how that divides.
    both = np.linspace(-40.0, 13.0, 5_301)
    split = inner * killed(both[:, None] + LOG_PHI) * wounded(both[:, None] + LOG_REST)
    message, of_killed = split.sum(1), (split * np.exp(both[:, None] + LOG_PHI)).sum(1)
    if rest is None:
        weight = own
        grid = np.interp(w, both, np.arange(len(both))).round().astype(int)
        total, killed_mean = (weight * message[grid]).sum(), (weight * of_killed[grid]).sum()
    else:
        outer = on_share(Beta(4.5, rest))
        at = w[:, None] + LOG_PHI

        def along(values: Array) -> Array:
            logs = CubicSpline(both, np.log(np.maximum(values, 1e-300)))(np.maximum(at, -39.0))
            return np.asarray(np.exp(logs))

        total = (own[:, None] * outer * along(message)).sum()
        killed_mean = (own[:, None] * outer * along(of_killed)).sum()
    log_evidence = result["casualties"].log_evidence
    assert log_evidence == pytest.approx(np.log(total), abs=1e-8)
    assert result["killed"].posterior.mean() == pytest.approx(killed_mean / total, rel=1e-8)
    parts = result["killed"].posterior.mean() + result["wounded"].posterior.mean()
    whole = result["casualties"].posterior.mean()
    if rest is None:
        assert parts == pytest.approx(whole, rel=1e-9)
    else:
        assert parts < whole


def test_a_chain_is_a_triple_integral() -> None:
    claims = [about("a", 1_000, 0.3, 0.8), about("c", 90, 0.5, 0.7)]
    links = [Part("b", of="a", share=Beta(2, 2)), Part("c", of="b", share=Beta(1.5, 3))]
    result = linked(claims, links, prior=LogNormal(700, 1.0), model=Model(unsound=Wide(5)))
    w = np.arange(1.0, 12.0, 0.1)
    v = np.arange(-60.0, 12.05, 0.1)
    message = np.array(
        [np.sum(on_share(Beta(1.5, 3)) * likelihood(90, 0.5, 0.7)(x + LOG_PHI)) for x in v]
    )
    # Of b the density that a gives, on the same grid, then both together.
    own = lognormal(700, 1.0)(w) * likelihood(1_000, 0.3, 0.8)(w)

    def from_a(x: float) -> float:
        at = x - LOG_PHI
        return float(
            np.sum(on_share(Beta(2, 2)) * lognormal(700, 1.0)(at) * likelihood(1_000, 0.3, 0.8)(at))
        )

    joint = np.array([from_a(x) for x in v]) * message
    assert np.sum(own) > 0.0
    assert result["b"].log_evidence == pytest.approx(np.log(joint.sum() * 0.1), abs=1e-8)
    assert result["b"].posterior.mean() == pytest.approx(
        (joint * np.exp(v)).sum() / joint.sum(), rel=1e-8
    )
    assert result["b"].claims == ()


def test_scatter_is_integrated_for_every_quantity() -> None:
    heterogeneity = priors.HalfNormal(0.4)
    claims = [
        about("w", 500, 0.1),
        about("w", 800, 0.15),
        about("p", 200, 0.1),
        about("p", 150, 0.2),
    ]
    result = linked(
        claims,
        Part("p", of="w", share=Beta(2, 3)),
        prior=LogNormal(600, 1.0),
        model=Model.random_effects(heterogeneity),
    )
    nodes, weights = np.polynomial.legendre.leggauss(120)
    tau = 1.6 * (1.0 + nodes)
    weight = 1.6 * weights * np.sqrt(2.0 / np.pi) / 0.4 * np.exp(-0.5 * (tau / 0.4) ** 2)

    def integrated(values: list[tuple[float, float]]) -> Function:
        def density(x: Array) -> Array:
            each = [stats.norm.pdf(np.log(y), x[..., None], np.hypot(s, tau)) for y, s in values]
            return np.asarray((np.prod(each, axis=0) * weight).sum(-1))

        return density

    of_w, of_p = integrated([(500, 0.1), (800, 0.15)]), integrated([(200, 0.1), (150, 0.2)])
    w = np.arange(1.0, 12.0, 0.05)
    joint = (lognormal(600, 1.0)(w) * of_w(w) * 0.05)[:, None] * on_share(Beta(2, 3))
    joint = joint * of_p(w[:, None] + LOG_PHI)
    assert result["p"].log_evidence == pytest.approx(np.log(joint.sum()), abs=1e-6)
    assert result["w"].posterior.mean() == pytest.approx(
        (joint.sum(1) * np.exp(w)).sum() / joint.sum(), rel=1e-6
    )


def test_drawing_says_the_same() -> None:
    claims = [about("w", 1_000, 0.3), about("p", 150, 0.4), about("q", 700, 0.2)]
    links = [Part("p", of="w", share=Beta(1, 3)), Part("q", of="w", share=Beta(2, 1))]
    result = linked(claims, links, prior=LogNormal(800, 0.8), model=SOUND)
    rng = np.random.default_rng(7)
    w = rng.normal(np.log(800), 0.8, 400_000)
    p, q = w + np.log(rng.beta(1, 3, len(w))), w + np.log(rng.beta(2, 1, len(w)))
    weight = likelihood(1_000, 0.3)(w) * likelihood(150, 0.4)(p) * likelihood(700, 0.2)(q)
    for name, x in (("w", w), ("p", p), ("q", q)):
        mean = np.average(np.exp(x), weights=weight)
        error = np.sqrt(np.sum((weight * (np.exp(x) - mean)) ** 2)) / weight.sum()
        assert abs(result[name].posterior.mean() - mean) < 4.5 * error


# ------------------------------------------------------------------ closed forms


def test_moments_of_a_part_without_claims_are_those_of_a_product() -> None:
    result = linked(
        [about("whole", 1_000, 0.3)], Part("part", of="whole", share=Beta(2, 5)), model=SOUND
    )
    whole, part = result["whole"].posterior, result["part"].posterior
    assert whole.mean() == pytest.approx(1_000 * np.exp(0.3**2 / 2), rel=1e-10)
    assert part.mean() == pytest.approx(2 / 7 * whole.mean(), rel=1e-9)
    second = 2 * 3 / (7 * 8) * (whole.var() + whole.mean() ** 2)
    assert part.var() + part.mean() ** 2 == pytest.approx(second, rel=1e-9)
    assert result["part"].log_evidence is None


def test_a_uniform_share_of_a_log_uniform_whole() -> None:
    """A verified bound far below says nothing: the prior is what is left."""
    claims = [Claim(Source("a", reliability=0.0), 5, quantity="whole")]
    top = 100.0
    with pytest.raises(NoPosteriorError, match="nothing to combine"):
        linked(claims, Part("part", of="whole", share=Beta(1, 1)), model=Model(unsound=Void()))
    claims = [about("whole", 10.0, 1e3)]
    part = linked(
        claims, Part("part", of="whole", share=Beta(1, 1)), prior=LogUniform(1, top), model=SOUND
    )["part"].posterior
    y = np.array([0.01, 0.5, 0.99, 1.0, 1.5, 10.0, 90.0])
    cdf = np.where(
        y < 1.0, y * (1.0 - 1.0 / top), np.log(np.maximum(y, 1.0)) + 1.0 - y / top
    ) / np.log(top)
    # The claim's sd of 1000 on the log scale bends the prior by 1e-6.
    np.testing.assert_allclose(part.cdf(y), cdf, rtol=0, atol=3e-6)
    assert part.support() == pytest.approx((0.0, top))


@pytest.mark.parametrize("counts", [(2.0, 3.0), (0.7, 4.0)])
def test_gamma_parts_of_a_gamma_whole_are_independent(counts: tuple[float, float]) -> None:
    """Shares ~ Dirichlet of a Gamma whole: the parts are independent Gammas (Lukacs 1955)."""
    a, b = counts
    gamma = Density(lambda t: (a + b - 1.0) * np.log(t) - t, (0.0, np.inf))
    links = Parts({"one": a, "other": b}, of="whole")
    result = linked([about("one", 2.0, 0.3)], links, prior=gamma, model=SOUND)
    y = np.array([0.05, 0.5, 1.0, 3.0, 8.0])
    # What is claimed of one says nothing about the other.
    np.testing.assert_allclose(result["other"].posterior.cdf(y), gammainc(b, y), atol=1e-8)
    alone = combine(
        [about("one", 2.0, 0.3)],
        scale="log",
        prior=Density(lambda t: (a - 1.0) * np.log(t) - t, (0.0, np.inf)),
        model=SOUND,
    )
    assert isinstance(alone, dict) is False
    assert isinstance(alone, Combination)
    np.testing.assert_allclose(result["one"].posterior.cdf(y), alone.posterior.cdf(y), atol=1e-8)
    assert result["whole"].posterior.mean() == pytest.approx(b + alone.posterior.mean(), rel=1e-8)


def test_a_dirichlet_does_not_depend_on_how_it_is_split() -> None:
    """Of four parts, the first's marginal is that of one Part with the others as its rest."""
    counts = {"a": 1.0, "b": 2.0, "c": 0.5, "d": 1.5}
    claims = [about("w", 1_000, 0.2), about("c", 60, 0.4)]
    many = linked(claims, Parts(counts, of="w"), model=SOUND)
    one = linked(claims, Part("c", of="w", share=Beta(0.5, 4.5)), model=SOUND)
    for name in ("w", "c"):
        for level in (0.1, 0.5, 0.9):
            assert many[name].posterior.ppf(level) == pytest.approx(
                one[name].posterior.ppf(level), rel=1e-9
            )
    total = sum(many[name].posterior.mean() for name in counts)
    assert total == pytest.approx(many["w"].posterior.mean(), rel=1e-8)


# ------------------------------------------------------------------ invariances


def test_without_links_quantities_are_combined_by_themselves() -> None:
    claims = [about("a", 100, 0.1), about("b", 50, 0.1), about("b", 70, 0.2), about("c", 9, 0.1)]
    apart = combine(claims, scale="log")
    assert isinstance(apart, dict)
    result = linked(claims, Part("b", of="c", share=Beta(1, 1)))
    assert list(result) == ["a", "b", "c"]
    assert result["a"].to_dict() == apart["a"].to_dict()
    none = combine(claims, scale="log", links=[])
    assert isinstance(none, dict)
    assert {name: each.to_dict() for name, each in none.items()} == {
        name: each.to_dict() for name, each in apart.items()
    }


def test_order_of_links_and_claims_is_irrelevant() -> None:
    claims = [about("w", 1_000, 0.2, 0.8), about("a", 300, 0.2, 0.7), about("c", 40, 0.3, 0.9)]
    links = [Part("a", of="w", share=Beta(1, 2)), Parts({"c": 1, "d": 2}, of="a")]
    one = linked(claims, links)
    other = linked(claims[::-1], [Parts({"d": 2, "c": 1}, of="a"), links[0]])
    assert set(one) == set(other) == {"w", "a", "c", "d"}
    for name, combination in one.items():
        assert combination.estimate == other[name].estimate


@settings(deadline=None, max_examples=3)
@given(
    factor=st.sampled_from([1e-3, 0.3, 7.0, 1e5]),
    a=st.floats(0.4, 5.0),
    b=st.floats(0.4, 5.0),
)
def test_units_do_not_matter_and_evidence_is_one_number(factor: float, a: float, b: float) -> None:
    def solved(unit: float) -> dict[str, Combination]:
        claims = [about("w", 900 * unit, 0.2, 0.7), about("p", 100 * unit, 0.3, 0.8)]
        share = Part("p", of="w", share=Beta(a, b))
        return linked(claims, share, prior=LogNormal(500 * unit, 1.5))

    one, other = solved(1.0), solved(factor)
    assert one["p"].log_evidence == one["w"].log_evidence
    for name in ("w", "p"):
        assert other[name].estimate == pytest.approx(factor * one[name].estimate, rel=1e-8)
        # The same evidence is found at every quantity.
        inference = one[name]._inference
        found = inference.log_normaliser + log_mass(inference.prior)
        assert found == pytest.approx(one["w"].log_evidence, abs=1e-8)


def test_a_part_is_never_larger_than_its_whole() -> None:
    """Claims that contradict the link are moved by it, and the link's tail says so."""
    claims = [about("w", 1_000, 0.05, 0.9), about("p", 3_000, 0.05, 0.9)]
    torn = linked(claims, Part("p", of="w", share=Beta(1, 1)), prior=LogNormal(1_000, 2))
    fine = linked(
        [claims[0], about("p", 400, 0.05, 0.9)],
        Part("p", of="w", share=Beta(1, 1)),
        prior=LogNormal(1_000, 2),
    )
    for level in (0.05, 0.5, 0.95):
        assert torn["p"].posterior.ppf(level) < torn["w"].posterior.ppf(level)
    assert torn["p"].link is not None
    assert fine["p"].link is not None
    assert fine["w"].link is not None
    assert torn["p"].link.tail < 0.3 < fine["p"].link.tail
    assert np.isnan(fine["w"].link.tail)
    assert fine["p"].claims[0].soundness > torn["p"].claims[0].soundness


def test_a_void_is_judged_under_the_prior_alone() -> None:
    """A Void's constant is the claim's evidence under the part's own prior, phi times the whole."""
    claims = [about("w", 1_000, 0.2, 1.0), about("p", 100, 0.3, 0.6)]
    result = linked(
        claims,
        Part("p", of="w", share=Beta(1, 2)),
        prior=LogNormal(800, 1.0),
        model=Model(unsound=Void()),
    )
    w = np.arange(-4.0, 16.0, 0.05)
    both = (lognormal(800, 1.0)(w) * 0.05)[:, None] * on_share(Beta(1, 2))
    sound = likelihood(100, 0.3)(w[:, None] + LOG_PHI)
    void = (both * sound).sum()
    joint = both * likelihood(1_000, 0.2)(w)[:, None]
    total = (joint * (0.6 * sound + 0.4 * void)).sum()
    assert result["p"].log_evidence == pytest.approx(np.log(total), abs=1e-9)
    assert result["p"].claims[0].soundness == pytest.approx(
        (joint * 0.6 * sound).sum() / total, abs=1e-9
    )


def test_results_can_be_written_and_read_back() -> None:
    claims = [about("w", 1_000, 0.2, 0.8), about("a", 300, 0.2)]
    links = [Part("a", of="w", share=Beta(1, 2)), Parts({"b": 1}, of="a", rest=0.5)]
    result = linked(claims, links, prior=LogNormal(500, 2))
    for name in ("a", "b"):
        text = json.dumps(result[name].to_dict())
        again = Combination.from_dict(json.loads(text))
        assert again.quantity == name
        assert json.dumps(again.to_dict()) == text
        assert pickle.loads(pickle.dumps(result[name])).estimate == result[name].estimate  # noqa: S301
        assert str(again)
        assert repr(again)
        assert again._repr_html_()
    with pytest.raises(InvalidValueError, match="links must be"):
        Combination.from_dict({**result["w"].to_dict(), "links": ["a"]})
    with pytest.raises(InvalidValueError, match="quantity must be one of"):
        Combination.from_dict({**result["w"].to_dict(), "quantity": "x"})


def test_a_quantity_without_claims_has_all_that_does_not_need_them() -> None:
    model = Model(heterogeneity=priors.HalfNormal(0.3))
    part = linked([about("w", 1_000, 0.2)], Part("p", of="w", share=Beta(1, 1)), model=model)["p"]
    assert part.claims == ()
    assert part.heterogeneity is None
    assert part.reliability is None
    assert part.conflict.df == 0
    assert part.summary()["weight"] == []
    with pytest.raises(NoPosteriorError, match="'p' has no claims of its own"):
        part.predictive  # noqa: B018


def test_a_prior_may_be_given_by_name() -> None:
    claims = [about("w", 1_000, 0.2), about("p", 300, 0.2), about("x", 5, 0.2)]
    links = Part("p", of="w", share=Beta(1, 1))
    both = linked(claims, links, prior={"w": LogNormal(500, 1), "x": LogNormal(1, 1)})
    one = linked(claims[:2], links, prior=LogNormal(500, 1))
    assert both["p"].estimate == one["p"].estimate
    assert both["x"].prior == LogNormal(1, 1)


# ------------------------------------------------------------------ whether a posterior exists


def test_a_whole_may_be_known_through_a_part_alone() -> None:
    """Its upper tail falls like theta^-a, a of Beta(a, b): E[theta^j] exists for j below a."""
    claims = [about("p", 100, 0.1)]
    heavy = linked(claims, Part("p", of="w", share=Beta(1, 1)), model=SOUND)["w"].posterior
    assert heavy.mean() == np.inf
    light = linked(claims, Part("p", of="w", share=Beta(1.5, 2)), model=SOUND)["w"].posterior
    assert light.var() == np.inf
    # E[1/phi] under Beta(a, b) is (a + b - 1)/(a - 1); flat in log w is flat in log v.
    assert light.mean() == pytest.approx(100 * np.exp(0.1**2 / 2) * 2.5 / 0.5, rel=1e-8)


def test_a_flat_root_needs_claims_that_bound_it() -> None:
    void = Model(unsound=Void())
    with pytest.raises(NoPosteriorError, match="flat prior"):
        linked([about("p", 100, 0.1, 0.5)], Part("p", of="w", share=Beta(1, 1)), model=void)
    bound = Claim(Source("s", reliability=1.0), "at least 100", quantity="p")
    result = linked([bound], Part("p", of="w", share=Beta(1, 1)))
    assert 100 < result["p"].estimate < result["w"].estimate
    doubtful = Claim(Source("s", reliability=0.5), "at least 100", quantity="p")
    share = Part("p", of="w", share=Beta(1, 1))
    with pytest.raises(NoPosteriorError, match="cannot determine the scatter"):
        linked([doubtful], share, model=Model(heterogeneity=Flat()))


# ------------------------------------------------------------------ wrong input

CLAIMS = [about("w", 1_000, 0.2), about("p", 300, 0.2)]
SHARE = Beta(1, 1)


@pytest.mark.parametrize(
    ("links", "message"),
    [
        ([Part("p", of="w", share=SHARE), Part("p", of="v", share=SHARE)], "one whole at the most"),
        (
            [Part("p", of="w", share=SHARE), Part("w", of="p", share=SHARE)],
            "'p' of 'w' of 'p': a quantity cannot be part of itself",
        ),
        ([Part("x", of="y", share=SHARE)], "no claim is about 'y' or 'x'"),
        ([("p", "w")], "link 1: must be a Part or Parts"),
        ("p", "links must be a list of Part or Parts"),
    ],
)
def test_links_that_are_no_forest(links: Any, message: str) -> None:
    with pytest.raises(ReliabilityError, match=message):
        linked(CLAIMS, links)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Part("p", of="p", share=SHARE), "'p' cannot be part of itself"),
        (lambda: Part("p", of="w", share=1.5), "share must lie between 0 and 1"),  # type: ignore[arg-type]
        (lambda: Part("p", of="w", share=0.3), r"such as Beta\(300, 700\)"),  # type: ignore[arg-type]
        (lambda: Part("p", of="w", share="half"), "share must be a Beta"),  # type: ignore[arg-type]
        (lambda: Part("", of="w", share=SHARE), "name must not be empty"),
        (lambda: Part("p", of=3, share=SHARE), "of must be the name"),  # type: ignore[arg-type]
        (lambda: Parts({}, of="w"), "shares must be a mapping"),
        (lambda: Parts({"p": 2}, of="w"), "alone would be all of 'w'"),
        (lambda: Parts({"p": 0, "q": 1}, of="w"), "pseudo-count of 'p' must be finite and above 0"),
        (lambda: Parts({"p": "2", "q": 1}, of="w"), "must be a number above 0"),
        (lambda: Parts({"p": 2, "w": 1}, of="w"), "'w' cannot be part of itself"),
        (lambda: Parts({"p": 2, 3: 1}, of="w"), "shares must name quantities"),
        (lambda: Parts({"p": 2}, of="w", rest=-1.0), "rest must be finite and above 0"),
    ],
)
def test_links_that_cannot_be(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ReliabilityError, match=message):
        make()


def test_what_links_do_not_go_with() -> None:
    link = Part("p", of="w", share=SHARE)
    with pytest.raises(InvalidValueError, match="links need scale='log'"):
        combine(CLAIMS, links=link)
    with pytest.raises(InvalidValueError, match="the claims name none"):
        combine([("a", 5)], scale="log", links=link)
    with pytest.raises(InvalidValueError, match="'p' is a part of 'w': its prior"):
        linked(CLAIMS, link, prior={"p": LogNormal(1, 1)})
    with pytest.raises(InvalidValueError, match="no quantity is called 'x'; there are 'w'"):
        linked(CLAIMS, link, prior={"x": LogNormal(1, 1)})
    with pytest.raises(WrongTypeError, match="prior of 'w': prior must be a prior"):
        linked(CLAIMS, link, prior={"w": 5})
    with pytest.raises(InvalidValueError, match="made from the claims about one quantity"):
        linked(CLAIMS, link, model=Model.experts())
    with pytest.raises(InvalidValueError, match="use shared=0"):
        linked(CLAIMS, link, model=Model(shared=0.5))
    with pytest.raises(InvalidValueError, match="not for linked ones"):
        linked(CLAIMS, link, correlation=np.eye(2))


def test_the_only_origin_of_a_part_is_left_out_without_a_trace() -> None:
    """Where its claim excludes what the others allow, that does not stay behind."""
    claims = [
        Claim(Source("a", reliability=0.8), "about 2,500", quantity="p"),
        Claim(Source("b", reliability=0.7), "more than 12,000", quantity="w"),
    ]
    link = Part("p", of="w", share=Beta(1, 1))
    part = linked(claims, link)["p"]
    alone = linked(claims[1:], link)["p"]
    shift = part.claims[0].influence.shift
    assert part.estimate - shift == pytest.approx(alone.estimate, rel=1e-6)
    assert part.sensitivity(values=[0.0, 1.0]).curves[0].source == "a"
