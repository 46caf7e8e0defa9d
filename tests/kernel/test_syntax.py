"""Source files: which text belongs to which code, and whether it still does."""

from __future__ import annotations

import ast
import os
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from millstream.kernel.syntax import class_definitions_of, definition_of, line_of_text

Load = Callable[[str], types.ModuleType]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Runs a text as a module from a file."""

    def run(text: str) -> types.ModuleType:
        file = tmp_path / "some.py"
        file.write_text(text, encoding="utf-8")
        module = types.ModuleType("some")
        module.__file__ = str(file)
        exec(compile(text, str(file), "exec", dont_inherit=True), vars(module))  # noqa: S102  the test's own text
        return module

    return run


def text_of(function: types.FunctionType) -> str | None:
    """The text of a function's definition, from its tree."""
    found = definition_of(function.__code__)
    return None if found is None else ast.unparse(found[0])


def test_a_function_with_its_decorators(load: Load) -> None:
    """Text begins with the first decorator and ends with the last line."""
    module = load("def d(f): return f\n\n@d\n@d\ndef f(x):\n    return (\n        x\n    )\n")
    found = definition_of(module.f.__code__)

    assert found is not None
    assert found[1] == "@d\n@d\ndef f(x):\n    return (\n        x\n    )\n"


def test_lambdas_on_one_line(load: Load) -> None:
    """Each has its own tree, found by columns, also one inside another."""
    module = load("a, b = (lambda x: x + 1), (lambda x: x + 2)\nc = lambda x: (lambda y: x + y)\nd = c(1)\ne = {'ä': lambda: 1, 'b': lambda: 2}\n")

    assert [text_of(each) for each in (module.a, module.b)] == ["lambda x: x + 1", "lambda x: x + 2"]
    assert [text_of(each) for each in (module.c, module.d)] == ["lambda x: lambda y: x + y", "lambda y: x + y"]
    assert [text_of(each) for each in module.e.values()] == ["lambda: 1", "lambda: 2"]


def test_one_name_twice(load: Load) -> None:
    """A function belongs to the definition that made it, not to the last of its name."""
    module = load("def f(): return 1\nfirst = f\ndef f(): return 2\n")

    assert [text_of(each) for each in (module.first, module.f)] == ["def f():\n    return 1", "def f():\n    return 2"]


@pytest.mark.parametrize("block", ["if True:", "for _ in [1]:", "while True:", "with open(__file__):", "try:", "match 1:\n  case 1:"])
def test_a_definition_inside_any_statement(load: Load, block: str) -> None:
    """Functions stand where statements stand."""
    end = {"while True:": "    break\n", "try:": "finally: pass\n"}.get(block, "")
    module = load(f"{block}\n    def f(): return 1\n{end}")

    assert text_of(module.f) == "def f():\n    return 1"


def test_a_file_that_has_changed_says_nothing(load: Load) -> None:
    """Text that came after the code is not the code's."""
    module = load("def f(): return 1\n")
    load("def f(): return 2\n")

    assert definition_of(module.f.__code__) is None


def test_a_file_that_was_written_twice_in_a_moment(load: Load) -> None:
    """Two texts of one length, written before the clock of the file system ticks: neither is taken for the other."""
    for number in range(20):
        module = load(f"def f(): return {number + 10}\n")
        os.utime(module.__file__ or "", ns=(7, 7))

        assert text_of(module.f) == f"def f():\n    return {number + 10}"


@pytest.mark.parametrize("text", ["def f(:\n", "", "\x00"], ids=["broken", "empty", "binary"])
def test_a_file_that_is_no_python_any_more(load: Load, text: str) -> None:
    """A broken file is no source, and no error."""
    module = load("def f(): return 1\n")
    Path(module.__file__ or "").write_text(text, encoding="utf-8")

    assert definition_of(module.f.__code__) is None


def test_code_without_a_file() -> None:
    """What was typed in has no source."""
    namespace: dict[str, types.FunctionType] = {}
    exec("def f(): return 1", namespace)  # noqa: S102  as a console does

    assert definition_of(namespace["f"].__code__) is None


def test_classes_by_their_place(load: Load) -> None:
    """A class inside another, and the one of two whose methods run."""
    module = load(
        "class A:\n    class B:\n        n = 1\n"
        "if False:\n    class C:\n        def m(self): return 1\n"
        "else:\n    class C:\n        def m(self): return 2\n"
    )
    texts = [[text for _, text in class_definitions_of(each, module.__file__ or "", {})] for each in (module.A.B, module.C)]

    assert texts == [["    class B:\n        n = 1\n"], ["    class C:\n        def m(self): return 2\n"]]


def test_the_line_of_a_text(load: Load) -> None:
    """A column's name in a function has a line, as a literal or as a keyword."""
    module = load("def f(x):\n    return x.select(\n        'a',\n        b=1,\n    )\n")

    assert [line_of_text(module.f.__code__, text) for text in ("a", "b", "c")] == [3, 4, None]
