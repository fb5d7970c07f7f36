"""`newstore-event-receiver audit`: what was answered 200 and is gone is found, named and taken, late."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import typing as t

import pytest
from tap_newstore_fulfillment.landing.audits import Period
from tap_newstore_fulfillment.landing.releases import Arrival
from tap_newstore_fulfillment.receiver.audit_report import AuditReport

from tests.shop.auditor import Auditor
from tests.shop.forgetful_proxy import ForgetfulProxy
from tests.shop.process import wait_until
from tests.shop.warm_start import Forks
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.shop.newstore import NewStore

OURS = "newstore-stock-sync"


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as forks:
        yield forks


@pytest.fixture
def auditor(tmp_path: Path, newstore: NewStore, forks: Forks) -> Iterator[Auditor]:
    """A registered receiver on SQLite."""
    with Auditor(tmp_path, newstore, f"sqlite:///{tmp_path / 'landing.db'}", forks) as auditor:
        auditor.register()
        yield auditor


def test_what_is_gone_is_found_named_and_released_as_late(
    tmp_path: Path, newstore: NewStore, database_url: str, forks: Forks
) -> None:
    with Auditor(tmp_path, newstore, database_url, forks) as auditor:
        auditor.register()
        sold = auditor.sell(4)
        assert auditor.release() == sold
        auditor.lose(2, 4, 5)
        report = auditor.audit(code=1)
        assert (report["delivered"], report["lost"], report["missing"]) == (8, 3, 0)
        assert (report["lowest_logical_timestamp"], report["highest_logical_timestamp"]) == (2, 5)
        assert [name.rpartition(":")[2] for name in report["events"]] == ["2", "4", "5"]
        # Two of them are completions of one unit each.
        assert report["units"] == 2
        assert 0 < report["unit_minutes"] < 2
        assert auditor.kept() == sold
        assert auditor.integrations() == [OURS]
        assert auditor.release() == [2, 4, 5]
        again = auditor.audit(code=0)
        assert (again["delivered"], again["lost"]) == (8, 0)
        assert auditor.release() == []
        assert auditor.execute("SELECT count(*) FROM audited_event") == [(0,)]


def test_people_read_what_was_found(auditor: Auditor) -> None:
    auditor.sell(2)
    auditor.lose(3)
    found = auditor.call("audit", "--quiet-seconds=0")
    assert "Lost, and taken now: 1, logical timestamps 3 to 3" in found.output
    assert "fulfillment_request.assigned:" in found.output
    assert "order" not in found.output
    assert "Nothing had been lost" in auditor.call("audit", "--quiet-seconds=0").output


def test_events_that_come_live_meanwhile_were_not_lost(auditor: Auditor) -> None:
    auditor.sell(2)
    with auditor.start_audit("--quiet-seconds=1") as audit:
        wait_until(lambda: len(auditor.integrations()) > 1, "integration of the audit")
        auditor.sell(2)
        assert audit.wait() == 0, audit.output
    assert auditor.kept() == list(range(1, 9))


def test_what_may_still_be_on_its_way_is_not_asked_for(tmp_path: Path, newstore: NewStore, forks: Forks) -> None:
    url = f"sqlite:///{tmp_path / 'landing.db'}"
    with Auditor(tmp_path, newstore, url, forks, settle_seconds=900) as auditor:
        auditor.register()
        auditor.sell(2)
        auditor.lose(3)
        done = auditor.call("audit", "--quiet-seconds=0")
        assert (done.code, "nothing came, and no event is known" in done.log) == (3, True), done.log
        assert auditor.kept() == [1, 2, 4]


def test_it_begins_where_the_last_whole_audit_ended(auditor: Auditor) -> None:
    auditor.sell(1)
    first = auditor.audit(code=0)
    auditor.execute("UPDATE audit SET ends_at = ends_at - 7 * 86400000")
    second = auditor.audit("--hours=1", code=0)
    assert second["starts_at"][:10] < first["starts_at"][:10]
    third = auditor.audit("--hours=1", code=0)
    ended, began = (dt.datetime.fromisoformat(moment) for moment in (second["ends_at"], third["starts_at"]))
    assert ended - began <= dt.timedelta(hours=1)


def test_two_audits_at_once_find_each_lost_event_and_leave_nothing(auditor: Auditor) -> None:
    auditor.sell(6)
    auditor.lose(3, 4, 9)
    # On a busy machine the deliveries of two come with gaps.
    quiet = "--quiet-seconds=4"
    with auditor.start_audit(quiet, name="one") as one, auditor.start_audit(quiet, name="two") as two:
        codes = one.wait(), two.wait()
    lost = [json.loads(audit.output.splitlines()[-1])["lost"] for audit in (one, two)]
    assert sum(lost) >= 3
    assert sorted(codes) in ([0, 1], [1, 1])
    assert auditor.kept() == list(range(1, 13))
    assert auditor.integrations() == [OURS]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_no_integration(auditor: Auditor, number: int, code: int) -> None:
    auditor.newstore.pause_delivery()
    with auditor.start_audit() as audit:
        wait_until(lambda: len(auditor.integrations()) > 1, "integration of the audit")
        os.kill(audit.pid, number)
        assert audit.wait() == code, audit.output
    assert auditor.integrations() == [OURS]
    assert auditor.execute("SELECT is_whole FROM audit") == [(0,)]


def test_what_a_killed_audit_left_is_deleted_by_the_next(auditor: Auditor) -> None:
    auditor.sell(2)
    auditor.newstore.pause_delivery()
    with auditor.start_audit() as killed:
        wait_until(lambda: len(auditor.integrations()) > 1, "integration of the audit")
        killed.kill()
    auditor.newstore.resume_delivery()
    # As if a minute had gone by.
    auditor.execute("UPDATE audit SET beat_at = beat_at - 60000")
    auditor.audit(code=0)
    assert auditor.integrations() == [OURS]
    assert auditor.execute("SELECT count(*) FROM audit WHERE ended_at IS NULL") == [(0,)]


def test_an_integration_whose_audit_the_store_has_forgotten_is_deleted(auditor: Auditor) -> None:
    auditor.sell(1)
    auditor.newstore.pause_delivery()
    with auditor.start_audit() as killed:
        wait_until(lambda: len(auditor.integrations()) > 1, "integration of the audit")
        killed.kill()
    auditor.newstore.resume_delivery()
    auditor.execute("DELETE FROM audit")
    auditor.audit(code=0)
    assert auditor.integrations() == [OURS]


def test_not_done_in_time_is_no_audit(auditor: Auditor) -> None:
    auditor.sell(2)
    auditor.newstore.pause_delivery()
    done = auditor.call("audit", "--quiet-seconds=0", "--wait-minutes=0.02")
    assert (done.code, "NewStore was not done in time" in done.log) == (3, True), done.log
    assert auditor.integrations() == [OURS]
    auditor.newstore.resume_delivery()
    assert auditor.execute("SELECT is_whole FROM audit") == [(0,)]


def test_a_path_that_forgets_now_and_then_is_asked_once_more(auditor: Auditor) -> None:
    auditor.sell(4)
    auditor.lose(3)
    # The lost one and a known one.
    still = [3, 4]

    def forgets_each_once(at: int, is_audit: bool) -> bool:
        if is_audit and at in still:
            still.remove(at)
            return True
        return False

    with ForgetfulProxy(auditor.receiver.url) as proxy:
        proxy.forgets = forgets_each_once
        report = auditor.audit("--callback-url", proxy.events_url, code=1)
    assert (report["lost"], report["missing"], report["whole"]) == (1, 0, True)
    assert auditor.kept() == list(range(1, 9))


def test_a_path_that_forgets_everything_is_no_audit(auditor: Auditor) -> None:
    auditor.sell(2)
    auditor.lose(3)
    with ForgetfulProxy(auditor.receiver.url) as proxy:
        proxy.forgets = lambda _at, is_audit: is_audit
        done = auditor.call("audit", "--quiet-seconds=0", "--callback-url", proxy.events_url)
    assert done.code == 3
    assert "3 did not come again" in done.log
    assert auditor.integrations() == [OURS]
    assert auditor.execute("SELECT max(is_whole) FROM audit") == [(0,)]


def test_a_path_that_has_forgotten_everything_since_the_last_audit_is_noticed(auditor: Auditor) -> None:
    auditor.sell(2)
    auditor.audit(code=0)
    with ForgetfulProxy(auditor.receiver.url) as proxy:
        proxy.forgets = lambda _at, _is_audit: True
        assert auditor.call("update", "--callback-url", proxy.events_url).code == 0
        auditor.sell(2)
        auditor.execute("UPDATE audit SET ends_at = ends_at + 3600000")
        done = auditor.call("audit", "--quiet-seconds=0", "--hours=0.00001")
        assert (done.code, "did not come again" in done.log) == (3, True), done.log
        proxy.forgets = lambda _at, _is_audit: False
        assert auditor.audit(code=1)["lost"] == 4


def test_a_newstore_that_does_not_answer_is_no_audit(auditor: Auditor) -> None:
    auditor.settings["api_url"] = "http://127.0.0.1:9"
    done = auditor.call("audit")
    assert (done.code, "no answer" in done.log) == (3, True), done.log


@pytest.mark.parametrize("status", [401, 403])
def test_an_audit_whose_token_is_revoked_goes_on_and_deletes_its_integration(auditor: Auditor, status: int) -> None:
    lost = auditor.sell(1)
    auditor.lose(*lost)
    for method, path in (("POST", ""), ("GET", "/stock-audit-*"), ("DELETE", "/stock-audit-*")):
        revoked = {"method": method, "path": f"/api/v1/org/integrations/eventstream{path}", "status": status}
        auditor.newstore.set_faults(calls=[revoked])
        assert auditor.audit(code=1)["lost"] == 2
        assert auditor.integrations() == [OURS]
        auditor.lose(*lost)


def test_where_the_receiver_is_must_be_known(tmp_path: Path, newstore: NewStore, forks: Forks) -> None:
    with Auditor(tmp_path, newstore, f"sqlite:///{tmp_path / 'landing.db'}", forks) as auditor:
        done = auditor.call("audit")
        assert (done.code, "audit_callback_url" in done.log) == (2, True), done.log
        auditor.settings["audit_callback_url"] = auditor.receiver.events_url
        auditor.newstore.sell("DC01", "A")
        assert auditor.audit(code=1)["lost"] == 2


def test_refused_bodies_are_kept_once_however_often_they_come_for_audits(auditor: Auditor) -> None:
    body = an_event(7, items=None)
    auditor.execute(
        "INSERT INTO audit (integration_id, starts_at, ends_at, position, beat_at) VALUES ('one', 0, 1, 0, 0)"
    )
    for _ in range(3):
        assert auditor.receiver.post(body, path="/events?audit=one").status_code == 400
    assert auditor.execute("SELECT holes FROM quarantine") == [("[[7, 7]]",)]
    # It was not known when it first came.
    assert auditor.execute("SELECT was_known FROM audited_event") == [(0,)]


def test_a_refused_body_that_somebody_discarded_is_known_to_the_next_audit(auditor: Auditor) -> None:
    auditor.execute(
        "INSERT INTO audit (integration_id, starts_at, ends_at, position, beat_at)"
        " VALUES ('one', 0, 1, 0, 0), ('two', 0, 1, 0, 0)"
    )
    for audit in ("one", "two"):
        for body in (an_event(7, items=None), b"no event"):
            assert auditor.receiver.post(body, path=f"/events?audit={audit}").status_code == 400
        assert auditor.call("quarantine", "list").output.count("refused") == 2 * (audit == "one")
        auditor.call("quarantine", "discard", "1", "2")
    assert auditor.execute("SELECT was_known FROM audited_event ORDER BY number") == [(0,), (0,), (1,), (1,)]


def test_what_an_audit_found_and_set_aside_was_not_taken() -> None:
    report = AuditReport(Period(0, 1))
    report.add([Arrival("refused:1", "", 0, 0, ""), Arrival("an-event", "", 8, 0, "{}")], 0.0)
    assert (report.to_dict()["lost"], report.to_dict()["set_aside"]) == (2, 1)
    assert report.lines()[1:3] == [
        "Lost, and taken now: 1, logical timestamps 8 to 8",
        "Lost, and set aside now: 1; newstore-event-receiver quarantine list shows them",
    ]


def test_what_comes_for_an_audit_that_has_ended_counts_among_what_it_found(auditor: Auditor) -> None:
    """It was called off, or NewStore was slow to deliver; nobody else can tell that this had been lost."""
    auditor.execute(
        "INSERT INTO audit (integration_id, starts_at, ends_at, position, beat_at, ended_at, is_whole, lost)"
        " VALUES ('one', 0, 1, 0, 0, 1, 1, 2), ('other', 0, 1, 0, 0, 1, 1, 5)"
    )
    assert auditor.receiver.post(an_event(6)).status_code == 200
    for body, status in ((an_event(6), 200), (an_event(7), 200), (an_event(8, items=None), 400)) * 2:
        assert auditor.receiver.post(body, path="/events?audit=one").status_code == status
    assert auditor.execute("SELECT lost FROM audit ORDER BY lost") == [(4,), (5,)]
    assert auditor.execute("SELECT count(*) FROM audited_event") == [(0,)]


def test_deliveries_for_an_audit_nobody_knows_are_ordinary_ones(auditor: Auditor) -> None:
    assert auditor.receiver.post(an_event(7), path="/events?audit=nobody").status_code == 200
    assert auditor.receiver.post(an_event(8), path="/events?audit=Not%20an%20id").status_code == 200
    assert auditor.kept() == [7, 8]
    assert auditor.execute("SELECT count(*) FROM audited_event") == [(0,)]
