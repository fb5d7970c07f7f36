"""`newstore-event-receiver prune`: what nobody needs any more leaves the landing store."""

from __future__ import annotations

import json

import click

from tap_newstore_fulfillment.errors import NotKnownError
from tap_newstore_fulfillment.receiver.configuration import config_option
from tap_newstore_fulfillment.receiver.numbers import whole
from tap_newstore_fulfillment.receiver.output import format_option, iso, print_table
from tap_newstore_fulfillment.receiver.store_in_use import store_in_use

MS_PER_DAY = 24 * 3600 * 1000


@click.command()
@config_option
@click.option("--keep-days", type=whole(0), required=True, help="Leave younger events whole.")
@click.option("--forget-reader", metavar="ID", help="Stop keeping events for a pipeline that will not come back.")
@format_option
def prune(config_files: tuple[str, ...], keep_days: int, forget_reader: str | None, output_format: str) -> None:
    """Empty the bodies of old events that every pipeline's target has confirmed, and old bodies in quarantine.

    The ids stay, so that a redelivery is still a duplicate, and so do the holes of refused bodies. Quarantine is also
    emptied down to quarantine_max_mb, the oldest first. Also shows the pipelines, and how far each is.
    """
    with store_in_use(config_files) as store:
        if forget_reader and not store.retention.forget(forget_reader):
            raise NotKnownError(
                f"--forget-reader {forget_reader}: no pipeline has read the store under this id",
                "prune --keep-days without it lists the pipelines",
            )
        pruned = store.retention.prune(keep_days * MS_PER_DAY)
        emptied = store.quarantine.prune(keep_days * MS_PER_DAY)
        readers = [reader._asdict() | {"seen_at": iso(reader.seen_at)} for reader in store.retention.readers()]
    if output_format == "json":
        click.echo(json.dumps({"pruned": pruned, "quarantine": emptied, "readers": readers}))
        return
    click.echo(f"{pruned} events pruned, {emptied} bodies in quarantine")
    print_table("Pipelines that read this store", ("reader_id", "through", "position", "seen_at"), readers)
