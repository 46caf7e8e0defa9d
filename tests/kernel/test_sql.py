"""Steps in SQL: an input by its name, a query as the result; and relations of DuckDB."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes
from rivers import run_river
from step_calls import handed, made, step_of, stored

from millstream.errors import ColumnError, StepError
from millstream.kernel.sql import Queries, frame_of, quoted
from millstream.kernel.store import Store

if TYPE_CHECKING:
    import duckdb
else:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed; it is in the extras sql and dev")

KINDS = [
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Binary),
    *(pl.Date, pl.Time, pl.Duration("us"), pl.Datetime("us"), pl.Datetime("ms"), pl.Datetime("us", "UTC"), pl.Decimal(20, 3)),
    *(pl.List(pl.Int64), pl.Struct({"x": pl.Int8, "y": pl.String}), pl.Array(pl.Int16, 2)),
]
READINGS = pl.DataFrame({"meter": ["a", "b", "a", "c"], "kwh": [1.0, 2.0, 3.0, 4.0]})
METERS = pl.DataFrame({"meter": ["a", "b"], "town": ["x", "y"]})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def ask(folder: Path, query: str, **tables: pl.DataFrame) -> pl.DataFrame:
    """What a query gives; tables are written in it as {name}."""
    queries = Queries(folder / "spilled")
    try:
        written = {name: queries.table(name, frame) for name, frame in tables.items()}
        queries.seal()
        return queries.rows(query.format(**written))
    finally:
        queries.close()


# a step in SQL


def test_step_returns_a_query_over_its_inputs(store: Store) -> None:
    """Each `str` parameter is a table's name; settings are values of Python."""

    def per_town(readings: str, meters: str, *, least: float = 2.0) -> str:
        return f"""
            select town, sum(kwh) as kwh from {readings} join {meters} using (meter)
            where {readings}.kwh >= {least} group by town order by town
        """

    towns = handed(store, made(store, per_town, READINGS, METERS))

    assert_frame_equal(towns, pl.DataFrame({"town": ["x", "y"], "kwh": [3.0, 2.0]}))


def test_names_that_sql_keeps_for_itself(store: Store) -> None:
    """A parameter may be called as the user likes."""

    def counted(order: str, group: str) -> str:
        return f"select count(*) as n from {order}, {group}"

    assert handed(store, made(store, counted, READINGS, METERS)).item() == 8


def test_name_and_frame_side_by_side(store: Store) -> None:
    """One input by name, another as a frame."""

    def towns(readings: str, meters: pl.DataFrame) -> str:
        known = ", ".join(f"'{meter}'" for meter in meters["meter"])
        return f"select meter, kwh from {readings} where meter in ({known})"

    assert handed(store, made(store, towns, READINGS, METERS)).height == 3


def test_text_of_a_step_without_sql_is_a_value(store: Store) -> None:
    """Only who is given a table's name returns a query."""

    def title(readings: pl.DataFrame) -> str:
        return f"select {readings.height}"

    assert handed(store, made(store, title, READINGS), str) == "select 4"


def test_text_is_handed_over_as_text(store: Store) -> None:
    """A `str` parameter over a JSON step is its text, and the result a value."""

    def loud(title: str) -> str:
        return title.upper()

    assert handed(store, made(store, loud, "quiet"), str) == "QUIET"


def test_step_in_relations(store: Store) -> None:
    """Two relations of one database, joined by their names."""

    def per_town(readings: duckdb.DuckDBPyRelation, meters: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
        return readings.join(meters, "meter").aggregate("town, sum(kwh) as kwh", "town").order("town")

    assert handed(store, made(store, per_town, READINGS, METERS)).rows() == [("x", 4.0), ("y", 2.0)]


def test_views_and_labels_in_sql(tmp_path: Path) -> None:
    """The same as in polars, with the facts that they must return."""
    text = """
    readings = ms.source("readings.parquet", key="meter", time="read")


    @ms.feature_view(readings)
    def size(readings: str) -> str:
        return f"select meter, read, kwh * 2 as twice from {readings}"


    examples = ms.training_set(readings, label="kwh", features=[size])
    """
    READINGS.unique("meter", maintain_order=True).with_columns(read=pl.lit(datetime(2024, 1, 1, tzinfo=UTC))).write_parquet(
        tmp_path / "readings.parquet"
    )

    rows = run_river(tmp_path, text).answer().frame("examples").sort("meter")

    assert rows.get_column("twice").to_list() == [2.0, 4.0, 8.0]


def test_query_is_cached_with_the_version_of_duckdb(store: Store) -> None:
    """And with the fact that its input is handed over by name."""

    def query(readings: str) -> str:
        return f"from {readings}"

    plan = step_of(query).plan(store, [stored(store, READINGS)], 0)

    assert {"kind of readings", "duckdb"} <= {cause.name for cause in plan.causes}


# types


@settings(max_examples=150, deadline=None)
@given(frame=dataframes(max_cols=4, max_size=8, allowed_dtypes=KINDS, allow_null=True))
def test_frame_comes_back_from_duckdb(tmp_path_factory: pytest.TempPathFactory, frame: pl.DataFrame) -> None:
    """All types that SQL has, with their nulls."""
    assert_frame_equal(ask(tmp_path_factory.getbasetemp(), "select * from {t}", t=frame), frame, check_exact=True)


@pytest.mark.parametrize(
    ("column", "back"),
    [
        (pl.Series(["a", None], dtype=pl.Categorical), pl.Series(["a", None])),
        (pl.Series(["a", None], dtype=pl.Enum(["b", "a"])), pl.Series(["a", None])),
        (pl.Series([0], dtype=pl.Datetime("us", "Europe/Berlin")), pl.Series([0], dtype=pl.Datetime("us", "UTC"))),
        (pl.Series([None, None]), pl.Series([None, None], dtype=pl.Int32)),
    ],
    ids=["categorical", "enum", "zone", "null"],
)
def test_types_that_sql_does_not_have(tmp_path: Path, column: pl.Series, back: pl.Series) -> None:
    """Levels become texts, moments are in UTC."""
    assert_frame_equal(ask(tmp_path, "select * from {t}", t=column.alias("x").to_frame()), back.alias("x").to_frame())


@pytest.mark.parametrize(
    ("query", "value", "kind"),
    [
        ("sum(n)", 6, pl.Int64),
        ("avg(n)", 2.0, pl.Float64),
        ("count(*)", 3, pl.Int64),
        ("max(n)::decimal(4, 1)", 3, pl.Decimal(4, 1)),
        ("interval 36 hour", timedelta(hours=36), pl.Duration("us")),
        ("date '2024-01-31' + 1", date(2024, 2, 1), pl.Date),
        ("list(n)", [1, 2, 3], pl.List(pl.Int64)),
        ("timestamptz '2024-01-01 00:00:00+02'", datetime(2023, 12, 31, 22, tzinfo=UTC), pl.Datetime("us", "UTC")),
        ("'a'::enum('a', 'b')", "a", pl.Categorical),
    ],
)
def test_what_a_query_gives(tmp_path: Path, query: str, value: object, kind: object) -> None:
    """A sum of integers is an integer, an interval a duration."""
    found = ask(tmp_path, f"select {query} as x from {{t}}" + ("" if "(" in query else " limit 1"), t=pl.DataFrame({"n": [1, 2, 3]})).to_series()

    assert (found[0].to_list() if isinstance(found[0], pl.Series) else found[0], found.dtype) == (value, kind)


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("interval 1 month", "holds intervals of months, which have no fixed length"),
        ("map {'a': 1}", r"holds MAP\(VARCHAR, INTEGER\), which a table does not"),
        ("'101'::bit", "holds BIT"),
        ("timetz '12:00:00+01'", "holds TIME WITH TIME ZONE"),
        ("[interval 1 day]", "holds INTERVAL"),
        ("union_value(k := 1)", "holds UNION"),
    ],
)
def test_what_no_table_holds_is_refused(tmp_path: Path, expression: str, sentence: str) -> None:
    """With the column, before a library breaks on it."""
    with pytest.raises(ColumnError, match=f"the query: column 'x' {sentence}"):
        ask(tmp_path, f"select {expression.replace('{', '{{').replace('}', '}}')} as x from {{t}}", t=READINGS)


def test_relation_of_another_database_is_a_table_too(store: Store) -> None:
    """A function may make one of its own."""

    def own(readings: pl.DataFrame) -> duckdb.DuckDBPyRelation:
        return duckdb.connect().sql(f"select {readings.height} as n")

    assert handed(store, made(store, own, READINGS)).item() == 4


# the same rows, and nothing from outside


def test_query_repeats_itself(tmp_path: Path) -> None:
    """Order, sums of floats, and what DuckDB draws at random."""
    frame = pl.DataFrame({"g": [f"g{number % 97}" for number in range(50_000)], "f": [1 / (number + 1) for number in range(50_000)]})
    query = "select g, sum(f) as f, random() as r from {t} group by g"

    assert_frame_equal(*(ask(tmp_path, query, t=frame) for _ in range(2)), check_exact=True)


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('{file}')",
        "select * from '{file}'",
        "select * from hidden",
        "copy (select 1) to '{file}'",
        "attach '{file}'",
        "load httpfs",
        "install httpfs",
        "set threads = 2",
    ],
)
def test_query_reaches_nothing_but_its_tables(tmp_path: Path, query: str) -> None:
    """No file, no extension, no setting, no variable of Python."""
    hidden = pl.DataFrame({"secret": [1]})
    file = tmp_path / "secret.csv"
    hidden.write_csv(file)

    with pytest.raises(StepError):
        ask(tmp_path, query.replace("{file}", str(file)), t=READINGS)


def test_sort_larger_than_memory_spills_beside_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where files are shut off, its own still are there; nothing stays behind."""
    from millstream.kernel import sql  # noqa: PLC0415  beside its use

    monkeypatch.setattr(sql, "SETTINGS", {**sql.SETTINGS, "memory_limit": "60MB"})
    frame = pl.DataFrame({"n": range(600_000)}).with_columns(text=pl.lit("text number ") + pl.col("n").cast(pl.String))

    found = ask(tmp_path, "select *, row_number() over (order by text desc) as place from {t} order by text", t=frame)

    assert found.get_column("text").is_sorted()
    assert not (tmp_path / "spilled").exists()


# mistakes


@pytest.mark.parametrize(
    ("query", "error", "sentence"),
    [
        ("select kw from {t}", ColumnError, "there is no column 'kw'"),
        ("select x.kw from {t} x", ColumnError, "there is no column 'kw'"),
        ("select * from readings", StepError, "there is no table 'readings'"),
        ("selec * from {t}", StepError, "Parser Error: syntax error"),
        ("select cast(meter as int) from {t}", StepError, "Could not convert string 'a' to INT32"),
        ("select 1; select 2", StepError, "returned SQL that is not one query, but SELECT, SELECT"),
        ("drop table {t}", StepError, "not one query, but DROP"),
        ("", StepError, "not one query, but nothing"),
        ("select meter, meter from {t}", ColumnError, "gives two columns 'meter'"),
        ("select sum(n) from (values (9223372036854775807), (1)) v(n)", StepError, "a sum of integers is beyond 64 bits"),
    ],
)
def test_mistake_in_a_query(tmp_path: Path, query: str, error: type[Exception], sentence: str) -> None:
    """One sentence each."""
    with pytest.raises(error, match=sentence):
        ask(tmp_path, query, t=READINGS)


def test_mistake_names_step_line_and_the_nearest_column(store: Store) -> None:
    """As in a step of polars."""

    def wrong(readings: str) -> str:
        return f"select kwhh from {readings}"

    with pytest.raises(ColumnError, match="wrong: the query: there is no column 'kwhh'") as caught:
        made(store, wrong, READINGS)

    assert caught.value.hint == "did you mean 'kwh'?"
    assert (caught.value.where or "").startswith(__file__)


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (pl.DataFrame({"x": [1], "X": [2]}), "columns 'x' and 'X' of t are one to SQL"),
        (pl.DataFrame({"x": pl.Series([1], dtype=pl.Int128)}), "column 'x' of t is Int128, which DuckDB is not given"),
    ],
)
def test_table_that_sql_cannot_hold_is_refused(tmp_path: Path, frame: pl.DataFrame, sentence: str) -> None:
    """Before the query."""
    with pytest.raises(ColumnError, match=sentence):
        ask(tmp_path, "select 1", t=frame)


def test_quoted_names() -> None:
    """Whatever is in them."""
    assert (quoted("order"), quoted('a"b')) == ('"order"', '"a""b"')


def test_several_queries_of_one_step(store: Store) -> None:
    """A dictionary of relations is several tables."""

    def halves(readings: duckdb.DuckDBPyRelation) -> dict[str, Any]:
        return {"small": readings.filter("kwh < 3"), "large": readings.filter("kwh >= 3")}

    found = handed(store, made(store, halves, READINGS), dict[str, pl.DataFrame])

    assert {name: each.height for name, each in found.items()} == {"small": 2, "large": 2}


def test_relation_without_rows_keeps_its_types() -> None:
    """Also one of casts."""
    relation = duckdb.connect().sql("select 1::hugeint as n, interval 1 day as t where false")

    assert frame_of(relation).schema == {"n": pl.Int64, "t": pl.Duration("us")}
