"""Ledgers and landing stores in this process, created fast enough for thousands of stories."""

from __future__ import annotations

import functools
import typing as t
from unittest import mock

from tap_newstore_fulfillment.landing import connections, database
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.faults.breaking.death import Death
from tests.mapper.shop_day import Ledgers

if t.TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sa


class Databases:
    """Ledgers and landing stores on one engine each for all stories, so that statements are compiled once.

    Attributes:
        death: Kills the mapper between two statements.
    """

    def __init__(self) -> None:
        self._open_landing = functools.cache(connections.create_engine)
        self._ledgers = Ledgers(durable=False)
        self.death = Death()
        self.death.watch(self._ledgers.engine)

    def ledger(self, directory: Path) -> sa.Engine:
        """Return the engine, which from now on leads to a new ledger in the directory."""
        return self._ledgers.new(directory)

    def landing_store(self) -> LandingStore:
        """Return a new landing store in memory; the previous one must be closed, and is lost."""
        with mock.patch.object(database, "create_engine", self._open_landing):
            return LandingStore("sqlite://")
