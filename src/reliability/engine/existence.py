"""Does a posterior exist, and which moments? Decided from exponents, before any quadrature.

At fixed scatter the likelihood's tail is the product of the claims' tails. With a scatter whose
prior falls like tau^-q, the region x ~ tau adds a tail |x|^-(A + q - 1), with A the sum of the
shares of the claims whose density falls like 1/tau; whichever is slower decides. A normal tail
exp(-tau^2/(2 c^2)) of the scatter's prior against normal claims of total information G leaves
exp(-sqrt(G) |x|/c).
"""

from __future__ import annotations

import attrs
import numpy as np

from reliability.claims.columns import Columns, Form
from reliability.engine.likelihoods import UnsoundKind, UnsoundLaw
from reliability.engine.panels import LARGEST_LOG, LARGEST_LOG_SCATTER
from reliability.priors import PriorOnX, ScatterPrior
from reliability.scales import Scale
from reliability.tails import Tail

__all__ = ["Existence", "existence"]


@attrs.frozen
class Existence:
    """Tails of the posterior on x, and of the scatter's posterior.

    ``lower`` and ``upper`` are None where no posterior exists, for ``reason``.
    """

    lower: Tail
    upper: Tail
    scatter_power: float
    scatter_scale: float
    proper: bool
    reason: str = ""

    @property
    def beyond_floats(self) -> float:
        """Bound on the probability that lies beyond the largest floats, which no node sees."""
        x_decay = min(self.lower.effective_power, self.upper.effective_power) - 1.0
        scatter_decay = self.scatter_power - 1.0
        reach, scatter_reach = 0.9 * LARGEST_LOG, 0.9 * LARGEST_LOG_SCATTER
        return float(np.exp(-x_decay * reach) + np.exp(-scatter_decay * scatter_reach))

    def moment(self, scale: Scale, order: int) -> bool:
        """Whether the quantity's moment of this order exists."""
        if scale.name == "linear":
            return self.lower.integrable(order) and self.upper.integrable(order)
        if scale.name == "log":
            return self.upper.integrable_exponential(order)
        return True

    def predictive_moment(self, scale: Scale, order: int) -> bool:
        """Whether the moment of x plus a normal of sd tau exists.

        On the log scale, with prior tail exp(-tau^2/(2 c^2)) and claims of total information
        G, the mean of exp(j (x + tau z)) is that of exp(j^2 tau^2 (1 + 1/G)/2).
        """
        if not self.moment(scale, order):
            return False
        if scale.name == "linear":
            return self.scatter_moment(order)
        if scale.name == "logit" or self.scatter_scale == 0.0:
            return True
        if np.isinf(self.scatter_scale):
            return False
        c = self.scatter_scale
        spread = 1.0 if self.upper.fast else 1.0 + 1.0 / (self.upper.rate * c) ** 2
        return order**2 * spread * c**2 < 1.0

    def scatter_moment(self, order: int) -> bool:
        """Whether the scatter's moment of this order exists."""
        return self.scatter_power > order + 1.0


@attrs.frozen
class _Side:
    """What the claims do towards one end of x, split by whether the scatter stretches it."""

    power: float
    gaussian: float
    rate: float

    def tail(self) -> Tail:
        return Tail(self.power, self.rate, fast=self.gaussian > 0.0)


def _side(columns: Columns, law: UnsoundLaw, *, upper: bool, stretched: bool) -> _Side:
    """Tails of all claims towards one end, multiplied.

    A sound claim falls like a normal, but for a bound towards its open side: exponentially, or
    not at all if verified. An unsound one falls like R^-2 under Floor(inf) (R^-1 for the
    distribution function that a verified bound has), unless its interest excludes that side;
    a Void does not fall. What may be either falls as the slower of the two: where a scatter
    stretches normal tails (``stretched``) that is the unsound one, not the bound's exponential.
    """
    r, form = columns.reliability, columns.form
    open_side = (columns.direction > 0.0) == upper
    verified = (form == Form.BOUND) & open_side
    exponential = (form == Form.BOUND_WITH_EXCESS) & open_side
    sound_fast = ~(verified | exponential)
    with np.errstate(divide="ignore"):
        sound_rate = np.where(exponential, 1.0 / columns.excess, 0.0)
    # An interest to overstate (+1) excludes unsound claims below the quantity: no upper tail.
    excluded = columns.interest > 0.0 if upper else columns.interest < 0.0
    if law.kind is UnsoundKind.VOID:
        unsound_fast = np.zeros(columns.count, dtype=bool)
        unsound_power = np.zeros(columns.count)
    else:
        heavy = law.kind is UnsoundKind.FLOOR and bool(np.isinf(law.factor))
        falls = ~verified & (excluded | (not heavy))
        unsound_fast = falls
        unsound_power = np.where(form == Form.BOUND, 1.0, 2.0)
        unsound_power = np.where(verified | falls, 0.0, unsound_power)
    only_sound, only_unsound = r == 1.0, r == 0.0
    fast = np.where(
        only_sound,
        sound_fast,
        np.where(only_unsound, unsound_fast, unsound_fast & (sound_fast | stretched)),
    )
    # An unsound tail that is not fast is a power, slower than any exponential; a verified
    # bound's sound tail does not fall at all.
    by_sound = only_sound | (~only_unsound & (unsound_fast | verified))
    power = np.where(by_sound, 0.0, unsound_power)
    rate = np.where(by_sound, sound_rate, 0.0)
    factor = np.where(only_sound | np.isinf(law.factor), 1.0, law.factor)
    share = columns.share
    return _Side(
        float(np.sum(np.where(fast, 0.0, share * power))),
        float(np.sum(np.where(fast, share / factor**2, 0.0))),
        float(np.sum(np.where(fast, 0.0, share * rate))),
    )


def existence(
    columns: Columns,
    law: UnsoundLaw,
    prior: PriorOnX,
    scatter: ScatterPrior | None,
) -> Existence:
    """Tails of the posterior of one quantity, or the reason why there is none."""
    stretched = scatter is not None
    sides = {
        upper: _side(columns, law, upper=upper, stretched=stretched) for upper in (False, True)
    }
    void = (columns.reliability != 1.0) & (law.kind is UnsoundKind.VOID)
    spread_out = (columns.form != Form.BOUND) & ~void
    total = float(columns.share[spread_out].sum())
    power = np.inf if scatter is None else scatter.power
    scale = 0.0 if scatter is None else scatter.gaussian_scale

    def likelihood_tail(side: _Side) -> Tail:
        tail = side.tail()
        if np.isfinite(power):
            scaling = total + power - 1.0
            if tail.fast:
                return Tail(scaling, side.rate)
            return Tail(min(side.power, scaling), side.rate)
        # No scatter, or a bounded one, stretches nothing without limit.
        if scale == 0.0 or not tail.fast:
            return tail
        if np.isfinite(scale):
            return Tail(rate=side.rate + float(np.sqrt(side.gaussian)) / scale)
        return Tail(rate=side.rate, smooth=True)

    lower = likelihood_tail(sides[False]).times(prior.lower_tail)
    upper = likelihood_tail(sides[True]).times(prior.upper_tail)
    bounded = prior.proper or (lower.rate > 0.0 and upper.rate > 0.0)
    scatter_power = power + total - (0.0 if bounded else 1.0)
    reason = ""
    if scatter is not None and not scatter_power > 1.0:
        reason = (
            f"{columns.count} claim{'s' if columns.count != 1 else ''} cannot determine the "
            f"scatter under the prior {scatter!r}"
            + ("" if prior.proper else " together with a flat prior on the quantity")
            + "; give a proper prior on the scatter, such as HalfNormal(scale) or "
            "HalfCauchy(scale)"
        )
    elif not (lower.integrable() and upper.integrable()):
        ends = [
            name for name, tail in (("below", lower), ("above", upper)) if not tail.integrable()
        ]
        reason = (
            f"nothing bounds the quantity from {' or from '.join(ends)}: the claims"
            + (" (every one of which may be unsound)" if _all_doubtful(columns) else "")
            + " and the prior together have no finite integral; give a proper prior, such as "
            "prior=Normal(mean, sd), LogNormal(median, sigma) or Uniform(low, high)"
        )
    return Existence(lower, upper, scatter_power, scale, not reason, reason)


def _all_doubtful(columns: Columns) -> bool:
    return bool(np.all(columns.reliability != 1.0))
