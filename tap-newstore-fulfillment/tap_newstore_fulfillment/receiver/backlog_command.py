"""`newstore-event-receiver backlog`: how long no event has come, and what waits to be confirmed."""

from __future__ import annotations

import json
import typing as t

import click

from tap_newstore_fulfillment.errors import FoundError
from tap_newstore_fulfillment.landing.backlog import backlog
from tap_newstore_fulfillment.landing.database import LandingDatabase
from tap_newstore_fulfillment.landing.opening import check_is_there
from tap_newstore_fulfillment.landing.tenancy import tenant_of
from tap_newstore_fulfillment.receiver.configuration import config_option, read_settings
from tap_newstore_fulfillment.receiver.numbers import whole
from tap_newstore_fulfillment.receiver.output import format_option, print_table
from tap_newstore_fulfillment.sources import check_tenant

if t.TYPE_CHECKING:
    from tap_newstore_fulfillment.landing.backlog import Backlog

MS_PER_MINUTE = 60_000


@click.command("backlog")
@config_option
@click.option("--max-silence-minutes", type=whole(1), help="Fail if no event has come for longer.")
@click.option("--max-wait-minutes", type=whole(1), help="Fail if an event has waited for longer.")
@format_option
def backlog_command(
    config_files: tuple[str, ...], max_silence_minutes: int | None, max_wait_minutes: int | None, output_format: str
) -> None:
    """Show how long ago the newest event came, what each pipeline has not confirmed, and what is missing.

    Missing are logical timestamps of which no event has come, where 1,000 below them are all known: holes.

    Exits with 1 if a limit is exceeded. A pipeline has confirmed what its last run started from.
    """
    settings = read_settings(config_files)
    check_is_there(settings["landing_url"])
    database = LandingDatabase(settings["landing_url"])
    try:
        with database.reading() as connection:
            check_tenant(settings, tenant_of(connection))
        found = backlog(database)
    finally:
        database.close()
    rows = [
        {"reader_id": row.reader_id or "-", "events": row.events, "oldest_minutes": _minutes(row.oldest_ms)}
        for row in found.waiting
    ]
    holes = [{"from": row.first, "to": row.last, "minutes": _minutes(row.age_ms)} for row in found.holes]
    silence = _minutes(found.silence_ms)
    if output_format == "json":
        click.echo(json.dumps({"silence_minutes": silence, "waiting": rows, "holes": holes}))
    else:
        click.echo("No event yet" if silence is None else f"The newest event came {silence} minutes ago")
        shown = [{name: "-" if value is None else value for name, value in row.items()} for row in rows]
        print_table("Not confirmed", ("reader_id", "events", "oldest_minutes"), shown)
        if holes:
            print_table("Logical timestamps of which no event has come", ("from", "to", "minutes"), holes)
    if exceeded := _exceeded(found, max_silence_minutes, max_wait_minutes):
        raise FoundError("; ".join(exceeded), "See that the receiver is reached, and what the log of the last run says")


def _exceeded(found: Backlog, max_silence: int | None, max_wait: int | None) -> list[str]:
    """Return a sentence for each limit exceeded; an empty store exceeds any limit on silence."""
    exceeded = []
    if max_silence and (found.silence_ms is None or found.silence_ms > max_silence * MS_PER_MINUTE):
        exceeded.append(f"no event for {max_silence} minutes")
    for row in found.waiting:
        if max_wait and row.oldest_ms is not None and row.oldest_ms > max_wait * MS_PER_MINUTE:
            who = f" for pipeline {row.reader_id}" if row.reader_id else ""
            exceeded.append(f"{row.events} events wait{who}, the oldest for {_minutes(row.oldest_ms)} minutes")
    return exceeded


def _minutes(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else round(milliseconds / MS_PER_MINUTE, 1)
