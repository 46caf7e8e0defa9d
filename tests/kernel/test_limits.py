"""How a step is run: what its options mean, and which cannot be meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import millstream as ms
from millstream.errors import DeclarationError
from millstream.kernel.limits import Limits

payments = ms.source("payments.csv", key="payment", time="paid")


def declared(verb: Any, **options: Any) -> Any:
    """What a decorator makes of a function with these options."""

    @verb(payments, **options)
    def spent(payments: pl.LazyFrame) -> pl.LazyFrame:
        return payments

    return spent


@pytest.mark.parametrize("verb", [ms.step, ms.feature_view, ms.label])
def test_options_of_steps_views_and_labels(verb: Any) -> None:
    """All three have them, and a value with other settings keeps them."""
    made = declared(verb, isolate=True, memory="2GB", timeout="5m", retries=(3, ConnectionError, OSError), reads="rates.csv")

    assert (
        made.limits
        == made.with_settings().limits
        == Limits(isolate=True, memory=2 * 10**9, timeout=300.0, retries=3, retried=(ConnectionError, OSError))
    )
    assert made.reads == made.with_settings().reads == ("rates.csv",)


def test_without_options_a_step_is_free() -> None:
    """It runs in a thread, as long as it takes, once."""
    assert declared(ms.step).limits == Limits()
    assert not Limits().isolated


@pytest.mark.parametrize("options", [{"isolate": True}, {"memory": "1GB"}, {"timeout": "30s"}])
def test_limits_imply_a_process(options: dict[str, object]) -> None:
    """Only a process can be ended whatever it does."""
    assert declared(ms.step, **options).limits.isolated


@pytest.mark.parametrize(
    ("written", "size"), [("2GB", 2 * 10**9), ("512MB", 512 * 10**6), ("1.5GiB", 3 * 2**29), ("800 MiB", 800 * 2**20), ("900000KB", 9 * 10**8)]
)
def test_sizes(written: str, size: int) -> None:
    """Powers of ten, or of two with an i."""
    assert declared(ms.step, memory=written).limits.memory == size


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"memory": "2"}, "step: memory is '2', which is no size", "as in memory='2GB'"),
        ({"memory": 2_000}, "step: memory is 2000, which is no size", "as in memory='2GB'"),
        ({"memory": "20MB"}, "step: memory is 20MB, but a process that has done nothing yet holds about 100 MB", "'200MB' or more"),
        ({"timeout": "5 minutes"}, "step: timeout: '5 minutes' is not a duration", "did you mean '5m'?"),
        ({"timeout": "0s"}, "step: timeout: '0s' is no time at all", "longer than zero"),
        ({"timeout": "1mo"}, "step: timeout: '1mo' has no fixed length", "say '30d' instead"),
        ({"retries": 3}, "step: retries is 3", "as in retries=(3, ConnectionError"),
        ({"retries": (3,)}, "step: retries is a tuple object", "after which errors"),
        ({"retries": (0, OSError)}, "step: retries begins with 0, not with a number of at least 1", "say how often"),
        ({"retries": (3, "OSError")}, "step: retries names 'OSError', which is no kind of error", "after which errors"),
        ({"retries": (3, KeyboardInterrupt)}, "step: retries names the class KeyboardInterrupt, which is no kind of error", "after which errors"),
        ({"reads": 3}, "step: reads must be a list, each item the path of a file; it is 3", "square brackets"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, object], message: str, hint: str) -> None:
    """With the line, and what to write instead."""
    with pytest.raises(DeclarationError) as refused:
        declared(ms.step, **options)

    assert refused.value.message == message
    assert hint in (refused.value.hint or "")
    assert (refused.value.where or "").startswith(str(Path(__file__).absolute()))
