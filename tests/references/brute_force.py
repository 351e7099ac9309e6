"""Brute-force posteriors in 30 to 50 digits, to test the library against.

Nothing here is shared with the library: the model is written out again from its definition, and
every integral is a composite Gauss-Legendre sum over panels that are narrower than anything in the
integrand (graded towards every claim, every kink, the prior), continued geometrically into the
tails until what is left no longer counts. Nothing is fast, nothing is clever.

Problems are plain dictionaries (one entry of ``brute_force.json``). The numbers are mpmath's; where
gmpy2 is installed the same code can run on its ``mpfr`` numbers, several times faster, which serves
for the nested integrals and as a check by a second arithmetic.

Run ``python brute_force.py`` to recompute every result in ``brute_force.json``, or
``python brute_force.py NAME ...`` to recompute some.
"""

from __future__ import annotations

import json
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

import mpmath

try:
    import gmpy2
except ImportError:
    gmpy2 = None

Number = Any  # an mpf of mpmath or an mpfr of gmpy2
Function = Callable[[Number], Number]
LEVELS = ("0.01", "0.05", "0.5", "0.95", "0.99")
STEEPEST = 1.2  # slope of a score at a knot over the smaller secant beside it, at the most
CENTRAL_90 = 1.6448536269514722  # normal quantile of 0.95, as the convention for hulls states it


# ---------------------------------------------------------------------------------------------
# Arithmetic
# ---------------------------------------------------------------------------------------------
class Arithmetic:
    """Real numbers of a given precision with the few functions that the model needs."""

    def __init__(self, digits: int, backend: str = "mpmath") -> None:
        """Use ``backend`` "mpmath" or "gmpy2" with at least ``digits`` decimal digits."""
        self.digits = digits
        self.backend = backend
        self.mp = mpmath.MPContext()
        self.mp.dps = digits
        if backend == "mpmath" or gmpy2 is None:
            lib: Any = self.mp
            self.number: Callable[[Any], Number] = self.mp.mpf
            self.version = f"mpmath {mpmath.__version__}"
        else:
            lib = gmpy2
            gmpy2.get_context().precision = self.mp.prec
            self.number = gmpy2.mpfr
            self.version = f"gmpy2 {gmpy2.version()} ({gmpy2.mpfr_version()})"
        self.exp, self.expm1, self.log = lib.exp, lib.expm1, lib.log
        self.sqrt, self.erfc = lib.sqrt, lib.erfc
        self.pi = self.convert(self.mp.pi)
        self.root2 = self.sqrt(self.number(2))
        self.root2pi = self.sqrt(2 * self.pi)

    def convert(self, value: Any) -> Number:
        """Return an mpmath number in this arithmetic."""
        return self.number(self.mp.nstr(+value, self.digits + 12))

    def rational(self, value: Fraction) -> Number:
        """Return a fraction in this arithmetic."""
        return self.number(value.numerator) / self.number(value.denominator)

    def normal_density(self, z: Number) -> Number:
        """Return the standard normal density."""
        return self.exp(-z * z / 2) / self.root2pi

    def normal_cdf(self, z: Number) -> Number:
        """Return the standard normal distribution function."""
        return self.erfc(-z / self.root2) / 2

    def normal_between(self, low: Number, high: Number) -> Number:
        """Return the standard normal probability between two points, without cancellation."""
        if low > 0:
            low, high = -high, -low
        return self.normal_cdf(high) - self.normal_cdf(low)

    def normal_quantile(self, p: float | Number) -> Number:
        """Return the standard normal quantile of an exactly given double ``p``."""
        with self.mp.workdps(self.digits + 15):
            return self.convert(-self.mp.sqrt(2) * self.mp.erfinv(1 - 2 * self.mp.mpf(p)))

    def erfcx(self, z: Number) -> Number:
        """Return exp(z^2) erfc(z) for z >= 0."""
        if z < 20:
            return self.exp(z * z) * self.erfc(z)
        total = term = self.number(1)
        k = 1
        while abs(term) > self.number(10) ** (-self.digits - 5):
            term = -term * (2 * k - 1) / (2 * z * z)
            total += term
            k += 1
        return total / (z * self.sqrt(self.pi))

    def nodes(self, order: int) -> list[tuple[Number, Number]]:
        """Return the Gauss-Legendre nodes and weights on [0, 1]."""
        return [(self.convert(x), self.convert(w)) for x, w in _legendre(order, self.digits + 10)]


@cache
def _legendre(order: int, digits: int) -> list[tuple[Any, Any]]:
    """Return Gauss-Legendre nodes and weights on [0, 1] by Newton's method on the polynomial."""
    mp = mpmath.MPContext()
    mp.dps = digits
    rule = []
    for i in range(order):
        x = mp.cos(mp.pi * (i + mp.mpf(3) / 4) / (order + mp.mpf(1) / 2))
        slope = mp.one
        for _ in range(60):
            before, here = mp.one, x
            for k in range(2, order + 1):
                before, here = here, ((2 * k - 1) * x * here - (k - 1) * before) / k
            slope = order * (x * here - before) / (x * x - 1)
            step = here / slope
            x -= step
            if abs(step) < mp.mpf(10) ** (3 - digits):
                break
        rule.append(((1 + x) / 2, 1 / ((1 - x * x) * slope * slope)))
    return rule[::-1]


# ---------------------------------------------------------------------------------------------
# Digits: rounding units and salient numbers
# ---------------------------------------------------------------------------------------------
def rounding_unit(value: float) -> Fraction | None:
    """Return the coarsest of 1, 2, 5 times 10^k that divides the decimal text of ``value``."""
    exact = Fraction(Decimal(repr(value)))
    if exact == 0:
        return None
    return max(
        unit
        for k in range(-25, 25)
        for unit in (Fraction(10) ** k * m for m in (1, 2, 5))
        if (exact / unit).denominator == 1
    )


def _steps() -> list[Fraction]:
    """Return the sequence of rounding steps 1, 2, 5, 10, 20, ... in increasing order."""
    return [Fraction(10) ** k * m for k in range(-30, 30) for m in (1, 2, 5)]


def coarser(unit: Fraction) -> Fraction:
    """Return the next coarser rounding step."""
    return next(step for step in _steps() if step > unit)


def finer(unit: Fraction) -> Fraction:
    """Return the next finer rounding step."""
    return next(step for step in reversed(_steps()) if step < unit)


def next_salient(value: float, direction: int) -> Fraction:
    """Return the next of 1, 1.5, 2, 3, 5, 7.5 times 10^k (or a negative) above or below."""
    exact = Fraction(Decimal(repr(value)))
    heads = [Fraction(h) for h in ("1", "1.5", "2", "3", "5", "7.5")]
    positive = [Fraction(10) ** k * h for k in range(-25, 25) for h in heads]
    salient = sorted([*positive, *(-s for s in positive)])
    if direction > 0:
        return next(s for s in salient if s > exact)
    return next(s for s in reversed(salient) if s < exact)


# ---------------------------------------------------------------------------------------------
# Scales
# ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Scale:
    """The scale of a quantity: x = g(theta), its derivative and its inverse."""

    name: str
    real: Arithmetic

    def __call__(self, theta: Number) -> Number:
        """Return x = g(theta)."""
        if self.name == "linear":
            return theta
        if self.name == "log":
            return self.real.log(theta)
        return self.real.log(theta / (1 - theta))

    def slope(self, theta: Number) -> Number:
        """Return |g'(theta)|."""
        if self.name == "linear":
            return self.real.number(1)
        if self.name == "log":
            return 1 / theta
        return 1 / (theta * (1 - theta))

    def inverse(self, x: Number) -> Number:
        """Return theta."""
        if self.name == "linear":
            return x
        if self.name == "log":
            return self.real.exp(x)
        return 1 / (1 + self.real.exp(-x))

    def contains(self, theta: Number) -> bool:
        """Tell whether theta lies inside the scale's range."""
        if self.name == "linear":
            return True
        return theta > 0 and (self.name == "log" or theta < 1)


# ---------------------------------------------------------------------------------------------
# Panels
# ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Settings:
    """How finely to integrate."""

    digits: int = 40
    backend: str = "mpmath"
    order: int = 48  # nodes in a panel
    width: float = 1.5  # a panel's width, in units of the local scale
    growth: float = 1.0  # a tail panel's width, in units of its distance
    scatter_order: int = 24
    scatter_growth: float = 0.6  # a scatter panel's width, in units of its distance
    far_scatter_growth: float = 1.2  # the same, beyond everything that is stated
    logit_step: float = 0.3  # of the trapezoidal rule in logit p
    tail: float = 1e-27  # what may be left out, relative


Centre = tuple[Number, Number]  # a location and the width of what happens there


def local_scale(centres: Sequence[Centre], low: Number, high: Number) -> Number:
    """Return the smallest over the centres of max(scale, distance to the interval)."""
    best = None
    for location, scale in centres:
        distance = max(low - location, location - high)
        here = max(scale, distance)
        if best is None or here < best:
            best = here
    return best


def split(
    low: Number, high: Number, centres: Sequence[Centre], width: float
) -> list[tuple[Number, Number]]:
    """Bisect an interval until every panel is narrow on the local scale."""
    if high - low <= width * local_scale(centres, low, high):
        return [(low, high)]
    middle = (low + high) / 2
    return [*split(low, middle, centres, width), *split(middle, high, centres, width)]


@dataclass
class Panel:
    """An interval with the integrand's values on its nodes."""

    low: Number
    high: Number
    points: list[Number]
    masses: list[Number]  # weight times integrand

    @property
    def mass(self) -> Number:
        """Return the integral over the panel."""
        return sum(self.masses)


@dataclass
class Region:
    """Where to integrate: support, the kinks to cut at, the centres to grade towards."""

    centres: list[Centre]
    kinks: list[Number]
    low: Number | None = None  # None is minus infinity
    high: Number | None = None

    def panels(
        self,
        function: Function,
        rule: Sequence[tuple[Number, Number]],
        settings: Settings,
        measures: Sequence[Function] = (),
    ) -> list[Panel]:
        """Evaluate ``function`` on panels over the region, tails included.

        A tail ends where the integrals of the function, and of the function times each of
        ``measures``, gain less than ``settings.tail`` of themselves from a panel.
        """

        def evaluate(low: Number, high: Number) -> Panel:
            span = high - low
            points = [low + span * t for t, _ in rule]
            masses = [span * w * function(x) for x, (_, w) in zip(points, rule, strict=True)]
            return Panel(low, high, points, masses)

        def totals(panel: Panel) -> list[Number]:
            pairs = list(zip(panel.points, panel.masses, strict=True))
            return [panel.mass, *(sum(m * h(x) for x, m in pairs if m) for h in measures)]

        factor = settings.width * min(1.0, 3 / len(self.centres) ** 0.5)
        marks = [c + sign * s for c, s in self.centres for sign in (-1, 1)] + self.kinks
        first = min(marks) if self.low is None else self.low
        last = max(marks) if self.high is None else self.high
        inner = sorted({k for k in self.kinks if first < k < last})
        cuts = [first, *inner, last]
        core = [
            evaluate(a, b)
            for low, high in pairwise(cuts)
            for a, b in split(low, high, self.centres, factor)
        ]
        sums = [sum(column) for column in zip(*(totals(p) for p in core), strict=True)]
        tails: dict[int, list[Panel]] = {-1: [], 1: []}
        for sign, edge, end in ((-1, first, self.low), (1, last, self.high)):
            quiet, near = 0, edge
            while end is None and quiet < 3 and len(tails[sign]) < 600:
                step = settings.growth * local_scale(self.centres, near, near)
                low, high = sorted((near, near + sign * step))
                panel = evaluate(low, high)
                tails[sign].append(panel)
                gains = totals(panel)
                sums = [s + g for s, g in zip(sums, gains, strict=True)]
                small = all(abs(g) <= settings.tail * s for g, s in zip(gains, sums, strict=True))
                quiet = quiet + 1 if small else 0
                near += sign * step
        return [*reversed(tails[-1]), *core, *tails[1]]


# ---------------------------------------------------------------------------------------------
# The unsound density
# ---------------------------------------------------------------------------------------------
@dataclass
class Unsound:
    """The standard unsound density u(R), R = claim minus quantity over the sd."""

    kind: str
    factor: Number | None  # None is infinity
    real: Arithmetic
    rule: list[tuple[Number, Number]]

    def plain(self, r: Number) -> Number:
        """Return u(R) of a source without interest."""
        real = self.real
        if self.kind == "Wide":
            return real.normal_density(r / self.factor) / self.factor
        square = r * r
        if self.factor is None:
            return (-real.expm1(-square / 2) / square if square else 0.5) / real.root2pi
        k = self.factor
        inside = 1 - 1 / (k * k)
        if square:
            shape = -real.exp(-square / (2 * k * k)) * real.expm1(-square * inside / 2) / square
        else:
            shape = inside / 2
        return k / (k - 1) * shape / real.root2pi

    def density(self, r: Number, interest: int) -> Number:
        """Return u(R) 2 Phi(d R)."""
        if interest == 0:
            return self.plain(r)
        return self.plain(r) * self.real.erfc(-interest * r / self.real.root2)

    def above(self, r: Number, interest: int) -> Number:
        """Return the integral of the density from ``r`` to infinity."""
        upper = self._plain_above(abs(r))
        if interest == 0:
            return upper if r >= 0 else 1 - upper
        # u(s) 2 Phi(d s) = u(s) + d u(s) erf(s / sqrt 2); the second term is odd in s.
        odd = upper - self._plain_times_erfc_above(abs(r))
        return (upper if r >= 0 else 1 - upper) + interest * odd

    def _plain_above(self, r: Number) -> Number:
        """Return the integral of u from ``r`` >= 0 to infinity."""
        real = self.real
        if self.kind == "Wide":
            return real.normal_cdf(-r / self.factor)
        if r == 0:
            return real.number(1) / 2
        if self.factor is None:
            return -real.expm1(-r * r / 2) / (real.root2pi * r) + real.normal_cdf(-r)
        k = self.factor
        head = -real.exp(-r * r / (2 * k * k)) * real.expm1(-r * r * (1 - 1 / (k * k)) / 2)
        ends = real.normal_cdf(-r) - real.normal_cdf(-r / k) / k
        return k / (k - 1) * (head / (real.root2pi * r) + ends)

    def _plain_times_erfc_above(self, r: Number) -> Number:
        """Return the integral of u(s) erfc(s / sqrt 2) from ``r`` >= 0, by quadrature."""
        real = self.real
        total = real.number(0)
        end = real.sqrt(real.number(4.7 * (real.digits + 5)))  # erfc is below all digits there
        pieces = max(0, ceil((end - r) / 2.5))
        if not pieces:
            return total
        span = (end - r) / pieces
        for i in range(pieces):
            for t, w in self.rule:
                s = r + span * (i + t)
                total += span * w * self.plain(s) * real.erfc(s / real.root2)
        return total


# ---------------------------------------------------------------------------------------------
# Claims
# ---------------------------------------------------------------------------------------------
Pair = tuple[Function, Function]  # sound and unsound likelihood as functions of x


@dataclass
class Claim:
    """One claim with its source's properties; the forms below say what is stated."""

    real: Arithmetic
    scale: Scale
    unsound: Unsound
    overconfidence: Number
    bias: Number
    variance: Number  # of the bias
    interest: int
    reliability: Number | None
    share: Number
    stated_sd: Number = None  # on x
    hull: tuple[Number, Number] = (None, None)  # what IntrinsicRange sees
    is_density: bool = True

    def sigma(self, s: Number, tau: Number, kappa: Number) -> Number:
        """Return the total sd."""
        scaled = kappa * self.overconfidence * s
        return self.real.sqrt(scaled * scaled + self.variance + tau * tau)

    def at(self, tau: Number, kappa: Number) -> Pair:
        """Return the sound and unsound likelihoods at a given scatter."""
        raise NotImplementedError

    def centres(self) -> list[Centre]:
        """Return where the likelihood without scatter changes, and how fast."""
        raise NotImplementedError

    def kinks(self) -> list[Number]:
        """Return where the likelihood without scatter is not smooth in x."""
        return []

    def crossings(self, x: Number) -> list[Number]:
        """Return the total sds at which a kink passes through ``x``."""
        del x
        return []

    def point(self, m: Number, sd: Number) -> Function:
        """Return the unsound likelihood of a point at ``m``."""

        def unsound(x: Number) -> Number:
            return self.unsound.density((m - self.bias - x) / sd, self.interest) / sd

        return unsound


@dataclass
class NormalClaim(Claim):
    """A value with an sd, or with an interval (two-piece normal)."""

    m: Number = None
    low_sd: Number = None
    high_sd: Number = None

    def at(self, tau: Number, kappa: Number) -> Pair:
        mode = self.m - self.bias
        below = self.sigma(self.low_sd, tau, kappa)
        above = self.sigma(self.high_sd, tau, kappa)
        norm = 2 / (below + above)
        divisor = self.real.number(1)
        if self.interest and below != above:
            positive = self.unsound.above(self.real.number(0), self.interest)
            divisor = norm * (below * positive + above * (1 - positive))

        def residual(x: Number) -> Number:
            return (mode - x) / (below if x < mode else above)

        def sound(x: Number) -> Number:
            return norm * self.real.normal_density(residual(x))

        def unsound(x: Number) -> Number:
            return norm * self.unsound.density(residual(x), self.interest) / divisor

        return sound, unsound

    def centres(self) -> list[Centre]:
        sds = [self.sigma(s, 0, 1) for s in (self.low_sd, self.high_sd)]
        return [(self.m - self.bias, min(sds))]

    def kinks(self) -> list[Number]:
        return [self.m - self.bias] if self.low_sd != self.high_sd else []


@dataclass
class BandClaim(Claim):
    """A bare number: interval-censored to its digits."""

    c: Number = None
    h: Number = None
    s: Number = None

    def at(self, tau: Number, kappa: Number) -> Pair:
        q = self.sigma(self.s, tau, kappa)
        centre = self.c - self.bias

        def sound(x: Number) -> Number:
            low, high = (centre - self.h - x) / q, (centre + self.h - x) / q
            return self.real.normal_between(low, high) / (2 * self.h)

        return sound, self.point(self.c, self.real.sqrt(q * q + self.h * self.h / 3))

    def centres(self) -> list[Centre]:
        q = self.sigma(self.s, 0, 1)
        at = self.c - self.bias
        sd = self.real.sqrt(q * q + self.h * self.h / 3)
        return [(at - self.h, q), (at, sd), (at + self.h, q)]


@dataclass
class RangeClaim(Claim):
    """A range: flat between, normal shoulders."""

    c: Number = None
    h: Number = None
    s: Number = None

    def at(self, tau: Number, kappa: Number) -> Pair:
        q = self.sigma(self.s, tau, kappa)
        half = kappa * self.overconfidence * self.h
        centre = self.c - self.bias

        def sound(x: Number) -> Number:
            low, high = (centre - half - x) / q, (centre + half - x) / q
            return self.real.normal_between(low, high) / (2 * half)

        sd = self.real.sqrt(half * half / 3 + self.variance + tau * tau)
        return sound, self.point(self.c, sd)

    def centres(self) -> list[Centre]:
        q = self.sigma(self.s, 0, 1)
        half = self.overconfidence * self.h
        at = self.c - self.bias
        return [(at - half, q), (at, half / 2), (at + half, q)]


@dataclass
class BoundClaim(Claim):
    """At least (side +1) or at most (side -1) a number; ``excess`` None is infinite."""

    w: Number = None
    s: Number = None
    excess: Number | None = None
    side: int = 1

    def at(self, tau: Number, kappa: Number) -> Pair:
        real = self.real
        q = self.sigma(self.s, tau, kappa)
        edge = self.w - self.bias

        if self.excess is None:

            def sound(x: Number) -> Number:
                return real.normal_cdf(self.side * (x - edge) / q)

            def unsound(x: Number) -> Number:
                above = self.unsound.above((edge - x) / q, self.interest)
                return above if self.side > 0 else 1 - above

            return sound, unsound

        spread = self.excess
        scaled = real.erfcx(q / (spread * real.root2))
        norm = q / real.root2pi + spread * (1 + scaled) / 2

        def sound_finite(x: Number) -> Number:
            t = self.side * (x - edge)
            value = real.normal_cdf(t / q) / norm
            return value * real.exp(-t / spread) if t > 0 else value

        return sound_finite, self.point(self.w, real.sqrt(q * q + spread * spread))

    def centres(self) -> list[Centre]:
        q = self.sigma(self.s, 0, 1)
        return [(self.w - self.bias, q if self.excess is None else min(q, self.excess))]

    def kinks(self) -> list[Number]:
        return [] if self.excess is None else [self.w - self.bias]


@dataclass
class QuantilesClaim(Claim):
    """A smooth monotone distribution through stated quantiles, normal in the tails."""

    xs: list[Number] = field(default_factory=list)
    zs: list[Number] = field(default_factory=list)
    slopes: list[Number] = field(default_factory=list)
    m: Number = None
    s: Number = None

    def prepare(self) -> None:
        """Compute the slopes, the median and the central sd."""
        xs, zs = self.xs, self.zs
        gaps = [b - a for a, b in pairwise(xs)]
        secants = [(b - a) / h for a, b, h in zip(zs, zs[1:], gaps, strict=False)]
        self.slopes = [secants[0]]
        for h0, h1, d0, d1 in zip(gaps, gaps[1:], secants, secants[1:], strict=False):
            w1, w2 = 2 * h1 + h0, h1 + 2 * h0
            mean = (w1 + w2) / (w1 / d0 + w2 / d1)
            steepest = self.real.number(STEEPEST)
            self.slopes.append(min(mean, steepest * d0, steepest * d1))
        self.slopes.append(secants[-1])
        self.m = self.solve(0)
        self.s = (self.solve(1) - self.solve(-1)) / 2
        self.stated_sd = self.s
        self.hull = (xs[0], xs[-1])

    def z(self, x: Number) -> tuple[Number, Number]:
        """Return z(x) and z'(x)."""
        xs, zs, slopes = self.xs, self.zs, self.slopes
        if x <= xs[0]:
            return zs[0] + slopes[0] * (x - xs[0]), slopes[0]
        if x >= xs[-1]:
            return zs[-1] + slopes[-1] * (x - xs[-1]), slopes[-1]
        i = bisect_right(xs, x) - 1
        h = xs[i + 1] - xs[i]
        t = (x - xs[i]) / h
        t3, rise = t**3, zs[i + 1] - zs[i]
        value = (
            zs[i]
            + rise * t3 * (10 - 15 * t + 6 * t * t)
            + h * slopes[i] * (t - t3 * (6 - 8 * t + 3 * t * t))
            - h * slopes[i + 1] * t3 * (4 - 7 * t + 3 * t * t)
        )
        slope = (
            30 * rise / h * t * t * (1 - t) ** 2
            + slopes[i] * (1 - t * t * (18 - 32 * t + 15 * t * t))
            - slopes[i + 1] * t * t * (12 - 28 * t + 15 * t * t)
        )
        return value, slope

    def solve(self, target: int) -> Number:
        """Return the x with z(x) = target, by bisection."""
        low = self.xs[0] - 50 / self.slopes[0]
        high = self.xs[-1] + 50 / self.slopes[-1]
        for _ in range(4 * self.real.digits + 60):
            middle = (low + high) / 2
            if self.z(middle)[0] < target:
                low = middle
            else:
                high = middle
        return (low + high) / 2

    def at(self, tau: Number, kappa: Number) -> Pair:
        q = self.sigma(self.s, tau, kappa)
        ratio = self.s / q

        def sound(x: Number) -> Number:
            z, slope = self.z(self.m + (x + self.bias - self.m) * ratio)
            return self.real.normal_density(z) * slope * ratio

        return sound, self.point(self.m, q)

    def _knots(self) -> list[Number]:
        ratio = self.sigma(self.s, 0, 1) / self.s
        return [self.m - self.bias + (x - self.m) * ratio for x in self.xs]

    def centres(self) -> list[Centre]:
        ratio = self.sigma(self.s, 0, 1) / self.s
        gaps = [(b - a) * ratio for a, b in pairwise(self.xs)]
        nearest = [min(gaps[max(i - 1, 0) : i + 1]) for i in range(len(self.xs))]
        return [
            *((k, g / 2) for k, g in zip(self._knots(), nearest, strict=True)),
            (self.m - self.bias, self.s * ratio),
        ]

    def kinks(self) -> list[Number]:
        return self._knots()

    def crossings(self, x: Number) -> list[Number]:
        away = x + self.bias - self.m
        return [self.s * away / (k - self.m) for k in self.xs if (k - self.m) * away > 0]


def build_claim(entry: dict[str, Any], problem: dict[str, Any], unsound: Unsound) -> Claim:
    """Return the claim that a dictionary describes."""
    real = unsound.real
    scale = Scale(problem["scale"], real)
    number = real.number

    def given(name: str, default: float | None = None) -> Any:
        value = entry.get(name)
        return default if value is None else value

    reliability = given("reliability")
    common: dict[str, Any] = {
        "real": real,
        "scale": scale,
        "unsound": unsound,
        "overconfidence": number(given("overconfidence", 1.0)),
        "bias": number(given("bias", 0.0)),
        "variance": number(given("bias_sd", 0.0)) ** 2,
        "interest": int(given("interest", 0)),
        "reliability": None if reliability is None else number(reliability),
        "share": number(given("share", 1.0)),
    }

    def unstated(value: float) -> Number:
        theta = number(value)
        size = min(theta, 1 - theta) if problem["scale"] == "logit" else abs(theta)
        return number(problem["unstated_error"]) * size * scale.slope(theta)

    def band(value: float, unit: Fraction) -> BandClaim:
        theta = number(value)
        ends = [theta + sign * real.rational(unit) / 2 for sign in (-1, 1)]
        while not all(scale.contains(end) for end in ends):
            unit = finer(unit)
            ends = [theta + sign * real.rational(unit) / 2 for sign in (-1, 1)]
        low, high = (scale(end) for end in ends)
        c, h, s = (low + high) / 2, (high - low) / 2, unstated(value)
        sd = real.sqrt(s * s + h * h / 3)
        return BandClaim(**common, c=c, h=h, s=s, stated_sd=sd, hull=(low, high))

    form = entry["form"]
    if form == "estimate" and entry.get("sd") is not None:
        m = scale(number(entry["value"]))
        s = number(entry["sd"]) * scale.slope(number(entry["value"]))
        z = number(CENTRAL_90)
        return NormalClaim(
            **common, m=m, low_sd=s, high_sd=s, stated_sd=s, hull=(m - z * s, m + z * s)
        )
    if form == "estimate" and entry.get("low") is not None:
        m = scale(number(entry["value"]))
        low, high = scale(number(entry["low"])), scale(number(entry["high"]))
        z = real.normal_quantile((1 + real.mp.mpf(entry["level"])) / 2)
        below, above = (m - low) / z, (high - m) / z
        return NormalClaim(
            **common,
            m=m,
            low_sd=below,
            high_sd=above,
            stated_sd=(below + above) / 2,
            hull=(low, high),
        )
    if form in ("estimate", "about"):
        value = entry["value"]
        unit = rounding_unit(value)
        if unit is None:
            raise ValueError("a bare zero has no rounding unit")
        if form == "about":
            unit = min(coarser(unit), abs(Fraction(Decimal(repr(value)))) / 2)
        return band(value, unit)
    if form == "range":
        units = [rounding_unit(entry[name]) for name in ("low", "high")]
        unit = min(u for u in units if u is not None)
        low, high = (scale(number(entry[name])) for name in ("low", "high"))
        c, h = (low + high) / 2, (high - low) / 2
        s = real.rational(unit) / 2 * scale.slope(scale.inverse(c))
        sd = h / real.sqrt(number(3))
        return RangeClaim(**common, c=c, h=h, s=s, stated_sd=sd, hull=(low, high))
    if form in ("atleast", "atmost"):
        value, side = entry["value"], 1 if form == "atleast" else -1
        w, s = scale(number(value)), unstated(value)
        excess = entry.get("excess")
        if excess == "inf":
            return BoundClaim(
                **common, w=w, s=s, side=side, stated_sd=s, hull=(w, w), is_density=False
            )
        if excess is None:
            salient = real.rational(next_salient(value, side))
            spread = side * (scale(salient) - w)
        else:
            spread = number(excess)
        ends = sorted((w, w + side * spread))
        return BoundClaim(
            **common,
            w=w,
            s=s,
            side=side,
            excess=spread,
            stated_sd=real.sqrt(s * s + spread * spread),
            hull=(ends[0], ends[1]),
        )
    if form == "quantiles":
        stated = sorted((float(p), q) for p, q in entry["quantiles"].items())
        claim = QuantilesClaim(
            **common,
            xs=[scale(number(q)) for _, q in stated],
            zs=[real.normal_quantile(p) for p, _ in stated],
        )
        claim.prepare()
        return claim
    raise ValueError(f"unknown form {form!r}")


# ---------------------------------------------------------------------------------------------
# Priors
# ---------------------------------------------------------------------------------------------
@dataclass
class Prior:
    """A prior as a density in x, with its support and where it changes."""

    density: Function
    centres: list[Centre]
    low: Number | None
    high: Number | None
    proper: bool = True


def build_prior(problem: dict[str, Any], claims: Sequence[Claim], real: Arithmetic) -> Prior:
    """Return the prior that a problem names, as a density in x, conditioned on the range."""
    entry = problem["prior"]
    kind = entry["type"]
    name = problem["scale"]
    scale = Scale(name, real)
    number = real.number
    one = number(1)
    mp = real.mp

    def parameter(key: str) -> Number:
        return number(entry[key])

    def in_x(density: Function) -> Function:
        """Turn a density of theta into one of x."""

        def transformed(x: Number) -> Number:
            theta = scale.inverse(x)
            if name == "linear":
                return density(theta)
            return density(theta) * (theta if name == "log" else theta / (1 + real.exp(x)))

        return transformed

    def near(location: Number, width: Number) -> list[Centre]:
        """Return the centres on x of a density with this location and width in theta."""
        if name == "linear":
            return [(location, width)]
        if name == "log":
            middle = max(location, width)
            return [(real.log(middle), min(one / 2, width / middle))]
        middle = min(max(location, number(0.05)), number(0.95))
        ratio = width / (middle * (1 - middle))
        return [(scale(middle), min(one, ratio)), (number(0), one)]

    if kind == "Flat":
        return Prior(lambda _: one, [], None, None, proper=False)

    if kind == "IntrinsicRange":
        low, high = min(c.hull[0] for c in claims), max(c.hull[1] for c in claims)
        over = parameter("overshoot") * (high - low)
        low, high = low - over, high + over
        level = 1 / (high - low)
        return Prior(lambda _: level, [(low, high - low)], low, high)

    if kind == "Normal":
        mean, sd = parameter("mean"), parameter("sd")
        mass = one
        if name == "log":
            mass = real.normal_cdf(mean / sd)
        elif name == "logit":
            mass = real.normal_between(-mean / sd, (1 - mean) / sd)

        def normal(theta: Number) -> Number:
            return real.normal_density((theta - mean) / sd) / (sd * mass)

        return Prior(in_x(normal), near(mean, sd), None, None)

    if kind == "StudentT":
        df, mean, width = (parameter(k) for k in ("df", "mean", "scale"))
        half = mp.mpf(entry["df"]) / 2
        norm = real.convert(
            mp.gamma(half + mp.mpf(1) / 2) / (mp.gamma(half) * mp.sqrt(2 * half * mp.pi))
        )

        def cdf(t: Number) -> Number:
            tail = mp.betainc(half, 0.5, 0, 2 * half / (2 * half + mp.mpf(str(t)) ** 2))
            tail = real.convert(tail / mp.beta(half, 0.5)) / 2
            return tail if t < 0 else 1 - tail

        mass = one
        if name == "log":
            mass = cdf(mean / width)
        elif name == "logit":
            mass = cdf((1 - mean) / width) - cdf(-mean / width)

        def student(theta: Number) -> Number:
            z = (theta - mean) / width
            return norm / (width * mass) * real.exp(-(df + 1) / 2 * real.log(1 + z * z / df))

        return Prior(in_x(student), near(mean, width), None, None)

    if kind == "LogNormal":
        middle, sigma = real.log(parameter("median")), parameter("sigma")
        mass = real.normal_cdf(-middle / sigma) if name == "logit" else one

        def lognormal_x(x: Number) -> Number:
            return real.normal_density((x - middle) / sigma) / sigma

        if name == "log":
            return Prior(lognormal_x, [(middle, sigma)], None, None)

        def lognormal(theta: Number) -> Number:
            return lognormal_x(real.log(theta)) / (theta * mass)

        if name == "linear":
            median = parameter("median")
            tiny = median * real.exp(-16 * sigma)
            nearby = [(number(0), tiny), (median, median * min(sigma, one / 2))]
            return Prior(lognormal, nearby, number(0), None)
        return Prior(in_x(lognormal), [(scale(number(0.5)), min(sigma, one))], None, None)

    low, high = parameter("low"), parameter("high")
    if name != "linear":
        low = max(low, number(0))
    if name == "logit":
        high = min(high, one)
    x_low = None if name != "linear" and low == 0 else scale(low)
    x_high = None if name == "logit" and high == 1 else scale(high)
    if kind == "Uniform":
        level = 1 / (high - low)
        centres = near(high, high - low) if name == "log" else [(number(0), one)]
        if name == "linear":
            centres = [(low, high - low)]
        return Prior(in_x(lambda _: level), centres, x_low, x_high)
    if kind == "LogUniform":
        level = 1 / real.log(high / low)
        if name == "log":
            return Prior(lambda _: level, [(x_low, x_high - x_low)], x_low, x_high)
        centres = [(number(0), low if name == "linear" else one)]
        return Prior(in_x(lambda theta: level / theta), centres, x_low, x_high)
    raise ValueError(f"unknown prior {kind!r}")


# ---------------------------------------------------------------------------------------------
# Scatter
# ---------------------------------------------------------------------------------------------
@dataclass
class Scatter:
    """The prior on the scatter: heterogeneity tau >= 0 or inflation kappa >= 1."""

    kind: str  # "none", "heterogeneity" or "inflation"
    density: Function
    start: Number
    width: Number  # of the first panel
    end: Number
    extent: Number = None  # beyond it the scatter exceeds everything that is stated


def build_scatter(
    problem: dict[str, Any], claims: Sequence[Claim], real: Arithmetic, settings: Settings
) -> Scatter:
    """Return the prior on the scatter, with where its quadrature starts and ends."""
    number = real.number
    narrowest = min(s for c in claims for _, s in c.centres())
    points = [p for c in claims for p, _ in c.centres()]
    extent = max(s for c in claims for _, s in c.centres()) + max(points) - min(points)
    far = 1 / number(settings.tail) ** 1.1
    entry = problem["heterogeneity"]
    if entry is not None:
        width = number(entry["scale"])
        kind = entry["type"]
        if kind == "HalfNormal":
            end = width * real.sqrt(number(2.4 * settings.digits + 30) * 2)

            def density(t: Number) -> Number:
                return 2 * real.normal_density(t / width) / width

        elif kind == "HalfCauchy":
            end = far * max(width, extent)
            extent = max(width, extent)

            def density(t: Number) -> Number:
                return 2 / (real.pi * width * (1 + (t / width) ** 2))

        elif kind == "Exponential":
            end = width * number(2.4 * settings.digits + 30)

            def density(t: Number) -> Number:
                return real.exp(-t / width) / width

        else:
            raise ValueError(f"unknown prior on tau {kind!r}")
        first = min(narrowest, width) / 2
        return Scatter("heterogeneity", density, number(0), first, end, extent)
    entry = problem["inflation"]
    if entry is not None:
        shape = number(entry["shape"])
        return Scatter(
            "inflation",
            lambda k: shape * real.exp(-(shape + 1) * real.log(k)),
            number(1),
            number(0.5),
            far * extent / narrowest,
            extent / narrowest,
        )
    return Scatter("none", lambda _: number(1), number(0), number(0), number(0))


# ---------------------------------------------------------------------------------------------
# The posterior
# ---------------------------------------------------------------------------------------------
class Posterior:
    """The posterior of one problem, by brute force."""

    def __init__(self, problem: dict[str, Any], settings: Settings) -> None:
        """Read the problem; nothing is integrated yet but the constants of Void."""
        self.problem, self.settings = problem, settings
        self.real = real = Arithmetic(settings.digits, settings.backend)
        self.rule = real.nodes(settings.order)
        self.inner_rule = real.nodes(settings.scatter_order)
        entry = problem["unsound"]
        factor = entry.get("factor")
        unsound = Unsound(
            entry["type"],
            None if factor in (None, "inf") else real.number(factor),
            real,
            self.rule,
        )
        self.void = entry["type"] == "Void"
        dropped = [c for c in problem["claims"] if self.void and c["reliability"] == 0]
        self.claims = [
            build_claim(c, problem, unsound) for c in problem["claims"] if c not in dropped
        ]
        self.prior = build_prior(problem, self.claims, real)
        self.scatter = build_scatter(problem, self.claims, real, settings)
        self.scale = Scale(problem["scale"], real)
        self.shared_sd = real.number(problem["shared"]) * min(c.stated_sd for c in self.claims)
        self.constants = [self._void_constant(c) for c in self.claims] if self.void else []
        self.beta_nodes = self._reliability_nodes()
        self.scatter_panels = self._scatter_panels()

    # -- the likelihood -----------------------------------------------------------------------
    def _void_constant(self, claim: Claim) -> Number:
        """Return the constant unsound likelihood of a claim that may carry no information.

        It is the evidence of the claim alone, were it sound, with scatter and shared bias.
        """
        if self.problem["prior"]["type"] == "IntrinsicRange" and claim.is_density:
            return 1 / (self.prior.high - self.prior.low)
        if not self.prior.proper:
            raise ValueError("Void needs a proper prior")
        alone = copy(self)
        alone.void, alone.beta_nodes = False, []
        alone.claims = [replace(claim, reliability=1, share=1)]
        alone.scatter_panels = alone._scatter_panels()
        return alone.integral(0).total

    def _reliability_nodes(self) -> list[tuple[Number, Number]]:
        """Return nodes and weights over p of a trapezoidal rule in logit p."""
        given = self.problem["unknown_reliability"]
        unknown = [c for c in self.claims if c.reliability is None]
        if not unknown or all(c.share == 1 for c in unknown):
            return []
        real = self.real
        a, b = (real.number(v) for v in given)
        step = real.number(self.settings.logit_step)
        reach = 2.4 * self.settings.digits
        first, last = -ceil(reach / given[0] / step), ceil(reach / given[1] / step)
        beta = real.convert(real.mp.beta(*given))
        nodes = []
        for i in range(first, last + 1):
            odds = real.exp(i * step)
            p = odds / (1 + odds)
            weight = real.exp(a * real.log(p) - b * real.log(1 + odds)) * step / beta
            nodes.append((p, weight))
        return nodes

    def _average_over_p(self, terms: Sequence[tuple[Number, Number, Number]]) -> Number:
        """Return the integral over p of prod (p S + (1 - p) U)^a times its Beta prior."""
        real = self.real
        if self.beta_nodes:
            total = real.number(0)
            for p, weight in self.beta_nodes:
                product = weight
                for sound, unsound, share in terms:
                    product *= (p * sound + (1 - p) * unsound) ** share
                total += product
            return total
        # A polynomial in p and 1 - p, whose moments under a Beta are known.
        coefficients = [real.number(1)]
        for sound, unsound, _ in terms:
            shifted = [real.number(0), *(c * sound for c in coefficients)]
            kept = [*(c * unsound for c in coefficients), real.number(0)]
            coefficients = [s + k for s, k in zip(shifted, kept, strict=True)]
        return sum(c * m for c, m in zip(coefficients, self._moments(len(terms)), strict=True))

    @cache  # noqa: B019 - one problem, one process
    def _moments(self, m: int) -> list[Number]:
        """Return E[p^j (1 - p)^(m - j)] for j = 0..m."""
        real = self.real
        a, b = (real.number(v) for v in self.problem["unknown_reliability"])
        moments = []
        for j in range(m + 1):
            value = real.number(1)
            for i in range(j):
                value *= a + i
            for i in range(m - j):
                value *= b + i
            for i in range(m):
                value /= a + b + i
            moments.append(value)
        return moments

    def _likelihood_at(self, tau: Number, kappa: Number) -> Function:
        """Return the likelihood as a function of x at a given scatter."""
        one = self.real.number(1)
        pairs: list[Pair] = []
        for i, claim in enumerate(self.claims):
            sound, unsound = claim.at(tau, kappa)
            if self.void:
                constant = self.constants[i]
                unsound = lambda _, value=constant: value  # noqa: E731
            pairs.append((sound, unsound))

        def likelihood(x: Number) -> Number:
            product = one
            terms = []
            for claim, (sound, unsound) in zip(self.claims, pairs, strict=True):
                r, share = claim.reliability, claim.share
                if r is None:
                    terms.append((sound(x), unsound(x), share))
                    continue
                if r == 1:
                    value = sound(x)
                elif r == 0:
                    value = unsound(x)
                else:
                    value = r * sound(x) + (1 - r) * unsound(x)
                product *= value if share == 1 else value**share
            return product * self._average_over_p(terms) if terms else product

        return likelihood

    # -- scatter ------------------------------------------------------------------------------
    def _scattered(self, t: Number) -> Function:
        """Return the likelihood at scatter ``t``, as a function of x."""
        one, zero = self.real.number(1), self.real.number(0)
        if self.scatter.kind == "inflation":
            return self._likelihood_at(zero, t)
        return self._likelihood_at(t, one)

    def _scatter_nodes(self, low: Number, high: Number) -> list[tuple[Number, Function]]:
        """Return (weight times prior, likelihood) on the nodes of one panel of scatter."""
        nodes = []
        for t, w in self.inner_rule:
            at = low + (high - low) * t
            weight = (high - low) * w * self.scatter.density(at)
            if weight:
                nodes.append((weight, self._scattered(at)))
        return nodes

    def _scatter_panels(self) -> list[tuple[Number, Number, list[tuple[Number, Function]]]]:
        """Return the panels of scatter, of the first width and then growing geometrically."""
        scatter, zero = self.scatter, self.real.number(0)
        if scatter.kind == "none":
            return [(zero, zero, [(self.real.number(1), self._scattered(zero))])]
        panels = []
        low = scatter.start
        while low < scatter.end:
            growth = self.settings.scatter_growth
            if scatter.extent is not None and low > 10 * scatter.extent:
                growth = self.settings.far_scatter_growth
            high = low + max(scatter.width, growth * (low - scatter.start))
            panels.append((low, high, self._scatter_nodes(low, high)))
            low = high
        return panels

    def likelihood(self, x: Number) -> Number:
        """Return the likelihood of x, scatter and p integrated out."""
        cuts = self._scatter_cuts(x) if self.scatter.kind != "none" else []
        total = self.real.number(0)
        for low, high, nodes in self.scatter_panels:
            inside = [c for c in cuts if low < c < high]
            if inside:
                ends = [low, *inside, high]
                parts = pairwise(ends)
                nodes = [n for a, b in parts for n in self._scatter_nodes(a, b)]  # noqa: PLW2901
            for weight, function in nodes:
                total += weight * function(x)
        return total

    def _scatter_cuts(self, x: Number) -> list[Number]:
        """Return the scatter values at which some claim's kink passes through ``x``."""
        cuts = set()
        for claim in self.claims:
            for sd in claim.crossings(x):
                own = claim.overconfidence * claim.stated_sd
                if self.scatter.kind == "heterogeneity":
                    square = sd * sd - own * own - claim.variance
                else:
                    square = (sd * sd - claim.variance) / (own * own)
                if square > 0:
                    cuts.add(self.real.sqrt(square))
        return sorted(cuts)

    # -- results ------------------------------------------------------------------------------
    def solve(self, moments: int) -> dict[str, Any]:
        """Return log evidence, the moments that exist, and the quantiles.

        ``moments`` is 2 if mean and variance of theta exist, 1 if only the mean does, 0 if
        neither: it is derived by hand for each problem and checked against the tails here.
        """
        real, scale = self.real, self.scale
        integral = self.integral(moments)
        total = integral.total
        log_total = real.log(total)
        mean = sd = None
        if moments >= 1:
            mean = integral.moment(scale.inverse) / total
        if moments >= 2:
            variance = integral.moment(lambda x: (scale.inverse(x) - mean) ** 2) / total
            sd = real.sqrt(variance)
        quantiles = {p: scale.inverse(integral.quantile(p)) for p in (*LEVELS, "0.16", "0.84")}
        half = (quantiles.pop("0.84") - quantiles.pop("0.16")) / 2
        return {
            "log_evidence": log_total if self.prior.proper else None,
            "log_normaliser": log_total,
            "mean": mean,
            "sd": sd,
            "quantiles": quantiles,
            "half_width": half,
        }

    def integral(self, moments: int) -> Any:
        """Return the integrals of prior times likelihood over x."""
        centres = [c for claim in self.claims for c in claim.centres()] + self.prior.centres
        centres += self._pooled()
        kinks = [k for claim in self.claims for k in claim.kinks()]
        if self.scatter.kind == "heterogeneity":
            # Knots move with tau^2, which leaves a power 3/2 of the distance at each of them.
            for claim in self.claims:
                if isinstance(claim, QuantilesClaim):
                    small = self.real.number(1e-10)
                    centres += [(k, s * small) for k, s in claim.centres()[:-1]]
        if self.problem["shared"]:
            return SharedIntegral(self, centres, kinks, moments)
        return PlainIntegral(self, centres, kinks, moments)

    def _pooled(self) -> list[Centre]:
        """Return the precision-weighted means of all claims and of the sound ones.

        Where normal claims conflict, the posterior lies between them, far from each.
        """
        pooled = []
        for members in (self.claims, [c for c in self.claims if c.reliability == 1]):
            points = [centre for claim in members for centre in claim.centres()]
            precision = sum(1 / (s * s) for _, s in points)
            if points:
                mean = sum(c / (s * s) for c, s in points) / precision
                pooled.append((mean, 1 / self.real.sqrt(precision)))
        return pooled

    def measures(self, moments: int) -> list[Function]:
        """Return the functions of x whose integrals decide where a tail may end."""
        if not moments:
            return []
        middle = self.scale.inverse(self.claims[0].centres()[0][0])
        return [lambda x: abs(self.scale.inverse(x) - middle) ** moments]


class PlainIntegral:
    """Integrals of prior times likelihood over x."""

    def __init__(
        self, post: Posterior, centres: list[Centre], kinks: list[Number], moments: int
    ) -> None:
        """Evaluate the posterior on its panels."""
        self.post = post
        region = Region(centres, kinks, post.prior.low, post.prior.high)
        self.panels = region.panels(self.density, post.rule, post.settings, post.measures(moments))
        self.total = sum(p.mass for p in self.panels)
        self.check_moments(moments)

    def density(self, x: Number) -> Number:
        """Return prior times likelihood."""
        prior = self.post.prior.density(x)
        return prior * self.post.likelihood(x) if prior else prior

    def moment(self, function: Function) -> Number:
        """Return the integral of ``function`` times the density."""
        return sum(
            m * function(x)
            for panel in self.panels
            for x, m in zip(panel.points, panel.masses, strict=True)
            if m
        )

    def check_moments(self, moments: int) -> None:
        """Refuse a claim about the moments that the tails contradict."""
        post = self.post
        name = post.problem["scale"]
        for edge, end in ((0, post.prior.low), (-1, post.prior.high)):
            if end is not None or name == "logit" or (name, edge) == ("log", 0):
                continue  # theta is bounded there
            x = self.panels[edge].points[edge]
            here, there = self.density(x), self.density(2 * x)
            if not there:
                continue
            steep = post.real.log(here / there)
            if name == "log":  # density exp(-rate x): moment m of exp(x) needs rate > m
                exist = sum(steep / abs(x) > m for m in (1, 2))
            elif abs(x) > 1e8:  # density x^-power: moment m needs power > m + 1
                exist = sum(steep / post.real.log(post.real.number(2)) > m + 1.02 for m in (1, 2))
            else:
                continue
            if exist < moments:
                raise ValueError(f"the tails allow {exist} moments, not {moments}")

    def quantile(self, level: str) -> Number:
        """Return the x below which the share ``level`` of the posterior lies."""
        real, post = self.post.real, self.post
        target = real.rational(Fraction(level)) * self.total
        below = real.number(0)
        panel = self.panels[0]
        for panel in self.panels:
            if below + panel.mass > target:
                break
            below += panel.mass
        start, low, high = panel.low, panel.low, panel.high
        x, running = low, below
        for x, mass in zip(panel.points, panel.masses, strict=True):
            running += mass
            if running > target:
                break
        for _ in range(100):
            span = x - start
            inside = sum(span * w * self.density(start + span * t) for t, w in post.rule)
            excess = below + inside - target
            if excess > 0:
                high = x
            else:
                low = x
            step = excess / self.density(x)
            following = x - step
            if not low <= following <= high:
                following = (low + high) / 2
            moved = abs(following - x)
            x = following
            if moved <= real.number(10) ** (-min(28, post.settings.digits - 8)) * (
                panel.high - panel.low
            ):
                break
        return x


class SharedIntegral:
    """The same with a bias common to all: the likelihood convolved with a normal.

    The posterior is prior(x) times the integral over x' of likelihood(x') normal(x - x'). With
    z = (x - x') / sd, every integral is taken over x' outside and z inside.
    """

    def __init__(
        self, post: Posterior, centres: list[Centre], kinks: list[Number], moments: int
    ) -> None:
        """Evaluate the likelihood on its panels."""
        self.post = post
        real = post.real
        self.sd = post.shared_sd
        self.reach = real.sqrt(real.number(2.4 * post.settings.digits) * 2)
        outside = [k for k in (post.prior.low, post.prior.high) if k is not None]
        region = Region(centres + [(k, self.sd) for k in outside], kinks)
        around: dict[Number, Number] = {}

        def integrand(x: Number) -> Number:
            around[x] = self.inner(x, lambda _: 1, None)
            return post.likelihood(x) * around[x] if around[x] else around[x]

        measures = post.measures(moments)
        panels = region.panels(integrand, post.rule, post.settings, measures)
        # Each node's x', its mass without the prior around it, and with it.
        self.nodes = [
            (x, m / around[x], m)
            for p in panels
            for x, m in zip(p.points, p.masses, strict=True)
            if m
        ]
        self.total = sum(m for _, _, m in self.nodes)

    def inner(self, x: Number, function: Function, upto: Number | None) -> Number:
        """Return the integral over z of prior times ``function`` at x + sd z, times normal(z)."""
        post, real = self.post, self.post.real
        low, high = x - self.reach * self.sd, x + self.reach * self.sd
        if post.prior.low is not None:
            low = max(low, post.prior.low)
        if post.prior.high is not None:
            high = min(high, post.prior.high)
        if upto is not None:
            high = min(high, upto)
        total = real.number(0)
        if high <= low:
            return total
        centres = [(x, self.sd), *post.prior.centres]
        for a, b in split(low, high, centres, 2.0):
            for t, w in post.inner_rule:
                at = a + (b - a) * t
                density = real.normal_density((at - x) / self.sd) / self.sd
                total += (b - a) * w * density * post.prior.density(at) * function(at)
        return total

    def moment(self, function: Function) -> Number:
        """Return the integral of ``function`` times the posterior."""
        return sum(m * self.inner(x, function, None) for x, m, _ in self.nodes)

    def quantile(self, level: str) -> Number:
        """Return the x below which the share ``level`` of the posterior lies."""
        real, post = self.post.real, self.post
        target = real.rational(Fraction(level)) * self.total
        low, high = self.nodes[0][0], self.nodes[-1][0]
        x, running = low, real.number(0)
        for x, _, mass in self.nodes:  # without the convolution, to start from
            running += mass
            if running > target:
                break
        reach = self.reach * self.sd
        for _ in range(200):
            below = density = real.number(0)
            for node, mass, whole in self.nodes:
                if node + reach <= x:
                    below += whole
                elif node - reach < x:
                    below += mass * self.inner(node, lambda _: 1, x)
                    density += mass * real.normal_density((x - node) / self.sd) / self.sd
            density *= post.prior.density(x)
            if below > target:
                high = x
            else:
                low = x
            following = x - (below - target) / density if density else (low + high) / 2
            if not low < following < high:
                following = (low + high) / 2
            moved = abs(following - x)
            x = following
            if moved <= real.number(10) ** -20 * self.sd:
                break
        return x


# ---------------------------------------------------------------------------------------------
# The file of results
# ---------------------------------------------------------------------------------------------
FIRST = Settings()
SECOND = Settings(
    digits=34,
    backend="gmpy2",
    order=40,
    width=1.1,
    growth=0.8,
    logit_step=0.23,
    tail=1e-25,
)
NESTED = Settings(
    digits=30, backend="gmpy2", order=24, width=1.5, growth=2.0, scatter_order=22, tail=1e-17
)
NESTED_AGAIN = Settings(
    digits=33,
    backend="gmpy2",
    order=28,
    width=1.3,
    growth=1.7,
    scatter_order=26,
    scatter_growth=0.5,
    far_scatter_growth=1.0,
    tail=1e-18,
)


def disagreement(one: dict[str, Any], two: dict[str, Any]) -> float:
    """Return the largest difference of two results, locations in half 16-84 % widths."""
    mp = mpmath.MPContext()
    mp.dps = 60

    def number(value: Any) -> Any:
        return mp.mpf(str(value))

    half = number(one["half_width"])
    worst = abs(number(one["log_normaliser"]) - number(two["log_normaliser"]))
    pairs = [(one[k], two[k]) for k in ("mean", "sd")]
    pairs += [(one["quantiles"][p], two["quantiles"][p]) for p in LEVELS]
    for a, b in pairs:
        if a is not None:
            worst = max(worst, abs(number(a) - number(b)) / half)
    return float(worst)


def as_text(result: Any, digits: int = 24) -> Any:
    """Return a result with its numbers as decimal text."""
    if result is None:
        return None
    if isinstance(result, dict):
        return {k: as_text(v, digits) for k, v in result.items()}
    mp = mpmath.MPContext()
    mp.dps = digits + 5
    return mp.nstr(mp.mpf(str(result)), digits, min_fixed=-5, max_fixed=20)


def compute(case: dict[str, Any], moments: int) -> dict[str, Any]:
    """Return a case's result with the tool, the digits and the agreement of two runs."""
    nested = any((case["heterogeneity"], case["inflation"], case["shared"]))
    settings = (NESTED, NESTED_AGAIN) if nested else (FIRST, SECOND)
    first, second = (Posterior(case, s).solve(moments) for s in settings)
    arithmetic = Arithmetic(settings[0].digits, settings[0].backend)
    return {
        "result": as_text(first),
        "tool": arithmetic.version,
        "digits": settings[0].digits,
        "agreement": disagreement(first, second),
    }


def existing_moments(result: dict[str, Any]) -> int:
    """Return how many moments a stored result says there are."""
    return sum(result[k] is not None for k in ("mean", "sd"))


def main(names: Sequence[str]) -> None:
    """Recompute the named cases (all, if none is named) and rewrite the file."""
    path = Path(__file__).with_name("brute_force.json")
    cases = json.loads(path.read_text())
    for case in cases:
        if names and case["name"] not in names:
            continue
        start = time.perf_counter()
        case.update(compute(case, existing_moments(case["result"])))
        seconds = time.perf_counter() - start
        print(f"{case['name']}: agreement {case['agreement']:.1e}, {seconds:.0f} s", flush=True)
        path.write_text(json.dumps(cases, indent=0) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
