"""The claims of a table as objects, to look at some quantities closely."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from reliability.claims._checks import short
from reliability.claims.claim import Claim
from reliability.errors import InvalidValueError
from reliability.tables.cells import Cells
from reliability.tables.frames import plain_cell
from reliability.tables.records import source_name
from reliability.tables.rows import sources_of_cells

__all__ = ["claims_from_table", "rows_of_quantities"]


def claims_from_table(
    table: object,
    quantities: Any = None,
    *,
    rows: Iterable[int] | None = None,
    sources: object = None,
    name: str = "table",
) -> list[Claim]:
    """Claims of a table as objects, in the order of its rows, to hand to ``combine``.

    What the table states about a source anywhere holds for all its claims.

    Parameters
    ----------
    table : any table of claims
    quantities : name of one quantity, or names of some, as the table has them; default all
    rows : numbers of the rows, from 0, in place of ``quantities``
    sources : what is known of the sources from elsewhere
    name : what to call the table in error messages

    Raises
    ------
    ReliabilityError
        Naming the row and the column; or a quantity that the table does not have.

    Examples
    --------
    >>> table = {"quantity": ["a", "b"], "source": ["US", "US"], "value": [3, 2500], "sd": [1, 300]}
    >>> claims_from_table(table, "b")
    [Claim(Source('US'), Estimate(2500, sd=300), quantity='b')]
    """
    cells = table if isinstance(table, Cells) else Cells(table, name=name)
    who = sources_of_cells(cells, sources)
    by_name = {one: code for code, one in enumerate(who.names)}
    claims = []
    for row in rows_of_quantities(cells, quantities) if rows is None else rows:
        # Once as it stands, so that the row's own cells are judged; then with what is known.
        claim = cells.claim(row)
        code = by_name[claim.source.name]
        known = {field: float(values[code]) for field, values in who.numbers.items()}
        resolved = {field: number for field, number in known.items() if not np.isnan(number)}
        claims.append(cells.claim(row, **resolved))
    return claims


def rows_of_quantities(cells: Cells, quantities: Any) -> list[int]:
    """Rows of the chosen quantities, None for all of them.

    Raises
    ------
    InvalidValueError
        Naming a quantity that the table does not have.
    """
    if quantities is None:
        return list(range(len(cells)))
    if not cells.has("quantity"):
        raise InvalidValueError(f"{cells.name}: the column 'quantity' is missing")
    many = isinstance(quantities, Iterable) and not isinstance(quantities, str)
    wanted = [plain_cell(one) for one in (quantities if many else [quantities])]
    coded = cells.coded("quantity")
    known = {plain_cell(value): code for code, value in enumerate(coded.categories)}
    named = {source_name(value): code for value, code in known.items() if value is not None}
    codes = []
    for one in wanted:
        code = known.get(one, named.get(one) if isinstance(one, str) else None)
        if one is None or code is None:
            raise InvalidValueError(f"{cells.name}: there is no quantity {short(one)}")
        codes.append(code)
    return [int(row) for row in np.flatnonzero(np.isin(coded.codes, codes))]
