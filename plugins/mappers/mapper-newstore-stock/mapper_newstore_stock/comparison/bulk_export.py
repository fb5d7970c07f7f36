"""NewStore's ATP of a whole shop: the bulk availability export (newstore-api.md, section 6), read as it comes.

The file may have millions of keys, in any order. It is sorted on disk, so memory does not grow with the shop.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sqlite3
import time
import typing as t
import zlib

import msgspec
import requests

from mapper_newstore_stock.availabilities import CALL_SECONDS, Availability, call
from mapper_newstore_stock.errors import ServerError
from mapper_newstore_stock.http_session import RedirectError, in_one_line, in_time, of_its_url
from mapper_newstore_stock.masking import masked

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mapper_newstore_stock.comparison.causes import Line

    Row = tuple[str, str, int]

logger = logging.getLogger("newstore-stock-ledger")

PATH = "/v0/d/availabilities/bulk"
POLL_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 30.0
#: Of making an export, and of reading it.
EXPORT_SECONDS = 3600
EXPORT_ID = re.compile(r"[A-Za-z0-9-]+")
PIECE_BYTES, PART_BYTES = 1 << 20, 1 << 16
#: An item is a few names and a number; a piece without the end of one is no list of items.
LONGEST_ITEM = 1 << 16
GZIP = b"\x1f\x8b"
#: Memory of the sort, in KiB.
SORT_KIB = 32 * 1024


class Asked(msgspec.Struct):
    """NewStore's answer to who asks for an export."""

    availability_export_id: str


class Export(msgspec.Struct):
    """An export: the file is there once the link is. What the words of `state` are is not documented."""

    state: str = ""
    link: str | None = None


def ask_for_export(
    session: requests.Session,
    api_url: str,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Ask for an export of all keys, and return the link of its file when there is one.

    Raises:
        LedgerError: NewStore does not make one.
    """
    url = f"{api_url.rstrip('/')}{PATH}"
    export_id = call(session, url, Asked, json={}).availability_export_id
    if not EXPORT_ID.fullmatch(export_id):
        raise ServerError(f"POST {masked(url)}: {export_id[:50]!a} is no export's id. Check the URL")
    deadline, wait = clock() + EXPORT_SECONDS, POLL_SECONDS
    while not (export := call(session, f"{url}/{export_id}", Export, method="GET")).link:
        if export.state.casefold() in ("failed", "error") or clock() >= deadline:
            raise ServerError(
                f"the availability export {export_id} is {export.state[:50]!a}: NewStore has made no file",
                "Run it again, or ask NewStore",
            )
        sleep(wait)
        wait = min(wait * 2, LONGEST_WAIT_SECONDS)
    return export.link


def read_export(link: str) -> Iterator[Row]:
    """Yield node, product and ATP of each item of an export's file.

    The link is its own permission: no token goes there.

    Raises:
        LedgerError: the file cannot be had, or is not a list of items.
    """
    place = in_one_line(masked(link))
    try:
        yield from items_in(_unpacked(_pieces(link)))
    except RedirectError as error:
        raise ServerError(f"GET {place} {error}") from error
    except requests.HTTPError as error:
        raise ServerError(
            f"GET {place} answered {error}: the availability export cannot be read", "Run it again"
        ) from error
    except requests.RequestException as error:
        raise ServerError(f"GET {place}: no whole answer: {type(error).__name__}. Run it again") from error
    except (ValueError, zlib.error) as error:
        raise ServerError(
            f"GET {place}: not a list of availabilities: {' '.join(str(error).split())}",
            "Run it again, or ask NewStore",
        ) from error


def _pieces(link: str) -> Iterator[bytes]:
    """Yield a file in pieces, each of which comes in time, as the whole does.

    Raises:
        requests.RequestException: it cannot be had, or not in time.
    """
    deadline = time.monotonic() + EXPORT_SECONDS
    parts = _parts(link)
    while piece := in_time(lambda: _piece(parts)):
        if time.monotonic() >= deadline:
            raise requests.Timeout
        yield piece


def _parts(link: str) -> Iterator[bytes]:
    with requests.get(link, auth=of_its_url, stream=True, timeout=CALL_SECONDS, allow_redirects=False) as answer:
        if 300 <= answer.status_code < 400:
            raise RedirectError(answer)
        if answer.status_code != 200:
            raise requests.HTTPError(answer.status_code)
        yield from answer.iter_content(PART_BYTES)


def _piece(parts: Iterator[bytes]) -> bytes:
    """Return the next parts as one piece: a chunk of a sender may be a byte."""
    piece = bytearray()
    for part in parts:
        piece += part
        if len(piece) >= PIECE_BYTES:
            break
    return bytes(piece)


def _unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    unzip: t.Any = None
    for number, piece in enumerate(pieces):
        if number == 0 and piece.startswith(GZIP):
            unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
        if not unzip:
            yield piece
            continue
        text = unzip.decompress(piece, PIECE_BYTES)
        yield text
        # What fills a piece may not be all.
        while not unzip.eof and (unzip.unconsumed_tail or len(text) == PIECE_BYTES):
            text = unzip.decompress(unzip.unconsumed_tail, PIECE_BYTES)
            yield text
        if unzip.eof:
            return
    if unzip:
        raise ValueError("the file is cut off")


def items_in(pieces: Iterable[bytes]) -> Iterator[Row]:
    """Yield the items of a JSON list that comes in pieces.

    Raises:
        ValueError: it is not a list of items, or not whole.
    """
    decoder = msgspec.json.Decoder(list[Availability], strict=False)
    text, is_open = b"", False
    for piece in pieces:
        text += piece
        if not is_open:
            text = text.lstrip()
            if text and not text.startswith(b"["):
                raise ValueError("it does not begin with [")
            is_open, text = bool(text), text[1:]
        rows, text = _whole_items(decoder, text)
        yield from rows
    text = text.strip()
    if not is_open or not text.endswith(b"]"):
        raise ValueError("the file is cut off")
    yield from _rows(decoder.decode(b"[" + text))


def _whole_items(decoder: msgspec.json.Decoder[list[Availability]], text: bytes) -> tuple[Iterable[Row], bytes]:
    """Return the items that are whole, and the rest of the text.

    An item ends with `}`; a `}` inside an id is no end, so the one before it is tried then.
    """
    end = text.rfind(b"}")
    while end >= 0:
        after = text[end + 1 :].lstrip()
        if after.startswith(b","):
            with contextlib.suppress(msgspec.DecodeError):
                return _rows(decoder.decode(b"[" + text[: end + 1] + b"]")), after[1:]
        if len(text) - end > 2 * LONGEST_ITEM:
            # Says what is wrong with it.
            decoder.decode(b"[" + text[: end + 1] + b"]")
        end = text.rfind(b"}", 0, end)
    if len(text) > PIECE_BYTES + LONGEST_ITEM:
        raise ValueError("an item has no end")
    return (), text


def _rows(items: list[Availability]) -> Iterator[Row]:
    # Samples show ids as numbers.
    return ((str(item.fulfillment_node_id), str(item.product_id), item.atp) for item in items)


def beside(lines: Iterable[Line], rows: Iterable[Row]) -> Iterator[tuple[Line, int | None]]:
    """Yield each line with its ATP, None where the export lacks the key.

    Args:
        lines: In key order.
        rows: In any order; of a key that comes twice the higher number counts.
    """
    with _sorted(rows) as exported:
        key: tuple[str, str] = ("", "")
        atp: int | None = None
        for line in lines:
            while key < line[:2] and (row := exported.fetchone()):
                key, atp = row[:2], row[2]
            if key < line[:2]:
                yield line, None
                continue
            # Equal keys come one after another, the highest number first.
            yield line, atp if key == line[:2] else None


@contextlib.contextmanager
def _sorted(rows: Iterable[Row]) -> Iterator[sqlite3.Cursor]:
    """Sort rows by key on disk, as the ledger compares keys: byte by byte."""
    with contextlib.closing(sqlite3.connect("")) as disk:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE", f"cache_size = -{SORT_KIB}"):
            disk.execute(f"PRAGMA {pragma}")
        disk.execute("CREATE TABLE atp (fulfillment_node_id TEXT, product_id TEXT, atp INTEGER)")
        disk.executemany("INSERT INTO atp VALUES (?, ?, ?)", rows)
        yield disk.execute("SELECT * FROM atp ORDER BY fulfillment_node_id, product_id, atp DESC")
