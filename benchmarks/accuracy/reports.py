"""Reports: a ministry's claims of losses, judged by counts of photographed ones, date by date."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scoreboard import LEVELS, Contest, Found, rows_of

from reliability import Claim, Estimate, Model, Source, combine

__all__ = ["contest"]

Array = NDArray[np.float64]
FILE = "conflict/russia_equipment_mod_vs_oryx.csv"
#: Photographed counts (summed) and the ministry's claim that they are to be judged by.
KINDS = {
    "tanks": (("oryx_tanks",), "mod_tank"),
    "armoured vehicles": (
        (
            "oryx_armoured_fighting_vehicles",
            "oryx_infantry_fighting_vehicles",
            "oryx_armoured_personnel_carriers",
        ),
        "mod_apc",
    ),
    "artillery": (
        ("oryx_self_propelled_artillery", "oryx_towed_artillery"),
        "mod_field_artillery",
    ),
    "rocket launchers": (("oryx_multiple_rocket_launchers",), "mod_mrl"),
    "air defence": (("oryx_surface_to_air_missile_systems",), "mod_anti_aircraft_warfare"),
    "aircraft": (("oryx_aircraft",), "mod_aircraft"),
    "helicopters": (("oryx_helicopters",), "mod_helicopter"),
}
#: Dates of a kind before the first question: two changes are needed for an sd.
FIRST = 3
#: Changes of the average kind that every kind's drift is credited with.
PSEUDO = 5.0
#: Least sd of a logarithm of a count.
LEAST = 1e-4


@attrs.frozen(eq=False)
class Question:
    """What is known when the next count of a kind is asked for.

    Attributes
    ----------
    kind, month : of what, when
    days : (known + 1,) of the known counts and of the one asked for
    claims : (known + 1,) the ministry's at those days
    counts : (known,) photographed
    drift : sd of the change of the log ratio in a day, from all kinds' changes so far
    truth : the count asked for
    """

    kind: str
    month: str
    days: Array
    claims: Array
    counts: Array
    drift: float
    truth: float

    @property
    def ratios(self) -> Array:
        """Log of claim over count, so far."""
        return np.asarray(np.log(self.claims[:-1] / self.counts))


def read(folder: Path) -> list[Question]:
    """All questions, walking forward."""
    rows = list(rows_of(folder / FILE))
    series: dict[str, list[tuple[float, str, float, float]]] = {}
    for row in rows:
        day = date.fromisoformat(row["date"])
        for kind, (photographed, claimed) in KINDS.items():
            stated = [row[name] for name in photographed]
            if all(stated) and row[claimed]:
                total = sum(float(count) for count in stated)
                entry = (float(day.toordinal()), row["date"][:7], float(row[claimed]), total)
                series.setdefault(kind, []).append(entry)
    changes = {kind: _changes(entries) for kind, entries in series.items()}
    out = []
    for kind, entries in series.items():
        days, claims, counts = (np.array([e[k] for e in entries]) for k in (0, 2, 3))
        for now in range(FIRST, len(entries)):
            drift = _drift(changes, kind, float(days[now]))
            known = (days[: now + 1], claims[: now + 1], counts[:now])
            out.append(Question(kind, entries[now][1], *known, drift, float(counts[now])))
    return out


def _changes(entries: list[tuple[float, str, float, float]]) -> Array:
    """(changes, 2) the later day of each, and the squared change of the log ratio per day."""
    days = np.array([entry[0] for entry in entries])
    ratios = np.log([entry[2] / entry[3] for entry in entries])
    return np.column_stack([days[1:], np.diff(ratios) ** 2 / np.diff(days)])


def _drift(changes: dict[str, Array], kind: str, day: float) -> float:
    """Sd per root of a day: a kind's own changes before a day, and some of the average kind."""
    past = {name: found[found[:, 0] < day, 1] for name, found in changes.items()}
    average = float(np.concatenate(list(past.values())).mean())
    own = past[kind]
    return float(np.sqrt((own.sum() + PSEUDO * average) / (len(own) + PSEUDO)))


def last_ratio(q: Question) -> Any:
    """Constant ratio: the last one, with the sd of its past changes."""
    sd = max(float(np.sqrt(np.mean(np.diff(q.ratios) ** 2))), LEAST)
    return lognormal(np.log(q.claims[-1]) - q.ratios[-1], sd)


def mean_ratio(q: Question) -> Any:
    """Constant ratio: the mean of all so far, with its sd."""
    sd = max(float(np.std(q.ratios, ddof=1) * np.sqrt(1.0 + 1.0 / len(q.ratios))), LEAST)
    return lognormal(np.log(q.claims[-1]) - q.ratios.mean(), sd)


def last_count(q: Question) -> Any:
    """The last count and the mean of its past changes; the claims are not used."""
    changes = np.diff(np.log(q.counts))
    sd = max(float(np.std(changes, ddof=1)), LEAST)
    return lognormal(np.log(q.counts[-1]) + changes.mean(), sd)


def lognormal(mean: float, sd: float) -> Callable[[Array], Any]:
    """Distribution function of a count with a normal logarithm."""
    return lambda count: norm.cdf(np.log(count), mean, sd)


def engine(model: Model, *, drifting: bool) -> Callable[[Question], Any]:
    """``combine`` on the ministry's claim, its bias the last log ratio.

    Its sd is that of the past changes of the ratio, or of a drift over the days since.
    """

    def answer(q: Question) -> Any:
        sd = float(np.sqrt(np.mean(np.diff(q.ratios) ** 2)))
        if drifting:
            sd = q.drift * float(np.sqrt(q.days[-1] - q.days[-2]))
        claim = float(q.claims[-1])
        ministry = Source("ministry", bias=float(q.ratios[-1]))
        stated = Estimate(claim, sd=claim * max(sd, LEAST))
        result: Any = combine([Claim(ministry, stated)], scale="log", model=model)
        return result.posterior.cdf

    return answer


def scored(questions: list[Question], answer: Callable[[Question], Any]) -> Found:
    """Log of the probability of the count, and where it lies in the distribution."""
    below = np.array([answer(q)(q.truth + np.array([-0.5, 0.0, 0.5])) for q in questions])
    # A probability that rounds to nothing counts as the smallest that does not.
    mass = np.maximum(below[:, 2] - below[:, 0], np.finfo(np.float64).eps)
    inside = {level: np.abs(2.0 * below[:, 1] - 1.0) <= level for level in LEVELS}
    return Found(np.log(mass), inside)


def contest(folder: Path) -> list[Contest]:
    """Every method on every count."""
    questions = read(folder)
    out = Contest(
        "reports",
        "mean log probability of the next photographed count, given the ministry's claim and the "
        "past; walking forward",
        "above constant-ratio extrapolation, cover of 90 % 85 to 95",
        higher_is_better=True,
        answers=[],
        groups=np.array([f"{q.kind} {q.month}" for q in questions]),
    )
    for name, method in {
        "last ratio": last_ratio,
        "mean ratio": mean_ratio,
        "last count, claims unused": last_count,
    }.items():
        out.run(name, lambda m=method: scored(questions, m))  # type: ignore[misc]
    for name, model in {
        "Model.common_effect()": Model.common_effect(),
        "Model.reports()": Model.reports(),
        "Model(unknown_reliability=0.9)": Model(unknown_reliability=0.9),
        "Model.measurements()": Model.measurements(),
    }.items():
        for drifting in (False, True) if name != "Model.measurements()" else (False,):
            what = f"{name}, {'drift over the days' if drifting else 'last ratio'}"
            answer = engine(model, drifting=drifting)
            out.run(what, lambda m=answer: scored(questions, m), ours=True)  # type: ignore[misc]
    out.notes.append("probabilities below 2e-16 count as that; months of a kind are drawn together")
    return [out]
