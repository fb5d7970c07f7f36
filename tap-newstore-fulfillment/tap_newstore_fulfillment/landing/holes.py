"""Logical timestamps that no declared range may cover, because their events were refused (design rule 18).

Pure values. A hole travels as a pair of logical timestamps, from and to, both included.
"""

from __future__ import annotations

import contextlib
import decimal
import heapq
import itertools
import json
import re
import typing as t

from tap_newstore_fulfillment.any_json import read_json
from tap_newstore_fulfillment.settings import INT64

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: The most pairs a bookmark carries; beyond it the nearest ones are joined.
MOST_HOLES = 100
#: As any writer of JSON writes a whole number: 12, 12.0, 1.2E1.
NUMBER = r"-?[0-9]{1,19}(?:\.[0-9]{1,19})?(?:[eE]\+?[0-9]{1,2})?"
# What follows the number shows that it is whole. Backslashes: the body may be JSON within a JSON string.
TIMESTAMP = re.compile(rf'"logical_timestamp\\*"\s*:\s*(\\*"\s*)?({NUMBER})(?(1)\s*\\*")\s*(?=[,}}\]\s])')
WHOLE = re.compile(rf"\s*{NUMBER}\s*")


def timestamps_in(raw: bytes) -> list[int]:
    """Return the logical timestamps a body names, sorted, whatever else is wrong with it."""
    # A field of fixed length may be filled up with NUL, which also looks like another encoding.
    texts = {raw.decode(json.detect_encoding(raw), "replace"), raw.replace(b"\0", b"").decode(errors="replace")}
    found = [match[2] for text in texts for match in TIMESTAMP.finditer(text)]
    # Names and digits may be written as escapes.
    with contextlib.suppress(ValueError):
        found += _named(read_json(raw).value)
    numbers = map(decimal.Decimal, found)
    return sorted({int(number) for number in numbers if number == number.to_integral() and int(number) in INT64})


def _named(value: t.Any) -> Iterator[str]:
    """Yield the numbers that are called so, as text."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from _named(each)
    if isinstance(value, dict):
        said = value.get("logical_timestamp")
        text = said if isinstance(said, str) else json.dumps(said)
        if WHOLE.fullmatch(text):
            yield text.strip()


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
