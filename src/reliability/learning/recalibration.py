"""recalibration: what a source's stated uncertainty has been worth, and the correction for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Literal

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from reliability.claims._checks import did_you_mean
from reliability.claims.columns import Columns, Form, columns_from_rows
from reliability.errors import InvalidValueError, WrongTypeError, short
from reliability.learning.beta_laws import BetaLaws, Outcomes, beta_scores, fit_laws
from reliability.models import Model
from reliability.scales import Scale, ScaleName, get_scale
from reliability.scores.checks import checked_level, checked_levels
from reliability.scores.stated import StatedDistributions
from reliability.tables.cells import Cells
from reliability.tables.records import STATEMENT_NUMBERS, quantile_probability
from reliability.tables.rows import TableRows, rows_from_table
from reliability.tables.sources import Known, read_sources
from reliability.tables.truths import read_truths, truths_of_rows

__all__ = ["PROBABILITIES", "Recalibration", "recalibration"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: Probabilities of the quantiles that a recalibrated row states.
PROBABILITIES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)
#: Rows worked on at once.
_AT_ONCE = 4096
#: What recalibrated quantiles are corrected for already.
_CORRECTED = ("bias", "bias_sd", "overconfidence")
_SAID = ("statement", "form", *STATEMENT_NUMBERS)


@attrs.frozen(eq=False, slots=False)
class Recalibration:
    """Track records of sources' stated distributions; made by :func:`recalibration`.

    Attributes
    ----------
    sources : names of the sources, in order of first appearance
    a, b : (sources,) parameters of the law Beta(a, b) of each source's transforms
    pooled : (a, b) of all transforms as if they were of one source: its sources weigh by their
        outcomes
    centre : (a, b) of the source in the middle, to which all are drawn and as which a source
        that is not among them is taken
    spread : (2, 2) covariance of sources' log a and log b around the centre
    scale, level : as given
    converged : whether the centre and the spread stopped changing
    unused : quantities of the truths without a row that was scored
    bad_rows : table of the rows that were left out, or None under ``on_error="raise"``
    """

    sources: tuple[str, ...]
    scale: Scale
    level: float
    unused: int
    bad_rows: Any
    _laws: BetaLaws = attrs.field(repr=False)
    _n: IntArray = attrs.field(repr=False)
    _unscored: IntArray = attrs.field(repr=False)
    _known: Known = attrs.field(repr=False)
    _cells: Cells = attrs.field(repr=False)

    @property
    def a(self) -> Array:
        """Parameter a of each source: below 1 if truths fall too often far below its claims."""
        return np.asarray(np.exp(self._laws.log_ab[:, 0]))

    @property
    def b(self) -> Array:
        """Parameter b of each source: below 1 if truths fall too often far above its claims."""
        return np.asarray(np.exp(self._laws.log_ab[:, 1]))

    @property
    def pooled(self) -> tuple[float, float]:
        """Parameters of all transforms as if they were of one source."""
        a, b = np.exp(self._laws.pooled).tolist()
        return a, b

    @property
    def centre(self) -> tuple[float, float]:
        """Parameters of the source in the middle, and of sources that are not known."""
        a, b = np.exp(self._laws.centre).tolist()
        return a, b

    @property
    def spread(self) -> Array:
        """Covariance of sources' log a and log b around the centre."""
        return self._laws.spread

    @property
    def converged(self) -> bool:
        """Whether the centre and the spread stopped changing."""
        return self._laws.converged

    @cached_property
    def table(self) -> Any:
        """One row per source, of the kind of table that was given.

        ``source``, ``n`` (rows scored), ``unscored`` (rows without a truth, or that state no
        distribution), ``a``, ``b`` with ``_low`` and ``_high`` of their central intervals at the
        level, by Laplace's approximation in log a and log b.
        """
        columns: dict[str, Any] = {
            "source": np.array(self.sources),
            "n": self._n,
            "unscored": self._unscored,
        }
        reach = float(ndtri(0.5 * (1.0 + self.level)))
        for k, name in enumerate(("a", "b")):
            middle, sd = self._laws.log_ab[:, k], np.sqrt(self._laws.covariance[:, k, k])
            columns[name] = np.exp(middle)
            columns[f"{name}_low"] = np.exp(middle - reach * sd)
            columns[f"{name}_high"] = np.exp(middle + reach * sd)
        return self._cells.table.like(columns)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.sources)}

    def _log_ab(self, names: list[str]) -> Array:
        """Log a and log b of sources by name, (names, 2); the centre's for others."""
        table = np.concatenate([self._laws.log_ab, self._laws.centre[None, :]])
        return table[[self._places.get(name, -1) for name in names]]

    def quantiles(
        self,
        source: str,
        probabilities: ArrayLike,
        ppf: Callable[[Array], ArrayLike],
        isf: Callable[[Array], ArrayLike] | None = None,
    ) -> Array:
        """Recalibrated quantiles of a distribution that a source states.

        ``G^-1(p) = F^-1(I^-1_p(a, b))``, F being the stated distribution.

        Parameters
        ----------
        source : the source's name; one that is not known is taken as the one in the middle
        probabilities : (m,) increasing in (0, 1)
        ppf : quantile function F^-1 of an array of probabilities, such as ``posterior.ppf``
        isf : quantile function of probabilities above, for digits of probabilities near 1

        Returns
        -------
        (m,) quantiles, increasing

        Raises
        ------
        ReliabilityError
            If a probability is impossible, or quantiles cannot be told apart.

        Examples
        --------
        >>> from scipy.special import ndtri
        >>> table = {"quantity": ["a", "b", "c"], "source": ["X"] * 3, "value": [1.0, 5.0, 9.0],
        ...     "sd": [1.0] * 3}
        >>> found = recalibration(table, {"quantity": ["a", "b", "c"], "truth": [4.0, 5.0, 6.0]})
        >>> found.quantiles("X", [0.05, 0.5, 0.95], lambda u: 10.0 + ndtri(u)).round(1)
        array([ 7.1, 10. , 12.9])
        """
        if not isinstance(source, str):
            raise WrongTypeError(f"source must be the name of a source (got {short(source)})")
        p = checked_levels(probabilities)
        log_ab = self._log_ab([source])
        z = beta_scores(p, log_ab[:, 0], log_ab[:, 1])
        out = np.asarray(ppf(ndtr(z)), dtype=np.float64)
        if isf is not None:
            out = np.where(z > 0.0, np.asarray(isf(ndtr(-z)), dtype=np.float64), out)
        if out.shape != p.shape:
            raise InvalidValueError(
                f"ppf must give one quantile per probability, {p.shape} (got shape {out.shape})"
            )
        if not (np.all(np.isfinite(out)) and np.all(np.diff(out) > 0.0)):
            raise InvalidValueError(
                f"source {source!r}: the recalibrated quantiles {short(out.tolist())} are not "
                "finite and increasing; give probabilities nearer to 0.5, or isf="
            )
        return out

    def apply(self, table: Any, *, probabilities: ArrayLike = PROBABILITIES) -> Any:
        """Table of claims with recalibrated quantiles in place of what was stated.

        Rows with quantiles, an sd, an interval or a range get quantile columns; bare values,
        "about" and bounds, which state no distribution, stay as they are. Biases and
        overconfidences that the table or the ``sources`` of :func:`recalibration` state are in
        the quantiles, so the result has no such columns: do not give them again.

        Parameters
        ----------
        table : claims, as for :func:`reliability.combine_many`
        probabilities : (m,) of the quantiles, increasing in (0, 1)

        Returns
        -------
        A table of the kind that was given, with the same rows in the same order.

        Raises
        ------
        ReliabilityError
            Naming the row, the column, the value and the remedy.

        Examples
        --------
        >>> table = {"quantity": ["a", "b", "c"], "source": ["X"] * 3, "value": [1.0, 5.0, 9.0],
        ...     "sd": [1.0] * 3}
        >>> found = recalibration(table, {"quantity": ["a", "b", "c"], "truth": [4.0, 5.0, 6.0]})
        >>> new = found.apply(table, probabilities=[0.05, 0.5, 0.95])
        >>> sorted(new), new["q0.95"].round(1)
        (['q0.05', 'q0.5', 'q0.95', 'quantity', 'source'], array([ 3.9,  7.9, 11.9]))
        """
        p = checked_levels(probabilities)
        cells = table if isinstance(table, Cells) else Cells(table)
        rows = rows_from_table(cells, sources=self._known)
        columns = _columns(rows, cells, self.scale, "raise")
        stated = _states_distribution(columns)
        log_ab = self._log_ab(rows.sources.names)[rows.rows.source]
        theta = np.full((len(cells), len(p)), np.nan)
        for some in _blocks(columns, stated):
            z = beta_scores(p, log_ab[some, :1], log_ab[some, 1:])
            d = StatedDistributions.of(columns, some).at_scores(z)
            location = columns.location[some] - columns.bias[some]
            theta[rows.row[some]] = self.scale.to_theta(location[:, None] + d)
        kept = np.ones(len(cells), dtype=bool)
        kept[rows.row[stated]] = False
        self._check_quantiles(cells, theta, kept)
        self._check_sources(cells, rows, stated)
        return cells.table.like(_corrected(cells, theta, p, kept))

    def _check_quantiles(self, cells: Cells, theta: Array, kept: Flags) -> None:
        """Refuse quantiles that are no statement, because floats do not tell them apart."""
        good = self.scale.contains(theta).all(axis=1) & (np.diff(theta) > 0.0).all(axis=1)
        bad = np.flatnonzero(~good & ~kept)
        if len(bad):
            row = int(bad[0])
            raise cells.place(row).error(
                "source",
                f"the recalibrated quantiles {short(theta[row].tolist())} cannot be told apart on "
                f"the {self.scale.name} scale in floating point; give probabilities= nearer to "
                "0.5, or state the claims relative to a value near them",
            )

    @staticmethod
    def _check_sources(cells: Cells, rows: TableRows, stated: Flags) -> None:
        """Refuse a source whose bias some rows have in their quantiles and others have not."""
        given = rows.rows
        corrected = (given.bias != 0.0) | (given.bias_sd != 0.0) | (given.overconfidence != 1.0)
        mixed = np.flatnonzero(corrected & ~stated)
        if len(mixed):
            first = int(rows.row[mixed].min())
            raise cells.place(first).error(
                "source",
                "states a bias or an overconfidence, which recalibrated quantiles contain and this "
                "row, which states no distribution, would lose; apply to the other rows alone",
            )


def _corrected(cells: Cells, theta: Array, p: Array, kept: Flags) -> dict[str, Any]:
    """Columns of a table whose rows state quantiles, except those that are kept."""
    everything = np.arange(len(cells))
    out: dict[str, Any] = {}
    for name in cells.table.names:
        if name in _CORRECTED or quantile_probability(name) is not None:
            continue
        if name not in _SAID:
            out[name] = cells.table.pick(name, everything)
            continue
        said = [
            cells.given(row, name) if stays else None for row, stays in enumerate(kept.tolist())
        ]
        if any(cell is not None for cell in said):
            plain = all(cell is None or isinstance(cell, float) for cell in said)
            out[name] = np.array(said, dtype=np.float64 if plain else object)
    for k, probability in enumerate(p.tolist()):
        out[f"q{np.format_float_positional(probability, trim='-')}"] = theta[:, k]
    return out


def _states_distribution(columns: Columns) -> Flags:
    """Rows that state a distribution: not bounds, bare values, "about", nor impossible rows."""
    normal = columns.form == Form.NORMAL
    extent = (columns.form == Form.BOX) & (columns.width_scales > 0.0)
    stated = normal | extent | (columns.form == Form.QUANTILES)
    return np.asarray(stated & ~np.isnan(columns.location))


def _blocks(columns: Columns, wanted: Flags) -> Iterator[IntArray]:
    """Rows that are wanted, of one form and not too many at once."""
    for form in columns.forms:
        rows = np.flatnonzero(wanted & (columns.form == form))
        for begin in range(0, len(rows), _AT_ONCE):
            yield rows[begin : begin + _AT_ONCE]


def _columns(
    found: TableRows, cells: Cells, scale: Scale, on_error: Literal["raise", "collect"]
) -> Columns:
    """Columns of a table's rows; impossible ones are collected or raised."""
    # Only rows that state no distribution would use the error for unstated uncertainty.
    columns, problems = columns_from_rows(found.rows, scale, Model.reports().unstated_error)
    found.leave_out(cells, problems, on_error)
    return columns


def recalibration(
    table: Any,
    truths: Any,
    *,
    scale: ScaleName | Scale = "linear",
    level: float = 0.95,
    sources: Any = None,
    on_error: Literal["raise", "collect"] = "raise",
) -> Recalibration:
    """Learn from a track record what each source's stated uncertainty is worth.

    If F is the distribution that a claim states, u = F(truth) is uniform for a calibrated
    source. Here u of a source s is distributed Beta(a_s, b_s): a = b = 1 is calibrated, a, b < 1
    overconfident, a, b > 1 underconfident, a > b biased low and a < b biased high. Sources'
    (log a_s, log b_s) are normal around a centre with a covariance, both learned from all
    sources: one with three outcomes is drawn to the others, one with three thousand is not.
    The recalibrated distribution is ``G(x) = I_F(x)(a, b)``, the incomplete beta function
    (Ranjan & Gneiting 2010, doi:10.1111/j.1467-9868.2009.00726.x, for one forecaster).

    F is the row's likelihood in :func:`reliability.combine` if it is sound, under a flat prior,
    as in :func:`reliability.scores.scorecard`. A truth where F or 1 - F is below 1/1000 counts as
    beyond that and no more (a censored outcome): how far out it lies there is a matter of the
    tails that a statement was given, not of what was stated. a and b lie between 0.001 and
    10,000. Outcomes count as independent: where errors of one source go together, as in forecasts
    of one week for many places, it is drawn to the others too little, and the intervals of its a
    and b are too narrow.

    Parameters
    ----------
    table : claims, as for :func:`reliability.combine_many`. Rows with quantiles, an sd, an
        interval or a range are scored; bare values, "about" and bounds state no distribution
    truths : table with the columns ``quantity`` and ``truth``
    scale : "linear", "log" or "logit"
    level : of the intervals of a and b
    sources : what is known of sources, as for ``combine_many``: their biases and overconfidences
        are corrected first, here and in ``Recalibration.apply``
    on_error : "raise" stops at the first bad row, "collect" lists them in ``bad_rows``

    Returns
    -------
    Recalibration

    Raises
    ------
    ReliabilityError
        Naming the row, the column, the value and the remedy; also if no row can be scored.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> truth = rng.normal(0.0, 5.0, 400)
    >>> table = {
    ...     "quantity": np.tile(np.arange(400), 2),
    ...     "source": np.repeat(["honest", "bold"], 400),
    ...     "value": np.tile(truth, 2) + rng.normal(size=800),
    ...     "sd": np.repeat([1.0, 0.5], 400),
    ... }
    >>> found = recalibration(table, {"quantity": np.arange(400), "truth": truth})
    >>> found.sources, found.a.round(1), found.b.round(1)
    (('honest', 'bold'), array([0.9, 0.3]), array([0.9, 0.3]))
    """
    at_level, on_scale = checked_level(level), get_scale(scale)
    known = read_truths(truths)
    about = read_sources(sources)
    cells = table if isinstance(table, Cells) else Cells(table)
    found = rows_from_table(cells, sources=about, on_error=on_error)
    columns = _columns(found, cells, on_scale, on_error)
    truth = truths_of_rows(found, known, on_scale)
    scored = _states_distribution(columns) & ~np.isnan(truth)
    if not scored.any():
        raise InvalidValueError(_nothing(found, known, columns))
    z = np.full(columns.count, np.nan)
    for some in _blocks(columns, scored):
        at = truth[some] - (columns.location[some] - columns.bias[some])
        z[some] = StatedDistributions.of(columns, some).scores(at[:, None])[:, 0]
    names, order = found.sources.names, _by_appearance(found)
    number = np.full(len(names), -1)
    number[order] = np.arange(len(order))
    source = number[found.rows.source]
    outcomes = Outcomes.of(z[scored], source[scored], len(order))
    answered = np.unique(columns.quantity[scored])
    return Recalibration(
        sources=tuple(names[code] for code in order.tolist()),
        scale=on_scale,
        level=at_level,
        unused=len(known) - len(answered),
        bad_rows=cells.table.like(found.bad.columns()) if on_error == "collect" else None,
        laws=fit_laws(outcomes),
        n=outcomes.n.astype(np.int64),
        unscored=np.bincount(source[~scored], minlength=len(order)),
        known=about,
        cells=cells,
    )


def _by_appearance(found: TableRows) -> IntArray:
    """Sources that make claims, in order of first appearance in the table."""
    first = np.full(len(found.sources.names), np.iinfo(np.int64).max)
    np.minimum.at(first, found.rows.source, found.row)
    order = np.argsort(first, kind="stable")
    return np.asarray(order[first[order] < np.iinfo(np.int64).max])


def _nothing(found: TableRows, known: dict[str, float], columns: Columns) -> str:
    """Why no row could be scored."""
    if not _states_distribution(columns).any():
        return (
            "table: no row states a distribution; give quantiles, or a value with sd, or low, "
            "high and level"
        )
    hint = ""
    if known and len(found.keys):
        hint = did_you_mean(str(found.keys[0]), known)
    return (
        f"truths: none is about a quantity with a row that states a distribution{hint}; the "
        "names of quantities must be the same in both tables"
    )
