"""Cuts: what goes to NewStore in one import, and the timestamps it answers for (design rules 3 and 4)."""

from __future__ import annotations

import typing as t

from mapper_newstore_stock.values import Value

if t.TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence


#: NewStore's logical timestamps begin above it.
BEFORE_ALL = 0


class TimestampRange(t.NamedTuple):
    """Logical timestamps, both ends included (newstore-api.md, section 3)."""

    start: int
    end: int


class Cut(Value, frozen=True):
    """One import's worth of stock records.

    Attributes:
        number: Position in the sequence of all cuts.
        range: Completions NewStore may stop subtracting (None: no completion is new).
        size: Number of stock records.
        end: Highest logical timestamp declared up to this cut.
        mark: The mark all quantities of this run are computed at.
    """

    number: int
    range: TimestampRange | None
    size: int
    end: int | None
    mark: int | None


def sent_completions(completions: Iterable[Sequence[t.Any]]) -> Iterator[tuple[int, int]]:
    """Yield (logical timestamp, key) in the order given, a key as its hash: half a million must fit in memory.

    A key that is not sent, because it needs no row, goes along with the one beside it.

    Args:
        completions: (logical timestamp, node, product, whether the key is sent), ordered by timestamp.
    """
    waiting: list[int] = []
    key: int | None = None
    for timestamp, node, product, is_sent in completions:
        if is_sent:
            key = hash((node, product))
        if key is None:
            waiting.append(timestamp)
            continue
        yield from ((earlier, key) for earlier in waiting)
        waiting.clear()
        yield timestamp, key


def split_along_timestamps(
    completions: Iterable[tuple[int, Hashable]], max_items: int, within: Sequence[TimestampRange] | None = None
) -> list[TimestampRange]:
    """Split completions into ranges that touch at most `max_items` keys each.

    A range never ends between equal timestamps: one timestamp that touches more keys stays whole.
    Gaps between ranges are not claimed, since a late event may still fall into one.

    Args:
        completions: (logical timestamp, key), ordered by timestamp.
        max_items: How many keys one range should touch at most.
        within: Ranges that no result may reach out of; all completions are in one of them.
    """
    starts = {part.start for part in within or ()}
    ranges: list[TimestampRange] = []
    keys: set[Hashable] = set()
    for timestamp, new_keys in _by_timestamp(completions):
        if ranges and timestamp not in starts and len(keys) + len(new_keys - keys) <= max_items:
            keys |= new_keys
            ranges[-1] = TimestampRange(ranges[-1].start, timestamp)
        else:
            keys = new_keys
            ranges.append(TimestampRange(timestamp, timestamp))
    return ranges


def from_the_beginning(
    ranges: Sequence[TimestampRange], through: int, barred: Sequence[TimestampRange]
) -> list[TimestampRange]:
    """Return ranges that cover all timestamps up to one whose completions are in every number, too.

    Beyond it they cover nothing that is barred: where something barred lies before the first of them, the beginning is
    a range of its own.

    Args:
        ranges: What else is declared, in order; none covers anything barred.
        through: Completions up to this logical timestamp are in every number, whether an event tells of them or not.
        barred: What no range may cover, all of it beyond that.
    """
    covering: list[TimestampRange] = []
    start = BEFORE_ALL
    for part in ranges:
        if start <= through and any(through < bar.start < part.start for bar in barred):
            covering = [*covering[:-1], TimestampRange(covering[-1].start if covering else start, through)]
        elif start <= through:
            part = TimestampRange(min(start, part.start), part.end)  # noqa: PLW2901
        covering.append(part)
        start = part.end + 1
    if start <= through:
        first = covering.pop().start if covering else start
        covering.append(TimestampRange(first, through))
    return covering


def _by_timestamp(completions: Iterable[tuple[int, Hashable]]) -> Iterable[tuple[int, set[Hashable]]]:
    current: int | None = None
    keys: set[Hashable] = set()
    for timestamp, key in completions:
        if current is not None and timestamp != current:
            yield current, keys
            keys = set()
        current = timestamp
        keys.add(key)
    if current is not None:
        yield current, keys
