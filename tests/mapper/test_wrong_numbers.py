"""A shop whose numbers differ at NewStore for every reason there is: each is named, and what can be is repaired.

`WRONG_NUMBERS=10000` is the size of a real bad day.
"""

from __future__ import annotations

import os
import typing as t

from tests.mapper.comparing import compare, import_cuts
from tests.mapper.shop_day import ShopDay, completed
from tests.shop.newstore import NewStore

if t.TYPE_CHECKING:
    from pathlib import Path

WRONG_NUMBERS = int(os.environ.get("WRONG_NUMBERS", "96"))
#: Why numbers differ; `plain` ones do not.
KINDS = (
    "allocations",
    "reservations",
    "future",
    "not_visible",
    "late",
    "unproven",
    "ahead",
    "held",
    "stale",
    "vanished",
    "refused",
    "unexplained",
)
EACH = -(-WRONG_NUMBERS // len(KINDS))
SETTINGS: dict[str, t.Any] = {"max_held_percent": 100, "max_vanished_percent": 100}
#: How long a comparison of so many may take.
SECONDS = 60 + WRONG_NUMBERS / 20


class BadDay:
    """The shop on its bad day.

    Attributes:
        day: ERP and mapper.
        newstore: The sandbox.
    """

    def __init__(self, directory: Path, database_url: str, newstore: NewStore) -> None:
        self.newstore = newstore
        self.day = ShopDay(directory, ledger_url=database_url, **SETTINGS)
        self._directory = directory

    def play(self) -> None:
        """Let every key get its number, right or wrong."""
        self._open()
        sold = [self.newstore.sell("DC01", *products("late"))]
        sold += [self.newstore.sell("DC01", *products("unproven"), *products("stale"))]
        sold += [self.newstore.sell("DC01", *products(kind)) for kind in ("held", "ahead")]
        self._count("ahead", 9, sold[3])
        self._count("stale", "many")
        self._count("refused", 7)
        self._count("plain", 12)
        for product in products("vanished"):
            self.day.erp.remove("DC01", product)
        self.newstore.set_faults(
            refused_items=[{"fulfillment_node_id": "DC01", "product_id": one} for one in products("refused")]
        )
        events = [completed(sold[1], *products("unproven"), *products("stale"))]
        events += [completed(sold[2], *products("held")), completed(sold[3], *products("ahead"), released=False)]
        assert self.run(*events, through=sold[2]) == 1
        self.newstore.set_faults(refused_items=[], atp_seconds=100_000)
        self._count("not_visible", 12)
        assert self.run(completed(sold[0], *products("late"))) == 0
        self.newstore.set_faults(atp_seconds=0)
        self._disturb()

    def run(self, *events: dict[str, t.Any], through: int | None = None) -> int:
        """Run mapper and target, and return the target's exit code."""
        self.cuts = self.day.run(*events, through=through)
        return import_cuts(self.newstore, self._directory, self.cuts)

    def _open(self) -> None:
        self.newstore.add_location("DC01")
        known = [product for kind in (*KINDS, "plain") for product in products(kind)]
        self.newstore.set_all_stock({("DC01", product): 10 for product in known})
        self.day.erp.replace({("DC01", product): (10, None) for product in known if not product.startswith("held")})
        assert self.run() == 0

    def _count(self, kind: str, quantity: int | str, as_of: int | None = None) -> None:
        first, *rest = products(kind)
        for product in rest:
            self.day.erp.count_later("DC01", product, quantity, as_of)
        self.day.erp.count("DC01", first, quantity, as_of)

    def _disturb(self) -> None:
        """Let NewStore's numbers move by themselves, and somebody set wrong ones by hand."""
        for product in products("allocations"):
            self.newstore.order("DC01", product)
        self.newstore.hold_all_back(keys("reservations"), reservations=2)
        self.newstore.hold_all_back(keys("future"), future=5, future_allocations=1)
        wrong = {key: 25 if number % 2 else 3 for number, key in enumerate(keys("unexplained"))}
        self.newstore.set_all_stock(wrong)


def products(kind: str) -> list[str]:
    return [f"{kind}-{number}" for number in range(EACH)]


def keys(kind: str) -> list[tuple[str, str]]:
    return [("DC01", product) for product in products(kind)]


def test_each_wrong_number_is_named_and_what_can_be_is_repaired_in_one_run(tmp_path: Path, database_url: str) -> None:
    with NewStore(tmp_path, import_seconds=0) as newstore:
        bad = BadDay(tmp_path, database_url, newstore)
        bad.play()

        first = compare(bad.day, newstore, seconds=SECONDS)
        assert first.causes == {product: kind for kind in KINDS for product in products(kind)}
        above = {product for product, row in first.rows.items() if row["above"]}
        assert above == {*products("refused"), *products("unexplained")[1::2]}
        assert first.code == 1

        assert compare(bad.day, newstore, "--repair", seconds=SECONDS).code == 1
        noted = compare(bad.day, newstore, "--repair", "--yes", seconds=SECONDS)
        assert noted.code == 0, noted.log
        assert f"{2 * EACH} keys go out again with the next run" in noted.log

        assert bad.run() == 0
        assert [set(cut.quantities) for cut in bad.cuts] == [{*keys("refused"), *keys("unexplained")}]
        second = compare(bad.day, newstore, seconds=SECONDS)
        kept = [kind for kind in KINDS if kind not in ("refused", "unexplained")]
        assert second.causes == {product: kind for kind in kept for product in products(kind)}
        assert second.code == 0, second.log
        asked = newstore.insights()
    assert asked["refused"] == 0
    assert 0 < asked["most_in_a_second"] <= 90
