"""What a run says of refused bodies and of events far ahead: nobody else would notice them."""

from __future__ import annotations

import datetime as dt
import logging
import typing as t

from tap_newstore_fulfillment.landing.far_ahead import warn_of

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_newstore_fulfillment.landing.open_bodies import Holes

logger = logging.getLogger("tap-newstore-fulfillment")

LOOK = "newstore-event-receiver quarantine list shows them; retry or discard them"


def warn(holes: Holes, far_ahead: Sequence[int]) -> dict[str, int]:
    """Log what waits for somebody, and return how many of each kind there are, for the summary of the run.

    Args:
        holes: What refused bodies leave open.
        far_ahead: Logical timestamps of events far ahead of all others.
    """
    if holes.bodies:
        logger.warning(
            "%d refused bodies since %s leave holes at logical timestamps %s: no range covers them, and NewStore goes "
            "on subtracting their units. %s",
            holes.bodies,
            _iso(holes.since),
            _shown(holes.pairs),
            LOOK,
        )
    if holes.unread:
        logger.warning(
            "%d refused bodies since %s have no logical timestamp that can be read, and nobody has looked at them: if "
            "one is a completion, ranges claim it. %s",
            holes.unread,
            _iso(holes.unread_since),
            LOOK,
        )
    for logical_timestamp in far_ahead:
        warn_of(logical_timestamp)
    counts = {"holes": holes.bodies, "refused_without_timestamp": holes.unread, "far_ahead": len(far_ahead)}
    return {name: count for name, count in counts.items() if count}


def _shown(pairs: Sequence[Sequence[int]], most: int = 5) -> str:
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in pairs[:most]]
    return ", ".join([*shown, *(["…"] if len(pairs) > most else [])])


def _iso(epoch_ms: int | None) -> str:
    return dt.datetime.fromtimestamp((epoch_ms or 0) / 1000, tz=dt.UTC).isoformat(timespec="seconds")
