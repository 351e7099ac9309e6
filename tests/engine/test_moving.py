"""Knots and shoulders that move with a scatter, against sums that are cut at every one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reliability import (
    AtLeast,
    Claim,
    Combination,
    Estimate,
    Floor,
    Model,
    Quantiles,
    Range,
    Source,
    Void,
    Wide,
    combine,
    priors,
)
from reliability.claims.columns import Columns
from reliability.engine.explain import claim_distribution
from reliability.engine.leave_out import leave_origins_out
from reliability.engine.likelihoods import Scatter
from reliability.engine.mixture import log_likelihood
from reliability.engine.moving import Moving, MovingKnots, MovingShoulders, cut, rooted
from reliability.engine.panels import Kind, Panels, gauss_legendre
from reliability.engine.scattered import Density, Solution, stated_variances

Array = NDArray[np.float64]
GAUSS, GAUSS_WEIGHTS, _ = gauss_legendre(20)


def claims() -> list[Claim]:
    first = {0.05: -1.9, 0.25: -0.7, 0.5: -0.2, 0.75: 0.1, 0.95: 1.2}
    second = {0.1: 0.9, 0.5: 1.6, 0.9: 3.1}
    return [
        Claim(Source("a", reliability=0.8, bias=0.1, overconfidence=1.3), Quantiles(first)),
        Claim(Source("b", bias_sd=0.3, interest=1), Quantiles(second)),
        Claim(Source("c"), Estimate(0.4, low=-0.2, high=1.6, level=0.9)),
    ]


def ranges() -> list[Claim]:
    """Shoulders of 1/4000 to 1/50 of a range's half-width."""
    return [
        Claim(Source("a", reliability=0.8, bias=0.1, overconfidence=1.3), Range(-1.91, 0.334)),
        Claim(Source("b", bias_sd=0.02, interest=1), Range(0.1, 3.3)),
        Claim(Source("c"), Estimate(0.4, low=-0.2, high=1.6, level=0.9)),
        Claim(Source("d"), AtLeast(0.5)),
    ]


def rounded_ranges() -> list[Claim]:
    """On the log scale, beside a rounded number and stated quantiles."""
    return [
        Claim(Source("a", reliability=0.8), Range(2000, 3000)),
        Claim(Source("b", overconfidence=0.7), Range(2510, 12001)),
        Claim(Source("c"), Estimate(2500)),
        Claim(Source("d"), Quantiles({0.1: 1000, 0.5: 2000, 0.9: 3000})),
    ]


def sound_ranges() -> list[Claim]:
    """Two that exclude each other but for the inflation, and one that is nearly open."""
    return [
        Claim(Source("a", reliability=1.0), Range(-1.912, 0.334)),
        Claim(Source("b", reliability=1.0, bias_sd=0.3), Range(0.901, 1.103)),
        Claim(Source("c", reliability=1.0), Range(-100.5, 1.5)),
    ]


def logged(claim: Claim) -> Claim:
    """The same numbers on the log scale."""
    if isinstance(claim.statement, Quantiles):
        said = zip(claim.statement.probabilities, np.exp(claim.statement.values), strict=True)
        return Claim(claim.source, Quantiles({p: float(q) for p, q in said}))
    return Claim(claim.source, AtLeast(1.5))


def model(**changes: Any) -> Model:
    settings: dict[str, Any] = {"unsound": Floor(), "heterogeneity": priors.HalfNormal(0.7)}
    return Model(**(settings | changes))


CASES: dict[str, tuple[Model, dict[str, Any]]] = {
    "tau": (model(), {}),
    "tau-void": (model(unsound=Void()), {"prior": priors.Normal(0.5, 2.0)}),
    "tau-made": (model(heterogeneity=priors.UniformShrinkage()), {}),
    "tau-log": (model(heterogeneity=priors.Exponential(1.0)), {"scale": "log"}),
    "inflation": (
        model(unsound=Wide(7.0), heterogeneity=None, inflation=priors.Pareto(3.0)),
        {"prior": priors.Uniform(-1.0, 2.5)},
    ),
    "inflation-void": (
        model(unsound=Void(), heterogeneity=None, inflation=priors.Pareto(1.0)),
        {"prior": priors.IntrinsicRange(0.5)},
    ),
    "ranges": (Model.measurements(), {}),
    "ranges-log": (
        model(unsound=Void(), heterogeneity=None, inflation=priors.Pareto(3.0)),
        {"scale": "log", "prior": priors.IntrinsicRange(0.5)},
    ),
    "ranges-sound": (Model.measurements(), {"prior": priors.Normal(0.0, 5.0)}),
}
OF_RANGES = {"ranges": ranges, "ranges-log": rounded_ranges, "ranges-sound": sound_ranges}


def made(name: str) -> list[Claim]:
    """The claims of a case."""
    if name in OF_RANGES:
        return OF_RANGES[name]()
    return [logged(c) for c in claims()] if name == "tau-log" else claims()


def combined(name: str) -> tuple[Combination, Solution]:
    chosen, options = CASES[name]
    result = combine(made(name), model=chosen, **options)
    assert isinstance(result, Combination)
    solution = result._inference.mixture
    assert solution is not None
    return result, solution


def composite(edges: Array) -> tuple[Array, Array]:
    """Nodes and weights of Gauss's rule on successive intervals."""
    half = 0.5 * np.diff(edges)[:, None]
    middle = 0.5 * (edges[1:] + edges[:-1])[:, None]
    return middle + half * GAUSS, half * GAUSS_WEIGHTS


#: Sds from the middle of a shoulder at which sums are cut.
LAYERS = np.array([-7.0, 0.0, 7.0])


def shoulders(columns: Columns, inflation: float) -> Array:
    """Layers of the shoulders of ranges at an inflation."""
    rows = columns.width_scales > 0.0
    factor = inflation * columns.overconfidence[rows]
    sd = np.sqrt((factor * columns.sd_low[rows]) ** 2 + columns.bias_variance[rows])
    end = factor * columns.half_width[rows] + LAYERS[:, None] * sd
    center = columns.location[rows] - columns.bias[rows]
    return np.concatenate([center - end, center + end]).ravel()


def coincidences(columns: Columns, at: Array, knots: MovingKnots | None) -> Array:
    """Inflations at which two shoulders, knots or given points meet."""
    ranges = np.flatnonzero(columns.width_scales > 0.0)
    row, speed = np.tile(ranges, 2), columns.half_width[ranges]
    speed, blurred = np.concatenate([speed, -speed]), np.ones(len(row))
    if knots is not None:
        row, speed = np.concatenate([row, knots.row]), np.concatenate([speed, knots.knot])
        blurred = np.concatenate([blurred, np.zeros(len(knots.row))])
    none = 0.0 * at
    center = np.concatenate([columns.location[row] - columns.bias[row], at])
    speed = np.concatenate([columns.overconfidence[row] * speed, none])
    sd = np.concatenate([blurred * columns.overconfidence[row] * columns.sd_low[row], none])
    variance = np.concatenate([blurred * columns.bias_variance[row], none])
    with np.errstate(all="ignore"):
        slower = speed[:, None] - speed
        when = (center - center[:, None]) / slower
        width = np.sqrt((when * sd) ** 2 + variance)
        width = (width + np.sqrt((when * sd[:, None]) ** 2 + variance[:, None])) / slower
        every = when + LAYERS[:, None, None] * width
    return np.asarray(every[np.isfinite(every)])


def sums(solution: Solution, at: Array) -> tuple[float, Array, float, float]:
    """Log integral, distribution function, and means of x and of s / (1 + s), s the scatter.

    At every scatter x is cut at the knots, the layers of the shoulders and the given points; the
    scatter is cut where one of these passes another.
    """
    prior, columns = solution.scatter_prior, solution.problem.columns
    assert prior is not None
    inflation = prior.low > 0.0
    knots = MovingKnots.of(columns, inflation=inflation)
    low, high = solution.mesh.panels.edges()
    anchor = solution.mesh.panels.anchor
    fixed = np.unique(np.concatenate([anchor + low, anchor + high, at]))
    passing = at[:0]
    if inflation:
        kinks = [columns.location - columns.bias, fixed[[0, -1]]]
        passing = coincidences(columns, np.concatenate([at, *kinks]), knots) - prior.low
    if knots is not None:
        more = knots.passing(np.zeros((1, 1)), at[None, :]).ravel()
        passing = np.concatenate([passing, more])
    every = solution.grid.values - prior.low  # type: ignore[union-attr]
    ends = np.arange(np.log(every.min()) - 14.0, np.log(every.max()) + 1.0, 0.5)
    cuts = np.log(passing[(passing > np.exp(ends[0])) & (passing < np.exp(ends[-1]))])
    log_more, weight = composite(np.unique([*ends, *cuts]))

    def on_nodes(log_more: float, log_weight: float) -> tuple[Array, Array]:
        """Nodes of x and the mass of each, at one scatter."""
        value = prior.low + np.exp(log_more)
        edges = [fixed]
        if knots is not None:
            edges.append(knots.distances(np.array([value]), np.zeros(1))[0, 0])
        if inflation:
            edges.append(shoulders(columns, value))
        cut_at = np.unique(np.concatenate(edges))
        x, step = composite(cut_at[(cut_at >= fixed[0]) & (cut_at <= fixed[-1])])
        zero = np.zeros(len(x))
        kind = np.zeros(len(x), dtype=np.int64)
        one = np.array([[value]])
        some = Scatter(0.0 * one, one) if inflation else Scatter(one, one**0.0)
        logs = log_likelihood(
            solution.problem, solution.rule, Panels(kind, zero, kind, zero, zero), x, some
        )
        logs += solution.problem.prior.log_density(zero[:, None], x)
        logs += prior.log_scatter(one, stated_variances(columns, 1))[0, 0]
        return x, np.exp(logs + log_more + log_weight - solution.mesh.log_total[0]) * step

    # Far out, and near the lower end, a panel of the scatter holds nothing.
    middle = len(GAUSS) // 2
    held = np.array([on_nodes(row[middle], 0.0)[1].sum() for row in log_more])
    held *= weight.sum(axis=1)
    some = held > 1e-15 * held.max()
    log_more, weight = log_more[some].ravel(), weight[some].ravel()
    total, below = np.zeros(len(log_more)), np.zeros((len(log_more), len(at)))
    mean = np.zeros(len(log_more))
    for k, (place, log_weight) in enumerate(zip(log_more, np.log(weight), strict=True)):
        x, mass = on_nodes(place, log_weight)
        total[k], mean[k] = mass.sum(), np.sum(mass * x)
        below[k] = [mass[x[:, 0] < point].sum() for point in at]
    whole = total.sum()
    return (
        float(np.log(whole)),
        below.sum(axis=0) / whole,
        float(mean.sum() / whole),
        float(np.sum(total / (1.0 + np.exp(-log_more))) / whole),
    )


@pytest.mark.parametrize("name", [name for name in CASES if name != "tau"])
def test_posterior_is_the_cut_sum(name: str) -> None:
    result, solution = combined(name)
    levels = np.array([0.1, 0.9])
    at = solution.distribution.quantile(levels, 1.0 - levels)
    log_total, below, mean, mean_scatter = sums(solution, at)
    bound = max(solution.error, 1e-12)
    assert bound < 2e-9
    assert abs(log_total) <= bound
    assert np.max(np.abs(below - levels)) <= bound
    d, _ = solution.mesh.panels.nodes()
    own = float(np.sum(solution.mesh.node_mass * (solution.mesh.panels.anchor[:, None] + d)))
    assert own == pytest.approx(mean, abs=1e-8)
    scatter = solution.scatter_distribution()
    assert scatter is not None
    assert solution.scatter_prior is not None
    d, _ = scatter.panels.nodes()
    own = float(np.sum(scatter.mesh.node_mass * d / (1.0 + d)))
    assert own == pytest.approx(mean_scatter, abs=1e-9)
    assert result.error >= solution.error


@pytest.mark.parametrize("name", ["tau-made", "inflation", "ranges-sound"])
def test_leaving_out_at_once_is_leaving_out_anew(name: str) -> None:
    result, _ = combined(name)
    inference = result._inference
    chosen, options = CASES[name]
    at_once = leave_origins_out(inference, np.arange(3), 0.0)
    for origin, left in enumerate(at_once):
        rest = [claim for k, claim in enumerate(made(name)) if k != origin]
        others = combine(rest, model=chosen, **options)
        assert isinstance(others, Combination)
        assert left.median == pytest.approx(others.posterior.median(), abs=1e-8)
        mixture = others._inference.mixture
        assert mixture is not None
        below = claim_distribution(inference.columns, origin, mixture)
        assert left.tail[origin] == pytest.approx(2.0 * min(below, 1.0 - below), abs=1e-8)


def test_scatter_may_differ_from_node_to_node() -> None:
    """A likelihood on (rows, points) of the scatter is that on single values."""
    for name in ("tau", "inflation", "ranges"):
        _, solution = combined(name)
        density = Density(solution.problem, solution.rule, solution.grid)
        panels = solution.mesh.panels.take(slice(20, 24))
        anchor, d = panels.anchor[:, None], panels.nodes()[0]
        nodes, logs = density.jointly(anchor, d)
        for point in range(0, d.shape[1], 5):
            column = slice(point, point + 1)
            again, alone = density.jointly(anchor, d[:, column])
            assert np.allclose(
                nodes.log_sum(logs)[:, column], again.log_sum(alone), rtol=0.0, atol=1e-10
            )


def test_knots_pass_where_they_lie() -> None:
    for name in ("tau", "inflation"):
        _, solution = combined(name)
        prior = solution.scatter_prior
        assert prior is not None
        knots = MovingKnots.of(solution.problem.columns, inflation=prior.low > 0.0)
        assert knots is not None
        scatter = prior.low + np.array([0.01, 0.7, 30.0])
        x = knots.distances(scatter, np.array([3.0]))[:, 0]
        for k in range(x.shape[1]):
            passing = knots.passing(np.array([[3.0]]), x[None, :, k])[0, :, k]
            assert passing == pytest.approx(scatter - prior.low, rel=1e-9)


def test_shoulders_pass_where_they_lie() -> None:
    for name in OF_RANGES:
        columns = combined(name)[1].problem.columns
        moving = MovingShoulders.of(columns)
        assert moving is not None
        inflation = np.array([1.01, 1.7, 31.0])
        x = moving.distances(inflation, np.array([3.0]))[:, 0].reshape(3, -1, 2, 3)
        center = (columns.location - columns.bias)[moving.row] - 3.0
        for number, k in enumerate(inflation):
            middles = shoulders(columns.take(moving.row), k).reshape(2, 3, -1)[:, 1].T - 3.0
            assert x[number, :, :, 1] == pytest.approx(middles, abs=1e-12)
            from_middle = x[number] - center[:, None, None]
            passing = moving.passing(np.array([[3.0]]), x[number].reshape(1, -1))[0]
            passing = passing.reshape(-1, 2, 3, len(center), 3)
            for row in range(len(center)):
                # From the middle outwards a shoulder ends, in x, where it begins in k.
                lower = np.diagonal(passing[row, 0, :, row])
                upper = np.diagonal(passing[row, 1, ::-1, row])
                outside = (from_middle[row, 0] < 0.0) & (from_middle[row, 1, ::-1] > 0.0)
                assert outside[:2].all()
                assert lower[outside] == pytest.approx(k - 1.0, rel=1e-9)
                assert upper[outside] == pytest.approx(k - 1.0, rel=1e-9)


def test_ranges_with_wide_shoulders_are_left_alone() -> None:
    claims = [Claim(Source("a"), Range(1, 4)), Claim(Source("b"), Range(2, 7))]
    result = combine(claims, model=Model.measurements())
    assert isinstance(result, Combination)
    assert Moving.of(result._inference.columns, inflation=True) is None
    assert Moving.of(combined("ranges")[1].problem.columns, inflation=False) is None


def test_parts_cover_their_panel() -> None:
    """The integral of a broken polynomial over cut panels is exact, at every point."""
    one = np.array([1.0, 1.0, 1.0])
    kind = np.array([Kind.SQUARE, Kind.UP, Kind.LINEAR], dtype=np.int64)
    panels = Panels(0 * kind, 0.0 * one, kind, 0.0 * one, np.array([1.2, 1.1, 3.0]))
    places = np.array([[0.3, 5.0, 0.9], [1.4, 1.9, -2.0]]).T[:, :, None]
    places = np.concatenate([places, 0.5 * places + 0.2], axis=2)
    low, high = panels.edges()
    total = np.zeros((3, 2))
    for part in cut(panels, places):
        d, slope = part.nodes()
        weights = gauss_legendre(part.order)[1][:, None]
        value = (np.abs(d[..., None] - places[part.index][:, None]) ** 3).sum(axis=-1)
        np.add.at(total, part.index, (value * np.exp(slope) * weights).sum(axis=1))
    for row in range(3):
        for point in range(2):
            exact = 0.0
            for place in places[row, point]:
                ends = np.array([low[row], high[row]]) - place
                exact += float(np.diff(np.sign(ends) * ends**4 / 4.0)[0])
            assert total[row, point] == pytest.approx(exact, rel=1e-11)


def test_rooted_panels_cover_the_same() -> None:
    _, solution = combined("tau")
    knots = MovingKnots.of(solution.problem.columns, inflation=False)
    assert knots is not None
    edges = np.unique([*np.linspace(-6.0, 6.0, 14), *knots.places])
    zero = np.zeros(len(edges) - 1)
    kind = np.zeros(len(zero), dtype=np.int64)
    panels = rooted(Panels(kind, zero, kind, edges[:-1], edges[1:]), knots)
    panels = panels.take(panels.order())
    assert np.any(panels.kind == Kind.SQUARE)
    low, high = panels.edges()
    start, stop = panels.anchor + low, panels.anchor + high
    assert start[1:] == pytest.approx(stop[:-1], abs=1e-14)
    assert start[0] == edges[0]
    assert stop[-1] == edges[-1]
    middle = 0.5 * (low + high)
    t = panels.inverse(middle)
    assert panels.at(t[:, None])[0][:, 0] == pytest.approx(middle, rel=1e-12)
