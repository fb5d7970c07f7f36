"""The few calls this package makes to NewStore's API (newstore-api.md, section 1).

A person waits for the answer: passing faults are tried again for a short while, everything
else is said at once in NewStore's own words.
"""

from __future__ import annotations

import logging
import time
import typing as t

import requests

from tap_newstore_fulfillment.errors import ConfigurationError, TapError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logger = logging.getLogger("newstore-event-receiver")

CALL_SECONDS = 30
TRIES = 4
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 60.0
NEEDED = ("tenant", "client_id", "client_secret")
SAID = ("error_code", "message", "request_id", "type", "title", "detail", "error_description", "error")


class NewStoreApi:
    """Calls NewStore as one API client, with one token: a command is over before it expires.

    Args:
        settings: `tenant`, `client_id`, `client_secret`, and `api_url`, `auth_url` where they differ from the tenant's.
        sleep: Waits the given seconds.

    Raises:
        ConfigurationError: a setting is missing; names all that are.
    """

    def __init__(self, settings: Mapping[str, t.Any], sleep: Callable[[float], None] = time.sleep) -> None:
        if missing := [name for name in NEEDED if not settings.get(name)]:
            raise ConfigurationError(f"{', '.join(missing)}: required to call NewStore")
        tenant = settings["tenant"]
        self._api_url = (settings.get("api_url") or f"https://{tenant}.p.newstore.net").rstrip("/")
        self._auth_url = settings.get("auth_url") or (
            f"https://id.p.newstore.net/auth/realms/{tenant}/protocol/openid-connect/token"
        )
        self._form = {
            "grant_type": "client_credentials",
            "client_id": settings["client_id"],
            "client_secret": settings["client_secret"],
        }
        self._sleep = sleep
        self._token: str | None = None

    def get(self, path: str) -> t.Any:
        """Read; tried again on passing faults."""
        return self._call("GET", path, None, is_repeatable=True)

    def post(self, path: str) -> t.Any:
        """Do something that may be done twice."""
        return self._call("POST", path, None, is_repeatable=True)

    def create(self, path: str, body: Mapping[str, t.Any]) -> t.Any:
        """Make something; tried again only when it certainly was not made."""
        return self._call("POST", path, body, is_repeatable=False)

    def _call(self, method: str, path: str, body: object, *, is_repeatable: bool) -> t.Any:
        wait = FIRST_WAIT_SECONDS
        for tries_left in range(TRIES - 1, -1, -1):
            answer = self._send(method, self._api_url + path, json=body, headers={"Authorization": self._bearer()})
            may_pass = answer.status_code == 429 or (is_repeatable and answer.status_code >= 500)
            if not may_pass or not tries_left:
                break
            pause = _seconds(answer.headers.get("Retry-After")) or wait
            logger.warning("NewStore answered %d; trying again in %.1f s", answer.status_code, pause)
            self._sleep(pause)
            wait *= 2
        if not answer.ok:
            raise TapError(f"{method} {path}: NewStore answered {answer.status_code}: {_message(answer)}")
        return _json(answer)

    def _bearer(self) -> str:
        if self._token is None:
            answer = self._send("POST", self._auth_url, data=self._form)
            token = _json(answer).get("access_token") if answer.ok else None
            if not token:
                raise TapError(
                    f"NewStore gives no token for this client_id and client_secret ({self._auth_url}, status "
                    f"{answer.status_code}): {_message(answer)}"
                )
            self._token = str(token)
        return f"Bearer {self._token}"

    def _send(self, method: str, url: str, **kwargs: t.Any) -> requests.Response:
        try:
            return requests.request(method, url, timeout=CALL_SECONDS, allow_redirects=False, **kwargs)
        except requests.RequestException as error:
            raise TapError(f"{method} {url}: no answer: {type(error).__name__}") from error


def _json(answer: requests.Response) -> dict[str, t.Any]:
    """Give a JSON object; an answer without one says nothing."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _message(answer: requests.Response) -> str:
    """Give NewStore's own words: `{error_code, message, request_id}`, problem+json or OAuth's."""
    body = _json(answer)
    if answer.status_code == 403 and not body:
        return "this IP address has made too many calls; wait 5 minutes"
    said = ", ".join(f"{name}: {body[name]}" for name in SAID if body.get(name))
    return " ".join((said or answer.text[:200] or "no message").split())


def _seconds(header: str | None) -> float | None:
    return min(float(header), LONGEST_WAIT_SECONDS) if header and header.isdigit() else None
