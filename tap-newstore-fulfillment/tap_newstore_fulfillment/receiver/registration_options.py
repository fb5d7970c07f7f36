"""What the commands around NewStore's event stream have in common: options, settings, the client."""

from __future__ import annotations

import datetime as dt
import os
import typing as t

import click

from tap_newstore_fulfillment.errors import ConfigurationError
from tap_newstore_fulfillment.masking import masked
from tap_newstore_fulfillment.receiver import integrations
from tap_newstore_fulfillment.receiver.configuration import Command, read_settings
from tap_newstore_fulfillment.receiver.event_stream import EventStream
from tap_newstore_fulfillment.receiver.newstore_api import NewStoreApi

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Settings = Mapping[str, t.Any]

Read = t.TypeVar("Read")


def reading(read: Callable[[str], Read]) -> Callable[[click.Context, click.Parameter, t.Any], t.Any]:
    """Return a callback that reads the text of an option or argument; what it refuses ends with exit code 2."""

    def callback(_context: click.Context, _parameter: click.Parameter, given: t.Any) -> t.Any:
        try:
            if isinstance(given, tuple):
                return tuple(read(text) for text in given)
            return None if given is None else read(given)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return callback


def an_id(**options: t.Any) -> Callable[[Command], Command]:
    """Return the option `--id`, checked before it is sent."""
    return click.option("--id", "integration_id", callback=reading(integrations.checked_id), **options)


#: The option `--id` that names our own integration unless it says otherwise.
id_option = an_id(default=integrations.DEFAULT_ID, show_default=True, help="The integration's id.")


def time_option(name: str, parameter: str, **options: t.Any) -> Callable[[Command], Command]:
    """Return an option that takes a time (RFC 3339)."""
    return click.option(name, parameter, callback=reading(integrations.parse_time), metavar="TIME", **options)


ONE_SINK = "--callback-url, --s3-bucket: expected one of them"
SINK_OPTIONS = (
    click.option("--callback-url", metavar="URL", help="The receiver as NewStore reaches it: https://…/events."),
    click.option("--s3-bucket", metavar="BUCKET", help="Write export files to this bucket instead."),
    click.option("--s3-prefix", default="newstore", show_default=True, help="Prefix of the export files."),
    click.option("--s3-region", metavar="REGION", help="The bucket's AWS region."),
)


def sink_options(command: Command) -> Command:
    """Add the options that say where NewStore delivers: a webhook or a bucket. `read_sink` takes them."""
    for option in reversed(SINK_OPTIONS):
        command = option(command)
    return command


def registration_settings(files: tuple[str, ...]) -> Settings:
    """Return the settings; these commands use no source."""
    return read_settings(files, needs_source=False)


def event_stream(settings: Settings) -> EventStream:
    """Return the client.

    Raises:
        ConfigurationError: settings are missing; the text names them.
    """
    return EventStream(NewStoreApi(settings))


def read_sink(settings: Settings, arguments: Mapping[str, str | None]) -> Settings | None:
    """Return the sink that the values of `sink_options` ask for; None: they name none.

    The bucket's keys come from environment variables: other users of the machine can see
    arguments. They are not AWS's own variables, whose keys NewStore must not get by accident.

    Raises:
        ConfigurationError: they name two, or one that NewStore would not take.
    """
    url, bucket = arguments["callback_url"], arguments["s3_bucket"]
    if url and bucket:
        raise ConfigurationError(ONE_SINK)
    if url:
        return integrations.webhook_parameters(url, settings.get("receiver_api_key"))
    if bucket:
        keys = (os.environ.get(f"NEWSTORE_S3_{name}") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
        return integrations.s3_parameters(bucket, arguments["s3_prefix"] or "", arguments["s3_region"], *keys)
    return None


def needed_sink(settings: Settings, arguments: Mapping[str, str | None]) -> Settings:
    """Return the sink that the values of `sink_options` ask for.

    Raises:
        ConfigurationError: they name none, two, or one that NewStore would not take.
    """
    sink = read_sink(settings, arguments)
    if sink is None:
        raise ConfigurationError(ONE_SINK)
    return sink


def described(sink: Settings) -> str:
    """Return where a sink leads, for people; works on registrations and on what NewStore shows."""
    if callback := sink.get("callback_parameters"):
        return f"webhook {masked(str(callback.get('callback_url')))}"
    if s3 := sink.get("s3_parameters"):
        return f"export files below s3://{'/'.join(filter(None, (s3.get('bucket'), s3.get('key_prefix'))))}"
    return "an unknown sink"


def now() -> dt.datetime:
    """Return the time of day, in UTC."""
    return dt.datetime.now(tz=dt.UTC)
