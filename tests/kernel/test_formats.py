"""Results that are no tables: stored by a codec, read back as what they were."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from rivers import run_river
from sklearn.linear_model import LinearRegression
from step_calls import handed, stored

from millstream.errors import StepError, StoreError
from millstream.kernel import codecs
from millstream.kernel.codecs import register_codec
from millstream.kernel.formats.json_values import JsonValues
from millstream.kernel.records import Value
from millstream.kernel.store import Store

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@dataclass
class Report:
    day: date
    tags: set[str] = field(default_factory=set)


class Score(msgspec.Struct):
    name: str
    value: float


class Kilometres:
    """A type that nothing knows."""

    def __init__(self, length: float) -> None:
        self.length = length


class Lengths:
    """A codec of one's own."""

    name = "length"

    def takes(self, value: object) -> bool:
        return isinstance(value, Kilometres)

    def encode(self, value: Any) -> bytes:
        return repr(value.length).encode()

    def decode(self, content: bytes) -> Kilometres:
        return Kilometres(float(content))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codecs that are registered meanwhile are forgotten."""
    monkeypatch.setattr(codecs, "_known", dict(codecs._known))  # noqa: SLF001  the register is there for the whole process


def value_of(store: Store, result: object) -> Value:
    artifact = stored(store, result)
    assert isinstance(artifact, Value)
    return artifact


# JSON


@given(value=JSON)
def test_json_comes_back(value: object) -> None:
    """Every value, with dictionaries in their order."""
    codec = JsonValues()

    read = codec.decode(codec.encode(value))

    assert read == value
    assert repr(read) == repr(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((1, 2), b"[1,2]"),
        ({"b": 1, "a": 2}, b'{"b":1,"a":2}'),
        (OrderedDict(a=1), b'{"a":1}'),
        ({"c", "a", "b"}, b'["a","b","c"]'),
        ([{"x": frozenset({3, 1})}], b'[{"x":[1,3]}]'),
        (Report(date(2024, 1, 2), {"b", "a"}), b'{"day":"2024-01-02","tags":["a","b"]}'),
        (Score("auc", 0.5), b'{"name":"auc","value":0.5}'),
        ({"auc": np.float64(0.5), "n": np.int64(3), "ok": np.bool_(True)}, b'{"auc":0.5,"n":3,"ok":true}'),  # noqa: FBT003
        (np.float32(0.5), b"0.5"),
        (date(2024, 1, 2), b'"2024-01-02"'),
        (Decimal("1.50"), b'"1.50"'),
    ],
)
def test_what_plainly_becomes_json(store: Store, value: object, text: bytes) -> None:
    """Tuples, sets in order, records, moments and numpy's numbers; a dictionary keeps its order."""
    assert store.read_value(value_of(store, value)) == text


@pytest.mark.parametrize(
    ("value", "place"),
    [(math.nan, "nan at the top"), ({"a": [1.0, math.inf]}, r"inf at \['a'\]\[1\]"), (Score("auc", -math.inf), "-inf at .value")],
)
def test_numbers_that_json_cannot_say_are_refused(store: Store, value: object, place: str) -> None:
    """They would come back as None: the place is told."""
    with pytest.raises(StepError, match=f"returned {place}, which JSON cannot say"):
        stored(store, value)


def test_object_inside_json_is_named(store: Store) -> None:
    """The type that does not fit, not only the dictionary around it."""
    with pytest.raises(StepError, match=r"returned a dict that JSON cannot say: it holds a .*\.Kilometres"):
        stored(store, {"length": Kilometres(1.0)})


# bytes, arrays, models, figures


def test_bytes_come_back(store: Store) -> None:
    """Also of what can be changed like them."""
    assert handed(store, stored(store, b"\x00\xff"), bytes) == b"\x00\xff"
    assert handed(store, stored(store, bytearray(b"ab")), bytes) == b"ab"


@given(array=arrays.arrays(arrays.scalar_dtypes() | arrays.unicode_string_dtypes(), arrays.array_shapes(min_dims=0, min_side=0)))
def test_array_comes_back(array: np.ndarray[Any, Any]) -> None:
    """Every type and shape, bit for bit."""
    codec = codecs.Arrays()

    read = codec.decode(codec.encode(array))

    assert (read.dtype, read.shape, read.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_array_has_one_digest_however_it_lies(store: Store) -> None:
    """By rows, by columns, or as a part of another."""
    array = np.arange(12.0).reshape(3, 4)
    lying = [array, np.asfortranarray(array), np.repeat(array, 2, axis=0)[::2]]

    assert len({value_of(store, each).digest for each in lying}) == 1


@pytest.mark.parametrize(("array", "word"), [(np.array([object()]), "Python objects"), (np.ma.masked_array([1], [True]), "its mask")])
def test_array_that_would_lose_something_is_refused(store: Store, array: object, word: str) -> None:
    """Objects have no bytes, and a mask has no place."""
    with pytest.raises(StepError, match=word):
        stored(store, array)


def test_model_comes_back_for_its_user_alone(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle runs code when it is read: it is signed."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "ours"))
    model = LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])
    artifact = stored(store, model)

    assert handed(store, artifact, LinearRegression).predict([[2.0]]).tolist() == model.predict([[2.0]]).tolist()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "theirs"))
    with pytest.raises(StoreError, match="not signed by this user"):
        handed(store, artifact, LinearRegression)


def test_booster_comes_back(store: Store) -> None:
    """It has no `fit`, but it predicts, to the bit."""
    lightgbm = pytest.importorskip("lightgbm")
    random = np.random.default_rng(0)
    rows, truth = random.normal(size=(200, 3)), random.normal(size=200)
    booster = lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(rows, truth), num_boost_round=5)

    read = handed(store, stored(store, booster), lightgbm.Booster)

    assert read.predict(rows).tolist() == booster.predict(rows).tolist()


def test_model_that_cannot_be_pickled_says_so(store: Store) -> None:
    """Its class stands inside a function."""

    class Inner:
        def fit(self) -> None: ...

        def predict(self) -> None: ...

    with pytest.raises(StepError, match=r"returned a .*Inner that cannot be pickled"):
        stored(store, Inner())


def test_figure_is_a_picture_and_always_the_same(store: Store) -> None:
    """PNG without date and version; what is read back are its bytes."""
    matplotlib = pytest.importorskip("matplotlib.figure", reason="matplotlib is not installed; it is in the extra dev")

    def draw() -> object:
        figure = matplotlib.Figure(figsize=(2, 1))
        figure.add_subplot().plot([1, 2], [3, 4])
        return figure

    one, other = stored(store, draw()), stored(store, draw())

    assert handed(store, one, bytes).startswith(b"\x89PNG")
    assert one.digest == other.digest


def test_figure_of_pyplot_is_closed(store: Store) -> None:
    """It would be held for as long as the process lives."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed; it is in the extra dev").use("agg")
    from matplotlib import pyplot  # noqa: PLC0415  it may not be there

    stored(store, pyplot.figure())

    assert pyplot.get_fignums() == []


# codecs of one's own


def test_unknown_type_says_what_to_do(store: Store) -> None:
    """Which type, and where to read on."""
    with pytest.raises(StepError, match=r"returned a .*\.Kilometres, which nothing knows how to store") as caught:
        stored(store, Kilometres(1.0))

    assert "docs/howto/steps.md" in (caught.value.hint or "")


@pytest.mark.usefixtures("known")
def test_codec_of_ones_own(store: Store) -> None:
    """It comes before those that are there."""
    register_codec(Lengths())

    assert handed(store, stored(store, Kilometres(2.5)), Kilometres).length == 2.5


def test_codec_that_is_not_known_here_is_named(store: Store) -> None:
    """As where a file no longer registers it."""
    value = store.write_value(b"2.5", "length")[0]

    with pytest.raises(StoreError, match="stored by the codec 'length', which is not known here"):
        handed(store, value, None)


@pytest.mark.usefixtures("known")
def test_codec_in_a_users_file(tmp_path: Path) -> None:
    """Registered on import, used by two steps."""
    text = """
    from dataclasses import dataclass
    from millstream.kernel.codecs import register_codec


    class Route:
        def __init__(self, stops: list[str]) -> None:
            self.stops = stops


    class Routes:
        name = "route"

        def takes(self, value: object) -> bool:
            return isinstance(value, Route)

        def encode(self, value: Route) -> bytes:
            return ",".join(value.stops).encode()

        def decode(self, content: bytes) -> Route:
            return Route(content.decode().split(","))


    register_codec(Routes())
    stops = ms.source("stops.csv")


    @ms.step(stops)
    def route(stops: pl.DataFrame) -> Route:
        return Route(stops["name"].to_list())


    @ms.step(route)
    def length(route: Route) -> int:
        return len(route.stops)
    """
    (tmp_path / "stops.csv").write_text("name\nhere\nthere\n")

    ran = run_river(tmp_path, text).answer()

    artifact = ran.artifact("length")
    assert isinstance(artifact, Value)
    assert ran.project.store.read_value(artifact) == b"2"


def test_error_of_a_result_names_step_and_line(tmp_path: Path) -> None:
    """As every error of a step."""
    text = """
    rows = ms.source("rows.csv")


    @ms.step(rows)
    def odd(rows: pl.DataFrame) -> object:
        return iter([1])
    """
    (tmp_path / "rows.csv").write_text("n\n1\n")

    (error,) = run_river(tmp_path, text).result.errors

    assert isinstance(error, StepError)
    assert error.message == "odd: returned a builtins.list_iterator, which nothing knows how to store"
    assert (error.where or "").startswith(str(tmp_path / "river.py"))
