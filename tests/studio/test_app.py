"""The server without a browser: what it answers, to whom, and what it does with what is wrong."""

import base64
import io
import json
import struct
import time
import zipfile

import pytest
from starlette.testclient import TestClient

from cantilena.codec import decode, with_sources
from cantilena.composer import load
from cantilena.music.midi import read_song, to_midi
from cantilena.notation import engraving
from cantilena.notation.from_abc import read_abc
from cantilena.notation.playing import play
from cantilena.notation.to_musicxml import to_musicxml
from cantilena.sources import Source
from cantilena.studio.app import make_app
from cantilena.studio.files import Files
from cantilena.studio.jobs import Jobs
from melodies import random_melody

JSON = {"content-type": "application/json"}
MIDI = {"content-type": "audio/midi"}


@pytest.fixture(scope="module")
def client(composer):
    with TestClient(make_app(composer), base_url="http://127.0.0.1") as client:
        yield client


def events_of(response) -> list[dict]:
    assert response.headers["content-type"].startswith("text/event-stream")
    return [json.loads(part[6:]) for part in response.text.strip().split("\n\n")]


def perform(client, show: bool = False, **request):
    asked = f"/api/perform{'?show=1' if show else ''}"
    return client.post(asked, content=json.dumps(request), headers={**JSON, "accept": "text/event-stream"})


def test_a_result_is_what_the_library_makes(client, composer):
    asked = {"verb": "compose", "seed": 5, "bars": 8}
    made = client.post("/api/perform", content=json.dumps(asked), headers=JSON).json()["result"]
    want = composer(decode(json.dumps(asked)))
    assert base64.b64decode(made["midi"]) == want.file
    assert made["receipt"] == json.loads(want.receipt.to_json())
    assert made["song"]["bars"] == [bar * 1920 for bar in range(len(made["song"]["bars"]))]


def test_each_step_is_told_and_shown_and_the_last_one_is_nearly_the_result(client):
    events = events_of(perform(client, show=True, verb="compose", seed=5, bars=64, steps=10, plain=True))
    steps = [event for event in events if event["event"] == "step"]
    assert [step["i"] for step in steps] == list(range(1, 11))
    assert steps[-1]["seconds_left"] == 0
    assert events[-1]["event"] == "done"
    want = {(s / 480, p) for s, _, p, _ in events[-1]["result"]["song"]["tracks"][0]["notes"]}
    agree = [len(want & {(s, p) for s, _, p in step["notes"]}) / len(want) for step in (steps[0], steps[-1])]
    assert agree[1] == 1 > agree[0] + 0.5
    assert all("notes" not in e or e["notes"] is None for e in events_of(perform(client, verb="compose", bars=4)))


def test_an_edit_keeps_the_rest_of_the_song_and_is_shown_where_it_stands(client, composer):
    data = to_midi(composer.compose(seed=3, bars=40).melody)
    stored = client.post("/api/files?name=mine.mid", content=data, headers=MIDI).json()
    source = {"name": stored["name"], "sha256": stored["sha256"]}
    events = events_of(perform(client, show=True, verb="infill", song=source, bars="17-20", seed=2))
    made = events[-1]["result"]
    was, now = (song["tracks"][0]["notes"] for song in (stored["song"], made["song"]))
    bars = 16 * 1920, 20 * 1920
    outside = [[n for n in notes if not bars[0] <= n[0] < bars[1]] for notes in (was, now)]
    assert outside[0] == outside[1]
    new = {(s / 480, p) for s, _, p, _ in now if bars[0] <= s < bars[1]}
    heard = {(s, p) for s, _, p in [e for e in events if e["event"] == "step"][-1]["notes"]}
    assert new <= heard
    asked = {"verb": "infill", "song": source, "bars": "17-20", "seed": 2}
    request = with_sources(decode(json.dumps(asked)), [Source(source["name"], source["sha256"], data)])
    assert base64.b64decode(made["midi"]) == composer(request).file


def test_a_result_can_be_gone_on_from_and_a_forgotten_file_is_named(client, composer):
    first = client.post("/api/perform", content=json.dumps({"verb": "compose", "bars": 8}), headers=JSON).json()
    song = {"name": "a", "sha256": first["result"]["sha256"]}
    again = perform(client, verb="extend", song=song, bars=4)
    assert len(events_of(again)[-1]["result"]["song"]["bars"]) == 13
    assert client.get(f"/api/files/{song['sha256']}").content == base64.b64decode(first["result"]["midi"])
    unknown = {"name": "lost.mid", "sha256": "0" * 64}
    answer = perform(client, verb="extend", song=unknown, bars=4)
    assert (answer.status_code, answer.json()["missing"]) == (404, ["0" * 64])
    assert answer.json()["error"].startswith("lost.mid: is not kept here")


ABC = b'X:1\nT:One\nM:4/4\nL:1/4\nK:G\n|:"G"GBdB|"C"cege|"D7"dfaf|"G"gdBG:|\n\nX:2\nT:Two\nM:4/4\nL:1/4\nK:C\nCDEF|\n'


def notation() -> list[tuple[str, str, bytes]]:
    """A tune of eight bars, twice the four that are written: name, content type, bytes."""
    sheet = read_abc(ABC.decode(), "one.abc")
    melody, _ = Source.of(play(sheet, "one.abc")).tune()
    xml = to_musicxml(melody, title="One", key="G major")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("one.xml", xml)
    return [
        ("one.abc", "text/vnd.abc", ABC),
        ("one.musicxml", "application/vnd.recordare.musicxml+xml", xml),
        ("one.mxl", "audio/midi", packed.getvalue()),
    ]


CONTAINER = '<container><rootfiles><rootfile full-path="one.xml"/></rootfiles></container>'


@pytest.mark.parametrize("k", range(3))
def test_notation_is_kept_as_the_midi_file_that_is_played(client, k):
    name, kind, data = notation()[k]
    stored = client.post(f"/api/files?name={name}", content=data, headers={"content-type": kind}).json()
    assert (stored["name"], len(stored["song"]["bars"])) == (name, 9)  # the repeat is unfolded
    assert [pitch for _, _, pitch, _ in stored["song"]["tracks"][0]["notes"]][:4] == [67, 71, 74, 71]
    kept = client.get(f"/api/files/{stored['sha256']}").content
    assert kept == Source(name, "", data).data
    assert kept[:4] == b"MThd"
    assert stored["remarks"] == (["one.abc: holds 2 tunes; the first, One, is read"] if k == 0 else [])
    source = {"name": name, "sha256": stored["sha256"]}
    made = events_of(perform(client, verb="infill", song=source, bars="3-4", steps=2))[-1]
    assert made["event"] == "done"
    followed = (made["result"]["receipt"]["request"]["rules"] or {}).get("chords")
    assert followed == ("| D7 | G |" if k == 0 else None)


def test_a_tune_of_a_book_is_kept_by_its_number(client):
    book = b"X:4\nT:One <b>\nM:4/4\nL:1/4\nK:G\nGBdB|\n\nX:7\nT:Two\nM:3/4\nL:1/4\nK:Am\nABc|\n"
    first = client.post("/api/files?name=book.abc", content=book, headers=MIDI).json()
    told = [[tune[name] for name in ("number", "title", "metre", "key")] for tune in first["tunes"]]
    assert told == [[4, "One <b>", "4/4", "G"], [7, "Two", "3/4", "Am"]]
    second = client.post("/api/files?name=book.abc&tune=7", content=book, headers=MIDI).json()
    assert (second["name"], second["tunes"], second["song"]["metres"]) == ("book.abc#7", [], [[1, "3/4"]])
    kept = client.get(f"/api/files/{second['sha256']}").content
    assert read_song(kept).tracks[0].pitch.tolist() == [69, 71, 72]
    for number, said in (("5", "has no tune 5"), ("x", "a tune is a whole number"), ("-1", "a tune is a whole number")):
        answer = client.post(f"/api/files?name=book.abc&tune={number}", content=book, headers=MIDI)
        assert (answer.status_code, said in answer.json()["error"]) == (422, True)
    song = to_midi(random_melody(2).slice(1, 8))
    assert client.post("/api/files", content=song, headers=MIDI).json()["tunes"] == []
    assert client.post("/api/files?tune=1", content=song, headers=MIDI).status_code == 422


def test_a_typeset_score_of_a_file(client):
    stored = client.post("/api/files", content=to_midi(random_melody(2).slice(1, 8)), headers=MIDI).json()
    pdf = client.get(f"/api/files/{stored['sha256']}?as=pdf&title=My+tune")
    assert (pdf.headers["content-type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")


def test_without_a_typesetter_it_says_what_is_missing(client, monkeypatch):
    monkeypatch.setitem(engraving.TYPESET, "pdf", ("no_such_typesetter",))
    stored = client.post("/api/files", content=to_midi(random_melody(2).slice(1, 8)), headers=MIDI).json()
    answer = client.get(f"/api/files/{stored['sha256']}?as=pdf")
    assert (answer.status_code, "pip install 'cantilena[score]'" in answer.json()["error"]) == (422, True)


def test_sound_and_picture_of_a_file(client):
    stored = client.post("/api/files", content=to_midi(random_melody(2).slice(1, 8)), headers=MIDI).json()
    svg = client.get(f"/api/files/{stored['sha256']}?as=svg&title=My+tune")
    assert svg.headers["content-type"].startswith("image/svg")
    assert "My tune" in svg.text
    assert client.get(f"/api/files/{stored['sha256']}?as=wav").content[:4] == b"RIFF"
    assert client.get(f"/api/files/{stored['sha256']}?as=mp3").status_code == 422
    assert client.get(f"/api/files/{stored['sha256']}?as=wav&track=9").status_code == 422
    assert client.get("/api/files/nothing").status_code == 404


def test_notation_of_a_file(client):
    melody = random_melody(2).slice(1, 8)
    stored = client.post("/api/files", content=to_midi(melody), headers=MIDI).json()
    for kind in ("abc", "musicxml"):
        answer = client.get(f"/api/files/{stored['sha256']}?as={kind}&title=My+tune")
        assert answer.headers["x-begin"] == "0"
        read = Source(f"it.{kind}", "", answer.content)
        assert read.tune()[0] == melody
        assert "My tune" in answer.text


def test_notes_by_hand(client):
    stored = client.post("/api/files", content=to_midi(random_melody(2).slice(1, 8)), headers=MIDI).json()
    source = {"name": "x.mid", "sha256": stored["sha256"]}
    note = stored["song"]["tracks"][0]["notes"][0]
    asked = {"song": source, "track": 0, "gone": [note], "new": [[note[0], note[1], 99, 80]]}
    changed = client.post("/api/notes", content=json.dumps(asked), headers=JSON).json()
    assert changed["song"]["tracks"][0]["notes"][0] == [note[0], note[1], 99, 80]
    data = client.get(f"/api/files/{changed['sha256']}").content
    assert read_song(data).tracks[0].pitch[0] == 99
    asked["gone"] = [[1, 2, 3, 4]]
    refused = client.post("/api/notes", content=json.dumps(asked), headers=JSON)
    assert refused.status_code == 422
    assert "no note of pitch 3" in refused.json()["error"]


BROKEN = [
    ("/api/perform", b"{", JSON, 422, "not a request"),
    ("/api/perform", b'{"verb": "sing"}', JSON, 422, "not a request"),
    ("/api/perform", b'{"verb": "compose", "bars": 1}', JSON, 422, "2 to 1000 bars"),
    ("/api/perform", b'{"verb": "compose", "rules": {"key": "H blue"}}', JSON, 422, "key"),
    ("/api/perform", b'{"verb": "compose", "motif": "/etc/passwd"}', JSON, 422, "not a request"),
    ("/api/perform", b"{}", {"content-type": "text/plain"}, 415, "application/json"),
    ("/api/perform", b" " * 2_000_001, JSON, 413, "2,000,000 bytes"),
    ("/api/files", b"no midi at all", MIDI, 422, "not a MIDI file"),
    ("/api/files", b"", MIDI, 422, "empty"),
    ("/api/files?name=a.abc", b"X:1\nnothing", MIDI, 422, "a.abc"),
    ("/api/files?name=a.mxl", b"PK\x03\x04broken", MIDI, 422, "a.mxl"),
    ("/api/files", b"<!DOCTYPE x [<!ENTITY a 'b'>]><score-partwise>&a;</score-partwise>", MIDI, 422, ""),
    ("/api/files", b"", {"content-type": "text/html"}, 415, "audio/midi"),
    ("/api/files", b"MThd" + struct.pack(">IHHH", 6, 1, 1, 96) + b"MTrk\xff\xff", MIDI, 422, ""),
    ("/api/notes", b'{"song": 3}', JSON, 422, "not a change"),
]


@pytest.mark.parametrize(("path", "body", "headers", "status", "says"), BROKEN)
def test_what_is_wrong_is_one_line(client, path, body, headers, status, says):
    answer = client.post(path, content=body, headers=headers)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert says in error
    assert "\n" not in error
    assert len(error) < 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example"}, 421),
        ({"host": "10.0.0.7"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://127.0.0.1", "sec-fetch-site": "same-origin"}, 200),
        ({"host": "localhost"}, 200),
        ({"host": "[::1]:80"}, 200),
    ],
)
def test_only_its_own_page_may_talk_to_it(client, headers, status):
    for asked in ("/api/schema", "/healthz") if status != 403 or "origin" in headers else ("/api/schema",):
        assert client.get(asked, headers=headers).status_code == status


def test_every_answer_says_what_a_page_may_do(client):
    for path in ("/", "/api/schema", "/nowhere", "/healthz"):
        csp = client.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in csp
        assert "script-src 'self';" in csp
    assert client.get("/").text.startswith("<!doctype html>")


def test_a_token_is_asked_for_where_there_is_one(composer):
    with TestClient(make_app(composer, token="sesame"), base_url="http://127.0.0.1") as client:
        assert client.get("/api/schema").status_code == 401
        assert client.get("/api/schema", headers={"authorization": "Bearer sesam"}).status_code == 401
        assert client.get("/api/schema", headers={"authorization": "Bearer sesame"}).status_code == 200
        assert client.get("/").status_code == 200  # the page itself asks for it
        assert client.get("/healthz").status_code == 200


def test_a_job_that_takes_too_long_is_ended(composer):
    jobs = Jobs(composer, 1, seconds=0.05)
    with TestClient(make_app(composer, jobs=jobs), base_url="http://127.0.0.1") as client:
        answer = perform(client, verb="compose", bars=64, steps=1000)
        assert events_of(answer)[-1]["event"] == "error"
        assert "longer than 0.05 seconds" in events_of(answer)[-1]["error"]
        until = time.monotonic() + 5
        while client.get("/healthz").json()["working"]:
            assert time.monotonic() < until


def test_files_are_bounded(composer):
    with TestClient(make_app(composer, files=Files(most_bytes=1500)), base_url="http://127.0.0.1") as client:
        hashes = [
            client.post("/api/files", content=to_midi(random_melody(k).slice(1, 8)), headers=MIDI).json()["sha256"]
            for k in range(12)
        ]
        assert client.get(f"/api/files/{hashes[0]}").status_code == 404
        assert client.get(f"/api/files/{hashes[-1]}").status_code == 200


def test_how_many_tunes_a_morph_has_is_no_setting_of_its_sampler(client):
    schemas = client.get("/api/schema").json()["components"]["schemas"]
    assert "x-group" not in schemas["Morph"]["properties"]["steps"]
    assert schemas["Morph"]["properties"]["sampling_steps"]["x-group"] == "sampling"
    assert schemas["Compose"]["properties"]["steps"]["x-group"] == "sampling"


def test_forms_are_told_the_styles_and_metres_that_the_model_knows(client, composer):
    compose = client.get("/api/schema").json()["components"]["schemas"]["Compose"]["properties"]
    assert compose["style"]["examples"] == list(composer.model.tunes.styles)
    assert {"3/4", "6/8"} <= set(compose["metre"]["examples"])
    assert "x-group" not in compose["style"]  # beside the bars, not among the settings of the sampler
    with TestClient(make_app(load("pop-64")), base_url="http://127.0.0.1") as other:
        compose = other.get("/api/schema").json()["components"]["schemas"]["Compose"]["properties"]
    assert "examples" not in compose["style"]
    assert compose["metre"]["examples"] == ["4/4", "2/2"]
