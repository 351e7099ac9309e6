"""The accuracy benchmark: its own arithmetic, and the whole command on small made-up data."""

from __future__ import annotations

import gzip
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from reliability import Model

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "accuracy"
DOMAINS = ("measurements", "experts", "forecasts", "feeds", "reports")


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the benchmark, and forget it and its siblings afterwards."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(FOLDER) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]


def contest(scoreboard: ModuleType, scores: dict[str, Any], groups: Any, *, high: bool) -> Any:
    out = scoreboard.Contest("d", "m", "g", high, [], np.asarray(groups))
    for name, values in scores.items():
        found = scoreboard.Found(np.asarray(values, dtype=float), {})
        out.run(name, lambda found=found: found, ours=name == "ours")
    return out


def test_groups_are_drawn_together_and_the_means_are_of_questions(load: Any) -> None:
    scoreboard = load("scoreboard")
    scores = {"ours": [1, 1, 1, 4], "theirs": [2, 2, 2, 2], "worse": [9, 9, 9, 9]}
    grouped = contest(scoreboard, scores, ["a", "a", "a", "b"], high=False)
    alone = contest(scoreboard, scores, ["a", "b", "c", "d"], high=False)
    assert grouped.to_beat.name == "theirs"
    rows = [{r["method"]: r for r in each.rows()}["ours"] for each in (grouped, alone)]
    for row in rows:
        assert row["gain"] == pytest.approx(1.0 - 7.0 / 8.0)
    # Two groups: resamples of a alone gain a half, of b alone lose as much again.
    assert rows[0]["gain_low"] == pytest.approx(-1.0)
    assert rows[0]["gain_high"] == pytest.approx(0.5)
    assert rows[1]["gain_low"] > -1.0
    gain = contest(scoreboard, scores, ["a", "a", "a", "b"], high=True)
    assert gain.to_beat.name == "worse"
    assert gain.against(gain.answers[0], gain.answers[1]).value == pytest.approx(-0.25)


def test_of_equal_quantiles_that_nearest_the_median_stands(load: Any) -> None:
    levels = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    found = load("scoreboard").without_ties(levels, np.array([0.0, 0.0, 1.0, 3.0, 3.0]))
    assert found == {0.25: 0.0, 0.5: 1.0, 0.75: 3.0}


@pytest.mark.parametrize("sd", [1e-6, 0.1, 1.0, 1e4])
def test_a_normal_distribution_convolved(load: Any, sd: float) -> None:
    log_density, below = load("measurements").convolved(norm(2.0, sd), 2.5, 0.3)
    exact = norm(2.0, np.hypot(sd, 0.3))
    assert log_density == pytest.approx(exact.logpdf(2.5), abs=1e-9)
    assert below == pytest.approx(exact.cdf(2.5), abs=1e-9)


def test_a_shared_bias_is_that_of_the_model(load: Any) -> None:
    measurements = load("measurements")
    q = measurements.Question(np.array([1.0, 2.0, 7.0]), np.array([0.5, 0.4, 1.0]), 1.7, 0.1)
    plain = measurements.posterior(Model())(q)
    shared = measurements.posterior(Model(shared=2.0))(q)
    added = measurements.law([q], [plain], 2.0)
    exact = measurements.law([q], [shared])
    assert added.scores == pytest.approx(exact.scores, abs=1e-7)
    assert added.below == pytest.approx(exact.below, abs=1e-7)


def test_weights_are_learned_from_the_other_questions(load: Any) -> None:
    measurements = load("measurements")
    good, bad = np.full(20, -1.0), np.full(20, -5.0)
    bad[0] = 5.0
    laws = [measurements.Law(s, np.full(20, 0.5)) for s in (good, bad)]
    found = measurements.stacked(laws)
    # Of the first question, where bad is good, the others know nothing.
    assert found.scores[0] < 0.0
    assert found.scores[1:] == pytest.approx(np.log(0.95) - 1.0, abs=0.05)


def test_relative_losses_and_reliability(load: Any) -> None:
    records = load("track_records")
    losses = np.array([[1.0, 3.0, np.nan], [2.0, 2.0, np.nan]])
    assert records.relative_losses(losses, 2.0).tolist() == [(1.5 + 2) / 4, (2.5 + 2) / 4, 1.0]
    found = records.reliability_of(np.array([1.0, 0.5]), usual=0.6, power=2.0)
    assert found == pytest.approx([0.6, 6.0 / 7.0])


def test_only_what_was_known_is_used(load: Any) -> None:
    forecasts = load("forecasts")
    season = forecasts.Season(
        np.array([0.5]),
        np.array(["01", "01", "03", "05"]),
        np.array(["02", "04", "04", "06"]),
        np.zeros((4, 1, 1)),
        np.zeros(4),
    )
    seen = {}

    def method(now: Any, past: Any) -> Any:
        seen[tuple(now.tolist())] = past.tolist()
        return np.zeros((len(now), 1))

    forecasts.walk(season, method)
    assert seen == {(0, 1): [], (2,): [0], (3,): [0, 1, 2]}


# ------------------------------------------------------------------ the command


def write(path: Path, header: str, rows: list[list[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")


def made_up(folder: Path) -> Path:
    """A small folder of the five domains."""
    rng = np.random.default_rng(1)
    write(
        folder / "physics" / "pdg_early_late.csv",
        "# a comment\npdgid,x,u,truth,truth_u",
        [[k, "1.0 1.4 0.7", "0.2 0.3 0.4", 1.1, 0.02] for k in range(2)],
    )
    write(
        folder / "experts" / "items.csv",
        "study,item,scale,realization",
        [["S", 1, "log", 5.0], ["S", 2, "uni", 0.4], ["S", 3, "uni", 2.0], ["S", 4, "uni", ""]],
    )
    write(
        folder / "experts" / "assessments.csv",
        "study,expert,item,q0.05,q0.1,q0.5,q0.95",
        [
            [study, name, item, low, "", low + width, low + 3 * width]
            for study in ("S",)
            for name, low, width in (("A", 0.1, 1.0), ("B", 1.5, 0.3))
            for item in (1, 2, 3, 4)
        ],
    )
    levels = [0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975]
    write(
        folder / "forecasts" / "flusight_2023_24.csv",
        "model,reference_date,target_end_date,location,horizon,"
        + ",".join(f"q{p}" for p in levels)
        + ",observed",
        [
            [model, f"2023-01-0{day}", f"2023-01-0{day + 1}", "US", 1]
            + [round(max(0, 10 * day + shift + 4 * float(norm.ppf(p)))) for p in levels]
            + [10 * day]
            for day in (1, 3, 5)
            for model, shift in (("a", 1.0), ("b", -6.0))
        ],
    )
    for name in ("weather_temperature", "weather_humidity", "population_clean", "flight"):
        ending = "csv.gz" if name.startswith("weather") else "csv"
        claims = [
            [source, f"q{k}", round(50.0 + k + sd * float(rng.normal()), 1)]
            for k in range(6)
            for source, sd in (("A", 0.2), ("B", 0.5), ("C", 5.0))
        ]
        feeds = folder / "feeds"
        write(feeds / f"{name}_claims.{ending}", "source,quantity,value", claims)
        truths: list[list[object]] = [[f"q{k}", 50.03 + k] for k in range(5)]
        write(feeds / f"{name}_truth.csv", "quantity,truth", truths)
    write(
        folder / "conflict" / "russia_equipment_mod_vs_oryx.csv",
        "date,oryx_tanks,mod_tank,oryx_aircraft,mod_aircraft,oryx_armoured_fighting_vehicles,"
        "oryx_infantry_fighting_vehicles,oryx_armoured_personnel_carriers,mod_apc,"
        "oryx_self_propelled_artillery,oryx_towed_artillery,mod_field_artillery,"
        "oryx_multiple_rocket_launchers,mod_mrl,oryx_surface_to_air_missile_systems,"
        "mod_anti_aircraft_warfare,oryx_helicopters,mod_helicopter",
        [
            [f"2024-03-{10 + k}", 100 + 3 * k, 250 + 9 * k + k % 2, 20 + k, 60 + 2 * k] + [""] * 13
            for k in range(5)
        ],
    )
    return folder


def test_the_command_end_to_end(
    load: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, found = made_up(tmp_path / "data_of_test"), tmp_path / "rows.json"
    domains = load("domains")
    assert domains.main([str(data), "--json", str(found)]) == 0
    rows = json.loads(found.read_text())
    text = capsys.readouterr().out
    for domain in DOMAINS:
        mine = [row for row in rows if row["domain"].startswith(domain)]
        assert any(row["ours"] for row in mine)
        assert any(not row["ours"] for row in mine)
        assert all(row["method"] in text for row in mine)
        assert all(np.isfinite(row["score"]) for row in mine)
        assert {row["gain"] for row in mine if row["method"] == row["baseline"]} == {0.0}
    counts = {row["domain"]: row["questions"] for row in rows}
    assert counts["measurements"] == 2
    assert counts["experts"] == 3
    assert counts["forecasts"] == 3
    assert counts["feeds: flight"] == 5
    assert counts["reports"] == 4


def test_the_command_says_what_is_wrong(load: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load("domains").main(["nowhere"])
    assert "DATA must be a folder (got nowhere)" in capsys.readouterr().err
