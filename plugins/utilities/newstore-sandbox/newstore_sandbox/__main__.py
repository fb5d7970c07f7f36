"""The command `newstore-sandbox`."""

from __future__ import annotations

import logging
import pathlib
import socket
import sys
import typing as t

import click
import uvicorn

from newstore_sandbox.app import create_app
from newstore_sandbox.sandbox import Options, Sandbox


@click.group()
@click.version_option(package_name="newstore-sandbox")
def main() -> None:
    """A NewStore on localhost with real stock arithmetic."""


@main.command(context_settings={"auto_envvar_prefix": "NEWSTORE_SANDBOX", "show_default": True})
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8766, help="Port to listen on; 0 takes a free one.")
@click.option("--tenant", default="demo", help="The tenant, which is also the realm of the token endpoint.")
@click.option("--client-id", default="sandbox-client", help="ID of the API client.")
@click.option("--client-secret", default="sandbox-secret", help="Secret of the API client.")
@click.option("--token-seconds", default=300, help="Lifetime of a token.")
@click.option(
    "--range-scope",
    type=click.Choice(["tenant", "file"]),
    default="tenant",
    help="What a range of logical timestamps covers: the whole tenant, or the keys in the file.",
)
@click.option("--webhook-url", help="Where events are posted; without it they stay pending.")
@click.option("--webhook-key", help="Bearer token sent with each event.")
@click.option(
    "--webhook-shape", type=click.Choice(["event-stream", "legacy"]), default="event-stream", help="Wire shape."
)
@click.option("--duplicates", default=0.0, help="Probability that an event is delivered twice.")
@click.option("--shuffle", default=0, help="A new event is inserted at random among this many waiting ones.")
@click.option("--delay-seconds", default=0.0, help="Longest delay before an event is delivered.")
@click.option("--delivery-seed", default=0, help="Random seed of this disorder.")
@click.option("--export-seconds", default=300.0, help="Seconds between two export files of an S3 sink.")
@click.option("--first-logical-timestamp", default=1, help="Logical timestamp of the first event.")
@click.option("--import-seconds", default=0.2, help="How long an import takes.")
@click.option(
    "--job-order",
    type=click.Choice(["fifo", "lifo", "random"]),
    default="fifo",
    help="Which of several waiting imports runs next.",
)
@click.option(
    "--staging-dir",
    type=click.Path(file_okay=False, path_type=pathlib.Path),
    help="A directory served under /staging/, from which stock files can be fetched.",
)
def serve(host: str, port: int, staging_dir: pathlib.Path | None, **options: t.Any) -> None:
    """Serve until stopped."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        if staging_dir:
            staging_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.UsageError(f"--staging-dir: cannot make {staging_dir}: {error.strerror}") from error
    sandbox = Sandbox(Options(staging_dir=str(staging_dir) if staging_dir else None, **options))
    try:
        listener = socket.create_server((host, port), backlog=512)
    except OSError as error:
        raise click.UsageError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    # asyncio does not set this on a socket it is given; without it, answers wait 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    address, real_port = listener.getsockname()[:2]
    click.echo(f"newstore-sandbox listening on http://{address}:{real_port}")
    config = uvicorn.Config(create_app(sandbox), log_config=None, access_log=False, timeout_graceful_shutdown=5)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
