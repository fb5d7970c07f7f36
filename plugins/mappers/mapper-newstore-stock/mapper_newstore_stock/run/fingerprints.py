"""Tells whether a list means the same as in an earlier run."""

from __future__ import annotations

import hashlib
import importlib.metadata

import msgspec


def fingerprint(*said: object) -> str:
    """Return what changes when settings do, or this package: another version may read the same otherwise."""
    version = importlib.metadata.version("mapper-newstore-stock")
    text = msgspec.json.encode([version, *said], order="deterministic")
    return hashlib.sha256(text).hexdigest()[:16]
