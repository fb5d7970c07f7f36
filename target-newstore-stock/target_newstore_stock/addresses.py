"""The settings NewStore is reached by, checked at the start: a useless one would be tried again and again first."""

from __future__ import annotations

import re
import urllib.parse

import requests

from target_newstore_stock.errors import ConfigurationError
from target_newstore_stock.masking import masked

SCHEMES = ("https", "http")
#: A tenant is part of host names: labels of up to 63 letters, digits, - and _.
LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
TENANT = re.compile(rf"{LABEL}(?:\.{LABEL})*")


def check_tenant(tenant: str) -> None:
    """Check that a tenant can be part of a host's name.

    Raises:
        ConfigurationError: it cannot.
    """
    if not TENANT.fullmatch(tenant):
        raise ConfigurationError(
            f"tenant: {tenant!r}: expected the name in https://(tenant).p.newstore.net, such as acme-staging"
        )


def check_url(name: str, url: str | None) -> None:
    """Check that a URL can be called; one that is empty or not set means the default.

    Args:
        name: The setting.
        url: Its value.

    Raises:
        ConfigurationError: it cannot; nothing is shown that may be a secret.
    """
    if not url:
        return
    try:
        parts = urllib.parse.urlsplit(url)
        requests.Request("GET", url).prepare()
        (parts.hostname or "").encode("idna")
    except ValueError:
        is_callable = False
    else:
        is_callable = parts.scheme in SCHEMES and bool(parts.hostname)
    if not is_callable:
        raise ConfigurationError(f"{name}: {masked(url)!r}: expected a URL that begins with https:// and a host")
