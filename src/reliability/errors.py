"""Every exception that the library raises on purpose.

``ReliabilityError`` is the base; each concrete class also inherits the built-in
exception that a caller would expect, so ``except ValueError`` keeps working.
"""

from __future__ import annotations

__all__ = [
    "InvalidValueError",
    "MissingExtraError",
    "NoPosteriorError",
    "NumericalError",
    "ReliabilityError",
    "UnreadablePhraseError",
    "WrongTypeError",
]


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
