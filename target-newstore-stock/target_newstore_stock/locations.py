"""The store id of each fulfillment node in a stock file (newstore-api.md, section 3).

An import creates the locations NewStore does not know, and they can never be changed. So an uncertain node is left out,
or stops the import before anything is uploaded (design rule 13).
"""

from __future__ import annotations

import collections
import functools
import logging
import typing as t

import msgspec

from target_newstore_stock.errors import ApiError, LocationError
from target_newstore_stock.possible_keys import folded
from target_newstore_stock.stock_file import key_of

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from target_newstore_stock.client import NewStoreClient
    from target_newstore_stock.keys import Key
    from target_newstore_stock.stock_file import StockFile

    ReadAtp = Callable[[Iterable[Key]], Mapping[Key, int]]

logger = logging.getLogger("target-newstore-stock.locations")

ADVICE = "Correct the records, or name the nodes in store_mapping (or set create_locations to stores)"


class Location(msgspec.Struct):
    """A location: the fields an import depends on (newstore-api.md, section 6)."""

    id: str | int
    type: str
    #: Null where it does not apply: only stores can be mastered by NewStore.
    is_inventory_master: bool | None = False


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
        raise ApiError(
            f"GET /v0/locations: not a list of locations: {error}",
            to_do="Look at what answers as NewStore: correct api_url",
        ) from error
    return {str(location.id): location for location in known.locations}


class LocationCheck:
    """Decides which nodes of a file are imported, and as what.

    Args:
        client: Calls NewStore; its locations are read once.
        read_atp: Returns the ATP of each key NewStore knows.
        configured: The setting `store_mapping`; it takes precedence over NewStore's locations.
        creates_stores: The setting `create_locations` is `stores`: an unknown node becomes a store of its own name.
        leaves_out: The setting `unknown_locations` is `leave_out`.
    """

    def __init__(
        self,
        client: NewStoreClient,
        read_atp: ReadAtp,
        configured: Mapping[str, str],
        *,
        creates_stores: bool,
        leaves_out: bool,
    ) -> None:
        self._client = client
        self._read_atp = read_atp
        self._configured = configured
        self._creates_stores = creates_stores
        self._leaves_out = leaves_out

    @functools.cached_property
    def _known(self) -> dict[str, Location]:
        return read_locations(self._client)

    def is_dc(self, node: str) -> bool:
        """Return whether NewStore knows a node as a distribution centre."""
        return node in self._known and self._known[node].type == "dc"

    def leave_out_unknown(self, file: StockFile) -> int:
        """Leave out the items of nodes nobody knows, and return how many there are.

        Nothing can be completed at a location NewStore does not know, so a range may cover such a cut.

        Raises:
            LocationError: such items must not be left out.
        """
        named = self._configured.keys() | self._known.keys()
        unknown = sorted(file.nodes - named)
        if self._creates_stores:
            # What differs from another node only in case is rather a mistake than a store, and a store is for ever.
            alike = collections.Counter(map(folded, named | file.nodes))
            unknown = [node for node in unknown if alike[folded(node)] > 1]
        if not unknown:
            return 0
        if not self._leaves_out:
            raise LocationError(
                f"NewStore does not know these fulfillment nodes, and an import would create them for ever: "
                f"{', '.join(unknown)}. Nothing was uploaded. {ADVICE}"
            )
        self._refuse_sold(unknown, file)
        items = file.leave_out(unknown)
        logger.warning(
            "NewStore does not know these fulfillment nodes: %s. Their %d items are left out. %s; once NewStore knows "
            "a node, run with --full-refresh: what was left out is not sent again by itself",
            ", ".join(unknown),
            items,
            ADVICE,
        )
        return items

    def store_ids(self, nodes: Iterable[str]) -> dict[str, str]:
        """Return the store id of each node ("" for a distribution centre).

        Raises:
            LocationError: nodes must not be imported; it names all of them.
        """
        known = self._known
        nodes = sorted(nodes)
        mastered = [node for node in nodes if node in known and known[node].is_inventory_master]
        if mastered:
            raise LocationError(
                f"NewStore itself is inventory master of these stores, so their stock must not be imported: "
                f"{', '.join(mastered)}. Nothing was uploaded. Leave them out (the mapper's ignored_nodes)"
            )
        return {node: _store_id(node, self._configured, known) for node in nodes}

    def _refuse_sold(self, unknown: Collection[str], file: StockFile) -> None:
        """Refuse to leave out a node that has ATP: then NewStore knows it, and its list of locations is not whole."""
        keys = (key_of(item) for item in file.read_items() if item.fulfillment_node_id in unknown)
        for (node, product), atp in self._read_atp(keys).items():
            raise LocationError(
                f"GET /v0/locations does not name {node}, but NewStore promises {atp} of {node}/{product}: its list of "
                f"locations is not whole. Nothing was uploaded. Run again, or name the node in store_mapping"
            )


def _store_id(node: str, configured: Mapping[str, str], known: Mapping[str, Location]) -> str:
    is_dc = node in known and known[node].type == "dc"
    store_id = configured.get(node, "" if is_dc else node)
    if node in known and is_dc != (store_id == ""):
        raise LocationError(
            f"store_mapping: {node} has store id {store_id!r}, but NewStore knows it as a {known[node].type}, "
            f"which cannot be changed. Nothing was uploaded",
            to_do="Correct store_mapping",
        )
    return store_id
