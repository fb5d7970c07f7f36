"""`newstore-event-receiver replay`: have NewStore deliver a past period again."""

from __future__ import annotations

import contextlib
import logging
import time
import typing as t

import click

from tap_newstore_fulfillment.errors import IntegrationError, NewStoreCallError, NewStoreError
from tap_newstore_fulfillment.receiver import integrations
from tap_newstore_fulfillment.receiver.configuration import config_option
from tap_newstore_fulfillment.receiver.event_stream import STOPPED
from tap_newstore_fulfillment.receiver.numbers import whole
from tap_newstore_fulfillment.receiver.registration_options import (
    an_id,
    described,
    event_stream,
    needed_sink,
    now,
    registration_settings,
    sink_options,
    time_option,
)

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Mapping

    from tap_newstore_fulfillment.receiver.event_stream import EventStream

logger = logging.getLogger("newstore-event-receiver")

FIRST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.5, 15.0
LOOK_GROWTH = 1.5
NOT_FOUND = 404


@click.command()
@time_option("--from", "starts_at", required=True, help="Replay events published from this time on (RFC 3339).")
@time_option("--to", "ends_at", help="Replay events published up to this time; default: now.")
@an_id(help="The temporary integration's id; made from the period by default.")
@click.option(
    "--wait-minutes",
    type=whole(0),
    default=60,
    show_default=True,
    help="How long to wait for the end; 0 returns at once and leaves the integration to be deleted.",
)
@config_option
@sink_options
def replay(
    config_files: tuple[str, ...],
    integration_id: str | None,
    starts_at: dt.datetime,
    ends_at: dt.datetime | None,
    wait_minutes: int,
    **sink_arguments: str | None,
) -> None:
    """Have NewStore deliver past events again; those already kept change nothing.

    The temporary integration is deleted when it is done. Exits with 1 if it is not done in time, or if the receiver
    rejected events: then it stays, and with it what was rejected. If a call fails it is deleted, or the log says that
    it stays.
    """
    settings = registration_settings(config_files)
    sink = needed_sink(settings, sink_arguments)
    ends_at = ends_at or now()
    integration_id = integration_id or integrations.replay_id(starts_at, ends_at)
    body = integrations.temporary(integration_id, sink, starts_at, ends_at)
    stream = event_stream(settings)
    with stream.patient_for(wait_minutes * 60):
        _create(stream, body)
    click.echo(f"{integration_id}: replays {body['starts_at']} to {body['ends_at']}, {described(sink)}")
    if not wait_minutes:
        return
    with _deleted_if_a_call_fails(stream, integration_id), stream.patient_for(wait_minutes * 60):
        wait_for_end(stream, integration_id, wait_minutes * 60)
        if rejected := stream.rejected(integration_id):
            raise IntegrationError(
                f"{integration_id}: done, but the receiver rejected {len(rejected)} events: `newstore-event-receiver "
                f"rejected list --id {integration_id}` shows them. Delete the integration when you have looked"
            )
        stream.delete(integration_id)
    click.echo(f"{integration_id}: done and deleted")


def _create(stream: EventStream, body: Mapping[str, t.Any]) -> None:
    try:
        stream.create(body)
    except NewStoreError as error:
        if error.may_have_happened:
            # It is not deleted here: one of this id may have been there before.
            error.to_do = (
                f"{body['id']} may have been created all the same. If it is there, delete it: "
                f"{_delete(body['id'])}. {error.to_do}"
            )
        raise


@contextlib.contextmanager
def _deleted_if_a_call_fails(stream: EventStream, integration_id: str) -> Iterator[None]:
    """Delete an integration this command has created if it ends before it is done, or say that it stays."""
    try:
        yield
    except NewStoreError:
        try:
            stream.delete(integration_id)
        except NewStoreError as error:
            if not (isinstance(error, NewStoreCallError) and error.status == NOT_FOUND):
                _say_that_it_stays(integration_id)
        else:
            logger.warning("%s: deleted before it was done; replay again", integration_id)
        raise
    except KeyboardInterrupt:
        _say_that_it_stays(integration_id)
        raise


def _say_that_it_stays(integration_id: str) -> None:
    logger.warning(
        "%s: not done, and stays at NewStore, among the 25 it allows. Delete it: %s",
        integration_id,
        _delete(integration_id),
    )


def _delete(integration_id: str) -> str:
    return f"newstore-event-receiver delete --id {integration_id}"


def wait_for_end(
    stream: EventStream,
    integration_id: str,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Wait until a temporary integration has delivered its period: NewStore stops it then.

    Args:
        stream: Calls NewStore.
        integration_id: Of the integration.
        seconds: How long to wait.
        sleep: Waits this many seconds.
        clock: Returns seconds that never go back.

    Raises:
        TapError: it has not ended in time; it stays.
    """
    deadline, pause = clock() + seconds, FIRST_LOOK_SECONDS
    while stream.get(integration_id).get("status") != STOPPED:
        if clock() >= deadline:
            raise IntegrationError(
                f"{integration_id}: not done after {seconds / 60:g} minutes, NewStore goes on delivering. When "
                f"`status` shows that it is stopped, delete it: {_delete(integration_id)}"
            )
        sleep(pause)
        pause = min(pause * LOOK_GROWTH, LONGEST_LOOK_SECONDS)
