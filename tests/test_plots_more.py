"""Pictures beside the forest: what is drawn, nothing overlaps, wrong input is named."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reliability import (
    AtLeast,
    Claim,
    Combination,
    Estimate,
    Quantiles,
    Range,
    Source,
    combine,
    learn,
)
from reliability.errors import ReliabilityError
from reliability.plots import (
    coverage_curve,
    dependence_matrix,
    influence,
    pit_histogram,
    posterior,
    sensitivity,
    source_values,
)
from reliability.plots.axes import shade

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

NAME = "A source with a name of forty characters"


def one(claims: Any, **options: Any) -> Combination:
    result = combine(claims, **options)
    assert isinstance(result, Combination)
    return result


def many(count: int) -> Combination:
    rng = np.random.default_rng(count)
    return one(
        [
            Claim(
                Source(f"{NAME} {i:02d}", reliability=(0.3, 0.6, 0.9)[i % 3]),
                Estimate(float(rng.normal(10.0, 1.5)), sd=float(rng.uniform(0.2, 2.0))),
            )
            for i in range(count)
        ]
    )


def feeds(count: int = 6) -> dict[str, Any]:
    rng = np.random.default_rng(count)
    quantity, source = np.repeat(np.arange(60), count), np.tile(np.arange(count), 60)
    errors = rng.normal(size=(60, count)) * np.linspace(0.2, 1.0, count)
    errors[:, 1] = 1.5 * errors[:, 0] + 0.05 * rng.normal(size=60)
    value = rng.normal(10.0, 3.0, 60)[quantity] + errors[quantity, source]
    names = np.array([f"source {k}" for k in range(count)])
    return {"quantity": quantity, "source": names[source], "value": np.round(value, 2)}


def visible_texts(ax: Axes) -> list[Any]:
    figure = ax.figure
    FigureCanvasAgg(figure).draw()  # type: ignore[arg-type, no-untyped-call]
    texts = [*ax.get_xticklabels(), *ax.get_yticklabels()]
    texts += [text for child in ax.child_axes for text in child.get_yticklabels()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text()]
    return [(text, box) for text, box in boxes if box.width > 0.0]


@pytest.mark.parametrize("draw", [posterior, influence])
@pytest.mark.parametrize("count", [2, 10, 60])
def test_labels_do_not_overlap(draw: Callable[..., Axes], count: int) -> None:
    texts = visible_texts(draw(many(count)))
    for k, (one_text, box) in enumerate(texts):
        for other_text, other in texts[k + 1 :]:
            assert not box.overlaps(other), (one_text, other_text)


@pytest.mark.parametrize("draw", [posterior, influence])
@pytest.mark.parametrize("scale", ["linear", "log", "logit"])
def test_every_form_and_scale_is_drawn(draw: Callable[..., Axes], scale: Any) -> None:
    claims = [
        Claim("A", Estimate(0.3, sd=0.05)),
        Claim("B", Range(0.2, 0.4)),
        Claim("C", Quantiles({0.1: 0.2, 0.5: 0.35, 0.9: 0.5})),
        Claim("D", AtLeast(0.25)),
        Claim("E", Estimate(0.3, low=0.2, high=0.5, level=0.9)),
    ]
    ax = draw(one(claims, scale=scale))
    FigureCanvasAgg(ax.figure).draw()  # type: ignore[arg-type, no-untyped-call]
    assert ax.get_xscale() == scale


def test_the_posterior_is_the_density_per_unit_of_the_axis() -> None:
    result = one([("A", "1,000 (500-2,000, 90%)"), ("B", "3,000 (2,000-4,500, 90%)")], scale="log")
    ax = posterior(result)
    foot = [line for line in ax.lines if to_rgb(line.get_color())[0] > 0.8]
    curve = max(foot, key=lambda line: len(np.asarray(line.get_xdata())))
    theta, height = (np.asarray(values) for values in curve.get_data())
    density = np.asarray(result.posterior.pdf(theta)) * theta
    assert height / height.max() == pytest.approx(density / density.max(), rel=1e-9, abs=1e-12)
    marks = next(line for line in ax.lines if line.get_marker() == "^")
    assert np.asarray(marks.get_xdata()).tolist() == result.posterior.modes()


def test_a_narrow_claim_is_not_lost_between_points() -> None:
    result = one([("A", Estimate(10.0, sd=3.0)), ("B", Estimate(11.0, sd=1e-5))])
    tops = [
        float(np.max(np.asarray(line.get_ydata())) % 1.0) for line in posterior(result).lines[:2]
    ]
    assert tops == pytest.approx([0.82, 0.82], abs=1e-3)


def test_influence_points_at_the_estimate_without_the_origin() -> None:
    claims = [("A", "10 +- 1"), ("B", "12 +- 1"), ("C", "30 +- 1")]
    result = one(claims)
    ax = influence(result)
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    names = [text.get_text().removeprefix("without ") for text in ax.get_yticklabels()]
    assert sorted(names) == ["A", "B", "C"]
    for name, dot in zip(names, dots, strict=True):
        without = one([pair for pair in claims if pair[0] != name])
        # Leaving out shares the nodes of the whole: their density there has seven digits.
        assert float(np.asarray(dot.get_xdata())[0]) == pytest.approx(without.estimate, rel=1e-6)


def test_a_repeated_report_is_everybodys() -> None:
    result = one(
        [Claim("A", "10 +- 1", origin="x"), Claim("B", "10 +- 1", origin="x"), ("C", "12 +- 1")]
    )
    names = [text.get_text() for text in influence(result).get_yticklabels()]
    assert "without A, B" in names


def test_one_claim_leaves_nothing() -> None:
    ax = influence(one([("A", "10 +- 1")]))
    (side,) = ax.child_axes
    assert [text.get_text() for text in side.get_yticklabels()] == ["nothing is left"]


def test_histogram_counts() -> None:
    values = np.random.default_rng(0).random(200)
    ax = pit_histogram(values, bins=8)
    bars = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    heights = [bar.get_height() for bar in bars if bar.get_width() == pytest.approx(0.125)]
    counts = np.histogram(values, bins=8, range=(0, 1))[0]
    assert heights == pytest.approx(counts * 8 / 200)


def test_curve_is_the_coverage() -> None:
    values = np.random.default_rng(1).random(50)
    ax = coverage_curve(values)
    curve = max(ax.lines, key=lambda line: len(np.asarray(line.get_xdata())))
    level, held = (np.asarray(found) for found in curve.get_data())
    for p in (0.25, 0.5, 0.9):
        inside = np.mean(np.abs(2.0 * values - 1.0) <= p)
        assert held[np.argmin(np.abs(level - p))] == pytest.approx(inside)
    assert all(later >= earlier for earlier, later in pairwise(held))


@pytest.mark.parametrize("draw", [pit_histogram, coverage_curve])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "at least one"),
        ([0.2, 1.2], r"values\[1\] must be a probability integral transform in \[0, 1\]"),
        ([float("nan")], r"values\[0\] must be"),
        ("text", "values must"),
    ],
)
def test_bad_transforms_are_named(draw: Callable[..., Axes], values: Any, message: str) -> None:
    with pytest.raises(ReliabilityError, match=message):
        draw(values)


def test_bad_bins_are_named() -> None:
    with pytest.raises(ReliabilityError, match="bins must be a positive integer"):
        pit_histogram([0.5], bins=0)


def test_source_values_are_the_tables() -> None:
    found = learn(feeds())
    columns = found.source_columns()
    ax = source_values(found, value="error_sd")
    names = [text.get_text() for text in ax.get_yticklabels()]
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    shown = {
        name: float(np.asarray(dot.get_xdata())[0]) for name, dot in zip(names, dots, strict=True)
    }
    assert shown == pytest.approx(
        dict(zip(columns["source"].tolist(), columns["error_sd"].tolist(), strict=True))
    )
    assert list(shown.values()) == sorted(shown.values())
    with pytest.raises(ReliabilityError, match="value must be one of 'reliability'"):
        source_values(found, value="trust")  # type: ignore[arg-type]
    with pytest.raises(ReliabilityError, match="no source has a overconfidence"):
        source_values(found, value="overconfidence")


def test_dependence_is_a_symmetric_matrix() -> None:
    pairs = {("A", "B"): 0.9, ("C", "D"): 0.7, ("B", "E"): 0.2}
    ax = dependence_matrix(pairs)
    names = [text.get_text() for text in ax.get_yticklabels()]
    values = np.ma.filled(ax.images[0].get_array().astype(float), np.nan)  # type: ignore[union-attr]
    for (first, second), value in pairs.items():
        i, j = names.index(first), names.index(second)
        assert values[i, j] == values[j, i] == value
    assert np.count_nonzero(np.isfinite(values)) == 6
    # Those that depend on each other most are neighbours.
    assert abs(names.index("A") - names.index("B")) == abs(names.index("C") - names.index("D")) == 1


def test_dependence_of_what_was_learned_and_of_too_many() -> None:
    found = learn(feeds())
    assert ("source 0", "source 1") in found.dependence
    assert len(dependence_matrix(found).get_yticklabels()) >= 2
    chain = {(f"s{k}", f"s{k + 1}"): 0.5 + 0.001 * k for k in range(99)}
    ax = dependence_matrix(chain)
    assert ax.get_title(loc="left") == "40 of 100 sources, those in the strongest pairs"
    with pytest.raises(ReliabilityError, match="no two sources"):
        dependence_matrix({})


def test_axes_are_the_callers() -> None:
    figure = Figure()
    ax = figure.subplots()
    result = one([("A", "10 +- 1"), ("B", "12 +- 1")])
    for of_result in (posterior, influence):
        ax.clear()
        assert of_result(result, ax) is ax
    for of_values in (pit_histogram, coverage_curve):
        ax.clear()
        assert of_values([0.5, 0.6], ax) is ax


def test_shades_are_in_order() -> None:
    light = [sum(shade(value)) for value in (0.0, 0.3, 0.6, 1.0)]
    assert light == sorted(light, reverse=True)


def test_of_many_assumptions_those_that_matter_are_named() -> None:
    result = many(12)
    ax = sensitivity(result.sensitivity(values=[0.1, 0.9]))
    legend = ax.get_legend()
    assert legend is not None
    assert len(legend.get_texts()) == 10
    assert ax.get_title(loc="left").startswith("10 of 13")
    alone = sensitivity(one([("A", "10 +- 1"), ("B", "12 +- 1")]).sensitivity(values=[0.1, 0.9]))
    assert alone.get_title(loc="left") == ""
