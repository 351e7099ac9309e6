"""Which sources err together: correlated errors, and values copied to the last digit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.special import ndtr

from reliability.engine.quadrature import segment_sum
from reliability.learning.error_law import Kind, Parameters
from reliability.learning.maximisation import DENSE, conjugate_gradients
from reliability.learning.observations import Observations
from reliability.pairs import NumberedPairs
from reliability.shares import shares_by_source

__all__ = ["Pairs", "find_pairs", "with_shares"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Dependence from which two sources are taken to be copies of each other.
COPYING = 0.9
#: How often two of the best sources agree by themselves, and standard errors beyond.
_BEST_AGREEMENT, _SIGNIFICANT = 0.97**2, 3.0
#: Pairs of claims that are compared, of quantities chosen by their names.
_PAIRS = 3_000_000
#: Quantities that two sources must share.
_SHARED = 10
#: Typical differences beyond which a difference counts for no more.
_FAR = 8.0
#: Iterations that find the sources' own variances, how firmly what is not determined is held,
#: and the relative change at which they stop.
_ROUNDS = 60
_RIDGE, _SETTLED = 1e-6, 1e-4
#: How much smaller deviations must be for variances that differ.
_BETTER = 0.8
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

    def renumbered(self, names: Sequence[str], place: Mapping[str, int]) -> Pairs:
        """The pairs both of whose sources have a place, by these."""
        at = np.array([place.get(name, -1) for name in names], dtype=np.int64)
        kept = (at[self.first] >= 0) & (at[self.second] >= 0)
        fields = {name: values[kept] for name, values in attrs.asdict(self).items()}
        return Pairs(**fields | {"first": at[fields["first"]], "second": at[fields["second"]]})


def with_shares(seen: Observations, pairs: Pairs) -> Observations | None:
    """The same claims, sources that copy each other sharing what one would count for.

    Only pairs whose dependence is ``COPYING`` or more: they are nearly one source, and would
    otherwise each be taken for the best of all because the other agrees. Of sources that are right
    to the last digit, what is copied is only known as well as who is right: those must agree
    significantly more often than two that are each right 97 times of 100. None if there are none.
    """
    copying = pairs.dependence >= COPYING
    error = np.sqrt(_BEST_AGREEMENT * (1.0 - _BEST_AGREEMENT) / pairs.shared)
    more = (pairs.agreement - _BEST_AGREEMENT) / error
    copying &= np.isnan(pairs.expected) | (more > _SIGNIFICANT)
    if not copying.any():
        return None
    shared = NumberedPairs.of(
        pairs.first[copying], pairs.second[copying], pairs.dependence[copying], seen.sources
    )
    share = shares_by_source(seen.source, seen.starts, shared)
    return attrs.evolve(seen, share=share)


def find_pairs(seen: Observations, parameters: Parameters) -> Pairs:
    """Compare all sources that share enough quantities.

    Correlations come from the sources' differences (see ``_correlations``). Sources that are
    right to the last digit with probabilities r and r' by themselves agree so with probability
    r r'; if one takes the other's value with probability c, with c + (1 - c) r r' (chance
    agreement of wrong values neglected; compare Dong, Berti-Equille & Srivastava 2009,
    doi:10.14778/1687627.1687690).
    """
    one, two = _pairs_of_claims(seen)
    number = seen.sources
    a, b = seen.source[one], seen.source[two]
    key = np.minimum(a, b) * number + np.maximum(a, b)
    key[a == b] = -1
    names, which, counts = np.unique(key, return_inverse=True, return_counts=True)
    enough = np.flatnonzero((counts >= _SHARED) & (names >= 0))
    place = np.full(len(names), -1)
    place[enough] = np.arange(len(enough))
    kept = place[which] >= 0
    one, two, which = one[kept], two[kept], place[which][kept]
    first, second = names[enough] // number, names[enough] % number
    difference = _differences(seen, parameters, one, two)
    correlation, z = _correlations(difference, which, first, second, number)
    agreement, expected, copied, z_copied = _agreements(
        seen, parameters, one, two, which, first, second
    )
    p = np.minimum(1.0, 2.0 * np.minimum(ndtr(-z), ndtr(-z_copied)))
    strength = np.maximum(_shrunk(np.clip(correlation, 0.0, 1.0), z), _shrunk(copied, z_copied))
    strength = np.where(_discovered(p), strength, 0.0)
    return Pairs(first, second, counts[enough], correlation, agreement, expected, p, strength)


def _shrunk(strength: Array, z: Array) -> Array:
    """A dependence of z standard errors, drawn towards 0 by its uncertainty."""
    return np.asarray(strength * np.maximum(0.0, 1.0 - 1.0 / np.maximum(z, 1e-9) ** 2))


def _correlations(
    difference: Array, which: IntArray, first: IntArray, second: IntArray, sources: int
) -> tuple[Array, Array]:
    """Correlation of each pair's errors, and the same in standard errors.

    The mean squared difference of two sources is ``D = v + v' - 2 c``. If most pairs are
    independent, the sources' own error variances v fit most D with c = 0: those of least absolute
    deviations are taken, and c is what is left. Unlike errors seen from a consensus, differences
    are not pulled along by sources that err together.
    """
    pairs = len(first)
    count = segment_sum(which, np.ones(len(which)), pairs)
    square = segment_sum(which, difference**2, pairs) / count
    fourth = segment_sum(which, difference**4, pairs) / count
    error = np.sqrt(np.maximum(fourth - square**2, 0.0) / (count - 1.0))
    own = _own_variances(square, count, first, second, sources)
    alone = own[first] + own[second]
    common = 0.5 * (alone - square)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(alone > 0.0, fourth / alone**2, 0.0)
    vary = float(np.sum(count * relative) / max(np.sum(count), 1.0)) - 1.0
    error = np.maximum(error, alone * np.sqrt(max(vary, 0.0) / count))
    size = np.sqrt(own[first] * own[second])
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.where(size > 0.0, common / size, 0.0)
        z = np.where(error > 0.0, 2.0 * common / error, 0.0)
    return np.clip(correlation, -1.0, 1.0), z


def _own_variances(
    square: Array, count: Array, first: IntArray, second: IntArray, sources: int
) -> Array:
    """Variances v of least absolute deviations ``|D - v - v'|``.

    That two sources are copies of each other, or that they are the best and the two others err
    together, can fit four sources' differences equally well: variances that differ need a clearly
    better fit than equal ones. What the pairs do not determine, such as which of only two sources
    differs, is shared equally.
    """
    if not len(first):
        return np.zeros(sources)
    usual = 0.5 * float(np.median(square))
    least = np.maximum(usual * np.sqrt(8.0 / count), 1e-300)
    equal = np.full(sources, usual)
    found = []
    for start in (
        1.0 / (least * np.maximum(np.abs(square - 2.0 * usual), 0.5 * least)),
        1.0 / least**2,
    ):
        own, weight = equal, start
        for _ in range(_ROUNDS):
            new = _least_squares(square, weight, first, second, equal)
            done = float(np.max(np.abs(new - own))) <= _SETTLED * usual
            own = new
            rest = np.abs(square - own[first] - own[second])
            if done:
                break
            weight = 1.0 / (least * np.maximum(rest, 0.5 * least))
        found.append((float(np.sum(rest / least)), own))
    (cost, alike), (other, free) = found
    return free if other < _BETTER * cost else alike


def _least_squares(
    square: Array, weight: Array, first: IntArray, second: IntArray, held: Array
) -> Array:
    """Variances that fit weighted squares best, held near given ones where nothing fits them."""
    from scipy.sparse import coo_matrix  # noqa: PLC0415  # only learning needs it

    sources = len(held)
    one, two = np.concatenate([first, second]), np.concatenate([second, first])
    both = np.concatenate([weight, weight])
    diagonal = segment_sum(one, both, sources)
    ridge = _RIDGE * diagonal + (diagonal == 0.0)
    right = segment_sum(one, both * np.concatenate([square, square]), sources) + ridge * held
    if sources <= DENSE:
        matrix = np.diag(diagonal + ridge)
        matrix[one, two] = both
        return np.maximum(cho_solve(cho_factor(matrix), right), 0.0)
    links = coo_matrix((both, (one, two)), shape=(sources, sources)).tocsr()

    def product(x: Array) -> Array:
        return np.asarray((diagonal + ridge) * x + links @ x)

    found = held + conjugate_gradients(product, diagonal + ridge, right - product(held))
    return np.maximum(found, 0.0)


def _agreements(
    seen: Observations,
    parameters: Parameters,
    one: IntArray,
    two: IntArray,
    which: IntArray,
    first: IntArray,
    second: IntArray,
) -> tuple[Array, Array, Array, Array]:
    """Agreement of bare values, what is expected of it, what is copied, and its significance.

    Only the exact law says how often sources are right to the last digit by themselves.
    """
    pairs = len(first)
    bare = ~(seen.stated[one] | seen.stated[two])
    compared = segment_sum(which, bare.astype(np.float64), pairs)
    same = bare & (seen.location[one] == seen.location[two])
    with np.errstate(divide="ignore", invalid="ignore"):
        agreement = segment_sum(which, same.astype(np.float64), pairs) / compared
    if parameters.law.kind is not Kind.EXACT:
        nothing = np.zeros(pairs)
        return agreement, np.full(pairs, np.nan), nothing, nothing
    r = parameters.reliability
    expected = r[first] * r[second]
    some = compared >= _SHARED
    more = np.where(some, np.nan_to_num(agreement) - expected, 0.0)
    error = np.sqrt(expected * (1.0 - expected) / np.maximum(compared, 1.0))
    return agreement, expected, np.clip(more / (1.0 - expected), 0.0, 1.0), more / error


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


def _differences(seen: Observations, parameters: Parameters, one: IntArray, two: IntArray) -> Array:
    """Differences of two claims less their biases, in units of the quantity's difficulty.

    What is many times larger than usual is drawn in: it says that one of them was unsound.
    """
    value = seen.location - parameters.bias[seen.source]
    difference = (value[one] - value[two]) / np.sqrt(parameters.difficulty[seen.quantity[one]])
    size = np.abs(difference)
    usual = float(np.median(size[size > 0.0])) if np.any(size > 0.0) else 1.0
    return np.asarray(np.clip(difference, -_FAR * usual, _FAR * usual))


def _discovered(p: Array) -> NDArray[np.bool_]:
    """Benjamini and Hochberg's step-up rule (1995, doi:10.1111/j.2517-6161.1995.tb02031.x)."""
    order = np.argsort(p)
    limit = _FALSE_DISCOVERY * np.arange(1, len(p) + 1) / max(len(p), 1)
    good = np.flatnonzero(p[order] <= limit)
    out = np.zeros(len(p), dtype=bool)
    if len(good):
        out[order[: good[-1] + 1]] = True
    return out
