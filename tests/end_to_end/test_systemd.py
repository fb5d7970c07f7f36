"""The units of docs/deployment, started for real by the commands of its page."""

from __future__ import annotations

import re
import shutil
import socket
import sys
import tempfile
import typing as t
from pathlib import Path

import pytest
import requests

from tests.documentation.plugins import PROJECT
from tests.end_to_end.own_project import OwnProject
from tests.shop.erp import Erp
from tests.shop.newstore import NewStore
from tests.shop.process import command, wait_until
from tests.shop.systemd import Systemd

if t.TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (PROJECT / "docs" / "deployment.md").read_text(encoding="utf-8")
RECEIVER = "newstore-event-receiver.service"
RUN = "newstore-stock-sync.service"
KEY = "a-key-of-the-tests"
STATE = "/var/lib/newstore"
HERE = "/srv/newstore-stock-sync"
#: What is installed here is not in /srv: units that see no home and no /tmp see this.
INSTALLED = f"""
[Service]
ProtectHome=tmpfs
BindReadOnlyPaths={PROJECT} {sys.base_prefix}
"""
#: Stands in for a Meltano that has target-apprise.
MELTANO = f'#!/bin/sh\necho "$@" > {STATE}/alert.arguments\ncat > {STATE}/alert\n'


class Deployed:
    """The page's commands were run, but for those that fetch and install: units find what this environment has.

    Args:
        directory: For everything.
    """

    def __init__(self, directory: Path) -> None:
        self.systemd = Systemd(directory / "systemd")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        self.newstore = NewStore(directory, webhook_url=f"{self.url}/events", webhook_key=KEY)
        self.newstore.add_location("DC01")
        self.newstore.set_stock("DC01", "SKU-1", 10)
        self.erp = Erp(directory / "on_hand.csv")
        self.erp.count("DC01", "SKU-1", 10)
        self._directory = directory
        self._project = OwnProject.of_the_checkout(directory / "project").directory
        (self._project / ".venv" / "bin").mkdir(parents=True)
        (self._project / ".venv" / "bin" / "meltano").symlink_to(command("meltano"))
        shutil.copytree(PROJECT / "docs", self._project / "docs")

    def set_up(self) -> None:
        """Install and start everything as the page has it."""
        for unit in ("newstore-event-receiver", "newstore-stock-sync", "newstore-alert@"):
            directory = self.systemd.units / f"{unit}.service.d"
            directory.mkdir()
            (directory / "tests.conf").write_text(INSTALLED, encoding="utf-8")
        alert = self.systemd.units / "newstore-alert@.service.d" / "apprise.conf"
        alert.write_text("[Service]\nEnvironment=PATH=/srv/apprise:/usr/bin:/bin\n", encoding="utf-8")
        self._inside(
            f"""
            mkdir -p {HERE} /opt/newstore/bin /srv/apprise
            cp -a {self._project}/. {HERE}
            ln -s {command("newstore-event-receiver")} /opt/newstore/bin
            echo '{MELTANO}' > /srv/apprise/meltano
            chmod 755 /srv/apprise/meltano
            systemd-tmpfiles --create --prefix=/run/log/journal
            """
        )
        commands = re.findall(r"^sudo (useradd .*|install .*|cp .*)$", PAGE, re.MULTILINE)
        assert len(commands) == 4
        self._configure()
        self._inside("\n".join(commands))
        self._inside(
            f"""
            chown -R newstore {HERE} {STATE}
            install -d -o newstore {STATE}/staging
            mount --bind {self.newstore.staging} {STATE}/staging
            chown newstore {STATE}/staging
            install -o newstore {self.erp.path} {STATE}/on_hand.csv
            """
        )
        (enable,) = re.findall(r"^sudo (systemctl enable .*)$", PAGE, re.MULTILINE)
        self._inside(enable)

    def configure(self, **changes: str) -> None:
        """Change settings of the runs."""
        self._configure(**changes)
        self._inside("install -D --mode 600 run.env /etc/newstore/run.env")

    def _configure(self, **changes: str) -> None:
        target = {**self.newstore.target_settings, "staging_url": f"{STATE}/staging", "poll_seconds": 1}
        landing = {"TAP_NEWSTORE_FULFILLMENT_LANDING_URL": f"sqlite:///{STATE}/landing.db"}
        run = {
            **landing,
            **{f"TARGET_NEWSTORE_STOCK_{name.upper()}": value for name, value in target.items()},
            "TAP_NEWSTORE_FULFILLMENT_SETTLE_SECONDS": 0,
            "MAPPER_NEWSTORE_STOCK_LEDGER_URL": f"sqlite:///{STATE}/ledger.db",
            "MAPPER_NEWSTORE_STOCK_ON_HAND_URL": f"{STATE}/on_hand.csv",
            "MELTANO_DATABASE_URI": f"sqlite:///{STATE}/meltano.db",
            **changes,
        }
        receiver = {
            **landing,
            "TAP_NEWSTORE_FULFILLMENT_RECEIVER_API_KEY": KEY,
            "TAP_NEWSTORE_FULFILLMENT_RECEIVER_PORT": self.url.rpartition(":")[2],
        }
        for name, variables in (("run.env", run), ("receiver.env", receiver)):
            text = "".join(f"{variable}={value}\n" for variable, value in variables.items())
            (self._directory / name).write_text(text, encoding="utf-8")

    def _inside(self, commands: str) -> None:
        done = self.systemd.run("sh", "-euc", f"cd {self._directory}\n{commands}")
        assert done.returncode == 0, done.stderr

    def receives(self) -> bool:
        """Whether the receiver answers."""
        try:
            return requests.get(f"{self.url}/healthz", timeout=10).ok
        except requests.ConnectionError:
            return False

    def run(self) -> str:
        """Start a run, or wait for the one that goes on, and return how it ended."""
        self.systemd.run("systemctl", "start", RUN)
        return self.systemd.show(RUN, "Result")

    def end(self) -> None:
        """End everything."""
        self.systemd.__exit__()
        self.newstore.process.stop()


@pytest.fixture
def deployed() -> Iterator[Deployed]:
    # On disk: what some units write to /var/lib is lost where the layers over it are kept below /dev.
    with tempfile.TemporaryDirectory(prefix="newstore-systemd-", dir="/var/tmp") as directory:
        deployed = Deployed(Path(directory))
        try:
            deployed.set_up()
            yield deployed
        finally:
            deployed.end()


def test_the_units_receive_run_restart_and_tell(deployed: Deployed) -> None:
    systemd, newstore = deployed.systemd, deployed.newstore
    wait_until(deployed.receives, "answer of the receiver")
    owner = systemd.run("stat", "--format=%U", f"/proc/{systemd.show(RECEIVER, 'MainPID')}")
    assert owner.stdout.strip() == "newstore"

    # The timer has started a first run; this one has the sale.
    newstore.sell("DC01", "SKU-1")
    newstore.wait_for_delivery()
    assert wait_until(lambda: newstore.on_hand("DC01", "SKU-1") == 10, "first import of the timer")
    assert deployed.run() == "success", systemd.journal(RUN)
    assert newstore.on_hand("DC01", "SKU-1") == 9
    assert systemd.show("newstore-stock-sync.timer", "NextElapseUSecMonotonic") != "infinity"

    systemd.run("systemctl", "kill", "--signal=KILL", RECEIVER)
    wait_until(lambda: systemd.show(RECEIVER, "NRestarts") == "1", "restart of the receiver")
    wait_until(deployed.receives, "answer of the receiver")

    deployed.configure(TARGET_NEWSTORE_STOCK_CLIENT_SECRET="not-the-secret")
    newstore.sell("DC01", "SKU-1")
    newstore.wait_for_delivery()
    assert deployed.run() == "exit-code"
    alert = wait_until(lambda: systemd.run("cat", f"{STATE}/alert").stdout, "alert")
    assert "newstore-stock-sync.service failed on" in alert
    assert "NSS-341" in alert
    assert "not-the-secret" not in alert

    systemd.run("systemctl", "stop", RECEIVER)
    assert systemd.show(RECEIVER, "Result") == "success", systemd.journal(RECEIVER)
