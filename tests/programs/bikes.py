"""How many bikes will be out in an hour, and at this hour tomorrow?"""

import polars as pl

import millstream as ms

counts = ms.source("data/bike_hourly.parquet", key="hour", time="hour", known_at="counted")
forecasts = ms.source("data/forecasts.parquet", key="hour", time="issued")
holidays = ms.source("data/holidays.csv", key="date")


clock = ms.source("data/clock.parquet", time="asked")


@ms.step(clock, key="hour")
def hours(clock: pl.LazyFrame, *, ahead: int = 1) -> pl.LazyFrame:
    """One question per hour, asked so many hours before it begins."""
    questions = clock.select("asked", hour=pl.col("asked") + pl.duration(hours=ahead))
    return questions.with_columns(date=pl.col("hour").dt.date())


@ms.label(counts)
def demand(counts: pl.LazyFrame) -> pl.LazyFrame:
    """Bikes rented in that hour, known when it has been counted."""
    return counts.select("hour", "counted", demand="cnt")


def same_hour(days: int) -> ms.FeatureView:
    """Demand at the same hour some days before; null while it is not yet known."""

    @ms.feature_view(counts, time="counted")
    def lag(counts: pl.LazyFrame) -> pl.LazyFrame:
        return counts.select("counted", pl.col("cnt").alias(f"lag_{days}d"), hour=pl.col("hour") + pl.duration(days=days))

    return lag


lags = {f"{days}d": same_hour(days) for days in (1, 2, 7)}
level = ms.aggregate(counts, key=(), over=["3h", "24h", "7d"], level=("cnt", "mean"), peak=("cnt", "max"))


@ms.feature_view(forecasts, max_age="12h")
def outlook(forecasts: pl.LazyFrame) -> pl.LazyFrame:
    """The newest forecast for that hour, of those issued before the question."""
    return forecasts.select("hour", "issued", "temperature", "rain", "wind")


@ms.feature_view(holidays)
def holiday(holidays: pl.LazyFrame) -> pl.LazyFrame:
    """Whether nobody has to go to work."""
    return holidays.select("date", holiday=pl.lit(value=True))


def forecast(ahead: int) -> ms.Model:
    """A model for one horizon, from the same views."""
    asked = hours.with_settings(ahead=ahead)

    @ms.on_demand(asked)
    def calendar(asked: pl.LazyFrame) -> pl.LazyFrame:
        return asked.select("hour", of_day=pl.col("hour").dt.hour(), of_week=pl.col("hour").dt.weekday())

    return ms.train(
        ms.training_set(asked, label=demand, features=[*lags.values(), level, outlook, holiday, calendar], ignore=["date"]),
        methods=[ms.methods.baseline("lag_7d"), ms.methods.boosting(), ms.methods.linear()],
        split=ms.split.time(test="60d", folds=4),
        metric="mae",
    )


horizons = {f"{ahead}h": forecast(ahead) for ahead in (1, 24)}

for model in horizons.values():
    ms.deploy(model, batch=ms.sink("data/out"), when=ms.every("1h"))
    ms.retrain(model, when=ms.cron("0 4 1 * *"))
