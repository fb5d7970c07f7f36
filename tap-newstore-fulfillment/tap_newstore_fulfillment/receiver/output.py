"""How the commands of `newstore-event-receiver` show their results: `--format` and tables."""

from __future__ import annotations

import datetime as dt
import sys
import typing as t

import click
from rich.console import Console
from rich.table import Table

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

format_option = click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Output for people (table) or programs (json).",
)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Mapping[str, t.Any]]) -> None:
    """Print these columns of the rows: framed on a terminal, one line a row elsewhere."""
    cells = [[" ".join(str(row[column]).split()) for column in columns] for row in rows]
    if sys.stdout.isatty():
        framed = Table(*columns, title=title)
        for line in cells:
            framed.add_row(*line)
        Console().print(framed)
    else:
        _print_lines(title, columns, cells)


def _print_lines(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a line a row, with nothing cut or wrapped, as a log, a pipe or a mail needs it."""
    lines = [columns, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    click.echo(title)
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def iso(epoch_ms: int) -> str:
    """Return a moment as text."""
    return dt.datetime.fromtimestamp(epoch_ms / 1000, tz=dt.UTC).isoformat(timespec="seconds")
