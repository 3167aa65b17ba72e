"""Signing a browser in by a token; the form goes straight to the server, no script sees the token."""

from __future__ import annotations

import reflex as rx

from clawbench_ui.components.code_block import code_block
from clawbench_ui.components.post_form import post_form
from clawbench_ui.state.session import Session
from clawbench_ui.views.frame import frame


def page() -> rx.Component:
    """Show the form, and why the last try was refused."""
    return frame(
        rx.el.h1("Sign in"),
        rx.cond(
            Session.refused,
            rx.el.p(
                "That token was not accepted: it is mistyped, used up, revoked or too old, or it may not read. "
                "Make a new one and try again.",
                role="alert",
                class_name="refusal",
            ),
        ),
        post_form(
            "/auth/signin",
            rx.el.label("Token", html_for="token"),
            rx.el.input(
                id="token",
                name="token",
                type="password",
                required=True,
                auto_complete="off",
                spell_check=False,
                placeholder="clb_…",
            ),
            rx.el.input(type="hidden", name="next", default_value="/runs"),
            rx.el.button("Sign in", type="submit", class_name="button primary"),
            class_name="card",
        ),
        rx.el.p("No token at hand? On the machine that runs ClawBench, this prints an address that signs you in once:"),
        code_block(".venv/bin/clawbench token link --user NAME", "Make a sign-in address"),
    )


def add(app: rx.App) -> None:
    """Put the page on the app."""
    app.add_page(page, route="/signin", title="Sign in · ClawBench", on_load=[Session.load])
