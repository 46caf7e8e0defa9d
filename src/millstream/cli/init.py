"""`millstream init`: an example project in a new folder, offline."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

import click

from millstream.cli.options import as_json
from millstream.cli.output import print_json, say
from millstream.errors import ConfigurationError, did_you_mean

TEMPLATES = ("flights", "churn")
ANOTHER = "name another: `millstream init TEMPLATE FOLDER`"


@click.command("init", short_help="Make an example project in a new folder.")
@click.argument("template", default="flights")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@as_json
def command(template: str, folder: Path | None, *, as_json: bool) -> None:
    """Copy TEMPLATE (flights or churn) into FOLDER (default: its own name)."""
    if template not in TEMPLATES:
        raise ConfigurationError(f"there is no template '{template}'", hint=did_you_mean(template, TEMPLATES) or f"there are: {', '.join(TEMPLATES)}")
    target = folder or Path(template)
    if target.is_dir() and any(target.iterdir()):
        raise ConfigurationError(f"the folder {target} is not empty", hint=ANOTHER)
    try:
        with as_file(files("millstream.templates") / template) as source:
            _copy(source, target)
    except OSError as error:
        raise ConfigurationError(f"cannot write to {target}: {error.strerror or error}", hint=ANOTHER) from error
    if as_json:
        print_json(
            {
                "template": template,
                "folder": str(target),
                "files": sorted(str(each.relative_to(target)) for each in target.rglob("*") if each.is_file()),
            }
        )
        return
    say(f"{target}/{template}.py is the whole project; its data are beside it.")
    say(f"next: cd {target} && millstream run")


def _copy(source: Path, target: Path) -> None:
    """The contents of a template, without its permissions: an installed one may be read-only."""
    target.mkdir(parents=True, exist_ok=True)
    for each in source.iterdir():
        if each.is_file():
            shutil.copyfile(each, target / each.name)
        elif each.name not in ("__pycache__", ".millstream"):
            _copy(each, target / each.name)
