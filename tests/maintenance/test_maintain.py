"""One turn of the loop: when a challenger is trained, as of when, on what it is judged, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from rivers import PARCELS_BEGIN, day, train_models, write_parcels, write_river

from millstream.cli.main import main
from millstream.evaluation.records import Verdict
from millstream.features.training_set import ASKED, KNOWN, TARGET
from millstream.maintenance.maintain import Turn, look, maintain
from millstream.maintenance.office import promote
from millstream.project import Project
from millstream.registry.records import Event

TRAINED, TURNED = 20, 60
Living = Callable[..., Project]


@pytest.fixture
def live(tmp_path: Path) -> Living:
    """A project of the parcels with its first version as of day TRAINED; until then there was nothing to learn."""

    def begin(changes: Mapping[str, str] | None = None, *, learnable: int = TRAINED) -> Project:
        return train_models(write_parcels(tmp_path, changes, days=TURNED + 30, learnable=learnable), as_of=day(TRAINED))

    return begin


def turn(project: Project, number: int = TURNED) -> Turn:
    """One turn of the loop as of a day."""
    return maintain(project.workspace, project.life("delays"), as_of=day(number))


def history(project: Project) -> list[tuple[str, int]]:
    """What was decided about which version."""
    return [(event.action, event.version) for event in project.registry.history("delays")]


def decisions(project: Project) -> list[Event]:
    """What the gate has said so far."""
    return [event for event in project.registry.history("delays") if event.block is not None]


def matured(project: Project, number: int = TURNED) -> pl.DataFrame:
    """The rows whose label is known on a day."""
    return look(project.workspace, project.life("delays"), as_of=day(number)).rows.filter(pl.col(TARGET).is_not_null())


def said(finished: Turn) -> Verdict:
    """The verdict of a turn that has one."""
    assert finished.verdict is not None
    return finished.verdict


def test_a_challenger_that_learnt_the_new_world_is_promoted(live: Living) -> None:
    """Heavy parcels are late since the champion was trained: the challenger finds it, is accepted, and its refit takes office."""
    project = live()
    finished = turn(project)
    assert (said(finished).outcome, finished.champion.name) == ("accepted", "delays@3")
    assert history(project) == [("registered", 1), ("promoted", 1), ("registered", 2), ("registered", 3), ("promoted", 3)]


def test_the_block_is_the_newest_third_of_the_matured_rows_since_the_champion(live: Living) -> None:
    """Rows asked after the champion's last training row whose label is known: their newest third, and no other."""
    project = live()
    champion = project.registry.version("delays", 1)
    trained_until = champion.lineage.trained_until
    assert trained_until is not None
    unseen = matured(project).filter(pl.col(ASKED) > trained_until).sort(ASKED)
    block = unseen.tail(unseen.height // 3).get_column(ASKED)
    finished = turn(project)
    assert (finished.block, finished.block_rows) == ((block[0], block[-1]), block.len())


def test_the_challenger_knows_what_was_known_when_the_block_began(live: Living) -> None:
    """It is fitted on every row asked before the block whose label was known by then, and on no other."""
    project = live()
    finished = turn(project)
    assert finished.block is not None
    known = matured(project).filter(pl.col(ASKED) < finished.block[0], pl.col(KNOWN) < finished.block[0])
    challenger = project.registry.version("delays", 2).lineage
    assert (challenger.rows, challenger.trained_until) == (known.height, known.get_column(ASKED).max())


def test_the_refit_follows_the_fit_record_and_learns_from_the_block(live: Living) -> None:
    """What is promoted was decided for the judged challenger, and has seen all that is known by now."""
    project = live()
    turn(project)
    judged, refit = project.registry.version("delays", 2), project.registry.version("delays", 3)
    assert (refit.record, refit.test) == (judged.record, judged.test)
    assert (refit.lineage.rows, refit.lineage.as_of) == (matured(project).height, day(TURNED))
    assert refit.bundle != judged.bundle


def test_a_challenger_that_is_not_better_enough_is_refused(live: Living) -> None:
    """A gate that asks for half an AUC more: refused with its reason, and the champion stays."""
    project = live({"gate.better()": "gate.better(by=0.5)"})
    finished = turn(project)
    assert (said(finished).outcome, finished.champion.name) == ("refused", "delays@1")
    assert history(project)[-1] == ("refused", 2)
    event = decisions(project)[-1]
    assert (event.block, event.difference) == (finished.block, said(finished).difference)
    assert event.reason.startswith("better(by=0.5): roc_auc is better by ")


def test_a_block_too_small_to_tell_needs_labels(live: Living) -> None:
    """A day after the training thirteen rows decide nothing: the verdict says about how many more labels would."""
    project = live({'ms.every("30d")': 'ms.every("1d")'})
    finished = turn(project, TRAINED + 1)
    assert (said(finished).outcome, said(finished).needed, finished.block_rows) == ("needs_labels", 100, 13)
    assert "needs about 100 more labels" in said(finished).reason
    assert project.registry.challenger("delays") == finished.judged


def test_what_waits_for_labels_is_judged_on_the_same_block_grown(live: Living) -> None:
    """The next turn trains nothing: the challenger that waits is judged on its block and the labels that came since."""
    project = live({'ms.every("30d")': 'ms.every("1d")'}, learnable=0)
    first = turn(project, TRAINED + 1)
    second = turn(project, TRAINED + 5)
    assert first.block is not None
    assert second.block is not None
    assert second.judged == first.judged
    assert second.trigger == "delays@2 waits"
    assert (second.block[0], second.block_rows) == (first.block[0], first.block_rows + 4 * 40)


def test_without_new_labels_what_waits_is_not_judged_again(live: Living) -> None:
    """The same moment again: no second verdict on the same rows."""
    project = live({'ms.every("30d")': 'ms.every("1d")'})
    turn(project, TRAINED + 1)
    again = turn(project, TRAINED + 1)
    assert (again.verdict, len(decisions(project))) == (None, 1)


def test_one_block_decides_once(live: Living) -> None:
    """The trigger stays true after a refusal; no later block shares a row with one that has decided."""
    project = live({"gate.better()": "gate.better(by=0.5)", 'ms.every("30d")': "watch.drifted"})
    make_heavier(project)
    turns = [turn(project, number) for number in (TURNED, TURNED, TURNED + 10, TURNED + 10, TURNED + 20)]
    assert [each.trigger is not None for each in turns] == [True] * 5
    blocks = [event.block for event in decisions(project) if event.block is not None]
    assert len(blocks) == 3
    assert all(before[1] < after[0] for before, after in pairwise(blocks))


def make_heavier(project: Project) -> None:
    """All parcels sent since the champion was trained weigh more than those it learnt from."""
    file = project.root / "parcels.parquet"
    changed = pl.col("sent") >= PARCELS_BEGIN + timedelta(days=TRAINED)
    pl.read_parquet(file).with_columns(pl.when(changed).then(pl.col("weight") + 3).otherwise("weight").alias("weight")).write_parquet(file)


def test_nothing_is_trained_while_no_trigger_is_true(live: Living) -> None:
    """Two days before the thirty have passed nothing happens, nor is anything written down."""
    project = live()
    before = project.registry.history("delays")
    finished = turn(project, TRAINED + 29)
    assert (finished.trigger, finished.verdict, finished.judged, finished.champion.name) == (None, None, None, "delays@1")
    assert project.registry.history("delays") == before


def test_a_trigger_counts_from_the_last_training_whatever_became_of_it(live: Living) -> None:
    """A refused challenger was a training too: the next one is due thirty days after it."""
    project = live({"gate.better()": "gate.better(by=0.5)"})
    turn(project, TRAINED + 30)
    assert turn(project, TRAINED + 59).trigger is None
    assert turn(project, TRAINED + 60).trigger == "every 30d: last trained as of 2024-02-20"


def test_a_cron_line_comes_round(live: Living) -> None:
    """Four o'clock on the first of February is due on the second, and not at midnight before."""
    project = live({'ms.every("30d")': 'ms.cron("0 4 1 * *")'})
    assert turn(project, 31).trigger is None
    assert turn(project, 32).trigger == "cron '0 4 1 * *': last trained as of 2024-01-21"


@pytest.mark.parametrize(("joined", "fires"), [('ms.every("1d") & ms.every("50d")', False), ('ms.every("1d") | ms.every("50d")', True)])
def test_triggers_are_joined(live: Living, joined: str, fires: bool) -> None:
    """`&` waits for both, `|` for one of them."""
    assert (turn(live({'ms.every("30d")': joined})).trigger is not None) == fires


def test_without_retraining_the_loop_only_watches(live: Living) -> None:
    """A file that does not say when to train again is watched, and that is all."""
    finished = turn(live({'renewal = ms.retrain(delays, when=ms.every("30d"))': ""}))
    assert (finished.trigger, finished.champion.name) == (None, "delays@1")


def test_without_accept_the_first_version_is_champion_and_later_ones_wait(live: Living) -> None:
    """A better challenger is judged and left to people; promoting it puts it in office."""
    project = live({"accept=ms.gate.better()": ""})
    finished = turn(project)
    assert (said(finished).outcome, finished.champion.name) == ("accepted", "delays@1")
    waiting = project.registry.challenger("delays")
    assert waiting is not None
    promote(project.workspace, waiting.name, project.deployment, moment=day(TURNED), reason="seen")
    assert project.registry.champion("delays") == waiting


def test_an_edited_version_waits_for_its_labels_and_the_gate(live: Living) -> None:
    """A run after the first registers a challenger; the loop judges it on rows that neither has seen."""
    project = live({'ms.every("30d")': 'ms.every("300d")'})
    train_models(project.file, as_of=day(TURNED - 20))
    assert project.registry.champion("delays") == project.registry.version("delays", 1)
    finished = turn(project)
    assert finished.block is not None
    assert finished.block[0] > (project.registry.version("delays", 2).lineage.trained_until or 0)
    assert (finished.trigger, said(finished).outcome, finished.champion.name) == ("delays@2 waits", "accepted", "delays@3")


def test_no_row_of_the_block_is_learnt_when_labels_are_known_at_once(tmp_path: Path) -> None:
    """All rows of a day are asked at its midnight with their label: the challenger has seen none of the block's first day."""
    row = pl.Series(range(2_400))
    asked = pl.Series([PARCELS_BEGIN + timedelta(days=number // 40) for number in row])
    pl.DataFrame({"row": row, "asked": asked, "size": row * 37 % 101, "right": row * 53 % 7 > 2}).write_parquet(tmp_path / "rows.parquet")
    file = write_river(
        tmp_path,
        """
        rows = ms.source("rows.parquet", key="row", time="asked")
        examples = ms.training_set(rows, label="right")
        delays = ms.train(examples, methods=[ms.methods.linear()], split=ms.split.time(folds=1), metric="roc_auc")
        service = ms.deploy(delays, accept=ms.gate.not_worse(by=0.5))
        renewal = ms.retrain(delays, when=ms.every("30d"))
        """,
    )
    project = train_models(file, as_of=day(20))
    finished = turn(project, 59)
    assert finished.block is not None
    assert (project.registry.version("delays", 2).lineage.trained_until or 0) < finished.block[0]


def test_a_refused_version_is_not_promoted_by_hand(live: Living, capsys: pytest.CaptureFixture[str]) -> None:
    """`maintain` exits 0 whatever the verdict; `promote` of what the gate refused exits 3, says why, and moves nothing."""
    project = live({"gate.better()": "gate.better(by=0.5)"})
    assert command("maintain", "delays", "--as-of", "2024-03-01", "--file", str(project.file), "--json") == 0
    assert json.loads(capsys.readouterr().out)["verdict"]["outcome"] == "refused"
    assert command("promote", "delays@2", "--file", str(project.file)) == 3
    assert "delays@2 was refused: better(by=0.5): roc_auc is better by" in capsys.readouterr().err
    assert project.registry.champion("delays") == project.registry.version("delays", 1)


@pytest.mark.parametrize(
    ("changes", "moment", "outcome"),
    [({}, "2024-03-01", "accepted"), ({'ms.every("30d")': 'ms.every("1d")'}, "2024-01-22", "needs_labels"), ({}, "2024-01-25", None)],
)
def test_maintain_exits_0_whatever_the_verdict(
    live: Living, capsys: pytest.CaptureFixture[str], changes: Mapping[str, str], moment: str, outcome: str | None
) -> None:
    """A promotion, a verdict that waits for labels and a turn without one are all done work."""
    file = live(changes).file
    assert command("maintain", "--as-of", moment, "--file", str(file), "--json") == 0
    verdict = json.loads(capsys.readouterr().out)["verdict"]
    assert (verdict and verdict["outcome"]) == outcome


def test_promotion_and_rollback_by_hand_are_on_record_with_their_reasons(live: Living, capsys: pytest.CaptureFixture[str]) -> None:
    """Who is in office, and the history says why, in the order in which it was decided."""
    project = live({"accept=ms.gate.better()": ""})
    turn(project)
    file = str(project.file)
    assert command("promote", "delays@2", "--reason", "looks right", "--file", file) == 0
    assert command("rollback", "delays", "--reason", "it was not", "--file", file) == 0
    capsys.readouterr()
    told = [(event.action, event.version, event.reason) for event in project.registry.history("delays")][-2:]
    assert told == [("promoted", 2, "looks right"), ("rolled_back", 1, "it was not")]
    assert project.registry.champion("delays") == project.registry.version("delays", 1)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("promote", "delays"), 2, "'delays' is not a version"),
        (("promote", "delays@9"), 4, "there is no version delays@9"),
        (("rollback", "delays"), 4, "delays@1 is the only version that has been champion"),
    ],
)
def test_what_cannot_take_office_is_told(live: Living, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, told: str) -> None:
    """No number, no such version, nobody before: each with the exit code of its kind."""
    file = live().file
    assert command(*arguments, "--file", str(file)) == code
    assert told in capsys.readouterr().err


def command(*arguments: str) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code
