"""The demo, run with the real commands: `make demo`.

Ten units, four orders, three of them shipped; then ten more units arrive in the ERP. Every
number NewStore holds is checked; a wrong one ends the demo with exit code 1.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import typing as t

from rich.console import Console
from rich.table import Table

from tests.end_to_end.meltano_job import PROJECT, in_sandbox, run_job
from tests.shop.erp import Erp
from tests.shop.newstore import NewStore
from tests.shop.receiver import Receiver

if t.TYPE_CHECKING:
    from pathlib import Path

NODE, PRODUCT = "DC01", "SKU-1"
JOB = "newstore-stock-sync"


class Numbers(t.NamedTuple):
    """NewStore's numbers of one product."""

    on_hand: int
    allocations: int
    atp: int


class Story:
    """Runs the story step by step and collects the table to show.

    Args:
        directory: Where the demo keeps its files; emptied first.
        console: Where the story is printed.
    """

    def __init__(self, directory: Path, console: Console) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        self._directory = directory
        self._console = console
        self._table = Table(title=f"NewStore's numbers of {PRODUCT} in {NODE}")
        for column in ("moment", "on hand", "allocations", "ATP", "range in the import"):
            self._table.add_column(column, justify="left" if column == "moment" else "right")
        self._wrong: list[str] = []
        self.erp_quantity_at_the_end = 17

    def tell(self) -> bool:
        """Run the story; return whether all numbers were right."""
        with contextlib.ExitStack() as running:
            receiver = running.enter_context(Receiver(self._directory))
            self._newstore = running.enter_context(
                NewStore(self._directory, webhook_url=receiver.events_url, first_logical_timestamp=6)
            )
            self._erp = Erp(self._directory / "on_hand.csv")
            self._ship_three_of_four()
            self._look("4 orders, 3 shipped", Numbers(10, 4, 6))
            self._run_meltano()
            self._look("after run 1", Numbers(7, 1, 6), imported=[(10, 12)])
            self._receive_ten()
            self._look("10 units arrived", Numbers(7, 1, 6))
            self._run_meltano()
            self._look("after run 2", Numbers(17, 1, 16), imported=[(10, 12), None])
            if self._newstore.truth()["ever_oversold"]:
                self._wrong.append("NewStore promised more than was on the shelf")
        self._console.print(self._table)
        for wrong in self._wrong:
            self._console.print(f"[bold red]wrong[/]: {wrong}")
        return not self._wrong

    def _ship_three_of_four(self) -> None:
        self._newstore.add_location(NODE)
        self._newstore.set_stock(NODE, PRODUCT, 10)
        self._erp.count(NODE, PRODUCT, 10)
        orders = [self._newstore.order(NODE, PRODUCT) for _ in range(4)]
        timestamps = [self._newstore.ship(order) for order in orders[:3]]
        self._newstore.wait_for_delivery()
        self._console.print(f"Four orders of {PRODUCT}; three shipped, logical timestamps {timestamps}.")

    def _receive_ten(self) -> None:
        self._newstore.receive_goods(NODE, PRODUCT, 10)
        self._erp.count(NODE, PRODUCT, self.erp_quantity_at_the_end, as_of=12)
        self._console.print("Ten units arrived; the ERP says 17 on hand, as of logical timestamp 12.")

    def _run_meltano(self) -> None:
        variables = sandbox_settings(self._directory, self._newstore, self._erp)
        self._wrong += run_job(JOB, self._console, variables)

    def _look(self, moment: str, expected: Numbers, imported: list[tuple[int, int] | None] | None = None) -> None:
        row = self._newstore.numbers(NODE, PRODUCT)
        seen = Numbers(row["on_hand"], row["allocations"], row["atp"])
        if seen != expected:
            self._wrong.append(f"{moment}: {seen}, expected {expected}")
        ranges = self._newstore.ranges()
        if imported is not None and ranges != imported:
            self._wrong.append(f"{moment}: imports with the ranges {ranges}, expected {imported}")
        last = ranges[-1] if imported and ranges else None
        shown = "" if imported is None else f"{last[0]}-{last[1]}" if last else "none"
        self._table.add_row(moment, *map(str, seen), shown)


def sandbox_settings(directory: Path, newstore: NewStore, erp: Erp) -> dict[str, str]:
    """Return the settings that differ from the environment `sandbox` in meltano.yml."""
    return {
        **in_sandbox(directory, newstore),
        "TAP_NEWSTORE_FULFILLMENT_LANDING_URL": f"sqlite:///{directory}/landing.db",
        "MAPPER_NEWSTORE_STOCK_LEDGER_URL": f"sqlite:///{directory}/ledger.db",
        "MAPPER_NEWSTORE_STOCK_ON_HAND_URL": str(erp.path),
    }


def main() -> int:
    """Run the story in the checkout's `.sandbox` directory."""
    return 0 if Story(PROJECT / ".sandbox", Console()).tell() else 1


if __name__ == "__main__":
    sys.exit(main())
