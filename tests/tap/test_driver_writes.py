"""A statement that goes past psycopg's cursor stores, returns and fails as one that does not."""

from __future__ import annotations

import json
import typing as t

import pytest
import sqlalchemy as sa
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing import driver_writes
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from tests.shop.postgresql import PostgreSql


@pytest.mark.parametrize("in_one_call", [True, False])
def test_both_ways_store_and_count_the_same(
    postgresql: PostgreSql, monkeypatch: pytest.MonkeyPatch, *, in_one_call: bool
) -> None:
    calls = []
    original = driver_writes._in_one_call

    def note(*arguments: t.Any) -> list[t.Any] | None:
        calls.append(rows := original(*arguments))
        return rows

    monkeypatch.setattr(driver_writes, "_in_one_call", note)
    url = sa.make_url(postgresql.new_database())
    # libpq would be handed UTF-8, so the cursor writes what this connection takes.
    url = url if in_one_call else url.update_query_dict({"client_encoding": "latin1"})
    store = LandingStore(url.render_as_string(hide_password=False))
    events = [check_event(json.dumps(an_event(number, product)).encode()) for number, product in ((1, "Bär"), (2, "B"))]
    assert [sum(store.add(group).values()) for group in (events[:1], events, events)] == [1, 1, 0]
    assert len(calls) >= 3
    assert {rows is not None for rows in calls} == {in_one_call}
    with store.transaction() as connection:
        kept = connection.execute(sa.text("SELECT event_id, body FROM fulfillment_event ORDER BY position")).tuples()
        rows = list(kept)
    assert rows == [(event.event_id, event.body) for event in events]
    store.close()
