"""Logical timestamps that no declared range may cover, because their events were refused (design rule 18).

Pure values. A hole travels as a pair of logical timestamps, from and to, both included.
"""

from __future__ import annotations

import heapq
import itertools
import json
import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable

#: The most pairs a bookmark carries; beyond it the nearest ones are joined.
MOST_HOLES = 100
INT64 = range(-(2**63), 2**63)
# What follows the number shows that it is whole. Backslashes: the body may be JSON within a JSON string.
TIMESTAMP = re.compile(r'"logical_timestamp\\*"\s*:\s*(?:\\*"\s*)?(-?[0-9]{1,19})(?:\.0+)?\s*(?:\\*"\s*)?(?=[,}\]\s])')


def timestamps_in(raw: bytes) -> list[int]:
    """Return the logical timestamps a body names, sorted, whatever else is wrong with it."""
    text = raw.decode(json.detect_encoding(raw), "replace")
    return sorted({int(number) for number in TIMESTAMP.findall(text) if int(number) in INT64})


def joined(pairs: Iterable[list[int]], most: int = MOST_HOLES) -> list[list[int]]:
    """Return the fewest pairs that cover the same timestamps; beyond `most`, fewer that cover some more."""
    ranges: list[list[int]] = []
    for first, last in sorted(pairs):
        if ranges and first <= ranges[-1][1] + 1:
            ranges[-1][1] = max(ranges[-1][1], last)
        else:
            ranges.append([first, last])
    if len(ranges) <= most:
        return ranges
    between = itertools.pairwise(ranges)
    widest = heapq.nlargest(most - 1, enumerate(between), key=lambda gap: gap[1][1][0] - gap[1][0][1])
    ends = sorted(number for number, _ in widest)
    starts = [0, *(number + 1 for number in ends)]
    return [[ranges[start][0], ranges[end][1]] for start, end in zip(starts, [*ends, len(ranges) - 1], strict=True)]
