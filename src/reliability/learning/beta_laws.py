"""Beta distributions of probability integral transforms, one per source, drawn to each other.

A source whose forecasts are calibrated has transforms u = F(truth) that are uniform, Beta(1, 1);
one that is overconfident has more of them near 0 and near 1, and a, b < 1. All that outcomes say
about a source's (a, b) are their number and the sums of log u and of log(1 - u).
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import (
    betainccinv,
    betaincinv,
    betaln,
    log_ndtr,
    ndtri_exp,
    polygamma,
    psi,
)

__all__ = ["LOG_TAIL", "BetaLaws", "Outcomes", "beta_scores", "fit_laws"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Log of the probability beyond which a truth counts as beyond it and no more: how far out a
#: truth lies there is a matter of the tails that a statement was given, not of what was stated.
#: Of 0.01, 0.001, 0.0001 and 1e-12, tried on held-out items of experts (TU Delft data base) and
#: on later weeks of flu forecasts (FluSight 2023/24), 1e-12 did worst on both: a single truth
#: beyond all that a source thought possible would decide its law. The first two did best.
LOG_TAIL = np.log(1e-3)
#: Log of a quantile below which its power law holds to the last digit, for b up to 10,000.
_SMALL = np.log(1e-20)
#: Sd of the common centre's log a and log b around those of calibrated sources, before any
#: outcome: a factor of e. Without it a single outcome would have no likeliest law.
_CENTRE_SD = 1.0
#: Sd of log a and log b between sources that a single source is worth before any outcome.
_SPREAD_SD = 0.25
#: Limits of log a and log b. Truths that always are the medians would have no finite a and b,
#: truths that always are beyond the tails none above 0.
_LEAST, _GREATEST = np.log(1e-3), np.log(1e4)
#: Iterations at the most, and the change of the centre and of the spread that ends them.
_ITERATIONS, _CHANGE = 500, 1e-6
#: Newton's steps at the most, their length, and the one that ends them.
_STEPS, _LONGEST, _CLOSE = 100, 1.0, 1e-11


@attrs.frozen(eq=False)
class Outcomes:
    """What the transforms of each source say of its law, (sources,) each.

    ``low`` and ``high`` are sums of log u and of log(1 - u); ``beyond_low`` and ``beyond_high``
    count the transforms below exp(LOG_TAIL) and above 1 minus it: those are known to be beyond
    it, with likelihood ``I_e(a, b) = e^a/(a B(a, b))`` to relative accuracy b e.
    """

    n: Array
    low: Array
    high: Array
    beyond_low: Array
    beyond_high: Array

    @classmethod
    def of(cls, z: Array, source: IntArray, sources: int) -> Outcomes:
        """From the standard normal scores of transforms, (claims,), and their sources."""

        def total(values: Array) -> Array:
            return np.bincount(source, values, minlength=sources).astype(np.float64)

        # A square beyond the floats is a log of minus infinity, which is beyond the tail.
        with np.errstate(over="ignore"):
            low, high = log_ndtr(z), log_ndtr(-z)
        return cls(
            total(np.ones(len(z))),
            total(np.maximum(low, LOG_TAIL)),
            total(np.maximum(high, LOG_TAIL)),
            total(low < LOG_TAIL),
            total(high < LOG_TAIL),
        )

    def take(self, sources: NDArray[np.bool_]) -> Outcomes:
        """Some of the sources."""
        return Outcomes(*(values[sources] for values in attrs.astuple(self, recurse=False)))

    def pooled(self) -> Outcomes:
        """All sources as one."""
        return Outcomes(
            *(np.array([values.sum()]) for values in attrs.astuple(self, recurse=False))
        )


@attrs.frozen(eq=False)
class BetaLaws:
    """What was found.

    Parameters
    ----------
    log_ab : (sources, 2) log a and log b
    covariance : (sources, 2, 2) of them, by Laplace's approximation, the centre's included
    pooled : (2,) log a and log b of all outcomes as of one source
    centre : (2,) log a and log b of the source in the middle, to which all are drawn
    spread : (2, 2) covariance of sources' log a and log b around the centre
    converged : whether centre and spread stopped changing
    """

    log_ab: Array
    covariance: Array
    pooled: Array
    centre: Array
    spread: Array
    converged: bool


def fit_laws(outcomes: Outcomes) -> BetaLaws:
    """Beta laws of all sources, with the normal law of their (log a, log b) learned from them.

    By expectation-maximisation: given the centre and the spread, every source's mode, by a step
    of Newton's method, and Laplace covariance; given those, the centre and the spread by moments
    (empirical Bayes; Carlin & Louis 2000, chapter 3). The centre has a normal prior of sd 1 around
    the calibrated (0, 0), the spread counts one source more with an sd of 0.25; a and b lie between
    0.001 and 10,000.
    """
    no_centre = np.zeros(2)
    prior = np.eye(2) / _CENTRE_SD**2
    everything, _ = _modes(outcomes.pooled(), np.zeros((1, 2)), no_centre, prior)
    pooled = everything[0]
    seen = outcomes.n > 0.0
    some = outcomes.take(seen)
    count = int(np.count_nonzero(seen))
    centre, spread = pooled.copy(), np.eye(2) * 0.5**2
    modes = np.tile(pooled, (count, 1))
    converged = False
    for _ in range(_ITERATIONS):
        precision = _inverse(spread)
        modes, covariance = _modes(some, modes, centre, precision, steps=1)
        before = np.concatenate([centre, spread.ravel()])
        centre = np.linalg.solve(count * precision + prior, precision @ modes.sum(axis=0))
        off = modes - centre
        spread = np.eye(2) * _SPREAD_SD**2 + off.T @ off + covariance.sum(axis=0)
        spread /= count + 1.0
        change = np.abs(np.concatenate([centre, spread.ravel()]) - before).max()
        if change < _CHANGE:
            converged = True
            break
    # The modes followed centre and spread by single steps; here they arrive.
    precision = _inverse(spread)
    modes, covariance = _modes(some, modes, centre, precision)
    # The centre is uncertain itself, and draws those most of whom little is known.
    pull = covariance @ precision
    of_centre = np.linalg.inv(prior + (precision - precision @ pull).sum(axis=0))
    log_ab = np.tile(centre, (len(seen), 1))
    around = np.tile(spread + of_centre, (len(seen), 1, 1))
    log_ab[seen] = modes
    around[seen] = covariance + pull @ of_centre @ pull.transpose(0, 2, 1)
    return BetaLaws(log_ab, around, pooled, centre, spread, converged)


def _inverse(matrices: Array) -> Array:
    return np.asarray(np.linalg.inv(matrices), dtype=np.float64)


def _objective(some: Outcomes, log_ab: Array, centre: Array, precision: Array) -> Array:
    """Log posterior density of each source's (log a, log b), less a constant."""
    a, b = np.exp(log_ab).T
    off = log_ab - centre
    likelihood = a * some.low + b * some.high - some.n * betaln(a, b)
    likelihood -= some.beyond_low * log_ab[:, 0] + some.beyond_high * log_ab[:, 1]
    return np.asarray(likelihood - 0.5 * np.einsum("si,ij,sj->s", off, precision, off))


def _modes(
    some: Outcomes, start: Array, centre: Array, precision: Array, *, steps: int = _STEPS
) -> tuple[Array, Array]:
    """Modes of (log a, log b) of all sources at once, and their Laplace covariances."""
    at = start
    value = _objective(some, at, centre, precision)
    for _ in range(steps):
        gradient, information = _derivatives(some, at, centre, precision)
        # What pushes against a limit stays there, and the other parameter goes on alone.
        held = ((at >= _GREATEST) & (gradient > 0.0)) | ((at <= _LEAST) & (gradient < 0.0))
        gradient[held] = 0.0
        information[held.any(axis=1), [[0], [1]], [[1], [0]]] = 0.0
        step = np.linalg.solve(information, gradient[:, :, None])[:, :, 0]
        step *= np.minimum(1.0, _LONGEST / np.maximum(np.abs(step).max(axis=1), 1e-300))[:, None]
        step = np.clip(at + step, _LEAST, _GREATEST) - at
        for _ in range(_STEPS):
            new = _objective(some, at + step, centre, precision)
            # Near the mode differences are rounding.
            worse = new < value - 1e-9 * np.abs(value)
            if not worse.any():
                break
            step[worse] *= 0.5
        at, value = at + step, new
        if np.abs(step).max(initial=0.0) < _CLOSE:
            break
    _, information = _derivatives(some, at, centre, precision)
    return at, _inverse(information)


def _derivatives(
    some: Outcomes, log_ab: Array, centre: Array, precision: Array
) -> tuple[Array, Array]:
    """Gradient (sources, 2) and observed information (sources, 2, 2).

    Where the observed information is not positive definite, far from the mode, it is the
    expected one of outcomes that are not beyond any tail.
    """
    ab = np.exp(log_ab)
    both = ab.sum(axis=1, keepdims=True)
    n = some.n[:, None]
    sums = np.stack([some.low, some.high], axis=1)
    beyond = np.stack([some.beyond_low, some.beyond_high], axis=1)
    drift = ab * (sums + n * (psi(both) - psi(ab)))
    gradient = drift - beyond - (log_ab - centre) @ precision
    expected = np.empty((len(ab), 2, 2))
    bend = polygamma(1, both)
    expected[:, 0, 1] = expected[:, 1, 0] = -some.n * ab[:, 0] * ab[:, 1] * bend[:, 0]
    diagonal = n * ab * ab * (polygamma(1, ab) - bend)
    expected[:, [0, 1], [0, 1]] = diagonal
    expected += precision
    observed = expected.copy()
    observed[:, [0, 1], [0, 1]] -= drift
    determinant = observed[:, 0, 0] * observed[:, 1, 1] - observed[:, 0, 1] ** 2
    bad = (observed[:, 0, 0] <= 0.0) | (determinant <= 0.0)
    observed[bad] = expected[bad]
    return gradient, observed


def beta_scores(p: Array, log_a: Array, log_b: Array) -> Array:
    """Standard normal scores of Beta quantiles: z with ``I_Phi(z)(a, b) = p``.

    Quantiles near 0 and near 1 keep their digits, however small they or their complements are:
    where they are below 1e-20, ``I_u(a, b) = u^a/(a B(a, b))`` to all of them.

    Parameters
    ----------
    p : (..., m) probabilities in (0, 1)
    log_a, log_b : (..., 1) logs of the parameters

    >>> beta_scores(np.array([0.025, 0.975]), np.zeros(1), np.zeros(1)).round(6)
    array([-1.959964,  1.959964])
    """
    a, b = np.exp(log_a), np.exp(log_b)
    log_beta = betaln(a, b)
    log_u = _log_quantile(betaincinv(a, b, p), (np.log(p) + log_a + log_beta) / a)
    log_rest = _log_quantile(betainccinv(b, a, p), (np.log1p(-p) + log_b + log_beta) / b)
    return np.where(log_u < log_rest, ndtri_exp(log_u), -ndtri_exp(log_rest))


def _log_quantile(quantile: ArrayLike, log_small: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.where(log_small < _SMALL, log_small, np.log(np.asarray(quantile)))
