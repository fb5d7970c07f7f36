"""`newstore-stock-import check`: what of an import can be known before it is made. NewStore is only read."""

from __future__ import annotations

import logging
import os
import typing as t

import click

from target_newstore_stock.check_newstore import look_at_newstore
from target_newstore_stock.check_staging import look_at_staging
from target_newstore_stock.command import CORRECT_FILE, read_object, report_errors, run_command
from target_newstore_stock.command_log import log_to_stderr
from target_newstore_stock.errors import ConfigurationError
from target_newstore_stock.findings import Findings, format_option
from target_newstore_stock.run_lock import RunLock
from target_newstore_stock.staged_names import OwnNames
from target_newstore_stock.target import TargetNewStoreStock

if t.TYPE_CHECKING:
    from target_newstore_stock.settings import Settings

logger = logging.getLogger("newstore-stock-import")


@click.group(name="newstore-stock-import")
@click.version_option(package_name="target-newstore-stock")
def cli() -> None:
    """Look after the imports of target-newstore-stock."""


@cli.command()
@click.option(
    "--config",
    "config_files",
    multiple=True,
    metavar="FILE",
    help="The target's configuration file (JSON). It comes before TARGET_NEWSTORE_STOCK_* variables.",
)
@format_option
def check(config_files: tuple[str, ...], output_format: str) -> None:
    """Look at everything an import needs: settings, credentials, locations, staging, clock, lock.

    Nothing is imported. A small file is staged, fetched back by its link, and removed.

    Exits with 1 if a run would fail, with 2 if the configuration is wrong.
    """
    findings = Findings(output_format)
    settings = findings.configuration(lambda: _settings(config_files))
    if settings:
        look_at_newstore(findings, settings)
        look_at_staging(findings, settings)
        _look_at_lock(findings, settings)
    findings.finish()


def main() -> None:
    """Run the command."""
    # What a check writes into the staging place is for its owner alone.
    os.umask(0o077)
    log_to_stderr()
    run_command(report_errors(cli, logger), logger)


def _settings(files: tuple[str, ...]) -> Settings:
    """Return the settings: those of the files in order; what they leave open, of variables.

    Raises:
        ConfigurationError, ConfigValidationError: they cannot be read, or are wrong.
    """
    merged: dict[str, t.Any] = {}
    for file in files:
        if file == "ENV":
            continue
        try:
            merged |= read_object(file)
        except OSError as error:
            raise ConfigurationError(f"--config {file}: {error.strerror}", to_do=CORRECT_FILE) from error
    return TargetNewStoreStock(config=merged, parse_env_config=True).settings


def _look_at_lock(findings: Findings, settings: Settings) -> None:
    with findings.looking("lock", "Set TMPDIR to a directory that is yours alone"):
        owner = OwnNames(settings.provider, settings.tenant).owner
        holder = RunLock(owner, settings.api_base_url, settings.staging_url).holder()
        if holder:
            findings.yellow("lock", f"a run imports for {owner}: {holder}", "Wait for it: a second one fails at once")
        else:
            findings.green("lock", f"no run on this machine imports for {owner}")
