"""Does a posterior exist, and which moments? Decided from exponents, before any quadrature.

At fixed scatter the likelihood's tail is the product of the claims' tails. With a scatter whose
prior falls like tau^-q, the region x ~ tau adds a tail |x|^-(A + q - 1), with A the sum of the
shares of the claims whose density falls like 1/tau; whichever is slower decides. A normal tail
exp(-tau^2/(2 c^2)) of the scatter's prior against normal claims of total information G leaves
exp(-sqrt(G) |x|/c), beside the exponentials of bounds.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns, Form
from reliability.engine.likelihoods import UnsoundKind, UnsoundLaw
from reliability.engine.panels import FARTHEST, LARGEST_LOG_SCATTER
from reliability.priors import PriorOnX, ScatterPrior
from reliability.scales import Scale
from reliability.tails import Tail

__all__ = ["Existence", "existence", "existences"]

Array = NDArray[np.float64]


@attrs.frozen(eq=False)
class Existence:
    """Tails of the posterior on x, and of the scatter's posterior: of one quantity or of many.

    Of many, all but ``scatter_scale`` have one entry per quantity. ``ways`` are the exponential
    rates of the upper tail and the information of its normals, (quantities, ways) each, for every
    choice of sound and unsound claims that may be the slowest. Where no posterior exists
    ``proper`` is false, for ``reason`` (of many: by quantity).
    """

    lower: Tail
    upper: Tail
    scatter_power: Any
    scatter_scale: float
    ways: tuple[Array, Array]
    proper: Any
    reason: Any

    def take(self, quantities: NDArray[Any]) -> Existence:
        """What is known of some of many quantities."""
        return Existence(
            self.lower.take(quantities),
            self.upper.take(quantities),
            self.scatter_power[quantities],
            self.scatter_scale,
            (self.ways[0][quantities], self.ways[1][quantities]),
            self.proper[quantities],
            {
                new: self.reason[old]
                for new, old in enumerate(quantities.tolist())
                if old in self.reason
            }
            if self.reason
            else {},
        )

    def of(self, quantity: int) -> Existence:
        """What is known of one of many quantities."""
        return Existence(
            self.lower.of(quantity),
            self.upper.of(quantity),
            float(self.scatter_power[quantity]),
            self.scatter_scale,
            (self.ways[0][quantity], self.ways[1][quantity]),
            bool(self.proper[quantity]),
            self.reason.get(quantity, ""),
        )

    @property
    def beyond_floats(self) -> Any:
        """Bound on the probability that lies beyond the largest floats, which no node sees."""
        powers = np.minimum(self.lower.effective_power, self.upper.effective_power)
        reach, scatter_reach = 0.9 * FARTHEST, 0.9 * LARGEST_LOG_SCATTER
        beyond = np.exp(-(powers - 1.0) * reach)
        return beyond + np.exp(-(self.scatter_power - 1.0) * scatter_reach)

    def moment(self, scale: Scale, order: float) -> Any:
        """Whether the quantity's moment of this order exists."""
        if scale.name == "linear":
            return self.lower.integrable(order) & self.upper.integrable(order)
        if scale.name == "log":
            return self.upper.integrable_exponential(order)
        return np.ones(np.shape(self.proper), dtype=bool)[()]

    def orders(self, scale: Scale) -> Any:
        """Highest moment of the quantity that exists, up to the second."""
        second = self.moment(scale, 2)
        return np.where(self.moment(scale, 1), np.where(second, 2, 1), 0)

    def predictive_moment(self, scale: Scale, order: float) -> bool:
        """Whether the moment of one quantity's x plus a normal of sd tau exists.

        On the log scale, with claims of total information G at a scatter tau, and exponential
        factors of total rate rho, the mean of exp(j (x + tau z)) is that of
        exp(j^2 tau^2/2 + max(j - rho, 0)^2 tau^2/(2 G)), against the prior's tail
        exp(-tau^2/(2 c^2)).
        """
        if not self.moment(scale, order):
            return False
        if scale.name == "linear":
            return self.scatter_moment(order)
        if scale.name == "logit" or self.scatter_scale == 0.0:
            return True
        if np.isinf(self.scatter_scale):
            return False
        of_x = [
            0.0 if self.upper.fast or rate >= order else (order - rate) ** 2 / information
            for rate, information in zip(*self.ways, strict=True)
        ]
        return bool((order**2 + max(of_x)) * self.scatter_scale**2 < 1.0)

    def scatter_moment(self, order: float) -> bool:
        """Whether the moment of one quantity's scatter exists."""
        return bool(self.scatter_power > order + 1.0)


@attrs.frozen(eq=False)
class _Side:
    """What the claims do towards one end of x.

    ``power`` is that of the claims with algebraic tails, (quantities,). The others fall
    exponentially or like a normal, some in either way according to whether they are sound:
    ``rate`` and ``gaussian`` (the information of the normals, in units of the scatter's),
    (quantities, ways), have one entry per way that may be the slowest, from all such claims
    unsound to all of them sound.
    """

    power: Array
    rate: Array
    gaussian: Array

    @property
    def normal(self) -> NDArray[np.bool_]:
        """Whether there is a normal tail that a scatter can stretch."""
        return np.asarray(self.gaussian[:, 0] > 0.0)

    def fixed(self) -> Tail:
        """Tail at a fixed scatter: an exponential is slower than a normal."""
        return Tail(self.power, self.rate[:, -1], self.gaussian[:, -1] > 0.0, smooth=False)


def _information(
    columns: Columns, law: UnsoundLaw, excluded: NDArray[np.bool_], *, upper: bool
) -> Array:
    """Least information of each claim's normal tails, where the scatter is all of its sd.

    An interest's tilt multiplies the unsound density by another normal tail. The outermost
    piece of stated quantiles has a slope of its own.
    """
    sound = np.ones(columns.count)
    stated = np.flatnonzero(columns.form == Form.QUANTILES)
    if len(stated):
        slope = columns.knots.c1[columns.knot_row[stated], -1 if upper else 0]
        sound[stated] = (slope * columns.sd_low[stated]) ** 2
    if law.kind is UnsoundKind.VOID:
        return sound
    unsound = np.where(excluded, 1.0, 0.0)
    if np.isinf(law.power):
        unsound = unsound + 1.0 / law.factor**2
    r = columns.reliability
    # Powers without the tilt have no normal tail; their claims' information is not used.
    return np.where(r == 1.0, sound, np.where(r == 0.0, unsound, np.minimum(sound, unsound)))


def _side(columns: Columns, law: UnsoundLaw, *, upper: bool) -> _Side:
    """Tails of all claims towards one end, multiplied.

    A sound claim falls like a normal, but for a bound towards its open side: exponentially, or
    not at all if verified. An unsound one falls like R^-2 under Floor(inf), R^-(nu + 1) under
    Heavy(K, nu) (R^-1 and R^-nu for the distribution function that a verified bound has), unless
    its interest excludes that side; a Void does not fall. What may be either falls as the slower
    of the two; which of a normal and an exponential that is depends on the scatter.
    """
    r, form = columns.reliability, columns.form
    if columns.plain and columns.sound:
        nothing = np.zeros(columns.quantities)
        return _Side(nothing, nothing[:, None], _total(columns, columns.share)[:, None])
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
        falls = ~verified & (excluded | bool(np.isinf(law.power)))
        unsound_fast = falls
        unsound_power = np.where(form == Form.BOUND, law.power - 1.0, law.power)
        unsound_power = np.where(verified | falls, 0.0, unsound_power)
    only_sound, only_unsound = r == 1.0, r == 0.0
    both = ~(only_sound | only_unsound)
    fast = np.where(
        only_sound, sound_fast, np.where(only_unsound, unsound_fast, unsound_fast & sound_fast)
    )
    either = both & exponential & unsound_fast
    # An unsound tail that is not fast is a power, slower than any exponential; a verified
    # bound's sound tail does not fall at all.
    by_sound = only_sound | (both & (unsound_fast | verified))
    power = np.where(by_sound, 0.0, unsound_power)
    share = columns.share
    information = share * _information(columns, law, excluded, upper=upper)
    rate = share * np.where(by_sound, sound_rate, 0.0)
    # Of all ways to choose, the slowest under rate + mu * information for some mu.
    fixed = ~(fast | either)
    more_rate, less_information = _ways(columns, either, rate, information)
    return _Side(
        _total(columns, np.where(fixed, share * power, 0.0)),
        _total(columns, np.where(fixed, rate, 0.0))[:, None] + more_rate,
        _total(columns, np.where(fast, information, 0.0))[:, None] + less_information,
    )


def _total(columns: Columns, values: Array) -> Array:
    """Sum over the claims of each quantity."""
    return columns.total(values)


def _ways(
    columns: Columns, either: NDArray[np.bool_], rate: Array, information: Array
) -> tuple[Array, Array]:
    """Rates and information of claims that fall in either way, from all unsound to all sound.

    (quantities, ways) each; a quantity with fewer of them repeats its last way.
    """
    quantities = columns.quantities
    rows = np.flatnonzero(either)
    owner = columns.quantity[rows]
    order = np.lexsort((rate[rows] / information[rows], owner))
    rows, owner = rows[order], owner[order]
    count = np.bincount(owner, minlength=quantities)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    most = int(count.max(initial=0))
    rates, left = np.zeros((2, quantities, most + 1))
    rates[owner, place + 1] = rate[rows]
    left[owner, place] = information[rows]
    return np.cumsum(rates, axis=1), np.cumsum(left[:, ::-1], axis=1)[:, ::-1]


def existence(
    columns: Columns,
    law: UnsoundLaw,
    prior: PriorOnX,
    scatter: ScatterPrior | None,
) -> Existence:
    """Tails of the posterior of one quantity, or the reason why there is none."""
    return existences(columns, law, prior, scatter).of(0)


def existences(
    columns: Columns,
    law: UnsoundLaw,
    prior: PriorOnX,
    scatter: ScatterPrior | None,
) -> Existence:
    """Tails of the posteriors of many quantities, or the reasons why there are none."""
    sides = {False: _side(columns, law, upper=False)}
    if columns.plain and columns.sound:
        sides[True], total = sides[False], sides[False].gaussian[:, 0]
    else:
        sides[True] = _side(columns, law, upper=True)
        void = (columns.reliability != 1.0) & (law.kind is UnsoundKind.VOID)
        spread_out = (columns.form != Form.BOUND) & ~void
        total = _total(columns, np.where(spread_out, columns.share, 0.0))
    power = np.inf if scatter is None else scatter.power
    scale = 0.0 if scatter is None else scatter.gaussian_scale

    def likelihood_tail(side: _Side) -> Tail:
        # The normals' slowest tail, with what they leave of the exponentials.
        rate = side.rate[:, 0]
        if np.isfinite(power):
            scaling = total + power - 1.0
            slower = np.where(side.normal, scaling, np.minimum(side.power, scaling))
            return Tail(slower, rate, np.zeros(len(rate), dtype=bool), smooth=False)
        # No scatter, or a bounded one, stretches nothing without limit.
        fixed = side.fixed()
        if scale == 0.0:
            return fixed
        plain = ~side.normal
        stretched = rate
        if np.isfinite(scale):
            stretched = np.min(side.rate + np.sqrt(side.gaussian) / scale, axis=1)
        return Tail(
            np.where(plain, fixed.power, 0.0),
            np.where(plain, fixed.rate, stretched),
            plain & fixed.fast,
            ~plain & bool(np.isinf(scale)),
        )

    lower = likelihood_tail(sides[False]).times(prior.lower_tail)
    upper = likelihood_tail(sides[True]).times(prior.upper_tail)
    bounded = prior.proper | ((lower.rate > 0.0) & (upper.rate > 0.0))
    scatter_power = power + total - np.where(bounded, 0.0, 1.0)
    # Without a scatter there is nothing to determine.
    undetermined = ~(scatter_power > 1.0) & (scatter is not None)
    open_below, open_above = ~lower.integrable(), ~upper.integrable()
    proper = ~(undetermined | open_below | open_above)
    reasons: dict[int, str] = {}
    for q in np.flatnonzero(~proper).tolist():
        rows = slice(columns.starts[q], columns.starts[q + 1])
        if undetermined[q]:
            reasons[q] = _undetermined(len(columns.form[rows]), prior, scatter)
        else:
            doubtful = bool(np.all(columns.reliability[rows] != 1.0))
            reasons[q] = _unbounded(bool(open_below[q]), bool(open_above[q]), doubtful)
    ways = sides[True].rate + prior.upper_tail.rate, sides[True].gaussian
    return Existence(lower, upper, scatter_power, scale, ways, proper, reasons)


def _undetermined(count: int, prior: PriorOnX, scatter: ScatterPrior | None) -> str:
    return (
        f"{count} claim{'s' if count != 1 else ''} cannot determine the "
        f"scatter under the prior {scatter!r}"
        + ("" if prior.proper else " together with a flat prior on the quantity")
        + "; give a proper prior on the scatter, such as HalfNormal(scale) or "
        "HalfCauchy(scale)"
    )


def _unbounded(below: bool, above: bool, doubtful: bool) -> str:
    ends = [name for name, is_open in (("below", below), ("above", above)) if is_open]
    return (
        f"nothing bounds the quantity from {' or from '.join(ends)}: the claims"
        + (" (every one of which may be unsound)" if doubtful else "")
        + " and the prior together have no finite integral; give a proper prior, such as "
        "prior=Normal(mean, sd), LogNormal(median, sigma) or Uniform(low, high)"
    )
