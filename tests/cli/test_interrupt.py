"""Ctrl-C ends a run at once, whatever its steps are amid of, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from command import millstream, start
from rivers import write_river

from millstream.kernel.threads import cores

pytestmark = pytest.mark.skipif(cores() < 2, reason="one processor runs one step at a time")

FITS = """
    import os
    from pathlib import Path
    import numpy as np

    pl.DataFrame({"tree": range(2_000)}).write_parquet(Path(__file__).parent / "trees.parquet")
    trees = ms.source("trees.parquet", key="tree")

    def fit(name: str) -> None:
        \"\"\"Of so many rounds that it takes minutes.\"\"\"
        import lightgbm

        random = np.random.default_rng(0)
        data = lightgbm.Dataset(random.normal(size=(20_000, 30)), random.integers(0, 2, 20_000))
        data.construct()
        print("fits in", os.getpid(), flush=True)
        lightgbm.train({"objective": "binary", "num_leaves": 511, "verbose": -1, "num_threads": 1}, data, num_boost_round=100_000)

    @ms.step(trees)
    def here(trees: pl.LazyFrame) -> pl.LazyFrame:
        fit("here")
        return trees

    @ms.step(trees, isolate=True)
    def there(trees: pl.LazyFrame) -> pl.LazyFrame:
        fit("there")
        return trees
"""


def interrupt(folder: Path, signals: list[int]) -> tuple[int, str, dict[str, int]]:
    """Send signals to a run as soon as both fits have begun: exit code, last line, and the process of each fit."""
    fits = dict[str, int]()
    with start(folder, "run") as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "fits in" in line:
                fits[line.split()[0]] = int(line.split()[-1])
            if len(fits) == 2:
                break
        for number in signals:
            process.send_signal(number)
        _, rest = process.communicate(timeout=60)
    return process.returncode, (rest.splitlines() or [""])[-1], fits


def test_interrupt_amid_fits(tmp_path: Path) -> None:
    """A fit in a thread and one in a worker: both are over, the run is on record as interrupted, what was done and said is kept."""
    write_river(tmp_path, FITS)
    code, last, fits = interrupt(tmp_path, [signal.SIGINT])

    assert code == 130
    assert last == "interrupted: what is finished is kept, the next run goes on from there"
    with pytest.raises(ProcessLookupError):
        os.kill(fits["there"], 0)
    ledger = sqlite3.connect(tmp_path / ".millstream" / "ledger.sqlite")
    assert ledger.execute("SELECT status FROM runs").fetchall() == [("interrupted",)]
    assert dict(ledger.execute("SELECT name, text FROM logs").fetchall()) == {name: f"fits in {number}" for name, number in fits.items()}
    assert "interrupted" in millstream(tmp_path, "show").well().stdout


def test_kill_leaves_no_worker(tmp_path: Path) -> None:
    """Also when the run itself has no time to tidy up."""
    write_river(tmp_path, FITS)
    code, _, fits = interrupt(tmp_path, [signal.SIGKILL])

    assert code == -signal.SIGKILL
    for _ in range(200):
        try:
            os.kill(fits["there"], 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the worker is still there")
