"""What was imported before, read from the stock files still in the staging place."""

from __future__ import annotations

import logging
import typing as t
import zipfile

import msgspec

from target_newstore_stock.keys import Key
from target_newstore_stock.stock_file import MEMBER, Item, key_of

if t.TYPE_CHECKING:
    from target_newstore_stock.staged_names import OwnNames
    from target_newstore_stock.staging import Staging

logger = logging.getLogger("target-newstore-stock.earlier_files")


class _Store(msgspec.Struct):
    fulfillment_node_id: str
    store_id: str


class _Head(msgspec.Struct):
    store_mapping: list[_Store]


class _File(msgspec.Struct):
    head: _Head
    items: list[Item]


class EarlierFiles(msgspec.Struct):
    """The last quantity of each key and the store id of each node, from all earlier stock files."""

    quantities: dict[Key, int] = msgspec.field(default_factory=dict)
    store_ids: dict[str, str] = msgspec.field(default_factory=dict)
    files: int = 0


def read_earlier_files(staging: Staging, own: OwnNames) -> EarlierFiles:
    """Read all our stock files that are still there, oldest first."""
    earlier = EarlierFiles()
    for name in staging.names():
        if not own.is_earlier_file(name):
            continue
        try:
            with staging.open(name) as file, zipfile.ZipFile(file) as archive:
                content = msgspec.json.decode(archive.read(MEMBER), type=_File)
        except (OSError, KeyError, zipfile.BadZipFile, msgspec.DecodeError) as error:
            logger.warning("%s cannot be read and is ignored: %s", name, error)
            continue
        earlier.quantities.update({key_of(item): item.quantity for item in content.items})
        earlier.store_ids.update({row.fulfillment_node_id: row.store_id for row in content.head.store_mapping})
        earlier.files += 1
    return earlier
