"""Small random projects of the kinds of code that people write: a list of numbers says a project, another number makes it another one.

A project is a few things in three modules that refer to each other; `step` gives the values of the first of them, or of all.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from textwrap import indent

MODULES = ("steps", "pricing", "shop.rules")
NUMBERS = 9
"""How many numbers say a thing: its kind, two values, an operator, two other things that it refers to and how each is reached, a variant."""

Thing = tuple[int, ...]
Project = tuple[Thing, ...]


@dataclass
class Style:
    """How a project is written: what changes nothing of what it means."""

    chance: random.Random | None = None

    def yes(self, share: float = 0.5) -> bool:
        """Whether to write it another way this time."""
        return self.chance is not None and self.chance.random() < share

    def function(self, name: str, parameters: str, *body: str, decorators: Sequence[str] = (), method: str = "") -> str:
        """A function of one line each, of a first parameter x; `method` is what comes before x."""
        first, *rest = parameters.split(", ") if parameters else [""]
        typed = f"{first}: int" if self.yes() and first == "x" else first
        listed = ", ".join(each for each in (method, typed, *rest) if each)
        lines = [*decorators, f"def {name}({listed}){' -> int' if self.yes() else ''}:"]
        lines += ['    """What it does."""'] if self.yes() else []
        for line in body:
            lines += ["    # a remark"] if self.yes(0.3) else []
            lines += [""] if self.yes(0.2) else []
            lines.append(f"    {self.statement(line)}")
        return "\n".join(lines)

    def statement(self, line: str) -> str:
        """A statement, perhaps in brackets, with a type or a remark."""
        if line.startswith("return ") and self.yes(0.3):
            return f"return (  # why\n        {line.removeprefix('return ')}\n    )"
        if line.startswith("y = ") and self.yes():
            line = f"y: int = {line.removeprefix('y = ')}"
        return f"{line}  # so" if self.yes(0.2) else line

    def between(self, number: int) -> str:
        """What stands between two things: nothing that anything refers to."""
        found = [""]
        if self.yes(0.4):
            found.append("# a new chapter")
        if self.yes(0.3):
            found.append(f"OTHER_{number} = {self.chance.randrange(99) if self.chance else 0}")
        if self.yes(0.3):
            found.append(f"def other_{number}(x):\n    return x + OTHER + {self.chance.randrange(99) if self.chance else 0}")
        return "\n".join(found) + "\n"


def write_project(project: Project, style: Style | None = None) -> dict[str, str]:
    """The text of each module of a project."""
    return Writer(project, style or Style()).write()


@dataclass
class Writer:
    """Writes one project."""

    project: Project
    style: Style
    imports: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in MODULES})
    calls: dict[int, str] = field(default_factory=dict[int, str])

    def write(self) -> dict[str, str]:
        """The text of each module."""
        bodies: dict[str, list[str]] = {name: [] for name in MODULES}
        for number in reversed(range(len(self.project))):
            bodies[self.module(number)] += [self.thing(number), self.style.between(number)]
        asked = [self.reached("steps", number, numbers[7]) for number, numbers in enumerate(self.project)][: self.project[0][8] % 3 * NUMBERS + 1]
        inside = [line for lines, _ in asked for line in lines]
        bodies["steps"].append(self.style.function("step", "x", *inside, f"return {', '.join(call for _, call in asked)}"))
        return {name: "\n".join([*dict.fromkeys(self.imports[name]), "", *bodies[name], ""]) for name in MODULES}

    def module(self, number: int) -> str:
        """Where a thing stands: what refers to it stands in the same module or in an earlier one."""
        return MODULES[min(number * len(MODULES) // max(len(self.project), 1), len(MODULES) - 1)]

    def reach(self, number: int, place: int) -> tuple[list[str], str]:
        """How a thing reaches another: statements inside the function, and the expression of `x`."""
        numbers = self.project[number]
        later = len(self.project) - number - 1
        if later == 0:
            return [], f"(x + {numbers[1]})"
        other = number + 1 + numbers[4 + 2 * place] % min(later, 3)
        return self.reached(self.module(number), other, numbers[5 + 2 * place])

    def reached(self, here: str, other: int, way: int) -> tuple[list[str], str]:
        """The same for a thing of a module."""
        there, call = self.module(other), self.calls[other]
        if there == here:
            return [], call
        names = [name for name in names_of(other) if replace_name(call, name, "") != call]
        module = there if way % 2 else f"other_{there.replace('.', '_')}"
        binding = f"import {there}" if way % 2 else f"import {there} as {module}"
        inside = way % 6 >= 3
        if way % 3 == 0:
            binding, module = f"from {there} import {', '.join(names)}", ""
        for name in names:
            call = replace_name(call, name, f"{module}.{name}" if module else name)
        if inside:
            return [binding], call
        self.imports[here].append(binding)
        return [], call

    def thing(self, number: int) -> str:
        """The text of a thing; what its value is for `x` is remembered for who refers to it."""
        numbers = self.project[number]
        make = KINDS[numbers[0] % len(KINDS)]
        before, first = self.reach(number, 0)
        more, second = self.reach(number, 1)
        self.imports[self.module(number)] += ["import functools", "import dataclasses", "import enum", "import typing", "import polars as pl"]
        written = make(Plan(f"thing{number}", numbers, before, more, first, second, self.style))
        self.calls[number] = written[1]
        return written[0]


def names_of(number: int) -> list[str]:
    """The names that a thing may define."""
    return [f"{prefix}thing{number}" for prefix in ("", "make_", "base_", "K_", "C_", "D_", "again_")]


def replace_name(call: str, name: str, other: str) -> str:
    """The call with a name replaced wherever it is a whole name."""
    return re.sub(rf"(?<![\w.]){name}\b", other, call)


@dataclass(frozen=True)
class Plan:
    """What a kind of thing is made of."""

    name: str
    numbers: Thing
    before: list[str]
    more: list[str]
    first: str
    second: str
    style: Style

    @property
    def a(self) -> int:
        """One value."""
        return self.numbers[1]

    @property
    def b(self) -> int:
        """Another value."""
        return self.numbers[2]

    @property
    def op(self) -> str:
        """An operator."""
        return "+-*"[self.numbers[3] % 3]

    @property
    def variant(self) -> int:
        """Which way of two or three."""
        return self.numbers[8]

    def function(self, name: str, parameters: str, result: str, *, decorators: Sequence[str] = (), method: str = "") -> str:
        """A function that gives a result."""
        return self.style.function(name, parameters, *self.before, f"return {result}", decorators=decorators, method=method)

    def methods(self, *functions: str) -> str:
        """The body of a class."""
        return indent("\n\n".join(functions), "    ")


Written = tuple[str, str]
"""The text of a thing, and the expression by which others take its value for `x`."""


def plain(p: Plan) -> Written:
    """A function that calls two others."""
    return p.style.function(p.name, "x", *p.before, *p.more, f"return {p.first} {p.op} {p.second} + {p.a}"), f"{p.name}(x)"


def variables(p: Plan) -> Written:
    """A function with variables, a loop and an inner function."""
    body = [*p.before, f"y = x {p.op} {p.a}", "def more(z):", f"    return z + y * {p.first}", f"return sum(more(z) for z in range({p.b} % 3)) + y"]
    return p.style.function(p.name, "x", *body), f"{p.name}(x)"


def constant(p: Plan) -> Written:
    """A constant of some type."""
    value = (f"{p.a}", f"[{p.a}, {p.b}, 3]", f"{{'k': {p.a}, 'l': [{p.b}]}}", f"({p.a}, {p.b})", f"{p.a}.5")[p.variant % 5]
    read = ("K", "K[x % 3]", "(K['k'] + K['l'][0])", "(K[0] - K[1])", "K")[p.variant % 5].replace("K", f"K_{p.name}")
    return f"K_{p.name} = {value}", f"({read} {p.op} x)"


def defaults(p: Plan) -> Written:
    """Defaults, literal and by a constant."""
    text = p.function(p.name, f"x, y=K_{p.name}, *, z={p.b}", f"{p.first} + y * 2 {p.op} z")
    return f"K_{p.name} = {p.a}\n{text}", f"{p.name}(x)"


def closures(p: Plan) -> Written:
    """Two functions of one factory."""
    inner = p.function("inner", "x", f"{p.first} {p.op} n")
    text = f"def make_{p.name}(n):\n{indent(inner, '    ')}\n    return inner\n{p.name}, again_{p.name} = make_{p.name}({p.a}), make_{p.name}({p.b})"
    return text, f"({p.name}(x) - 3 * again_{p.name}(x))"


def partials(p: Plan) -> Written:
    """`functools.partial` with an argument and a keyword."""
    text = p.function(f"base_{p.name}", "n, x, m=1", f"{p.first} * m {p.op} n")
    return f"{text}\n{p.name} = functools.partial(base_{p.name}, {p.a}, m={p.b})", f"{p.name}(x)"


def decorated(p: Plan) -> Written:
    """A decorator with an argument, with or without `functools.wraps`."""
    run = p.style.function("run", "x", f"return function(x) {p.op} k", decorators=["@functools.wraps(function)"] if p.variant % 2 else [])
    text = f"def make_{p.name}(k):\n    def decorate(function):\n{indent(run, '        ')}\n        return run\n    return decorate"
    return f"{text}\n{p.function(p.name, 'x', f'{p.first} + {p.b}', decorators=[f'@make_{p.name}({p.a})'])}", f"{p.name}(x)"


def methods(p: Plan) -> Written:
    """An object with attributes of its own and of its class."""
    start = p.style.function("__init__", "n", "self.n = n", method="self")
    work = p.function("work", "x", f"{p.first} + self.n {p.op} self.k", method="self")
    call = f"{p.name}.work(x)" if p.variant % 2 else f"getattr({p.name}, 'work')(x)"
    return f"class C_{p.name}:\n    k = {p.a}\n\n{p.methods(start, work)}\n{p.name} = C_{p.name}({p.b})", call


def inherited(p: Plan) -> Written:
    """A class with a base class and `super`."""
    base = p.methods(p.function("work", "x", f"{p.first} + {p.a}", method="self"), p.style.function("more", "x", f"return x * {p.b}", method="self"))
    own = p.style.function("work", "x", f"return super().work(x) {p.op} self.more(x)", method="self")
    return f"class D_{p.name}:\n{base}\nclass C_{p.name}(D_{p.name}):\n{p.methods(own)}", f"C_{p.name}().work(x)"


def kinds_of_methods(p: Plan) -> Written:
    """A property, a static and a class method, `__call__`, slots."""
    parts = (
        "__slots__ = ('n',)",
        p.style.function("__init__", "n", "self.n = n", method="self"),
        p.style.function("worth", "", f"return self.n * {p.a}", decorators=["@property"], method="self"),
        p.function("still", "x", f"{p.first} + {p.b}", decorators=["@staticmethod"]),
        p.style.function("made", "x", "return cls(x).worth", decorators=["@classmethod"], method="cls"),
        p.style.function("__call__", "x", f"return self.worth + self.still(x) {p.op} self.made(x)", method="self"),
    )
    return f"class C_{p.name}:\n{p.methods(*parts)}\n{p.name} = C_{p.name}({p.b})", f"{p.name}(x)"


def data_class(p: Plan) -> Written:
    """A data class with a default and a factory."""
    fields = f"n: int = {p.a}\nmore: list = dataclasses.field(default_factory=lambda: [{p.b}, 2])"
    work = p.function("work", "x", f"{p.first} {p.op} self.n + self.more[0]", method="self")
    call = f"{p.name}.work(x)" if p.variant % 2 else f"C_{p.name}().work(x)"
    frozen = "(frozen=True)" if p.variant % 3 else ""
    return f"@dataclasses.dataclass{frozen}\nclass C_{p.name}:\n{p.methods(fields, work)}\n{p.name} = C_{p.name}()", call


def expression(p: Plan) -> Written:
    """A polars expression."""
    text = p.style.function(p.name, "x", f"return pl.DataFrame({{'v': [x]}}).select(K_{p.name}).item()")
    return f"K_{p.name} = (pl.col('v') + {p.a}) * {p.b}\n{text}", f"{p.name}(x)"


def lambdas(p: Plan) -> Written:
    """Two lambdas on one line, in a list or a dictionary."""
    value = f"[lambda x: {p.first} + {p.a}, lambda x: x {p.op} {p.b}]" if not p.before else f"[lambda x: x + {p.a}, lambda x: x {p.op} {p.b}]"
    return f"K_{p.name} = {value}", f"(K_{p.name}[0](x) - K_{p.name}[1](x))"


def enumeration(p: Plan) -> Written:
    """An enumeration with a method."""
    work = p.style.function("work", "x", f"return self.value {p.op} x", method="self")
    return f"class C_{p.name}(enum.Enum):\n    A = {p.a}\n    B = {p.b}, 'b'\n\n{p.methods(work)}", f"(C_{p.name}.A.work(x) + C_{p.name}.B.value[0])"


def named_tuple(p: Plan) -> Written:
    """A named tuple with a default and a method."""
    work = p.function("work", "x", f"{p.first} + self.n {p.op} self.m", method="self")
    return (
        f"class C_{p.name}(typing.NamedTuple):\n    n: int = {p.a}\n    m: int = 2\n\n{p.methods(work)}\n{p.name} = C_{p.name}(m={p.b})",
        f"{p.name}.work(x)",
    )


def number(p: Plan) -> Written:
    """A class derived from a built-in type."""
    work = p.style.function("work", "x", f"return self * {p.a} {p.op} x", method="self")
    return f"class C_{p.name}(int):\n{p.methods(work)}\n{p.name} = C_{p.name}({p.b})", f"{p.name}.work(x)"


def cached(p: Plan) -> Written:
    """A function behind a cache."""
    return p.function(p.name, "x", f"{p.first} {p.op} {p.a}", decorators=[f"@functools.lru_cache(maxsize={p.b + 1})"]), f"{p.name}(x)"


def attribute(p: Plan) -> Written:
    """A function with an attribute."""
    return f"{p.function(p.name, 'x', f'{p.first} {p.op} {p.name}.k')}\n{p.name}.k = {p.a}", f"{p.name}(x)"


def dispatched(p: Plan) -> Written:
    """Single dispatch: the implementation is found by type."""
    first = p.style.function(p.name, "x", f"return {p.b}", decorators=["@functools.singledispatch"])
    other = p.function(f"base_{p.name}", "x", f"{p.first} {p.op} {p.a}", decorators=[f"@{p.name}.register(int)"])
    return f"{first}\n{other}", f"{p.name}(x)"


def registered(p: Plan) -> Written:
    """A registry filled by a decorator."""
    text = f"K_{p.name} = {{}}\ndef make_{p.name}(function):\n    K_{p.name}['{p.a}'] = function\n    return function"
    return (
        f"{text}\n{p.function(p.name, 'x', f'{p.first} {p.op} {p.b}', decorators=[f'@make_{p.name}'])}",
        f"sum(int(k) + f(x) for k, f in K_{p.name}.items())",
    )


def conditional(p: Plan) -> Written:
    """One of two functions, chosen when the module is imported."""
    one, other = p.function(p.name, "x", f"{p.first} + {p.b}"), p.function(p.name, "x", f"{p.first} - {p.b}")
    return f"K_{p.name} = {p.a}\nif K_{p.name} % 2:\n{indent(one, '    ')}\nelse:\n{indent(other, '    ')}", f"{p.name}(x)"


def local_class(p: Plan) -> Written:
    """A class made inside a function."""
    body = [
        *p.before,
        "class Local:",
        f"    n = {p.a}",
        "    def work(self, x):",
        f"        return {p.first} {p.op} self.n",
        f"return Local().work(x) + {p.b}",
    ]
    return p.style.function(p.name, "x", *body), f"{p.name}(x)"


def descriptor(p: Plan) -> Written:
    """A descriptor of the project's own, and attributes computed by name."""
    get = p.style.function("__get__", "owner", f"return self.n * {p.a} if owner is not None else self", method="self, instance")
    start = p.style.function("__init__", "n", "self.n = n", method="self")
    missing = p.style.function("__getattr__", "name", f"return len(name) + {p.a}", method="self")
    text = (
        f"class D_{p.name}:\n{p.methods(start, get)}\nclass C_{p.name}:\n    worth = D_{p.name}({p.b})\n{p.methods(missing)}\n{p.name} = C_{p.name}()"
    )
    return text, f"({p.name}.worth {p.op} {p.name}.abc + x)"


def metaclass(p: Plan) -> Written:
    """A class with a metaclass, and one that changes those derived from it."""
    make = p.style.function("__init_subclass__", "", f"cls.n = {p.a}", method="cls")
    text = f"class D_{p.name}(type):\n    k = {p.b}\nclass base_{p.name}(metaclass=D_{p.name}):\n{p.methods(make)}"
    return f"{text}\nclass C_{p.name}(base_{p.name}):\n    m = {p.b}", f"(C_{p.name}.n {p.op} C_{p.name}.m + type(C_{p.name}).k * x)"


def foreign(p: Plan) -> Written:
    """A function of the standard library under a name."""
    return f"from math import {('floor', 'ceil', 'trunc')[p.a % 3]} as again_{p.name}", f"(again_{p.name}(x / 2) {p.op} {p.b})"


def guarded(p: Plan) -> Written:
    """Statements of many kinds."""
    body = [
        *p.before,
        *p.more,
        "try:",
        f"    y = {p.first} // {p.a}",
        "except ZeroDivisionError:",
        f"    y = {p.second} + {p.b}",
        "match y % 3:",
        "    case 0:",
        f"        y += {p.b}",
        "    case n if n > 1:",
        f"        y -= {p.a}",
        f"return y if (z := y {p.op} 2) > {p.b} else z",
    ]
    return p.style.function(p.name, "x", *body), f"{p.name}(x)"


KINDS: tuple[Callable[[Plan], Written], ...] = (
    *(
        plain,
        variables,
        constant,
        defaults,
        closures,
        partials,
        decorated,
        methods,
        inherited,
        kinds_of_methods,
        data_class,
        expression,
        lambdas,
        enumeration,
    ),
    *(named_tuple, number, cached, attribute, dispatched, registered, conditional, local_class, descriptor, metaclass, foreign, guarded),
)
