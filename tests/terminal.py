"""A terminal as a program sees it, and what stands on it in the end."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios

MOVES = re.compile(r"\x1b\[(\d*)([FJKm]|;?\d*m)|\r?\n")


def open_terminal(columns: int) -> tuple[int, int]:
    """Our end and theirs."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    return ours, theirs


def read_all(terminal: int) -> str:
    """What is written until nobody has the other end open."""
    pieces: list[bytes] = []
    while True:
        try:
            piece = os.read(terminal, 65_536)
        except OSError:  # Linux says so at the end
            piece = b""
        if not piece:
            return b"".join(pieces).decode()
        pieces.append(piece)


def screen(drawn: str) -> list[str]:
    """What stands there in the end: it knows new lines, `up n lines`, `clear from here` and `clear the rest of the line`."""
    lines, row, column, place = [""], 0, 0, 0
    for move in MOVES.finditer(drawn):
        text = drawn[place : move.start()]
        lines[row] = lines[row][:column] + text + lines[row][column + len(text) :]
        column, place = column + len(text), move.end()
        if move[2] == "F":
            row, column = row - int(move[1] or 1), 0
        elif move[2] == "J":
            lines[row:] = [lines[row][:column]]
        elif move[2] == "K":
            lines[row] = lines[row][:column]
        elif move[2] is None:
            row, column = row + 1, 0
            lines += [""] * (row == len(lines))
    assert drawn[place:] == ""
    return [line for line in lines if line]
