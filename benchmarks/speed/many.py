"""Time and memory of many quantities, and ratios against PyMARE in the same run.

    python benchmarks/speed/many.py
    python benchmarks/speed/many.py --quantities 1000000 --largest 10000000

Every table is a dictionary of arrays. Times are of the whole call, from the table to the table of
results, on all processors unless ``--threads`` says otherwise; PyMARE's REML is vectorised over
problems and gives point estimates only.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reliability import Floor, Model, Void, combine_many, priors
from reliability.claims.columns import columns_from_rows
from reliability.engine.mixture import Problems, gauss_rule, log_likelihood
from reliability.engine.panels import Panels
from reliability.priors import Beta, Flat, PriorsOnX
from reliability.scales import get_scale
from reliability.tables.rows import rows_from_table

Array = NDArray[np.float64]
Table = dict[str, Any]
CLAIMS = 5


def table_of(
    quantities: int,
    *,
    claims: int = CLAIMS,
    scale: str = "linear",
    names: bool = False,
    reliabilities: bool = False,
    seed: int = 1,
) -> Table:
    """Claims about quantities, sorted by quantity: one in five has four times its stated error."""
    rng = np.random.default_rng(seed)
    count = quantities * claims
    truth = np.repeat(rng.normal(0.0, 10.0, quantities), claims)
    sd = rng.uniform(0.1, 0.4, count)
    error = sd * rng.normal(size=count) * np.where(rng.random(count) < 0.2, 4.0, 1.0)
    value = truth + error
    if scale == "log":
        value = np.exp(0.2 * truth + error)
        sd = sd * value
    code = np.repeat(np.arange(quantities), claims)
    table: Table = {
        "quantity": np.array([f"quantity {k}" for k in range(quantities)])[code] if names else code,
        "source": np.tile(np.arange(claims), quantities),
        "value": value,
        "sd": sd,
    }
    if reliabilities:
        r = np.array([0.9, 0.8, 0.7, 0.9, 0.6, 0.8, 0.75, 0.85, 0.95, 0.65])
        table["reliability"] = np.tile(np.resize(r, claims), quantities)
    return table


RANDOM_EFFECTS = Model.random_effects(priors.HalfCauchy(1.0))
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "common effect, sorted integer codes": ({}, {"model": Model.common_effect()}),
    "common effect, string keys": ({"names": True}, {"model": Model.common_effect()}),
    "random effects, tau integrated": ({}, {"model": RANDOM_EFFECTS}),
    "mixture, Floor(inf), log, r given": (
        {"scale": "log", "reliabilities": True},
        {"model": Model(unsound=Floor(np.inf)), "scale": "log"},
    ),
    "mixture, Floor(inf), log, p integrated": (
        {"scale": "log"},
        {"model": Model(unsound=Floor(np.inf)), "scale": "log"},
    ),
    "mixture, Void, log, intrinsic range": (
        {"scale": "log", "reliabilities": True},
        {"model": Model(unsound=Void()), "scale": "log", "prior": priors.IntrinsicRange(0.1)},
    ),
}


def best_of(function: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Least wall-clock and least processor time of some calls, in seconds."""
    wall, processor = [], []
    for _ in range(repeats):
        start, began = time.perf_counter(), time.process_time()
        function()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - began)
    return min(wall), min(processor)


def cases(quantities: int, threads: int | None, repeats: int) -> None:
    print(f"{quantities:,} quantities of {CLAIMS} claims, {threads or os.cpu_count()} threads")
    for name, (shape, settings) in CASES.items():
        some = quantities if "effect" in name else max(quantities // 10, 1)
        table = table_of(some, **shape)
        combine_many({k: v[: 50 * CLAIMS] for k, v in table.items()}, **settings)
        wall, processor = best_of(
            lambda table=table, settings=settings: combine_many(  # type: ignore[misc]
                table, threads=threads, **settings
            ),
            repeats,
        )
        print(
            f"  {name:<42} {some:>9,}: {wall:8.3f} s, {processor:8.3f} s of processor time; "
            f"{1e6 * wall / some:8.2f} us each, {some / wall:>11,.0f} a second"
        )


def beside_pymare(problems: int, claims: int, repeats: int) -> None:
    from pymare import Dataset  # noqa: PLC0415
    from pymare.estimators import VarianceBasedLikelihoodEstimator  # noqa: PLC0415

    table = table_of(problems, claims=claims)
    y = table["value"].reshape(problems, claims).T
    v = (table["sd"] ** 2).reshape(problems, claims).T
    dataset = Dataset(y, v, X=np.ones((claims, 1)), add_intercept=False)

    def pymare() -> Any:
        return VarianceBasedLikelihoodEstimator(method="REML").fit_dataset(dataset)

    def ours() -> Any:
        return combine_many(table, model=RANDOM_EFFECTS, threads=1)

    theirs = best_of(pymare, repeats)[1]
    mine = best_of(ours, repeats)[1]
    print(
        f"{problems:,} random-effects problems of {claims} claims, processor time: PyMARE REML "
        f"{theirs:.3f} s (point estimates), combine_many {mine:.3f} s (posteriors): "
        f"x {mine / theirs:.2f}"
    )


def growth(largest: int, threads: int | None) -> None:
    """Time against rows, and memory above the input, each size in a process of its own."""
    print("rows           seconds   of processor time   peak above the input")
    rows, seconds = [], []
    size = 10_000
    while size <= largest:
        command = [sys.executable, __file__, "--one-size", str(size)]
        command += ["--threads", str(threads)] if threads else []
        done = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603
        found = json.loads(done.stdout)
        rows.append(size)
        seconds.append(found["processor"])
        print(
            f"{size:>10,} {found['seconds']:>11.4f} {found['processor']:>19.4f} "
            f"{found['above'] / 1e6:>19,.0f} MB"
        )
        size *= 10
    if len(rows) > 2:
        # What a call takes whatever its size shows at the small end.
        fits = [np.polyfit(np.log(rows[k:]), np.log(seconds[k:]), 1)[0] for k in (0, 1)]
        print(
            f"processor time grows like rows^{fits[0]:.3f}, from {rows[1]:,} rows on like "
            f"rows^{fits[1]:.3f}"
        )


def one_size(rows: int, threads: int | None) -> None:
    """Random effects for so many rows: seconds, and peak memory above the input."""
    table = table_of(rows // CLAIMS)
    few = {key: values[: 50 * CLAIMS] for key, values in table.items()}
    combine_many(few, model=RANDOM_EFFECTS, threads=threads)
    before = memory("VmRSS")
    # From here on the peak is that of the call, not of making its input (Linux).
    Path("/proc/self/clear_refs").write_text("5")
    start, began = time.perf_counter(), time.process_time()
    combine_many(table, model=RANDOM_EFFECTS, threads=threads)
    seconds, processor = time.perf_counter() - start, time.process_time() - began
    above = memory("VmHWM") - before
    print(json.dumps({"seconds": seconds, "processor": processor, "above": above}))


def memory(name: str) -> int:
    """Memory of this process in bytes: resident now (VmRSS), or at its peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(name)))


def kernel(repeats: int) -> None:
    """The mixture's kernel beside the machine's exponentials."""
    quantities = 300
    found = rows_from_table(table_of(quantities, scale="log", reliabilities=True))
    columns, _ = columns_from_rows(found.rows, get_scale("log"), 0.1)
    prior = PriorsOnX.common(Flat().on(get_scale("log")), quantities)
    power = np.full(quantities, 10.0)
    law = Model(unsound=Floor(np.inf)).law
    problem = Problems(columns, law, prior, power, power)
    count = 8
    every = np.repeat(np.arange(quantities), count)
    center = columns.location[columns.starts[:-1]][every]
    zero = np.zeros(len(every))
    panels = Panels(every, center, np.zeros(len(every), dtype=np.int64), zero, zero + 1.0)
    d = np.linspace(-0.5, 0.5, 16) + np.linspace(-1.0, 1.0, count)[:, None]
    d = np.tile(d, (quantities, 1))
    rule = gauss_rule(Beta(1.0, 1.0), 1)
    _, seconds = best_of(lambda: log_likelihood(problem, rule, panels, d), repeats)
    numbers = np.random.default_rng(0).uniform(-5.0, 0.0, 8192)
    out = np.empty_like(numbers)
    times = d.size * CLAIMS // len(numbers)
    _, exponentials = best_of(
        lambda: [np.exp(numbers, out=out) for _ in range(times)] and None, repeats
    )
    each, exponential = 1e9 * seconds / (d.size * CLAIMS), 1e9 * exponentials / (times * 8192)
    print(
        f"mixture kernel: {each:.1f} ns per claim and node, which needs one exponential (and one "
        f"logarithm per node); numpy's exponential: {exponential:.1f} ns, {exponential / each:.2f} "
        "of the kernel"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quantities", type=int, default=100_000, help="a tenth for mixtures")
    parser.add_argument("--largest", type=int, default=1_000_000, help="rows of the largest table")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one-size", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    if given.one_size:
        one_size(given.one_size, given.threads)
        return
    cases(given.quantities, given.threads, given.repeats)
    beside_pymare(10_000, 8, given.repeats)
    growth(given.largest, given.threads)
    kernel(given.repeats)


if __name__ == "__main__":
    main()
