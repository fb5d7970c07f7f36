"""Where NewStore shall deliver: what it could not call is refused before anything is sent, and never shown whole."""

from __future__ import annotations

import typing as t

import pytest
from tap_newstore_fulfillment.errors import ConfigurationError
from tap_newstore_fulfillment.receiver import integrations

from tests.shop.plugin import run_plugin
from tests.tap.registration import KEY

if t.TYPE_CHECKING:
    from pathlib import Path

NOWHERE = "http://127.0.0.1:9"
NOBODY = {"tenant": "demo", "client_id": "c", "client_secret": "s", "api_url": NOWHERE, "auth_url": NOWHERE}
COMMANDS = {
    "register": ("register",),
    "update": ("update",),
    "replay": ("replay", "--from", "2026-01-01T00:00:00Z"),
    "audit": ("audit",),
}
WRONG = [
    ("http://example.com/events", "http://example.com/events: expected https://"),
    ("ftp://example.com", "ftp://example.com: expected https://"),
    ("https://[x", "https://[x: it is no URL"),
    ("https://", "https://: it names no host"),
    ("https:///events", "https:///events: it names no host"),
    ("https://:443/events", "https://:443/events: it names no host"),
    ("https://example.com:99999/", "https://example.com:99999/: its port is none"),
    ("https://example.com:0/", "https://example.com:0/: its port is none"),
    ("https://example.com:abc/", "https://example.com:abc/: its port is none"),
    ("https://example.com/events#top", "https://example.com/events: it has a fragment"),
    ("https://example.com/events#", "https://example.com/events: it has a fragment"),
    ("https://example.com/ev ents", "https://example.com/ev ents: it holds a blank"),
    ("https://example.com/\nevents", "https://example.com/ events: it holds a blank"),
    (" https://example.com/events", "https://example.com/events: it holds a blank"),
    ("https://example.com/events\x7f", "it holds a blank or a character that cannot be printed"),
]


@pytest.mark.parametrize(("url", "said"), WRONG)
def test_a_url_that_newstore_could_not_call_is_refused_and_says_why(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        integrations.webhook_parameters(url, KEY)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com:8443/events?tenant=acme",
        "https://user:password@example.com/events",
        "https://[2001:db8::1]:443/events",
        "https://\u00fc.example/events",
        "http://127.0.0.1:8765/events",
        "http://[::1]/events",
    ],
)
def test_a_url_that_newstore_can_call_is_taken_as_it_is(url: str) -> None:
    assert integrations.webhook_parameters(url, KEY)["callback_parameters"] == {"callback_url": url, "api_key": KEY}


@pytest.mark.parametrize("url", ["http://user:hush-hush@h/", "https://user:hush-hush@[x", "https://h:0/?key=hush-hush"])
@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_refused_by_every_command_before_anything_is_sent_and_shows_no_password(
    tmp_path: Path, command: str, url: str
) -> None:
    settings = {**NOBODY, "receiver_api_key": KEY, "landing_url": f"sqlite:///{tmp_path / 'landing.db'}"}
    arguments = (*COMMANDS[command], "--callback-url", url)
    done = run_plugin("newstore-event-receiver", tmp_path, settings, *arguments)
    assert done.code == 2, done.log
    assert "--callback-url http" in done.log
    assert "hush-hush" not in done.log + done.output
    assert "Traceback" not in done.log
