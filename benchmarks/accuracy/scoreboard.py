"""One contest: many methods, the same questions, one score; and its table.

Questions that were asked on one day, or in one study, are not independent. They are given one
group, and the bootstrap draws whole groups.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.scores import Skill, skill

__all__ = [
    "LEVELS",
    "Answers",
    "Contest",
    "Found",
    "between",
    "rows_of",
    "table",
    "without_ties",
]

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Levels of central intervals whose cover is reported.
LEVELS = (0.5, 0.9, 0.95)


class Found(NamedTuple):
    """What a method scored: (questions,) scores, and per level whether its interval held."""

    scores: Array
    inside: Mapping[float, Bools]


@attrs.frozen(eq=False)
class Answers:
    """A method's scores.

    Attributes
    ----------
    name : what the table calls it
    ours : whether it is this library's
    found : its scores and intervals
    seconds : what it took
    """

    name: str
    ours: bool
    found: Found
    seconds: float


@attrs.frozen(eq=False)
class Contest:
    """Methods that answered the same questions.

    Attributes
    ----------
    domain, measure : for the table's head
    goal : what was hoped for, in words
    higher_is_better : whether large scores are good
    answers : of every method
    groups : (questions,) names of what is drawn together by the bootstrap
    baseline : the method to beat; the best of the others' where it is None
    notes : what a reader must know: rows left out, methods not run
    """

    domain: str
    measure: str
    goal: str
    higher_is_better: bool
    answers: list[Answers]
    groups: NDArray[Any]
    baseline: str | None = None
    notes: list[str] = attrs.field(factory=list)

    def run(self, name: str, method: Callable[[], Found], *, ours: bool = False) -> Found:
        """Let a method answer, and keep what it scored."""
        start = perf_counter()
        found = method()
        if found.scores.shape != self.groups.shape or not np.all(np.isfinite(found.scores)):
            raise ValueError(f"{self.domain}, {name}: there must be one finite score a question")
        self.answers.append(Answers(name, ours, found, perf_counter() - start))
        return found

    @property
    def to_beat(self) -> Answers:
        """The named baseline, or the best of the others' methods."""
        others = [one for one in self.answers if not one.ours]
        if self.baseline is not None:
            return next(one for one in self.answers if one.name == self.baseline)
        sign = -1.0 if self.higher_is_better else 1.0
        return min(others, key=lambda one: sign * float(one.found.scores.mean()))

    def against(self, one: Answers, other: Answers) -> Skill:
        """Skill of one method against another, groups drawn with replacement.

        Sums over groups, scaled to keep the mean over questions: the ratio, or the difference, is
        that of all questions, and the resamples are of groups.
        """
        _, group = np.unique(self.groups, return_inverse=True)
        per_question = (group.max() + 1) / len(group)
        sums = [np.bincount(group, each.found.scores) * per_question for each in (one, other)]
        return skill(sums[0], sums[1], higher_is_better=self.higher_is_better)

    def rows(self) -> list[dict[str, Any]]:
        """One row a method, the best first."""
        sign = -1.0 if self.higher_is_better else 1.0
        baseline = self.to_beat
        out = []
        for one in sorted(self.answers, key=lambda a: sign * float(a.found.scores.mean())):
            better = self.against(one, baseline)
            out.append(
                {
                    "domain": self.domain,
                    "method": one.name,
                    "ours": one.ours,
                    "score": float(one.found.scores.mean()),
                    "baseline": baseline.name,
                    "gain": better.value,
                    "gain_low": better.low,
                    "gain_high": better.high,
                    "questions": len(self.groups),
                    "seconds": one.seconds,
                }
                | {
                    f"cover{100 * level:g}": float(one.found.inside[level].mean())
                    for level in LEVELS
                    if level in one.found.inside
                }
            )
        return out


def table(contest: Contest) -> str:
    """A contest as a table in Markdown."""
    rows = contest.rows()
    relative = not contest.higher_is_better
    beside = f"{'better than' if relative else 'above'} {rows[0]['baseline']}"
    lines = [
        f"### {contest.domain}",
        "",
        f"{contest.measure}; {rows[0]['questions']} questions. Goal: {contest.goal}.",
        "",
        f"| method | score | {beside} | cover 50 % | 90 % | 95 % | s |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        name = f"**{row['method']}**" if row["ours"] else row["method"]
        gain = [row["gain"], row["gain_low"], row["gain_high"]]
        if row["method"] == row["baseline"]:
            text = "baseline"
        elif relative:
            text = "{:+.1f} % ({:+.1f} to {:+.1f})".format(*(100 * one for one in gain))
        else:
            text = "{:+.3f} ({:+.3f} to {:+.3f})".format(*gain)
        cover = " | ".join(
            f"{100 * row[key]:.0f}" if (key := f"cover{100 * level:g}") in row else ""
            for level in LEVELS
        )
        lines.append(f"| {name} | {row['score']:.4g} | {text} | {cover} | {row['seconds']:.1f} |")
    return "\n".join([*lines, "", *(f"* {note}" for note in contest.notes)]).rstrip() + "\n"


def rows_of(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a CSV file, packed or not; lines that begin with # are comments."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        yield from csv.DictReader(line for line in lines if not line.startswith("#"))


def between(low: Array, high: Array, truth: Array) -> Bools:
    """Whether intervals, ends included, held the truth."""
    return np.asarray((low <= truth) & (truth <= high))


def without_ties(levels: Array, values: Array) -> dict[float, float]:
    """Quantiles of which no two are equal: of equal ones that nearest the median stands.

    Counts are rounded and cannot be negative, so that many quantiles may be 0.
    """
    out: dict[float, float] = {}
    for value in np.unique(values):
        same = levels[values == value]
        out[float(same[np.argmin(np.abs(same - 0.5))])] = float(value)
    return out
