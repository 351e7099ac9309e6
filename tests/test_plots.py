"""The forest plot: what is drawn, and that nothing overlaps."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from matplotlib import rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from reliability import (
    About,
    AtLeast,
    AtMost,
    Claim,
    Combination,
    Estimate,
    Model,
    Quantiles,
    Range,
    Source,
    combine,
)
from reliability.demo import founding_case
from reliability.errors import MissingExtraError, ReliabilityError
from reliability.plots import forest, forests, sensitivity, stated_interval

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.text import Text


def one(claims: Any, **options: Any) -> Combination:
    result = combine(claims, **options)
    assert isinstance(result, Combination)
    return result


def many(count: int, name: str = "Laboratory with a long name, number") -> Combination:
    rng = np.random.default_rng(count)
    return one(
        [
            Claim(
                Source(f"{name} {i:02d}", reliability=(0.3, 0.6, 0.9)[i % 3]),
                Estimate(float(rng.normal(10.0, 1.5)), sd=float(rng.uniform(0.2, 2.0))),
            )
            for i in range(count)
        ]
    )


def founding() -> Combination:
    return one(founding_case()["one shared origin"], scale="log")


def drawn(ax: Axes) -> Figure:
    """The figure of the axes, laid out."""
    figure = ax.figure
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    return figure


def labels(ax: Axes) -> list[list[Text]]:
    """Left, right and bottom labels."""
    (right,) = ax.child_axes
    return [ax.get_yticklabels(), right.get_yticklabels(), ax.get_xticklabels()]


def check_labels(ax: Axes) -> None:
    """No label touches another of its side; left and right labels stay off the axes."""
    figure = drawn(ax)
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    area = ax.get_window_extent(renderer)
    for side, group in enumerate(labels(ax)):
        boxes = [label.get_window_extent(renderer) for label in group if label.get_text()]
        for one_box, other in pairwise(sorted(boxes, key=lambda box: (box.y0, box.x0))):
            assert not one_box.overlaps(other)
        for box in boxes:
            if side == 0:
                assert box.x1 <= area.x0
            elif side == 1:
                assert box.x0 >= area.x1
            else:
                assert box.y1 <= area.y0


def horizontal_lines(ax: Axes) -> list[tuple[float, float, float, Any]]:
    """Height, ends and colour of every drawn interval."""
    found = []
    for line in ax.lines:
        x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        if len(x) == 2 and y[0] == y[1] and x[0] != x[1] and set(x) != {0.0, 1.0}:
            found.append((float(y[0]), float(x[0]), float(x[1]), line.get_color()))
    return found


def heads(ax: Axes) -> list[str]:
    """Arrow heads in the rows of the claims."""
    return [
        str(line.get_marker())
        for line in ax.lines
        if line.get_marker() in {">", "<"} and np.asarray(line.get_ydata())[0] > 0.5
    ]


def picture(ax: Axes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    canvas = FigureCanvasAgg(drawn(ax))
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("count", [1, 2, 10, 60])
def test_labels_do_not_overlap_in_a_figure_of_its_own(count: int) -> None:
    ax = forest(many(count))
    check_labels(ax)
    # Everything written is inside the picture.
    figure = drawn(ax)
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    for group in labels(ax):
        for label in group:
            box = label.get_window_extent(renderer)
            assert box.x0 >= -1.0
            assert box.x1 <= figure.bbox.x1 + 1.0


@pytest.mark.parametrize(("width", "height"), [(6.0, 3.0), (12.0, 4.0), (5.0, 9.0)])
def test_labels_do_not_overlap_on_axes_of_any_size(width: float, height: float) -> None:
    figure = Figure(figsize=(width, height), layout="constrained")
    ax = figure.subplots()
    assert forest(many(30), ax) is ax
    check_labels(ax)


def test_other_scripts_and_signs() -> None:
    claims = [
        Claim("Міністерство оборони України", "more than 12,000"),
        Claim("وزارة الدفاع", "about 15,000"),
        Claim("a $100 report that costs $5_0^2", "up to 40,000"),
        Claim("line\nbreak and a very long name that goes on and on and on", "13,000 ± 500"),
    ]
    ax = forest(one(claims, scale="log"))
    check_labels(ax)
    texts = [label.get_text() for label in ax.get_yticklabels()]
    assert texts[1] == "Міністерство оборони України"
    assert texts[3] == r"a \$100 report that costs \$5_0^2"
    assert texts[4].startswith("line break and a very long")
    assert texts[4].endswith("…")


def test_rows_say_who_and_what() -> None:
    ax = forest(founding())
    left, right, _ = labels(ax)
    assert [label.get_text() for label in left] == [
        *("posterior", "US officials", "Ukraine", "South Korea")
    ]
    assert [label.get_text() for label in right] == [
        *("2,800 (1,800 to 18,000, 95%)", "about 2,500", "at least 12,000", "at least 12,000")
    ]


def test_what_is_drawn() -> None:
    result = one(
        [(Source("A", reliability=0.9), "10 +- 1"), (Source("B", reliability=0.2), "14 +- 2")]
    )
    ax = forest(result)
    rows = dict(zip((t.get_text() for t in ax.get_yticklabels()), ax.get_yticks(), strict=True))
    lines = {(round(y, 6), round(x0, 6), round(x1, 6)) for y, x0, x1, _ in horizontal_lines(ax)}
    z = 1.6448536269514722
    assert (rows["A"], round(10 - z, 6), round(10 + z, 6)) in lines
    assert (rows["B"], round(14 - 2 * z, 6), round(14 + 2 * z, 6)) in lines
    for level in (0.5, 0.95):
        low, high = result.interval(level)
        assert (rows["posterior"], round(low, 6), round(high, 6)) in lines
    dots = [item for item in ax.collections if isinstance(item, PathCollection)]
    sizes = [float(item.get_sizes()[0]) for item in dots]
    assert sizes[0] > sizes[1]
    assert ax.get_xscale() == "linear"


def test_soundness_is_a_shade_that_prints() -> None:
    claims = [
        (Source("A", reliability=0.99), "10 +- 1"),
        (Source("B", reliability=0.01), "11 +- 1"),
    ]
    ax = forest(one(claims))
    shades = [color for _, _, _, color in horizontal_lines(ax)]
    weights = np.array([0.2126, 0.7152, 0.0722])
    dark, light = (float(weights @ np.array(shade[:3])) for shade in shades[:2])
    assert light - dark > 0.4


def test_bounds_are_arrows() -> None:
    ax = forest(one([("A", "more than 12"), ("B", "up to 40"), ("C", "about 20")], scale="log"))
    assert heads(ax) == [">", "<"]
    pure = forest(one([("A", AtLeast(12, excess=math.inf)), ("C", "about 20")], scale="log"))
    assert heads(pure) == [">"]


def test_axes_follow_the_scale() -> None:
    assert forest(founding()).get_xscale() == "log"
    shares = forest(one([("A", "10% +- 1%"), ("B", "99.9% +- 0.01%")], scale="logit"))
    assert shares.get_xscale() == "logit"
    check_labels(shares)
    assert all(label.get_text().endswith("%") for label in shares.get_xticklabels())


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("ratio", [1.0 + 1e-9, 1.01, 3.0, 1e4, 1e40])
def test_axes_have_readable_ticks(scale: Any, ratio: float) -> None:
    sd = 0.1 * min(ratio - 1.0, 1.0)
    claims = [
        ("A", Estimate(1.0, sd=max(sd, 1e-15 * ratio) if scale == "linear" else sd)),
        ("B", Estimate(ratio, sd=ratio / 1e10)),
    ]
    ax = forest(one(claims, scale=scale, model=Model.common_effect()))
    check_labels(ax)
    inside = [tick for tick in ax.get_xticks() if ax.get_xlim()[0] <= tick <= ax.get_xlim()[1]]
    assert 2 <= len(inside) <= 7


def test_long_tails_do_not_squeeze_the_claims() -> None:
    ax = forest(one([(Source("A", reliability=0.02), "10 +- 1")]))
    low, high = ax.get_xlim()
    assert high - low < 30.0
    assert result_line_is_cut(ax)


def result_line_is_cut(ax: Axes) -> bool:
    """Whether arrows at the edges say that the posterior goes on."""
    return [line.get_marker() for line in ax.lines].count(">") == 1


def test_stated_intervals() -> None:
    statements = {
        "10 +- 1": (10 - 1.6449, 10 + 1.6449),
        "10 (8 to 13, 90%)": (8.0, 13.0),
        "between 10 and 30": (7.5, 32.5),
        "more than 12": (12.0, 12.0 + 3.0 * math.log(10.0)),
    }
    for text, expected in statements.items():
        result = one([("A", text)], model=Model(unstated_error=0.1))
        assert stated_interval(result.claims[0], result) == pytest.approx(expected, abs=0.6)
    result = one([("A", Quantiles({0.05: 1.0, 0.5: 2.0, 0.95: 4.0}))])
    assert stated_interval(result.claims[0], result) == pytest.approx((1.0, 4.0))


def test_pictures_are_not_empty_and_nothing_global_changes() -> None:
    before = dict(rcParams)
    image = picture(forest(founding()))
    assert image.shape[0] > 100
    colours = {tuple(pixel) for pixel in image[::3, ::3, :3].reshape(-1, 3)}
    assert len(colours) > 20
    assert dict(rcParams) == before


def test_no_pyplot() -> None:
    code = (
        "import sys; from reliability.demo import founding_case; from reliability import combine; "
        "combine(founding_case()['one shared origin'], scale='log').plot(); "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603


def test_level_is_the_readers(tmp_path: Path) -> None:
    result = founding()
    for ax in (forest(result, level=0.8), result.plot(level=0.8)):
        assert labels(ax)[1][0].get_text().endswith(", 80%)")
        low, high = result.interval(0.8)
        assert any(line[1:3] == (low, high) for line in horizontal_lines(ax))
    forests([result, result], tmp_path / "both.svg", level=0.8)
    assert (tmp_path / "both.svg").stat().st_size > 1000


def test_an_arrow_at_the_edge_touches_no_label() -> None:
    claims = [("A", "10%"), ("B", "20% (15% to 25%, 90%)"), ("C", "more than 30%")]
    ax = forest(one(claims, scale="logit"))
    figure = drawn(ax)
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    markers = [line for line in ax.lines if line.get_marker() == ">"]
    assert markers
    reach = markers[0].get_markersize() / 72.0 * figure.dpi  # twice what it covers
    edge = ax.get_window_extent(renderer).x1
    assert all(label.get_window_extent(renderer).x0 > edge + reach for label in labels(ax)[1])


def test_several_results_in_one_file(tmp_path: Path) -> None:
    forests([founding(), many(10), one([("A", "10 +- 1")])], tmp_path / "all.png")
    assert (tmp_path / "all.png").stat().st_size > 20_000
    forests([founding()], str(tmp_path / "one.pdf"))
    assert (tmp_path / "one.pdf").read_bytes().startswith(b"%PDF")
    stream = io.BytesIO()
    drawn(forest(founding())).savefig(stream, format="svg")
    assert b"<svg" in stream.getvalue()


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r'pip install "source-reliability\[plot\]"'):
        forest(founding())


def moderate(scale: str) -> st.SearchStrategy[Claim]:
    """Claims of every form with numbers that people use."""
    values = st.integers(1, 99).map(lambda n: n / 100) if scale == "logit" else st.integers(1, 9999)
    ends = st.lists(values, min_size=3, max_size=3, unique=True).map(sorted)
    said: st.SearchStrategy[Any] = st.one_of(
        values.map(About),
        values.map(lambda value: Estimate(value, sd=value / 7)),
        values.map(lambda value: AtLeast(value, excess=0.3)),
        values.map(lambda value: AtMost(value, excess=0.3)),
        ends.map(lambda x: Estimate(x[1], low=x[0], high=x[2], level=0.8)),
        ends.map(lambda x: Range(x[0], x[2])),
        ends.map(lambda x: Quantiles({0.1: x[0], 0.5: x[1], 0.9: x[2]})),
    )
    sources = st.builds(
        Source,
        st.text(min_size=1, max_size=50).filter(str.strip),
        reliability=st.none() | st.floats(0.05, 1.0),
    )
    return st.builds(Claim, sources, said, origin=st.none() | st.sampled_from("ab"))


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate,),
)
@given(st.data(), st.sampled_from(["linear", "log", "logit"]))
def test_every_result_can_be_drawn(data: st.DataObject, scale: Any) -> None:
    claims = data.draw(st.lists(moderate(scale), min_size=1, max_size=4))
    try:
        result = one(claims, scale=scale)
    except ReliabilityError:
        return
    low, high = forest(result).get_xlim()
    assert low < high


# --- sensitivity --------------------------------------------------------------------------------


def test_the_lines_of_a_sensitivity_are_its_curves() -> None:
    result = one(founding_case()["independent claims"], scale="log")
    found = result.sensitivity(values=[0.1, 0.5, 0.9])
    ax = found.plot(above=5000)
    lines = {line.get_label(): line for line in ax.get_lines()}
    for curve in found.curves:
        x, y = lines[curve.name].get_data()
        assert np.array_equal(x, curve.values)
        assert np.array_equal(y, curve.estimate)
    assert ax.get_yscale() == "log"
    assert 2 <= len(ax.get_yticks()) <= 7
    dots = [line for line in ax.get_lines() if line.get_marker() == "o"]
    assert [float(np.asarray(dot.get_xdata())[0]) for dot in dots] == [0.8, 0.6, 0.7, 0.0]
    assert any(list(np.asarray(line.get_ydata())) == [5000, 5000] for line in ax.get_lines())
    picture(ax)


def test_a_sensitivity_on_axes_that_are_given() -> None:
    ax = Figure().subplots()
    result = one([(Source("$a_b$", reliability=0.6), Estimate(0.3, sd=0.1))], scale="logit")
    assert sensitivity(result.sensitivity(values=[0.2, 0.8]), ax) is ax
    assert len(ax.collections) == 1  # one curve: its interval is shaded
    picture(ax)
