"""Results as objects of other packages: data frames, ArviZ, uncertain numbers."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from reliability.errors import InvalidValueError, MissingExtraError, short
from reliability.posterior import generator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reliability.combination import Combination
    from reliability.posterior import Posterior

__all__ = ["to_arviz", "to_frame", "to_gvar", "to_ufloat"]

#: Kinds of data frames, the preferred first.
_FRAMES = ("pandas", "polars", "pyarrow")


def _module(name: str, remedy: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingExtraError(f"this needs {name}: {remedy}") from None


def to_frame(columns: Mapping[str, Any], kind: str | None = None) -> Any:
    """Columns as a data frame.

    Parameters
    ----------
    columns : name -> values
    kind : "pandas", "polars" or "pyarrow"; None is the first of these that is installed

    Raises
    ------
    ReliabilityError
        If there is no such kind.
    MissingExtraError
        If it, or every one of them, is not installed.

    Examples
    --------
    >>> to_frame({"a": [1, 2]}, "pyarrow").column_names
    ['a']
    """
    if kind is not None and kind not in _FRAMES:
        known = ", ".join(map(repr, _FRAMES))
        raise InvalidValueError(f"kind must be one of {known} (got {short(kind)})")
    for name in _FRAMES if kind is None else (kind,):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if name == "pyarrow":
            return module.table(dict(columns))
        return module.DataFrame(dict(columns))
    wanted = "pandas, polars or pyarrow" if kind is None else kind
    raise MissingExtraError(f"a data frame needs {wanted}: pip install {kind or 'pandas'}")


def to_arviz(
    result: Combination,
    *,
    draws: int = 1000,
    chains: int = 4,
    rng: np.random.Generator | int | None = None,
) -> Any:
    """Independent draws from a result's posteriors as ArviZ' DataTree.

    The group ``posterior`` has ``theta`` (the quantity), and ``tau`` or ``inflation`` and
    ``reliability`` where the model has them. Nothing was sampled to find these posteriors: the
    draws are exact and independent, but each variable is drawn by itself, so their joint
    distribution is not that of the model.

    Parameters
    ----------
    result : what `combine` returned
    draws, chains : how many of each
    rng : a ``numpy.random.Generator`` or a seed

    Returns
    -------
    xarray.DataTree

    Raises
    ------
    ReliabilityError
        If draws or chains is no positive integer.
    MissingExtraError
        If arviz-base is not installed.
    """
    for name, count in (("draws", draws), ("chains", chains)):
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise InvalidValueError(f"{name} must be a positive integer (got {short(count)})")
    arviz = _module("arviz_base", 'pip install "source-reliability[arviz]"')
    source, shape = generator(rng), (chains, draws)
    scatter = "tau" if result.model.heterogeneity is not None else "inflation"
    parts = {
        "theta": result.posterior,
        scatter: result.heterogeneity,
        "reliability": result.reliability,
    }
    drawn = {
        name: np.asarray(part.rvs(shape, rng=source))
        for name, part in parts.items()
        if part is not None
    }
    return arviz.from_dict({"posterior": drawn})


def _mean_and_sd(posterior: Posterior) -> tuple[float, float]:
    mean, sd = posterior.mean(), posterior.std()
    if not (np.isfinite(mean) and np.isfinite(sd)):
        raise InvalidValueError(
            f"this posterior has no mean and standard deviation to pass on (mean {short(mean)}, sd "
            f"{short(sd)}): its tails are too heavy; use its quantiles"
        )
    return mean, sd


def to_ufloat(posterior: Posterior) -> Any:
    """Mean and standard deviation as a number of the package uncertainties.

    Raises
    ------
    ReliabilityError
        If the posterior has no mean or no standard deviation.
    MissingExtraError
        If uncertainties is not installed.
    """
    mean, sd = _mean_and_sd(posterior)
    return _module("uncertainties", "pip install uncertainties").ufloat(mean, sd)


def to_gvar(posterior: Posterior) -> Any:
    """Mean and standard deviation as a number of the package gvar.

    Raises
    ------
    ReliabilityError
        If the posterior has no mean or no standard deviation.
    MissingExtraError
        If gvar is not installed.
    """
    mean, sd = _mean_and_sd(posterior)
    return _module("gvar", "pip install gvar").gvar(mean, sd)
