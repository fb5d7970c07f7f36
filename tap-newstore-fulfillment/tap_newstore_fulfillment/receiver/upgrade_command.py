"""`newstore-event-receiver upgrade`: a landing store of an earlier version, before a receiver or tap does it."""

from __future__ import annotations

import click

from tap_newstore_fulfillment.landing.database import LandingDatabase
from tap_newstore_fulfillment.landing.opening import plan_upgrade
from tap_newstore_fulfillment.receiver.configuration import config_option, read_settings

#: Exit code of `--check` when there is something to do.
OLDER = 3


@click.command()
@config_option
@click.option("--check", is_flag=True, help="Say what would be done and change nothing: exit code 3 if anything.")
def upgrade(config_files: tuple[str, ...], *, check: bool) -> None:
    """Bring the landing store to this program's schema version now.

    A receiver or a tap does the same when it opens the store. It is one transaction; a receiver that runs meanwhile
    answers 503 until it has ended.
    """
    url = read_settings(config_files)["landing_url"]
    if not check:
        click.echo(LandingDatabase.upgrade(url))
        return
    is_older, says = plan_upgrade(url)
    click.echo(says)
    if is_older:
        raise SystemExit(OLDER)
