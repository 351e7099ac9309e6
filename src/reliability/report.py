"""Results in words and tables: plain text, HTML, one line; and several results side by side.

Everything is first put into a `_Page`: sentences, one table, notes. Text and HTML write the same
page.
"""

from __future__ import annotations

import html
import math
import unicodedata
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import attrs
import numpy as np

from reliability.claims.digits import plain
from reliability.claims.statements import Absent, Estimate, Present, Quantiles, Range
from reliability.numbers import (
    Digits,
    percent,
    plus_minus,
    rounding_exponent,
    significant,
    to_exponent,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from reliability.claims.statements import Statement
    from reliability.combination import ClaimResult, Combination
    from reliability.posterior import Posterior

__all__ = [
    "Group",
    "as_html",
    "as_text",
    "claim_table",
    "clean",
    "compare_text",
    "compared",
    "digits_of",
    "groups",
    "html_table",
    "interval_text",
    "one_line",
    "paragraph",
    "sentences_and_notes",
    "statement_text",
    "text_table",
]

#: Columns of text that a report may fill.
WIDTH = 100
#: Numerical errors above this are said.
_ERROR_SHOWN = 1e-8
#: Statements up to this long are shown digit by digit.
_LONG_STATEMENT = 24
#: A group of claims is told of if it holds this much of the probability ...
_SMALLEST_GROUP = 0.03
#: ... and if the density between it and the next one falls below this share of its peak.
_VALLEY = 0.8
#: p-values of the conflict statistic below these are called a conflict, and a tension.
_CONFLICT, _TENSION = 0.01, 0.1

_LEGEND = {
    "weight": "share in the estimate",
    "sound": "probability that the claim is as good as it says",
    "pull": "what its origin adds to the estimate",
    "surprise": "how often a sound claim would lie as far out, given the other origins",
}


# --- what there is to say -----------------------------------------------------------------------


def digits_of(result: Combination) -> Digits:
    """How to write values of a result's quantity.

    The uncertainty is the distance from the median to the nearer end of the central 68 %
    interval: a second group far away does not blur the digits of the first.
    """
    posterior = result.posterior.nonzero
    ends = result.scale.to_x(posterior.interval(0.6827))
    middle = float(result.scale.to_x(posterior.median()))
    return Digits(result.scale, min(middle - float(ends[0]), float(ends[1]) - middle))


def interval_text(result: Combination, level: float = 0.95) -> str:
    """Estimate and interval in a few words: ``10.4 (8.1 to 12.6, 95%)``."""
    digits = digits_of(result)
    low, high = result.posterior.interval(level)
    ends = f"{digits.text(low)} to {digits.text(high)}"
    return f"{digits.text(result.estimate)} ({ends}, {100.0 * level:g}%)"


@attrs.frozen
class Group:
    """A peak of the posterior: where it is, and how much of the probability is around it."""

    value: float
    probability: float


def groups(result: Combination) -> list[Group]:
    """Peaks of the posterior on the working coordinate, in increasing order.

    Parameters
    ----------
    result : what `combine` returned

    Returns
    -------
    list of Group
        One group where the claims agree; more where the density has separate peaks that each
        hold a share of the probability. An atom at zero is none of them.
    """
    posterior, scale = result.posterior.nonzero, result.scale
    steps = np.linspace(0.001, 0.999, 400)
    at_quantiles = scale.to_x(np.asarray(posterior.ppf(steps)))
    x = np.unique(at_quantiles[np.isfinite(at_quantiles)])
    if len(x) < 3:
        return [Group(posterior.median(), 1.0)]
    x = np.union1d(x, np.linspace(x[0], x[-1], 400))
    logs = np.asarray(posterior.logpdf(scale.to_theta(x))) + scale.log_jacobian(x)
    peaks = [*_separate_peaks(logs)]
    cuts = [
        float(scale.to_theta(x[left + int(np.argmin(logs[left : right + 1]))]))
        for left, right in pairwise(peaks)
    ]
    below = [0.0, *(float(posterior.cdf(cut)) for cut in cuts), 1.0]
    found = [
        Group(float(scale.to_theta(x[peak])), below[i + 1] - below[i])
        for i, peak in enumerate(peaks)
    ]
    kept = [group for group in found if group.probability >= _SMALLEST_GROUP]
    kept = kept or [Group(posterior.median(), 1.0)]
    some = 1.0 - result.posterior.zero
    return [Group(group.value, some * group.probability) for group in kept]


def _separate_peaks(logs: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[int]:
    """Indices of local maxima; of two without a valley between them, the higher one."""
    padded = np.concatenate([[-np.inf], logs, [-np.inf]])
    maxima = np.flatnonzero((padded[1:-1] > padded[:-2]) & (padded[1:-1] >= padded[2:]))
    kept: list[int] = []
    for peak in map(int, maxima):
        while kept:
            valley = float(np.min(logs[kept[-1] : peak + 1]))
            if valley < min(logs[kept[-1]], logs[peak]) + math.log(_VALLEY):
                break
            if logs[kept[-1]] >= logs[peak]:
                peak = -1  # noqa: PLW2901  # the hill belongs to the peak before it
                break
            kept.pop()
        if peak >= 0:
            kept.append(peak)
    return kept


def _headline(result: Combination, digits: Digits, level: float) -> str:
    low, high = result.posterior.interval(level)
    best = digits.text(result.estimate)
    return (
        f"Best estimate {best}; {100.0 * level:g}% of the probability lies between "
        f"{digits.text(low)} and {digits.text(high)}."
    )


def _disagreement(found: Sequence[Group], digits: Digits) -> str:
    """One sentence where the posterior has several peaks."""
    if len(found) < 2:
        return ""
    parts = [
        f"{'another' if index else 'one group says'} about {digits.text(group.value)} "
        f"({percent(group.probability)} of the probability)"
        for index, group in enumerate(found)
    ]
    return f"The claims disagree: {', '.join(parts)}."


def _chance(probability: float) -> str:
    """A tail probability in percent: a 0 is one that a float cannot hold."""
    return percent(probability or math.ulp(0.0))


def _agreement(result: Combination, found: Sequence[Group]) -> str:
    """One sentence about how well the claims go together; empty for nothing to compare."""
    conflict = result.conflict
    # Bounds take no part in the statistic: where they make a group of their own, or are all there
    # is, look at the single claims instead.
    compared = conflict.df > 0 and math.isfinite(conflict.p)
    if not compared or (len(found) > 1 and conflict.p >= _TENSION):
        return _most_surprising(result)
    figures = (
        f"Q = {significant(conflict.Q, 3)} for {conflict.df:g} "
        f"degree{'s'[: conflict.df != 1]} of freedom"
    )
    if conflict.p < _CONFLICT:
        return (
            f"Taken at their word, the claims contradict each other: they would differ this much "
            f"with probability {_chance(conflict.p)} ({figures}); their stated uncertainties would "
            f"have to be {significant(conflict.birge, 2)} times as large."
        )
    if conflict.p < _TENSION:
        return (
            f"There is some tension: claims would differ this much with probability "
            f"{percent(conflict.p)} if each were taken at its word ({figures})."
        )
    return f"The claims agree within their stated uncertainties ({figures})."


def _most_surprising(result: Combination) -> str:
    """The claim that fits the others least, where bounds leave no other statistic."""
    tails = [(entry.tail, entry.claim) for entry in result.claims if math.isfinite(entry.tail)]
    if len(tails) < 2:
        return ""
    tail, claim = min(tails, key=lambda pair: pair[0])
    if tail >= _TENSION:
        return "No claim is surprising, given the others."
    return (
        f"The most surprising claim is that of {clean(claim.source.name)}: given the others, a "
        f"sound claim would lie as far out with probability {_chance(tail)}."
    )


def _moments(result: Combination) -> Iterable[str]:
    mean, sd = result.posterior.mean(), result.posterior.std()
    if math.isnan(mean):
        yield "The mean is not defined: both tails are too heavy. Use the best estimate (median)."
    elif math.isinf(mean):
        yield (
            "The mean is infinite: very large values keep too much probability. "
            "Use the best estimate (median)."
        )
    elif not math.isfinite(sd):
        yield "The standard deviation is infinite: the tails are too heavy. Use the interval."


def _learned(result: Combination, digits: Digits) -> Iterable[str]:
    """What was found out about the sources and their scatter."""
    reliability = result.reliability
    if reliability is not None:
        low, high = reliability.interval(0.95)
        yield (
            f"Claims of sources without a stated reliability are sound with probability "
            f"{percent(reliability.mean())} (95%: {percent(low)} to {percent(high)})."
        )
    scatter = result.heterogeneity
    if scatter is not None:
        low, high = scatter.interval(0.95)
        if result.model.inflation is not None:
            what = "Stated uncertainties are too small by a common factor of"
        elif digits.scale.name == "linear":
            what = "The sources scatter, beyond what they state, by"
        else:
            what = (
                f"The sources scatter, beyond what they state, on the {digits.scale.name} scale, by"
            )
        middle, *ends = (significant(value, 2) for value in (scatter.median(), low, high))
        yield f"{what} {middle} (95%: {' to '.join(ends)})."


def _moving(result: Combination) -> Iterable[str]:
    """For which day the quantity is asked, where it moves."""
    if result.drift > 0.0 and result.as_of is not None:
        yield (
            f"As of {result.as_of.isoformat()}: the quantity moves, on the {result.scale.name} "
            f"scale, by {significant(result.drift, 3)} times the square root of the days between."
        )


def _unknowable(result: Combination) -> str:
    heard = {entry.origin for entry in result.claims if entry.dropped is None}
    if not result.claims:
        return "No claim is about it: what is known comes through the quantities linked with it."
    if len(heard) < 2:
        others = "nothing" if result.link is None else "only the quantities linked with it"
        return f"There is one piece of evidence, and {others} to check it against."
    if result.model.shared:
        return ""
    return (
        "An error that all sources have in common cannot be seen here; no agreement rules it out."
    )


def _dropped(result: Combination) -> Iterable[str]:
    """Which claims do not count, and why; all with the same reason in one sentence."""
    by_reason: dict[str, list[str]] = {}
    for number, entry in enumerate(result.claims, start=1):
        if entry.dropped is not None:
            by_reason.setdefault(clean(entry.dropped), []).append(
                f"{number} ({clean(entry.claim.source.name)})"
            )
    for reason, names in by_reason.items():
        if len(names) == 1:
            yield f"Claim {names[0]} does not count: it {reason}."
        else:
            yield f"Claims {_and(names)} do not count; each {reason}."


def _and(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


# --- the page -----------------------------------------------------------------------------------


@attrs.frozen
class _Page:
    """Sentences, a table and notes. Text columns come first, then columns of numbers."""

    title: str
    sentences: list[str]
    header: list[str]
    rows: list[list[str]]
    texts: int
    notes: list[str]


def clean(text: str) -> str:
    """One line without control characters or changes of direction."""
    kept = (
        character if unicodedata.category(character) not in {"Cc", "Cs"} else " "
        for character in text
        if character not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )
    return " ".join("".join(kept).split())


def statement_text(statement: Statement, *, shares: bool = False) -> str:
    """What was said, as it was said; estimates with more digits than they support are rounded.

    Parameters
    ----------
    statement : what a claim states
    shares : write values in percent, as the results of the logit scale are

    Examples
    --------
    >>> from reliability.claims.statements import Estimate
    >>> statement_text(Estimate(10.518376288, sd=1.910834653))
    '10.5 ± 1.9'
    >>> statement_text(Estimate(0.2, low=0.15, high=0.25, level=0.9), shares=True)
    '20% (15% to 25%, 90%)'
    """
    if shares:
        return _shares_text(statement)
    text = str(statement)
    if not isinstance(statement, Estimate) or len(text) <= _LONG_STATEMENT:
        return text
    if statement.sd is not None:
        return min(text, plus_minus(statement.value, statement.sd), key=len)
    if statement.low is not None and statement.high is not None and statement.level is not None:
        exponent = rounding_exponent((statement.high - statement.low) / 4.0)
        value, low, high = (
            to_exponent(number, exponent)
            for number in (statement.value, statement.low, statement.high)
        )
        return min(text, f"{value} ({low} to {high}, {100.0 * statement.level:g}%)", key=len)
    return text


def _shares_text(statement: Statement) -> str:  # noqa: PLR0911 - one for each form
    """What was said about a share, in percent."""

    def share(value: float) -> str:
        return f"{significant(100.0 * value, 12)}%"

    if isinstance(statement, Quantiles):
        pairs = (f"{share(p)}: {share(q)}" for p, q in statement.mapping)
        return f"quantiles {', '.join(pairs)}"
    if isinstance(statement, Range):
        return f"{share(statement.low)} to {share(statement.high)}"
    if isinstance(statement, Absent | Present):
        return str(statement)
    if not isinstance(statement, Estimate):
        # "at least 0.3", "about 0.3": the value is the only number on the scale of the share.
        return str(statement).replace(plain(statement.value), share(statement.value), 1)
    value, sd, low, high = statement.value, statement.sd, statement.low, statement.high
    text = share(value)
    if sd is not None:
        text = f"{text} ± {share(sd)}"
        rounded = plus_minus(100.0 * value, 100.0 * sd).replace(" ± ", "% ± ") + "%"
        return text if len(text) <= _LONG_STATEMENT else min(text, rounded, key=len)
    if low is not None and high is not None and statement.level is not None:
        return f"{text} ({share(low)} to {share(high)}, {share(statement.level)})"
    return text


def _row(entry: ClaimResult, digits: Digits, estimate: float, shared: set[str]) -> list[str]:
    text = statement_text(entry.claim.statement, shares=digits.scale.name == "logit")
    cells = [clean(str(entry.claim.source)), clean(text)]
    if shared:
        cells.append(clean(entry.origin) if entry.origin in shared else "")
    return [
        *cells,
        "-" if entry.dropped is not None else percent(entry.weight),
        percent(entry.soundness),
        digits.shift(entry.influence.shift, at=estimate),
        _chance(entry.tail),
    ]


def sentences_and_notes(result: Combination, level: float) -> tuple[list[str], list[str]]:
    """Say the answer and whether the claims form groups; and what to be careful about."""
    digits, found = digits_of(result), groups(result)
    sentences = [_headline(result, digits, level), _disagreement(found, digits)]
    if result.posterior.zero > 0.0:
        sentences.insert(
            1, f"There is none at all with probability {percent(result.posterior.zero)}."
        )
    notes = [
        _agreement(result, found),
        *_learned(result, digits),
        *_moments(result),
        *_moving(result),
        *_dropped(result),
        _unknowable(result),
    ]
    if not result.error <= _ERROR_SHOWN:
        notes.append(f"Numerical error: up to {result.error:.0e} of these results.")
    return [sentence for sentence in sentences if sentence], [note for note in notes if note]


def claim_table(result: Combination) -> tuple[list[str], list[list[str]], int]:
    """Header and rows of the table of claims, and how many of its columns are texts."""
    digits = digits_of(result)
    counts = Counter(entry.origin for entry in result.claims)
    shared = {origin for origin, count in counts.items() if count > 1}
    names = ["source", "says", *(["origin"] if shared else [])]
    # Where the estimate is zero, shifts are written with the digits of what there may be.
    about = result.estimate or result.posterior.nonzero.median()
    rows = [_row(entry, digits, about, shared) for entry in result.claims]
    return [*names, *_LEGEND], rows, len(names)


def _page(result: Combination, level: float) -> _Page:
    header, rows, texts = claim_table(result)
    sentences, notes = sentences_and_notes(result, level)
    return _Page(
        clean(result.quantity or ""),
        sentences,
        header,
        rows,
        texts,
        notes,
    )


# --- text ---------------------------------------------------------------------------------------


def _cells(text: str) -> int:
    """Columns that a text fills on a terminal."""
    return sum(
        0
        if unicodedata.combining(character)
        else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )


def _wrap(text: str, width: int) -> list[str]:
    """Lines of at most this many columns; words longer than that are broken."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        rest = word
        if line and _cells(line) + 1 + _cells(rest) <= width:
            line = f"{line} {rest}"
            continue
        if line:
            lines.append(line)
        while _cells(rest) > width:
            cut = 1
            while _cells(rest[: cut + 1]) <= width:
                cut += 1
            lines.append(rest[:cut])
            rest = rest[cut:]
        line = rest
    return [*lines, line] if line or not lines else lines


def _widths(natural: Sequence[int], available: int) -> list[int]:
    """Share a width among columns: none gets more than it needs, the long ones get the same."""
    widths = list(natural)
    while sum(widths) > available:
        longest = max(widths)
        second = max((width for width in widths if width < longest), default=0)
        count = widths.count(longest)
        excess = sum(widths) - available
        step = min(longest - second, -(-excess // count))
        widths = [width - step if width == longest else width for width in widths]
    return widths


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], texts: int) -> list[str]:
    """Lines of a table; the first columns are texts and wrap, the others are numbers."""
    every = [header, *rows]
    natural = [max(_cells(row[column]) for row in every) for column in range(len(header))]
    gaps = 2 * (len(header) - 1)
    widths = [*_widths(natural[:texts], WIDTH - gaps - sum(natural[texts:])), *natural[texts:]]
    lines: list[str] = []

    def write(row: Sequence[str]) -> None:
        wrapped = [_wrap(cell, widths[column]) for column, cell in enumerate(row)]
        for depth in range(max(map(len, wrapped))):
            parts = []
            for column, cell in enumerate(wrapped):
                text = cell[depth] if depth < len(cell) else ""
                blank = " " * (widths[column] - _cells(text))
                parts.append(text + blank if column < texts else blank + text)
            lines.append("  ".join(parts).rstrip())

    write(header)
    lines.append("  ".join("-" * width for width in widths))
    for row in rows:
        write(row)
    return lines


def paragraph(text: str) -> list[str]:
    """Lines of a text."""
    return _wrap(text, WIDTH)


def as_text(result: Combination, *, level: float = 0.95) -> str:
    """Write a result for a reader: the answer, a table of the claims, what to be careful about.

    Parameters
    ----------
    result : what `combine` returned
    level : probability of the interval in the first sentence
    """
    page = _page(result, level)
    lines = [page.title, "=" * _cells(page.title)] if page.title else []
    for sentence in page.sentences:
        lines += paragraph(sentence)
    lines += ["", *text_table(page.header, page.rows, page.texts), ""]
    for note in page.notes:
        lines += paragraph(note)
    legend = "; ".join(f"{name}: {meaning}" for name, meaning in _LEGEND.items())
    lines += ["", *paragraph(f"{legend}.")]
    return "\n".join(lines)


def one_line(result: Combination) -> str:
    """Write a result on one line, for ``repr``."""
    digits = digits_of(result)
    low, high = result.posterior.interval(0.95)
    count = len(result.claims)
    about = f" on {clean(result.quantity)!r}" if result.quantity else ""
    zero = result.posterior.zero
    none = f", none at all {percent(zero)}" if zero > 0.0 else ""
    return (
        f"Combination({count} claim{'s'[: count != 1]}{about}: {digits.text(result.estimate)}, "
        f"95% {digits.text(low)} to {digits.text(high)}{none})"
    )


# --- HTML ---------------------------------------------------------------------------------------


def _element(tag: str, text: str, style: str = "") -> str:
    attribute = f' style="{style}"' if style else ""
    return f"<{tag}{attribute}>{html.escape(text)}</{tag}>"


def _html_row(cells: Sequence[str], tag: str, texts: int) -> str:
    written = [
        _element(tag, cell, f"text-align: {'left' if column < texts else 'right'}")
        for column, cell in enumerate(cells)
    ]
    return f"<tr>{''.join(written)}</tr>"


def html_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], texts: int, *, title: str = ""
) -> str:
    """Table as HTML, with everything escaped; columns as for `text_table`."""
    parts = [_element("h4", title)] if title else []
    parts += ["<table>", f"<thead>{_html_row(header, 'th', texts)}</thead>", "<tbody>"]
    parts += [_html_row(cells, "td", texts) for cells in rows]
    return "\n".join([*parts, "</tbody>", "</table>"])


def as_html(result: Combination, *, level: float = 0.95) -> str:
    """Write the same as `as_text` as an HTML fragment, with everything escaped.

    Parameters
    ----------
    result : what `combine` returned
    level : probability of the interval in the first sentence
    """
    page = _page(result, level)

    def heading() -> str:
        cells = [_element("th", name, "text-align: left") for name in page.header[: page.texts]]
        cells += [
            f'<th style="text-align: right" title="{html.escape(_LEGEND[name])}">{name}</th>'
            for name in page.header[page.texts :]
        ]
        return f"<tr>{''.join(cells)}</tr>"

    parts = ["<div>"]
    if page.title:
        parts.append(_element("h4", page.title))
    first, *others = page.sentences
    parts.append(f"<p><strong>{html.escape(first)}</strong></p>")
    parts += [_element("p", sentence) for sentence in others]
    parts += ["<table>", f"<thead>{heading()}</thead>", "<tbody>"]
    parts += [_html_row(cells, "td", page.texts) for cells in page.rows]
    parts += ["</tbody>", "</table>", "<ul>"]
    parts += [_element("li", note) for note in page.notes]
    parts += ["</ul>", "</div>"]
    return "\n".join(parts)


# --- several results ----------------------------------------------------------------------------


def _change(posterior: Posterior, against: Posterior) -> str:
    """How the best estimate compares with another one, as a factor or a difference."""
    one, other = posterior.median(), against.median()
    if one > 0.0 and other > 0.0:
        return f"× {significant(one / other, 2)}"
    return f"{one - other:+.3g}"


#: Columns of `compared` that hold text.
COMPARED_TEXTS = 2


def compared(
    results: Mapping[str, Combination], *, level: float = 0.95
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of results of the same quantity under different assumptions.

    Parameters
    ----------
    results : results by the name of what was assumed; the first is what others are compared with
    level : probability of the interval
    """
    rows = []
    first = next(iter(results.values()), None)
    for name, result in results.items():
        digits = digits_of(result)
        low, high = result.posterior.interval(level)
        found = groups(result)
        peaks = ", ".join(
            f"{digits.text(group.value)} ({percent(group.probability)})" for group in found
        )
        rows.append(
            [
                clean(name),
                peaks if len(found) > 1 else "",
                digits.text(result.estimate),
                f"{digits.text(low)} to {digits.text(high)}",
                ""
                if first is None or result is first
                else _change(result.posterior, first.posterior),
            ]
        )
    header = ["assumption", "groups", "best estimate", f"{100.0 * level:g}% interval", "change"]
    return header, rows


def compare_text(results: Mapping[str, Combination], *, level: float = 0.95) -> str:
    """Results of the same quantity under different assumptions, one row each; see `compared`."""
    return "\n".join(text_table(*compared(results, level=level), COMPARED_TEXTS))
