"""Receipts in MIDI files of strangers: nothing that they name is opened, and their numbers are those of requests."""

from __future__ import annotations

import json
import os
import sys
import zlib
from pathlib import Path

import pytest
from midi_files import song, track, tune

from cantilena.again import perform_again
from cantilena.errors import CantilenaError
from cantilena.music.texts import write_texts
from cantilena.receipt import FORMAT, Receipt, read_receipt
from cantilena.requests import Compose, Infill
from cantilena.sources import Source

opened: list[str] | None = None


def _listen(event: str, about: tuple[object, ...]) -> None:
    if event == "open" and opened is not None:
        opened.append(os.path.realpath(os.fsdecode(about[0])) if isinstance(about[0], str | bytes) else "")


sys.addaudithook(_listen)  # hears of every file that this process opens, however


@pytest.fixture
def here(tmp_path, monkeypatch):
    global opened
    monkeypatch.chdir(tmp_path)
    opened = []
    yield tmp_path
    opened = None


def attack(path: Path, change=None, text: str | None = None) -> Path:
    """A tune whose receipt, in today's format and with its checksum, is changed, or is this text."""
    made = {"model": "open-64", "fingerprint": "0" * 16, "version": "0", "onnxruntime": "0", "cpu": "x", "notes": ""}
    about = json.loads(Receipt(request=Compose(7, bars=4), **made).to_json())
    assert about["receipt"] == FORMAT
    if change is not None:
        change(about)
    data = (json.dumps(about) if text is None else text).encode()
    data = b"%08x" % zlib.crc32(data) + data
    parts = [data[i : i + 900] for i in range(0, len(data), 900)]
    said = [b"cantilena:%d/%d:" % (i, len(parts)) + part for i, part in enumerate(parts, 1)]
    path.write_bytes(write_texts(song(track(tune(1, 4))), said, gone=lambda text: False, name="x"))
    return path


def refused(path: Path, *given: str) -> str:
    """What is said; nothing is loaded. What was opened until now does not count."""
    assert opened is not None
    opened.clear()
    with pytest.raises(CantilenaError) as error:
        perform_again(path, given=given, load=lambda name: pytest.fail(f"{name} is loaded"))
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 1000
    return str(error.value)


NAMES = ["/dev/zero", "/dev/stdin", "/proc/self/environ", "pipe.mid", "./pipe.mid", "secret.txt", "secret.mid", "../x"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("member", ["motif", "song", "keep", "rhythm_of"])
def test_what_a_receipt_was_made_from_is_never_opened_by_its_name(name, member, here):
    os.mkfifo(here / "pipe.mid")
    for secret in ("secret.txt", "secret.mid"):
        (here / secret).write_text("root:x:0:0: a secret")
    source = {"name": name, "sha256": "0" * 64}

    def change(about):
        if member in ("song", "keep"):
            other = {"name": "a.mid", "sha256": "1" * 64}
            about["request"] = {"verb": "infill", "song": other, "bars": "1", member: source}
        elif member == "rhythm_of":
            about["request"]["rules"] = {member: source}
        else:
            about["request"][member] = source

    said = refused(attack(here / "odd.mid", change))
    assert "not there" in said or "not what it was" in said
    assert "secret" not in said.replace(name, "").replace("secret.mid", "")
    named = {os.path.realpath(name)} - {str(here / "secret.mid")}  # a song beside it is read to be hashed, as all are
    assert opened
    assert not named & set(opened)
    assert str(here / "pipe.mid") not in opened


@pytest.mark.parametrize("value", ["/dev/zero", {"name": "/dev/zero"}, {"path": "/dev/zero"}, ["/dev/zero"], 0,
                                   {"name": "x", "sha256": "/dev/zero"},
                                   {"name": "x", "sha256": "0" * 64, "path": "/dev/zero"},
                                   {"name": "x" * 300, "sha256": "0" * 64}])  # fmt: skip
def test_a_path_is_no_source(value, here):
    said = refused(attack(here / "odd.mid", lambda about: about["request"].update(motif=value)))
    assert "its receipt is damaged" in said
    assert "/dev/zero" not in opened


@pytest.mark.parametrize("rule", ["rhythm", "form", "chords", "contour", "key"])
@pytest.mark.parametrize("path", ["/dev/zero", "/etc/passwd", "pipe.mid"])
def test_a_rule_in_words_that_is_written_like_a_file_is_no_file(rule, path, here):
    os.mkfifo(here / "pipe.mid")
    file = attack(here / "odd.mid", lambda about: about["request"].update(rules={rule: path}))
    with pytest.raises((CantilenaError, ValueError)):
        read_receipt(file.read_bytes()).request.rules.rules()
    assert not {path, os.path.realpath(path)} & set(opened)


@pytest.mark.parametrize("model", ["/etc", "./m", "../m", "m", "open-64/../../m", "/dev/zero", "user/model@main"])
def test_a_model_is_never_a_path(model, here):
    (here / "m").mkdir()
    (here / "m" / "model.json").write_text("{}")
    assert "is not shipped with Cantilena" in refused(attack(here / "odd.mid", lambda about: about.update(model=model)))
    assert str(here / "m" / "model.json") not in opened


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 1001), ("steps", 10**9), ("steps", 10**30), ("steps", 0), ("steps", -1), ("steps", 1e9),
        ("steps", True), ("steps", "20"), ("bars", 10**6), ("bars", 0), ("seed", -1), ("seed", 0.5), ("resample", 11),
        ("resample", 10**9), ("loop_resample", 11), ("branches", 65), ("guidance", 1e9), ("temperature", 2),
        ("settle", 2), ("qpm", 0), ("qpm", 1e300), ("program", 128), ("metre", "1/0"), ("metre", "4/2147483648"),
        ("on_step", 1), ("sampler", "x"), ("voice", "/dev/zero"),
    ],
)  # fmt: skip
def test_numbers_are_those_of_requests(name, value, here):
    said = refused(attack(here / "odd.mid", lambda about: about["request"].update({name: value})))
    assert "its receipt is damaged" in said


@pytest.mark.parametrize(("k", "of"), [(10**9, 10**9), (1001, 1001), (2, 1), (0, 4)])
def test_so_are_those_of_pick(k, of, here):
    said = refused(attack(here / "odd.mid", lambda about: about["request"].update(verb="pick", k=k, of=of)))
    assert "its receipt is damaged" in said


@pytest.mark.parametrize(
    "text",
    [
        '{"receipt":2,"request":' + "[" * 100_000,
        '{"receipt":2,"request":{"verb":"compose","rules":' + '{"own":' * 20_000 + "1" + "}" * 20_003,
        '{"receipt":' + "9" * 5000 + "}", '{"receipt":2}', "[]", "", '{"receipt":2,"rows":[[0,"","","",true]]}',
    ],
)  # fmt: skip
def test_deep_and_damaged_json_is_one_line(text, here):
    assert "its receipt is damaged" in refused(attack(here / "odd.mid", text=text))


def test_text_of_a_receipt_is_printed_with_its_escapes_written_out(here):
    def change(about):
        about["rows"] = [[1, "\x1b[2J", "\x07", "\n", True]]
        about.update(version="\x1b]0;x\x07", cpu="\x1b[31m", onnxruntime="a\nb")

    receipt = read_receipt(attack(here / "odd.mid", change).read_bytes())
    assert all(line.isprintable() for line in receipt.table().split("\n"))


def test_a_source_knows_no_path_and_no_content(here):
    (here / "a.mid").write_bytes(b"x")
    request = Infill(Source("a.mid", "0" * 64), "1")
    assert (request.song.path, request.song.content) == (None, None)
