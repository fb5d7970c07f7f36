"""The files of `--state` and `--catalog`, looked at before the SDK takes what they hold for right."""

from __future__ import annotations

import io
import json
import typing as t

from singer_sdk.singerlib import Catalog

from tap_newstore_fulfillment.errors import ConfigurationError
from tap_newstore_fulfillment.landing.release import not_written_here

if t.TYPE_CHECKING:
    from collections.abc import Mapping

#: What to do about each.
TO_DO = {
    "state": "Restore it, or leave --state out to send all events again",
    "catalog": "Write it anew with --discover, or leave --catalog out for all streams and fields",
}


def checked(option: str, file: t.IO[str]) -> t.IO[str]:
    """Return what a file holds as a file for the SDK; it is read once, so that it may be a pipe.

    Args:
        option: `state` or `catalog`.
        file: What was given with it.

    Raises:
        ConfigurationError: it holds no JSON object, or no catalog.
    """
    try:
        text = file.read()
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        said = error if isinstance(error, ValueError) else "nested too deeply"
        raise _refused(option, file, f"not JSON: {said}") from error
    if not isinstance(content, dict):
        raise _refused(option, file, "expected a JSON object")
    if option == "catalog":
        try:
            Catalog.from_dict(content)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _refused(option, file, "expected a Singer catalog, as --discover writes it") from error
    return io.StringIO(text)


def bookmarks_of(state: Mapping[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    """Return the bookmarks of a Singer state by stream; null is none.

    Raises:
        StateError: they are no object of objects.
    """
    bookmarks = state.get("bookmarks")
    if bookmarks is None:
        return {}
    if not isinstance(bookmarks, dict):
        raise not_written_here("Singer state has the bookmarks", bookmarks, "an object")
    for stream, bookmark in bookmarks.items():
        if not isinstance(bookmark, dict | None):
            raise not_written_here(f"Singer state has the bookmark of {stream}", bookmark, "an object")
    return {stream: bookmark for stream, bookmark in bookmarks.items() if bookmark is not None}


def _refused(option: str, file: t.IO[str], said: str) -> ConfigurationError:
    return ConfigurationError(f"--{option} {file.name}: {said}", TO_DO[option])
