"""What was learned of sources, and how they scored, as text for readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reliability.numbers import percent, plus_minus, rounding_exponent, significant, to_exponent
from reliability.report import clean, paragraph, text_table
from reliability.scales import Scale

if TYPE_CHECKING:
    from reliability.learning.learned import Learned

__all__ = ["learned_text", "scorecard_text"]

#: Sources, and pairs of them, that are shown.
_MOST, _MOST_PAIRS = 40, 5
_LAWS = {
    "normal": "errors are normal",
    "mixture": "a claim is sound, its error normal, or else its error has heavy tails",
    "exact": "a claim without a stated uncertainty is right to its last digit, or else has an "
    "error with heavy tails",
}
_UNITS = {
    "linear": "in the quantities' unit",
    "log": "on the log scale: 0.1 is 10% too high",
    "logit": "on the logit scale",
}
#: Columns of a scorecard that are shown, and what they are called there.
_SCORES = {
    "crps": "crps",
    "wis": "wis",
    "log_score": "log score",
    "bias": "bias",
    "coverage50": "in 50%",
    "coverage90": "in 90%",
    "coverage95": "in 95%",
    "pit_p": "pit p",
}


def learned_text(learned: Learned) -> str:
    """Write what was learned for a reader: which law, the sources, and who errs together."""
    columns = learned.source_columns()
    rows, left_out = _most_claims(columns["n"])
    header, cells = _sources(columns, rows, biases=learned.biases)
    count, claims = len(columns["n"]), int(columns["n"].sum())
    law = f"Law of errors: {learned.law} ({_LAWS[learned.law]})."
    sentences = [
        f"{count:,} sources, {claims:,} claims. {law}",
        f"Dependence between any two sources: {learned.dependence_between:g}.",
        _identified(learned),
    ]
    notes = [_pairs(learned.dependence)]
    if left_out:
        notes.append(f"The sources with the most claims; {left_out:,} more are in source_table.")
    if not learned.converged:
        notes.append("The parameters had not stopped changing when learning stopped.")
    unit = f"bias and error are {_UNITS[learned.scale.name]}"
    legend = (
        "reliability: probability that a claim is sound; overconfidence: factor by which stated "
        f"uncertainties are too small; error: typical, of values that state none; {unit}; in "
        f"brackets: central {100.0 * learned.level:g}% intervals."
    )
    lines = [line for sentence in sentences if sentence for line in paragraph(sentence)]
    lines += ["", *text_table(header, cells, 1), ""]
    lines += [line for note in notes if note for line in paragraph(note)]
    return "\n".join([*lines, *paragraph(legend)])


def _most_claims(counts: Sequence[int]) -> tuple[list[int], int]:
    """Sources to show, in their order, and how many are left out."""
    most = np.sort(np.argsort(-np.asarray(counts), kind="stable")[:_MOST])
    return most.tolist(), len(counts) - len(most)


def _identified(learned: Learned) -> str:
    if not learned.biases:
        return "Sources are taken to have no biases."
    if learned.identified:
        return "Biases are absolute: truths, or sources declared to have none, fix them."
    return (
        "Biases are relative to each other: without truths, or a source declared to have none, an "
        "error that all sources have in common cannot be seen."
    )


def _pairs(dependence: Mapping[tuple[str, str], float]) -> str:
    """One sentence about the sources that err together."""
    if not dependence:
        return ""
    strongest = sorted(dependence.items(), key=lambda pair: -pair[1])[:_MOST_PAIRS]
    said = "; ".join(
        f"{clean(one)} and {clean(two)} ({value:.2f})" for (one, two), value in strongest
    )
    more = len(dependence) - len(strongest)
    return f"Sources whose errors go together: {said}{f'; and {more:,} more pairs' * bool(more)}."


def _sources(
    columns: Mapping[str, Any], rows: Sequence[int], *, biases: bool
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the table; columns that say nothing are left out."""

    def triples(name: str) -> list[tuple[float, float, float]]:
        parts = (columns[name], columns[f"{name}_low"], columns[f"{name}_high"])
        return [tuple(float(part[row]) for part in parts) for row in rows]  # type: ignore[misc]

    header = ["source", "n"]
    cells = [[clean(str(columns["source"][row])), f"{int(columns['n'][row]):,}"] for row in rows]

    def add(title: str, texts: Sequence[str]) -> None:
        header.append(title)
        for cell, text in zip(cells, texts, strict=True):
            cell.append(text)

    if not np.isnan(columns["evidence"]).all():
        add(
            "reliability",
            [
                f"{_whole(value)} ({_whole(low)} to {_whole(high)})"
                for value, low, high in triples("reliability")
            ],
        )
    for name, title in (("overconfidence", "overconfidence"), ("error_sd", "error")):
        if not np.isnan(columns[name]).all():
            add(title, [_with_ends(*each) for each in triples(name)])
    if biases:
        bias, sd = columns["bias"], columns["bias_sd"]
        add("bias ± sd", [plus_minus(float(bias[row]), float(sd[row])) for row in rows])
    return header, cells


def _whole(share: float) -> str:
    """A probability in whole percent; what is not 0 or 1 never looks as if it were."""
    if 0.0 < share < 0.01 or 0.99 < share < 1.0:
        return "<1%" if share < 0.5 else ">99%"
    return f"{100.0 * share:.0f}%"


#: Intervals so many times as long as the value is large are not rounded by their length.
_WIDE = 100.0


def _with_ends(value: float, low: float, high: float) -> str:
    """A number with its interval, rounded alike."""
    if np.isnan(value):
        return "-"
    length = high - low
    if not 0.0 < length <= _WIDE * max(abs(value), abs(low)):
        return f"{significant(value, 2)} ({significant(low, 2)} to {significant(high, 2)})"
    exponent = rounding_exponent(0.25 * length)
    middle, *ends = (to_exponent(each, exponent) for each in (value, low, high))
    return f"{middle} ({' to '.join(ends)})"


def scorecard_text(columns: Mapping[str, Any], scale: Scale) -> str:
    """Write a scorecard for a reader.

    Parameters
    ----------
    columns : of the table that :func:`reliability.scores.scorecard` gives
    scale : of the quantities
    """
    rows, left_out = _most_claims(columns["n"])
    counts = ["n", *(name for name in ("unscored", "missing") if np.any(columns[name]))]
    header = ["source", *counts, *_SCORES.values()]
    cells = [
        [
            clean(str(columns["source"][row])),
            *(f"{int(columns[name][row]):,}" for name in counts),
            *(_score(name, float(columns[name][row])) for name in _SCORES),
        ]
        for row in rows
    ]
    legend = (
        "crps, wis: lower is better; log score: higher is better; bias: median minus truth; in "
        "50%, ...: how many central intervals held the truth; pit p: how often forecasts whose "
        "probabilities are right would look as wrong. All scores are of x"
        f", {'the quantity' if scale.name == 'linear' else f'the {scale.name} of the quantity'}."
    )
    notes = [f"The sources with the most scores; {left_out:,} more."] if left_out else []
    lines = text_table(header, cells, 1)
    return "\n".join([*lines, "", *notes, *paragraph(legend)])


def _score(name: str, value: float) -> str:
    if np.isnan(value):
        return "-"
    return percent(value) if name.startswith("coverage") else significant(value, 3)
