"""Each package works alone, built and installed into an empty environment."""

from __future__ import annotations

import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.documentation.plugins import PROJECT
from tests.shop.process import command, environment

PACKAGES = [
    "tap-newstore-fulfillment",
    "target-newstore-stock",
    "plugins/mappers/mapper-newstore-stock",
    "plugins/utilities/newstore-sandbox",
    "plugins/utilities/newstore-erp-postgresql",
]
MODULES = {Path(package).name.replace("-", "_") for package in PACKAGES}


def run(*arguments: str | Path) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment(), timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: Path(package).name)
def test_the_wheel_works_in_an_empty_environment(package: str, tmp_path: Path) -> None:
    project = tomllib.loads((PROJECT / package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module = project["name"].replace("-", "_")
    run(command("uv"), "build", "--quiet", "--wheel", "--out-dir", tmp_path, PROJECT / package)
    (wheel,) = tmp_path.glob("*.whl")
    source = {path.name for path in (PROJECT / package / module).iterdir() if path.is_file()}
    packed = {Path(name).name for name in zipfile.ZipFile(wheel).namelist() if name.startswith(f"{module}/")}
    assert source <= packed
    assert "py.typed" in packed

    python = tmp_path / "venv" / "bin" / "python"
    run(command("uv"), "venv", "--quiet", tmp_path / "venv")
    pinned = ("--constraint", PROJECT / "requirements.txt")
    run(command("uv"), "pip", "install", "--quiet", "--python", python, *pinned, wheel)
    for name in project["scripts"]:
        assert project["version"] in run(python.parent / name, "--version"), name
    others = sorted(MODULES - {module})
    absent = f"import importlib.util, {module}; print([n for n in {others} if importlib.util.find_spec(n)])"
    assert run(python, "-I", "-c", absent) == "[]\n"


def test_every_package_is_installed_by_make() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    (line,) = (line for line in makefile.splitlines() if line.startswith("PACKAGES :="))
    assert set(line.removeprefix("PACKAGES :=").split()) == set(PACKAGES)
