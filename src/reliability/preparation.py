"""What ``combine`` is given, checked: claims, quantities, reliabilities, correlation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from reliability.claims._checks import about, short
from reliability.claims.claim import Claim
from reliability.claims.columns import Columns, Form
from reliability.claims.problems import Problem
from reliability.claims.rows import Rows, different
from reliability.claims.sources import Source
from reliability.errors import InvalidValueError, ReliabilityError, WrongTypeError
from reliability.grades import ADMIRALTY, CONFIRMED
from reliability.models import Model
from reliability.pairs import PairDependence

__all__ = [
    "NOTHING_SAID",
    "Dependence",
    "as_claims",
    "by_quantity",
    "checked_correlation",
    "checked_dependence",
    "checked_level",
    "checked_model",
    "checked_zero",
    "confirmed_in_pool",
    "dependence_from_data",
    "dependence_to_data",
    "effective_reliability",
    "name_of",
]

Array = NDArray[np.float64]

#: Why a quantity has no posterior none of whose claims says anything.
NOTHING_SAID = (
    "every claim has reliability 0, and with Void() such claims say nothing, or says only that "
    "there is something, which zero=0 takes for granted; there is nothing to combine"
)

#: What ``combine`` is told about what depends on what.
Dependence: TypeAlias = float | PairDependence | Mapping[tuple[str, str], float]


def checked_model(model: Model | None) -> Model:
    """The model, ``Model.reports()`` where none is given."""
    if model is None:
        return Model.reports()
    given: object = model
    if not isinstance(given, Model):
        remedy = "call it: Model.reports()" if callable(given) else "such as Model.reports()"
        raise WrongTypeError(f"model must be a Model (got {short(given)}); {remedy}")
    return given


def checked_level(level: object) -> float:
    """The probability of intervals, in (0, 1)."""
    if isinstance(level, bool) or not isinstance(level, (int, float, np.floating)):
        raise WrongTypeError(f"level must be a number in (0, 1) (got {short(level)})")
    if not 0.0 < level < 1.0:
        hint = f"; did you mean {level / 100:g}?" if 1.0 < level < 100.0 else ""
        raise InvalidValueError(f"level must lie in (0, 1), got {level:g}{hint}")
    return float(level)


def checked_zero(value: object) -> float:
    """The prior probability that there is nothing, in [0, 1)."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise WrongTypeError(
            f"zero must be a number in [0, 1), the probability that there is nothing "
            f"(got {short(value)})"
        )
    if not 0.0 <= value < 1.0:
        hint = f"; did you mean {value / 100:g}?" if 1.0 < value < 100.0 else ""
        raise InvalidValueError(
            f"zero, the probability that there is nothing, must lie in [0, 1), "
            f"got {short(value)}{hint}"
        )
    return float(value)


def checked_dependence(value: Dependence) -> float | PairDependence:
    """The dependence rho between origins, in [0, 1], or between pairs of sources."""
    if isinstance(value, PairDependence):
        return value
    if isinstance(value, Mapping):
        return PairDependence.of(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)):
        raise WrongTypeError(
            f"dependence must be a number in [0, 1] (got {short(value)}), or pairs of sources "
            "such as {('A', 'B'): 0.7}"
        )
    if not 0.0 <= value <= 1.0:
        raise InvalidValueError(f"dependence must lie in [0, 1] (got {short(value)})")
    return float(value)


def dependence_to_data(dependence: float | PairDependence) -> Any:
    """A dependence as JSON-ready data: a number, or the list of pairs.

    >>> dependence_to_data(PairDependence.of({("B", "A"): 0.7}))
    {'pairs': [['A', 'B', 0.7]]}
    """
    return {"pairs": dependence.to_list()} if isinstance(dependence, PairDependence) else dependence


def dependence_from_data(data: Any) -> float | PairDependence:
    """Read back what :func:`dependence_to_data` wrote."""
    if not isinstance(data, Mapping):
        return checked_dependence(data)
    pairs = data.get("pairs")
    if set(data) != {"pairs"} or not isinstance(pairs, (list, tuple)):
        raise InvalidValueError(
            f"dependence must be a number or {{'pairs': [[name, name, value], ...]}} "
            f"(got {short(data)})"
        )
    for pair in pairs:
        if not (isinstance(pair, (list, tuple)) and len(pair) == 3):
            raise InvalidValueError(
                f"dependence: every pair must be [name, name, value] (got {short(pair)})"
            )
    return PairDependence.from_list([(pair[:2], pair[2]) for pair in pairs])


def as_claims(claims: Iterable[Claim | tuple[Any, Any]]) -> list[Claim]:
    """Claims from claims and (source, statement) pairs; refuses an empty list."""
    if isinstance(claims, (Claim, str, bytes, Mapping)) or not isinstance(claims, Iterable):
        raise WrongTypeError(
            f"claims must be a list of Claim or of (source, statement) pairs (got {short(claims)})"
        )
    records: list[Claim] = []
    for number, item in enumerate(claims, start=1):
        if isinstance(item, Claim):
            records.append(item)
            continue
        if not (isinstance(item, (tuple, list)) and len(item) == 2):
            raise WrongTypeError(
                f"claim {number}: must be a Claim or a pair (source, statement) (got {short(item)})"
            )
        try:
            records.append(Claim(item[0], item[1]))
        except ReliabilityError as error:
            raise error.located(_name_of_pair(number, item[0])) from None
    if not records:
        raise InvalidValueError("claims is empty; give at least one claim")
    return records


def _name_of_pair(number: int, source: object) -> str:
    """How a pair that makes no claim is called: its number, and its source where it has one."""
    name = source.name if isinstance(source, Source) else source
    return (
        f"claim {number} ({name})" if isinstance(name, str) and name.strip() else f"claim {number}"
    )


def name_of(number: int, claim: Claim) -> str:
    """How a claim is called in messages: its number, from 1, and its source."""
    return f"claim {number} ({claim.source.name})"


def by_quantity(claims: Sequence[Claim]) -> dict[str | None, list[int]]:
    """Positions of the claims about each quantity (None where none is named)."""
    groups: dict[str | None, list[int]] = {}
    for i, claim in enumerate(claims):
        groups.setdefault(claim.quantity, []).append(i)
    if len(groups) > 1 and None in groups:
        i = groups[None][0]
        raise InvalidValueError(
            f"{name_of(i + 1, claims[i])}: quantity is missing while other claims name theirs; "
            "name it, or leave it out everywhere"
        )
    return groups


def confirmed_in_pool(rows: Rows, silent: NDArray[np.bool_]) -> Rows:
    """Rows whose digit 1, "confirmed by other sources", is as 2 where these sources speak too.

    What confirms a claim then stands beside it, and would count twice. Any claim of another
    origin about the same quantity is taken for one of the sources meant, whatever it says: how
    well it agrees is for the likelihood to judge.

    Parameters
    ----------
    rows : the claims
    silent : (rows,) claims that say nothing, and confirm nothing
    """
    if not different(rows.confirmed).any():
        return rows
    quantity = np.repeat(np.arange(len(rows.starts) - 1), np.diff(rows.starts))
    heard = np.flatnonzero(~silent)
    # A quantity's first origin and its last, of those that are heard, differ if there are two.
    lowest = np.full(len(rows.starts) - 1, np.iinfo(np.int64).max)
    highest = np.full(len(rows.starts) - 1, -1)
    np.minimum.at(lowest, quantity[heard], rows.origin[heard])
    np.maximum.at(highest, quantity[heard], rows.origin[heard])
    several = (lowest < highest)[quantity]
    credibility = rows.credibility.copy()
    credibility[rows.confirmed & several] = ADMIRALTY.credibility(CONFIRMED, confirmed_here=True)
    return attrs.evolve(rows, credibility=credibility)


def effective_reliability(rows: Rows) -> tuple[Array, list[Problem]]:
    """Reliability of claims: their sources', moved half-way in logit by their own credibility.

    A source's record and a claim's credibility are nearly one judgement in practice, so they
    are averaged, not multiplied.

    Returns
    -------
    reliability : (rows,) nan where nothing is known
    problems : the rows where one is 0 and the other 1
    """
    r, credibility = rows.reliability, rows.credibility
    judged = ~np.isnan(credibility)
    if not judged.any():
        return r, []
    both = np.flatnonzero(judged & ~np.isnan(r))
    result = np.where(judged, credibility, r)
    with np.errstate(divide="ignore", invalid="ignore"):
        result[both] = expit(0.5 * (logit(r[both]) + logit(credibility[both])))
    contrary = both[np.isnan(result[both])]
    problems = [
        Problem(
            row,
            about(
                InvalidValueError(
                    f"reliability={r[row]:g} and credibility={credibility[row]:g} contradict each "
                    "other; give one of them, or values inside (0, 1)"
                ),
                "credibility",
            ),
        )
        for row in contrary.tolist()
    ]
    return result, problems


def checked_correlation(
    correlation: ArrayLike,
    columns: Columns,
    names: Sequence[str],
    claims: Sequence[Claim],
    dependence: float | PairDependence,
) -> Array:
    """The correlation matrix, if these claims can be combined under it."""
    try:
        matrix = np.array(correlation, dtype=np.float64)
    except (TypeError, ValueError):
        raise WrongTypeError(
            f"correlation must be a matrix of numbers (got {short(correlation)})"
        ) from None
    n = columns.count
    if matrix.shape != (n, n):
        raise InvalidValueError(
            f"correlation must be {n} x {n}, one row and column per claim (got shape "
            f"{matrix.shape})"
        )
    if not np.all(np.isfinite(matrix)):
        raise InvalidValueError("correlation must be finite (it contains nan or inf)")
    if not np.allclose(matrix, matrix.T, rtol=0.0, atol=1e-12):
        i, j = np.unravel_index(np.argmax(np.abs(matrix - matrix.T)), matrix.shape)
        raise InvalidValueError(
            f"correlation must be symmetric (got {matrix[i, j]:g} for claims {i + 1} and {j + 1}, "
            f"{matrix[j, i]:g} the other way round)"
        )
    if not np.allclose(np.diag(matrix), 1.0, rtol=0.0, atol=1e-12):
        raise InvalidValueError(
            "correlation must have 1 on its diagonal; a covariance matrix is divided by the "
            "claims' sds first"
        )
    _check_correlated(columns, names, claims)
    stated = len(dependence) if isinstance(dependence, PairDependence) else dependence
    if stated > 0.0 or any(claim.origin is not None for claim in claims):
        raise InvalidValueError(
            "correlation and origins or dependence both say what depends on what; give one"
        )
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        smallest = float(np.linalg.eigvalsh(matrix)[0])
        raise InvalidValueError(
            f"correlation is not positive definite (smallest eigenvalue {smallest:.3g}); some "
            "claims would be linear combinations of others"
        ) from None
    return matrix


def _check_correlated(columns: Columns, names: Sequence[str], claims: Sequence[Claim]) -> None:
    for i, name in enumerate(names):
        if columns.form[i] != Form.NORMAL or columns.sd_low[i] != columns.sd_high[i]:
            raise InvalidValueError(
                f"{name}: correlation is for estimates with a symmetric uncertainty on the "
                f"scale (got {claims[i].statement}); state sd="
            )
        if columns.reliability[i] != 1.0:
            raise InvalidValueError(
                f"{name}: correlation is for sound claims only; give every source "
                "reliability=1, or use Model.common_effect() or Model.random_effects(...)"
            )
