"""What became of single claims, whichever way their posterior was found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns, Form
from reliability.engine import normal
from reliability.engine.explain import PerClaim, per_claim, soundness_of
from reliability.engine.inference import Inference, background_of, infer
from reliability.engine.presence import likelihoods
from reliability.engine.reliability import reliability_if_something
from reliability.engine.voids import with_voids
from reliability.priors import PriorsOnX

__all__ = ["soundness_of_dropped", "weights_and_soundness"]

Array = NDArray[np.float64]


def weights_and_soundness(inference: Inference) -> PerClaim:
    """Weights, and posterior probabilities to be sound, of the claims that count.

    Weights are those where there is something; claims of presence have none.
    """
    rows = inference.rows
    found = _of_numbers(inference)
    if rows.count == inference.columns.count and inference.zero == 0.0:
        return found
    said = rows.form == Form.PRESENCE
    weight, soundness = np.zeros((2, rows.count))
    weight[~said], soundness[~said] = found.weight, found.soundness
    if inference.presence is not None:
        soundness[said] = _if_something(inference, inference.presence)
    if inference.atom is not None and inference.atom.at_zero is not None:
        own = inference.atom.at_zero.soundness()
        at_zero = np.ones(rows.count)
        at_zero[said if inference.normal is not None else slice(None)] = own
        soundness = inference.zero * at_zero + (1.0 - inference.zero) * soundness
    return PerClaim(soundness, weight)


def _of_numbers(inference: Inference) -> PerClaim:
    if inference.normal is not None:
        return PerClaim(np.ones(inference.columns.count), normal.weights(inference.normal))
    if inference.dated is not None:
        dated = inference.dated
        return PerClaim(dated.soundness(), dated.weights_of_claims(inference.time))
    if inference.mixture is None:
        return PerClaim(np.zeros(0), np.zeros(0))
    return per_claim(inference.mixture)


def _if_something(inference: Inference, presence: Columns) -> Array:
    """Probability to be sound of claims of presence where there is something."""
    sound, unsound = (np.exp(logs) for logs in likelihoods(presence, zero=False))
    r = presence.reliability
    with np.errstate(invalid="ignore"):
        out = np.where(sound > 0.0, r * sound / (r * sound + (1.0 - r) * unsound), 0.0)
    unknown = np.flatnonzero(np.isnan(r) & (sound > 0.0))
    if len(unknown):
        density = reliability_if_something(inference)
        logit = density.panels.anchor[:, None] + density.panels.nodes()[0]
        odds = np.exp(logit)
        for claim in unknown.tolist():
            values = odds / (odds + unsound[claim])
            out[claim] = float(np.sum(density.mesh.node_mass * values))
    return out


def soundness_of_dropped(inference: Inference, row: Columns) -> float:
    """Posterior probability that a claim is sound that does not count, such as a repeat."""
    reliability = float(row.reliability[0])
    if reliability in {0.0, 1.0}:
        return reliability
    if inference.dated is not None:
        return float("nan")
    # What does not count has no share among the others; asked about alone it has all.
    row = row.with_fields(share=np.ones(1))
    if row.form[0] == Form.PRESENCE:
        something = float(_if_something(inference, row)[0])
    else:
        inference, row, something = _number_if_something(inference, row)
    if inference.atom is None or inference.atom.at_zero is None:
        return something
    nothing = float(inference.atom.at_zero.soundness(row)[0])
    return inference.zero * nothing + (1.0 - inference.zero) * something


def _number_if_something(inference: Inference, row: Columns) -> tuple[Inference, Columns, float]:
    """The probability where there is something, of a number, and what it was found with."""
    if inference.mixture is None:
        # The others are sound for certain; the closed form says nothing about one that is not.
        inference = infer(inference.rows, inference.setup, closed_form=False)
    solution = inference.mixture
    assert solution is not None  # noqa: S101 - not the closed form
    prior = PriorsOnX.common(background_of(inference.setup, inference.prior), 1)
    row = with_voids(row, inference.setup, prior, inference.columns)
    return inference, row, soundness_of(solution, row)
