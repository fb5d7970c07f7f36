"""The landing store as the commands of `newstore-event-receiver` use it."""

from __future__ import annotations

import contextlib
import typing as t

from tap_newstore_fulfillment.receiver.configuration import read_settings
from tap_newstore_fulfillment.sources import open_store

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_newstore_fulfillment.landing.store import LandingStore


@contextlib.contextmanager
def store_in_use(config_files: tuple[str, ...]) -> Iterator[LandingStore]:
    """Yield the landing store of the settings, and close it afterwards."""
    store = open_store(read_settings(config_files))
    try:
        yield store
    finally:
        store.close()
