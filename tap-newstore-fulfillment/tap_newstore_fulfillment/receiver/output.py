"""How the commands of `newstore-event-receiver` show their results: `--format` and tables."""

from __future__ import annotations

import datetime as dt
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
    """Print these columns of the rows."""
    table = Table(*columns, title=title)
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns))
    Console().print(table)


def iso(epoch_ms: int) -> str:
    """Return a moment as text."""
    return dt.datetime.fromtimestamp(epoch_ms / 1000, tz=dt.UTC).isoformat(timespec="seconds")
