"""What is known of sources as a document: JSON, or Parquet with a row per source.

A document says its format and version. Arrays are lists, those of sources and of pairs the
columns of tables; None stands for nan and "inf" for infinity, which JSON lacks.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from reliability.claims._checks import check_keys, check_mapping
from reliability.errors import InvalidValueError, ReliabilityError, WrongTypeError, short
from reliability.learning.dependence import Pairs
from reliability.learning.error_law import DEGREES_OF_FREEDOM, ErrorLaw, Kind
from reliability.learning.knowledge import Settings, SourceKnowledge
from reliability.learning.maximisation import Hyperparameters
from reliability.models import Model
from reliability.priors import Flat
from reliability.scales import SCALES, Scale, get_scale
from reliability.settings import settings_from_dict, settings_to_dict
from reliability.tables.files import drafted, parquet_modules

__all__ = ["FORMAT", "VERSION", "Saved", "document_path", "read_document", "write_document"]

Array = NDArray[np.float64]

FORMAT, VERSION = "reliability.learned", 1
#: Key of the metadata of a Parquet file under which all but the sources stands.
_METADATA = b"reliability.learned"
_ENDINGS = (".json", ".parquet", ".pq")
#: Columns of scales: of bare values, and of stated sds.
_SCALES = ("error_scale", "overconfidence")
_SCALE_FIELDS = ("", "_count", "_low", "_high")
_COUNTS = ("claims", "compared", "interest")
_FLAGS = ("stated", "bare", "unbiased")
_NUMBERS = tuple(
    f"{name}{end}"
    for name, ends in (
        ("reliability", ("", "_count", "_low", "_high")),
        ("bias", ("", "_sd", "_low", "_high")),
    )
    for end in ends
)
_INTEGERS_OF_PAIRS = ("first", "second", "shared")


@attrs.frozen(eq=False)
class Saved:
    """What of a ``Learned`` is saved: arguments to make it again."""

    scale: Scale
    level: float
    law_scores: dict[str, float]
    objective: tuple[float, ...]
    converged: bool
    identified: bool
    dependence_between: float
    unused: int
    knowledge: SourceKnowledge
    error_law: ErrorLaw
    hyperparameters: Hyperparameters
    settings: Settings
    former_pairs: Pairs

    def to_dict(self) -> dict[str, Any]:
        """As a document."""
        law, settings = self.error_law, self.settings
        # A model is written beside a prior on the quantity; there is none here.
        model = settings.model and settings_to_dict(settings.model, Flat())["model"]
        common = attrs.asdict(self.hyperparameters)
        return {
            "format": FORMAT,
            "version": VERSION,
            "scale": self.scale.name,
            "level": self.level,
            "law": {"name": str(law.kind), "factor": law.factor, "df": law.df},
            "law_scores": self.law_scores,
            "objective": list(self.objective),
            "converged": self.converged,
            "identified": self.identified,
            "dependence_between": self.dependence_between,
            "unused": self.unused,
            "settings": {
                "biases": settings.biases,
                "difficulty": settings.difficulty,
                "model": model,
            },
            "hyperparameters": {name: _plain(value) for name, value in common.items()},
            "spread": self.knowledge.spread,
            "sources": _columns_of_sources(self.knowledge),
            "pairs": {
                field.name: _plain(getattr(self.former_pairs, field.name))
                for field in attrs.fields(Pairs)
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Saved:
        """Read a document.

        Raises
        ------
        ReliabilityError
            Naming the field.
        """
        given = _Fields.of_document(data)
        law = given.inner("law", ("name", "factor", "df"))
        scores = given.inner("law_scores", [*Kind], some=True)
        knowledge = _sources(given)
        return cls(
            scale=get_scale(given.choice("scale", SCALES)),
            level=given.number("level", above=0.0, below=1.0),
            law_scores={name: scores.number(name) for name in scores.data},
            objective=tuple(given.array("objective").tolist()),
            converged=given.flag("converged"),
            identified=given.flag("identified"),
            dependence_between=given.number("dependence_between", low=0.0, high=1.0),
            unused=int(given.number("unused", low=0.0)),
            knowledge=knowledge,
            error_law=ErrorLaw(
                Kind(law.choice("name", [*Kind])),
                law.number("factor", above=0.0),
                int(law.choice("df", DEGREES_OF_FREEDOM)),
            ),
            hyperparameters=_hyperparameters(given),
            settings=_settings(given),
            former_pairs=_pairs(given, len(knowledge.names)),
        )


_DOCUMENT = (
    "format",
    "version",
    "spread",
    "law",
    "sources",
    "pairs",
    *(
        field.name
        for field in attrs.fields(Saved)
        if field.name not in {"knowledge", "error_law", "former_pairs"}
    ),
)


def _plain(value: Any) -> Any:
    """Numbers and lists as JSON knows them."""
    if isinstance(value, (np.ndarray, list, tuple)):
        return [_plain(each) for each in (value.tolist() if hasattr(value, "tolist") else value)]
    if isinstance(value, float):
        if np.isnan(value):
            return None
        return value if np.isfinite(value) else "inf" if value > 0.0 else "-inf"
    return value


def _columns_of_sources(known: SourceKnowledge) -> dict[str, Any]:
    columns: dict[str, Any] = {"source": list(known.names)}
    for name in (*_COUNTS, *_FLAGS, *_NUMBERS):
        columns[name] = _plain(getattr(known, name))
    for kind, name in enumerate(_SCALES):
        for end in _SCALE_FIELDS:
            columns[name + end] = _plain(getattr(known, f"scale{end}")[:, kind])
    return columns


# --- reading ------------------------------------------------------------------------------------


@attrs.frozen
class _Fields:
    """Fields of an object in a document; whatever is wrong with one is said with its path."""

    data: Mapping[str, Any]
    path: str = ""

    @classmethod
    def of_document(cls, data: object) -> _Fields:
        """Fields of a whole document, of a format and version that is known."""
        if not isinstance(data, Mapping) or data.get("format") != FORMAT:
            raise InvalidValueError(
                f"this was not written by Learned.to_dict() or save(): it lacks 'format': "
                f"{FORMAT!r}"
            )
        version = data.get("version")
        if version != VERSION or isinstance(version, bool):
            raise InvalidValueError(
                f"version: this release reads version {VERSION} of the format, got "
                f"{short(version)}; a newer release of source-reliability may read it"
            )
        return cls._checked(data, "", _DOCUMENT)

    @classmethod
    def _checked(
        cls, data: object, path: str, names: Iterable[str], *, some: bool = False
    ) -> _Fields:
        given = check_mapping(path or "document", data)
        names = list(map(str, names))
        check_keys(path or "document", given, names)
        missing = [name for name in names if name not in given]
        if missing and not some:
            raise InvalidValueError(f"{path or 'document'}: lacks {', '.join(missing)}")
        return cls(given, path)

    def refuse(
        self, name: str, must: str, kind: type[ReliabilityError] = InvalidValueError
    ) -> ReliabilityError:
        """Make an error about a field."""
        where = f"{self.path}.{name}" if self.path else name
        return kind(f"{where}: must be {must} (got {short(self.data[name])})")

    def inner(self, name: str, names: Iterable[str], *, some: bool = False) -> _Fields:
        """Fields of an object inside; with ``some`` not all of the names need be there."""
        where = f"{self.path}.{name}" if self.path else name
        return self._checked(self.data[name], where, names, some=some)

    def flag(self, name: str) -> bool:
        """True or false."""
        if not isinstance(self.data[name], bool):
            raise self.refuse(name, "true or false", WrongTypeError)
        return bool(self.data[name])

    def choice(self, name: str, known: Iterable[Any]) -> Any:
        """One of some values."""
        value, known = self.data[name], list(known)
        if isinstance(value, bool) or not isinstance(value, (str, int)) or value not in known:
            raise self.refuse(name, f"one of {', '.join(map(str, known))}")
        return value

    def number(
        self,
        name: str,
        *,
        low: float = -np.inf,
        high: float = np.inf,
        above: float = -np.inf,
        below: float = np.inf,
    ) -> float:
        """A finite number within limits."""
        value = self.data[name]
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.refuse(name, "a number", WrongTypeError)
        if not (np.isfinite(value) and low <= value <= high and above < value < below):
            limits = [
                f"{word} {short(limit)}"
                for word, limit in (
                    ("at least", low),
                    ("at most", high),
                    ("above", above),
                    ("below", below),
                )
                if np.isfinite(limit)
            ]
            raise self.refuse(name, " ".join(["a finite number", " and ".join(limits)]).strip())
        return float(value)

    def array(self, name: str, rows: int | None = None, *, low: float = -np.inf) -> Array:
        """Numbers, each at least ``low`` or nan."""
        values = self._list(name, rows)
        known = {None: np.nan, "inf": np.inf, "-inf": -np.inf}
        out = np.empty(len(values))
        for i, value in enumerate(values):
            if value is None or isinstance(value, str):
                if value not in known:
                    raise self.refuse_row(name, i, "a number")
                out[i] = known[value]
            elif isinstance(value, bool) or not isinstance(value, (int, float)):
                raise self.refuse_row(name, i, "a number")
            else:
                out[i] = value
            if out[i] < low:
                raise self.refuse_row(name, i, f"at least {low:g}")
        return out

    def integers(
        self, name: str, rows: int | None = None, *, low: int, high: float = np.inf
    ) -> NDArray[np.int64]:
        """Whole numbers within limits."""
        values = self._list(name, rows)
        for i, value in enumerate(values):
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole or not low <= value <= high:
                raise self.refuse_row(name, i, "a whole number that is possible here")
        return np.array(values, dtype=np.int64)

    def flags(self, name: str, rows: int) -> NDArray[np.bool_]:
        """True or false, for each row."""
        values = self._list(name, rows)
        for i, value in enumerate(values):
            if not isinstance(value, bool):
                raise self.refuse_row(name, i, "true or false")
        return np.array(values, dtype=np.bool_)

    def texts(self, name: str) -> list[str]:
        """Texts, none twice."""
        values = self._list(name, None)
        seen: set[str] = set()
        for i, value in enumerate(values):
            if not isinstance(value, str) or not value.strip() or value in seen:
                raise self.refuse_row(name, i, "a name, and no other's")
            seen.add(value)
        return list(values)

    def _list(self, name: str, rows: int | None) -> Sequence[Any]:
        values = self.data[name]
        if not isinstance(values, (list, tuple)):
            raise self.refuse(name, "a list", WrongTypeError)
        if rows is not None and len(values) != rows:
            raise self.refuse(name, f"a list of {rows}, of one length with the others")
        return values

    def refuse_row(self, name: str, row: int, must: str) -> ReliabilityError:
        """Make an error about an entry of a list."""
        values = self.data[name]
        return _Fields({f"{name}[{row}]": values[row]}, self.path).refuse(f"{name}[{row}]", must)


def _sources(document: _Fields) -> SourceKnowledge:
    scales = [name + end for name in _SCALES for end in _SCALE_FIELDS]
    given = document.inner("sources", ("source", *_COUNTS, *_FLAGS, *_NUMBERS, *scales))
    names = given.texts("source")
    rows = len(names)

    def positive(name: str) -> Array:
        """Numbers that are there for every source."""
        least = -np.inf if name in {"bias", "bias_low", "bias_high"} else 0.0
        values = given.array(name, rows, low=least)
        if np.isnan(values).any():
            raise given.refuse_row(name, int(np.flatnonzero(np.isnan(values))[0]), "a number")
        return values

    fields: dict[str, Any] = {name: positive(name) for name in _NUMBERS}
    for name in _COUNTS:
        least, most = (-1, 1.0) if name == "interest" else (0, np.inf)
        fields[name] = given.integers(name, rows, low=least, high=most)
    for name in _FLAGS:
        fields[name] = given.flags(name, rows)
    for end in _SCALE_FIELDS:
        both = [positive(name + end) for name in _SCALES]
        fields[f"scale{end}"] = np.stack(both, axis=1)
    if np.any(fields["reliability"] > 1.0):
        row = int(np.argmax(fields["reliability"]))
        raise given.refuse_row("reliability", row, "at most 1")
    return SourceKnowledge(tuple(names), document.number("spread", above=0.0), **fields)


def _pairs(document: _Fields, sources: int) -> Pairs:
    names = [field.name for field in attrs.fields(Pairs)]
    given = document.inner("pairs", names)
    rows = len(given.integers("first", low=0, high=sources - 1))
    fields: dict[str, Any] = {
        name: given.integers(name, rows, low=0, high=np.inf if name == "shared" else sources - 1)
        if name in _INTEGERS_OF_PAIRS
        else given.array(name, rows)
        for name in names
    }
    return Pairs(**fields)


def _hyperparameters(document: _Fields) -> Hyperparameters:
    names = [field.name for field in attrs.fields(Hyperparameters)]
    given = document.inner("hyperparameters", names)
    fields: dict[str, Any] = {}
    for name in names:
        if name == "difficulty_count":  # infinite where there are no difficulties
            fields[name] = float(_Fields({name: [given.data[name]]}, given.path).array(name)[0])
        elif name in {"scale", "scale_count"}:
            fields[name] = tuple(given.array(name, 2, low=0.0).tolist())
        else:
            fields[name] = given.number(name, low=0.0)
    return Hyperparameters(**fields)


def _settings(document: _Fields) -> Settings:
    given = document.inner("settings", [field.name for field in attrs.fields(Settings)])
    model: Model | None = None
    if given.data["model"] is not None:
        prior = {"type": "Flat"}
        model, _ = settings_from_dict({"model": given.data["model"], "prior": prior})
    return Settings(given.flag("biases"), given.flag("difficulty"), model)


# --- files --------------------------------------------------------------------------------------


def write_document(document: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a document into a file, whole or not at all.

    Raises
    ------
    ReliabilityError
        If the ending is not known, the folder is missing or Parquet's extra is.
    """
    path = document_path(path)
    if path.suffix.lower() == ".json":
        with drafted(path) as draft:
            draft.write_text(_text(document), encoding="utf-8")
        return
    pa, pq = parquet_modules()
    rest = {name: value for name, value in document.items() if name != "sources"}
    numbers = {
        name: np.array(
            [np.nan if each is None else float(each) for each in values], dtype=np.float64
        )
        if name not in {"source", *_COUNTS, *_FLAGS}
        else values
        for name, values in document["sources"].items()
    }
    table = pa.table(numbers).replace_schema_metadata({_METADATA: _text(rest).encode()})
    with drafted(path) as draft:
        pq.write_table(table, draft)


def read_document(path: str | os.PathLike[str]) -> Any:
    """Read the document in a file.

    Raises
    ------
    ReliabilityError
        If it is no such file.
    OSError
        If it cannot be read.
    """
    path = document_path(path)
    if path.suffix.lower() == ".json":
        return _json(path.read_bytes(), str(path))
    with path.open("rb"):  # a missing file is named before a missing extra
        pass
    pa, pq = parquet_modules()
    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise InvalidValueError(f"{path}: is not a Parquet file: {error}") from None
    rest = (table.schema.metadata or {}).get(_METADATA)
    if rest is None:
        raise InvalidValueError(f"{path}: was not written by Learned.save()")
    document = _json(rest, str(path))
    return {**document, "sources": table.to_pydict()} if isinstance(document, dict) else document


def document_path(path: str | os.PathLike[str]) -> Path:
    """Path of a document; refuses endings that are not known."""
    path = Path(path)
    if path.suffix.lower() not in _ENDINGS:
        raise InvalidValueError(f"{path}: must end in .json or .parquet")
    return path


def _json(data: bytes, name: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise InvalidValueError(f"{name}: is not JSON: {error}") from None


def _text(document: Mapping[str, Any]) -> str:
    """JSON with a line for each field and for each column of a table."""

    def dumped(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    lines = []
    for name, value in document.items():
        if name in {"sources", "pairs"}:
            inner = ",\n".join(f"    {dumped(key)}: {dumped(each)}" for key, each in value.items())
            lines.append(f"  {dumped(name)}: {{\n{inner}\n  }}")
        else:
            lines.append(f"  {dumped(name)}: {dumped(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"
