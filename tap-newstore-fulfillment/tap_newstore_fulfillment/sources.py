"""Where events come from: a receiver's landing store, or export files that are read into one first."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import os
import pathlib
import time
import typing as t

from tap_newstore_fulfillment.errors import ConfigurationError
from tap_newstore_fulfillment.export_files.ingestion import Ingestion, settle_ms
from tap_newstore_fulfillment.export_files.prefix import ExportPrefix
from tap_newstore_fulfillment.export_files.read_files import ReadFiles
from tap_newstore_fulfillment.export_files.reject_file import RejectFile, reject_path
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.moments import parsed
from tap_newstore_fulfillment.settings import EXPORT_FILES

if t.TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger("tap-newstore-fulfillment.export")

#: The digits of the epoch milliseconds that the names of export files begin with, until the year 2286.
NAME_DIGITS = 13


def with_landing_url(settings: Mapping[str, t.Any]) -> Mapping[str, t.Any]:
    """Return the settings with a `landing_url`: export files have a store of their own unless one is set."""
    if settings.get("source") != EXPORT_FILES or settings.get("landing_url"):
        return settings
    return {**settings, "landing_url": f"sqlite:///{_own_store(settings)}"}


def open_store(settings: Mapping[str, t.Any]) -> LandingStore:
    """Return the landing store of the settings, open; the caller closes it.

    Raises:
        TapError: it cannot be opened.
    """
    return LandingStore(
        settings["landing_url"], tenant=settings.get("tenant"), quarantine_max_mb=settings["quarantine_max_mb"]
    )


def open_kept_store(settings: Mapping[str, t.Any]) -> LandingStore:
    """Return the landing store of the settings, open, for a command; whose it is only a receiver or a tap changes.

    Raises:
        TapError: it cannot be opened, or is another tenant's.
    """
    store = LandingStore(settings["landing_url"], quarantine_max_mb=settings["quarantine_max_mb"])
    try:
        check_tenant(settings, store.tenant)
    except ConfigurationError:
        store.close()
        raise
    return store


def check_tenant(settings: Mapping[str, t.Any], known: str | None) -> None:
    """Refuse a store that is another tenant's than the settings'.

    Args:
        settings: The tap's settings.
        known: The store's tenant; None: it is nobody's yet.

    Raises:
        ConfigurationError: it is another tenant's.
    """
    tenant = settings.get("tenant")
    if tenant and known not in (None, tenant):
        raise ConfigurationError(
            f"tenant: the landing store is {known}'s, not {tenant}'s",
            "Correct tenant or landing_url. Only a receiver or a run that starts with another tenant changes a store's",
        )


def make_ready(settings: Mapping[str, t.Any]) -> int | None:
    """Bring the landing store up to date with the source.

    Returns:
        Epoch milliseconds: all events that were visible then are in the store. None for a
        receiver's store, which has a clock of its own.

    Raises:
        TapError: not everything could be read, so nothing may be released.
    """
    if settings["source"] != EXPORT_FILES:
        return None
    now = time.time_ns() // 1_000_000
    _read_export_files(settings, now)
    return now


def waiting_time(settings: Mapping[str, t.Any]) -> int:
    """Return the milliseconds an event waits for lower timestamps (design rule 1)."""
    seconds: int = settings["settle_seconds"]
    return settle_ms(seconds) if settings["source"] == EXPORT_FILES else seconds * 1000


def _read_export_files(settings: Mapping[str, t.Any], now: int) -> None:
    prefix = ExportPrefix(settings["export_files_url"], first_name(settings.get("export_files_start_date"), now))
    if makes_directory(settings):
        _make_directory(_own_store(settings))
    store = open_store(settings)
    try:
        read_files = ReadFiles(store, prefix.address, prefix.shown)
        Ingestion(prefix, store, read_files, RejectFile(reject_path(settings))).run(now)
    finally:
        store.close()


def first_name(start_date: str | None, now: int) -> str:
    """Return what the name of a file of this moment begins with; names that sort before it are older.

    Args:
        start_date: The setting; a day begins at midnight, and a time without a zone is UTC.
        now: Epoch milliseconds.
    """
    if start_date is None:
        return ""
    moment = parsed(start_date.strip())
    if moment is None:
        raise ConfigurationError(
            f"export_files_start_date: expected a moment such as 2026-01-01T00:00:00Z, got {start_date!r}"
        )
    milliseconds = int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp() * 1000)
    if milliseconds > now:
        raise ConfigurationError(f"export_files_start_date: {start_date} lies ahead, so no file would be read")
    return f"{milliseconds:0{NAME_DIGITS}}"


def makes_directory(settings: Mapping[str, t.Any]) -> bool:
    """Return whether the landing store is the one export files have if no other is set: a run makes its directory."""
    return bool(settings["landing_url"] == f"sqlite:///{_own_store(settings)}")


def _own_store(settings: Mapping[str, t.Any]) -> pathlib.Path:
    """Return the file of the landing store these export files have if no other is set."""
    state = pathlib.Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser()
    prefix = hashlib.sha256(str(settings.get("export_files_url")).encode()).hexdigest()[:16]
    return state / "tap-newstore-fulfillment" / f"export-files-{prefix}.db"


def _make_directory(store: pathlib.Path) -> None:
    if not store.exists():
        logger.info("landing_url is not set: the events of the export files are kept in %s", store)
    try:
        store.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"landing_url: set it; {store.parent} cannot be created: {error.strerror}") from error
