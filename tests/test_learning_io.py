"""What goes into learning and comes out: tables, documents, files, updates; wrong input."""

from __future__ import annotations

import copy
import json
import pickle
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import reliability
from reliability import Claim, Estimate, Model, ReliabilityError, Source, combine, combine_many
from reliability.errors import InvalidValueError, MissingExtraError, WrongTypeError
from reliability.learning.dependence import Pairs
from reliability.learning.knowledge import SourceKnowledge, later_pairs
from reliability.learning.learned import Learned, learn
from reliability.learning.saving import read_document, write_document
from reliability.priors import Density
from reliability.tables.sources import SOURCE_COLUMNS, read_sources

Array = NDArray[np.float64]
Table = dict[str, Any]

SOURCES = ("Ана", "B", "C 3", "D")
#: What is true of them.
BIAS, FACTOR, SOUND = np.array([0.0, 2.0, -1.0, 0.5]), np.array([1, 2, 1, 3]), np.array([1, 0.9, 1])


def simulated(seed: int, quantities: int = 120, *, first: int = 0) -> tuple[Table, Table]:
    """Claims of four sources, the last of which states no uncertainties; and truths."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0.0, 30.0, quantities)
    error = rng.standard_normal((quantities, 4)) * FACTOR * 1.5
    unsound = rng.random((quantities, 4)) > np.append(SOUND, 0.8)
    error += unsound * 20.0 * rng.standard_t(3, (quantities, 4))
    value = np.round(truth[:, None] + BIAS + error, 4)
    names = [f"q{first + i}" for i in range(quantities)]
    table = {
        "quantity": np.repeat(names, 4),
        "source": np.tile(SOURCES, quantities),
        "value": value.ravel(),
        "sd": np.tile([1.5, 1.5, 1.5, np.nan], quantities),
    }
    return table, {"quantity": names, "truth": truth.tolist()}


def rows(table: Table, chosen: Any) -> Table:
    return {name: np.asarray(values)[chosen] for name, values in table.items()}


def learned(law: Any = "mixture", seed: int = 1, **more: Any) -> Learned:
    return learn(simulated(seed)[0], law=law, **more)


@pytest.fixture(scope="module")
def found() -> Learned:
    return learned()


def same_tables(one: Table, other: Table) -> None:
    assert list(one) == list(other)
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)


def same(one: Learned, other: Learned) -> None:
    assert one.to_dict() == other.to_dict()
    assert one.sources == other.sources
    assert one.dependence == other.dependence
    assert one.model == other.model
    same_tables(one.source_table, other.source_table)
    same_tables(one.dependence_table, other.dependence_table)


# --- documents ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "more"),
    [
        ("normal", {"model": Model.measurements(), "dependence": 0.3}),
        ("mixture", {"scale": "linear", "unbiased": ["Ана"], "difficulty": True, "level": 0.8}),
        ("exact", {"biases": False}),
        ("auto", {"sources": [Source("B", bias=2.0, overconfidence=2.0, interest=1)]}),
    ],
)
def test_documents_keep_all_that_is_known(law: Any, more: Any, tmp_path: Path) -> None:
    before = learned(law, **more)
    document = before.to_dict()
    text = json.dumps(document, allow_nan=False)
    again = Learned.from_dict(json.loads(text))
    same(before, again)
    for name in ("kept.json", "kept.parquet"):
        before.save(tmp_path / name)
        same(before, Learned.load(str(tmp_path / name)))
    claims = [("B", Estimate(10, sd=1)), ("C 3", Estimate(14, sd=1)), ("new", Estimate(9, sd=2))]
    one, other = before.combine(claims), again.combine(claims)
    assert one.interval(0.9) == other.interval(0.9)
    # And all that further claims need.
    more_claims = simulated(2, 20, first=1000)[0]
    same(before.update(more_claims, half_life=50), again.update(more_claims, half_life=50))


def test_saved_files_are_readable(found: Learned, tmp_path: Path) -> None:
    found.save(tmp_path / "kept.json")
    lines = (tmp_path / "kept.json").read_text(encoding="utf-8").splitlines()
    assert lines[1:3] == ['  "format": "reliability.learned",', '  "version": 1,']
    assert '    "source": ["B", "C 3", "D", "Ана"],' in lines
    found.save(tmp_path / "kept.parquet")
    pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    table = pq.read_table(tmp_path / "kept.parquet")
    assert table.num_rows == 4
    assert table["reliability"].to_pylist() == found.source_table["reliability"].tolist()


def test_claims_are_not_kept(found: Learned) -> None:
    assert "q0" not in json.dumps(found.to_dict())
    again = Learned.from_dict(found.to_dict())
    with pytest.raises(ReliabilityError, match=r"the claims are not saved .* update"):
        again.quantities  # noqa: B018
    assert again.bad_rows is None


def test_pickled_and_copied(found: Learned) -> None:
    same(found, pickle.loads(pickle.dumps(found)))  # noqa: S301  # our own
    same(found, copy.deepcopy(found))


finite = st.floats(-1e300, 1e300)
positive = st.floats(0.0, allow_infinity=True)


@st.composite
def knowledge(draw: st.DrawFn) -> SourceKnowledge:
    """Anything that may be known of sources."""
    names = draw(st.lists(st.text(min_size=1).filter(str.strip), unique=True, max_size=4))
    number = len(names)

    def column(values: Any, *shape: int) -> Any:
        size = int(np.prod([number, *shape]))
        listed = draw(st.lists(values, min_size=size, max_size=size))
        return np.array(listed).reshape(number, *shape)

    counts, flags = st.integers(0, 2**53), st.booleans()
    fields: dict[str, Any] = {name: column(counts) for name in ("claims", "compared")}
    fields |= {name: column(flags) for name in ("stated", "bare", "unbiased")}
    fields["interest"] = column(st.sampled_from([-1, 0, 1]))
    for end in ("", "_count", "_low", "_high"):
        share = positive if end == "_count" else st.floats(0.0, 1.0)
        fields[f"reliability{end}"] = column(share)
        fields[f"scale{end}"] = column(positive, 2)
    for end in ("", "_low", "_high"):
        fields[f"bias{end}"] = column(finite)
    fields["bias_sd"] = column(st.floats(0.0, 1e300))
    return SourceKnowledge(tuple(names), draw(st.floats(1e-300, 1e300)), **fields)


@settings(max_examples=60)
@given(knowledge())
def test_whatever_is_known_comes_back(known: SourceKnowledge) -> None:
    document = learned_document()
    pairs: dict[str, list[Any]] = {name: [] for name in document["pairs"]}
    whole = Learned.from_dict(document | {"pairs": pairs})
    before = attrs.evolve(whole, knowledge=known)
    again = Learned.from_dict(json.loads(json.dumps(before.to_dict(), allow_nan=False)))
    for field in attrs.fields(SourceKnowledge):
        one, other = (getattr(each._knowledge, field.name) for each in (before, again))
        np.testing.assert_array_equal(one, other, err_msg=field.name)


@cache
def _document() -> dict[str, Any]:
    return learned("normal").to_dict()


def learned_document() -> dict[str, Any]:
    return copy.deepcopy(_document())


DELETED = object()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("format", "reliability.combination", "it lacks 'format': 'reliability.learned'"),
        ("version", 2, "version: this release reads version 1 of the format, got 2; a newer"),
        ("version", True, "version: this release reads version 1"),
        ("version", DELETED, "got None"),
        ("level", 95, r"level: must be a finite number above 0 and below 1 \(got 95\)"),
        ("level", "0.9", r"level: must be a number \(got '0.9'\)"),
        ("scale", "cubic", "scale: must be one of linear, log, logit"),
        ("scale", ["log"], "scale: must be one of linear, log, logit"),
        ("law", "normal", "law: must be a mapping of fields, got 'normal'"),
        ("law.name", "cauchy", "law.name: must be one of normal, mixture, exact"),
        ("law.df", 4, r"law.df: must be one of 1, 2, 3, 5, 9 \(got 4\)"),
        ("law.factor", 0, "law.factor: must be a finite number above 0"),
        ("law_scores.cauchy", 1.0, "law_scores: there is no field 'cauchy'; known: normal"),
        ("convergd", True, "document: there is no field 'convergd'; did you mean 'converged'"),
        ("converged", DELETED, "document: lacks converged"),
        ("converged", 1, r"converged: must be true or false \(got 1\)"),
        (
            "dependence_between",
            1.5,
            "dependence_between: must be a finite number at least 0 and at",
        ),
        ("objective", 3.0, r"objective: must be a list \(got 3\)"),
        ("spread", 0.0, "spread: must be a finite number above 0"),
        ("settings.biases", None, "settings.biases: must be true or false"),
        ("settings.model", {"unsound": {"type": "Flor"}}, "settings.model.unsound: unknown type"),
        ("hyperparameters.scale", [1.0], "hyperparameters.scale: must be a list of 2"),
        ("hyperparameters.reliability", DELETED, "hyperparameters: lacks reliability"),
        ("sources.source", ["A", "A", "B", "C"], r"sources.source\[1\]: must be a name, and no"),
        ("sources.source", ["A", " ", "B", "C"], r"sources.source\[1\]: must be a name"),
        ("sources.bias", [1.0], "sources.bias: must be a list of 4, of one length with"),
        ("sources.bias", [1, 2, "x", 4], r"sources.bias\[2\]: must be a number \(got 'x'\)"),
        ("sources.bias", [1, 2, True, 4], r"sources.bias\[2\]: must be a number \(got True\)"),
        ("sources.bias", [1, 2, None, 4], r"sources.bias\[2\]: must be a number \(got None\)"),
        ("sources.bias_sd", [1, 2, 3, -4], r"sources.bias_sd\[3\]: must be at least 0"),
        ("sources.reliability", [1, 1, 1.2, 1], r"sources.reliability\[2\]: must be at most 1"),
        ("sources.claims", [1, 1, 1, 0.5], r"sources.claims\[3\]: must be a whole number"),
        ("sources.interest", [1, 0, 2, 0], r"sources.interest\[2\]: must be a whole number"),
        ("sources.stated", [1, 0, 1, 0], r"sources.stated\[0\]: must be true or false"),
        ("pairs.first", [0, 9], r"pairs.first\[1\]: must be a whole number that is possible"),
        ("pairs.p_value", [], "pairs.p_value: must be a list of 6"),
    ],
)
def test_wrong_documents(path: str, value: Any, message: str) -> None:
    document = learned_document()
    *steps, last = path.split(".")
    inner = document
    for step in steps:
        inner = inner[step]
    if value is DELETED:
        del inner[last]
    else:
        inner[last] = value
    with pytest.raises(ReliabilityError, match=message):
        Learned.from_dict(document)


def test_not_a_document() -> None:
    wrongs: list[Any] = [[], None, "text", {}]
    for wrong in wrongs:
        with pytest.raises(ReliabilityError, match=r"not written by Learned.to_dict\(\) or save"):
            Learned.from_dict(wrong)


def test_a_model_that_is_no_data(tmp_path: Path) -> None:
    one = learned("normal", model=Model(prior=Density(lambda x: -abs(x))))
    with pytest.raises(WrongTypeError, match="Density prior holds a function"):
        one.save(tmp_path / "kept.json")
    assert not list(tmp_path.iterdir())


# --- files --------------------------------------------------------------------------------------


def test_files_that_are_refused(found: Learned, tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match=r"kept.yaml: must end in .json or .parquet"):
        found.save(tmp_path / "kept.yaml")
    with pytest.raises(InvalidValueError, match=r"must end in .json or .parquet"):
        Learned.load(tmp_path / "kept")
    with pytest.raises(InvalidValueError, match="there is no folder"):
        found.save(tmp_path / "none" / "kept.json")
    for name in ("none.json", "none.parquet"):
        with pytest.raises(FileNotFoundError):
            Learned.load(tmp_path / name)
    wrong = tmp_path / "wrong.json"
    for text, message in (
        ("{", "wrong.json: is not JSON"),
        ("\xff", "wrong.json: is not JSON"),
        ("[" * 100_000, "wrong.json: is not JSON"),
        ("[]", "wrong.json: this was not written by"),
        ('{"format": "reliability.learned", "version": 7}', "wrong.json: version: this release"),
    ):
        wrong.write_text(text, encoding="latin-1")
        with pytest.raises(InvalidValueError, match=message):
            Learned.load(wrong)


def test_wrong_parquet(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    path = tmp_path / "wrong.parquet"
    path.write_bytes(b"no")
    with pytest.raises(InvalidValueError, match=r"wrong.parquet: is not a Parquet file"):
        Learned.load(path)
    pq.write_table(pa.table({"source": ["A"]}), path)
    with pytest.raises(InvalidValueError, match=r"wrong.parquet: was not written by Learned.save"):
        Learned.load(path)


def test_parquet_needs_its_extra(
    found: Learned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="frames"):
        found.save(tmp_path / "kept.parquet")
    found.save(tmp_path / "kept.json")
    assert Learned.load(tmp_path / "kept.json").sources == found.sources


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    write_document({"a": 1}, path)
    with pytest.raises(ValueError, match="JSON compliant"):
        write_document({"a": float("nan")}, path)
    assert read_document(path) == {"a": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["kept.json"]


# --- updates ------------------------------------------------------------------------------------


def ends(found: Learned, name: str) -> tuple[Array, Array]:
    table = found.source_table
    return table[f"{name}_low"], table[f"{name}_high"]


def test_halves_one_after_the_other_and_all_at_once_agree() -> None:
    table, truths = simulated(5, 400)
    half = np.arange(1600) < 800
    whole = learn(table, truths, law="mixture")
    first = learn(rows(table, half), truths, law="mixture")
    both = first.update(rows(table, ~half), truths)
    assert both.source_table["n"].tolist() == [400] * 4
    assert both.source_table["compared"].tolist() == [400] * 4
    for name in ("reliability", "bias", "overconfidence", "error_sd"):
        one, other = whole.source_table[name], both.source_table[name]
        assert np.array_equal(np.isnan(one), np.isnan(other))
        some = ~np.isnan(one)
        for at, intervals in ((one, ends(both, name)), (other, ends(whole, name))):
            low, high = (end[some] for end in intervals)
            assert np.all((low < at[some]) & (at[some] < high)), name
        # Twice the claims: intervals are narrower than after one half.
        width = [np.subtract(*ends(each, name)[::-1])[some] for each in (first, both)]
        assert np.all(width[1] < width[0]), name


def test_sources_that_say_nothing_new_stay_as_they_were(found: Learned) -> None:
    table, _ = simulated(7, 30, first=500)
    after = found.update(rows(table, np.isin(table["source"], ["B", "D"])))
    assert list(after.sources) == list(found.sources)
    assert after.sources["Ана"] == found.sources["Ана"]
    assert after.sources["B"] != found.sources["B"]
    assert dict(zip(after.source_table["source"], after.source_table["n"], strict=True)) == {
        "B": 150,
        "C 3": 120,
        "D": 150,
        "Ана": 120,
    }
    # B and D, compared again in 30 quantities, keep the row that rests on 120.
    assert after.dependence_table["shared"].tolist() == [120] * 6


def test_new_sources_start_from_what_all_have_in_common(found: Learned) -> None:
    table, _ = simulated(8, 30, first=500)
    table["source"] = np.where(table["source"] == "B", "new", table["source"])
    after = found.update(table)
    assert set(after.sources) == {*SOURCES, "new"}
    counts = dict(zip(after.source_table["source"], after.source_table["n"], strict=True))
    assert (counts["new"], counts["B"], counts["D"]) == (30, 120, 150)
    assert after.sources["new"].overconfidence == pytest.approx(2.0, rel=0.5)
    assert len(after.quantities["quantity"]) == 30


def test_what_was_stated_of_a_source_is_in_what_was_learned() -> None:
    table, _ = simulated(11, 200)
    known = [Source("B", bias=2.0, overconfidence=2.0, interest=-1), Source("D", bias=0.5)]
    first = learn(table, law="mixture", sources=known, unbiased=["Ана"])
    assert first.sources["B"].bias == pytest.approx(2.0, abs=1.0)
    assert first.sources["B"].overconfidence == pytest.approx(2.0, rel=0.25)
    assert first.sources["B"].interest == -1
    # The new table states nothing of them, and they are the same.
    more, _ = simulated(12, 10, first=900)
    after = first.update(more)
    assert after.sources["B"].bias == pytest.approx(first.sources["B"].bias, abs=0.3)
    assert after.sources["B"].overconfidence == pytest.approx(
        first.sources["B"].overconfidence, rel=0.15
    )
    # Or it states them again, which is not counted twice.
    again = first.update(more | {"bias": np.where(more["source"] == "B", 2.0, np.nan)})
    assert again.sources["B"].bias == pytest.approx(after.sources["B"].bias, abs=0.05)


def test_old_evidence_wears_off() -> None:
    table, _ = simulated(13, 200)
    first = learn(table, law="normal", unbiased=["Ана"])
    changed, _ = simulated(14, 60, first=900)
    changed["value"] = changed["value"] + 10.0 * (changed["source"] == "C 3")
    kept, worn = first.update(changed), first.update(changed, half_life=10)
    bias = [each.sources["C 3"].bias for each in (first, kept, worn)]
    # A jump that 200 claims speak against is error; once they are worn, it is bias.
    assert bias[0] < 0.0
    assert bias[1] < 1.0
    assert bias[2] == pytest.approx(9.0, abs=1.0)
    # A declaration does not wear off, even where nothing else is left.
    forgotten = first.update(changed, half_life=0.01)
    assert abs(forgotten.sources["Ана"].bias) < 0.01
    assert forgotten.identified


def test_pairs_of_two_tables() -> None:
    def pairs(*rows: tuple[int, int, int, float]) -> Pairs:
        first, second, shared, value = (np.array(each) for each in zip(*rows, strict=True))
        return Pairs(first, second, shared, *([value] * 5))

    empty = pairs((0, 1, 10, 0.0))
    empty = Pairs(**{name: values[:0] for name, values in vars_of(empty).items()})
    one = pairs((0, 1, 30, 0.1), (1, 2, 10, 0.2))
    other = pairs((0, 1, 20, 0.3), (1, 2, 10, 0.4), (0, 3, 50, 0.5))
    both = later_pairs(one, other)
    assert list(zip(both.first, both.second, both.shared, both.dependence, strict=True)) == [
        (0, 1, 30, 0.1),
        (0, 3, 50, 0.5),
        (1, 2, 10, 0.4),
    ]
    for left, right in ((one, empty), (empty, one)):
        assert later_pairs(left, right).shared.tolist() == [30, 10]
    assert later_pairs(empty, empty).shared.tolist() == []


def vars_of(pairs: Pairs) -> dict[str, Any]:
    return attrs.asdict(pairs, recurse=False)


# --- tables -------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", ["normal", "mixture", "exact"])
def test_learned_tables_of_sources_are_taken_as_they_are(law: str) -> None:
    one = learned(law)
    assert set(one.source_table) <= set(SOURCE_COLUMNS)
    known = read_sources(one.source_table)
    assert {name: numbers.get("reliability") for name, numbers in known.items()} == {
        name: source.reliability for name, source in one.sources.items()
    }
    assert "overconfidence" not in known["D"]
    new = {"quantity": ["x", "x"], "source": ["B", "C 3"], "value": [10, 14], "sd": [1, 1]}
    many = combine_many(new, sources=one.source_table, model=one.model)
    alone = combine(
        [Claim(one.sources[name], Estimate(v, sd=1)) for name, v in (("B", 10), ("C 3", 14))],
        model=one.model,
    )
    assert isinstance(alone, reliability.Combination)
    assert float(many["estimate"][0]) == pytest.approx(alone.estimate, rel=1e-6)
    with pytest.raises(ReliabilityError, match="no column 'reliability_lo'; did you mean"):
        read_sources({"source": ["B"], "reliability_lo": [0.3]})


def test_combine_keeps_the_interest_that_a_claim_states(found: Learned) -> None:
    result = found.combine([(Source("B", interest=1), Estimate(3, sd=1)), ("C 3", 5)])
    assert [entry.claim.source.interest for entry in result.claims] == [1, 0]
    assert result.claims[0].claim.source.bias == found.sources["B"].bias


def frame(kind: str, table: Table) -> Any:
    module = pytest.importorskip(kind)
    pytest.importorskip("narwhals")
    make = {"pandas": "DataFrame", "polars": "DataFrame", "pyarrow": "table"}[kind]
    return getattr(module, make)({name: list(values) for name, values in table.items()})


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_tables_come_out_as_the_kind_that_went_in(kind: str) -> None:
    table, truths = simulated(3, 40)
    table["sd"] = np.where(np.arange(160) == 5, -1.0, table["sd"])
    plain = learn(table, truths, law="normal", on_error="collect")
    given_ = frame(kind, table)
    found = learn(given_, frame(kind, truths), law="normal", on_error="collect")
    for name in ("source_table", "quantities", "dependence_table", "bad_rows"):
        out = getattr(found, name)
        assert type(out) is type(given_), name
        wanted = getattr(plain, name)
        assert list(out.column_names if kind == "pyarrow" else out.columns) == list(wanted)
    got = np.asarray(found.quantities["estimate"])
    np.testing.assert_allclose(got, plain.quantities["estimate"], rtol=1e-12)
    assert np.asarray(found.bad_rows["row"]).tolist() == [6]
    again = Learned.from_dict(found.to_dict())
    assert isinstance(again.source_table, dict)
    few = given_.slice(0, 4) if kind == "pyarrow" else given_.head(4)
    assert type(again.update(few).source_table) is type(given_)


def test_bad_rows_are_left_out_and_listed() -> None:
    table, _ = simulated(4, 40)
    wrong = {name: values.astype(object) for name, values in table.items()}
    wrong["value"][7], wrong["sd"][9], wrong["source"][12] = "many", 0.0, None
    with pytest.raises(ReliabilityError, match="table, row 8, value: must be a number"):
        learn(wrong, law="normal")
    found = learn(wrong, law="normal", on_error="collect")
    assert found.bad_rows["row"].tolist() == [8, 10, 13]
    assert found.bad_rows["column"].tolist() == ["value", "sd", "source"]
    good = ~np.isin(np.arange(160), [7, 9, 12])
    clean = learn(rows(table, good), law="normal")
    np.testing.assert_array_equal(found.source_table["n"], clean.source_table["n"])
    np.testing.assert_allclose(found.source_table["bias"], clean.source_table["bias"], atol=1e-9)
    assert clean.bad_rows is None


def test_impossible_values_are_bad_rows_too() -> None:
    table, _ = simulated(4, 40)
    table["value"] = (np.exp(0.05 * table["value"]) + 0.001).round(3)
    table["sd"] = table["sd"] * 0.05 * table["value"]
    table["value"] = np.where(np.arange(160) == 3, -1.0, table["value"])
    with pytest.raises(ReliabilityError, match=r"table, row 4, value: .*impossible on the log"):
        learn(table, law="normal", scale="log")
    found = learn(table, law="normal", scale="log", on_error="collect")
    assert found.bad_rows["row"].tolist() == [4]


# --- text ---------------------------------------------------------------------------------------


def test_text_for_readers(found: Learned) -> None:
    assert repr(found) == "Learned(4 sources from 480 claims, law='mixture')"
    lines = str(found).splitlines()
    assert lines[0].startswith("4 sources, 480 claims. Law of errors: mixture (a claim is sound")
    assert "Biases are relative to each other" in str(found)
    header = next(line for line in lines if line.startswith("source "))
    assert header.split() == [
        "source",
        "n",
        "reliability",
        "overconfidence",
        "error",
        "bias",
        "±",
        "sd",
    ]
    assert "brackets: central 95% intervals" in " ".join(lines)
    of_d = next(line for line in lines if line.startswith("D  "))
    assert of_d.split()[:2] == ["D", "120"]
    assert " - " in of_d  # no stated uncertainty, so no overconfidence
    assert max(map(len, lines)) <= 100
    assert str(Learned.from_dict(found.to_dict())) == str(found)


def test_text_says_what_is_not_learned() -> None:
    table, truths = simulated(4, 40)
    normal = str(learn(rows(table, ~np.isnan(table["sd"])), truths, law="normal", level=0.9))
    header = next(line for line in normal.splitlines() if line.startswith("source "))
    assert header.split() == ["source", "n", "overconfidence", "bias", "±", "sd"]
    assert "central 90% intervals" in normal
    assert "Biases are absolute" in normal
    assert "taken to have no biases" in str(learn(table, law="normal", biases=False))


def test_text_of_many_sources() -> None:
    rng = np.random.default_rng(1)
    number = 50
    counts = np.repeat(np.arange(number), 2 + np.arange(number) // 5)
    table = {
        "quantity": rng.integers(0, 40, len(counts)),
        "source": [f"s{i:02}" for i in counts],
        "value": rng.normal(size=len(counts)),
        "sd": np.ones(len(counts)),
    }
    text = str(learn(table, law="normal"))
    assert "s49" in text
    assert "s00" not in text
    assert "The sources with the most claims; 10 more are in source_table." in text


def test_text_of_sources_that_err_together() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(0.0, 30.0, 300)
    errors = rng.normal(size=(300, 4))
    errors[:, 1] = errors[:, 0] + 0.1 * errors[:, 1]
    table = {
        "quantity": np.repeat(np.arange(300), 4),
        "source": np.tile(list("ABCD"), 300),
        "value": (truth[:, None] + errors).ravel(),
        "sd": np.ones(1200),
    }
    found = learn(table, law="normal")
    assert ("A", "B") in found.dependence
    assert "Sources whose errors go together: A and B (" in str(found)
    same(found, Learned.from_dict(found.to_dict()))


# --- wrong input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"law": "mixtur"}, r"law must be one of auto, normal, mixture, exact \(got 'mixtur'\)"),
        ({"law": ["normal"]}, "law must be one of auto, normal, mixture, exact"),
        ({"level": 95}, r"level must lie in \(0, 1\), got 95; did you mean 0.95\?"),
        ({"level": 0}, r"level must lie in \(0, 1\), got 0"),
        ({"level": float("nan")}, r"level must lie in \(0, 1\), got nan"),
        ({"level": "0.9"}, r"level must be a number in \(0, 1\) \(got '0.9'\)"),
        ({"level": True}, r"level must be a number in \(0, 1\) \(got True\)"),
        ({"scale": "cubic"}, "scale must be one of 'linear', 'log', 'logit'"),
        ({"on_error": "ignore"}, r"on_error must be 'raise' or 'collect' \(got 'ignore'\)"),
        ({"model": "reports"}, "model"),
        ({"biases": "no"}, r"biases must be True or False \(got 'no'\)"),
        ({"difficulty": 1}, r"difficulty must be True or False \(got 1\)"),
        ({"dependence": 2.0}, r"dependence must lie in \[0, 1\] \(got 2\)"),
        ({"dependence": {("B", "C 3"): 0.5}}, "dependence must be a number in"),
        ({"unbiased": "B"}, r"unbiased must be a list of sources' names \(got 'B'\)"),
        ({"unbiased": 5}, "unbiased must be a list of sources' names"),
        ({"unbiased": ["b"]}, "unbiased: the table has no source 'b'; known: B"),
        ({"unbiased": ["B", "C 4"]}, "unbiased: the table has no source 'C 4'; known: B, C 3"),
        ({"unbiased": [["B"]]}, r"unbiased: the table has no source \['B'\]"),
        ({"sources": {"source": ["B"], "bais": [1.0]}}, "sources: there is no column 'bais'; did"),
        (
            {"truths": {"quantity": ["q0"], "truth": ["x"]}},
            "truths, row 1, truth: must be a number",
        ),
        ({"truths": {"quantity": ["q0"]}}, "truths: the column 'truth' is missing"),
        ({"truths": 5}, "truths must be a dict of arrays"),
        (
            {"scale": "logit", "truths": {"quantity": ["q0"], "truth": [1.5]}},
            "truths, quantity 'q0': truth=1.5 is impossible on the logit scale",
        ),
        ({"table": 5}, "table must be a dict of arrays or a data frame"),
        ({"table": {"quantity": [], "source": [], "value": []}}, "table: there are no claims"),
        ({"table": {"source": ["A"], "value": [1]}}, "the column 'quantity' is missing"),
        (
            {"table": {"quantity": ["q"], "source": ["A"], "form": ["at_least"], "value": [5]}},
            "no row can be learned from: bounds",
        ),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    table = {
        "quantity": ["q0", "q0", "q1", "q1"],
        "source": ["B", "C 3", "B", "C 3"],
        "value": [0.25, 0.375, 0.5, 0.4375],
        "sd": [0.1] * 4,
    }
    with pytest.raises(ReliabilityError, match=message):
        learn(**({"table": table, "law": "normal"} | arguments))


@pytest.mark.parametrize(
    ("half_life", "message"),
    [
        (0, r"half_life must be above 0 \(got 0\); leave it out to keep all evidence"),
        (-3.0, r"half_life must be above 0 \(got -3\)"),
        (float("nan"), "half_life must be above 0"),
        ("10", r"half_life must be a number of claims \(got '10'\)"),
        (True, r"half_life must be a number of claims \(got True\)"),
    ],
)
def test_wrong_half_lives(found: Learned, half_life: Any, message: str) -> None:
    with pytest.raises(ReliabilityError, match=message):
        found.update(simulated(4, 10)[0], half_life=half_life)


def test_wrong_updates(found: Learned) -> None:
    table, _ = simulated(4, 10)
    with pytest.raises(ReliabilityError, match="table, row 3, sd: must be above 0"):
        found.update(table | {"sd": np.where(np.arange(40) == 2, -1.0, 1.0)})
    with pytest.raises(ReliabilityError, match="truths: the column 'quantity' is missing"):
        found.update(table, {"truth": [1.0]})


def test_truths_without_claims_are_counted_and_names_are_compared_as_texts() -> None:
    table = {
        "quantity": [1, 1, 2, 2, 3, 3],
        "source": ["A", "B"] * 3,
        "value": [1.0, 1.5, 2.0, 2.5, 3.0, 2.5],
        "sd": [0.5] * 6,
    }
    truths = {"quantity": ["1", 2, 7, "x"], "truth": [1.1, 2.2, 7.7, 8.8]}
    found = learn(table, truths, law="normal")
    assert found.unused == 2
    assert found.identified
    truth = found.quantities["truth"]
    assert truth[:2].tolist() == [1.1, 2.2]
    assert np.isnan(truth[2])
    assert Learned.from_dict(found.to_dict()).unused == 2
