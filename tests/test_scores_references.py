"""Scores against other tools' numbers, kept with their versions in references/."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import attrs
import mpmath as mp
import numpy as np
import pytest
from scipy import stats

from reliability import Combination, Estimate, Model, Posterior, combine, priors
from reliability.engine.normal_mixtures import NormalMixture
from reliability.scores import (
    brier,
    cooke_calibration,
    cooke_information,
    crps,
    crps_ensemble,
    interval_score,
    log_score,
    pinball,
    quantile_counts,
    wis,
)
from reliability.scores.forecasts import Forecast
from reliability.scores.integrals import _continuous

REFERENCES = Path(__file__).parent / "references"
#: What scores.json promises.
TOLERANCE = 1e-10


def load(name: str) -> Any:
    return json.loads((REFERENCES / name).read_text(encoding="utf-8"))


CASES = load("scores.json")["cases"]
FORECASTS: dict[str, Any] = {
    "normal": lambda p: stats.norm(p["mu"], p["sigma"]),
    "lognormal": lambda p: stats.lognorm(p["sigmalog"], scale=math.exp(p["mulog"])),
    "student_t": lambda p: stats.t(**p),
    "laplace": lambda p: stats.laplace(**p),
    "logistic": lambda p: stats.logistic(**p),
    "uniform": lambda p: stats.uniform(p["min"], p["max"] - p["min"]),
    "truncated_normal": lambda p: stats.truncnorm(
        (p["lower"] - p["loc"]) / p["scale"], math.inf, p["loc"], p["scale"]
    ),
    "poisson": lambda p: stats.poisson(p["mean"]),
    "negbinom": lambda p: stats.nbinom(**p),
    "mixture_normal": lambda p: Posterior(
        NormalMixture.of(np.array(p["w"]), np.array(p["m"]), np.array(p["s"]))
    ),
    "left_censored_normal_at_0": lambda p: censored(p["loc"], p["scale"]),
}


def censored(loc: float, scale: float) -> Posterior:
    """A posterior that is a normal above zero, with what lies below in an atom at zero."""
    result = combine(
        [("somebody", Estimate(loc, sd=scale))],
        model=Model.common_effect(),
        prior=priors.Uniform(0.0, loc + 60.0 * scale),
    )
    assert isinstance(result, Combination)
    return attrs.evolve(result.posterior, zero=float(stats.norm.cdf(-loc / scale)))


def of_kind(*kinds: str) -> list[Any]:
    return [pytest.param(c, id=c["id"]) for c in CASES if c["kind"] in kinds]


@pytest.mark.parametrize("case", of_kind(*FORECASTS))
def test_crps_and_log_score(case: dict[str, Any]) -> None:
    forecast = FORECASTS[case["kind"]](case["params"])
    # scoringrules gives inf for one negative binomial, of which scipy has the right number.
    assert crps(forecast, case["obs"]) == pytest.approx(case["crps_scoringrules"], rel=TOLERANCE)
    if "logs_scipy" in case:
        expected = case["logs_scipy"]
        expected = float(case["logs_scoringrules"]) if expected is None else expected
        assert log_score(forecast, case["obs"]) == pytest.approx(-expected, rel=TOLERANCE)


@pytest.mark.parametrize("case", of_kind("normal", "lognormal", "student_t", "logistic", "uniform"))
def test_the_integral_equals_the_closed_form(case: dict[str, Any]) -> None:
    forecast = Forecast.of(FORECASTS[case["kind"]](case["params"]))
    (found,) = _continuous(forecast, np.array([float(case["obs"])]))
    assert found == pytest.approx(case["crps_scoringrules"], rel=TOLERANCE)


@pytest.mark.parametrize("case", of_kind("ensemble"))
def test_ensembles(case: dict[str, Any]) -> None:
    members, outcome = case["params"]["members"], case["obs"]
    found = crps_ensemble(members, outcome)
    assert found == pytest.approx(case["crps_properscoring"], rel=TOLERANCE)
    found = crps_ensemble(members, outcome, fair=True)
    assert found == pytest.approx(case["crps_scoringrules_fair"], rel=TOLERANCE)


@pytest.mark.parametrize("case", of_kind("central_interval"))
def test_intervals(case: dict[str, Any]) -> None:
    p = case["params"]
    found = interval_score(p["lower"], p["upper"], case["obs"], 1.0 - p["alpha"])
    assert found == pytest.approx(case["interval_score_scoringrules"], rel=TOLERANCE)


@pytest.mark.parametrize("case", of_kind("quantile_set"))
def test_quantiles(case: dict[str, Any]) -> None:
    levels, values, outcome = case["params"]["tau"], case["params"]["q"], case["obs"]
    assert wis(levels, values, outcome) == pytest.approx(case["wis_scoringrules"], rel=TOLERANCE)
    mean = np.mean(pinball(values, levels, outcome))
    assert mean == pytest.approx(case["mean_quantile_score_scoringrules"], rel=TOLERANCE)


@pytest.mark.parametrize("case", of_kind("probability"))
def test_probabilities(case: dict[str, Any]) -> None:
    found = brier(case["params"]["p"], case["obs"])
    assert found == pytest.approx(case["brier_properscoring"], rel=TOLERANCE)


def test_every_case_is_tested() -> None:
    others = {"ensemble", "central_interval", "quantile_set", "probability"}
    assert {case["kind"] for case in CASES} == set(FORECASTS) | others


# ------------------------------------------------------------------ posteriors without moments


def test_crps_of_a_posterior_without_a_mean() -> None:
    """One doubtful claim: a tail x^-2, whose integral is finite; against 20 digits.

    The density is that of a sound and of an unsound claim, (1 - exp(-t^2/2))/t^2, in equal parts;
    by parts what lies above t is Q(t) + (1 - exp(-t^2/2))/(2 t sqrt(2 pi)).
    """

    def above(t: mp.mpf) -> mp.mpf:
        rest = -mp.expm1(-t * t / 2) / t if t != 0 else mp.mpf(0)
        return mp.erfc(t / mp.sqrt(2)) / 2 + rest / (2 * mp.sqrt(2 * mp.pi))

    with mp.workdps(20):
        y = mp.mpf("0.3")
        ends = [2, 5, 20, 100, 10_000, mp.inf]
        upper = mp.quad(lambda t: above(t) ** 2, [y, 1, *ends])
        lower = mp.quad(lambda t: above(t) ** 2, [-y, 0, 1, *ends])
        exact = float(upper + lower)
    result = combine([("A", "10 +- 1")])
    assert isinstance(result, Combination)
    assert math.isnan(result.posterior.mean())
    assert crps(result, 10.3) == pytest.approx(exact, rel=1e-9)


def test_crps_of_heavy_tails_in_closed_form() -> None:
    """P(X > x) = x^-b from 1 on: finite for b above one half, whatever the moments."""

    def exact(b: float, y: float) -> float:
        def lower(x: float) -> float:
            return x - 2.0 * math.pow(x, 1.0 - b) / (1.0 - b) - upper(x)

        def upper(x: float) -> float:
            return math.pow(x, 1.0 - 2.0 * b) / (2.0 * b - 1.0)

        return lower(y) - lower(1.0) + upper(y)

    for b in (0.52, 0.6, 0.9, 2.5):
        assert crps(stats.pareto(b), 3.0) == pytest.approx(exact(b, 3.0), rel=1e-10)
    for b in (0.5, 0.3):
        assert crps(stats.pareto(b), 3.0) == math.inf


@pytest.mark.parametrize(
    ("scale", "model", "expected"),
    [
        ("log", Model(), math.inf),
        ("linear", Model.random_effects(priors.Sqrt()), math.inf),
        ("log", Model.random_effects(priors.HalfCauchy(1.0)), math.inf),
    ],
)
def test_an_infinite_crps_is_infinite(scale: Any, model: Model, expected: float) -> None:
    """A power of log theta; |x|^-3/2; each decided from exponents, not from a cut-off."""
    result = combine([("A", "10 +- 1"), ("B", "12 +- 1")], scale=scale, model=model)
    assert crps(result, 11.0) == expected
    many = combine([(f"source {k}", "10 +- 1") for k in range(200)], scale="log")
    assert crps(many, 11.0) == math.inf


# ------------------------------------------------------------------ Cooke

STUDIES = load("cooke.json")["studies"]


def numbers(values: Any) -> Any:
    """Arrays with nan where JSON has null."""
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize("name", STUDIES)
def test_cooke(name: str) -> None:
    """Five studies by anduryl 1.2.2, chi-squared by scipy; to the accuracy of the file."""
    study = STUDIES[name]
    levels, outcome = numbers(study["quantiles"]), numbers(study["realizations"])
    values = np.moveaxis(numbers(study["assessments"]), 1, 2)
    scale = ["log" if one == "log" else "linear" for one in study["scale"]]
    counts = quantile_counts(levels, values, outcome)
    assert counts.tolist() == study["counts_per_bin"]
    assert counts.sum(axis=1).min() == study["Nmin"]
    found = cooke_calibration(levels, values, outcome, number=study["Nmin"])
    assert np.abs(found - numbers(study["cal_scipy"])).max() < 5e-11
    information = cooke_information(levels, values, outcome, scale=scale)
    assert np.nanmax(np.abs(information - numbers(study["info_per_item"]))) < 5e-11
    mean = np.nanmean(information, axis=1)
    assert np.abs(mean - numbers(study["info_total"])).max() < 5e-11
    mean = np.nanmean(information[:, ~np.isnan(outcome)], axis=1)
    assert np.abs(mean - numbers(study["info_real"])).max() < 5e-11


def test_a_perfectly_calibrated_expert_scores_one() -> None:
    """Anduryl gives 0 here."""
    outcome = [-1.0, *[25.0] * 9, *[75.0] * 9, 101.0]
    assert cooke_calibration([0.05, 0.5, 0.95], [[0.0, 50.0, 100.0]] * 20, outcome) == 1.0
