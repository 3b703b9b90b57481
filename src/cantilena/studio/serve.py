"""Run the studio: a socket, the address to open, and uvicorn."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from cantilena.studio.app import LOOPBACK, make_app

__all__ = ["PORT", "check_exposed", "serve"]

PORT = 8642


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
    import uvicorn

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
    listening.listen(128)  # who opens the page at once waits
    port = listening.getsockname()[1]
    every = host in ("0.0.0.0", "::")
    hosts = {*LOOPBACK, host, *({"*", socket.gethostname().lower()} if every else ())}
    places = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    app = make_app(load(model), places=places, hosts=hosts, token=token)
    named = "127.0.0.1" if host == "0.0.0.0" else "[::1]" if host == "::" else f"[{host}]" if ":" in host else host
    told(f"http://{named}:{port}/" + (f"#token={token}" if token else ""))
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_keep_alive=15, timeout_graceful_shutdown=2, ws="none",
        server_header=False, lifespan="on", h11_max_incomplete_event_size=32_768,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[listening])


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
