"""From a declared source to what reads it."""

from __future__ import annotations

import re
from pathlib import Path
from types import FunctionType

from millstream.kernel.fingerprint import fingerprint
from millstream.kernel.records import Cause
from millstream.sources.client import Client
from millstream.sources.connections import Connections
from millstream.sources.connectors.download import DownloadConnector
from millstream.sources.connectors.feed import FeedConnector
from millstream.sources.connectors.function import FunctionConnector
from millstream.sources.connectors.rest import RestConnector
from millstream.sources.connectors.sqlite import SqliteConnector
from millstream.sources.connectors.unbuilt import UnbuiltConnector
from millstream.sources.declare import Source, scheme_of
from millstream.sources.protocol import Connector
from millstream.sources.pulled import PulledOperation
from millstream.sources.records import Api, Feed, Spine
from millstream.sources.snapshot import SourceOperation
from millstream.sources.spine import SpineOperation

DIGESTS = re.compile(r"[0-9a-f]{16}(, [0-9a-f]{16})*")
"""What the causes of code are; those of plain values begin with their type."""

Reading = SourceOperation | PulledOperation | SpineOperation


def lower_source(name: str, source: Source, root: Path, connections: Connections) -> Reading:
    """What reads a source: its files, its connector, or the clock. Relative paths count from `root`."""
    match source.address:
        case Spine() as spine:
            return SpineOperation(source, spine)
        case Api() as api:
            known_by = [api.url, api.records, api.params, api.pages, api.since]
            return PulledOperation(name, source, RestConnector(api, connections, Client()), known_by)
        case Feed() as feed:
            return PulledOperation(name, source, FeedConnector(feed, Client()), feed)
        case str() as address:
            connector = _connector(address, source.table or "", root)
            return SourceOperation(name, source, root) if connector is None else PulledOperation(name, source, connector, address)
        case fetch:
            assert isinstance(fetch, FunctionType)
            meaning = fingerprint(fetch)
            code = tuple(cause for cause in meaning.causes if not _is_version(cause))
            connector = FunctionConnector(fetch, appends=source.time is not None)
            return PulledOperation(name, source, connector, fetch.__qualname__, code, meaning.sources)


def _connector(address: str, table: str, root: Path) -> Connector | None:
    """What reads an address; None for files of this machine."""
    match scheme_of(address):
        case None:
            return None
        case "http" | "https":
            return DownloadConnector(address, Client())
        case "sqlite":
            return SqliteConnector(root / address.removeprefix("sqlite:///"), table)
        case scheme:
            return UnbuiltConnector(scheme)


def _is_version(cause: Cause) -> bool:
    """Whether a cause is the version of a package: what was taken stays, whatever is upgraded, since it may never be given again."""
    return cause.value == "unknown" or (cause.value[:1].isdigit() and not DIGESTS.fullmatch(cause.value))
