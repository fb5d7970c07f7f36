"""Which logical timestamps a refused body names, and how few ranges say so (design rule 18)."""

from __future__ import annotations

import itertools
import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_newstore_fulfillment.landing.holes import MOST_HOLES, joined, timestamps_in

from tests.tap.events import an_event, an_older_event

INT64 = st.integers(-(2**63), 2**63 - 1)


@pytest.mark.parametrize(
    ("raw", "timestamps"),
    [
        (json.dumps(an_event(11)).encode(), [11]),
        (json.dumps(an_older_event(11), indent=3).encode(), [11]),
        (json.dumps(an_event(11)).encode("utf-16"), [11]),
        (json.dumps(an_event(11)).encode()[:-40], [11]),
        (json.dumps(json.dumps(an_event(11))).encode(), [11]),
        (json.dumps([an_event(11), an_event(9), an_event(11)]).encode(), [9, 11]),
        (b'{"logical_timestamp": "12"}', [12]),
        (b'{"logical_timestamp": 12.0}', [12]),
        (b'{"logical_timestamp":-9223372036854775808}', [-(2**63)]),
        (b'\xff {"logical_timestamp" :\n 7 }', [7]),
        (b'{"logical_timestamp": 1.2345678E7}', [12345678]),
        (b'{"logical_timestamp": "1.2e1", "logical_timestamp":4.50e1}', [12, 45]),
        (b'{"payload": [{"logical\\u005ftimestamp": 13}]}', [13]),
        (b'{"logical_timestamp": "\\u0031\\u0034"}', [14]),
        (b"\0\0\0\0" + json.dumps(an_event(11)).encode(), [11]),
        (b'{\0"logical_timestamp": 11}', [11]),
        (b'{"logical_timestamp": 11}\0', [11]),
        (json.dumps(an_event(11)).encode("utf-16-le") + b"\0", [11]),
    ],
)
def test_a_timestamp_is_read_however_little_of_the_body_can_be(raw: bytes, timestamps: list[int]) -> None:
    assert timestamps_in(raw) == timestamps


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"temp",
        b'{"logical_timestamp": 1204',
        b'{"logical_timestamp": 12.5}',
        b'{"logical_timestamp": 9223372036854775808}',
        b'{"logical_timestamp": null}',
        b'{"logical_timestamp": [12]}',
        b'{"logical_timestamp_end": 12}',
        b'{"logical_timestamp": "1,204"}',
        b'{"logical_timestamp": "12',
        b'{"logical_timestamp": "12, "x": 1}',
        b'{"logical_timestamp": true}',
        b'{"logical_timestamp": 1.25E1}',
        b'{"logical_timestamp": 1e99}',
    ],
)
def test_a_number_that_may_be_cut_or_is_none_is_not_a_timestamp(raw: bytes) -> None:
    assert timestamps_in(raw) == []


def covered(ranges: list[list[int]], timestamp: int) -> bool:
    return any(first <= timestamp <= last for first, last in ranges)


@given(st.sets(INT64, max_size=300), st.integers(1, 20))
def test_joined_holes_cover_every_one_in_few_sorted_ranges(timestamps: set[int], most: int) -> None:
    ranges = joined([[at, at] for at in timestamps], most)
    assert all(covered(ranges, at) for at in timestamps)
    assert len(ranges) <= most
    assert all(first <= last for first, last in ranges)
    assert all(left[1] + 1 < right[0] for left, right in itertools.pairwise(ranges))
    if len(timestamps) <= most:
        assert sum(last - first + 1 for first, last in ranges) == len(timestamps)


def test_neighbours_are_one_range_and_the_widest_gaps_stay_open() -> None:
    assert joined([[11, 11], [12, 12], [14, 14]]) == [[11, 12], [14, 14]]
    assert joined([[1, 1], [3, 3], [100, 100], [106, 106]], 2) == [[1, 3], [100, 106]]
    assert joined([[5, 9], [1, 6]]) == [[1, 9]]
    assert len(joined([[at, at] for at in range(0, 10 * MOST_HOLES, 2)])) == MOST_HOLES


def test_no_holes_are_no_ranges() -> None:
    nothing: list[t.Any] = []
    assert joined(nothing) == []
