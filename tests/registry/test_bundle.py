"""The bundle: all parts under one manifest, no pickle but other people's, and that one signed and allowed."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest
from rivers import day, train_models, write_parcels

from millstream.errors import StoreError
from millstream.kernel.facts import Facts
from millstream.kernel.signing import load_signed, sign_pickle
from millstream.project import Project
from millstream.registry.bundle import PARTS, pack_bundle, plan_of, profile_of, unpack_bundle
from millstream.registry.records import Bundle, InputField, Plan, Version
from millstream.serving.versions import open_version, read_bundle
from millstream.training.candidates import Candidate, Learning, Packed, fit_candidate, unpack_candidate
from millstream.training.declare import Method
from millstream.training.presets import Baseline, Boosting, Forest, Linear
from millstream.training.problem import Problem
from millstream.validation.profile import profile

FRAME = pl.DataFrame({"weight": np.linspace(0, 1, 200), "route": ["a", "b"] * 100})
TARGET = (np.arange(200) % 3 == 0).astype(np.float64)
FIELDS = (InputField("weight", "number", required=True, nullable=False),)
PLAN = Plan("delays", "late", "binary", "roc_auc", (False, True), Facts(("parcel",), "sent"), FIELDS, ("weight",), b"schema")
ESTIMATOR = """
class Heavy:
    def fit(self, X, y):
        self.mean = X[:, 1].mean()

    def predict(self, X):
        beyond = X[:, 1] - self.mean
        return 0.5 + beyond / (1 + abs(beyond)) / 2


"""
SOURCE = 'parcels = ms.source("parcels.parquet", key="parcel", time="sent")'


class Last:
    """An estimator that answers the last column."""

    def fit(self, matrix: object, target: object) -> None:
        """Learn nothing."""

    def predict(self, matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> object:
        """The last column."""
        return matrix[:, -1]


class Mine:
    """What leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    return tmp_path / "configuration"


def packed(method: Method) -> bytes:
    """A fitted method as bytes."""
    learning = Learning(("weight", "route"), Problem("binary", "roc_auc", (False, True)), 0)
    return fit_candidate(Candidate("it", method), learning, (FRAME, TARGET)).pack()


def bundle_of(content: bytes) -> Bundle:
    """The bundle as it is written, whatever its manifest says."""
    return msgspec.msgpack.decode(content, type=Bundle)


BUNDLE = pack_bundle(PLAN, b"model", profile(FRAME, ["weight", "route"]), b"probes")


def test_a_bundle_comes_back_as_it_was() -> None:
    """Plan, model, profile and probes."""
    bundle = unpack_bundle(BUNDLE)
    assert (plan_of(bundle), bundle.model, profile_of(bundle), bundle.probes) == (PLAN, b"model", profile(FRAME, ["weight", "route"]), b"probes")


def test_the_manifest_holds_the_digest_of_every_part() -> None:
    """SHA-256, as `sha256sum` tells it."""
    bundle = bundle_of(BUNDLE)
    assert dict(bundle.manifest) == {name: hashlib.sha256(getattr(bundle, name)).hexdigest() for name in ("plan", "model", "profile", "probes")}


@pytest.mark.parametrize("part", PARTS)
def test_a_damaged_part_is_refused(part: str) -> None:
    """One bit of it is another."""
    bundle = bundle_of(BUNDLE)
    content = bytearray(getattr(bundle, part))
    content[0] ^= 1
    with pytest.raises(StoreError, match=f"the {part} of a model version is not what its manifest says"):
        unpack_bundle(msgspec.msgpack.encode(msgspec.structs.replace(bundle, **{part: bytes(content)})))


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_the_manifest_leaves_out_is_refused(part: str) -> None:
    """Nobody says what it should be."""
    bundle = bundle_of(BUNDLE)
    manifest = tuple(line for line in bundle.manifest if line[0] != part)
    with pytest.raises(StoreError, match=f"the {part} of a model version"):
        unpack_bundle(msgspec.msgpack.encode(msgspec.structs.replace(bundle, manifest=manifest)))


@pytest.mark.parametrize(
    "content", [BUNDLE[:-9], b"", b"\x80\x05.", BUNDLE.replace(b"manifest", b"manifold")], ids=["cut off", "empty", "pickle", "other"]
)
def test_what_is_no_bundle_is_refused(content: bytes) -> None:
    """With what to do instead."""
    with pytest.raises(StoreError, match="damaged\n  roll back, or train it again"):
        unpack_bundle(content)


@pytest.mark.parametrize("method", [Boosting(rounds=3), Forest(trees=2), Linear(), Baseline()], ids=lambda method: type(method).__name__)
def test_built_in_methods_hold_no_pickle(method: Method, configuration: Path) -> None:
    """They are arrays, open without anybody's permission, and need no key."""
    content = packed(method)
    assert msgspec.msgpack.decode(content, type=Packed).pickled is None
    scores = unpack_candidate(content, unpickle=False).scores(FRAME)
    assert np.isfinite(scores).all()
    assert not configuration.exists()


def test_an_estimator_is_opened_only_where_that_is_allowed() -> None:
    """Elsewhere it is told how to allow it."""
    content = packed(Last())
    assert unpack_candidate(content, unpickle=True).scores(FRAME).tolist() == [0.0, 1.0] * 100
    with pytest.raises(StoreError, match=r"\[tool\.millstream\] unpickle = true"):
        unpack_candidate(content, unpickle=False)


def test_the_key_is_the_users_own(configuration: Path) -> None:
    """32 bytes in the configuration folder that nobody else may read, made once."""
    sign_pickle(1)
    key = configuration / "millstream" / "signing.key"
    made = key.read_bytes()
    sign_pickle(2)
    assert (len(made), key.read_bytes(), oct(key.stat().st_mode & 0o777)) == (32, made, "0o600")
    assert list(key.parent.iterdir()) == [key]


@pytest.mark.parametrize("place", [0, 31, 32, -1])
def test_a_signed_pickle_that_was_changed_is_not_loaded(place: int) -> None:
    """Neither with another signature nor with another content."""
    content = bytearray(sign_pickle({"weight": 1.5}))
    assert load_signed(bytes(content)) == {"weight": 1.5}
    content[place] ^= 1
    with pytest.raises(StoreError, match="was not signed by this user"):
        load_signed(bytes(content))


def test_a_pickle_that_somebody_else_signed_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a byte of it is read: what it would do is not done."""
    mark = tmp_path / "done"
    unsigned, signed = bytes(32) + pickle.dumps(Mine(mark)), sign_pickle(Mine(mark))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another"))
    for content in (unsigned, signed, b"", signed[:40]):
        with pytest.raises(StoreError, match="was not signed by this user"):
            load_signed(content)
    assert not mark.exists()


# versions of a project


def champion(project: Project) -> Version:
    """The version in office."""
    found = project.registry.champion("delays")
    assert found is not None
    return found


def test_a_version_of_an_estimator_needs_permission(tmp_path: Path) -> None:
    """Trained and registered without; opened only with `unpickle = true` in pyproject.toml, and then it scores."""
    changes = {SOURCE: ESTIMATOR + SOURCE, "methods=[ms.methods.linear()]": "methods=[Heavy()]"}
    project = train_models(write_parcels(tmp_path, changes, days=40), as_of=day(30))
    version = champion(project)
    assert (version.record.method, version.pickled) == ("Heavy", True)
    with pytest.raises(StoreError, match=r"\[tool\.millstream\] unpickle = true"):
        open_version(project.workspace, version)
    (tmp_path / "pyproject.toml").write_text("[tool.millstream]\nunpickle = true\n")
    allowed = Project(project.file)
    opened = open_version(allowed.workspace, version)
    assert type(opened.candidate.estimator).__name__ == "Heavy"


def test_a_damaged_version_is_not_opened(tmp_path: Path) -> None:
    """One bit of the file of its bundle is another; that it holds no pickle is on record."""
    project = train_models(write_parcels(tmp_path, days=40), as_of=day(30))
    version = champion(project)
    assert (version.record.method, version.pickled) == ("linear", False)
    assert open_version(project.workspace, version).version == version
    path = project.store.path(f"{version.bundle}.bin")
    assert unpack_bundle(read_bundle(project.store, version)).model
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(StoreError, match="damaged"):
        open_version(Project(project.file).workspace, version)
