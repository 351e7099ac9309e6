"""Time of one combination, as ratios against peers in the same run.

    python benchmarks/speed/combine.py

Peers: PyMARE's REML fit and statsmodels' DerSimonian-Laird of the same problem. Both give point
estimates; the posterior here has every quantile. Calls alternate, so that both sides meet the
same noise; medians are printed, and ratios of medians.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import importlib.metadata
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import reliability
from reliability import Claim, Estimate, Model, Source, priors
from reliability.engine.normal import NormalProblem, solve_normal

warnings.filterwarnings("ignore")

# One quantity here: the mapping that several would give does not arise.
combine: Any = reliability.combine


def measure(functions: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median seconds of each function, called in turn."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in times.items()}


def show(title: str, medians: dict[str, float], base: str) -> None:
    print(f"\n{title}")
    for name, seconds in medians.items():
        print(f"  {name:<52} {1e3 * seconds:9.3f} ms   x {seconds / medians[base]:8.2f}")


def arrays(y: np.ndarray, sd: np.ndarray) -> Callable[[], Any]:
    """From arrays to mean, sd and interval: the engine alone."""
    ones = np.ones(len(y))
    prior = priors.HalfNormal(1.0)
    half = np.array([0.025, 0.975])

    def run() -> Any:
        problem = NormalProblem(
            value=y,
            variance=sd**2,
            extra=0.0 * y,
            share=ones,
            design=None,
            stated=sd**2,
            basis=None,
            log_determinant=0.0,
            prior_mean=0.0,
            prior_variance=np.inf,
            shared_variance=0.0,
            heterogeneity=prior,
            inflation=None,
            scatter_power=np.inf,
        )
        solution = solve_normal(problem)
        given, weight = solution.conditional, solution.weight
        mean = float(weight @ given.mean)
        variance = float(weight @ (given.variance + (given.mean - mean) ** 2))
        return mean, variance**0.5, solution.distribution.quantile(half, half[::-1])

    return run


def random_effects(rng: np.random.Generator, count: int) -> None:
    from pymare import Dataset  # noqa: PLC0415
    from pymare.estimators import VarianceBasedLikelihoodEstimator  # noqa: PLC0415
    from statsmodels.stats.meta_analysis import combine_effects  # noqa: PLC0415

    sd = rng.uniform(0.3, 1.0, count)
    y = rng.normal(0.0, 1.0, count) + rng.normal(0.0, sd)
    claims = [
        Claim(f"s{i}", Estimate(float(a), sd=float(b)))
        for i, (a, b) in enumerate(zip(y, sd, strict=True))
    ]
    model = Model.random_effects(priors.HalfNormal(1.0))
    dataset = Dataset(y[:, None], (sd**2)[:, None], X=np.ones((count, 1)), add_intercept=False)

    def pymare() -> Any:
        return VarianceBasedLikelihoodEstimator(method="REML").fit_dataset(dataset).summary()

    def objects() -> Any:
        result = combine(claims, model=model)
        return result.estimate, result.interval(), result.claims, result.conflict

    show(
        f"random effects, {count} claims",
        measure(
            {
                "arrays to mean, sd and interval": arrays(y, sd),
                "combine on objects: estimate, interval, claims, conflict": objects,
                "... and every claim's influence": lambda: combine(claims, model=model).summary(),
                "PyMARE REML": pymare,
                "statsmodels DerSimonian-Laird": lambda: combine_effects(y, sd**2).summary_frame(),
            },
            40,
        ),
        "PyMARE REML",
    )


def mixture(rng: np.random.Generator) -> None:
    print("\nfull mixture (Floor), combine on objects: estimate, interval, claims")
    sizes = (1, 3, 10, 30, 100, 200, 400)
    times: dict[str, list[float]] = {}
    for count in sizes:
        sd = rng.uniform(0.5, 2.0, count)
        y = rng.normal(0.0, 2.0, count)
        row = []
        for label, given in (("reliabilities given", 0.8), ("unknown p integrated", None)):
            claims = [
                Claim(Source(f"s{i}", reliability=given), Estimate(float(a), sd=float(b)))
                for i, (a, b) in enumerate(zip(y, sd, strict=True))
            ]

            def run(claims: list[Claim] = claims) -> Any:
                result = combine(claims)
                return result.estimate, result.interval(), result.claims

            seconds = measure({label: run}, 15 if count < 100 else 5)[label]
            times.setdefault(label, []).append(seconds)
            row.append(f"{label} {1e3 * seconds:8.2f} ms")
        print(f"  {count:4d} claims   " + "   ".join(row))
    for label, values in times.items():
        slope = np.polyfit(np.log(sizes[2:]), np.log(values[2:]), 1)[0]
        print(f"  exponent from 10 claims, {label}: {slope:.2f}")


def import_time() -> None:
    with tempfile.TemporaryDirectory() as compiled:
        # As installed: with compiled byte code, whatever this environment says.
        byte_code = {"PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}
        environment = os.environ | byte_code

        def run(code: str) -> float:
            times = []
            for _ in range(8):
                start = time.perf_counter()
                subprocess.run([sys.executable, "-c", code], check=True, env=environment)  # noqa: S603
                times.append(time.perf_counter() - start)
            return float(np.median(times[1:]))

        alone, ours = run("import numpy"), run("import reliability")
    print(
        f"\nimport numpy {alone:.3f} s, import reliability {ours:.3f} s, more {ours - alone:.3f} s"
    )


def main() -> None:
    for name in ("numpy", "scipy", "pymare", "statsmodels"):
        print(name, importlib.metadata.version(name), end="  ")
    print()
    rng = np.random.default_rng(20241023)
    for count in (8, 30):
        random_effects(rng, count)
    mixture(rng)
    import_time()


if __name__ == "__main__":
    main()
