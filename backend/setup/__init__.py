"""What a fresh machine needs, step by step; each step is skipped when done and names its remedy when it cannot be."""

from __future__ import annotations

from backend.settings import Settings
from backend.setup import base_image, browser, engine, frontend, task_images


def ensure(settings: Settings, *, tests: bool = False) -> None:
    """Make the machine ready for the platform, and with `tests` for its whole suite. Raises SetupFailed."""
    engine.ensure()
    base_image.ensure(settings)
    task_images.ensure(settings)
    frontend.ensure(settings)
    if tests:
        browser.ensure()
