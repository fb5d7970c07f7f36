"""What NewStore says is available, beside what the ledger sent (newstore-api.md, section 6)."""

from __future__ import annotations

import itertools
import logging
import time
import typing as t

import msgspec
import requests

from mapper_newstore_stock.bearer import Bearer, Token
from mapper_newstore_stock.errors import ServerError
from mapper_newstore_stock.http_session import (
    TOKEN,
    HttpSession,
    RedirectError,
    in_one_line,
    read_json,
    retry_after,
    said,
)
from mapper_newstore_stock.masking import masked

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

logger = logging.getLogger("newstore-stock-ledger")

#: NewStore takes at most 2,000 keys a call.
KEYS_A_CALL = 1_000
CALL_SECONDS = 60
#: Seconds before a call that came too often (429) is repeated, unless NewStore says when.
PAUSES = (0.5, 1.0, 2.0)
LONGEST_PAUSE = 300.0
#: What to do when NewStore does not answer as it should.
REACH = "Check the address and the credentials, then run the command again"
#: No shop has as many units of anything, and every database and JSON reader takes such a number as it is.
MOST_UNITS = 2**53
Units = t.Annotated[int, msgspec.Meta(ge=-MOST_UNITS, le=MOST_UNITS)]


class Availability(msgspec.Struct):
    """What NewStore says of one key."""

    fulfillment_node_id: str | int
    product_id: str | int
    atp: Units


class AvailabilityList(msgspec.Struct):
    """NewStore's answer; it leaves out keys it does not know."""

    items: list[Availability]


Answer = t.TypeVar("Answer", bound=msgspec.Struct)


class Availabilities:
    """Asks NewStore for ATP.

    Args:
        session: Carries the authorization.
        api_url: Base URL of the API.
    """

    def __init__(self, session: requests.Session, api_url: str) -> None:
        self._session = session
        self._url = f"{api_url.rstrip('/')}/v0/availabilities"

    def of(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """Return the ATP of each key NewStore knows.

        Raises:
            LedgerError: NewStore does not answer.
        """
        found: dict[tuple[str, str], int] = {}
        rest = iter(keys)
        while some := list(itertools.islice(rest, KEYS_A_CALL)):
            body = {"atp_keys": [{"product_id": product, "fulfillment_node_id": node} for node, product in some]}
            answer = call(self._session, self._url, AvailabilityList, json=body)
            # Samples show ids as numbers.
            found |= {(str(item.fulfillment_node_id), str(item.product_id)): item.atp for item in answer.items}
        return found


def signed_in(
    auth_url: str,
    client_id: str,
    client_secret: str,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> requests.Session:
    """Return a session with a bearer token, which is renewed in time (newstore-api.md, section 1).

    Raises:
        LedgerError: the credentials are refused, or nobody answers.
    """
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}

    def get() -> Token:
        with HttpSession() as unsigned:
            token = call(unsigned, auth_url, Token, sleep=sleep, data=form)
        if not TOKEN.fullmatch(token.access_token):
            raise ServerError(f"POST {masked(auth_url)} did not answer with a token. Check the URL")
        return token

    session = HttpSession()
    session.auth = bearer = Bearer(get, clock)
    bearer.header()
    return session


def call(
    session: requests.Session,
    url: str,
    kind: type[Answer],
    *,
    method: str = "POST",
    sleep: Callable[[float], None] = time.sleep,
    take_turn: Callable[[], None] = lambda: None,
    **request: t.Any,
) -> Answer:
    """Call NewStore, and return the answer.

    A call that came too often is repeated a few times, and one whose token is refused once, with a new one. Before
    each, `take_turn` waits until it may be made.

    Raises:
        LedgerError: there is no answer, it is an error, or it is not of the kind expected.
    """

    def send() -> requests.Response:
        take_turn()
        return _send(session, method, url, **request)

    answer = _with_good_token(session, send)
    for pause in PAUSES:
        if answer.status_code != 429:
            break
        seconds = min(retry_after(answer) or pause, LONGEST_PAUSE)
        logger.warning("NewStore answered 429; trying again in %.1f s", seconds)
        sleep(seconds)
        answer = _with_good_token(session, send)
    answered = f"{method} {masked(url)} answered {answer.status_code}"
    if not answer.ok:
        raise ServerError(f"{answered}: {said(answer)}", REACH)
    try:
        # Not strict: a number may come as a text.
        return msgspec.json.decode(answer.content, type=kind, strict=False)
    except (ValueError, RecursionError) as error:
        raise ServerError(
            f"{answered} with a body that cannot be used: {in_one_line(str(error))}. Check the URL"
        ) from error


def _with_good_token(session: requests.Session, send: Callable[[], requests.Response]) -> requests.Response:
    answer = send()
    if not isinstance(session.auth, Bearer) or not _is_token_refused(answer):
        return answer
    session.auth.drop(answer.request)
    return send()


def _is_token_refused(answer: requests.Response) -> bool:
    """Return whether the token is; a 403 without a JSON body is the limit per IP address."""
    if answer.status_code != 403:
        return answer.status_code == 401
    try:
        read_json(answer)
    except ValueError:
        return False
    return True


def _send(session: requests.Session, method: str, url: str, **request: t.Any) -> requests.Response:
    try:
        return session.request(method, url, timeout=CALL_SECONDS, **request)
    except RedirectError as error:
        raise ServerError(f"{method} {masked(url)} {error}") from error
    except requests.RequestException as error:
        raise ServerError(f"{method} {masked(url)}: no answer: {type(error).__name__}", REACH) from error
