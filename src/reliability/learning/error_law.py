"""How the claims of a source err: three laws, one formula.

A claim is sound with the reliability r of its source, else it is not::

    y = theta + b + e,   e ~ r N(0, v) + (1 - r) t_df(0, w)

with w the squared scale of Student's t. Under every law the digits' rounding adds its variance
to both.

======== ==================================== ================================
law      sound                                unsound
======== ==================================== ================================
normal   v = (k s)^2                          none: r = 1
mixture  v = (k s)^2                          w = (K k s)^2
exact    bare values: v = 0 (digits alone)    bare values: w = (k s)^2
======== ==================================== ================================

s is the stated sd, or for bare values the typical distance of claims from each other; k is what
a source's errors are in units of it. ``exact`` is the law of sources that copy the truth from a
register or get it wrong; claims that state an uncertainty follow ``mixture`` under it.
"""

from __future__ import annotations

from enum import StrEnum

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.learning.observations import Observations

__all__ = ["DEGREES_OF_FREEDOM", "ErrorLaw", "Kind", "Parameters"]

Array = NDArray[np.float64]
IntArray = NDArray[np.integer]

#: Degrees of freedom of the unsound density: powers that need no logarithm.
DEGREES_OF_FREEDOM = (1, 2, 3, 5, 9)


class Kind(StrEnum):
    """Names of the laws."""

    NORMAL = "normal"
    MIXTURE = "mixture"
    EXACT = "exact"


@attrs.frozen
class ErrorLaw:
    """A law, with what all sources share: the factor K and the degrees of freedom of t."""

    kind: Kind
    factor: float = 10.0
    df: int = 1

    @property
    def doubtful(self) -> bool:
        """Whether claims can be unsound."""
        return self.kind is not Kind.NORMAL

    def variances(self, own: Array, rounding: Array, stated: NDArray[np.bool_]) -> Array:
        """The squared scales v and w of claims with own squared scale (k s)^2: (2, claims)."""
        if self.kind is not Kind.EXACT:
            return np.stack([rounding + own, rounding + self.factor**2 * own])
        sound = rounding + np.where(stated, own, 0.0)
        unsound = rounding + np.where(stated, self.factor**2, 1.0) * own
        return np.stack([sound, unsound])

    def scaled(self, own: Array, rounding: Array, stated: NDArray[np.bool_]) -> Array:
        """The parts of v and w that the own scale makes: (2, claims)."""
        sound, unsound = self.variances(own, rounding, stated)
        return np.stack([1.0 - rounding / sound, 1.0 - rounding / unsound])


@attrs.frozen(eq=False)
class Parameters:
    """What is learned of sources.

    Parameters
    ----------
    law : the law of errors
    reliability : (sources,) probability that a claim is sound
    scale : (2 sources,) k, of bare values and of stated sds
    bias : (sources,) claim minus truth on x, beyond what is known of it
    bias_variance : (sources,) of what the bias may be
    difficulty : (quantities,) what the squared scale of claims about a quantity is multiplied by
    """

    law: ErrorLaw
    reliability: Array
    scale: Array
    bias: Array
    bias_variance: Array
    difficulty: Array

    def own(self, seen: Observations, rows: slice | IntArray = slice(None)) -> Array:
        """Squared scale (k s)^2 of claims."""
        size = self.scale[seen.group[rows]] * seen.sd[rows]
        return np.asarray(size**2 * self.difficulty[seen.quantity[rows]])
