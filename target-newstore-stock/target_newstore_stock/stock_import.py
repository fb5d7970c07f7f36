"""One stock file: mapped, staged, and imported by a job of its own."""

from __future__ import annotations

import datetime as dt
import logging
import time
import typing as t
import uuid

from target_newstore_stock.auth import NewStoreAuthenticator
from target_newstore_stock.client import NewStoreClient
from target_newstore_stock.import_jobs import NAME_PREFIX, ImportJobs
from target_newstore_stock.locations import Location, read_locations, store_ids
from target_newstore_stock.staging import Staging
from target_newstore_stock.stock_file import make_head

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_newstore_stock.records import CutHead
    from target_newstore_stock.stock_file import StockFile

logger = logging.getLogger("target-newstore-stock.stock_import")


class StockImport:
    """Imports stock files strictly one after the other (design rule 9).

    Args:
        config: The target's settings.
        sleep: Waits the given seconds.
        clock: Gives seconds that never go back.
    """

    def __init__(
        self,
        config: Mapping[str, t.Any],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._sleep = sleep
        self._clock = clock
        self._client = NewStoreClient(_api_url(config), _authenticator(config))
        self._jobs = ImportJobs(
            self._client,
            provider=config["provider"],
            poll_seconds=float(config["poll_seconds"]),
            timeout_seconds=float(config["import_timeout_seconds"]),
        )
        self._staging = Staging(config["staging_url"], config["staging_link"])
        self._locations: dict[str, Location] | None = None
        self._last_start: float | None = None

    def run(self, cut: CutHead, file: StockFile) -> None:
        """Import a file; when this returns, NewStore has it.

        Raises:
            TargetError: it does not.
        """
        begun = self._clock()
        name, head = _name_of(cut), self._head(cut, file)
        if self._last_start is None:
            self._jobs.clear_the_way()
        link = self._staging.write(f"{name.replace(' ', '-')}.zip", lambda target: file.write_zip(target, head))
        self._keep_distance()
        self._last_start = self._clock()
        import_id = self._jobs.run(NAME_PREFIX + name, link, revision=time.time_ns() // 1_000_000)
        logger.info("Imported %s: %d items, job %s, %.1f s", _said(cut), file.items, import_id, self._clock() - begun)

    def _head(self, cut: CutHead, file: StockFile) -> dict[str, t.Any]:
        if self._locations is None:
            self._locations = read_locations(self._client)
        mapping = store_ids(file.nodes, self._config.get("store_mapping") or {}, self._locations)
        mode = self._config["mode"]
        return make_head(mapping, cut.range, None if mode == "none" else mode)

    def _keep_distance(self) -> None:
        """Wait as long as NewStore asks for between two files of one run."""
        if self._last_start is None:
            return
        wait = self._last_start + float(self._config["import_interval_seconds"]) - self._clock()
        if wait > 0:
            logger.info("Waiting %.0f s before the next import (import_interval_seconds)", wait)
            self._sleep(wait)


def _api_url(config: Mapping[str, t.Any]) -> str:
    return str(config.get("api_url") or f"https://{config['tenant']}.p.newstore.net")


def _authenticator(config: Mapping[str, t.Any]) -> NewStoreAuthenticator:
    realm = f"https://id.p.newstore.net/auth/realms/{config['tenant']}"
    return NewStoreAuthenticator(
        client_id=config["client_id"],
        client_secret=config["client_secret"],
        auth_endpoint=config.get("auth_url") or f"{realm}/protocol/openid-connect/token",
    )


def _name_of(cut: CutHead) -> str:
    """Give a name that sorts by time, says cut and range, and is used once."""
    now = f"{dt.datetime.now(tz=dt.UTC):%Y%m%dT%H%M%SZ}"
    return f"{now} {_said(cut)} {uuid.uuid4().hex[:12]}"


def _said(cut: CutHead) -> str:
    text = "plain" if cut.cut_id is None else f"cut {cut.cut_id}"
    return f"{text} range {cut.range[0]}-{cut.range[1]}" if cut.range else f"{text} no range"
