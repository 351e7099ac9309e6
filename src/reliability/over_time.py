"""combine_over_time: dated claims about a quantity that moves in, a Combination per date out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from reliability.claims.claim import Claim
from reliability.claims.dates import Dating, checked_dates, checked_drift
from reliability.combination import (
    Combination,
    Ready,
    Settings,
    check_sources,
    chosen_prior,
    make_ready,
)
from reliability.errors import InvalidValueError, ReliabilityError, WrongTypeError, short
from reliability.models import Model
from reliability.preparation import (
    Dependence,
    as_claims,
    by_quantity,
    checked_dependence,
    checked_model,
)
from reliability.priors import QuantityPrior
from reliability.scales import Scale, ScaleName, get_scale

__all__ = ["combine_over_time"]


def combine_over_time(
    claims: Iterable[Claim | tuple[Any, Any]],
    *,
    dates: Iterable[dt.date | str],
    drift: float,
    hindsight: bool = True,
    scale: ScaleName | Scale = "linear",
    prior: QuantityPrior | None = None,
    model: Model | None = None,
    dependence: Dependence | None = None,
) -> dict[dt.date, Combination] | dict[str, dict[dt.date, Combination]]:
    """Combine dated claims about a quantity that moves: what to believe of it at each date.

    The quantity's coordinate x on the scale is a random walk: between two days d days apart it
    changes by ``N(0, drift^2 d)``. Each claim speaks of x on its own day, so that none supersedes
    another; independence shares are those of all claims together, as if all were of one day. For
    every node of the scatter and of the unknown reliability, which are one for all dates, the
    messages of a forward and a backward pass are exact; nothing is sampled.

    At every date the result is that of
    ``combine(claims, as_of=date, drift=drift, supersede=False)``.

    Parameters
    ----------
    claims : claims, or pairs (source, statement); those without a date are of the latest date of
        the others
    dates : days for which the quantity is asked, increasing: dates, or ISO texts
    drift : sd of the change on the scale's coordinate per square root of a day, 0 or more
    hindsight : whether every date knows all claims, also later ones (smoothing); if not, only
        those made by then (filtering), and shares are those among these
    scale, model, dependence : as for :func:`reliability.combine`
    prior : on the quantity on the day of the earliest claim; None is the model's

    Returns
    -------
    A dictionary date -> Combination, or quantity -> date -> Combination where claims name several
    quantities.

    Raises
    ------
    ReliabilityError
        Naming the argument or the claim, the value and the remedy, or saying why there is no
        posterior.

    Examples
    --------
    >>> from reliability import Claim, Estimate, Source, combine_over_time
    >>> a, b = Source("A", reliability=0.9), Source("B", reliability=0.9)
    >>> claims = [Claim(a, Estimate(10, sd=1), date="2024-01-01"),
    ...           Claim(b, Estimate(16, sd=1), date="2024-03-01")]
    >>> found = combine_over_time(
    ...     claims, dates=["2024-01-01", "2024-02-01", "2024-03-01"], drift=0.5)
    >>> for date, result in found.items():
    ...     print(date, round(result.estimate, 1))
    2024-01-01 10.4
    2024-02-01 13.1
    2024-03-01 15.6
    """
    model = checked_model(model)
    scale = get_scale(scale)
    chosen = chosen_prior(prior, model)
    rho = checked_dependence(model.dependence if dependence is None else dependence)
    of_model = frozenset(
        name for name, given in (("prior", prior), ("dependence", dependence)) if given is None
    )
    asked = checked_dates(dates)
    dating = Dating(None, checked_drift(drift), supersede=False)
    if not isinstance(hindsight, bool):
        raise WrongTypeError(f"hindsight must be True or False (got {short(hindsight)})")
    records = as_claims(claims)
    check_sources(records)
    dating = dating.of(records)
    settings = Settings(scale, model, 0.0, rho, of_model, dating)

    def ready(quantity: str | None, members: list[int]) -> Ready:
        return make_ready(quantity, members, records, chosen, settings, None)

    def every_date(quantity: str | None, members: list[int]) -> dict[dt.date, Combination]:
        if hindsight:
            found = ready(quantity, members).over_time(asked)
            return dict(zip(asked, found, strict=True))
        out = {}
        for date in asked:
            known = _known(members, records, dating, date)
            try:
                (out[date],) = ready(quantity, known).over_time([date])
            except ReliabilityError as error:
                raise error.located(f"as of {date.isoformat()}") from None
        return out

    groups = by_quantity(records)
    if len(groups) == 1:
        ((quantity, members),) = groups.items()
        return every_date(quantity, members)
    several: dict[str, dict[dt.date, Combination]] = {}
    for quantity, members in groups.items():
        assert quantity is not None  # noqa: S101 - checked by by_quantity
        try:
            several[quantity] = every_date(quantity, members)
        except ReliabilityError as error:
            raise error.located(f"quantity {quantity!r}") from None
    return several


def _known(
    members: list[int], records: Sequence[Claim], dating: Dating, date: dt.date
) -> list[int]:
    """The claims that had been made by a date."""
    days = dating.days([records[i] for i in members])
    known = [i for i, day in zip(members, days.tolist(), strict=True) if day <= date.toordinal()]
    if not known:
        first = dt.date.fromordinal(int(days.min()))
        raise InvalidValueError(
            f"dates: nothing had been claimed by {date.isoformat()}; begin on "
            f"{first.isoformat()} or later, or use hindsight=True"
        )
    return known
