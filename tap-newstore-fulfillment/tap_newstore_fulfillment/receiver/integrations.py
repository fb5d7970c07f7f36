"""Request bodies of NewStore's event-stream configuration (newstore-api.md, section 4): plain values."""

from __future__ import annotations

import datetime as dt
import re
import typing as t
import urllib.parse

from tap_newstore_fulfillment.errors import ConfigurationError
from tap_newstore_fulfillment.receiver.callback_url import is_local

if t.TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_ID = "newstore-stock-sync"
ENTITIES = ("fulfillment_request",)
#: NewStore's limits.
ID = re.compile(r"[a-z0-9-]{1,50}")
EVENT_ID = re.compile(r"[A-Za-z0-9-]{36}")
KEY_PREFIX = re.compile(r"[a-zA-Z0-9\-/_.]{0,63}[a-zA-Z0-9\-_.]")
LONGEST_KEY = 1024
#: What a header carries as it is: it loses blanks and line ends at its ends.
IN_A_HEADER = re.compile(r"[!-~¡-ÿ]([ -~¡-ÿ]*[!-~¡-ÿ])?")
#: The parameter of a callback URL by which the receiver knows what comes for an audit.
AUDIT = "audit"

Body = dict[str, t.Any]


def webhook_parameters(url: str, api_key: str | None) -> Body:
    """Return the sink for a webhook.

    Args:
        url: Where NewStore posts events, such as `https://…/events`.
        api_key: Sent as bearer token; may be missing only if the URL is on this machine.

    Raises:
        ConfigurationError: NewStore could not call the URL, or anybody could post to it.
    """
    if not is_local(url) and not api_key:
        raise ConfigurationError(
            "receiver_api_key: required to register a webhook, or anybody could post to it",
            "Set TAP_NEWSTORE_FULFILLMENT_RECEIVER_API_KEY",
        )
    if api_key:
        check_key("receiver_api_key", api_key)
        if len(api_key) > LONGEST_KEY:
            raise ConfigurationError(f"receiver_api_key: NewStore takes up to {LONGEST_KEY} characters")
    key = {"api_key": api_key} if api_key else {}
    return {"callback_parameters": {"callback_url": url, **key}}


def check_key(setting: str, key: str) -> None:
    """Refuse a key that no post could bring: all would be answered 401, and the stream would stand.

    Raises:
        ConfigurationError: it is one.
    """
    if not IN_A_HEADER.fullmatch(key):
        raise ConfigurationError(
            f"{setting}: no header can carry it: it begins or ends with a blank or a line end, or holds a control "
            f"character or a letter beyond Latin-1",
            "Write it without",
        )


def s3_parameters(bucket: str, prefix: str, region: str | None, key_id: str | None, secret: str | None) -> Body:
    """Return the sink for an S3 bucket.

    Raises:
        ConfigurationError: values are missing; the text names them.
    """
    given = {
        "--s3-region": region,
        "NEWSTORE_S3_ACCESS_KEY_ID": key_id,
        "NEWSTORE_S3_SECRET_ACCESS_KEY": secret,
    }
    if missing := [name for name, value in given.items() if not value]:
        raise ConfigurationError(f"{', '.join(missing)}: required for an S3 sink", "Set them")
    if prefix and not KEY_PREFIX.fullmatch(prefix):
        raise ConfigurationError(
            f"--s3-prefix {prefix}: NewStore takes up to 64 of a-z, A-Z, 0-9, -, /, _ and ., without a / at the end"
        )
    keys = {"aws_access_key_id": key_id, "aws_secret_access_key": secret, "aws_region": region, "bucket": bucket}
    return {"s3_parameters": {**keys, "key_prefix": prefix} if prefix else keys}


def checked_id(text: str) -> str:
    """Return an integration's id.

    Raises:
        ValueError: NewStore would not take it.
    """
    if ID.fullmatch(text):
        return text
    raise ValueError(f"{text!r}: expected 1 to 50 characters of a-z, 0-9 and -")


def checked_event_id(text: str) -> str:
    """Return the id of a rejected event.

    Raises:
        ValueError: NewStore gives no such id.
    """
    if EVENT_ID.fullmatch(text):
        return text
    raise ValueError(f"{text!r}: expected the 36 characters that `rejected list` shows")


def replay_id(starts_at: dt.datetime, ends_at: dt.datetime) -> str:
    """Return the id of a temporary integration for a period."""
    starts, ends = (f"{time.astimezone(dt.UTC):%Y%m%dt%H%M%S}" for time in (starts_at, ends_at))
    return f"stock-replay-{starts}-{ends}"


def audit_prefix(store_id: str) -> str:
    """Return how the ids of a landing store's audits begin."""
    return f"stock-audit-{store_id.replace('-', '')[:8]}-"


def audit_id(store_id: str, now: dt.datetime, number: str) -> str:
    """Return the id of the temporary integration of an audit.

    Args:
        store_id: Identity of the landing store.
        now: When it begins.
        number: Hexadecimal digits that tell it from others of the same second.
    """
    return f"{audit_prefix(store_id)}{now.astimezone(dt.UTC):%Y%m%dt%H%M%S}-{number}"


def audited_url(url: str, integration_id: str) -> str:
    """Return a receiver's URL, such that it knows what comes there for this audit."""
    parts = urllib.parse.urlsplit(url)
    query = "&".join([*([parts.query] if parts.query else []), f"{AUDIT}={integration_id}"])
    return urllib.parse.urlunsplit(parts._replace(query=query))


def changes(sink: Mapping[str, t.Any] | None, *, filters: bool) -> Body:
    """Return what changes an integration: its sink, its filter, or both."""
    return {**(sink or {}), **({"filter_conditions": _filter()} if filters else {})}


def permanent(integration_id: str, sink: Mapping[str, t.Any]) -> Body:
    """Return the registration that delivers everything from now on."""
    return _registration(integration_id, "permanent", sink)


def temporary(integration_id: str, sink: Mapping[str, t.Any], starts_at: dt.datetime, ends_at: dt.datetime) -> Body:
    """Return the registration that replays what was published in a period; both times are zone-aware.

    Raises:
        ConfigurationError: the period ends before it starts.
    """
    if ends_at <= starts_at:
        raise ConfigurationError("--to: expected a time after --from")
    period = {"starts_at": _rfc3339(starts_at), "ends_at": _rfc3339(ends_at)}
    return _registration(integration_id, "temporary", sink) | period


def parse_time(text: str) -> dt.datetime:
    """Parse an RFC 3339 time.

    Raises:
        ValueError: not a time, without a zone, or beyond the calendar in UTC.
    """
    time = dt.datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text}: a time zone is missing, such as Z")
    try:
        return time.astimezone(dt.UTC)
    except OverflowError as error:
        raise ValueError(f"{text}: in UTC it lies outside the years 1 to 9999") from error


def _registration(integration_id: str, kind: str, sink: Mapping[str, t.Any]) -> Body:
    return {"id": integration_id, "integration_type": kind, "filter_conditions": _filter(), **sink}


def _filter() -> Body:
    return {"entity_filter": list(ENTITIES)}


def _rfc3339(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
