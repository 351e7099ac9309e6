"""Is one method better than another on the same questions? Paired bootstrap."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from reliability.errors import InvalidValueError
from reliability.posterior import generator
from reliability.scores.checks import checked_level, finite, whole

__all__ = ["Skill", "skill"]

Array = NDArray[np.float64]

#: Draws of a bootstrap that are in memory at a time.
_AT_ONCE = 1 << 20


@attrs.frozen
class Skill:
    """How much better a method is than a baseline; above 0 is better.

    Attributes
    ----------
    value : the skill
    low, high : its bootstrap interval
    better : share of the resamples in which it is above 0
    n : number of pairs
    """

    value: float
    low: float
    high: float
    better: float
    n: int


def skill(
    scores: ArrayLike,
    baseline: ArrayLike,
    *,
    higher_is_better: bool = False,
    level: float = 0.95,
    resamples: int = 2000,
    rng: np.random.Generator | int | None = 0,
) -> Skill:
    """Skill of one method against another on the same questions.

    For scores of which low ones are good ``1 - mean(scores)/mean(baseline)``: 1 is perfect, 0 no
    better than the baseline. For log scores, which have no zero, the gain
    ``mean(scores) - mean(baseline)``. The interval is that of a paired bootstrap: questions are
    drawn with replacement, each with both of its scores.

    Parameters
    ----------
    scores, baseline : (n,) scores of the same questions
    higher_is_better : True for log scores
    level : probability of the interval
    resamples : of the bootstrap
    rng : a ``numpy.random.Generator`` or a seed; the same seed gives the same interval

    Raises
    ------
    ReliabilityError
        If the arrays differ in length, a number is not finite, or the baseline's mean is not
        above 0.

    Examples
    --------
    >>> found = skill([1.0, 2.0, 3.0, 2.0], [2.0, 4.0, 5.0, 3.0])
    >>> round(found.value, 4), found.low > 0.0, found.n
    (0.4286, True, 4)
    """
    given, other = finite("scores", scores), finite("baseline", baseline)
    if given.ndim != 1 or given.shape != other.shape:
        raise InvalidValueError(
            f"scores and baseline must have one dimension and one length "
            f"(got shapes {given.shape} and {other.shape}); give the same questions, in one order"
        )
    tail = 0.5 * (1.0 - checked_level(level))
    count = whole("resamples", resamples, least=2)
    if not higher_is_better and not other.mean() > 0.0:
        raise InvalidValueError(
            f"baseline must have a mean above 0 (got {other.mean():g}) for its ratio to mean "
            "anything; for log scores give higher_is_better=True"
        )
    draw = generator(rng)
    found = np.empty(count)
    step = max(_AT_ONCE // len(given), 1)
    for begin in range(0, count, step):
        size = min(step, count - begin)
        rows = draw.integers(0, len(given), size=(size, len(given)))
        found[begin : begin + size] = _skill(
            given[rows].mean(axis=1), other[rows].mean(axis=1), gain=higher_is_better
        )
    low, high = np.quantile(found, [tail, 1.0 - tail])
    value = _skill(given.mean(), other.mean(), gain=higher_is_better)
    better = float(np.mean(found > 0.0))
    return Skill(float(value), float(low), float(high), better, len(given))


def _skill(mean: Array, baseline: Array, *, gain: bool) -> Array:
    if gain:
        return np.asarray(mean - baseline)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(baseline > 0.0, mean / baseline, np.where(mean > 0.0, np.inf, 1.0))
    return np.asarray(1.0 - ratio)
