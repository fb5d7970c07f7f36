"""`newstore-event-receiver prune` and `quarantine`: maintenance of the landing store."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import sys
import typing as t

import click

from tap_newstore_fulfillment.errors import EventRejectedError, TapError
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.receiver.configuration import config_option, read_settings
from tap_newstore_fulfillment.receiver.output import format_option, print_table

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_newstore_fulfillment.landing.quarantine import Rejected

MS_PER_DAY = 24 * 3600 * 1000
ROWS_AT_ONCE = 500


@click.command()
@config_option
@click.option("--keep-days", type=click.IntRange(min=0), required=True, help="Leave younger events whole.")
@click.option("--forget-reader", metavar="ID", help="Stop keeping events for a pipeline that will not come back.")
@format_option
def prune(config_files: tuple[str, ...], keep_days: int, forget_reader: str | None, output_format: str) -> None:
    """Empty the bodies of old events that every pipeline's target has confirmed.

    The ids stay, so that a redelivery is still a duplicate. Also shows the pipelines, and how far each is.
    """
    with _store(config_files) as store:
        if forget_reader and not store.retention.forget(forget_reader):
            raise TapError(f"--forget-reader {forget_reader}: no pipeline has read the store under this id")
        pruned = store.retention.prune(keep_days * MS_PER_DAY)
        readers = [reader._asdict() | {"seen_at": _iso(reader.seen_at)} for reader in store.retention.readers()]
    if output_format == "json":
        click.echo(json.dumps({"pruned": pruned, "readers": readers}))
        return
    click.echo(f"{pruned} events pruned")
    print_table("Pipelines that read this store", ("reader_id", "through", "position", "seen_at"), readers)


@click.group()
def quarantine() -> None:
    """Bodies that were answered 400."""


@quarantine.command("list")
@config_option
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(min=1), help="Show at most this many rows."
)
@format_option
def list_bodies(config_files: tuple[str, ...], limit: int, output_format: str) -> None:
    """List the bodies, oldest first."""
    with _store(config_files) as store:
        rows = [_shown(rejected) for rejected in store.quarantine.list(limit=limit)]
        count = store.quarantine.count()
    if output_format == "json":
        click.echo(json.dumps({"count": count, "bodies": rows}))
        return
    print_table(f"Quarantine: {len(rows)} of {count}", ("id", "received_at", "path", "bytes", "reason"), rows)


@quarantine.command("show")
@config_option
@click.argument("rejected_id", type=int, metavar="ID")
def show_body(config_files: tuple[str, ...], rejected_id: int) -> None:
    """Write one body to stdout, byte for byte; the reason goes to stderr."""
    with _store(config_files) as store:
        rejected, body = _find(store, rejected_id)
    click.echo(f"{_iso(rejected.received_at)} {rejected.path}: {rejected.reason}", err=True)
    sys.stdout.buffer.write(body)


@quarantine.command("retry")
@config_option
@click.argument("rejected_ids", type=int, metavar="[ID]...", nargs=-1)
def retry_bodies(config_files: tuple[str, ...], rejected_ids: tuple[int, ...]) -> None:
    """Check bodies again, all of them or some; those that are events now leave the quarantine.

    Useful after an upgrade that accepts more. Exits with 1 if any body is still refused.
    """
    accepted, refused = 0, 0
    with _store(config_files) as store:
        for rejected_id in rejected_ids or _all_ids(store):
            if reason := _retry(store, rejected_id):
                refused += 1
                click.echo(f"{rejected_id}: {reason}", err=True)
            else:
                accepted += 1
    click.echo(f"{accepted} accepted, {refused} still refused")
    if refused:
        raise SystemExit(1)


def _retry(store: LandingStore, rejected_id: int) -> str | None:
    """Turn a body into an event; return the reason if it is not one."""
    _, body = _find(store, rejected_id)
    try:
        event = check_event(body)
    except EventRejectedError as reason:
        return str(reason)
    # In this order: if killed in between, the next retry finds a duplicate.
    store.add([event])
    store.quarantine.remove(rejected_id)
    return None


def _all_ids(store: LandingStore) -> Iterator[int]:
    after = 0
    while part := store.quarantine.list(after=after, limit=ROWS_AT_ONCE):
        yield from (rejected.id for rejected in part)
        after = part[-1].id


def _find(store: LandingStore, rejected_id: int) -> tuple[Rejected, bytes]:
    found = store.quarantine.find(rejected_id)
    if found is None:
        raise TapError(f"quarantine: no body with id {rejected_id}")
    return found


@contextlib.contextmanager
def _store(config_files: tuple[str, ...]) -> Iterator[LandingStore]:
    store = LandingStore(read_settings(config_files)["landing_url"])
    try:
        yield store
    finally:
        store.close()


def _shown(rejected: Rejected) -> dict[str, t.Any]:
    return {
        "id": rejected.id,
        "received_at": _iso(rejected.received_at),
        "path": rejected.path,
        "bytes": rejected.size,
        "reason": rejected.reason,
    }


def _iso(epoch_ms: int) -> str:
    return dt.datetime.fromtimestamp(epoch_ms / 1000, tz=dt.UTC).isoformat(timespec="seconds")
