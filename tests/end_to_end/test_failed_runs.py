"""A run that fails says why as an error, last, under `meltano run`: which plugin, what, and what to do."""

from __future__ import annotations

import re
import typing as t

import pytest

from tests.end_to_end.own_project import OwnProject
from tests.shop.pipeline import MAPPER, TAP, TARGET, Pipeline

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: A line of Meltano's log: when, how grave, who, what.
LINE = re.compile(r"^\S+ \[(\w+) *\] (\S+) +(.*)$", re.MULTILINE)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Pipeline]:
    """A shop with one sale."""
    with Pipeline(tmp_path) as shop:
        shop.newstore.add_location("DC01")
        shop.stock("DC01", "SKU-1", 10)
        shop.newstore.sell("DC01", "SKU-1")
        shop.newstore.wait_for_delivery()
        yield shop


def lines_of_a_failed_run(shop: Pipeline, directory: Path, **changes: str) -> list[tuple[str, str, str]]:
    """Return what the plugins say in a run that fails: how grave, who, what."""
    variables = {
        f"{plugin}_{name}".upper().replace("-", "_"): str(value)
        for plugin in (TAP, MAPPER, TARGET)
        for name, value in shop.settings[plugin].items()
    }
    # Whole numbers, which is what Meltano takes from variables.
    variables |= {"TARGET_NEWSTORE_STOCK_POLL_SECONDS": "1", "TARGET_NEWSTORE_STOCK_IMPORT_TIMEOUT_SECONDS": "60"}
    run = OwnProject.of_the_checkout(directory / "project").meltano("run", "newstore-stock-sync", **variables | changes)
    said = run.stdout + run.stderr
    assert run.returncode == 1, said
    assert "Traceback" not in said
    return [line for line in LINE.findall(said) if line[1] != "meltano"]


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        (
            {"TAP_NEWSTORE_FULFILLMENT_LANDING_URL": "sqlite:////nowhere/landing.db"},
            "NSS-110",
            "landing_url: cannot open",
        ),
        ({"MAPPER_NEWSTORE_STOCK_ON_HAND_URL": "/nowhere/on_hand.csv"}, "NSS-210", "/nowhere/on_hand.csv"),
        ({"MAPPER_NEWSTORE_STOCK_LEDGER_URL": "sqlite:////nowhere/ledger.db"}, "NSS-230", "ledger_url: "),
        ({"TARGET_NEWSTORE_STOCK_CLIENT_SECRET": "wrong"}, "NSS-341", "client_secret"),
        ({"TARGET_NEWSTORE_STOCK_STAGING_URL": "/proc/nowhere"}, "NSS-330", "staging_url: "),
        ({"TARGET_NEWSTORE_STOCK_API_URL": "http://127.0.0.1:1"}, "NSS-340", "http://127.0.0.1:1"),
    ],
)
def test_the_cause_is_the_last_error_and_the_last_word_of_its_plugin(
    changed: dict[str, str], code: str, said: str, shop: Pipeline, tmp_path: Path
) -> None:
    lines = lines_of_a_failed_run(shop, tmp_path, **changed)
    _, who, what = [line for line in lines if line[0] == "error"][-1]
    assert who == {"1": TAP, "2": MAPPER, "3": TARGET}[code.removeprefix("NSS-")[0]]
    assert said in what
    assert what.endswith(f" [{code}]")
    assert [line for line in lines if line[1] == who][-1] == ("error", who, what)
