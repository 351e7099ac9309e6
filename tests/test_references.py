"""Numbers of trusted tools, through ``combine`` called the way a user would."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from reliability import (
    About,
    AtLeast,
    AtMost,
    Claim,
    Combination,
    Estimate,
    Floor,
    Model,
    Posterior,
    Quantiles,
    Range,
    Source,
    Void,
    Wide,
    combine,
    prepared,
    priors,
)
from reliability.claims.statements import Statement

REFERENCES = Path(__file__).parent / "references"


def load(name: str) -> Any:
    return json.loads((REFERENCES / name).read_text(encoding="utf-8"))


def close(value: float, expected: float, unit: float, tolerance: float = 1e-9) -> bool:
    """Within ``tolerance`` units, or 4 units in the last place."""
    return bool(abs(value - expected) <= max(tolerance * unit, 4.0 * np.spacing(abs(expected))))


def one(result: Combination | dict[str, Combination]) -> Combination:
    assert isinstance(result, Combination)
    return result


# ------------------------------------------------------------------ bayesmeta

BAYESMETA = load("bayesmeta.json")["cases"]
TAU: dict[str, Any] = {
    "uniform": lambda p: priors.Flat(),
    "halfnormal": lambda p: priors.HalfNormal(p["scale"]),
    "halfcauchy": lambda p: priors.HalfCauchy(p["scale"]),
    "halflogistic": lambda p: priors.HalfLogistic(p["scale"]),
    "lomax": lambda p: priors.Lomax(p["shape"], p["scale"]),
    "rayleigh": lambda p: priors.Rayleigh(p["scale"]),
    "lognormal": lambda p: priors.LogNormal(math.exp(p["meanlog"]), p["sdlog"]),
    "Jeffreys": lambda p: priors.Jeffreys(),
    "overallJeffreys": lambda p: priors.OverallJeffreys(),
    "DuMouchel": lambda p: priors.DuMouchel(),
    "shrinkage": lambda p: priors.UniformShrinkage(),
    "conventional": lambda p: priors.Conventional(),
}


def random_effects(case: dict[str, Any]) -> Combination:
    mu = case["mu_prior"]
    return one(
        combine(
            [
                Claim(f"study {i}", Estimate(y, sd=s))
                for i, (y, s) in enumerate(zip(case["y"], case["sigma"], strict=True))
            ],
            model=Model.random_effects(TAU[case["tau_prior"]["type"]](case["tau_prior"])),
            prior=None if mu["type"] == "uniform" else priors.Normal(mu["mean"], mu["sd"]),
        )
    )


def check_distribution(posterior: Posterior, expected: dict[str, Any], *, sd: float) -> None:
    for method, name in ((posterior.mean, "mean"), (posterior.std, "sd")):
        if expected[name] is None:
            assert not math.isfinite(method()), name
        else:
            assert close(method(), expected[name], sd), name
    assert close(posterior.median(), expected["median"], sd)
    for kind in ("central", "shortest"):
        low, high = posterior.interval(0.95, kind=kind)  # type: ignore[arg-type]
        # Where both ends of a shortest interval are equally dense, its ends are determined
        # by a minimum: half of the digits that the width has survive in their position.
        tolerance = 1e-9 if kind == "central" else 1e-8
        assert close(low, expected[f"ci95_{kind}"][0], sd, tolerance), kind
        assert close(high, expected[f"ci95_{kind}"][1], sd, tolerance), kind
    if "cdf0" in expected:
        assert abs(float(posterior.cdf(0.0)) - expected["cdf0"]) < 1e-9


@pytest.mark.parametrize("case", BAYESMETA, ids=lambda c: f"{c['id']}-{c['tau_prior']['type']}")
def test_bayesmeta(case: dict[str, Any]) -> None:
    result, expected = random_effects(case), case["reference"]

    def spread(block: dict[str, Any]) -> float:
        low, high = block["ci95_central"]
        return float(block["sd"] or (high - low) / 4.0)

    check_distribution(result.posterior, expected["mu"], sd=spread(expected["mu"]))
    check_distribution(result.predictive, expected["predictive"], sd=spread(expected["predictive"]))
    assert result.heterogeneity is not None
    check_distribution(result.heterogeneity, expected["tau"], sd=spread(expected["tau"]))
    log_evidence = expected["log_marginal_likelihood"]
    if log_evidence is None:
        assert result.log_evidence is None
    else:
        assert result.log_evidence == pytest.approx(log_evidence, abs=1e-9)
    if case["mu_prior"]["type"] == "uniform":
        weights = [c.weight for c in result.claims]
        np.testing.assert_allclose(weights, expected["weights"], rtol=0, atol=1e-9)
    shrinkage = expected["shrinkage"]
    for i, claim in enumerate(result.claims):
        assert claim.shrunk is not None
        sd = shrinkage["sd"][i] or (shrinkage["hi_central"][i] - shrinkage["lo_central"][i]) / 4
        if shrinkage["mean"][i] is not None:
            assert close(claim.shrunk.mean(), shrinkage["mean"][i], sd)
        if shrinkage["sd"][i] is not None:
            assert close(claim.shrunk.std(), shrinkage["sd"][i], sd)
        assert close(claim.shrunk.median(), shrinkage["median"][i], sd)
        low, high = claim.shrunk.interval(0.95)
        assert close(low, shrinkage["lo_central"][i], sd)
        assert close(high, shrinkage["hi_central"][i], sd)
    assert result.error < 1e-9


# ------------------------------------------------------------------ metafor

METAFOR = load("metafor.json")["datasets"]


@pytest.mark.parametrize("name", sorted(METAFOR))
def test_metafor_common_effect(name: str) -> None:
    data = METAFOR[name]
    fe = data["FE"]
    result = one(
        combine(
            [
                Claim(f"study {i}", Estimate(y, sd=math.sqrt(v)))
                for i, (y, v) in enumerate(zip(data["yi"], data["vi"], strict=True))
            ],
            model=Model.common_effect(),
        )
    )
    assert close(result.posterior.mean(), fe["estimate"], fe["se"])
    assert result.posterior.std() == pytest.approx(fe["se"], rel=1e-9)
    conflict = result.conflict
    assert pytest.approx(fe["Q"], rel=1e-9) == conflict.Q
    assert pytest.approx(fe["I2"] / 100.0, rel=1e-9, abs=1e-12) == conflict.I2
    assert pytest.approx(fe["H2"], rel=1e-9) == conflict.H2
    assert conflict.p == pytest.approx(fe["Qp"], rel=1e-9)


# ------------------------------------------------------------------ measurements

PHYSICS = load("physics.json")["sets"]


def measurements(data: dict[str, Any], reliability: float | None = None) -> list[Claim]:
    return [
        Claim(Source(f"laboratory {i}", reliability=reliability), Estimate(x, sd=u))
        for i, (x, u) in enumerate(zip(data["x"], data["u"], strict=True))
    ]


def check_quantiles(posterior: Posterior, expected: dict[str, float]) -> None:
    # The reference's quantiles come from a root finder: on one set its 97.5 % point has
    # probability 0.975 + 1.2e-10 by 40-digit quadrature (ours 0.975 - 6e-14).
    sd = (expected["q975"] - expected["q025"]) / 4.0
    assert close(posterior.mean(), expected["mean"], sd)
    assert posterior.std() == pytest.approx(expected["sd"], rel=1e-8)
    for name, p in (("q025", 0.025), ("q50", 0.5), ("q975", 0.975)):
        assert close(float(posterior.ppf(p)), expected[name], sd, 1e-8), name


@pytest.mark.parametrize("name", sorted(PHYSICS))
def test_weighted_mean_and_birge_ratio(name: str) -> None:
    data = PHYSICS[name]
    result = one(combine(measurements(data), model=Model.common_effect()))
    standard = data["standard"]
    assert close(result.estimate, standard["value"], standard["sd"])
    assert result.posterior.std() == pytest.approx(standard["sd"], rel=1e-9)
    gvar = data["gvar"]
    assert pytest.approx(gvar["chi2"], rel=1e-8) == conflict_q(result)
    assert result.conflict.birge == pytest.approx(math.sqrt(gvar["chi2"] / gvar["dof"]), rel=1e-8)
    scaled = data["exact_birge"]["sd"] / standard["sd"]
    assert max(result.conflict.birge, 1.0) == pytest.approx(scaled, rel=1e-8)


def conflict_q(result: Combination) -> float:
    return result.conflict.Q


@pytest.mark.parametrize("name", sorted(PHYSICS))
def test_sivia(name: str) -> None:
    data = PHYSICS[name]
    result = one(combine(measurements(data, reliability=0.0), model=Model(unsound=Floor())))
    check_quantiles(result.posterior, data["exact_sivia_exact"])


@pytest.mark.parametrize("name", sorted(PHYSICS))
def test_hierarchical(name: str) -> None:
    data = PHYSICS[name]
    x = np.array(data["x"])
    scale = 1.4826 * float(np.median(np.abs(x - np.median(x))))
    model = Model.random_effects(priors.HalfCauchy(scale))
    result = one(combine(measurements(data), model=model))
    expected = data["exact_hb_gauss_NICOB"]
    check_quantiles(result.posterior, expected)
    assert result.heterogeneity is not None
    assert result.heterogeneity.mean() == pytest.approx(expected["tau_mean"], rel=1e-8)


@pytest.mark.parametrize("name", [n for n in sorted(PHYSICS) if "cov" in PHYSICS[n]])
def test_blue(name: str) -> None:
    data = PHYSICS[name]
    covariance = np.array(data["cov"])
    sd = np.sqrt(np.diag(covariance))
    result = one(
        combine(
            measurements({"x": data["x"], "u": sd}),
            model=Model.common_effect(),
            correlation=covariance / np.outer(sd, sd),
        )
    )
    blue = data["BLUE"]
    assert close(result.estimate, blue["value"], blue["sd"])
    assert result.posterior.std() == pytest.approx(blue["sd"], rel=1e-9)
    np.testing.assert_allclose([c.weight for c in result.claims], blue["weights"], atol=1e-9)
    assert pytest.approx(blue["chi2"], rel=1e-9) == result.conflict.Q


# ------------------------------------------------------------------ brute force

BRUTE = load("brute_force.json")


def statement(claim: dict[str, Any]) -> Statement:
    form = claim["form"]
    if form == "estimate":
        stated = {k: claim[k] for k in ("sd", "low", "high", "level") if claim.get(k) is not None}
        return Estimate(claim["value"], **stated)
    if form == "about":
        return About(claim["value"])
    if form == "range":
        return Range(claim["low"], claim["high"])
    if form == "quantiles":
        return Quantiles({float(p): q for p, q in claim["quantiles"].items()})
    excess = claim.get("excess")
    excess = math.inf if excess == "inf" else excess
    return (AtLeast if form == "atleast" else AtMost)(claim["value"], excess=excess)


def prior_of(data: dict[str, Any] | None) -> Any:
    if data is None:
        return None
    fields = dict(data)
    return getattr(priors, fields.pop("type"))(**fields)


def problem(case: dict[str, Any]) -> Combination:
    """Build the case through the public interface; shares come from origins."""
    unsound = dict(case["unsound"])
    kind = {"floor": Floor, "wide": Wide, "void": Void}[unsound.pop("type").lower()]
    factor = unsound.get("factor")
    options = {} if factor is None else {"factor": float(factor)}
    unknown = case.get("unknown_reliability")
    model = Model(
        unsound=kind(**options),
        heterogeneity=prior_of(case["heterogeneity"]),
        inflation=prior_of(case["inflation"]),
        shared=case["shared"] or 0.0,
        unknown_reliability=priors.Beta(*unknown) if unknown else priors.Beta(1.0, 1.0),
        unstated_error=case["unstated_error"] or 0.1,
    )
    claims = [
        Claim(
            Source(
                f"source {i}",
                reliability=c.get("reliability"),
                bias=c.get("bias") or 0.0,
                bias_sd=c.get("bias_sd") or 0.0,
                overconfidence=c.get("overconfidence") or 1.0,
                interest=c.get("interest") or 0,
            ),
            statement(c),
        )
        for i, c in enumerate(case["claims"])
    ]
    return with_shares(
        claims,
        [float(c.get("share") or 1.0) for c in case["claims"]],
        case["scale"],
        prior_of(case["prior"]),
        model,
    )


def with_shares(
    claims: list[Claim], shares: list[float], scale: Any, prior: Any, model: Model
) -> Combination:
    """Combine with shares given one by one, which origins alone could not make."""
    original = prepared.share_out

    def given(*arguments: Any) -> Any:
        result = original(*arguments)
        return attrs.evolve(result, share=np.array(shares))

    prepared.share_out = given
    try:
        return one(combine(claims, scale=scale, prior=prior, model=model))
    finally:
        prepared.share_out = original


@pytest.mark.parametrize("case", BRUTE, ids=lambda c: c["name"])
def test_brute_force(case: dict[str, Any]) -> None:
    result, expected = problem(case), case["result"]
    posterior = result.posterior
    low, high = posterior.interval(0.68)
    x_low, x_high = (float(result.scale.to_x(v)) for v in (low, high))
    half = 0.5 * (x_high - x_low)
    worst = 0.0
    for p, value in expected["quantiles"].items():
        x = float(result.scale.to_x(posterior.ppf(float(p))))
        true = float(result.scale.to_x(float(value)))
        in_probability = abs(float(posterior.cdf(float(value))) - float(p))
        assert close(x, true, half, 1e-8) or in_probability < 1e-8, p
        worst = max(worst, in_probability)
    # The reported error bounds probabilities; the cdf at the true quantile is limited by the
    # rounding of that quantile itself, a few units in its last place.
    rounding = max(
        float(posterior.pdf(float(v))) * 4.0 * float(np.spacing(abs(float(v))))
        for v in expected["quantiles"].values()
    )
    assert worst <= result.error + rounding
    for method, name in ((posterior.mean, "mean"), (posterior.std, "sd")):
        if expected[name] is None:
            assert not math.isfinite(method()), name
        else:
            true = float(expected[name])
            unit = half if case["scale"] == "linear" else max(abs(true), 1e-300)
            assert close(method(), true, unit, 1e-8), name
    if expected["log_evidence"] is None:
        assert result.log_evidence is None
    else:
        assert result.log_evidence == pytest.approx(float(expected["log_evidence"]), abs=1e-8)
    log_normaliser = result._inference.log_normaliser
    assert log_normaliser == pytest.approx(float(expected["log_normaliser"]), abs=1e-8)
    assert abs(math.expm1(log_normaliser - float(expected["log_normaliser"]))) <= (
        result.error + 8.0 * float(np.spacing(abs(log_normaliser)))
    )
    # Under scatter the knots of stated quantiles move, and convergence is slow: see the bound.
    scattered = case["heterogeneity"] or case["inflation"]
    knots = any(c["form"] == "quantiles" for c in case["claims"])
    assert result.error < (1e-5 if scattered and knots else 1e-7)
