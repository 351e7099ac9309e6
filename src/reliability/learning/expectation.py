"""The expectation step: where each quantity may lie, and what that says about its claims.

Given the sources' parameters, the posterior of a quantity is a product of its claims' densities.
Under the normal law it is normal. Else it is evaluated on nodes around the claims' values and the
last centre, between which it is taken to be exponential: that is right for tails and peaks alike,
and good to a few per cent of an sd, which learning from many quantities does not notice.
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

__all__ = ["Expectations", "Summary", "expect", "log_densities", "summarise_quantities"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Offsets of nodes from a claim, in units of its sound sd.
_INNER = np.array([0.6, 1.3, 2.3])
#: Ratio of consecutive offsets beyond, up to so many scales of its unsound density.
_RATIO, _FAR, _MOST_OUTER = 3.5, 30.0, 10
#: Offsets of nodes from the last centre, in units of the last sd.
_CENTRAL = np.array([0.0, 0.5, 1.0, 1.6, 2.4, 3.5])
#: Claims around which there are nodes, those with most support.
_CANDIDATES = 8
#: Entries (claims times nodes) evaluated at a time.
_ENTRIES = 1 << 18
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
    """Claims about quantities with equally many: every field (claims, quantities)."""

    rows: IntArray
    quantities: IntArray
    location: Array
    variance: Array
    square: Array
    reliability: Array
    share: Array


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
        _fill(out, block, parameters.law, seen, last)

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
        center, spread = _centers(block, last if parameters.law.doubtful else None)
        q = block.quantities
        if parameters.law.doubtful:
            nodes = _nodes(block, center, spread)
            found = _Piecewise.of(nodes, _log_product(nodes, block, parameters.law, keep=False)[0])
            mass = found.mass
            out.quantiles[q] = found.quantiles(probabilities)
        else:
            points, weights = _HERMITE
            nodes = center[:, None] + spread[:, None] * points
            mass = np.broadcast_to(weights, nodes.shape)
            out.quantiles[q] = center[:, None] + spread[:, None] * ndtri(probabilities)
        # Moments that do not exist are the caller's to tell; here they may overflow.
        with np.errstate(over="ignore", invalid="ignore"):
            theta = to_theta(nodes)
            out.mean[q] = np.sum(mass * theta, axis=1)
            out.sd[q] = np.sqrt(np.sum(mass * (theta - out.mean[q][:, None]) ** 2, axis=1))

    _each_block(seen, parameters, work)
    known = seen.known
    out.quantiles[known] = seen.truth[known][:, None]
    out.mean[known], out.sd[known] = to_theta(seen.truth[known]), 0.0
    return out


def log_densities(seen: Observations, parameters: Parameters, at: Array) -> Array:
    """Log posterior density on x of every quantity at one place each, nan where that is nan."""
    out = np.full(seen.quantities, np.nan)

    def work(block: _Block) -> None:
        q = block.quantities
        center, spread = _centers(block, None)
        if not parameters.law.doubtful:
            out[q] = -0.5 * ((at[q] - center) / spread) ** 2 - np.log(spread) - HALF_LOG_2PI
            return
        there = np.where(np.isnan(at[q]), center, at[q])
        # Nodes at the place itself too, whatever its neighbours are.
        nodes = np.sort(
            np.concatenate([_nodes(block, center, spread), there[:, None]], axis=1), axis=1
        )
        logs = _log_product(nodes, block, parameters.law, keep=False)[0]
        total = _Piecewise.of(nodes, logs).log_total
        here = _log_product(there[:, None], block, parameters.law, keep=False)[0][:, 0]
        out[q] = np.where(np.isnan(at[q]), np.nan, here - total)

    _each_block(attrs.evolve(seen, truth=np.full(seen.quantities, np.nan)), parameters, work)
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
    own = parameters.own(seen)
    v, w = parameters.law.variances(own, seen.rounding, seen.stated)
    wider = parameters.bias_variance[seen.source]
    v, w = v + wider, w + wider
    location = seen.location - parameters.bias[seen.source]
    reliability = parameters.reliability[seen.source]

    def blocks() -> Iterator[_Block]:
        for size in np.unique(seen.sizes).tolist():
            if size == 0:
                continue
            members = np.flatnonzero(seen.sizes == size)
            nodes = min(size, _CANDIDATES) * 20 + 11
            step = max(_ENTRIES // (size * nodes), 1)
            for begin in range(0, len(members), step):
                some = members[begin : begin + step]
                rows = seen.starts[some] + np.arange(size)[:, None]
                yield _Block(
                    rows,
                    some,
                    location[rows],
                    v[rows],
                    w[rows],
                    reliability[rows],
                    seen.share[rows],
                )

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for _ in pool.map(work, blocks()):
            pass


def _centers(block: _Block, last: Expectations | None) -> tuple[Array, Array]:
    """Where the quantities of a block were found last, or the precision-weighted mean."""
    if last is not None:
        center, sd = last.center[block.quantities], last.sd[block.quantities]
        if np.all(sd > 0.0):
            return center, sd
    weight = block.share / block.variance
    total = weight.sum(axis=0)
    return np.sum(weight * block.location, axis=0) / total, 1.0 / np.sqrt(total)


def _fill(
    out: Expectations,
    block: _Block,
    law: ErrorLaw,
    seen: Observations,
    last: Expectations | None,
) -> None:
    """Expectations of one block."""
    q, rows = block.quantities, block.rows
    truth = seen.truth[q]
    known = ~np.isnan(truth)
    if not law.doubtful:
        _fill_normal(out, block, truth)
        return
    center, sd = _centers(block, last)
    nodes = _nodes(block, center, sd)
    # A known truth is a node with all the probability.
    nodes[known] = truth[known][:, None]
    logs, sound, shrink = _log_product(nodes, block, law, keep=True)
    found = _Piecewise.of(nodes, logs)
    mass = found.mass
    mass[known] = 1.0 / mass.shape[1]
    out.log_evidence[q] = np.where(known, logs[:, 0], found.log_total)
    mean = np.sum(mass * nodes, axis=1)
    out.center[q] = mean
    out.sd[q] = np.sqrt(np.maximum(np.sum(mass * (nodes - mean[:, None]) ** 2, axis=1), 0.0))
    for j in range(len(rows)):
        e = block.location[j][:, None] - nodes
        z, u = sound[j], shrink[j]
        row = rows[j]
        inverse_v, inverse_w = 1.0 / block.variance[j], 1.0 / block.square[j]
        of_sound = mass * z
        of_unsound = mass * u
        of_unsound -= of_sound * u
        out.sound[row] = of_sound.sum(axis=1)
        out.precision[row] = inverse_v * out.sound[row] + inverse_w * of_unsound.sum(axis=1)
        of_sound *= e
        of_unsound *= e
        out.pull[row] = inverse_v * of_sound.sum(axis=1) + inverse_w * of_unsound.sum(axis=1)
        out.sound_square[row] = inverse_v * np.sum(of_sound * e, axis=1)
        out.unsound_square[row] = inverse_w * np.sum(of_unsound * e, axis=1)


def _fill_normal(out: Expectations, block: _Block, truth: Array) -> None:
    q, rows = block.quantities, block.rows
    known = ~np.isnan(truth)
    weight = block.share / block.variance
    total = weight.sum(axis=0)
    mean = np.where(known, truth, np.sum(weight * block.location, axis=0) / total)
    variance = np.where(known, 0.0, 1.0 / total)
    e = block.location - mean
    logs = -0.5 * (np.log(block.variance) + e * e / block.variance) - HALF_LOG_2PI
    at_mean = np.sum(block.share * logs, axis=0)
    integral = np.where(known, 0.0, HALF_LOG_2PI - 0.5 * np.log(total))
    out.log_evidence[q] = at_mean + integral
    out.center[q], out.sd[q] = mean, np.sqrt(variance)
    out.sound[rows] = 1.0
    out.sound_square[rows] = (e * e + variance) / block.variance
    out.precision[rows] = 1.0 / block.variance
    out.pull[rows] = e / block.variance


def _nodes(block: _Block, center: Array, sd: Array) -> Array:
    """Increasing nodes of each quantity: (quantities, nodes)."""
    quantities = block.location.shape[1]
    candidates = _candidates(block)
    across = np.arange(quantities)
    at = block.location[candidates, across]
    inner = np.sqrt(block.variance[candidates, across])
    outer = np.sqrt(block.square[candidates, across])
    reach = float(np.max(_FAR * outer / (_INNER[-1] * inner)))
    count = int(np.clip(np.ceil(np.log(reach) / np.log(_RATIO)), 1, _MOST_OUTER))
    steps = np.concatenate([_INNER, _INNER[-1] * _RATIO ** np.arange(1.0, count + 1.0)])
    steps = np.concatenate([-steps[::-1], [0.0], steps])
    around = at[:, :, None] + inner[:, :, None] * steps
    middle = center[:, None] + sd[:, None] * np.concatenate([-_CENTRAL[:0:-1], _CENTRAL])
    nodes = np.concatenate([around.transpose(1, 0, 2).reshape(quantities, -1), middle], axis=1)
    nodes.sort(axis=1)
    return nodes


def _candidates(block: _Block) -> IntArray:
    """Claims around which there are nodes: all if they are few, else those with most support."""
    claims, quantities = block.location.shape
    if claims <= _CANDIDATES:
        return np.tile(np.arange(claims)[:, None], (1, quantities))
    support = np.zeros((claims, quantities))
    for j in range(claims):
        distance = block.location - block.location[j]
        close = 1.0 / (1.0 + distance**2 / (block.variance + block.variance[j]))
        support += close * block.share[j]
        # Of claims that say the same one is enough.
        support[j + 1 :] -= 1e3 * (distance[j + 1 :] == 0.0)
    found = np.argpartition(-support, _CANDIDATES - 1, axis=0)[:_CANDIDATES]
    return np.asarray(np.sort(found, axis=0))


def _log_product(
    nodes: Array, block: _Block, law: ErrorLaw, *, keep: bool
) -> tuple[Array, Array, Array]:
    """Log of the product of the claims' densities; soundness and precisions of each at the nodes.

    The density of Student's t with odd or even df is a product of few factors; the sum of it and
    the normal density takes one exponential, and its logarithm one logarithm.
    """
    claims = len(block.location)
    logs = np.zeros(nodes.shape)
    shape = (claims, *nodes.shape) if keep else (1, *nodes.shape)
    sound, shrink = np.empty(shape), np.empty(shape)
    df = law.df
    constant = np.exp(log_peak(df))
    sound_size = block.reliability / np.sqrt(2.0 * np.pi * block.variance)
    unsound_size = (1.0 - block.reliability) * constant / np.sqrt(block.square)
    for j in range(claims):
        z, u = (sound[j], shrink[j]) if keep else (sound[0], shrink[0])
        square = nodes - block.location[j][:, None]
        square *= square
        np.multiply(square, (-0.5 / block.variance[j])[:, None], out=z)
        np.exp(z, out=z)
        z *= sound_size[j][:, None]
        np.multiply(square, (1.0 / (df * block.square[j]))[:, None], out=u)
        u += 1.0
        np.divide(1.0, u, out=u)
        unsound = _power(u, df)
        unsound *= unsound_size[j][:, None]
        unsound += z
        z /= unsound
        u *= (df + 1.0) / df
        np.log(unsound, out=unsound)
        unsound *= block.share[j][:, None]
        logs += unsound
    return logs, sound, shrink


def _power(base: Array, df: int) -> Array:
    """``base^((df + 1)/2)``."""
    half, odd = divmod(df + 1, 2)
    out = base.copy()
    for _ in range(half - 1):
        out *= base
    if odd:
        out *= np.sqrt(base)
    return out


@attrs.frozen(eq=False)
class _Piecewise:
    """Densities that are exponential between nodes.

    ``mass`` is that of each node's surroundings, ``between`` that of each interval, of total 1.
    """

    nodes: Array
    logs: Array
    between: Array
    mass: Array
    log_total: Array

    @staticmethod
    def of(nodes: Array, logs: Array) -> _Piecewise:
        top = logs.max(axis=1)
        sizes = np.exp(logs - top[:, None])
        width = np.diff(nodes, axis=1)
        rise = np.diff(logs, axis=1)
        # The mean of an exponential between its ends, and where its mass lies.
        flat = np.abs(rise) < _SMALL
        safe = np.where(flat, 1.0, rise)
        mean = np.where(flat, 0.5 * (sizes[:, 1:] + sizes[:, :-1]), np.diff(sizes, axis=1) / safe)
        between = width * mean
        with np.errstate(over="ignore"):
            at = np.where(flat, 0.5 + rise / 12.0, -1.0 / np.expm1(-safe) - 1.0 / safe)
        total = between.sum(axis=1)
        total = np.where(total > 0.0, total, 1.0)
        between /= total[:, None]
        mass = np.zeros_like(nodes)
        mass[:, 1:] = between * at
        mass[:, :-1] += between * (1.0 - at)
        return _Piecewise(nodes, logs, between, mass, top + np.log(total))

    def quantiles(self, probabilities: Array) -> Array:
        """Quantiles: (quantities, probabilities)."""
        ends = np.concatenate(
            [np.zeros((len(self.nodes), 1)), np.cumsum(self.between, axis=1)], axis=1
        )
        ends /= ends[:, -1:]
        out = np.empty((len(self.nodes), len(probabilities)))
        across = np.arange(len(self.nodes))
        for k, p in enumerate(probabilities.tolist()):
            i = np.clip(np.sum(ends <= p, axis=1) - 1, 0, self.between.shape[1] - 1)
            low, high = ends[across, i], ends[across, i + 1]
            part = np.clip((p - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
            rise = self.logs[across, i + 1] - self.logs[across, i]
            flat = np.abs(rise) < _SMALL
            safe = np.clip(np.where(flat, 1.0, rise), -700.0, 700.0)
            t = np.where(flat, part, np.log1p(part * np.expm1(safe)) / safe)
            width = self.nodes[across, i + 1] - self.nodes[across, i]
            out[:, k] = self.nodes[across, i] + t * width
        return out
