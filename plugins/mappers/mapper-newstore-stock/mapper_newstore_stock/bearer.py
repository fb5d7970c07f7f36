"""The access token of a session (newstore-api.md, section 1): renewed before it expires, and when it is refused."""

from __future__ import annotations

import math
import threading
import time
import typing as t

import msgspec

from mapper_newstore_stock.http_session import of_its_url

if t.TYPE_CHECKING:
    from collections.abc import Callable

    import requests

#: A token is renewed this long before it expires, but never before half its life has passed.
RENEW_AHEAD_SECONDS = 30


class Token(msgspec.Struct):
    """NewStore's answer to a sign-in; `expires_in` in seconds."""

    access_token: str
    expires_in: float | None = None


class Bearer:
    """Signs the requests of a session, from whichever threads they come.

    Args:
        get: Gets a token; what it raises is raised by the request that needs one.
        clock: Returns seconds that never go back.
    """

    def __init__(self, get: Callable[[], Token], clock: Callable[[], float] = time.monotonic) -> None:
        self._get = get
        self._clock = clock
        self._lock = threading.Lock()
        self._header = ""
        self._good_until = -math.inf

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return a request with a token that has not expired."""
        request.headers["Authorization"] = self.header()
        return of_its_url(request)

    def header(self) -> str:
        """Return the Authorization header, with a new token if need be."""
        with self._lock:
            if self._clock() >= self._good_until:
                token = self._get()
                seconds = token.expires_in if token.expires_in and token.expires_in > 0 else math.inf
                self._good_until = self._clock() + seconds - min(RENEW_AHEAD_SECONDS, seconds / 2)
                self._header = f"Bearer {token.access_token}"
            return self._header

    def drop(self, refused: requests.PreparedRequest) -> None:
        """Forget the token of a request that was refused, unless another caller has got a new one since."""
        with self._lock:
            if refused.headers.get("Authorization") == self._header:
                self._good_until = -math.inf
