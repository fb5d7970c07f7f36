"""`newstore-event-receiver register|status|start|stop|replay`: tell NewStore where to deliver events."""

from __future__ import annotations

import datetime as dt
import json
import os
import typing as t
import urllib.parse

import click

from tap_newstore_fulfillment.errors import ConfigurationError
from tap_newstore_fulfillment.receiver import integrations
from tap_newstore_fulfillment.receiver.configuration import Command, config_option, read_settings
from tap_newstore_fulfillment.receiver.newstore_api import NewStoreApi
from tap_newstore_fulfillment.receiver.output import format_option

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    Settings = Mapping[str, t.Any]

id_option = click.option(
    "--id", "integration_id", default=integrations.DEFAULT_ID, show_default=True, help="The integration's id."
)


def read_time(_context: click.Context, _option: click.Parameter, text: str | None) -> dt.datetime | None:
    """Parse the time given to an option."""
    try:
        return integrations.parse_time(text) if text else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


SINK_OPTIONS = (
    click.option("--callback-url", metavar="URL", help="The receiver as NewStore reaches it: https://…/events."),
    click.option("--s3-bucket", metavar="BUCKET", help="Write export files to this bucket instead."),
    click.option("--s3-prefix", default="newstore", show_default=True, help="Prefix of the export files."),
    click.option("--s3-region", metavar="REGION", help="The bucket's AWS region."),
)


def sink_options(command: Command) -> Command:
    """Add the options that say where NewStore delivers: a webhook or a bucket. `_sink` takes them."""
    for option in reversed(SINK_OPTIONS):
        command = option(command)
    return command


@click.command()
@id_option
@config_option
@sink_options
def register(config_files: tuple[str, ...], integration_id: str, **sink_arguments: str | None) -> None:
    """Register the receiver, or a bucket for export files, with NewStore and start the deliveries."""
    settings = _registration_settings(config_files)
    sink = _sink(settings, **sink_arguments)
    NewStoreApi(settings).create(integrations.PATH, integrations.permanent(integration_id, sink))
    click.echo(f"{integration_id}: registered and started, {_described(sink)}")


@click.command()
@click.option(
    "--from",
    "starts_at",
    callback=read_time,
    metavar="TIME",
    required=True,
    help="Replay events published from this time on (RFC 3339).",
)
@click.option(
    "--to", "ends_at", callback=read_time, metavar="TIME", help="Replay events published up to this time; default: now."
)
@click.option("--id", "integration_id", help="The temporary integration's id; made from the period by default.")
@config_option
@sink_options
def replay(
    config_files: tuple[str, ...],
    integration_id: str | None,
    starts_at: dt.datetime,
    ends_at: dt.datetime | None,
    **sink_arguments: str | None,
) -> None:
    """Have NewStore deliver past events again; those already kept change nothing."""
    settings = _registration_settings(config_files)
    sink = _sink(settings, **sink_arguments)
    ends_at = ends_at or dt.datetime.now(tz=dt.UTC)
    integration_id = integration_id or f"{integrations.DEFAULT_ID}-{starts_at:%Y%m%dT%H%M%S}-{ends_at:%Y%m%dT%H%M%S}"
    body = integrations.temporary(integration_id, sink, starts_at, ends_at)
    NewStoreApi(settings).create(integrations.PATH, body)
    click.echo(f"{integration_id}: replays {body['starts_at']} to {body['ends_at']}, {_described(sink)}")


@click.command()
@config_option
@id_option
@format_option
def status(config_files: tuple[str, ...], integration_id: str, output_format: str) -> None:
    """Show what NewStore says of an integration."""
    settings = _registration_settings(config_files)
    found = integrations.without_secrets(NewStoreApi(settings).get(_path(integration_id)))
    if output_format == "json":
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        for name, value in found.items():
            click.echo(f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")


@click.command()
@config_option
@id_option
def start(config_files: tuple[str, ...], integration_id: str) -> None:
    """Start a stopped integration; within 30 days of the stop nothing is lost."""
    NewStoreApi(_registration_settings(config_files)).post(f"{_path(integration_id)}/_start")
    click.echo(f"{integration_id}: started")


@click.command()
@config_option
@id_option
def stop(config_files: tuple[str, ...], integration_id: str) -> None:
    """Stop an integration; NewStore keeps its events for 30 days."""
    NewStoreApi(_registration_settings(config_files)).post(f"{_path(integration_id)}/_stop")
    click.echo(f"{integration_id}: stopped; start it within 30 days to lose nothing")


COMMANDS = (register, status, start, stop, replay)


def _registration_settings(files: tuple[str, ...]) -> Settings:
    return read_settings(files, needs_source=False)


def _sink(
    settings: Settings,
    *,
    callback_url: str | None,
    s3_bucket: str | None,
    s3_prefix: str | None,
    s3_region: str | None,
) -> Settings:
    """Return the sink the options ask for.

    The bucket's keys come from environment variables: other users of the machine can see
    arguments. They are not AWS's own variables, whose keys NewStore must not get by accident.
    """
    if callback_url and not s3_bucket:
        return integrations.webhook_parameters(callback_url, settings.get("receiver_api_key"))
    if s3_bucket and not callback_url:
        keys = (os.environ.get(f"NEWSTORE_S3_{name}") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
        return integrations.s3_parameters(s3_bucket, s3_prefix or "", s3_region, *keys)
    raise ConfigurationError("--callback-url, --s3-bucket: expected one of them")


def _described(sink: Settings) -> str:
    if callback := sink.get("callback_parameters"):
        return f"webhook {callback['callback_url']}"
    return f"export files below s3://{sink['s3_parameters']['bucket']}/{sink['s3_parameters']['key_prefix']}"


def _path(integration_id: str) -> str:
    return f"{integrations.PATH}/{urllib.parse.quote(integration_id, safe='')}"
