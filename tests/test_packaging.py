"""The package as a whole: imports point one way, the import is light, the names are public."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import reliability

PACKAGE = Path(reliability.__file__).parent

#: Modules from the lowest to the highest. A module imports, when it is loaded, only modules of
#: the lines above its own, or of its own line; imports inside functions are exempt, for they
#: are how results reach their texts and pictures.
LAYERS = (
    "errors",
    "scales tails student_t",
    "claims claims.* grades numbers words",
    "shares pairs priors parts",
    "foreign_priors",
    "tables tables.*",
    "engine engine.*",
    "models posterior",
    "settings preparation prepared forest",
    "combination",
    "over_time",
    "batch learning learning.* scores scores.* comparators comparators.*",
    "pieces",
    "many",
    "io frames report source_report model_text interchange",
    "what_if sensitivity",
    "plots plots.* dask strategies",
    "html_report",
    "demo commands",
    "__main__",
)


def modules() -> dict[str, Path]:
    """Every module of the package, by its name below ``reliability``."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found[name] = path
    return found


def layer(name: str) -> int:
    package = f"{name.partition('.')[0]}.*"
    for height, names in enumerate(LAYERS):
        if name in names.split() or package in names.split():
            return height
    raise AssertionError(f"{name} has no place in LAYERS")


def is_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imported(path: Path) -> set[str]:
    """Modules of the package that a module imports when it is loaded."""
    names: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop()
        if is_for_types(node) or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = str(node.module)
            names |= {
                f"{module}.{alias.name}" if f"{module}.{alias.name}" in known else module
                for alias in node.names
            }
        pending += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
    return {name.removeprefix("reliability.") for name in names if name.startswith("reliability.")}


known = {f"reliability.{name}" for name in modules()}


@pytest.mark.parametrize("name", list(modules()))
def test_imports_point_one_way(name: str) -> None:
    for other in imported(modules()[name]):
        assert layer(other) <= layer(name), f"reliability.{name} imports reliability.{other}"


def test_nothing_imports_in_a_circle() -> None:
    """Within one layer too: every module can be loaded first."""
    graph = {name: imported(path) for name, path in modules().items()}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join([*above, name])
        if name not in done:
            for other in graph[name]:
                visit(other, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}; import sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(  # noqa: S603  # this very interpreter
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    return set(json.loads(done.stdout))


def test_import_is_light() -> None:
    found = loaded_after("import reliability")
    heavy = {"scipy.stats", "scipy.integrate", "scipy.interpolate", "matplotlib", "hypothesis"}
    heavy |= {"pandas", "polars", "pyarrow", "dask", "mpmath", "reliability.plots"}
    assert not found & heavy


@pytest.mark.parametrize(
    "module", ["plots", "report", "io", "demo", "__main__", "strategies", "scores"]
)
def test_modules_load_their_extras_only_when_used(module: str) -> None:
    found = loaded_after(f"import reliability.{module}")
    assert not found & {"matplotlib", "hypothesis", "scipy.stats"}


def test_public_names() -> None:
    assert sorted(reliability.__all__, key=str.lower) == sorted(
        set(reliability.__all__), key=str.lower
    )
    for name in reliability.__all__:
        assert getattr(reliability, name) is not None
    wanted = {"Source", "Claim", "Estimate", "Range", "Quantiles", "AtLeast", "AtMost", "About"}
    wanted |= {
        "read",
        "Model",
        "Floor",
        "Wide",
        "Heavy",
        "Void",
        "priors",
        "combine",
        "Combination",
    }
    wanted |= {"Posterior", "ReliabilityError"}
    assert wanted <= set(reliability.__all__)


@pytest.mark.parametrize("name", list(modules()))
def test_every_module_says_what_it_exports(name: str) -> None:
    if name == "__main__" or name in {"claims", "engine", "learning"}:
        return
    module = importlib.import_module(f"reliability.{name}")
    assert module.__doc__
    for exported in getattr(module, "__all__", ()):
        assert hasattr(module, exported), exported


def test_types_are_published() -> None:
    assert (PACKAGE / "py.typed").exists()
    assert reliability.__version__.count(".") == 2
