"""The strategies give valid objects on every scale, and are known to hypothesis by type."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reliability import strategies
from reliability.claims.claim import Claim
from reliability.claims.sources import Source
from reliability.claims.statements import STATEMENTS, Quantiles, Statement
from reliability.errors import InvalidValueError, MissingExtraError
from reliability.scales import SCALES

if TYPE_CHECKING:
    from reliability.scales import ScaleName


def numbers(statement: Statement) -> list[float]:
    """Every number that a statement names in the quantity's units."""
    if isinstance(statement, Quantiles):
        return list(statement.values)
    fields = statement.to_dict()
    return [fields[name] for name in ("value", "low", "high") if name in fields]


@pytest.mark.parametrize("scale", list(SCALES))
def test_numbers_lie_on_the_scale(scale: ScaleName) -> None:
    @given(strategies.claims(scale=scale))
    def check(claim: Claim) -> None:
        assert all(map(SCALES[scale].contains, numbers(claim.statement)))

    check()


@pytest.mark.parametrize("form", list(STATEMENTS))
def test_each_form_can_be_drawn_alone(form: str) -> None:
    @settings(max_examples=20)
    @given(strategies.statements(forms=(form,)))
    def check(statement: Statement) -> None:
        assert type(statement) is STATEMENTS[form]

    check()


@given(strategies.claims(quantity="losses"))
def test_claims_are_about_one_quantity_and_fit_json(claim: Claim) -> None:
    assert claim.quantity == "losses"
    json.dumps(claim.to_dict(), allow_nan=False)


@given(st.lists(strategies.sources(), min_size=2, max_size=6))
def test_sources_of_one_name_are_equal(drawn: list[Source]) -> None:
    assert len({source.name for source in drawn}) == len(set(drawn))


@pytest.mark.parametrize("cls", [Source, Claim, *get_args(Statement)])
def test_types_are_registered(cls: type) -> None:
    strategies._hypothesis_setup()

    @settings(max_examples=5)
    @given(st.from_type(cls))
    def check(value: object) -> None:
        assert type(value) is cls

    check()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": "logs"}, "scale must be one of 'linear', 'log', 'logit' (got 'logs')"),
        ({"forms": ("rnge",)}, "there is no form 'rnge'; known: estimate, range"),
        ({"forms": ()}, "forms must not be empty; leave it out for all that state numbers"),
    ],
)
def test_impossible_arguments(arguments: Any, message: str) -> None:
    for strategy in (strategies.statements, strategies.claims):
        with pytest.raises(InvalidValueError, match=re.escape(message)):
            strategy(**arguments)


def test_without_hypothesis_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis.strategies", None)
    with pytest.raises(
        MissingExtraError, match=re.escape("pip install 'source-reliability[test]'")
    ):
        strategies.sources()
