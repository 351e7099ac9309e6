"""Dependence: which sources err together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from reliability.errors import InvalidValueError
from reliability.plots.axes import (
    QUIET,
    fitting_size,
    fonts_for,
    label,
    new_axes,
    require_matplotlib,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from reliability.learning.learned import Learned

__all__ = ["dependence_matrix"]

#: Sources that a matrix can show; of more, those with the strongest pairs.
_MOST_SOURCES = 40


def dependence_matrix(
    learned: Learned | Mapping[tuple[str, str], float], ax: Axes | None = None
) -> Axes:
    """Draw the dependence of every pair of sources that err together, as a matrix.

    Sources that depend on none are left out; of more than 40, those in the strongest pairs are
    shown and the title says so. Sources that depend on each other stand side by side.

    Parameters
    ----------
    learned : what `learn` returned, or pairs of sources with their dependence, as ``combine``
        takes them
    ax : axes to draw on; without, a new figure that belongs to no pyplot state

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ReliabilityError
        If there are no such pairs.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> from reliability.plots import dependence_matrix
    >>> ax = dependence_matrix({("A", "B"): 0.9, ("C", "B"): 0.4})
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['C', 'B', 'A']
    """
    require_matplotlib()
    pairs = learned if isinstance(learned, Mapping) else learned.dependence
    if not pairs:
        raise InvalidValueError(
            "no two sources were found to depend on each other; nothing to draw"
        )
    names = _ordered(pairs)
    every = len({name for pair in pairs for name in pair})
    count = len(names)
    place = {name: k for k, name in enumerate(names)}
    values = np.full((count, count), np.nan)
    for (one, other), value in pairs.items():
        if one in place and other in place:
            values[place[one], place[other]] = values[place[other], place[one]] = value
    if ax is None:
        side = 2.2 + 0.24 * count
        ax = new_axes(side + 0.8, side)
    image = ax.imshow(values, cmap="cividis_r", vmin=0.0, vmax=1.0)
    shown = [label(name) for name in names]
    fonts, size = fonts_for(shown), fitting_size(ax, count + 1.0)
    ax.set_yticks(range(count), shown, fontsize=size, fontfamily=fonts)
    ax.set_xticks(range(count), shown, fontsize=size, fontfamily=fonts, rotation=90)
    if count <= 12:
        for row, column in np.argwhere(np.isfinite(values)):
            value = values[row, column]
            ax.text(
                column,
                row,
                f"{value:.2f}",
                ha="center",
                va="center",
                fontsize=0.85 * size,
                color="white" if value > 0.6 else "black",
            )
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.tick_params(length=0)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.8, fraction=0.06)
    bar.set_label("dependence", fontsize=8.0)
    bar.ax.tick_params(labelsize=8.0)
    if count < every:
        ax.set_title(
            f"{count} of {every} sources, those in the strongest pairs",
            loc="left",
            fontsize=8.0,
            color=QUIET,
        )
    return ax


def _ordered(pairs: Mapping[tuple[str, str], float]) -> list[str]:
    """Sources in an order in which the strongest pairs are neighbours, as far as that goes."""
    chains: dict[str, list[str]] = {}
    for (one, other), _ in sorted(pairs.items(), key=lambda item: (-item[1], item[0])):
        first, second = chains.get(one, [one]), chains.get(other, [other])
        if len({*chains, one, other}) > _MOST_SOURCES:
            continue
        if first is second:
            continue
        # The ends that belong together meet.
        if first[0] == one:
            first.reverse()
        if second[-1] == other:
            second.reverse()
        first.extend(second)
        for name in first:
            chains[name] = first
    out: list[str] = []
    for chain in chains.values():
        if chain[0] not in out:
            out += chain
    return out
