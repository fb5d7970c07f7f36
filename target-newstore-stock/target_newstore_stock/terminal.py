"""Tables on stderr: rich on a terminal, one line a row elsewhere."""

from __future__ import annotations

import sys
import typing as t

import click

# rich is imported only where a terminal is printed to: other runs start sooner.
if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Table(t.NamedTuple):
    """A table to print."""

    title: str
    columns: Sequence[str]
    rows: Iterable[Sequence[object]]


#: Longer tables are cut off after this many rows.
SHOWN_ROWS = 50


def print_table(table: Table) -> None:
    """Print a table."""
    rows = [["" if cell is None else " ".join(str(cell).split()) for cell in row] for row in table.rows]
    print_rows = _print_framed if sys.stderr.isatty() else _print_lines
    print_rows(" ".join(table.title.split()), table.columns, rows)


def _print_framed(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich import box  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table as RichTable  # noqa: PLC0415

    console = Console(stderr=True, markup=False, emoji=False)
    framed = RichTable(box=box.ROUNDED)
    for column in columns:
        framed.add_column(column, overflow="fold")
    for row in rows:
        framed.add_row(*row)
    console.print(title, style="table.title", highlight=False, soft_wrap=True)
    console.print(framed, highlight=False)


def _print_lines(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a line a row, with nothing cut or wrapped, as a log, a pipe or a mail needs it."""
    lines = [columns, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    click.echo(title, err=True)
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip(), err=True)
