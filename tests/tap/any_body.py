"""Any body a sender may post, and what has to come of it: an oracle that shares no code with the product."""

from __future__ import annotations

import gzip
import json
import math
import re
import typing as t

from hypothesis import strategies as st

from tests.tap.events import ASSIGNED, COMPLETED, an_event, an_older_event

OLDER = {
    "fulfillment_request_assigned": ASSIGNED,
    "fulfillment_request_failed": "fulfillment_request.items_failed",
    "fulfillment_request_completed": COMPLETED,
}
NAMES = [*[COMPLETED] * 6, *[ASSIGNED] * 3, *["fulfillment_request.new"] * 3, *["order.created"] * 3]
MOVING = {*OLDER.values()}
INT64 = st.integers(-(2**63) + 1, 2**63 - 1)
#: What no id has: control characters, and what ends a line for some readers.
CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
TEXTS = [
    "",
    "\x00",
    "a\x7f",
    "a\x85b",
    "a\u2028b",
    "\ud800",
    "x" * 300,
    "ﷺ",
    "2025-03-04T09:15:02Z",
    "0001-01-01T00:00:00",
    "demo",
    "SKU-1",
    ASSIGNED,
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**63) - 1, 10**400, 0])
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(TEXTS)
)
JSON: st.SearchStrategy[t.Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
#: Fields of an event; a number is a place in a list.
PATHS: list[tuple[str | int, ...]] = [
    *((field,) for field in ("tenant", "published_at", "more")),
    *((field,) for field in ("name", "payload", "event")),
    *(
        ("payload", field)
        for field in (
            "id",
            "order_id",
            "logical_timestamp",
            "fulfillment_location_id",
            "associate_id",
            "service_level",
            "items",
            "more",
        )
    ),
    *(("payload", "items", 0, field) for field in ("id", "product_id", "shipped_at", "weight")),
    ("payload", "items", 1),
]
#: Replaced in the text, because no JSON writer would write them.
ODD_TEXTS = ["1e400", "-1e400", "NaN", "Infinity", "1" * 5_000, '"\\ud800"', '"a\tb"', "[" * 60 + "]" * 60, "{}{}", '"']

#: JSON is UTF-8; the others are seen, too.
ENCODINGS = [*["utf-8"] * 6, "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]


@st.composite
def changed_events(draw: st.DrawFn) -> bytes:
    """Draw an event with some fields replaced, dropped or added."""
    at = draw(INT64)
    name = draw(st.sampled_from([*NAMES, COMPLETED.upper(), ""]))
    older = draw(st.sampled_from([*OLDER, "fulfillment_request_new", "order_created"]))
    # Of one location and request each, so that no two events are one by chance.
    body: dict[str, t.Any] = draw(
        st.sampled_from([an_event(at, "A", "B", name=name), an_older_event(at, "A", "B", name=older)])
    )
    for path in draw(st.lists(st.sampled_from(PATHS), max_size=3)):
        _change(body.get("event", body) if path[0] == "payload" else body, path, draw)
    raw = json.dumps(body)
    if draw(st.integers(0, 9)) == 0:
        raw = raw.replace('"STANDARD"', draw(st.sampled_from(ODD_TEXTS)))
    if draw(st.integers(0, 9)) == 0:
        # A name that stands there twice: the last value counts.
        name = json.dumps(next(part for part in reversed(draw(st.sampled_from(PATHS))) if isinstance(part, str)))
        raw = raw.replace(f"{name}: ", f"{name}: {json.dumps(draw(JSON))}, {name}: ")
    return raw.encode(draw(st.sampled_from(ENCODINGS)))


def _change(holder: t.Any, path: tuple[str | int, ...], draw: st.DrawFn) -> None:
    for name in path[:-1]:
        try:
            holder = holder[name]
        except (TypeError, KeyError, IndexError):
            return
    last: t.Any = path[-1]
    if isinstance(holder, dict) and draw(st.booleans()):
        holder.pop(last, None)
    elif isinstance(holder, dict) or (isinstance(holder, list) and last in range(len(holder))):
        holder[last] = draw(JSON)


@st.composite
def garbled(draw: st.DrawFn) -> bytes:
    """Draw an event whose bytes are damaged, truncated, compressed or in another encoding."""
    raw = json.dumps(an_event(draw(st.integers(0, 10**6)), "Ä")).encode()
    cut = draw(st.integers(0, len(raw)))
    return draw(
        st.sampled_from(
            [
                raw[:cut],
                raw[:cut] + draw(st.binary(max_size=4)) + raw[cut:],
                raw + raw,
                raw + b"\n\n",
                gzip.compress(raw),
                raw.decode().encode("utf-16"),
                b"\xef\xbb\xbf" + raw,
            ]
        )
    )


DEEP = st.integers(1, 100_000).map(lambda depth: b'{"name":"x","payload":' + b"[" * depth)
ANY_BODY = changed_events() | garbled() | JSON.map(lambda value: json.dumps(value).encode()) | st.binary() | DEEP


def named(body: bytes) -> tuple[str, dict[str, t.Any]] | None:
    """Return the Event Stream's name and the payload of a body that is an event of any entity."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    holder: t.Any = value
    older, both = value.get("event"), {"name", "payload"}
    if isinstance(older, dict) and (both - value.keys() or not both - older.keys()):
        holder = older
    if not isinstance(holder.get("name"), str) or "payload" not in holder:
        return None
    payload = holder["payload"] if isinstance(holder["payload"], dict) else {}
    return OLDER.get(holder["name"], holder["name"]), payload


def is_ours(name: str) -> bool:
    """Return whether events of this name are those of fulfilment requests."""
    return re.match(r"fulfillment_request[._]", name) is not None


def may_be_ours(name: str) -> bool:
    """Return whether events of this name may be those of fulfilment requests, however it is written."""
    return not name.strip() or is_ours(name.strip().lower())


def readable_timestamp(payload: dict[str, t.Any]) -> int | None:
    """Return the logical timestamp, if it is one."""
    at = payload.get("logical_timestamp")
    return at if type(at) is int and -(2**63) <= at < 2**63 else None


def has_all_stock_needs(body: bytes) -> bool:
    """Return whether a body is an event of ours with the four things stock needs, and with a tenant if it says one."""
    found = named(body)
    if not found or not is_ours(found[0]) or len(found[0]) > 255 or re.search(f"[{CONTROL}]", found[0]):
        return False
    name, payload = found
    tenant = json.loads(body).get("tenant")
    if readable_timestamp(payload) is None or not (tenant in (None, "") or _is_no_text(tenant) or _names(tenant)):
        return False
    items = payload.get("items")
    if name == COMPLETED and not (_names(payload.get("fulfillment_location_id")) and items and isinstance(items, list)):
        return False
    if name not in MOVING or items is None:
        return True
    return isinstance(items, list) and all(isinstance(item, dict) and _names(item.get("product_id")) for item in items)


def _is_no_text(value: t.Any) -> bool:
    return isinstance(value, (dict, list, bool))


def _names(value: t.Any) -> bool:
    """Return whether a value names a location, a product or a tenant."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (isinstance(value, int) or math.isfinite(value)) and len(str(value)) <= 255
    is_plain = isinstance(value, str) and re.fullmatch(rf"[^{CONTROL}\ud800-\udfff]{{1,255}}", value) is not None
    return is_plain and len(value.encode()) <= 3 * 255
