"""Influence: what the estimate would be without each origin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from reliability.numbers import significant
from reliability.plots.axes import (
    DARK,
    FONT_POINTS,
    POSTERIOR,
    fitting_size,
    fonts_for,
    interval_line,
    label,
    label_rows,
    new_axes,
    prepare_axis,
    require_matplotlib,
    room_between,
    zero_on,
)
from reliability.report import digits_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from reliability.combination import Combination, Influence

__all__ = ["influence"]

_ROW_POINTS = 19.0


def _origins(result: Combination) -> list[tuple[str, Influence]]:
    """Who stands behind every origin that counts, and what it does; the strongest first."""
    found = {entry.origin: entry.influence for entry in result.claims if entry.share > 0.0}
    members: dict[str, dict[str, None]] = {origin: {} for origin in found}
    for entry in result.claims:
        # A repeated report is heard once, but it is everybody's who repeats it.
        if entry.origin in members:
            members[entry.origin][entry.claim.source.name] = None
    pairs = [(", ".join(names), found[origin]) for origin, names in members.items()]
    return sorted(pairs, key=lambda pair: -abs(pair[1].shift) if pair[1].shift else 0.0)


def influence(result: Combination, ax: Axes | None = None) -> Axes:
    """Draw where the estimate would be if each origin were left out.

    An arrow runs from the estimate to the one without the origin, the longest on top. At the
    right stands the Kullback-Leibler divergence (nats) of the posterior from the one without:
    what the origin changes in all, even where it moves no median.

    Parameters
    ----------
    result : what `combine` returned
    ax : axes to draw on; without, a new figure that belongs to no pyplot state

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> from reliability import combine
    >>> from reliability.plots import influence
    >>> ax = influence(combine([("A", "10 +- 1"), ("B", "12 +- 1"), ("C", "30 +- 1")]))
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['without A', 'without B', 'without C']
    """
    require_matplotlib()
    origins = _origins(result)
    count, scale, estimate = len(origins), result.scale, result.estimate
    if ax is None:
        ax = new_axes(9.0, 1.1 + count * _ROW_POINTS / 72.0)
    names = [label(f"without {name}") for name, _ in origins]
    ends = [estimate - found.shift for _, found in origins]
    digits = digits_of(result)
    notes = [
        "nothing is left"
        if math.isnan(end)
        else f"{digits.text(end)} ({significant(found.divergence, 2)} nats)"
        for (_, found), end in zip(origins, ends, strict=True)
    ]
    fonts = fonts_for(names)
    size = fitting_size(ax, count + 0.4)
    known = np.array([estimate, *(end for end in ends if not math.isnan(end))])
    if scale.name != "linear":
        # Nothing at all has no place on such an axis: it stands at its lower end.
        known = known[known > 0.0]
    beside = result.posterior.nonzero
    x = np.asarray(scale.to_x(known if len(known) else np.array([beside.median()])))
    spread = float(np.ptp(x)) or float(np.ptp(scale.to_x(beside.interval(0.5))))
    low, high = float(x.min()) - 0.12 * spread, float(x.max()) + 0.12 * spread
    prepare_axis(ax, scale, (low, high), room_between(ax, size, names, notes), fonts)
    place = zero_on(ax, scale)
    estimate = estimate or place
    rows = [float(count - 1 - index) for index in range(count)]
    for row, end in zip(rows, ends, strict=True):
        if math.isnan(end):
            continue
        tip = end or place
        interval_line(ax, row, sorted((estimate, tip)), DARK, 1.6)
        ax.plot([tip], [row], marker="o", markersize=5, color=DARK, zorder=4)
    ax.axvline(estimate, color=POSTERIOR, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    ax.set_ylim(-0.7, count - 0.3)
    label_rows(ax, rows, names, notes, size, fonts)
    ax.set_title(
        f"best estimate with all: {digits.text(result.estimate)}",
        loc="left",
        fontsize=min(8.0, size),
        color=POSTERIOR,
    )
    if result.quantity:
        ax.set_xlabel(label(result.quantity), fontfamily=fonts, fontsize=FONT_POINTS)
    return ax
