"""Whether a receiver answers, and could with these settings."""

from __future__ import annotations

import typing as t

import requests

from tap_newstore_fulfillment.errors import ConfigurationError
from tap_newstore_fulfillment.masking import masked
from tap_newstore_fulfillment.receiver.configuration import api_keys
from tap_newstore_fulfillment.receiver.http_session import HttpSession

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_newstore_fulfillment.findings import Findings

CALL_SECONDS = 10
#: Addresses that mean all of this machine's, and one of them.
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - it is not listened on here
START = "Start it: meltano invoke tap-newstore-fulfillment:receive (without Meltano newstore-event-receiver)"
NAME = "Name its address with --receiver-url, as its log says it"
ELSEWHERE = "Set metrics_port here as for the receiver, or name its host and that port with --receiver-url"


def look_at_receiver(findings: Findings, settings: Mapping[str, t.Any], given: str | None) -> None:
    """Note whether the receiver answers.

    Args:
        findings: Where it is noted.
        settings: The tap's settings.
        given: Its base URL, if it is not on this machine.
    """
    if not given and _port(settings) == 0:
        findings.yellow("receiver", "not checked: with port 0 it takes a free one, which no setting says", NAME)
        return
    url = (given or _here(settings)).rstrip("/") + "/healthz"
    try:
        with HttpSession() as session:
            answer = session.get(url, timeout=CALL_SECONDS)
    except requests.RequestException as error:
        _say_silent(findings, settings, f"nothing answers at {masked(url)}: {type(error).__name__}", given)
        return
    if answer.ok:
        findings.green("receiver", f"it answers at {masked(url)}")
    elif answer.status_code == requests.codes.not_found:
        findings.red("receiver", f"{masked(url)} answered 404: no receiver's /healthz stands there", ELSEWHERE)
    else:
        said = f"{masked(url)} answered {answer.status_code}: it cannot store events, and NewStore sends them again"
        findings.red("receiver", said, "Look at its log, and at the landing store")


def _here(settings: Mapping[str, t.Any]) -> str:
    """Return the base URL of this machine's `/healthz`."""
    host = ANY.get(settings["receiver_host"], settings["receiver_host"])
    return f"http://{f'[{host}]' if ':' in host else host}:{_port(settings)}"


def _port(settings: Mapping[str, t.Any]) -> int:
    """Return the port of `/healthz`: `metrics_port` takes it from NewStore's port. 0: a free one."""
    metrics_port = settings.get("metrics_port")
    port: int = settings["receiver_port"] if metrics_port is None else metrics_port
    return port


def _say_silent(findings: Findings, settings: Mapping[str, t.Any], said: str, given: str | None) -> None:
    """Note that no receiver answers: on this machine one need not run if others can reach the store."""
    try:
        api_keys(settings)
    except ConfigurationError as error:
        said = f"{said}; with these settings it would not start: {error}"
    # Not parsed: what is wrong with a URL is said of the store.
    if given or settings["landing_url"].startswith("sqlite"):
        findings.red("receiver", said, START)
    else:
        findings.yellow("receiver", said, f"{START}; if it runs on another machine, name it with --receiver-url")
