"""Models: what is assumed about unsound claims, scatter and dependence."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from reliability.engine.likelihoods import UnsoundKind, UnsoundLaw
from reliability.errors import InvalidValueError, WrongTypeError, short
from reliability.priors import (
    Beta,
    IntrinsicRange,
    Pareto,
    QuantityPrior,
    ScatterPrior,
    is_finite,
)

__all__ = ["Floor", "Heavy", "Model", "Unsound", "Void", "Wide"]


def _checked_name(instance: Any, attribute: attrs.Attribute[Any], value: float) -> str:
    """How a parameter of a kind is called, if its value is a number."""
    name = f"{type(instance).__name__}: {attribute.name}"
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise WrongTypeError(f"{name} must be a number (got {short(value)})")
    return name


def _factor(instance: Any, attribute: attrs.Attribute[Any], value: float) -> None:
    name = _checked_name(instance, attribute, value)
    if not value > 1:
        raise InvalidValueError(f"{name} must be greater than 1 (got {short(value)})")
    if not is_finite(value) and not (isinstance(instance, Floor) and value == np.inf):
        raise InvalidValueError(f"{name} must be finite (got {short(value)}); Floor allows inf")


def _df(instance: Any, attribute: attrs.Attribute[Any], value: float) -> None:
    name = _checked_name(instance, attribute, value)
    if not value > 0:
        raise InvalidValueError(f"{name} must be positive (got {short(value)})")
    if not is_finite(value):
        raise InvalidValueError(
            f"{name} must be finite (got {short(value)}); for normal tails give Wide(factor)"
        )


@attrs.frozen
class Floor:
    """An unsound claim's sd is only a floor: the true one lies between sigma and K sigma.

    Its density falls like the inverse square (Sivia & Skilling 2006, section 8.3.1). With
    ``factor=inf``, the default, an unsound claim has tails 1/R^2: it may be wrong by any
    factor, and says where the quantity is less and less the more it conflicts with others.

    >>> Floor(10)
    Floor(factor=10)
    """

    factor: float = attrs.field(default=np.inf, validator=_factor)

    @property
    def law(self) -> UnsoundLaw:
        """The engine's form."""
        return UnsoundLaw(UnsoundKind.FLOOR, float(self.factor))


@attrs.frozen
class Wide:
    """An unsound claim is normal with K times its sd (Press 1996; Box & Tiao 1968).

    >>> Wide(5)
    Wide(factor=5)
    """

    factor: float = attrs.field(default=10.0, validator=_factor)

    @property
    def law(self) -> UnsoundLaw:
        """The engine's form."""
        return UnsoundLaw(UnsoundKind.WIDE, float(self.factor))


@attrs.frozen
class Heavy:
    """An unsound claim's error is Student's t with K times its sd as scale.

    ``U = t_nu(R/K)/(K sigma)``, nu = ``df`` degrees of freedom, R the residual in units of the
    claim's total sd sigma: a normal whose unknown precision is a Gamma variable (Lange, Little &
    Taylor 1989, doi:10.1080/01621459.1989.10478852). Its tails fall like |R|^-(nu + 1); with
    many degrees of freedom it is ``Wide(K)``.

    Parameters
    ----------
    factor : K, greater than 1 and finite
    df : degrees of freedom nu, positive and finite; 1 is Cauchy's distribution

    Raises
    ------
    ReliabilityError
        Naming the parameter that is impossible.

    Examples
    --------
    >>> Heavy(10)
    Heavy(factor=10, df=1.0)
    """

    factor: float = attrs.field(default=10.0, validator=_factor)
    df: float = attrs.field(default=1.0, validator=_df)

    @property
    def law(self) -> UnsoundLaw:
        """The engine's form."""
        return UnsoundLaw(UnsoundKind.HEAVY, float(self.factor), float(self.df))


@attrs.frozen
class Void:
    """An unsound claim carries no information; needs a proper prior or ``IntrinsicRange``.

    >>> Void()
    Void()
    """

    @property
    def law(self) -> UnsoundLaw:
        """The engine's form."""
        return UnsoundLaw(UnsoundKind.VOID)


Unsound = Floor | Wide | Heavy | Void


def _within(low: float, high: float, remedy: str) -> Any:
    def check(instance: Any, attribute: attrs.Attribute[Any], value: float) -> None:  # noqa: ARG001
        name = f"Model: {attribute.name}"
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise WrongTypeError(f"{name} must be a number (got {short(value)})")
        if not (low <= value <= high):
            raise InvalidValueError(f"{name} must lie in {remedy} (got {short(value)})")

    return check


def _is_unsound(instance: Any, attribute: attrs.Attribute[Any], value: object) -> None:  # noqa: ARG001
    if value is not None and not isinstance(value, (Floor, Wide, Heavy, Void)):
        raise WrongTypeError(
            "Model: unsound must be Floor(...), Wide(...), Heavy(...), Void() or None "
            f"(got {short(value)})"
        )


def _is_scatter(instance: Any, attribute: attrs.Attribute[Any], value: object) -> None:  # noqa: ARG001
    if value is None:
        return
    if not isinstance(value, ScatterPrior):
        raise WrongTypeError(
            f"Model: {attribute.name} must be a prior such as "
            f"{'Pareto(3)' if attribute.name == 'inflation' else 'HalfNormal(scale)'} or None "
            f"(got {short(value)})"
        )
    wants = 1.0 if attribute.name == "inflation" else 0.0
    if value.low != wants:
        raise InvalidValueError(
            f"Model: {attribute.name}={short(value)} has the wrong support; "
            + (
                "an inflation is 1 or more: Pareto(shape)"
                if wants == 1.0
                else "a heterogeneity is 0 or more: HalfNormal(scale), HalfCauchy(scale), ..."
            )
        )


def _is_reliability(instance: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, Beta):
        return
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        _within(0.0, 1.0, "[0, 1]")(instance, attribute, float(value))
        return
    raise WrongTypeError(
        f"Model: unknown_reliability must be Beta(a, b) or a number in [0, 1] (got {short(value)})"
    )


def _is_prior(instance: Any, attribute: attrs.Attribute[Any], value: object) -> None:  # noqa: ARG001
    if value is not None and not isinstance(value, QuantityPrior):
        raise WrongTypeError(
            f"Model: prior must be a prior on the quantity, such as Normal(mean, sd) "
            f"(got {short(value)})"
        )


@attrs.frozen(kw_only=True)
class Model:
    """What is assumed about the claims, beyond what they state.

    Parameters
    ----------
    unsound : what an unsound claim looks like: ``Floor(factor)``, ``Wide(factor)``,
        ``Heavy(factor, df)``, ``Void()``; None where every claim is sound, whatever its source's
        reliability
    heterogeneity : prior on tau, additive scatter common to all claims, on the scale; or None
    inflation : prior on the common factor k >= 1 of all stated sds; or None
    shared : sd of a bias common to all sources, in units of the smallest stated sd
    dependence : rho in [0, 1] between origins; 0 is independence
    unknown_reliability : prior Beta(a, b) of the one reliability that all sources without a
        stated one share, or a number where it is known
    unstated_error : relative error of values whose uncertainty is not stated
    overconfidence : multiplies every source's own
    prior : prior on the quantity where ``combine`` is given none; None is flat in x

    Raises
    ------
    ReliabilityError
        Naming the field, where a value is impossible.

    Examples
    --------
    >>> Model().unsound
    Floor(factor=inf)
    >>> Model.measurements().inflation
    Pareto(shape=1.0)
    """

    unsound: Unsound | None = attrs.field(factory=Floor, validator=_is_unsound)
    heterogeneity: ScatterPrior | None = attrs.field(default=None, validator=_is_scatter)
    inflation: ScatterPrior | None = attrs.field(default=None, validator=_is_scatter)
    shared: float = attrs.field(default=0.0, validator=_within(0.0, 1e6, "[0, 1e6]"))
    dependence: float = attrs.field(default=0.0, validator=_within(0.0, 1.0, "[0, 1]"))
    unknown_reliability: Beta | float = attrs.field(
        default=Beta(1.0, 1.0), validator=_is_reliability
    )
    unstated_error: float = attrs.field(default=0.1, validator=_within(1e-9, 10.0, "[1e-9, 10]"))
    overconfidence: float = attrs.field(default=1.0, validator=_within(1e-3, 1e3, "[0.001, 1000]"))
    prior: QuantityPrior | None = attrs.field(default=None, validator=_is_prior)

    def __attrs_post_init__(self) -> None:
        if self.heterogeneity is not None and self.inflation is not None:
            raise InvalidValueError(
                "Model: heterogeneity and inflation are two descriptions of the same scatter; "
                "give one of them"
            )

    @classmethod
    def reports(cls) -> Model:
        """Reports by people with reasons: what ``combine`` uses when no model is given.

        ``Floor(inf)``: an unsound report may be wrong by any factor. Origins say what depends
        on what.
        """
        return cls()

    @classmethod
    def measurements(cls) -> Model:
        """Measurements of one thing by laboratories, whose stated sds are too small as a rule.

        ``Floor(inf)`` with a common inflation ``Pareto(1)``: on early measurements of 106
        quantities of the Particle Data Group, scored against later ones, the best log score of
        the variants tried. For two or three claims it is wide; ``Pareto(3)`` is narrower.
        """
        return cls(inflation=Pareto(1.0))

    @classmethod
    def experts(cls) -> Model:
        """Experts' quantiles: ``Void`` over the claims' extended hull.

        Reliability 0.7, overconfidence 1.6 and dependence 0.4 as measured on the studies of
        the TU Delft data base (Cooke & Goossens 2008).
        """
        return cls(
            unsound=Void(),
            unknown_reliability=0.7,
            overconfidence=1.6,
            dependence=0.4,
            prior=IntrinsicRange(0.1),
        )

    @classmethod
    def common_effect(cls) -> Model:
        """Every claim sound, no scatter: the inverse-variance mean."""
        return cls(unsound=None)

    @classmethod
    def random_effects(cls, heterogeneity: ScatterPrior) -> Model:
        """Every claim sound, with heterogeneity tau: the model of R's bayesmeta."""
        if heterogeneity is None:
            raise WrongTypeError(
                "Model.random_effects needs a prior on the heterogeneity, such as "
                "HalfNormal(scale) or HalfCauchy(scale)"
            )
        return cls(unsound=None, heterogeneity=heterogeneity)

    @property
    def law(self) -> UnsoundLaw:
        """The unsound law of the engine (of no consequence where every claim is sound)."""
        return Floor().law if self.unsound is None else self.unsound.law
