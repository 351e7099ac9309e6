"""How the answer moves with what was assumed, and where it crosses a threshold.

The posterior of claims of which one, of reliability r, has a share of 1 is proportional to
``r S + (1 - r) U`` times what does not depend on r. So the probability of {theta > t}, times the
normaliser, is linear in r, and the reliability at which the probability is 1/2 (where the median is
t) follows exactly from two results. Of a source with m such claims it is a polynomial of degree m,
and follows from m + 1. Where shares are below 1 it is neither, and a root is looked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from reliability.claims._checks import did_you_mean, short
from reliability.claims.rows import origin_of
from reliability.claims.sources import Source
from reliability.combination import Combination
from reliability.errors import InvalidValueError, ReliabilityError, WrongTypeError
from reliability.numbers import percent, significant
from reliability.pairs import PairDependence
from reliability.preparation import checked_level
from reliability.report import clean, digits_of, html_table, paragraph, text_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BreakEven", "Crossing", "Curve", "Sensitivity", "break_even", "sensitivity"]

Array = NDArray[np.float64]
NAN = float("nan")

#: Where a value is varied unless the user says where.
GRID = tuple(k / 10 for k in range(11))
#: Values whose estimates are printed.
_PRINTED = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


# --- curves ---------------------------------------------------------------------------------------


@attrs.frozen(eq=False)
class Curve:
    """The answer for each value of one assumption.

    Attributes
    ----------
    parameter : "reliability" (of a source) or "dependence"
    source : the source; None for the dependence
    given : the value in the result itself; None if it is unknown, or differs by pairs
    values : (n,) the values
    estimate, low, high : (n,) posterior median and interval, in the quantity's units; nan where
        there is no posterior
    notes : why there is none, by value
    """

    parameter: str
    source: str | None
    given: float | None
    values: tuple[float, ...]
    estimate: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    notes: dict[float, str]

    @property
    def name(self) -> str:
        """What is varied."""
        return self.parameter if self.source is None else f"{self.parameter} of {self.source}"


@attrs.frozen(eq=False, repr=False)
class Sensitivity:
    """How the answer moves with each assumption; made by ``Combination.sensitivity``.

    Attributes
    ----------
    result : the result itself
    curves : one for each assumption
    level : probability of the intervals
    """

    result: Combination
    curves: tuple[Curve, ...]
    level: float

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One record per value: parameter, source, value, estimate, low, high."""
        return [
            {
                "parameter": curve.parameter,
                "source": curve.source,
                "value": value,
                "estimate": estimate,
                "low": low,
                "high": high,
            }
            for curve in self.curves
            for value, estimate, low, high in zip(
                curve.values, curve.estimate, curve.low, curve.high, strict=True
            )
        ]

    def to_dict(self) -> dict[str, list[Any]]:
        """The rows as columns, JSON-ready; numbers that do not exist are None."""
        rows = self.rows
        names = ("parameter", "source", "value", "estimate", "low", "high")
        return {
            name: [
                None if isinstance(v := row[name], float) and not math.isfinite(v) else v
                for row in rows
            ]
            for name in names
        }

    def plot(self, ax: Axes | None = None, *, above: float | None = None) -> Axes:
        """Lines of the best estimate, and a threshold; needs the plot extra."""
        from reliability import plots  # noqa: PLC0415 - optional dependency

        return plots.sensitivity(self, ax=ax, above=above)

    def __repr__(self) -> str:
        """One line."""
        return f"Sensitivity({clean(', '.join(curve.name for curve in self.curves))})"

    def _table(self) -> tuple[list[str], list[list[str]]]:
        digits = digits_of(self.result)
        values = _PRINTED if all(set(_PRINTED) <= set(c.values) for c in self.curves) else ()
        shown = values or tuple(sorted({v for curve in self.curves for v in curve.values})[:6])
        header = ["best estimate with", "given", *(f"at {value:g}" for value in shown)]
        rows = []
        for curve in self.curves:
            at = dict(zip(curve.values, curve.estimate, strict=True))
            texts = (digits.text(at[v]) if math.isfinite(at.get(v, NAN)) else "-" for v in shown)
            given = "-" if curve.given is None else significant(curve.given, 2)
            rows.append([clean(curve.name), given, *texts])
        return header, rows

    def _notes(self) -> list[str]:
        return [
            clean(f"No posterior with {curve.name} at {value:g}: {note}")
            for curve in self.curves
            for value, note in curve.notes.items()
        ]

    def __str__(self) -> str:
        """Table for readers: the best estimate at some of the values."""
        lines = text_table(*self._table(), 1)
        for note in self._notes():
            lines += paragraph(note)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Table for notebooks."""
        return html_table(*self._table(), 1)


def sensitivity(
    result: Combination, *, values: ArrayLike | None = None, level: float = 0.95
) -> Sensitivity:
    """How estimate and interval move with each source's reliability and with the dependence.

    Each is varied alone; every value is one more combination. A model that takes every claim as
    sound has no reliabilities to vary, and claims of one origin no dependence.

    Parameters
    ----------
    result : what `combine` returned
    values : values in [0, 1]; None is 0, 0.1, ..., 1
    level : probability of the intervals

    Raises
    ------
    ReliabilityError
        If values are outside [0, 1], or nothing can be varied.

    Examples
    --------
    >>> from reliability import Source, combine
    >>> result = combine([(Source("A", reliability=0.9), "10 +- 1"),
    ...                   (Source("B", reliability=0.6), "16 +- 1")])
    >>> print(sensitivity(result))
    best estimate with  given  at 0  at 0.2  at 0.4  at 0.6  at 0.8  at 1
    ------------------  -----  ----  ------  ------  ------  ------  ----
    reliability of A      0.9  15.0    14.8    14.4    13.0    11.1  10.4
    reliability of B      0.6  10.5    10.5    10.6    10.7    11.1  15.6
    dependence              0  10.7    10.8    11.0    11.1    11.2  11.3
    """
    level = checked_level(level)
    chosen = _checked_values(values)
    curves = [_curve(result, chosen, level, **varied) for dial in _DIALS for varied in dial(result)]
    if not curves:
        raise InvalidValueError(
            "nothing can be varied: the model takes every claim as sound, and there is one origin"
        )
    return Sensitivity(result, tuple(curves), level)


def _checked_values(values: ArrayLike | None) -> tuple[float, ...]:
    if values is None:
        return GRID
    try:
        array = np.atleast_1d(np.array(values, dtype=np.float64))
    except (TypeError, ValueError):
        raise WrongTypeError(f"values must be numbers in [0, 1] (got {short(values)})") from None
    if array.ndim != 1 or not array.size:
        raise InvalidValueError(f"values must be a list of numbers (got shape {array.shape})")
    wrong = array[~((array >= 0.0) & (array <= 1.0))]
    if len(wrong):
        raise InvalidValueError(f"values must lie in [0, 1] (got {short(float(wrong[0]))})")
    return tuple(np.unique(array).tolist())


def _reliabilities(result: Combination) -> Iterator[dict[str, Any]]:
    """Each source's reliability, where the model knows reliabilities."""
    if result.model.unsound is None:
        return
    for source in _sources(result).values():

        def at(value: float, name: str = source.name) -> Combination:
            return result.with_source(name, reliability=value)

        yield {
            "parameter": "reliability",
            "source": source.name,
            "given": source.reliability,
            "at": at,
        }


def _dependence(result: Combination) -> Iterator[dict[str, Any]]:
    """The dependence between origins, where there are several and no correlation says it."""
    origins = {entry.origin for entry in result.claims if entry.dropped is None}
    if len(origins) < 2 or result._correlation is not None:  # noqa: SLF001
        return
    given = None if isinstance(result.dependence, PairDependence) else result.dependence
    yield {
        "parameter": "dependence",
        "source": None,
        "given": given,
        "at": result.with_dependence,
    }


#: What can be varied: functions of a result that say how, one dictionary for each assumption.
_DIALS: tuple[Callable[[Combination], Iterator[dict[str, Any]]], ...] = (
    _reliabilities,
    _dependence,
)


def _curve(
    result: Combination,
    values: Sequence[float],
    level: float,
    *,
    parameter: str,
    source: str | None,
    given: float | None,
    at: Callable[[float], Combination],
) -> Curve:
    found: list[tuple[float, float, float]] = []
    notes: dict[float, str] = {}
    for value in values:
        try:
            one = result if value == given else at(value)
        except ReliabilityError as error:
            notes[value] = str(error)
            found.append((NAN, NAN, NAN))
        else:
            found.append((one.estimate, *one.interval(level)))
    estimate, low, high = zip(*found, strict=True)
    return Curve(parameter, source, given, tuple(values), estimate, low, high, notes)


def _sources(result: Combination) -> dict[str, Source]:
    return {entry.claim.source.name: entry.claim.source for entry in result.claims}


# --- the break-even -------------------------------------------------------------------------------


@attrs.frozen
class Crossing:
    """A reliability at which the answer crosses the threshold.

    Attributes
    ----------
    reliability : where
    rising : whether the probability of being above rises through it with the reliability
    jump : whether it jumps there, as where another claim of the same origin becomes the one that
        counts
    """

    reliability: float
    rising: bool
    jump: bool = False


@attrs.frozen(eq=False, repr=False)
class BreakEven:
    """At which reliability of a source the answer crosses a threshold; from `break_even`.

    Attributes
    ----------
    source : the source
    above : the threshold, in the quantity's units
    probability : that of being above, which is crossed; 1/2 is the best estimate's crossing
    given : the source's reliability in the result itself, None if it is unknown
    crossings : where it crosses, in increasing order; empty if it never does
    at_zero, at_given, at_one : probability of being above at reliability 0, as given, at 1; nan
        where there is no posterior
    estimates : the best estimates at the same three
    """

    source: str
    above: float
    probability: float
    given: float | None
    crossings: tuple[Crossing, ...]
    at_zero: float
    at_given: float
    at_one: float
    estimates: tuple[float, float, float]
    _result: Combination

    @property
    def reliability(self) -> float | None:
        """Where it crosses, of several crossings the one nearest to what was given; or None."""
        if not self.crossings:
            return None
        given = 0.5 if self.given is None else self.given
        return min((c.reliability for c in self.crossings), key=lambda r: abs(r - given))

    def __repr__(self) -> str:
        """One line."""
        where = ", ".join(f"{crossing.reliability:.4g}" for crossing in self.crossings)
        return (
            f"BreakEven({self.source!r}, above={short(self.above)}: "
            f"{f'at reliability {where}' if where else 'no crossing'})"
        )

    def __str__(self) -> str:
        """Sentences for readers."""
        return "\n".join(paragraph(" ".join(self._sentences())))

    def _sentences(self) -> Iterator[str]:
        digits = digits_of(self._result)
        threshold = digits.text(self.above)
        at_half = self.probability == 0.5
        what = (
            f"the best estimate is above {threshold}"
            if at_half
            else f"{threshold} is exceeded with probability {percent(self.probability)} or more"
        )
        name = clean(self.source)
        for crossing in self.crossings:
            side = "above" if crossing.rising else "below"
            how = " (a jump)" if crossing.jump else ""
            where = significant(crossing.reliability, 3)
            yield f"With the reliability of {name} {side} {where}{how}, {what}."
        if not self.crossings:
            known = self.at_given if math.isfinite(self.at_given) else self.at_one
            always = "at every" if known >= self.probability else "at no"
            yield f"No crossing: {what} {always} reliability of {name}."
        said = [
            f"{where} there is no posterior"
            if math.isnan(chance)
            else f"{where} the best estimate is {digits.text(best)} (probability of more than "
            f"{threshold}: {percent(chance)})"
            for where, best, chance in zip(
                ("at reliability 0", "at 1", "as given"),
                (self.estimates[0], self.estimates[2], self.estimates[1]),
                (self.at_zero, self.at_one, self.at_given),
                strict=True,
            )
        ]
        text = "; ".join(said)
        yield f"{text[0].upper()}{text[1:]}."


def break_even(
    result: Combination, source: str | Source, *, above: float, probability: float = 0.5
) -> BreakEven:
    """The reliability of a source at which the answer crosses a threshold.

    Parameters
    ----------
    result : what `combine` returned
    source : whose reliability is varied, from 0 to 1
    above : the threshold, in the quantity's units: "would it still be above 5,000?"
    probability : the probability of being above that is looked for; at 1/2 the best estimate, the
        posterior median, is the threshold

    Returns
    -------
    A `BreakEven`; without a crossing it says what the answer is at both ends.

    Raises
    ------
    ReliabilityError
        If no claim is of that source, a number is impossible, or the model takes every claim as
        sound.

    Notes
    -----
    Exact, up to the numerical error of the results, where the source's claims have shares of 1:
    with Z the normaliser, ``Z (P(theta > above) - probability)`` is a polynomial in r of as many
    degrees as the source has claims. Otherwise two crossings within 1/16 of each other may be
    missed.

    Examples
    --------
    >>> from reliability import combine
    >>> result = combine([(Source("US", reliability=0.8), "about 2,500"),
    ...                   (Source("Seoul", reliability=0.7), "more than 12,000")], scale="log")
    >>> found = break_even(result, "Seoul", above=5000)
    >>> round(found.reliability, 3)
    0.895
    >>> round(result.with_source("Seoul", reliability=found.reliability).estimate)
    5000
    >>> print(found)
    With the reliability of Seoul above 0.895, the best estimate is above 5,000. At reliability 0
    the best estimate is 2,600 (probability of more than 5,000: 11%); at 1 the best estimate is
    13,300 (probability of more than 5,000: >99.9%); as given the best estimate is 2,800
    (probability of more than 5,000: 27%).
    """
    name = _checked_source(result, source)
    threshold = _checked_threshold(result, above)
    if isinstance(probability, bool) or not isinstance(probability, int | float | np.floating):
        raise WrongTypeError(f"probability must be a number in (0, 1) (got {short(probability)})")
    if not 0.0 < probability < 1.0:
        raise InvalidValueError(f"probability must lie in (0, 1), got {short(probability)}")
    search = _Search(result, name, threshold, float(probability))
    known = _sources(result)[name].reliability
    ends = [search.end(value) for value in (0.0, 1.0)]
    return BreakEven(
        source=name,
        above=threshold,
        probability=float(probability),
        given=known,
        crossings=tuple(search.crossings()),
        at_zero=ends[0][0],
        at_given=float(result.posterior.sf(threshold)),
        at_one=ends[1][0],
        estimates=(ends[0][1], result.estimate, ends[1][1]),
        result=result,
    )


def _checked_source(result: Combination, source: object) -> str:
    name = source.name if isinstance(source, Source) else source
    known = _sources(result)
    if not isinstance(name, str):
        raise WrongTypeError(f"source must be a name (got {short(source)})")
    if name not in known:
        raise InvalidValueError(f"no claim has the source {name!r}{did_you_mean(name, known)}")
    if result.model.unsound is None:
        raise InvalidValueError(
            f"reliability of {name!r}: the model takes every claim as sound, so that no "
            "reliability changes the answer; use with_model(Model.reports()) first"
        )
    return name


def _checked_threshold(result: Combination, above: object) -> float:
    if isinstance(above, bool) or not isinstance(above, int | float | np.number):
        raise WrongTypeError(f"above must be a number (got {short(above)})")
    value = float(above)
    if not math.isfinite(value):
        raise InvalidValueError(f"above must be a finite number (got {short(value)})")
    if not result.scale.contains(value):
        raise InvalidValueError(
            f"above must be possible on the {result.scale.name} scale (got {short(value)})"
        )
    return value


# How near to its threshold the probability at a root must be for it to be one.
_NEAR = 1e-7
# Steps in which a piece is looked through where nothing is known of the shape.
_STEPS = 16
# How far inside a piece its ends are looked at.
_INSIDE = 1e-9


class _Search:
    """Crossings of one threshold, along the reliability of one source."""

    def __init__(self, result: Combination, name: str, above: float, probability: float) -> None:
        self._result = result
        self._name = name
        self._above = above
        self._probability = probability
        self._rows = [i for i, entry in enumerate(result.claims) if entry.claim.source.name == name]
        self._known: dict[float, Combination] = {}

    def at(self, reliability: float) -> Combination:
        """The result with this reliability."""
        if reliability not in self._known:
            try:
                one = self._result.with_source(self._name, reliability=reliability)
            except ReliabilityError as error:
                where = f"with reliability {reliability:g} of {self._name!r}"
                raise error.located(where) from None
            self._known[reliability] = one
        return self._known[reliability]

    def end(self, reliability: float) -> tuple[float, float]:
        """Probability of being above, and estimate; nan where there is no posterior."""
        try:
            one = self.at(reliability)
        except ReliabilityError:
            return NAN, NAN
        return float(one.posterior.sf(self._above)), one.estimate

    def excess(self, reliability: float) -> float:
        """Probability of being above, less what is looked for."""
        return float(self.at(reliability).posterior.sf(self._above)) - self._probability

    # ------------------------------------------------------------- pieces

    def crossings(self) -> list[Crossing]:
        """Every crossing, in increasing order."""
        found: list[Crossing] = []
        # At 0 and at 1 a claim may drop out, and the answer jump.
        left = self._excess_at_end(0.0)
        for low, high in pairwise([0.0, *self._breaks(), 1.0]):
            first, inside, last = self._piece(low, high)
            found += _jump(low, left, first)
            found += inside
            left = last
        return found + _jump(1.0, left, self._excess_at_end(1.0))

    def _excess_at_end(self, reliability: float) -> float:
        return self.end(reliability)[0] - self._probability

    def _breaks(self) -> list[float]:
        """Reliabilities at which this source's claim and an identical one of its origin change.

        Of identical statements of one origin that of the highest reliability counts.
        """
        claims = [entry.claim for entry in self._result.claims]
        reliability = self._result._columns.reliability  # noqa: SLF001
        found = set()
        for i in self._rows:
            for j, other in enumerate(claims):
                if j in self._rows or origin_of(other) != origin_of(claims[i]):
                    continue
                rank = float(reliability[j])
                if math.isnan(rank):
                    rank = float(self._result._inference.setup.unknown.mean)  # noqa: SLF001
                found.add(self._reliability_of(i, rank))
        return sorted(value for value in found if 0.0 < value < 1.0)

    def _reliability_of(self, row: int, effective: float) -> float:
        """The source's reliability at which a claim's effective one is this."""
        middle = float(self.at(0.5)._columns.reliability[row])  # noqa: SLF001
        if self._result.claims[row].claim.credibility in {None, "6"}:
            return effective
        # The claim's credibility c enters as (logit r + logit c)/2, which is logit c / 2 at 1/2.
        return float(expit(2.0 * (logit(effective) - logit(middle))))

    def _piece(self, low: float, high: float) -> tuple[float, list[Crossing], float]:
        """Excess at the beginning of a piece, crossings inside it, excess at its end."""
        middle = self.at(low + 0.5 * (high - low))
        shares = middle._shares.share[self._rows]  # noqa: SLF001
        heard = [row for row, share in zip(self._rows, shares, strict=True) if share > 0.0]
        own = [self._result.claims[row].claim.credibility for row in heard]
        polynomial = np.all(shares[shares > 0.0] == 1.0) and (
            len(heard) <= 1 or set(own) <= {None, "6"}
        )
        if polynomial:
            found = self._roots(low, high, heard)
            if found is not None:
                return found
        return self._looked_for(low, high)

    def _roots(
        self, low: float, high: float, heard: Sequence[int]
    ) -> tuple[float, list[Crossing], float] | None:
        """Roots of the polynomial that the excess times the normaliser is; None if it is not."""
        degree = len(heard)
        own = [self._result.claims[row].claim.credibility for row in heard]
        if not degree or own in ([0.0], [1.0]):  # a claim that repeats another, or that is settled
            value = self.excess(low + 0.5 * (high - low))
            return value, [], value
        nodes = 0.5 - 0.5 * np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
        results = [self.at(float(low + (high - low) * node)) for node in nodes]
        x = np.array([float(one._columns.reliability[heard[0]]) for one in results])  # noqa: SLF001
        logs = np.array([one._inference.log_normaliser for one in results])  # noqa: SLF001
        sizes = np.exp(logs - logs.max())
        above = np.array([float(one.posterior.sf(self._above)) for one in results])
        values = sizes * (above - self._probability)
        curve = Polynomial.fit(x, values, degree, domain=[x[0], x[-1]])
        ends = [self._effective(heard[0], end) for end in (low, high)]
        limits = [float(curve(end)) for end in ends]
        for k, inside in enumerate((low + _INSIDE * (high - low), high - _INSIDE * (high - low))):
            if abs(limits[k]) < _NEAR * np.abs(values).max():  # rounding may have its sign
                limits[k] = self.excess(inside)
        first, last = limits
        crossings = []
        slope = curve.deriv()
        for root in np.atleast_1d(curve.roots()):
            if abs(root.imag) > 1e-9 or not ends[0] < root.real < ends[1]:
                continue
            where = self._reliability_of(heard[0], float(root.real))
            if abs(self.excess(where)) > _NEAR:
                return None
            crossings.append(Crossing(where, rising=bool(slope(root.real) > 0.0)))
        return first, sorted(crossings, key=lambda c: c.reliability), last

    def _effective(self, row: int, reliability: float) -> float:
        """A claim's effective reliability, given its source's."""
        if reliability in {0.0, 1.0} or self._result.claims[row].claim.credibility in {None, "6"}:
            return reliability
        return float(self.at(reliability)._columns.reliability[row])  # noqa: SLF001

    def _looked_for(self, low: float, high: float) -> tuple[float, list[Crossing], float]:
        """Crossings where signs differ at the ends of small steps."""
        from scipy.optimize import brentq  # noqa: PLC0415  # slow to load, and rarely needed

        inset = _INSIDE * (high - low)
        steps = np.linspace(low + inset, high - inset, _STEPS + 1).tolist()
        values = [self.excess(step) for step in steps]
        crossings = []
        for (left, right), (before, after) in zip(pairwise(steps), pairwise(values), strict=True):
            if before < 0.0 <= after or after < 0.0 <= before:
                where = float(brentq(self.excess, left, right, xtol=1e-13, rtol=1e-13))
                jump = abs(self.excess(where)) > _NEAR
                crossings.append(Crossing(where, rising=before < after, jump=jump))
        return values[0], crossings, values[-1]


def _jump(where: float, before: float, after: float) -> list[Crossing]:
    """A crossing by a jump, if the two sides of a point lie on different sides."""
    if math.isnan(before) or math.isnan(after) or (before < 0.0) == (after < 0.0):
        return []
    if abs(before) <= _NEAR or abs(after) <= _NEAR:  # a root at the very point, by rounding
        return [Crossing(where, rising=before < after)]
    return [Crossing(where, rising=before < after, jump=True)]
