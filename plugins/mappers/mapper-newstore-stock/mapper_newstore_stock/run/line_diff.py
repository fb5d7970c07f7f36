"""Which lines of a list differ from those of the list before it: found without looking into the lines.

Lists come in nearly the same order every time. So both are read side by side, what is equal is passed over in large
pieces, and around each difference the next lines that are equal again are looked for. Lines that have only moved are
found in the end, because each stands among the lines gone and among the lines come.
"""

from __future__ import annotations

import collections
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterator

#: Bytes read at once, and compared at once.
BLOCK_BYTES, PIECE_BYTES = 1 << 18, 1 << 12
LINE_END = b"\n"
_TOO_DIFFERENT = "it differs too much from the last one, or is in another order"
_NO_END = "its last line has no end"
#: How many lines are looked at to find where both lists go on alike: first few, then more.
WINDOWS = (8, 256, 1 << 15)
#: How many lines may be looked at for each line of the lists; otherwise they are in another order.
MOST_LOOKS = 8


class CannotCompareError(Exception):
    """A list cannot be compared with the one before it; the text says why."""


class Difference(t.NamedTuple):
    """How a list differs from the one before it.

    Attributes:
        gone: Lines that are no longer in it.
        come: Lines that were not in the one before, each with its number, counted from 1.
        lines: How many lines it has.
    """

    gone: list[bytes]
    come: list[tuple[int, bytes]]
    lines: int


class Blocks:
    """A list, some of it in memory at a time. Its last line must have an end.

    Attributes:
        data: What has been read.
        at: Where in it the rest begins, always at the begin of a line.
        line: How many lines came before.
    """

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.data, self.at, self.line = b"", 0, 0
        self._blocks = blocks
        self._is_at_end = False

    def fill(self, size: int) -> None:
        """Have at least so many bytes in memory, unless the list ends before."""
        missing = size - (len(self.data) - self.at)
        if missing <= 0 or self._is_at_end:
            return
        parts = [self.data[self.at :]]
        while missing > 0:
            block = next(self._blocks, b"")
            if not block:
                self._is_at_end = True
                break
            parts.append(block)
            missing -= len(block)
        self.data, self.at = b"".join(parts), 0

    def lines(self, count: int) -> list[bytes]:
        """Return the next lines, at most so many, without passing them."""
        found: list[bytes] = []
        begin = self.at
        while len(found) < count:
            end = self.data.find(LINE_END, begin) + 1
            if end:
                found.append(self.data[begin:end])
                begin = end
                continue
            read = begin - self.at
            has = len(self.data) - self.at
            self.fill(has + BLOCK_BYTES)
            begin = self.at + read
            if has == len(self.data) - self.at:
                break
        return found

    def skip(self, size: int, lines: int) -> None:
        """Pass bytes that are so many lines."""
        self.at += size
        self.line += lines

    @property
    def is_at_end(self) -> bool:
        """Whether nothing is left."""
        self.fill(1)
        return self.at >= len(self.data)


def difference(old: Iterator[bytes], new: Iterator[bytes], most: int) -> Difference:
    """Compare two lists, each in blocks of bytes.

    Args:
        old: The list before.
        new: The list.
        most: How many lines may differ.

    Raises:
        CannotCompareError: more do, or the lists are in another order.
    """
    return _Comparison(old, new, most).difference()


class _Comparison:
    def __init__(self, old: Iterator[bytes], new: Iterator[bytes], most: int) -> None:
        self._old, self._new = Blocks(old), Blocks(new)
        self._most = most
        self._looks = 0
        self._gone: collections.Counter[bytes] = collections.Counter()
        self._come: dict[bytes, list[int]] = {}

    def difference(self) -> Difference:
        old, new = self._old, self._new
        while True:
            self._pass_equal()
            if old.is_at_end and new.is_at_end:
                break
            self._pass_different()
        come = sorted((number, line) for line, numbers in self._come.items() for number in numbers)
        return Difference(list(self._gone.elements()), come, new.line)

    def _pass_equal(self) -> None:
        old, new = self._old, self._new
        while True:
            old.fill(PIECE_BYTES)
            new.fill(PIECE_BYTES)
            most = min(len(old.data) - old.at, len(new.data) - new.at)
            size = _common(old.data, old.at, new.data, new.at, most)
            size = new.data.rfind(LINE_END, new.at, new.at + size) + 1 - new.at
            if size <= 0:
                return
            lines = new.data.count(LINE_END, new.at, new.at + size)
            old.skip(size, lines)
            new.skip(size, lines)

    def _pass_different(self) -> None:
        for window in WINDOWS:
            old, new = self._old.lines(window), self._new.lines(window)
            gone, come = _meeting(old, new)
            self._looks += len(old) + len(new)
            is_found = gone < len(old) or come < len(new)
            if is_found or len(old) + len(new) < window or self._looks > MOST_LOOKS * (self._new.line + BLOCK_BYTES):
                break
        if not (old or new):
            raise CannotCompareError(_NO_END)
        self._note(old[:gone], new[:come])

    def _note(self, old: list[bytes], new: list[bytes]) -> None:
        number = self._new.line
        for line in old:
            if numbers := self._come.get(line):
                numbers.pop()
                if not numbers:
                    del self._come[line]
            else:
                self._gone[line] += 1
        for line in new:
            number += 1
            if self._gone.get(line):
                self._gone[line] -= 1
                if not self._gone[line]:
                    del self._gone[line]
            else:
                self._come.setdefault(line, []).append(number)
        self._old.skip(sum(map(len, old)), len(old))
        self._new.skip(sum(map(len, new)), len(new))
        if len(self._gone) + len(self._come) > self._most:
            raise CannotCompareError(_TOO_DIFFERENT)


def _meeting(old: list[bytes], new: list[bytes]) -> tuple[int, int]:
    """Return after how many lines each the two go on alike; all of them: they do not."""
    places = {line: place for place, line in reversed(list(enumerate(new)))}
    best = len(old), len(new)
    for gone, line in enumerate(old):
        if gone >= sum(best):
            break
        come = places.get(line)
        if come is not None and gone + come < sum(best):
            best = gone, come
    return best


def _common(left: bytes, at: int, right: bytes, other: int, most: int) -> int:
    """Return how many bytes are equal from two places on."""
    size = 0
    while size < most:
        step = min(PIECE_BYTES, most - size)
        if left[at + size : at + size + step] != right[other + size : other + size + step]:
            while step > 1:
                half = step // 2
                if left[at + size : at + size + half] == right[other + size : other + size + half]:
                    size += half
                    step -= half
                else:
                    step = half
            # A step of one byte is left, in which they may differ.
            return size
        size += step
    return size
