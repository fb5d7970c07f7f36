"""Which events have settled when clocks jump (design rule 1, fault F18): pure values, random stories."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tap_newstore_fulfillment.landing.settling import ClockCheck, Settled, settled

SETTLE = 900_000
HOUR = 3_600_000
BOOTED = 50 * HOUR


def a_check(
    at: int, *, wall: int | None = None, position: int = 0, boot: str = "b", clock: str = "store"
) -> ClockCheck:
    return ClockCheck(clock, boot, BOOTED + at, at if wall is None else wall, position)


def decide(now: ClockCheck, *earlier: ClockCheck, is_local: bool = True, is_stamped_on_arrival: bool = True) -> Settled:
    return settled(now, earlier, SETTLE, is_local=is_local, is_stamped_on_arrival=is_stamped_on_arrival)


def test_without_a_jump_the_wall_clock_is_trusted() -> None:
    limits = decide(a_check(HOUR, position=9), a_check(HOUR - 1000, position=8))
    assert (limits.position, limits.received_at) == (0, HOUR - SETTLE)


def test_what_was_stored_at_a_check_is_as_old_as_the_check_whatever_the_wall_clock() -> None:
    assert decide(a_check(SETTLE, wall=-HOUR), a_check(0, position=7)).position == 7
    assert decide(a_check(SETTLE - 1, wall=HOUR), a_check(0, position=7)).position == 0


def test_a_jump_forwards_is_subtracted() -> None:
    assert decide(a_check(1000, wall=1000 + 3 * HOUR), a_check(0)).received_at == 1000 - SETTLE


def test_a_jump_seen_by_another_host_counts_too() -> None:
    theirs = [a_check(0, boot="other"), a_check(500, wall=500 + 3 * HOUR, boot="other")]
    now = a_check(1000, wall=1000 + 3 * HOUR)
    assert decide(now, *theirs, is_local=False).received_at == 1000 - SETTLE


def test_another_wall_clock_does_not_count() -> None:
    theirs = [a_check(0, clock="files"), a_check(500, wall=500 + 3 * HOUR, clock="files")]
    assert decide(a_check(HOUR), *theirs).received_at == HOUR - SETTLE


def test_another_host_that_ran_long_enough_proves_what_is_old() -> None:
    theirs = [a_check(0, position=5, boot="other"), a_check(SETTLE, position=8, boot="other")]
    assert decide(a_check(3, wall=-HOUR), *theirs, is_local=False).position == 5


def test_what_came_after_a_check_is_no_older_than_the_check() -> None:
    """A clock that was set back for a moment stamps events too early."""
    limits = decide(a_check(1000), a_check(0, position=7))
    assert limits.within == 0 or limits.received_at < 0
    assert decide(a_check(1000, position=9), a_check(1, position=7), is_stamped_on_arrival=True).within == 7
    assert decide(a_check(1000, position=9), a_check(1, position=7), is_stamped_on_arrival=False).within > 9


def test_a_host_just_booted_does_not_trust_earlier_wall_clock_times() -> None:
    before = a_check(0, position=3, boot="before")
    started = ClockCheck("store", "now", 60_000, 5 * HOUR, 4)
    assert decide(started, before) == Settled()
    assert decide(msgspec.structs.replace(started, boot_ms=SETTLE), before).received_at == 5 * HOUR - SETTLE


def test_a_host_put_back_to_a_snapshot_of_its_memory_settles_nothing_early() -> None:
    """Its time since boot goes back; checks made before show more of it than it has now."""
    before = [a_check(0, position=5), a_check(2 * SETTLE, position=8)]
    back = [a_check(SETTLE // 2, wall=5 * HOUR, position=9), a_check(SETTLE // 2 + 1000, wall=5 * HOUR, position=20)]
    assert decide(a_check(SETTLE // 2 + 2000, wall=5 * HOUR, position=21), *before, *back).position == 0
    assert decide(a_check(SETTLE + 1, wall=5 * HOUR, position=21), *before, *back).position == 5
    assert decide(a_check(SETTLE + SETTLE // 2, wall=5 * HOUR, position=21), *before, *back).position == 9


@dataclasses.dataclass
class Story:
    """A host over time, and the truth about each event.

    Attributes:
        behind: How much time since boot was taken back when the host was put back to snapshots of its memory.
        stamps: For each event, in order of arrival: when it really came, and when by the clock.
    """

    offset: int = 0
    at: int = 0
    behind: int = 0
    stamps: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    checks: list[ClockCheck] = dataclasses.field(default_factory=list)

    def check(self) -> ClockCheck:
        check = a_check(self.at - self.behind, wall=self.at + self.offset, position=len(self.stamps))
        self.checks.append(check)
        return check

    def released(self) -> list[int]:
        """Check the clock, and return the positions that have settled."""
        earlier = list(self.checks)
        limits = decide(self.check(), *earlier)
        return [
            position
            for position, (_, stamp) in enumerate(self.stamps, start=1)
            if position <= limits.position or (stamp <= limits.received_at and position <= limits.within)
        ]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("jump"), st.integers(-5 * HOUR, 5 * HOUR)),
        st.tuples(st.just("time"), st.integers(1, SETTLE)),
        st.tuples(st.just("event"), st.just(0)),
        st.tuples(st.just("run"), st.just(0)),
        st.tuples(st.just("snapshot"), st.integers(1, 5 * HOUR)),
    ),
    max_size=40,
)
EXAMPLES = 1000


@pytest.mark.fault("F18")
@given(steps=STEPS)
@settings(max_examples=EXAMPLES, deadline=None, database=None)
def test_f18_no_event_settles_early_and_none_waits_forever_however_the_clock_jumps(
    steps: list[tuple[str, int]],
) -> None:
    """The clock is checked before and after each jump, as a receiver does regularly; runs check it too."""
    story = Story()
    story.check()
    for step, value in steps:
        if step == "jump":
            story.check()
            story.offset += value
            story.check()
        elif step == "snapshot":
            # Its wall clock goes on from then, until it is set.
            story.behind += value
            story.offset -= value
            story.check()
        elif step == "time":
            story.at += value
        elif step == "event":
            story.stamps.append((story.at, story.at + story.offset))
        else:
            for position in story.released():
                assert story.stamps[position - 1][0] <= story.at - SETTLE
    story.released()
    story.at += SETTLE
    assert story.released() == list(range(1, len(story.stamps) + 1))


@pytest.mark.fault("F18")
@given(steps=STEPS)
@settings(max_examples=EXAMPLES, deadline=None, database=None)
def test_f18_a_single_jump_between_two_checks_releases_nothing_early(steps: list[tuple[str, int]]) -> None:
    """Only runs check the clock; it jumps once, anywhere between two of them."""
    story, jumped = Story(), False
    story.check()
    for step, value in steps:
        if step == "jump" and not jumped:
            jumped, story.offset = True, value
        elif step == "time":
            story.at += value
        elif step == "event":
            story.stamps.append((story.at, story.at + story.offset))
        elif step == "run":
            for position in story.released():
                assert story.stamps[position - 1][0] <= story.at - SETTLE
