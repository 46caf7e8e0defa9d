"""What a service has given is kept, and what is new is added to it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from rivers import Ran, python_environment, run_river, targets_of, write_river
from services import Reply, serving

from millstream.errors import MillstreamError, SourceError
from millstream.kernel.store import files_of
from millstream.maintenance.gc import collect
from millstream.project import Project
from millstream.sources.history import now

Records = list[dict[str, object]]


def river(url: str, options: str = "", facts: str = 'key="k", time="at"') -> str:
    """A source that is a service, and a step that reads it."""
    return f"""
rows = ms.source(ms.rest.api("{url}/rows"{options}), {facts})


@ms.step(rows)
def copy(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows
"""


def ids(ran: Ran, step: str = "copy") -> list[int]:
    """The keys of the visible rows."""
    return ran.frame(step).get_column("k").to_list()


def keys(ran: Ran) -> tuple[str, ...]:
    """The cache keys of the source's units."""
    return next(keys for node, keys in ran.progress.keys.items() if node.name == "rows")


def test_secret_is_nowhere_but_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the store, the ledger, or what a failing run prints."""
    monkeypatch.setenv("SHOP_TOKEN", "hush-hush")
    (tmp_path / "pyproject.toml").write_text('[tool.millstream.connections.shop]\ntoken = "$SHOP_TOKEN"\n')
    options = ', auth=ms.rest.bearer("shop")'

    with serving([Reply([{"k": 1, "at": "2024-01-01"}]), Reply(status=401)]) as service:
        run_river(tmp_path, river(service.url, options)).answer()
        command = [sys.executable, "-m", "millstream.cli.main", "run", str(tmp_path / "river.py")]
        failed = subprocess.run(command, env=python_environment(), capture_output=True, text=True, check=False)

    assert [each.headers["authorization"] for each in service.asked] == ["Bearer hush-hush"] * 2
    assert "answers 401 Unauthorized" in failed.stderr
    assert f"river.py:{5 + 1}" in failed.stderr
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"hush-hush" not in written + failed.stderr.encode() + failed.stdout.encode()


def test_without_since_each_reading_replaces(tmp_path: Path) -> None:
    """What is gone is gone; the same again is no new snapshot."""
    first, second = [{"k": 1, "at": "2024-01-01"}, {"k": 2, "at": "2024-01-02"}], [{"k": 2, "at": "2024-01-02"}]

    with serving([Reply(first), Reply(first), Reply(second)]) as service:
        assert ids(run_river(tmp_path, river(service.url)).answer()) == [1, 2]
        assert run_river(tmp_path).answer().executed == ["rows"]
        replaced = run_river(tmp_path).answer()

    assert ids(replaced) == [2]
    assert replaced.step("copy").why == "rows: 1 day gone (2024-01-01), 1 row fewer"
    assert service.queries() == [{}, {}, {}]


def test_since_gets_the_newest_time_and_adds(tmp_path: Path) -> None:
    """New rows are added to those taken before; only their days are new."""
    replies = [Reply([{"k": 1, "at": "2024-01-01T10:00:00Z"}]), Reply([{"k": 2, "at": "2024-01-02T00:00:00.5+01:00"}]), Reply([])]

    with serving(replies) as service:
        first = run_river(tmp_path, river(service.url, ', since="after"')).answer()
        second = run_river(tmp_path).answer()
        third = run_river(tmp_path).answer()

    assert [ids(each) for each in (first, second, third)] == [[1], [1, 2], [1, 2]]
    assert service.queries() == [{}, {"after": "2024-01-01T10:00:00Z"}, {"after": "2024-01-01T23:00:00.500000Z"}]
    assert (second.step("rows").rows, second.step("copy").why) == (1, "rows: 1 day changed (2024-01-01), 1 row more")
    assert (third.executed, third.step("rows").rows) == (["rows"], 0)


def test_what_is_sent_twice_is_taken_once(tmp_path: Path) -> None:
    """A service may count the border in; a row that differs in anything is a correction, and kept."""
    old = {"k": 1, "at": "2024-01-01T10:00:00Z", "x": None, "tags": ["a"]}
    corrected = {**old, "x": 1}

    with serving([Reply([old]), Reply([old, corrected]), Reply([old, corrected])]) as service:
        run_river(tmp_path, river(service.url, ', since="after"')).answer()
        ran = run_river(tmp_path).answer()
        assert run_river(tmp_path).answer().executed == ["rows"]

    assert ran.frame("copy").get_column("x").to_list() == [None, 1]


def test_what_one_answer_holds_twice_stays_twice(tmp_path: Path) -> None:
    """Only what was taken before is passed over."""
    row = {"k": 1, "at": "2024-01-01"}

    with serving([Reply([row, row])]) as service:
        assert ids(run_river(tmp_path, river(service.url, ', since="after"')).answer()) == [1, 1]
        assert run_river(tmp_path).answer().executed == ["rows"]


def test_two_processes_take_everything_once(tmp_path: Path) -> None:
    """One after the other: the second goes on where the first has ended."""
    code = "import sys; from pathlib import Path; from rivers import run_river; run_river(Path(sys.argv[1])).answer()"

    with serving(lambda asked: Reply([{"k": 1, "at": "2024-01-01"}, {"k": len(asked.query) + 2, "at": "2024-01-02"}])) as service:
        write_river(tmp_path, river(service.url, ', since="after"'))
        command = [sys.executable, "-c", code, str(tmp_path)]
        running = [subprocess.Popen(command, env=python_environment()) for _ in range(2)]
        assert [process.wait() for process in running] == [0, 0]

        assert sorted(query.get("after", "") for query in service.queries()) == ["", "2024-01-02T00:00:00Z"]
        assert ids(run_river(tmp_path).answer()) == [1, 2, 3]


def test_days_that_get_no_rows_stay_what_they_are(tmp_path: Path) -> None:
    """Part by part, in the store and for what reads them."""
    with serving([Reply([{"k": 1, "at": "2024-01-01"}, {"k": 2, "at": "2024-01-02"}]), Reply([{"k": 3, "at": "2024-01-02"}])]) as service:
        before = run_river(tmp_path, river(service.url, ', since="after"')).answer().table("rows")
        after = run_river(tmp_path).answer().table("rows")

    assert before.parts[0] == after.parts[0]
    assert [part.rows for part in after.parts] == [1, 2]


KILL = """
import os, sys
from pathlib import Path
from millstream.kernel import job
from millstream.sources import pulled
from rivers import run_river
{} = lambda *_: os._exit(9)
run_river(Path(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("step", "asked"), [("pulled.pin_snapshot", "2024-01-01"), ("pulled.keep_snapshot", "2024-01-01"), ("job.keep", "2024-01-02")]
)
def test_kill_repeats_and_loses_nothing(tmp_path: Path, step: str, asked: str) -> None:
    """Until the snapshot is kept, the next run asks from the same moment; from then on, for what comes after."""
    rows = [{"k": number, "at": f"2024-01-0{number}"} for number in (1, 2)]

    with serving(lambda asked: Reply([row for row in rows if str(row["at"]) > asked.query.get("after", "")])) as service:
        rows, later = rows[:1], rows[1:]
        run_river(tmp_path, river(service.url, ', since="after"')).answer()
        rows += later
        killed = subprocess.run([sys.executable, "-c", KILL.format(step), str(tmp_path)], env=python_environment(), check=False)
        ran = run_river(tmp_path).answer()

    assert killed.returncode == 9
    assert [query["after"][:10] for query in service.queries()[1:]] == ["2024-01-01", asked]
    assert ids(ran) == [1, 2]


def test_every_snapshot_is_pinned(tmp_path: Path) -> None:
    """A collection of garbage may not take the only copy; a reading that gave nothing new is none."""
    with serving([Reply([{"k": 1, "at": "2024-01-01"}]), Reply([{"k": 2, "at": "2024-01-02"}]), Reply([])]) as service:
        ran = [run_river(tmp_path, river(service.url, ', since="after"')).answer() for _ in range(3)]

    pinned = [key for (key,) in ran[0].project.store.index.rows("SELECT key FROM pins WHERE name LIKE 'snapshots %'")]
    assert sorted(pinned) == sorted(keys(each)[0] for each in ran[:2])


def test_garbage_collection_leaves_every_snapshot(tmp_path: Path) -> None:
    """What all steps gave is removed, but what a service gave stays: the past is what it was, and the next run goes on."""
    with serving([Reply([{"k": 1, "at": "2024-01-01"}]), Reply([{"k": 1, "at": "2024-01-01"}, {"k": 2, "at": "2024-01-02"}])]) as service:
        first = run_river(tmp_path, river(service.url, ', since="after"'), as_of=now()).answer()
        run_river(tmp_path, as_of=now()).answer()
        removed = collect(first.project.store.root, keep_last=0)
        past = run_river(tmp_path, as_of=first.as_of).answer()
        again = run_river(tmp_path).answer()

    assert removed.garbage.results > 0
    assert (ids(past), ids(again)) == ([1], [1, 2])
    assert [query.get("after", "")[:10] for query in service.queries()] == ["", "2024-01-01", "2024-01-02"]


def test_rows_are_on_the_disk_before_they_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of the table, and the journal that names them."""
    synced: set[int] = set()
    monkeypatch.setattr(os, "fsync", lambda handle: synced.add(os.fstat(handle).st_ino))

    with serving([Reply([{"k": number, "at": "2024-01-01"} for number in range(1_000)])]) as service:
        ran = run_river(tmp_path, river(service.url)).answer()

    store = ran.project.store
    files = [store.path(name) for name in files_of(ran.table("rows"))]
    assert files
    assert {path.stat().st_ino for path in (*files, store.root / "index.sqlite-wal")} <= synced


def test_plan_asks_nobody(tmp_path: Path) -> None:
    """What a run would do is found out without it."""
    with serving([Reply([{"k": 1, "at": "2024-01-01"}])]) as service:
        project = Project(write_river(tmp_path, river(service.url)))
        (rows, _) = targets_of(project)
        plan = rows.operation.plan(project.store, [], 2**60)

    assert service.asked == []
    assert project.store.find(plan.keys) == {}


def test_answer_that_fails_leaves_what_was_taken(tmp_path: Path) -> None:
    """An error in the second page commits nothing; the run says where the source stands."""
    pages = [Reply({"data": [{"k": 2, "at": "2024-01-02"}], "next": "b"}), Reply(status=400)]
    options = ', records="data", since="after", pages=ms.rest.by_cursor("next")'

    with serving([Reply({"data": [{"k": 1, "at": "2024-01-01"}]}), *pages, Reply({"data": []})]) as service:
        run_river(tmp_path, river(service.url, options)).answer()
        with pytest.raises(SourceError, match="answers 400") as caught:
            run_river(tmp_path).answer()
        assert ids(run_river(tmp_path).answer()) == [1]

    assert caught.value.where == f"{tmp_path / 'river.py'}:6"


def test_past_is_not_asked_for_again(tmp_path: Path) -> None:
    """A run as of an earlier moment uses what was taken, cut by time, also when nobody answers any more."""
    with serving([Reply([{"k": 1, "at": "2024-01-01"}, {"k": 2, "at": "2024-03-01"}])]) as service:
        run_river(tmp_path, river(service.url)).answer()

    ran = run_river(tmp_path, as_of="2024-02-01").answer()

    assert (ids(ran), ran.step("rows").status) == ([1], "cached")
    assert "rows restated since then show their newest form" in ran.result.notes[0]


def test_table_that_was_deleted_is_asked_for_again(tmp_path: Path) -> None:
    """All of it, and the run says so; of an earlier moment nothing else is passed off as it."""
    with serving([Reply([{"k": 1, "at": "2024-01-01"}])]) as service:
        first = run_river(tmp_path, river(service.url, ', since="after"')).answer()
        first.project.store.index.execute("DELETE FROM results")
        with pytest.raises(SourceError, match="is no longer stored"):
            run_river(tmp_path, as_of="2024-02-01").answer()
        again = run_river(tmp_path).answer()

    assert service.queries() == [{}, {}]
    assert again.result.notes == ("rows: what was taken before is no longer stored: all was asked for again",)


def test_service_without_rows_yet(tmp_path: Path) -> None:
    """Nothing is known of its columns; later it may be empty."""
    with serving([Reply([]), Reply([{"k": 1, "at": "2024-01-01"}]), Reply([])]) as service:
        with pytest.raises(SourceError, match="there are no rows yet"):
            run_river(tmp_path, river(service.url)).answer()
        assert ids(run_river(tmp_path).answer()) == [1]
        assert ids(run_river(tmp_path).answer()) == []


# types


def both(folder: Path, first: Records, second: Records, options: str = ', since="after"', facts: str = 'key="k", time="at"') -> pl.DataFrame:
    """What is stored after two readings."""
    with serving(
        [Reply([{"k": 1, "at": "2024-01-01", **row} for row in first]), Reply([{"k": 2, "at": "2024-01-02", **row} for row in second])]
    ) as service:
        run_river(folder, river(service.url, options, facts)).answer()
        return run_river(folder).answer().frame("rows")


@pytest.mark.parametrize(
    ("first", "second", "kind", "values"),
    [
        (1, 2.5, pl.Float64(), [1.0, 2.5]),
        (1.5, 2, pl.Float64(), [1.5, 2.0]),
        (None, "a", pl.String(), [None, "a"]),
        ("a", None, pl.String(), ["a", None]),
        ("a", "2024-01-01", pl.String(), ["a", "2024-01-01"]),
        ("2024-01-01", None, pl.Date(), [datetime(2024, 1, 1).date(), None]),
        ([], ["a"], pl.List(pl.String()), [[], ["a"]]),
        ({"x": 1}, {"x": 1.5, "y": "b"}, pl.Struct({"x": pl.Float64(), "y": pl.String()}), [{"x": 1.0, "y": None}, {"x": 1.5, "y": "b"}]),
    ],
)
def test_types_fit_what_came_before(tmp_path: Path, first: object, second: object, kind: pl.DataType, values: list[object]) -> None:
    """JSON does not say of what type a null, a whole number or an empty list is: the type is that which holds all."""
    column = both(tmp_path, [{"x": first}], [{"x": second}]).get_column("x")

    assert (column.dtype, column.to_list()) == (kind, values)


@pytest.mark.parametrize(("first", "second"), [(1, "a"), ("a", 1), ("2024-01-01", "soon"), (True, 2), ({"x": 1}, "a"), ([1], 1)])
def test_types_that_do_not_fit_are_refused(tmp_path: Path, first: object, second: object) -> None:
    """As those of a file."""
    with pytest.raises(MillstreamError, match="column 'x' of source 'rows' was"):
        both(tmp_path, [{"x": first}], [{"x": second}])


def test_columns_may_come_late_and_stay_away(tmp_path: Path) -> None:
    """Where they are not, they are null."""
    frame = both(tmp_path, [{"x": 1}], [{"y": 2}])

    assert frame.select("k", "x", "y").rows() == [(1, 1, None), (2, None, 2)]


def test_known_at_may_be_null_throughout(tmp_path: Path) -> None:
    """Such rows do not count yet."""
    frame = both(tmp_path, [{"told": "2024-01-05T00:00:00Z"}], [{"told": None}], facts='key="k", time="at", known_at="told"')

    assert frame.get_column("k").to_list() == [1]


def test_another_connection_goes_on_and_another_question_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks is no part of what a source is; its parameters are."""
    monkeypatch.setenv("TOKEN", "hush")
    (tmp_path / "pyproject.toml").write_text('[tool.millstream.connections]\na.token = "$TOKEN"\nb.token = "$TOKEN"\n')

    with serving([Reply([{"k": 1, "at": "2024-01-01"}])]) as service:
        for options in (', auth=ms.rest.bearer("a")', ', auth=ms.rest.bearer("b")', ', params={"shop": 7}'):
            run_river(tmp_path, river(service.url, f', since="after"{options}')).answer()

    assert service.queries() == [{}, {"after": "2024-01-01T00:00:00Z"}, {"shop": "7"}]
