"""Every exception that the library raises on purpose, and how a message shows a value.

``ReliabilityError`` is the base; each concrete class also inherits the built-in
exception that a caller would expect, so ``except ValueError`` keeps working.
"""

from __future__ import annotations

import math

__all__ = [
    "InvalidValueError",
    "MissingExtraError",
    "NoPosteriorError",
    "NumericalError",
    "ReliabilityError",
    "UnreadablePhraseError",
    "WrongTypeError",
]

#: Characters of a foreign object that an error message repeats.
_SHOWN = 60


def short(value: object) -> str:
    """Write a value on one line as Python reads it back; foreign objects are cut short.

    >>> short(2500.0), short(0.5), short(float("inf"))
    ('2500', '0.5', "float('inf')")
    """
    if isinstance(value, float):
        value = float(value)  # numpy's float64 is a float with a longer repr
        if math.isfinite(value):
            return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)
        return f"float('{value}')"
    try:
        text = " ".join(repr(value).split())
    except Exception:  # noqa: BLE001  # whatever a foreign repr raises, the message must appear
        text = f"an object of type {type(value).__name__}"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


class ReliabilityError(Exception):
    """Base of every error raised by this library."""

    def located(self, where: str) -> ReliabilityError:
        """Return the same error with the place it concerns in front of its message."""
        return type(self)(f"{where}: {self}")


class InvalidValueError(ReliabilityError, ValueError):
    """A value that cannot be right: its message names the field, the value and the remedy."""


class WrongTypeError(ReliabilityError, TypeError):
    """An object of a kind that is not understood in this place."""


class UnreadablePhraseError(InvalidValueError):
    """A phrase that cannot be read without guessing."""


class NoPosteriorError(ReliabilityError, ValueError):
    """The claims, the prior and the model together define no probability distribution."""


class NumericalError(ReliabilityError, ValueError):
    """A result could not be computed to the promised accuracy."""


class MissingExtraError(ReliabilityError, ImportError):
    """An optional dependency is not installed; the message says which extra to install."""
