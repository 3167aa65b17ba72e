"""What stands around every page: skip link, header, footer, and a word when the connection is lost."""

from __future__ import annotations

import reflex as rx
from reflex_components_core.core.banner import has_connection_errors

from backend.catalog.families import FAMILIES
from clawbench_ui.components.link import link
from clawbench_ui.components.post_form import post_form
from clawbench_ui.state.session import Session


def frame(*content: rx.Component) -> rx.Component:
    """Put the page's content between header and footer."""
    return rx.fragment(
        link("Skip to content", "#content", "skip", reload=True),
        _header(),
        rx.el.main(*content, id="content", tab_index=-1),
        _footer(),
        rx.el.div(
            rx.cond(
                has_connection_errors,
                rx.el.p("Connection lost. Trying again; what you see may be old."),
                rx.cond(Session.failed, rx.el.p("Something failed on our side. Load this page again in a moment.")),
            ),
            role="status",
            class_name="connection",
        ),
    )


def _header() -> rx.Component:
    families = [rx.el.li(link(family.title, f"/benchmarks/{family.id}", nav=True)) for family in FAMILIES]
    return rx.el.header(
        link("ClawBench", "/", "brand"),
        rx.el.nav(rx.el.ul(*families, rx.el.li(link("Runs", "/runs", nav=True))), aria_label="Main"),
        rx.el.div(
            rx.el.button("Light / dark", type="button", class_name="quiet", on_click=rx.toggle_color_mode),
            rx.cond(Session.name != "", _signed_in(), link("Sign in", "/signin")),
            class_name="session",
        ),
        class_name="top",
    )


def _signed_in() -> rx.Component:
    return post_form(
        "/auth/signout",
        rx.el.span(Session.name, class_name="who"),
        rx.el.button("Sign out", type="submit", class_name="quiet"),
    )


def _footer() -> rx.Component:
    return rx.el.footer(
        rx.el.p("ClawBench runs every call of an agent itself, and records it."),
        rx.el.nav(link("API", "/api/docs", reload=True), link("Benchmarks", "/benchmarks"), aria_label="Footer"),
    )
