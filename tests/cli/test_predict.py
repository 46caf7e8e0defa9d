"""`millstream predict`: the champion answers the open rows, each once, each as of its own moment."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from command import PARCELS_AS_OF, check_snapshot, edit, masked, millstream

PREDICT = ("predict", "--as-of", PARCELS_AS_OF)


def answers(folder: Path) -> pl.DataFrame:
    """All that lies in the sink, in the order of its files."""
    return pl.concat([pl.read_parquet(file) for file in sorted((folder / "answers").glob("*.parquet"))])


def open_parcels(folder: Path, as_of: str) -> list[str]:
    """The parcels sent by a moment whose label is decided after it, by the definition of the label."""
    moment = pl.lit(as_of).str.to_datetime(time_zone="UTC")
    sent = pl.col("sent").str.to_datetime(time_zone="UTC")
    parcels = pl.read_csv(folder / "parcels.csv").filter(sent <= moment, sent + pl.duration(hours=48) > moment)
    return parcels.get_column("parcel").to_list()


def test_open_rows_are_answered(parcels: Path) -> None:
    """Exactly the rows that were asked and whose truth is not known, with the columns that a reader needs, in Parquet files."""
    millstream(parcels, *PREDICT).well()
    found = answers(parcels)

    assert found.get_column("parcel").to_list() == open_parcels(parcels, PARCELS_AS_OF)
    assert found.columns == ["parcel", "sent", "prediction", "probability", "version", "predicted_at"]
    assert found.dtypes[2:5] == [pl.Boolean, pl.Float64, pl.Int64]
    assert found.get_column("probability").is_between(0, 1).all()
    assert found.select((pl.col("probability") >= 0.5) == pl.col("prediction")).to_series().all()
    assert found.get_column("version").unique().to_list() == [1]


def test_second_predict_answers_nothing(parcels: Path) -> None:
    """Each key once by each version: nothing new is said, nothing new is written."""
    millstream(parcels, *PREDICT).well()
    before = answers(parcels)
    again = millstream(parcels, *PREDICT, "--json").well().record

    assert (again["rows"], again["predictions"]) == (0, [])
    assert answers(parcels).equals(before)


def test_later_rows_are_added(parcels: Path) -> None:
    """At a later moment only those rows are answered that are new."""
    millstream(parcels, *PREDICT).well()
    later = millstream(parcels, "predict", "--as-of", "2024-02-06", "--json").well().record
    found = answers(parcels)

    assert later["rows"] == len(set(open_parcels(parcels, "2024-02-06")) - set(open_parcels(parcels, PARCELS_AS_OF))) > 0
    assert set(found.get_column("parcel")) == {*open_parcels(parcels, PARCELS_AS_OF), *open_parcels(parcels, "2024-02-06")}
    assert found.get_column("parcel").is_unique().all()


def test_another_champion_answers_anew(parcels: Path) -> None:
    """Once by key and version: after a promotion the open rows are answered by the new champion, and after a roll-back not again."""
    edit(parcels / "parcels.py", "ms.methods.linear()", "ms.methods.boosting(rounds=5)")
    millstream(parcels, *PREDICT).well()
    millstream(parcels, "run", "--as-of", PARCELS_AS_OF).well()
    millstream(parcels, "promote", "delays@2").well()
    second = millstream(parcels, *PREDICT, "--json").well().record
    millstream(parcels, "rollback").well()
    third = millstream(parcels, *PREDICT, "--json").well().record
    found = answers(parcels)

    assert (second["version"], second["rows"]) == (2, len(open_parcels(parcels, PARCELS_AS_OF)))
    assert (third["version"], third["rows"]) == (1, 0)
    assert found.select("parcel", "version").is_unique().all()


def test_lost_sink_is_filled_again(parcels: Path) -> None:
    """What was answered is on record beside the ledger: a file that is gone from the sink comes back as it was."""
    millstream(parcels, *PREDICT).well()
    before = answers(parcels)
    for file in (parcels / "answers").glob("*.parquet"):
        file.unlink()
    millstream(parcels, *PREDICT).well()

    assert answers(parcels).equals(before)


def test_what_people_read(parcels: Path) -> None:
    """How many rows, by which version, where they are, and the first five."""
    first, second = (millstream(parcels, *PREDICT).well().stdout for _ in range(2))

    assert len(first.splitlines()) < 25
    assert first.splitlines()[0] == f"delays@1: {len(open_parcels(parcels, PARCELS_AS_OF))} open rows answered in {parcels / 'answers'}"
    check_snapshot("predict_nothing", masked(second, parcels))


def test_record(parcels: Path) -> None:
    """`--json` shows the answers (`--show` says how many), each with the request that would ask a server the same."""
    record = millstream(parcels, *PREDICT, "--show", "2", "--json").well().record
    first = answers(parcels).row(0, named=True)

    assert sorted(record) == ["model", "predictions", "rows", "target", "version"]
    assert (record["model"], record["version"], record["target"]) == ("delays", 1, str(parcels / "answers"))
    assert record["rows"] == len(open_parcels(parcels, PARCELS_AS_OF))
    assert len(record["predictions"]) == 2
    assert sorted(record["predictions"][0]) == sorted([*first, "request"])
    assert sorted(record["predictions"][0]["request"]) == ["parcel", "sent", "town", "weight"]
    assert [record["predictions"][0][name] for name in ("parcel", "prediction", "probability")] == [
        first[name] for name in ("parcel", "prediction", "probability")
    ]


def test_before_any_run(new_parcels: Path) -> None:
    """Without a champion nobody can answer, and nothing is run to find that out."""
    answer = millstream(new_parcels, *PREDICT)

    assert (answer.code, answer.stdout) == (4, "")
    check_snapshot("predict_before_any_run", answer.stderr)
    assert millstream(new_parcels, "show", "--json").record["runs"] == []
