"""The bundle: everything that a version needs to answer, in one file without pickle, each part with its digest."""

from __future__ import annotations

import hashlib

import msgspec

from millstream.errors import StoreError
from millstream.registry.records import Bundle, Plan
from millstream.validation.records import Profile

PARTS = ("plan", "model", "profile", "probes")
REMEDY = "roll back, or train it again"


def pack_bundle(plan: Plan, model: bytes, profile: Profile, probes: bytes) -> bytes:
    """The bytes of a bundle."""
    parts = {"plan": msgspec.json.encode(plan), "model": model, "profile": msgspec.json.encode(profile), "probes": probes}
    manifest = tuple((name, hashlib.sha256(parts[name]).hexdigest()) for name in PARTS)
    return msgspec.msgpack.encode(Bundle(**parts, manifest=manifest))


def unpack_bundle(content: bytes) -> Bundle:
    """The bundle, if every part is what its manifest says; raises StoreError otherwise."""
    try:
        bundle = msgspec.msgpack.decode(content, type=Bundle)
    except msgspec.DecodeError:
        raise StoreError("the bundle of a model version is damaged", hint=REMEDY) from None
    said = dict(bundle.manifest)
    for name in PARTS:
        if hashlib.sha256(getattr(bundle, name)).hexdigest() != said.get(name):
            raise StoreError(f"the {name} of a model version is not what its manifest says", hint=REMEDY)
    return bundle


def plan_of(bundle: Bundle) -> Plan:
    """The plan of a bundle."""
    return msgspec.json.decode(bundle.plan, type=Plan)


def profile_of(bundle: Bundle) -> Profile:
    """The training profile of a bundle."""
    return msgspec.json.decode(bundle.profile, type=Profile)
