"""Dying in one process: an exception that comes again until the run is over, as nothing works after a SIGKILL."""

from __future__ import annotations

import sqlalchemy as sa


class Died(BaseException):
    """A part of the pipeline was killed; no handler of the product's may stop it."""


class Death:
    """Kills one part before the n-th of its steps.

    Attributes:
        has_struck: The part is dead.
    """

    def __init__(self) -> None:
        self._kind: str | None = None
        self._left = 0
        self.has_struck = False

    def plan(self, kind: str | None = None, at: int = 0) -> None:
        """Die next before a step of this kind; None: nobody dies."""
        self._kind, self._left, self.has_struck = kind, at, False

    def step(self, kind: str) -> None:
        """Note that a step is taken.

        Raises:
            Died: it was its last.
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
