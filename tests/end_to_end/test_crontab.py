"""docs/schedulers/crontab, run as cron runs it: it finds Meltano, and mails what fails and nothing else.

Meltano itself is stood in for by a script: that its commands exist is a test of the pages.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import typing as t

import pytest

from tests.documentation.plugins import PROJECT

if t.TYPE_CHECKING:
    from pathlib import Path

TEXT = (PROJECT / "docs" / "schedulers" / "crontab").read_text(encoding="utf-8")
#: The project's place, as the file has it.
PLACE = "/srv/newstore-stock-sync"
SETTINGS = dict(re.findall(r"^(\w+)=(.*)$", TEXT, re.MULTILINE))
#: Five fields say when; what follows is given to a shell.
COMMANDS = re.findall(r"^(?=[*\d])(?:\S+ +){5}(.+)$", TEXT, re.MULTILINE)
SAYS = "2026-01-01 [info] something a scheduler's mailbox should not be filled with"


class Cron:
    """Runs commands with the settings of the file, in a project and with a Meltano of the tests."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / ".venv" / "bin").mkdir(parents=True)

    def mails(self, command: str, *, ends_with: int) -> str:
        """Run a command while Meltano ends with a code, and return what cron would mail."""
        meltano = self.directory / ".venv" / "bin" / "meltano"
        meltano.write_text(
            f'#!/bin/sh\necho "$@" >> {self.directory}/calls\necho "{SAYS}" >&2\nexit {ends_with}\n', encoding="utf-8"
        )
        meltano.chmod(0o755)
        here = {name: value.replace(PLACE, str(self.directory)) for name, value in SETTINGS.items()}
        here |= {"LOGS": str(self.directory), "HOME": str(self.directory), "SHELL": "/bin/sh"}
        done = subprocess.run(["/bin/sh", "-c", command], env=here, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    @property
    def calls(self) -> list[str]:
        return (self.directory / "calls").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def cron(tmp_path: Path) -> Cron:
    if shutil.which("flock", path=SETTINGS["PATH"]) is None:
        pytest.skip("flock is not here (part of util-linux; Homebrew has it as `flock`)")
    return Cron(tmp_path)


@pytest.mark.parametrize(
    "command", COMMANDS, ids=lambda command: re.findall(r"(?:run|receive|ledger) (\S+)", command)[0]
)
def test_only_what_fails_is_mailed(command: str, cron: Cron) -> None:
    assert cron.mails(command, ends_with=0) == ""
    assert cron.mails(command, ends_with=1) != ""
    assert [call.partition(" ")[0] for call in cron.calls] == ["--environment=production"] * 2


def test_an_alarm_says_what_it_is_about(cron: Cron) -> None:
    alarms = [command for command in COMMANDS if "--max-" in command]
    assert [cron.mails(alarm, ends_with=1) for alarm in alarms] == [f"{SAYS}\n"] * 2


def test_a_run_that_meets_the_last_one_is_left_out_without_a_word(cron: Cron) -> None:
    (both_ways,) = [command for command in COMMANDS if "flock" in command]
    lock = cron.directory / "both-ways.lock"
    with subprocess.Popen(["flock", lock, "sh", "-c", "echo; exec cat"], stdin=-1, stdout=-1, text=True) as last:
        assert last.stdout
        last.stdout.readline()
        assert cron.mails(both_ways, ends_with=0) == ""
        last.communicate()
    assert not (cron.directory / "calls").exists()


def test_meltano_is_where_the_path_leads_and_each_line_of_the_file_is_understood() -> None:
    assert SETTINGS["PATH"].split(":")[0] == f"{SETTINGS['PROJECT']}/.venv/bin"
    lines = [line for line in TEXT.splitlines() if not line.startswith("#")]
    assert len(lines) == len(SETTINGS) + len(COMMANDS)
    # cron takes a percent sign for the end of a line.
    assert "%" not in TEXT
