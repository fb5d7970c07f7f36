"""Access tokens by client credentials (newstore-api.md, section 1)."""

from __future__ import annotations

import json
import typing as t

import requests
from singer_sdk.authenticators import OAuthAuthenticator

from target_newstore_stock.errors import TokenError
from target_newstore_stock.http_session import TOKEN, HttpSession, RedirectError, in_one_line
from target_newstore_stock.masking import masked

#: A token is renewed this long before it expires, but never before half its life has passed.
RENEW_AHEAD_SECONDS = 30
TO_DO = "Correct tenant, client_id, client_secret or auth_url"
#: What to do when nobody answers.
REACH = "Correct auth_url, or see why it cannot be reached from here"


class NewStoreAuthenticator(OAuthAuthenticator):
    """Gets a token, and renews it shortly before it expires."""

    def __init__(self, **settings: t.Any) -> None:
        super().__init__(**settings)
        self._session = HttpSession()

    @property
    def oauth_request_body(self) -> dict[str, t.Any]:
        """The form fields of the token call; NewStore takes no scopes."""
        return {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }

    def update_access_token(self) -> None:
        """Get a new token.

        Raises:
            ApiError: NewStore refused the client, or did not answer.
        """
        try:
            super().update_access_token()
        except RedirectError as error:
            raise TokenError(f"no token: {masked(self.auth_endpoint)} {error}", error.status, to_do=TO_DO) from error
        except requests.RequestException as error:
            raise TokenError(
                f"no token from {masked(self.auth_endpoint)}: {type(error).__name__}", to_do=REACH
            ) from error
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise TokenError(f"{masked(self.auth_endpoint)} did not answer with a token", to_do=TO_DO) from error
        if not isinstance(self.access_token, str) or not TOKEN.fullmatch(self.access_token):
            self.drop_token()
            raise TokenError(f"{masked(self.auth_endpoint)} did not answer with a token", to_do=TO_DO)
        if self.expires_in:
            self.expires_in -= min(RENEW_AHEAD_SECONDS, self.expires_in // 2)

    def drop_token(self) -> None:
        """Forget the token; the next call gets a new one."""
        self.last_refreshed = None

    def handle_error(self, *, content: str, status_code: int | None) -> None:
        """Raise an error that says in one line why NewStore gives no token."""
        raise TokenError(
            f"NewStore gives no token for this client_id and client_secret ({masked(self.auth_endpoint)}, status "
            f"{status_code}): {_oauth_message(content)}",
            status_code,
            to_do=TO_DO,
        )


def _oauth_message(content: str) -> str:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = {}
    words = body if isinstance(body, dict) else {}
    text = words.get("error_description") or words.get("message") or words.get("error") or content
    return in_one_line(str(text)) or "no message"
