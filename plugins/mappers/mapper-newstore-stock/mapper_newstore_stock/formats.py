"""Writes the answers of `newstore-stock-ledger` as a table, JSON or CSV.

Keys, names and reasons come from outside: they are shown as text, whatever is in them.
"""

from __future__ import annotations

import csv
import json
import re
import sys
import typing as t

import click
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

if t.TYPE_CHECKING:
    from mapper_newstore_stock.ledger.queries import Table

Write = t.Callable[["Table"], None]

#: What a terminal or a spreadsheet would obey instead of showing it: control characters, and those that turn text.
OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
#: A cell that begins like this is a formula to a spreadsheet.
FORMULA = ("=", "+", "-", "@")


def shown(value: object) -> str:
    """Return a value as people can read it, with nothing in it that a terminal would obey."""
    return "" if value is None else OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), str(value))


def cell(value: object) -> object:
    """Return a value as a spreadsheet shows it; a number stays one, text is never a formula."""
    if not isinstance(value, str):
        return value
    text = shown(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text


def _write_table(table: Table) -> None:
    grid = RichTable(title=Text(shown(table.says)) if table.says else None)
    left_out = len(table.columns) - len(table.for_people or table.columns)
    names = table.for_people or table.columns
    places = [table.columns.index(name) for name in names] if left_out else range(len(table.columns))
    for name in names:
        grid.add_column(name, overflow="fold")
    for row in table.rows:
        grid.add_row(*(Text(shown(row[place])) for place in places))
    Console().print(grid)


def _write_json(table: Table) -> None:
    click.echo("[", nl=False)
    for count, row in enumerate(table.rows):
        line = json.dumps(dict(zip(table.columns, row, strict=True)))
        click.echo(f",\n{line}" if count else line, nl=False)
    click.echo("]")


def _write_csv(table: Table) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([cell(value) for value in row] for row in table.rows)


FORMATS: dict[str, Write] = {"table": _write_table, "json": _write_json, "csv": _write_csv}
format_option = click.option(
    "--format",
    "write",
    type=click.Choice(list(FORMATS)),
    default="table",
    callback=lambda _context, _option, name: FORMATS[name],
    help="For people, for programs, for spreadsheets.",
)
