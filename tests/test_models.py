"""Models: the ready-made ones, every field's limits, wording, settings as data."""

from __future__ import annotations

import copy
import json
import math
import pickle
import re
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reliability import (
    Claim,
    Combination,
    Estimate,
    Floor,
    Heavy,
    Model,
    Source,
    Void,
    Wide,
    combine,
    priors,
)
from reliability.engine.likelihoods import UnsoundKind, UnsoundLaw
from reliability.errors import InvalidValueError, ReliabilityError, WrongTypeError
from reliability.priors import Beta
from reliability.settings import settings_from_dict, settings_to_dict

INF = math.inf
CLAIMS = [
    Claim(Source("a", reliability=0.9), Estimate(10, sd=1)),
    Claim(Source("b", reliability=0.2), Estimate(14, sd=2)),
    Claim("c", Estimate(15, sd=1)),
]
READY = {
    "reports": Model.reports(),
    "measurements": Model.measurements(),
    "experts": Model.experts(),
    "common_effect": Model.common_effect(),
    "random_effects": Model.random_effects(priors.HalfNormal(2)),
}


def one(model: Model | None = None, **options: Any) -> Combination:
    result = combine(CLAIMS, model=model, **options)
    assert isinstance(result, Combination)
    return result


# ------------------------------------------------------------------ ready-made


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("reports", {}),
        ("measurements", {"inflation": priors.Pareto(1.0)}),
        (
            "experts",
            {
                "unsound": Void(),
                "unknown_reliability": 0.7,
                "overconfidence": 1.6,
                "dependence": 0.4,
                "prior": priors.IntrinsicRange(0.1),
            },
        ),
        ("common_effect", {"unsound": None}),
        ("random_effects", {"unsound": None, "heterogeneity": priors.HalfNormal(2)}),
    ],
)
def test_ready_made_models_differ_from_the_default_in_these_fields(
    name: str, fields: dict[str, Any]
) -> None:
    assert READY[name] == Model(**fields)


def test_default_model() -> None:
    assert attrs.asdict(Model(), recurse=False) == {
        "unsound": Floor(INF),
        "heterogeneity": None,
        "inflation": None,
        "shared": 0.0,
        "dependence": 0.0,
        "unknown_reliability": Beta(1, 1),
        "unstated_error": 0.1,
        "overconfidence": 1.0,
        "prior": None,
    }
    assert Model() == Model.reports()


def test_reports_is_what_combine_uses() -> None:
    assert one().model == Model.reports()
    assert one().posterior.ppf(0.3) == one(Model.reports()).posterior.ppf(0.3)


@pytest.mark.parametrize("name", ["common_effect", "random_effects"])
def test_models_without_unsound_claims_use_no_reliability(name: str) -> None:
    result = one(READY[name])
    assert [record.soundness for record in result.claims] == [1.0, 1.0, 1.0]
    assert result.reliability is None
    sure = [attrs.evolve(c, source=Source(c.source.name, reliability=1.0)) for c in CLAIMS]
    other = combine(sure, model=READY[name])
    assert isinstance(other, Combination)
    assert result.estimate == other.estimate


def test_random_effects_need_a_prior() -> None:
    wrong: Any = None
    with pytest.raises(WrongTypeError, match=r"HalfNormal\(scale\)"):
        Model.random_effects(wrong)


def test_fields_of_the_model_reach_the_engine() -> None:
    """Each field, changed alone, changes the answer as it must."""
    base = Model.common_effect()
    narrow = one(base).posterior.std()
    wide = one(attrs.evolve(base, overconfidence=2.0)).posterior.std()
    assert wide == pytest.approx(2.0 * narrow, rel=1e-13)
    # Three origins: 1 + 2 rho times the variance.
    dependent = one(attrs.evolve(base, dependence=0.5)).posterior
    assert dependent.std() == pytest.approx(math.sqrt(2.0) * narrow, rel=1e-13)
    assert one(attrs.evolve(base, dependence=0.5), dependence=0.0).posterior.std() == narrow
    # The smallest stated sd is 1.
    shared = one(attrs.evolve(base, shared=3.0)).posterior
    assert shared.std() == pytest.approx(math.hypot(narrow, 3.0), rel=1e-13)
    prior = one(attrs.evolve(base, prior=priors.Normal(0, 1e-6))).posterior
    assert abs(prior.mean()) < 1e-6
    assert one(attrs.evolve(base, prior=priors.Normal(0, 1e-6)), prior=priors.Flat()).estimate > 9
    # Known and unknown reliability of source c.
    assert one(Model(unknown_reliability=0.5)).reliability is None
    assert one(Model(unknown_reliability=Beta(1, 1))).reliability is not None
    low, high = (one(Model(unknown_reliability=r)).claims[2].soundness for r in (0.2, 0.8))
    assert low < high
    for error in (0.1, 0.2):
        bare = [Claim("a", Estimate(100, unit=1))]
        result = combine(bare, model=attrs.evolve(base, unstated_error=error))
        assert isinstance(result, Combination)
        # A value scattered by error * 100, rounded to whole numbers.
        assert result.posterior.var() == pytest.approx((100 * error) ** 2 + 1 / 12, rel=1e-9)


# ------------------------------------------------------------------ unsound kinds


def test_unsound_laws() -> None:
    assert Floor().law == UnsoundLaw(UnsoundKind.FLOOR, INF)
    assert Floor(3).law == UnsoundLaw(UnsoundKind.FLOOR, 3.0)
    assert Wide().law == UnsoundLaw(UnsoundKind.WIDE, 10.0)
    assert Wide(factor=3).law == UnsoundLaw(UnsoundKind.WIDE, 3.0)
    assert Heavy().law == UnsoundLaw(UnsoundKind.HEAVY, 10.0, 1.0)
    assert Heavy(3, df=2.5).law == UnsoundLaw(UnsoundKind.HEAVY, 3.0, 2.5)
    assert Void().law.kind is UnsoundKind.VOID
    assert Model.common_effect().law == Floor().law
    assert Model.experts().law.kind is UnsoundKind.VOID


@pytest.mark.parametrize("kind", [Floor, Wide, Heavy])
def test_factors(kind: Any) -> None:
    for value in (np.nextafter(1.0, 2.0), 2, np.int64(2), np.float64(2.5), 1e300):
        assert kind(value).factor == value
    for value in (1, 1.0, 0.5, 0, -3, -INF, math.nan):
        with pytest.raises(InvalidValueError, match=f"{kind.__name__}: factor must be greater"):
            kind(value)
    for value in ("3", None, True, [3.0]):
        with pytest.raises(WrongTypeError, match=f"{kind.__name__}: factor must be a number"):
            kind(value)
    with pytest.raises(InvalidValueError, match="must be finite"):
        kind(10**400)


def test_degrees_of_freedom() -> None:
    value: Any
    for value in (1e-300, 0.5, 1, np.int64(3), np.float64(2.5), 1e300):
        assert Heavy(2, value).df == value
    for value in (0, -1.0, -INF, math.nan):
        with pytest.raises(InvalidValueError, match="Heavy: df must be positive"):
            Heavy(df=value)
    wrong: Any
    for wrong in ("3", None, True, [3.0]):
        with pytest.raises(WrongTypeError, match="Heavy: df must be a number"):
            Heavy(df=wrong)
    for value in (INF, 10**400):
        with pytest.raises(InvalidValueError, match=r"Heavy: df must be finite .* give Wide"):
            Heavy(df=value)


def test_only_a_floor_may_be_unlimited() -> None:
    assert Floor(INF) == Floor()
    with pytest.raises(InvalidValueError, match=r"Wide: factor must be finite .* Floor allows inf"):
        Wide(INF)
    with pytest.raises(InvalidValueError, match=r"Heavy: factor must be finite .* Floor allows"):
        Heavy(INF)


# ------------------------------------------------------------------ fields


@pytest.mark.parametrize(
    ("field", "inside", "outside", "limits"),
    [
        ("shared", (0, 0.0, 1e6), (-1e-300, 1.0000001e6, INF), "[0, 1e6]"),
        ("dependence", (0, 1, 0.5), (-1e-300, np.nextafter(1.0, 2.0), INF), "[0, 1]"),
        ("unstated_error", (1e-9, 10), (0, 0.9e-9, 10.000001, INF), "[1e-9, 10]"),
        ("overconfidence", (1e-3, 1000), (0, 0.9e-3, 1000.0001, INF), "[0.001, 1000]"),
        ("unknown_reliability", (0, 1, 0.5), (-1e-9, 1.0000001), "[0, 1]"),
    ],
)
def test_limits_of_numbers(
    field: str, inside: tuple[Any, ...], outside: tuple[Any, ...], limits: str
) -> None:
    for value in inside:
        assert getattr(Model(**{field: value}), field) == value
    for value in (*outside, math.nan):
        message = re.escape(f"Model: {field} must lie in {limits}")
        with pytest.raises(InvalidValueError, match=message):
            Model(**{field: value})
    wrong: Any
    for wrong in ("0.5", None, True, [0.5]):
        with pytest.raises(WrongTypeError, match=f"Model: {field} must be"):
            Model(**{field: wrong})


@pytest.mark.parametrize(
    ("field", "good", "wrong_type", "wrong_kind"),
    [
        (
            "unsound",
            [None, Floor(2), Wide(), Heavy(), Void()],
            [Floor, "floor", 3, priors.Flat()],
            [],
        ),
        (
            "heterogeneity",
            [None, priors.Flat(), priors.HalfCauchy(1), priors.LogNormal(1, 1), priors.I2()],
            [1.0, "HalfNormal", priors.HalfNormal, priors.Normal(0, 1), Beta(1, 1)],
            [priors.Pareto(2)],
        ),
        (
            "inflation",
            [None, priors.Pareto(2)],
            [2.0, priors.Pareto, priors.Uniform(1, 2)],
            [priors.HalfNormal(1), priors.Flat(), priors.LogNormal(1, 1)],
        ),
        ("unknown_reliability", [Beta(2, 1), 0.3], [(2, 1), Beta, priors.Uniform(0, 1)], []),
        (
            "prior",
            [None, priors.Flat(), priors.Beta(1, 2), priors.IntrinsicRange()],
            [0, "flat", priors.Normal, priors.HalfNormal(1)],
            [],
        ),
    ],
)
def test_kinds_of_fields(
    field: str, good: list[Any], wrong_type: list[Any], wrong_kind: list[Any]
) -> None:
    for value in good:
        assert getattr(Model(**{field: value}), field) == value
    for value in wrong_type:
        with pytest.raises(WrongTypeError, match=f"Model: {field} must be"):
            Model(**{field: value})
    for value in wrong_kind:
        with pytest.raises(InvalidValueError, match=f"Model: {field}=.* has the wrong support"):
            Model(**{field: value})


def test_one_scatter_at_most() -> None:
    with pytest.raises(InvalidValueError, match="heterogeneity and inflation"):
        Model(heterogeneity=priors.HalfNormal(1), inflation=priors.Pareto(1))
    both = Model(heterogeneity=priors.HalfNormal(1))
    with pytest.raises(InvalidValueError, match="give one of them"):
        attrs.evolve(both, inflation=priors.Pareto(1))


def test_fields_are_keywords() -> None:
    with pytest.raises(TypeError, match="positional"):
        Model(Floor())  # type: ignore[call-arg]


# ------------------------------------------------------------------ objects


@pytest.mark.parametrize("model", READY.values(), ids=READY)
def test_models_are_values(model: Model) -> None:
    kinds = {kind.__name__: kind for kind in (Model, Floor, Wide, Heavy, Void)}
    names = vars(priors) | kinds | {"inf": INF}
    assert eval(repr(model), names) == model  # noqa: S307
    assert "\n" not in repr(model)
    assert attrs.evolve(model) == model
    assert hash(copy.deepcopy(model)) == hash(model)
    assert pickle.loads(pickle.dumps(model)) == model  # noqa: S301
    changed = attrs.evolve(model, dependence=0.25)
    assert changed != model
    assert changed.dependence == 0.25
    assert attrs.evolve(changed, dependence=model.dependence) == model
    with pytest.raises(InvalidValueError, match="dependence"):
        attrs.evolve(model, dependence=2)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        model.shared = 1.0  # type: ignore[misc]


def test_wording_of_the_unsound_kinds() -> None:
    assert repr(Floor()) == "Floor(factor=inf)"
    assert repr(Wide(3)) == "Wide(factor=3)"
    assert repr(Heavy(3, 2)) == "Heavy(factor=3, df=2)"
    assert repr(Void()) == "Void()"


# ------------------------------------------------------------------ settings as data

QUANTITY_PRIORS: list[Any] = [
    priors.Flat(),
    priors.Normal(3, 2.5),
    priors.StudentT(3, 1, 2),
    priors.Uniform(-1, 4),
    priors.LogUniform(1, 100),
    priors.LogNormal(20, 0.5),
    priors.Beta(2, 3),
    priors.IntrinsicRange(0.2),
]
SCATTER_PRIORS: list[Any] = [
    priors.Flat(),
    priors.LogNormal(1, 0.5),
    priors.HalfNormal(1),
    priors.HalfStudentT(4, 1),
    priors.HalfCauchy(0.5),
    priors.Exponential(2),
    priors.HalfLogistic(1),
    priors.Lomax(2, 1),
    priors.Rayleigh(1),
    priors.Sqrt(),
    priors.Jeffreys(),
    priors.OverallJeffreys(),
    priors.BergerDeely(),
    priors.Conventional(),
    priors.DuMouchel(),
    priors.UniformShrinkage(),
    priors.I2(),
]
MODELS = [
    *READY.values(),
    *(Model(heterogeneity=scatter) for scatter in SCATTER_PRIORS),
    *(Model(prior=prior) for prior in QUANTITY_PRIORS),
    *(Model(unsound=kind) for kind in (None, Floor(), Floor(3.5), Wide(7), Heavy(7, 3), Void())),
    Model(inflation=priors.Pareto(2.5), shared=0.5, unstated_error=0.2, overconfidence=1.2),
    Model(unknown_reliability=np.float64(0.25), dependence=np.float64(0.5)),
]


def test_every_kind_of_prior_is_tried() -> None:
    abstract = {"QuantityPrior", "ScatterPrior", "PriorOnX", "PriorsOnX", "StatedVariances"}
    tried = {type(p).__name__ for p in (*QUANTITY_PRIORS, *SCATTER_PRIORS)} | {"Pareto", "Density"}
    assert tried == set(priors.__all__) - abstract


def round_trip(model: Model, prior: Any) -> tuple[Model, Any]:
    text = json.dumps(settings_to_dict(model, prior), allow_nan=False)
    return settings_from_dict(json.loads(text))


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_models_survive_as_data(model: Model) -> None:
    assert round_trip(model, priors.Flat()) == (model, priors.Flat())


@pytest.mark.parametrize("prior", QUANTITY_PRIORS, ids=repr)
def test_priors_survive_as_data(prior: Any) -> None:
    assert round_trip(Model(), prior) == (Model(), prior)


@given(
    st.floats(0.0, 1.0),
    st.floats(1.0, 1e300, exclude_min=True) | st.just(INF),
    st.floats(1e-300, 1e300),
)
def test_every_digit_survives(share: float, factor: float, size: float) -> None:
    model = Model(
        unsound=Floor(factor),
        dependence=share,
        unknown_reliability=share,
        heterogeneity=priors.Lomax(size, size),
    )
    assert round_trip(model, priors.Normal(-size, size)) == (model, priors.Normal(-size, size))


def test_a_function_is_no_data() -> None:
    density = priors.Density(lambda t: -t, (0.0, INF))
    for model, prior in ((Model(heterogeneity=density), priors.Flat()), (Model(), density)):
        with pytest.raises(WrongTypeError, match="Density"):
            settings_to_dict(model, prior)


GOOD = settings_to_dict(Model(), priors.Flat())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "must hold 'model' and 'prior'"),
        ({}, "must hold 'model' and 'prior'"),
        ({"model": 3, "prior": None}, "must hold 'model' and 'prior'"),
        (GOOD | {"model": GOOD["model"] | {"sharde": 1}}, "unknown fields sharde"),
        (GOOD | {"model": {"unsound": {"type": "Flor"}}}, "settings.model.unsound: unknown type"),
        (GOOD | {"model": {"unsound": {}}}, "unknown type None"),
        (GOOD | {"model": {"unsound": {"type": "Floor", "k": 3}}}, "Floor does not take these"),
        (GOOD | {"model": {"unsound": {"type": "Floor", "factor": 0.5}}}, "greater than 1"),
        (GOOD | {"model": {"unsound": {"type": "Normal", "mean": 0, "sd": 1}}}, "Model: unsound"),
        (GOOD | {"model": {"dependence": 3}}, "Model: dependence"),
        (GOOD | {"prior": None}, "settings.prior: must be a prior on the quantity"),
        (GOOD | {"prior": {"type": "Floor"}}, "settings.prior: must be a prior on the quantity"),
        (GOOD | {"prior": {"type": "HalfNormal", "scale": 1}}, "settings.prior"),
        (GOOD | {"prior": {"type": "Density"}}, "unknown type 'Density'"),
        (GOOD | {"prior": {"type": ["Normal"]}}, "unknown type ['Normal']"),
    ],
)
def test_data_that_are_no_settings(data: Any, message: str) -> None:
    with pytest.raises(ReliabilityError, match=re.escape(message)):
        settings_from_dict(data)


def test_fields_left_out_have_their_defaults() -> None:
    assert settings_from_dict({"model": {}, "prior": {"type": "Flat"}}) == (Model(), priors.Flat())


def test_messages_show_no_more_than_the_beginning_of_a_value() -> None:
    long = "x" * 10_000
    for make in (
        lambda: Model(unsound=long),  # type: ignore[arg-type]
        lambda: Model(heterogeneity=long),  # type: ignore[arg-type]
        lambda: Model(dependence=long),  # type: ignore[arg-type]
        lambda: Model(unknown_reliability=long),  # type: ignore[arg-type]
        lambda: Model(prior=long),  # type: ignore[arg-type]
        lambda: Floor(long),  # type: ignore[arg-type]
        lambda: priors.Normal(long, 1),  # type: ignore[arg-type]
        lambda: priors.HalfNormal(10**5_000),
    ):
        with pytest.raises(ReliabilityError) as caught:
            make()
        assert len(str(caught.value)) < 250
