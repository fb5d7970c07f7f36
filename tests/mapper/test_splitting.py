"""Splitting along timestamps (design rule 3), as values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from mapper_newstore_stock.run.cuts import split_along_timestamps

completions = st.lists(st.tuples(st.integers(0, 30), st.sampled_from("ABCDE"))).map(sorted)


def test_everything_is_one_range_when_it_fits() -> None:
    assert split_along_timestamps([(10, "A"), (11, "B"), (14, "A")], 2) == [(10, 14)]


def test_a_new_range_begins_where_a_key_would_not_fit() -> None:
    assert split_along_timestamps([(10, "A"), (11, "B"), (12, "A"), (13, "C")], 2) == [(10, 12), (13, 13)]


def test_equal_timestamps_are_never_split() -> None:
    assert split_along_timestamps([(10, "A"), (10, "B"), (10, "C"), (11, "D")], 2) == [(10, 10), (11, 11)]


def test_nothing_gives_no_range() -> None:
    assert split_along_timestamps([], 2) == []


@given(completions, st.integers(1, 4))
def test_each_completion_is_in_exactly_one_range_and_ranges_follow_each_other(
    events: list[tuple[int, str]], size: int
) -> None:
    ranges = split_along_timestamps(events, size)
    assert all(sum(start <= at <= end for start, end in ranges) == 1 for at, _ in events)
    ends = [moment for pair in ranges for moment in pair]
    assert ends == sorted(ends)


@given(completions, st.integers(1, 4))
def test_a_range_touches_too_many_keys_only_when_it_is_one_timestamp(events: list[tuple[int, str]], size: int) -> None:
    for start, end in split_along_timestamps(events, size):
        keys = {key for at, key in events if start <= at <= end}
        assert len(keys) <= size or start == end
