"""Death in one process: an exception raised again until the run is over, as nothing works after a SIGKILL."""

from __future__ import annotations

import sqlalchemy as sa


class Died(BaseException):
    """A part of the pipeline was killed; a BaseException, so that the product does not handle it."""


class Death:
    """Kills one part of the pipeline before its n-th step.

    Attributes:
        has_struck: Whether the part is dead.
    """

    def __init__(self) -> None:
        self._kind: str | None = None
        self._left = 0
        self.has_struck = False

    def plan(self, kind: str | None = None, at: int = 0) -> None:
        """Plan the next death: before step `at` (from 0) of this kind. With None nobody dies."""
        self._kind, self._left, self.has_struck = kind, at, False

    def step(self, kind: str) -> None:
        """Count a step.

        Raises:
            Died: this is where the part dies.
        """
        if kind != self._kind:
            return
        self._left -= 1
        if self._left < 0:
            self.has_struck = True
            raise Died

    def watch(self, engine: sa.Engine) -> None:
        """Count each statement of a database as a step of the mapper."""
        sa.event.listen(engine, "before_cursor_execute", lambda *_: self.step("mapper"))
