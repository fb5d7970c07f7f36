"""ATP that shows an import only some time after its job finished (newstore-api.md, section 2)."""

from __future__ import annotations

import time
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from newstore_sandbox.stock import Key


class LateAtp:
    """Remembers each key's ATP from before an import, until the import may be seen.

    Args:
        clock: Returns monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._before: dict[Key, tuple[float, int | None]] = {}

    def hide(self, before: Mapping[Key, int | None], seconds: float) -> None:
        """Keep showing these numbers for `seconds`."""
        until = self._clock() + seconds
        self._before.update({key: (until, atp) for key, atp in before.items()})

    def shown(self, key: Key, atp: int | None) -> int | None:
        """Return the ATP a reader sees for a key, given its true one."""
        until, before = self._before.get(key, (0.0, None))
        return before if self._clock() < until else atp
