"""A receipt survives the file, its damage is noticed, and it is of no other notes than its own."""

import hashlib
import io
import json
import random
import zlib
from types import SimpleNamespace

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from midi_files import midi, song, track, tune
from test_splice import chunks, messages, sounding

from cantilena.asked import AskedRules
from cantilena.errors import MidiError
from cantilena.music.melody import Melody
from cantilena.music.midi import to_midi
from cantilena.music.texts import read_texts
from cantilena.receipt import Receipt, Row, machine, make_receipt, notes_hash, read_receipt, write_receipt
from cantilena.requests import Blend, Compose, Infill
from cantilena.sources import Source
from cantilena.voices import Voice
from melodies import random_melody

MODEL = SimpleNamespace(name="toy", fingerprint="0123456789abcdef")
TEXT = st.text('ab 7:/,"\\é日\n\x1b', max_size=8)
ROWS = st.builds(Row, st.integers(1, 1000), TEXT, TEXT, TEXT, st.booleans())
SOURCES = st.builds(lambda name, data: Source(name, file_hash(data)), TEXT, st.binary(max_size=4))
RULES = st.builds(
    AskedRules, key=st.none() | TEXT, density=st.none() | TEXT, form_of=st.none() | SOURCES,
    own=st.dictionaries(TEXT, st.none(), max_size=2),
)  # fmt: skip
VOICE = st.sampled_from(["lead", "bass", Voice(purity=0), Voice(2, 9, 1, 0, 73), None])
REQUESTS = st.one_of(
    st.builds(Compose, st.integers(0, 2**63), qpm=st.none() | st.floats(10, 400), rules=st.none() | RULES, voice=VOICE),
    st.builds(Infill, SOURCES, st.sampled_from(["1-2", "5,7-9"]), st.none() | SOURCES, rules=st.none() | RULES, voice=VOICE),
    st.builds(Blend, st.lists(SOURCES, min_size=2, max_size=3), st.just([[0.1, 1 / 3]]), st.just([1, None])),
)  # fmt: skip
RECEIPTS = st.builds(
    lambda request, rows, *texts: Receipt(
        request=request, model=texts[0], fingerprint=texts[1], version="0.1.0", onnxruntime=texts[2], cpu=texts[3],
        notes=texts[4], rows=tuple(rows),
    ),
    REQUESTS, st.lists(ROWS, max_size=60), TEXT, TEXT, TEXT, TEXT, TEXT,
)  # fmt: skip


def file_hash(data):
    return hashlib.sha256(data).hexdigest()


def of(melody, rows=(), **arguments):
    return make_receipt(MODEL, Compose(seed=7, **arguments), melody, rows)


def rows(bars=64):
    return [Row(bar, "key", "D dorian", "7 of 7", True) for bar in range(1, bars + 1)]


@given(RECEIPTS)
def test_json_is_its_own_inverse(receipt):
    text = receipt.to_json()
    assert text.isascii()
    assert "\n" not in text
    assert Receipt.from_json(text) == receipt
    receipt.table()


@given(st.lists(chunks(), min_size=1, max_size=3), RECEIPTS, RECEIPTS)
def test_a_file_holds_the_last_receipt_and_all_that_it_held(some, first, last):
    data = midi(*some)
    once = write_receipt(data, first)
    assert read_receipt(once) == first
    out = write_receipt(once, last)
    assert read_receipt(out) == last
    assert out == write_receipt(data, last)
    assert sounding(out) == sounding(data)
    added = len(read_texts(out, "x")) - len(read_texts(data, "x"))
    for k in range(len(some)):
        theirs = messages(data, k)
        ours = [m for m in messages(out, k) if m not in theirs]
        assert len(ours) == (added if k == 0 else 0)
        assert [m for m in messages(out, k) if m not in ours] == theirs
    texts = [m.text for m in mido.MidiFile(file=io.BytesIO(out)).tracks[0][:added]]
    assert texts[0] == f"Cantilena 0.1.0: {last.title}"
    assert [t[: t.index(":", 10)] for t in texts[1:]] == [f"cantilena:{i}/{added - 1}" for i in range(1, added)]
    assert all(t.isascii() for t in texts)


def test_a_long_receipt_stands_in_short_parts():
    receipt = of(random_melody(1, 8), rows(1000))
    data = write_receipt(to_midi(random_melody(1, 8)), receipt)
    texts = read_texts(data, "x")
    assert len(texts) > 30
    assert max(map(len, texts)) <= 1000
    assert read_receipt(data) == receipt


def test_it_is_still_there_after_another_program_saved_the_file_otherwise():
    """Here mido: running status gone, texts moved to a track of their own, the last first."""
    receipt = of(random_melody(1, 8), rows())
    file = mido.MidiFile(file=io.BytesIO(write_receipt(to_midi(random_melody(1, 8)), receipt)))
    texts = [m for m in file.tracks[0] if m.type == "text"]
    file.tracks[0] = mido.MidiTrack(m for m in file.tracks[0] if m.type != "text")
    file.tracks.append(mido.MidiTrack(reversed(texts)))
    saved = io.BytesIO()
    file.save(file=saved)
    assert read_receipt(saved.getvalue()) == receipt
    again = write_receipt(saved.getvalue(), receipt)
    assert sum(text.startswith(b"cantilena:1/") for text in read_texts(again, "x")) == 1


def test_a_users_own_words_are_not_taken_for_a_receipt():
    words = [b"Cantilena is fine", b"cantilena: 1/2", b"Cantilena compose"]
    chunk = b"".join(b"\x00\xff\x01" + bytes([len(w)]) + w for w in words)
    data = song(track(tune(1, 4)))
    data = data.replace(b"MTrk", b"MTrk", 1)
    at = data.index(b"MTrk")
    size = int.from_bytes(data[at + 4 : at + 8], "big") + len(chunk)
    data = data[: at + 4] + size.to_bytes(4, "big") + chunk + data[at + 8 :]
    with pytest.raises(MidiError, match=r"song.mid: has no receipt of Cantilena"):
        read_receipt(data, "song.mid")
    out = write_receipt(data, of(random_melody(1, 4)))
    assert read_texts(out, "x")[:3] == words


# -- damage -----------------------------------------------------------------------------------


def test_a_thousand_damaged_receipts_are_one_line_each():
    receipt = of(random_melody(1, 16), rows(30))
    data = write_receipt(to_midi(random_melody(1, 16)), receipt)
    begin = data.index(b"cantilena:1/") - 4  # the event of the first part
    end = data.index(b"\xff\x51")
    draw, said = random.Random(0), []
    for k in range(1000):
        at = draw.randrange(begin, end)
        damaged = [
            data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :],
            data[:at] + data[at + 1 :],
            data[:at] + bytes([draw.randrange(256)]) + data[at:],
            data[:at],
            data[:at] + data[draw.randrange(at, end) :],
        ][k % 5]
        try:
            assert read_receipt(damaged, "tune.mid") == receipt  # a delta time, or nothing was cut
        except MidiError as error:
            said.append(str(error))
    assert len(said) > 950
    assert all(line.startswith("tune.mid: ") and "\n" not in line for line in said)


def with_texts(*texts):
    from cantilena.music.texts import write_texts

    return write_texts(song(track(tune(1, 4))), texts, gone=lambda text: False, name="x")


def signed(text):
    """A file with any JSON as its receipt, and the right checksum."""
    data = text.encode()
    return with_texts(b"cantilena:1/1:%08x" % zlib.crc32(data) + data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (song(track(tune(1, 4))), "has no receipt of Cantilena"),
        (with_texts(b"cantilena:1/3:a", b"cantilena:3/3:b"), r"damaged \(part 2 of 3 is not there\)"),
        (with_texts(b"cantilena:1/999999:a"), r"damaged \(part 2 of 999999 is not there\)"),
        (with_texts(b"cantilena:0/1:a"), "part 1 of 1 is not there"),
        (with_texts(b"cantilena:1/1:a", b"cantilena:1/1:b"), "parts of more than one receipt"),
        (with_texts(b"cantilena:1/2:a", b"cantilena:2/3:b"), "parts of more than one receipt"),
        (with_texts(b"cantilena:1/1:00000000{}"), "its checksum is not that of its text"),
        (signed("{}"), r"damaged \(Object missing required field `receipt`\)"),
        (signed('{"receipt":1,"recipe":{}}'), "its receipt is of format 1; this version of Cantilena reads 2"),
        (signed('{"receipt":3,"more":1}'), "its receipt is of format 3; this version of Cantilena reads 2"),
        (signed('{"receipt":2}'), "damaged .*missing required field `request`"),
        (signed('{"receipt":NaN}'), "damaged"),
        (signed("[" * 100_000), "damaged"),
        (signed('"receipt"'), "damaged"),
        (signed(of(random_melody(1, 4)).to_json().replace('"steps":20', '"steps":' + "[" * 20 + "]" * 20)), "damaged"),
        (signed(of(random_melody(1, 4)).to_json().replace("64", "1001")), "a melody has 2 to 1000 bars, not 1001"),
        (signed(of(random_melody(1, 4)).to_json().replace('"loop"', '"lop"')), "unknown field `lop` - at `.*request`"),
        (signed(" " * 4_000_001 + "{}"), "4,000,011 bytes, and 4,000,000 are the most"),
        (b"hello", "not a MIDI file"),
    ],
)
def test_what_is_no_receipt(data, message):
    with pytest.raises(MidiError, match=message) as caught:
        read_receipt(data, "tune.mid")
    assert str(caught.value).startswith("tune.mid: ")


def test_a_thousand_hostile_receipts_are_one_line_or_harmless():
    """Any value in any place, under the right checksum: what is let through is well typed."""
    receipt = of(random_melody(1, 4), rows(3), bars=4, rules={"key": "C major"}, voice=Voice(purity=0))
    junk = [None, True, -1, 0, 1e308, "", "x", "\x1b[2J", "\ud800", [], {}, [[]], {"a": []}, 10**400, [1, 2, 3, 4, 5]]
    junk.append(json.loads("[" * 200 + "]" * 200))
    draw, said, let = random.Random(1), [], 0
    for _ in range(1000):
        about = json.loads(receipt.to_json())
        holder, key = about, draw.choice(list(about))
        while isinstance(holder[key], dict | list) and holder[key] and draw.random() < 0.8:
            holder = holder[key]
            key = draw.choice(list(holder)) if isinstance(holder, dict) else draw.randrange(len(holder))
        if isinstance(holder, dict) and draw.random() < 0.2:
            holder[draw.choice(["model", "__class__", "x"])] = holder.pop(key)
        else:
            holder[key] = draw.choice(junk)
        try:
            found = read_receipt(signed(json.dumps(about)), "tune.mid")
        except MidiError as error:
            said.append(str(error))
        else:
            let += 1
            assert Receipt.from_json(found.to_json()) == found
            assert found.rows == () or found.rows[0].bar >= 1
            assert found.table().replace("\n", "").isprintable()
    assert 50 < let < 700
    assert len(said) + let == 1000
    assert all(line.startswith("tune.mid: its receipt is ") and line.isprintable() for line in said)


# -- what it says -----------------------------------------------------------------------------


def test_the_hash_is_of_the_notes_and_the_length_only():
    melody = random_melody(3, 8)
    assert notes_hash(melody) == notes_hash(Melody(melody.events, 90))
    assert notes_hash(melody) == notes_hash(Melody(melody.events.astype(">i8")))
    others = [melody.transpose(1), melody.slice(1, 7), Melody.from_notes(*melody.notes, bars=9)]
    assert len({notes_hash(m) for m in (melody, *others)}) == 4


def test_a_receipt_says_what_was_done_and_where():
    melody = random_melody(1, 4)
    receipt = make_receipt(MODEL, Infill(b"MThd", ((1, 2), (4, 4)), seed=np.int64(3), guidance=np.float32(1.5)), melody)
    told = json.loads(receipt.to_json())["request"]
    assert {name: told[name] for name in ("verb", "seed", "bars", "song", "guidance")} == {
        "verb": "infill", "seed": 3, "bars": "1-2,4", "guidance": 1.5,
        "song": {"name": "MIDI data", "sha256": file_hash(b"MThd")},
    }  # fmt: skip
    assert (receipt.model, receipt.fingerprint, receipt.notes) == ("toy", MODEL.fingerprint, notes_hash(melody))
    assert (receipt.version, receipt.onnxruntime, receipt.cpu) == machine()
    assert receipt.title == "infill, seed 3"
    assert receipt.cpu


def test_the_table_joins_equal_answers_and_counts_bars():
    said = [Row(bar, "chords", f"chord {bar % 2}", "1 of 1", bar != 4) for bar in (1, 2, 3, 4, 11)]
    table = of(random_melody(1, 4), [*rows(16), *said]).table().splitlines()
    assert table[0].startswith("Cantilena ")
    assert "compose, seed 7 (model toy 0123456789abcdef, onnxruntime " in table[0]
    assert [line.split("  ") for line in table[1:]] == [
        line.split("  ")
        for line in [
            "rule    asked     measured          bars",
            "key     D dorian  7 of 7    met     1-16",
            "chords  chord 1   1 of 1    met     1,3,11",
            "chords  chord 0   1 of 1    met     2",
            "chords  chord 0   1 of 1    missed  4",
            "key D dorian: met in 16 of 16 bars",
            "chords: met in 4 of 5 bars",
        ]
    ]
    assert of(random_melody(1, 4)).table() == table[0]
