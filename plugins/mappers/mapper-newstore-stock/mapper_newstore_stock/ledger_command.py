"""`newstore-stock-ledger`: asks the ledger why a number is what it is."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import os
import typing as t
from pathlib import Path

import click

from mapper_newstore_stock.check.command import check
from mapper_newstore_stock.command import report_errors, run_command
from mapper_newstore_stock.command_log import log_to_stderr
from mapper_newstore_stock.comparison.command import diff
from mapper_newstore_stock.comparison.options import Understanding, understanding_options
from mapper_newstore_stock.copy_command import copy
from mapper_newstore_stock.errors import ConfigurationError, FoundError
from mapper_newstore_stock.events import INT64
from mapper_newstore_stock.formats import format_option
from mapper_newstore_stock.ledger import queries
from mapper_newstore_stock.ledger.history import history
from mapper_newstore_stock.ledger.landing import landing
from mapper_newstore_stock.ledger.reading import reading
from mapper_newstore_stock.ledger.whereabouts import Asked, whereabouts
from mapper_newstore_stock.ledger_url import pass_ledger_url
from mapper_newstore_stock.newstore_options import newstore_options
from mapper_newstore_stock.report import command as report_command
from mapper_newstore_stock.serve.command import serve
from mapper_newstore_stock.upgrade_command import upgrade
from mapper_newstore_stock.watch_command import COMMANDS as WATCHES

if t.TYPE_CHECKING:
    from mapper_newstore_stock.formats import Write

logger = logging.getLogger("newstore-stock-ledger")


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
        except (ValueError, RecursionError) as error:
            reason = error if isinstance(error, ValueError) else "nested too deeply"
            raise ValueError(f"{path} is not JSON: {reason}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} is not a JSON object")  # noqa: TRY004 - reported like JSON that cannot be parsed
    return config


@click.group()
@click.version_option(package_name="mapper-newstore-stock")
@click.option("--config", callback=_read_config, metavar="FILENAME", help="The mapper's configuration: `ledger_url`.")
@click.option("--ledger-url", envvar="MAPPER_NEWSTORE_STOCK_LEDGER_URL", help="SQLAlchemy URL of the ledger.")
@click.pass_context
def cli(context: click.Context, config: dict[str, t.Any], ledger_url: str | None) -> None:
    """Ask the ledger of mapper-newstore-stock; a run may go on. Only `upgrade`, `copy` and `diff --repair` write."""
    context.obj = config.get("ledger_url") or ledger_url


for command in (check, *WATCHES):
    cli.add_command(command)


@cli.command()
@click.option("--node", help="fulfillment_node_id")
@click.option("--product", help="product_id")
@click.option(
    "--since",
    metavar="TIME",
    callback=lambda _context, _option, text: _moment(text),
    help="Show all that happened since, such as 2025-03-01 or 2025-03-01T08:00:00+01:00 (UTC where no zone is named).",
)
@click.option("--event", "event_id", metavar="ID", help="Say where the units of an event are now.")
@click.option("--order", "order_id", metavar="ID", help="Say where the units of an order are now.")
@click.option(
    "--landing-url",
    envvar="TAP_NEWSTORE_FULFILLMENT_LANDING_URL",
    help="SQLAlchemy URL of the landing store: what came and is not here yet, or was set aside.",
)
@click.option(
    "--settle-seconds",
    type=int,
    envvar="TAP_NEWSTORE_FULFILLMENT_SETTLE_SECONDS",
    help="How long the tap lets an event wait.",
)
@format_option
@pass_ledger_url
def explain(
    ledger_url: str,
    /,
    *,
    node: str | None,
    product: str | None,
    since: dt.datetime | None,
    landing_url: str | None,
    settle_seconds: int | None,
    write: Write,
    **ids: str | None,
) -> None:
    """Say why a number is what it is, or where an event or an order is.

    Shows the ERP's row, each event since, and the cut that carried the number; with --since each
    number sent, and who changed what in between.
    """
    asked = [name for name, value in {"key": node or product, **ids}.items() if value is not None]
    if len(asked) != 1 or (node is None) != (product is None) or (since and node is None):
        raise ConfigurationError("explain: needs --node and --product (and may have --since), or --event, or --order")
    with reading(ledger_url) as connection:
        if node is None or product is None:
            with landing(landing_url) if landing_url else contextlib.nullcontext() as store:
                write(whereabouts(connection, Asked(**ids), store, settle_seconds))
        elif since is None:
            write(queries.explain(connection, node, product))
        else:
            write(history(connection, node, product, since))


def _moment(text: str | None) -> dt.datetime | None:
    """Return the moment a text names.

    Raises:
        ConfigurationError: it names none.
    """
    try:
        moment = None if text is None else dt.datetime.fromisoformat(text)
        return moment and (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise ConfigurationError(f"--since {text}: expected a time such as 2025-03-01T08:00:00+01:00") from None


@cli.command()
@click.option(
    "--timestamp", type=click.IntRange(INT64[0], INT64[-1]), required=True, help="Logical timestamp, inclusive."
)
@format_option
@pass_ledger_url
def at(ledger_url: str, timestamp: int, write: Write) -> None:
    """Show all quantities as of any timestamp still in the ledger."""
    with reading(ledger_url) as connection:
        write(queries.quantities_at(connection, timestamp))


@cli.command()
@format_option
@pass_ledger_url
def cuts(ledger_url: str, write: Write) -> None:
    """List all cuts: range, size, acknowledged or not."""
    with reading(ledger_url) as connection:
        write(queries.cuts(connection))


@cli.command()
@click.option(
    "--older-than", type=float, metavar="MINUTES", help="End with 1 if a key is in the list longer than this."
)
@format_option
@pass_ledger_url
def held(ledger_url: str, older_than: float | None, write: Write) -> None:
    """List keys without a number of their own: held, stale or vanished ones, with reason and age."""
    with reading(ledger_url) as connection:
        table = queries.held_keys(connection, dt.datetime.now(tz=dt.UTC))
    write(table)
    minutes = [row[4] for row in table.rows]
    if older_than is not None and any(one > older_than for one in minutes):
        raise FoundError(
            f"{sum(one > older_than for one in minutes)} keys are in the list for {older_than:g} minutes",
            "Add or correct the rows that held lists",
        )


cli.add_command(diff)


@cli.command()
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write.")
@click.option("--key", "keys", multiple=True, metavar="NODE/PRODUCT", help="Key to show over time; repeatable.")
@click.option("--events", metavar="FILE", help="The tap's messages, as it writes them; `-` for stdin.")
@click.option("--receiver-url", help="Base URL of an event receiver: counts quarantined bodies.")
@click.option("--report-path", metavar="FILE", help="The target's import report: when each import finished.")
@newstore_options
@understanding_options
@pass_ledger_url
def report(ledger_url: str, /, *, html: Path, keys: tuple[str, ...], **options: t.Any) -> None:
    """Write a report as one HTML page.

    The page needs no network. It shows imports, chosen keys, differences, lag and late events.
    """
    parts = {name: options.pop(name) for name in ("events", "receiver_url", "report_path")}
    how = Understanding.taken_from(options)
    with reading(ledger_url) as connection:
        gathered = report_command.gather(connection, keys, newstore=options, how=how, **parts)
    report_command.write(gathered, html)


for command in (upgrade, copy, serve):
    cli.add_command(command)


def main() -> None:
    """Run the command: exit code 0 done, 1 failed, 2 bad configuration."""
    # What the process writes is for its user alone, whatever the shell says.
    os.umask(0o077)
    log_to_stderr()
    run_command(report_errors(cli, logger), logger)
