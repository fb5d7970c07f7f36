"""`newstore-event-receiver register|status|start|stop|replay`: tell NewStore where events go."""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
import typing as t
import urllib.parse

import click

from tap_newstore_fulfillment.errors import ConfigurationError
from tap_newstore_fulfillment.receiver import integrations
from tap_newstore_fulfillment.receiver.configuration import config_option, read_settings
from tap_newstore_fulfillment.receiver.newstore_api import NewStoreApi

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Settings = Mapping[str, t.Any]

id_option = click.option(
    "--id", "integration_id", default=integrations.DEFAULT_ID, show_default=True, help="The integration's id."
)


def read_time(_context: click.Context, _option: click.Parameter, text: str | None) -> dt.datetime | None:
    """Read the time an option gives."""
    try:
        return integrations.parse_time(text) if text else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def sink_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add what says where NewStore delivers: a webhook or a bucket."""
    options = [
        click.option("--callback-url", metavar="URL", help="The receiver as NewStore reaches it: https://…/events."),
        click.option("--s3-bucket", metavar="BUCKET", help="Write export files to this bucket instead."),
        click.option("--s3-prefix", default="newstore", show_default=True, help="Prefix of the export files."),
        click.option("--s3-region", metavar="REGION", help="The bucket's AWS region."),
    ]

    @functools.wraps(command)
    def with_sink(**arguments: t.Any) -> None:
        names = ("callback_url", "s3_bucket", "s3_prefix", "s3_region")
        given = {name: arguments.pop(name) for name in names}
        settings = _registration_settings(arguments.pop("config_files"))
        command(settings=settings, sink=_sink(given, settings), **arguments)

    return functools.reduce(lambda decorated, option: option(decorated), reversed(options), config_option(with_sink))


@click.command()
@id_option
@sink_options
def register(settings: Settings, sink: Settings, integration_id: str) -> None:
    """Register the receiver, or a bucket for export files, with NewStore and start the deliveries."""
    NewStoreApi(settings).create(integrations.PATH, integrations.permanent(integration_id, sink))
    click.echo(f"{integration_id}: registered and started, {_described(sink)}")


@click.command()
@click.option(
    "--from",
    "starts_at",
    callback=read_time,
    metavar="TIME",
    required=True,
    help="From this time of publication on (RFC 3339).",
)
@click.option(
    "--to", "ends_at", callback=read_time, metavar="TIME", help="Up to this time of publication; default now."
)
@click.option("--id", "integration_id", help="The temporary integration's id; default made of the period.")
@sink_options
def replay(
    settings: Settings,
    sink: Settings,
    integration_id: str | None,
    starts_at: dt.datetime,
    ends_at: dt.datetime | None,
) -> None:
    """Have NewStore deliver past events again; those already kept change nothing."""
    ends_at = ends_at or dt.datetime.now(tz=dt.UTC)
    integration_id = integration_id or f"{integrations.DEFAULT_ID}-{starts_at:%Y%m%dT%H%M%S}-{ends_at:%Y%m%dT%H%M%S}"
    body = integrations.temporary(integration_id, sink, starts_at, ends_at)
    NewStoreApi(settings).create(integrations.PATH, body)
    click.echo(f"{integration_id}: replays {body['starts_at']} to {body['ends_at']}, {_described(sink)}")


@click.command()
@config_option
@id_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def status(config_files: tuple[str, ...], integration_id: str, form: str) -> None:
    """Show what NewStore says of an integration."""
    settings = _registration_settings(config_files)
    found = integrations.without_secrets(NewStoreApi(settings).get(_path(integration_id)))
    if form == "json":
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


def _sink(given: Mapping[str, str | None], settings: Settings) -> Settings:
    """Give the sink that was asked for.

    A bucket's keys come from variables, never from arguments that other users of the machine
    can see. They are not AWS's own variables: those hold somebody's keys that NewStore must
    not get by accident.
    """
    url, bucket = given["callback_url"], given["s3_bucket"]
    if url and not bucket:
        return integrations.webhook_parameters(url, settings.get("receiver_api_key"))
    if bucket and not url:
        keys = (os.environ.get(f"NEWSTORE_S3_{name}") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
        return integrations.s3_parameters(bucket, given["s3_prefix"] or "", given["s3_region"], *keys)
    raise ConfigurationError("--callback-url, --s3-bucket: expected one of them")


def _described(sink: Settings) -> str:
    if callback := sink.get("callback_parameters"):
        return f"webhook {callback['callback_url']}"
    return f"export files below s3://{sink['s3_parameters']['bucket']}/{sink['s3_parameters']['key_prefix']}"


def _path(integration_id: str) -> str:
    return f"{integrations.PATH}/{urllib.parse.quote(integration_id, safe='')}"
