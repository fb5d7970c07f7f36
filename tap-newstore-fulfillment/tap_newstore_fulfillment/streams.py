"""The streams the tap emits."""

from __future__ import annotations

import datetime as dt
import typing as t

from singer_sdk import Stream
from singer_sdk import typing as th

from tap_newstore_fulfillment.events import to_record
from tap_newstore_fulfillment.landing import LandingStore
from tap_newstore_fulfillment.release import REPLICATION_KEY, Bookmark, ReleasePlan
from tap_newstore_fulfillment.sources import settled_until

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from singer_sdk.helpers.types import Context, Record

    from tap_newstore_fulfillment.tap import TapNewStoreFulfillment


class FulfillmentEventsStream(Stream):
    """One record per fulfilment event, incremental on its logical timestamp.

    Source: NewStore's fulfilment request events (newstore-api.md, section 4).
    """

    name = "fulfillment_events"
    primary_keys: t.ClassVar[list[str]] = ["event_id"]
    replication_key = REPLICATION_KEY
    is_sorted = True
    # A late event is emitted below the bookmark, on purpose (design rule 2).
    check_sorted = False

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
        th.Property(
            "items",
            th.ArrayType(
                th.ObjectType(
                    th.Property("id", th.StringType, required=True, description="Order item"),
                    th.Property("product_id", th.StringType, required=True),
                    additional_properties=True,
                )
            ),
            required=True,
            description="One entry per unit",
        ),
    ).to_dict()

    _plan: ReleasePlan | None = None

    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Yield the events this run may release, in timestamp order."""
        ready_at = t.cast("TapNewStoreFulfillment", self._tap).ready_at
        store = LandingStore(self.config["landing_url"])
        if store.was_empty:
            self.logger.warning(
                "The landing store was empty and has been created; is newstore-event-receiver writing to it?"
            )
        state = self.get_context_state(context)
        self._plan = store.plan_release(
            Bookmark.from_state(state) if self._is_incremental else Bookmark(),
            received_until=settled_until(self.config, ready_at),
            oldest=self.config.get("start_logical_timestamp"),
        )
        try:
            for arrival in store.released(self._plan):
                yield to_record(arrival.body, received_at=_iso(arrival.received_at), released=True)
        finally:
            store.close()
        if self._is_incremental:
            state.update(self._plan.end.to_state())

    def _increment_stream_state(self, latest_record: Record, *, context: Context | None = None) -> None:
        """Move the bookmark behind a record that was just written.

        The SDK's own step would write the record's timestamp: too far while records with an
        equal timestamp follow, and backwards for a late event.
        """
        if self._plan and self._is_incremental:
            bookmark = self._plan.bookmark_before(latest_record[REPLICATION_KEY])
            self.get_context_state(context).update(bookmark.to_state())

    @property
    def _is_incremental(self) -> bool:
        return self.replication_method == "INCREMENTAL"


def _iso(epoch_ms: int) -> str:
    return dt.datetime.fromtimestamp(epoch_ms / 1000, tz=dt.UTC).isoformat(timespec="milliseconds")
