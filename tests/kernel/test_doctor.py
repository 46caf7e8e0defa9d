"""The doctor: whatever is wrong with a store is found and named, what can be mended is, and nothing that is whole is touched."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from textwrap import dedent

import msgspec
import polars as pl
import pytest
from rivers import Ran, run_python, run_river
from stored import UNTIMED, large, public_folder, put, put_value, stored_files

from millstream.errors import StoreError
from millstream.kernel import disk, doctor
from millstream.kernel.damage import find_damage
from millstream.kernel.doctor import Finding, examine
from millstream.kernel.ledger import Ledger
from millstream.kernel.locks import in_use
from millstream.kernel.store import Found, Store, files_of

RIVER = """
data = ms.source("data.parquet", time="at")

@ms.step(data)
def twice(data: pl.LazyFrame) -> pl.LazyFrame:
    return data.with_columns(k=pl.col("k") * 2, word=pl.lit("a") + pl.col("k").cast(pl.String))

@ms.step(twice)
def few(twice: pl.LazyFrame) -> pl.LazyFrame:
    return twice.head(3)
"""
DAMAGES: dict[str, Callable[[Path], object]] = {
    "a bit": lambda path: path.write_bytes(path.read_bytes()[:100] + bytes([path.read_bytes()[100] ^ 1]) + path.read_bytes()[101:]),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-10]),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
    "a link": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
}


@pytest.fixture
def ran(tmp_path: Path) -> Ran:
    """A river that ran over six days."""
    rows = pl.DataFrame({"k": range(6_000)}).with_columns(at=pl.datetime(2024, 1, 1, time_zone="UTC") + pl.duration(minutes=pl.col("k") * 1.4))
    rows.write_parquet(tmp_path / "data.parquet")
    return run_river(tmp_path, RIVER).answer()


@pytest.fixture
def public() -> Generator[Path]:
    with public_folder() as folder:
        yield folder


def look(root: Path, *, fix: bool = False) -> list[Finding]:
    """All that is found."""
    return examine(root, formats={"feedback.sqlite": 1}, fix=fix)


def wrong(root: Path) -> list[Finding]:
    """What is serious."""
    return [each for each in look(root) if each.serious]


def root_of(ran: Ran) -> Path:
    """The folder of the store."""
    return ran.project.folder


def file_of(ran: Ran, step: str) -> Path:
    """The file of a step that has one."""
    others = files_of(ran.artifact("data"))
    (name,) = files_of(ran.artifact(step)) - (others if step != "data" else set())
    return ran.project.store.path(name)


# all is well


def test_sound_store(ran: Ran) -> None:
    """Nothing is found, and nothing is changed by looking or mending."""
    before = {path: path.read_bytes() for path in stored_files(ran.project.store)}

    assert look(root_of(ran)) == []
    assert look(root_of(ran), fix=True) == []

    assert {path: path.read_bytes() for path in stored_files(ran.project.store)} == before
    assert run_river(root_of(ran).parent).answer().executed == []


def test_looking_disturbs_nobody(ran: Ran) -> None:
    """Others may use the store; to mend it, it must be had alone."""
    with in_use(root_of(ran)):
        assert look(root_of(ran)) == []
        with pytest.raises(StoreError, match="is in use"):
            look(root_of(ran), fix=True)


# damage


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_file_is_found_and_mended(ran: Ran, damage: Callable[[Path], object]) -> None:
    """With the step that it belongs to; mended, the next run makes it anew and nothing else."""
    damage(file_of(ran, "twice"))

    (found,) = wrong(root_of(ran))
    assert found.subject == f"stored file {file_of(ran, 'twice').name[:16]}…"
    assert found.message.endswith(": it held 1 result of twice")
    assert "--fix" in found.hint

    mended = [each for each in look(root_of(ran), fix=True) if each.serious]
    assert mended == [msgspec.structs.replace(found, mended=True)]
    again = run_river(root_of(ran).parent).answer()
    assert (again.executed, again.step("twice").why) == (["twice"], "its stored result was gone")
    assert again.frame("twice").equals(ran.frame("twice"))


def test_damaged_value_is_found(ran: Ran) -> None:
    """A value in a file, and values and tables in the records themselves."""
    store = ran.project.store
    value, small = put_value(store, b"x" * 9_000), put_value(store, b"x")
    store.record({"value": Found(value), "small": Found(msgspec.structs.replace(small, inline=b"y"))})
    store.path(str(value.file)).write_bytes(b"y" * 9_000)
    store.index.execute("UPDATE results SET artifact = substr(artifact, 1, 50) WHERE key NOT IN ('value', 'small')")

    damage = find_damage(store)

    assert (list(damage.files), damage.holding[str(value.file)]) == ([value.file], ["value"])
    assert damage.results.keys() >= {"small"}
    assert len(damage.results) == 4


def test_every_column_and_day_is_looked_at(tmp_path: Path) -> None:
    """Also in a file that no result holds, and what the index does not vouch for."""
    store = Store(tmp_path)
    table = put(store, large(), UNTIMED)
    path = store.path(*files_of(table))
    changed = large().with_columns(word=pl.when(pl.col("n") == 1_999).then(pl.lit("other")).otherwise("word"))
    path.unlink()
    changed.write_parquet(path)
    store.index.execute("UPDATE files SET size = ?", (path.stat().st_size,))
    assert list(find_damage(store).files) == [path.name]

    store.index.execute("DELETE FROM columns")
    assert find_damage(store).files == {}

    store.record({"key": Found(table)})
    assert list(find_damage(store).files) == [path.name]


def test_folder_in_place_of_a_file(ran: Ran) -> None:
    """It is told, and left to who put it there."""
    file_of(ran, "twice").unlink()
    file_of(ran, "twice").mkdir()

    (found,) = [each for each in look(root_of(ran), fix=True) if each.serious]

    assert (found.message, found.mended) == ("it cannot be read (it is a folder): it held 1 result of twice", False)


def test_what_cannot_be_read_is_kept(tmp_path: Path) -> None:
    """It may be whole: mending does not drop it."""
    store = Store(tmp_path / "store")
    Ledger(tmp_path / "store" / "ledger.sqlite")
    path = store.path(*files_of(put(store, large(), UNTIMED)))
    outside = path.parent.rename(tmp_path / "outside")
    path.parent.symlink_to(outside)

    (found,) = [each for each in look(store.root, fix=True) if each.serious]

    assert (found.message, found.mended) == ("it cannot be read (it lies behind a link), but it held no result", False)
    assert (outside / path.name).exists()


def test_pins_that_lost_something(ran: Ran) -> None:
    """Who needs what is damaged or gone is named."""
    (keys,) = (keys for node, keys in ran.progress.keys.items() if node.name == "twice")
    ran.project.store.pin("twice@7", keys)
    file_of(ran, "twice").unlink()

    assert wrong(root_of(ran))[0].message == "it is gone: it held 1 result of twice, needed by twice@7"
    look(root_of(ran), fix=True)

    (left,) = look(root_of(ran))
    assert (left.subject, left.serious) == ("twice@7", False)


# what is nobody's


def test_files_that_are_nobodys(ran: Ran) -> None:
    """What is called as ours are is removed; what is not, or lies elsewhere, is named and left."""
    objects = ran.project.store.objects
    ours = objects / "ab" / f"{'ab' * 32}.bin"
    ours.parent.mkdir(exist_ok=True)
    ours.write_bytes(b"x")
    half = objects / ".writing" / ("0" * 32)
    half.write_bytes(b"y")
    foreign = [objects / "notes.txt", objects / "ab" / "notes.txt", objects / f"{'cd' * 32}.bin"]
    for path in foreign:
        path.write_bytes(b"z")
    (objects / "link").symlink_to("/")

    mended, left = look(root_of(ran), fix=True)

    assert mended.message.startswith("1 file not on record and 1 half-written take")
    assert left.message == f"there is what millstream has not put there: ab/notes.txt, {foreign[2].name}, link and 1 more"
    assert not ours.exists()
    assert not half.exists()
    assert all(path.exists() for path in foreign)


def test_dropped_files_are_no_damage(ran: Ran) -> None:
    """A result whose file was dropped is made anew when it is needed; until then a note says so."""
    ran.project.store.forget(file_of(ran, "twice").name)

    (found,) = look(root_of(ran))

    assert (found.serious, found.message) == (False, "a file was dropped or deleted: it held 1 result of twice")
    assert look(root_of(ran), fix=True)[0].mended
    assert look(root_of(ran)) == []


def test_killed_run(ran: Ran) -> None:
    """It is told, and mending writes it down."""
    code = """
    import os, sys
    from pathlib import Path
    from millstream.kernel.ledger import Ledger
    print(Ledger(Path(sys.argv[1])).begin(as_of=0, command="run", environment={}, settings={}), flush=True)
    os.kill(os.getpid(), 9)
    """
    run = run_python(code, str(root_of(ran) / "ledger.sqlite")).stdout.strip()

    (found,) = look(root_of(ran), fix=True)

    assert (found.subject, found.message) == ("ledger.sqlite", f"1 run was killed: {run}; what was finished is kept")
    assert not found.serious
    assert look(root_of(ran)) == []
    assert ran.project.ledger.runs()[0]["status"] == "killed"


# folder, disk and databases


def test_damaged_database(ran: Ran) -> None:
    """Nothing else is looked at, and nothing is mended, before it is put right."""
    (root_of(ran) / "replays" / "one").mkdir(parents=True)
    Ledger(root_of(ran) / "replays" / "one" / "ledger.sqlite").database.rows("PRAGMA user_version = 99")
    ran.project.store.index.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(root_of(ran), root_of(ran).parent / "copy")
    copy = root_of(ran).parent / "copy"
    (copy / "index.sqlite").write_bytes(b"no database at all" * 1_000)
    file_of(ran, "twice").unlink()

    found = look(copy, fix=True)

    assert [(each.subject, each.serious) for each in found] == [("index.sqlite", True), ("replays/one/ledger.sqlite", True), ("copy", False)]
    assert found[0].message.startswith("it is damaged: ")
    assert "newer millstream (format 99" in found[1].message


def test_little_space(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told before it is too late."""
    monkeypatch.setattr(doctor, "ENOUGH", 2**80)
    (found,) = look(root_of(ran))
    assert found.message.startswith("its disk has only")
    assert not found.serious

    monkeypatch.setattr(doctor, "LEAST", 2**79)
    assert look(root_of(ran))[0].serious


@pytest.mark.parametrize(("kind", "told"), [("nfs4", True), ("fuse.sshfs", True), ("ext4", False)])
def test_disk_of_another_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, told: bool) -> None:
    """Where it is mounted, whatever its name: locks of one machine may mean nothing to another."""
    root = tmp_path / "my disk" / "store"
    Store(root)
    Ledger(root / "ledger.sqlite")
    place = str(root.parent).replace(" ", r"\040")
    (tmp_path / "mounts").write_text(f"/dev/vda / ext4 rw 0 0\nserver:/x {place} {kind} rw 0 0\n", encoding="utf-8")
    monkeypatch.setattr(disk, "MOUNTS", tmp_path / "mounts")

    assert [(each.message.partition(",")[0], each.serious) for each in look(root)] == [(f"it lies on another machine ({kind})", False)] * told


@pytest.mark.parametrize("leaving", ["", "os._exit(0)"], ids=["closed", "killed"])
def test_folder_that_may_not_be_written(public: Path, leaving: str) -> None:
    """That is told before anything else is looked at; whole databases are not called damaged, also after a kill."""
    made = """
    import os, sys
    from pathlib import Path
    from millstream.kernel.ledger import Ledger
    from millstream.kernel.store import Store
    store, ledger = Store(Path(sys.argv[1])), Ledger(Path(sys.argv[1]) / "ledger.sqlite")
    store.set_note("name", b"value")
    """
    code = """
    import os, sys
    from pathlib import Path
    from millstream.kernel.doctor import examine
    if os.getuid() == 0:
        os.setuid(65534)
    for each in examine(Path(sys.argv[1]), formats={}):
        print(each.serious, each.message.replace(sys.argv[1], "ROOT"))
    """
    assert run_python(f"{dedent(made)}{leaving}", str(public)).returncode == 0
    public.chmod(0o555)
    said = run_python(code, str(public)).stdout.splitlines()
    public.chmod(0o755)

    assert said == ["True cannot write to ROOT: permission is denied", "False nothing else of it was looked at"]
