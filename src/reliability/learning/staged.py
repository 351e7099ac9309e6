"""Fitting many claims: some quantities to convergence, then a few passes over all.

Near the fit, a step of expectation-maximisation over all claims differs from one over some of
them by what hardly depends on the parameters. So each pass over all claims measures that
difference, and steps over the few, corrected by it, go to where they stand still: there the steps
over all claims nearly do too. What is left after a pass is smaller by the relative accuracy with
which the few know the information about each source, a factor of ten where they hold hundreds of
its claims. (The same idea for stochastic steps: Chen, Zhu, Teh & Zhang 2018, "Stochastic
expectation maximization with variance reduction", NeurIPS 31.)
"""

from __future__ import annotations

from itertools import pairwise

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.learning.error_law import Parameters
from reliability.learning.expectation import Expectations, expect
from reliability.learning.fit import Fit, fit, objective, vector, with_vector
from reliability.learning.maximisation import Hyperparameters, Priors, maximise
from reliability.learning.observations import Observations
from reliability.learning.uncertainty import uncertainty

__all__ = ["finished", "stages"]

Array = NDArray[np.float64]

#: Numbers of claims that are fitted before all are, where there are more than twice as many.
_STAGES = (100_000, 500_000)
#: Most passes over all claims; and iterations where quantities differ in difficulty, which what is
#: learned from others does not tell.
_PASSES, _WITH_DIFFICULTY = 8, 12
#: Root mean square distance from the fit, in standard errors of the sources' parameters, at which
#: they have converged; and the part of the first distance to which the steps over few go.
_CONVERGED, _PART = 0.02, 0.03
#: Most steps over few in a pass, and how many of the last ones their extrapolation uses.
_STEPS, _MEMORY = 12, 5
#: Growth of the distance after which the former steps are forgotten.
_WORSE = 2.0
#: Level of intervals that are not used.
_LEVEL = 0.9


def stages(seen: Observations) -> list[Observations]:
    """Claims to fit one after the other, the last being all: each a part of the next."""
    out = [seen]
    for claims in reversed(_STAGES):
        some = out[0].covering(claims) if seen.count > 2 * claims else None
        if some is not None and len(some):
            out.insert(0, out[0].take(some))
    return out


def finished(parts: list[Observations], fitted: Fit, *, biases: bool, difficulty: bool) -> Fit:
    """The fit of all claims, from that of the first part of them.

    Parameters
    ----------
    parts : as `stages` gives them
    fitted : fit of the first
    biases, difficulty : whether these are learned

    Returns
    -------
    Fit
        With more than one part, converged if another pass would move the sources' parameters by
        less than 0.02 of their standard errors (root mean square).
    """
    for some, seen in pairwise(parts):
        if difficulty:
            start = attrs.evolve(fitted.parameters, difficulty=np.ones(seen.quantities))
            fitted = fit(
                seen,
                (start, fitted.hyperparameters),
                priors=fitted.priors,
                iterations=_WITH_DIFFICULTY,
                biases=biases,
                difficulty=True,
            )
        else:
            fitted = _corrected(seen, some, fitted, biases=biases)
    return fitted


def _corrected(seen: Observations, some: Observations, fitted: Fit, *, biases: bool) -> Fit:
    """The fit of all claims, from that of some of them."""
    hyper, priors = fitted.hyperparameters, fitted.priors
    parameters = attrs.evolve(fitted.parameters, difficulty=np.ones(seen.quantities))
    few = _Few(some, fitted.expectations, biases)
    found: Expectations | None = None
    precision: Array | None = None
    path: list[float] = []
    places: list[Array] = []
    steps: list[Array] = []
    converged = False
    while True:
        found = expect(seen, parameters, last=found)
        path.append(objective(seen, found) + priors.log_density(parameters))
        whole, hyper, priors = maximise(
            seen,
            parameters,
            found,
            hyper,
            priors,
            biases=biases,
            bias_spread=priors.learned,
            difficulty=False,
            fully=True,
        )
        if precision is None:
            now = Fit(parameters, hyper, priors, found, (), converged=False)
            precision = _precision(seen, now, biases=biases)
        here = _vector(parameters, seen)
        step = few.goal(parameters, _vector(whole, seen), hyper, priors, precision) - here
        converged = _size(step, precision) < _CONVERGED
        if converged or len(path) == _PASSES:
            return Fit(parameters, hyper, priors, found, tuple(path), converged)
        places, steps = [*places, here][-_MEMORY:], [*steps, step][-_MEMORY:]
        parameters = _with_vector(parameters, _extrapolated(places, steps, precision), seen)


@attrs.define(eq=False)
class _Few:
    """Some of the claims, with their last expectations."""

    seen: Observations
    last: Expectations
    biases: bool

    def step(self, parameters: Parameters, hyper: Hyperparameters, priors: Priors) -> Array:
        """Where a step of expectation-maximisation over them leads, under given priors."""
        here = attrs.evolve(parameters, difficulty=np.ones(self.seen.quantities))
        self.last = expect(self.seen, here, last=self.last)
        new, _, _ = maximise(
            self.seen,
            here,
            self.last,
            hyper,
            priors,
            biases=self.biases,
            bias_spread=False,
            difficulty=False,
            common=False,
        )
        return _vector(new, self.seen)

    def goal(
        self,
        parameters: Parameters,
        whole: Array,
        hyper: Hyperparameters,
        priors: Priors,
        precision: Array,
    ) -> Array:
        """Where steps over few stand still that are corrected by the one over all claims.

        The steps are extrapolated by Anderson's method (1965, doi:10.1145/321296.321305), which
        sees a linear map's fixed point from as many of them as it has directions that matter.

        Parameters
        ----------
        parameters : before a step over all claims
        whole : where it leads
        hyper, priors : as that step found them
        precision : of each entry, one over its standard error
        """
        at = _vector(parameters, self.seen)
        shift = whole - self.step(parameters, hyper, priors)
        places, rests = [at], [whole - at]
        size = _size(rests[0], precision)
        wanted = max(_PART * size, 0.25 * _CONVERGED)
        for _ in range(_STEPS):
            if size <= wanted:
                break
            at = _extrapolated(places, rests, precision)
            there = _with_vector(parameters, at, self.seen)
            rest = self.step(there, hyper, priors) + shift - at
            last, size = size, _size(rest, precision)
            places, rests = [*places, at][-_MEMORY:], [*rests, rest][-_MEMORY:]
            if size > _WORSE * last:
                # What was seen before does not tell: plain steps from here.
                places, rests = places[-1:], rests[-1:]
        return np.asarray(places[-1] + rests[-1])


def _vector(parameters: Parameters, seen: Observations) -> Array:
    """All that the steps change: of each source, and the factor K that all have in common."""
    return np.append(vector(parameters, seen), np.log(parameters.law.factor))


def _with_vector(parameters: Parameters, values: Array, seen: Observations) -> Parameters:
    law = attrs.evolve(parameters.law, factor=float(np.exp(values[-1])))
    return with_vector(attrs.evolve(parameters, law=law), values[:-1], seen)


def _extrapolated(places: list[Array], rests: list[Array], precision: Array) -> Array:
    """Where the rest would vanish if it were linear between the last places."""
    at, rest = places[-1], rests[-1]
    if len(places) == 1:
        return at + rest
    moves = np.stack([latter - former for former, latter in pairwise(places)])
    turns = np.stack([latter - former for former, latter in pairwise(rests)])
    part, *_ = np.linalg.lstsq((turns * precision).T, rest * precision, rcond=1e-8)
    return np.asarray(at + rest - part @ (moves + turns))


def _size(step: Array, precision: Array) -> float:
    """Root mean square of a step in standard errors, of the parameters that claims tell of."""
    told = max(int(np.count_nonzero(precision)), 1)
    return float(np.sqrt(np.sum((step * precision) ** 2) / told))


def _precision(seen: Observations, now: Fit, *, biases: bool) -> Array:
    """One over the standard error of each entry of `_vector`, 0 where no claim tells of it."""
    known = uncertainty(seen, now, _LEVEL, biases=biases)
    r, doubtful = now.parameters.reliability, now.parameters.law.doubtful
    claims = known.claims > 0.0
    of_r = np.sqrt(known.reliability_count * r * (1.0 - r)) if doubtful else np.zeros(len(r))
    groups = np.bincount(seen.group[seen.informative], minlength=2 * seen.sources) > 0
    of_k = np.sqrt(2.0 * known.scale_count)
    of_b = np.divide(seen.spread, known.bias_sd, where=known.bias_sd > 0.0, out=np.zeros(len(r)))
    # As if it were known which claims are unsound.
    of_factor = np.sqrt(2.0 * np.sum(seen.weight * (1.0 - now.expectations.sound)))
    return np.concatenate([of_r * claims, of_k * groups, of_b * claims, [of_factor]])
