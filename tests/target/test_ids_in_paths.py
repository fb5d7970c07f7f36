"""Ids that come from an answer or from the staging place lead to no other call than the one they are for."""

from __future__ import annotations

import json
import logging
import typing as t

import pytest
from target_newstore_stock.errors import ImportJobError
from target_newstore_stock.import_api import NAME_PREFIX, ImportApi
from target_newstore_stock.import_jobs import ImportJobs
from target_newstore_stock.staged_names import NOTE, OwnNames
from target_newstore_stock.staging import Staging

from tests.shop.scripted_http import ScriptedHttp, answer

if t.TYPE_CHECKING:
    from pathlib import Path

    from target_newstore_stock.client import NewStoreClient

IMPORTS = "/v0/d/import"
ODD = ["../../v1/stores", "a/set_fail?", "a#", "a?b=c", "", "a\n", "ä", "%2e%2e", "x" * 101]
#: As a real file of provider `p` and tenant `t` is named.
NAME = "p-t-20260101T000000.000000Z-cut-1-0123456789ab"


@pytest.mark.parametrize("import_id", ODD)
def test_an_id_that_would_lead_elsewhere_is_called_by_nothing(
    client: NewStoreClient, server: ScriptedHttp, import_id: str
) -> None:
    api = ImportApi(client, "p")
    calls: list[t.Callable[[], object]] = [
        lambda: api.start(import_id, "uri"),
        lambda: api.set_fail(import_id, "why"),
        lambda: api.job(import_id),
        lambda: api.find(import_id),
        lambda: api.errors(import_id),
    ]
    for call in calls:
        with pytest.raises(ImportJobError, match="is no import's id") as caught:
            call()
        assert str(caught.value).isprintable()
    assert server.requests == []


def test_a_job_created_with_such_an_id_ends_the_run_at_once(client: NewStoreClient, server: ScriptedHttp) -> None:
    server.answers[IMPORTS] = answer(200, json.dumps({"id": "../../v1/stores"}).encode())
    slept: list[float] = []
    jobs = ImportJobs(client, provider="p", poll_seconds=1, timeout_seconds=60, sleep=slept.append)
    with pytest.raises(ImportJobError, match="is no import's id"):
        jobs.run(NAME_PREFIX + "cut 1", "uri", 1)
    assert {request.line.split()[1] for request in server.requests} == {"/token", IMPORTS}
    assert slept == []


@pytest.mark.parametrize("content", ODD[:5] + ODD[6:])
def test_a_note_without_an_id_is_named_and_left_out(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "target-newstore-stock.staging")
    staging = Staging(str(tmp_path), "uri")
    staging.remember(NAME, "0b5cbd3e-1")
    staging.remember(NAME.replace("-cut-1-", "-cut-2-"), content)
    assert staging.remembered(OwnNames("p", "t")) == {NAME + NOTE: "0b5cbd3e-1"}
    assert "holds no import's id and is left out" in caplog.text
