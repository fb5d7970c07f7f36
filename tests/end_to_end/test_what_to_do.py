"""The last line of what fails says what, where and what to do; a check has words of its own for that."""

from __future__ import annotations

import http.server
import re
import threading
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
    (tmp_path / "file").write_text("no database at all, whatever its name says\n" * 100, encoding="utf-8")
    ledger = f"--ledger-url=sqlite:///{tmp_path}/file"
    said = last_line("newstore-erp-postgresql", "apply", "--database-url=postgresql://127.0.0.1:1/erp", ledger)
    assert f"({tmp_path}/file). Correct ledger_url, or start its database [NSS-400]" in said


@pytest.mark.parametrize("command", ["tap-newstore-fulfillment", "mapper-newstore-stock", "target-newstore-stock"])
def test_a_configuration_file_that_cannot_be_read(command: str, tmp_path: Path) -> None:
    for text in (None, "{"):
        config = tmp_path / "config.json"
        if text:
            config.write_text(text, encoding="utf-8")
        said = last_line(command, f"--config={config}", stdin=STATE)
        assert re.search(r"config\.json.*\. Correct the path, or write the file as JSON \[NSS-.01\]", said)


def test_a_receiver_that_does_not_answer(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.db"
    settings = {"LEDGER_URL": f"sqlite:///{ledger}", "ON_HAND_URL": f"{tmp_path}/list.csv"}
    (tmp_path / "list.csv").write_text(f"{HEADER}\nDC01,A,1,1\n", encoding="utf-8")
    run_command("mapper-newstore-stock", "--config=ENV", stdin=STATE, variables=of("MAPPER_NEWSTORE_STOCK", settings))
    words = ("--ledger-url", f"sqlite:///{ledger}", "report", "--html", f"{tmp_path}/r.html", "--receiver-url", NOWHERE)
    said = last_line("newstore-stock-ledger", *words)
    assert "Correct --receiver-url, or start the receiver [NSS-204]" in said


@pytest.mark.parametrize(
    ("status", "to_do"),
    [
        (400, "Correct what NewStore's words name, or ask NewStore"),
        (403, "Let the API client (client_id) use this API"),
        (404, "Correct api_url or tenant, or what this call names"),
    ],
)
def test_a_call_that_newstore_refuses(status: int, to_do: str, tmp_path: Path) -> None:
    body = b'{"error_code": "nope", "message": "not today", "request_id": "r-1"}'
    token = b'{"access_token": "t", "expires_in": 300, "token_type": "Bearer"}'

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.send_response(200 if self.path == "/token" else status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(token if self.path == "/token" else body)

        do_POST = do_GET  # noqa: N815 - the name the server calls

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}"
        settings = {**NEWSTORE, "API_URL": url, "AUTH_URL": f"{url}/token"}
        landing = {"LANDING_URL": f"sqlite:///{tmp_path}/landing.db"}
        by_tap = last_line("newstore-event-receiver", "status", **of("TAP_NEWSTORE_FULFILLMENT", settings | landing))
        staging = {"STAGING_URL": str(tmp_path), "STAGING_LINK": "https://staging"}
        variables = of("TARGET_NEWSTORE_STOCK", settings | staging)
        by_target = last_line("target-newstore-stock", "--config=ENV", stdin=STOCK, **variables)
        server.shutdown()
    assert f"{to_do} [NSS-141]" in by_tap
    assert f"{to_do} [NSS-340]" in by_target
