"""learn: how reliable, biased and overconfident each source is, from many claims."""

from __future__ import annotations

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
from reliability.errors import InvalidValueError, WrongTypeError, short
from reliability.learning.dependence import Pairs, find_pairs
from reliability.learning.error_law import ErrorLaw, Kind, Parameters
from reliability.learning.expectation import Summary, log_densities, summarise_quantities
from reliability.learning.fit import Fit, fit, starts
from reliability.learning.maximisation import Hyperparameters, Priors
from reliability.learning.observations import Observations, observe
from reliability.learning.selection import choose_law
from reliability.learning.uncertainty import SourceUncertainty, uncertainty
from reliability.models import Model
from reliability.preparation import as_claims, checked_dependence, checked_model
from reliability.scales import Scale, ScaleName, get_scale
from reliability.tables.cells import Cells
from reliability.tables.records import source_name
from reliability.tables.rows import TableRows, rows_from_table
from reliability.tables.truths import read_truths

__all__ = ["Learned", "learn"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Dependence between sources where truths do not tell it: errors of different sources on one
#: item correlate 0.42 among experts (TU Delft data base) and 0.44 among flu models (FluSight
#: 2023/24); with 0.25, intervals for weather, flight and census feeds cover 80 to 95 %.
DEPENDENCE = 0.25
_DEPENDENCES = np.array([0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0])
#: Truths that are enough to learn the dependence from.
_ENOUGH_TRUTHS = 20
#: Claims that are learned from at once; of more, the first iterations see some quantities.
_AT_ONCE = 200_000
#: Iterations from each start, of the best, and of all claims where the former saw some.
_FIRST, _MOST, _WHOLE = 8, 40, 2


@attrs.frozen(eq=False, slots=False)
class Learned:
    """What was learned; made by :func:`learn`.

    Attributes
    ----------
    law : name of the law of errors: "normal", "mixture" or "exact"
    law_scores : mean log predictive density of left-out claims under each law that was tried
    objective : log evidence of the claims after each iteration
    converged : whether the parameters stopped changing
    identified : whether biases are known absolutely (from truths or unbiased sources), not only
        relative to each other: a bias common to all sources is invisible otherwise
    dependence_between : dependence rho between any two sources
    unused : quantities of the truths without claims
    bad_rows : table of the rows that were left out, or None under ``on_error="raise"``
    """

    scale: Scale
    level: float
    law: str
    law_scores: dict[str, float]
    objective: tuple[float, ...]
    converged: bool
    identified: bool
    dependence_between: float
    unused: int
    bad_rows: Any
    _cells: Cells = attrs.field(repr=False)
    _found: TableRows = attrs.field(repr=False)
    _seen: Observations = attrs.field(repr=False)
    _fit: Fit = attrs.field(repr=False)
    _settings: dict[str, Any] = attrs.field(repr=False)

    @cached_property
    def _uncertainty(self) -> SourceUncertainty:
        return uncertainty(self._seen, self._fit, self.level, biases=self._settings["biases"])

    @cached_property
    def sources(self) -> dict[str, Source]:
        """Sources with what was learned of them, by name.

        ``evidence`` is how many claims the reliability rests on, the others' example included.
        ``overconfidence`` is that of stated uncertainties; 1 where a source states none.
        """
        known, parameters = self._uncertainty, self._fit.parameters
        states = np.bincount(self._seen.source, self._seen.stated, self._seen.sources) > 0
        out = {}
        for i, name in enumerate(self._seen.names):
            k = float(parameters.scale[2 * i + 1]) if states[i] else 1.0
            count = float(known.reliability_count[i])
            out[name] = Source(
                name,
                reliability=float(parameters.reliability[i]),
                evidence=count if np.isfinite(count) else None,
                bias=float(parameters.bias[i]) + float(self._known_bias[i]),
                bias_sd=float(known.bias_sd[i]),
                overconfidence=k,
            )
        return out

    @cached_property
    def _known_bias(self) -> Array:
        """Biases that the table or ``sources=`` stated."""
        bias = self._found.sources.numbers["bias"]
        return np.where(np.isnan(bias), 0.0, bias)

    @cached_property
    def source_table(self) -> Any:
        """One row per source, of the kind of table that was given.

        ``source``, ``n`` (claims), ``compared`` (claims that could be compared with others or a
        truth), ``reliability``, ``evidence``, ``bias``, ``bias_sd``, ``overconfidence``,
        ``error_sd`` (typical error on x of values that state none), and ``_low`` and ``_high`` of
        reliability, bias, overconfidence and error_sd at the level; nan where a source makes no
        such claims; ``identified``.
        """
        seen, known, parameters = self._seen, self._uncertainty, self._fit.parameters
        claims = np.bincount(seen.source, minlength=seen.sources)
        stated = np.bincount(seen.source, seen.stated, seen.sources) > 0
        bare = np.bincount(seen.source, ~seen.stated, seen.sources) > 0

        def of_scale(values: Array, offset: int, there: NDArray[np.bool_], unit: float) -> Array:
            return np.where(there, values[offset::2] * unit, np.nan)

        columns: dict[str, Any] = {
            "source": np.array(seen.names),
            "n": claims,
            "compared": known.claims.astype(np.int64),
            "reliability": parameters.reliability,
            "reliability_low": known.reliability.low,
            "reliability_high": known.reliability.high,
            "evidence": known.reliability_count,
            "bias": parameters.bias + self._known_bias,
            "bias_low": known.bias.low + self._known_bias,
            "bias_high": known.bias.high + self._known_bias,
            "bias_sd": known.bias_sd,
            "overconfidence": of_scale(parameters.scale, 1, stated, 1.0),
            "overconfidence_low": of_scale(known.scale.low, 1, stated, 1.0),
            "overconfidence_high": of_scale(known.scale.high, 1, stated, 1.0),
            "error_sd": of_scale(parameters.scale, 0, bare, seen.spread),
            "error_sd_low": of_scale(known.scale.low, 0, bare, seen.spread),
            "error_sd_high": of_scale(known.scale.high, 0, bare, seen.spread),
            "identified": np.full(seen.sources, self.identified),
        }
        return self._cells.table.like(columns)

    @cached_property
    def _pairs(self) -> Pairs:
        return find_pairs(self._seen, self._fit)

    @cached_property
    def dependence(self) -> dict[tuple[str, str], float]:
        """Pairs of sources whose errors go together, with their dependence in (0, 1].

        Pairs that may be independent are not there; ``dependence_table`` has them all.
        """
        pairs, names = self._pairs, self._seen.names
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
        pairs, names = self._pairs, np.array(self._seen.names)
        return self._cells.table.like(
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
        ``1/(1 + (n - 1) rho)``, rho being ``dependence_between``. A mean or sd that does not
        exist, because doubtful claims leave heavy tails, is nan or inf.
        """
        seen, tail = self._seen, 0.5 * (1.0 - self.level)
        parameters = self._fit.parameters
        if self._settings["biases"]:
            parameters = attrs.evolve(parameters, bias_variance=self._uncertainty.bias_sd**2)
        levels = np.array([tail, 0.5, 1.0 - tail])
        found = summarise_quantities(
            seen,
            parameters,
            levels,
            self.scale.to_theta,
            _shares(seen, self.dependence_between),
            self._fit.expectations,
        )
        theta = self.scale.to_theta(found.quantiles)
        mean, sd = self._moments(found, parameters.law)
        some = np.flatnonzero(seen.sizes > 0)
        columns: dict[str, Any] = {
            "quantity": self._cells.table.pick("quantity", self._found.first[some]),
            "n": seen.sizes[some],
            "estimate": theta[some, 1],
            "mean": mean[some],
            "sd": sd[some],
            "low": theta[some, 0],
            "high": theta[some, 2],
        }
        if seen.known.any():
            columns["truth"] = np.where(seen.known, self.scale.to_theta(seen.truth), np.nan)[some]
        return self._cells.table.like(columns)

    def _moments(self, found: Summary, law: ErrorLaw) -> tuple[Array, Array]:
        """Means and sds where they exist: tails of t fall off with the sum of their powers."""
        seen = self._seen
        if not law.doubtful or self.scale.name == "logit":
            return found.mean, found.sd
        mean, sd = found.mean.copy(), found.sd.copy()
        if self.scale.name == "log":
            mean[~seen.known] = sd[~seen.known] = np.inf
            return mean, sd
        share = 1.0 / (1.0 + (seen.sizes - 1.0) * self.dependence_between)
        power = seen.sizes * share * (law.df + 1.0)
        mean[(power <= 2.0) & ~seen.known] = np.nan
        sd[(power <= 3.0) & ~seen.known] = np.inf
        return mean, sd

    @cached_property
    def model(self) -> Model:
        """Model for ``combine`` that comes nearest to the law that was learned."""
        return _model(self._fit, self._settings["model"], self.dependence_between)

    def combine(self, claims: Iterable[Claim | tuple[Any, Any]], **settings: Any) -> Any:
        """Combine claims with what was learned of their sources.

        Parameters
        ----------
        claims : as for :func:`reliability.combine`; a claim whose source has a name that was
            learned is taken as by that source, others as they are
        settings : passed on to ``combine``; ``scale`` and ``model`` are the learned ones
        """
        records = [
            attrs.evolve(claim, source=self.sources.get(claim.source.name, claim.source))
            for claim in as_claims(claims)
        ]
        given: dict[str, Any] = {"scale": self.scale, "model": self.model}
        return combine(records, **(given | settings))

    def update(self, table: Any, truths: Any = None, *, half_life: float | None = None) -> Learned:
        """Learn from further claims, without the former ones.

        What was learned of each source is its prior now, worth as many claims as it rested on;
        sources that are new start from what all have in common.

        Parameters
        ----------
        table, truths : as for :func:`learn`
        half_life : claims after which former evidence counts half, for sources that change
        """
        return _updated(self, table, truths, half_life)


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
        default learned from the truths, if there are 20 or more, else 0.25
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
    _check(level, law, model, on_error)
    on_scale = get_scale(scale)
    rho = None if dependence is None else checked_dependence(dependence)
    cells = Cells(table)
    found = rows_from_table(cells, sources=sources, on_error=on_error)
    true, unused = _truths(truths, found, on_scale)
    seen, problems = observe(found, on_scale, true)
    for problem in problems:
        at = int(found.row[problem.row])
        error = cells.place(at).about("value", problem.exception)
        if on_error == "raise":
            raise error
        found.bad.add(cells, at, error)
    anchors = _anchors(unbiased, seen.names)
    settings = {"biases": biases, "difficulty": difficulty, "model": model, "law": law}
    scores: dict[str, float] = {}
    if law == "auto":
        chosen, scores = choose_law(seen, biases=biases)
    else:
        chosen = ErrorLaw(Kind(law))
    fitted = _fitted(seen, chosen, anchors, biases=biases, difficulty=difficulty)
    return Learned(
        scale=on_scale,
        level=float(level),
        law=str(chosen.kind),
        law_scores=scores,
        objective=fitted.objective,
        converged=fitted.converged,
        identified=bool(anchors.any() or np.any(seen.known & (seen.sizes > 0))),
        dependence_between=_dependence(seen, fitted) if rho is None else rho,
        unused=unused,
        bad_rows=cells.table.like(found.bad.columns()) if on_error == "collect" else None,
        cells=cells,
        found=found,
        seen=seen,
        fit=fitted,
        settings=settings,
    )


def _check(level: object, law: object, model: Model | None, on_error: object) -> None:
    if isinstance(level, bool) or not isinstance(level, (int, float, np.floating)):
        raise WrongTypeError(f"level must be a number in (0, 1) (got {short(level)})")
    if not 0.0 < level < 1.0:
        hint = f"; did you mean {level / 100:g}?" if 1.0 < level < 100.0 else ""
        raise InvalidValueError(f"level must lie in (0, 1), got {level:g}{hint}")
    known = ["auto", *map(str, Kind)]
    if law not in known:
        raise InvalidValueError(f"law must be one of {', '.join(known)} (got {short(law)})")
    if on_error not in ("raise", "collect"):
        raise InvalidValueError(f"on_error must be 'raise' or 'collect' (got {short(on_error)})")
    if model is not None:
        checked_model(model)


def _truths(truths: Any, found: TableRows, scale: Scale) -> tuple[Array, int]:
    """Truth of each quantity, nan where it is not known; and how many truths have no claims."""
    out = np.full(len(found.keys), np.nan)
    if truths is None:
        return out, 0
    known = read_truths(truths)
    names = [source_name(key) for key in np.asarray(found.keys).tolist()]
    for place, name in enumerate(names):
        if name in known:
            out[place] = known[name]
    outside = np.flatnonzero(~np.isnan(out) & ~scale.contains(out))
    if len(outside):
        at = int(outside[0])
        raise InvalidValueError(
            f"truths: truth={out[at]:g} of quantity {names[at]!r} is impossible on the "
            f"{scale.name} scale, which needs {scale.describe()}; correct it or choose another "
            "scale"
        )
    return out, len(known) - int(np.count_nonzero(~np.isnan(out)))


def _anchors(unbiased: Iterable[str], names: Any) -> NDArray[np.bool_]:
    given: object = unbiased
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise WrongTypeError(f"unbiased must be a list of sources' names (got {short(given)})")
    place = {name: i for i, name in enumerate(names)}
    out = np.zeros(len(place), dtype=bool)
    for name in given:
        if name not in place:
            hint = did_you_mean(str(name), place)
            raise InvalidValueError(f"unbiased: the table has no source {short(name)}{hint}")
        out[place[name]] = True
    return out


def _fitted(
    seen: Observations,
    law: ErrorLaw,
    anchors: NDArray[np.bool_],
    *,
    biases: bool,
    difficulty: bool,
) -> Fit:
    """Fit of best evidence over the starts; of many claims, of some quantities first."""
    large = seen.count > _AT_ONCE
    some = seen.take(seen.some(_AT_ONCE)) if large else seen

    def go_on(
        claims: Observations, start: tuple[Parameters, Hyperparameters], priors: Priors, most: int
    ) -> Fit:
        return fit(
            claims, start, priors=priors, iterations=most, biases=biases, difficulty=difficulty
        )

    first = [
        go_on(some, start, Priors.common(start[1], anchors), _FIRST) for start in starts(some, law)
    ]
    best = max(first, key=lambda each: each.objective[-1])
    path = best.objective
    if not best.converged:
        best = go_on(some, (best.parameters, best.hyperparameters), best.priors, _MOST)
        path = (*path, *best.objective[1:])
    if large:
        start = attrs.evolve(best.parameters, difficulty=np.ones(seen.quantities))
        converged = best.converged
        best = go_on(seen, (start, best.hyperparameters), best.priors, _WHOLE)
        return attrs.evolve(best, converged=converged or best.converged)
    return attrs.evolve(best, objective=path)


def _shares(seen: Observations, rho: float) -> Array | None:
    """Exponents of claims' densities when any two sources depend on each other."""
    if rho == 0.0:
        return None
    return np.asarray(1.0 / (1.0 + (seen.sizes - 1.0) * rho))[seen.quantity]


def _dependence(seen: Observations, fitted: Fit) -> float:
    """Dependence between sources that predicts the known truths best, if they are enough."""
    known = np.flatnonzero(seen.known & (seen.sizes > 1))
    if len(known) < _ENOUGH_TRUTHS:
        return DEPENDENCE
    some = seen.take(known)
    parameters = attrs.evolve(fitted.parameters, difficulty=fitted.parameters.difficulty[known])
    scores = [
        float(np.mean(log_densities(some, parameters, some.truth, _shares(some, float(rho)))))
        for rho in _DEPENDENCES
    ]
    return float(_DEPENDENCES[int(np.argmax(scores))])


def _model(fitted: Fit, model: Model | None, rho: float) -> Model:
    if model is not None:
        return model
    if not fitted.parameters.law.doubtful:
        return Model(unsound=None, dependence=rho)
    return Model(dependence=rho)


def _updated(before: Learned, table: Any, truths: Any, half_life: float | None) -> Learned:
    if half_life is not None and not half_life > 0.0:
        raise InvalidValueError(f"half_life must be above 0 (got {short(half_life)})")
    cells = Cells(table)
    found = rows_from_table(cells)
    true, unused = _truths(truths, found, before.scale)
    seen, problems = observe(found, before.scale, true)
    for problem in problems:
        raise cells.place(int(found.row[problem.row])).about("value", problem.exception)
    # One unit of scale for both.
    ratio = seen.spread / before._seen.spread
    seen = attrs.evolve(
        seen, spread=before._seen.spread, sd=np.where(seen.stated, seen.sd, seen.sd / ratio)
    )
    priors = _priors_from(before, seen, half_life)
    law = before._fit.parameters.law
    start = Parameters(
        law,
        priors.reliability.copy(),
        priors.scale.copy(),
        priors.bias.copy(),
        np.zeros(seen.sources),
        np.ones(seen.quantities),
    )
    settings = before._settings
    fitted = fit(
        seen,
        (start, before._fit.hyperparameters),
        priors=priors,
        iterations=_MOST,
        biases=settings["biases"],
        difficulty=settings["difficulty"],
    )
    return attrs.evolve(
        before,
        objective=fitted.objective,
        converged=fitted.converged,
        identified=bool(before.identified or np.any(seen.known & (seen.sizes > 0))),
        unused=unused,
        bad_rows=None,
        cells=cells,
        found=found,
        seen=seen,
        fit=fitted,
        settings=settings,
    )


def _priors_from(before: Learned, seen: Observations, half_life: float | None) -> Priors:
    """What was learned of each source as its prior; what all have in common for new ones."""
    hyper: Hyperparameters = before._fit.hyperparameters
    priors = Priors.common(hyper, np.zeros(seen.sources, dtype=bool))
    place = {name: i for i, name in enumerate(before._seen.names)}
    pairs = [(i, place[name]) for i, name in enumerate(seen.names) if name in place]
    new, old = (
        (np.array(each, dtype=np.int64) for each in zip(*pairs, strict=True))
        if pairs
        else (
            np.zeros(0, dtype=np.int64),
            np.zeros(0, dtype=np.int64),
        )
    )
    known, parameters = before._uncertainty, before._fit.parameters
    fresh = np.bincount(seen.source, minlength=seen.sources)[new]
    keep = np.ones(len(new)) if half_life is None else 0.5 ** (fresh / half_life)
    reliability, count = priors.reliability.copy(), priors.reliability_count.copy()
    if parameters.law.doubtful:
        reliability[new] = parameters.reliability[old]
        count[new] = hyper.reliability_count + keep * np.maximum(
            known.reliability_count[old] - hyper.reliability_count, 0.0
        )
    scale, scale_count = priors.scale.copy(), priors.scale_count.copy()
    for stated in (0, 1):
        of_new, of_old = 2 * new + stated, 2 * old + stated
        scale[of_new] = parameters.scale[of_old]
        usual = hyper.scale_count[stated]
        scale_count[of_new] = usual + keep * np.maximum(known.scale_count[of_old] - usual, 0.0)
    bias, variance = priors.bias.copy(), priors.bias_variance.copy()
    if before._settings["biases"]:
        bias[new] = parameters.bias[old]
        own = known.bias_sd[old] ** 2
        variance[new] = np.minimum(own / keep, hyper.bias_variance)
    return Priors(
        reliability,
        count,
        scale,
        scale_count,
        bias,
        np.maximum(variance, 1e-300),
        False,
        priors.unbiased,
    )
