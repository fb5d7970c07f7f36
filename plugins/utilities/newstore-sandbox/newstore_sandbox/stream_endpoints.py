"""NewStore's event-stream configuration API, and the control calls for deliveries and export files."""

from __future__ import annotations

import dataclasses
import typing as t

from newstore_sandbox.delivery import Disorder
from newstore_sandbox.errors import CallError
from newstore_sandbox.export_writer import ExportOptions, ExportWriter
from newstore_sandbox.integrations import Integrations

if t.TYPE_CHECKING:
    from starlette.requests import Request

    from newstore_sandbox.sandbox import Sandbox

Body = dict[str, t.Any]
#: Method, path, call, status of the answer.
Row = tuple[str, str, "t.Callable[[Request, t.Any], t.Any]", int]

BASE = "/api/v1/org/integrations/eventstream"


def configuration(sandbox: Sandbox) -> list[Row]:
    """Return the endpoints of NewStore's event-stream configuration API."""
    options = sandbox.options
    integrations = Integrations(sandbox.publisher, options.tenant, options.export_seconds)

    return _Configuration(integrations).rows()


class _Configuration:
    """The calls of the event-stream configuration API."""

    def __init__(self, integrations: Integrations) -> None:
        self._integrations = integrations

    def rows(self) -> list[Row]:
        """Return the endpoints; every answer is 200, or an error."""
        one, rejected = f"{BASE}/{{id}}", f"{BASE}/{{id}}/rejected_events"
        all_calls = self._integrations
        return [
            ("GET", BASE, lambda *_: {"integrations": [one.public() for one in all_calls.list()]}, 200),
            ("POST", BASE, lambda _, body: all_calls.register(body).public(), 200),
            ("PATCH", one, lambda request, body: all_calls.change(_id(request), body).public(), 200),
            ("GET", one, lambda request, _: all_calls.get(_id(request)).public(), 200),
            ("DELETE", one, self._delete, 200),
            ("POST", f"{one}/_start", lambda request, _: all_calls.start(_id(request)).public(), 200),
            ("POST", f"{one}/_stop", lambda request, _: all_calls.stop(_id(request)).public(), 200),
            ("GET", f"{one}/logs", lambda request, _: {"entries": list(all_calls.get(_id(request)).entries)}, 200),
            ("GET", rejected, self._list_rejected, 200),
            ("GET", f"{rejected}/{{event_id}}", self._show_rejected, 200),
            ("DELETE", f"{rejected}/{{event_id}}", self._delete_rejected, 200),
            ("POST", f"{rejected}/{{event_id}}/_retry", self._retry_rejected, 200),
        ]

    def _delete(self, request: Request, _body: None) -> Body:
        self._integrations.delete(_id(request))
        return {}

    def _list_rejected(self, request: Request, _body: None) -> Body:
        found = self._integrations.get(_id(request)).delivery.sink.rejected
        return {"rejected_events": [{"created_at": one.created_at, "id": one.id} for one in found]}

    def _show_rejected(self, request: Request, _body: None) -> Body:
        return self._integrations.get(_id(request)).rejected(_event_id(request)).event.body

    def _delete_rejected(self, request: Request, _body: None) -> Body:
        self._integrations.forget(_id(request), _event_id(request))
        return {}

    def _retry_rejected(self, request: Request, _body: None) -> Body:
        self._integrations.retry(_id(request), _event_id(request))
        return {}


def _id(request: Request) -> str:
    return str(request.path_params["id"])


def _event_id(request: Request) -> str:
    return str(request.path_params["event_id"])


def control(sandbox: Sandbox) -> list[Row]:
    """Return the control endpoints."""
    exports = _Exports(sandbox)
    return [
        ("POST", "/sandbox/delivery/disorder", lambda _, body: _disturb(sandbox, body), 200),
        ("POST", "/sandbox/export_files", exports.write, 201),
        ("POST", "/sandbox/export_files/upload_late", exports.upload_late, 200),
    ]


def _disturb(sandbox: Sandbox, body: Body) -> Body:
    seed = body.pop("seed", 0)
    disorder = _made(Disorder, body)
    sandbox.publisher.disturb(disorder, seed)
    return dataclasses.asdict(disorder)


class _Exports:
    """Export files on demand; each call writes the events published since the last call with the same URL."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._writers: dict[str, ExportWriter] = {}
        self._written: dict[str, int] = {}

    def write(self, _request: Request, body: Body) -> Body:
        url = body.pop("url")
        options = _made(ExportOptions, body)
        published = self._sandbox.publisher.published
        first, end = self._written.get(url, 0), len(published)
        names = self._writer(url).write(published[first:end], options)
        self._written[url] = end
        return {"files": names, "events": end - first}

    def upload_late(self, _request: Request, body: Body) -> Body:
        return {"files": self._writer(body["url"]).upload_late()}

    def _writer(self, url: str) -> ExportWriter:
        if url not in self._writers:
            try:
                self._writers[url] = ExportWriter(url, self._sandbox.options.tenant)
            except (ImportError, ValueError) as error:
                raise CallError(400, "invalid_request", f"url: {error}") from error
        return self._writers[url]


Made = t.TypeVar("Made", Disorder, ExportOptions)


def _made(kind: type[Made], body: Body) -> Made:
    names = {field.name for field in dataclasses.fields(kind)}
    if unknown := body.keys() - names:
        raise CallError(400, "invalid_request", f"{min(unknown)}: expected one of {', '.join(sorted(names))}")
    return kind(**body)
