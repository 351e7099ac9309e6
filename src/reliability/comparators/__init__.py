"""Other methods of combining numbers, to report beside this library's and to compare it with.

Averages of values with stated sds, pools of distributions and of probabilities, Cooke's
performance weights, and truth discovery on tables. Sivia's conservative likelihood, the
hierarchical model of the NIST Consensus Builder and bayesmeta's random effects are models of
``combine`` and are not repeated here.
"""

from __future__ import annotations

from reliability.comparators.averages import (
    Average,
    arithmetic_mean,
    birge_mean,
    dersimonian_laird,
    median,
    pdg_average,
    weighted_mean,
)
from reliability.comparators.cooke import DecisionMaker, cooke_weights, decision_maker
from reliability.comparators.distributions import QuantileTable
from reliability.comparators.pools import (
    BetaTransformedPool,
    GaussianEstimate,
    LinearPool,
    LogarithmicPool,
    Pool,
    QuantilePool,
    beta_transformed_pool,
    covariance_intersection,
    fit_beta_transform,
    linear_pool,
    logarithmic_pool,
    quantile_pool,
)
from reliability.comparators.probability_pools import (
    beta_transformed_probability,
    extremised_probability,
    linear_probability,
    log_odds_probability,
)
from reliability.comparators.track_records import exponential_weights
from reliability.comparators.truth_discovery import (
    Truths,
    catd,
    crh,
    gtm,
    mean_per_quantity,
    median_per_quantity,
)

__all__ = [
    "Average",
    "BetaTransformedPool",
    "DecisionMaker",
    "GaussianEstimate",
    "LinearPool",
    "LogarithmicPool",
    "Pool",
    "QuantilePool",
    "QuantileTable",
    "Truths",
    "arithmetic_mean",
    "beta_transformed_pool",
    "beta_transformed_probability",
    "birge_mean",
    "catd",
    "cooke_weights",
    "covariance_intersection",
    "crh",
    "decision_maker",
    "dersimonian_laird",
    "exponential_weights",
    "extremised_probability",
    "fit_beta_transform",
    "gtm",
    "linear_pool",
    "linear_probability",
    "log_odds_probability",
    "logarithmic_pool",
    "mean_per_quantity",
    "median",
    "median_per_quantity",
    "pdg_average",
    "quantile_pool",
    "weighted_mean",
]
