"""Files and folders as results: taken into the store whole, and read back as they were."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rivers import python_environment
from step_calls import handed, made, stored

from millstream.errors import StepError, StoreError
from millstream.kernel.records import Value
from millstream.kernel.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def value_of(store: Store, result: object) -> Value:
    """The value that a result is stored as."""
    artifact = stored(store, result)
    assert isinstance(artifact, Value)
    return artifact


def write_page() -> Path:
    path = Path("page.txt")
    path.write_text("hello", encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two files, one of them to be executed."""
    folder = tmp_path / "site"
    (folder / "inner" / "empty").mkdir(parents=True)
    (folder / "index.html").write_text("<p>")
    (folder / "inner" / "run").write_bytes(bytes(range(256)) * 100)
    (folder / "inner" / "run").chmod(0o755)
    return folder


def content_of(folder: Path) -> dict[str, tuple[bool, bytes | None]]:
    """Names, who may execute, and contents."""
    return {
        path.relative_to(folder).as_posix(): (bool(path.stat().st_mode & 0o100), path.read_bytes() if path.is_file() else None)
        for path in folder.rglob("*")
    }


def test_file_is_taken_where_it_was_written(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path counts from the folder of the process; the file stays there, its reader gets a copy that cannot be written."""
    monkeypatch.chdir(tmp_path)
    artifact = made(store, write_page)
    Path("page.txt").write_text("changed since", encoding="utf-8")

    read = handed(store, artifact, Path)

    assert (read.name, read.read_text(encoding="utf-8")) == ("page.txt", "hello")
    assert read.stat().st_mode & 0o222 == 0
    assert store.root in read.parents


def test_folder_comes_back(store: Store, folder: Path) -> None:
    """With empty folders, and what may be executed."""
    read = handed(store, stored(store, folder), Path)

    assert read.name == "site"
    assert content_of(read) == content_of(folder)


def test_digest_of_a_file_is_its_name_and_content(store: Store, tmp_path: Path) -> None:
    """Neither when it was written nor where."""
    places = [tmp_path / "a", tmp_path / "b"]
    for place in places:
        place.mkdir()
        (place / "same.bin").write_bytes(b"x" * 10_000)
    first, second = (value_of(store, place / "same.bin") for place in places)
    other = value_of(store, (places[0] / "same.bin").rename(places[0] / "other.bin"))

    assert first == second
    assert other.digest != first.digest


def test_copy_is_made_once_and_again_if_somebody_changed_it(store: Store, folder: Path) -> None:
    """In a new process it is compared with what was stored."""
    artifact = stored(store, folder)
    read = handed(store, artifact, Path)
    assert handed(store, artifact, Path) == read
    page = read / "index.html"
    page.chmod(0o644)
    page.write_text("changed")
    program = """
import sys
from pathlib import Path
from step_calls import handed, stored
from millstream.kernel.records import Value
from millstream.kernel.store import Store
store = Store(Path(sys.argv[1]))
print((handed(store, stored(store, Path(sys.argv[2])), Path) / "index.html").read_text())
"""

    answer = subprocess.run([sys.executable, "-c", program, store.root, folder], check=True, capture_output=True, text=True, env=python_environment())

    assert answer.stdout.strip() == "<p>"


def test_path_to_nothing_is_refused(store: Store) -> None:
    """With the folder from which it counts."""
    with pytest.raises(StepError, match=r"returned the path nowhere\.txt, where there is nothing") as caught:
        stored(store, Path("nowhere.txt"))

    assert str(Path.cwd()) in (caught.value.hint or "")


def test_link_to_a_folder_is_refused(store: Store, folder: Path) -> None:
    """It could lead round in a circle."""
    (folder / "loop").symlink_to(folder)

    with pytest.raises(StepError, match=r"returned a path with .*loop in it, which is no file and no folder"):
        stored(store, folder)


def test_damaged_file_is_found(store: Store, folder: Path) -> None:
    """When it is read, by who opens the store anew."""
    artifact = value_of(store, folder)
    assert artifact.file is not None
    store.path(artifact.file).write_bytes(b"broken")

    with pytest.raises(StoreError, match="was damaged and has been dropped"):
        handed(Store(store.root), artifact, Path)


def leftovers(store: Store) -> Iterator[Path]:
    """What is half written."""
    return store.root.rglob(".writing-*")


def test_nothing_half_written_stays(store: Store, folder: Path) -> None:
    """Neither of what was kept nor of what was refused."""
    handed(store, stored(store, folder), Path)
    (folder / "loop").symlink_to(folder)
    with pytest.raises(StepError):
        stored(store, folder)

    assert list(leftovers(store)) == []
