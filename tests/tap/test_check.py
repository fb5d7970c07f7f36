"""`newstore-event-receiver check`: each bad day is named before a run meets it, and the store stays as it is."""

from __future__ import annotations

import json
import typing as t

import pytest
import sqlalchemy as sa
from tap_newstore_fulfillment.landing.connections import create_engine
from tap_newstore_fulfillment.landing.database import WRITER_LOCK
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.landing.tables import metadata

from tests.shop.newstore import NewStore
from tests.shop.plugin import run_plugin
from tests.shop.receiver import Receiver
from tests.tap.registration import KEY, Operator
from tests.tap.test_looking_after_the_store import keep, released

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.plugin import Finished
    from tests.shop.postgresql import PostgreSql

Rows = dict[str, list[str]]


class Checked(t.NamedTuple):
    """What a check has said: its exit code, the result, and its lines by what they are about."""

    code: int
    result: str
    lines: dict[str, list[dict[str, str]]]

    def only(self, what: str) -> dict[str, str]:
        (line,) = self.lines[what]
        return line


def check(directory: Path, settings: t.Mapping[str, t.Any], *arguments: str) -> Checked:
    """Run the check, and see that every line that is not green says what to do."""
    done = run_check(directory, settings, "--format=json", *arguments)
    said = json.loads(done.output)
    assert said["plugin"] == "tap-newstore-fulfillment"
    assert all(bool(line["to_do"]) == (line["color"] != "green") for line in said["findings"]), said
    lines: dict[str, list[dict[str, str]]] = {}
    for line in said["findings"]:
        lines.setdefault(line["what"], []).append(line)
    return Checked(done.code, said["result"], lines)


def run_check(directory: Path, settings: t.Mapping[str, t.Any], *arguments: str) -> Finished:
    config = directory / "check.json"
    config.write_text(json.dumps(dict(settings)), encoding="utf-8")
    done = run_plugin("newstore-event-receiver", directory, None, "check", f"--config={config}", *arguments)
    assert "Traceback" not in done.log + done.output
    assert "sandbox-secret" not in done.log + done.output
    return done


def contents(url: str) -> Rows:
    """Return every row of every table of a landing store."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {
            name: sorted(map(repr, connection.execute(sa.select(table)))) for name, table in metadata.tables.items()
        }
    engine.dispose()
    return found


def test_all_is_green_and_the_store_stays_as_it_is(database_url: str, tmp_path: Path) -> None:
    store = LandingStore(database_url)
    keep(store, 10, 11, received_at=0)
    store.retention.note(released(store)[1])
    keep(store, 9, 12, received_at=0)
    keep(store, 13)
    store.close()
    before = contents(database_url)
    with Receiver(tmp_path) as receiver:
        found = check(tmp_path, {"landing_url": database_url}, f"--receiver-url={receiver.url}")
    assert (found.code, found.result) == (0, "green"), found.lines
    assert found.only("next run")["said"] == (
        "pipeline reader-1: 2 events would be released since what its last run began with, 1 still settle"
    )
    assert contents(database_url) == before


def test_what_the_check_says_is_released_is_released(database_url: str, tmp_path: Path) -> None:
    store = LandingStore(database_url)
    keep(store, *range(10, 20), received_at=0)
    store.close()
    found = check(tmp_path, {"landing_url": database_url})
    assert found.only("next run")["said"].startswith("10 events would be released of all that is stored, 0 still")
    run = run_plugin("tap-newstore-fulfillment", tmp_path, {"landing_url": database_url})
    assert len(run.records) == 10


def test_before_the_first_event_nothing_is_made(tmp_path: Path) -> None:
    found = check(
        tmp_path, {"landing_url": f"sqlite:///{tmp_path / 'landing.db'}"}, "--receiver-url=http://127.0.0.1:1"
    )
    assert "there is none" in found.only("landing store")["said"]
    assert not (tmp_path / "landing.db").exists()


def test_an_empty_database_is_left_empty(postgresql: PostgreSql, tmp_path: Path) -> None:
    url = postgresql.new_database()
    found = check(tmp_path, {"landing_url": url})
    assert "there is none in this database yet" in found.only("landing store")["said"]
    engine = create_engine(url)
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()


def test_an_address_that_cannot_be_read_is_red_and_shows_no_password(tmp_path: Path) -> None:
    done = run_check(tmp_path, {"landing_url": "postgresql://user:one@hunter2@127.0.0.1:x/db"})
    assert done.code == 2, done.output
    assert "red    configuration: landing_url: not a database's URL" in done.output
    assert "green" not in done.output.replace("0 green", "")
    assert "Traceback" not in done.output
    assert "hunter2" not in done.output


def test_every_missing_setting_is_named(tmp_path: Path) -> None:
    done = run_check(tmp_path, {})
    assert done.code == 2
    assert "red    configuration: 'landing_url' is a required property. Set TAP_NEWSTORE_FULFILLMENT_LANDING_URL" in (
        done.output
    )


def test_a_receiver_that_does_not_answer_is_red(tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        settings, url = {"landing_url": receiver.landing_url}, f"--receiver-url={receiver.url}"
        assert check(tmp_path, settings, url).only("receiver")["color"] == "green"
    found = check(tmp_path, settings, url)
    assert (found.code, found.only("receiver")["color"]) == (1, "red")
    assert "nothing answers at" in found.only("receiver")["said"]
    assert "receiver_api_key: required" in found.only("receiver")["said"]
    assert found.only("receiver")["to_do"] == (
        "Start it: meltano invoke tap-newstore-fulfillment:receive (without Meltano newstore-event-receiver)"
    )


def test_with_a_metrics_port_the_receiver_is_looked_at_there(tmp_path: Path) -> None:
    with Receiver(tmp_path, metrics_port=0) as receiver:
        inside = receiver.process.wait_for(r"/healthz and /metrics on (http://127.0.0.1:\d+)")[1]
        ports = [int(url.rpartition(":")[2]) for url in (receiver.url, inside)]
        settings = {"landing_url": receiver.landing_url, "receiver_port": ports[0]}
        found = check(tmp_path, {**settings, "metrics_port": ports[1]})
        unknown = check(tmp_path, settings)
    assert (found.code, found.only("receiver")["color"]) == (0, "green"), found.lines
    assert found.only("receiver")["said"] == f"it answers at {inside}/healthz"
    assert "answered 404" in unknown.only("receiver")["said"]
    assert "metrics_port" in unknown.only("receiver")["to_do"]
    assert "cannot store events" not in unknown.only("receiver")["said"]


def test_a_store_that_is_down_or_restarted_is_named(own_postgresql: PostgreSql, tmp_path: Path) -> None:
    url = own_postgresql.new_database()
    LandingStore(url).close()
    own_postgresql.stop()
    found = check(tmp_path, {"landing_url": url})
    assert (found.code, found.only("landing store")["color"]) == (1, "red")
    assert "landing_url: cannot open the landing store" in found.only("landing store")["said"]
    own_postgresql.start()
    assert check(tmp_path, {"landing_url": url}).code == 0


def test_who_holds_the_store_is_named(postgresql: PostgreSql, tmp_path: Path) -> None:
    url = postgresql.new_database()
    LandingStore(url).close()
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql("SET application_name = 'somebody'")
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITER_LOCK)))
        found = check(tmp_path, {"landing_url": url})
    engine.dispose()
    assert found.only("landing store")["color"] == "red"
    assert "(somebody) holds it" in found.only("landing store")["said"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"client_secret": "wrong"}, "NewStore gives no token"), ({"api_url": "http://127.0.0.1:1"}, "no answer")],
)
def test_a_newstore_that_cannot_be_asked_is_red(changed: dict[str, str], said: str, tmp_path: Path) -> None:
    with NewStore(tmp_path) as newstore:
        landing = {"landing_url": f"sqlite:///{tmp_path / 'landing.db'}"}
        found = check(tmp_path, {**newstore.client_settings, **landing, **changed})
    assert (found.code, found.only("integration")["color"]) == (1, "red")
    assert said in found.only("integration")["said"]


def test_the_state_of_the_integration_is_said(tmp_path: Path) -> None:
    landing = {"landing_url": f"sqlite:///{tmp_path / 'landing.db'}"}
    with NewStore(tmp_path) as newstore, Receiver(tmp_path, KEY) as receiver:
        operator = Operator(tmp_path, newstore)
        settings, url = {**operator.settings, **landing}, f"--receiver-url={receiver.url}"
        missing = check(tmp_path, settings, url).only("integration")
        operator.succeed("register", f"--callback-url={receiver.events_url}")
        running = check(tmp_path, settings, url).only("integration")
        operator.succeed("stop")
        stopped = check(tmp_path, settings, url).only("integration")
    assert [line["color"] for line in (missing, running, stopped)] == ["red", "green", "red"]
    assert "register" in missing["to_do"]
    assert receiver.events_url in running["said"]
    assert "stopped" in stopped["said"]


def test_refused_bodies_and_another_tenant_are_yellow(tmp_path: Path) -> None:
    with Receiver(tmp_path, tenant="acme") as receiver:
        assert receiver.post({"payload": {"logical_timestamp": 7}}).status_code == 400
        settings = {"landing_url": receiver.landing_url, "tenant": "other"}
        found = check(tmp_path, settings, f"--receiver-url={receiver.url}")
        again = check(tmp_path, settings, f"--receiver-url={receiver.url}")
    assert (found.code, found.only("quarantine")["color"], found.only("tenant")["color"]) == (0, "yellow", "yellow")
    assert again.lines == found.lines


def test_export_files_are_counted(tmp_path: Path) -> None:
    with NewStore(tmp_path) as newstore:
        newstore.add_location("DC01")
        newstore.set_stock("DC01", "SKU-1", 5)
        newstore.sell("DC01", "SKU-1")
        newstore.write_export_files(tmp_path / "files")
    files = {"source": "export_files", "landing_url": f"sqlite:///{tmp_path / 'own.db'}"}
    found = check(tmp_path, {**files, "export_files_url": str(tmp_path / "files")})
    assert (found.code, found.only("export files")["color"]) == (0, "green")
    assert "receiver" not in found.lines
    missing = check(tmp_path, {**files, "export_files_url": str(tmp_path / "nowhere")})
    assert (missing.code, missing.only("export files")["color"]) == (1, "red")


def test_the_store_that_export_files_have_of_their_own_is_made_by_the_first_run(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    settings = {"source": "export_files", "export_files_url": str(tmp_path / "files")}
    config = tmp_path / "check.json"
    config.write_text(json.dumps(settings), encoding="utf-8")
    variables = {"XDG_STATE_HOME": str(tmp_path / "no" / "state")}
    done = run_plugin("newstore-event-receiver", tmp_path, None, "check", f"--config={config}", **variables)
    assert done.code == 0, done.output
    assert "green  landing store: there is none at" in done.output
    assert not (tmp_path / "no").exists()
    assert run_plugin("tap-newstore-fulfillment", tmp_path, settings, **variables).code == 0
    # A directory somebody names is not made, and so it is red.
    settings["landing_url"] = f"sqlite:///{tmp_path / 'nowhere' / 'landing.db'}"
    assert "there is no directory" in check(tmp_path, settings).only("landing store")["said"]


@pytest.mark.parametrize("free", [{"receiver_port": 0}, {"metrics_port": 0}, {"receiver_port": 0, "metrics_port": 0}])
def test_a_receiver_on_a_free_port_is_not_looked_for(free: dict[str, int], tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        settings = {"landing_url": receiver.landing_url, **free}
        found = check(tmp_path, settings)
        assert (found.code, found.only("receiver")["color"]) == (0, "yellow"), found.lines
        assert found.only("receiver")["said"].startswith("not checked: ")
        assert "--receiver-url" in found.only("receiver")["to_do"]
        assert check(tmp_path, settings, f"--receiver-url={receiver.url}").only("receiver")["color"] == "green"
