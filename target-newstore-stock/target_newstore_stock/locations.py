"""The store id of each fulfillment node in a stock file (newstore-api.md, section 3).

An import creates the locations NewStore does not know, and they can never be changed.
So an uncertain node stops the import before anything is uploaded.
"""

from __future__ import annotations

import typing as t

import msgspec

from target_newstore_stock.errors import ApiError, LocationError

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_newstore_stock.client import NewStoreClient


class Location(msgspec.Struct):
    """A location: the fields an import depends on (newstore-api.md, section 6)."""

    id: str
    type: str
    is_inventory_master: bool = False


class _Locations(msgspec.Struct):
    locations: list[Location]


def read_locations(client: NewStoreClient) -> dict[str, Location]:
    """Return NewStore's locations, by id.

    Raises:
        ApiError: NewStore does not answer with a list of locations.
    """
    answer = client.get("/v0/locations")
    try:
        known = msgspec.convert(answer, _Locations, strict=False)
    except msgspec.ValidationError as error:
        raise ApiError(f"GET /v0/locations: not a list of locations: {error}") from error
    return {location.id: location for location in known.locations}


def store_ids(
    nodes: Iterable[str],
    configured: Mapping[str, str],
    known: Mapping[str, Location],
    *,
    may_create: bool = False,
) -> dict[str, str]:
    """Return the store id of each node ("" for a distribution centre).

    Args:
        nodes: The fulfillment nodes of an import.
        configured: The setting `store_mapping`; it takes precedence over NewStore's locations.
        known: NewStore's locations.
        may_create: The setting `create_locations` is `stores`: an unknown node becomes a store of its own name.

    Raises:
        LocationError: nodes are unknown or must not be imported; it names all of them.
    """
    nodes = sorted(set(nodes))
    unknown = [node for node in nodes if node not in configured and node not in known]
    if unknown and not may_create:
        raise LocationError(
            f"NewStore does not know these fulfillment nodes, and an import would create them for ever: "
            f"{', '.join(unknown)}. Nothing was uploaded. Correct the records, or name the nodes in store_mapping "
            f"(or set create_locations to stores)"
        )
    mastered = [node for node in nodes if node in known and known[node].is_inventory_master]
    if mastered:
        raise LocationError(
            f"NewStore itself is inventory master of these stores, so their stock must not be imported: "
            f"{', '.join(mastered)}. Nothing was uploaded. Leave them out (the mapper's ignored_nodes)"
        )
    return {node: _store_id(node, configured, known) for node in nodes}


def _store_id(node: str, configured: Mapping[str, str], known: Mapping[str, Location]) -> str:
    is_dc = node in known and known[node].type == "dc"
    store_id = configured.get(node, "" if is_dc else node)
    if node in known and is_dc != (store_id == ""):
        raise LocationError(
            f"store_mapping: {node} has store id {store_id!r}, but NewStore knows it as a {known[node].type}, "
            f"which cannot be changed. Nothing was uploaded"
        )
    return store_id
