"""`newstore-event-receiver copy`: a landing store moves from SQLite to PostgreSQL, or back."""

from __future__ import annotations

import click

from tap_newstore_fulfillment.landing import copying
from tap_newstore_fulfillment.landing_url import check_landing_url
from tap_newstore_fulfillment.receiver.configuration import config_option, read_settings


@click.command()
@config_option
@click.option("--to", "target_url", required=True, metavar="URL", help="SQLAlchemy URL of an empty database.")
@click.option("--take-back", is_flag=True, help="Bring the landing store back into use if the copy was not finished.")
def copy(config_files: tuple[str, ...], target_url: str, *, take_back: bool) -> None:
    """Move the landing store to another database, with its identity and positions; then set landing_url to it.

    The store it was copied from is out of use from then on: a receiver that still has it answers 503, so NewStore
    sends again. Killed on the way, the command can be repeated.
    """
    landing_url = read_settings(config_files)["landing_url"]
    check_landing_url(target_url, "--to")
    click.echo((copying.take_back if take_back else copying.copy)(landing_url, target_url))
