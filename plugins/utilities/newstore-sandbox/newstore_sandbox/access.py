"""Tokens by client credentials (newstore-api.md, section 1)."""

from __future__ import annotations

import secrets
import threading
import time
import typing as t

from newstore_sandbox.errors import CallError

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from newstore_sandbox.sandbox import Options


class Access:
    """Issues tokens and checks them."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._expires: dict[str, float] = {}
        self._lock = threading.Lock()

    def token(self, realm: str, form: Mapping[str, t.Any]) -> tuple[int, dict[str, t.Any]]:
        """Return status and body of the answer to a token request, in the identity provider's own shape."""
        if realm != self._options.tenant:
            return 404, {"error": "Realm does not exist"}
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type", "error_description": "Unsupported grant_type"}
        if (form.get("client_id"), form.get("client_secret")) != (
            self._options.client_id,
            self._options.client_secret,
        ):
            return 401, {
                "error": "unauthorized_client",
                "error_description": "Invalid client or Invalid client credentials",
            }
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._expires[token] = time.monotonic() + self._options.token_seconds
        return 200, {
            "access_token": token,
            "expires_in": self._options.token_seconds,
            "token_type": "Bearer",
        }

    def check(self, authorization: str | None) -> None:
        """Refuse a call without a valid token."""
        if not authorization:
            raise CallError(401, "unauthorized", "the Authorization header is missing")
        with self._lock:
            expires = self._expires.get(authorization.removeprefix("Bearer "), 0.0)
        if expires <= time.monotonic():
            raise CallError(403, "forbidden", "the token is expired or unknown")
