"""Which sources err together: correlated errors, and values copied to the last digit."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from reliability.learning.expectation import Expectations
from reliability.learning.fit import Fit
from reliability.learning.observations import Observations

__all__ = ["Pairs", "find_pairs"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Pairs of claims that are compared, of quantities chosen by their names.
_PAIRS = 3_000_000
#: Quantities that two sources must share.
_SHARED = 10
#: Expected share of pairs that are called dependent and are not.
_FALSE_DISCOVERY = 0.05


@attrs.frozen(eq=False)
class Pairs:
    """Pairs of sources that share enough quantities.

    Parameters
    ----------
    first, second : the sources, by number
    shared : quantities that both make claims about
    correlation : of their errors
    agreement, expected : part of bare values that agree to the last digit, and what it would be
        if both were right by themselves as often as they are
    p_value : that they are independent, of the stronger of the two signs
    dependence : 0 where they may be independent; else the correlation drawn towards 0 by its
        uncertainty, or the part of one's values that must be the other's, whichever is larger
    """

    first: IntArray
    second: IntArray
    shared: IntArray
    correlation: Array
    agreement: Array
    expected: Array
    p_value: Array
    dependence: Array


def find_pairs(seen: Observations, fitted: Fit) -> Pairs:
    """Compare all sources that share enough quantities.

    The product of two errors is averaged over the posterior of the quantity: its expectation
    vanishes for independent errors, as that of products of residuals does not. Sources that are
    right to the last digit with probabilities r and r' by themselves agree so with probability
    r r'; if one takes the other's value with probability c, with c + (1 - c) r r' (chance
    agreement of wrong values neglected; compare Dong, Berti-Equille & Srivastava 2009,
    doi:10.14778/1687627.1687690).
    """
    one, two = _pairs_of_claims(seen)
    number = seen.sources
    a = np.minimum(seen.source[one], seen.source[two])
    b = np.maximum(seen.source[one], seen.source[two])
    different = a != b
    one, two = one[different], two[different]
    key, which = np.unique(a[different] * number + b[different], return_inverse=True)
    count = np.bincount(which, minlength=len(key))
    found = fitted.expectations
    product = _products(seen, found, fitted, one, two)
    mean = np.bincount(which, product, minlength=len(key)) / np.maximum(count, 1)
    square = np.bincount(which, product**2, minlength=len(key)) / np.maximum(count, 1)
    error = np.sqrt(np.maximum(square - mean**2, 0.0) / np.maximum(count - 1, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(error > 0.0, mean / error, 0.0)
    bare = ~(seen.stated[one] | seen.stated[two])
    same = bare & (seen.location[one] == seen.location[two])
    compared = np.bincount(which, bare, minlength=len(key))
    agreed = np.bincount(which, same, minlength=len(key))
    r = fitted.parameters.reliability if fitted.parameters.law.doubtful else np.zeros(number)
    expected = r[key // number] * r[key % number]
    if not seen.stated.all() and fitted.parameters.law.kind != "exact":
        expected = np.maximum(expected, 0.0) * 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        agreement = agreed / compared
        z_copy = (agreement - expected) / np.sqrt(
            np.maximum(expected * (1.0 - expected), 1.0 / compared) / compared
        )
        copied = np.clip((agreement - expected) / (1.0 - expected), 0.0, 1.0)
    exact = fitted.parameters.law.kind == "exact"
    z_copy = np.where((compared >= _SHARED) & exact, np.nan_to_num(z_copy), 0.0)
    p = np.minimum(1.0, 2.0 * np.minimum(ndtr(-z), ndtr(-z_copy)))
    enough = count >= _SHARED
    key, count, mean, z, z_copy = (each[enough] for each in (key, count, mean, z, z_copy))
    agreement, expected, copied, p = (each[enough] for each in (agreement, expected, copied, p))
    shrunk = np.clip(mean, 0.0, 1.0) * np.maximum(0.0, 1.0 - 1.0 / np.maximum(z, 1e-9) ** 2)
    taken = copied * np.maximum(0.0, 1.0 - 1.0 / np.maximum(z_copy, 1e-9) ** 2)
    strength = np.where(_discovered(p), np.maximum(shrunk, taken), 0.0)
    return Pairs(key // number, key % number, count, mean, agreement, expected, p, strength)


def _pairs_of_claims(seen: Observations) -> tuple[IntArray, IntArray]:
    """Pairs of claims about the same quantity."""
    sizes = seen.sizes
    order = np.argsort(seen.draw, kind="stable")
    last = int(np.searchsorted(np.cumsum((sizes * (sizes - 1) // 2)[order]), _PAIRS, side="right"))
    chosen = np.zeros(seen.quantities, dtype=bool)
    chosen[order[: max(last, 1)]] = True
    one, two = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for size in np.unique(sizes[chosen]).tolist():
        rows = seen.starts[:-1][chosen & (sizes == size)]
        for i in range(1, size):
            for j in range(i):
                one.append(rows + i)
                two.append(rows + j)
    return np.concatenate(one), np.concatenate(two)


def _products(
    seen: Observations, found: Expectations, fitted: Fit, one: IntArray, two: IntArray
) -> Array:
    """Products of two errors, each in units of its sd, averaged over the quantity's posterior."""
    bias = fitted.parameters.bias[seen.source]
    quantity = seen.quantity
    error = seen.location - bias - found.center[quantity]
    # Robust units: the precision that the claim has turned out to have, at most twice its law's.
    size = np.sqrt(found.precision)
    variance = found.sd[quantity[one]] ** 2
    product = (error[one] * error[two] + variance) * size[one] * size[two]
    return np.clip(product, -9.0, 9.0)


def _discovered(p: Array) -> NDArray[np.bool_]:
    """Benjamini and Hochberg's step-up rule (1995, doi:10.1111/j.2517-6161.1995.tb02031.x)."""
    order = np.argsort(p)
    limit = _FALSE_DISCOVERY * np.arange(1, len(p) + 1) / max(len(p), 1)
    good = np.flatnonzero(p[order] <= limit)
    out = np.zeros(len(p), dtype=bool)
    if len(good):
        out[order[: good[-1] + 1]] = True
    return out
