"""The model in words: what a result assumes, one sentence an assumption."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reliability.models import Floor, Heavy, Void, Wide
from reliability.numbers import percent, significant
from reliability.pairs import PairDependence
from reliability.priors import Beta, Flat

if TYPE_CHECKING:
    from reliability.combination import Combination
    from reliability.models import Model, Unsound

__all__ = ["model_text"]

_SCALES = {
    "linear": "The quantity is a plain number: errors are differences.",
    "log": "The quantity is a positive magnitude: errors are factors (log scale).",
    "logit": "The quantity is a share between 0 and 1: errors change the odds (logit scale).",
}


def _number(value: float) -> str:
    return significant(value, 3)


def _unsound(kind: Unsound | None) -> str:
    if kind is None:
        return "Every claim is taken to be as good as it says, whoever makes it."
    if isinstance(kind, Void):
        return "A claim that is not sound says nothing about the quantity."
    if isinstance(kind, Wide):
        return (
            f"A claim that is not sound has {_number(kind.factor)} times the uncertainty it states."
        )
    if isinstance(kind, Heavy):
        return (
            f"A claim that is not sound has {_number(kind.factor)} times the uncertainty it "
            f"states, with heavy tails (Student's t, {_number(kind.df)} degrees of freedom)."
        )
    return _floor(kind)


def _floor(kind: Floor) -> str:
    if kind.factor == float("inf"):
        return "A claim that is not sound may be wrong by any amount: what it states is a floor."
    return (
        "The uncertainty of a claim that is not sound lies anywhere between what it states and "
        f"{_number(kind.factor)} times that."
    )


def _reliability(model: Model, *, unknown: bool) -> str:
    if model.unsound is None or not unknown:
        return ""
    known = model.unknown_reliability
    if isinstance(known, Beta):
        mean = percent(known.a / (known.a + known.b))
        return (
            "Sources without a stated reliability share one unknown reliability; before the claims "
            f"are heard, Beta({_number(known.a)}, {_number(known.b)}), {mean} on average."
        )
    return f"Sources without a stated reliability are sound with probability {percent(known)}."


def _scatter(model: Model) -> str:
    if model.heterogeneity is not None:
        return (
            "All sources may scatter beyond what they state by a common amount; before the claims "
            f"are heard, {model.heterogeneity}."
        )
    if model.inflation is not None:
        return (
            "All stated uncertainties may be too small by a common factor; before the claims are "
            f"heard, {model.inflation}."
        )
    return ""


def _dependence(result: Combination) -> str:
    rho = result.dependence
    origins = "Claims of one origin count as one piece of evidence"
    if isinstance(rho, PairDependence):
        return f"{origins}; some pairs of sources are known to err together."
    if rho > 0.0:
        return f"{origins}; between origins, errors go together by {_number(rho)} (0: not at all)."
    return f"{origins}; different origins err independently."


def model_text(result: Combination) -> list[str]:
    """Say what a result assumes, for a reader who knows no formulae.

    Parameters
    ----------
    result : what `combine` returned

    Returns
    -------
    Sentences.

    Examples
    --------
    >>> from reliability import Model, combine
    >>> for line in model_text(combine([("A", "10 +- 1")], model=Model.common_effect())):
    ...     print(line)
    The quantity is a plain number: errors are differences.
    Before the claims are heard, every value is as probable as any other.
    Every claim is taken to be as good as it says, whoever makes it.
    Claims of one origin count as one piece of evidence; different origins err independently.
    """
    model = result.model
    unknown = any(
        entry.claim.source.reliability is None and entry.dropped is None for entry in result.claims
    )
    prior = "every value is as probable as any other" if result.prior == Flat() else result.prior
    if result.prior == Flat() and result.scale.name == "log":
        prior = "every order of magnitude is as probable as any other"
    if result.prior == Flat() and result.scale.name == "logit":
        prior = "all odds are as probable as any other"
    shared = ""
    if model.shared:
        shared = (
            f"An error common to all sources is allowed for, {_number(model.shared)} times the "
            "smallest stated uncertainty."
        )
    sentences = [
        _SCALES[result.scale.name],
        f"Before the claims are heard, {prior}.",
        _unsound(model.unsound),
        _reliability(model, unknown=unknown),
        _scatter(model),
        shared,
        _dependence(result),
    ]
    return [sentence for sentence in sentences if sentence]
