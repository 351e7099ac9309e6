"""Checks shared by the classes that users build by hand: coerce once, refuse with a remedy.

An error about a field knows the field's path, so that an error met while reading a document
can say ``claims[2].source.reliability: must lie in [0, 1], got 80; did you mean 0.8?``.
"""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn, SupportsFloat, TypeVar, cast

from reliability.errors import InvalidValueError, ReliabilityError, WrongTypeError, short

if TYPE_CHECKING:
    import attrs

__all__ = [
    "about",
    "as_float",
    "as_optional_float",
    "at",
    "check_keys",
    "check_mapping",
    "check_number",
    "check_optional_number",
    "check_optional_share",
    "did_you_mean",
    "fail",
    "fail_about",
    "percent_hint",
    "require_number",
    "short",
]

_Kind = TypeVar("_Kind", bound=ReliabilityError)

# Fields without which nothing is said.
_SAID = frozenset(("value", "low", "high"))
# A number above 1 and below this is a wrong share rather than a percentage.
_LOWEST_PERCENTAGE = 2.0
# Names that a message lists at the most.
_MOST_LISTED = 30


def _build(kind: type[_Kind], message: str, path: str, text: str) -> _Kind:
    error = kind(message)
    vars(error).update(path=path, text=text)
    return error


def fail(
    owner: object, field: str, text: str, kind: type[ReliabilityError] = InvalidValueError
) -> NoReturn:
    """Raise an error about one field: 'Estimate: level must lie in (0, 1), got 95; ...'."""
    raise _build(kind, f"{_name(owner)}: {field} {text}", field, text)


def fail_about(
    owner: object, field: str, text: str, kind: type[ReliabilityError] = InvalidValueError
) -> NoReturn:
    """Raise an error whose text names its fields itself; `field` is the one to look at."""
    raise _build(kind, f"{_name(owner)}: {text}", field, text)


def about(error: _Kind, field: str) -> _Kind:
    """Let an error know which field to look at, if it does not know one."""
    vars(error).setdefault("path", field)
    return error


def _name(owner: object) -> str:
    return owner if isinstance(owner, str) else type(owner).__name__


@contextmanager
def at(step: str) -> Iterator[None]:
    """Put a step in front of the path that an error raised inside carries."""
    try:
        yield
    except ReliabilityError as error:
        inner: str = vars(error).get("path", "")
        text: str = vars(error).get("text", str(error))
        path = f"{step}.{inner}" if inner and not inner.startswith("[") else f"{step}{inner}"
        raise _build(type(error), f"{path}: {text}", path, text) from None


def as_float(value: SupportsFloat) -> float:
    """Convert a real number; anything else passes unchanged, for the validator to refuse."""
    if isinstance(value, bool):
        return cast("float", value)
    if isinstance(value, numbers.Real | Decimal):
        try:
            return float(value) + 0.0  # no negative zero: equal statements look equal
        except (ValueError, OverflowError):
            pass
    return cast("float", value)


def as_optional_float(value: SupportsFloat | None) -> float | None:
    """Convert a real number, keep None."""
    return None if value is None else as_float(value)


def check_number(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """Attrs validator: a finite float (after `as_float`)."""
    require_number(instance, attribute.alias or attribute.name, value)


def require_number(owner: object, field: str, value: object, *, infinite: bool = False) -> None:
    """Refuse what is not a finite float, with a message that fits what was given."""
    if isinstance(value, float):
        if math.isnan(value) or (math.isinf(value) and not infinite):
            what = "the claim" if field in _SAID else "it"
            fail(owner, field, f"must be a finite number, got {float(value)}; leave {what} out")
        return
    if isinstance(value, bool):
        remedy = "give a number, not a truth value"
    elif isinstance(value, numbers.Real | Decimal):
        fail(owner, field, "must fit the range of a float (about 1.8e308); choose a larger unit")
    elif isinstance(value, str):
        remedy = "give a number"
        if field == "value":
            remedy += ", or read the text with read()"
    elif isinstance(value, complex):
        remedy = "give a real number"
    else:
        remedy = "give one number"
    fail(owner, field, f"must be a number, got {short(value)}; {remedy}", WrongTypeError)


def check_optional_number(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    """Attrs validator: None or a finite float."""
    if value is not None:
        check_number(instance, attribute, value)


def percent_hint(value: float) -> str:
    """Say ' did you mean 0.8?' for 80, for fields that are shares; 1.2 is no percentage."""
    if not _LOWEST_PERCENTAGE <= value <= 100.0:
        return ""
    return f"; did you mean {short(float(Decimal(repr(value)) / 100))}?"


def check_optional_share(
    instance: object, attribute: attrs.Attribute[Any], value: float | None
) -> None:
    """Attrs validator: None or a number in [0, 1]."""
    if value is None:
        return
    check_number(instance, attribute, value)
    if not 0.0 <= value <= 1.0:
        hint = percent_hint(value) or "; give a probability, or None if it is not known"
        fail(instance, attribute.name, f"must lie in [0, 1], got {short(value)}{hint}")


def check_mapping(owner: str, value: object) -> Mapping[str, Any]:
    """Refuse what is not a mapping with text keys."""
    text = ""
    if not isinstance(value, Mapping):
        text = f"must be a mapping of fields, got {short(value)}"
    else:
        for key in value:
            if not isinstance(key, str):
                text = f"field names must be text, got {short(key)}"
    if text:
        raise _build(WrongTypeError, f"{owner}: {text}", "", text)
    return cast("Mapping[str, Any]", value)


def check_keys(owner: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse fields that do not exist, with the nearest name that does."""
    known = list(known)
    for key in given:
        if key not in known:
            fail_about(owner, key, f"there is no field {short(key)}{did_you_mean(key, known)}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Say the nearest known name, or list them all if they are few."""
    known = list(known)
    close = difflib.get_close_matches(word.lower(), known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(known)}" if len(known) <= _MOST_LISTED else ""
