"""The opened parts of a project, as every command's verb takes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from millstream.features.lowering import Lowering
from millstream.kernel.ledger import Ledger
from millstream.kernel.store import Store
from millstream.kernel.worker import Opening
from millstream.registry.versions import Registry


@dataclass(frozen=True, slots=True)
class Workspace:
    """Store, ledger and registry, and the way from declarations to nodes.

    `folder` is where logs and batches lie, `root` where relative addresses count from; `unpickle` allows other people's estimators to be served.
    `opening` imports the user's file in another process.
    """

    store: Store
    ledger: Ledger
    registry: Registry
    lowering: Lowering
    folder: Path
    root: Path
    unpickle: bool = False
    opening: Opening | None = None
