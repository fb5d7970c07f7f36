"""`newstore-stock-ledger`: asks the ledger why a number is what it is."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import json
import logging
import os
import sys
import typing as t
from pathlib import Path

import click
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table as RichTable

from mapper_newstore_stock.availabilities import COLUMNS, Availabilities, signed_in
from mapper_newstore_stock.command import report_errors
from mapper_newstore_stock.errors import ConfigurationError, LedgerError
from mapper_newstore_stock.ledger import queries
from mapper_newstore_stock.ledger.database import open_engine, short
from mapper_newstore_stock.report import command as report_command

if t.TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("newstore-stock-ledger")


def _write_table(table: queries.Table) -> None:
    shown = RichTable(title=table.says or None)
    for column in table.columns:
        shown.add_column(column, overflow="fold")
    for row in table.rows:
        shown.add_row(*("" if value is None else str(value) for value in row))
    Console().print(shown)


def _write_json(table: queries.Table) -> None:
    click.echo("[", nl=False)
    for count, row in enumerate(table.rows):
        line = json.dumps(dict(zip(table.columns, row, strict=True)))
        click.echo(f",\n{line}" if count else line, nl=False)
    click.echo("]")


def _write_csv(table: queries.Table) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows(table.rows)


Write = t.Callable[[queries.Table], None]
FORMATS: dict[str, Write] = {"table": _write_table, "json": _write_json, "csv": _write_csv}
_format_option = click.option(
    "--format",
    "write",
    type=click.Choice(list(FORMATS)),
    default="table",
    callback=lambda _context, _option, name: FORMATS[name],
)


NEWSTORE = "TARGET_NEWSTORE_STOCK_"


def _newstore_options(command: t.Callable[..., None]) -> t.Callable[..., None]:
    """Add the options that say where NewStore is and who asks, as the target has them."""
    for name, text in (
        ("client-secret", "Secret of the API client."),
        ("client-id", "The API client."),
        ("auth-url", "The whole token endpoint."),
        ("api-url", "Base URL of NewStore's API."),
    ):
        command = click.option(f"--{name}", envvar=f"{NEWSTORE}{name.upper().replace('-', '_')}", help=text)(command)
    return command


def _with_addresses(tenant: str | None, newstore: dict[str, str | None]) -> dict[str, str | None]:
    """Return the options with the addresses of the tenant where none are given."""
    if not tenant:
        return newstore
    api_url = newstore["api_url"] or f"https://{tenant}.p.newstore.net"
    realm = f"https://id.p.newstore.net/auth/realms/{tenant}"
    auth_url = newstore["auth_url"] or f"{realm}/protocol/openid-connect/token"
    return {**newstore, "api_url": api_url, "auth_url": auth_url}


def _availabilities(newstore: dict[str, str | None]) -> Availabilities:
    """Return what NewStore promises, signed in.

    Raises:
        ConfigurationError: names all options that are missing.
    """
    if missing := [name for name, value in newstore.items() if not value]:
        variables = ", ".join(f"{NEWSTORE}{name.upper()}" for name in missing)
        raise ConfigurationError(f"{', '.join(missing)}: required, as options or as {variables}")
    given = t.cast("dict[str, str]", newstore)
    return Availabilities(signed_in(given["auth_url"], given["client_id"], given["client_secret"]), given["api_url"])


def _read_config(_context: click.Context, _option: click.Parameter, path: str | None) -> dict[str, t.Any]:
    """Read the mapper's configuration.

    Raises:
        OSError, ValueError: it cannot be read; `report_errors` says so.
    """
    if path is None:
        return {}
    with click.open_file(path, encoding="utf-8") as file:
        try:
            config = json.load(file)
        except ValueError as error:
            raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} is not a JSON object")  # noqa: TRY004 - reported like JSON that cannot be parsed
    return config


@click.group()
@click.version_option(package_name="mapper-newstore-stock")
@click.option("--config", callback=_read_config, metavar="FILENAME", help="The mapper's configuration: `ledger_url`.")
@click.option("--ledger-url", envvar="MAPPER_NEWSTORE_STOCK_LEDGER_URL", help="SQLAlchemy URL of the ledger.")
@click.pass_context
def cli(context: click.Context, config: dict[str, t.Any], ledger_url: str | None) -> None:
    """Ask the ledger of mapper-newstore-stock. Nothing is written; a run may be going on."""
    ledger_url = config.get("ledger_url") or ledger_url
    if not ledger_url:
        raise ConfigurationError("ledger_url: set --ledger-url, --config or MAPPER_NEWSTORE_STOCK_LEDGER_URL")
    context.obj = ledger_url


@cli.command()
@click.option("--node", required=True, help="fulfillment_node_id")
@click.option("--product", required=True, help="product_id")
@_format_option
@click.pass_obj
def explain(ledger_url: str, node: str, product: str, write: Write) -> None:
    """Say why a number is what it is.

    Shows the ERP's row, each event since, and the cut that carried the number.
    """
    with _reading(ledger_url) as connection:
        write(queries.explain(connection, node, product))


@cli.command()
@click.option("--timestamp", type=int, required=True, help="Logical timestamp, inclusive.")
@_format_option
@click.pass_obj
def at(ledger_url: str, timestamp: int, write: Write) -> None:
    """Show all quantities as of any timestamp still in the ledger."""
    with _reading(ledger_url) as connection:
        write(queries.quantities_at(connection, timestamp))


@cli.command()
@_format_option
@click.pass_obj
def cuts(ledger_url: str, write: Write) -> None:
    """List all cuts: range, size, acknowledged or not."""
    with _reading(ledger_url) as connection:
        write(queries.cuts(connection))


@cli.command()
@click.option(
    "--older-than", type=float, metavar="MINUTES", help="End with 1 if a key is in the list longer than this."
)
@_format_option
@click.pass_obj
def held(ledger_url: str, older_than: float | None, write: Write) -> None:
    """List keys without a number of their own: held, stale or vanished ones, with reason and age."""
    with _reading(ledger_url) as connection:
        table = queries.held_keys(connection, dt.datetime.now(tz=dt.UTC))
    write(table)
    minutes = [row[4] for row in table.rows]
    if older_than is not None and any(one > older_than for one in minutes):
        raise LedgerError(f"{sum(one > older_than for one in minutes)} keys are in the list for {older_than:g} minutes")


@cli.command()
@_newstore_options
@click.option("--tenant", envvar=f"{NEWSTORE}TENANT", help="NewStore tenant with its stage; gives the two URLs.")
@click.option("--all", "everything", is_flag=True, help="Show also keys on which both agree.")
@_format_option
@click.pass_obj
def diff(ledger_url: str, /, tenant: str | None, everything: bool, write: Write, **newstore: str | None) -> None:
    """Compare the numbers last sent with NewStore's ATP.

    `demand` is their difference: open orders, reservations, safety stock and completions that no
    range has covered yet. Below 0, NewStore promises more than it was sent: exit code 1.
    """
    availabilities = _availabilities(_with_addresses(tenant, newstore))
    with _reading(ledger_url) as connection:
        rows = list(availabilities.beside(queries.sent_quantities(connection)))
    differing = [row for row in rows if row[4] != 0]
    says = f"{len(differing)} of {len(rows)} keys differ"
    write(queries.Table(COLUMNS, rows if everything else differing, says))
    oversold = sum(row[4] is not None and row[4] < 0 for row in rows)
    if oversold:
        raise LedgerError(f"NewStore promises more than was sent for {oversold} keys (demand below 0)")


@cli.command()
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write.")
@click.option("--key", "keys", multiple=True, metavar="NODE/PRODUCT", help="Key to show over time; repeatable.")
@click.option("--events", metavar="FILE", help="The tap's messages, as it writes them; `-` for stdin.")
@click.option("--receiver-url", help="Base URL of an event receiver: counts quarantined bodies.")
@_newstore_options
@click.pass_obj
def report(
    ledger_url: str,
    /,
    html: Path,
    keys: tuple[str, ...],
    events: str | None,
    receiver_url: str | None,
    **newstore: str | None,
) -> None:
    """Write a report as one HTML page.

    The page needs no network. It shows imports, chosen keys, differences, lag and late events.
    """
    with _reading(ledger_url) as connection:
        gathered = report_command.gather(connection, keys, events=events, receiver_url=receiver_url, newstore=newstore)
    report_command.write(gathered, html)


@contextlib.contextmanager
def _reading(ledger_url: str) -> Iterator[sa.Connection]:
    try:
        engine = open_engine(ledger_url)
        path = engine.url.database if engine.dialect.name == "sqlite" else None
        if path and not Path(path).exists():
            raise LedgerError(f"ledger_url: there is no file {path}")
        with contextlib.ExitStack() as stack:
            stack.callback(engine.dispose)
            connection = stack.enter_context(engine.connect())
            queries.check_schema(connection)
            yield connection
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        raise LedgerError(f"ledger_url: cannot read the ledger: {short(error)}") from error


def main() -> None:
    """Run the command: exit code 0 done, 1 failed, 2 bad configuration."""
    # What the process writes is for its user alone, whatever the shell says.
    os.umask(0o077)
    logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stderr)
    report_errors(cli, logger)()
