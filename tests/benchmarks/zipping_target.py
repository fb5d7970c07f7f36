"""target-newstore-stock up to the finished zip, without NewStore. It starts as the command does."""

# ruff: noqa: E402 - what is loaded stands between the two halves of the command's start

from __future__ import annotations

import gc

gc.disable()

import sys
import typing as t
from pathlib import Path

from target_newstore_stock.stock_file import make_head
from target_newstore_stock.target import TargetNewStoreStock

gc.freeze()
gc.enable()

if t.TYPE_CHECKING:
    from target_newstore_stock.records import CutHead
    from target_newstore_stock.stock_file import StockFile

SETTINGS = {"tenant": "x", "client_id": "x", "client_secret": "x", "staging_url": "s3://x", "max_file_mb": 2000}


class ZipOnly:
    """Writes the zip and imports nothing.

    Args:
        path: The zip.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def run(self, cut: CutHead, file: StockFile) -> None:
        with self._path.open("wb") as target:
            file.write_zip(target, make_head(dict.fromkeys(file.nodes, ""), cut.range, None))


def main() -> None:
    target = TargetNewStoreStock(config=SETTINGS)
    target.importer = ZipOnly(Path(sys.argv[1]))
    target.listen()


if __name__ == "__main__":
    main()
