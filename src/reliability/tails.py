"""How fast densities fall: which posteriors and which moments exist.

Decided from the exponents of the model's parts, never by looking at a truncated grid.
A tail is a product of factors: a power |x|^-q, an exponential exp(-rate |x|), and possibly a
factor that falls faster than every exponential (a normal, or the end of a bounded support).
"""

from __future__ import annotations

import attrs

__all__ = ["CONSTANT", "VANISHING", "Tail"]

INFINITY = float("inf")


@attrs.frozen
class Tail:
    """Decay of a density towards one end of x: ``|x|^-power exp(-rate |x|)``, or faster.

    ``fast`` marks a decay beyond every exponential; ``smooth`` one beyond every power but
    slower than every exponential (such as exp(-|x|^(2/3))).
    """

    power: float = 0.0
    rate: float = 0.0
    fast: bool = False
    smooth: bool = False

    def times(self, other: Tail) -> Tail:
        """Tail of a product."""
        return Tail(
            self.power + other.power,
            self.rate + other.rate,
            self.fast or other.fast,
            self.smooth or other.smooth,
        )

    def tempered(self, share: float) -> Tail:
        """Tail of a power of the density."""
        return Tail(self.power * share, self.rate * share, self.fast, self.smooth)

    def slowest(self, other: Tail) -> Tail:
        """Tail of a sum: the slower of two."""
        return self if self._order() <= other._order() else other

    def _order(self) -> tuple[float, ...]:
        if self.fast:
            return (3.0, 0.0, 0.0)
        if self.rate > 0.0:
            return (2.0, self.rate, self.power)
        if self.smooth:
            return (1.0, 0.0, self.power)
        return (0.0, 0.0, self.power)

    @property
    def effective_power(self) -> float:
        """The exponent q, infinite where the tail falls faster than every power."""
        return INFINITY if self.fast or self.rate > 0.0 or self.smooth else self.power

    @property
    def reach_power(self) -> float:
        """The power that quadrature must follow: that of a moment at an exponential's limit.

        Times exp(rate |x|) an exponential tail leaves its power alone.
        """
        if self.fast or self.rate == 0.0 or self.power <= 1.0:
            return self.effective_power
        return self.power

    def integrable(self, order: float = 0.0) -> bool:
        """Whether ``|x|^order`` times the density has a finite integral."""
        return self.effective_power > order + 1.0

    def integrable_exponential(self, order: float) -> bool:
        """Whether ``exp(order |x|)`` times the density has a finite integral."""
        if self.fast:
            return True
        if self.rate > order:
            return True
        return self.rate == order and self.power > 1.0


CONSTANT = Tail()
VANISHING = Tail(fast=True)
