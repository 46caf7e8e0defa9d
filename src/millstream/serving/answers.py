"""What the batch has answered: one Parquet file a batch, kept beside the ledger, then put into the sink."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from millstream.errors import StoreError
from millstream.features.feedback import value_of_text
from millstream.kernel.digest import digest_frame
from millstream.registry.records import Version
from millstream.registry.workspace import Workspace
from millstream.serving.archive import read_predictions
from millstream.sources.declare import Sink
from millstream.sources.sinks import folder_of


def answered(workspace: Workspace, model: str) -> pl.DataFrame | None:
    """All batch answers of a model so far, None if there are none."""
    files = batch_files(workspace, model)
    return pl.concat([pl.read_parquet(file) for file in files], how="vertical_relaxed") if files else None


def scores_given(workspace: Workspace, version: Version, task: str, kinds: Mapping[str, pl.DataType]) -> pl.DataFrame | None:
    """Key and `score` of every answer of a version on record, batch and real time, the first for each key; `kinds` are the types of the key."""
    score = pl.col("probability" if task == "binary" else "prediction").cast(pl.Float64).alias("score")
    batch = answered(workspace, version.model)
    frames: list[pl.DataFrame] = []
    if batch is not None:
        frames.append(batch.filter(pl.col("version") == version.version).select(*kinds, score, "predicted_at"))
    log = workspace.folder / "predictions"
    if log.is_dir():
        logged = read_predictions(log).filter(pl.col("version") == version.name)
        parts = pl.col("key").str.json_decode(pl.List(pl.String))
        keys = [value_of_text(parts.list.get(place, null_on_oob=True), kind).alias(name) for place, (name, kind) in enumerate(kinds.items())]
        number = pl.col("probability" if task == "binary" else "prediction_number").alias("score")
        frames.append(logged.select(*keys, number, "predicted_at"))
    if not frames or not kinds:
        return None
    return pl.concat(frames).sort("predicted_at", maintain_order=True).unique(subset=list(kinds), keep="first", maintain_order=True)


def batch_files(workspace: Workspace, model: str) -> list[Path]:
    """The batches of a model in the order in which they were written."""
    return sorted(_folder(workspace, model).glob("*.parquet"))


def keep_batch(workspace: Workspace, model: str, batch: pl.DataFrame) -> Path:
    """Write one batch, synced and under its final name only when it is whole."""
    folder = _folder(workspace, model)
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob("*.parquet")))
    path = folder / f"{number:06d}-{digest_frame(batch)[:16]}.parquet"
    write_whole(batch, path)
    return path


def fill_sink(workspace: Workspace, model: str, sink: Sink, columns: Sequence[str]) -> Path:
    """Bring the sink's folder up to what was answered: every batch once, also when an earlier attempt was killed."""
    target = folder_of(sink, workspace.root)
    target.mkdir(parents=True, exist_ok=True)
    batches = batch_files(workspace, model)
    for file in batches if sink.mode == "append" else batches[-1:]:
        if not (target / file.name).exists():
            write_whole(pl.read_parquet(file).select(columns), target / file.name)
    if sink.mode == "replace":
        for stale in set(target.glob("*.parquet")) - {target / file.name for file in batches[-1:]}:
            stale.unlink()
    return target


def write_whole(frame: pl.DataFrame, path: Path) -> None:
    """Write a Parquet file to a temporary name, sync it, and rename it."""
    temporary = path.with_name(f".writing-{secrets.token_hex(6)}")
    try:
        frame.write_parquet(temporary, compression="zstd")
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror or error}", hint="free some space or make the folder writable, and run again"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _folder(workspace: Workspace, model: str) -> Path:
    return workspace.folder / "batches" / model
