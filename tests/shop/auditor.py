"""A receiver registered with NewStore, its landing store, and the audits of it."""

from __future__ import annotations

import json
import typing as t

import sqlalchemy as sa
from tap_newstore_fulfillment.landing.connections import create_engine

from tests.shop.plugin import RUN_SECONDS, Finished, run_plugin
from tests.shop.process import Process, command
from tests.shop.receiver import Receiver

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.newstore import NewStore
    from tests.shop.warm_start import Forks

KEY = "a-key-only-newstore-knows"
AT_ONCE = "--quiet-seconds=0"


class Auditor:
    """A receiver and its audits. Use it in a `with` block.

    Args:
        directory: For configuration and logs.
        newstore: What delivers.
        landing_url: The landing store.
        forks: Forks all processes; None starts fresh ones.
        settings: More settings of receiver and audits.
    """

    def __init__(
        self, directory: Path, newstore: NewStore, landing_url: str, forks: Forks | None = None, **settings: t.Any
    ) -> None:
        self.directory = directory
        self._forks = forks
        self.newstore = newstore
        self.settings: dict[str, t.Any] = {
            "landing_url": landing_url,
            "receiver_api_key": KEY,
            "settle_seconds": 0,
            "audit_on_loss": False,
            **newstore.client_settings,
            **settings,
        }
        own = {name: value for name, value in self.settings.items() if name != "receiver_api_key"}
        self.receiver = Receiver(directory, api_key=KEY, forks=forks, **own)
        self._engine = create_engine(landing_url)
        self._state: dict[str, t.Any] | None = None

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the receiver."""
        self._engine.dispose()
        self.receiver.process.stop()

    def register(self, url: str | None = None) -> None:
        """Have NewStore deliver to the receiver, or to what stands in front of it."""
        done = self.call("register", "--callback-url", url or self.receiver.events_url)
        assert done.code == 0, done.log

    def sell(self, times: int) -> list[int]:
        """Sell so often, let NewStore deliver, and return the logical timestamps: two for each sale."""
        completed = [self.newstore.sell("DC01", "A") for _ in range(times)]
        self.newstore.wait_for_delivery()
        return [at for number in completed for at in (number - 1, number)]

    def call(self, *arguments: str) -> Finished:
        """Call a command of the receiver."""
        done = self._run("newstore-event-receiver", self.settings, *arguments)
        assert "Traceback" not in done.log
        assert KEY not in done.log + done.output
        return done

    def audit(self, *arguments: str, code: int) -> dict[str, t.Any]:
        """Make an audit that ends with this code, and return its report."""
        done = self.call("audit", AT_ONCE, "--format=json", *arguments)
        assert done.code == code, (done.code, done.output, done.log)
        return t.cast("dict[str, t.Any]", json.loads(done.output))

    def start_audit(self, *arguments: str, name: str = "audit") -> Process:
        """Start an audit that runs beside the test."""
        config = self._write(name, self.settings)
        words = [command("newstore-event-receiver"), "audit", "--config", config, "--format=json", *arguments]
        return Process(words, self.directory / f"{name}.log", forks=self._forks)

    def release(self) -> list[int]:
        """Run the tap on from its last state, and return the logical timestamps it releases, in this order."""
        arguments: tuple[str, ...] = ()
        if self._state:
            arguments = ("--state", self._write("state", self._state))
        settings = {name: self.settings[name] for name in ("landing_url", "settle_seconds")}
        done = self._run("tap-newstore-fulfillment", settings, *arguments)
        assert done.code == 0, done.log
        self._state = done.states[-1]
        return [record["logical_timestamp"] for record in done.records]

    def execute(self, statement: str) -> list[t.Any]:
        """Run SQL on the landing store and return its rows."""
        with self._engine.begin() as connection:
            result = connection.execute(sa.text(statement))
            return list(result) if result.returns_rows else []

    def lose(self, *timestamps: int) -> None:
        """Let events be gone from the landing store."""
        self.execute(f"DELETE FROM fulfillment_event WHERE logical_timestamp IN ({', '.join(map(str, timestamps))})")

    def kept(self) -> list[int]:
        """Return the logical timestamps in the landing store."""
        query = "SELECT logical_timestamp FROM fulfillment_event ORDER BY logical_timestamp"
        return [row[0] for row in self.execute(query)]

    def integrations(self) -> list[str]:
        """Return the ids of NewStore's integrations."""
        answer = self.newstore.call("GET", "/api/v1/org/integrations/eventstream").json()
        return [row["id"] for row in answer["integrations"]]

    def _run(self, name: str, settings: dict[str, t.Any], *arguments: str) -> Finished:
        if self._forks is None:
            return run_plugin(name, self.directory, settings, *arguments)
        log = self.directory / "call.log"
        with log.open("wb") as file:
            words = [command(name), "--config", self._write(name, settings), *arguments]
            process = self._forks.start(words, None, file)
        output, _ = process.communicate(RUN_SECONDS)
        return Finished(process.wait(RUN_SECONDS), output, log.read_text(encoding="utf-8"))

    def _write(self, name: str, content: dict[str, t.Any]) -> str:
        path = self.directory / f"{name}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)
