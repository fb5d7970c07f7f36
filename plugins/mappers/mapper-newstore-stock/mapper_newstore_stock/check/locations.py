"""Whether NewStore knows the fulfillment nodes of the ERP's lists, where the target's variables say who asks."""

from __future__ import annotations

import os
import typing as t

import msgspec
import requests

from mapper_newstore_stock.availabilities import CALL_SECONDS, signed_in
from mapper_newstore_stock.errors import ServerError

if t.TYPE_CHECKING:
    from mapper_newstore_stock.findings import Findings

VARIABLES = "TARGET_NEWSTORE_STOCK_"
TO_DO = "Correct TARGET_NEWSTORE_STOCK_* (newstore-stock-import check says more)"


class _Location(msgspec.Struct):
    id: str
    is_inventory_master: bool = False


class _Locations(msgspec.Struct):
    locations: list[_Location]


def look_at_locations(findings: Findings, nodes: set[str]) -> None:
    """Note which nodes NewStore does not know, or masters itself."""
    client_id, secret = _variable("CLIENT_ID"), _variable("CLIENT_SECRET")
    api_url, auth_url = _addresses(_variable("TENANT"))
    if not (nodes and client_id and secret and api_url and auth_url):
        if nodes:
            said = f"not compared with NewStore's, as {VARIABLES}* are not set: {_named(nodes)}"
            findings.green("locations", said)
        return
    with findings.looking("locations", TO_DO):
        known = _read(signed_in(auth_url, client_id, secret), api_url)
        mastered = {location.id for location in known if location.is_inventory_master}
        if unknown := nodes - {location.id for location in known}:
            findings.yellow(
                "locations",
                f"NewStore does not know the fulfillment nodes {_named(unknown)} of the on-hand list",
                "Correct the list, or name them in the target's store_mapping: their items are left out of imports "
                "(unknown_locations)",
            )
        if mastered & nodes:
            findings.red(
                "locations",
                f"NewStore itself is inventory master of {_named(mastered & nodes)}, and imports refuse their items",
                "Name them in ignored_nodes",
            )
        if not (unknown or mastered & nodes):
            findings.green("locations", f"NewStore knows all {len(nodes)} fulfillment nodes of the on-hand list")


def _variable(name: str) -> str:
    return os.environ.get(f"{VARIABLES}{name}", "")


def _addresses(tenant: str) -> tuple[str, str]:
    realm = f"https://id.p.newstore.net/auth/realms/{tenant}/protocol/openid-connect/token"
    api_url = _variable("API_URL") or (tenant and f"https://{tenant}.p.newstore.net")
    return api_url, _variable("AUTH_URL") or (tenant and realm)


def _read(session: requests.Session, api_url: str) -> list[_Location]:
    url = f"{api_url.rstrip('/')}/v0/locations"
    try:
        answer = session.get(url, timeout=CALL_SECONDS)
    except requests.RequestException as error:
        raise ServerError(f"GET {url}: no answer: {type(error).__name__}") from error
    if not answer.ok:
        raise ServerError(f"GET {url} answered {answer.status_code}")
    try:
        return msgspec.json.decode(answer.content, type=_Locations, strict=False).locations
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ServerError(f"GET {url}: not a list of locations") from error


def _named(nodes: set[str], most: int = 20) -> str:
    return ", ".join(sorted(nodes)[:most]) + (f" and {len(nodes) - most} more" if len(nodes) > most else "")
