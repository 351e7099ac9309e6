"""Combine conflicting claims about a quantity from sources that are not equally trustworthy."""

from typing import TYPE_CHECKING, Any

from reliability import priors
from reliability.claims.claim import Claim
from reliability.claims.phrases import read
from reliability.claims.sources import Source
from reliability.claims.statements import (
    About,
    Absent,
    AtLeast,
    AtMost,
    Estimate,
    Present,
    Quantiles,
    Range,
)
from reliability.combination import Combination, combine
from reliability.errors import ReliabilityError
from reliability.models import Floor, Heavy, Model, Void, Wide
from reliability.over_time import combine_over_time
from reliability.parts import Part, Parts
from reliability.posterior import Posterior

__all__ = [
    "About",
    "Absent",
    "AtLeast",
    "AtMost",
    "Claim",
    "Combination",
    "Estimate",
    "Floor",
    "Heavy",
    "Model",
    "Part",
    "Parts",
    "Posterior",
    "Present",
    "Quantiles",
    "Range",
    "ReliabilityError",
    "Source",
    "Void",
    "Wide",
    "combine",
    "combine_many",
    "combine_over_time",
    "compare",
    "learn",
    "priors",
    "read",
]

__version__ = "0.1.0"

if TYPE_CHECKING:
    from reliability.learning.learned import learn
    from reliability.many import combine_many
    from reliability.what_if import compare


def __getattr__(name: str) -> Any:
    """Load what only tables and comparisons need when it is first asked for."""
    if name == "combine_many":
        from reliability.many import combine_many  # noqa: PLC0415  # spares the import of tables

        return combine_many
    if name == "learn":
        from reliability.learning.learned import learn  # noqa: PLC0415  # the same

        return learn
    if name == "compare":
        from reliability.what_if import compare  # noqa: PLC0415  # the same

        return compare
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
