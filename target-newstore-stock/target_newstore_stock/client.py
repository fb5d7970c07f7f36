"""NewStore's HTTP API: authentication, retries and errors (newstore-api.md, section 1)."""

from __future__ import annotations

import logging
import time
import typing as t

import requests

from target_newstore_stock.errors import ApiError
from target_newstore_stock.http_session import HttpSession, RedirectError, in_one_line, read_json, retry_after, said
from target_newstore_stock.masking import masked
from target_newstore_stock.staging_link import without_signatures

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from target_newstore_stock.auth import NewStoreAuthenticator

logger = logging.getLogger("target-newstore-stock.client")

CALL_SECONDS = 60
TRIES = 6
LONGEST_WAIT_SECONDS = 60.0
#: What to do when nobody answers.
REACH = "Correct api_url, or see why it cannot be reached from here"
#: Stands for the body of an answer that is not JSON; None would not do, as `null` is JSON.
NOT_JSON: t.Final = object()
#: A 403 without a JSON body is the limit per IP address, which lasts five minutes.
IP_LIMIT_SECONDS = 300.0


class NewStoreClient:
    """Calls NewStore.

    Args:
        api_url: Base URL of the tenant's API.
        authenticator: Signs the calls.
        sleep: Waits this many seconds.
    """

    def __init__(
        self, api_url: str, authenticator: NewStoreAuthenticator, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._api_url = api_url.rstrip("/")
        self._authenticator = authenticator
        self._session = HttpSession()
        self._sleep = sleep

    def get(self, path: str, **params: str) -> t.Any:
        """GET; repeated on passing faults."""
        return self._repeated("GET", path, params=params)

    def post(self, path: str, body: dict[str, t.Any]) -> t.Any:
        """POST something that may be repeated; repeated on passing faults."""
        return self._repeated("POST", path, json=body)

    def post_once(self, path: str, body: dict[str, t.Any]) -> t.Any:
        """POST something that must not be repeated blindly.

        Raises:
            ApiError: with the status. After None or 5xx the call may have been carried out all the same.
        """
        return self._authorized("POST", path, json=body)

    def _repeated(self, method: str, path: str, **kwargs: t.Any) -> t.Any:
        wait = 0.5
        for _ in range(TRIES - 1):
            try:
                return self._authorized(method, path, **kwargs)
            except ApiError as error:
                if not (error.may_have_happened or error.status == 429):
                    raise
                pause = error.retry_after or wait
                logger.warning("%s; trying again in %.1f s", error, pause)
            self._sleep(pause)
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)
        return self._authorized(method, path, **kwargs)

    def _authorized(self, method: str, path: str, **kwargs: t.Any) -> t.Any:
        """Call, and call again once after renewing a refused token, and once after waiting out an IP limit."""
        answer, body = self._send(method, path, **kwargs)
        if answer.status_code == 403 and body is NOT_JSON:
            logger.warning("NewStore limits this IP address; waiting %.0f s", IP_LIMIT_SECONDS)
            self._sleep(IP_LIMIT_SECONDS)
            answer, body = self._send(method, path, **kwargs)
        if answer.status_code == 401 or (answer.status_code == 403 and body is not NOT_JSON):
            self._authenticator.drop_token()
            answer, body = self._send(method, path, **kwargs)
        if not answer.ok:
            raise ApiError(
                f"{method} {path}: NewStore answered {answer.status_code}: {_message(answer, body)}",
                answer.status_code,
                _pause(answer),
                is_ip_limit=answer.status_code == 403 and body is NOT_JSON,
                to_do=_to_do(answer.status_code),
            )
        if body is NOT_JSON:
            raise ApiError(
                f"{answer.request.method} {answer.request.path_url}: the answer is not JSON",
                to_do="Look at what answers as NewStore: correct api_url",
            )
        return body

    def _send(self, method: str, path: str, **kwargs: t.Any) -> tuple[requests.Response, t.Any]:
        """Call once; return the answer and its body, NOT_JSON if it is not JSON."""
        try:
            answer = self._session.request(
                method,
                self._api_url + path,
                auth=self._authenticator,
                timeout=CALL_SECONDS,
                **kwargs,
            )
        except RedirectError as error:
            raise ApiError(f"{method} {path}: {masked(self._api_url)} {error}", error.status) from error
        except requests.RequestException as error:
            raise ApiError(
                f"{method} {path}: no answer from {masked(self._api_url)}: {_cause(error)}", to_do=REACH
            ) from error
        return answer, _body(answer)


def _to_do(status: int) -> str:
    """Return what to do when NewStore refuses a call; its own words say what it is about."""
    if status in {401, 403}:
        return "Let the API client (client_id) use this API"
    if status == 404:
        return "Correct api_url or tenant, or what this call names"
    if status == 429 or status >= 500:
        return "Run again in some minutes; if it stays, ask NewStore"
    return "Correct what NewStore's words name, or ask NewStore"


def _body(answer: requests.Response) -> t.Any:
    try:
        return read_json(answer)
    except ValueError:
        return NOT_JSON


def _message(answer: requests.Response, body: t.Any) -> str:
    """Return NewStore's own words: `{error_code, message, request_id}` or problem+json. They may quote our link."""
    if not isinstance(body, dict):
        return without_signatures(said(answer))
    fields = ("error_code", "message", "request_id", "type", "title", "detail")
    words = in_one_line(", ".join(f"{name}: {body[name]}" for name in fields if body.get(name))) or said(answer)
    return without_signatures(words)


def _pause(answer: requests.Response) -> float | None:
    asked = retry_after(answer)
    return None if asked is None else min(asked, IP_LIMIT_SECONDS)


def _cause(error: requests.RequestException) -> str:
    """Return the name of a fault; its text has the URL, which may carry a signature."""
    return type(error).__name__
