"""What the scores are given, checked: finite numbers, levels, shapes that go together."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reliability.claims._checks import percent_hint, short
from reliability.errors import InvalidValueError, WrongTypeError
from reliability.posterior import real_array

__all__ = [
    "between",
    "checked_level",
    "checked_levels",
    "finite",
    "no_nan",
    "positive",
    "probability",
    "quantiles",
    "together",
    "whole",
]

Array = NDArray[np.float64]


def _first(name: str, values: Array, good: NDArray[np.bool_], text: str) -> None:
    """Refuse an array at its first entry that is not good."""
    if np.all(good):
        return
    at = np.argwhere(~good)[0].tolist()
    place = name if not at else f"{name}[{', '.join(map(str, at))}]"
    value = float(values[tuple(at)])
    raise InvalidValueError(f"{place} {text} (got {short(value) if value == value else 'nan'})")  # noqa: PLR0124  # nan


def finite(name: str, values: ArrayLike) -> Array:
    """An argument as finite numbers; at least one."""
    array = real_array(name, values)
    if array.size == 0:
        raise InvalidValueError(f"{name} is empty; give at least one number")
    _first(name, array, np.isfinite(array), "must be a finite number; leave such entries out")
    return array


def no_nan(name: str, values: ArrayLike) -> Array:
    """An argument as numbers that may be infinite; at least one."""
    array = real_array(name, values)
    if array.size == 0:
        raise InvalidValueError(f"{name} is empty; give at least one number")
    _first(name, array, ~np.isnan(array), "must be a number; leave such entries out")
    return array


def positive(name: str, values: ArrayLike, *, above: float = 0.0) -> Array:
    """An argument as finite numbers above a limit."""
    array = finite(name, values)
    _first(name, array, array > above, f"must be above {above:g}")
    return array


def probability(name: str, values: ArrayLike) -> Array:
    """An argument as probabilities in [0, 1]."""
    array = finite(name, values)
    good = (array >= 0.0) & (array <= 1.0)
    bad = array[~good]
    hint = percent_hint(float(bad.flat[0])) if bad.size else ""
    _first(name, array, good, f"must lie in [0, 1]{hint}")
    return array


def between(name: str, values: ArrayLike) -> Array:
    """An argument as probabilities in (0, 1)."""
    array = finite(name, values)
    good = (array > 0.0) & (array < 1.0)
    bad = array[~good]
    hint = percent_hint(float(bad.flat[0])) if bad.size and float(bad.flat[0]) < 100.0 else ""
    _first(name, array, good, f"must lie in (0, 1){hint}")
    return array


def checked_level(level: float, name: str = "level") -> float:
    """One probability in (0, 1)."""
    array = between(name, level)
    if array.ndim:
        raise WrongTypeError(f"{name} must be one number (got shape {array.shape})")
    return float(array)


def checked_levels(levels: ArrayLike) -> Array:
    """Probabilities of quantiles: (m,), increasing inside (0, 1)."""
    array = between("levels", levels)
    if array.ndim != 1:
        raise InvalidValueError(
            f"levels must have one dimension, the probabilities of the quantiles "
            f"(got shape {array.shape})"
        )
    _first("levels", array[1:], np.diff(array) > 0.0, "must exceed the one before it; sort them")
    return array


def quantiles(levels: Array, values: ArrayLike, *, missing: bool = False) -> Array:
    """Values of quantiles: (..., m), not decreasing along the last axis.

    Parameters
    ----------
    levels : (m,) their probabilities, checked
    values : the quantiles
    missing : whether nan stands for a forecast that was not made
    """
    array = real_array("values", values) if missing else finite("values", values)
    if array.ndim == 0 or array.shape[-1] != len(levels):
        raise InvalidValueError(
            f"values must have {len(levels)} entries along its last axis, one per level "
            f"(got shape {array.shape})"
        )
    if array.size == 0:
        raise InvalidValueError("values is empty; give at least one forecast")
    step = np.diff(array, axis=-1)
    good = np.isnan(step) | (step >= 0.0) if missing else step >= 0.0
    _first("values", array[..., 1:], good, "must not be below the quantile before it")
    return array


def together(**arrays: Array) -> list[Array]:
    """Arrays of one shape, or an error that shows the shapes."""
    try:
        return list(np.broadcast_arrays(*arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise InvalidValueError(
            f"shapes do not go together: {shapes}; give equal lengths"
        ) from None


def whole(name: str, value: object, *, least: int = 1) -> int:
    """A whole number from ``least`` on."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise WrongTypeError(f"{name} must be a whole number (got {short(value)})")
    if value < least:
        raise InvalidValueError(f"{name} must be at least {least} (got {short(value)})")
    return int(value)
