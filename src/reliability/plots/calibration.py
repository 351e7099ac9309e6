"""Calibration: whether intervals hold the truth as often as they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reliability.errors import InvalidValueError, short
from reliability.plots.axes import (
    DARK,
    FONT_POINTS,
    POSTERIOR,
    QUIET,
    new_axes,
    require_matplotlib,
)
from reliability.posterior import real_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

__all__ = ["coverage_curve", "pit_histogram"]

#: Probability of the bands that calibrated forecasts stay in, at each place.
_BAND = 0.95


def _transforms(values: ArrayLike) -> Array:
    given = real_array("values", values).ravel()
    bad = ~((given >= 0.0) & (given <= 1.0))
    if bad.any():
        place = int(np.flatnonzero(bad)[0])
        raise InvalidValueError(
            f"values[{place}] must be a probability integral transform in [0, 1] "
            f"(got {short(float(given[place]))}); scores.pit makes them from forecasts and outcomes"
        )
    if not len(given):
        raise InvalidValueError("values must hold at least one probability integral transform")
    return given


def _band(count: int, probability: Array) -> tuple[Array, Array]:
    """Shares of successes between which 95 % of repetitions lie."""
    from scipy.stats import binom  # noqa: PLC0415  # slow to import

    low, high = (
        np.asarray(binom.ppf(0.5 + 0.5 * sign * _BAND, count, probability)) for sign in (-1, 1)
    )
    return low / count, high / count


def _frame(ax: Axes, across: str, up: str, title: str) -> None:
    """Plain axes: names of both, a quiet title, no box."""
    ax.set_xlabel(across, fontsize=FONT_POINTS)
    ax.set_ylabel(up, fontsize=FONT_POINTS)
    ax.set_title(title, loc="left", fontsize=8.0, color=QUIET)
    ax.tick_params(labelsize=FONT_POINTS)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def pit_histogram(values: ArrayLike, ax: Axes | None = None, *, bins: int = 10) -> Axes:
    """Draw where outcomes lay in their forecasts: flat for calibrated ones.

    High at both ends: forecasts are too narrow. High in the middle: too wide. Rising: too low.
    The band holds 95 % of the bars of calibrated, independent forecasts.

    Parameters
    ----------
    values : probability integral transforms, as ``scores.pit`` returns them
    ax : axes to draw on; without, a new figure that belongs to no pyplot state
    bins : number of bars

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ReliabilityError
        If values are not in [0, 1], there are none, or bins is no positive integer.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> from reliability.plots import pit_histogram
    >>> ax = pit_histogram([0.1, 0.4, 0.6, 0.9], bins=2)
    >>> ax.get_ylabel()
    'relative frequency'
    """
    require_matplotlib()
    found = _transforms(values)
    if not isinstance(bins, int) or bins < 1:
        raise InvalidValueError(f"bins must be a positive integer (got {short(bins)})")
    if ax is None:
        ax = new_axes(5.0, 3.4)
    counts, edges = np.histogram(found, bins=bins, range=(0.0, 1.0))
    low, high = (float(end[0]) * bins for end in _band(len(found), np.array([1.0 / bins])))
    ax.axhspan(low, high, color="white", alpha=0.35, linewidth=0, zorder=3)
    for end in (low, high):
        ax.axhline(end, color=QUIET, linewidth=0.8, linestyle=(0, (1, 2)), zorder=4)
    ax.bar(
        edges[:-1],
        counts * bins / len(found),
        width=1.0 / bins,
        align="edge",
        color=DARK,
        alpha=0.75,
        edgecolor="white",
        linewidth=0.8,
    )
    ax.axhline(1.0, color=POSTERIOR, linewidth=1.2, zorder=4)
    ax.set_xlim(0.0, 1.0)
    ax.set_ylim(bottom=0.0)
    _frame(
        ax,
        "probability below the outcome",
        "relative frequency",
        f"{len(found):,} outcomes; band: 95% of calibrated bars",
    )
    return ax


def coverage_curve(values: ArrayLike, ax: Axes | None = None) -> Axes:
    """Draw how often central intervals of every level held the outcome.

    On the diagonal: calibrated. Below it: too narrow. The band holds, at each level, 95 % of the
    curves of calibrated, independent forecasts.

    Parameters
    ----------
    values : probability integral transforms, as ``scores.pit`` returns them
    ax : axes to draw on; without, a new figure that belongs to no pyplot state

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ReliabilityError
        If values are not in [0, 1], or there are none.
    MissingExtraError
        If matplotlib is not installed.

    Examples
    --------
    >>> from reliability.plots import coverage_curve
    >>> ax = coverage_curve([0.1, 0.4, 0.6, 0.9])
    >>> ax.get_xlabel()
    'level of the interval'
    """
    require_matplotlib()
    found = _transforms(values)
    if ax is None:
        ax = new_axes(4.2, 4.2)
    level = np.linspace(0.0, 1.0, 201)
    # The level at which a central interval just holds the outcome.
    needed = np.sort(np.abs(2.0 * found - 1.0))
    held = np.searchsorted(needed, level + 1e-12, side="right") / len(found)
    low, high = _band(len(found), level)
    ax.fill_between(level, low, high, color=QUIET, alpha=0.2, linewidth=0, step="mid")
    ax.plot([0.0, 1.0], [0.0, 1.0], color=POSTERIOR, linewidth=1.2)
    ax.plot(level, held, color=DARK, linewidth=1.8)
    ax.set_xlim(0.0, 1.0)
    ax.set_ylim(0.0, 1.0)
    ax.set_aspect("equal")
    ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks(ticks, [f"{100.0 * tick:g}%" for tick in ticks])
    _frame(
        ax,
        "level of the interval",
        "intervals that held the outcome",
        f"{len(found):,} outcomes; below the line: too narrow",
    )
    return ax
