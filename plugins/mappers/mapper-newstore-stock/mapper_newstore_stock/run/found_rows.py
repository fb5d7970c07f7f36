"""Rows of the ERP's as they are found: one by one, or many at once, by column."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: A line or row number, and the values in the order they were asked for.
Found = tuple[int, "Sequence[t.Any]"]
#: Rows that follow each other: the number of the first, and their values by column, in the order asked for.
Block = tuple[int, "Sequence[Sequence[t.Any]]"]


def each_row(blocks: Iterable[Block]) -> Iterator[Found]:
    """Yield the rows of blocks, each with its number."""
    for first, columns in blocks:
        yield from enumerate(zip(*columns, strict=True), first)
