"""The maximisation step: parameters of the sources, shrunk towards each other, and the hyperparameters.

Reliabilities have a beta prior, squared scales an inverse gamma, biases a normal around zero,
squared difficulties an inverse gamma around one; the hyperparameters maximise the evidence of
what the expectations say, so that a source with three claims is shrunk and one with three
thousand is not.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import betaln, gammaln

from reliability.learning.error_law import ErrorLaw, Kind, Parameters
from reliability.learning.expectation import Expectations
from reliability.learning.observations import Observations

__all__ = ["Biases", "Hyperparameters", "maximise", "solve_biases"]

Array = NDArray[np.float64]

#: Pseudo-counts of priors that are tried.
_COUNTS = np.exp(np.linspace(np.log(0.5), np.log(500.0), 40))
#: Sources with so many biases are solved by conjugate gradients.
_DENSE = 1500
#: Squared biases of sources are at least this part of the squared spread, or there are none.
_NO_BIAS = 1e-6
#: Reliabilities stay inside, for their logarithms.
_EDGE = 1e-6


@attrs.frozen
class Hyperparameters:
    """What sources have in common.

    Parameters
    ----------
    reliability, reliability_count : mean and pseudo-count of the beta prior
    scale, scale_count : k of a typical source and pseudo-count, of bare values and stated sds
    bias_variance : of sources' biases
    difficulty_count : pseudo-count of the prior on difficulties; infinite where there are none
    """

    reliability: float
    reliability_count: float
    scale: tuple[float, float]
    scale_count: tuple[float, float]
    bias_variance: float
    difficulty_count: float = np.inf


def maximise(
    seen: Observations,
    parameters: Parameters,
    found: Expectations,
    hyper: Hyperparameters,
    *,
    biases: bool,
    difficulty: bool,
) -> tuple[Parameters, Hyperparameters]:
    """Parameters that fit the expectations best, and hyperparameters that fit these."""
    law = parameters.law
    weight = seen.informative.astype(np.float64)
    reliability, hyper = _reliability(seen, found, hyper, weight, law)
    scale, hyper, factor = _scale(seen, parameters, found, hyper, weight)
    hard, hyper = parameters.difficulty, hyper
    if difficulty:
        hard, hyper = _difficulty(seen, parameters, found, hyper)
    bias, variance = parameters.bias, parameters.bias_variance
    if biases:
        step = solve_biases(seen, found, bias, hyper.bias_variance)
        bias = step.bias
        spread = float(np.mean(bias**2 + step.variance))
        hyper = attrs.evolve(hyper, bias_variance=max(spread, _NO_BIAS * seen.spread**2))
    return (
        Parameters(
            attrs.evolve(law, factor=factor), reliability, scale, bias, variance, hard
        ),
        hyper,
    )


def _by_source(seen: Observations, values: Array) -> Array:
    return np.bincount(seen.source, values, minlength=seen.sources)


def _reliability(
    seen: Observations, found: Expectations, hyper: Hyperparameters, weight: Array, law: ErrorLaw
) -> tuple[Array, Hyperparameters]:
    """Posterior means of reliabilities under a beta prior, which is fitted to the counts."""
    if law.kind is Kind.NORMAL:
        return np.ones(seen.sources), hyper
    total = _by_source(seen, weight)
    sound = _by_source(seen, weight * found.sound)
    some = total > 0.0
    mean, count = hyper.reliability, hyper.reliability_count
    k, n = sound[some], total[some]
    for _ in range(3):
        a, b = mean * _COUNTS[:, None], (1.0 - mean) * _COUNTS[:, None]
        fit = np.sum(betaln(a + k, b + n - k) - betaln(a, b), axis=1)
        count = float(_COUNTS[np.argmax(fit)])
        mean = float(np.mean((k + count * mean) / (n + count)))
        mean = float(np.clip(mean, 0.01, 0.99))
    reliability = (sound + count * mean) / (total + count)
    hyper = attrs.evolve(hyper, reliability=mean, reliability_count=count)
    return np.clip(reliability, _EDGE, 1.0 - _EDGE), hyper


def _squares(parameters: Parameters, seen: Observations, found: Expectations) -> Array:
    """Squared errors in units of the own scale, and how many they count for: (2, claims).

    The rounding's part of the variance says nothing about the scale.
    """
    law = parameters.law
    sound, unsound = law.scaled(parameters.own(seen), seen.rounding, seen.stated)
    size = sound * found.sound_square + unsound * found.unsound_square
    count = sound * found.sound + unsound * (1.0 - found.sound)
    return np.stack([size, count])


def _scale(
    seen: Observations,
    parameters: Parameters,
    found: Expectations,
    hyper: Hyperparameters,
    weight: Array,
) -> tuple[Array, Hyperparameters, float]:
    """Scales k of all groups of claims, and the factor K of the unsound density."""
    law = parameters.law
    size, count = weight * _squares(parameters, seen, found)
    groups = 2 * seen.sources
    sizes = np.bincount(seen.group, size, minlength=groups)
    counts = np.bincount(seen.group, count, minlength=groups)
    # An update that is exact where the scale makes all of the variance, and stationary elsewhere.
    old = parameters.scale**2
    scale, typical, pseudo = old.copy(), list(hyper.scale), list(hyper.scale_count)
    for stated in (0, 1):
        own = np.arange(stated, groups, 2)
        some = own[counts[own] > 0.0]
        if not len(some):
            continue
        squares = old[some] * sizes[some]
        typical[stated], pseudo[stated] = _inverse_gamma(squares, counts[some])
        prior = pseudo[stated] * typical[stated] ** 2
        scale[own] = (old[own] * sizes[own] + prior) / (counts[own] + pseudo[stated])
    hyper = attrs.evolve(
        hyper,
        scale=(typical[0], typical[1]),
        scale_count=(pseudo[0], pseudo[1]),
    )
    factor = law.factor
    wide = seen.stated if law.kind is Kind.EXACT else np.ones(seen.count, dtype=bool)
    if law.doubtful and wide.any():
        part = law.scaled(parameters.own(seen), seen.rounding, seen.stated)[1]
        part = weight * part * wide
        doubt = float(np.sum(part * (1.0 - found.sound)))
        if doubt > 0.0:
            rise = float(np.sum(part * found.unsound_square)) / doubt
            # Relative to the scale that sound claims fix.
            change = float(np.median(scale / old))
            factor = float(np.clip(factor * np.sqrt(rise / change), 1.5, 1e6))
    return np.sqrt(scale), hyper, factor


def _inverse_gamma(squares: Array, counts: Array) -> tuple[float, float]:
    """Typical scale and pseudo-count of an inverse gamma prior on squared scales.

    ``squares`` are sums of ``counts`` squared errors. The evidence of one is that of Snedecor's
    F; pseudo-counts are tried, the typical scale is iterated.
    """
    typical = max(float(np.sum(squares) / np.sum(counts)), 1e-300)
    count = 4.0
    for _ in range(4):
        a = _COUNTS[:, None]
        fit = np.sum(
            gammaln(0.5 * (a + counts))
            - gammaln(0.5 * a)
            + 0.5 * a * np.log(a * typical)
            - 0.5 * (a + counts) * np.log(a * typical + squares),
            axis=1,
        )
        count = float(_COUNTS[np.argmax(fit)])
        # The typical square at which its derivative vanishes.
        for _ in range(5):
            precision = (count + counts) / (count * typical + squares)
            typical = max(len(counts) / float(np.sum(precision)), 1e-300)
    return float(np.sqrt(typical)), count


def _difficulty(
    seen: Observations, parameters: Parameters, found: Expectations, hyper: Hyperparameters
) -> tuple[Array, Hyperparameters]:
    """Squared difficulties: how much larger errors are on some quantities, for all sources."""
    size, count = seen.informative * _squares(parameters, seen, found)
    sizes = np.bincount(seen.quantity, size, minlength=seen.quantities)
    counts = np.bincount(seen.quantity, count, minlength=seen.quantities)
    some = counts > 0.0
    squares = parameters.difficulty[some] * sizes[some]
    _, pseudo = _inverse_gamma(squares, counts[some])
    out = np.ones(seen.quantities)
    out[some] = (squares + pseudo) / (counts[some] + pseudo)
    return out, attrs.evolve(hyper, difficulty_count=pseudo)


@attrs.frozen(eq=False)
class Biases:
    """Biases of all sources, with variances, and the variance of a bias common to all."""

    bias: Array
    variance: Array
    covariance: Array | None


def solve_biases(
    seen: Observations, found: Expectations, bias: Array, bias_variance: float
) -> Biases:
    """Biases and locations solved together: one Newton step.

    Eliminating the locations leaves ``diag(sum h) - B' diag(1/H) B`` between the sources, with
    B the sums of claims' precisions h by quantity and source and H those by quantity (0 for 1/H
    where the truth is known): coordinate by coordinate the common shift would crawl.
    """
    from scipy.sparse import csr_matrix  # noqa: PLC0415

    h = found.precision * seen.informative
    g = found.pull * seen.informative
    shape = (seen.quantities, seen.sources)
    by_pair = csr_matrix((h, (seen.quantity, seen.source)), shape=shape)
    total = np.asarray(by_pair.sum(axis=1)).ravel()
    with np.errstate(divide="ignore"):
        variance = np.where(seen.known | (total <= 0.0), 0.0, 1.0 / total)
    diagonal = _by_source(seen, h) + 1.0 / bias_variance
    score = _by_source(seen, g) - bias / bias_variance
    # The locations move with the biases: what is left of the pull after they have.
    pulled = np.bincount(seen.quantity, g, minlength=seen.quantities) * variance
    score -= by_pair.T @ pulled
    if seen.sources <= _DENSE:
        weighted = by_pair.multiply(variance[:, None]).tocsr()
        matrix = np.diag(diagonal) - np.asarray((by_pair.T @ weighted).todense())
        factor = cho_factor(matrix)
        covariance = cho_solve(factor, np.eye(seen.sources))
        return Biases(bias + covariance @ score, np.diag(covariance).copy(), covariance)
    step = _conjugate_gradients(by_pair, variance, diagonal, score)
    own = np.asarray(by_pair.multiply(by_pair).multiply(variance[:, None]).sum(axis=0)).ravel()
    return Biases(bias + step, 1.0 / (diagonal - own), None)


def _conjugate_gradients(by_pair: Any, variance: Array, diagonal: Array, score: Array) -> Array:
    """Solve for the step, preconditioned by the diagonal."""
    x = np.zeros_like(score)
    rest = score.copy()
    z = rest / diagonal
    p, rz = z.copy(), float(rest @ z)
    for _ in range(200):
        if rz <= 1e-20 * float(score @ (score / diagonal)):
            break
        ap = diagonal * p - by_pair.T @ (variance * (by_pair @ p))
        alpha = rz / float(p @ ap)
        x += alpha * p
        rest -= alpha * ap
        z = rest / diagonal
        new = float(rest @ z)
        p = z + (new / rz) * p
        rz = new
    return x
