"""The forest: every claim with what it states, and the posterior at the foot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reliability.plots.axes import (
    DARK,
    FONT_POINTS,
    POSTERIOR,
    QUIET,
    arrow_head,
    draw_atom,
    draw_presence,
    fitting_size,
    fonts_for,
    interval_line,
    label,
    label_rows,
    new_axes,
    prepare_axis,
    require_matplotlib,
    room_between,
    shade,
    zero_on,
)
from reliability.plots.densities import density_on_axis
from reliability.plots.stated import Span, limits_of, span_of
from reliability.report import interval_text, statement_text

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from reliability.combination import ClaimResult, Combination

__all__ = ["forest", "forests"]

#: Rows of the foot, in units of a claim's row: where the posterior's density and interval stand.
_FOOT = 2.2
_ROW_POINTS = 19.0  # height of a claim's row in a figure that is made here


def _draw_claim(ax: Axes, y: float, entry: ClaimResult, span: Span, result: Combination) -> None:
    scale, limits = result.scale, ax.get_xlim()
    if math.isnan(span.middle):
        color = QUIET if entry.dropped is not None else shade(entry.soundness)
        draw_presence(ax, y, color, scale, there=span.open > 0)
        return
    dropped = entry.dropped is not None
    color, width = (QUIET, 1.0) if dropped else (shade(entry.soundness), 1.8)
    low, middle, high = (float(t) for t in scale.to_theta([span.low, span.middle, span.high]))
    if span.open:
        # An arrow of a visible length, however small the excess is on this axis.
        first, last = (float(x) for x in scale.to_x(limits))
        reach = span.high - span.low
        reach = max(reach, 0.08 * (last - first)) if math.isfinite(reach) else last - first
        tip = float(scale.to_theta(min(max(span.middle + span.open * reach, first), last)))
        interval_line(ax, y, sorted((middle, tip)), color, width, dashed=dropped)
        arrow_head(ax, tip, y, span.open, color)
        ax.plot([middle], [y], marker="|", markersize=9, markeredgewidth=1.8, color=color, zorder=3)
    else:
        interval_line(ax, y, (low, high), color, width, dashed=dropped)
    weight = 0.0 if dropped or math.isnan(entry.weight) else entry.weight
    ax.scatter(
        [middle],
        [y],
        s=12.0 + 140.0 * weight,
        color="white" if dropped else color,
        edgecolors=QUIET if dropped else DARK,
        linewidths=0.8,
        zorder=5,
    )


def _draw_posterior(ax: Axes, y: float, result: Combination, level: float) -> None:
    posterior, scale = result.posterior, result.scale
    x_limits = scale.to_x(ax.get_xlim())
    x, height = density_on_axis(posterior, scale, (float(x_limits[0]), float(x_limits[1])))
    top = float(np.max(height)) if len(height) else 0.0
    if top > 0.0:
        ax.fill_between(
            scale.to_theta(x),
            y + 0.2,
            y + 0.2 + 1.25 * height / top,
            color=POSTERIOR,
            alpha=0.35,
            linewidth=0,
        )
    place = zero_on(ax, scale)
    if posterior.zero > 0.0:
        draw_atom(ax, y + 0.2, 1.25, place, posterior.zero)
    wide, narrow = (
        [end if end != 0.0 else place for end in posterior.interval(each)] for each in (level, 0.5)
    )
    estimate = result.estimate if result.estimate != 0.0 else place
    interval_line(ax, y, wide, POSTERIOR, 1.5)
    interval_line(ax, y, narrow, POSTERIOR, 5.0)
    ax.plot(
        [estimate],
        [y],
        marker="D",
        markersize=6,
        color="white",
        markeredgecolor=POSTERIOR,
        markeredgewidth=1.5,
        clip_on=False,
        zorder=5,
    )
    ax.axvline(estimate, color=POSTERIOR, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)


def forest(result: Combination, ax: Axes | None = None, *, level: float = 0.95) -> Axes:
    """Draw the claims with their stated 90 % intervals, and the posterior at the foot.

    Darker claims are more probably sound; larger dots have more weight; arrows are bounds; a ring
    says that there is nothing, a broken line that there is something. A bar is the posterior
    probability of nothing, at the lower end of the axis where this has no place for zero. The
    posterior shows its median, its density, and as lines its 50 % interval and that of `level`.

    Parameters
    ----------
    result : what `combine` returned
    ax : axes to draw on; without, a new figure that belongs to no pyplot state
    level : probability of the posterior's thin line and of the interval at the right

    Returns
    -------
    matplotlib.axes.Axes
        Save with ``ax.figure.savefig("claims.png")``.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    require_matplotlib()
    entries = result.claims
    count = len(entries)
    if ax is None:
        ax = new_axes(9.0, 1.1 + (count + _FOOT) * _ROW_POINTS / 72.0)
    spans = [span_of(entry, result) for entry in entries]
    limits = limits_of(spans, result)
    names = [label(str(entry.claim.source)) for entry in entries]
    shares = result.scale.name == "logit"
    statements = [label(statement_text(entry.claim.statement, shares=shares)) for entry in entries]
    answer = label(interval_text(result, level))
    fonts = fonts_for([*names, *statements])
    size = fitting_size(ax, count + _FOOT + 0.4)
    room = room_between(ax, size, names, [answer, *statements])
    prepare_axis(ax, result.scale, limits, room, fonts)
    ax.set_ylim(-0.6, count + _FOOT - 0.2)
    foot = 0.0
    for index, (entry, span) in enumerate(zip(entries, spans, strict=True)):
        _draw_claim(ax, count - index + _FOOT - 1.2, entry, span, result)
    _draw_posterior(ax, foot, result, level)
    rows = [foot, *(count - index + _FOOT - 1.2 for index in range(count))]
    label_rows(ax, rows, ["posterior", *names], [answer, *statements], size, fonts)
    ax.axhline(_FOOT - 0.7, color=QUIET, linewidth=0.6)
    ax.set_title(
        "dark: probably sound, pale: probably not; larger dot: more weight",
        loc="left",
        fontsize=min(8.0, size),
        color=QUIET,
    )
    if result.quantity:
        ax.set_xlabel(label(result.quantity), fontfamily=fonts, fontsize=FONT_POINTS)
    return ax


def forests(
    results: Sequence[Combination], path: str | os.PathLike[str], *, level: float = 0.95
) -> None:
    """Draw several results, one below the other, into a file; its ending says the format.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    OSError
        If the file cannot be written.
    """
    require_matplotlib()
    figure: Figure
    if len(results) == 1:
        figure = forest(results[0], level=level).figure  # type: ignore[assignment]
    else:
        from matplotlib.figure import Figure as NewFigure  # noqa: PLC0415  # optional

        rows = [len(result.claims) + _FOOT + 3.0 for result in results]
        figure = NewFigure(figsize=(9.0, sum(rows) * _ROW_POINTS / 72.0), layout="constrained")
        axes = figure.subplots(len(results), 1, height_ratios=rows)
        for result, ax in zip(results, axes, strict=True):
            forest(result, ax, level=level)
    figure.savefig(path, dpi=150)
