import polars as pl

import millstream as ms

payments = ms.source("payments.parquet", key="payment")


@ms.step(payments, memory=2_000_000)
def scored(payments: pl.DataFrame) -> pl.DataFrame:
    return payments
