"""A studio that really listens, in this process or in one of its own, and clients that say what they like."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette

from cantilena.studio.serve import make_server

Address = tuple[str, int]


@contextmanager
def serving(app: Starlette) -> Iterator[Address]:
    """Serve an application from a thread, as `cantilena studio` does."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    server = make_server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield listening.getsockname()[:2]
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def studio_process(*words: str) -> Iterator[tuple[subprocess.Popen[str], Address]]:
    """Run `cantilena studio` in a process of its own."""
    command = [sys.executable, "-m", "cantilena", "studio", "--no-browser", "--port", "0", *words]
    studio = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert studio.stdout
        address = studio.stdout.readline().split()[4].partition("#")[0]
        host, port = address.removeprefix("http://").rstrip("/").split(":")
        yield studio, (host, int(port))
    finally:
        studio.terminate()
        studio.wait()


def send(address: Address, head: str, body: bytes = b"", seconds: float = 20) -> tuple[int, bytes]:
    """Send these very lines, with a Host unless they name one; the status and the body of the answer."""
    host = "" if "\nhost:" in head.lower() else f"Host: {address[0]}:{address[1]}\r\n"
    with socket.create_connection(address, timeout=seconds) as client:
        client.sendall((head.strip().replace("\n", "\r\n") + f"\r\n{host}Connection: close\r\n\r\n").encode() + body)
        answer = b""
        while data := client.recv(65536):
            answer += data
    told, _, rest = answer.partition(b"\r\n\r\n")
    return int(told.split()[1]), rest


def get(address: Address, path: str) -> bytes:
    """The answer to a plain GET."""
    with urllib.request.urlopen(f"http://{address[0]}:{address[1]}{path}", timeout=20) as answer:
        return answer.read()


def post(address: Address, path: str, body: bytes, **headers: str) -> Any:
    """The JSON that is answered to a POST of JSON, or of what `content_type` says."""
    said = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"http://{address[0]}:{address[1]}{path}", body, said)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)
