"""Databases: SQLite is read, others say so, and none is written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from rivers import Ran, day, run_river, train_models, write_parcels

import millstream as ms
from millstream.errors import DeclarationError, SourceError
from millstream.maintenance.maintain import look
from millstream.serving.predict import predict_open

SCHEMA = """
CREATE TABLE contracts (
    site_name TEXT, hours INTEGER, price REAL, active BOOLEAN, signed DATE, changed TIMESTAMP, note, scan BLOB, "odd ""name" VARCHAR(9)
);
INSERT INTO contracts VALUES ('A', 4, 2, 1, '2024-01-31', '2024-02-01 10:00:00', NULL, x'00ff', 'x');
INSERT INTO contracts VALUES ('B', NULL, NULL, NULL, NULL, NULL, 7, NULL, '2024-01-01');
CREATE VIEW short AS SELECT site_name, hours FROM contracts;
CREATE TABLE empty (site_name TEXT, hours INTEGER);
"""


def write(folder: Path, script: str = SCHEMA) -> None:
    """Change the database."""
    (folder / "data").mkdir(exist_ok=True)
    with closing(sqlite3.connect(folder / "data" / "crm.db")) as database:
        database.executescript(script)


def run(folder: Path, table: str = "contracts", options: str = "") -> Ran:
    """The rows of a table."""
    return run_river(folder, f'rows = ms.source("sqlite:///data/crm.db", table="{table}"{options})').answer()


def test_table_has_the_types_it_declares(tmp_path: Path) -> None:
    """Dates and moments are parsed where they are declared; text stays text."""
    write(tmp_path)

    frame = run(tmp_path, options=', key="site_name"').frame("rows")

    assert frame.row(0) == ("A", 4, 2.0, True, date(2024, 1, 31), datetime(2024, 2, 1, 10), None, b"\x00\xff", "x")
    assert frame.row(1) == ("B", None, None, None, None, None, 7, None, "2024-01-01")
    assert frame.dtypes[:6] == [pl.String(), pl.Int64(), pl.Float64(), pl.Boolean(), pl.Date(), pl.Datetime("us")]


def test_view_and_empty_table(tmp_path: Path) -> None:
    """A view is read like a table; no rows have types too."""
    write(tmp_path)

    assert run(tmp_path, "short").frame("rows").rows() == [("A", 4), ("B", None)]
    assert dict(run(tmp_path, "main.empty").frame("rows").schema) == {"site_name": pl.String(), "hours": pl.Int64()}


def test_change_is_a_new_snapshot(tmp_path: Path) -> None:
    """And the same again is none; times of a zone are those of that clock."""
    write(tmp_path)
    options = ', time="changed", tz="Europe/Paris"'
    run(tmp_path, options=options)
    assert run(tmp_path, options=options).executed == ["rows"]

    write(tmp_path, "UPDATE contracts SET changed = '2024-07-01 10:00:00' WHERE site_name = 'B'")

    moments = run(tmp_path, options=options).frame("rows").get_column("changed").to_list()
    assert moments == [datetime(2024, 2, 1, 9, tzinfo=UTC), datetime(2024, 7, 1, 8, tzinfo=UTC)]


def test_database_is_only_read(tmp_path: Path) -> None:
    """Not even a file that is not there is made."""
    (tmp_path / "data").mkdir()

    with pytest.raises(SourceError, match="there is no file"):
        run(tmp_path)

    assert list((tmp_path / "data").iterdir()) == []


def test_misspelt_table(tmp_path: Path) -> None:
    """The error proposes the right one, and says where the source is."""
    write(tmp_path)

    with pytest.raises(SourceError, match=r"crm\.db has no table 'contract'") as caught:
        run(tmp_path, "contract")

    assert caught.value.hint == "did you mean 'contracts'?"
    assert caught.value.where == f"{tmp_path / 'river.py'}:5"


def test_column_of_mixed_values(tmp_path: Path) -> None:
    """SQLite stores a text in a column of numbers; a table has one type."""
    write(tmp_path)
    write(tmp_path, "UPDATE contracts SET hours = 'many' WHERE site_name = 'B'")

    with pytest.raises(SourceError, match=r"column 'hours' \(INTEGER\) holds int, str"):
        run(tmp_path)


def test_file_that_is_no_database(tmp_path: Path) -> None:
    """One sentence."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "crm.db").write_bytes(b"no database" * 100)

    with pytest.raises(SourceError, match=r"crm\.db: file is not a database"):
        run(tmp_path)


def test_declared_database_is_refused_when_it_is_read(tmp_path: Path) -> None:
    """Not before: a graph with it builds."""
    river = 'rows = ms.source("postgresql://ops", table="weather.hourly", key="origin", time="observed", delay="20m")'

    with pytest.raises(SourceError, match="this version does not read postgresql:// yet, a later one will with the extra 'postgres'") as caught:
        run_river(tmp_path, river).answer()

    assert caught.value.where == f"{tmp_path / 'river.py'}:5"


def test_batch_into_a_database_is_refused_before_anything_is_answered(tmp_path: Path) -> None:
    """Nothing is on record as answered that nobody got."""
    sink = 'ms.deploy(delays, batch=ms.sink("postgresql://ops", table="delays", mode="upsert"), accept=ms.gate.better())'
    file = write_parcels(tmp_path, {"ms.deploy(delays, accept=ms.gate.better())": sink}, days=40)
    project = train_models(file, as_of=day(30))

    present = look(project.workspace, project.life("delays"), as_of=day(31))
    with pytest.raises(SourceError, match="this version does not write into databases yet"):
        predict_open(project.workspace, "delays", present.rows, project.deployment("delays"))

    assert not (tmp_path / ".millstream" / "batches").exists()
    assert not (tmp_path / "postgresql:").exists()


@pytest.mark.parametrize(
    ("address", "table", "said"),
    [
        ("postgresql://ops", None, "which table of postgresql://ops?"),
        ("data/rows.csv", "rows", "data/rows.csv is no database"),
        ("postgres://ops", "rows", "nothing is known of postgres://"),
        ("sqlite://data/crm.db", "rows", "names a server, but SQLite has a file"),
        ("postgresql://ann:hush@ops/db", "rows", "holds a user or a password"),
    ],
)
def test_address_and_table_fit(address: str, table: str | None, said: str) -> None:
    """Refused where it is written; a secret is not repeated."""
    for declare in (ms.source, ms.sink):
        with pytest.raises(DeclarationError) as caught:
            declare(address, table=table)

        assert said in str(caught.value)
        assert "hush" not in str(caught.value)


def test_files_are_not_upserted() -> None:
    """A folder has no rows to replace one by one."""
    with pytest.raises(DeclarationError, match="files have no rows to replace"):
        ms.sink("data/out", mode="upsert")

    assert repr(ms.sink("postgresql://ops", table="out", mode="upsert")) == "<sink postgresql://ops out: declared, not run>"
