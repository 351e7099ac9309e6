"""How fast densities fall: which posteriors and which moments exist.

Decided from the exponents of the model's parts, never by looking at a truncated grid.
A tail is a product of factors: a power |x|^-q, an exponential exp(-rate |x|), and possibly a
factor that falls faster than every exponential (a normal, or the end of a bounded support).
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

__all__ = ["CONSTANT", "VANISHING", "Tail"]

Indices = NDArray[np.int64]
INFINITY = float("inf")


@attrs.frozen
class Tail:
    """Decay of a density towards one end of x: ``|x|^-power exp(-rate |x|)``, or faster.

    ``fast`` marks a decay beyond every exponential; ``smooth`` one beyond every power but
    slower than every exponential (such as exp(-|x|^(2/3))). All may be arrays, one entry per
    density; so are the answers then.
    """

    power: Any = 0.0
    rate: Any = 0.0
    fast: Any = False
    smooth: Any = False

    def times(self, other: Tail) -> Tail:
        """Tail of a product."""
        return Tail(
            self.power + other.power,
            self.rate + other.rate,
            self.fast | other.fast,
            self.smooth | other.smooth,
        )

    def take(self, densities: Indices) -> Tail:
        """Tails of some of several densities."""
        fields = attrs.astuple(self, recurse=False)
        return Tail(*(field[densities] if np.ndim(field) else field for field in fields))

    def of(self, density: int) -> Tail:
        """Tail of one of several densities."""
        fields = attrs.astuple(self, recurse=False)
        return Tail(*(field.item(density) if np.ndim(field) else field for field in fields))

    @property
    def effective_power(self) -> Any:
        """The exponent q, infinite where the tail falls faster than every power."""
        quick = self.fast | (self.rate > 0.0) | self.smooth
        return np.where(quick, INFINITY, self.power)[()]

    @property
    def reach_power(self) -> Any:
        """The power that quadrature must follow: that of a moment at an exponential's limit.

        Times exp(rate |x|) an exponential tail leaves its power alone.
        """
        plain = self.fast | (self.rate == 0.0) | (self.power <= 1.0)
        return np.where(plain, self.effective_power, self.power)[()]

    def integrable(self, order: float = 0.0) -> Any:
        """Whether ``|x|^order`` times the density has a finite integral."""
        return self.effective_power > order + 1.0

    def integrable_exponential(self, order: float) -> Any:
        """Whether ``exp(order |x|)`` times the density has a finite integral."""
        at_limit = (self.rate == order) & (self.power > 1.0)
        return self.fast | (self.rate > order) | at_limit


CONSTANT = Tail()
VANISHING = Tail(fast=True)
