"""What is loaded before there is work: nothing for tables, numbers, models or the web."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import millstream
from rivers import run_python

import millstream as ms
from millstream.cli.main import COMMANDS

HEAVY = {"duckdb", "joblib", "lightgbm", "numpy", "pandas", "polars", "pyarrow", "scipy", "sklearn", "uvicorn"}
LOADED_BY = """
    import sys
    from millstream.cli.main import main
    try:
        main(sys.argv[1:])
    except SystemExit as end:
        assert not end.code, end.code
    print("LOADED", *{name.partition(".")[0] for name in sys.modules})
"""


def test_import() -> None:
    """`import millstream` loads no library for tables or models."""
    done = run_python("import sys, millstream; print(*{name.partition('.')[0] for name in sys.modules})")

    assert "millstream" in done.stdout.split()
    assert set(done.stdout.split()) & HEAVY == set()


@pytest.mark.parametrize("words", [(), *((command,) for command in COMMANDS)], ids=lambda words: " ".join(words) or "millstream")
def test_help(words: tuple[str, ...]) -> None:
    """`--help` says what a command is for and which options it has, without loading what does the work."""
    done = run_python(LOADED_BY, *words, "--help")
    text, _, loaded = done.stdout.partition("LOADED")

    assert (done.returncode, done.stderr) == (0, "")
    assert text.startswith(f"Usage: {' '.join(('millstream', *words))} ")
    assert text.count("--help") == 1
    assert "millstream" in loaded.split()
    assert set(loaded.split()) & HEAVY == set()


def test_commands_are_listed(tmp_path: Path) -> None:
    """`millstream` alone says what there is, as `--help` does."""
    alone, asked = millstream(tmp_path), millstream(tmp_path, "--help")

    assert (alone.code, alone.stdout) == (0, asked.stdout)
    assert [line.split()[0] for line in alone.stdout.partition("Commands:\n")[2].splitlines()] == list(COMMANDS)


def test_version(tmp_path: Path) -> None:
    """`--version` is that of the code that runs, installed or not."""
    assert millstream(tmp_path, "--version").well().stdout == f"millstream, version {ms.__version__}\n"
