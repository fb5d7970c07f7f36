"""What the modules of tables say about who writes each table is what the code does."""

from __future__ import annotations

import ast
import importlib
import re
import typing as t
from pathlib import Path

import mapper_newstore_stock
import pytest
import sqlalchemy as sa
from mapper_newstore_stock.ledger import moved, past_tables, tables, temporary_tables

if t.TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(mapper_newstore_stock.__file__).parent
TABLES = {**tables.metadata.tables, **temporary_tables.temporary.tables, "moved_ledger": moved.moved_ledger}
METHODS = {"insert", "update", "delete"}
#: Functions of `database` that write to the table they are given after the connection, or to all they are given.
FUNCTIONS = {"insert": 2, "load": 2, "empty": None}


def test_each_table_is_written_by_the_modules_its_comment_names() -> None:
    files = (Path(t.cast("str", module.__file__)) for module in (tables, past_tables, temporary_tables, moved))
    said = {name: who for file in files for name, who in writers_said(file.read_text(encoding="utf-8")).items()}
    assert said.keys() == TABLES.keys()
    found: dict[str, set[str]] = {name: set() for name in TABLES}
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        # What a module copies is another ledger's: all tables, and what others have written.
        if path.stem not in ("__init__", "__main__", "copying"):
            for table in tables_written(path.read_text(encoding="utf-8"), vars(importlib.import_module(name))):
                found[table].add(path.stem)
    for name in temporary_tables.temporary.tables:
        # The module comment says so for all of them.
        found[name].remove("opening")
    assert found == said


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("connection.execute(cut.insert().values(cut=1))", {"cut"}),
        ("connection.execute(tables.run.update())", {"run"}),
        ("connection.execute(the_cut.delete())", {"cut"}),
        ("statement = insert(connection, cut).from_select(names, rows)", {"cut"}),
        ("load(connection, cut, rows)", {"cut"}),
        ("for table, rows in ((cut, a), (tables.run, b)):\n    load(connection, table, rows)", {"cut", "run"}),
        (
            "for table in temporary_tables.temporary.sorted_tables:\n    table.delete()",
            {*temporary_tables.temporary.tables},
        ),
        ("empty(connection, cut, tables.run)", {"cut", "run"}),
        ("empty(connection, *temporary_tables.temporary.sorted_tables)", {*temporary_tables.temporary.tables}),
        ("for table in (cut,):\n    table.delete()\nfor table in (tables.run,):\n    print(table)", {"cut"}),
        ("counts.update(cut=1)\nsa.select(cut.c.cut)\nfor table in (cut,):\n    print(table)", set()),
    ],
)
def test_every_way_to_write_a_table_is_found(code: str, written: set[str]) -> None:
    names = {"tables": tables, "temporary_tables": temporary_tables, "cut": tables.cut, "the_cut": tables.cut, "sa": sa}
    assert set(tables_written(code, names)) == written


def test_a_write_to_a_table_nobody_can_name_is_not_passed_over() -> None:
    with pytest.raises(AssertionError, match=r"load\(connection, unknown, rows\)"):
        list(tables_written("load(connection, unknown, rows)", {}))


def writers_said(text: str) -> dict[str, set[str]]:
    """Return the modules named in "Written by: module (what), ..." above each table."""
    said = {}
    for comment, name in re.findall(r"((?:^#:.*\n)+)(\w+) = (?:sa\.Table|_taken)\(", text, re.MULTILINE):
        _, _, writers = comment.replace("\n#:", "").partition("Written by: ")
        said[name] = set(re.findall(r"(\w+) \([^)]+\)", writers))
    return said


def tables_written(code: str, names: dict[str, t.Any]) -> Iterator[str]:
    """Yield the names of the tables that code writes to.

    Args:
        code: A module's source.
        names: What the names in the module stand for.
    """
    module = ast.parse(code)
    for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
        loops = loops_around(call, module)
        if isinstance(call.func, ast.Attribute) and call.func.attr in METHODS:
            yield from tables_in(call.func.value, names, loops)
        elif isinstance(call.func, ast.Name) and call.func.id in FUNCTIONS:
            for argument in call.args[1 : FUNCTIONS[call.func.id]]:
                written = tables_in(argument, names, loops)
                assert written, f"which table is written by {ast.unparse(call)}?"
                yield from written


def loops_around(call: ast.Call, module: ast.Module) -> dict[str, ast.expr]:
    """Return what the loops around a call go through, by the names of their variables."""
    loops = [node for node in ast.walk(module) if isinstance(node, ast.For) and call in ast.walk(node)]
    return {target.id: loop.iter for loop in loops for target in ast.walk(loop.target) if isinstance(target, ast.Name)}


def tables_in(expression: ast.expr, names: dict[str, t.Any], loops: dict[str, ast.expr]) -> set[str]:
    if isinstance(expression, ast.Starred):
        return tables_in(expression.value, names, loops)
    if isinstance(expression, ast.Name) and expression.id in loops:
        return {
            table
            for part in ast.walk(loops[expression.id])
            if isinstance(part, ast.expr)
            for table in tables_in(part, names, {})
        }
    value = value_of(expression, names)
    several = value if isinstance(value, list) else [value]
    return {table.name for table in several if isinstance(table, sa.Table)}


def value_of(expression: ast.expr, names: dict[str, t.Any]) -> object:
    """Return what a name, or a name with attributes, stands for; None: something else."""
    if isinstance(expression, ast.Attribute):
        return getattr(value_of(expression.value, names), expression.attr, None)
    return names.get(expression.id) if isinstance(expression, ast.Name) else None
