"""The command `newstore-erp-postgresql`: exit code 0 done, 1 failed, 2 bad configuration."""

from __future__ import annotations

import dataclasses
import json

import click

from newstore_erp_postgresql import stock
from newstore_erp_postgresql.command_log import BadSettingsError, LoggedGroup, command_error, say
from newstore_erp_postgresql.errors import ErpError, SettingsError

VARIABLES = "NEWSTORE_ERP_POSTGRESQL_"

_database = click.option(
    "--database-url", envvar=f"{VARIABLES}DATABASE_URL", default="", help="SQLAlchemy URL of the ERP's database."
)


@click.group(cls=LoggedGroup)
@click.version_option(package_name="newstore-erp-postgresql")
def main() -> None:
    """Keep an ERP's stock on PostgreSQL in step with NewStore."""


@main.command()
@_database
def setup(database_url: str) -> None:
    """Create the schema `newstore`; existing tables and rows are kept."""
    _check_set(database_url=database_url)
    try:
        stock.setup(database_url)
    except ErpError as error:
        raise command_error(error) from error
    click.echo("The schema newstore is ready.")


@main.command()
@_database
@click.option(
    "--ledger-url",
    envvar=f"{VARIABLES}LEDGER_URL",
    default="",
    help="SQLAlchemy URL of the ledger of mapper-newstore-stock.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Output for people (text) or programs (json).",
)
def apply(database_url: str, ledger_url: str, output_format: str) -> None:
    """Book each loaded change that the mapper has taken, exactly once."""
    _check_set(database_url=database_url, ledger_url=ledger_url)
    try:
        applied = stock.apply(database_url, stock.taken_by(ledger_url))
    except ErpError as error:
        raise command_error(error) from error
    is_json = output_format == "json"
    text = f"{applied.changes} changes booked, {applied.waiting} waiting."
    click.echo(json.dumps(dataclasses.asdict(applied)) if is_json else text)
    if applied.keys_without_row:
        keys = ", ".join(applied.keys_without_row)
        say("warning", f"No row in newstore.stock_on_hand for {keys}: create it with count_stock.")


def _check_set(**settings: str) -> None:
    """Refuse to start without these settings.

    Raises:
        BadSettingsError: names all that are missing.
    """
    missing = [name for name, value in settings.items() if not value]
    if missing:
        how = ", ".join(f"--{name.replace('_', '-')} or {VARIABLES}{name.upper()}" for name in missing)
        raise BadSettingsError(SettingsError(f"{' and '.join(missing)}: required; set {how}"))


if __name__ == "__main__":
    main()
