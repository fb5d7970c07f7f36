"""tap | mapper | target as three processes joined by pipes, as Meltano joins them."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from tests.shop.erp import Erp
from tests.shop.newstore import NewStore
from tests.shop.process import command
from tests.shop.receiver import Receiver
from tests.shop.warm_start import starter

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.warm_start import Forks, Fresh

RUN_SECONDS = 120
TAP, MAPPER, TARGET = PARTS = ("tap-newstore-fulfillment", "mapper-newstore-stock", "target-newstore-stock")


@dataclasses.dataclass(frozen=True)
class Run:
    """The exit codes of tap, mapper and target, and everything they logged."""

    codes: tuple[int, ...]
    log: str


@dataclasses.dataclass(frozen=True)
class Machine:
    """Where the three run.

    Attributes:
        directory: For their configuration and log.
        forks: Starts them; None: they are forked if they can be.
    """

    directory: Path
    forks: Forks | Fresh | None = None


class Pipeline:
    """A whole shop: receiver, sandbox, ERP and the three plugins, each a process of its own.

    Attributes:
        state: The last STATE the target emitted; the next run starts from it.
        machine: Where the three run next.
        catalog: The tap's catalog; None: the tap selects by itself.
        settings: The settings of each part.

    Args:
        directory: Where everything is written.
        mapper: Settings of the mapper, besides ledger and on-hand.
        tap: Settings of tap and receiver.
        target: Settings of the target.
        delivers: Whether NewStore itself sends its events to the receiver.
        forks: Starts all processes; None: they are forked if they can be.
        options: Options of the sandbox.
    """

    def __init__(
        self,
        directory: Path,
        mapper: dict[str, t.Any] | None = None,
        tap: dict[str, t.Any] | None = None,
        target: dict[str, t.Any] | None = None,
        *,
        delivers: bool = True,
        forks: Forks | Fresh | None = None,
        **options: t.Any,
    ) -> None:
        self._directory = directory
        self._forks = forks
        self.machine = Machine(directory, forks)
        self._delivers = delivers
        self._receiver_settings = tap or {}
        self.receiver = Receiver(directory, forks=forks, **self._receiver_settings)
        webhook: dict[str, t.Any] = {"webhook_url": self.receiver.events_url} if delivers else {}
        self.newstore = NewStore(directory, forks=forks, import_seconds=0, **webhook, **options)
        self.erp = Erp(directory / "on_hand.csv")
        self.state: dict[str, t.Any] | None = None
        self.catalog: dict[str, t.Any] | None = None
        flat = {} if "on_hand_sources" in (mapper or {}) else self.erp.settings
        ledger = {"ledger_url": f"sqlite:///{directory / 'ledger.db'}", **flat}
        self.settings: dict[str, dict[str, t.Any]] = {
            TAP: {"landing_url": self.receiver.landing_url, "settle_seconds": 0, **(tap or {})},
            MAPPER: {**ledger, **(mapper or {})},
            TARGET: {**self.newstore.target_settings, **(target or {})},
        }

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.newstore.process.stop()
        self.receiver.process.stop()

    def stock(self, node: str, product: str, quantity: int) -> None:
        """Put units on the shelf and tell NewStore and the ERP."""
        self.newstore.set_stock(node, product, quantity)
        self.erp.count(node, product, quantity)

    def set_mapper(self, settings: dict[str, t.Any]) -> None:
        """Change settings of the mapper for the runs that follow."""
        self.settings[MAPPER] |= settings

    def run(self, parts: tuple[str, ...] = PARTS) -> Run:
        """Run the three, or these parts, once after all events are delivered, and keep the state."""
        if self._delivers:
            self.newstore.wait_for_delivery()
        processes = self.start(parts)
        output, _ = processes[-1].communicate(timeout=RUN_SECONDS)
        codes = tuple(process.wait(RUN_SECONDS) for process in processes)
        for state in self.read_states(output):
            self.state = state
        return Run(codes, self.log)

    @staticmethod
    def read_states(output: str) -> list[dict[str, t.Any]]:
        """Return the states a target has written, without a last line that is cut off."""
        return [json.loads(line) for line in output.splitlines(keepends=True) if line.endswith("\n")]

    def kill_receiver(self) -> None:
        """Kill the receiver and restart it on the same port."""
        port = int(self.receiver.url.rpartition(":")[2])
        self.receiver.process.kill()
        self.receiver = Receiver(self._directory, forks=self._forks, receiver_port=port, **self._receiver_settings)

    def start(self, parts: tuple[str, ...] = PARTS) -> list[t.Any]:
        """Start some parts, joined by pipes; the last one's stdout is a pipe too."""
        self._log().write_bytes(b"")
        processes: list[t.Any] = []
        stdin = None
        for name in parts:
            arguments = [command(name), *self._arguments(name)]
            with self._log().open("ab") as log:
                process = (self.machine.forks or starter(arguments)).start(arguments, stdin, log)
            if stdin:
                # Only the reader may hold the pipe, or the writer would not notice that the reader died.
                stdin.close()
            stdin = process.stdout
            processes.append(process)
        return processes

    def _arguments(self, name: str) -> list[str]:
        arguments = ["--config", self._write(name, self.settings[name])]
        if name == TAP and self.state is not None:
            arguments += ["--state", self._write("state", self.state)]
        if name == TAP and self.catalog is not None:
            arguments += ["--catalog", self._write("catalog", self.catalog)]
        return arguments

    def _write(self, name: str, content: dict[str, t.Any]) -> str:
        path = self.machine.directory / f"{name}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)

    @property
    def log(self) -> str:
        """What the last run has logged so far."""
        return self._log().read_text(encoding="utf-8", errors="replace")

    def _log(self) -> Path:
        return self.machine.directory / "run.log"
