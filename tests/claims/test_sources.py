"""Sources: ranges of their fields, wording, JSON."""

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

from reliability.claims.sources import Source
from reliability.errors import InvalidValueError, WrongTypeError
from reliability.strategies import sources


def test_defaults() -> None:
    source = Source("Ukraine")
    assert source.reliability is None
    assert source.evidence is None
    assert (source.bias, source.bias_sd, source.overconfidence, source.interest) == (0, 0, 1, 0)
    assert repr(source) == "Source('Ukraine')"
    assert str(source) == "Ukraine"
    assert source.to_dict() == {"name": "Ukraine"}


def test_wording() -> None:
    source = Source("Ukraine", reliability=0.6, evidence=12, bias=0.1, interest=+1)
    assert repr(source) == "Source('Ukraine', reliability=0.6, evidence=12, bias=0.1, interest=1)"


def test_numbers_are_converted() -> None:
    source = Source("a", reliability=np.float64(1), interest=np.int64(-1), bias=2)
    assert type(source.reliability) is float
    assert type(source.bias) is float
    assert type(source.interest) is int
    assert Source("a", interest=1.0).interest == 1


@given(sources())
def test_round_trips(source: Source) -> None:
    assert Source.from_dict(json.loads(json.dumps(source.to_dict(), allow_nan=False))) == source
    assert eval(repr(source)) == source  # noqa: S307
    assert pickle.loads(pickle.dumps(source)) == source  # noqa: S301
    assert copy.deepcopy(source) == source
    assert attrs.evolve(source) == source
    assert hash(attrs.evolve(source)) == hash(source)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "Source: name must not be empty, got ''; say who makes the claim"),
        ({"name": "  "}, "Source: name must not be empty, got '  '"),
        ({"reliability": 80}, "Source: reliability must lie in [0, 1], got 80; did you mean 0.8?"),
        (
            {"reliability": 1.2},
            r"reliability must lie in [0, 1], got 1.2; give a probability, or No",
        ),
        ({"reliability": 100}, "reliability must lie in [0, 1], got 100; did you mean 1?"),
        (
            {"reliability": -0.1},
            "reliability must lie in [0, 1], got -0.1; give a probability, or None if it is not kn",
        ),
        ({"reliability": math.nan}, "Source: reliability must be a finite number, got nan"),
        ({"evidence": 0}, "Source: evidence must be above 0, got 0; leave it out if there is none"),
        ({"evidence": math.inf}, "Source: evidence must be a finite number, got inf"),
        ({"bias": math.inf}, "Source: bias must be a finite number, got inf"),
        ({"bias_sd": -1}, "Source: bias_sd must not be negative, got -1"),
        (
            {"overconfidence": 0},
            "Source: overconfidence must be above 0, got 0; 1 means that stated uncertainties are",
        ),
        ({"overconfidence": math.inf}, "Source: overconfidence must be a finite number, got inf"),
        (
            {"interest": 2},
            "Source: interest must be -1, 0 or 1, got 2; +1 gains by overstating, -1 by understat",
        ),
        ({"interest": 0.5}, "Source: interest must be -1, 0 or 1, got 0.5"),
        ({"interest": math.nan}, "Source: interest must be -1, 0 or 1, got float('nan')"),
    ],
)
def test_impossible_sources(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValueError, match=re.escape(message)):
        Source(**{"name": "a", **fields})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": 3}, "Source: name must be text, got 3"),
        ({"name": None}, "Source: name must be text, got None"),
        ({"reliability": "B"}, "Source: reliability must be a number, got 'B'"),
        ({"reliability": True}, "Source: reliability must be a number, got True"),
        ({"bias": None}, "Source: bias must be a number, got None; give one number"),
        ({"interest": True}, "Source: interest must be -1, 0 or 1, got True"),
        ({"interest": "up"}, "Source: interest must be -1, 0 or 1, got 'up'"),
    ],
)
def test_wrong_types(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(WrongTypeError, match=re.escape(message)):
        Source(**{"name": "a", **fields})


def test_dictionaries_that_are_no_sources() -> None:
    with pytest.raises(InvalidValueError, match="there is no field 'relability'; did you mean 're"):
        Source.from_dict({"name": "a", "relability": 0.5})
    with pytest.raises(InvalidValueError, match="Source: name is missing; say who makes the claim"):
        Source.from_dict({})
    with pytest.raises(WrongTypeError, match="Source: must be a mapping of fields, got 'a'"):
        Source.from_dict("a")  # type: ignore[arg-type]
