"""Write docs/reference.md from the signatures and docstrings of all public names: `python scripts/reference.py`.

With `--check` nothing is written; the exit code is 1 if the page is not fresh.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import get_args

import millstream as ms
from millstream import errors
from millstream.evaluation.declare import Metric
from millstream.features.declared_views import Reduction
from millstream.kernel.declared_functions import WithSettings
from millstream.sources.declare import Mode

PAGE = Path(__file__).parents[1] / "docs" / "reference.md"
WIDEST = 100
SECTIONS = {
    "Tables": ["source", "time_spine", "step", "each", "sink"],
    "Features, labels, training set": ["feature_view", "aggregate", "on_demand", "label", "training_set"],
    "The model's life": ["train", "deploy", "monitor", "retrain", "every", "cron"],
    "Namespaces": ["methods", "prepare", "split", "gate", "rest"],
    "Values": ["Source", "Step", "FeatureView", "Label", "TrainingSet", "Model", "Deployment", "Predictor", "Monitor", "Trigger"],
    "Tools": ["Project", "MillstreamError"],
}
MEMBERS = {
    "Source": ["preview"],
    "Step": ["with_settings", "preview"],
    "FeatureView": ["on", "select", "preview"],
    "Label": ["with_settings", "preview"],
    "TrainingSet": ["preview"],
    "Monitor": ["drifted", "worse"],
    "Predictor": ["predict"],
}
"""What a user calls on a value; a Project shows all that it has."""
HEAD = """\
# Reference

Written by `python scripts/reference.py` from signatures and docstrings: change those, not this page. Import it as `import millstream as ms`.
Parameters before `/` are given by position, those after `*` by name.

| in signatures | is |
|---|---|
| `Columns` | a column's name, or a list of names |
| `Address` | a path, a URI, a service of `ms.rest`, or a function `since -> rows` |
| `Auth`, `Pages` | what `rest.bearer`, `rest.basic` and `rest.by_…` give |
| durations (`str`) | numbers with units: `us ms s m h d w` are fixed, `mo q y` follow the calendar; as in `"15m"`, `"1d12h"`, `"1mo"` |
"""


def page() -> str:
    """The whole page."""
    listed = [name for names in SECTIONS.values() for name in names]
    if sorted(listed) != sorted(ms.__all__):
        raise SystemExit(f"scripts/reference.py has no section for: {sorted(set(ms.__all__) ^ set(listed))}")
    choices = {"Metric": get_args(Metric), "Reduction": get_args(Reduction), "Mode": get_args(Mode)}
    rows = [f"| `{name}` | {' '.join(f'`{value}`' for value in values)} |" for name, values in choices.items()]
    parts = [HEAD + "\n".join(rows)]
    for section, names in SECTIONS.items():
        parts.append(f"## {section}")
        for name in names:
            parts += _entry(name, getattr(ms, name))
    return "\n\n".join(parts) + "\n"


def _entry(name: str, value: object) -> Iterator[str]:
    yield f"### {name}"
    if isinstance(value, ModuleType):
        yield _doc(value)
        for inner in value.__all__:
            yield f"#### {name}.{inner}"
            yield from _function(f"{name}.{inner}", getattr(value, inner))
    elif value is errors.MillstreamError:
        yield _doc(value)
        yield _block(inspect.cleandoc(errors.__doc__ or "").partition("\n\n")[2])
    elif isinstance(value, type):
        if name == "Project":
            yield _block(_signature(name, value))
        yield _doc(value)
        yield from _members(name, value)
    elif callable(value):
        yield from _function(name, value)


def _function(name: str, function: Callable[..., object]) -> Iterator[str]:
    yield _block(_signature(name, function))
    yield _doc(function)


def _members(name: str, kind: type) -> Iterator[str]:
    names = MEMBERS.get(name, [each for each in vars(kind) if not each.startswith("_")] if name == "Project" else [])
    lines = [_member(each, inspect.getattr_static(kind, each)) for each in names]
    if lines:
        yield "\n".join(lines)


def _member(name: str, value: object) -> str:
    value = getattr(value, "__func__", value)  # of a class method, its function
    if inspect.isfunction(value):
        called = _signature(name, value, method=True)
    elif isinstance(value, WithSettings):
        called, value = f"{name}(**settings)", WithSettings.__get__
    else:
        called = name
    return f"- `.{called}`: {_doc(value)}".replace("\n\n", " ").replace("\n", " ")


def _signature(name: str, function: Callable[..., object], *, method: bool = False) -> str:
    signature = inspect.signature(function)
    if method:
        signature = signature.replace(parameters=list(signature.parameters.values())[1:])
    written = f"{name}{_written(signature)}"
    if method or len(written) <= WIDEST:
        return written
    return f"{name}{_written(signature, on_lines=True)}"


def _written(signature: inspect.Signature, *, on_lines: bool = False) -> str:
    """The signature as a user would write it; annotations are texts already."""
    words: list[str] = []
    kinds = [parameter.kind for parameter in signature.parameters.values()]
    for place, parameter in enumerate(signature.parameters.values()):
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.VAR_POSITIONAL not in kinds and parameter.kind not in kinds[:place]:
            words.append("*")
        words.append(_parameter(parameter))
        if parameter.kind is parameter.POSITIONAL_ONLY and kinds[place + 1 : place + 2] != [parameter.POSITIONAL_ONLY]:
            words.append("/")
    returns = "" if signature.return_annotation in {inspect.Signature.empty, "None"} else f" -> {signature.return_annotation}"
    inside = "".join(f"\n    {word}," for word in words) + "\n" if on_lines else ", ".join(words)
    return f"({inside}){returns}"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**" if parameter.kind is parameter.VAR_KEYWORD else ""
    value: object = parameter.default
    default = "" if value is parameter.empty else f" = {json.dumps(value) if isinstance(value, str) else repr(value)}"
    return f"{stars}{parameter.name}: {parameter.annotation}{default}"


def _doc(value: object) -> str:
    written = inspect.getdoc(value)
    if not written:
        raise SystemExit(f"{value!r} has no docstring")
    return written


def _block(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```"


def main() -> None:
    """Write the page, or only look at it."""
    fresh = page()
    if "--check" in sys.argv[1:]:
        raise SystemExit(0 if PAGE.read_text(encoding="utf-8") == fresh else f"{PAGE.name} is not fresh: run python scripts/reference.py")
    PAGE.write_text(fresh, encoding="utf-8")


if __name__ == "__main__":
    main()
