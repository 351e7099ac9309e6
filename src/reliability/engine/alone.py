"""Claims alone: what each comes to under its quantity's prior, without scatter and all at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reliability.claims.columns import Columns
from reliability.engine.densities import PanelDensities
from reliability.engine.existence import existences
from reliability.engine.likelihoods import UnsoundLaw
from reliability.engine.mixture import Problems, gauss_rule
from reliability.engine.prior_panels import log_mass
from reliability.engine.scattered import EXCLUDED
from reliability.engine.without_scatter import LogDensities, solve_without_scatter
from reliability.errors import NumericalError
from reliability.priors import Beta, PriorsOnX

__all__ = ["NO_RULE", "each_alone"]

Array = NDArray[np.float64]

#: Claims whose reliability is known need no quadrature over p.
NO_RULE = gauss_rule(Beta(1.0, 1.0), 1)


def each_alone(
    ones: Columns, law: UnsoundLaw, priors: PriorsOnX
) -> tuple[Array, Array, PanelDensities]:
    """Log evidence of claims that have a quantity each, and their posteriors.

    Parameters
    ----------
    ones : the claims, of known reliability
    law : the unsound law
    priors : proper priors of their quantities

    Returns
    -------
    log evidence and its relative error, (claims,) each, and the posteriors

    Raises
    ------
    NumericalError
        If one of them and its prior exclude each other.
    """
    exists = existences(ones, law, priors.shared, None)
    problems = Problems(ones, law, priors, exists.lower.reach_power, exists.upper.reach_power)
    found = solve_without_scatter(problems, NO_RULE)
    mesh = found.mesh
    if mesh is None or len(found.alive) < ones.quantities:
        raise NumericalError(EXCLUDED)
    if not found.fine.all():
        raise found.refusal(int(np.argmin(found.fine)))
    density = PanelDensities.from_mesh(
        mesh, LogDensities(problems, NO_RULE), priors.low, priors.high
    )
    return mesh.log_total - log_mass(priors.shared), found.error, density
