"""docs/monitoring/dashboard.json: each metric and label it queries is shown by a shop that works."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
import yaml

from tests.documentation.plugins import PROJECT
from tests.end_to_end.test_alarm_on_silence import Shop
from tests.end_to_end.test_alerts import record

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOARD: dict[str, t.Any] = json.loads((PROJECT / "docs/monitoring/dashboard.json").read_text(encoding="utf-8"))
QUERIES = [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]
METRIC = re.compile(r"newstore_\w+")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[str]]:
    """Names of what ledger and receiver show after a run, with their labels."""
    directory: Path = tmp_path_factory.mktemp("shop")
    with Shop(directory) as shop:
        shop.newstore.add_location("DC01")
        shop.stock("DC01", "SKU-1", 10)
        assert shop.sell_and_run() == (0, 0, 0)
        yield set(record(shop))


def test_every_metric_the_dashboard_queries_exists(shown: set[str]) -> None:
    names = {name.partition("{")[0] for name in shown}
    queried = {name for query in QUERIES for name in METRIC.findall(query)}
    assert queried
    assert queried - names == set()


def test_every_metric_of_an_alert_is_on_the_dashboard() -> None:
    rules = yaml.safe_load((PROJECT / "docs/monitoring/alerts.yml").read_text(encoding="utf-8"))
    alerts = {name for group in rules["groups"] for rule in group["rules"] for name in METRIC.findall(rule["expr"])}
    assert alerts
    assert alerts - {name for query in QUERIES for name in METRIC.findall(query)} == set()


def test_every_label_the_dashboard_queries_exists(shown: set[str]) -> None:
    labels = {label for name in shown for label in re.findall(r"(\w+)=", name)}
    queried = {
        label
        for query in QUERIES
        for group in re.findall(r"by \(([^)]+)\)", query)
        for label in re.split(r",\s*", group)
    }
    assert queried - labels == set()


def test_panels_are_told_apart_and_do_not_overlap() -> None:
    panels = BOARD["panels"]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels}) == len(panels) == len({panel["title"] for panel in panels})
