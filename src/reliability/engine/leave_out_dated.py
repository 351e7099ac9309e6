"""What changes when an origin is left out of the claims about a quantity that moves.

Where the likelihoods of the others stay as they are, the chains without every origin in turn run
on common panels; otherwise each is solved anew. The prior stays on the day on which it was.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns
from reliability.engine.chain import Part
from reliability.engine.dated import Dated, below_on_panels, solve_dated
from reliability.engine.density import medians
from reliability.engine.divergence import divergence
from reliability.engine.inference import Inference, infer_dated
from reliability.engine.leave_out import (
    LeftOut,
    existences_without,
    growth_of_shares,
    median_of,
    moves_hull,
    two_sided,
)
from reliability.engine.mixture import NO_SCATTER, log_sum
from reliability.engine.panels import WEIGHTS
from reliability.engine.quadrature import Mesh
from reliability.engine.setup import COARSEST
from reliability.errors import ReliabilityError

__all__ = ["leave_origins_of_dated_out"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
NAN = float("nan")


def leave_origins_of_dated_out(
    inference: Inference, group: IntArray, dependence: float | Array
) -> list[LeftOut]:
    """Leave every origin out in turn; parameters as of ``leave_origins_out``."""
    dated = _dated(inference)
    origins = int(group.max()) + 1
    growth = growth_of_shares(origins, dependence)
    # Shares of all claims, by the origin that is left out.
    factor = np.where(group == np.arange(origins)[:, None], 0.0, growth[:, group])
    found: dict[int, LeftOut] = {}
    if dated.grid is None and origins > 1:
        try:
            found = _at_once(inference, group, growth, factor)
        except ReliabilityError:
            # Some prior cannot be made from what one of the origins leaves.
            found = {}
    out: list[LeftOut] = []
    for origin in range(origins):
        left = found.get(origin)
        if left is None:
            members = np.flatnonzero(group == origin)
            try:
                left = _anew(inference, members, factor[origin])
            except ReliabilityError:
                left = LeftOut(NAN, NAN, dict.fromkeys(map(int, members), NAN))
        out.append(left)
    return out


def _dated(inference: Inference) -> Dated:
    assert inference.dated is not None  # noqa: S101 - only called for a quantity that moves
    return inference.dated


def _anew(inference: Inference, members: IntArray, factor: Array) -> LeftOut:
    """The others' posterior on panels of its own."""
    dated, columns = _dated(inference), inference.columns
    rest = np.flatnonzero(factor > 0.0)
    if not len(rest):
        return LeftOut(NAN, NAN, dict.fromkeys(map(int, members), NAN))
    timing = attrs.evolve(dated.timing, time=dated.timing.time[rest])
    others = columns.take(rest)
    others = others.with_fields(share=others.share * factor[rest])
    other = solve_dated(others, dated.setup, timing, dated)
    day = float(dated.timing.days[inference.time])
    at_day = infer_dated(others, other, day)
    tail = {
        row: _tail(columns, row, other.probability_below(columns, row, int(time)))
        for row, time in zip(members.tolist(), dated.timing.time[members], strict=True)
    }
    panels = other.panels[inference.time]
    gain = divergence(inference.distribution, at_day.distribution, panels)
    return LeftOut(gain, median_of(at_day), tail)


def _tail(columns: Columns, row: int, below: float) -> float:
    below = min(max(below, 0.0), 1.0)
    return two_sided(below, 1.0 - below, int(columns.form[row]))


def _at_once(
    inference: Inference, group: IntArray, growth: Array, factor: Array
) -> dict[int, LeftOut]:
    """Without every origin in turn, on common panels."""
    dated, columns, time = _dated(inference), inference.columns, inference.time
    origins = np.array(
        [
            origin
            for origin, exists in enumerate(existences_without(inference, group, growth))
            if exists.proper and not moves_hull(inference, np.flatnonzero(group != origin))
        ],
        dtype=np.int64,
    )
    if not len(origins):
        return {}
    part, error = dated.without(np.concatenate([factor[origins], np.ones((1, columns.count))]))
    if not error <= COARSEST:
        return {}
    meshes = _meshes(part, time)
    own, middle = meshes[-1], medians(meshes[:-1])
    mass, whole = own.node_mass, own.log_density - own.log_total[0]
    by_time = {int(at): _meshes(part, int(at)) for at in np.unique(dated.timing.time)}
    out: dict[int, LeftOut] = {}
    for k, origin in enumerate(origins.tolist()):
        held = mass > 0.0
        gap = whole[held] - (meshes[k].log_density[held] - meshes[k].log_total[0])
        gain = float(np.sum(mass[held] * gap))
        tail = {}
        for row in np.flatnonzero(group == origin).tolist():
            mesh = by_time[int(dated.timing.time[row])][k]
            below = below_on_panels(columns, row, mesh.panels, NO_SCATTER)
            tail[row] = _tail(columns, row, float(np.sum(mesh.node_mass * below)))
        out[origin] = LeftOut(max(gain, 0.0), float(middle[k]), tail)
    return out


def _meshes(part: Part, time: int) -> list[Mesh]:
    """The density of each group of chains at a time, on common panels."""
    messages, panels = part.messages, part.chain.panels[time]
    with np.errstate(divide="ignore"):
        logs = np.log(messages.before[time]) + np.log(messages.after[time])
    scale = part.log_weight + messages.log_before[time] + messages.log_after[time]
    logs += part.chain.logs[time] + scale[:, None, None]
    by_group = log_sum(logs.reshape(part.groups, -1, *logs.shape[1:]), 1)
    out = []
    for own in by_group:
        with_slope = own + panels.nodes()[1]
        top = float(with_slope.max())
        values = np.exp(with_slope - top)
        total = np.array([float((values @ WEIGHTS).sum())])
        out.append(Mesh(panels, own, values, np.array([top]), total, np.zeros(1)))
    return out
