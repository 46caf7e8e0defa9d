"""Source code as what it means: syntax trees without comments, docstrings, annotations and formatting."""

from __future__ import annotations

import ast
import functools
import importlib.util
import linecache
import threading
import types
from typing import cast

_PARSING = threading.Lock()
"""CPython's `ast.parse` counts its recursion in one place for all threads: two at once end in a SystemError."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef


def definition_of(code: types.CodeType) -> tuple[Definition, str] | None:
    """The syntax tree and the source text of a function's code; None where there is no source or two lambdas share a line."""
    found = [node for node in _definitions(code.co_filename) if _first_line(node) == code.co_firstlineno and _name(node) == code.co_name]
    return (found[0], _text(code.co_filename, found[0])) if len(found) == 1 else None


def class_definition_of(kind: type, file: str) -> tuple[Definition, str] | None:
    """The syntax tree and the source text of a class of a project module."""
    found = [node for node in _definitions(file) if isinstance(node, ast.ClassDef) and node.name == kind.__name__]
    return (found[-1], _text(file, found[-1])) if found else None


def normalised(node: ast.AST) -> str:
    """The tree as text, equal for sources that mean the same."""
    return ast.dump(_Normaliser().visit(_copy(node)), include_attributes=False)


def chains_read(node: ast.AST) -> list[tuple[str, ...]]:
    """Every name that is read, with the attributes read from it, as in `shop.helpers.clean`."""
    chains = _Chains()
    chains.visit(node)
    return list(dict.fromkeys(chains.found))


def imports_inside(node: ast.AST, package: str) -> list[tuple[str, str, str]]:
    """What a function imports when it runs: the local name, what is imported, and what the name then means."""
    found: list[tuple[str, str, str]] = []
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            found += [(each.asname or _top(each.name), each.name, each.name if each.asname else _top(each.name)) for each in inner.names]
        elif isinstance(inner, ast.ImportFrom):
            module = importlib.util.resolve_name("." * inner.level + (inner.module or ""), package) if inner.level else inner.module or ""
            found += [(each.asname or each.name, f"{module}.{each.name}", f"{module}.{each.name}") for each in inner.names]
    return found


def class_level(node: ast.AST) -> ast.AST:
    """What a class evaluates when it is made: all but the bodies of its functions."""
    tree = _Normaliser().visit(_copy(node))
    for inner in ast.walk(tree):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            inner.body = [ast.Pass()]
    return cast("ast.AST", tree)


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


class _Chains(ast.NodeVisitor):
    def __init__(self) -> None:
        self.found: list[tuple[str, ...]] = []

    def visit_Name(self, node: ast.Name) -> None:
        self.found.append((node.id,))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        attributes: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            attributes.insert(0, inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            self.found.append((inner.id, *attributes))
        else:
            self.visit(inner)


class _Normaliser(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = _without_docstring(node.body)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        node.body = _without_docstring(node.body)
        return self.generic_visit(node)


def without_decorators(node: Definition) -> Definition:
    """A copy of a function's tree without its decorators."""
    copy = _copy(node)
    if isinstance(copy, ast.FunctionDef | ast.AsyncFunctionDef):
        copy.decorator_list = []
    return copy  # type: ignore[return-value]


def annotations_of(node: Definition) -> set[str]:
    """Names that only annotations mention: they do not change what a function does."""
    everywhere = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    used = {inner.id for inner in ast.walk(_Normaliser().visit(_copy(node))) if isinstance(inner, ast.Name)}
    return everywhere - used


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[1:] or [ast.Pass()]
    return body


def _copy(node: ast.AST) -> ast.AST:
    fields = {name: _copy_field(value) for name, value in ast.iter_fields(node)}
    return ast.copy_location(type(node)(**fields), node)


def _copy_field(value: object) -> object:
    if isinstance(value, ast.AST):
        return _copy(value)
    return [_copy_field(item) for item in cast("list[object]", value)] if isinstance(value, list) else value


def _definitions(file: str) -> tuple[Definition, ...]:
    linecache.checkcache(file)
    with _PARSING:
        return _parsed(file, "".join(linecache.getlines(file)))


@functools.lru_cache(maxsize=256)
def _parsed(file: str, text: str) -> tuple[Definition, ...]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
    return tuple(node for node in ast.walk(ast.parse(text, file)) if isinstance(node, kinds))


def _first_line(node: Definition) -> int:
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _top(module: str) -> str:
    return module.partition(".")[0]


def _name(node: Definition) -> str:
    return "<lambda>" if isinstance(node, ast.Lambda) else node.name


def _text(file: str, node: Definition) -> str:
    return "".join(linecache.getlines(file)[_first_line(node) - 1 : node.end_lineno])
