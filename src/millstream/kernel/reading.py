"""What a function's code says: its normal form, the names that it looks up, and what it imports. Read once for each code object.

Names come from the compiled code, which is what runs; the form comes from the source, which says what was written. Without a source, or where the
file is no longer what was imported, the compiled code is the form.
"""

from __future__ import annotations

import ast
import dis
import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from millstream.kernel.content import content_of
from millstream.kernel.digest import digest_bytes
from millstream.kernel.normal_form import Definition, Form, Import, Use, expression_form, function_form
from millstream.kernel.syntax import definition_of

_MOST_CODE = 8192
_LOOKED_UP = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "LOAD_CLASSDEREF"}


@dataclass(frozen=True)
class Reading:
    """A function's code, read."""

    code: types.CodeType
    form: Form
    names: frozenset[str]
    attributes: frozenset[str]
    text: str
    node: Definition | None

    @cached_property
    def whole(self) -> str:
        """Its digest with docstrings and annotations."""
        return self.form.digest if self.node is None else function_form(self.node, whole=True).digest

    @cached_property
    def decorators(self) -> tuple[tuple[str, Form], ...]:
        """Its decorators: the name that each begins with, and its form."""
        listed = [] if self.node is None or isinstance(self.node, ast.Lambda) else self.node.decorator_list
        return tuple((first_name(each), expression_form(each)) for each in listed)

    def place(self, line: int) -> str:
        """`file:line`, the file without its folders."""
        return f"{Path(self.code.co_filename).name}:{line}"


_readings: dict[int, Reading] = {}


def reading_of(function: types.FunctionType) -> Reading:
    """What a function's code says."""
    code = function.__code__
    known = _readings.get(id(code))
    if known is None or known.code is not code:
        if len(_readings) > _MOST_CODE:
            _readings.clear()
        known = _readings[id(code)] = _read(code, function.__globals__)
    return known


def code_digest(code: types.CodeType) -> str:
    """Digest of compiled code and of all code inside it, wherever it stands."""
    constants = [code_digest(each) if isinstance(each, types.CodeType) else content_of(each) or repr(each) for each in code.co_consts]
    told = (
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        constants,
    )
    return digest_bytes(code.co_code, code.co_exceptiontable, repr(told).encode())[:16]


def _read(code: types.CodeType, namespace: dict[str, object]) -> Reading:
    attributes = frozenset(name for each in _all_code(code) for name in each.co_names)
    looked_up = _looked_up(code)
    found = definition_of(code, namespace)
    form = _form(found[0]) if found is not None else None
    if found is None or form is None:
        uses = tuple(Use((name,), code.co_firstlineno, None) for name in sorted(looked_up))
        return Reading(code, Form(code_digest(code), uses, tuple(_imports(code)), looks_at_code=False), looked_up, attributes, "", None)
    written = {use.root for use in form.uses}
    return Reading(code, form, looked_up & written, attributes, found[1], found[0])


def _form(node: Definition) -> Form | None:
    try:
        return function_form(node)
    except (RecursionError, ValueError):
        return None  # nested too deeply, or a number too long to be written


def _looked_up(code: types.CodeType) -> frozenset[str]:
    """Names that the code looks up among globals and builtins; those in annotations too.

    A name that is no variable of any function here can only be such a name, or an attribute; only where it is both, instructions are read.
    """
    every = list(_all_code(code))
    names = {name for each in every for name in each.co_names}
    local = {name for each in every for name in (*each.co_varnames, *each.co_cellvars, *each.co_freevars)}
    if names.isdisjoint(local):
        return frozenset(names)
    exactly = {step.argval for each in every for step in dis.get_instructions(each) if step.opname in _LOOKED_UP}
    return frozenset(names - local) | frozenset(exactly)


def _imports(code: types.CodeType) -> Iterator[Import]:
    """The modules that compiled code imports, each handed on as a whole."""
    for each in _all_code(code):
        steps = [step for step in dis.get_instructions(each) if step.opname != "EXTENDED_ARG"]
        for place, step in enumerate(steps):
            if step.opname == "IMPORT_NAME":
                level = steps[place - 2].argval
                yield Import("", step.argval, level if isinstance(level, int) else 0, None)


def _all_code(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _all_code(constant)


def first_name(node: ast.expr) -> str:
    """The name that an expression begins with; empty if it begins with something else."""
    while isinstance(node, ast.Call | ast.Attribute):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
