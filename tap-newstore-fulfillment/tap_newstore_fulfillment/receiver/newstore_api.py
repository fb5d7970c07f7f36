"""The few calls this package makes to NewStore's API (newstore-api.md, section 1).

Somebody is waiting at the terminal: transient errors are retried for a few seconds, any other
error is reported at once, in NewStore's own words.
"""

from __future__ import annotations

import logging
import time
import typing as t

import msgspec
import requests

from tap_newstore_fulfillment.errors import ConfigurationError, NewStoreCallError, NewStoreError
from tap_newstore_fulfillment.masking import masked
from tap_newstore_fulfillment.receiver import answers
from tap_newstore_fulfillment.receiver.http_session import (
    TOKEN,
    HttpSession,
    RedirectError,
    in_one_line,
    read_json,
    retry_after,
)
from tap_newstore_fulfillment.receiver.shown import secrets_in, secrets_of, without

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Body = dict[str, t.Any]

logger = logging.getLogger("newstore-event-receiver")

CALL_SECONDS = 30
#: Seconds before each retry, unless NewStore sends Retry-After.
PAUSES = (0.5, 1.0, 2.0)
LONGEST_PAUSE = 60.0
#: A token is renewed after this share of its life, and soon if NewStore does not say how long it lives.
USED_SHARE = 0.8
SHORTEST_TOKEN_SECONDS, LONGEST_TOKEN_SECONDS = 60, 10**9
#: What to do when nobody answers.
REACH = "Correct api_url or auth_url, or see why it cannot be reached from here"
REQUIRED_SETTINGS = ("tenant", "client_id", "client_secret")
#: Bytes of an error without such fields that are read.
LONGEST_ERROR = 2**16
#: Fields of an error body that are shown.
ERROR_FIELDS = ("error_code", "message", "request_id", "type", "title", "detail", "error_description", "error")


class NewStoreApi:
    """A client of NewStore's API. It renews its token ahead of the end.

    Args:
        settings: `tenant`, `client_id`, `client_secret`, and `api_url`, `auth_url` where they differ from the tenant's.
        sleep: Waits the given number of seconds.
        clock: Returns seconds that never go back.

    Raises:
        ConfigurationError: settings are missing; the text names them.
    """

    def __init__(
        self,
        settings: Mapping[str, t.Any],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if missing := [name for name in REQUIRED_SETTINGS if not settings.get(name)]:
            variables = ", ".join(f"TAP_NEWSTORE_FULFILLMENT_{name.upper()}" for name in missing)
            raise ConfigurationError(f"{', '.join(missing)}: required to call NewStore", f"Set {variables}")
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
        self._secrets = secrets_of(settings)
        self._sleep = sleep
        self._clock = clock
        self._token: str | None = None
        self._renew_at = 0.0

    def get(self, path: str, shape: t.Any = Body) -> t.Any:
        """GET; retried on transient errors.

        Args:
            path: Of the call.
            shape: What it is answered with (`answers`).

        Raises:
            NewStoreError: what came is none of that, or nothing did.
        """
        answer = self._call("GET", path, None, is_repeatable=True)
        try:
            body = read_json(answer)
            answers.check(body, shape)
        except msgspec.ValidationError as error:
            raise _not_as_expected(path, answer, str(error)) from error
        except ValueError as error:
            raise _not_as_expected(path, answer, "no JSON") from error
        return body

    def post(self, path: str) -> t.Any:
        """POST a call that is safe to repeat; retried on transient errors."""
        return _json(self._call("POST", path, None, is_repeatable=True))

    def patch(self, path: str, body: Mapping[str, t.Any]) -> t.Any:
        """PATCH; retried on transient errors, because the same change twice is one."""
        return _json(self._call("PATCH", path, body, is_repeatable=True))

    def delete(self, path: str) -> t.Any:
        """DELETE; retried on transient errors."""
        return _json(self._call("DELETE", path, None, is_repeatable=True))

    def create(self, path: str, body: Mapping[str, t.Any] | None) -> t.Any:
        """POST what must not happen twice; retried only when NewStore certainly did not do it."""
        return _json(self._call("POST", path, body, is_repeatable=False))

    def _call(self, method: str, path: str, body: object, *, is_repeatable: bool) -> requests.Response:
        answer = self._call_once(method, path, body)
        for pause in PAUSES:
            is_transient = answer.status_code == 429 or (is_repeatable and answer.status_code >= 500)
            if not is_transient:
                break
            seconds = min(retry_after(answer) or pause, LONGEST_PAUSE)
            logger.warning("NewStore answered %d; trying again in %.1f s", answer.status_code, seconds)
            self._sleep(seconds)
            answer = self._call_once(method, path, body)
        if not answer.ok:
            text = f"{method} {path}: NewStore answered {answer.status_code}: {self._message(answer, body)}"
            raise NewStoreCallError(text, answer.status_code, _to_do(answer.status_code))
        return answer

    def _call_once(self, method: str, path: str, body: object) -> requests.Response:
        return self._send(method, self._api_url + path, json=body, headers={"Authorization": self._bearer()})

    def _bearer(self) -> str:
        if self._token is None or self._clock() >= self._renew_at:
            answer = self._send("POST", self._auth_url, data=self._form)
            given = _json(answer) if answer.ok else {}
            token, seconds = given.get("access_token"), given.get("expires_in")
            if not (isinstance(token, str) and TOKEN.fullmatch(token)):
                raise NewStoreError(
                    f"NewStore gives no token for this client_id and client_secret ({masked(self._auth_url)}, status "
                    f"{answer.status_code}): {'what came is none' if answer.ok else self._message(answer)}",
                    "Correct tenant, client_id, client_secret or auth_url",
                )
            self._token = token
            if not (isinstance(seconds, int | float) and 0 < seconds < LONGEST_TOKEN_SECONDS):
                seconds = SHORTEST_TOKEN_SECONDS
            self._renew_at = self._clock() + seconds * USED_SHARE
        return f"Bearer {self._token}"

    def _send(self, method: str, url: str, **kwargs: t.Any) -> requests.Response:
        try:
            with HttpSession() as session:
                return session.request(method, url, timeout=CALL_SECONDS, **kwargs)
        except RedirectError as error:
            text = without(str(error), self._secrets)
            raise NewStoreCallError(f"{method} {masked(url)} {text}", error.status) from error
        except requests.RequestException as error:
            raise NewStoreError(f"{method} {masked(url)}: no answer: {type(error).__name__}", REACH) from error

    def _message(self, answer: requests.Response, told: object = None) -> str:
        """Return NewStore's own words: `{error_code, message, request_id}`, problem+json or OAuth's.

        Args:
            answer: Of NewStore.
            told: The body it answers: what of it is secret is not repeated.
        """
        body = _json(answer)
        if answer.status_code == 403 and not body:
            return "this IP address has made too many calls; wait 5 minutes"
        fields = ", ".join(f"{name}: {body[name]}" for name in ERROR_FIELDS if body.get(name))
        secrets = [*self._secrets, *secrets_in(told), *([self._token] if self._token else [])]
        text = fields or answer.content[:LONGEST_ERROR].decode(errors="replace")
        return in_one_line(without(text, secrets)) or "no message"


def _to_do(status: int) -> str:
    """Return what to do when NewStore refuses a call; its own words say what it is about."""
    if status in {401, 403}:
        return "Let the API client (client_id) use this API"
    if status == 404:
        return "Correct api_url or tenant, or what this call names"
    if status == 429 or status >= 500:
        return "Run again in some minutes; if it stays, ask NewStore"
    return "Correct what NewStore's words name, or ask NewStore"


def _not_as_expected(path: str, answer: requests.Response, why: str) -> NewStoreError:
    text = f"GET {path}: NewStore answered {answer.status_code}, but not as expected: {why}"
    return NewStoreError(text, "Correct api_url, or ask NewStore what it answers")


def _json(answer: requests.Response) -> dict[str, t.Any]:
    """Return the JSON object of an answer; empty if it has none."""
    try:
        body = read_json(answer)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
