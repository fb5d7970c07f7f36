"""`newstore-stock-ledger age|metrics`: whether runs do their work, for alarms."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import tempfile
import typing as t
from pathlib import Path

import click

from mapper_newstore_stock.errors import FileError, FoundError
from mapper_newstore_stock.formats import format_option
from mapper_newstore_stock.ledger.age import ages
from mapper_newstore_stock.ledger.figures import figures
from mapper_newstore_stock.ledger.reading import reading
from mapper_newstore_stock.ledger_url import pass_ledger_url

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from mapper_newstore_stock.formats import Write
    from mapper_newstore_stock.ledger.figures import Figure

#: Whoever collects the file is another user.
READABLE = 0o644
#: A label as Prometheus writes it; those of the ledger's metrics are names of ours.
LABEL = re.compile(r'(\w+)="([^"]*)"')


@click.command()
@click.option("--max-minutes", type=float, metavar="MINUTES", help="End with 1 if it is longer, or no run ever began.")
@format_option
@pass_ledger_url
def age(ledger_url: str, max_minutes: float | None, write: Write) -> None:
    """Say since when no run has planned, and since when an import is not known to have ended.

    An import is known once the next run has read the state: allow for two intervals of the schedule.
    """
    with reading(ledger_url) as connection:
        table = ages(connection, dt.datetime.now(tz=dt.UTC))
    write(table)
    oldest = max((row[1] for row in table.rows), default=None)
    if max_minutes is not None and (oldest is None or oldest > max_minutes):
        raise FoundError(
            f"no run has done its work for {max_minutes:g} minutes: {table.says}",
            "Look at the log of the last run, and see that runs are started",
        )


@click.command()
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to replace; else stdout.")
@click.option(
    "--format", "form", type=click.Choice(["prometheus", "json"]), default="prometheus", help="For what reads it."
)
@pass_ledger_url
def metrics(ledger_url: str, output: Path | None, form: str) -> None:
    """Write what the ledger knows as metrics in Prometheus's text format.

    Run it after each run, into the directory of node_exporter's textfile collector.
    """
    with reading(ledger_url) as connection:
        found = figures(connection)
        text = _as_json(found) if form == "json" else "".join(_lines(found))
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        _replace(output, text)
    except OSError as error:
        raise FileError(
            f"--output: cannot write {output}: {error.strerror}", "Correct the path, or the rights of its directory"
        ) from error


COMMANDS = (age, metrics)


def _lines(found: Iterable[Figure]) -> Iterable[str]:
    for figure in found:
        yield f"# HELP {figure.name} {figure.meaning}\n# TYPE {figure.name} gauge\n"
        for labels, value in figure.values.items():
            yield f"{figure.name}{labels} {value:.15g}\n"


def _as_json(found: Iterable[Figure]) -> str:
    rows = [
        {"name": figure.name, "labels": dict(LABEL.findall(labels)), "value": value}
        for figure in found
        for labels, value in figure.values.items()
    ]
    return f"{json.dumps(rows)}\n"


def _replace(path: Path, text: str) -> None:
    """Replace a file at once: it may be collected at any moment."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(READABLE)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
