"""Does ``combine_many`` give the numbers of ``combine``? Random tables against a loop.

    python benchmarks/accuracy/same_numbers.py --quantities 10000 --seed 1

The quantities of a table share a model; scale and prior are the table's, or each quantity's own.
Differences of locations are in half widths of the 16-84 % interval (of a mean or an sd: in sds
where these are larger), after 4 units in the last place; those of log evidences are absolute,
relative where these exceed 1. Whatever one refuses the other must refuse, in the same words.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import math
import time
import warnings
from collections import Counter
from typing import Any

import numpy as np
from error_bound import UNSOUND, named, random_problem, statement

from reliability import (
    Claim,
    Combination,
    Model,
    ReliabilityError,
    Source,
    combine,
    combine_many,
    priors,
)

LEVEL = 0.9
COLUMNS = ("estimate", "mean", "sd", "low", "high", "conflict_p", "log_evidence", "error")
SOURCE = ("reliability", "bias", "bias_sd", "overconfidence", "interest")
#: What a row says besides who says it, by the name of the form.
NUMBERS = ("value", "sd", "low", "high", "level")
FORMS = {"rounded": None, "estimate": None, "range": None, "quantiles": None}
LARGEST = 1e-10


def model_of(problem: dict[str, Any]) -> Model:
    unsound = problem["unsound"]
    return Model(
        unsound=UNSOUND[unsound["type"]](*[v for k, v in unsound.items() if k != "type"]),
        unknown_reliability=priors.Beta(*problem["beta"]),
        dependence=problem["dependence"],
        unstated_error=problem["unstated_error"],
        heterogeneity=named(problem.get("heterogeneity")),
        inflation=named(problem.get("inflation")),
    )


def random_quantities(rng: np.random.Generator, count: int) -> tuple[list[dict[str, Any]], Model]:
    """Problems that share a model; in half of the tables also scale and prior."""
    scatter = rng.random() < 0.1
    count = min(count, 5) if scatter else count
    problems = [
        random_problem(int(seed), scatter=scatter) for seed in rng.integers(2**62, size=count)
    ]
    first = problems[0]
    for problem in problems:
        if first["unsound"]["type"] == "Void" and problem["prior"]["type"] == "Flat":
            problem["prior"] = {"type": "IntrinsicRange", "overshoot": 0.1}
    if rng.random() < 0.5:
        first["prior"] = {"type": "Flat"} if rng.random() < 0.5 else first["prior"]
        if first["unsound"]["type"] == "Void":
            first["prior"] = {"type": "IntrinsicRange", "overshoot": 0.1}
        problems = [p | {"prior": first["prior"]} for p in problems if p["scale"] == first["scale"]]
    for problem in problems:
        # A table has no column for the excess of a bound.
        problem["claims"] = [
            {k: v for k, v in claim.items() if k != "excess"} for claim in problem["claims"]
        ]
    return problems, model_of(first)


def claims_of(problem: dict[str, Any], name: str) -> list[Claim]:
    return [
        Claim(
            Source(f"{name}, source {i}", **{field: claim[field] for field in SOURCE}),
            statement(claim),
            origin=claim["origin"],
        )
        for i, claim in enumerate(problem["claims"])
    ]


def table_of(problems: list[dict[str, Any]], names: list[str]) -> dict[str, Any]:
    """Claims as columns; a number that is not stated is None."""
    rows: list[dict[str, Any]] = []
    for problem, name in zip(problems, names, strict=True):
        for i, claim in enumerate(problem["claims"]):
            row = {field: claim[field] for field in SOURCE}
            row |= {"quantity": name, "source": f"{name}, source {i}", "origin": claim["origin"]}
            row["form"] = FORMS.get(claim["form"], claim["form"])
            row |= {k: claim[k] for k in NUMBERS if k in claim}
            row |= {f"q{p:g}": q for p, q in claim.get("quantiles", [])}
            rows.append(row)
    columns = dict.fromkeys(key for row in rows for key in row)
    return {column: [row.get(column) for row in rows] for column in columns}


def difference(column: str, one: float, other: float, width: float) -> float:
    """How far two numbers are apart, in the unit of their column."""
    if one == other or (math.isnan(one) and math.isnan(other)):
        return 0.0
    gap = abs(one - other)
    if not math.isfinite(gap):
        return math.inf
    if column in {"conflict_p", "error"}:
        return gap
    if column == "log_evidence":
        return gap / max(1.0, abs(one))
    return max(gap - 4.0 * float(np.spacing(abs(one))), 0.0) / width


def numbers_of(result: Combination) -> dict[str, float]:
    low, high = result.interval(LEVEL)
    evidence = result.log_evidence
    return {
        "estimate": result.estimate,
        "mean": float(result.posterior.mean()),
        "sd": float(result.posterior.std()),
        "low": low,
        "high": high,
        "conflict_p": result.conflict.p,
        "log_evidence": math.nan if evidence is None else evidence,
        "error": result.error,
    }


class Tally:
    """The largest difference of each column, and what went differently altogether."""

    def __init__(self) -> None:
        self.compared = 0
        self.largest: dict[str, tuple[float, str]] = dict.fromkeys(COLUMNS, (0.0, ""))
        self.above: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.odd: list[str] = []
        self.seconds = {"combine": 0.0, "combine_many": 0.0}

    def add(self, where: str, alone: Combination, row: dict[str, float]) -> None:
        """Compare the two answers about a quantity."""
        self.compared += 1
        ends = [float(end) for end in alone.posterior.interval(0.68)]
        half = 0.5 * (ends[1] - ends[0])
        for column, value in numbers_of(alone).items():
            sd = row["sd"] if column in {"mean", "sd"} and math.isfinite(row["sd"]) else 0.0
            gap = difference(column, value, row[column], max(half, sd))
            if column != "error" and gap > LARGEST:
                self.above[column] += 1
                print(
                    f"  {where}: {column} {value!r} alone, {row[column]!r} in the table, "
                    f"difference {gap:.2g}, error {alone.error:.2g} and {row['error']:.2g}"
                )
            if gap > self.largest[column][0]:
                self.largest[column] = gap, where

    def compare(self, seed: int, problems: list[dict[str, Any]], model: Model) -> None:
        """Combine a table at once and quantity by quantity."""
        names = [f"quantity {k}" for k in range(len(problems))]
        settings = {
            "quantity": names,
            "scale": [problem["scale"] for problem in problems],
            "prior": [named(problem["prior"]) for problem in problems],
        }
        began = time.perf_counter()
        found = combine_many(
            table_of(problems, names),
            quantities=settings,
            model=model,
            level=LEVEL,
            on_error="collect",
        )
        self.seconds["combine_many"] += time.perf_counter() - began
        rows = {
            str(name): {column: float(found.quantities[column][k]) for column in COLUMNS}
            for k, name in enumerate(found.quantities["quantity"])
        }
        bad: dict[str, list[str]] = {}
        for name, reason in zip(*(found.bad_rows[c] for c in ("quantity", "reason")), strict=True):
            bad.setdefault(str(name), []).append(str(reason))
        for problem, name in zip(problems, names, strict=True):
            where = f"seed {seed}, {name}"
            began = time.perf_counter()
            try:
                alone = combine(
                    claims_of(problem, name),
                    scale=problem["scale"],
                    prior=named(problem["prior"]),
                    model=model,
                )
                assert isinstance(alone, Combination)  # noqa: S101 - one quantity
            except ReliabilityError as error:
                self.refused[f"{type(error).__name__}: {str(error).split(':')[-1][:70]}"] += 1
                if not any(str(error).endswith(reason) for reason in bad.get(name, ())):
                    self.odd.append(f"{where}: refused alone ({error}); {bad.get(name, 'solved')}")
                continue
            finally:
                self.seconds["combine"] += time.perf_counter() - began
            if name in bad:
                self.odd.append(f"{where}: refused in the table only: {bad[name]}")
            else:
                self.add(where, alone, rows[name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quantities", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="one table, by the seed that a difference names")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    tally, seed = Tally(), given.seed * 1_000_000 if given.only is None else given.only
    while True:
        rng = np.random.default_rng(seed)
        problems, model = random_quantities(rng, 50)
        tally.compare(seed, problems, model)
        seed += 1
        if given.only is not None or tally.compared + tally.refused.total() >= given.quantities:
            break
    print(
        f"{tally.compared} quantities compared, {tally.refused.total()} refused by both; "
        + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in tally.seconds.items())
    )
    for reason, number in tally.refused.most_common():
        print(f"  {number:6d}  {reason}")
    for column, (gap, where) in tally.largest.items():
        print(
            f"  {column:<14} largest {gap:8.2g}  {tally.above[column]} above {LARGEST:g}  {where}"
        )
    print(f"{len(tally.odd)} refused by one and not by the other")
    for line in tally.odd:
        print(f"  {line}")


if __name__ == "__main__":
    main()
