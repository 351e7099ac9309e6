"""Pictures of a result. Needs matplotlib: ``pip install "source-reliability[plot]"``."""

from __future__ import annotations

import math
import unicodedata
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from scipy.special import ndtr, ndtri

from reliability.claims.columns import Columns, Form, columns_from_claims
from reliability.claims.statements import Quantiles
from reliability.errors import MissingExtraError
from reliability.numbers import Digits, said
from reliability.report import digits_of, statement_text

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from reliability.combination import ClaimResult, Combination
    from reliability.scales import Scale

    Array = NDArray[np.float64]
    Color = tuple[float, float, float]

__all__ = ["forest", "forests", "stated_interval"]

#: Stated intervals are drawn at this level, whatever level they were stated at.
STATED_LEVEL = 0.9
_TAIL = 0.5 * (1.0 - STATED_LEVEL)

# Sound claims are dark and unsound ones light: the order survives a black-and-white print and
# every kind of colour vision. The posterior's orange differs from all of them in hue and place.
_LIGHT, _DARK = (0.78, 0.80, 0.83), (0.03, 0.19, 0.42)
_POSTERIOR = (0.84, 0.37, 0.0)  # vermilion of Okabe & Ito's palette for all kinds of colour vision
_QUIET = (0.45, 0.45, 0.45)
#: Rows of the foot, in units of a claim's row: where the posterior's density and interval stand.
_FOOT = 2.2
_ROW_POINTS = 19.0  # height of a claim's row in a figure that is made here
_FONT_POINTS = 9.0
_LONGEST_LABEL = 44
_LABEL_PAD = 7.0  # points between the axis and its labels: an arrow at its edge touches none
_MOST_TICKS = 7
#: Largest |x| on an axis: its quantity is an ordinary float, and a share differs from 0 and 1.
_FARTHEST = {"linear": 1e300, "log": 690.0, "logit": 30.0}
#: How far, in widths of the claims' hull, an axis follows a posterior with heavy tails.
_FOLLOW = 0.75


# --- what is drawn ------------------------------------------------------------------------------


@attrs.frozen
class _Span:
    """A stated interval on x; an open side is the direction of a bound, 0 for none."""

    low: float
    middle: float
    high: float
    open: int = 0


def _box_quantile(half: float, sd: float, p: float) -> float:
    """Quantile of a uniform on (-half, half) plus a normal, by bisection."""
    low, high = -half - 9.0 * sd, half + 9.0 * sd
    for _ in range(80):
        t = 0.5 * (low + high)
        a, b = (t + half) / sd, (t - half) / sd
        heights = np.exp([-0.5 * a * a, -0.5 * b * b]) / math.sqrt(2.0 * math.pi)
        below = sd * (a * ndtr(a) + heights[0] - b * ndtr(b) - heights[1]) / (2.0 * half)
        low, high = (t, high) if below < p else (low, t)
    return 0.5 * (low + high)


def _quantile_through(scores: Array, x: Array, p: float) -> float:
    """Quantile of the distribution through stated ones, straight between them on the scores."""
    target = float(ndtri(p))
    piece = int(np.clip(np.searchsorted(scores, target) - 1, 0, len(x) - 2))
    slope = (x[piece + 1] - x[piece]) / (scores[piece + 1] - scores[piece])
    return float(x[piece] + slope * (target - scores[piece]))


def _span(entry: ClaimResult, columns: Columns, scale: Scale) -> _Span:
    form, at = int(columns.form[0]), float(columns.location[0])
    sd_low, sd_high = float(columns.sd_low[0]), float(columns.sd_high[0])
    statement = entry.claim.statement
    if isinstance(statement, Quantiles):
        x = np.asarray(scale.to_x(np.array(statement.values)))
        scores = np.asarray(ndtri(np.array(statement.probabilities)))
        low, middle, high = (_quantile_through(scores, x, p) for p in (_TAIL, 0.5, 1.0 - _TAIL))
        return _Span(low, middle, high)
    if form == Form.BOX:
        reach = _box_quantile(float(columns.half_width[0]), sd_low, 1.0 - _TAIL)
        return _Span(at - reach, at, at + reach)
    if form in {Form.BOUND, Form.BOUND_WITH_EXCESS}:
        direction = int(columns.direction[0])
        # 90 % of an exponential lie within 2.3 of its scales; a pure bound has no far end.
        far = at + direction * float(columns.excess[0]) * -math.log(1.0 - STATED_LEVEL)
        return _Span(min(at, far), at, max(at, far), direction)
    z = float(ndtri(1.0 - _TAIL))
    return _Span(at - z * sd_low, at, at + z * sd_high)


def stated_interval(entry: ClaimResult, result: Combination) -> tuple[float, float]:
    """Central 90 % interval that a claim states, in the quantity's units.

    A bound's runs from the bound to where 90 % of its expected excess lie.

    Parameters
    ----------
    entry : one of ``result.claims``
    result : what `combine` returned
    """
    span = _span_of(entry, result)
    low, high = (float(end) for end in result.scale.to_theta(np.array([span.low, span.high])))
    return low, high


def _span_of(entry: ClaimResult, result: Combination) -> _Span:
    name = str(entry.claim)
    columns = columns_from_claims([entry.claim], result.scale, result.model.unstated_error, [name])
    return _span(entry, columns, result.scale)


# --- labels -------------------------------------------------------------------------------------


def _label(text: str) -> str:
    """One line of limited length that matplotlib does not take for mathematics."""
    line = "".join(
        character if unicodedata.category(character) not in {"Cc", "Cs"} else " "
        for character in text
    )
    line = " ".join(line.split())
    if len(line) > _LONGEST_LABEL:
        line = f"{line[: _LONGEST_LABEL - 1].rstrip()}…"
    return line.replace("$", r"\$")


def _fonts(labels: Iterable[str]) -> list[str]:
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


# --- the axis -----------------------------------------------------------------------------------


def _limits(spans: Sequence[_Span], result: Combination) -> tuple[float, float]:
    """Limits on x: what was stated and the posterior, without the ends of very long lines."""
    inner = result.scale.to_x(result.posterior.interval(0.5))
    outer = result.scale.to_x(result.posterior.interval(0.95))
    middles = np.array([span.middle for span in spans] or inner)
    low, high = float(min(middles.min(), inner[0])), float(max(middles.max(), inner[1]))
    # However long a line is, it leaves room to tell apart what stands in the middle.
    half = float(np.median([span.high - span.low for span in spans] or [0.0])) / 2.0
    room = max(_FOLLOW * (high - low), 3.0 * half, 1e-12 * max(abs(low), abs(high), 1e-300))
    ends_low = min([float(outer[0]), *(span.low for span in spans)])
    ends_high = max([float(outer[1]), *(span.high for span in spans)])
    low, high = max(min(low, ends_low), low - room), min(max(high, ends_high), high + room)
    margin = 0.06 * max(high - low, room / 10.0)
    limit = _FARTHEST[result.scale.name]
    low, high = max(low - margin, -limit), min(high + margin, limit)
    return (low, high) if low < high else (-limit, limit)


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
            half_widths = 0.31 * _FONT_POINTS * (len(labels[index]) + len(labels[kept[-1]]))
            if place - places[kept[-1]] < half_widths + 0.6 * _FONT_POINTS:
                continue
        kept.append(index)
    return kept


def _prepare_axis(
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
        written = [
            f"{said(float(f'{100.0 * tick:.10g}'))}%" if scale.name == "logit" else said(tick)
            for tick in ladder
        ]
        places = (np.asarray(scale.to_x(np.array(ladder))) - low) / (high - low) * room
        kept = _apart(places, written)
        # The densest ladder of which every label has room; else the one before it, thinned.
        if len(kept) >= 2 or not ticks:
            ticks, labels = [ladder[i] for i in kept], [written[i] for i in kept]
        if len(kept) == len(ladder) <= _MOST_TICKS:
            break
    ax.set_xticks(ticks, labels, fontsize=_FONT_POINTS, fontfamily=fonts)
    ax.set_xticks([], minor=True)


# --- drawing ------------------------------------------------------------------------------------


def _shade(soundness: float) -> Color:
    share = 0.0 if math.isnan(soundness) else soundness
    red, green, blue = (
        light + share * (dark - light) for light, dark in zip(_LIGHT, _DARK, strict=True)
    )
    return red, green, blue


def _line(
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
            _arrow_head(ax, inside, y, sign, color)


def _arrow_head(ax: Axes, tip: float, y: float, sign: int, color: Color) -> None:
    marker = ">" if sign > 0 else "<"
    ax.plot([tip], [y], marker=marker, markersize=6, color=color, clip_on=False, zorder=4)


def _draw_claim(ax: Axes, y: float, entry: ClaimResult, span: _Span, result: Combination) -> None:
    scale, limits = result.scale, ax.get_xlim()
    dropped = entry.dropped is not None
    color, width = (_QUIET, 1.0) if dropped else (_shade(entry.soundness), 1.8)
    low, middle, high = (float(t) for t in scale.to_theta([span.low, span.middle, span.high]))
    if span.open:
        # An arrow of a visible length, however small the excess is on this axis.
        first, last = (float(x) for x in scale.to_x(limits))
        reach = span.high - span.low
        reach = max(reach, 0.08 * (last - first)) if math.isfinite(reach) else last - first
        tip = float(scale.to_theta(min(max(span.middle + span.open * reach, first), last)))
        _line(ax, y, sorted((middle, tip)), color, width, dashed=dropped)
        _arrow_head(ax, tip, y, span.open, color)
        ax.plot([middle], [y], marker="|", markersize=9, markeredgewidth=1.8, color=color, zorder=3)
    else:
        _line(ax, y, (low, high), color, width, dashed=dropped)
    weight = 0.0 if dropped or math.isnan(entry.weight) else entry.weight
    ax.scatter(
        [middle],
        [y],
        s=12.0 + 140.0 * weight,
        color="white" if dropped else color,
        edgecolors=_QUIET if dropped else _DARK,
        linewidths=0.8,
        zorder=5,
    )


def _draw_posterior(ax: Axes, y: float, result: Combination, level: float) -> None:
    posterior, scale = result.posterior, result.scale
    x_limits = scale.to_x(ax.get_xlim())
    even = np.linspace(x_limits[0], x_limits[1], 600)
    dense = np.asarray(scale.to_x(np.asarray(posterior.ppf(np.linspace(0.001, 0.999, 600)))))
    x = np.unique(np.concatenate([even, dense]))
    x = x[np.isfinite(x) & (x >= x_limits[0]) & (x <= x_limits[1])]
    theta = scale.to_theta(x)
    # The density on the axis that is seen: per unit of x.
    height = np.exp(np.asarray(posterior.logpdf(theta)) + scale.log_jacobian(x))
    top = float(np.max(height)) if len(height) else 0.0
    if top > 0.0:
        ax.fill_between(
            theta, y + 0.2, y + 0.2 + 1.25 * height / top, color=_POSTERIOR, alpha=0.35, linewidth=0
        )
    wide, narrow = posterior.interval(level), posterior.interval(0.5)
    _line(ax, y, wide, _POSTERIOR, 1.5)
    _line(ax, y, narrow, _POSTERIOR, 5.0)
    ax.plot(
        [result.estimate],
        [y],
        marker="D",
        markersize=6,
        color="white",
        markeredgecolor=_POSTERIOR,
        markeredgewidth=1.5,
        zorder=5,
    )
    ax.axvline(result.estimate, color=_POSTERIOR, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)


def _new_axes(rows: int) -> Axes:
    from matplotlib.figure import Figure  # noqa: PLC0415  # optional

    height = 1.1 + (rows + _FOOT) * _ROW_POINTS / 72.0
    figure = Figure(figsize=(9.0, height), layout="constrained")
    axes: Axes = figure.subplots()
    return axes


def _font_size(ax: Axes, rows: float) -> float:
    """Largest size, up to the usual one, at which the labels of neighbouring rows are apart."""
    height = ax.get_window_extent().height / ax.figure.dpi * 72.0
    return min(_FONT_POINTS, 0.62 * height / rows)


def forest(result: Combination, ax: Axes | None = None, *, level: float = 0.95) -> Axes:
    """Draw the claims with their stated 90 % intervals, and the posterior at the foot.

    Darker claims are more probably sound; larger dots have more weight; arrows are bounds. The
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
    _require_matplotlib()
    entries = result.claims
    count = len(entries)
    if ax is None:
        ax = _new_axes(count)
    spans = [_span_of(entry, result) for entry in entries]
    limits = _limits(_finite(spans), result)
    names = [_label(str(entry.claim.source)) for entry in entries]
    shares = result.scale.name == "logit"
    statements = [_label(statement_text(entry.claim.statement, shares=shares)) for entry in entries]
    digits = digits_of(result)
    answer = _label(_interval_text(result, digits, level))
    fonts = _fonts([*names, *statements])
    size = _font_size(ax, count + _FOOT + 0.4)
    # The labels at both sides take their place from the axis.
    taken = (
        0.56 * size * sum(max(map(len, side), default=0) for side in (names, [answer, *statements]))
    )
    width = ax.get_window_extent().width / ax.figure.dpi * 72.0
    _prepare_axis(ax, result.scale, limits, max(width - taken, 0.1 * width), fonts)
    ax.set_ylim(-0.6, count + _FOOT - 0.2)
    foot = 0.0
    for index, (entry, span) in enumerate(zip(entries, spans, strict=True)):
        _draw_claim(ax, count - index + _FOOT - 1.2, entry, span, result)
    _draw_posterior(ax, foot, result, level)
    rows = [foot, *(count - index + _FOOT - 1.2 for index in range(count))]
    style: dict[str, Any] = {"fontsize": size, "fontfamily": fonts}
    ax.set_yticks(rows, ["posterior", *names], **style)
    right = ax.secondary_yaxis("right")
    right.set_yticks(rows, [answer, *statements], **style)
    for side in (ax, right):
        side.tick_params(axis="y", length=0, pad=_LABEL_PAD)
        for spine in side.spines.values():
            spine.set_visible(False)
    ax.spines["bottom"].set_visible(True)
    ax.axhline(_FOOT - 0.7, color=_QUIET, linewidth=0.6)
    ax.set_title(
        "dark: probably sound, pale: probably not; larger dot: more weight",
        loc="left",
        fontsize=min(8.0, size),
        color=_QUIET,
    )
    if result.quantity:
        ax.set_xlabel(_label(result.quantity), fontfamily=fonts, fontsize=_FONT_POINTS)
    return ax


def _interval_text(result: Combination, digits: Digits, level: float) -> str:
    low, high = result.posterior.interval(level)
    ends = f"{digits.text(low)} to {digits.text(high)}"
    return f"{digits.text(result.estimate)} ({ends}, {100.0 * level:g}%)"


def _finite(spans: Sequence[_Span]) -> list[_Span]:
    """Spans without the far end of pure bounds."""
    return [
        span
        if math.isfinite(span.low) and math.isfinite(span.high)
        else attrs.evolve(span, low=span.middle, high=span.middle)
        for span in spans
    ]


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
    _require_matplotlib()
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


def _require_matplotlib() -> None:
    try:
        import matplotlib.figure  # noqa: F401, PLC0415  # optional
    except ImportError:
        raise MissingExtraError(
            'pictures need matplotlib: pip install "source-reliability[plot]"'
        ) from None
