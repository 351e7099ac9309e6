"""Is there anything at all: the atom at zero, and claims that there is something or nothing.

The numbers are checked against the model written out again, in mpmath or by hand.
"""

from __future__ import annotations

import itertools
import json
import math
import pickle
from collections.abc import Sequence
from typing import Any

import attrs
import mpmath
import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from reliability import (
    About,
    Absent,
    AtLeast,
    AtMost,
    Claim,
    Combination,
    Estimate,
    Floor,
    Heavy,
    Model,
    Present,
    Quantiles,
    Range,
    ReliabilityError,
    Source,
    Void,
    Wide,
    combine,
    combine_many,
    priors,
)
from reliability import strategies as own
from reliability.plots import forest, stated_interval
from reliability.scales import ScaleName

mp = mpmath.mp.clone()
mp.dps = 17

LOG_PRIOR = priors.LogNormal(1000.0, 1.5)


def one(claims: Sequence[Claim], **settings: Any) -> Combination:
    result = combine(claims, **settings)
    assert isinstance(result, Combination)
    return result


def says(what: Any, reliability: float | None, interest: int = 0, name: str = "") -> Claim:
    source = f"{name}{what}{reliability}{interest}"
    return Claim(Source(source, reliability=reliability, interest=interest), what)


# ------------------------------------------------------------------ by hand


@pytest.mark.parametrize(
    ("claim", "at_zero", "above"),
    [
        # A denial with an interest says nothing unless its source is sound: Bayes factor 1/(1 - r).
        (says(Absent(), 0.5, -1), 1.0, 0.5),
        (says(Absent(), 0.5), 0.75, 0.25),
        (says(Absent(), 0.5, +1), 0.75, 0.25),
        (says(Present(), 0.8), 0.1, 0.9),
        # An admission against interest says as much as that of a source without one.
        (says(Present(), 0.8, -1), 0.1, 0.9),
        (says(Present(), 0.8, +1), 0.2, 1.0),
    ],
)
@pytest.mark.parametrize("scale", ["log", "linear"])
def test_factors_by_hand(claim: Claim, at_zero: float, above: float, scale: ScaleName) -> None:
    prior = LOG_PRIOR if scale == "log" else priors.Normal(5.0, 2.0)
    result = one([claim], scale=scale, prior=prior, zero=0.3)
    evidence = 0.3 * at_zero + 0.7 * above
    assert result.posterior.zero == pytest.approx(0.3 * at_zero / evidence, rel=1e-14)
    assert result.log_evidence == pytest.approx(math.log(evidence), rel=1e-13)
    (found,) = result.claims
    sound_at_zero = isinstance(claim.statement, Absent)
    r = claim.source.reliability
    assert r is not None
    expected = 0.3 * r / evidence if sound_at_zero else 0.7 * r / evidence
    assert found.soundness == pytest.approx(expected, rel=1e-13)
    assert found.weight == 0.0
    assert math.isnan(found.tail)


def test_a_denial_and_a_number_by_hand() -> None:
    """With Void the number says as much of nothing as of something, but for its soundness."""
    number = says(Estimate(1000.0, sd=100.0), 0.6)
    denial = says(Absent(), 0.5, -1)
    prior = LOG_PRIOR
    result = one([number, denial], scale="log", prior=prior, model=Model(unsound=Void()), zero=0.5)
    # r S + (1 - r) U integrates to U whatever r: a number alone has Z1 = U, Z0 = (1 - r) U.
    assert result.posterior.zero == pytest.approx(0.4 * 1.0 / (0.4 * 1.0 + 1.0 * 0.5), rel=1e-11)


def test_unknown_reliability_by_hand() -> None:
    """Absent, Present, Present by sources that share p ~ Beta(2, 1); interests 0, 0, +1."""
    claims = [
        says(Absent(), None, 0, "a"),
        says(Present(), None, 0, "b"),
        says(Present(), None, 1, "c"),
    ]
    model = Model(unknown_reliability=priors.Beta(2.0, 1.0))
    result = one(claims, scale="log", prior=LOG_PRIOR, model=model, zero=0.4)

    def mean(function: Any) -> Any:
        return mp.quad(lambda p: 2 * p * function(p), [0, 1])

    def nothing(p: Any) -> Any:
        return (p + (1 - p) / 2) * (1 - p) / 2 * (1 - p)

    def something(p: Any) -> Any:
        return (1 - p) / 2 * (p + (1 - p) / 2) * 1

    z0, z1 = mp.mpf("0.4") * mean(nothing), mp.mpf("0.6") * mean(something)
    assert result.posterior.zero == pytest.approx(float(z0 / (z0 + z1)), rel=1e-13)
    assert result.log_evidence == pytest.approx(float(mp.log(z0 + z1)), rel=1e-13)
    assert result.reliability is not None
    mean_p = mp.mpf("0.4") * mean(lambda p: p * nothing(p))
    mean_p += mp.mpf("0.6") * mean(lambda p: p * something(p))
    assert result.reliability.mean() == pytest.approx(float(mean_p / (z0 + z1)), rel=1e-9)
    # Soundness: p S / (p S + (1 - p) U) under the posterior of p and of whether there is anything.
    sound = [
        mp.mpf("0.4") * mean(lambda p: p * (1 - p) / 2 * (1 - p)),
        mp.mpf("0.6") * mean(lambda p: (1 - p) / 2 * p),
        mp.mpf("0.6") * mean(lambda p: something(p) * p),
    ]
    for claim, expected in zip(result.claims, sound, strict=True):
        assert claim.soundness == pytest.approx(float(expected / (z0 + z1)), rel=1e-9)


# ------------------------------------------------------------------ numbers, by brute force

KINDS: dict[str, Any] = {
    "floor": Floor(),
    "floor5": Floor(5.0),
    "wide": Wide(4.0),
    "heavy": Heavy(2.0, 3.0),
    "void": Void(),
}


def normal(z: Any) -> Any:
    return mp.exp(-z * z / 2) / mp.sqrt(2 * mp.pi)


def unsound(kind: Any, residual: Any, sd: Any) -> Any:
    """Density of an unsound claim on x; a Void is not one."""
    r = residual
    if isinstance(kind, Wide):
        return normal(r / kind.factor) / (kind.factor * sd)
    if isinstance(kind, Heavy):
        nu, k = mp.mpf(kind.df), kind.factor
        constant = mp.gamma((nu + 1) / 2) / (mp.sqrt(nu * mp.pi) * mp.gamma(nu / 2))
        return constant * (1 + (r / k) ** 2 / nu) ** (-(nu + 1) / 2) / (k * sd)
    k = mp.inf if math.isinf(kind.factor) else mp.mpf(kind.factor)
    front = 1 if k == mp.inf else k / (k - 1)
    wide = 0 if k == mp.inf else 1 / (2 * k * k)
    if abs(r) < mp.mpf("1e-8"):
        return front * (mp.mpf("0.5") - wide) / (sd * mp.sqrt(2 * mp.pi))
    difference = mp.exp(-r * r * wide) - mp.exp(-r * r / 2)
    return front * difference / (r * r * sd * mp.sqrt(2 * mp.pi))


@attrs.frozen
class Brute:
    """Evidence of estimates with sds, denials and claims of presence, by plain quadrature.

    ``numbers`` are (y, sd, r, interest) on x, ``said`` (direction, r, interest); r None is p.
    """

    kind: Any
    mean: float
    sd: float
    linear: bool
    numbers: list[tuple[float, float, float | None, int]]
    said: list[tuple[int, float | None, int]]

    def prior(self, x: Any) -> Any:
        return normal((x - self.mean) / self.sd) / self.sd

    def points(self) -> list[Any]:
        marks = {mp.mpf(self.mean) + k * mp.mpf(self.sd) for k in (-14, -5, -2, 0, 2, 5, 14)}
        for y, sd, _, _ in self.numbers:
            marks |= {mp.mpf(y) + k * mp.mpf(sd) for k in (-8, -3, -1, 0, 1, 3, 8)}
        return sorted(marks)

    def over_x(self, function: Any) -> Any:
        return mp.quad(function, self.points())

    def u(self, y: float, sd: float, interest: int, x: Any) -> Any:
        r = (y - x) / mp.mpf(sd)
        tilt = 2 * mp.ncdf(interest * r) if interest else 1
        return unsound(self.kind, r, sd) * tilt

    def s(self, y: float, sd: float, x: Any) -> Any:
        return normal((y - x) / mp.mpf(sd)) / sd

    def spread_out(self) -> list[Any]:
        """What each number comes to under the prior, if unsound (or, of a Void, sound)."""
        if isinstance(self.kind, Void):
            return [
                self.over_x(lambda x, y=y, sd=sd: self.s(y, sd, x) * self.prior(x))
                for y, sd, _, _ in self.numbers
            ]
        return [
            self.over_x(lambda x, y=y, sd=sd, d=d: self.u(y, sd, d, x) * self.prior(x))
            for y, sd, _, d in self.numbers
        ]

    def factors(self, x: Any, spread: list[Any], *, zero: bool) -> list[tuple[Any, Any, Any]]:
        """S, U and r of every claim at x, or where there is nothing."""
        out = []
        for (y, sd, r, d), v in zip(self.numbers, spread, strict=True):
            if zero and not self.linear:
                out.append((0, v, r))
            else:
                unsound = v if isinstance(self.kind, Void) else self.u(y, sd, d, x)
                out.append((self.s(y, sd, x), unsound, r))
        for direction, r, d in self.said:
            out.append((int((direction < 0) == zero), mp.mpf(1 if d == direction else 0.5), r))
        return out

    @staticmethod
    def coefficients(factors: list[tuple[Any, Any, Any]]) -> list[Any]:
        """The product as a polynomial in p: coefficients of 1, p, p^2, ..."""
        out = [mp.mpf(1)]
        for s, u, r in factors:
            if r is not None:
                out = [c * (r * s + (1 - r) * u) for c in out]
                continue
            out = [u * a + (s - u) * b for a, b in zip([*out, 0], [0, *out], strict=True)]
        return out

    def evidences(self) -> tuple[Any, Any]:
        """Z0 and Z1 under p uniform."""
        spread = self.spread_out()

        def mean(coefficients: list[Any]) -> Any:
            return sum(c / (k + 1) for k, c in enumerate(coefficients))

        zero = mean(self.coefficients(self.factors(mp.mpf(0), spread, zero=True)))
        above = self.over_x(
            lambda x: self.prior(x) * mean(self.coefficients(self.factors(x, spread, zero=False)))
        )
        return zero, above


@pytest.mark.parametrize("scale", ["log", "linear", "logit"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("r", [0.7, None])
def test_brute_force(scale: ScaleName, kind: str, r: float | None) -> None:
    values = {"log": (900.0, 4000.0), "linear": (1.0, 4.0), "logit": (0.2, 0.6)}[scale]
    sds = {"log": (90.0, 900.0), "linear": (0.5, 0.8), "logit": (0.03, 0.05)}[scale]
    prior: Any
    if scale == "log":
        prior, (mean, sd) = LOG_PRIOR, (math.log(1000.0), 1.5)
        x = [math.log(v) for v in values]
        on_x = [s / v for v, s in zip(values, sds, strict=True)]
    elif scale == "linear":
        prior, (mean, sd) = priors.Normal(3.0, 2.0), (3.0, 2.0)
        x, on_x = list(values), list(sds)
    else:
        # A uniform share is logistic on x; its density there is written out below.
        prior, (mean, sd) = priors.Uniform(0.0, 1.0), (0.0, 4.0)
        x = [math.log(v / (1.0 - v)) for v in values]
        on_x = [s / (v * (1.0 - v)) for v, s in zip(values, sds, strict=True)]
    rs, interests = (r, 0.4), (1, 0)
    claims = [
        Claim(Source(f"n{i}", reliability=rs[i], interest=interests[i]), Estimate(v, sd=s))
        for i, (v, s) in enumerate(zip(values, sds, strict=True))
    ]
    claims += [says(Absent(), r, -1), says(Absent(), 0.3), says(Present(), r, -1)]
    result = one(claims, scale=scale, prior=prior, model=Model(unsound=KINDS[kind]), zero=0.25)
    # A Void ignores an interest.
    numbers = [(x[i], on_x[i], rs[i], 0 if kind == "void" else interests[i]) for i in range(2)]
    said: list[tuple[int, float | None, int]] = [(-1, r, -1), (-1, 0.3, 0), (1, r, -1)]
    brute: Brute = Brute(KINDS[kind], mean, sd, scale == "linear", numbers, said)
    if scale == "logit":
        brute = Logistic(KINDS[kind], mean, sd, False, numbers, said)
    z0, z1 = brute.evidences()
    whole = z0 / 4 + 3 * z1 / 4
    assert result.posterior.zero == pytest.approx(float(z0 / 4 / whole), rel=1e-9)
    assert result.log_evidence == pytest.approx(float(mp.log(whole)), abs=1e-9)


class Logistic(Brute):
    """A uniform prior on a share, seen on its logit."""

    def prior(self, x: Any) -> Any:
        return mp.exp(-abs(x)) / (1 + mp.exp(-abs(x))) ** 2

    def points(self) -> list[Any]:
        return [mp.mpf(-60), mp.mpf(-25), *super().points(), mp.mpf(25), mp.mpf(60)]


@pytest.mark.parametrize("shared", [0.0, 5.0])
@pytest.mark.parametrize("inflated", [False, True])
def test_scatter_and_shared_bias_by_brute_force(inflated: bool, shared: float) -> None:
    """What is common to all claims is integrated over both of the cases."""
    values, r = [(900.0, 90.0), (4000.0, 900.0)], (0.7, 0.4)
    x = [(math.log(v), s / v) for v, s in values]
    claims = [
        Claim(Source(f"n{i}", reliability=r[i]), Estimate(v, sd=s))
        for i, (v, s) in enumerate(values)
    ]
    claims.append(says(Absent(), 0.5))
    model = Model(
        unsound=Wide(4.0),
        heterogeneity=None if inflated else priors.HalfNormal(0.5),
        inflation=priors.Pareto(3.0) if inflated else None,
        shared=shared,
    )
    result = one(claims, scale="log", prior=LOG_PRIOR, model=model, zero=0.25)
    # The claims speak of x plus the shared bias, whose prior is wider.
    low, high = mp.mpf(math.log(1000.0)), mp.hypot(1.5, shared * mp.mpf("0.1"))

    def between(one_sd: Any, other: Any, gap: Any) -> Any:
        """Integral of the product of two normals in x."""
        return normal(gap / mp.hypot(one_sd, other)) / mp.hypot(one_sd, other)

    def at(scatter: Any) -> tuple[Any, Any]:
        """Both evidences given the scatter: everything is normal in x."""
        sds = [sd * scatter if inflated else mp.hypot(sd, scatter) for _, sd in x]
        nothing = mp.mpf("0.75")
        for i, (y, _) in enumerate(x):
            nothing *= (1 - mp.mpf(r[i])) * between(4 * sds[i], high, y - low)
        something = mp.mpf(0)
        for sound in itertools.product((True, False), repeat=2):
            weight, precision, first = mp.mpf("0.25"), 1 / high**2, low / high**2
            second, log_sizes = low**2 / high**2, -mp.log(high)
            for i, is_sound in enumerate(sound):
                weight *= mp.mpf(r[i]) if is_sound else 1 - mp.mpf(r[i])
                wide = sds[i] * (1 if is_sound else 4)
                y = x[i][0]
                precision += 1 / wide**2
                first += y / wide**2
                second += y**2 / wide**2
                log_sizes -= mp.log(wide)
            exponent = -(second - first**2 / precision) / 2 + log_sizes
            something += weight * mp.exp(exponent) / mp.sqrt(precision) / (2 * mp.pi)
        return nothing, something

    def over_scatter(function: Any, end: float) -> Any:
        if inflated:
            # Pareto(3) is uniform in 1/k^3.
            start = mp.mpf(end) ** -3 if end < mp.inf else mp.mpf(0)
            marks = [start, *(m for m in (0.01, 0.1, 0.5, 1) if m > start)]
            return mp.quad(lambda u: function(u ** (-mp.mpf(1) / 3)), marks)
        marks = [m for m in (0, 0.05, 0.1, 0.2, 0.5, 1, 2, 4, 8) if m < end] + [min(end, 9)]
        half = mp.mpf("0.5")
        return mp.quad(lambda t: 2 * normal(t / half) / half * function(t), marks)

    z0, z1 = (over_scatter(lambda t, k=k: at(t)[k], mp.inf) for k in (0, 1))
    whole = z0 / 4 + 3 * z1 / 4
    assert result.posterior.zero == pytest.approx(float(z0 / 4 / whole), rel=1e-8)
    assert result.log_evidence == pytest.approx(float(mp.log(whole)), abs=1e-8)
    assert result.heterogeneity is not None
    cut = 1.8 if inflated else 0.3
    below = over_scatter(lambda t: at(t)[0] / 4 + 3 * at(t)[1] / 4, cut)
    assert result.heterogeneity.cdf(cut) == pytest.approx(float(below / whole), rel=1e-7)


def test_shares_below_one_of_unknown_reliability() -> None:
    """Two origins that depend on each other: every likelihood to the power 1/(1 + rho)."""
    claims = [says(Absent(), None), says(Present(), None, 1), says(Absent(), 0.4)]
    result = one(claims, scale="log", prior=LOG_PRIOR, model=Model(dependence=0.5), zero=0.4)
    a = mp.mpf(1) / (1 + 2 * mp.mpf("0.5"))

    def mean(function: Any) -> Any:
        return mp.quad(function, [0, 0.01, 0.5, 0.99, 1])

    z0 = mean(lambda p: ((p + (1 - p) / 2) * (1 - p) * mp.mpf("0.7")) ** a)
    z1 = mean(lambda p: ((1 - p) / 2 * mp.mpf("0.3")) ** a)
    z0, z1 = mp.mpf("0.4") * z0, mp.mpf("0.6") * z1
    assert result.posterior.zero == pytest.approx(float(z0 / (z0 + z1)), rel=1e-8)
    assert result.log_evidence == pytest.approx(float(mp.log(z0 + z1)), abs=1e-8)


@pytest.mark.parametrize("shared", [0.0, 0.5])
@pytest.mark.parametrize("heterogeneity", [None, priors.HalfNormal(1.0)])
def test_closed_form_and_nodes_agree_on_the_linear_scale(shared: float, heterogeneity: Any) -> None:
    """Sound normal claims are a limit of claims that are doubtful: r just below 1."""
    claims = [says(Estimate(1.0, sd=1.0), 1.0), says(Estimate(2.0, sd=1.5), 1.0)]
    claims.append(says(Present(), None))
    setup: dict[str, Any] = {"prior": priors.Normal(0.0, 3.0), "zero": 0.4}
    model = Model(shared=shared, heterogeneity=heterogeneity)
    exact = one(claims, model=model, **setup)
    near = [
        attrs.evolve(
            claim,
            source=attrs.evolve(
                claim.source, reliability=None if claim.source.reliability is None else 1 - 1e-12
            ),
        )
        for claim in claims
    ]
    other = one(near, model=model, **setup)
    assert exact.posterior.zero == pytest.approx(other.posterior.zero, rel=1e-9)
    assert exact.log_evidence == pytest.approx(other.log_evidence, abs=1e-9)
    assert [c.soundness for c in exact.claims] == pytest.approx(
        [c.soundness for c in other.claims], rel=1e-8
    )
    assert exact.reliability is not None
    assert other.reliability is not None
    assert exact.reliability.mean() == pytest.approx(other.reliability.mean(), rel=1e-8)
    if heterogeneity is not None:
        assert exact.heterogeneity is not None
        assert other.heterogeneity is not None
        assert exact.heterogeneity.median() == pytest.approx(other.heterogeneity.median(), rel=1e-7)


def test_correlated_claims_on_the_linear_scale() -> None:
    """Z0/Z1 of generalised least squares is the ratio of the posterior to the prior at zero."""
    claims = [says(Estimate(1.0, sd=1.0), 1.0), says(Estimate(2.0, sd=1.5), 1.0)]
    correlation = [[1.0, 0.6], [0.6, 1.0]]
    prior = priors.Normal(0.5, 3.0)
    plain = one(claims, prior=prior, correlation=correlation)
    result = one(claims, prior=prior, correlation=correlation, zero=0.4)
    density_of_prior = math.exp(-0.5 * (0.5 / 3.0) ** 2) / (3.0 * math.sqrt(2.0 * math.pi))
    ratio = float(plain.posterior.pdf(0.0)) / density_of_prior
    assert result.posterior.zero == pytest.approx(0.4 * ratio / (0.4 * ratio + 0.6), rel=1e-12)
    other = one(list(reversed(claims)), prior=prior, correlation=correlation, zero=0.4)
    assert other.posterior.zero == pytest.approx(result.posterior.zero, rel=1e-12)


EVERY_FORM: list[Any] = [
    Estimate(2.0, sd=1.0),
    Estimate(1.0, low=-1.0, high=2.0, level=0.9),
    Estimate(3.0),
    About(-2.0),
    Range(-1.0, 4.0),
    Quantiles({0.1: -2.0, 0.5: 1.0, 0.9: 2.5}),
    AtLeast(-3.0),
    AtMost(5.0, excess=math.inf),
]


@pytest.mark.parametrize(
    "model",
    [
        Model(),
        Model(unsound=Void()),
        Model(unsound=Heavy(2.0, 3.0), dependence=0.4),
        Model(heterogeneity=priors.HalfNormal(1.0)),
        Model(inflation=priors.Pareto(3.0)),
        Model(shared=0.5),
        Model(shared=0.5, heterogeneity=priors.HalfNormal(1.0)),
    ],
    ids=["floor", "void", "heavy", "scatter", "inflation", "shared", "both"],
)
def test_linear_zero_is_where_the_posterior_beside_it_says(model: Model) -> None:
    """Z0/Z1 is the posterior density at zero over the prior's (Dickey 1971), whatever the form."""
    scattered = model.heterogeneity is not None or model.inflation is not None
    forms = EVERY_FORM[:4] if scattered else EVERY_FORM
    claims = [
        Claim(Source(f"s{i}", reliability=(0.6, None)[i % 2], interest=(0, 1, -1)[i % 3]), what)
        for i, what in enumerate(forms)
    ]
    prior = priors.Normal(1.0, 3.0)
    plain = one(claims, prior=prior, model=model)
    result = one(claims, prior=prior, model=model, zero=0.4)
    density = math.exp(-0.5 / 9.0) / (3.0 * math.sqrt(2.0 * math.pi))
    ratio = float(plain.posterior.pdf(0.0)) / density
    assert result.posterior.zero == pytest.approx(0.4 * ratio / (0.4 * ratio + 0.6), rel=1e-7)
    assert plain.log_evidence is not None
    expected = plain.log_evidence + math.log(0.4 * ratio + 0.6)
    assert result.log_evidence == pytest.approx(expected, abs=1e-7)


@given(
    own.statements(scale="log"),
    st.floats(0.0, 0.99),
    st.sampled_from([-1, 0, 1]),
    st.sampled_from([Floor(), Floor(5.0), Wide(4.0), Heavy(1.5, 2.0)]),
)
@settings(max_examples=40)
def test_an_unsound_number_is_as_probable_of_nothing(
    statement: Any, r: float, interest: int, kind: Any
) -> None:
    """Z0 = (1 - r) V, V the evidence of the same claim with reliability 0."""
    setup: dict[str, Any] = {
        "scale": "log",
        "prior": priors.LogNormal(1.0, 20.0),
        "model": Model(unsound=kind),
    }
    try:
        alone = one([says(statement, 0.0, interest)], **setup).log_evidence
    except ReliabilityError:  # numbers whose digits or sizes floats do not hold on this scale
        reject()
    plain = one([says(statement, r, interest)], **setup).log_evidence
    found = one([says(statement, r, interest)], zero=0.5, **setup).posterior.zero
    assert alone is not None
    assert plain is not None
    verified = isinstance(statement, AtMost) and statement.excess == math.inf
    z0 = (r if verified else 0.0) + (1.0 - r) * math.exp(alone)
    assert found == pytest.approx(z0 / (z0 + math.exp(plain)), rel=1e-8)


def test_bounds_at_zero() -> None:
    """A sound verified upper bound holds of nothing; any other sound number excludes it."""
    prior = priors.LogUniform(10.0, 1e6)

    def zero(statement: Any, reliability: float) -> float:
        return one(
            [says(statement, reliability)], scale="log", prior=prior, zero=0.5
        ).posterior.zero

    assert zero(AtLeast(100.0), 1.0) == 0.0
    assert zero(AtMost(100.0), 1.0) == 0.0
    assert zero(AtLeast(100.0, excess=math.inf), 1.0) == 0.0
    # Z0 = 1, Z1 = P(theta <= 100), but for the smooth step of the bound.
    share = math.log(10.0) / math.log(1e5)
    assert zero(AtMost(100.0, excess=math.inf), 1.0) == pytest.approx(1 / (1 + share), rel=1e-3)


# ------------------------------------------------------------------ what must hold

FOUNDING = [
    Claim(Source("US", reliability=0.8), Estimate(2500, low=2000, high=3000, level=0.9)),
    Claim(Source("Ukraine", reliability=0.6, interest=1), "more than 12,000", origin="briefing"),
    Claim(Source("Seoul", reliability=0.7), "more than 12,000", origin="briefing"),
    Claim(Source("Russia", reliability=0.5, interest=-1), Absent()),
]
WIDE_PRIOR = priors.LogUniform(10.0, 1e6)


def founding(claims: Sequence[Claim] = FOUNDING, zero: float = 0.5, **more: Any) -> Combination:
    return one(claims, scale="log", prior=WIDE_PRIOR, zero=zero, **more)


reliabilities = st.one_of(st.none(), st.floats(0.05, 0.95))
presences = st.lists(
    st.builds(
        lambda what, r, d, k: Claim(Source(f"s{k} {r} {d}", reliability=r, interest=d), what),
        st.sampled_from([Absent(), Present()]),
        reliabilities,
        st.sampled_from([-1, 0, 1]),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=4,
)


@given(presences, st.floats(0.01, 0.99), st.randoms(use_true_random=False))
@settings(max_examples=10)
def test_order_and_copies_change_nothing(said: list[Claim], zero: float, random: Any) -> None:
    claims = [*FOUNDING[:2], *said]
    result = founding(claims, zero)
    shuffled = list(claims)
    random.shuffle(shuffled)
    copies = [
        Claim(Source(f"copy {i}", reliability=0.01), claim.statement, origin=claim.source.name)
        for i, claim in enumerate(said)
        if claim.source.reliability is not None
    ]
    for others in (shuffled, [*claims, *copies]):
        other = founding(others, zero)
        assert other.posterior.zero == pytest.approx(result.posterior.zero, rel=1e-10)
        assert other.posterior.nonzero.median() == pytest.approx(
            result.posterior.nonzero.median(), rel=1e-9
        )


@given(presences, st.floats(0.01, 0.99))
@settings(max_examples=15)
def test_zero_of_numbers_and_presence_multiply(said: list[Claim], zero: float) -> None:
    """Where reliabilities are known, what is said of presence moves the odds by its own factor."""
    said = [claim for claim in said if claim.source.reliability is not None]
    if not said:
        return
    numbers = founding(FOUNDING[:2], zero).posterior.zero
    alone = one(said, scale="log", prior=WIDE_PRIOR, zero=zero).posterior.zero
    both = founding([*FOUNDING[:2], *said], zero).posterior.zero

    def odds(p: float) -> float:
        return p / (1.0 - p)

    assert odds(both) == pytest.approx(odds(numbers) * odds(alone) / odds(zero), rel=1e-7)


def test_the_limit_of_no_atom() -> None:
    claims = [*FOUNDING[:3], says(Present(), None)]
    plain, tiny = founding(claims, 0.0), founding(claims, 1e-15)
    assert tiny.posterior.zero < 1e-14
    assert tiny.log_evidence == pytest.approx(plain.log_evidence, abs=1e-12)
    np.testing.assert_allclose(
        tiny.posterior.ppf([0.05, 0.5, 0.95]), plain.posterior.ppf([0.05, 0.5, 0.95]), rtol=1e-10
    )
    assert plain.reliability is not None
    assert tiny.reliability is not None
    assert tiny.reliability.mean() == pytest.approx(plain.reliability.mean(), rel=1e-9)
    for one_claim, other in zip(tiny.claims, plain.claims, strict=True):
        assert one_claim.soundness == pytest.approx(other.soundness, abs=1e-9)
        assert one_claim.weight == pytest.approx(other.weight, abs=1e-12)


def test_what_says_nothing_is_dropped() -> None:
    """Claims of reliability 0, and Present where zero=0 leaves no doubt, change nothing."""
    nothing = [says(Absent(), 0.0), says(Present(), 0.0, 1)]
    result, other = founding(), founding([*FOUNDING, *nothing])
    assert other.posterior.zero == result.posterior.zero
    assert [c.dropped for c in other.claims[-2:]] == [
        "says nothing: reliability 0",
        "says nothing: reliability 0 or zero=0",
    ]
    # From one origin it would else take half of the number's share.
    present = Claim(Source("US", reliability=0.8), Present())
    plain, same = founding(FOUNDING[:3], 0.0), founding([*FOUNDING[:3], present], 0.0)
    assert same.estimate == plain.estimate
    assert same.claims[3].share == 0.0
    assert same.claims[3].soundness == pytest.approx(0.8 / 0.9)


def test_a_confirmed_source_of_unknown_reliability_is_trusted_more() -> None:
    """Present with zero=0 moves x through p alone."""
    claims = [says(Estimate(100, sd=5), None, name="a"), says(Estimate(300, sd=5), 0.5, name="b")]
    plain = founding(claims, 0.0)
    more = founding([*claims, *(says(Present(), None, name=str(i)) for i in range(3))], 0.0)
    assert plain.reliability is not None
    assert more.reliability is not None
    assert more.reliability.mean() > plain.reliability.mean()
    assert more.posterior.cdf(200.0) > plain.posterior.cdf(200.0)


def test_leaving_out_by_solving_anew() -> None:
    """Influence is the divergence of the whole, atom and all, and the shift of the median."""
    result = founding()
    without = founding(FOUNDING[:3])
    russia = result.claims[3].influence
    assert russia.shift == pytest.approx(result.estimate - without.estimate, rel=1e-9)
    p, q = result.posterior.zero, without.posterior.zero
    # The numbers' part does not move: it is the binary divergence.
    expected = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    assert russia.divergence == pytest.approx(expected, rel=1e-8)
    number = result.claims[0].influence
    other = founding(FOUNDING[1:])
    assert number.shift == pytest.approx(result.estimate - other.estimate, rel=1e-9)
    theta = np.exp(np.linspace(math.log(10.0), math.log(1e6), 400_001))
    own, their = np.asarray(result.posterior.pdf(theta)), np.asarray(other.posterior.pdf(theta))
    inner = np.trapezoid(own * (np.log(own) - np.log(their)) * theta, np.log(theta))
    expected = float(inner) + p * math.log(p / other.posterior.zero)
    assert number.divergence == pytest.approx(expected, rel=1e-6)


def test_everything_but_denials_left_out() -> None:
    result = founding([FOUNDING[0], FOUNDING[3]])
    number, denial = result.claims
    assert math.isfinite(number.influence.divergence)
    assert math.isnan(number.tail)
    assert denial.influence.shift <= 0.0


# ------------------------------------------------------------------ the posterior with an atom


@pytest.mark.parametrize(
    ("scale", "prior", "claim"),
    [
        ("log", priors.LogNormal(1000.0, 1.5), Estimate(900.0, sd=200.0)),
        ("logit", priors.Uniform(0.0, 1.0), Estimate(0.3, sd=0.1)),
        ("linear", priors.Normal(1.0, 3.0), Estimate(0.8, sd=1.0)),
    ],
)
def test_posterior_with_an_atom(scale: ScaleName, prior: Any, claim: Any) -> None:
    posterior = one(
        [says(claim, 0.6), says(Absent(), 0.4)], scale=scale, prior=prior, zero=0.4
    ).posterior
    zero, beside = posterior.zero, posterior.nonzero
    assert 0.1 < zero < 0.9
    assert beside.zero == 0.0
    theta = np.asarray(beside.ppf([0.001, 0.2, 0.5, 0.9, 0.999]))
    np.testing.assert_allclose(
        posterior.cdf(theta), zero * (theta >= 0.0) + (1 - zero) * np.asarray(beside.cdf(theta))
    )
    np.testing.assert_allclose(
        np.asarray(posterior.cdf(theta)) + np.asarray(posterior.sf(theta)), 1.0, atol=1e-14
    )
    np.testing.assert_allclose(posterior.pdf(theta), (1 - zero) * np.asarray(beside.pdf(theta)))
    np.testing.assert_allclose(posterior.logpdf(theta), np.log(np.asarray(posterior.pdf(theta))))
    # Quantiles invert the distribution function, which jumps at zero.
    p = np.linspace(0.0005, 0.9995, 400)
    q = np.asarray(posterior.ppf(p))
    assert np.all(np.diff(q) >= 0.0)
    away = q != 0.0
    np.testing.assert_allclose(np.asarray(posterior.cdf(q[away])), p[away], atol=1e-9)
    just_below = float(posterior.cdf(0.0)) - zero
    assert np.all((p[~away] >= just_below - 1e-12) & (p[~away] <= just_below + zero + 1e-12))
    np.testing.assert_allclose(posterior.isf(1.0 - p), q, rtol=1e-9, atol=1e-12)
    assert posterior.median() == posterior.ppf(0.5)
    mean, var = beside.mean(), beside.var()
    assert posterior.mean() == pytest.approx((1 - zero) * mean, rel=1e-12)
    if math.isfinite(var):
        second = (1 - zero) * (var + mean**2)
        assert posterior.var() == pytest.approx(second - ((1 - zero) * mean) ** 2, rel=1e-11)
        assert posterior.std() == pytest.approx(math.sqrt(posterior.var()))
    binary = -zero * math.log(zero) - (1 - zero) * math.log(1 - zero)
    assert posterior.entropy() == pytest.approx(binary + (1 - zero) * beside.entropy(), rel=1e-12)
    assert posterior.modes() == beside.modes()
    low, high = posterior.support()
    assert low <= 0.0 <= high
    draws = posterior.rvs(4000, rng=1)
    assert np.mean(draws == 0.0) == pytest.approx(zero, abs=0.03)
    assert posterior.interval(0.8) == pytest.approx((posterior.ppf(0.1), posterior.isf(0.1)))
    assert f"zero={zero:.6g}" in repr(posterior)
    # The shortest interval holds what it should, and none of a fine grid is shorter.
    for level in (0.3, 0.7, 0.9, 0.97):
        low, high = posterior.interval(level, "shortest")
        held = float(posterior.cdf(high)) - float(posterior.cdf(low)) + zero * (low == 0.0)
        assert held >= level - 1e-9
        if scale == "linear":
            grid = np.linspace(0.0, 1.0 - level, 2001)
            widths = np.asarray(posterior.ppf(grid + level)) - np.asarray(posterior.ppf(grid))
            assert high - low <= np.nanmin(widths[1:-1]) + 1e-9


def test_a_certain_denial_and_a_contradiction() -> None:
    certain = says(Absent(), 1.0)
    posterior = founding([FOUNDING[0], certain]).posterior
    assert (posterior.zero, posterior.median(), posterior.mean(), posterior.std()) == (1, 0, 0, 0)
    assert posterior.interval(0.9) == (0.0, 0.0)
    with pytest.raises(ReliabilityError, match="sound for certain say that there is something"):
        founding([says(Estimate(100, sd=1), 1.0), certain])


def test_sound_numbers_exclude_zero() -> None:
    result = one(
        [says(Estimate(100, sd=10), 1.0), says(Absent(), None)],
        scale="log",
        prior=LOG_PRIOR,
        zero=0.5,
    )
    assert result.posterior.zero == 0.0
    # The denial is unsound for certain: p has the posterior of one failure.
    assert result.reliability is not None
    assert result.reliability.mean() == pytest.approx(1.0 / 3.0, rel=1e-9)
    assert [c.soundness for c in result.claims] == [1.0, 0.0]


# ------------------------------------------------------------------ results as text and data


def test_texts_and_data() -> None:
    result = founding()
    text = str(result)
    assert "There is none at all with probability 41%." in text
    assert "there are none" in text
    assert "There is none at all" in result._repr_html_()
    assert result.summary()["statement"][-1] == "there are none"
    data = json.loads(json.dumps(result.to_dict()))
    assert data["zero"] == 0.5
    assert data["result"]["zero"] == result.posterior.zero
    again = Combination.from_dict(data)
    assert again.posterior.zero == result.posterior.zero
    assert again.claims[-1].claim == FOUNDING[-1]
    old = {name: value for name, value in data.items() if name != "zero"}
    old["claims"] = old["claims"][:3]
    assert Combination.from_dict(old).posterior.zero == 0.0


@pytest.mark.parametrize(
    ("claims", "model"),
    [
        (FOUNDING, None),
        (FOUNDING[:2], Model(heterogeneity=priors.HalfNormal(0.5))),
        ([FOUNDING[3]], None),
    ],
)
def test_results_can_be_pickled(claims: list[Claim], model: Model | None) -> None:
    result = founding(claims, model=model)
    again = pickle.loads(pickle.dumps(result))  # noqa: S301
    assert again.posterior.zero == result.posterior.zero
    assert [c.soundness for c in again.claims] == [c.soundness for c in result.claims]
    if model is not None:
        assert result.heterogeneity is not None
        assert again.heterogeneity.median() == pytest.approx(result.heterogeneity.median())


# ------------------------------------------------------------------ tables

ROWS: list[dict[str, Any]] = [
    {"quantity": "a", "source": "US", "reliability": 0.8, "value": 2500.0, "sd": 300.0},
    {"quantity": "a", "source": "Russia", "reliability": 0.5, "interest": -1, "form": "absent"},
    {"quantity": "b", "source": "X", "value": 40.0, "sd": 4.0},
    {"quantity": "b", "source": "Y", "form": "Present"},
    {"quantity": "b", "source": "Russia", "form": "absent"},
    {"quantity": "c", "source": "Russia", "statement": "there are none"},
    {"quantity": "c", "source": "Y", "statement": "they are there"},
    {"quantity": "d", "source": "US", "value": 7.0, "sd": 2.0},
]


def table(rows: Sequence[dict[str, Any]] = ROWS) -> dict[str, list[Any]]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in names}


def claims_of(quantity: str) -> list[Claim]:
    known = {"US": {"reliability": 0.8}, "Russia": {"reliability": 0.5, "interest": -1}}
    out = []
    for row in ROWS:
        if row["quantity"] != quantity:
            continue
        form = row.get("form", "").lower()
        what: Any = row.get("statement")
        if form:
            what = Absent() if form == "absent" else Present()
        elif what is None:
            what = Estimate(row["value"], sd=row["sd"])
        out.append(Claim(Source(row["source"], **known.get(row["source"], {})), what))
    return out


@pytest.mark.parametrize(
    "model",
    [
        Model(),
        Model(unsound=Void()),
        Model(unsound=Wide(5.0), dependence=0.3),
        Model(heterogeneity=priors.HalfNormal(0.5)),
        Model(shared=0.5),
        Model.common_effect(),
    ],
    ids=["floor", "void", "dependent", "scatter", "shared", "common"],
)
@pytest.mark.parametrize("scale", ["log", "linear"])
def test_tables_give_the_numbers_of_combine(model: Model, scale: ScaleName) -> None:
    prior: Any = priors.LogNormal(500.0, 2.0) if scale == "log" else priors.Normal(0.0, 1000.0)
    # Where all are sound for certain, a denial contradicts a number, or presence, or is certain.
    rows = ROWS if model.unsound is not None else [ROWS[i] for i in (0, 2, 3, 7)]
    found = combine_many(
        table(rows),
        scale=scale,
        prior=prior,
        model=model,
        zero=0.3,
        claims=True,
        quantities={"quantity": ["d"], "zero": [0.6]},
    )
    for row, name in enumerate(found.quantities["quantity"]):
        claims = claims_of(name)
        if model.unsound is None:
            claims = [claim for claim in claims if not isinstance(claim.statement, Absent)]
        result = one(
            claims, scale=scale, prior=prior, model=model, zero=0.6 if name == "d" else 0.3
        )
        posterior = result.posterior
        low, high = posterior.interval(0.95)
        expected = {
            "zero": posterior.zero,
            "estimate": result.estimate,
            "mean": posterior.mean(),
            "sd": posterior.std(),
            "low": low,
            "high": high,
            "log_evidence": result.log_evidence,
            "conflict_p": result.conflict.p,
        }
        for column, value in expected.items():
            assert found.quantities[column][row] == pytest.approx(
                value, rel=1e-8, abs=1e-12, nan_ok=True
            ), (name, column)
        own = np.flatnonzero(np.asarray(found.claims["quantity"]) == name)
        for column in ("weight", "soundness", "tail"):
            np.testing.assert_allclose(
                np.asarray(found.claims[column])[own],
                [getattr(claim, column) for claim in result.claims],
                rtol=1e-8,
                atol=1e-12,
            )


def test_combinations_of_a_table_have_the_atom() -> None:
    found = combine_many(table(), scale="log", prior=LOG_PRIOR, zero=0.3, combinations=["a"])
    assert found.combinations["a"].posterior.zero == pytest.approx(found.quantities["zero"][0])


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("claims", "arguments", "message"),
    [
        (
            FOUNDING,
            {"zero": 0.0},
            r"claim 4 \(Russia\): it says that there is nothing, .* zero=0.5",
        ),
        (FOUNDING, {"zero": 1.0}, r"zero, .* must lie in \[0, 1\), got 1"),
        (FOUNDING, {"zero": 50}, r"did you mean 0.5\?"),
        (FOUNDING, {"zero": float("nan")}, "must lie in"),
        (FOUNDING, {"zero": "half"}, "zero must be a number"),
        (FOUNDING, {"zero": True}, "zero must be a number"),
        (FOUNDING, {"prior": priors.Flat()}, "needs a proper prior .* give prior="),
        (FOUNDING, {"prior": None}, "needs a proper prior .* LogNormal"),
        (
            [FOUNDING[3]],
            {"prior": priors.IntrinsicRange(0.1)},
            "IntrinsicRange is made from .* another proper prior",
        ),
        ([says(Absent(), 0.0)], {}, "every claim has reliability 0"),
        ([says(Present(), 0.5)], {"zero": 0.0}, "which zero=0 takes for granted"),
        ([says(Present(), None)], {"zero": 0.0, "prior": None}, "no claim states a number"),
        (
            [says(Estimate(0.0, sd=1.0), 0.5)],
            {},
            r"value=0 is impossible on the log scale.*Absent\(\)",
        ),
    ],
)
def test_bad_input(claims: list[Claim], arguments: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"scale": "log", "prior": WIDE_PRIOR, "zero": 0.5} | arguments
    with pytest.raises(ReliabilityError, match=message):
        combine(claims, **given)


def test_a_correlation_has_no_place_for_presence() -> None:
    claims = [says(Estimate(1.0, sd=1.0), 1.0), says(Present(), 1.0)]
    with pytest.raises(ReliabilityError, match="correlation is for estimates"):
        combine(claims, prior=priors.Normal(0, 1), zero=0.5, correlation=np.eye(2))


def test_bad_rows_of_tables() -> None:
    with pytest.raises(ReliabilityError, match=r"row 2, form: it says that there is nothing"):
        combine_many(table(ROWS[:2]), scale="log", prior=LOG_PRIOR)
    found = combine_many(table(ROWS[:2]), scale="log", prior=LOG_PRIOR, on_error="collect")
    assert found.bad_rows["row"].tolist() == [2]
    wrong = [ROWS[0], ROWS[1] | {"value": 3.0}]
    with pytest.raises(ReliabilityError, match=r"row 2, value: does not go with form absent"):
        combine_many(table(wrong), scale="log", prior=LOG_PRIOR, zero=0.5)
    with pytest.raises(ReliabilityError, match=r"^quantity 'c': no claim states a number"):
        combine_many(table([{"quantity": "c", "source": "Y", "form": "present"}]), scale="log")
    contrary = [
        {"quantity": "a", "source": "A", "reliability": 1.0, "value": 5.0, "sd": 1.0},
        {"quantity": "a", "source": "B", "reliability": 1.0, "form": "absent"},
    ]
    with pytest.raises(ReliabilityError, match=r"^quantity 'a': claims that are sound for certain"):
        combine_many(table(contrary), scale="log", prior=LOG_PRIOR, zero=0.5)


# ------------------------------------------------------------------ pictures


def test_the_atom_is_a_bar_at_zero() -> None:
    pytest.importorskip("matplotlib")
    result = founding([*FOUNDING, says(Present(), None)])
    assert all(math.isnan(end) for end in stated_interval(result.claims[3], result))
    ax = forest(result)
    edge = ax.get_xlim()[0]
    bars = [line for line in ax.lines if line.get_linewidth() == 6.0]
    (bar,) = bars
    assert set(np.asarray(bar.get_xdata()).tolist()) == {edge}
    assert np.ptp(np.asarray(bar.get_ydata())) == pytest.approx(1.25 * result.posterior.zero)
    rings = [line for line in ax.lines if line.get_marker() == "o"]
    assert [np.asarray(ring.get_xdata()).tolist() for ring in rings] == [[edge]]
    on_line = one([says(Estimate(3.0, sd=1.0), 0.5)], prior=priors.Normal(5.0, 2.0), zero=0.5)
    ax = forest(on_line)
    (bar,) = (line for line in ax.lines if line.get_linewidth() == 6.0)
    assert set(np.asarray(bar.get_xdata()).tolist()) == {0.0}
    assert ax.get_xlim()[0] < 0.0
    nothing = one([says(Absent(), 0.5)], scale="log", prior=WIDE_PRIOR, zero=0.9)
    assert forest(nothing).lines
