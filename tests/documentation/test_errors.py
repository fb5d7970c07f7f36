"""Each error has a code that stays, docs/errors.md says what to do about it, and nothing ends without one."""

from __future__ import annotations

import ast
import importlib
import inspect
import typing as t

import pytest

from tests.documentation.written import coded_errors
from tests.structure.packages import modules

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: The first digit of each package's codes.
DIGITS = {
    "tap_newstore_fulfillment": "1",
    "mapper_newstore_stock": "2",
    "target_newstore_stock": "3",
    "newstore_erp_postgresql": "4",
}
#: What a body or a line is told by; no command ends with them.
WITHOUT = {"EventRejectedError", "OtherEntityError"}


@pytest.mark.parametrize("package", DIGITS)
def test_every_error_has_a_code_of_its_own(package: str) -> None:
    names = {kind.__name__ for kind in coded_errors().values() if kind.__module__.startswith(package)}
    assert names == {name for name, _ in errors_of(package)} - WITHOUT
    for code, kind in coded_errors().items():
        if kind.__module__.startswith(package):
            assert code.startswith(f"NSS-{DIGITS[package]}")
            assert len(code) == len("NSS-000")


@pytest.mark.parametrize("package", DIGITS)
def test_every_error_is_raised_and_none_without_a_code_of_its_own(package: str) -> None:
    kinds = dict(errors_of(package))
    roots = {name for name, kind in kinds.items() if kind.__base__ is Exception and len(kinds) > 1}
    raised = set(names(package, in_calls))
    # What nobody foresaw is not raised, and the red line of a check that failed is said and not raised.
    assert not raised & roots
    assert raised | set(names(package, in_choices)) | {"FoundError"} >= kinds.keys() - roots


def test_two_errors_with_one_code_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module("newstore_erp_postgresql.errors")
    monkeypatch.setattr(module.ErpError, "code", "NSS-300")
    with pytest.raises(ValueError, match="NSS-300: TargetError and ErpError"):
        coded_errors()


def errors_of(package: str) -> list[tuple[str, type]]:
    """Return the classes of a package's errors, by name."""
    return inspect.getmembers(importlib.import_module(f"{package}.errors"), inspect.isclass)


def in_calls(node: ast.AST) -> list[ast.expr]:
    """Return what is called here, as `raise Name(...)` does."""
    return [node.func] if isinstance(node, ast.Call) else []


def in_choices(node: ast.AST) -> list[ast.expr]:
    """Return what is chosen here, to be called later."""
    return [node.body, node.orelse] if isinstance(node, ast.IfExp) else []


def names(package: str, of: Callable[[ast.AST], list[ast.expr]]) -> Iterator[str]:
    """Yield the names among some expressions of a package's modules."""
    for module in (module for module in modules(package) if module.name != "errors.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            yield from (name.id for name in of(node) if isinstance(name, ast.Name))
