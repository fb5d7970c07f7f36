"""Which store id each fulfillment node has in the stock file (newstore-api.md, section 3).

An import creates locations NewStore does not know, and they can never be changed
afterwards: a node that is not certain stops the import before anything is uploaded.
"""

from __future__ import annotations

import typing as t

import msgspec

from target_newstore_stock.errors import ApiError, LocationError

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_newstore_stock.client import NewStoreClient


class Location(msgspec.Struct):
    """The fields of a location that an import depends on (newstore-api.md, section 6)."""

    id: str
    type: str
    is_inventory_master: bool = False


class _Locations(msgspec.Struct):
    locations: list[Location]


def read_locations(client: NewStoreClient) -> dict[str, Location]:
    """Ask NewStore for its locations, by id.

    Raises:
        ApiError: it does not answer with a list of locations.
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
    """Give the store id of each node ("" for a distribution centre).

    Args:
        nodes: The fulfillment nodes of one import.
        configured: The setting `store_mapping`; it stands above what NewStore says.
        known: NewStore's locations.
        may_create: The setting `create_locations`: a node nobody knows becomes a store of its own name.

    Raises:
        LocationError: a node is unknown, or must not be imported; names all of them.
    """
    nodes = sorted(set(nodes))
    unknown = [node for node in nodes if node not in configured and node not in known]
    if unknown and not may_create:
        raise LocationError(
            f"NewStore does not know these fulfillment nodes, and an import would create them for ever: "
            f"{', '.join(unknown)}. Nothing was uploaded. Correct the records, or name the nodes in store_mapping "
            f"(or set create_locations)"
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
