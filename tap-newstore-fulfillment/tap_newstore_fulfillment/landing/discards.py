"""What somebody has discarded stays discarded: its identity is kept, so that it is known when it comes again."""

from __future__ import annotations

import hashlib
import re
import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.any_json import read_json
from tap_newstore_fulfillment.errors import EventRejectedError
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.tables import (
    ANOTHER_TENANT,
    DISCARDED,
    TAKEN_OUT,
    fulfillment_event,
    quarantine,
)
from tap_newstore_fulfillment.landing.taken_out import give_id_back

if t.TYPE_CHECKING:
    from collections.abc import Sequence

#: Any part of an event has one of them, however it was cut.
OF_JSON = re.compile(r'[\[\]{}":,]')


def refused_id(body: bytes, path: str, line: int | None) -> str | None:
    """Return what a refused body is known by when it comes again; None: it is never known.

    It is the event it would have been. What names none is the same only if the same came whole: two events that were
    cut begin alike. The same words in another file, or in another line, stand in another event's place.

    Args:
        body: As it came.
        path: Where it was posted, or the export file.
        line: Its number in the export file; None: it was posted.
    """
    try:
        event_id: str | None = check_event(body).event_id
    except EventRejectedError as error:
        event_id = error.event_id
    except Exception:  # noqa: BLE001 - what nobody foresaw must not keep a body out of quarantine
        event_id = None
    if event_id or not _is_whole(body):
        return event_id
    place = b"" if line is None else f"{path}, line {line}\n".encode("utf-8", "replace")
    return f"refused:{hashlib.sha256(place + body).hexdigest()}"


def _is_whole(body: bytes) -> bool:
    """Return whether a body is JSON, or words that are no part of an event."""
    try:
        read_json(body)
    except ValueError:
        text = body.decode(errors="replace").strip()
        return bool(text) and text.isprintable() and "\ufffd" not in text and not OF_JSON.search(text)
    return True


def discard(connection: sa.Connection, entry_id: int) -> None:
    """Drop an entry of quarantine for good, and remember it unless its event has come; the caller commits."""
    entry, event = quarantine.c, fulfillment_event.c
    this = entry.id == entry_id
    has_come = sa.exists().where(event.event_id == entry.event_id, event.logical_timestamp > TAKEN_OUT)
    connection.execute(quarantine.delete().where(this, sa.or_(entry.event_id.is_(None), has_come)))
    # It was discarded as another tenant's: it may yet be ours, if that tenant was set by mistake.
    give_id_back(connection, event.event_id.in_(sa.select(entry.event_id).where(this, entry.kind == ANOTHER_TENANT)))
    connection.execute(quarantine.update().where(this).values(kind=DISCARDED, body=b"", holes=None))


def without_discarded(connection: sa.Connection, rows: Sequence[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Return those rows for quarantine that nobody has discarded."""
    entry = quarantine.c
    ids = [row["event_id"] for row in rows]
    discarded = set(
        connection.scalars(sa.select(entry.event_id).where(entry.event_id.in_(ids), entry.kind == DISCARDED))
    )
    return [row for row in rows if row["event_id"] not in discarded]
