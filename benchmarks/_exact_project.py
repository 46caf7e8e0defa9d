"""A project whose every result is exact: whole numbers and texts, ordered rows, no training. Twelve steps in chains, a fan-out, days and a value."""

from __future__ import annotations

from pathlib import Path

RIVER = """
import polars as pl

import millstream as ms

sales = ms.source("sales.parquet", key="sale", time="at")
shops = ms.source("shops.csv", key="shop")


@ms.step(sales, partition="1d")
def cleaned(sales: pl.DataFrame) -> pl.DataFrame:
    return sales.filter(pl.col("cents") > 100)


@ms.step(cleaned, shops)
def located(cleaned: pl.DataFrame, shops: pl.DataFrame) -> pl.DataFrame:
    return cleaned.join(shops, on="shop", how="left", maintain_order="left")


@ms.step(located, key=["town", "at"])
def by_hour(located: pl.DataFrame) -> pl.DataFrame:
    hours = located.with_columns(pl.col("at").dt.truncate("1h"))
    return hours.group_by("town", "at").agg(cents=pl.col("cents").sum(), sales=pl.len()).sort("town", "at")


@ms.step(by_hour, partition="1d", lookback="2d")
def moving(by_hour: pl.DataFrame) -> pl.DataFrame:
    return by_hour.with_columns(recent=pl.col("cents").rolling_sum_by("at", window_size="2d").over("town"))


@ms.step(located)
def ranked(located: pl.DataFrame) -> pl.DataFrame:
    return located.with_columns(rank=pl.col("cents").rank("ordinal").over("town"))


@ms.step(ranked)
def best(ranked: pl.DataFrame) -> pl.DataFrame:
    return ranked.filter(pl.col("rank") > 20).sort("cents", "sale")


@ms.step(cleaned)
def labelled(cleaned: pl.DataFrame) -> pl.DataFrame:
    return cleaned.select("sale", "at", text=pl.format("{} in {}", "cents", "shop"))


@ms.step(labelled)
def digits(labelled: pl.DataFrame) -> pl.DataFrame:
    return labelled.with_columns(digits=pl.col("text").str.extract_all("[0-9]").list.len())


@ms.step(digits)
def counted(digits: pl.DataFrame) -> dict[str, int]:
    return {"rows": digits.height, "digits": int(digits["digits"].sum())}


@ms.step(best, digits)
def together(best: pl.DataFrame, digits: pl.DataFrame) -> pl.DataFrame:
    return best.join(digits, on="sale", how="left", maintain_order="left").sort("sale")


@ms.step(together, counted)
def shares(together: pl.DataFrame, counted: dict[str, int]) -> pl.DataFrame:
    return together.with_columns(share=pl.col("digits") * 1_000_000 // counted["digits"])


@ms.step(shares, moving, time="at")
def report(shares: pl.DataFrame, moving: pl.DataFrame) -> pl.DataFrame:
    towns = moving.group_by("town").agg(pl.col("recent").max()).sort("town")
    return shares.join(towns, on="town", how="left", maintain_order="left")
"""
DAYS, SHOPS = 30, 50
FIRST = 1_709_251_200_000_000
"""2024-03-01 in microseconds since 1970."""


def write(folder: Path, *, rows: int) -> None:
    """The project in a folder, with so many rows of its biggest table."""
    import numpy as np  # noqa: PLC0415  `--help` need not wait for it
    import polars as pl  # noqa: PLC0415

    folder.mkdir()
    (folder / "river.py").write_text(RIVER, encoding="utf-8")
    (folder / "shops.csv").write_text("\n".join(["shop,town", *(f"{shop},town {shop % 7}" for shop in range(SHOPS)), ""]), encoding="utf-8")
    random = np.random.default_rng(7)
    moments = pl.Series(FIRST + np.arange(rows) * (DAYS * 86_400_000_000 // rows)).cast(pl.Datetime("us", "UTC"))
    columns = {"sale": np.arange(rows), "at": moments, "shop": random.integers(0, SHOPS, rows), "cents": random.integers(0, 10_000, rows)}
    pl.DataFrame(columns).write_parquet(folder / "sales.parquet")
