"""Every promise has a test, and every test a promise."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from tests.requirements import REQUIREMENTS

TESTS = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.proves("layout.promises")


def named(tree: ast.AST) -> set[str]:
    """The promises that a piece of code names in `pytest.mark.proves(...)`."""
    return {
        str(argument.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "proves"
        for argument in node.args
        if isinstance(argument, ast.Constant)
    }


def proofs() -> dict[str, set[str]]:
    """Every test of the suite and the promises that it or its module names."""
    found: dict[str, set[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        marks = [
            node for node in tree.body if isinstance(node, ast.Assign) and "pytestmark" in ast.dump(node.targets[0])
        ]
        common = set().union(*(named(mark) for mark in marks))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                own = set().union(*(named(decorator) for decorator in node.decorator_list))
                found[f"{path.relative_to(TESTS)}::{node.name}"] = own or common
    return found


def test_every_promise_has_a_test() -> None:
    assert sorted(set(REQUIREMENTS) - set().union(*proofs().values())) == []


def test_every_test_names_a_promise_that_there_is() -> None:
    wrong = {name: sorted(ids) for name, ids in proofs().items() if not ids or ids - set(REQUIREMENTS)}
    assert wrong == {}


@pytest.mark.proves("layout.shadow")
def test_the_installed_packages_win_over_our_folders() -> None:
    import alembic.command
    import mcp.server

    for module in (mcp.server, alembic.command):
        assert "site-packages" in (module.__file__ or "")
    for name in ("mcp", "alembic"):
        assert not (TESTS.parent / name / "__init__.py").exists()
    # `python -m pytest` puts the root first: the mode in which a stray __init__.py would win.
    assert str(TESTS.parent) in (sys.path[0], str(Path(sys.path[0]).resolve()))
