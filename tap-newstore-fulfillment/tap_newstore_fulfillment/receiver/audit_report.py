"""What an audit found, for people and programs: never bodies."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from tap_newstore_fulfillment.events import COMPLETED, check_event
from tap_newstore_fulfillment.records import item_records, read_record

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_newstore_fulfillment.landing.audits import Period
    from tap_newstore_fulfillment.landing.store import Arrival

MOST_NAMED = 10


@dataclasses.dataclass
class AuditReport:
    """The findings of one audit, which may take several replays.

    Attributes:
        period: Which publications were compared.
        delivered: How many events the last replay brought.
        missing: Ids of known events of the period that it did not bring.
        lost: How many events were not known.
        set_aside: How many of those are in quarantine now, refused or not ours; all others are stored.
        lowest: Lowest logical timestamp of those.
        highest: Highest logical timestamp of those.
        events: Ids of the first of those.
        units: How many units those completed.
        unit_minutes: The sum of the minutes since they were published: the most they can have been oversold.
        is_whole: What was known of the period came again, so that what was lost has come, too.
    """

    period: Period
    delivered: int = 0
    missing: list[str] = dataclasses.field(default_factory=list)
    lost: int = 0
    set_aside: int = 0
    lowest: int | None = None
    highest: int | None = None
    events: list[str] = dataclasses.field(default_factory=list)
    units: int = 0
    unit_minutes: float = 0.0
    is_whole: bool = False

    def add(self, lost: Iterable[Arrival], now: float) -> None:
        """Add events that were lost; `now` is epoch seconds."""
        for arrival in lost:
            self.lost += 1
            if len(self.events) < MOST_NAMED:
                self.events.append(arrival.event_id)
            if not arrival.body:
                self.set_aside += 1
                continue
            at = arrival.logical_timestamp
            self.lowest = at if self.lowest is None else min(self.lowest, at)
            self.highest = at if self.highest is None else max(self.highest, at)
            if arrival.event_name == COMPLETED:
                self._add_units(arrival, now)

    def _add_units(self, arrival: Arrival, now: float) -> None:
        units = len(item_records(read_record(arrival, released=True)))
        published_at = check_event(arrival.body.encode()).published_at
        self.units += units
        self.unit_minutes += units * max(0.0, now - (now if published_at is None else published_at)) / 60

    def to_dict(self) -> dict[str, t.Any]:
        """Return the findings as JSON has them."""
        return {
            "starts_at": _iso(self.period.starts_at),
            "ends_at": _iso(self.period.ends_at),
            "delivered": self.delivered,
            "missing": len(self.missing),
            "lost": self.lost,
            "set_aside": self.set_aside,
            "lowest_logical_timestamp": self.lowest,
            "highest_logical_timestamp": self.highest,
            "events": self.events,
            "units": self.units,
            "unit_minutes": round(self.unit_minutes, 3),
            "whole": self.is_whole,
        }

    def lines(self) -> list[str]:
        """Return the findings as sentences."""
        period = f"{_iso(self.period.starts_at)} to {_iso(self.period.ends_at)}"
        said = [f"Events of {period} that NewStore delivered again: {self.delivered}"]
        if taken := self.lost - self.set_aside:
            said.append(f"Lost, and taken now: {taken}, logical timestamps {self.lowest} to {self.highest}")
        if self.set_aside:
            said.append(
                f"Lost, and set aside now: {self.set_aside}; newstore-event-receiver quarantine list shows them"
            )
        if self.lost:
            said.append(f"The first of them: {', '.join(self.events)}")
        if self.units:
            said.append(
                f"Units they completed: {self.units}, oversold for {self.unit_minutes:.1f} unit-minutes at most"
            )
        if not self.lost and self.is_whole:
            said.append("Nothing had been lost")
        return said


def _iso(epoch_ms: int) -> str:
    return dt.datetime.fromtimestamp(epoch_ms / 1000, tz=dt.UTC).isoformat(timespec="milliseconds")
