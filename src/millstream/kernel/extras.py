"""Libraries that only some files need: loaded when something asks for them, and missed in one sentence."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from typing import Any

from millstream.errors import ConfigurationError

EXTRAS = {"duckdb": "sql", "pandas": "pandas", "pyarrow": "pandas"}
"""The extra of millstream that brings each library."""


def require(libraries: Iterable[str], asks: str, *, where: str | None = None) -> None:
    """Raise ConfigurationError if a library is not installed; `asks` says what needs it. Nothing is loaded."""
    missing = next((each for each in libraries if not _is_there(each)), None)
    if missing is not None:
        raise ConfigurationError(f"{asks}, which needs {missing}: it is not installed", where=where, hint=installing(missing))


def installing(library: str) -> str | None:
    """The command that installs a library, if an extra of millstream brings it."""
    return f"pip install 'millstream[{EXTRAS[library]}]'" if library in EXTRAS else None


def load_duckdb() -> Any:  # noqa: ANN401  the module
    """The library duckdb; raises ConfigurationError if it is not installed."""
    require(["duckdb"], "a query is asked for")
    import duckdb  # noqa: PLC0415  # pyright: ignore[reportMissingImports]

    module: Any = duckdb
    return module


def load_pandas() -> Any:  # noqa: ANN401  the module
    """The library pandas; raises ConfigurationError if it is not installed."""
    require(["pandas"], "a frame of pandas is asked for")
    import pandas as pd  # noqa: PLC0415  # pyright: ignore[reportMissingImports]

    module: Any = pd
    return module


def load_pyarrow() -> Any:  # noqa: ANN401  the module
    """The library pyarrow; raises ConfigurationError if it is not installed."""
    require(["pyarrow"], "a table of Arrow is asked for")
    import pyarrow as pa  # noqa: PLC0415  # pyright: ignore[reportMissingImports]

    module: Any = pa
    return module


def _is_there(library: str) -> bool:
    return sys.modules.get(library) is not None or importlib.util.find_spec(library) is not None
