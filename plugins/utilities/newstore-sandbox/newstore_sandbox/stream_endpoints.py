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

    def name(request: Request) -> str:
        return str(request.path_params["id"])

    return [
        ("POST", BASE, lambda _, body: integrations.register(body).public(), 201),
        ("GET", f"{BASE}/{{id}}", lambda request, _: integrations.get(name(request)).public(), 200),
        ("POST", f"{BASE}/{{id}}/_start", lambda request, _: integrations.start(name(request)).public(), 200),
        ("POST", f"{BASE}/{{id}}/_stop", lambda request, _: integrations.stop(name(request)).public(), 200),
    ]


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
