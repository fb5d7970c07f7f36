"""Which faults of a call to NewStore pass, and after how long (newstore-api.md, section 1): functions of the answer."""

from __future__ import annotations

import requests
import urllib3.exceptions

from tap_newstore_fulfillment.receiver.http_session import read_json, retry_after

#: A 403 without a JSON body is the limit per IP address, which lasts five minutes.
IP_LIMIT_SECONDS = 300.0
PASSING = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
#: What requests counts among those and no second try changes.
LASTING = (requests.exceptions.SSLError, requests.exceptions.ProxyError)


def is_token_refused(answer: requests.Response) -> bool:
    """Return whether an answer may be about the token: a new one may do."""
    return answer.status_code == 401 or (answer.status_code == 403 and _is_json(answer))


def is_ip_limit(answer: requests.Response) -> bool:
    """Return whether this IP address has made too many calls."""
    return answer.status_code == 403 and not _is_json(answer)


def is_passing_answer(answer: requests.Response) -> bool:
    """Return whether the same call may be answered otherwise some time later."""
    return answer.status_code == 429 or answer.status_code >= 500 or is_ip_limit(answer)


def asked_pause(answer: requests.Response) -> float | None:
    """Return how many seconds NewStore asks to wait; None: it does not say."""
    return retry_after(answer) or (IP_LIMIT_SECONDS if is_ip_limit(answer) else None)


def pause(answer: requests.Response, usual: float, is_repeatable: bool) -> float | None:
    """Return after how many seconds a call may be made again; None: not at all.

    Args:
        answer: To the call.
        usual: Seconds where NewStore asks for no other pause.
        is_repeatable: Whether the call may be carried out twice; a 5xx says nothing of whether it was.
    """
    if not is_passing_answer(answer) or (answer.status_code >= 500 and not is_repeatable):
        return None
    return asked_pause(answer) or usual


def is_passing(cause: BaseException | None, is_repeatable: bool) -> bool:
    """Return whether a call that had no answer may be made again.

    Args:
        cause: Why it had none.
        is_repeatable: Whether it may be carried out twice; if not, it must never have been sent.
    """
    if not isinstance(cause, PASSING) or isinstance(cause, LASTING):
        return False
    return is_repeatable or not may_have_been_sent(cause)


def may_have_been_sent(cause: BaseException | None) -> bool:
    """Return whether a call that had no answer may have reached NewStore: not if there was no connection."""
    reason = getattr(cause.args[0] if cause and cause.args else None, "reason", None)
    is_unconnected = isinstance(reason, urllib3.exceptions.NewConnectionError)
    return not (is_unconnected or isinstance(cause, requests.ConnectTimeout))


def _is_json(answer: requests.Response) -> bool:
    try:
        read_json(answer)
    except ValueError:
        return False
    return True
