"""Which events have waited long enough, whatever the wall clock does (design rule 1).

Pure values. `received_at` comes from a wall clock that may be set, by hours, forwards or back. So
receivers and taps check it regularly against a clock that only runs forward: the time since their
host booted. These checks prove three things:

1. What was stored at a check is at least as old as the time since boot that has passed since then,
   on any host.
2. If the wall clock has gained on the time since boot, events may be younger than it says, by the
   same amount.
3. What came after a check is no older than the check.

An event has settled if 1 says so, or if the wall clock says so once 2 and 3 are taken into account.
In doubt an event counts as the younger.
"""

from __future__ import annotations

import typing as t

import msgspec

from tap_newstore_fulfillment.values import Value

if t.TYPE_CHECKING:
    from collections.abc import Sequence

EVERYTHING = 2**63 - 1


class ClockCheck(Value, frozen=True):
    """One reading of a wall clock, beside the time since boot.

    Attributes:
        clock: Which wall clock; times of different clocks cannot be compared.
        boot_id: The boot of a host that `boot_ms` counts from.
        boot_ms: Milliseconds since boot; they only increase, unless the host is put back to a snapshot of its memory.
        wall_ms: Epoch milliseconds by the wall clock.
        position: Everything up to this arrival position had been stored by then.
    """

    clock: str
    boot_id: str
    boot_ms: int
    wall_ms: int
    position: int

    def before(self, milliseconds: int) -> ClockCheck:
        """Return the check as it would have been that much earlier."""
        return msgspec.structs.replace(self, boot_ms=self.boot_ms - milliseconds, wall_ms=self.wall_ms - milliseconds)

    @property
    def offset(self) -> int:
        """Wall clock minus time since boot, in milliseconds: it changes only when the wall clock is set."""
        return self.wall_ms - self.boot_ms


class Settled(Value, frozen=True):
    """The limits up to which events have settled.

    An event has settled if `position <= self.position`, or if both
    `received_at <= self.received_at` and `position <= self.within`.

    Attributes:
        position: Arrival position.
        received_at: Epoch milliseconds by the clock that stamped the events.
        within: Arrival position.
    """

    position: int = 0
    received_at: int = 0
    within: int = 0

    @classmethod
    def by_wall(cls, received_at: int) -> Settled:
        """Return the limits for a wall clock that is trusted."""
        return cls(received_at=received_at, within=EVERYTHING)

    @classmethod
    def everything(cls) -> Settled:
        """Return the limits that let nothing wait."""
        return cls(position=EVERYTHING)


def settled(
    now: ClockCheck, earlier: Sequence[ClockCheck], settle_ms: int, *, is_local: bool, is_stamped_on_arrival: bool
) -> Settled:
    """Decide what has settled.

    Args:
        now: A check made now.
        earlier: Stored checks, those of one host in the order in which they were stored.
        settle_ms: Milliseconds an event waits.
        is_local: The wall clock is this host's own, so that what was stamped before its boot is older than that.
        is_stamped_on_arrival: Events are stamped with the time they are stored, not with an earlier one.
    """
    hosts = _by_host([*earlier, now])
    position = max((_settled_position(checks, settle_ms) for checks in hosts), default=0)
    if is_local and now.boot_ms < settle_ms and any(check.boot_id != now.boot_id for check in earlier):
        # The clock may have been set while the host was off, unseen.
        return Settled(position)
    same_clock = [checks for checks in hosts if checks[-1].clock == now.clock]
    received_at = now.wall_ms - settle_ms - max(_gain(checks, settle_ms) for checks in same_clock)
    younger = [check.position for checks in same_clock for check in checks if check.wall_ms > received_at]
    return Settled(position, received_at, min(younger) if is_stamped_on_arrival else EVERYTHING)


def _by_host(checks: Sequence[ClockCheck]) -> list[list[ClockCheck]]:
    """Return the checks of each boot of a host and each clock, in the order in which they were stored.

    The newest one is the one stored last, even if earlier ones show more time since boot: then the host was put back to
    a snapshot of its memory.
    """
    hosts: dict[tuple[str, str], list[ClockCheck]] = {}
    for check in checks:
        hosts.setdefault((check.clock, check.boot_id), []).append(check)
    return list(hosts.values())


def _old_enough(checks: Sequence[ClockCheck], settle_ms: int) -> int | None:
    """Return which check is the last that is at least that old; None: none is."""
    newest = checks[-1].boot_ms
    return max((place for place, check in enumerate(checks) if newest - check.boot_ms >= settle_ms), default=None)


def _settled_position(checks: Sequence[ClockCheck], settle_ms: int) -> int:
    place = _old_enough(checks, settle_ms)
    return 0 if place is None else checks[place].position


def _gain(checks: Sequence[ClockCheck], settle_ms: int) -> int:
    """Return the milliseconds the wall clock has gained on its lowest offset within the last settle time."""
    begin = _old_enough(checks, settle_ms) or 0
    return checks[-1].offset - min(check.offset for check in checks[begin:])
