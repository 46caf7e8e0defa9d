"""docs/cli.md is the command line: every command, every option, and what each prints as JSON."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import click
import pytest
from rivers import day, python_environment, write_parcels

from millstream.cli.main import COMMANDS, main, millstream
from millstream.kernel.availability import text_of

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "cli.md").read_text(encoding="utf-8")
SECTIONS = {head.strip(): text for head, _, text in (part.partition("\n") for part in PAGE.split("\n## ")[1:])}
SCHEMA: Mapping[str, Any] = json.loads((DOCS / "run.schema.json").read_text(encoding="utf-8"))
KINDS: Mapping[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "null": type(None),
}


def options(name: str) -> set[str]:
    """The long options of a command."""
    command = millstream.get_command(click.Context(millstream), name)
    assert command is not None
    return {option for parameter in command.params for option in parameter.opts if option.startswith("--")}


def call(*arguments: str) -> tuple[int, Any]:
    """The exit code of a command, and the JSON it prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as left:
        main([*arguments, "--json"])
    return int(left.value.code or 0), json.loads(out.getvalue())


def serve(*arguments: str) -> tuple[int, Any]:
    """The exit code of a server that is asked to end, and the JSON it printed when it was ready."""
    command = [sys.executable, "-m", "millstream.cli.main", "serve", "--json", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=python_environment()) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        process.terminate()
        return process.wait(), said


def faults(value: object, schema: Mapping[str, Any], at: str = "$") -> list[str]:
    """Where a value is not what a schema says, for the words that run.schema.json uses."""
    if "$ref" in schema:
        return faults(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], at)
    if "oneOf" in schema:
        wrong = [faults(value, each, at) for each in schema["oneOf"]]
        return [] if sum(not each for each in wrong) == 1 else [f"{at} is {value!r}: {wrong}"]
    kinds = schema.get("type", [])
    found = [] if not kinds or is_kind(value, [kinds] if isinstance(kinds, str) else kinds) else [f"{at} is {value!r}, not {kinds}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at} is {value!r}")
    if "minimum" in schema and isinstance(value, int | float) and value < schema["minimum"]:
        found.append(f"{at} is {value}")
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        found.append(f"{at} is {value!r}")
    return [*found, *inner_faults(value, schema, at)]


def inner_faults(value: object, schema: Mapping[str, Any], at: str) -> list[str]:
    """The same for what an object or a list holds."""
    if isinstance(value, list):
        items = enumerate(cast("list[object]", value))
        return [fault for place, item in items for fault in faults(item, schema.get("items", {}), f"{at}[{place}]")]
    if not isinstance(value, dict):
        return []
    record = cast("dict[str, object]", value)
    known: Mapping[str, Any] = schema.get("properties", {})
    missing = [f"{at} has no {name}" for name in schema.get("required", []) if name not in record]
    unknown = [f"{at} has {name}" for name in record if name not in known and schema.get("additionalProperties") is False]
    return [*missing, *unknown, *(fault for name in known if name in record for fault in faults(record[name], known[name], f"{at}.{name}"))]


def is_kind(value: object, kinds: Sequence[str]) -> bool:
    """Whether a value is of one of some JSON types; a boolean is no number."""
    return any(isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool)) for kind in kinds)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What every command prints as JSON while a small river lives; `show` is asked in its three ways."""
    folder = tmp_path_factory.mktemp("parcels")
    file = write_parcels(folder / "river", {"ms.gate.better()": "ms.gate.not_worse(by=0.5)"})
    early, late, where = text_of(day(50)), text_of(day(88)), ("--file", str(file))
    said: dict[str, Any] = {"init": call("init", "churn", str(folder / "churn")), "run": call("run", str(file), "--as-of", early)}
    (file.parent / ".millstream" / "objects" / "hello").touch()
    said |= {
        "check": call("check", str(file), "--as-of", early),
        "why": call("why", "late", *where),
        "reproduce": call("reproduce", "delays@1", *where),
        "profile": call("profile", "late", "--as-of", early, *where),
        "profile --against": call("profile", "late", "--against", "late", "--as-of", early, *where),
        "predict": call("predict", "--as-of", text_of(day(70)), "--show", "2", *where),
        "feedback": call("feedback", "delays", "2700", "true", "--as-of", late, *where),
        "monitor": call("monitor", "--as-of", late, *where),
        "maintain": call("maintain", "--as-of", late, *where),
        "promote": call("promote", "delays@2", *where),
        "rollback": call("rollback", *where),
        "replay": call("replay", "--from", early, "--to", late, "--every", "14d", *where),
        "gc": call("gc", "--keep-last", "1", *where),
        "doctor": call("doctor", "--fix", *where),
        "show": call("show", *where),
        "show MODEL": call("show", "delays", *where),
    }
    run = said["run"][1]["run"]
    again = call("run", str(file), "--as-of", late, "--set", "late.days=3")
    said |= {
        "show RUN": call("show", run, *where),
        "show STEP": call("show", run, "late", *where),
        "diff": call("diff", run, again[1]["run"], *where),
    }
    return {**said, "serve": serve(*where, "--as-of", early, "--port", "0")}


def test_every_command_has_its_section() -> None:
    """A section for each command, in the order of `--help`, and for nothing else."""
    assert list(SECTIONS) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_options_are_those_of_the_command(name: str) -> None:
    """Its section names every option that the command has, and no other."""
    assert set(re.findall(r"--[a-z][a-z-]*", SECTIONS[name])) == options(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_section_has_an_example(name: str) -> None:
    """A console block calls the command itself."""
    assert f"```console\n$ millstream {name}" in SECTIONS[name]


def test_every_command_answers(printed: Mapping[str, Any]) -> None:
    """Each command ends with exit code 0 where nothing is wrong."""
    assert {name: code for name, (code, _) in printed.items() if code} == {}
    assert {name.partition(" ")[0] for name in printed} == set(COMMANDS)


@pytest.mark.parametrize("name", [*COMMANDS, "show MODEL", "show RUN", "show STEP", "profile --against"])
def test_json_is_described(name: str, printed: Mapping[str, Any]) -> None:
    """Every key of the object that a command prints stands in its section."""
    described = set(re.findall(r"`(\w+)`", SECTIONS[name.partition(" ")[0]]))

    assert set(printed[name][1]) - described == set()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("show", "runs 0"),
        ("show RUN", "steps 0"),
        ("show RUN", "steps 0 result"),
        ("diff", "before"),
        ("diff", "settings 0"),
        ("diff", "steps 0"),
        ("diff", "inputs 0"),
        ("diff", "metrics 0"),
        ("profile --against", "first"),
        ("profile --against", "tables"),
        ("show MODEL", "versions 0"),
        ("show MODEL", "history 0"),
        ("predict", "predictions 0"),
        ("doctor", "findings 0"),
        ("monitor", "drift"),
        ("monitor", "drift features 0"),
        ("monitor", "performance"),
        ("maintain", "verdict"),
        ("maintain", "block"),
    ],
)
def test_inner_keys_are_described(name: str, path: str, printed: Mapping[str, Any]) -> None:
    """So does every key of the objects inside it."""
    value = printed[name][1]
    for step in path.split():
        value = value[int(step) if step.isdigit() else step]

    assert value
    assert set(value) - set(re.findall(r"`(\w+)`", SECTIONS[name.partition(" ")[0]])) <= {"parcel", "sent"}


def test_ticks_are_described(printed: Mapping[str, Any]) -> None:
    """A tick of a replay has the keys of `maintain`, and who answered how many."""
    assert set(printed["replay"][1]["ticks"][0]) == {"answered", "by", *printed["maintain"][1]}
    assert {"answered", "by"} <= set(re.findall(r"`(\w+)`", SECTIONS["replay"]))


def test_run_is_what_its_schema_says(printed: Mapping[str, Any]) -> None:
    """What `run --json` prints validates, and what is changed in it does not."""
    record = printed["run"][1]

    assert faults(record, SCHEMA) == []
    assert faults({**record, "as_of": "yesterday"}, SCHEMA)
    assert faults({**record, "steps": [{**record["steps"][0], "status": "done"}]}, SCHEMA)
    assert faults({**record, "leaderboard": [{**record["leaderboard"][0], "score": True}]}, SCHEMA)
    assert faults({**record, "model": {}}, SCHEMA)
    assert faults({key: value for key, value in record.items() if key != "models"}, SCHEMA)


@pytest.mark.parametrize(("arguments", "code"), [(["show", "nothing"], 4), (["promote", "nothing"], 2), (["rin"], 2), (["run", "--nonsense"], 2)])
def test_errors_are_described(arguments: Sequence[str], code: int, tmp_path: Path) -> None:
    """An error is one object of the shape on the page, with the exit code of its kind."""
    file = write_parcels(tmp_path, days=1)

    left, said = call(*arguments, *(["--file", str(file)] if arguments[0] in {"show", "promote"} else []))

    assert (left, said["exit_code"]) == (code, code)
    assert '{"error": {"kind", "message", "where", "hint"}, "exit_code"}' in PAGE
    assert set(said["error"]) == {"kind", "message", "where", "hint"}
