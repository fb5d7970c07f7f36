"""The command `newstore-event-receiver`."""

from __future__ import annotations

import ipaddress
import json
import logging
import pathlib
import socket
import sys
import typing as t

import click
import uvicorn

from tap_newstore_fulfillment.command import report_errors
from tap_newstore_fulfillment.errors import ConfigurationError
from tap_newstore_fulfillment.landing import LandingStore
from tap_newstore_fulfillment.receiver import create_app
from tap_newstore_fulfillment.tap import TapNewStoreFulfillment

logger = logging.getLogger("newstore-event-receiver")

GRACEFUL_SHUTDOWN_SECONDS = 30


@click.command(name="newstore-event-receiver")
@click.version_option(package_name="tap-newstore-fulfillment")
@click.option(
    "--config",
    "config_files",
    multiple=True,
    metavar="FILE",
    help="The tap's configuration file (JSON). TAP_NEWSTORE_FULFILLMENT_* variables stand above it.",
)
def receive(config_files: tuple[str, ...]) -> None:
    """Receive NewStore's fulfilment events and keep them in the landing store."""
    settings = TapNewStoreFulfillment(
        config=_read_config(config_files), parse_env_config=True, setup_mapper=False
    ).config
    host, port = settings["receiver_host"], settings["receiver_port"]
    api_key = settings.get("receiver_api_key") or None
    if api_key is None and not _is_loopback(host):
        raise ConfigurationError(f"receiver_api_key: required when receiver_host is {host}: anybody could post")
    store = LandingStore(settings["landing_url"])
    try:
        _serve(store, api_key, _listen(host, port))
    finally:
        store.close()


def main() -> None:
    """Run the command."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    report_errors(receive, logger)()


def _serve(store: LandingStore, api_key: str | None, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    config = uvicorn.Config(
        create_app(store, api_key),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
    )
    click.echo(f"newstore-event-receiver listening on http://{host}:{port}")
    uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=_family(host), backlog=2048)
    except OSError as error:
        raise ConfigurationError(f"receiver_host, receiver_port: cannot listen on {host}:{port}: {error}") from error


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_config(files: tuple[str, ...]) -> dict[str, t.Any]:
    merged: dict[str, t.Any] = {}
    for file in files:
        if file == "ENV":
            continue
        try:
            content = json.loads(pathlib.Path(file).read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(f"--config {file}: {error.strerror}") from error
        except ValueError as error:
            raise ConfigurationError(f"--config {file}: not JSON: {error}") from error
        if not isinstance(content, dict):
            raise ConfigurationError(f"--config {file}: expected a JSON object")
        merged |= content
    return merged
