"""Pickles: only what this user signed is loaded."""

from __future__ import annotations

import pickle
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rivers import run_python

from millstream.errors import StoreError
from millstream.kernel.signing import LENGTH, load_signed, sign_pickle


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with a configuration folder of their own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    return tmp_path / "configuration"


class Trap:
    """Leaves a trace when its pickle is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.trace,))


def test_own_pickle_comes_back() -> None:
    """Signed and loaded by the same user."""
    assert load_signed(sign_pickle({"weights": [1.5, None]})) == {"weights": [1.5, None]}


def test_foreign_pickle_is_refused_unread(tmp_path: Path) -> None:
    """Nothing of it is executed, whatever stands in front of it."""
    trap = pickle.dumps(Trap(tmp_path / "trace"))
    signature = sign_pickle("something else")[:LENGTH]

    for content in (trap, bytes(LENGTH) + trap, signature + trap, b"", signature):
        with pytest.raises(StoreError, match="not signed by this user"):
            load_signed(content)

    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("place", [0, LENGTH - 1, LENGTH, -1])
def test_altered_pickle_is_refused(place: int) -> None:
    """One bit of signature or content is enough."""
    content = bytearray(sign_pickle([1, 2, 3]))
    content[place] ^= 1

    with pytest.raises(StoreError, match="train it again here"):
        load_signed(bytes(content))


def test_pickle_of_another_user_is_refused(configuration: Path) -> None:
    """Another key, another signature."""
    content = sign_pickle("mine")
    (configuration / "millstream" / "signing.key").unlink()

    with pytest.raises(StoreError, match="not signed by this user"):
        load_signed(content)


def test_key_is_for_its_user_alone(configuration: Path) -> None:
    """Nobody else may read it, and nothing else is left beside it."""
    sign_pickle(1)

    (key,) = (configuration / "millstream").iterdir()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_bytes()) == LENGTH


def test_key_is_made_once(configuration: Path) -> None:
    """Several threads that sign first all use the one that came to be."""
    with ThreadPoolExecutor(8) as pool:
        contents = list(pool.map(sign_pickle, range(16)))

    assert [load_signed(content) for content in contents] == list(range(16))
    assert len(list((configuration / "millstream").iterdir())) == 1


def test_another_process_loads_it(tmp_path: Path) -> None:
    """The key outlives the process."""
    (tmp_path / "signed").write_bytes(sign_pickle("here"))
    code = "import sys, pathlib, millstream.kernel.signing as s; print(s.load_signed(pathlib.Path(sys.argv[1]).read_bytes()))"

    assert run_python(code, str(tmp_path / "signed")).stdout == "here\n"
