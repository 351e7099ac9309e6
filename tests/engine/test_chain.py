"""Blurs whose every value is accurate beside itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from reliability.engine.convolution import Blur
from reliability.engine.panels import Kind, Panels

Array = NDArray[np.float64]


def normal(x: Array, sd: float) -> Array:
    return np.asarray(np.exp(-0.5 * (x / sd) ** 2) / (sd * math.sqrt(2.0 * math.pi)))


def bulk(low: float, high: float, count: int) -> Panels:
    edges = np.linspace(low, high, count + 1)
    kind = np.zeros(count, dtype=np.int64)
    return Panels(kind, np.zeros(count), kind, edges[:-1], edges[1:])


@pytest.mark.parametrize("sd", [0.4, 1.0, 3.0])
def test_far_out_in_the_tail_of_a_blurred_normal(sd: float) -> None:
    panels = bulk(-12.0, 12.0, 24)
    d, slope = panels.nodes()
    blur = Blur(panels, sd)
    # The farther out, the farther out in the density itself is what it comes from.
    reach = min(11.0, 8.0 * math.hypot(1.0, sd))
    v = np.linspace(-reach, reach, 57)
    found = blur.matrix(v - blur.origin) @ blur.coefficients(normal(d, 1.0) * np.exp(slope)).ravel()
    assert found == pytest.approx(normal(v, math.hypot(1.0, sd)), rel=1e-9)


def test_a_normal_that_is_narrow_beside_the_panels() -> None:
    panels = bulk(-10.0, 10.0, 10)
    d, slope = panels.nodes()
    values = np.stack([normal(d, 2.0), normal(d - 1.0, 3.0)]) * np.exp(slope)
    blur = Blur(panels, 0.01)
    v = np.linspace(-5.0, 5.0, 31)
    matrix = blur.matrix(v - blur.origin)
    found = blur.coefficients(values).reshape(2, -1) @ matrix.T
    assert found[0] == pytest.approx(normal(v, math.hypot(2.0, 0.01)), abs=1e-12)
    assert found[1] == pytest.approx(normal(v - 1.0, math.hypot(3.0, 0.01)), abs=1e-12)


def test_points_in_any_order_and_tails_in_log_distance() -> None:
    logs = np.linspace(0.0, 30.0, 31)
    one_side, count = len(logs) - 1, 2 * (len(logs) - 1)
    kind = np.repeat([int(Kind.DOWN), int(Kind.UP)], one_side)
    low = np.concatenate([logs[:-1][::-1], logs[:-1]])
    high = np.concatenate([logs[1:][::-1], logs[1:]])
    panels = Panels(np.zeros(count, dtype=np.int64), np.zeros(count), kind, low, high)
    d, slope = panels.nodes()
    blur = Blur(panels, 0.5)
    coefficients = blur.coefficients(np.exp(slope) / (2.0 * d * d)).ravel()
    v = np.array([1e4, -30.0, 80.0, -1e3, 30.0])
    found = blur.matrix(v - blur.origin) @ coefficients
    # E 1/(2 (v + e)^2), e normal of sd s: 1/(2 v^2) times 1 + 3 s^2/v^2 + 15 s^4/v^4 + ...
    small = (0.5 / v) ** 2
    series = 1.0 + 3.0 * small + 15.0 * small**2 + 105.0 * small**3
    assert found == pytest.approx(series / (2.0 * v * v), rel=1e-9)
