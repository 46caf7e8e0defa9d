"""Views, labels and training sets as declared values, and what is built on them: models, gates, deployments."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import millstream as ms
from millstream.errors import DeclarationError
from millstream.evaluation.declare import AllGates, AtLeast, NotWorse, TimeSplit
from millstream.kernel.facts import Facts
from millstream.training.presets import Boosting, Forest, Linear

MISTAKES = sorted((Path(__file__).parents[1] / "programs" / "mistakes").glob("*.py"))
FOUND_BY_PYTHON = {
    "m01_misspelt_option": TypeError,
    "m03_undefined_reference": NameError,
    "m11_misspelt_condition": AttributeError,
}
ONLY_WHEN_CALLED = {"m14_call_as_plain_function"}

MINUTE = 60_000_000

schedule = ms.source("flights.parquet", columns=["flight", "carrier", "scheduled", "late"], key="flight", time="scheduled")
landings = ms.source("flights.parquet", key="flight", time="landed", known_at="reported", delay="15m")
weather = ms.source("weather.parquet", key="origin", time="observed", delay="20m")
planes = ms.source("planes.csv", key="tailnum")
notes = ms.source("notes.csv")


@ms.label(schedule, landings, known_at="decided")
def late(schedule: int, landings: int, *, minutes: int = 15) -> int:
    """Late or not."""
    return schedule + landings + minutes


@ms.feature_view(weather, max_age="3h")
def wind(weather: int) -> int:
    """Wind."""
    return weather


@ms.feature_view(planes)
def aircraft(planes: int) -> int:
    """Kind of plane."""
    return planes


punctuality = ms.aggregate(landings, key="carrier", over=["1d", "7d"], delay=("arrival_delay", "mean"), landed=("flight", "count"))
examples = ms.training_set(schedule, label=late, features=[wind, aircraft, punctuality], ignore="carrier")


def same(table: int) -> int:
    """The table as it is."""
    return table


def above(table: int, *, floor: int = 0) -> int:
    """The table above a floor."""
    return table - floor


def first(table: int, _other: int) -> int:
    """The first of two tables."""
    return table


def refused(declare: Callable[[], object]) -> DeclarationError:
    """The error that a declaration gives; it names a line of this file."""
    with pytest.raises(DeclarationError) as caught:
        declare()
    assert str(caught.value.where).startswith(__file__)
    assert str(caught.value).count("\n") < 8
    return caught.value


class TestFeatureView:
    """Features about a key, as of the moment asked."""

    def test_facts_are_those_of_its_first_input(self) -> None:
        """A view has key, time and delay of its first input."""
        assert (wind.facts, wind.timed, wind.about) == (weather.facts, True, ("origin",))
        assert (aircraft.timed, aircraft.about) == (False, ("tailnum",))

    def test_can_be_read_by_another_view(self) -> None:
        """A view made of a function is a table too."""
        gusts = ms.feature_view(wind)(same)
        assert gusts.inputs == (wind,)
        assert gusts.facts == weather.facts

    def test_looked_up_by_other_columns(self) -> None:
        """`on` gives a new view with the same function and a prefix."""
        there = wind.on("dest", prefix="dest_")
        assert (there.on_columns, there.prefix, there.function) == (("dest",), "dest_", wind.function)
        assert wind.on_columns is None
        assert there(3) == 3

    def test_on_needs_a_column_for_each_of_the_key(self) -> None:
        """The number of columns is that of the key."""
        assert "on() names 2 columns, its key has 1" in refused(lambda: wind.on("dest", "hour")).message

    def test_select_keeps_what_is_named(self) -> None:
        """`select`, `on` and `with_settings` go together in any order."""
        view = ms.feature_view(weather)(above)
        chosen = view.select("wind_speed").on("dest").with_settings(floor=1)
        assert (chosen.selected, chosen.on_columns, chosen.defaults) == (("wind_speed",), ("dest",), {"floor": 1})
        assert "names no feature" in refused(wind.select).message

    @pytest.mark.parametrize(
        ("table", "options", "message"),
        [
            (notes, {}, "it has no key"),
            (planes, {"max_age": "3h"}, "max_age needs a time"),
            (weather, {"max_age": "1mo"}, "max_age: '1mo' has no fixed length"),
            (weather, {"lookback": "1d"}, "lookback needs a partition"),
        ],
    )
    def test_options_that_cannot_be_meant(self, table: ms.Source, options: dict[str, Any], message: str) -> None:
        """Refused on import, without data."""
        assert message in refused(lambda: ms.feature_view(table, **options)(same)).message


class TestAggregate:
    """Windows that end at the moment asked."""

    def test_features_are_named_after_name_and_window(self) -> None:
        """Each name in each window."""
        assert punctuality.features == ("delay_1d", "delay_7d", "landed_1d", "landed_7d")
        assert punctuality.about == ("carrier",)

    def test_key_is_the_tables_unless_said(self) -> None:
        """None inherits, `()` is all rows."""
        assert ms.aggregate(landings, over="1d", n=("flight", "count")).key == ("flight",)
        assert ms.aggregate(landings, key=(), over="1d", n=("flight", "count")).key == ()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"over": ["1mo"], "n": ("flight", "count")}, "over: '1mo' has no fixed length"),
            ({"over": ["0d"], "n": ("flight", "count")}, "over: '0d' is no time at all"),
            ({"over": [], "n": ("flight", "count")}, "over names no window"),
            ({"over": ["1d", "1d"], "n": ("flight", "count")}, "column '1d' is named twice"),
            ({"over": ["1d"]}, "no feature is named"),
            ({"over": ["1d"], "n": ("flight", "median")}, "reduction of n: there is no 'median'"),
            ({"over": ["1d"], "n": "count"}, "n must be a column and a reduction"),
        ],
    )
    def test_windows_and_reductions_that_do_not_exist(self, options: dict[str, Any], message: str) -> None:
        """Refused on import."""
        assert message in refused(lambda: ms.aggregate(landings, **options)).message

    def test_needs_a_time_and_a_key(self) -> None:
        """A window over a table without time, or about nothing, cannot be meant."""
        assert "has no time" in refused(lambda: ms.aggregate(planes, over="1d", n=("tailnum", "count"))).message
        assert "has no key" in refused(lambda: ms.aggregate(notes, over="1d", n=("text", "count"))).message

    def test_select_knows_its_features(self) -> None:
        """A misspelt feature is found on import; over all rows there is nothing to look up by."""
        assert refused(lambda: punctuality.select("delay_2d")).hint == "did you mean 'delay_7d'?"
        assert "not looked up by a key" in refused(lambda: ms.aggregate(landings, key=(), over="1d", n=("a", "sum")).on("x")).message


class TestLabel:
    """The truth: it has a key and is known at a moment, and has no time."""

    def test_known_as_declared_plus_the_greatest_delay(self) -> None:
        """The delay is the greatest of all inputs, not the first's."""
        assert late.facts == Facts(("flight",), None, "decided", 15 * MINUTE)
        assert ms.label(landings, weather)(first).facts.delay == 20 * MINUTE

    def test_known_when_its_first_input_is(self) -> None:
        """Without known_at: the first input's, or failing that its time."""
        assert ms.label(landings)(same).facts.known_at == "reported"
        assert ms.label(schedule)(same).facts.known_at == "scheduled"

    def test_needs_a_key(self) -> None:
        """A label finds its row by key."""
        assert "label same: it has no key" in refused(lambda: ms.label(notes)(same)).message

    def test_has_settings(self) -> None:
        """The same function with another setting is another label."""
        assert late.with_settings(minutes=30)(1, 2) == 33

    @pytest.mark.parametrize("verb", [ms.step, ms.feature_view, ms.label, ms.on_demand])
    def test_is_read_by_training_sets_only(self, verb: Any) -> None:
        """Whatever reads tables refuses a label, and says who may."""
        error = refused(lambda: verb(late))
        assert "label late" in error.message
        assert "only training_set reads it" in str(error.hint)

    @pytest.mark.parametrize("culprit", [examples, ms.train(examples), punctuality, ms.sink("out")])
    def test_nothing_below_the_truth_is_read(self, culprit: Any) -> None:
        """Training sets and models know the truth: no view can be made from them; nor from what is no table."""
        assert "cannot be an input" in refused(lambda: ms.feature_view(culprit)).message


class TestTrainingSet:
    """The question, what was known then, and the truth fit each other."""

    def test_keeps_the_order_of_features(self) -> None:
        """Views are looked up in order."""
        assert examples.features == (wind, aircraft, punctuality)
        assert examples.ignore == ("carrier",)

    def test_key_of_label_is_the_key_of_rows(self) -> None:
        """Another key, or none, is refused; the order of columns does not matter."""
        assert "has key flight, but the rows (source weather.parquet) have origin" in refused(lambda: ms.training_set(weather, label=late)).message
        assert "have none" in refused(lambda: ms.training_set(notes, label=late)).message
        pairs = ms.source("a.csv", key=["a", "b"])
        assert ms.training_set(pairs, label=ms.label(pairs, key=["b", "a"])(same))

    def test_timed_view_needs_timed_rows(self) -> None:
        """Rows without a moment can only meet what has no time."""
        message = refused(lambda: ms.training_set(planes, label="built", features=[aircraft, punctuality])).message
        assert "aggregate of source flights.parquet depends on time" in message
        assert "depends on time" in refused(lambda: ms.on_demand(planes, features=[wind])(same)).message
        assert ms.training_set(planes, label="built", features=[aircraft])

    def test_label_as_a_column(self) -> None:
        """A misspelt column, the key and ignored columns are no labels."""
        assert refused(lambda: ms.training_set(schedule, label="latte")).hint == "did you mean 'late'?"
        assert "is its key" in refused(lambda: ms.training_set(schedule, label="flight")).message
        assert "is in ignore" in refused(lambda: ms.training_set(schedule, label="late", ignore=["late"])).message

    @pytest.mark.parametrize(
        "features", [[late], [schedule], [same], wind, "wind", None], ids=["label", "source", "function", "bare", "text", "none"]
    )
    def test_features_that_are_none(self, features: Any) -> None:
        """Features are views, in a list."""
        assert "features" in refused(lambda: ms.training_set(schedule, label=late, features=features)).message.replace(
            "cannot be a feature", "features"
        )

    def test_one_view_twice(self) -> None:
        """The same view twice would give the same columns twice."""
        assert "named twice" in refused(lambda: ms.training_set(schedule, label=late, features=[wind, wind])).message
        assert ms.training_set(schedule, label=late, features=[wind, wind.on("carrier", prefix="there_")])

    def test_on_demand_is_made_for_its_rows(self) -> None:
        """Features made for rows of another key are refused."""
        calendar = ms.on_demand(schedule, features=[aircraft])(same)
        assert (calendar.rows, calendar.features, calendar.timed) == (schedule, (aircraft,), False)
        assert ms.training_set(schedule, label=late, features=[aircraft, calendar])
        assert "is made for rows with key flight" in refused(lambda: ms.training_set(planes, label="a", features=[calendar])).message


class TestModel:
    """What is trained, judged, deployed and watched."""

    def test_defaults(self) -> None:
        """The presets compete unless others are named."""
        assert ms.train(examples).methods == (Boosting(), Linear(), Forest())

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"methods": []}, "methods is empty"),
            ({"methods": [Boosting]}, "the class Boosting is given as a method"),
            ({"methods": [object()]}, "has no `fit` and no `predict`"),
            ({"methods": Linear()}, "methods must be a list"),
            ({"metric": "auc"}, "there is no 'auc'"),
            ({"budget": "1mo"}, "'1mo' has no fixed length"),
            ({"seed": -1}, "seed must be a whole number"),
            ({"split": 0.2}, "split must be a split"),
        ],
    )
    def test_options_that_cannot_be_meant(self, options: dict[str, Any], message: str) -> None:
        """Refused on import."""
        assert message in refused(lambda: ms.train(examples, **options)).message

    def test_split_by_time_needs_a_time(self) -> None:
        """Rows without time are split at random."""
        untimed = ms.training_set(planes, label="built")
        assert "needs rows with a time" in refused(lambda: ms.train(untimed, split=ms.split.time())).message
        assert ms.train(untimed, split=ms.split.random())

    def test_test_block(self) -> None:
        """A duration stays one, a moment is in UTC."""
        assert ms.split.time(test="30d") == TimeSplit("30d", 4)
        assert ms.split.time(test="2013-05-01").test == datetime(2013, 5, 1, tzinfo=UTC)
        assert "is not a duration" in refused(lambda: ms.split.time(test="20%")).message

    @pytest.mark.parametrize(
        "declare",
        [
            lambda: ms.split.time(folds=0),
            lambda: ms.split.random(folds=1),
            lambda: ms.split.random(test=1),
            lambda: ms.methods.boosting(rounds=0),
            lambda: ms.methods.boosting(rate=0),
            lambda: ms.methods.forest(share=1.5),
            lambda: ms.gate.not_worse(by=-0.1),
            lambda: ms.gate.not_worse(by=float("nan")),
            lambda: ms.methods.linear(strength=float("inf")),
        ],
        ids=lambda declare: str(declare.__code__.co_firstlineno),
    )
    def test_numbers_out_of_range(self, declare: Callable[[], object]) -> None:
        """Numbers that cannot be meant are refused by the name of their option."""
        assert "must be" in refused(declare).message or "leaves no rows" in refused(declare).message

    def test_gates_are_joined(self) -> None:
        """`&` is flat; `and` would silently drop a gate."""
        gate = ms.gate.not_worse(by=0.1) & ms.gate.at_least(0.7) & ms.gate.at_least(0.1, metric="brier")
        assert gate == AllGates((NotWorse(0.1), AtLeast(0.7), AtLeast(0.1, "brier")))
        assert "'&'" in str(refused(lambda: bool(gate)).hint)

    def test_deployment_and_renewal(self) -> None:
        """Conditions of a monitor are triggers, always the same ones."""
        model = ms.train(examples)
        watch = ms.monitor(ms.deploy(model, batch=ms.sink("out"), when=ms.every("10m"), accept=ms.gate.better()), window="1mo")
        assert watch.drifted is watch.drifted
        assert ms.retrain(model, when=watch.drifted | watch.worse).model is model

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"when": ms.every("1d")}, "when needs a batch"),
            ({"batch": "out"}, "batch must be a sink"),
            ({"batch": ms.sink("out"), "when": "1d"}, "when must be a trigger"),
            ({"accept": 0.1}, "accept must be a gate"),
        ],
    )
    def test_deployment_that_cannot_be_meant(self, options: dict[str, Any], message: str) -> None:
        """Refused on import."""
        assert message in refused(lambda: ms.deploy(ms.train(examples), **options)).message


@pytest.mark.parametrize("program", MISTAKES, ids=lambda path: path.stem)
def test_a_mistake_is_refused_when_its_file_runs(program: Path) -> None:
    """The mistakes that type checkers find are found by the import too, with file and line."""
    if program.stem in ONLY_WHEN_CALLED:
        runpy.run_path(str(program))
        return
    with pytest.raises(FOUND_BY_PYTHON.get(program.stem, DeclarationError)) as caught:
        runpy.run_path(str(program))
    if isinstance(caught.value, DeclarationError):
        assert str(caught.value.where).startswith(f"{program}:")
