"""Any body posted: never a 500, never a lost event, and every refused body in quarantine with its hole.

`make fuzz` posts 100,000 bodies.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import typing as t
import zlib

import pytest
import requests
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tap_newstore_fulfillment.errors import OtherEntityError
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.tables import fulfillment_event, quarantine

from tests.shop.plugin import run_plugin
from tests.shop.raw_http import H2C, post_request, send
from tests.shop.receiver import Receiver
from tests.tap.any_body import ANY_BODY, changed_events, has_all_stock_needs, may_be_ours, named, readable_timestamp

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.shop.plugin import Finished

BODIES = int(os.environ.get("BODIES", "600"))
CALL_SECONDS = 60
TENANT = "demo"
#: More than 100,000 bodies take, or the oldest would be emptied.
QUARANTINE_MB = 100_000
GZIP = "Content-Encoding: gzip"

fuzzed = settings(
    max_examples=BODIES,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TRANSPORTS: dict[str, Callable[[bytes], bytes]] = {
    "plain": post_request,
    "upgrade": lambda body: post_request(body, *H2C),
    "chunks": lambda body: post_request(body, chunk=99),
    "chunks and upgrade": lambda body: post_request(body, *H2C, chunk=500),
    "gzip": lambda body: post_request(gzip.compress(body, 1), GZIP),
    "gzip, chunks and upgrade": lambda body: post_request(gzip.compress(body, 1), *H2C, GZIP, chunk=77),
}


def unpacked(body: bytes) -> bytes:
    """Return a body whose gzip has lost its header as it was before; empty if that cannot be had."""
    if not body.startswith(b"\x1f\x8b"):
        return body
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error):
        return b""


class Posted:
    """What was posted, and what has to be in the store for it."""

    def __init__(self) -> None:
        self.events: set[str] = set()
        self.others = 0
        self.refused: list[bytes] = []

    def note(self, body: bytes, status: int) -> None:
        """Check one answer."""
        body = unpacked(body)
        if not body.strip():
            # It was lost or damaged on the way.
            assert status == 503
            return
        assert status in (200, 400), (status, body)
        found = named(body)
        if has_all_stock_needs(body):
            assert status == 200, body
        if status == 400:
            assert found is None or may_be_ours(found[0]), body
            self.refused.append(body)
            return
        try:
            event = check_event(body)
        except OtherEntityError:
            assert found is None or not may_be_ours(found[0])
            return
        if event.tenant in (None, TENANT):
            self.events.add(event.event_id)
        else:
            self.others += 1

    def check(self, landing_url: str) -> None:
        """Check that the store holds every event, and every refused body byte for byte with its hole."""
        engine = sa.create_engine(landing_url)
        kept = sa.select(quarantine.c.body, quarantine.c.holes).where(quarantine.c.kind == "refused")
        with contextlib.closing(engine.connect()) as connection:
            assert set(connection.scalars(sa.select(fulfillment_event.c.event_id))) == self.events
            rows = connection.execute(kept.order_by(quarantine.c.id)).all()
        engine.dispose()
        assert [row.body for row in rows] == self.refused
        for body, holes in rows:
            found = named(body)
            at = readable_timestamp(found[1]) if found else None
            assert at is None or [at, at] in json.loads(holes), body


@pytest.mark.fault("F30")
def test_any_body_is_stored_as_an_event_or_in_quarantine(tmp_path: Path) -> None:
    posted = Posted()
    with (
        Receiver(tmp_path, tenant=TENANT, quarantine_max_mb=QUARANTINE_MB) as receiver,
        requests.Session() as session,
    ):

        @fuzzed
        @given(ANY_BODY)
        def post(body: bytes) -> None:
            answer = session.post(receiver.events_url, data=body, timeout=CALL_SECONDS)
            assert answer.status_code == 200 or answer.json()["error"]
            posted.note(body, answer.status_code)

        post()
    posted.check(receiver.landing_url)
    assert len(posted.events) > BODIES / 20
    assert len(posted.refused) > BODIES / 20
    check_that_a_run_gets_past_it_all(tmp_path, receiver.landing_url, posted)


@pytest.mark.fault("F30")
def test_any_event_of_ours_is_taken_however_it_comes(tmp_path: Path) -> None:
    posted = Posted()
    with Receiver(tmp_path, tenant=TENANT) as receiver:

        @fuzzed
        @given(changed_events(), st.sampled_from([*TRANSPORTS]), st.lists(st.integers(1, 600), max_size=3))
        def post(body: bytes, transport: str, pieces: list[int]) -> None:
            request = TRANSPORTS[transport](body)
            pieces = [piece for piece in pieces if piece < len(request)]
            posted.note(body, send(receiver.url, request, pieces=pieces).status)

        post()
    posted.check(receiver.landing_url)
    assert len(posted.events) > BODIES / 10


@pytest.mark.fault("F30")
def test_no_body_that_was_cut_is_ever_judged(tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:

        @settings(fuzzed, max_examples=max(BODIES // 10, 60))
        @given(changed_events(), st.sampled_from([*TRANSPORTS]), st.integers(1, 1_000))
        def post(body: bytes, transport: str, missing: int) -> None:
            request = TRANSPORTS[transport](body)
            assert send(receiver.url, request[:-missing], ends=True).status in (0, 503), (transport, body)

        post()
    Posted().check(receiver.landing_url)


def check_that_a_run_gets_past_it_all(directory: Path, landing_url: str, posted: Posted) -> None:
    """Run the tap both ways; its records can be read, and its bookmark has a hole for every refused timestamp."""
    config = {"landing_url": landing_url, "settle_seconds": 0}
    # The event itself has come, in another body.
    come = {int(event_id.rpartition(":")[2]) for event_id in posted.events}
    for more in ({}, {"stream_maps": {"fulfillment_events": {"one": "1"}}}):
        done = run_plugin("tap-newstore-fulfillment", directory, config | more)
        assert done.code == 0, done.log[-2000:]
        holes = done.states[-1]["bookmarks"]["fulfillment_events"]["holes"]
        for body in posted.refused:
            found = named(body)
            at = readable_timestamp(found[1]) if found else None
            assert at is None or at in come or any(first <= at <= last for first, last in holes), body
        completed = [record for record in done.records if record["event_name"].endswith(".items_completed")]
        assert completed
        assert all(record["fulfillment_location_id"] for record in completed)
        assert all(unit["product_id"] for record in completed for unit in record["items"])
        check_that_the_mapper_gets_past_it_all(directory, done)


def check_that_the_mapper_gets_past_it_all(directory: Path, sent: Finished) -> None:
    """Run the mapper both ways on what the tap has sent; no key has a row, but that stops nothing here."""
    on_hand = directory / "on_hand.csv"
    on_hand.write_text("fulfillment_node_id,product_id,quantity,as_of_logical_timestamp\nDC01,SKU-0,1,\n")
    stock = {"ledger_url": f"sqlite:///{directory / 'ledger.db'}", "on_hand_url": str(on_hand), "max_held_percent": 100}
    for more in ({"output": "allocations"}, stock):
        old = {"ignore_shipped_before": "2025-03-05T00:00:00Z"}
        done = run_plugin("mapper-newstore-stock", directory, old | more, messages=sent.output)
        assert done.code == 0, done.log[-2000:]
        assert done.records or "output" not in more
