"""`newstore-event-receiver check`: what of receiving and reading events can be known before it is done."""

from __future__ import annotations

import time
import typing as t

import click

from tap_newstore_fulfillment.export_files.prefix import ExportPrefix
from tap_newstore_fulfillment.findings import Findings, format_option
from tap_newstore_fulfillment.receiver.check_newstore import look_at_newstore
from tap_newstore_fulfillment.receiver.check_receiver import look_at_receiver
from tap_newstore_fulfillment.receiver.check_store import look_at_store
from tap_newstore_fulfillment.receiver.configuration import config_option, read_settings
from tap_newstore_fulfillment.receiver.registration_options import id_option
from tap_newstore_fulfillment.settings import EXPORT_FILES
from tap_newstore_fulfillment.sources import first_name

if t.TYPE_CHECKING:
    from collections.abc import Mapping

BUCKET = "Correct export_files_url, or let this user list and read what is below it"


@click.command()
@config_option
@id_option
@click.option("--receiver-url", metavar="URL", help="Base URL of its /healthz, if not on this machine.")
@format_option
def check(config_files: tuple[str, ...], integration_id: str, receiver_url: str | None, output_format: str) -> None:
    """Look at everything events need: settings, landing store, receiver, NewStore's integration.

    Nothing is changed. The integration is looked at where tenant, client_id and client_secret are set.

    Exits with 1 if events are not received or a run would fail, with 2 if the configuration is wrong.
    """
    findings = Findings(output_format)
    settings = findings.configuration(lambda: read_settings(config_files))
    if settings is not None:
        if settings["source"] == EXPORT_FILES:
            _look_at_files(findings, settings)
        look_at_store(findings, settings)
        if settings["source"] != EXPORT_FILES:
            look_at_receiver(findings, settings, receiver_url)
        look_at_newstore(findings, settings, integration_id)
    findings.finish()


def _look_at_files(findings: Findings, settings: Mapping[str, t.Any]) -> None:
    with findings.looking("export files", BUCKET):
        first = first_name(settings.get("export_files_start_date"), time.time_ns() // 1_000_000)
        prefix = ExportPrefix(settings["export_files_url"], first)
        count, newest = 0, ""
        for file in prefix.files():
            count, newest = count + 1, max(newest, file.name.rpartition("/")[2])
        if count:
            findings.green("export files", f"{count} below {prefix.shown}, the newest {newest}")
        else:
            findings.yellow("export files", f"there is none below {prefix.shown}", "Look at the integration's bucket")
