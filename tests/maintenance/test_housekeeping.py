"""gc and doctor over a model that lives: what a version needs stays, and what it lacks is named."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rivers import FILE, day, train_models, write_parcels

from millstream.errors import DeclarationError, StoreError
from millstream.kernel.locks import in_use
from millstream.kernel.store import Store
from millstream.maintenance.doctor import doctor
from millstream.maintenance.gc import collect
from millstream.maintenance.maintain import maintain
from millstream.maintenance.replay import replay
from millstream.maintenance.run import execute_targets
from millstream.project import Project
from millstream.serving.versions import open_version
from millstream.training.lowering import lower_model

TRAINED = day(40)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Late parcels, trained once."""
    folder = tmp_path_factory.mktemp("trained") / "parcels"
    changes = {"ms.gate.better()": "ms.gate.not_worse(by=0.5)", 'ms.every("30d")': 'ms.every("10d")'}
    train_models(write_parcels(folder, changes, days=60), as_of=TRAINED)
    return folder


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Project:
    """A copy of it, in which a year has passed."""
    project = Project(shutil.copytree(trained, tmp_path / "parcels") / FILE)
    let_a_year_pass(project.store)
    return project


def let_a_year_pass(store: Store) -> None:
    """Nobody has used anything for so long."""
    year = 366 * 86_400
    with store.index.transaction() as index:
        index.execute("UPDATE results SET used = used - ?", (year,))
        index.execute("UPDATE files SET used = used - ?", (year,))
        index.execute("UPDATE notes SET used = used - ?", (year,))


def statuses(project: Project, as_of: int = TRAINED) -> dict[str, str]:
    """What becomes of the steps of the model in a run that registers nothing."""
    nodes = lower_model("delays", project.models["delays"], project.lowering)
    _, progress = execute_targets(project.workspace, nodes.targets, as_of=as_of, command="run")
    return {node.name: report.status for node, report in progress.reports.items()}


# gc


def test_what_a_version_needs_is_never_removed(project: Project) -> None:
    """It answers, its comparison and costs can be told, and its sources are as they were when it was trained."""
    told = collect(project.folder, keep_last=0)

    assert told.garbage.results > 40
    assert told.garbage.files > 2
    store, (version,) = Store(project.folder), project.registry.versions("delays")
    assert open_version(project.workspace, version).plan.model == "delays"
    assert store.has_all("delays@1")
    assert sum(bool(store.note(key)) for (key,) in store.index.rows("SELECT key FROM pins WHERE key LIKE 'cost %'")) == 4
    ran = statuses(Project(project.file))
    assert [ran[name] for name in ("parcels", "arrivals", "delays/comparison", "delays/scored", "delays/refit")] == ["cached"] * 5
    assert ran["examples"] == "ran"


def test_second_collection_finds_nothing(project: Project) -> None:
    """And a dry run says before what the real one removes."""
    dry = collect(project.folder, older_than="30d", dry_run=True)
    real = collect(project.folder, older_than="30d")
    again = collect(project.folder, older_than="30d")

    assert (dry.garbage, dry.dry_run, real.dry_run) == (real.garbage, True, False)
    assert (again.garbage.results, again.garbage.files, again.garbage.notes) == (0, 0, 0)


@pytest.mark.parametrize(("limits", "goes"), [({}, False), ({"keep_last": 1}, False), ({"older_than": "1y"}, True), ({"older_than": "2y"}, False)])
def test_limits(project: Project, limits: dict[str, object], goes: bool) -> None:
    """Without one, what ten runs used stays: there was one. That run used what has not been used since."""
    project.ledger.database.execute("UPDATE runs SET started = started - ?", (366 * 86_400,))

    assert (collect(project.folder, **limits, dry_run=True).garbage.results > 0) == goes  # type: ignore[arg-type]


def test_duration_that_is_none(project: Project) -> None:
    """The nearest that is meant is proposed."""
    with pytest.raises(DeclarationError, match="did you mean '30d'"):
        collect(project.folder, older_than="30 days")


def test_store_in_use_is_not_touched(project: Project) -> None:
    """A dry run asks nobody."""
    with in_use(project.folder):
        assert collect(project.folder, keep_last=0, dry_run=True).garbage.results > 0
        with pytest.raises(StoreError, match="is in use by a run or a server"):
            collect(project.folder, keep_last=0)


def test_version_from_before_pins_keeps_its_bundle(project: Project) -> None:
    """And is given its pins by the next run that comes to it."""
    project.store.index.execute("DELETE FROM pins")

    collect(project.folder, keep_last=0)

    (version,) = project.registry.versions("delays")
    assert open_version(project.workspace, version).version == version
    assert not Store(project.folder).has_all("delays@1")
    train_models(project.file, as_of=TRAINED)
    assert Store(project.folder).has_all("delays@1")


def test_refitted_version_is_kept_and_a_replayed_one_is_not(project: Project) -> None:
    """Both come from the loop, but only one of them answers."""
    maintain(project.workspace, project.life("delays"), as_of=day(58))
    replay(project.workspace, project.life("delays"), start=day(30), stop=day(44), every="14d")
    names = {version.name for version in project.registry.versions("delays")}

    assert len(names) > 1
    assert {name for (name,) in project.store.index.rows("SELECT DISTINCT name FROM pins")} == names
    let_a_year_pass(project.store)
    collect(project.folder, keep_last=0)
    assert [open_version(project.workspace, version).version for version in project.registry.versions("delays")]


def test_runs_are_forgotten_only_if_asked(project: Project) -> None:
    """Never the one of which a version is."""
    statuses(project)
    statuses(project)
    project.ledger.database.execute("UPDATE runs SET started = started - ?", (400 * 86_400,))
    (version,) = project.registry.versions("delays")

    assert collect(project.folder, older_than="30d").runs == 0
    assert len(project.ledger.runs()) == 3
    assert collect(project.folder, older_than="30d", forget=True, dry_run=True).runs == 1
    assert collect(project.folder, older_than="30d", forget=True).runs == 1
    assert version.lineage.run in {each["run"] for each in project.ledger.runs()}
    assert len(project.ledger.runs()) == 2


# doctor


def test_sound_model(project: Project) -> None:
    """Nothing is found."""
    assert doctor(project.folder) == []


@pytest.mark.parametrize(
    ("damage", "told"), [(lambda path: path.unlink(), "is gone"), (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "is damaged")]
)
def test_bundle_of_a_version(project: Project, damage: Callable[[Path], object], told: str) -> None:
    """The version is named, and what it is; a run as of then makes it anew."""
    (version,) = project.registry.versions("delays")
    damage(project.store.path(f"{version.bundle}.bin"))

    found = doctor(project.folder)

    assert (found[0].subject, found[0].message) == ("delays@1", f"its bundle {told}, and it is the champion")
    assert "`millstream run --as-of 2024-02-10` makes it anew" in found[0].hint
    assert found[1].message.endswith("of delays/bundle, needed by delays@1")
    assert [each.subject for each in doctor(project.folder, fix=True) if each.serious and not each.mended] == ["delays@1"]
    train_models(project.file, as_of=TRAINED)
    assert doctor(project.folder) == []
    assert [each.name for each in project.registry.versions("delays")] == ["delays@1"]


def test_answers_that_cannot_be_read(project: Project) -> None:
    """The log and the batches are looked at, too."""
    for name in ("predictions/predictions-1.parquet", "predictions/1.segment", "batches/delays/000000-x.parquet"):
        (project.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (project.folder / name).write_bytes(b"no answers" * 10)

    found = doctor(project.folder)

    assert {each.subject for each in found} == {"predictions/predictions-1.parquet", "predictions/1.segment", "batches/delays/000000-x.parquet"}
    assert all(each.serious and each.message.startswith("it cannot be read: ") for each in found)


def test_time_of_a_dry_run_is_not_a_use(project: Project) -> None:
    """Looking does not make anything younger."""
    collect(project.folder, keep_last=0, dry_run=True)
    doctor(project.folder)

    ((used,),) = project.store.index.rows("SELECT max(used) FROM results")
    assert used < time.time() - 300 * 86_400
