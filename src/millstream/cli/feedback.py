"""`millstream feedback`: tell the truth about a row, or many."""

from __future__ import annotations

import json
from pathlib import Path

import click

from millstream.cli.options import as_json, as_of, in_file, microseconds_as_of, open_project
from millstream.cli.output import print_json, say
from millstream.errors import ConfigurationError


@click.command("feedback", short_help="Tell the truth about a row, or many.")
@click.argument("model")
@click.argument("pairs", nargs=-1, metavar="[KEY LABEL]")
@click.option("--from", "table", type=click.Path(path_type=Path), help="A CSV or Parquet file with the key columns and `label`.")
@as_of
@in_file
@as_json
def command(model: str, pairs: tuple[str, ...], table: Path | None, moment: str | None, file: str | None, *, as_json: bool) -> None:
    """Write down LABEL for KEY of MODEL (several key columns: joined by a comma). What is told wins over the label's table."""
    project = open_project(file)
    from millstream.features.feedback import FeedbackBook
    from millstream.serving.predict import champion_of
    from millstream.serving.truth import checked_key, checked_label
    from millstream.serving.versions import read_plan

    name = project.model(model)
    key = project.models[name].examples.rows.facts.key
    if not key:
        raise ConfigurationError(f"{name}: its rows have no key, so labels cannot come late", hint="say key= at the source of the question")
    known = microseconds_as_of(moment)
    labels = _from_file(table, key) if table else [_from_words(pairs, key)]
    plan = read_plan(project.workspace, champion_of(project.workspace, name))
    FeedbackBook(project.store.root).put(name, [(checked_key(plan, values), checked_label(plan, label), known) for values, label in labels])
    if as_json:
        print_json({"model": name, "labels": len(labels)})
    else:
        say(f"{len(labels):,} labels of {name} written down; `millstream monitor {name}` counts them")


def _from_words(pairs: tuple[str, ...], key: tuple[str, ...]) -> tuple[list[object], bool | float | str]:
    if len(pairs) != 2:
        raise ConfigurationError(
            "feedback needs a key and a label", hint="as in `millstream feedback delays UA1545-EWR-2013-06-01 true`, or --from FILE"
        )
    values = pairs[0].split(",") if len(key) > 1 else [pairs[0]]
    if len(values) != len(key):
        raise ConfigurationError(f"'{pairs[0]}' is not a key: there are {len(key)} columns ({', '.join(key)})", hint="join their values by commas")
    return list(values), _label(pairs[1])


def _from_file(path: Path, key: tuple[str, ...]) -> list[tuple[list[object], bool | float | str]]:
    from millstream.sources.files import read_file

    if not path.is_file():
        raise ConfigurationError(f"there is no file '{path}'")
    frame = read_file(path, where=str(path))
    missing = [name for name in (*key, "label") if name not in frame.columns]
    if missing:
        raise ConfigurationError(f"{path.name} has no column '{missing[0]}'", hint=f"it needs: {', '.join((*key, 'label'))}")
    return [(list(row[:-1]), row[-1]) for row in frame.select(*key, "label").rows()]


def _label(text: str) -> bool | float | str:
    try:
        value = json.loads(text.lower() if text.lower() in ("true", "false") else text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text
