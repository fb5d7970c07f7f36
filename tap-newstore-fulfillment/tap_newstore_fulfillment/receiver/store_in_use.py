"""The landing store as the commands of `newstore-event-receiver` use it."""

from __future__ import annotations

import contextlib
import typing as t

from tap_newstore_fulfillment.landing.opening import check_is_there
from tap_newstore_fulfillment.receiver.configuration import read_settings
from tap_newstore_fulfillment.sources import open_kept_store

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_newstore_fulfillment.landing.store import LandingStore


@contextlib.contextmanager
def store_in_use(config_files: tuple[str, ...]) -> Iterator[LandingStore]:
    """Yield the landing store of the settings, and close it afterwards.

    Raises:
        TapError: there is none; a receiver or a run makes it, not who looks for it.
    """
    store = existing_store(read_settings(config_files))
    try:
        yield store
    finally:
        store.close()


def existing_store(settings: Mapping[str, t.Any]) -> LandingStore:
    """Return the landing store of the settings, open; the caller closes it.

    Raises:
        TapError: there is none, it cannot be opened, or it is another tenant's.
    """
    check_is_there(settings["landing_url"])
    return open_kept_store(settings)
