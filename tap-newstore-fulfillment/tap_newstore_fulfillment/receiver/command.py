"""The command `newstore-event-receiver`."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import typing as t

import click

from tap_newstore_fulfillment.command import report_errors, run_command
from tap_newstore_fulfillment.command_log import log_to_stderr
from tap_newstore_fulfillment.errors import ConfigurationError
from tap_newstore_fulfillment.receiver import registration_command
from tap_newstore_fulfillment.receiver.app import create_app
from tap_newstore_fulfillment.receiver.audit_command import audit
from tap_newstore_fulfillment.receiver.awaited_store import AwaitedStore
from tap_newstore_fulfillment.receiver.backlog_command import backlog_command
from tap_newstore_fulfillment.receiver.check_command import check
from tap_newstore_fulfillment.receiver.configuration import api_keys, config_option, read_settings
from tap_newstore_fulfillment.receiver.copy_command import copy
from tap_newstore_fulfillment.receiver.loss_watch import LossWatch
from tap_newstore_fulfillment.receiver.metrics_command import metrics
from tap_newstore_fulfillment.receiver.prune_command import prune
from tap_newstore_fulfillment.receiver.quarantine_command import quarantine
from tap_newstore_fulfillment.receiver.rejected_command import rejected
from tap_newstore_fulfillment.receiver.replay_command import replay
from tap_newstore_fulfillment.receiver.serving import end_well_on_sigterm, serve
from tap_newstore_fulfillment.receiver.structured_log import log_all_as_json
from tap_newstore_fulfillment.receiver.upgrade_command import upgrade
from tap_newstore_fulfillment.sources import open_store

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tap_newstore_fulfillment.landing.store import LandingStore

logger = logging.getLogger("newstore-event-receiver")


@click.group(name="newstore-event-receiver", invoke_without_command=True)
@click.version_option(package_name="tap-newstore-fulfillment")
@config_option
@click.pass_context
def receive(context: click.Context, config_files: tuple[str, ...]) -> None:
    """Receive NewStore's fulfilment events and store them in the landing store.

    Without a subcommand it serves until it is stopped.
    """
    if context.invoked_subcommand is None:
        _serve_until_stopped(read_settings(config_files))


OF_THE_STORE = (rejected, backlog_command, metrics, prune, quarantine, upgrade, copy)
for command in (*registration_command.COMMANDS, check, replay, audit, *OF_THE_STORE):
    receive.add_command(command)


def main() -> None:
    """Run the command."""
    # What the process writes is for its user alone, whatever the shell says.
    os.umask(0o077)
    log_to_stderr()
    run_command(report_errors(receive, logger), logger)


def _serve_until_stopped(settings: Mapping[str, t.Any]) -> None:
    end_well_on_sigterm()
    log_all_as_json()
    keys = api_keys(settings)
    store = AwaitedStore(lambda: open_store(settings))
    try:
        _serve(store, keys, _listeners(settings), lambda opened: _keeping(opened, settings))
    finally:
        store.close()


@contextlib.contextmanager
def _keeping(store: LandingStore, settings: Mapping[str, t.Any]) -> Iterator[None]:
    """Check the clock of an open store, and watch that it keeps what it has acknowledged."""
    with store.clock.checking(), LossWatch(store, settings).watching():
        yield


def _serve(
    store: AwaitedStore,
    keys: Sequence[str],
    listeners: Sequence[socket.socket],
    keeps: Callable[[LandingStore], contextlib.AbstractContextManager[None]],
) -> None:
    places = [listener.getsockname()[:2] for listener in listeners]
    more = "".join(f", /healthz and /metrics on http://{_authority(*place)}" for place in places[1:])
    click.echo(f"newstore-event-receiver listening on http://{_authority(*places[0])}{more}")
    with store.kept_by(keeps):
        serve(create_app(store, keys, store, places[1][1] if more else None), listeners)


def _listeners(settings: Mapping[str, t.Any]) -> list[socket.socket]:
    """Listen for NewStore, and where the settings say so, apart from it for those who look after the receiver."""
    host, ports = settings["receiver_host"], [settings["receiver_port"], settings.get("metrics_port")]
    return [_listen(host, port) for port in ports if port is not None]


def _listen(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), family=_family(host), backlog=2048)
    except OSError as error:
        raise ConfigurationError(
            f"receiver_host, receiver_port, metrics_port: cannot listen on {_authority(host, port)}: {error}",
            "Set others, or end what listens there",
        ) from error
    # asyncio does not set this on a socket it is given; without it an answer waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _authority(host: str, port: int) -> str:
    """Return host and port as a URL has them: an address of IPv6 stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
