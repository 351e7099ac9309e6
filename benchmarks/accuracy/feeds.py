"""Feeds: many sources, many quantities, no truth to learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import attrs
import numpy as np
from numpy.typing import NDArray
from scoreboard import Contest, Found, between, rows_of

from reliability import Model, combine_many, learn
from reliability.comparators import catd, crh, gtm, mean_per_quantity, median_per_quantity
from reliability.priors import UniformShrinkage

__all__ = ["contest", "spreads"]

Array = NDArray[np.float64]
#: Files, and the scale on which errors are alike.
SETS: dict[str, tuple[str, Literal["linear", "log"]]] = {
    "weather_temperature": (".csv.gz", "linear"),
    "weather_humidity": (".csv.gz", "linear"),
    "population_clean": (".csv", "log"),
    "flight": (".csv", "linear"),
}
#: Level of intervals.
LEVEL = 0.9
#: Claims of average error that every source is credited with.
PSEUDO = 5.0
#: Sd of a normal distribution over its mean absolute deviation.
SD_OF_DEVIATION = float(np.sqrt(np.pi / 2.0))


@attrs.frozen(eq=False)
class Feed:
    """Claims, one row each, and the truths of some quantities."""

    name: str
    scale: Literal["linear", "log"]
    quantity: NDArray[np.str_]
    source: NDArray[np.str_]
    value: Array
    truth: dict[str, float]

    @property
    def table(self) -> dict[str, Any]:
        """As ``combine_many`` takes it."""
        return {"quantity": self.quantity, "source": self.source, "value": self.value}

    @property
    def x(self) -> Array:
        """Values on the scale."""
        return np.log(self.value) if self.scale == "log" else self.value

    @property
    def possible(self) -> Feed:
        """The claims that the scale allows: on the log scale those above 0."""
        kept = (self.value > 0.0) | (self.scale == "linear")
        return attrs.evolve(
            self, quantity=self.quantity[kept], source=self.source[kept], value=self.value[kept]
        )


def read(folder: Path, name: str) -> Feed:
    """One set; of the truths those about which there are claims."""
    ending, scale = SETS[name]
    rows = list(rows_of(folder / "feeds" / f"{name}_claims{ending}"))
    quantity = np.array([row["quantity"] for row in rows])
    known = set(quantity.tolist())
    truth = {
        row["quantity"]: float(row["truth"])
        for row in rows_of(folder / "feeds" / f"{name}_truth.csv")
        if row["quantity"] in known
    }
    source = np.array([row["source"] for row in rows])
    return Feed(name, scale, quantity, source, np.array([float(r["value"]) for r in rows]), truth)


def scored(feed: Feed, quantities: Any, estimate: Array, ends: Any = None) -> Found:
    """Absolute errors, and whether 90 % intervals held the truth.

    The answer about a quantity that is missing is 0: all claims about it were 0, which the log
    scale does not allow.
    """
    place = {name: k for k, name in enumerate(quantities)}
    rows = [place.get(name, len(place)) for name in feed.truth]
    truth = np.array(list(feed.truth.values()))
    inside = {}
    if ends is not None:
        low, high = (np.append(end, 0.0)[rows] for end in ends)
        inside[0.9] = between(low, high, truth)
    return Found(np.abs(np.append(estimate, 0.0)[rows] - truth), inside)


def spreads(feed: Feed) -> tuple[float, Array]:
    """Sd on the scale of all claims, and of each claim's source, from distances to medians.

    Means of absolute distances times sqrt(pi/2); a source's mean with ``PSEUDO`` average claims
    added.
    """
    _, quantity = np.unique(feed.quantity, return_inverse=True)
    _, source = np.unique(feed.source, return_inverse=True)
    order = np.argsort(quantity, kind="stable")
    middle = np.empty(quantity.max() + 1)
    for rows in np.split(order, np.flatnonzero(np.diff(quantity[order])) + 1):
        middle[quantity[rows[0]]] = np.median(feed.x[rows])
    distance = np.abs(feed.x - middle[quantity])
    common = float(distance.mean())
    total = np.bincount(source, distance) + PSEUDO * common
    own = total / (np.bincount(source) + PSEUDO)
    return SD_OF_DEVIATION * common, SD_OF_DEVIATION * own[source]


def engine(feed: Feed, model: Model, sd: Array | None = None) -> Found:
    """``combine_many`` on the quantities whose truth is known; sds are those on the scale."""
    asked = np.isin(feed.quantity, list(feed.truth))
    table = {name: column[asked] for name, column in feed.table.items()}
    if sd is not None:
        table["sd"] = sd[asked] * (table["value"] if feed.scale == "log" else 1.0)
    found = combine_many(table, scale=feed.scale, model=model, level=0.9)
    return scored(feed, found["quantity"], found["estimate"], (found["low"], found["high"]))


def learned(feed: Feed) -> Found:
    """``learn`` without truths, of the values as they are."""
    table = learn(feed.table, scale=feed.scale, level=LEVEL).quantities
    return scored(feed, table["quantity"], table["estimate"], (table["low"], table["high"]))


def learned_with_truths(feed: Feed, seed: int = 1) -> str:
    """What ``learn`` does to the other quantities when a tenth of the truths is known."""
    names = sorted(feed.truth)
    rng = np.random.default_rng(seed)
    known = {names[i] for i in rng.choice(len(names), len(names) // 10, replace=False)}
    truths = {"quantity": sorted(known), "truth": [feed.truth[name] for name in sorted(known)]}
    table = learn(feed.table, truths, scale=feed.scale, level=LEVEL).quantities
    rows = [
        (abs(estimate - feed.truth[name]), low <= feed.truth[name] <= high)
        for name, estimate, low, high in zip(
            table["quantity"].tolist(),
            table["estimate"].tolist(),
            table["low"].tolist(),
            table["high"].tolist(),
            strict=True,
        )
        if name in feed.truth and name not in known
    ]
    error, inside = np.mean(np.array(rows, dtype=np.float64), axis=0)
    return (
        f"learn with a tenth of the truths known: {error:.4g} on the {len(rows)} others, of which "
        f"intervals of 90 % cover {100.0 * inside:.0f} %"
    )


def one_set(feed: Feed) -> Contest:
    """Every method on one set."""
    out = Contest(
        f"feeds: {feed.name}",
        "mean absolute error of the estimate, in the quantity's unit; no truths used",
        "lower than every other method, on all four sets with one default",
        higher_is_better=False,
        answers=[],
        groups=np.array(list(feed.truth)),
    )
    others: dict[str, Callable[[dict[str, Any]], Any]] = {
        "mean": mean_per_quantity,
        "median": median_per_quantity,
        "CRH, absolute loss": crh,
        "CRH, squared loss": lambda table: crh(table, loss="squared"),
        "CATD": catd,
        "CATD, raw units": lambda table: catd(table, standardise=False),
        "GTM": gtm,
    }
    for name, method in others.items():

        def answer(method: Callable[[dict[str, Any]], Any] = method) -> Found:
            found = method(feed.table)
            return scored(feed, found.quantities, found.truth)

        out.run(name, answer)
    allowed = feed.possible
    if left := len(feed.value) - len(allowed.value):
        out.notes.append(
            f"{left} claims of 0 do not fit the log scale; ours are without them, and "
            "answer 0 where there are no others"
        )
    common, own = spreads(allowed)
    same = np.full(len(own), common)
    effects = Model.random_effects(UniformShrinkage())
    for name, model, sd in (
        ("Model.reports(), values as stated", Model.reports(), None),
        ("Model.reports(), one sd", Model.reports(), same),
        ("Model.reports(), sds of sources", Model.reports(), own),
        ("Model.common_effect(), sds of sources", Model.common_effect(), own),
        ("Model.random_effects(UniformShrinkage()), sds of sources", effects, own),
    ):
        if sd is None and feed.scale == "linear" and np.any(feed.value == 0.0):
            out.notes.append(f"not run: {name}; a value of 0 has no digits to read an error from")
            continue
        out.run(name, lambda m=model, s=sd: engine(allowed, m, s), ours=True)  # type: ignore[misc]
    out.run("learn", lambda: learned(allowed), ours=True)
    out.notes.append(learned_with_truths(allowed))
    out.notes.append(
        "sds by the claims' mean distance from their quantity's median: of all claims, or of the "
        "source's with 5 average ones added"
    )
    return out


def contest(folder: Path) -> Iterator[Contest]:
    """Every method on every set."""
    return (one_set(read(folder, name)) for name in SETS)
