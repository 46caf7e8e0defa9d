"""Random small projects and random edits of them: never a result that belongs to other code, nothing run again for what means the same."""

from __future__ import annotations

import io
import os
import random
import re
import sys
import tokenize
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from random_projects import KINDS, NUMBERS, Project, Style, write_project
from workshop import forget

from millstream.kernel.fingerprint import Fingerprint, changes, fingerprint
from millstream.project import load_module

EXAMPLES = int(os.environ.get("FINGERPRINT_EXAMPLES", "60"))
"""Random projects for each test; thousands find what is rare."""
ASKED = (-3, 0, 1, 2, 7)
OTHERS = {"+": "-", "-": "+", "*": "+", ">": "<=", "<": ">=", "//": "*", "%": "+", "==": "!="}

EDITED = (0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 8)
"""Which number of a thing becomes another: mostly its values and its operator."""

things = st.tuples(st.integers(0, len(KINDS) - 1), *[st.integers(0, 11)] * (NUMBERS - 1))
projects = st.lists(things, min_size=1, max_size=7).map(tuple)
steady = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], print_blob=True)


class Seen(NamedTuple):
    """What a project gives, and its fingerprint."""

    answers: tuple[str, ...]
    meaning: Fingerprint


@pytest.fixture(autouse=True)
def _own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a package, and no bytecode: files are written again within a second."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("", encoding="utf-8")


def look(folder: Path, texts: Mapping[str, str]) -> Seen:
    """Import a project afresh, take the fingerprint, and run everything."""
    for name, text in texts.items():
        (folder / f"{name.replace('.', '/')}.py").write_text(text, encoding="utf-8")
    forget()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step = load_module(folder / "steps.py")[0].step
        meaning = fingerprint(step)
        return Seen(tuple(_answer(step, x) for x in ASKED), meaning)


def _answer(step: object, x: int) -> str:
    try:
        return repr(step(x))  # type: ignore[operator]
    except Exception as error:  # noqa: BLE001  an edited program may do anything
        return repr(error)


def _edited(project: Project, place: int, number: int, value: int) -> Project:
    thing = list(project[place % len(project)])
    thing[number] = value
    return tuple(tuple(thing) if other == place % len(project) else each for other, each in enumerate(project))


def _token_edited(texts: Mapping[str, str], chance: random.Random) -> dict[str, str] | None:
    """One number, operator or name of a text made another; None if that is no Python."""
    module = chance.choice(sorted(texts))
    tokens = list(tokenize.generate_tokens(io.StringIO(texts[module]).readline))
    names = sorted({each.string for each in tokens if re.fullmatch(r"\w*thing\d", each.string)})
    edits = [each for each in tokens if each.type == tokenize.NUMBER or each.string in OTHERS or each.string in names]
    if not edits:
        return None
    token = chance.choice(edits)
    other = OTHERS.get(token.string) or (str(chance.randrange(12)) if token.type == tokenize.NUMBER else chance.choice(names))
    lines = texts[module].splitlines(keepends=True)
    line = lines[token.start[0] - 1]
    lines[token.start[0] - 1] = line[: token.start[1]] + other + line[token.end[1] :]
    return {**texts, module: "".join(lines)}


def _check(before: Seen, after: Seen) -> None:
    """The oracle: where answers differ, fingerprints do, or a blind spot says why not."""
    same = before.meaning.digest == after.meaning.digest
    if before.answers != after.answers:
        event("other answers, other meaning" if not same else "other answers, blind")
        assert not same or after.meaning.blind
    else:
        event("same answers, same meaning" if same else "same answers, other meaning")


@steady
@given(projects, st.integers(0, 6), st.sampled_from(EDITED), st.integers(0, len(KINDS) - 1))
def test_no_result_of_other_code_is_used(tmp_path: Path, project: Project, place: int, number: int, value: int) -> None:
    """A thing of the project made another: if anything that `step` gives differs, its fingerprint does."""
    _check(look(tmp_path, write_project(project)), look(tmp_path, write_project(_edited(project, place, number, value))))


@steady
@given(projects, st.randoms(use_true_random=False))
def test_no_result_of_edited_text_is_used(tmp_path: Path, project: Project, chance: random.Random) -> None:
    """A number, an operator or a name in the text made another: the same."""
    texts = write_project(project)
    before, edited = look(tmp_path, texts), _token_edited(texts, chance)
    try:
        after = look(tmp_path, edited or texts)
    except Exception:  # noqa: BLE001  not every edit can be imported
        return
    _check(before, after)


@steady
@given(projects, st.randoms(use_true_random=False))
def test_nothing_runs_again_for_what_means_the_same(tmp_path: Path, project: Project, chance: random.Random) -> None:
    """Remarks, docstrings, annotations, layout and unrelated code change no fingerprint."""
    before, after = look(tmp_path, write_project(project)), look(tmp_path, write_project(project, Style(chance)))

    assert before.answers == after.answers
    assert changes(before.meaning, after.meaning) == ()
    assert before.meaning.digest == after.meaning.digest


@steady
@given(projects)
def test_running_changes_nothing(tmp_path: Path, project: Project) -> None:
    """A project that keeps nothing has the same fingerprint after it ran, also when nothing is remembered."""
    before = look(tmp_path, write_project(project))

    assert look(tmp_path, write_project(project)).meaning == before.meaning
