"""The import API (wire contract, sections 2 and 3), as strict as NewStore."""

from __future__ import annotations

import io
import itertools
import json
import typing as t
import zipfile

import pytest

from tests.shop.newstore import NewStore
from tests.shop.process import wait_until

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

numbers = itertools.count()
Body = dict[str, t.Any]


def a_file(*items: Body, **head: t.Any) -> Body:
    """Return a valid stock file; each key is used once in this module."""
    mapping = [{"fulfillment_node_id": "DC01", "store_id": ""}]
    return {"head": {"store_mapping": mapping, **head}, "items": list(items) or [an_item()]}


def an_item(**changes: t.Any) -> Body:
    return {"fulfillment_node_id": "DC01", "product_id": f"P{next(numbers)}", "quantity": 5, **changes}


def zipped(content: object, member: str = "availabilities.json") -> bytes:
    text = content if isinstance(content, str) else json.dumps(content)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(member, text)
    return buffer.getvalue()


def stage(newstore: NewStore, content: bytes) -> str:
    name = f"{next(numbers)}.zip"
    (newstore.staging / name).write_bytes(content)
    return f"{newstore.url}/staging/{name}"


def a_create(uri: str = "https://files.example/a.zip", **changes: t.Any) -> Body:
    body = {
        "provider": "tests",
        "name": "an import",
        "source_uri": uri,
        "revision": 1_700_000_000_000,
        "entities": ["availabilities"],
        "full": False,
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def run(newstore: NewStore, uri: str, **changes: t.Any) -> Body:
    """Create and start an import; return the job once it has ended."""
    import_id = newstore.call("POST", "/v0/d/import", body=a_create(uri, **changes)).json()["id"]
    started = newstore.call("POST", f"/v0/d/import/{import_id}/start", body={"transformed_uri": uri})
    assert started.status_code == 200
    return ended(newstore, import_id)


def ended(newstore: NewStore, import_id: str) -> Body:
    def look() -> Body | None:
        job: Body = newstore.call("GET", f"/v0/d/import/{import_id}").json()
        return job if job["state"] in ("finished", "failed") else None

    return wait_until(look, "end of the import")


def errors(newstore: NewStore, job: Body) -> list[Body]:
    return t.cast("list[Body]", newstore.call("GET", f"/v0/d/import/{job['import_id']}/errors").json())


def test_a_good_file_is_applied(newstore: NewStore) -> None:
    item = an_item()
    job = run(newstore, stage(newstore, zipped(a_file(item))))
    assert (job["state"], job["reason"]) == ("finished", None)
    assert job.keys() == {
        "import_id",
        "entities",
        "provider",
        "name",
        "source_uri",
        "transformed_uri",
        "revision",
        "received_at",
        "completed_at",
        "state",
        "reason",
        "full",
    }
    assert newstore.on_hand("DC01", item["product_id"]) == 5


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"provider": None}, "provider"),
        ({"source_uri": None}, "source_uri"),
        ({"revision": "1"}, "revision"),
        ({"revision": True}, "revision"),
        ({"entities": None}, "entities"),
        ({"entities": ["products"]}, "entities"),
        ({"full": "no"}, "full"),
        ({"name": 1}, "name"),
        ({"shop": "US"}, "shop"),
    ],
)
def test_a_create_call_outside_the_contract_is_400(newstore: NewStore, changes: Body, field: str) -> None:
    answer = newstore.call("POST", "/v0/d/import", body=a_create(**changes))
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(f"{field}: ")


@pytest.mark.parametrize(
    "changes", [{"name": None}, {"full": None}, {"revision": None}, {"source": "the ERP"}, {"full": None, "name": None}]
)
def test_what_real_integrations_leave_out_or_add_is_taken(newstore: NewStore, changes: Body) -> None:
    item = an_item()
    job = run(newstore, stage(newstore, zipped(a_file(item))), **changes)
    assert (job["state"], job["full"]) == ("finished", False)
    assert newstore.on_hand("DC01", item["product_id"]) == 5


@pytest.mark.parametrize("member", ["availabilities-20250304T091502.json", "availabilities_1.json"])
def test_the_member_of_the_zip_may_have_a_time_in_its_name(newstore: NewStore, member: str) -> None:
    item = an_item()
    assert run(newstore, stage(newstore, zipped(a_file(item), member)))["state"] == "finished"
    assert newstore.on_hand("DC01", item["product_id"]) == 5


def test_a_job_of_several_entities_brings_their_members_too(newstore: NewStore) -> None:
    item = an_item()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("products.json", "[]")
        archive.writestr("availabilities.json", json.dumps(a_file(item)))
    both = ["products", "availabilities"]
    job = run(newstore, stage(newstore, buffer.getvalue()), entities=both)
    assert (job["state"], job["entities"]) == ("finished", both)
    assert newstore.on_hand("DC01", item["product_id"]) == 5
    assert run(newstore, stage(newstore, buffer.getvalue()))["state"] == "failed"


def test_another_importer_may_start_a_job_first(newstore: NewStore) -> None:
    newstore.set_faults(starts_received_jobs=True)
    item = an_item()
    uri = stage(newstore, zipped(a_file(item)))
    import_id = newstore.call("POST", "/v0/d/import", body=a_create(uri)).json()["id"]
    newstore.set_faults(starts_received_jobs=False)
    assert ended(newstore, import_id)["state"] == "finished"
    started = newstore.call("POST", f"/v0/d/import/{import_id}/start", body={"transformed_uri": uri})
    assert (started.status_code, newstore.on_hand("DC01", item["product_id"])) == (409, 5)


def test_only_a_received_job_can_be_started(newstore: NewStore) -> None:
    job = run(newstore, stage(newstore, zipped(a_file())))
    body = {"transformed_uri": job["source_uri"]}
    assert newstore.call("POST", f"/v0/d/import/{job['import_id']}/start", body=body).status_code == 409


def test_a_start_needs_the_transformed_uri(newstore: NewStore) -> None:
    import_id = newstore.call("POST", "/v0/d/import", body=a_create()).json()["id"]
    assert newstore.call("POST", f"/v0/d/import/{import_id}/start", body={}).status_code == 400


def test_a_received_job_can_be_failed_from_outside(newstore: NewStore) -> None:
    import_id = newstore.call("POST", "/v0/d/import", body=a_create()).json()["id"]
    newstore.call("POST", f"/v0/d/import/{import_id}/set_fail", body={"reason": "given up"})
    job = newstore.call("GET", f"/v0/d/import/{import_id}").json()
    assert (job["state"], job["reason"]) == ("failed", "given up")
    again = newstore.call("POST", f"/v0/d/import/{import_id}/set_fail", body={"reason": "again"})
    assert again.status_code == 409


def test_jobs_are_listed_by_state_with_their_import_id(newstore: NewStore) -> None:
    import_id = newstore.call("POST", "/v0/d/import", body=a_create()).json()["id"]
    received = newstore.call("GET", "/v0/d/import?filter[state]=received").json()["items"]
    assert import_id in [job["import_id"] for job in received]
    assert all(job["state"] == "received" and "id" not in job for job in received)


def test_an_unknown_job_is_404(newstore: NewStore) -> None:
    assert newstore.call("GET", "/v0/d/import/none").status_code == 404


def test_a_full_import_fails(newstore: NewStore) -> None:
    job = run(newstore, stage(newstore, zipped(a_file())), full=True)
    assert (job["state"], job["reason"]) == ("failed", "full imports are not supported for availabilities")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"not a zip", "the file is not a zip"),
        (zipped(a_file(), member="stock.json"), "the zip must have one member, availabilities.json"),
        (zipped("{"), "availabilities.json is not JSON"),
        (zipped(a_file(completed_fulfillment_requests={"logical_timestamp_start": 2, "logical_timestamp_end": 1})),
         "completed_fulfillment_requests ends before it starts"),
        (zipped(a_file(an_item(product_id="twice"), an_item(product_id="twice"))), "product twice"),
        (zipped(a_file(an_item(fulfillment_node_id="NYC1"))), "nodes that head.store_mapping does not"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_fails_the_job(newstore: NewStore, content: bytes, reason: str) -> None:
    job = run(newstore, stage(newstore, content))
    assert job["state"] == "failed"
    assert reason in job["reason"]


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ({"items": []}, "$"),
        ({"head": {}, "items": []}, "$.head"),
        (a_file(mode="on_hand"), "$.head.mode"),
        (a_file(note="x"), "$.head"),
        (a_file(completed_fulfillment_requests={"logical_timestamp_start": 1}), "completed_fulfillment_requests"),
        (a_file(completed_fulfillment_requests={"logical_timestamp_start": 1, "logical_timestamp_end": 2**63}), "end"),
        (a_file(an_item(quantity=-1)), "$.items[0].quantity"),
        (a_file(an_item(), an_item(quantity=1.5)), "$.items[1].quantity"),
        (a_file(an_item(quantity=17.0)), "$.items[0].quantity"),
        (a_file(an_item(quantity=True)), "$.items[0].quantity"),
        (a_file(an_item(quantity="17")), "$.items[0].quantity"),
        (a_file(an_item(product_id="x" * 256)), "$.items[0].product_id"),
        (a_file(an_item(product_id="")), "$.items[0].product_id"),
        (a_file(an_item(product_id="50%")), "$.items[0].product_id"),
        (a_file(an_item(product_id="a=b")), "$.items[0].product_id"),
        (a_file(an_item(colour="red")), "$.items[0]"),
    ],
)
def test_a_file_that_violates_the_schema_fails_the_job_with_the_places(
    newstore: NewStore, file: Body, path: str
) -> None:
    job = run(newstore, stage(newstore, zipped(file)))
    assert (job["state"], job["reason"]) == ("failed", "the stock file does not fit the schema")
    assert any(path in row["reason"] for row in errors(newstore, job))


def test_a_failed_job_changes_nothing(newstore: NewStore) -> None:
    good = an_item()
    run(newstore, stage(newstore, zipped(a_file(good, an_item(quantity=-1)))))
    assert good["product_id"] not in {row["product_id"] for row in newstore.truth()["keys"]}


@pytest.mark.parametrize("uri", ["http://files.example/a.zip", "ftp://127.0.0.1/a.zip", "/tmp/a.zip"])
def test_a_link_newstore_cannot_fetch_fails_the_job(newstore: NewStore, uri: str) -> None:
    job = run(newstore, uri)
    assert job["state"] == "failed"
    assert job["reason"].startswith("transformed_uri")


def test_a_missing_file_fails_the_job(newstore: NewStore) -> None:
    job = run(newstore, f"{newstore.url}/staging/none.zip")
    assert (job["state"], job["reason"]) == ("failed", "transformed_uri could not be fetched: status 404")


def test_an_import_creates_an_unknown_location_permanently(newstore: NewStore) -> None:
    def import_as(store_id: str) -> Body:
        mapping = [{"fulfillment_node_id": "NEW1", "store_id": store_id}]
        item = an_item(fulfillment_node_id="NEW1")
        return run(newstore, stage(newstore, zipped({"head": {"store_mapping": mapping}, "items": [item]})))

    assert import_as("NEW1")["state"] == "finished"
    known = {row["id"]: row["type"] for row in newstore.call("GET", "/v0/locations").json()["locations"]}
    assert known["NEW1"] == "store"
    assert import_as("")["state"] == "failed"


def test_a_store_mastered_by_newstore_is_not_imported(newstore: NewStore) -> None:
    newstore.add_location("LON1", "store", is_inventory_master=True)
    mapping = [{"fulfillment_node_id": "LON1", "store_id": "LON1"}]
    content = {"head": {"store_mapping": mapping}, "items": [an_item(fulfillment_node_id="LON1")]}
    assert run(newstore, stage(newstore, zipped(content)))["state"] == "failed"


def test_a_fault_fails_one_job(newstore: NewStore) -> None:
    newstore.set_faults(fail_next_import="on purpose", next_import_errors=["row 1"])
    job = run(newstore, stage(newstore, zipped(a_file())))
    assert (job["state"], job["reason"]) == ("failed", "on purpose")
    assert [row["reason"] for row in errors(newstore, job)] == ["row 1"]
    assert run(newstore, stage(newstore, zipped(a_file())))["state"] == "finished"


@pytest.fixture
def full_newstore(tmp_path: Path) -> Iterator[NewStore]:
    """A NewStore with as many open jobs as it allows."""
    with NewStore(tmp_path, import_seconds=0) as newstore:
        for _ in range(20):
            assert newstore.call("POST", "/v0/d/import", body=a_create()).status_code == 200
        yield newstore


def test_more_than_twenty_open_jobs_are_429(full_newstore: NewStore) -> None:
    assert full_newstore.call("POST", "/v0/d/import", body=a_create()).status_code == 429
    assert len(full_newstore.imports()) == 20


def test_a_429_may_create_the_job_anyway(full_newstore: NewStore) -> None:
    full_newstore.set_faults(create_429_leaves_job=True)
    assert full_newstore.call("POST", "/v0/d/import", body=a_create()).status_code == 429
    assert len(full_newstore.imports()) == 21


def test_a_failed_job_frees_its_slot(full_newstore: NewStore) -> None:
    import_id = full_newstore.imports()[0]["import_id"]
    full_newstore.call("POST", f"/v0/d/import/{import_id}/set_fail", body={"reason": "given up"})
    assert full_newstore.call("POST", "/v0/d/import", body=a_create()).status_code == 200
