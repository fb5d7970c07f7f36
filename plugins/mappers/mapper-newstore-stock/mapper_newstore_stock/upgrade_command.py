"""`newstore-stock-ledger upgrade`: a ledger of an earlier version, before a run does it."""

from __future__ import annotations

import typing as t

import click

from mapper_newstore_stock.formats import format_option, write_line
from mapper_newstore_stock.ledger.opening import plan_upgrade, upgrade_store
from mapper_newstore_stock.ledger_url import pass_ledger_url

if t.TYPE_CHECKING:
    from mapper_newstore_stock.formats import Write

#: Exit code of `--check` when there is something to do.
OLDER = 3


@click.command()
@click.option("--check", is_flag=True, help="Say what would be done and change nothing: exit code 3 if anything.")
@format_option
@pass_ledger_url
def upgrade(ledger_url: str, *, check: bool, write: Write) -> None:
    """Bring the ledger to this program's schema version now.

    A run of the mapper does the same when it opens the ledger. It is one transaction, and no run may be going on.
    """
    if not check:
        write_line(write, upgrade_store(ledger_url), older=False)
        return
    is_older, says = plan_upgrade(ledger_url)
    write_line(write, says, older=is_older)
    if is_older:
        raise SystemExit(OLDER)
