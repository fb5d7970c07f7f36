"""What must not be imported from where, what must read alike in all packages, and how large a room may grow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest

from tests.structure.packages import PACKAGES, imports, modules

LONGEST_FILE, LONGEST_FUNCTION = 280, 45


@pytest.mark.parametrize(
    ("package", "room", "forbidden"),
    [
        ("mapper_newstore_stock", "ledger", ("run", "report", "comparison")),
        ("mapper_newstore_stock", "run", ("report", "comparison")),
        ("tap_newstore_fulfillment", "landing", ("receiver", "export_files")),
        ("tap_newstore_fulfillment", "export_files", ("receiver",)),
    ],
)
def test_a_room_does_not_import_who_uses_it(package: str, room: str, forbidden: tuple[str, ...]) -> None:
    rooms = tuple(f"{package}.{name}." for name in forbidden)
    crossings = [(module.name, name) for module in modules(package, room) for name in imports(module)]
    assert crossings
    assert not [crossing for crossing in crossings if crossing[1].startswith(rooms)]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_imports_another(package: str) -> None:
    others = tuple(name for name in PACKAGES if name != package)
    assert not [
        (module.name, name) for module in modules(package) for name in imports(module) if name.startswith(others)
    ]


@pytest.mark.parametrize("module", ["tap_newstore_fulfillment.tap", "mapper_newstore_stock.mapper"])
def test_a_start_on_sqlite_imports_no_other_database(module: str) -> None:
    code = f"import sys, {module}; print('sqlalchemy.dialects.postgresql' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


@pytest.mark.parametrize(
    "module",
    [
        "start.py",
        "command.py",
        "command_log.py",
        "environment.py",
        "run_summary.py",
        "standard_output.py",
        "findings.py",
        "drivers.py",
        "progress.py",
    ],
)
def test_what_each_plugin_says_for_itself_differs_in_names_only(module: str) -> None:
    tap, mapper, target = (
        (PACKAGES[package] / module).read_text(encoding="utf-8")
        for package in ("tap_newstore_fulfillment", "mapper_newstore_stock", "target_newstore_stock")
    )
    assert _without_names(tap) == _without_names(mapper) == _without_names(target)


def test_the_parts_of_a_pipeline_await_the_end_of_their_input_alike() -> None:
    waiting = ("mapper_newstore_stock", "target_newstore_stock")
    assert len({(PACKAGES[package] / "pipe_end.py").read_text(encoding="utf-8") for package in waiting}) == 1


def test_all_packages_read_the_url_of_a_database_alike() -> None:
    readers = ("tap_newstore_fulfillment", "mapper_newstore_stock", "newstore_erp_postgresql")
    assert len({(PACKAGES[package] / "address.py").read_text(encoding="utf-8") for package in readers}) == 1


def test_tap_mapper_and_target_call_newstore_alike() -> None:
    callers = ("tap_newstore_fulfillment/receiver", "mapper_newstore_stock", "target_newstore_stock")
    assert len({_text(*caller.split("/"), "http_session.py") for caller in callers}) == 1


def test_tap_mapper_and_target_hide_secrets_alike() -> None:
    hiding = ("tap_newstore_fulfillment", "mapper_newstore_stock", "target_newstore_stock")
    assert len({_text(package, "masking.py") for package in hiding}) == 1


def test_tap_mapper_and_target_quieten_the_clients_of_stores_alike() -> None:
    quiet = ("tap_newstore_fulfillment", "mapper_newstore_stock", "target_newstore_stock")
    assert len({_text(package, "quiet_clients.py") for package in quiet}) == 1


def test_no_file_and_no_function_is_too_long_to_read() -> None:
    too_long = []
    for module in (module for package in PACKAGES for module in modules(package)):
        text = module.read_text(encoding="utf-8")
        if len(text.splitlines()) > LONGEST_FILE:
            too_long.append(module.name)
        too_long += [
            f"{module.name}:{node.name}"
            for node in ast.walk(ast.parse(text))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
            and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
        ]
    assert not too_long


def _text(package: str, *path: str) -> str:
    return PACKAGES[package].joinpath(*path).read_text(encoding="utf-8")


def _without_names(text: str) -> str:
    """Replace the plugin's own names: package, command, class, kind, class of errors."""
    text = re.sub(r"\b(tap|target|mapper)[_-]newstore[_-](fulfillment|stock)\b", "PLUGIN", text)
    text = re.sub(r"\b(Tap|Target|Mapper)(Error|NewStore\w+)\b", r"\2", text)
    text = re.sub(r"\bNewStore(Fulfillment|Stock)\b", "NewStore", text)
    return re.sub(r"\b(tap|target|mapper)\b", "KIND", text)
