"""Runs `newstore-stock-ledger diff` against a sandbox, and imports a mapper's cuts there."""

from __future__ import annotations

import json
import typing as t

from tests.shop.plugin import run_command, run_plugin
from tests.target.stock_messages import a_record, a_schema

if t.TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.mapper.shop_day import SentCut, ShopDay
    from tests.shop.newstore import NewStore

Row = dict[str, t.Any]


class Compared(t.NamedTuple):
    """How a comparison ended."""

    code: int
    rows: dict[str, Row]
    log: str

    @property
    def causes(self) -> dict[str, str]:
        """The cause of each product that differs."""
        return {product: row["cause"] for product, row in self.rows.items()}


def compare(day: ShopDay, newstore: NewStore, *options: str, seconds: float = 60, **settings: str) -> Compared:
    """Run `diff`, with more of the target's settings, and return what it says of each product."""
    return compare_at(day, {**newstore.target_settings, **settings}, *options, seconds=seconds)


def compare_at(day: ShopDay, settings: Row, *options: str, seconds: float = 60) -> Compared:
    """Run `diff` against the NewStore that the target's settings lead to."""
    names = {"api_url", "auth_url", "client_id", "client_secret", "mode", "future_inventory_nodes"} & set(settings)
    variables = {f"TARGET_NEWSTORE_STOCK_{name.upper()}": str(settings[name]) for name in names}
    variables |= {
        f"MAPPER_NEWSTORE_STOCK_{name.upper()}": json.dumps(day.settings[name])
        for name in ("ignored_nodes", "ignored_products")
        if day.settings[name]
    }
    ledger = ("--ledger-url", day.settings["ledger_url"])
    arguments = (*ledger, "diff", "--format=json", *options)
    done = run_command("newstore-stock-ledger", *arguments, seconds=seconds, variables=variables)
    assert "Traceback" not in done.stderr, done.stderr
    rows = json.loads(done.stdout) if done.stdout and done.stdout[0] == "[" else []
    return Compared(done.returncode, {row["product_id"]: row for row in rows}, done.stderr)


def import_cuts(newstore: NewStore, directory: Path, cuts: Iterable[SentCut], **settings: t.Any) -> int:
    """Import cuts as the target does, and return its exit code."""
    messages = [message for cut in cuts for message in _messages(cut)]
    return run_plugin(
        "target-newstore-stock", directory, {**newstore.target_settings, **settings}, messages=[a_schema(), *messages]
    ).code


def _messages(cut: SentCut) -> list[Row]:
    start, end = cut.range or (None, None)
    fields: Row = {"logical_timestamp_start": start, "logical_timestamp_end": end}
    fields |= {"cut_id": cut.cut_id, "cut_size": cut.size}
    records = [a_record(product, units, node=node, **fields) for (node, product), units in cut.quantities.items()]
    return [*records, {"type": "STATE", "value": cut.state}]
