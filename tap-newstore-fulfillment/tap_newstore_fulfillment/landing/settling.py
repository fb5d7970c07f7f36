"""Which events have waited long enough, whatever the clock on the wall does (design rule 1).

Pure values. `received_at` is read from a clock that may be set, by hours, forwards or back. So
receivers and taps look at it from time to time, beside a clock that only ever goes on: the time
since their host was started. From these checks comes what is certain:

- What had been kept at a check is at least as old as that clock has gone on since, on any host.
- When the wall's clock has gained on the other one since, events may be younger than it says, by
  as much.
- What came after a check is no older than the check.

An event has settled when the first says so, or when the wall's clock says so after the other two.
Where nothing is certain an event counts as the younger.
"""

from __future__ import annotations

import dataclasses
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Sequence

EVERYTHING = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class ClockCheck:
    """One look at a wall's clock.

    Attributes:
        clock: Which wall's clock; times of different ones say nothing of each other.
        boot_id: A start of a host; `boot_ms` counts from it.
        boot_ms: Milliseconds that only go on.
        wall_ms: Epoch milliseconds by the wall's clock.
        position: Everything up to this arrival position had been kept by then.
    """

    clock: str
    boot_id: str
    boot_ms: int
    wall_ms: int
    position: int

    def before(self, milliseconds: int) -> ClockCheck:
        """Give the check that could have been made that much earlier."""
        return dataclasses.replace(self, boot_ms=self.boot_ms - milliseconds, wall_ms=self.wall_ms - milliseconds)

    @property
    def offset(self) -> int:
        """What a step of the wall's clock changes."""
        return self.wall_ms - self.boot_ms


@dataclasses.dataclass(frozen=True)
class Settled:
    """An event has settled when its position is at most `position`, or its time and position at most the other two.

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
        """Trust the wall's clock."""
        return cls(received_at=received_at, within=EVERYTHING)

    @classmethod
    def everything(cls) -> Settled:
        """Let nothing wait."""
        return cls(position=EVERYTHING)


def settled(
    now: ClockCheck, earlier: Sequence[ClockCheck], settle_ms: int, *, is_local: bool, is_stamped_on_arrival: bool
) -> Settled:
    """Decide what has settled.

    Args:
        now: A check made now.
        earlier: Checks that have been kept, in any order.
        settle_ms: Milliseconds an event waits.
        is_local: The wall's clock is this host's own: what was stamped before its start is older than that.
        is_stamped_on_arrival: Events are stamped with the time they are kept, not with an earlier one.
    """
    hosts = _by_host([*earlier, now])
    position = max((_old_enough(checks, settle_ms).position for checks in hosts), default=0)
    if is_local and now.boot_ms < settle_ms and any(check.boot_id != now.boot_id for check in earlier):
        # The clock may have been set while the host was off, and nobody saw it.
        return Settled(position)
    same_clock = [checks for checks in hosts if checks[-1].clock == now.clock]
    received_at = now.wall_ms - settle_ms - max(_gain(checks, settle_ms) for checks in same_clock)
    younger = [check.position for checks in same_clock for check in checks if check.wall_ms > received_at]
    return Settled(position, received_at, min(younger) if is_stamped_on_arrival else EVERYTHING)


def _by_host(checks: Sequence[ClockCheck]) -> list[list[ClockCheck]]:
    """Give the checks of each start of a host and each clock, in order."""
    hosts: dict[tuple[str, str], list[ClockCheck]] = {}
    for check in sorted(checks, key=lambda check: check.boot_ms):
        hosts.setdefault((check.clock, check.boot_id), []).append(check)
    return list(hosts.values())


def _old_enough(checks: Sequence[ClockCheck], settle_ms: int) -> ClockCheck:
    """Give the last check that is at least that old; without one, a check of nothing."""
    old = [check for check in checks if checks[-1].boot_ms - check.boot_ms >= settle_ms]
    return old[-1] if old else dataclasses.replace(checks[0], position=0)


def _gain(checks: Sequence[ClockCheck], settle_ms: int) -> int:
    """Give the milliseconds the wall's clock has gained since the lowest point of its last settle time."""
    begin = _old_enough(checks, settle_ms).boot_ms
    return checks[-1].offset - min(check.offset for check in checks if check.boot_ms >= begin)
