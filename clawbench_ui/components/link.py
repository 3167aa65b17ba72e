"""A link to another page of ours."""

from __future__ import annotations

import reflex as rx
from reflex_components_core.react_router.dom import ReactRouterLink


class NavLink(ReactRouterLink):
    """A link that says when it leads to where one is (`aria-current`)."""

    tag = "NavLink"
    alias = "ReactRouterNavLink"


def link(
    content: rx.Var[str] | str,
    to: rx.Var[str] | str,
    class_name: str = "",
    *,
    nav: bool = False,
    reload: bool = False,
) -> rx.Component:
    """Lead to a path of ours, never to an address that an agent chose.

    `nav` marks the link of the page that one is on, `reload` leaves the app for a path that is none of its pages.
    """
    if nav:
        return NavLink.create(content, to=to, class_name=class_name)
    return ReactRouterLink.create(content, to=to, class_name=class_name, reload_document=reload)
