"""Claims made at different times about a quantity that moves: the general model as a chain.

Scatter and the unknown reliability p are one per quantity, not one per date: for every node of
both the chain of all dates is run, and the results are mixed by weight and evidence. The prior is
on the quantity at the date of the earliest claim. Blurring with a normal leaves the exponent of a
power, and the rate of an exponential, as they are, so the posterior at any date has the tails
that it would have if nothing moved.
"""

from __future__ import annotations

from functools import cached_property

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns, Form
from reliability.engine.chain import Matrices, Part, Smoothed, refined, shares
from reliability.engine.density import PanelDensity
from reliability.engine.existence import Existence, existence
from reliability.engine.explain import ReliabilityDensity
from reliability.engine.features import features
from reliability.engine.likelihoods import (
    Claims,
    Scatter,
    UnsoundKind,
    UnsoundLaw,
    distribution_of_claim,
)
from reliability.engine.mixture import (
    NO_SCATTER,
    Problems,
    ReliabilityRule,
    Terms,
    by_panel,
    gauss_rule,
    log_mixture,
    log_sum,
    reliability_rule,
    terms,
    unknown_log_products,
)
from reliability.engine.panels import ORDER, WEIGHTS, Features, Panels, initial_panels
from reliability.engine.predictive import blurred_by_scatter
from reliability.engine.prior_panels import log_mass
from reliability.engine.quadrature import Mesh, coefficient_error, refine
from reliability.engine.scattered import (
    EXCLUDED,
    SCATTER_TOLERANCE,
    ScatterGrid,
    log_prior,
    scatter_of,
    scatter_start,
    weighing,
)
from reliability.engine.setup import COARSEST, Setup, hulls, refusal
from reliability.engine.shared import blurred_prior
from reliability.engine.voids import VOID_NEEDS_PRIOR, with_voids
from reliability.engine.without_scatter import rows_at
from reliability.errors import NoPosteriorError, NumericalError
from reliability.priors import Beta, Flat, PriorOnX, PriorsOnX, ScatterPrior

__all__ = ["Dated", "Timing", "solve_dated"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Features of other times nearer than this part of their scale count as one.
_ALIKE = 0.5
#: Values of likelihoods, of all times and of one part of the chains, at once.
_AT_ONCE = 1 << 23
#: Accepted error of a first look at the posterior of the scatter.
_PRESOLVE_TOLERANCE = 1e-9
_MAX_ROUNDS = 8
#: Numbers in blurs that a result keeps for later questions: 64 MB.
_MOST_RETAINED = 1 << 23
#: Accepted error of a panel of x, relative to the whole, where panels serve many scatters.
_X_TOLERANCE = 1e-11
#: Claims of unknown reliability up to which the evidence is interpolated in p.
_HIGHEST_DEGREE = 60
#: Values of p at which the evidence is worked out at once.
_NODES_OF_P = 64


@attrs.frozen(eq=False)
class Timing:
    """When the claims were made, and for when the quantity is asked.

    Parameters
    ----------
    days : (times,) increasing: those of the claims, and others
    time : (claims,) number of each claim's time
    drift : sd of the change in x per square root of a day
    """

    days: Array
    time: IntArray
    drift: float

    @classmethod
    def of(cls, days: IntArray, asked: IntArray, drift: float) -> Timing:
        """From the days of the claims and those that are asked for."""
        every = np.union1d(days, asked)
        return cls(every.astype(np.float64), np.searchsorted(every, days), drift)

    @property
    def steps(self) -> Array:
        """Sd of the change from each time to the next."""
        return np.asarray(self.drift * np.sqrt(np.diff(self.days)))


@attrs.frozen(eq=False)
class _Potential:
    """Log potentials: likelihoods of the claims of a time, at nodes of scatter and p; the prior.

    Parameters
    ----------
    problem : the claims by time (see ``place``), the unsound law
    place : (times,) number of the time in the columns, -1 without claims
    prior : on x at time ``first``
    rule : nodes of p
    scatter : (nodes,) values of tau or the inflation; None without scatter
    """

    columns: Columns
    law: UnsoundLaw
    place: IntArray
    prior: PriorOnX
    first: int
    rule: ReliabilityRule
    scatter: Array | None
    inflation: bool

    @property
    def chains(self) -> int:
        """One per node of scatter and p, p running faster."""
        return len(self.rule.p) * (1 if self.scatter is None else len(self.scatter))

    def __call__(self, time: int, anchor: Array, d: Array, /) -> Array:
        """Logs at anchor + d: (rows, 1), (rows, points) -> (chains, rows, points)."""
        place = int(self.place[time])
        if place < 0:
            out = np.zeros((self.chains, *d.shape))
        else:
            count = 1 if self.scatter is None else len(self.scatter)
            out = self._likelihood(place, anchor, d, count)
        if time == self.first:
            out = out + self.prior.log_density(anchor, d)
        return out

    def _likelihood(self, place: int, anchor: Array, d: Array, count: int) -> Array:
        rows = len(d)
        some = self.terms(place, anchor, d, count)
        logs = by_panel(_known(self.columns, some), some.starts)
        logs = logs + unknown_log_products(self.columns, some, self.rule)
        shape = (len(self.rule.p), count, rows, d.shape[1])
        return np.asarray(logs.reshape(shape).swapaxes(0, 1).reshape(-1, rows, d.shape[1]))

    def scatter_at(self, value: float | None) -> Scatter:
        """One value of the scatter, if there is any."""
        if value is None:
            return NO_SCATTER
        return scatter_of(np.full((1, 1), value), inflation=self.inflation)

    def terms(self, place: int, anchor: Array, d: Array, count: int) -> Terms:
        """The claims of a time at anchor + d, at each node of the scatter in turn."""
        rows = len(d)
        panels = rows_at(np.full(count * rows, place), np.tile(anchor, (count, 1)))
        scatter = NO_SCATTER
        if self.scatter is not None:
            every = np.repeat(self.scatter, rows)[:, None]
            scatter = scatter_of(every, inflation=self.inflation)
        return terms(self.columns, self.law, panels, np.tile(d, (count, 1)), scatter)


def _known(columns: Columns, some: Terms) -> Array:
    """Log likelihoods of claims of known reliability times their shares; 0 of the others."""
    reliability = columns.reliability[some.row][:, None]
    unknown = np.isnan(reliability)
    logs = log_mixture(some.sound, some.unsound, np.where(unknown, 1.0, reliability))
    return np.where(unknown, 0.0, logs * columns.share[some.row][:, None])


@attrs.frozen(eq=False)
class _Without:
    """Log potentials without each of some origins in turn, and at last of all claims.

    ``group`` is the origin of each row of the columns, ``growth`` (origins, claims) what the
    shares of the others are multiplied by, 0 for an origin's own.
    """

    whole: _Potential
    growth: Array

    def __call__(self, time: int, anchor: Array, d: Array, /) -> Array:
        """Logs at anchor + d: (rows, 1), (rows, points) -> (groups * nodes of p, rows, points)."""
        whole, count = self.whole, len(self.growth)
        out = np.zeros((count, len(whole.rule.p), *d.shape))
        place = int(whole.place[time])
        if place >= 0:
            columns = whole.columns
            some = whole.terms(place, anchor, d, 1)
            known = _known(columns, some)
            unknown = bool(np.isnan(columns.reliability).any())
            for k, growth in enumerate(self.growth):
                factor = growth[some.row]
                out[k] = by_panel(known * factor[:, None], some.starts)
                if unknown:
                    keep = factor > 0.0
                    rest = attrs.evolve(
                        some,
                        sound=some.sound[keep],
                        unsound=some.unsound[keep],
                        panel=some.panel[keep],
                        row=some.row[keep],
                    )
                    grown = columns.with_fields(share=columns.share * growth)
                    out[k] += unknown_log_products(grown, rest, whole.rule)
        if time == whole.first:
            out += whole.prior.log_density(anchor, d)
        return out.reshape(-1, *d.shape)


@attrs.frozen(eq=False, slots=False)
class Dated:
    """Posteriors at all times of the claims about one quantity that moves.

    ``order`` are the claims' rows by time; ``columns`` stand in that order, one "quantity" per
    time that has claims.
    """

    columns: Columns
    order: IntArray
    setup: Setup
    timing: Timing
    prior: PriorOnX
    existence: Existence
    problem: _Problem
    bends: Features
    grid: ScatterGrid | None
    parts: list[Part]
    log_normaliser: float
    error: float
    #: What was found without origins: the same for every time that is asked for.
    _left_out: dict[bytes, tuple[Part, float]] = attrs.field(factory=dict)

    @cached_property
    def weights(self) -> list[Array]:
        """Posterior probability of each node of scatter and p, by part."""
        return shares(self.parts)

    def masses(self, time: int) -> list[Array]:
        """Posterior probability at nodes of scatter, p and x of a time, by part."""
        out = []
        for part, weight in zip(self.parts, self.weights, strict=True):
            density = part.messages.density(time) * WEIGHTS
            total = density.sum(axis=(1, 2))
            each = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0.0)
            out.append(density * each[:, None, None])
        return out

    def distribution(self, time: int) -> PanelDensity:
        """Posterior of x at a time, on panels."""
        panels = self.panels[time]
        smoothed = [
            Smoothed.of(part.messages, time, part.potential, part.log_weight) for part in self.parts
        ]
        density = _Mixed(smoothed)
        logs = density(panels.anchor[:, None], panels.nodes()[0])
        with_slope = logs + panels.nodes()[1]
        top = float(with_slope.max())
        values = np.exp(with_slope - top)
        total = float((values @ WEIGHTS).sum())
        mesh = Mesh(
            attrs.evolve(panels, quantity=np.zeros(panels.count, dtype=np.int64)),
            logs,
            values,
            np.array([top]),
            np.array([total]),
            np.array([self.error]),
        )
        return PanelDensity.from_mesh(mesh, density, *self._ends(time))

    @property
    def panels(self) -> list[Panels]:
        """Panels of x of every time."""
        return self.parts[0].chain.panels

    @property
    def matrices(self) -> Matrices:
        """Blurs between the panels."""
        return self.parts[0].chain.matrices

    def scatter_distribution(self) -> PanelDensity | None:
        """Posterior of the scatter."""
        prior = self.setup.scatter
        if self.grid is None or prior is None:
            return None
        density = _ScatterEvidence(
            self.problem, self.panels, self.grid.columns, prior, self.matrices
        )
        mesh = refine(
            self.grid.panels, density.on_panels, 1, tolerance=SCATTER_TOLERANCE, noise=1e-12
        )
        return PanelDensity.from_mesh(mesh, density, prior.low, np.inf)

    def reliability_distribution(self) -> PanelDensity:
        """Posterior of logit p, the unknown reliability."""
        density = _ReliabilityEvidence(self)
        mesh = refine(
            ReliabilityDensity.panels_of(self.setup.unknown), density.on_panels, 1, tolerance=1e-11
        )
        return PanelDensity.from_mesh(mesh, density, -np.inf, np.inf)

    def predictive(self, time: int, distribution: PanelDensity) -> PanelDensity:
        """Distribution of x at a time plus tau e, with e standard normal."""
        assert self.grid is not None  # noqa: S101 - only called with a heterogeneity
        mass = np.concatenate(self.masses(time))
        by_node = mass.reshape(len(self.grid.values), -1, *mass.shape[1:]).sum(axis=1)
        own = np.tile(WEIGHTS, self.grid.panels.count)[:, None, None]
        here, broken = self.bends.quantity == time, self.bends.kink_quantity == time
        kinks = [self.bends.kink[broken], [x for x in self._ends(time) if np.isfinite(x)]]
        zero = np.zeros(1, dtype=np.int64)
        bends = attrs.evolve(
            self.bends,
            quantity=np.repeat(zero, int(here.sum())),
            location=self.bends.location[here],
            scale=self.bends.scale[here],
            kink=np.concatenate(kinks),
            kink_quantity=np.repeat(zero, sum(map(len, kinks))),
            low_power=self.bends.low_power[[time]],
            high_power=self.bends.high_power[[time]],
        )
        return blurred_by_scatter(
            self.grid.panels,
            by_node / (own * WEIGHTS),
            distribution,
            bends,
            self.existence.scatter_power,
            self.error,
        )

    def _ends(self, time: int) -> tuple[float, float]:
        """Support of x at a time: the prior's when it holds."""
        first = time == self.problem.ends[0]
        return (self.prior.low, self.prior.high) if first else (-np.inf, np.inf)

    def soundness(self) -> Array:
        """Posterior probability that each claim is sound, in the order that they were given."""
        columns, law = self.columns, self.setup.law
        out = np.zeros(columns.count)
        for time, place in enumerate(self.problem.potential.place.tolist()):
            if place < 0:
                continue
            rows = slice(columns.starts[place], columns.starts[place + 1])
            panels = self.panels[time]
            own = attrs.evolve(panels, quantity=np.full(panels.count, place))
            for part, mass in zip(self.parts, self.masses(time), strict=True):
                assert isinstance(part.potential, _Potential)  # noqa: S101 - all claims
                out[self.order[rows]] += _mean_soundness(columns, law, own, part.potential, mass)
        return out

    def weights_of_claims(self, time: int) -> Array:
        """Share of each claim in the quantity at a time, in the order that they were given.

        For sound normal claims the generalised least squares weights under a flat prior, which sum
        to 1, averaged over the scatter: with C the claims' covariance under the walk, and c theirs
        with the quantity, ``u = C^-1 1 / (1' C^-1 1)`` and ``u + C^-1 c - u (1' C^-1 c)``. Other
        claims' are nan: how precise a claim is depends on where the quantity was on its own day.
        """
        columns, timing = self.columns, self.timing
        plain = (columns.form == Form.NORMAL) & (columns.sd_low == columns.sd_high)
        if not np.all(plain & (columns.reliability == 1.0)):
            return np.full(columns.count, np.nan)
        days = timing.days[timing.time[self.order]]
        asked = float(timing.days[time])
        begin = min(float(days.min()), asked)
        since = days - begin
        walk = timing.drift**2 * np.minimum(since[:, None], since)
        with_asked = timing.drift**2 * np.minimum(since, asked - begin)
        stated = (columns.overconfidence * columns.sd_low) ** 2
        one, out = np.ones(columns.count), np.zeros(columns.count)
        scatter = [None] if self.grid is None else self.grid.values.tolist()
        for value, weight in zip(scatter, np.concatenate(self.weights).tolist(), strict=True):
            at_node = self.problem.potential.scatter_at(value)
            tau, factor = float(at_node.tau[0, 0]), float(at_node.inflation[0, 0])
            variance = (stated * factor**2 + columns.bias_variance + tau**2) / columns.share
            inverse = np.linalg.solve(walk + np.diag(variance), np.stack([one, with_asked], axis=1))
            mean = inverse[:, 0] / inverse[:, 0].sum()
            out[self.order] += weight * (mean * (1.0 - inverse[:, 1].sum()) + inverse[:, 1])
        return out

    def without(self, growth: Array) -> tuple[Part, float]:
        """Chains without each of some origins, and at last with all claims; and their error.

        Parameters
        ----------
        growth : (origins + 1, claims as given) what shares are multiplied by, 0 of those left out
        """
        key = growth.tobytes()
        if key not in self._left_out:
            self._left_out[key] = self._without(growth)
        return self._left_out[key]

    def _without(self, growth: Array) -> tuple[Part, float]:
        potential = self.problem.potential
        every = _Without(potential, growth[:, self.order])
        log_weight = np.tile(potential.rule.log_weight, len(growth))
        part = Part.on(
            self.panels,
            self.problem.steps,
            self.problem.ends,
            every,
            log_weight,
            len(growth),
            self.matrices,
        )
        (part,), error, _ = refined([part])
        return part, error

    def probability_below(self, columns: Columns, row: int, time: int) -> float:
        """Probability that a sound claim about x at a time would be below the one made."""
        total = 0.0
        panels = self.panels[time]
        for part, mass in zip(self.parts, self.masses(time), strict=True):
            potential = part.potential
            assert isinstance(potential, _Potential)  # noqa: S101 - not without origins
            nodes = [None] if potential.scatter is None else list(potential.scatter)
            by_node = mass.reshape(len(nodes), -1, *mass.shape[1:]).sum(axis=1)
            for value, each in zip(nodes, by_node, strict=True):
                at = potential.scatter_at(value)
                total += float(np.sum(each * below_on_panels(columns, row, panels, at)))
        return total


def below_on_panels(columns: Columns, row: int, panels: Panels, scatter: Scatter) -> Array:
    """Probability of a sound claim below the one made, at the nodes of panels."""
    rows = np.full(panels.count, row)
    claims = Claims.pair(columns, rows, panels.anchor, scatter)
    return distribution_of_claim(claims, panels.nodes()[0], columns.knots)


def _mean_soundness(
    columns: Columns, law: UnsoundLaw, panels: Panels, potential: _Potential, mass: Array
) -> Array:
    """Mean of r S/(r S + (1 - r) U) of a time's claims over nodes of scatter, p and x."""
    scatter, rule = potential.scatter, potential.rule
    nodes = [None] if scatter is None else list(scatter)
    by_node = mass.reshape(len(nodes), len(rule.p), *mass.shape[1:])
    total: Array = np.zeros(())
    d = panels.nodes()[0]
    for value, some_mass in zip(nodes, by_node, strict=True):
        some = terms(columns, law, panels, d, potential.scatter_at(value))
        count = len(some.row) // panels.count
        shape = (panels.count, count, ORDER)
        sound, unsound = some.sound.reshape(shape), some.unsound.reshape(shape)
        reliability = columns.reliability[some.row[:count]]
        for p, q, each in zip(rule.p, rule.q, some_mass, strict=True):
            unknown = np.isnan(reliability)
            r = np.where(unknown, p, reliability)[:, None]
            rest = np.where(unknown, q, 1.0 - reliability)[:, None]
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                odds = (unsound + np.log(rest)) - (sound + np.log(r))
                zeta = 1.0 / (1.0 + np.exp(odds))
            # Where neither is possible there is no mass.
            zeta = np.where(np.isnan(zeta), 0.0, zeta)
            total = total + np.einsum("pcn,pn->c", zeta, each)
    return np.asarray(total)


@attrs.frozen(eq=False)
class _Mixed:
    """Log density at a time, over all parts."""

    parts: list[Smoothed]

    def __call__(self, anchor: Array, d: Array) -> Array:
        logs = self.parts[0](anchor, d)
        for part in self.parts[1:]:
            logs = np.logaddexp(logs, part(anchor, d))
        return logs


class _ReliabilityEvidence:
    """Unnormalised log posterior density of logit p.

    With all shares 1 the evidence is a polynomial in p of a degree no larger than the number of
    claims of unknown reliability: as many nodes and one more tell it everywhere.
    """

    def __init__(self, dated: Dated) -> None:
        self._dated = dated
        columns = dated.columns
        shares = columns.share[np.isnan(columns.reliability)]
        self._exact = bool(np.all(shares == 1.0)) and len(shares) <= _HIGHEST_DEGREE
        if self._exact:
            angle = (2.0 * np.arange(len(shares) + 1) + 1.0) * np.pi / (2.0 * len(shares) + 2.0)
            self._nodes = np.sin(0.5 * angle) ** 2
            self._barycentric = np.sin(angle) * (-1.0) ** np.arange(len(shares) + 1)
            logs = self._log_evidence(self._nodes, np.cos(0.5 * angle) ** 2)
            self._top = float(logs.max())
            self._values = np.exp(logs - self._top)

    def _log_evidence(self, p: Array, q: Array) -> Array:
        """Log evidence at given p, the scatter integrated out."""
        dated = self._dated
        rule = ReliabilityRule(p, q, np.zeros(len(p)), None)
        potential = attrs.evolve(dated.problem.potential, rule=rule)
        problem = attrs.evolve(dated.problem, potential=potential)
        parts = problem.parts(dated.panels, dated.grid, dated.matrices)
        logs = np.concatenate([part.quick_log_evidence().reshape(-1, len(p)) for part in parts])
        return log_sum(logs, 0)

    def on_panels(self, panels: Panels) -> Array:
        """Log density at the nodes of panels."""
        return self(panels.anchor[:, None], panels.nodes()[0])

    def __call__(self, anchor: Array, d: Array) -> Array:
        """Log density at anchor + d of logit p."""
        logit = (anchor + d).ravel()
        log_p, log_q = -np.logaddexp(0.0, -logit), -np.logaddexp(0.0, logit)
        p, q = np.exp(log_p), np.exp(log_q)
        if self._exact:
            # Barycentric interpolation at Chebyshev's nodes (doi:10.1137/S0036144502417715).
            gap = p[:, None] - self._nodes
            hit = gap == 0.0
            with np.errstate(divide="ignore", invalid="ignore"):
                factor = self._barycentric / gap
                values = (factor @ self._values) / factor.sum(axis=1)
            values = np.where(hit.any(axis=1), hit @ self._values, values)
            with np.errstate(divide="ignore"):
                logs = self._top + np.log(np.maximum(values, 0.0))
        else:
            logs = np.concatenate(
                [
                    self._log_evidence(p[k : k + _NODES_OF_P], q[k : k + _NODES_OF_P])
                    for k in range(0, len(p), _NODES_OF_P)
                ]
            )
        prior = self._dated.setup.unknown
        logs = logs + prior.a * log_p + prior.b * log_q
        return np.asarray(logs.reshape(np.broadcast_shapes(anchor.shape, d.shape)))


# ------------------------------------------------------------------ where the panels go


def _time_features(
    columns: Columns,
    place: IntArray,
    setup: Setup,
    timing: Timing,
    prior: PriorOnX,
    exists: Existence,
) -> Features:
    """Where the density at each time bends: at its own claims, and at blurred ones of others."""
    count, first = len(timing.days), int(np.flatnonzero(place >= 0)[0])
    flat = Flat().on(setup.scale, None)
    powers = exists.lower.reach_power, exists.upper.reach_power

    def of(some: Columns, on_x: PriorOnX) -> Features:
        ones = np.ones(some.quantities)
        common = PriorsOnX.common(on_x, some.quantities)
        inflation = setup.scatter if setup.inflation is not None else None
        problems = Problems(some, setup.law, common, powers[0] * ones, powers[1] * ones)
        return features(problems, inflation)

    own = of(columns, flat)
    begin = of(columns.take_quantities(np.array([0])), prior)
    time_of = np.flatnonzero(place >= 0)
    later, kinks = own.quantity > 0, own.kink_quantity > 0
    quantity = np.concatenate([np.full(len(begin.location), first), time_of[own.quantity[later]]])
    location = np.concatenate([begin.location, own.location[later]])
    scale = np.concatenate([begin.scale, own.scale[later]])
    kink_quantity = np.concatenate(
        [np.full(len(begin.kink), first), time_of[own.kink_quantity[kinks]]]
    )
    kink = np.concatenate([begin.kink, own.kink[kinks]])
    ends = np.array([x for x in (prior.low, prior.high) if np.isfinite(x)])
    from_others = (
        np.concatenate([quantity, np.full(len(ends), first)]),
        np.concatenate([location, ends]),
        np.concatenate([scale, np.zeros(len(ends))]),
    )
    found = [_blurred_features(*from_others, timing, time) for time in range(count)]
    quantity = np.concatenate(
        [quantity, *(np.full(len(at), time) for time, (at, _) in enumerate(found))]
    )
    location = np.concatenate([location, *(at for at, _ in found)])
    scale = np.concatenate([scale, *(wide for _, wide in found)])
    order = np.argsort(quantity, kind="stable")
    low, high = np.full(count, -np.inf), np.full(count, np.inf)
    low[first], high[first] = prior.low, prior.high
    return Features(
        quantity[order],
        location[order],
        scale[order],
        kink_quantity,
        kink,
        low,
        high,
        np.full(count, powers[0]),
        np.full(count, powers[1]),
    )


def _blurred_features(
    quantity: IntArray, location: Array, scale: Array, timing: Timing, time: int
) -> tuple[Array, Array]:
    """Features of the other times as they show at one, those that are nearly alike once."""
    others = quantity != time
    days = np.abs(timing.days[quantity[others]] - timing.days[time])
    wide = np.hypot(scale[others], timing.drift * np.sqrt(days))
    size = np.round(np.log2(wide))
    place = np.round(location[others] / (_ALIKE * np.exp2(size)))
    _, index = np.unique(np.stack([size, place]), axis=1, return_index=True)
    return location[others][index], wide[index]


def _by_time(panels: Panels, count: int) -> list[Panels]:
    panels = panels.take(panels.order())
    starts = np.searchsorted(panels.quantity, np.arange(count + 1))
    zero = np.zeros(panels.count, dtype=np.int64)
    same = attrs.evolve(panels, quantity=zero)
    return [same.take(slice(starts[k], starts[k + 1])) for k in range(count)]


# ------------------------------------------------------------------ solving


def solve_dated(
    columns: Columns, setup: Setup, timing: Timing, around: Dated | None = None
) -> Dated:
    """Posteriors of a quantity that moves, at all times.

    Parameters
    ----------
    columns : the claims
    setup : everything else
    timing : of these claims
    around : the same with more claims, which say where panels go and when the prior holds

    Raises
    ------
    ReliabilityError
        Where claims, prior and model define no probability distribution.
    """
    (low,), (high,) = hulls(columns)
    prior = setup.prior.on(setup.scale, (float(low), float(high)))
    if (
        setup.law.kind is UnsoundKind.VOID
        and (columns.reliability != 1.0).any()
        and not prior.proper
    ):
        raise NoPosteriorError(VOID_NEEDS_PRIOR)
    exists = existence(columns, setup.law, prior, setup.scatter)
    if not exists.proper:
        raise NoPosteriorError(exists.reason)
    order = np.argsort(timing.time, kind="stable")
    claimed, sizes = np.unique(timing.time, return_counts=True)
    columns = _with_voids(columns.take(order), setup, timing, prior, timing.time[order])
    columns = columns.with_fields(starts=np.concatenate([[0], np.cumsum(sizes)]))
    place = np.full(len(timing.days), -1)
    place[claimed] = np.arange(len(claimed))
    unknown = np.isnan(columns.reliability)
    rule = (
        reliability_rule(setup.unknown, columns.share[unknown])
        if unknown.any()
        else gauss_rule(Beta(1.0, 1.0), 1)
    )
    ends = int(claimed[0]), int(claimed[-1])
    bends_of = columns, place
    if around is not None:
        ends = around.problem.ends[0], ends[1]
        bends_of = around.columns, around.problem.potential.place
    bends = _time_features(*bends_of, setup, timing, prior, exists)
    panels = _by_time(initial_panels(bends), len(timing.days))
    problem = _Problem(
        _Potential(
            columns,
            setup.law,
            place,
            prior,
            ends[0],
            rule,
            None,
            setup.inflation is not None,
        ),
        timing.steps,
        ends,
    )
    grid = None
    if setup.scatter is None:
        parts, error, noise = refined(problem.parts(panels, None))
    else:
        whole = columns.with_fields(starts=np.array([0, columns.count]))
        parts, grid, error, noise = _scattered(
            problem, whole, setup.scatter, exists.scatter_power, panels
        )
    log_normaliser = float(log_sum(np.concatenate([part.log_evidence for part in parts]), 0))
    if not np.isfinite(log_normaliser):
        raise NumericalError(EXCLUDED)
    error += exists.beyond_floats
    if not error <= COARSEST:
        raise refusal(error, noise)
    kept = parts[0].chain.matrices
    if sum(matrix.size for matrix in kept.values()) > _MOST_RETAINED:
        kept.clear()
    return Dated(
        columns,
        order,
        setup,
        timing,
        prior,
        exists,
        problem,
        bends,
        grid,
        parts,
        log_normaliser - log_mass(prior),
        error,
    )


@attrs.frozen(eq=False)
class _Problem:
    """Everything but the panels of x and the nodes of the scatter."""

    potential: _Potential
    steps: Array
    ends: tuple[int, int]

    def part(
        self,
        panels: list[Panels],
        scatter: Array | None,
        log_weight: Array,
        matrices: Matrices | None = None,
    ) -> Part:
        """Chains for nodes of the scatter and all of p, with their log weights."""
        potential = attrs.evolve(self.potential, scatter=scatter)
        return Part.on(panels, self.steps, self.ends, potential, log_weight, matrices=matrices)

    def parts(
        self, panels: list[Panels], grid: ScatterGrid | None, matrices: Matrices | None = None
    ) -> list[Part]:
        """Chains for all nodes of the scatter and of p, in parts that fit into memory."""
        rule = self.potential.rule
        matrices = {} if matrices is None else matrices
        if grid is None:
            return [self.part(panels, None, rule.log_weight, matrices)]
        log_weight = (grid.log_step + grid.log_prior)[:, None] + rule.log_weight
        step = ORDER * max(_AT_ONCE // (nodes_of(panels) * ORDER * len(rule.p)), 1)
        return [
            self.part(panels, grid.values[k : k + step], log_weight[k : k + step].ravel(), matrices)
            for k in range(0, len(grid.values), step)
        ]


def _scattered(
    problem: _Problem,
    columns: Columns,
    prior: ScatterPrior,
    power: float,
    panels: list[Panels],
) -> tuple[list[Part], ScatterGrid, float, float]:
    """Chains at nodes of the scatter that resolve the integral over it at all times."""
    matrices: Matrices = {}
    mesh = refine(
        scatter_start(columns, prior, power),
        _ScatterEvidence(problem, panels, columns, prior, matrices).on_panels,
        1,
        tolerance=_PRESOLVE_TOLERANCE,
        noise=1e-12,
    )
    mean = float(np.sum(mesh.node_mass * mesh.panels.nodes()[0]))
    of_scatter = weighing(mesh.panels, mesh.node_mass.sum(axis=1), mean)
    for _ in range(_MAX_ROUNDS):
        grid = ScatterGrid.on(columns, prior, of_scatter)
        parts, error, noise = refined(problem.parts(panels, grid, matrices), _X_TOLERANCE)
        panels, matrices = parts[0].chain.panels, parts[0].chain.matrices
        each = _scatter_errors(parts, len(problem.potential.rule.p))
        fails = (each > SCATTER_TOLERANCE) & of_scatter.splittable()
        if not fails.any():
            break
        of_scatter = Panels.join([of_scatter.take(~fails), of_scatter.take(fails).bisect()])
        of_scatter = of_scatter.take(of_scatter.order())
    return parts, grid, error + float(each.sum()), noise


@attrs.frozen(eq=False)
class _ScatterEvidence:
    """Unnormalised log posterior density of the scatter."""

    problem: _Problem
    panels: list[Panels]
    columns: Columns
    prior: ScatterPrior
    matrices: Matrices

    def on_panels(self, some: Panels) -> Array:
        """Log density at the nodes of panels."""
        return self(some.anchor[:, None], some.nodes()[0])

    def __call__(self, anchor: Array, d: Array) -> Array:
        """Log density at anchor + d: (rows, 1), (rows, points) -> (rows, points)."""
        values = (anchor + d).ravel()
        rule = self.problem.potential.rule
        step = max(_AT_ONCE // (nodes_of(self.panels) * len(rule.p)), 1)
        found = []
        for begin in range(0, len(values), step):
            some = values[begin : begin + step]
            log_weight = np.tile(rule.log_weight, len(some))
            part = self.problem.part(self.panels, some, log_weight, self.matrices)
            logs = part.quick_log_evidence()
            found.append(log_sum(logs.reshape(len(some), -1), 1))
        logs = np.concatenate(found) + log_prior(self.prior, self.columns, values)
        return np.asarray(logs.reshape(d.shape))


def nodes_of(panels: list[Panels]) -> int:
    """Number of nodes of x at all times."""
    return ORDER * sum(some.count for some in panels)


def _scatter_errors(parts: list[Part], nodes_of_p: int) -> Array:
    """Size of the last Legendre coefficients over the scatter, summed over x, per panel of it."""
    out = []
    for part, weight in zip(parts, shares(parts), strict=True):
        worst: Array = np.zeros(())
        for time in range(len(part.chain.panels)):
            density = part.messages.density(time) * WEIGHTS
            total = density.sum(axis=(1, 2))
            each = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0.0)
            mass = (density * each[:, None, None]).reshape(-1, ORDER, nodes_of_p, density[0].size)
            by_scatter = mass.sum(axis=2) / WEIGHTS[:, None]
            error = coefficient_error(by_scatter.swapaxes(1, 2)).sum(axis=1)
            worst = np.maximum(worst, error)
        out.append(worst)
    return np.concatenate(out)


def _with_voids(
    columns: Columns, setup: Setup, timing: Timing, prior: PriorOnX, time: IntArray
) -> Columns:
    """Constants of claims that, if unsound, say nothing: under the prior at their own time."""
    if setup.law.kind is not UnsoundKind.VOID:
        return columns
    fields = {name: np.empty(columns.count) for name in ("void", "meeting", "meeting_sd")}
    days = timing.days - timing.days[time[0]]
    for one in np.unique(time):
        rows = np.flatnonzero(time == one)
        sd = timing.drift * float(np.sqrt(days[one]))
        then = prior if sd == 0.0 or setup.prior.needs_hull else blurred_prior(prior, sd)
        some = with_voids(columns.take(rows), setup, PriorsOnX.common(then, 1), columns)
        for name, values in fields.items():
            values[rows] = getattr(some, name)
    return columns.with_fields(**fields)
