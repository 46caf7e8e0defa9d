"""Declared values of the kernel: steps, their settings and facts, durations, triggers; and the lazy surface."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import millstream as ms
from millstream.errors import DeclarationError
from millstream.kernel.declare import Declaration, collecting
from millstream.kernel.declared_functions import input_tables
from millstream.kernel.durations import MICROSECONDS, add, microseconds
from millstream.kernel.facts import Facts
from millstream.kernel.triggers import AllOf, AnyOf

flights = ms.source("flights.parquet", key="flight", time="landed", known_at="loaded", delay="15m")
planes = ms.source("planes.csv", key="tailnum")


@ms.step(flights)
def long(flights: list[int], *, miles: int = 1000, above: bool = True) -> list[int]:
    """Flights over so many miles."""
    return [flight for flight in flights if (flight > miles) == above]


def refused(declare: Callable[[], object]) -> DeclarationError:
    """The error that a declaration gives."""
    with pytest.raises(DeclarationError) as caught:
        declare()
    return caught.value


def _plain(table: object) -> object:
    return table


def _no_table() -> None: ...


def _two_tables(table: object, other: object) -> object:
    return table or other


def _optional_table(table: object, other: object = None) -> object:
    return table or other


def _no_default(table: object, *, miles: int) -> object:
    return table or miles


def _hidden_settings(table: object, **settings: int) -> object:
    return table or settings


def _any_number(*tables: object) -> object:
    return tables


class TestStep:
    """A step is a value that still is its function."""

    def test_calls_the_plain_function(self) -> None:
        """A step stays callable with plain values."""
        assert long([1, 2, 3], miles=2) == [3]

    def test_a_call_uses_the_settings_declared(self) -> None:
        """A step with other settings calls its function with them."""
        assert long.with_settings(miles=1, above=False)([1, 2, 3]) == [1]

    def test_looks_like_its_function(self) -> None:
        """Name, docstring and signature are the function's."""
        callable_value: Any = long
        assert (long.__name__, long.__doc__, long.__module__) == ("long", "Flights over so many miles.", __name__)
        assert list(inspect.signature(callable_value).parameters) == ["flights", "miles", "above"]

    def test_says_that_nothing_has_run(self) -> None:
        """The first surprise of every reader is answered by repr."""
        assert repr(long) == "<step long: declared, not run>"

    def test_is_one_of_a_kind_and_frozen(self) -> None:
        """Two equal declarations are two; none can be changed."""
        assert len({long, long.with_settings(), long}) == 2
        with pytest.raises(AttributeError):
            long.key = ("flight",)  # type: ignore[misc]

    def test_knows_the_line_that_made_it(self) -> None:
        """`where` is the user's line, for new values too."""
        here = inspect.currentframe()
        other = long.with_settings(miles=1)
        assert here is not None
        assert other.where == f"{__file__}:{here.f_lineno - 2}"

    def test_keeps_only_settings_that_differ(self) -> None:
        """Overridden settings are kept apart from the defaults, and add up."""
        value = long.with_settings(miles=5).with_settings(above=False)
        assert dict(value.settings) == {"miles": 5, "above": False}
        assert dict(long.settings) == {}
        assert long.with_settings(miles=5).defaults == {"miles": 5, "above": True}

    def test_unknown_setting(self) -> None:
        """The closest setting is proposed."""
        settings: dict[str, Any] = {"mile": 10}
        error = refused(lambda: long.with_settings(**settings))
        assert error.message == "step long: there is no setting 'mile'"
        assert error.hint == "did you mean 'miles'?"
        assert error.where is not None
        assert error.where.startswith(__file__)


class TestParameters:
    """Positional parameters are tables, keyword-only ones are settings."""

    @pytest.mark.parametrize(
        ("function", "message"),
        [
            (_no_table, "number of tables declared: 1, but the function takes none"),
            (_two_tables, "number of tables declared: 1, but the function takes 2 (table, other)"),
            (_optional_table, "number of tables declared: 1, but the function takes 2 (table, other)"),
            (_no_default, "setting 'miles' has no default"),
            (_hidden_settings, "'**settings' hides its settings"),
        ],
    )
    def test_function_that_does_not_fit(self, function: Any, message: str) -> None:
        """A function that does not fit its tables is refused on import."""
        assert refused(lambda: ms.step(flights)(function)).message == f"step {function.__name__}: {message}"

    def test_any_number_of_tables(self) -> None:
        """`*tables` takes as many as are given."""
        assert len(ms.step(flights, planes)(_any_number).inputs) == 2

    def test_decorator_without_parentheses(self) -> None:
        """`@ms.step` alone is refused at once, and says what to write."""
        plain: Any = _plain
        error = refused(lambda: ms.step(plain))
        assert "the plain function _plain is given where a table is wanted" in error.message
        assert "@ms.step(table)" in str(error.hint)

    @pytest.mark.parametrize("inputs", [(), (flights,) * 9, ("flights.parquet",), (None,)])
    def test_inputs_that_are_no_tables(self, inputs: tuple[Any, ...]) -> None:
        """One to eight tables, and nothing else."""
        assert refused(lambda: input_tables("step", inputs)).message.startswith("step: ")

    def test_two_decorators_on_one_function(self) -> None:
        """A declared value is no plain function."""
        again: Any = ms.step(flights)
        assert "is no plain function" in refused(lambda: again(long)).message


class TestFacts:
    """Key, time and knowledge come from the first input unless said otherwise."""

    def test_source_declares_them(self) -> None:
        """Delay is kept in microseconds."""
        assert flights.facts == Facts(("flight",), "landed", "loaded", 15 * 60 * 1_000_000)
        assert planes.facts == Facts(("tailnum",))

    def test_step_inherits_from_its_first_input(self) -> None:
        """The second input says nothing, and inheritance goes on."""
        first = ms.step(flights, planes)(_two_tables)
        assert ms.step(first)(_plain).facts == flights.facts

    def test_new_time_resets_what_was_known(self) -> None:
        """A new time takes known_at and delay away."""
        assert ms.step(flights, time="scheduled")(_plain).facts == Facts(("flight",), "scheduled", None, 0)
        assert ms.step(flights, time="scheduled", known_at="seen")(_plain).facts == Facts(("flight",), "scheduled", "seen", 0)

    def test_same_time_said_again_resets_nothing(self) -> None:
        """Repeating the inherited time is no new time: a delay is never lost by it."""
        assert ms.step(flights, time="landed")(_plain).facts == flights.facts

    def test_new_key_keeps_the_times(self) -> None:
        """Only what is said changes; an empty key is one too."""
        assert ms.step(flights, key=["carrier", "day"])(_plain).facts == Facts(("carrier", "day"), "landed", "loaded", 900_000_000)
        assert ms.step(flights, key=())(_plain).facts.key == ()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"lookback": "7d"}, "lookback needs a partition"),
            ({"partition": "1mo"}, "partition: '1mo' has no fixed length"),
            ({"partition": "0d"}, "partition: '0d' is no time at all"),
            ({"partition": "daily"}, "partition: 'daily' is not a duration"),
        ],
    )
    def test_options_that_need_each_other(self, options: dict[str, Any], message: str) -> None:
        """Options that cannot be meant are refused on import."""
        assert refused(lambda: ms.step(flights, **options)(_plain)).message == f"step _plain: {message}"

    @pytest.mark.parametrize("options", [{"partition": "1d"}, {"known_at": "loaded"}])
    def test_options_that_need_a_time(self, options: dict[str, Any]) -> None:
        """Pieces and knowledge need a time, declared or inherited."""
        assert "needs a time" in refused(lambda: ms.step(planes, **options)(_plain)).message
        assert ms.step(planes, time="built", **options)(_plain).facts.time == "built"


class TestSource:
    """A source says where, and the three facts."""

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"known_at": "loaded"}, "known_at needs a time"),
            ({"delay": "1d"}, "delay needs a time"),
            ({"time": "at", "delay": "1mo"}, "delay: '1mo' has no fixed length"),
            ({"columns": ["flight"], "key": "fligth"}, "key 'fligth' is not among its columns"),
            ({"tz": "America/NewYork"}, "tz: there is no time zone 'America/NewYork'"),
        ],
    )
    def test_options_that_do_not_fit(self, options: dict[str, Any], message: str) -> None:
        """What cannot be meant is refused on import, without reading anything."""
        error = refused(lambda: ms.source("a.csv", **options))
        assert error.message == f"source a.csv: {message}"
        assert error.hint

    @pytest.mark.parametrize("key", [["a", "a"], [""], [3], 3])
    def test_columns_that_are_no_names(self, key: Any) -> None:
        """Columns are names, each once."""
        assert refused(lambda: ms.source("a.csv", key=key)).message.startswith(("source: key", "each of source: key"))

    def test_sink_mode(self) -> None:
        """Unknown modes are refused with those there are."""
        mode: Any = "upsert"
        assert refused(lambda: ms.sink("out", mode=mode)).hint == "one of: append, replace"


class TestCollecting:
    """A collector sees what an import makes, bound to a name or not."""

    def test_gathers_in_order(self) -> None:
        """Every value made in the block is there, in the order made, and none made outside."""
        with collecting() as made:
            first = ms.source("a.csv")
            second = ms.step(first)(_plain)
        ms.source("b.csv")
        expected: list[Declaration] = [first, second]
        assert made == expected

    def test_refused_values_are_not_gathered(self) -> None:
        """What was refused was never declared."""
        with collecting() as made, pytest.raises(DeclarationError):
            ms.source("a.csv", delay="1d")
        assert made == []


class TestTriggers:
    """Triggers are joined by `|` and `&`."""

    def test_joined(self) -> None:
        """Chains of one kind are flat."""
        day, week, month = ms.every("1d"), ms.every("1w"), ms.every("1mo")
        either, mixed = day | week | month, day | week & month
        assert isinstance(either, AnyOf)
        assert either.parts == (day, week, month)
        assert isinstance(mixed.parts[1], AllOf)

    def test_or_instead_of_bar(self) -> None:
        """`or` would silently keep the first trigger only."""
        assert "'|' and '&'" in str(refused(lambda: bool(ms.every("1d"))).hint)

    @pytest.mark.parametrize("duration", ["", "0d", "1 day", "-1d", 5])
    def test_malformed_duration(self, duration: Any) -> None:
        """A clock needs a duration longer than zero."""
        assert refused(lambda: ms.every(duration)).message.startswith("every")


class TestDurations:
    """Durations as polars writes them."""

    @pytest.mark.parametrize(("text", "length"), [("15m", 900_000_000), ("1d12h", 129_600_000_000), ("250ms", 250_000), ("0s", 0)])
    def test_fixed(self, text: str, length: int) -> None:
        """Fixed units are microseconds."""
        assert microseconds(text) == length

    @given(st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(sorted(MICROSECONDS))), min_size=1, max_size=4))
    def test_parts_add_up(self, parts: list[tuple[int, str]]) -> None:
        """A combination is as long as its parts together, and `add` moves by that."""
        text = "".join(f"{number}{unit}" for number, unit in parts)
        length = sum(microseconds(f"{number}{unit}") for number, unit in parts)
        start = datetime(2000, 1, 1, tzinfo=UTC)
        assert microseconds(text) == length
        assert add(start, text) - start == timedelta(microseconds=length)

    @pytest.mark.parametrize(("text", "instead"), [("1mo", "30d"), ("1q", "91d"), ("2y", "730d")])
    def test_calendar_has_no_fixed_length(self, text: str, instead: str) -> None:
        """Where a fixed length is wanted, one is proposed."""
        error = refused(lambda: microseconds(text))
        assert text in error.message
        assert f"'{instead}'" in str(error.hint)

    @pytest.mark.parametrize(
        ("text", "hint"),
        [("30 days", "'30d'"), ("15min", "'15m'"), ("1month", "'1mo'"), ("2weeks", "'2w'"), ("3H", "'3h'"), ("soon", "'15m'")],
    )
    def test_malformed(self, text: str, hint: str) -> None:
        """What was probably meant is proposed."""
        assert hint in str(refused(lambda: microseconds(text)).hint)

    def test_months_keep_the_day_or_take_the_last(self) -> None:
        """Months are counted from the start, so no day is lost on the way."""
        start = datetime(2024, 1, 31, 12)
        assert add(start, "1mo") == datetime(2024, 2, 29, 12)
        assert add(start, "1mo", times=2) == datetime(2024, 3, 31, 12)
        assert add(start, "1q", times=-1) == datetime(2023, 10, 31, 12)
        assert add(start, "1y1d") == datetime(2025, 2, 1, 12)

    def test_beyond_the_calendar(self) -> None:
        """A moment that does not exist is refused."""
        assert "beyond the calendar" in refused(lambda: add(datetime(9999, 1, 1), "1y")).message


class TestSurface:
    """`import millstream` is cheap, and knows its names."""

    def test_import_loads_nothing_heavy(self) -> None:
        """The surface is lazy; declaring everything loads no table or learning library either."""
        names = ", ".join(f"ms.{name}" for name in ms.__all__ if name not in {"Predictor", "Project"})
        program = f"import sys, millstream as ms; early = set(sys.modules); {names}; print(*early); print(*sys.modules)"
        early, late = subprocess.check_output([sys.executable, "-c", program], text=True).splitlines()
        assert not {"msgspec", "millstream.errors"} & set(early.split())
        assert not {"polars", "numpy", "scipy", "sklearn", "lightgbm", "starlette"} & set(late.split())

    def test_misspelt_name(self) -> None:
        """An unknown name is an AttributeError, for which Python proposes the right one."""
        with pytest.raises(AttributeError, match="no attribute 'sorce'"):
            getattr(ms, "sorce")  # noqa: B009

    def test_names(self) -> None:
        """Every public name is there, and `dir` shows it."""
        assert {name for name in ms.__all__ if name != "Project" and getattr(ms, name) is None} == set()
        assert set(ms.__all__) <= set(dir(ms))
