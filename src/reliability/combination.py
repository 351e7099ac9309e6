"""combine: claims about a quantity in, a :class:`Combination` out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from reliability.claims.changes import Names, positions_without, with_source_changed
from reliability.claims.claim import Claim, disagreement
from reliability.claims.columns import Columns
from reliability.claims.dates import Dating, checked_dating, day_number
from reliability.claims.rows import origin_of, rows_from_claims
from reliability.claims.sources import Source
from reliability.claims.statements import Absent, Present
from reliability.engine import normal
from reliability.engine.claim_results import soundness_of_dropped, weights_and_soundness
from reliability.engine.conflict import cochran, cochran_over_time, excess, tail_of_cochran
from reliability.engine.dated import Timing, solve_dated
from reliability.engine.density import PanelDensity
from reliability.engine.inference import Inference, infer, infer_dated
from reliability.engine.leave_out import LeftOut, leave_origins_out
from reliability.engine.leave_out_dated import leave_origins_of_dated_out
from reliability.engine.predictive import predictive
from reliability.engine.reliability import reliability_of, scatter_of_both
from reliability.engine.setup import Setup, shared_sds
from reliability.errors import (
    InvalidValueError,
    NoPosteriorError,
    ReliabilityError,
    short,
)
from reliability.foreign_priors import as_prior
from reliability.forest import (
    Forest,
    Nesting,
    forest_of,
    links_from_dict,
    priors_of,
    solve_forest,
)
from reliability.models import Model
from reliability.pairs import NumberedPairs, PairDependence
from reliability.parts import Link
from reliability.posterior import Posterior
from reliability.preparation import (
    NOTHING_SAID,
    Dependence,
    as_claims,
    by_quantity,
    checked_correlation,
    checked_dependence,
    checked_model,
    checked_zero,
    dependence_from_data,
    dependence_to_data,
    name_of,
)
from reliability.prepared import Prepared, prepare
from reliability.priors import Flat, PriorOnX, QuantityPrior
from reliability.scales import SCALES, Scale, ScaleName, get_scale
from reliability.settings import settings_from_dict, settings_to_dict
from reliability.shares import Shares, independent, reasons

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes

    from reliability.sensitivity import BreakEven, Sensitivity

__all__ = ["ClaimResult", "Combination", "Conflict", "Influence", "combine"]

Array = NDArray[np.float64]
NAN = float("nan")


# ------------------------------------------------------------------ results


@attrs.frozen
class Influence:
    """What changes when a claim's origin is left out.

    ``divergence`` is the Kullback-Leibler divergence (nats) of the posterior from the one
    without the origin, any atom at zero included; ``shift`` is the estimate minus the one without
    it, in the quantity's units. Both are nan where nothing is left.
    """

    divergence: float
    shift: float


@attrs.frozen
class Conflict:
    """How much the claims disagree, beyond what they state.

    ``Q`` is Cochran's statistic of the claims' values about their inverse-variance mean, with
    ``df`` degrees of freedom and tail probability ``p``; ``I2 = max(0, (Q - df)/Q)`` (0 to 1),
    ``H2 = Q/df``, ``birge = sqrt(Q/df)`` (Birge 1932; Higgins & Thompson 2002). Bounds and
    claims of presence take no part. ``log_bayes_factor`` compares the model's scatter with none
    (None for an improper prior on the scatter, or without scatter). Values that need two claims
    are nan.
    """

    Q: float
    df: int
    p: float
    I2: float
    H2: float
    birge: float
    log_bayes_factor: float | None


@attrs.frozen(eq=False, repr=False)
class ClaimResult:
    """What became of one claim.

    Attributes
    ----------
    claim : the claim
    origin : the origin that it counts under
    share : its independence share (0 if dropped)
    dropped : why it does not count, or None
    weight : posterior mean of its share of the total precision; all claims' sum to 1. It is about
        where the quantity is if it is not zero: claims of presence have none
    soundness : posterior probability that it is sound
    """

    claim: Claim
    origin: str
    share: float
    dropped: str | None
    weight: float
    soundness: float
    _combination: Combination
    _index: int

    @property
    def influence(self) -> Influence:
        """What changes when the claim's origin is left out."""
        origin = self._combination._group_of(self._index)  # noqa: SLF001
        if origin is None:
            return Influence(0.0, 0.0)
        return self._combination._influences[origin]  # noqa: SLF001

    @property
    def tail(self) -> float:
        """Predictive probability, given the other origins, of a sound claim this far out.

        Two-sided; for a verified bound the probability that it holds. It is about what there is
        if there is something: nan for claims of presence, and where no other claim has a number.
        """
        active = self._combination._place.get(self._index)  # noqa: SLF001
        return NAN if active is None else self._combination._tails[active]  # noqa: SLF001

    @property
    def shrunk(self) -> Posterior | None:
        """Posterior of the claim's own true value under heterogeneity.

        What the source measured, free of its own stated error and bias; a bias shared by all
        sources is part of it. None without heterogeneity, and for claims or models that are
        not normal throughout.
        """
        return self._combination._shrunk(self._index)  # noqa: SLF001

    def __repr__(self) -> str:
        """One line."""
        return (
            f"ClaimResult({self.claim.source.name!r}: {self.claim.statement}, "
            f"weight={self.weight:.3g}, soundness={self.soundness:.3g})"
        )


@attrs.frozen(eq=False, slots=False, repr=False)
class Combination:
    """What to believe about a quantity, given claims; returned by :func:`combine`.

    Attributes
    ----------
    posterior : distribution of the quantity
    estimate : its median
    claims : one record per claim, in the order given
    conflict : how much the claims disagree
    zero : prior probability that there is nothing; the posterior's is ``posterior.zero``
    error : bound on the relative numerical error
    prior : on the quantity; of a part, on the root of its tree
    link : how it is linked with other quantities; None if it stands alone
    """

    quantity: str | None
    scale: Scale
    model: Model
    prior: QuantityPrior
    dependence: float | PairDependence
    zero: float
    _claims: tuple[Claim, ...]
    _shares: Shares
    _columns: Columns
    _inference: Inference
    _correlation: Array | None
    #: Which of "prior" and "dependence" nobody stated: they are the model's.
    _of_model: frozenset[str]
    _dating: Dating = attrs.field(factory=Dating)
    link: Nesting | None = None

    # ---------------------------------------------------------------- the answer

    @cached_property
    def posterior(self) -> Posterior:
        """Distribution of the quantity."""
        exists = self._inference.existence
        return Posterior(
            self._inference.distribution,
            self.scale,
            exists.moment(self.scale, 1),
            exists.moment(self.scale, 2),
            self._support(self._inference.prior),
            zero=self._inference.zero,
            has_root_mean=exists.moment(self.scale, 0.5),
        )

    def _support(self, prior: PriorOnX) -> tuple[float, float]:
        low, high = (float(self.scale.to_theta(x)) for x in (prior.low, prior.high))
        return low, high

    @cached_property
    def estimate(self) -> float:
        """Posterior median."""
        return self.posterior.median()

    @property
    def as_of(self) -> dt.date | None:
        """The day for which the quantity is asked; None where no claim has a date."""
        return self._dating.as_of

    @property
    def drift(self) -> float:
        """Sd of the change on the scale per square root of a day; 0 if it does not move."""
        return self._dating.drift

    def interval(
        self, level: float = 0.95, kind: Literal["central", "shortest"] = "central"
    ) -> tuple[float, float]:
        """Interval that holds the quantity with probability ``level``."""
        return self.posterior.interval(level, kind)

    @cached_property
    def predictive(self) -> Posterior:
        """What a new sound source's own value would be: x plus scatter.

        Where there is nothing it says so: the atom at zero is the posterior's.

        Raises
        ------
        ReliabilityError
            If the model has a scatter and no claim states a number that would tell of it.
        """
        inference, exists = self._inference, self._inference.existence
        if self.model.heterogeneity is None:
            return self.posterior
        if not inference.columns.count:
            name = "the quantity" if self.quantity is None else repr(self.quantity)
            raise NoPosteriorError(
                f"{name} has no claims of its own that would tell how far its sources scatter; "
                "use posterior"
            )
        if inference.dated is not None:
            assert isinstance(inference.distribution, PanelDensity)  # noqa: S101
            distribution: Any = inference.dated.predictive(inference.time, inference.distribution)
        elif inference.normal is not None:
            distribution = normal.predictive(inference.normal)
        else:
            assert inference.mixture is not None  # noqa: S101 - one of both is there
            assert isinstance(inference.distribution, PanelDensity)  # noqa: S101
            distribution = predictive(
                inference.mixture,
                exists.scatter_power,
                inference.prior,
                inference.distribution,
                float(shared_sds(inference.columns, inference.setup)[0]),
            )
        return Posterior(
            distribution,
            self.scale,
            exists.predictive_moment(self.scale, 1),
            exists.predictive_moment(self.scale, 2),
            (self.scale.low, self.scale.high),
            zero=inference.zero,
            has_root_mean=exists.predictive_moment(self.scale, 0.5),
        )

    @cached_property
    def heterogeneity(self) -> Posterior | None:
        """Posterior of tau (on the scale) or of the inflation.

        None without scatter, and where no claim states a number.
        """
        inference = self._inference
        if inference.dated is not None:
            distribution: Any = inference.dated.scatter_distribution()
        elif inference.normal is not None:
            distribution = inference.normal.scatter_density
        elif inference.mixture is not None:
            distribution = inference.mixture.scatter_distribution()
        else:
            distribution = None
        if distribution is None:
            return None
        distribution = scatter_of_both(inference, distribution)
        exists = inference.existence
        return Posterior(
            distribution,
            SCALES["linear"],
            exists.scatter_moment(1),
            exists.scatter_moment(2),
            (distribution.low, np.inf),
            has_root_mean=exists.scatter_moment(0.5),
        )

    @cached_property
    def reliability(self) -> Posterior | None:
        """Posterior of the reliability shared by sources without one; None if there are none."""
        dated = self._inference.dated
        if dated is not None:
            if not np.isnan(self._inference.columns.reliability).any():
                return None
            found = dated.reliability_distribution()
            return Posterior(found, SCALES["logit"], support=(0.0, 1.0))
        distribution = reliability_of(self._inference)
        if distribution is None:
            return None
        return Posterior(distribution, SCALES["logit"], support=(0.0, 1.0))

    # ---------------------------------------------------------------- numbers about it

    @property
    def log_evidence(self) -> float | None:
        """Log probability of the claims under the model; None under improper priors.

        Of a linked quantity that of all claims of its tree. A pseudo-evidence where some shares
        are below 1: comparable only at equal shares.
        """
        if self.link is not None:
            return self.link.log_evidence
        scatter = self._inference.setup.scatter
        if not self._inference.prior.proper or (scatter is not None and not scatter.proper):
            return None
        return self._inference.log_evidence

    @property
    def error(self) -> float:
        """Bound on the relative numerical error of probabilities and densities."""
        return float(self._inference.error)

    # ---------------------------------------------------------------- per claim

    @cached_property
    def claims(self) -> tuple[ClaimResult, ...]:
        """One record per claim, in the order given."""
        if not self._claims:
            return ()
        shares = self._shares
        both = weights_and_soundness(self._inference)
        columns = zip(both.weight.tolist(), both.soundness.tolist(), strict=True)
        counted = dict(zip(self._place, columns, strict=True))
        share, dropped = shares.share.tolist(), reasons(shares, self._claims)
        records = []
        for i, claim in enumerate(self._claims):
            weight, soundness = counted.get(i) or (0.0, self._soundness_of_dropped(i))
            records.append(
                ClaimResult(
                    claim=claim,
                    origin=origin_of(claim),
                    share=share[i],
                    dropped=dropped[i],
                    weight=weight,
                    soundness=soundness,
                    combination=self,
                    index=i,
                )
            )
        return tuple(records)

    def _soundness_of_dropped(self, index: int) -> float:
        return soundness_of_dropped(self._inference, self._columns.take(np.array([index])))

    @cached_property
    def _place(self) -> dict[int, int]:
        """Rows of the claims that count."""
        return {i: k for k, i in enumerate(self._shares.active.tolist())}

    @cached_property
    def _left_out(self) -> list[LeftOut]:
        """What each origin adds."""
        active = self._shares.active
        between = self._shares.between_origins(active)
        if self._inference.dated is not None:
            return leave_origins_of_dated_out(self._inference, self._shares.group[active], between)
        return leave_origins_out(self._inference, self._shares.group[active], between)

    @cached_property
    def _influences(self) -> list[Influence]:
        """The same in the quantity's units."""
        medians = self.scale.to_theta(np.array([left.median for left in self._left_out]))
        shifts = (self.estimate - medians).tolist()
        return [
            Influence(left.divergence, shift)
            for left, shift in zip(self._left_out, shifts, strict=True)
        ]

    @cached_property
    def _tails(self) -> dict[int, float]:
        """How the claims that count look to the other origins."""
        return {row: tail for left in self._left_out for row, tail in left.tail.items()}

    def _group_of(self, index: int) -> int | None:
        """Number of a claim's origin; None where that says nothing."""
        origin = origin_of(self._claims[index])
        for i in (index, *self._shares.active.tolist()):
            group = int(self._shares.group[i])
            if group >= 0 and (i == index or origin_of(self._claims[i]) == origin):
                return group
        return None

    def _shrunk(self, index: int) -> Posterior | None:
        active = self._place.get(index)
        solution = self._inference.normal
        if active is None or solution is None:
            return None
        distribution = normal.shrunk(solution, active)
        if distribution is None:
            return None
        # Its moments exist even where the quantity's do not: for large tau, where x is vague,
        # a claim's own value is its statement.
        return Posterior(distribution, self.scale, support=(self.scale.low, self.scale.high))

    # ---------------------------------------------------------------- conflict

    @cached_property
    def conflict(self) -> Conflict:
        """How much the claims disagree, beyond what they state."""
        if not self._inference.rows.count:
            return Conflict(NAN, 0, NAN, NAN, NAN, NAN, None)
        dated = self._inference.dated
        if dated is None:
            every_q, every_df = cochran(self._inference.rows)
            q, df = float(every_q[0]), int(every_df[0])
        else:
            timing = dated.timing
            q, df = cochran_over_time(
                self._inference.columns, timing.days[timing.time], timing.drift
            )
        log_bayes_factor = self._log_bayes_factor()
        if df < 1:
            return Conflict(NAN, max(df, 0), NAN, NAN, NAN, NAN, log_bayes_factor)
        if self._inference.setup.correlation is not None:
            assert self._inference.normal is not None  # noqa: S101 - correlated claims
            problem = attrs.evolve(
                self._inference.normal.problem,
                heterogeneity=None,
                inflation=None,
                prior_variance=np.inf,
            )
            q = float(normal.conditional(problem, np.zeros(1)).quadratic[0])
        p = float(tail_of_cochran(np.array([q]), np.array([df]))[0])
        return Conflict(q, df, p, *excess(q, df), log_bayes_factor)

    def _log_bayes_factor(self) -> float | None:
        inference = self._inference
        scatter = inference.setup.scatter
        if scatter is None or not scatter.proper or not inference.columns.count:
            return None
        if inference.normal is not None and inference.atom is None:
            # Claims of presence say the same of either.
            solution = inference.normal
            return solution.log_normaliser - solution.log_normaliser_without_scatter
        setup = attrs.evolve(inference.setup, heterogeneity=None, inflation=None)
        try:
            none = (
                infer(inference.rows, setup).log_evidence
                if inference.dated is None
                else solve_dated(inference.columns, setup, inference.dated.timing).log_normaliser
            )
        except NoPosteriorError:
            return None
        return inference.log_evidence - none

    # ---------------------------------------------------------------- what if

    def again(
        self, claims: Iterable[Claim | tuple[Any, Any]] | None = None, **settings: Any
    ) -> Combination:
        """Combine again, under other settings or with other claims; all else stays.

        Parameters
        ----------
        claims : claims about one quantity, in place of these
        settings : arguments of :func:`combine` that differ, such as ``scale="linear"``

        Raises
        ------
        ReliabilityError
            As `combine` does.

        Examples
        --------
        >>> from reliability import Source, combine
        >>> result = combine([(Source("A", reliability=0.9), "10 +- 1"),
        ...                   (Source("B", reliability=0.6), "16 +- 1")])
        >>> round(result.estimate, 1), round(result.again(scale="log").estimate, 1)
        (10.7, 11.1)
        """
        result = combine(
            self._every_claim if claims is None else claims, **(self._settings() | settings)
        )
        if self.link is not None and isinstance(result, dict) and self.quantity in result:
            return result[self.quantity]
        if not isinstance(result, Combination):
            raise InvalidValueError(
                f"claims: name {len(result)} quantities; give those about one of them"
            )
        return result

    @property
    def _every_claim(self) -> tuple[Claim, ...]:
        """The claims that have a say: of linked quantities also those about the others."""
        return self._claims if self.link is None else self.link.claims

    def _settings(self) -> dict[str, Any]:
        """Arguments of `combine` that give this result; what is the model's is None."""
        return {
            "scale": self.scale,
            "prior": None if "prior" in self._of_model else self.prior,
            "model": self.model,
            "zero": self.zero,
            "links": () if self.link is None else self.link.links,
            "correlation": self._correlation,
            "dependence": None if "dependence" in self._of_model else self.dependence,
            "as_of": self.as_of,
            "drift": self.drift,
            "supersede": self._dating.supersede,
        }

    def with_source(self, name: str | Source, **changes: Any) -> Combination:
        """Return what the same claims say under other assumptions about one source.

        Parameters
        ----------
        name : the source
        changes : its new attributes: reliability, evidence, bias, bias_sd, overconfidence,
            interest

        Raises
        ------
        ReliabilityError
            If no claim is of that source, or an attribute is unknown or impossible.

        Examples
        --------
        >>> from reliability import Source, combine
        >>> result = combine([(Source("A", reliability=0.9), "10 +- 1"),
        ...                   (Source("B", reliability=0.6), "16 +- 1")])
        >>> round(result.with_source("A", reliability=0.3).estimate, 1)
        14.6
        """
        return self.again(with_source_changed(self._every_claim, name, changes))

    def without(self, *, source: Names | None = None, origin: Names | None = None) -> Combination:
        """Return what the other claims say.

        Parameters
        ----------
        source : source or sources whose claims are left out
        origin : origin or origins whose claims are left out; a claim that names none has its
            source as its origin

        Raises
        ------
        ReliabilityError
            If there is no such source or origin, or nothing is left.

        Examples
        --------
        >>> from reliability import combine
        >>> result = combine([("A", "10 +- 1"), ("B", "11 +- 1"), ("C", "30 +- 1")])
        >>> round(result.estimate, 1), round(result.without(source="C").estimate, 1)
        (10.6, 10.5)
        """
        claims = self._every_claim
        kept = positions_without(claims, source, origin)
        correlation = self._correlation
        if correlation is not None:
            correlation = correlation[np.ix_(kept, kept)]
        return self.again([claims[i] for i in kept], correlation=correlation)

    def with_model(self, model: Model) -> Combination:
        """Return what the same claims say under another model.

        A prior and a dependence that `combine` was given stay; those that were the old model's
        give way to the new one's.

        Examples
        --------
        >>> from reliability import Model, combine
        >>> result = combine([("A", "10 +- 1"), ("B", "16 +- 1")])
        >>> result.with_model(Model.common_effect()).estimate
        13.0
        """
        return self.again(model=model)

    def with_dependence(self, dependence: Dependence) -> Combination:
        """Return what the same claims say under another dependence between their origins.

        Parameters
        ----------
        dependence : as for :func:`combine`
        """
        return self.again(dependence=dependence)

    def sensitivity(self, *, values: ArrayLike | None = None, level: float = 0.95) -> Sensitivity:
        """How estimate and interval move with each source's reliability and the dependence.

        See :func:`reliability.sensitivity.sensitivity`.
        """
        from reliability.sensitivity import sensitivity  # noqa: PLC0415 - it is above results

        return sensitivity(self, values=values, level=level)

    def break_even(
        self, source: str | Source, *, above: float, probability: float = 0.5
    ) -> BreakEven:
        """The reliability of a source at which the best estimate crosses a threshold.

        See :func:`reliability.sensitivity.break_even`.
        """
        from reliability.sensitivity import break_even  # noqa: PLC0415 - it is above results

        return break_even(self, source, above=above, probability=probability)

    # ---------------------------------------------------------------- showing

    def summary(self) -> dict[str, list[Any]]:
        """Per-claim results as columns: what a data frame is made from."""
        rows = self.claims
        influences = [row.influence for row in rows]
        return {
            "source": [row.claim.source.name for row in rows],
            "statement": [str(row.claim.statement) for row in rows],
            "origin": [row.origin for row in rows],
            "share": [row.share for row in rows],
            "weight": [row.weight for row in rows],
            "soundness": [row.soundness for row in rows],
            "divergence": [influence.divergence for influence in influences],
            "shift": [influence.shift for influence in influences],
            "tail": [row.tail for row in rows],
            "dropped": [row.dropped for row in rows],
        }

    def to_dict(self, level: float = 0.95) -> dict[str, Any]:
        """Everything a program needs: settings, claims and results; JSON-ready.

        Numbers that do not exist are None.
        """
        posterior = self.posterior
        low, high = posterior.interval(level)
        conflict = attrs.asdict(self.conflict)
        result = {
            "estimate": self.estimate,
            "level": level,
            "low": low,
            "high": high,
            "zero": posterior.zero,
            "mean": posterior.mean(),
            "sd": posterior.std(),
            "modes": posterior.modes(),
            "quantiles": {
                f"{p:g}": posterior.ppf(p) for p in (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
            },
            "log_evidence": self.log_evidence,
            "error": self.error,
            "conflict": conflict,
            "claims": self.summary(),
        }
        return {
            "reliability-combination": 1,
            "links": None if self.link is None else self.link.to_dict(),
            "quantity": self.quantity,
            "scale": self.scale.name,
            "settings": settings_to_dict(self.model, self.prior),
            "dependence": dependence_to_data(self.dependence),
            "of_model": sorted(self._of_model),
            "zero": self.zero,
            "correlation": None if self._correlation is None else self._correlation.tolist(),
            "dates": {
                "as_of": None if self.as_of is None else self.as_of.isoformat(),
                "drift": self.drift,
                "supersede": self._dating.supersede,
            },
            "claims": [claim.to_dict() for claim in self._claims],
            "result": _finite(result),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Combination:
        """Combine again what :meth:`to_dict` wrote: the same claims, model and prior.

        Raises
        ------
        ReliabilityError
            If the format is not understood.
        """
        if not isinstance(data, Mapping) or data.get("reliability-combination") != 1:
            raise InvalidValueError(
                "this is no combination written by to_dict(): it lacks 'reliability-combination': 1"
            )
        missing = {"scale", "settings", "claims", "dependence"} - set(data)
        if missing:
            raise InvalidValueError(f"the combination lacks {', '.join(sorted(missing))}")
        if not isinstance(data["claims"], (list, tuple)):
            raise InvalidValueError(
                f"claims must be a list of claims (got {short(data['claims'])})"
            )
        model, prior = settings_from_dict(data["settings"])
        dependence = dependence_from_data(data["dependence"])
        of_model = _of_model_from(data.get("of_model", []), model, prior, dependence)
        links, linked = links_from_dict(data.get("links"))
        claims = [Claim.from_dict(claim) for claim in (linked or data["claims"])]
        result = combine(
            claims,
            links=links,
            scale=data["scale"],
            prior=None if "prior" in of_model else prior,
            model=model,
            zero=data.get("zero", 0.0),
            correlation=data.get("correlation"),
            dependence=None if "dependence" in of_model else dependence,
            **data.get("dates", {}),
        )
        if isinstance(result, Combination):
            return result
        if data.get("quantity") not in result:
            raise InvalidValueError(
                f"quantity must be one of those that the claims name (got "
                f"{short(data.get('quantity'))})"
            )
        return result[data["quantity"]]

    def to_frame(self, kind: str | None = None) -> Any:
        """Per-claim results (those of :meth:`summary`) as a data frame, a row a claim.

        Parameters
        ----------
        kind : "pandas", "polars" or "pyarrow"; None is the first of these that is installed
        """
        from reliability.interchange import to_frame  # noqa: PLC0415 - optional dependencies

        return to_frame(self.summary(), kind)

    def plot(self, ax: Axes | None = None, *, level: float = 0.95) -> Axes:
        """Forest of the claims with the posterior and its interval; needs the plot extra."""
        from reliability.plots import forest  # noqa: PLC0415 - optional dependency

        return forest(self, ax=ax, level=level)

    def report(self, path: str | os.PathLike[str], *, level: float = 0.95) -> None:
        """Write one self-contained HTML page; its pictures need the plot extra.

        The answer in a sentence, the forest, who moved it, conflicts, every claim with its note,
        link and date, the model in words, the numbers. Nothing is loaded from the network, and
        whatever sources are called stays text.

        Parameters
        ----------
        path : file to write
        level : probability of the intervals

        Raises
        ------
        MissingExtraError
            If matplotlib is not installed.
        OSError
            If the file cannot be written.
        """
        from reliability.html_report import write_page  # noqa: PLC0415 - optional dependency

        write_page([self], path, level=level)

    def __str__(self) -> str:
        """Table for readers."""
        from reliability.report import as_text  # noqa: PLC0415 - text is above results

        return as_text(self)

    def __repr__(self) -> str:
        """One line."""
        from reliability.report import one_line  # noqa: PLC0415 - text is above results

        return one_line(self)

    def _repr_html_(self) -> str:
        """Table for notebooks."""
        from reliability.report import as_html  # noqa: PLC0415 - text is above results

        return as_html(self)


def _finite(value: Any) -> Any:
    """Replace numbers that JSON cannot hold by None."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value


# ------------------------------------------------------------------ combine


def combine(
    claims: Iterable[Claim | tuple[Any, Any]],
    *,
    scale: ScaleName | Scale = "linear",
    prior: QuantityPrior | Mapping[str, QuantityPrior] | None = None,
    model: Model | None = None,
    zero: float = 0.0,
    links: Iterable[Link] | Link = (),
    correlation: ArrayLike | None = None,
    dependence: Dependence | None = None,
    as_of: dt.date | str | None = None,
    drift: float = 0.0,
    supersede: bool = True,
) -> Combination | dict[str, Combination]:
    """Combine conflicting claims about a quantity into one posterior.

    The posterior on the scale's coordinate x is proportional to
    ``p(x) * integral over scatter and p of prod_i [r_i S_i(x) + (1 - r_i) U_i(x)]^a_i``:
    each claim is sound with its source's reliability r_i, else unsound in the way the model
    says; a_i is its independence share. Nothing is sampled.

    Parameters
    ----------
    claims : claims, or pairs (source, statement); claims whose sources have one name must agree
        on what is known about it (a bare name says that nothing is)
    scale : "linear", "log" (positive magnitudes) or "logit" (shares)
    prior : prior on the quantity, in its units, or a frozen scipy distribution; None is the
        model's, by default flat in x. Of several quantities one for all that are no part of
        another, or a mapping quantity -> prior
    model : assumptions; None is ``Model.reports()``
    zero : prior probability, in [0, 1), that there is nothing at all, theta = 0; it needs a proper
        prior on what there is otherwise, and is what claims ``Absent()`` and ``Present()`` speak of
    links : how quantities nest, by ``Part`` and ``Parts``; on the log scale
    correlation : (n, n) correlation matrix of the claims' stated errors; sound normal claims
        only (generalised least squares)
    dependence : rho in [0, 1] between origins, in place of the model's; or between pairs of
        sources, ``{("A", "B"): 0.7}``: 0 for other pairs, between two origins the largest of
        their sources'
    as_of : the day for which the quantity is asked, and of claims without a date; None is the
        latest date of a claim
    drift : sd of the quantity's change on the scale's coordinate, per square root of a day: claims
        of other days count the less, the longer ago (or later) they are; 0 if it does not move.
        A prior is then on the quantity on the day of the earliest claim that counts
    supersede : whether a source's newer claim about the same origin replaces its older ones

    Returns
    -------
    A Combination, or a dictionary quantity -> Combination where claims name several or links are
    given: then of every linked quantity, also of those that no claim is about.

    Raises
    ------
    ReliabilityError
        Naming the claim, the field, the value and the remedy, or saying why there is no
        posterior.

    Examples
    --------
    >>> from reliability import Claim, Estimate, Source, combine
    >>> result = combine(
    ...     [Claim(Source("A", reliability=0.9), Estimate(10, sd=1)),
    ...      Claim(Source("B", reliability=0.9), Estimate(11, sd=1)),
    ...      Claim(Source("C", reliability=0.9), Estimate(30, sd=1))])
    >>> round(result.estimate, 2)
    10.56
    >>> [round(c.soundness, 2) for c in result.claims]
    [0.93, 0.93, 0.0]

    Is there anything at all? A denial by a source that is sound with probability 0.5 and would
    deny it anyway doubles the odds:

    >>> from reliability import Absent, priors
    >>> denial = Claim(Source("D", reliability=0.5, interest=-1), Absent())
    >>> prior = priors.LogUniform(1, 1e6)
    >>> result = combine([denial], scale="log", prior=prior, zero=0.5)
    >>> round(result.posterior.zero, 3)
    0.667
    """
    model = checked_model(model)
    scale = get_scale(scale)
    of_model = frozenset(
        name for name, given in (("prior", prior), ("dependence", dependence)) if given is None
    )
    nothing = checked_zero(zero)
    rho = checked_dependence(model.dependence if dependence is None else dependence)
    dating = checked_dating(as_of, drift, supersede)
    records = as_claims(claims)
    check_sources(records)
    dating = dating.of(records)
    settings = Settings(scale, model, nothing, rho, of_model, dating)
    groups = by_quantity(records)
    forest = forest_of(links, list(groups), scale)
    if forest is not None and dating.drift > 0.0:
        raise InvalidValueError(
            "links and drift do not go together yet: how the shares of quantities that move change "
            "is not said; leave one of them out"
        )
    roots = list(groups) if forest is None else forest.roots
    priors = priors_of(prior, _prior_of(model), roots, forest)
    if forest is None and len(groups) == 1:
        ((quantity, members),) = groups.items()
        return _combine_one(quantity, members, records, priors[quantity], settings, correlation)
    if correlation is not None:
        raise InvalidValueError(
            f"correlation is for the claims about one quantity, but these name "
            f"{len(groups)}; combine each quantity by itself"
            if forest is None
            else "correlation is for the claims about one quantity, not for linked ones"
        )
    out: dict[str, Combination] = {}
    for quantity, members in groups.items():
        assert quantity is not None  # noqa: S101 - checked by by_quantity
        if forest is not None and forest.is_linked(quantity):
            continue
        try:
            out[quantity] = _combine_one(
                quantity, members, records, priors[quantity], settings, None
            )
        except ReliabilityError as error:
            raise error.located(f"quantity {quantity!r}") from None
    if forest is None:
        return out
    out |= _combine_linked(forest, groups, records, priors, settings)
    return {name: out[name] for name in forest.quantities}


@attrs.frozen
class Settings:
    """What `combine` was told beside claims, priors, links and a correlation."""

    scale: Scale
    model: Model
    zero: float
    dependence: float | PairDependence
    of_model: frozenset[str]
    dating: Dating


def _combine_linked(
    forest: Forest,
    groups: Mapping[str | None, list[int]],
    records: Sequence[Claim],
    priors: Mapping[str | None, QuantityPrior],
    settings: Settings,
) -> dict[str, Combination]:
    """All quantities that are linked, also those that no claim is about."""
    ready = {}
    for name in forest.quantities:
        if not forest.is_linked(name):
            continue
        prior, members = priors[forest.root_of(name)], groups.get(name, [])
        try:
            ready[name] = make_ready(name, members, records, prior, settings, None)
        except ReliabilityError as error:
            raise error.located(f"quantity {name!r}") from None
    given = {name: (one.claims, one.prepared.active, one.setup) for name, one in ready.items()}
    solved = solve_forest(forest, priors, given)
    return {
        name: ready[name].combination(quantity.inference, link=nesting)
        for name, (quantity, nesting) in solved.items()
    }


def _combine_one(
    quantity: str | None,
    members: list[int],
    records: Sequence[Claim],
    prior: QuantityPrior,
    settings: Settings,
    correlation: ArrayLike | None,
) -> Combination:
    ready = make_ready(quantity, members, records, prior, settings, correlation)
    return ready.over_time([settings.dating.as_of])[0]


@attrs.frozen(eq=False)
class Ready:
    """Claims about one quantity with everything that is assumed of them."""

    quantity: str | None
    claims: list[Claim]
    prepared: Prepared
    setup: Setup
    model: Model
    dependence: float | PairDependence
    of_model: frozenset[str]
    dating: Dating

    def combination(
        self, inference: Inference, dating: Dating | None = None, link: Nesting | None = None
    ) -> Combination:
        """What to believe, from the engine's result."""
        return Combination(
            quantity=self.quantity,
            scale=self.setup.scale,
            model=self.model,
            prior=self.setup.prior,
            dependence=self.dependence,
            zero=self.setup.zero,
            claims=tuple(self.claims),
            shares=self.prepared.shares,
            columns=self.prepared.columns,
            inference=inference,
            correlation=self.setup.correlation,
            of_model=self.of_model,
            dating=dating or self.dating,
            link=link,
        )

    def over_time(self, dates: Sequence[dt.date | None]) -> list[Combination]:
        """What to believe at each of several days, given all claims.

        ``None`` stands for the only day that there is where no claim has a date.
        """
        active = self.prepared.active
        if self.dating.drift == 0.0:
            inference = infer(active, self.setup)
            return [
                self.combination(inference, attrs.evolve(self.dating, as_of=date)) for date in dates
            ]
        days = self.dating.days(self.claims)[self.prepared.shares.active]
        asked = np.array([day_number(date) for date in dates], dtype=np.int64)
        dated = solve_dated(active, self.setup, Timing.of(days, asked, self.dating.drift))
        return [
            self.combination(
                infer_dated(active, dated, float(day)), attrs.evolve(self.dating, as_of=date)
            )
            for date, day in zip(dates, asked.tolist(), strict=True)
        ]


def make_ready(
    quantity: str | None,
    members: list[int],
    records: Sequence[Claim],
    prior: QuantityPrior,
    settings: Settings,
    correlation: ArrayLike | None,
) -> Ready:
    """Everything that the engine needs of some of the claims, those about one quantity."""
    scale, model, dependence = settings.scale, settings.model, settings.dependence
    dating = settings.dating
    claims = [records[i] for i in members]
    names = [name_of(i + 1, records[i]) for i in members]
    # What is known of other sources is of no use here.
    sources = sorted({claim.source.name for claim in claims})
    rows = rows_from_claims(claims)
    superseded = None
    if dating.drift > 0.0:
        _check_moving(model, correlation, settings.zero, claims)
        rows = attrs.evolve(rows, day=dating.days(claims))
    if correlation is None:
        # A correlation matrix says itself how a source's claims depend on each other.
        superseded = dating.superseded(claims)
    if isinstance(dependence, PairDependence):
        dependence = dependence.among(sources)
        among: float | NumberedPairs = dependence.numbered(sources)
    else:
        among = dependence
    prepared = prepare(rows, scale, model, among, settings.zero, superseded)
    for problem in prepared.problems:
        raise problem.exception.located(names[problem.row])
    matrix = None
    if correlation is not None:
        matrix = checked_correlation(correlation, prepared.columns, names, claims, dependence)
        prepared = prepared.with_shares(independent(len(claims)))
    if claims and not prepared.active.count:
        raise NoPosteriorError(NOTHING_SAID)
    setup = Setup(
        law=model.law,
        prior=prior,
        scale=scale,
        unknown=prepared.unknown,
        heterogeneity=model.heterogeneity,
        inflation=model.inflation,
        shared=model.shared,
        correlation=matrix,
        zero=settings.zero,
    )
    return Ready(quantity, claims, prepared, setup, model, dependence, settings.of_model, dating)


def _check_moving(
    model: Model, correlation: ArrayLike | None, zero: float, claims: Sequence[Claim]
) -> None:
    """Refuse what has no meaning yet for a quantity that moves."""
    if zero > 0.0 or any(isinstance(claim.statement, (Absent, Present)) for claim in claims):
        raise InvalidValueError(
            "drift does not go together with zero= or with claims that there is something or "
            "nothing: how often a quantity that moves appears and vanishes is not known; leave "
            "drift out"
        )
    if correlation is not None:
        raise InvalidValueError(
            "correlation and drift do not go together: the matrix does not say which errors are "
            "of which day; leave drift out, or say by origins or dependence what depends on what"
        )
    if model.shared > 0.0:
        raise InvalidValueError(
            f"Model(shared={short(model.shared)}) and drift do not go together: whether a bias "
            "common to all sources lasts from day to day is not known; leave one of them out"
        )


def chosen_prior(prior: QuantityPrior | None, model: Model) -> QuantityPrior:
    """The prior on the quantity: the one given, the model's, or flat in x."""
    return _prior_of(model) if prior is None else as_prior(prior)


def _prior_of(model: Model) -> QuantityPrior:
    """The prior where none is given."""
    return Flat() if model.prior is None else model.prior


def _of_model_from(
    given: object, model: Model, prior: QuantityPrior, dependence: float | PairDependence
) -> frozenset[str]:
    """Which settings of a document are its model's own; one that was edited is not any more."""
    own = {"prior": _prior_of(model) == prior, "dependence": model.dependence == dependence}
    if not isinstance(given, (list, tuple)) or not all(
        isinstance(name, str) and name in own for name in given
    ):
        raise InvalidValueError(
            "of_model: must list which of prior and dependence are the model's own "
            f"(got {short(given)})"
        )
    return frozenset(name for name in given if own[name])


def check_sources(records: Sequence[Claim]) -> None:
    """Refuse two sources of one name: whose trust counts would be anybody's guess."""
    found = disagreement(records)
    if found is None:
        return
    earlier, later, field = found
    own, other = (getattr(records[i].source, field) for i in (later, earlier))
    raise InvalidValueError(
        f"{name_of(later + 1, records[later])}: its source has {field}={short(own)}, but that of "
        f"{name_of(earlier + 1, records[earlier])} has {field}={short(other)}; give one Source to "
        "both claims, or give two sources different names"
    )
