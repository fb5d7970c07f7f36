"""What is wrong with the rows of one list: all of it in one error, so that one look mends the list."""

from __future__ import annotations

from mapper_newstore_stock.errors import UnusableRowsError

NAMED_ROWS = 20


class RowProblems:
    """Collects what is wrong with rows."""

    def __init__(self) -> None:
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
            text = "; ".join(self._named) + (f"; and {more} more" if more else "")
            raise UnusableRowsError(f"{self._count} rows cannot be used: {text}")
