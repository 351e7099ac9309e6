"""CRPS of any distribution: the integral of (F - 1{theta >= y})^2, its error controlled.

The integral is cut at quantiles and outcomes, and panels are halved until they are resolved.
Towards an open end panels follow the probability, decade by decade, until what is beyond them
does not show.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reliability.engine.panels import NODES, WEIGHTS
from reliability.engine.quadrature import coefficient_error
from reliability.errors import NumericalError
from reliability.posterior import Posterior, unwrap
from reliability.scores.closed_forms import (
    crps_logistic,
    crps_lognormal,
    crps_normal,
    crps_student_t,
    crps_uniform,
)
from reliability.scores.forecasts import Forecast, pairs

__all__ = ["crps", "integrate"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Function of panels' numbers (rows,) and points in them (rows, points).
Function = Callable[[IntArray, Array], Array]

#: Accepted error of a panel, relative to itself.
TOLERANCE = 1e-11
#: Errors so much smaller than the whole are accepted anywhere; panels are a hundred at the most.
SHARE = 1e-2
#: Halvings of a panel at the most; a jump is then beyond the last digit.
_DEPTH = 60
#: Tail probabilities 10^-k at which panels end: always, and while what is beyond still shows.
_DECADES = np.array([1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 15.0, 16.0])
_CENTRAL = np.array([0.25, 0.5, 0.75])
_MORE = 24
_LAST_DECADE = 300
#: Whole numbers over which a discrete forecast may spread on either side of its median.
_MOST_STEPS = 10_000_000


def integrate(function: Function, low: Array, high: Array, floor: Array) -> Array:
    """Integrals of a function over panels, each halved until it is resolved.

    Parameters
    ----------
    function : values at points (rows, points) of given panels (rows,)
    low, high : (panels,) ends
    floor : (panels,) errors that are accepted in any case

    Raises
    ------
    NumericalError
        If halving does not help.
    """
    out = np.zeros(len(low))
    owner = np.flatnonzero(high > low)
    low, high = low[owner], high[owner]
    for _ in range(_DEPTH):
        if not len(owner):
            return out
        half = 0.5 * (high - low)
        middle = low + half
        values = function(owner, middle[:, None] + half[:, None] * NODES) * half[:, None]
        whole, error = values @ WEIGHTS, coefficient_error(values)
        fails = ~(error <= np.maximum(TOLERANCE * np.abs(whole), floor[owner]))
        # No float lies between the ends, or next to none.
        fails &= half > 8.0 * np.spacing(np.maximum(np.abs(low), np.abs(high)))
        np.add.at(out, owner[~fails], whole[~fails])
        owner = np.repeat(owner[fails], 2)
        low, middle, high = low[fails], middle[fails], high[fails]
        low = np.stack([low, middle], axis=1).ravel()
        high = np.stack([middle, high], axis=1).ravel()
    raise NumericalError(
        "the CRPS of a forecast could not be resolved: its distribution function is no smooth "
        "function anywhere near some point; check its parameters"
    )


# ------------------------------------------------------------------ one forecast


class _Law:
    """A forecast in the coordinate u in which it is smooth."""

    def __init__(self, forecast: Forecast) -> None:
        self.forecast, self.scale = forecast, forecast.scale
        self.low, self.high = forecast.support

    def squared(self, u: Array, *, below: bool) -> Array:
        """F^2 or (1 - F)^2, times dtheta/du."""
        theta = self.scale.to_theta(u)
        side = self.forecast.below(theta) if below else self.forecast.above(theta)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            # Far out on the log scale dtheta/du overflows where the square underflows.
            logs = 2.0 * np.log(np.maximum(side, 1e-320)) + self.scale.log_jacobian(u)
            return np.where(side > 0.0, np.exp(logs), 0.0)

    def ends(self, decades: Array, *, upper: bool) -> Array:
        """Coordinates beyond which 10^-decades of the probability lies; those that are finite."""
        tails = 10.0**-decades
        own = self.forecast.distribution
        with np.errstate(all="ignore"):  # quantiles beyond the floats are left out
            theta = np.asarray(own.isf(tails) if upper else own.ppf(tails), dtype=np.float64)
        u = self.scale.to_x(theta)
        return np.asarray(u[np.isfinite(u)])

    def central(self) -> Array:
        """Coordinates of the quartiles."""
        theta = np.asarray(self.forecast.distribution.ppf(_CENTRAL), dtype=np.float64)
        return self.scale.to_x(theta)

    def integral(self, points: Array, floor: float, *, below: bool) -> Array:
        """Integrals of the square between neighbours of some points."""
        return integrate(
            lambda _, u: self.squared(u, below=below),
            points[:-1],
            points[1:],
            np.full(len(points) - 1, floor),
        )


def _beyond(law: _Law, last: Array, floor: float, *, upper: bool) -> float:
    """What lies beyond the last panels of a tail without end.

    Parameters
    ----------
    last : (3,) ends of the last two panels, from the inside, a decade of probability each
    """
    decade, total = float(_DECADES[-1]), 0.0

    def pieces(points: Array) -> Array:
        order = points if upper else points[::-1]
        found = law.integral(order, floor, below=not upper)
        return found if upper else found[::-1]

    known = pieces(last)
    while True:
        before, outermost = known[-2:]
        ratio = outermost / before if before > 0.0 else 0.0
        # A tail falls faster and faster, or like a power: what is beyond is at most this.
        beyond = outermost * ratio / (1.0 - ratio) if ratio < 1.0 else np.inf
        if beyond <= floor:
            return total
        if decade >= _LAST_DECADE:
            # A power, whose panels are a geometric series.
            return total + beyond if ratio < 1.0 - 1e-6 else np.inf
        wanted = decade + np.arange(1.0, _MORE + 1.0)
        wanted = wanted[wanted <= _LAST_DECADE]
        points = np.append(last[-1], law.ends(wanted, upper=upper))
        sign = 1.0 if upper else -1.0
        points = points[np.append(True, np.diff(points) * sign > 0.0)]
        if len(points) < len(wanted) + 1 or len(points) < 3:
            # The quantiles have left the floats, or are known no farther.
            return np.inf if ratio >= 1.0 else total + beyond
        known = pieces(points)
        total += float(known.sum())
        decade, last = float(wanted[-1]), points


def _continuous(forecast: Forecast, outcome: Array) -> Array:
    """CRPS of a forecast with a density, and perhaps an atom at zero, for several outcomes."""
    law = _Law(forecast)
    nearest = np.clip(outcome, law.low, law.high)
    outside = np.abs(outcome - nearest)
    at = law.scale.to_x(nearest)
    start, stop = law.ends(_DECADES, upper=False)[::-1], law.ends(_DECADES, upper=True)
    limits = law.scale.to_x(np.array([law.low, law.high]))
    if forecast.zero > 0.0 and law.scale.name == "linear":
        limits = np.append(limits, 0.0)
    edges = np.concatenate([start, law.central(), stop, limits, at])
    edges = np.unique(edges[np.isfinite(edges)])
    # What surely belongs to every score, by one rule: a unit for the errors.
    rough = 0.5 * np.diff(edges)
    nodes = edges[:-1, None] + rough[:, None] * (1.0 + NODES)
    least = np.minimum(law.squared(nodes, below=True), law.squared(nodes, below=False))
    floor = SHARE * TOLERANCE * float(np.sum((least @ WEIGHTS) * rough))
    rising = edges[edges <= max(float(at.max()), edges[0])]
    falling = edges[edges >= min(float(at.min()), edges[-1])]
    up = np.append(0.0, np.cumsum(law.integral(rising, floor, below=True)))
    down = np.append(np.cumsum(law.integral(falling, floor, below=False)[::-1])[::-1], 0.0)
    lower = _from(rising, up, at)
    upper = _from(falling, down, at)
    # Beyond the first and the last panel, to the ends of the support.
    first, last = law.scale.to_theta(edges[[0, -1]])
    zero = forecast.zero
    if np.isfinite(law.low):
        lower += zero**2 * (np.minimum(nearest, first) - law.low)
        upper += np.where(nearest < first, (1.0 - zero) ** 2 * (first - nearest), 0.0)
    else:
        lower += _beyond(law, start[[2, 1, 0]], floor, upper=False)
    if np.isfinite(law.high):
        lower += np.where(nearest > last, nearest - last, 0.0)
    else:
        upper += _beyond(law, stop[[-3, -2, -1]], floor, upper=True)
    return np.asarray(lower + upper + outside)


def _from(points: Array, sums: Array, at: Array) -> Array:
    """Sums up to points, or from them on; where a point is beyond them, the nearest."""
    index = np.clip(np.searchsorted(points, at), 0, len(points) - 1)
    return np.array(sums[index])


# ------------------------------------------------------------------ whole numbers


def _end(forecast: Forecast, *, upper: bool) -> float:
    """A whole number beyond which next to nothing of a discrete forecast lies.

    By doubling from the median: scipy's own search may take for ever in a heavy tail.
    """
    tail = 10.0 ** -_DECADES[-1]
    limit = forecast.support[1 if upper else 0]
    median = float(forecast.distribution.ppf(0.5))
    distance = 1.0
    while distance <= _MOST_STEPS:
        if upper:
            at = min(median + distance, limit)
            left = float(forecast.above(np.array(at)))
        else:
            at = max(median - distance, limit)
            left = float(forecast.below(np.array(at)))
        if at == limit or left <= tail:
            return at
        distance *= 2.0
    raise NumericalError(
        f"the CRPS of a discrete forecast needs more than {_MOST_STEPS:,} steps; give it as a "
        "continuous distribution"
    )


def _discrete(forecast: Forecast, outcome: Array) -> Array:
    """CRPS of a forecast of whole numbers (and a shift): a sum over its steps."""
    low, high = _end(forecast, upper=False), _end(forecast, upper=True)
    steps = low + np.arange(high - low + 1.0)
    cdf, rest = forecast.below(steps), forecast.above(steps)
    up = np.append(0.0, np.cumsum(cdf**2))
    down = np.append(np.cumsum((rest**2)[::-1])[::-1], 0.0)
    nearest = np.clip(outcome, low, high)
    # The step that holds the outcome is shared between both sides.
    step = np.minimum(np.floor(nearest - low).astype(np.int64), len(steps) - 1)
    share = nearest - steps[step]
    within = share * cdf[step] ** 2 + (1.0 - share) * rest[step] ** 2
    return np.asarray(up[step] + within + down[step + 1] + np.abs(outcome - nearest))


# ------------------------------------------------------------------ the score


def _closed(forecast: Forecast, outcome: Array) -> Array | None:
    """CRPS where there is a formula, else None."""
    own = forecast.distribution
    dist = getattr(own, "dist", None)
    if dist is None or forecast.discrete:
        return None
    shapes, location, scale = dist._parse_args(*own.args, **own.kwds)  # noqa: SLF001  # scipy's way
    found: Any = None
    if dist.name == "norm":
        found = crps_normal(location, scale, outcome)
    elif dist.name == "logistic":
        found = crps_logistic(location, scale, outcome)
    elif dist.name == "uniform":
        found = crps_uniform(location, location + scale, outcome)
    elif dist.name == "lognorm":
        found = crps_lognormal(scale, shapes[0], outcome - location)
    elif dist.name == "t" and shapes[0] > _LEAST_DF:
        found = crps_student_t(shapes[0], location, scale, outcome)
    return None if found is None else np.asarray(found)


#: Degrees of freedom below which the closed form of Student's t cancels.
_LEAST_DF = 1.1


def crps(forecast: object, outcome: ArrayLike) -> float | Array:
    """Continuous ranked probability score; lower is better, in the quantity's unit.

    ``integral of (F(theta) - 1{theta >= outcome})^2 dtheta``: the absolute error of a forecast
    that is one number (Gneiting & Raftery 2007, doi:10.1198/016214506000001437). An atom at zero
    is a step of F. The relative error is about 1e-10, or that of F itself.

    The integral is infinite where a tail's square has none: a tail |theta|^-1/2 or heavier. It is
    finite for some distributions that have no mean, such as the posterior of one doubtful claim
    on the linear scale; but not for one on the log scale whose tail is a power of log theta.

    Parameters
    ----------
    forecast : a Posterior, a Combination (its posterior), a frozen scipy distribution with
        scalar parameters, or a list of these
    outcome : what happened: any shape for one forecast, one number for each of several

    Returns
    -------
    the score of each outcome; inf where the integral is

    Raises
    ------
    ReliabilityError
        If the forecast is of another kind, an outcome no finite number, or their numbers differ.

    Examples
    --------
    >>> from reliability import Model, combine
    >>> forecast = combine([("A", "10 +- 1"), ("B", "12 +- 1")], model=Model.common_effect())
    >>> round(crps(forecast, 11.5), 6)
    0.300699
    """
    forecasts, outcomes = pairs(forecast, outcome)
    out = np.empty(outcomes.shape)
    for one, place in forecasts:
        out[place] = _one(one, np.atleast_1d(outcomes[place]).ravel()).reshape(
            np.shape(outcomes[place])
        )
    return unwrap(out)


def _one(forecast: Forecast, outcome: Array) -> Array:
    own = forecast.distribution
    if isinstance(own, Posterior) and not (own._has_mean or own._has_root_mean):  # noqa: SLF001
        return np.full(outcome.shape, np.inf)
    found = _closed(forecast, outcome)
    if found is not None:
        return found
    return _discrete(forecast, outcome) if forecast.discrete else _continuous(forecast, outcome)
