"""Proper scores, calibration and Cooke's scores: how good forecasts were, once truth is known."""

from reliability.scores.calibration import Coverage, coverage, pit, uniformity
from reliability.scores.cards import scorecard
from reliability.scores.closed_forms import (
    crps_ensemble,
    crps_logistic,
    crps_lognormal,
    crps_normal,
    crps_student_t,
    crps_uniform,
)
from reliability.scores.cooke import (
    cooke_calibration,
    cooke_information,
    intrinsic_range,
    quantile_counts,
)
from reliability.scores.integrals import crps
from reliability.scores.proper import brier, interval_score, log_score, pinball, wis
from reliability.scores.skill import Skill, skill

__all__ = [
    "Coverage",
    "Skill",
    "brier",
    "cooke_calibration",
    "cooke_information",
    "coverage",
    "crps",
    "crps_ensemble",
    "crps_logistic",
    "crps_lognormal",
    "crps_normal",
    "crps_student_t",
    "crps_uniform",
    "interval_score",
    "intrinsic_range",
    "log_score",
    "pinball",
    "pit",
    "quantile_counts",
    "scorecard",
    "skill",
    "uniformity",
    "wis",
]
