"""What all pictures share: colours, labels in any script, and axes with readable ticks."""

from __future__ import annotations

import math
import unicodedata
from typing import TYPE_CHECKING

import numpy as np

from reliability.errors import MissingExtraError
from reliability.numbers import percent, said

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from reliability.scales import Scale

    Array = NDArray[np.float64]
    Color = tuple[float, float, float]

__all__ = [
    "DARK",
    "FONT_POINTS",
    "LABEL_PAD",
    "LIGHT",
    "POSTERIOR",
    "QUIET",
    "arrow_head",
    "draw_atom",
    "draw_presence",
    "fitting_size",
    "fonts_for",
    "interval_line",
    "label",
    "label_rows",
    "new_axes",
    "prepare_axis",
    "prepare_vertical_axis",
    "require_matplotlib",
    "room_between",
    "shade",
    "zero_on",
]

# Sound claims are dark and unsound ones light: the order survives a black-and-white print and
# every kind of colour vision. The posterior's orange differs from all of them in hue and place.
LIGHT, DARK = (0.78, 0.80, 0.83), (0.03, 0.19, 0.42)
POSTERIOR = (0.84, 0.37, 0.0)  # vermilion of Okabe & Ito's palette for all kinds of colour vision
QUIET = (0.45, 0.45, 0.45)
FONT_POINTS = 9.0
LABEL_PAD = 7.0  # points between the axis and its labels: an arrow at its edge touches none
_LONGEST_LABEL = 44
_MOST_TICKS = 7


def new_axes(width: float, height: float) -> Axes:
    """Axes of a new figure of so many inches, which belongs to no pyplot state."""
    from matplotlib.figure import Figure  # noqa: PLC0415  # optional

    figure = Figure(figsize=(width, height), layout="constrained")
    axes: Axes = figure.subplots()
    return axes


def _width_of(ax: Axes) -> float:
    """Width of axes in points."""
    return float(ax.get_window_extent().width / ax.figure.dpi * 72.0)


def fitting_size(ax: Axes, rows: float) -> float:
    """Largest size, up to the usual one, at which the labels of neighbouring rows are apart."""
    height = ax.get_window_extent().height / ax.figure.dpi * 72.0
    return min(FONT_POINTS, 0.62 * height / rows)


def room_between(ax: Axes, size: float, left: Sequence[str], right: Sequence[str]) -> float:
    """Points of the width that labels at both sides leave for the axis, about."""
    width = _width_of(ax)
    taken = 0.56 * size * sum(max(map(len, side), default=0) for side in (left, right))
    return max(width - taken, 0.1 * width)


def shade(soundness: float) -> Color:
    """Colour of a claim: the darker, the more probably sound."""
    share = 0.0 if math.isnan(soundness) else soundness
    red, green, blue = (
        light + share * (dark - light) for light, dark in zip(LIGHT, DARK, strict=True)
    )
    return red, green, blue


# --- labels -------------------------------------------------------------------------------------


def require_matplotlib() -> None:
    """Say which extra is missing, before anything else fails."""
    try:
        import matplotlib.figure  # noqa: F401, PLC0415  # optional
    except ImportError:
        raise MissingExtraError(
            'pictures need matplotlib: pip install "source-reliability[plot]"'
        ) from None


def label(text: str) -> str:
    """One line of limited length that matplotlib does not take for mathematics."""
    line = "".join(
        character if unicodedata.category(character) not in {"Cc", "Cs"} else " "
        for character in text
    )
    line = " ".join(line.split())
    if len(line) > _LONGEST_LABEL:
        line = f"{line[: _LONGEST_LABEL - 1].rstrip()}…"
    return line.replace("$", r"\$")


def fonts_for(labels: Iterable[str]) -> list[str]:
    """Families that can write the labels: the usual one, then installed ones for what it lacks."""
    from matplotlib import font_manager, rcParams  # noqa: PLC0415  # optional
    from matplotlib.ft2font import FT2Font  # noqa: PLC0415

    def signs(path: str) -> set[int]:
        try:
            return set(FT2Font(path).get_charmap())
        except (OSError, RuntimeError):
            return set()

    usual = list(rcParams["font.family"])
    missing = {ord(character) for label in labels for character in label if character.isprintable()}
    missing -= signs(font_manager.findfont(font_manager.FontProperties(family=usual)))
    families: list[str] = []
    for entry in font_manager.fontManager.ttflist if missing else ():
        if entry.name not in families and (found := missing & signs(entry.fname)):
            families.append(entry.name)
            missing -= found
            if not missing:
                break
    return [*usual, *families]


def label_rows(
    ax: Axes,
    rows: Sequence[float],
    left: Sequence[str],
    right: Sequence[str],
    size: float,
    fonts: list[str],
) -> None:
    """Write labels at both sides of rows, and leave only the lower line of the frame."""
    opposite = ax.secondary_yaxis("right")
    for side, labels in ((ax, left), (opposite, right)):
        side.set_yticks(rows, labels, fontsize=size, fontfamily=fonts)
        side.tick_params(axis="y", length=0, pad=LABEL_PAD)
        for spine in side.spines.values():
            spine.set_visible(False)
    ax.spines["bottom"].set_visible(True)


# --- the axis -----------------------------------------------------------------------------------


def _ladders(scale: Scale, low: float, high: float) -> list[list[float]]:
    """Round values of the quantity between limits on x, from the densest choice to the sparsest."""
    first, last = (float(theta) for theta in scale.to_theta(np.array([low, high])))
    if scale.name == "linear":
        ladders = _even_ladders(first, last)
    elif scale.name == "log":
        decades = range(math.floor(low / math.log(10.0)), math.ceil(high / math.log(10.0)) + 1)
        ladders = [
            [float(f"{lead}e{k}") for k in decades for lead in leads]
            for leads in ((1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))
        ]
        ladders += [
            [float(f"1e{k}") for k in decades if k % step == 0] for step in (2, 5, 10, 20, 50, 100)
        ]
    else:
        halves = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4)
        ladders = [
            [*chosen, 0.5, *(float(f"{1.0 - share:.6g}") for share in reversed(chosen))]
            for chosen in (halves, (0.001, 0.01, 0.05, 0.2), (0.001, 0.01, 0.1), (0.0001, 0.01))
        ]
    inside = [[tick for tick in ladder if first <= tick <= last] for ladder in ladders]
    several = [ladder for ladder in inside if len(ladder) >= 2]
    return several or _even_ladders(first, last)


def _even_ladders(first: float, last: float) -> list[list[float]]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    power = math.floor(math.log10((last - first) / 6.0))
    ladders = []
    for lead, k in ((1, power), (2, power), (5, power), (1, power + 1), (2, power + 1)):
        step = float(f"{lead}e{k}")
        multiples = range(math.ceil(first / step), math.floor(last / step) + 1)
        ladders.append([float(f"{i * step:.12g}") for i in multiples])
    return [ladder for ladder in ladders if len(ladder) >= 2]


def _apart(places: Array, labels: Sequence[str]) -> list[int]:
    """Indices of labels, from the first, that do not touch the one before them."""
    kept: list[int] = []
    for index, place in enumerate(places):
        if kept:
            half_widths = 0.31 * FONT_POINTS * (len(labels[index]) + len(labels[kept[-1]]))
            if place - places[kept[-1]] < half_widths + 0.6 * FONT_POINTS:
                continue
        kept.append(index)
    return kept


def _tick(scale: Scale, tick: float) -> str:
    """A round value of the quantity as it is written."""
    return f"{said(float(f'{100.0 * tick:.10g}'))}%" if scale.name == "logit" else said(tick)


def prepare_vertical_axis(ax: Axes, scale: Scale) -> None:
    """Scale and round values of the quantity on the vertical axis, in the limits it has."""
    if scale.name != "linear":
        ax.set_yscale(scale.name)
    low, high = (float(x) for x in scale.to_x(np.array(ax.get_ylim())))
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return
    ladders = _ladders(scale, low, high)
    ladder = next((ladder for ladder in ladders if len(ladder) <= _MOST_TICKS), ladders[-1])
    ax.set_yticks(ladder, [_tick(scale, tick) for tick in ladder], fontsize=FONT_POINTS)
    ax.set_yticks([], minor=True)


def prepare_axis(
    ax: Axes, scale: Scale, limits: tuple[float, float], room: float, fonts: list[str]
) -> None:
    """Limits and ticks; the axis may shrink to `room` points when it is laid out."""
    low, high = limits
    if scale.name != "linear":
        ax.set_xscale(scale.name)
    ends = [float(theta) for theta in scale.to_theta(np.array([low, high]))]
    ax.set_xlim(*ends)
    ticks: list[float] = []
    labels: list[str] = []
    for ladder in _ladders(scale, low, high):
        written = [_tick(scale, tick) for tick in ladder]
        places = (np.asarray(scale.to_x(np.array(ladder))) - low) / (high - low) * room
        kept = _apart(places, written)
        # The densest ladder of which every label has room; else the one before it, thinned.
        if len(kept) >= 2 or not ticks:
            ticks, labels = [ladder[i] for i in kept], [written[i] for i in kept]
        if len(kept) == len(ladder) <= _MOST_TICKS:
            break
    ax.set_xticks(ticks, labels, fontsize=FONT_POINTS, fontfamily=fonts)
    ax.set_xticks([], minor=True)


# --- lines --------------------------------------------------------------------------------------


def interval_line(
    ax: Axes, y: float, ends: Sequence[float], color: Color, width: float, *, dashed: bool = False
) -> None:
    """Horizontal line; an end beyond the axis becomes an arrow at its edge."""
    limits = ax.get_xlim()
    low, high = max(ends[0], limits[0]), min(ends[1], limits[1])
    ax.plot(
        [low, high],
        [y, y],
        color=color,
        linewidth=width,
        linestyle=(0, (2, 2)) if dashed else "solid",
        solid_capstyle="butt",
        zorder=3,
    )
    for inside, beyond, sign in ((low, ends[0] < limits[0], -1), (high, ends[1] > limits[1], 1)):
        if beyond:
            arrow_head(ax, inside, y, sign, color)


def arrow_head(ax: Axes, tip: float, y: float, sign: int, color: Color) -> None:
    """Head of an arrow that ends at the axes' edge."""
    marker = ">" if sign > 0 else "<"
    ax.plot([tip], [y], marker=marker, markersize=6, color=color, clip_on=False, zorder=4)


def zero_on(ax: Axes, scale: Scale) -> float:
    """Where zero stands on an axis: at its lower end, on scales that have no place for it."""
    return 0.0 if scale.name == "linear" else float(ax.get_xlim()[0])


def draw_atom(ax: Axes, y: float, height: float, place: float, zero: float) -> None:
    """A bar as high as the probability that there is nothing; all of it is as high as a peak."""
    ax.plot(
        [place, place],
        [y, y + height * zero],
        color=POSTERIOR,
        linewidth=6.0,
        solid_capstyle="butt",
        clip_on=False,
        zorder=4,
    )
    ax.annotate(
        f"none: {percent(zero)}",
        (place, y + height * zero),
        xytext=(5.0, 0.0),
        textcoords="offset points",
        va="center",
        fontsize=min(8.0, FONT_POINTS),
        color=POSTERIOR,
    )


def draw_presence(ax: Axes, y: float, color: Color, scale: Scale, *, there: bool) -> None:
    """Draw a ring where there is nothing, or a line through all that there may be."""
    if there:
        low, high = ax.get_xlim()
        interval_line(ax, y, (low, high), color, 1.8, dashed=True)
        return
    ax.plot(
        [zero_on(ax, scale)],
        [y],
        marker="o",
        markersize=8,
        markerfacecolor="white",
        markeredgecolor=color,
        markeredgewidth=2.0,
        clip_on=False,
        zorder=5,
    )
