"""NewStore's event-stream configuration API as JSON schemas, and a proxy that holds both sides to them."""

from __future__ import annotations

import dataclasses
import functools
import http.server
import json
import re
import threading
import typing as t
from pathlib import Path

import jsonschema
import requests

if t.TYPE_CHECKING:
    from collections.abc import Iterator

BASE = "/api/v1/org/integrations/eventstream"
SCHEMAS = Path(__file__).with_name("event_stream_api.json")
#: Not answers of the API itself: no token, a bad one, a limit, a fault.
ANYWHERE = ("401", "403", "429", "500", "503")
CALL_SECONDS = 60
PASSED_ON = ("Authorization", "Content-Type")


@functools.cache
def table() -> dict[str, t.Any]:
    """Return the calls and the schemas."""
    return t.cast("dict[str, t.Any]", json.loads(SCHEMAS.read_text(encoding="utf-8")))


@dataclasses.dataclass(frozen=True)
class Exchange:
    """One call, and its answer."""

    method: str
    path: str
    body: t.Any
    status: int
    answer: t.Any

    def violations(self) -> Iterator[str]:
        """Yield what either side did that the table does not have."""
        found = self._call()
        if found is None:
            yield f"{self}: no such call"
            return
        call, parameters = found
        for name, value in parameters.items():
            yield from _errors(name, value, f"{self}: {name}")
        if self.status != 400:
            yield from self._wrong_body(call)
        answers = {**dict.fromkeys(ANYWHERE, "anything"), **call["answers"]}
        if str(self.status) not in answers:
            yield f"{self}: no such status"
        else:
            yield from _errors(answers[str(self.status)], self.answer, f"{self}: answer")

    def _wrong_body(self, call: dict[str, t.Any]) -> Iterator[str]:
        if "body" in call:
            yield from _errors(call["body"], self.body, f"{self}: body")
        elif self.body is not None:
            yield f"{self}: a body, where none belongs"

    def _call(self) -> tuple[dict[str, t.Any], dict[str, str]] | None:
        for call in table()["calls"]:
            pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", BASE + call["path"])
            if call["method"] == self.method and (parts := re.fullmatch(pattern, self.path)):
                return call, parts.groupdict()
        return None

    def __str__(self) -> str:
        return f"{self.method} {self.path} → {self.status}"


def _errors(name: str, value: t.Any, where: str) -> Iterator[str]:
    schema = {"$defs": table()["$defs"], "$ref": f"#/$defs/{name}"}
    for error in jsonschema.Draft202012Validator(schema).iter_errors(value):
        yield f"{where}: {error.json_path}: {error.message}"


class ContractProxy(http.server.ThreadingHTTPServer):
    """Passes calls on to a NewStore and keeps each with its answer. Use it in a `with` block.

    Attributes:
        exchanges: The calls of the event-stream configuration API.
    """

    def __init__(self, newstore_url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.newstore_url = newstore_url
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.exchanges: list[Exchange] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def __enter__(self) -> t.Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def violations(self) -> list[str]:
        """Return what either side did that the table does not have."""
        return [violation for exchange in self.exchanges for violation in exchange.violations()]


def _said(answer: requests.Response) -> t.Any:
    """Return the JSON of an answer, or its text: what limits an IP address is no JSON."""
    return answer.json() if "json" in answer.headers.get("Content-Type", "") else answer.text


class _Handler(http.server.BaseHTTPRequestHandler):
    server: ContractProxy

    def _pass_on(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        headers = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
        answer = requests.request(
            self.command, self.server.newstore_url + self.path, data=content, headers=headers, timeout=CALL_SECONDS
        )
        if self.path.startswith(BASE):
            body = json.loads(content) if content else None
            self.server.exchanges.append(Exchange(self.command, self.path, body, answer.status_code, _said(answer)))
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_GET = do_POST = do_PATCH = do_DELETE = _pass_on  # noqa: N815

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""
