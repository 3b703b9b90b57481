"""The studio under attack, over real sockets: what is slow, too much, deep, or from elsewhere costs nobody else anything."""

import json
import os
import re
import resource
import socket
import threading
import time
import urllib.error
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from served import Server, get, post, send, serving

from cantilena.composer import load
from cantilena.music.midi import to_midi
from cantilena.studio import guard
from cantilena.studio.app import make_app
from cantilena.studio.connection import Connection
from cantilena.studio.jobs import Jobs
from cantilena.studio.turns import Turns
from melodies import random_melody

SHORT = {"verb": "compose", "bars": 16, "steps": 8, "plain": True}


@pytest.fixture(scope="module")
def address(composer):
    with serving(make_app(composer)) as address:
        yield address


@pytest.fixture(scope="module")
def begun_with_few_files():
    """A studio in a process of its own, to which the system allows 256 open files unless it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        server = Server()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with server:
        yield server


def answers(address) -> bool:
    """Whether the server answers others at once."""
    began = time.monotonic()
    return json.loads(get(address, "/healthz"))["ok"] and time.monotonic() - began < 2


# -- slow, and many --------------------------------------------------------------------------------


def closed_after(client: socket.socket, dribble: bytes, most: float) -> float:
    """Seconds until the server ends a connection to which a byte is sent now and then."""
    began, client_bytes = time.monotonic(), iter(dribble * 1000)
    client.settimeout(0.1)
    while time.monotonic() - began < most:
        try:
            client.sendall(bytes([next(client_bytes)]))
            if client.recv(1000) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - began


@pytest.mark.parametrize("before", ["", "GET /healthz HTTP/1.1\r\nHost: {0}:{1}\r\n\r\n"])
def test_a_head_that_dribbles_in_is_cut_off_the_first_and_the_next(address, before, monkeypatch):
    monkeypatch.setattr(Connection, "head_seconds", 1.0)
    with socket.create_connection(address) as client:
        if before:
            client.sendall(before.format(*address).encode())
            while b"}" not in client.recv(4000):
                pass
        client.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        assert answers(address)
        assert 0.5 < closed_after(client, b"a", 10) < 5


def test_a_body_that_goes_on_after_its_refusal_is_cut_off(address, monkeypatch):
    monkeypatch.setattr(Connection, "head_seconds", 1.0)
    with socket.create_connection(address) as client:
        client.sendall(
            "POST /api/perform HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: text/plain\r\nContent-Length: 9999\r\n\r\n".format(
                *address
            ).encode()
        )
        assert closed_after(client, b"a", 10) < 5


def test_who_is_at_work_is_not_cut_off(address, monkeypatch):
    monkeypatch.setattr(Connection, "head_seconds", 0.2)
    took = time.monotonic()
    made = post(
        address, "/api/perform", json.dumps({"verb": "compose", "bars": 64, "steps": 60, "plain": True}).encode()
    )
    assert made["result"]["track"] == 0
    assert time.monotonic() - took > 0.2


def test_a_thousand_idle_connections_keep_nobody_out(begun_with_few_files):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4000:
        pytest.skip("so many connections are not allowed here")
    address = begun_with_few_files.address
    resource.setrlimit(resource.RLIMIT_NOFILE, (4000, hard))
    try:
        clients = [socket.create_connection(address, timeout=20) for _ in range(1000)]
        try:
            assert answers(address)
            assert post(address, "/api/perform", json.dumps(SHORT).encode())["result"]
        finally:
            for client in clients:
                client.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# -- too much --------------------------------------------------------------------------------------


def memory(process) -> float:
    """The most that a process has held, in MB."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())[1]) / 1000


@pytest.mark.parametrize("length", ["Content-Length: 100000000", "Transfer-Encoding: chunked"])
def test_a_body_of_100_MB_is_refused_before_it_is_held(begun_with_few_files, length):
    process, address = begun_with_few_files.process, begun_with_few_files.address
    before = memory(process)
    with socket.create_connection(address, timeout=20) as client:
        client.sendall(
            f"POST /api/files HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nContent-Type: audio/midi\r\n{length}\r\n\r\n".encode()
        )
        block = b"MThd" + bytes(1 << 20)
        if "chunked" in length:
            block = b"%x\r\n%s\r\n" % (len(block), block)
        with suppress(OSError):
            for _ in range(100):
                client.sendall(block)
        assert b" 413 " in client.recv(1000)  # what comes after it is dropped, for as long as a head may take
    assert answers(address)
    assert memory(process) - before < 40


@pytest.mark.parametrize("path", ["/api/perform", "/api/notes"])
@pytest.mark.parametrize("deep", ['[' * 900_000, '{"verb":' * 200_000, '{"song":' + '[' * 900_000 + ']' * 900_000 + '}'])  # fmt: skip
def test_json_of_any_depth_is_refused(address, path, deep):
    head = f"POST {path} HTTP/1.1\nContent-Type: application/json\nContent-Length: {len(deep)}"
    status, said = send(address, head, deep.encode())
    assert status == 422
    assert "\n" not in json.loads(said)["error"]
    assert answers(address)


def test_a_blend_of_nothing_is_refused(address):
    asked = json.dumps({"verb": "blend", "songs": [], "weights": [[1.0, 0.5]]}).encode()
    head = f"POST /api/perform HTTP/1.1\nContent-Type: application/json\nContent-Length: {len(asked)}"
    status, said = send(address, head, asked)
    assert (status, json.loads(said)) == (422, {"error": "songs are one or more"})


# -- from elsewhere --------------------------------------------------------------------------------

POST = "POST /api/perform HTTP/1.1\nContent-Type: application/json\nContent-Length: 2"


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("Origin: https://evil.example", 403),
        ("Origin: http://127.0.0.1.evil.example", 403),
        ("Origin: http://127.0.0.1:1", 403),
        ("Origin: null", 403),
        ("Sec-Fetch-Site: cross-site", 403),
        ("Sec-Fetch-Site: same-site", 403),
        ("Host: evil.example", 421),
        ("Host: 127.0.0.1.evil.example", 421),
        ("Host: localhost.", 421),
        ("Host: evil.example@127.0.0.1", 421),
        ("Host: 127.0.0.1/..@evil.example", 421),
        ("Host: 127.0.0.1\nHost: evil.example", 400),
        ("Host: 127.0.0.1\nX-Forwarded-Host: evil.example", 422),
        ("Host: 169.254.169.254", 421),
    ],
)
def test_pages_of_other_sites_and_names_that_lead_here_are_refused(address, lines, status):
    """422 is what the body `{}` is answered where it is let in."""
    found, said = send(address, f"{POST}\n{lines}", b"{}")
    assert found == status, said


def test_a_request_of_the_page_itself_is_let_in(address):
    found, _ = send(address, f"{POST}\nOrigin: http://{address[0]}:{address[1]}\nSec-Fetch-Site: same-origin", b"{}")
    assert found == 422


def test_a_token_is_compared_in_constant_time(composer, monkeypatch):
    compared = []
    real = guard.hmac.compare_digest
    monkeypatch.setattr(guard.hmac, "compare_digest", lambda a, b: compared.append((a, b)) or real(a, b))
    with serving(make_app(composer, token="a secret")) as address:
        for given, status in (("a secret", 422), ("a secreT", 401), ("b", 401), ("", 401), ("a secret\u00e9", 401)):
            found, _ = send(address, f"{POST}\nAuthorization: Bearer {given}", b"{}")
            assert found == status
            assert compared.pop()[1] == b"a secret"
        assert send(address, POST, b"{}")[0] == 401


TRICKS = [
    "/..%2f..%2f..%2fetc/passwd", "/../../../../etc/passwd", "/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd",
    "/..%5c..%5capp.py", "/....//....//app.py", "/%00", "/index.html%00.js", "/static/../../app.py", "/%c0%ae%c0%ae/app.py",
    "/..;/app.py", "/assets/..%2f..%2fapp.py", "/api/files/..%2f..%2fapp.py", "/api/files/%2fetc%2fpasswd", "/C:/Windows",
    "/.%2e/app.py", "/" + "a/" * 2000, "/" + "%2e%2e%2f" * 1000, "/~root", "/api/../guard.py", "/aux.%0d%0aX-Evil:1",
]  # fmt: skip


@pytest.mark.parametrize("path", TRICKS)
def test_no_path_leads_out_of_the_page(address, path):
    status, said = send(address, f"GET {path} HTTP/1.1")
    assert status in (307, 400, 404, 405)
    assert b"root:" not in said
    assert b"import" not in said
    assert answers(address)


@pytest.mark.parametrize("head", [
    "GET http://evil.example/ HTTP/1.1\nHost: evil.example", "\x16\x03\x01", "GET /" + "a" * 60_000 + " HTTP/1.1",
    "GET / HTTP/1.1\n" + "X: y\n" * 20_000 + "Z: z", "CONNECT evil.example:443 HTTP/1.1", "TRACE / HTTP/1.1",
    "POST /api/perform HTTP/1.1\nContent-Length: -1", "POST /api/perform HTTP/1.1\nContent-Length: 2\nTransfer-Encoding: chunked",
    "POST /api/perform HTTP/1.1\nContent-Length: 99999999999999999999999",
])  # fmt: skip
def test_odd_heads_are_answered_or_cut_off(address, head):
    try:
        status, _ = send(address, head)
    except (OSError, IndexError):  # no answer
        status = 400
    assert 400 <= status < 500 or "X: y" in head  # which may come in one piece
    assert answers(address)


# -- load ------------------------------------------------------------------------------------------


FULL = bool(os.environ.get("CANTILENA_LOAD"))  # 200 jobs of 20 clients instead of 50 of 11
MANY, CLIENTS, EACH = (105, 19, 5) if FULL else (30, 10, 2)


def test_the_jobs_of_many_clients_are_each_done_once_and_in_turn(toy_model):
    """One client asks for many times as much as each of the others, first; they do not wait for it."""
    jobs = Jobs(load(toy_model), 2, turns=Turns(2, each=128))
    tiny = {"verb": "compose", "bars": 4, "steps": 1, "plain": True}
    ended: list[tuple[float, int, int, str]] = []

    def ask(client: int, seed: int) -> None:
        made = post(address, "/api/perform", json.dumps({**tiny, "seed": seed}).encode(), x_client=f"client {client}")
        seed_of_result = made["result"]["receipt"]["request"]["seed"]
        ended.append((time.monotonic(), client, seed_of_result, made["result"]["sha256"]))

    with serving(make_app(jobs.composer, jobs=jobs)) as address:
        first = [threading.Thread(target=ask, args=(0, k)) for k in range(MANY)]
        others = [
            threading.Thread(target=ask, args=(c, 1000 * c + k)) for c in range(1, CLIENTS + 1) for k in range(EACH)
        ]
        for thread in first:
            thread.start()
        while json.loads(get(address, "/healthz"))["waiting"] < 20:
            time.sleep(0.001)
        for thread in others:
            thread.start()
        for thread in first + others:
            thread.join()
        metrics = get(address, "/metrics").decode()
    seeds = Counter(seed for _, _, seed, _ in ended)
    total = MANY + CLIENTS * EACH
    assert len(seeds) == total
    assert set(seeds.values()) == {1}
    last = {client: max(at for at, c, *_ in ended if c == client) for client in range(CLIENTS + 1)}
    assert last[0] == max(last.values())  # who asked for most waited longest
    after = sum(at > max(last[c] for c in range(1, CLIENTS + 1)) for at, client, *_ in ended if client == 0)
    assert after > MANY // 4  # none, if it were first come, first served
    assert f'cantilena_jobs_total{{end="done"}} {total}\n' in metrics


def test_metrics_are_what_prometheus_reads(composer):
    with serving(make_app(composer, places=1)) as address:
        song = to_midi(random_melody(1, 20))
        kept = post(address, "/api/files?name=a.mid", song, content_type="audio/midi")
        post(address, "/api/perform", json.dumps(SHORT).encode())
        wrong = {"verb": "infill", "song": {"name": "a", "sha256": kept["sha256"]}, "bars": "90-95"}
        with pytest.raises(urllib.error.HTTPError):
            post(address, "/api/perform", json.dumps(wrong).encode())
        time.sleep(0.1)
        text = get(address, "/metrics").decode()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert {name: float(value) for name, value in values.items() if "bucket" not in name and "sum" not in name} == {
        "cantilena_jobs_waiting": 0, "cantilena_jobs_running": 0, "cantilena_files": 2,
        "cantilena_files_bytes": float(values["cantilena_files_bytes"]), "cantilena_jobs_total{end=\"done\"}": 1,
        "cantilena_jobs_total{end=\"refused\"}": 1, "cantilena_jobs_total{end=\"stopped\"}": 0,
        "cantilena_jobs_total{end=\"failed\"}": 0, "cantilena_job_seconds_count": 2,
    }  # fmt: skip
    buckets = [int(value) for name, value in values.items() if "bucket" in name]
    assert buckets == sorted(buckets)
    assert buckets[-1] == 2
    assert float(values["cantilena_job_seconds_sum"]) > 0
    for line in text.splitlines():  # the grammar of the format
        assert re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"\})? [\d.e+]+', line), line
    assert text.endswith("\n")


def test_replicas_share_nothing_and_say_what_they_lack(composer):
    with serving(make_app(composer)) as one, serving(make_app(composer)) as other:
        song = to_midi(random_melody(1, 20))
        kept = post(one, "/api/files?name=mine.mid", song, content_type="audio/midi")
        asked = {"verb": "infill", "song": {"name": "mine.mid", "sha256": kept["sha256"]}, "bars": "5-8", "steps": 2}
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(other, "/api/perform", json.dumps(asked).encode())
        told = json.load(refused.value)
        assert (refused.value.code, told["missing"]) == (404, [kept["sha256"]])
        assert told["error"] == "mine.mid: is not kept here (any more): send the file again"
        assert post(other, "/api/files?name=mine.mid", song, content_type="audio/midi")["sha256"] == kept["sha256"]
        made = [post(where, "/api/perform", json.dumps(asked).encode())["result"]["sha256"] for where in (one, other)]
        assert made[0] == made[1]
