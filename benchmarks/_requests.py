"""Many requests over HTTP from one process: the next one of a connection leaves as soon as its answer is whole.

    python -m benchmarks._requests PORT PATH BODIES CONNECTIONS SECONDS

BODIES is a file of one JSON body a line. Prints one JSON object with the latencies in microseconds.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import uvloop


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request at a time."""

    def __init__(self, requests: Iterator[bytes], until: float, latencies: list[float]) -> None:
        """`requests` are sent until the moment `until`; each gives a latency."""
        self.requests, self.until, self.latencies = requests, until, latencies
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self.transport = cast("asyncio.Transport", transport)
        self.send()

    def send(self) -> None:
        """Send the next request."""
        self.received = b""
        self.begun = time.perf_counter()
        self.transport.write(next(self.requests))

    def data_received(self, data: bytes) -> None:
        """Send the next request once the answer is whole; an answer other than 200 ends the program."""
        self.received += data
        head, gap, body = self.received.partition(b"\r\n\r\n")
        if not gap or len(body) < _content_length(head):
            return
        now = time.perf_counter()
        if not head.startswith(b"HTTP/1.1 200"):
            self.ended.set_exception(RuntimeError(self.received.decode()))
            return
        self.latencies.append((now - self.begun) * 1e6)
        if now < self.until:
            self.send()
        else:
            self.transport.close()
            self.ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """A server that hangs up before the end is an error."""
        if not self.ended.done():
            self.ended.set_exception(exc or RuntimeError("the server closed the connection"))


def _content_length(head: bytes) -> int:
    return int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])


async def ask(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> tuple[list[float], float]:
    """The latencies of all answers, and how long it took to get them."""
    loop, latencies, endless = asyncio.get_running_loop(), list[float](), itertools.cycle(requests)
    begun = time.perf_counter()
    made = [await loop.create_connection(lambda: Connection(endless, begun + seconds, latencies), "127.0.0.1", port) for _ in range(connections)]
    await asyncio.gather(*(protocol.ended for _, protocol in made))
    return latencies, time.perf_counter() - begun


def main(arguments: Sequence[str]) -> None:
    """Ask, and print what it took."""
    port, path, bodies, connections, seconds = arguments
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
    requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in Path(bodies).read_bytes().splitlines()]
    latencies, took = uvloop.run(ask(int(port), requests, int(connections), float(seconds)))
    ordered = sorted(latencies)
    told = {"p50": ordered[len(ordered) // 2], "p99": ordered[int(len(ordered) * 0.99)], "per_second": len(ordered) / took}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1:])
