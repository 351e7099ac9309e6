"""The likelihood of one quantity's claims as a function of x: p and scatter integrated out.

What a linked quantity tells the others. There is no prior on x here, so the scatter is
integrated at every x by itself: far from the claims it must be about as large as the distance.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns
from reliability.engine.existence import existence
from reliability.engine.features import features
from reliability.engine.log_functions import ROUNDING, TOLERANCE, LogFunction, Places, tabulate
from reliability.engine.mixture import (
    Problem,
    ReliabilityRule,
    log_likelihood,
    reliability_rule,
)
from reliability.engine.normal import first_scatter_panels
from reliability.engine.panels import Panels
from reliability.engine.quadrature import prune, refine
from reliability.engine.scattered import (
    SCATTER_TOLERANCE,
    log_mass_of_scatter,
    log_prior,
    scatter_of,
)
from reliability.engine.setup import Setup
from reliability.engine.without_scatter import rows_at
from reliability.errors import NoPosteriorError
from reliability.priors import Flat, ScatterPrior

__all__ = ["marginal_likelihood"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Points of x at which the scatter is integrated at once.
_AT_ONCE = 32


def marginal_likelihood(columns: Columns, setup: Setup) -> LogFunction:
    """Density of one quantity's claims given x, as a table.

    Parameters
    ----------
    columns : the claims, with the constants of Voids
    setup : everything else; its prior on x plays no part

    Raises
    ------
    NoPosteriorError
        If the scatter has an improper prior and the claims are too few to determine it.
    """
    flat = Flat().on(setup.scale)
    exists = existence(columns, setup.law, attrs.evolve(flat, proper=True), setup.scatter)
    if not exists.scatter_power > 1.0:
        raise NoPosteriorError(exists.reason)
    problem = Problem(columns, setup.law, flat, setup.unknown, np.inf, np.inf)
    rule = reliability_rule(setup.unknown, columns.share[np.isnan(columns.reliability)])
    found = features(problem, setup.scatter)
    like = LogFunction(
        _nothing,
        Places.join([Places(found.location, found.scale, found.kink)]),
        lower_tail=exists.lower,
        upper_tail=exists.upper,
    )
    if setup.scatter is None:
        return tabulate(_Without(problem, rule), like)
    return tabulate(_With(problem, rule, setup.scatter, float(exists.scatter_power)), like)


def _nothing(x: Array) -> Array:
    return np.zeros_like(x)


def _between_rules(fine: Array, coarse: Array) -> Array:
    """Error of the rule over p, as :func:`reliability_errors` bounds it."""
    gap = np.abs(np.expm1(coarse - fine))
    return np.asarray(np.minimum(gap, 10.0 * gap**2))


@attrs.frozen(eq=False)
class _Without:
    """The likelihood without scatter, and its relative error."""

    problem: Problem
    rule: ReliabilityRule

    def __call__(self, x: Array) -> tuple[Array, Array, Array]:
        at = rows_at(np.zeros(len(x), dtype=np.int64), x)
        d = np.zeros((len(x), 1))
        logs = log_likelihood(self.problem, self.rule, at, d)[:, 0]
        error = np.zeros(len(x))
        if self.rule.coarse is not None:
            coarse = log_likelihood(self.problem, self.rule, at, d, coarse=True)[:, 0]
            error = _between_rules(logs, coarse)
        return logs, error, np.zeros(len(x))


@attrs.frozen(eq=False)
class _With:
    """The likelihood with scatter integrated out, and its relative error."""

    problem: Problem
    rule: ReliabilityRule
    prior: ScatterPrior
    power: float

    def __call__(self, x: Array) -> tuple[Array, Array, Array]:
        logs, error = np.empty(len(x)), np.empty(len(x))
        for begin in range(0, len(x), _AT_ONCE):
            part = slice(begin, begin + _AT_ONCE)
            logs[part], error[part] = self._integrated(x[part])
        return logs - log_mass_of_scatter(self.prior, self.problem.columns), error, np.zeros(len(x))

    def _integrated(self, x: Array) -> tuple[Array, Array]:
        columns, inflation = self.problem.columns, self.prior.low > 0.0
        one = np.ones(len(x))
        sds = columns.overconfidence * np.minimum(columns.sd_low, columns.sd_high)
        largest = float((columns.overconfidence * columns.stated_sd).max())
        center = columns.location - columns.bias
        farthest = np.abs(x[:, None] - center).max(axis=1)
        first = first_scatter_panels(
            sds.min() * one, largest * one, farthest, self.prior, self.power * one
        )

        def log_at(panels: Panels, at: Array, *, coarse: bool) -> Array:
            scatter = panels.anchor[:, None] + at
            # One row for every pair of x and scatter: the likelihoods take one scatter for each.
            where = np.repeat(x[panels.quantity], scatter.shape[1])
            logs = log_likelihood(
                self.problem,
                self.rule,
                rows_at(np.zeros(len(where), dtype=np.int64), where),
                np.zeros((len(where), 1)),
                scatter_of(scatter.reshape(-1, 1), inflation=inflation),
                coarse=coarse,
            )
            return logs.reshape(scatter.shape) + log_prior(self.prior, columns, scatter)

        def log_density(panels: Panels) -> Array:
            return log_at(panels, panels.nodes()[0], coarse=False)

        _, anchor, d = prune(first, lambda some, at: log_at(some, at, coarse=False))
        peak = Panels(*(np.arange(len(x)), anchor, *np.zeros((3, len(x)))))
        noise = TOLERANCE + ROUNDING * np.abs(log_at(peak, d[:, None], coarse=False)[:, 0])
        mesh = refine(first, log_density, len(x), tolerance=SCATTER_TOLERANCE, noise=noise)
        error = mesh.error
        if self.rule.coarse is not None:
            few = refine(
                mesh.panels,
                lambda panels: log_at(panels, panels.nodes()[0], coarse=True),
                len(x),
                tolerance=np.inf,
            )
            error = error + _between_rules(mesh.log_total, few.log_total)
        return mesh.log_total, error
