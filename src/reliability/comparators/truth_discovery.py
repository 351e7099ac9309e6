"""Truth discovery: values of many quantities and weights of sources, learned from each other.

Each function takes a table with the columns ``quantity``, ``source`` and ``value`` (a dict of
arrays, or anything that ``combine_many`` takes), one row per claim, and gives :class:`Truths`.
Stated uncertainty is not used, nor is any given. Each iteration takes time in proportion to the
claims. A source that repeats itself about a quantity counts as often as it speaks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from reliability.claims._checks import did_you_mean, short
from reliability.comparators._checks import checked_count, checked_level, positive_number, refuse
from reliability.errors import InvalidValueError, WrongTypeError
from reliability.tables.codes import Coded
from reliability.tables.frames import as_table

__all__ = ["Truths", "catd", "crh", "gtm", "mean_per_quantity", "median_per_quantity"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Losses below this part of the largest count as this: a source that never erred would have an
#: infinite weight.
_SMALLEST_LOSS = 1e-12
#: The same for the sums of squares of CATD.
_SMALLEST_SQUARES = 1e-20
#: Weight of the worst source under CRH's normalisation by the maximum: 0, but it may be the only
#: one to speak of a quantity.
_SMALLEST_WEIGHT = 1e-12
#: An iteration ends when no truth moves by more than this part of its quantity's spread.
_TOLERANCE = 1e-10
#: Units that the weights about a quantity sum to in a weighted median.
_UNITS = 2.0**40
#: A claim exceeds a threshold if it does so by more than this part of it, and not by rounding.
_TIE = 1e-12


@attrs.frozen(eq=False)
class Truths:
    """What a truth discovery method found.

    Attributes
    ----------
    quantities : names, in order of first appearance
    truth : (quantities,) estimated values, in each quantity's unit
    sd : (quantities,) posterior sds of the values, or None (GTM alone has them)
    sources : names, in order of first appearance
    weight : (sources,) relative weights, the larger the better, or None
    iterations : how many were made
    converged : whether the last one changed nothing
    """

    quantities: list[Any]
    truth: Array
    sd: Array | None
    sources: list[Any]
    weight: Array | None
    iterations: int
    converged: bool


@attrs.frozen(eq=False)
class _Claims:
    """Claims sorted by quantity and value.

    ``quantity`` and ``source`` are codes, (claims,) each, quantities ascending; ``starts`` the
    first claim about each.
    """

    quantity: IntArray
    source: IntArray
    value: Array
    quantities: list[Any]
    sources: list[Any]

    @cached_property
    def starts(self) -> IntArray:
        return np.searchsorted(self.quantity, np.arange(len(self.quantities))).astype(np.int64)

    @cached_property
    def claims_of_source(self) -> Array:
        return np.bincount(self.source, minlength=len(self.sources)).astype(np.float64)

    def per_source(self, values: Array) -> Array:
        return np.bincount(self.source, values, minlength=len(self.sources)).astype(np.float64)

    def per_quantity(self, values: Array) -> Array:
        return np.bincount(self.quantity, values, minlength=len(self.quantities)).astype(np.float64)

    @cached_property
    def count(self) -> Array:
        return np.bincount(self.quantity, minlength=len(self.quantities)).astype(np.float64)

    @cached_property
    def first(self) -> Array:
        """Smallest value of each quantity: counted from it, large values keep their digits."""
        return self.value[self.starts]

    @cached_property
    def mean(self) -> Array:
        return self.weighted_mean(np.ones(len(self.sources)))

    @cached_property
    def median(self) -> Array:
        last = self.starts + self.count.astype(np.int64) - 1
        low, high = (self.starts + last) // 2, (self.starts + last + 1) // 2
        return np.asarray(self.value[low] + 0.5 * (self.value[high] - self.value[low]))

    @cached_property
    def spread(self) -> Array:
        """Population sd of the claims about each quantity; 1 where they are all the same."""
        deviation = self.value - self.mean[self.quantity]
        sd = np.sqrt(self.per_quantity(deviation**2) / self.count)
        same = (
            self.value[self.starts] == self.value[np.append(self.starts[1:], len(self.value)) - 1]
        )
        return np.where(same, 1.0, sd)

    def weighted_mean(self, weight: Array) -> Array:
        w = weight[self.source]
        centered = self.value - self.first[self.quantity]
        return self.first + self.per_quantity(w * centered) / self.per_quantity(w)

    def weighted_median(self, weight: Array) -> Array:
        """Smallest value at or below which half of a quantity's weight lies."""
        w = weight[self.source]
        # In whole units of their quantity's total: such sums are exact in any order, even where
        # they run over the integers' range.
        units = np.rint(w / self.per_quantity(w)[self.quantity] * _UNITS).astype(np.int64)
        running = np.cumsum(units)
        before = np.append(0, running)[self.starts]
        total = np.append(before[1:], running[-1]) - before
        # Each claim may be rounded by half a unit: what is nearer than that to half is half.
        enough = 2 * (running - before[self.quantity]) >= (total - self.count)[self.quantity]
        rows = np.where(enough, np.arange(len(w)), len(w) - 1)
        return self.value[np.minimum.reduceat(rows, self.starts)]


def _appearance(coded: Coded) -> tuple[IntArray, list[Any]]:
    """Codes in order of first appearance, and their names."""
    used = coded.used()
    first = np.full(len(used.categories), len(used.codes), dtype=np.int64)
    np.minimum.at(first, used.codes, np.arange(len(used.codes)))
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    categories = used.categories
    names = categories.tolist() if isinstance(categories, np.ndarray) else list(categories)
    return rank[used.codes], [names[i] for i in order.tolist()]


def _claims(table: object) -> _Claims:
    """A table's claims, checked and sorted."""
    read = as_table(table)
    for column in ("quantity", "source", "value"):
        if column not in read.names:
            raise InvalidValueError(
                f"table: there is no column {column!r}{did_you_mean(column, read.names)}"
            )
    if not read.rows:
        raise InvalidValueError("table: there are no rows; give at least one claim")
    found = read.numbers("value")
    if found.refused is not None:
        row = int(np.flatnonzero(found.refused)[0])
        raise WrongTypeError(f"table: value in row {row} must be a number")
    refuse("table: value", found.values, ~np.isfinite(found.values), "must be a finite number")
    columns = []
    for column in ("quantity", "source"):
        coded = read.coded(column)
        empty = coded.codes < 0
        for code, name in enumerate(coded.categories):
            if name is None or name == "" or name != name:  # noqa: PLR0124 - nan
                empty |= coded.codes == code
        if empty.any():
            row = int(np.flatnonzero(empty)[0])
            raise InvalidValueError(f"table: {column} in row {row} is empty; give its name")
        columns.append(_appearance(coded))
    (quantity, quantities), (source, sources) = columns
    # By source too: the order of a table's rows must not change the rounding.
    order = np.lexsort((source, found.values, quantity))
    return _Claims(quantity[order], source[order], found.values[order], quantities, sources)


def mean_per_quantity(table: object) -> Truths:
    """Arithmetic mean of the claims about each quantity.

    Examples
    --------
    >>> table = {"quantity": ["a", "a", "b"], "source": ["x", "y", "x"], "value": [1.0, 3.0, 5.0]}
    >>> mean_per_quantity(table).truth.tolist()
    [2.0, 5.0]
    """
    claims = _claims(table)
    return Truths(claims.quantities, claims.mean, None, claims.sources, None, 0, converged=True)


def median_per_quantity(table: object) -> Truths:
    """Median of the claims about each quantity; between the middle two of an even number.

    Examples
    --------
    >>> table = {"quantity": ["a"] * 3, "source": ["x", "y", "z"], "value": [1.0, 3.0, 50.0]}
    >>> median_per_quantity(table).truth.tolist()
    [3.0]
    """
    claims = _claims(table)
    return Truths(claims.quantities, claims.median, None, claims.sources, None, 0, converged=True)


def _iterate(
    claims: _Claims,
    start: Array,
    weights: Callable[[Array], Array],
    truths: Callable[[Array], Array],
    most: int,
) -> Truths:
    """Weights from truths and truths from weights in turn, until the truths stay."""
    truth, weight, done, made = start, np.ones(len(claims.sources)), False, 0
    while made < most and not done:
        weight = weights(truth)
        new = truths(weight)
        done = bool(np.all(np.abs(new - truth) <= _TOLERANCE * claims.spread))
        truth, made = new, made + 1
    return Truths(claims.quantities, truth, None, claims.sources, weight, made, converged=done)


def crh(
    table: object,
    *,
    loss: Literal["absolute", "squared"] = "absolute",
    normaliser: Literal["max", "sum"] = "max",
    max_iterations: int = 100,
) -> Truths:
    """Conflict resolution on heterogeneous data, for numbers.

    In turn ``w_k = -log(L_k / max_j L_j)`` (or over ``sum_j L_j``), L_k source k's mean loss, and
    each truth the value of least weighted loss: with the absolute loss ``|v - t|/s`` the weighted
    median, with the squared ``(v - t)^2/s`` the weighted mean, s the sd of the claims about the
    quantity (Li et al. 2014, doi:10.1145/2588555.2610509, equations 5, 13 and 15).

    Left open there, and chosen here: it starts at the median; s is the population sd, 1 where all
    claims are the same; the weighted median is the smallest value with half of the weight at or
    below it, to 1e-12 for each claim; losses count as at least 1e-12 of the largest and
    weights as at least 1e-12. If every loss is 0 all weights are 1.

    Parameters
    ----------
    table : with columns quantity, source, value
    loss, normaliser : see above
    max_iterations : at least 1; ``converged`` tells whether they were enough (the weighted
        median may alternate for ever)

    Raises
    ------
    ReliabilityError
        If a column is missing, a cell is empty or no finite number, or an option unknown.

    Examples
    --------
    >>> table = {"quantity": [1, 1, 1, 2, 2, 2], "source": list("xyzxyz"),
    ...          "value": [10.0, 10.0, 13.0, 20.0, 20.5, 26.0]}
    >>> found = crh(table)
    >>> found.truth.tolist(), [round(float(w), 3) for w in found.weight]
    ([10.0, 20.5], [3.115, 27.631, 0.0])
    """
    claims, most = _claims(table), checked_count("max_iterations", max_iterations)
    if loss not in ("absolute", "squared"):
        raise InvalidValueError(f"loss must be 'absolute' or 'squared' (got {short(loss)})")
    if normaliser not in ("max", "sum"):
        raise InvalidValueError(f"normaliser must be 'max' or 'sum' (got {short(normaliser)})")
    spread = claims.spread[claims.quantity]

    def weights(truth: Array) -> Array:
        deviation = claims.value - truth[claims.quantity]
        each = np.abs(deviation) / spread if loss == "absolute" else deviation**2 / spread
        mean = claims.per_source(each) / claims.claims_of_source
        largest = mean.max()
        if largest == 0.0:
            return np.ones(len(mean))
        mean = np.maximum(mean, _SMALLEST_LOSS * largest)
        unit = largest if normaliser == "max" else mean.sum()
        return np.asarray(np.maximum(-np.log(mean / unit), _SMALLEST_WEIGHT))

    truths = claims.weighted_median if loss == "absolute" else claims.weighted_mean
    return _iterate(claims, claims.median, weights, truths, most)


def catd(
    table: object,
    *,
    significance: float = 0.05,
    standardise: bool = True,
    max_iterations: int = 100,
) -> Truths:
    """Confidence-aware truth discovery, for sources of which many make few claims.

    In turn ``w_k = chi2(significance/2; N_k) / sum (v - t)^2``, the numerator that quantile of
    chi-squared with as many degrees of freedom as source k makes claims (the lower end of the
    interval for the inverse of its error variance), and each truth the weighted mean (Li et al.
    2015, doi:10.14778/2735496.2735505, equations 6 to 8). It starts at the median.

    Left open there, and chosen here: sums of squares count as at least 1e-20 of the largest.

    Parameters
    ----------
    table : with columns quantity, source, value
    significance : in (0, 1)
    standardise : deviations in units of the sd of the claims about the quantity (1 where all are
        the same); else in the units of the values, which must then be those of one kind of
        quantity
    max_iterations : at least 1; ``converged`` tells whether they were enough

    Raises
    ------
    ReliabilityError
        As of :func:`crh`.

    Examples
    --------
    >>> table = {"quantity": [1, 1, 1, 2, 2, 2], "source": list("xyzxyz"),
    ...          "value": [10.0, 10.0, 13.0, 20.0, 20.5, 26.0]}
    >>> catd(table, standardise=False, max_iterations=1).truth.round(3).tolist()
    [10.0, 20.5]
    """
    claims, most = _claims(table), checked_count("max_iterations", max_iterations)
    level = checked_level(significance, "significance")
    if not isinstance(standardise, bool):
        raise WrongTypeError(f"standardise must be True or False (got {short(standardise)})")
    spread = claims.spread[claims.quantity] if standardise else np.ones(len(claims.value))
    quantile = np.asarray(2.0 * gammaincinv(0.5 * claims.claims_of_source, 0.5 * level), np.float64)

    def weights(truth: Array) -> Array:
        squares = claims.per_source(((claims.value - truth[claims.quantity]) / spread) ** 2)
        largest = squares.max()
        if largest == 0.0:
            return np.asarray(quantile)
        return np.asarray(quantile / np.maximum(squares, _SMALLEST_SQUARES * largest))

    return _iterate(claims, claims.median, weights, claims.weighted_mean, most)


def gtm(
    table: object,
    *,
    shape: float = 10.0,
    scale: float = 10.0,
    prior_sd: float = 1.0,
    outlier_threshold: float | None = 2.5,
    max_iterations: int = 100,
) -> Truths:
    """Gaussian truth model: normal errors whose variance belongs to the source.

    On standardised claims ``z = (v - median)/s``, s the sd of the claims about the quantity:
    truth mu_e ~ N(0, prior_sd^2), claim z ~ N(mu_e, sigma_k^2), sigma_k^2 ~ inverse gamma(shape,
    scale). In turn ``mu_e = (sum z/sigma^2) / (1/prior_sd^2 + sum 1/sigma^2)`` and ``sigma_k^2 =
    (2 scale + sum (z - mu)^2) / (2 (shape + 1) + N_k)`` (Zhao & Han 2012, A probabilistic model
    for estimating real-valued truth from conflicting sources, QDB workshop at VLDB, Algorithm 2).
    ``sd`` is the truth's given the sources' variances; ``weight`` is 1/sigma_k^2.

    Left open there, and chosen here: s is the population sd, 1 where all claims are the same; all
    sources start equal, with variance 1; a claim farther from 0 than the threshold is left out
    once, and median and s stay those of all claims; a quantity with no claim left keeps its
    median. There is no rule for relative errors, which would depend on the zero of the unit.

    Parameters
    ----------
    table : with columns quantity, source, value
    shape, scale : of the inverse gamma prior of the sources' variances, positive
    prior_sd : of the standardised truths, positive
    outlier_threshold : in sds, positive; None leaves nothing out
    max_iterations : at least 1; ``converged`` tells whether they were enough

    Raises
    ------
    ReliabilityError
        As of :func:`crh`.

    Examples
    --------
    >>> table = {"quantity": [1, 1, 1, 2, 2, 2], "source": list("xyzxyz"),
    ...          "value": [10.0, 10.0, 13.0, 20.0, 20.5, 26.0]}
    >>> gtm(table).truth.round(3).tolist()
    [10.661, 21.576]
    """
    claims, most = _claims(table), checked_count("max_iterations", max_iterations)
    shape, scale = positive_number("shape", shape), positive_number("scale", scale)
    precision = 1.0 / positive_number("prior_sd", prior_sd) ** 2
    z = (claims.value - claims.median[claims.quantity]) / claims.spread[claims.quantity]
    kept = np.ones(len(z))
    if outlier_threshold is not None:
        threshold = positive_number("outlier_threshold", outlier_threshold)
        kept = (np.abs(z) <= threshold * (1.0 + _TIE)).astype(np.float64)
    count = claims.per_source(kept)

    def truths(weight: Array) -> tuple[Array, Array]:
        w = kept * weight[claims.source]
        total = precision + claims.per_quantity(w)
        return claims.per_quantity(w * z) / total, total

    weight = np.ones(len(claims.sources))
    mu, total = truths(weight)
    done, made = False, 0
    while made < most and not done:
        squares = claims.per_source(kept * (z - mu[claims.quantity]) ** 2)
        weight = (2.0 * (shape + 1.0) + count) / (2.0 * scale + squares)
        new, total = truths(weight)
        done = bool(np.all(np.abs(new - mu) <= _TOLERANCE))
        mu, made = new, made + 1
    return Truths(
        claims.quantities,
        claims.median + claims.spread * mu,
        claims.spread / np.sqrt(total),
        claims.sources,
        weight,
        made,
        converged=done,
    )
