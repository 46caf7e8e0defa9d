"""The training set of the flights program, made once."""

from __future__ import annotations

import pytest
from flight_data import Flights, run_flights, write_flights


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Flights:
    """The rows asked until the first of March, from all data of the template."""
    return run_flights(write_flights(tmp_path_factory.mktemp("flights") / "folder"), as_of="2013-03-01")
