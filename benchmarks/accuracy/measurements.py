"""Measurements: early ones of a quantity, judged by later and far more precise ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import norm, t
from scoreboard import LEVELS, Contest, Found, rows_of

from reliability import Claim, Estimate, Model, combine
from reliability.comparators import (
    Average,
    birge_mean,
    dersimonian_laird,
    pdg_average,
    weighted_mean,
)
from reliability.priors import HalfCauchy, UniformShrinkage

__all__ = ["contest", "convolved", "stacked"]

Array = NDArray[np.float64]
FILE = "physics/pdg_early_late.csv"
SIVIA = "Sivia: Model(unknown_reliability=0.0)"

NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)
#: Panels of the convolution end here, in sds of the later value and at these probabilities.
STEPS = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0])
TAILS = 10.0 ** -np.arange(1, 13)
PROBABILITIES = np.concatenate([TAILS, np.linspace(0.15, 0.85, 15), 1.0 - TAILS])

#: Ready-made models.
MODELS = {
    "Model.common_effect()": Model.common_effect(),
    "Model.random_effects(UniformShrinkage())": Model.random_effects(UniformShrinkage()),
    "Model.reports()": Model.reports(),
    "Model.measurements()": Model.measurements(),
}
#: Sizes of a bias shared by all claims, in units of the smallest stated sd, and scales of a prior.
SIZES = np.array([0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0])
SCALES = (0.125, 0.25, 0.5, 1.0)
STEPS_OF_STACKING = 500


@attrs.frozen(eq=False)
class Question:
    """Early values ``x`` with sds ``u``; the later value and its sd."""

    x: Array
    u: Array
    truth: float
    truth_u: float

    @property
    def unit(self) -> float:
        """Sd of the early values' weighted mean: log scores are of the truth in this unit."""
        return float(1.0 / np.sqrt(np.sum(self.u**-2.0)))


def convolved(distribution: Any, truth: float, truth_u: float) -> tuple[float, float]:
    """Log density at, and probability below, a truth that has a normal error of its own.

    Integrals of the density and of the distribution function over the truth's error, in panels
    that end at multiples of its sd and at the distribution's own quantiles, 8 Gauss-Legendre
    nodes each: either may be much narrower than the other.
    """
    reach = truth_u * STEPS[-1]
    edges = np.concatenate([truth + truth_u * STEPS, truth - truth_u * STEPS])
    own = distribution.ppf(PROBABILITIES)
    edges = np.unique(np.concatenate([edges, own[np.abs(own - truth) < reach]]))
    half = 0.5 * np.diff(edges)
    x = (edges[:-1] + half)[:, None] + half[:, None] * NODES
    weight = half[:, None] * WEIGHTS * norm.pdf(x, truth, truth_u)
    density = float(np.sum(weight * distribution.pdf(x)))
    return float(np.log(density)), float(np.sum(weight * distribution.cdf(x)))


def read(folder: Path) -> list[Question]:
    """All quantities of the file."""
    return [
        Question(
            np.array(row["x"].split(), dtype=np.float64),
            np.array(row["u"].split(), dtype=np.float64),
            float(row["truth"]),
            float(row["truth_u"]),
        )
        for row in rows_of(folder / FILE)
    ]


def normal(method: Callable[[Array, Array], Average]) -> Callable[[Question], Any]:
    """An average with its sd, as a normal distribution."""

    def answer(q: Question) -> Any:
        average = method(q.x, q.u)
        return norm(average.estimate, average.sd)

    return answer


def hksj(q: Question) -> Any:
    """DerSimonian and Laird's mean with Student's t of Hartung, Knapp, Sidik and Jonkman."""
    average = dersimonian_laird(q.x, q.u, adjustment="hksj", level=0.5)
    df = len(q.x) - 1
    return t(df, average.estimate, 0.5 * (average.high - average.low) / t.ppf(0.75, df))


def posterior(model: Model | Callable[[Question], Model]) -> Callable[[Question], Any]:
    """The posterior of ``combine``."""

    def answer(q: Question) -> Any:
        claims = [
            Claim(f"measurement {k}", Estimate(float(x), sd=float(u)))
            for k, (x, u) in enumerate(zip(q.x, q.u, strict=True))
        ]
        one = model if isinstance(model, Model) else model(q)
        result: Any = combine(claims, model=one)
        return result.posterior

    return answer


def nist(q: Question) -> Model:
    """Hierarchical model of the NIST Consensus Builder: tau by the values' absolute deviation."""
    scale = float(np.median(np.abs(q.x - np.median(q.x))))
    return Model.random_effects(HalfCauchy(scale if scale > 0.0 else q.unit))


@attrs.frozen(eq=False)
class Law:
    """What a method's distributions say of the later values.

    Attributes
    ----------
    scores : (questions,) log densities, of the truth in each question's unit
    below : (questions,) probabilities below
    """

    scores: Array
    below: Array

    @property
    def found(self) -> Found:
        """Scores and intervals."""
        far = np.abs(2.0 * self.below - 1.0)
        return Found(self.scores, {level: far <= level for level in LEVELS})


def law(questions: list[Question], distributions: list[Any], shared: float = 0.0) -> Law:
    """Log densities and probabilities under distributions, one a question.

    ``shared`` is a bias common to all claims, in units of the smallest stated sd: under a flat
    prior ``Model(shared=...)`` convolves the posterior with its normal distribution, and so it is
    added to the later value's own error.
    """
    both = np.array(
        [
            convolved(one, q.truth, float(np.hypot(q.truth_u, shared * q.u.min())))
            for q, one in zip(questions, distributions, strict=True)
        ]
    )
    return Law(both[:, 0] + np.log([q.unit for q in questions]), both[:, 1])


def averaged(laws: list[Law], weights: Array) -> Law:
    """Weighted means of distributions; weights (questions, laws), or (laws,) for all questions."""
    scores = np.array([one.scores for one in laws]).T
    below = np.array([one.below for one in laws]).T
    w = np.broadcast_to(weights, scores.shape)
    return Law(np.asarray(logsumexp(scores, axis=1, b=w)), np.sum(w * below, axis=1))


def half_cauchy(scale: float) -> Array:
    """Probabilities of the sizes of a shared bias, each standing for those nearest to it."""
    edges = np.concatenate([[0.0], 0.5 * (SIZES[1:] + SIZES[:-1]), [np.inf]])
    return np.asarray(np.diff(np.arctan(edges / scale)) * 2.0 / np.pi)


def best_of_the_others(laws: list[Law]) -> Law:
    """For each question the law with the best mean log score of all other questions."""
    scores = np.array([one.scores for one in laws])
    best = np.argmax(scores.sum(axis=1, keepdims=True) - scores, axis=0)
    return averaged(laws, np.eye(len(laws))[best])


def stacked(laws: list[Law]) -> Law:
    """Mean of laws with the weights that are best for the other questions.

    The weights that maximise the mean log score (Yao, Vehtari, Simpson & Gelman 2018,
    doi:10.1214/17-BA1091), by expectation and maximisation from equal weights.
    """
    scores = np.array([one.scores for one in laws]).T
    density = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights = np.full(density.shape, 1.0 / len(laws))
    counted = 1.0 - np.eye(len(density))
    for _ in range(STEPS_OF_STACKING):
        total = weights @ density.T  # (left out, question)
        weights *= (counted / total) @ density / (len(density) - 1)
    return averaged(laws, weights)


def contest(folder: Path) -> list[Contest]:
    """Every method on every quantity."""
    questions = read(folder)
    out = Contest(
        "measurements",
        "mean log score of the later value under the posterior from the early ones, convolved "
        "with the later value's own normal error; unit: sd of the early weighted mean",
        "0.03 above Sivia, cover of 50 % 46 to 54, of 95 % 93 to 97",
        higher_is_better=True,
        answers=[],
        groups=np.arange(len(questions)),
        baseline=SIVIA,
    )
    posteriors: dict[str, list[Any]] = {}

    def run(name: str, answer: Callable[[Question], Any], *, ours: bool = False) -> None:
        def method() -> Found:
            posteriors[name] = [answer(q) for q in questions]
            return law(questions, posteriors[name]).found

        out.run(name, method, ours=ours)

    run("weighted mean", normal(weighted_mean))
    run("Birge", normal(birge_mean))
    run("PDG scale factor", normal(pdg_average))
    run("DerSimonian-Laird", normal(dersimonian_laird))
    run("DerSimonian-Laird, HKSJ", hksj)
    run("NIST hierarchical: tau HalfCauchy(MAD)", posterior(nist))
    run(SIVIA, posterior(Model(unknown_reliability=0.0)))
    for name, model in MODELS.items():
        run(name, posterior(model), ours=True)
    many = [law(questions, posteriors[name], size) for name in [SIVIA, *MODELS] for size in SIZES]
    of = {name: many[k * len(SIZES) :][: len(SIZES)] for k, name in enumerate([SIVIA, *MODELS])}
    for name in ("Model.common_effect()", "Model.reports()", "Model.measurements()"):
        half = of[name][SIZES.tolist().index(0.5)]
        out.run(f"{name}, shared=0.5", lambda one=half: one.found, ours=True)  # type: ignore[misc]
        tried = [averaged(of[name], half_cauchy(scale)) for scale in SCALES]
        best = best_of_the_others(tried)
        what = f"{name}, shared HalfCauchy(scale), scale learned"
        out.run(what, lambda one=best: one.found, ours=True)  # type: ignore[misc]
    out.run(
        "all of these and shared biases, weights learned", lambda: stacked(many).found, ours=True
    )
    sizes = ", ".join(f"{size:g}" for size in SIZES)
    out.notes.append(
        f"shared HalfCauchy(scale): means of the posteriors with shared = {sizes}, which the "
        f"prior weighs; scale {', '.join(f'{s:g}' for s in SCALES)}, by the log score of the "
        "other quantities. Weights learned: the same way, of every model here with every size"
    )
    return [out]
