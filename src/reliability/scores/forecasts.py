"""What may be scored: posteriors, combinations, frozen scipy distributions, and lists of these."""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType
from typing import Any

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from reliability.claims._checks import short
from reliability.combination import Combination
from reliability.errors import InvalidValueError, WrongTypeError
from reliability.posterior import Posterior
from reliability.scales import SCALES, Scale
from reliability.scores.checks import finite

__all__ = ["Forecast", "pairs"]

Array = NDArray[np.float64]


@attrs.frozen(eq=False)
class Forecast:
    """A distribution with its own methods, and what the scores need to know beside them.

    ``scale`` says in which coordinate it is smooth; ``zero`` is the atom of a posterior, of which
    ``distribution`` is what it says of the quantity given that it is not zero; ``discrete`` marks
    distributions of whole numbers.
    """

    distribution: Any
    scale: Scale = SCALES["linear"]
    zero: float = 0.0
    discrete: bool = False

    @classmethod
    def of(cls, given: object, name: str = "forecast") -> Forecast:
        """A forecast, or an error that says what it may be."""
        if isinstance(given, Combination):
            given = given.posterior
        if isinstance(given, Posterior):
            return cls(given.nonzero, given._scale, given.zero)  # noqa: SLF001  # where it is smooth
        frozen: Any = given
        if hasattr(given, "dist") and hasattr(given, "args") and hasattr(given, "kwds"):
            arguments = [*frozen.args, *frozen.kwds.values()]
            if any(np.ndim(one) for one in arguments):
                raise WrongTypeError(
                    f"{name} must be one distribution, but its parameters are arrays; give a "
                    "list of distributions, or use crps_normal(mean, sd, outcome) and the like"
                )
            return cls(frozen, discrete=hasattr(frozen, "pmf"))
        raise WrongTypeError(
            f"{name} must be a Posterior, a Combination, a frozen scipy distribution such as "
            f"scipy.stats.norm(mean, sd), or a list of these (got {short(given)}); for samples "
            "there is crps_ensemble(), for quantiles wis()"
        )

    @property
    def support(self) -> tuple[float, float]:
        """The smallest interval that holds all of the probability."""
        low, high = self.distribution.support()
        if self.zero > 0.0:
            low, high = min(low, 0.0), max(high, 0.0)
        return float(low), float(high)

    def below(self, theta: Array) -> Array:
        """Probability of at most the given values."""
        own = np.asarray(self.distribution.cdf(theta), dtype=np.float64)
        if self.zero == 0.0:
            return own
        return np.asarray((1.0 - self.zero) * own + self.zero * (theta >= 0.0))

    def above(self, theta: Array) -> Array:
        """Probability of more than the given values."""
        own = np.asarray(self.distribution.sf(theta), dtype=np.float64)
        if self.zero == 0.0:
            return own
        return np.asarray((1.0 - self.zero) * own + self.zero * (theta < 0.0))

    def at(self, theta: Array) -> Array:
        """Probability of exactly the given values."""
        if self.discrete:
            return np.asarray(self.distribution.pmf(theta), dtype=np.float64)
        return np.where(theta == 0.0, self.zero, 0.0)


def pairs(
    forecast: object, outcome: ArrayLike
) -> tuple[list[tuple[Forecast, EllipsisType | int]], Array]:
    """Forecasts, each with the places of its outcomes, and the outcomes.

    One forecast takes outcomes of any shape; of several, each takes one.
    """
    outcomes = finite("outcome", outcome)
    several = isinstance(forecast, Sequence) and not isinstance(forecast, str)
    if several or (isinstance(forecast, np.ndarray) and forecast.dtype == object):
        given: list[object] = list(forecast)  # type: ignore[call-overload]
        if not given:
            raise InvalidValueError("forecast is empty; give at least one")
        if outcomes.shape != (len(given),):
            raise InvalidValueError(
                f"there are {len(given)} forecasts and outcomes of shape {outcomes.shape}; "
                "give one outcome for each"
            )
        return [
            (Forecast.of(one, f"forecast[{number}]"), number) for number, one in enumerate(given)
        ], outcomes
    return [(Forecast.of(forecast), ...)], outcomes
