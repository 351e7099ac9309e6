"""Time, memory and recovery of learning from many claims, and ratios in the same run.

    python benchmarks/speed/learn.py
    python benchmarks/speed/learn.py --largest 10000000 --law mixture auto

Every table is a dictionary of arrays with five claims about each quantity by a thousand sources,
one claim in five of them unsound. Times are of the whole call, from the table to the sources'
parameters with their intervals. No Python package that we know of learns reliabilities, scales and
biases of sources of numbers with the quantities integrated out (crowd-kit's are for categories):
beside it stands the Gaussian truth model, of which ``reliability.comparators`` has a vectorised
implementation, and which gives values and weights only.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reliability import learn
from reliability.comparators import gtm

Array = NDArray[np.float64]
CLAIMS, SOURCES, SMALLEST = 5, 1000, 10_000
LEVEL = 0.9
LAWS = ("mixture", "normal", "exact", "auto")


def simulated(claims: int, law: str, seed: int = 1) -> tuple[dict[str, Any], dict[str, Array]]:
    """A table of claims, and what is true of its sources and quantities."""
    rng = np.random.default_rng(seed)
    quantities = claims // CLAIMS
    count = quantities * CLAIMS
    k = np.exp(rng.normal(0.0, 0.5, SOURCES))
    r = 1.0 - 0.2 * rng.uniform(0.5, 1.5, SOURCES)
    theta = rng.normal(0.0, 10.0, quantities)
    quantity = np.repeat(np.arange(quantities), CLAIMS)
    source = rng.integers(0, SOURCES, count)
    sound = rng.random(count) < r[source]
    if law == "exact":
        theta = theta.round(2)
        error = np.where(sound, 0.0, rng.standard_t(2, count))
        table = {"value": (theta[quantity] + error).round(2)}
    else:
        wide = 1.0 if law == "normal" else 10.0
        size = np.where(sound, 1.0, wide) * k[source]
        tails = rng.normal(size=count) if law == "normal" else rng.standard_t(2, count)
        error = size * np.where(sound, rng.normal(size=count), tails)
        table = {"value": theta[quantity] + error, "sd": np.ones(count)}
    return {"quantity": quantity, "source": source} | table, {"k": k, "r": r, "theta": theta}


def recovery(found: Any, true: dict[str, Array], law: str) -> str:
    """How many of the intervals hold what is true."""

    def held(low: Array, high: Array, value: Array) -> str:
        return f"{np.mean((low <= value) & (value <= high)):.1%}"

    sources, quantities = found.source_table, found.quantities
    number = np.array([int(name) for name in sources["source"]])
    parts = []
    if law != "normal":
        low, high = sources["reliability_low"], sources["reliability_high"]
        parts.append(f"reliability {held(low, high, true['r'][number])}")
    if law != "exact":
        low, high = sources["overconfidence_low"], sources["overconfidence_high"]
        parts.append(f"overconfidence {held(low, high, true['k'][number])}")
    parts.append(f"quantities {held(quantities['low'], quantities['high'], true['theta'])}")
    return ", ".join(parts)


def one_size(claims: int, law: str) -> None:
    """Learn once: seconds, memory above the input, and what the intervals hold."""
    table, true = simulated(claims, law)
    few, _ = simulated(1000, law)
    learn(few, law=law if law != "auto" else "normal")
    before = memory("VmRSS")
    # From here on the peak is that of the call, not of making its input (Linux).
    Path("/proc/self/clear_refs").write_text("5")
    start, began = time.perf_counter(), time.process_time()
    # Dependence 0 is how the table was made: so the quantities' intervals can be checked.
    found = learn(table, law=law, level=LEVEL, dependence=0.0)
    seconds, processor = time.perf_counter() - start, time.process_time() - began
    above = memory("VmHWM") - before
    result = {
        "seconds": seconds,
        "processor": processor,
        "above": above,
        "converged": found.converged,
        "law": found.law,
        "held": recovery(found, true, law) if 100_000 <= claims <= 1_000_000 else "",
    }
    began = time.process_time()
    gtm(table)
    print(json.dumps(result | {"gtm": time.process_time() - began}))


def memory(name: str) -> int:
    """Memory of this process in bytes: resident now (VmRSS), or at its peak (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(name)))


def growth(law: str, largest: int) -> None:
    """Time and memory against claims, each size in a process of its own."""
    print(f"law={law}")
    print("    claims    seconds  processor  above the input  converged  processor time beside GTM")
    claims, seconds = [], []
    size = SMALLEST
    while size <= largest:
        command = [sys.executable, __file__, "--one-size", str(size), "--law", law]
        done = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603
        found = json.loads(done.stdout)
        claims.append(size)
        seconds.append(found["processor"])
        print(
            f"{size:>10,} {found['seconds']:>10.2f} {found['processor']:>10.2f} "
            f"{found['above'] / 1e6:>13,.0f} MB {found['converged']!s:>10} "
            f"{found['processor'] / found['gtm']:>10.1f}"
        )
        if found["held"]:
            print(f"           intervals of {LEVEL:.0%} hold: {found['held']}")
        if law == "auto":
            print(f"           law chosen: {found['law']}")
        size *= 10
    if len(claims) > 1:
        slope = np.polyfit(np.log(claims), np.log(seconds), 1)[0]
        last = np.log10(seconds[-1] / seconds[-2])
        print(f"exponent of processor time {slope:.2f}, between the last two sizes {last:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--largest", type=int, default=1_000_000, help="claims of the largest table"
    )
    parser.add_argument("--law", nargs="+", choices=LAWS, default=list(LAWS))
    parser.add_argument("--one-size", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one_size:
        one_size(given.one_size, given.law[0])
        return
    for law in given.law:
        growth(law, given.largest)


if __name__ == "__main__":
    main()
