"""The registry: numbers, aliases, and the history of every decision."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from millstream.errors import NotFoundError
from millstream.evaluation.records import PairedDifference, Score
from millstream.registry.records import Event, Lineage, Version
from millstream.registry.versions import Registry
from millstream.training.results import FitRecord

SCORE = Score("roc_auc", 0.7, 0.6, 0.8, 100)
DIFFERENCE = PairedDifference("roc_auc", 0.02, 0.01, 0.03, 100)


def version_of(model: str) -> Callable[[int], Version]:
    """A version of a model, once it has its number."""
    lineage = Lineage("run-1", 5, 4, 1_234, (("rows", "abc"),), (("python", "3.11"),))
    record = FitRecord("linear", None, 0, ("baseline", "linear"))
    return lambda number: Version(model, number, 6, f"bundle-{number}", "run", lineage, record, SCORE, SCORE, pickled=False)


def names(registry: Registry) -> tuple[str | None, str | None]:
    """Champion and challenger of delays."""
    champion, challenger = registry.champion("delays"), registry.challenger("delays")
    return None if champion is None else champion.name, None if challenger is None else challenger.name


def told(registry: Registry) -> list[tuple[str, int]]:
    """What was decided about which version, in order."""
    return [(event.action, event.version) for event in registry.history("delays")]


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Three versions of delays, none in office."""
    registry = Registry(tmp_path / "ledger.sqlite")
    for _ in range(3):
        registry.register("delays", version_of("delays"), moment=10)
    return registry


def test_versions_are_numbered_by_model(registry: Registry) -> None:
    """From one on, each model for itself; what was registered comes back as it was."""
    other = registry.register("prices", version_of("prices"), moment=11)
    assert other == version_of("prices")(1)
    assert [each.name for each in registry.versions("delays")] == ["delays@1", "delays@2", "delays@3"]
    assert registry.version("delays", 2) == version_of("delays")(2)
    assert registry.models() == ["delays", "prices"]


def test_a_version_that_cannot_be_made_takes_no_number(registry: Registry) -> None:
    """Neither a version nor an event of it stays."""

    def fail(number: int) -> Version:
        raise ValueError(number)

    with pytest.raises(ValueError, match="4"):
        registry.register("delays", fail, moment=12)
    assert registry.register("delays", version_of("delays"), moment=13).version == 4
    assert told(registry) == [("registered", number) for number in (1, 2, 3, 4)]


def test_versions_registered_at_once_have_numbers_of_their_own(registry: Registry) -> None:
    """Four writers, each over its own connection."""

    def register(_: int) -> int:
        return Registry(registry.database.path).register("delays", version_of("delays"), moment=12).version

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(register, range(12))) == list(range(4, 16))


def test_nothing_is_in_office_until_it_is_promoted(registry: Registry) -> None:
    """Declaring and registering move nothing, and without a champion nobody challenges."""
    assert names(registry) == (None, None)
    assert {registry.alias(each) for each in registry.versions("delays")} == {None}


def test_a_promotion_is_on_record(registry: Registry) -> None:
    """With its reason, the difference and the block that decided."""
    event = registry.promote(registry.version("delays", 1), moment=20, reason="better by 0.02", difference=DIFFERENCE, block=(12, 19))
    assert registry.history("delays")[-1] == event
    assert event == Event("delays", "promoted", 1, 20, event.at, "better by 0.02", DIFFERENCE, (12, 19))
    assert event.at > 1_700_000_000_000_000
    assert names(registry) == ("delays@1", "delays@3")
    assert [registry.alias(each) for each in registry.versions("delays")] == ["champion", None, "challenger"]


@pytest.mark.parametrize("action", ["refused", "rolled_back"])
def test_a_challenger_is_judged_once(registry: Registry, action: str) -> None:
    """The newest one on which nothing was decided; one that needs labels goes on waiting."""
    registry.promote(registry.version("delays", 1), moment=20, reason="the first")
    registry.note(Event("delays", "needs_labels", 3, 21, 22, "needs about 100 more labels"))
    assert names(registry) == ("delays@1", "delays@3")
    registry.note(Event("delays", "refused" if action == "refused" else "rolled_back", 3, 23, 24, "not better"))
    assert names(registry) == ("delays@1", "delays@2")


def test_only_later_versions_challenge(registry: Registry) -> None:
    """What is older than the champion does not come back by itself."""
    registry.promote(registry.version("delays", 3), moment=20, reason="by hand")
    assert names(registry) == ("delays@3", None)


def test_a_roll_back_puts_the_one_before_in_office(registry: Registry) -> None:
    """It is on record, and what was rolled back challenges no more."""
    registry.promote(registry.version("delays", 1), moment=20, reason="the first")
    registry.promote(registry.version("delays", 3), moment=21, reason="better")
    assert registry.roll_back("delays", moment=22, reason="it was slow") == registry.version("delays", 1)
    assert told(registry)[-3:] == [("promoted", 1), ("promoted", 3), ("rolled_back", 1)]
    assert registry.history("delays")[-1].reason == "it was slow"
    assert names(registry) == ("delays@1", "delays@2")


def test_a_roll_back_can_be_taken_back(registry: Registry) -> None:
    """Whoever was in office before the roll-back returns."""
    registry.promote(registry.version("delays", 1), moment=20, reason="the first")
    registry.promote(registry.version("delays", 2), moment=21, reason="better")
    registry.roll_back("delays", moment=22, reason="a mistake")
    assert registry.roll_back("delays", moment=23, reason="it was none").version == 2


def test_there_is_nothing_to_roll_back_to(registry: Registry) -> None:
    """Without a champion, and with the first one: told, and nothing is moved."""
    with pytest.raises(NotFoundError, match="delays has no champion"):
        registry.roll_back("delays", moment=20, reason="")
    registry.promote(registry.version("delays", 1), moment=20, reason="the first")
    with pytest.raises(NotFoundError, match="delays@1 is the only version that has been champion"):
        registry.roll_back("delays", moment=21, reason="")
    assert names(registry)[0] == "delays@1"


def test_a_version_that_is_not_there(registry: Registry) -> None:
    """Those that are there are named."""
    with pytest.raises(NotFoundError) as caught:
        registry.version("delays", 7)
    assert str(caught.value) == "there is no version delays@7\n  registered are: delays@1, delays@2, delays@3"


def test_everything_is_there_again_in_another_process(registry: Registry) -> None:
    """Opened anew, the registry tells the same."""
    registry.promote(registry.version("delays", 2), moment=20, reason="by hand")
    again = Registry(registry.database.path)
    assert (again.versions("delays"), again.history("delays"), names(again)) == (
        registry.versions("delays"),
        registry.history("delays"),
        names(registry),
    )
