"""Which URL NewStore can deliver to. NewStore says nothing of one that it cannot call: the stream would stand."""

from __future__ import annotations

import typing as t
import urllib.parse

from tap_newstore_fulfillment.errors import ConfigurationError
from tap_newstore_fulfillment.masking import masked
from tap_newstore_fulfillment.receiver.http_session import in_one_line

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_local(url: str) -> bool:
    """Return whether a callback URL leads to this machine.

    Raises:
        ConfigurationError: NewStore could not call it.
    """
    if any(character.isspace() or not character.isprintable() for character in url):
        _refuse(url, "it holds a blank or a character that cannot be printed")
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        _refuse(url, "it is no URL")
    is_here = parts.hostname in LOOPBACK
    if parts.scheme != "https" and not (parts.scheme == "http" and is_here):
        _refuse(url, "expected https://")
    if not parts.hostname:
        _refuse(url, "it names no host")
    if not _has_port(parts):
        _refuse(url, "its port is none, expected 1 to 65535")
    if "#" in url:
        _refuse(url, "it has a fragment, which no call carries")
    return is_here


def _has_port(parts: urllib.parse.SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


def _refuse(url: str, why: str) -> t.NoReturn:
    raise ConfigurationError(f"--callback-url {in_one_line(masked(url))}: {why}")
