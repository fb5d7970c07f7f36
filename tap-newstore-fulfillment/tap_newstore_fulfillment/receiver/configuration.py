"""The tap's settings as the commands of `newstore-event-receiver` read them."""

from __future__ import annotations

import ipaddress
import typing as t

import click

from tap_newstore_fulfillment.command import CORRECT_FILE, read_object
from tap_newstore_fulfillment.errors import ConfigurationError
from tap_newstore_fulfillment.receiver.integrations import check_key
from tap_newstore_fulfillment.settings import REQUIRED_BY_SOURCE, SETTINGS
from tap_newstore_fulfillment.tap import TapNewStoreFulfillment

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Command = t.TypeVar("Command", bound="Callable[..., t.Any]")

#: Accepted before and after the name of a subcommand.
config_option: Callable[[Command], Command] = click.option(
    "--config",
    "config_files",
    multiple=True,
    metavar="FILE",
    help="The tap's configuration file (JSON). It comes before TAP_NEWSTORE_FULFILLMENT_* variables.",
)


class _WithoutSource(TapNewStoreFulfillment):
    """The same settings for commands that use no source: neither `landing_url` nor `export_files_url` is required."""

    config_jsonschema: t.ClassVar[dict[str, t.Any]] = {
        name: part for name, part in SETTINGS.items() if name not in REQUIRED_BY_SOURCE
    }


def read_settings(files: tuple[str, ...], *, needs_source: bool = True) -> Mapping[str, t.Any]:
    """Read and check the tap's settings: those of the files in order; what they leave open, of variables.

    A file given to `newstore-event-receiver` itself, or to a group of its commands, counts for the command too;
    one given to the command overrides it.

    Args:
        files: Those given to the command.
        needs_source: Whether the command uses the landing store or export files.

    Raises:
        ConfigurationError: a file cannot be read.
        ConfigValidationError: a setting is missing or wrong.
    """
    outer: list[str] = []
    context = click.get_current_context().parent
    while context:
        outer[:0] = context.params.get("config_files", ())
        context = context.parent
    config = _merged((*outer, *files))
    plugin = TapNewStoreFulfillment if needs_source else _WithoutSource
    return plugin(config=config, parse_env_config=True, setup_mapper=False).config


def api_keys(settings: Mapping[str, t.Any]) -> list[str]:
    """Return the keys that are accepted; none: everybody may post, as somebody has decided.

    Raises:
        ConfigurationError: there is none, and nobody has; or no post could bring it.
    """
    given = {name: settings.get(name) or "" for name in ("receiver_api_key", "receiver_previous_api_key")}
    host = settings["receiver_host"]
    if keys := {name: key for name, key in given.items() if key.strip()}:
        for name, key in keys.items():
            check_key(name, key)
        return list(keys.values())
    if settings.get("receiver_open") and _is_loopback(host):
        return []
    raise ConfigurationError(
        f"receiver_api_key: required when receiver_host is {host}, or anybody could post. For trials without a key, on "
        f"the loopback interface and with nothing in front of it, set receiver_open to true"
    )


def _merged(files: tuple[str, ...]) -> dict[str, t.Any]:
    merged: dict[str, t.Any] = {}
    for file in files:
        if file == "ENV":
            continue
        try:
            merged |= read_object(file)
        except OSError as error:
            raise ConfigurationError(f"--config {file}: {error.strerror}", CORRECT_FILE) from error
    return merged


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
