"""Sources: who says it, how reliable it is, and which way it leans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsFloat, cast

import attrs

from reliability.claims._checks import (
    as_float,
    as_optional_float,
    check_keys,
    check_mapping,
    check_number,
    check_optional_number,
    fail,
    short,
)
from reliability.errors import WrongTypeError
from reliability.grades import ADMIRALTY, Grades
from reliability.words import as_probability, check_probability

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Source"]


def _as_interest(value: SupportsFloat) -> int:
    """Whole number; anything else passes unchanged, for the validator to refuse."""
    number = as_float(value)
    if isinstance(number, float) and number.is_integer():
        return int(number)
    return cast("int", value)


@attrs.frozen(repr=False)
class Source:
    """Somebody or something that makes claims.

    Parameters
    ----------
    name : what to call it; not empty
    reliability : probability that a claim of this source is sound, in [0, 1], or an estimative
        word such as "very likely" (see :mod:`reliability.words`); None if it is not known, and
        the model's value for an unknown source is used
    evidence : number of graded claims the reliability rests on, above 0; None if not known
    bias : mean of claim minus truth, on the quantity's scale
    bias_sd : uncertainty of the bias, on the quantity's scale
    overconfidence : factor by which its stated uncertainties are too small; 1 if they are right
    interest : +1 if it gains by overstating, -1 by understating, 0 if neither

    Raises
    ------
    InvalidValueError
        If a number is outside its range or the name is empty.
    WrongTypeError
        If a field has the wrong type.

    Examples
    --------
    >>> Source("Ukraine", reliability=0.6, interest=+1)
    Source('Ukraine', reliability=0.6, interest=1)
    """

    name: str = attrs.field()
    reliability: float | None = attrs.field(
        default=None, converter=as_probability, validator=check_probability, kw_only=True
    )
    evidence: float | None = attrs.field(
        default=None, converter=as_optional_float, validator=check_optional_number, kw_only=True
    )
    bias: float = attrs.field(default=0.0, converter=as_float, validator=check_number, kw_only=True)
    bias_sd: float = attrs.field(
        default=0.0, converter=as_float, validator=check_number, kw_only=True
    )
    overconfidence: float = attrs.field(
        default=1.0, converter=as_float, validator=check_number, kw_only=True
    )
    interest: int = attrs.field(default=0, converter=_as_interest, kw_only=True)

    @name.validator
    def _check_name(self, _: attrs.Attribute[Any], name: object) -> None:
        if not isinstance(name, str):
            fail(self, "name", f"must be text, got {short(name)}", WrongTypeError)
        if not name.strip():
            fail(self, "name", f"must not be empty, got {name!r}; say who makes the claim")

    @interest.validator
    def _check_interest(self, _: attrs.Attribute[Any], interest: object) -> None:
        if isinstance(interest, bool) or not isinstance(interest, int | float):
            fail(self, "interest", f"must be -1, 0 or 1, got {short(interest)}", WrongTypeError)
        if interest not in (-1, 0, 1):
            fail(
                self,
                "interest",
                f"must be -1, 0 or 1, got {short(interest)}; "
                f"+1 gains by overstating, -1 by understating",
            )

    def __attrs_post_init__(self) -> None:
        if self.evidence is not None and self.evidence <= 0.0:
            fail(
                self,
                "evidence",
                f"must be above 0, got {short(self.evidence)}; leave it out if there is none",
            )
        if self.bias_sd < 0.0:
            fail(self, "bias_sd", f"must not be negative, got {short(self.bias_sd)}")
        if self.overconfidence <= 0.0:
            fail(
                self,
                "overconfidence",
                f"must be above 0, got {short(self.overconfidence)}; "
                f"1 means that stated uncertainties are right",
            )

    @classmethod
    def graded(
        cls, name: str, grade: str, *, grades: Grades = ADMIRALTY, **known: SupportsFloat
    ) -> Source:
        """Source with the reliability and evidence that an Admiralty letter is worth.

        The numbers, and which of them are published, stand in :mod:`reliability.grades`.

        Parameters
        ----------
        name : what to call it
        grade : "A" (completely reliable) to "E" (unreliable); "F", it cannot be judged
        grades : another table than NATO's letters have here
        known : what else is known: evidence, bias, bias_sd, overconfidence, interest

        Raises
        ------
        InvalidValueError
            If there is no such letter.

        Examples
        --------
        >>> Source.graded("Ukraine", "B", interest=+1)
        Source('Ukraine', reliability=0.7, evidence=10, interest=1)
        """
        if "reliability" in known:
            fail("Source", "reliability", f"is what the grade {grade!r} says; give one of them")
        letter = grades.letter(grade)
        return cls(name, reliability=letter.reliability, **{"evidence": letter.evidence, **known})

    def _given(self) -> dict[str, Any]:
        """Fields that differ from their defaults."""
        return {
            field.name: getattr(self, field.name)
            for field in attrs.fields(type(self))
            if field.name != "name" and getattr(self, field.name) != field.default
        }

    def to_dict(self) -> dict[str, Any]:
        """Fields that differ from their defaults, ready for JSON."""
        return {"name": self.name} | self._given()

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Source:
        """Source from the fields that `to_dict` gave.

        >>> Source.from_dict({"name": "Ukraine", "reliability": 0.6})
        Source('Ukraine', reliability=0.6)
        """
        given = check_mapping("Source", fields)
        check_keys("Source", given, [field.name for field in attrs.fields(cls)])
        if "name" not in given:
            fail("Source", "name", "is missing; say who makes the claim")
        return cls(**given)

    def __repr__(self) -> str:
        given = [f"{name}={short(value)}" for name, value in self._given().items()]
        return f"Source({', '.join([repr(self.name), *given])})"

    def __str__(self) -> str:
        return self.name
