"""Builds the pages into static files: `python -m clawbench_ui.bundle`."""

from __future__ import annotations

from reflex_base.plugins import Plugin
from reflex_base.plugins.base import PreCompileContext
from typing_extensions import Unpack

_CLIENT = "utils/state.js"
_ANCHOR = "  const endpoint = new URL(url_str);\n"
_SAME_ORIGIN = """\
  if (typeof window !== "undefined") {
    const scheme = endpoint.protocol.startsWith("ws") ? "ws" : "http";
    endpoint.protocol = window.location.protocol === "https:" ? `${scheme}s:` : `${scheme}:`;
    endpoint.host = window.location.host;
    if (window.location.port === "") endpoint.port = "";
    return endpoint;
  }
"""


class SameOrigin(Plugin):
    """Has the page talk to the address that it came from, where Reflex would bake one address into the build."""

    def pre_compile(self, **context: Unpack[PreCompileContext]) -> None:
        """Register the change of the one function that names the server."""
        context["add_modify_task"](_CLIENT, same_origin)


def same_origin(source: str) -> str:
    """Give the client's source with its server's address taken from the page's own; twice is once."""
    if _ANCHOR + _SAME_ORIGIN in source:
        return source
    if source.count(_ANCHOR) != 1:
        raise RuntimeError(f"{_CLIENT} of this Reflex has another getBackendURL; adapt clawbench_ui/bundle.py to it.")
    return source.replace(_ANCHOR, _ANCHOR + _SAME_ORIGIN)


def build() -> None:
    """Compile every page to `.web/build/client`, with the JavaScript runtime that came as a Python package."""
    from reflex.utils import prerequisites
    from reflex.utils.export import export
    from reflex_base import constants
    from reflex_base.environment import environment

    environment.REFLEX_COMPILE_CONTEXT.set(constants.CompileContext.EXPORT)
    # `reflex export` would also write templates (an AGENTS.md, a .gitignore) into the checkout.
    prerequisites.initialize_reflex_user_directory()
    prerequisites.initialize_frontend_dependencies()
    export(zipping=False, frontend=True, backend=False)


if __name__ == "__main__":
    build()
