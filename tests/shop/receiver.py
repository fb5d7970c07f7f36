"""The event receiver as a process."""

from __future__ import annotations

import json
import typing as t

import requests

from tests.shop.process import Process, command

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.warm_start import Forks, Fresh

CALL_SECONDS = 30


class Receiver:
    """`newstore-event-receiver` on a free port.

    Args:
        directory: Where its configuration and log are written, and its landing store if on SQLite.
        api_key: The key it requires; None accepts everybody.
        forks: Starts the process; None: it is forked if it can be.
        more: More settings of the tap, such as another `landing_url`.
    """

    def __init__(
        self, directory: Path, api_key: str | None = None, *, forks: Forks | Fresh | None = None, **more: t.Any
    ) -> None:
        self._key = api_key
        settings: dict[str, t.Any] = {
            "landing_url": f"sqlite:///{directory / 'landing.db'}",
            "receiver_port": 0,
            "receiver_open": api_key is None,
            **more,
        }
        self.landing_url = settings["landing_url"]
        if api_key:
            settings["receiver_api_key"] = api_key
        config = directory / "receiver.json"
        config.write_text(json.dumps(settings), encoding="utf-8")
        log = directory / "receiver.log"
        log.unlink(missing_ok=True)
        self.process = Process([command("newstore-event-receiver"), "--config", str(config)], log, forks=forks)
        self.url = self.process.wait_for(r"listening on (http://[\w.:\[\]]+)")[1]

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.stop()

    @property
    def events_url(self) -> str:
        return f"{self.url}/events"

    def post(self, body: object, path: str = "/events", key: str | None = None) -> requests.Response:
        """Post a body: bytes as they are, anything else as JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        key = key or self._key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return requests.post(self.url + path, data=raw, headers=headers, timeout=CALL_SECONDS)
