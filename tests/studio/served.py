"""A studio that really listens, in this process or in one of its own, and clients that say what they like."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

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


class Server:
    """`cantilena studio` as somebody starts it; it can be killed and started again at the same address."""

    def __init__(self) -> None:
        self.port = 0
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "cantilena", "studio", "--no-browser", "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.url = self.process.stdout.readline().split()[4]
        self.port = urlsplit(self.url).port or 0
        self.address: Address = ("127.0.0.1", self.port)

    @property
    def runs(self) -> bool:
        return self.process.poll() is None

    @property
    def seconds(self) -> float:
        """Of processor time that it has taken."""
        user, system = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


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
