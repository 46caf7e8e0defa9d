"""How steps are run: files that they read, processes of their own, limits, and errors after which they are tried again."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

import millstream as ms


class UnavailableError(Exception):
    """The service of the rates did not answer."""


payments = ms.source("payments.parquet", key="payment", time="paid")


@ms.step(payments, reads=["rates.json", "zones.json"])
def converted(payments: pl.LazyFrame) -> pl.LazyFrame:
    """In one currency."""
    rate = float(json.loads(Path("rates.json").read_text(encoding="utf-8"))["EUR"])
    return payments.with_columns(amount=pl.col("amount") * rate)


@ms.step(converted, isolate=True, memory="2GB", timeout="5m", retries=(3, UnavailableError, ConnectionError))
def scored(converted: pl.DataFrame, *, least: float = 0.5) -> pl.DataFrame:
    """By a library that may crash, and a service that may be away."""
    return converted.filter(pl.col("amount") > least)


@ms.feature_view(scored, key="account", timeout="90s", retries=(1, TimeoutError))
def spending(scored: pl.LazyFrame) -> pl.LazyFrame:
    """What an account spends."""
    return scored.select("account", "paid", "amount")


@ms.label(payments, scored, known_at="decided", reads="frauds.csv", memory="800MiB")
def fraud(payments: pl.LazyFrame, scored: pl.LazyFrame) -> pl.LazyFrame:
    """What turned out."""
    return payments.join(scored, on="payment").select("payment", "decided", "fraud")


stricter = scored.with_settings(least=0.9)
