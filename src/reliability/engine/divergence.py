"""Kullback-Leibler divergence of one distribution from others."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.engine.density import Distribution, PanelDensity
from reliability.engine.mixture import log_sum
from reliability.engine.normal_mixtures import NormalMixture
from reliability.engine.panels import Features, Panels, initial_panels
from reliability.engine.quadrature import refine

__all__ = ["divergence", "divergences_of_mixtures", "joined"]

Array = NDArray[np.float64]

#: Accepted error of a panel, relative to the integral.
TOLERANCE = 1e-11
#: First step of the trapezoid rule for mixtures, in their coordinate u.
_STEP = 0.42
#: How far, in sds, that coordinate is nearly linear in x before it grows exponentially.
_LINEAR = 3.0
#: Accepted error of a divergence by the trapezoid rule.
_ERROR = 2e-10
#: Times that the step is halved.
_HALVINGS = 7
#: Exponents below minus this may underflow, once multiplied by a weight.
_UNDERFLOW = 600.0
#: Numbers worked on at once: arrays of 128 kB stay in the cache.
_AT_ONCE = 1 << 14


def divergence(full: Distribution, other: Distribution, first: Panels) -> float:
    """Kullback-Leibler divergence of a distribution from another.

    Parameters
    ----------
    full, other : the distributions
    first : panels that know where both of them bend
    """

    def log_of(distribution: Distribution, panels: Panels) -> Array:
        d, _ = panels.nodes()
        if isinstance(distribution, PanelDensity):
            x = panels.anchor[:, None] + d
            inside = (x >= distribution.low) & (x <= distribution.high)
            logs = distribution.evaluate(panels.anchor[:, None], d)
            return np.where(inside, logs - distribution.mesh.log_total[0], -np.inf)
        return distribution.log_density(panels.anchor[:, None] + d)

    def own(panels: Panels) -> Array:
        return log_of(full, panels)

    def gap(panels: Panels) -> Array:
        with np.errstate(invalid="ignore"):
            return np.nan_to_num(own(panels) - log_of(other, panels), nan=0.0, posinf=1e300)

    def factor(panels: Panels) -> tuple[Array, Array]:
        values = gap(panels)
        with np.errstate(divide="ignore"):
            return np.log(np.abs(values)), np.sign(values)

    mesh = refine(first, own, 1, integrands=(factor,), tolerance=TOLERANCE, noise=1e-13)
    mass = mesh.node_mass
    values = gap(mesh.panels)
    if np.any((values > 1e250) & (mass > 0.0)):
        return np.inf
    return max(float(np.sum(mass * values)), 0.0)


def joined(one: Features, other: Features) -> Features:
    """Features of both of two distributions of one quantity."""
    return attrs.evolve(
        one,
        quantity=np.concatenate([one.quantity, other.quantity]),
        location=np.concatenate([one.location, other.location]),
        scale=np.concatenate([one.scale, other.scale]),
    )


def divergences_of_mixtures(log_weight: Array, mean: Array, sd: Array) -> Array:
    """Kullback-Leibler divergences of the last of several mixtures of normals from the others.

    By the trapezoid rule in u, x = centre + 3 s sinh(u/3): on a smooth function its error is
    exp(-c/step). The step is halved for those that need it; their old points serve again.

    Parameters
    ----------
    log_weight, mean, sd : (mixtures, components)
    """
    full = NormalMixture(np.exp(log_weight[-1]), mean[-1], sd[-1])
    # Where, and on what scale, the density is high: no mean that a far tail could move.
    height = full.weights / full.sds
    center, scale = float(height @ full.means / height.sum()), 1.0 / float(height.sum())
    width = _LINEAR * scale
    reach = _reach(full, center, width)
    others = len(mean) - 1
    out, live = np.zeros(others), np.arange(others)
    step, pieces = _STEP, round(reach / _STEP)
    u = step * np.arange(-pieces, pieces + 1)
    mass, values = 0.0, np.zeros((others, 0))
    for _ in range(_HALVINGS + 1):
        rows = np.append(live, others)
        logs = _log_mixtures(
            log_weight[rows], mean[rows] - center, sd[rows], width * np.sinh(u / _LINEAR)
        )
        node = step * scale * np.exp(logs[-1]) * np.cosh(u / _LINEAR)
        new = node * (logs[-1] - logs[:-1])
        if values.size:
            both = np.empty((len(live), values.shape[1] + new.shape[1]))
            both[:, ::2], both[:, 1::2] = values, new
            values, mass, step = 0.5 * both, 0.5 * (mass + float(node.sum())), 0.5 * step
        else:
            values, mass = new, float(node.sum())
        good = (_error(values) < _ERROR) & (abs(mass - 1.0) < 1e-10)
        out[live[good]] = values[good].sum(axis=1)
        live, values = live[~good], values[~good]
        if not len(live):
            break
        u = step * (np.arange(-pieces, pieces) + 0.5)
        pieces *= 2
    for k in live.tolist():
        # The logarithm of a mixture far from the full one may bend where that is smooth.
        other = NormalMixture(np.exp(log_weight[k]), mean[k], sd[k])
        out[k] = divergence(full, other, initial_panels(joined(full.features, other.features)))
    return np.maximum(out, 0.0)


def _error(values: Array) -> Array:
    """Error of trapezoid sums of rows of values: the Fourier coefficient at one turn per step.

    The coefficients known are those up to half a turn; they fall at least exponentially. How fast,
    their largest of two bands say, as single ones may vanish; but never trust that what little
    is left falls as fast.
    """
    size = np.abs(np.fft.rfft(values[:, :-1], axis=1))
    turns = np.arange(size.shape[1]) / (values.shape[1] - 1)
    near, last = (turns >= 0.35) & (turns < 0.45), turns >= 0.45
    end = np.maximum(size[:, last].max(axis=1), 1e-15)
    ratio = np.minimum(end / np.maximum(size[:, near].max(axis=1), 1e-15), 1.0)
    return np.asarray(end * np.maximum(ratio**5, np.sqrt(end)))


_REACHES = 2.0 * _STEP * np.unique(np.round(6.0 * 1.15 ** np.arange(25)))


def _reach(full: NormalMixture, center: float, width: float) -> float:
    """Distance in u beyond which there is nothing of a mixture."""
    x = width * np.sinh(_REACHES / _LINEAR)
    beyond = full.below(center - x) + full.above(center + x)
    return float(_REACHES[min(int(np.count_nonzero(beyond > 1e-11)), len(_REACHES) - 1)])


def _log_mixtures(log_weight: Array, mean: Array, sd: Array, x: Array) -> Array:
    """Log densities of mixtures of normals (rows, components) at points (points,)."""
    out = np.empty((len(mean), len(x)))
    inverse = np.sqrt(0.5) / sd
    log_height = log_weight - np.log(sd * np.sqrt(2.0 * np.pi))
    height = np.exp(log_height)[:, None, :]
    # z = x / sd - mean / sd as a product of matrices: one pass instead of two.
    lines = np.stack([inverse, -mean * inverse], axis=2)
    points = np.stack([x, np.ones_like(x)])
    far = max(float(x[-1]), -float(x[0])) + float(np.abs(mean).max())
    underflows = (far * float(inverse.max())) ** 2 > _UNDERFLOW
    step = max(_AT_ONCE // (len(x) * mean.shape[1]), 1)
    for begin in range(0, len(mean), step):
        part = slice(begin, begin + step)
        z = lines[part] @ points
        z *= z
        np.negative(z, out=z)
        if not underflows:
            np.log((height[part] @ np.exp(z, out=z))[:, 0], out=out[part])
            continue
        # Exponentials that underflow are several times slower.
        sums = (height[part] @ np.exp(np.maximum(z, -_UNDERFLOW)))[:, 0]
        # Where that has underflowed, its logarithm all the same.
        row, point = np.nonzero(sums < 1e-250 * height[part].sum(axis=2))
        sums[row, point] = 1.0
        np.log(sums, out=out[part])
        out[begin + row, point] = log_sum(z[row, :, point] + log_height[begin + row], 1)
    return out
