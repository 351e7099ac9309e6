"""Expert judgement studies: quantiles and seed items on their background scale, and their score."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray
from scoreboard import Found, rows_of

from reliability import Quantiles
from reliability.comparators import QuantileTable
from reliability.scores import pinball

__all__ = ["ASKED", "Study", "read_studies", "scored"]

Array = NDArray[np.float64]
#: Probabilities of the quantiles that are scored.
ASKED = np.array([0.05, 0.5, 0.95])
#: By how much of its width the experts' range is extended at both ends (Cooke 1991).
OVERSHOOT = 0.1


@attrs.frozen(eq=False)
class Study:
    """Seed items of one study, in x: logarithms where an item's background is log-uniform.

    Attributes
    ----------
    name : of the study
    experts : names
    levels : (m,) probabilities of the stated quantiles
    x : (experts, items, m), nan where an expert did not assess an item
    truth : (items,) realisations
    """

    name: str
    experts: list[str]
    levels: Array
    x: Array
    truth: Array

    @property
    def present(self) -> NDArray[np.bool_]:
        """(experts, items) whether an assessment was made."""
        return np.asarray(~np.isnan(self.x).any(axis=2))

    @property
    def width(self) -> Array:
        """(items,) width of the experts' range, extended: the unit of the scores."""
        span = np.nanmax(self.x, axis=(0, 2)) - np.nanmin(self.x, axis=(0, 2))
        return np.asarray((1.0 + 2.0 * OVERSHOOT) * span)

    @property
    def asked(self) -> Array:
        """(experts, items, 3) quantiles that are scored; where not stated, of the curve."""
        if np.isin(ASKED, self.levels).all():
            return np.asarray(self.x[:, :, np.searchsorted(self.levels, ASKED)])
        out = np.full((*self.x.shape[:2], len(ASKED)), np.nan)
        for expert, item in np.argwhere(self.present):
            stated = dict(zip(self.levels.tolist(), self.x[expert, item].tolist(), strict=True))
            out[expert, item] = QuantileTable(Quantiles(stated)).ppf(ASKED)
        return out


def read_studies(folder: Path) -> list[Study]:
    """All studies with the seed items whose realisation is known."""
    seeds: dict[str, dict[str, tuple[bool, float]]] = {}
    for row in rows_of(folder / "experts" / "items.csv"):
        if row["realization"]:
            seeds.setdefault(row["study"], {})[row["item"]] = (
                row["scale"] == "log",
                float(row["realization"]),
            )
    said: dict[str, dict[tuple[str, str], dict[float, float]]] = {}
    for row in rows_of(folder / "experts" / "assessments.csv"):
        if row["item"] not in seeds.get(row["study"], {}):
            continue
        quantiles = {float(key[1:]): float(v) for key, v in row.items() if key[0] == "q" and v}
        if quantiles:
            said.setdefault(row["study"], {})[row["expert"], row["item"]] = quantiles
    return [_study(name, seeds[name], answers) for name, answers in said.items()]


def _study(
    name: str,
    seeds: dict[str, tuple[bool, float]],
    answers: dict[tuple[str, str], dict[float, float]],
) -> Study:
    levels = sorted({level for quantiles in answers.values() for level in quantiles})
    experts = list(dict.fromkeys(expert for expert, _ in answers))
    x = np.full((len(experts), len(seeds), len(levels)), np.nan)
    for (expert, item), quantiles in answers.items():
        if sorted(quantiles) != levels:
            raise ValueError(f"{name}, {expert}, item {item}: other quantiles than the study's")
        x[experts.index(expert), list(seeds).index(item)] = [quantiles[p] for p in levels]
    log = np.array([log for log, _ in seeds.values()])
    truth = np.array([value for _, value in seeds.values()])
    x[:, log], truth[log] = np.log(x[:, log]), np.log(truth[log])
    return Study(name, experts, np.array(levels), x, truth)


def scored(studies: list[Study], answers: list[Array]) -> Found:
    """Mean pinball loss of the 5, 50 and 95 % quantiles over the range; cover of 90 %.

    Parameters
    ----------
    studies : all of them
    answers : (items, 3) quantiles in x, of every study
    """
    losses, inside = [], []
    for study, quantiles in zip(studies, answers, strict=True):
        loss = pinball(quantiles, ASKED, study.truth[:, None])
        losses.append(np.mean(loss, axis=1) / study.width)
        inside.append((quantiles[:, 0] <= study.truth) & (study.truth <= quantiles[:, 2]))
    return Found(np.concatenate(losses), {0.9: np.concatenate(inside)})
