"""`newstore-event-receiver audit`: have NewStore deliver past hours again, and say what had been lost."""

from __future__ import annotations

import contextlib
import json
import signal
import time
import typing as t

import click

from tap_newstore_fulfillment.errors import ConfigurationError, CouldNotAuditError, NewStoreCallError, TapError
from tap_newstore_fulfillment.receiver import integrations
from tap_newstore_fulfillment.receiver.audit import Audit, period_to_audit
from tap_newstore_fulfillment.receiver.audit_report import AuditReport
from tap_newstore_fulfillment.receiver.configuration import config_option, read_settings
from tap_newstore_fulfillment.receiver.numbers import Finite
from tap_newstore_fulfillment.receiver.output import format_option
from tap_newstore_fulfillment.receiver.registration_options import event_stream
from tap_newstore_fulfillment.receiver.store_in_use import existing_store
from tap_newstore_fulfillment.sources import waiting_time

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_newstore_fulfillment.landing.store import LandingStore
    from tap_newstore_fulfillment.receiver.event_stream import EventStream

LOST = 1
QUIET_SECONDS = 10.0
WHERE = (
    "where NewStore reaches the receiver is not known: set --callback-url or audit_callback_url, or register the "
    f"receiver as {integrations.DEFAULT_ID}"
)


@click.command()
@config_option
@click.option(
    "--hours",
    type=Finite(min=0, min_open=True),
    default=24.0,
    show_default=True,
    help="Compare at least so many hours; more, back to the last whole audit or to what is known to be gone.",
)
@click.option(
    "--callback-url", metavar="URL", help="The receiver as NewStore reaches it; default: as it is registered."
)
@click.option(
    "--wait-minutes",
    type=Finite(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="How long all of it may take.",
)
@click.option(
    "--quiet-seconds",
    type=Finite(min=0),
    default=QUIET_SECONDS,
    show_default=True,
    help="How long nothing may come before a replay counts as delivered.",
)
@format_option
def audit(
    config_files: tuple[str, ...], hours: float, callback_url: str | None, output_format: str, **limits: float
) -> None:
    """Find what was lost after it had been answered 200: by a failover, a restore, a proxy.

    NewStore delivers the past hours again, beside everything else, to the receiver. What was not known is taken, late,
    and named. The temporary integration is deleted in any case. Exits with 0: nothing had been lost, 1: something had
    been, 3: could not audit.
    """
    settings = read_settings(config_files)
    stream = event_stream(settings)
    if callback_url:
        # A wrong call is one, whatever is there.
        integrations.webhook_parameters(callback_url, settings.get("receiver_api_key"))
    _end_cleanly()
    seconds = limits["wait_minutes"] * 60
    with _could_not_audit(), contextlib.closing(existing_store(settings)) as store, stream.patient_for(seconds):
        period = period_to_audit(store, hours, waiting_time(settings), time.time_ns() // 1_000_000)
        report = AuditReport(period)
        this = make_audit(store, stream, settings, callback_url, limits["quiet_seconds"])
        try:
            this.run(report, seconds)
        finally:
            click.echo(json.dumps(report.to_dict()) if output_format == "json" else "\n".join(report.lines()))
    if report.lost:
        raise SystemExit(LOST)


def make_audit(
    store: LandingStore,
    stream: EventStream,
    settings: Mapping[str, t.Any],
    callback_url: str | None = None,
    quiet_seconds: float = QUIET_SECONDS,
) -> Audit:
    """Return an audit that delivers to the receiver's own URL.

    Raises:
        ConfigurationError: the URL is not known, or NewStore would not take it.
        TapError: NewStore does not answer.
    """
    url = callback_url or settings.get("audit_callback_url") or _registered_url(stream)
    api_key = settings.get("receiver_api_key")
    integrations.webhook_parameters(url, api_key)
    return Audit(store, stream, url, api_key, quiet_seconds)


def _registered_url(stream: EventStream) -> str:
    try:
        found = stream.get(integrations.DEFAULT_ID).get("callback_parameters") or {}
    except NewStoreCallError as error:
        if error.status != 404:
            raise
        found = {}
    if not found.get("callback_url"):
        raise ConfigurationError(WHERE)
    return str(found["callback_url"])


@contextlib.contextmanager
def _could_not_audit() -> Iterator[None]:
    """Let whatever fails end with an exit code of its own: 1 says that something had been lost."""
    try:
        yield
    except (ConfigurationError, CouldNotAuditError):
        raise
    except TapError as error:
        raise CouldNotAuditError(str(error), error.to_do) from error
    except Exception as error:
        raise CouldNotAuditError(f"could not audit: an error nobody foresaw: {type(error).__name__}") from error


def _end_cleanly() -> None:
    """Let signals end the command by an exception, so that the integration is deleted; only the first one counts."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(number: int, _frame: object) -> None:
        for other in numbers:
            signal.signal(other, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for number in numbers:
        signal.signal(number, end)
