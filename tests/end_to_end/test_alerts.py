"""docs/monitoring/alerts.yml: each alert fires by what was recorded while a shop failed, and not while it works."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
import typing as t

import pytest
import requests
import yaml

from tests.documentation.plugins import PROJECT
from tests.end_to_end.test_alarm_on_silence import Shop
from tests.shop.pipeline import MAPPER, TARGET
from tests.shop.plugin import run_command
from tests.shop.raw_http import post_request, send

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

ALERTS = PROJECT / "docs" / "monitoring" / "alerts.yml"
RULES: dict[str, t.Any] = {
    rule["alert"]: rule for rule in yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"][0]["rules"]
}
LINE = re.compile(r"^(newstore_\w+(?:\{[^}]*\})?) (\S+)$", re.MULTILINE)
#: promtool's clock begins at 0: what was recorded is moved to this minute.
MINUTE = 4_000

Metrics = dict[str, float]


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("no promtool on this machine: install Debian's package `prometheus` to run this test")
    return found


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A shop after two good runs."""
    with Shop(tmp_path) as shop:
        shop.newstore.add_location("DC01")
        shop.stock("DC01", "SKU-1", 10)
        assert shop.sell_and_run() == (0, 0, 0)
        assert shop.run().codes == (0, 0, 0)
        yield shop


def record(shop: Shop) -> Metrics:
    """Return what ledger and receiver show; its times are moved to promtool's clock."""
    where = ("--ledger-url", shop.settings[MAPPER]["ledger_url"])
    done = run_command("newstore-stock-ledger", *where, "metrics")
    assert done.returncode == 0, done.stderr
    receiver = requests.get(f"{shop.receiver.url}/metrics", timeout=30).text
    later = MINUTE * 60 - time.time()
    found = {name: float(value) for name, value in LINE.findall(done.stdout + receiver)}
    return {name: value + later if "timestamp_seconds" in name and value else value for name, value in found.items()}


def firing(
    promtool: str, directory: Path, metrics: Metrics, minutes: int, before: Metrics, *, of: Iterable[str] = RULES
) -> set[str]:
    """Return the alerts that fire some minutes after a recording, if all stays as it is.

    Args:
        promtool: The command.
        directory: For its file.
        metrics: What was recorded.
        minutes: How long it has been like that.
        before: What was so until then.
        of: The alerts that are looked at.
    """
    series = [
        {"series": name, "values": f"{before[name]}+0x{MINUTE - 1} {value}+0x{minutes}"}
        for name, value in metrics.items()
    ]
    end = f"{MINUTE + minutes}m"
    # As if none should: what promtool has to say of that are those that do.
    none_fire = [{"eval_time": end, "alertname": alert, "exp_alerts": []} for alert in of]
    test = {"interval": "1m", "input_series": series, "alert_rule_test": none_fire}
    content = {"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}
    (directory / "rules.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    done = subprocess.run(
        [promtool, "test", "rules", "rules.yml"], cwd=directory, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    fires = {alert for alert in of if re.search(rf"alertname: {alert}\b", said)}
    assert bool(fires) == bool(done.returncode), said
    return fires


def fails_at(part: str, **changed: str) -> Callable[[Shop], None]:
    """Return what makes two runs, hours apart, fail at a part."""

    def fail(shop: Shop) -> None:
        shop.settings[part] |= changed
        shop.sell_and_run()
        shop.let_hours_pass()
        shop.sell_and_run()

    return fail


def sell_what_the_erp_does_not_have(shop: Shop) -> None:
    shop.newstore.set_stock("DC01", "SKU-9", 5)
    shop.newstore.sell("DC01", "SKU-9")
    assert shop.run().codes == (0, 0, 0)


def write_a_bad_quantity(shop: Shop) -> None:
    shop.erp.count("DC01", "SKU-1", "a dozen")
    assert shop.run().codes == (0, 0, 0)


def refuse_a_body(shop: Shop) -> None:
    assert shop.receiver.post({"payload": {"logical_timestamp": 7}}).status_code == 400


def send_an_encoding_nobody_knows(shop: Shop) -> None:
    assert send(shop.receiver.url, post_request(b"{}", "Content-Encoding: br")).status == 503


def nothing(_shop: Shop) -> None:
    """Let time pass."""


#: By alert: what happens, and after how many minutes it fires. What only a key or a loss shows is written by hand.
HAPPENS: dict[str, tuple[Callable[[Shop], None], int]] = {
    "NoRunDoesItsWork": (fails_at(MAPPER, on_hand_url="/nowhere/on_hand.csv"), 1),
    "ImportsAreNotConfirmed": (fails_at(TARGET, client_secret="wrong"), 1),
    "NoImportIsConfirmed": (nothing, 25 * 60 + 2),
    "LedgerFiguresAreMissing": (nothing, 61),
    "KeysAreHeld": (sell_what_the_erp_does_not_have, 61),
    "KeysAreStale": (write_a_bad_quantity, 241),
    "NoEventComes": (nothing, 62),
    "ReceiverCannotStore": (send_an_encoding_nobody_knows, 7),
    "ReceiverRefusesTheKey": (nothing, 5),
    "EventsAreSetAside": (refuse_a_body, 16),
    "StoreWentBack": (nothing, 5),
    "NoAuditIsWhole": (nothing, 1),
}
BY_HAND = {"ReceiverRefusesTheKey": 'newstore_answers_total{status="401"}', "StoreWentBack": "newstore_store_went_back"}


def test_a_shop_that_works_fires_nothing_but_the_audit_it_never_had(promtool: str, shop: Shop, tmp_path: Path) -> None:
    metrics = record(shop)
    assert firing(promtool, tmp_path, metrics, 5, metrics) == {"NoAuditIsWhole"}


def test_every_alert_is_made_to_fire() -> None:
    assert HAPPENS.keys() == RULES.keys()


@pytest.mark.parametrize("alert", HAPPENS)
def test_an_alert_fires(alert: str, promtool: str, shop: Shop, tmp_path: Path) -> None:
    happens, minutes = HAPPENS[alert]
    before = record(shop)
    happens(shop)
    metrics = record(shop)
    if alert in BY_HAND:
        metrics[BY_HAND[alert]] = 1
    if alert == "LedgerFiguresAreMissing":
        metrics = {name: value for name, value in metrics.items() if "newstore_stock" not in name}
    # Times of the first recording would lie ahead on promtool's clock.
    earlier = {name: value if "timestamp_seconds" in name else before.get(name, 0.0) for name, value in metrics.items()}
    assert firing(promtool, tmp_path, metrics, minutes, earlier, of=[alert]) == {alert}


def test_the_file_is_replaced_at_once_and_others_may_read_it(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "figures" / "newstore_stock.prom"
    arguments = ["--ledger-url", shop.settings[MAPPER]["ledger_url"], "metrics", "--output", str(path)]
    missing = run_command("newstore-stock-ledger", *arguments)
    assert (missing.returncode, "--output: cannot write" in missing.stderr) == (1, True)
    path.parent.mkdir()
    for _ in range(2):
        assert run_command("newstore-stock-ledger", *arguments).returncode == 0
        assert "newstore_stock_last_cut 1\n" in path.read_text(encoding="utf-8")
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o777 == 0o644


def test_the_last_confirmed_import_is_the_one_a_later_run_knows_of(shop: Shop) -> None:
    confirmed = "newstore_stock_confirmed_import_timestamp_seconds"
    first = record(shop)
    # Both runs may have begun in one second.
    assert MINUTE * 60 - 600 < first[confirmed] <= first["newstore_stock_last_planned_timestamp_seconds"]
    fails_at(TARGET, client_secret="wrong")(shop)
    assert record(shop)[confirmed] < first[confirmed] - 3600


def test_the_page_names_every_metric_the_ledger_writes(shop: Shop) -> None:
    page = (PROJECT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    for name in record(shop):
        if name.startswith("newstore_stock_"):
            assert f"`{name.partition('{')[0]}`" in page
