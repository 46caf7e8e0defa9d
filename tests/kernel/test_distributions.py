"""Whose code it is, and which version it has: asked of folders laid out as installers leave them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from millstream.kernel.distributions import PYTHON, in_project, version_of, versions_behind

Install = Callable[..., Path]


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution of one module into a folder of the path, by default `site-packages`."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def install(
        name: str, *, module: str = "", version: str = "1.0", requires: tuple[str, ...] = (), origin: object = None, into: str = "site-packages"
    ) -> Path:
        folder, module = tmp_path / into, module or name
        metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        metadata.mkdir(parents=True)
        file = folder / f"{module.replace('.', '/')}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text("def give(x):\n    return x\n", encoding="utf-8")
        lines = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {each}" for each in requires), "", "About it."]
        (metadata / "METADATA").write_text("\n".join(lines), encoding="utf-8")
        (metadata / "RECORD").write_text(f"{file.relative_to(folder).as_posix()},,\n", encoding="utf-8")
        if origin is not None:
            (metadata / "direct_url.json").write_text(json.dumps(origin), encoding="utf-8")
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        return file

    yield install
    for each in set(sys.modules) - before:
        del sys.modules[each]


def test_installed_code_is_not_the_users(packages: Install) -> None:
    """What an installer has put among packages belongs to others, and has a version."""
    packages("fp-alpha", module="fp_alpha", version="2.1")

    assert not in_project("fp_alpha")
    assert versions_behind("fp_alpha") == {"fp-alpha": "2.1"}


def test_a_module_beside_the_program_is_the_users(packages: Install, tmp_path: Path) -> None:
    """A file of the path that no installer knows of is the project's."""
    (tmp_path / "fp_beta.py").write_text("", encoding="utf-8")
    sys.path.insert(0, str(tmp_path))

    assert in_project("fp_beta")


@pytest.mark.parametrize("name", ["json", "_json", "sys", "zipimport", "xml.etree.ElementTree"])
def test_the_standard_library_is_not_the_users(name: str) -> None:
    """Python's own modules are known by Python's version."""
    assert not in_project(name)


def test_what_no_file_is_known_of_is_followed() -> None:
    """The program itself, and a module that is not there: better looked into than passed over."""
    assert in_project("__main__")
    assert in_project("fp_no_such_module")


def test_installed_in_place_is_the_users(packages: Install, tmp_path: Path) -> None:
    """An editable sibling lies outside the packages."""
    packages("fp-gamma", module="fp_link", origin={"url": "file:///x", "dir_info": {"editable": True}})
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "fp_gamma.py").write_text("", encoding="utf-8")
    sys.path.insert(0, str(tmp_path / "source"))

    assert in_project("fp_gamma")


def test_installed_from_a_folder_is_the_users(packages: Install) -> None:
    """A sibling that was copied from a folder changes without its version."""
    packages("fp-delta", module="fp_delta", origin={"url": "file:///x", "dir_info": {}})

    assert in_project("fp_delta")


def test_installed_into_a_folder_is_not_the_users(packages: Install) -> None:
    """`pip install --target vendor` leaves metadata beside the code."""
    packages("fp-epsilon", module="fp_epsilon", into="vendor")

    assert not in_project("fp_epsilon")


def test_a_commit_is_part_of_the_version(packages: Install) -> None:
    """What came from a repository has the same version at many commits."""
    packages("fp-zeta", module="fp_zeta", origin={"url": "https://x", "vcs_info": {"vcs": "git", "commit_id": "abc123"}})

    assert versions_behind("fp_zeta") == {"fp-zeta": "1.0 abc123"}


def test_requirements_count_one_level_down(packages: Install) -> None:
    """What a package requires may change what it does; what those require, and extras, are left out."""
    packages("fp-eta", module="fp_eta", requires=("fp-theta>=1", 'fp_iota ; python_version > "3"', 'fp-kappa ; extra == "all"', "fp-missing"))
    packages("fp-theta", module="fp_theta", version="3.0", requires=("fp-kappa",))
    packages("fp-iota", module="fp_iota", version="4.0")
    packages("fp-kappa", module="fp_kappa", version="5.0")

    assert versions_behind("fp_eta") == {"fp-eta": "1.0", "fp-theta": "3.0", "fp-iota": "4.0"}


def test_a_distribution_may_have_another_name(packages: Install) -> None:
    """It is found by the files that it has installed."""
    packages("fp-lambda", module="fp_other_name", version="6.0")

    assert versions_behind("fp_other_name") == {"fp-lambda": "6.0"}


def test_a_package_may_be_shared(packages: Install) -> None:
    """Of a namespace package the distribution of the part that is used counts."""
    packages("fp-mu-one", module="fp_mu.one")
    packages("fp-mu-two", module="fp_mu.two", version="2.0")
    __import__("fp_mu.two")

    assert versions_behind("fp_mu.two") == {"fp-mu-two": "2.0"}


def test_what_is_not_installed_has_no_version() -> None:
    """It is said, not guessed."""
    assert versions_behind("fp_no_such_module") == {}
    assert version_of("fp-no-such-distribution") == "unknown"


def test_python_is_its_minor_version() -> None:
    """A patch release computes the same."""
    assert PYTHON.split()[0] == f"{sys.version_info.major}.{sys.version_info.minor}"
