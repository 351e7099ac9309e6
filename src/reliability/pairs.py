"""Dependence between pairs of sources: whose errors go together, as learned or stated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.errors import InvalidValueError, WrongTypeError, short

__all__ = ["NumberedPairs", "PairDependence"]

Array = NDArray[np.float64]
IntArray = NDArray[np.int64]


def _whole(values: Any) -> IntArray:
    return _numbers(values, np.int64, "whole numbers, the places of sources in names")


def _real(values: Any) -> Array:
    return _numbers(values, np.float64, "numbers in [0, 1]")


def _numbers(values: Any, kind: type, what: str) -> NDArray[Any]:
    try:
        given = np.asarray(values)
    except ValueError:  # lists of unequal lengths
        given = np.array(None)
    fine = given.dtype.kind in ("iu" if kind is np.int64 else "iuf") or not given.size
    if not fine or given.ndim != 1:
        raise WrongTypeError(f"dependence: must be a list of {what} (got {short(values)})")
    return np.array(given, dtype=kind)


def _names(values: Any) -> tuple[str, ...]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise WrongTypeError(f"dependence: names must be a list of sources (got {short(values)})")
    return tuple(values)


_SAME = attrs.cmp_using(eq=np.array_equal)


@attrs.frozen(repr=False)
class PairDependence:
    """Dependence rho between pairs of sources; 0 for pairs that are not listed.

    Pairs have no order, and neither have the names: both are sorted, so that equal tables are
    equal however they were written.

    Parameters
    ----------
    names : names of the sources, each once
    first, second : (pairs,) places in ``names`` of the two sources of each pair
    value : (pairs,) their dependence, in [0, 1]

    Raises
    ------
    ReliabilityError
        Naming the pair: one that is given twice, that joins a source with itself, or whose value
        is impossible.

    Examples
    --------
    >>> pairs = PairDependence(["B", "A", "C"], [0, 2], [1, 0], [0.7, 0.2])
    >>> pairs
    PairDependence(2 pairs of 3 sources)
    >>> pairs.to_list()
    [['A', 'B', 0.7], ['B', 'C', 0.2]]
    """

    names: tuple[str, ...] = attrs.field(converter=_names)
    first: IntArray = attrs.field(converter=_whole, eq=_SAME)
    second: IntArray = attrs.field(converter=_whole, eq=_SAME)
    value: Array = attrs.field(converter=_real, eq=_SAME)

    def __attrs_post_init__(self) -> None:
        self._check_names()
        sizes = len(self.first), len(self.second), len(self.value)
        if len(set(sizes)) != 1:
            raise InvalidValueError(
                "dependence: first, second and value must be equally long "
                f"(got {', '.join(map(str, sizes))})"
            )
        for places in (self.first, self.second):
            wrong = np.flatnonzero((places < 0) | (places >= len(self.names)))
            if len(wrong):
                raise InvalidValueError(
                    f"dependence: pair {wrong[0] + 1} names source number {places[wrong[0]]}, but "
                    f"there are {len(self.names)} names, numbered from 0"
                )
        self._check_pairs()
        order = sorted(range(len(self.names)), key=self.names.__getitem__)
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        one, other = rank[self.first], rank[self.second]
        low, high = np.minimum(one, other), np.maximum(one, other)
        sort = np.lexsort((high, low))
        put = object.__setattr__
        put(self, "names", tuple(self.names[k] for k in order))
        for name, values in (("first", low), ("second", high), ("value", self.value)):
            in_order = values[sort]
            in_order.flags.writeable = False
            put(self, name, in_order)
        self._check_unique()

    def _check_names(self) -> None:
        for name in self.names:
            if not isinstance(name, str):
                raise WrongTypeError(f"dependence: names of sources are text (got {short(name)})")
            if not name.strip():
                raise InvalidValueError("dependence: the name of a source is empty")
        if len(set(self.names)) < len(self.names):
            twice = next(name for k, name in enumerate(self.names) if name in self.names[:k])
            raise InvalidValueError(f"dependence: names has {short(twice)} twice")

    def _check_pairs(self) -> None:
        wrong = np.flatnonzero(self.first == self.second)
        if len(wrong):
            raise InvalidValueError(
                f"dependence: the pair {self._pair(wrong[0])} joins a source with itself; its "
                "claims about one quantity share an origin anyway"
            )
        wrong = np.flatnonzero(~((self.value >= 0.0) & (self.value <= 1.0)))
        if len(wrong):
            value = float(self.value[wrong[0]])
            raise InvalidValueError(
                f"dependence: that of {self._pair(wrong[0])} must lie in [0, 1] "
                f"(got {short(value)})"
            )

    def _check_unique(self) -> None:
        again = (np.diff(self.first) == 0) & (np.diff(self.second) == 0)
        if again.any():
            at = int(np.flatnonzero(again)[0])
            earlier, later = (short(float(v)) for v in self.value[at : at + 2])
            raise InvalidValueError(
                f"dependence: the pair {self._pair(at)} is given twice ({earlier} and {later}); "
                "its order makes no difference"
            )

    def _pair(self, at: int) -> str:
        return f"({self.names[self.first[at]]!r}, {self.names[self.second[at]]!r})"

    @classmethod
    def of(cls, pairs: Mapping[tuple[str, str], float]) -> PairDependence:
        """From a mapping of pairs of names to their dependence.

        >>> PairDependence.of({("A", "B"): 0.7})
        PairDependence(1 pair of 2 sources)
        """
        return cls.from_list([(key, value) for key, value in pairs.items()])

    @classmethod
    def from_list(cls, pairs: Iterable[tuple[Any, Any]]) -> PairDependence:
        """From pairs of names, each with its dependence."""
        number: dict[str, int] = {}
        first, second, values = [], [], []
        for key, value in pairs:
            if not (isinstance(key, (tuple, list)) and len(key) == 2):
                raise WrongTypeError(
                    "dependence: must be given by pairs of sources' names, such as ('A', 'B') "
                    f"(got {short(key)})"
                )
            for name in key:
                if not isinstance(name, str):
                    raise WrongTypeError(
                        f"dependence: {short(key)}: names of sources are text (got {short(name)})"
                    )
            if isinstance(value, bool) or not isinstance(
                value, (int, float, np.integer, np.floating)
            ):
                raise WrongTypeError(
                    f"dependence: that of {short(tuple(key))} must be a number in [0, 1] "
                    f"(got {short(value)})"
                )
            first.append(number.setdefault(key[0], len(number)))
            second.append(number.setdefault(key[1], len(number)))
            values.append(float(value))
        return cls(tuple(number), first, second, values)

    def to_list(self) -> list[list[Any]]:
        """Every pair as ``[name, name, dependence]``, sorted: JSON-ready."""
        return [
            [self.names[i], self.names[j], value]
            for i, j, value in zip(
                self.first.tolist(), self.second.tolist(), self.value.tolist(), strict=True
            )
        ]

    def among(self, names: Iterable[str]) -> PairDependence:
        """The pairs of which both sources are among some names.

        >>> PairDependence.of({("A", "B"): 0.7, ("B", "C"): 0.2}).among(["C", "B"]).to_list()
        [['B', 'C', 0.2]]
        """
        wanted = set(names)
        known = np.array([name in wanted for name in self.names], dtype=np.bool_)
        kept = np.flatnonzero(known[self.first] & known[self.second])
        place = np.cumsum(known) - 1
        return PairDependence(
            tuple(name for name in self.names if name in wanted),
            place[self.first[kept]],
            place[self.second[kept]],
            self.value[kept],
        )

    def numbered(self, names: Sequence[str]) -> NumberedPairs:
        """The same for sources that are known by their places in ``names``."""
        number = {name: k for k, name in enumerate(names)}
        at = np.array([number.get(name, -1) for name in self.names], dtype=np.int64)
        one, other = at[self.first], at[self.second]
        kept = np.flatnonzero((one >= 0) & (other >= 0) & (self.value > 0.0))
        return NumberedPairs.of(one[kept], other[kept], self.value[kept], len(names))

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.value)

    def __repr__(self) -> str:
        """One line."""
        pairs, sources = len(self), len(self.names)
        return (
            f"PairDependence({pairs} pair{'s' if pairs != 1 else ''} of "
            f"{sources} source{'s' if sources != 1 else ''})"
        )


@attrs.frozen(eq=False)
class NumberedPairs:
    """Pairs of sources that are known by numbers.

    Parameters
    ----------
    place : (sources,) place of each source among those of the pairs, -1 if it is in none
    count : number of sources that are in some pair
    key : (pairs,) smaller place times ``count`` plus the larger one, sorted
    value : (pairs,) dependence, above 0
    """

    place: IntArray
    count: int
    key: IntArray
    value: Array

    @classmethod
    def of(cls, one: IntArray, other: IntArray, value: Array, sources: int) -> NumberedPairs:
        """Pairs of sources by their numbers, each once, with dependences above 0."""
        involved = np.unique(np.concatenate([one, other]))
        place = np.full(sources, -1)
        place[involved] = np.arange(len(involved))
        one, other = place[one], place[other]
        key = np.minimum(one, other) * len(involved) + np.maximum(one, other)
        order = np.argsort(key)
        return cls(place, len(involved), key[order], value[order])

    def between(self, one: IntArray, other: IntArray) -> Array:
        """Dependence of sources at given places; 0 where none is listed."""
        key = np.minimum(one, other) * self.count + np.maximum(one, other)
        at = np.minimum(np.searchsorted(self.key, key), len(self.key) - 1)
        return np.where(self.key[at] == key, self.value[at], 0.0)
