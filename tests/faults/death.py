"""Dying in one process: an exception that comes again until the run is over, as nothing works after a SIGKILL."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

if t.TYPE_CHECKING:
    from tests.faults.schedules import Part


class Died(BaseException):
    """A part of the pipeline was killed; no handler of the product's may stop it."""


class Death:
    """Kills one part before the n-th of its steps.

    Attributes:
        has_struck: The part is dead.
    """

    def __init__(self) -> None:
        self._part: Part | None = None
        self._left = 0
        self.has_struck = False

    def plan(self, part: Part | None = None, at: int = 0) -> None:
        """Kill this part next; None: nobody."""
        self._part, self._left, self.has_struck = part, at, False

    def step(self, part: Part) -> None:
        """Note that a part takes a step.

        Raises:
            Died: it was its last.
        """
        if part != self._part:
            return
        self._left -= 1
        if self._left < 0:
            self.has_struck = True
            raise Died

    def watch(self, engine: sa.Engine) -> None:
        """Count each statement of a database as a step of the mapper."""
        sa.event.listen(engine, "before_cursor_execute", lambda *_: self.step("mapper"))
