"""Names of agents: which are good, which are refused, and what is the same name."""

from __future__ import annotations

import pytest

from backend import identity
from backend.errors import AgentNameRefused

pytestmark = pytest.mark.proves("names.rules")


@pytest.mark.parametrize(
    "name",
    ["Tester_agent", "north-star", "Ada", "my_agent", "r2d2", "Brunhilde-solver", "trialist", "runner", "Batchelor"],
)
def test_a_plain_name_is_accepted(name: str) -> None:
    assert identity.check(name) == name


def test_a_name_is_brought_to_its_compatible_form_before_it_is_judged() -> None:
    assert identity.check("ｎorth-star") == "north-star"


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "2 to 40 letters"),
        ("a", "2 to 40 letters"),
        ("-dash", "2 to 40 letters"),
        ("has space", "2 to 40 letters"),
        ("emoji🙂", "2 to 40 letters"),
        ("nоrth", "2 to 40 letters"),
        ("x" * 41, "2 to 40 letters"),
        ("gpt-5", "model id"),
        ("my-claude-sonnet", "model id"),
        ("gemini-pro-agent", "model id"),
        ("agent-v3", "version"),
        ("agent_1_2", "version"),
        ("agent20251101", "version"),
        ("agent-batch", "batch label"),
        ("seed42agent", "batch label"),
        ("canary-agent", "batch label"),
    ],
)
def test_a_name_that_breaks_a_rule_is_refused_with_the_rule(name: str, rule: str) -> None:
    with pytest.raises(AgentNameRefused, match=rule):
        identity.check(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [("north-star", "N0rth_5tar"), ("Ilya", "llya"), ("modern", "modem"), ("Tester_agent", "tester-agent")],
)
def test_names_that_can_be_mistaken_for_each_other_have_one_skeleton(one: str, other: str) -> None:
    assert identity.fold(one) == identity.fold(other)
