"""Other packages' objects in and out."""

from __future__ import annotations

import sys
from typing import Any

import gvar
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import uncertainties
from scipy import stats

from reliability import (
    Claim,
    Combination,
    Estimate,
    Model,
    Quantiles,
    combine,
    combine_many,
    priors,
)
from reliability.errors import MissingExtraError, ReliabilityError
from reliability.interchange import to_arviz, to_frame, to_gvar, to_ufloat


def one(claims: Any, **options: Any) -> Combination:
    result = combine(claims, **options)
    assert isinstance(result, Combination)
    return result


# ---------------------------------------------------------------- statements


@pytest.mark.parametrize(
    "value", [uncertainties.ufloat(10.0, 2.0), gvar.gvar(10.0, 2.0), stats.norm(10.0, 2.0)]
)
def test_uncertain_numbers_are_estimates(value: Any) -> None:
    assert Claim("A", value).statement == Estimate(10.0, sd=2.0)


@pytest.mark.parametrize("frozen", [stats.gamma(5.0, scale=3.0), stats.t(4.0, 10.0, 2.0)])
def test_distributions_are_read_at_their_quantiles(frozen: Any) -> None:
    statement = Claim("A", frozen).statement
    assert isinstance(statement, Quantiles)
    levels = np.array(statement.probabilities)
    assert np.array(statement.values) == pytest.approx(frozen.ppf(levels))
    # One sound claim under a flat prior is the distribution that was stated.
    posterior = one([Claim("A", frozen)], model=Model.common_effect()).posterior
    between = np.array([0.003, 0.07, 0.33, 0.58, 0.83, 0.97])
    assert posterior.cdf(frozen.ppf(between)) == pytest.approx(between, abs=3e-4)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (stats.poisson(3.0), "must be a continuous distribution"),
        (stats.norm([1.0, 2.0], 1.0), "is about one quantity"),
        (gvar.gvar(1.0, 0.0), "sd"),
        (object(), "must be a statement, a number or a phrase"),
        ({"mean": 1}, "must be a statement, a number or a phrase"),
    ],
)
def test_what_is_no_statement_is_named(value: Any, message: str) -> None:
    with pytest.raises(ReliabilityError, match=message):
        Claim("A", value)


# ---------------------------------------------------------------- priors

CLAIMS = [("A", "10 +- 1"), ("B", "12 +- 1")]


@pytest.mark.parametrize(
    ("frozen", "own"),
    [
        (stats.norm(8.0, 3.0), priors.Normal(8.0, 3.0)),
        (stats.uniform(5.0, 10.0), priors.Uniform(5.0, 15.0)),
        (stats.t(3.0, 8.0, 3.0), priors.StudentT(3.0, 8.0, 3.0)),
        (stats.lognorm(0.5, scale=9.0), priors.LogNormal(9.0, 0.5)),
    ],
)
def test_frozen_distributions_are_priors(frozen: Any, own: Any) -> None:
    found, wanted = one(CLAIMS, prior=frozen), one(CLAIMS, prior=own)
    assert found.interval() == pytest.approx(wanted.interval(), rel=1e-8)
    assert found.log_evidence == pytest.approx(wanted.log_evidence, abs=1e-8)
    table: dict[str, Any] = {
        "quantity": [1, 1],
        "source": ["A", "B"],
        "value": [10.0, 12.0],
        "sd": [1.0, 1.0],
    }
    found_many: Any = combine_many(table, prior=frozen)
    assert found_many["estimate"][0] == pytest.approx(wanted.estimate)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (stats.poisson(3.0), "one continuous distribution"),
        (stats.norm([1.0, 2.0], 1.0), "one continuous distribution"),
        (3.0, "or a frozen scipy distribution"),
    ],
)
def test_what_is_no_prior_is_named(prior: Any, message: str) -> None:
    with pytest.raises(ReliabilityError, match=message):
        combine(CLAIMS, prior=prior)


# ---------------------------------------------------------------- frames


@pytest.mark.parametrize(
    ("kind", "frame"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame), ("pyarrow", pa.Table)]
)
def test_frames_hold_the_summary(kind: str, frame: type) -> None:
    result = one(CLAIMS)
    found = result.to_frame(kind)
    assert [type(found)] == [frame]
    summary = result.summary()
    for name, values in summary.items():
        column = found[name]
        got = column.to_pylist() if kind == "pyarrow" else column.to_list()
        if name != "dropped":
            assert got == values


def test_the_first_kind_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(to_frame({"a": [1]}), pd.DataFrame)
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert isinstance(to_frame({"a": [1]}), pl.DataFrame)
    with pytest.raises(MissingExtraError, match="pip install pandas"):
        to_frame({"a": [1]}, "pandas")
    with pytest.raises(ReliabilityError, match="kind must be one of 'pandas'"):
        to_frame({"a": [1]}, "excel")
    monkeypatch.setitem(sys.modules, "polars", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="pandas, polars or pyarrow"):
        to_frame({"a": [1]})


# ---------------------------------------------------------------- draws and numbers


def test_draws_for_arviz() -> None:
    result = one(CLAIMS, model=Model(heterogeneity=priors.HalfNormal(1.0)))
    tree: Any = to_arviz(result, draws=500, chains=2, rng=1)
    group = tree["posterior"]
    assert set(group.data_vars) == {"theta", "tau", "reliability"}
    drawn = group["theta"].to_numpy()
    assert drawn.shape == (2, 500)
    below = np.asarray(result.posterior.cdf(drawn.ravel()))
    assert stats.kstest(below, "uniform").pvalue > 1e-3
    again = to_arviz(result, draws=500, chains=2, rng=1)["posterior"]["theta"].to_numpy()
    assert np.array_equal(drawn, again)
    names = set(to_arviz(one(CLAIMS, model=Model.common_effect()), rng=0)["posterior"].data_vars)
    assert names == {"theta"}
    with pytest.raises(ReliabilityError, match="draws must be a positive integer"):
        to_arviz(result, draws=0)


def test_mean_and_sd_go_on_as_uncertain_numbers() -> None:
    posterior = one(CLAIMS, model=Model.common_effect()).posterior
    number = to_ufloat(posterior)
    assert (number.nominal_value, number.std_dev) == (posterior.mean(), posterior.std())
    other = to_gvar(posterior)
    assert (other.mean, other.sdev) == (posterior.mean(), posterior.std())


def test_without_moments_nothing_goes_on() -> None:
    posterior = one([("A", "10 +- 1")]).posterior
    for convert in (to_ufloat, to_gvar):
        with pytest.raises(ReliabilityError, match="too heavy; use its quantiles"):
            convert(posterior)


@pytest.mark.parametrize(
    ("name", "convert"),
    [
        ("uncertainties", to_ufloat),
        ("gvar", to_gvar),
        ("arviz_base", lambda posterior: to_arviz(one(CLAIMS))),
    ],
)
def test_missing_packages_are_named(
    name: str, convert: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    posterior = one(CLAIMS, model=Model.common_effect()).posterior
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=f"this needs {name}: pip install"):
        convert(posterior)
