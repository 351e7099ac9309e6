"""The command line: ``python -m reliability combine FILE`` and ``python -m reliability demo``."""

from __future__ import annotations

import argparse
import ast
import difflib
import inspect
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from reliability import __version__, priors
from reliability.claims._checks import percent_hint
from reliability.combination import Combination, combine
from reliability.errors import InvalidValueError, ReliabilityError
from reliability.io import read_claims
from reliability.models import Model
from reliability.priors import QuantityPrior
from reliability.report import as_text

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "parse_prior"]

_MODELS = {
    "reports": Model.reports,
    "measurements": Model.measurements,
    "experts": Model.experts,
    "common-effect": Model.common_effect,
}
_PRIORS: dict[str, type[QuantityPrior]] = {
    name: kind
    for name in priors.__all__
    if inspect.isclass(kind := getattr(priors, name))
    and issubclass(kind, QuantityPrior)
    and kind not in {QuantityPrior, priors.Density}
}
_EPILOG = """\
FILE is CSV or JSON (- for standard input) with the columns source and statement (a phrase such
as "more than 12,000"), or numbers in value, sd, low, high, level; and any of quantity, origin,
reliability, evidence, bias, bias_sd, overconfidence, interest, credibility, date, note, url,
form. What is known about a source may stand in any of its rows: an empty cell means "as said
elsewhere". Claims of several quantities are combined one quantity at a time.
"""


class _UsageError(Exception):
    """A wrong call; becomes one line."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are exceptions."""

    def error(self, message: str) -> NoReturn:
        raise _UsageError(f"{message} (try {self.prog} --help)")


def parse_prior(text: str) -> QuantityPrior:
    """Prior on the quantity from text such as ``LogNormal(10000, 1)``; nothing is evaluated.

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
            raise InvalidValueError(f"--prior: cannot read {text!r}; {form}")
        arguments = [ast.literal_eval(argument) for argument in call.args]
        named = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise InvalidValueError(f"--prior: cannot read {text!r}; {form}") from None
    name = call.func.id
    if name not in _PRIORS:
        lower = {known.lower(): known for known in _PRIORS}
        close = difflib.get_close_matches(name.lower(), lower, n=1)
        hint = f"did you mean {lower[close[0]]!r}?" if close else f"known: {', '.join(_PRIORS)}"
        raise InvalidValueError(f"--prior: there is no prior {name!r}; {hint}")
    kind = _PRIORS[name]
    try:
        inspect.signature(kind).bind(*arguments, **named)
    except TypeError as error:
        takes = ", ".join(inspect.signature(kind).parameters)
        raise InvalidValueError(f"--prior: {name}: {error}; it takes ({takes})") from None
    try:
        return kind(*arguments, **named)
    except ReliabilityError as error:
        raise error.located("--prior") from None


def _level(text: str) -> float:
    try:
        level = float(text)
    except ValueError:
        level = float("nan")
    if not 0.0 < level < 1.0:
        raise argparse.ArgumentTypeError(
            f"must lie in (0, 1), got {text!r}{percent_hint(level) if level < 100.0 else ''}"
        )
    return level


def _picture(text: str) -> str:
    path = Path(text)
    if not path.suffix or path.is_dir():
        raise argparse.ArgumentTypeError(
            f"must be a file that ends in .png, .svg or .pdf, got {text!r}"
        )
    return text


def _parser() -> _Parser:
    parser = _Parser(
        prog="reliability",
        description="Combine conflicting claims from sources that are not equally trustworthy.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"reliability {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    combine_ = commands.add_parser(
        "combine",
        help="combine the claims of a file",
        description="Combine the claims of a file: what to believe, and how sure to be.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    combine_.add_argument("file", metavar="FILE", help="CSV or JSON; - for standard input")
    combine_.add_argument(
        "--scale",
        choices=["linear", "log", "logit"],
        default="linear",
        help="log for positive magnitudes, logit for shares (default: linear)",
    )
    combine_.add_argument(
        "--model", choices=list(_MODELS), default="reports", help="default: reports"
    )
    combine_.add_argument(
        "--prior", metavar="PRIOR", help='on the quantity, such as "LogNormal(10000, 1)"'
    )
    combine_.add_argument(
        "--level",
        type=_level,
        default=0.95,
        metavar="P",
        help="probability of the interval (default: 0.95)",
    )
    combine_.add_argument("--json", action="store_true", help="print the results as JSON")
    combine_.add_argument(
        "--plot",
        type=_picture,
        metavar="PICTURE",
        help="also draw the claims into a file (png, svg, pdf)",
    )
    commands.add_parser(
        "demo", help="how many North Korean soldiers are in Russia?", allow_abbrev=False
    )
    return parser


def _combine(options: argparse.Namespace) -> str:
    """Results of the file's claims, as they are printed."""
    prior = None if options.prior is None else parse_prior(options.prior)
    claims = read_claims(options.file)
    model = _MODELS[options.model]()
    try:
        found = combine(claims, scale=options.scale, prior=prior, model=model)
    except ReliabilityError as error:
        raise error.located(options.file) from None
    results = [found] if isinstance(found, Combination) else list(found.values())
    if options.plot is not None:
        from reliability.plots import forests  # noqa: PLC0415  # needs an extra

        try:
            forests(results, options.plot, level=options.level)
        except ValueError as error:  # an ending that matplotlib does not know
            raise InvalidValueError(f"--plot {options.plot}: {error}") from None
    if options.json:
        document = (
            found.to_dict(options.level)
            if isinstance(found, Combination)
            else {name: result.to_dict(options.level) for name, result in found.items()}
        )
        return json.dumps(document, indent=2, ensure_ascii=False)
    return "\n\n\n".join(as_text(result, level=options.level) for result in results)


def _demo() -> str:
    from reliability.demo import tell  # noqa: PLC0415  # only here

    return tell()


def _print(text: str) -> None:
    """Print; signs that the terminal cannot show become question marks."""
    try:
        print(text)
        sys.stdout.flush()
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding
        print(text.encode(encoding, errors="replace").decode(encoding))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : arguments; the default is those of the process

    Returns
    -------
    int
        Exit status: 0, or 2 where the call or the data are wrong; one line on the standard error
        stream says what.
    """
    try:
        options = _parser().parse_args(argv)
        _print(_demo() if options.command == "demo" else _combine(options))
    except BrokenPipeError:
        # The reader has seen enough; spare Python's own complaint when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        message = f"{name}{error.strerror or error}"
    except (_UsageError, ReliabilityError) as error:
        message = str(error)
    else:
        return 0
    print(f"reliability: {' '.join(message.split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
