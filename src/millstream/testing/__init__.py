"""Unit tests of steps with a few literal rows: `from millstream.testing import assert_rows, call, rows`."""

from millstream.testing.calls import call
from millstream.testing.expectations import assert_rows
from millstream.testing.literals import rows

__all__ = ["assert_rows", "call", "rows"]
