"""Checks of the clock that stamps events, stored beside the events; see settling.py."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import threading
import time
import typing as t
import uuid
from pathlib import Path

import sqlalchemy as sa

from tap_newstore_fulfillment.errors import StoreUnavailableError
from tap_newstore_fulfillment.landing.settling import ClockCheck, Settled, settled
from tap_newstore_fulfillment.landing.tables import clock_check, fulfillment_event

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_newstore_fulfillment.landing.database import LandingDatabase

#: How often a receiver checks the clock. After a jump an event may wait this much longer than `settle_seconds`.
SECONDS_BETWEEN_CHECKS = 15
#: How long the last check may take when checking ends.
LAST_CHECK_SECONDS = 2.0
#: Older checks are dropped; four receivers make this many in four days.
CHECKS_KEPT = 100_000
#: A pause between reading the two clocks looks like a jump of one of them, so a slower reading is repeated.
LONGEST_READING_MS = 20
MOST_READINGS = 5

STORE, FILES = "store", "files"

#: What tells the boot of a host: a file of Linux, a command of macOS.
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
BOOT_ID_ON_MACOS = ("/usr/sbin/sysctl", "-n", "kern.bootsessionuuid")
LONGEST_ANSWER_SECONDS = 5


class StoreClock:
    """The clock of one landing store, and the checks made of it.

    Args:
        database: Where checks are stored.
    """

    def __init__(self, database: LandingDatabase) -> None:
        self._database = database

    def settled(self, settle_ms: int, listed_at: int | None = None) -> Settled:
        """Decide what has settled, and store a check.

        Args:
            settle_ms: Milliseconds an event waits.
            listed_at: Epoch milliseconds by this host's clock when export files were listed; None: events
                are stamped by the store's clock when they are stored.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        if settle_ms == 0:
            return Settled.everything()
        with self._database.writing() as connection:
            check = self._check_store(connection) if listed_at is None else _check_host(connection)
            earlier = _recent(connection, 2 * settle_ms + 2000 * SECONDS_BETWEEN_CHECKS)
            _store(connection, check)
        now = check if listed_at is None else check.before(max(check.wall_ms - listed_at, 0))
        is_local = listed_at is not None or not self._database.is_postgresql
        return settled(
            now,
            earlier,
            settle_ms,
            is_local=is_local and host_start() is not None,
            is_stamped_on_arrival=listed_at is None,
        )

    def check(self) -> None:
        """Check the store's clock, and store the check.

        Raises:
            StoreUnavailableError: it was not stored.
        """
        with self._database.writing() as connection:
            _store(connection, self._check_store(connection))

    @contextlib.contextmanager
    def checking(self) -> Iterator[None]:
        """Check regularly while the block runs, in a thread of its own."""
        ended = threading.Event()

        def check() -> None:
            while True:
                with contextlib.suppress(StoreUnavailableError):
                    self.check()
                if ended.wait(SECONDS_BETWEEN_CHECKS):
                    return

        thread = threading.Thread(target=check, name="clock checks", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            # It may wait for a lock; what ends this process ends it, too.
            thread.join(LAST_CHECK_SECONDS)

    def _check_store(self, connection: sa.Connection) -> ClockCheck:
        position = _last_position(connection)
        for _ in range(MOST_READINGS):
            before = since_start()
            wall_ms = self._database.now(connection)
            after = since_start()
            if after - before <= LONGEST_READING_MS:
                break
        return ClockCheck(STORE, _start(), after, wall_ms, position)


def _check_host(connection: sa.Connection) -> ClockCheck:
    """Check this host's clock, which stamps the events of export files."""
    position = _last_position(connection)
    return ClockCheck(FILES, _start(), since_start(), time.time_ns() // 1_000_000, position)


def _last_position(connection: sa.Connection) -> int:
    """Return the last position; read it before any clock, so that later events do not count as seen."""
    return connection.scalar(sa.select(sa.func.max(fulfillment_event.c.position))) or 0


def _recent(connection: sa.Connection, milliseconds: int) -> Sequence[ClockCheck]:
    """Return, for each clock and each boot of a host, the checks of its last `milliseconds`."""
    check = clock_check.c
    newest = (
        sa.select(sa.func.max(check.check_id).label("check_id")).group_by(check.clock, check.boot_id).subquery("newest")
    )
    last = clock_check.alias("last")
    query = (
        sa.select(check.clock, check.boot_id, check.boot_ms, check.wall_ms, check.position)
        .join(last, sa.and_(last.c.clock == check.clock, last.c.boot_id == check.boot_id))
        .join(newest, newest.c.check_id == last.c.check_id)
        .where(check.boot_ms >= last.c.boot_ms - milliseconds)
        .order_by(check.check_id)
    )
    return [ClockCheck(*row) for row in connection.execute(query)]


def _store(connection: sa.Connection, check: ClockCheck) -> None:
    values = {name: getattr(check, name) for name in ("clock", "boot_id", "boot_ms", "wall_ms", "position")}
    key = connection.execute(clock_check.insert().values(values)).inserted_primary_key
    if key is not None:
        connection.execute(clock_check.delete().where(clock_check.c.check_id <= key[0] - CHECKS_KEPT))


def since_start() -> int:
    """Return the milliseconds since this host booted; nobody can set that clock."""
    # On Linux this clock also runs while the host is suspended; where it does not, events wait longer.
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return (time.monotonic_ns() if boottime is None else time.clock_gettime_ns(boottime)) // 1_000_000


@functools.cache
def host_start() -> str | None:
    """Return an identity of this host's boot, the same for all its processes; None where there is none."""
    try:
        # Processes in different time namespaces see different times since boot.
        return BOOT_ID.read_text("ascii").strip() + _time_namespace()
    except OSError:
        return _start_on_macos()


def _start_on_macos() -> str | None:
    try:
        told = subprocess.run(  # noqa: S603 - a command of ours alone
            BOOT_ID_ON_MACOS, capture_output=True, text=True, check=True, timeout=LONGEST_ANSWER_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.strip() or None


def _time_namespace() -> str:
    try:
        return f" {os.readlink('/proc/self/ns/time')}"  # noqa: PTH115 - the link does not lead to a path
    except OSError:
        return ""


@functools.cache
def _start() -> str:
    """Return the boot that `since_start` counts from, or an identity no other process has."""
    return host_start() or f"process {uuid.uuid4()}"
