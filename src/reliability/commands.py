"""The commands ``learn`` and ``score`` of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from reliability.claims._checks import percent_hint
from reliability.io import read_claims_table
from reliability.learning.error_law import Kind
from reliability.learning.learned import Learned, learn
from reliability.learning.saving import document_path
from reliability.scales import SCALES, get_scale
from reliability.scores.cards import scorecard
from reliability.source_report import learned_text, scorecard_text
from reliability.tables.files import plain_columns, read_table, writing
from reliability.tables.sources import SOURCE_COLUMNS, read_sources
from reliability.tables.truths import TRUTH_COLUMNS, read_truths

__all__ = [
    "UsageError",
    "add_learn",
    "add_score",
    "level",
    "new_command",
    "number",
    "read_small",
    "run_learn",
    "run_score",
    "zero",
]

_LEARN_EPILOG = """\
FILE is a table of claims, CSV, Parquet or JSON, with the columns quantity and source and what was
said: value, and sd or other statements of uncertainty if there are any. Truths, a table with the
columns quantity and truth, tell what all sources get wrong alike.

The table of sources that -o writes can be given to combine --sources, and what --save writes to
learn --update, with new claims only.
"""
_SCORE_EPILOG = """\
FILE is a table of claims or forecasts, CSV, Parquet or JSON; each row with a truth is scored as
the distribution that it states. Truths are a table with the columns quantity and truth.
"""
#: Options that what is updated has settled.
_SETTLED = ("scale", "law", "level", "sources", "unbiased", "dependence", "on_error")


class UsageError(Exception):
    """A wrong call; becomes one line."""


def level(text: str) -> float:
    """Probability of an interval, from an argument."""
    try:
        found = float(text)
    except ValueError:
        found = float("nan")
    if not 0.0 < found < 1.0:
        raise argparse.ArgumentTypeError(
            f"must lie in (0, 1), got {text!r}{percent_hint(found) if found < 100.0 else ''}"
        )
    return found


def zero(text: str) -> float:
    """Probability that there is nothing, from an argument."""
    try:
        found = float(text)
    except ValueError:
        found = float("nan")
    if not 0.0 <= found < 1.0:
        raise argparse.ArgumentTypeError(
            f"must lie in [0, 1), got {text!r}{percent_hint(found) if found < 100.0 else ''}"
        )
    return found


def number(text: str) -> float:
    """A number, from an argument."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}") from None


def read_small(path: str | None, columns: Sequence[str], read: Callable[..., Any]) -> Any:
    """Small table of sources, truths or quantities; errors name the file."""
    return None if path is None else read(read_table(path, columns), name=path)


def new_command(
    commands: Any, name: str, *, summary: str, description: str, epilog: str
) -> argparse.ArgumentParser:
    """Add a command whose epilog keeps its lines."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return parser


def add_learn(commands: Any) -> None:
    """Add the command ``learn`` to a parser's commands."""
    parser = new_command(
        commands,
        "learn",
        summary="learn how reliable the sources of a file are",
        description="Learn how reliable, biased and overconfident each source is.",
        epilog=_LEARN_EPILOG,
    )
    parser.add_argument("file", metavar="FILE", help="claims: CSV, Parquet or JSON")
    parser.add_argument("--truths", metavar="FILE", help="what turned out true: quantity, truth")
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="file for the table of sources (CSV, Parquet)"
    )
    # What an update has settled has no default here, so that giving it can be seen.
    parser.add_argument(
        "--scale",
        choices=list(SCALES),
        help="log for positive magnitudes, logit for shares (default: linear)",
    )
    parser.add_argument(
        "--law", choices=["auto", *map(str, Kind)], help="how sources err (default: auto)"
    )
    parser.add_argument(
        "--level", type=level, metavar="P", help="probability of the intervals (default: 0.95)"
    )
    parser.add_argument(
        "--sources", metavar="FILE", help="what is known of the sources: source, bias, ..."
    )
    parser.add_argument(
        "--unbiased",
        metavar="NAME",
        action="append",
        help="a source without bias, from which the others' are counted; may be repeated",
    )
    parser.add_argument(
        "--dependence",
        type=number,
        metavar="RHO",
        help="between any two sources, in [0, 1] (default: from the truths, else 0.25)",
    )
    parser.add_argument("--save", metavar="LEARNED", help="keep what was learned (.json, .parquet)")
    parser.add_argument(
        "--update", metavar="LEARNED", help="start from what --save kept; FILE has new claims only"
    )
    parser.add_argument(
        "--half-life",
        type=number,
        metavar="N",
        help="with --update: new claims of a source after which what was known counts half",
    )
    parser.add_argument(
        "--quantities", metavar="OUT", help="file for the quantities' posteriors (CSV, Parquet)"
    )
    parser.add_argument(
        "--pairs", metavar="OUT", help="file for the dependence of pairs of sources (CSV, Parquet)"
    )
    parser.add_argument(
        "--on-error", choices=["raise", "collect"], help="a bad row stops the work, or is listed"
    )
    parser.add_argument(
        "--bad-rows", metavar="BAD", help="file for the rows left out, with reasons (CSV, Parquet)"
    )


def add_score(commands: Any) -> None:
    """Add the command ``score`` to a parser's commands."""
    parser = new_command(
        commands,
        "score",
        summary="score the sources of a file by what turned out true",
        description="Score every source by what turned out true.",
        epilog=_SCORE_EPILOG,
    )
    parser.add_argument("file", metavar="FILE", help="claims or forecasts: CSV, Parquet or JSON")
    parser.add_argument(
        "--truths", metavar="FILE", required=True, help="what turned out true: quantity, truth"
    )
    parser.add_argument("-o", "--output", metavar="OUT", help="file for the scores (CSV, Parquet)")
    parser.add_argument("--scale", choices=list(SCALES), default="linear", help="default: linear")
    parser.add_argument(
        "--sources", metavar="FILE", help="what is known of the sources: source, bias, ..."
    )


def run_learn(options: argparse.Namespace) -> str:
    """Learn, write what is wanted; what is printed is the table of the sources."""
    collect = options.on_error == "collect"
    if collect != (options.bad_rows is not None):
        raise UsageError("--on-error collect and --bad-rows BAD.csv go together")
    _check_outputs(options, ("output", "save", "quantities", "pairs", "bad_rows"))
    settled = [name for name in _SETTLED if getattr(options, name) is not None]
    if options.update is not None and settled:
        raise UsageError(
            f"--{settled[0].replace('_', '-')} does not go with --update: {options.update} says it"
        )
    if options.half_life is not None and options.update is None:
        raise UsageError("--half-life goes with --update")
    if options.save is not None:
        document_path(options.save)
    with _writing(options, "output", "quantities", "pairs", "bad_rows") as write:
        found = _learned(options)
        write("output", lambda: found.source_table)
        write("quantities", lambda: found.quantities)
        write("pairs", lambda: found.dependence_table)
        bad = write("bad_rows", lambda: found.bad_rows)
        if options.save is not None:
            found.save(options.save)
    said = [learned_text(found)]
    if found.unused:
        said.append(f"{found.unused:,} of the truths are about quantities without claims.")
    if collect:
        said.append(f"{options.bad_rows}: {bad:,} {'row' if bad == 1 else 'rows'} left out")
    return "\n".join(said)


def _learned(options: argparse.Namespace) -> Learned:
    """What the options ask for."""
    truths = read_small(options.truths, TRUTH_COLUMNS, read_truths)
    if options.update is not None:
        before = Learned.load(options.update)
        claims = read_claims_table(options.file, zeros=True)
        return before.update(claims, truths, half_life=options.half_life)
    given = {name: getattr(options, name) for name in _SETTLED}
    given["sources"] = read_small(options.sources, SOURCE_COLUMNS, read_sources)
    return learn(
        read_claims_table(options.file, zeros=True),
        truths,
        **{name: value for name, value in given.items() if value is not None},
    )


def run_score(options: argparse.Namespace) -> str:
    """Score, write what is wanted; what is printed is the table of scores."""
    _check_outputs(options, ("output",))
    with _writing(options, "output") as write:
        card = scorecard(
            read_claims_table(options.file),
            read_small(options.truths, TRUTH_COLUMNS, read_truths),
            scale=options.scale,
            sources=read_small(options.sources, SOURCE_COLUMNS, read_sources),
        )
        write("output", lambda: card)
    return scorecard_text(plain_columns(card), get_scale(options.scale))


def _check_outputs(options: argparse.Namespace, names: Sequence[str]) -> None:
    """Refuse to write two things into one file, or over what is read."""
    read = ("file", "truths", "sources")
    taken = {getattr(options, name, None): name for name in read}
    for name in names:
        path = getattr(options, name)
        if path is None:
            continue
        if path in taken:
            raise UsageError(f"{path}: is to be used twice; choose another name")
        taken[path] = name


@contextmanager
def _writing(
    options: argparse.Namespace, *names: str
) -> Iterator[Callable[[str, Callable[[], Any]], int]]:
    """A function that writes tables into files, of those options that name one.

    Wrong names of files are refused before the work; the files appear when all of it is done.
    """
    paths = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    with ExitStack() as stack:
        begins = {name: stack.enter_context(writing(path)) for name, path in paths.items()}

        def write(name: str, table: Callable[[], Any]) -> int:
            """Write a table, if it is wanted; how many rows it has."""
            if name not in begins:
                return 0
            columns = plain_columns(table())
            begins[name]().write(columns)
            return len(next(iter(columns.values())))

        yield write
