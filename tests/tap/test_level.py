"""One timestamp far ahead of all others moves no mark, until a sequence goes on from there (design rule 15)."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_newstore_fulfillment.landing.level import NEAR, Arrived, far_ahead

FAR = 10**12


def level(arrived: t.Sequence[int], *, unsettled: t.Sequence[int] = (), accepted: t.Collection[int] = ()) -> t.Any:
    """Return the mark and what is held ahead, for timestamps in the order they arrived."""
    everything = [
        Arrived(at, position, position <= len(arrived)) for position, at in enumerate([*arrived, *unsettled], start=1)
    ]

    def newest_up_to(at: int) -> int:
        return max((row.position for row in everything if row.logical_timestamp <= at), default=0)

    positions = {row.position for row in everything if row.logical_timestamp in accepted}
    found = far_ahead(sorted(everything), lambda ahead: not positions.isdisjoint(ahead), newest_up_to)
    ordinary = [row.logical_timestamp for row in everything[: len(arrived)] if row not in found]
    return max(ordinary, default=None), [row.logical_timestamp for row in found]


@pytest.mark.parametrize(
    ("arrived", "mark", "ahead"),
    [
        ([], None, []),
        ([FAR], FAR, []),
        ([10, 11, 12], 12, []),
        ([10, 11, 12, FAR], 12, [FAR]),
        ([FAR, 10, 11, 12], 12, [FAR]),
        ([10, FAR], 10, [FAR]),
        ([10, 11, 12, 12 + NEAR], 12 + NEAR, []),
        ([10, 11, 12, 2**63 - 1], 12, [2**63 - 1]),
        ([10, 11, FAR, 12, 13], 13, [FAR]),
    ],
)
def test_one_timestamp_far_ahead_moves_no_mark(arrived: list[int], mark: int | None, ahead: list[int]) -> None:
    assert level(arrived) == (mark, ahead)


@pytest.mark.parametrize(
    "arrived",
    [
        [10, 11, 12, FAR, FAR + 1],
        [10, 11, 12, FAR + 1, FAR],
        [10, 11, 13, FAR, 12, FAR + 1],
        [10, 11, FAR, 2 * FAR],
        [10, 11, FAR, FAR + 5, FAR + 7, FAR + 6],
    ],
)
def test_later_arrivals_that_go_on_from_its_level_make_it_a_mark(arrived: list[int]) -> None:
    mark, ahead = level(arrived)
    assert mark is not None
    assert mark >= FAR
    assert len(ahead) <= 1


def test_an_arrival_that_has_not_settled_confirms_nothing() -> None:
    assert level([10, 11, FAR], unsettled=[FAR + 1]) == (11, [FAR, FAR + 1])


def test_an_arrival_that_has_not_settled_shows_what_is_ordinary() -> None:
    assert level([FAR], unsettled=[10]) == (None, [FAR])


def test_two_timestamps_far_ahead_are_no_level_while_arrivals_below_go_on() -> None:
    assert level([10, 11, FAR, 12, FAR + 1, 13]) == (13, [FAR, FAR + 1])
    assert level([10, 11, FAR, 12, FAR + 1], unsettled=[13]) == (12, [FAR, FAR + 1])


def test_the_same_wrong_timestamp_again_and_again_is_no_level() -> None:
    assert level([10, 11, FAR, FAR, FAR]) == (11, [FAR, FAR, FAR])


def test_what_somebody_has_accepted_is_a_level() -> None:
    assert level([10, 11, FAR], accepted=[FAR]) == (FAR, [])
    assert level([10, 11, FAR, 10**15], accepted=[FAR]) == (FAR, [10**15])


def test_a_sequence_that_always_moves_in_long_steps_is_not_held() -> None:
    steps = [number * 5_000_000 for number in range(1, 50)]
    assert level(steps) == (steps[-1], [])
    night = [*steps, steps[-1] + 40_000_000]
    assert level(night) == (night[-1], [])


def test_one_long_step_does_not_make_the_next_one_ordinary() -> None:
    gone_on = [10, 11, 12, FAR, FAR + 1, FAR + 2]
    assert level([*gone_on, 2 * FAR]) == (FAR + 2, [2 * FAR])


@given(st.lists(st.integers(1, 500), min_size=1, max_size=60), st.randoms())
def test_ordinary_disorder_is_never_held(steps: list[int], chance: t.Any) -> None:
    timestamps = [sum(steps[: number + 1]) for number in range(len(steps))]
    highest = max(timestamps)
    chance.shuffle(timestamps)
    assert level(timestamps) == (highest, [])


@given(st.lists(st.integers(1, 500), min_size=2, max_size=40), st.integers(10**7, 2**62), st.data())
def test_whenever_it_comes_a_lone_timestamp_far_ahead_changes_no_mark(
    steps: list[int], far: int, data: st.DataObject
) -> None:
    timestamps = [sum(steps[: number + 1]) for number in range(len(steps))]
    place = data.draw(st.integers(1, len(timestamps)))
    with_far = [*timestamps[:place], timestamps[-1] + far, *timestamps[place:]]
    assert level(with_far) == (timestamps[-1], [timestamps[-1] + far])


@given(st.integers(1, 30), st.integers(10**7, 2**40), st.integers(2, 30))
def test_a_legitimate_gap_is_passed_as_soon_as_a_second_arrival_beyond_it_has_settled(
    before: int, gap: int, after: int
) -> None:
    low = list(range(10, 10 + before))
    high = [low[-1] + gap + number for number in range(after)]
    assert level([*low, high[0]]) == (low[-1], [high[0]])
    for number in range(2, after + 1):
        assert level([*low, *high[:number]]) == (high[number - 1], [])
