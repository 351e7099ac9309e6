"""Sensitivity: how the best estimate moves with each assumption."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reliability.plots.axes import (
    FONT_POINTS,
    QUIET,
    fonts_for,
    label,
    new_axes,
    prepare_vertical_axis,
    require_matplotlib,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from reliability.sensitivity import Sensitivity

__all__ = ["sensitivity"]

#: Kinds of lines, so that many are told apart in black and white too.
_DASHES = ("-", "--", "-.", ":")
#: Lines that a legend names; of more, those that move the estimate most.
_MOST_NAMED = 10


def sensitivity(found: Sensitivity, ax: Axes | None = None, *, above: float | None = None) -> Axes:
    """Draw how the best estimate moves with each assumption; a dot is the value that was given.

    Where one assumption is varied alone, its interval is shaded. Of more than ten, those that
    move the estimate most are named.

    Parameters
    ----------
    found : what ``Combination.sensitivity`` returned
    ax : axes to draw on; without, a new figure that belongs to no pyplot state
    above : a threshold to draw, in the quantity's units

    Returns
    -------
    matplotlib.axes.Axes
        Save with ``ax.figure.savefig("sensitivity.png")``.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    require_matplotlib()
    if ax is None:
        ax = new_axes(9.0, 5.0)
    result = found.result
    names = [label(curve.name) for curve in found.curves]
    fonts = fonts_for(names)
    reach = [float(np.ptp(result.scale.to_x(curve.estimate))) for curve in found.curves]
    # nan, where some value leaves no posterior, is worth a look as well.
    order = sorted(range(len(names)), key=lambda k: -reach[k] if np.isfinite(reach[k]) else -np.inf)
    named = sorted(order[:_MOST_NAMED])
    for k in order[_MOST_NAMED:]:
        curve = found.curves[k]
        ax.plot(curve.values, curve.estimate, color=QUIET, linewidth=0.6, alpha=0.6)
    if len(names) > _MOST_NAMED:
        ax.set_title(
            f"{_MOST_NAMED} of {len(names)}, those that move it most; grey: the others",
            loc="left",
            fontsize=8.0,
            color=QUIET,
        )
    for index, k in enumerate(named):
        curve, dash = found.curves[k], _DASHES[index % len(_DASHES)]
        (line,) = ax.plot(curve.values, curve.estimate, linestyle=dash, label=names[k])
        if len(found.curves) == 1:
            ax.fill_between(curve.values, curve.low, curve.high, alpha=0.2, linewidth=0)
        if curve.given is not None:
            ax.plot([curve.given], [result.estimate], "o", color=line.get_color())
    if above is not None:
        ax.axhline(above, color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
    prepare_vertical_axis(ax, result.scale)
    ax.set_xlim(0.0, 1.0)
    ax.set_xlabel("value", fontsize=FONT_POINTS)
    ax.set_ylabel(label(result.quantity or "best estimate"), fontsize=FONT_POINTS, fontfamily=fonts)
    ax.legend(frameon=False, prop={"family": fonts, "size": FONT_POINTS})
    return ax
