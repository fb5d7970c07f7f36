"""What stock needs of an event: the location and the products of its units. Nothing else is a reason to refuse it."""

from __future__ import annotations

import hashlib
import re
import typing as t

import msgspec

from tap_newstore_fulfillment.errors import EventRejectedError

COMPLETED = "fulfillment_request.items_completed"
#: Events whose units move stock or allocations; of all others the items are taken where they are units.
MOVING = frozenset({COMPLETED, "fulfillment_request.assigned", "fulfillment_request.items_failed"})
#: NewStore's own limit for ids of products.
LONGEST_ID = 255
#: A key of several such texts still fits into an index of PostgreSQL.
LONGEST_ID_BYTES = 3 * LONGEST_ID
# PostgreSQL cannot store NUL, and no real id has any control character. The target sends no number of a key with one,
# so no range may cover its completions.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
#: Stands for bytes that are no text.
REPLACED = "\ufffd"
KINDS = {dict: "object", list: "array", type(None): "null"}
ASK_NEWSTORE = (
    "; without them nobody knows which units left which shelf: ask NewStore to send items and "
    "fulfillment_location_id with this webhook, or to deliver through the Event Stream (newstore-event-receiver "
    "register)"
)

Object = dict[str, t.Any]


def described(value: t.Any) -> str:
    """Return what an error text calls a JSON value: its type, never the value."""
    return KINDS.get(type(value), type(value).__name__)


def is_id(text: str) -> bool:
    """Return whether a text can name something: 1 to 255 characters, none of them a control character."""
    return 0 < len(text) <= LONGEST_ID and (text.isprintable() or not CONTROL.search(text)) and _fits(text)


def _fits(text: str) -> bool:
    """Return whether every database can store and index a text."""
    return len(text) <= LONGEST_ID and (text.isascii() or len(text.encode()) <= LONGEST_ID_BYTES)


def as_text(value: t.Any) -> str | None:
    """Return any JSON value as text; None stays None, and text stays as it is."""
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()


def as_reference(value: t.Any) -> str | None:
    """Return any JSON value as text every database can store and index; None stays None."""
    # Nearly all are plain: to see that costs less than a call.
    if value is None or (type(value) is str and len(value) <= LONGEST_ID and value.isascii() and value.isprintable()):
        return value
    text = CONTROL.sub(REPLACED, str(as_text(value)))
    return text if _fits(text) else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def location_of(name: str, value: t.Any, path: str, *, is_lossy: bool) -> str | None:
    """Return the fulfillment node of an event.

    Raises:
        EventRejectedError: a completion names none.
    """
    if name != COMPLETED:
        return as_reference(value)
    if value is None or value == "":
        raise EventRejectedError(f"{path}.fulfillment_location_id: required in {COMPLETED}{_advice(path)}")
    return _needed(value, f"{path}.fulfillment_location_id", is_lossy=is_lossy)


def units_of(name: str, items: t.Any, path: str, *, is_lossy: bool) -> list[t.Any] | None:
    """Return an event's units, each with the id of its product as text; the same object if nothing changes.

    Raises:
        EventRejectedError: units that move stock or allocations are not all there. A completion of none is one whose
            units somebody left out.
    """
    if name == COMPLETED and (items is None or items == []):
        raise EventRejectedError(f"{path}: required in {COMPLETED}{_advice(path)}")
    if items is None:
        return None
    if not isinstance(items, list):
        if name in MOVING:
            raise EventRejectedError(f"{path}: expected array, got {described(items)}")
        return None
    if name not in MOVING:
        units = [item for item in items if _is_plain_unit(item)]
        return items if len(units) == len(items) else units
    if not is_lossy and all(map(_is_plain_unit, items)):
        return items
    return [_unit(item, f"{path}[{number}]", is_lossy=is_lossy) for number, item in enumerate(items)]


def _is_plain_unit(item: t.Any) -> bool:
    """Return whether a unit is as the stream's schema has it."""
    if not isinstance(item, dict):
        return False
    product, item_id = item.get("product_id"), item.get("id")
    return isinstance(product, str) and is_id(product) and as_reference(item_id) == item_id


def _unit(item: t.Any, path: str, *, is_lossy: bool) -> Object:
    if not isinstance(item, dict):
        raise EventRejectedError(f"{path}: expected object, got {described(item)}")
    if "product_id" not in item:
        raise EventRejectedError(f"{path}.product_id: required")
    return {**item, "product_id": _needed(item["product_id"], f"{path}.product_id", is_lossy=is_lossy)} | (
        {"id": as_reference(item["id"])} if "id" in item else {}
    )


def _needed(value: t.Any, path: str, *, is_lossy: bool) -> str:
    """Return an id that stock depends on."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise EventRejectedError(f"{path}: expected str, got {described(value)}")
    text = value if isinstance(value, str) else str(as_text(value))
    if not is_id(text):
        raise EventRejectedError(
            f"{path}: expected 1 to {LONGEST_ID} characters, {LONGEST_ID_BYTES} bytes at most, none of them a control "
            f"character; got {len(text)}"
        )
    if is_lossy and REPLACED in text:
        raise EventRejectedError(f"{path}: not UTF-8")
    return text


def _advice(path: str) -> str:
    return ASK_NEWSTORE if path.startswith("event.") else ""
