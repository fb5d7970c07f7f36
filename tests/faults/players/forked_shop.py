"""The pipeline for many short runs: each plugin is forked from a process that has imported it already.

Tap, mapper and target run one after the other, each on the whole output of the one before, as if
a pipe had held it all. What one has written is what the next one reads, however it ended.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import typing as t

from mapper_newstore_stock.mapper import MapperNewStoreStock
from tap_newstore_fulfillment.tap import TapNewStoreFulfillment
from target_newstore_stock.target import TargetNewStoreStock

from tests.faults.breaking.writes import Writes
from tests.shop.erp import Erp
from tests.shop.newstore import NewStore
from tests.shop.process import command, environment
from tests.shop.receiver import Receiver

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TAP, MAPPER, TARGET = "tap-newstore-fulfillment", "mapper-newstore-stock", "target-newstore-stock"
PLUGINS: dict[str, t.Any] = {TAP: TapNewStoreFulfillment, MAPPER: MapperNewStoreStock, TARGET: TargetNewStoreStock}
RUN_SECONDS = 120
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])


@dataclasses.dataclass(frozen=True)
class Run:
    """The exit codes of tap, mapper and target (negative: a signal), and everything they logged."""

    codes: tuple[int, ...]
    log: str


class ForkedShop:
    """Sandbox and receiver as processes, an ERP, and the three plugins.

    Attributes:
        state: The last STATE the target emitted; the next run starts from it.
        settings: Settings by plugin; they may be changed between runs.

    Args:
        directory: Where everything is written.
        url: SQLAlchemy URL of the database for landing store and ledger.
        options: Options of the sandbox.
    """

    def __init__(self, directory: Path, url: str, **options: t.Any) -> None:
        self.directory = directory
        self.url = url
        self.state: dict[str, t.Any] | None = None
        self.erp = Erp(directory / "on_hand.csv")
        with contextlib.ExitStack() as stack:
            self.receiver = Receiver(directory, landing_url=url)
            stack.callback(self.receiver.process.stop)
            webhook = {"webhook_url": self.receiver.events_url}
            self.newstore = NewStore(directory, import_seconds=0, **{**webhook, **options})
            stack.callback(self.newstore.process.stop)
            self._stack = stack.pop_all()
        self.newstore.add_location("DC01")
        self.settings: dict[str, dict[str, t.Any]] = {
            TAP: {"landing_url": url, "settle_seconds": 0},
            MAPPER: {"ledger_url": url, "on_hand_url": str(self.erp.path)},
            TARGET: {**self.newstore.target_settings, "poll_seconds": 0.01},
        }

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def stock(self, product: str, quantity: int) -> None:
        """Put units on DC01's shelf and tell NewStore and the ERP."""
        self.newstore.set_stock("DC01", product, quantity)
        self.erp.count("DC01", product, quantity)

    def sell(self, *products: str) -> int:
        """Sell one unit of each; return the completion's logical timestamp once the receiver has it."""
        at = self.newstore.sell("DC01", *products)
        self.newstore.wait_for_delivery()
        return at

    def run(self, killed: str = "", at_write: int = 0) -> Run:
        """Run the three once and keep the state; kill one of them at one of its writes, if asked to."""
        log = self.directory / "run.log"
        log.write_bytes(b"")
        codes = tuple(self.run_part(name, at_write if name == killed else 0) for name in PLUGINS)
        for line in _whole_lines(self.directory / f"{TARGET}.out"):
            self.state = json.loads(line)
        return Run(codes, log.read_text(encoding="utf-8"))

    @contextlib.contextmanager
    def run_that_hangs(
        self, variables: dict[str, str] | None = None, **target: t.Any
    ) -> Iterator[subprocess.Popen[str]]:
        """Run tap and mapper, and start the target on their output, with extra variables and settings."""
        for name in (TAP, MAPPER):
            assert self.run_part(name) == 0
        messages, config = self.directory / "messages.jsonl", self.directory / "hanging.json"
        shutil.copy(self.directory / f"{MAPPER}.out", messages)
        config.write_text(json.dumps({**self.settings[TARGET], **target}), encoding="utf-8")
        arguments = [command(TARGET), "--config", str(config), "--input", str(messages)]
        with subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(**(variables or {}))
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def assert_never_oversold(self) -> None:
        truth = self.newstore.truth()
        assert (truth["oversold"], truth["ever_oversold"]) == ([], False)

    def assert_in_sync(self) -> None:
        """Check that NewStore never promised too much, promises exactly what is free, and has no open job."""
        self.assert_never_oversold()
        assert [row for row in self.newstore.truth()["keys"] if row["atp"] != row["free"]] == []
        assert self.newstore.open_jobs() == []

    def run_part(self, name: str, at_write: int = 0) -> int:
        """Run one of the three on the last output of the one before and return its exit code."""
        config = self.directory / f"{name}.json"
        config.write_text(json.dumps(self.settings[name]), encoding="utf-8")
        arguments = ["--config", str(config)]
        if name == TAP and self.state is not None:
            state = self.directory / "state.json"
            state.write_text(json.dumps(self.state), encoding="utf-8")
            arguments += ["--state", str(state)]
        names = list(PLUGINS)
        source = "/dev/null" if name == TAP else str(self.directory / f"{names[names.index(name) - 1]}.out")
        streams = (source, str(self.directory / f"{name}.out"), str(self.directory / "run.log"))
        process = _processes.Process(target=_run, args=(name, arguments, streams, at_write, str(self.directory)))
        process.start()
        process.join(RUN_SECONDS)
        code = process.exitcode
        assert code is not None, f"{name} did not end within {RUN_SECONDS} s"
        process.close()
        return code


def _run(name: str, arguments: list[str], streams: tuple[str, str, str], at_write: int, directory: str) -> None:
    """Run a plugin in this process, on files as its standard streams."""
    source, output, log = streams
    for number, (path, flags) in enumerate(
        [
            (source, os.O_RDONLY),
            (output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            (log, os.O_WRONLY | os.O_CREAT | os.O_APPEND),
        ]
    ):
        os.dup2(os.open(path, flags, 0o600), number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - open as long as the process
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    if name != TAP:
        # The reader captured standard input when it was imported.
        PLUGINS[name].message_reader_class.default_input = sys.stdin.buffer
    if at_write:
        Writes(at_write, directory).watch()
    PLUGINS[name].cli(arguments, prog_name=name)


def _whole_lines(path: Path) -> list[str]:
    """Return the complete lines; a reader of a pipe ignores an incomplete one."""
    *lines, _rest = path.read_text(encoding="utf-8").split("\n")
    return lines
