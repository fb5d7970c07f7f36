"""`newstore-event-receiver quarantine`: what was set aside, and what becomes of it (design rules 15 and 18)."""

from __future__ import annotations

import json
import sys
import typing as t

import click

from tap_newstore_fulfillment.errors import EventRejectedError, FoundError, NotKnownError, OtherEntityError
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.export_files.refused_lines import shown_path
from tap_newstore_fulfillment.landing.tables import ANOTHER_TENANT, FAR_AHEAD
from tap_newstore_fulfillment.receiver.configuration import config_option
from tap_newstore_fulfillment.receiver.numbers import IN_A_STORE
from tap_newstore_fulfillment.receiver.output import format_option, iso, print_table
from tap_newstore_fulfillment.receiver.store_in_use import store_in_use

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_newstore_fulfillment.landing.quarantine import Entry
    from tap_newstore_fulfillment.landing.store import LandingStore

ROWS_AT_ONCE = 500
COLUMNS = ("id", "received_at", "kind", "holes", "path", "bytes", "reason")
PRUNED = "its body has been pruned: let NewStore send the event again (replay), or discard it"

ids_argument = click.argument("entry_ids", type=IN_A_STORE, metavar="ID...", nargs=-1, required=True)


@click.group()
@config_option
def quarantine(config_files: tuple[str, ...]) -> None:
    """What was set aside: refused bodies, events of another tenant, events far ahead of all others.

    A refused body leaves holes: logical timestamps that no declared range covers, until it is retried or discarded, or
    its event comes.
    """
    del config_files


@quarantine.command("list")
@config_option
@click.option("--limit", default=100, show_default=True, type=IN_A_STORE, help="Show at most this many rows.")
@format_option
def list_entries(config_files: tuple[str, ...], limit: int, output_format: str) -> None:
    """List what was set aside, oldest first."""
    with store_in_use(config_files) as store:
        store.far_ahead.note()
        rows = [_shown(entry) for entry in store.quarantine.list(limit=limit)]
        count = store.quarantine.count()
    if output_format == "json":
        click.echo(json.dumps({"count": count, "bodies": rows}))
        return
    print_table(f"Quarantine: {len(rows)} of {count}", COLUMNS, rows)


@quarantine.command("show")
@config_option
@click.argument("entry_id", type=IN_A_STORE, metavar="ID")
def show_body(config_files: tuple[str, ...], entry_id: int) -> None:
    """Write one body to stdout, byte for byte; the reason goes to stderr. Runs no longer warn of it."""
    with store_in_use(config_files) as store:
        entry, body = _find(store, entry_id)
        store.quarantine.note_look(entry_id)
    click.echo(f"{iso(entry.received_at)} {_place(entry)}: {entry.reason}", err=True)
    if entry.size and not body:
        click.echo(PRUNED, err=True)
    sys.stdout.buffer.write(body)


@quarantine.command("retry")
@config_option
@click.argument("entry_ids", type=IN_A_STORE, metavar="[ID]...", nargs=-1)
def retry_bodies(config_files: tuple[str, ...], entry_ids: tuple[int, ...]) -> None:
    """Check bodies again, all of them or some; those that are events now leave the quarantine, and their holes close.

    Useful after an upgrade that accepts more. Exits with 1 if any body is still refused.
    """
    accepted, refused = 0, 0
    with store_in_use(config_files) as store:
        for entry_id in entry_ids or _all_ids(store):
            if reason := _retry(store, entry_id):
                refused += 1
                click.echo(f"{entry_id}: {reason}", err=True)
            else:
                accepted += 1
    click.echo(f"{accepted} accepted, {refused} still refused")
    if refused:
        raise FoundError(
            f"Still refused: {refused} of {accepted + refused}",
            "Discard what is no event of ours: newstore-event-receiver quarantine discard ID",
        )


@quarantine.command("accept")
@config_option
@ids_argument
def accept_events(config_files: tuple[str, ...], entry_ids: tuple[int, ...]) -> None:
    """Accept events far ahead of all others: the sequence goes on from there, and they are released."""
    with store_in_use(config_files) as store:
        for entry_id in entry_ids:
            entry, _ = _find(store, entry_id)
            if entry.kind != FAR_AHEAD:
                raise NotKnownError(f"quarantine accept {entry_id}: {_why_not(entry)}")
            store.far_ahead.accept(entry_id)
            click.echo(f"{entry_id}: accepted")


@quarantine.command("discard")
@config_option
@ids_argument
def discard_entries(config_files: tuple[str, ...], entry_ids: tuple[int, ...]) -> None:
    """Drop what was set aside for good: it is no event of ours, and leaves no hole."""
    with store_in_use(config_files) as store:
        for entry_id in entry_ids:
            entry, _ = _find(store, entry_id)
            if entry.kind == FAR_AHEAD:
                store.far_ahead.discard(entry_id)
            else:
                store.quarantine.remove(entry_id)
            click.echo(f"{entry_id}: discarded")


def _retry(store: LandingStore, entry_id: int) -> str | None:
    """Turn a body into an event; return the reason if it is not one."""
    entry, body = _find(store, entry_id)
    if entry.kind == FAR_AHEAD:
        return entry.reason
    if entry.size and not body:
        return PRUNED
    try:
        event = check_event(body)
    except OtherEntityError:
        # Events of other entities are not kept.
        store.quarantine.remove(entry_id)
        return None
    except EventRejectedError as reason:
        return str(reason)
    if entry.kind == ANOTHER_TENANT and not store.is_ours(event):
        return entry.reason
    # In this order: if killed in between, the next retry finds a duplicate.
    store.put_back(event)
    store.quarantine.remove(entry_id)
    return None


def _why_not(entry: Entry) -> str:
    if entry.kind == ANOTHER_TENANT:
        return "it is another tenant's event; if that tenant is yours, set tenant to it"
    return f"it is no event ({entry.reason}); retry it after an upgrade, or discard it"


def _all_ids(store: LandingStore) -> Iterator[int]:
    after = 0
    while part := store.quarantine.list(after=after, limit=ROWS_AT_ONCE):
        yield from (entry.id for entry in part)
        after = part[-1].id


def _find(store: LandingStore, entry_id: int) -> tuple[Entry, bytes]:
    found = store.quarantine.find(entry_id)
    if found is None:
        raise NotKnownError(
            f"quarantine: no body with id {entry_id}", "newstore-event-receiver quarantine list names them"
        )
    return found


def _shown(entry: Entry) -> dict[str, t.Any]:
    return {
        "id": entry.id,
        "received_at": iso(entry.received_at),
        "kind": entry.kind,
        "holes": entry.holes,
        "path": _place(entry),
        "bytes": entry.size,
        "reason": entry.reason,
    }


def _place(entry: Entry) -> str:
    return f"{shown_path(entry.path)}, line {entry.line}" if entry.line else entry.path
