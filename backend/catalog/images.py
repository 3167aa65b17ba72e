"""The images that we make ourselves, by the names that tasks call them."""

from __future__ import annotations

from pathlib import Path

RECIPES = Path(__file__).resolve().parents[2] / "providers" / "images"


def recipe(name: str) -> Path | None:
    """The build directory of one of our images (`clawbench/<directory>`), None for anybody else's."""
    owner, _, image = name.partition("/")
    known = {path.parent.name: path.parent for path in RECIPES.glob("*/Dockerfile")}
    return known.get(image) if owner == "clawbench" else None
