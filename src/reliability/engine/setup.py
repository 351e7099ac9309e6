"""Everything but the claims, and what it says of them: closed forms, shared bias, refusals."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns, Form
from reliability.engine.likelihoods import UnsoundLaw
from reliability.errors import NumericalError
from reliability.priors import Beta, PriorsOnX, QuantityPrior, ScatterPrior
from reliability.scales import Scale

__all__ = ["COARSEST", "Setup", "closed_form", "hulls", "refusal", "shared_sds", "unresolved"]

Array = NDArray[np.float64]

#: Relative error of a posterior above which it is refused.
COARSEST = 1e-2


@attrs.frozen(eq=False)
class Setup:
    """Everything but the claims: what leaving some of them out keeps.

    ``correlation`` is that of the claims' stated errors, where they are correlated; ``zero`` the
    prior probability that there is nothing.
    """

    law: UnsoundLaw
    prior: QuantityPrior
    scale: Scale
    unknown: Beta
    heterogeneity: ScatterPrior | None
    inflation: ScatterPrior | None
    shared: float
    correlation: Array | None
    zero: float = 0.0

    @property
    def scatter(self) -> ScatterPrior | None:
        """The prior on the scatter, of whichever kind."""
        return self.heterogeneity if self.heterogeneity is not None else self.inflation


def hulls(columns: Columns) -> tuple[Array, Array]:
    """Extent on x of the numbers that the claims about each quantity state."""
    starts = columns.starts[:-1]
    return (
        np.minimum.reduceat(columns.hull_low, starts),
        np.maximum.reduceat(columns.hull_high, starts),
    )


def shared_sds(columns: Columns, setup: Setup) -> Array:
    """Sd on x of the bias common to all claims about each quantity."""
    return setup.shared * np.minimum.reduceat(columns.stated_sd, columns.starts[:-1])


def closed_form(columns: Columns, priors: PriorsOnX) -> NDArray[np.bool_]:
    """Of which quantities the claims are sound and normal, and the prior normal or flat."""
    prior = priors.shared
    if not (prior.normal is not None or (not prior.proper and np.isinf(prior.high))):
        return np.zeros(columns.quantities, dtype=bool)
    plain = (columns.form == Form.NORMAL) & (columns.sd_low == columns.sd_high)
    plain &= columns.reliability == 1.0
    return np.asarray(np.logical_and.reduceat(plain, columns.starts[:-1]))


ROUNDED_AWAY = (
    "claims that cannot be unsound, or whose unsound tails are normal too, lie millions of their "
    "sds from each other or from the prior: floats hold no digits of such a posterior; check "
    "units, state larger sds, or use Model(unsound=Floor(inf)) with reliabilities below 1, whose "
    "tails bear any conflict"
)


def refusal(error: float, noise: float) -> NumericalError:
    """Why a posterior is refused that has this error, of which this much is rounding."""
    # Coefficients of many halved panels may add up to a hundred times the rounding of one.
    if not noise <= 1e-2 * COARSEST:
        return NumericalError(ROUNDED_AWAY)
    return unresolved(error, "the posterior")


def unresolved(error: float, what: str) -> NumericalError:
    """Why a density is refused of which quadrature has not even the leading digits."""
    return NumericalError(
        f"{what} has no finite integral, or one that quadrature cannot resolve (its relative "
        f"error is {error:.2g}); give a prior whose density has no singularity, or state the "
        "claims in a unit in which they are closer to 1"
    )
