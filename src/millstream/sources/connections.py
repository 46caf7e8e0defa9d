"""Connections by name: where their secrets stand in the environment. A secret is read when it is sent, and kept nowhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from millstream.errors import ConfigurationError, did_you_mean

SECRETS = ("token", "password")


@dataclass(frozen=True)
class Connections:
    """What `[tool.millstream.connections]` of pyproject.toml says; a value `$NAME` is a variable of the environment."""

    configured: Mapping[str, object] = field(default_factory=dict[str, object])

    def value(self, connection: str, option: str) -> str:
        """The value of an option of a connection. Raises ConfigurationError if it is nowhere, or a secret stands in the file."""
        written = self._options(connection).get(option)
        if written is None:
            raise ConfigurationError(f"connection '{connection}' has no {option}", hint=_example(connection, option))
        if not isinstance(written, str) or not written:
            raise ConfigurationError(f"connection '{connection}': {option} must be a text", hint=_example(connection, option))
        if written.startswith("$"):
            return _of_environment(written[1:], connection, option)
        if option in SECRETS:
            message = f"connection '{connection}': its {option} stands in pyproject.toml, where everybody can read it"
            raise ConfigurationError(message, hint=f"put it into the environment: {_example(connection, option)}")
        return written

    def _options(self, connection: str) -> Mapping[str, object]:
        options = self.configured.get(connection)
        if options is None:
            close = did_you_mean(connection, self.configured)
            hint = close or f"pyproject.toml says it: [tool.millstream.connections.{connection}]"
            raise ConfigurationError(f"there is no connection '{connection}'", hint=hint)
        if not isinstance(options, dict):
            raise ConfigurationError(f"connection '{connection}' is no table", hint=f"write [tool.millstream.connections.{connection}]")
        return cast("dict[str, object]", options)


def connections_of(configuration: Mapping[str, object]) -> Connections:
    """The connections of `[tool.millstream]`. Raises ConfigurationError if they are no tables."""
    found = configuration.get("connections", {})
    if not isinstance(found, dict):
        raise ConfigurationError("connections of pyproject.toml is no table", hint="write [tool.millstream.connections.NAME]")
    return Connections(cast("dict[str, object]", found))


def _of_environment(variable: str, connection: str, option: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ConfigurationError(f"the environment has no {variable}, the {option} of connection '{connection}'", hint=f"export {variable}=…")
    if not value.isprintable():
        raise ConfigurationError(f"{variable}, the {option} of connection '{connection}', holds a line break or another control character")
    return value


def _example(connection: str, option: str) -> str:
    return f'{option} = "${connection.upper().replace("-", "_")}_{option.upper()}"'
