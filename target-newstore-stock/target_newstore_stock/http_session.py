"""The HTTP session of all calls to NewStore: it talks to the host it was told of, and to no other."""

from __future__ import annotations

import re
import typing as t

import requests

LONGEST_LOCATION = 200


class RedirectError(requests.RequestException):
    """An answer points elsewhere. A secret must not go there, and a token from there is not NewStore's.

    Attributes:
        status: HTTP status.
    """

    def __init__(self, answer: requests.Response) -> None:
        self.status = answer.status_code
        place = _without_secrets(answer.headers.get("Location", "")) or "nowhere"
        super().__init__(
            f"answered {self.status}, a redirect to {place}, which is not followed: correct the URL in the "
            f"configuration, or what stands in front of NewStore"
        )


class HttpSession(requests.Session):
    """A session that follows no redirect, whoever calls it and however.

    Every call raises RedirectError on an answer that is one.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return where an answer points: for this session, nowhere."""
        del resp

    def send(self, request: requests.PreparedRequest, **kwargs: t.Any) -> requests.Response:
        """Send a request and return its answer."""
        answer = super().send(request, **kwargs)
        if 300 <= answer.status_code < 400:
            raise RedirectError(answer)
        return answer


def _without_secrets(location: str) -> str:
    """Return the readable part of a Location; user, password, query and fragment may be secrets."""
    plain = re.sub(r"//[^/?#]*@", "//", re.split("[?#]", location)[0])
    return "".join(character if character.isprintable() else "?" for character in plain)[:LONGEST_LOCATION]
