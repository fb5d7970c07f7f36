"""A landing store of 0.1.0 is brought into today's form in one transaction, and what is wrong in it is set right."""

from __future__ import annotations

import contextlib
import json
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from tap_newstore_fulfillment.landing import upgrade
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.landing.tables import ANOTHER_TENANT, REFUSED

from tests.tap.events import an_event
from tests.upgrades.stores import kind_of, load

if t.TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPTS = Path(__file__).parent / "0.1.0"
NAME = "fulfillment_request.items_completed"
IN_THE_SCRIPT = list(range(1, 11))
#: What a receiver of 0.1.0 stores a group of events with, word for word, by kind of database.
STATEMENTS_OF_0_1_0 = {
    "sqlite": """
INSERT INTO fulfillment_event (event_id, event_name, logical_timestamp, received_at, body)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), ?,
  json_extract(value, '$[3]')
FROM json_each(?) WHERE true ORDER BY key
ON CONFLICT (event_id) DO NOTHING
""",
    "postgresql": """
WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock(7954895654578254437))
INSERT INTO fulfillment_event (event_id, event_name, logical_timestamp, received_at, body)
SELECT event ->> 0, event ->> 1, (event ->> 2)::bigint,
  coalesce(%s::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint), event ->> 3
FROM locked, json_array_elements(%s::json) WITH ORDINALITY AS events (event, number) ORDER BY number
ON CONFLICT (event_id) DO NOTHING RETURNING event_name
""",
}


@pytest.fixture
def old(database_url: str) -> Iterator[sa.Engine]:
    """Return the database of a landing store that 0.1.0 wrote."""
    load(database_url, SCRIPTS / f"landing.{kind_of(database_url)}.sql")
    engine = sa.create_engine(database_url)
    yield engine
    engine.dispose()


def keep(engine: sa.Engine, at: int, body: str, name: str = NAME) -> None:
    """Store an event as 0.1.0 did."""
    group = json.dumps([[f"{name}:fr-{at}:{at}", name, at, body]])
    with engine.begin() as connection:
        connection.exec_driver_sql(STATEMENTS_OF_0_1_0[engine.dialect.name], (0, group))


def refuse(engine: sa.Engine, body: bytes) -> None:
    """Put a body into quarantine as 0.1.0 did."""
    statement = sa.text("INSERT INTO quarantine (received_at, path, reason, body) VALUES (0, '/events', 'old', :body)")
    with engine.begin() as connection:
        connection.execute(statement, {"body": body})


def text(at: int, **fields: t.Any) -> str:
    return json.dumps(an_event(at, request=f"fr-{at}", **fields))


def released(store: LandingStore) -> list[int]:
    plan = store.plan_release(Bookmark(), now=2**42)
    return sorted(arrival.logical_timestamp for part in store.released(plan) for arrival in part)


def test_what_0_1_0_should_not_have_kept_is_set_aside(old: sa.Engine, database_url: str) -> None:
    keep(old, 20, text(20))
    keep(old, 21, text(21).replace('"demo"', '"other"'))
    keep(old, 22, text(22).replace('"DC01"', '"DC\\u0000"'))
    keep(old, 23, text(23).replace('"SKU-1"}', '"SKU-1", "weight": 1e400}'))
    keep(old, 24, text(24, name="order.created"), "order.created")
    keep(old, 25, text(25))
    with contextlib.closing(LandingStore(database_url)) as store:
        assert released(store) == [*IN_THE_SCRIPT, 20, 23, 25]
        added = {(entry.kind, entry.reason.split(":")[0]): entry.holes for entry in store.quarantine.list()[1:]}
        assert added == {
            (ANOTHER_TENANT, "an event of tenant other; this landing store is demo's. If it is not, set tenant"): [],
            (REFUSED, "payload.fulfillment_location_id"): [[22, 22]],
        }


def test_bodies_0_1_0_refused_make_holes_and_those_of_orders_are_dropped(old: sa.Engine, database_url: str) -> None:
    refuse(old, text(30, associate_id=4711).encode())
    refuse(old, json.dumps({"name": "order.created", "payload": {"customer": "Ada"}}).encode())
    with contextlib.closing(LandingStore(database_url)) as store:
        holes = store.quarantine.holes()
        assert (holes.pairs, holes.unread) == ([[30, 30]], 1)
        assert [entry.size for entry in store.quarantine.list()] == [len(b"no event"), len(text(30, associate_id=4711))]


@pytest.mark.parametrize("tenant", ["other", None])
def test_of_two_tenants_the_one_set_stays_else_the_one_with_more_events(
    old: sa.Engine, database_url: str, tenant: str | None
) -> None:
    keep(old, 21, text(21).replace('"demo"', '"other"'))
    with contextlib.closing(LandingStore(database_url, tenant=tenant)) as store:
        assert released(store) == ([21] if tenant else IN_THE_SCRIPT)
        assert {entry.kind for entry in store.quarantine.list()[1:]} == {ANOTHER_TENANT}


def test_an_upgrade_cut_short_changes_nothing_and_the_next_one_succeeds(
    old: sa.Engine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(old, 21, text(21).replace('"demo"', '"other"'))
    before = [column["name"] for column in sa.inspect(old).get_columns("quarantine")]

    def dies(*_arguments: object) -> t.NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(upgrade, "sweep", dies)
        with pytest.raises(KeyboardInterrupt):
            LandingStore(database_url)
    with old.connect() as connection:
        assert connection.scalar(sa.text("SELECT schema_version FROM landing_store")) == 2
    assert [column["name"] for column in sa.inspect(old).get_columns("quarantine")] == before
    with contextlib.closing(LandingStore(database_url)) as store:
        assert released(store) == IN_THE_SCRIPT


def test_a_receiver_of_0_1_0_that_still_runs_goes_on_writing(old: sa.Engine, database_url: str) -> None:
    LandingStore(database_url).close()
    for _ in ("new", "again"):
        keep(old, 20, text(20))
    refuse(old, b"temp")
    with contextlib.closing(LandingStore(database_url)) as store:
        assert released(store) == [*IN_THE_SCRIPT, 20]
        assert store.quarantine.holes().unread == 2
