"""Labels told one by one: they win for their key, are known when they came, and are trained on from then on."""

from __future__ import annotations

import http.client
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest
from rivers import day, post, served, train_models, write_parcels

from millstream.cli.main import main
from millstream.features.feedback import FeedbackBook
from millstream.features.training_set import KNOWN, TARGET
from millstream.kernel.availability import text_of
from millstream.kernel.records import Table
from millstream.maintenance.maintain import look
from millstream.maintenance.run import execute_targets, first_error
from millstream.project import Project
from millstream.training.lowering import lower_model

TRAINED, TOLD, LATER = 20, 25, 30
OLD, OPEN = 7, 999
"""A parcel whose label was known long ago, and one sent within a day before TOLD."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The parcels with a champion."""
    return train_models(write_parcels(tmp_path, days=40), as_of=day(TRAINED))


def truth(project: Project, parcel: int, number: int) -> tuple[bool | None, int | None]:
    """Label of a parcel, and when it was known, as seen on a day."""
    rows = look(project.workspace, project.life("delays"), as_of=day(number)).rows
    return rows.filter(pl.col("parcel") == parcel).select(TARGET, KNOWN).row(0)


def training_rows(project: Project, number: int) -> dict[int, bool]:
    """The labels that a training as of a day learns from."""
    node = lower_model("delays", project.models["delays"], project.lowering).rows
    result, progress = execute_targets(project.workspace, [node], as_of=day(number), command="run")
    assert first_error(result) is None
    table = progress.artifacts[node]
    assert isinstance(table, Table)
    rows = project.store.read(project.store.visible(table, None))
    return dict(rows.select("parcel", TARGET).iter_rows())


def tell(project: Project, labels: Mapping[int, bool], number: int = TOLD) -> None:
    """Labels that come on a day."""
    FeedbackBook(project.store.root).put("delays", [((parcel,), label, day(number)) for parcel, label in labels.items()])


def command(*arguments: str) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def book(project: Project) -> Sequence[tuple[str, str, int]]:
    """All that was told."""
    return FeedbackBook(project.store.root).rows("delays")


def test_what_is_told_wins_for_its_key(project: Project) -> None:
    """The told label stands in the place of the table's, for its parcel and no other."""
    before, neighbour = truth(project, OLD, LATER)[0], truth(project, OLD + 1, LATER)
    assert before is not None
    tell(project, {OLD: not before})
    assert truth(project, OLD, LATER) == (not before, day(TOLD))
    assert truth(project, OLD + 1, LATER) == neighbour


def test_what_is_told_is_known_when_it_came(project: Project) -> None:
    """An open parcel is told of on day 25: open until then, labelled from then on, before its own label is known."""
    assert truth(project, OPEN, TOLD) == (None, None)
    tell(project, {OPEN: True})
    assert truth(project, OPEN, TOLD) == (True, day(TOLD))


def test_a_label_that_comes_later_is_not_seen_before(project: Project) -> None:
    """The day before it came the table's own label stands."""
    before = truth(project, OLD, TOLD - 1)
    tell(project, {OLD: not before[0]})
    assert truth(project, OLD, TOLD - 1) == before


def test_the_last_label_told_stands(project: Project) -> None:
    """Told twice, the second counts."""
    tell(project, {OPEN: True})
    tell(project, {OPEN: False}, LATER)
    assert truth(project, OPEN, LATER) == (False, day(LATER))


def test_a_label_that_was_corrected_later_stood_until_then(project: Project) -> None:
    """As of the days between, the first label told is the truth: the past does not change."""
    tell(project, {OPEN: True})
    tell(project, {OPEN: False}, LATER)
    assert truth(project, OPEN, LATER - 1) == (True, day(TOLD))


def test_what_is_told_is_trained_on_after_that_moment_and_not_before(project: Project) -> None:
    """A training as of the day before learns what it learnt; one as of the day itself learns the told label, and the open row."""
    before = training_rows(project, TOLD - 1)
    plain = training_rows(project, TOLD)
    assert OPEN not in plain
    tell(project, {OLD: not before[OLD], OPEN: True})
    assert training_rows(project, TOLD - 1) == before
    assert training_rows(project, TOLD) == plain | {OLD: not before[OLD], OPEN: True}


def test_the_past_is_not_trained_again_by_what_came_later(project: Project) -> None:
    """A run as of the old moment finds the version that is there."""
    tell(project, dict.fromkeys(range(100), True))
    train_models(project.file, as_of=day(TRAINED))
    assert len(project.registry.versions("delays")) == 1


def test_a_model_that_learns_from_what_was_told_is_a_new_version(project: Project) -> None:
    """As of the moment at which a hundred labels came, the same file gives another model than without them."""
    plain = train_models(project.file, as_of=day(TOLD))
    tell(project, {parcel: parcel % 2 == 0 for parcel in range(100)})
    train_models(project.file, as_of=day(TOLD))
    second, third = plain.registry.versions("delays")[1:]
    assert second.bundle != third.bundle
    assert second.lineage.rows == third.lineage.rows


def test_the_command_writes_one_label_down(project: Project) -> None:
    """`millstream feedback delays KEY LABEL` as of a moment."""
    arguments = ("feedback", "delays", str(OPEN), "true", "--as-of", text_of(day(TOLD)), "--file", str(project.file))
    assert command(*arguments) == 0
    assert truth(project, OPEN, TOLD) == (True, day(TOLD))


@pytest.mark.parametrize("name", ["labels.csv", "labels.parquet"])
def test_the_command_writes_a_file_of_labels_down(project: Project, name: str) -> None:
    """A table with the key columns and `label`: every row of it counts."""
    file = project.root / name
    labels = pl.DataFrame({"label": [True, False, True], "parcel": [OPEN - 1, OPEN, OLD]})
    labels.write_csv(file) if name.endswith("csv") else labels.write_parquet(file)
    arguments = ("feedback", "delays", "--from", str(file), "--as-of", text_of(day(TOLD)), "--file", str(project.file))
    assert command(*arguments) == 0
    assert [truth(project, parcel, TOLD)[0] for parcel in (OPEN - 1, OPEN, OLD)] == [True, False, True]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("delays",), 2, "feedback needs a key and a label"),
        (("delays", "7"), 2, "feedback needs a key and a label"),
        (("delay", "7", "true"), 4, "did you mean 'delays'?"),
        (("delays", "--from", "nowhere.csv"), 2, "there is no file 'nowhere.csv'"),
        (("delays", "7", "true", "--as-of", "soon"), 2, "'soon' is not a moment"),
        (("delays", "7", "banana"), 2, "'label': expected false or true, not 'banana'"),
        (("delays", "seven", "true"), 2, "'parcel': expected integer, not 'seven'"),
    ],
)
def test_bad_commands_write_nothing(project: Project, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, told: str) -> None:
    """No label, no such model, no such file, no moment: each is told, and nothing is written down."""
    assert command("feedback", *arguments, "--file", str(project.file)) == code
    assert told in capsys.readouterr().err
    assert book(project) == []


def test_a_file_without_the_key_writes_nothing(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """The missing column is named."""
    file = project.root / "labels.csv"
    file.write_text("parcl,label\n7,true\n", encoding="utf-8")
    assert command("feedback", "delays", "--from", str(file), "--file", str(project.file)) == 2
    assert "labels.csv has no column 'parcel'" in capsys.readouterr().err
    assert book(project) == []


@pytest.mark.parametrize("row", ["8,banana", "8,", ",true", "eight,true"])
def test_a_file_with_one_bad_row_writes_nothing(project: Project, capsys: pytest.CaptureFixture[str], row: str) -> None:
    """All labels of a file or none."""
    file = project.root / "labels.csv"
    file.write_text(f"parcel,label\n7,true\n{row}\n", encoding="utf-8")
    assert command("feedback", "delays", "--from", str(file), "--file", str(project.file)) == 2
    assert "expected" in capsys.readouterr().err
    assert book(project) == []


def test_labels_come_in_over_http(project: Project) -> None:
    """POST /feedback/delays answers 202 when the label is on disk; what is not well formed is 422, and leaves nothing."""
    with served(project.file, "--as-of", text_of(day(TOLD))) as (_, port):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        told = {"key": {"parcel": OPEN}, "label": True, "known_at": text_of(day(TOLD))}
        assert post(connection, "/feedback/delays", told)[0] == 202
        assert [key for key, _, _ in book(project)] == [f"[{OPEN}]"]
        refused = {body: post(connection, "/feedback/delays", body) for body in REFUSED}
        connection.close()
    assert {body: (status, answer["path"]) for body, (status, answer) in refused.items()} == {body: (422, path) for body, path in REFUSED.items()}
    assert len(book(project)) == 1
    assert truth(project, OPEN, TOLD) == (True, day(TOLD))


REFUSED = {
    '{"key": {"parcel": "seven"}, "label": true}': "$.key.parcel",
    '{"key": {"parcel": null}, "label": true}': "$.key.parcel",
    '{"key": {"parcl": 7}, "label": true}': "$.key.parcl",
    '{"key": {}, "label": true}': "$.key.parcel",
    '{"key": 7, "label": true}': "$.key",
    '{"key": {"parcel": 7}}': "$",
    '{"key": {"parcel": 7}, "label": null}': "$.label",
    '{"key": {"parcel": 7}, "label": [true]}': "$.label",
    '{"key": {"parcel": 7}, "label": "banana"}': "$.label",
    '{"key": {"parcel": 7}, "label": true, "known_at": "soon"}': "$.known_at",
    '{"key": {"parcel": 7}, "label": true, "when": 1}': "$",
    '{"key": {"parcel": 7}, "label": NaN}': "$",
    "[]": "$",
    "": "$",
}
"""What cannot be a label, and where the refusal points."""
