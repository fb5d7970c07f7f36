"""Runs of tap, mapper and target alone: receiver and NewStore are there already."""

from __future__ import annotations

import typing as t

from tests.shop.erp import Erp
from tests.shop.pipeline import MAPPER, TAP, TARGET, Machine, Pipeline

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.newstore import NewStore
    from tests.shop.warm_start import Forks


class PlainRuns(Pipeline):
    """Tap, mapper and target beside a receiver and a NewStore that run already.

    Args:
        directory: Where everything is written.
        newstore: What the target imports into.
        landing_url: What the receiver writes to.
        forks: Forks all processes.
        ledger_url: Where the ledger is; None: a file.
    """

    def __init__(
        self, directory: Path, newstore: NewStore, landing_url: str, forks: Forks, ledger_url: str | None = None
    ) -> None:
        self._delivers = False
        self.machine = Machine(directory, forks)
        self.newstore = newstore
        self.erp = Erp(directory / "on_hand.csv")
        self.state = self.catalog = None
        self.settings = {
            TAP: {"landing_url": landing_url, "settle_seconds": 0},
            MAPPER: {"ledger_url": ledger_url or f"sqlite:///{directory / 'ledger.db'}", **self.erp.settings},
            TARGET: newstore.target_settings,
        }
