"""Files as sources: what they are read as, and what is said when they cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest
from rivers import Ran, run_river

from millstream.errors import SourceError
from millstream.kernel.store import Store
from millstream.sources.files import file_digest, find_files, read_file

SOURCE = 'rows = ms.source("{address}"{options})\n'


def run(folder: Path, address: str, options: str = "") -> Ran:
    """A river of one source."""
    return run_river(folder, SOURCE.format(address=address, options=options)).answer()


def names(found: list[Path]) -> list[str]:
    """The names of files."""
    return [path.name for path in found]


def test_csv_dates_and_times_are_parsed(tmp_path: Path) -> None:
    """ISO dates and times become dates and times; what only looks a little like one stays text."""
    rows = ["2024-01-31,2024-01-31T10:00:00,2024-01-31T10:00:00Z,31.1.,1,1.5,true", "2024-02-01,2024-02-01 11:30:00,2024-02-01T11:30:00Z,,,,"]
    (tmp_path / "a.csv").write_text("\n".join(["day,at,zoned,word,n,x,yes", *rows, ""]))

    frame = read_file(tmp_path / "a.csv", where="")

    zoned = frame.schema["zoned"]
    assert frame.dtypes[:2] == [pl.Date(), pl.Datetime("us")]
    assert isinstance(zoned, pl.Datetime)
    assert zoned.time_zone == "UTC"
    assert frame.dtypes[3:] == [pl.String(), pl.Int64(), pl.Float64(), pl.Boolean()]
    assert frame.row(1)[3:] == (None, None, None, None)


def test_csv_types_come_from_all_rows(tmp_path: Path) -> None:
    """A fraction or a word in the last of many rows counts."""
    rows = [f"{number},{number},2024-01-01" for number in range(20_000)]
    (tmp_path / "a.csv").write_text("\n".join(["x,code,day", *rows, "0.5,A7,unknown", ""]))

    frame = read_file(tmp_path / "a.csv", where="")

    assert frame.dtypes == [pl.Float64(), pl.String(), pl.String()]
    assert frame.row(-1) == (0.5, "A7", "unknown")


def test_kinds_of_files(tmp_path: Path) -> None:
    """Each is read by its ending."""
    frame = pl.DataFrame({"k": [1, 2], "word": ["a", None]})
    frame.write_csv(tmp_path / "a.csv")
    frame.write_csv(tmp_path / "a.tsv", separator="\t")
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ndjson(tmp_path / "a.ndjson")

    assert all(read_file(path, where="").equals(frame) for path in tmp_path.iterdir())


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    """With those that are known."""
    (tmp_path / "a.xlsx").touch()

    with pytest.raises(SourceError, match=r"'\.xlsx' cannot be read") as caught:
        read_file(tmp_path / "a.xlsx", where="river.py:4")

    assert "known are .parquet, .csv" in str(caught.value)


@pytest.mark.parametrize(("name", "content"), [("a.parquet", b"PAR1 no"), ("a.csv", b""), ("a.csv", b"a,b\n1,2,3\n"), ("a.ndjson", b"{")])
def test_broken_file(tmp_path: Path, name: str, content: bytes) -> None:
    """One line about the file and where it is declared, and exit code 4."""
    (tmp_path / name).write_bytes(content)

    with pytest.raises(SourceError, match=f"{name} cannot be read") as caught:
        run(tmp_path, name)

    assert caught.value.exit_code == 4
    assert caught.value.where == f"{tmp_path / 'river.py'}:5"
    assert len(str(caught.value).splitlines()) <= 8


def test_missing_file(tmp_path: Path) -> None:
    """The error proposes the one that is there."""
    (tmp_path / "payments.csv").write_text("k\n1\n")

    with pytest.raises(SourceError, match=r"there is no file 'paymnets\.csv'") as caught:
        run(tmp_path, "paymnets.csv")

    assert caught.value.exit_code == 4
    assert caught.value.hint == "did you mean 'payments.csv'?"
    assert caught.value.where == f"{tmp_path / 'river.py'}:5"


def test_missing_file_like_no_other(tmp_path: Path) -> None:
    """The error says from where paths count."""
    with pytest.raises(SourceError) as caught:
        run(tmp_path, "somewhere/else.csv")

    assert caught.value.hint == f"relative paths count from {tmp_path}"


def test_folder_and_pattern(tmp_path: Path) -> None:
    """In the order of their names; what is no data is passed over."""
    for name in ("b.csv", "a.csv", "c.parquet", "README.md", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "d.csv").touch()

    assert names(find_files(".", tmp_path, where="")) == ["a.csv", "b.csv", "c.parquet"]
    assert names(find_files("*.csv", tmp_path, where="")) == ["a.csv", "b.csv"]
    assert names(find_files("**/*.csv", tmp_path, where="")) == ["a.csv", "b.csv", "d.csv"]


def test_absolute_paths(tmp_path: Path) -> None:
    """A file, a folder and a pattern may lie anywhere."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").touch()

    for address in ("data/a.csv", "data", "data/*.csv"):
        assert names(find_files(str(tmp_path / address), tmp_path / "elsewhere", where="")) == ["a.csv"]


@pytest.mark.parametrize("address", [".", "*.csv", "a.csv"])
def test_nothing_there(tmp_path: Path, address: str) -> None:
    """An empty folder or a pattern that nothing fits is an error too."""
    with pytest.raises(SourceError, match="there is no file"):
        find_files(address, tmp_path, where="")


def test_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    """Whatever the file is called, and whenever it was written."""
    store = Store(tmp_path / "store")
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"same")
    os.utime(tmp_path / "b", (1, 1))

    assert file_digest(store, tmp_path / "a") == file_digest(store, tmp_path / "b")


def test_digest_sees_a_change_that_keeps_size_and_time(tmp_path: Path) -> None:
    """As `cp -p` and `rsync --times --inplace` make it."""
    store, path = Store(tmp_path / "store"), tmp_path / "a"
    path.write_bytes(b"one")
    status, before = path.stat(), file_digest(store, path)

    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert file_digest(store, path) != before
