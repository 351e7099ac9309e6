"""Fitting the sources' parameters: expectation-maximisation from several starts."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from reliability.engine.quadrature import segment_sum
from reliability.learning.error_law import DEGREES_OF_FREEDOM, ErrorLaw, Kind, Parameters
from reliability.learning.expectation import Expectations, expect
from reliability.learning.maximisation import Hyperparameters, Priors, maximise
from reliability.learning.observations import Observations, medians

__all__ = ["Fit", "fit", "objective", "starts", "vector", "with_vector"]

Array = NDArray[np.float64]

#: Iterations between tries of other degrees of freedom, and of other spreads of the biases.
_TRY_EVERY = 5
#: Root mean square change of log k, logit r and b in a step at which they have converged.
_TOLERANCE = 1e-3
#: Sources of whom the spread of the biases is learned in every iteration.
_FEW = 200
#: Longest extrapolation, in steps.
_LONGEST = 16.0
#: Reliabilities stay inside, for their logits.
_EDGE = 1e-6


@attrs.frozen(eq=False)
class Fit:
    """A fitted law.

    Parameters
    ----------
    parameters, hyperparameters : what fits best
    priors : what was assumed of each source
    expectations : of the claims and quantities, given these
    objective : log evidence of the claims and log prior of the parameters after each iteration
    converged : whether the parameters stopped changing
    """

    parameters: Parameters
    hyperparameters: Hyperparameters
    priors: Priors
    expectations: Expectations
    objective: tuple[float, ...]
    converged: bool


def starts(seen: Observations, law: ErrorLaw) -> list[tuple[Parameters, Hyperparameters]]:
    """Parameters to start from: errors as if medians, and as if means, were the truth."""
    mean = np.full(seen.quantities, np.nan)
    some = seen.sizes > 0
    mean[some] = np.add.reduceat(seen.location, seen.starts[:-1][some]) / seen.sizes[some]
    out = []
    for middle in (medians(seen.location, seen.starts), mean):
        center = np.where(seen.known, seen.truth, middle)
        z = np.abs(seen.location - center[seen.quantity]) / seen.sd
        groups = 2 * seen.sources
        some = seen.informative
        # A robust mean: the square root of sizes weighs outliers little.
        size = segment_sum(seen.group[some], np.sqrt(z[some]), groups)
        count = segment_sum(seen.group[some], np.ones(int(some.sum())), groups)
        whole = float(size.sum() / max(count.sum(), 1))
        scale = np.maximum((size + 2.0 * whole) / (count + 2.0), 1e-3) ** 2
        if law.kind is Kind.EXACT:
            scale = np.maximum(scale, 1.0)
        typical = float(np.median(scale[count > 0])) if np.any(count) else 1.0
        reliability = 1.0 if law.kind is Kind.NORMAL else 0.7
        parameters = Parameters(
            law,
            np.full(seen.sources, reliability),
            scale,
            np.zeros(seen.sources),
            np.zeros(seen.sources),
            np.ones(seen.quantities),
        )
        hyper = Hyperparameters(reliability, 4.0, (typical, typical), (4.0, 4.0), seen.spread**2)
        out.append((parameters, hyper))
    return out


def fit(
    seen: Observations,
    start: tuple[Parameters, Hyperparameters],
    *,
    priors: Priors | None = None,
    iterations: int = 30,
    biases: bool = True,
    difficulty: bool = False,
) -> Fit:
    """Expectation-maximisation from one start.

    Parameters
    ----------
    seen : the claims
    start : parameters and hyperparameters
    priors : what is assumed of each source; by default what they have in common, which is fitted
    iterations : most of them
    biases, difficulty : whether these are learned
    """
    parameters, hyper = start
    if priors is None:
        priors = Priors.common(hyper, np.zeros(seen.sources, dtype=bool))
    found = expect(seen, parameters)
    path = [objective(seen, found) + priors.log_density(parameters)]
    trail = [parameters]
    few = seen.sources <= _FEW
    converged = False
    for step in range(iterations):
        new, hyper, priors = maximise(
            seen,
            parameters,
            found,
            hyper,
            priors,
            biases=biases and step > 0,
            bias_spread=priors.learned and (few or step % _TRY_EVERY == 1),
            difficulty=difficulty,
        )
        change = _change(new, parameters, seen)
        parameters = new
        if parameters.law.doubtful and priors.learned and step % _TRY_EVERY == _TRY_EVERY - 1:
            parameters = _best_tails(seen, parameters, found)
        found = expect(seen, parameters, last=found)
        path.append(objective(seen, found) + priors.log_density(parameters))
        if change < _TOLERANCE:
            converged = True
            break
        trail.append(parameters)
        if len(trail) > 2:
            further = _extrapolated(trail, seen)
            there = expect(seen, further, last=found)
            gained = objective(seen, there) + priors.log_density(further)
            if gained > path[-1]:
                parameters, found, path[-1] = further, there, gained
            trail = [parameters]
    return Fit(parameters, hyper, priors, found, tuple(path), converged)


def vector(parameters: Parameters, seen: Observations) -> Array:
    """Parameters of sources without bounds, in units that matter: logit r, log k and b/spread."""
    return np.concatenate(
        [
            logit(np.clip(parameters.reliability, _EDGE, 1.0 - _EDGE)),
            np.log(parameters.scale),
            parameters.bias / seen.spread,
        ]
    )


def with_vector(parameters: Parameters, values: Array, seen: Observations) -> Parameters:
    """The parameters whose `vector` this is, all else as it was."""
    sources = seen.sources
    doubtful = parameters.law.doubtful
    return attrs.evolve(
        parameters,
        reliability=expit(values[:sources]) if doubtful else parameters.reliability,
        scale=np.exp(values[sources : 3 * sources]),
        bias=values[3 * sources :] * seen.spread,
    )


def _extrapolated(trail: list[Parameters], seen: Observations) -> Parameters:
    """Where the steps lead if they go on to shrink as the last two did.

    The squared extrapolation of Varadhan & Roland (2008, doi:10.1111/j.1467-9469.2007.00585.x).
    """
    first, second, third = (vector(each, seen) for each in trail)
    step, bend = second - first, third - 2.0 * second + first
    size = float(np.linalg.norm(bend))
    length = max(float(np.linalg.norm(step)) / size, 1.0) if size > 0.0 else 1.0
    length = min(length, _LONGEST)
    to = first + 2.0 * length * step + length**2 * bend
    return with_vector(trail[-1], to, seen)


def objective(seen: Observations, found: Expectations) -> float:
    """Log evidence of the claims that can be compared."""
    whole = (seen.sizes > 1) | (seen.known & (seen.sizes > 0))
    return float(np.sum(found.log_evidence[whole]))


def _change(new: Parameters, old: Parameters, seen: Observations) -> float:
    """Root mean square change of the sources' parameters."""
    step = vector(new, seen) - vector(old, seen)
    return float(np.sqrt(np.mean(step**2)))


def _best_tails(seen: Observations, parameters: Parameters, last: Expectations) -> Parameters:
    """The degrees of freedom next to the present ones that fit best."""
    law = parameters.law
    at = DEGREES_OF_FREEDOM.index(law.df)
    tries = DEGREES_OF_FREEDOM[max(at - 1, 0) : at + 2]
    found = []
    for df in tries:
        some = attrs.evolve(parameters, law=attrs.evolve(law, df=df))
        found.append((objective(seen, expect(seen, some, last=last)), -df, some))
    return max(found, key=lambda each: each[:2])[2]
