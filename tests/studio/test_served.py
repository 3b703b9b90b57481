"""The studio over a real socket: its schema holds, who leaves is forgotten, and what is slow or too much is refused."""

import json
import socket
import time
import urllib.error
import urllib.request

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance
from served import serving

from cantilena.cli import main
from cantilena.studio.app import make_app
from cantilena.studio.serve import check_exposed


@pytest.fixture(scope="module")
def address(composer):
    with serving(make_app(composer, places=1)) as (host, port):
        yield f"http://{host}:{port}"


def health(address: str) -> dict:
    with urllib.request.urlopen(f"{address}/healthz") as answer:
        return json.load(answer)


def idle(address: str, seconds: float = 10) -> float:
    """Seconds until nobody works and nobody waits."""
    began = time.monotonic()
    while (now := health(address))["working"] or now["waiting"]:
        assert time.monotonic() - began < seconds, now
        time.sleep(0.02)
    return time.monotonic() - began


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
def test_who_hangs_up_in_the_middle_makes_room(address, accept):
    host, port = address.removeprefix("http://").split(":")
    body = json.dumps({"verb": "compose", "bars": 64, "steps": 1000}).encode()  # about a minute of work
    head = f"POST /api/perform HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: {accept}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, int(port))) as hangs_up:
        hangs_up.sendall(head.encode() + body)
        while not health(address)["working"]:
            time.sleep(0.01)
        time.sleep(0.2)
    assert idle(address) < 3


def test_who_waits_can_leave_too(address):
    host, port = address.removeprefix("http://").split(":")

    def asks(steps: int) -> socket.socket:
        body = json.dumps({"verb": "compose", "bars": 64, "steps": steps}).encode()
        head = f"POST /api/perform HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        made = socket.create_connection((host, int(port)))
        made.sendall(head.encode() + body)
        return made

    works = asks(1000)
    while not health(address)["working"]:
        time.sleep(0.01)
    waits = asks(20)
    while not health(address)["waiting"]:
        time.sleep(0.01)
    told = b""
    while b"queued" not in told:
        told += waits.recv(4000)
    waits.close()
    while health(address)["waiting"]:
        time.sleep(0.01)
    works.close()
    assert idle(address) < 3


QUICK = {"bars": 4, "steps": 2, "resample": 1, "of": 2, "k": 1, "sampling_steps": 2, "branches": 2, "loop_resample": 1}


def test_the_schema_holds(composer):
    """Whatever fits the schema is answered by it, and nothing breaks the server: made by schemathesis, small and quick."""
    schema = schemathesis.openapi.from_asgi(
        "/api/schema", make_app(composer, hosts=["127.0.0.1", "testserver", "localhost"])
    )
    operations = [result.ok() for result in schema.get_all_operations()]
    assert {operation.path for operation in operations} == {
        "/healthz",
        "/metrics",
        "/api/perform",
        "/api/files",
        "/api/files/{sha256}",
        "/api/notes",
    }
    paths = {route.path for route in make_app(composer).routes if route.path}
    assert paths == set(schema.raw_schema["paths"])
    statuses = set()
    for operation in operations:

        @settings(
            max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True
        )
        @given(case=operation.as_strategy())
        def answers(case):
            body = case.body
            if isinstance(body, dict) and "verb" in body:
                body |= {name: value for name, value in QUICK.items() if isinstance(body.get(name), int)}
                if body["verb"] in ("compose", "pick"):
                    body |= {"bars": 4, "steps": 2}
                if body["verb"] == "pick":
                    body |= {"of": 2, "k": 1}  # it would draw 64
            answer = case.call_and_validate(
                checks=[not_a_server_error, response_schema_conformance, status_code_conformance], timeout=60
            )
            statuses.add((case.path, answer.status_code))

        answers()
    assert ("/api/perform", 200) in statuses


@pytest.mark.parametrize(("host", "token", "know", "fine"), [
    ("127.0.0.1", None, False, True), ("localhost", None, False, True), ("::1", None, False, True),
    ("0.0.0.0", None, False, False), ("192.168.1.4", None, False, False), ("studio.example", None, False, False),
    ("0.0.0.0", "word", False, True), ("0.0.0.0", None, True, True),
])  # fmt: skip
def test_who_opens_it_to_others_says_that_they_know(host, token, know, fine):
    if fine:
        check_exposed(host, token, know)
    else:
        with pytest.raises(ValueError, match=r"everybody who reaches this machine .* --token .* --i-know"):
            check_exposed(host, token, know)


def test_a_port_that_is_taken_is_one_line(address, monkeypatch, capsys):
    port = address.rpartition(":")[2]
    monkeypatch.setattr("sys.argv", ["cantilena", "studio", "--no-browser", "--port", port])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err == f"cantilena: --host 127.0.0.1 --port {port}: Address already in use\n"
