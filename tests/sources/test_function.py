"""Functions as sources: `since -> rows`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from rivers import Ran, run_river

from millstream.errors import SourceError

RIVER = """
import json
from datetime import datetime
from pathlib import Path

FOLDER = Path(__file__).parent


def fetch(since: datetime | None):
    (FOLDER / "asked.txt").open("a").write(f"{{since}}\\n")
    rows = json.loads((FOLDER / "rows.json").read_text())
    return {returned}


rows = ms.source(fetch, key="k"{options})
"""


def run(folder: Path, rows: object, *, returned: str = "rows", options: str = ', time="at"') -> Ran:
    """The rows that a function gives."""
    (folder / "rows.json").write_text(json.dumps(rows))
    return run_river(folder, RIVER.format(returned=returned, options=options)).answer()


def asked(folder: Path) -> list[str]:
    """With what the function was called."""
    return (folder / "asked.txt").read_text().splitlines()


def test_function_gets_the_newest_time_and_adds(tmp_path: Path) -> None:
    """None at first; then the newest time taken, in UTC, also if the function does not care."""
    first = [{"k": 1, "at": "2024-01-01T10:00:00+01:00"}]

    run(tmp_path, first)
    ran = run(tmp_path, [*first, {"k": 2, "at": "2024-01-02T10:00:00+01:00"}])

    assert asked(tmp_path) == ["None", "2024-01-01 09:00:00+00:00"]
    assert ran.frame("rows").rows() == [(1, datetime(2024, 1, 1, 9, tzinfo=UTC)), (2, datetime(2024, 1, 2, 9, tzinfo=UTC))]
    assert ran.step("rows").rows == 1


def test_function_without_a_time_replaces(tmp_path: Path) -> None:
    """It is always asked for all."""
    run(tmp_path, [{"k": 1}, {"k": 2}], options="")
    ran = run(tmp_path, [{"k": 2}], options="")

    assert asked(tmp_path) == ["None", "None"]
    assert ran.frame("rows").get_column("k").to_list() == [2]


@pytest.mark.parametrize(
    "returned",
    [
        "pl.DataFrame(rows).with_columns(pl.col('at').str.to_datetime())",
        "pl.DataFrame(rows).lazy()",
        "tuple(rows)",
        "[{**row, 'at': datetime.fromisoformat(row['at'])} for row in rows]",
    ],
)
def test_function_may_give_dictionaries_or_a_frame(tmp_path: Path, returned: str) -> None:
    """The text of a time is parsed in both."""
    ran = run(tmp_path, [{"k": 1, "at": "2024-01-01T10:00:00"}], returned=returned)

    assert ran.frame("rows").row(0) == (1, datetime(2024, 1, 1, 10, tzinfo=UTC))


def test_nothing_new(tmp_path: Path) -> None:
    """An empty list, an empty frame and None are no rows."""
    run(tmp_path, [{"k": 1, "at": "2024-01-01"}], returned="rows if since is None else [[], pl.DataFrame(), None][len(rows) - 1]")
    for size in (1, 2, 3):
        (tmp_path / "rows.json").write_text(json.dumps([{}] * size))
        assert run_river(tmp_path).answer().executed == ["rows"]


def test_edited_function_begins_anew(tmp_path: Path) -> None:
    """What it means is what the source is; a comment means nothing."""
    run(tmp_path, [{"k": 1, "at": "2024-01-01"}])
    run(tmp_path, [{"k": 1, "at": "2024-01-01"}], returned="rows  # as they are")
    run(tmp_path, [{"k": 1, "at": "2024-01-01"}], returned="rows[:1]")

    assert asked(tmp_path) == ["None", "2024-01-01 00:00:00+00:00", "None"]


def test_function_that_fails(tmp_path: Path) -> None:
    """The error names it and the line; what was taken before stays."""
    run(tmp_path, [{"k": 1, "at": "2024-01-01"}], returned="rows if rows else 1 / 0")

    with pytest.raises(SourceError, match="fetch: ZeroDivisionError: division by zero") as caught:
        run(tmp_path, [], returned="rows if rows else 1 / 0")

    assert caught.value.where == f"{tmp_path / 'river.py'}:16"


@pytest.mark.parametrize(
    ("returned", "said"), [("7", "fetch: returned a int"), ("['a']", "fetch: returned a list"), ("{'k': [1]}", "returned a dict")]
)
def test_function_that_gives_no_rows(tmp_path: Path, returned: str, said: str) -> None:
    """Is told what rows are."""
    with pytest.raises(SourceError, match=said) as caught:
        run(tmp_path, [], returned=returned)

    assert caught.value.hint == "return a list of dictionaries, or a polars frame"


def test_rows_that_are_no_table(tmp_path: Path) -> None:
    """An object in one row and a text in another have no type in common."""
    with pytest.raises(Exception, match="do not fit into one table") as caught:
        run(tmp_path, [{"k": 1, "x": {"a": 1}}, {"k": 2, "x": "a"}], options="")

    assert str(tmp_path / "river.py") in str(caught.value)


def test_versions_of_packages_begin_nothing_anew(tmp_path: Path) -> None:
    """What was taken may never be given again, so an upgrade keeps it."""
    returned = "pl.DataFrame(rows)"
    run(tmp_path, [{"k": 1, "at": "2024-01-01"}], returned=returned)
    operation = next(node.operation for node in run_river(tmp_path).progress.artifacts)

    names = {cause.name for cause in operation.meaning}  # type: ignore[attr-defined]

    assert "river.fetch" in names
    assert names & {"polars", "polars-runtime-32", "python"} == set()
    assert isinstance(pl.__version__, str)
