"""Pickled bytes carry an HMAC; its key lies in the user's configuration folder, never in a store."""

from __future__ import annotations

import hashlib
import hmac
import os
import pickle
import secrets
from pathlib import Path

from millstream.errors import StoreError

LENGTH = 32


def sign_pickle(value: object) -> bytes:
    """The pickle of a value behind its HMAC-SHA256."""
    payload = pickle.dumps(value, protocol=5)
    return hmac.digest(_key(), payload, hashlib.sha256) + payload


def load_signed(content: bytes) -> object:
    """The value, if the signature is ours; anything else is refused before a byte of it is read as a pickle."""
    signature, payload = content[:LENGTH], content[LENGTH:]
    if not hmac.compare_digest(signature, hmac.digest(_key(), payload, hashlib.sha256)):
        raise StoreError("a pickled object was not signed by this user, so it is not loaded", hint="train it again here")
    return pickle.loads(payload)  # noqa: S301  the signature is ours


def _key() -> bytes:
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "millstream"
    path = folder / "signing.key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".signing-{secrets.token_hex(8)}"
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(handle, secrets.token_bytes(LENGTH))
        os.close(handle)
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return path.read_bytes()
