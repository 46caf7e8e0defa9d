"""One request, views and windows included, takes at most a quarter of the time of the same look-ups by hand and `Booster.predict`."""

from __future__ import annotations

import importlib.util
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from benchmarks._measure import MILLSTREAM, Case, Finding, Options, environment, flights_folder, in_turns, read_options, run_python, tell

if TYPE_CHECKING:
    from millstream.preparation.records import Preparation
    from millstream.serving.predictor import Predictor
    from millstream.training.candidates import FittedCandidate
    from millstream.training.operations import Rows

MOST = 0.25
AS_OF = "2013-06-01"
MOMENT = datetime(2013, 6, 1, tzinfo=UTC)
BOOSTING_ALONE = {"[ms.methods.boosting(), ms.methods.linear(), ms.methods.forest()]": "[ms.methods.boosting()]"}
ASKED, HTTP_SECONDS, CONNECTIONS = 200, 1.5, (1, 8)
NEAR = 1e-9

Row = Mapping[str, Any]
Score = Callable[[Row], float]


@dataclass(frozen=True, slots=True)
class Champion:
    """A trained version, opened in this process."""

    predictor: Predictor
    candidate: FittedCandidate
    rows: Rows
    rounds: int

    @property
    def columns(self) -> list[str]:
        """The features, in the order of the matrix."""
        return list(self.rows.features)


def open_champion(folder: Path) -> Champion:
    """What `millstream serve` answers with."""
    from millstream.kernel.availability import parse_moment  # noqa: PLC0415  `--help` need not wait for polars
    from millstream.kernel.units import seen_of  # noqa: PLC0415
    from millstream.maintenance.answerers import answerers  # noqa: PLC0415
    from millstream.maintenance.run import execute_targets  # noqa: PLC0415
    from millstream.project import Project  # noqa: PLC0415
    from millstream.serving.predict import champion_of  # noqa: PLC0415
    from millstream.serving.versions import open_version  # noqa: PLC0415
    from millstream.training.lowering import lower_model  # noqa: PLC0415

    project, as_of = Project(folder / "flights.py"), parse_moment(AS_OF)
    workspace, life = project.workspace, project.life("delays")
    answering = answerers(workspace, [life], as_of=as_of, clock=as_of, retention="31d")["delays"]
    version = champion_of(workspace, "delays")
    nodes = lower_model("delays", life.model, workspace.lowering)
    _, progress = execute_targets(workspace, [nodes.rows], as_of=as_of, command="benchmark")
    rows = nodes.training.read(workspace.store, seen_of(workspace.store, [progress.artifacts[nodes.rows]], None)[0])
    return Champion(answering.predictor, open_version(workspace, version).candidate, rows, version.record.rounds or 0)


def requests_of(folder: Path, fields: Sequence[str]) -> Sequence[Row]:
    """The questions about the last flights before the moment, as a client asks them."""
    import polars as pl  # noqa: PLC0415

    flights = pl.read_parquet(folder / "data" / "flights.parquet").filter(pl.col("scheduled") < MOMENT)
    return flights.sort("scheduled").tail(ASKED).select(fields).to_dicts()


# -- the plain ways -------------------------------------------------------------


def levels_of(preparation: Preparation) -> dict[str, dict[str, int]]:
    """The codes of the levels that the champion knows."""
    from millstream.preparation.records import Codes  # noqa: PLC0415

    return {step.column: {level: code for code, level in enumerate(step.levels)} for step in preparation.steps if isinstance(step, Codes)}


def fit_booster(champion: Champion) -> Any:  # noqa: ANN401  LightGBM is not typed
    """The booster that the champion was made of, fitted once more."""
    import lightgbm  # noqa: PLC0415

    from benchmarks._plain_flights import BOOSTING  # noqa: PLC0415
    from millstream.preparation.vector_body import prepare_matrix  # noqa: PLC0415

    train = cast("Any", lightgbm).train
    data = lightgbm.Dataset(prepare_matrix(champion.candidate.preparation, champion.rows.frame), champion.rows.target)
    return train(BOOSTING, data, champion.rounds)


def fit_pipeline(champion: Champion) -> Score:
    """A scikit-learn pipeline asked with a table of one row: codes for levels, then histogram boosting of as many rounds."""
    import polars as pl  # noqa: PLC0415
    from sklearn.compose import ColumnTransformer  # noqa: PLC0415
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415
    from sklearn.pipeline import Pipeline  # noqa: PLC0415
    from sklearn.preprocessing import OrdinalEncoder  # noqa: PLC0415

    levels = list(levels_of(champion.candidate.preparation))
    frame = champion.rows.frame.select(champion.columns)
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=float("nan"), encoded_missing_value=float("nan"))
    settings: dict[str, Any] = {"max_iter": champion.rounds, "learning_rate": 0.05, "early_stopping": False, "random_state": 0}
    codes = ColumnTransformer([("levels", encoder, levels)], remainder="passthrough")
    pipeline = cast("Any", Pipeline([("codes", codes), ("boosting", HistGradientBoostingClassifier(**settings))]))
    pipeline.fit(frame, champion.rows.target)
    schema = frame.schema
    return lambda row: float(pipeline.predict_proba(pl.DataFrame({name: [row[name]] for name in schema}, schema=schema))[0, 1])


def look_up_by_hand(folder: Path, score: Score) -> Score:
    """The script's own functions on a table of one row, over no more than they need of the other tables."""
    import polars as pl  # noqa: PLC0415

    from benchmarks._plain_flights import Tables, features_of, read_tables  # noqa: PLC0415

    tables = read_tables(folder, MOMENT)
    since = MOMENT - timedelta(days=9)
    landings = tables.landings.filter(pl.col("landed") >= since).sort("landed")
    weather = tables.weather.filter(pl.col("observed") >= since)

    def answer(request: Row) -> float:
        asked = pl.DataFrame([request], schema=tables.schedule.schema, strict=False)
        return score(features_of(Tables(asked, landings, weather, tables.planes)).row(0, named=True))

    return answer


# -- in process -----------------------------------------------------------------


def each_of(act: Callable[[Row], object], rows: Sequence[Row]) -> float:
    """Microseconds per row, all rows one by one."""
    begun = time.perf_counter()
    for row in rows:
        act(row)
    return (time.perf_counter() - begun) / len(rows) * 1e6


def our_score(candidate: FittedCandidate) -> Score:
    """The generated row body, as the predictor uses it."""
    from millstream.preparation.row_body import compile_row  # noqa: PLC0415
    from millstream.training.row_body import compile_score  # noqa: PLC0415

    assert candidate.fitted is not None
    prepare, score = compile_row(candidate.preparation), compile_score(candidate.fitted)
    return lambda row: score(prepare(row))


def in_process(folder: Path, champion: Champion, requests: Sequence[Row], booster_score: Score, repeats: int) -> list[Case]:
    """One request after another, without a network; answers are compared first."""
    predictor, score = champion.predictor, our_score(champion.candidate)
    by_hand, pipeline = look_up_by_hand(folder, booster_score), fit_pipeline(champion)
    ready = [predictor.values(request)[1] for request in requests]
    for request, row in zip(requests, ready, strict=True):
        answers = (predictor.answer(request, "").probability, score(row), booster_score(row), by_hand(request))
        if any(answer is None or abs(answer - answers[1]) > NEAR for answer in answers):
            raise RuntimeError(f"the answers differ for {request}: {answers}")
    sides: dict[str, Callable[[], float]] = {
        "whole": lambda: each_of(lambda row: predictor.answer(row, ""), requests),
        "score": lambda: each_of(score, ready),
        "booster": lambda: each_of(booster_score, ready),
        "pipeline": lambda: each_of(pipeline, ready),
        "by hand": lambda: each_of(by_hand, requests),
    }
    took = in_turns(sides, repeats)
    return [
        Case("request with views / look-ups by hand + Booster", "µs", took["whole"], took["by hand"]),
        Case("request with views / Booster.predict alone", "µs", took["whole"], took["booster"]),
        Case("scoring alone / Booster.predict", "µs", took["score"], took["booster"]),
        Case("scoring alone / scikit-learn pipeline", "µs", took["score"], took["pipeline"]),
    ]


# -- over HTTP ------------------------------------------------------------------


@contextmanager
def serving(arguments: Sequence[str], port_of: Callable[[str], int], folder: Path) -> Generator[int]:
    """A server in a process of its own: its port, from the first line that it prints."""
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True, env=environment(), cwd=folder) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            try:
                port = port_of(line)
            except (KeyError, ValueError):
                sys.exit(f"the server did not start: {line}")
            yield port
        finally:
            process.terminate()


def ask(port: int, path: str, bodies: Path, connections: int) -> dict[str, float]:
    """What a client in a process of its own measured."""
    answered: dict[str, float] = json.loads(
        run_python("-m", "benchmarks._requests", str(port), path, str(bodies), str(connections), str(HTTP_SECONDS)).output
    )
    return answered


def write_bodies(path: Path, rows: Sequence[Row]) -> Path:
    """One JSON body a line."""
    path.write_text("\n".join(json.dumps(dict(row), default=datetime.isoformat) for row in rows), encoding="utf-8")
    return path


def over_http(folder: Path, champion: Champion, requests: Sequence[Row], repeats: int) -> list[Case]:
    """`millstream serve` (looks up, checks, logs durably) against an endpoint that gets all features ready and only predicts."""
    ready = [{name: champion.predictor.values(request)[1][name] for name in champion.columns} for request in requests]
    ours = write_bodies(folder / "requests.ndjson", requests)
    plain = write_bodies(folder / "ready.ndjson", ready)
    millstream = (*MILLSTREAM, "serve", "--as-of", AS_OF, "--port", "0", "--json")
    with (
        serving(millstream, lambda line: int(json.loads(line)["url"].rpartition(":")[2]), folder) as our_port,
        serving(("-m", "benchmarks._plain_server", str(folder)), int, folder) as plain_port,
    ):
        sides: dict[str, Callable[[], dict[str, float]]] = {}
        for number in CONNECTIONS:
            sides[f"ours {number}"] = partial(ask, our_port, "/predict/delays", ours, number)
            sides[f"plain {number}"] = partial(ask, plain_port, "/predict", plain, number)
        gave = in_turns(sides, repeats)
    measures = (("p50", "µs"), ("p99", "µs"), ("per_second", "1/s"))
    return [
        Case(
            f"HTTP, {number} connection{'s'[: number > 1]}, {name.replace('_', ' ')}",
            unit,
            [answered[name] for answered in gave[f"ours {number}"]],
            [answered[name] for answered in gave[f"plain {number}"]],
        )
        for number, (name, unit) in itertools.product(CONNECTIONS, measures)
    ]


def measure(options: Options) -> Finding:
    """One champion, asked in both ways."""
    from millstream.kernel.threads import cap_threads  # noqa: PLC0415  before anything native is loaded, as every command does

    cap_threads()
    with flights_folder(BOOSTING_ALONE) as folder:
        run_python(*MILLSTREAM, "run", "--as-of", AS_OF, "--json", folder=folder)
        champion = open_champion(folder)
        from benchmarks._plain_server import scorer  # noqa: PLC0415

        requests = requests_of(folder, [field.name for field in champion.predictor.fields()])
        booster, levels = fit_booster(champion), levels_of(champion.candidate.preparation)
        booster.save_model(str(folder / "booster.txt"))
        (folder / "levels.json").write_text(json.dumps({"levels": levels, "columns": champion.columns}), encoding="utf-8")
        cases = in_process(folder, champion, requests, scorer(booster, levels, champion.columns), options.repeats)
        facts: dict[str, object] = {"rounds": champion.rounds, "rows asked": len(requests), "answers": f"equal within {NEAR}"}
        if importlib.util.find_spec("starlette") is None:
            facts["HTTP"] = "not compared: starlette is not installed (pip install starlette)"
        else:
            cases += over_http(folder, champion, requests, options.repeats)
    claim = "one request, views and windows included, takes at most a quarter of the time of the same look-ups by hand and Booster.predict"
    return Finding(claim, cases[0].ratio <= MOST, cases, facts)


def main() -> None:
    """Measure and tell."""
    options = read_options(__doc__, repeats=5)
    tell(measure(options), options)


if __name__ == "__main__":
    main()
