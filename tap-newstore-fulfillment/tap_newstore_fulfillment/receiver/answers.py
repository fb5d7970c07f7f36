"""What NewStore's event-stream configuration answers (newstore-api.md, section 4): the fields that are read."""

from __future__ import annotations

import typing as t

import msgspec

from tap_newstore_fulfillment.receiver.integrations import EVENT_ID

#: It becomes part of a path.
EventId = t.Annotated[str, msgspec.Meta(pattern=rf"\A{EVENT_ID.pattern}\Z")]


class Callback(t.TypedDict, total=False):
    """The sink of a webhook, without its key."""

    callback_url: str | None


class Bucket(t.TypedDict, total=False):
    """The sink of export files, without its keys."""

    bucket: str | None
    key_prefix: str | None


class Integration(t.TypedDict, total=False):
    """An integration; one made by hand may leave out anything."""

    id: str
    status: str | None
    callback_parameters: Callback | None
    s3_parameters: Bucket | None
    filter_conditions: dict[str, list[str] | None] | None


class Integrations(t.TypedDict):
    """All integrations of the tenant."""

    integrations: list[Integration] | None


class Logs(t.TypedDict):
    """What became of an integration."""

    entries: list[dict[str, t.Any]] | None


class RejectedEvent(t.TypedDict):
    """Which event was rejected."""

    id: EventId


class RejectedEvents(t.TypedDict):
    """The last events that were rejected."""

    rejected_events: list[RejectedEvent] | None


def check(body: object, shape: t.Any) -> None:
    """Return if the JSON of an answer has a shape; it may have more.

    Raises:
        ValueError: it has not; the text says where, and quotes nothing.
    """
    msgspec.convert(body, shape)
