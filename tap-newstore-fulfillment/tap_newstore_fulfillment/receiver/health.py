"""Whether the landing store answers, found out beside everything else and said within a second."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import typing as t

from tap_newstore_fulfillment.errors import StoreUnavailableError

if t.TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("newstore-event-receiver")

ANSWER_SECONDS = 1.0


class Health:
    """Looks at the store in a thread of its own: requests that wait for it have taken all others.

    Args:
        check: Returns if the store answers, else raises StoreUnavailableError.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._look: asyncio.Future[str] | None = None
        self._was_good = True

    async def is_good(self) -> bool:
        """Return whether the store answers. Why not is for the log, once: anybody may ask for the health."""
        if self._look is None or self._look.done():
            self._look = asyncio.get_running_loop().create_future()
            threading.Thread(target=self._run, args=(self._look,), name="health", daemon=True).start()
        try:
            reason = await asyncio.wait_for(asyncio.shield(self._look), ANSWER_SECONDS)
        except TimeoutError:
            reason = f"the landing store has not answered for {ANSWER_SECONDS:g} s"
        if reason and self._was_good:
            logger.error("Not healthy: %s", reason)
        elif not (reason or self._was_good):
            logger.info("Healthy again")
        self._was_good = not reason
        return self._was_good

    def _run(self, look: asyncio.Future[str]) -> None:
        reason = ""
        try:
            self._check()
        except StoreUnavailableError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the store is not to be relied on
            reason = f"an error nobody foresaw: {type(error).__name__}"
        with contextlib.suppress(RuntimeError):  # the receiver has ended
            look.get_loop().call_soon_threadsafe(look.set_result, reason)
