"""Calls that the sandbox makes fail on purpose."""

from __future__ import annotations

import typing as t

import pytest
import requests
from newstore_sandbox.late_atp import LateAtp

from tests.shop.process import wait_until

if t.TYPE_CHECKING:
    from tests.shop.newstore import NewStore

CREATE = {
    "provider": "ours",
    "name": "one",
    "source_uri": "http://127.0.0.1/x.zip",
    "revision": 1,
    "entities": ["availabilities"],
    "full": False,
}
CREATING = {"method": "POST", "path": "/v0/d/import"}


def test_a_refused_call_is_not_carried_out_and_the_next_one_is(newstore: NewStore) -> None:
    newstore.set_faults(calls=[{**CREATING, "status": 502, "body": "<html>"}])
    before = len(newstore.imports())
    refused = newstore.call("POST", "/v0/d/import", body=CREATE)
    assert (refused.status_code, refused.text, len(newstore.imports())) == (502, "<html>", before)
    assert newstore.call("POST", "/v0/d/import", body=CREATE).ok


def test_a_lost_answer_leaves_the_job(newstore: NewStore) -> None:
    before = len(newstore.imports())
    newstore.set_faults(calls=[{**CREATING, "status": 500, "happens": True, "headers": {"Retry-After": "3"}}])
    lost = newstore.call("POST", "/v0/d/import", body=CREATE)
    assert (lost.status_code, lost.headers["Retry-After"]) == (500, "3")
    assert len(newstore.imports()) == before + 1


def test_an_answer_may_be_cut_off_in_the_middle(newstore: NewStore) -> None:
    newstore.set_faults(calls=[{"method": "GET", "path": "/v0/*", "cut_off": True}])
    with pytest.raises(requests.RequestException):
        newstore.call("GET", "/v0/locations")
    assert newstore.call("GET", "/v0/locations").ok


def test_an_invalid_fault_is_refused(newstore: NewStore) -> None:
    with pytest.raises(AssertionError, match="calls: Object missing required field `path`"):
        newstore.set_faults(calls=[{"method": "GET"}])


def test_a_truncated_download_fails_the_job_once(newstore: NewStore) -> None:
    newstore.staging.mkdir(exist_ok=True)
    (newstore.staging / "a.zip").write_bytes(b"PK\x03\x04 but not a whole one")
    newstore.set_faults(download_bytes=4)
    import_id = newstore.call("POST", "/v0/d/import", body=CREATE).json()["id"]
    uri = f"{newstore.url}/staging/a.zip"
    newstore.call("POST", f"/v0/d/import/{import_id}/start", body={"transformed_uri": uri})
    reasons = wait_until(lambda: [job["reason"] for job in newstore.imports("failed")], "failed job")
    assert reasons == ["the file is not a zip"]


def test_a_state_word_is_shown_in_lists_too(newstore: NewStore) -> None:
    newstore.set_faults(hold_jobs=True, state_word="transforming")
    import_id = newstore.call("POST", "/v0/d/import", body=CREATE).json()["id"]
    newstore.call("POST", f"/v0/d/import/{import_id}/start", body={"transformed_uri": "http://127.0.0.1:9/x"})
    listed = newstore.call("GET", "/v0/d/import?filter[state]=transforming").json()["items"]
    assert [job["import_id"] for job in listed] == [import_id]
    assert newstore.call("GET", "/v0/d/import?filter[state]=waiting").json()["items"] == []
    newstore.set_faults(hold_jobs=False, state_word=None)


def test_late_atp_shows_the_number_from_before_the_import() -> None:
    now = [10.0]
    late = LateAtp(lambda: now[0])
    late.hide({("DC01", "A"): 5, ("DC01", "B"): None}, 3)
    assert (late.shown(("DC01", "A"), 7), late.shown(("DC01", "B"), 7), late.shown(("DC01", "C"), 7)) == (5, None, 7)
    now[0] = 13.0
    assert late.shown(("DC01", "A"), 7) == 7
