"""The stock file: a zip with one JSON member (newstore-api.md, section 3).

Items are spooled to a temporary file as they come, so memory does not grow with the cut.
The head can be written only when all nodes are known.
"""

from __future__ import annotations

import functools
import importlib.resources
import itertools
import json
import tempfile
import typing as t
import zipfile

import jsonschema
import msgspec

from target_newstore_stock.errors import RecordError, TooLargeError
from target_newstore_stock.keys import KeyCheck

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from target_newstore_stock.keys import Key
    from target_newstore_stock.records import StockRecord

MEMBER = "availabilities.json"
BYTES_PER_MB = 10**6
#: Braces, brackets and names around head and items.
FRAME_BYTES = 20
COPY_BYTES = 2**20
#: The head without its locations; generous.
HEAD_BYTES = 300
#: Punctuation and names around a location in the head.
LOCATION_BYTES = 44
#: An item may be longer only if an id of it is.
LONGEST_PLAIN_ITEM = 300
#: Stand only in odd items as msgspec writes them: escapes, `=`, `%`, and how other control characters begin.
ODD_BYTES = (b"\\", b"=", b"%", b"\x7f", b"\xc2", b"\xe2\x80")
_encode = msgspec.json.Encoder().encode


class Item(msgspec.Struct, gc=False):
    """An item of the file."""

    fulfillment_node_id: str
    product_id: str
    quantity: int


_decode_item = msgspec.json.Decoder(Item).decode


def encode_item(record: StockRecord) -> bytes:
    """Return a record as a line of the spool; in the file a comma replaces the line break."""
    return _encode(Item(record.fulfillment_node_id, record.product_id, record.quantity)) + b"\n"


class StockFile:
    """Collects items, then writes the zip.

    Attributes:
        nodes: Fulfillment nodes of the items so far.
        item_bytes: Size of all items added, unzipped.
        json_bytes: Upper bound of the file's size, unzipped, with its head.
        written_bytes: Size of the file when it was last written, unzipped.
    """

    def __init__(self) -> None:
        self._spool: t.IO[bytes] = tempfile.TemporaryFile(buffering=COPY_BYTES)  # noqa: SIM115 - closed by close()
        self._keys = KeyCheck(lambda: ((item.fulfillment_node_id, item.product_id) for item in self._spooled()))
        self._count = 0
        self._left_out: bytearray | None = None
        self._has_long_items = False
        self.nodes: set[str] = set()
        self.item_bytes = 0
        self.json_bytes = HEAD_BYTES
        self.written_bytes = 0

    @property
    def items(self) -> int:
        """Number of items in the file."""
        return self._count - (sum(self._left_out) if self._left_out else 0)

    def add(self, record: StockRecord, item: bytes) -> None:
        """Add a record; `item` is the same record from `encode_item`."""
        node = record.fulfillment_node_id
        size = len(item)
        self.json_bytes += size
        self.item_bytes += size
        if size > LONGEST_PLAIN_ITEM:
            self._has_long_items = True
        if node not in self.nodes:
            self.nodes.add(node)
            self.json_bytes += _location_bytes(node)
        self._keys.add((node, record.product_id))
        self._spool.write(item)
        self._count += 1

    def growth(self, record: StockRecord, item: bytes) -> int:
        """Return by how much a record makes the file larger, if its store id is as long as its node."""
        node = record.fulfillment_node_id
        return len(item) + (0 if node in self.nodes else _location_bytes(node))

    def refuse_repeated_keys(self) -> None:
        """Raise RecordError if a key occurs twice: nobody could tell which quantity is right."""
        for (node, product), _ in self._keys.repeated():
            raise RecordError(
                f"{node}/{product} occurs twice in one import, so its quantity is ambiguous",
                to_do="Leave one of the two out",
            )

    def keep_last_of_repeated_keys(self) -> None:
        """Leave out records whose key comes again later: in a Singer stream the last one counts."""
        for _, position in self._keys.repeated():
            self._left_out = self._left_out or bytearray(self._count)
            self._left_out[position] = 1

    def leave_out(self, nodes: Collection[str]) -> int:
        """Leave out all items of these nodes, and return how many there are."""
        before = self.items
        left_out = self._left_out or bytearray(self._count)
        for position, item in enumerate(self._spooled()):
            if item.fulfillment_node_id in nodes:
                left_out[position] = 1
        self._left_out = left_out
        self.nodes -= set(nodes)
        return before - self.items

    def leave_out_at(self, positions: Collection[int]) -> None:
        """Leave out the items at some positions, and the nodes of which nothing else is in the file."""
        left_out = self._left_out or bytearray(self._count)
        for position in positions:
            left_out[position] = 1
        self._left_out = left_out
        self.nodes = {item.fulfillment_node_id for item in self.read_items()}

    def odd_items(self) -> Iterator[tuple[int, Item]]:
        """Yield the items that may have an unusual id, with their positions; most files are soon seen to have none."""
        if not (self._has_long_items or self._has_odd_bytes()):
            return
        for position, line in enumerate(self._lines()):
            is_odd = len(line) > LONGEST_PLAIN_ITEM or any(odd in line for odd in ODD_BYTES)
            if is_odd and not (self._left_out and self._left_out[position]):
                yield position, _decode_item(line)

    def read_items(self) -> Iterator[Item]:
        """Return the items of the file, in order."""
        if self._left_out is None:
            return self._spooled()
        return (item for item, is_out in zip(self._spooled(), self._left_out, strict=True) if not is_out)

    def write_zip(self, target: t.IO[bytes], head: Mapping[str, t.Any]) -> None:
        """Write the zip. The spool is kept, so the zip can be written again.

        Args:
            target: A binary file; it need not be seekable.
            head: From `make_head`.
        """
        with (
            zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open(MEMBER, "w", force_zip64=True) as member,
        ):
            written = member.write(b'{"head":' + _encode(head) + b',"items":[')
            for chunk in self._json_items():
                written += member.write(chunk)
            self.written_bytes = written + member.write(b"]}")

    def close(self) -> None:
        """Delete the temporary files."""
        self._spool.close()
        self._keys.close()

    def _json_items(self) -> Iterator[bytes]:
        """Yield the items, joined by commas, in chunks."""
        if self._left_out is None:
            chunks = iter(functools.partial(self._read_spool, COPY_BYTES), b"")
        else:
            kept = itertools.compress(self._lines(), (not is_out for is_out in self._left_out))
            chunks = (b"".join(lines) for lines in iter(lambda: list(itertools.islice(kept, 10_000)), []))
        self._spool.seek(0)
        before = b""
        for chunk in chunks:
            if before:
                yield before.replace(b"\n", b",")
            before = chunk
        yield before.removesuffix(b"\n").replace(b"\n", b",")
        self._spool.seek(0, 2)

    def _has_odd_bytes(self) -> bool:
        self._spool.seek(0)
        chunks = iter(functools.partial(self._spool.readlines, COPY_BYTES), [])
        found = any(odd in chunk for chunk in map(b"".join, chunks) for odd in ODD_BYTES)
        self._spool.seek(0, 2)
        return found

    def _read_spool(self, size: int) -> bytes:
        return self._spool.read(size)

    def _lines(self) -> Iterator[bytes]:
        self._spool.seek(0)
        yield from self._spool
        self._spool.seek(0, 2)

    def _spooled(self) -> Iterator[Item]:
        return map(_decode_item, self._lines())


def _location_bytes(node: str) -> int:
    return LOCATION_BYTES + 2 * len(_encode(node))


def key_of(item: Item) -> Key:
    """Return the key of an item."""
    return item.fulfillment_node_id, item.product_id


def checked_size(file: StockFile, head: Mapping[str, t.Any], max_mb: float) -> int:
    """Return the size of the file, unzipped; an upper bound if records are left out.

    Raises:
        RecordError: it is larger than `max_file_mb`.
    """
    size = file.item_bytes + len(_encode(head)) + FRAME_BYTES
    if size > max_mb * BYTES_PER_MB:
        raise TooLargeError(
            f"the stock file has {size} bytes with its head, more than max_file_mb ({max_mb:g}); nothing of it was "
            f"imported. Make smaller cuts: lower the mapper's max_cut_items"
        )
    return size


def make_head(store_mapping: Mapping[str, str], covered: tuple[int, int] | None, mode: str | None) -> dict[str, t.Any]:
    """Return the head of a file.

    Args:
        store_mapping: Store id per used node ("" for a distribution centre).
        covered: First and last logical timestamp of the completions NewStore may stop subtracting.
        mode: "atp" if quantities are what the ERP still has available; None for stock on hand.
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
    _validator().validate({"head": head, "items": []})
    return head


@functools.cache
def stock_schema() -> dict[str, t.Any]:
    """Return the JSON schema of the stock file."""
    text = importlib.resources.files("target_newstore_stock").joinpath("schemas/stock.json").read_text("utf-8")
    schema: dict[str, t.Any] = json.loads(text)
    return schema


@functools.cache
def _validator() -> jsonschema.protocols.Validator:
    """Return the validator of a file; it is made once, and so is the check of the schema."""
    schema = stock_schema()
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)
