"""Fitting the sources' parameters: expectation-maximisation from several starts."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.engine.quadrature import segment_sum
from reliability.learning.error_law import DEGREES_OF_FREEDOM, ErrorLaw, Kind, Parameters
from reliability.learning.expectation import Expectations, expect
from reliability.learning.maximisation import (
    NO_BIAS,
    Hyperparameters,
    Priors,
    maximise,
    solve_biases,
)
from reliability.learning.observations import Observations, medians

__all__ = ["Fit", "fit", "starts"]

Array = NDArray[np.float64]

#: Iterations between tries of other degrees of freedom.
_TRY_EVERY = 5
#: Relative change of parameters at which they have converged.
_TOLERANCE = 1e-3


@attrs.frozen(eq=False)
class Fit:
    """A fitted law.

    Parameters
    ----------
    parameters, hyperparameters : what fits best
    priors : what was assumed of each source
    expectations : of the claims and quantities, given these
    weight : (claims,) how much each counted for its source
    objective : log evidence of the claims after each iteration
    converged : whether the parameters stopped changing
    """

    parameters: Parameters
    hyperparameters: Hyperparameters
    priors: Priors
    expectations: Expectations
    weight: Array
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
        hyper = Hyperparameters(
            reliability, 4.0, (typical, typical), (4.0, 4.0), 0.01 * seen.spread**2
        )
        out.append((parameters, hyper))
    return out


def fit(
    seen: Observations,
    start: tuple[Parameters, Hyperparameters],
    *,
    priors: Priors | None = None,
    weight: Array | None = None,
    iterations: int = 30,
    biases: bool = True,
    difficulty: bool = False,
    last: Expectations | None = None,
) -> Fit:
    """Expectation-maximisation from one start.

    Parameters
    ----------
    seen : the claims
    start : parameters and hyperparameters
    priors : what is assumed of each source; by default what they have in common, which is fitted
    weight : (claims,) how much each counts for its source; 1 by default
    iterations : most of them
    biases, difficulty : whether these are learned
    last : expectations near those of the start
    """
    parameters, hyper = start
    if priors is None:
        priors = Priors.common(hyper, np.zeros(seen.sources, dtype=bool))
    counts = seen.informative * (np.ones(seen.count) if weight is None else weight)
    found = expect(seen, parameters, last=last)
    path = [objective(seen, found)]
    converged = False
    for step in range(iterations):
        new, hyper, priors = maximise(
            seen,
            parameters,
            found,
            hyper,
            priors,
            counts,
            biases=biases and step > 0,
            difficulty=difficulty,
        )
        if biases and step > 0 and priors.learned:
            hyper = attrs.evolve(
                hyper, bias_variance=_bias_variance(seen, found, new, priors, counts)
            )
        change = _change(new, parameters, seen)
        parameters = new
        if parameters.law.doubtful and priors.learned and step % _TRY_EVERY == _TRY_EVERY - 1:
            parameters = _best_tails(seen, parameters, found)
        found = expect(seen, parameters, last=found)
        path.append(objective(seen, found))
        if change < _TOLERANCE:
            converged = True
            break
    return Fit(parameters, hyper, priors, found, counts, tuple(path), converged)


def _bias_variance(
    seen: Observations, found: Expectations, new: Parameters, priors: Priors, weight: Array
) -> float:
    """Variance of the sources' biases: what they are, and what they may yet be."""
    solved = solve_biases(seen, found, new.bias, priors, weight)
    free = ~priors.unbiased & (segment_sum(seen.source, weight, seen.sources) > 0.0)
    least = NO_BIAS * seen.spread**2
    if not free.any():
        return least
    return max(float(np.mean(new.bias[free] ** 2 + solved.variance[free])), least)


def objective(seen: Observations, found: Expectations) -> float:
    """Log evidence of the claims that can be compared."""
    whole = (seen.sizes > 1) | (seen.known & (seen.sizes > 0))
    return float(np.sum(found.log_evidence[whole]))


def _change(new: Parameters, old: Parameters, seen: Observations) -> float:
    """Largest change of a parameter, in units that matter."""
    return max(
        float(np.max(np.abs(new.reliability - old.reliability))),
        float(np.max(np.abs(np.log(new.scale / old.scale)))),
        float(np.max(np.abs(new.bias - old.bias))) / seen.spread,
    )


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
