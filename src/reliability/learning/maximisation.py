"""The maximisation step: parameters of the sources, shrunk towards each other.

Reliabilities have a beta prior, squared scales an inverse gamma, biases a normal around zero,
squared difficulties an inverse gamma around one; the hyperparameters maximise the evidence of
what the expectations say, so that a source with three claims is shrunk and one with three
thousand is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import betaln, gammaln

from reliability.engine.quadrature import segment_sum
from reliability.learning.error_law import Kind, Parameters
from reliability.learning.expectation import Expectations
from reliability.learning.observations import Observations

__all__ = [
    "DENSE",
    "Biases",
    "Hyperparameters",
    "Priors",
    "conjugate_gradients",
    "maximise",
    "solve_biases",
    "squared_errors",
]

Array = NDArray[np.float64]

#: Pseudo-counts of priors that are tried.
_COUNTS = np.exp(np.linspace(np.log(0.5), np.log(500.0), 40))
#: Systems of so many sources are solved directly, of more by conjugate gradients; these are faster
#: from fewer on where the inverse is not asked for.
DENSE, _SMALL = 1500, 200
#: Claims that are taken at a time, as caches hold.
_ROWS = 1 << 16
#: Squared biases of sources are at least this part of the squared spread, or there are none.
_NO_BIAS = 1e-6
#: Steps to where the spread of the biases ends.
_SOLVED = 100
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


@attrs.frozen(eq=False)
class Priors:
    """What is assumed of each source before its claims are seen.

    Parameters
    ----------
    reliability, reliability_count : (sources,) of beta priors
    scale, scale_count : (2 sources,) of inverse gamma priors on k^2, bare values and stated sds
    bias, bias_variance : (sources,) of normal priors
    learned : whether what sources have in common is fitted; else the priors are taken as given
    unbiased : (sources,) sources declared to have no bias
    """

    reliability: Array
    reliability_count: Array
    scale: Array
    scale_count: Array
    bias: Array
    bias_variance: Array
    learned: bool
    unbiased: NDArray[np.bool_]

    @staticmethod
    def common(hyper: Hyperparameters, unbiased: NDArray[np.bool_]) -> Priors:
        """The same for all sources."""
        sources = len(unbiased)
        whole = np.ones(sources)
        return Priors(
            hyper.reliability * whole,
            hyper.reliability_count * whole,
            np.tile(hyper.scale, sources),
            np.tile(hyper.scale_count, sources),
            0.0 * whole,
            hyper.bias_variance * np.where(unbiased, _UNBIASED, 1.0),
            True,
            unbiased,
        )

    def log_density(self, parameters: Parameters) -> float:
        """Log prior density of sources' parameters: of logit r, log k^2 and b.

        In these its mode is where `maximise` goes without claims.
        """
        c, square = 0.5 * self.scale_count, self.scale_count * self.scale**2
        out = np.sum(
            c * np.log(0.5 * square)
            - gammaln(c)
            - 2.0 * c * np.log(parameters.scale)
            - 0.5 * square / parameters.scale**2
        )
        b = parameters.bias - self.bias
        out -= 0.5 * np.sum(b**2 / self.bias_variance + np.log(2.0 * np.pi * self.bias_variance))
        if parameters.law.doubtful:
            r = parameters.reliability
            sound = self.reliability_count * self.reliability
            unsound = self.reliability_count - sound
            out += np.sum(sound * np.log(r) + unsound * np.log1p(-r) - betaln(sound, unsound))
        return float(out)


#: Variance of the bias of a source that is declared to have none, relative to others'.
_UNBIASED = 1e-9


def maximise(
    seen: Observations,
    parameters: Parameters,
    found: Expectations,
    hyper: Hyperparameters,
    priors: Priors,
    *,
    biases: bool,
    bias_spread: bool,
    difficulty: bool,
    common: bool = True,
    fully: bool = False,
) -> tuple[Parameters, Hyperparameters, Priors]:
    """Parameters that fit the expectations best, and hyperparameters that fit these.

    Parameters
    ----------
    seen, parameters, found : the claims, and the expectations under present parameters
    hyper, priors : what is assumed of the sources; fitted where ``priors.learned``
    biases, bias_spread, difficulty : whether these are learned
    common : whether the hyperparameters are fitted, where they are learned
    fully : whether the spread of the biases goes to where steps with it alone would end
    """
    law = parameters.law
    errors = squared_errors(seen, parameters, found)
    errors *= seen.weight
    sizes, counts = _sums(seen.group, errors, 2 * seen.sources)
    sound = _by_source(seen, seen.weight * found.sound)
    number = _by_source(seen, seen.weight)
    if priors.learned and common:
        if law.doubtful and number.any():
            hyper = _with_reliability(hyper, sound, number)
        hyper = _with_scales(hyper, parameters.scale**2 * sizes, counts)
        if difficulty:
            hyper = _with_difficulty(seen, parameters, errors, hyper)
        priors = Priors.common(hyper, priors.unbiased)
    reliability = np.ones(seen.sources)
    if law.doubtful:
        total = number + priors.reliability_count
        reliability = (sound + priors.reliability_count * priors.reliability) / total
        reliability = np.clip(reliability, _EDGE, 1.0 - _EDGE)
    # An update that is exact where the scale makes all of the variance, and stationary elsewhere.
    square = parameters.scale**2 * sizes + priors.scale_count * priors.scale**2
    scale = np.sqrt(square / (counts + priors.scale_count))
    factor = law.factor
    if priors.learned:
        factor = _factor(seen, parameters, found, float(np.median(scale / parameters.scale)))
    hard = parameters.difficulty
    if difficulty:
        hard = _difficulty(seen, parameters, errors, hyper.difficulty_count)
    bias = parameters.bias
    if biases:
        solved = solve_biases(seen, found, bias, priors, variances=bias_spread)
        bias = solved.bias
        if bias_spread:
            spread = _bias_variance(seen, solved, priors, fully=fully)
            hyper = attrs.evolve(hyper, bias_variance=spread)
    new = Parameters(
        attrs.evolve(law, factor=factor), reliability, scale, bias, parameters.bias_variance, hard
    )
    return new, hyper, priors


def _with_reliability(hyper: Hyperparameters, sound: Array, number: Array) -> Hyperparameters:
    """The beta prior of greatest evidence, given how many of the sources' claims are sound."""
    mean, count = _beta(sound, number, hyper.reliability)
    return attrs.evolve(hyper, reliability=mean, reliability_count=count)


def _with_scales(hyper: Hyperparameters, squares: Array, counts: Array) -> Hyperparameters:
    """The inverse gamma priors of greatest evidence, given sums of so many squared errors."""
    typical, pseudo = list(hyper.scale), list(hyper.scale_count)
    for stated in (0, 1):
        own = np.arange(stated, len(counts), 2)
        own = own[counts[own] > 0.0]
        if len(own):
            typical[stated], pseudo[stated] = _inverse_gamma(squares[own], counts[own])
    return attrs.evolve(hyper, scale=(typical[0], typical[1]), scale_count=(pseudo[0], pseudo[1]))


def _with_difficulty(
    seen: Observations, parameters: Parameters, errors: Array, hyper: Hyperparameters
) -> Hyperparameters:
    """The prior on difficulties of greatest evidence."""
    sizes, counts = _sums(seen.quantity, errors, seen.quantities)
    some = counts > 0.0
    _, pseudo = _inverse_gamma(parameters.difficulty[some] * sizes[some], counts[some])
    return attrs.evolve(hyper, difficulty_count=pseudo)


def _by_source(seen: Observations, values: Array) -> Array:
    return segment_sum(seen.source, values, seen.sources)


def _beta(sound: Array, total: Array, mean: float) -> tuple[float, float]:
    """Mean and pseudo-count of a beta prior on reliabilities, from counts of sound claims."""
    some = total > 0.0
    k, n = sound[some], total[some]
    count = 4.0
    for _ in range(3):
        a, b = mean * _COUNTS[:, None], (1.0 - mean) * _COUNTS[:, None]
        fit = np.sum(betaln(a + k, b + n - k) - betaln(a, b), axis=1)
        count = float(_COUNTS[np.argmax(fit)])
        mean = float(np.clip(np.mean((k + count * mean) / (n + count)), 0.01, 0.99))
    return mean, count


def squared_errors(seen: Observations, parameters: Parameters, found: Expectations) -> Array:
    """Squared errors in units of the own scale, and how many they count for: (2, claims).

    The rounding's part of the variance says nothing about the scale.
    """
    law = parameters.law
    out = np.empty((2, seen.count))
    for first in range(0, seen.count, _ROWS):
        rows = slice(first, first + _ROWS)
        own = parameters.own(seen, rows)
        sound, unsound = law.scaled(own, seen.rounding[rows], seen.stated[rows])
        z = found.sound[rows]
        out[0, rows] = sound * found.sound_square[rows] + unsound * found.unsound_square[rows]
        out[1, rows] = sound * z + unsound * (1.0 - z)
    return out


def _sums(codes: NDArray[np.int64], errors: Array, count: int) -> tuple[Array, Array]:
    """Sums of `squared_errors` by code."""
    return segment_sum(codes, errors[0], count), segment_sum(codes, errors[1], count)


def _factor(
    seen: Observations, parameters: Parameters, found: Expectations, change: float
) -> float:
    """Factor K of the unsound density, relative to the scale that sound claims fix."""
    law = parameters.law
    doubt = square = 0.0
    for first in range(0, seen.count if law.doubtful else 0, _ROWS):
        rows = slice(first, first + _ROWS)
        own = parameters.own(seen, rows)
        part = seen.weight[rows] * law.scaled(own, seen.rounding[rows], seen.stated[rows])[1]
        if law.kind is Kind.EXACT:  # bare values have no factor
            part *= seen.stated[rows]
        doubt += float(np.sum(part * (1.0 - found.sound[rows])))
        square += float(np.sum(part * found.unsound_square[rows]))
    if doubt <= 0.0:
        return law.factor
    return float(np.clip(law.factor * np.sqrt(square / doubt) / change, 1.5, 1e6))


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


def _difficulty(seen: Observations, parameters: Parameters, errors: Array, pseudo: float) -> Array:
    """Squared difficulties: how much larger errors are on some quantities, for all sources."""
    sizes, counts = _sums(seen.quantity, errors, seen.quantities)
    return np.asarray((parameters.difficulty * sizes + pseudo) / (counts + pseudo))


@attrs.frozen(eq=False)
class Biases:
    """Biases of all sources, with variances (nan where these were not asked for)."""

    bias: Array
    variance: Array


def solve_biases(
    seen: Observations,
    found: Expectations,
    bias: Array,
    priors: Priors,
    *,
    variances: bool = True,
) -> Biases:
    """Biases and locations solved together: one Newton step.

    Eliminating the locations leaves ``diag(sum h) - B' diag(1/H) B`` between the sources, with
    B the sums of claims' precisions h by quantity and source and H those by quantity (0 for 1/H
    where the truth is known): coordinate by coordinate the common shift would crawl.
    """
    from scipy.sparse import csr_matrix  # noqa: PLC0415

    h = found.precision * seen.weight
    g = found.pull * seen.weight
    shape = (seen.quantities, seen.sources)
    by_pair = csr_matrix((h, seen.source, seen.starts), shape=shape, copy=True)
    by_pair.sum_duplicates()
    total = np.asarray(by_pair.sum(axis=1)).ravel()
    with np.errstate(divide="ignore"):
        variance = np.where(seen.known | (total <= 0.0), 0.0, 1.0 / total)
    diagonal = _by_source(seen, h) + 1.0 / priors.bias_variance
    score = _by_source(seen, g) - (bias - priors.bias) / priors.bias_variance
    # The locations move with the biases: what is left of the pull after they have.
    pulled = segment_sum(seen.quantity, g, seen.quantities) * variance
    score -= np.asarray(by_pair.T @ pulled)
    if seen.sources <= (DENSE if variances else _SMALL):
        weighted: Any = csr_matrix(by_pair.multiply(variance[:, None]))
        matrix = np.diag(diagonal) - np.asarray((by_pair.T @ weighted).todense())
        factor = cho_factor(matrix)
        own = np.full(seen.sources, np.nan)
        if variances:
            own = np.diag(cho_solve(factor, np.eye(seen.sources))).copy()
        return Biases(bias + cho_solve(factor, score), own)

    def product(x: Array) -> Array:
        return np.asarray(diagonal * x - by_pair.T @ (variance * (by_pair @ x)))

    step = conjugate_gradients(product, diagonal, score)
    if not variances:
        return Biases(bias + step, np.full(seen.sources, np.nan))
    own = np.asarray(by_pair.multiply(by_pair).multiply(variance[:, None]).sum(axis=0)).ravel()
    return Biases(bias + step, 1.0 / (diagonal - own))


def _bias_variance(seen: Observations, solved: Biases, priors: Priors, *, fully: bool) -> float:
    """Variance of the sources' biases: what they are, and what they may yet be.

    That is a step of expectation-maximisation, slow where the biases are small beside their sds;
    ``fully`` is where such steps end if what the claims say of each bias stays.
    """
    free = ~priors.unbiased & (_by_source(seen, seen.weight) > 0.0)
    least = _NO_BIAS * seen.spread**2
    if not free.any():
        return least
    bias, variance, prior = solved.bias[free], solved.variance[free], priors.bias_variance[free]
    usual = float(np.mean(bias**2 + variance))
    if fully:
        # What the claims say: the posterior without the prior, of mean b and variance 1/told.
        told = np.maximum(1.0 / variance - 1.0 / prior, 1e-9 / variance)
        alone = bias / (variance * told)
        for _ in range(_SOLVED):
            both = usual + 1.0 / told
            # The ratio at whose fixed point the derivative of the evidence vanishes.
            usual *= float(np.sum((alone / both) ** 2) / np.sum(1.0 / both))
            usual = max(usual, least)
    return max(usual, least)


def conjugate_gradients(product: Callable[[Array], Array], diagonal: Array, right: Array) -> Array:
    """Solution of a positive definite system, preconditioned by the diagonal."""
    x = np.zeros_like(right)
    rest = right.copy()
    z = rest / diagonal
    p, rz = z.copy(), float(rest @ z)
    for _ in range(200):
        if rz <= 1e-20 * float(right @ (right / diagonal)):
            break
        ap = product(p)
        alpha = rz / float(p @ ap)
        x += alpha * p
        rest -= alpha * ap
        z = rest / diagonal
        new = float(rest @ z)
        p = z + (new / rz) * p
        rz = new
    return x
