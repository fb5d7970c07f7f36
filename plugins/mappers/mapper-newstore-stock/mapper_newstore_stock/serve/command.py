"""`newstore-stock-ledger serve`."""

from __future__ import annotations

import ipaddress
import socket

import click

from mapper_newstore_stock.drivers import missing_driver
from mapper_newstore_stock.errors import ConfigurationError
from mapper_newstore_stock.ledger.read_only import read_only
from mapper_newstore_stock.ledger_url import pass_ledger_url

SHORTEST_KEY = 16
VARIABLE = "NEWSTORE_STOCK_PAGE_KEY"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; another one needs a key.")
@click.option("--port", default=8767, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option("--key", envvar=VARIABLE, help=f"The key of the pages; better set {VARIABLE}.")
@click.option("--report-path", metavar="FILE", help="The target's import report: when imports finished, or why not.")
@click.option("--log", metavar="FILE", help="The log of the runs: how the last one ended.")
@click.option("--receiver-url", help="Base URL of an event receiver: health of the stream.")
@pass_ledger_url
def serve(ledger_url: str, /, *, host: str, port: int, key: str | None, **given: str | None) -> None:
    """Serve the ledger as pages for people, until stopped; nothing is ever written."""
    _check_key(host, key)
    try:
        # Who does not serve needs neither.
        import uvicorn  # noqa: PLC0415

        from mapper_newstore_stock.serve.app import create_app  # noqa: PLC0415
        from mapper_newstore_stock.serve.pages import Given  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError(f"serve: {missing_driver(error)}") from error
    with read_only(ledger_url) as engine, _listen(host, port) as listener:
        address, real_port = listener.getsockname()[:2]
        name = f"[{address}]" if ":" in address else address
        click.echo(f"newstore-stock-ledger listening on http://{name}:{real_port}")
        app = create_app(engine, Given(**given), key or None, name)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=5
        )
        uvicorn.Server(config).run(sockets=[listener])


def _check_key(host: str, key: str | None) -> None:
    if not key and not _is_loopback(host):
        raise ConfigurationError(f"--host {host}: others can reach this address; set {VARIABLE}, or serve 127.0.0.1")
    if key and len(key) < SHORTEST_KEY:
        raise ConfigurationError(f"{VARIABLE}: shorter than {SHORTEST_KEY} characters; others can guess it")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(
            f"--host, --port: cannot listen on {host}:{port}: {error}", "Set others, or end what listens there"
        ) from error
    # asyncio does not set this on a socket it is given; without it an answer waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
