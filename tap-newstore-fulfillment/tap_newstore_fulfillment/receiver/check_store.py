"""The landing store as a check sees it, and what the next run would release from it."""

from __future__ import annotations

import os
import pathlib
import time
import typing as t

from tap_newstore_fulfillment.address import address
from tap_newstore_fulfillment.errors import StoreError, StoreVersionError
from tap_newstore_fulfillment.landing.backlog import backlog
from tap_newstore_fulfillment.landing.clock import StoreClock
from tap_newstore_fulfillment.landing.looking import SeenDatabase, count, is_missing
from tap_newstore_fulfillment.landing.quarantine import Quarantine
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.landing.releases import Releases
from tap_newstore_fulfillment.landing.retention import Retention
from tap_newstore_fulfillment.landing.tables import SCHEMA_VERSION
from tap_newstore_fulfillment.sources import makes_directory, waiting_time

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_newstore_fulfillment.findings import Findings

TO_DO = "Correct landing_url, or start its database"
LOOK = "newstore-event-receiver quarantine list shows them; retry or discard them"
#: Further apart than this somebody should look.
MOST_SECONDS_APART = 120
MS_PER_MINUTE = 60_000


def look_at_store(findings: Findings, settings: Mapping[str, t.Any]) -> None:
    """Note what is to say of the landing store; nothing of it is changed."""
    with findings.looking("landing store", TO_DO):
        url = settings["landing_url"]
        if is_missing(url):
            _say_missing(findings, pathlib.Path(address(url).database or ""), settings)
            return
        database = SeenDatabase(url)
        try:
            database.check_can_write()
            if _is_of_this_version(findings, database):
                _say_tenant(findings, database, settings.get("tenant"))
                _say_events(findings, database, settings)
                _say_clock(findings, database)
        finally:
            database.close()


def _say_missing(findings: Findings, path: pathlib.Path, settings: Mapping[str, t.Any]) -> None:
    directory = path.parent
    if makes_directory(settings):
        directory = next(each for each in path.parents if each.exists())
    if not directory.exists():
        raise StoreError(f"landing_url: there is no directory {directory}")
    if not os.access(directory, os.W_OK):
        raise StoreError(f"landing_url: there is no file {path}, and this user may not write to {directory}")
    findings.green("landing store", f"there is none at {path} yet, the receiver or the first run makes it")


def _is_of_this_version(findings: Findings, database: SeenDatabase) -> bool:
    version = database.version
    if version is None:
        findings.green("landing store", "there is none in this database yet, the receiver or the first run makes it")
    elif version < SCHEMA_VERSION:
        said = f"schema version {version}; this program writes {SCHEMA_VERSION}"
        findings.yellow("landing store", said, "None: the receiver or the next run upgrades it. Keep a backup")
    elif version > SCHEMA_VERSION:
        raise StoreVersionError(
            f"landing_url: the landing store has schema version {version}, this program knows {SCHEMA_VERSION}; use "
            f"the version of tap-newstore-fulfillment that made it"
        )
    return version == SCHEMA_VERSION


def _say_tenant(findings: Findings, database: SeenDatabase, setting: str | None) -> None:
    if setting and database.tenant and setting != database.tenant:
        findings.yellow(
            "tenant",
            f"the landing store is {database.tenant}'s, and tenant is {setting}: the next run sets its events aside",
            "Correct tenant or landing_url unless that is what you want",
        )


def _say_events(findings: Findings, database: SeenDatabase, settings: Mapping[str, t.Any]) -> None:
    silence = backlog(database).silence_ms
    if silence is None:
        findings.yellow("events", "none has come yet", "Let NewStore send one, or look at its integration")
    else:
        findings.green("events", f"the newest came {silence / MS_PER_MINUTE:.0f} minutes ago")
    holes = Quarantine(database).holes(settings.get("start_logical_timestamp"))
    if holes.bodies or holes.unread:
        said = f"{holes.bodies} refused bodies leave holes, {holes.unread} more have no logical timestamp"
        findings.yellow("quarantine", said, LOOK)
    starts = [
        Bookmark(row.through, row.position, database.store_id, row.reader_id) for row in Retention(database).readers()
    ]
    for start in starts or [Bookmark()]:
        _say_next_run(findings, database, settings, start)


def _say_next_run(findings: Findings, database: SeenDatabase, settings: Mapping[str, t.Any], start: Bookmark) -> None:
    settle_ms = waiting_time(settings)
    plan = Releases(database).plan_release(
        start,
        settle_ms=settle_ms,
        oldest=settings.get("start_logical_timestamp"),
        settled=StoreClock(database).settled(settle_ms),
    )
    released, settling = count(database, plan)
    whose = f"pipeline {start.reader_id}: " if start.reader_id else ""
    since = "since what its last run began with" if start.reader_id else "of all that is stored"
    findings.green("next run", f"{whose}{released} events would be released {since}, {settling} still settle")


def _say_clock(findings: Findings, database: SeenDatabase) -> None:
    with database.reading() as connection:
        apart = abs(database.now(connection) - time.time_ns() // 1_000_000) / 1000
    if apart > MOST_SECONDS_APART:
        said = f"the landing store's clock and this machine's are {apart:.0f} s apart"
        findings.yellow("clock", said, "Set both (NTP): when an event has settled is told by the store's")
