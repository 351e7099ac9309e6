"""Scale, prior and zero of each quantity, from a second table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims._checks import did_you_mean, short
from reliability.errors import InvalidValueError, ReliabilityError
from reliability.priors import QuantityPrior
from reliability.scales import SCALES, ScaleName
from reliability.tables.frames import as_table, plain_cell
from reliability.tables.prior_text import parse_prior
from reliability.tables.records import Place, check_names, source_name

__all__ = ["QUANTITY_COLUMNS", "QuantitySettings", "SettingsGroup", "read_quantities"]

IntArray = NDArray[np.int64]
#: Columns that a table of quantities may have.
QUANTITY_COLUMNS = ("quantity", "scale", "prior", "zero")


@attrs.frozen(eq=False)
class SettingsGroup:
    """Quantities that are treated alike; ``members`` are their positions."""

    scale: ScaleName
    prior: QuantityPrior | None
    zero: float
    members: IntArray


#: What a row says: None where its cell is empty.
_Said = tuple[ScaleName | None, QuantityPrior | None, float | None]


@attrs.frozen(eq=False)
class QuantitySettings:
    """What a table says about quantities, by their names."""

    name: str
    said: dict[object, _Said]

    def within(self, names: Iterable[str]) -> QuantitySettings:
        """What is said about these quantities only."""
        return QuantitySettings(
            self.name, {name: self.said[name] for name in names if name in self.said}
        )

    def check_known(self, keys: Sequence[Any] | NDArray[Any]) -> None:
        """Refuse quantities about which there are no claims: their names are likely misspelt.

        Raises
        ------
        InvalidValueError
            Naming the first of them.
        """
        claimed = dict.fromkeys(source_name(plain_cell(key)) for key in keys)
        for key in self.said:
            if key not in claimed:
                few = claimed if len(claimed) <= 1000 else ()
                hint = did_you_mean(str(key), few) if few else ""
                raise InvalidValueError(f"{self.name}: no claim is about quantity {key!r}{hint}")

    def groups(
        self,
        keys: Sequence[Any] | NDArray[Any],
        *,
        scale: ScaleName,
        prior: QuantityPrior | None,
        zero: float,
    ) -> list[SettingsGroup]:
        """Quantities with the same settings, together.

        Parameters
        ----------
        keys : names of the quantities
        scale, prior, zero : what holds where the table says nothing

        Examples
        --------
        >>> said = read_quantities({"quantity": ["a"], "scale": ["log"]})
        >>> found = said.groups(["a", "b"], scale="linear", prior=None, zero=0.0)
        >>> [(group.scale, group.members.tolist()) for group in found]
        [('log', [0]), ('linear', [1])]
        """
        if not self.said:
            return [SettingsGroup(scale, prior, zero, np.arange(len(keys)))]
        nothing: _Said = (None, None, None)
        number: dict[object, int] = {}
        settings: list[tuple[ScaleName, QuantityPrior | None, float]] = []
        codes = np.empty(len(keys), dtype=np.int64)
        names = keys.tolist() if isinstance(keys, np.ndarray) and keys.dtype.kind != "M" else keys
        for position, key in enumerate(names):
            one, two, three = self.said.get(source_name(plain_cell(key)), nothing)
            found = (
                scale if one is None else one,
                prior if two is None else two,
                zero if three is None else three,
            )
            try:
                code = number.setdefault(found, len(number))
            except TypeError:  # a prior that holds a function may not be hashable
                code = number.setdefault((found[0], id(found[1]), found[2]), len(number))
            if code == len(settings):
                settings.append(found)
            codes[position] = code
        order = np.argsort(codes, kind="stable")
        ends = np.cumsum(np.bincount(codes, minlength=len(settings)))
        return [
            SettingsGroup(*found, members)
            for found, members in zip(settings, np.split(order, ends[:-1]), strict=True)
        ]


def read_quantities(table: object, *, name: str = "quantities") -> QuantitySettings:
    """Settings of quantities from a table.

    Parameters
    ----------
    table : None, what was read before, or a table with the column ``quantity`` and any of
        ``scale``, ``prior`` (priors, or texts such as "LogUniform(1, 1e6)") and ``zero`` (prior
        probability that there is nothing); empty cells say nothing
    name : what to call it in error messages

    Raises
    ------
    ReliabilityError
        Naming the row and the column.
    """
    if isinstance(table, QuantitySettings):
        return table
    said: dict[object, _Said] = {}
    if table is None:
        return QuantitySettings(name, said)
    given = as_table(table, what=name)
    check_names(name, given.names, QUANTITY_COLUMNS)
    if "quantity" not in given.names:
        raise InvalidValueError(
            f"{name}: the column 'quantity' is missing; say whose scale and prior they are"
        )
    columns: dict[str, tuple[list[int], list[Any]]] = {}
    for column in given.names:
        coded = given.coded(column)
        # Every category is read once, at its first row, which an error about it names.
        cells = [_blank(plain_cell(value)) for value in coded.categories]
        first = np.full(len(cells), -1, dtype=np.int64)
        rows = np.flatnonzero(coded.codes >= 0)[::-1]
        first[coded.codes[rows]] = rows
        read = [
            None
            if cell is None or row < 0
            else _READERS[column](Place(name, f"row {row + 1}"), cell)
            for cell, row in zip(cells, first.tolist(), strict=True)
        ]
        columns[column] = (coded.codes.tolist(), read)
    for row in range(given.rows):
        cells_ = {
            column: None if codes[row] < 0 else read[codes[row]]
            for column, (codes, read) in columns.items()
        }
        place = Place(name, f"row {row + 1}")
        key = cells_["quantity"]
        if key is None:
            raise place.error("quantity", "is empty; say whose scale and prior they are")
        if key in said:
            raise place.error("quantity", f"{key!r} is given twice; give each quantity once")
        said[key] = (cells_.get("scale"), cells_.get("prior"), cells_.get("zero"))
    return QuantitySettings(name, said)


def _blank(cell: object) -> object:
    return None if isinstance(cell, str) and not cell.strip() else cell


def _key(place: Place, cell: object) -> str:  # noqa: ARG001  # as its neighbours
    return source_name(cell)


def _scale(place: Place, cell: object) -> ScaleName:
    name = cell.strip().lower() if isinstance(cell, str) else cell
    if not isinstance(name, str) or name not in SCALES:
        raise place.error("scale", f"must be one of 'linear', 'log', 'logit', got {short(cell)}")
    return cast("ScaleName", name)


def _prior(place: Place, cell: object) -> QuantityPrior:
    if isinstance(cell, QuantityPrior):
        return cell
    if not isinstance(cell, str):
        raise place.error(
            "prior", f"must be a prior or a text such as 'LogNormal(10000, 1)', got {short(cell)}"
        )
    try:
        return parse_prior(cell, where="prior")
    except ReliabilityError as error:
        raise place.error("prior", str(error).removeprefix("prior: ")) from None


def _zero(place: Place, cell: object) -> float:
    number = cell if isinstance(cell, int | float) and not isinstance(cell, bool) else None
    if isinstance(cell, str):
        try:
            number = float(cell)
        except ValueError:
            number = None
    if number is None or not 0.0 <= number < 1.0:
        raise place.error(
            "zero", f"must be a probability in [0, 1) that there is nothing, got {short(cell)}"
        )
    return float(number)


_READERS: dict[str, Any] = {"quantity": _key, "scale": _scale, "prior": _prior, "zero": _zero}
