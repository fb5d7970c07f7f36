"""The HTTP session of all calls to NewStore: it talks to no other host, and every call ends.

Whatever answers may be a proxy, a login page or an attacker. An answer that comes a byte a second, or without end, is
none.
"""

from __future__ import annotations

import email.utils
import queue
import re
import threading
import time
import typing as t

import requests

if t.TYPE_CHECKING:
    from collections.abc import Callable

Result = t.TypeVar("Result")

LONGEST_TEXT = 200
#: From the look-up of the host to the last byte of the answer.
LONGEST_CALL_SECONDS = 120.0
#: Bytes, unpacked. The largest real answers, lists of locations and refused items, have a few.
LONGEST_ANSWER = 64 * 2**20
PART_BYTES = 2**16
#: What may stand in a header.
TOKEN = re.compile(r"[\x21-\x7e]+")


class RedirectError(requests.RequestException):
    """An answer points elsewhere. A secret must not go there, and a token from there is not NewStore's.

    Attributes:
        status: HTTP status.
        headers: Of the answer.
    """

    def __init__(self, answer: requests.Response) -> None:
        self.status, self.headers = answer.status_code, answer.headers
        place = without_secrets(answer.headers.get("Location", "")) or "nowhere"
        super().__init__(
            f"answered {self.status}, a redirect to {place}, which is not followed: correct the URL in the "
            f"configuration, or what stands in front of NewStore"
        )


class AnswerTooLongError(requests.RequestException):
    """An answer is longer than LONGEST_ANSWER."""


class HttpSession(requests.Session):
    """A session that follows no redirect, and whose calls end, whoever makes them and however.

    A call raises RedirectError on an answer that is one, AnswerTooLongError, or requests.Timeout.
    """

    def __init__(self) -> None:
        super().__init__()
        self.auth = of_its_url

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return where an answer points: for this session, nowhere."""
        del resp

    def send(self, request: requests.PreparedRequest, **kwargs: t.Any) -> requests.Response:
        """Send a request and return its whole answer."""
        send = super().send
        return in_time(lambda: _whole(send(request, **{**kwargs, "stream": True})))


def of_its_url(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Return a request with the user its URL names; with no such function requests takes one from ~/.netrc as well."""
    user, password = requests.utils.get_auth_from_url(request.url or "")
    return requests.auth.HTTPBasicAuth(user, password)(request) if user or password else request


def in_time(call: Callable[[], Result]) -> Result:
    """Return what a call returns; after LONGEST_CALL_SECONDS leave it to itself: no other limit is one of the whole.

    Raises:
        requests.RequestException: the call has not returned by then, or raised one, or has no host.
    """
    results: queue.SimpleQueue[Result | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put(call())
        except Exception as error:  # noqa: BLE001 - raised again by whoever waits
            results.put(error)

    threading.Thread(target=run, name="call", daemon=True).start()
    try:
        result = results.get(timeout=LONGEST_CALL_SECONDS)
    except queue.Empty:
        raise requests.Timeout from None
    if isinstance(result, (ValueError, OverflowError)) and not isinstance(result, requests.RequestException):
        # A host or a port that is none, past what requests looks at.
        raise requests.exceptions.InvalidURL from result
    if isinstance(result, Exception):
        raise result
    return result


def retry_after(answer: requests.Response) -> float | None:
    """Return in how many seconds an answer asks to be called again: a number of them, or a date."""
    header = answer.headers.get("Retry-After", "")
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        return max(email.utils.parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError, OSError):
        return None


def read_json(answer: requests.Response) -> t.Any:
    """Return the JSON of an answer.

    Raises:
        ValueError: it has none, or none that can be read.
    """
    try:
        return answer.json()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def said(answer: requests.Response) -> str:
    """Return how the text of an answer begins."""
    return in_one_line(answer.content[: 4 * LONGEST_TEXT].decode(errors="replace")) or "no message"


def in_one_line(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return how a stranger's text begins, as a log can show it."""
    plain = " ".join(text.split())
    return "".join(character if character.isprintable() else "?" for character in plain)[:longest]


def without_secrets(location: str) -> str:
    """Return the readable part of a Location; user, password, query and fragment may be secrets."""
    return in_one_line(re.sub(r"//[^/?#]*@", "//", re.split("[?#]", location)[0]))


def _whole(answer: requests.Response) -> requests.Response:
    """Read the body of an answer, up to a limit that requests has not."""
    with answer:
        if 300 <= answer.status_code < 400:
            raise RedirectError(answer)
        parts, size = [], 0
        for part in answer.iter_content(PART_BYTES):
            parts.append(part)
            size += len(part)
            if size > LONGEST_ANSWER:
                raise AnswerTooLongError
    answer._content = b"".join(parts)  # noqa: SLF001 - where requests keeps what it has read
    return answer
