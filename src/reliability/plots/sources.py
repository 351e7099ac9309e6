"""Sources: what was learned of each, with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from reliability.errors import InvalidValueError, short
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
)
from reliability.scales import SCALES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from reliability.learning.learned import Learned

    Array = NDArray[np.float64]

__all__ = ["source_values"]

_ROW_POINTS = 17.0
_VALUES = {
    "reliability": "reliability: probability that a claim is sound",
    "bias": "bias: claim minus truth, on the scale",
    "overconfidence": "overconfidence: true over stated uncertainty",
    "error_sd": "typical error where none is stated, on the scale",
}


def source_values(
    learned: Learned,
    ax: Axes | None = None,
    *,
    value: Literal["reliability", "bias", "overconfidence", "error_sd"] = "reliability",
) -> Axes:
    """Draw what was learned of every source, with its interval; the best on top.

    Parameters
    ----------
    learned : what `learn` returned
    ax : axes to draw on; without, a new figure that belongs to no pyplot state
    value : column of ``source_table``

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ReliabilityError
        If there is no such value, or no source has it.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> from reliability import learn
    >>> from reliability.plots import source_values
    >>> found = learn({"quantity": [1, 1, 2, 2, 3, 3], "source": ["A", "B"] * 3,
    ...                "value": [10.1, 10.4, 12.3, 12.9, 9.8, 9.1]})
    >>> source_values(found, value="bias").get_xlabel()
    'bias: claim minus truth, on the scale'
    """
    require_matplotlib()
    if value not in _VALUES:
        known = ", ".join(map(repr, _VALUES))
        raise InvalidValueError(f"value must be one of {known} (got {short(value)})")
    columns = learned.source_columns()
    middle = np.asarray(columns[value], dtype=np.float64)
    there = np.flatnonzero(np.isfinite(middle))
    if not len(there):
        raise InvalidValueError(f"no source has a {value}: nothing was learned of it")
    goodness = {"reliability": -middle, "bias": np.abs(middle)}.get(value, middle)
    order = there[np.argsort(goodness[there], kind="stable")]
    count = len(order)
    if ax is None:
        ax = new_axes(8.0, 1.1 + count * _ROW_POINTS / 72.0)
    names = [label(str(columns["source"][i])) for i in order]
    notes = [f"{int(columns['n'][i]):,} claims" for i in order]
    rows = np.arange(count)[::-1].astype(float)
    low, high = (np.asarray(columns[f"{value}_{end}"], dtype=np.float64) for end in ("low", "high"))
    fonts, size = fonts_for(names), fitting_size(ax, count + 0.4)
    room = room_between(ax, size, names, notes)
    _set_scale(ax, value, np.concatenate([low[order], high[order], middle[order]]), room, fonts)
    for row, i in zip(rows, order, strict=True):
        interval_line(ax, float(row), (float(low[i]), float(high[i])), DARK, 1.6)
        ax.plot([middle[i]], [row], marker="o", markersize=5, color=DARK, zorder=4)
    ax.set_ylim(-0.7, count - 0.3)
    label_rows(ax, rows.tolist(), names, notes, size, fonts)
    ax.set_xlabel(_VALUES[value], fontsize=FONT_POINTS)
    return ax


def _set_scale(ax: Axes, value: str, ends: Array, room: float, fonts: list[str]) -> None:
    """Limits that hold all intervals; factors and sizes on a log axis; what is ideal as a line."""
    scale = SCALES["log" if value in {"overconfidence", "error_sd"} else "linear"]
    x = np.asarray(scale.to_x(ends))
    low, high = (0.0, 1.0) if value == "reliability" else (float(x.min()), float(x.max()))
    margin = 0.03 * (high - low or 1.0)
    prepare_axis(ax, scale, (low - margin, high + margin), room, fonts)
    ideal = {"bias": 0.0, "overconfidence": 1.0}.get(value)
    if ideal is not None:
        ax.axvline(ideal, color=POSTERIOR, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
