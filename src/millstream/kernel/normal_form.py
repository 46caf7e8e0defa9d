"""Syntax trees as text that is equal for what means the same, and the names that they refer to: one pass over a tree.

Left out are comments, formatting, docstrings, statements without effect, and annotations.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection
from typing import Any, NamedTuple, cast

from millstream.kernel.digest import digest_bytes

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
LOOKS_AT_CODE = {
    *("__annotations__", "get_annotations", "get_type_hints", "signature", "getfullargspec"),
    *("__doc__", "getdoc"),
}
"""Who uses one of these may do otherwise when annotations or docstrings change."""
_LEFT_OUT = {"ctx", "kind", "type_comment"}


class Use(NamedTuple):
    """A name that is read, with the attributes read from it, and the call if that is called.

    The name is empty where attributes are read from something else than a name.
    """

    names: tuple[str, ...]
    line: int
    call: ast.Call | None

    @property
    def root(self) -> str:
        """The name that is looked up."""
        return self.names[0]


class Import(NamedTuple):
    """What a function imports when it runs: the local name, the module, and what of it (None: itself, or what is above it)."""

    local: str
    module: str
    level: int
    name: str | None


class Form(NamedTuple):
    """The normal form of a tree as a digest, and what it refers to."""

    digest: str
    uses: tuple[Use, ...]
    imports: tuple[Import, ...]
    looks_at_code: bool


def function_form(node: Definition, *, whole: bool = False) -> Form:
    """The form of a function without its decorators; with docstrings and annotations if it is asked for `whole`."""
    writer = _Writer(annotations=whole, docstrings=whole)
    writer.function(node, decorated=False)
    return writer.form()


def class_form(node: ast.ClassDef) -> Form:
    """The form of what a class evaluates when it is made, annotations too: all but its methods and inner classes."""
    writer = _Writer(annotations=True, docstrings=False)
    inner = [each for each in node.body if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    writer.write([node.bases, node.keywords, node.decorator_list, inner])
    return writer.form()


def expression_form(node: ast.expr) -> Form:
    """The form of an expression, as of a decorator."""
    writer = _Writer(annotations=False, docstrings=False)
    writer.write(node)
    return writer.form()


class _Writer:
    """Writes a tree: each node, list and value so that where it ends cannot be mistaken."""

    def __init__(self, *, annotations: bool, docstrings: bool) -> None:
        self._annotations = annotations
        self._docstrings = docstrings
        self._pieces: list[str] = []
        self._uses: list[Use] = []
        self._imports: list[Import] = []
        self._looks_at_code = False

    def form(self) -> Form:
        """What was written."""
        return Form(
            digest_bytes("".join(self._pieces).encode(errors="surrogatepass"))[:16], tuple(self._uses), tuple(self._imports), self._looks_at_code
        )

    def write(self, value: object) -> None:
        """A node, a list, or what stands in a field of a node."""
        if isinstance(value, ast.AST):
            special = _SPECIAL.get(type(value))
            if special is None:
                self._node(value)
            else:
                special(self, value)
        elif isinstance(value, list):
            self._pieces.append("[")
            for each in cast("list[object]", value):
                if self._docstrings or not _does_nothing(each):
                    self.write(each)
            self._pieces.append("]")
        else:
            self._pieces.append(f"{value!r},")

    def function(self, node: ast.AST, *, decorated: bool = True) -> None:
        """A function or lambda: its body in the annotations' way of functions, whatever class it stands in."""
        kept, self._annotations = self._annotations, self._docstrings
        left_out: set[str] = set() if self._annotations else {"returns"}
        self._node(node, left_out if decorated else left_out | {"decorator_list"})
        self._annotations = kept

    def class_inside(self, node: ast.ClassDef) -> None:
        """A class inside a function: whoever makes it may read its annotations."""
        kept, self._annotations = self._annotations, self._annotations or bool(node.decorator_list or node.bases or node.keywords)
        self._node(node)
        self._annotations = kept

    def argument(self, node: ast.arg) -> None:
        """A parameter."""
        self._node(node, set() if self._annotations else {"annotation"})

    def annotated(self, node: ast.AnnAssign) -> None:
        """A variable with an annotation, as without one."""
        if self._annotations:
            self._node(node)
        elif node.value is not None:
            self._pieces.append("Assign(")
            self.write([node.target])
            self.write(node.value)
            self._pieces.append(")")

    def added(self, node: ast.AugAssign) -> None:
        """`x += 1` reads `x` too."""
        if isinstance(node.target, ast.Name):
            self._uses.append(Use((node.target.id,), node.lineno, None))
        self._node(node)

    def call(self, node: ast.Call) -> None:
        """A call, remembered with the name that is called."""
        self._pieces.append("Call(")
        if isinstance(node.func, ast.Name | ast.Attribute):
            self.reference(node.func, node)
        else:
            self.write(node.func)
        self.write(node.args)
        self.write(node.keywords)
        self._pieces.append(")")

    def reference(self, node: ast.Name | ast.Attribute, call: ast.Call | None = None) -> None:
        """A name with attributes, or attributes of something else."""
        attributes: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            attributes.insert(0, inner.attr)
            inner = inner.value
        name = inner.id if isinstance(inner, ast.Name) else ""
        names = (name, *attributes)
        self._looks_at_code = self._looks_at_code or not LOOKS_AT_CODE.isdisjoint(names)
        self._pieces.append(f"Name({'.'.join(names)!r}")
        if not isinstance(inner, ast.Name):
            self.write(inner)
        self._pieces.append(")")
        if attributes or isinstance(node.ctx, ast.Load):
            self._uses.append(Use(names, node.lineno, call))

    def imported(self, node: ast.Import) -> None:
        """`import a.b` binds `a`; `import a.b as c` is `from a import b as c`."""
        for each in node.names:
            above, _, last = each.name.rpartition(".")
            if each.asname and above:
                self._imports.append(Import(each.asname, above, 0, last))
            else:
                self._imports.append(Import(each.asname or each.name.partition(".")[0], each.name, 0, None))
        self._node(node)

    def imported_from(self, node: ast.ImportFrom) -> None:
        """`from a import b`."""
        for each in node.names:
            self._imports.append(Import(each.asname or each.name, node.module or "", node.level, each.name))
        self._looks_at_code = self._looks_at_code or any(each.name in LOOKS_AT_CODE for each in node.names)
        self._node(node)

    def constant(self, node: ast.Constant) -> None:
        """A literal."""
        self._pieces.append(f"{node.value!r},")

    def _node(self, node: ast.AST, left_out: Collection[str] = ()) -> None:
        self._pieces.append(f"{type(node).__name__}(")
        for field in node._fields:
            if field not in _LEFT_OUT and field not in left_out:
                self.write(getattr(node, field, None))
        self._pieces.append(")")


_SPECIAL: dict[type[ast.AST], Callable[[_Writer, Any], None]] = {
    ast.FunctionDef: _Writer.function,
    ast.AsyncFunctionDef: _Writer.function,
    ast.Lambda: _Writer.function,
    ast.ClassDef: _Writer.class_inside,
    ast.arg: _Writer.argument,
    ast.AnnAssign: _Writer.annotated,
    ast.AugAssign: _Writer.added,
    ast.Call: _Writer.call,
    ast.Name: _Writer.reference,
    ast.Attribute: _Writer.reference,
    ast.Import: _Writer.imported,
    ast.ImportFrom: _Writer.imported_from,
    ast.Constant: _Writer.constant,
}


def _does_nothing(node: object) -> bool:
    """Whether a statement has no effect: `pass`, a docstring, an annotation without a value."""
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
