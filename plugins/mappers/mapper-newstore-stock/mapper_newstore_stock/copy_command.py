"""`newstore-stock-ledger copy`: a ledger moves from SQLite to PostgreSQL, or back."""

from __future__ import annotations

import typing as t

import click

from mapper_newstore_stock.formats import format_option, write_line
from mapper_newstore_stock.ledger import copying
from mapper_newstore_stock.ledger_url import check_ledger_url, pass_ledger_url

if t.TYPE_CHECKING:
    from mapper_newstore_stock.formats import Write


@click.command()
@click.option("--to", "target_url", required=True, metavar="URL", help="SQLAlchemy URL of an empty database.")
@click.option("--take-back", is_flag=True, help="Bring the ledger back into use if the copy was not finished.")
@format_option
@pass_ledger_url
def copy(ledger_url: str, target_url: str, *, take_back: bool, write: Write) -> None:
    """Move the ledger to another database, with its identity; then set ledger_url to it.

    The ledger it was copied from is out of use from then on: every run refuses it. Killed on the way, the command can
    be repeated.
    """
    check_ledger_url(target_url, "--to")
    write_line(write, (copying.take_back if take_back else copying.copy)(ledger_url, target_url))
