"""Tokens (wire contract, section 1)."""

from __future__ import annotations

import typing as t

import pytest
import requests

from tests.shop.newstore import CLIENT_ID, CLIENT_SECRET, NewStore
from tests.shop.process import wait_until

if t.TYPE_CHECKING:
    from pathlib import Path

FORM = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


def ask(url: str, **changes: str) -> requests.Response:
    return requests.post(url, data={**FORM, **changes}, timeout=30)


def test_a_token_comes_with_its_lifetime(newstore: NewStore) -> None:
    answer = ask(newstore.token_url)
    assert (answer.status_code, answer.json()["expires_in"], answer.json()["token_type"]) == (200, 300, "Bearer")


@pytest.mark.parametrize("wrong", [{"client_secret": "x"}, {"client_id": "x"}])
def test_wrong_credentials_are_refused_with_a_description(newstore: NewStore, wrong: dict[str, str]) -> None:
    answer = ask(newstore.token_url, **wrong)
    assert answer.status_code == 401
    assert answer.json()["error_description"] == "Invalid client or Invalid client credentials"


def test_another_grant_type_is_refused(newstore: NewStore) -> None:
    assert ask(newstore.token_url, grant_type="password").status_code == 400


def test_an_unknown_tenant_has_no_realm(newstore: NewStore) -> None:
    assert ask(newstore.token_url.replace("/demo/", "/acme/")).status_code == 404


def test_a_call_without_a_token_is_401(newstore: NewStore) -> None:
    assert requests.get(f"{newstore.url}/v0/locations", timeout=30).status_code == 401


def test_an_unknown_token_is_403_with_a_json_body(newstore: NewStore) -> None:
    answer = newstore.call("GET", "/v0/locations", token="made-up")
    assert (answer.status_code, answer.json()["error_code"]) == (403, "forbidden")


def test_a_token_expires(tmp_path: Path) -> None:
    with NewStore(tmp_path, token_seconds=1) as newstore:
        token = newstore.token()
        assert newstore.call("GET", "/v0/locations", token=token).status_code == 200
        wait_until(lambda: newstore.call("GET", "/v0/locations", token=token).status_code == 403, "expiry", seconds=5)
