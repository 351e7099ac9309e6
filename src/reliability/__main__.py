"""The command line: ``python -m reliability combine|learn|score FILE``, and ``demo``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from reliability import __version__
from reliability.combination import Combination, combine
from reliability.commands import (
    UsageError,
    add_learn,
    add_score,
    level,
    new_command,
    number,
    read_small,
    run_learn,
    run_score,
    zero,
)
from reliability.errors import InvalidValueError, ReliabilityError
from reliability.io import claims_with_sources, read_claims
from reliability.many import combine_many
from reliability.models import Model
from reliability.report import as_text
from reliability.tables.prior_text import parse_prior
from reliability.tables.quantities import QUANTITY_COLUMNS, read_quantities
from reliability.tables.sources import SOURCE_COLUMNS, read_sources
from reliability.tables.streams import Block, Results, combine_file

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "parse_prior"]

_MODELS = {
    "reports": Model.reports,
    "measurements": Model.measurements,
    "experts": Model.experts,
    "common-effect": Model.common_effect,
}
_EPILOG = """\
FILE is CSV or JSON (- for standard input) with the columns source and statement (a phrase such
as "more than 12,000"), or numbers in value, sd, low, high, level; and any of quantity, origin,
reliability, evidence, bias, bias_sd, overconfidence, interest, credibility, grade (an Admiralty
grade such as B2), date, note, url, form. What is known about a source may stand in any of its
rows: an empty cell means "as said elsewhere". Claims of several quantities are combined one
quantity at a time.

With --by quantity -o OUT there is one line of results per quantity, and FILE (CSV, Parquet) may
be larger than memory; it is read once if the rows of each quantity stand together in it. The first
bad row stops the work, unless --on-error collect --bad-rows BAD lists such rows and goes on.
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are exceptions."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (try {self.prog} --help)")


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
    combine_ = new_command(
        commands,
        "combine",
        summary="combine the claims of a file",
        description="Combine the claims of a file: what to believe, and how sure to be.",
        epilog=_EPILOG,
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
        "--zero",
        type=zero,
        default=0.0,
        metavar="P",
        help="prior probability that there is nothing at all (default: 0); needs a prior",
    )
    combine_.add_argument(
        "--level",
        type=level,
        default=0.95,
        metavar="P",
        help="probability of the interval (default: 0.95)",
    )
    combine_.add_argument(
        "--by",
        choices=["quantity"],
        help="one line of results per quantity, for files of any size (CSV, Parquet); needs -o",
    )
    combine_.add_argument(
        "-o", "--output", metavar="OUT", help="file for the results of --by (CSV, Parquet)"
    )
    combine_.add_argument(
        "--on-error",
        choices=["raise", "collect"],
        default="raise",
        help="with --by: what a bad row does: stop, or be left out and listed (default: raise)",
    )
    combine_.add_argument(
        "--bad-rows", metavar="BAD", help="file for the rows left out, with reasons (CSV, Parquet)"
    )
    combine_.add_argument(
        "--sources",
        metavar="FILE",
        help="what is known of the sources: source, reliability, bias, ...; as learn -o writes it",
    )
    combine_.add_argument(
        "--quantities",
        metavar="FILE",
        help="with --by: what differs of single quantities: quantity, scale, prior, zero",
    )
    combine_.add_argument(
        "--drift",
        type=number,
        metavar="SD",
        help="how much the quantity moves: sd of its change on the scale per square root of a day",
    )
    combine_.add_argument(
        "--as-of",
        metavar="DATE",
        help="the day that is asked for, and of claims without a date (default: the latest date)",
    )
    combine_.add_argument("--json", action="store_true", help="print the results as JSON")
    combine_.add_argument(
        "--plot",
        type=_picture,
        metavar="PICTURE",
        help="also draw the claims into a file (png, svg, pdf)",
    )
    combine_.add_argument(
        "--html",
        metavar="PAGE",
        help="also write everything into one page to read, print or send",
    )
    add_learn(commands)
    add_score(commands)
    commands.add_parser(
        "demo", help="how many North Korean soldiers are in Russia?", allow_abbrev=False
    )
    return parser


def _combine_by_quantity(options: argparse.Namespace) -> str:
    """Write a line of results per quantity; what is printed says how many."""
    if options.output is None:
        raise UsageError("--by quantity: also say where the results go: -o OUT.csv")
    for name in ("json", "plot", "html"):
        if getattr(options, name):
            raise UsageError(f"--{name} does not go with --by; the results are in {options.output}")
    for name in ("drift", "as_of"):
        if getattr(options, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} does not go with --by: tables do not look at dates")
    collect = options.on_error == "collect"
    if collect and options.bad_rows is None:
        raise UsageError("--on-error collect: also say where bad rows go: --bad-rows BAD.csv")
    if options.bad_rows is not None and not collect:
        raise UsageError("--bad-rows goes with --on-error collect")
    prior = None if options.prior is None else parse_prior(options.prior)
    model = _MODELS[options.model]()

    def results(block: Block) -> Results:
        found = combine_many(
            block.cells,
            sources=block.sources,
            quantities=block.quantities,
            scale=options.scale,
            prior=prior,
            model=model,
            zero=options.zero,
            level=options.level,
            on_error=options.on_error,
        )
        return Results(found.quantities, found.bad_rows) if collect else Results(found)

    done = combine_file(
        options.file,
        options.output,
        results,
        bad_rows=options.bad_rows,
        sources=read_small(options.sources, SOURCE_COLUMNS, read_sources),
        quantities=read_small(options.quantities, QUANTITY_COLUMNS, read_quantities),
    )
    used = done.rows - done.bad_rows
    said = f"{options.output}: {_count(done.quantities, 'quantity', 'quantities')}"
    said += f" from {_count(used, 'claim', 'claims')}"
    if collect:
        said += f"\n{options.bad_rows}: {_count(done.bad_rows, 'row', 'rows')} left out"
    return said


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _combine(options: argparse.Namespace) -> str:
    """Results of the file's claims, as they are printed."""
    if options.by is not None:
        return _combine_by_quantity(options)
    for name in ("output", "bad_rows", "quantities"):
        if getattr(options, name) is not None:
            option = "-o" if name == "output" else f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} goes with --by quantity")
    if options.on_error != "raise":
        raise UsageError("--on-error goes with --by quantity")
    prior = None if options.prior is None else parse_prior(options.prior)
    known = read_small(options.sources, SOURCE_COLUMNS, read_sources)
    claims = claims_with_sources(read_claims(options.file), known)
    model = _MODELS[options.model]()
    try:
        found = combine(
            claims,
            scale=options.scale,
            prior=prior,
            model=model,
            zero=options.zero,
            as_of=options.as_of,
            drift=options.drift or 0.0,
        )
    except ReliabilityError as error:
        raise error.located(options.file) from None
    results = [found] if isinstance(found, Combination) else list(found.values())
    if options.plot is not None:
        from reliability.plots import forests  # noqa: PLC0415  # needs an extra

        try:
            forests(results, options.plot, level=options.level)
        except ValueError as error:  # an ending that matplotlib does not know
            raise InvalidValueError(f"--plot {options.plot}: {error}") from None
    if options.html is not None:
        from reliability.html_report import write_page  # noqa: PLC0415  # needs an extra

        write_page(results, options.html, level=options.level)
    if options.json:
        document = (
            found.to_dict(options.level)
            if isinstance(found, Combination)
            else {name: result.to_dict(options.level) for name, result in found.items()}
        )
        return json.dumps(document, indent=2, ensure_ascii=False)
    return "\n\n\n".join(as_text(result, level=options.level) for result in results)


def _demo(_: argparse.Namespace) -> str:
    from reliability.demo import tell  # noqa: PLC0415  # only here

    return tell()


_COMMANDS = {"combine": _combine, "learn": run_learn, "score": run_score, "demo": _demo}


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
        _print(_COMMANDS[options.command](options))
    except BrokenPipeError:
        # The reader has seen enough; spare Python's own complaint when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        message = f"{name}{error.strerror or error}"
    except (UsageError, ReliabilityError) as error:
        message = str(error)
    else:
        return 0
    print(f"reliability: {' '.join(message.split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
