"""What a registration may say (newstore-api.md, section 4): checks with NewStore's limits."""

from __future__ import annotations

import datetime as dt
import re
import typing as t

from newstore_sandbox.errors import CallError

if t.TYPE_CHECKING:
    from collections.abc import Collection

Body = dict[str, t.Any]

TYPES = ("permanent", "temporary")
ID = re.compile(r"[a-z0-9-]{1,50}")
KEY_PREFIX = re.compile(r"[a-zA-Z0-9\-/_.]*[^/]")
LONGEST_KEY, LONGEST_PREFIX = 1024, 64
SINKS = ("callback_parameters", "s3_parameters")
CHANGEABLE = (*SINKS, "filter_conditions")
FIELDS = ("id", "integration_type", "starts_at", "ends_at", *CHANGEABLE)
FILTERS = ("event_filter", "entity_filter")
S3_REQUIRED = ("aws_access_key_id", "aws_secret_access_key", "aws_region", "bucket")
#: What no answer holds.
SECRETS = ("api_key", "aws_access_key_id", "aws_secret_access_key")

#: First and last publication time; None: from now on, or without an end.
Period = tuple[dt.datetime | None, dt.datetime | None]


def checked_registration(body: t.Any) -> Body:
    """Return a registration that NewStore would take; raise CallError if it would not."""
    checked = _object(body, FIELDS)
    if not ID.fullmatch(_text(checked, "id")):
        raise _bad("id: expected 1 to 50 characters of a-z, 0-9 and -")
    if checked.get("integration_type") not in TYPES:
        raise _bad(f"integration_type: expected one of {', '.join(TYPES)}")
    if "filter_conditions" in checked:
        _check_filter(checked["filter_conditions"])
    period_of(checked)
    if sum(checked.get(name) is not None for name in SINKS) != 1:
        raise _bad("callback_parameters, s3_parameters: expected one of them")
    _check_sink(checked)
    return checked


def checked_changes(body: t.Any) -> Body:
    """Return changes of a registration that NewStore would take; raise CallError if it would not."""
    checked = _object(body, CHANGEABLE)
    if not checked:
        raise _bad(f"body: expected {', '.join(CHANGEABLE)}")
    if all(checked.get(name) is not None for name in SINKS):
        raise _bad("callback_parameters, s3_parameters: expected one of them")
    if "filter_conditions" in checked:
        _check_filter(checked["filter_conditions"])
    _check_sink(checked)
    return checked


def period_of(body: Body) -> Period:
    """Return the period of a registration; a temporary one has both ends."""
    needed = body["integration_type"] == "temporary"
    starts, ends = (_time(body, name, needed=needed) for name in ("starts_at", "ends_at"))
    if starts and ends and starts >= ends:
        raise _bad("ends_at: expected a time after starts_at")
    return starts, ends


def accepts(body: Body, name: str) -> bool:
    """Return whether the filter of a registration lets an event through; without one, all pass."""
    conditions = body.get("filter_conditions") or {}
    names, entities = (conditions.get(filter_name) or () for filter_name in FILTERS)
    return not conditions or name in names or name.split(".", maxsplit=1)[0] in entities


def without_secrets(body: Body) -> Body:
    """Return a registration as answers show it."""
    return {
        name: {key: item for key, item in value.items() if key not in SECRETS} if name in SINKS else value
        for name, value in body.items()
        if value is not None
    }


def _check_filter(conditions: t.Any) -> None:
    """Check a filter: names of events, or entities; it may hold both lists, one of them empty."""
    given = {name: value for name, value in _object(conditions, FILTERS, "filter_conditions.").items() if value}
    for name, value in given.items():
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise _bad(f"filter_conditions.{name}: expected a list of names")
    if not given:
        raise _bad("filter_conditions.entity_filter: expected a list of entities")
    if len(given) > 1:
        raise _bad(f"filter_conditions.{', '.join(FILTERS)}: expected one of them, the other empty")


def _check_sink(body: Body) -> None:
    callback, s3 = (body.get(name) for name in SINKS)
    if callback is not None:
        _object(callback, ("callback_url", "api_key"), "callback_parameters.")
        _text(callback, "callback_url")
        if len(_text(callback, "api_key", needed=False)) > LONGEST_KEY:
            raise _bad(f"callback_parameters.api_key: longer than {LONGEST_KEY} characters")
    if s3 is not None:
        _object(s3, (*S3_REQUIRED, "key_prefix"), "s3_parameters.")
        for name in S3_REQUIRED:
            _text(s3, name)
        prefix = _text(s3, "key_prefix", needed=False)
        if prefix and (len(prefix) > LONGEST_PREFIX or not KEY_PREFIX.fullmatch(prefix)):
            raise _bad(f"s3_parameters.key_prefix: expected up to {LONGEST_PREFIX} of a-z, A-Z, 0-9, -, /, _ and .")


def _object(body: t.Any, fields: Collection[str], path: str = "") -> Body:
    if not isinstance(body, dict):
        raise _bad(f"{path.rstrip('.') or 'body'}: expected a JSON object")
    if unknown := body.keys() - set(fields):
        raise _bad(f"{path}{min(unknown)}: unknown field")
    return body


def _text(body: Body, name: str, *, needed: bool = True) -> str:
    value = body.get(name)
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or not value:
        raise _bad(f"{name}: required")
    return value


def _time(body: Body, name: str, *, needed: bool) -> dt.datetime | None:
    text = _text(body, name, needed=needed)
    if not text:
        return None
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise _bad(f"{name}: expected an RFC 3339 time") from error
    if time.tzinfo is None:
        raise _bad(f"{name}: expected a time zone")
    return time


def _bad(message: str) -> CallError:
    return CallError(400, "invalid_request", message)
