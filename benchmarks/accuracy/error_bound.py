"""Does the reported ``error`` bound the true one? Random problems against a direct integration.

    python benchmarks/accuracy/error_bound.py --problems 10000 --seed 1
    python benchmarks/accuracy/error_bound.py --problems 200 --seed 1 --scatter
    python benchmarks/accuracy/error_bound.py --problems 200 --seed 1 --heavy

Every problem has its own seed, so that each failure can be looked at alone (``--only SEED``).
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import math
import resource
import signal
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from direct import integrate
from numpy.typing import NDArray

from reliability import (
    About,
    AtLeast,
    AtMost,
    Claim,
    Combination,
    Estimate,
    Floor,
    Heavy,
    Model,
    Quantiles,
    Range,
    ReliabilityError,
    Source,
    Void,
    Wide,
    combine,
    priors,
)

Array = NDArray[Any]
LEVELS = (1e-6, 0.001, 0.01, 0.05, 0.16, 0.25, 0.5, 0.75, 0.84, 0.95, 0.99, 0.999, 1 - 1e-6)
EPS = 2.0**-52
UNSOUND = {"Floor": Floor, "Wide": Wide, "Heavy": Heavy, "Void": Void}

# ------------------------------------------------------------------ random problems


def to_x(scale: str, theta: float) -> float:
    if scale == "linear":
        return theta
    # Quantiles far out may round to the ends of the scale.
    upper = math.log1p(-theta) if scale == "logit" and theta < 1.0 else 0.0
    if theta <= 0.0:
        return -math.inf
    return math.inf if scale == "logit" and theta >= 1.0 else math.log(theta) - upper


def to_theta(scale: str, x: float) -> float:
    if scale == "linear":
        return x
    return float(np.exp(x)) if scale == "log" else float(1.0 / (1.0 + np.exp(-x)))


def digits(rng: np.random.Generator, value: float, most: int = 4) -> float:
    """A value with few digits, as people write them."""
    return float(f"{value:.{int(rng.integers(1, most + 1))}g}")


def random_statement(rng: np.random.Generator, scale: str, x: float, sd: float) -> dict[str, Any]:
    """A statement about a quantity near x on the scale, uncertain by about sd there."""

    def theta(at: float) -> float:
        return to_theta(scale, at)

    kinds = [
        "estimate",
        "interval",
        "rounded",
        "about",
        "range",
        "at least",
        "at most",
        "quantiles",
    ]
    form = str(rng.choice(kinds, p=[0.3, 0.15, 0.1, 0.05, 0.1, 0.12, 0.08, 0.1]))
    value = theta(x)
    if form == "estimate":
        slope = {"linear": 1.0, "log": 1.0 / value, "logit": 1.0 / (value * (1.0 - value))}[scale]
        return {"form": "estimate", "value": value, "sd": sd / slope}
    if form == "interval":
        level = float(rng.choice([0.5, 0.8, 0.9, 0.95, 0.99]))
        skew = 10.0 ** rng.uniform(-1.0, 1.0)
        low, high = theta(x - 1.6 * sd), theta(x + 1.6 * sd * skew)
        return {"form": "estimate", "value": value, "low": low, "high": high, "level": level}
    if form in {"rounded", "about"}:
        return {"form": form, "value": digits(rng, value)}
    if form == "range":
        low, high = theta(x - sd), theta(x + sd)
        few = max(1, math.ceil(-math.log10(max(abs(high - low) / max(abs(low), abs(high)), 1e-14))))
        return {
            "form": "range",
            "low": float(f"{low:.{few + 1}g}"),
            "high": float(f"{high:.{few + 1}g}"),
        }
    if form in {"at least", "at most"}:
        out: dict[str, Any] = {"form": form, "value": digits(rng, value)}
        if rng.random() < 0.3:
            out["excess"] = math.inf
        elif rng.random() < 0.2:
            out["excess"] = sd * 10.0 ** rng.uniform(-1.0, 1.0)
        return out
    count = int(rng.integers(2, 8))
    p = np.sort(rng.choice(np.arange(1, 20) * 0.05, count, replace=False))
    steps = np.cumsum(rng.uniform(0.2, 1.0, count)) * 3.0 / count
    return {
        "form": "quantiles",
        "quantiles": [
            [round(float(q), 2), theta(x + sd * (float(t) - 1.0))]
            for q, t in zip(p, steps, strict=True)
        ],
    }


def random_prior(rng: np.random.Generator, scale: str, x: float, spread: float) -> dict[str, Any]:
    kind = str(
        rng.choice(
            ["Flat", "Normal", "StudentT", "Uniform", "LogNormal"], p=[0.45, 0.15, 0.15, 0.1, 0.15]
        )
    )
    if kind == "Flat":
        return {"type": kind}
    wide = 10.0 ** rng.uniform(-0.5, 1.5)
    at = x + rng.normal() * spread
    center = to_theta(scale, at)
    if scale == "linear":
        width = spread * wide
    elif scale == "log":
        width = center * min(wide, 10.0)
    else:
        width = 0.2 * wide
    if kind == "Normal":
        return {"type": kind, "mean": center, "sd": width}
    if kind == "StudentT":
        df = float(rng.choice([1.0, 2.0, 3.0, 4.0, 7.5, 30.0]))
        return {"type": kind, "df": df, "mean": center, "scale": width}
    if kind == "Uniform":
        if scale == "logit":
            return {"type": kind, "low": 0.0, "high": 1.0}
        return {"type": kind, "low": center - width, "high": center + 2.0 * width}
    median = abs(center) if center != 0.0 else 1.0
    return {"type": kind, "median": median, "sigma": float(10.0 ** rng.uniform(-1.0, 0.6))}


def random_problem(  # noqa: C901, PLR0912, PLR0915 - one choice after the other
    seed: int, *, scatter: bool = False, heavy: bool = False
) -> dict[str, Any]:
    """One problem, as plain data; ``heavy`` changes the kind of its unsound claims alone."""
    rng = np.random.default_rng(seed)
    scale = str(rng.choice(["linear", "log", "logit"], p=[0.5, 0.35, 0.15]))
    count = int(rng.integers(1, 7 if scatter else 21))
    if rng.random() < 0.3:
        count = min(count, 3)
    if not scatter and rng.random() < 0.005:
        count = 100
    if scale == "linear":
        size = 10.0 ** rng.uniform(-9.0, 9.0)
        x = size * rng.choice([-1.0, 1.0]) * rng.uniform(1.0, 10.0)
        spread = size * 10.0 ** (
            rng.uniform(-7.0, 1.0) if rng.random() < 0.3 else rng.uniform(-2.0, 0.5)
        )
    else:
        x = rng.uniform(-5.0, 15.0) if scale == "log" else rng.normal() * 2.0
        spread = 10.0 ** rng.uniform(-2.0, 0.3)
        if rng.random() < 0.2:
            spread *= 10.0 ** rng.uniform(-4.0, 0.0)
    orders = float(rng.choice([0.3, 1.0, 3.0, 6.0] if scale == "linear" else [0.3, 1.0, 2.0]))
    conflict = float(rng.choice([0.5, 1.0, 3.0, 10.0, 50.0]))
    kind = str(rng.choice(["Floor", "Wide", "Void"], p=[0.6, 0.2, 0.2]))
    unsound: dict[str, Any] = {"type": kind}
    if kind == "Floor":
        unsound["factor"] = math.inf if rng.random() < 0.6 else 2.0 + 10.0 ** rng.uniform(-1.0, 3.0)
    elif kind == "Wide":
        unsound["factor"] = 1.0 + 10.0 ** rng.uniform(-0.5, 2.0)
    prior = random_prior(rng, scale, x, spread)
    if kind == "Void" and (prior["type"] == "Flat" or rng.random() < 0.4):
        prior = {"type": "IntrinsicRange", "overshoot": float(rng.choice([0.1, 0.5, 1.0]))}
    dependence = float(rng.choice([0.0, 0.0, 0.0, 0.4, 1.0]))
    same_reliability = str(rng.choice(["known", "unknown", "mixed"]))
    origins = int(rng.choice([1, 3, 1000, 1000, 1000]))
    biased, interested, overconfident = rng.random(3) < 0.3
    claims: list[dict[str, Any]] = []
    for i in range(count):
        if claims and rng.random() < 0.04:
            twin = dict(claims[int(rng.integers(len(claims)))])
            if twin["reliability"] is not None:
                twin["reliability"] = float(rng.uniform(0.01, 0.99))
                claims.append(twin)
                continue
        sd = spread * 10.0 ** (-rng.uniform(0.0, orders))
        at = x + rng.standard_t(3) * spread * (conflict if rng.random() < 0.3 else 0.5)
        if conflict == 50.0 and rng.random() < 0.5:
            at = x + rng.uniform(-50.0, 50.0) * sd
        if scale == "logit":
            at = float(np.clip(at, -8.0, 8.0))
        elif scale == "log":
            at = float(np.clip(at, -30.0, 40.0))
        claim = random_statement(rng, scale, float(at), float(sd))
        known = same_reliability == "known" or (same_reliability == "mixed" and rng.random() < 0.5)
        reliability: float | None = None
        if known:
            u = rng.random()
            reliability = 1.0 if u < 0.1 else 0.0 if u < 0.15 else float(rng.uniform(0.02, 0.999))
        claim |= {
            "reliability": reliability,
            "bias": float(rng.normal() * sd) if biased and rng.random() < 0.5 else 0.0,
            "bias_sd": float(rng.uniform(0.0, 2.0) * sd) if biased and rng.random() < 0.5 else 0.0,
            "overconfidence": float(10.0 ** rng.uniform(-0.3, 0.7)) if overconfident else 1.0,
            "interest": int(rng.choice([-1, 0, 1])) if interested else 0,
            "origin": f"origin {int(rng.integers(origins)) if origins < 1000 else i}",
        }
        claims.append(claim)
    out: dict[str, Any] = {
        "scale": scale,
        "prior": prior,
        "unsound": unsound,
        "beta": [float(rng.choice([0.5, 1.0, 2.0, 8.0])), float(rng.choice([0.5, 1.0, 2.0]))],
        "dependence": dependence,
        "unstated_error": float(rng.choice([0.1, 0.05, 0.01])),
        "claims": claims,
    }
    if scatter:
        if rng.random() < 0.5:
            out["inflation"] = {"type": "Pareto", "shape": float(rng.choice([1.0, 3.0]))}
        else:
            out["heterogeneity"] = {
                "type": str(rng.choice(["HalfNormal", "HalfCauchy", "Exponential"])),
                "scale": float(spread * 10.0 ** rng.uniform(-1.0, 1.0)),
            }
    if heavy:
        rng = np.random.default_rng([seed, 1])
        factor = 1.0 + 10.0 ** rng.uniform(-1.0, 2.5)
        df = float(rng.choice([0.3, 1.0, 1.0, 2.0, 3.0, 4.0, 7.5, 30.0]))
        out["unsound"] = {"type": "Heavy", "factor": factor, "df": df}
    return out


# ------------------------------------------------------------------ the library's answer


def statement(claim: dict[str, Any]) -> Any:
    form = claim["form"]
    if form == "estimate":
        names = [name for name in ("sd", "low", "high", "level") if name in claim]
        return Estimate(claim["value"], **{name: claim[name] for name in names})
    if form == "rounded":
        return Estimate(claim["value"])
    if form == "about":
        return About(claim["value"])
    if form == "range":
        return Range(claim["low"], claim["high"])
    if form == "quantiles":
        return Quantiles(dict(claim["quantiles"]))
    kind = AtLeast if form == "at least" else AtMost
    return kind(claim["value"], excess=claim.get("excess"))


def named(given: dict[str, Any] | None) -> Any:
    """A prior from its name and parameters."""
    if given is None:
        return None
    return getattr(priors, given["type"])(*[v for k, v in given.items() if k != "type"])


def solve(problem: dict[str, Any]) -> Combination:
    unsound = problem["unsound"]
    model = Model(
        unsound=UNSOUND[unsound["type"]](*[v for k, v in unsound.items() if k != "type"]),
        unknown_reliability=priors.Beta(*problem["beta"]),
        dependence=problem["dependence"],
        unstated_error=problem["unstated_error"],
        heterogeneity=named(problem.get("heterogeneity")),
        inflation=named(problem.get("inflation")),
    )
    claims = [
        Claim(
            Source(
                f"source {i}",
                reliability=claim["reliability"],
                bias=claim["bias"],
                bias_sd=claim["bias_sd"],
                overconfidence=claim["overconfidence"],
                interest=claim["interest"],
            ),
            statement(claim),
            origin=claim["origin"],
        )
        for i, claim in enumerate(problem["claims"])
    ]
    result = combine(claims, scale=problem["scale"], prior=named(problem["prior"]), model=model)
    assert isinstance(result, Combination)  # noqa: S101 - one quantity was named
    return result


# ------------------------------------------------------------------ comparison


def compare(problem: dict[str, Any], result: Combination, step: float = 1.0) -> dict[str, Any]:
    """True errors of one answer, and what representing it in doubles excuses."""
    posterior = result.posterior
    low, high = (float(v) for v in posterior.interval(0.68))
    levels = np.array(LEVELS)
    upper = levels > 0.5
    quantiles = np.where(upper, posterior.isf(1.0 - levels), posterior.ppf(levels))
    blend = np.array([-3.0, -1.0, -0.2, 0.2, 0.5, 0.8, 1.2, 2.0, 4.0])
    scale = problem["scale"]
    if scale == "linear":
        others = low + blend * (high - low)
    else:
        x = np.array([to_x(scale, low), to_x(scale, high)])
        others = np.array([to_theta(scale, float(x[0] + t * (x[1] - x[0]))) for t in blend])
    thetas = np.concatenate([quantiles, others])
    keep = np.isfinite(thetas) & (thetas > result.scale.low) & (thetas < result.scale.high)
    thetas, is_quantile = thetas[keep], (np.arange(len(thetas)) < len(levels))[keep]
    # Moments that exist, but for those of which the library says (nan) that it has no digits.
    moment = result._inference.existence.moment  # noqa: SLF001 - what is infinite may exist
    known = [not math.isnan(v) for v in (posterior.mean(), posterior.var())]
    order = sum(moment(result.scale, j + 1) and all(known[: j + 1]) for j in range(2))
    median = posterior.median()
    truth = integrate(problem, thetas, order=order, origin=median, step=step)

    below, above = np.asarray(posterior.cdf(thetas)), np.asarray(posterior.sf(thetas))
    error_f = np.maximum(np.abs(below - truth.below), np.abs(above - truth.above)).astype(float)
    stated = np.concatenate([levels, np.zeros(len(others))])[keep]
    error_p = np.abs(np.where(is_quantile, truth.below - stated, 0.0)).astype(float)
    # One rounding of theta, and of x, moves F by the density times it; F itself has an ulp.
    x = np.array([to_x(scale, float(t)) for t in thetas])
    with np.errstate(divide="ignore"):
        slopes = {
            "linear": np.ones_like(x),
            "log": 1.0 / thetas,
            "logit": 1.0 / (thetas * (1.0 - thetas)),
        }[scale]
    rounding = np.spacing(np.abs(x)) + np.spacing(np.abs(thetas)) * slopes
    excuse = (2.0 * truth.density.astype(float) * rounding) + 8.0 * EPS
    normaliser = result._inference.log_normaliser  # noqa: SLF001 - there for improper priors too
    error_z = abs(normaliser - truth.log_normaliser)
    half = 0.5 * abs(to_x(scale, high) - to_x(scale, low))
    with np.errstate(divide="ignore", invalid="ignore"):
        move = np.where(is_quantile, error_p / truth.density.astype(float), 0.0)
    out = {
        "error": result.error,
        "f": float(np.max(error_f)),
        "f_over": float(np.max(error_f - excuse)),
        "p_over": float(np.max(error_p - excuse)),
        "z": error_z,
        "z_over": error_z - 8.0 * EPS * max(1.0, abs(truth.log_normaliser)),
        "promise_f": bool(np.all(error_f <= np.maximum(1e-8, excuse))),
        "promise_z": error_z <= 1e-8 * max(1.0, abs(truth.log_normaliser) * 1e-6),
        "promise_q": bool(
            np.all(
                (error_p <= np.maximum(1e-8, excuse))
                | (move <= np.maximum(1e-8 * half, 4 * rounding))
            )
        ),
        "mean": 0.0,
        "sd": 0.0,
        "residual": truth.residual,
        "nodes": truth.nodes,
    }
    width = 0.5 * (high - low)
    # Moments that exceed the floats are infinite in both.
    if order >= 1 and posterior.mean() != truth.mean:
        gap = abs(posterior.mean() - truth.mean) - 4 * np.spacing(abs(truth.mean))
        size = max(width, math.sqrt(truth.variance) if order > 1 else 0.0)
        out["mean"] = max(gap, 0.0) / size if math.isfinite(gap) else math.inf
    if order > 1 and posterior.var() != truth.variance:
        out["sd"] = abs(posterior.std() / math.sqrt(truth.variance) - 1.0)
    out["order"] = order
    return out


def sensitivity(problem: dict[str, Any], result: Combination) -> tuple[float, float]:
    """How far rounding the claims' locations to doubles moves F and the log normaliser."""
    thetas = np.atleast_1d(np.array([result.posterior.ppf(p) for p in LEVELS[2:-2]]))
    thetas = thetas[np.isfinite(thetas)]
    plain = integrate(problem, thetas)
    rng = np.random.default_rng(0)
    most_f = most_z = 0.0
    for _ in range(2):
        nudge = rng.choice([-1.0, 1.0], len(problem["claims"])) * 2.0 * EPS
        other = integrate(problem, thetas, nudge=nudge)
        most_f = max(most_f, float(np.max(np.abs(other.below - plain.below), initial=0.0)))
        most_z = max(most_z, abs(other.log_normaliser - plain.log_normaliser))
    return most_f, most_z


def judge(problem: dict[str, Any], result: Combination) -> dict[str, Any]:
    """Compare; where anything is off, with a finer reference and with rounding excused."""
    row = compare(problem, result)

    def holds(r: dict[str, Any]) -> bool:
        bound = r["error"]
        return bool(max(r["f_over"], r["p_over"], r["z_over"] - r["excuse_z"]) <= bound)

    row["excuse_f"] = row["excuse_z"] = 0.0
    row["holds"] = holds(row)
    promised = row["promise_f"] and row["promise_z"] and row["promise_q"]
    if not (row["holds"] and promised and row["mean"] <= 1e-8 and row["sd"] <= 1e-8):
        finer = compare(problem, result, step=0.4)
        finer["coarse_f"], finer["coarse_z"] = row["f"], row["z"]
        row = finer
        row["excuse_f"] = row["excuse_z"] = 0.0
        row["holds"] = holds(row)
        if not row["holds"]:
            move_f, move_z = sensitivity(problem, result)
            row["excuse_f"], row["excuse_z"] = 2.0 * move_f, 2.0 * move_z
            row["f_over"] -= row["excuse_f"]
            row["p_over"] -= row["excuse_f"]
            row["holds"] = holds(row)
    return row


# ------------------------------------------------------------------ report


class OutOfPatienceError(Exception):
    """The direct integration of one problem took too long."""


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Give up on what takes longer: a problem that the reference cannot do is counted, not lost."""

    def give_up(*_: object) -> None:
        raise OutOfPatienceError

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def show(seed: int, problem: dict[str, Any], row: dict[str, Any]) -> None:
    print(
        f"  seed {seed}: "
        + ", ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in row.items())
    )
    print("    " + json.dumps(problem))


def report(rows: list[dict[str, Any]], refused: Counter[str], seconds: float, spent: float) -> None:
    """Rates and sizes over all problems."""
    total = len(rows)
    print(
        f"{total} problems compared, {sum(refused.values())} refused, "
        f"{seconds:.0f} s of which {spent:.0f} s combining"
    )
    for reason, number in refused.most_common():
        print(f"  {number:6d}  {reason}")
    if not total:
        return

    def rate(name: str, good: list[bool]) -> None:
        print(f"  {name:<58} {sum(good) / total:.5f}  ({total - sum(good)} not)")

    rate("error bounds probabilities, quantiles and evidence", [r["holds"] for r in rows])
    rate("probabilities within 1e-8", [r["promise_f"] for r in rows])
    rate("quantiles within 1e-8", [r["promise_q"] for r in rows])
    rate("log evidence within 1e-8", [r["promise_z"] for r in rows])
    rate("mean within 1e-8 of the width", [r["mean"] <= 1e-8 for r in rows])
    rate("sd within 1e-8 of itself", [r["sd"] <= 1e-8 for r in rows])
    for name in ("error", "f", "z", "residual"):
        values = np.array([r[name] for r in rows])
        print(
            f"  {name:<9} median {np.median(values):.2g}, 99 % {np.quantile(values, 0.99):.2g}, "
            f"largest {values.max():.2g}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scatter", action="store_true", help="with a heterogeneity or inflation")
    parser.add_argument("--heavy", action="store_true", help="with Student's t of unsound claims")
    parser.add_argument("--only", type=int, help="one problem, by the seed that a failure names")
    parser.add_argument("--minutes", type=float, default=60.0, help="stop, and report, after this")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds for one reference")
    parser.add_argument("--memory", type=float, default=4.0, help="most gigabytes of the process")
    given = parser.parse_args()
    most = int(given.memory * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    first = given.seed * 1_000_000
    seeds = [given.only] if given.only is not None else range(first, first + given.problems)
    start, spent = time.perf_counter(), 0.0
    refused: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        if time.perf_counter() - start > 60.0 * given.minutes:
            break
        problem = random_problem(seed, scatter=given.scatter, heavy=given.heavy)
        try:
            began = time.perf_counter()
            result = solve(problem)
            spent += time.perf_counter() - began
            with patience(given.patience):
                row = judge(problem, result)
        except (OutOfPatienceError, MemoryError) as error:
            print(f"  seed {seed}: not compared, {type(error).__name__}", flush=True)
            refused[f"reference: {type(error).__name__}"] += 1
            continue
        except ReliabilityError as error:
            refused[f"{type(error).__name__}: {str(error).split(':', 1)[-1][:70]}"] += 1
            continue
        except Exception as error:  # noqa: BLE001 - a crash is a finding
            print(f"  seed {seed}: {type(error).__name__}: {error}")
            print("    " + json.dumps(problem), flush=True)
            refused[f"crash: {type(error).__name__}"] += 1
            continue
        rows.append(row)
        fine = row["holds"] and row["promise_f"] and row["promise_z"] and row["promise_q"]
        if given.only is not None or not (fine and row["mean"] <= 1e-8 and row["sd"] <= 1e-8):
            show(seed, problem, row)
    report(rows, refused, time.perf_counter() - start, spent)


if __name__ == "__main__":
    main()
