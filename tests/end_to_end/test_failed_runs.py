"""A run that fails says why as an error, last, under `meltano run`: which plugin, what, and what to do."""

from __future__ import annotations

import email.utils
import re
import typing as t

import pytest

from tests.end_to_end.own_project import OwnProject
from tests.shop.pipeline import MAPPER, TAP, TARGET, Pipeline
from tests.shop.scripted_http import ScriptedHttp, answer

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: A line of Meltano's log: when, how grave, who, what.
LINE = re.compile(r"^\S+ \[(\w+) *\] (\S+) +(.*)$", re.MULTILINE)

HEADER = "fulfillment_node_id,product_id,quantity,as_of_logical_timestamp\n"


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


@pytest.mark.parametrize(
    ("rows", "changed", "code", "said"),
    [
        pytest.param("", {}, "NSS-211", "the file is empty", id="empty"),
        pytest.param(f"{HEADER}DC01,SKU-1,1", {}, "NSS-211", "the file ends inside this line", id="half-written"),
        pytest.param(
            f"{HEADER}DC01,SKU-1,many,\n",
            {"MAPPER_NEWSTORE_STOCK_HELD_KEYS": "fail"},
            "NSS-221",
            "DC01/SKU-1 in line 2: quantity is 'many'",
            id="bad quantity",
        ),
        pytest.param(
            None,
            {
                "MAPPER_NEWSTORE_STOCK_ON_HAND_URL": "postgresql://127.0.0.1:1/erp",
                "MAPPER_NEWSTORE_STOCK_ON_HAND_TABLE": "stock",
                "MAPPER_NEWSTORE_STOCK_ON_HAND_AS_OF": "current",
            },
            "NSS-210",
            "on_hand_url: ",
            id="ERP down",
        ),
        pytest.param(
            f"{HEADER}DC01,SKU-1,10,\nNOWHERE,SKU-1,10,\n",
            {"TARGET_NEWSTORE_STOCK_UNKNOWN_LOCATIONS": "fail"},
            "NSS-320",
            "NOWHERE",
            id="unknown location",
        ),
        pytest.param(
            None,
            {"TARGET_NEWSTORE_STOCK_STAGING_LINK": "http://127.0.0.1:1/staging"},
            "NSS-350",
            "transformed_uri could not be fetched",
            id="staging not fetchable",
        ),
    ],
)
def test_so_is_a_bad_day_of_the_erp_or_of_newstore(
    rows: str | None, changed: dict[str, str], code: str, said: str, *, shop: Pipeline, tmp_path: Path
) -> None:
    if rows is not None:
        shop.erp.path.write_text(rows, encoding="utf-8")
    _, _, what = [line for line in lines_of_a_failed_run(shop, tmp_path, **changed) if line[0] == "error"][-1]
    assert said in what
    assert what.endswith(f" [{code}]")


def test_so_is_a_clock_that_is_off(shop: Pipeline, tmp_path: Path) -> None:
    shop.erp.path.write_text(f"{HEADER}DC01,SKU-1,10,2026-01-01T00:00:00Z\n", encoding="utf-8")
    with ScriptedHttp().serving() as newstore:
        newstore.answers["/"] = answer(200, b"", Date=email.utils.formatdate(1_000_000, usegmt=True))
        lines = lines_of_a_failed_run(
            shop,
            tmp_path,
            MAPPER_NEWSTORE_STOCK_ON_HAND_AS_OF="taken_at",
            MAPPER_NEWSTORE_STOCK_ON_HAND_COLUMNS='{"taken_at": "as_of_logical_timestamp"}',
            MAPPER_NEWSTORE_STOCK_NEWSTORE_CLOCK_URL=f"{newstore.url}/",
        )
    _, who, what = [line for line in lines if line[0] == "error"][-1]
    assert who == MAPPER
    assert "s apart, more than clock_skew_seconds" in what
