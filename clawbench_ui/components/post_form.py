"""A form that the browser sends itself, so that no script of a page ever holds what is typed into it."""

from __future__ import annotations

import reflex as rx
from reflex.vars import Var
from reflex_components_core.el.elements.base import BaseHTML


class PostForm(BaseHTML):
    """A plain HTML form; Reflex's own keeps every form from being sent."""

    tag = "form"
    action: Var[str]
    method: Var[str]


def post_form(action: str, *content: rx.Component, class_name: str = "") -> rx.Component:
    """Send the fields inside to a path of ours."""
    return PostForm.create(*content, action=action, method="post", class_name=class_name)
