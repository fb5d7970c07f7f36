"""Looks at the clock that stamps events, and keeps what it saw beside them; see settling.py."""

from __future__ import annotations

import contextlib
import functools
import os
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

#: A receiver looks this often: so much longer than its time may an event wait after a jump.
SECONDS_BETWEEN_CHECKS = 15
#: Older ones are dropped: four receivers make as many in four days.
CHECKS_KEPT = 100_000
#: A pause between the readings of two clocks would be taken for a gain of one of them.
LONGEST_READING_MS = 20
MOST_READINGS = 5

STORE, FILES = "store", "files"


class StoreClock:
    """The clocks of one landing store.

    Args:
        database: Where checks are kept.
    """

    def __init__(self, database: LandingDatabase) -> None:
        self._database = database

    def settled(self, settle_ms: int, listed_at: int | None = None) -> Settled:
        """Decide what has settled, and keep a check.

        Args:
            settle_ms: Milliseconds an event waits.
            listed_at: Epoch milliseconds by this host's clock, when export files were listed; None: events
                are stamped by the store's clock when they are kept.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        if settle_ms == 0:
            return Settled.everything()
        with self._database.writing() as connection:
            check = self._look_at_store(connection) if listed_at is None else _look_here(connection)
            earlier = _recent(connection, 2 * settle_ms + 2000 * SECONDS_BETWEEN_CHECKS)
            _keep(connection, check)
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
        """Look at the store's clock, and keep it.

        Raises:
            StoreUnavailableError: it was not kept.
        """
        with self._database.writing() as connection:
            _keep(connection, self._look_at_store(connection))

    @contextlib.contextmanager
    def checking(self) -> Iterator[None]:
        """Look from time to time while the block runs, in a thread of its own."""
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
            thread.join()

    def _look_at_store(self, connection: sa.Connection) -> ClockCheck:
        position = _last_position(connection)
        for _ in range(MOST_READINGS):
            before = since_start()
            wall_ms = self._database.now(connection)
            after = since_start()
            if after - before <= LONGEST_READING_MS:
                break
        return ClockCheck(STORE, _start(), after, wall_ms, position)


def _look_here(connection: sa.Connection) -> ClockCheck:
    """Look at this host's clock, which stamps what export files hold."""
    position = _last_position(connection)
    return ClockCheck(FILES, _start(), since_start(), time.time_ns() // 1_000_000, position)


def _last_position(connection: sa.Connection) -> int:
    """Give it before any clock is read: what is kept after that is not counted as seen."""
    return connection.scalar(sa.select(sa.func.max(fulfillment_event.c.position))) or 0


def _recent(connection: sa.Connection, milliseconds: int) -> Sequence[ClockCheck]:
    """Give of each start of a host the checks of its last time."""
    check = clock_check.c
    last = (
        sa.select(check.clock, check.boot_id, sa.func.max(check.boot_ms).label("boot_ms"))
        .group_by(check.clock, check.boot_id)
        .subquery()
    )
    query = sa.select(check.clock, check.boot_id, check.boot_ms, check.wall_ms, check.position).join(
        last,
        sa.and_(
            last.c.clock == check.clock,
            last.c.boot_id == check.boot_id,
            check.boot_ms >= last.c.boot_ms - milliseconds,
        ),
    )
    return [ClockCheck(*row) for row in connection.execute(query)]


def _keep(connection: sa.Connection, check: ClockCheck) -> None:
    values = {name: getattr(check, name) for name in ("clock", "boot_id", "boot_ms", "wall_ms", "position")}
    key = connection.execute(clock_check.insert().values(values)).inserted_primary_key
    if key is not None:
        connection.execute(clock_check.delete().where(clock_check.c.check_id <= key[0] - CHECKS_KEPT))


def since_start() -> int:
    """Give milliseconds since this host was started; no one can set them."""
    # Linux has a clock that also goes on while the host sleeps.
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return (time.monotonic_ns() if boottime is None else time.clock_gettime_ns(boottime)) // 1_000_000


@functools.cache
def host_start() -> str | None:
    """Give the identity of this host's last start, the same for all its processes; None where none can be had."""
    try:
        # Processes of one host may be told different times since its start.
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip() + _time_namespace()
    except OSError:
        return None


def _time_namespace() -> str:
    try:
        return f" {os.readlink('/proc/self/ns/time')}"  # noqa: PTH115 - it leads to no path
    except OSError:
        return ""


@functools.cache
def _start() -> str:
    """Give what `since_start` counts from, or an identity no other process has."""
    return host_start() or f"process {uuid.uuid4()}"
