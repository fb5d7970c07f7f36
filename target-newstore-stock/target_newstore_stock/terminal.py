"""Tables on stderr: rich on a terminal, plain lines elsewhere."""

from __future__ import annotations

import typing as t

# rich is imported only where something is printed: a run that prints nothing starts sooner.
if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console


class Table(t.NamedTuple):
    """A table to print."""

    title: str
    columns: Sequence[str]
    rows: Iterable[Sequence[object]]


#: Longer tables are cut off after this many rows.
SHOWN_ROWS = 50
#: Wide enough that no cell wraps in a log file.
LOG_WIDTH = 240


def print_table(table: Table) -> None:
    """Print a table."""
    from rich import box  # noqa: PLC0415
    from rich.table import Table as RichTable  # noqa: PLC0415

    console = _console()
    shown = RichTable(title=table.title, title_justify="left", box=box.ROUNDED if console.is_terminal else None)
    for column in table.columns:
        shown.add_column(column, overflow="fold")
    for row in table.rows:
        shown.add_row(*("" if cell is None else str(cell) for cell in row))
    console.print(shown, highlight=False)


def _console() -> Console:
    from rich.console import Console  # noqa: PLC0415

    console = Console(stderr=True, markup=False, emoji=False)
    return console if console.is_terminal else Console(stderr=True, markup=False, emoji=False, width=LOG_WIDTH)
