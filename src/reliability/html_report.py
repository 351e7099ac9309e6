"""A result as one self-contained page: no network, readable on a phone and in print."""

from __future__ import annotations

import html
import io
import math
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from reliability import plots
from reliability.errors import InvalidValueError
from reliability.model_text import model_text
from reliability.numbers import percent, significant
from reliability.report import (
    claim_table,
    clean,
    digits_of,
    interval_text,
    sentences_and_notes,
    statement_text,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence

    from matplotlib.axes import Axes

    from reliability.combination import Combination

__all__ = ["as_page", "write_page"]

#: Sources whose reliability a page varies: of more, that takes too long to be done unasked.
_MOST_VARIED = 20

_STYLE = """
:root { color-scheme: light; }
body { font: 17px/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff;
  margin: 0 auto; max-width: 60rem; padding: 1rem 1rem 3rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 1.2rem 0 .6rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .4rem; border-top: 1px solid #d5d9de; padding-top: .8rem; }
.answer { font-size: 1.25rem; font-weight: 600; margin: .4rem 0; }
figure { margin: 1rem 0; } figcaption { color: #55606c; font-size: .88rem; }
figure > div { overflow-x: auto; }
svg { width: 100%; min-width: 36rem; height: auto; display: block; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0;
  border-bottom: 1px solid #e3e6ea; min-width: 6.5rem; }
td.n, th.n { text-align: right; white-space: nowrap; min-width: 0; }
dl.claim { margin: .8rem 0; padding: .1rem 0 .1rem .9rem; border-left: 4px solid #c3c9d0; }
dl.claim dt { font-weight: 600; } dl.claim dd { margin: 0; overflow-wrap: anywhere; }
.quiet { color: #55606c; font-size: .88rem; }
@media print { svg { min-width: 0; } body { font-size: 11pt; max-width: none; }
  h2, figure, dl.claim, tr { break-inside: avoid; } h2 { break-after: avoid; }
  a { color: inherit; } }
"""


def _text(tag: str, text: str, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f"<{tag}{attribute}>{html.escape(text)}</{tag}>"


def _items(sentences: Iterable[str]) -> str:
    return f"<ul>{''.join(_text('li', sentence) for sentence in sentences)}</ul>"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], texts: int) -> str:
    """Table whose first columns are texts and whose others are numbers."""

    def row(cells: Sequence[str], tag: str) -> str:
        written = (
            _text(tag, cell, "" if column < texts else "n") for column, cell in enumerate(cells)
        )
        return f"<tr>{''.join(written)}</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return (
        f'<div class="wide"><table><thead>{row(header, "th")}</thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _figure(draw: Callable[..., Axes], result: Combination, name: str, caption: str) -> str:
    """A picture as inline SVG; ``name`` keeps its identifiers apart from other pictures'."""
    import matplotlib as mpl  # noqa: PLC0415  # optional

    # Letters become outlines: the page looks the same where their fonts are missing.
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": name}):
        figure = draw(result).get_figure(root=True)
        assert figure is not None  # noqa: S101 - axes of their own
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    found = re.search(r"<svg.*</svg>", buffer.getvalue(), flags=re.DOTALL)
    assert found is not None  # noqa: S101 - matplotlib writes one
    drawn = re.sub(r"<!--.*?-->\s*|<metadata>.*?</metadata>\s*", "", found[0], flags=re.DOTALL)
    drawn = re.sub(r'\b(id="|url\(#|href="#)', rf"\g<1>{name}-", drawn)
    drawn = drawn.replace("<svg ", f'<svg role="img" aria-label="{html.escape(caption)}" ', 1)
    return f"<figure><div>{drawn}</div>{_text('figcaption', caption)}</figure>"


# --- sections -----------------------------------------------------------------------------------


def _who_moved_it(result: Combination) -> str:
    """The strongest origin in a sentence."""
    digits = digits_of(result)
    moved = [
        entry
        for entry in result.claims
        if entry.dropped is None and entry.influence.shift == entry.influence.shift
    ]
    if len(moved) < 2:
        return "There is no second piece of evidence to compare with."
    strongest = max(moved, key=lambda entry: abs(entry.influence.shift))
    without = result.estimate - strongest.influence.shift
    return (
        f"Most depends on {clean(strongest.claim.source.name)}: without that origin the best "
        f"estimate would be {digits.text(without)} instead of {digits.text(result.estimate)}."
    )


def _would_it_change(
    result: Combination, picture: Callable[[Callable[..., Axes], str], str]
) -> list[str]:
    """How the estimate moves with every assumption that can be varied."""
    sources = {entry.claim.source.name for entry in result.claims}
    if len(sources) > _MOST_VARIED:
        return []
    try:
        found = result.sensitivity()
    except InvalidValueError:  # nothing can be varied
        return []

    def sensitivity(_: Combination) -> Axes:
        return plots.sensitivity(found)

    return [
        _text("h2", "Would it change?"),
        picture(
            sensitivity,
            "The best estimate for every reliability and dependence from 0 to 1; dots: as given.",
        ),
    ]


def _conflict(result: Combination) -> str:
    conflict = result.conflict
    rows = [
        ("Cochran's Q", significant(conflict.Q, 3)),
        ("degrees of freedom", str(conflict.df)),
        ("probability of a larger Q", percent(conflict.p)),
        ("I², share of the scatter that is excess", percent(conflict.I2)),
        ("Birge ratio", significant(conflict.birge, 3)),
    ]
    if conflict.log_bayes_factor is not None:
        rows.append(("log Bayes factor of scatter", significant(conflict.log_bayes_factor, 3)))
    return _table(("of the claims with a value", ""), rows, 1)


def _link(url: str) -> str:
    """A link, if it leads to a page; anything else stays text."""
    if urlsplit(url).scheme in {"http", "https"}:
        return f'<a href="{html.escape(url)}" rel="noopener noreferrer">{html.escape(url)}</a>'
    return html.escape(url)


def _claim(number: int, entry: Any, *, shares: bool) -> str:
    claim, source = entry.claim, entry.claim.source
    facts = [("origin", claim.origin), ("date", claim.date)]
    facts += [
        (name.replace("_", " "), getattr(source, name))
        for name, usual in (
            ("reliability", None),
            ("interest", 0),
            ("bias", 0.0),
            ("bias_sd", 0.0),
            ("overconfidence", 1.0),
        )
        if getattr(source, name) != usual
    ]
    facts.append(("credibility", claim.credibility))
    if entry.dropped is None:
        facts.append(("probably sound", percent(entry.soundness)))
        facts.append(("weight", percent(entry.weight)))
    else:
        facts.append(("does not count", f"it {entry.dropped}"))
    said = clean(statement_text(claim.statement, shares=shares))
    parts = [_text("dt", f"{number}. {clean(str(source))}: {said}")]
    known = "; ".join(f"{name}: {clean(str(value))}" for name, value in facts if value is not None)
    parts.append(_text("dd", known, "quiet"))
    if claim.note:
        parts.append(_text("dd", clean(claim.note)))
    if claim.url:
        parts.append(f"<dd>{_link(claim.url)}</dd>")
    return f'<dl class="claim">{"".join(parts)}</dl>'


def _numbers(result: Combination, level: float) -> str:
    posterior = result.posterior
    low, high = result.interval(level)
    rows: list[tuple[str, float | None]] = [("best estimate (median)", result.estimate)]
    rows += [
        (f"{100 * level:g}% interval, {end}", value)
        for end, value in (("low", low), ("high", high))
    ]
    rows += [("mean", posterior.mean()), ("standard deviation", posterior.std())]
    rows += [
        (f"{100 * p:g}% quantile", float(posterior.ppf(p)))
        for p in (0.01, 0.05, 0.25, 0.75, 0.95, 0.99)
    ]
    if posterior.zero > 0.0:
        rows.append(("probability that there is none", posterior.zero))
    rows += [("log evidence", result.log_evidence), ("bound on the numerical error", result.error)]
    written = [(name, _figure_of(value)) for name, value in rows if value is not None]
    return _table(("posterior", ""), written, 1)


def _figure_of(value: float) -> str:
    """A number with digits to copy, or what it means that there is none."""
    if math.isnan(value):
        return "does not exist"
    return "infinite" if math.isinf(value) else f"{value:.6g}"


def _section(result: Combination, level: float, number: int) -> str:
    """One quantity."""
    shares = result.scale.name == "logit"
    (first, *others), notes = sentences_and_notes(result, level)
    header, rows, texts = claim_table(result)
    name = f"q{number}"

    def picture(draw: Callable[..., Axes], caption: str) -> str:
        return _figure(draw, result, f"{name}-{draw.__name__}", caption)

    parts = [
        _text("h1", clean(result.quantity or "What to believe")),
        _text("p", first, "answer"),
        *(_text("p", sentence) for sentence in others),
        picture(plots.forest, "Every claim with what it states, and the posterior below."),
        _items(notes),
        _text("h2", "Who moved it"),
        _text("p", _who_moved_it(result)),
        picture(plots.influence, "The best estimate without each origin."),
        _table(header, rows, texts),
        _text("h2", "What each claim says, and all together"),
        picture(plots.posterior, "Likelihoods of the claims alone, and the posterior of all."),
        *_would_it_change(result, picture),
        _text("h2", "Conflict"),
        _conflict(result),
        _text("h2", "The claims"),
        *(_claim(k, entry, shares=shares) for k, entry in enumerate(result.claims, start=1)),
        _text("h2", "The model in words"),
        _items(model_text(result)),
        _text("h2", "The numbers"),
        _numbers(result, level),
    ]
    return f"<section>{''.join(parts)}</section>"


# --- the page -----------------------------------------------------------------------------------


def as_page(results: Sequence[Combination], *, level: float = 0.95) -> str:
    """Write results as one HTML page that needs nothing else.

    Parameters
    ----------
    results : of one quantity or several
    level : probability of the intervals

    Returns
    -------
    str
        A document; whatever claims and sources are called stays text.

    Raises
    ------
    ReliabilityError
        If there are no results.
    MissingExtraError
        If matplotlib, which draws the pictures, is not installed.

    Examples
    --------
    >>> from reliability import combine
    >>> page = as_page([combine([("A", "10 +- 1"), ("<script>", "12 +- 1")])])
    >>> "<script>" in page, "&lt;script&gt;" in page
    (False, True)
    """
    if not results:
        raise InvalidValueError("a page needs at least one result (got none)")
    title = clean(results[0].quantity or interval_text(results[0], level))
    sections = "".join(
        _section(result, level, number) for number, result in enumerate(results, start=1)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"{_text('title', title)}<style>{_STYLE}</style></head><body>{sections}"
        f"{_text('p', 'Made with the Python package source-reliability.', 'quiet')}"
        "</body></html>\n"
    )


def write_page(
    results: Sequence[Combination], path: str | os.PathLike[str], *, level: float = 0.95
) -> None:
    """Write the page of `as_page` into a file.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    page = as_page(results, level=level)
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123  # any path-like
        file.write(page)
