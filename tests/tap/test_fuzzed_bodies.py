"""Any body posted: never a 500, never a lost event, and every refused body in quarantine.

`make fuzz` posts 100,000 bodies.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import typing as t

import requests
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.tables import fulfillment_event, quarantine

from tests.shop.receiver import Receiver
from tests.tap.events import an_event, an_older_event

if t.TYPE_CHECKING:
    from pathlib import Path

BODIES = int(os.environ.get("BODIES", "600"))
CALL_SECONDS = 60

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**63) - 1, 10**400, 0])
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(["", "\x00", "\ud800", "x" * 300, "ﷺ", "2025-03-04T09:15:02Z", "fulfillment_request.assigned"])
)
JSON: st.SearchStrategy[t.Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
PATHS: list[tuple[str, ...]] = [
    ("tenant",),
    ("name",),
    ("published_at",),
    ("payload",),
    ("event",),
    *(("payload", field) for field in ("id", "logical_timestamp", "items", "order_id", "fulfillment_location_id")),
]


@st.composite
def changed_events(draw: st.DrawFn) -> bytes:
    """Draw an event with some fields replaced, dropped or added."""
    at = draw(st.integers(min_value=-(2**63), max_value=2**63 - 1))
    body: dict[str, t.Any] = draw(st.sampled_from([an_event(at, "A", "B"), an_older_event(at)]))
    for path in draw(st.lists(st.sampled_from(PATHS), max_size=3)):
        holder = body
        for name in path[:-1]:
            if isinstance(holder.get(name), dict):
                holder = holder[name]
        if draw(st.booleans()):
            holder.pop(path[-1], None)
        else:
            holder[path[-1]] = draw(JSON)
    return json.dumps(body).encode()


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


def test_any_body_is_stored_as_an_event_or_in_quarantine(tmp_path: Path) -> None:
    events: set[str] = set()
    refused: list[bytes] = []
    with Receiver(tmp_path) as receiver, requests.Session() as session:

        @settings(
            max_examples=BODIES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(ANY_BODY)
        def post(body: bytes) -> None:
            answer = session.post(receiver.events_url, data=body, timeout=CALL_SECONDS)
            assert answer.status_code in (200, 400), (answer.status_code, body)
            if answer.status_code == 200:
                events.add(check_event(body).event_id)
            else:
                assert answer.json()["error"]
                refused.append(body)

        post()
    engine = sa.create_engine(receiver.landing_url)
    with contextlib.closing(engine.connect()) as connection:
        assert set(connection.scalars(sa.select(fulfillment_event.c.event_id))) == events
        assert list(connection.scalars(sa.select(quarantine.c.body).order_by(quarantine.c.id))) == refused
    engine.dispose()
    assert len(events) > BODIES / 20
    assert len(refused) > BODIES / 20
