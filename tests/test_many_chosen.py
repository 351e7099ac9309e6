"""combine_many: what is left out, what is chosen, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from reliability import Claim, Combination, Estimate, Source, combine, combine_many, priors
from reliability.errors import InvalidValueError, ReliabilityError

TABLE: dict[str, list[Any]] = {
    "quantity": ["a", "b", "a", "b", "c"],
    "source": ["X", "X", "Y", "Y", "X"],
    "value": [10.0, 20.0, 12.0, 21.0, -3.0],
    "sd": [-1.0, 2.0, 1.0, 1.0, 1.0],
}


def test_chosen_quantities_leave_bad_rows_out() -> None:
    found = combine_many(TABLE, on_error="collect", combinations=["a"])
    alone = combine([Claim(Source("Y"), Estimate(12, sd=1))])
    assert isinstance(alone, Combination)
    assert list(found.combinations) == ["a"]
    assert found.combinations["a"].estimate == alone.estimate
    assert len(found.combinations["a"].claims) == 1


def test_chosen_quantities_without_a_posterior_are_bad_rows() -> None:
    found = combine_many(TABLE, scale="log", on_error="collect", combinations=["c", "b"])
    assert list(found.combinations) == ["b"]
    assert found.bad_rows["row"].tolist() == [1, 5]


def test_quantities_stand_in_order_of_their_first_good_row() -> None:
    assert combine_many(TABLE, on_error="collect").quantities["quantity"].tolist() == [
        *("b", "a", "c")
    ]
    table = TABLE | {"value": [-10.0, *TABLE["value"][1:]], "sd": [1.0] * 5}
    found = combine_many(table, scale="log", on_error="collect")
    assert found.quantities["quantity"].tolist() == ["b", "a"]
    assert found.quantities["n"].tolist() == [2, 1]
    assert found.bad_rows["row"].tolist() == [1, 5]


def test_bad_rows_stand_in_the_order_of_the_table() -> None:
    table = TABLE | {"value": [10.0, -20.0, 12.0, 21.0, -3.0], "sd": [1.0, 1.0, 1.0, -1.0, 1.0]}
    found = combine_many(table, scale="log", on_error="collect")
    assert found.bad_rows["row"].tolist() == [2, 4, 5]


@pytest.mark.parametrize("quantities", [None, {"quantity": ["a"], "scale": ["linear"]}])
def test_a_chosen_quantity_that_is_not_there(quantities: Any) -> None:
    with pytest.raises(InvalidValueError, match="combinations: table has no quantity 'z'"):
        combine_many(TABLE, on_error="collect", combinations=["z"], quantities=quantities)


def test_chosen_quantities_have_their_own_scale_and_prior() -> None:
    table = {name: cells[1:] for name, cells in TABLE.items()}
    settings = {"quantity": ["b"], "scale": ["log"], "prior": ["LogNormal(20, 1)"]}
    found = combine_many(table, quantities=settings, combinations=["b"])
    alone = combine(
        [Claim(Source("X"), Estimate(20, sd=2)), Claim(Source("Y"), Estimate(21, sd=1))],
        scale="log",
        prior=priors.LogNormal(20, 1),
    )
    assert isinstance(alone, Combination)
    assert found.combinations["b"].interval() == alone.interval()


def test_settings_of_a_quantity_whose_rows_are_all_bad() -> None:
    table = TABLE | {"sd": [1.0, 1.0, 1.0, 1.0, -1.0]}
    settings = {"quantity": ["c"], "prior": ["Normal(0, 1)"]}
    found = combine_many(table, on_error="collect", quantities=settings)
    assert found.quantities["quantity"].tolist() == ["a", "b"]
    assert found.bad_rows["row"].tolist() == [5]


def test_zero_needs_a_proper_prior() -> None:
    table = {name: cells[1:] for name, cells in TABLE.items()}
    with pytest.raises(ReliabilityError, match=r"^quantity 'b': zero=.* needs a proper prior"):
        combine_many(table, quantities={"quantity": ["b"], "zero": [0.5]})
