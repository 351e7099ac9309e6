"""The general model on nodes: soundness mixtures, unknown reliability, scatter.

    L_i(x) = r_i S_i(x) + (1 - r_i) U_i(x)
    p(x | claims)  proportional to  p(x) * integral over scatter and p of  prod_i L_i(x)^a_i

Claims are paired with panels (claim i, panel j, nodes of j), so one call serves any number of
quantities of any size.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, roots_jacobi

from reliability.claims.columns import Columns
from reliability.engine.likelihoods import (
    BEYOND_ROUNDING,
    HALF_LOG_2PI,
    Claims,
    Scatter,
    UnsoundLaw,
    log_sound,
    log_unsound,
    sound_and_unsound,
)
from reliability.engine.panels import Panels
from reliability.priors import Beta, PriorOnX, PriorsOnX

__all__ = [
    "Constants",
    "Problem",
    "Problems",
    "ReliabilityRule",
    "Terms",
    "gauss_rule",
    "log_likelihood",
    "log_likelihood_of_terms",
    "log_mixture",
    "log_sum",
    "logit_rule",
    "pairs_of",
    "reliability_rule",
    "terms",
]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Pairs times nodes evaluated at once: arrays of 512 kB.
BLOCK = 1 << 16
#: Claims whose factors p s + (1 - p) u are multiplied out into one polynomial in p.
FACTORS = 10
#: Claims whose likelihoods are multiplied before a logarithm is taken, at the most.
MOST_FACTORS = 16
#: Products between this and its inverse keep their digits.
LARGEST_PRODUCT = 1e280
#: Natural logarithm of the range that a product of such factors may span in linear space. Each
#: factor is at least min(p, 1 - p) of its maximum.
LOG_RANGE = 600.0


@attrs.frozen(eq=False)
class Problem:
    """Claims, unsound law, prior on x and prior on the unknown reliability.

    ``lower_power`` and ``upper_power`` are the exponents of the posterior's tails.
    """

    columns: Columns
    law: UnsoundLaw
    prior: PriorOnX
    unknown: Beta
    lower_power: float
    upper_power: float

    @property
    def as_many(self) -> Problems:
        """The same as one of many."""
        return Problems(
            self.columns,
            self.law,
            PriorsOnX.common(self.prior, 1),
            np.array([self.lower_power]),
            np.array([self.upper_power]),
        )


@attrs.frozen(eq=False)
class Problems:
    """Claims about many quantities, unsound law, priors on x.

    ``lower_power`` and ``upper_power`` (quantities,) are the exponents of the posteriors' tails.
    """

    columns: Columns
    law: UnsoundLaw
    prior: PriorsOnX
    lower_power: Array
    upper_power: Array

    def take(self, quantities: IntArray) -> Problems:
        """Some of the quantities."""
        if len(quantities) == self.columns.quantities:
            return self
        return Problems(
            self.columns.take_quantities(quantities),
            self.law,
            self.prior.take(quantities),
            self.lower_power[quantities],
            self.upper_power[quantities],
        )


# ------------------------------------------------------------------ claims at nodes


@attrs.frozen(eq=False)
class Terms:
    """Sound and unsound log likelihoods of claims at nodes: (pairs, ORDER) each.

    ``panel`` and ``row`` say which panel and which claim a pair joins; pairs of one panel
    stand together, from ``starts[panel]``.
    """

    sound: Array
    unsound: Array
    panel: IntArray
    row: IntArray
    starts: IntArray


def terms(columns: Columns, law: UnsoundLaw, panels: Panels, d: Array, scatter: Scatter) -> Terms:
    """Evaluate every claim at the nodes of its quantity's panels.

    Parameters
    ----------
    columns : the claims
    law : the unsound law
    panels : the panels
    d : (panels, ORDER) distances of the nodes from the panels' anchors
    scatter : tau and inflation, each (panels, 1) or (1, 1)
    """
    panel, row, starts = pairs_of(columns, panels.quantity)
    forms = columns.forms
    if len(forms) == 1:
        sound, unsound = _of_one_form(columns, law, panels, d, scatter, panel, row)
        return Terms(sound, unsound, panel, row, starts)
    sound = np.empty((len(panel), d.shape[1]))
    unsound = np.empty_like(sound)
    form_of = columns.form[row]
    for form in forms:
        index = np.flatnonzero(form_of == form)
        sound[index], unsound[index] = _of_one_form(
            columns, law, panels, d, scatter, panel[index], row[index]
        )
    return Terms(sound, unsound, panel, row, starts)


def pairs_of(columns: Columns, quantity: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Panel and claim of every pair, and the first pair of every panel."""
    length, begin = columns.sizes[quantity], columns.starts[quantity]
    ends = np.cumsum(length)
    starts = ends - length
    panel = np.repeat(np.arange(len(quantity)), length)
    row = np.arange(len(panel)) + (begin - starts)[panel]
    return panel, row, starts


def by_panel(values: Array, starts: IntArray, combine: np.ufunc = np.add) -> Array:
    """Sum, or product, over the pairs of each panel: (pairs, nodes) -> (panels, nodes)."""
    each, rest = divmod(len(values), len(starts))
    if rest == 0 and np.array_equal(starts, np.arange(len(starts)) * each):
        return np.asarray(combine.reduce(values.reshape(len(starts), each, -1), axis=1))
    return np.asarray(combine.reduceat(values, starts, axis=0))


def pick(values: Array, panel: IntArray) -> Array:
    """Rows of a (panels, 1) array, or the single row of a (1, 1) one."""
    return values if values.shape[0] == 1 else values[panel]


def _of_one_form(
    columns: Columns,
    law: UnsoundLaw,
    panels: Panels,
    d: Array,
    scatter: Scatter,
    panel: IntArray,
    row: IntArray,
) -> tuple[Array, Array]:
    claims = Claims.pair(
        columns,
        row,
        panels.anchor[panel],
        Scatter(pick(scatter.tau, panel), pick(scatter.inflation, panel)),
    )
    at = d[panel]
    sound = log_sound(claims, at, columns.knots)
    if np.all(columns.reliability[row] == 1.0):
        return sound, np.full_like(sound, -np.inf)
    return sound, np.asarray(log_unsound(claims, at, law))


def log_mixture(sound: Array, unsound: Array, reliability: Array) -> Array:
    """Log of r S + (1 - r) U; ``reliability`` broadcasts against the others."""
    with np.errstate(divide="ignore", invalid="ignore"):
        left, right = sound + np.log(reliability), unsound + np.log1p(-reliability)
        odds = left - right
        # Where both are -inf their difference is nan, which fmin leaves out.
        smaller = np.exp(-np.fmin(np.abs(odds, out=odds), BEYOND_ROUNDING, out=odds), out=odds)
    smaller += 1.0
    # Beside the larger of the two, rounding of 1 + smaller is nothing: log1p is slow.
    return np.asarray(np.maximum(left, right) + np.log(smaller, out=smaller))


# ------------------------------------------------------------------ the unknown reliability


@attrs.frozen(eq=False)
class Constants:
    """Claims of unknown reliability p whose likelihoods are the same at every x: (claims,) each.

    ``sound`` and ``unsound`` are the logs of their likelihoods.
    """

    sound: Array
    unsound: Array
    share: Array

    def log_likelihood(self, log_p: Array, log_q: Array) -> Array:
        """Log of the product of (p S + q U)^a at p and q = 1 - p, of any shape."""
        each = np.logaddexp(
            self.sound + np.asarray(log_p)[..., None], self.unsound + np.asarray(log_q)[..., None]
        )
        return np.asarray(each @ self.share)


@attrs.frozen(eq=False)
class ReliabilityRule:
    """Nodes p, and q = 1 - p, with log weights for integrals under the Beta prior.

    Near p = 1 the difference 1 - p would have no digits: q is kept beside it. ``coarse`` are the
    log weights of a rule of half as many nodes on the same ones (None where the rule is exact):
    what both disagree by bounds the error.
    """

    p: Array
    q: Array
    log_weight: Array
    coarse: Array | None
    constants: Constants | None = None

    def beside(self, constants: Constants) -> tuple[ReliabilityRule, float]:
        """The rule given claims that say the same at every x; and the log of their evidence."""
        if not len(constants.share):
            return self, 0.0
        logs = constants.log_likelihood(np.log(self.p), np.log(self.q))
        evidence = float(log_sum(self.log_weight + logs, 0))
        coarse = None if self.coarse is None else self.coarse + logs - evidence
        log_weight = self.log_weight + logs - evidence
        return attrs.evolve(
            self, log_weight=log_weight, coarse=coarse, constants=constants
        ), evidence

    @property
    def safe(self) -> int:
        """How many factors p s + (1 - p) u of at most 1 may be multiplied without underflow."""
        smallest = float(np.minimum(self.p, self.q).min())
        return max(int(LOG_RANGE / -np.log(max(smallest, 1e-300))), 1)

    def weights(self, *, coarse: bool) -> Array:
        """Log weights of the nodes, or of half as many where there is such a rule."""
        return self.coarse if coarse and self.coarse is not None else self.log_weight

    def mean_powers(self, degree: int, log_weight: Array) -> Array:
        """Means of the terms of a polynomial: all that it takes from the rule."""
        return np.asarray(np.exp(log_weight) @ self.powers(degree))

    def powers(self, degree: int) -> Array:
        """The terms p^j (1 - p)^(degree - j) at the nodes: (nodes, degree + 1)."""
        j = np.arange(degree + 1)
        return np.asarray(self.p[:, None] ** j * self.q[:, None] ** (degree - j))


def reliability_rule(prior: Beta, shares: Array) -> ReliabilityRule:
    """Quadrature over p for claims of unknown reliability with the given shares.

    With all shares 1 the integrand is a polynomial of degree m in p, whatever x: Gauss-Jacobi
    with m//2 + 2 nodes is exact, for p's variance as well. A polynomial of high degree with
    all its roots outside (0, 1) is at its narrowest p^k (1 - p)^(m - k), whose width in an
    angle on the circle is 1/sqrt(m); 4.5 sqrt(m) + 12 nodes then give 1e-14. With other shares
    the powers have branch points at the ends, which a trapezoid rule in logit p does not feel;
    the integrand's nearest singularities lie pi off the real axis, where log(u/s) of a claim is.
    """
    if np.all(shares == 1.0):
        m = len(shares)
        return gauss_rule(prior, min(m // 2 + 2, int(4.5 * np.sqrt(m)) + 12))
    return logit_rule(prior, shares)


def gauss_rule(prior: Beta, count: int) -> ReliabilityRule:
    """Gauss-Jacobi rule, exact for polynomials in p of degree ``2 count - 1``."""
    t, w = roots_jacobi(count, prior.b - 1.0, prior.a - 1.0)
    t = np.asarray(t)
    log_w = np.log(np.asarray(w))
    log_w = log_w - np.log(np.sum(w))
    return ReliabilityRule(0.5 * (1.0 + t), 0.5 * (1.0 - t), log_w, None)


def logit_rule(prior: Beta, shares: Array) -> ReliabilityRule:
    """Trapezoid rule in logit p, which does not feel what is singular at or near the ends."""
    a, b, total = prior.a, prior.b, float(shares.sum())
    # What lies beyond the ends is at most exp(-a |t|)/a and exp(-b t)/b, against an integral of
    # at least B(a, b + total) or B(a + total, b), were every claim unsound or sound.
    low = -(_RULE_REACH - np.log(a) - float(betaln(a, b + total))) / a
    high = (_RULE_REACH - np.log(b) - float(betaln(a + total, b))) / b
    # Far out, where the prior is small, sinh takes larger steps.
    growth = 0.3 * min(a, b, 1.0)
    start, stop = np.arcsinh(growth * low), np.arcsinh(growth * high)
    step = growth * min(0.4, 1.2 / np.sqrt(total + a + b))
    count = 2 * int(np.ceil(0.5 * (stop - start) / step)) + 1
    u = np.linspace(start, stop, count)
    logit = np.sinh(u) / growth
    log_p, log_q = -np.logaddexp(0.0, -logit), -np.logaddexp(0.0, logit)
    log_w = a * log_p + b * log_q - float(betaln(a, b))
    log_w = log_w + np.log(np.cosh(u) / growth * (u[1] - u[0]))
    coarse = np.where(np.arange(count) % 2 == 0, log_w + np.log(2.0), -np.inf)
    return ReliabilityRule(np.exp(log_p), np.exp(log_q), log_w, coarse)


#: Natural logarithm of what the rule over p may leave out.
_RULE_REACH = 33.0


def unknown_log_products(columns: Columns, some: Terms, rule: ReliabilityRule) -> Array:
    """Log of prod L_i(x; p)^a_i over claims of unknown reliability: (nodes of p, panels, ORDER).

    A product of k factors ``p s_i + (1 - p) u_i`` is ``sum_j c_j p^j (1 - p)^(k - j)`` with
    positive coefficients: they are multiplied out once for ``FACTORS`` claims at a time, and
    one matrix product evaluates them at every node of p.
    """
    panels = len(some.starts)
    nodes = some.sound.shape[1]
    out = np.zeros((len(rule.p), panels, nodes))
    index = np.flatnonzero(np.isnan(columns.reliability[some.row]))
    if not len(index):
        return out
    row, panel = some.row[index], some.panel[index]
    sound, unsound = some.sound[index], some.unsound[index]
    top, s, u = _relative(sound, unsound)
    share = columns.share[row]
    # Runs of claims of one panel and one share, cut into groups of equal length.
    change = np.flatnonzero((np.diff(panel) != 0) | (np.diff(share) != 0.0)) + 1
    first = np.concatenate([[0], change])
    length = np.diff(np.append(first, len(index)))
    safe = rule.safe
    k = min(FACTORS, int(length.max()), safe)
    position = np.arange(len(index)) - np.repeat(first, length)
    groups_of_run = -(-length // k)
    group_of_run = np.cumsum(groups_of_run) - groups_of_run
    group = np.repeat(group_of_run, length) + position // k
    count = int(groups_of_run.sum())
    coefficients = _multiply_out(s, u, group, position % k, count, k)
    values = (rule.powers(k) @ coefficients.reshape(k + 1, -1)).reshape(len(rule.p), count, nodes)
    # One logarithm for as many groups of a run as the floats' range allows.
    at_once = max(safe // k, 1)
    number = np.arange(count) - np.repeat(group_of_run, groups_of_run)
    cut = np.flatnonzero(number % at_once == 0)
    run = np.repeat(np.arange(len(first)), groups_of_run)[cut]
    if len(cut) < count:
        values = np.multiply.reduceat(values, cut, axis=1)
    with np.errstate(divide="ignore"):
        logs = np.log(values)
    run_share = share[first][run]
    if np.any(run_share != 1.0):
        logs *= run_share[:, None]
    run_panel = panel[first][run]
    panel_first = np.flatnonzero(np.concatenate([[True], np.diff(run_panel) != 0]))
    present = run_panel[panel_first]
    if len(present) < len(cut):
        logs = np.add.reduceat(logs, panel_first, axis=1)
    offset = np.add.reduceat(top * share[:, None], np.searchsorted(panel, present), axis=0)
    out[:, present] = logs + offset
    return out


def _relative(sound: Array, unsound: Array) -> tuple[Array, Array, Array]:
    """Log of the larger of two likelihoods, and both as parts of it."""
    with np.errstate(invalid="ignore"):
        odds = sound - unsound
        # Exponentials that underflow are slow.
        smaller = np.exp(-np.minimum(np.abs(odds), 700.0))
        sounder = odds >= 0.0
    s, u = np.where(sounder, 1.0, smaller), np.where(sounder, smaller, 1.0)
    return np.maximum(sound, unsound), s, u


def unknown_polynomials(some: Terms, m: int) -> tuple[Array, Array]:
    """Product of m claims' likelihoods as polynomials in p, one per node.

    Returns
    -------
    (panels, nodes) log of a factor, and (m + 1, panels, nodes) coefficients of
    ``p^j (1 - p)^(m - j)``
    """
    top, s, u = _relative(some.sound, some.unsound)
    count = len(some.starts)
    slot = np.arange(len(s)) % m
    coefficients = _multiply_out(s, u, some.panel, slot, count, m)
    return by_panel(top, some.starts), coefficients


def _multiply_out(s: Array, u: Array, group: IntArray, slot: IntArray, count: int, k: int) -> Array:
    """Coefficients c_j of groups of k factors: (k + 1, groups, nodes); short ones are padded."""
    nodes = s.shape[1]
    out = np.zeros((k + 1, count, nodes))
    out[0] = 1.0
    for position in range(k):
        rows = np.flatnonzero(slot == position)
        if len(rows) == count:
            left, right = u[rows], s[rows]
        else:
            # A missing factor is p + (1 - p) = 1.
            left, right = np.ones((count, nodes)), np.ones((count, nodes))
            left[group[rows]], right[group[rows]] = u[rows], s[rows]
        for j in range(position + 1, 0, -1):
            out[j] *= left
            out[j] += out[j - 1] * right
        out[0] *= left
    return out


def log_sum(logs: Array, axis: int) -> Array:
    """Log of the sum of exponentials along an axis."""
    top = np.max(logs, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(
            np.log(np.sum(np.exp(logs - top), axis=axis)) + np.squeeze(top, axis=axis)
        )


# ------------------------------------------------------------------ the likelihood

NO_SCATTER = Scatter(np.zeros((1, 1)), np.ones((1, 1)))


def log_likelihood(
    problem: Problem | Problems,
    rule: ReliabilityRule,
    panels: Panels,
    d: Array,
    scatter: Scatter = NO_SCATTER,
    *,
    coarse: bool = False,
) -> Array:
    """Log likelihood at nodes, p integrated out: (panels, ORDER)."""
    out = np.empty(d.shape)
    for block in _blocks(problem.columns, panels, d.shape[1]):
        out[block] = _log_likelihood_of_block(
            problem,
            rule,
            panels.take(block),
            d[block],
            Scatter(_part(scatter.tau, block), _part(scatter.inflation, block)),
            coarse=coarse,
        )
    return out


def _part(values: Array, block: slice) -> Array:
    return values if values.shape[0] == 1 else values[block]


def _blocks(columns: Columns, panels: Panels, nodes: int) -> Iterator[slice]:
    cost = np.cumsum(columns.sizes[panels.quantity] * nodes)
    begin = 0
    while begin < panels.count:
        base = cost[begin - 1] if begin else 0
        end = max(int(np.searchsorted(cost, base + BLOCK, side="right")), begin + 1)
        yield slice(begin, end)
        begin = end


def _log_likelihood_of_block(
    problem: Problem | Problems,
    rule: ReliabilityRule,
    panels: Panels,
    d: Array,
    scatter: Scatter,
    *,
    coarse: bool,
) -> Array:
    columns = problem.columns
    if columns.plain and columns.sizes.max() <= MOST_FACTORS and np.all(columns.share == 1.0):
        out = _log_of_products(problem, rule, panels, d, scatter, coarse=coarse)
        lost = np.flatnonzero(np.isnan(out).any(axis=1))
        if not len(lost):
            return out
        tau, inflation = (pick(each, lost) for each in (scatter.tau, scatter.inflation))
        out[lost] = _log_likelihood_from_terms(
            problem, rule, panels.take(lost), d[lost], Scatter(tau, inflation), coarse=coarse
        )
        return out
    return _log_likelihood_from_terms(problem, rule, panels, d, scatter, coarse=coarse)


def _log_of_products(
    problem: Problem | Problems,
    rule: ReliabilityRule,
    panels: Panels,
    d: Array,
    scatter: Scatter,
    *,
    coarse: bool,
) -> Array:
    """Log of the product of few plain claims' likelihoods, with one logarithm for all of them.

    Products that the floats do not hold are nan.
    """
    columns, law = problem.columns, problem.law
    panel, row, starts = pairs_of(columns, panels.quantity)
    claims = Claims.pair(
        columns,
        row,
        panels.anchor[panel],
        Scatter(pick(scatter.tau, panel), pick(scatter.inflation, panel)),
    )
    log_scale = -np.log(claims.sd_low) - HALF_LOG_2PI
    residual = claims.residual(d[panel])
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        s, u = sound_and_unsound(residual, law)
        if u is None:
            u = np.broadcast_to(np.exp(claims.void - log_scale), s.shape)
        product = _product_over_claims(columns, rule, row, starts, s, u, coarse=coarse)
        logs = np.log(product) + by_panel(np.broadcast_to(log_scale, (len(row), 1)), starts)
    logs[~((product > 1.0 / LARGEST_PRODUCT) & (product < LARGEST_PRODUCT))] = np.nan
    return np.asarray(logs)


def _product_over_claims(
    columns: Columns,
    rule: ReliabilityRule,
    row: IntArray,
    starts: IntArray,
    s: Array,
    u: Array,
    *,
    coarse: bool,
) -> Array:
    """Product of r s + (1 - r) u over the claims of each panel, p integrated out."""
    reliability = columns.reliability[row]
    unknown = np.isnan(reliability)
    count = np.add.reduceat(unknown.astype(np.int64), starts)
    product: Array = np.ones((1, 1))
    if not unknown.all():
        r = np.where(unknown, 1.0, reliability)[:, None]
        mixed = s * r
        mixed += u * (1.0 - r)
        if unknown.any():
            mixed[unknown] = 1.0
        product = by_panel(mixed, starts, np.multiply)
    if not unknown.any():
        return product
    k = int(count.max())
    index = np.flatnonzero(unknown)
    group = np.repeat(np.arange(len(starts)), count)
    slot = np.arange(len(index)) - (np.cumsum(count) - count)[group]
    some = slice(None) if len(index) == len(row) else index
    coefficients = _multiply_out(s[some], u[some], group, slot, len(starts), k)
    means = rule.mean_powers(k, rule.weights(coarse=coarse))
    return np.asarray(product * np.tensordot(means, coefficients, 1))


def _log_likelihood_from_terms(
    problem: Problem | Problems,
    rule: ReliabilityRule,
    panels: Panels,
    d: Array,
    scatter: Scatter,
    *,
    coarse: bool,
) -> Array:
    some = terms(problem.columns, problem.law, panels, d, scatter)
    return log_likelihood_of_terms(problem.columns, some, rule, coarse=coarse)


def log_likelihood_of_terms(
    columns: Columns, some: Terms, rule: ReliabilityRule, *, coarse: bool = False
) -> Array:
    """Log likelihood where the claims' own are given, p integrated out: (panels, nodes)."""
    reliability = columns.reliability[some.row]
    unknown = np.isnan(reliability)
    share = columns.share[some.row]
    if unknown.all():
        known = np.zeros((len(some.starts), some.sound.shape[1]))
    else:
        log_claim = log_mixture(
            some.sound, some.unsound, np.where(unknown, 1.0, reliability)[:, None]
        )
        # A claim without a share says nothing, not even of what it excludes.
        counts = ~unknown & (share > 0.0)
        with np.errstate(invalid="ignore"):
            log_claim = np.where(counts[:, None], log_claim * share[:, None], 0.0)
        known = by_panel(log_claim, some.starts)
    if not unknown.any():
        return known
    return known + _unknown_integral(columns, some, rule, rule.weights(coarse=coarse))


def _unknown_integral(
    columns: Columns, some: Terms, rule: ReliabilityRule, log_weight: Array
) -> Array:
    """Log of the integral over p of the likelihoods of claims of unknown reliability.

    Where few enough claims have share 1 it is that of one polynomial, and the rule only gives the
    means of its terms.
    """
    index = np.flatnonzero(np.isnan(columns.reliability[some.row]))
    each, rest = divmod(len(index), len(some.starts))
    alike = rest == 0 and np.array_equal(some.panel[index[::each]], np.arange(len(some.starts)))
    if not alike or each > min(FACTORS, rule.safe) or np.any(columns.share[some.row[index]] != 1.0):
        products = unknown_log_products(columns, some, rule)
        return log_sum(products + log_weight[:, None, None], 0)
    if len(index) < len(some.row):
        starts = np.arange(len(some.starts)) * each
        some = Terms(
            some.sound[index], some.unsound[index], some.panel[index], some.row[index], starts
        )
    offset, coefficients = unknown_polynomials(some, each)
    means = rule.mean_powers(each, log_weight)
    with np.errstate(divide="ignore"):
        return offset + np.log(np.tensordot(means, coefficients, 1))
