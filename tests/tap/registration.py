"""Who calls `newstore-event-receiver`'s commands, and never sees a secret in what they say."""

from __future__ import annotations

import typing as t

from tests.shop.newstore import CLIENT_SECRET
from tests.shop.plugin import run_plugin

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.newstore import NewStore
    from tests.shop.plugin import Finished

KEY = "a-key-only-newstore-knows"


class Operator:
    """Calls `newstore-event-receiver` with a subcommand."""

    def __init__(self, directory: Path, newstore: NewStore, **settings: object) -> None:
        self._directory = directory
        self.settings = {**newstore.client_settings, "receiver_api_key": KEY, **settings}

    def call(self, *arguments: str, **variables: str) -> Finished:
        done = run_plugin("newstore-event-receiver", self._directory, self.settings, *arguments, **variables)
        assert "Traceback" not in done.log
        for secret in (CLIENT_SECRET, KEY, "s3-secret"):
            assert secret not in done.log + done.output
        return done

    def succeed(self, *arguments: str, **variables: str) -> str:
        done = self.call(*arguments, **variables)
        assert done.code == 0, done.log
        return done.output
