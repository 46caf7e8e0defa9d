"""Figures as people read them."""

from __future__ import annotations


def size_text(size: int) -> str:
    """Bytes, as in `3.2 MB`."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.{0 if size >= 1e7 else 1}f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def shape_text(shape: tuple[int, int] | None) -> str:
    """Rows and columns, as in `10,842 × 4`."""
    return f"{shape[0]:,} × {shape[1]}" if shape else ""


def moment_text(moment: int) -> str:
    """Microseconds as an ISO moment, to the second."""
    from millstream.kernel.availability import text_of

    return text_of(moment - moment % 1_000_000)


def status_text(status: str) -> str:
    """What became of a step, as people say it."""
    return {"cached": "reused"}.get(status, status)
