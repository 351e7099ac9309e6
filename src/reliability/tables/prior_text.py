"""Priors on quantities, read from text."""

from __future__ import annotations

import ast
import difflib
import inspect

from reliability import priors
from reliability.errors import InvalidValueError, ReliabilityError
from reliability.priors import QuantityPrior

__all__ = ["parse_prior"]

_PRIORS: dict[str, type[QuantityPrior]] = {
    name: kind
    for name in priors.__all__
    if inspect.isclass(kind := getattr(priors, name))
    and issubclass(kind, QuantityPrior)
    and kind not in {QuantityPrior, priors.Density}
}


def parse_prior(text: str, where: str = "--prior") -> QuantityPrior:
    """Prior on the quantity from text such as ``LogNormal(10000, 1)``; nothing is evaluated.

    Parameters
    ----------
    text : name of a prior with its numbers
    where : what to call the place in error messages

    Raises
    ------
    ReliabilityError
        If it is not the name of such a prior with numbers.

    Examples
    --------
    >>> parse_prior("LogNormal(10000, sigma=1)")
    LogNormal(median=10000, sigma=1)
    >>> parse_prior("Lognormal(10000, 1)")
    Traceback (most recent call last):
    ...
    reliability.errors.InvalidValueError: --prior: there is no prior 'Lognormal'; did you mean
    'LogNormal'?
    """
    form = "write it like LogNormal(10000, 1)"
    try:
        call = ast.parse(text.strip(), mode="eval").body
        if not (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and all(word.arg is not None for word in call.keywords)
        ):
            raise InvalidValueError(f"{where}: cannot read {text!r}; {form}")
        arguments = [ast.literal_eval(argument) for argument in call.args]
        named = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise InvalidValueError(f"{where}: cannot read {text!r}; {form}") from None
    name = call.func.id
    if name not in _PRIORS:
        lower = {known.lower(): known for known in _PRIORS}
        close = difflib.get_close_matches(name.lower(), lower, n=1)
        hint = f"did you mean {lower[close[0]]!r}?" if close else f"known: {', '.join(_PRIORS)}"
        raise InvalidValueError(f"{where}: there is no prior {name!r}; {hint}")
    kind = _PRIORS[name]
    try:
        inspect.signature(kind).bind(*arguments, **named)
    except TypeError as error:
        takes = ", ".join(inspect.signature(kind).parameters)
        raise InvalidValueError(f"{where}: {name}: {error}; it takes ({takes})") from None
    try:
        return kind(*arguments, **named)
    except ReliabilityError as error:
        raise error.located(where) from None
