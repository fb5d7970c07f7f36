"""The setting `staging_link`, checked at the start: a useless link would cost a failed job in every run.

`presigned` and `uri` are links only of some places, so there `staging_url` is checked with it.
"""

from __future__ import annotations

import ipaddress
import re
import urllib.parse

from fsspec.registry import known_implementations

from target_newstore_stock.errors import ConfigurationError

PRESIGNED, URI = "presigned", "uri"
#: What NewStore fetches (newstore-api.md, section 2).
FETCHED = ("https", "s3")
#: Kinds of `staging_url` whose addresses begin with one of FETCHED, and that can be written to.
ADDRESSED = ("s3", "s3a")
#: Where fsspec keeps its own kinds of places: directories, memory, archives, servers. None of them can sign a link.
UNSIGNED = "fsspec.implementations."
#: What makes a link one that opens a file: what follows its path, and a user before its host.
SIGNATURE = re.compile(r"[?#&][^\s?#]*=\S*|(?<=//)[^\s/?#]*@")
SERVED = "Give the https base URL that serves it"


def check_link(link: str, url: str, *, is_dry_run: bool) -> None:
    """Check that NewStore can fetch a file by such a link.

    Args:
        link: The setting `staging_link`.
        url: The setting `staging_url`.
        is_dry_run: Nobody fetches the files, so `presigned` and `uri` do for any place.

    Raises:
        ConfigurationError: it cannot.
    """
    if link in (PRESIGNED, URI):
        if not is_dry_run:
            _check_place(link, url)
        return
    if not _is_fetched(link):
        raise ConfigurationError(f"staging_link: {_shown(link)}: expected {PRESIGNED}, {URI} or an https base URL")
    if "?" in link or "#" in link:
        raise ConfigurationError(
            f"staging_link: {_shown(link)} has a query: file names are written behind it. Give the base URL alone, or "
            f"set {PRESIGNED}"
        )


def without_signatures(text: str) -> str:
    """Return a text, such as NewStore's words about a file, without what would let others fetch by the links in it."""
    return SIGNATURE.sub("", text)


def _check_place(link: str, url: str) -> None:
    """Check that a place has links of this kind; nothing of its URL is shown, which may hold a password."""
    # Of a chain, such as `simplecache::s3://bucket`, the last link is where the files lie.
    kind, has_kind, _ = url.rpartition("::")[2].partition("://")
    place = f"of kind {kind}" if has_kind else "a directory"
    if link == URI and (kind if has_kind else "") not in ADDRESSED:
        raise ConfigurationError(
            f"staging_link: {URI}: NewStore fetches https:// and s3://, and staging_url is {place}",
            to_do=f"{SERVED}, or for another object store set {PRESIGNED}",
        )
    if link == PRESIGNED and (not has_kind or _is_unsigned(kind)):
        raise ConfigurationError(
            f"staging_link: {PRESIGNED} links need an object store, and staging_url is {place}", to_do=SERVED
        )


def _is_unsigned(kind: str) -> bool:
    return str(known_implementations.get(kind, {}).get("class")).startswith(UNSIGNED)


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
