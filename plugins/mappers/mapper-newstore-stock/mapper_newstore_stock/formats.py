"""Writes the answers of `newstore-stock-ledger` as a table, JSON or CSV."""

from __future__ import annotations

import csv
import json
import sys
import typing as t

import click
from rich.console import Console
from rich.table import Table as RichTable

if t.TYPE_CHECKING:
    from mapper_newstore_stock.ledger.queries import Table

Write = t.Callable[["Table"], None]


def _write_table(table: Table) -> None:
    shown = RichTable(title=table.says or None)
    for column in table.columns:
        shown.add_column(column, overflow="fold")
    for row in table.rows:
        shown.add_row(*("" if value is None else str(value) for value in row))
    Console().print(shown)


def _write_json(table: Table) -> None:
    click.echo("[", nl=False)
    for count, row in enumerate(table.rows):
        line = json.dumps(dict(zip(table.columns, row, strict=True)))
        click.echo(f",\n{line}" if count else line, nl=False)
    click.echo("]")


def _write_csv(table: Table) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(table.rows)


FORMATS: dict[str, Write] = {"table": _write_table, "json": _write_json, "csv": _write_csv}
format_option = click.option(
    "--format",
    "write",
    type=click.Choice(list(FORMATS)),
    default="table",
    callback=lambda _context, _option, name: FORMATS[name],
)
