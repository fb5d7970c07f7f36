"""A PostgreSQL server that follows another one: what may be read from it (docs/design.md, the forms of proof)."""

from __future__ import annotations

import contextlib
import typing as t

import psycopg
import pytest

from tests.mapper.shop_day import completed
from tests.shop.plugin import Finished, run_plugin
from tests.shop.postgresql import PostgreSql
from tests.shop.process import wait_until

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLES = """
CREATE TABLE stock (fulfillment_node_id text, product_id text, quantity bigint);
CREATE TABLE booked (fulfillment_request_id text, product_id text);
INSERT INTO stock VALUES ('DC01', 'SKU-1', 10);
"""
BOOKING = "UPDATE stock SET quantity = 9; INSERT INTO booked VALUES ('fr-11', 'SKU-1')"


class Servers(t.NamedTuple):
    """An ERP's database on its own server, and on the one that follows it."""

    primary: str
    standby: str


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with contextlib.ExitStack() as running:
        primary = running.enter_context(PostgreSql())
        url = primary.new_database()
        do(url, TABLES)
        standby = running.enter_context(primary.new_standby())
        yield Servers(url, standby.url_of(url))


@contextlib.contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


def do(url: str, script: str) -> None:
    with connected(url) as connection:
        connection.execute(script.encode())


def run_mapper(directory: Path, url: str, **settings: object) -> Finished:
    """Run the mapper on one completion."""
    ledger = {"ledger_url": f"sqlite:///{directory / 'ledger.db'}", "on_hand_url": url, "on_hand_table": "stock"}
    event = completed(11, fulfillment_request_id="fr-11")
    bookmark = {"replication_key_value": 11, "position": 1, "store_id": "store", "complete": True}
    messages = [
        {
            "type": "SCHEMA",
            "stream": "fulfillment_events",
            "schema": {"properties": {}},
            "key_properties": ["event_id"],
        },
        {"type": "RECORD", "stream": "fulfillment_events", "record": event},
        {"type": "STATE", "value": {"bookmarks": {"fulfillment_events": bookmark}}},
    ]
    return run_plugin("mapper-newstore-stock", directory, {**ledger, **settings}, messages=messages)


def test_current_is_refused_there_and_only_there(servers: Servers, tmp_path: Path) -> None:
    refused = run_mapper(tmp_path, servers.standby, on_hand_as_of="current")
    assert (refused.code, refused.output) == (2, "")
    (error,) = [line for line in refused.log.splitlines() if "| ERROR" in line]
    assert "on_hand_as_of: current needs the ERP's own numbers, and stock is read from a standby" in error
    assert "Read from the primary, or use booked with the bookings from the same standby" in error
    assert "Traceback" not in refused.log
    taken = run_mapper(tmp_path, servers.primary, on_hand_as_of="current")
    assert taken.code == 0, taken.log
    assert len(taken.records) == 1


def test_booked_is_exact_there_with_the_bookings_of_the_same_standby(servers: Servers, tmp_path: Path) -> None:
    do(servers.primary, BOOKING)

    def has_followed() -> bool:
        with connected(servers.standby) as connection:
            return connection.execute("SELECT count(*) FROM booked").fetchone() == (1,)

    wait_until(has_followed, "booking on the standby")
    settings = {"on_hand_as_of": "booked", "booked_table": "booked", "booked_reversible": True}
    done = run_mapper(tmp_path, servers.standby, **settings)
    assert done.code == 0, done.log
    assert [record["quantity"] for record in done.records] == [9]
