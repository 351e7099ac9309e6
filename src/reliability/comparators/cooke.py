"""Cooke's classical model: weights from scores, and the decision maker that they make.

Calibration and information scores are computed elsewhere, and are arguments here. R. M. Cooke,
Experts in Uncertainty (Oxford University Press 1991), chapter 12; Cooke & Goossens 2008,
doi:10.1016/j.ress.2007.03.005.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from reliability.claims._checks import short
from reliability.comparators._checks import finite, numbers, probabilities, refuse
from reliability.errors import InvalidValueError

__all__ = ["DecisionMaker", "cooke_weights", "decision_maker"]

Array = NDArray[np.float64]


def cooke_weights(calibration: ArrayLike, information: ArrayLike, *, cutoff: float = 0.0) -> Array:
    """Performance weights: calibration times information, for the calibrated.

    ``w = C I 1(C >= cutoff)``, divided by its sum over the experts. With information scores of
    single items, (experts, items), these are item weights.

    Parameters
    ----------
    calibration : (experts,) p values, in [0, 1]
    information : (experts,) mean information of the experts, or (experts, items); not negative,
        nan where an expert did not assess an item
    cutoff : the significance level below which an expert has no weight, in [0, 1]

    Returns
    -------
    weights of the shape of ``information``, with sum 1 over the experts

    Raises
    ------
    ReliabilityError
        If shapes do not fit, a score is out of range, or no expert is left with a weight.

    Examples
    --------
    >>> cooke_weights([0.5, 0.25, 0.01], [1.0, 2.0, 3.0], cutoff=0.05).tolist()
    [0.5, 0.5, 0.0]
    """
    c = probabilities("calibration", calibration)
    info = numbers("information", information)
    if c.ndim != 1 or info.ndim not in (1, 2) or len(info) != len(c) or not info.size:
        raise InvalidValueError(
            "calibration and information must have the shapes (experts,) and (experts,) or "
            f"(experts, items) (got {c.shape} and {info.shape})"
        )
    missing = np.isnan(info) if info.ndim == 2 else np.zeros(info.shape, dtype=np.bool_)
    bad = ~missing & ~((info >= 0.0) & np.isfinite(info))
    refuse("information", info, bad, "must be a finite number of at least 0")
    alpha = float(probabilities("cutoff", cutoff))
    kept = np.where(c >= alpha, c, 0.0)
    w = np.where(missing, 0.0, info) * kept.reshape(-1, *[1] * (info.ndim - 1))
    total = w.sum(axis=0)
    if not np.all(total > 0.0):
        item = "" if info.ndim == 1 else f" for item {int(np.argmin(total))}"
        raise InvalidValueError(
            f"no expert is left with a positive weight{item} at cutoff {short(alpha)}; the largest "
            f"calibration is {short(float(c.max()))}: lower the cutoff, or use equal weights"
        )
    return np.asarray(w / total)


@attrs.frozen(eq=False)
class DecisionMaker:
    """A weighted mixture of experts, one distribution per item.

    Between an expert's quantiles the density is uniform on the item's background scale (linear,
    or logarithmic), and so are the tails, down to the ends of the intrinsic range.

    Attributes
    ----------
    low, high : (items,) ends of the intrinsic ranges, in the items' units
    log : (items,) whether the background is log-uniform
    """

    low: Array
    high: Array
    log: NDArray[np.bool_]
    _points: tuple[Array, ...] = attrs.field(repr=False)
    _shares: tuple[Array, ...] = attrs.field(repr=False)

    def quantiles(self, p: ArrayLike) -> Array:
        """(probabilities, items) values with given probabilities below them."""
        given = probabilities("p", p)
        columns = [
            np.interp(given.ravel(), share, points)
            for points, share in zip(self._points, self._shares, strict=True)
        ]
        found = np.array(columns).T
        return _in_units(found, self.log)

    def cdf(self, values: ArrayLike) -> Array:
        """(items,) probabilities of at most given values, one per item."""
        given = finite("values", values, dimensions=1)
        if len(given) != len(self.low):
            raise InvalidValueError(
                f"values must be as many as the items (got {len(given)} for {len(self.low)})"
            )
        out = np.empty(len(given))
        for i, (points, share) in enumerate(zip(self._points, self._shares, strict=True)):
            value = given[i]
            if self.log[i]:
                value = np.log(value) if value > 0.0 else -np.inf
            # The last of equal points: at a jump the distribution function has its upper value.
            place = int(np.searchsorted(points, value, side="right"))
            if place in (0, len(points)):
                out[i] = 0.0 if place == 0 else 1.0
                continue
            part = (value - points[place - 1]) / (points[place] - points[place - 1])
            out[i] = share[place - 1] + part * (share[place] - share[place - 1])
        return out


def decision_maker(
    quantiles: ArrayLike,
    p: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    realisations: ArrayLike | None = None,
    log: bool | Sequence[bool] | NDArray[np.bool_] = False,
    overshoot: float = 0.1,
) -> DecisionMaker:
    """Mixture of experts over the intrinsic range.

    On the background scale the range of an item spans all experts' quantiles and the realisation,
    where it is known, extended on both sides by ``overshoot`` of its width. An expert's
    distribution function is linear between the range's ends and the quantiles; the decision
    maker's is the weighted mean over the experts who assessed the item.

    Parameters
    ----------
    quantiles : (experts, probabilities, items) in the items' units, not decreasing; nan for all of
        an expert's quantiles of an item that was not assessed
    p : (probabilities,) their probabilities, increasing, in (0, 1)
    weights : (experts,) or (experts, items), not negative, divided by their sum over the experts
        who assessed the item; None for the equal-weight decision maker
    realisations : (items,) true values, nan where unknown; they widen the range
    log : whether the background is log-uniform: for all items, or (items,)
    overshoot : not negative

    Raises
    ------
    ReliabilityError
        If shapes do not fit; quantiles decrease, or are not positive on a log scale; an item has
        no assessment of positive weight, or no range.

    Examples
    --------
    >>> experts = [[[0.0], [10.0], [20.0]], [[10.0], [30.0], [100.0]]]
    >>> maker = decision_maker(experts, [0.05, 0.5, 0.95])
    >>> maker.low.tolist(), maker.high.tolist(), maker.quantiles([0.5]).round(6).tolist()
    ([-10.0], [110.0], [[16.666667]])
    """
    q = numbers("quantiles", quantiles, dimensions=3)
    at = probabilities("p", p, open_interval=True)
    experts, count, items = q.shape
    if not q.size or at.shape != (count,) or np.any(np.diff(at) <= 0.0):
        raise InvalidValueError(
            "p must be increasing and as many as the quantiles of (experts, probabilities, items) "
            f"(got {short(at.tolist())} for an array of shape {q.shape})"
        )
    missing: NDArray[np.bool_] = np.asarray(np.isnan(q).any(axis=1))
    whole = np.isnan(q).all(axis=1)
    for text, bad in (
        ("misses some quantiles but not all; leave out the assessment", missing & ~whole),
        ("holds an infinite quantile", np.isinf(q).any(axis=1)),
        ("has quantiles that decrease", np.any(np.diff(q, axis=1) < 0.0, axis=1)),
    ):
        if bad.any():
            expert, item = np.argwhere(bad)[0]
            raise InvalidValueError(f"quantiles of expert {expert}, item {item}: it {text}")
    logs = np.asarray(log)
    if logs.dtype != np.bool_ or logs.shape not in ((), (items,)):
        raise InvalidValueError(f"log must be a truth value, or one per item (got {short(log)})")
    logs = np.broadcast_to(logs, (items,))
    true = np.full(items, np.nan)
    if realisations is not None:
        true = numbers("realisations", realisations)
        if true.shape != (items,) or np.isinf(true).any():
            raise InvalidValueError(
                f"realisations must be {items} finite numbers, nan where unknown "
                f"(got {short(realisations)})"
            )
    for name, array in (("quantiles", q), ("realisations", true)):
        refuse(name, array, logs & (array <= 0.0), "must be positive on a log scale")
    extra = float(finite("overshoot", overshoot, dimensions=0))
    if extra < 0.0:
        raise InvalidValueError(f"overshoot must not be negative (got {short(extra)})")
    w = _item_weights(weights, experts, items)
    x = np.where(logs, np.log(np.where(logs, q, 1.0)), q)
    goal = np.where(logs, np.log(np.where(logs, true, 1.0)), true)
    found = []
    for i in range(items):
        present = np.flatnonzero(~missing[:, i])
        found.append(_mixture(i, x[present, :, i], at, w[present, i], float(goal[i]), extra))
    ends = np.array([(points[0], points[-1]) for points, _ in found])
    ends = _in_units(ends, logs[:, None])
    return DecisionMaker(
        ends[:, 0],
        ends[:, 1],
        logs,
        tuple(points for points, _ in found),
        tuple(share for _, share in found),
    )


def _in_units(x: Array, log: NDArray[np.bool_]) -> Array:
    """From the background scale to the items' units."""
    return np.where(log, np.exp(np.where(log, x, 0.0)), x)


def _item_weights(weights: ArrayLike | None, experts: int, items: int) -> Array:
    if weights is None:
        return np.ones((experts, items))
    w = finite("weights", weights)
    if w.shape not in ((experts,), (experts, items)):
        raise InvalidValueError(
            f"weights must have the shape ({experts},) or ({experts}, {items}) (got {w.shape})"
        )
    refuse("weights", w, w < 0.0, "must not be negative")
    return np.broadcast_to(w.reshape(experts, -1), (experts, items))


def _mixture(
    item: int, x: Array, p: Array, weights: Array, goal: float, overshoot: float
) -> tuple[Array, Array]:
    """Points and probabilities of one item's piecewise linear distribution function."""
    total = float(weights.sum())
    if not total > 0.0:
        raise InvalidValueError(
            f"item {item}: no expert of positive weight has assessed it; leave the item out"
        )
    hull = x if np.isnan(goal) else np.append(x.ravel(), goal)
    low, high = float(hull.min()), float(hull.max())
    if not low < high:
        raise InvalidValueError(
            f"item {item}: all quantiles are the same, so that there is no intrinsic range"
        )
    low, high = low - overshoot * (high - low), high + overshoot * (high - low)
    ends = np.array([0.0, *p, 1.0])
    knots = np.column_stack([np.full(len(x), low), x, np.full(len(x), high)])
    points = np.unique(knots)
    below, above = np.zeros(len(points)), np.zeros(len(points))
    for own, share in zip(knots, weights / total, strict=True):
        if share == 0.0:
            continue
        # Equal quantiles make a jump: its lower and its upper value.
        first = np.searchsorted(own, points, side="left")
        last = np.searchsorted(own, points, side="right")
        inside = first == last
        place = np.clip(last, 1, len(own) - 1)
        width = np.where(inside, own[place] - own[place - 1], 1.0)
        part = (points - own[place - 1]) / width
        between = ends[place - 1] + part * (ends[place] - ends[place - 1])
        below += share * np.where(inside, between, ends[np.minimum(first, len(own) - 1)])
        above += share * np.where(inside, between, ends[last - 1])
    both = np.column_stack([np.repeat(points, 2), np.column_stack([below, above]).ravel()])
    # Without an overshoot there may be probability at the very ends.
    both[0, 1], both[-1, 1] = 0.0, 1.0
    return both[:, 0], both[:, 1]
