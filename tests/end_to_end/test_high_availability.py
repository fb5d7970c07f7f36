"""The example of docs/high-availability.md: two receivers behind HAProxy, on a cluster whose primary is killed."""

from __future__ import annotations

import os
import re
import shutil
import socket
import typing as t

import pytest
import requests
import yaml

from tests.documentation.plugins import PROJECT
from tests.faults.players.sender import Sender
from tests.shop.cluster import Cluster
from tests.shop.process import Process, wait_until
from tests.shop.receiver import CALL_SECONDS, Receiver
from tests.tap.test_cluster import kept
from tests.tap.test_receiver_on_a_store import metric

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXAMPLE = PROJECT / "docs" / "high-availability"
#: Where Debian keeps it; that is not on everyone's PATH.
SERVERS = ("/usr/sbin", "/usr/local/sbin")
EVENTS = 600


@pytest.fixture
def haproxy() -> str:
    """Return the path of HAProxy."""
    found = shutil.which("haproxy", path=os.pathsep.join([os.environ.get("PATH", os.defpath), *SERVERS]))
    if found is None:
        pytest.skip("no HAProxy on this machine: install Debian's package `haproxy` to run this test")
    return found


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(is_synchronous=True) as cluster:
        yield cluster


def test_two_receivers_behind_haproxy_lose_nothing_when_one_of_them_and_the_primary_die(
    tmp_path: Path, haproxy: str, cluster: Cluster
) -> None:
    url = cluster.new_database()
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with Receiver(tmp_path / "one", landing_url=url) as one, Receiver(tmp_path / "two", landing_url=url) as two:
        variables = {
            "EVENTS": address,
            "RECEIVER_ONE": one.url.removeprefix("http://"),
            "RECEIVER_TWO": two.url.removeprefix("http://"),
        }
        words = [haproxy, "-f", str(EXAMPLE / "haproxy.cfg")]
        with Process(words, tmp_path / "haproxy.log", variables):
            wait_until(lambda: health(address) == 200, "a healthy receiver behind HAProxy")
            sender = Sender(f"http://{address}/events", refusals=(502, 503, 504))
            sender.send(range(EVENTS))
            wait_until(lambda: len(sender.accepted) > EVENTS // 10, "events accepted before a receiver dies")
            assert metric(one, 'newstore_answers_total{status="200"}') > 0
            one.process.kill()
            seen = len(sender.accepted)
            wait_until(lambda: len(sender.accepted) > seen + EVENTS // 10, "events accepted by the other one")
            cluster.primary.kill()
            wait_until(lambda: health(address) == 503, "503 while there is no primary")
            cluster.promote()
            sender.finish()
            assert health(address) == 200
            assert "Traceback" not in two.process.output
    assert kept(url) == list(range(EVENTS))


def test_the_example_gives_haproxy_all_it_asks_for() -> None:
    asked = set(re.findall(r'"\$\{(\w+)\}"', (EXAMPLE / "haproxy.cfg").read_text(encoding="utf-8")))
    services = yaml.safe_load((EXAMPLE / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert services["events"]["environment"].keys() == asked
    assert services["receiver-one"] == services["receiver-two"]


def test_the_example_names_settings_that_exist() -> None:
    services = yaml.safe_load((EXAMPLE / "compose.yaml").read_text(encoding="utf-8"))["services"]
    names = {name.removeprefix("TAP_NEWSTORE_FULFILLMENT_").lower() for name in services["receiver-one"]["environment"]}
    plugin = yaml.safe_load((PROJECT / "hub" / "extractors" / "tap-newstore-fulfillment.yml").read_text("utf-8"))
    assert names <= {setting["name"] for setting in plugin["settings"]}
    patroni = yaml.safe_load((EXAMPLE / "patroni.yaml").read_text(encoding="utf-8"))["bootstrap"]["dcs"]
    assert patroni["synchronous_mode"] is True


def health(address: str) -> int:
    """Return what `/healthz` answers through HAProxy; 0: nobody answers yet."""
    try:
        return requests.get(f"http://{address}/healthz", timeout=CALL_SECONDS).status_code
    except requests.ConnectionError:
        return 0
