"""Serve what was just predicted as a batch, and see that both answers are the same, bit for bit.

In the folder of a project: `python compare_prediction.py MODEL --as-of MOMENT`. Exit code 1 when an answer differs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]

MILLSTREAM = str(Path(sys.executable).with_name("millstream"))
COMPARED = ("prediction", "probability")
ANSWER_SECONDS = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print one line, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--as-of", required=True)
    options = parser.parse_args(arguments)
    batch = predict(options.model, options.as_of)
    with served(options.as_of) as url:
        answers = [ask(f"{url}/predict/{options.model}", row["request"]) for row in batch]
    different = [row["request"] for row, answer in zip(batch, answers, strict=True) if compared(row) != compared(answer)]
    if different or not batch:
        print(f"{len(different)} of {len(batch)} served predictions differ from the batch's; the first: {json.dumps(different[:1])}")
        return 1
    print(f"{len(batch)} served predictions equal the batch's, bit for bit; the first: {json.dumps(compared(answers[0]))}")
    return 0


def predict(model: str, as_of: str) -> Sequence[Row]:
    """The first rows of the batch: each with its request and what was predicted."""
    command = [MILLSTREAM, "predict", model, "--as-of", as_of, "--json"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows: Sequence[Row] = json.loads(output)["predictions"]
    return rows


@contextmanager
def served(as_of: str) -> Generator[str]:
    """The address of a server that answers as of a moment, as long as it is needed."""
    command = [MILLSTREAM, "serve", "--as-of", as_of, "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield address(server)
        finally:
            server.terminate()


def address(server: subprocess.Popen[str]) -> str:
    """Where a server listens, from the line of JSON that it prints when it is ready."""
    assert server.stdout is not None
    line = server.stdout.readline()
    if not line:
        sys.exit(f"the server ended before it was ready, with exit code {server.wait()}")
    url: str = json.loads(line)["url"]
    return url


def ask(url: str, request: Row) -> Row:
    """The answer to one request."""
    asked = urllib.request.Request(url, json.dumps(request).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=ANSWER_SECONDS) as reply:
        answer: Row = json.load(reply)
    return answer


def compared(row: Row) -> Row:
    """What must be equal: floats read from JSON are equal only if all their bits are."""
    return {name: row.get(name) for name in COMPARED}


if __name__ == "__main__":
    sys.exit(main())
