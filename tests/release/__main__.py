"""`make release-check`: builds all packages into `dist/packages`, and tries each alone at both ends of what it allows.

Beside them is `dist/constraints.txt`: the versions everything is tested with.

Each wheel is installed into empty environments: with the lowest versions it declares on the oldest Python, and with
the newest ones on the newest Python of this machine. Its commands and all its modules must load there. What the newest
environment holds is written as a bill of materials beside it, in `dist/sbom`.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import tomllib
import typing as t
from pathlib import Path

from tests.documentation.plugins import PROJECT
from tests.documentation.written import version
from tests.release.built import build, run
from tests.shop.process import command
from tests.structure.packages import PACKAGES

if t.TYPE_CHECKING:
    from tests.release.built import Built

DIST = PROJECT / "dist"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
OLDEST, NEWEST = "3.11", ("3.14", "3.13", "3.12", "3.11")
LOADED_EXTRAS = ("postgres", "page", "parquet")
DESCRIBE = (command("uv"), "tool", "run", "--quiet", "--with-requirements", REQUIREMENTS, "--from", "cyclonedx-bom")
#: Loads all modules of a package in an environment where nothing else of this project is.
LOAD = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
names = [found.name for found in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    if not name.endswith(".__main__"):
        importlib.import_module(name)
print(len(names), "modules load on", ".".join(map(str, sys.version_info[:2])))
"""


def main() -> None:
    """Build, install, load and describe all packages; end with 1 at the first that fails."""
    packages = DIST / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    (DIST / "sbom").mkdir(exist_ok=True)
    for old in (*packages.iterdir(), *(DIST / "sbom").iterdir()):
        old.unlink()
    newest = next(found for name in NEWEST if (found := _python(name)))
    for directory in PACKAGES.values():
        built = build(directory.parent, packages)
        for problem in built.problems():
            sys.exit(problem)
        for python, resolution in ((OLDEST, "lowest-direct"), (newest, "highest")):
            _try(built, python, resolution)
    shutil.copyfile(PROJECT / "requirements.txt", DIST / "constraints.txt")
    for left in packages.glob(".gitignore"):
        left.unlink()
    print(f"{len(PACKAGES)} packages of version {version()} are in {packages.relative_to(PROJECT)}")


def _try(built: Built, python: str, resolution: str) -> None:
    """Install a wheel alone, and load all that is in it."""
    with tempfile.TemporaryDirectory() as place:
        environment = Path(place) / "venv"
        run(command("uv"), "venv", "--quiet", "--python", python, environment)
        interpreter = environment / "bin" / "python"
        wheel = f"{built.wheel}{_extras(built.package)}"
        run(command("uv"), "pip", "install", "--quiet", "--python", interpreter, "--resolution", resolution, wheel)
        for name in _project(built.package)["scripts"]:
            assert version() in run(interpreter.parent / name, "--version"), name
        print(f"{built.wheel.name}, {resolution}: {run(interpreter, '-I', '-c', LOAD, built.module).strip()}")
        if resolution == "highest":
            bill = DIST / "sbom" / f"{built.package.name}-{version()}.cdx.json"
            made = ("--output-reproducible", "--of", "JSON", "--output-file", bill)
            run(
                *DESCRIBE,
                "cyclonedx-py",
                "environment",
                *made,
                "--pyproject",
                built.package / "pyproject.toml",
                interpreter,
            )
            for problem in _problems_of_bill(bill, built.package.name):
                sys.exit(problem)


def _problems_of_bill(bill: Path, name: str) -> t.Iterator[str]:
    """Yield why a bill of materials is of no use to who has the package from the index."""
    said = json.loads(bill.read_text(encoding="utf-8"))
    of = said["metadata"].get("component", {})
    if (of.get("name"), of.get("version")) != (name, version()):
        yield f"{bill.name} does not say that it is of {name} {version()}"
    if "file:" in bill.read_text(encoding="utf-8"):
        yield f"{bill.name} names a file of the machine it was written on"
    if unknown := [part["name"] for part in said["components"] if "purl" not in part]:
        yield f"{bill.name}: nobody can look up {', '.join(unknown)}"


def _extras(package: Path) -> str:
    """Return the extras of a package that its commands load when they are there."""
    there = [name for name in LOADED_EXTRAS if name in _project(package)["optional-dependencies"]]
    return f"[{','.join(there)}]" if there else ""


def _project(package: Path) -> dict[str, t.Any]:
    project: dict[str, t.Any] = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"optional-dependencies": {}, **project}


def _python(name: str) -> str | None:
    """Return a version of Python if this machine has it."""
    try:
        return run(command("uv"), "python", "find", "--no-python-downloads", name).strip()
    except AssertionError:
        return None


if __name__ == "__main__":
    main()
