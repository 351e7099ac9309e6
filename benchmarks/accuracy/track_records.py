"""Reliability from a track record: how large a source's past losses were beside the others'."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["PSEUDO", "relative_losses", "reliability_of"]

Array = NDArray[np.float64]
#: Questions of average success that every source is credited with.
PSEUDO = 5.0


def relative_losses(losses: Array, pseudo: float = PSEUDO) -> Array:
    """Each source's mean loss, in units of what all sources lost on the same questions.

    Parameters
    ----------
    losses : (questions, sources) past losses, nan where a source did not answer
    pseudo : questions with relative loss 1 that are added for every source

    Returns
    -------
    (sources,) 1 for a source without a past
    """
    answered = ~np.isnan(losses)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(losses, axis=1, keepdims=True) / answered.sum(axis=1, keepdims=True)
        relative = np.where(answered, losses / mean, 0.0)
    return np.asarray((relative.sum(axis=0) + pseudo) / (answered.sum(axis=0) + pseudo))


def reliability_of(relative: Array, *, usual: float, power: float) -> Array:
    """Reliability whose odds fall with a power of the relative loss; ``usual`` where that is 1."""
    odds = usual / (1.0 - usual) * relative**-power
    return np.asarray(odds / (1.0 + odds))
