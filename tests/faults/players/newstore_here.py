"""NewStore in this process: the sandbox's core behind a session without sockets, on the story's clock."""

from __future__ import annotations

import dataclasses
import json
import os
import types
import typing as t
import urllib.parse

import fsspec
import requests
from newstore_sandbox.errors import CallError
from newstore_sandbox.newstore_endpoints import _Calls, error_answer
from newstore_sandbox.sandbox import Sandbox

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from newstore_sandbox.import_jobs import Job
    from newstore_sandbox.stock_file import StockFile

#: Unique to this process, because a run locks others out of its staging place.
STAGING = f"memory://staging-{os.getpid()}"
#: What names the staging place in the links.
LINK = "https://staging"
IMPORT = "/v0/d/import"
_REQUEST = requests.Request("GET", "http://newstore/").prepare()


class NewStoreHere(Sandbox):
    """The sandbox without its threads: jobs run when `work` is called.

    Attributes:
        on_import: Called with each job after it was applied.
    """

    on_import: Callable[[Job, StockFile], None] = staticmethod(lambda _job, _file: None)

    def work(self) -> None:
        """Run the waiting jobs, one after the other."""
        while not self.faults.hold_jobs and (job := self.jobs.next_waiting(self.options.job_order)):
            job.state = "running"
            self._run(job)

    def _fetch(self, uri: str) -> bytes:
        return t.cast("bytes", fsspec.filesystem("memory").cat_file(STAGING + uri.removeprefix(LINK)))

    def _apply(self, job: Job, file: StockFile) -> None:
        super()._apply(job, file)
        self.on_import(job, file)


@dataclasses.dataclass
class Call:
    """A call of NewStore's API, as the session sees it."""

    method: str
    path: str
    query: dict[str, str]
    body: t.Any


class SessionHere:
    """Stands in for a `requests.Session`: answers from the sandbox's own endpoints.

    Args:
        newstore: Answers the calls.
        around: Wraps each call: is given a function that carries it out, and returns the answer.
    """

    def __init__(
        self, newstore: NewStoreHere, around: Callable[[Callable[[], requests.Response]], requests.Response]
    ) -> None:
        self._calls = _Calls(newstore)
        self._around = around

    def request(self, method: str, url: str, **given: t.Any) -> requests.Response:
        """Answer a call."""
        query = {name: str(value) for name, value in (given.get("params") or {}).items()}
        call = Call(method, urllib.parse.urlsplit(url).path, query, given.get("json"))
        return self._around(lambda: self._answer(call))

    def close(self) -> None:
        """Do nothing: no connection is open."""

    def _answer(self, call: Call) -> requests.Response:
        import_id, _, rest = call.path.removeprefix(IMPORT).strip("/").partition("/")
        request: t.Any = types.SimpleNamespace(query_params=call.query, path_params={"id": import_id})
        endpoints: dict[tuple[str, str], Callable[[t.Any, t.Any], t.Any]] = {
            ("POST", ""): self._calls.create_import,
            ("GET", ""): self._calls.list_imports,
            ("GET", "one"): self._calls.show_import,
            ("GET", "errors"): self._calls.import_errors,
            ("POST", "start"): self._calls.start_import,
            ("POST", "set_fail"): self._calls.fail_import,
        }
        try:
            if call.path == "/v0/locations":
                answer = self._calls.locations(request, None)
            elif call.path == "/v0/availabilities":
                answer = self._calls.availabilities(request, call.body)
            else:
                answer = endpoints[call.method, rest or ("one" if import_id else "")](request, call.body)
        except CallError as error:
            answer = error_answer(error)
        return an_answer(answer.status_code, bytes(answer.body))


def an_answer(status: int, body: bytes | dict[str, t.Any], **headers: str) -> requests.Response:
    """Return an answer as `requests` would return it."""
    answer = requests.Response()
    answer.status_code = status
    answer._content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer.headers.update(headers)
    answer.encoding = "utf-8"
    answer.request = _REQUEST
    return answer


def faulty_answer(how: str, answer: Callable[[], requests.Response]) -> requests.Response:
    """Answer a call with one of `steps.NEWSTORE_FAULTS`; faults of imports leave the answer as it is.

    Raises:
        requests.RequestException: no answer arrives.
    """
    if how == "refuses":
        return an_answer(503, {"message": "come back later"})
    if how == "is limited":
        return an_answer(429, {"message": "too many"}, **{"Retry-After": "2"})
    if how == "has no answer":
        raise requests.ConnectionError
    given = answer()
    if how == "loses the answer":
        raise requests.ReadTimeout
    return given
