"""Reads available-to-promise (ATP) from NewStore (newstore-api.md, section 6)."""

from __future__ import annotations

import itertools
import typing as t

import msgspec

from target_newstore_stock.errors import ApiError

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from target_newstore_stock.client import NewStoreClient
    from target_newstore_stock.keys import Key

PATH = "/v0/availabilities"
MOST_KEYS = 2000
#: No shop has as many units of anything.
MOST_UNITS = 2**53


class _Row(msgspec.Struct):
    fulfillment_node_id: str | int
    product_id: str | int
    #: Null: NewStore does not know the key.
    atp: t.Annotated[int, msgspec.Meta(ge=-MOST_UNITS, le=MOST_UNITS)] | None


class _Rows(msgspec.Struct):
    items: list[_Row]


class AtpReader:
    """Reads ATP for any number of keys."""

    def __init__(self, client: NewStoreClient) -> None:
        self._client = client

    def __call__(self, keys: Iterable[Key]) -> dict[Key, int]:
        """Return the ATP of each key NewStore knows.

        Raises:
            ApiError: NewStore does not answer with a list of numbers.
        """
        atp: dict[Key, int] = {}
        rest = iter(keys)
        while some := list(itertools.islice(rest, MOST_KEYS)):
            asked = [{"product_id": product, "fulfillment_node_id": node} for node, product in some]
            answer = self._client.post(PATH, {"atp_keys": asked})
            try:
                rows = msgspec.convert(answer, _Rows, strict=False).items
            except msgspec.ValidationError as error:
                raise ApiError(
                    f"POST {PATH}: not a list of numbers: {error}",
                    to_do="Look at what answers as NewStore: correct api_url",
                ) from error
            for row in rows:
                if row.atp is not None:
                    atp[str(row.fulfillment_node_id), str(row.product_id)] = row.atp
        return atp
