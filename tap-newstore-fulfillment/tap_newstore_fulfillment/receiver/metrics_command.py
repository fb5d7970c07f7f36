"""`newstore-event-receiver metrics`: what the landing store knows, where no receiver serves `/metrics`."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import click

from tap_newstore_fulfillment.errors import ConfigurationError
from tap_newstore_fulfillment.receiver.configuration import config_option
from tap_newstore_fulfillment.receiver.metrics import StoreMetrics
from tap_newstore_fulfillment.receiver.store_in_use import store_in_use

#: Whoever collects the file is another user.
READABLE = 0o644


@click.command()
@config_option
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to replace; else stdout.")
def metrics(config_files: tuple[str, ...], output: Path | None) -> None:
    """Write what the landing store knows as metrics in Prometheus's text format.

    For export files, which no receiver takes: run it after each run, into the directory of node_exporter's textfile
    collector. A receiver shows the same at /metrics.
    """
    found = StoreMetrics()
    with store_in_use(config_files) as store:
        found.show_set_aside(store.set_aside())
        found.show_oldest_set_aside(store.quarantine.oldest_at())
        found.show_audits(store.audit_figures())
        found.show_newest(store.newest_published(), time.time())
        found.show_backlog(store.waiting_events())
    if output is None:
        click.echo(found.text(), nl=False)
        return
    try:
        _replace(output, found.text())
    except OSError as error:
        said = f"--output: cannot write {output}: {error.strerror}"
        raise ConfigurationError(said, "Correct the path, or the rights of its directory") from error


def _replace(path: Path, content: bytes) -> None:
    """Replace a file at once: it may be collected at any moment."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(READABLE)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
