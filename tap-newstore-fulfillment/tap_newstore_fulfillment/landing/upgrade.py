"""Brings the landing store of an earlier version into this version's form, in one transaction."""

from __future__ import annotations

import collections
import json
import logging
import time
import typing as t

import msgspec
import sqlalchemy as sa

from tap_newstore_fulfillment.errors import OtherEntityError, TapError
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.quarantine import new_row
from tap_newstore_fulfillment.landing.sweep import ROWS_AT_ONCE, sweep
from tap_newstore_fulfillment.landing.tables import (
    SCHEMA_VERSION,
    fulfillment_event,
    landing_store,
    metadata,
    pruning,
    quarantine,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger("tap-newstore-fulfillment.landing")

#: The columns that version 3 added.
ADDED = (
    landing_store.c.tenant,
    quarantine.c.kind,
    quarantine.c.event_id,
    quarantine.c.holes,
    quarantine.c.bytes,
    quarantine.c.line,
    quarantine.c.looked_at,
    pruning.c.completed_position,
)


class Step(t.NamedTuple):
    """The way from one version to the next.

    Attributes:
        what: What it does, in a few words.
        take: Does it.
    """

    what: str
    take: Callable[[sa.Connection], None]


def upgrade(connection: sa.Connection, version: int) -> None:
    """Bring an open store into this version's form; the caller commits.

    A receiver of the earlier version may still be writing: the columns it does not know have defaults.

    """
    began = time.monotonic()
    metadata.create_all(connection)
    for step in steps_from(version):
        step.take(connection)
    connection.execute(landing_store.update().values(schema_version=SCHEMA_VERSION))
    logger.info("The landing store was %s", brought_from(version, time.monotonic() - began))


def is_older(version: int) -> bool:
    """Return whether there is a way from a version to this one."""
    return version < SCHEMA_VERSION and version in _STEPS


def steps_from(version: int) -> list[Step]:
    """Return the steps from a version to this one."""
    return [_STEPS[number] for number in range(version, SCHEMA_VERSION)]


def what_is_done(version: int) -> str:
    """Return what an upgrade from a version does, in a few words."""
    return "; ".join(step.what for step in steps_from(version))


def brought_from(version: int, seconds: float) -> str:
    """Return what an upgrade from a version has done to a store, and how long it took."""
    return f"brought from schema version {version} to {SCHEMA_VERSION} in {seconds:.1f} s: {what_is_done(version)}"


def _from_2(connection: sa.Connection) -> None:
    for column in ADDED:
        added = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE {column.table.name} ADD COLUMN {added}")
    # Looked at anew: the earlier version kept no position.
    connection.execute(pruning.delete())
    for index in quarantine.indexes:
        index.create(connection)
    _judge_refused_again(connection)
    tenant = _most_frequent_tenant(connection)
    connection.execute(landing_store.update().values(tenant=tenant))
    sweep(connection, tenant)


def _judge_refused_again(connection: sa.Connection) -> None:
    """Let refused bodies make holes, and drop the events of other entities, whose bodies are not kept."""
    for rows in _batches(connection, quarantine.c.id, quarantine.c.body):
        for row in rows:
            body = bytes(row.body)
            one = quarantine.c.id == row.id
            if _is_of_other_entity(body):
                connection.execute(quarantine.delete().where(one))
                continue
            made = new_row(body, path="", reason="", received_at=0)
            values = {name: made[name] for name in ("event_id", "holes", "bytes")}
            connection.execute(quarantine.update().where(one).values(values))


def _is_of_other_entity(body: bytes) -> bool:
    try:
        check_event(body)
    except OtherEntityError:
        return True
    except TapError:
        pass
    return False


def _most_frequent_tenant(connection: sa.Connection) -> str | None:
    """Return whose events these are: of two tenants, the one with more of them."""
    event = fulfillment_event.c
    tenants: collections.Counter[str] = collections.Counter()
    for rows in _batches(connection, event.position, event.body, event.body.is_not(None)):
        tenants.update(tenant for row in rows if (tenant := _tenant(row.body)))
    return next((tenant for tenant, _ in tenants.most_common(1)), None)


class _Named(msgspec.Struct):
    tenant: t.Any = None


_named = msgspec.json.Decoder(_Named)


def _tenant(body: str) -> str | None:
    try:
        tenant = _named.decode(body).tenant
    except (msgspec.DecodeError, RecursionError):
        tenant = json.loads(body, strict=False).get("tenant")
    return tenant if isinstance(tenant, str) else None


def _batches(
    connection: sa.Connection, key: sa.Column[int], content: sa.Column[t.Any], *where: sa.ColumnElement[bool]
) -> Iterator[t.Sequence[sa.Row[t.Any]]]:
    """Yield all rows of a table, many at a time, in the order of their key; they may be changed meanwhile."""
    last = 0
    while True:
        query = sa.select(key, content).where(key > last, *where).order_by(key).limit(ROWS_AT_ONCE)
        rows = connection.execute(query).all()
        if not rows:
            return
        yield rows
        last = rows[-1][0]


_STEPS = {2: Step("every kept event and refused body is looked at anew; tenant, holes, audits and losses", _from_2)}
