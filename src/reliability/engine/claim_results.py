"""What became of single claims, whichever way their posterior was found."""

from __future__ import annotations

import numpy as np

from reliability.claims.columns import Columns
from reliability.engine import normal
from reliability.engine.explain import PerClaim, per_claim, soundness_of
from reliability.engine.inference import Inference, infer
from reliability.engine.voids import with_voids
from reliability.priors import PriorsOnX

__all__ = ["soundness_of_dropped", "weights_and_soundness"]


def weights_and_soundness(inference: Inference) -> PerClaim:
    """Weights, and posterior probabilities to be sound, of the claims that count."""
    if inference.normal is not None:
        return PerClaim(np.ones(inference.columns.count), normal.weights(inference.normal))
    if inference.dated is not None:
        dated = inference.dated
        return PerClaim(dated.soundness(), dated.weights_of_claims(inference.time))
    assert inference.mixture is not None  # noqa: S101 - one of both is there
    return per_claim(inference.mixture)


def soundness_of_dropped(inference: Inference, row: Columns) -> float:
    """Posterior probability that a claim is sound that does not count, such as a repeat."""
    reliability = float(row.reliability[0])
    if reliability in {0.0, 1.0}:
        return reliability
    if inference.dated is not None:
        return float("nan")
    solution = inference.mixture
    if solution is None:
        # The others are sound for certain; the closed form says nothing about one that is not.
        inference = infer(inference.columns, inference.setup, closed_form=False)
        solution = inference.mixture
    assert solution is not None  # noqa: S101 - not the closed form
    prior = PriorsOnX.common(inference.prior, 1)
    # What does not count has no share among the others; asked about alone it has all.
    row = row.with_fields(share=np.ones(1))
    return soundness_of(solution, with_voids(row, inference.setup, prior, inference.columns))
