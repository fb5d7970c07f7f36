"""Whether a missing logical timestamp is an event that is still to come (design rule 16).

Pure values. NewStore does not say that its logical timestamps have no gaps. Where the DENSE timestamps directly
below a missing one are all known, they have proven dense: a tenant whose sequence leaves out one number in a
hundred shows so many in a row once in 20,000 times. One that is missing for good makes the next DENSE
timestamps prove nothing, so that a sequence with gaps is held up by one wait in that many events at most.
"""

from __future__ import annotations

import itertools
import typing as t

from tap_newstore_fulfillment.landing.holes import joined
from tap_newstore_fulfillment.landing.level import NEAR

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: So many consecutive logical timestamps below a missing one prove a sequence dense.
DENSE = 1_000
#: A longer step is a jump of the sequence, not so many events that are missing.
LONGEST_HOLE = NEAR


def missing(timestamps: Iterable[int], refused: Sequence[Sequence[int]] = ()) -> Iterator[tuple[int, int]]:
    """Yield what is missing where a sequence has proven dense: from and to, both included, in order.

    Args:
        timestamps: Known logical timestamps, in any order.
        refused: Pairs of logical timestamps whose events were refused: they have come.
    """
    known = joined([*([at, at] for at in timestamps), *(list(pair) for pair in refused)], most=2**63)
    for (first, last), (following, _) in itertools.pairwise(known):
        if last - first + 1 >= DENSE and following - last - 1 <= LONGEST_HOLE:
            yield last + 1, following - 1


def last_before_hole(timestamps: Iterable[int], above: int | None, refused: Sequence[Sequence[int]] = ()) -> int | None:
    """Return the logical timestamp before the first hole to wait at; None: there is none.

    Args:
        timestamps: All known logical timestamps from DENSE below `above`, in any order.
        above: Holes below this logical timestamp are not waited at (None: any is).
        refused: Pairs of logical timestamps whose events were refused.
    """
    holes = (first for first, _ in missing(timestamps, refused) if above is None or first > above)
    return next((first - 1 for first in holes), None)
