"""What is known of sources once their claims have been learned from, and no longer are at hand.

Everything that is reported of sources, that further claims start from, and that is saved, is
here. Biases and overconfidences are whole: what was stated of a source before its claims were
learned from is in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.sources import Source
from reliability.learning.dependence import Pairs
from reliability.learning.fit import Fit
from reliability.learning.maximisation import Hyperparameters, Priors
from reliability.learning.observations import Observations
from reliability.learning.uncertainty import SourceUncertainty
from reliability.models import Model
from reliability.tables.sources import SourceColumns

__all__ = ["Settings", "SourceKnowledge", "later_pairs"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: Variances are at least this, for their reciprocals.
_LEAST_VARIANCE = 1e-300
#: Columns of what is counted or stated, before and after more claims.
_ADDED, _EITHER = ("claims", "compared"), ("stated", "bare", "unbiased")


@attrs.frozen
class Settings:
    """How it was learned, for further claims; and the model that was given for combining."""

    biases: bool
    difficulty: bool
    model: Model | None


@attrs.frozen(eq=False)
class SourceKnowledge:
    """What is known of every source; arrays are (sources,), pairs of them (sources, 2).

    The two columns of the scales are those of bare values, in units of ``spread``, and of stated
    sds: the source's overconfidence.

    Parameters
    ----------
    names : of the sources
    spread : unit of the scale of bare values, on x
    claims, compared : claims, and those that could be compared with others or a truth
    stated, bare : whether it has claims that state an uncertainty, and claims that state none
    unbiased : whether it was declared to have no bias
    interest : as it was stated: -1, 0 or 1
    reliability, reliability_count : and the claims that it rests on, the prior's among them;
        infinite where claims cannot be unsound
    reliability_low, reliability_high : central interval
    scale, scale_count, scale_low, scale_high : (sources, 2), the same of the scales
    bias, bias_sd, bias_low, bias_high : claim minus truth on x
    """

    names: tuple[str, ...]
    spread: float
    claims: IntArray
    compared: IntArray
    stated: Flags
    bare: Flags
    unbiased: Flags
    interest: IntArray
    reliability: Array
    reliability_count: Array
    reliability_low: Array
    reliability_high: Array
    scale: Array
    scale_count: Array
    scale_low: Array
    scale_high: Array
    bias: Array
    bias_sd: Array
    bias_low: Array
    bias_high: Array

    @classmethod
    def of(
        cls, seen: Observations, fitted: Fit, found: SourceUncertainty, stated: SourceColumns
    ) -> SourceKnowledge:
        """What a fit says of the sources, with what was stated of them."""
        number, parameters = seen.sources, fitted.parameters
        bias, factor = _stated(stated)
        interest = np.nan_to_num(stated.numbers["interest"]).astype(np.int64)
        return cls(
            names=tuple(seen.names),
            spread=seen.spread,
            claims=np.bincount(seen.source, minlength=number),
            compared=np.asarray(found.claims).astype(np.int64),
            stated=np.bincount(seen.source, seen.stated, number) > 0,
            bare=np.bincount(seen.source, ~seen.stated, number) > 0,
            unbiased=fitted.priors.unbiased,
            interest=interest,
            reliability=parameters.reliability,
            reliability_count=found.reliability_count,
            reliability_low=found.reliability.low,
            reliability_high=found.reliability.high,
            scale=parameters.scale.reshape(-1, 2) * factor,
            scale_count=found.scale_count.reshape(-1, 2),
            scale_low=found.scale.low.reshape(-1, 2) * factor,
            scale_high=found.scale.high.reshape(-1, 2) * factor,
            bias=parameters.bias + bias,
            bias_sd=found.bias_sd,
            bias_low=found.bias.low + bias,
            bias_high=found.bias.high + bias,
        )

    def places(self, names: Sequence[str]) -> IntArray:
        """Number of each of some sources here; -1 where it is new."""
        place = {name: i for i, name in enumerate(self.names)}
        return np.array([place.get(name, -1) for name in names], dtype=np.int64)

    def objects(self) -> dict[str, Source]:
        """Sources by name."""
        out = {}
        for i, name in enumerate(self.names):
            count = float(self.reliability_count[i])
            out[name] = Source(
                name,
                reliability=float(self.reliability[i]),
                evidence=count if np.isfinite(count) else None,
                bias=float(self.bias[i]),
                bias_sd=float(self.bias_sd[i]),
                overconfidence=float(self.scale[i, 1]) if self.stated[i] else 1.0,
                interest=int(self.interest[i]),
            )
        return out

    def columns(self) -> dict[str, Any]:
        """As the columns of a table; nan where a source makes no claims of a kind."""

        def scales(kind: int, there: Flags, unit: float) -> list[Array]:
            every = (self.scale, self.scale_low, self.scale_high)
            return [np.where(there, values[:, kind] * unit, np.nan) for values in every]

        k, k_low, k_high = scales(1, self.stated, 1.0)
        error, error_low, error_high = scales(0, self.bare, self.spread)
        count = self.reliability_count
        return {
            "source": np.array(self.names),
            "n": self.claims,
            "compared": self.compared,
            "reliability": self.reliability,
            "reliability_low": self.reliability_low,
            "reliability_high": self.reliability_high,
            "evidence": np.where(np.isfinite(count), count, np.nan),
            "bias": self.bias,
            "bias_low": self.bias_low,
            "bias_high": self.bias_high,
            "bias_sd": self.bias_sd,
            "overconfidence": k,
            "overconfidence_low": k_low,
            "overconfidence_high": k_high,
            "error_sd": error,
            "error_sd_low": error_low,
            "error_sd_high": error_high,
        }

    def priors(
        self,
        seen: Observations,
        stated: SourceColumns,
        hyper: Hyperparameters,
        *,
        doubtful: bool,
        biases: bool,
        half_life: float | None,
    ) -> Priors:
        """What is known of each source as its prior; what all have in common for new ones.

        Parameters
        ----------
        seen : further claims, in units of ``spread``
        stated : what is stated of their sources
        hyper : what sources have in common
        doubtful, biases : whether claims can be unsound, and whether sources have biases
        half_life : claims after which former evidence counts half
        """
        priors = Priors.common(hyper, np.zeros(seen.sources, dtype=bool))
        place = self.places(seen.names)
        new = np.flatnonzero(place >= 0)
        old = place[new]
        fresh = np.bincount(seen.source, minlength=seen.sources)[new]
        keep = np.ones(len(new)) if half_life is None else 0.5 ** (fresh / half_life)

        def worn(count: Array, usual: Array | float, part: Array) -> Array:
            """What is left of counts; what all sources have in common is not forgotten."""
            return usual + part * np.maximum(count - usual, 0.0)

        reliability, count = priors.reliability.copy(), priors.reliability_count.copy()
        if doubtful:
            reliability[new] = self.reliability[old]
            count[new] = worn(self.reliability_count[old], hyper.reliability_count, keep)
        known_bias, factor = _stated(stated)
        scale = priors.scale.copy().reshape(-1, 2)
        scale_count = priors.scale_count.copy().reshape(-1, 2)
        scale[new] = self.scale[old] / factor[new]
        usual = np.array(hyper.scale_count)
        scale_count[new] = worn(self.scale_count[old], usual, keep[:, None])
        bias, variance = priors.bias.copy(), priors.bias_variance.copy()
        unbiased = np.zeros(seen.sources, dtype=bool)
        unbiased[new] = self.unbiased[old]
        if biases:
            bias[new] = self.bias[old] - known_bias[new]
            # A declaration is not evidence that wears off.
            part = np.where(unbiased[new], 1.0, np.maximum(keep, _LEAST_VARIANCE))
            variance[new] = np.minimum(self.bias_sd[old] ** 2 / part, hyper.bias_variance)
        return Priors(
            reliability,
            count,
            scale.ravel(),
            scale_count.ravel(),
            bias,
            np.maximum(variance, _LEAST_VARIANCE),
            learned=False,
            unbiased=unbiased,
        )

    def then(self, later: SourceKnowledge) -> SourceKnowledge:
        """What is known after further claims; sources without any stay as they were."""
        place = self.places(later.names)
        merged = np.where(place >= 0, place, len(self.names) + np.cumsum(place < 0) - 1)
        names = [*self.names, *(later.names[i] for i in np.flatnonzero(place < 0).tolist())]
        fields: dict[str, Any] = {"names": tuple(names)}
        for name in _ARRAYS:
            former, latter = getattr(self, name), getattr(later, name)
            out = np.zeros((len(names), *former.shape[1:]), dtype=former.dtype)
            out[: len(self.names)] = former
            if name in _ADDED:
                latter = latter + out[merged]
            elif name in _EITHER:
                latter = latter | out[merged]
            elif name == "interest":
                latter = np.where(latter == 0, out[merged], latter)
            out[merged] = latter
            fields[name] = out
        return attrs.evolve(self, **fields)


_ARRAYS = tuple(
    field.name for field in attrs.fields(SourceKnowledge) if field.name not in {"names", "spread"}
)


def _stated(stated: SourceColumns) -> tuple[Array, Array]:
    """Stated biases (sources,) and factors of the two scales (sources, 2)."""
    bias, k = stated.numbers["bias"], stated.numbers["overconfidence"]
    factor = np.where(np.isnan(k), 1.0, k)
    return np.where(np.isnan(bias), 0.0, bias), np.stack([np.ones_like(factor), factor], axis=1)


def later_pairs(former: Pairs, latter: Pairs) -> Pairs:
    """Pairs of two tables' sources: of a pair in both, what rests on more quantities.

    The p-values are each table's own: evidence of two tables is not added up.
    """
    both = {
        field.name: np.concatenate([getattr(former, field.name), getattr(latter, field.name)])
        for field in attrs.fields(Pairs)
    }
    # Within a pair the most quantities come last, of equally many the latter.
    order = np.lexsort(
        (np.arange(len(both["first"])), both["shared"], both["second"], both["first"])
    )
    first, second = both["first"][order], both["second"][order]
    last = np.append((np.diff(first) != 0) | (np.diff(second) != 0), True)[: len(order)]
    return Pairs(**{name: values[order[last]] for name, values in both.items()})
