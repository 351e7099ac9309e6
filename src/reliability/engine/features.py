"""Where the density of a quantity bends or breaks: what its panels must resolve.

A spike that no node sees cannot show in any error test, so every scale of every claim is named
here: both sides of a two-piece normal, a bound's excess, the outermost stated quantiles, the
thin layer that a claim beyond an end of the support leaves inside it, and the place where a claim
and a prior that conflict meet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns, Form
from reliability.engine.likelihoods import UnsoundKind
from reliability.engine.mixture import NO_SCATTER, Problem, Problems
from reliability.engine.moving import stretch
from reliability.engine.panels import Features
from reliability.priors import ScatterPrior

__all__ = ["features"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


def features(problem: Problem | Problems, scatter: ScatterPrior | None = None) -> Features:
    """Locations with scales, and kinks, of all claims and the priors.

    ``scatter`` is a prior on an inflation that is integrated out.
    """
    many = problem.as_many if isinstance(problem, Problem) else problem
    columns, prior = many.columns, many.prior
    quantity, form = columns.quantity, columns.form
    location = columns.location - columns.bias
    sd_low = np.sqrt((columns.overconfidence * columns.sd_low) ** 2 + columns.bias_variance)
    sd_high = np.sqrt((columns.overconfidence * columns.sd_high) ** 2 + columns.bias_variance)
    sd = np.minimum(sd_low, sd_high)
    half = _half_width(columns)
    end = sd
    if scatter is not None and scatter.low > 0.0:
        # Integrated over the inflation the density falls off over part of a range's width, as
        # k^-(power + claims) does. What its narrow shoulders leave of their own are bends that
        # halving finds with fewer panels than would have to be laid around every one of them.
        slope = scatter.power + columns.sizes[quantity]
        end = np.maximum(sd, np.where(columns.width_scales > 0.0, half / slope, 0.0))
    found: list[tuple[IntArray, Array, Array]] = [(quantity, location - half, end)]

    def add(chosen: NDArray[np.bool_], at: Array, scale: Array) -> None:
        if chosen.any():
            found.append((quantity[chosen], at[chosen], scale[chosen]))

    box, open_bound = form == Form.BOX, form == Form.BOUND_WITH_EXCESS
    add(sd_low != sd_high, location, np.maximum(sd_low, sd_high))
    add(box, location + half, end)
    add(box | open_bound, location, columns.stated_sd)
    # Beyond its kink a bound falls off over its excess, however small beside the sd.
    add(open_bound, location, columns.excess)
    add(columns.meeting_sd > 0.0, columns.meeting, columns.meeting_sd)
    if many.law.kind is UnsoundKind.HEAVY:
        bend = many.law.bend * np.maximum(np.maximum(sd_low, sd_high), columns.stated_sd)
        add(_heavy(columns, bend, cusps=many.law.bend < 1.0), location, bend)
    through = np.flatnonzero(form == Form.QUANTILES)
    for upper in (False, True):
        edge, mean, slope = _tail_of_quantiles(columns, through, upper=upper)
        found.append((quantity[through], edge, 1.0 / slope))
        limit = (prior.low if upper else prior.high)[quantity]
        if np.isfinite(limit).any():
            rows, layer = _layers_at_end(columns, limit, through, mean, slope, upper=upper)
            found.append((quantity[rows], limit[rows], layer))
    quantities, bends = prior.location.shape
    every = np.repeat(np.arange(quantities), bends)
    found.append((every, prior.location.ravel(), prior.scale.ravel()))
    kink_q, kinks = _kinks(columns, location, quantity)
    all_q, all_x, all_s = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(all_q, kind="stable")
    return Features(
        all_q[order],
        all_x[order],
        all_s[order],
        kink_q,
        kinks,
        prior.low,
        prior.high,
        many.lower_power,
        many.upper_power,
    )


def _heavy(columns: Columns, bend: Array, *, cusps: bool) -> NDArray[np.bool_]:
    """Claims whose unsound densities bend where no panel would be otherwise.

    Beyond the widest bend all tails are powers; the others' panels grow with the distance until
    there. Where there are few degrees of freedom every claim has a cusp narrower than itself.
    """
    doubtful = columns.reliability != 1.0
    if cusps:
        return np.asarray(doubtful)
    widest = np.zeros(columns.quantities)
    np.maximum.at(widest, columns.quantity, np.where(doubtful, bend, 0.0))
    return np.asarray(doubtful & (bend == widest[columns.quantity]))


def _half_width(columns: Columns) -> Array:
    """Half-widths of boxes, 0 for other forms."""
    return columns.half_width * np.where(columns.width_scales > 0.0, columns.overconfidence, 1.0)


def _tail_of_quantiles(
    columns: Columns, rows: IntArray, *, upper: bool
) -> tuple[Array, Array, Array]:
    """Outermost knot of claims through quantiles, and mean and 1/sd of the normal tail there."""
    knots = columns.knots
    row = columns.knot_row[rows]
    piece = np.sum(np.isfinite(knots.left[row]), axis=1) if upper else np.zeros_like(row)
    widened = stretch(columns, rows, NO_SCATTER).ravel()
    slope = knots.c1[row, piece] / widened
    edge = columns.location[rows] - columns.bias[rows] + knots.origin[row, piece] * widened
    return edge, edge - knots.c0[row, piece] / slope, slope


def _layers_at_end(
    columns: Columns,
    end: Array,
    through: IntArray,
    mean: Array,
    slope: Array,
    *,
    upper: bool,
) -> tuple[IntArray, Array]:
    """Claims beyond an end of the support, and the depth to which their likelihood reaches in.

    A normal tail D away from its centre falls by a factor e over sd^2/D: all that such a claim
    leaves inside the support is a layer at the end, far thinner than its sd.

    Parameters
    ----------
    columns : the claims
    end : the end of the support of each claim's quantity
    through, mean, slope : claims through quantiles, and mean and 1/sd of their tails
    upper : whether upper tails are meant, of claims below the support's lower end
    """
    sign = 1.0 if upper else -1.0
    sd = columns.overconfidence * (columns.sd_high if upper else columns.sd_low)
    sd = np.sqrt(sd**2 + columns.bias_variance)
    center = columns.location - columns.bias + sign * _half_width(columns)
    center[through], sd[through] = mean, 1.0 / slope
    beyond = sign * (end - center)
    with np.errstate(divide="ignore", invalid="ignore"):
        layer = np.where(beyond > sd, sd * sd / beyond, np.inf)
    # A bound falls off exponentially on its open side.
    falls = (columns.form == Form.BOUND_WITH_EXCESS) & (columns.direction == sign)
    layer = np.where(falls, np.where(beyond > 0.0, columns.excess, np.inf), layer)
    layer[(columns.form == Form.BOUND) & (columns.direction == sign)] = np.inf
    rows = np.flatnonzero(np.isfinite(layer) & np.isfinite(end))
    return rows, layer[rows]


def _kinks(columns: Columns, location: Array, quantity: IntArray) -> tuple[IntArray, Array]:
    """Where a likelihood has a jump in some derivative: these must be edges of panels."""
    broken = (columns.form == Form.BOUND_WITH_EXCESS) | (
        (columns.form == Form.NORMAL) & (columns.sd_low != columns.sd_high)
    )
    rows = np.flatnonzero(columns.form == Form.QUANTILES)
    widened = stretch(columns, rows, NO_SCATTER).ravel()
    knots = columns.knots.left[columns.knot_row[rows]] * widened[:, None]
    there, at = np.nonzero(np.isfinite(knots))
    rows = rows[there]
    through = columns.location[rows] + knots[there, at] - columns.bias[rows]
    return (
        np.concatenate([quantity[broken], quantity[rows]]),
        np.concatenate([location[broken], through]),
    )
