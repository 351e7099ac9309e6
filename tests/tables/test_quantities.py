"""Settings of quantities from a second table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reliability import priors
from reliability.errors import ReliabilityError
from reliability.tables.quantities import read_quantities


def test_quantities_with_equal_settings_go_together() -> None:
    said = read_quantities(
        {
            "quantity": ["a", "b", "c"],
            "scale": ["log", "Log ", None],
            "prior": [priors.LogUniform(1, 1e6), "LogUniform(1, 1e6)", None],
            "zero": [None, None, 0.1],
        }
    )
    found = said.groups(["x", "b", "c", "a"], scale="linear", prior=None, zero=0.0)
    assert [(g.scale, g.prior, g.zero, list(g.members)) for g in found] == [
        ("linear", None, 0.0, [0]),
        ("log", priors.LogUniform(1, 1e6), 0.0, [1, 3]),
        ("linear", None, 0.1, [2]),
    ]


def test_priors_that_hold_functions() -> None:
    density = priors.Density(lambda x: -x * x, (-1.0, 1.0))
    said = read_quantities({"quantity": [1, 2], "prior": [density, density]})
    (found,) = said.groups(np.array([2, 1]), scale="linear", prior=None, zero=0.0)
    assert found.prior is density
    assert list(found.members) == [0, 1]


def test_nothing_said() -> None:
    (found,) = read_quantities(None).groups(["a", "b"], scale="log", prior=None, zero=0.0)
    assert (found.scale, list(found.members)) == ("log", [0, 1])


def test_quantities_without_claims() -> None:
    said = read_quantities({"quantity": [1, "troops"]})
    said.check_known([1, "troops"])
    with pytest.raises(
        ReliabilityError, match="no claim is about quantity 'troops'; did you mean 'troop'"
    ):
        said.check_known(["troop", "1"])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"scale": ["log"]}, "quantities: the column 'quantity' is missing"),
        ({"quantity": ["a"], "scael": ["log"]}, "there is no column 'scael'; did you mean 'scale'"),
        ({"quantity": ["a", "a"]}, "row 2, quantity: 'a' is given twice"),
        ({"quantity": ["a", None]}, "row 2, quantity: is empty"),
        (
            {"quantity": ["a", "b"], "scale": ["log", "ln"]},
            "row 2, scale: must be one of .* got 'ln'",
        ),
        (
            {"quantity": ["a"], "prior": ["Lognormal(1, 1)"]},
            "row 1, prior: there is no prior 'Lognormal'; did you mean 'LogNormal'",
        ),
        ({"quantity": ["a"], "prior": ["LogNormal(1, -1)"]}, "row 1, prior: .*sigma"),
        (
            {"quantity": ["a"], "prior": ["__import__('os')"]},
            "row 1, prior: there is no prior '__import__'",
        ),
        ({"quantity": ["a"], "prior": [3]}, "row 1, prior: must be a prior or a text"),
        ({"quantity": ["a"], "zero": [1.0]}, r"row 1, zero: must be a probability in \[0, 1\)"),
        ({"quantity": ["a"], "zero": ["x"]}, r"row 1, zero: must be a probability .* got 'x'"),
    ],
)
def test_wrong_settings(table: Any, message: str) -> None:
    with pytest.raises(ReliabilityError, match=message):
        read_quantities(table)
