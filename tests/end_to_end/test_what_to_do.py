"""The last line of what fails says what, where and what to do; a check has words of its own for that."""

from __future__ import annotations

import re
import typing as t

import pytest

from tests.shop.plugin import run_command

if t.TYPE_CHECKING:
    from pathlib import Path

HEADER = "fulfillment_node_id,product_id,quantity,as_of_logical_timestamp"
STATE = '{"type":"STATE","value":{}}\n'
NOWHERE = "http://127.0.0.1:1"
NEWSTORE = {"TENANT": "demo", "CLIENT_ID": "id", "CLIENT_SECRET": "s", "API_URL": NOWHERE, "AUTH_URL": f"{NOWHERE}/t"}
STOCK = '{"type":"SCHEMA","stream":"stock","schema":{"properties":{"fulfillment_node_id":{"type":"string"},"product_id":{"type":"string"},"quantity":{"type":"integer"}}},"key_properties":[]}\n{"type":"RECORD","stream":"stock","record":{"fulfillment_node_id":"DC01","product_id":"A","quantity":1}}\n'  # noqa: E501 - two lines of Singer


def last_line(command: str, *arguments: str, stdin: str = "", **variables: str) -> str:
    done = run_command(command, *arguments, stdin=stdin, variables=variables)
    assert done.returncode != 0
    return done.stderr.strip().splitlines()[-1]


def of(prefix: str, settings: dict[str, str]) -> dict[str, str]:
    return {f"{prefix}_{name}": value for name, value in settings.items()}


def test_a_landing_store_that_cannot_be_opened(tmp_path: Path) -> None:
    variables = of("TAP_NEWSTORE_FULFILLMENT", {"LANDING_URL": f"sqlite:///{tmp_path}/no/landing.db"})
    said = last_line("tap-newstore-fulfillment", "--config=ENV", **variables)
    assert f"database file ({tmp_path}/no/landing.db). Correct landing_url, or start its database [NSS-110]" in said


def test_a_newstore_that_does_not_answer(tmp_path: Path) -> None:
    variables = of("TAP_NEWSTORE_FULFILLMENT", {**NEWSTORE, "LANDING_URL": f"sqlite:///{tmp_path}/landing.db"})
    assert "Correct api_url or auth_url, or see why" in last_line("newstore-event-receiver", "status", **variables)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (None, r"No such file or directory\. Correct on_hand_url, or let this user read what it names \[NSS-210\]"),
        (["node,sku", "A,B"], r"in the header row \(node, sku\).*on_hand_columns.* \[NSS-210\]"),
        ([HEADER, "A,B,1,1", "A,B,1,1"], r"A/B \(/.*/list\.csv\)\. Leave all but one row of each out.* \[NSS-214\]"),
    ],
)
def test_a_list_that_cannot_be_read(lines: list[str] | None, said: str, tmp_path: Path) -> None:
    if lines:
        (tmp_path / "list.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = {"LEDGER_URL": f"sqlite:///{tmp_path}/ledger.db", "ON_HAND_URL": f"{tmp_path}/list.csv"}
    assert re.search(
        said, last_line("mapper-newstore-stock", "--config=ENV", stdin=STATE, **of("MAPPER_NEWSTORE_STOCK", settings))
    )


def test_a_ledger_that_cannot_be_opened(tmp_path: Path) -> None:
    settings = {"LEDGER_URL": f"sqlite:///{tmp_path}/no/ledger.db", "ON_HAND_URL": f"{tmp_path}/list.csv"}
    said = last_line("mapper-newstore-stock", "--config=ENV", stdin=STATE, **of("MAPPER_NEWSTORE_STOCK", settings))
    assert f"({tmp_path}/no/ledger.db). Correct ledger_url, or start its database [NSS-230]" in said


def test_no_token(tmp_path: Path) -> None:
    settings = {**NEWSTORE, "STAGING_URL": str(tmp_path), "STAGING_LINK": "https://staging"}
    said = last_line("target-newstore-stock", "--config=ENV", stdin=STOCK, **of("TARGET_NEWSTORE_STOCK", settings))
    assert "Correct auth_url, or see why it cannot be reached from here [NSS-341]" in said


def test_an_erp_that_does_not_answer(tmp_path: Path) -> None:
    said = last_line("newstore-erp-postgresql", "setup", "--database-url=postgresql://127.0.0.1:1/erp")
    assert "Correct database_url, or start its database [NSS-400]" in said
    (tmp_path / "file").touch()
    ledger = f"--ledger-url=sqlite:///{tmp_path}/file"
    said = last_line("newstore-erp-postgresql", "apply", "--database-url=postgresql://127.0.0.1:1/erp", ledger)
    assert f"({tmp_path}/file). Correct ledger_url, or start its database [NSS-400]" in said
