"""learn: how reliable, biased and overconfident each source is, from many claims."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims._checks import did_you_mean
from reliability.claims.claim import Claim
from reliability.claims.sources import Source
from reliability.combination import combine
from reliability.engine.quadrature import segment_sum
from reliability.errors import InvalidValueError, ReliabilityError, WrongTypeError, short
from reliability.learning.dependence import Pairs, find_pairs, with_shares
from reliability.learning.error_law import ErrorLaw, Kind, Parameters
from reliability.learning.expectation import Summary, summarise_quantities
from reliability.learning.fit import Fit, fit, starts
from reliability.learning.knowledge import Settings, SourceKnowledge, later_pairs
from reliability.learning.maximisation import Hyperparameters, Priors
from reliability.learning.observations import Observations, observe
from reliability.learning.saving import Saved, read_document, write_document
from reliability.learning.selection import choose_law
from reliability.learning.staged import finished, stages
from reliability.learning.uncertainty import uncertainty
from reliability.models import Floor, Heavy, Model
from reliability.pairs import PairDependence
from reliability.preparation import (
    as_claims,
    checked_dependence,
    checked_level,
    checked_model,
)
from reliability.priors import Beta
from reliability.scales import Scale, ScaleName, get_scale
from reliability.scores import wis
from reliability.tables.cells import Cells
from reliability.tables.frames import as_table
from reliability.tables.records import source_name
from reliability.tables.rows import TableRows, rows_from_table
from reliability.tables.truths import read_truths, truths_of_quantities

__all__ = ["Learned", "learn"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Dependence between sources where truths do not tell it: errors of different sources on one
#: item correlate 0.42 among experts (TU Delft data base) and 0.44 among flu models (FluSight
#: 2023/24).
DEPENDENCE = 0.4
_DEPENDENCES = np.array([0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0])
#: Quantiles by which a dependence is judged.
_JUDGED = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
#: Truths that are enough to learn the dependence from.
_ENOUGH_TRUTHS = 20
#: Iterations from each start, and of the best.
_FIRST, _MOST = 8, 40


@attrs.frozen(eq=False)
class _Claims:
    """The claims that were learned from last, which are not saved.

    ``place`` is the number of each of their sources among all that are known; ``known`` are their
    pairs, if these were looked at already.
    """

    cells: Cells
    found: TableRows
    seen: Observations
    fit: Fit
    place: IntArray
    known: Pairs | None = None

    def pairs(self) -> Pairs:
        """Pairs of sources, by their numbers among all that are known."""
        found = self.known
        if found is None:
            found = find_pairs(self.seen, self.fit.parameters)
        first, second = self.place[found.first], self.place[found.second]
        return attrs.evolve(
            found, first=np.minimum(first, second), second=np.maximum(first, second)
        )


@attrs.frozen(eq=False, slots=False, repr=False)
class Learned:
    """What was learned; made by :func:`learn`.

    Attributes
    ----------
    scale, level : scale of the quantities; probability of all intervals
    law : name of the law of errors: "normal", "mixture" or "exact"
    law_scores : mean log predictive density of left-out claims under each law that was tried
    objective : log evidence of the claims after each iteration; of more than 200,000 claims, of
        all after each pass over them
    converged : whether the parameters stopped changing: of more than 200,000 claims, whether
        another pass would move them by less than 0.02 of their standard errors
    identified : whether biases are known absolutely (from truths or unbiased sources), not only
        relative to each other: a bias common to all sources is invisible otherwise
    dependence_between : dependence rho between any two sources
    unused : quantities of the truths without claims
    bad_rows : table of the rows that were left out, or None under ``on_error="raise"``
    """

    scale: Scale
    level: float
    law_scores: dict[str, float]
    objective: tuple[float, ...]
    converged: bool
    identified: bool
    dependence_between: float
    unused: int
    bad_rows: Any
    _knowledge: SourceKnowledge
    _error_law: ErrorLaw
    _hyperparameters: Hyperparameters
    _settings: Settings
    _claims: _Claims | None = None
    _former_pairs: Pairs | None = None

    @property
    def biases(self) -> bool:
        """Whether sources may have biases."""
        return self._settings.biases

    @property
    def law(self) -> str:
        """Name of the law of errors."""
        return str(self._error_law.kind)

    @cached_property
    def sources(self) -> dict[str, Source]:
        """Sources with what was learned of them, by name.

        ``evidence`` is how many claims the reliability rests on, the others' example included.
        ``overconfidence`` is that of stated uncertainties; 1 where a source states none.
        """
        return self._knowledge.objects()

    @cached_property
    def source_table(self) -> Any:
        """One row per source, of the kind of table that was given.

        ``source``, ``n`` (claims), ``compared`` (claims that could be compared with others or a
        truth), ``reliability``, ``evidence``, ``bias``, ``bias_sd``, ``overconfidence``,
        ``error_sd`` (typical error on x of values that state none), and ``_low`` and ``_high`` of
        reliability, bias, overconfidence and error_sd at the level; nan where a source makes no
        such claims, and evidence where claims cannot be unsound; ``identified``. Functions that
        take ``sources=`` take it as it is.
        """
        return self._like(self.source_columns())

    def source_columns(self) -> dict[str, Any]:
        """Columns of ``source_table``, as arrays."""
        known = self._knowledge
        identified = np.full(len(known.names), self.identified)
        return known.columns() | {"identified": identified}

    def _like(self, columns: dict[str, Any]) -> Any:
        """Table of the kind that was given; a dict of arrays where none was."""
        table = as_table({}) if self._claims is None else self._claims.cells.table
        return table.like(columns)

    @cached_property
    def _pairs(self) -> Pairs:
        former = self._former_pairs
        if self._claims is None:
            assert former is not None  # noqa: S101  # saved beside the sources
            return former
        found = self._claims.pairs()
        return found if former is None else later_pairs(former, found)

    @cached_property
    def dependence(self) -> dict[tuple[str, str], float]:
        """Pairs of sources whose errors go together, with their dependence in (0, 1].

        Pairs that may be independent are not there; ``dependence_table`` has them all.
        """
        pairs, names = self._pairs, self._knowledge.names
        return {
            (names[i], names[j]): float(value)
            for i, j, value in zip(
                pairs.first.tolist(), pairs.second.tolist(), pairs.dependence, strict=True
            )
            if value > 0.0
        }

    @cached_property
    def dependence_table(self) -> Any:
        """All pairs of sources that share enough quantities, one row each."""
        pairs, names = self._pairs, np.array(self._knowledge.names)
        return self._like(
            {
                "source_1": names[pairs.first],
                "source_2": names[pairs.second],
                "shared": pairs.shared,
                "correlation": pairs.correlation,
                "agreement": pairs.agreement,
                "expected_agreement": pairs.expected,
                "p_value": pairs.p_value,
                "dependence": pairs.dependence,
            }
        )

    @cached_property
    def quantities(self) -> Any:
        """Posterior of every quantity, one row each, of the kind of table that was given.

        ``quantity``, ``n`` (claims), ``estimate`` (median), ``mean``, ``sd``, ``low``, ``high`` at
        the level, and ``truth`` where it was given. The sources' parameters are taken at their
        estimates, their biases as uncertain; claims count for shares
        ``1/(1 + (n - 1) rho)``, rho being ``dependence_between`` and n the number of sources that
        do not copy each other. A mean or sd that does not
        exist, because doubtful claims leave heavy tails, is nan or inf. After ``update`` they are
        those of the last table.

        Raises
        ------
        ReliabilityError
            If this was loaded: claims are not saved.
        """
        if self._claims is None:
            raise InvalidValueError(
                "quantities: the claims are not saved with what was learned of their sources; "
                "update(table) learns from further claims and has their quantities, combine(claims)"
                " takes the sources as they are"
            )
        seen, fitted = self._claims.seen.dependent(self.dependence_between), self._claims.fit
        cells, tail = self._claims.cells, 0.5 * (1.0 - self.level)
        parameters = fitted.parameters
        if self._settings.biases:
            sd = self._knowledge.bias_sd[self._claims.place]
            parameters = attrs.evolve(parameters, bias_variance=sd**2)
        levels = np.array([tail, 0.5, 1.0 - tail])
        found = summarise_quantities(
            seen,
            parameters,
            levels,
            self.scale.to_theta,
            fitted.expectations,
        )
        theta = self.scale.to_theta(found.quantiles)
        mean, sd = self._moments(found, seen, parameters.law)
        some = np.flatnonzero(seen.sizes > 0)
        columns: dict[str, Any] = {
            "quantity": cells.table.pick("quantity", self._claims.found.first[some]),
            "n": seen.sizes[some],
            "estimate": theta[some, 1],
            "mean": mean[some],
            "sd": sd[some],
            "low": theta[some, 0],
            "high": theta[some, 2],
        }
        if seen.known.any():
            columns["truth"] = np.where(seen.known, self.scale.to_theta(seen.truth), np.nan)[some]
        return cells.table.like(columns)

    def _moments(self, found: Summary, seen: Observations, law: ErrorLaw) -> tuple[Array, Array]:
        """Means and sds where they exist: tails of t fall off with the sum of their powers."""
        if not law.doubtful or self.scale.name == "logit":
            return found.mean, found.sd
        mean, sd = found.mean.copy(), found.sd.copy()
        if self.scale.name == "log":
            mean[~seen.known] = sd[~seen.known] = np.inf
            return mean, sd
        power = segment_sum(seen.quantity, seen.share, seen.quantities) * (law.df + 1.0)
        mean[(power <= 2.0) & ~seen.known] = np.nan
        sd[(power <= 3.0) & ~seen.known] = np.inf
        return mean, sd

    @cached_property
    def model(self) -> Model:
        """Model for ``combine`` that comes nearest to the law that was learned.

        The mixture's is the same law, ``Heavy``; the exact law's unsound claims err on a scale of
        their own, which ``combine`` has no room for: they are those of ``Floor``.
        """
        if self._settings.model is not None:
            return self._settings.model
        if not self._error_law.doubtful:
            return Model(unsound=None, dependence=self.dependence_between)
        law, hyper = self._error_law, self._hyperparameters
        common, count = hyper.reliability, hyper.reliability_count
        unsound = Floor() if law.kind is Kind.EXACT else Heavy(law.factor, law.df)
        return Model(
            unsound=unsound,
            unknown_reliability=Beta(common * count, (1.0 - common) * count),
            dependence=self.dependence_between,
        )

    def combine(self, claims: Iterable[Claim | tuple[Any, Any]], **settings: Any) -> Any:
        """Combine claims with what was learned of their sources.

        Parameters
        ----------
        claims : as for :func:`reliability.combine`; a claim whose source has a name that was
            learned is taken as by that source (with its own interest, if it states one), others
            as they are
        settings : passed on to ``combine``; ``scale`` and ``model`` are the learned ones
        """

        def learned(source: Source) -> Source:
            known = self.sources.get(source.name, source)
            return attrs.evolve(known, interest=source.interest or known.interest)

        records = [attrs.evolve(claim, source=learned(claim.source)) for claim in as_claims(claims)]
        given: dict[str, Any] = {"scale": self.scale, "model": self.model}
        return combine(records, **(given | settings))

    def update(self, table: Any, truths: Any = None, *, half_life: float | None = None) -> Learned:
        """Learn from further claims, without the former ones.

        What was learned of each source is its prior now, worth as many claims as it rested on;
        sources that are new start from what all have in common, and those that say nothing in the
        table stay as they were. Counts of claims add up. What all sources have in common, the
        law and ``dependence_between`` stay.

        Parameters
        ----------
        table, truths : as for :func:`learn`
        half_life : claims of a source after which former evidence on it counts half, for sources
            that change

        Raises
        ------
        ReliabilityError
            Naming the row, the column, the value and the remedy.
        """
        _check_half_life(half_life)
        cells, found, seen, unused = _read(table, truths, self.scale, None, "raise")
        former, settings = self._knowledge, self._settings
        # One unit of scale for both.
        ratio = seen.spread / former.spread
        seen = attrs.evolve(
            seen, spread=former.spread, sd=np.where(seen.stated, seen.sd, seen.sd / ratio)
        )
        place = {name: i for i, name in enumerate(seen.names)}
        seen = with_shares(seen, self._pairs.renumbered(former.names, place)) or seen
        law, hyper = self._error_law, self._hyperparameters
        priors = former.priors(
            seen,
            found.sources,
            hyper,
            doubtful=law.doubtful,
            biases=settings.biases,
            half_life=half_life,
        )
        parts = stages(seen)
        start = Parameters(
            law,
            priors.reliability.copy(),
            priors.scale.copy(),
            priors.bias.copy(),
            np.zeros(seen.sources),
            np.ones(parts[0].quantities),
        )
        learned = {"biases": settings.biases, "difficulty": settings.difficulty}
        fitted = fit(parts[0], (start, hyper), priors=priors, iterations=_MOST, **learned)
        fitted = finished(parts, fitted, **learned)
        latter = _knowledge(seen, fitted, found, self.level, biases=settings.biases)
        knowledge = former.then(latter)
        return attrs.evolve(
            self,
            objective=fitted.objective,
            converged=fitted.converged,
            identified=bool(self.identified or np.any(seen.known & (seen.sizes > 0))),
            unused=unused,
            bad_rows=None,
            knowledge=knowledge,
            claims=_Claims(cells, found, seen, fitted, knowledge.places(seen.names)),
            former_pairs=self._pairs,
        )

    def to_dict(self) -> dict[str, Any]:
        """What is known of the sources, ready for JSON; neither the claims nor the quantities.

        Examples
        --------
        >>> from reliability import learn
        >>> table = {"quantity": [1, 1, 2, 2], "source": ["A", "B"] * 2, "value": [5, 6, 3, 3]}
        >>> found = learn(table, law="normal")
        >>> data = found.to_dict()
        >>> data["format"], data["version"], data["sources"]["source"]
        ('reliability.learned', 1, ['A', 'B'])
        >>> Learned.from_dict(data).sources == found.sources
        True
        """
        fields = {field.alias: getattr(self, field.name) for field in attrs.fields(Learned)}
        kept = {field.name: fields[field.name] for field in attrs.fields(Saved)}
        return Saved(**(kept | {"former_pairs": self._pairs})).to_dict()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Learned:
        """What `to_dict` wrote.

        Its tables are dicts of arrays; ``quantities`` and ``bad_rows`` are not kept.

        Raises
        ------
        ReliabilityError
            If the format or its version is not known, or naming the field that is wrong.
        """
        saved = Saved.from_dict(data)
        return cls(**attrs.asdict(saved, recurse=False), bad_rows=None)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what is known of the sources into a file, whole or not at all.

        Parameters
        ----------
        path : ends in .json; or in .parquet, with a row per source and all else in the metadata
            of its schema (needs the extra ``frames``)

        Raises
        ------
        ReliabilityError
            If the ending is not known, or an extra is missing.
        OSError
            If it cannot be written.
        """
        write_document(self.to_dict(), path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Learned:
        """What `save` wrote; see :meth:`from_dict`.

        Raises
        ------
        ReliabilityError
            Naming the file, and the field that is wrong.
        OSError
            If it cannot be read.
        """
        data = read_document(path)
        try:
            return cls.from_dict(data)
        except ReliabilityError as error:
            raise error.located(str(path)) from None

    def __repr__(self) -> str:
        """One line."""
        number = len(self._knowledge.names)
        return (
            f"Learned({number} source{'s'[: number != 1]} from "
            f"{int(self._knowledge.claims.sum()):,} claims, law={self.law!r})"
        )

    def __str__(self) -> str:
        """Table of the sources for readers."""
        from reliability.source_report import learned_text  # noqa: PLC0415 - text is above results

        return learned_text(self)


def learn(
    table: Any,
    truths: Any = None,
    *,
    scale: ScaleName | Scale = "linear",
    model: Model | None = None,
    level: float = 0.95,
    law: Literal["auto", "normal", "mixture", "exact"] = "auto",
    sources: Any = None,
    unbiased: Iterable[str] = (),
    biases: bool = True,
    difficulty: bool = False,
    dependence: float | None = None,
    on_error: Literal["raise", "collect"] = "raise",
) -> Learned:
    """Learn how reliable, biased and overconfident each source is.

    A claim of a source s about a quantity theta is ``theta + b_s + e`` on the scale's x, with e
    sound or unsound as in :mod:`reliability.learning.error_law`. Reliabilities, scales and biases
    of sources have common priors that are learned too, so that a source with three claims is
    drawn towards the others and one with three thousand is not. All by expectation-maximisation
    with the quantities, and whether each claim is sound, integrated out.

    Parameters
    ----------
    table : claims, as for :func:`reliability.combine_many`
    truths : table with the columns ``quantity`` and ``truth`` of the quantities that are known
    scale : "linear", "log" or "logit"
    model : model of ``Learned.combine``; by default the one nearest to the law that was learned
    level : of all intervals
    law : how sources err: "normal"; "mixture", normal or else heavy-tailed; "exact", right to the
        last digit or else heavy-tailed, for values that state no uncertainty; "auto" is the one
        that predicts left-out claims best
    sources : what is known of sources, as for ``combine_many``: their biases and overconfidences
        are corrected before learning what is left
    unbiased : names of sources that have no bias, which anchors all others
    biases : whether sources have biases
    difficulty : whether some quantities are harder for all sources
    dependence : rho in [0, 1] between any two sources, which widens the quantities' posteriors; by
        default learned from the truths, if there are 20 or more, else 0.4
    on_error : "raise" stops at the first bad row, "collect" lists them in ``bad_rows``

    Returns
    -------
    Learned

    Raises
    ------
    ReliabilityError
        Naming the row, the column, the value and the remedy.

    Examples
    --------
    >>> import numpy as np
    >>> from reliability import learn
    >>> rng = np.random.default_rng(1)
    >>> truth = np.repeat(rng.normal(0.0, 10.0, 300), 4)
    >>> good, poor = rng.normal(0.0, 1.0, (2, 1200))
    >>> table = {
    ...     "quantity": np.repeat(np.arange(300), 4),
    ...     "source": np.tile(["A", "B", "C", "D"], 300),
    ...     "value": truth + np.where(np.arange(1200) % 4 < 2, good, 5.0 * poor),
    ...     "sd": np.ones(1200),
    ... }
    >>> found = learn(table)
    >>> found.law, [round(s.overconfidence, 1) for s in found.sources.values()]
    ('normal', [1.0, 1.0, 4.8, 4.8])
    """
    _check(level, law, model, on_error, {"biases": biases, "difficulty": difficulty})
    on_scale = get_scale(scale)
    rho = None if dependence is None else checked_dependence(dependence)
    if isinstance(rho, PairDependence):
        raise WrongTypeError(
            "dependence must be a number in [0, 1], between any two sources; which pairs of "
            "sources depend on each other is learned"
        )
    cells, found, seen, unused = _read(table, truths, on_scale, sources, on_error)
    anchors = _anchors(unbiased, seen.names)
    scores: dict[str, float] = {}
    if law == "auto":
        chosen, scores = choose_law(seen, biases=biases)
    else:
        chosen = ErrorLaw(Kind(law))
    seen, fitted, pairs = _fitted(seen, chosen, anchors, biases=biases, difficulty=difficulty)
    return Learned(
        scale=on_scale,
        level=float(level),
        law_scores=scores,
        objective=fitted.objective,
        converged=fitted.converged,
        identified=bool(anchors.any() or np.any(seen.known & (seen.sizes > 0))),
        dependence_between=rho if rho is not None else _dependence(seen, fitted),
        unused=unused,
        bad_rows=cells.table.like(found.bad.columns()) if on_error == "collect" else None,
        knowledge=_knowledge(seen, fitted, found, level, biases=biases),
        error_law=fitted.parameters.law,
        hyperparameters=fitted.hyperparameters,
        settings=Settings(biases, difficulty, model),
        claims=_Claims(cells, found, seen, fitted, np.arange(seen.sources), pairs),
    )


def _knowledge(
    seen: Observations, fitted: Fit, found: TableRows, level: float, *, biases: bool
) -> SourceKnowledge:
    known = uncertainty(seen, fitted, level, biases=biases)
    return SourceKnowledge.of(seen, fitted, known, found.sources)


def _check(
    level: object,
    law: object,
    model: Model | None,
    on_error: object,
    flags: Mapping[str, object],
) -> None:
    checked_level(level)
    known = ["auto", *map(str, Kind)]
    if not isinstance(law, str) or law not in known:
        raise InvalidValueError(f"law must be one of {', '.join(known)} (got {short(law)})")
    if on_error not in ("raise", "collect"):
        raise InvalidValueError(f"on_error must be 'raise' or 'collect' (got {short(on_error)})")
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise WrongTypeError(f"{name} must be True or False (got {short(flag)})")
    if model is not None:
        checked_model(model)


def _read(
    table: Any, truths: Any, scale: Scale, sources: Any, on_error: Literal["raise", "collect"]
) -> tuple[Cells, TableRows, Observations, int]:
    """A table's cells, rows and points, with their truths; and how many truths have no claims."""
    cells = table if isinstance(table, Cells) else Cells(table, zeros=True)
    found = rows_from_table(cells, sources=sources, on_error=on_error)
    truth, unused = np.full(len(found.keys), np.nan), 0
    if truths is not None:
        known = read_truths(truths)
        truth = truths_of_quantities(found, known, scale)
        unused = len(known) - int(np.count_nonzero(~np.isnan(truth)))
    seen, problems = observe(found, scale, truth)
    found.leave_out(cells, problems, on_error)
    return cells, found, seen, unused


def _anchors(unbiased: Iterable[str], names: Any) -> NDArray[np.bool_]:
    given: object = unbiased
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise WrongTypeError(f"unbiased must be a list of sources' names (got {short(given)})")
    place = {name: i for i, name in enumerate(names)}
    out = np.zeros(len(place), dtype=bool)
    for each in given:
        name = source_name(each)
        if name not in place:
            hint = did_you_mean(name, place)
            raise InvalidValueError(f"unbiased: the table has no source {short(each)}{hint}")
        out[place[name]] = True
    return out


def _fitted(
    seen: Observations,
    law: ErrorLaw,
    anchors: NDArray[np.bool_],
    *,
    biases: bool,
    difficulty: bool,
) -> tuple[Observations, Fit, Pairs | None]:
    """The claims, with shares where sources copy each other; their fit; pairs if these stay.

    Of many claims some are fitted first, and copying is looked for by what they say of sources.
    """

    def first(parts: list[Observations]) -> Fit:
        return _best(parts[0], law, anchors, biases=biases, difficulty=difficulty)

    parts = stages(seen)
    fitted = first(parts)
    parameters = fitted.parameters
    if len(parts) > 1:
        parameters = attrs.evolve(parameters, difficulty=np.ones(seen.quantities))
    pairs = find_pairs(seen, parameters)
    copied = with_shares(seen, pairs)
    if copied is not None:
        seen, parts = copied, stages(copied)
        fitted = first(parts)
    known = None if copied is not None or len(parts) > 1 else pairs
    return seen, finished(parts, fitted, biases=biases, difficulty=difficulty), known


def _best(
    seen: Observations,
    law: ErrorLaw,
    anchors: NDArray[np.bool_],
    *,
    biases: bool,
    difficulty: bool,
) -> Fit:
    """Fit of best evidence over the starts."""

    def go_on(start: tuple[Parameters, Hyperparameters], priors: Priors, iterations: int) -> Fit:
        return fit(
            seen, start, priors=priors, iterations=iterations, biases=biases, difficulty=difficulty
        )

    first = [go_on(start, Priors.common(start[1], anchors), _FIRST) for start in starts(seen, law)]
    best = max(first, key=lambda each: each.objective[-1])
    if best.converged:
        return best
    path = best.objective
    best = go_on((best.parameters, best.hyperparameters), best.priors, _MOST)
    return attrs.evolve(best, objective=(*path, *best.objective[1:]))


def _dependence(seen: Observations, fitted: Fit) -> float:
    """Dependence between sources that predicts the known truths best, if they are enough.

    Best by the weighted interval score: densities would be judged by those claims alone that are
    right to the last digit, whose peaks are as high as the digits are fine.
    """
    known = np.flatnonzero(seen.known & (seen.sizes > 1))
    if len(known) < _ENOUGH_TRUTHS:
        return DEPENDENCE
    some = seen.take(known)
    truth = some.truth
    unknown = attrs.evolve(some, truth=np.full(len(known), np.nan))
    parameters = attrs.evolve(fitted.parameters, difficulty=fitted.parameters.difficulty[known])

    def score(rho: float) -> float:
        found = summarise_quantities(unknown.dependent(rho), parameters, _JUDGED, np.asarray)
        return float(np.mean(wis(_JUDGED, found.quantiles, truth)))

    return float(_DEPENDENCES[int(np.argmin([score(float(rho)) for rho in _DEPENDENCES]))])


def _check_half_life(value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise WrongTypeError(f"half_life must be a number of claims (got {short(value)})")
    if not value > 0.0:
        raise InvalidValueError(
            f"half_life must be above 0 (got {short(value)}); leave it out to keep all evidence"
        )
