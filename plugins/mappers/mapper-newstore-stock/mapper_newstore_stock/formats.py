"""Writes the answers of `newstore-stock-ledger` as a table, JSON or CSV; a table has a frame on a terminal only.

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

from mapper_newstore_stock.ledger.queries import Table

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Write = t.Callable[[Table], None]

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
    names = table.for_people or table.columns
    places = [table.columns.index(name) for name in names] if table.for_people else range(len(names))
    rows = ([shown(row[place]) for place in places] for row in table.rows)
    write_rows = _write_framed if sys.stdout.isatty() else _write_lines
    write_rows(shown(table.says), names, rows)


def _write_framed(title: str, names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    grid = RichTable(title=Text(title) if title else None)
    for name in names:
        grid.add_column(name, overflow="fold")
    for row in rows:
        grid.add_row(*map(Text, row))
    Console().print(grid)


def _write_lines(title: str, names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a line a row, with nothing cut or wrapped, as a log, a pipe or a mail needs it."""
    lines = [names, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if title:
        click.echo(title)
    for line in lines:
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


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


def write_line(write: Write, says: str, **fields: object) -> None:
    """Write a sentence: for people as it is, for programs as one row with fields of its own, and `says`."""
    if write is _write_table:
        click.echo(says)
    else:
        write(Table((*fields, "says"), [(*fields.values(), says)]))


FORMATS: dict[str, Write] = {"table": _write_table, "json": _write_json, "csv": _write_csv}
format_option = click.option(
    "--format",
    "write",
    type=click.Choice(list(FORMATS)),
    default="table",
    callback=lambda _context, _option, name: FORMATS[name],
    help="For people, for programs, for spreadsheets.",
)
