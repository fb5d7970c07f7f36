"""Legal answers of NewStore that look otherwise: other people's jobs, lists of errors, locations, numbers."""

from __future__ import annotations

import json
import typing as t

import pytest
from target_newstore_stock.atp import AtpReader
from target_newstore_stock.errors import ApiError
from target_newstore_stock.import_api import NAME_PREFIX, ImportApi
from target_newstore_stock.locations import read_locations

from tests.shop.scripted_http import ScriptedHttp, answer

if t.TYPE_CHECKING:
    from target_newstore_stock.client import NewStoreClient

LIST = "/v0/d/import?filter%5Bstate%5D="
ERRORS = "/v0/d/import/1/errors"
OURS = {"import_id": "1", "state": "received", "provider": "ours", "name": NAME_PREFIX + "cut 1"}
THEIRS = {"import_id": "2", "state": "received", "provider": "theirs", "name": "nightly"}
ROW = {"reason": "no", "entity_id": "A"}


@pytest.fixture
def api(client: NewStoreClient) -> ImportApi:
    return ImportApi(client, "ours")


def listing(server: ScriptedHttp, *jobs: object) -> None:
    for state in ("received", "waiting", "running"):
        server.answers[LIST + state] = answer(200, json.dumps({"items": jobs if state == "received" else []}).encode())


@pytest.mark.parametrize(
    "theirs",
    [
        {**THEIRS, "name": 5},
        {**THEIRS, "provider": 5},
        {**THEIRS, "reason": {"code": 7}},
        {**THEIRS, "source_uri": ["a", "b"]},
        {**THEIRS, "import_id": 5},
        {"id": "2", "provider": "theirs"},
        None,
    ],
)
def test_a_job_of_somebody_else_may_have_any_form(api: ImportApi, server: ScriptedHttp, theirs: object) -> None:
    listing(server, theirs, OURS)
    assert [job.import_id for job in api.own_open_jobs()] == ["1"]
    assert api.received(NAME_PREFIX + "cut 1") == ["1"]


def test_a_job_of_ours_that_cannot_be_read_is_an_error(api: ImportApi, server: ScriptedHttp) -> None:
    listing(server, {**OURS, "import_id": 5})
    with pytest.raises(ApiError, match="not an answer of the import API"):
        list(api.own_open_jobs())


def test_a_reason_that_is_no_text_is_shown(api: ImportApi, server: ScriptedHttp) -> None:
    job = {**OURS, "state": "failed", "reason": {"code": 7}, "transformed_uri": None}
    server.answers["/v0/d/import/1"] = answer(200, json.dumps(job).encode())
    assert "7" in (api.job("1").reason or "")


@pytest.mark.adapter_mistake("never read a job's result")
@pytest.mark.parametrize(
    "said",
    [
        [ROW],
        {"items": [ROW]},
        {"errors": [ROW]},
        {"results": [ROW]},
        {"total": 1, "import_errors": [ROW]},
        {"items": [], "rejected": [ROW]},
        ROW,
    ],
)
def test_errors_are_found_whatever_they_are_listed_under(api: ImportApi, server: ScriptedHttp, said: object) -> None:
    server.answers[ERRORS] = answer(200, json.dumps(said).encode())
    assert [(error.reason, error.entity_id) for error in api.errors("1")] == [("no", "A")]


@pytest.mark.parametrize("said", [[], {}, None, {"items": []}, {"errors": None}, {"total": 0, "results": []}])
def test_no_errors_are_none_in_every_form(api: ImportApi, server: ScriptedHttp, said: object) -> None:
    server.answers[ERRORS] = answer(200, json.dumps(said).encode())
    assert api.errors("1") == []


def test_a_location_may_have_a_number_for_an_id_and_null_for_what_does_not_apply(
    client: NewStoreClient, server: ScriptedHttp
) -> None:
    rows = [
        {"id": 100, "type": "dc", "is_inventory_master": None, "is_enabled": None},
        {"id": "NYC1", "type": "store", "is_inventory_master": True},
    ]
    server.answers["/v0/locations"] = answer(200, json.dumps({"locations": rows}).encode())
    known = read_locations(client)
    assert {name: (place.type, bool(place.is_inventory_master)) for name, place in known.items()} == {
        "100": ("dc", False),
        "NYC1": ("store", True),
    }


def test_an_atp_of_null_is_none(client: NewStoreClient, server: ScriptedHttp) -> None:
    rows = [
        {"product_id": "A", "fulfillment_node_id": "DC01", "atp": None},
        {"product_id": 12, "fulfillment_node_id": "DC01", "atp": 3},
    ]
    server.answers["/v0/availabilities"] = answer(200, json.dumps({"items": rows}).encode())
    assert AtpReader(client)([("DC01", "A"), ("DC01", "12")]) == {("DC01", "12"): 3}
