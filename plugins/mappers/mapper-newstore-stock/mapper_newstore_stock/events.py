"""The part of a `fulfillment_events` record that moves stock."""

from __future__ import annotations

import datetime as dt
import typing as t

import msgspec

from mapper_newstore_stock.errors import ChangedStreamError

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STREAM = "fulfillment_events"
ASSIGNED = "fulfillment_request.assigned"
COMPLETED = "fulfillment_request.items_completed"
FAILED = "fulfillment_request.items_failed"

#: What every record must say; null is for tenant and fulfillment_location_id.
NEEDED_FIELDS = (
    "event_id",
    "event_name",
    "logical_timestamp",
    "tenant",
    "fulfillment_location_id",
    "released",
    "items",
)
#: What a completion is proven by, for each form of proof that needs it.
PROVEN_BY = {"taken_at": ("published_at",), "booked": ("fulfillment_request_id", "order_id")}
#: Where a day begins and ends last.
WESTERNMOST = dt.timezone(dt.timedelta(hours=-12))
#: As text: 2025-03-04 or 2025-W10-2; a time makes it longer.
LONGEST_DAY = 10
#: A logical timestamp is one of these.
INT64 = range(-(2**63), 2**63)


class Item(msgspec.Struct, gc=False):
    """One unit of one product.

    Attributes:
        shipped_at: As it was sent: the tap takes any value (design rule 18). What is no moment says nothing.
    """

    product_id: str
    shipped_at: t.Any = None


LogicalTimestamp = t.Annotated[int, msgspec.Meta(ge=INT64[0], le=INT64[-1])]


class Event(msgspec.Struct, gc=False):
    """The fields of a record that stock depends on (the tap's schema). No default moves stock."""

    event_id: str
    event_name: str
    logical_timestamp: LogicalTimestamp
    released: bool
    items: list[Item]
    tenant: str | None = None
    fulfillment_location_id: str | None = None
    published_at: str | None = None
    fulfillment_request_id: str | None = None
    order_id: str | None = None


#: event_id, published_at in epoch milliseconds (None: not said, or not readable), fulfillment_request_id, order_id.
Reference = tuple[str, int | None, str | None, str | None]
#: Units of one product that left one shelf with one event: fulfillment_node_id, product_id,
#: logical_timestamp, event_id, number of units.
CompletedUnits = tuple[str, str, int, str, int]


def check_schema(schema: object, forms: Iterable[str]) -> None:
    """Check that the stream `fulfillment_events` has all fields the numbers depend on (design rule 14).

    A schema that names no property says nothing; then each record is checked alone.

    Args:
        schema: The JSON schema of the SCHEMA message.
        forms: The forms of proof of all sources (`on_hand_as_of`).

    Raises:
        InputError: a field is missing.
    """
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not properties:
        return
    needed = (*NEEDED_FIELDS, *(name for form in forms for name in PROVEN_BY.get(form, ())))
    if missing := [name for name in needed if name not in properties]:
        raise ChangedStreamError(
            f"the SCHEMA of {STREAM} has no {', '.join(missing)}: nothing is declared. Select all fields of the "
            f"stream, and let no stream map or other mapper before newstore-stock drop one"
        )


def read_event(record: dict[str, t.Any]) -> Event:
    """Check a record of the stream `fulfillment_events`.

    Raises:
        MapperError: a field is missing or of the wrong type.
    """
    try:
        return msgspec.convert(record, Event)
    except msgspec.ValidationError as error:
        event_id = record.get("event_id") if isinstance(record, dict) else None
        raise ChangedStreamError(
            f"a record of {STREAM} ({event_id}) cannot be read: {error}. Select all its fields "
            f"and let no stream map change them"
        ) from error


def completed_units(events: Iterable[Event], ignore_before: int | None = None) -> Iterator[CompletedUnits]:
    """Yield what events take off the shelf: each completion its units, other events nothing.

    Args:
        events: Records of the tap.
        ignore_before: Units shipped before it (epoch milliseconds) never stood on this shelf: they count as 0 units,
            so that ranges cover their timestamp (design rule 17).

    Raises:
        MapperError: a completion names no fulfillment node.
    """
    for event in events:
        if event.event_name != COMPLETED or not event.items:
            continue
        node, event_id, items = node_of(event), event.event_id, event.items
        # Nearly no text has a NUL: to look for one costs less than a call.
        if "\0" in event_id:
            event_id = as_kept(event_id)
        if ignore_before is None and len(items) == 1:
            product = items[0].product_id
            yield node, as_kept(product) if "\0" in product else product, event.logical_timestamp, event_id, 1
            continue
        for product, units in units_here(items, ignore_before).items():
            yield node, product, event.logical_timestamp, event_id, units


def units_here(items: Iterable[Item], ignore_before: int | None) -> dict[str, int]:
    """Return the units of each product that stood on this shelf: not those shipped before a moment.

    Args:
        items: Of one event.
        ignore_before: Epoch milliseconds; None: all of them did.
    """
    units: dict[str, int] = {}
    for item in items:
        shipped_at = None if ignore_before is None else _epoch_ms(item.shipped_at)
        is_old = ignore_before is not None and shipped_at is not None and shipped_at < ignore_before
        product = as_kept(item.product_id)
        units[product] = units.get(product, 0) + (not is_old)
    return units


def references(events: Iterable[Event]) -> Iterator[Reference]:
    """Yield what completions can be proven by."""
    for event in events:
        if event.event_name == COMPLETED and event.items:
            ids = (event.fulfillment_request_id, event.order_id)
            kept = [None if reference is None else as_kept(reference) for reference in ids]
            yield as_kept(event.event_id), _epoch_ms(event.published_at), kept[0], kept[1]


def as_kept(text: str) -> str:
    """Return a text as every ledger can keep it: PostgreSQL takes no NUL, and no key of the ERP has one either."""
    return text.replace("\0", "\ufffd")


def node_of(event: Event) -> str:
    """Return the fulfillment node of an event that moves stock.

    Raises:
        MapperError: it names none.
    """
    if not event.fulfillment_location_id:
        doing = "completes units" if event.event_name == COMPLETED else "moves units"
        raise ChangedStreamError(
            f"event {event.event_id} {doing} but names no fulfillment_location_id",
            "Select all fields of the stream, and let no stream map change them",
        )
    node = event.fulfillment_location_id
    return as_kept(node) if "\0" in node else node


def _epoch_ms(text: t.Any) -> int | None:
    """Return a moment in epoch milliseconds; None when it cannot be read: then it says nothing.

    A day, or a time without a zone, is read as the latest moment it can mean: what is later proves less.
    """
    if not isinstance(text, str):
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
        if moment.tzinfo is None:
            days = 1 if len(text) <= LONGEST_DAY else 0
            moment = moment.replace(tzinfo=WESTERNMOST) + dt.timedelta(days=days)
        return int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
