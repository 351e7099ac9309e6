"""What the comparators ask of their arguments: arrays of finite numbers, weights, levels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reliability.claims._checks import percent_hint, short
from reliability.errors import InvalidValueError, WrongTypeError

__all__ = [
    "checked_count",
    "checked_level",
    "checked_weights",
    "finite",
    "numbers",
    "points",
    "positive_number",
    "probabilities",
    "refuse",
    "values_and_sds",
]

Array = NDArray[np.float64]

#: What arrays of so many dimensions are called.
_SHAPES = ("one number", "a list of numbers", "a table of numbers", "a three-dimensional array")


def floats(values: ArrayLike, kinds: str) -> Array | None:
    """Values as floats, if their dtype is one of some kinds and they convert; else None."""
    try:
        array = np.asarray(values)
        return array.astype(np.float64) if array.dtype.kind in kinds else None
    except (TypeError, ValueError):
        return None


def points(name: str, values: ArrayLike) -> Array:
    """An argument as floats of any shape; nan passes."""
    array = floats(values, "biufO")
    if array is None:
        raise WrongTypeError(
            f"{name} must be a number or an array of numbers (got {short(values)})"
        )
    return array


def numbers(name: str, values: ArrayLike, *, dimensions: int | None = None) -> Array:
    """An argument as an array of floats, which may be nan; text and ragged rows are refused."""
    array = floats(values, "iufO")
    if array is None:
        raise WrongTypeError(f"{name} must be an array of numbers (got {short(values)})")
    if dimensions is not None and array.ndim != dimensions:
        raise InvalidValueError(
            f"{name} must be {_SHAPES[dimensions]} (got an array of shape {array.shape})"
        )
    return array


def refuse(name: str, values: Array, bad: NDArray[np.bool_], rule: str, remedy: str = "") -> None:
    """Raise an error about the first bad entry of an array, if there is one."""
    if not bad.any():
        return
    place = tuple(int(i) for i in np.argwhere(np.atleast_1d(bad))[0])
    shown = "" if values.ndim == 0 else f"[{', '.join(map(str, place))}]"
    value = float(np.atleast_1d(values)[place])
    raise InvalidValueError(f"{name}{shown} {rule} (got {short(value)}){remedy}")


def finite(name: str, values: ArrayLike, *, dimensions: int | None = None) -> Array:
    """An argument as an array of finite floats."""
    array = numbers(name, values, dimensions=dimensions)
    refuse(name, array, ~np.isfinite(array), "must be a finite number", "; leave the entry out")
    return array


def values_and_sds(values: ArrayLike, sds: ArrayLike) -> tuple[Array, Array]:
    """Values with their stated sds: (n,) each, n at least 1, finite, sds positive."""
    x, s = finite("values", values, dimensions=1), finite("sds", sds, dimensions=1)
    if len(x) != len(s):
        raise InvalidValueError(
            f"values and sds must be equally many (got {len(x)} values and {len(s)} sds)"
        )
    if not len(x):
        raise InvalidValueError("values must not be empty; give at least one")
    refuse("sds", s, s <= 0.0, "must be positive")
    return x, s


def positive_number(name: str, value: object) -> float:
    """Refuse what is not a positive finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise WrongTypeError(f"{name} must be a number (got {short(value)})")
    if not 0.0 < value < np.inf:
        raise InvalidValueError(f"{name} must be positive and finite (got {short(float(value))})")
    return float(value)


def checked_count(name: str, value: object) -> int:
    """Refuse what is not a whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise WrongTypeError(f"{name} must be a whole number (got {short(value)})")
    if value < 1:
        raise InvalidValueError(f"{name} must be at least 1 (got {value})")
    return int(value)


def checked_level(level: object, name: str = "level") -> float:
    """Refuse what is not a number in (0, 1)."""
    if isinstance(level, bool) or not isinstance(level, int | float | np.integer | np.floating):
        raise WrongTypeError(f"{name} must be a number in (0, 1) (got {short(level)})")
    if not 0.0 < level < 1.0:
        hint = percent_hint(float(level)) if level < 100.0 else ""
        raise InvalidValueError(f"{name} must lie in (0, 1), got {short(float(level))}{hint}")
    return float(level)


def checked_weights(weights: ArrayLike | None, count: int, what: str) -> Array:
    """Weights that sum to 1: equal ones for None, else given ones divided by their sum."""
    if weights is None:
        return np.full(count, 1.0 / count)
    w = finite("weights", weights, dimensions=1)
    if len(w) != count:
        raise InvalidValueError(
            f"weights must be as many as the {what} (got {len(w)} weights for {count})"
        )
    refuse("weights", w, w < 0.0, "must not be negative")
    if not w.sum() > 0.0:
        raise InvalidValueError("weights must not all be 0; give one of them a positive weight")
    return np.asarray(w / w.sum())


def probabilities(name: str, values: ArrayLike, *, open_interval: bool = False) -> Array:
    """An array of probabilities, in [0, 1] or in (0, 1)."""
    p = finite(name, values)
    bad = (p <= 0.0) | (p >= 1.0) if open_interval else (p < 0.0) | (p > 1.0)
    if bad.any():
        hint = percent_hint(float(p[bad].flat[0]))
        refuse(name, p, bad, f"must lie in {'(0, 1)' if open_interval else '[0, 1]'}", hint)
    return p
