"""What is wrong with the rows of one list: all of it in one error, so that one look mends the list."""

from __future__ import annotations

import typing as t

from mapper_newstore_stock.errors import UnusableRowsError

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NAMED_ROWS = 20


def joined(reasons: Iterable[str], lists: Sequence[str], last: str = "") -> str:
    """Return in one line what is wrong with rows: a list is named once for all rows of it that follow each other.

    Args:
        reasons: Each begins with the name of the list it is of.
        lists: The names.
        last: The list that has been named just before.
    """
    parts = []
    for reason in reasons:
        name = next((name for name in lists if reason.startswith(f"{name}, ")), "")
        parts.append(reason.removeprefix(f"{name}, ") if name and name == last else reason)
        last = name
    return "; ".join(parts)


class RowProblems:
    """Collects what is wrong with rows.

    Args:
        name: What errors call their list.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._named: list[str] = []
        self._count = 0

    def add(self, text: str) -> None:
        """Note what is wrong with a row; the text says which row."""
        self._count += 1
        if len(self._named) < NAMED_ROWS:
            self._named.append(text)

    def forget_last(self) -> None:
        """Take back what was noted last: it was no problem after all."""
        self._count -= 1
        del self._named[self._count :]

    def refuse(self) -> None:
        """Refuse the list if anything is wrong with it.

        Raises:
            OnHandError: names the rows, at most 20 of them, and says how many there are.
        """
        if self._count == 1:
            raise UnusableRowsError(self._named[0])
        if self._count:
            more = self._count - len(self._named)
            text = joined(self._named, [self._name]) + (f"; and {more} more" if more else "")
            raise UnusableRowsError(f"{self._count} rows cannot be used: {text}")
