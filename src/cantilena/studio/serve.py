"""Run the studio: a socket, the address to open, and uvicorn."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from cantilena.studio.app import LOOPBACK, make_app

if TYPE_CHECKING:
    import uvicorn

__all__ = ["PORT", "check_exposed", "make_server", "serve"]

PORT = 8642
_CONNECTIONS = 10_000


def check_exposed(host: str, token: str | None, know: bool) -> None:
    """ValueError where the studio could be reached from elsewhere without a token, and nobody said that they know."""
    if not _is_loopback(host) and token is None and not know:
        raise ValueError(
            f"--host {host}: everybody who reaches this machine could use its processor, and see what they send "
            "each other's songs by; give --token WORD (or --token new), or --i-know"
        )


def serve(
    host: str = "127.0.0.1", port: int = PORT, model: str | Path | None = None, *, token: str | None = None,
    told: Callable[[str], None] = print,
) -> None:  # fmt: skip
    """Serve until Ctrl-C; `told` gets the address to open. A token "new" is made. OSError where the port is taken."""
    from cantilena.composer import load

    token = secrets.token_urlsafe(12) if token == "new" else token
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        error.filename = f"--host {host} --port {port}"
        raise
    listening.listen(1024)  # who opens the page at once waits
    port = listening.getsockname()[1]
    every = host in ("0.0.0.0", "::")
    hosts = {*LOOPBACK, host, *({"*", socket.gethostname().lower()} if every else ())}
    places = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    app = make_app(load(model), places=places, hosts=hosts, token=token)
    named = "127.0.0.1" if host == "0.0.0.0" else "[::1]" if host == "::" else f"[{host}]" if ":" in host else host
    told(f"http://{named}:{port}/" + (f"#token={token}" if token else ""))
    _allow_connections()
    make_server(app).run(sockets=[listening])


def make_server(app: Starlette) -> uvicorn.Server:
    """The server of an application; `run(sockets=[...])` serves until it is told to exit."""
    import uvicorn

    from cantilena.studio.connection import Connection

    return uvicorn.Server(uvicorn.Config(
        app, http=Connection, log_level="error", access_log=False, timeout_keep_alive=15, timeout_graceful_shutdown=2,
        ws="none", server_header=False, lifespan="on", h11_max_incomplete_event_size=32_768,
    ))  # fmt: skip


def _allow_connections() -> None:
    """Let as many connections be open at once as the system allows: often it is 1,024 unless one asks for more."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, _CONNECTIONS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
