"""Which law of errors suits the claims: the one that predicts left-out claims best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reliability.learning.error_law import ErrorLaw, Kind
from reliability.learning.expectation import expect
from reliability.learning.fit import fit, starts
from reliability.learning.observations import Observations

__all__ = ["choose_law"]

Array = NDArray[np.float64]

#: Claims from which the laws are compared.
_CLAIMS = 10_000
#: Claims about a quantity that leave enough when one is taken away.
_ENOUGH = 3
_ITERATIONS = 16


def choose_law(seen: Observations, *, biases: bool) -> tuple[ErrorLaw, dict[str, float]]:
    """The best law, and the mean log predictive density of left-out claims under each.

    One claim is left out of every quantity with three or more, the sources are learned from the
    rest, and each left-out claim is predicted from the other claims about its quantity. Of laws
    that are not told apart (by one standard error) the simpler is taken. Where nothing can be
    left out it is the mixture.
    """
    laws = [Kind.NORMAL, Kind.MIXTURE] + ([] if seen.stated.all() else [Kind.EXACT])
    big = seen.take(np.flatnonzero((seen.sizes >= _ENOUGH) & ~seen.known))
    if not big.count:
        return ErrorLaw(Kind.MIXTURE), {}
    some = big.take(big.some(_CLAIMS))
    left_out = _one_of_each(some)
    rest = some.without(left_out)
    scores: dict[Kind, Array] = {}
    fitted: dict[Kind, ErrorLaw] = {}
    for kind in laws:
        found = fit(rest, starts(rest, ErrorLaw(kind))[0], iterations=_ITERATIONS, biases=biases)
        fitted[kind] = found.parameters.law
        whole = expect(some, found.parameters).log_evidence
        scores[kind] = whole - expect(rest, found.parameters).log_evidence
    best = max(laws, key=lambda kind: float(np.mean(scores[kind])))
    for kind in laws:
        worse = scores[best] - scores[kind]
        if np.mean(worse) <= np.std(worse) / np.sqrt(len(worse)):
            best = kind
            break
    means = {str(kind): float(np.mean(values)) for kind, values in scores.items()}
    return fitted[best], means


def _one_of_each(seen: Observations) -> NDArray[np.int64]:
    """One claim about each quantity, whatever their order."""
    order = np.lexsort((seen.location, seen.source, seen.quantity))
    return order[seen.starts[:-1] + (seen.draw * seen.sizes).astype(np.int64)]
