"""Many tenants of one Meltano project, each with a directory and a .env of its own (docs/schedulers/sweep)."""

from __future__ import annotations

import json
import os
import subprocess
import typing as t
from pathlib import Path

from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.shop.erp import Erp
from tests.shop.process import command
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from tests.shop.newstore import NewStore

PROJECT = Path(__file__).parents[2]
SWEEP = PROJECT / "docs" / "schedulers" / "sweep"
NODE = "DC01"
#: What each tenant has of its own product before the first completion.
UNITS = 10


class Tenants:
    """Tenants whose stock lies in one NewStore, each with a product, a landing store and a ledger of its own.

    Args:
        directory: Where their directories are written.
        newstore: The NewStore of all.
    """

    def __init__(self, directory: Path, newstore: NewStore) -> None:
        self.directory = directory
        self._newstore = newstore
        newstore.add_location(NODE)

    def add(self, name: str, **settings: str) -> LandingStore:
        """Add a tenant whose ERP has counted its units; return its landing store, empty and open."""
        home = self.directory / name
        home.mkdir(parents=True)
        erp = Erp(home / "on_hand.csv")
        erp.count(NODE, name, UNITS)
        landing = f"sqlite:///{home / 'landing.db'}"
        target = {
            f"TARGET_NEWSTORE_STOCK_{key.upper()}": value for key, value in self._newstore.target_settings.items()
        }
        variables = {
            **target,
            "TARGET_NEWSTORE_STOCK_PROVIDER": name,
            "TARGET_NEWSTORE_STOCK_POLL_SECONDS": 1,
            "TAP_NEWSTORE_FULFILLMENT_LANDING_URL": landing,
            "TAP_NEWSTORE_FULFILLMENT_SETTLE_SECONDS": 0,
            "MAPPER_NEWSTORE_STOCK_LEDGER_URL": f"sqlite:///{home / 'ledger.db'}",
            "MAPPER_NEWSTORE_STOCK_ON_HAND_URL": erp.path,
            **settings,
        }
        lines = [f"{key}='{value}'\n" for key, value in variables.items()]
        (home / ".env").write_text("".join(lines), encoding="utf-8")
        return LandingStore(landing)

    def complete(self, name: str, landing: LandingStore) -> None:
        """Let one unit of a tenant's product leave the shelf."""
        landing.add([check_event(json.dumps(an_event(10, name)).encode())])

    def log(self, name: str) -> str:
        """Return what the last run of a tenant has logged so far."""
        path = self.directory / name / "run.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def sweep(self, **variables: str) -> subprocess.Popen[str]:
        """Start a sweep of the stock of all as cron does, with no more environment than it needs.

        stdout and stderr are one pipe.
        """
        bin_directory = Path(command("meltano")).parent
        here = {name: value for name, value in os.environ.items() if name in {"HOME", "PATH"}}
        return subprocess.Popen(
            [str(SWEEP), "newstore-stock-sync"],
            env={
                **here,
                "PATH": f"{bin_directory}:{here['PATH']}",
                "PROJECT": str(PROJECT),
                "TENANTS": str(self.directory),
                **variables,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
