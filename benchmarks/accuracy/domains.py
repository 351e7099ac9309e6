"""Accuracy of this library and of others on real data with known truth.

    python benchmarks/accuracy/domains.py DATA [--domain NAME ...] [--json FILE]

DATA is a folder with the sets ``physics``, ``experts``, ``forecasts``, ``feeds`` and ``conflict``
that docs/domains.md describes. One run, one table a domain: all methods answer the same questions,
and the difference of each to the baseline has the interval of a paired bootstrap.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import experts
import feeds
import forecasts
import measurements
import reports
from scoreboard import Contest, table

DOMAINS: dict[str, Callable[[Path], Iterable[Contest]]] = {
    "measurements": measurements.contest,
    "experts": experts.contest,
    "forecasts": forecasts.contest,
    "feeds": feeds.contest,
    "reports": reports.contest,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the domains and print their tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder with the data sets")
    parser.add_argument("--domain", nargs="+", choices=DOMAINS, default=list(DOMAINS))
    parser.add_argument("--json", type=Path, help="write every row of the tables there as well")
    given = parser.parse_args(arguments)
    if not given.data.is_dir():
        parser.error(f"DATA must be a folder (got {given.data})")
    rows = []
    for name in given.domain:
        for contest in DOMAINS[name](given.data):
            print(table(contest), flush=True)
            rows += contest.rows()
    if given.json is not None:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
