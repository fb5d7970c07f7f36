"""The stock file: a zip with one JSON member (newstore-api.md, section 3).

Items are spooled to a temporary file as they come, so memory does not grow with the cut;
the head can only be written once all used nodes are known.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
import shutil
import tempfile
import typing as t
import zipfile

import jsonschema
import msgspec

from target_newstore_stock.errors import RecordError

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from target_newstore_stock.records import StockRecord

MEMBER = "availabilities.json"
COPY_BYTES = 2**20
_encode = msgspec.json.Encoder().encode


class _Item(msgspec.Struct):
    fulfillment_node_id: str
    product_id: str
    quantity: int


class StockFile:
    """Collects items, then writes the zip.

    Attributes:
        nodes: Fulfillment nodes used so far.
        items: Number of items so far.
    """

    def __init__(self) -> None:
        self._spool: t.IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._keys: set[tuple[str, str]] = set()
        self.nodes: set[str] = set()
        self.items = 0

    def add(self, record: StockRecord) -> None:
        """Add an item.

        Raises:
            RecordError: its key is in the file already; which number holds would be unknown.
        """
        key = (record.fulfillment_node_id, record.product_id)
        if key in self._keys:
            raise RecordError(f"{key[0]}/{key[1]} stands twice in one import: which quantity holds is unknown")
        self._keys.add(key)
        self.nodes.add(key[0])
        if self.items:
            self._spool.write(b",")
        self._spool.write(_encode(_Item(*key, record.quantity)))
        self.items += 1

    def json_bytes(self) -> int:
        """Give the size of the items, unzipped."""
        return self._spool.tell()

    def write_zip(self, target: t.IO[bytes], head: Mapping[str, t.Any]) -> None:
        """Write the zip; the spool is kept, so that it can be written again.

        Args:
            target: A binary file; it need not be seekable.
            head: As `make_head` gives it.
        """
        self._spool.flush()
        with (
            zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open(MEMBER, "w", force_zip64=True) as member,
        ):
            member.write(b'{"head":' + _encode(head) + b',"items":[')
            self._spool.seek(0)
            shutil.copyfileobj(self._spool, member, COPY_BYTES)
            member.write(b"]}")
        self._spool.seek(0, 2)

    def close(self) -> None:
        """Drop the spool."""
        self._spool.close()


def make_head(store_mapping: Mapping[str, str], covered: tuple[int, int] | None, mode: str | None) -> dict[str, t.Any]:
    """Give the head, checked against the schema shipped with this package.

    Args:
        store_mapping: Store id per used node ("" for a distribution centre).
        covered: Completions NewStore may stop subtracting, both ends included.
        mode: "atp" when quantities are what the ERP still calls available.
    """
    head: dict[str, t.Any] = {
        "store_mapping": [
            {"fulfillment_node_id": node, "store_id": store} for node, store in sorted(store_mapping.items())
        ]
    }
    if covered:
        head["completed_fulfillment_requests"] = {
            "logical_timestamp_start": covered[0],
            "logical_timestamp_end": covered[1],
        }
    if mode:
        head["mode"] = mode
    jsonschema.validate({"head": head, "items": []}, stock_schema())
    return head


@functools.cache
def stock_schema() -> dict[str, t.Any]:
    """Give the JSON schema of the stock file."""
    text = importlib.resources.files("target_newstore_stock").joinpath("schemas/stock.json").read_text("utf-8")
    schema: dict[str, t.Any] = json.loads(text)
    return schema
