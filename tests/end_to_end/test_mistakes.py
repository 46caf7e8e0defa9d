"""Mistakes of users: at most eight lines with culprit, place and suggestion; the right exit code; nothing registered."""

from __future__ import annotations

import re

import pytest
from commands import AS_OF, Folder

MOST_LINES = 8
IN_FILE = {
    "column of a view": ('"wind_speed", "visibility"', '"wind_sped", "visibility"', 2, r"'wind_sped'[\s\S]*flights\.py:29[\s\S]*wind_speed"),
    "column of a source": ('"arrival_delay"], key', '"arival_delay"], key', 2, r"'arival_delay'[\s\S]*flights\.py:\d+[\s\S]*arrival_delay"),
    "column of an aggregate": (
        '("arrival_delay", "mean")',
        '("arival_delay", "mean")',
        2,
        r"'arival_delay'[\s\S]*flights\.py:\d+[\s\S]*arrival_delay",
    ),
    "option": ('max_age="3h"', 'max_agee="3h"', 2, r"max_agee[\s\S]*flights\.py:\d+"),
    "file of a source": ('"data/weather.parquet"', '"data/wether.parquet"', 4, r"wether\.parquet[\s\S]*flights\.py:\d+[\s\S]*weather\.parquet"),
    "slice": ('slices=["origin", "carrier"]', 'slices=["orign", "carrier"]', 2, r"'orign'[\s\S]*flights\.py:\d+[\s\S]*origin"),
    "metric": ('metric="roc_auc"', 'metric="roc_acu"', 2, r"roc_acu[\s\S]*flights\.py:\d+[\s\S]*roc_auc"),
    "name": ("label=late", "label=latte", 2, r"latte[\s\S]*flights\.py:\d+"),
    "function of the user": (
        'pl.col("scheduled").dt.convert',
        '(1 / 0 + pl.col("scheduled")).dt.convert',
        1,
        r"ZeroDivisionError[\s\S]*flights\.py:\d+",
    ),
    "Python": ('ms.every("30d")', 'ms.every(("30d")', 2, r"flights\.py:\d+"),
}
ON_COMMAND_LINE = {
    "setting": (("run", "--set", "late.minuts=30"), 2, r"minuts[\s\S]*minutes"),
    "step of a setting": (("run", "--set", "lat.minutes=30"), 2, r"'lat'[\s\S]*late"),
    "value of a setting": (("run", "--set", "late.minutes=soon"), 2, r"late\.minutes"),
    "command": (("rum",), 2, r"'rum'[\s\S]*run"),
    "option": (("run", "--as_of", AS_OF), 2, r"--as_of[\s\S]*--as-of"),
    "moment": (("run", "--as-of", "yesterday"), 2, r"yesterday"),
    "file": (("run", "flight.py"), 2, r"flight\.py[\s\S]*flights\.py"),
    "model": (("predict", "delay"), 4, r"'delay'[\s\S]*delays"),
    "step": (("why", "winds"), 4, r"'winds'"),
    "version": (("promote", "delays@9"), 4, r"delays@9"),
    "template": (("init", "flight", "elsewhere"), 2, r"'flight'[\s\S]*flights"),
}


@pytest.mark.parametrize("mistake", IN_FILE)
def test_in_the_file(untrained: Folder, mistake: str) -> None:
    """A misspelt name in the user's file."""
    old, new, code, told = IN_FILE[mistake]
    untrained.edit(old, new)
    done = untrained.call("run", "--as-of", AS_OF)
    assert done.code == code, done.errors
    said = [line for line in done.errors.splitlines() if not re.match(r"ran |failed", line)]
    assert re.search(told, "\n".join(said)), done.errors
    assert len(said) <= MOST_LINES
    untrained.edit(new, old)
    assert untrained.versions() == []


@pytest.mark.parametrize("mistake", ON_COMMAND_LINE)
def test_on_the_command_line(untrained: Folder, mistake: str) -> None:
    """A misspelt word behind `millstream`."""
    words, code, told = ON_COMMAND_LINE[mistake]
    done = untrained.call(*words)
    assert done.code == code, done.errors
    assert re.search(told, done.errors), done.errors
    assert len(done.errors.splitlines()) <= MOST_LINES
    assert untrained.versions() == []


def test_error_as_json(untrained: Folder) -> None:
    """With `--json` the error is an object too."""
    done = untrained.call("run", "--set", "late.minuts=30", "--json")
    assert (done.code, done.record["exit_code"]) == (2, 2)
    assert "minuts" in done.record["error"]["message"]


def test_unreadable_source(untrained: Folder) -> None:
    """A file that is no Parquet."""
    (untrained.path / "data" / "weather.parquet").write_bytes(b"not a table")
    done = untrained.call("run", "--as-of", AS_OF)
    assert done.code == 4, done.errors
    assert "weather.parquet" in done.errors
