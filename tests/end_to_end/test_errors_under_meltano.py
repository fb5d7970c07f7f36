"""What goes wrong in a command or a utility is an error for Meltano too, whatever it is told to leave out."""

from __future__ import annotations

import typing as t

import pytest

from tests.end_to_end.own_project import OwnProject

if t.TYPE_CHECKING:
    from pathlib import Path

ERP_URL = {"NEWSTORE_ERP_POSTGRESQL_DATABASE_URL": "postgresql://127.0.0.1:1/erp"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> OwnProject:
    return OwnProject.of_the_checkout(tmp_path_factory.mktemp("meltano") / "project")


def settings(directory: Path) -> dict[str, str]:
    nowhere = f"sqlite:///{directory}/nowhere.db"
    return {
        "TAP_NEWSTORE_FULFILLMENT_LANDING_URL": nowhere,
        "MAPPER_NEWSTORE_STOCK_LEDGER_URL": nowhere,
        "NEWSTORE_ERP_POSTGRESQL_LEDGER_URL": nowhere,
    }


@pytest.mark.parametrize(
    ("command", "variables", "said"),
    [
        ("event-receiver:audit", {}, "required to call NewStore"),
        ("erp-postgresql:apply", {}, "database_url: required; set --database-url"),
        ("erp-postgresql:apply", {}, "DATABASE_URL [NSS-401]"),
        ("erp-postgresql:apply", ERP_URL, "[NSS-400]"),
        ("mapper-newstore-stock:ledger held", {}, "[NSS-230]"),
        ("tap-newstore-fulfillment:receive status", {}, "required to call NewStore"),
        ("tap-newstore-fulfillment:receive", {}, "receiver_api_key: required"),
        ("tap-newstore-fulfillment:receive backlog --loud", {}, "backlog --help shows them [NSS-101]"),
        ("mapper-newstore-stock:ledger hold", {}, "newstore-stock-ledger --help shows them [NSS-201]"),
        ("target-newstore-stock:check --loud", {}, "newstore-stock-import check --help shows them [NSS-301]"),
        ("erp-postgresql:apply --loud", {}, "newstore-erp-postgresql apply --help shows them"),
    ],
)
def test_an_error_of_a_command_is_an_error(
    project: OwnProject, command: str, variables: dict[str, str], said: str, tmp_path: Path
) -> None:
    words = ("--log-level=warning", "invoke", *command.split())
    done = project.meltano_without_output(*words, **settings(tmp_path), **variables)
    assert done.returncode != 0
    assert [line for line in done.stderr.splitlines() if "[error" in line and said in line], done.stderr
    assert '{"' not in done.stderr


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("tap-newstore-fulfillment", "settle_seconds", "abc"), "settle_seconds is 'abc', expected a whole number"),
        (("mapper-newstore-stock", "on_hand_as_of", "currant"), "'currant' is not one of ['column', 'current'"),
        (("mapper-newstore-stock", "on_hand_sources", "[1"), "on_hand_sources cannot be read, expected a JSON array"),
        (("target-newstore-stock", "verify", "maybe"), "'maybe' is not one of ['off', 'warn', 'fail']"),
        (("target-newstore-stock", "poll_seconds", ""), "poll_seconds is '', expected a number"),
    ],
)
@pytest.mark.parametrize("command", ["", ":check"])
def test_a_wrong_value_in_a_variable_is_the_plugins_own_error(
    project: OwnProject, wrong: tuple[str, str, str], said: str, command: str, tmp_path: Path
) -> None:
    plugin, setting, value = wrong
    variable = f"{plugin}_{setting}".upper().replace("-", "_")
    done = project.meltano("invoke", f"{plugin}{command}", **settings(tmp_path), **{variable: value})
    assert done.returncode == 2, done.stderr
    output = done.stderr + done.stdout
    # A command has it from the variable, a run from the configuration Meltano writes of it.
    assert (said.replace(setting, variable) if command else said) in output, output
    assert setting in output.lower()
    assert "Traceback" not in output
    assert "[NSS-" in output


@pytest.mark.parametrize("command", ["event-receiver:audit", "erp-postgresql:apply"])
def test_meltano_run_reads_no_levels_of_a_utility_and_gets_plain_lines(
    project: OwnProject, command: str, tmp_path: Path
) -> None:
    done = project.meltano("run", command, **settings(tmp_path))
    assert done.returncode == 1
    assert ": required" in done.stderr
    assert '{"' not in done.stderr
