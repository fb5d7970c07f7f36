"""Asks NewStore what a key's units are promised to (newstore-api.md, section 6)."""

from __future__ import annotations

import concurrent.futures
import threading
import time
import typing as t

import msgspec

from mapper_newstore_stock.availabilities import MOST_UNITS, Availabilities, call
from mapper_newstore_stock.comparison.causes import Insights
from mapper_newstore_stock.errors import ServerError
from mapper_newstore_stock.masking import masked

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import requests

    Key = tuple[str, str]

#: NewStore answers 90 a second. Calls that were delayed on their way may come closer together than they were made.
MOST_A_SECOND = 80
#: Calls at once: so many that a distant NewStore is asked as often as it may be.
AT_ONCE = 8


class InsightLists(msgspec.Struct):
    """NewStore's answer; what an entry holds is not documented but for one being one promise."""

    allocations: list[t.Any] | msgspec.UnsetType = msgspec.UNSET
    reservations: list[t.Any] | msgspec.UnsetType = msgspec.UNSET
    future_allocations: list[t.Any] | msgspec.UnsetType = msgspec.UNSET


class _Entry(msgspec.Struct):
    quantity: t.Annotated[int, msgspec.Meta(ge=1, le=MOST_UNITS)] = 1


class NewStoreNumbers:
    """What NewStore says of keys.

    Attributes:
        insights: Asks what it lists as promised.

    Args:
        session: Carries the authorization.
        api_url: Base URL of the API.
        pace: Keeps calls for insights apart.
    """

    def __init__(self, session: requests.Session, api_url: str, pace: Pace | None = None) -> None:
        self.atp = Availabilities(session, api_url).of
        self.insights = InsightReader(session, api_url, pace or Pace())


class Pace:
    """Lets callers on, each a little after the one before, whichever thread they come from.

    Args:
        a_second: How many a second.
        clock: Returns seconds that never go back.
        sleep: Waits this many seconds.
    """

    def __init__(
        self,
        a_second: float = MOST_A_SECOND,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pause = 1 / a_second
        self._clock = clock
        self._sleep = sleep
        self._next = clock()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait for one's turn. Time in which nobody came is not made up for."""
        with self._lock:
            mine = max(self._next, self._clock())
            self._next = mine + self._pause
        if (seconds := mine - self._clock()) > 0:
            self._sleep(seconds)


class InsightReader:
    """Asks for the stock insights of keys.

    Args:
        session: Carries the authorization.
        api_url: Base URL of the API.
        pace: Keeps calls apart.
    """

    def __init__(self, session: requests.Session, api_url: str, pace: Pace) -> None:
        self._session = session
        self._url = f"{api_url.rstrip('/')}/v0/stock/insights"
        self._pace = pace

    def __call__(self, keys: Iterable[Key]) -> dict[Key, Insights]:
        """Return what NewStore lists for each key.

        Raises:
            LedgerError: NewStore does not answer.
        """
        asked = list(keys)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as threads:
            calls = [threads.submit(self._ask, key) for key in asked]
            try:
                return dict(zip(asked, (each.result() for each in calls), strict=True))
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                raise

    def _ask(self, key: Key) -> Insights:
        query = {"product_id": key[1], "fulfillment_node_id": key[0]}
        lists = call(self._session, self._url, InsightLists, method="GET", take_turn=self._pace.wait, params=query)
        if lists == InsightLists():
            said = "with neither allocations nor reservations: no stock insights"
            raise ServerError(f"GET {masked(self._url)} answered 200 {said}. Check the URL")
        return Insights(*(_units(entries or []) for entries in msgspec.structs.astuple(lists)))


def _units(entries: list[t.Any]) -> int:
    """Return how many units a list stands for: one an entry, unless the entry says otherwise."""
    return sum(_quantity(entry) for entry in entries)


def _quantity(entry: t.Any) -> int:
    try:
        return msgspec.convert(entry, _Entry, strict=False).quantity
    except msgspec.ValidationError:
        return 1
