"""Whether future inventory explains an ATP above the imported quantity (newstore-api.md, section 5)."""

from __future__ import annotations

import time
import typing as t

import msgspec

from target_newstore_stock.errors import ApiError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from target_newstore_stock.client import NewStoreClient
    from target_newstore_stock.keys import Key

PATH = "/v0/stock/insights"
#: What to do about an answer that is none.
CORRECT = "Look at what answers as NewStore: correct api_url"
#: NewStore answers 90 a second. Calls that were delayed on their way may come closer together than they were made.
PAUSE_SECONDS = 1 / 80


class _Insights(msgspec.Struct):
    allocations: list[t.Any] | msgspec.UnsetType = msgspec.UNSET
    reservations: list[t.Any] | msgspec.UnsetType = msgspec.UNSET
    future_allocations: list[t.Any] | msgspec.UnsetType = msgspec.UNSET


class FutureInventory:
    """Finds the keys that have future inventory.

    Only distribution centres have any, and NewStore shows it only where some of it is promised; the rest is for the
    user to say.

    Args:
        client: Calls NewStore.
        is_dc: Returns whether a fulfillment node is a distribution centre.
        nodes: The setting `future_inventory_nodes`: it is loaded there.
        sleep: Waits this many seconds.
    """

    def __init__(
        self,
        client: NewStoreClient,
        is_dc: Callable[[str], bool],
        nodes: Collection[str],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._is_dc = is_dc
        self._nodes = frozenset(nodes)
        self._sleep = sleep

    def __call__(self, keys: Iterable[Key]) -> set[Key]:
        """Return which keys have future inventory, as far as NewStore or the settings tell.

        Raises:
            ApiError: NewStore does not answer.
        """
        at_dcs = [key for key in keys if key[0] in self._nodes or self._is_dc(key[0])]
        found = {key for key in at_dcs if key[0] in self._nodes}
        for key in [key for key in at_dcs if key not in found]:
            if self._is_promised(key):
                found.add(key)
            self._sleep(PAUSE_SECONDS)
        return found

    def _is_promised(self, key: Key) -> bool:
        answer = self._client.get(PATH, product_id=key[1], fulfillment_node_id=key[0])
        try:
            insights = msgspec.convert(answer, _Insights, strict=False)
        except msgspec.ValidationError as error:
            raise ApiError(f"GET {PATH}: not stock insights: {error}", to_do=CORRECT) from error
        if insights == _Insights():
            raise ApiError(f"GET {PATH}: not stock insights: neither allocations nor reservations", to_do=CORRECT)
        return bool(insights.future_allocations)
