"""Pictures of results. Needs matplotlib: ``pip install "source-reliability[plot]"``.

Every function takes the axes to draw on, or makes a figure of its own that belongs to no pyplot
state, and returns the axes: ``forest(result).figure.savefig("claims.png")``. No global style is
changed.
"""

from __future__ import annotations

from reliability.plots.calibration import coverage_curve, pit_histogram
from reliability.plots.densities import posterior
from reliability.plots.dependence import dependence_matrix
from reliability.plots.forest import forest, forests
from reliability.plots.influence import influence
from reliability.plots.sensitivity import sensitivity
from reliability.plots.sources import source_values
from reliability.plots.stated import stated_interval

__all__ = [
    "coverage_curve",
    "dependence_matrix",
    "forest",
    "forests",
    "influence",
    "pit_histogram",
    "posterior",
    "sensitivity",
    "source_values",
    "stated_interval",
]
