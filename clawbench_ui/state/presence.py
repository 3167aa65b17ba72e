"""Whether a browser tab is still connected: what works for it in the background ends when it is not."""

from __future__ import annotations

import reflex as rx

_apps: list[rx.App] = []


def attach(app: rx.App) -> None:
    """Say which app serves the tabs."""
    _apps.append(app)


def connected(client_token: str) -> bool:
    """Whether the tab of that token has a connection to this process."""
    space = _apps[-1].event_namespace if _apps else None
    return space is not None and client_token in space.token_to_sid
