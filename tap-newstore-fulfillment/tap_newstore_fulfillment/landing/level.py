"""Which timestamps may be the release mark: not one that stands alone far ahead of all others (design rule 15).

Pure values. A timestamp is far ahead if the step up to it is longer than NEAR and longer than TIMES
the steps that are usual below it. What lies beyond such a step counts once a later arrival beyond it, with
another timestamp, has settled, and nothing has arrived from below since then. So a
sequence that really jumped is held up until its second arrival has settled, and a wrong timestamp is held
for as long as the true sequence goes on below it.
"""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: A step up to this is never far. A wrong timestamp within it can run ahead of the sequence by no more.
NEAR = 1_000
#: So much longer than the usual step is far. The usual step is the second longest below: one jump is not usual.
TIMES = 10
#: How many of the highest timestamps are looked at; a jump below all of them has long been confirmed.
LOOKED_AT = 1_000


class Arrived(t.NamedTuple):
    """An arrival.

    Attributes:
        logical_timestamp: An int64, not a time.
        position: Its arrival position.
        is_settled: It was received long enough ago.
    """

    logical_timestamp: int
    position: int
    is_settled: bool = True


def far_ahead(
    arrived: Sequence[Arrived],
    is_any_accepted: Callable[[Sequence[int]], bool],
    newest_up_to: Callable[[int], int],
) -> Sequence[Arrived]:
    """Return what is far ahead of all others, in timestamp order.

    Args:
        arrived: The arrivals with the highest timestamps, settled or not, in timestamp order.
        is_any_accepted: Returns whether somebody has accepted one of the arrivals at these positions as it is.
        newest_up_to: Returns the highest position of an arrival with at most this timestamp.
    """
    longest = usual = 0
    for number in range(1, len(arrived)):
        below = arrived[number - 1].logical_timestamp
        step = arrived[number].logical_timestamp - below
        if step > max(NEAR, TIMES * usual):
            ahead = arrived[number:]
            is_level = is_any_accepted([row.position for row in ahead])
            if not is_level and not _goes_on(ahead, newest_up_to(below + step // 2)):
                return ahead
        if step > longest:
            longest, usual = step, longest
        elif step > usual:
            usual = step
    return ()


def _goes_on(ahead: Sequence[Arrived], newest_below: int) -> bool:
    """Return whether the sequence goes on from where these are.

    Args:
        ahead: Arrivals beyond a step.
        newest_below: The highest position of an arrival in the lower half of the step or below it.
    """
    first = min(ahead, key=lambda row: row.position)
    later = [row for row in ahead if row.logical_timestamp != first.logical_timestamp and row.is_settled]
    return any(newest_below < row.position for row in later)
