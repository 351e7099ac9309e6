"""Combine conflicting claims about a quantity from sources that are not equally trustworthy."""

from reliability import priors
from reliability.claims.claim import Claim
from reliability.claims.phrases import read
from reliability.claims.sources import Source
from reliability.claims.statements import About, AtLeast, AtMost, Estimate, Quantiles, Range
from reliability.combination import Combination, combine
from reliability.errors import ReliabilityError
from reliability.many import combine_many
from reliability.models import Floor, Model, Void, Wide
from reliability.posterior import Posterior

__all__ = [
    "About",
    "AtLeast",
    "AtMost",
    "Claim",
    "Combination",
    "Estimate",
    "Floor",
    "Model",
    "Posterior",
    "Quantiles",
    "Range",
    "ReliabilityError",
    "Source",
    "Void",
    "Wide",
    "combine",
    "combine_many",
    "priors",
    "read",
]

__version__ = "0.1.0"
