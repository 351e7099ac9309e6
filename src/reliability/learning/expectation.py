"""The expectation step: where each quantity may lie, and what that says about its claims.

Given the sources' parameters, the posterior of a quantity is a product of its claims' densities.
Under the normal law it is normal. Else most quantities have one peak: it is summed over equally
spaced nodes, which is exact to far below a per cent, and what little lies beyond over few nodes.
Where more lies beyond, or the peak has a finer structure than its nodes, nodes are put around the
claims' values and the centre, and the density is taken to be exponential between them: that is
right for tails and peaks alike, and good to a few per cent of an sd, which learning from many
quantities does not notice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from reliability.engine.likelihoods import HALF_LOG_2PI
from reliability.learning.error_law import ErrorLaw, Parameters
from reliability.learning.observations import Observations
from reliability.student_t import log_peak

__all__ = ["Expectations", "Summary", "expect", "summarise_quantities"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Offsets of nodes from a claim, in units of its sound sd.
_INNER = np.array([0.6, 1.3, 2.3])
#: Ratio of consecutive offsets beyond, up to so many scales of its unsound density.
_RATIO, _FAR, _MOST_OUTER = 3.5, 30.0, 10
#: Offsets of nodes from the last centre, in units of the last sd.
_CENTRAL = np.array([0.0, 0.5, 1.0, 1.6, 2.4, 3.5, 5.0])
#: Claims around which there are nodes, those with most support; and claims among which these are
#: looked for, of more those at equal steps of their order.
_CANDIDATES, _LOOKED_AT = 8, 40
#: Nodes of a peak: their spacing in units of its sd, and how many there are on each side.
_SPACING, _EACH_SIDE = 0.75, 6
#: Largest part of the mass beyond a peak's nodes, and least sd of a claim there in spacings.
_BEYOND, _FINEST = 0.02, 0.55
#: Steps towards a peak from the median, and what the curvature's sd is multiplied by.
_CLIMBS, _WIDER = 3, 1.2
#: Entries (claims times nodes times quantities) evaluated at a time, as caches hold.
_ENTRIES = 1 << 16
#: Products of densities below this are summed as logs.
_UNDERFLOW = 1e-280
#: Sizes beyond this are no longer exponentials of floats.
_SMALL = 1e-3


@attrs.frozen(eq=False)
class Expectations:
    """What the posterior of the quantities says, given the parameters.

    Per claim: ``sound``, the probability that it is; ``sound_square`` and ``unsound_square``,
    E[z e^2/v] and E[(1 - z) u e^2/w] with z soundness and u the precision that Student's t
    integrates over; ``precision`` and ``pull``, E[h] and E[h e] with h = z/v + (1 - z) u/w.
    Per quantity: ``log_evidence`` with a flat prior, ``center`` and ``sd``.
    """

    sound: Array
    sound_square: Array
    unsound_square: Array
    precision: Array
    pull: Array
    log_evidence: Array
    center: Array
    sd: Array

    @staticmethod
    def empty(claims: int, quantities: int) -> Expectations:
        """Room for all values."""
        sound, square, wide, precision, pull = (np.zeros(claims) for _ in range(5))
        return Expectations(
            sound,
            square,
            wide,
            precision,
            pull,
            np.zeros(quantities),
            np.full(quantities, np.nan),
            np.full(quantities, np.nan),
        )


@attrs.frozen(eq=False)
class _Block:
    """Claims about quantities with equally many: every field (claims, quantities).

    ``truth`` is that of the quantities, if they are known.
    """

    rows: IntArray
    quantities: IntArray
    location: Array
    variance: Array
    square: Array
    reliability: Array
    share: Array
    truth: Array | None

    def take(self, chosen: IntArray) -> _Block:
        """Some of the quantities."""
        fields = attrs.asdict(self, recurse=False)
        truth = None if self.truth is None else self.truth[chosen]
        some = {name: values[..., chosen] for name, values in fields.items() if name != "truth"}
        return _Block(**some, truth=truth)


def expect(
    seen: Observations,
    parameters: Parameters,
    last: Expectations | None = None,
) -> Expectations:
    """Expectations of all claims and quantities.

    Parameters
    ----------
    seen : the claims
    parameters : what is assumed of their sources
    last : expectations of the step before, around whose centres there are nodes
    """
    out = Expectations.empty(seen.count, seen.quantities)

    def work(block: _Block) -> None:
        _fill(out, block, parameters.law, last)

    _each_block(seen, parameters, work)
    return out


@attrs.frozen(eq=False)
class Summary:
    """Posteriors: quantiles on x (quantities, probabilities), means and sds of the quantities."""

    quantiles: Array
    mean: Array
    sd: Array


def summarise_quantities(
    seen: Observations,
    parameters: Parameters,
    probabilities: Array,
    to_theta: Callable[[Array], Array],
    last: Expectations | None = None,
) -> Summary:
    """Posterior of every quantity; a known truth is all of its own.

    Parameters
    ----------
    seen, parameters, last : as for `expect`
    probabilities : of the quantiles
    to_theta : the quantity as a function of x
    """
    out = Summary(
        np.full((seen.quantities, len(probabilities)), np.nan),
        np.full(seen.quantities, np.nan),
        np.full(seen.quantities, np.nan),
    )

    def work(block: _Block) -> None:
        q, law = block.quantities, parameters.law
        if law.doubtful:
            nodes = _nodes(block, *_centers(block, law, last))
            found = _Piecewise.of(nodes, _evaluate(nodes, block, law).logs)
            mass = found.mass
            out.quantiles[q] = found.quantiles(probabilities)
        else:
            points, weights = _HERMITE
            center, spread = _weighted_mean(block)
            nodes = center + spread * points[:, None]
            mass = np.broadcast_to(weights[:, None], nodes.shape)
            out.quantiles[q] = center[:, None] + spread[:, None] * ndtri(probabilities)
        # Moments that do not exist are the caller's to tell; here they may overflow.
        with np.errstate(over="ignore", invalid="ignore"):
            theta = to_theta(nodes)
            out.mean[q] = np.sum(mass * theta, axis=0)
            out.sd[q] = np.sqrt(np.sum(mass * (theta - out.mean[q]) ** 2, axis=0))

    _each_block(seen, parameters, work)
    known = seen.known
    out.quantiles[known] = seen.truth[known][:, None]
    out.mean[known], out.sd[known] = to_theta(seen.truth[known]), 0.0
    return out


def _hermite() -> tuple[Array, Array]:
    """Nodes and weights of averages over a standard normal density."""
    points, weights = np.polynomial.hermite_e.hermegauss(15)
    return points, weights / weights.sum()


_HERMITE = _hermite()


def _each_block(
    seen: Observations,
    parameters: Parameters,
    work: Callable[[_Block], None],
) -> None:
    """Do something with every block of quantities, on all processors."""

    def one(some: IntArray) -> None:
        work(_block(seen, parameters, some))

    def blocks() -> Iterator[IntArray]:
        for size, members in seen.by_size:
            nodes = min(size, _CANDIDATES) + 2 * _EACH_SIDE + 9 if parameters.law.doubtful else 1
            step = max(_ENTRIES // (size * nodes), 1)
            for known in (False, True):
                alike = members[seen.known[members] == known]
                for begin in range(0, len(alike), step):
                    yield alike[begin : begin + step]

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for _ in pool.map(one, blocks()):
            pass


def _block(seen: Observations, parameters: Parameters, quantities: IntArray) -> _Block:
    """Claims about some quantities with equally many, all of known truth or none."""
    rows = seen.starts[quantities] + np.arange(seen.sizes[quantities[0]])[:, None]
    source = seen.source[rows]
    own = parameters.own(seen, rows)
    v, w = parameters.law.variances(own, seen.rounding[rows], seen.stated[rows])
    wider = parameters.bias_variance[source]
    return _Block(
        rows,
        quantities,
        seen.location[rows] - parameters.bias[source],
        v + wider,
        w + wider,
        parameters.reliability[source],
        seen.share[rows],
        seen.truth[quantities] if seen.known[quantities[0]] else None,
    )


def _weighted_mean(block: _Block) -> tuple[Array, Array]:
    """Precision-weighted means and their sds."""
    weight = block.share / block.variance
    total = weight.sum(axis=0)
    return np.sum(weight * block.location, axis=0) / total, 1.0 / np.sqrt(total)


def _centers(block: _Block, law: ErrorLaw, last: Expectations | None) -> tuple[Array, Array]:
    """Where the quantities of a block were found last; else the peak that is uphill of the median.

    The means weighted by the precisions at the last place never go downhill (they are the steps
    of expectation-maximisation for the quantity itself).
    """
    if last is not None:
        center, sd = last.center[block.quantities], last.sd[block.quantities]
        if np.all(sd > 0.0):
            return center, sd
    ordered = np.sort(block.location, axis=0)
    claims = len(ordered)
    center = 0.5 * (ordered[(claims - 1) // 2] + ordered[claims // 2])
    total = np.ones(len(center))
    for _ in range(_CLIMBS):
        there = _evaluate(center[None], block, law)
        z, u = there.sound[:, 0], there.shrink[:, 0]
        h = block.share * (z / block.variance + (1.0 - z) * u / block.square)
        total = h.sum(axis=0)
        center = np.sum(h * block.location, axis=0) / total
    return center, _WIDER / np.sqrt(total)


def _fill(
    out: Expectations,
    block: _Block,
    law: ErrorLaw,
    last: Expectations | None,
) -> None:
    """Expectations of one block."""
    if not law.doubtful:
        _fill_normal(out, block)
        return
    if block.truth is not None:
        # A known truth is a node with all the probability.
        nodes = block.truth[None]
        there = _evaluate(nodes, block, law)
        mass = np.ones(nodes.shape)
        _fill_moments(out, block, there, nodes, mass, there.logs[0])
        return
    center, sd = _centers(block, law, last)
    nodes = _peak_nodes(block, center, sd)
    there = _evaluate(nodes, block, law)
    mass, log_total, beyond = _peak_mass(nodes, there.logs, sd)
    reach = _SPACING * _EACH_SIDE * sd
    fine = block.variance < (_FINEST * _SPACING * sd) ** 2
    fine &= np.abs(block.location - center) <= reach
    _fill_moments(out, block, there, nodes, mass, log_total)
    # Where that does not resolve the density the first result is overwritten.
    rest = np.flatnonzero(~(beyond <= _BEYOND) | fine.any(axis=0))
    if len(rest):
        block, center, sd = block.take(rest), center[rest], sd[rest]
        nodes = _nodes(block, center, sd)
        there = _evaluate(nodes, block, law)
        found = _Piecewise.of(nodes, there.logs)
        _fill_moments(out, block, there, nodes, found.mass, found.log_total)


def _fill_moments(
    out: Expectations, block: _Block, there: _Densities, nodes: Array, mass: Array, evidence: Array
) -> None:
    """Averages over nodes of given mass."""
    q, rows = block.quantities, block.rows
    out.log_evidence[q] = evidence
    mean = np.sum(mass * nodes, axis=0)
    out.center[q] = mean
    out.sd[q] = np.sqrt(np.sum(mass * (nodes - mean) ** 2, axis=0))
    of_sound = mass * there.sound
    of_unsound = mass - of_sound
    of_unsound *= there.shrink
    sound = of_sound.sum(axis=1)
    unsound = of_unsound.sum(axis=1)
    inverse_v, inverse_w = 1.0 / block.variance, 1.0 / block.square
    out.sound[rows] = sound
    out.precision[rows] = inverse_v * sound + inverse_w * unsound
    out.pull[rows] = inverse_v * _over_nodes(of_sound, there.error)
    out.pull[rows] += inverse_w * _over_nodes(of_unsound, there.error)
    out.sound_square[rows] = inverse_v * _over_nodes(of_sound, there.square)
    out.unsound_square[rows] = inverse_w * _over_nodes(of_unsound, there.square)


def _over_nodes(weights: Array, values: Array) -> Array:
    """Weighted sums of (claims, nodes, quantities) over the nodes."""
    return np.asarray(np.einsum("jkq,jkq->jq", weights, values))


def _fill_normal(out: Expectations, block: _Block) -> None:
    q, rows = block.quantities, block.rows
    weight = block.share / block.variance
    total = weight.sum(axis=0)
    if block.truth is None:
        mean, variance = np.sum(weight * block.location, axis=0) / total, 1.0 / total
        integral = HALF_LOG_2PI - 0.5 * np.log(total)
    else:
        mean, variance, integral = block.truth, np.zeros(len(total)), np.zeros(len(total))
    e = block.location - mean
    logs = -0.5 * (np.log(block.variance) + e * e / block.variance) - HALF_LOG_2PI
    out.log_evidence[q] = np.sum(block.share * logs, axis=0) + integral
    out.center[q], out.sd[q] = mean, np.sqrt(variance)
    out.sound[rows] = 1.0
    out.sound_square[rows] = (e * e + variance) / block.variance
    out.precision[rows] = 1.0 / block.variance
    out.pull[rows] = e / block.variance


def _peak_nodes(block: _Block, center: Array, sd: Array) -> Array:
    """Nodes of a peak, equally spaced, and beyond it, increasing: (nodes, quantities).

    Those beyond begin with the peak's ends and have the claims that are not in the peak.
    """
    at = _taken(block.location, _candidates(block))
    reach = _SPACING * _EACH_SIDE * sd
    v, w = np.sqrt(block.variance.min(axis=0)), np.sqrt(block.square.min(axis=0))
    near, far = reach + 1.5 * v, reach + np.maximum(w, 3.0 * v)
    further = far + 6.0 * w
    at = np.where(np.abs(at - center) < reach, center + reach, at)
    around = center + np.stack([-further, -far, -near, -reach, reach, near, far, further])
    beyond = np.concatenate([around, at])
    beyond.sort(axis=0)
    return np.concatenate([center + sd * _PEAK[:, None], beyond])


_PEAK = _SPACING * np.arange(-_EACH_SIDE, _EACH_SIDE + 1.0)


def _peak_mass(nodes: Array, logs: Array, sd: Array) -> tuple[Array, Array, Array]:
    """Mass of `_peak_nodes`, log of the integral, and the part of it beyond the peak."""
    count = len(_PEAK)
    top = logs.max(axis=0)
    mass = np.zeros(nodes.shape)
    # Equal weights are exact for what is smooth on the spacing (but for the ends' halves).
    mass[:count] = np.exp(logs[:count] - top) * (_SPACING * sd)
    mass[0] *= 0.5
    mass[count - 1] *= 0.5
    low, high = nodes[0], nodes[count - 1]
    outer = nodes[count:]
    beyond, left, right = _exponential(outer, logs[count:] - top)
    outside = (outer[1:] <= low) | (outer[:-1] >= high)
    mass[count:-1] += np.where(outside, left, 0.0)
    mass[count + 1 :] += np.where(outside, right, 0.0)
    out = np.sum(beyond, axis=0, where=outside)
    total = mass.sum(axis=0)
    mass /= total
    return mass, top + np.log(total), out / total


def _nodes(block: _Block, center: Array, sd: Array) -> Array:
    """Increasing nodes around the claims and a centre: (nodes, quantities)."""
    candidates = _candidates(block)
    at = _taken(block.location, candidates)
    inner = np.sqrt(_taken(block.variance, candidates))
    outer = np.sqrt(_taken(block.square, candidates))
    reach = float(np.max(_FAR * outer / (_INNER[-1] * inner)))
    count = int(np.clip(np.ceil(np.log(reach) / np.log(_RATIO)), 1, _MOST_OUTER))
    steps = np.concatenate([_INNER, _INNER[-1] * _RATIO ** np.arange(1.0, count + 1.0)])
    steps = np.concatenate([-steps[::-1], [0.0], steps])
    around = at + inner * steps[:, None, None]
    middle = center + sd * np.concatenate([-_CENTRAL[:0:-1], _CENTRAL])[:, None]
    nodes = np.concatenate([around.reshape(-1, len(center)), middle])
    nodes.sort(axis=0)
    return nodes


def _taken(values: Array, candidates: IntArray | None) -> Array:
    """Values of candidates."""
    return values if candidates is None else np.take_along_axis(values, candidates, axis=0)


def _candidates(block: _Block) -> IntArray | None:
    """Claims around which there are nodes, None if all: if they are few, else of most support."""
    claims, quantities = block.location.shape
    if claims <= _CANDIDATES:
        return None
    looked = np.argsort(block.location, axis=0, kind="stable")
    if claims > _LOOKED_AT:
        looked = looked[np.linspace(0, claims - 1, _LOOKED_AT).astype(np.int64)]
    at, own = _taken(block.location, looked), _taken(block.variance, looked)
    support = np.zeros((len(looked), quantities))
    for j in range(claims):
        distance = at - block.location[j]
        close = 1.0 / (1.0 + distance**2 / (own + block.variance[j]))
        support += close * block.share[j]
    # Of claims that say the same one is enough.
    support[1:] -= 1e3 * (at[1:] == at[:-1])
    found = np.argpartition(-support, _CANDIDATES - 1, axis=0)[:_CANDIDATES]
    return np.asarray(np.take_along_axis(looked, found, axis=0))


@attrs.frozen(eq=False)
class _Densities:
    """Claims at nodes: every field (claims, nodes, quantities), but for ``logs``.

    ``error`` is claim less node and ``square`` its square; ``sound`` the probability that the claim
    is; ``shrink`` the precision that Student's t integrates over, relative to that of its scale;
    ``logs``, (nodes, quantities), the log of the product of the claims' densities.
    """

    error: Array
    square: Array
    sound: Array
    shrink: Array
    logs: Array


def _evaluate(nodes: Array, block: _Block, law: ErrorLaw) -> _Densities:
    """The claims' densities at nodes.

    The density of Student's t with odd or even df is a product of few factors; the sum of it and
    the normal density takes one exponential.
    """
    df = law.df
    sound_size = block.reliability / np.sqrt(2.0 * np.pi * block.variance)
    unsound_size = (1.0 - block.reliability) * np.exp(log_peak(df)) / np.sqrt(block.square)
    error = block.location[:, None] - nodes
    square = error * error
    z = square * (-0.5 / block.variance)[:, None]
    np.exp(z, out=z)
    z *= sound_size[:, None]
    u = square * (1.0 / (df * block.square))[:, None]
    u += 1.0
    np.divide(1.0, u, out=u)
    density = _power(u, df)
    density *= unsound_size[:, None]
    density += z
    z /= density
    u *= (df + 1.0) / df
    return _Densities(error, square, z, u, _log_product(density, block.share))


def _log_product(densities: Array, share: Array) -> Array:
    """Log of the product of (claims, nodes, quantities) to the power of their shares."""
    if np.all(share == 1.0):
        product = np.multiply.reduce(densities, axis=0)
        if np.min(product) > _UNDERFLOW and np.max(product) < 1.0 / _UNDERFLOW:
            return np.asarray(np.log(product, out=product))
    logs = np.log(densities)
    logs *= share[:, None]
    return np.asarray(logs.sum(axis=0))


def _power(base: Array, df: int) -> Array:
    """``base^((df + 1)/2)``."""
    half, odd = divmod(df + 1, 2)
    out = base.copy()
    for _ in range(half - 1):
        out *= base
    if odd:
        out *= np.sqrt(base)
    return out


def _exponential(nodes: Array, logs: Array) -> tuple[Array, Array, Array]:
    """Mass of a density that is exponential between nodes, in each interval, and of its two ends.

    Each end has the part of the mass that puts their mean where the interval's is.
    """
    sizes = np.exp(logs)
    rise = np.diff(logs, axis=0)
    flat = np.abs(rise) < _SMALL
    safe = np.where(flat, 1.0, rise)
    mean = np.where(flat, 0.5 * (sizes[1:] + sizes[:-1]), np.diff(sizes, axis=0) / safe)
    between = np.diff(nodes, axis=0) * mean
    with np.errstate(over="ignore"):
        at = np.where(flat, 0.5 + rise / 12.0, -1.0 / np.expm1(-safe) - 1.0 / safe)
    right = between * at
    return between, between - right, right


@attrs.frozen(eq=False)
class _Piecewise:
    """Densities that are exponential between nodes: (nodes, quantities).

    ``mass`` is that of each node's surroundings, ``between`` that of each interval, of total 1.
    """

    nodes: Array
    logs: Array
    between: Array
    mass: Array
    log_total: Array

    @staticmethod
    def of(nodes: Array, logs: Array) -> _Piecewise:
        top = logs.max(axis=0)
        between, left, right = _exponential(nodes, logs - top)
        total = between.sum(axis=0)
        total = np.where(total > 0.0, total, 1.0)
        mass = np.zeros_like(nodes)
        mass[:-1] += left
        mass[1:] += right
        return _Piecewise(nodes, logs, between / total, mass / total, top + np.log(total))

    def quantiles(self, probabilities: Array) -> Array:
        """Quantiles: (quantities, probabilities)."""
        quantities = self.nodes.shape[1]
        ends = np.concatenate([np.zeros((1, quantities)), np.cumsum(self.between, axis=0)])
        ends /= ends[-1:]
        out = np.empty((quantities, len(probabilities)))
        across = np.arange(quantities)
        for k, p in enumerate(probabilities.tolist()):
            i = np.clip(np.sum(ends <= p, axis=0) - 1, 0, len(self.between) - 1)
            low, high = ends[i, across], ends[i + 1, across]
            part = np.clip((p - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
            rise = self.logs[i + 1, across] - self.logs[i, across]
            flat = np.abs(rise) < _SMALL
            safe = np.clip(np.where(flat, 1.0, rise), -700.0, 700.0)
            t = np.where(flat, part, np.log1p(part * np.expm1(safe)) / safe)
            width = self.nodes[i + 1, across] - self.nodes[i, across]
            out[:, k] = self.nodes[i, across] + t * width
        return out
