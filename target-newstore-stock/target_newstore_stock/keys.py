"""Finds the keys that occur more than once in a file, exactly and in constant memory.

Keys that come sorted, as from the mapper, are only compared with the key before. As soon as one is out
of order, all keys are spread over temporary files by their hash, each small enough to search in memory.
"""

from __future__ import annotations

import tempfile
import typing as t

import msgspec

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

#: (fulfillment node, product)
Key = tuple[str, str]

#: Number of temporary files. Any system lets a process open that many; of five million keys each gets 40,000.
PARTS = 128
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[str, str, int]).decode


class KeyCheck:
    """Takes the keys of a file, one after another.

    Args:
        earlier: Returns the keys taken so far, in order.
    """

    def __init__(self, earlier: Callable[[], Iterable[Key]]) -> None:
        self._earlier = earlier
        self._last: Key = ("", "")
        self._count = 0
        self._parts: list[t.IO[bytes]] = []

    def add(self, key: Key) -> None:
        """Take the next key."""
        if self._parts:
            self._put(key, self._count)
        elif key > self._last:
            self._last = key
        else:
            self._begin_parts()
            self._put(key, self._count)
        self._count += 1

    def repeated(self) -> Iterator[tuple[Key, int]]:
        """Yield each key that comes again later, with its position in the file, from 0."""
        for part in self._parts:
            last: dict[Key, int] = {}
            part.seek(0)
            for line in part:
                node, product, position = _decode(line)
                if (node, product) in last:
                    yield (node, product), last[node, product]
                last[node, product] = position
            part.seek(0, 2)

    def close(self) -> None:
        """Delete the temporary files."""
        for part in self._parts:
            part.close()

    def _begin_parts(self) -> None:
        self._parts = [tempfile.TemporaryFile() for _ in range(PARTS)]  # noqa: SIM115 - closed by close()
        for position, key in enumerate(self._earlier()):
            self._put(key, position)

    def _put(self, key: Key, position: int) -> None:
        self._parts[hash(key) % PARTS].write(_encode((*key, position)) + b"\n")
