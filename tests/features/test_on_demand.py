"""On-demand functions: polars frames, lazy or not, and no others."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from rivers import run_river

from millstream.errors import DeclarationError


def run(folder: Path, annotation: str, body: str) -> pl.DataFrame:
    """The training set of payments with one feature that is computed when asked."""
    at = datetime(2024, 1, 1, tzinfo=UTC)
    pl.DataFrame({"payment": [1, 2], "at": [at, at], "amount": [10, 20], "fraud": [0, 1]}).write_parquet(folder / "payments.parquet")
    text = f"""
    payments = ms.source("payments.parquet", key="payment", time="at")


    @ms.on_demand(payments)
    def twice(payments: {annotation}):
        return {body}


    examples = ms.training_set(payments, label="fraud", features=[twice])
    """
    return run_river(folder, text).answer().frame("examples")


@pytest.mark.parametrize(
    ("annotation", "body"),
    [
        ("pl.LazyFrame", 'payments.select("payment", twice=pl.col("amount") * 2)'),
        ("object", 'payments.lazy().select("payment", twice=pl.col("amount") * 2)'),
        ("pl.DataFrame", 'pl.DataFrame({"payment": payments["payment"], "twice": payments["amount"] * 2})'),
    ],
)
def test_frame_is_lazy_unless_it_is_asked_for(tmp_path: Path, annotation: str, body: str) -> None:
    """As in a step."""
    assert run(tmp_path, annotation, body).get_column("twice").to_list() == [20, 40]


def test_other_kinds_are_refused_when_the_graph_is_built(tmp_path: Path) -> None:
    """For every request a database or a frame of pandas would be made."""
    with pytest.raises(DeclarationError, match="on-demand view twice: 'payments' asks for str, which it is not handed") as caught:
        run(tmp_path, "str", 'f"from {payments}"')

    assert caught.value.hint == "it is called for every request: ask for a pl.LazyFrame or a pl.DataFrame"
