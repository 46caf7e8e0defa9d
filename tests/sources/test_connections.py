"""Connections: pyproject.toml says where a secret stands, the environment has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from rivers import write_river

from millstream.errors import ConfigurationError
from millstream.project import Project
from millstream.sources.connections import Connections, connections_of


def refused(configured: dict[str, object], connection: str = "weather", option: str = "token") -> ConfigurationError:
    """The error that asking for a value gives; it never shows what a file holds for one."""
    with pytest.raises(ConfigurationError) as caught:
        connections_of({"connections": configured}).value(connection, option)
    assert "hush" not in str(caught.value)
    return caught.value


def test_value_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read when it is asked for; what is no secret may stand in the file."""
    connections = Connections({"weather": {"token": "$WEATHER_TOKEN", "user": "reader"}})
    monkeypatch.setenv("WEATHER_TOKEN", "first")
    assert connections.value("weather", "token") == "first"

    monkeypatch.setenv("WEATHER_TOKEN", "second")

    assert connections.value("weather", "token") == "second"
    assert connections.value("weather", "user") == "reader"


@pytest.mark.parametrize("option", ["token", "password"])
def test_secret_in_the_file_is_refused(option: str) -> None:
    """And not repeated."""
    error = refused({"weather": {option: "hush"}}, option=option)

    assert f"its {option} stands in pyproject.toml" in error.message
    assert error.hint == f'put it into the environment: {option} = "$WEATHER_{option.upper()}"'


@pytest.mark.parametrize(
    ("configured", "said"),
    [
        ({}, "there is no connection 'weather'\n  pyproject.toml says it: [tool.millstream.connections.weather]"),
        ({"wether": {}}, "there is no connection 'weather'\n  did you mean 'wether'?"),
        ({"weather": {}}, "connection 'weather' has no token\n  token = \"$WEATHER_TOKEN\""),
        ({"weather": "hush"}, "connection 'weather' is no table"),
        ({"weather": {"token": 7}}, "token must be a text"),
        ({"weather": {"token": "$WEATHER_TOKEN_UNSET"}}, "the environment has no WEATHER_TOKEN_UNSET, the token of connection 'weather'"),
    ],
)
def test_connection_that_is_not_there(configured: dict[str, object], said: str) -> None:
    """The error says what to write, and where."""
    assert said in str(refused(configured))


def test_connections_of_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in the pyproject.toml beside the file, or above it."""
    monkeypatch.setenv("OPS_TOKEN", "fine")
    (tmp_path / "pyproject.toml").write_text('[tool.millstream.connections.ops]\ntoken = "$OPS_TOKEN"\n')
    (tmp_path / "shop").mkdir()

    project = Project(write_river(tmp_path / "shop", 'rows = ms.source("rows.csv")'))

    assert project.lowering.connections.value("ops", "token") == "fine"


def test_connections_that_are_no_table() -> None:
    """Are refused when the project is opened for work."""
    with pytest.raises(ConfigurationError, match="is no table"):
        connections_of({"connections": "weather"})
