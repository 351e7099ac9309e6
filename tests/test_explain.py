"""Per-claim results against brute force: weight, soundness, influence and tail.

The reference writes the model out again on dense composite Gauss-Legendre grids over x, the
scatter and the unknown reliability, and combines the rest anew for every origin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.interpolate import BPoly
from scipy.special import betaln, erfcx, expit, log_expit, logsumexp, ndtr, ndtri, owens_t

import reliability
from reliability import (
    AtLeast,
    AtMost,
    Claim,
    Estimate,
    Floor,
    Heavy,
    Model,
    Quantiles,
    Range,
    ReliabilityError,
    Source,
    Void,
    Wide,
    priors,
)

Array = NDArray[np.float64]
INF = float("inf")
# One quantity here: the mapping that several would give does not arise.
combine: Any = reliability.combine

# ------------------------------------------------------------------ the reference: grids

NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)
#: Integrals from -1 to each node of the polynomial through values at the nodes.
RUNNING = (
    np.array(
        [
            np.polynomial.legendre.legval(
                NODES, np.polynomial.legendre.legint(np.eye(12)[k], lbnd=-1)
            )
            for k in range(12)
        ]
    ).T
    @ (np.polynomial.legendre.legvander(NODES, 11) * WEIGHTS[:, None] * (np.arange(12) + 0.5)).T
)


@attrs.frozen(eq=False)
class Grid:
    """Composite Gauss-Legendre rule between edges."""

    edges: Array

    @property
    def half(self) -> Array:
        return 0.5 * np.diff(self.edges)

    @property
    def x(self) -> Array:
        middle = 0.5 * (self.edges[1:] + self.edges[:-1])
        return (middle[:, None] + self.half[:, None] * NODES).ravel()

    @property
    def weight(self) -> Array:
        return (self.half[:, None] * WEIGHTS).ravel()

    def running(self, values: Array) -> Array:
        """Integral from the first edge to every node, of values (nodes, ...)."""
        shape = (len(self.half), len(NODES), *values.shape[1:])
        panels = values.reshape(shape)
        inside = np.einsum("ij,pj...->pi...", RUNNING, panels)
        whole = np.einsum("j,pj...->p...", WEIGHTS, panels)
        scale = self.half.reshape(-1, *([1] * (values.ndim - 1)))
        before = np.cumsum(scale * whole, axis=0) - scale * whole
        return np.asarray((before[:, None] + scale[:, None] * inside).reshape(values.shape))


def phi(z: Array) -> Array:
    return np.asarray(np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi))


# ------------------------------------------------------------------ the reference: likelihoods

W = Grid(np.linspace(0.0, 1.0, 9))
#: Roots of a Student t's precisions, in units of its scale's.
ROOTS = Grid(np.concatenate([[0.0], np.geomspace(1e-5, 9.0, 50)]))


def of_roots(law: Heavy) -> Array:
    """Weights of the normals of which a Student t is a mixture: precisions are Gamma variables."""
    mass = ROOTS.weight * ROOTS.x ** (law.df - 1.0) * np.exp(-0.5 * law.df * ROOTS.x**2)
    return np.asarray(mass / mass.sum())


def unsound_density(residual: Array, law: Floor | Wide | Heavy) -> Array:
    """Average over w = 1/s of the normal density, for Floor; a wide normal or Student's t."""
    if isinstance(law, Heavy):
        return np.asarray(stats.t(law.df).pdf(residual / law.factor) / law.factor)
    if isinstance(law, Wide):
        return phi(residual / law.factor) / law.factor
    low = 1.0 / law.factor
    square = np.maximum(residual * residual, 1e-12)
    drop = -np.expm1(-0.5 * square * (1.0 - low * low)) * np.exp(-0.5 * square * low * low)
    return np.asarray(drop / square / np.sqrt(2.0 * np.pi) / (1.0 - low))


def unsound_below(residual: Array, law: Floor | Wide | Heavy, interest: float) -> Array:
    if isinstance(law, Heavy):
        out = np.zeros(residual.shape)
        for at, weight in zip(ROOTS.x / law.factor, of_roots(law), strict=True):
            out += weight * (ndtr(residual * at) - 2.0 * owens_t(residual * at, interest / at))
        return out
    if isinstance(law, Wide):
        k = law.factor
        return ndtr(residual / k) - 2.0 * owens_t(residual / k, interest * k)
    w = 1.0 / law.factor + (1.0 - 1.0 / law.factor) * W.x
    out = np.zeros(residual.shape)
    for at, weight in zip(w, W.weight, strict=True):
        out += weight * (ndtr(residual * at) - 2.0 * owens_t(residual * at, interest / at))
    return out


def relative_precision(residual: Array, law: Floor | Wide | Heavy | Void | None) -> Array:
    """E(sigma^2/s^2) of an unsound point claim."""
    if isinstance(law, Heavy):
        up = down = np.zeros(residual.shape)
        for at, weight in zip(ROOTS.x / law.factor, of_roots(law), strict=True):
            density = weight * at * np.exp(-0.5 * np.minimum(residual**2, 1e12) * at * at)
            up, down = up + density * at * at, down + density
        return up / down
    if not isinstance(law, Floor):
        return np.full(residual.shape, 1.0 / law.factor**2 if isinstance(law, Wide) else 0.0)
    low = 1.0 / law.factor
    up = down = np.zeros(residual.shape)
    for w, weight in zip(low + (1.0 - low) * W.x, W.weight, strict=True):
        density = weight * w * np.exp(-0.5 * np.minimum(residual**2, 1e5) * (w * w - low * low))
        up, down = up + density * w * w, down + density
    return up / down


@attrs.frozen(eq=False)
class Terms:
    """Of one claim on (x, scatter): S, U, 1/sigma^2, relative unsound precision."""

    sound: Array
    unsound: Array
    precision: Array
    relative: Array
    bound: bool


def two_piece_mass(low: Array, high: Array, law: Any, interest: float) -> Array:
    """Integral of the tilted unsound density over a two-piece normal's residuals."""
    grid = Grid(np.concatenate([np.linspace(0, 20, 60), np.geomspace(21, 1e9, 200)]))
    above = grid.weight @ (unsound_density(grid.x, law) * 2.0 * ndtr(interest * grid.x))
    return (low * above + high * (1.0 - above)) / (0.5 * (low + high))


def evaluate(
    claim: Claim, x: Array, tau: Array, inflation: Array, model: Model, void: float
) -> Terms:
    """A claim on the linear scale, on (x, scatter) broadcast."""
    source, law = claim.source, model.unsound
    statement = claim.statement
    said: Any = statement
    direction: float
    distance: Any
    sd: Any
    half_width: Any
    norm: Any
    scale: Any
    sound: Any
    factor = source.overconfidence * model.overconfidence * inflation
    extra = source.bias_sd**2 + tau**2
    interest = float(source.interest)

    def total(stated: float) -> Array:
        return np.asarray(np.sqrt((factor * stated) ** 2 + extra))

    is_bound = False
    if isinstance(statement, Estimate) and (said.sd or said.low is not None):
        if said.sd is not None:
            below = above = said.sd
        else:
            z = ndtri(0.5 + 0.5 * said.level)
            below, above = (
                (said.value - said.low) / z,
                (said.high - said.value) / z,
            )
        distance = said.value - source.bias - x
        low, high = total(below), total(above)
        scale = np.where(distance > 0.0, low, high)
        norm = 0.5 * (low + high)
        sound = phi(distance / scale) / norm
        if interest and below != above and not isinstance(law, Void):
            norm = norm * two_piece_mass(low, high, law, interest)
    elif isinstance(statement, Estimate | Range):
        if isinstance(statement, Range):
            center, half = (
                0.5 * (said.low + said.high),
                0.5 * (said.high - said.low),
            )
            sd, half_width = total(0.5 * said.unit), half * factor
            scale = np.sqrt(extra + half_width**2 / 3.0)
        else:
            center, half_width = said.value, 0.5 * said.unit
            sd = total(model.unstated_error * abs(center))
            scale = np.sqrt(sd**2 + half_width**2 / 3.0)
        distance = center - source.bias - x
        z = np.abs(distance)
        sound = (ndtr((half_width - z) / sd) - ndtr((-half_width - z) / sd)) / (2.0 * half_width)
        norm = scale
    elif isinstance(statement, Quantiles):
        at = np.array(said.values)
        score = ndtri(np.array(said.probabilities))
        curve, slope, center, sd = through(at, score)
        distance = center - source.bias - x
        scale = norm = total(sd)
        stretch = sd / scale
        where = center - distance * stretch
        sound = phi(curve(where)) * slope(where) * stretch
    else:
        direction = 1.0 if isinstance(statement, AtLeast) else -1.0
        distance = said.value - source.bias - x
        sd = total(model.unstated_error * abs(said.value))
        beyond = -direction * distance
        if np.isinf(said.excess):
            is_bound = True
            scale = sd
            sound = ndtr(beyond / sd)
            if law is None or isinstance(law, Void):
                unsound = np.full(sound.shape, void)
            else:
                unsound = unsound_below(beyond / sd, law, -direction * interest)
        else:
            length = said.excess
            root = np.sqrt(2.0)
            constant = sd / np.sqrt(2.0 * np.pi) + length * (0.5 + 0.5 * erfcx(sd / length / root))
            sound = ndtr(beyond / sd) * np.exp(-np.maximum(beyond, 0.0) / length) / constant
            scale = norm = np.hypot(sd, length)
    residual = distance / scale
    if not is_bound:
        if law is None or isinstance(law, Void):
            unsound = np.full(np.broadcast_shapes(sound.shape), void)
        else:
            unsound = unsound_density(residual, law) * 2.0 * ndtr(interest * residual) / norm
    shape = np.broadcast_shapes(x.shape, tau.shape)
    return Terms(
        np.broadcast_to(sound, shape),
        np.broadcast_to(unsound, shape),
        np.broadcast_to(1.0 / scale**2, shape),
        np.broadcast_to(relative_precision(residual, law), shape),
        is_bound,
    )


def through(
    x: Array, z: Array
) -> tuple[Callable[[Array], Array], Callable[[Array], Array], float, float]:
    """Score and slope of the monotone quintic through quantiles; its median and central sd."""
    secant = np.diff(z) / np.diff(x)
    slopes = np.empty(len(x))
    slopes[0], slopes[-1] = secant[0], secant[-1]
    h = np.diff(x)
    for i in range(1, len(x) - 1):
        one, two = 2.0 * h[i] + h[i - 1], h[i] + 2.0 * h[i - 1]
        mean = (one + two) / (one / secant[i - 1] + two / secant[i])
        slopes[i] = min(mean, 1.2 * secant[i - 1], 1.2 * secant[i])
    spline = BPoly.from_derivatives(x, np.column_stack([z, slopes, np.zeros(len(x))]))
    derivative = spline.derivative()

    def score(at: Array) -> Array:
        below, above = np.minimum(at - x[0], 0.0), np.maximum(at - x[-1], 0.0)
        inside = spline(np.clip(at, x[0], x[-1]))
        return np.asarray(inside + slopes[0] * below + slopes[-1] * above)

    def slope(at: Array) -> Array:
        return np.asarray(derivative(np.clip(at, x[0], x[-1])))

    def inverse(target: float) -> float:
        low, high = x[0] - 50.0 / slopes[0], x[-1] + 50.0 / slopes[-1]
        for _ in range(200):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if score(np.array(middle)) < target else (low, middle)
        return float(0.5 * (low + high))

    return score, slope, inverse(0.0), 0.5 * (inverse(1.0) - inverse(-1.0))


# ------------------------------------------------------------------ the reference: combining


@attrs.frozen(eq=False)
class Problem:
    """Claims with grids: a log prior on x, and nodes of the scatter with their weights."""

    claims: Sequence[Claim]
    model: Model
    grid: Grid
    log_prior: Callable[[Array], Array]
    tau: Array
    inflation: Array
    scatter_weight: Array
    void: Sequence[float]

    def terms(self) -> list[Terms]:
        x = self.grid.x[:, None]
        return [
            evaluate(claim, x, self.tau[None], self.inflation[None], self.model, void)
            for claim, void in zip(self.claims, self.void, strict=True)
        ]

    def p(self) -> tuple[Array, Array]:
        prior: Any = self.model.unknown_reliability
        unknown = any(c.source.reliability is None for c in self.claims)
        unknown = unknown and self.model.unsound is not None
        if not unknown or not isinstance(prior, priors.Beta):
            return np.array([0.5 if isinstance(prior, priors.Beta) else prior]), np.ones(1)
        grid = Grid(np.linspace(-30.0 / prior.a, 30.0 / prior.b, 13))
        logs = prior.a * log_expit(grid.x) + prior.b * log_expit(-grid.x)
        return expit(grid.x), grid.weight * np.exp(logs - betaln(prior.a, prior.b))

    def reliability(self, claim: Claim, p: float) -> float:
        if self.model.unsound is None:
            return 1.0
        return p if claim.source.reliability is None else claim.source.reliability


def shares_of(claims: Sequence[Claim], dependence: float) -> list[float]:
    origins = [c.origin or c.source.name for c in claims]
    count = len(set(origins))
    return [1.0 / (origins.count(o) * (1.0 + (count - 1) * dependence)) for o in origins]


def joint(problem: Problem, terms: list[Terms], chosen: Sequence[int], p: float) -> Array:
    """Prior times likelihood of some claims at (x, scatter)."""
    claims = [problem.claims[i] for i in chosen]
    out = np.exp(problem.log_prior(problem.grid.x))[:, None] * problem.scatter_weight[None]
    for i, share in zip(chosen, shares_of(claims, problem.model.dependence), strict=True):
        r = problem.reliability(problem.claims[i], p)
        out = out * (r * terms[i].sound + (1.0 - r) * terms[i].unsound) ** share
    return out


def check(problem: Problem, result: Any, tolerance: float = 1e-8) -> None:
    """Compare every per-claim result with the grids."""
    everything = list(range(len(problem.claims)))
    origins = [c.origin or c.source.name for c in problem.claims]
    nodes, weights = problem.p()
    weight = problem.grid.weight
    terms = problem.terms()
    shares = shares_of(problem.claims, problem.model.dependence)
    full = np.zeros((len(weight), len(problem.tau)))
    soundness, share_of_precision = np.zeros(len(everything)), np.zeros(len(everything))
    for p, wp in zip(nodes, weights, strict=True):
        mass = wp * joint(problem, terms, everything, p)
        full += mass
        each = []
        for i in everything:
            r = problem.reliability(problem.claims[i], p)
            likelihood = r * terms[i].sound + (1.0 - r) * terms[i].unsound
            with np.errstate(invalid="ignore", divide="ignore"):
                zeta = np.where(likelihood > 0.0, r * terms[i].sound / likelihood, 0.0)
            soundness[i] += weight @ (mass * zeta).sum(axis=1)
            each.append(shares[i] * terms[i].precision * (zeta + (1.0 - zeta) * terms[i].relative))
        total = sum(each)
        for i in everything:
            share = np.divide(each[i], total, out=np.zeros_like(mass), where=total > 0.0)
            share_of_precision[i] += weight @ (mass * share).sum(axis=1)
    whole = weight @ full.sum(axis=1)
    got = result.claims
    if not any(t.bound for t in terms):
        np.testing.assert_allclose(
            [c.weight for c in got],
            share_of_precision / share_of_precision.sum(),
            atol=5.0 * tolerance,
        )
    np.testing.assert_allclose([c.soundness for c in got], soundness / whole, atol=tolerance)
    own = full.sum(axis=1) / whole
    for i in everything:
        rest = [j for j in everything if origins[j] != origins[i]]
        other = np.zeros_like(full)
        for p, wp in zip(nodes, weights, strict=True):
            other += wp * joint(problem, terms, rest, p)
        other /= weight @ other.sum(axis=1)
        of_x = other.sum(axis=1)
        live = own > 1e-280
        with np.errstate(divide="ignore"):
            divergence = weight[live] @ (own[live] * np.log(own[live] / of_x[live]))
        assert got[i].influence.divergence == pytest.approx(
            divergence, rel=10.0 * tolerance, abs=tolerance
        ), i
        # The median without the origin is an edge of the grid; half must lie below it.
        median = result.estimate - got[i].influence.shift
        below = weight @ np.where(problem.grid.x < median, of_x, 0.0)
        assert below == pytest.approx(0.5, abs=tolerance), i
        if terms[i].bound:
            tail = weight @ (terms[i].sound * other).sum(axis=1)
        else:
            running = problem.grid.running(other)
            lower = weight @ (terms[i].sound * running).sum(axis=1)
            upper = weight @ (terms[i].sound * (running[-1:] - running)).sum(axis=1)
            assert lower + upper == pytest.approx(1.0, abs=tolerance)
            tail = 2.0 * min(lower, upper)
        assert got[i].tail == pytest.approx(tail, abs=tolerance), i


def with_medians(edges: Array, result: Any) -> Grid:
    medians = [result.estimate - c.influence.shift for c in result.claims]
    medians = [m for m in medians if edges[0] < m < edges[-1]]
    return Grid(np.unique(np.concatenate([edges, medians])))


def normal_prior(mean: float, sd: float) -> Callable[[Array], Array]:
    return lambda x: -0.5 * ((x - mean) / sd) ** 2 - np.log(sd * np.sqrt(2.0 * np.pi))


NO_SCATTER = (np.zeros(1), np.ones(1), np.ones(1))


def half_normal(scale: float, edges: Array) -> tuple[Array, Array, Array]:
    grid = Grid(edges)
    density = np.sqrt(2.0 / np.pi) / scale * np.exp(-0.5 * (grid.x / scale) ** 2)
    return grid.x, np.ones(len(grid.x)), grid.weight * density


def pareto(shape: float, edges: Array) -> tuple[Array, Array, Array]:
    grid = Grid(edges)
    return np.zeros(len(grid.x)), grid.x, grid.weight * shape * grid.x ** (-shape - 1.0)


# ------------------------------------------------------------------ every form, every kind

WIDE_EDGES = np.unique(
    np.concatenate(
        [
            -np.geomspace(40, 600, 12),
            np.arange(-40.0, 55.0, 0.75),
            np.geomspace(55, 600, 12),
            [8.0, 9.0, 10.0, 11.0, 14.0, 16.0, 19.0, 25.0, 3.0, 30.0],
        ]
    )
)


def claims_of_every_form(*, unknown: bool) -> list[Claim]:
    def r(value: float) -> float | None:
        return None if unknown and value != 0.9 else value

    return [
        Claim(
            Source("two-piece", reliability=r(0.6), interest=1),
            Estimate(10, low=7, high=18, level=0.9),
        ),
        Claim(Source("range", reliability=r(0.7), interest=-1), Range(12, 20)),
        Claim(Source("more", reliability=r(0.5), interest=1), AtLeast(8, excess=4.0)),
        Claim(Source("less", reliability=0.9), AtMost(30, excess=6.0)),
        Claim(
            Source("quantiles", reliability=r(0.8)),
            Quantiles({0.05: 3, 0.4: 9, 0.6: 14, 0.95: 19}),
        ),
        Claim(
            Source("normal", reliability=0.9, bias=1.0, bias_sd=1.0, overconfidence=1.5),
            Estimate(17, sd=2),
        ),
        Claim(Source("digits", reliability=r(0.4)), Estimate(16)),
    ]


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("law", [Floor(), Floor(4), Wide(3), Heavy(3, 2), Heavy(2, 1)])
def test_every_form(law: Floor | Wide | Heavy, unknown: bool) -> None:
    """Weights, soundness, influence and tails of every density, with given and unknown r."""
    claims = claims_of_every_form(unknown=unknown)
    model = Model(unsound=law, unknown_reliability=priors.Beta(2, 1.5))
    result = combine(claims, model=model, prior=priors.Normal(10, 30))
    grid = with_medians(WIDE_EDGES, result)
    check(
        Problem(claims, model, grid, normal_prior(10, 30), *NO_SCATTER, [0.0] * len(claims)), result
    )


@pytest.mark.parametrize("law", [Floor(), Wide(3), Heavy(3, 2)])
def test_verified_bounds(law: Floor | Wide | Heavy) -> None:
    """Bounds whose unsound likelihood is a distribution function, with interests."""
    claims = [
        Claim(Source("a", reliability=0.6, interest=1), AtLeast(8, excess=INF)),
        Claim(Source("b", reliability=0.6, interest=-1), AtLeast(19, excess=INF)),
        Claim(Source("c", reliability=0.7, interest=1), AtMost(14, excess=INF)),
        Claim(Source("d", reliability=0.9, bias=-2.0), Estimate(17, sd=3)),
    ]
    model = Model(unsound=law)
    result = combine(claims, model=model, prior=priors.Normal(10, 30))
    grid = with_medians(WIDE_EDGES, result)
    check(Problem(claims, model, grid, normal_prior(10, 30), *NO_SCATTER, [0.0] * 4), result)


@pytest.mark.parametrize("unknown", [False, True])
def test_shares(unknown: bool) -> None:
    """Origins of several claims, dependence between origins."""
    p = None if unknown else 0.6
    claims = [
        Claim(Source("a", reliability=p), Estimate(5, sd=2), origin="o"),
        Claim(Source("b", reliability=p, interest=1), AtLeast(8, excess=5.0), origin="o"),
        Claim(Source("c", reliability=0.7), Range(12, 20)),
        Claim(Source("d", reliability=p), Estimate(19, sd=1)),
    ]
    model = Model(unsound=Floor(), dependence=0.3, unknown_reliability=priors.Beta(2.5, 1.0))
    result = combine(claims, model=model, prior=priors.Normal(10, 30))
    grid = with_medians(WIDE_EDGES, result)
    check(Problem(claims, model, grid, normal_prior(10, 30), *NO_SCATTER, [0.0] * 4), result)


@pytest.mark.parametrize("unknown", [False, True])
def test_void(unknown: bool) -> None:
    """A Void's constant is the claim's density under the prior; its unsound part has no weight."""
    r = None if unknown else 0.7
    claims = [
        Claim(Source("a", reliability=r), Estimate(5, sd=2)),
        Claim(Source("b", reliability=0.6), Estimate(9, sd=1)),
        Claim(Source("c", reliability=r), Estimate(19, sd=3)),
    ]
    model = Model(unsound=Void(), unknown_reliability=priors.Beta(2, 1.5))
    result = combine(claims, model=model, prior=priors.Normal(10, 8))
    void = [
        float(phi(np.array((v - 10) / np.hypot(8, s))) / np.hypot(8, s))
        for v, s in ((5, 2), (9, 1), (19, 3))
    ]
    grid = with_medians(WIDE_EDGES, result)
    check(Problem(claims, model, grid, normal_prior(10, 8), *NO_SCATTER, void), result)


def test_hull_moves() -> None:
    """Without an outer claim the intrinsic range is narrower, and the divergence infinite."""
    claims = [
        Claim(Source("a", reliability=0.7), Estimate(5, sd=1)),
        Claim(Source("b", reliability=0.6), Estimate(9, sd=1)),
        Claim(Source("c", reliability=0.8), Estimate(12, sd=2)),
    ]
    model = Model(unsound=Void())
    result = combine(claims, model=model, prior=priors.IntrinsicRange(0.1))
    for i, record in enumerate(result.claims):
        rest = combine(claims[:i] + claims[i + 1 :], model=model, prior=priors.IntrinsicRange(0.1))
        assert result.estimate - record.influence.shift == pytest.approx(rest.estimate, abs=1e-9)
        low, high = rest.posterior.support()
        covers = low <= result.posterior.support()[0] and result.posterior.support()[1] <= high
        assert np.isinf(record.influence.divergence) != covers
        edges = np.unique(np.concatenate([np.linspace(low, high, 60)]))
        grid = Grid(edges)
        statement: Any = claims[i].statement
        value, sd = statement.value, statement.sd
        below = grid.weight @ (rest.posterior.pdf(grid.x) * ndtr((value - grid.x) / sd))
        assert record.tail == pytest.approx(2.0 * min(below, 1.0 - below), abs=1e-8)


TAU_EDGES = np.concatenate([[0.0], np.geomspace(0.05, 18.0, 13)])


@pytest.mark.parametrize("law", [Floor(), None])
def test_heterogeneity(law: Floor | None) -> None:
    """Claims of several forms under a scatter common to all."""
    claims = [
        Claim(Source("a", reliability=0.8), Estimate(10, sd=1)),
        Claim(Source("b", reliability=0.7), Estimate(11, sd=0.5)),
        Claim(Source("c", reliability=0.9), Range(14, 19)),
    ]
    model = Model(unsound=law, heterogeneity=priors.HalfNormal(2.0))
    result = combine(claims, model=model, prior=priors.Normal(10, 30))
    grid = with_medians(WIDE_EDGES, result)
    scatter = half_normal(2.0, TAU_EDGES)
    check(Problem(claims, model, grid, normal_prior(10, 30), *scatter, [0.0] * 3), result)


def test_inflation() -> None:
    """Claims of several forms under a factor common to all stated sds."""
    claims = [
        Claim(Source("a", reliability=0.8), Estimate(10, sd=1)),
        Claim(Source("b", reliability=0.7, bias_sd=0.5), Estimate(11, sd=0.5)),
        Claim(Source("c", reliability=0.9), Estimate(14, low=12, high=19, level=0.9)),
    ]
    model = Model(unsound=Floor(5), inflation=priors.Pareto(3.0))
    result = combine(claims, model=model, prior=priors.Normal(10, 30))
    grid = with_medians(WIDE_EDGES, result)
    scatter = pareto(3.0, 1.0 + np.concatenate([[0.0], np.geomspace(0.1, 5e3, 18)]))
    check(Problem(claims, model, grid, normal_prior(10, 30), *scatter, [0.0] * 3), result)


def test_all_normal() -> None:
    """The closed form, with origins of several claims and dependence."""
    claims = [
        Claim("a", Estimate(10, sd=1), origin="o"),
        Claim("b", Estimate(13, sd=0.5), origin="o"),
        Claim("c", Estimate(16, sd=2)),
        Claim(Source("d", bias=1.0, bias_sd=0.5), Estimate(11, sd=1)),
    ]
    model = Model.random_effects(priors.HalfNormal(2.0))
    model = attrs.evolve(model, dependence=0.2)
    result = combine(claims, model=model, prior=priors.Normal(10, 30))
    assert result._inference.normal is not None
    grid = with_medians(WIDE_EDGES, result)
    scatter = half_normal(2.0, TAU_EDGES)
    check(Problem(claims, model, grid, normal_prior(10, 30), *scatter, [0.0] * 4), result)


# ------------------------------------------------------------------ other posteriors than all claims'


def log_marginals(claims: list[Claim], x: Array, tau: Grid | None) -> list[Array]:
    """Log densities at x without each claim, and at last with all, flat prior, unnormalised."""
    at = np.zeros(1) if tau is None else tau.x
    logs = np.zeros(1)
    if tau is not None:
        logs = np.log(tau.weight) + np.log(2.0 / np.pi) - np.log1p(tau.x**2)
    terms = []
    for claim in claims:
        statement: Any = claim.statement
        r: Any = claim.source.reliability
        sd = np.hypot(statement.sd, at)
        residual = (statement.value - x[:, None]) / sd
        sound = -0.5 * residual**2 - np.log(sd * np.sqrt(2.0 * np.pi))
        unsound = np.log(unsound_density(residual, Floor()) / sd)
        with np.errstate(divide="ignore"):
            terms.append(np.logaddexp(np.log(r) + sound, np.log1p(-r) + unsound))
    chosen = [[j for j in range(len(claims)) if j != i] for i in range(len(claims))]
    return [
        np.asarray(logsumexp(logs + sum(terms[j] for j in some), axis=1))
        for some in [*chosen, list(range(len(claims)))]
    ]


@pytest.mark.parametrize(
    ("claims", "settings"),
    [
        (
            [(1.0, Estimate(0, sd=1)), (0.9, Estimate(100, sd=1)), (0.9, Estimate(110, sd=1))],
            {},
        ),
        (
            [(1.0, Estimate(0, sd=0.01)), (0.9, Estimate(100, sd=1)), (0.9, Estimate(101, sd=1))],
            {},
        ),
        (
            [(1.0, Estimate(0, sd=0.1)), (1.0, Estimate(60, sd=1)), (1.0, Estimate(61, sd=1))],
            {"prior": priors.Uniform(-1000, 1000)},
        ),
        (
            [(1.0, Estimate(10 + 0.3 * i, sd=1)) for i in range(3)] + [(1.0, Estimate(1e3, sd=1))],
            {
                "prior": priors.Uniform(-1e5, 1e5),
                "model": Model.random_effects(priors.HalfCauchy(1)),
            },
        ),
        (
            [(1.0, Estimate(10 + 0.3 * i, sd=1)) for i in range(5)] + [(1.0, Estimate(1e5, sd=1))],
            {"model": Model.random_effects(priors.HalfCauchy(1))},
        ),
        (
            [(0.9, Estimate(10 + 0.3 * i, sd=1)) for i in range(4)] + [(1.0, Estimate(1e4, sd=1))],
            {"model": Model(heterogeneity=priors.HalfCauchy(1))},
        ),
    ],
)
def test_far_from_all(claims: list[tuple[float, Estimate]], settings: dict[str, Any]) -> None:
    """The others' posterior may live where that of all claims is nothing, in x or the scatter."""
    every = [Claim(Source(f"s{i}", reliability=r), e) for i, (r, e) in enumerate(claims)]
    model = settings.get("model", Model())
    result = combine(every, **settings)
    tails = np.geomspace(1e-15, 0.02, 24)
    edges: list[Array] = []
    medians = []
    for i in range(len(every)):
        rest = combine(every[:i] + every[i + 1 :], **settings)
        medians.append(rest.estimate)
        for p in (rest.posterior, result.posterior):
            edges += [p.ppf(tails), p.isf(tails), p.ppf(np.linspace(0.02, 0.98, 16))]
    grid = Grid(np.unique(np.concatenate(edges)))
    scattered = model.heterogeneity is not None
    tau = Grid(np.concatenate([[0.0], np.geomspace(1e-2, 1e7, 36)])) if scattered else None
    *others, own = log_marginals(every, grid.x, tau)
    own = own - logsumexp(own, b=grid.weight)
    for record, logs, median in zip(result.claims, others, medians, strict=True):
        other = logs - logsumexp(logs, b=grid.weight)
        divergence = grid.weight @ (np.exp(own) * (own - other))
        assert record.influence.divergence == pytest.approx(divergence, rel=1e-6, abs=1e-7)
        assert result.estimate - record.influence.shift == pytest.approx(
            median, rel=4e-13, abs=1e-7
        )


def test_shared_bias() -> None:
    """Claims speak of the quantity plus the bias: what the others say of that is sharper."""
    claims = [Claim("a", Estimate(10, sd=1)), Claim("b", Estimate(11, sd=2))]
    claims.append(Claim("c", Estimate(16, sd=1.5)))
    model = Model(unsound=None, shared=2, heterogeneity=priors.HalfNormal(1))
    tau = Grid(np.linspace(0.0, 9.0, 40))
    result = combine(claims, model=model)
    y, sd = np.array([10.0, 11.0, 16.0]), np.array([1.0, 2.0, 1.5])
    for i, record in enumerate(result.claims):
        keep = np.arange(3) != i
        variance = sd[:, None] ** 2 + tau.x**2
        w = 1.0 / variance[keep]
        mean = (w * y[keep, None]).sum(axis=0) / w.sum(axis=0)
        q = (w * (y[keep, None] - mean) ** 2).sum(axis=0)
        evidence = np.exp(-0.5 * q - 0.5 * tau.x**2) * np.sqrt(w.prod(axis=0) / w.sum(axis=0))
        mass = tau.weight * evidence
        below = ndtr((y[i] - mean) / np.sqrt(variance[i] + 1.0 / w.sum(axis=0))) @ mass
        below /= mass.sum()
        assert record.tail == pytest.approx(2.0 * min(below, 1.0 - below), abs=1e-9)


@pytest.mark.parametrize("tau", [None, 1.0])
@pytest.mark.parametrize("prior", [None, priors.Normal(9.0, 2.0)])
def test_correlation(tau: float | None, prior: priors.Normal | None) -> None:
    """A claim that shares its errors with the others is the more surprising where it differs."""
    y, sd = np.array([10.0, 10.2, 12.0]), np.array([1.0, 1.0, 1.0])
    matrix = np.where(np.eye(3) > 0.0, 1.0, 0.8)
    claims = [Claim(f"s{i}", Estimate(a, sd=b)) for i, (a, b) in enumerate(zip(y, sd, strict=True))]
    model = Model(unsound=None, heterogeneity=None if tau is None else priors.HalfNormal(tau))
    result = combine(claims, model=model, prior=prior, correlation=matrix)
    grid = Grid(np.linspace(0.0, 9.0, 30))
    nodes = [0.0] if tau is None else grid.x
    weights = [1.0] if tau is None else grid.weight * np.exp(-0.5 * grid.x**2)
    for i, record in enumerate(result.claims):
        order = np.append(np.flatnonzero(np.arange(3) != i), i)
        total = lower = 0.0
        for t, weight in zip(nodes, weights, strict=True):
            # x is one more normal with a wide prior; conditioning a joint normal does the rest.
            mean, var = (9.0, 4.0) if prior is not None else (10.0, 1e8)
            v = matrix[np.ix_(order, order)] + t * t * np.eye(3) + var
            solve = np.linalg.solve(v[:2, :2], np.column_stack([y[order[:2]] - mean, v[:2, 2]]))
            center = mean + v[2, :2] @ solve[:, 0]
            variance = v[2, 2] - v[2, :2] @ solve[:, 1]
            q = (y[order[:2]] - mean) @ solve[:, 0]
            density = weight * np.exp(-0.5 * q) / np.sqrt(np.linalg.det(v[:2, :2]) / var)
            total += density
            lower += density * ndtr((y[i] - center) / np.sqrt(variance))
        below = lower / total
        assert record.tail == pytest.approx(2.0 * min(below, 1.0 - below), abs=2e-7)
    if tau is None and prior is None:
        assert result.claims[2].tail == pytest.approx(5.2e-4, rel=0.01)


# ------------------------------------------------------------------ repeats, limits, nothing left


@pytest.mark.parametrize("reliability", [None, 0.7])
@pytest.mark.parametrize(
    "settings",
    [
        {"model": Model(unsound=Void()), "prior": priors.Normal(0, 30)},
        {"model": Model(unsound=Void()), "prior": priors.IntrinsicRange(0.1)},
        {"model": Model()},
        {"model": Model(heterogeneity=priors.HalfNormal(1.0))},
    ],
)
def test_repeat_is_as_sound(settings: dict[str, Any], reliability: float | None) -> None:
    """A dropped repeat of a claim of equal reliability is as sound as the claim."""
    claims = [
        Claim(Source("a", reliability=reliability), Estimate(3, sd=1), origin="o"),
        Claim(Source("b", reliability=reliability), Estimate(3, sd=1), origin="o"),
        Claim(Source("c", reliability=0.8), Estimate(8, sd=2)),
    ]
    kept, dropped, _ = combine(claims, **settings).claims
    assert dropped.dropped is not None
    assert dropped.soundness == pytest.approx(kept.soundness, abs=1e-9)


def test_weights_under_unknown_reliability() -> None:
    """A weight is rational in p; a rule that is exact for polynomials is not exact for it."""
    claims = [
        Claim("unknown", Estimate(0, sd=1)),
        Claim(Source("known", reliability=0.9), Estimate(3, sd=2)),
    ]
    assert combine(claims).claims[0].weight == pytest.approx(0.714569, abs=5e-7)


def test_soundness_near_one() -> None:
    """A prior on p that is infinite at 1 leaves no nan."""
    claims = [("a", Estimate(10, sd=0.1)), ("b", Estimate(10, sd=0.1))]
    model = Model(unknown_reliability=priors.Beta(2, 0.5), dependence=0.3)
    for record in combine(claims, model=model).claims:
        assert record.weight == pytest.approx(0.5, abs=1e-12)
        assert 0.8 < record.soundness < 1.0


def test_tail_of_narrow_box() -> None:
    """Many digits with an error of ten per cent: a box far narrower than its shoulders."""
    claims = [
        Claim(Source("digits", reliability=1.0), Estimate(1234567.890123)),
        Claim(Source("other", reliability=1.0), Estimate(1300000, sd=10)),
    ]
    z = (1234567.890123 - 1300000) / np.hypot(123456.7890123, 10)
    assert combine(claims).claims[0].tail == pytest.approx(2.0 * ndtr(z), abs=1e-9)


@pytest.mark.parametrize(
    ("claims", "model"),
    [
        ([("a", Estimate(10, sd=1)), ("b", Estimate(11, sd=1))], Model.random_effects(priors.I2())),
        (
            [("a", AtLeast(10, excess=INF)), ("b", Quantiles({0.05: 8, 0.5: 12, 0.95: 20}))],
            Model.experts(),
        ),
        ([("a", Estimate(10, sd=1)), ("b", AtLeast(11, excess=INF))], Model.common_effect()),
        ([("a", Estimate(10, sd=1))], Model.common_effect()),
    ],
)
def test_nothing_left(claims: list[Any], model: Model) -> None:
    """Where the others alone have no posterior their results are nan, and nothing is raised."""
    result = combine(claims, model=model)
    missing = 0
    for i, record in enumerate(result.claims):
        try:
            combine(claims[:i] + claims[i + 1 :], model=model)
        except ReliabilityError:
            missing += 1
            assert np.isnan(
                [record.tail, record.influence.divergence, record.influence.shift]
            ).all()
        else:
            assert np.isfinite([record.tail, record.influence.shift]).all()
    assert missing > 0
    assert result.summary()
    assert result.to_dict()
