"""The model's formulas written out plainly, integrated on grids far denser than they need.

Nothing here is shared with the library. A problem is a plain dictionary (see ``error_bound``).
Arithmetic is numpy's ``longdouble``; statements are turned into x in double precision, once, as
the model says. Every integral is a composite Gauss-Legendre sum of 32 nodes per panel: panels
are no wider than the nearest claim's sd or a quarter of the distance from it, tails go on in the
logarithm of the distance, and a panel is halved while its last Legendre coefficients show.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.polynomial import legendre
from scipy.special import erfcx, gammaln, ndtr, ndtri, stdtr

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Answer", "Claim", "integrate"]

Long = np.longdouble
#: Arrays of longdouble or double; scalars of numpy, whose stubs know no longdouble arithmetic.
Array = Any
PI = Long("3.14159265358979323846264338327950288")
ROOT_2PI = np.sqrt(2 * PI)
LOG_ROOT_2PI = np.log(ROOT_2PI)
ROOT_2 = np.sqrt(Long(2))
CENTRAL_90 = 1.6448536269514722


def rule(order: int) -> tuple[Array, Array]:
    """Gauss-Legendre nodes and weights in longdouble: numpy's, after two Newton steps."""
    t: Array = legendre.leggauss(order)[0].astype(Long)
    slope = np.ones_like(t)
    for _ in range(3):
        before, here = np.ones_like(t), t.copy()
        for k in range(2, order + 1):
            before, here = here, ((2 * k - 1) * t * here - (k - 1) * before) / k
        slope = order * (t * here - before) / (t * t - 1)
        t = t - here / slope
    return t, 2 / ((1 - t * t) * slope * slope)


ORDER = 32
NODES, WEIGHTS = rule(ORDER)
#: Node values -> the last four Legendre coefficients.
LAST = (
    legendre.legvander(NODES.astype(float), ORDER - 1)
    * WEIGHTS.astype(float)[:, None]
    * (np.arange(ORDER) + 0.5)
)[:, -4:]
SHORT_NODES, SHORT_WEIGHTS = rule(16)
LONG_NODES, LONG_WEIGHTS = rule(64)
#: Kind of the unsound density, its factor, and its degrees of freedom where it has them.
Law = tuple[str, float, float]
PROBES = np.array([-0.999, -0.6, 0.0, 0.6, 0.999], dtype=Long)


# ------------------------------------------------------------------ special functions


def log_normal_cdf(z: Array) -> Array:
    """Log of Phi(z): exp(-z^2/2) in longdouble times the slowly varying erfcx in double."""
    scaled = erfcx((np.abs(z) / ROOT_2).astype(float)).astype(Long) / 2
    square = z * z / 2
    return np.where(z < 0, np.log(scaled) - square, np.log1p(-scaled * np.exp(-square)))


def log_normal_between(low: Array, high: Array) -> Array:
    """Log of [Phi(high) - Phi(low)] / (high - low)."""
    flip = low + high > 0
    a, b = np.where(flip, -high, low), np.where(flip, -low, high)
    width = b - a
    upper, lower = log_normal_cdf(b), log_normal_cdf(a)
    with np.errstate(divide="ignore"):
        out = upper + np.log(-np.expm1(np.minimum(lower - upper, 0))) - np.log(width)
    close = width * np.maximum(1, np.abs(a + b) / 2) < 2
    if np.any(close):
        middle, half = (a[close] + b[close]) / 2, width[close] / 2
        total = np.zeros_like(middle)
        for t, w in zip(SHORT_NODES, SHORT_WEIGHTS, strict=True):
            # exp(-((m + h t)^2 - m^2)/2)
            total += w / 2 * np.exp(-half * t * (middle + half * t / 2))
        out[close] = np.log(total) - middle * middle / 2 - LOG_ROOT_2PI
    return out


def log_unsound(residual: Array, law: Law) -> Array:
    """Log of the standard unsound density of a residual."""
    kind, factor, df = law
    k = Long(factor)
    square = residual * residual
    if kind == "Heavy":
        peak = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(df * math.pi) / 2
        return peak - np.log(k) - (df + 1) / Long(2) * np.log1p(square / (k * k * df))
    if kind == "Wide":
        return -square / (2 * k * k) - np.log(k) - LOG_ROOT_2PI
    inverse = 0 if np.isinf(factor) else 1 / (k * k)
    w = np.maximum(square * (1 - inverse) / 2, Long("1e-4000"))
    lead = 1 if np.isinf(factor) else k / (k - 1)
    start = np.log(lead * (1 - inverse) / 2) - LOG_ROOT_2PI
    return start + np.log(-np.expm1(-w) / w) - square * inverse / 2


def log_tilted(residual: Array, law: Law, interest: float) -> Array:
    """Log of u(R), times 2 Phi(d R) for a source with an interest."""
    out = log_unsound(residual, law)
    if interest:
        out = out + np.log(Long(2)) + log_normal_cdf(interest * residual)
    return out


@lru_cache(maxsize=64)
def _cells(law: Law, interest: float) -> tuple[Array, Array]:
    """Edges from -60 up, and the tilted unsound mass above each."""
    top = 15.0 if interest < 0 else 60.0
    edges = np.arange(-60.0, top + 0.25, 0.5).astype(Long)
    half = Long("0.25")
    points = (edges[:-1, None] + half) + half * NODES
    cell = half * (np.exp(log_tilted(points, law, interest)) @ WEIGHTS)
    last = np.exp(_far_mass(edges[-1:], law, interest))
    above = np.concatenate([cell, last])[::-1].cumsum()[::-1]
    return edges, above


def _far_mass(residual: Array, law: Law, interest: float) -> Array:
    """Log mass of the tilted unsound density above large residuals."""
    kind, factor, df = law
    r = residual[:, None]
    if interest < 0 or kind == "Wide":
        # Falls like a normal of sd q: of a length q^2/R, and not more than a few q.
        q = Long(factor) if interest >= 0 else Long(1)
        reach = np.minimum(60 * q * q / r, 12 * q)
        points = r + reach / 2 * (LONG_NODES + 1)
        logs = log_tilted(points, law, interest)
        top = logs.max(axis=1, keepdims=True)
        return np.log((np.exp(logs - top) * reach / 2) @ LONG_WEIGHTS) + top[:, 0]
    if np.isinf(factor):
        return np.log((2 if interest else 1) / (ROOT_2PI * residual))
    parts = 1
    if kind == "Heavy":
        # From where it is a power, until next to nothing is left.
        end = np.maximum(r, Long(factor * math.sqrt(df))) * np.exp(Long(50 / df))
        parts = 20
    else:
        end = np.sqrt(r * r + 120 * Long(factor) ** 2)
    low, high = np.log(r), np.log(end)
    t = (((1 + LONG_NODES) / 2 + np.arange(parts)[:, None]) / parts).ravel()
    logs = log_tilted(np.exp(low + (high - low) * t), law, interest) + low + (high - low) * t
    top = logs.max(axis=1, keepdims=True)
    weights = np.tile(LONG_WEIGHTS / (2 * parts), parts)
    return np.log((np.exp(logs - top) * (high - low)) @ weights) + top[:, 0]


def log_mass_above(residual: Array, law: Law, interest: float) -> Array:
    """Log of the integral of the tilted unsound density above residuals."""
    flat = residual.ravel()
    out = np.empty_like(flat)
    edges, above = _cells(law, interest)
    far = flat >= edges[-1]
    if far.any():
        out[far] = _far_mass(flat[far], law, interest)
    low = flat < edges[0]
    if low.any():
        mirrored = -flat[low]
        e, _ = _cells(law, -interest)
        below = np.where(mirrored >= e[-1], mirrored, e[-1])
        out[low] = np.log1p(-np.exp(_far_mass(below, law, -interest)))
    inside = ~far & ~low
    if inside.any():
        r = flat[inside]
        j = np.searchsorted(edges, r, side="right")
        half = (edges[j] - r) / 2
        part = np.zeros_like(r)
        for t, w in zip(SHORT_NODES, SHORT_WEIGHTS, strict=True):
            part += w * half * np.exp(log_tilted(r + half * (1 + t), law, interest))
        out[inside] = np.log(above[j] + part)
    return out.reshape(residual.shape)


# ------------------------------------------------------------------ digits


def _steps(leading: tuple[float, ...], around: float) -> list[Fraction]:
    power = math.floor(math.log10(abs(around)))
    steps = [
        Fraction(str(lead)) * Fraction(10) ** k
        for k in range(power - 20, power + 3)
        for lead in leading
    ]
    return sorted(steps)


def rounding_unit(value: float) -> float:
    """Coarsest of 1, 2, 5 times 10^k that divides the decimal text of a value."""
    exact = Fraction(Decimal(repr(float(value))))
    return float(max(s for s in _steps((1, 2, 5), value) if (exact / s).denominator == 1))


def coarser(unit: float) -> float:
    """Next of ..., 1, 2, 5, 10, ... above a unit."""
    return float(min(s for s in _steps((1, 2, 5), unit) if s > Fraction(Decimal(repr(unit)))))


def finer(unit: float) -> float:
    """Next of ..., 1, 2, 5, 10, ... below a unit."""
    return float(max(s for s in _steps((1, 2, 5), unit) if s < Fraction(Decimal(repr(unit)))))


def salient(value: float, direction: int, *, share: bool = False) -> float:
    """Next number (1, 1.5, 2, 3, 5, 7.5) 10^k, or its negative, in a direction.

    For a share beyond 75 % the next one of what is left of the whole.
    """
    exact = Fraction(Decimal(repr(float(value))))
    size, outward = abs(exact), (exact > 0) == (direction > 0)
    steps = _steps((1, 1.5, 2, 3, 5, 7.5), value)
    step = min(s for s in steps if s > size) if outward else max(s for s in steps if s < size)
    if share and step >= 1:
        rest = 1 - exact
        step = 1 - max(s for s in _steps((1, 1.5, 2, 3, 5, 7.5), float(rest)) if s < rest)
    return float(step) if exact > 0 else -float(step)


# ------------------------------------------------------------------ scales


def to_x(scale: str, theta: float) -> float:
    """Working coordinate in double precision."""
    if scale == "linear":
        return float(theta)
    if scale == "log":
        return float(np.log(theta))
    return float(np.log(theta) - np.log1p(-theta))


def to_x_long(scale: str, theta: float) -> Any:
    """Working coordinate of a double, in longdouble."""
    t = Long(theta)
    with np.errstate(divide="ignore"):
        if scale == "linear":
            return t
        return np.log(t) if scale == "log" else np.log(t) - np.log1p(-t)


def to_theta(scale: str, x: Array) -> Array:
    """Quantity at longdouble coordinates."""
    if scale == "linear":
        return x
    with np.errstate(over="ignore"):
        return np.exp(x) if scale == "log" else 1 / (1 + np.exp(-x))


def unstated_sd(scale: str, value: float, error: float) -> float:
    """Sd on x of a value that states none: relative to it, or to a share's rarer side."""
    size = min(value, 1.0 - value) if scale == "logit" else abs(value)
    return error * size * slope(scale, value)


def slope(scale: str, theta: float) -> float:
    """dx/dtheta."""
    if scale == "linear":
        return 1.0
    return 1.0 / theta if scale == "log" else 1.0 / (theta * (1.0 - theta))


def log_jacobian(scale: str, x: Array) -> Array:
    """Log of dtheta/dx."""
    if scale == "linear":
        return np.zeros_like(x)
    return x if scale == "log" else -np.abs(x) - 2 * np.log1p(np.exp(-np.abs(x)))


def inside(scale: str, theta: float) -> bool:
    """Whether a scale has this value."""
    return scale == "linear" or (theta > 0.0 and (scale == "log" or theta < 1.0))


# ------------------------------------------------------------------ claims on x


@dataclass
class Claim:
    """One claim on x, as the model's conventions name its numbers."""

    form: str
    y: float
    s_low: float
    s_high: float
    stated: float
    hull: tuple[float, float]
    half: float = 0.0
    width_scales: bool = False
    excess: float = 0.0
    direction: int = 0
    knots: Array = field(default_factory=lambda: np.zeros((0, 0)))
    bias: float = 0.0
    bias_sd: float = 0.0
    k: float = 1.0
    reliability: float | None = None
    interest: float = 0.0
    share: float = 1.0
    void: Any = None

    def sigma(self, s: float, tau: Any, kappa: Any) -> Any:
        """Total sd."""
        return np.sqrt((kappa * self.k * Long(s)) ** 2 + Long(self.bias_sd) ** 2 + tau * tau)

    def log_sound(self, gap: Array, tau: Any, kappa: Any) -> Array:
        """Log of S at gap = y - b - x."""
        low, high = self.sigma(self.s_low, tau, kappa), self.sigma(self.s_high, tau, kappa)
        if self.form == "normal":
            r = gap / (low if self.s_low == self.s_high else np.where(gap > 0, low, high))
            return -r * r / 2 + np.log(2 / (low + high)) - LOG_ROOT_2PI
        if self.form == "box":
            half = Long(self.half) * (kappa * self.k if self.width_scales else 1)
            return log_normal_between((gap - half) / low, (gap + half) / low) - np.log(low)
        if self.form == "bound":
            return log_normal_cdf(-self.direction * gap / low)
        if self.form == "excess":
            lam = Long(self.excess)
            t = -self.direction * gap
            c = low / ROOT_2PI + lam * (1 + Long(erfcx(float(low / (lam * ROOT_2))))) / 2
            return log_normal_cdf(t / low) - np.maximum(t, 0) / lam - np.log(c)
        ratio = Long(self.s_low) / low
        z, dz = score(self.knots, -gap * ratio, self.y)
        return -z * z / 2 - LOG_ROOT_2PI + np.log(dz * ratio)

    def log_unsound(self, gap: Array, law: Law, tau: Any, kappa: Any) -> Array:
        """Log of U at gap = y - b - x."""
        if law[0] == "Void":
            return np.broadcast_to(np.asarray(self.void, dtype=Long), gap.shape)
        low, high = self.sigma(self.s_low, tau, kappa), self.sigma(self.s_high, tau, kappa)
        d = self.interest
        if self.form == "bound":
            if self.direction > 0:
                return log_mass_above(gap / low, law, d)
            return log_mass_above(-gap / low, law, -d)
        if self.form == "normal":
            mean, mass = (low + high) / 2, Long(1)
            r = gap / (low if self.s_low == self.s_high else np.where(gap > 0, low, high))
            if self.s_low != self.s_high and d:
                above = np.exp(log_mass_above(np.zeros(1, dtype=Long), law, d))[0]
                mass = (low * above + high * (1 - above)) / mean
            return log_tilted(r, law, d) - np.log(mean * mass)
        if self.form == "box":
            if self.width_scales:
                half = kappa * self.k * Long(self.half)
                q = np.sqrt(half * half / 3 + Long(self.bias_sd) ** 2 + tau * tau)
            else:
                q = np.sqrt(low * low + Long(self.half) ** 2 / 3)
        elif self.form == "excess":
            q = np.sqrt(low * low + Long(self.excess) ** 2)
        else:
            q = low
        return log_tilted(gap / q, law, d) - np.log(q)


def slopes(x: Array, z: Array) -> Array:
    """Monotone slopes: weighted harmonic means inside, but not too steep; secants at the ends."""
    h, secant = np.diff(x), np.diff(z) / np.diff(x)
    out = np.empty_like(x)
    out[0], out[-1] = secant[0], secant[-1]
    for j in range(1, len(x) - 1):
        w1, w2 = 2 * h[j] + h[j - 1], h[j] + 2 * h[j - 1]
        mean = (w1 + w2) / (w1 / secant[j - 1] + w2 / secant[j])
        out[j] = min(mean, 1.2 * secant[j - 1], 1.2 * secant[j])
    return out


def score(knots: Array, u: Array, middle: float) -> tuple[Array, Array]:
    """Score z and its slope at middle + u: quintic Hermite, flat second derivative at knots."""
    x, z, m = knots[0] - Long(middle), knots[1], knots[2]
    j = np.searchsorted(x, u, side="right")
    left = np.clip(j - 1, 0, len(x) - 2)
    h = x[left + 1] - x[left]
    t = (u - x[left]) / h
    z0, z1, m0, m1 = z[left], z[left + 1], m[left] * h, m[left + 1] * h
    t2, t3, t4, t5 = t**2, t**3, t**4, t**5
    value = z0 + (z1 - z0) * (10 * t3 - 15 * t4 + 6 * t5)
    value = value + m0 * (t - 6 * t3 + 8 * t4 - 3 * t5) + m1 * (-4 * t3 + 7 * t4 - 3 * t5)
    rise = 30 * (z1 - z0) * t2 * (1 - t) ** 2
    rise = rise + m0 * (1 - 18 * t2 + 32 * t3 - 15 * t4) + m1 * (-12 * t2 + 28 * t3 - 15 * t4)
    rise = rise / h
    value = np.where(j == 0, z[0] + m[0] * (u - x[0]), value)
    value = np.where(j == len(x), z[-1] + m[-1] * (u - x[-1]), value)
    rise = np.where(j == 0, m[0], np.where(j == len(x), m[-1], rise))
    return value, np.maximum(rise, Long("1e-4000"))


def at_score(knots: Array, target: float) -> tuple[Any, Any]:
    """Coordinate with a given score, by bisection: a knot and the distance from it."""
    x, z, m = knots
    if target <= z[0]:
        return x[0], (target - z[0]) / m[0]
    if target >= z[-1]:
        return x[-1], (target - z[-1]) / m[-1]
    j = int(np.searchsorted(z, target, side="right")) - 1
    low, high = Long(0), x[j + 1] - x[j]
    for _ in range(90):
        u = (low + high) / 2
        value, _ = score(knots, np.array([(x[j] - Long(float(x[0]))) + u]), float(x[0]))
        low, high = (u, high) if value[0] < target else (low, u)
    return x[j], (low + high) / 2


def on_x(  # noqa: PLR0911 - one return per form
    claim: dict[str, Any], scale: str, unstated: float
) -> Claim:
    """Turn a stated claim into numbers on x."""
    form = claim["form"]
    if form == "estimate":
        value = claim["value"]
        y = to_x(scale, value)
        if "sd" in claim:
            s = claim["sd"] * slope(scale, value)
            return Claim("normal", y, s, s, s, (y - CENTRAL_90 * s, y + CENTRAL_90 * s))
        low, high = to_x(scale, claim["low"]), to_x(scale, claim["high"])
        z = float(ndtri((1.0 + claim["level"]) / 2.0))
        s_low, s_high = (y - low) / z, (high - y) / z
        if abs(s_low - s_high) <= 4e-15 * (abs(low) + abs(high)) / z:
            s_low = s_high = (high - low) / (2.0 * z)
        return Claim("normal", y, s_low, s_high, (s_low + s_high) / 2.0, (low, high))
    if form in {"rounded", "about"}:
        value = claim["value"]
        unit = unit_of(claim)
        while not (inside(scale, value - unit / 2.0) and inside(scale, value + unit / 2.0)):
            unit = finer(unit)
        low, high = to_x(scale, value - unit / 2.0), to_x(scale, value + unit / 2.0)
        s, half = unstated_sd(scale, value, unstated), (high - low) / 2.0
        return Claim(
            "box", (low + high) / 2.0, s, s, math.hypot(s, half / 3.0**0.5), (low, high), half=half
        )
    if form == "range":
        low, high = to_x(scale, claim["low"]), to_x(scale, claim["high"])
        units = [rounding_unit(v) for v in (claim["low"], claim["high"]) if v != 0.0]
        center, half = (low + high) / 2.0, (high - low) / 2.0
        s = float(min(units) / 2.0 * slope(scale, to_theta(scale, Long(center))))
        return Claim(
            "box", center, s, s, half / 3.0**0.5, (low, high), half=half, width_scales=True
        )
    if form in {"at least", "at most"}:
        value, direction = claim["value"], 1 if form == "at least" else -1
        y, s = to_x(scale, value), unstated_sd(scale, value, unstated)
        lam = claim.get("excess")
        if lam is None:
            lam = direction * (to_x(scale, salient(value, direction, share=scale == "logit")) - y)
        if np.isinf(lam):
            return Claim("bound", y, s, s, s, (y, y), direction=direction)
        ends = sorted((y, y + direction * lam))
        return Claim(
            "excess",
            y,
            s,
            s,
            math.hypot(s, lam),
            (ends[0], ends[1]),
            excess=lam,
            direction=direction,
        )
    knot_x: Array = np.array([to_x(scale, q) for _, q in claim["quantiles"]], dtype=Long)
    z_at: Array = ndtri(np.array([p for p, _ in claim["quantiles"]])).astype(Long)
    knots: Array = np.stack([knot_x, z_at, slopes(knot_x, z_at)])
    (high_knot, above), (low_knot, below) = at_score(knots, 1.0), at_score(knots, -1.0)
    s = float(((high_knot - low_knot) + (above - below)) / 2)
    y = float(sum(at_score(knots, 0.0)))
    return Claim("quantiles", y, s, s, s, (float(knot_x[0]), float(knot_x[-1])), knots=knots)


def count_claims(problem: dict[str, Any]) -> list[Claim]:
    """Claims that count, on x, with their shares."""
    void = problem["unsound"]["type"] == "Void"
    a, b = problem["beta"]
    best: dict[tuple[str, str], int] = {}
    stated = problem["claims"]

    def rank(claim: dict[str, Any]) -> tuple[float, ...]:
        r = a / (a + b) if claim["reliability"] is None else claim["reliability"]
        return (
            -r,
            claim["overconfidence"],
            claim["bias_sd"],
            *map(abs, (claim["bias"], claim["interest"])),
            claim["bias"],
            claim["interest"],
        )

    for i, claim in enumerate(stated):
        if void and claim["reliability"] == 0.0:
            continue
        says = {k: claim[k] for k in sorted(claim) if k not in ATTRIBUTES}
        if claim["form"] in {"rounded", "about"}:
            # "0.4" and "about 0.4" are one statement where their digits say the same.
            says = {"form": "rounded", "value": claim["value"], "unit": unit_of(claim)}
        key = claim["origin"], repr(says)
        if key not in best or rank(claim) < rank(stated[best[key]]):
            best[key] = i
    members = sorted(best.values())
    origins = [stated[i]["origin"] for i in members]
    groups = len(set(origins))
    out = []
    for i in members:
        claim = stated[i]
        row = on_x(claim, problem["scale"], problem["unstated_error"])
        row.bias, row.bias_sd = claim["bias"], claim["bias_sd"]
        row.k, row.interest = claim["overconfidence"], float(claim["interest"])
        row.reliability = claim["reliability"]
        size = origins.count(claim["origin"])
        row.share = 1.0 / (size * (1.0 + (groups - 1) * problem["dependence"]))
        out.append(row)
    return out


def unit_of(claim: dict[str, Any]) -> float:
    """Rounding unit of a bare value, or of "about" one."""
    unit = rounding_unit(claim["value"])
    if claim["form"] == "about":
        unit = min(coarser(unit), abs(claim["value"]) / 2.0)
    return unit


ATTRIBUTES = ("reliability", "bias", "bias_sd", "overconfidence", "interest", "origin")


# ------------------------------------------------------------------ priors on x


@dataclass
class Prior:
    """A prior's log density on x, support, and where it bends: locations with scales."""

    kind: str
    numbers: tuple[float, ...]
    scale: str
    low: Any
    high: Any
    places: list[tuple[Any, Any]]
    log_mass: float = 0.0

    @property
    def proper(self) -> bool:
        """Whether it integrates to 1."""
        return self.kind != "Flat"

    def log_density(self, anchor: Array, d: Array) -> Array:  # noqa: PLR0911 - one per kind
        """Log density at anchor + d."""
        x = anchor + d
        if self.kind == "Flat":
            return np.zeros_like(x)
        if self.kind == "IntrinsicRange":
            return np.full_like(x, -np.log(self.high - self.low))
        jacobian = log_jacobian(self.scale, x)
        if self.kind == "Uniform":
            return jacobian - self.log_mass
        if self.kind == "LogUniform":
            return jacobian - self.log_theta(x) - self.log_mass
        if self.kind == "LogNormal":
            median, sigma = (Long(v) for v in self.numbers)
            z = (self.log_theta(x) - np.log(median)) / sigma
            log_theta = self.log_theta(x)
            return jacobian - log_theta - z * z / 2 - np.log(sigma) - LOG_ROOT_2PI - self.log_mass
        mean, sd = (Long(v) for v in self.numbers[-2:])
        if self.scale == "linear":
            z = ((anchor - mean) + d) / sd
        else:
            z = (to_theta(self.scale, x) - mean) / sd
        if self.kind == "Normal":
            return jacobian - z * z / 2 - np.log(sd) - LOG_ROOT_2PI - self.log_mass
        df = Long(self.numbers[0])
        if self.scale == "log":
            # Where z^2 exceeds even these floats.
            z = np.where(x > 5000, 0, z)
        constant = gammaln((self.numbers[0] + 1) / 2) - gammaln(self.numbers[0] / 2)
        kernel = (df + 1) / 2 * np.log1p(z * z / df)
        if self.scale == "log":
            kernel = np.where(x > 5000, (df + 1) * (x - np.log(sd) - np.log(df) / 2), kernel)
        return jacobian + constant - np.log(df * PI) / 2 - np.log(sd) - kernel - self.log_mass

    def log_theta(self, x: Array) -> Array:
        """Log of theta at x."""
        if self.scale == "log":
            return x
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(x) if self.scale == "linear" else -np.logaddexp(Long(0), -x)


def make_prior(stated: dict[str, Any], scale: str, claims: list[Claim]) -> Prior:
    """A stated prior on x, conditioned on the scale's range."""
    kind = stated["type"]
    numbers = tuple(float(v) for key, v in stated.items() if key != "type")
    ends = {"linear": (-np.inf, np.inf), "log": (0.0, np.inf), "logit": (0.0, 1.0)}[scale]
    if kind == "Flat":
        return Prior(kind, (), scale, Long(-np.inf), Long(np.inf), [])
    if kind == "IntrinsicRange":
        low = min(c.hull[0] for c in claims)
        high = max(c.hull[1] for c in claims)
        more = numbers[0] * (high - low)
        return Prior(kind, numbers, scale, Long(low - more), Long(high + more), [])
    low, high, log_mass = ends[0], ends[1], 0.0
    if kind in {"Uniform", "LogUniform"}:
        low, high = max(low, numbers[0]), min(high, numbers[1])
        log_mass = float(np.log(high - low) if kind == "Uniform" else np.log(np.log(high / low)))
        middle = (low + high) / 2.0 if kind == "Uniform" else (low * high) ** 0.5
        center, width = middle, (high - low) / 4.0
    elif kind == "LogNormal":
        low = 0.0
        center, width = numbers[0], numbers[0] * numbers[1]
        if scale == "logit":
            log_mass = float(np.log(ndtr(-np.log(numbers[0]) / numbers[1])))
    else:
        center, width = numbers[-2:]
        if scale != "linear":
            z0, z1 = (ends[0] - center) / width, (ends[1] - center) / width
            if kind == "Normal":
                log_mass = float(np.log(ndtr(z1) - ndtr(z0)))
            else:
                log_mass = float(np.log(stdtr(numbers[0], z1) - stdtr(numbers[0], z0)))
    x_low, x_high = to_x_long(scale, low), to_x_long(scale, high)
    if scale == "linear":
        places = [(Long(center), Long(width))]
    else:
        safe = center if inside(scale, center) else 0.5 * min(width, 1.0)
        x = to_x_long(scale, safe)
        places = [(x, Long(min(1.0, width * slope(scale, safe)))), (x, Long(1))]
    return Prior(kind, numbers, scale, x_low, x_high, places, log_mass)


# ------------------------------------------------------------------ the grid


@dataclass
class Panels:
    """Panels anchor + d: d = v, or d = side * exp(v) for tails (side -1 or 1)."""

    anchor: Array
    low: Array
    high: Array
    side: NDArray[np.int64]

    def at(self, t: Array) -> tuple[Array, Array]:
        """Distances and log dd/dt at t in [-1, 1]."""
        half = ((self.high - self.low) / 2)[:, None]
        v = ((self.high + self.low) / 2)[:, None] + half * t
        side = self.side[:, None]
        with np.errstate(over="ignore"):
            d = np.where(side == 0, v, side * np.exp(np.where(side == 0, 0, v)))
        return d, np.log(half) + np.where(side == 0, 0, v)

    def take(self, index: Any) -> Panels:
        """Some of them."""
        return Panels(self.anchor[index], self.low[index], self.high[index], self.side[index])

    def halves(self) -> Panels:
        """Both halves of each."""
        middle = (self.low + self.high) / 2
        return join(
            [
                Panels(self.anchor, self.low, middle, self.side),
                Panels(self.anchor, middle, self.high, self.side),
            ]
        )


def join(parts: list[Panels]) -> Panels:
    """Panels one after the other."""
    return Panels(
        np.concatenate([p.anchor for p in parts]),
        np.concatenate([p.low for p in parts]),
        np.concatenate([p.high for p in parts]),
        np.concatenate([p.side for p in parts]),
    )


def first_panels(
    places: list[tuple[Any, Any]], kinks: list[Any], support: tuple[Any, Any], step: float
) -> Panels:
    """Panels around every place at all scales up to the farthest, and tails."""
    y = np.array([p for p, _ in places], dtype=Long)
    s = np.array([q for _, q in places], dtype=Long)
    start, stop = np.min(y - 14 * s), np.max(y + 14 * s)
    if np.isfinite(support[0]):
        start = support[0]
    if np.isfinite(support[1]):
        stop = support[1]
    start = min([start, *kinks])
    stop = max([stop, *kinks])
    near = np.arange(-14.0, 15.0).astype(Long)
    marks = [y[:, None] + s[:, None] * near]
    for center, width in zip(y, s, strict=True):
        longest = max(abs(start - center), abs(stop - center)) / (14 * width)
        if longest > 1:
            far = 14 * width * Long(1.5) ** np.arange(1, math.ceil(math.log(longest, 1.5)) + 1)
            marks.append((center + far)[None])
            marks.append((center - far)[None])
    edges = np.concatenate([m.ravel() for m in marks])
    low, high = max(start, support[0]), min(stop, support[1])
    edges = np.unique(edges[(edges > low) & (edges < high)])
    fixed = np.unique(np.array([low, high, *[k for k in kinks if low < k < high]], dtype=Long))
    # Wanted width of a panel near each edge: that of all claims' information together.
    wanted = 1 / np.sqrt(
        np.sum(1 / np.maximum(s, 0.3 * np.abs(edges[:, None] - y)).astype(float) ** 2, axis=1)
    )
    kept = [fixed]
    last = low
    for position, width, following in zip(edges[:-1], wanted[:-1], edges[1:], strict=True):
        if following - last > step * width:
            kept.append(np.array([position]))
            last = position
    edges = np.unique(np.concatenate(kept))
    nearest = np.argmin(np.abs((edges[:-1, None] + edges[1:, None]) / 2 - y), axis=1)
    anchor = y[nearest]
    parts = [
        Panels(
            anchor, edges[:-1] - anchor, edges[1:] - anchor, np.zeros(len(anchor), dtype=np.int64)
        )
    ]
    for side, limit, begin in ((-1, support[0], start), (1, support[1], stop)):
        if np.isfinite(limit):
            continue
        outer = y[np.argmin(y * -side)]
        v = [np.log(abs(begin - outer))]
        while v[-1] < 9000:
            v.append(v[-1] + Long(min(0.2 + 0.02 * len(v), 3.0) if v[-1] < 700 else 50.0))
        ends = np.array(v)
        count = len(ends) - 1
        parts.append(
            Panels(np.full(count, outer), ends[:-1], ends[1:], np.full(count, side, dtype=np.int64))
        )
    return join(parts)


# ------------------------------------------------------------------ the model


@dataclass
class Density:
    """Unnormalised log posterior on x."""

    claims: list[Claim]
    law: Law
    beta: tuple[float, float]
    prior: Prior
    scatter: tuple[Array, Array, Array] | None = None
    p_step: float = 0.35

    def __call__(self, anchor: Array, d: Array) -> Array:
        """Log density at anchor (rows, 1) + d (rows, points)."""
        zero, one = Long(0), Long(1)
        if self.scatter is None:
            return self.prior.log_density(anchor, d) + self.likelihood(anchor, d, zero, one)
        top = np.full(d.shape, -np.inf, dtype=Long)
        total = np.zeros(d.shape, dtype=Long)
        for tau, kappa, log_weight in zip(*self.scatter, strict=True):
            logs = self.likelihood(anchor, d, tau, kappa) + log_weight
            new = np.maximum(top, logs)
            total = total * np.exp(top - new) + np.exp(logs - new)
            top = new
        return self.prior.log_density(anchor, d) + top + np.log(total)

    def likelihood(self, anchor: Array, d: Array, tau: Any, kappa: Any) -> Array:
        """Log likelihood at given scatter, p integrated out."""
        out = np.zeros(d.shape, dtype=Long)
        unknown: list[tuple[float, Array, Array]] = []
        for c in self.claims:
            gap = ((Long(c.y) - anchor) - Long(c.bias)) - d
            if c.reliability == 1.0:
                out = out + c.share * c.log_sound(gap, tau, kappa)
                continue
            bad = c.log_unsound(gap, self.law, tau, kappa)
            if c.reliability == 0.0:
                out = out + c.share * bad
                continue
            good = c.log_sound(gap, tau, kappa)
            if c.reliability is None:
                top = np.maximum(good, bad)
                out = out + c.share * top
                unknown.append((c.share, np.exp(good - top), np.exp(bad - top)))
                continue
            r = Long(c.reliability)
            left, right = good + np.log(r), bad + np.log1p(-r)
            high = np.maximum(left, right)
            out = out + c.share * (high + np.log(np.exp(left - high) + np.exp(right - high)))
        if not unknown:
            return out
        if all(share == 1.0 for share, _, _ in unknown):
            return out + self.exact_p(unknown)
        return out + self.quadrature_p(unknown)

    def exact_p(self, unknown: list[tuple[float, Array, Array]]) -> Array:
        """Log of the mean of prod (p s + (1 - p) u) over p ~ Beta: a sum of Beta functions."""
        m = len(unknown)
        coefficients = [np.ones_like(unknown[0][1])]
        for _, s, u in unknown:
            new = [coefficients[0] * u]
            new += [
                coefficients[j] * u + coefficients[j - 1] * s for j in range(1, len(coefficients))
            ]
            new.append(coefficients[-1] * s)
            coefficients = new
        a, b = (Long(v) for v in self.beta)
        i = np.arange(m).astype(Long)
        up = np.concatenate([[Long(0)], np.cumsum(np.log(a + i))])
        down = np.concatenate([[Long(0)], np.cumsum(np.log(b + i))])
        logs = up + down[::-1] - np.sum(np.log(a + b + i))
        total = sum(np.exp(logs[j]) * coefficients[j] for j in range(m + 1))
        return np.asarray(np.log(total))

    def quadrature_p(self, unknown: list[tuple[float, Array, Array]]) -> Array:
        """The same with shares: trapezoid rule in logit p, nodes finer than needed."""
        a, b = self.beta
        information = sum(share for share, _, _ in unknown) + a + b
        step = min(self.p_step, 2.3 * self.p_step / information**0.5)
        logit = np.arange(-42.0 / a, 42.0 / b, step)
        log_p, log_q = -np.logaddexp(0.0, -logit), -np.logaddexp(0.0, logit)
        log_w = a * log_p + b * log_q - (gammaln(a) + gammaln(b) - gammaln(a + b)) + np.log(step)
        shares = sorted({share for share, _, _ in unknown})
        pairs = [
            (share, [(s.astype(float), u.astype(float)) for a_i, s, u in unknown if a_i == share])
            for share in shares
        ]
        total = np.zeros(unknown[0][1].shape)
        for p, q, w in zip(np.exp(log_p), np.exp(log_q), np.exp(log_w), strict=True):
            logs = np.zeros_like(total)
            for share, members in pairs:
                # A factor is at least min(p, q): so many of them stay within the floats.
                for begin in range(0, len(members), 6):
                    product = np.ones_like(total)
                    for s, u in members[begin : begin + 6]:
                        product *= p * s + q * u
                    logs += share * np.log(product)
            total += w * np.exp(logs)
        return np.log(total).astype(Long)


# ------------------------------------------------------------------ integration


@dataclass
class Answer:
    """What the reference gives: log normaliser, F and f at the points, mean and variance."""

    log_normaliser: float
    below: Array
    above: Array
    density: Array
    mean: float
    variance: float
    residual: float
    nodes: int


def places_of(claims: list[Claim], prior: Prior, law: Law) -> list[tuple[Any, Any]]:
    """Where the density bends, with scales."""
    out: list[tuple[Any, Any]] = list(prior.places)
    if prior.scale == "logit":
        out.append((Long(0), Long(1)))
    for c in claims:
        y = Long(c.y) - Long(c.bias)
        sigmas = {c.sigma(s, Long(0), Long(1)) for s in (c.s_low, c.s_high)}
        out += [(y, s) for s in sigmas]
        widest = max(sigmas)
        if c.form == "box":
            half = Long(c.half) * (c.k if c.width_scales else 1)
            out += [(y - half, widest), (y + half, widest), (y, half + widest)]
            widest = half + widest
        if c.form == "excess":
            out += [(y, Long(c.excess)), (y, widest + Long(c.excess))]
            widest = widest + Long(c.excess)
        if law[0] != "Void" and np.isfinite(law[1]) and c.reliability != 1.0:
            out.append((y, widest * Long(law[1])))
            if law[0] == "Heavy":
                out.append((y, widest * Long(law[1] * math.sqrt(law[2]))))
        out += layers_at_ends(c, y, sigmas, prior)
    if prior.kind == "LogNormal" and prior.scale == "linear":
        median, sigma = (Long(v) for v in prior.numbers)
        # Towards 0 the density bends at every scale.
        at = median * np.exp(sigma * np.arange(-16.0, 16.5, 0.5).astype(Long))
        out += [(x, x * min(1, sigma)) for x in at]
    return out


def layers_at_ends(c: Claim, y: Any, sigmas: set[Any], prior: Prior) -> list[tuple[Any, Any]]:
    """Layers at the ends of the support: all that a claim beyond leaves inside."""
    normals = [(y, s) for s in sigmas]
    if c.form == "box":
        half = Long(c.half) * (c.k if c.width_scales else 1)
        normals = [(y + sign * half, s) for s in sigmas for sign in (-1, 1)]
    if c.form == "quantiles":
        x, z, m = c.knots
        wider = max(sigmas) / Long(c.s_low)
        normals = [(y + (x[j] - Long(c.y) - z[j] / m[j]) * wider, wider / m[j]) for j in (0, -1)]
    out = []
    for end in (prior.low, prior.high):
        if not np.isfinite(end):
            continue
        depths = [s * s / abs(end - at) for at, s in normals if abs(end - at) > s]
        out += [(Long(end), depth) for depth in depths]
        if c.form == "excess":
            out.append((Long(end), Long(c.excess)))
    return out


def kinks_of(claims: list[Claim]) -> list[Any]:
    """Where some derivative jumps."""
    out = []
    for c in claims:
        y = Long(c.y) - Long(c.bias)
        out.append(y)
        if c.form == "quantiles":
            stretch = c.sigma(c.s_low, Long(0), Long(1)) / Long(c.s_low)
            out += list(y + (c.knots[0] - Long(c.y)) * stretch)
    return out


def integrate(
    problem: dict[str, Any],
    thetas: Array,
    *,
    order: int = 0,
    origin: float = 0.0,
    step: float = 1.0,
    nudge: Array | None = None,
) -> Answer:
    """Normalise the posterior; probabilities and densities on x at given quantities.

    Parameters
    ----------
    problem : the problem
    thetas : quantities at which F and f are wanted
    order : moments wanted, 0 to 2
    origin : quantity about which moments are taken
    step : width of panels in units of what is thought enough
    nudge : relative changes of the claims' locations (to see how rounding them matters)
    """
    claims = count_claims(problem)
    if nudge is not None:
        for c, change in zip(claims, nudge, strict=False):
            c.y = float(c.y * (1.0 + change))
    unsound = problem["unsound"]
    law = unsound["type"], float(unsound.get("factor", 0.0)), float(unsound.get("df", 0.0))
    prior = make_prior(problem["prior"], problem["scale"], claims)
    scatter = scatter_rule(problem, claims)
    if law[0] == "Void":
        for c in claims:
            if c.reliability == 1.0:
                continue
            if prior.kind == "IntrinsicRange" and c.form != "bound":
                c.void = -np.log(prior.high - prior.low)
            else:
                c.void = _alone(c, law, prior, scatter, step)
    density = Density(claims, law, problem["beta"], prior, p_step=0.35 * min(step, 1.0))
    density.scatter = scatter
    points = np.array([to_x_long(problem["scale"], t) for t in thetas], dtype=Long)
    return _integrate(density, points, problem["scale"], order, Long(origin), step)


def _alone(
    claim: Claim,
    law: Law,
    prior: Prior,
    scatter: tuple[Array, Array, Array] | None,
    step: float,
) -> Any:
    """Log of the integral of a claim's sound likelihood times the priors of x and scatter."""
    single = Claim(**{**claim.__dict__, "reliability": 1.0, "share": 1.0})
    density = Density([single], law, (1.0, 1.0), prior)
    density.scatter = scatter
    empty = np.array([], dtype=Long)
    return Long(_integrate(density, empty, prior.scale, 0, Long(0), step).log_normaliser)


def scatter_rule(problem: dict[str, Any], claims: list[Claim]) -> tuple[Array, Array, Array] | None:
    """Nodes of tau and kappa with the logs of their weights."""
    tau: Any = problem.get("heterogeneity")
    kappa: Any = problem.get("inflation")
    if tau is None and kappa is None:
        return None
    sds = np.array([float(c.sigma(s, 0.0, 1.0)) for c in claims for s in (c.s_low, c.s_high)])
    y = np.array([c.y - c.bias for c in claims])
    spread = float(y.max() - y.min() + sds.max() * 20.0)
    smallest = float(sds.min())
    if kappa is not None:
        # Pareto(a) on kappa >= 1, in log kappa.
        shape = kappa["shape"]
        ends = [0.0]
        limit = math.log(spread / smallest + 10.0) + 42.0 / shape
        while ends[-1] < limit:
            ends.append(ends[-1] + 0.5)
        t, w = _panelled(np.array(ends))
        return np.zeros(len(t), dtype=Long), np.exp(t), np.log(w) + np.log(Long(shape)) - shape * t
    first = 0.1 * min(smallest, tau["scale"])
    v_ends = np.arange(np.log(first), np.log(max(spread, tau["scale"])) + 45.0, 0.5)
    t0, w0 = _panelled(np.array([0.0, first]))
    v, w = _panelled(v_ends)
    value = np.concatenate([t0, np.exp(v)])
    log_weight = np.concatenate([np.log(w0), np.log(w) + v])
    z = value / Long(tau["scale"])
    if tau["type"] == "HalfNormal":
        log_prior = np.log(Long(2)) - LOG_ROOT_2PI - z * z / 2
    elif tau["type"] == "HalfCauchy":
        log_prior = np.log(2 / PI) - np.log1p(z * z)
    else:
        log_prior = -z
    log_weight = log_weight + log_prior - np.log(Long(tau["scale"]))
    live = log_weight > -120
    return value[live], np.ones(int(live.sum()), dtype=Long), log_weight[live]


def _panelled(ends: Array) -> tuple[Array, Array]:
    half = (np.diff(ends) / 2).astype(Long)[:, None]
    middle = ((ends[1:] + ends[:-1]) / 2).astype(Long)[:, None]
    t = middle + half * SHORT_NODES
    return t.ravel(), (half * SHORT_WEIGHTS).ravel()


def _integrate(  # noqa: C901, PLR0915 - written from top to bottom
    density: Density, points: Array, scale: str, order: int, origin: Any, step: float
) -> Answer:
    prior = density.prior
    places = places_of(density.claims, prior, density.law)
    inner = [p for p in points if np.isfinite(p) and prior.low < p < prior.high]
    panels = first_panels(places, kinks_of(density.claims) + inner, (prior.low, prior.high), step)

    def sizes(some: Panels, t: Array) -> tuple[Array, Array, Array]:
        d, slope_ = some.at(t)
        logs = density(some.anchor[:, None], d) + slope_
        logs = np.where(np.isnan(logs), -np.inf, logs)
        return d, logs, to_theta(scale, some.anchor[:, None] + d)

    def deviation(some: Panels, d: Array) -> tuple[Array, Array]:
        """Sign of theta - origin and log of its size, which may exceed even these floats."""
        if scale == "linear":
            gap = (some.anchor - origin)[:, None] + d
        else:
            x = some.anchor[:, None] + d
            gap = to_theta(scale, x) - origin
        with np.errstate(divide="ignore", over="ignore"):
            size = np.log(np.abs(gap))
            if scale == "log":
                size = np.where(x > 5000, x, size)
            # Beyond this, rounding of the exponents leaves no digits.
            return np.sign(gap), np.where(np.abs(size) < 1e15, size, -np.inf)

    def weighed(some: Panels, d: Array, logs: Array, power: int) -> Array:
        sign, size = deviation(some, d)
        with np.errstate(over="ignore"):
            return sign**power * np.exp(logs - top + power * size)

    def prune(some: Panels) -> Panels:
        d, logs, _ = sizes(some, PROBES)
        live = logs.max(axis=1) > logs.max() - 70
        # On the log scale each moment may come from elsewhere.
        for power in range(1, order + 1):
            more = logs + power * deviation(some, d)[1]
            more = np.where(np.isfinite(more), more, -np.inf)
            live |= more.max(axis=1) > more.max() - 70
        return some.take(live)

    def middle(some: Panels) -> Array:
        d, _ = some.at(np.zeros(1, dtype=Long))
        return np.where(np.isinf(d[:, 0]), d[:, 0], some.anchor + d[:, 0])

    panels = panels.take(np.argsort(middle(panels), kind="stable"))
    panels = _with_neighbours(panels, prune)
    done: list[tuple[Panels, Array, Array]] = []
    top = Long(-np.inf)
    rough = Long(0)
    for _ in range(40):
        d, logs, _ = sizes(panels, NODES)
        best = max(top, logs.max())
        rough = rough * np.exp(top - best)
        top = best
        values = np.exp(logs - top)
        mass = values @ WEIGHTS
        total = rough + mass.sum()
        error = np.abs(values.astype(float) @ LAST).sum(axis=1)
        # The integral is exact to twice the degree of the coefficients looked at, so its own
        # error is about the square of theirs.
        # Rounding of large log likelihoods is not mended by halving.
        floor = max(Long("1e-12"), 64 * np.finfo(Long).eps * np.abs(top))
        bad = (error > 1e-12 * total) & (error > floor * mass)
        for power in range(1, order + 1):
            weighted = np.abs(weighed(panels, d, logs, power))
            whole = weighted @ WEIGHTS
            more = np.abs((weighted / whole.sum()).astype(float) @ LAST).sum(axis=1)
            bad |= (more > 1e-12) & (more > floor * (whole / whole.sum()))
        good = ~bad
        done.append((panels.take(good), d[good], logs[good]))
        rough = rough + mass[good].sum()
        if not bad.any():
            break
        panels = panels.take(bad).halves()
    every = join([p for p, _, _ in done])
    d = np.concatenate([x for _, x, _ in done])
    logs = np.concatenate([x for _, _, x in done])
    values = np.exp(logs - top)
    error = np.abs(values.astype(float) @ LAST).sum()
    mass = values @ WEIGHTS
    total = mass.sum()
    position = middle(every)
    sort = np.argsort(position, kind="stable")
    position, cumulative = position[sort], np.cumsum(mass[sort]) / total
    upward = np.cumsum(mass[sort][::-1])[::-1] / total
    below, above = np.zeros(len(points), dtype=Long), np.zeros(len(points), dtype=Long)
    for i, x in enumerate(points):
        j = int(np.searchsorted(position, x))
        below[i] = cumulative[j - 1] if j else 0
        above[i] = upward[j] if j < len(upward) else 0
    heights = np.zeros(len(points), dtype=Long)
    finite = np.isfinite(points)
    finite &= (points >= prior.low) & (points <= prior.high)
    if finite.any():
        y = np.array([p for p, _ in places], dtype=Long)
        nearest = y[np.argmin(np.abs(points[finite][:, None] - y), axis=1)]
        at = density(nearest[:, None], (points[finite] - nearest)[:, None])[:, 0]
        heights[finite] = np.exp(at - top) / total
    mean = variance = Long(np.nan)
    if order:
        first = (weighed(every, d, logs, 1) @ WEIGHTS).sum() / total
        mean = origin + first
        if order > 1:
            square = (weighed(every, d, logs, 2) @ WEIGHTS).sum() / total
            # Both may exceed even these floats.
            variance = square - first * first if np.isfinite(square) else square
    return Answer(
        float(np.log(total) + top),
        below,
        above,
        heights,
        float(mean),
        float(variance),
        float(error / total),
        values.size,
    )


def _with_neighbours(panels: Panels, prune: Any) -> Panels:
    """Prune panels, but keep the neighbours of what is left."""
    marked = Panels(panels.anchor, panels.low, panels.high, panels.side)
    live = prune(marked)
    keys = set(zip(live.anchor.tolist(), live.low.tolist(), live.side.tolist(), strict=True))
    mask = np.array(
        [
            key in keys
            for key in zip(
                panels.anchor.tolist(), panels.low.tolist(), panels.side.tolist(), strict=True
            )
        ]
    )
    mask[1:] |= mask[:-1].copy()
    mask[:-1] |= mask[1:].copy()
    return panels.take(mask)
