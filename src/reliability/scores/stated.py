"""Distributions of x, the quantity on its scale, that the rows of a table state."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr, ndtr, ndtri, ndtri_exp

from reliability.claims.columns import Columns, Form
from reliability.engine.likelihoods import (
    HALF_LOG_2PI,
    Claims,
    Scatter,
    distribution_of_claim,
    log_sound,
    score,
)
from reliability.scores.closed_forms import crps_normal
from reliability.scores.integrals import SHARE, TOLERANCE, integrate

__all__ = ["StatedDistributions"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Standard normal scores at whose probabilities the panels of an integral end.
_EDGES = np.array([-7.3, -6.0, -4.7, -3.7, -2.3, -1.3, 0.0, 1.3, 2.3, 3.7, 4.7, 6.0, 7.3])
#: Steps of a root find: halving alone, every other step, comes down to the last digit in fewer.
_STEPS = 300
#: Length of the last step beside the distance and the claim's width: rounding of scores far out
#: makes steps of a few 1e-15.
_CLOSE = 1e-14
_NO_SCATTER = Scatter(np.zeros((1, 1)), np.ones((1, 1)))


@attrs.frozen(eq=False)
class StatedDistributions:
    """Distributions of x that rows of one form state: their likelihoods if they are sound.

    Distances are counted from each row's location less its bias: ``claims`` are anchored there.
    A verified bound states no distribution.
    """

    claims: Claims
    columns: Columns

    @classmethod
    def of(cls, columns: Columns, rows: IntArray) -> StatedDistributions:
        """Distributions of some rows, all of one form."""
        location = columns.location[rows] - columns.bias[rows]
        return cls(Claims.pair(columns, rows, location, _NO_SCATTER), columns)

    def take(self, rows: IntArray) -> StatedDistributions:
        """Some of the rows."""
        every = len(self.claims.offset)
        # What no row has of its own stands there once.
        fields: dict[str, Any] = {
            name: value[rows] if isinstance(value, np.ndarray) and len(value) == every else value
            for name, value in attrs.asdict(self.claims, recurse=False).items()
        }
        return StatedDistributions(Claims(**fields), self.columns)

    @property
    def normal(self) -> bool:
        """Whether there are formulae."""
        return self.claims.form == Form.NORMAL and not self.claims.asymmetric

    def log_density(self, d: Array) -> Array:
        """Log density at distances (rows, points)."""
        return log_sound(self.claims, d, self.columns.knots)

    def above(self, d: Array) -> Array:
        """Probability of a larger x: of a smaller claim, had the quantity been there."""
        return distribution_of_claim(self.claims, d, self.columns.knots)

    def scores(self, d: Array) -> Array:
        """Standard normal scores z at distances (rows, points): the probability below is Phi(z).

        They keep the digits of probabilities near 0 and near 1, however small.
        """
        if self.normal:
            return np.asarray(d / self.claims.sd_low)
        if self.claims.form == Form.QUANTILES:
            x = -self.claims.distance(d) * self.claims.stretch
            return score(x, self.claims.knot_row, self.columns.knots)
        # Each side's tail is small on its own side only; there it is exact, the other is the rest.
        log_tail, below = self._log_tail(d)
        log_rest = np.log1p(-np.exp(log_tail))
        z = np.where(log_tail < log_rest, ndtri_exp(log_tail), -ndtri_exp(log_rest))
        return np.where(below, z, -z)

    def _log_tail(self, d: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Log probability beyond each distance on its side of the location; which side it is."""
        claims = self.claims
        if claims.form == Form.NORMAL:
            below = d < 0.0
            sd = np.where(below, claims.sd_low, claims.sd_high)
            side = np.log(2.0 * sd / (claims.sd_low + claims.sd_high))
            return side + log_ndtr(-np.abs(d) / sd), below
        if claims.form == Form.BOX:
            return _log_box_tail(np.abs(d), claims.half_width, claims.sd_low), d < 0.0
        toward = claims.direction * d
        tail = _log_tail_of_bound(toward, claims.excess, claims.sd_low)
        return tail, (toward < 0.0) == (claims.direction > 0.0)

    def quantiles(self, p: Array) -> Array:
        """Distances (rows, m) with probability p (m,) below."""
        return self.at_scores(np.asarray(ndtri(p)))

    def at_scores(self, z: Array) -> Array:
        """Distances (rows, m) with standard normal scores z, (m,) or (rows, m).

        By Newton's method inside a bracket, which is halved where steps do not shrink by half in
        two (Press et al. 2007, section 9.4), rows at once.
        """
        if self.normal:
            return np.asarray(self.claims.sd_low * z)
        width = self.claims.point_sd + self.claims.half_width
        z, unit = np.broadcast_arrays(z, width)
        low, high = -unit, unit.copy()
        for end, sign in ((low, -1.0), (high, 1.0)):
            for _ in range(_STEPS):
                short = sign * (z - self.scores(end)) > 0.0
                if not short.any():
                    break
                end[short] *= 2.0
        d, last, before = 0.5 * (low + high), high - low, high - low
        done = np.zeros(d.shape, dtype=bool)
        for _ in range(_STEPS):
            at = self.scores(d)
            right = at < z
            low, high = np.where(right, d, low), np.where(right, high, d)
            with np.errstate(all="ignore"):  # far out the slope has no floats; halve there
                slope = np.exp(self.log_density(d) + 0.5 * at * at + HALF_LOG_2PI)
                new = d - (at - z) / slope
            newton = (low <= new) & (new <= high) & (np.abs(new - d) <= 0.5 * before)
            new = np.where(newton, new, 0.5 * (low + high))
            before, last = last, np.abs(new - d)
            d = np.where(done, d, new)
            close = _CLOSE * (np.abs(d) + unit)
            done |= (last <= close) | (high - low <= close)
            if done.all():
                break
        return np.asarray(d)

    def crps(self, truth: Array) -> Array:
        """CRPS at distances (rows,)."""
        if self.normal:
            return np.asarray(crps_normal(0.0, self.claims.sd_low[:, 0], truth))
        edges = np.concatenate([self.quantiles(ndtr(_EDGES)), truth[:, None]], axis=1)
        edges = np.sort(edges, axis=1)
        rows, panels = len(truth), edges.shape[1] - 1
        owner = np.repeat(np.arange(rows), panels)
        low, high = edges[:, :-1].ravel(), edges[:, 1:].ravel()
        below = high <= truth[owner]

        def square(panel: IntArray, d: Array) -> Array:
            above = self.take(owner[panel]).above(d)
            return np.where(below[panel, None], 1.0 - above, above) ** 2

        # The score of a distribution at its own median is some tenth of its quartiles' distance.
        unit = 0.1 * (edges[:, -1] - edges[:, 0]) / (_EDGES[-1] - _EDGES[0])
        found = integrate(square, low, high, (SHARE * TOLERANCE * unit)[owner])
        return np.asarray(found.reshape(rows, panels).sum(axis=1))


def _log_ramp(z: Array) -> Array:
    """Log of the integral of Phi up to z, ``z Phi(z) + phi(z)``, for z <= 0."""
    mills = np.sqrt(0.5 * np.pi) * erfcx(-z / np.sqrt(2.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        # 1 + z M(z) nears 1/z^2, and 1e-8 of it is below the digits that the log keeps.
        rest = np.where(z < -1e4, -2.0 * np.log(-z), np.log1p(z * mills))
    return np.asarray(-0.5 * z * z - HALF_LOG_2PI + rest)


def _log_box_tail(distance: Array, half_width: Array, sd: Array) -> Array:
    """Log probability further than a distance >= 0 on one side of a blurred uniform's centre.

    ``sd/(2 h) [G((h - d)/sd) - G((-h - d)/sd)]`` with G the integral of Phi.
    """
    z, h = -distance / sd, half_width / sd
    outer, inner = _log_ramp(z - h), z + h
    beyond = _log_ramp(-np.abs(inner))
    with np.errstate(divide="ignore", invalid="ignore"):
        outside = beyond + np.log1p(-np.exp(outer - beyond))
        inside = np.log(np.maximum(inner, 0.0) + np.exp(beyond) - np.exp(outer))
    whole = np.where(inner > 0.0, inside, outside) - np.log(2.0 * h)
    # As the distribution function in the engine: the Taylor series of a narrow one.
    narrow = h * np.maximum(1.0, -z) < 1e-2
    if not np.any(narrow):
        return np.asarray(whole)
    square = h * h
    bend = square / 6.0 + square * square * (z * z - 3.0) / 120.0
    over_phi = np.sqrt(0.5 * np.pi) * erfcx(-z / np.sqrt(2.0))
    series = np.log1p(np.where(narrow, -z * bend / over_phi, 0.0))
    return np.where(narrow, log_ndtr(z) + series, whole)


def _log_tail_of_bound(beyond: Array, excess: Array, sd: Array) -> Array:
    """Log probability further beyond a bound with excess, or where it fails, of failing by more.

    The density is that of :func:`reliability.engine.likelihoods.bound_with_excess`, C its
    constant. With t < 0, below t: ``s G(t/s)/C``, G the integral of Phi; with t >= 0, above t:
    ``lambda exp(-t/lambda) [Phi(t/s) + exp(-(t/s)^2/2) erfcx((t/s + s/lambda)/sqrt 2)/2]/C``.
    """
    root = np.sqrt(2.0)
    constant = sd / np.sqrt(2.0 * np.pi) + excess * (0.5 + 0.5 * erfcx(sd / (excess * root)))
    z, t = beyond / sd, np.maximum(beyond, 0.0)
    up = np.maximum(z, 0.0)
    rest = 0.5 * np.exp(-0.5 * up * up) * erfcx((up + sd / excess) / root)
    above = np.log(excess) - t / excess + np.log(ndtr(up) + rest)
    failing = np.log(sd) + _log_ramp(np.minimum(z, 0.0))
    return np.asarray(np.where(beyond < 0.0, failing, above) - np.log(constant))
