"""Forecasts: influenza admissions, walking forward; only what was known by the date is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray
from scoreboard import Contest, Found, between, rows_of, without_ties
from track_records import relative_losses, reliability_of

from reliability import Claim, Model, Quantiles, Source, Void, combine
from reliability.comparators import exponential_weights
from reliability.priors import IntrinsicRange
from reliability.scores import wis

__all__ = ["contest"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
FILE = "forecasts/flusight_2023_24.csv"
#: Errors of flu models on one target correlate by this (measured on 18 models of this season).
DEPENDENCE = 0.44
#: Powers of the inverse score among which one is chosen by the past.
POWERS = (2.0, 4.0, 8.0, 16.0, 32.0)


@attrs.frozen(eq=False)
class Season:
    """All forecasts.

    Attributes
    ----------
    levels : (m,) probabilities of the quantiles
    dates, ends : (targets,) reference date and date of the outcome, as text that sorts
    values : (targets, models, m) quantiles, nan where a model said nothing
    observed : (targets,) outcomes
    """

    levels: Array
    dates: NDArray[np.str_]
    ends: NDArray[np.str_]
    values: Array
    observed: Array

    @property
    def scores(self) -> Array:
        """(targets, models) weighted interval scores, nan where a model said nothing."""
        return self._wis(self.values, self.observed)

    @property
    def log_scores(self) -> Array:
        """The same of log(1 + admissions): a place counts alike, be it large or small."""
        return self._wis(np.log1p(self.values), np.log1p(self.observed))

    def _wis(self, values: Array, observed: Array) -> Array:
        said = np.asarray(~np.isnan(values).any(axis=2))
        known = np.where(said[..., None], values, 0.0)
        return np.where(said, wis(self.levels, known, observed[:, None]), np.nan)


def read(folder: Path) -> Season:
    """All targets of the file, in the order of their dates."""
    rows = list(rows_of(folder / FILE))
    levels = [key for key in rows[0] if key.startswith("q0.")]
    models = sorted({row["model"] for row in rows})
    key = [(r["reference_date"], r["target_end_date"], r["location"], r["horizon"]) for r in rows]
    targets = {target: k for k, target in enumerate(sorted(set(key)))}
    values = np.full((len(targets), len(models), len(levels)), np.nan)
    observed = np.empty(len(targets))
    for target, row in zip(key, rows, strict=True):
        values[targets[target], models.index(row["model"])] = [float(row[q]) for q in levels]
        observed[targets[target]] = float(row["observed"])
    return Season(
        np.array([float(q[1:]) for q in levels]),
        np.array([target[0] for target in targets]),
        np.array([target[1] for target in targets]),
        values,
        observed,
    )


Method = Callable[[IntArray, IntArray], Array]


def walk(season: Season, method: Method) -> Array:
    """Answer every date's targets, given those whose outcomes were known before it."""
    out = np.empty((len(season.dates), len(season.levels)))
    for date in np.unique(season.dates):
        now = np.flatnonzero(season.dates == date)
        out[now] = method(now, np.flatnonzero(season.ends < date))
    return out


def scored(season: Season, answers: Array) -> Found:
    """Weighted interval scores and intervals."""
    at = {round(float(level), 3): k for k, level in enumerate(season.levels)}
    ends = {0.5: (0.25, 0.75), 0.9: (0.05, 0.95), 0.95: (0.025, 0.975)}
    return Found(
        np.asarray(wis(season.levels, answers, season.observed)),
        {
            level: between(answers[:, at[low]], answers[:, at[high]], season.observed)
            for level, (low, high) in ends.items()
        },
    )


def mean_of_quantiles(values: Array, weights: Array) -> Array:
    """(targets, m) weighted means of the quantiles of those models that said something."""
    said = np.asarray(~np.isnan(values).any(axis=2))
    w = np.where(said, weights, 0.0)
    total = np.einsum("tm,tmk->tk", w, np.where(said[..., None], values, 0.0))
    return np.asarray(total / w.sum(axis=1, keepdims=True))


def inverse_scores(scores: Array, power: float) -> Array:
    """(models,) inverse mean past scores to a power; the average for models without a past."""
    answered = ~np.isnan(scores)
    if not answered.any():
        return np.ones(scores.shape[1])
    count = answered.sum(axis=0)
    mean = np.nansum(scores, axis=0) / np.maximum(count, 1)
    mean = np.where(count > 0, mean, mean[count > 0].mean())
    return np.asarray((mean / mean.min()) ** -power)


def best_of_past(season: Season) -> Method:
    """The model with the best mean score so far; the mean of all where it is silent."""

    def method(now: IntArray, past: IntArray) -> Array:
        equal = np.ones(season.values.shape[1])
        if not len(past):
            return mean_of_quantiles(season.values[now], equal)
        best = np.argmax(inverse_scores(season.scores[past], 1.0))
        own = season.values[now, best]
        silent = np.isnan(own).any(axis=1)
        return np.where(silent[:, None], mean_of_quantiles(season.values[now], equal), own)

    return method


def weighted(season: Season, power: float) -> Method:
    """Mean of quantiles with weights from past scores."""
    return lambda now, past: mean_of_quantiles(
        season.values[now], inverse_scores(season.scores[past], power)
    )


def exponentially_weighted(season: Season) -> Method:
    """Mean of quantiles with weights from the sum of past relative losses, places alike."""
    scores = season.log_scores
    return lambda now, past: mean_of_quantiles(
        season.values[now], exponential_weights(scores[past])
    )


def chosen_power(season: Season) -> Method:
    """The same, with the power that would have been best so far."""
    tried = [walk(season, weighted(season, power)) for power in POWERS]
    losses = np.array([scored(season, one).scores for one in tried])

    def method(now: IntArray, past: IntArray) -> Array:
        best = int(np.argmin(losses[:, past].mean(axis=1))) if len(past) else 1
        return tried[best][now]

    return method


def engine(season: Season, model: Model, *, usual: float = 0.0, power: float = 0.0) -> Method:
    """``combine`` on the scale log(1 + admissions); ``usual`` above 0: reliability by the past."""
    counts = season.values + 1.0
    log_scores = season.log_scores

    def method(now: IntArray, past: IntArray) -> Array:
        relative = relative_losses(log_scores[past])
        found = []
        for target in now:
            claims = []
            for number in np.flatnonzero(~np.isnan(counts[target]).any(axis=1)):
                stated = without_ties(season.levels, counts[target, number])
                r = None
                if usual:
                    r = float(reliability_of(relative[number], usual=usual, power=power))
                if len(stated) > 1:
                    claims.append(Claim(Source(f"{number}", reliability=r), Quantiles(stated)))
            result = combine(claims, scale="log", model=model)
            found.append(result.posterior.ppf(season.levels) - 1.0)  # type: ignore[union-attr]
        return np.array(found)

    return method


def contest(folder: Path) -> list[Contest]:
    """Every method on every target."""
    season = read(folder)
    out = Contest(
        "forecasts",
        "mean weighted interval score of 23 quantiles, in admissions; walking forward",
        "below every other method, cover within 4 points",
        higher_is_better=False,
        answers=[],
        groups=season.dates,
    )
    equal = np.ones(season.values.shape[1])

    def run(name: str, method: Method, *, ours: bool = False) -> None:
        out.run(name, lambda: scored(season, walk(season, method)), ours=ours)

    run("equal mean of quantiles", lambda now, _: mean_of_quantiles(season.values[now], equal))
    run("median of quantiles", lambda now, _: np.nanmedian(season.values[now], axis=1))
    run("mean of quantiles, inverse WIS^4", weighted(season, 4.0))
    run("best model of the past", best_of_past(season))
    run("mean of quantiles, inverse WIS, power learned", chosen_power(season), ours=True)
    run("mean of quantiles, exponential_weights", exponentially_weighted(season), ours=True)
    tempered = Model(
        unsound=Void(),
        unknown_reliability=0.7,
        dependence=DEPENDENCE,
        prior=IntrinsicRange(0.1),
    )
    run("Model.reports(), which is Model()", engine(season, Model.reports()), ours=True)
    run("Model.experts()", engine(season, Model.experts()), ours=True)
    run("Void, dependence 0.44", engine(season, tempered), ours=True)
    run(
        "Void, dependence 0.44, track records",
        engine(season, tempered, usual=0.5, power=8.0),
        ours=True,
    )
    out.notes.append(
        "exponential_weights: of past scores of log(1 + admissions), at the rate 1 that would make "
        "the weights probabilities; no posterior either"
    )
    out.notes.append(
        "power learned: a mean of quantiles, no posterior; of the powers "
        f"{', '.join(f'{p:g}' for p in POWERS)} that which was best so far, 4 at first"
    )
    out.notes.append(
        "not run: Model.measurements() and Model.random_effects(), whose scatter takes seconds a "
        "target where claims are 23 quantiles; Model.common_effect(), which Model.reports() "
        "contains"
    )
    return [out]
