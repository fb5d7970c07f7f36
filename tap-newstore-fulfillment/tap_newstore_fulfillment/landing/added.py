"""What became of events that were to be stored."""

from __future__ import annotations

import collections
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Added(collections.Counter[str]):
    """How many events were new, by event name.

    Attributes:
        set_aside: How many were not stored as events but set aside, by event name.
    """

    def __init__(self, new: Iterable[str] | Mapping[str, int] = (), set_aside: Iterable[str] = ()) -> None:
        super().__init__(new)
        self.set_aside = collections.Counter(set_aside)
