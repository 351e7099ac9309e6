"""The likelihoods: one function per form of statement, one per kind of unsound claim.

Every function returns log densities on x (or log probabilities, for verified bounds).
Throughout, a residual R is claim minus quantity in units of the claim's total sd.
Arrays broadcast; the engine passes claims as ``(pairs, 1)`` and nodes as ``(pairs, nodes)``.
The functions trust their input: it was validated where it entered the library.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, exp1, log_ndtr, ndtr, owens_t

from reliability import student_t
from reliability.claims.columns import Columns, Form, Knots

__all__ = [
    "BEYOND_ROUNDING",
    "HALF_LOG_2PI",
    "Claims",
    "Scatter",
    "UnsoundKind",
    "UnsoundLaw",
    "bound",
    "bound_with_excess",
    "box",
    "distribution_of_claim",
    "log_sound",
    "log_unsound",
    "normal",
    "quantiles",
    "score",
    "sound_and_unsound",
    "unsound_distribution",
    "unsound_precision",
    "unsound_standard",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)
LOG_2 = np.log(2.0)
#: exp(-this) added to 1 is rounded off. Exponentials of more are slow, for they underflow.
BEYOND_ROUNDING = 40.0
#: Residuals beyond this would overflow when squared; normal densities there are exp(-1e299).
LARGEST_RESIDUAL = 1e150
#: Exponentials of less than minus this are 0 beside anything that they are added to.
LARGEST_EXPONENT = 700.0
#: Normal probabilities beyond this many sds are 1 to the last digit.
_CERTAIN = 9.0
_TINY = np.finfo(np.float64).tiny
#: Degrees of freedom of a Student t that is normal as far as floats reach.
_NORMAL_DF = 1e4


class UnsoundKind(IntEnum):
    """What is known of a claim whose stated uncertainty is not honest."""

    FLOOR = 0
    WIDE = 1
    VOID = 2
    HEAVY = 3


@attrs.frozen
class UnsoundLaw:
    """The unsound density's kind, its factor K and, for HEAVY, its degrees of freedom.

    K is greater than 1; infinite is allowed for FLOOR.
    """

    kind: UnsoundKind
    factor: float = np.inf
    df: float = np.inf

    @property
    def power(self) -> float:
        """Exponent q of the density's tails |R|^-q: infinite if normal, 0 if it does not fall."""
        if self.kind is UnsoundKind.VOID:
            return 0.0
        if self.kind is UnsoundKind.HEAVY:
            return self.df + 1.0
        return 2.0 if np.isinf(self.factor) else np.inf

    @property
    def bend(self) -> float:
        """Scale in R at which a HEAVY density bends: its tails are |R|^-q well beyond.

        With very many degrees of freedom it is normal until it has fallen to nothing.
        """
        return float(self.factor * np.sqrt(min(self.df, _NORMAL_DF)))


def _squared(residual: Array) -> Array:
    """R^2, of residuals that a square would take beyond the floats as well."""
    size = np.minimum(np.abs(residual), LARGEST_RESIDUAL)
    return np.asarray(size * size)


# ------------------------------------------------------------------ sound forms


def normal(residual: Array, mean_sd: Array) -> Array:
    """Log density of a normal or two-piece normal estimate.

    ``-R^2/2 - log(sd) - log(2 pi)/2``; for a two-piece normal R uses the sd of its side and
    the normalisation the mean of both sds (Wallis 2014, doi:10.1214/13-STS417).

    >>> round(float(normal(np.array(0.0), np.array(1.0))), 6)
    -0.918939
    """
    return np.asarray(-0.5 * _squared(residual) - np.log(mean_sd) - HALF_LOG_2PI)


def box(distance: Array, half_width: Array, sd: Array) -> Array:
    """Log density of a uniform of given half-width blurred by a normal.

    ``[Phi((h - t)/sd) - Phi((-h - t)/sd)] / (2 h)`` with t the distance from the centre.

    >>> import numpy as np
    >>> one = np.array(1.0)
    >>> round(float(np.exp(box(np.array(0.0), 10 * one, one))), 6)
    0.05
    """
    z = np.abs(distance) / sd
    h = half_width / sd
    inside = np.asarray(h - z)
    # Most nodes lie far inside: there the probability is 1 to the last digit.
    out = np.zeros(inside.shape)
    uncertain = inside < _CERTAIN
    out[uncertain] = log_ndtr(inside[uncertain])
    if np.min(h) < _CERTAIN:
        with np.errstate(divide="ignore", invalid="ignore"):
            # Of a wide one the other end's probability is nothing beside this one's.
            out += np.log1p(-np.exp(log_ndtr(-h - z) - out))
    out -= np.log(2.0 * half_width)
    # A difference of two nearly equal probabilities loses digits: for a box that is narrow
    # beside the sd, integrate the normal density over it by its Taylor series instead.
    narrow = h * np.maximum(1.0, z) < 1e-3
    if np.any(narrow):
        z2, h2 = z * z, h * h
        series = h2 * (z2 - 1.0) / 6.0 + h2 * h2 * (z2 * z2 - 6.0 * z2 + 3.0) / 120.0
        with np.errstate(over="ignore", invalid="ignore"):
            taylor = -0.5 * z2 - HALF_LOG_2PI + np.log1p(np.where(narrow, series, 0.0))
        return np.where(narrow, taylor - np.log(sd), out)
    return out


def bound_with_excess(beyond: Array, excess: Array, sd: Array) -> Array:
    """Log density of "at least v": t = x - v is how far the quantity lies beyond the bound.

    ``Phi(t/s) exp(-max(t, 0)/lambda) / C`` with
    ``C = s/sqrt(2 pi) + lambda (1/2 + erfcx(s/(lambda sqrt 2))/2)``: whoever knew of much more
    would have named a larger round number.

    >>> one = np.array(1.0)
    >>> round(float(bound_with_excess(0 * one, one, 1e-9 * one)), 6)
    -0.693147
    """
    constant = sd / np.sqrt(2.0 * np.pi) + excess * (
        0.5 + 0.5 * erfcx(sd / (excess * np.sqrt(2.0)))
    )
    return np.asarray(log_ndtr(beyond / sd) - np.maximum(beyond, 0.0) / excess - np.log(constant))


def bound(beyond: Array, sd: Array) -> Array:
    """Log probability that a verified bound holds: ``Phi(t/s)``.

    >>> round(float(np.exp(bound(np.array(0.0), np.array(1.0)))), 6)
    0.5
    """
    return np.asarray(log_ndtr(beyond / sd))


def quantiles(x: Array, knot_row: IntArray, knots: Knots) -> Array:
    """Log density ``phi(z(x)) z'(x)`` of the smooth distribution through stated quantiles.

    Parameters
    ----------
    x : (pairs, nodes) coordinates, as distances from the claim's location
    knot_row : (pairs,) row of each pair in the knots table
    knots : the table of quintic pieces of z
    """
    out = np.empty(x.shape)
    for index, at in _pieces(x, knot_row, knots):
        u = x[index] - knots.origin[at]
        c1, c3, c4, c5 = knots.c1[at], knots.c3[at], knots.c4[at], knots.c5[at]
        square = u * u
        z = knots.c0[at] + u * (c1 + square * (c3 + u * (c4 + u * c5)))
        slope = c1 + square * (3.0 * c3 + u * (4.0 * c4 + 5.0 * u * c5))
        # Rounding at a piece's end may leave the slope a hair below its positive limit.
        out[index] = -0.5 * z * z - HALF_LOG_2PI + np.log(np.maximum(slope, _TINY))
    return out


def _pieces(
    x: Array, knot_row: IntArray, knots: Knots
) -> Iterator[tuple[IntArray | slice, tuple[IntArray, IntArray]]]:
    """Rows of points with the places of their pieces in the knots table.

    Panels have their edges on knots, so nearly every row lies on one piece, and its coefficients
    are looked up once: (rows, 1). The other rows have a piece per point.
    """
    first = _piece(x.min(axis=1, keepdims=True), knot_row, knots)
    one = (first == _piece(x.max(axis=1, keepdims=True), knot_row, knots))[:, 0]
    if one.all():
        yield slice(None), (knot_row[:, None], first)
        return
    rows = np.flatnonzero(one)
    yield rows, (knot_row[rows, None], first[rows])
    rows = np.flatnonzero(~one)
    yield rows, (knot_row[rows, None], _piece(x[rows], knot_row[rows], knots))


def _piece(x: Array, knot_row: IntArray, knots: Knots) -> IntArray:
    if len(knots.left) == 1:
        return np.asarray(np.searchsorted(knots.left[0, 1:], x, side="right"), dtype=np.int64)
    piece = np.zeros(x.shape, dtype=np.int64)
    for j in range(1, knots.left.shape[1]):
        piece += x >= knots.left[knot_row, j, None]
    return piece


# ------------------------------------------------------------------ unsound kinds


def unsound_standard(residual: Array, law: UnsoundLaw) -> Array:
    """Log of the unsound density of a standardised residual, without interest.

    Floor(K) (Sivia & Skilling 2006, section 8.3.1): the true sd lies between sigma and K sigma
    with density proportional to its inverse square,
    ``K/(K-1) [exp(-R^2/(2 K^2)) - exp(-R^2/2)] / (sqrt(2 pi) R^2)``.
    Wide(K) (Press 1996; Box & Tiao 1968): ``phi(R/K)/K``.
    Heavy(K, nu): Student's t, ``t_nu(R/K)/K`` (Lange, Little & Taylor 1989).

    >>> floor = UnsoundLaw(UnsoundKind.FLOOR, 10.0)
    >>> round(float(unsound_standard(np.array(0.0), floor)), 6)
    -1.516776
    """
    k = law.factor
    if law.kind is UnsoundKind.WIDE:
        return np.asarray(-0.5 * _squared(residual / k) - HALF_LOG_2PI - np.log(k))
    if law.kind is UnsoundKind.HEAVY:
        return np.asarray(student_t.log_density(residual / k, law.df) - np.log(k))
    spread = 1.0 - 1.0 / (k * k)
    square = _squared(residual)
    # [exp(-R^2/(2K^2)) - exp(-R^2/2)]/R^2 = exp(-R^2/(2K^2)) (spread/2) (1 - exp(-w))/w
    w = np.maximum(0.5 * spread * square, _TINY)
    fall = _fall(w, np.exp(-np.minimum(w, BEYOND_ROUNDING)))
    log_density = np.log(fall, out=fall) + (np.log(_floor_height(k)) - HALF_LOG_2PI)
    if not np.isinf(k):
        return np.asarray(log_density - square * (0.5 / (k * k)))
    if np.max(square, initial=0.0) >= LARGEST_RESIDUAL**2:
        ratio = np.maximum(np.abs(residual) / LARGEST_RESIDUAL, 1.0)
        log_density = log_density - 2.0 * np.log(ratio)
    return np.asarray(log_density)


def _floor_height(k: float) -> float:
    """Unsound over sound density of Floor(K) at R = 0."""
    return 0.5 * (1.0 - 1.0 / (k * k)) / (1.0 - 1.0 / k)


def _fall(w: Array, exponential: Array) -> Array:
    """``(1 - exp(-w))/w`` for w > 0, given the exponential."""
    fall = np.asarray(1.0 - exponential)
    # Only where w is small does the difference cancel; expm1 is slow.
    small = w < 0.5
    np.negative(np.expm1(-w, out=fall, where=small), out=fall, where=small)
    fall /= w
    return fall


def sound_and_unsound(residual: Array, law: UnsoundLaw) -> tuple[Array, Array | None]:
    """Densities of a standardised residual, sound and unsound, times sqrt(2 pi).

    For residuals that are not so large that these underflow. A Void has no such density.
    """
    half = residual * residual
    half *= 0.5
    np.maximum(half, _TINY, out=half)
    # Exponentials that underflow are slow.
    sound = np.exp(np.maximum(-half, -LARGEST_EXPONENT))
    if law.kind is UnsoundKind.VOID:
        return sound, None
    if law.kind is UnsoundKind.FLOOR and np.isinf(law.factor):
        unsound = _fall(half, sound)
        unsound *= _floor_height(law.factor)
        return sound, unsound
    if law.kind is UnsoundKind.HEAVY and law.df == 1.0:
        # Cauchy's density needs neither a logarithm nor a power.
        unsound = half * (2.0 / law.factor**2)
        unsound += 1.0
        return sound, np.divide(np.sqrt(2.0 / np.pi) / law.factor, unsound, out=unsound)
    return sound, np.exp(
        np.maximum(unsound_standard(residual, law) + HALF_LOG_2PI, -LARGEST_EXPONENT)
    )


def _upper_half(law: UnsoundLaw) -> float:
    """Mass at R > 0 of the unsound density tilted by 2 Phi(R)."""
    k = law.factor
    if law.kind is UnsoundKind.WIDE:
        return float(0.5 + np.arctan(k) / np.pi)
    if law.kind is UnsoundKind.HEAVY:
        return float(-np.expm1(_log_excluded_mass(np.zeros(1), law))[0])

    # The average of 1/2 + arctan(s)/pi over s in [1, K] with density K/(K-1) / s^2.
    def antiderivative(s: float) -> float:
        if np.isinf(s):
            return 0.0
        return float(-np.arctan(s) / s - 0.5 * np.log1p(1.0 / (s * s)))

    weight = 1.0 if np.isinf(k) else k / (k - 1.0)
    return 0.5 + weight * (antiderivative(k) - antiderivative(1.0)) / np.pi


def unsound_distribution(residual: Array, law: UnsoundLaw, interest: Array) -> Array:
    """Log of the unsound probability of a residual below R, with the interest's tilt 2 Phi(dR).

    Without interest, Floor(K): ``K/(K-1) [Phi(R) - Phi(R/K)/K + (phi(R) - phi(R/K))/R]``.
    With it, Owen's T function and the exponential integral E1 (Azzalini 1985 for the
    skew-normal; integrated over the floor's range of sds by parts). Heavy: quadrature of the
    side that the interest excludes.

    >>> law = UnsoundLaw(UnsoundKind.FLOOR, np.inf)
    >>> round(float(np.exp(unsound_distribution(np.array(0.0), law, np.array(0.0)))), 6)
    0.5
    """
    residual = np.clip(residual, -LARGEST_RESIDUAL, LARGEST_RESIDUAL)
    residual, interest = np.broadcast_arrays(residual, interest)
    log_below = _log_symmetric_distribution(residual, law)
    if not np.any(interest):
        return log_below
    k = law.factor
    tilted = interest != 0.0
    r, d = residual[tilted], interest[tilted]
    if law.kind is UnsoundKind.HEAVY:
        log_below = log_below.copy()
        log_below[tilted] = _tilted_by_quadrature(r, law, d)
        return log_below
    if law.kind is UnsoundKind.WIDE:
        owen = owens_t(r / k, d * k)
    else:
        # The integral over w = 1/s in [1/K, 1] of T(R w, d/w), by parts; weight K/(K-1).
        low = 1.0 / k
        square = np.maximum(0.5 * r * r, 1e-30)
        lean = d * (ndtr(r) - 0.5)  # Phi(dR) - 1/2 for d = +-1
        hump = np.exp(-square * low * low) - np.exp(-square)
        hump /= np.sqrt(2.0 * np.pi) * np.where(r == 0.0, 1.0, r)
        rest = exp1(square * (1.0 + low * low)) - exp1(2.0 * square)
        ends = owens_t(r, d) - (0.0 if low == 0.0 else low * owens_t(r * low, d / low))
        owen = (ends + lean * hump + d * rest / (4.0 * np.pi)) / (1.0 - low)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_tilted = np.log(np.exp(log_below[tilted]) - 2.0 * owen)
    # Far on the side that the interest excludes, the difference above has no digits left, nor
    # has it far below on the other side, where Phi(dR) is 1 to the last digit.
    far = r * d < -3.0
    log_tilted[far] = _excluded_tail(r[far], law, d[far])
    whole = (r < -9.0) & (d < 0.0)
    log_tilted[whole] = LOG_2 + log_below[tilted][whole]
    log_below = log_below.copy()
    log_below[tilted] = log_tilted
    return log_below


_TAIL_NODES, _TAIL_WEIGHTS = np.polynomial.legendre.leggauss(60)


def _excluded_tail(r: Array, law: UnsoundLaw, interest: Array) -> Array:
    """Log distribution function beyond r, where 2 Phi(dR) decays like exp(-R^2/2).

    For a residual on the excluded side d r < 0; the distribution function there is the mass
    below r for d = +1 and one minus the mass above r for d = -1.
    """
    log_mass = _log_far_excluded_mass(np.abs(r), law)
    return np.asarray(np.where(interest > 0.0, log_mass, np.log1p(-np.exp(log_mass))))


def _log_far_excluded_mass(q: Array, law: UnsoundLaw) -> Array:
    """Log of the unsound mass beyond q, well above 0, on the side that an interest excludes."""
    reach = 40.0 / q
    t = 0.5 * reach[:, None] * (_TAIL_NODES + 1.0)
    beyond = -(q[:, None] + t)
    logs = unsound_standard(beyond, law) + LOG_2 + log_ndtr(beyond)
    top = logs.max(axis=1, keepdims=True)
    return np.asarray(np.log(0.5 * reach * (np.exp(logs - top) @ _TAIL_WEIGHTS)) + top[:, 0])


#: Length in asinh(R/bend) of a panel on which the excluded mass of a HEAVY density is integrated.
_PANEL_OF_MASS = 3.0


def _log_excluded_mass(q: Array, law: UnsoundLaw) -> Array:
    """Log of the mass of a HEAVY density beyond q >= 0 on the side that an interest excludes.

    ``int_q^inf 2 Phi(-s) t_nu(s/K)/K ds``, s = K sqrt(nu) sinh(v): the tilt ends it at
    s^2 = q^2 + 80, and in v the density is as smooth whatever its degrees of freedom.
    """
    out = np.empty_like(q)
    far = q > 3.0
    out[far] = _log_far_excluded_mass(q[far], law)
    near = q[~far, None]
    if not near.size:
        return out
    low = np.arcsinh(near / law.bend)
    length = np.arcsinh(np.sqrt(near * near + 80.0) / law.bend) - low
    panels = int(np.ceil(length.max() / _PANEL_OF_MASS))
    t = (0.5 * (_TAIL_NODES + 1.0) + np.arange(panels)[:, None]).ravel() / panels
    v = low + length * t
    s = law.bend * np.sinh(v)
    logs = unsound_standard(s, law) + LOG_2 + log_ndtr(-s) + np.log(law.bend * np.cosh(v))
    mass = np.exp(logs) @ np.tile(0.5 * _TAIL_WEIGHTS / panels, panels)
    out[~far] = np.log(length[:, 0] * mass)
    return out


def _tilted_by_quadrature(r: Array, law: UnsoundLaw, interest: Array) -> Array:
    """Log of the distribution function of a HEAVY density with an interest's tilt.

    Beyond q on the side that it favours there is twice the symmetric mass but for what the tilt
    takes from the excluded side beyond q.
    """
    q = np.abs(r)
    log_outside = _log_excluded_mass(q, law)
    favoured = r * interest > 0.0
    twice = LOG_2 + student_t.log_tail(q[favoured] / law.factor, law.df)
    log_outside[favoured] = twice + np.log1p(-np.exp(log_outside[favoured] - twice))
    # At 0 the excluded side is meant.
    below = (r < 0.0) | ((r == 0.0) & (interest > 0.0))
    return np.where(below, log_outside, np.log1p(-np.exp(log_outside)))


def _log_symmetric_distribution(residual: Array, law: UnsoundLaw) -> Array:
    k = law.factor
    if law.kind is UnsoundKind.WIDE:
        return np.asarray(log_ndtr(residual / k))
    if law.kind is UnsoundKind.HEAVY:
        log_tail = student_t.log_tail(np.abs(residual) / k, law.df)
        return np.where(residual > 0.0, np.log1p(-np.exp(log_tail)), log_tail)
    # Written for R <= 0, where nothing cancels, and reflected.
    q = np.abs(residual)
    weight = 1.0 if np.isinf(k) else k / (k - 1.0)
    safe = np.maximum(q, 1e-8)
    spread = 1.0 - 1.0 / (k * k)
    w = 0.5 * spread * safe * safe
    gaussian = np.exp(-0.5 * (safe / k) ** 2) / np.sqrt(2.0 * np.pi)
    hump = gaussian * (-np.expm1(-w)) / safe
    wide = 0.0 if np.isinf(k) else ndtr(-safe / k) / k
    tail = weight * (ndtr(-safe) - wide + hump)
    # Near R = 0 the distribution is 1/2 + R u(0) to well below rounding.
    density = np.exp(unsound_standard(np.zeros(()), law))
    tail = np.where(q < 1e-8, 0.5 - q * density, tail)
    with np.errstate(divide="ignore"):
        log_tail = np.log(tail)
    far = safe / k > _FAR
    if np.any(far):
        log_tail[far] = _log_far_floor_tail(safe[far], k)
    return np.where(residual > 0.0, np.log1p(-np.exp(log_tail)), log_tail)


#: Residuals in units of the widest sd beyond which tails of probability are taken in logarithms.
_FAR = 8.0


def _log_far_floor_tail(q: Array, k: float) -> Array:
    """Log mass of Floor(K) above q, K finite and q/K large.

    With z = q/K and g(t) = 1/t - M(t), M Mills' ratio:
    ``K/(K-1) [phi(z) g(z)/K - phi(q) g(q)]``.
    """
    z = q / k
    log_wide = -0.5 * z * z + np.log(_mills_deficit(z)) - np.log(k)
    log_own = -0.5 * q * q + np.log(_mills_deficit(q))
    rest = np.log1p(-np.exp(log_own - log_wide))
    return np.asarray(np.log(k / (k - 1.0)) - HALF_LOG_2PI + log_wide + rest)


def _mills_deficit(t: Array) -> Array:
    """``1/t - M(t)``, M(t) = (1 - Phi(t))/phi(t): by its asymptotic series where it cancels."""
    inverse = 1.0 / (t * t)
    series = np.ones_like(t)
    for odd in range(15, 1, -2):
        series = 1.0 - odd * inverse * series
    direct = 1.0 / t - np.sqrt(0.5 * np.pi) * erfcx(t / np.sqrt(2.0))
    return np.where(t > 30.0, inverse * series / t, direct)


def unsound_precision(residual: Array, law: UnsoundLaw) -> Array:
    """Posterior mean of sigma^2 / (true variance) of an unsound claim with residual R.

    For Floor(K), with w = 1/s: ``int w^3 exp(-R^2 w^2/2) dw / int w exp(-R^2 w^2/2) dw``
    over [1/K, 1]; for Wide(K) it is 1/K^2; for Heavy(K, nu), a mixture of normals whose
    precision is a Gamma variable, ``(nu + 1)/((nu + R^2/K^2) K^2)``; a Void carries no
    information.

    >>> round(float(unsound_precision(np.array(0.0), UnsoundLaw(UnsoundKind.FLOOR, np.inf))), 6)
    0.5
    """
    if law.kind is UnsoundKind.VOID:
        return np.zeros_like(residual)
    k = law.factor
    if law.kind is UnsoundKind.WIDE:
        return np.full_like(residual, 1.0 / (k * k))
    if law.kind is UnsoundKind.HEAVY:
        return np.asarray((law.df + 1.0) / (law.df + _squared(residual / k)) / (k * k))
    # With g = w^2 uniform-weighted on [a, 1] and c = R^2/2: E[g] = int g e^{-cg} / int e^{-cg}
    # = a + (1 - a) m(y), m(y) = 1/y - 1/(e^y - 1), y = c (1 - a), m(0) = 1/2.
    a = 1.0 / (k * k)
    y = 0.5 * _squared(residual) * (1.0 - a)
    small = y < 1e-2
    safe = np.where(small, 1.0, y)
    with np.errstate(over="ignore"):
        mean = 1.0 / safe - 1.0 / np.expm1(safe)
    near = np.where(small, y, 0.0)
    series = 0.5 - near / 12.0 + near**3 / 720.0 - near**5 / 30240.0
    return a + (1.0 - a) * np.where(small, series, mean)


# ------------------------------------------------------------------ claims against nodes


@attrs.frozen(eq=False)
class Scatter:
    """Scatter common to all claims of a quantity: additive tau and multiplicative inflation."""

    tau: Array
    inflation: Array


@attrs.frozen(eq=False)
class Claims:
    """Claims paired with panels: every field has shape (pairs, 1) but ``knot_row`` (pairs,).

    ``offset`` is the bias-corrected location minus the panel's anchor, so that residuals keep
    their digits where claims are narrow and far from zero.
    """

    form: int
    offset: Array
    sd_low: Array
    sd_high: Array
    half_width: Array
    excess: Array
    direction: Array
    interest: Array
    point_sd: Array
    stretch: Array
    knot_row: IntArray
    void: Array
    asymmetric: bool

    @classmethod
    def pair(cls, columns: Columns, rows: IntArray, anchor: Array, scatter: Scatter) -> Claims:
        """Pair rows of one form with panels anchored at ``anchor`` under given scatter.

        Total sds: ``sqrt((k s)^2 + v + tau^2)``, the first term times the inflation.
        """
        form = int(columns.form[rows[0]]) if len(rows) else int(Form.NORMAL)

        def column(values: Array) -> Array:
            return np.asarray(values[rows])[:, None]

        factor = column(columns.overconfidence) * scatter.inflation
        extra = column(columns.bias_variance) + scatter.tau**2
        sd_low = np.sqrt((factor * column(columns.sd_low)) ** 2 + extra)
        asymmetric = form == Form.NORMAL and bool(
            np.any(columns.sd_low[rows] != columns.sd_high[rows])
        )
        sd_high = np.sqrt((factor * column(columns.sd_high)) ** 2 + extra) if asymmetric else sd_low
        half = column(columns.half_width)
        excess = column(columns.excess)
        point_sd = sd_low
        stretch = np.ones((1, 1))
        if form == Form.QUANTILES:
            stretch = column(columns.sd_low) / sd_low
        elif form == Form.BOX:
            scales = column(columns.width_scales) > 0.0
            if scales.all():
                half, shoulder = half * factor, extra
            else:
                half = half * np.where(scales, factor, 1.0)
                shoulder = np.where(scales, extra, sd_low * sd_low)
            point_sd = np.sqrt(shoulder + half * half / 3.0)
        elif form == Form.BOUND_WITH_EXCESS:
            point_sd = np.hypot(sd_low, excess)
        location = columns.location[rows] - columns.bias[rows]
        return cls(
            form=form,
            offset=((columns.location[rows] - anchor) - columns.bias[rows])[:, None],
            sd_low=sd_low,
            sd_high=sd_high,
            half_width=half,
            excess=excess,
            direction=column(columns.direction),
            interest=column(columns.interest),
            point_sd=point_sd,
            stretch=stretch,
            knot_row=columns.knot_row[rows],
            void=column(columns.void),
            asymmetric=asymmetric and location.size > 0,
        )

    def distance(self, d: Array) -> Array:
        """Claim minus quantity on x, at offsets d from the anchor."""
        return self.offset - d

    def _mean_sd(self) -> Array:
        return 0.5 * (self.sd_low + self.sd_high) if self.asymmetric else self.sd_low

    def residual(self, d: Array) -> Array:
        """Claim minus quantity in units of the sd of the point that an unsound claim is."""
        distance = self.distance(d)
        if self.asymmetric:
            sd = np.where(distance > 0.0, self.sd_low, self.sd_high)
        else:
            sd = self.point_sd
        with np.errstate(over="ignore"):
            return np.asarray(distance / sd)


def log_sound(claims: Claims, d: Array, knots: Knots) -> Array:
    """Log likelihood of sound claims at offsets d (pairs, nodes) from their anchors."""
    if claims.form == Form.NORMAL:
        return normal(claims.residual(d), claims._mean_sd())  # noqa: SLF001
    distance = claims.distance(d)
    if claims.form == Form.BOX:
        return box(distance, claims.half_width, claims.sd_low)
    if claims.form == Form.BOUND_WITH_EXCESS:
        return bound_with_excess(-claims.direction * distance, claims.excess, claims.sd_low)
    if claims.form == Form.BOUND:
        return bound(-claims.direction * distance, claims.sd_low)
    x = -distance * claims.stretch
    return quantiles(x, claims.knot_row, knots) + np.log(claims.stretch)


def log_unsound(claims: Claims, d: Array, law: UnsoundLaw) -> Array:
    """Log likelihood of unsound claims at offsets d (pairs, nodes) from their anchors."""
    if law.kind is UnsoundKind.VOID:
        return np.broadcast_to(claims.void, np.broadcast_shapes(claims.void.shape, d.shape))
    residual = claims.residual(d)
    if claims.form == Form.BOUND:
        # The bound holds where the unsound claim overshoots the quantity by less than it did:
        # for "at least" residuals above R, for "at most" residuals below it.
        return unsound_distribution(
            -claims.direction * residual, law, -claims.direction * claims.interest
        )
    log_density = unsound_standard(residual, law)
    if claims.form == Form.NORMAL:
        log_density = log_density - np.log(claims._mean_sd())  # noqa: SLF001
    else:
        log_density = log_density - np.log(claims.point_sd)
    if np.any(claims.interest):
        tilt = np.where(claims.interest != 0.0, LOG_2 + log_ndtr(claims.interest * residual), 0.0)
        log_density = log_density + tilt
        if claims.asymmetric:
            upper = _upper_half(law)
            toward = np.where(claims.interest > 0.0, upper, 1.0 - upper)
            mass = 2.0 * (claims.sd_low * toward + claims.sd_high * (1.0 - toward))
            mass = mass / (claims.sd_low + claims.sd_high)
            log_density = log_density - np.where(claims.interest != 0.0, np.log(mass), 0.0)
    return log_density


def log_point_sd(claims: Claims, d: Array) -> Array:
    """Log of the total sd that measures a claim's information (its side's, if two-piece)."""
    if claims.asymmetric:
        distance = claims.distance(d)
        return np.log(np.where(distance > 0.0, claims.sd_low, claims.sd_high))
    return np.broadcast_to(
        np.log(claims.point_sd), np.broadcast_shapes(claims.point_sd.shape, d.shape)
    )


def distribution_of_claim(claims: Claims, d: Array, knots: Knots) -> Array:
    """Probability that a sound claim of this form would fall below the one made, given x.

    For a verified bound: the probability that the bound holds.
    """
    distance = claims.distance(d)
    if claims.form == Form.NORMAL:
        low, high = claims.sd_low, claims.sd_high
        # Claim errors mirror x: a claim above x has R > 0 and the lower side's sd.
        return np.where(
            distance < 0.0,
            2.0 * high / (low + high) * ndtr(distance / high),
            1.0 - 2.0 * low / (low + high) * ndtr(-distance / low),
        )
    if claims.form == Form.BOX:
        # Distribution of uniform plus normal: [G(t + h) - G(t - h)]/(2 h), G' = Phi.
        sd, h = claims.sd_low, claims.half_width
        up, down = (distance + h) / sd, (distance - h) / sd

        def antiderivative(z: Array) -> Array:
            return np.asarray(z * ndtr(z) + np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi))

        whole = sd * (antiderivative(up) - antiderivative(down)) / (2.0 * h)
        # As in ``box``: the Taylor series of a narrow one.
        z, width2 = distance / sd, (h / sd) ** 2
        narrow = h / sd * np.maximum(1.0, np.abs(z)) < 1e-2
        density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
        bend = width2 / 6.0 + width2 * width2 * (z * z - 3.0) / 120.0
        return np.clip(np.where(narrow, ndtr(z) - z * density * bend, whole), 0.0, 1.0)
    if claims.form == Form.BOUND:
        return np.exp(bound(-claims.direction * distance, claims.sd_low))
    if claims.form == Form.BOUND_WITH_EXCESS:
        t, s, scale = -claims.direction * distance, claims.sd_low, claims.excess
        z = t / s
        constant = s / np.sqrt(2.0 * np.pi) + scale * (
            0.5 + 0.5 * erfcx(s / (scale * np.sqrt(2.0)))
        )
        low = np.minimum(z, 0.0)
        below = s * (low * ndtr(low) + np.exp(-0.5 * low * low) / np.sqrt(2.0 * np.pi))
        up = np.maximum(t, 0.0)
        # exp(s^2/(2 l^2)) [Phi(t/s + s/l) - Phi(s/l)] without overflow, via erfcx.
        root = np.sqrt(2.0)
        rest = 0.5 * (
            erfcx(s / (scale * root))
            - np.exp(-0.5 * (up / s) ** 2 - up / scale) * erfcx((up / s + s / scale) / root)
        )
        above = scale * (0.5 - np.exp(-up / scale) * ndtr(up / s) + rest)
        larger_claim = (below + above) / constant
        return np.asarray(np.where(claims.direction > 0.0, 1.0 - larger_claim, larger_claim))
    x = -distance * claims.stretch
    return 1.0 - np.asarray(ndtr(score(x, claims.knot_row, knots)))


def score(x: Array, knot_row: IntArray, knots: Knots) -> Array:
    """Standard normal score z(x) of the smooth distributions through stated quantiles.

    Parameters as in :func:`quantiles`.
    """
    out = np.empty(x.shape)
    for index, at in _pieces(x, knot_row, knots):
        u = x[index] - knots.origin[at]
        quintic = knots.c3[at] + u * (knots.c4[at] + u * knots.c5[at])
        out[index] = knots.c0[at] + u * (knots.c1[at] + u * u * quintic)
    return out
