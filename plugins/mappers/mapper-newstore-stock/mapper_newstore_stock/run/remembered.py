"""Values of on-hand rows that many rows share: read once, and remembered."""

from __future__ import annotations

import datetime as dt
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable

#: A list has few nodes, few different quantities and few different times; so many of them are remembered.
REMEMBERED = 4096
#: In place of a number that needs a closer look.
NOT_PLAIN: t.Final = object()


class Remembered(dict[t.Any, t.Any]):
    """What texts mean, or times; `NOT_PLAIN` where reading fails, and for any other value."""

    def __init__(self, read: Callable[[t.Any], int | None]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, value: object) -> object:
        if not isinstance(value, (str, dt.datetime)):
            # Some equal each other, like 1.0 and True, and mean different things.
            return NOT_PLAIN
        try:
            meaning: object = self._read(value)
        except ValueError:
            meaning = NOT_PLAIN
        if len(self) < REMEMBERED:
            self[value] = meaning
        return meaning
