"""`newstore-event-receiver rejected`: events that a receiver answered 400, as NewStore keeps them."""

from __future__ import annotations

import json
import typing as t

import click

from tap_newstore_fulfillment.errors import ConfigurationError, IntegrationError, NewStoreCallError
from tap_newstore_fulfillment.receiver import integrations
from tap_newstore_fulfillment.receiver.configuration import Command, config_option
from tap_newstore_fulfillment.receiver.output import format_option, print_table
from tap_newstore_fulfillment.receiver.registration_options import (
    event_stream,
    id_option,
    reading,
    registration_settings,
)
from tap_newstore_fulfillment.receiver.shown import secrets_of, shown

if t.TYPE_CHECKING:
    from tap_newstore_fulfillment.receiver.event_stream import EventStream

REFUSED_AGAIN = 502


@click.group()
@config_option
def rejected(config_files: tuple[str, ...]) -> None:
    """Events that the receiver rejected: NewStore keeps the last 30 of each integration."""
    del config_files


def event_ids(command: Command) -> Command:
    """Add the ids of rejected events."""
    read = reading(integrations.checked_event_id)
    return click.argument("event_ids", metavar="[EVENT_ID]...", nargs=-1, callback=read)(command)


@rejected.command("list")
@config_option
@id_option
@format_option
def list_events(config_files: tuple[str, ...], integration_id: str, output_format: str) -> None:
    """List the events, oldest first."""
    settings = registration_settings(config_files)
    rows = shown(event_stream(settings).rejected(integration_id), secrets_of(settings))
    if output_format == "json":
        click.echo(json.dumps({"rejected_events": rows}, indent=2))
        return
    columns = ("id", "created_at")
    print_table(f"Rejected: {len(rows)}", columns, [{name: row.get(name) for name in columns} for row in rows])


@rejected.command("show")
@config_option
@id_option
@click.argument("event_id", metavar="EVENT_ID", callback=reading(integrations.checked_event_id))
def show_event(config_files: tuple[str, ...], integration_id: str, event_id: str) -> None:
    """Write one event to stdout, as NewStore sends it; it may name people."""
    click.echo(json.dumps(_stream(config_files).rejected_event(integration_id, event_id), ensure_ascii=False))


@rejected.command("retry")
@config_option
@id_option
@event_ids
def retry_events(config_files: tuple[str, ...], integration_id: str, event_ids: tuple[str, ...]) -> None:
    """Have NewStore deliver events again, all of them or some. Exits with 1 if any is rejected again."""
    stream = _stream(config_files)
    delivered, refused = 0, 0
    for event_id in event_ids or _all_ids(stream, integration_id):
        try:
            stream.retry(integration_id, event_id)
            delivered += 1
        except NewStoreCallError as error:
            if error.status != REFUSED_AGAIN:
                raise
            refused += 1
            click.echo(f"{event_id}: the receiver rejected it again", err=True)
    click.echo(f"{delivered} delivered, {refused} rejected again")
    if refused:
        raise IntegrationError(
            f"{integration_id}: the receiver rejected {refused} of {delivered + refused} events again",
            "newstore-event-receiver quarantine list says why",
        )


@rejected.command("delete")
@config_option
@id_option
@click.option("--all", "are_all", is_flag=True, help="Delete all of them.")
@event_ids
def delete_events(
    config_files: tuple[str, ...], integration_id: str, event_ids: tuple[str, ...], are_all: bool
) -> None:
    """Delete events; NewStore does not deliver them any more."""
    if bool(event_ids) == are_all:
        raise ConfigurationError("EVENT_ID, --all: expected one of them")
    stream = _stream(config_files)
    chosen = event_ids or _all_ids(stream, integration_id)
    for event_id in chosen:
        stream.forget(integration_id, event_id)
    click.echo(f"{len(chosen)} deleted")


def _stream(config_files: tuple[str, ...]) -> EventStream:
    return event_stream(registration_settings(config_files))


def _all_ids(stream: EventStream, integration_id: str) -> tuple[str, ...]:
    return tuple(str(row["id"]) for row in stream.rejected(integration_id))
