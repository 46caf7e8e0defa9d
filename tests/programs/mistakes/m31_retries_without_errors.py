import polars as pl

import millstream as ms

payments = ms.source("payments.parquet", key="payment")


@ms.step(payments, retries=(3,))
def scored(payments: pl.DataFrame) -> pl.DataFrame:
    return payments
