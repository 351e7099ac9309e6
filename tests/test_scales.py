"""Scales: round trips, Jacobians and deviations against 50-digit arithmetic."""

from __future__ import annotations

import math
import re
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reliability.errors import InvalidValueError
from reliability.scales import SCALES, get_scale

INF = math.inf


def exact_theta(name: str, x: Any) -> Any:
    """Quantity at x; call it with enough digits."""
    x = mp.mpf(x)
    return {"linear": lambda: x, "log": lambda: mp.exp(x), "logit": lambda: 1 / (1 + mp.exp(-x))}[
        name
    ]()


def exact_x(name: str, theta: float) -> Any:
    value = mp.mpf(theta)
    return {
        "linear": lambda: value,
        "log": lambda: mp.log(value),
        "logit": lambda: mp.log(value) - mp.log1p(-value),
    }[name]()


THETAS = {
    "linear": st.floats(-1e300, 1e300),
    "log": st.floats(5e-324, 1.7e308),
    "logit": st.floats(1e-300, 1.0, exclude_max=True),
}


@pytest.mark.parametrize("name", SCALES)
@given(data=st.data())
def test_coordinates_against_mpmath(name: str, data: st.DataObject) -> None:
    theta = data.draw(THETAS[name])
    with mp.workdps(50):
        expected = float(exact_x(name, theta))
    # Near logit(1/2) = 0 the two logarithms cancel: a rounding of log 2 is left.
    assert float(SCALES[name].to_x(theta)) == pytest.approx(expected, rel=4e-16, abs=3e-16)


@pytest.mark.parametrize("name", SCALES)
@given(x=st.floats(-700.0, 700.0))
def test_quantities_against_mpmath(name: str, x: float) -> None:
    with mp.workdps(50):
        expected = float(exact_theta(name, x))
    assert float(SCALES[name].to_theta(x)) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("name", SCALES)
@given(data=st.data())
def test_there_and_back(name: str, data: st.DataObject) -> None:
    scale, theta = SCALES[name], data.draw(THETAS[name])
    x = float(scale.to_x(theta))
    # A coordinate is known to half a unit in its last place, and so is theta relative to
    # its own slope there: exp(x (1 + 2^-53)) is off by |x| 2^-53.
    rounding = 2.3e-16 * max(abs(x), 1.0)
    assert float(scale.to_theta(x)) == pytest.approx(theta, rel=4.0 * rounding)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("linear", -INF, INF), ("log", 0.0, INF), ("logit", 0.0, 1.0)],
)
def test_limits(name: str, low: float, high: float) -> None:
    scale = SCALES[name]
    assert (scale.low, scale.high) == (low, high)
    np.testing.assert_array_equal(scale.to_x([low, high]), [-INF, INF])
    np.testing.assert_array_equal(scale.to_theta([-INF, INF]), [low, high])
    assert not scale.contains(low)
    assert not scale.contains(high)
    assert not scale.contains(math.nan)
    assert scale.contains(0.5)
    assert scale.contains(-1.0) == (name == "linear")
    assert scale.contains(2.0) == (name != "logit")


@pytest.mark.parametrize("name", SCALES)
def test_maps_increase_and_keep_shapes(name: str) -> None:
    scale = SCALES[name]
    x = np.linspace(-30.0, 30.0, 12).reshape(2, 2, 3)
    theta = scale.to_theta(x)
    assert theta.shape == x.shape
    assert np.all(np.diff(theta.ravel()) > 0.0)
    assert np.all(np.diff(np.asarray(scale.to_x(theta)).ravel()) > 0.0)
    assert np.shape(scale.to_x(0.5)) == ()
    assert scale.to_x([]).shape == (0,)
    assert np.shape(scale.slope(theta)) == np.shape(scale.log_jacobian(x)) == x.shape


@pytest.mark.parametrize("name", SCALES)
@given(x=st.floats(-600.0, 600.0))
def test_jacobian_is_the_derivative(name: str, x: float) -> None:
    with mp.workdps(400):  # theta (1 - theta) at x = 600 needs digits beyond 1 - 1e-260
        theta = exact_theta(name, x)
        slope = {"linear": mp.mpf(1), "log": theta, "logit": theta * (1 - theta)}[name]
        expected = float(mp.log(slope))
    assert float(SCALES[name].log_jacobian(x)) == pytest.approx(expected, rel=1e-15, abs=1e-15)


@pytest.mark.parametrize(("name", "at"), [("linear", 3.0), ("log", 1e-9), ("log", 4e5)])
def test_slope_is_the_derivative(name: str, at: float) -> None:
    with mp.workdps(50):
        expected = float(mp.diff(lambda t: exact_x(name, t), at))
    assert float(SCALES[name].slope(at)) == pytest.approx(expected, rel=1e-15)


@given(st.floats(1e-12, 1.0, exclude_max=True))
def test_slope_and_jacobian_of_a_share_are_reciprocal(theta: float) -> None:
    scale = SCALES["logit"]
    with mp.workdps(50):
        expected = float(1 / (mp.mpf(theta) * (1 - mp.mpf(theta))))
    # 1 - theta is exact for theta above a half, rounded once below.
    assert float(scale.slope(theta)) == pytest.approx(expected, rel=4e-16)


# ------------------------------------------------------------------ deviations


def check_deviation(name: str, shift: float, origin: float) -> None:
    with mp.workdps(700):
        moved = exact_theta(name, mp.mpf(origin) + mp.mpf(shift))
        difference = moved - exact_theta(name, origin)
        expected = float(mp.log(abs(difference)))
    log_size, sign = SCALES[name].log_deviation(shift, origin)
    # On the logit scale logarithms of the size of shift and origin cancel.
    rounding = 2.3e-16 * (1.0 + abs(shift) + abs(origin))
    assert float(log_size) == pytest.approx(expected, rel=2e-15, abs=2.0 * rounding)
    assert float(sign) == math.copysign(1.0, shift)


shifts = st.floats(1e-12, 300.0).flatmap(lambda size: st.sampled_from((size, -size)))


@pytest.mark.parametrize("name", SCALES)
@given(shift=shifts, origin=st.floats(-300.0, 300.0))
def test_deviations_against_mpmath(name: str, shift: float, origin: float) -> None:
    check_deviation(name, shift, origin)


@pytest.mark.parametrize("name", SCALES)
@pytest.mark.parametrize(
    ("shift", "origin"),
    [(1e-300, 0.0), (-1e-300, 5.0), (1.0, 0.0), (1.0 + 1e-15, -2.0), (-1.0, 3.0), (600.0, -50.0)],
)
def test_deviations_where_formulas_change(name: str, shift: float, origin: float) -> None:
    check_deviation(name, shift, origin)


def test_deviations_that_exceed_the_floats_are_finite_in_logs() -> None:
    log_size, sign = SCALES["log"].log_deviation(np.array([5000.0, -5000.0]), 100.0)
    np.testing.assert_allclose(log_size, [5100.0, 100.0], rtol=1e-15)
    np.testing.assert_array_equal(sign, [1.0, -1.0])


@pytest.mark.parametrize("origin", [-2.0, 0.0, 5.0])
@pytest.mark.parametrize("size", [1e6, 1e12, 1e100])
def test_the_ends_of_a_share_are_reached_to_the_last_digit(size: float, origin: float) -> None:
    log_size, _ = SCALES["logit"].log_deviation(np.array([-size, size]), origin)
    theta = float(SCALES["logit"].to_theta(origin))
    rest = float(SCALES["logit"].to_theta(-origin))
    np.testing.assert_allclose(np.exp(log_size), [theta, rest], rtol=2e-15)


@pytest.mark.parametrize("name", SCALES)
def test_no_deviation(name: str) -> None:
    log_size, sign = SCALES[name].log_deviation(0.0, 2.0)
    assert float(log_size) == -INF
    assert float(sign) == 0.0


# ------------------------------------------------------------------ look-up


def test_look_up() -> None:
    for name, scale in SCALES.items():
        assert get_scale(name) is scale
        assert get_scale(scale) is scale
        assert scale.name == name


@pytest.mark.parametrize("name", ["lin", "", None, 3, ["log"], {}])
def test_unknown_scales(name: Any) -> None:
    message = f"scale must be one of 'linear', 'log', 'logit' (got {name!r})"
    with pytest.raises(InvalidValueError, match=re.escape(message)):
        get_scale(name)
