"""How many threads a process may use, said once before the first native import."""

from __future__ import annotations

import os


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cap_threads(*, deterministic: bool = False) -> None:
    """Cap the pools of BLAS, OpenMP and polars: steps run in parallel, each on one thread of these; what the user has set stands."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    if deterministic:
        os.environ["POLARS_MAX_THREADS"] = "1"
    else:
        os.environ.setdefault("POLARS_MAX_THREADS", str(cores()))
