"""ATP that shows an import some time after the job has finished (newstore-api.md, section 2)."""

from __future__ import annotations

import time
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from newstore_sandbox.stock import Key


class LateAtp:
    """Remembers what keys showed before an import, until it is to be seen.

    Args:
        clock: Gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._before: dict[Key, tuple[float, int | None]] = {}

    def hide(self, before: Mapping[Key, int | None], seconds: float) -> None:
        """Show these numbers for so many seconds more."""
        until = self._clock() + seconds
        self._before.update({key: (until, atp) for key, atp in before.items()})

    def shown(self, key: Key, atp: int | None) -> int | None:
        """Give what a reader sees of a key whose true ATP is this."""
        until, before = self._before.get(key, (0.0, None))
        return before if self._clock() < until else atp
