"""The few calls this package makes to NewStore's API (newstore-api.md, section 1).

Somebody is waiting at the terminal: what passes is waited out for a minute or so, or as long as the caller can wait
(`patient_for`); any other error is reported at once, in NewStore's own words.
"""

from __future__ import annotations

import contextlib
import logging
import time
import typing as t

import msgspec
import requests

from tap_newstore_fulfillment.errors import ConfigurationError, NewStoreCallError, NewStoreError
from tap_newstore_fulfillment.masking import masked
from tap_newstore_fulfillment.receiver import answers, passing_faults
from tap_newstore_fulfillment.receiver.http_session import (
    TOKEN,
    HttpSession,
    RedirectError,
    in_one_line,
    read_json,
)
from tap_newstore_fulfillment.receiver.shown import secrets_in, secrets_of, without

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Body = dict[str, t.Any]

logger = logging.getLogger("newstore-event-receiver")

CALL_SECONDS = 30
#: Seconds before each retry, unless NewStore asks for more.
PAUSES = (0.5, 1.0, 2.0)
#: How long a call whose caller has set no time may take before its last retry.
PATIENCE_SECONDS = 90.0
#: A token is renewed after this share of its life, and soon if NewStore does not say how long it lives.
USED_SHARE = 0.8
SHORTEST_TOKEN_SECONDS, LONGEST_TOKEN_SECONDS = 60, 10**9
#: What to do when nobody answers.
REACH = "Correct api_url or auth_url, or see why it cannot be reached from here"
NOT_FOUND = 404
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
        patience: For so many seconds a call waits out what passes.

    Raises:
        ConfigurationError: settings are missing; the text names them.
    """

    def __init__(
        self,
        settings: Mapping[str, t.Any],
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        patience: float = PATIENCE_SECONDS,
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
        self._patience = patience
        self._patient_until = float("-inf")
        self._token: str | None = None
        self._renew_at = 0.0

    @contextlib.contextmanager
    def patient_for(self, seconds: float) -> Iterator[None]:
        """Let the calls of the block wait out what passes within so many seconds, an IP limit too; 0: as ever."""
        before, self._patient_until = self._patient_until, self._clock() + seconds
        try:
            yield
        finally:
            self._patient_until = before

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
        answer, may_be_done = self._authorized(method, path, body, is_repeatable=is_repeatable)
        if passing_faults.is_token_refused(answer):
            # A refused call has done nothing: any may be made again.
            self._token = None
            answer, may_be_done = self._authorized(method, path, body, is_repeatable=is_repeatable)
        is_gone = method == "DELETE" and answer.status_code == NOT_FOUND and may_be_done
        if not (answer.ok or is_gone):
            text = f"{method} {path}: NewStore answered {answer.status_code}: {self._message(answer, body)}"
            raise NewStoreCallError(text, answer.status_code, _to_do(answer))
        return answer

    def _authorized(
        self, method: str, path: str, body: object, *, is_repeatable: bool
    ) -> tuple[requests.Response, bool]:
        headers = {"Authorization": self._bearer()}
        url = self._api_url + path
        try:
            return self._patiently(method, url, is_repeatable=is_repeatable, json=body, headers=headers)
        except NewStoreCallError:
            raise
        except NewStoreError as error:
            error.may_have_happened = passing_faults.may_have_been_sent(error.__cause__)
            raise

    def _patiently(
        self, method: str, url: str, *, is_repeatable: bool, **kwargs: t.Any
    ) -> tuple[requests.Response, bool]:
        """Call, and call again after what passes; return the answer, and whether an earlier try may have been it."""
        give_up_at = max(self._clock() + self._patience, self._patient_until)
        may_be_done = False
        for usual in PAUSES:
            try:
                answer = self._send(method, url, **kwargs)
                fault, pause = f"answered {answer.status_code}", passing_faults.pause(answer, usual, is_repeatable)
                if pause is None or self._clock() + pause > give_up_at:
                    return answer, may_be_done
                may_be_done = may_be_done or answer.status_code >= 500
            except NewStoreError as error:
                if not passing_faults.is_passing(error.__cause__, is_repeatable) or self._clock() + usual > give_up_at:
                    raise
                fault, pause = f"did not answer ({type(error.__cause__).__name__})", usual
                may_be_done = may_be_done or passing_faults.may_have_been_sent(error.__cause__)
            logger.warning("NewStore %s; trying again in %.1f s", fault, pause)
            self._sleep(pause)
        return self._send(method, url, **kwargs), may_be_done

    def _bearer(self) -> str:
        if self._token is None or self._clock() >= self._renew_at:
            answer, _ = self._patiently("POST", self._auth_url, is_repeatable=True, data=self._form)
            given = _json(answer) if answer.ok else {}
            token, seconds = given.get("access_token"), given.get("expires_in")
            if not (isinstance(token, str) and TOKEN.fullmatch(token)):
                raise self._no_token(answer)
            self._token = token
            if not (isinstance(seconds, int | float) and 0 < seconds < LONGEST_TOKEN_SECONDS):
                seconds = SHORTEST_TOKEN_SECONDS
            self._renew_at = self._clock() + seconds * USED_SHARE
        return f"Bearer {self._token}"

    def _no_token(self, answer: requests.Response) -> NewStoreError:
        where = f"({masked(self._auth_url)}, status {answer.status_code})"
        if passing_faults.is_passing_answer(answer):
            return NewStoreError(f"NewStore gives no token {where}: {self._message(answer)}", _to_do(answer))
        said = "what came is none" if answer.ok else self._message(answer)
        return NewStoreError(
            f"NewStore gives no token for this client_id and client_secret {where}: {said}",
            "Correct tenant, client_id, client_secret or auth_url",
        )

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
        if passing_faults.is_ip_limit(answer):
            return "this IP address has made too many calls; wait 5 minutes"
        body = _json(answer)
        fields = ", ".join(f"{name}: {body[name]}" for name in ERROR_FIELDS if body.get(name))
        secrets = [*self._secrets, *secrets_in(told), *([self._token] if self._token else [])]
        text = fields or answer.content[:LONGEST_ERROR].decode(errors="replace")
        return in_one_line(without(text, secrets)) or "no message"


def _to_do(answer: requests.Response) -> str:
    """Return what to do when NewStore refuses a call; its own words say what it is about."""
    if passing_faults.is_ip_limit(answer):
        return "Run again after that; if it stays, see what else calls NewStore from here"
    if answer.status_code in {401, 403}:
        return "Let the API client (client_id) use this API"
    if answer.status_code == NOT_FOUND:
        return "Correct api_url or tenant, or what this call names"
    if passing_faults.is_passing_answer(answer):
        if seconds := passing_faults.asked_pause(answer):
            return f"NewStore asks to wait {seconds:.0f} s: run again after that"
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
