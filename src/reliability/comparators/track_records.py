"""Weights of sources from what they lost on past questions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reliability.comparators._checks import numbers, positive_number, refuse
from reliability.errors import InvalidValueError

__all__ = ["exponential_weights"]

Array = NDArray[np.float64]


def exponential_weights(losses: ArrayLike, *, rate: float = 1.0) -> Array:
    """Weights that fall exponentially with the sum of relative past losses.

    A loss in units of the mean loss of all sources on the same question is the relative loss;
    ``w_j`` is proportional to ``exp(-rate * sum_t (l_tj / mean_t - 1))``, where a source that did
    not answer counts as average. Were losses exponentially distributed with their mean on each
    question (as absolute errors are under Laplace's law), ``rate=1`` would make ``w_j`` the
    posterior probability that source j is the one that is right. Few questions hardly move the
    weights and many single out the best, where a power of the mean loss says the same after two
    questions as after two hundred.

    Parameters
    ----------
    losses : (questions, sources) past losses, 0 or more, nan where a source did not answer;
        (0, sources) for no past
    rate : how fast weights fall, above 0; below 1 where questions are answered right or wrong
        together

    Returns
    -------
    (sources,) weights with sum 1

    Raises
    ------
    ReliabilityError
        If losses are not such a table, are negative or infinite, or the rate is not positive.

    References
    ----------
    Freund & Schapire 1997, A decision-theoretic generalization of on-line learning and an
    application to boosting, J. Computer and System Sciences 55, 119 (algorithm Hedge).

    Examples
    --------
    >>> from reliability.comparators import exponential_weights
    >>> exponential_weights([[1.0, 2.0], [1.5, 1.5], [1.0, 3.0]]).round(3)
    array([0.841, 0.159])
    """
    lost = numbers("losses", losses, dimensions=2)
    rate = positive_number("rate", rate)
    if not lost.shape[1]:
        raise InvalidValueError("losses must have a column for each source (got none)")
    refuse("losses", lost, (lost < 0.0) | np.isinf(lost), "must be finite and 0 or more")
    answered = ~np.isnan(lost)
    known = np.where(answered, lost, 0.0)
    mean = known.sum(axis=1) / np.maximum(answered.sum(axis=1), 1)
    # Where all lost nothing, or nobody answered, nothing is learned.
    told = answered & (mean > 0.0)[:, None]
    excess = np.where(told, known / np.where(mean > 0.0, mean, 1.0)[:, None] - 1.0, 0.0)
    total = excess.sum(axis=0)
    weights = np.exp(-rate * (total - total.min()))
    return np.asarray(weights / weights.sum())
