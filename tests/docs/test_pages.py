"""What the pages say is so: their Python runs, their commands parse, their links resolve, and they name only what is built."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from rivers import python_environment

import millstream as ms
from millstream.cli.main import COMMANDS, millstream

ROOT = Path(__file__).parents[2]
OTHERS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
LINES = {"tutorial.md": 200, "howto": 90}
NAMESPACES = {"methods": ms.methods, "prepare": ms.prepare, "split": ms.split, "gate": ms.gate, "rest": ms.rest}


@dataclass(frozen=True)
class Page:
    """One page of the documentation."""

    path: Path

    @property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """What stands outside the fences."""
        return "\n".join(line for line, fence in self.fenced() if fence is None)

    def fenced(self) -> Iterator[tuple[str, str | None]]:
        """Every line with the kind of the fence it stands in, None outside; the fences themselves are left empty."""
        kind: str | None = None
        for line in self.text.splitlines():
            if line.startswith("```"):
                kind = (line[3:] or "text") if kind is None else None
                yield "", kind
            else:
                yield line, kind

    def python(self) -> str:
        """Its Python blocks as one file, each line where it stands on the page."""
        return "\n".join(line if kind == "python" else "" for line, kind in self.fenced())

    def commands(self) -> list[list[str]]:
        """The arguments of every `$ millstream …` of its console blocks."""
        lines = (line for line, kind in self.fenced() if kind == "console")
        return [shlex.split(line)[2:] for line in lines if line.startswith("$ millstream ")]

    def anchors(self) -> set[str]:
        """What its headings are called in links."""
        headings = re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

    def links(self) -> list[str]:
        """Targets of its links that are no web addresses."""
        found = re.findall(r"\]\(([^)\s]+)\)", self.prose)
        return [target for target in found if "://" not in target]


PAGES = [Page(ROOT / name) for name in OTHERS] + [Page(path) for path in sorted((ROOT / "docs").rglob("*.md"))]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path.relative_to(ROOT).as_posix())


@pytest.mark.parametrize("page", [page for page in PAGES if page.python().strip()], ids=lambda page: page.path.stem)
def test_python_runs(page: Page, tmp_path: Path) -> None:
    """The Python blocks of a page run in its order, as one program in a folder of its own."""
    program = tmp_path / f"{page.path.stem}.py"
    program.write_text(page.python(), encoding="utf-8")

    ran = subprocess.run([sys.executable, program.name], cwd=tmp_path, env=python_environment(), capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr


@every_page
def test_console_commands_parse(page: Page) -> None:
    """Every command in a console block exists, and takes the arguments and options given."""
    context = click.Context(millstream)

    for name, *arguments in page.commands():
        command = millstream.get_command(context, name)
        assert command is not None, name
        command.make_context(name, arguments, parent=context)


@every_page
def test_commands_named_are_built(page: Page) -> None:
    """A command named in the prose is one of those that there are."""
    assert set(re.findall(r"`millstream ([a-z]+)", page.prose)) <= set(COMMANDS)


@every_page
def test_names_are_built(page: Page) -> None:
    """`ms.name` is a public name, and what is named of a namespace is in it."""
    assert set(re.findall(r"\bms\.(\w+)", page.text)) <= {*ms.__all__, "__version__"}

    for namespace, module in NAMESPACES.items():
        assert set(re.findall(rf"\b(?:ms\.)?{namespace}\.(\w+)\(", page.text)) <= set(module.__all__)


@every_page
def test_links_resolve(page: Page) -> None:
    """Every relative link leads to a file or folder, and its anchor to a heading there."""
    for link in page.links():
        target, _, anchor = link.partition("#")
        path = page.path.parent / target if target else page.path
        assert path.exists(), link
        assert not anchor or anchor in Page(path).anchors(), link


@every_page
def test_no_path_of_a_machine(page: Page) -> None:
    """No page names a folder of the machine on which it was written."""
    assert re.findall(r"(?<![\w.])/(?:work|tmp|root|home|Users)/\S*", page.text) == []


def test_every_page_is_on_the_map() -> None:
    """The map of the documentation leads to every page but decisions."""
    docs = ROOT / "docs"
    linked = {(docs / link).resolve() for link in Page(docs / "index.md").links()}

    assert {path for path in docs.rglob("*.md") if path.parent.name != "adr"} - linked == {docs / "index.md"}


def test_every_name_is_explained() -> None:
    """Every function and namespace is used on a page that people wrote, and so is every member of a namespace."""
    told = "\n".join(page.text for page in PAGES if page.path.name != "reference.md")
    functions = {name for name in ms.__all__ if name.islower()}
    members = {f"{namespace}.{name}" for namespace, module in NAMESPACES.items() for name in module.__all__}

    assert functions - set(re.findall(r"\bms\.(\w+)", told)) == set()
    assert {name for name in members if f"{name}(" not in told} == set()


def test_pages_are_short() -> None:
    """A tutorial or how-to that grows beyond its limit is two."""
    lines = {page.path: len(page.text.splitlines()) for page in PAGES}
    most = {path: LINES.get(path.name) or LINES.get(path.parent.name) for path in lines}

    assert [path for path, limit in most.items() if limit and lines[path] > limit] == []


def test_the_present_version_has_changes() -> None:
    """The changelog has a section for the version that this is."""
    assert re.search(rf"^## {re.escape(ms.__version__)}\b", Page(ROOT / "CHANGELOG.md").text, re.MULTILINE)
