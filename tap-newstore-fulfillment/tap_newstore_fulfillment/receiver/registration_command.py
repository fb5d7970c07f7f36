"""`newstore-event-receiver register|update|list|status|logs|start|stop|delete`: where NewStore delivers events."""

from __future__ import annotations

import json
import typing as t

import click

from tap_newstore_fulfillment.errors import ConfigurationError, IntegrationError
from tap_newstore_fulfillment.receiver import integrations
from tap_newstore_fulfillment.receiver.configuration import config_option
from tap_newstore_fulfillment.receiver.event_stream import RUNNING, STOPPED
from tap_newstore_fulfillment.receiver.output import format_option, print_table
from tap_newstore_fulfillment.receiver.registration_options import (
    an_id,
    described,
    event_stream,
    id_option,
    needed_sink,
    read_sink,
    registration_settings,
    sink_options,
)
from tap_newstore_fulfillment.receiver.shown import secrets_of, shown

if t.TYPE_CHECKING:
    from tap_newstore_fulfillment.receiver.event_stream import Body


@click.command()
@id_option
@config_option
@sink_options
def register(config_files: tuple[str, ...], integration_id: str, **sink_arguments: str | None) -> None:
    """Register the receiver, or a bucket for export files, with NewStore and start the deliveries.

    Exits with 1 if NewStore took it and does not run it.
    """
    settings = registration_settings(config_files)
    sink = needed_sink(settings, sink_arguments)
    status = event_stream(settings).register(integrations.permanent(integration_id, sink)).get("status")
    if status != RUNNING:
        raise IntegrationError(
            f"{integration_id}: registered, {described(sink)}, but NewStore says it is {status}: "
            f"`newstore-event-receiver logs` says why, and `start` starts it"
        )
    click.echo(f"{integration_id}: registered and started, {described(sink)}")


@click.command()
@id_option
@config_option
@sink_options
@click.option("--fulfillment-only", is_flag=True, help="Ask for fulfilment requests only, as `register` does.")
def update(
    config_files: tuple[str, ...], integration_id: str, fulfillment_only: bool, **sink_arguments: str | None
) -> None:
    """Change an integration's URL, key or bucket, or its filter; it goes on where it was.

    With `--callback-url`, `receiver_api_key` is sent too: so a key is changed.
    """
    settings = registration_settings(config_files)
    changes = integrations.changes(read_sink(settings, sink_arguments), filters=fulfillment_only)
    if not changes:
        raise ConfigurationError("--callback-url, --s3-bucket, --fulfillment-only: expected one of them")
    found = event_stream(settings).update(integration_id, changes)
    click.echo(f"{integration_id}: updated, {described(found)}, {found.get('status')}")


@click.command("list")
@config_option
@format_option
def list_integrations(config_files: tuple[str, ...], output_format: str) -> None:
    """List all integrations of the tenant, at most 25; those others made too."""
    settings = registration_settings(config_files)
    found = shown(event_stream(settings).integrations(), secrets_of(settings))
    if output_format == "json":
        click.echo(json.dumps({"integrations": found}, indent=2, ensure_ascii=False))
        return
    rows = [
        {
            "id": row.get("id"),
            "type": row.get("integration_type"),
            "status": row.get("status"),
            "to": described(row),
            "filter": _filter_of(row),
        }
        for row in found
    ]
    print_table(f"Integrations: {len(rows)} of 25", ("id", "type", "status", "to", "filter"), rows)


@click.command()
@config_option
@id_option
@format_option
def status(config_files: tuple[str, ...], integration_id: str, output_format: str) -> None:
    """Show what NewStore says of an integration. Exits with 1 if it is stopped."""
    settings = registration_settings(config_files)
    found = shown(event_stream(settings).get(integration_id), secrets_of(settings))
    if output_format == "json":
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        for name, value in found.items():
            click.echo(f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
    if found.get("status") == STOPPED:
        raise IntegrationError(
            f"{integration_id}: stopped, NewStore delivers nothing; start it within 30 days to lose nothing"
        )


@click.command()
@config_option
@id_option
@format_option
def logs(config_files: tuple[str, ...], integration_id: str, output_format: str) -> None:
    """Show what became of an integration: NewStore keeps the last 50 entries."""
    settings = registration_settings(config_files)
    entries = shown(event_stream(settings).logs(integration_id), secrets_of(settings))
    if output_format == "json":
        click.echo(json.dumps({"entries": entries}, indent=2, ensure_ascii=False))
        return
    columns = ("created_at", "action", "reason")
    print_table(integration_id, columns, [{name: entry.get(name) for name in columns} for entry in entries])


@click.command()
@config_option
@id_option
def start(config_files: tuple[str, ...], integration_id: str) -> None:
    """Start a stopped integration; within 30 days of the stop nothing is lost."""
    event_stream(registration_settings(config_files)).start(integration_id)
    click.echo(f"{integration_id}: started")


@click.command()
@config_option
@id_option
def stop(config_files: tuple[str, ...], integration_id: str) -> None:
    """Stop an integration; NewStore keeps its events for 30 days."""
    event_stream(registration_settings(config_files)).stop(integration_id)
    click.echo(f"{integration_id}: stopped; start it within 30 days to lose nothing")


@click.command()
@config_option
@an_id(required=True, help="The integration's id.")
def delete(config_files: tuple[str, ...], integration_id: str) -> None:
    """Delete an integration, with its log and its rejected events; it gets no events any more."""
    event_stream(registration_settings(config_files)).delete(integration_id)
    click.echo(f"{integration_id}: deleted")


COMMANDS = (register, update, list_integrations, status, logs, start, stop, delete)


def _filter_of(integration: Body) -> str:
    conditions = integration.get("filter_conditions") or {}
    return ", ".join(name for names in conditions.values() for name in names or ()) or "every event"
