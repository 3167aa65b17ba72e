"""Serves pages, API and MCP on one port from the prebuilt front end: `python -m clawbench_ui.serve`."""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
from types import FrameType

import uvicorn

from backend import logs, platform, settings

PR_SET_PDEATHSIG = 1


class Server(uvicorn.Server):
    """Tells the platform of its end as soon as that is asked for, so that waiting calls answer during the drain."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take the signal."""
        super().handle_exit(sig, frame)
        platform.stop_soon()


def serve(*, host: str, port: int, drain_s: int) -> int:
    """Serve until SIGTERM, then let requests end for at most `drain_s` seconds; give the exit status."""
    os.chdir(settings.ROOT)
    logs.configure(settings.load())
    # Reflex's own switches for a production server whose front end is built already (pinned: reflex==0.10.1).
    os.environ |= {
        "REFLEX_ENV_MODE": "prod",
        "__REFLEX_SKIP_COMPILE": "true",
        "__REFLEX_MOUNT_FRONTEND_COMPILED_APP": "true",
    }
    from clawbench_ui.app import app

    config = uvicorn.Config(
        app(),
        host=host,
        port=port,
        ws="wsproto",
        lifespan="on",
        access_log=False,
        # Its lines go where all go, cleaned of secrets.
        log_config=None,
        # Below this it would log the addresses of websockets, and with them the tokens of open tabs.
        log_level="warning",
        server_header=False,
        # Only a proxy on this machine may say whom it speaks for.
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1,::1",
        timeout_graceful_shutdown=drain_s,
    )
    server = Server(config)
    server.run()
    return 0 if server.started else 3


def _end_with_parent() -> None:
    """Ask the kernel to stop us when our supervisor is killed, so that no orphan keeps the port."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--drain-s", type=int, default=8)
    parser.add_argument("--end-with-parent", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = _arguments()
    if arguments.end_with_parent:
        _end_with_parent()
    sys.exit(serve(host=arguments.host, port=settings.load().port, drain_s=arguments.drain_s))
