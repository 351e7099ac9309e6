"""Densities: the posterior's, and beside it what each claim says alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reliability.claims.columns import Columns, columns_from_claims
from reliability.claims.statements import Absent, Present
from reliability.engine.likelihoods import Claims, Scatter, log_sound
from reliability.plots.axes import (
    FONT_POINTS,
    POSTERIOR,
    QUIET,
    draw_atom,
    draw_presence,
    fitting_size,
    fonts_for,
    label,
    label_rows,
    new_axes,
    prepare_axis,
    require_matplotlib,
    room_between,
    shade,
    zero_on,
)
from reliability.plots.stated import limits_of, span_of
from reliability.report import interval_text, statement_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from reliability.combination import Combination
    from reliability.posterior import Posterior
    from reliability.scales import Scale

    Array = NDArray[np.float64]

__all__ = ["density_on_axis", "posterior"]

#: Height of the posterior in units of a claim's row, and of a figure's row in points.
_FOOT = 4.0
_ROW_POINTS = 26.0
#: Part of a row that a claim's likelihood fills.
_FILL = 0.82


def density_on_axis(
    distribution: Posterior, scale: Scale, limits: tuple[float, float], points: int = 600
) -> tuple[Array, Array]:
    """Density per unit of the axis that is seen, at points that show its narrow peaks.

    Beside an atom at zero, that of what there is if there is anything.

    Parameters
    ----------
    distribution : of a quantity
    scale : of the axis
    limits : of the axis, on x
    points : evenly spaced ones, and as many at quantiles

    Returns
    -------
    x : (n,) coordinates on the scale, increasing
    height : (n,) densities per unit of x
    """
    even = np.linspace(*limits, points)
    steps = np.linspace(0.001, 0.999, points)
    own = np.asarray(scale.to_x(np.asarray(distribution.nonzero.ppf(steps))))
    x = np.unique(np.concatenate([even, own]))
    x = x[np.isfinite(x) & (x >= limits[0]) & (x <= limits[1])]
    theta = scale.to_theta(x)
    return x, np.exp(np.asarray(distribution.nonzero.logpdf(theta)) + scale.log_jacobian(x))


def _likelihood(columns: Columns, x: Array) -> Array:
    """What a sound claim says of x, its peak 1."""
    none = Scatter(np.zeros((1, 1)), np.ones((1, 1)))
    claim = Claims.pair(columns, np.zeros(1, dtype=np.int64), np.zeros(1), none)
    logs = log_sound(claim, x[None, :], columns.knots)[0]
    return np.asarray(np.exp(logs - np.max(logs)))


def posterior(result: Combination, ax: Axes | None = None, *, level: float = 0.95) -> Axes:
    """Draw the posterior's density at the foot, and above it the likelihood of every claim.

    A claim's likelihood is that of its statement if it is sound, each scaled to its own peak;
    darker ones are more probably sound. Of the posterior the central 50 % and ``level`` are
    filled, the median is a line, and every mode has a mark below the axis line. A bar is the
    probability that there is nothing, a ring a claim that there is nothing.

    Parameters
    ----------
    result : what `combine` returned
    ax : axes to draw on; without, a new figure that belongs to no pyplot state
    level : probability of the lighter filling and of the interval at the right

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
    >>> from reliability.plots import posterior
    >>> ax = posterior(combine([("A", "10 +- 1"), ("B", "12 +- 1")]))
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['posterior', 'A', 'B']
    """
    require_matplotlib()
    entries, scale = result.claims, result.scale
    count = len(entries)
    if ax is None:
        ax = new_axes(9.0, 1.1 + (count + _FOOT) * _ROW_POINTS / 72.0)
    limits = limits_of([span_of(entry, result) for entry in entries], result)
    names = [label(str(entry.claim.source)) for entry in entries]
    shares = scale.name == "logit"
    said = [label(statement_text(entry.claim.statement, shares=shares)) for entry in entries]
    answer = label(interval_text(result, level))
    fonts = fonts_for([*names, *said])
    size = fitting_size(ax, count + _FOOT)
    prepare_axis(ax, scale, limits, room_between(ax, size, names, [answer, *said]), fonts)
    ax.set_ylim(-0.35, count + _FOOT)
    even = np.linspace(*limits, 1200)
    rows = [count - 1.0 - index + _FOOT for index in range(count)]
    for entry, row in zip(entries, rows, strict=True):
        color = QUIET if entry.dropped is not None else shade(entry.soundness)
        if isinstance(entry.claim.statement, Absent | Present):
            there = isinstance(entry.claim.statement, Present)
            draw_presence(ax, row + 0.3, color, scale, there=there)
            continue
        columns = columns_from_claims(
            [entry.claim], scale, result.model.unstated_error, [str(entry.claim)]
        )
        own = float(columns.location[0] - columns.bias[0])
        # A narrow claim must not fall between two points.
        near = own + float(columns.sd_low[0]) * np.linspace(-6.0, 6.0, 121)
        x = np.unique(np.concatenate([even, near[(near > limits[0]) & (near < limits[1])]]))
        height = row + _FILL * _likelihood(columns, x)
        theta = scale.to_theta(x)
        ax.fill_between(theta, row, height, color=color, alpha=0.45, linewidth=0)
        ax.plot(theta, height, color=color, linewidth=1.0)
    _draw_foot(ax, result, limits, level)
    middles = [0.5 * _FOOT * _FILL, *(row + 0.3 for row in rows)]
    label_rows(ax, middles, ["posterior", *names], [answer, *said], size, fonts)
    ax.set_title(
        "above, what each claim says alone (dark: probably sound); below, all together",
        loc="left",
        fontsize=min(8.0, size),
        color=QUIET,
    )
    if result.quantity:
        ax.set_xlabel(label(result.quantity), fontfamily=fonts, fontsize=FONT_POINTS)
    return ax


def _draw_foot(ax: Axes, result: Combination, limits: tuple[float, float], level: float) -> None:
    scale = result.scale
    x, height = density_on_axis(result.posterior, scale, limits)
    top = float(np.max(height)) if len(height) else 0.0
    if top > 0.0:
        theta, height = scale.to_theta(x), _FOOT * _FILL * height / top
        ax.plot(theta, height, color=POSTERIOR, linewidth=1.4, zorder=3)
        for probability, strength in ((level, 0.22), (0.5, 0.38)):
            low, high = result.posterior.interval(probability)
            inside = (theta >= low) & (theta <= high)
            ax.fill_between(
                theta, 0.0, height, where=inside, color=POSTERIOR, alpha=strength, linewidth=0
            )
    ax.axhline(0.0, color=QUIET, linewidth=0.6)
    place = zero_on(ax, scale)
    if result.posterior.zero > 0.0:
        draw_atom(ax, 0.0, _FOOT * _FILL, place, result.posterior.zero)
    estimate = result.estimate if result.estimate != 0.0 else place
    ax.axvline(estimate, color=POSTERIOR, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    first, last = ax.get_xlim()
    modes = [mode for mode in result.posterior.modes() if first <= mode <= last]
    ax.plot(modes, [-0.15] * len(modes), linestyle="", marker="^", markersize=5, color=POSTERIOR)
