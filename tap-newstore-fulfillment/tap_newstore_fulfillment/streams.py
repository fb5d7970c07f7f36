"""The streams the tap emits."""

from __future__ import annotations

import abc
import contextlib
import typing as t

from singer_sdk import Stream
from singer_sdk import typing as th

from tap_newstore_fulfillment import fast_path
from tap_newstore_fulfillment.landing.release import REPLICATION_KEY
from tap_newstore_fulfillment.progress import long_step
from tap_newstore_fulfillment.records import item_records, to_dict
from tap_newstore_fulfillment.release_run import ReleaseRun
from tap_newstore_fulfillment.sources import open_store

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from singer_sdk.helpers.types import Context, Record

    from tap_newstore_fulfillment.progress import Step
    from tap_newstore_fulfillment.records import EventRecord, ItemRecord
    from tap_newstore_fulfillment.tap import TapNewStoreFulfillment


UNIT = th.ObjectType(
    th.Property("id", th.StringType, description="Order item"),
    th.Property("product_id", th.StringType, required=True),
    additional_properties=True,
)


class LandingStream(Stream):
    """A stream over the landing store, incremental on the logical timestamp (design rules 1 and 2)."""

    replication_key = REPLICATION_KEY
    is_sorted = True
    # Late events are emitted below the bookmark, on purpose (design rule 2).
    check_sorted = False

    _run: ReleaseRun | None = None
    _step: Step | None = None
    _row: EventRecord | ItemRecord | None = None

    @abc.abstractmethod
    def rows_of(self, events: list[EventRecord]) -> Sequence[EventRecord | ItemRecord]:
        """Return the records of this stream for a batch of events."""

    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Yield what this run may release, in the order of `ReleaseRun.events`."""
        with self._open_run(context) as self._run:
            for events in self._run.events(self._emit_incomplete_state):
                for row in self.rows_of(events):
                    self._row = row
                    yield to_dict(row)

    @contextlib.contextmanager
    def _open_run(self, context: Context | None) -> Iterator[ReleaseRun]:
        ready_at = t.cast("TapNewStoreFulfillment", self._tap).ready_at
        store = open_store(self.config)
        try:
            if store.was_empty:
                self.logger.warning(
                    "The landing store was empty and has been created; is newstore-event-receiver writing to it?"
                )
            self._count(0)
            run = ReleaseRun(
                store,
                self.config,
                self.get_context_state(context),
                is_incremental=self.replication_method == "INCREMENTAL",
                ready_at=ready_at,
            )
            t.cast("TapNewStoreFulfillment", self._tap).warn_once(run.holes, store)
            with long_step(f"Sending {self.name}", "records") as self._step:
                yield run
        finally:
            store.close()

    def _emit_incomplete_state(self) -> None:
        """Write a STATE message that more messages follow, also when no record has gone out since the last one."""
        self.state_manager.is_flushed = False
        self._write_state_message()

    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> t.Generator[dict[str, t.Any], t.Any, t.Any]:
        """Write records and states: by the fast path, or by the SDK's own way when something changes the records."""
        if write_messages and self.selected and not self.child_streams and fast_path.is_plain(self):
            self._sync_plain_records(context)
            return
        yield from super()._sync_records(context, write_messages=write_messages)

    def _sync_plain_records(self, context: Context | None) -> None:
        """Write the same messages as the SDK would, many at a time."""
        self._write_starting_replication_value(context)
        fast_path.widen_pipe()
        until_state = self.STATE_MSG_FREQUENCY
        with self.get_record_counter() as counter, self.get_sync_timer(), self._open_run(context) as run:
            for events in run.events(self._emit_incomplete_state):
                rows = self.rows_of(events)
                while len(rows) >= until_state:
                    self._write_rows(rows[:until_state], counter, run)
                    self._write_state_message()
                    rows, until_state = rows[until_state:], self.STATE_MSG_FREQUENCY
                self._write_rows(rows, counter, run)
                until_state -= len(rows)
        self._finalize_state(self.stream_state)
        self._write_state_message()

    def _write_rows(self, rows: Sequence[EventRecord | ItemRecord], counter: t.Any, run: ReleaseRun) -> None:
        if not rows:
            return
        fast_path.write_records(self.name, rows, version=self._stream_version)
        counter.increment(len(rows))
        self._count(len(rows))
        run.note_sent(rows)
        self.state_manager.is_flushed = False

    def _increment_stream_state(self, latest_record: Record, *, context: Context | None = None) -> None:
        """Move the bookmark as far as a record the SDK just wrote allows.

        The SDK's own bookmark would be the record's timestamp: too far while records with an
        equal timestamp follow, and backwards for a late event. Of the record, only what is selected is left here.
        """
        del context, latest_record
        self._count(1)
        if self._run and self._row:
            self._run.note_sent([self._row])

    def _count(self, records: int) -> None:
        t.cast("TapNewStoreFulfillment", self._tap).emitted[self.name] += records
        if self._step:
            self._step.count += records


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
        th.Property("fulfillment_request_id", th.StringType),
        th.Property("order_id", th.StringType),
        th.Property("fulfillment_location_id", th.StringType, description="The fulfillment node"),
        th.Property("associate_id", th.StringType),
        th.Property("service_level", th.StringType),
        th.Property("released", th.BooleanType, required=True, description="At or below the release mark"),
        th.Property("items", th.ArrayType(UNIT), required=True, description="One entry per unit"),
    ).to_dict()

    def rows_of(self, events: list[EventRecord]) -> Sequence[EventRecord]:
        """Return the events themselves."""
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
        th.Property("fulfillment_request_id", th.StringType),
        th.Property("order_id", th.StringType),
        th.Property("fulfillment_location_id", th.StringType, description="The fulfillment node"),
        th.Property("released", th.BooleanType, required=True, description="At or below the release mark"),
        th.Property("item_id", th.StringType, description="Order item"),
        th.Property("product_id", th.StringType, required=True),
    ).to_dict()

    def rows_of(self, events: list[EventRecord]) -> Sequence[ItemRecord]:
        """Return one record per unit of the events."""
        return [row for event in events for row in item_records(event)]
