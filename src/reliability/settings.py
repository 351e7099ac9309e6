"""Models and priors as plain dictionaries, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from reliability import models, priors
from reliability.errors import InvalidValueError, WrongTypeError
from reliability.models import Model
from reliability.priors import QuantityPrior

__all__ = ["settings_from_dict", "settings_to_dict"]

_KINDS: dict[str, type] = {
    name: getattr(priors, name)
    for name in priors.__all__
    if isinstance(getattr(priors, name), type)
    and issubclass(getattr(priors, name), (QuantityPrior, priors.ScatterPrior, priors.Beta))
    and name not in {"QuantityPrior", "ScatterPrior", "Density"}
} | {kind.__name__: kind for kind in (models.Floor, models.Wide, models.Heavy, models.Void)}


def _to_plain(value: Any) -> Any:
    if isinstance(value, priors.Density):
        raise WrongTypeError("a Density prior holds a function and cannot be written as data")
    if type(value).__name__ in _KINDS:
        fields = attrs.asdict(value, recurse=False)
        return {"type": type(value).__name__} | {k: _to_plain(v) for k, v in fields.items()}
    if isinstance(value, (float, np.floating)) and np.isinf(value):
        return "inf"
    if isinstance(value, np.generic):
        return value.item()
    return value


def _from_plain(value: Any, path: str) -> Any:
    if isinstance(value, Mapping):
        fields = dict(value)
        kind = fields.pop("type", None)
        if not isinstance(kind, str) or kind not in _KINDS:
            raise InvalidValueError(f"{path}: unknown type {kind!r}")
        try:
            return _KINDS[kind](**{k: _from_plain(v, f"{path}.{k}") for k, v in fields.items()})
        except TypeError as error:
            raise WrongTypeError(f"{path}: {kind} does not take these fields ({error})") from None
    return float("inf") if value == "inf" else value


def settings_to_dict(model: Model, prior: QuantityPrior) -> dict[str, Any]:
    """A model and a prior as JSON-ready data.

    >>> from reliability.models import Model
    >>> from reliability.priors import Normal
    >>> settings_to_dict(Model.common_effect(), Normal(0, 1))["prior"]
    {'type': 'Normal', 'mean': 0, 'sd': 1}
    """
    fields = attrs.asdict(model, recurse=False)
    return {
        "model": {name: _to_plain(value) for name, value in fields.items()},
        "prior": _to_plain(prior),
    }


def settings_from_dict(data: Mapping[str, Any]) -> tuple[Model, QuantityPrior]:
    """Rebuild a model and a prior.

    Raises
    ------
    ReliabilityError
        Naming the path of what is not understood.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("model"), Mapping):
        raise InvalidValueError("settings: must hold 'model' and 'prior'")
    known = {field.name for field in attrs.fields(Model)}
    unknown = set(data["model"]) - known
    if unknown:
        raise InvalidValueError(f"settings.model: unknown fields {', '.join(sorted(unknown))}")
    model = Model(
        **{
            name: _from_plain(value, f"settings.model.{name}")
            for name, value in data["model"].items()
        }
    )
    prior = _from_plain(data.get("prior"), "settings.prior")
    if not isinstance(prior, QuantityPrior):
        raise InvalidValueError("settings.prior: must be a prior on the quantity")
    return model, prior
