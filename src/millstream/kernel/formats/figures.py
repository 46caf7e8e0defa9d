"""Figures of matplotlib as PNG, the same bytes for the same picture."""

from __future__ import annotations

import io
import sys
from typing import Any


class Figures:
    """Figures; what is read back are the bytes of the picture."""

    name = "figure"

    def takes(self, value: object) -> bool:
        """Figures of matplotlib."""
        figure: Any = sys.modules.get("matplotlib.figure")
        return figure is not None and isinstance(value, figure.Figure)

    def encode(self, value: Any) -> bytes:  # noqa: ANN401  a figure: matplotlib is no dependency
        """The PNG, without a date or a version. A figure of pyplot is closed: it would be kept for ever."""
        target = io.BytesIO()
        value.savefig(target, format="png", metadata={"Software": None})
        pyplot: Any = sys.modules.get("matplotlib.pyplot")
        if pyplot is not None:
            pyplot.close(value)
        return target.getvalue()

    def decode(self, content: bytes) -> bytes:
        """The PNG."""
        return content
