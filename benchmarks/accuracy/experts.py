"""Experts: each seed item answered with what the other seed items have taught."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
from expert_studies import ASKED, OVERSHOOT, Study, read_studies, scored
from numpy.typing import NDArray
from scoreboard import Contest, Found
from track_records import relative_losses, reliability_of

from reliability import Model, Void, combine_many
from reliability.comparators import cooke_weights, decision_maker
from reliability.priors import IntrinsicRange
from reliability.scores import cooke_calibration, cooke_information, pinball

__all__ = ["contest"]

Array = NDArray[np.float64]
#: Settings of the learned models: usual reliability, dependence. An item's is chosen by all others.
RELIABILITIES, DEPENDENCES = (0.4, 0.5, 0.6), (0.3, 0.35)
#: Minus the power of the relative loss that the odds of a reliability are multiplied by.
POWER = 4.0
#: Overconfidence of the learned models.
WIDER = 1.3


def maker(study: Study, weights: Array | None = None) -> Array:
    """(items, 3) quantiles of a mixture over the range."""
    mixture = decision_maker(np.moveaxis(study.x, 1, 2), study.levels, weights, overshoot=OVERSHOOT)
    return np.asarray(mixture.quantiles(ASKED).T)


def others(study: Study, item: int) -> NDArray[np.int64]:
    """All items but one."""
    return np.delete(np.arange(len(study.truth)), item)


def cooke(study: Study, *, optimised: bool) -> Array:
    """(items, 3) quantiles of Cooke's decision maker, weights from the other items."""
    weights = np.empty(study.x.shape[:2])
    for item in range(len(study.truth)):
        rest = others(study, item)
        x, truth = study.x[:, rest], study.truth[rest]
        number = int(study.present[:, rest].sum(axis=1).min())
        calibration = np.asarray(cooke_calibration(study.levels, x, truth, number=number))
        information = np.nanmean(cooke_information(study.levels, x, truth), axis=1)
        cutoff = 0.0
        if optimised:
            cutoff = best_cutoff(study.levels, x, truth, calibration, information)
        weight = cooke_weights(calibration, information, cutoff=cutoff)
        # Where no expert with a weight assessed the item, all count.
        alone = weight[study.present[:, item]].sum() == 0.0
        weights[:, item] = 1.0 if alone else weight
    return maker(study, weights)


def best_cutoff(
    levels: Array, x: Array, truth: Array, calibration: Array, information: Array
) -> float:
    """The expert's calibration that, as the cutoff, makes the best decision maker."""
    present = ~np.isnan(x).any(axis=2)
    best, found = -np.inf, 0.0
    for cutoff in np.unique(calibration).tolist():
        weights = cooke_weights(calibration, information, cutoff=cutoff)
        if np.any((weights[:, None] * present).sum(axis=0) == 0.0):
            continue
        mixture = decision_maker(np.moveaxis(x, 1, 2), levels, weights)
        own = mixture.quantiles(levels).T[None]
        everybody = np.concatenate([own, x])
        number = int(present.sum(axis=1).min())
        score = float(np.asarray(cooke_calibration(levels, own, truth, number=number))[0])
        score *= float(cooke_information(levels, everybody, truth)[0].mean())
        if score > best:
            best, found = score, cutoff
    return found


def expert_losses(study: Study) -> Array:
    """(items, experts) mean pinball losses over the range."""
    known = np.where(study.present[:, :, None], study.asked, 0.0)
    loss = np.mean(pinball(known, ASKED, study.truth[:, None]), axis=2) / study.width
    return np.where(study.present, loss, np.nan).T


def engine(
    studies: list[Study], model: Model, records: list[Array] | None = None, **settings: float
) -> list[Array]:
    """(items, 3) quantiles of every study's items by ``combine_many``.

    ``records`` are (items, experts) relative losses on the other items.
    """
    columns: dict[str, list[object]] = {name: [] for name in ("quantity", "source", "reliability")}
    levels = sorted({float(level) for study in studies for level in study.levels})
    columns |= {f"q{level:g}": [] for level in levels}
    for number, study in enumerate(studies):
        for expert, item in np.argwhere(study.present):
            stated = dict(zip(study.levels.tolist(), study.x[expert, item].tolist(), strict=True))
            columns["quantity"].append(f"{number}/{item}")
            # Named by item: what is known of an expert differs with the item that is left out.
            columns["source"].append(f"{number}/{study.experts[expert]}/{item}")
            if records is not None:
                r = reliability_of(records[number][item, expert], **settings)
                columns["reliability"].append(float(r))
            for level in levels:
                columns[f"q{level:g}"].append(stated.get(level))
    if records is None:
        del columns["reliability"]
    found = combine_many(columns, model=model, level=0.9)
    rows = np.column_stack([found[name] for name in ("low", "estimate", "high")])
    place = {name: k for k, name in enumerate(found["quantity"])}
    return [
        rows[[place[f"{number}/{item}"] for item in range(len(study.truth))]]
        for number, study in enumerate(studies)
    ]


def void(reliability: float, dependence: float, overconfidence: float = WIDER) -> Model:
    """Void over the experts' range."""
    return Model(
        unsound=Void(),
        unknown_reliability=reliability,
        overconfidence=overconfidence,
        dependence=dependence,
        prior=IntrinsicRange(OVERSHOOT),
    )


def chosen(found: list[Found]) -> Found:
    """For each item the setting with the least loss on all other items."""
    losses = np.array([one.scores for one in found])
    best = np.argmin(losses.sum(axis=1, keepdims=True) - losses, axis=0)
    rows = np.arange(losses.shape[1])
    inside = np.array([one.inside[0.9] for one in found])
    return Found(losses[best, rows], {0.9: inside[best, rows]})


def contest(folder: Path) -> list[Contest]:
    """Every method on every seed item."""
    studies = read_studies(folder)
    out = Contest(
        "experts",
        "mean pinball loss of the 5, 50 and 95 % quantiles over the experts' range extended by "
        "10 %, on the item's scale; one seed item left out",
        "5 % below the equal linear pool, cover of 90 % 87 to 93",
        higher_is_better=False,
        answers=[],
        groups=np.repeat([study.name for study in studies], [len(s.truth) for s in studies]),
        baseline="equal linear pool",
    )

    def run(name: str, method: Callable[[Study], Array]) -> None:
        out.run(name, lambda: scored(studies, [method(study) for study in studies]))

    def ours(name: str, model: Model) -> None:
        out.run(name, lambda: scored(studies, engine(studies, model)), ours=True)

    run("equal linear pool", maker)
    run("Cooke's global weights", lambda study: cooke(study, optimised=False))
    run("Cooke's global weights, best cutoff", lambda study: cooke(study, optimised=True))
    run("median of quantiles", lambda study: np.nanmedian(study.asked, axis=0))
    run("mean of quantiles", lambda study: np.nanmean(study.asked, axis=0))
    ours("Model.common_effect()", Model.common_effect())
    ours("Model.reports(), which is Model()", Model.reports())
    ours("Model.experts()", Model.experts())
    records = []
    for study in studies:
        losses = expert_losses(study)
        rest = [relative_losses(losses[others(study, j)]) for j in range(len(study.truth))]
        records.append(np.array(rest))

    def tried(power: float) -> list[Found]:
        return [
            scored(studies, engine(studies, void(r, rho), records, usual=r, power=power))
            for r, rho in product(RELIABILITIES, DEPENDENCES)
        ]

    out.run("Void, r and dependence learned", lambda: chosen(tried(0.0)), ours=True)
    out.run(
        "Void, track records, r and dependence learned", lambda: chosen(tried(POWER)), ours=True
    )
    out.notes.append(
        "not run: Model.measurements() and Model.random_effects(), whose scatter is solved one "
        "item at a time where claims are quantiles"
    )
    out.notes.append(
        "learned: reliability 0.4, 0.5 or 0.6 and dependence 0.3 or 0.35 by the loss on all other "
        "items, overconfidence 1.3; track records: odds of an expert's reliability times the -4th "
        "power of his relative loss on the study's other items, 5 average items added"
    )
    return [out]
