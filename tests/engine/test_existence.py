"""Which posteriors and moments exist: both sides of every rule, and tails by brute force."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, stats
from scipy.special import log_ndtr, logsumexp

from reliability import (
    AtLeast,
    AtMost,
    Claim,
    Combination,
    Estimate,
    Floor,
    Heavy,
    Model,
    Quantiles,
    Range,
    Source,
    Void,
    Wide,
    combine,
    priors,
)
from reliability.claims.columns import columns_from_claims
from reliability.claims.statements import Statement
from reliability.engine.existence import Existence, existence
from reliability.errors import NoPosteriorError
from reliability.scales import SCALES, ScaleName

Array = NDArray[np.float64]
INF = math.inf
LINEAR, LOG, LOGIT = SCALES["linear"], SCALES["log"], SCALES["logit"]
DOUBTFUL = Source("a", reliability=0.5)
SURE = Source("a", reliability=1.0)
NORMAL = Estimate(10, sd=1)


def exists(
    claims: Sequence[tuple[Source, Statement]],
    *,
    total: float | None = None,
    unsound: Any = Floor(),  # noqa: B008 - frozen
    prior: Any = priors.Flat(),  # noqa: B008
    scatter: Any = None,
    scale: ScaleName = "linear",
) -> Existence:
    """What the engine decides, with shares that sum to ``total`` (1 each if not given)."""
    records = [Claim(source, statement) for source, statement in claims]
    columns = columns_from_claims(records, SCALES[scale], 0.1, ["claim"] * len(records))
    if total is not None:
        columns = columns.with_fields(share=np.full(len(claims), total / len(claims)))
    hull = (float(columns.hull_low.min()), float(columns.hull_high.max()))
    return existence(columns, unsound.law, prior.on(SCALES[scale], hull), scatter)


def one(claims: Sequence[tuple[Source, Statement]], **options: Any) -> Combination:
    named = [
        Claim(
            Source(f"source {i}", reliability=s.reliability, interest=s.interest),
            statement,
        )
        for i, (s, statement) in enumerate(claims)
    ]
    result = combine(named, **options)
    assert isinstance(result, Combination)
    return result


def moments(found: Existence, scale: Any = LINEAR) -> tuple[bool, bool, bool]:
    return found.proper, found.moment(scale, 1), found.moment(scale, 2)


def reported(result: Combination) -> tuple[bool, bool]:
    posterior = result.posterior
    return math.isfinite(posterior.mean()), math.isfinite(posterior.var())


# ------------------------------------------------------------------ flat prior, tails 1/R^2

ABOVE = 1e-9


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (0.5, (False, False, False)),
        (0.5 + ABOVE, (True, False, False)),
        (1.0, (True, False, False)),
        (1.0 + ABOVE, (True, True, False)),
        (1.5, (True, True, False)),
        (1.5 + ABOVE, (True, True, True)),
    ],
)
@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("statement", [NORMAL, Range(3, 9), Quantiles({0.1: 1, 0.9: 4})], ids=str)
def test_total_share_decides(
    total: float, count: int, statement: Statement, expected: tuple[bool, ...]
) -> None:
    found = exists([(DOUBTFUL, statement)] * count, total=total)
    # Sums of shares are rounded: at a limit itself they may fall on either side.
    if count == 1 or abs(2.0 * total - round(2.0 * total)) > ABOVE:
        assert moments(found) == expected
    assert found.upper.effective_power == pytest.approx(2.0 * total, rel=1e-14)


@pytest.mark.parametrize("df", [0.25, 1.0, 3.0])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_degrees_of_freedom_decide(df: float, order: int) -> None:
    """Tails |x|^-((nu + 1) A): the moment of an order exists iff that is beyond order + 1."""
    limit = (order + 1.0) / (df + 1.0)
    for total, expected in ((limit * (1.0 - ABOVE), False), (limit * (1.0 + ABOVE), True)):
        found = exists([(DOUBTFUL, NORMAL)], unsound=Heavy(3, df), total=total)
        assert (True, *moments(found))[order + 1] == expected
        assert found.lower.effective_power == pytest.approx((df + 1.0) * total, rel=1e-14)
    # On the log scale such tails leave no mean, however many the claims.
    assert not exists([(DOUBTFUL, NORMAL)] * 9, unsound=Heavy(3, df), scale="log").moment(LOG, 1)


def test_moments_under_heavy_tails() -> None:
    two: list[tuple[Source, Statement]] = [(DOUBTFUL, NORMAL), (DOUBTFUL, Estimate(12, sd=1))]
    # (nu + 1) A = 1.2 and 2.4: no mean, then a mean but no variance.
    assert reported(one(two[:1], model=Model(unsound=Heavy(4, 0.2)))) == (False, False)
    assert reported(one(two, model=Model(unsound=Heavy(4, 0.2)))) == (True, False)
    assert reported(one(two, model=Model(unsound=Heavy(4, 0.6)))) == (True, True)


def test_heavy_tails_and_verified_bounds() -> None:
    """A bound's distribution function falls like |x|^-nu."""
    claims: list[tuple[Source, Statement]] = [
        (DOUBTFUL, AtLeast(1, excess=INF)),
        (DOUBTFUL, AtMost(9, excess=INF)),
    ]
    assert not exists(claims, unsound=Heavy(3, 1.0)).proper
    found = exists(claims, unsound=Heavy(3, 1.25))
    assert moments(found) == (True, False, False)
    assert found.upper.effective_power == found.lower.effective_power == 1.25


@pytest.mark.parametrize(
    ("dependence", "expected"),
    # A = 2/(1 + rho): 1 at rho = 1, 3/2 at rho = 1/3.
    [
        (1.0, (False, False)),
        (0.95, (True, False)),
        (0.34, (True, False)),
        (0.2, (True, True)),
        (0, (True, True)),
    ],
)
def test_dependence_takes_moments_away(dependence: float, expected: tuple[bool, bool]) -> None:
    result = one([(DOUBTFUL, NORMAL), (DOUBTFUL, Estimate(12, sd=1))], dependence=dependence)
    assert reported(result) == expected
    if expected[0]:
        # The claims mirror each other about 11.
        assert result.posterior.mean() == pytest.approx(11.0, abs=1e-7)
    if dependence == 0.2:
        # 30-digit quadrature, the tail beyond 64 integrated by its leading power.
        assert result.posterior.var() == pytest.approx(2.77375515958, rel=1e-8)


def test_share_of_one_half_leaves_no_posterior() -> None:
    claims = [
        Claim(Source("b", reliability=1.0), AtLeast(9, excess=INF), origin="o"),
        Claim(DOUBTFUL, NORMAL, origin="o"),
    ]
    with pytest.raises(NoPosteriorError, match="from above"):
        combine(claims)
    # A third statement of the same report leaves A = 2/3.
    result = combine([*claims, Claim(DOUBTFUL, Estimate(12, sd=1), origin="o")])
    assert isinstance(result, Combination)
    assert math.isnan(result.posterior.mean())


@pytest.mark.parametrize(
    ("claims", "unsound"),
    [
        ([(SURE, NORMAL)], Floor()),
        ([(SURE, NORMAL), (DOUBTFUL, NORMAL)], Floor()),
        ([(DOUBTFUL, NORMAL)], Floor(1e6)),
        ([(DOUBTFUL, NORMAL)], Wide(1e6)),
        ([(Source("a", reliability=0.0), NORMAL)], Wide(5)),
        ([(Source("a"), NORMAL)], Wide(5)),
        ([(SURE, NORMAL)], Void()),
    ],
)
def test_one_normal_tail_is_enough(claims: Any, unsound: Any) -> None:
    for scale in ("linear", "log"):
        found = exists(claims, unsound=unsound, total=1e-3, scale=scale)
        assert moments(found, SCALES[scale]) == (True, True, True)
        assert found.moment(SCALES[scale], 50)


# ------------------------------------------------------------------ tails by brute force

TAU = np.logspace(-6.0, 14.0, 8001)
LOG_STEP = math.log(TAU[1] / TAU[0])


def log_normal(z: Array) -> Array:
    return np.asarray(-0.5 * z * z - 0.5 * math.log(2.0 * math.pi))


def log_claim(
    x: float, sd: Array, r: float, factor: float, kind: str, interest: int = 0, df: float = 1.0
) -> Array:
    """Log likelihood of one normal claim of 0, sound or unsound, from the formulas."""
    residual = -x / sd
    parts = []
    if r > 0.0:
        parts.append(math.log(r) + log_normal(residual))
    if r < 1.0:
        if kind == "wide":
            u = log_normal(residual / factor) - math.log(factor)
        elif kind == "heavy":
            u = stats.t(df).logpdf(residual / factor) - math.log(factor)
        else:
            weight = 1.0 if math.isinf(factor) else factor / (factor - 1.0)
            # exp(-R^2/(2 K^2)) - exp(-R^2/2), by a factor that does not underflow.
            wide = 0.0 if math.isinf(factor) else residual**2 / (2.0 * factor**2)
            with np.errstate(divide="ignore"):
                u = np.log(-np.expm1(wide - residual**2 / 2.0)) - wide
                u = u - 2.0 * np.log(np.abs(residual)) + math.log(weight)
            u = u - 0.5 * math.log(2.0 * math.pi)
        if interest:
            u = u + math.log(2.0) + log_ndtr(interest * residual)
        parts.append(math.log(1.0 - r) + u)
    return np.asarray(logsumexp(parts, axis=0) - np.log(sd))


def log_marginal(x: float, log_claims: Callable[[float, Array], Array], log_prior: Any) -> float:
    """Log of the integral over tau of prior times likelihood, by the trapezoid rule in log tau."""
    terms = log_claims(x, TAU) + log_prior(TAU) + np.log(TAU)
    return float(logsumexp(terms) + math.log(LOG_STEP))


def power_of(log_density: Callable[[float], float]) -> float:
    """Exponent of a tail from its slope over a decade far out."""
    return (log_density(1e7) - log_density(1e8)) / math.log(10.0)


def rate_of(log_density: Callable[[float], float], order: float, far: float = 4000.0) -> float:
    """Rate of ``|x|^-p exp(-rate |x|)`` from three points, where p is near ``order``."""
    first, second = log_density(far), log_density(2.0 * far)
    return (first - second - order * math.log(2.0)) / far


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("kind", ["sound", "floor", "mixed"])
@pytest.mark.parametrize(
    ("scatter", "log_prior"),
    [
        (priors.HalfCauchy(2.0), lambda t: -np.log1p((t / 2.0) ** 2)),
        (priors.Lomax(0.5, 1.0), lambda t: -1.5 * np.log1p(t)),
        (priors.HalfStudentT(4.0, 1.0), lambda t: -2.5 * np.log1p(t * t / 4.0)),
        (priors.UniformShrinkage(), lambda t: np.log(t) - 2.0 * np.log1p(t * t)),
        (priors.Sqrt(), lambda t: -0.5 * np.log(t)),
        (priors.Flat(), lambda t: 0.0 * t),
    ],
    ids=repr,
)
def test_power_tails_under_scatter(count: int, kind: str, scatter: Any, log_prior: Any) -> None:
    """|x|^-min(2 A, A + q - 1) where all may be unsound, |x|^-(A + q - 1) else."""
    r = {"sound": [1.0] * count, "floor": [0.5] * count, "mixed": [1.0] + [0.5] * (count - 1)}[kind]
    found = exists([(Source("a", reliability=v), Estimate(0, sd=1)) for v in r], scatter=scatter)

    def log_claims(x: float, tau: Array) -> Array:
        sd = np.sqrt(1.0 + tau * tau)
        return np.asarray(sum(log_claim(x, sd, v, INF, "floor") for v in r))

    expected = found.upper.effective_power
    q = scatter.power
    rule = count + q - 1.0
    rule = min(rule, 2.0 * count) if kind == "floor" else rule
    assert expected == pytest.approx(rule, abs=1e-13)
    if expected <= 0.0:
        return  # the integral over tau diverges: there is nothing to integrate
    slope = power_of(lambda x: log_marginal(x, log_claims, log_prior))
    # Where both exponents agree the tail carries a logarithm: 1/log(x) is left in the slope.
    tie = kind == "floor" and abs(2.0 * count - (count + q - 1.0)) < 0.6
    assert slope == pytest.approx(expected, abs=0.2 if tie else 1e-3)
    assert found.lower == found.upper


@pytest.mark.parametrize("df", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("scatter", [priors.HalfCauchy(2.0), priors.HalfStudentT(4.0, 1.0)])
def test_heavy_tails_under_scatter(scatter: Any, count: int, df: float) -> None:
    """|x|^-min((nu + 1) A, A + q - 1)."""
    claims = [(DOUBTFUL, Estimate(0, sd=1))] * count
    found = exists(claims, unsound=Heavy(3, df), scatter=scatter)
    first, second = (df + 1.0) * count, count + scatter.power - 1.0
    assert found.upper.effective_power == pytest.approx(min(first, second), abs=1e-13)

    def log_claims(x: float, tau: Array) -> Array:
        sd = np.sqrt(1.0 + tau * tau)
        return count * log_claim(x, sd, 0.5, 3.0, "heavy", df=df)

    def log_prior(tau: Array) -> Array:
        power, scale = scatter.df if hasattr(scatter, "df") else 1.0, scatter.scale
        return np.asarray(-0.5 * (power + 1.0) * np.log1p((tau / scale) ** 2 / power))

    slope = power_of(lambda x: log_marginal(x, log_claims, log_prior))
    near = abs(first - second)
    # Near a tie both exponents still show.
    assert slope == pytest.approx(min(first, second), abs=0.2 if near < 0.6 else 2e-3)


@pytest.mark.parametrize("interest", [0, 1, -1])
@pytest.mark.parametrize(
    ("kind", "factor", "unsound"),
    [
        ("wide", 3.0, Wide(3)),
        ("floor", 2.0, Floor(2)),
        ("floor", INF, Floor()),
        ("heavy", 3.0, Heavy(3)),
    ],
)
@pytest.mark.parametrize("r", [0.0, 0.5, 1.0])
def test_exponential_tails_under_half_normal_scatter(
    r: float, kind: str, factor: float, unsound: Any, interest: int
) -> None:
    """exp(-sqrt(G) |x|/c), with G the least information of the claims' normal tails."""
    c = 0.5
    source = Source("a", reliability=r, interest=interest)
    found = exists([(source, Estimate(0, sd=1))] * 3, unsound=unsound, scatter=priors.HalfNormal(c))

    def log_density(x: float) -> float:
        def log_claims(at: float, tau: Array) -> Array:
            sd = np.sqrt(1.0 + tau * tau)
            return np.asarray(3.0 * log_claim(at, sd, r, factor, kind, interest))

        return log_marginal(x, log_claims, lambda t: -0.5 * (t / c) ** 2)

    for sign, tail in ((1.0, found.upper), (-1.0, found.lower)):

        def on_side(x: float, s: float = sign) -> float:
            return log_density(s * x)

        if tail.rate == 0.0:
            assert tail.power == 6.0
            assert math.isinf(factor) or kind == "heavy"
            assert power_of(on_side) == pytest.approx(6.0, abs=1e-3)
            continue
        # The power beside the exponential lies between 1.5 (normal) and 6 (floor).
        slope = rate_of(on_side, 3.0)
        assert slope == pytest.approx(tail.rate, abs=3.5 * math.log(2.0) / 4000.0 + 1e-3)


@pytest.mark.parametrize("excess", [0.2, 0.75, 2.0])
@pytest.mark.parametrize("c", [0.1, 0.5, 2.0])
def test_bound_that_may_be_unsound_under_half_normal_scatter(excess: float, c: float) -> None:
    """The slower of the sound bound's exponential and the unsound one's stretched normal."""
    factor = 1.5
    found = exists(
        [(DOUBTFUL, AtLeast(1, excess=excess))], unsound=Wide(factor), scatter=priors.HalfNormal(c)
    )
    assert found.upper.rate == pytest.approx(min(1.0 / excess, 1.0 / (factor * c)), rel=1e-12)

    def log_density(x: float) -> float:
        def log_claims(at: float, tau: Array) -> Array:
            s = np.sqrt(0.01 + tau * tau)
            sound = log_ndtr(at / s) - at / excess - np.log(s + excess)
            point = np.sqrt(s * s + excess**2) * factor
            return np.asarray(np.logaddexp(sound, log_normal(at / point) - np.log(point)))

        return log_marginal(x, log_claims, lambda t: -0.5 * (t / c) ** 2)

    assert rate_of(log_density, 0.5) == pytest.approx(found.upper.rate, abs=2e-3)
    assert found.moment(LOG, 1) == (found.upper.rate > 1.0)


def test_outer_quantiles_have_a_slope_of_their_own() -> None:
    stated = Quantiles({0.05: -10.0, 0.4: -1.0, 0.6: 1.0, 0.95: 2.0})
    c = 0.8
    records = [Claim(SURE, stated)]
    columns = columns_from_claims(records, LINEAR, 0.1, ["claim"])
    found = exists([(SURE, stated)], scatter=priors.HalfNormal(c))
    for tail, piece in ((found.lower, 0), (found.upper, -1)):
        # z = slope * sd * x / tau at large tau.
        information = float(columns.knots.c1[0, piece] * columns.sd_low[0]) ** 2

        def log_density(x: float, g: float = information) -> float:
            return log_marginal(
                x,
                lambda at, tau: log_normal(math.sqrt(g) * at / np.hypot(1.0, tau)) - np.log(tau),
                lambda t: -0.5 * (t / c) ** 2,
            )

        assert rate_of(log_density, 0.5) == pytest.approx(tail.rate, abs=1e-3)
    assert found.upper.rate > 2.0 * found.lower.rate


@pytest.mark.parametrize(
    ("scatter", "log_prior"),
    [
        (priors.Exponential(1.0), lambda t: -t),
        (priors.HalfLogistic(1.0), lambda t: -t),
        (priors.LogNormal(1.0, 0.5), lambda t: -2.0 * np.log(t) ** 2 - np.log(t)),
    ],
    ids=repr,
)
def test_tails_between_powers_and_exponentials(scatter: Any, log_prior: Any) -> None:
    found = exists([(SURE, Estimate(0, sd=1))] * 2, scatter=scatter)
    assert moments(found) == (True, True, True)
    assert moments(found, LOG) == (True, False, False)

    def log_density(x: float) -> float:
        return log_marginal(
            x, lambda at, tau: 2.0 * (log_normal(at / np.hypot(1, tau)) - np.log(tau)), log_prior
        )

    # Each doubling of x takes more off than the last, as under no power, and less than twice
    # as much, as under an exponential.
    steps = [log_density(1e3 * 2**k) - log_density(2e3 * 2**k) for k in range(2)]
    assert steps[0] > 6.0 * math.log(2.0)
    assert 1.05 < steps[1] / steps[0] < 1.7


# ------------------------------------------------------------------ interest


@pytest.mark.parametrize(
    ("interest", "lower", "upper"), [(0, 2.0, 2.0), (1, 2.0, INF), (-1, INF, 2.0)]
)
@pytest.mark.parametrize("r", [0.0, 0.5, None])
def test_interest_excludes_one_tail(
    interest: int, lower: float, upper: float, r: float | None
) -> None:
    source = Source("a", reliability=r, interest=interest)
    found = exists([(source, NORMAL)])
    assert found.lower.effective_power == lower
    assert found.upper.effective_power == upper
    assert moments(found) == (True, False, False)
    # On the log scale the upper tail alone decides.
    assert moments(exists([(source, NORMAL)], scale="log"), LOG) == (True, *(upper == INF,) * 2)


def test_interest_on_the_log_scale_end_to_end() -> None:
    claims = {
        d: [(Source("a", reliability=0.5, interest=d), Estimate(10, sd=1))] for d in (-1, 0, 1)
    }
    means = {d: one(c, scale="log").posterior.mean() for d, c in claims.items()}
    assert means[-1] == means[0] == INF

    def density(x: float) -> float:
        at = x - math.log(10.0)
        return math.exp(float(log_claim(at, np.array(0.1), 0.5, INF, "floor", 1)))

    ends = [math.log(10.0) + s for s in (-60.0, -5.0, -0.5, 0.0, 0.5, 5.0)]
    parts = [
        [
            integrate.quad(lambda x, k=k: density(x + 1e-12) * math.exp(k * x), a, b, limit=200)[0]
            for a, b in pairwise(ends)
        ]
        for k in (0, 1)
    ]
    # Below the last end the tail is that of 0.1/(sqrt(2 pi) x^2), doubled by the interest.
    left = 0.5 * 2.0 * 0.1 / math.sqrt(2.0 * math.pi) / 60.0
    assert means[1] == pytest.approx(sum(parts[1]) / (sum(parts[0]) + left), rel=1e-7)


# ------------------------------------------------------------------ bounds


@pytest.mark.parametrize(
    ("excess", "expected"),
    [
        (1.0, (True, False, False)),
        (1.0 / (1.0 + 1e-9), (True, True, False)),
        (0.5, (True, True, False)),
        (0.5 / (1.0 + 1e-9), (True, True, True)),
    ],
)
@pytest.mark.parametrize(
    ("source", "unsound"), [(SURE, Floor()), (DOUBTFUL, Wide(3)), (DOUBTFUL, Floor(3))]
)
def test_exponential_tail_of_a_bound_on_the_log_scale(
    excess: float, expected: tuple[bool, ...], source: Source, unsound: Any
) -> None:
    found = exists([(source, AtLeast(10, excess=excess))], unsound=unsound, scale="log")
    assert moments(found, LOG) == expected
    assert found.upper.rate == 1.0 / excess
    # The mirror image bounds the quantity from above: every moment exists.
    mirrored = exists([(source, AtMost(10, excess=excess))], unsound=unsound, scale="log")
    assert moments(mirrored, LOG) == (True, True, True)
    # On the linear scale an exponential tail has every moment.
    assert moments(exists([(source, AtLeast(10, excess=excess))], unsound=unsound))[2]


def test_share_stretches_the_exponential_of_a_bound() -> None:
    found = exists([(SURE, AtLeast(10, excess=0.6))], scale="log", total=0.6)
    assert found.upper.rate == pytest.approx(1.0)
    assert exists([(SURE, AtLeast(10, excess=0.6))], scale="log", total=0.7).moment(LOG, 1)
    assert not exists([(SURE, AtLeast(10, excess=0.6))], scale="log", total=0.5).moment(LOG, 1)


def test_a_power_decides_at_the_exponential_limit() -> None:
    """exp(x) exp(-x) leaves |x|^-2A: integrable iff A > 1/2."""
    claims: list[tuple[Source, Statement]] = [(SURE, AtLeast(10, excess=1.0)), (DOUBTFUL, NORMAL)]
    assert moments(exists(claims, scale="log"), LOG) == (True, True, False)
    result = one(claims, scale="log")
    assert math.isfinite(result.posterior.mean())
    assert result.posterior.var() == INF
    assert one([claims[0]], scale="log").posterior.mean() == INF


@pytest.mark.parametrize("excess", [0.3, 0.8])
def test_mean_of_a_bound_by_quadrature(excess: float) -> None:
    s, v = 0.1, math.log(10.0)

    def term(t: float, k: int) -> float:
        return math.exp(float(log_ndtr(t / s)) - max(t, 0.0) / excess + k * t)

    mass, first = (
        sum(
            integrate.quad(term, a, b, args=(k,), epsabs=1e-14)[0]
            for a, b in pairwise((-2.0, 0.0, 0.5, INF))
        )
        for k in (0, 1)
    )
    posterior = one([(SURE, AtLeast(10, excess=excess))], scale="log").posterior
    assert posterior.mean() == pytest.approx(math.exp(v) * first / mass, rel=1e-9)
    assert (posterior.var() == INF) == (excess > 0.5)


BOUNDED: list[tuple[Source, Statement]] = [
    (SURE, AtLeast(1, excess=INF)),
    (SURE, AtMost(9, excess=INF)),
]


@pytest.mark.parametrize("source", [SURE, DOUBTFUL])
@pytest.mark.parametrize("unsound", [Floor(), Wide(3), Heavy(3, 2)])
def test_verified_bounds_on_one_side_have_no_posterior(source: Source, unsound: Any) -> None:
    for statement, end in ((AtLeast(10, excess=INF), "above"), (AtMost(10, excess=INF), "below")):
        for count in (1, 4):
            found = exists([(source, statement)] * count, unsound=unsound)
            assert not found.proper
            assert f"from {end}" in found.reason
        assert exists([(source, statement)], unsound=unsound, prior=priors.Normal(0, 9)).proper
        # An excess bounds it.
        closed = type(statement)(10, excess=1.0)
        assert exists([(source, closed)], unsound=unsound).proper


def test_verified_bounds_on_both_sides() -> None:
    assert moments(exists(BOUNDED)) == (True, True, True)
    result = one(BOUNDED)
    # Between the bounds, whose errors are 0.1 and 0.9, nearly uniform.
    assert 4.5 < result.posterior.mean() < 5.5
    # Doubtful ones fall like 1/|x|: two on each side are needed.
    doubtful = [(DOUBTFUL, statement) for _, statement in BOUNDED]
    assert not exists(doubtful).proper
    assert not exists(doubtful * 2, total=4.0 * 0.5).proper
    assert exists(doubtful * 2, total=4.0 * 0.5 + 1e-6).proper
    assert exists(doubtful * 2).upper.effective_power == 2.0
    assert exists(doubtful, unsound=Wide(3)).proper


# ------------------------------------------------------------------ priors on the quantity


@pytest.mark.parametrize(
    "prior", [priors.Uniform(1, 50), priors.LogUniform(1, 50), priors.Normal(1, 50)], ids=repr
)
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_priors_with_all_moments(prior: Any, scale: ScaleName) -> None:
    found = exists([(SURE, AtLeast(5, excess=INF))], prior=prior, scale=scale)
    assert moments(found, SCALES[scale]) == (True, True, True)
    assert found.moment(SCALES[scale], 9)


def test_uniform_prior_end_to_end() -> None:
    posterior = one([(SURE, AtLeast(0.5, excess=INF))], prior=priors.Uniform(2, 6)).posterior
    # The bound lies 30 errors below: what is left is the prior.
    assert posterior.mean() == pytest.approx(4.0, abs=1e-8)
    assert posterior.var() == pytest.approx(16.0 / 12.0, rel=1e-8)


@pytest.mark.parametrize(
    ("df", "expected"),
    [
        (0.5, (True, False, False)),
        (1.0, (True, False, False)),
        (1.0 + 1e-9, (True, True, False)),
        (2.0, (True, True, False)),
        (2.0 + 1e-9, (True, True, True)),
    ],
)
@pytest.mark.parametrize("scale", ["linear", "log"])
def test_student_prior_beside_a_verified_bound(
    df: float, expected: tuple[bool, ...], scale: ScaleName
) -> None:
    found = exists([(SURE, AtLeast(5, excess=INF))], prior=priors.StudentT(df, 3, 2), scale=scale)
    assert moments(found, SCALES[scale]) == expected


def test_student_prior_adds_its_power() -> None:
    found = exists([(DOUBTFUL, NORMAL)] * 2, prior=priors.StudentT(1.5, 3, 2))
    assert found.upper.effective_power == 4.0 + 2.5
    posterior = one([(DOUBTFUL, NORMAL)] * 2, prior=priors.StudentT(1.5, 3, 2)).posterior
    log_density = [float(np.asarray(posterior.logpdf(x))) for x in (1e7, 1e8)]
    assert (log_density[0] - log_density[1]) / math.log(10.0) == pytest.approx(6.5, abs=1e-3)


def test_log_normal_prior_has_moments_on_both_scales() -> None:
    for scale in ("linear", "log"):
        found = exists([(SURE, AtLeast(5, excess=INF))], prior=priors.LogNormal(5, 3), scale=scale)
        assert moments(found, SCALES[scale]) == (True, True, True)


def test_shares_have_all_moments() -> None:
    found = exists([(DOUBTFUL, Estimate(0.3, sd=0.1))], scale="logit")
    assert moments(found, LOGIT) == (True, True, True)
    assert 0.0 < one([(DOUBTFUL, Estimate(0.3, sd=0.1))], scale="logit").posterior.mean() < 1.0


@pytest.mark.parametrize(
    ("prior", "power"),
    [
        (priors.Density(lambda t: -np.log1p(t * t)), 2.0),
        (priors.Density(lambda t: -1.25 * np.log1p((t - 4.0) ** 2 / 9.0)), 2.5),
        (priors.Density(lambda t: -0.5 * t * t), INF),
        (priors.Density(lambda t: -np.abs(t)), INF),
        (priors.Density(lambda t: 0.0 * t, (-20.0, 80.0)), INF),
    ],
)
def test_densities_of_the_user(prior: Any, power: float) -> None:
    found = exists([(SURE, AtLeast(5, excess=INF))], prior=prior)
    assert found.upper.effective_power == pytest.approx(power, abs=1e-5)
    assert found.moment(LINEAR, 1) == (power > 2.0)
    assert found.moment(LINEAR, 2) == (power > 3.0)


# ------------------------------------------------------------------ the scatter's posterior

TAU_PRIORS = [
    (priors.Flat(), 0.0),
    (priors.Sqrt(), 0.5),
    (priors.Jeffreys(), 1.0),
    (priors.BergerDeely(), 1.0),
    (priors.OverallJeffreys(), 2.0),
    (priors.HalfCauchy(1), 2.0),
    (priors.Conventional(), 2.0),
    (priors.DuMouchel(), 2.0),
    (priors.UniformShrinkage(), 3.0),
    (priors.I2(), 3.0),
    (priors.Lomax(0.5, 1), 1.5),
    (priors.HalfStudentT(0.5, 1), 1.5),
    (priors.HalfStudentT(4, 1), 5.0),
]


@pytest.mark.parametrize(("scatter", "q"), TAU_PRIORS, ids=repr)
@pytest.mark.parametrize("flat", [True, False])
def test_total_share_and_the_prior_decide_on_tau(scatter: Any, q: float, flat: bool) -> None:
    """p(tau) falls like tau^-(q + A), and one power less under a flat prior on the quantity."""
    prior = priors.Flat() if flat else priors.Normal(0, 50)
    needed = 1.0 - q + (1.0 if flat else 0.0)
    for moment in (0, 1, 2):
        limit = needed + moment
        for total in (limit, limit + 1e-9):
            if total <= 0.0:
                continue
            found = exists([(SURE, NORMAL)] * 2, total=total, prior=prior, scatter=scatter)
            if moment == 0:
                # A posterior of x is needed as well: |x|^-(A + q - 1).
                assert found.proper == (total > limit)
                assert total > limit or "determine the scatter" in found.reason
            else:
                assert found.scatter_moment(moment) == (total > limit)
            if found.proper and flat:
                assert found.upper.effective_power == pytest.approx(total + q - 1.0)
                assert found.moment(LINEAR, 1) == (total + q - 1.0 > 2.0)


@pytest.mark.parametrize("scatter", [p for p, q in TAU_PRIORS if q < 2.0], ids=repr)
def test_fewest_claims_under_each_prior_end_to_end(scatter: Any) -> None:
    fewest = math.floor(2.0 - scatter.power) + 1
    claims: list[tuple[Source, Statement]] = [
        (SURE, Estimate(v, sd=1)) for v in (0.0, 1.0, 3.0, 4.5)
    ]
    model = Model(heterogeneity=scatter)
    result = one(claims[:fewest], model=model)
    assert result.error < 1e-6
    if fewest > 1:
        with pytest.raises(NoPosteriorError, match="cannot determine the scatter"):
            one(claims[: fewest - 1], model=model)


def test_moments_of_a_scatter_end_to_end() -> None:
    """Under HalfCauchy p(tau) falls like tau^-(A + 1): the mean needs 2 claims, the variance 3."""
    for count, mean, variance in ((1, False, False), (2, True, False), (3, True, True)):
        claims: list[tuple[Source, Statement]] = [(SURE, Estimate(v, sd=1)) for v in range(count)]
        result = one(claims, model=Model(heterogeneity=priors.HalfCauchy(1)))
        tau = result.heterogeneity
        assert tau is not None
        assert (tau.mean() < INF, tau.var() < INF) == (mean, variance)
        assert reported(result) == (count > 1, count > 2)
        if not mean:
            continue

        def density(t: float, power: int = 0, n: int = count) -> float:
            # Claims 0..n-1 with variance v = 1 + t^2 about their mean.
            v = 1.0 + t * t
            squares = n * (n * n - 1) / 12.0
            kernel = v ** (-0.5 * (n - 1)) * math.exp(-0.5 * squares / v)
            return float(t**power * kernel / (1.0 + t * t))

        mass, first = (integrate.quad(density, 0, INF, args=(k,), limit=400)[0] for k in (0, 1))
        assert tau.mean() == pytest.approx(first / mass, rel=1e-8)


@pytest.mark.parametrize("shape", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("count", [1, 2])
def test_pareto_inflation(shape: float, count: int) -> None:
    """Tail |x|^-(A + a) of sound claims; of doubtful ones |x|^-min(2 A, A + a)."""
    for source, power in (
        (SURE, count + shape),
        (DOUBTFUL, min(2.0 * count, count + shape)),
    ):
        found = exists([(source, Estimate(0, sd=1))] * count, scatter=priors.Pareto(shape))
        assert found.upper.effective_power == pytest.approx(power)
        assert moments(found) == (power > 1.0, power > 2.0, power > 3.0)
        assert found.scatter_moment(1) == (shape + count > 2.0)

    def log_density(x: float) -> float:
        k = TAU[TAU >= 1.0]
        terms = count * log_claim(x, k, 1.0, INF, "floor") - shape * np.log(k)
        return float(logsumexp(terms))

    assert power_of(log_density) == pytest.approx(count + shape, abs=1e-3)


@pytest.mark.parametrize("flat", [True, False])
def test_bounds_alone_do_not_determine_a_scatter(flat: bool) -> None:
    """A verified bound's probability does not fall with tau: A counts densities only."""
    prior = priors.Flat() if flat else priors.Normal(0, 9)
    assert not exists(BOUNDED, prior=prior, scatter=priors.Flat()).proper
    assert exists(BOUNDED, prior=prior, scatter=priors.OverallJeffreys()).proper != flat
    assert exists(BOUNDED, prior=prior, scatter=priors.HalfStudentT(1.1, 1)).proper


def test_exponentials_on_both_sides_bound_the_quantity_at_every_scatter() -> None:
    """Between two bounds with an excess the range of x does not grow with tau."""
    claims: list[tuple[Source, Statement]] = [
        (SURE, AtLeast(1, excess=1.0)),
        (SURE, AtMost(9, excess=1.0)),
    ]
    assert exists(claims, scatter=priors.Flat()).proper
    assert not exists([claims[0], (SURE, NORMAL)], scatter=priors.Flat()).proper


def test_bounded_scatter_stretches_nothing_without_limit() -> None:
    bounded = priors.Density(lambda t: 0.0 * t, (0.0, 0.1))
    for excess, expected in ((2.0, False), (0.5, True)):
        found = exists(
            [(DOUBTFUL, AtLeast(10, excess=excess))],
            unsound=Wide(1.5),
            scatter=bounded,
            scale="log",
        )
        assert found.upper.rate == 1.0 / excess
        assert found.moment(LOG, 1) == expected
    assert exists([(SURE, NORMAL)], scatter=bounded).upper.fast
    assert exists([(DOUBTFUL, NORMAL)], scatter=bounded).upper.effective_power == 2.0


# ------------------------------------------------------------------ Void


def test_void_needs_a_proper_prior() -> None:
    claims: list[tuple[Source, Statement]] = [(DOUBTFUL, NORMAL), (DOUBTFUL, Estimate(12, sd=1))]
    assert not exists(claims, unsound=Void()).proper
    assert exists(claims, unsound=Void(), prior=priors.Normal(0, 9)).proper
    assert exists(claims, unsound=Void(), prior=priors.IntrinsicRange(0.1)).proper
    with pytest.raises(NoPosteriorError, match="flat prior"):
        one(claims, model=Model(unsound=Void()))


def test_void_does_not_determine_a_scatter() -> None:
    """An unsound claim says nothing of tau either: a proper prior on it is needed."""
    normal = priors.Normal(0, 9)
    claims: list[tuple[Source, Statement]] = [(DOUBTFUL, NORMAL)] * 5
    assert not exists(claims, unsound=Void(), prior=normal, scatter=priors.Jeffreys()).proper
    assert exists(claims, unsound=Void(), prior=normal, scatter=priors.HalfCauchy(1)).proper
    # Sound claims count.
    sure = [*claims, (SURE, NORMAL)]
    assert exists(sure, unsound=Void(), prior=normal, scatter=priors.Jeffreys()).proper


# ------------------------------------------------------------------ predictive


def test_predictive_moments_need_those_of_the_scatter() -> None:
    for count, expected in ((1, (False, False)), (2, (True, False)), (3, (True, True))):
        claims: list[tuple[Source, Statement]] = [(SURE, Estimate(v, sd=1)) for v in range(count)]
        found = exists(claims, scatter=priors.HalfCauchy(1))
        assert tuple(found.predictive_moment(LINEAR, j) for j in (1, 2)) == expected
        predictive = one(claims, model=Model(heterogeneity=priors.HalfCauchy(1))).predictive
        assert (math.isfinite(predictive.mean()), math.isfinite(predictive.var())) == expected


def predictive_exists(g: float, rho: float, c: float, order: int) -> bool:
    """Whether log E[exp(j (x + tau z)) | tau] + log p(tau) falls, by quadrature over x."""

    def log_mean(tau: float) -> float:
        # A flat prior and a likelihood exp(-rho x+ - g x^2/(2 tau^2)).
        x = np.linspace(-30.0 * tau, 30.0 * tau + order * tau**2 / g, 200_001)
        terms = order * x - rho * np.maximum(x, 0.0) - 0.5 * g * (x / tau) ** 2
        return float(logsumexp(terms)) + 0.5 * (order * tau) ** 2 - 0.5 * (tau / c) ** 2

    return log_mean(400.0) < log_mean(200.0)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("rho", [0.0, 0.5, 3.0])
def test_predictive_moments_on_the_log_scale(order: int, count: int, rho: float) -> None:
    claims: list[tuple[Source, Statement]] = [(SURE, NORMAL)] * count
    if rho > 0.0:
        claims.append((SURE, AtLeast(10, excess=1.0 / rho)))
    limit = (order**2 + max(order - rho, 0.0) ** 2 / count) ** -0.5
    for c in (0.97 * limit, 1.03 * limit):
        found = exists(claims, scatter=priors.HalfNormal(c), scale="log")
        expected = c < limit
        assert predictive_exists(count, rho, c, order) == expected
        assert found.predictive_moment(LOG, order) == expected
        assert found.moment(LOG, order)


def test_predictive_moments_on_the_log_scale_under_other_priors() -> None:
    claims: list[tuple[Source, Statement]] = [(SURE, NORMAL)] * 9
    for scatter in (priors.Exponential(0.01), priors.HalfCauchy(0.01), priors.LogNormal(0.1, 0.1)):
        found = exists(claims, scatter=scatter, scale="log")
        assert found.proper
        assert not found.moment(LOG, 1)
        assert not found.predictive_moment(LOG, 1)
    # A normal prior on log x bounds x, not the scatter: a new value has no mean.
    found = exists(
        claims, scatter=priors.Exponential(0.01), scale="log", prior=priors.LogNormal(10, 1)
    )
    assert found.moment(LOG, 1)
    assert not found.predictive_moment(LOG, 1)
    found = exists(
        claims, scatter=priors.HalfNormal(0.99), scale="log", prior=priors.LogNormal(10, 1)
    )
    assert found.predictive_moment(LOG, 1)
    assert not found.predictive_moment(LOG, 2)


# ------------------------------------------------------------------ how absence is reported


def test_moments_that_do_not_exist_are_nan_or_infinite() -> None:
    cauchy = one([(DOUBTFUL, NORMAL)]).posterior
    assert math.isnan(cauchy.mean())
    assert math.isnan(cauchy.var())
    assert math.isnan(cauchy.std())
    two = one([(DOUBTFUL, NORMAL), (DOUBTFUL, Estimate(11, sd=1))], dependence=0.5).posterior
    assert two.mean() == pytest.approx(10.5, abs=1e-8)
    assert two.var() == two.std() == INF
    positive = one([(DOUBTFUL, NORMAL)], scale="log").posterior
    assert positive.mean() == positive.var() == INF


def test_probability_beyond_the_floats_is_in_the_error() -> None:
    """With A just above 1/2 much of the posterior lies farther out than tails are followed."""
    slow = exists([(DOUBTFUL, NORMAL)], total=0.5005)
    fast = exists([(DOUBTFUL, NORMAL)], total=0.6)
    assert slow.proper
    assert slow.beyond_floats > 0.4
    assert fast.beyond_floats < 1e-20
