"""Random tables of claims, and the numbers of ``combine`` to compare those of a table with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from reliability import (
    About,
    AtLeast,
    AtMost,
    Claim,
    Combination,
    Estimate,
    Model,
    Quantiles,
    Range,
    ReliabilityError,
    Source,
    combine,
)
from reliability.claims.statements import Statement
from reliability.priors import QuantityPrior
from reliability.scales import ScaleName

SOURCE = ("reliability", "bias", "bias_sd", "overconfidence", "interest")
FORMS = ("sd", "interval", "bare", "about", "range", "at least", "at most", "phrase", "quantiles")
#: Forms that leave the closed form open.
NORMAL = ("sd", "sd", "even")
LEVEL = 0.9


def sources(rng: np.random.Generator, count: int, scale: ScaleName) -> list[Source]:
    """Sources of every sort: unknown, never and always right, biased, interested."""
    size = 2.0 if scale == "linear" else 0.1
    found = []
    for number in range(count):
        biased = rng.random() < 0.3
        reliability = rng.choice([np.nan, np.nan, 0.0, 1.0, *rng.uniform(0.05, 0.95, 4)])
        found.append(
            Source(
                f"source {number}",
                reliability=None if math.isnan(reliability) else float(reliability),
                bias=float(rng.normal() * size) if biased else 0.0,
                bias_sd=float(rng.uniform(0.0, size)) if biased else 0.0,
                overconfidence=float(rng.uniform(0.5, 3.0)) if rng.random() < 0.3 else 1.0,
                interest=int(rng.choice([-1, 0, 0, 1])),
            )
        )
    return found


def statement(rng: np.random.Generator, form: str, scale: ScaleName, center: float) -> Statement:
    """A statement about a quantity near a center on the scale."""

    def theta(x: float) -> float:
        if scale == "linear":
            return x
        return math.exp(x) if scale == "log" else 1.0 / (1.0 + math.exp(-x))

    unit = 5.0 if scale == "linear" else 0.3
    x = center + unit * float(rng.standard_t(3))
    width = unit * float(10.0 ** rng.uniform(-1.0, 0.5))
    value, low, high = theta(x), theta(x - width), theta(x + width)
    few = float(f"{value:.2g}")
    if form == "sd":
        return Estimate(value, sd=(high - low) / 2.0)
    if form == "even":
        return Estimate(value, low=low, high=high, level=0.68)
    if form == "interval":
        level = float(rng.choice([0.5, 0.8, 0.95]))
        return Estimate(value, low=low, high=theta(x + 2.5 * width), level=level)
    if form == "range":
        return Range(float(f"{low:.3g}"), float(f"{high:.4g}"))
    if form == "quantiles":
        most = int(rng.integers(2, 5))
        return Quantiles(
            {p: theta(x + width * k) for k, p in enumerate((0.1, 0.4, 0.5, 0.9)[:most])}
        )
    kinds: dict[str, Any] = {"bare": Estimate, "about": About, "at most": AtMost}
    return kinds.get(form, AtLeast)(few)  # type: ignore[no-any-return]


def random_claims(
    rng: np.random.Generator,
    quantities: int,
    scale: ScaleName,
    forms: Sequence[str] = FORMS,
    largest: int = 12,
) -> list[Claim]:
    """Claims about quantities of 1 to ``largest`` claims, in any order of rows."""
    known = sources(rng, 8, scale)
    claims = []
    for number in range(quantities):
        center = float(rng.normal() * (40.0 if scale == "linear" else 1.0))
        own: list[Claim] = []
        for _ in range(int(rng.integers(1, largest + 1))):
            said = statement(rng, str(rng.choice(forms)), scale, center)
            origin = str(rng.choice(["", "", "", "report", "satellite"])) or None
            if own and rng.random() < 0.15:
                said, origin = own[-1].statement, own[-1].origin
            credibility = float(rng.uniform(0.1, 0.9)) if rng.random() < 0.2 else None
            source = known[int(rng.integers(len(known)))]
            own.append(
                Claim(
                    source,
                    said,
                    quantity=f"quantity {number}",
                    origin=origin,
                    credibility=credibility,
                )
            )
        claims += own
    return [claims[row] for row in rng.permutation(len(claims))]


def row_of(claim: Claim) -> dict[str, Any]:
    """One claim as the cells of a row; bounds of even rows as phrases."""
    said = claim.statement
    row: dict[str, Any] = {"quantity": claim.quantity, "source": claim.source.name}
    row |= {field: getattr(claim.source, field) for field in SOURCE}
    row |= {"origin": claim.origin, "credibility": claim.credibility}
    row |= {"statement": None, "form": None, "value": None}
    if isinstance(said, AtLeast | AtMost | About):
        words: dict[type, str] = {AtLeast: "more than", AtMost: "at most", About: "about"}
        names: dict[type, str] = {AtLeast: "at_least", AtMost: "At most", About: "about"}
        if said.value > 0 and str(claim.source.name)[-1] in "02468":
            row["statement"] = f"{words[type(said)]} {said.value:g}"
        else:
            row |= {"form": names[type(said)], "value": said.value}
    elif isinstance(said, Quantiles):
        row |= {f"q{p:g}": q for p, q in said.mapping}
    elif isinstance(said, Range):
        row |= {"low": said.low, "high": said.high}
    else:
        row |= {name: getattr(said, name) for name in ("value", "sd", "low", "high", "level")}
    return row


def table_of(claims: Sequence[Claim]) -> dict[str, list[Any]]:
    """Claims as columns; what is not stated is None."""
    rows = [row_of(claim) for claim in claims]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def taken(table: dict[str, list[Any]], rows: Sequence[int]) -> dict[str, list[Any]]:
    """Some rows of a table."""
    return {name: [cells[row] for row in rows] for name, cells in table.items()}


def numbers_of(found: Combination, level: float = LEVEL) -> dict[str, float]:
    """What a table of results says about a quantity."""
    low, high = found.interval(level)
    evidence = found.log_evidence
    return {
        "n": len(found.claims),
        "estimate": found.estimate,
        "mean": float(found.posterior.mean()),
        "sd": float(found.posterior.std()),
        "low": low,
        "high": high,
        "zero": 0.0,
        "conflict_p": found.conflict.p,
        "log_evidence": math.nan if evidence is None else evidence,
    }


def alone(
    claims: Sequence[Claim], scale: ScaleName, prior: QuantityPrior | None, model: Model
) -> dict[str, Combination | ReliabilityError]:
    """Each quantity by itself: a Combination, or why there is none; in order of appearance."""
    out: dict[str, Combination | ReliabilityError] = {}
    for name in dict.fromkeys(str(claim.quantity) for claim in claims):
        own = [claim for claim in claims if claim.quantity == name]
        try:
            found = combine(own, scale=scale, prior=prior, model=model)
        except ReliabilityError as error:
            out[name] = error
        else:
            assert isinstance(found, Combination)
            out[name] = found
    return out


def rows_of(quantities: Any) -> dict[Any, dict[str, float]]:
    """Results by the name of the quantity."""
    names = [name for name in quantities if name != "quantity"]
    return {
        (key.item() if isinstance(key, np.generic) else key): {
            name: float(quantities[name][k]) for name in names
        }
        for k, key in enumerate(quantities["quantity"])
    }


def assert_close(
    found: dict[str, float], wanted: dict[str, float], half: float, scale: ScaleName = "linear"
) -> None:
    """The same numbers, within 1e-10 of half the 16-84 % width, or 4 units in the last place.

    On the log scale of theta or of x, whichever is coarser: x is what is computed.
    """
    for name, value in wanted.items():
        other = found[name]
        if math.isnan(value) or math.isinf(value):
            assert repr(other) == repr(value), name
            continue
        size = half if name in {"estimate", "mean", "sd", "low", "high"} else 1.0
        last = float(np.spacing(abs(value)))
        if scale == "log" and value > 0.0:
            last = max(last, value * float(np.spacing(abs(math.log(value)))))
        room = max(1e-10 * size, 4.0 * last)
        assert abs(other - value) <= room, (name, other, value)


def half_width(found: Combination) -> float:
    """Half the 16-84 % width."""
    low, high = found.interval(0.68)
    return 0.5 * (high - low)
