"""Examples that need an extra are run where it is installed."""

from importlib.util import find_spec

collect_ignore = (
    [] if all(map(find_spec, ("narwhals", "pandas", "polars", "pyarrow"))) else ["frames.md"]
)
