"""The setting `staging_link`, checked at the start: a useless link would cost a failed job in every run."""

from __future__ import annotations

import ipaddress
import urllib.parse

from target_newstore_stock.errors import ConfigurationError

PRESIGNED, URI = "presigned", "uri"
#: What NewStore fetches (newstore-api.md, section 2).
FETCHED = ("https", "s3")


def check_link(link: str) -> None:
    """Check that NewStore can fetch a file by such a link.

    Raises:
        ConfigurationError: it cannot.
    """
    if link in (PRESIGNED, URI):
        return
    if not _is_fetched(link):
        raise ConfigurationError(f"staging_link: {_shown(link)}: expected {PRESIGNED}, {URI} or an https base URL")
    if "?" in link or "#" in link:
        raise ConfigurationError(
            f"staging_link: {_shown(link)} has a query: file names are written behind it. Give the base URL alone, or "
            f"set {PRESIGNED}"
        )


def _is_fetched(link: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(link)
        is_known = parts.scheme in FETCHED or (parts.scheme == "http" and _is_here(parts.hostname))
    except ValueError:
        return False
    return is_known and bool(parts.hostname)


def _is_here(host: str | None) -> bool:
    """Return whether a host is this machine, where a sandbox fetches without https."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _shown(link: str) -> str:
    """Return a link without what may be secret in it."""
    return repr(link.partition("?")[0].rpartition("@")[2])
