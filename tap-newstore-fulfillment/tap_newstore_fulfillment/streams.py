"""The streams the tap emits."""

from __future__ import annotations

import abc
import typing as t
import uuid

from singer_sdk import Stream
from singer_sdk import typing as th

from tap_newstore_fulfillment import fast_path
from tap_newstore_fulfillment.landing.release import (
    LATE_THROUGH,
    PRUNED_THROUGH,
    REPLICATION_KEY,
    Bookmark,
    ReleasePlan,
)
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.records import item_records, read_record, to_dict
from tap_newstore_fulfillment.sources import waiting_time

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import msgspec
    from singer_sdk.helpers.types import Context, Record

    from tap_newstore_fulfillment.records import EventRecord
    from tap_newstore_fulfillment.tap import TapNewStoreFulfillment


UNIT = th.ObjectType(
    th.Property("id", th.StringType, required=True, description="Order item"),
    th.Property("product_id", th.StringType, required=True),
    additional_properties=True,
)


class LandingStream(Stream):
    """A stream over the landing store, incremental on the logical timestamp (design rules 1 and 2)."""

    replication_key = REPLICATION_KEY
    is_sorted = True
    # A late event is emitted below the bookmark, on purpose (design rule 2).
    check_sorted = False

    _plan: ReleasePlan | None = None

    @abc.abstractmethod
    def rows_of(self, events: list[EventRecord]) -> Sequence[msgspec.Struct]:
        """Give the records of this stream that events make."""

    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Yield what this run may release; see `LandingStore.released`."""
        for events in self._events(context):
            for row in self.rows_of(events):
                yield to_dict(row)

    def _events(self, context: Context | None) -> Iterator[list[EventRecord]]:
        """Give the run's events, some at a time; at the end the bookmark is the plan's."""
        ready_at = t.cast("TapNewStoreFulfillment", self._tap).ready_at
        store = LandingStore(self.config["landing_url"])
        try:
            if store.was_empty:
                self.logger.warning(
                    "The landing store was empty and has been created; is newstore-event-receiver writing to it?"
                )
            self._count(0)
            state = self.get_context_state(context)
            state.pop(LATE_THROUGH, None)
            self._plan = self._make_plan(store, state, ready_at)
            if self._is_incremental:
                self._say_what_is_pruned(store, state)
            self._say_that_more_follows(context)
            for arrivals in store.released_first(self._plan):
                yield [read_record(arrival, released=True) for arrival in arrivals]
            self._say_that_late_ones_follow(state)
            for arrivals in store.released_last(self._plan):
                yield [read_record(arrival, released=True) for arrival in arrivals]
            state.pop(LATE_THROUGH, None)
            if self._is_incremental:
                state.update(self._plan.end.to_state())
            if self.config["emit_unreleased"]:
                for arrivals in store.unreleased(self._plan):
                    yield [read_record(arrival, released=False) for arrival in arrivals]
        finally:
            store.close()

    def _say_that_more_follows(self, context: Context | None) -> None:
        """Write a STATE that is not complete, so that the last one is written also when nothing is released.

        Of a run that ended before its last STATE, a reader can so tell that it did. The SDK leaves
        out a STATE that says what the one before it said.
        """
        if self._plan and self._is_incremental:
            self.get_context_state(context).update(self._plan.bookmark_at_start().to_state())
            self._write_state_that_another_follows()

    def _say_that_late_ones_follow(self, state: dict[str, t.Any]) -> None:
        """Write a STATE with the release mark: what comes after it is not above the mark, and came late."""
        if self._plan and self._plan.late:
            if self._is_incremental:
                state.update(self._plan.bookmark_before(self._plan.late.lowest).to_state())
            state[LATE_THROUGH] = self._plan.through
            self._write_state_that_another_follows()

    def _write_state_that_another_follows(self) -> None:
        self.state_manager.is_flushed = False
        self._write_state_message()
        self.state_manager.is_flushed = False

    def _make_plan(self, store: LandingStore, state: dict[str, t.Any], ready_at: int | None) -> ReleasePlan:
        bookmark = Bookmark.from_state(state, new_reader=str(uuid.uuid4())) if self._is_incremental else Bookmark()
        if self._is_incremental:
            store.retention.note(bookmark)
        settle_ms = waiting_time(self.config)
        return store.plan_release(
            bookmark,
            settle_ms=settle_ms,
            oldest=self.config.get("start_logical_timestamp"),
            settled=store.clock.settled(settle_ms, ready_at),
        )

    def _say_what_is_pruned(self, store: LandingStore, state: dict[str, t.Any]) -> None:
        """Say below which timestamp events may be missing from a replay; who has them all may ignore it."""
        through, oldest = store.retention.pruned_through(), self.config.get("start_logical_timestamp")
        state.pop(PRUNED_THROUGH, None)
        if through is not None and (oldest is None or through >= oldest):
            state[PRUNED_THROUGH] = through

    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> t.Generator[dict[str, t.Any], t.Any, t.Any]:
        """Write records and states; the SDK's own way whenever something changes the records."""
        if write_messages and self.selected and not self.child_streams and fast_path.is_plain(self):
            self._sync_plain_records(context)
            return
        yield from super()._sync_records(context, write_messages=write_messages)

    def _sync_plain_records(self, context: Context | None) -> None:
        """Write the same messages as the SDK would, many at a time."""
        self._write_starting_replication_value(context)
        fast_path.widen_pipe()
        until_state = self.STATE_MSG_FREQUENCY
        with self.get_record_counter() as counter, self.get_sync_timer():
            for events in self._events(context):
                rows = self.rows_of(events)
                while len(rows) >= until_state:
                    self._write_rows(rows[:until_state], counter, context)
                    self._write_state_message()
                    rows, until_state = rows[until_state:], self.STATE_MSG_FREQUENCY
                self._write_rows(rows, counter, context)
                until_state -= len(rows)
        self._finalize_state(self.stream_state)
        self._write_state_message()

    def _write_rows(self, rows: Sequence[t.Any], counter: t.Any, context: Context | None) -> None:
        if not rows:
            return
        fast_path.write_records(self.name, rows, version=self._stream_version)
        counter.increment(len(rows))
        self._count(len(rows))
        self._move_bookmark(rows[-1].logical_timestamp, rows[-1].released, context)
        self.state_manager.is_flushed = False

    def _increment_stream_state(self, latest_record: Record, *, context: Context | None = None) -> None:
        """Move the bookmark behind a record that was just written.

        The SDK's own step would write the record's timestamp: too far while records with an
        equal timestamp follow, and backwards for a late event.
        """
        self._count(1)
        self._move_bookmark(latest_record[REPLICATION_KEY], latest_record["released"], context)

    def _move_bookmark(self, logical_timestamp: int, released: bool, context: Context | None) -> None:
        if self._plan and self._is_incremental and released:
            bookmark = self._plan.bookmark_before(logical_timestamp)
            self.get_context_state(context).update(bookmark.to_state())

    def _count(self, records: int) -> None:
        t.cast("TapNewStoreFulfillment", self._tap).emitted[self.name] += records

    @property
    def _is_incremental(self) -> bool:
        return self.replication_method == "INCREMENTAL"


class FulfillmentEventsStream(LandingStream):
    """One record per fulfilment event.

    Source: NewStore's fulfilment request events (newstore-api.md, section 4).
    """

    name = "fulfillment_events"
    primary_keys: t.ClassVar[list[str]] = ["event_id"]

    schema: t.ClassVar[dict[str, t.Any]] = th.PropertiesList(
        th.Property("event_id", th.StringType, required=True, description="The same for every redelivery"),
        th.Property("event_name", th.StringType, required=True, description="The Event Stream's name"),
        th.Property("tenant", th.StringType, description="Not sent by the older webhook"),
        th.Property("logical_timestamp", th.IntegerType, required=True, description="Order of events"),
        th.Property("published_at", th.DateTimeType, description="When NewStore published it"),
        th.Property("received_at", th.DateTimeType, description="When it was first received here"),
        th.Property("fulfillment_request_id", th.StringType, required=True),
        th.Property("order_id", th.StringType),
        th.Property("fulfillment_location_id", th.StringType, description="The fulfillment node"),
        th.Property("associate_id", th.StringType),
        th.Property("service_level", th.StringType),
        th.Property("released", th.BooleanType, required=True, description="At or below the release mark"),
        th.Property("items", th.ArrayType(UNIT), required=True, description="One entry per unit"),
    ).to_dict()

    def rows_of(self, events: list[EventRecord]) -> Sequence[msgspec.Struct]:
        """Give the events themselves."""
        return events


class FulfillmentEventItemsStream(LandingStream):
    """One record per unit, for warehouses that do not unpack JSON. Not selected by default."""

    name = "fulfillment_event_items"
    primary_keys: t.ClassVar[list[str]] = ["event_id", "item_number"]
    selected_by_default = False

    schema: t.ClassVar[dict[str, t.Any]] = th.PropertiesList(
        th.Property("event_id", th.StringType, required=True, description="The event this unit belongs to"),
        th.Property("item_number", th.IntegerType, required=True, description="Place in the event's items, from 0"),
        th.Property("event_name", th.StringType, required=True, description="The Event Stream's name"),
        th.Property("tenant", th.StringType, description="Not sent by the older webhook"),
        th.Property("logical_timestamp", th.IntegerType, required=True, description="Order of events"),
        th.Property("published_at", th.DateTimeType, description="When NewStore published the event"),
        th.Property("fulfillment_request_id", th.StringType, required=True),
        th.Property("order_id", th.StringType),
        th.Property("fulfillment_location_id", th.StringType, description="The fulfillment node"),
        th.Property("released", th.BooleanType, required=True, description="At or below the release mark"),
        th.Property("item_id", th.StringType, required=True, description="Order item"),
        th.Property("product_id", th.StringType, required=True),
    ).to_dict()

    def rows_of(self, events: list[EventRecord]) -> Sequence[msgspec.Struct]:
        """Give one record for each unit of the events."""
        return [row for event in events for row in item_records(event)]
