"""The user's source files: where each function and class is written, and whether that is still what runs."""

from __future__ import annotations

import ast
import linecache
import os
import threading
import time
import tokenize
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

from millstream.kernel.normal_form import Definition

_PARSING = threading.Lock()
"""CPython's `ast.parse` counts its recursion in one place for all threads: two at once end in a SystemError."""
_MOST_FILES = 512
_TICK = 1_000_000_000
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
_LOADED_BY = ("__name__", "__loader__", "__spec__")


@dataclass(frozen=True)
class File:
    """A file as it was when it was read: its definitions by first line and name, and its code by line and qualified name.

    `stamp` is None as long as another writing of it may leave the same stamp: clocks of file systems tick in milliseconds.
    """

    text: str
    tree: ast.AST
    definitions: Mapping[tuple[int, str], tuple[Definition, ...]]
    classes: Mapping[str, tuple[ast.ClassDef, ...]]
    compiled: Mapping[tuple[int, str], tuple[types.CodeType, ...]]
    stamp: tuple[int, ...] | None = None

    @cached_property
    def lambdas(self) -> Mapping[int, tuple[Definition, ...]]:
        """The lambdas by their line."""
        found: dict[int, tuple[Definition, ...]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Lambda):
                found[node.lineno] = (*found.get(node.lineno, ()), node)
        return found

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.splitlines(keepends=True)

    def lines_of(self, node: Definition) -> str:
        """The text of a definition, its decorators too."""
        return "".join(self._lines[_first_line(node) - 1 : node.end_lineno])


_files: dict[str, File] = {}


def definition_of(code: types.CodeType, namespace: Mapping[str, object] | None = None) -> tuple[Definition, str] | None:
    """The syntax tree and the source text of a function's code.

    None where there is no source, or where the file has changed since it was imported and no longer says what runs.
    """
    file = _file(code.co_filename, namespace or {})
    if file is None or code not in file.compiled.get((code.co_firstlineno, code.co_qualname), ()):
        return None
    place = (code.co_firstlineno, code.co_name)
    found = file.lambdas.get(code.co_firstlineno, ()) if code.co_name == "<lambda>" else file.definitions.get(place, ())
    node = found[0] if len(found) == 1 else _innermost(found, code)
    return None if node is None else (node, file.lines_of(node))


def class_definitions_of(kind: type, name: str, namespace: Mapping[str, object]) -> list[tuple[ast.ClassDef, str]]:
    """The syntax trees and texts of a class in a file; more than one where it is written twice and nothing tells which one runs."""
    file = _file(name, namespace)
    found = file.classes.get(kind.__qualname__, ()) if file is not None else ()
    lines = {
        each.__code__.co_firstlineno for each in vars(kind).values() if isinstance(each, types.FunctionType) and each.__code__.co_filename == name
    }
    holding = [each for each in found if any(each.lineno <= line <= (each.end_lineno or line) for line in lines)]
    return [(each, file.lines_of(each)) for each in holding or found] if file is not None else []


def line_of_text(code: types.CodeType, text: str) -> int | None:
    """The line of the file where a string literal stands inside a function."""
    found = definition_of(code)
    if found is None:
        return None
    for inner in ast.walk(found[0]):
        if isinstance(inner, ast.Constant) and inner.value == text:
            return inner.lineno
        if isinstance(inner, ast.keyword) and inner.arg == text:
            return inner.value.lineno
    return None


def _innermost(found: tuple[Definition, ...], code: types.CodeType) -> Definition | None:
    """Of several lambdas on a line the one whose body holds the code; None if positions are not kept (`-X no_debug_ranges`)."""
    places = [(line, column) for line, _, column, end in code.co_positions() if line is not None and column is not None and column != end]
    holding = [node for node in found if isinstance(node, ast.Lambda) and _holds(node.body, places)] if places else []
    return max(holding, key=lambda node: (node.body.lineno, node.body.col_offset), default=None)


def _holds(node: ast.expr, places: list[tuple[int, int]]) -> bool:
    start, stop = (node.lineno, node.col_offset), (node.end_lineno or node.lineno, node.end_col_offset or 0)
    return all(start <= place < stop for place in places)


def _file(name: str, namespace: Mapping[str, object]) -> File | None:
    with _PARSING:
        try:
            seen = os.stat(name)  # noqa: PTH116  a code object holds the file's name as text
        except (OSError, ValueError):
            text, stamp, settled = "".join(linecache.getlines(name, {key: namespace.get(key) for key in _LOADED_BY})), None, False
        else:
            stamp = (seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino)
            settled = time.time_ns() - max(seen.st_mtime_ns, seen.st_ctime_ns) > _TICK
            known = _files.get(name)
            if known is not None and known.stamp == stamp:
                return known
            text = _text(name)
        known = _files.get(name)
        if known is None or known.text != text:
            if len(_files) > _MOST_FILES:
                _files.clear()
            known = _read(name, text)
        _files[name] = replace(known, stamp=stamp if settled else None)
        return _files[name] if known.text else None


def _text(name: str) -> str:
    try:
        with tokenize.open(name) as file:
            return file.read()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return ""


def _read(name: str, text: str) -> File:
    """The definitions in a text; none if it is not Python (any more)."""
    try:
        tree = ast.parse(text, name)
        compiled = compile(text, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return File(text, ast.Module([], []), {}, {}, {})
    definitions: dict[tuple[int, str], tuple[Definition, ...]] = {}
    classes: dict[str, tuple[ast.ClassDef, ...]] = {}
    for qualified, node in _definitions(tree, ""):
        place = (_first_line(node), node.name)
        definitions[place] = (*definitions.get(place, ()), node)
        if isinstance(node, ast.ClassDef):
            classes[qualified] = (*classes.get(qualified, ()), node)
    codes: dict[tuple[int, str], tuple[types.CodeType, ...]] = {}
    for code in _codes(compiled):
        place = (code.co_firstlineno, code.co_qualname)
        codes[place] = (*codes.get(place, ()), code)
    return File(text, tree, definitions, classes, codes)


def _definitions(node: ast.AST, above: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    """Every function and class with its qualified name, as Python gives it: they stand among statements only."""
    waiting: list[tuple[ast.AST, str]] = [(node, above)]
    while waiting:
        outer, prefix = waiting.pop()
        for block in _BLOCKS:
            for inner in cast("list[ast.AST]", getattr(outer, block, ())):
                below = prefix
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    yield prefix + inner.name, inner
                    below = f"{prefix}{inner.name}{'.' if isinstance(inner, ast.ClassDef) else '.<locals>.'}"
                if isinstance(inner, ast.stmt | ast.excepthandler | ast.match_case):
                    waiting.append((inner, below))


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _codes(constant)


def _first_line(node: Definition) -> int:
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])
