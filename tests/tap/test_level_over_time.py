"""Days of a shop whose sequence jumps and that gets wrong timestamps: the mark is never too early, and never stalls."""

from __future__ import annotations

import dataclasses
import os
import random
import typing as t

import pytest
from tap_newstore_fulfillment.landing.level import Arrived, far_ahead

DAYS = int(os.environ.get("DAYS_OF_LEVELS", "150"))
#: NewStore's promise, and how long the tap waits, in minutes.
PROMISE = 15


@dataclasses.dataclass(frozen=True)
class Sent:
    """An event: its timestamp, when it arrives (minutes), and whether its timestamp is right."""

    at: int
    arrives: float
    is_right: bool = True


def a_day(seed: int) -> list[Sent]:
    """Return a day's events in the order they arrive: busy and quiet hours, jumps, and one wrong timestamp."""
    chance = random.Random(seed)
    usual = chance.choice([1, 5, 300, 10**6])
    at, now, sent = chance.randint(0, 10**6), 0.0, []
    jumps = set(chance.sample(range(3, 60), chance.randint(0, 2)))
    for number in range(chance.randint(5, 80)):
        now += chance.expovariate(1 / chance.choice([0.2, 5.0, 90.0]))
        at += chance.randint(1, usual) + (chance.randint(10**8, 10**13) if number in jumps else 0)
        sent.append(Sent(at, now + chance.uniform(0, PROMISE) * chance.choice([0, 0.1, 1])))
    if chance.random() < 0.7:
        # Beyond everything this day will reach, and not the first of all: then there are no others yet.
        first = min(event.arrives for event in sent)
        sent.append(Sent(at + chance.randint(10**14, 2**61), chance.uniform(first, first + now), is_right=False))
    return sorted(sent, key=lambda event: event.arrives)


def marks(day: t.Sequence[Sent], moments: t.Iterable[float]) -> t.Iterator[tuple[float, int | None]]:
    """Yield the release mark at each moment; it never goes back."""
    through: int | None = None
    for moment in moments:
        here = [
            Arrived(event.at, number, event.arrives <= moment - PROMISE)
            for number, event in enumerate(day, 1)
            if event.arrives <= moment
        ]

        def newest_up_to(at: int, here: list[Arrived] = here) -> int:
            return max((row.position for row in here if row.logical_timestamp <= at), default=0)

        ahead = far_ahead(sorted(here), lambda _: False, newest_up_to)
        ordinary = [row.logical_timestamp for row in here if row.is_settled and row not in ahead]
        through = max([*ordinary, *([through] if through is not None else [])], default=None)
        yield moment, through


@pytest.mark.parametrize("part", range(4))
def test_no_event_that_comes_as_promised_is_ever_late(part: int) -> None:
    for seed in range(part, DAYS, 4):
        day = a_day(seed)
        moments = sorted({event.arrives + wait for event in day for wait in (0.0, 0.01, PROMISE, PROMISE + 0.01)})
        for moment, mark in marks(day, moments):
            late = [event.at for event in day if event.is_right and event.arrives > moment and event.at <= (mark or -1)]
            assert not late, (seed, moment, mark)


@pytest.mark.parametrize("part", range(4))
def test_the_next_event_after_it_has_settled_releases_all_but_the_wrong_one(part: int) -> None:
    for seed in range(part, DAYS, 4):
        day = a_day(seed)
        highest = max(event.at for event in day if event.is_right)
        for next_one in (highest + 1, highest + 10):
            day.append(Sent(next_one, day[-1].arrives + 60))
        ((_, mark),) = marks(day, [day[-1].arrives + PROMISE + 0.01])
        assert mark == highest + 10, seed


@pytest.mark.parametrize("part", range(4))
def test_a_day_without_jumps_waits_for_no_next_event(part: int) -> None:
    for seed in range(part, DAYS, 4):
        day = a_day(seed)
        right = sorted(event.at for event in day if event.is_right)
        if all(step < 10**8 for step in map(int.__sub__, right[1:], right)):
            ((_, mark),) = marks(day, [day[-1].arrives + PROMISE + 0.01])
            assert mark == right[-1], seed
