"""The project as Meltano runs it: the demos, and single jobs and commands.

All runs of Meltano are in this file, because a file's tests run one after the other: in one
Meltano project, two runs of a plugin at once get in each other's way.
"""

from __future__ import annotations

import copy
import datetime as dt
import io
import json
import os
import re
import subprocess
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from rich.console import Console
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.receiver.app import MAX_BODY_BYTES

from tests.dbt.project import Dbt
from tests.documentation.plugins import meltano_project
from tests.end_to_end.demo import Story, sandbox_settings
from tests.end_to_end.demo_erp import Day
from tests.end_to_end.meltano_job import PROJECT
from tests.mapper.shop_day import ShopDay
from tests.mapper.shop_day import completed as mapper_sees
from tests.shop.erp import Erp
from tests.shop.newstore import NewStore
from tests.shop.pipeline import Pipeline
from tests.shop.process import Process, command, environment, wait_until
from tests.shop.receiver import Receiver
from tests.tap.events import ASSIGNED, an_event

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.shop.postgresql import PostgreSql


def test_the_demo_ends_with_the_right_numbers(tmp_path: Path) -> None:
    told = io.StringIO()
    assert Story(tmp_path / "demo", Console(file=told, width=120)).tell(), told.getvalue()


def test_the_demo_notices_a_wrong_number(tmp_path: Path) -> None:
    told = io.StringIO()
    story = Story(tmp_path / "demo", Console(file=told, width=120))
    story.erp_quantity_at_the_end = 18
    assert not story.tell()
    assert "wrong: after run 2" in told.getvalue()


def test_a_day_ends_with_erp_ledger_and_newstore_equal(tmp_path: Path) -> None:
    told = io.StringIO()
    day = Day(tmp_path / "day", Console(file=told, width=120), ("morning", "delivery", "count", "evening"))
    assert day.live(), told.getvalue()
    assert "equal to the unit in 600 keys" in told.getvalue()
    # It books in any order, and so the highest timestamp booked says too much: until all is booked.
    assert day.sold_twice[0] > 0
    assert day.sold_twice[-1] == 0
    assert "Keys that differ from NewStore" in day.page.read_text(encoding="utf-8")


def test_a_day_notices_a_wrong_number(tmp_path: Path) -> None:
    told = io.StringIO()
    day = Day(tmp_path / "day", Console(file=told, width=120), ("delivery", "evening"))
    day.units_lost_by_the_erp = 1
    assert not day.live()
    assert "wrong: LON1/SKU-200" in told.getvalue()


def test_an_audit_is_a_job_that_fails_when_something_had_been_lost(tmp_path: Path) -> None:
    landing = tmp_path / "landing.db"
    with NewStore(tmp_path) as newstore, Receiver(tmp_path) as receiver:
        newstore.add_location("DC01")
        newstore.sell("DC01", "A")
        variables = {
            "MELTANO_ENVIRONMENT": "sandbox",
            "MELTANO_DATABASE_URI": f"sqlite:///{tmp_path / 'meltano.db'}",
            "TAP_NEWSTORE_FULFILLMENT_LANDING_URL": f"sqlite:///{landing}",
            "TAP_NEWSTORE_FULFILLMENT_AUDIT_CALLBACK_URL": receiver.events_url,
            "TAP_NEWSTORE_FULFILLMENT_API_URL": newstore.url,
            "TAP_NEWSTORE_FULFILLMENT_AUTH_URL": newstore.token_url,
        }
        # Nothing has been delivered yet: all there is was lost.
        codes = [
            subprocess.run(
                [command("meltano"), "run", "newstore-event-audit"],
                cwd=PROJECT,
                env=environment(**variables),
                check=False,
            ).returncode
            for _ in range(2)
        ]
    assert codes == [1, 0]
    store = LandingStore(f"sqlite:///{landing}")
    assert store.audit_figures().lost == 2
    store.close()


def test_the_receiver_runs_as_a_command_of_the_tap(tmp_path: Path) -> None:
    variables = {
        "TAP_NEWSTORE_FULFILLMENT_LANDING_URL": f"sqlite:///{tmp_path / 'landing.db'}",
        "TAP_NEWSTORE_FULFILLMENT_RECEIVER_PORT": "0",
        "MELTANO_DATABASE_URI": f"sqlite:///{tmp_path / 'meltano.db'}",
        "MELTANO_PROJECT_ROOT": str(PROJECT),
    }
    receive = [command("meltano"), "invoke", "tap-newstore-fulfillment:receive"]
    with Process(receive, tmp_path / "log", variables) as receiver:
        receiver.wait_for(r"newstore-event-receiver listening on http://127.0.0.1:\d+")


def test_dagster_loads_and_runs_the_project_of_the_docs(tmp_path: Path) -> None:
    run = scheduled(tmp_path, "dagster~=1.13.0", "dagster_run.py", "dagster_project.py", DAGSTER_HOME=str(tmp_path))
    assert "meltano run no-such-job ended with 1" in run.stderr


def test_airflow_loads_and_runs_the_dag_of_the_docs(tmp_path: Path) -> None:
    run = scheduled(
        tmp_path,
        "apache-airflow~=3.1.0",
        "airflow_run.py",
        "airflow_dag.py",
        set_up=("airflow", "db", "migrate"),
        AIRFLOW_HOME=str(tmp_path / "airflow"),
        AIRFLOW__CORE__DAGS_FOLDER=str(PROJECT / "docs" / "schedulers"),
        AIRFLOW__CORE__LOAD_EXAMPLES="false",
        PYTHONDONTWRITEBYTECODE="1",
    )
    assert "Bash command failed" in run.stdout + run.stderr


def scheduled(
    directory: Path, package: str, script: str, example: str, *, set_up: tuple[str, ...] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a scheduler's example twice, the second time with an unknown job.

    The scheduler is installed in its own environment, as the page recommends.
    """
    binaries = directory / "venv" / "bin"
    python = str(binaries / "python")
    for arguments in (
        ("venv", "--quiet", str(directory / "venv")),
        ("pip", "install", "--quiet", "--python", python, package),
    ):
        subprocess.run([command("uv"), *arguments], env=environment(), check=True)
    with Receiver(directory) as receiver, NewStore(directory, webhook_url=receiver.events_url) as newstore:
        erp = Erp(directory / "on_hand.csv")
        newstore.add_location("DC01")
        newstore.set_stock("DC01", "SKU-1", 10)
        erp.count("DC01", "SKU-1", 10)
        newstore.sell("DC01", "SKU-1")
        newstore.wait_for_delivery()
        here = environment(
            **sandbox_settings(directory, newstore, erp),
            PATH=f"{Path(command('meltano')).parent}:{os.environ['PATH']}",
            MELTANO_PROJECT_ROOT=str(PROJECT),
            NEWSTORE_JOB="newstore-stock-sync",
            **variables,
        )
        if set_up:
            subprocess.run([binaries / set_up[0], *set_up[1:]], env=here, capture_output=True, check=True)
        run = subprocess.run(
            [python, PROJECT / "tests" / "shop" / script, PROJECT / "docs" / "schedulers" / example],
            env=here,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        said = json.loads(run.stdout.splitlines()[-1])
        assert said == {"cron": "*/10 * * * *", "succeeded": [True, False]}, run.stderr
        assert newstore.on_hand("DC01", "SKU-1") == 9
        return run


def test_settings_reach_the_plugin_from_the_environment(tmp_path: Path) -> None:
    run = subprocess.run(
        [command("meltano"), "--environment=production", "config", "print", "target-newstore-stock"],
        cwd=PROJECT,
        env=environment(
            MELTANO_DATABASE_URI=f"sqlite:///{tmp_path / 'meltano.db'}",
            TARGET_NEWSTORE_STOCK_TENANT="acme",
            TARGET_NEWSTORE_STOCK_POLL_SECONDS="7",
            TARGET_NEWSTORE_STOCK_STORE_MAPPING='{"DC.01": ""}',
        ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    settings = json.loads(run.stdout)
    # As text: Meltano would end with a traceback where it is no number, and drop a name with a dot.
    assert (settings["tenant"], settings["poll_seconds"]) == ("acme", "7")
    assert settings["store_mapping"] == '{"DC.01": ""}'


def test_the_plugins_of_a_second_tenant_have_their_own_variables(tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "schedulers.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(plugins:\n.*?)```", page, re.DOTALL)
    both = copy.deepcopy(meltano_project())
    for kind, plugins in yaml.safe_load(example)["plugins"].items():
        both["plugins"][kind] += plugins
    (tmp_path / "meltano.yml").write_text(yaml.safe_dump(both), encoding="utf-8")
    printed = subprocess.run(
        [command("meltano"), "--environment=production", "config", "print", "target-newstore-stock--uk"],
        cwd=tmp_path,
        env=environment(TARGET_NEWSTORE_STOCK_TENANT="acme-us", TARGET_NEWSTORE_STOCK__UK_TENANT="acme-uk"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert printed.returncode == 0, printed.stderr
    assert json.loads(printed.stdout)["tenant"] == "acme-uk"


def run_meltano(directory: Path, *arguments: str, **variables: str) -> None:
    """Run Meltano without this environment's settings, and with a separate system database."""
    run = subprocess.run(
        [command("meltano"), "--environment=production", *arguments],
        cwd=PROJECT,
        env=environment(MELTANO_DATABASE_URI=f"sqlite:///{directory / 'meltano.db'}", **variables),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Pipeline]:
    """A shop with one sale, whose import jobs do not start."""
    with Pipeline(tmp_path) as shop:
        shop.newstore.add_location("DC01")
        shop.stock("DC01", "SKU-1", 10)
        shop.newstore.sell("DC01", "SKU-1")
        shop.newstore.wait_for_delivery()
        shop.newstore.set_faults(hold_jobs=True)
        yield shop


def meltano_run(directory: Path, shop: Pipeline, *options: str) -> subprocess.Popen[str]:
    """Start `meltano run newstore-stock-sync` on a shop."""
    target = {f"TARGET_NEWSTORE_STOCK_{name.upper()}": value for name, value in shop.newstore.target_settings.items()}
    variables = {
        **{name: str(value) for name, value in target.items()},
        "MELTANO_DATABASE_URI": f"sqlite:///{directory / 'meltano.db'}",
        "TAP_NEWSTORE_FULFILLMENT_LANDING_URL": shop.receiver.landing_url,
        "TARGET_NEWSTORE_STOCK_POLL_SECONDS": "1",
        "TARGET_NEWSTORE_STOCK_IMPORT_TIMEOUT_SECONDS": "600",
        "MAPPER_NEWSTORE_STOCK_LEDGER_URL": f"sqlite:///{directory / 'ledger.db'}",
        "MAPPER_NEWSTORE_STOCK_ON_HAND_URL": str(shop.erp.path),
    }
    return subprocess.Popen(
        [command("meltano"), "run", *options, "newstore-stock-sync"],
        cwd=PROJECT,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.fault("F7")
def test_f7_a_run_that_times_out_emits_no_state_for_a_cut_that_is_not_imported(shop: Pipeline, tmp_path: Path) -> None:
    with meltano_run(tmp_path, shop, "--timeout=10") as run:
        output, _ = run.communicate(timeout=120)
    assert run.returncode == 1, output
    assert shop.newstore.imports("finished") == []
    shop.newstore.set_faults(hold_jobs=False)
    # The next run has no state to continue from, so the same cut goes out.
    with meltano_run(tmp_path, shop) as run:
        output, _ = run.communicate(timeout=120)
    assert run.returncode == 0, output
    assert shop.newstore.truth()["oversold"] == []
    assert shop.newstore.numbers("DC01", "SKU-1")["atp"] == 9


@pytest.mark.fault("F15")
def test_f15_a_forced_second_run_is_refused_and_the_first_goes_on(shop: Pipeline, tmp_path: Path) -> None:
    with meltano_run(tmp_path, shop) as first:
        wait_until(lambda: shop.newstore.imports("waiting"), "waiting import")
        with meltano_run(tmp_path, shop, "--force") as second:
            output, _ = second.communicate(timeout=120)
        assert second.returncode == 1, output
        assert "another run imports for newstore-stock-sync-demo: process" in output
        shop.newstore.set_faults(hold_jobs=False)
        output, _ = first.communicate(timeout=120)
        assert first.returncode == 0, output
    assert len(shop.newstore.imports()) == 1
    assert shop.newstore.numbers("DC01", "SKU-1")["atp"] == 9


def a_landing_store(directory: Path, *events: dict[str, t.Any]) -> dict[str, str]:
    """Fill a landing store with settled events (default: three) and return the tap's settings."""
    url = f"sqlite:///{directory / 'landing.db'}"
    bodies = events or (an_event(12, "A"), an_event(10, name=ASSIGNED), an_event(11, "A", "B"))
    store = LandingStore(url)
    store.add([check_event(json.dumps(body).encode()) for body in bodies], received_at=0)
    store.close()
    return {"TAP_NEWSTORE_FULFILLMENT_LANDING_URL": url}


def test_the_largest_event_the_receiver_accepts_passes_through_meltano(tmp_path: Path) -> None:
    product = "x" * 200
    sizes = [len(json.dumps(an_event(10, *[product] * units))) for units in (1, 100_001)]
    units = MAX_BODY_BYTES // ((sizes[1] - sizes[0]) // 100_000 + 1)
    settings = a_landing_store(tmp_path, an_event(10, *[product] * units))
    settings |= {"TARGET_JSONL_DESTINATION_PATH": str(tmp_path)}
    run_meltano(tmp_path, "run", "tap-newstore-fulfillment", "target-jsonl", **settings)
    (record,) = (tmp_path / "fulfillment_events.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(json.loads(record)["items"]) == units
    assert len(record) > MAX_BODY_BYTES * 0.95


def test_events_go_into_files_with_target_jsonl(tmp_path: Path) -> None:
    settings = a_landing_store(tmp_path) | {"TARGET_JSONL_DESTINATION_PATH": str(tmp_path)}
    run_meltano(tmp_path, "run", "tap-newstore-fulfillment", "target-jsonl", **settings)
    lines = (tmp_path / "fulfillment_events.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["logical_timestamp"] for line in lines] == [10, 11, 12]
    run_meltano(tmp_path, "run", "tap-newstore-fulfillment", "target-jsonl", **settings)
    assert (tmp_path / "fulfillment_events.jsonl").read_text(encoding="utf-8").splitlines() == lines


def test_events_and_units_go_into_a_warehouse_with_target_postgres(tmp_path: Path, postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    settings = a_landing_store(tmp_path) | {
        "TAP_NEWSTORE_FULFILLMENT__SELECT": '["fulfillment_events.*", "fulfillment_event_items.*"]',
        "TARGET_POSTGRES_SQLALCHEMY_URL": url,
        "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": "newstore",
    }
    run_meltano(tmp_path, "run", "tap-newstore-fulfillment", "target-postgres", **settings)
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        events = "SELECT logical_timestamp, event_name FROM newstore.fulfillment_events ORDER BY 1"
        units = (
            "SELECT fulfillment_location_id, product_id, count(*) FROM newstore.fulfillment_event_items "
            "WHERE event_name LIKE '%completed' GROUP BY 1, 2 ORDER BY 1, 2"
        )
        completed = "fulfillment_request.items_completed"
        assert [tuple(row) for row in connection.execute(sa.text(events))] == [
            (10, ASSIGNED),
            (11, completed),
            (12, completed),
        ]
        assert [tuple(row) for row in connection.execute(sa.text(units))] == [("DC01", "A", 2), ("DC01", "B", 1)]
    engine.dispose()


def test_the_dbt_package_is_built_over_what_a_run_has_loaded(tmp_path: Path, postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    assigned, completed, failed = (
        an_event(10, name=ASSIGNED) | {"published_at": "2026-01-05T08:00:00Z"},
        an_event(11) | {"published_at": "2026-01-05T13:30:00Z"},
        an_event(12, "A", "B", name="fulfillment_request.items_failed", request="fr-2"),
    )
    failed["payload"]["items"][0]["reason"] = "damaged"
    store = LandingStore(f"sqlite:///{tmp_path / 'landing.db'}")
    for event, late in ((assigned, 5), (completed, 5), (failed | {"published_at": "2026-01-05T14:00:00Z"}, 3600)):
        published = dt.datetime.fromisoformat(event["published_at"]).timestamp()
        store.add([check_event(json.dumps(event).encode())], received_at=int(published + late) * 1000)
    store.close()
    settings = {
        "TAP_NEWSTORE_FULFILLMENT_LANDING_URL": f"sqlite:///{tmp_path / 'landing.db'}",
        "TARGET_POSTGRES_SQLALCHEMY_URL": url,
        "TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA": "newstore",
    }
    run_meltano(tmp_path, "run", "tap-newstore-fulfillment", "target-postgres", **settings)
    day = ShopDay(tmp_path, ledger_url=url, max_held_percent=100)
    day.erp.count("DC01", "SKU-1", 10)
    day.run(mapper_sees(11), mapper_sees(12, "SKU-9"))

    dbt = Dbt(tmp_path, url)
    built = dbt.run("build")
    assert built.returncode == 0, built.stdout
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:

        def rows(query: str) -> list[tuple[t.Any, ...]]:
            return [tuple(row) for row in connection.execute(sa.text(query))]

        assert rows("SELECT order_id, hours_to_ship FROM models.newstore_time_to_ship") == [("order-1", 5.5)]
        rejects = "SELECT reason, units, requests FROM models.newstore_rejects ORDER BY 1"
        assert rows(rejects) == [("damaged", 1, 1), ("unknown", 1, 1)]
        assert rows("SELECT logical_timestamp FROM models.newstore_late_events") == [(12,)]
        assert rows("SELECT product_id, kind FROM models.newstore_held_keys") == [("SKU-9", "held")]
        undersell = "SELECT product_id, on_hand, quantity, units_withheld FROM models.newstore_undersell"
        assert rows(undersell) == [("SKU-1", 10, 9, 1)]
    stale = dbt.run("source", "freshness")
    assert stale.returncode == 1
    assert "ERROR STALE freshness of newstore.fulfillment_events" in stale.stdout
    assert "PASS freshness of newstore_ledger.runs" in stale.stdout
