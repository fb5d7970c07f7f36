"""The options that say where NewStore is and who asks, as the target has them."""

from __future__ import annotations

import typing as t

import click

from mapper_newstore_stock.availabilities import signed_in
from mapper_newstore_stock.errors import ConfigurationError

if t.TYPE_CHECKING:
    import requests

NEWSTORE = "TARGET_NEWSTORE_STOCK_"

#: The options' names, as a command gets them.
NAMES = ("api_url", "auth_url", "client_id", "client_secret")

Given = dict[str, str | None]


def newstore_options(command: t.Callable[..., None]) -> t.Callable[..., None]:
    """Add the options to a command."""
    for name, text in (
        ("client-secret", "Secret of the API client."),
        ("client-id", "The API client."),
        ("auth-url", "The whole token endpoint."),
        ("api-url", "Base URL of NewStore's API."),
    ):
        command = click.option(f"--{name}", envvar=f"{NEWSTORE}{name.upper().replace('-', '_')}", help=text)(command)
    return command


tenant_option = click.option(
    "--tenant", envvar=f"{NEWSTORE}TENANT", help="NewStore tenant with its stage; gives the two URLs."
)


def with_addresses(tenant: str | None, newstore: Given) -> Given:
    """Return the options with the addresses of the tenant where none are given."""
    if not tenant:
        return newstore
    api_url = newstore["api_url"] or f"https://{tenant}.p.newstore.net"
    realm = f"https://id.p.newstore.net/auth/realms/{tenant}"
    auth_url = newstore["auth_url"] or f"{realm}/protocol/openid-connect/token"
    return {**newstore, "api_url": api_url, "auth_url": auth_url}


def missing(newstore: Given) -> list[str]:
    """Return the names of the options nobody has given; a tenant would give both addresses."""
    names = [name for name, value in newstore.items() if not value]
    if {"api_url", "auth_url"} <= set(names):
        return ["tenant", *(name for name in names if name not in {"api_url", "auth_url"})]
    return names


def sign_in(newstore: Given) -> tuple[requests.Session, str]:
    """Return a session that is signed in, and the base URL of the API.

    Raises:
        ConfigurationError: names all options that are missing.
    """
    if names := missing(newstore):
        variables = ", ".join(f"{NEWSTORE}{name.upper()}" for name in names)
        raise ConfigurationError(f"{', '.join(names)}: required, as options or as {variables}")
    given = t.cast("dict[str, str]", newstore)
    return signed_in(given["auth_url"], given["client_id"], given["client_secret"]), given["api_url"]
