"""Priors: normalisation and values on every scale, tails against slopes, scatter formulas."""

from __future__ import annotations

import copy
import math
import pickle
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, special, stats

from reliability import Claim, Combination, Estimate, Model, combine, priors
from reliability.errors import InvalidValueError, ReliabilityError
from reliability.priors import PriorOnX, ScatterPrior, StatedVariances
from reliability.scales import SCALES, ScaleName
from reliability.tails import Tail

Array = NDArray[np.float64]
INF = math.inf
HULL = (-1.0, 4.0)


def density(on: PriorOnX, x: Any, anchor: float = 0.0) -> Array:
    """Density on x as the engine asks for it: an anchor and distances from it."""
    x = np.atleast_1d(np.asarray(x, dtype=np.float64))
    return np.asarray(np.exp(on.log_density(np.full(x.shape, anchor), x - anchor)))


def mass(on: PriorOnX) -> float:
    """Integral over the support by adaptive quadrature, in pieces about where it bends."""
    middle = float(on.location[0]) if len(on.location) else 0.5 * (on.low + on.high)
    width = float(on.scale[0]) if len(on.scale) else 1.0
    far = [1.0, 3.0, 10.0, 30.0, 100.0, 1e3, 1e4, 1e6, 1e9]
    inner = sorted(middle + width * k for k in (0.0, *far, *(-k for k in far)))
    ends = [on.low, *[x for x in inner if on.low < x < on.high], on.high]
    return math.fsum(
        integrate.quad(lambda x: float(density(on, x)[0]), a, b, epsabs=1e-12, limit=200)[0]
        for a, b in pairwise(ends)
    )


# ------------------------------------------------------------------ on the quantity

#: Prior, and the same distribution of the quantity by scipy.
QUANTITY: list[tuple[Any, Any]] = [
    (priors.Normal(0.4, 0.3), stats.norm(0.4, 0.3)),
    (priors.Normal(3, 2), stats.norm(3, 2)),
    (priors.Normal(-2, 1), stats.norm(-2, 1)),
    (priors.StudentT(1, 0.2, 0.1), stats.t(1, 0.2, 0.1)),
    (priors.StudentT(4, 5, 2), stats.t(4, 5, 2)),
    (priors.Uniform(0.2, 0.7), stats.uniform(0.2, 0.5)),
    (priors.Uniform(-3, 5), stats.uniform(-3, 8)),
    (priors.LogUniform(0.05, 0.8), stats.loguniform(0.05, 0.8)),
    (priors.LogUniform(0.01, 100), stats.loguniform(0.01, 100)),
    (priors.LogNormal(0.3, 0.5), stats.lognorm(0.5, scale=0.3)),
    (priors.LogNormal(20, 2), stats.lognorm(2, scale=20)),
    (priors.Beta(2, 5), stats.beta(2, 5)),
    (priors.Beta(1.5, 1), stats.beta(1.5, 1)),
]
PAIRS = [(scale, *pair) for scale in SCALES for pair in QUANTITY]


def label(value: Any) -> str | None:
    return value if isinstance(value, str) else repr(value) if "(" in repr(value)[:20] else "scipy"


@pytest.mark.parametrize(("scale", "prior", "exact"), PAIRS, ids=label)
def test_density_on_every_scale(scale: ScaleName, prior: Any, exact: Any) -> None:
    """pi(theta) dtheta/dx, conditioned on the scale's range."""
    coordinate = SCALES[scale]
    on = prior.on(coordinate)
    inside = exact.cdf(coordinate.high) - exact.cdf(max(coordinate.low, -1e300))
    low, high = max(coordinate.low, exact.support()[0]), min(coordinate.high, exact.support()[1])
    p = exact.cdf(low) + np.array([1e-3, 0.1, 0.35, 0.5, 0.8, 0.99]) * (
        exact.cdf(high) - exact.cdf(low)
    )
    x = coordinate.to_x(exact.ppf(p))
    jacobian = np.ones(len(x))
    if scale != "linear":
        jacobian = np.exp(x) if scale == "log" else special.expit(x) * special.expit(-x)
    expected = exact.pdf(coordinate.to_theta(x)) * jacobian / inside
    for anchor in (0.0, float(x[2])):
        np.testing.assert_allclose(density(on, x, anchor), expected, rtol=1e-11)
    assert mass(on) == pytest.approx(1.0, abs=1e-8)
    assert on.proper
    assert on.normalised
    assert (on.low, on.high) == (float(coordinate.to_x(low)), float(coordinate.to_x(high)))


@pytest.mark.parametrize(("scale", "prior", "exact"), PAIRS, ids=label)
def test_tails_against_slopes(scale: ScaleName, prior: Any, exact: Any) -> None:  # noqa: ARG001
    on = prior.on(SCALES[scale])
    for end, tail, sign in ((on.low, on.lower_tail, -1.0), (on.high, on.upper_tail, 1.0)):
        if math.isfinite(end):
            assert tail.fast
            continue
        check_tail(on, tail, sign)


def check_tail(on: PriorOnX, tail: Tail, sign: float) -> None:
    def logs(x: list[float]) -> Array:
        at = sign * np.array(x)
        return np.asarray(on.log_density(np.zeros_like(at), at))

    if tail.rate > 0.0:
        far = logs([300.0, 600.0])
        assert (far[0] - far[1]) / 300.0 == pytest.approx(tail.rate, rel=1e-9)
    elif tail.effective_power < INF:
        far = logs([1e8, 2e8])
        assert (far[0] - far[1]) / math.log(2.0) == pytest.approx(tail.power, rel=1e-6)
    elif tail.smooth:
        # A log-normal: the slope in log x grows like log x, by less than any power of x.
        far = logs([1e50, 1e51, 1e100, 1e101])
        assert far[2] - far[3] > 1.5 * (far[0] - far[1]) > 15.0
        assert far[2] - far[3] < 3.0 * (far[0] - far[1])
    else:
        # Steeper than exp(-20 |x|).
        far = logs([300.0, 310.0])
        assert far[0] == -INF or far[0] - far[1] > 200.0


def test_flat_is_flat_in_x() -> None:
    for scale in SCALES.values():
        on = priors.Flat().on(scale)
        np.testing.assert_array_equal(density(on, [-5.0, 0.0, 7.0]), 1.0)
        assert not on.proper
        assert (on.low, on.high) == (-INF, INF)
        assert on.lower_tail == on.upper_tail == Tail()
        assert not on.bounded


@pytest.mark.parametrize("overshoot", [0.1, 0.5, 2.0])
def test_intrinsic_range(overshoot: float) -> None:
    on = priors.IntrinsicRange(overshoot).on(SCALES["log"], HULL)
    assert (on.low, on.high) == (-1.0 - 5.0 * overshoot, 4.0 + 5.0 * overshoot)
    np.testing.assert_allclose(density(on, [0.0, 3.0]), 1.0 / (5.0 + 10.0 * overshoot), rtol=1e-14)
    assert on.uniform
    assert on.bounded
    assert on.lower_tail.fast


def test_intrinsic_range_without_a_range() -> None:
    for hull, message in (
        (None, "made from the numbers that claims state"),
        ((2.0, 2.0), "span no range on x"),
    ):
        with pytest.raises(InvalidValueError, match=message):
            priors.IntrinsicRange().on(SCALES["linear"], hull)


def test_what_is_exactly_normal_on_x() -> None:
    assert priors.Normal(3, 2).on(SCALES["linear"]).normal == (3.0, 2.0)
    assert priors.LogNormal(10, 0.5).on(SCALES["log"]).normal == (math.log(10), 0.5)
    for prior, scale in ((priors.Normal(3, 2), "log"), (priors.LogNormal(10, 0.5), "linear")):
        assert prior.on(SCALES[scale]).normal is None


@pytest.mark.parametrize(
    ("prior", "scale", "uniform"),
    [
        (priors.Uniform(1, 2), "linear", True),
        (priors.Uniform(1, 2), "log", False),
        (priors.LogUniform(1, 2), "log", True),
        (priors.LogUniform(1, 2), "linear", False),
    ],
    ids=repr,
)
def test_what_is_uniform_on_x(prior: Any, scale: str, uniform: bool) -> None:
    on = prior.on(SCALES[scale])
    assert on.uniform == uniform
    values = density(on, np.linspace(on.low, on.high, 7)[1:-1])
    assert (np.ptp(values) < 1e-12) == uniform


def test_student_t_far_out_does_not_overflow() -> None:
    on = priors.StudentT(3, 0, 1).on(SCALES["linear"])
    value = float(on.log_density(np.array([0.0]), np.array([1e200]))[0])
    assert value == pytest.approx(stats.t(3).logpdf(1e50) - 4.0 * math.log(1e150), rel=1e-13)
    # Nor where the quantity itself does.
    on = priors.StudentT(3, 5, 2).on(SCALES["log"])
    near, far = on.log_density(np.array([[0.0]]), np.array([[500.0, 1e5]]))[0]
    assert far - near == pytest.approx(-3.0 * (1e5 - 500.0), rel=1e-13)


@pytest.mark.parametrize(
    ("prior", "scale"),
    [
        (priors.Uniform(-3, 0), "log"),
        (priors.Uniform(1, 3), "logit"),
        (priors.LogUniform(1, 3), "logit"),
        (priors.Normal(500, 1), "logit"),
    ],
    ids=repr,
)
def test_priors_that_leave_nothing(prior: Any, scale: str) -> None:
    message = re.escape(f"the prior {prior!r} leaves nothing on the {scale} scale")
    with pytest.raises(InvalidValueError, match=message):
        prior.on(SCALES[scale])


FAR = [(7, 27), (10, 30), (-3, 5), (1e-9, 2e-9), (20, 20.01), (-30, -10), (3, 4), (-8, -7.99)]


@pytest.mark.parametrize(("low", "high"), FAR)
@pytest.mark.parametrize("sign", [1, -1])
def test_mass_left_on_the_logit_scale_does_not_cancel(low: float, high: float, sign: int) -> None:
    """A normal and a Student t prior keep the probability between 0 and 1 on the logit scale."""
    sd = 1.0 / (high - low)
    mean = -low * sd
    with mpmath.workdps(130):
        a, b = sorted(sign * mpmath.mpf(v) for v in (-mean / sd, (1.0 - mean) / sd))
        root = mpmath.sqrt(2)
        mass = (mpmath.erfc(a / root) - mpmath.erfc(b / root)) / 2
        assert priors._log_normal_between(float(a), float(b)) == pytest.approx(
            float(mpmath.log(mass)), abs=2e-13
        )
        for df in (0.5, 3.0, 30.0):

            def above(z: Any, df: float = df) -> Any:
                tail = mpmath.betainc(df / 2, 0.5, 0, df / (df + z * z), regularized=True) / 2
                return tail if z >= 0 else 1 - tail

            found = priors._student_between(df, float(a), float(b))
            assert found == pytest.approx(float(above(a) - above(b)), rel=1e-12)


@pytest.mark.parametrize("prior", [priors.Normal(-0.35, 0.05), priors.Normal(-0.5, 0.05)])
def test_prior_centred_far_below_zero_on_the_logit_scale(prior: priors.Normal) -> None:
    result = combine([Claim("a", Estimate(0.1, sd=0.02))], scale="logit", prior=prior)
    assert isinstance(result, Combination)
    theta = np.linspace(0.0, 0.7, 2_000_001)[1:]
    z = (theta - prior.mean) / prior.sd
    shift = (np.log(theta / (1.0 - theta)) - np.log(0.1 / 0.9)) / (0.02 / (0.1 * 0.9))
    size = np.exp(-0.5 * (z * z - (prior.mean / prior.sd) ** 2))
    # The default model: sound or not, in equal parts, an sd that is only a floor.
    unsound = np.where(np.abs(shift) > 1e-4, -np.expm1(-0.5 * shift**2) / shift**2, 0.5)
    density = size * (np.exp(-0.5 * shift**2) + unsound)
    mean = float(np.sum(theta * density) / np.sum(density))
    assert result.posterior.mean() == pytest.approx(mean, rel=1e-5)


def test_pickles_carry_the_recipe() -> None:
    cases: list[tuple[Any, ScaleName]] = [(prior, "log") for prior, _ in QUANTITY[:2]]
    cases += [(priors.Flat(), "linear"), (priors.IntrinsicRange(0.3), "logit")]
    for prior, scale in cases:
        on = prior.on(SCALES[scale], HULL)
        again = pickle.loads(pickle.dumps(on))  # noqa: S301
        np.testing.assert_array_equal(density(again, [0.3, 1.1]), density(on, [0.3, 1.1]))
        assert again.made_from == (prior, SCALES[scale], HULL)


@pytest.mark.parametrize(
    "prior",
    [*(p for p, _ in QUANTITY), priors.Flat(), priors.IntrinsicRange(0.1), priors.Pareto(2)],
    ids=repr,
)
def test_values_and_wording(prior: Any) -> None:
    assert eval(repr(prior), vars(priors)) == prior  # noqa: S307
    assert copy.copy(prior) == prior
    assert hash(copy.deepcopy(prior)) == hash(prior)


def test_beta_mean() -> None:
    assert priors.Beta(3, 1).mean == 0.75


# ------------------------------------------------------------------ Density


def gamma(shape: float) -> priors.Density:
    return priors.Density(lambda t: (shape - 1.0) * np.log(t) - t, (0.0, INF))


@pytest.mark.parametrize(
    ("prior", "scale", "lower", "upper"),
    [
        (priors.Density(lambda t: -np.log1p(t * t)), "linear", 2.0, 2.0),
        (priors.Density(lambda t: -2.0 * np.log1p((t - 1e6) ** 2 / 1e8)), "linear", 4.0, 4.0),
        (priors.Density(lambda t: -0.5 * t * t), "linear", "fast", "fast"),
        (priors.Density(lambda t: -3.0 * np.abs(t)), "linear", "rate 3", "rate 3"),
        (priors.Density(lambda t: -np.sqrt(1.0 + np.abs(t))), "linear", "smooth", "smooth"),
        (priors.Density(lambda t: 0.0 * t, (2.0, 5.0)), "linear", "fast", "fast"),
        # theta^-2 is exp(-x) on the log scale, and a bounded density at 0 falls like exp(-|x|).
        (priors.Density(lambda t: -np.log1p(t * t), (0.0, INF)), "log", "rate 1", "rate 1"),
        (priors.Density(lambda t: -2.0 * np.log1p(t), (0.0, INF)), "log", "rate 1", "rate 1"),
        (priors.Density(lambda t: -np.log1p(t**6), (0.0, INF)), "log", "rate 1", "rate 5"),
        (gamma(0.5), "log", "rate 0.5", "fast"),
        (gamma(3.0), "log", "rate 3", "fast"),
        (priors.Density(lambda t: -0.5 * np.log(t) ** 2, (0.0, INF)), "log", "fast", "fast"),
        (priors.Density(lambda t: 0.0 * t, (0.0, 1.0)), "logit", "rate 1", "rate 1"),
        (priors.Density(np.log, (0.0, 1.0)), "logit", "rate 2", "rate 1"),
    ],
)
def test_tails_are_read_off_densities(prior: Any, scale: str, lower: Any, upper: Any) -> None:
    on = prior.on(SCALES[scale], HULL)
    for tail, expected in ((on.lower_tail, lower), (on.upper_tail, upper)):
        if isinstance(expected, float):
            assert tail == Tail(power=tail.power)
            assert tail.power == pytest.approx(expected, rel=1e-5)
        elif expected in {"fast", "smooth"}:
            assert getattr(tail, expected)
        else:
            rate = float(expected.removeprefix("rate "))
            assert tail == Tail(rate=tail.rate)
            # Near 1 a share has few digits left of what it lacks to 1.
            assert tail.rate == pytest.approx(rate, rel=0.03 if scale == "logit" else 1e-5)


def test_density_off_its_support_and_scale() -> None:
    on = priors.Density(lambda t: 0.0 * t, (2.0, 5.0)).on(SCALES["log"])
    assert (on.low, on.high) == (math.log(2.0), math.log(5.0))
    assert density(on, [math.log(1.9), math.log(3.0), math.log(5.1)]) == pytest.approx([0, 3, 0])
    assert not on.normalised


COPIED = [
    (priors.StudentT(3, 4, 2), stats.t(3, 4, 2)),
    (priors.Normal(4, 2), stats.norm(4, 2)),
]


def copy_of(exact: Any) -> Callable[[Array], Any]:
    return lambda t: exact.logpdf(t) + 7.0


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_density_against_the_prior_it_copies(scale: ScaleName) -> None:
    """The same log density, shifted by a constant, gives the same posterior."""
    claims = [Claim("a", Estimate(3, sd=1)), Claim("b", Estimate(5, sd=2))]
    for prior, exact in COPIED:
        copied = priors.Density(copy_of(exact))
        first, second = (combine(claims, scale=scale, prior=p) for p in (prior, copied))
        assert isinstance(first, Combination)
        assert isinstance(second, Combination)
        levels = np.array([0.01, 0.3, 0.5, 0.9])
        np.testing.assert_allclose(
            np.asarray(first.posterior.ppf(levels)), second.posterior.ppf(levels), rtol=1e-9
        )
        assert first.log_evidence == pytest.approx(second.log_evidence, abs=1e-9)


def test_heavy_density_on_the_log_scale_has_no_variance() -> None:
    """Half-Cauchy in the quantity: with tails x^-2A of the claims E[theta] is finite, not more."""
    half_cauchy = priors.Density(lambda t: -np.log1p(t * t), (0.0, INF))
    claims = [Claim("a", Estimate(10, sd=1)), Claim("b", Estimate(11, sd=1))]
    result = combine(claims, scale="log", prior=half_cauchy)
    assert isinstance(result, Combination)
    same = combine(claims, scale="log", prior=priors.StudentT(1, 0, 1))
    assert isinstance(same, Combination)
    assert result.posterior.mean() == pytest.approx(same.posterior.mean(), rel=1e-9)
    assert result.posterior.var() == INF


@pytest.mark.parametrize("size", [1e-8, 1.0, 1e8])
def test_density_of_the_scatter_in_any_units(size: float) -> None:
    heavy = priors.Density(lambda t: -np.log1p((t / size) ** 2), (0.0, INF))
    assert heavy.power == pytest.approx(2.0, rel=1e-5)
    light = priors.Density(lambda t: -0.5 * (t / size) ** 2, (0.0, INF))
    assert light.power == INF
    claims = [Claim("a", Estimate(10 * size, sd=size)), Claim("b", Estimate(12 * size, sd=size))]
    first, second = (
        combine(claims, model=Model.random_effects(p)) for p in (heavy, priors.HalfCauchy(size))
    )
    assert isinstance(first, Combination)
    assert isinstance(second, Combination)
    for one, other in ((first, second), (first.heterogeneity, second.heterogeneity)):
        assert one is not None
        assert other is not None
        at = one.interval(0.8)
        assert at == pytest.approx(other.interval(0.8), rel=1e-9)


@pytest.mark.parametrize(
    ("logpdf", "message"),
    [
        (lambda t: np.full_like(t, np.nan), "returned nan or +inf"),
        (lambda t: np.full_like(t, np.inf), "returned nan or +inf"),
        (lambda t: 0.0, "one value per input"),
        (lambda t: t[:1], "one value per input"),
        (lambda t: np.full_like(t, -np.inf), "-inf wherever it was tried"),
    ],
)
def test_functions_that_are_no_log_densities(logpdf: Any, message: str) -> None:
    with pytest.raises(ReliabilityError, match=re.escape(message)):
        priors.Density(logpdf).on(SCALES["linear"], HULL)


# ------------------------------------------------------------------ on the scatter

VARIANCES = np.array([0.25, 1.0, 9.0])


def scatter_density(prior: ScatterPrior, tau: Any, variances: Array = VARIANCES) -> Array:
    """Density at tau of one row of nodes."""
    stated = StatedVariances(variances[:, None], np.array([0], dtype=np.int64))
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp(prior.log_scatter(np.atleast_2d(tau), stated))[0])


def harmonic(v: Array) -> float:
    return float(len(v) / np.sum(1.0 / v))


def typical(v: Array) -> float:
    w = 1.0 / v
    return float((len(v) - 1) * w.sum() / (w.sum() ** 2 - (w * w).sum()))


SCATTER: list[tuple[Any, Callable[[float], float], float]] = [
    # prior, its density (up to a constant where improper or not normalised), tail power
    (priors.Flat(), lambda t: 1.0, 0.0),
    (priors.Sqrt(), lambda t: t**-0.5, 0.5),
    (
        priors.Jeffreys(),
        lambda t: math.sqrt(sum((t / (v + t * t)) ** 2 for v in VARIANCES)),
        1.0,
    ),
    (
        priors.OverallJeffreys(),
        lambda t: math.sqrt(
            sum(1.0 / (v + t * t) for v in VARIANCES)
            * sum((t / (v + t * t)) ** 2 for v in VARIANCES)
        ),
        2.0,
    ),
    (priors.BergerDeely(), lambda t: t * math.prod(v + t * t for v in VARIANCES) ** (-1 / 3), 1.0),
    (priors.Conventional(), lambda t: t * math.prod(v + t * t for v in VARIANCES) ** (-0.5), 2.0),
    (
        priors.DuMouchel(),
        lambda t: math.sqrt(harmonic(VARIANCES)) / (math.sqrt(harmonic(VARIANCES)) + t) ** 2,
        2.0,
    ),
    (
        priors.UniformShrinkage(),
        lambda t: 2.0 * t * harmonic(VARIANCES) / (harmonic(VARIANCES) + t * t) ** 2,
        3.0,
    ),
    (priors.I2(), lambda t: 2.0 * typical(VARIANCES) * t / (typical(VARIANCES) + t * t) ** 2, 3.0),
    (priors.HalfNormal(0.7), stats.halfnorm(scale=0.7).pdf, INF),
    (priors.HalfCauchy(0.7), stats.halfcauchy(scale=0.7).pdf, 2.0),
    (priors.HalfStudentT(4, 0.7), lambda t: 2.0 * stats.t(4, scale=0.7).pdf(t), 5.0),
    (priors.HalfStudentT(0.5, 2), lambda t: 2.0 * stats.t(0.5, scale=2).pdf(t), 1.5),
    (priors.Exponential(0.7), stats.expon(scale=0.7).pdf, INF),
    (priors.HalfLogistic(0.7), stats.halflogistic(scale=0.7).pdf, INF),
    (priors.Lomax(2.5, 0.7), stats.lomax(2.5, scale=0.7).pdf, 3.5),
    (priors.Rayleigh(0.7), stats.rayleigh(scale=0.7).pdf, INF),
    (priors.LogNormal(0.7, 1.2), stats.lognorm(1.2, scale=0.7).pdf, INF),
    (priors.Pareto(1.5), stats.pareto(1.5).pdf, 2.5),
]
IMPROPER = {"Flat", "Sqrt", "Jeffreys", "OverallJeffreys", "BergerDeely"}


@pytest.mark.parametrize(("prior", "formula", "power"), SCATTER, ids=lambda v: repr(v)[:30])
def test_scatter_formulas(prior: Any, formula: Callable[[float], float], power: float) -> None:
    tau = np.array([1.001, 1.4, 2.0, 7.0, 40.0])
    if prior.low == 0.0:
        tau = np.concatenate([[1e-6, 0.02, 0.5, 0.9], tau])
    np.testing.assert_allclose(
        scatter_density(prior, tau), [float(formula(float(t))) for t in tau], rtol=1e-12
    )
    # The slope far out: infinite where the density falls faster than every power.
    assert prior.power == power
    far = scatter_density_slope(prior)
    if math.isfinite(power):
        assert far == pytest.approx(power, rel=1e-6, abs=1e-9)
    else:
        assert far > 10.0
    name = type(prior).__name__
    assert prior.proper == (name not in IMPROPER)
    assert prior.normalised == (name not in IMPROPER | {"Conventional"})


def scatter_density_slope(prior: ScatterPrior) -> float:
    stated = StatedVariances(VARIANCES[:, None], np.array([0], dtype=np.int64))
    logs = prior.log_scatter(np.array([[1e8, 2e8]]), stated)[0]
    return float((logs[0] - logs[1]) / math.log(2.0))


@pytest.mark.parametrize("prior", [p for p, _, _ in SCATTER if p.normalised], ids=repr)
def test_scatter_priors_integrate_to_one(prior: Any) -> None:
    # In the logarithm of tau (less the lower end), where heavy tails end soon enough.
    total = math.fsum(
        integrate.quad(
            lambda u: math.exp(u) * float(scatter_density(prior, prior.low + math.exp(u))[0]),
            a,
            b,
            epsabs=1e-13,
            limit=200,
        )[0]
        for a, b in pairwise((-60.0, -20.0, -5.0, 0.0, 5.0, 20.0, 60.0))
    )
    assert total == pytest.approx(1.0, abs=1e-10)


def test_gaussian_scales() -> None:
    """c of a tail exp(-tau^2/(2 c^2)): from two differences of the log density."""
    for prior, _, _ in SCATTER:
        if not math.isfinite(prior.gaussian_scale):
            continue
        stated = StatedVariances(VARIANCES[:, None], np.array([0], dtype=np.int64))
        far = prior.log_scatter(np.array([[1e6, 2e6]]), stated)[0]
        assert 1.5e12 / prior.gaussian_scale**2 == pytest.approx(far[0] - far[1], rel=1e-9)
    finite = {type(p).__name__ for p, _, _ in SCATTER if math.isfinite(p.gaussian_scale)}
    assert finite == {"HalfNormal", "Rayleigh"}
    assert priors.Density(lambda t: 0.0 * t, (0.0, 3.0)).gaussian_scale == 0.0
    assert priors.Density(lambda t: -t, (0.0, INF)).gaussian_scale == INF


def test_several_rows_of_nodes_are_priors_of_their_own() -> None:
    """Rows of different quantities, each with its own claims' variances."""
    first, second = np.array([0.25, 1.0, 9.0]), np.array([4.0, 5.0])
    stated = StatedVariances(
        np.concatenate([first, second])[:, None], np.array([0, 3], dtype=np.int64)
    )
    tau = np.array([[0.3, 1.0, 8.0], [0.1, 2.0, 90.0]])
    for prior, _, _ in SCATTER:
        if prior.low == 1.0:
            continue
        together = np.exp(prior.log_scatter(tau, stated))
        for row, variances in enumerate((first, second)):
            np.testing.assert_allclose(
                together[row], scatter_density(prior, tau[row], variances), rtol=1e-13
            )


def test_scatter_priors_follow_the_claims_units() -> None:
    """Priors made from stated sds are densities: p(c tau; c s) = p(tau; s)/c where proper."""
    for prior in (priors.DuMouchel(), priors.UniformShrinkage(), priors.I2()):
        tau = np.array([0.1, 1.0, 10.0])
        scaled = scatter_density(prior, 7.0 * tau, 49.0 * VARIANCES)
        np.testing.assert_allclose(scaled, scatter_density(prior, tau) / 7.0, rtol=1e-13)


def test_typical_variance_needs_two_claims() -> None:
    one = np.array([2.0])
    with pytest.raises(InvalidValueError, match="two or more claims' sds"):
        scatter_density(priors.I2(), 1.0, one)
    assert scatter_density(priors.DuMouchel(), 1.0, one)[0] > 0.0
    # Equal variances are their own typical value, which is the harmonic mean as well.
    equal = np.full(4, 2.0)
    np.testing.assert_allclose(
        scatter_density(priors.I2(), [0.5, 3.0], equal),
        scatter_density(priors.UniformShrinkage(), [0.5, 3.0], equal),
        rtol=1e-14,
    )


# ------------------------------------------------------------------ errors

POSITIVE: list[tuple[Callable[[Any], Any], str]] = [
    (lambda v: priors.Normal(0, v), "Normal: sd"),
    (lambda v: priors.StudentT(v, 0, 1), "StudentT: df"),
    (lambda v: priors.StudentT(1, 0, v), "StudentT: scale"),
    (lambda v: priors.LogUniform(v, 9), "LogUniform: low"),
    (lambda v: priors.LogNormal(v, 1), "LogNormal: median"),
    (lambda v: priors.LogNormal(1, v), "LogNormal: sigma"),
    (lambda v: priors.Beta(v, 1), "Beta: a"),
    (lambda v: priors.Beta(1, v), "Beta: b"),
    (priors.IntrinsicRange, "IntrinsicRange: overshoot"),
    (priors.HalfNormal, "HalfNormal: scale"),
    (priors.HalfCauchy, "HalfCauchy: scale"),
    (lambda v: priors.HalfStudentT(v, 1), "HalfStudentT: df"),
    (lambda v: priors.HalfStudentT(1, v), "HalfStudentT: scale"),
    (priors.Exponential, "Exponential: scale"),
    (priors.HalfLogistic, "HalfLogistic: scale"),
    (lambda v: priors.Lomax(v, 1), "Lomax: shape"),
    (lambda v: priors.Lomax(1, v), "Lomax: scale"),
    (priors.Rayleigh, "Rayleigh: scale"),
    (priors.Pareto, "Pareto: shape"),
]


@pytest.mark.parametrize(("make", "name"), POSITIVE, ids=lambda v: v if isinstance(v, str) else "")
def test_positive_fields(make: Callable[[Any], Any], name: str) -> None:
    make(1e-300)
    make(np.float64(3.0))
    make(np.int64(3))
    for value in (0, -1e-300, -2.0):
        with pytest.raises(InvalidValueError, match=f"{name} must be above 0"):
            make(value)
    for value in (math.nan, INF, 10**400):
        with pytest.raises(InvalidValueError, match=f"{name} must be finite"):
            make(value)
    for wrong in ("1", None, True, [1.0]):
        with pytest.raises(TypeError, match=f"{name} must be a number"):
            make(wrong)


@pytest.mark.parametrize("kind", [priors.Uniform, priors.LogUniform])
def test_limits_in_order(kind: Any) -> None:
    kind(1.0, np.nextafter(1.0, 2.0))
    for low, high in ((1.0, 1.0), (2.0, 1.0)):
        with pytest.raises(InvalidValueError, match=f"low={low:g} must be below high={high:g}"):
            kind(low, high)
